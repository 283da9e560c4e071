"""Everything that happened to an order's card payments, one line each, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from ...models import CyberSourceReply, PaymentAttempt
from .alarms import HandledAlarm
from .attempts import delivery, type_of
from .looks import TONES, amount_of
from .money import OperationEntry
from .reviewed import ReviewEntry


@dataclass(frozen=True, kw_only=True)
class TimelineEvent:
    at: datetime
    what: str
    detail: str = ""
    state: str = ""
    tone: str = "secondary"
    operation: int | None = None  #: the operation that it belongs to
    entry: int | None = None  #: the log row that says so


def timeline(
    attempts: Iterable[PaymentAttempt],
    entries: Iterable[CyberSourceReply],
    operations: Iterable[OperationEntry],
    reviews: Sequence[ReviewEntry],
    done: Iterable[HandledAlarm],
) -> tuple[TimelineEvent, ...]:
    """All events, oldest first."""
    events = [
        *map(begun, attempts),
        *map(arrived, entries),
        *(event for operation in operations for event in of_operation(operation)),
        *(event for review in reviews for event in of_review(review)),
        *(TimelineEvent(at=one.at, what=one.what, detail=f"{one.user}: {one.reason}".strip(": ")) for one in done),
    ]
    return tuple(sorted(events, key=lambda event: event.at))


def begun(attempt: PaymentAttempt) -> TimelineEvent:
    what = _("%(what)s begun, %(amount)s") % {
        "what": type_of(attempt),
        "amount": amount_of(attempt.amount, attempt.currency),
    }
    return TimelineEvent(
        at=attempt.date_created, what=what, detail=attempt.get_attention_display() if attempt.attention else ""
    )


def arrived(entry: CyberSourceReply) -> TimelineEvent:
    told = delivery(entry)
    said = " ".join(filter(None, (told.decision, str(told.reason_code or ""))))
    return TimelineEvent(
        at=told.at,
        what=_("%(received_by)s: %(what)s") % {"received_by": told.received_by, "what": told.reason},
        detail=told.result_text,
        state=said,
        tone=told.tone,
        entry=told.pk,
    )


def of_operation(operation: OperationEntry) -> Iterator[TimelineEvent]:
    what = _("%(what)s %(amount)s (%(number)s)") % {
        "what": operation.what,
        "amount": amount_of(operation.amount, operation.currency),
        "number": operation.number,
    }
    who = _("requested by %(user)s") % {"user": operation.user}
    yield TimelineEvent(
        at=operation.at,
        what=what,
        detail=f"{who}: {operation.reason}".strip(": "),
        state="" if operation.ended else operation.state,
        tone=operation.tone,
        operation=operation.pk,
    )
    if operation.ended:
        yield TimelineEvent(
            at=operation.ended,
            what=what,
            detail=operation.because,
            state=operation.state,
            tone=operation.tone,
            operation=operation.pk,
        )


def of_review(review: ReviewEntry) -> Iterator[TimelineEvent]:
    yield TimelineEvent(
        at=review.since,
        what=_("Under review, %(amount)s") % {"amount": amount_of(review.amount, review.currency)},
        tone="warning",
    )
    for told in review.told:
        yield TimelineEvent(
            at=told.at,
            what=_("Decision Manager: %(what)s") % {"what": told.state_text},
            detail=f"{told.reviewer}: {told.comments}".strip(": "),
            state=told.decision,
            tone=TONES.get(told.decision, "secondary"),
        )
