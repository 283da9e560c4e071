"""Money that is held or may be: which of it counts towards the order, and that staff find all the rest listed."""

from __future__ import annotations

import pytest
from oscar.core.loading import get_model
from oscarapicheckout.serializers import OrderTokenField

from cybersource import orders
from tests.domain.test_after_a_retry import ONE_CARD, accept, two_cards
from tests.domain.test_expiry import fate, listed
from tests.shop import Shopper, post_reply

Order = get_model("order", "Order")


@pytest.fixture(autouse=True)
def one_step(settings):
    settings.CYBERSOURCE_FLOW = "one-step"


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
