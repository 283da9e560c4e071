"""The REST call of an operation, made of what its row says."""

from __future__ import annotations

from oscar.core.loading import get_model

from ..models import UNDER_WAY, OperationState, PaymentOperation
from ..payments import balance as payment_balance
from ..protocol.rest import Call, Resource, calls
from .kinds import DECISIONS

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind
State = OperationState


def call_for(operation: PaymentOperation, payment: payment_balance.PaymentBalance | None) -> Call:
    """The request, made of what the row says. A hold that was never recorded is reversed without a ``payment``."""
    ids = {"reference_number": operation.reference_number, "idempotency_id": operation.idempotency_id}
    money = {"amount": operation.amount, "currency": operation.currency}
    at = operation.payment_id
    match operation.kind:
        case Kind.CAPTURE:
            return calls.capture(at, sequence=sequence(operation, payment), **money, **ids)
        case Kind.REFUND:
            return calls.refund(at, of=resource(operation, payment), **money, **ids)
        case Kind.VOID:
            return calls.void(at, of=resource(operation, payment), **ids)
        case Kind.REVERSE:
            return calls.reverse(at, reason=operation.reason or "not needed", **money, **ids)
        case Kind.ACCEPT_REVIEW | Kind.REJECT_REVIEW:
            return calls.decide_review(at, DECISIONS[Kind(operation.kind)], comments=operation.reason)
    raise ValueError(operation.kind)


def sequence(operation: PaymentOperation, payment: payment_balance.PaymentBalance | None) -> tuple[int, int] | None:
    """``(number, of how many)`` of one of several captures; a total that nobody knows yet is one more than this.

    Captures that were voided, or taken back since their answer was lost, had their numbers. Whether CyberSource counts
    them is not documented.
    """
    assert payment is not None
    number = 1 + len(payment.captures)
    number += sum(one.kind == Kind.CAPTURE and one.state in (*UNDER_WAY, State.UNDONE) for one in payment.operations)
    if number == 1 and operation.is_last:
        return None
    return number, number if operation.is_last else number + 1


def resource(operation: PaymentOperation, payment: payment_balance.PaymentBalance | None) -> Resource:
    """What the id names at CyberSource: a sale is captured under the payment's own id."""
    assert payment is not None
    if operation.transaction.txn_type == Transaction.REFUND:
        return Resource.REFUND
    return Resource.PAYMENT if operation.payment_id == payment.source.reference else Resource.CAPTURE
