"""The budgets of the issues and what was measured, as one table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: What was measured: seconds, statements, bytes, megabytes. Keys are a name and, where it matters, lines or updates,
#: and log rows.
FIGURES: dict[Any, float] = {}

#: Statements that read a table of the history from end to end, with their plans.
WHOLE_TABLES: list[str] = []

SIZES = (1, 10, 100)
LOGS = (0, 100_000, 1_000_000)
WORKED = ("reply", "floor", "empty")


def table() -> Iterator[str]:
    """One line a budget, with the figures at every size that was measured."""
    if not FIGURES:
        return
    rows = [("work", "measured", "budget", "holds"), *filter(None, budgets())]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    yield ""
    for number, row in enumerate(rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def budgets() -> Iterator[tuple[str, str, str, str] | None]:
    yield line("verify a reply of 60 fields, times parse, join and HMAC", [ratio("verify", "verify floor")], 2.0)
    yield line("... microseconds", [micro("verify")])
    yield line("... statements, key in the settings / in a row", [get("key settings"), get("key row")], [0, 1])
    for log in LOGS:
        at = f", {log:,} log rows"
        yield line(f"reply to paid order, statements{at}", sizes("paid statements", log), 26)
        yield line("... without BEGIN and COMMIT", [less(one, 2) for one in sizes("paid statements", log)])
        yield line("... the floor's statements", sizes("floor statements", log))
        yield line("... commits up to settlement", sizes("paid commits", log), 2)
        yield line("... times the floor's time, both in turn", [beside("paid", size, log) for size in SIZES], 1.5)
        yield line("... ms", [milli(("paid", size, log)) for size in SIZES])
        yield line("... the floor's ms", [milli(("beside", "paid", size, log)) for size in SIZES])
        yield line(f"build and sign a form, statements{at}", sizes("form statements", log), 5)
        yield line("... ms of CPU (at 100 lines an eighth of 134)", form_times(log), [None, None, 134 / 8])
    yield line("shopper's session after checkout, bytes", sizes("session"), 1023)
    for size in SIZES:
        at = ", 0 / 100,000 / 1,000,000 log rows"
        yield line(f"review, statements of {size} updates, none new{at}", logs("told", size), 10 + 2 * size)
        yield line(f"... of {size} decisions on orders that were not held", logs("decided", size), 10 + 2 * size)
        yield line(f"... of {size} releases, without paying and mailing", logs("released", size), 10 + 2 * size)
        yield line("... all in all", logs("released whole", size))
    for operation in ("authorize", "capture", "refund", "void", "reverse"):
        yield line(f"{operation}, statements", sizes(f"{operation} statements"))
        yield line("... ms, without CyberSource's own", [milli((operation, size)) for size in SIZES])
    for page in ("log", "attempts", "refused posts", "notifications", "tokens"):
        yield line(f"list of {page}, statements at 0 / 100,000 / 1,000,000", logs(f"{page} statements"), 12)
        yield line("... times its own time with an empty log", against_empty(f"{page} list"), 1.5)
        yield line("... ms", [milli((f"{page} list", log)) for log in LOGS])
    yield line("search the log by order number, transaction id: ms", [milli("by number"), milli("by id")], 300.0)
    for work in ("paid", "form", "return", "review"):
        of_the_floor = [over(beside(work, 1, log), beside(work, 1, 0)) for log in LOGS[1:]]
        yield line(f"{work}: time at 100,000 / 1,000,000 rows, times an empty log", of_the_floor, 1.1)
        yield line("... ms at 0 / 100,000 / 1,000,000 log rows", logs(work, 1, scale=1e3))
    yield line("statements that read a whole table at 1,000,000 log rows", [len(WHOLE_TABLES)], 0)
    in_floors = ratio("floor rate", "reply rate")
    yield line("one reply on 2 gunicorn workers, in empty requests", [ratio("empty rate", "reply rate")], 25.0)
    yield line("... one request of the floor (about 15 where the budget was made)", [ratio("empty rate", "floor rate")])
    yield line("... one reply in the unit in which the floor is 15", [in_floors and 15 * in_floors], 25.0)
    yield line("... replies, the floor's, empty requests per second", [get(f"{who} rate") for who in WORKED])
    yield line("import cybersource, ms", [milli("import")], 100.0)
    yield line(
        "a worker's start takes longer by, ms of CPU: setup(), and with URLs",
        [milli("worker setup"), milli("worker start")],
    )
    yield line("... without the app", [milli("worker setup without"), milli("worker start without")])
    yield line(
        "a worker has more memory by, MB: started, after a REST call",
        [get("worker memory"), get("worker memory after a REST call")],
        20.0,
    )
    yield line("... without the app", [get("worker memory without")])


def line(work: str, measured: list[Any], budget: Any = None) -> tuple[str, str, str, str] | None:
    if all(value is None for value in measured):
        return None
    limits = budget if isinstance(budget, list) else [budget] * len(measured)
    pairs = [(value, limit) for value, limit in zip(measured, limits, strict=True) if None not in (value, limit)]
    holds = "" if not pairs else "yes" if all(value <= limit for value, limit in pairs) else "NO"
    limit = "" if budget is None else " / ".join("-" if one is None else said(one) for one in dict.fromkeys(limits))
    return work, " / ".join("-" if value is None else said(value) for value in measured), limit, holds


def said(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) and value < 100 else f"{value:.0f}"


def get(key: Any) -> Any:
    return FIGURES.get(key)


def less(value: Any, by: int) -> Any:
    return None if value is None else value - by


def over(value: Any, unit: Any) -> Any:
    return value / unit if value and unit else None


def ratio(key: Any, floor: Any) -> Any:
    return over(get(key), get(floor))


def beside(*name: Any) -> Any:
    """How long it takes, in units of what was done in turn with it."""
    return ratio(name, ("beside", *name))


def micro(key: Any) -> Any:
    return None if get(key) is None else get(key) * 1e6


def milli(key: Any) -> Any:
    return None if get(key) is None else get(key) * 1e3


def sizes(name: str, log: int | None = None) -> list[Any]:
    return [get((name, size) if log is None else (name, size, log)) for size in SIZES]


def form_times(log: int) -> list[Any]:
    return [milli(("form", size, log)) for size in SIZES]


def logs(name: str, size: int | None = None, *, scale: float = 1) -> list[Any]:
    found = [get((name, log) if size is None else (name, size, log)) for log in LOGS]
    return [None if value is None else value * scale for value in found]


def against_empty(name: str) -> list[Any]:
    return [ratio((name, log), (name, 0)) for log in LOGS]
