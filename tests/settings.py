"""The sandbox's settings, as a shop has them, with what makes a test quick and quiet.

A PostgreSQL server is started here unless ``DATABASE_URL`` names one, because pytest-django reads the settings before
any conftest; it stops with the interpreter.
"""

import atexit
import contextlib
import os
import tempfile
from pathlib import Path

from sandbox import postgres

_running = contextlib.ExitStack()
atexit.register(_running.close)
os.environ["DATABASE_URL"] = _running.enter_context(
    postgres.server(Path(__file__).resolve().parent.parent / ".sandbox" / "test-postgres", fsync=False)
)
os.environ.setdefault("SANDBOX_STATE", _running.enter_context(tempfile.TemporaryDirectory()))

from sandbox.settings import *  # noqa: E402, F403

DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "shop.example", "other.example"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CYBERSOURCE_ENDPOINT_PAY = "http://127.0.0.1:8001/silent/pay"
CYBERSOURCE_ENDPOINT_TOKEN_CREATE = "http://127.0.0.1:8001/silent/token/create"
# The keys of the REST API are for tests that ask for them: with a key, holds are given back by themselves.
CYBERSOURCE_REST_KEY_ID = CYBERSOURCE_REST_SHARED_SECRET = CYBERSOURCE_REST_ENDPOINT = ""
# Tests pay at a speed that limits exist to stop: here they count and say whom they would refuse. The two files called
# test_limits.py switch them on.
CYBERSOURCE_LIMITS = {"shadow": True}
LOGGING = {
    **LOGGING,  # noqa: F405
    "loggers": {},
    "root": {"handlers": [], "level": "INFO"},
}
