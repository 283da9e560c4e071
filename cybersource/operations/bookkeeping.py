"""What each kind of operation changes in the shop's books."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..db import clock
from ..models import Attention, OperationState, PaymentOperation
from ..payments import amounts, ledger, operation_queue, orders
from ..payments import attention as needs
from ..payments import balance as payment_balance
from ..protocol import format_amount
from .order_effects import list_again, settle_attention

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind
State = OperationState


def lines_of(operation: PaymentOperation) -> dict[int, int]:
    return {int(line): quantity for line, quantity in operation.lines.items()}


def is_partial_reversal(operation: PaymentOperation) -> bool:
    """Whether a reversal is for what captures left of an authorization, voided ones too: not of an untouched hold."""
    on = operation.transaction
    if operation.kind != Kind.REVERSE or on is None:
        return False
    return (
        operation.amount < amounts.amount_of(on)
        or Transaction.objects.filter(
            source=on.source_id, txn_type=Transaction.DEBIT, status=payment_balance.VOIDED
        ).exists()
    )


def list_orphan(operation: PaymentOperation, transaction_id: str = "") -> None:
    """List money that was held or taken for what is not in the shop any more."""
    needs.flag(
        Attention.ORPHAN,
        operation.order,
        operation.attempt,
        operation=operation,
        transaction_id=transaction_id or operation.request_id or operation.payment_id,
        amount=operation.amount,
        currency=operation.currency,
        reference_number=operation.reference_number,
        transaction_uuid=operation.idempotency_id,
    )


def record_capture(operation: PaymentOperation) -> None:
    operation.made = ledger.record_capture(
        operation.order,
        operation.transaction,
        amount=operation.amount,
        lines=quantities_of(operation),
        **recorded_as(operation),
    )


def record_refund(operation: PaymentOperation) -> None:
    operation.made = ledger.record_refund(
        operation.order,
        operation.transaction,
        amount=operation.amount,
        lines=quantities_of(operation),
        **recorded_as(operation),
    )
    settle_attention(operation)


def record_void(operation: PaymentOperation) -> None:
    """A capture leaves its hold behind, which nobody is there to reverse where nobody asked for the void."""
    operation.made = ledger.record_void(operation.order, operation.transaction, **recorded_as(operation))
    settle_attention(operation)
    list_again(operation)
    if operation.is_automatic and operation.transaction.txn_type == Transaction.DEBIT:
        queue_reversal(operation)


def queue_reversal(void: PaymentOperation) -> None:
    """Write down that the hold of a capture which was voided is to be given back too."""
    source = void.transaction.source
    operation_queue.reverse_hold(
        void.order,
        payment_id=source.reference,
        amount=void.amount,
        currency=void.currency,
        reason=void.reason,
        attempt=void.attempt,
        hold=Transaction.objects.filter(source=source, txn_type=Transaction.AUTHORISE).order_by("pk").first(),
    )


def record_reversal(operation: PaymentOperation) -> None:
    """The hold is gone from the books, and from what staff were asked to do about it."""
    if operation.transaction is not None:
        operation.made = ledger.record_reversal(
            operation.order,
            operation.transaction,
            amount=operation.amount,
            lapses=operation.state == State.LAPSING,
            **recorded_as(operation),
        )
    settle_attention(operation)


def recorded_as(operation: PaymentOperation) -> dict[str, Any]:
    """Return under which id, when and by which log row a step is recorded."""
    reference = operation.request_id or operation.reference_number
    return {"reference": reference[:100], "at": clock.now(), "log": operation.log}


def quantities_of(operation: PaymentOperation) -> dict[int, int] | None:
    """The lines of an operation; None, which is all of them, when it took all that a payment of all the order had.

    Of which lines a card was that paid a part of the order nobody knows. A retry of the order replaces its lines: money
    that moved for lines which are gone is recorded by its amount, and staff read it in a note.
    """
    if not operation.lines:
        is_whole = operation.kind == Kind.CAPTURE and operation.amount == amounts.amount_of(operation.transaction)
        return None if is_whole and operation.amount >= operation.order.total_incl_tax else {}
    wanted = lines_of(operation)
    left = set(operation.order.lines.filter(pk__in=wanted).values_list("pk", flat=True))
    if left != set(wanted):
        message = _("%(kind)s %(amount)s: lines that it was for are gone from the order, so it is recorded by amount.")
        orders.note(operation.order, message % in_short(operation))
    return {line: quantity for line, quantity in wanted.items() if line in left}


def in_short(operation: PaymentOperation) -> dict[str, str]:
    amount = f"{format_amount(operation.amount, operation.currency)} {operation.currency}"
    return {"kind": str(operation.get_kind_display()), "amount": amount}
