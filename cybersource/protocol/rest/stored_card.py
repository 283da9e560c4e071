"""What the Token Management Service says of a stored card: when it expires, of which kind it is, how its number ends.

Source: REST API field reference, customers and payment instruments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..vocabulary import CARD_TYPES
from .answer import text

#: Where a customer's default card stands, and where the card of a payment instrument does.
_PLACES = ("_embedded.defaultPaymentInstrument.", "")

_MONTH = re.compile(r"0[1-9]|1[0-2]")
_YEAR = re.compile(r"20[0-9]{2}")
_TYPE = re.compile(r"[0-9]{3}|[A-Za-z ]{2,30}")
_MASKED = re.compile(r"[0-9Xx*]{9,15}[0-9]{4}")


@dataclass(frozen=True, kw_only=True)
class StoredCard:
    """Each text is empty where it was not said, or not in the way that Secure Acceptance says it."""

    expiry: str  #: ``12-2031``
    type: str  #: ``001``
    masked: str  #: the last four digits behind as many ``x`` as the number has others

    @classmethod
    def read(cls, content: Mapping[str, Any] | None) -> StoredCard:
        """Read the answer about a customer, or about one payment instrument."""

        def first(path: str, shape: re.Pattern[str]) -> str:
            found = (text(content, place + path) for place in _PLACES)
            return next((each for each in found if shape.fullmatch(each)), "")

        month, year = first("card.expirationMonth", _MONTH), first("card.expirationYear", _YEAR)
        number = first("_embedded.instrumentIdentifier.card.number", _MASKED)
        return cls(
            expiry=f"{month}-{year}" if month and year else "",
            type=_number(first("card.type", _TYPE)),
            masked="x" * (len(number) - 4) + number[-4:],
        )


def _number(card_type: str) -> str:
    """Return a card type by its number. The older services tell it by its name: ``visa``."""
    by_name = {name.casefold(): number for number, name in CARD_TYPES.items()}
    return card_type if card_type.isdecimal() else by_name.get(card_type.casefold(), "")
