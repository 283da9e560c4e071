"""Money that is held or may be: which of it counts towards the order, and that staff find all the rest listed."""

from __future__ import annotations

import pytest
from oscar.core.loading import get_model
from oscarapicheckout.serializers import OrderTokenField

from cybersource import orders, worklist
from cybersource.models import AttentionItem
from cybersource.simulator import cards
from tests.domain.test_after_a_retry import ONE_CARD, accept, latest, two_cards
from tests.domain.test_expiry import DECLINE, THAWED, UNKNOWN, fate, listed, run, wait
from tests.shop import Shopper, card, customer, post_reply

Order = get_model("order", "Order")


@pytest.fixture(autouse=True)
def one_step(settings):
    settings.CYBERSOURCE_FLOW = "one-step"


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
    assert latest("a").state in ("authorized", "review")
    worklist.clear(item.pk, user=boss, reason="Reversed.")
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
    assert (fate(order), listed(order=order)) == (THAWED, ["no-answer"])
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
