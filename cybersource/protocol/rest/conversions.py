"""Conversion details: what reviewers decided in a period, read into the updates that a notification tells too.

Source: reporting API field reference; the shape that the vendor's cartridges read. Whether a quiet period is an empty
list or HTTP 404 is not established, so both are taken for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..review import ReviewNote, ReviewUpdate
from ..vocabulary import ReviewDecision
from .answer import at, moment, text

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def read_conversions(content: Mapping[str, Any] | None) -> tuple[ReviewUpdate, ...]:
    """Return the updates that an answer tells, oldest first, so that what was decided first is told first.

    Rows that name no payment are left out, and whatever else is odd reads as missing.
    """
    rows = at(content, "conversionDetails")
    told = [(moment(text(row, "conversionTime")) or _LONG_AGO, _update(row)) for row in _listed(rows)]
    return tuple(update for _at, update in sorted(told, key=lambda each: each[0]) if update.request_id)


def _update(row: Any) -> ReviewUpdate:
    word = text(row, "newDecision")
    return ReviewUpdate(
        reference_number=text(row, "merchantReferenceNumber"),
        request_id=text(row, "requestId"),
        original_decision=text(row, "originalDecision"),
        new_decision=ReviewDecision(word) if word in tuple(ReviewDecision) else None,
        decision_text=word,
        reviewer=text(row, "reviewer"),
        comments=text(row, "reviewerComments"),
        notes=tuple(_notes(row)),
        queue=text(row, "queue"),
        profile=text(row, "profile"),
        followon=None,
    )


def _notes(row: Any) -> Iterator[ReviewNote]:
    for note in _listed(at(row, "notes")):
        written = text(note, "time")
        at_utc = moment(written)
        # In the words of a notification, since notes are told apart by date, author and text.
        yield ReviewNote(
            written_at=at_utc,
            date_text=at_utc.strftime("%Y-%m-%d %H:%M:%S") if at_utc else written,
            added_by=text(note, "addedBy"),
            comment=text(note, "comments") or text(note, "comment"),
        )


def _listed(rows: Any) -> list[Any]:
    return rows if isinstance(rows, list) else []
