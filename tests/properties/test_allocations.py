"""Two shoppers, a last piece, a voucher for one order and an offer with a budget, in any order of events: and the laws.

Orders are placed, declined, retried, expire, go to review, are paid late and are cancelled; api-checkout declines some
by itself. After each event stock, offers and vouchers count what the orders take that were not declined, each order
that may be shipped has all of its goods, and whatever was given to two is on staff's list.

``CYBERSOURCE_TESTS=thorough`` runs several hundred examples.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.db.models import F
from django.test import RequestFactory
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
from oscar.core.loading import get_model
from oscarapicheckout.serializers import OrderTokenField
from oscarapicheckout.utils import _set_order_payment_declined

from cybersource.models import AttentionItem, PaymentAttempt, ReleasedAllocation
from cybersource.simulator.review import Update, notification_body
from tests.properties.rows import THOROUGH, Moment
from tests.support.shop import DECLINE, Shopper, customer, post_notification, post_reply, two_cards, voucher
from tests.support.stock import Shelf, allocations_are_sound, offer

Basket = get_model("basket", "Basket")
ConditionalOffer = get_model("offer", "ConditionalOffer")
Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")
Voucher = get_model("voucher", "Voucher")

JSON: dict[str, Any] = {"content_type": "application/json"}
WHICH = st.integers(0, 9)
COUPON = st.sampled_from((True, True, False))
SHELVES = st.sampled_from(("scarce", "scarce", "scarce", "plenty", "free"))
REVIEW = {"decision": "REVIEW", "reason_code": "480"}
ANSWERS = st.sampled_from(({}, {}, DECLINE, DECLINE, REVIEW))
CARDS = st.sampled_from(({"payment": {"cybersource": {"enabled": True}}}, {"payment": two_cards("5.00")}))


class World:
    """What is the same in every example."""

    def __init__(self) -> None:
        self.scarce, self.plenty = Shelf.with_stock(1), Shelf.with_stock(50, title="Pencil")
        self.free = Shelf.with_stock(0, title="Score to download", track_stock=False)
        self.code = voucher("ONCE")
        Voucher.objects.update(usage=Voucher.SINGLE_USE)
        offer("For the first two", max_global_applications=2)
        offer("Until it has cost ten", percent="20", max_discount=Decimal(10), priority=5)
        ConditionalOffer.objects.update(exclusive=False)  # else the voucher never counts beside them
        self.user = customer()
        Shopper().payload()  # its country
        self.first_day = Moment(everything=True)


class Silent:
    def write(self, text: str) -> None:
        pass


world: World
counted: Counter[str] = Counter()


class Shop(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        world.first_day.come_back()
        self.shoppers = [self.come(False), self.come(True)]

    def come(self, known: bool) -> Shopper:
        shopper = Shopper()
        if known:
            shopper.client.force_login(world.user)
        return shopper

    @initialize(coupon=COUPON, how=CARDS)
    def the_first_order(self, coupon: bool, how: dict[str, Any]) -> None:
        self.check_out(0, "scarce", 1, coupon, how)

    @rule(which=WHICH, shelf=SHELVES, quantity=st.integers(1, 2), coupon=COUPON, how=CARDS)
    def check_out(self, which: int, shelf: str, quantity: int, coupon: bool, how: dict[str, Any]) -> None:
        """A first try or a retry, perhaps with more goods. The shop may say that they are gone: then another comes."""
        shopper = self.pick(self.shoppers, which)
        if quantity > 1 or not shopper.client.get(shopper.client.get("/api/basket/").json()["lines"]).json():
            getattr(world, shelf).fill(shopper, quantity)
        if coupon:
            shopper.client.post("/api/basket/add-voucher/", {"vouchercode": world.code}, **JSON)
        placed = shopper.client.post("/api/checkout/", shopper.payload(**how), **JSON)
        assert placed.status_code in (200, 406), placed.content
        counted[f"check-out {placed.status_code}"] += 1
        if placed.status_code == 406:
            Basket.open.filter(owner=world.user).delete()
            self.shoppers[self.shoppers.index(shopper)] = self.come(shopper is self.shoppers[1])

    @precondition(lambda self: Order.objects.filter(status="Pending").exists())
    @rule(which=WHICH, shelf=SHELVES, coupon=COUPON, how=CARDS)
    def another_gets_it_and_then_the_charge_comes(
        self, which: int, shelf: str, coupon: bool, how: dict[str, Any]
    ) -> None:
        """The card is declined, a shopper buys what there is, and the form was posted once more after all."""
        order = self.pick(list(Order.objects.filter(status="Pending").order_by("pk")), which)
        attempts = list(PaymentAttempt.objects.filter(order=order))
        for attempt in attempts:
            post_reply(self.shoppers[0].reply(attempt, **DECLINE))
        self.check_out(1, shelf, 1, coupon, how)
        for attempt in attempts:
            post_reply(self.shoppers[0].reply(attempt))

    @precondition(lambda self: Order.objects.exists())
    @rule(which=WHICH)
    def pay_without_placing_it_again(self, which: int) -> None:
        """With the link that a shop sends for an order that is not paid."""
        order = self.pick(list(Order.objects.filter(status="Payment Declined")) or list(Order.objects.all()), which)
        body = {"order": OrderTokenField.get_order_token(order), "payment": {"cybersource": {"enabled": True}}}
        posted = self.shoppers[0].client.post("/api/checkout/complete-deferred-payment/", body, **JSON)
        assert posted.status_code in (200, 406), posted.content
        counted[f"deferred {posted.status_code}"] += 1

    @precondition(lambda self: PaymentAttempt.objects.exists())
    @rule(which=WHICH, answer=ANSWERS, again=st.booleans())
    def cybersource_answers(self, which: int, answer: dict[str, str], again: bool) -> None:
        """In time, late, twice, or after an answer that said otherwise."""
        attempt = self.pick(list(PaymentAttempt.objects.order_by("-pk")), which)
        reply = self.shoppers[0].reply(attempt, **answer)
        for _each in range(1 + again):
            assert post_reply(reply).status_code in (200, 303)

    @precondition(lambda self: Transaction.objects.filter(status="REVIEW").exists())
    @rule(which=WHICH, decision=st.sampled_from(("ACCEPT", "REJECT")))
    def a_reviewer_decides(self, which: int, decision: str) -> None:
        waiting = Transaction.objects.filter(status="REVIEW").select_related("source__order").order_by("pk")
        reviewed = self.pick(list(waiting), which)
        update = Update(
            reference_number=reviewed.source.order.number,
            request_id=reviewed.reference,
            reviewer="lena.review",
            original_decision="REVIEW",
            new_decision=decision,
        )
        assert (
            post_notification(notification_body(self.shoppers[0].gateway.notification_xml([update]))).status_code == 200
        )

    @rule()
    def hours_go_by(self) -> None:
        PaymentAttempt.objects.update(date_signed=F("date_signed") - timedelta(hours=2))
        ReleasedAllocation.objects.update(date_retried=F("date_retried") - timedelta(hours=2))
        call_command("cybersource_expire_attempts", stdout=Silent())
        assert not ReleasedAllocation.objects.filter(date_retried__isnull=False, order__status="Payment Declined")

    @precondition(lambda self: Order.objects.exists())
    @rule(which=WHICH)
    def api_checkout_declines(self, which: int) -> None:
        """As when another method of the order declines; its view may have read the order a while ago."""
        order = self.pick(list(Order.objects.filter(status="Pending")) or list(Order.objects.all()), which)
        if "Payment Declined" in order.available_statuses():
            request = RequestFactory().post("/")
            request.session = self.shoppers[0].client.session
            _set_order_payment_declined(order, request)

    @precondition(lambda self: Order.objects.exists())
    @rule(which=WHICH)
    def staff_cancel(self, which: int) -> None:
        order = self.pick(list(Order.objects.order_by("pk")), which)
        if "Canceled" in order.available_statuses():
            order.set_status("Canceled")

    @staticmethod
    def pick(choices: list[Any], which: int) -> Any:
        return choices[which % len(choices)]

    @invariant()
    def the_laws_hold(self) -> None:
        allocations_are_sound()
        orders = Order.objects.prefetch_related("lines__stockrecord")
        for order in orders.filter(status__in=("Pending", "Authorized")):
            assert all(line.num_allocated == line.quantity for line in order.lines.all()), "goods are missing"
            assert not any(line.allocation_cancelled for line in order.lines.all()), "it cannot be shipped"
        listed = AttentionItem.objects.filter(kind="short", date_cleared=None)
        for shelf in (world.scarce, world.plenty):
            if shelf.allocated > shelf.record.num_in_stock:
                counted["oversold"] += 1
                assert any(shelf.product.title in missing for missing in self.missing(listed)), "nobody knows"
        if Voucher.objects.get().num_orders > 1:
            counted["voucher twice"] += 1
            assert any("ONCE" in missing for missing in self.missing(listed)), "nobody knows of the voucher"
        released = dict(self.released())
        assert set(released.values()) <= {"Payment Declined", "Canceled"}, "an open order has not taken it again"
        assert {order.pk for order in orders.filter(status="Payment Declined")} <= set(released)

    @staticmethod
    def missing(listed: Any) -> list[str]:
        return [missing for item in listed for missing in item.evidence["missing"]]

    @staticmethod
    def released() -> list[tuple[int, str]]:
        """Orders that have yet to take again what they released."""
        rows = ReleasedAllocation.objects.select_related("order").prefetch_related("order__lines")
        return [(row.order_id, row.order.status) for row in rows if row.is_about(row.order.lines.all())]


def test_what_orders_take_is_what_the_shop_counts_whatever_happens(committed_db, capsys):
    global world
    world = World()
    counted.clear()
    run_state_machine_as_test(
        Shop,
        settings=settings(
            max_examples=300 if THOROUGH else 12,
            stateful_step_count=20 if THOROUGH else 14,
            deadline=None,
            derandomize=not THOROUGH,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    if THOROUGH:
        with capsys.disabled():
            print(f"\n{dict(counted)}")
    for what in ("check-out 200", "oversold", *(("voucher twice",) if THOROUGH else ())):
        assert counted[what], counted
