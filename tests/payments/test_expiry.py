"""No answer comes: the attempt ends by itself, the basket is opened only where no charge can exist."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_model

from cybersource.checkout import forms
from cybersource.models import AttemptState, AttentionItem, CyberSourceReply, PaymentAttempt
from cybersource.payments import attempts, expiry, orders
from cybersource.simulator import cards
from tests.support.shop import MERCHANT_POST, UNKNOWN, card, customer, latest, post_reply, two_cards, voucher
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("one_step")

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")
Voucher = get_model("voucher", "Voucher")


@pytest.fixture
def two_step(settings):
    settings.CYBERSOURCE_FLOW = "two-step"


def run(capsys=None, **options):
    call_command("cybersource_expire_attempts", **options)
    return capsys.readouterr().out if capsys else ""


def wait(hours=2):
    """Time passes for every attempt."""
    for attempt in PaymentAttempt.objects.all():
        PaymentAttempt.objects.filter(pk=attempt.pk).update(date_signed=attempt.date_signed - timedelta(hours=hours))


def fate(order):
    """What the order and its basket look like."""
    order = Order.objects.get(pk=order.pk)
    return order.status, Basket.objects.get(pk=order.basket_id).status


def states(order):
    return list(PaymentAttempt.objects.filter(order=order).order_by("pk").values_list("state", flat=True))


def listed(**which):
    return list(AttentionItem.objects.filter(date_cleared=None, **which).order_by("pk").values_list("kind", flat=True))


KEPT, THAWED, PAID = ("Pending", "Frozen"), ("Payment Declined", "Open"), ("Authorized", "Submitted")


# -- where no charge can exist -------------------------------------------------------------------------------------


def test_a_card_form_that_only_stores_the_card_ends_as_a_decline(two_step, shopper, capsys):
    order = shopper.check_out("64.50")
    shopper.form()
    wait()
    assert "orders given up, no charge possible: 1" in run(capsys)
    assert fate(order) == THAWED
    assert states(order) == ["expired"]
    assert listed() == []
    assert any("no charge can exist" in note.message for note in order.notes.all())


@pytest.mark.quick
def test_a_payment_form_that_was_never_shown_ends_as_a_decline(shopper):
    order = shopper.check_out("64.50")
    wait()
    run()
    assert fate(order) == THAWED
    assert listed() == []


def test_vouchers_are_given_back_and_the_shopper_pays_the_same_order_later(two_step, shopper):
    code = voucher("SAVE")
    shopper.fill_basket("64.50")
    assert shopper.client.post("/api/basket/add-voucher/", {"vouchercode": code}).status_code == 200
    order = shopper.check_out()
    wait()
    run()
    assert Voucher.objects.get().num_orders == 0
    assert shopper.state()["status"] == "Declined"
    shopper.client.get(f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/")
    again = shopper.check_out()
    assert again.pk == order.pk
    assert shopper.state()["required_action"] is not None
    shopper.pay()
    assert fate(order) == PAID
    assert Voucher.objects.get().num_orders == 1


def test_an_authorization_whose_form_was_never_shown_after_the_card_was_stored_is_given_up(two_step, shopper):
    order = shopper.check_out("10.00")
    post_reply(shopper.submit().reply)  # and the browser never comes back for the second form
    wait()
    run()
    assert fate(order) == THAWED
    assert states(order) == ["tokenized", "expired"]


def test_an_unknown_outcome_of_storing_a_card_moved_no_money(two_step, shopper):
    order = shopper.check_out("10.00")
    post_reply(shopper.reply(**UNKNOWN))
    wait()
    run()
    assert fate(order) == THAWED
    assert listed() == []


# -- where the card may have been charged --------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["one-step", "sale", "sale-with-token"])
def test_a_payment_form_that_was_shown_keeps_the_order_and_asks_staff(shopper, settings, unexpected, capsys, flow):
    settings.CYBERSOURCE_FLOW = flow
    order = shopper.check_out("64.50")
    shopper.form()
    wait()
    assert "orders left to staff: 1" in run(capsys)
    assert fate(order) == KEPT
    assert states(order) == ["expired"]
    assert listed(order=order) == ["no-answer"]
    assert any("Look the reference number up" in note.message for note in order.notes.all())
    assert unexpected == []  # nobody knows of a charge


def test_an_authorization_form_that_was_shown_keeps_the_order_too(two_step, shopper):
    order = shopper.check_out("10.00")
    shopper.deliver(shopper.submit())
    assert dict(shopper.form())["transaction_type"] == "authorization"
    wait()
    run()
    assert fate(order) == KEPT
    assert states(order) == ["tokenized", "expired"]
    assert AttentionItem.objects.get().card_last4 == "1111"


def test_an_unknown_outcome_that_nobody_clears_up_is_left_to_staff(shopper):
    order = shopper.check_out("10.00")
    post_reply(shopper.reply(**UNKNOWN))
    wait()
    run()
    assert fate(order) == KEPT
    assert listed(order=order) == ["no-answer"]


def test_the_shopper_is_told_in_plain_true_words_that_nobody_knows_yet(shopper):
    order = shopper.check_out("10.00")
    shopper.form()
    wait()
    run()
    assert shopper.state() == {"status": "Pending", "amount": str(order.total_incl_tax), "required_action": None}
    page = shopper.client.get(f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/", follow=True)
    text = page.content.decode()
    assert "We have not heard how your payment ended" in text
    assert "Please do not pay again" in text
    assert "The shop is now checking whether your card was charged" in text


def test_the_shopper_is_told_in_plain_true_words_that_nothing_was_charged(two_step, shopper):
    order = shopper.check_out("10.00")
    shopper.form()
    wait()
    run()
    handle = shopper.attempt().transaction_uuid
    (message,) = shopper.told(shopper.client.get(f"/api/cybersource/return/{handle}/"))
    assert message == (
        f"The payment of order {order.number} was not completed in time. Nothing was charged. Please try again."
    )
    assert shopper.client.get("/api/basket/").json()["id"] == order.basket_id


# -- what is left alone ----------------------------------------------------------------------------------------------


def test_what_waits_for_less_than_the_time_out_goes_on_waiting(two_step, shopper, settings, capsys):
    order = shopper.check_out("10.00")
    wait(hours=2)
    settings.CYBERSOURCE_ATTEMPT_TIMEOUT = timedelta(hours=3)
    assert run(capsys) == "no attempt is due\n"
    settings.CYBERSOURCE_ATTEMPT_TIMEOUT = 3600
    run()
    assert fate(order) == THAWED


def test_the_clock_starts_anew_when_the_form_is_shown_again(two_step, shopper):
    order = shopper.check_out("10.00")
    wait()
    shopper.form()
    run()
    assert fate(order) == KEPT
    assert states(order) == ["open"]


@pytest.mark.parametrize("number", [cards.APPROVED, cards.REVIEW])
def test_a_payment_that_is_authorized_or_under_review_never_expires(shopper, number, capsys):
    order = shopper.check_out("10.00")
    shopper.pay(number)
    before = fate(order), states(order)
    wait(hours=1000)
    assert run(capsys) == "no attempt is due\n"
    assert (fate(order), states(order)) == before


def test_an_order_that_staff_cancelled_stays_cancelled_and_its_attempt_just_ends(shopper, capsys):
    order = shopper.check_out("10.00")
    shopper.form()
    order.set_status("Canceled")
    wait()
    assert "not waiting for payment, attempts ended: 1" in run(capsys)
    assert fate(order) == ("Canceled", "Frozen")
    assert (states(order), listed()) == (["expired"], [])


def test_an_unknown_outcome_on_an_order_that_goes_on_without_it_is_left_to_staff(shopper):
    order = shopper.check_out("10.00")
    post_reply(shopper.reply(**UNKNOWN))
    Order.objects.filter(pk=order.pk).update(status="Authorized")
    wait()
    run()
    assert Order.objects.get(pk=order.pk).status == "Authorized"
    assert listed(order=order) == ["no-answer"]


def test_an_open_form_of_an_order_that_is_paid_already_just_ends(shopper):
    order = shopper.check_out("10.00")
    shopper.form()
    Order.objects.filter(pk=order.pk).update(status="Authorized")
    wait()
    run()
    assert Order.objects.get(pk=order.pk).status == "Authorized"
    assert (states(order), listed()) == (["expired"], [])


def test_an_answer_that_was_logged_and_not_acted_on_decides_and_not_the_clock(shopper, capsys):
    order = shopper.check_out("10.00")
    post_reply(shopper.reply())
    # As a process leaves it that was killed between log and settlement.
    CyberSourceReply.objects.update(result="received")
    PaymentAttempt.objects.update(state=AttemptState.OPEN, settling_reply=None, source=None)
    Transaction.objects.all().delete()
    order.sources.all().delete()
    Order.objects.filter(pk=order.pk).update(status="Pending")
    wait()
    assert "to be recorded by cybersource_reprocess: 1" in run(capsys)
    assert states(order) == ["open"]
    assert listed() == []
    CyberSourceReply.objects.update(date_created=timezone.now() - timedelta(hours=2))
    run()
    run()
    assert listed(order=order) == ["unrecorded"]
    call_command("cybersource_reprocess")
    run()
    assert Order.objects.get(pk=order.pk).status == "Authorized"
    assert listed() == []


def test_a_dry_run_says_what_would_end_and_changes_nothing(two_step, shopper, capsys):
    order = shopper.check_out("10.00")
    wait()
    heard = []

    def hear(sender, new_status, **kwargs):
        heard.append(new_status)

    order_status_changed.connect(hear)
    try:
        out = run(capsys, dry_run=True)
    finally:
        order_status_changed.disconnect(hear)
    assert heard == []
    assert "orders given up, no charge possible: 1" in out and "nothing was changed" in out
    assert fate(order) == KEPT
    assert states(order) == ["open"]
    assert order.notes.count() == 0


def test_running_it_again_changes_nothing(shopper):
    order = shopper.check_out("10.00")
    shopper.form()
    wait()
    run()
    run()
    assert AttentionItem.objects.count() == 1
    assert order.notes.count() == 1


def test_nonsense_in_the_setting_stops_the_command_before_it_does_anything(two_step, shopper, settings):
    order = shopper.check_out("10.00")
    wait()
    settings.CYBERSOURCE_ATTEMPT_TIMEOUT = -1
    with pytest.raises(SystemCheckError, match="E020"):
        call_command("cybersource_expire_attempts", skip_checks=False)
    assert states(order) == ["open"]


# -- several methods -------------------------------------------------------------------------------------------------


def test_cash_and_an_unanswered_card_form_end_as_a_decline(two_step, shopper):
    clerk = customer("clerk@example.com")
    clerk.is_staff = True
    clerk.save()
    shopper.client.force_login(clerk)
    cash = {"enabled": True, "pay_balance": False, "amount": "4.00"}
    order = shopper.check_out("10.00", payment={"cash": cash, "cybersource": {"enabled": True, "pay_balance": True}})
    wait()
    run()
    assert fate(order) == THAWED


def test_an_order_that_one_card_paid_in_part_is_kept_and_left_to_staff(shopper):
    order = shopper.check_out("10.00", payment=two_cards("4.00"))
    post_reply(shopper.reply(latest("a")))
    wait()
    run()
    assert fate(order) == KEPT
    assert listed(order=order) == ["unpaid-rest"]
    assert states(order) == ["authorized", "expired"]
    assert shopper.state("b")["status"] == "Pending"


def test_two_forms_that_were_shown_are_two_questions_to_staff(shopper):
    order = shopper.check_out("10.00", payment=two_cards("4.00"))
    assert shopper.states
    wait()
    run()
    assert fate(order) == KEPT
    assert listed(order=order) == ["no-answer", "no-answer"]


def test_while_the_shopper_is_at_one_form_the_other_waits_with_it(two_step, shopper, capsys):
    order = shopper.check_out("10.00", payment=two_cards("4.00"))
    wait()
    PaymentAttempt.objects.filter(method_key="b").update(date_signed=timezone.now())
    assert "answered or shown again meanwhile: 1" in run(capsys)
    assert states(order) == ["open", "open"]


# -- what still arrives afterwards -----------------------------------------------------------------------------------


def test_an_accept_after_expiry_pays_the_kept_order_and_is_flagged_once(shopper, unexpected, mailoutbox):
    order = shopper.check_out("10.00")
    answer = shopper.submit()
    wait()
    run()
    for _again in range(2):
        post_reply(answer.reply)
        post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST)
    assert fate(order) == PAID
    assert unexpected == ["late-charge"]
    assert listed(order=order) == ["late-charge"]
    answered = AttentionItem.objects.get(kind="no-answer")
    assert (answered.cleared_by_name, answered.reason) == ("", "CyberSource's answer came.")
    assert len(mailoutbox) == 1
    assert Transaction.objects.filter(source__order=order).count() == 1


def test_an_accept_after_the_order_was_given_up_is_recorded_and_flagged_and_never_paid_and_thawed(shopper, unexpected):
    """The form was read a moment before the order was given up: nobody could know."""
    order = shopper.check_out("10.00")
    reply = shopper.reply()
    wait()
    run()
    assert fate(order) == THAWED
    post_reply(reply)
    assert fate(order) == PAID
    assert unexpected == ["late-charge"]
    assert listed(order=order) == ["late-charge"]


def test_a_review_after_expiry_holds_the_order_and_is_flagged(shopper, unexpected):
    order = shopper.check_out("10.00")
    answer = shopper.submit(card(cards.REVIEW))
    wait()
    run()
    post_reply(answer.reply)
    assert states(order) == ["review"]
    assert fate(order) == KEPT
    assert unexpected == ["late-charge"]


def test_a_decline_after_expiry_clears_the_question_and_gives_the_basket_back(shopper):
    order = shopper.check_out("10.00")
    answer = shopper.submit(card(cards.DECLINED))
    wait()
    run()
    assert fate(order) == KEPT
    post_reply(answer.reply)
    assert fate(order) == THAWED
    assert states(order) == ["declined"]
    assert listed() == []


def test_a_late_decline_of_an_ended_attempt_leaves_the_retry_alone(two_step, shopper):
    order = shopper.check_out("10.00")
    declined = shopper.submit(card(cards.STOLEN))
    wait()
    run()
    shopper.client.get(f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/")
    assert shopper.check_out().pk == order.pk
    post_reply(declined.reply)
    assert fate(order) == KEPT
    assert states(order) == ["expired", "open"]
    shopper.pay()
    assert fate(order) == PAID


def test_a_card_stored_too_late_begins_no_authorization(two_step, shopper):
    order = shopper.check_out("10.00")
    answer = shopper.submit()
    wait()
    run()
    post_reply(answer.reply)
    assert CyberSourceReply.objects.get().result == CyberSourceReply.Result.SUPERSEDED
    assert states(order) == ["expired"]
    assert fate(order) == THAWED


def test_an_unknown_outcome_after_expiry_changes_nothing_and_asks_nobody_twice(shopper):
    order = shopper.check_out("10.00")
    shopper.form()
    wait()
    run()
    post_reply(shopper.reply(**UNKNOWN))
    assert (fate(order), states(order)) == (KEPT, ["expired"])
    assert listed(order=order) == ["no-answer"]


# -- many machines, and the shopper, at the same moment ----------------------------------------------------------------


def test_twenty_machines_end_every_attempt_once(two_step, shopper):
    code = voucher("SAVE")
    placed = []
    for _number in range(3):
        shopper.fill_basket("10.00")
        shopper.client.post("/api/basket/add-voucher/", {"vouchercode": code})
        placed.append(shopper.check_out())
        shopper.client.cookies.clear()
    wait()
    counts = at_once(*[expiry.expire] * 20)
    assert sum(count[expiry.ExpiryResult.GIVEN_UP] for count in counts) == 3
    assert sum(count[expiry.ExpiryResult.FAILED] for count in counts) == 0
    assert Voucher.objects.get().num_orders == 0  # given back three times, not sixty
    for order in placed:
        assert fate(order) == THAWED
        assert order.notes.count() == 1


def test_an_order_that_somebody_else_works_on_is_passed_over_and_not_waited_for(two_step, shopper):
    order = shopper.check_out("10.00")
    wait()
    with transaction.atomic():
        orders.locked(order.pk)
        (counts,) = at_once(expiry.expire)
    assert counts == {expiry.ExpiryResult.BUSY: 1}
    assert states(order) == ["open"]
    run()
    assert fate(order) == THAWED


@pytest.mark.parametrize("number", [cards.APPROVED, cards.DECLINED])
@pytest.mark.parametrize("shown", [True, False])
def test_expiry_racing_with_the_reply_ends_in_one_outcome(shopper, unexpected, number, shown):
    """Whoever comes first: never paid with an open basket, and no late money that nobody is told of."""
    for _round in range(3):
        order = shopper.check_out("10.00")
        reply = shopper.submit(card(number)).reply
        if not shown:
            PaymentAttempt.objects.filter(order=order).update(date_shown=None)
        wait()
        unexpected.clear()
        at_once(lambda reply=reply: post_reply(reply).status_code, expiry.expire)
        run()
        assert fate(order) == (PAID if number == cards.APPROVED else THAWED)
        late = AttentionItem.objects.filter(order=order, kind="late-charge").count()
        assert unexpected == ["late-charge"] * late
        assert not AttentionItem.objects.filter(order=order, kind="no-answer", date_cleared=None).exists()
        assert PaymentAttempt.objects.get(order=order).state in ("authorized", "declined", "expired")
        shopper.client.cookies.clear()


def test_a_form_that_is_read_while_its_attempt_ends_is_not_shown_any_more(two_step, shopper):
    """The shopper's page has read the open attempt; it ends before the form is signed."""
    shopper.check_out("10.00")
    read = attempts.latest_step(shopper.attempt().pk).attempt
    wait()
    run()
    assert read.state == AttemptState.OPEN
    assert forms.form_for(read) is None
    assert PaymentAttempt.objects.get().date_shown is None


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_showing_a_form_again_writes_nothing(shopper):
    shopper.check_out("10.00")
    shopper.form()
    with CaptureQueriesContext(connection) as ran:
        forms.form_for(attempts.latest_step(shopper.attempt().pk).attempt)
    assert [query["sql"] for query in ran if not query["sql"].startswith("SELECT")] == []


def test_orders_are_looked_up_in_batches_and_each_ends_with_the_same_statements(two_step, shopper, monkeypatch):
    monkeypatch.setattr(expiry, "BATCH", 2)
    counts = []
    for many in (1, 5):
        for _number in range(many):
            shopper.check_out("10.00")
            shopper.client.cookies.clear()
        wait()
        with CaptureQueriesContext(connection) as ran:
            assert expiry.expire()[expiry.ExpiryResult.GIVEN_UP] == many
        counts.append(len(ran))
    print("statements to end 1 and 5 orders:", counts)
    # One look for a batch; what is held for declined orders, for forgotten ones and by what paid ones do not need; what
    # has lapsed, is recorded, paid or given up.
    sweep = 8
    assert counts[1] - sweep - 2 == 5 * (counts[0] - sweep)  # two more batches to look for
