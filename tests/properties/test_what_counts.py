"""An order, its shopper, staff who move money, a reviewer, a currency that is switched: what counts, after every step.

One shopper pays an order by one card or by two, or with a gift card that never has enough, is declined, tries again
with the same split or another one, here or in another browser; staff capture, refund, void, reverse, give back and
cancel meanwhile, and lose answers; reviewers decide. The gateway counts what it holds and took: the shop never counts
more of it, and in the end its books are the gateway's. What a gift card has is counted by api-checkout's calculator or
by one of the shop's own.

``CYBERSOURCE_TESTS=thorough`` runs several hundred examples.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from django.contrib.auth import get_user_model
from django.test import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from oscar.core.loading import get_class, get_model
from oscarapicheckout import settings as checkout_settings
from oscarapicheckout.methods import Cash
from oscarapicheckout.serializers import OrderTokenField

from cybersource.models import AttentionItem, PaymentOperation
from cybersource.operations import money_back, rules, service
from cybersource.payments import balance as payment_balance
from cybersource.payments import calculator as payments_calculator
from cybersource.payments import expiry
from cybersource.payments.errors import InvalidOperation
from cybersource.reconciliation import run
from cybersource.simulator import Gateway, Settings, cards
from cybersource.simulator.pytest_plugin import RunningSimulator
from cybersource.simulator.rest import RestAccess
from cybersource.simulator.server import Server
from tests.properties.rows import THOROUGH, Moment
from tests.properties.test_ledger import the_shops_clock
from tests.support.shop import ONE_CARD, Shopper, card, post_notification, two_cards

BasketLine = get_model("basket", "Line")
EventHandler = get_class("order.processing", "EventHandler")
Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")

NOTHING = Decimal("0.00")
JSON: dict[str, Any] = {"content_type": "application/json"}
GIFT_ALONE = {"gift": {"enabled": True, "pay_balance": True}}
GIFT_AND_CARD = {
    "gift": {"enabled": True, "pay_balance": False, "amount": "30.00"},
    "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
}
WAYS = st.sampled_from(
    (GIFT_AND_CARD, ONE_CARD, two_cards("50.00"), two_cards("50.00"), two_cards("30.00"), GIFT_AND_CARD, GIFT_ALONE)
)
CARDS = st.sampled_from((cards.APPROVED, cards.APPROVED, cards.APPROVED, cards.DECLINED, cards.REVIEW, cards.PARTIAL))
MOVES = ("refund", "void", "capture", "reverse", "give-back")
FAULTS = st.sampled_from(("", "", "", "no-answer", "throttled"))
ACTIONS = {
    "capture": "captures",
    "refund": "refunds",
    "void": "voids",
    "reverse": "reversals",
    "give-back": "reversals",
}
WHICH = st.integers(0, 9)

first_day: Moment
counted: Counter[str] = Counter()


class GiftCard(Cash):
    """Complete at once, with no more than what is left on it."""

    code = "gift"

    def _record_payment(
        self, request: Any, order: Any, method_key: str, amount: Decimal, *rest: Any, **more: Any
    ) -> Any:
        return super()._record_payment(request, order, method_key, min(amount, Decimal("30.00")), *rest, **more)


def all_allocations(order: Any) -> Decimal:
    """A calculator of the shop's own, as blind as api-checkout's."""
    return sum((source.amount_allocated for source in order.sources.all()), NOTHING)


class Till(RuleBasedStateMachine):
    """One example: one order, at a CyberSource of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.server: Server | None = None

    @initialize(
        flow=st.sampled_from(("one-step", "sale", "sale")),
        how=WAYS,
        calculator=st.sampled_from((None, all_allocations)),
    )
    def an_order_is_placed(self, flow: str, how: dict[str, Any], calculator: Any) -> None:
        first_day.come_back()
        self.server = Server(gateway=Gateway(Settings(rest=RestAccess(slow_seconds=0.05))))
        self.server.__enter__()
        simulator = RunningSimulator(self.server)
        simulator.set_shop("http://localhost")
        self.gateway = simulator.gateway
        self.gateway.configure(duplicate_window=timedelta(0), max_ahead=timedelta(days=60))
        self.rest = simulator.gateway.rest
        self.shop = override_settings(**simulator.shop_settings, CYBERSOURCE_FLOW=flow, CYBERSOURCE_LIMITS=None)
        self.shop.enable()
        self.more = ExitStack()
        gift_card = {"method": f"{__name__}.GiftCard", "permission": "oscarapicheckout.permissions.Public"}
        methods = [*checkout_settings.API_ENABLED_PAYMENT_METHODS, gift_card]
        self.more.enter_context(patch.object(checkout_settings, "API_ENABLED_PAYMENT_METHODS", methods))
        if calculator is not None:
            self.more.enter_context(patch.object(checkout_settings, payments_calculator.CALCULATOR, calculator))
        self.is_counted_by_the_shop = calculator is not None
        self.clock = the_shops_clock(self.rest.now)
        self.clock.start()
        self.clerk = get_user_model().objects.get()
        self.browsers = [Shopper(gateway=self.gateway)]
        self.order = self.browsers[0].check_out("94.50", payment=how)
        self.status = "Pending"
        self.staff_moved = False

    # -- the shopper

    def forms(self) -> list[tuple[Shopper, str]]:
        found = []
        for browser in self.browsers:
            states = browser.client.get("/api/checkout/payment-states/").json().get("payment_method_states") or {}
            found += [(browser, key) for key, state in states.items() if state["required_action"]]
        return found

    @rule(which=WHICH, number=CARDS)
    def pay(self, which: int, number: str) -> None:
        if not (forms := self.forms()):
            return
        browser, key = forms[which % len(forms)]
        browser.deliver(browser.submit(card(number), key))
        counted[f"paid by {number[-4:]}"] += 1

    @rule(how=WAYS, currency=st.sampled_from(("USD", "USD", "USD", "JPY")))
    def check_out_again(self, how: dict[str, Any], currency: str) -> None:
        """The same browser; the basket is open again after a decline. The shop's currency may be another by now."""
        self.refresh()
        if self.order.status != "Payment Declined":
            return
        StockRecord.objects.update(price_currency=currency, price="94.00" if currency == "JPY" else "94.50")
        BasketLine.objects.update(price_currency=currency)
        browser = self.browsers[0]
        posted = browser.client.post("/api/checkout/", browser.payload(payment=how), **JSON)
        assert posted.status_code in (200, 406), posted.content
        counted[f"retried in {currency}: {posted.status_code}"] += 1

    @precondition(lambda self: len(self.browsers) < 3)
    @rule(how=WAYS)
    def pay_in_another_browser(self, how: dict[str, Any]) -> None:
        self.refresh()
        if self.order.status not in ("Pending", "Payment Declined"):
            return
        other = Shopper(gateway=self.gateway)
        body = {"order": OrderTokenField.get_order_token(self.order), "payment": how}
        if other.client.post("/api/checkout/complete-deferred-payment/", body, **JSON).status_code == 200:
            self.browsers.append(other)
            counted["in another browser"] += 1

    # -- staff, reviewers, time

    @rule(which=WHICH, first=st.integers(0, 4), fault=FAULTS, part=st.booleans())
    def staff_move_money(self, which: int, first: int, fault: str, part: bool) -> None:
        """One kind of operation or, where none of it is possible, the next."""
        payments = payment_balance.of_order(self.order)
        steps = [(payment, one) for payment in payments for one in payment.transactions]
        possible = [
            (kind, payment, one)
            for kind in (*MOVES[first:], *MOVES[:first])
            for payment, one in steps
            if (one == payment.authorization if kind == "give-back" else kind in rules.allowed(payment, one))
        ]
        if not possible:
            return
        able = [step for step in possible if step[0] == possible[0][0]]
        kind, _payment, on = able[which % len(able)]
        if fault:
            self.rest.faults.next(fault, action=ACTIONS[kind])
        asked = {"amount": Decimal("10.00")} if part and kind in ("capture", "refund") else {}
        try:
            if kind == "give-back":
                ended = money_back.cancel_or_refund(on, user=self.clerk)[-1]
            else:
                ended = getattr(service, kind)(on, user=self.clerk, **asked)
            counted[f"{kind} {ended.state}"] += 1
            self.staff_moved = True
        except InvalidOperation:
            counted[f"{kind} not begun"] += 1
        self.rest.faults.clear()

    @rule(really=st.sampled_from((*[False] * 9, True)))
    def staff_cancel(self, really: bool) -> None:
        self.refresh()
        if really and "Canceled" in self.order.available_statuses():
            EventHandler().handle_order_status_change(self.order, "Canceled")
            counted["cancelled"] += 1

    @precondition(lambda self: self.server is not None and self.gateway.cases)
    @rule(which=WHICH, decision=st.sampled_from(("ACCEPT", "ACCEPT", "REJECT")))
    def a_reviewer_decides(self, which: int, decision: str) -> None:
        open_ = list(self.gateway.cases)
        told = self.gateway.decide(open_[which % len(open_)].id, decision, reviewer="lena.review")
        assert post_notification(told.body).status_code == 200
        counted[f"reviewed {decision}"] += 1

    @rule(minutes=st.sampled_from((6, 20, 70, 400)))
    def time_passes_and_the_command_runs(self, minutes: int) -> None:
        self.rest.advance(minutes=minutes)
        run.reconcile(days=1)

    # -- the laws

    def refresh(self) -> None:
        self.order = Order.objects.get(pk=self.order.pk)

    @invariant()
    def the_laws_hold(self) -> None:
        if self.server is None:
            return
        counted["events"] += 1
        self.refresh()
        balance = payment_balance.balance(self.order)
        kept = {one.source.reference: one for one in balance.payments}
        assert balance.counts <= self.kept_there(balance.currency), "the shop counts money that the gateway has not"
        assert balance.currency == self.order.currency
        others = self.order.sources.exclude(source_type__name="Cybersource Secure Acceptance")
        if not self.is_counted_by_the_shop:
            others = others.filter(currency=balance.currency)
        gift = sum((source.amount_allocated for source in others), NOTHING)
        assert balance.covered(self.order) == balance.counts + gift
        is_covered = balance.counts + gift >= self.order.total_incl_tax
        if self.order.status == "Authorized" and self.status != "Authorized":
            assert is_covered, "paid with less than it costs"
            counted["orders paid"] += 1
            counted["paid with a gift card"] += bool(gift)
        elif self.order.status == "Authorized" and not is_covered:
            assert self.staff_moved or self.is_listed(), "paid no more, and nobody decided so"
        elif self.order.status == "Pending":
            assert not is_covered, "paid, and the order does not know"
        for reference, payment in kept.items():
            assert NOTHING <= balance.of(payment) <= payment.kept <= payment.authorized
            assert payment.net_paid + payment.held >= payment.kept
            why_not = payment.why_not(balance.currency)
            assert (why_not is None) == (balance.of(payment) == payment.authorized)
            if why_not in (payment_balance.NotCounted.SET_ASIDE, payment_balance.NotCounted.OTHER_CURRENCY):
                assert AttentionItem.objects.filter(transaction_id=reference).exists(), "set aside, and nobody is told"
        if self.order.status == "Authorized":
            surplus = balance.counts + gift - self.order.total_incl_tax
            for payment in balance.superfluous(surplus):
                item = AttentionItem.objects.filter(order=self.order, amount__isnull=False)
                assert item.exists(), f"{payment.source.reference} is not needed, and nobody is told"
        if self.order.status == "Canceled":
            for reference, payment in kept.items():
                if payment.kept and not payment.under_way:
                    assert self.is_listed(reference), "cancelled, and nobody is told what is held"
        for reference, payment in kept.items():
            if payment.voided and payment.is_sale and payment.left_to_reverse and not payment.under_way:
                assert self.is_listed(reference), "the hold of a voided sale is nobody's"
        self.status = self.order.status

    def is_listed(self, *references: str) -> bool:
        items = AttentionItem.objects.filter(order=self.order)
        return (items.filter(transaction_id__in=references) if references else items).exists()

    def kept_there(self, currency: str = "") -> Decimal:
        """What the gateway holds and took and has not given back, where that could still be captured."""
        return sum((self.left_there(one) for one in self.payments_there() if currency in ("", one.currency)), NOTHING)

    def payments_there(self) -> list[Any]:
        return [one for one in self.rest.transactions if one.kind in ("authorization", "sale") and one.amount]

    def left_there(self, one: Any) -> Decimal:
        if one.undone:
            return NOTHING
        back = ("reversal", "refund")
        gone = (each for each in self.rest.transactions if each.root == one.id and each.kind in back)
        return one.amount - sum((each.amount for each in gone if not each.undone), NOTHING)

    def teardown(self) -> None:
        if self.server is None:
            return
        try:
            self.the_books_are_the_same_in_the_end()
        finally:
            self.clock.stop()
            self.more.close()
            self.shop.disable()
            self.server.__exit__(None, None, None)

    def the_books_are_the_same_in_the_end(self) -> None:
        for _again in range(3):
            self.rest.advance(hours=26)
            run.reconcile(days=3)
            expiry.expire()
        self.the_laws_hold()
        self.what_pays_for_nothing_is_listed()
        assert not PaymentOperation.objects.filter(state__in=("queued", "sent", "unknown")).exists()
        balance = payment_balance.balance(self.order)
        here = {one.source.reference: one.kept for one in balance.payments}
        for there in self.payments_there():
            ours = here.pop(there.id)
            rejected = there.screened == "REJECT" or there.undone
            lapsing = payment_balance.Source.objects.get(reference=there.id).transactions.filter(
                status=payment_balance.LAPSING
            )
            if not rejected and not lapsing.exists():
                assert ours == self.left_there(there), there
            else:
                assert ours <= self.left_there(there) or not ours
        assert not any(here.values()), "the shop has money that the gateway never held"
        counted["examples"] += 1

    def what_pays_for_nothing_is_listed(self) -> None:
        """In the end no money is held for an order that does not go on, or beside one that is paid, unless listed."""
        balance = payment_balance.balance(self.order)
        for payment in balance.payments:
            pays = self.order.status == "Authorized" and balance.of(payment)
            rest = AttentionItem.objects.filter(order=self.order, kind="unpaid-rest", date_cleared=None)
            if payment.kept and not pays and not rest.exists():
                in_review = balance.is_in_play(payment) and payment.under_review
                assert in_review or self.is_listed(payment.source.reference), payment


def test_what_counts_is_what_is_there_whatever_happens(committed_db, capsys):
    global first_day
    Shopper().payload()  # the countries and the like that every checkout needs
    get_user_model().objects.create_user("ines", "ines@shop.example", "-", is_staff=True)
    first_day = Moment(everything=True)
    counted.clear()
    run_state_machine_as_test(
        Till,
        settings=settings(
            max_examples=200 if THOROUGH else 20,
            stateful_step_count=24 if THOROUGH else 20,
            deadline=None,
            derandomize=not THOROUGH,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    if THOROUGH:
        with capsys.disabled():
            print(f"\n{dict(sorted(counted.items()))}")
    happened = ("orders paid",)  # in the few examples of the short run
    if THOROUGH:
        happened += ("refund done", "void done", "capture done", "cancelled", "paid with a gift card")
    assert all(counted[one] for one in happened) and counted["examples"] > 5, counted
