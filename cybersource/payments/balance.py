"""What counts: what is authorized, captured and given back of a payment, and what of it pays for its order.

A payment is one ``Source``: the authorization that made it, its captures, and their refunds. What an operation that is
under way is about counts as moved, so nothing is asked for twice while nobody knows how the first call ended, and money
on its way back pays for nothing.

This is the only place that sums up. Everything else asks :class:`PaymentBalance` and :class:`OrderBalance`, which read
Oscar's rows and change none.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction as database
from django.db.models import CharField, DecimalField, Exists, ExpressionWrapper, F, Func, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Coalesce, JSONObject
from oscar.core.loading import get_model

from ..conf import conf
from ..models import UNDER_WAY, Attention, AttentionItem, OperationState, PaymentOperation
from .amounts import EXACT, EXACTLY, amount_of, code_of, column_of
from .calculator import CALCULATOR, own_calculator

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

Kind = PaymentOperation.Kind

NOTHING = Decimal("0.00")

#: What our Transactions are called besides Oscar's own Authorise, Debit and Refund.
VOID = "Void"
REFUND_VOID = "Refund void"
REVERSAL = "Reversal"

#: ``Transaction.status``: what a reviewer refused, and what follows CyberSource's decisions.
REJECT = "REJECT"
VOIDED = "VOIDED"
REVERSED = "REVERSED"
LAPSING = "LAPSING"
FAILED = "FAILED"

#: Under these a Transaction is money, or was. Under any other word, by whomever it was written (``DECLINE``, ``ERROR``,
#: ``FAILED``), no money was ever moved. Oscar's own ``Source.allocate`` leaves it blank.
MONEY_STATUSES = ("", "ACCEPT", Transaction.REVIEW, REJECT, VOIDED, REVERSED, LAPSING)

#: An authorization that ended so holds nothing that could be captured.
HOLDS_NOTHING = (REJECT, VOIDED, REVERSED)

ENDED_WELL = (OperationState.DONE, OperationState.LAPSING)

#: A charge that is listed for one of these reasons does not count towards its order, cleared or not.
SET_ASIDE = (Attention.PARTIAL, Attention.KEPT_AUTHORIZATION)


class TransactionStatus(StrEnum):
    """How one Transaction stands, as far as operations ask."""

    HELD = "held"  #: authorized, nothing captured
    UNDER_REVIEW = "under review"  #: authorized, a reviewer decides
    REJECTED = "rejected"  #: a reviewer said no; the hold may remain
    PART_CAPTURED = "captured in part"
    FULLY_CAPTURED = "captured"  #: nothing of the authorization is left
    REVERSED = "released"  #: reversed, or its rest was
    CAPTURED = "taken"  #: a capture or sale, nothing refunded
    PART_REFUNDED = "refunded in part"
    REFUNDED = "refunded"
    REFUND = "given"  #: a refund
    VOIDED = "voided"
    FAILED = "failed"
    FOREIGN = "not a card payment of this app"


class NotCounted(StrEnum):
    """Why a payment does not count towards its order, or not all of it."""

    FAILED = "no money was ever held"
    REJECTED = "a reviewer rejected it"
    GIVEN_BACK = "it was given back"
    GOING_BACK = "it is on its way back"
    OTHER_CURRENCY = "it is in another currency than the order"
    SET_ASIDE = "it was set aside: the shopper paid another way, or only a part was approved"
    UNDER_REVIEW = "a reviewer has yet to decide"


@dataclass(frozen=True, kw_only=True)
class Capture:
    """One capture, or the debit of a sale."""

    transaction: Any
    refunded: Decimal = NOTHING
    refund_under_way: Decimal = NOTHING
    void_under_way: bool = False

    @property
    def is_voided(self) -> bool:
        return self.transaction.status == VOIDED

    @property
    def left(self) -> Decimal:
        """What can still be refunded of it."""
        if self.is_voided or self.void_under_way:
            return NOTHING
        return max(self.transaction.amount - self.refunded - self.refund_under_way, NOTHING)

    @property
    def standing(self) -> TransactionStatus:
        if self.is_voided:
            return TransactionStatus.VOIDED
        if not self.refunded:
            return TransactionStatus.CAPTURED
        return (
            TransactionStatus.PART_REFUNDED if self.refunded < self.transaction.amount else TransactionStatus.REFUNDED
        )


@dataclass(frozen=True, kw_only=True)
class PaymentBalance:
    """One payment as its rows have it."""

    source: Any
    authorization: Any  #: the Transaction; None for a Source that has none
    further: tuple[Any, ...] = ()  #: authorizations beside it, which other code booked on the same Source
    transactions: tuple[Any, ...] = field(default=(), repr=False)  #: all of them, oldest first
    captures: tuple[Capture, ...] = ()
    refunds: tuple[Any, ...] = ()  #: Transactions, voided ones too
    failed: tuple[Any, ...] = ()
    released: Decimal = NOTHING  #: of the hold, by reversals
    operations: tuple[PaymentOperation, ...] = field(default=(), repr=False)  #: newest last
    is_ours: bool = True
    is_set_aside: bool = False  #: staff were asked to reverse it, and it pays for nothing

    @property
    def currency(self) -> str:
        return code_of(self.source.currency)

    @property
    def authorized(self) -> Decimal:
        return self.authorization.amount if self.authorization else NOTHING

    @property
    def captured(self) -> Decimal:
        """Captures that were not voided."""
        return sum((one.transaction.amount for one in self.captures if not one.is_voided), NOTHING)

    @property
    def refunded(self) -> Decimal:
        return sum((one.amount for one in self.refunds if one.status != VOIDED), NOTHING)

    @property
    def voided(self) -> Decimal:
        """Captures that were voided before they went to the bank."""
        return sum((one.transaction.amount for one in self.captures if one.is_voided), NOTHING)

    @property
    def net_paid(self) -> Decimal:
        """What was captured and not refunded."""
        return max(self.captured - self.refunded, NOTHING)

    @property
    def kept(self) -> Decimal:
        """What is held or captured and was not given back.

        Neither the Transactions nor the Source's own columns are believed beyond the other: by whichever of them money
        went back, it has gone.
        """
        by_columns = left_of(self.source)
        if not self.transactions:
            return by_columns  # booked by hand
        return min(self.held + self.net_paid, by_columns)

    @property
    def going_back(self) -> Decimal:
        """What of it is about to be given back, whether CyberSource has been asked yet or not.

        A capture that staff void leaves its hold, which goes on paying; what the shop voids automatically it reverses
        next, and the hold of a sale can never be captured.
        """
        captures = {one.transaction.pk: one.transaction for one in self.captures}
        amount = self.amount_under_way(Kind.REVERSE, Kind.REFUND)
        for one in self.under_way:
            voided = captures.get(one.transaction_id) if one.kind == Kind.VOID else None
            if voided is not None and (one.is_automatic or self.is_sales(voided)):
                amount += one.amount
        return min(amount, self.kept)

    @property
    def under_review(self) -> Decimal:
        """What waits for a reviewer's decision."""
        undecided = self.authorization is not None and self.authorization.status == Transaction.REVIEW
        return self.kept - self.going_back if undecided else NOTHING

    def counts(self, currency: str) -> Decimal:
        """What of it pays for an order in this currency."""
        is_out = self.currency != currency or self.is_set_aside or (self.under_review and conf.review_holds_order)
        return NOTHING if is_out else self.kept - self.going_back

    def why_not(self, currency: str) -> NotCounted | None:
        """Why it does not count, or not all that was authorized of it; None where all of it does."""
        if not self.kept:
            status = self.authorization.status if self.authorization else FAILED
            return {FAILED: NotCounted.FAILED, REJECT: NotCounted.REJECTED}.get(status, NotCounted.GIVEN_BACK)
        if self.currency != currency:
            return NotCounted.OTHER_CURRENCY
        if self.is_set_aside:
            return NotCounted.SET_ASIDE
        if self.going_back:
            return NotCounted.GOING_BACK
        if self.under_review and conf.review_holds_order:
            return NotCounted.UNDER_REVIEW
        return NotCounted.GIVEN_BACK if self.kept < self.authorized else None

    @property
    def attempt_id(self) -> int | None:
        """The attempt that made it, where it was read with :func:`balances`."""
        return next((one.attempt_id for one in self.transactions if getattr(one, "attempt_id", None)), None)

    @property
    def under_way(self) -> tuple[PaymentOperation, ...]:
        return tuple(one for one in self.operations if one.state in UNDER_WAY)

    def blocked(self, kind: str, transaction: Any) -> PaymentOperation | None:
        """The operation under way that another one on this Transaction has to wait for.

        Refunds of one capture, and captures of one authorization, go beside each other: their sums are checked.
        Whatever undoes something waits for everything on it, and everything on it waits for that. After a capture that
        is to be the last there is no other, so its outcome has to be known first.
        """
        beside = {Kind.CAPTURE: (Kind.CAPTURE,), Kind.REFUND: (Kind.REFUND,)}.get(Kind(kind), ())
        of_hold = transaction.txn_type == Transaction.AUTHORISE
        for one in self.under_way:
            same = one.transaction_id == transaction.pk
            # What gives a hold back, or decides over it, is about the captures too.
            whole = of_hold and kind == Kind.REVERSE
            is_last = one.kind == Kind.CAPTURE and (one.is_last or not conf.several_captures)
            if (same or whole) and (is_last or one.kind not in beside):
                return one
        return None

    def amount_under_way(self, *kinds: str) -> Decimal:
        return sum((one.amount for one in self.under_way if one.kind in kinds), NOTHING)

    @property
    def held(self) -> Decimal:
        """What is authorized and neither captured nor given back. The hold of a voided sale can never be captured."""
        if self.authorization is not None and self.authorization.status in HOLDS_NOTHING:
            return NOTHING
        further = sum((one.amount for one in self.further), NOTHING)
        return max(self.authorized + further - self.captured - self.released, NOTHING)

    @property
    def held_by_it(self) -> Decimal:
        """What the authorization itself holds, which alone an operation can be about."""
        return min(self.held, max(self.authorized - self.captured - self.released, NOTHING))

    @property
    def left_to_reverse(self) -> Decimal:
        """What a reversal would release, also where the books count it no more: rejected, or of a voided sale."""
        if self.authorization is not None and self.authorization.status in (Transaction.REVIEW, REJECT, VOIDED):
            return self.authorized
        return self.held_by_it

    @property
    def left_to_capture(self) -> Decimal:
        """What a capture could take now: nothing of what waits for a reviewer, nor beside what has to end first."""
        undecided = self.authorization is None or self.authorization.status == Transaction.REVIEW
        if undecided or self.has_ended or self.blocked(Kind.CAPTURE, self.authorization):
            return NOTHING
        return max(self.held_by_it - self.amount_under_way(Kind.CAPTURE, Kind.REVERSE), NOTHING)

    @property
    def left_to_refund(self) -> Decimal:
        """Of all captures together; a refund that names none of them counts against all."""
        whole = self.captured - self.refunded - self.amount_under_way(Kind.REFUND)
        return max(min(whole, sum((one.left for one in self.captures), NOTHING)), NOTHING)

    @property
    def has_ended(self) -> bool:
        """Whether a capture was said to be the last one, or the account takes one only."""
        made = [one for one in self.captures if not one.is_voided]
        if made and not conf.several_captures:
            return True
        standing = {one.transaction.pk for one in made}
        return any(
            one.kind == Kind.CAPTURE and one.state == OperationState.DONE and one.is_last and one.made_id in standing
            for one in self.operations
        )

    @property
    def is_sale(self) -> bool:
        """Authorized and taken in one: refunds and voids then go to the payment itself."""
        return any(self.is_sales(one.transaction) for one in self.captures)

    def is_sales(self, capture: Any) -> bool:
        return bool(capture.reference == self.source.reference)

    def capture(self, transaction: Any) -> Capture | None:
        return next((one for one in self.captures if one.transaction.pk == transaction.pk), None)

    def standing(self, transaction: Any) -> TransactionStatus:
        """How one Transaction of this payment stands."""
        if not self.is_ours:
            return TransactionStatus.FOREIGN
        if transaction.status not in MONEY_STATUSES:
            return TransactionStatus.FAILED
        if taken := self.capture(transaction):
            return taken.standing
        if transaction.txn_type == Transaction.REFUND:
            return TransactionStatus.VOIDED if transaction.status == VOIDED else TransactionStatus.REFUND
        if self.authorization is None or transaction.pk != self.authorization.pk:
            return TransactionStatus.FOREIGN
        if transaction.status == REVERSED or (not self.held and self.released):
            return TransactionStatus.REVERSED
        if transaction.status == VOIDED:
            return TransactionStatus.VOIDED
        if transaction.status == Transaction.REVIEW:
            return TransactionStatus.UNDER_REVIEW
        if transaction.status == REJECT:
            return TransactionStatus.REJECTED
        if not self.captured:
            return TransactionStatus.HELD
        return TransactionStatus.PART_CAPTURED if self.held else TransactionStatus.FULLY_CAPTURED

    @property
    def stands(self) -> TransactionStatus:
        """How the payment as a whole stands, in one word for wherever it is told: not refunded while some is held."""
        if self.authorization is None:
            return TransactionStatus.FOREIGN
        first = self.standing(self.authorization)
        if not self.captured or first not in (
            TransactionStatus.PART_CAPTURED,
            TransactionStatus.FULLY_CAPTURED,
            TransactionStatus.REVERSED,
        ):
            return first
        if self.held:
            return TransactionStatus.PART_CAPTURED
        if not self.refunded:
            return TransactionStatus.FULLY_CAPTURED
        return TransactionStatus.REFUNDED if self.refunded >= self.captured else TransactionStatus.PART_REFUNDED

    @property
    def version(self) -> str:
        """Changes with every step of the payment: a request from a page can say which state was shown.

        A reviewer's decision is a step that makes neither a Transaction nor, unless it was made here, an operation.
        """
        operations = f"{self.operations[-1].pk}.{self.operations[-1].state}" if self.operations else "0"
        stands = f"-{self.standing(self.authorization).name.lower()}" if self.authorization else ""
        return f"{self.transactions[-1].pk if self.transactions else 0}-{operations}{stands}"


def left_of(source: Any) -> Decimal:
    """What a Source's own columns leave of it."""
    return max(column_of(source, "amount_allocated") - column_of(source, "amount_refunded"), NOTHING)


def in_sql(name: str) -> Any:
    """A Source's column as :func:`column_of` tells it."""
    exact = F(f"{EXACT}__{name}")
    places = Transaction._meta.get_field("amount").decimal_places
    beside = exact - Func(exact, places, function="TRUNC", output_field=DecimalField())
    return F(name) + Coalesce(beside, NOTHING, output_field=DecimalField())


def left_in_sql() -> Any:
    """What a Source's own columns leave of it, as :func:`left_of` tells it; less than nothing is less."""
    return ExpressionWrapper(in_sql("amount_allocated") - in_sql("amount_refunded"), output_field=DecimalField())


def of_source(source: Any) -> PaymentBalance:
    """Read one payment, in two statements."""
    return read([source])[source.pk]


def of_order(order: Any) -> list[PaymentBalance]:
    """Read every payment of an order that CyberSource made, oldest first, in three statements."""
    sources = list(Source.objects.filter(order=order).select_related("source_type").order_by("pk"))
    payments = read(sources)
    return [payments[source.pk] for source in sources if payments[source.pk].is_ours]


def read(sources: Sequence[Any]) -> dict[int, PaymentBalance]:
    """Read the payments of these Sources, whose ``source_type`` is loaded, in two statements."""
    keys = [source.pk for source in sources]
    transactions: dict[int, list[Any]] = {key: [] for key in keys}
    for found in Transaction.objects.filter(source__in=keys).select_related("token", EXACT).order_by("pk"):
        transactions[found.source_id].append(found)
    operations: dict[int, list[PaymentOperation]] = {key: [] for key in keys}
    for operation in PaymentOperation.objects.filter(source__in=keys).order_by("pk"):
        operations[operation.source_id].append(operation)
    return {source.pk: payment(source, transactions[source.pk], operations[source.pk]) for source in sources}


def without(payment_: PaymentBalance, leave_out: Callable[[PaymentOperation], bool]) -> PaymentBalance:
    """The same payment as if these operations had not been asked."""
    left = [one for one in payment_.operations if not leave_out(one)]
    return payment(payment_.source, payment_.transactions, left, is_set_aside=payment_.is_set_aside)


def payment(
    source: Any,
    transactions: Iterable[Any],
    operations: Iterable[PaymentOperation],
    *,
    is_set_aside: bool = False,
) -> PaymentBalance:
    transactions, operations = tuple(transactions), tuple(operations)
    of_kind: dict[str, list[Any]] = {}
    failed, is_ours = [], source.source_type.name == conf.source_type
    for one in transactions:
        if isinstance(one, Transaction):
            one.source = source
            one.amount = amount_of(one)
        is_ours = is_ours or one.log_id is not None
        if one.status not in MONEY_STATUSES:
            failed.append(one)
        else:
            of_kind.setdefault(one.txn_type, []).append(one)
    authorizations = of_kind.get(Transaction.AUTHORISE, [])
    refunded: Counter[int] = Counter()
    refunding: Counter[int] = Counter()
    voiding = set()
    refunds = {one.pk: one for one in of_kind.get(Transaction.REFUND, [])}
    for operation in operations:
        if operation.kind == Kind.REFUND and operation.transaction_id:
            if operation.state in UNDER_WAY:
                refunding[operation.transaction_id] += operation.amount  # type: ignore[assignment]
            elif operation.made_id in refunds and refunds[operation.made_id].status != VOIDED:
                refunded[operation.transaction_id] += refunds[operation.made_id].amount
        elif operation.kind == Kind.VOID and operation.state in UNDER_WAY:
            voiding.add(operation.transaction_id)
    captures = tuple(
        Capture(
            transaction=one,
            refunded=NOTHING + refunded[one.pk],
            refund_under_way=NOTHING + refunding[one.pk],
            void_under_way=one.pk in voiding,
        )
        for one in of_kind.get(Transaction.DEBIT, [])
    )
    return PaymentBalance(
        source=source,
        transactions=transactions,
        authorization=authorizations[0] if authorizations else None,
        further=tuple(one for one in authorizations[1:] if one.status in ("", "ACCEPT")),
        captures=captures,
        refunds=tuple(refunds.values()),
        failed=tuple(failed),
        released=sum((one.amount for one in of_kind.get(REVERSAL, [])), NOTHING),
        operations=operations,
        is_ours=is_ours,
        is_set_aside=is_set_aside,
    )


# -- what counts towards an order ----------------------------------------------------------------------------------


class Movement(NamedTuple):
    """A Transaction, as far as sums ask for it."""

    pk: int
    txn_type: str
    amount: Decimal
    status: str
    reference: str
    log_id: int | None
    attempt_id: int | None


class OperationUnderWay(NamedTuple):
    """An operation that is under way, as far as sums ask for it."""

    pk: int
    kind: str
    state: str
    amount: Decimal
    transaction_id: int | None
    is_automatic: bool


@dataclass(frozen=True, kw_only=True)
class OrderBalance:
    """What pays for one order, in the order's own currency."""

    currency: str = ""
    payments: tuple[PaymentBalance, ...] = ()  #: ours, oldest first
    others: Decimal = NOTHING  #: what other methods have in its currency, less what they gave back
    allocated: Decimal = NOTHING  #: ``amount_allocated`` of our Sources, as a calculator that sums Sources sees it
    references: frozenset[str] = frozenset()  #: ids of everything that was done, also of what staff booked by hand

    @property
    def counts(self) -> Decimal:
        """What our payments pay."""
        return sum((self.of(one) for one in self.payments), NOTHING)

    @property
    def under_review(self) -> Decimal:
        """What would count besides, if every reviewer accepted."""
        held = (one.under_review for one in self.payments if self.is_in_play(one) and not self.of(one))
        return sum(held, NOTHING)

    def of(self, payment: PaymentBalance) -> Decimal:
        return payment.counts(self.currency)

    def is_in_play(self, payment: PaymentBalance) -> bool:
        """Whether the order may still be paid by it: it has money that was not set aside, in the order's currency."""
        return bool(payment.kept) and payment.currency == self.currency and not payment.is_set_aside

    @property
    def in_play(self) -> tuple[PaymentBalance, ...]:
        return tuple(one for one in self.payments if self.is_in_play(one))

    def covered(self, order: Any) -> Decimal:
        """What of the order's total is covered, by our payments and by other methods.

        A calculator of the shop's own is believed for the others: what it counts, less what it counted of ours.
        """
        calculator = own_calculator()
        if calculator is None:
            return self.others + self.counts
        try:
            with database.atomic():
                counted = Decimal(str(calculator(order)))  # a float is what it looks like
            if not counted.is_finite():
                raise ValueError(f"{counted} is no amount")
        except Exception:  # a charge is recorded all the same
            logger.exception("%s failed for order %s; other methods' Sources are counted.", CALCULATOR, order.number)
            return self.others + self.counts
        return max(counted - self.allocated, NOTHING) + self.counts

    def superfluous(self, surplus: Decimal) -> list[PaymentBalance]:
        """The payments that can go back whole out of what is covered beyond the total: the largest first, the newest
        of equal ones."""
        found = []
        for payment in sorted(self.payments, key=lambda one: (self.of(one), one.source.pk), reverse=True):
            if 0 < self.of(payment) <= surplus:
                surplus -= self.of(payment)
                found.append(payment)
        return found


def currency_of(order: Any) -> str:
    """The currency that an order is paid in."""
    return code_of(order.currency)


def balance(order: Any) -> OrderBalance:
    """Read what pays for an order, in one statement."""
    return balances([order.pk]).get(order.pk) or OrderBalance(currency=currency_of(order))


def balances(order_ids: Iterable[int]) -> dict[int, OrderBalance]:
    """Read what pays for each of these orders, in one statement. Orders without any Source are left out."""
    by_order: dict[int, list[Any]] = {}
    for source in with_everything(Source.objects.filter(order__in=set(order_ids))).order_by("pk"):
        by_order.setdefault(source.order_id, []).append(source)
    return {order_id: balance_of(sources) for order_id, sources in by_order.items()}


def with_money() -> QuerySet[Any]:
    """Our Sources of which something may be left: no more than where to look, :func:`balance` says what counts."""
    made = Transaction.objects.filter(source=OuterRef("pk"), log__isnull=False)
    ours = Q(source_type__name=conf.source_type) | Exists(made)
    return Source.objects.alias(left=left_in_sql()).filter(ours, left__gt=0)  # type: ignore[no-any-return]


def with_everything(sources: QuerySet[Any]) -> QuerySet[Any]:
    """Have each Source bring its Transactions, its operations under way and whether it was set aside."""
    transactions = Transaction.objects.filter(source=OuterRef("pk")).order_by("pk")
    operations = PaymentOperation.objects.filter(source=OuterRef("pk"), state__in=UNDER_WAY).order_by("pk")
    aside = AttentionItem.objects.filter(
        order=OuterRef("order"), transaction_id=OuterRef("reference"), kind__in=SET_ASIDE
    ).exclude(transaction_id="")
    return sources.select_related("source_type", EXACT).annotate(
        order_currency=F("order__currency"),
        set_aside=Exists(aside),
        moved=ArraySubquery(
            transactions.values(json=fields(Movement, amount=EXACTLY, attempt_id="log__attempt_id")),
        ),
        asked=ArraySubquery(operations.values(json=fields(OperationUnderWay))),
    )


def fields(row: type[NamedTuple], **named: Any) -> JSONObject:
    """The columns that a row is made of; amounts as text, since numbers in JSON are binary fractions."""
    columns: dict[str, Any] = {name: named.get(name, name) for name in row._fields}
    return JSONObject(**{**columns, "amount": Cast(columns["amount"], CharField())})


def balance_of(sources: Sequence[Any]) -> OrderBalance:
    """Sum up what one order's Sources brought along."""
    currency = code_of(sources[0].order_currency)
    ours, others = [], NOTHING
    for source in sources:
        found = payment(
            source,
            (Movement(**{**one, "amount": Decimal(one["amount"])}) for one in source.moved),
            (OperationUnderWay(**{**one, "amount": Decimal(one["amount"])}) for one in source.asked),  # type: ignore[misc]
            is_set_aside=source.set_aside,
        )
        if found.is_ours:
            ours.append(found)
        elif found.currency == currency:
            others += left_of(source)
    return OrderBalance(
        currency=currency,
        payments=tuple(ours),
        others=others,
        allocated=sum((one.source.amount_allocated for one in ours), NOTHING),
        references=frozenset(one["reference"] for source in sources for one in source.moved),
    )
