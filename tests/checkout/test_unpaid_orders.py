"""An order that is placed and not paid can be finished, by the session that placed it and by nobody else."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.db import DatabaseError
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import set_script_prefix
from django.utils import timezone
from oscar.core.loading import get_model
from oscarapicheckout.states import FormPostRequired
from oscarapicheckout.utils import _update_payment_method_state

from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentAttempt
from cybersource.payments import expiry
from cybersource.simulator import cards
from tests.support.shop import UNKNOWN, Shopper, latest, post_reply, two_cards

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")

NEWEST = "/api/cybersource/finish/"


def handle(attempt: PaymentAttempt | None = None, shopper: Shopper | None = None) -> str:
    return (attempt or shopper.attempt()).transaction_uuid


def finish(shopper, attempt=None):
    return shopper.client.get(f"{NEWEST}{handle(attempt, shopper)}/")


def shown(response):
    """The page without what its script may say later."""
    return re.sub(r"<template.*?</template>", "", response.content.decode(), flags=re.S)


def state(client, attempt):
    return client.get(f"/api/cybersource/state/{attempt.transaction_uuid}/")


def placed(client, basket):
    return client.get(f"/api/cybersource/placed/?basket={quote(basket)}")


def basket_url(order):
    return f"http://testserver/api/baskets/{order.basket_id}/"


@pytest.mark.quick
def test_a_placed_and_unpaid_order_has_a_page_with_a_card_form(shopper):
    order = shopper.check_out()
    page = shown(finish(shopper))
    assert f'Finish paying order <bdi translate="no">{order.number}</bdi>' in page
    assert f'data-states-url="/api/cybersource/state/{handle(shopper=shopper)}/"' in page
    assert "data-checkout-url" not in page, "it is placed already"
    assert "$69.50" in page
    assert "do not pay" not in page


def test_the_newest_order_of_the_session_is_found_without_a_handle(shopper):
    first, second = shopper.check_out(), shopper.check_out("10.00")
    assert shopper.client.get(NEWEST)["Location"] == f"{NEWEST}{handle(shopper=shopper)}/"
    page = shopper.client.get(NEWEST, follow=True).content.decode()
    assert f"Finish paying order {second.number}" in page
    link = f"{NEWEST}{first.cybersource_attempts.get().transaction_uuid}/"
    assert f'href="{link}">Finish paying order {first.number}</a>' in page


@pytest.mark.parametrize("path", ["/basket/", "/checkout/"])
def test_the_basket_and_the_checkout_lead_to_every_unpaid_order_of_the_session(shopper, path):
    orders = [shopper.check_out(), shopper.check_out("10.00")]
    page = shopper.client.get(path, follow=True).content.decode()
    for order in orders:
        link = f"{NEWEST}{order.cybersource_attempts.get().transaction_uuid}/"
        assert f'href="{link}">Finish paying order {order.number}</a>' in page
    assert "Finish paying" not in Client().get("/basket/").content.decode()


def test_a_paid_order_is_led_to_by_nothing_and_its_page_leads_to_the_thank_you_page(shopper):
    shopper.check_out()
    shopper.pay()
    assert "Finish paying" not in shopper.client.get("/basket/").content.decode()
    response = shopper.client.get(NEWEST, follow=True)
    assert response.redirect_chain[-1][0] == "/checkout/thank-you/"


def test_a_declined_order_gives_its_basket_back_and_then_needs_no_other_way(shopper):
    order = shopper.check_out()
    answer = shopper.submit({"card_type": "001", "card_number": cards.DECLINED, "card_expiry_date": "12-2031"})
    post_reply(answer.reply)  # the browser was closed before it came back
    page = shopper.client.get("/basket/").content.decode()
    assert "was not accepted" in page and "Try again" in page
    response = finish(shopper)
    assert response["Location"] == f"/api/cybersource/return/{handle(shopper=shopper)}/"
    shopper.client.get(response["Location"])
    assert shopper.client.session["oscar_open_basket"] == order.basket_id
    assert "Try again" not in shopper.client.get("/basket/").content.decode()


def test_a_payment_in_doubt_is_not_offered_a_card_form_but_its_waiting_page(shopper):
    shopper.check_out()
    post_reply(shopper.reply(**UNKNOWN))
    assert finish(shopper)["Location"] == f"/api/cybersource/pending/{handle(shopper=shopper)}/"


@pytest.mark.parametrize("path", ["/basket/", "/checkout/"])
def test_the_basket_and_the_checkout_do_not_ask_to_pay_what_is_being_checked(shopper, path):
    order = shopper.check_out()
    post_reply(shopper.reply(**UNKNOWN))
    page = shopper.client.get(path, follow=True).content.decode()
    assert f'The payment of order <bdi translate="no">{order.number}</bdi> is still being checked' in page
    assert "Finish paying" not in page


def test_a_session_without_any_order_reads_that_there_is_nothing_to_pay(db):
    page = Client().get(NEWEST).content.decode()
    assert "Nothing to pay" in page and 'href="/"' in page


# -- a page speaks of its own payment only ---------------------------------------------------------------------------


def test_the_state_of_a_payment_is_its_own_whatever_else_the_session_does(shopper):
    shopper.check_out()
    first = shopper.attempt()
    second = shopper.check_out("10.00")
    told = state(shopper.client, first).json()
    assert told["order_number"] == first.order.number != second.number
    fields = {f["key"]: f["value"] for f in told["payment_method_states"]["cybersource"]["required_action"]["fields"]}
    assert fields["transaction_uuid"] == first.transaction_uuid
    shopper.pay()
    assert state(shopper.client, first).json()["payment_method_states"]["cybersource"]["status"] == "Pending"
    assert state(shopper.client, shopper.attempt()).json()["is_paid"] is True


def test_the_waiting_page_asks_for_the_state_of_its_own_handle(shopper):
    shopper.check_out()
    post_reply(shopper.reply(**UNKNOWN))
    first = handle(shopper=shopper)
    shopper.check_out("10.00")
    page = shopper.client.get(f"/api/cybersource/pending/{first}/").content.decode()
    assert f'data-states-url="/api/cybersource/state/{first}/"' in page


def test_what_became_of_a_basket_is_told_to_the_session_that_placed_it(shopper):
    order = shopper.check_out()
    told = placed(shopper.client, basket_url(order)).json()
    assert (told["order_number"], told["is_paid"]) == (order.number, False)
    assert told["finish_url"] == f"{NEWEST}{handle(shopper=shopper)}/"
    shopper.pay()
    assert placed(shopper.client, basket_url(order)).json()["is_paid"] is True


@pytest.mark.parametrize(
    "basket", ["", "x", "/api/baskets/0/", "/api/baskets/", "http://[", "/api/baskets/999999/", "/9" * 40]
)
def test_what_was_placed_from_no_basket_of_the_session_does_not_exist(shopper, basket):
    shopper.check_out()
    response = placed(shopper.client, basket)
    assert response.status_code == 404 and response["Content-Type"] == "application/json"


def test_a_stranger_learns_nothing_from_any_of_them(shopper):
    order = shopper.check_out()
    attempt = shopper.attempt()
    for client in (Client(), Shopper().client):
        assert state(client, attempt).status_code == 404
        assert placed(client, basket_url(order)).status_code == 404
        page = client.get(f"{NEWEST}{attempt.transaction_uuid}/")
        assert order.number not in page.content.decode()
        assert "signature" not in page.content.decode()


def test_too_many_tries_are_told_by_the_state_as_by_the_checkout(shopper, settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "1/h"}}
    shopper.check_out()
    attempt = shopper.attempt()
    assert state(shopper.client, attempt).status_code == 200
    PaymentAttempt.objects.update(date_signed=timezone.now() - timedelta(minutes=10))
    response = state(shopper.client, attempt)
    assert response.status_code == 429 and int(response["Retry-After"]) > 0
    assert "do not pay again" in response.json()["detail"], "the form was shown before"


@pytest.mark.parametrize("written", ["http://testserver/shop/de/api/baskets/{}/", "/api/baskets/{}", "/b/{}/?a=1#x"])
def test_a_basket_is_known_however_its_url_is_written(shopper, written):
    order = shopper.check_out()
    assert placed(shopper.client, written.format(order.basket_id)).json()["order_number"] == order.number


@pytest.fixture
def under_shop():
    """As a server does that has the site under a path, and Django's test client does not."""
    set_script_prefix("/shop/")
    yield
    set_script_prefix("/")


def test_a_path_prefix_is_kept_on_every_page_and_through_the_provider(shopper, under_shop):
    order = shopper.check_out("64.50", payment=two_cards("50.00"))
    told = placed(shopper.client, f"/shop{basket_url(order)[17:]}").json()
    assert told["finish_url"].startswith("/shop/api/cybersource/finish/")
    assert told["return_url"].startswith("/shop/api/cybersource/return/")
    page = shown(shopper.client.get(told["finish_url"].removeprefix("/shop")))
    assert 'data-states-url="/shop/api/cybersource/state/' in page
    reply = shopper.submit(key="a").reply
    back = post_reply(reply)["Location"]
    assert back.startswith("/shop/api/cybersource/return/")
    assert shopper.client.get(back.removeprefix("/shop"))["Location"].startswith("/shop/api/cybersource/")
    stranger = Client().get(f"{back.removeprefix('/shop')}?again=1").content.decode()
    assert 'href="/shop/"' in stranger


# -- an answer that is stored and had no effect yet ------------------------------------------------------------------


def stored_only(reply):
    """CyberSource's answer is kept, and the database breaks off what should have come of it."""

    def breaks(sender, **kwargs):
        raise DatabaseError("the disk is on fire")

    pre_save.connect(breaks, sender=Transaction)
    try:
        assert post_reply(reply).status_code == 303
    finally:
        pre_save.disconnect(breaks, sender=Transaction)
    assert CyberSourceReply.objects.latest("pk").result == "received"


def test_the_orders_page_settles_a_stored_answer_and_does_not_ask_for_a_card(shopper, settings, mailoutbox):
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out()
    stored_only(shopper.reply())
    order.refresh_from_db()
    assert (order.status, mailoutbox) == ("Pending", [])
    for _again in range(2):
        assert finish(shopper)["Location"] == f"/api/cybersource/return/{handle(shopper=shopper)}/"
        order.refresh_from_db()
        assert (order.status, len(mailoutbox)) == ("Authorized", 1)
    assert CyberSourceReply.objects.get().result == "settled"


def test_the_orders_page_settles_a_stored_answer_of_the_first_card_and_asks_for_the_second(shopper, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper.check_out("64.50", payment=two_cards("50.00"))
    stored_only(shopper.reply(latest("a")))
    page = shown(finish(shopper, latest("b")))
    assert latest("a").state == "authorized"
    assert "$50.00" in page and 'data-method-key="b"' in page and "do not pay" not in page


# -- two cards for one order -----------------------------------------------------------------------------------------


def test_after_the_first_of_two_cards_the_page_says_what_is_paid_and_leads_to_the_next(shopper):
    order = shopper.check_out("64.50", payment=two_cards("50.00"))
    response = shopper.pay(key="a")
    assert response["Location"].startswith(NEWEST)
    page = shown(shopper.client.get(response["Location"]))
    assert "do not pay" not in page
    assert "$50.00" in page and "$19.50" in page and "1111" in page
    assert f'data-states-url="/api/cybersource/state/{latest("b").transaction_uuid}/"' in page
    assert 'data-method-key="b"' in page
    assert shopper.pay(key="b")["Location"] == "/checkout/thank-you/"
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_who_paid_before_staff_made_the_order_dearer_is_not_sent_to_pay_again(shopper, one_step):
    order = shopper.check_out("64.50")
    answer = shopper.submit()
    Order.objects.filter(pk=order.pk).update(total_incl_tax="99.00")
    back = shopper.deliver(answer)
    page = shown(shopper.client.get(back.headers["Location"]))
    assert "Paid with the card ending in" in page and "29.50" in page
    assert "You have paid what was asked of your cards." in page and "Go to the shop" in page
    assert "<form" not in page.partition("<h1>")[2] and "Go to the checkout" not in page
    order.refresh_from_db()
    assert order.status == "Pending"
    expiry.expire(at=timezone.now() + timedelta(hours=2))
    assert AttentionItem.objects.get().kind == Attention.UNPAID_REST, "and staff know"


def test_before_the_first_of_two_cards_the_page_says_that_another_follows(shopper):
    shopper.check_out("64.50", payment=two_cards("50.00"))
    page = finish(shopper).content.decode()
    assert f'data-states-url="/api/cybersource/state/{latest("a").transaction_uuid}/"' in page
    assert "the next one of this order follows" in page and "$19.50" in page


def test_when_one_of_two_cards_is_in_doubt_only_that_part_is_not_to_be_paid_again(shopper):
    shopper.check_out("64.50", payment=two_cards("50.00"))
    post_reply(shopper.reply(latest("a"), **UNKNOWN))
    page = finish(shopper, latest("b")).content.decode()
    assert "do not pay that part again" in page
    assert f"/api/cybersource/pending/{latest('a').transaction_uuid}/" in page
    assert f'data-states-url="/api/cybersource/state/{latest("b").transaction_uuid}/"' in page


def test_a_card_beside_another_method_leads_to_that_methods_form(shopper):
    order = shopper.check_out("64.50", payment=two_cards("50.00"))
    PaymentAttempt.objects.filter(method_key="b").delete()
    request = SimpleNamespace(session=shopper.client.session)
    form = FormPostRequired(order.total_incl_tax - 50, "pay", "https://wallet.example/pay", fields=[])
    form.form_data["fields"] = [{"key": "ticket", "value": "t-1"}]
    _update_payment_method_state(request, "b", form)
    request.session.save()
    response = shopper.pay(key="a")
    page = shown(shopper.client.get(response["Location"]))
    assert 'action="https://wallet.example/pay"' in page and 'value="t-1"' in page
    assert "do not pay" not in page


def test_the_second_form_of_a_two_step_payment_is_reached_from_the_orders_page(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper.check_out()
    first = shopper.attempt()
    post_reply(shopper.submit().reply)
    page = finish(shopper, first).content.decode()
    assert f'href="/api/cybersource/pending/{shopper.attempt().transaction_uuid}/"' in page
    assert "data-cybersource-card-form" not in page
