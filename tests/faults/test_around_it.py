"""What stands around a payment fails: sessions, receivers of signals, the mail server. The rows are the same."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from oscarapicheckout.signals import order_payment_authorized, order_payment_declined

from cybersource import signals
from cybersource.models import CyberSourceReply, OrderConfirmation
from cybersource.payments.outbox import LEASE
from cybersource.simulator import cards
from tests.faults.breaking import log, rows
from tests.support.shop import MERCHANT_POST, Shopper, card, post_reply

pytestmark = pytest.mark.usefixtures("one_step")

ENGINES = [f"django.contrib.sessions.backends.{name}" for name in ("db", "cache", "cached_db", "signed_cookies")]


class SessionStore(SessionBase):
    """The session backend is gone (this module is its engine)."""

    def _gone(self, *args, **kwargs):
        raise ConnectionError("the session server is gone")

    load = save = delete = exists = create = _gone
    clear_expired = classmethod(lambda cls: None)


def comes_back(shopper, location, same_site):
    """A browser after CyberSource's cross-site page: ``Strict`` cookies stay behind until our own page leads on."""
    cookie = shopper.client.cookies["sessionid"]
    assert cookie["samesite"] == same_site
    if same_site == "Strict":
        page = Client().get(location).content.decode()
        assert f"{location}?again=1" in page
        location = f"{location}?again=1"
    return shopper.client.get(location)


@pytest.mark.parametrize("same_site", ["Lax", "Strict"])
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.rpartition(".")[2])
def test_no_reply_needs_the_session_and_the_shopper_finds_it_again(committed_db, engine, same_site, mailoutbox):
    """The session server is gone while the reply comes, by the browser and from CyberSource, and back afterwards."""
    with override_settings(SESSION_ENGINE=engine, SESSION_COOKIE_SAMESITE=same_site):
        shopper = Shopper()
        order = shopper.check_out()
        answer = shopper.submit()
        with override_settings(SESSION_ENGINE=__name__):
            response = shopper.deliver(answer, follow=False)
            assert response.cookies == {}
            assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
        order.refresh_from_db()
        assert (order.status, len(mailoutbox)) == ("Authorized", 1)
        assert log() == ["repeated", "settled"]
        assert comes_back(shopper, response["Location"], same_site)["Location"] == "/checkout/thank-you/"


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.rpartition(".")[2])
def test_a_decline_gives_the_basket_back_once_the_session_server_is_back(committed_db, engine):
    with override_settings(SESSION_ENGINE=engine):
        shopper = Shopper()
        order = shopper.check_out()
        answer = shopper.submit(card(cards.DECLINED))
        with override_settings(SESSION_ENGINE=__name__):
            location = shopper.deliver(answer, follow=False)["Location"]
        assert shopper.client.get(location).status_code == 302
        order.refresh_from_db()
        assert (order.status, order.basket.status) == ("Payment Declined", "Open")
        assert shopper.check_out().pk == order.pk


@pytest.mark.parametrize(
    ("signal", "number", "status"),
    [
        (signals.reply_recorded, cards.APPROVED, "Authorized"),
        (order_payment_authorized, cards.APPROVED, "Authorized"),
        (signals.reply_recorded, cards.DECLINED, "Payment Declined"),
        (signals.payment_declined, cards.DECLINED, "Payment Declined"),
        (order_payment_declined, cards.DECLINED, "Payment Declined"),
        (signals.reply_recorded, cards.REVIEW, "Pending"),
        (signals.unexpected_charge, cards.PARTIAL, "Payment Declined"),
    ],
)
def test_a_receiver_that_raises_changes_no_row_and_no_other_receiver_misses_anything(
    shopper, signal, number, status, mailoutbox
):
    heard = []

    def breaks(sender, **kwargs):
        raise RuntimeError("a shop's own mistake")

    def hears(sender, **kwargs):
        heard.append(sender)

    order = shopper.check_out("10.00")
    answer = shopper.submit(card(number))
    signal.connect(breaks)
    signal.connect(hears)
    try:
        assert post_reply(answer.reply).status_code == 303
    finally:
        signal.disconnect(breaks)
        signal.disconnect(hears)
    order.refresh_from_db()
    assert (order.status, len(heard)) == (status, 1)
    assert log() == ["settled"]
    assert len(mailoutbox) == (1 if status == "Authorized" else 0)
    undisturbed = rows()
    assert post_reply(answer.reply).status_code == 303
    call_command("cybersource_reprocess", verbosity=0)
    assert rows() == undisturbed


class HangsUp:
    """An e-mail backend whose server is away."""

    def __init__(self, *args, **kwargs):
        pass

    def send_messages(self, messages):
        raise ConnectionRefusedError("the mail server is away")


@pytest.mark.parametrize("redelivered", [True, False])
def test_a_mail_that_could_not_be_sent_goes_out_once_whether_or_not_the_reply_comes_again(
    shopper, settings, redelivered, mailoutbox
):
    shopper.check_out()
    answer = shopper.submit()
    settings.EMAIL_BACKEND = f"{__name__}.HangsUp"
    assert post_reply(answer.reply).status_code == 303
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    if redelivered:
        assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
    claimed = OrderConfirmation.objects.get()
    assert claimed.date_sent is None
    OrderConfirmation.objects.update(date_claimed=claimed.date_claimed - LEASE)
    for _again in range(2):
        call_command("cybersource_reprocess", verbosity=0)
    assert len(mailoutbox) == 1
    assert OrderConfirmation.objects.get().date_sent is not None


@pytest.mark.parametrize("endpoint", ["browser", "server"])
def test_atomic_requests_wraps_none_of_our_endpoints(shopper, monkeypatch, endpoint):
    """Also with the setting on, the evidence of a reply is committed before anything is done with it."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    seen = []

    def look(execute, sql, params, many, context):
        if sql.startswith('INSERT INTO "cybersource_cybersourcereply"'):
            seen.append(connection.in_atomic_block)
        return execute(sql, params, many, context)

    shopper.check_out()
    answer = shopper.submit()
    with connection.execute_wrapper(look):
        if endpoint == "browser":
            assert post_reply(answer.reply).status_code == 303
        else:
            assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
    assert seen == [False]
    assert CyberSourceReply.objects.get().result == "settled"


def test_atomic_requests_is_really_on_in_the_test_above(shopper, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    seen = set()

    def look(execute, sql, params, many, context):
        seen.add(connection.in_atomic_block)
        return execute(sql, params, many, context)

    shopper.fill_basket("5.00")
    with connection.execute_wrapper(look):
        shopper.client.get("/api/products/")
    assert True in seen
