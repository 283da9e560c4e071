"""What the benchmarks share: one database for all of them, how long its log is, and the table at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model

from benchmarks import history
from benchmarks.table import FIGURES, table
from tests.conftest import django_db_setup, empty_tables  # noqa: F401

pytest_plugins = ["cybersource.simulator.pytest_plugin"]

#: Costs must not depend on how long the log is.
LOG_ROWS = (0, 100_000, 1_000_000)
LINES = (1, 10, 100)
#: An empty log has rows for one page of each of the admin's lists, so that pages of one length are compared.
A_PAGE = 100 * history.LOG_ROWS_AN_ORDER


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in table():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def database(django_db_setup, django_db_blocker) -> Iterator[None]:  # noqa: F811
    """A database that is never emptied between two benchmarks."""
    with django_db_blocker.unblock():
        empty_tables(truncate=True)
        yield
        empty_tables(truncate=True)


@pytest.fixture(scope="session", params=LOG_ROWS, ids=lambda rows: f"{rows}-log-rows")
def log(request: pytest.FixtureRequest, database: None) -> int:
    """How many rows the log has. pytest runs all that has the same number before it goes on to the next."""
    get_model("payment", "SourceType").objects.get_or_create(name="Card")
    history.fill(max(request.param, A_PAGE))
    return int(request.param)


@pytest.fixture(params=LINES, ids=lambda lines: f"{lines}-lines")
def lines(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def statements(work: Callable[[], Any]) -> list[str]:
    """The SQL of one piece of work, transactions' words included."""
    with CaptureQueriesContext(connection) as ran:
        work()
        return [query["sql"] for query in ran.captured_queries]


def whole_tables_read(ran: list[str]) -> list[str]:
    """Those statements whose plan reads a table of the history from end to end."""
    found = []
    with connection.cursor() as cursor:
        for sql in ran:
            if not sql.startswith(("SELECT", "UPDATE", "DELETE")):
                continue
            cursor.execute("EXPLAIN " + sql.replace("%", "%%"), [])
            plan = "\n".join(line for (line,) in cursor.fetchall())
            found += [f"{sql}\n{plan}" for name in history.ROWS if re.search(rf"Seq Scan on {name}\b", plan)]
    return found


def timed(benchmark: Any, work: Callable[..., Any], *, name: Any, rounds: int, prepare: Any = None) -> None:
    """Measure, keep the median in seconds under ``name``, and let a first round warm up what is read once."""
    if prepare is None:
        benchmark.pedantic(work, rounds=rounds, warmup_rounds=2)
    else:
        work(*prepare()[0])
        benchmark.pedantic(work, setup=prepare, rounds=rounds)
    if benchmark.stats is not None:
        FIGURES[name] = benchmark.stats.stats.median
