"""Work at the same moment, each piece in a real thread with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, connections


def in_threads(work: Callable[[int], Any], count: int) -> list[Any]:
    """Do it so often, let go all at once; return what each returned."""
    ready = threading.Barrier(count)

    def run(number: int) -> Any:
        try:
            connection.ensure_connection()
            ready.wait(60)
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do each of them, let go at the same moment; return what they returned."""
    return in_threads(lambda number: works[number](), len(works))


def wait_until_somebody_waits() -> None:
    """Wait until a session of this database waits for a lock."""
    for _look in range(200):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.05)
    raise AssertionError("nobody waited for a lock")
