"""Payments as other programs are told of them: each with its steps, what is left of it and what may be done with it.

A payment is one ``Source`` of ours. A page of them is a constant number of statements, whatever it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields.hstore import KeyTransform
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..db import clock, paging
from ..gateway import client
from ..models import CyberSourceReply, PaymentOperation
from ..payments import balance as standing
from ..payments import line_quantities
from ..payments.balance import TransactionStatus
from ..payments.errors import InvalidOperation, Problem
from ..protocol import CARD_TYPES
from . import rules
from . import search as payments

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind


def word(standing: TransactionStatus) -> str:
    """``part-captured``: for programs."""
    return standing.name.lower().replace("_", "-")


#: How a payment as a whole may stand, by the word that programs use.
STATES = {word(one): one for one in payments.STATES}


#: What our Transactions are called where Oscar's names are of no interest.
TYPES = {
    Transaction.AUTHORISE: "authorization",
    Transaction.DEBIT: "capture",
    Transaction.REFUND: "refund",
    standing.VOID: "void",
    standing.REFUND_VOID: "refund-void",
    standing.REVERSAL: "reversal",
}

#: Transactions that stand somehow, besides those that failed. The others are what was done to these.
STANDING = (Transaction.AUTHORISE, Transaction.DEBIT, Transaction.REFUND)


@dataclass(frozen=True, kw_only=True)
class TransactionDetails:
    """One Transaction of a payment, and what may be done with it now."""

    transaction: Any
    currency: str
    stands: TransactionStatus | None  #: None for what was done to another step
    left: Decimal | None  #: what can still be captured or refunded of it; None where neither is ever done to it
    allowed: tuple[Kind, ...]

    @property
    def word(self) -> str | None:
        """``part-captured``: its standing for programs."""
        return word(self.stands) if self.stands else None

    @property
    def type(self) -> str:
        return TYPES.get(self.transaction.txn_type, "other")

    @classmethod
    def of(cls, payment: standing.PaymentBalance, transaction: Any) -> TransactionDetails:
        stands = transaction.txn_type in STANDING or transaction.status not in standing.MONEY_STATUSES
        taken = payment.capture(transaction)
        left = min(taken.left, payment.left_to_refund) if taken else None
        if payment.authorization is not None and transaction.pk == payment.authorization.pk:
            left = payment.left_to_capture
        return cls(
            transaction=transaction,
            currency=payment.currency,
            stands=payment.standing(transaction) if stands else None,
            left=left,
            allowed=rules.allowed(payment, transaction) if client.is_ready() else (),
        )


@dataclass(frozen=True, kw_only=True)
class LineBalance:
    """How many of one line of the order can still be captured and refunded."""

    line: Any
    left_to_capture: int
    left_to_refund: int


@dataclass(frozen=True, kw_only=True)
class PaymentDetails:
    """One payment as a list or a page shows it."""

    standing: standing.PaymentBalance
    stands: TransactionStatus
    entry: CyberSourceReply | None  #: the log row of the authorization, the few columns that are shown

    @property
    def state(self) -> str:
        return word(self.stands)

    @property
    def pk(self) -> int:
        return self.standing.source.pk  # type: ignore[no-any-return]

    @property
    def order(self) -> Any:
        return self.standing.source.order

    @property
    def card(self) -> str:
        """The masked number."""
        return self.standing.source.label or (self.entry.card_number if self.entry else "")

    @property
    def card_type(self) -> str:
        """``Visa``; empty where it is not known."""
        token = self.standing.authorization.token
        code = (self.entry.card_type if self.entry else "") or (token.card_type if token else "")
        return CARD_TYPES.get(code, "")

    @property
    def auth_code(self) -> str:
        return self.entry.auth_code if self.entry else ""

    @property
    def date(self) -> datetime:
        """When it was authorized."""
        return clock.aware(self.standing.authorization.date_created)  # type: ignore[no-any-return]

    @property
    def locale(self) -> str:
        """The language of the checkout, or else that of the payment form; empty where there was none."""
        return getattr(self.entry, "language", None) or getattr(self.entry, "locale", None) or ""

    @property
    def steps(self) -> tuple[TransactionDetails, ...]:
        """Its Transactions, oldest first."""
        return tuple(TransactionDetails.of(self.standing, one) for one in self.standing.transactions)

    @property
    def operations(self) -> tuple[PaymentOperation, ...]:
        """What was asked of it, oldest first."""
        for operation in self.standing.operations:
            operation.order = self.order  # read already
        return self.standing.operations

    @property
    def allowed(self) -> tuple[Kind, ...]:
        """Operations that some Transaction of it may go through now."""
        found = {kind for step in self.steps for kind in step.allowed}
        return tuple(kind for kind in Kind if kind in found)

    @property
    def lines(self) -> list[LineBalance]:
        """The lines of its order, in two statements."""
        counted = line_quantities.quantities(self.order)
        return [
            LineBalance(
                line=line,
                left_to_capture=counted.left_to_capture(line) if self.standing.left_to_capture else 0,
                left_to_refund=counted.left_to_refund(line) if self.standing.left_to_refund else 0,
            )
            for line in self.order.lines.order_by("pk")
        ]


@dataclass(frozen=True, kw_only=True)
class PaymentListPage:
    payments: Sequence[PaymentDetails]
    before: int | None  #: where the next page, of older ones, begins; None on the last one


def recorded(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Of the authorizations that :mod:`cybersource.operations.search` finds, those that made a payment."""
    return rows.filter(status__in=standing.MONEY_STATUSES).select_related("source__order", "source__source_type")


def page(rows: QuerySet[Any], *, before: int | None = None, size: int = paging.PAGE) -> PaymentListPage:
    """Read one page of what :mod:`cybersource.operations.search` finds, newest payment first, in four statements."""
    found = paging.page(recorded(rows), before=before, size=size)
    return PaymentListPage(payments=read(found.items), before=found.older)


def one(pk: int) -> PaymentDetails | None:
    """Read the payment of a Source; None when CyberSource made none under this key."""
    found = read(list(recorded(payments.payments()).filter(source=pk).order_by("pk")[:1]))
    return found[0] if found else None


def read(authorizations: Sequence[Any]) -> list[PaymentDetails]:
    """Read the payments of these authorizations, in three statements."""
    if not authorizations:
        return []
    standings = standing.read([one.source for one in authorizations])
    shown = CyberSourceReply.objects.only("card_number", "card_type", "auth_code")
    shown = shown.annotate(locale=KeyTransform("req_locale", "data"), language=F("attempt__language"))
    entries: Mapping[int, CyberSourceReply] = shown.in_bulk([one.log_id for one in authorizations if one.log_id])
    return [
        PaymentDetails(
            standing=standings[one.source_id], stands=standings[one.source_id].stands, entry=entries.get(one.log_id)
        )
        for one in authorizations
    ]


def meant(kind: Kind, payment: standing.PaymentBalance, transaction_id: int | None = None) -> Any:
    """Return the Transaction that an operation on a payment is about: the one named, or the only one it can be.

    Raises :class:`~cybersource.payments.errors.InvalidOperation`. Whether the operation is allowed on it is for
    :mod:`cybersource.operations.service` to say.
    """
    if transaction_id is not None:
        for found in payment.transactions:
            if found.pk == transaction_id:
                return found
        raise refused("unknown-transaction", _("The payment has no such transaction."))
    if kind not in (Kind.REFUND, Kind.VOID):
        return payment.authorization
    steps = [one.transaction for one in payment.captures]
    steps += payment.refunds if kind == Kind.VOID else ()
    possible = [one for one in steps if kind in rules.allowed(payment, one)]
    if len(possible) == 1:
        return possible[0]
    if possible:
        raise refused("which-transaction", _("There are several. Say which transaction you mean."))
    if len(steps) == 1:
        return steps[0]  # will be refused, by who knows why
    raise InvalidOperation(Problem(code="wrong-state", field="", message=_("There is nothing of which this is left.")))


def meant_to_go_back(
    payment: standing.PaymentBalance, transaction_id: int | None, *, amount: Decimal | None, lines: Mapping[int, int]
) -> Any:
    """Return the Transaction by which money is to go back: everything's is the authorization, a part's a capture.

    Raises :class:`~cybersource.payments.errors.InvalidOperation`, also for an amount of which no plan can be made.
    """
    is_part = amount is not None or bool(lines)
    if transaction_id is None and not is_part:
        return payment.authorization
    found = meant(Kind.REFUND, payment, transaction_id)
    if is_part and found.txn_type != Transaction.DEBIT:
        raise refused(
            "not-possible", _("Only a part of a capture can be refunded. What is merely authorized is released whole.")
        )
    if amount is not None and (problems := tuple(rules.amount_problems(Kind.REFUND, payment, found, amount, ""))):
        raise InvalidOperation(*problems)
    return found


def refused(code: str, message: str) -> InvalidOperation:
    return InvalidOperation(Problem(code=code, field="transaction", message=message))
