"""Money goes back to the shopper: by a void, a reversal or a refund, whichever the payment's state asks for.

What is not captured is reversed. A capture that is in no batch yet is voided, and then the hold it leaves is reversed.
What has gone to the bank is refunded. Whether a batch has run only CyberSource knows, so a young capture is tried to be
voided, and refunded where that is refused. ``plan`` says it in words before ``cancel_or_refund`` does it.

Source: payments guides on voids, reversals and credits; an integrator's order of trying them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..db import clock
from ..gateway.credentials import RestCredentials
from ..models import OperationState, PaymentOperation, new_idempotency_id
from ..payments import balance, errors, operation_queue
from ..payments.balance import PaymentBalance, TransactionStatus
from . import plans, requests, rules, service
from .idempotency import begin_once
from .operation_request import CANCEL_OR_REFUND, OperationRequest

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind

#: How long a void of a capture is tried at all. When an account's batches run is its own affair, but they run daily.
VOIDABLE_FOR = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One operation of a plan, and what it does to the shopper's money."""

    kind: Kind
    transaction: Any
    amount: Decimal
    says: str
    otherwise: str = ""  #: what is done instead where CyberSource refuses; empty for nothing


def plan(
    payment: PaymentBalance,
    *,
    on: Any = None,
    amount: Decimal | None = None,
    lines: Mapping[int, int] | None = None,
) -> tuple[PlannedStep, ...]:
    """Plan the operations by which money goes back now. Empty when nothing is held or captured.

    ``on`` is a Transaction of the payment: a capture, a refund to be stopped, or the authorization, which like None
    means everything. ``amount`` or ``lines`` ask for a part of a capture, which is always a refund; with lines alone
    the amount is theirs and is known when it is done.
    """
    if on is not None and on.txn_type == Transaction.REFUND:
        return (step(Kind.VOID, payment, on, on.amount),) if payment.standing(on) == TransactionStatus.REFUND else ()
    taken = payment.capture(on) if on is not None else None
    if taken:
        return tuple(back_from(payment, taken, amount, is_part=bool(lines)))
    if payment.authorization is None or not payment.is_ours or on not in (None, payment.authorization):
        return ()
    steps, left = [], payment.left_to_refund
    for capture in payment.captures:
        found = [one for one in back_from(payment, capture, None, left=left) if one.kind != Kind.REVERSE]
        left -= sum((one.amount for one in found), balance.NOTHING)
        steps += found
    freed = sum((one.amount for one in steps if one.kind == Kind.VOID), balance.NOTHING)
    held = payment.left_to_reverse
    if held + freed:
        steps.append(step(Kind.REVERSE, payment, payment.authorization, held + freed))
    return tuple(steps)


def waits_for(payment: PaymentBalance, on: Any) -> PaymentOperation | None:
    """Return the operation that has to end before all of a payment can go back: what it moves is in no step."""
    is_whole = payment.authorization is not None and on.pk == payment.authorization.pk
    return payment.under_way[0] if is_whole and payment.under_way else None


def problems(payment: PaymentBalance, on: Any, steps: Sequence[PlannedStep]) -> list[errors.Problem]:
    """Return why a plan cannot be begun now; empty when it can."""
    if earlier := waits_for(payment, on):
        return [rules.under_way(earlier)]
    first = steps[0] if steps else None
    kind, of = (first.kind, first.transaction) if first else (kind_for(on), on)
    return rules.check(kind, payment, of, amount=first.amount if first else rules.limit(kind, payment, of))


def preview(
    order: Any,
    payment: PaymentBalance,
    *,
    on: Any,
    amount: Decimal | None = None,
    lines: Mapping[int, int] | None = None,
) -> tuple[PlannedStep, ...]:
    """Return the plan as it would be begun, of lines with what they cost. Empty when nothing is held or captured.

    Raises :class:`~cybersource.payments.errors.InvalidOperation` where it would be refused.
    """
    steps = plan(payment, on=on, amount=amount, lines=lines)
    if not steps:
        return ()
    service.require_rest()
    if lines:
        parts = requests.parts_of(order, payment, on, Kind.REFUND, amount, lines)
        if found := rules.check(Kind.REFUND, payment, on, **parts.checked):
            raise errors.InvalidOperation(*found)
        return (step(Kind.REFUND, payment, on, parts.amount),)
    if found := problems(payment, on, steps):
        raise errors.InvalidOperation(*found)
    return steps


def permissions(payment: PaymentBalance, on: Any, steps: Sequence[PlannedStep]) -> tuple[str, ...]:
    """Return the permissions that a plan needs: those of all its steps."""
    asked = [(one.kind, one.transaction) for one in steps] or [(kind_for(on), on)]
    found = [name for kind, each in asked for name in rules.permissions(kind, payment, each)]
    return tuple(dict.fromkeys(found))


def back_from(
    payment: PaymentBalance,
    taken: balance.Capture,
    amount: Decimal | None,
    *,
    is_part: bool = False,
    left: Decimal | None = None,
) -> list[PlannedStep]:
    """Return the steps by which a capture goes back, all of what is left of it or a part.

    ``left`` is what of the payment can still be refunded. Where a refund was booked that names no capture, that is less
    than what is left of its captures, and a capture of which some may have gone back is not voided.
    """
    on = taken.transaction
    left = payment.left_to_refund if left is None else left
    whole = not is_part and amount in (None, on.amount)
    if whole and taken.standing == TransactionStatus.CAPTURED and taken.left == on.amount <= left and is_young(on):
        void = step(Kind.VOID, payment, on, on.amount)
        hold = payment.authorization
        return [void, step(Kind.REVERSE, payment, hold, payment.held + on.amount)] if hold else [void]
    back = min(taken.left, left) if amount is None else amount
    return [step(Kind.REFUND, payment, on, back)] if back else []


def is_young(transaction: Any) -> bool:
    at = transaction.processed_datetime or clock.aware(transaction.date_created)
    return clock.now() - at < VOIDABLE_FOR  # type: ignore[no-any-return]


def step(kind: Kind, payment: PaymentBalance, on: Any, amount: Decimal) -> PlannedStep:
    otherwise = ""
    if kind == Kind.VOID and on.txn_type == Transaction.DEBIT:
        otherwise = _("If it has gone to the bank already, it is refunded instead.")
    return PlannedStep(
        kind=kind,
        transaction=on,
        amount=amount,
        says=rules.explain(kind, payment, on, amount),
        otherwise=otherwise,
    )


def cancel_or_refund(on: Any, **asked: Any) -> list[PaymentOperation]:
    """Do what :func:`plan` says, step by step, until one does not end well. Returns the operations, in order.

    All steps are written down with the first, so the plan outlives this process: what is still under way in the end
    goes on when its outcome is known, by ``cybersource_reconcile`` or when it is asked again under the same ``key``.
    ``on`` as for ``plan``; ``asked`` as for every operation (``amount``, ``lines``, ``user``, ``reason``,
    ``reference``, ``currency``, ``seen``, ``key``). Raises :class:`~cybersource.payments.errors.InvalidOperation`
    before anything was done.
    """
    return carry_out(OperationRequest(kind=CANCEL_OR_REFUND, transaction=on.pk, **asked))


def carry_out(request: OperationRequest) -> list[PaymentOperation]:
    """Do what is asked, an operation or a plan of several, from the intent to its end. Returns the operations."""
    if request.kind != CANCEL_OR_REFUND:
        return [service.carry_out(request)]
    service.refuse_in_transaction()
    ours = service.require_rest()
    begun = begin_once(lambda: begin(request), request.key)
    if begun.call is not None:
        service.perform(begun.operation, begun.call, ours)
    return go_on(begun.operation, ours)


def go_on(operation: PaymentOperation, ours: RestCredentials | None = None) -> list[PaymentOperation]:
    """Send the steps of a plan whose turn has come, one after the other, and return all of its steps."""
    while operation.plan and (step := plans.next_step(operation.plan)) is not None:
        taken_up = service.take_up(step.pk, ours)
        if taken_up is None or taken_up.is_under_way:
            break
    return plans.steps_of(operation)


@transaction.atomic
def begin(request: OperationRequest) -> requests.PendingOperation:
    """Write down every step of the plan that the locked rows ask for, the first one to be sent at once."""
    order, before = requests.locked_for(request)
    if before:
        return requests.PendingOperation(operation=before[0], call=None)
    payment, on = requests.payment_of(request)
    steps = plan(payment, on=on, amount=request.amount, lines=request.lines)
    if (earlier := waits_for(payment, on)) and request.seen in ("", payment.version):
        raise errors.InvalidOperation(rules.under_way(earlier))
    first = first_step(request, steps, on)
    begun = requests.write_down(
        order, payment, steps[0].transaction if steps else on, first, asked=request, plan=new_idempotency_id()
    )
    for position, one in enumerate(steps[1:], start=1):
        operation_queue.write(
            order,
            one.kind,
            amount=one.amount,
            currency=payment.currency,
            state=OperationState.QUEUED,
            user=request.user,
            reason=request.reason,
            reference=request.reference,
            source=payment.source,
            transaction=one.transaction,
            payment_id=one.transaction.reference,
            plan=begun.operation.plan,
            position=position,
        )
    return begun


def first_step(request: OperationRequest, steps: Sequence[PlannedStep], on: Any) -> OperationRequest:
    """Return the request for the first step of a plan; only a refund is for a part, what it costs where lines say."""
    kind = steps[0].kind if steps else kind_for(on)
    if kind != Kind.REFUND:
        return replace(request, kind=kind, amount=None, lines=None)
    return replace(request, kind=kind, amount=steps[0].amount if steps and not request.lines else request.amount)


def kind_for(on: Any) -> Kind:
    """Return what to request of a transaction of which nothing can go back, so that the rules say why."""
    kinds = {Transaction.DEBIT: Kind.REFUND, Transaction.REFUND: Kind.VOID}
    return kinds.get(on.txn_type, Kind.REVERSE)
