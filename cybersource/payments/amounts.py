"""Amounts to the last decimal of their currency, beside Oscar's two."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.db.models import DecimalField
from django.db.models.functions import Coalesce
from oscar.core.loading import get_model

from ..conf import conf
from ..protocol import AmountNotRepresentable, currency_exponent

Transaction = get_model("payment", "Transaction")


#: What Oscar's columns cannot hold of an amount stands beside them.
EXACT = "cybersource_exact"
EXACTLY = Coalesce(f"{EXACT}__amount", "amount", output_field=DecimalField())


# -- exact amounts -------------------------------------------------------------------------------------------------


def code_of(currency: str | None) -> str:
    """The ISO code of a currency that a price list, an import or other code wrote: ``usd`` and ``USD`` are one."""
    return (currency or "").strip().upper() or conf.default_currency


def is_rounded(currency: str) -> bool:
    """Whether a currency has more decimals than Oscar's columns, which then hold an amount rounded down."""
    places = Transaction._meta.get_field("amount").decimal_places
    try:
        return currency_exponent(code_of(currency)) > places
    except AmountNotRepresentable:
        return False


def rounded(amount: Decimal) -> Decimal:
    """An amount as Oscar's columns hold it: never more than there is."""
    places = Transaction._meta.get_field("amount").decimal_places
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_DOWN)


def amount_of(transaction: Any) -> Decimal:
    """What a Transaction moved, to the last decimal of its currency."""
    if not is_rounded(transaction.source.currency):
        return transaction.amount  # type: ignore[no-any-return]
    exact = getattr(transaction, "cybersource_exact", None)
    return transaction.amount if exact is None else exact.amount  # type: ignore[no-any-return]


def column_of(source: Any, name: str) -> Decimal:
    """What a Source's column says, with the decimals beside it that it does not hold."""
    amount: Decimal = getattr(source, name)
    exact = getattr(source, "cybersource_exact", None) if is_rounded(source.currency) else None
    if exact is None:
        return amount
    beside: Decimal = getattr(exact, name)
    return amount + beside - rounded(beside)
