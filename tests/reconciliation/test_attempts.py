"""A payment whose answer was lost is found at CyberSource and settled as if it had come; nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from cybersource.gateway import lookup
from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentAttempt, PaymentToken
from cybersource.payments import expiry
from cybersource.reconciliation import attempts, comparison, run
from cybersource.simulator import cards
from cybersource.simulator.rest.transactions import Card
from tests.properties.rows import Ending
from tests.support.desk import Order, events, notes, source_of, transactions
from tests.support.shop import MERCHANT_POST, Shopper, card, post_reply
from tests.support.threads import in_threads

# What is found is told from other payments by when it was made: by the second, in real checkouts.
pytestmark = pytest.mark.real_checkout

HALVES = {
    "a": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "34.75"},
    "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
}


@pytest.fixture(autouse=True)
def one_form_a_payment(settings):
    settings.CYBERSOURCE_FLOW = "one-step"


def adopt(desk, **later):
    return attempts.adopt_lost(at=desk.rest.advance(**(later or {"minutes": 6})))


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


@pytest.mark.quick
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
    in_threads(lambda _: attempts.adopt_lost(at=at), 3)
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
    looked = len(desk.calls_of_look_ups())
    assert adopt(desk) == {"a charge found that fits no attempt, or several": 1}
    assert len(desk.calls_of_look_ups()) == looked == 1, "a second look tells nothing new"
    comparison.compare(at=desk.rest.now())
    item = AttentionItem.objects.get()
    assert (item.kind, item.detail, item.order) == (Attention.DRIFT, "charge-not-here", order)
    assert item.transaction_id == answer.payment.transaction_id
    # The answer comes after all, and says which.
    shopper.deliver(answer, follow=False)
    comparison.compare(at=desk.rest.now())
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


#: Statuses of an order whose payment was found, and of one that goes on waiting.
FOUND, WAITS = "Authorized", "Pending"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, WAITS),  # an order of another shop may have its number and its amount
        ({"card": Card(token="ANOTHERS")}, WAITS),
        ({"idempotency_id": "own"}, FOUND),
    ],
)
def test_on_a_shared_account_a_charge_is_never_adopted_by_number_and_amount(
    desk, settings, monkeypatch, change, status
):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    order, _shopper, _answer = lose(desk)
    (made,) = desk.rest.transactions
    if change.pop("idempotency_id", ""):
        change["idempotency_id"] = PaymentAttempt.objects.get().transaction_uuid
        shows_its_id(desk, monkeypatch)
    for name, value in change.items():
        setattr(made, name, value)
    adopt(desk)
    expiry.expire(at=desk.rest.advance(hours=30))
    adopt(desk)
    assert fresh(order).status == status
    assert transactions(order) == ([("Authorise", "69.50", "ACCEPT")] if status == FOUND else [])
    if status == WAITS:
        assert AttentionItem.objects.get(kind=Attention.NO_ANSWER).date_cleared is None


def test_a_webhook_that_is_quicker_than_the_shoppers_reply_lists_nothing_on_a_shared_account(desk, settings):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    order, shopper, answer = lose(desk)
    assert not run.adopt(answer.payment.transaction_id), "it is looked into again"
    assert not AttentionItem.objects.exists() and fresh(order).status == "Pending"
    shopper.deliver(answer, follow=False)
    assert run.adopt(answer.payment.transaction_id)
    assert not AttentionItem.objects.exists() and fresh(order).status == "Authorized"


def shows_its_id(desk, monkeypatch):
    """An account whose look-ups tell the id that the request was sent under."""
    for at, (method, path, answer) in enumerate(desk.rest._routes):
        if (method, path.pattern) == ("GET", r"/tss/v2/transactions/(\w+)"):

            def details(call, id, answer=answer):
                status, told = answer(call, id)
                reference = told["clientReferenceInformation"]
                reference["transactionId"] = next(one for one in desk.rest.book if one.id == id).idempotency_id
                return status, told

            routes = [*desk.rest._routes]
            routes[at] = (method, path, details)
            monkeypatch.setattr(desk.rest, "_routes", routes)


def test_on_a_shared_account_a_charge_is_adopted_by_the_token_that_only_this_shop_was_given(desk, settings):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.deliver(shopper.submit())
    shopper.submit()
    assert adopt(desk) == {"answers found and settled": 1}
    assert fresh(order).status == "Authorized"


def test_another_shops_decline_and_another_amount_under_the_same_number_end_nothing_and_are_looked_at_once(
    desk, settings
):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    stranger, _shopper, _answer = lose(desk, cards.DECLINED)
    charged, _shopper, _answer = lose(desk)
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.form()
    PaymentAttempt.objects.exclude(order=order).delete()
    for one in desk.rest.transactions:
        one.reference = order.number
    desk.rest.transactions[-1].asked = desk.rest.transactions[-1].amount = Decimal("12.00")
    assert adopt(desk) == {"nothing found yet": 1}
    assert fresh(order).status == "Pending" and PaymentAttempt.objects.get().state == "open"
    looked = len(desk.calls_of_look_ups())
    expiry.expire(at=desk.rest.advance(minutes=61))
    assert adopt(desk, hours=2) == {"no payment found, no longer in doubt": 1}
    assert len(desk.calls_of_look_ups()) == looked == 2
    assert fresh(order).status == "Payment Declined"


@pytest.mark.parametrize(
    "number", ["2026/100042", "A 7", "Müller's", 'a"b', "A*", "(7)", "a:b", "OR", "NOT", "-7", "a&b"]
)
def test_a_payment_is_found_whatever_its_orders_number_is_made_of(desk, number):
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    Order.objects.filter(pk=order.pk).update(number=number)
    PaymentAttempt.objects.filter(order=order).update(reference_number=number)
    shopper.submit()
    other, _shopper, _answer = lose(desk)
    assert adopt(desk) == {"answers found and settled": 2}
    assert fresh(order).status == fresh(other).status == "Authorized"
    assert transactions(order) == [("Authorise", "69.50", "ACCEPT")]
    assert adopt(desk) == {}


@pytest.mark.parametrize("number", [cards.NOT_AUTHENTICATED, cards.AUTHENTICATION_FAILED])
@pytest.mark.parametrize("flow", ["one-step", "sale", "two-step"])
def test_a_shopper_who_never_comes_back_from_the_banks_page_ends_as_declined(desk, settings, flow, number):
    settings.CYBERSOURCE_FLOW = flow
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    if flow == "two-step":
        shopper.deliver(shopper.submit(card(number)))
    shopper.submit(card(number))
    assert adopt(desk, minutes=4) == {}, "the shopper may still be there"
    expiry.expire(at=desk.rest.advance(hours=2))
    assert AttentionItem.objects.get().date_cleared is None
    assert adopt(desk) == {"answers found and settled": 1}
    assert fresh(order).status == "Payment Declined" and transactions(order) == []
    assert AttentionItem.objects.get().date_cleared
    assert adopt(desk, days=1) == {}


def test_who_is_still_at_the_banks_page_is_not_declined_behind_his_back(desk):
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.form()
    at = desk.rest.advance(minutes=10)  # the card was typed for a while
    shopper.submit(card(cards.NOT_AUTHENTICATED))
    assert attempts.adopt_lost(at=at) == {"nothing found yet": 1}
    assert fresh(order).status == "Pending" and PaymentAttempt.objects.get().state == "open"
    assert adopt(desk, minutes=6) == {"answers found and settled": 1}
    assert fresh(order).status == "Payment Declined"


def test_a_decline_that_fits_two_attempts_keeps_neither_waiting_for_ever(desk):
    """Two cards for half the order each: one was declined, and nothing says which. Nothing is held by either."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50", payment=HALVES)
    shopper.state("b")
    shopper.submit(card(cards.DECLINED), key="a")
    expiry.expire(at=desk.rest.advance(minutes=61))
    assert adopt(desk, minutes=30) == {"no payment found, no longer in doubt": 1}
    assert fresh(order).status == "Payment Declined"
    assert not AttentionItem.objects.filter(date_cleared=None).exists()


def test_a_search_that_is_refused_for_one_number_finds_the_others(desk, monkeypatch):
    found, _shopper, _answer = lose(desk)
    poison, _shopper, _answer = lose(desk)
    searches = lookup.calls.search

    def refused(numbers, **page):
        call = searches(numbers, **page)
        return replace(call, body={**call.body, "limit": 0}) if poison.number in numbers else call

    monkeypatch.setattr(lookup.calls, "search", refused)
    assert adopt(desk) == {"answers found and settled": 1, "no answer, next time": 1}
    assert (fresh(found).status, fresh(poison).status) == ("Authorized", "Pending")


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
    with pytest.raises(lookup.GatewayUnavailable):
        adopt(desk)
    assert AttentionItem.objects.get().date_cleared is None


def test_a_dry_run_settles_nothing(desk):
    order, _shopper, _answer = lose(desk)
    assert attempts.adopt_lost(at=desk.rest.advance(minutes=6), dry_run=True) == {"answers found": 1}
    assert transactions(order) == [] and PaymentAttempt.objects.get().state == "open"


def test_what_was_found_is_nothing_to_reprocess(desk, capsys):
    order, _shopper, _answer = lose(desk)
    adopt(desk)
    call_command("cybersource_reprocess")
    assert "replies" not in capsys.readouterr().out
    assert source_of(order)[0] == order.total_incl_tax
