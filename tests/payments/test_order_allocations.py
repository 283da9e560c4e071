"""What an order takes besides money is released when it fails, and taken again when it is paid after all."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.signals import post_save
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model
from oscarapicheckout.serializers import OrderTokenField
from oscarapicheckout.utils import _set_order_payment_declined

from cybersource import signals
from cybersource.methods import Cybersource
from cybersource.models import AttentionItem, PaymentAttempt, ReleasedAllocation
from cybersource.payments import attention_list, retry_allocations
from cybersource.simulator import cards
from tests.support.shop import DECLINE, Shopper, card, customer, post_notification, post_reply, voucher
from tests.support.stock import Shelf, allocations_are_sound, offer
from tests.support.threads import at_once, in_threads

pytestmark = pytest.mark.usefixtures("one_step")

Basket = get_model("basket", "Basket")
ConditionalOffer = get_model("offer", "ConditionalOffer")
Line = get_model("order", "Line")
Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")
Voucher = get_model("voucher", "Voucher")


@pytest.fixture
def shelf(shopper):
    """One kettle is left."""
    return Shelf.with_stock(1)


def status(order):
    order.refresh_from_db()
    return order.status


def come_back(shopper, order):
    """The browser returns from CyberSource, and finds its basket open again."""
    own = PaymentAttempt.objects.filter(order=order).latest("pk")
    shopper.client.get(f"/api/cybersource/return/{own.transaction_uuid}/")


def expire():
    PaymentAttempt.objects.update(date_signed=F("date_signed") - timedelta(hours=2))
    call_command("cybersource_expire_attempts", verbosity=0)


def test_a_declined_card_releases_the_last_piece_to_another_shopper(shopper, shelf):
    shelf.buy(shopper)
    shopper.pay(cards.DECLINED)
    assert shelf.allocated == 0
    other = Shopper()
    order = shelf.buy(other)
    other.pay()
    assert status(order) == "Authorized"
    assert shelf.allocated == 1
    allocations_are_sound()


def test_the_same_decline_twice_releases_once(shopper, shelf):
    shelf.restock(5)
    other = Shopper()
    shelf.buy(other, quantity=3)
    shelf.buy(shopper, quantity=2)
    answer = shopper.submit(card(cards.DECLINED))
    shopper.deliver(answer)
    shopper.deliver(answer)
    post_reply(shopper.reply(**DECLINE))
    assert shelf.allocated == 3
    allocations_are_sound()


def test_a_retry_of_the_last_piece_is_not_blocked_by_itself(shopper, shelf):
    order = shelf.buy(shopper)
    shopper.pay(cards.DECLINED)
    assert shopper.check_out().pk == order.pk
    assert shelf.allocated == 1
    shopper.pay()
    assert status(order) == "Authorized"
    assert shelf.allocated == 1
    allocations_are_sound()


def test_a_retry_takes_nothing_of_another_shoppers(shopper, shelf):
    shelf.restock(3)
    order = shelf.buy(shopper, quantity=2)
    shopper.pay(cards.DECLINED)
    other = Shopper()
    shelf.buy(other)
    assert shopper.check_out().pk == order.pk
    assert shelf.allocated == 3
    allocations_are_sound()


def test_what_another_bought_meanwhile_is_not_sold_twice(shopper, shelf):
    shelf.buy(shopper)
    shopper.pay(cards.DECLINED)
    other = Shopper()
    shelf.buy(other)
    refused = shopper.client.post("/api/checkout/", shopper.payload(), content_type="application/json")
    assert refused.status_code == 406
    assert shelf.allocated == 1
    allocations_are_sound()


@pytest.mark.quick
def test_a_late_charge_takes_the_goods_again_and_they_can_be_shipped(shopper, shelf):
    order = shelf.buy(shopper)
    post_reply(shopper.reply(**DECLINE))
    assert shelf.allocated == 0
    post_reply(shopper.reply())
    assert status(order) == "Authorized"
    assert shelf.allocated == 1
    assert not AttentionItem.objects.filter(kind="short").exists()
    allocations_are_sound()
    order.lines.get().consume_allocation(1)
    shelf.record.refresh_from_db()
    assert (shelf.record.num_in_stock, shelf.record.num_allocated) == (0, 0)


def test_a_late_charge_for_goods_that_are_gone_is_told_to_staff(shopper, shelf):
    order = shelf.buy(shopper)
    attempt = shopper.attempt()
    post_reply(shopper.reply(**DECLINE))
    shelf.buy(Shopper())
    post_reply(shopper.reply(attempt))
    assert status(order) == "Authorized"
    assert shelf.allocated == 2  # both are owed
    item = AttentionItem.objects.get(kind="short")
    assert item.order == order
    assert item.evidence == {"missing": [f"1 × {shelf.product.title} ({shelf.record.partner_sku})"]}
    assert attention_list.detail_in_words(item) == f"Missing: 1 × {shelf.product.title} ({shelf.record.partner_sku})"
    assert order.notes.filter(message__contains=shelf.record.partner_sku).count() == 1
    allocations_are_sound()


def test_an_expired_form_releases_what_its_order_took(shopper, shelf):
    order = shelf.buy(shopper)
    expire()  # the form was never shown, so no charge can exist
    assert status(order) == "Payment Declined"
    assert shelf.allocated == 0
    allocations_are_sound()


def test_a_rejected_review_releases_what_its_order_took(shopper, shelf):
    order = shelf.buy(shopper)
    shopper.pay(cards.REVIEW)
    assert shelf.allocated == 1
    (case,) = shopper.gateway.cases
    post_notification(shopper.gateway.decide(case.id, "REJECT", reviewer="lena.review").body)
    assert status(order) == "Payment Declined"
    assert shelf.allocated == 0
    allocations_are_sound()


@pytest.mark.parametrize("signal", ["pre_build_get_token_request", "pre_build_auth_request"])
def test_a_form_that_cannot_be_made_releases_what_its_order_took(shopper, shelf, settings, signal):
    """No attempt remains of it. A visitor whose orders are all declined at once empties no shelf."""
    settings.CYBERSOURCE_FLOW = "two-step"

    def raises(**kwargs):
        raise RuntimeError("the shop's own code")

    with connected(getattr(signals, signal), raises):
        for visitor in (shopper, Shopper(), Shopper()):
            shelf.fill(visitor)
            refused = visitor.client.post("/api/checkout/", visitor.payload(), content_type="application/json")
            assert refused.status_code == 406
            assert shelf.allocated == 0
    assert set(Order.objects.values_list("status", flat=True)) == {"Payment Declined"}
    assert Order.objects.count() == 3
    assert not PaymentAttempt.objects.exists()
    allocations_are_sound()


@contextmanager
def connected(signal, receiver):
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def test_the_order_of_another_method_is_left_as_api_checkout_leaves_it(shopper, shelf):
    order = shelf.buy(shopper)
    PaymentAttempt.objects.all().delete()
    Order.objects.get(pk=order.pk).set_status("Payment Declined")
    assert shelf.allocated == 1
    assert not ReleasedAllocation.objects.exists()


def pay_later(shopper, order):
    body = {"order": OrderTokenField.get_order_token(order), "payment": {"cybersource": {"enabled": True}}}
    return shopper.client.post("/api/checkout/complete-deferred-payment/", body, content_type="application/json")


def test_a_declined_order_that_is_paid_without_being_placed_again_takes_its_goods_again(shopper, shelf):
    order = shelf.buy(shopper)
    post_reply(shopper.reply(**DECLINE))
    assert pay_later(shopper, order).status_code == 200
    assert shelf.allocated == 1
    allocations_are_sound()
    shopper.pay()
    assert status(order) == "Authorized"
    assert shelf.allocated == 1
    allocations_are_sound()


def test_a_declined_order_whose_goods_are_gone_cannot_be_paid_without_being_placed_again(shopper, shelf):
    order = shelf.buy(shopper)
    post_reply(shopper.reply(**DECLINE))
    shelf.buy(Shopper())
    refused = pay_later(shopper, order)
    assert refused.status_code == 406
    assert shelf.product.title in refused.json()["order"][0]
    assert status(order) == "Payment Declined"
    assert shelf.allocated == 1
    allocations_are_sound()


def test_api_checkouts_own_view_begins_no_payment_for_goods_that_are_gone(shopper, shelf):
    order = shelf.buy(shopper)
    post_reply(shopper.reply(**DECLINE))
    shelf.buy(Shopper())
    request = RequestFactory().post("/")
    request.session, request.user = shopper.client.session, AnonymousUser()
    state = Cybersource().record_payment(request, Order.objects.get(pk=order.pk), "cybersource", order.total_incl_tax)
    assert state.status == "Declined"
    assert PaymentAttempt.objects.filter(order=order).count() == 1
    assert shelf.allocated == 1


# -- offers and vouchers -----------------------------------------------------------------------------------------------


def test_a_declined_order_releases_the_budget_of_a_site_offer(shopper, shelf):
    shelf.restock(9)
    made = offer("Opening", max_global_applications=1)
    shelf.buy(shopper)
    made.refresh_from_db()
    assert (made.num_applications, made.num_orders, made.is_available()) == (1, 1, False)
    post_reply(shopper.reply(**DECLINE))
    made.refresh_from_db()
    assert (made.num_applications, made.num_orders, made.total_discount) == (0, 0, Decimal(0))
    assert made.is_available()
    assert made.status == ConditionalOffer.OPEN
    post_reply(shopper.reply())
    made.refresh_from_db()
    assert (made.num_applications, made.num_orders) == (1, 1)
    assert made.total_discount > 0
    assert made.status == ConditionalOffer.CONSUMED
    allocations_are_sound()


def test_a_late_charge_brings_back_discounts_prices_and_uses_as_they_were(shopper, shelf):
    shelf.restock(9)
    offer("Opening")
    code = voucher("WELCOME")
    Voucher.objects.update(usage=Voucher.SINGLE_USE)
    shelf.fill(shopper)
    shopper.client.post("/api/basket/add-voucher/", {"vouchercode": code}, content_type="application/json")
    order = shopper.check_out()

    def rows():
        order.refresh_from_db()
        return (
            list(order.discounts.values()),
            list(order.line_prices.values()),
            list(order.voucherapplication_set.values("pk", "voucher", "user", "order", "date_created__date")),
            [list(line.discounts.values()) for line in order.lines.all()],
            list(Voucher.objects.values()),
            list(ConditionalOffer.objects.values()),
            list(Line.objects.values()),
        )

    before = rows()
    assert all(before[:4])
    post_reply(shopper.reply(**DECLINE))
    assert not any(rows()[:3])
    assert Voucher.objects.get().total_discount == 0
    post_reply(shopper.reply())
    assert status(order) == "Authorized"
    assert rows() == before
    assert not AttentionItem.objects.filter(kind="short").exists()


def test_a_voucher_that_another_used_meanwhile_is_told_to_staff(shopper, shelf):
    shelf.restock(9)
    code = voucher("ONCE")
    Voucher.objects.update(usage=Voucher.SINGLE_USE)
    orders, attempts = [], []
    for each in (shopper, Shopper()):
        shelf.fill(each)
        assert each.client.post("/api/basket/add-voucher/", {"vouchercode": code}).status_code == 200
        orders.append(each.check_out())
        attempts.append(each.attempt())
        post_reply(each.reply(**DECLINE)) if each is shopper else each.pay()
    post_reply(shopper.reply(attempts[0]))
    assert [status(order) for order in orders] == ["Authorized", "Authorized"]
    assert Voucher.objects.get().num_orders == 2
    assert AttentionItem.objects.get(kind="short").evidence == {"missing": ["voucher ONCE"]}
    allocations_are_sound()


def test_a_budget_that_others_spent_meanwhile_is_told_to_staff(shopper, shelf):
    shelf.restock(9)
    made = offer("Opening", max_global_applications=1)
    shelf.buy(shopper)
    attempt = shopper.attempt()
    post_reply(shopper.reply(**DECLINE))
    shelf.buy(Shopper())
    post_reply(shopper.reply(attempt))
    made.refresh_from_db()
    assert made.num_applications == 2
    assert AttentionItem.objects.get(kind="short").evidence == {"missing": ["offer Opening"]}
    allocations_are_sound()


@pytest.mark.parametrize("other_order", [True, False])
def test_an_offer_that_the_customer_used_up_meanwhile_is_told_to_staff(shopper, shelf, other_order):
    """The budget of one customer is counted in their orders, not in the offer."""
    shelf.restock(5)
    offer("Once for each customer", max_user_applications=1)
    rosa = customer("rosa@example.com")
    shopper.client.force_login(rosa)
    order = shelf.buy(shopper)
    late = shopper.reply()
    post_reply(shopper.reply(**DECLINE))
    if other_order:
        Basket.objects.filter(status="Open").update(status="Saved")
        elsewhere = Shopper()
        elsewhere.client.force_login(rosa)
        shelf.buy(elsewhere)
        elsewhere.pay()
    post_reply(late)
    assert status(order) == "Authorized"
    short = AttentionItem.objects.filter(kind="short")
    assert [one.evidence for one in short] == ([{"missing": ["offer Once for each customer"]}] if other_order else [])
    allocations_are_sound()


def test_what_an_order_released_is_remembered_as_long_as_it_may_be_paid(shopper, shelf):
    """A retry after months would cancel another shopper's, and a late charge would take nothing."""
    shelf.restock(5)
    other = Shopper()
    shelf.buy(other, quantity=2)
    other.pay()
    order = shelf.buy(shopper, quantity=2)
    shopper.pay(cards.DECLINED)
    ReleasedAllocation.objects.update(date_created=F("date_created") - timedelta(days=400))
    expire()
    assert ReleasedAllocation.objects.count() == 1
    assert shopper.check_out().pk == order.pk
    assert shelf.allocated == 4
    shopper.pay()
    expire()
    assert (status(order), ReleasedAllocation.objects.count(), shelf.allocated) == ("Authorized", 0, 4)
    allocations_are_sound()


@pytest.mark.parametrize(("leads_to", "age", "kept"), [((), 8, 0), ((), 6, 1), (("Authorized",), 8, 1)])
def test_what_a_cancelled_order_released_is_forgotten_once_nothing_leads_back(
    shopper, shelf, monkeypatch, leads_to, age, kept
):
    monkeypatch.setattr(Order, "pipeline", {**Order.pipeline, "Canceled": leads_to})
    order = shelf.buy(shopper)
    shopper.pay(cards.DECLINED)
    Order.objects.get(pk=order.pk).set_status("Canceled")
    ReleasedAllocation.objects.update(date_created=F("date_created") - timedelta(days=age))
    expire()
    assert ReleasedAllocation.objects.count() == kept
    allocations_are_sound()


def test_what_staff_were_told_is_over_when_the_order_is_declined_again_and_new_when_it_is_paid_again(shopper, shelf):
    order = shelf.buy(shopper)
    attempt = shopper.attempt()
    post_reply(shopper.reply(**DECLINE))
    shelf.buy(Shopper())
    post_reply(shopper.reply(attempt))
    order.refresh_from_db()
    order.pipeline["Authorized"] = (*order.pipeline["Authorized"], "Payment Declined")
    order.set_status("Payment Declined")
    assert AttentionItem.objects.get(kind="short").date_cleared
    allocations_are_sound()
    order.set_status("Pending")
    assert not AttentionItem.objects.get(kind="short").date_cleared
    allocations_are_sound()


# -- what else may have happened to the rows ---------------------------------------------------------------------------


def test_goods_without_stock_are_let_be(shopper, committed_db):
    shelf = Shelf.with_stock(0, track_stock=False)
    order = shelf.buy(shopper)
    before = order.lines.values().get()
    post_reply(shopper.reply(**DECLINE))
    assert order.lines.values().get() == before
    post_reply(shopper.reply())
    assert order.lines.values().get() == before
    assert status(order) == "Authorized"
    assert shelf.allocated == 0


def test_several_lines_of_one_stock_record(shopper, shelf):
    shelf.restock(5)
    order = shelf.buy(shopper, quantity=2)
    line = order.lines.get()
    Line.objects.filter(pk=line.pk).update(quantity=1, num_allocated=1)
    line.pk = None
    line.quantity = line.num_allocated = 1
    line.save(force_insert=True)
    post_reply(shopper.reply(**DECLINE))
    allocations_are_sound()
    assert shelf.allocated == 0
    post_reply(shopper.reply())
    assert [each.num_allocated for each in order.lines.all()] == [1, 1]
    assert shelf.allocated == 2


def test_what_was_shipped_is_not_released(shopper, shelf, settings):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    shelf.restock(9)
    order = shelf.buy(shopper, quantity=3)
    shopper.pay(cards.REVIEW)
    order.lines.get().consume_allocation(2)
    other = Shopper()
    shelf.buy(other)
    (case,) = shopper.gateway.cases
    post_notification(shopper.gateway.decide(case.id, "REJECT", reviewer="lena.review").body)
    assert status(order) == "Payment Declined"
    shelf.record.refresh_from_db()
    assert (shelf.record.num_in_stock, shelf.record.num_allocated) == (7, 1)
    allocations_are_sound()
    come_back(shopper, order)
    assert shopper.check_out().pk == order.pk  # api-checkout cancels all three
    assert shelf.allocated == 4
    allocations_are_sound()


def test_an_allocation_that_staff_cancelled_is_not_released_again(shopper, shelf):
    shelf.restock(5)
    shelf.buy(Shopper(), quantity=2)
    order = shelf.buy(shopper, quantity=2)
    line = order.lines.get()
    line.cancel_allocation(2)
    post_reply(shopper.reply(**DECLINE))
    assert shelf.allocated == 2
    come_back(shopper, order)
    assert shopper.check_out().pk == order.pk
    assert shelf.allocated == 4
    allocations_are_sound()


@pytest.mark.parametrize("gone", ["stockrecord", "product", "voucher", "offer", "line"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_money_is_recorded_whatever_was_deleted_meanwhile(shopper, shelf, gone, when):
    shelf.restock(5)
    offer("Opening")
    code = voucher("SAVE")
    shelf.fill(shopper)
    assert shopper.client.post("/api/basket/add-voucher/", {"vouchercode": code}).status_code == 200
    order = shopper.check_out()

    def delete():
        rows = {
            "stockrecord": shelf.record,
            "product": shelf.product,
            "voucher": Voucher.objects.get(),
            "offer": ConditionalOffer.objects.get(name="Opening"),
            "line": order.lines.get(),
        }
        rows[gone].delete()

    if when == "before":
        delete()
    post_reply(shopper.reply(**DECLINE))
    assert status(order) == "Payment Declined"
    if when == "after":
        delete()
    assert post_reply(shopper.reply()).status_code == 303
    assert status(order) == "Authorized"
    told = AttentionItem.objects.filter(kind="short").exists()
    assert told == ((gone in ("stockrecord", "product", "voucher")) and when == "after")


def test_a_declined_order_that_is_deleted_takes_its_record_with_it(shopper, shelf):
    order = shelf.buy(shopper)
    post_reply(shopper.reply(**DECLINE))
    order.delete()
    assert not ReleasedAllocation.objects.exists()
    assert shelf.allocated == 0


# -- retries that fail, and what api-checkout does by itself -----------------------------------------------------------


def test_a_refused_retry_keeps_nothing(shopper, shelf):
    """api-checkout refuses a retry whose voucher is spent after it froze the basket."""
    code = voucher("ONCE")
    shelf.fill(shopper)
    assert shopper.client.post("/api/basket/add-voucher/", {"vouchercode": code}).status_code == 200
    order = shopper.check_out()
    post_reply(shopper.reply(**DECLINE))
    come_back(shopper, order)
    payload = shopper.payload()
    Voucher.objects.update(end_datetime=F("start_datetime"))
    refused = shopper.client.post("/api/checkout/", payload, content_type="application/json")
    assert refused.status_code == 406
    assert shelf.allocated == 0
    allocations_are_sound()


def test_what_a_refused_retry_took_in_api_checkouts_own_view_is_released_in_the_end(shopper, shelf):
    """That view tells nobody, and leaves the basket frozen."""
    order = shelf.buy(shopper)
    post_reply(shopper.reply(**DECLINE))
    Order.objects.get(pk=order.pk).basket.freeze()
    assert shelf.allocated == 1
    allocations_are_sound()
    expire()
    assert shelf.allocated == 1  # it may be under way
    ReleasedAllocation.objects.update(date_retried=F("date_retried") - timedelta(hours=2))
    for _again in range(2):
        expire()
        assert shelf.allocated == 0
        allocations_are_sound()
    post_reply(shopper.reply())
    assert status(order) == "Authorized"
    assert shelf.allocated == 1
    allocations_are_sound()


def test_a_late_charge_between_the_freeze_and_the_retry_takes_once(shopper, shelf):
    shelf.restock(5)
    order = shelf.buy(shopper, quantity=2)
    post_reply(shopper.reply(**DECLINE))
    Order.objects.get(pk=order.pk).basket.freeze()
    assert shelf.allocated == 2
    allocations_are_sound()
    post_reply(shopper.reply())
    assert status(order) == "Authorized"
    assert shelf.allocated == 2
    allocations_are_sound()


def test_a_decline_that_api_checkout_makes_by_itself_releases_too(shopper, shelf):
    order = shelf.buy(shopper)
    request = RequestFactory().post("/")
    request.session = shopper.client.session
    _set_order_payment_declined(Order.objects.get(pk=order.pk), request)
    assert shelf.allocated == 0
    allocations_are_sound()
    post_reply(shopper.reply())
    assert status(order) == "Authorized"
    assert shelf.allocated == 1
    allocations_are_sound()


def test_a_visitor_whose_orders_are_declined_at_once_empties_no_shelf(shopper, shelf):
    """Ten orders, each declined as it is placed: the next process that comes next can buy the last piece."""
    for _each in range(10):
        visitor = Shopper()
        order = shelf.buy(visitor)
        visitor.pay(cards.DECLINED)
        assert status(order) == "Payment Declined"
    other = Shopper()
    order = shelf.buy(other)
    other.pay()
    assert status(order) == "Authorized"


# -- at the same moment ------------------------------------------------------------------------------------------------


def test_two_workers_that_hear_of_one_decline_release_once(shopper, shelf):
    shelf.restock(9)
    shelf.buy(Shopper(), quantity=3)
    order = shelf.buy(shopper, quantity=3)
    attempt = shopper.attempt()
    replies = [shopper.reply(attempt, **DECLINE) for _each in range(4)]
    codes = in_threads(lambda number: post_reply(replies[number]).status_code, 4)
    assert codes == [303] * 4
    assert status(order) == "Payment Declined"
    assert shelf.allocated == 3
    allocations_are_sound()


def test_a_decline_and_charges_at_once_leave_the_shelf_as_the_order_stands(shopper, shelf):
    shelf.restock(9)
    order = shelf.buy(shopper, quantity=2)
    attempt = shopper.attempt()
    replies = [shopper.reply(attempt, **DECLINE), shopper.reply(attempt), shopper.reply(attempt, **DECLINE)]
    in_threads(lambda number: post_reply(replies[number]).status_code, 3)
    assert status(order) == "Authorized"
    assert shelf.allocated == 2
    allocations_are_sound()


def test_declines_of_many_orders_with_the_same_goods_and_offers_at_once(committed_db):
    kettle, pencil = Shelf.with_stock(50), Shelf.with_stock(50, title="Pencil")
    offer("Opening", max_global_applications=20)
    shoppers = [Shopper() for _each in range(4)]
    replies = []
    for number, each in enumerate(shoppers):
        for shelf in (kettle, pencil) if number % 2 else (pencil, kettle):
            shelf.fill(each)
        each.check_out()
        replies.append(each.reply(**DECLINE))
    in_threads(lambda number: post_reply(replies[number]).status_code, 4)
    assert set(Order.objects.values_list("status", flat=True)) == {"Payment Declined"}
    assert (kettle.allocated, pencil.allocated) == (0, 0)
    allocations_are_sound()


@pytest.mark.parametrize("_time", range(3))
def test_a_retry_and_a_late_charge_at_once(shopper, shelf, _time):
    """api-checkout may find that the order was paid meanwhile; then nothing is taken twice."""
    shelf.restock(9)
    shelf.buy(Shopper(), quantity=2)
    order = shelf.buy(shopper, quantity=3)
    attempt = shopper.attempt()
    post_reply(shopper.reply(attempt, **DECLINE))
    come_back(shopper, order)
    payload, late = shopper.payload(), shopper.reply(attempt)
    shopper.client.raise_request_exception = False
    codes = at_once(
        lambda: shopper.client.post("/api/checkout/", payload, content_type="application/json").status_code,
        lambda: post_reply(late).status_code,
    )
    assert codes[0] in (200, 406)
    assert codes[1] == 303
    assert status(order) == "Authorized"
    assert shelf.allocated == 5
    assert sum(line.num_allocated for line in order.lines.all()) == 3
    allocations_are_sound()


# -- what it costs -----------------------------------------------------------------------------------------------------


def statements_in_transactions(work) -> int:
    """Statements while rows are locked; what Oscar's alerts ask of the database comes after that."""
    with CaptureQueriesContext(connection) as ran:
        work()
    count, inside = 0, False
    for sql in (query["sql"] for query in ran.captured_queries):
        if sql in ("BEGIN", "COMMIT", "ROLLBACK"):
            inside = sql == "BEGIN"
        elif inside and not sql.startswith(("SAVEPOINT", "RELEASE")):
            count += 1
    return count


def reject(shopper):
    (case,) = shopper.gateway.cases
    post_notification(shopper.gateway.decide(case.id, "REJECT", reviewer="lena.review").body)


@pytest.mark.parametrize("event", ["decline", "expiry", "reject", "late charge", "retry"])
def test_as_many_statements_run_while_rows_are_locked_for_one_line_as_for_thirty(committed_db, event):
    offer("Opening")
    costs = {}
    for lines in (2, 1, 30):  # the shop's first event of a kind costs more: it also names it
        shopper = Shopper()
        shopper.fill_basket(*["5.00"] * lines)
        order = shopper.check_out()
        records = StockRecord.objects.filter(line__order=order)
        if event == "reject":
            shopper.pay(cards.REVIEW)
        elif event in ("late charge", "retry"):
            post_reply(shopper.reply(**DECLINE))
            assert not records.filter(num_allocated__gt=0).exists()
        work = {
            "decline": lambda shopper=shopper: post_reply(shopper.reply(**DECLINE)),
            "expiry": expire,
            "reject": lambda shopper=shopper: reject(shopper),
            "late charge": lambda shopper=shopper: post_reply(shopper.reply()),
            "retry": lambda order=order: retry_allocations.allocate_for_retry(order.pk),
        }[event]
        costs[lines] = statements_in_transactions(work)
        allocated_now = 1 if event in ("late charge", "retry") else 0
        assert set(records.values_list("num_allocated", flat=True)) == {allocated_now}
        assert status(order) == ("Authorized" if event == "late charge" else "Payment Declined")
    assert costs[1] == costs[30], costs


def test_a_shop_hears_of_changed_stock_once_it_is_committed(shopper, shelf):
    heard = []

    def hears(sender, instance, **kwargs):
        heard.append((instance.num_allocated, StockRecord.objects.get(pk=instance.pk).num_allocated))
        heard.append(connection.in_atomic_block)
        raise RuntimeError("a shop's own mistake")

    order = shelf.buy(shopper)
    post_save.connect(hears, sender=StockRecord)
    try:
        post_reply(shopper.reply(**DECLINE))
        post_reply(shopper.reply())
    finally:
        post_save.disconnect(hears, sender=StockRecord)
    assert heard == [(0, 0), False, (1, 1), False]
    assert status(order) == "Authorized"


def test_a_shops_own_allocation_is_asked(shopper, shelf, monkeypatch):
    asked = []

    def cancels(record, quantity):
        asked.append(quantity)
        return original(record, quantity)

    original = StockRecord.cancel_allocation
    monkeypatch.setattr(StockRecord, "cancel_allocation", cancels)
    shelf.buy(shopper)
    post_reply(shopper.reply(**DECLINE))
    assert (asked, shelf.allocated) == ([1], 0)
