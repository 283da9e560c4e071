"""What counts: what is authorized, captured and given back of a payment, and what of it pays for its order.

A payment is one ``Source``: the authorization that made it, its captures, and their refunds. What an operation that is
under way is about counts as moved, so nothing is asked for twice while nobody knows how the first call ended, and money
on its way back pays for nothing.

This is the only place that sums up. Everything else asks :class:`Payment` and :class:`OrderBalance`, which read Oscar's
rows and change none.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction as database
from django.db.models import CharField, DecimalField, Exists, ExpressionWrapper, F, Func, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Cast, Coalesce, JSONObject
from django.utils.module_loading import import_string
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from .conf import conf
from .models import UNDER_WAY, Attention, AttentionItem, OperationState, PaymentOperation
from .protocol import AmountNotRepresentable, currency_exponent

PaymentEventQuantity = get_model("order", "PaymentEventQuantity")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

NOTHING = Decimal("0.00")

Kind = PaymentOperation.Kind

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

#: Who counts what is authorized of an order, before api-checkout's own view says that it is paid.
CALCULATOR = "ORDER_AUTHORIZED_AMOUNT_CALCULATOR"

#: Ours, by which api-checkout counts as well once the app is loaded.
OUR_CALCULATOR = "cybersource.orders.money_held"

#: No calculator of the shop's own: api-checkout's is blind to currencies and refunds.
DEFAULT_CALCULATORS = (None, "oscarapicheckout.utils.get_order_authorized_amount", OUR_CALCULATOR)


#: What Oscar's columns cannot hold of an amount stands beside them.
EXACT = "cybersource_exact"
EXACTLY = Coalesce(f"{EXACT}__amount", "amount", output_field=DecimalField())


class Standing(StrEnum):
    """How one Transaction stands, as far as operations ask."""

    HELD = "held"  #: authorized, nothing captured
    UNDER_REVIEW = "under review"  #: authorized, a reviewer decides
    REJECTED = "rejected"  #: a reviewer said no; the hold may remain
    PART_CAPTURED = "captured in part"
    CAPTURED = "captured"  #: nothing of the authorization is left
    RELEASED = "released"  #: reversed, or its rest was
    TAKEN = "taken"  #: a capture or sale, nothing refunded
    PART_REFUNDED = "refunded in part"
    REFUNDED = "refunded"
    GIVEN = "given"  #: a refund
    VOIDED = "voided"
    FAILED = "failed"
    FOREIGN = "not a card payment of this app"


class WhyNot(StrEnum):
    """Why a payment does not count towards its order, or not all of it."""

    FAILED = "no money was ever held"
    REJECTED = "a reviewer rejected it"
    GIVEN_BACK = "it was given back"
    GOING_BACK = "it is on its way back"
    OTHER_CURRENCY = "it is in another currency than the order"
    SET_ASIDE = "it was set aside: the shopper paid another way, or only a part was approved"
    UNDER_REVIEW = "a reviewer has yet to decide"


@dataclass(frozen=True, kw_only=True)
class Taken:
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
    def standing(self) -> Standing:
        if self.is_voided:
            return Standing.VOIDED
        if not self.refunded:
            return Standing.TAKEN
        return Standing.PART_REFUNDED if self.refunded < self.transaction.amount else Standing.REFUNDED


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One payment as its rows have it."""

    source: Any
    authorization: Any  #: the Transaction; None for a Source that has none
    transactions: tuple[Any, ...] = field(default=(), repr=False)  #: all of them, oldest first
    captures: tuple[Taken, ...] = ()
    refunds: tuple[Any, ...] = ()  #: Transactions, voided ones too
    failed: tuple[Any, ...] = ()
    released: Decimal = NOTHING  #: of the hold, by reversals
    operations: tuple[PaymentOperation, ...] = field(default=(), repr=False)  #: newest last
    is_ours: bool = True
    is_set_aside: bool = False  #: staff were asked to reverse it, and it pays for nothing

    @property
    def currency(self) -> str:
        return self.source.currency  # type: ignore[no-any-return]

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

    def why_not(self, currency: str) -> WhyNot | None:
        """Why it does not count, or not all that was authorized of it; None where all of it does."""
        if not self.kept:
            status = self.authorization.status if self.authorization else FAILED
            return {FAILED: WhyNot.FAILED, REJECT: WhyNot.REJECTED}.get(status, WhyNot.GIVEN_BACK)
        if self.currency != currency:
            return WhyNot.OTHER_CURRENCY
        if self.is_set_aside:
            return WhyNot.SET_ASIDE
        if self.going_back:
            return WhyNot.GOING_BACK
        if self.under_review and conf.review_holds_order:
            return WhyNot.UNDER_REVIEW
        return WhyNot.GIVEN_BACK if self.kept < self.authorized else None

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
        return max(self.authorized - self.captured - self.released, NOTHING)

    @property
    def left_to_reverse(self) -> Decimal:
        """What a reversal would release, also where the books count it no more: rejected, or of a voided sale."""
        if self.authorization is not None and self.authorization.status in (Transaction.REVIEW, REJECT, VOIDED):
            return self.authorized
        return self.held

    @property
    def left_to_capture(self) -> Decimal:
        """What a capture could take now: nothing of what waits for a reviewer, nor beside what has to end first."""
        undecided = self.authorization is None or self.authorization.status == Transaction.REVIEW
        if undecided or self.has_ended or self.blocked(Kind.CAPTURE, self.authorization):
            return NOTHING
        return max(self.held - self.amount_under_way(Kind.CAPTURE, Kind.REVERSE), NOTHING)

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

    def capture(self, transaction: Any) -> Taken | None:
        return next((one for one in self.captures if one.transaction.pk == transaction.pk), None)

    def standing(self, transaction: Any) -> Standing:
        """How one Transaction of this payment stands."""
        if not self.is_ours:
            return Standing.FOREIGN
        if transaction.status not in MONEY_STATUSES:
            return Standing.FAILED
        if taken := self.capture(transaction):
            return taken.standing
        if transaction.txn_type == Transaction.REFUND:
            return Standing.VOIDED if transaction.status == VOIDED else Standing.GIVEN
        if self.authorization is None or transaction.pk != self.authorization.pk:
            return Standing.FOREIGN
        if transaction.status == REVERSED or (not self.held and self.released):
            return Standing.RELEASED
        if transaction.status == VOIDED:
            return Standing.VOIDED
        if transaction.status == Transaction.REVIEW:
            return Standing.UNDER_REVIEW
        if transaction.status == REJECT:
            return Standing.REJECTED
        if not self.captured:
            return Standing.HELD
        return Standing.PART_CAPTURED if self.held else Standing.CAPTURED

    @property
    def stands(self) -> Standing:
        """How the payment as a whole stands, in one word for wherever it is told: not refunded while some is held."""
        if self.authorization is None:
            return Standing.FOREIGN
        first = self.standing(self.authorization)
        if not self.captured or first not in (Standing.PART_CAPTURED, Standing.CAPTURED, Standing.RELEASED):
            return first
        if self.held:
            return Standing.PART_CAPTURED
        if not self.refunded:
            return Standing.CAPTURED
        return Standing.REFUNDED if self.refunded >= self.captured else Standing.PART_REFUNDED

    @property
    def version(self) -> str:
        """Changes with every step of the payment: whoever acts on a page can say which state he saw.

        A reviewer's decision is a step that makes neither a Transaction nor, unless it was made here, an operation.
        """
        operations = f"{self.operations[-1].pk}.{self.operations[-1].state}" if self.operations else "0"
        stands = f"-{self.standing(self.authorization).name.lower()}" if self.authorization else ""
        return f"{self.transactions[-1].pk if self.transactions else 0}-{operations}{stands}"


def left_of(source: Any) -> Decimal:
    """What a Source's own columns leave of it."""
    return max(column_of(source, "amount_allocated") - column_of(source, "amount_refunded"), NOTHING)


# -- exact amounts -------------------------------------------------------------------------------------------------


def is_rounded(currency: str) -> bool:
    """Whether a currency has more decimals than Oscar's columns, which then hold an amount rounded down."""
    places = Transaction._meta.get_field("amount").decimal_places
    try:
        return currency_exponent(currency) > places
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


def in_sql(name: str) -> Any:
    """A Source's column as :func:`column_of` tells it."""
    exact = F(f"{EXACT}__{name}")
    places = Transaction._meta.get_field("amount").decimal_places
    beside = exact - Func(exact, places, function="TRUNC", output_field=DecimalField())
    return F(name) + Coalesce(beside, NOTHING, output_field=DecimalField())


def left_in_sql() -> Any:
    """What a Source's own columns leave of it, as :func:`left_of` tells it; less than nothing is less."""
    return ExpressionWrapper(in_sql("amount_allocated") - in_sql("amount_refunded"), output_field=DecimalField())


def of_source(source: Any) -> Payment:
    """Read one payment, in two statements."""
    return read([source])[source.pk]


def of_order(order: Any) -> list[Payment]:
    """Read every payment of an order that CyberSource made, oldest first, in three statements."""
    sources = list(Source.objects.filter(order=order).select_related("source_type").order_by("pk"))
    payments = read(sources)
    return [payments[source.pk] for source in sources if payments[source.pk].is_ours]


def read(sources: Sequence[Any]) -> dict[int, Payment]:
    """Read the payments of these Sources, whose ``source_type`` is loaded, in two statements."""
    keys = [source.pk for source in sources]
    transactions: dict[int, list[Any]] = {key: [] for key in keys}
    for found in Transaction.objects.filter(source__in=keys).select_related("token", EXACT).order_by("pk"):
        transactions[found.source_id].append(found)
    operations: dict[int, list[PaymentOperation]] = {key: [] for key in keys}
    for operation in PaymentOperation.objects.filter(source__in=keys).order_by("pk"):
        operations[operation.source_id].append(operation)
    return {source.pk: payment(source, transactions[source.pk], operations[source.pk]) for source in sources}


def without(payment_: Payment, leave_out: Callable[[PaymentOperation], bool]) -> Payment:
    """The same payment as if these operations had not been asked."""
    left = [one for one in payment_.operations if not leave_out(one)]
    return payment(payment_.source, payment_.transactions, left, is_set_aside=payment_.is_set_aside)


def payment(
    source: Any,
    transactions: Iterable[Any],
    operations: Iterable[PaymentOperation],
    *,
    is_set_aside: bool = False,
) -> Payment:
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
        Taken(
            transaction=one,
            refunded=NOTHING + refunded[one.pk],
            refund_under_way=NOTHING + refunding[one.pk],
            void_under_way=one.pk in voiding,
        )
        for one in of_kind.get(Transaction.DEBIT, [])
    )
    return Payment(
        source=source,
        transactions=transactions,
        authorization=authorizations[0] if authorizations else None,
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


class Asked(NamedTuple):
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
    payments: tuple[Payment, ...] = ()  #: ours, oldest first
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

    def of(self, payment: Payment) -> Decimal:
        return payment.counts(self.currency)

    def is_in_play(self, payment: Payment) -> bool:
        """Whether the order may still be paid by it: it has money that was not set aside, in the order's currency."""
        return bool(payment.kept) and payment.currency == self.currency and not payment.is_set_aside

    @property
    def in_play(self) -> tuple[Payment, ...]:
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

    def superfluous(self, surplus: Decimal) -> list[Payment]:
        """The payments that can go back whole out of what is covered beyond the total: the largest first, the newest
        of equal ones."""
        found = []
        for payment in sorted(self.payments, key=lambda one: (self.of(one), one.source.pk), reverse=True):
            if 0 < self.of(payment) <= surplus:
                surplus -= self.of(payment)
                found.append(payment)
        return found


def own_calculator() -> Callable[[Any], Any] | None:
    """The calculator that the shop names for what is authorized of an order; None for api-checkout's own and ours."""
    named = getattr(checkout_settings, CALCULATOR, None)
    if is_default(named):
        named = getattr(settings, CALCULATOR, None)
    if is_default(named):
        return None
    return named if callable(named) else import_string(named)  # type: ignore[no-any-return]


def count_for_checkout() -> None:
    """Have api-checkout ask what counts before its own view authorizes an order.

    A calculator that the shop names is asked by ours, which sees through what that counted of our payments. Releases of
    api-checkout before 3.10 ask nobody; there :mod:`cybersource.checkout_api` does.
    """
    setattr(checkout_settings, CALCULATOR, OUR_CALCULATOR)


def is_default(calculator: Any) -> bool:
    if callable(calculator):
        calculator = f"{calculator.__module__}.{getattr(calculator, '__qualname__', '')}"
    return calculator in DEFAULT_CALCULATORS


def currency_of(order: Any) -> str:
    """The currency that an order is paid in."""
    return order.currency or conf.default_currency  # type: ignore[no-any-return]


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
        asked=ArraySubquery(operations.values(json=fields(Asked))),
    )


def fields(row: type[NamedTuple], **named: Any) -> JSONObject:
    """The columns that a row is made of; amounts as text, since numbers in JSON are binary fractions."""
    columns: dict[str, Any] = {name: named.get(name, name) for name in row._fields}
    return JSONObject(**{**columns, "amount": Cast(columns["amount"], CharField())})


def balance_of(sources: Sequence[Any]) -> OrderBalance:
    """Sum up what one order's Sources brought along."""
    currency = sources[0].order_currency or conf.default_currency
    ours, others = [], NOTHING
    for source in sources:
        found = payment(
            source,
            (Movement(**{**one, "amount": Decimal(one["amount"])}) for one in source.moved),
            (Asked(**{**one, "amount": Decimal(one["amount"])}) for one in source.asked),  # type: ignore[misc]
            is_set_aside=source.set_aside,
        )
        if found.is_ours:
            ours.append(found)
        elif source.currency == currency:
            others += left_of(source)
    return OrderBalance(
        currency=currency,
        payments=tuple(ours),
        others=others,
        allocated=sum((one.source.amount_allocated for one in ours), NOTHING),
        references=frozenset(one["reference"] for source in sources for one in source.moved),
    )


@dataclass(frozen=True, kw_only=True)
class Quantities:
    """How many of each line of an order were captured and refunded, by whichever card, and how many are about to be."""

    captured: Counter[int]
    refunded: Counter[int]
    #: Money was captured by amount, of nobody knows which lines.
    by_amount: bool

    def moved(self, kind: str) -> Mapping[int, int]:
        """How many of each line were captured before, or refunded before."""
        return self.captured if kind == Kind.CAPTURE else self.refunded

    def left_to_capture(self, line: Any) -> int:
        return max(line.quantity - self.captured[line.pk], 0)

    def left_to_refund(self, line: Any) -> int:
        # Sales by two cards name every line each.
        captured = line.quantity if self.by_amount else min(self.captured[line.pk], line.quantity)
        return max(captured - self.refunded[line.pk], 0)


def lines_taken(order: Any, capture: Any) -> dict[int, int]:
    """How many of each line a capture was recorded for; empty where it was by amount."""
    rows = PaymentEventQuantity.objects.filter(
        event__order=order, event__reference=capture.reference, event__event_type__name=capture.txn_type
    )
    return dict(rows.order_by().values_list("line").annotate(total=Sum("quantity")))


def quantities(order: Any) -> Quantities:
    """Count by the order's payment events, in two statements whatever the number of cards, lines and events."""
    ours = Q(log__isnull=False) | Q(source__source_type__name=conf.source_type)
    references = Transaction.objects.filter(ours, source__order=order).values("reference")
    counted = (
        PaymentEventQuantity.objects.filter(event__order=order, event__reference__in=references)
        .order_by()
        .values_list("event__event_type__name", "line")
        .annotate(total=Sum("quantity"))
    )
    captured: Counter[int] = Counter()
    refunded: Counter[int] = Counter()
    for kind, line, total in counted:
        if kind in (Transaction.DEBIT, VOID):
            captured[line] += total if kind == Transaction.DEBIT else -total
        elif kind in (Transaction.REFUND, REFUND_VOID):
            refunded[line] += total if kind == Transaction.REFUND else -total
    by_amount = False
    for operation in PaymentOperation.objects.filter(order=order, kind__in=(Kind.CAPTURE, Kind.REFUND)):
        if operation.state in UNDER_WAY:
            tally = captured if operation.kind == Kind.CAPTURE else refunded
            tally.update({int(line): quantity for line, quantity in operation.lines.items()})
        elif operation.kind == Kind.CAPTURE and operation.state in ENDED_WELL and not operation.lines:
            by_amount = True
    return Quantities(captured=captured, refunded=refunded, by_amount=by_amount)
