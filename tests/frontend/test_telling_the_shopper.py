"""Whatever goes wrong, the shopper is told in plain words, where it is, and that nothing was charged."""

from dataclasses import replace

import pytest
from django.utils import translation
from django.utils.translation import gettext

from .conftest import CVN, VISA, Answer, card_page, eventually

pytestmark = pytest.mark.browser

ORDER = {"basket": "/api/baskets/1/"}
STATES = ("GET", "/api/checkout/payment-states/")


def test_an_empty_form_names_every_missing_field_once_and_takes_the_focus_there(checkout, page, gateway, shop):
    checkout.open(payload=ORDER).pay()
    assert checkout.summary.locator("li").all_inner_texts() == [
        "Enter your card number.",
        "Enter the expiry date.",
        "Enter the security code.",
    ]
    assert page.evaluate("document.activeElement.hasAttribute('data-cybersource-summary')")
    assert checkout.summary.get_attribute("role") == "alert"
    assert checkout.error("number").inner_text() == "Enter your card number."
    assert gateway.requests == [] and shop.got("POST", "/api/checkout/") == []


def test_each_entry_of_the_summary_leads_to_its_field(checkout, page):
    checkout.open().pay()
    for text, label in (("Enter the security code.", "Security code"), ("Enter your card number.", "Card number")):
        checkout.summary.get_by_role("link", name=text).click()
        assert page.evaluate("document.activeElement.labels[0].innerText") == label
    assert page.url.endswith("/checkout/")


def test_a_field_with_an_error_says_so_to_a_screen_reader_and_stops_saying_so(checkout):
    checkout.open().fill(expiry="01/2020").pay()
    assert checkout.expiry.get_attribute("aria-invalid") == "true"
    described = checkout.expiry.get_attribute("aria-describedby").split()
    assert described == ["cybersource-card-expiry-hint", "cybersource-card-expiry-error"]
    assert checkout.number.get_attribute("aria-invalid") is None
    checkout.expiry.fill("09/2031")
    assert checkout.expiry.get_attribute("aria-invalid") is None
    assert checkout.expiry.get_attribute("aria-describedby") == "cybersource-card-expiry-hint"
    assert not checkout.error("expiry").is_visible()


@pytest.mark.parametrize(
    ("card", "field", "text"),
    [
        ({"number": "4111 1111"}, "number", "This card number is too short. Please check it."),
        ({"number": "4111 1111 1111 1111 11111"}, "number", "This card number is too long. Please check it."),
        (
            {"number": "4111 1111 1111 1112"},
            "number",
            "This card number has a mistake in it. Please check every digit.",
        ),
        ({"expiry": "01/20"}, "expiry", "This card has expired. Please check the date or use another card."),
        ({"expiry": "13/30"}, "expiry", "Enter the expiry date as month and year, for example 09 / 27."),
        ({"expiry": "01/98"}, "expiry", "This expiry date is too far ahead. Please check the year."),
        ({"cvn": "12"}, "cvn", "Enter the 3 digits on the back of your card."),
        ({"number": "378282246310005", "cvn": "123"}, "cvn", "Enter the 4 digits on the front of your card."),
    ],
)
def test_each_mistake_in_a_card_has_words_of_its_own_beside_its_field(checkout, card, field, text):
    checkout.open().fill(**card).pay()
    assert checkout.error(field).inner_text() == text
    assert checkout.summary.locator("li").all_inner_texts() == [text]


def test_a_brand_the_shop_does_not_take_is_refused_by_name(checkout):
    checkout.open("card_types='001,002,007'").fill(number="378282246310005", cvn="1234").pay()
    assert (
        checkout.error("number").inner_text()
        == "Sorry, we do not take American Express cards. We take Visa, Mastercard, and JCB."
    )


def test_a_phone_number_that_is_none_is_told(checkout):
    checkout.open("phone=True").fill().field("Phone number (optional)").fill("12")
    checkout.pay()
    assert checkout.error("phone").inner_text() == "Enter a phone number of 6 to 15 digits, or leave it empty."


def test_the_shops_own_errors_are_shown_with_the_names_of_their_fields(checkout, shop, gateway):
    errors = {
        "guest_email": ["Enter a valid email address."],
        "shipping_address": {"postcode": ["This field is required."], "country": ["Unknown."]},
        "basket": ["'Lamp' is no longer available to buy (out of stock)."],
        "payment": {"cybersource": {"non_field_errors": ["The amount does not match."]}},
        "non_field_errors": ["Please <b>reload</b>."],
        "gift_wrap": ["Choose one."],
    }
    shop.routes["POST", "/api/checkout/"] = Answer.json(errors, 406)
    checkout.open(payload=ORDER).fill().pay()
    checkout.summary.wait_for()
    with translation.override("en"):
        basket = gettext("Basket")  # Oscar's American says "Cart"
    assert checkout.summary.locator("p").inner_text() == "The order could not be placed"
    assert checkout.summary.locator("li").all_inner_texts() == [
        "E-mail address: Enter a valid email address.",
        "Delivery address, Postal code: This field is required.",
        "Delivery address, Country: Unknown.",
        f"{basket}: 'Lamp' is no longer available to buy (out of stock).",
        "Payment, Card: The amount does not match.",
        "Please <b>reload</b>.",
        "Gift wrap: Choose one.",
    ]
    assert gateway.requests == []
    assert checkout.number.input_value() == "4111 1111 1111 1111"


def test_an_error_of_a_field_that_the_page_has_stands_at_that_field(checkout, shop, gateway):
    errors = {
        "billing_address": {"state": ["Enter your state."], "line3": ["Too long."]},
        "guest_email": ["Enter your e-mail address."],
        "user": ["Your account needs an e-mail address."],
    }
    shop.routes["POST", "/api/checkout/"] = Answer.json(errors, 406)
    checkout.open("billing='show'", payload=ORDER).fill()
    typed = {"First name": "Bo", "Last name": "Lindqvist", "Address": "1 Main Street", "Town or city": "Springfield"}
    for label, text in {**typed, "E-mail address": "bo@example.com", "State or province": "Illinois"}.items():
        checkout.field(label).fill(text)
    checkout.field("Country").select_option("DE")
    checkout.pay()
    checkout.error("bill_to_address_state").get_by_text("Enter your state.").wait_for()
    assert checkout.error("bill_to_email").inner_text() == "Enter your e-mail address."
    assert checkout.field("State or province").get_attribute("aria-invalid") == "true"
    assert checkout.summary.locator("li").all_inner_texts() == [
        "Billing address, State or province: Enter your state.",
        "Billing address, Third line of the address: Too long.",
        "E-mail address: Enter your e-mail address.",
        "Your account: Your account needs an e-mail address.",
    ]
    checkout.summary.get_by_role("link").first.click()
    assert checkout.field("State or province").evaluate("field => field === document.activeElement")
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            Answer.json({"detail": "Request was throttled."}, 429, headers={"Retry-After": "30"}),
            "Please wait 30 seconds, then try again.",
        ),
        (Answer.json({}, 429, headers={"Retry-After": "600"}), "Please wait 10 minutes, then try again."),
        (Answer.json({}, 429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), "Please wait a few minutes"),
        (Answer.json({}, 429), "Please wait a few minutes"),
        (Answer.json({"detail": "CSRF Failed: CSRF token missing."}, 403), "Please reload the page and try again."),
        (
            Answer("<h1>Server Error</h1>", 500),
            "Your card details have not been sent. Please try again in a moment (error 500).",
        ),
        (Answer("<h1>Bad gateway</h1>", 502), "(error 502)"),
        (Answer("<h1>Please sign in</h1>", 200), "an answer this page does not understand"),
        (Answer("[[[", 200, "application/json"), "an answer this page does not understand"),
        (Answer("<h1>No</h1>", 400), "an answer this page does not understand"),
        (Answer("", 302, headers={"Location": "/login/"}), "led this page elsewhere"),
        (Answer.json({"detail": "Bad request."}, 400), "Bad request."),
    ],
)
def test_each_way_the_shop_can_fail_to_take_the_order_is_told_and_the_card_stays_here(
    checkout, shop, gateway, answer, text
):
    shop.routes["POST", "/api/checkout/"] = answer
    checkout.open(payload=ORDER).fill().pay()
    checkout.summary.get_by_text(text).wait_for()
    assert gateway.requests == []
    assert checkout.button.get_attribute("aria-disabled") == "false"
    assert checkout.status.inner_text() == ""


TOO_MANY_TRIES = Answer.json(
    {"detail": "Too many card payments were tried. Please wait 12 minutes, then try again. Nothing has been charged."},
    429,
    headers={"Retry-After": "711"},
)


#: A form that was shown before may have been paid.
TOLD = {
    "the order": "Please wait 12 minutes, then try again. Nothing has been charged.",
    "the form": "Please wait 12 minutes before you try again. If you have just paid, do not pay again; we are still "
    "waiting for the answer.",
}


@pytest.mark.parametrize("refused_at", TOLD)
def test_a_shopper_with_too_many_tries_reads_how_long_to_wait_and_pays_afterwards_for_one_order(
    checkout, shop, gateway, refused_at
):
    route = ("POST", "/api/checkout/") if refused_at == "the order" else STATES
    later, shop.routes[route] = shop.routes[route], TOO_MANY_TRIES
    checkout.open(payload=ORDER).fill().pay()
    checkout.summary.get_by_text(TOLD[refused_at]).wait_for()
    assert checkout.summary.locator("p").inner_text() == "Too many tries"
    assert gateway.requests == []
    assert checkout.number.input_value() == "4111 1111 1111 1111"
    shop.routes[route] = later
    assert dict(checkout.pay().posted())["card_number"] == VISA
    asked = len(shop.got("POST", "/api/checkout/"))
    assert asked == (1 if refused_at == "the form" else 2), "an order that was placed is not placed again"


def test_a_lost_connection_is_told_and_the_next_try_works(checkout, page, shop):
    checkout.open(payload=ORDER).fill()
    page.context.set_offline(True)
    checkout.pay()
    checkout.summary.get_by_text("check your internet connection").wait_for()
    page.context.set_offline(False)
    assert dict(checkout.pay().posted())["card_number"] == VISA


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer.json({"order_status": "Pending", "payment_method_states": None}), "There is nothing to pay here"),
        (Answer.json({"detail": "Not found."}, 404), "There is nothing to pay here"),
        (Answer.json({}), "There is nothing to pay here"),
        (Answer("<h1>hello</h1>"), "an answer this page does not understand"),
        (Answer.json({"detail": "no"}, 429, headers={"Retry-After": "1"}), "Please wait 1 second before you"),
        (Answer.json({"detail": "no"}, 429), "Please wait a few minutes before you try again. If you have just paid"),
        (Answer("", 500), "error 500"),
    ],
)
def test_each_way_the_payment_states_can_fail_is_told(checkout, shop, gateway, answer, text):
    shop.routes[STATES] = answer
    checkout.open().fill().pay()
    checkout.summary.get_by_text(text).wait_for()
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("status", "options", "text", "link"),
    [
        ("Declined", "retry_url='/basket/'", "The payment was declined", "/basket/"),
        ("Declined", "", "Please go back to your basket", None),
        ("Pending", "", "please do not pay again", None),
        ("Complete", "success_url='/thanks/'", "This order is already paid", "/thanks/"),
        ("Consumed", "", "You do not need to pay again", None),
    ],
)
def test_an_order_that_needs_no_card_any_more_is_told_with_the_way_on(
    checkout, shop, gateway, status, options, text, link
):
    shop.states(status)
    checkout.open(options).fill().pay()
    checkout.summary.get_by_text(text).wait_for()
    assert gateway.requests == []
    links = checkout.summary.get_by_role("link")
    assert links.get_attribute("href") == link if link else links.count() == 0


def test_a_payment_declined_at_once_is_told_and_not_placed_a_second_time(checkout, shop):
    shop.states("Declined")
    checkout.open(payload=ORDER).fill().pay()
    checkout.summary.get_by_text("The payment was declined").wait_for()
    assert len(shop.got("POST", "/api/checkout/")) == 1


def test_a_card_just_typed_never_passes_for_the_one_the_order_already_has(checkout, shop, gateway, page):
    token_form = [
        {"key": "payment_token", "value": "9903000000000001", "editable": False},
        {"key": "signature", "value": "s", "editable": False},
    ]
    shop.states(action=shop.action(token_form, name="authorize"))
    checkout.open().fill().pay()
    checkout.summary.get_by_text("The card you typed now has not been sent").wait_for()
    assert gateway.requests == []
    page.get_by_role("button", name="Go on with the card you entered before").click()
    assert checkout.posted() == [("payment_token", "9903000000000001"), ("signature", "s")]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,hello", "ftp://127.0.0.1/", "http://["])
def test_a_card_is_never_sent_to_anything_but_a_web_address(checkout, shop, gateway, url):
    shop.states(action={**shop.action(), "url": url})
    checkout.open().fill().pay()
    checkout.summary.get_by_text("The payment address is not secure").wait_for()
    assert gateway.requests == []


@pytest.mark.parametrize(
    "action",
    [
        {"type": "client-side-payment", "data": {}},
        {"type": "form", "method": "GET", "fields": [], "url": "/"},
        {"type": "form"},
    ],
)
def test_an_action_of_another_kind_is_not_mistaken_for_a_form(checkout, shop, gateway, action):
    shop.states(action=action)
    checkout.open().fill().pay()
    checkout.summary.get_by_text("an answer this page does not understand").wait_for()
    assert gateway.requests == []


def test_a_policy_that_stops_the_form_is_told_instead_of_waiting_for_ever(checkout, shop, page, gateway):
    page.complaints.expected = True
    shop.csp = shop.csp.replace(f" {gateway.url}", "")
    checkout.open().fill().press()
    eventually(
        page, "document.querySelector('[data-cybersource-summary]').innerText.includes('not allowed to send your card')"
    )
    assert gateway.requests == []
    assert checkout.button.get_attribute("aria-disabled") == "false"


def test_an_order_that_is_no_json_is_reported_to_the_shops_developer_and_told_to_the_shopper(checkout, page):
    page.complaints.expected = True
    checkout.open(payload=ORDER)
    page.evaluate("document.getElementById('order').textContent = '{'")
    checkout.fill().pay()
    checkout.summary.get_by_text("an answer this page does not understand").wait_for()
    assert any("JSON" in error for error in page.complaints.errors)


def test_the_shops_page_hears_of_a_problem_but_nothing_of_the_card(checkout, shop, page):
    shop.routes["POST", "/api/checkout/"] = Answer.json({"basket": ["Empty."]}, 400)
    checkout.open(payload=ORDER)
    page.evaluate(
        "window.heard = []; for (const name of ['payload', 'placed', 'leaving', 'problem'])"
        " document.addEventListener(`cybersource:${name}`, (event) => heard.push([name, event.detail]))"
    )
    checkout.fill().pay()
    checkout.summary.wait_for()
    heard = page.evaluate("heard")
    assert heard == [["payload", {"payload": ORDER}], ["problem", {"code": "refused", "status": 400}]]


def test_a_slow_answer_is_explained_and_the_shopper_is_asked_not_to_pay_twice(checkout, page, shop):
    page.clock.install()
    shop.routes[STATES] = replace(shop.routes[STATES], delay=1)
    checkout.open().fill().press()
    checkout.status.get_by_text("Preparing your payment").wait_for()
    page.clock.fast_forward(21_000)
    checkout.status.get_by_text("do not pay a second time").wait_for()


def test_a_second_mistake_replaces_the_first_summary(checkout):
    checkout.open().pay()
    assert checkout.summary.locator("li").count() == 3
    checkout.fill(cvn="1").pay()
    assert checkout.summary.locator("li").all_inner_texts() == ["Enter the 3 digits on the back of your card."]
    checkout.fill(cvn=CVN)
    checkout.pay().posted()


def test_without_javascript_the_shopper_is_told_what_is_needed(browser, shop):
    shop.page("/checkout/", card_page())
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shop.url}/checkout/")
    assert page.locator("noscript p").is_visible()
    assert page.locator("noscript p").inner_text().startswith("Paying by card needs JavaScript")
    assert not page.get_by_text("The card form is loading").is_visible()
    assert page.get_by_role("button", name="Pay by card").is_disabled()
    context.close()


def test_a_module_that_does_not_load_leaves_words_behind_not_a_dead_button(page, shop):
    shop.routes["GET", "/static/cybersource/js/checkout.js"] = Answer("gone", 404)
    shop.page("/checkout/", card_page())
    page.goto(f"{shop.url}/checkout/")
    message = page.get_by_text("The card form is loading")
    assert not message.is_visible()
    message.wait_for(timeout=8_000)  # it comes after five seconds
    assert page.get_by_role("button", name="Pay by card").is_disabled()
