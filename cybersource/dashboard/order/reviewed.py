"""What reviewers decided over a payment, and what they and Decision Manager said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from oscar.core.loading import get_model

from ...db import clock
from ...models import FollowonResult, ReviewNotificationUpdate
from ...payments import amounts
from ...protocol import ReviewDecision
from .looks import TONES

Transaction = get_model("payment", "Transaction")

UpdateState = ReviewNotificationUpdate.State


@dataclass(frozen=True, kw_only=True)
class ReviewNoteEntry:
    date: str
    author: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class ReviewUpdateEntry:
    """One update from Decision Manager about a reviewed transaction."""

    at: datetime
    reviewer: str
    decision: str
    comments: str
    queue: str
    state: str
    state_text: str


@dataclass(frozen=True, kw_only=True)
class FollowonEntry:
    """What a reviewer started together with the decision: a settlement, a reversal."""

    application: str
    status: str
    reason_code: str
    message: str
    request_id: str

    @property
    def done(self) -> bool:
        return self.status.lower() == "success"

    @property
    def reversed(self) -> bool:
        return self.done and "revers" in self.application.lower()


@dataclass(frozen=True, kw_only=True)
class ReviewEntry:
    """A transaction that a person looks at or looked at."""

    transaction_id: str
    amount: Decimal
    currency: str
    since: datetime
    status: str
    tone: str
    told: tuple[ReviewUpdateEntry, ...]
    notes: tuple[ReviewNoteEntry, ...]
    followons: tuple[FollowonEntry, ...]

    @property
    def to_reverse(self) -> bool:
        """Rejected, and nobody told us that the hold on the shopper's card was let go."""
        return self.status == "REJECT" and not any(done.reversed for done in self.followons)

    @property
    def waiting(self) -> bool:
        return self.status == Transaction.REVIEW

    @property
    def verdict(self) -> str:
        """The decision, also after the payment was given back, which changes its status; empty for none."""
        if self.decided is not None:
            return self.decided.decision
        return self.status if self.status in list(ReviewDecision) else ""

    @property
    def decided(self) -> ReviewUpdateEntry | None:
        """The update that settled it; None while it waits, or when staff settled it by other means."""
        return next((told for told in self.told if told.state == UpdateState.RECORDED), None)

    @property
    def others(self) -> tuple[ReviewUpdateEntry, ...]:
        """Everything else we were told of it, as far as somebody said something."""
        return tuple(told for told in self.told if told is not self.decided and (told.decision or told.comments))


def reviewed(
    order: Any,
    charges: Sequence[Any],
    updates: Sequence[ReviewNotificationUpdate],
    followons: Sequence[FollowonResult],
) -> tuple[ReviewEntry, ...]:
    """Every authorization that waits for a reviewer, or that Decision Manager told us of, newest first."""
    found = []
    for charge in charges:
        about = [update for update in updates if update.request_id == charge.reference]
        if charge.txn_type != Transaction.AUTHORISE or not (about or charge.is_pending_review):
            continue
        found.append(
            ReviewEntry(
                transaction_id=charge.reference,
                amount=amounts.amount_of(charge),
                currency=charge.source.currency,
                since=charge.processed_datetime or clock.aware(charge.date_created),
                status=charge.status,
                tone=TONES.get(charge.status, "secondary"),
                told=tuple(told(update) for update in about),
                notes=notes(about),
                followons=tuple(started(followon) for followon in followons if followon.transaction_id == charge.pk),
            )
        )
    return tuple(reversed(found))


def told(update: Any) -> ReviewUpdateEntry:
    return ReviewUpdateEntry(
        at=update.date_created,
        reviewer=update.reviewer,
        decision=update.decision,
        comments=str(update.payload.get("comments") or ""),
        queue=str(update.payload.get("queue") or ""),
        state=update.state,
        state_text=update.get_state_display(),
    )


def started(followon: FollowonResult) -> FollowonEntry:
    return FollowonEntry(
        application=followon.application,
        status=followon.status,
        reason_code=followon.reason_code,
        message=followon.message,
        request_id=followon.request_id,
    )


def notes(updates: Sequence[ReviewNotificationUpdate]) -> tuple[ReviewNoteEntry, ...]:
    """Each note once, oldest first: messages repeat all the notes so far, and notes have no identity."""
    written = [note for update in updates for note in update.payload.get("notes") or ()]
    written.sort(key=lambda note: str(note.get("written_at") or note.get("date_text") or ""))
    return tuple(
        dict.fromkeys(
            ReviewNoteEntry(
                date=str(note.get("date_text") or ""),
                author=str(note.get("added_by") or ""),
                comment=str(note.get("comment") or ""),
            )
            for note in written
        )
    )
