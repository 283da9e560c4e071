"""A payment goes through: what the shop's rows say afterwards, flow by flow."""

from __future__ import annotations

import pytest
from oscar.core.loading import get_model

from cybersource.models import AttemptState, CyberSourceReply, PaymentAttempt, PaymentToken
from tests.support.shop import MERCHANT_POST, Shopper, customer, post_reply

pytestmark = pytest.mark.real_checkout

PaymentEvent = get_model("order", "PaymentEvent")
Transaction = get_model("payment", "Transaction")


def transactions(order):
    return list(
        Transaction.objects.filter(source__order=order).order_by("pk").values_list("txn_type", "amount", "status")
    )


@pytest.mark.quick
def test_a_two_step_payment_pays_the_order_once(shopper, mailoutbox):
    order = shopper.check_out("64.50")
    response = shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert order.basket.status == "Submitted"
    (source,) = order.sources.all()
    assert source.amount_allocated == order.total_incl_tax
    assert source.amount_debited == 0
    assert source.source_type.name == "Cybersource Secure Acceptance"
    assert source.label == "xxxxxxxxxxxx1111"
    assert transactions(order) == [("Authorise", order.total_incl_tax, "ACCEPT")]
    assert len(mailoutbox) == 1
    assert mailoutbox[0].to == ["maya@example.com"]
    assert response.headers["Location"] == "/checkout/thank-you/"


def test_the_thank_you_page_shows_the_order_to_the_shopper_who_paid(shopper):
    order = shopper.check_out()
    page = shopper.client.get(shopper.pay().headers["Location"])
    assert order.number in page.content.decode()


@pytest.mark.parametrize(
    ("flow", "kinds", "debited"),
    [
        ("one-step", ["Authorise"], False),
        ("sale", ["Authorise", "Debit"], True),
        ("sale-with-token", ["Authorise", "Debit"], True),
    ],
)
def test_a_one_hop_flow_pays_the_order_with_one_form(shopper, settings, flow, kinds, debited):
    settings.CYBERSOURCE_FLOW = flow
    order = shopper.check_out("64.50")
    shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert [kind for kind, _amount, _status in transactions(order)] == kinds
    (source,) = order.sources.all()
    assert source.amount_debited == (order.total_incl_tax if debited else 0)
    assert PaymentAttempt.objects.count() == 1
    assert PaymentToken.objects.count() == (0 if flow == "sale" else 1)


@pytest.mark.parametrize("flow", ["two-step", "one-step", "sale"])
def test_one_payment_event_covers_every_line_of_the_order(shopper, settings, flow):
    settings.CYBERSOURCE_FLOW = flow
    shopper.fill_basket("10.00", "5.00", quantity=3)
    order = shopper.check_out()
    shopper.pay()
    event = PaymentEvent.objects.get(order=order)
    assert event.event_type.name == ("Debit" if flow == "sale" else "Authorise")
    assert event.amount == order.total_incl_tax
    assert sorted(event.line_quantities.values_list("quantity", flat=True)) == [3, 3]


def test_the_token_step_holds_no_money_and_leads_to_the_authorization_form(shopper):
    order = shopper.check_out("64.50")
    assert shopper.state()["required_action"]["name"] == "get-token"
    response = shopper.deliver(shopper.submit())
    assert order.sources.count() == 0
    action = shopper.state()["required_action"]
    assert action["name"] == "authorize"
    assert not any(field["editable"] for field in action["fields"])
    token = PaymentToken.objects.get()
    assert {"key": "payment_token", "value": token.token, "editable": False} in action["fields"]
    assert token.masked_card_number == "xxxxxxxxxxxx1111"
    assert token.card_last4 == "1111"
    assert "/pending/" in response.headers["Location"]


def test_the_stored_card_belongs_to_the_customer_who_was_logged_in(shopper):
    user = customer()
    shopper.client.force_login(user)
    order = shopper.check_out()
    shopper.pay()
    order.refresh_from_db()
    assert order.user == user
    assert PaymentToken.objects.get().owner == user
    assert set(CyberSourceReply.objects.values_list("user", flat=True)) == {user.pk}


def test_a_guest_order_keeps_a_token_without_an_owner(shopper):
    shopper.check_out()
    shopper.pay()
    assert PaymentToken.objects.get().owner is None


def test_the_log_holds_exactly_the_signed_fields_and_their_columns(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("64.50")
    answer = shopper.submit()
    shopper.deliver(answer)
    entry = CyberSourceReply.objects.get()
    told = dict(answer.reply)
    signed = told["signed_field_names"].split(",")
    assert entry.data == {name: told[name] for name in signed}
    assert "utf8" not in entry.data
    assert entry.order == order
    assert (entry.decision, entry.reason_code, entry.transaction_id) == ("ACCEPT", 100, told["transaction_id"])
    assert entry.auth_code == told["auth_code"]
    assert entry.auth_avs_code == told["auth_avs_code"]
    assert entry.card_number == "xxxxxxxxxxxx1111"
    assert entry.card_expiry_date == "12-2031"
    assert entry.reply_type == "browser"
    assert entry.result == CyberSourceReply.Result.SETTLED
    transaction = Transaction.objects.get()
    assert (transaction.log, transaction.token) == (entry, PaymentToken.objects.get())
    assert transaction.processed_datetime == entry.signed_date_time


def test_the_merchant_post_alone_pays_the_order_when_the_tab_was_closed(shopper, settings, mailoutbox):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out()
    answer = shopper.submit()
    response = post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST)
    assert (response.status_code, response.content) == (200, b"ok")
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert len(mailoutbox) == 1
    assert shopper.state()["status"] == "Consumed"


@pytest.mark.parametrize("first", ["browser", "merchant"])
def test_browser_reply_and_merchant_post_together_are_one_payment(shopper, settings, mailoutbox, first):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out()
    answer = shopper.submit()
    endpoints = [lambda: shopper.deliver(answer), lambda: post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST)]
    codes = [endpoint().status_code for endpoint in (endpoints if first == "browser" else reversed(endpoints))]
    assert codes == ([302, 200] if first == "browser" else [200, 302])
    assert len(transactions(order)) == 1
    assert len(mailoutbox) == 1
    results = list(CyberSourceReply.objects.order_by("pk").values_list("result", flat=True))
    assert results == ["settled", "repeated"]


def test_the_same_reply_delivered_ten_times_records_one_transaction(shopper, settings, mailoutbox):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out()
    answer = shopper.submit()
    for _again in range(10):
        assert shopper.deliver(answer).headers["Location"] == "/checkout/thank-you/"
    assert len(transactions(order)) == 1
    assert order.sources.get().amount_allocated == order.total_incl_tax
    assert PaymentEvent.objects.filter(order=order).count() == 1
    assert CyberSourceReply.objects.count() == 10
    assert len(mailoutbox) == 1


def test_the_token_reply_delivered_again_after_the_authorization_changes_nothing(shopper):
    order = shopper.check_out()
    stored = shopper.submit()
    shopper.deliver(stored)
    authorized = shopper.submit()
    shopper.deliver(authorized)
    shopper.deliver(stored)
    assert len(transactions(order)) == 1
    assert PaymentAttempt.objects.count() == 2
    assert list(PaymentAttempt.objects.order_by("pk").values_list("state", flat=True)) == ["tokenized", "authorized"]


def test_an_order_of_nothing_never_reaches_the_gateway(shopper):
    shopper.fill_basket("0.00", product_class="Download", requires_shipping=False)
    order = shopper.check_out(shipping_method_code="no-shipping-required")
    order.refresh_from_db()
    assert order.total_incl_tax == 0
    assert order.status == "Authorized"
    assert PaymentAttempt.objects.count() == 0


def test_the_payment_states_are_complete_from_the_rows_when_no_browser_came_back(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper.check_out()
    answer = shopper.submit()
    assert shopper.state()["status"] == "Pending"
    post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST)
    assert shopper.states["order_status"] == "Authorized"
    assert shopper.state() == {"status": "Consumed", "amount": shopper.state()["amount"], "required_action": None}


def test_two_shoppers_of_one_shop_do_not_meet(committed_db):
    maya, omar = Shopper(), Shopper()
    one, two = maya.check_out("10.00"), omar.check_out("20.00")
    maya.pay()
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.status, two.status) == ("Authorized", "Pending")
    assert omar.state()["required_action"] is not None


def test_the_next_order_of_the_same_session_is_paid_by_its_own_attempt(shopper):
    first = shopper.check_out("10.00")
    shopper.pay()
    second = shopper.check_out("10.00")
    assert second.pk != first.pk
    assert shopper.state()["status"] == "Pending"
    shopper.pay()
    second.refresh_from_db()
    assert second.status == "Authorized"
    assert Transaction.objects.filter(source__order=second).count() == 1


def test_a_pending_state_of_an_abandoned_order_is_not_recycled_for_the_next(shopper):
    abandoned = shopper.check_out("10.00")
    open_form = dict(shopper.form())
    shopper.fill_basket("10.00")
    following = shopper.check_out()
    assert following.pk != abandoned.pk
    form = dict(shopper.form())
    assert form["reference_number"] == following.number
    assert form["transaction_uuid"] != open_form["transaction_uuid"]
    assert PaymentAttempt.objects.get(order=abandoned).state == AttemptState.OPEN
