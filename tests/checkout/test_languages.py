"""Shoppers are told in the language of their checkout, staff in the shop's, whichever channel brought the news."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import translation
from oscar.core.loading import get_model
from oscarapicheckout.signals import order_payment_authorized, order_payment_declined

from cybersource import signals
from cybersource.inbound import replies
from cybersource.models import PaymentAttempt, ReplyType
from cybersource.simulator import cards as test_cards
from tests.support.reviewing import reviewed, tell
from tests.support.shop import MERCHANT_POST, Shopper, card, post_reply

OrderNote = get_model("order", "OrderNote")

SHOPPERS, SHOPS, SOMEBODYS = "de", "en-us", "fr"


@pytest.fixture
def heard(settings):
    """Which signal was heard in which language."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    told: list[tuple[str, str]] = []

    def listener(name):
        def hear(request=None, **kwargs):
            told.append((name, translation.get_language()))
            assert request is None or request.LANGUAGE_CODE == translation.get_language()

        return hear

    heard_of = {
        "authorized": order_payment_authorized,
        "order declined": order_payment_declined,
        "declined": signals.payment_declined,
        "unexpected": signals.unexpected_charge,
    }
    kept = {name: listener(name) for name in heard_of}
    for name, signal in heard_of.items():
        signal.connect(kept[name])
    with translation.override(translation.get_language()):  # the middleware leaves a language behind in this thread
        yield told
    for name, signal in heard_of.items():
        signal.disconnect(kept[name])


def german() -> Shopper:
    return Shopper(client=Client(REMOTE_ADDR="203.0.113.24", HTTP_ACCEPT_LANGUAGE=SHOPPERS))


def by_browser(shopper, answer):
    post_reply(answer, client=Client(HTTP_ACCEPT_LANGUAGE=SOMEBODYS))


def by_merchant_post(shopper, answer):
    post_reply(answer, url=MERCHANT_POST, client=Client(HTTP_ACCEPT_LANGUAGE=SOMEBODYS))


def by_command(shopper, answer):
    """The reply was stored, and the process ended before it took effect."""
    replies.log(replies.verify(answer), ReplyType.MERCHANT_POST)
    with translation.override(SOMEBODYS):
        call_command("cybersource_reprocess")


CHANNELS = [by_browser, by_merchant_post, by_command]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_confirmation_is_in_the_language_of_the_checkout(one_step, heard, committed_db, channel):
    shopper = german()
    order = shopper.check_out("64.50")
    channel(shopper, shopper.submit(card()).reply)
    assert heard == [("authorized", SHOPPERS)]
    with translation.override(SHOPPERS):
        words = translation.gettext("Your order contains:")
    assert len(mail.outbox) == 1 and order.number in mail.outbox[0].body
    assert words in mail.outbox[0].body and words != "Your order contains:"


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_decline_is_in_the_language_of_the_checkout_and_its_page_too(one_step, heard, committed_db, channel):
    shopper = german()
    shopper.check_out("64.50")
    channel(shopper, shopper.submit(card(test_cards.DECLINED)).reply)
    assert sorted(heard) == [("declined", SHOPPERS), ("order declined", SHOPPERS)]
    shopper.client.defaults["HTTP_ACCEPT_LANGUAGE"] = SOMEBODYS
    page = shopper.client.get(f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/")
    assert page.headers["Content-Language"] == SHOPPERS
    with translation.override(SHOPPERS):
        assert "Bestellung" in shopper.told(page)[0]


@pytest.mark.quick
def test_a_page_that_waits_speaks_the_language_of_the_checkout(one_step, heard, committed_db):
    shopper = german()
    order = shopper.check_out("64.50")
    case = reviewed(shopper, order)
    shopper.client.defaults["HTTP_ACCEPT_LANGUAGE"] = SOMEBODYS
    page = shopper.client.get(f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/")
    assert '<html lang="de"' in page.content.decode() and page.headers["Content-Language"] == SHOPPERS
    assert translation.get_language() != SHOPPERS  # the next request of this thread is another shopper's
    tell(case.accept())
    assert heard == [("authorized", SHOPPERS)]


def test_a_reviewers_rejection_is_told_in_the_language_of_the_checkout(one_step, heard, committed_db):
    shopper = german()
    case = reviewed(shopper, shopper.check_out("64.50"))
    with translation.override(SOMEBODYS):
        tell(case.reject())
    assert ("order declined", SHOPPERS) in heard


def test_the_second_step_and_the_expiry_keep_the_language(heard, committed_db):
    shopper = german()
    shopper.check_out("64.50")
    shopper.deliver(shopper.submit(card()))
    assert set(PaymentAttempt.objects.values_list("transaction_type", "language")) == {
        ("create_payment_token", SHOPPERS),
        ("authorization", SHOPPERS),
    }
    PaymentAttempt.objects.update(date_shown=None, date_signed="2020-01-01T00:00:00Z")
    with translation.override(SOMEBODYS):
        call_command("cybersource_expire_attempts")
    assert heard == [("order declined", SHOPPERS)]


@pytest.mark.parametrize("channel", CHANNELS)
def test_staff_are_told_in_the_shops_language(one_step, heard, committed_db, channel):
    shopper = german()
    order = shopper.check_out("64.50")
    shopper.pay()
    channel(shopper, shopper.reply(shopper.attempt()))  # another charge
    assert heard[-1] == ("unexpected", SHOPS)
    note = OrderNote.objects.filter(order=order).latest("pk").message
    assert "second charge" in note


@pytest.mark.parametrize("gone", ["a language less", "no language", "of another shop"])
def test_a_language_that_the_shop_has_no_more_is_spoken_nowhere(one_step, heard, committed_db, settings, gone):
    shopper = german()
    case = reviewed(shopper, shopper.check_out("64.50"))
    if gone == "a language less":
        settings.LANGUAGES = [("en-us", "English"), ("fr", "French")]
    else:
        PaymentAttempt.objects.update(language="" if gone == "no language" else "tlh-../x")
    shopper.client.defaults["HTTP_ACCEPT_LANGUAGE"] = SOMEBODYS
    page = shopper.client.get(f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/")
    assert page.headers["Content-Language"] == SOMEBODYS
    assert f'<html lang="{SOMEBODYS}"' in page.content.decode()
    tell(case.accept())
    assert heard == [("authorized", SHOPS)]


def test_a_variant_that_the_shop_has_no_more_is_spoken_as_its_language(one_step, heard, committed_db):
    shopper = german()
    case = reviewed(shopper, shopper.check_out("64.50"))
    PaymentAttempt.objects.update(language="de-at")
    page = shopper.client.get(f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/")
    assert page.headers["Content-Language"] == SHOPPERS
    tell(case.accept())
    assert heard == [("authorized", SHOPPERS)]
