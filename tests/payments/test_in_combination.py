"""Combinations: what is declined, asked about and told where several payments of one order meet."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import requests
from oscar.core.loading import get_model

from cybersource.models import AttentionItem, PaymentAttempt, PaymentOperation, PaymentToken
from cybersource.operations import stored_card
from cybersource.payments import attention_list, orders
from cybersource.payments.errors import InvalidOperation
from cybersource.reconciliation import operations
from cybersource.simulator import Update, cards
from tests.payments.test_after_a_retry import accept, gift_card
from tests.payments.test_expiry import KEPT, PAID, THAWED, fate, listed, run, states, wait
from tests.payments.test_unknown_outcomes import cancel, pay_again
from tests.support.reviewing import tell
from tests.support.shop import (
    DECLINE,
    ONE_CARD,
    UNKNOWN,
    Shopper,
    card,
    customer,
    latest,
    post_notification,
    post_reply,
    two_cards,
)

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")
Voucher = get_model("voucher", "Voucher")

REVIEW = {"decision": "REVIEW", "reason_code": "480"}
PARTIAL = {"reason_code": "110", "auth_amount": "19.50"}


def tx(digit):
    return {"transaction_id": str(digit) * 22}


def decide(shopper, order, digit, decision):
    update = Update(reference_number=order.number, request_id=str(digit) * 22, new_decision=decision)
    assert tell(update, gateway=shopper.gateway) == 200


@pytest.fixture
def boss(committed_db):
    return customer("boss@example.com")


# -- declined although a reviewer may still pay it ---------------------------------------------------------------------


def test_a_late_decline_of_an_unknown_outcome_leaves_the_order_to_the_reviewers_of_the_cards_tried_since(shopper):
    """The newer attempts are of other methods: the first is replaced by them, and staff look it up."""
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    post_reply(shopper.reply(first, **UNKNOWN, **tx(1)))
    other = pay_again(shopper, order, two_cards())
    accept(other, "a", **REVIEW, **tx(2))
    accept(other, "b", **REVIEW, **tx(3))
    assert states(order) == ["replaced", "review", "review"]
    post_reply(shopper.reply(first, **DECLINE, **tx(1)))
    assert fate(order) == KEPT


def test_a_decline_of_an_old_form_does_not_decline_what_one_card_paid_in_part_and_the_other_is_about_to(shopper):
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    other = pay_again(shopper, order, two_cards())
    accept(other, "a", **tx(2))
    assert other.state("b")["required_action"] is not None
    post_reply(shopper.reply(first, **DECLINE, **tx(1)))
    assert fate(order) == KEPT
    assert other.state("b")["required_action"] is not None


def test_a_part_approved_on_a_form_that_was_replaced_leaves_the_order_to_its_reviewer(shopper):
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    other = pay_again(shopper, order)
    accept(other, "cybersource", **REVIEW, **tx(2))
    assert states(order) == ["replaced", "review"]
    post_reply(shopper.reply(first, **PARTIAL, **tx(1)))
    assert (fate(order), listed()) == (KEPT, ["partial"])


def test_a_part_approved_in_an_old_tab_leaves_the_retry_to_its_reviewer(shopper):
    """One browser: declined, tried again, the retry is under review; then another card on the first tab's form."""
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    accept(shopper, "cybersource", **DECLINE, **tx(1))
    shopper.client.get(f"/api/cybersource/return/{first.transaction_uuid}/")
    shopper.check_out(payment=ONE_CARD)
    accept(shopper, "cybersource", **REVIEW, **tx(2))
    assert (fate(order), states(order)) == (KEPT, ["declined", "review"])
    post_reply(shopper.reply(first, **PARTIAL, **tx(3)))
    assert fate(order) == KEPT


def test_a_part_approved_on_the_form_that_was_paid_leaves_the_other_card_to_pay_its_part(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    assert shopper.states
    accept(shopper, "a", **tx(1))
    accept(shopper, "a", **PARTIAL, **tx(2))
    assert (fate(order), listed()) == (KEPT, ["partial"])
    accept(shopper, "b", **tx(3))
    assert (fate(order), listed()) == (PAID, ["partial"])


def test_a_reviewer_who_rejects_a_second_charge_leaves_the_order_to_the_first_and_the_other_card(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    assert shopper.states
    accept(shopper, "a", **tx(1))
    accept(shopper, "a", **REVIEW, **tx(2))
    decide(shopper, order, 2, "REJECT")
    assert fate(order) == KEPT
    assert shopper.state("b")["required_action"] is not None


def test_a_reviewer_who_rejects_the_newer_payment_leaves_the_order_to_the_older_one_under_review(shopper):
    order = shopper.check_out("64.50")
    accept(shopper, "cybersource", **REVIEW, **tx(1))
    other = pay_again(shopper, order)
    accept(other, "cybersource", **REVIEW, **tx(2))
    decide(shopper, order, 2, "REJECT")
    assert fate(order) == KEPT
    decide(shopper, order, 1, "REJECT")
    assert fate(order) == THAWED


def test_a_reviewer_who_rejects_the_older_payment_leaves_the_order_to_two_cards_under_review(shopper):
    order = shopper.check_out("64.50")
    accept(shopper, "cybersource", **REVIEW, **tx(1))
    other = pay_again(shopper, order, two_cards())
    accept(other, "a", **REVIEW, **tx(2))
    accept(other, "b", **REVIEW, **tx(3))
    decide(shopper, order, 1, "REJECT")
    assert fate(order) == KEPT


def test_a_second_try_that_is_declined_leaves_the_order_to_the_reviewer_of_the_first(shopper):
    order = shopper.check_out("64.50")
    accept(shopper, "cybersource", **REVIEW, **tx(1))
    other = pay_again(shopper, order)
    accept(other, "cybersource", **DECLINE, **tx(2))
    assert fate(order) == KEPT


# -- held or in doubt, and nobody told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [DECLINE, {}], ids=["declined", "accepted"])
def test_a_question_about_one_transaction_is_not_lost_when_another_on_its_form_is_answered(shopper, boss, ending):
    """Staff had found no charge by b; then CyberSource tells of one that it cannot say the end of, then of another."""
    shopper.check_out("64.50", payment=two_cards())
    assert shopper.states
    accept(shopper, "a", **tx(9))
    wait()
    run()
    assert listed() == ["no-answer"]
    attention_list.clear(AttentionItem.objects.get().pk, user=boss, reason="None there.", no_charge=True)
    assert listed() == ["unpaid-rest"]
    accept(shopper, "b", **UNKNOWN, **tx(1))
    assert listed(transaction_id="1" * 22) == ["no-answer"]
    accept(shopper, "b", **ending, **tx(2))
    assert listed(transaction_id="1" * 22) == ["no-answer"]


def test_what_a_card_holds_is_listed_also_when_the_other_cards_review_took_long(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    accept(shopper, "a", **tx(1))
    accept(shopper, "b", **REVIEW, **tx(2))
    for attempt in PaymentAttempt.objects.all():
        then = attempt.date_created - timedelta(days=8)
        PaymentAttempt.objects.filter(pk=attempt.pk).update(date_created=then, date_signed=then)
    run()
    assert (fate(order), listed()) == (KEPT, [])
    decide(shopper, order, 2, "REJECT")
    run()
    run()
    assert (fate(order), sorted(listed(order=order))) == (THAWED, ["hold-left", "unpaid-rest"])


def test_an_order_is_not_given_up_while_staff_are_asked_whether_a_replaced_form_charged_the_card(shopper):
    """On the replaced form one card was declined, and of another nobody knows. The retry's form was never shown."""
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    shopper.form()
    pay_again(shopper, order)
    post_reply(shopper.reply(first, **DECLINE, **tx(2)))
    post_reply(shopper.reply(first, **UNKNOWN, **tx(1)))
    assert listed(transaction_id="1" * 22) == ["no-answer"]
    wait()
    run()
    assert not any("no charge can exist" in note.message for note in order.notes.all())
    assert fate(order) == KEPT


# -- told twice, or told what is not so ------------------------------------------------------------------------------


def test_a_review_on_a_cancelled_order_that_is_accepted_is_signalled_once(shopper, unexpected):
    order = shopper.check_out("64.50")
    order.refresh_from_db()
    cancel(order)
    accept(shopper, "cybersource", **REVIEW, **tx(1))
    decide(shopper, order, 1, "ACCEPT")
    assert (unexpected, listed()) == (["closed-order"], ["closed-order"])


def test_a_second_charge_under_review_that_is_accepted_is_one_thing_to_look_at(shopper, unexpected):
    order = shopper.check_out("64.50")
    accept(shopper, "cybersource", **tx(1))
    accept(shopper, "cybersource", **REVIEW, **tx(2))
    decide(shopper, order, 2, "ACCEPT")
    assert AttentionItem.objects.filter(transaction_id="2" * 22, date_cleared=None).count() == 1
    assert len(unexpected) == 1


def test_an_excess_that_counted_before_the_reviewer_decided_is_signalled_once(shopper, settings, unexpected):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    order = shopper.check_out("100.00", payment=two_cards())
    accept(shopper, "a", **tx(1))
    gift_card(order, "10.00")
    accept(shopper, "b", **REVIEW, **tx(3))
    assert unexpected == ["excess-charge"]
    decide(shopper, order, 3, "ACCEPT")
    assert unexpected == ["excess-charge"]


def test_nobody_is_told_of_an_unpaid_rest_while_one_reviewer_may_release_all_of_it(shopper):
    order = shopper.check_out("64.50")
    accept(shopper, "cybersource", **REVIEW, **tx(1))
    pay_again(shopper, order)
    wait()
    run()
    assert (fate(order), listed()) == (KEPT, [])
    decide(shopper, order, 1, "ACCEPT")
    assert (fate(order), listed()) == (PAID, [])


def test_the_unpaid_rest_is_off_the_list_once_the_order_is_paid(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    accept(shopper, "a", **tx(1))
    wait()
    run()
    assert listed() == ["unpaid-rest"]
    other = pay_again(shopper, order, two_cards())
    accept(other, "b", **tx(2))
    assert fate(order) == PAID
    run()
    assert listed(kind="unpaid-rest") == []


def test_the_unpaid_rest_is_off_the_list_once_the_order_is_declined(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    accept(shopper, "a", **REVIEW, **tx(1))
    wait()
    run()
    assert listed() == ["unpaid-rest"]
    decide(shopper, order, 1, "REJECT")
    run()
    assert (fate(order), listed()) == (THAWED, ["hold-left"])


# -- relatives in one browser ------------------------------------------------------------------------------------------


def one_of_two_cards_is_unsettled_and_the_retry_with_one_is_under_review(shopper, **said):
    order = shopper.check_out("100.00", payment=two_cards())
    accept(shopper, "a", **said, **tx(1))
    accept(shopper, "b", **DECLINE, **tx(2))
    shopper.client.get(f"/api/cybersource/return/{latest('b').transaction_uuid}/")
    shopper.check_out(payment=ONE_CARD)
    accept(shopper, "cybersource", **REVIEW, **tx(3))
    assert fate(order) == KEPT
    return order


def test_a_reviewer_who_rejects_an_old_card_leaves_the_retry_to_its_own_reviewer(shopper):
    order = one_of_two_cards_is_unsettled_and_the_retry_with_one_is_under_review(shopper, **REVIEW)
    decide(shopper, order, 1, "REJECT")
    assert fate(order) == KEPT


@pytest.mark.parametrize("late", [PARTIAL, DECLINE], ids=["approved in part", "declined"])
def test_how_an_old_card_ended_whose_outcome_was_unknown_leaves_the_retry_to_its_reviewer(shopper, late):
    order = one_of_two_cards_is_unsettled_and_the_retry_with_one_is_under_review(shopper, **UNKNOWN)
    accept(shopper, "a", **late, **tx(1))
    assert fate(order) == KEPT


# -- with staff and the REST API --------------------------------------------------------------------------------------


def test_no_order_stays_paid_by_a_second_charge_that_is_being_given_back(desk, settings):
    """Treated as paid while under review; the second charge is reversed by itself; then the first is rejected."""
    settings.CYBERSOURCE_AUTO_REVERSE = True
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    shopper, other = (Shopper(gateway=desk.simulator.gateway) for _ in range(2))
    order = shopper.check_out("64.50")
    shopper.pay(cards.REVIEW)
    paid, case = shopper.attempt(), desk.simulator.payments[-1]
    assert fate(order) == PAID
    other.check_out("64.50")
    second = dict(other.submit().reply)["transaction_id"]
    post_reply(shopper.reply(paid, transaction_id=second))
    update = desk.simulator.gateway.decide(case.id, "REJECT", reviewer="lena.review")
    assert post_notification(update.body).status_code == 200
    operations.recover()
    assert orders.money_held(order) == 0
    assert (fate(order)[0], listed(order=order)) == ("Payment Declined", [])


def test_a_card_that_staff_try_in_vain_does_not_give_up_an_order_whose_own_card_may_be_charged(desk, settings):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    first = Shopper(gateway=desk.simulator.gateway)
    first.check_out("64.50")
    first.deliver(first.submit(card(cards.DECLINED)), follow=False)
    token = PaymentToken.objects.get()
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.form()
    wait()
    run()
    assert (fate(order), listed(order=order)) == (KEPT, ["no-answer"])
    assert stored_card.authorize(order, token, user=desk.staff).state == "declined"
    assert (fate(order), listed(order=order)) == (KEPT, ["no-answer"])


def test_an_authorization_whose_process_died_is_in_doubt_also_when_the_shopper_tries_again(desk, settings, monkeypatch):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.deliver(shopper.submit(), follow=False)

    def killed(*args, **kwargs):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(requests.Session, "send", killed)
        with pytest.raises(SystemExit):
            stored_card.authorize_step(shopper.attempt())
    assert PaymentOperation.objects.get().state == "sent"
    pay_again(shopper, order)
    wait()
    run()
    assert fate(order) == KEPT


def test_of_a_decline_that_may_have_left_a_hold_staff_read_once_where_nothing_reverses_it(shopper):
    order = shopper.check_out("64.50")
    for _again in range(2):
        post_reply(shopper.reply(**{**DECLINE, "reason_code": "481"}, **tx(1)))
    assert sum("a hold may be on the shopper's card" in note.message for note in order.notes.all()) == 1


def given_up(desk, settings):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.deliver(shopper.submit(), follow=False)
    wait()
    run()
    assert fate(order) == THAWED
    return order, PaymentToken.objects.get()


def test_staff_do_not_authorize_a_card_again_while_nobody_knows_how_the_first_call_ended(desk, settings):
    order, token = given_up(desk, settings)
    desk.rest.faults.next("no-answer", action="payments")
    assert stored_card.authorize(order, token, user=desk.staff).state == "unknown"
    with pytest.raises(InvalidOperation):
        stored_card.authorize(order, token, user=desk.staff)
    wait()
    run()  # before CyberSource could be asked how it ended
    with pytest.raises(InvalidOperation):
        stored_card.authorize(order, token, user=desk.staff)


# -- waiting for ever --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["a late decline", "staff find no charge"])
def test_an_order_does_not_wait_for_ever_for_a_rest_that_staff_had_dealt_with_before(shopper, boss, ending):
    """Staff clear the unpaid rest, since the shopper pays it by another card; of that card nothing is heard in time."""
    order = shopper.check_out("64.50", payment=two_cards())
    accept(shopper, "a", **tx(1))
    wait()
    run()
    attention_list.clear(
        AttentionItem.objects.get(kind="unpaid-rest").pk, user=boss, reason="She pays by another card."
    )
    other = pay_again(shopper, order)
    assert other.states
    wait()
    run()
    assert listed() == ["kept-authorization", "no-answer"]
    if ending == "a late decline":
        accept(other, "cybersource", **DECLINE, **tx(2))
    else:
        item = AttentionItem.objects.get(kind="no-answer")
        attention_list.clear(item.pk, user=boss, reason="None there.", no_charge=True)
    run()
    assert (fate(order)[0], listed(order=order)) == ("Payment Declined", ["kept-authorization"])


def both_cards_are_asked_about(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    assert shopper.states
    wait()
    run()
    assert (fate(order), listed()) == (KEPT, ["no-answer", "no-answer"])
    return order


@pytest.mark.parametrize("first", ["a", "b"])
def test_what_two_late_answers_leave_held_is_listed_in_either_order(shopper, boss, first):
    """The decline leaves the order to the other card, whose late charge is a part, and nothing else is under way."""
    order = both_cards_are_asked_about(shopper)
    answers = [("a", {**tx(1)}), ("b", {**DECLINE, **tx(2)})]
    for key, said in answers if first == "a" else reversed(answers):
        accept(shopper, key, **said)
    for item in AttentionItem.objects.filter(kind="late-charge"):
        attention_list.clear(item.pk, user=boss, reason="It is wanted.")
    run()
    assert "unpaid-rest" in listed(order=order, attempt=latest("a"))


def test_a_part_that_was_charged_late_is_listed_as_such_once_staff_found_no_charge_by_the_other_card(shopper, boss):
    order = both_cards_are_asked_about(shopper)
    attention_list.clear(
        AttentionItem.objects.get(attempt=latest("b")).pk, user=boss, reason="None there.", no_charge=True
    )
    accept(shopper, "a", **tx(1))
    for item in AttentionItem.objects.filter(kind="late-charge"):
        attention_list.clear(item.pk, user=boss, reason="It is wanted.")
    run()
    assert (fate(order)[0], listed(order=order)) == ("Pending", ["unpaid-rest"])


def test_a_part_that_a_reviewer_releases_late_does_not_leave_the_order_waiting_for_nothing(shopper, boss):
    order = both_cards_are_asked_about(shopper)
    accept(shopper, "b", **DECLINE, **tx(2))
    accept(shopper, "a", **REVIEW, **tx(1))
    decide(shopper, order, 1, "ACCEPT")
    for item in AttentionItem.objects.filter(kind="late-charge"):
        attention_list.clear(item.pk, user=boss, reason="It is wanted.")
    run()
    assert (fate(order)[0], listed(order=order)) == ("Pending", ["unpaid-rest"])


def test_another_transaction_of_unknown_outcome_is_asked_about_also_after_staff_answered_the_first_question(
    shopper, boss
):
    order = shopper.check_out("64.50")
    shopper.form()
    post_reply(shopper.reply(**UNKNOWN, **tx(1)))
    wait()
    run()
    assert listed() == ["no-answer"]
    attention_list.clear(AttentionItem.objects.get().pk, user=boss, reason="Found it and booked it by hand.")
    post_reply(shopper.reply(**UNKNOWN, **tx(2)))
    assert listed(order=order, transaction_id="2" * 22) == ["no-answer"]


# -- staff authorize a stored card -------------------------------------------------------------------------------------


def test_a_part_that_staff_authorize_and_never_complete_is_listed_as_an_unpaid_rest(desk, settings):
    order, token = given_up(desk, settings)
    assert stored_card.authorize(order, token, amount=Decimal("20.00"), user=desk.staff).state == "done"
    for _again in range(2):
        wait(hours=48)
        run()
    assert (fate(order)[0], listed()) == ("Pending", ["unpaid-rest"])
