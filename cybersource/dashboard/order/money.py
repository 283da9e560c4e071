"""The order's money: what is held, taken and given back, what is left, and what may be done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_model

from ...db import clock
from ...models import OperationState, PaymentOperation
from ...operations import rules
from ...payments import amounts
from ...payments import balance as standing
from ...payments.balance import NotCounted
from .. import operation_texts
from .looks import STANDING_TONES, TONES

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind

NOTHING = standing.NOTHING

#: What a Transaction was, by its ``txn_type``.
MOVEMENTS = {
    Transaction.AUTHORISE: gettext_lazy("Held on the card"),
    Transaction.DEBIT: gettext_lazy("Captured"),
    Transaction.REFUND: gettext_lazy("Refunded"),
    standing.VOID: gettext_lazy("Capture voided"),
    standing.REFUND_VOID: gettext_lazy("Refund voided"),
    standing.REVERSAL: gettext_lazy("Authorization released"),
}

#: What a Transaction was meant to be that moved nothing.
FAILURES = {
    Transaction.DEBIT: gettext_lazy("Failed capture"),
    Transaction.REFUND: gettext_lazy("Failed refund"),
    standing.VOID: gettext_lazy("Failed void"),
    standing.REVERSAL: gettext_lazy("Failed release of an authorization"),
}

#: What a bank ends automatically, since the processor does not release a part.
LAPSING = {standing.REVERSAL: gettext_lazy("Hold left to lapse at the bank")}

#: Why what is left of a payment does not count towards its order. What went back shows as such.
WHY_NOT = {
    NotCounted.OTHER_CURRENCY: gettext_lazy("It pays for nothing: it is in another currency than the order."),
    NotCounted.SET_ASIDE: gettext_lazy(
        "It pays for nothing: the shopper paid another way, or the bank approved only a part. Cancel or refund it."
    ),
    NotCounted.GOING_BACK: gettext_lazy("What is being cancelled or refunded does not count any more."),
    NotCounted.UNDER_REVIEW: gettext_lazy("It counts once a reviewer has accepted it."),
}

SHOWN_STANDINGS = (Transaction.AUTHORISE, Transaction.DEBIT, Transaction.REFUND)


@dataclass(frozen=True, kw_only=True)
class OrderMoney:
    """What is held and taken for the order, against what it costs."""

    currency: str
    total: Decimal
    authorized: Decimal  #: on cards, what is under review included
    under_review: Decimal
    debited: Decimal
    refunded: Decimal
    other: Decimal  #: what other payment methods pay
    counted: Decimal  #: what counts towards the total
    left_to_capture: Decimal = NOTHING
    left_to_refund: Decimal = NOTHING
    foreign: tuple[tuple[Decimal, str], ...] = ()  #: what is left of payments in other currencies

    @property
    def missing(self) -> Decimal:
        return max(self.total - self.counted, NOTHING)

    @property
    def surplus(self) -> Decimal:
        return max(self.counted - self.total, NOTHING)


@dataclass(frozen=True, kw_only=True)
class MovementEntry:
    """One Transaction of a payment, and the operations that its state allows."""

    pk: int
    what: str
    amount: Decimal
    at: datetime
    reference: str
    standing: str
    tone: str
    may: tuple[Kind, ...]
    ends_review: bool  #: whether giving it back decides over a review
    gives_back: bool  #: whether money can be given back of it


@dataclass(frozen=True, kw_only=True)
class OperationEntry:
    """One operation: who asked what, when and why, and how it ended."""

    pk: int
    what: str
    amount: Decimal
    currency: str
    number: str
    user: str
    at: datetime
    reason: str
    state: str
    tone: str
    ended: datetime | None
    is_under_way: bool
    is_unknown: bool
    because: str  #: why it failed, in words
    request_id: str


@dataclass(frozen=True, kw_only=True)
class PaymentPosition:
    """How one payment stands: its amounts, and every movement of its money, oldest first."""

    number: int
    source: int
    currency: str
    card: str
    standing: str
    tone: str
    authorized: Decimal
    captured: Decimal
    refunded: Decimal
    released: Decimal
    left_to_capture: Decimal
    left_to_refund: Decimal
    movements: tuple[MovementEntry, ...]
    under_way: tuple[OperationEntry, ...]
    counts: Decimal  #: towards the order
    why_not: str  #: why no more of it counts; empty where all that is left does
    hold: int | None  #: the Transaction by which all of it can be given back; None when nothing of it can


def money(
    order: Any, balance: standing.OrderBalance, counted: Decimal, stands: Sequence[standing.PaymentBalance]
) -> OrderMoney:
    """Sum up what is in the order's own currency; of what is not, what is left is told beside it."""
    own = [one for one in balance.payments if one.currency == balance.currency]
    foreign: Counter[str] = Counter()
    for one in balance.payments:
        if one.currency != balance.currency and one.kept:
            foreign[one.currency] += one.kept  # type: ignore[assignment]
    stands = [one for one in stands if one.currency == balance.currency]
    # What somebody refunded in the Source's columns alone has gone too.
    refunded = sum((max(one.refunded, amounts.column_of(one.source, "amount_refunded")) for one in own), NOTHING)
    return OrderMoney(
        currency=balance.currency,
        total=order.total_incl_tax,
        authorized=sum((one.kept for one in own), refunded),
        under_review=sum((one.kept for one in own if one.under_review), NOTHING),
        debited=sum((one.captured for one in own), NOTHING),
        refunded=refunded,
        other=counted - balance.counts,
        counted=counted,
        left_to_capture=sum((one.left_to_capture for one in stands), NOTHING),
        left_to_refund=sum((one.left_to_refund for one in stands), NOTHING),
        foreign=tuple((NOTHING + amount, currency) for currency, amount in sorted(foreign.items())),
    )


def positions(stands: Iterable[standing.PaymentBalance], balance: standing.OrderBalance) -> tuple[PaymentPosition, ...]:
    """Every payment of the order, newest first."""
    found = [
        position(number, payment, balance) for number, payment in enumerate(stands, start=1) if payment.transactions
    ]
    return tuple(reversed(found))


def position(number: int, payment: standing.PaymentBalance, balance: standing.OrderBalance) -> PaymentPosition:
    counted = next((one for one in balance.payments if one.source.pk == payment.source.pk), payment)
    why_not = counted.why_not(balance.currency) if counted.kept else None
    hold = payment.authorization
    stands = payment.stands
    back = hold is not None and bool(payment.captures) and rules.goes_back(payment, hold)
    return PaymentPosition(
        number=number,
        source=payment.source.pk,
        currency=payment.currency,
        card=payment.source.label,
        standing=str(rules.STANDINGS[stands]),
        tone=STANDING_TONES.get(stands, "secondary"),
        authorized=payment.authorized,
        captured=payment.captured,
        refunded=payment.refunded,
        released=payment.released,
        left_to_capture=payment.left_to_capture,
        left_to_refund=payment.left_to_refund,
        movements=tuple(movement(payment, one) for one in payment.transactions),
        under_way=tuple(asked(one) for one in payment.under_way),
        counts=balance.of(counted),
        why_not=str(WHY_NOT[why_not]) if why_not in WHY_NOT else "",
        hold=hold.pk if back and hold is not None else None,
    )


def movement(payment: standing.PaymentBalance, transaction: Any) -> MovementEntry:
    stands = payment.standing(transaction)
    shown = transaction.txn_type in SHOWN_STANDINGS or stands == standing.TransactionStatus.FAILED
    may = rules.allowed(payment, transaction)
    names = FAILURES if stands == standing.TransactionStatus.FAILED else MOVEMENTS
    if transaction.status == standing.LAPSING:
        names = LAPSING
    return MovementEntry(
        pk=transaction.pk,
        what=str(names.get(transaction.txn_type, transaction.txn_type)),
        amount=transaction.amount,
        at=transaction.processed_datetime or clock.aware(transaction.date_created),
        reference=transaction.reference,
        standing=str(rules.STANDINGS[stands]) if shown else "",
        tone=STANDING_TONES.get(stands, "secondary"),
        may=may,
        ends_review=stands == standing.TransactionStatus.UNDER_REVIEW,
        gives_back=transaction.txn_type == Transaction.DEBIT and rules.goes_back(payment, transaction),
    )


def asked(operation: PaymentOperation) -> OperationEntry:
    why = operation_texts.why_not(operation)
    return OperationEntry(
        pk=operation.pk,
        what=operation.get_kind_display(),
        amount=operation.amount,
        currency=operation.currency,
        number=operation.reference_number,
        user=operation.user_name or _("the shop itself"),
        at=operation.date_created,
        reason=operation.reason,
        state=operation.get_state_display(),
        tone=TONES.get(operation.state, "secondary"),
        ended=operation.date_settled,
        is_under_way=operation.is_under_way,
        is_unknown=operation.state == OperationState.UNKNOWN,
        because=str(why.means) if why else "",
        request_id=operation.request_id,
    )
