"""A shop whose addresses have the language in their path, those that CyberSource posts to among them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import translation

from cybersource.simulator import cards
from tests.support.shop import MERCHANT_POST, REPLY, Shopper, card, cybersource, post_reply

pytestmark = [pytest.mark.usefixtures("one_step"), pytest.mark.real_checkout]


@pytest.fixture
def german(settings, committed_db):
    """A shopper whose language is in a cookie of the shop's own name."""
    settings.ROOT_URLCONF = "tests.checkout.urls_with_languages"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    settings.LANGUAGE_COOKIE_NAME = "speaks"
    browser = Client(REMOTE_ADDR="203.0.113.24")
    browser.cookies["speaks"] = "de"
    with translation.override(translation.get_language()):  # the middleware leaves a language behind in this thread
        yield Shopper(client=browser, gateway=cybersource())


@pytest.mark.parametrize(
    ("number", "status", "leads_to"),
    [
        (cards.APPROVED, "Authorized", "/de/checkout/thank-you/"),
        (cards.DECLINED, "Payment Declined", "/de/checkout/"),
    ],
)
@pytest.mark.parametrize("language", ["fr", "de"])
def test_whatever_language_cybersource_posts_to_the_shopper_is_led_on_in_their_own(
    german, mailoutbox, number, status, leads_to, language
):
    order = german.check_out("64.50")
    answer = german.submit(card(number))
    assert post_reply(answer.reply, url=f"/{language}{MERCHANT_POST}").status_code == 200
    back = post_reply(answer.reply, url=f"/{language}{REPLY}")
    assert back.status_code == 303
    page = german.client.get(back.headers["Location"])
    assert (page.headers["Location"], page.headers["Content-Language"]) == (leads_to, "de")
    order.refresh_from_db()
    assert (order.status, german.attempt().language) == (status, "de")
    assert [mail.subject for mail in mailoutbox] == [f"Bestätigung der Bestellung {order.number}"] * (
        status == "Authorized"
    )
