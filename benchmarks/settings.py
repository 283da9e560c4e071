"""The tests' settings on a PostgreSQL that keeps what it was told: commits are flushed to the disk, as in a shop."""

import atexit
import contextlib
import os
from pathlib import Path

from sandbox import postgres

_server = contextlib.ExitStack()
atexit.register(_server.close)
os.environ["DATABASE_URL"] = _server.enter_context(
    postgres.server(Path(__file__).resolve().parent.parent / ".sandbox" / "benchmark-postgres")
)

from tests.settings import *  # noqa: E402, F403

ROOT_URLCONF = "benchmarks.urls"
CYBERSOURCE_FLOW = "one-step"
LOGGING = {"version": 1, "disable_existing_loggers": True}
