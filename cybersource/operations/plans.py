"""Money that goes back by several operations: each step is a row, written with the first, and sent in its turn.

    plan -> its rows (the first sent, the others queued) -> each step that ends lets the next one go, or drops the rest

So nothing of a plan is in a process's memory: after a crash, and after an answer that was lost and found, the next
process goes on from the rows. Called inside the transaction that holds the order's row locked, if not said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..db import clock
from ..models import UNDER_WAY, Attention, OperationState, PaymentOperation
from ..payments import attention as needs
from ..payments import balance, operation_queue, orders
from ..payments.balance import ENDED_WELL
from ..protocol.rest_reasons import TOO_LATE_TO_VOID

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind
State = OperationState

#: Why a step was dropped. Ours, where CyberSource's reasons stand otherwise.
NOTHING_LEFT = "NOTHING_LEFT"
EARLIER_STEP = "EARLIER_STEP"

#: Keys of rows are no longer than this.
LONGEST_KEY = 64


def steps_of(operation: PaymentOperation) -> list[PaymentOperation]:
    """Every step of the plan that an operation belongs to, in order; the operation alone where it has none.

    Steps for which nothing was left are none.
    """
    if not operation.plan:
        return [operation]
    rows = PaymentOperation.objects.filter(plan=operation.plan).select_related("order", "transaction__source")
    rows = rows.exclude(state=State.DROPPED, rest_reason=NOTHING_LEFT)
    return list(rows.order_by("position", "pk"))


def next_step(plan: str) -> PaymentOperation | None:
    """The step whose turn it is to be sent; None while an earlier one is under way, and when there is none left."""
    rows = PaymentOperation.objects.filter(plan=plan, state__in=UNDER_WAY).order_by("position", "pk")
    first = rows.first()
    return first if first is not None and first.state == State.QUEUED else None


def key_of(step: PaymentOperation) -> str | None:
    """The key of a step that is sent now: its own where the column takes it; who asks again has the first's."""
    rows = PaymentOperation.objects.filter(plan=step.plan).order_by("position", "pk")
    keys = [key for key, state in rows.values_list("key", "state") if state not in (State.QUEUED, State.DROPPED)]
    numbered = f"{keys[0]}.{len(keys)}" if keys and keys[0] else ""
    return numbered if 0 < len(numbered) <= LONGEST_KEY else None


def ended(operation: PaymentOperation) -> None:
    """A step has ended: another one takes its place, or the rest of the plan is dropped, or the next one may go."""
    if not operation.plan or operation.state in (*ENDED_WELL, *UNDER_WAY):
        return
    if operation.state == State.DROPPED and operation.rest_reason == NOTHING_LEFT:
        return
    if is_too_late(operation):
        refund_instead(operation)
    else:
        drop_after(operation, EARLIER_STEP)
        list_rest(operation)


def is_too_late(void: PaymentOperation) -> bool:
    """Whether a capture that was to be voided has gone to the bank, or was refunded in part: then it is refunded."""
    if void.kind != Kind.VOID or void.transaction is None or void.transaction.txn_type != Transaction.DEBIT:
        return False
    if void.state == State.DROPPED:
        return void.rest_reason == "wrong-state"
    return void.state == State.REFUSED and void.rest_reason in TOO_LATE_TO_VOID


def refund_instead(void: PaymentOperation) -> None:
    """Queue the refund of a capture that is too late to be voided, in the place of its void."""
    asked_on = steps_of(void)[0].asked.get("transaction")
    operation_queue.write(
        void.order,
        Kind.REFUND,
        amount=void.amount,
        currency=void.currency,
        state=State.QUEUED,
        user=void.user,
        reason=void.reason,
        reference=void.reference,
        source=void.transaction.source,
        transaction=void.transaction,
        payment_id=void.payment_id,
        plan=void.plan,
        position=void.position,
    )
    if asked_on == void.transaction_id:
        drop_after(void, NOTHING_LEFT)  # the hold of this capture is used up: nothing was freed


def drop_after(operation: PaymentOperation, reason: str) -> None:
    """Drop the steps that wait for this one."""
    later = PaymentOperation.objects.filter(plan=operation.plan, position__gt=operation.position, state=State.QUEUED)
    later.update(state=State.DROPPED, rest_reason=reason, date_settled=clock.now())


def failed(steps: Sequence[PaymentOperation]) -> list[PaymentOperation]:
    """The steps that ended without their effect, and that none stepped in for."""
    places = {one.position for one in steps if one.kind == Kind.REFUND}
    return [
        one
        for one in steps
        if one.state not in (*ENDED_WELL, *UNDER_WAY)
        and not (one.state == State.DROPPED and one.rest_reason == EARLIER_STEP)
        and not (one.kind == Kind.VOID and one.position in places)
    ]


def list_rest(operation: PaymentOperation) -> None:
    """Ask staff about a plan of which a part was done and the rest was not: nobody may be waiting for it any more."""
    done = [one for one in steps_of(operation) if one.state in ENDED_WELL]
    if not done or operation.source_id is None:
        return
    source = Source.objects.select_related("source_type").get(pk=operation.source_id)
    list_what_is_left(operation, balance.of_source(source))


def list_what_is_left(operation: PaymentOperation, payment: balance.PaymentBalance) -> None:
    """Ask staff to give back what an operation, which ended, has left of a payment."""
    source = payment.source
    new = needs.flag(
        Attention.GIVEN_BACK_IN_PART,
        operation.order,
        operation.attempt,
        operation=operation,
        transaction_id=source.reference,
        transaction_uuid=operation.idempotency_id,
        amount=payment.left_to_reverse + payment.net_paid,
        currency=payment.currency,
        reference_number=operation.reference_number,
        card_number=source.label,
    )
    if new and operation.order is not None:
        message = _("%(what)s. %(advice)s")
        kind = Attention.GIVEN_BACK_IN_PART
        orders.note(operation.order, message % {"what": kind.label, "advice": needs.ADVICE[kind]})


def without_waiting(payment: balance.PaymentBalance, plan: str) -> balance.PaymentBalance:
    """A payment as a step of the plan meets it: what its own later steps will do is not done yet."""
    return balance.without(payment, lambda one: one.plan == plan and one.state == State.QUEUED)
