"""The book of all transactions, whichever door they came by, and what state each is in. The gateway's lock is held.

Money is only ever taken where a real processor would: captures within the authorization. Refunds are *not* limited,
because CyberSource does not limit them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from cybersource.simulator.records import Payment

KEEP = 5000

HOLDS = frozenset({"authorization", "sale"})

#: kind -> the service that did it
SERVICES = {
    "authorization": "ics_auth",
    "sale": "ics_auth",
    "capture": "ics_bill",
    "refund": "ics_credit",
    "reversal": "ics_auth_reversal",
    "void": "ics_void",
}


@dataclass(kw_only=True)
class Transaction:
    """One request that was processed."""

    id: str
    kind: str  #: ``authorization``, ``sale``, ``capture``, ``refund``, ``reversal``, ``void``
    merchant_id: str
    amount: Decimal  #: held, captured, refunded, released or taken back; zero when declined
    asked: Decimal
    currency: str
    status: str  #: as answered; :meth:`Book.status` tells today's
    reference: str
    at: datetime
    parent: str = ""
    root: str = ""
    idempotency_id: str = ""
    reason: str = ""
    reason_code: str = "100"
    undone: str = ""  #: ``REVERSED`` or ``VOIDED``, once it was
    card_number: str = ""  #: masked
    payment: Payment | None = field(default=None, repr=False)

    @property
    def holds(self) -> bool:
        """Whether it began with money held on a card."""
        return self.kind in HOLDS and self.amount > 0


class Book:
    """Transactions by id. Not locked by itself."""

    def __init__(self) -> None:
        self._by_id: dict[str, Transaction] = {}

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._by_id.values()))

    def add(self, transaction: Transaction) -> Transaction:
        self._by_id[transaction.id] = transaction
        while len(self._by_id) > KEEP:
            del self._by_id[next(iter(self._by_id))]
        return transaction

    def get(self, id: str, merchant_id: str) -> Transaction | None:
        found = self._by_id.get(id)
        return found if found and found.merchant_id == merchant_id else None

    def by_idempotency_id(self, idempotency_id: str, merchant_id: str, since: datetime) -> Transaction | None:
        """Return what was processed under this ``transactionId`` and is not forgotten yet."""
        for each in self:
            if (each.idempotency_id, each.merchant_id) == (idempotency_id, merchant_id) and each.at >= since:
                return each
        return None

    def children(self, parent: Transaction, kind: str) -> list[Transaction]:
        """Return the follow-ons of a kind that still stand."""
        return [each for each in self if each.parent == parent.id and each.kind == kind and not each.undone]

    def captured(self, authorization: Transaction) -> Decimal:
        return sum((each.amount for each in self.children(authorization, "capture")), Decimal(0))

    @staticmethod
    def batched(transaction: Transaction, now: datetime, after: timedelta) -> bool:
        return transaction.kind in {"sale", "capture", "refund"} and transaction.at + after <= now

    def status(self, transaction: Transaction, now: datetime, after: timedelta) -> str:
        """Return what a look-up says today."""
        if transaction.undone:
            return transaction.undone
        if transaction.amount and self.batched(transaction, now, after):
            return "TRANSMITTED"
        return "PENDING" if transaction.kind == "sale" and transaction.amount else transaction.status
