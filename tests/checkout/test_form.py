"""The form: what it says, and that CyberSource accepts it whatever a shop or a shopper typed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from functools import partial
from uuid import UUID

import django
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from oscar.core.loading import get_model

from cybersource import signals
from cybersource.checkout import forms
from cybersource.models import AttemptState, PaymentAttempt, SecureAcceptanceProfile
from cybersource.payments import attempts
from cybersource.simulator import cards
from tests.support.shop import Shopper, card, customer, cybersource, post_reply, voucher

pytestmark = pytest.mark.real_checkout

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")


@pytest.fixture
def receiver():
    held = []

    def connect(signal, function):
        signal.connect(function, weak=False)
        held.append((signal, function))

    yield connect
    for signal, function in held:
        signal.disconnect(function)


def accepted(answer):
    assert dict(answer.reply)["decision"] == "ACCEPT", dict(answer.reply).get("invalid_fields")
    return dict(answer.reply)


def test_the_form_says_what_the_order_says(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper.fill_basket("64.50", title="Enamel kettle", quantity=2)
    order = shopper.check_out(shipping_method_code="express")
    action = shopper.state()["required_action"]
    assert (action["type"], action["method"], action["name"]) == ("form", "POST", "authorize")
    assert action["url"] == settings.CYBERSOURCE_ENDPOINT_PAY
    form = dict(shopper.form())
    attempt = shopper.attempt()
    expected = {
        "access_key": settings.CYBERSOURCE_ACCESS,
        "profile_id": settings.CYBERSOURCE_PROFILE,
        "transaction_uuid": attempt.transaction_uuid,
        "locale": "en-us",
        "transaction_type": "authorization,create_payment_token",
        "reference_number": order.number,
        "amount": "141.00",
        "currency": "USD",
        "payment_method": "card",
        "bill_to_forename": "Maya",
        "bill_to_surname": "Okafor",
        "bill_to_email": "maya@example.com",
        "bill_to_address_line1": "12 Harbour Street",
        "bill_to_address_city": "Oakland",
        "bill_to_address_state": "CA",
        "bill_to_address_postal_code": "94607",
        "bill_to_address_country": "US",
        "ship_to_forename": "Maya",
        "ship_to_address_line1": "12 Harbour Street",
        "ship_to_phone": "14155550123",
        "shipping_method": "twoday",
        "customer_ip_address": "203.0.113.24",
        "line_item_count": "2",
        "item_0_name": "Enamel kettle",
        "item_0_quantity": "2",
        "item_0_unit_price": "64.50",
        "item_0_tax_amount": "0.00",
        "item_1_code": "shipping_only",
        "item_1_unit_price": "12.00",
    }
    assert {name: form.get(name) for name in expected} == expected
    assert form["item_0_sku"] == order.lines.get().partner_sku


def test_what_the_shopper_types_is_editable_blank_and_never_signed(shopper):
    shopper.check_out()
    fields = shopper.state()["required_action"]["fields"]
    editable = {field["key"]: field["value"] for field in fields if field["editable"]}
    assert editable == dict.fromkeys(["card_type", "card_number", "card_expiry_date", "card_cvn", "bill_to_phone"], "")
    form = dict(shopper.form())
    assert not set(form["signed_field_names"].split(",")) & set(editable)
    assert set(form["unsigned_field_names"].split(",")) == set(editable)
    assert set(form) == {*form["signed_field_names"].split(","), *editable, "signature"}


def test_an_order_without_a_billing_address_asks_the_shopper_for_it(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    payload = shopper.fill_basket() or shopper.payload()
    del payload["billing_address"]
    placed = shopper.client.post("/api/checkout/", payload, content_type="application/json")
    order = Order.objects.get(number=placed.json()["number"])
    Order.objects.filter(pk=order.pk).update(billing_address=None)
    editable = {f["key"]: f["value"] for f in shopper.state()["required_action"]["fields"] if f["editable"]}
    assert editable["bill_to_email"] == "maya@example.com"
    assert {"bill_to_forename", "bill_to_address_line1", "bill_to_address_country"} <= set(editable)
    typed = {
        "bill_to_forename": "Maya",
        "bill_to_surname": "Okafor",
        "bill_to_address_line1": "12 Harbour Street",
        "bill_to_address_city": "Oakland",
        "bill_to_address_state": "CA",
        "bill_to_address_postal_code": "94607",
        "bill_to_address_country": "US",
        "bill_to_email": "maya@example.com",
    }
    accepted(shopper.submit(card(**typed)))


@pytest.mark.parametrize(
    "title",
    [
        "x" * 255,
        "Kettle 🫖 & cups <b>bold</b> [new] | {x} \\ `y`",
        "Tee,decision=ACCEPT,req_amount=0.01",
        "日本の急須 und Öl",
        "\u202e\u200b\x07🫖",
    ],
)
@pytest.mark.parametrize("flow", ["two-step", "sale"])
def test_any_title_gives_a_form_that_cybersource_accepts(shopper, settings, title, flow):
    settings.CYBERSOURCE_FLOW = flow
    shopper.fill_basket("64.50", title=title.replace("\x07", ""))
    shopper.check_out()
    accepted(shopper.submit())


@pytest.mark.parametrize(
    "typed",
    [
        {"first_name": "Maya 🌺", "last_name": "O'Kafor-Łuczak"},
        {"first_name": "🌺", "last_name": "🌺"},
        {"first_name": "Bob,decision=ACCEPT,req_amount=0.01", "line1": "Flat 2, Block=B"},
        {"line1": "x" * 200, "line2": "y" * 200, "line4": "z" * 100},
        {"postcode": "94607-1234"},
    ],
)
def test_any_name_and_address_gives_a_form_that_cybersource_accepts(shopper, typed):
    shopper.fill_basket()
    payload = shopper.payload()
    address = {**payload["billing_address"], **typed}
    shopper.check_out(billing_address=address, shipping_address={**address, "phone_number": "+14155550123"})
    told = accepted(shopper.submit())
    shopper.deliver(shopper.submit())
    assert "decision=ACCEPT" not in "".join(value for name, value in told.items() if name.startswith("req_bill_to"))


def test_more_lines_than_cybersource_takes_are_folded(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("64.50")
    line = order.lines.get()
    for number in range(220):
        line.pk = None
        line.partner_sku = f"SKU-{number}"
        line.save(force_insert=True)
    order.total_incl_tax = order.total_excl_tax = Decimal("64.50") * 221 + Decimal("5.00")
    order.save()
    PaymentAttempt.objects.update(amount=order.total_incl_tax)
    assert int(dict(shopper.form())["line_item_count"]) <= 200
    accepted(shopper.submit())


def test_a_discounted_line_whose_unit_price_does_not_divide_is_sent_whole(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper.fill_basket("3.33", quantity=3)
    assert shopper.client.post("/api/basket/add-voucher/", {"vouchercode": voucher("SAVE")}).status_code == 200
    order = shopper.check_out()
    assert order.total_discount_incl_tax > 0
    accepted(shopper.submit())


def test_the_form_is_the_same_when_it_is_read_again(shopper):
    shopper.check_out()
    assert shopper.form() == shopper.form()


def test_an_old_form_is_signed_anew_for_the_same_attempt(shopper):
    shopper.check_out()
    before = dict(shopper.form())
    stale = timezone.now() - timedelta(minutes=40)
    PaymentAttempt.objects.update(date_signed=stale)
    after = dict(shopper.form())
    assert after["transaction_uuid"] == before["transaction_uuid"]
    assert after["signed_date_time"] > f"{stale:%Y-%m-%dT%H:%M:%SZ}"
    accepted(shopper.submit())


def test_the_shops_own_fields_are_signed_in_both_steps(shopper, receiver):
    def add(extra_fields, order, method_key, request, channel, **kwargs):
        assert (method_key, channel) == ("cybersource", "secure-acceptance")
        extra_fields["merchant_defined_data1"] = f"order {order.number}"
        extra_fields["merchant_defined_data2"] = "gift, note=hello 🎁"

    receiver(signals.pre_build_get_token_request, add)
    receiver(signals.pre_build_auth_request, lambda extra_fields, **kwargs: extra_fields.update(auth_indicator="1"))
    order = shopper.check_out()
    form = dict(shopper.form())
    assert form["merchant_defined_data1"] == f"order {order.number}"
    assert "merchant_defined_data2" in form["signed_field_names"].split(",")
    shopper.deliver(shopper.submit())
    assert dict(shopper.form())["auth_indicator"] == "1"
    accepted(shopper.submit())


def careless(extra_fields, **kwargs):
    extra_fields["merchant_defined_data1"] = {"a": 1}["b"]


def test_a_company_that_a_receiver_knows_is_signed(shopper, receiver):
    receiver(
        signals.pre_build_get_token_request,
        lambda extra_fields, **kwargs: extra_fields.update(bill_to_company_name="Okafor & Daughters"),
    )
    shopper.check_out()
    assert dict(shopper.form())["bill_to_company_name"] == "Okafor & Daughters"
    accepted(shopper.submit())


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("gift", "gift"),
        (_("Credit Card"), "Credit Card"),
        (7, "7"),
        (Level.HIGH, "3"),
        (Decimal("1E+3"), "1000"),
        (0.5, "0.5"),
        (True, "true"),
        (False, "false"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("gift\0\ud800s", "gifts"),
        (None, None),
        ("", None),
    ],
)
def test_a_receiver_gives_text_numbers_and_truth_and_nothing_is_left_out(shopper, receiver, given, told):
    receiver(signals.pre_build_get_token_request, lambda extra_fields, **kwargs: extra_fields.update(consumer_id=given))
    shopper.check_out()
    assert dict(shopper.form()).get("consumer_id") == told
    accepted(shopper.submit())


@pytest.mark.parametrize("signal", [signals.pre_build_get_token_request, signals.pre_build_auth_request])
@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        (careless, "test_form.careless"),
        (lambda extra_fields, **kwargs: extra_fields.update(amount="0.01"), "amount"),
        (lambda extra_fields, **kwargs: extra_fields.update(Amount="1"), "small letters"),
        (lambda extra_fields, **kwargs: extra_fields.update(skip_decision_manager="perhaps"), "skip_decision_manager"),
        (lambda extra_fields, **kwargs: extra_fields.update(consumer_id=["7"]), "list"),
        (lambda extra_fields, **kwargs: extra_fields.update(consumer_id=float("nan")), "float"),
        (lambda extra_fields, **kwargs: extra_fields.update(consumer_id=b"7"), "bytes"),
        (lambda extra_fields, **kwargs: extra_fields.update({7: "x"}), "no text"),
        (lambda order, **kwargs: Order.objects.create(number=order.number), "raised IntegrityError"),
        (partial(careless), "test_form.careless"),
    ],
)
def test_a_receivers_mistake_declines_the_order_and_names_the_receiver(
    shopper, receiver, caplog, signal, mistake, named
):
    innocent = []
    receiver(signal, lambda extra_fields, **kwargs: innocent.append(extra_fields.update(merchant_defined_data9="9")))
    receiver(signal, mistake)
    shopper.fill_basket()
    told = shopper.client.post("/api/checkout/", shopper.payload(), content_type="application/json")
    unavailable = {"payment": {"cybersource": {"non_field_errors": ["Card payment is not available at the moment."]}}}
    assert (told.status_code, told.json(), len(innocent)) == (406, unavailable, 1)
    order = Order.objects.get()
    assert (order.status, order.basket.status) == ("Payment Declined", "Open")
    assert shopper.state()["status"] == "Declined"
    assert PaymentAttempt.objects.count() == 0
    assert len(order.notes.all()) == 1
    for said in (order.notes.get().message, caplog.text):
        assert named in said and signal.name in said and "tests.checkout.test_form." in said
    assert signal.disconnect(mistake)
    shopper.check_out()
    shopper.pay()
    order.refresh_from_db()
    assert (order.status, Order.objects.count()) == ("Authorized", 1)


@pytest.mark.skipif(django.VERSION < (5, 0), reason="Django 4.2 has no asynchronous receivers")
def test_a_receiver_that_waits_is_asked_too(shopper, receiver):
    async def later(extra_fields, **kwargs):
        extra_fields["consumer_id"] = "later"

    receiver(signals.pre_build_get_token_request, later)
    shopper.check_out()
    assert dict(shopper.form())["consumer_id"] == "later"


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "told"),
    [
        ("203.0.113.24", None, [], "203.0.113.24"),
        ("203.0.113.24", "198.51.100.7", [], "203.0.113.24"),
        ("10.0.0.5", "198.51.100.7", ["10.0.0.0/8"], "198.51.100.7"),
        ("10.0.0.5", "1.2.3.4, 198.51.100.7, 10.0.0.9", ["10.0.0.0/8"], "198.51.100.7"),
        ("10.0.0.5", "[2001:db8::7]:443", ["10.0.0.0/8"], "2001:db8::7"),
        ("2001:db8::7", None, [], "2001:db8::7"),
        ("::ffff:203.0.113.24", None, [], "203.0.113.24"),
        ("10.0.0.5", "nonsense", ["10.0.0.5"], "10.0.0.5"),
        ("", None, [], None),
    ],
)
def test_the_shoppers_address_is_believed_only_from_trusted_proxies(
    committed_db, settings, remote, forwarded, trusted, told
):
    settings.CYBERSOURCE_TRUSTED_PROXIES = trusted
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    shopper = Shopper(client=Client(REMOTE_ADDR=remote, **headers))
    shopper.check_out()
    assert dict(shopper.form()).get("customer_ip_address") == told
    accepted(shopper.submit())


@pytest.mark.parametrize(
    ("currency", "total", "sent"), [("JPY", "1200.00", "1200"), ("USD", "12.30", "12.30"), ("KWD", "12.30", "12.300")]
)
def test_amounts_follow_the_currencys_own_exponent(shopper, currency, total, sent):
    order = shopper.check_out()
    order.lines.update(line_price_incl_tax=total, line_price_excl_tax=total)
    Order.objects.filter(pk=order.pk).update(
        currency=currency, total_incl_tax=total, total_excl_tax=total, shipping_incl_tax=0, shipping_excl_tax=0
    )
    PaymentAttempt.objects.update(currency=currency, amount=total)
    assert dict(shopper.form())["amount"] == sent
    assert dict(shopper.form())["item_0_unit_price"] == sent
    shopper.deliver(shopper.submit())
    shopper.deliver(shopper.submit())
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_an_amount_the_currency_does_not_have_is_declined_at_checkout_and_explained_to_staff(shopper, settings):
    order = shopper.check_out("64.50")
    order.currency = "JPY"
    from cybersource.checkout.states import AttemptStatus
    from cybersource.methods import Cybersource

    request = shopper.client.get("/api/basket/").wsgi_request
    state = Cybersource().record_payment(request, order, "cybersource", amount=Decimal("10.50"))
    assert not isinstance(state, AttemptStatus)
    assert state.status == "Declined"
    assert [note.message for note in order.notes.all()] == [
        "The card form could not be made: The amount has more decimals than its currency."
    ]


def test_a_shop_without_a_key_says_so_before_an_order_is_placed(shopper, settings, caplog):
    settings.CYBERSOURCE_SECRET = ""
    shopper.fill_basket()
    refused = shopper.client.post("/api/checkout/", shopper.payload(), content_type="application/json")
    assert refused.status_code == 406
    assert "not available" in refused.content.decode()
    assert "CYBERSOURCE_SECRET" in caplog.text
    assert Order.objects.count() == 0


def test_the_newest_active_key_of_the_host_signs_and_every_live_key_verifies(shopper, settings):
    keys = {"access_key": "b" * 32, "secret_key": "throwaway-b", "profile_id": settings.CYBERSOURCE_PROFILE}
    SecureAcceptanceProfile.objects.create(hostname="other.example", **{**keys, "access_key": "c" * 32})
    SecureAcceptanceProfile.objects.create(hostname="", is_default=True, **{**keys, "access_key": "d" * 32})
    assert dict_of_new_form(shopper)["access_key"] == "d" * 32
    SecureAcceptanceProfile.objects.create(hostname="testserver", **keys)
    shopper.gateway = cybersource(
        access_key=keys["access_key"],
        secret_key=keys["secret_key"],
        other_keys={"d" * 32: "throwaway-b", settings.CYBERSOURCE_ACCESS: settings.CYBERSOURCE_SECRET},
    )
    assert dict_of_new_form(shopper)["access_key"] == "b" * 32
    answer = shopper.submit()
    SecureAcceptanceProfile.objects.create(hostname="testserver", **{**keys, "access_key": "e" * 32})
    assert shopper.deliver(answer).status_code == 302
    assert shopper.attempt().state == AttemptState.OPEN
    assert dict(shopper.form())["access_key"] == "e" * 32


def dict_of_new_form(shopper):
    shopper.check_out("10.00")
    return dict(shopper.form())


def test_a_secret_in_the_database_is_unreadable_without_the_shops_key(shopper, settings):
    from cryptography.fernet import Fernet

    row = SecureAcceptanceProfile.objects.create(
        hostname="testserver", profile_id="P", access_key="b" * 32, secret_key="throwaway-secret"
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_key FROM cybersource_secureacceptanceprofile")
        (stored,) = cursor.fetchone()
    assert "throwaway" not in stored
    row.refresh_from_db()
    assert row.secret_key == "throwaway-secret"
    assert "throwaway" not in repr(row.secret_key)
    settings.CYBERSOURCE_FERNET_KEYS = [Fernet.generate_key().decode()]
    row.refresh_from_db()
    assert not row.is_readable
    shopper.check_out()
    assert dict(shopper.form())["access_key"] == settings.CYBERSOURCE_ACCESS
    row.save()
    settings.CYBERSOURCE_FERNET_KEYS = None
    row.refresh_from_db()
    assert row.secret_key == "throwaway-secret"


# -- several payment methods ----------------------------------------------------------------------------------------


@pytest.fixture
def clerk(shopper):
    """A member of staff, who may take cash as well."""
    user = customer("clerk@example.com")
    user.is_staff = True
    user.save()
    shopper.client.force_login(user)
    return shopper


def split(cash="20.00"):
    return {
        "cash": {"enabled": True, "pay_balance": False, "amount": cash},
        "cybersource": {"enabled": True, "pay_balance": True},
    }


def test_cash_and_card_together_pay_an_order(clerk, mailoutbox):
    order = clerk.check_out("64.50", payment=split())
    assert dict(clerk.form())["amount"] == "49.50"
    clerk.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert sorted(source.amount_allocated for source in order.sources.all()) == [Decimal("20.00"), Decimal("49.50")]
    assert len(mailoutbox) == 1


def test_cash_and_card_survive_a_decline_and_a_retry(clerk, mailoutbox):
    order = clerk.check_out("64.50", payment=split())
    clerk.pay(cards.DECLINED)
    order.refresh_from_db()
    assert order.status == "Payment Declined"
    clerk.check_out(payment=split())
    clerk.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert sum(source.amount_allocated for source in order.sources.all()) == order.total_incl_tax
    assert len(mailoutbox) == 1


def test_a_retry_with_another_split_replaces_the_open_form(clerk):
    clerk.check_out("64.50", payment=split())
    first = clerk.attempt()
    clerk.pay(cards.DECLINED)
    clerk.check_out(payment=split("30.00"))
    assert dict(clerk.form())["amount"] == "39.50"
    clerk.pay()
    first.refresh_from_db()
    order = first.order
    order.refresh_from_db()
    assert order.status == "Authorized"


def two_cards(first="20.00"):
    return {
        "first": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": first},
        "second": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
    }


def test_two_cards_pay_an_order_together(shopper, settings, mailoutbox):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("64.50", payment=two_cards())
    shopper.pay(key="first")
    order.refresh_from_db()
    assert order.status == "Pending"
    assert shopper.state("first")["status"] == "Complete"
    shopper.pay(key="second")
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert len(mailoutbox) == 1


def test_a_card_that_paid_its_part_is_not_charged_again_when_the_other_is_declined(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("64.50", payment=two_cards())
    shopper.pay(key="first")
    shopper.pay(cards.DECLINED, key="second")
    order.refresh_from_db()
    assert order.status == "Payment Declined"
    shopper.check_out(payment=two_cards())
    assert shopper.state("first") == {"status": "Complete", "amount": "20.00", "required_action": None}
    shopper.pay(key="second")
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert Transaction.objects.filter(source__order=order).count() == 2


def test_an_authorization_for_another_amount_is_kept_and_flagged(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("64.50", payment=two_cards())
    shopper.pay(key="first")
    shopper.pay(cards.DECLINED, key="second")
    shopper.check_out(payment=two_cards("30.00"))
    kept = PaymentAttempt.objects.get(method_key="first", state=AttemptState.AUTHORIZED)
    assert kept.attention == "kept-authorization"
    assert order.sources.get().amount_allocated == Decimal("20.00")
    assert any("last checkout does not use: 20.00 USD" in note.message for note in order.notes.all())


def test_an_open_form_is_replaced_when_the_amount_changes(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper.check_out("64.50", payment=two_cards())
    old = PaymentAttempt.objects.get(method_key="first")
    shopper.pay(cards.DECLINED, key="second")
    shopper.check_out(payment=two_cards("30.00"))
    old.refresh_from_db()
    assert old.state == AttemptState.REPLACED
    assert dict(shopper.form("first"))["amount"] == "30.00"


# -- what it costs ---------------------------------------------------------------------------------------------------


def order_of(shopper, lines):
    order = shopper.check_out("1.00")
    line = order.lines.get()
    for number in range(lines - 1):
        line.pk = None
        line.partner_sku = f"SKU-{number}"
        line.save(force_insert=True)
    total = Decimal("1.00") * lines + order.shipping_incl_tax
    Order.objects.filter(pk=order.pk).update(total_incl_tax=total, total_excl_tax=total)
    PaymentAttempt.objects.filter(order=order).update(amount=total)
    return order


@pytest.mark.parametrize("lines", [1, 10, 100])
def test_building_a_form_takes_five_statements_at_any_size(shopper, lines):
    order_of(shopper, lines)
    attempt = shopper.attempt()
    with CaptureQueriesContext(connection) as counted:
        form = forms.form_for(attempts.latest_step(attempt.pk).attempt)
    assert int({f.key: f.value for f in form.fields}["line_item_count"]) == lines + 1
    assert len(counted) <= 5


def test_settling_a_reply_takes_the_same_statements_at_1_10_and_100_lines(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    counts = {}
    shopper.check_out("1.00")
    shopper.pay()  # the first payment of a shop also makes the source type and the event type
    for lines in (1, 10, 100):
        order = order_of(shopper, lines)
        answer = shopper.submit()
        with CaptureQueriesContext(connection) as counted:
            assert post_reply(answer.reply).status_code == 303
        order.refresh_from_db()
        assert order.status == "Authorized"
        counts[lines] = len(counted)
    print("statements for a reply that pays:", counts)
    assert len(set(counts.values())) == 1, counts
