"""A shopper's receipt in the shop's page, on a phone, and on paper."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from tests.support.desk import Desk


@pytest.fixture
def receipt(shop, settings, cybersource_simulator) -> str:
    """The path of a receipt of a payment that was refunded in part."""
    for name, value in cybersource_simulator.shop_settings.items():
        setattr(settings, name, value)
    desk = Desk(cybersource_simulator)
    order = desk.captured("24.00", "64.50")
    desk.do("refund", desk.debit(order), amount=Decimal("24.00"))
    proof = {"order": order.number, "hash": order.verification_hash()}
    (one,) = Client().get("/api/cybersource/v1/my/payments/", proof).json()["results"]
    return one["url"].removeprefix("http://testserver")


def test_a_receipt_is_read_on_a_phone_and_printed_without_the_page_around_it(chromium, shop, receipt, screenshot):
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(shop + receipt)
    article = page.get_by_role("article")
    screenshot(page, "receipt-phone")
    assert article.get_by_text("$69.50").is_visible() and article.get_by_text("Refunds", exact=True).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})
    screenshot(page, "receipt-paper")
    seen = "element => getComputedStyle(element).visibility"
    assert article.evaluate(seen) == "visible"
    assert {each.evaluate(seen) for each in page.locator("header, footer, nav").all()} <= {"hidden"}
    context.close()
