"""What an operation that ended means for its order and for what staff were asked."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..models import AttemptState, Attention, AttentionItem, PaymentAttempt, PaymentOperation
from ..payments import attention as needs
from ..payments import balance as payment_balance
from ..payments import orders
from ..payments.expiry import decline_unless_charged, is_forgotten
from . import plans
from .kinds import MOVES_BACK

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind


def left_of(operation: PaymentOperation) -> Decimal:
    """Return what the payment of an operation still holds or has captured, as its Source says."""
    on = operation.transaction
    return payment_balance.left_of(on.source) if on is not None else payment_balance.NOTHING


def settle_order(operation: PaymentOperation, left_before: Decimal) -> None:
    """Let the order follow its money, once an operation ended that gives some back, or was to.

    An order that waited for money which went back is declined, or listed where it has other money. One that has gone on
    without it waits for something else. One that is paid stays so, since staff decided; where they followed the list's
    advice, or nobody was asked, what it lacks now is listed.
    """
    order, on = operation.order, operation.transaction
    if order is None or on is None or operation.kind not in MOVES_BACK:
        return
    lost = left_before - left_of(operation)
    if lost > 0 and not left_of(operation):
        mark_attempts_reversed(on.source_id)
    elif lost < 0 and not left_before:  # a refund was stopped
        reversed_ = PaymentAttempt.objects.filter(source=on.source_id, state=AttemptState.REVERSED)
        reversed_.update(state=AttemptState.AUTHORIZED)
    if orders.is_cancelled(order) or not (orders.awaits_payment(order) or (lost > 0 and is_advised(operation))):
        return
    balance = payment_balance.balance(order)
    covered = balance.covered(order)
    if not orders.is_declined(order) and orders.authorize_if_covered(order, covered):
        return
    payment = next(one for one in balance.payments if one.source.pk == on.source_id)
    if lost <= 0 or payment.is_set_aside or payment.currency != balance.currency:
        return
    if orders.awaits_payment(order):
        if not decline_unless_charged(order) and is_forgotten(order) and (attempt := needs.attempt_of(payment)):
            needs.flag_unknown_outcome(Attention.UNPAID_REST, order, attempt)
    elif covered < order.total_incl_tax <= covered + lost:
        needs.lacking(order, covered)


def is_advised(operation: PaymentOperation) -> bool:
    """Whether the shop does it automatically, or staff were asked to look at the payment that it is about."""
    listed = AttentionItem.objects.filter(order=operation.order, transaction_id=payment_id_of(operation))
    return operation.is_automatic or listed.exclude(kind=Attention.DRIFT).exists()


def list_hold_left(void: PaymentOperation) -> None:
    """List the hold of a sale that staff voided, unless its reversal is on the way: it can never be captured."""
    on = void.transaction
    if void.kind != Kind.VOID or void.state not in payment_balance.ENDED_WELL or void.is_automatic or on is None:
        return
    if on.txn_type != Transaction.DEBIT or on.reference != on.source.reference:
        return
    payment = payment_balance.of_source(on.source)
    if payment.left_to_reverse and not any(one.kind == Kind.REVERSE for one in payment.under_way):
        plans.list_what_is_left(void, payment)


def mark_attempts_reversed(source_id: int) -> None:
    """The attempt that made a payment holds nothing any more. A second charge leaves the first one's attempt alone."""
    attempts = PaymentAttempt.objects.filter(source=source_id)
    held = (AttemptState.AUTHORIZED, AttemptState.REVIEW, AttemptState.PARTIAL)
    attempts.filter(state__in=held).update(state=AttemptState.REVERSED)
    attempts.exclude(attention=Attention.NO_ANSWER).update(attention=Attention.NONE)


def settle_attention(operation: PaymentOperation) -> None:
    """What staff were asked to do about a charge is done once nothing of it is held or taken any more.

    Where the books differ, only looking again tells that they do not.
    """
    if left_of(operation):
        return
    words = {"what": operation.get_state_display(), "number": operation.reference_number}
    needs.clear(items_about(operation), _("%(what)s by operation %(number)s.") % words, operation=operation)


def list_again(operation: PaymentOperation) -> None:
    """What staff were asked to do about a charge, and was done, is to be done again: a void undid what did it."""
    if left_of(operation):
        needs.list_again(items_about(operation))


def items_about(operation: PaymentOperation) -> QuerySet[AttentionItem]:
    """What staff were asked about the payment of an operation, apart from what only another look can tell."""
    items = AttentionItem.objects.filter(order=operation.order, transaction_id=payment_id_of(operation))
    return items.exclude(kind=Attention.DRIFT)


def payment_id_of(operation: PaymentOperation) -> str:
    """The id of the payment that an operation belongs to, whichever step of it the operation was about."""
    on = operation.transaction
    return on.source.reference if on is not None else operation.payment_id
