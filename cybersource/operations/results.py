"""How an operation ended: recorded once, with its order and operation locked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from .. import signals
from ..db import clock, locks
from ..gateway import client
from ..gateway.credentials import RestCredentials
from ..models import (
    UNDER_WAY,
    Attention,
    CyberSourceReply,
    OperationState,
    PaymentOperation,
    ReviewNotificationUpdate,
    card_numbers,
    clipped,
)
from ..payments import attention as needs
from ..payments import balance as payment_balance
from ..payments import ledger, orders, reason_codes
from ..payments.outbox import announce
from ..protocol import ReviewUpdate, format_amount
from ..protocol.rest import NotSent, Outcome, Processed, Refused, calls
from ..protocol.rest_reasons import NO_HOLD_LEFT, NOT_IN_PARTS
from ..reviews.recording import record_decision
from . import plans, rules
from .bookkeeping import is_partial_reversal, list_orphan, recorded_as
from .kinds import DECISIONS, STANDING_DECISIONS, UNDONE
from .order_effects import left_of, list_hold_left, settle_order

Kind = PaymentOperation.Kind
State = OperationState


# -- the call, and how it ended --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OperationResult:
    """How an operation ended, or that it is unknown yet, however it was found out."""

    state: State
    request_id: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    is_found_out: bool = False  #: by a look, when nobody waited for it any more

    @classmethod
    def of(cls, outcome: Outcome) -> OperationResult:
        if isinstance(outcome, NotSent):
            return cls(state=State.NOT_SENT, reason=outcome.cause)
        answer = outcome.answer
        words = {
            "request_id": answer.id,
            "status": answer.status,
            "reason": answer.reason,
            "message": answer.message,
        }
        if isinstance(outcome, Processed):
            return cls(state=State.DONE if outcome.succeeded else State.DECLINED, **words)
        if isinstance(outcome, Refused):
            # A repeat that is refused says that the first one arrived, and not how it ended.
            if outcome.is_duplicate:
                return cls(state=State.UNKNOWN, **words)
            if outcome.http_status == 429:
                words["reason"] = reason_codes.ASKED_TOO_OFTEN
            if outcome.is_not_authenticated:
                words["reason"] = reason_codes.NOT_BELIEVED
            return cls(state=State.REFUSED, **words)
        return cls(state=State.UNKNOWN, **words)


def tell_decision(operation: PaymentOperation, ending: OperationResult) -> OperationResult:
    """Record the decision that stands at CyberSource, and let it have its effect."""
    stands = STANDING_DECISIONS.get(ending.status)
    if stands is None:
        return replace(ending, state=State.UNKNOWN)
    asked = DECISIONS[Kind(operation.kind)]
    update = ReviewUpdate(
        reference_number=operation.order_number,
        request_id=operation.payment_id,
        original_decision="REVIEW",
        new_decision=stands,
        decision_text=stands.value,
        reviewer=operation.user_name if stands == asked else "",
        comments=operation.reason if stands == asked else "",
        notes=(),
        queue="",
        profile="",
        followon=None,
    )
    record_decision(update, source=ReviewNotificationUpdate.Source.OPERATION)
    return replace(ending, state=State.DONE if stands == asked else State.DECLINED)


def was_done(operation: PaymentOperation, ours: RestCredentials | None = None) -> bool:
    """Whether CyberSource's books say that what was refused as a repetition has been done."""
    looked = client.send(calls.look_up(operation.payment_id), order=operation.order, operation=operation, ours=ours)
    return isinstance(looked.outcome, Processed) and looked.outcome.answer.status in UNDONE


def conclude(operation_id: int, ending: OperationResult, *, entry: CyberSourceReply | None = None) -> PaymentOperation:
    """Record how an operation ended, once: what ended before stays as it is. Locks the order, then the operation."""
    return locks.retry_on_conflict(lambda: _conclude(operation_id, ending, entry))


@transaction.atomic
def _conclude(operation_id: int, ending: OperationResult, entry: CyberSourceReply | None) -> PaymentOperation:
    order, operation = locked_with_order(operation_id)
    if operation.state not in UNDER_WAY:
        return operation
    left_before = left_of(operation)
    state = ending.state
    if state == State.REFUSED and is_partial_reversal(operation) and ending.reason in NOT_IN_PARTS:
        state = State.LAPSING
    if asks_again(operation, ending):
        state = State.QUEUED
    known_as_unknown = operation.state == state == State.UNKNOWN or state == State.QUEUED
    operation.state = state
    columns = clipped(
        PaymentOperation,
        request_id=ending.request_id or operation.request_id,
        rest_status=ending.status,
        rest_reason=ending.reason,
        message=card_numbers.mask("message", ending.message),
    )
    for name, value in columns.items():
        setattr(operation, name, value)
    if entry is not None:
        operation.log = entry
    if state not in UNDER_WAY:
        operation.date_settled = clock.now()
    with orders.in_the_shops_language():
        if state in payment_balance.ENDED_WELL:
            record(operation)
        elif state not in UNDER_WAY:
            record_failure(operation)
        if order is not None and not known_as_unknown and ending.reason != plans.NOTHING_LEFT:
            orders.note(order, note_of(operation), user=operation.resolved_by or operation.user)
        operation.save()
        plans.ended(operation)
    if state not in UNDER_WAY:
        with orders.in_the_shops_language():
            settle_order(operation, left_before)
            list_hold_left(operation)
        announce(signals.operation_ended, sender=PaymentOperation, order=order, operation=operation)
    return operation


def locked_with_order(operation_id: int) -> tuple[Any, PaymentOperation]:
    """Lock an operation, its order before it, and return both; None for an order that was deleted."""
    order_id = PaymentOperation.objects.values_list("order", flat=True).get(pk=operation_id)
    order = orders.locked(order_id) if order_id is not None else None
    operation = (
        PaymentOperation.objects.select_for_update(of=("self",), no_key=True)
        .select_related("transaction__source__source_type", "transaction__token", "attempt", "user")
        .get(pk=operation_id)
    )
    operation.order = order
    return order, operation


def asks_again(operation: PaymentOperation, ending: OperationResult) -> bool:
    """Whether an operation that was not looked at is queued again: nobody is there to press the button again.

    The request of a plan waits for its first step only, and as long as its call takes. What staff found out is its
    end.
    """
    if operation.resolved_by_name:
        return False
    was_not_looked_at = ending.state == State.NOT_SENT or ending.reason in reason_codes.NOT_LOOKED_AT
    is_unattended = operation.is_automatic or bool(operation.plan and (operation.position or ending.is_found_out))
    return is_unattended and was_not_looked_at


# -- what it does to Oscar's rows --------------------------------------------------------------------------------------


def record(operation: PaymentOperation) -> None:
    """Record what an operation did. Where its rows were deleted there is no book to write it in: staff are notified."""
    kind = Kind(operation.kind)
    record_it = rules.RULES[kind].record
    if record_it is None:
        return
    if operation.transaction is not None or kind == Kind.REVERSE:
        record_it(operation)
    elif kind == Kind.CAPTURE:
        list_orphan(operation)


def record_failure(operation: PaymentOperation) -> None:
    """A Transaction that moved nothing says that it was tried, under the id to search for at CyberSource.

    Nobody waits for what the shop does automatically, so staff find listed what it could not do.
    """
    kind = rules.RULES[Kind(operation.kind)].makes
    if operation.is_automatic and operation.kind == Kind.REVERSE and operation.rest_reason not in NO_HOLD_LEFT:
        charge = {"transaction_id": operation.payment_id, "amount": operation.amount, "currency": operation.currency}
        needs.flag(Attention.HOLD_LEFT, operation.order, operation.attempt, operation=operation, **charge)
    if kind and operation.transaction is not None:
        operation.made = ledger.record_failure(operation.transaction, kind, operation.amount, **recorded_as(operation))


def note_of(operation: PaymentOperation) -> str:
    """The note on the order: who asked what, why, and how it ended."""
    ending = {
        State.UNKNOWN: _("Its outcome is not known yet. It is being looked up; do not try it again."),
        State.NOT_SENT: _("It never reached CyberSource, and nothing was done. It may be tried again."),
    }.get(State(operation.state), operation.get_state_display())
    message = _("%(what)s %(amount)s %(currency)s (%(number)s), requested by %(user)s. %(ending)s") % {
        "what": operation.get_kind_display(),
        "amount": format_amount(operation.amount, operation.currency),
        "currency": operation.currency,
        "number": operation.reference_number,
        "user": operation.user_name or _("the shop itself"),
        "ending": ending,
    }
    if operation.rest_reason and operation.state not in payment_balance.ENDED_WELL:
        message += f" ({operation.rest_reason})"
    if operation.request_id:
        message += " " + _("CyberSource's request id: %(id)s.") % {"id": operation.request_id}
    if operation.reason:
        message += " " + _("Reason: %(reason)s") % {"reason": operation.reason}
    if operation.resolved_by_name:
        found = _("Recorded by %(user)s, who looked it up in the CyberSource Business Center: %(found)s")
        message += " " + found % {"user": operation.resolved_by_name, "found": operation.resolution}
    return message
