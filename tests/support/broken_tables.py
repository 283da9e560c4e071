"""A table that PostgreSQL lets nobody write to, or read from: a real failure in the middle of our own code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

TRIGGER = """
CREATE FUNCTION broken_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$;
CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION broken_{table}();
"""


@contextmanager
def unwritable(table: str) -> Iterator[None]:
    """No row of the table can be written."""
    run(TRIGGER.format(table=table))
    try:
        yield
    finally:
        run(f"DROP FUNCTION broken_{table} CASCADE")


@contextmanager
def unreadable(table: str) -> Iterator[None]:
    """The table is not there, as after a migration that went wrong."""
    run(f"ALTER TABLE {table} RENAME TO {table}_gone")
    try:
        yield
    finally:
        run(f"ALTER TABLE {table}_gone RENAME TO {table}")


def run(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)
