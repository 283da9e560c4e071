"""What one operation does to the shopper's money, in a sentence or two for those who are about to ask for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..payments.balance import PaymentBalance
from ..protocol import format_amount

Transaction = get_model("payment", "Transaction")


def amounts_in_words(amount: Decimal, payment: PaymentBalance) -> dict[str, str]:
    return {"amount": f"{format_amount(amount, payment.currency)} {payment.currency}"}


def authorize(payment: PaymentBalance, on: Any, amount: Decimal, *, is_last: bool) -> str:
    return _("%(amount)s are held on the shopper's card.") % amounts_in_words(amount, payment)


def capture(payment: PaymentBalance, on: Any, amount: Decimal, *, is_last: bool) -> str:
    words = amounts_in_words(amount, payment)
    if amount >= payment.left_to_capture:
        return _("%(amount)s are captured from the shopper's card, which is all that is held.") % words
    if is_last:
        words["rest"] = amounts_in_words(payment.left_to_capture - amount, payment)["amount"]
        return _("%(amount)s are captured from the shopper's card. The other %(rest)s will not be captured.") % words
    return _("%(amount)s are captured from the shopper's card now. More can be captured later.") % words


def refund(payment: PaymentBalance, on: Any, amount: Decimal, *, is_last: bool) -> str:
    message = _(
        "%(amount)s go back to the shopper's card. The statement shows the charge and, usually some days "
        "later, the refund."
    )
    return message % amounts_in_words(amount, payment)


def void(payment: PaymentBalance, on: Any, amount: Decimal, *, is_last: bool) -> str:
    if on.txn_type == Transaction.REFUND:
        message = _("The refund of %(amount)s is stopped. The shopper does not get this money.")
    else:
        message = _("The charge of %(amount)s is stopped before it reaches the bank. Nothing is paid.")
    return message % amounts_in_words(amount, payment)


def reverse(payment: PaymentBalance, on: Any, amount: Decimal, *, is_last: bool) -> str:
    if amount < on.amount:
        message = _(
            "%(amount)s that are still held on the card will not be captured. Where the bank cannot "
            "release a part, the hold lapses automatically, usually within some days."
        )
    else:
        message = _(
            "The hold of %(amount)s on the shopper's card is released. Nothing is charged; the bank may show "
            "the hold for some days."
        )
    return message % amounts_in_words(amount, payment)


def accept_review(payment: PaymentBalance, on: Any, amount: Decimal, *, is_last: bool) -> str:
    message = _("The payment of %(amount)s is accepted, and counts towards the order from now on.")
    return message % amounts_in_words(amount, payment)


def reject_review(payment: PaymentBalance, on: Any, amount: Decimal, *, is_last: bool) -> str:
    message = _("The payment of %(amount)s is rejected. The order is declined unless other money covers it.")
    return message % amounts_in_words(amount, payment)
