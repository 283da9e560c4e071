"""Pages of long lists: each begins where the last one ended, so that none is counted, and each is one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet

PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows, and where the neighbours begin: a row's id, or None where there are none."""

    items: Sequence[Any]
    older: int | None
    newer: int | None


def page(rows: QuerySet[Any], *, before: int | None = None, after: int | None = None, size: int = PAGE) -> Page:
    """Read one page, newest first. ``before`` and ``after`` are ids that it lies beyond, towards older and newer."""
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        more, found = len(found) > size, found[:size][::-1]
        return Page(items=found, newer=found[0].pk if more else None, older=found[-1].pk if found else None)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: size + 1])
    more, found = len(found) > size, found[:size]
    newer = found[0].pk if found and before is not None else None
    return Page(items=found, older=found[-1].pk if more else None, newer=newer)


def every(rows: QuerySet[Any], *, size: int = 1000) -> Iterator[Any]:
    """All rows, newest first, read a piece at a time: no more than one piece is in memory, and no cursor stays open."""
    for batch in batches(rows, size=size, newest_first=True):
        yield from batch


def batches(
    rows: QuerySet[Any],
    *,
    size: int,
    by: str = "pk",
    key: Callable[[Any], Any] | None = None,
    newest_first: bool = False,
) -> Iterator[list[Any]]:
    """Read all rows a batch at a time, in the order of a unique column; none is counted, and no cursor stays open.

    ``key`` takes a row's value of ``by`` out of it, where the rows are not instances. Each batch is read when it is
    asked for, so whoever locks its rows asks within their transaction.
    """
    key = key or attrgetter(by)
    order, beyond = (f"-{by}", f"{by}__lt") if newest_first else (by, f"{by}__gt")
    rows = rows.order_by(order)
    batch = list(rows[:size])
    while batch:
        yield batch
        if len(batch) < size:
            return
        batch = list(rows.filter(**{beyond: key(batch[-1])})[:size])
