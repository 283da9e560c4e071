"""Databases for generated projects; and what may download is run only where CI is set."""

from __future__ import annotations

import os
from contextlib import closing

import pytest
from django.db import connections

try:
    import psycopg as driver
except ImportError:
    import psycopg2 as driver

collect_ignore = [] if os.environ.get("CI") else ["test_installation.py"]


@pytest.fixture(scope="module")
def empty_database():
    """Make an empty database on the server that the tests use; returns its ``DATABASES`` entry. Dropped afterwards."""
    ours = connections.settings["default"]
    where = {"host": ours["HOST"], "port": ours["PORT"], "user": ours["USER"], "password": ours["PASSWORD"]}
    made = []
    with closing(driver.connect(dbname="postgres", **{key: value for key, value in where.items() if value})) as server:
        server.autocommit = True

        def make(name):
            name = f"{name}_{os.getpid()}"  # two runs may share the server
            made.append(name)
            server.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            server.cursor().execute(f"CREATE DATABASE {name}")
            return {**{key: ours[key] for key in ("ENGINE", "HOST", "PORT", "USER", "PASSWORD")}, "NAME": name}

        yield make
        for name in made:
            server.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
