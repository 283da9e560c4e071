"""A payment whose answer was lost is found at CyberSource and settled as if it had come; nothing is guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command

from cybersource import adoption, drift, expiry
from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentAttempt, PaymentToken
from cybersource.simulator import cards
from tests.desk import Order, events, notes, source_of, transactions
from tests.laws.rows import Ending
from tests.shop import MERCHANT_POST, Shopper, card, post_reply
from tests.threads import in_threads

HALVES = {
    "a": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "34.75"},
    "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
}


@pytest.fixture(autouse=True)
def one_form_a_payment(settings):
    settings.CYBERSOURCE_FLOW = "one-step"


def adopt(desk, **later):
    return adoption.adopt_lost(at=desk.rest.advance(**(later or {"minutes": 6})))


def lose(desk, number=cards.APPROVED, **checkout):
    """A shopper who paid and of whom the shop hears nothing: the order, the shopper, and the answer that was lost."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50", **checkout)
    return order, shopper, shopper.submit(card(number))


def fresh(order):
    return Order.objects.get(pk=order.pk)


# -- what is found is settled -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "number"),
    [
        ("one-step", cards.APPROVED),
        ("one-step", cards.DECLINED),
        ("one-step", cards.REVIEW),
        ("one-step", cards.PARTIAL),
        ("sale", cards.APPROVED),
        ("two-step", cards.APPROVED),
    ],
)
def test_an_order_ends_as_if_the_answer_had_come_by_the_browser(desk, settings, flow, number):
    settings.CYBERSOURCE_FLOW = flow
    heard, shopper, answer = lose(desk, number)
    shopper.deliver(answer, follow=False)
    expected = Ending.of(heard.pk)
    lost, _shopper, answer = lose(desk, number)
    assert adopt(desk) == {"answers found and settled": 1}
    found = Ending.of(lost.pk)
    for name in ("status", "basket", "confirmations", "mails", "attempts", "open_log"):
        assert without_ids(getattr(found, name)) == without_ids(getattr(expected, name)), name
    assert [row[1:] for row in found.sources] == [row[1:] for row in expected.sources]
    assert [row[1:4] for row in found.transactions] == [row[1:4] for row in expected.transactions]
    assert events(lost) == events(heard)
    entry = CyberSourceReply.objects.get(result="settled", reply_type="rest")
    assert (entry.order, entry.transaction_id) == (lost, answer.payment.transaction_id)
    # The browser comes after all: one settlement.
    assert post_reply(answer.reply).status_code == 303
    assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
    assert Ending.of(lost.pk) == found


def without_ids(value):
    return [row[:2] for row in value] if isinstance(value, tuple) else value


def test_a_found_card_is_stored_and_its_payment_can_be_captured(desk):
    order, _shopper, _answer = lose(desk)
    adopt(desk)
    source = PaymentAttempt.objects.get().source
    assert source.label == "xxxxxxxxxxxx1111" and PaymentToken.objects.get().masked_card_number == source.label
    desk.do("capture", desk.authorization(order))
    assert fresh(order).status == "Authorized"


def test_many_orders_are_looked_for_in_one_search_and_what_is_settled_is_not_looked_for_again(desk):
    for _number in range(3):
        lose(desk)
    Shopper(gateway=desk.simulator.gateway).check_out("64.50")  # never shown, never paid
    assert adopt(desk, minutes=4) == {} and not desk.calls("searches")
    assert adopt(desk) == {"answers found and settled": 3}
    assert len(desk.calls("searches")) == 1
    assert adopt(desk) == {} and len(desk.calls("searches")) == 1


def test_an_answer_that_nobody_understood_is_explained_by_a_look_up(desk):
    desk.simulator.faults.next("unknown-decision")
    order, shopper, answer = lose(desk)
    shopper.deliver(answer, follow=False)
    assert PaymentAttempt.objects.get().state == "unknown" and fresh(order).status == "Pending"
    assert adopt(desk) == {"answers found and settled": 1}
    assert fresh(order).status == "Authorized" and transactions(order) == [("Authorise", "69.50", "ACCEPT")]


def test_what_two_commands_find_at_once_is_settled_once(desk, mailoutbox):
    order, _shopper, _answer = lose(desk)
    at = desk.rest.advance(minutes=6)
    in_threads(lambda _: adoption.adopt_lost(at=at), 3)
    assert transactions(order) == [("Authorise", "69.50", "ACCEPT")] and len(mailoutbox) == 1
    assert CyberSourceReply.objects.filter(result="settled").count() == 1


def test_what_was_authorized_and_given_back_since_does_not_pay_an_order(desk):
    order, _shopper, answer = lose(desk)
    desk.simulator.gateway.business_center.reverse(answer.payment.transaction_id)
    adopt(desk)
    assert fresh(order).status == "Payment Declined" and transactions(order) == []


def test_a_charge_that_came_after_the_attempt_had_ended_is_listed_as_late(desk):
    order, _shopper, _answer = lose(desk)
    at = desk.rest.advance(hours=2)
    expiry.expire(at=at)
    assert AttentionItem.objects.get().kind == Attention.NO_ANSWER
    assert adopt(desk) == {"answers found and settled": 1}
    assert fresh(order).status == "Authorized"
    kinds = dict(AttentionItem.objects.values_list("kind", "reason"))
    assert kinds == {Attention.NO_ANSWER: "CyberSource's answer came.", Attention.LATE_CHARGE: ""}


# -- nothing is guessed -----------------------------------------------------------------------------------------------


def test_a_charge_that_fits_two_attempts_is_given_to_none_and_listed(desk):
    """Two cards for half the order each: one was charged, and nothing says which."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50", payment=HALVES)
    shopper.state("b")
    answer = shopper.submit(key="a")
    assert adopt(desk) == {"a charge found that fits no attempt, or several": 1}
    assert transactions(order) == [] and fresh(order).status == "Pending"
    drift.compare(at=desk.rest.now())
    item = AttentionItem.objects.get()
    assert (item.kind, item.detail, item.order) == (Attention.DRIFT, "charge-not-here", order)
    assert item.transaction_id == answer.payment.transaction_id
    # The answer comes after all, and says which.
    shopper.deliver(answer, follow=False)
    drift.compare(at=desk.rest.now())
    item.refresh_from_db()
    assert item.date_cleared and item.reason == "Both sides agree now."


@pytest.mark.parametrize("change", [{"amount": "69.49"}, {"currency": "EUR"}, {"transaction_type": "sale"}])
def test_a_charge_that_is_not_what_was_asked_answers_no_attempt(desk, change):
    order, _shopper, _answer = lose(desk)
    PaymentAttempt.objects.update(**change)
    assert adopt(desk) == {"a charge found that fits no attempt, or several": 1}
    assert transactions(order) == []


def test_a_charge_made_at_another_time_answers_no_attempt(desk):
    order, _shopper, _answer = lose(desk)
    PaymentAttempt.objects.update(date_created=desk.rest.now() + timedelta(minutes=8))
    PaymentAttempt.objects.update(date_signed=desk.rest.now() + timedelta(minutes=8))
    assert adopt(desk, minutes=20) == {"a charge found that fits no attempt, or several": 1}
    assert transactions(order) == []


# -- nothing was charged ----------------------------------------------------------------------------------------------


def test_a_shopper_who_left_the_payment_page_is_no_question_for_staff_once_cybersource_knows_of_no_payment(desk):
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.form()
    expiry.expire(at=desk.rest.advance(minutes=61))
    item = AttentionItem.objects.get()
    assert adopt(desk, minutes=10) == {"nothing found yet": 1}
    assert adopt(desk, minutes=11) == {"no payment found, no longer in doubt": 1}
    item.refresh_from_db()
    assert item.date_cleared and "knows no payment" in item.reason
    assert fresh(order).status == "Payment Declined" and fresh(order).basket.status == "Open"
    assert "nothing was charged" in notes(order)
    assert adopt(desk, hours=1) == {}


def test_a_payment_that_cybersource_could_not_tell_the_end_of_is_waited_for_longer(desk):
    order, shopper, answer = lose(desk, cards.UNKNOWN)
    shopper.deliver(answer, follow=False)
    expiry.expire(at=desk.rest.advance(minutes=90))
    assert adopt(desk) == {"nothing found yet": 1}
    assert fresh(order).status == "Pending" and AttentionItem.objects.get().date_cleared is None


def test_a_gateway_that_does_not_answer_says_nothing_about_payments(desk, settings):
    lose(desk)
    expiry.expire(at=desk.rest.advance(hours=30))
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    with pytest.raises(adoption.enquiries.OutOfReach):
        adopt(desk)
    assert AttentionItem.objects.get().date_cleared is None


def test_a_dry_run_settles_nothing(desk):
    order, _shopper, _answer = lose(desk)
    assert adoption.adopt_lost(at=desk.rest.advance(minutes=6), dry_run=True) == {"answers found": 1}
    assert transactions(order) == [] and PaymentAttempt.objects.get().state == "open"


def test_what_was_found_is_nothing_to_reprocess(desk, capsys):
    order, _shopper, _answer = lose(desk)
    adopt(desk)
    call_command("cybersource_reprocess")
    assert "replies" not in capsys.readouterr().out
    assert source_of(order)[0] == order.total_incl_tax
