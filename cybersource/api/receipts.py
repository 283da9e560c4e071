"""What a shopper may have in hand of a payment: a receipt, under a number of its own.

The number is the order's and ten letters and digits that only the payment's rows give: it stays the same for ever, also
when ``SECRET_KEY`` changes, and cannot be guessed from an order's number. It opens nothing on its own: who may read a
receipt is decided by whose order it is.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, parse_pattern
from django.conf import settings
from django.db.models import Q
from django.utils import translation
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy, to_locale

from ..db import clock
from ..operations import detail, search
from ..operations.detail import PaymentDetails
from ..operations.search import PaymentFilter
from ..payments.balance import VOIDED, TransactionStatus
from ..payments.outbox import spoken
from ..protocol import currency_exponent

#: The status of a payment, in words for its payer.
WORDS = {
    TransactionStatus.UNDER_REVIEW: gettext_lazy("Being checked. The amount is reserved on your card."),
    TransactionStatus.REJECTED: gettext_lazy("Not accepted. Your card was not charged."),
    TransactionStatus.HELD: gettext_lazy("Reserved on your card. It is charged when your order is sent."),
    TransactionStatus.REVERSED: gettext_lazy("Released. Your card was not charged."),
    TransactionStatus.VOIDED: gettext_lazy("Released. Your card was not charged."),
    TransactionStatus.PART_CAPTURED: gettext_lazy("Charged to your card in part."),
    TransactionStatus.FULLY_CAPTURED: gettext_lazy("Paid."),
    TransactionStatus.PART_REFUNDED: gettext_lazy("Paid, and refunded in part."),
    TransactionStatus.REFUNDED: gettext_lazy("Refunded."),
}


@dataclass(frozen=True, kw_only=True)
class ReceiptRefund:
    date: datetime
    amount: Decimal
    currency: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One payment as its shopper sees it."""

    payment: PaymentDetails

    @property
    def number(self) -> str:
        return f"{self.payment.order.number}-{mark(self.payment.standing.source)}"

    @property
    def order(self) -> Any:
        return self.payment.order

    @property
    def currency(self) -> str:
        return self.payment.standing.currency

    @property
    def amount(self) -> Decimal:
        return self.payment.standing.authorized

    @property
    def paid(self) -> Decimal:
        """What was captured and not refunded."""
        return self.payment.standing.captured - self.payment.standing.refunded

    @property
    def is_taken_in_part(self) -> bool:
        """Whether less was taken than the amount that the shopper agreed to."""
        return 0 < self.payment.standing.captured < self.amount

    @property
    def status(self) -> str:
        return str(WORDS[self.payment.stands])

    @property
    def refunds(self) -> Sequence[ReceiptRefund]:
        return [
            ReceiptRefund(
                date=clock.aware(one.date_created),
                amount=one.amount,
                currency=self.currency,
                text=self.text(one.amount),
            )
            for one in self.payment.standing.refunds
            if one.status != VOIDED
        ]

    @property
    def language(self) -> str:
        """The one that the order was paid in, where the shop has it or a near one; else the request's."""
        paid_in = self.payment.locale
        return paid_in if spoken(paid_in) else translation.get_language() or settings.LANGUAGE_CODE

    def in_its_language(self) -> AbstractContextManager[Any]:
        return translation.override(spoken(self.language) or self.language)

    def text(self, amount: Decimal) -> str:
        """An amount as people read it in the receipt's language, with the decimals that the currency has."""
        try:
            locale = Locale.parse(to_locale(self.language))
        except (UnknownLocaleError, ValueError):
            locale = Locale("en")
        pattern = parse_pattern(locale.currency_formats["standard"].pattern)
        pattern.frac_prec = (currency_exponent(self.currency),) * 2
        text = format_currency(amount, self.currency, format=pattern, locale=locale, currency_digits=False)
        return re.sub(r"(?<=[A-Z])(?=\d)", "\u00a0", text)  # as CLDR has it: between a code and a number is a blank

    @property
    def amount_text(self) -> str:
        return self.text(self.amount)

    @property
    def paid_text(self) -> str:
        return self.text(self.paid)

    @property
    def lines(self) -> list[tuple[str, int, str]]:
        """Title, quantity and price of each line of the order, in one statement."""
        lines = self.order.lines.order_by("pk")
        return [(line.title, line.quantity, self.text(line.line_price_incl_tax)) for line in lines]

    @property
    def shipping_text(self) -> str:
        return self.text(self.order.shipping_incl_tax)

    @property
    def total_text(self) -> str:
        return self.text(self.order.total_incl_tax)


@dataclass(frozen=True, kw_only=True)
class ReceiptList:
    receipts: Sequence[Receipt]
    before: int | None


def mark(source: Any) -> str:
    """Ten letters and digits, made of CyberSource's id of the payment, which is shown to no shopper."""
    told = f"cybersource-receipt:{source.pk}:{source.reference}".encode()
    return base64.b32encode(hashlib.sha256(told).digest()).decode()[:10]


def page(whose: Q, *, before: int | None = None, size: int = 50) -> ReceiptList:
    """Read one page of receipts, newest first: those :func:`of_user`, or :func:`of_guest`."""
    found = detail.page(search.payments().filter(whose), before=before, size=size)
    return ReceiptList(receipts=[Receipt(payment=payment) for payment in found.payments], before=found.before)


def one(number: str) -> Receipt | None:
    """Find a receipt by its number, without regard to permissions: see :func:`may_read`."""
    order_number, _dash, marked = number.rpartition("-")
    if not order_number or "\0" in order_number:
        return None
    for found in detail.recorded(search.found(PaymentFilter(order=order_number))):
        if constant_time_compare(mark(found.source), marked):
            return Receipt(payment=detail.read([found])[0])
    return None


def of_user(user: Any, order_number: str = "") -> Q:
    """Of the user's own orders, or of one of them."""
    own = Q(source__order__user=user)
    return own & Q(source__order__number=order_number) if order_number else own


def of_guest(order_number: str) -> Q:
    """Of an order that nobody was signed in for. Whether the asker may read it is for :func:`may_read` to say."""
    return Q(source__order__number=order_number, source__order__user=None)


def may_read(order: Any, user: Any, proof: str = "") -> bool:
    """Whether it is the user's own order, or a guest's and ``proof`` is the one that Oscar mails with it."""
    if order.user_id is not None:
        return bool(user.is_authenticated and order.user_id == user.pk)
    return bool(proof) and order.check_verification_hash(proof)
