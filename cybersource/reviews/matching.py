"""Which authorization an update is about, and updates applied in the order they were told."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from django.db import transaction
from django.db.models import F
from oscar.core.loading import get_model

from ..db import locks
from ..models import ReviewNotification, ReviewNotificationUpdate
from ..payments import orders
from ..protocol import Outcome, OutcomeKind, ReviewDecision, ReviewUpdate
from .decisions import PENDING, Match, ReviewBatch, still_pending

Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

State = ReviewNotificationUpdate.State

#: A card number is masked whole before evidence is cut, so that the cut leaves no part of it to be read.
MARGIN = 64

#: Of how many orders updates are applied in one transaction: each order is locked until its end.
TOGETHER = 20

#: Outcomes of payments that a reviewer may have been asked about.
HOLDS_MONEY = (OutcomeKind.REVIEW, OutcomeKind.ACCEPTED, OutcomeKind.PARTIAL)

#: An update as it is kept, and as it was understood.
Told = tuple[ReviewNotificationUpdate, ReviewUpdate]


# -- an update takes effect ----------------------------------------------------------------------------------------


def apply_waiting(*, request_id: str = "") -> int:
    """Act on stored updates that still wait or failed: of one transaction, or all. Returns how many moved on.

    Safe at any time and on several machines at once: an update that somebody else acted on meanwhile changes nothing.
    """
    rows = ReviewNotificationUpdate.objects.filter(state__in=PENDING).order_by("pk")
    if request_id:
        rows = rows.filter(request_id=request_id[:64])
        if not rows.exists():  # as after nearly every payment: half the time of reading none
            return 0
    told = [(row, ReviewUpdate.from_json(row.payload)) for row in rows]
    looked_at = {row.notification_id for row, _update in told if row.notification_id}
    moved = sum(state not in PENDING for state in apply_all(told, seconds=locks.FOR_A_RETRY))
    if looked_at:
        unhandled = ReviewNotification.objects.filter(pk__in=looked_at, state=ReviewNotification.State.RECEIVED)
        unhandled.exclude(updates__state=State.FAILED).update(state=ReviewNotification.State.HANDLED)
    return moved


def apply_told_before(outcome: Outcome, *, log_row: int) -> None:
    """Act on what was told of a payment before it came. What cannot be read yet waits in a row of its own."""
    if outcome.kind not in HOLDS_MONEY or not outcome.transaction_id:
        return
    try:
        apply_waiting(request_id=outcome.transaction_id)
    except Exception:  # the payment is settled
        logger.exception("What reviewers told of the payment of log row %s could not be read yet.", log_row)


def apply_all(told: Sequence[Told], *, seconds: float = math.inf) -> list[str]:
    """Act on updates in the order they were told, many in one transaction; say what became of each.

    ``seconds``: how long each transaction may wait for locked rows, where the caller sets no end to all of them. Where
    he does, those that no time is left for stay as they are stored, and count as failed.
    """
    held: set[str] = set()
    states: list[str] = []
    for batch in batches(told):
        if locks.is_over():
            logger.warning("No time is left for %s review updates. They are stored and wait.", len(told) - len(states))
            return states + [State.FAILED] * (len(told) - len(states))
        states += try_to_apply(batch, seconds, held)
    return states


def batches(told: Sequence[Told]) -> Iterator[list[Told]]:
    """What is applied together, in the order it was told."""
    batch: list[Told] = []
    numbers: set[str] = set()
    for row, update in told:
        if len(numbers) >= TOGETHER and update.reference_number not in numbers:
            yield batch
            batch, numbers = [], set()
        batch.append((row, update))
        numbers.add(update.reference_number)
    if batch:
        yield batch


def try_to_apply(told: Sequence[Told], seconds: float, held: set[str]) -> list[str]:
    """Act on updates together, and where that fails on each of them alone: a bad one harms none of the others.

    An error of one that is alone marks it failed and is logged. ``held`` gathers the numbers of orders that somebody
    else keeps locked: they are not waited for twice.
    """
    row, _update = told[0]
    if locks.is_over():
        return [State.FAILED] * len(told)
    try:
        if len(told) > 1 or row.reference_number not in held:
            with within(seconds):
                return locks.retry_on_conflict(lambda: apply(told))
    except Exception as problem:
        if len(told) == 1 and locks.is_locked(problem):
            logger.warning("Review update %s is stored and waits: somebody else holds its order locked.", row.pk)
            held.add(row.reference_number)
        elif len(told) == 1:
            logger.exception("Review update %s could not be recorded. It is kept and will be tried again.", row.pk)
    if len(told) > 1:
        return [state for one in told for state in try_to_apply([one], seconds, held)]
    try:
        with within(seconds):
            mark_failed(row)
    except locks.UNAVAILABLE:
        logger.warning("Review update %s still says that it waits.", row.pk)
    return [State.FAILED]


def within(seconds: float) -> AbstractContextManager[None]:
    return nullcontext() if seconds == math.inf else locks.lock_deadline(seconds)


@transaction.atomic
def mark_failed(row: ReviewNotificationUpdate) -> None:
    locks.limit()
    still_pending([row]).update(state=State.FAILED)


@transaction.atomic
def apply(told: Sequence[Told]) -> list[str]:
    """Match updates and record them, with the orders' and then the transactions' rows locked.

    Both in the order of their keys, so that two notifications never wait for each other.
    """
    matches = matching([update for _row, update in told])
    if not any(matches):
        return [State.WAITING] * len(told)
    rejects = any(update.new_decision == ReviewDecision.REJECT for _row, update in told)
    desk = ReviewBatch.with_locked(filter(None, matches), rejects=rejects)
    # Notes are for staff and told apart by their text, so they are in the shop's language in any request.
    with orders.in_the_shops_language():
        states = [
            desk.act_on(*one, match) if match else State.WAITING for one, match in zip(told, matches, strict=True)
        ]
        desk.finish()
    return states


def matching(updates: Sequence[ReviewUpdate]) -> list[Match | None]:
    """For each update the authorization that both its order's reference number and its request id name, or None."""
    named = [update for update in updates if update.reference_number and update.request_id]
    authorizations = Transaction.objects.filter(
        reference__in={update.request_id for update in named}, txn_type=Transaction.AUTHORISE
    ).annotate(order_id=F("source__order"))
    found: dict[tuple[str, str], Match] = {}
    numbered = authorizations.filter(source__order__number__in={update.reference_number for update in named})
    for number, reference, *match in numbered.values_list("source__order__number", "reference", "pk", "order_id"):
        found.setdefault((number, reference), Match(*match))
    # An order number that CyberSource would not take, or that looks like a card number, is in the log in other words.
    others = [update for update in named if (update.reference_number, update.request_id) not in found]
    if others:
        logged = authorizations.filter(
            log__transaction_id__in={update.request_id[:64] for update in others},
            log__reference_number__in={update.reference_number[:50] for update in others},
        )
        by_log: dict[tuple[str, str], Match] = {}
        for number, reference, *match in logged.values_list("log__reference_number", "reference", "pk", "order_id"):
            by_log.setdefault((number, reference), Match(*match))
        for update in others:
            match_of_log = by_log.get((update.reference_number[:50], update.request_id))
            if match_of_log:
                found[update.reference_number, update.request_id] = match_of_log
    return [found.get((update.reference_number, update.request_id)) for update in updates]
