"""The laws of the ledger: what the shop's rows say of a payment against each other, and against CyberSource's book."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models.functions import Coalesce
from oscar.core.loading import get_model

from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentOperation
from cybersource.operations import rules, search
from cybersource.payments import amounts, line_quantities
from cybersource.payments import balance as payment_balance
from cybersource.simulator.rest.services import RestCall, RestServices

Order = get_model("order", "Order")
PaymentEvent = get_model("order", "PaymentEvent")
PaymentEventQuantity = get_model("order", "PaymentEventQuantity")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

NOTHING = Decimal("0.00")
CENT = Decimal("0.01")
#: Where a lost call is taken back, by its own id.
TAKING_BACK = ("/pts/v2/voids", "/pts/v2/reversals")

A_DAY = timedelta(days=1)

UNDER_WAY = ("queued", "sent", "unknown")

#: Of an event: which way it moves which of a Source's sums.
EVENTS = {
    "Debit": ("captured", 1),
    "Void": ("captured", -1),
    "Refund": ("refunded", 1),
    "Refund void": ("refunded", -1),
    "Reversal": ("released", 1),
}


def read() -> list[payment_balance.PaymentBalance]:
    """Every payment that the shop has, the oldest first."""
    sources = list(Source.objects.select_related("source_type", "order").order_by("pk"))
    found = payment_balance.read(sources)
    return [found[source.pk] for source in sources if found[source.pk].is_ours]


# -- at any moment -----------------------------------------------------------------------------------------------------


def hold(ours: Sequence[payment_balance.PaymentBalance]) -> None:
    """What is true of the shop's rows whenever nobody is writing."""
    listed = {one.source_id: one.stands for one in search.payments()}
    for payment in ours:
        sums_are_right(payment)
        columns_are_the_sums(payment)
        assert listed[payment.source.pk] == payment.stands, "one word for how a payment stands"
        nothing_is_offered_that_would_be_refused(payment)
    for order in {payment.source.order_id: payment.source.order for payment in ours}.values():
        its = [one for one in ours if one.source.order_id == order.pk]
        lines_are_moved_once(order, its)
        events_are_the_sums(order, its)
        its_balance_is_made_of_the_same(order, its)
    what_is_cleared_needs_nobody(ours)


def sums_are_right(payment: payment_balance.PaymentBalance) -> None:
    assert NOTHING <= payment.refunded <= payment.captured <= payment.authorized
    assert payment.captured + payment.released <= payment.authorized
    assert payment.left_to_capture <= payment.held and payment.left_to_refund <= payment.net_paid
    for one in payment.captures:
        assert NOTHING <= one.refunded <= one.transaction.amount, "a capture is refunded beyond itself"


def columns_are_the_sums(payment: payment_balance.PaymentBalance) -> None:
    source = payment.source
    assert amounts.column_of(source, "amount_debited") == payment.captured
    assert amounts.column_of(source, "amount_refunded") == payment.refunded
    # A rejected hold and that of a sale that was voided can never be captured, and leave the books.
    is_out = payment.authorization.status in ("VOIDED", "REJECT")
    allocated = NOTHING if is_out else payment.authorized - payment.released
    assert amounts.column_of(source, "amount_allocated") == allocated
    for name in ("amount_debited", "amount_refunded", "amount_allocated"):
        assert getattr(source, name) == amounts.rounded(amounts.column_of(source, name)), name


def nothing_is_offered_that_would_be_refused(payment: payment_balance.PaymentBalance) -> None:
    """And nothing is refused that could be done."""
    for one in payment.transactions:
        allowed = rules.allowed(payment, one)
        for kind in rules.RULES:
            problems = rules.check(kind, payment, one, amount=rules.limit(kind, payment, one))
            assert (kind in allowed) == (not problems), (kind, one.txn_type, problems)


def lines_are_moved_once(order: Any, ours: Sequence[payment_balance.PaymentBalance]) -> None:
    """By whichever card: of no line more is captured than was ordered, or more refunded than captured."""
    moved: dict[str, Counter[int]] = {"captured": Counter(), "refunded": Counter(), "released": Counter()}
    rows = PaymentEventQuantity.objects.filter(event__order=order, event__reference__in=references(ours))
    for kind, line, quantity in rows.values_list("event__event_type__name", "line", "quantity"):
        if kind in EVENTS:
            what, sign = EVENTS[kind]
            moved[what][line] += sign * quantity
    by_amount = any(moved["refunded"].values()) and line_quantities.quantities(order).by_amount
    sales = sum(one.is_sale for one in ours)
    for line in order.lines.all():
        captured = moved["captured"][line.pk]
        # Of which lines each of two cards was nobody knows: sales by both name them all.
        assert 0 <= captured <= line.quantity * max(sales, 1)
        assert 0 <= moved["refunded"][line.pk] <= (line.quantity if by_amount else min(captured, line.quantity))


def references(ours: Sequence[payment_balance.PaymentBalance]) -> set[str]:
    """The ids of everything that was done. Events of a Source that was deleted stay, and are nobody's."""
    return {each.reference for one in ours for each in one.transactions}


def events_are_the_sums(order: Any, ours: Sequence[payment_balance.PaymentBalance]) -> None:
    sums: Counter[str] = Counter()
    count = 0
    events = PaymentEvent.objects.filter(order=order, reference__in=references(ours))
    for kind, amount in events.values_list("event_type__name", "amount"):
        if kind in EVENTS:
            what, sign = EVENTS[kind]
            sums[what] += sign * amount
            count += 1
    # Oscar's column of an event has no place for a third decimal.
    off = CENT * count if any(amounts.is_rounded(one.currency) for one in ours) else NOTHING
    for what in ("captured", "refunded", "released"):
        assert abs(sums[what] - sum(getattr(one, what) for one in ours)) <= off, what


def its_balance_is_made_of_the_same(order: Any, ours: Sequence[payment_balance.PaymentBalance]) -> None:
    """What counts for an order is read another way, and says of each payment what its own rows say."""
    balance = payment_balance.balance(order)
    assert [one.source.pk for one in balance.payments] == [one.source.pk for one in ours]
    for one, alone in zip(balance.payments, ours, strict=True):
        for name in ("kept", "captured", "refunded", "released", "held", "going_back"):
            assert getattr(one, name) == getattr(alone, name), name
    assert NOTHING <= balance.counts <= sum((one.kept for one in balance.payments), NOTHING)


def what_is_cleared_needs_nobody(ours: Sequence[payment_balance.PaymentBalance]) -> None:
    """Nobody of staff clears anything in a history: what is cleared is clear."""
    by_id = {one.source.reference: one for one in ours}
    for item in AttentionItem.objects.exclude(date_cleared=None).select_related("operation"):
        if item.operation is not None and item.kind == Attention.UNKNOWN_OPERATION:
            assert item.operation.state not in UNDER_WAY, "cleared, and nobody knows how it ended"
        elif item.operation is not None and item.kind == Attention.WAITING_OPERATION:
            assert item.operation.state != "queued", "cleared, and still waiting"
        elif item.cleared_by_operation_id and item.transaction_id in by_id:
            assert not payment_balance.left_of(by_id[item.transaction_id].source), (
                f"{item.kind} cleared, and money is left"
            )


# -- what left the shop ------------------------------------------------------------------------------------------------


def moves(calls: Sequence[RestCall]) -> Iterator[RestCall]:
    """The calls that asked for something to be done. Taking a lost call back names that call, as often as it has to."""
    for call in calls:
        asks = call.method == "POST" and call.target.startswith(("/pts/", "/risk/")) and call.idempotency_id
        if asks and call.target not in TAKING_BACK:
            yield call


def nothing_is_sent_twice(rest: RestServices) -> None:
    operations = dict(PaymentOperation.objects.values_list("idempotency_id", "state"))
    sent = Counter(call.idempotency_id for call in moves(rest.calls))
    assert max(sent.values(), default=1) == 1, "sent twice"
    for name in sent:
        assert name in operations, "sent, and nowhere written down"
    for one in rest.transactions:
        # What was refused and not heard of may be taken for never arrived: nothing was done either way.
        assert operations.get(one.idempotency_id) not in ("queued", "dropped", "not-sent"), "done, and said not to be"
    done = Counter((one.kind, one.idempotency_id) for one in rest.transactions if one.idempotency_id in operations)
    assert max(done.values(), default=1) == 1, "done twice"


def every_call_has_its_evidence(calls: Sequence[RestCall]) -> None:
    """A row of the log is committed before each call leaves."""
    rows = CyberSourceReply.objects.filter(reply_type="rest")
    assert len(calls) <= rows.count(), "a call without a row"
    asked = set(rows.values_list("transaction_uuid", flat=True))
    assert {call.idempotency_id for call in moves(calls)} <= asked, "a call without a row"


def refunds_there_are_covered(rest: RestServices) -> None:
    """CyberSource would refund more than was captured: only the shop's own books keep it from that."""
    for one in rest.transactions:
        if one.holds:
            assert refunded_there(rest, one) <= captured_there(rest, one)


def refunded_there(rest: RestServices, held: Any) -> Decimal:
    chain = rest.book.chain(held.root or held.id)
    return sum((one.amount for one in chain if one.kind == "refund" and not one.undone), NOTHING)


def captured_there(rest: RestServices, held: Any) -> Decimal:
    return NOTHING + rest.book.captured(held)


# -- the list of staff -------------------------------------------------------------------------------------------------


def what_has_no_end_is_listed(now: Any) -> None:
    """A day after it was sent, whatever is around it; of a plan the step that the others wait for."""
    rows = PaymentOperation.objects.filter(state__in=UNDER_WAY).annotate(began=Coalesce("date_sent", "date_created"))
    asked = set(
        AttentionItem.objects.filter(
            kind__in=(Attention.UNKNOWN_OPERATION, Attention.WAITING_OPERATION), date_cleared=None
        ).values_list("operation", flat=True)
    )
    for one in rows.filter(began__lte=now - A_DAY):
        earlier = rows.filter(plan=one.plan, position__lt=one.position) if one.plan else rows.none()
        assert one.pk in asked or earlier.exists(), f"{one.reference_number} {one.state}: forgotten"


# -- in the end --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class End:
    """When look-ups and automatic work have run out."""

    rest: RestServices
    merchant_id: str
    something_was_deleted: bool

    def holds(self) -> None:
        ours = read()
        self.books_are_the_same(ours)
        self.no_money_is_unheard_of(ours)
        self.every_operation_has_an_end_or_is_listed()
        self.every_call_was_one_operation()
        self.plans_end_with_what_is_left(ours)

    def books_are_the_same(self, ours: Sequence[payment_balance.PaymentBalance]) -> None:
        there = {one.id: one for one in self.rest.transactions}
        for payment in ours:
            held = there[payment.source.reference]
            assert payment.captured == captured_there(self.rest, held)
            assert payment.refunded == refunded_there(self.rest, held)
            accepted = [one for one in payment.transactions if one.txn_type == "Reversal" and one.status == "ACCEPT"]
            assert sum((one.amount for one in accepted), NOTHING) == self.rest.book.released(held)
            assert payment.held <= self.rest.book.left(held)

    def no_money_is_unheard_of(self, ours: Sequence[payment_balance.PaymentBalance]) -> None:
        """Whatever holds money there is a payment here, or on the list."""
        known = {one.source.reference for one in ours}
        listed = set(AttentionItem.objects.values_list("transaction_id", flat=True))
        for one in self.rest.transactions:
            if one.holds and not one.undone and not self.something_was_deleted:
                assert one.id in known or one.id in listed, f"{one.kind} {one.reference} is nowhere in the shop"

    def every_operation_has_an_end_or_is_listed(self) -> None:
        assert not PaymentOperation.objects.filter(state="sent").exists(), "nobody looked for it"
        waiting = list(PaymentOperation.objects.filter(state__in=("unknown", "queued")))
        doubtful = [one for one in waiting if one.state == "unknown"]
        numbers = {one.reference for one in self.rest.transactions}
        here = [one for one in doubtful if one.merchant_id == self.merchant_id and one.environment == "test"]
        # What never arrived is refused to be voided as what went to the bank is: a person decides.
        assert {one.kind for one in here} <= {"capture", "refund"}, "how it ended could be found out"
        assert not {one.reference_number for one in here} & numbers, "it is there, and was not found"
        open_ = AttentionItem.objects.filter(date_cleared=None)
        asked = set(open_.filter(kind=Attention.UNKNOWN_OPERATION).values_list("operation", flat=True))
        assert asked == {one.pk for one in doubtful}
        for one in waiting:
            if one.state == "queued" and one.merchant_id == self.merchant_id and one.environment == "test":
                assert self.waits_for_doubt(one, doubtful), f"{one.reference_number}: nothing is waited for"
        odd = {Attention.DRIFT, Attention.ORPHAN, Attention.MISFIT, Attention.UNRECORDED}
        if not self.something_was_deleted:
            assert not open_.filter(kind__in=odd).exists(), list(open_.values_list("kind", "detail"))

    @staticmethod
    def waits_for_doubt(queued: PaymentOperation, doubtful: Sequence[PaymentOperation]) -> bool:
        """A step waits for what is in doubt of its plan or of its payment; an automatic one for nothing else."""
        return any(one.source_id == queued.source_id or (one.plan and one.plan == queued.plan) for one in doubtful)

    def every_call_was_one_operation(self) -> None:
        """What was done was sent, once, and what was not sent was not done."""
        sent = {call.idempotency_id for call in moves(self.rest.calls)}
        moved = {one.idempotency_id for one in self.rest.transactions if one.amount and not one.undone}
        done = {one.idempotency_id for one in self.rest.transactions if one.idempotency_id and one.by == "REST"}
        for one in PaymentOperation.objects.filter(merchant_id=self.merchant_id):
            if one.state in ("declined", "refused"):
                assert one.idempotency_id not in moved, f"{one.reference_number} {one.state}, and it was done"
            if one.state == "done" and one.kind in ("authorize", "capture", "refund"):
                assert one.idempotency_id in sent & done, f"{one.reference_number} {one.state}, and it was not"

    def plans_end_with_what_is_left(self, ours: Sequence[payment_balance.PaymentBalance]) -> None:
        """A plan of which a part was done and another was not is on the list as long as something is left."""
        by_source = {one.source.pk: one for one in ours}
        steps: dict[str, list[PaymentOperation]] = {}
        for one in PaymentOperation.objects.exclude(plan="").order_by("position", "pk"):
            steps.setdefault(one.plan, []).append(one)
        listed = AttentionItem.objects.filter(kind=Attention.GIVEN_BACK_IN_PART, date_cleared=None)
        about = set(listed.values_list("transaction_id", flat=True))
        for plan in steps.values():
            payment = by_source.get(plan[0].source_id)
            ended = [one for one in plan if one.state not in UNDER_WAY]
            if payment is None or len(ended) < len(plan) or not any(one.state == "done" for one in plan):
                continue
            missed = [one for one in plan if one.rest_reason == "EARLIER_STEP"]
            if missed and payment_balance.left_of(payment.source):
                assert payment.source.reference in about, f"{missed[0].reference_number}: the rest is listed nowhere"
