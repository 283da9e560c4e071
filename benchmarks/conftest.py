"""What the benchmarks share: one database for all of them, how long its log is, and the table at the end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import pytest
from django.db import connection, reset_queries
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model

from benchmarks import history
from benchmarks.table import FIGURES, WHOLE_TABLES, table
from tests.conftest import django_db_setup, empty_tables  # noqa: F401

pytest_plugins = ["cybersource.simulator.pytest_plugin"]

#: Costs must not depend on how long the log is.
LOG_ROWS = (0, 100_000, 1_000_000)
LINES = (1, 10, 100)
#: An empty log has rows for one page of each of the admin's lists, so that pages of one length are compared.
A_PAGE = 100 * history.LOG_ROWS_AN_ORDER


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in (*table(), *WHOLE_TABLES):
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
    reset_queries()  # only so many are kept, and of what comes after them none would be counted
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
            # The first so many rows as they come are no whole table.
            plan_of_all = re.sub(r"Limit .*\n *->  Seq Scan .*(?!\n *Filter)$", "", plan, flags=re.MULTILINE)
            found += [f"{sql}\n{plan}" for name in history.ROWS if re.search(rf"Seq Scan on {name}\b", plan_of_all)]
    return found


def count_whole_tables_read(ran: list[str]) -> None:
    """Note what a history of a million rows makes dear; the table says how many there are, and below it which."""
    WHOLE_TABLES.extend(whole_tables_read(ran))


def timed(
    benchmark: Any,
    work: Callable[..., Any],
    *,
    name: Any,
    rounds: int,
    prepare: Callable[[], Any] | None = None,
    beside: Callable[[], Callable[[], Any]] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Measure, keep the median in seconds under ``name``, and let a first round warm up what is read once.

    ``prepare`` returns the work's arguments. ``beside`` prepares other work, which is done before each round and its
    median kept as ``("beside", *name)``: machines are slower in one minute than in the next, but two works done in turn
    are so by the same factor.
    """
    took: list[float] = []

    def setup() -> Any:
        if beside is not None:
            other = beside()
            began = clock()
            other()
            took.append(clock() - began)
        return (prepare() if prepare else (), {})

    work(*setup()[0])
    took.clear()
    benchmark.pedantic(work, setup=setup, rounds=rounds)
    if benchmark.stats is not None:
        FIGURES[name] = benchmark.stats.stats.median
        if took:
            FIGURES["beside", *name] = median(took)
