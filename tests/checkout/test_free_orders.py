"""An order that costs nothing is paid without a card: no form, no attempt, no charge."""

from __future__ import annotations

from typing import Any

import pytest
from oscar.core.loading import get_model

from cybersource.models import PaymentAttempt
from tests.support.shop import Shopper
from tests.support.stock import offer

Order = get_model("order", "Order")
Source = get_model("payment", "Source")

pytestmark = pytest.mark.real_checkout


def place(shopper: Shopper, payment: dict[str, Any]) -> Any:
    shopper.fill_basket("20.00", product_class="Downloads", requires_shipping=False)
    offer("Everything is free", "100")
    changes = {"shipping_method_code": "no-shipping-required", "payment": payment}
    return shopper.client.post("/api/checkout/", shopper.payload(**changes), content_type="application/json")


@pytest.mark.parametrize("flow", ["one-step", "two-step", "sale"])
@pytest.mark.parametrize("keys", [["cybersource"], ["a", "b"]])
def test_an_order_that_discounts_pay_whole_asks_for_no_card(shopper, settings, mailoutbox, flow, keys):
    settings.CYBERSOURCE_FLOW = flow
    *others, last = keys
    payment: dict[str, Any] = {last: {"method_type": "cybersource", "enabled": True, "pay_balance": True}}
    payment |= {key: {"method_type": "cybersource", "enabled": False} for key in others}
    placed = place(shopper, payment)
    assert placed.status_code == 200, placed.content
    order = Order.objects.get()
    assert (order.status, order.total_incl_tax) == ("Authorized", 0)
    assert len(mailoutbox) == 1
    assert not PaymentAttempt.objects.exists() and not Source.objects.exists()
    assert all(state["required_action"] is None for state in shopper.states["payment_method_states"].values())
    nothing_left = shopper.client.get("/api/cybersource/finish/")
    assert nothing_left.status_code == 200 and "Nothing to pay" in nothing_left.content.decode()
    assert shopper.client.get("/checkout/thank-you/").status_code == 200


def test_a_part_of_a_free_order_cannot_be_put_on_a_card(shopper):
    payment = {
        "a": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "5.00"},
        "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
    }
    refused = place(shopper, payment)
    assert refused.status_code == 406, refused.content
    assert not Order.objects.exists() and not PaymentAttempt.objects.exists()
