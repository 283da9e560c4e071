"""Money that is held or may be: which of it counts towards the order, and that staff find all the rest listed."""

from __future__ import annotations

import pytest
from oscar.core.loading import get_class, get_model
from oscarapicheckout.serializers import OrderTokenField

from cybersource.models import AttentionItem
from cybersource.payments import attention_list, orders
from cybersource.simulator import cards
from tests.payments.test_after_a_retry import accept
from tests.payments.test_expiry import KEPT, PAID, THAWED, fate, listed, run, wait
from tests.support.broken_tables import unwritable
from tests.support.reviewing import reviewed, tell
from tests.support.shop import DECLINE, ONE_CARD, UNKNOWN, Shopper, card, customer, latest, post_reply, two_cards

pytestmark = pytest.mark.usefixtures("one_step")

EventHandler = get_class("order.processing", "EventHandler")
Order = get_model("order", "Order")


@pytest.fixture
def boss(committed_db):
    return customer("boss@example.com")


def pay_again(shopper, order, payment=ONE_CARD):
    """The same order is paid from another browser, as a deferred payment."""
    other = Shopper(gateway=shopper.gateway)
    body = {"order": OrderTokenField.get_order_token(order), "payment": payment}
    answer = other.client.post("/api/checkout/complete-deferred-payment/", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return other


def test_two_parts_on_one_form_never_pay_an_order(shopper):
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    for _tried in range(2):
        post_reply(shopper.reply(first, reason_code="110", auth_amount="34.50"))
    assert orders.money_held(order) == 0
    pay_again(shopper, order, two_cards("34.50"))
    accept(shopper, "b")
    order.refresh_from_db()
    assert order.status == "Pending"
    assert listed() == ["partial", "partial"]


@pytest.mark.parametrize("other", ["open", "under review"])
def test_a_part_approved_late_on_an_old_form_does_not_end_a_retry_that_is_half_paid(shopper, other):
    order = shopper.check_out("64.50")
    old, retry = shopper.attempt(), pay_again(shopper, order, two_cards("30.00"))
    accept(retry, "b")
    case = reviewed(retry, order, "a") if other == "under review" else None
    post_reply(shopper.reply(old, reason_code="110", auth_amount="34.75"))
    assert (fate(order), listed(order=order)) == (KEPT, ["partial"])
    if case:
        tell(case.accept())
    else:
        accept(retry, "a")
    assert (fate(order), listed(order=order)) == (PAID, ["partial"])


def test_a_part_approved_on_the_form_that_was_paid_does_not_count(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    accept(shopper, "a")
    accept(shopper, "a", reason_code="110", auth_amount="19.50")
    assert (str(orders.money_held(order)), listed()) == ("50.00", ["partial"])
    accept(shopper, "b")
    assert fate(order) == ("Authorized", "Submitted")


# -- held, or perhaps charged, for an order that was declined ---------------------------------------------------------


@pytest.mark.parametrize("number", [cards.APPROVED, cards.REVIEW], ids=["authorized", "under review"])
def test_what_one_card_holds_for_an_order_that_the_other_card_declined_is_listed_once(shopper, boss, number):
    order = shopper.check_out("64.50", payment=two_cards())
    shopper.deliver(shopper.submit(card(number), key="a"))
    accept(shopper, "b", **DECLINE)
    run()
    assert listed() == []  # the shopper may be trying again
    wait()
    run()
    assert (fate(order), listed(order=order)) == (THAWED, ["unpaid-rest"])
    item = AttentionItem.objects.get()
    assert (str(item.amount), item.transaction_id) == ("50.000", latest("a").source.reference)
    assert latest("a").state == ("authorized" if number == cards.APPROVED else "review")
    attention_list.clear(item.pk, user=boss, reason="Reversed.")
    run()
    assert AttentionItem.objects.count() == 1


def test_a_declined_order_whose_charge_is_listed_already_is_not_listed_again(shopper):
    shopper.check_out("64.50", payment=two_cards())
    reply = shopper.reply(latest("a"))
    accept(shopper, "b", **DECLINE)
    post_reply(reply)
    wait()
    run()
    assert listed() == ["replaced-charge"]


@pytest.mark.parametrize("late", [False, True], ids=["in time", "after it expired"])
def test_a_transaction_of_unknown_outcome_is_asked_about_when_another_card_on_its_form_is_declined(shopper, late):
    order = shopper.check_out("64.50")
    shopper.form()
    post_reply(shopper.reply(**UNKNOWN, transaction_id="1" * 22))
    if late:
        wait()
        run()
    post_reply(shopper.reply(**DECLINE, transaction_id="2" * 22))
    # What was kept for an answer stays so for as long as a card may have been charged.
    assert (fate(order), listed(order=order)) == (KEPT if late else THAWED, ["no-answer"])
    assert AttentionItem.objects.get(date_cleared=None).transaction_id == "1" * 22


@pytest.mark.parametrize(
    "unknown",
    [{**UNKNOWN, "transaction_id": "2" * 22}, {**UNKNOWN, "reason_code": "104", "transaction_id": "1" * 22}],
    ids=["how it ended itself", "a duplicate of the form"],
)
def test_nobody_is_asked_about_what_is_known_to_hold_no_money(shopper, unknown):
    order = shopper.check_out("64.50")
    shopper.form()
    post_reply(shopper.reply(**unknown))
    post_reply(shopper.reply(**DECLINE, transaction_id="2" * 22))
    assert (fate(order), listed()) == (THAWED, [])


ENDINGS = {"accepted": {}, "declined": DECLINE}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_unknown_outcome_that_comes_after_another_ended_its_form_is_asked_about_once(shopper, ending):
    order = shopper.check_out("64.50")
    post_reply(shopper.reply(**ENDINGS[ending], transaction_id="2" * 22))
    ended = fate(order)
    for _again in range(2):
        post_reply(shopper.reply(**UNKNOWN, transaction_id="1" * 22))
    assert (fate(order), listed(order=order)) == (ended, ["no-answer"])
    assert AttentionItem.objects.get().transaction_id == "1" * 22
    assert order.notes.count() == 1


def test_an_unknown_outcome_on_a_replaced_form_is_asked_about_when_another_card_was_declined_on_it(shopper):
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    pay_again(shopper, order)
    post_reply(shopper.reply(first, **DECLINE, transaction_id="2" * 22))
    post_reply(shopper.reply(first, **UNKNOWN, transaction_id="1" * 22))
    assert listed(order=order, transaction_id="1" * 22) == ["no-answer"]


def test_a_transaction_of_unknown_outcome_is_asked_about_when_another_card_paid_with_its_form(shopper):
    order = shopper.check_out("64.50")
    post_reply(shopper.reply(**UNKNOWN, transaction_id="1" * 22))
    post_reply(shopper.reply(transaction_id="2" * 22))
    assert (fate(order), listed(transaction_id="1" * 22)) == (PAID, ["no-answer"])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("first", ["the doubt", "the decline"])
def test_the_question_about_a_transaction_is_cleared_when_its_own_answer_comes(shopper, first, ending):
    order = shopper.check_out("64.50")
    told = [
        shopper.reply(**UNKNOWN, transaction_id="1" * 22),
        shopper.reply(**DECLINE, transaction_id="2" * 22),
    ]
    for reply in told if first == "the doubt" else reversed(told):
        post_reply(reply)
    assert listed(order=order) == ["no-answer"]
    post_reply(shopper.reply(**ENDINGS[ending], transaction_id="1" * 22))
    assert listed(order=order) == (["after-decline"] if ending == "accepted" else [])
    assert AttentionItem.objects.get(kind="no-answer").reason == "CyberSource's answer came."


def test_what_is_asked_about_another_transaction_stays_when_an_answer_comes(shopper):
    order = shopper.check_out("64.50")
    for digit in "13":
        post_reply(shopper.reply(**UNKNOWN, transaction_id=digit * 22))
    post_reply(shopper.reply(**DECLINE, transaction_id="2" * 22))
    post_reply(shopper.reply(**DECLINE, transaction_id="3" * 22))
    assert (listed(order=order), listed(transaction_id="1" * 22)) == (["no-answer"], ["no-answer"])


# -- the other card's answer comes late --------------------------------------------------------------------------------


def one_card_paid_and_the_other_expired(shopper, *, shown):
    order = shopper.check_out("64.50", payment=two_cards())
    late = shopper.submit(card(cards.DECLINED), key="b").reply if shown else shopper.reply(latest("b"), **DECLINE)
    accept(shopper, "a")
    wait()
    run()
    assert (fate(order), listed()) == (KEPT, ["no-answer" if shown else "unpaid-rest"])
    return order, late


@pytest.mark.parametrize("shown", [True, False], ids=["form was shown", "form was not shown"])
def test_a_late_decline_declines_the_order_as_in_time_and_lists_what_the_other_card_holds(shopper, shown):
    order, late = one_card_paid_and_the_other_expired(shopper, shown=shown)
    for _again in range(2):
        post_reply(late)
        run()
    assert (fate(order), listed(order=order)) == (THAWED, ["unpaid-rest"])
    item = AttentionItem.objects.get(date_cleared=None)
    assert (item.transaction_id, str(item.amount)) == (latest("a").source.reference, "50.000")
    assert latest("b").state == "declined"


def test_a_late_decline_leaves_an_order_alone_whose_other_card_is_still_asked_about(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    assert shopper.states
    late = shopper.reply(latest("b"), **DECLINE)
    wait()
    run()
    post_reply(late)
    assert (fate(order), listed(order=order)) == (KEPT, ["no-answer"])
    assert AttentionItem.objects.get(date_cleared=None).attempt == latest("a")


def test_a_late_decline_of_a_form_that_was_replaced_leaves_the_order_to_its_reviewer(shopper):
    order = shopper.check_out("64.50")
    replaced, it = shopper.attempt(), {"transaction_id": "7300000000000000000001"}
    case = reviewed(pay_again(shopper, order), order)
    post_reply(shopper.reply(replaced, **{**UNKNOWN, **it}))
    assert listed(order=order) == ["no-answer"]
    post_reply(shopper.reply(replaced, **{**DECLINE, **it}))
    assert (fate(order), listed(order=order)) == (KEPT, [])
    tell(case.accept())
    assert fate(order) == PAID


def test_a_late_decline_declines_an_order_that_no_reviewer_can_pay_any_more(shopper):
    """The card under review is for a part: accepted, it would leave the order waiting for a rest that nobody pays."""
    order = shopper.check_out("64.50", payment=two_cards())
    late = shopper.submit(card(cards.DECLINED), key="b").reply
    shopper.deliver(shopper.submit(card(cards.REVIEW), key="a"))
    wait()
    run()
    assert (fate(order), listed()) == (KEPT, ["no-answer"])
    post_reply(late)
    assert (fate(order), listed(order=order)) == (THAWED, ["unpaid-rest"])


def test_staff_who_find_no_charge_by_the_second_card_find_the_rest_listed_as_unpaid(shopper, boss):
    order, _late = one_card_paid_and_the_other_expired(shopper, shown=True)
    item = AttentionItem.objects.get()
    done = attention_list.clear(item.pk, user=boss, reason="None there.", no_charge=True)
    assert (done.given_up, fate(order), listed(order=order)) == (False, KEPT, ["unpaid-rest"])


# -- held for an order that is cancelled -------------------------------------------------------------------------------


def cancel(order):
    """As Oscar's dashboard does, with the order as the page has it."""
    EventHandler().handle_order_status_change(order, "Canceled")


@pytest.mark.parametrize("number", [cards.APPROVED, cards.REVIEW], ids=["authorized", "under review"])
def test_staff_who_cancel_from_an_old_page_find_listed_what_was_held_meanwhile(shopper, number):
    shown_to_staff = shopper.check_out("64.50")
    shopper.pay(number)
    cancel(shown_to_staff)
    assert (fate(shown_to_staff)[0], listed()) == ("Canceled", ["closed-order"])
    item = AttentionItem.objects.get()
    assert (item.order, item.amount, item.transaction_id) == (
        shown_to_staff,
        shown_to_staff.total_incl_tax,
        shopper.attempt().source.reference,
    )
    assert item.card_last4 == number[-4:]
    assert shown_to_staff.notes.filter(message__contains="Cancel or refund it, here or in the").count() == 1
    run()
    assert AttentionItem.objects.count() == 1


def test_what_staff_kept_for_an_order_and_then_cancel_it_is_listed_again(shopper, boss):
    order = shopper.check_out("64.50")
    late = shopper.reply()
    wait()
    run()
    post_reply(late)
    attention_list.clear(AttentionItem.objects.get(kind="late-charge").pk, user=boss, reason="Paid once. Kept.")
    order.refresh_from_db()
    cancel(order)
    assert listed(order=order) == ["closed-order"]


def test_what_staff_are_asked_to_reverse_already_is_not_listed_again_when_the_order_is_cancelled(shopper):
    order = shopper.check_out("64.50")
    late = shopper.reply()
    wait()
    run()
    post_reply(late)
    cancel(order)
    run()
    assert listed(order=order) == ["late-charge"]


def test_an_order_for_which_nothing_is_held_is_cancelled_without_a_word(shopper):
    order = shopper.check_out("64.50")
    shopper.pay(cards.DECLINED)
    order.refresh_from_db()
    cancel(order)
    assert listed() == []


def test_what_is_held_for_an_order_that_was_cancelled_behind_oscars_back_is_listed_by_the_command(shopper):
    order = shopper.check_out("64.50")
    shopper.pay()
    Order.objects.filter(pk=order.pk).update(status="Canceled")
    run()
    run()
    assert listed(order=order) == ["closed-order"]


def test_staff_can_cancel_while_the_list_cannot_be_written(shopper, caplog):
    order = shopper.check_out("64.50")
    shopper.pay()
    order.refresh_from_db()
    with unwritable("cybersource_attentionitem"):
        cancel(order)
    assert (fate(order)[0], listed()) == ("Canceled", [])
    assert "is listed later" in caplog.text
    run()
    assert listed(order=order) == ["closed-order"]
