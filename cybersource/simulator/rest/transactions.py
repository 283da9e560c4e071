"""The book of all transactions, by which channel and in what state. The gateway's lock is held."""

from collections.abc import Callable, Iterator, Mapping
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
    "setup": "ics_pa_setup",
    "token": "ics_pay_subscription_create",
    "token update": "ics_pay_subscription_update",
}

_DECIDED = {"ACCEPT": "AUTHORIZED", "REJECT": "AUTHORIZED_RISK_DECLINED"}


@dataclass(frozen=True, kw_only=True)
class Card:
    """The card of a payment, as far as anybody is shown it, and what the bank said of it."""

    number: str = ""  #: masked
    type: str = ""
    expiry: str = ""  #: ``MM-yyyy``
    token: str = ""  #: under which the card is stored
    approval_code: str = ""
    response_code: str = ""
    avs: str = ""
    avs_raw: str = ""
    cvn: str = ""
    network_id: str = ""
    bill_to: Mapping[str, str] = field(default_factory=dict, repr=False)  #: ``bill_to_*`` as given


@dataclass(kw_only=True)
class Transaction:
    """One request that was processed."""

    id: str
    kind: str  #: one of ``SERVICES``
    merchant_id: str
    amount: Decimal  #: held, captured, refunded, released or taken back; zero when declined
    asked: Decimal
    currency: str
    status: str  #: as answered; :meth:`Book.status` tells today's
    reference: str
    at: datetime
    by: str  #: by which channel: ``Secure Acceptance``, ``REST``, ``Business Center``, ``Decision Manager``
    parent: str = ""
    root: str = ""
    idempotency_id: str = ""
    reason: str = ""
    reason_code: str = "100"
    undone: str = ""  #: ``REVERSED`` or ``VOIDED``, once it was
    closed: bool = False  #: an authorization whose series of captures was said to have ended
    card: Card = field(default=Card(), repr=False)
    payment: Payment | None = field(default=None, repr=False)

    @property
    def holds(self) -> bool:
        """Whether it began with money held on a card."""
        return self.kind in HOLDS and self.amount > 0

    @property
    def unauthenticated(self) -> bool:
        """Whether payer authentication ended it, so that the bank's services, though asked for, never ran."""
        return self.kind in HOLDS and self.reason_code in {"475", "476"}

    @property
    def reversed_at_once(self) -> bool:
        """Whether the bank approved and the account's own AVS or CVN rule had it reversed within the same request."""
        verdict = self.payment.verdict if self.payment else None
        return self.kind in HOLDS and verdict is not None and verdict.authorized and verdict.decision == "DECLINE"

    @property
    def sold(self) -> bool:
        """Whether it was asked to take the money at once, whatever came of it."""
        asked_as = self.payment.transaction_type if self.payment else ""
        return self.kind == "sale" or (self.kind in HOLDS and asked_as.partition(",")[0] == "sale")

    @property
    def screened(self) -> str:
        """What Decision Manager says of it today: ACCEPT, REVIEW or REJECT; empty where no case and no refusal is."""
        if self.kind not in HOLDS:
            return ""
        if self.payment and self.payment.case:
            return self.payment.case.decision or "REVIEW"
        return "REJECT" if self.reason_code == "481" else ""


class Book:
    """Transactions by id. Not locked on its own."""

    def __init__(self) -> None:
        self._by_id: dict[str, Transaction] = {}
        self.heard: Callable[[Transaction], None] = lambda transaction: None  #: told of every new one

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._by_id.values()))

    def add(self, transaction: Transaction) -> Transaction:
        self._by_id[transaction.id] = transaction
        while len(self._by_id) > KEEP:
            del self._by_id[next(iter(self._by_id))]
        self.heard(transaction)
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

    def chain(self, root: str) -> list[Transaction]:
        """Return a payment and all that followed on it, oldest first."""
        return [each for each in self if each.root == root]

    def children(self, parent: Transaction, kind: str) -> list[Transaction]:
        """Return the follow-ons of a kind that still stand."""
        return [each for each in self if each.parent == parent.id and each.kind == kind and not each.undone]

    def captured(self, payment: Transaction) -> Decimal:
        if payment.kind == "sale":
            return Decimal(0) if payment.undone else payment.amount
        return sum((each.amount for each in self.children(payment, "capture")), Decimal(0))

    def released(self, payment: Transaction) -> Decimal:
        return sum((each.amount for each in self.children(payment, "reversal")), Decimal(0))

    def left(self, payment: Transaction) -> Decimal:
        """Return what of a payment is still held on the card and not captured."""
        return payment.amount - self.captured(payment) - self.released(payment)

    @staticmethod
    def batched(transaction: Transaction, now: datetime, after: timedelta) -> bool:
        return transaction.kind in {"sale", "capture", "refund"} and transaction.at + after <= now

    def status(self, transaction: Transaction, now: datetime, after: timedelta) -> str:
        """Return what a look-up says today."""
        if transaction.undone:
            return transaction.undone
        if transaction.amount and self.batched(transaction, now, after):
            return "TRANSMITTED"
        if transaction.kind == "sale" and transaction.amount:
            return "PENDING"
        # Not established at CyberSource: which word a look-up has for a case that was decided.
        return _DECIDED.get(transaction.screened, transaction.status) if transaction.amount else transaction.status
