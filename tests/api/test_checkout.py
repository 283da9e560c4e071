"""What is wrong with a card payment is said before an order exists; two posts of one checkout place one order."""

from __future__ import annotations

import hmac
import json
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oscar.core.loading import get_class, get_model
from oscarapicheckout import settings as checkout_settings
from oscarapicheckout.serializers import OrderTokenField
from oscarapicheckout.signals import pre_calculate_total

from cybersource.api.checkout import CheckoutView
from cybersource.checkout import begin as checkout_begin
from cybersource.models import AttentionItem, PaymentAttempt
from cybersource.simulator import cards
from tests.conftest import empty_tables
from tests.support.shop import Shopper, customer, post_reply, two_cards
from tests.support.threads import at_once

pytestmark = pytest.mark.real_checkout

Basket = get_model("basket", "Basket")
Country = get_model("address", "Country")
Order = get_model("order", "Order")
StockRecord = get_model("partner", "StockRecord")
OrderPlacementMixin = get_class("checkout.mixins", "OrderPlacementMixin")

STATE = "Enter your state or province, for example NY or Ontario."
ZIP = "Enter a ZIP code such as 10001 or 10001-1234."
EMAIL = "Enter an e-mail address such as name@example.com."
AMOUNT = "Card payment is not available for this amount."


def post(shopper: Shopper, url: str = "/api/checkout/", **changes):
    payload = changes if url != "/api/checkout/" else shopper.payload(**changes)
    return shopper.client.post(url, payload, content_type="application/json")


def wrong(shopper: Shopper, **typed) -> dict:
    """The shopper's billing address with mistakes."""
    return {**shopper.payload()["billing_address"], **typed}


def assert_nothing_happened(shopper: Shopper) -> None:
    assert (Order.objects.count(), PaymentAttempt.objects.count()) == (0, 0)
    assert Basket.objects.get().status == "Open"
    assert not StockRecord.objects.exclude(num_allocated=None).exclude(num_allocated=0).exists()


def canada() -> str:
    Country.objects.get_or_create(
        iso_3166_1_a2="CA", defaults={"iso_3166_1_a3": "CAN", "printable_name": "Canada", "is_shipping_country": True}
    )
    return "http://testserver/api/countries/CA/"


# -- before an order exists --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"state": "Kalifornien"}, {"billing_address": {"state": [STATE]}}),
        ({"state": ""}, {"billing_address": {"state": [STATE]}}),
        ({"postcode": "9460"}, {"billing_address": {"postcode": [ZIP]}}),
        ({"state": "?", "postcode": "?"}, {"billing_address": {"state": [STATE], "postcode": [ZIP]}}),
        (
            {"country": "CA", "state": "Ont."},
            {"billing_address": {"postcode": ["Enter a postal code such as K1A 0B1."]}},
        ),
        ({"country": "CA", "state": "California", "postcode": "k1a0b1"}, {"billing_address": {"state": [STATE]}}),
    ],
)
def test_a_billing_address_that_cybersource_refuses_is_406_with_the_field(shopper, typed, told):
    shopper.fill_basket()
    if "country" in typed:
        typed = {**typed, "country": canada()}
    refused = post(shopper, billing_address=wrong(shopper, **typed))
    assert (refused.status_code, refused.json()) == (406, told)
    assert_nothing_happened(shopper)
    shopper.check_out()
    shopper.pay()
    assert Order.objects.get().status == "Authorized"


@pytest.mark.parametrize("typed", ["Washington, D.C.", "N. Carolina", "Calif.", "us-ca"])
def test_a_state_as_people_write_it_is_taken(shopper, typed):
    shopper.fill_basket()
    assert post(shopper, billing_address=wrong(shopper, state=typed)).status_code == 200
    assert not shopper.submit().refused


@pytest.mark.parametrize("email", ["maya@localhost", '"maya"@example.com', "maya@[192.0.2.1]"])
def test_an_e_mail_address_that_cybersource_refuses_is_406_for_guests_and_customers(shopper, email):
    shopper.fill_basket()
    refused = post(shopper, guest_email=email, billing_address=wrong(shopper, state="?"))
    assert (refused.status_code, refused.json()) == (
        406,
        {"guest_email": [EMAIL], "billing_address": {"state": [STATE]}},
    )
    assert_nothing_happened(shopper)
    regular = Shopper()
    regular.client.force_login(customer(email))
    regular.fill_basket()
    refused = post(regular)
    assert (refused.status_code, list(refused.json())) == (406, ["user"])
    assert Order.objects.count() == 0


@pytest.mark.quick
def test_an_amount_that_the_currency_does_not_have_is_406_where_it_stands(shopper):
    shopper.fill_basket("64.50")
    StockRecord.objects.update(price_currency="JPY")
    Basket.lines.rel.related_model.objects.update(price_currency="JPY")
    refused = post(shopper)
    assert (refused.status_code, refused.json()) == (406, {"total": [AMOUNT]})
    StockRecord.objects.update(price=Decimal("65.00"))
    Basket.lines.rel.related_model.objects.update(price_excl_tax=Decimal("65.00"), price_incl_tax=Decimal("65.00"))
    refused = post(shopper, payment=two_cards("10.50"))
    assert refused.status_code == 406
    assert refused.json() == {"payment": {"a": {"amount": [AMOUNT]}}, "total": [AMOUNT]}
    assert_nothing_happened(shopper)
    assert post(shopper, payment=two_cards("10.00")).status_code == 200


def test_an_order_that_is_paid_otherwise_may_have_any_address(shopper, settings, monkeypatch):
    with_pay_later(monkeypatch, settings)
    shopper.fill_basket()
    paid = post(
        shopper,
        billing_address=wrong(shopper, state="?"),
        payment={"pay-later": {"enabled": True}, "cybersource": {"enabled": False}},
    )
    assert paid.status_code == 200
    assert list(shopper.states["payment_method_states"]) == ["pay-later"]


def with_pay_later(monkeypatch, settings) -> None:
    later = {"method": "oscarapicheckout.methods.PayLater", "permission": "oscarapicheckout.permissions.Public"}
    monkeypatch.setattr(
        checkout_settings, "API_ENABLED_PAYMENT_METHODS", [*settings.API_ENABLED_PAYMENT_METHODS, later]
    )


def test_a_deferred_payment_hears_of_the_orders_address_and_begins_nothing(shopper, settings, monkeypatch):
    with_pay_later(monkeypatch, settings)
    shopper.fill_basket()
    order = shopper.check_out(payment={"pay-later": {"enabled": True}}, billing_address=wrong(shopper, postcode="?"))
    token = OrderTokenField.get_order_token(order)
    url, payment = "/api/checkout/complete-deferred-payment/", {"cybersource": {"enabled": True}}
    refused = post(shopper, url, order=token, payment=payment)
    assert (refused.status_code, refused.json()) == (406, {"billing_address": {"postcode": [ZIP]}})
    assert PaymentAttempt.objects.count() == 0
    order.billing_address.postcode = "94607"
    order.billing_address.save()
    assert post(shopper, url, order=token, payment=payment).status_code == 200
    shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_a_shop_that_bills_to_the_delivery_address_is_told_of_that_and_nothing_is_kept(shopper, monkeypatch):
    def bill_to_delivery(self, user, billing_address=None, shipping_address=None, **kwargs):
        fields = [
            field.name for field in shipping_address._meta.fields if field.name not in ("id", "phone_number", "notes")
        ]
        billing = get_model("order", "BillingAddress")(**{name: getattr(shipping_address, name) for name in fields})
        billing.save()
        return billing

    monkeypatch.setattr(OrderPlacementMixin, "create_billing_address", bill_to_delivery)
    shopper.fill_basket()
    payload = shopper.payload()
    del payload["billing_address"]
    payload["shipping_address"]["state"] = "?"
    refused = shopper.client.post("/api/checkout/", payload, content_type="application/json")
    assert (refused.status_code, refused.json()) == (406, {"shipping_address": {"state": [STATE]}})
    assert_nothing_happened(shopper)
    payload["shipping_address"]["state"] = "D.C."
    assert shopper.client.post("/api/checkout/", payload, content_type="application/json").status_code == 200


def test_a_retry_that_is_refused_at_the_last_moment_keeps_no_goods_from_others(shopper, settings, monkeypatch):
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper.fill_basket("10.00", quantity=2)
    order = shopper.check_out()
    shopper.pay(cards.DECLINED)

    def bill_elsewhere(self, user, **kwargs):
        billing = get_model("order", "BillingAddress")(country=Country.objects.get(), state="?", line1="1 Sea Road")
        billing.save()
        return billing

    with monkeypatch.context() as shop:
        shop.setattr(OrderPlacementMixin, "create_billing_address", bill_elsewhere)
        for _again in range(2):
            assert post(shopper).status_code == 406
            assert not StockRecord.objects.get().num_allocated
            assert Basket.objects.get(pk=order.basket_id).status == "Open"
    assert post(shopper).status_code == 200
    assert StockRecord.objects.get().num_allocated == 2
    shopper.pay(cards.DECLINED)
    assert not StockRecord.objects.get().num_allocated


def test_a_deferred_payment_of_more_than_the_order_costs_is_406(shopper, settings, monkeypatch):
    with_pay_later(monkeypatch, settings)
    shopper.fill_basket()
    token = OrderTokenField.get_order_token(shopper.check_out(payment={"pay-later": {"enabled": True}}))
    refused = post(shopper, "/api/checkout/complete-deferred-payment/", order=token, payment=two_cards("1000.00"))
    assert (refused.status_code, PaymentAttempt.objects.count()) == (406, 0)


def test_a_deferred_payment_of_an_order_that_is_not_waiting_for_one_is_406_and_touches_no_money(
    shopper, settings, monkeypatch
):
    settings.CYBERSOURCE_FLOW = "one-step"
    with_pay_later(monkeypatch, settings)
    url, paid, cancelled = (
        "/api/checkout/complete-deferred-payment/",
        *[shopper.check_out("64.50", payment={"pay-later": {"enabled": True}}) for _order in range(2)],
    )
    cancelled.set_status("Canceled")
    token = OrderTokenField.get_order_token(paid)
    assert post(shopper, url, order=token, payment={"cybersource": {"enabled": True}}).status_code == 200
    shopper.pay()
    for order in (paid, cancelled):
        for payment in ({"cybersource": {"enabled": True}}, {"other": card(pay_balance=True)}, two_cards("5.00")):
            refused = post(shopper, url, order=OrderTokenField.get_order_token(order), payment=payment)
            assert (refused.status_code, list(refused.json())) == (406, ["order"])
    assert [attempt.state for attempt in PaymentAttempt.objects.all()] == ["authorized"]
    assert not AttentionItem.objects.exists()
    paid.refresh_from_db()
    assert paid.status == "Authorized"


def test_an_order_that_is_paid_while_it_is_placed_again_by_other_means_keeps_its_money(shopper, settings, monkeypatch):
    """A late reply comes after api-checkout has written that the order is pending, and before the new card begins."""
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("64.50")
    shopper.pay(cards.DECLINED)
    late, begin = shopper.reply(), checkout_begin.begin

    def slowly(order, *args, **kwargs):
        post_reply(late)
        return begin(order, *args, **kwargs)

    monkeypatch.setattr(checkout_begin, "begin", slowly)
    assert post(shopper, payment={"other": card(pay_balance=True)}).status_code == 200
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert shopper.state("other")["status"] == "Consumed"
    assert not AttentionItem.objects.filter(kind="kept-authorization").exists()


def test_a_payment_of_another_order_in_the_session_is_none_of_a_deferred_one(shopper, settings, monkeypatch):
    with_pay_later(monkeypatch, settings)
    later = shopper.check_out("64.50", payment={"pay-later": {"enabled": True}})
    other = shopper.check_out("64.50")
    payload = {"order": OrderTokenField.get_order_token(later), "payment": {"cybersource": {"enabled": True}}}
    assert post(shopper, "/api/checkout/complete-deferred-payment/", **payload).status_code == 200
    assert PaymentAttempt.objects.filter(order=other).count() == PaymentAttempt.objects.filter(order=later).count() == 1
    assert shopper.state()["required_action"]["order_number"] == later.number


def test_a_checkout_without_a_delivery_address_is_406(shopper):
    shopper.fill_basket()
    payload = shopper.payload()
    del payload["shipping_address"]
    refused = shopper.client.post("/api/checkout/", payload, content_type="application/json")
    assert (refused.status_code, list(refused.json())) == (406, ["shipping_address"])
    assert_nothing_happened(shopper)


@pytest.mark.parametrize("payment", [{"cybersource": "yes"}, {"cybersource": None}, {"a": ["cybersource"]}])
def test_what_is_no_payment_is_406(shopper, payment):
    shopper.fill_basket()
    assert post(shopper, payment=payment).status_code == 406
    assert_nothing_happened(shopper)


@pytest.mark.parametrize(
    "posted",
    [
        '{"4111111111111111": 1}',
        '["4111111111111111"]',
        '"4111111111111111"',
        "[]",
        "null",
        "7",
        '{"payment": []}',
        '{"payment": null}',
        '{"basket": ' + 900 * "[" + 900 * "]" + "}",
    ],
)
def test_what_is_no_checkout_is_406_whatever_it_is(shopper, posted):
    for path in ("/api/checkout/", "/api/checkout/complete-deferred-payment/"):
        assert shopper.client.post(path, posted, content_type="application/json").status_code == 406


HALF = "\ud800"
LINK = ("http://[", {":": 1}, [":"], [HALF])


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ((), (HALF, {HALF: {}})),
        (("order",), ({":": 1}, [":"])),
        (("basket",), LINK),
        (("user",), LINK),
        (("billing_address", "country"), LINK),
        (("billing_address", "line1"), ({HALF: {}}, [HALF])),
        (("payment", "a"), (HALF, {HALF: {}})),
        (("payment", "a", "method_type"), ({}, [])),
    ],
)
def test_what_no_field_reads_is_406_at_its_place(shopper, path, values):
    shopper.fill_basket()
    for value in (HALF, *values):
        for url in ("/api/checkout/", "/api/checkout/complete-deferred-payment/"):
            posted = shopper.payload(order="1:x", user="http://testserver/api/users/1/", payment=two_cards("5.00"))
            at = posted
            for name in path[:-1]:
                at = at[name]
            if path:
                at[path[-1]] = value
            refused = shopper.client.post(url, json.dumps(posted if path else value), content_type="application/json")
            assert refused.status_code == 406
            assert not path or path[0] in refused.json()
    assert_nothing_happened(shopper)


def test_a_card_in_the_query_is_not_logged_with_the_refusal(shopper, caplog):
    shopper.fill_basket()
    for query, logged in (("card_number=4111%201111%2011111111", False), ("format=json", True)):
        caplog.clear()
        payload = shopper.payload(billing_address={})
        refused = shopper.client.post(f"/api/checkout/?{query}", payload, content_type="application/json")
        assert refused.status_code == 406
        told = [repr(vars(record)) for record in caplog.records if record.name == "django.request"]
        assert told and (query in told[0]) is logged


@pytest.mark.parametrize("key", ["x" * 129, "a\0b"])
def test_orders_paid_by_a_payment_of_an_impossible_name_have_a_budget(shopper, settings, key):
    settings.CYBERSOURCE_LIMITS = {"refusals": {"shopper": "1/h"}}
    shopper.fill_basket()
    assert [post(shopper, payment={key: card(pay_balance=True)}).status_code for _try in range(2)] == [200, 429]
    assert PaymentAttempt.objects.count() == 0


@pytest.mark.parametrize(
    ("where", "field"),
    [("shipping_address", "line2"), ("billing_address", "first_name"), ("shipping_address", "phone_number")],
)
def test_a_card_number_in_any_field_is_406_that_says_so_and_is_stored_nowhere(shopper, where, field):
    shopper.fill_basket()
    typed = {**shopper.payload()[where], field: "4111 1111 1111 1111"}
    refused = post(shopper, **{where: typed})
    assert (refused.status_code, list(refused.json()), list(refused.json()[where])) == (406, [where], [field])
    assert "card number" in refused.json()[where][field][0]
    assert_nothing_happened(shopper)


# -- the amount that is asked ------------------------------------------------------------------------------------------


@pytest.fixture
def taxes():
    """A shop that calculates taxes from the delivery address, to four decimals and more."""
    rate = {"goods": Decimal(0), "delivery": Decimal(0), "charge": None}

    def calculate(sender, basket, shipping_charge, **kwargs):
        for line in basket.all_lines():
            price = line.purchase_info.price
            price.tax = price.excl_tax * rate["goods"]
        if rate["charge"] is not None:
            shipping_charge.excl_tax = rate["charge"]
        shipping_charge.tax = shipping_charge.excl_tax * rate["delivery"]

    pre_calculate_total.connect(calculate)
    yield rate
    pre_calculate_total.disconnect(calculate)


def pays_what_is_stored(shopper: Shopper, **payload) -> None:
    order = shopper.check_out(**payload)
    order.refresh_from_db()
    attempts = PaymentAttempt.objects.filter(order=order)
    assert sum(attempt.amount for attempt in attempts) == order.total_incl_tax
    for attempt in attempts.order_by("pk"):
        form = dict(shopper.form(attempt.method_key))
        assert Decimal(form["amount"]) == attempt.amount
        shopper.pay(key=attempt.method_key)
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.parametrize("payment", [{"cybersource": {"enabled": True, "pay_balance": True}}, two_cards("5.00")])
def test_a_delivery_charge_whose_tax_has_four_decimals_pays(shopper, taxes, settings, payment):
    settings.CYBERSOURCE_FLOW = "one-step"
    taxes.update(delivery=Decimal("0.08875"), charge=Decimal("5.99"))
    shopper.fill_basket("64.50")
    pays_what_is_stored(shopper, payment=payment)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prices=st.lists(st.decimals("0.01", "999.99", places=2), min_size=1, max_size=2),
    quantity=st.integers(1, 3),
    charge=st.decimals("0", "30", places=2),
    goods=st.decimals("0", "0.25", places=5),
    delivery=st.decimals("0", "0.25", places=5),
)
def test_whatever_prices_and_taxes_are_the_amount_asked_is_the_amount_stored(
    committed_db, taxes, prices, quantity, charge, goods, delivery
):
    taxes.update(goods=goods, delivery=delivery, charge=charge)
    shopper = Shopper()
    shopper.fill_basket(*map(str, prices), quantity=quantity)
    order = shopper.check_out()
    order.refresh_from_db()
    form = dict(shopper.form())
    assert Decimal(form["amount"]) == order.total_incl_tax == PaymentAttempt.objects.get().amount
    numbers = range(int(form["line_item_count"]))
    told = [
        {name: Decimal(form[f"item_{n}_{name}"]) for name in ("unit_price", "quantity", "tax_amount")} for n in numbers
    ]
    assert sum(item["unit_price"] * item["quantity"] + item["tax_amount"] for item in told) == order.total_incl_tax
    empty_tables()


# -- twice at once -----------------------------------------------------------------------------------------------------


def twins(shopper: Shopper, count: int = 2) -> list[Client]:
    """The same browser, in as many tabs."""
    tabs = [Client(REMOTE_ADDR="203.0.113.24", raise_request_exception=False) for _tab in range(count)]
    for tab in tabs:
        tab.cookies = shopper.client.cookies
    return tabs


def posted_at_once(shopper: Shopper, url: str, payload, count: int = 3) -> list[int]:
    posts = [
        lambda tab=tab: tab.post(url, payload, content_type="application/json").status_code
        for tab in twins(shopper, count)
    ]
    return sorted(at_once(*posts))


@pytest.mark.parametrize("who", ["guest", "customer"])
def test_a_checkout_posted_several_times_at_once_places_one_order_and_is_no_500(shopper, who):
    if who == "customer":
        shopper.client.force_login(customer("rosa@example.com"))
    for _again in range(3):
        shopper.fill_basket("10.00")
        before = Order.objects.count()
        statuses = posted_at_once(shopper, "/api/checkout/", shopper.payload())
        assert statuses[0] == 200 and all(status in (200, 406) for status in statuses), statuses
        order = Order.objects.latest("pk")
        assert Order.objects.count() == before + 1
        assert (order.status, order.basket.status) == ("Pending", "Frozen")
        assert PaymentAttempt.objects.filter(order=order, state="open").count() == 1
        assert shopper.state()["required_action"], "the session has the order, whichever answer was written last"
        shopper.client.cookies.clear()
        if who == "customer":
            shopper.client.force_login(order.user)


@pytest.mark.parametrize("who", ["guest", "customer"])
@pytest.mark.parametrize("overtaken", ["before it looks at the basket", "before it takes the basket", "out of tries"])
def test_a_post_that_another_one_overtook_writes_nothing_over_its_session(
    shopper, settings, monkeypatch, who, overtaken
):
    """However far it came: it read the session before the other one wrote its order there."""
    if who == "customer":
        shopper.client.force_login(customer())
    shopper.fill_basket("10.00")
    payload, statuses = shopper.payload(), []
    if overtaken == "out of tries":
        settings.CYBERSOURCE_LIMITS = {"attempts": {"order": "1/h"}}

    def overtake(*args, **kwargs):
        if not statuses:
            statuses.append(None)
            [tab] = twins(shopper, 1)
            statuses[0] = tab.post("/api/checkout/", payload, content_type="application/json").status_code

    if overtaken == "before it looks at the basket":
        get_serializer = CheckoutView.get_serializer
        monkeypatch.setattr(
            CheckoutView, "get_serializer", lambda self, **kwargs: (overtake(), get_serializer(self, **kwargs))[1]
        )
        refused = post(shopper, **payload).status_code
    else:
        pre_calculate_total.connect(overtake)
        try:
            refused = post(shopper, **payload).status_code
        finally:
            pre_calculate_total.disconnect(overtake)
    assert (statuses, refused) == ([200], 429 if overtaken == "out of tries" else 406)
    assert shopper.states["order_status"] == "Pending"
    assert shopper.state()["required_action"]
    shopper.basket = None
    shopper.pay()
    assert Order.objects.get().status == "Authorized"


def test_a_retry_posted_twice_at_once_is_one_try_of_the_same_order(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("10.00")
    shopper.pay(cards.DECLINED)
    statuses = posted_at_once(shopper, "/api/checkout/", shopper.payload())
    assert statuses[0] == 200 and all(status in (200, 406) for status in statuses), statuses
    assert Order.objects.get() == order
    assert PaymentAttempt.objects.filter(order=order, state="open").count() == 1


def test_a_deferred_payment_posted_twice_at_once_has_one_open_attempt(shopper, settings, monkeypatch):
    with_pay_later(monkeypatch, settings)
    shopper.fill_basket()
    order = shopper.check_out(payment={"pay-later": {"enabled": True}})
    payload = {"order": OrderTokenField.get_order_token(order), "payment": {"cybersource": {"enabled": True}}}
    statuses = posted_at_once(shopper, "/api/checkout/complete-deferred-payment/", payload)
    assert statuses[0] == 200 and all(status in (200, 406) for status in statuses), statuses
    assert PaymentAttempt.objects.filter(order=order, state="open").count() == 1


def test_two_browsers_of_one_customer_who_check_out_one_cart_at_once_place_one_order(shopper):
    maya = customer("maya@example.com")
    phone = Shopper(client=Client(REMOTE_ADDR="203.0.113.25"))
    for each in (shopper, phone):
        each.client.force_login(maya)
    shopper.fill_basket("10.00")
    payload = shopper.payload()
    posts = [
        lambda each=each: each.client.post("/api/checkout/", payload, content_type="application/json").status_code
        for each in (shopper, phone)
    ]
    assert sorted(at_once(*posts)) == [200, 406]
    order = Order.objects.get()
    [winner] = [each for each in (shopper, phone) if "payment_method_states" in each.states]
    loser = phone if winner is shopper else shopper
    again = loser.client.post("/api/checkout/", payload, content_type="application/json")
    assert again.status_code == 406 and "basket" in again.json(), again.content
    winner.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert PaymentAttempt.objects.values_list("order", flat=True).distinct().get() == order.pk
    assert not AttentionItem.objects.exists()


def test_a_basket_that_somebody_else_checks_out_is_406(shopper, monkeypatch):
    from cybersource.api.checkout import CheckoutSerializer

    to_be = CheckoutSerializer.order_to_be

    def slowly(self, data):
        Basket.objects.filter(pk=data["basket"].pk).update(status="Frozen")  # the other tab was quicker
        return to_be(self, data)

    shopper.fill_basket()
    monkeypatch.setattr(CheckoutSerializer, "order_to_be", slowly)
    refused = post(shopper)
    assert (refused.status_code, refused.json()) == (406, {"basket": ["This basket is being checked out already."]})
    assert (Order.objects.count(), Basket.objects.get(lines__isnull=False).status) == (0, "Frozen")


def test_a_checkout_that_api_checkout_refuses_at_the_last_moment_leaves_the_basket_open(shopper, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise ValueError("There is already an order with number 7")

    monkeypatch.setattr(OrderPlacementMixin, "create_shipping_address", refuse)
    shopper.fill_basket()
    assert post(shopper).status_code == 406
    assert_nothing_happened(shopper)


# -- budgets -----------------------------------------------------------------------------------------------------------


def card(**entry):
    return {"method_type": "cybersource", "enabled": True, "pay_balance": False, **entry}


@pytest.fixture
def limited(settings, committed_db):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "3/h"}}
    settings.CYBERSOURCE_FLOW = "one-step"


def begun() -> int:
    return PaymentAttempt.objects.count()


def test_a_method_that_is_not_enabled_begins_nothing_and_is_in_no_state(shopper, limited):
    shopper.fill_basket()
    payment = {
        "x": card(enabled=False, amount="1.00"),
        "y": card(enabled=False, pay_balance=True),
        "z": card(enabled=False),
        "cybersource": card(pay_balance=True),
    }
    assert post(shopper, payment=payment).status_code == 200
    assert (begun(), list(shopper.states["payment_method_states"])) == (1, ["cybersource"])
    assert PaymentAttempt.objects.get().amount == Order.objects.get().total_incl_tax


def test_each_attempt_has_a_place_of_its_own(shopper, limited):
    shopper.fill_basket("10.00")
    assert post(shopper, payment=two_cards("5.00")).status_code == 200
    for basket, status in (("one place is left", 429), ("and it is free", 200)):
        other = Shopper(client=shopper.client)
        other.fill_basket("10.00")
        payment = two_cards("5.00") if status == 429 else {"cybersource": card(pay_balance=True)}
        assert post(other, payment=payment).status_code == status, basket
    assert begun() == 3


@pytest.mark.parametrize("by", ["shopper", "order"])
def test_a_card_that_paid_its_part_needs_no_place_again(shopper, limited, settings, by):
    settings.CYBERSOURCE_LIMITS = {"attempts": {by: "3/h"}}
    order = shopper.check_out("64.50", payment=two_cards("50.00"))
    shopper.pay(key="a")
    shopper.pay(cards.DECLINED, key="b")
    assert post(shopper, payment=two_cards("50.00")).status_code == 200
    assert begun() == 3
    shopper.pay(cards.DECLINED, key="b")
    assert post(shopper, payment=two_cards("50.00")).status_code == 429
    order.refresh_from_db()
    assert (order.status, order.basket.status) == ("Payment Declined", "Open")


@pytest.fixture
def plain_views(settings):
    settings.ROOT_URLCONF = "tests.api.urls_of_api_checkout"


def test_in_api_checkouts_own_views_a_spent_budget_strands_no_order(shopper, limited, plain_views):
    shopper.fill_basket("10.00", quantity=2)
    assert post(shopper, payment=two_cards("5.00")).status_code == 200
    other = Shopper(client=shopper.client)
    other.fill_basket("10.00")
    assert post(other, payment=two_cards("5.00")).status_code == 429
    order = Order.objects.latest("pk")
    assert (order.status, order.basket.status) == ("Payment Declined", "Open")
    assert not order.lines.get().stockrecord.num_allocated


@pytest.mark.parametrize("views", ["ours", "api-checkout's"])
def test_an_attempt_whose_beginning_crashes_keeps_no_place(shopper, limited, settings, views):
    """A receiver of the shop's own raises while the attempt is written."""
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "1/h"}}
    if views != "ours":
        settings.ROOT_URLCONF = "tests.api.urls_of_api_checkout"

    def crash(**kwargs):
        raise RuntimeError("a receiver's")

    shopper.fill_basket("10.00")
    pre_save.connect(crash, sender=PaymentAttempt)
    try:
        with pytest.raises(RuntimeError, match="a receiver's"):
            post(shopper)
    finally:
        pre_save.disconnect(crash, sender=PaymentAttempt)
    assert begun() == 0
    assert post(shopper).status_code == 200
    shopper.fill_basket("10.00")
    assert post(shopper).status_code == 429
    assert begun() == 1


# -- the key and the signature -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["two-step", "one-step", "token-then-server"])
@pytest.mark.parametrize("number", [1, 2])
def test_the_key_is_chosen_once_a_request_and_signs_once_for_each_form_that_is_shown(
    shopper, settings, monkeypatch, flow, number
):
    """The checkout chooses a key and signs nothing; the page that shows the forms signs each of them once."""
    settings.CYBERSOURCE_FLOW = flow
    signed = []
    digest = hmac.digest

    def counted(key, *args):
        signed.extend([key] if key == settings.CYBERSOURCE_SECRET.encode() else [])
        return digest(key, *args)

    def cost(ask) -> tuple[int, int]:
        signed.clear()
        with CaptureQueriesContext(connection) as ran:
            assert ask().status_code == 200
        chosen = [query for query in ran if 'FROM "cybersource_secureacceptanceprofile"' in query["sql"]]
        return len(chosen), len(signed)

    monkeypatch.setattr(hmac, "digest", counted)
    shopper.fill_basket("64.50")
    payment = two_cards("5.00") if number == 2 else {"cybersource": card(pay_balance=True)}
    assert cost(lambda: post(shopper, payment=payment)) == (1, 0)
    assert cost(lambda: shopper.client.get("/api/checkout/payment-states/")) == (number, number)


@pytest.mark.parametrize(("cards", "most", "status"), [(5, None, 200), (6, None, 406), (2, 1, 406), (2, 2, 200)])
def test_an_order_has_so_many_cards_at_most_enabled_or_not(shopper, settings, cards, most, status):
    settings.CYBERSOURCE_MAX_PAYMENT_METHODS = most
    for enabled in (True, False):
        shopper.fill_basket("100.00")
        rest = {f"card{n}": card(enabled=enabled, amount="1.00") for n in range(cards - 1)}
        answer = post(shopper, payment={**rest, "cybersource": card(pay_balance=True)})
        assert answer.status_code == status
        if status == 406:
            assert list(answer.json()) == ["payment"]
            assert begun() == 0


def test_api_checkouts_own_limit_still_applies(shopper, monkeypatch):
    monkeypatch.setattr(checkout_settings, "API_MAX_PAYMENT_METHODS", 1)
    shopper.fill_basket("100.00")
    assert post(shopper, payment=two_cards("5.00")).status_code == 406
    assert begun() == 0


def test_forty_kilobytes_of_payment_methods_cost_no_more_than_one(shopper):
    shopper.fill_basket("100.00")
    shopper.check_out()  # what is asked once is asked
    costs = []
    for number in (0, 4, 500):
        shopper.fill_basket("100.00")
        rest = {f"k{n}": card(enabled=n % 2 == 0, amount="0.01") for n in range(number)}
        payload = shopper.payload(payment={**rest, "cybersource": card(pay_balance=True)})
        with CaptureQueriesContext(connection) as ran:
            answer = shopper.client.post("/api/checkout/", payload, content_type="application/json")
        costs.append(len(ran))
        assert answer.status_code == (406 if number > 4 else 200)
    one, five, many = costs
    assert many < one
    assert five < one + 4 * 25


def test_an_order_placed_for_nothing_counts_against_a_budget_of_its_own(shopper, settings):
    from cybersource.signals import pre_build_get_token_request

    def careless(**kwargs):
        raise RuntimeError

    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "1/h"}, "refusals": {"shopper": "2/h"}}
    pre_build_get_token_request.connect(careless)
    try:
        shopper.fill_basket()
        for _address in range(4):
            assert post(shopper, billing_address=wrong(shopper, state="?")).status_code == 406
        assert Order.objects.count() == 0
        assert [post(shopper).status_code for _order in range(3)] == [406, 406, 429]
        assert Order.objects.get().status == "Payment Declined"
    finally:
        pre_build_get_token_request.disconnect(careless)
