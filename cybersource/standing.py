"""How a payment stands: what is held, taken and given back of it, read from Oscar's rows and changing none.

A payment is one ``Source``: the authorization that made it, its captures, and their refunds. What an operation that is
under way is about counts as moved, so nothing is asked for twice while nobody knows how the first call ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Sum
from oscar.core.loading import get_model

from .conf import conf
from .models import UNDER_WAY, OperationState, PaymentOperation

PaymentEventQuantity = get_model("order", "PaymentEventQuantity")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

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

ENDED_WELL = (OperationState.DONE, OperationState.LAPSING)


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
    def under_way(self) -> tuple[PaymentOperation, ...]:
        return tuple(one for one in self.operations if one.state in UNDER_WAY)

    def amount_under_way(self, *kinds: str) -> Decimal:
        return sum((one.amount for one in self.under_way if one.kind in kinds), NOTHING)

    @property
    def held(self) -> Decimal:
        """What is authorized and neither captured nor given back."""
        return max(self.authorized - self.captured - self.released, NOTHING)

    @property
    def left_to_capture(self) -> Decimal:
        if self.has_ended:
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
        return any(one.transaction.reference == self.source.reference for one in self.captures)

    def capture(self, transaction: Any) -> Taken | None:
        return next((one for one in self.captures if one.transaction.pk == transaction.pk), None)

    def standing(self, transaction: Any) -> Standing:
        """How one Transaction of this payment stands."""
        if not self.is_ours:
            return Standing.FOREIGN
        if transaction.status == FAILED:
            return Standing.FAILED
        if taken := self.capture(transaction):
            return taken.standing
        if transaction.txn_type == Transaction.REFUND:
            return Standing.VOIDED if transaction.status == VOIDED else Standing.GIVEN
        if self.authorization is None or transaction.pk != self.authorization.pk:
            return Standing.FOREIGN
        if transaction.status == REVERSED or (not self.held and self.released):
            return Standing.RELEASED
        if transaction.status == Transaction.REVIEW:
            return Standing.UNDER_REVIEW
        if transaction.status == REJECT:
            return Standing.REJECTED
        if not self.captured:
            return Standing.HELD
        return Standing.PART_CAPTURED if self.held else Standing.CAPTURED

    @property
    def version(self) -> str:
        """Changes with every step of the payment: whoever acts on a page can say which state he saw.

        A reviewer's decision is a step that makes neither a Transaction nor, unless it was made here, an operation.
        """
        operations = f"{self.operations[-1].pk}.{self.operations[-1].state}" if self.operations else "0"
        stands = f"-{self.standing(self.authorization).name.lower()}" if self.authorization else ""
        return f"{self.transactions[-1].pk if self.transactions else 0}-{operations}{stands}"


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
    for found in Transaction.objects.filter(source__in=keys).select_related("token").order_by("pk"):
        transactions[found.source_id].append(found)
    operations: dict[int, list[PaymentOperation]] = {key: [] for key in keys}
    for operation in PaymentOperation.objects.filter(source__in=keys).order_by("pk"):
        operations[operation.source_id].append(operation)
    return {source.pk: payment(source, transactions[source.pk], operations[source.pk]) for source in sources}


def without(payment_: Payment, leave_out: Callable[[PaymentOperation], bool]) -> Payment:
    """The same payment as if these operations had not been asked."""
    left = [one for one in payment_.operations if not leave_out(one)]
    return payment(payment_.source, payment_.transactions, left)


def payment(source: Any, transactions: Iterable[Any], operations: Iterable[PaymentOperation]) -> Payment:
    transactions, operations = tuple(transactions), tuple(operations)
    of_kind: dict[str, list[Any]] = {}
    failed, is_ours = [], source.source_type.name == conf.source_type
    for one in transactions:
        one.source = source
        is_ours = is_ours or one.log_id is not None
        if one.status == FAILED:
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
    )


@dataclass(frozen=True, kw_only=True)
class Quantities:
    """How many of each line were captured and refunded by one payment, and how many are about to be."""

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
        captured = line.quantity if self.by_amount else self.captured[line.pk]
        return max(captured - self.refunded[line.pk], 0)


def lines_taken(order: Any, capture: Any) -> dict[int, int]:
    """How many of each line a capture was recorded for; empty where it was by amount."""
    rows = PaymentEventQuantity.objects.filter(
        event__order=order, event__reference=capture.reference, event__event_type__name=capture.txn_type
    )
    return dict(rows.order_by().values_list("line").annotate(total=Sum("quantity")))


def quantities(payment: Payment, order: Any) -> Quantities:
    """Count by the order's payment events, in one statement whatever the number of lines and events."""
    references = {one.transaction.reference for one in payment.captures} | {one.reference for one in payment.refunds}
    references |= {one.request_id or one.reference_number for one in payment.operations if one.kind == Kind.VOID}
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
    for operation in payment.under_way:
        tally = {Kind.CAPTURE: captured, Kind.REFUND: refunded}.get(Kind(operation.kind))
        if tally is not None:
            tally.update({int(line): quantity for line, quantity in operation.lines.items()})
    by_amount = any(
        one.kind == Kind.CAPTURE and one.state in ENDED_WELL and not one.lines for one in payment.operations
    )
    return Quantities(captured=captured, refunded=refunded, by_amount=by_amount)
