"""What an order takes besides money is released when it fails, and taken again when it is paid after all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db.models import F
from oscar.core.loading import get_model

from cybersource.models import AttentionItem, PaymentAttempt, ReleasedAllocation
from cybersource.simulator import cards
from tests.shop import DECLINE, Shopper, card, post_notification, post_reply, voucher
from tests.stock import Shelf, allocations_are_sound, offer

pytestmark = pytest.mark.usefixtures("one_step")

ConditionalOffer = get_model("offer", "ConditionalOffer")
Line = get_model("order", "Line")
Order = get_model("order", "Order")
Voucher = get_model("voucher", "Voucher")


@pytest.fixture
def shelf(shopper):
    """One kettle is left."""
    return Shelf.with_stock(1)


def status(order):
    order.refresh_from_db()
    return order.status


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


def test_a_form_that_cannot_be_made_releases_what_its_order_took(shopper, shelf, settings):
    shelf.fill(shopper)
    payload = shopper.payload()
    payload["billing_address"] = {**payload["billing_address"], "postcode": "9" * 20}
    for _again in range(2):
        placed = shopper.client.post("/api/checkout/", payload, content_type="application/json")
        if placed.status_code == 406:
            break
        order = Order.objects.get(number=placed.json()["number"])
        assert status(order) == "Payment Declined"
        assert not PaymentAttempt.objects.exists()
    assert shelf.allocated == 0
    allocations_are_sound()


def test_the_order_of_another_method_is_left_as_api_checkout_leaves_it(shopper, shelf):
    order = shelf.buy(shopper)
    PaymentAttempt.objects.all().delete()
    Order.objects.get(pk=order.pk).set_status("Payment Declined")
    assert shelf.allocated == 1
    assert not ReleasedAllocation.objects.exists()


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
