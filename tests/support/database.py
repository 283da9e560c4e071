"""The test database: made by the migrations once, kept as a template, and copied from then on.

All migrations together take a quarter of a minute of a core, a copy takes a second. What a database was made from is
written on it, so that ``--reuse-db`` never meets tables of another day.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection
from django.test.utils import setup_databases

ROOT = Path(__file__).resolve().parent.parent.parent
PREFIX = "template_of_tests_"
#: The pairs of supported versions have one each, on one server.
KEPT_TEMPLATES = 4
#: Filled by migrations, and by nothing in a test.
KEPT = {"django_migrations", "django_content_type", "auth_permission", "django_site"}


def made(verbosity: int, *, keep: bool) -> Any:
    """Make the test database, or keep the one that is there, and return what ``teardown_databases`` wants."""
    tables = fingerprint()
    template = PREFIX + tables
    with one_at_a_time():
        name = connection.creation._get_test_db_name()
        if keep and made_from(name) == tables:
            return setup_databases(verbosity, interactive=False, keepdb=True, aliases={DEFAULT_DB_ALIAS})
        is_copy = exists(template)
        if is_copy:
            connection.settings_dict["TEST"].update(TEMPLATE=template, MIGRATE=False)
        databases = setup_databases(verbosity, interactive=False, keepdb=False, aliases={DEFAULT_DB_ALIAS})
        connection.close()  # nothing is copied while somebody looks at it
        with connection._nodb_cursor() as cursor:
            if not is_copy:
                drop_old_templates(cursor)
                cursor.execute(f'CREATE DATABASE "{template}" TEMPLATE "{name}"')
            cursor.execute(f"COMMENT ON DATABASE \"{name}\" IS '{tables}'")
            # A statement over all tables is thought to be worth helpers and a compiler, which take fifty times as long
            # as the few rows of a test.
            cursor.execute(f'ALTER DATABASE "{name}" SET jit = off')
            cursor.execute(f'ALTER DATABASE "{name}" SET max_parallel_workers_per_gather = 0')
        return databases


def written() -> dict[str, tuple[int, int]]:
    """Return how many rows each table has that has any, and who wrote the last: any statement that writes shows.

    Prepared, because planning it takes ten times as long as running it.
    """
    with connection.cursor() as cursor:
        try:
            cursor.execute("EXECUTE written")
        except DatabaseError:  # a new connection
            cursor.execute(f"PREPARE written AS {every_table_asked(cursor)}")
            cursor.execute("EXECUTE written")
        return {table: (count, last) for table, count, last in cursor.fetchall()}


def every_table_asked(cursor: Any) -> str:
    return " UNION ALL ".join(
        f"SELECT '{table}', count(*), max(xmin::text::bigint) FROM \"{table}\" HAVING count(*) > 0"
        for table in connection.introspection.table_names(cursor)
        if table not in KEPT
    )


def fingerprint() -> str:
    """Return a digest of everything the tables follow from: all migrations, and what runs them."""
    digest = hashlib.sha256(version("django").encode())
    for config in sorted(apps.get_app_configs(), key=lambda config: config.label):
        digest.update(config.label.encode())
        for file in sorted((Path(config.path) / "migrations").glob("*.py")):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Several processes of one run would migrate beside each other, or copy what one of them has open."""
    folder = ROOT / ".sandbox"
    folder.mkdir(exist_ok=True)
    with (folder / "test-database.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def exists(name: str) -> bool:
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def made_from(name: str) -> str | None:
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name])
        found = cursor.fetchone()
        return found[0] if found else None


def drop_old_templates(cursor: Any) -> None:
    cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY oid DESC", [PREFIX + "%"])
    for (name,) in cursor.fetchall()[KEPT_TEMPLATES - 1 :]:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
