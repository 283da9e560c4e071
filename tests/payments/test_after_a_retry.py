"""A shopper tries again with other methods or amounts: what is held, what counts, and what staff are told."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connections, transaction
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings
from oscarapicheckout.serializers import OrderTokenField
from oscarapicheckout.utils import OrderUpdater

from cybersource.models import AttemptState, CyberSourceReply, PaymentAttempt
from cybersource.payments import orders
from cybersource.simulator import Update
from tests.support.reviewing import tell
from tests.support.shop import ONE_CARD, Shopper, customer, latest, post_reply, two_cards
from tests.support.threads import at_once, wait_until_somebody_waits

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")


def accept(shopper, key, **fields):
    assert post_reply(shopper.reply(latest(key), **fields)).status_code == 303


def decline(shopper, key):
    accept(shopper, key, decision="DECLINE", reason_code="203", auth_amount="")
    shopper.client.get(f"/api/cybersource/return/{latest(key).transaction_uuid}/")


def gift_card(order, amount, currency="USD"):
    """Another app's method pays a part."""
    kind, _created = SourceType.objects.get_or_create(name="Gift card")
    return Source.objects.create(
        order=order, source_type=kind, currency=currency, amount_allocated=Decimal(amount), reference="GIFT-1"
    )


@pytest.mark.quick
def test_more_than_the_order_costs_is_flagged_noted_and_signalled(shopper, unexpected):
    """Two cards pay their parts, and a gift card came in between."""
    order = shopper.check_out("100.00", payment=two_cards())
    accept(shopper, "a")
    gift_card(order, "10.00")
    accept(shopper, "b")
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert unexpected == ["excess-charge"]
    assert latest("b").attention == "excess-charge"
    assert any("more is charged than the order costs" in note.message for note in order.notes.all())


def test_a_review_accepted_on_top_of_other_money_is_flagged_too(shopper, unexpected):
    order = shopper.check_out("100.00", payment=two_cards())
    accept(shopper, "a", decision="REVIEW", reason_code="480", transaction_id="7300000000000000000001")
    gift_card(order, "50.00")
    accept(shopper, "b")
    order.refresh_from_db()
    assert (order.status, unexpected) == ("Authorized", [])
    update = Update(reference_number=order.number, request_id="7300000000000000000001", new_decision="ACCEPT")
    assert tell(update, gateway=shopper.gateway) == 200
    assert unexpected == ["excess-charge"]
    assert latest("a").attention == "excess-charge"
    assert any("more is charged than the order costs" in note.message for note in order.notes.all())


def test_what_staff_were_asked_to_reverse_does_not_pay_the_order(shopper):
    order = shopper.check_out("100.00", payment=two_cards())
    accept(shopper, "a")
    decline(shopper, "b")
    shopper.check_out(payment=two_cards("60.00"))
    accept(shopper, "a")
    order.refresh_from_db()
    assert order.status == "Pending"
    assert shopper.state("b")["required_action"] is not None
    accept(shopper, "b")
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert orders.money_held(order) == order.total_incl_tax


def test_an_old_tab_of_a_dropped_card_cannot_decline_the_retry(shopper):
    order = shopper.check_out("100.00", payment=two_cards())
    decline(shopper, "b")
    assert latest("a").state == AttemptState.REPLACED
    shopper.check_out(payment=ONE_CARD)
    accept(shopper, "a", decision="DECLINE", reason_code="203", auth_amount="")
    order.refresh_from_db()
    assert order.status == "Pending"
    assert shopper.state()["required_action"] is not None
    accept(shopper, "cybersource")
    order.refresh_from_db()
    assert order.status == "Authorized"


def one_of_two_cards_is_unsettled_and_the_shopper_retries_with_one(shopper, **said):
    order = shopper.check_out("100.00", payment=two_cards())
    accept(shopper, "a", **said)
    decline(shopper, "b")
    shopper.check_out(payment=ONE_CARD)
    return order


@pytest.mark.parametrize(
    "late",
    [
        {"decision": "DECLINE", "reason_code": "203", "auth_amount": ""},
        {"decision": "ACCEPT", "reason_code": "110", "auth_amount": "10.00"},
        {"decision": "CANCEL", "reason_code": "", "auth_amount": ""},
    ],
    ids=["declined", "approved in part", "cancelled"],
)
def test_how_an_old_card_ended_whose_outcome_was_unknown_cannot_decline_the_retry(shopper, late):
    unknown = {"decision": "ERROR", "reason_code": "151", "auth_amount": ""}
    order = one_of_two_cards_is_unsettled_and_the_shopper_retries_with_one(shopper, **unknown)
    accept(shopper, "a", **late)
    order.refresh_from_db()
    assert order.status == "Pending"
    assert shopper.state()["required_action"] is not None
    accept(shopper, "cybersource")
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_a_part_approved_late_for_the_card_that_was_declined_cannot_decline_the_retry(shopper, unexpected):
    order = shopper.check_out("100.00")
    first = shopper.attempt()
    decline(shopper, "cybersource")
    shopper.check_out()
    part = shopper.reply(first, decision="ACCEPT", reason_code="110", auth_amount="10.00")
    assert post_reply(part).status_code == 303
    order.refresh_from_db()
    assert (order.status, unexpected) == ("Pending", ["partial"])
    assert shopper.state()["required_action"] is not None


def test_a_reviewer_who_rejects_an_old_card_cannot_decline_the_retry(shopper):
    reviewed = {"decision": "REVIEW", "reason_code": "480", "transaction_id": "7300000000000000000001"}
    order = one_of_two_cards_is_unsettled_and_the_shopper_retries_with_one(shopper, **reviewed)
    update = Update(reference_number=order.number, request_id="7300000000000000000001", new_decision="REJECT")
    assert tell(update, gateway=shopper.gateway) == 200
    order.refresh_from_db()
    assert order.status == "Pending"
    assert shopper.state()["required_action"] is not None


@pytest.mark.parametrize("browser", ["the same browser", "another browser"])
def test_a_charge_recorded_while_the_order_is_placed_again_is_not_asked_for_twice(
    shopper, monkeypatch, mailoutbox, browser
):
    """api-checkout has read that the order is declined; before it writes "Pending", the first card's charge arrives."""
    maya = customer()
    shopper.client.force_login(maya)
    order = shopper.check_out("100.00")
    late = shopper.reply()
    decline(shopper, "cybersource")
    update_order = OrderUpdater.update_order

    def after_the_charge(self, order, *args, **kwargs):
        assert at_once(lambda: post_reply(late).status_code) == [303]
        return update_order(self, order, *args, **kwargs)

    monkeypatch.setattr(OrderUpdater, "update_order", after_the_charge)
    if browser == "another browser":
        shopper = Shopper(gateway=shopper.gateway)
        shopper.client.force_login(maya)
    shopper.check_out()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert PaymentAttempt.objects.filter(order=order).count() == 1
    assert PaymentAttempt.objects.get().attention == "after-decline"
    assert len(mailoutbox) == 1


def test_a_deferred_payment_that_was_declined_can_be_tried_again(shopper, monkeypatch):
    pay_later = {"method": "oscarapicheckout.methods.PayLater", "permission": "oscarapicheckout.permissions.Public"}
    methods = [*checkout_settings.API_ENABLED_PAYMENT_METHODS, pay_later]
    monkeypatch.setattr(checkout_settings, "API_ENABLED_PAYMENT_METHODS", methods)
    order = shopper.check_out("10.00", payment={"pay-later": {"enabled": True, "pay_balance": True}})
    body = {"order": OrderTokenField.get_order_token(order), "payment": ONE_CARD}
    for outcome in (decline, accept):
        answer = shopper.client.post("/api/checkout/complete-deferred-payment/", body, content_type="application/json")
        assert answer.status_code == 200, answer.content
        assert shopper.state()["required_action"] is not None
        outcome(shopper, "cybersource")
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.parametrize("key", ["k" * 65, "k\0"])
def test_a_method_key_that_no_page_sends_is_an_ordinary_decline(shopper, key):
    order = shopper.check_out("10.00", payment={key: {"method_type": "cybersource", "enabled": True}})
    order.refresh_from_db()
    assert order.status == "Payment Declined"
    assert PaymentAttempt.objects.count() == 0


def test_a_reply_that_deadlocks_with_a_retry_is_settled_all_the_same(shopper, caplog):
    """api-checkout's retry deletes the order's lines before it touches the order; a reply locks the order first."""
    order = shopper.check_out("100.00")
    reply = shopper.reply()
    lines_gone, waiting = threading.Event(), threading.Event()
    outcomes = {}

    def retry():
        try:
            with transaction.atomic():
                order.lines.all().delete()
                lines_gone.set()
                assert waiting.wait(30)
                Order.objects.filter(pk=order.pk).update(guest_email="again@example.com")
            outcomes["retry"] = "done"
        except Exception as problem:
            outcomes["retry"] = type(problem).__name__
        finally:
            connections.close_all()

    def pay():
        try:
            assert lines_gone.wait(30)
            outcomes["reply"] = post_reply(reply).status_code
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for work in (retry, pay)]
    for thread in threads:
        thread.start()
    try:
        wait_until_somebody_waits()  # the reply's transaction now holds the order and wants the lines
    finally:
        waiting.set()
        for thread in threads:
            thread.join(60)
    broken_off = {outcomes["retry"], *("reply" for record in caplog.records if "(40P01)" in record.getMessage())}
    assert broken_off in ({"OperationalError"}, {"done", "reply"}), "PostgreSQL ends one of the two"
    assert outcomes["reply"] == 303
    assert CyberSourceReply.objects.get().result == "settled"
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_two_source_types_of_one_name_do_not_stop_payments(shopper):
    for _twice in range(2):
        SourceType.objects.create(name="Cybersource Secure Acceptance")
    order = shopper.check_out()
    shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
