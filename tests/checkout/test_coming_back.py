"""The shopper's browser comes back: what it may see, what it is given, and what it is not."""

from __future__ import annotations

import pytest
from django.contrib.auth import middleware as auth_middleware
from django.test import Client
from django.test.utils import override_settings
from django.utils.html import escape

from cybersource.simulator import cards
from tests.support.shop import MERCHANT_POST, REVIEW, Shopper, card, customer, post_notification, post_reply

pytestmark = pytest.mark.usefixtures("one_step")

NOWHERE = "/api/cybersource/return/6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02/"


@pytest.mark.quick
def test_the_reply_is_answered_with_303_to_the_return_page_and_sets_no_cookie(shopper):
    shopper.check_out()
    response = shopper.deliver(shopper.submit(), follow=False)
    assert response.status_code == 303
    assert response.headers["Location"] == f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/"
    assert response.cookies == {}
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("endpoint", ["reply", "merchant post", "refused reply", "notification"])
def test_no_endpoint_to_the_outside_starts_a_session_or_opens_a_basket(shopper, endpoint):
    """Also when the browser does send the basket's cookie, which has no SameSite attribute and so may come along."""
    from django.contrib.sessions.models import Session
    from oscar.core.loading import get_model

    shopper.check_out()
    shopper.fill_basket("3.00")
    answer = shopper.submit()
    Basket = get_model("basket", "Basket")
    baskets, sessions = Basket.objects.count(), Session.objects.count()
    browser = Client()
    browser.cookies["oscar_open_basket"] = shopper.client.cookies["oscar_open_basket"].value
    response = {
        "reply": lambda: post_reply(answer.reply, client=browser),
        "merchant post": lambda: post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST),
        "refused reply": lambda: post_reply([("decision", "ACCEPT")]),
        "notification": lambda: post_notification(b"content=", url=REVIEW),
    }[endpoint]()
    assert response.cookies == {}
    assert Basket.objects.count() == baskets
    if endpoint != "reply":
        assert Session.objects.count() == sessions


def test_a_shop_for_members_only_takes_what_cybersource_posts(shopper, settings, mailoutbox):
    """LoginRequiredMiddleware (Django 5.1 and later) redirects whoever has no session: as CyberSource's posts are."""
    shopper.client.force_login(customer())
    if hasattr(auth_middleware, "LoginRequiredMiddleware"):
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    order = shopper.check_out()
    answer = shopper.submit()
    assert shopper.deliver(answer).headers["Location"] == "/checkout/thank-you/"
    for posted in answer.merchant_posts:
        assert post_reply(posted.pairs, url=MERCHANT_POST).status_code == 200
    assert post_notification(b"<nothing/>").status_code == 400
    order.refresh_from_db()
    assert (order.status, len(mailoutbox)) == ("Authorized", 1)


def test_a_stranger_with_the_return_url_learns_nothing(shopper):
    order = shopper.check_out()
    location = shopper.deliver(shopper.submit(), follow=False).headers["Location"]
    stranger = Client()
    seen, unknown = stranger.get(location), stranger.get(NOWHERE)
    assert seen.status_code == unknown.status_code == 200
    assert seen.content.replace(location.encode(), b"") == unknown.content.replace(NOWHERE.encode(), b"")
    assert order.number not in seen.content.decode()
    assert "checkout_order_id" not in stranger.session


def test_the_return_page_of_another_session_looks_once_more_and_then_gives_up(shopper):
    """SameSite=Strict: the cookie is missing on the redirect and comes back on a navigation from our own page."""
    shopper.check_out()
    location = shopper.deliver(shopper.submit(), follow=False).headers["Location"]
    page = Client().get(location)
    assert f"{location}?again=1" in page.content.decode()
    assert "?again=1" not in Client().get(f"{location}?again=1").content.decode()
    assert shopper.client.get(f"{location}?again=1").headers["Location"] == "/checkout/thank-you/"


def test_logging_in_keeps_the_return_page_and_logging_out_loses_it(shopper):
    customer()
    shopper.check_out()
    location = shopper.deliver(shopper.submit(), follow=False).headers["Location"]
    assert shopper.client.login(username="maya@example.com", password="pw")
    assert shopper.client.get(location).headers["Location"] == "/checkout/thank-you/"
    shopper.client.logout()
    assert shopper.client.get(location).status_code == 200


def test_the_return_page_puts_the_order_and_the_thawed_basket_into_the_session(shopper):
    order = shopper.check_out()
    response = shopper.pay(cards.DECLINED)
    session = shopper.client.session
    assert session["checkout_order_id"] == order.pk
    assert session["oscar_open_basket"] == order.basket_id
    page = shopper.client.get(response.headers["Location"], follow=True)
    assert "was not accepted" in page.content.decode()
    assert page.wsgi_request.basket.pk == order.basket_id


def titles(basket) -> list[str]:
    return sorted(line.product.title for line in basket.lines.all())


def test_a_guest_who_shopped_on_keeps_those_goods_when_a_decline_brings_the_old_basket_back(shopper):
    order = shopper.check_out("64.50")
    answer = shopper.submit(card(cards.DECLINED))
    shopper.fill_basket("10.00", title="Tea strainer")
    newer = shopper.client.session["oscar_open_basket"]
    assert newer != order.basket_id
    location = shopper.deliver(answer, follow=False).headers["Location"]
    for _again in range(2):
        shopper.client.get(location)
        assert shopper.client.session["oscar_open_basket"] == order.basket_id
        order.basket.refresh_from_db()
        assert titles(order.basket) == ["Enamel kettle", "Tea strainer"]
    assert shopper.check_out().pk == order.pk  # the retry is of the same order, and is for both
    assert order.lines.count() == 2


def test_what_lies_in_another_guests_basket_is_left_there(shopper):
    other = Shopper()
    other.fill_basket("10.00", title="Tea strainer")
    shopper.check_out("64.50")
    shopper.pay(cards.DECLINED)
    assert titles(shopper.attempt().order.basket) == ["Enamel kettle"]
    assert len(other.client.get(other.client.get("/api/basket/").json()["lines"]).json()) == 1


def test_redirects_go_where_the_settings_say(shopper, settings):
    settings.CYBERSOURCE_REDIRECT_SUCCESS = "/well-done/"
    settings.CYBERSOURCE_REDIRECT_FAIL = "basket:summary"
    settings.CYBERSOURCE_REDIRECT_PENDING = "/hold-on/"
    shopper.check_out("10.00")
    assert shopper.pay(cards.DECLINED).headers["Location"] == "/basket/"
    shopper.check_out()
    assert shopper.pay(cards.UNKNOWN).headers["Location"] == "/hold-on/"
    post_reply(shopper.reply())
    assert shopper.client.get(f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/").headers["Location"] == (
        "/well-done/"
    )


def test_the_pending_page_goes_on_with_the_second_step(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper.check_out()
    page = shopper.client.get(shopper.deliver(shopper.submit()).headers["Location"])
    text = page.content.decode()
    for name, value in shopper.form():
        assert f'name="{name}"' in text
        if name != "signature":  # made anew for each page
            assert f'name="{name}" value="{escape(value)}"' in text


def test_the_pending_page_sends_the_shopper_on_once_the_payment_is_settled(shopper):
    shopper.check_out()
    answer = shopper.submit()
    pending = f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/"
    assert shopper.client.get(pending).status_code == 200
    post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST)
    response = shopper.client.get(pending, follow=True)
    assert response.redirect_chain[-1][0] == "/checkout/thank-you/"


def test_the_pending_page_says_not_to_pay_again_and_refreshes_itself_without_script(shopper):
    order = shopper.check_out()
    shopper.pay(cards.UNKNOWN)
    page = shopper.client.get(f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/").content.decode()
    assert order.number in page
    assert 'http-equiv="refresh"' in page
    assert "again" in page


def test_a_payment_under_review_thanks_the_shopper_and_promises_an_email(shopper):
    shopper.check_out()
    response = shopper.pay(cards.REVIEW)
    page = shopper.client.get(response.headers["Location"])
    assert "review" in page.content.decode()
    assert shopper.state()["status"] == "Pending"


def test_nobody_else_sees_the_pending_page(shopper):
    order = shopper.check_out()
    url = f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/"
    page = Client().get(url)
    assert order.number not in page.content.decode()
    assert "signature" not in page.content.decode()


def test_back_after_paying_and_posting_the_form_again_ends_on_the_thank_you_page(shopper, mailoutbox):
    shopper.check_out()
    form = shopper.form()
    shopper.deliver(shopper.submit())
    again = shopper.gateway.submit("/silent/pay", [(k, card().get(k, v)) for k, v in form])
    assert shopper.deliver(again).headers["Location"] == "/checkout/thank-you/"
    assert len(mailoutbox) == 1


def test_an_order_cancelled_meanwhile_leads_neither_to_success_nor_in_circles(shopper):
    order = shopper.check_out()
    answer = shopper.submit()
    order.set_status("Canceled")
    response = shopper.deliver(answer)
    page = shopper.client.get(response.headers["Location"])
    assert page.status_code == 200
    order.refresh_from_db()
    assert order.status == "Canceled"


@pytest.mark.parametrize(
    "engine",
    [
        "django.contrib.sessions.backends.db",
        "django.contrib.sessions.backends.cache",
        "django.contrib.sessions.backends.cached_db",
        "django.contrib.sessions.backends.signed_cookies",
    ],
)
def test_paying_works_with_every_session_backend(committed_db, engine, mailoutbox):
    with override_settings(SESSION_ENGINE=engine):
        shopper = Shopper()
        order = shopper.check_out()
        assert shopper.pay().headers["Location"] == "/checkout/thank-you/"
        order.refresh_from_db()
        assert order.status == "Authorized"
        assert len(mailoutbox) == 1


def test_the_session_holds_little_of_a_payment(shopper):
    import json

    shopper.check_out()
    shopper.form()
    assert len(json.dumps(dict(shopper.client.session))) < 1024


@pytest.mark.parametrize("handle", ["%00abc", "x" * 300, "..%2f", "1"])
@pytest.mark.parametrize("page", ["return", "pending"])
def test_a_handle_that_is_none_is_not_found(committed_db, page, handle):
    assert Client().get(f"/api/cybersource/{page}/{handle}/").status_code == 404


def test_a_charge_on_a_cancelled_order_is_not_promised_anything_false(shopper):
    order = shopper.check_out()
    answer = shopper.submit()
    order.set_status("Canceled")
    page = shopper.client.get(shopper.deliver(answer).headers["Location"]).content.decode()
    assert "This order was cancelled" in page
    assert "still waits" not in page
