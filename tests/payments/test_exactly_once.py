"""Exactly once: under threads, after failures, and whatever arrives in which order."""

from __future__ import annotations

import pytest
from django.contrib.sites.models import Site
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.models.signals import pre_save
from oscar.core.loading import get_model
from oscarapicheckout import handlers
from oscarapicheckout.serializers import OrderTokenField
from oscarapicheckout.signals import order_payment_authorized
from oscarapicheckout.utils import _set_order_authorized

from cybersource import signals
from cybersource.db import locks
from cybersource.models import AttentionItem, CyberSourceReply, OrderConfirmation, ReviewNotificationUpdate
from cybersource.payments.outbox import LEASE, stand_in_for_the_mail
from cybersource.simulator import cards
from tests.properties.rows import THOROUGH
from tests.support.shop import MERCHANT_POST, REPLY, Shopper, card, customer, post_notification, post_reply
from tests.support.threads import at_once, in_threads

pytestmark = pytest.mark.usefixtures("one_step")

PaymentEvent = get_model("order", "PaymentEvent")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")


@pytest.fixture(autouse=True)
def in_no_hurry(monkeypatch):
    """Twenty at once wait for long where the machine is busy; tests/faults says what happens when it is too long."""
    monkeypatch.setattr(locks, "FOR_A_REQUEST", 600)


@pytest.fixture
def connected():
    """Connect a receiver for the length of a test."""
    held = []

    def connect(signal, receiver, **kwargs):
        signal.connect(receiver, weak=False, **kwargs)
        held.append((signal, receiver, kwargs))

    yield connect
    for signal, receiver, kwargs in held:
        signal.disconnect(receiver, **kwargs)


#: How often what hangs on the moment is tried.
TRIES = pytest.mark.parametrize("again", range(50 if THOROUGH else 1))


@TRIES
@pytest.mark.quick
def test_twenty_threads_with_the_same_reply_record_one_transaction(shopper, mailoutbox, again):
    order = shopper.check_out()
    answer = shopper.submit()
    endpoints = [(answer.reply, {}), (answer.merchant_posts[0].pairs, {"url": MERCHANT_POST})]
    codes = in_threads(lambda number: post_reply(endpoints[number % 2][0], **endpoints[number % 2][1]).status_code, 20)
    assert set(codes) == {303, 200}
    assert Transaction.objects.filter(source__order=order).count() == 1
    assert PaymentEvent.objects.filter(order=order).count() == 1
    assert order.sources.get().amount_allocated == order.total_incl_tax
    assert CyberSourceReply.objects.count() == 20
    assert CyberSourceReply.objects.filter(result="settled").count() == 1
    assert len(mailoutbox) == 1


def by_both_endpoints(*replies):
    """What the n-th of many threads posts: each reply in turn, by the browser and by the server in turn."""
    endpoints = [(reply, url) for reply in replies for url in (REPLY, MERCHANT_POST)]

    def post(number):
        reply, url = endpoints[number % len(endpoints)]
        return post_reply(reply, url=url).status_code

    return post


def go_on_in_another_browser(shopper, order):
    """With the link that a shop sends for an order that is not paid: the first browser's attempt is replaced."""
    other = Shopper(gateway=shopper.gateway)
    body = {"order": OrderTokenField.get_order_token(order), "payment": shopper.payload()["payment"]}
    posted = other.client.post("/api/checkout/complete-deferred-payment/", body, content_type="application/json")
    assert posted.status_code == 200
    return other


def paid_once(order, mails):
    """Status, basket, charges and mails of an order that was paid, once, and nobody can buy again."""
    order.refresh_from_db()
    order.basket.refresh_from_db()
    assert order.status == "Authorized"
    assert order.basket.status == "Submitted"
    assert Transaction.objects.filter(source__order=order).count() == 1
    assert PaymentEvent.objects.filter(order=order).count() == 1
    assert order.sources.get().amount_allocated == order.total_incl_tax
    assert not CyberSourceReply.objects.filter(result="received").exists()
    assert len(mails) == 1


@TRIES
def test_twenty_threads_with_one_attempts_charge_and_anothers_decline_pay_the_order(shopper, mailoutbox, again):
    """The shopper had gone on in another browser; then the first attempt is charged while the second is declined."""
    order = shopper.check_out()
    first = shopper.attempt()
    go_on_in_another_browser(shopper, order)
    declined = shopper.reply(decision="DECLINE", reason_code="203", auth_amount="")
    assert set(in_threads(by_both_endpoints(shopper.reply(first), declined), 20)) == {303, 200}
    paid_once(order, mailoutbox)
    states = order.cybersource_attempts.order_by("pk").values_list("state", "attention")
    assert list(states) == [("authorized", "replaced-charge"), ("declined", "")]


@TRIES
def test_a_late_charge_and_a_retry_at_the_same_moment_leave_the_order_paid_once(shopper, mailoutbox, again):
    """Whichever of the two comes second sees the first, and what PostgreSQL breaks off is mended by a redelivery."""
    order = shopper.check_out()
    late = shopper.reply()
    post_reply(shopper.reply(decision="DECLINE", reason_code="203", auth_amount=""))
    shopper.client.get(f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/")
    payload = shopper.payload()
    shopper.client.raise_request_exception = False
    post = by_both_endpoints(late)

    def work(number):
        if number == 0:
            return shopper.client.post("/api/checkout/", payload, content_type="application/json").status_code
        return post(number)

    retried, *answers = in_threads(work, 7)
    assert retried in (200, 403, 406, 500)  # placed again, too late, or broken off
    assert set(answers) <= {303, 200, 500}
    assert post(0) == 303
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert Transaction.objects.filter(source__order=order).count() == 1
    assert order.sources.get().amount_allocated == order.total_incl_tax
    assert not order.basket.can_be_edited
    assert order.cybersource_attempts.earliest("pk").attention == "after-decline"
    assert len(mailoutbox) == 1


@TRIES
def test_twenty_threads_with_a_payment_under_review_and_its_acceptance_pay_the_order_once(shopper, mailoutbox, again):
    order = shopper.check_out()
    answer = shopper.submit(card(cards.REVIEW))
    body = shopper.gateway.decide(answer.payment.id, "ACCEPT").body
    post = by_both_endpoints(answer.reply)
    codes = in_threads(lambda number: post(number) if number % 3 else post_notification(body).status_code, 20)
    assert set(codes) == {303, 200}
    paid_once(order, mailoutbox)
    assert Transaction.objects.get().status == "ACCEPT"
    assert ReviewNotificationUpdate.objects.filter(state="recorded").count() == 1
    assert not ReviewNotificationUpdate.objects.filter(state__in=["waiting", "failed"]).exists()


@TRIES
def test_a_charge_while_staff_cancel_is_recorded_and_does_not_go_unnoticed(shopper, mailoutbox, again):
    """Either the order was authorized first, with its e-mail, and then cancelled, or it was not: staff are told."""
    order = shopper.check_out()
    post = by_both_endpoints(shopper.reply())
    codes = in_threads(lambda number: post(number) if number else order.set_status("Canceled"), 9)
    assert set(codes[1:]) == {303, 200}
    order.refresh_from_db()
    assert order.status == "Canceled"
    assert Transaction.objects.filter(source__order=order).count() == 1
    unexpected = shopper.attempt().attention == "closed-order"
    assert (len(mailoutbox), unexpected) in ((1, False), (0, True))
    (item,) = AttentionItem.objects.all()
    assert (item.kind, item.date_cleared) == ("closed-order", None)


def test_two_different_charges_at_the_same_moment_are_both_recorded_and_one_is_flagged(shopper, mailoutbox):
    order = shopper.check_out()
    replies = [shopper.reply(), shopper.reply()]
    in_threads(lambda number: post_reply(replies[number % 2]), 8)
    assert Transaction.objects.filter(source__order=order).count() == 2
    assert sum(source.amount_allocated for source in order.sources.all()) == 2 * order.total_incl_tax
    assert shopper.attempt().attention == "extra-charge"
    assert len(mailoutbox) == 1


def test_an_error_while_recording_leaves_the_evidence_and_the_next_delivery_settles(shopper, connected, mailoutbox):
    order = shopper.check_out()
    answer = shopper.submit()
    broken = [True]

    def break_once(sender, **kwargs):
        if broken and broken.pop():
            raise DatabaseError("the disk is on fire")

    connected(pre_save, break_once, sender=Transaction)
    assert post_reply(answer.reply).status_code == 303
    assert CyberSourceReply.objects.get().result == "received"
    assert order.sources.count() == 0
    assert mailoutbox == []
    assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert Transaction.objects.count() == 1
    assert len(mailoutbox) == 1
    call_command("cybersource_reprocess")
    assert Transaction.objects.count() == 1
    assert not CyberSourceReply.objects.filter(result="received").exists()
    assert len(mailoutbox) == 1


def test_a_reply_that_was_logged_and_never_settled_is_settled_by_the_command(shopper, connected, mailoutbox, capsys):
    order = shopper.check_out()
    answer = shopper.submit()

    def broken(sender, **kwargs):
        raise DatabaseError("the disk is on fire")

    pre_save.connect(broken, sender=Transaction, weak=False)
    try:
        assert post_reply(answer.reply).status_code == 303
        call_command("cybersource_reprocess")
        assert "replies waiting: 1" in capsys.readouterr().out
    finally:
        pre_save.disconnect(broken, sender=Transaction)
    call_command("cybersource_reprocess")
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert len(mailoutbox) == 1
    assert "replies settled: 1" in capsys.readouterr().out


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize(("endpoint", "answered"), [(REPLY, 303), (MERCHANT_POST, 503)])
def test_the_evidence_is_committed_while_the_view_still_runs(
    shopper, connected, monkeypatch, endpoint, answered, atomic
):
    """Also under ATOMIC_REQUESTS: another connection sees it before its effects, which then fail."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    order = shopper.check_out()
    reply = shopper.reply()
    seen = []

    def look_and_break(sender, **kwargs):
        seen.append(at_once(lambda: list(CyberSourceReply.objects.values_list("result", flat=True))))
        raise DatabaseError("the disk is on fire")

    connected(pre_save, look_and_break, sender=Transaction)
    assert post_reply(reply, url=endpoint).status_code == answered
    assert seen == [[["received"]]]
    assert CyberSourceReply.objects.get().result == "received"
    order.refresh_from_db()
    assert order.status == "Pending"


@pytest.mark.parametrize("signal", [signals.reply_recorded, order_payment_authorized])
def test_a_receiver_that_raises_harms_neither_the_payment_nor_the_mail(shopper, connected, signal, mailoutbox):
    def broken(**kwargs):
        raise RuntimeError("a shop's own mistake")

    connected(signal, broken)
    order = shopper.check_out()
    assert shopper.pay().headers["Location"] == "/checkout/thank-you/"
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert len(mailoutbox) == 1


def test_a_mail_server_that_is_down_costs_no_payment_and_the_mail_goes_out_later_once(shopper, settings, mailoutbox):
    order = shopper.check_out()
    settings.EMAIL_BACKEND = "tests.payments.test_exactly_once.NoMail"
    shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    confirmation = OrderConfirmation.objects.get(order=order)
    assert confirmation.date_sent is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    call_command("cybersource_reprocess")
    assert mailoutbox == []  # somebody may still be sending it
    OrderConfirmation.objects.update(date_claimed=confirmation.date_claimed - LEASE)
    call_command("cybersource_reprocess")
    call_command("cybersource_reprocess")
    assert len(mailoutbox) == 1


class NoMail:
    def __init__(self, *args, **kwargs):
        pass

    def send_messages(self, messages):
        raise OSError("connection refused")


def test_a_process_killed_before_the_mail_is_claimed_sends_it_once_afterwards(shopper, monkeypatch, mailoutbox):
    order = shopper.check_out()
    shopper.pay()
    assert len(mailoutbox) == 1
    mailoutbox.clear()
    OrderConfirmation.objects.filter(order=order).update(date_claimed=None, date_sent=None)
    call_command("cybersource_reprocess")
    call_command("cybersource_reprocess")
    assert len(mailoutbox) == 1


def test_the_authorization_signal_carries_a_request_that_stands_for_the_orders_owner(shopper, connected):
    user = customer()
    shopper.client.force_login(user)
    shopper.check_out()
    seen = []
    connected(order_payment_authorized, lambda sender, order, request, **kwargs: seen.append(request))
    answer = shopper.submit()
    post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST)
    (request,) = seen
    assert request.user == user
    assert request.get_host() == "testserver"
    assert request.session.get("anything") is None


def test_a_second_charge_on_a_paid_order_is_recorded_flagged_noted_and_signalled(shopper, connected, mailoutbox):
    seen = []
    connected(signals.unexpected_charge, lambda **kwargs: seen.append(kwargs))
    order = shopper.check_out()
    shopper.pay()
    post_reply(shopper.reply())
    assert Transaction.objects.filter(source__order=order).count() == 2
    (told,) = seen
    assert told["attention"] == "extra-charge"
    assert told["order"] == order
    assert told["reply"] == CyberSourceReply.objects.first()
    assert any("second charge" in note.message for note in order.notes.all())
    assert len(mailoutbox) == 1


def test_an_accept_for_a_replaced_attempt_pays_the_order_is_flagged_and_no_second_card_is_asked_for(
    shopper, connected, mailoutbox
):
    seen = []
    connected(signals.unexpected_charge, lambda attention, **kwargs: seen.append(attention))
    order = shopper.check_out("10.00")
    answer = shopper.submit()
    other = go_on_in_another_browser(shopper, order)
    assert other.state()["required_action"] is not None
    shopper.deliver(answer)
    paid_once(order, mailoutbox)
    assert seen == ["replaced-charge"]
    assert [attempt.state for attempt in order.cybersource_attempts.order_by("pk")] == ["authorized", "open"]
    assert other.state()["required_action"] is None


def test_an_accept_for_a_cancelled_order_is_recorded_and_never_authorizes_it(shopper, connected, mailoutbox):
    seen = []
    connected(signals.unexpected_charge, lambda attention, **kwargs: seen.append(attention))
    order = shopper.check_out()
    answer = shopper.submit()
    order.set_status("Canceled")
    shopper.deliver(answer)
    order.refresh_from_db()
    assert order.status == "Canceled"
    assert order.sources.get().amount_allocated == order.total_incl_tax
    assert seen == ["closed-order"]
    assert mailoutbox == []


def test_a_confirmation_is_resent_for_the_host_the_order_was_paid_on(shopper, settings, mailoutbox):
    """A shop of several hosts has no SITE_ID, and its ALLOWED_HOSTS do not hold localhost."""
    settings.ALLOWED_HOSTS = ["testserver"]
    order = shopper.check_out()
    shopper.pay()
    mailoutbox.clear()
    OrderConfirmation.objects.filter(order=order).update(date_claimed=None, date_sent=None)
    del settings.SITE_ID
    site = Site.objects.create(domain="testserver", name="testserver")
    try:
        call_command("cybersource_reprocess")
        assert len(mailoutbox) == 1
    finally:
        site.delete()  # the sites are of the migrations, and stay from test to test


def test_a_retry_that_authorizes_what_a_late_reply_had_authorized_sends_no_second_mail(shopper, mailoutbox):
    """api-checkout writes "Pending" over the order it read a moment ago, and then authorizes it by itself."""
    order = shopper.check_out()
    shopper.pay()
    assert len(mailoutbox) == 1
    type(order).objects.filter(pk=order.pk).update(status="Pending")
    order.refresh_from_db()
    _set_order_authorized(order, shopper.client.get("/api/basket/").wsgi_request)
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert len(mailoutbox) == 1


def test_an_order_that_api_checkout_authorizes_has_its_confirmation_accounted_for_too(shopper, mailoutbox):
    order = shopper.check_out("10.00")
    request = shopper.client.get("/api/basket/").wsgi_request
    _set_order_authorized(order, request)
    assert len(mailoutbox) == 1
    assert OrderConfirmation.objects.get(order=order).date_sent is not None


def test_a_shop_that_takes_api_checkouts_mail_away_gets_none_from_us(shopper, mailoutbox):
    assert order_payment_authorized.disconnect(handlers.send_order_confirmation_message)
    try:
        order = shopper.check_out()
        shopper.pay()
    finally:
        order_payment_authorized.connect(handlers.send_order_confirmation_message)
        stand_in_for_the_mail()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert mailoutbox == []
    assert OrderConfirmation.objects.get(order=order).date_sent is not None
