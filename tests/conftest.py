"""Fixtures for every test that has a shop."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import teardown_databases

from cybersource import signals
from tests.support import database, recorded
from tests.support.desk import Desk
from tests.support.shop import Shopper

pytest_plugins = ["cybersource.simulator.pytest_plugin"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in {"protocol", "simulator"}:
            item.add_marker(pytest.mark.quick)


#: The rooms whose tests begin with orders that other tests are about.
RECORDED = {
    "api",
    "checkout",
    "connection_test",
    "dashboard",
    "gateway",
    "inbound",
    "limits",
    "operations",
    "payments",
    "reconciliation",
    "reviews",
}


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_keepdb: bool,
    django_db_createdb: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """The test database, always.

    pytest-django makes one only if a test asks for a fixture of its own. In a run where all ask for ``committed_db``
    the tests would meet, and empty, the database that ``DATABASE_URL`` names.
    """
    verbosity = request.config.option.verbose
    keep = django_db_keepdb and not django_db_createdb
    with django_db_blocker.unblock():
        databases = database.made(verbosity, keep=keep)
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            end_other_sessions()
            teardown_databases(databases, verbosity)


def end_other_sessions() -> None:
    """A thread of a live server may still hold a connection, and PostgreSQL drops no database that is in use."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def recorded_steps(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let what comes before the claim of a test be put in from records; see :mod:`tests.support.recorded`."""
    thorough = os.environ.get("CYBERSOURCE_TESTS") == "thorough"
    real = thorough or request.node.get_closest_marker("real_checkout")
    if request.path.parent.name in RECORDED and not real:
        with recorded.steps(request):
            yield
    else:
        yield


@pytest.fixture
def committed_db(django_db_setup, django_db_blocker) -> Iterator[None]:
    """A database in which commits are real, emptied afterwards.

    What a reply stores before its effects has to be really stored, so no transaction wraps the test. Only the tables
    that were written to are emptied.
    """
    with django_db_blocker.unblock():
        yield
        empty_tables()
        cache.clear()  # budgets of the test's shoppers


def empty_tables(*, truncate: bool = False) -> None:
    with connection.cursor() as cursor:
        written = [connection.ops.quote_name(name) for name in database.written()]
        if not written:
            return
        cursor.execute("SET lock_timeout = '120s'")  # a thread of a live server may still hold rows: never for ever
        if may_pass_over_constraints() and not truncate:
            # All of it goes, so nothing is left pointing anywhere. TRUNCATE makes new files for each table and index,
            # which takes a hundred times as long as it takes to delete the few rows of a test.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("; ".join(f"DELETE FROM {name}" for name in written))
            cursor.execute("SET session_replication_role = DEFAULT")
        else:
            cursor.execute(f"TRUNCATE {', '.join(written)} CASCADE")
        cursor.execute("RESET lock_timeout")


@functools.cache
def may_pass_over_constraints() -> bool:
    """Only a superuser may; a server that ``DATABASE_URL`` names may know us as less."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return bool(cursor.fetchone()[0])


@pytest.fixture
def shopper(committed_db) -> Shopper:
    return Shopper()


@pytest.fixture
def desk(committed_db, cybersource_simulator, settings) -> Desk:
    """Staff of a shop that has the keys of the simulator's REST services."""
    for name, value in cybersource_simulator.shop_settings.items():
        setattr(settings, name, value)
    cybersource_simulator.set_shop("http://localhost")
    return Desk(cybersource_simulator)


@pytest.fixture
def one_step(settings: Any) -> None:
    """One form a payment, which is enough where the number of steps makes no difference."""
    settings.CYBERSOURCE_FLOW = "one-step"


@pytest.fixture
def unexpected() -> Iterator[list[str]]:
    """Of which charges ``unexpected_charge`` told, by what they are listed as."""
    told: list[str] = []

    def hear(attention: str, **kwargs: Any) -> None:
        told.append(attention)

    signals.unexpected_charge.connect(hear)
    yield told
    signals.unexpected_charge.disconnect(hear)
