"""The REST call of each kind of operation, made of what its row says."""

from __future__ import annotations

from typing import Any

from oscar.core.loading import get_model

from ..models import UNDER_WAY, OperationState, PaymentOperation
from ..payments.balance import PaymentBalance
from ..protocol.rest import Call, Resource, calls
from .kinds import DECISIONS

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind
State = OperationState


def ids(operation: PaymentOperation) -> dict[str, str]:
    return {"reference_number": operation.reference_number, "idempotency_id": operation.idempotency_id}


def money(operation: PaymentOperation) -> dict[str, Any]:
    return {"amount": operation.amount, "currency": operation.currency}


def capture(operation: PaymentOperation, payment: PaymentBalance | None) -> Call:
    place = sequence(operation, payment)
    return calls.capture(operation.payment_id, sequence=place, **money(operation), **ids(operation))


def refund(operation: PaymentOperation, payment: PaymentBalance | None) -> Call:
    of = resource(operation, payment)
    return calls.refund(operation.payment_id, of=of, **money(operation), **ids(operation))


def void(operation: PaymentOperation, payment: PaymentBalance | None) -> Call:
    return calls.void(operation.payment_id, of=resource(operation, payment), **ids(operation))


def reverse(operation: PaymentOperation, payment: PaymentBalance | None) -> Call:
    """A hold that was never recorded is reversed without a ``payment``."""
    reason = operation.reason or "not needed"
    return calls.reverse(operation.payment_id, reason=reason, **money(operation), **ids(operation))


def decide_review(operation: PaymentOperation, payment: PaymentBalance | None) -> Call:
    decision = DECISIONS[Kind(operation.kind)]
    return calls.decide_review(operation.payment_id, decision, comments=operation.reason)


def sequence(operation: PaymentOperation, payment: PaymentBalance | None) -> tuple[int, int] | None:
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


def resource(operation: PaymentOperation, payment: PaymentBalance | None) -> Resource:
    """What the id names at CyberSource: a sale is captured under the payment's own id."""
    assert payment is not None
    if operation.transaction.txn_type == Transaction.REFUND:
        return Resource.REFUND
    return Resource.PAYMENT if operation.payment_id == payment.source.reference else Resource.CAPTURE
