"""Amounts as Secure Acceptance writes them: digits and a point, in the currency's own number of decimals.

Nothing here ever rounds: an amount that cannot be said exactly is refused, because a charge that differs from the order
by a cent is worse than no charge.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache

from .errors import AmountNotRepresentable

#: Amount fields are at most 15 characters (Secure Acceptance guides, request field tables).
AMOUNT_LENGTH = 15

#: ISO 4217 minor units that differ from two. CLDR, and so babel, gives the decimals people *print* (none for RSD, IQD
#: or LBP), which would refuse a Serbian shop its paras; a payment network counts in ISO minor units.
MINOR_UNITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}

# Traps, because a context left alone rounds in silence.
_EXACTLY = Context(prec=40, traps=[Inexact, InvalidOperation])

_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4})?")


def currency_exponent(currency: str) -> int:
    """Return how many decimals an amount in ``currency`` has: JPY 0, USD 2, KWD 3.

    Raises :class:`AmountNotRepresentable` for what is not a three-letter, upper-case code. Source: ISO 4217.
    """
    if not _CURRENCY.fullmatch(currency):
        raise AmountNotRepresentable("currency", "A currency is three upper-case letters, as ISO 4217 has them.")
    return MINOR_UNITS.get(currency, 2)


@lru_cache(maxsize=256)
def _quantum(currency: str) -> Decimal:
    return Decimal(1).scaleb(-currency_exponent(currency))


def format_amount(amount: Decimal, currency: str) -> str:
    """Return ``amount`` in exactly the decimals of ``currency``: ``Decimal("5")`` in USD is ``"5.00"``.

    Raises :class:`AmountNotRepresentable` when that would round, when the amount is negative or not finite, and when it
    is longer than the 15 characters an amount field holds.
    """
    quantum = _quantum(currency)
    if not amount.is_finite():
        raise AmountNotRepresentable("amount-not-finite", "The amount is not a finite number.")
    if amount < 0:
        raise AmountNotRepresentable("amount-negative", "The amount is negative.")
    try:
        text = f"{amount.copy_abs().quantize(quantum, context=_EXACTLY):f}"
    except Inexact:
        raise AmountNotRepresentable("amount-rounds", "The amount has more decimals than its currency.") from None
    except InvalidOperation:
        text = "9" * (AMOUNT_LENGTH + 1)
    if len(text) > AMOUNT_LENGTH:
        raise AmountNotRepresentable("amount-length", "The amount does not fit an amount field of 15 characters.")
    return text


def parse_amount(text: str) -> Decimal:
    """Return the amount a reply names: ASCII digits with an optional point, no sign, no grouping, no exponent.

    A reply echoes a request's amount verbatim (``100``) and formats its own (``100.00``); both compare equal here.
    Raises :class:`AmountNotRepresentable` for anything else.
    """
    if not _AMOUNT.fullmatch(text):
        raise AmountNotRepresentable("amount-shape", "An amount is digits with an optional decimal point.")
    return Decimal(text)
