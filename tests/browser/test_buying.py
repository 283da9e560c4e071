"""A shopper pays, in a real browser, on two sites."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from urllib.parse import parse_qsl

import pytest
from oscar.core.loading import get_model
from oscar.test.factories import create_product

from cybersource.models import AttemptState, CyberSourceReply, PaymentAttempt
from cybersource.simulator import cards
from tests.browser.conftest import open_browser
from tests.support.chromium import close_tab
from tests.support.shop import Benefit, Condition, ConditionalOffer, Range, Shopper, post_reply

Transaction = get_model("payment", "Transaction")


@pytest.fixture
def kettle(shop):
    return create_product(title="Enamel kettle", price=Decimal("64.50"), num_in_stock=50)


@pytest.fixture
def at_payment(browser, kettle):
    browser.fill_basket(kettle)
    browser.walk_to_payment()
    return browser


def free_delivery():
    everything = Range.objects.create(name="Everything", includes_all_products=True)
    ConditionalOffer.objects.create(
        name="Free delivery",
        condition=Condition.objects.create(range=everything, type=Condition.COUNT, value=1),
        benefit=Benefit.objects.create(type=Benefit.SHIPPING_PERCENTAGE, value=100),
    )


def charges(order):
    return Transaction.objects.filter(source__order=order, txn_type=Transaction.AUTHORISE).count()


@pytest.mark.parametrize("flow", ["two-step", "one-step", "sale", "sale-with-token"])
def test_a_shopper_buys_with_a_card(at_payment, settings, mailoutbox, screenshot, flow):
    settings.CYBERSOURCE_FLOW = flow
    at_payment.type_card()
    screenshot(at_payment.page, f"payment-{flow}")
    at_payment.press_pay()
    at_payment.arrive("/checkout/thank-you/")
    screenshot(at_payment.page, f"thank-you-{flow}")
    order = at_payment.order()
    assert order.number in at_payment.page.content()
    assert order.status == "Authorized"
    assert order.sources.get().amount_allocated == order.total_incl_tax
    assert len(mailoutbox) == 1
    at_payment.shop_was_never_told(cards.APPROVED)


def test_a_shopper_pays_with_the_keyboard_alone(at_payment):
    page = at_payment.page
    page.get_by_label("Card number").focus()
    page.keyboard.type(cards.APPROVED)
    page.keyboard.press("Tab")
    page.keyboard.type("1231")
    page.keyboard.press("Tab")
    page.keyboard.type("737")
    page.keyboard.press("Enter")
    at_payment.arrive("/checkout/thank-you/")
    assert at_payment.order().status == "Authorized"


def test_a_declined_shopper_reads_why_and_buys_with_another_card(at_payment, mailoutbox, screenshot):
    at_payment.pay(cards.DECLINED)
    at_payment.page.get_by_text("was not accepted").wait_for()
    screenshot(at_payment.page, "declined")
    order = at_payment.order()
    assert order.status == "Payment Declined"
    assert order.basket.status == "Open"
    at_payment.walk_to_payment()
    at_payment.pay()
    at_payment.arrive("/checkout/thank-you/")
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert charges(order) == 1
    assert len(mailoutbox) == 1
    at_payment.shop_was_never_told(cards.DECLINED)
    at_payment.shop_was_never_told(cards.APPROVED)


def test_a_review_is_accepted_in_the_business_center_and_then_the_mail_goes_out(
    at_payment, cybersource_simulator, mailoutbox, screenshot
):
    at_payment.pay(cards.REVIEW)
    at_payment.arrive("/api/cybersource/pending/*/")
    at_payment.page.get_by_role("heading", name="Your payment is being reviewed").wait_for()
    screenshot(at_payment.page, "under-review")
    order = at_payment.order()
    assert order.status == "Pending"
    assert mailoutbox == []

    desk = at_payment.context.new_page()
    desk.goto(cybersource_simulator.url)
    desk.get_by_role("link", name="Review queue").first.click()
    screenshot(desk, "review-queue")
    desk.get_by_role("link", name=order.number).first.click()
    desk.get_by_label("Comment", exact=False).first.fill("Spoke to the customer.")
    desk.get_by_role("button", name="Accept").first.click()
    cybersource_simulator.wait_for_delivery(kind="review notification")
    screenshot(desk, "case-accepted")
    close_tab(desk)

    order.refresh_from_db()
    assert order.status == "Authorized"
    assert Transaction.objects.get(source__order=order).status == "ACCEPT"
    assert any("Spoke to the customer." in note.message for note in order.notes.all())
    assert len(mailoutbox) == 1
    at_payment.page.reload()
    at_payment.arrive("/checkout/thank-you/")


def test_a_rejected_review_declines_the_order_and_gives_the_basket_back(at_payment, cybersource_simulator, mailoutbox):
    at_payment.pay(cards.REVIEW)
    at_payment.arrive("/api/cybersource/pending/*/")
    payment = cybersource_simulator.wait_for_payment(decision="REVIEW")
    assert cybersource_simulator.decide(payment, "REJECT", comments="Suspected fraud.").status == 200
    order = at_payment.order()
    assert order.status == "Payment Declined"
    assert order.basket.status == "Open"
    assert order.sources.get().amount_allocated == 0
    assert mailoutbox == []
    at_payment.page.reload()
    at_payment.page.get_by_text("was not accepted").wait_for()


def test_the_merchant_post_settles_the_payment_of_a_closed_tab(
    at_payment, settings, cybersource_simulator, kettle, mailoutbox
):
    settings.CYBERSOURCE_FLOW = "one-step"
    cybersource_simulator.faults.next("tab-closed")
    at_payment.pay()
    payment = cybersource_simulator.wait_for_payment()
    cybersource_simulator.wait_for_delivery(payment)
    close_tab(at_payment.page)
    order = at_payment.order()
    assert order.status == "Authorized"
    assert charges(order) == 1
    assert len(mailoutbox) == 1
    later = at_payment.context.new_page()
    later.goto(f"{at_payment.shop}/checkout/thank-you/")
    assert order.number in later.content()


def test_a_late_answer_finds_the_order_already_paid_by_the_merchant_post(at_payment, settings, mailoutbox):
    settings.CYBERSOURCE_FLOW = "one-step"
    at_payment.pay(cards.LATE)
    at_payment.arrive("/checkout/thank-you/")
    order = at_payment.order()
    assert order.status == "Authorized"
    assert charges(order) == 1
    assert len(mailoutbox) == 1
    assert set(CyberSourceReply.objects.values_list("reply_type", flat=True)) == {"browser", "merchant-post"}


def test_back_after_paying_cannot_pay_a_second_time(at_payment, settings, cybersource_simulator, mailoutbox):
    settings.CYBERSOURCE_FLOW = "one-step"
    at_payment.pay()
    at_payment.arrive("/checkout/thank-you/")
    order = at_payment.order()
    for _step in range(4):
        at_payment.page.go_back(wait_until="commit")
        at_payment.page.wait_for_load_state()
    assert charges(order) == 1
    at_payment.goto("/checkout/thank-you/")
    assert order.number in at_payment.page.content()
    assert PaymentAttempt.objects.count() == 1
    assert len(mailoutbox) == 1


def test_refreshing_the_reply_is_harmless(at_payment, settings, mailoutbox):
    """The browser sends the same signed reply again, as a reload of the posted page does."""
    settings.CYBERSOURCE_FLOW = "one-step"
    at_payment.pay()
    at_payment.arrive("/checkout/thank-you/")
    order = at_payment.order()
    (posted,) = [r for r in at_payment.told if r["url"].endswith("/cybersource-reply/")]
    assert "cookie" not in {name.lower() for name in posted["headers"]}
    at_payment.page.goto("about:blank")
    at_payment.page.set_content(
        f'<form method="post" action="{posted["url"]}">'
        + "".join(f'<input name="{name}" value="{value}">' for name, value in signed(posted["body"]))
        + "<button>again</button></form>"
    )
    at_payment.page.get_by_role("button").click()
    at_payment.arrive("/checkout/thank-you/")
    assert charges(order) == 1
    assert CyberSourceReply.objects.count() >= 2
    assert len(mailoutbox) == 1


def signed(body):
    return [(name, escape(value)) for name, value in parse_qsl(body, keep_blank_values=True)]


def test_two_tabs_of_one_checkout_pay_one_order_once(at_payment, settings, mailoutbox):
    settings.CYBERSOURCE_FLOW = "one-step"
    second = at_payment.context.new_page()
    second.goto(f"{at_payment.shop}/checkout/payment-details/")
    at_payment.pay()
    at_payment.arrive("/checkout/thank-you/")
    order = at_payment.order()
    second.get_by_label("Card number").fill(cards.APPROVED)
    second.get_by_label("Expiry date").fill("12 / 31")
    second.get_by_label("Security code").fill("737")
    second.get_by_role("button", name="Place order and pay").click()
    second.get_by_role("alert").wait_for()
    order.refresh_from_db()
    assert charges(order) == 1
    assert type(order).objects.count() == 1
    assert len(mailoutbox) == 1


def test_the_reply_carries_no_cookie_and_the_return_page_gets_the_session_back(at_payment, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    at_payment.pay()
    at_payment.arrive("/checkout/thank-you/")
    crossing = [r for r in at_payment.told if "/api/cybersource/" in r["url"] and "fingerprint" not in r["url"]]
    names = [r["url"].split("/api/cybersource/")[1].split("/")[0] for r in crossing]
    assert names[:2] == ["cybersource-reply", "return"]


def test_a_shop_with_strict_cookies_still_finds_its_shopper(chromium, settings, shop, cybersource_simulator, kettle):
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    settings.CYBERSOURCE_FLOW = "one-step"
    browser = open_browser(chromium, shop, cybersource_simulator)
    browser.fill_basket(kettle)
    browser.walk_to_payment()
    browser.pay()
    browser.arrive("/checkout/thank-you/")
    assert browser.order().status == "Authorized"
    browser.context.close()


def test_an_unknown_outcome_says_we_are_still_checking_and_moves_on_by_itself(
    at_payment, settings, cybersource_simulator, screenshot
):
    settings.CYBERSOURCE_FLOW = "one-step"
    at_payment.pay(cards.UNKNOWN)
    at_payment.arrive("/api/cybersource/pending/*/")
    at_payment.page.get_by_text("do not pay again", exact=False).first.wait_for()
    screenshot(at_payment.page, "still-checking")
    attempt = PaymentAttempt.objects.get()
    assert attempt.state == AttemptState.UNKNOWN
    teller = Shopper(gateway=cybersource_simulator.gateway)
    assert post_reply(teller.reply(attempt)).status_code == 303
    at_payment.arrive("/checkout/thank-you/")


def test_a_refused_form_leaves_the_payment_open_and_the_shopper_can_go_back(
    at_payment, settings, cybersource_simulator
):
    """CyberSource's bare 403 page, of which the shop hears nothing: Back and pay again works."""
    settings.CYBERSOURCE_FLOW = "one-step"
    cybersource_simulator.faults.next("forbidden")
    at_payment.type_card()
    at_payment.press_pay()
    at_payment.page.wait_for_url(f"{cybersource_simulator.url}/**")
    order = at_payment.order()
    assert order.status == "Pending"
    assert order.cybersource_attempts.get().state == AttemptState.OPEN
    at_payment.goto("/checkout/thank-you/")
    assert at_payment.page.evaluate("fetch('/api/checkout/payment-states/').then((r) => r.json())")[
        "payment_method_states"
    ]["cybersource"]["required_action"]


def test_on_a_phone_the_payment_page_fits_and_works(
    chromium, shop, cybersource_simulator, kettle, settings, screenshot
):
    settings.CYBERSOURCE_FLOW = "two-step"
    phone = open_browser(
        chromium, shop, cybersource_simulator, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    phone.fill_basket(kettle)
    phone.walk_to_payment()
    phone.type_card()
    screenshot(phone.page, "payment-phone")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.press_pay()
    phone.arrive("/checkout/thank-you/")
    screenshot(phone.page, "thank-you-phone")
    assert phone.order().status == "Authorized"
    phone.context.close()


def test_an_order_that_costs_nothing_is_placed_without_a_card(browser, shop, mailoutbox, screenshot):
    free_delivery()
    browser.fill_basket(create_product(title="Seed sampler", price=Decimal("0.00"), num_in_stock=50))
    browser.walk_to_payment()
    page = browser.page
    screenshot(page, "nothing-to-pay")
    assert page.get_by_label("Card number").count() == 0
    page.get_by_role("button", name="Place order").click()
    browser.arrive("/checkout/thank-you/")
    screenshot(page, "thank-you-nothing-to-pay")
    order = browser.order()
    assert (order.status, order.total_incl_tax) == ("Authorized", 0)
    assert order.number in page.content()
    assert not PaymentAttempt.objects.exists(), "CyberSource is never asked"
    assert len(mailoutbox) == 1
