"""What CyberSource keeps for a shop: payment tokens. No card number is among it, only a mask and a one-way mark.

Source: Secure Acceptance Checkout API guide, "Payment tokens": 22 digits (the creating request's id) by default.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cybersource.simulator.cards import luhn
from cybersource.simulator.settings import TokenFormat


@dataclass(frozen=True, kw_only=True)
class StoredCard:
    """The card and addresses behind one token."""

    token: str
    merchant_id: str
    mask: str
    last_four: str
    card_type: str
    expiry: str
    tag: str  #: which test card it was made from, see ``cards.TEST_CARDS``
    mark: str = field(repr=False)  #: one-way: tells the same card again, says nothing of its number
    echo: Mapping[str, str] = field(repr=False)  #: bill_to_* as given, echoed with each payment by token
    removed: bool = False  #: the card was taken from the customer, who is still there


class Tokens:
    """Tokens by their text. Not locked on its own: the gateway holds its lock."""

    def __init__(self) -> None:
        self._stored: dict[str, StoredCard] = {}
        self._deleted: set[tuple[str, str]] = set()
        self._key = secrets.token_bytes(32)

    def get(self, token: str, merchant_id: str) -> StoredCard | None:
        """Return the card that pays under ``token``, if it is this merchant's."""
        stored = self.customer(token, merchant_id)
        return stored if stored and not stored.removed else None

    def customer(self, token: str, merchant_id: str) -> StoredCard | None:
        """Return what stands behind ``token``, also where its card was taken away."""
        stored = self._stored.get(token)
        return stored if stored and stored.merchant_id == merchant_id else None

    def delete(self, stored: StoredCard) -> None:
        """Forget a token; only that it was there is remembered."""
        del self._stored[stored.token]
        self._deleted.add((stored.token, stored.merchant_id))

    def was_deleted(self, token: str, merchant_id: str) -> bool:
        return (token, merchant_id) in self._deleted

    def remove_card(self, stored: StoredCard) -> None:
        """Take the card from a customer and leave the customer."""
        self._stored[stored.token] = replace(stored, mask="", expiry="", echo={}, removed=True)

    def put(self, stored: StoredCard) -> None:
        """Keep ``stored``, in place of what had its token."""
        self._stored[stored.token] = stored
        self._deleted.discard((stored.token, stored.merchant_id))

    def mark(self, number: str) -> str:
        """Return a mark of the card under a key that dies with this process."""
        return hmac.new(self._key, number.encode(), hashlib.sha256).hexdigest()

    def name(self, token_format: TokenFormat, *, transaction_id: str, mark: str, last_four: str) -> str:
        """Return the text of a token. The 16- and 32-character forms repeat for the same card, as the real ones do."""
        if token_format is TokenFormat.HEX_32:
            return mark[:32].upper()
        digits = str(int(mark, 16)).zfill(40)
        if token_format is TokenFormat.LAST_FOUR_16:
            # Twelve digits of which the last makes Luhn come out, then the card's own last four.
            stem = "9" + digits[1:11]
            return next(token for check in "0123456789" if luhn(token := stem + check + last_four))
        if token_format is TokenFormat.NINETY_NINE_16:
            return "99" + digits[:14]
        return transaction_id
