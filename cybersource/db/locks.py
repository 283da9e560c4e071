"""How long we wait for PostgreSQL, and when we ask it again.

CyberSource gives a merchant POST ten seconds, and a shopper looks at an empty page meanwhile. So whoever answers from
outside works within ``lock_deadline``: a row that somebody else holds locked is waited for so long and no longer. What
is said to PostgreSQL holds for one transaction only, so it works through a pool of connections (PgBouncer) too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.db.models import CharField, Func, Model, Value

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")

#: Seconds that a request from outside waits for locked rows, all of them together.
FOR_A_REQUEST = 5.0

#: Seconds for each row that is only tried again: it will be tried once more later.
FOR_A_RETRY = 1.0

#: Seconds for what one statement does besides waiting.
FOR_WORK = 3.0

#: How often something is tried that PostgreSQL broke off, or whose connection was lost.
TRIES = 3

#: What the driver raises when the database is away, a row stays locked, or a transaction was sacrificed.
UNAVAILABLE = (OperationalError, InterfaceError)

#: PostgreSQL's codes: deadlock and serialization failure; lock_timeout and statement_timeout.
CONFLICT = {"40P01", "40001"}
LOCKED = {"55P03", "57014"}

_until: ContextVar[float | None] = ContextVar("cybersource_until", default=None)


@contextmanager
def lock_deadline(seconds: float) -> Iterator[None]:
    """Let everything within wait for locked rows until then, together; an earlier end that is set already stays."""
    end = time.monotonic() + seconds
    before = _until.get()
    token = _until.set(end if before is None else min(before, end))
    try:
        yield
    finally:
        _until.reset(token)


def is_over() -> bool:
    """Whether the time for waiting, and for some work after it, has passed. Never outside of ``lock_deadline``."""
    end = _until.get()
    return end is not None and time.monotonic() > end + FOR_WORK


def limits() -> dict[str, Any]:
    """Annotations for the statement that locks the first row of a transaction: they limit it and all that follow.

    PostgreSQL computes what a statement selects before it locks what it selected, so no statement of its own is needed.
    Empty outside of ``lock_deadline``.
    """
    return {f"limit_{name}": _set_local(name, text) for name, text in _limits().items()}


def limit() -> None:
    """Limit the running transaction where its first statement locks rows by writing to them."""
    selected, told = limits_in_sql()
    if told:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {selected}", told)


def lock_row(model: type[Model], key: Any, strength: str) -> None:
    """Lock a row without reading it, in a statement that limits itself and the transaction as :func:`limits` does.

    In SQL, since every reply locks its order and a queryset takes ten times as long to say so.
    """
    quoted = connection.ops.quote_name
    table, column = quoted(model._meta.db_table), quoted(model._meta.pk.column)
    selected, told = limits_in_sql()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {selected} FROM {table} WHERE {column} = %s FOR {strength}", [*told, key])


def limits_in_sql() -> tuple[str, list[str]]:
    """What a statement selects to be limited as by :func:`limits`, and its parameters; 1 without a deadline."""
    told = _limits()
    selected = ", ".join(["set_config(%s, %s, true)"] * len(told)) or "1"
    return selected, [part for setting in told.items() for part in setting]


def _limits() -> dict[str, str]:
    end = _until.get()
    if end is None:
        return {}
    left = max(end - time.monotonic(), 0.002)
    # Where several wait for one row, each waits twice: to be the next, and for the row. 0 would mean no limit.
    return {"lock_timeout": f"{left * 500:.0f}ms", "statement_timeout": f"{(left + FOR_WORK) * 1000:.0f}ms"}


def _set_local(name: str, text: str) -> Func:
    return Func(Value(name), Value(text), Value(True), function="set_config", output_field=CharField())


def retry_on_conflict(work: Callable[[], Answer]) -> Answer:
    """Do it, and do it again where PostgreSQL ended our transaction in favour of another or the connection was lost.

    ``work`` must be harmless when it is done twice: nobody knows whether a commit got through whose answer was lost.
    api-checkout's retry of an order deletes its lines before it locks the order, the other way round than we do.
    """
    for _again in range(TRIES - 1):
        try:
            return work()
        except UNAVAILABLE as problem:
            if connection.in_atomic_block or not (is_conflict(problem) or is_lost(problem)):
                raise
            logger.warning("The database broke off (%s); trying again.", sqlstate(problem) or type(problem).__name__)
            if is_lost(problem):
                connection.close()
    return work()


def retried(work: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Retry each call of a function as :func:`retry_on_conflict` does: for what opens a transaction of its own.

    Called within another's transaction it is not retried: that one is retried as a whole.
    """

    @wraps(work)
    def wrapped(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        return retry_on_conflict(lambda: work(*args, **kwargs))

    return wrapped


def sqlstate(problem: BaseException) -> str | None:
    """PostgreSQL's code of an error, as psycopg and psycopg2 name it; None when the connection itself failed."""
    cause = problem.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def is_conflict(problem: BaseException) -> bool:
    """Deadlock or serialization failure: the same again will do."""
    return isinstance(problem, UNAVAILABLE) and sqlstate(problem) in CONFLICT


def is_locked(problem: BaseException) -> bool:
    """Somebody else kept a row locked for longer than we wait."""
    return isinstance(problem, UNAVAILABLE) and sqlstate(problem) in LOCKED


def is_lost(problem: BaseException) -> bool:
    """The connection is gone: cut, refused, or the server is shutting down or starting."""
    if not isinstance(problem, UNAVAILABLE):
        return False
    code = sqlstate(problem)
    return code is None or code.startswith("08") or code in ("57P01", "57P02", "57P03")
