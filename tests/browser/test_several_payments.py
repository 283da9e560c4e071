"""Two orders of one session, and two cards for one order: each page speaks of its own, and leads to the next."""

from __future__ import annotations

from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from oscar.core.loading import get_model
from oscar.test.factories import create_product

from cybersource.models import PaymentAttempt
from cybersource.simulator import cards
from tests.browser.conftest import WIDTHS, sideways
from tests.support.shop import latest, two_cards

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")

SERIOUS = ("serious", "critical")


@pytest.fixture
def at_payment(browser, shop):
    browser.fill_basket(create_product(title="Enamel kettle", price=Decimal("64.50"), num_in_stock=50))
    browser.walk_to_payment()
    return browser


def look_at(page, screenshot, name):
    """Every width without a sideways scroll, nothing serious for axe within the app's own part, and a picture."""
    for width, pixels in WIDTHS.items():
        page.set_viewport_size({"width": pixels, "height": 900})
        page.wait_for_timeout(100)
        assert sideways(page) <= 0, (name, width)
        screenshot(page, f"{name}-{width}")
    found = Axe().run(page, context=".cybersource-page, .cybersource-unpaid")
    assert [v["id"] for v in found.response["violations"] if v["impact"] in SERIOUS] == []


def with_two_cards(page, first="50.00"):
    """The shop's own script splits the payment, as a shop does that offers it."""
    page.evaluate(
        "(payment) => document.addEventListener('cybersource:payload', (event) => {"
        " event.detail.payload.payment = payment; })",
        two_cards(first),
    )
    page.evaluate("() => { document.querySelector('[data-cybersource-card-form]').dataset.methodKey = 'a'; }")


def place_without_paying(browser):
    """The order is placed, and its form does not reach the provider."""
    page = browser.page
    page.route("**/silent/**", lambda route: route.abort())
    browser.type_card()
    with page.expect_event("requestfailed", lambda request: "/silent/" in request.url):
        browser.press_pay()
    page.unroute_all()
    page.wait_for_timeout(300)


@pytest.mark.parametrize("flow", ["one-step", "two-step"])
def test_two_cards_pay_one_order_one_after_the_other(at_payment, settings, screenshot, flow):
    settings.CYBERSOURCE_FLOW = flow
    page = at_payment.page
    with_two_cards(page)
    at_payment.pay()
    page.get_by_role("heading", name="Finish paying order").wait_for()
    page.locator("form[data-cybersource-ready]").wait_for()
    assert "do not pay" not in page.locator(".cybersource-page").inner_text()
    if flow == "one-step":
        look_at(page, screenshot, "second-card")
    at_payment.type_card()
    page.get_by_role("button", name="Pay $19.50").click()
    at_payment.arrive("/checkout/thank-you/")
    order = Order.objects.get()
    assert order.status == "Authorized"
    taken = Transaction.objects.filter(source__order=order, txn_type=Transaction.AUTHORISE)
    assert sorted(taken.values_list("amount", flat=True)) == [Decimal("19.50"), Decimal("50.00")]
    at_payment.shop_was_never_told(cards.APPROVED)


def test_the_waiting_page_of_one_order_neither_pays_nor_shows_the_other(at_payment, settings, screenshot):
    settings.CYBERSOURCE_FLOW = "one-step"
    at_payment.pay(cards.UNKNOWN)
    at_payment.arrive("/api/cybersource/pending/*/")
    waiting, first = at_payment.page, PaymentAttempt.objects.get()
    look_at(waiting, screenshot, "waiting")

    settings.CYBERSOURCE_FLOW = "two-step"
    at_payment.page = at_payment.context.new_page()
    at_payment.fill_basket(create_product(title="Seed sampler", price=Decimal("9.00"), num_in_stock=50))
    at_payment.walk_to_payment()
    place_without_paying(at_payment)
    assert Order.objects.count() == 2

    asked = []
    waiting.on("request", lambda request: asked.append((request.method, request.url)))
    waiting.reload()
    waiting.get_by_text("Last checked:").wait_for()
    waiting.wait_for_timeout(4_500)
    assert first.order.number in waiting.content()
    assert latest("cybersource").order.number not in waiting.locator(".cybersource-page").inner_text()
    assert not [url for method, url in asked if method == "POST"], "nothing is posted from it"
    assert {url for _method, url in asked if "/state/" in url} == {
        f"{at_payment.shop}/api/cybersource/state/{first.transaction_uuid}/"
    }


def test_the_page_of_an_unpaid_order_works_by_keyboard_and_for_everybody(at_payment, settings, screenshot):
    settings.CYBERSOURCE_FLOW = "one-step"
    page = at_payment.page
    place_without_paying(at_payment)
    at_payment.goto("/basket/")
    look_at(page, screenshot, "basket-with-unpaid-order")
    page.get_by_role("link", name="Finish paying order").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Finish paying order").wait_for()
    page.locator("form[data-cybersource-ready]").wait_for()
    look_at(page, screenshot, "finish")
    page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    at_payment.type_card()
    look_at(page, screenshot, "finish-from-right-to-left")
    page.get_by_label("Security code").focus()
    page.keyboard.press("Enter")
    at_payment.arrive("/checkout/thank-you/")
    assert Order.objects.get().status == "Authorized"
