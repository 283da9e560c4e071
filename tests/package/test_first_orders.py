"""The sandbox's first orders are paid at CyberSource like any other, and can be worked on."""

from __future__ import annotations

import pytest
from oscar.core.loading import get_model
from oscar.test.factories import create_product
from pytest_django.live_server_helper import LiveServer

from sandbox import first_orders
from tests.support.shop import united_states

Order = get_model("order", "Order")
ProductClass = get_model("catalogue", "ProductClass")


@pytest.fixture
def shop(desk):
    united_states()
    server = LiveServer("localhost:0")
    desk.simulator.set_shop(server.url)
    yield server.url
    server.stop()


def test_one_order_is_held_and_can_be_captured_and_one_waits_for_a_reviewer(desk, shop):
    ProductClass.objects.create(name="Goods", requires_shipping=True)
    products = [create_product(price=10, num_in_stock=9, product_class="Goods").pk for _each in range(2)]
    numbers = [
        first_orders.place(shop, products, card=card, quantity=quantity) for card, quantity in first_orders.ORDERS
    ]
    held, reviewed = (Order.objects.get(number=number) for number in numbers)
    assert (held.status, reviewed.status) == ("Authorized", "Pending")
    assert str(desk.payment(reviewed).standing(desk.authorization(reviewed))) == "under review"
    desk.do("capture", desk.authorization(held))
    desk.do("accept_review", desk.authorization(reviewed))
