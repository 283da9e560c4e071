"""The network between page and shop breaks, at each request of the checkout and in each way, and nobody is stranded.

A request that may have taken effect is never told as one that has not; whatever the shopper does then, press again,
reload, or look for the basket, leads to one order that is paid once.
"""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from oscar.core.loading import get_model
from oscar.test.factories import create_product

from cybersource.simulator import cards
from tests.browser.conftest import CVN, EXPIRY

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")

PLACING = "**/api/checkout/"
READING = "**/api/checkout/payment-states/"
LOOKING = re.compile("/api/cybersource/placed/")

HTML = {"content_type": "text/html"}

#: What the browser gets in the place of the shop's answer.
ANSWERS = {
    "cut": None,
    "a page": {"status": 200, "body": "<h1>Please wait</h1>", **HTML},
    "a redirect": {"status": 302, "headers": {"Location": "/accounts/login/"}},
    "nothing": {"status": 200, "body": ""},
    "no content": {"status": 204},
    "a bad gateway": {"status": 502, "body": "<h1>Bad gateway</h1>", **HTML},
    "a firewall's no": {"status": 403, "body": "<h1>Forbidden</h1>", **HTML},
    "half a JSON": {"status": 200, "body": '{"number": "1000', "content_type": "application/json"},
    "an error in JSON": {"status": 500, "body": '{"detail": "?"}', "content_type": "application/json"},
}

#: What no page may say while nobody knows.
FALSE = re.compile("nothing (has been|was) charged|could not be placed|not accept this order|nothing to pay", re.I)


@pytest.fixture(autouse=True)
def one_step(settings):
    settings.CYBERSOURCE_FLOW = "one-step"


@pytest.fixture
def at_payment(browser, shop):
    browser.fill_basket(create_product(title="Enamel kettle", price=Decimal("64.50"), num_in_stock=50))
    browser.walk_to_payment()
    return browser


def break_answers(page, pattern, answer, *, times=1, reaches=True):
    """Let so many requests reach the shop, or not, and put something else in the place of the answers."""

    def handle(route):
        if reaches:
            route.fetch(max_redirects=0)
        route.abort() if answer is None else route.fulfill(**answer)

    page.route(pattern, handle, times=times)


def told(page):
    summary = page.locator("[data-cybersource-summary]")
    summary.wait_for(timeout=20_000)
    text = summary.inner_text()
    assert not FALSE.search(text), text
    return text


def paid_once(browser):
    browser.arrive("/checkout/thank-you/")
    (order,) = Order.objects.all()
    assert order.status == "Authorized"
    assert Transaction.objects.filter(source__order=order, txn_type=Transaction.AUTHORISE).count() == 1
    browser.shop_was_never_told(cards.APPROVED)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_order_whose_answer_is_lost_is_found_and_paid_without_a_second_press(at_payment, answer):
    break_answers(at_payment.page, PLACING, ANSWERS[answer])
    at_payment.pay()
    paid_once(at_payment)


def test_an_order_that_never_arrives_is_told_as_unknown_each_time_and_placed_by_the_press_that_gets_through(at_payment):
    at_payment.type_card()
    for answer in ANSWERS.values():
        break_answers(at_payment.page, PLACING, answer, reaches=False)
        at_payment.press_pay()
        assert "We do not know yet whether your order was placed" in told(at_payment.page)
    at_payment.press_pay()
    paid_once(at_payment)


def test_an_order_whose_states_are_lost_is_told_as_placed_each_time_and_paid_by_the_press_that_gets_through(at_payment):
    at_payment.type_card()
    for answer in ANSWERS.values():
        for pattern in (READING, LOOKING):
            break_answers(at_payment.page, pattern, answer, times=10)
        at_payment.press_pay()
        assert "Your order is placed and not paid yet" in told(at_payment.page)
        at_payment.page.unroute_all()
    at_payment.press_pay()
    paid_once(at_payment)


@pytest.mark.parametrize("way", ["reload", "the link", "back to the basket"])
def test_reloading_after_a_lost_answer_leads_to_the_order_and_never_to_an_empty_basket(at_payment, screenshot, way):
    page = at_payment.page
    break_answers(page, READING, None)
    at_payment.pay()
    told(page)
    screenshot(page, "states-lost")
    if way == "reload":
        page.reload()
    elif way == "the link":
        page.get_by_role("link", name="Finish paying this order").click()
    else:
        at_payment.goto("/basket/")
        screenshot(page, "empty-basket")
        page.get_by_role("link", name="Finish paying order").first.click()
    page.get_by_role("heading", name="Finish paying order").wait_for()
    page.locator("form[data-cybersource-ready]").wait_for()
    screenshot(page, "finish")
    at_payment.type_card()
    page.get_by_role("button", name="Pay", exact=False).last.click()
    paid_once(at_payment)


def test_with_the_whole_network_gone_after_the_order_arrived_every_way_back_leads_to_it(at_payment):
    page = at_payment.page
    break_answers(page, PLACING, None)
    break_answers(page, LOOKING, None, times=100, reaches=False)
    at_payment.pay()
    assert "We do not know yet whether your order was placed" in told(page)
    page.unroute_all()
    page.reload()
    page.get_by_role("link", name="Finish paying order").first.click()
    at_payment.type_card()
    page.get_by_role("button", name="Pay", exact=False).last.click()
    paid_once(at_payment)


def test_with_the_whole_network_gone_the_next_press_takes_up_the_order_that_arrived(at_payment):
    page = at_payment.page
    break_answers(page, PLACING, None)
    break_answers(page, LOOKING, None, times=100, reaches=False)
    at_payment.pay()
    told(page)
    page.unroute_all()
    at_payment.press_pay()
    paid_once(at_payment)


def test_a_second_tab_after_paying_is_told_that_the_order_is_paid_and_led_to_it(at_payment, screenshot):
    second = at_payment.context.new_page()
    second.goto(f"{at_payment.shop}/checkout/payment-details/")
    at_payment.pay()
    at_payment.arrive("/checkout/thank-you/")
    fill(second)
    second.get_by_role("button", name="Place order and pay").click()
    assert "This order is already paid" in told(second)
    screenshot(second, "second-tab-paid")
    second.get_by_role("link", name="See your order").click()
    second.wait_for_url("**/checkout/thank-you/")
    paid_once(at_payment)


def test_a_second_tab_before_paying_is_led_to_the_order_that_the_first_placed(at_payment, cybersource_simulator):
    second = at_payment.context.new_page()
    second.goto(f"{at_payment.shop}/checkout/payment-details/")
    break_answers(at_payment.page, READING, None)
    at_payment.pay()
    told(at_payment.page)
    fill(second)
    second.get_by_role("button", name="Place order and pay").click()
    assert "This order is already placed" in told(second)
    second.get_by_role("link", name="Finish paying order").click()
    second.get_by_role("heading", name="Finish paying order").wait_for()
    at_payment.press_pay()
    paid_once(at_payment)
    second.reload()
    second.wait_for_url("**/checkout/thank-you/")


def fill(page):
    page.get_by_label("Card number").fill(cards.APPROVED)
    page.get_by_label("Expiry date").fill(EXPIRY)
    page.get_by_label("Security code").fill(CVN)


def test_back_from_the_provider_leads_to_the_orders_own_page_and_pays_it(at_payment, cybersource_simulator):
    cybersource_simulator.faults.next("forbidden")
    page = at_payment.page
    at_payment.pay()
    page.wait_for_url(f"{cybersource_simulator.url}/**")
    page.go_back()
    page.get_by_role("heading", name="Finish paying order").wait_for()
    at_payment.type_card()
    page.get_by_role("button", name="Pay", exact=False).last.click()
    paid_once(at_payment)
