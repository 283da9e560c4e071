"""A hold was given back. Its order goes on as it would had the hold never been, whatever else it waits for."""

from __future__ import annotations

import pytest

from cybersource.models import Attention, AttentionItem, PaymentAttempt, PaymentOperation
from cybersource.operations import service
from cybersource.payments import balance
from cybersource.reconciliation import operations as unknown_operations
from cybersource.simulator import cards
from tests.support.desk import Order
from tests.support.shop import Shopper, post_notification, two_cards


@pytest.fixture
def buyer(desk, one_step) -> Shopper:
    return Shopper(gateway=desk.simulator.gateway)


def status(order) -> str:
    return Order.objects.get(pk=order.pk).status


def try_again_by_another_method(order) -> None:
    """The shopper places the order once more, with a method that is not CyberSource's and takes its time."""
    Order.objects.filter(pk=order.pk, status="Payment Declined").update(status="Pending")


def test_an_order_is_paid_by_another_card_after_a_partial_approval_was_given_back(desk, buyer):
    order = buyer.check_out("64.50")
    buyer.pay(cards.PARTIAL)
    assert status(order) == "Payment Declined"
    desk.do("reverse", desk.authorization(order))
    order = buyer.check_out()
    buyer.pay()
    assert status(order) == "Authorized"


def test_an_order_that_waited_for_the_hold_is_declined(desk, buyer):
    order = buyer.check_out("64.50")
    buyer.pay(cards.REVIEW)
    desk.do("reverse", desk.authorization(order))
    assert status(order) == "Payment Declined"


@pytest.mark.parametrize("card", [cards.PARTIAL, cards.REVIEW])
def test_an_order_that_waits_for_another_method_by_now_is_not_declined(desk, buyer, card):
    order = buyer.check_out("64.50")
    buyer.pay(card)
    if card == cards.REVIEW:  # its hold is reversed by itself
        update = desk.simulator.gateway.decide(desk.simulator.payments[-1].id, "REJECT", reviewer="lena.review")
        assert post_notification(update.body).status_code == 200
    assert status(order) == "Payment Declined"
    try_again_by_another_method(order)
    if card == cards.REVIEW:
        assert unknown_operations.recover() == {"sent": 1}
    else:
        service.reverse(desk.authorization(order))
    assert PaymentOperation.objects.get().state == "done"
    assert status(order) == "Pending"


def test_an_order_of_which_another_card_pays_only_a_part_is_listed(desk, buyer):
    order = buyer.check_out("64.50", payment=two_cards())
    buyer.pay(cards.REVIEW, key="a")
    buyer.pay(key="b")
    first = next(payment for payment in balance.of_order(order) if payment.authorization.is_pending_review)
    desk.do("reverse", first.authorization)
    assert status(order) == "Pending"
    item = AttentionItem.objects.get()
    assert (item.kind, item.attempt) == (Attention.UNPAID_REST, PaymentAttempt.objects.get(source=first.source))
