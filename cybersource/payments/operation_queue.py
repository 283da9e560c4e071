"""What is about to be asked of CyberSource, written down before it leaves.

Called inside the transaction that holds the order's row locked, so that the numbers of an order's operations count up.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django.db.models import Q

from ..conf import conf
from ..models import OperationState, PaymentAttempt, PaymentOperation, card_numbers, clipped

Kind = PaymentOperation.Kind

#: The letter by which an operation's reference number tells its kind.
LETTERS = {
    Kind.AUTHORIZE: "A",
    Kind.CAPTURE: "C",
    Kind.REFUND: "R",
    Kind.VOID: "V",
    Kind.REVERSE: "X",
    Kind.ACCEPT_REVIEW: "D",
    Kind.REJECT_REVIEW: "D",
}

#: How an operation ends that moved nothing.
WITHOUT_EFFECT = (
    OperationState.DECLINED,
    OperationState.REFUSED,
    OperationState.NOT_SENT,
    OperationState.UNDONE,
    OperationState.DROPPED,
)

#: What a search finds without any quoting, and short enough for every processor; and no number of our own making.
_SEARCHABLE = re.compile(r"(?!O[0-9]+\Z)[A-Za-z0-9][A-Za-z0-9-]{0,31}")


def write(
    order: Any,
    kind: str,
    *,
    amount: Decimal,
    currency: str,
    state: str = OperationState.SENT,
    user: Any = None,
    reason: str = "",
    reference: str = "",
    key: str = "",
    **about: Any,
) -> PaymentOperation:
    """Write the row of an operation, under a reference number of its own. The caller holds the order locked."""
    known = user is not None and user.is_authenticated
    return PaymentOperation.objects.create(
        order=order,
        order_number=order.number[:128],
        kind=kind,
        amount=amount,
        currency=currency,
        state=state,
        user=user if known else None,
        user_name=user.get_username()[:150] if known else "",
        key=key or None,
        reference_number=next_reference_number(order, kind),
        **in_row(reason, reference),
        **about,
    )


def in_row(reason: str, reference: str) -> dict[str, str]:
    """Somebody's words as a row keeps them: cut to its columns, and without card numbers."""
    words = {"reason": card_numbers.mask("message", reason), "reference": card_numbers.mask("message", reference)}
    return clipped(PaymentOperation, **words)


def next_reference_number(order: Any, kind: str) -> str:
    """``100042-C1``: the order's number, what is asked, and the how manieth operation of the order it is.

    An account may refuse a reference number that it has seen a moment ago, so each operation has its own. Source: REST
    API field reference, ``clientReferenceInformation.code``.
    """
    count = PaymentOperation.objects.filter(order=order).count() + 1
    # An order number that a search could not find, or that reads like another one's, gives way to the row's key.
    stem = order.number if _SEARCHABLE.fullmatch(order.number) else f"O{order.pk}"
    return f"{stem}-{LETTERS[Kind(kind)]}{count}"


def is_automatic(cause: str) -> bool:
    """Whether the shop undoes automatically what has this cause: a word of ``CYBERSOURCE_AUTO_REVERSE``."""
    return cause in conf.auto_reverse and conf.has_rest


def reverse_hold(
    order: Any,
    *,
    payment_id: str,
    amount: Decimal,
    currency: str,
    reason: str,
    attempt: PaymentAttempt | None,
    hold: Any = None,
) -> PaymentOperation | None:
    """Queue the reversal of a hold; ``hold`` is its Transaction, which one of a declined payment has not."""
    money = {"amount": amount, "currency": currency}
    return queue(order, Kind.REVERSE, payment_id=payment_id, reason=reason, attempt=attempt, transaction=hold, **money)


def queue(
    order: Any,
    kind: str,
    *,
    payment_id: str,
    amount: Decimal,
    currency: str,
    reason: str,
    attempt: PaymentAttempt | None = None,
    transaction: Any = None,
) -> PaymentOperation | None:
    """Queue what the shop does automatically; ``cybersource_reconcile`` sends it. None when that was asked before.

    What somebody asked and CyberSource never did leaves it to be done.
    Nothing is sent from here: a reply and a review are answered without waiting for a call of ours. ``transaction`` is
    what it acts on; a hold that was never recorded, since its payment was declined, has none.
    """
    before = PaymentOperation.objects.filter(order=order, kind=kind, payment_id=payment_id)
    if not payment_id or before.filter(Q(is_automatic=True) | ~Q(state__in=WITHOUT_EFFECT)).exists():
        return None
    return write(
        order,
        kind,
        amount=amount,
        currency=currency,
        state=OperationState.QUEUED,
        reason=reason,
        payment_id=payment_id,
        attempt=attempt,
        transaction=transaction,
        source=transaction.source if transaction is not None else None,
        is_automatic=True,
    )
