"""Pages of long lists: each begins where the last one ended, so that none is counted, and each is one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    last: int | None = None
    while True:
        piece = list((rows if last is None else rows.filter(pk__lt=last)).order_by("-pk")[:size])
        yield from piece
        if len(piece) < size:
            return
        last = piece[-1].pk
