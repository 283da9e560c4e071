"""A shopper pays: what goes to the payment provider, and what never goes to the shop."""

import json

import pytest

from .conftest import CVN, VISA, Answer

pytestmark = pytest.mark.browser

ORDER = {"basket": "/api/baskets/1/", "guest_email": "bo@example.com", "payment": {"cybersource": {"enabled": True}}}


def test_the_form_goes_to_the_provider_exactly_as_signed_with_the_card_filled_in(checkout):
    posted = checkout.open().fill().pay().posted()
    assert posted == [
        ("access_key", "9df3b01c60df20d13843841ff0d4482c"),
        ("transaction_uuid", "6b3d1d52-0c6e-4b3c-9d0e-0d8c3c5a9f11"),
        ("signed_field_names", "access_key,transaction_uuid,signed_field_names"),
        ("amount", "12.00"),
        ("item_0_name", 'Café "crème" & <cake>, naïve'),
        ("signature", "WrXOhTzhBjYMZROwiCug2My3jiZHOqATimcz5EBA07M="),
        ("card_type", "001"),
        ("card_number", VISA),
        ("card_expiry_date", "09-2031"),
        ("card_cvn", CVN),
        ("bill_to_phone", ""),
        ("gift_message", "keep me"),
    ]


def test_the_order_is_placed_first_and_without_the_card(checkout, shop, gateway):
    checkout.open(payload=ORDER).fill().pay().posted()
    (placed,) = shop.got("POST", "/api/checkout/")
    assert json.loads(placed.body) == ORDER
    assert placed.headers["content-type"] == "application/json"
    assert placed.headers["x-csrftoken"] == "csrf-from-the-page"
    seen = [(request.method, request.path) for request in shop.requests if request.path.startswith("/api/")]
    assert seen == [("POST", "/api/checkout/"), ("GET", "/api/checkout/payment-states/")]


def test_a_csrf_cookie_newer_than_the_page_is_the_one_used(checkout, shop, page):
    page.context.add_cookies([{"name": "csrftoken", "value": "csrf-from-the-cookie", "url": shop.url}])
    checkout.open(payload=ORDER).fill().pay().posted()
    assert shop.got("POST", "/api/checkout/")[0].headers["x-csrftoken"] == "csrf-from-the-cookie"


def test_the_shops_page_may_change_the_order_until_it_is_placed(checkout, shop, page):
    checkout.open(payload=ORDER)
    page.evaluate(
        "document.addEventListener('cybersource:payload', (event) => { event.detail.payload.note = 'ring twice'; })"
    )
    checkout.fill().pay().posted()
    assert json.loads(shop.got("POST", "/api/checkout/")[0].body)["note"] == "ring twice"


@pytest.mark.parametrize(
    ("number", "cvn", "code"),
    [("378282246310005", "7373", "003"), ("5555555555554444", CVN, "002"), ("3566111111111113", CVN, "007")],
)
def test_each_brand_is_sent_under_its_own_type(checkout, number, cvn, code):
    posted = dict(checkout.open().fill(number=number, cvn=cvn).pay().posted())
    assert (posted["card_type"], posted["card_number"], posted["card_cvn"]) == (code, number, cvn)


def test_a_phone_number_is_sent_as_digits_when_given(checkout):
    checkout.open("phone=True").fill().field("Phone number (optional)").fill("+1 (415) 555-0123")
    assert dict(checkout.pay().posted())["bill_to_phone"] == "14155550123"


def test_no_card_value_reaches_the_shop_in_any_request(checkout, shop, page):
    checkout.open("phone=True", payload=ORDER).fill().pay().posted()
    page.go_back()
    page.wait_for_selector("form[data-cybersource-ready]")
    checkout.fill(expiry="11/2033").pay()
    page.wait_for_url(f"{checkout.gateway.url}/**")
    assert len(shop.requests) >= 5
    for request in shop.requests:
        seen = request.everything()
        assert VISA not in seen.replace(" ", "").replace("-", "")
        assert CVN not in request.body and CVN not in request.path.partition("?")[2]
        assert "card_number" not in seen and "card_cvn" not in seen
        assert not any(date in seen for date in ("09-2031", "09/2031", "09 / 31", "11-2033", "11 / 33"))


def test_a_card_number_in_the_order_itself_is_stopped_before_it_is_sent(checkout, shop):
    checkout.open(payload={**ORDER, "note": "4111 1111 1111 1111"}).fill().pay()
    checkout.summary.get_by_text("Nothing has been sent").wait_for()
    assert shop.got("POST", "/api/checkout/") == []


def test_nothing_of_the_card_is_kept_in_storage_history_or_the_page(checkout, page, gateway):
    gateway.routes["POST", "/silent/token/create"] = Answer("", 204)  # the browser stays where it is
    checkout.open().fill().pay()
    page.locator("[data-cybersource-status]", has_text="payment provider").wait_for()
    page.wait_for_timeout(200)
    assert len(gateway.got("POST", "/silent/token/create")) == 1
    assert page.evaluate(
        "[localStorage.length, sessionStorage.length, document.cookie, location.href.includes('4111')]"
    ) == [0, 0, "", False]
    assert "4111" not in page.content()
    assert page.locator("input[type=hidden]").count() == 0


def test_no_input_of_the_card_form_has_a_name_to_be_submitted_under(checkout, page):
    checkout.open("phone=True billing='show'")
    assert (
        page.evaluate("Array.from(document.querySelectorAll('input[name], select[name], textarea[name]')).length") == 0
    )


def test_even_a_native_submit_of_the_form_sends_nothing(checkout, page, shop):
    checkout.open().fill()
    page.evaluate("HTMLFormElement.prototype.submit.call(document.querySelector('[data-cybersource-card-form]'))")
    page.wait_for_url("**/checkout/?")
    assert [request.path for request in shop.requests if request.path.startswith("/checkout")] == [
        "/checkout/",
        "/checkout/?",
    ]


def test_pressing_the_button_many_times_pays_once(checkout, shop, gateway, page):
    shop.routes["POST", "/api/checkout/"] = Answer.json({"number": "100042"}, delay=0.3)
    gateway.routes["POST", "/silent/token/create"] = Answer("<title>Payment provider</title>", delay=0.4)
    checkout.open(payload=ORDER).fill()
    box = checkout.button.bounding_box()
    for _ in range(3):
        page.mouse.click(box["x"] + 50, box["y"] + 20)
    page.keyboard.press("Enter")
    assert checkout.button.get_attribute("aria-disabled") == "true"
    checkout.posted()
    assert len(shop.got("POST", "/api/checkout/")) == 1
    assert len(shop.got("GET", "/api/checkout/payment-states/")) == 1


def test_coming_back_from_the_provider_finds_an_empty_card_and_a_working_button(checkout, page, gateway):
    checkout.open().fill().pay().posted()
    page.go_back()
    page.wait_for_selector("form[data-cybersource-ready]")
    page.get_by_text("You came back to this page").wait_for()
    assert [checkout.number.input_value(), checkout.expiry.input_value(), checkout.cvn.input_value()] == ["", "", ""]
    assert checkout.button.get_attribute("aria-disabled") != "true"
    checkout.fill().pay()
    page.wait_for_url(f"{gateway.url}/**")
    assert len(gateway.got("POST", "/silent/token/create")) == 2


def test_the_browsers_frozen_copy_of_the_page_holds_no_card(checkout, page):
    """What `pageshow` brings back from the back-forward cache, acted out, since headless browsers may not keep one."""
    checkout.open().fill()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert [checkout.number.input_value(), checkout.expiry.input_value(), checkout.cvn.input_value()] == ["", "", ""]
    checkout.fill()
    page.evaluate("document.querySelector('[data-cybersource-submit]').setAttribute('aria-disabled', 'true')")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert [checkout.number.input_value(), checkout.expiry.input_value(), checkout.cvn.input_value()] == ["", "", ""]
    assert checkout.button.get_attribute("aria-disabled") == "false"


def test_an_order_once_placed_is_not_placed_again_when_the_states_were_out_of_reach(checkout, shop, page):
    working = shop.routes["GET", "/api/checkout/payment-states/"]
    shop.routes["GET", "/api/checkout/payment-states/"] = Answer("down", 503)
    checkout.open(payload=ORDER).fill().pay()
    checkout.summary.get_by_text("Your card details have not been sent").wait_for()
    shop.routes["GET", "/api/checkout/payment-states/"] = working
    checkout.pay().posted()
    assert len(shop.got("POST", "/api/checkout/")) == 1


def test_after_a_decline_in_this_page_the_next_try_is_an_order_of_its_own(checkout, shop, page, gateway):
    checkout.open(payload=ORDER).fill().pay()
    shop_states = shop.routes["GET", "/api/checkout/payment-states/"]
    checkout.posted()
    shop.states("Declined")

    def place(request):
        shop.routes["GET", "/api/checkout/payment-states/"] = shop_states
        return Answer.json({"number": "100043"})

    page.go_back()
    page.wait_for_selector("form[data-cybersource-ready]")
    shop.routes["POST", "/api/checkout/"] = place
    checkout.fill().pay()
    page.wait_for_url(f"{gateway.url}/**")
    assert len(shop.got("POST", "/api/checkout/")) == 2


def test_a_method_under_another_key_is_found_by_that_key(checkout, shop):
    shop.states(form=True, key="store-card")
    assert dict(checkout.open("method_key='store-card'").fill().pay().posted())["card_number"] == VISA


def test_an_editable_field_without_an_answer_keeps_the_shops_value_and_a_signed_one_is_never_touched(checkout, shop):
    fields = [
        {"key": "card_number", "value": "", "editable": True},
        {"key": "card_type", "value": "signed", "editable": False},
        {"key": "bill_to_phone", "value": "4155550100", "editable": True},
        {"key": "nothing", "value": None, "editable": False},
    ]
    shop.states(action=shop.action(fields))
    assert checkout.open().fill().pay().posted() == [
        ("card_number", VISA),
        ("card_type", "signed"),
        ("bill_to_phone", "4155550100"),
        ("nothing", ""),
    ]


def test_fields_named_like_a_forms_own_methods_do_no_harm(checkout, shop):
    names = ["submit", "action", "method", "remove", "append"]
    fields = [{"key": name, "value": name, "editable": False} for name in names] + shop.form_fields()
    shop.states(action=shop.action(fields))
    assert [key for key, _ in checkout.open().fill().pay().posted()][:5] == names


def test_a_shop_without_the_card_form_can_call_the_module_itself(page, shop, gateway):
    shop.page("/own/", "<!DOCTYPE html><title>Own page</title>")
    page.goto(f"{shop.url}/own/")
    page.evaluate(
        """async ({ number, cvn }) => {
            const { pay } = await import("/static/cybersource/js/checkout.js");
            return pay({ statesUrl: "/api/checkout/payment-states/", card: { number, expiry: "09/31", cvn } });
        }""",
        {"number": VISA, "cvn": CVN},
    )
    page.wait_for_url(f"{gateway.url}/**")
    assert dict(gateway.got("POST", "/silent/token/create")[0].posted)["card_expiry_date"] == "09-2031"


def test_called_with_a_wrong_card_the_module_says_which_fields_and_asks_the_shop_nothing(page, shop):
    shop.page("/own/", "<!DOCTYPE html><title>Own page</title>")
    page.goto(f"{shop.url}/own/")
    fields = page.evaluate(
        """async () => {
            const { pay } = await import("/static/cybersource/js/checkout.js");
            const trying = pay({ statesUrl: "/api/checkout/payment-states/", card: {} });
            return trying.catch((problem) => [problem.code, problem.fields]);
        }"""
    )
    assert fields == ["invalid", {"number": "number-required", "expiry": "expiry-required", "cvn": "cvn-required"}]
    assert shop.got("GET", "/api/checkout/payment-states/") == []


BILLING = [
    {"key": key, "value": "bo@example.com" if key == "bill_to_email" else "", "editable": True}
    for key in (
        "bill_to_forename",
        "bill_to_surname",
        "bill_to_email",
        "bill_to_address_line1",
        "bill_to_address_line2",
        "bill_to_address_city",
        "bill_to_address_state",
        "bill_to_address_postal_code",
        "bill_to_address_country",
    )
]


def test_a_billing_address_is_asked_for_only_when_the_payment_wants_one(checkout, shop, page):
    shop.states(action=shop.action(shop.form_fields() + BILLING))
    checkout.open(payload=ORDER).fill()
    assert not checkout.field("First name").is_visible()
    checkout.pay()
    checkout.summary.get_by_text("needs a billing address").wait_for()
    assert page.evaluate("document.activeElement.id") == "cybersource-bill-forename"
    assert checkout.field("E-mail address").input_value() == "bo@example.com"
    checkout.field("First name").fill("Bo")
    checkout.field("Last name").fill("Lindqvist")
    checkout.field("Country").select_option("US")
    checkout.field("Address").fill("1 Main Street")
    checkout.field("Town or city").fill("Springfield")
    checkout.field("State or province").fill("illinois")
    checkout.pay()
    checkout.error("bill_to_address_postal_code").get_by_text("ZIP code").wait_for()
    checkout.field("Postal code").fill("627011234")
    posted = dict(checkout.pay().posted())
    assert {key: value for key, value in posted.items() if key.startswith("bill_to_")} == {
        "bill_to_phone": "",
        "bill_to_forename": "Bo",
        "bill_to_surname": "Lindqvist",
        "bill_to_email": "bo@example.com",
        "bill_to_address_line1": "1 Main Street",
        "bill_to_address_line2": "",
        "bill_to_address_city": "Springfield",
        "bill_to_address_state": "IL",
        "bill_to_address_postal_code": "62701-1234",
        "bill_to_address_country": "US",
    }
    assert len(shop.got("POST", "/api/checkout/")) == 1
    assert not any("Lindqvist" in request.everything() for request in shop.requests)


def test_a_billing_address_the_shop_knows_already_is_not_asked_for(checkout, shop):
    known = [
        {**field, "value": field["value"] or {"bill_to_address_country": "DE"}.get(field["key"], "Known")}
        for field in BILLING
    ]
    shop.states(action=shop.action(shop.form_fields() + known))
    assert dict(checkout.open().fill().pay().posted())["bill_to_address_city"] == "Known"


def test_a_shop_that_leaves_the_billing_fields_out_gets_a_plain_refusal_not_a_broken_payment(checkout, shop, gateway):
    shop.states(action=shop.action(shop.form_fields() + BILLING))
    checkout.open("billing=False").fill().pay()
    checkout.summary.get_by_text("billing address of this order is missing").wait_for()
    assert gateway.requests == []


def test_going_on_with_a_stored_card_asks_for_the_state_of_its_own_payment(checkout, shop, gateway, page):
    """By then another order of the session may stand in the session's payment states."""

    def second_step(uuid):
        fields = [{"key": "transaction_uuid", "value": uuid, "editable": False}]
        return {**shop.action(fields, "pay-with-token"), "url": f"{gateway.url}/silent/pay"}

    gateway.routes["POST", "/silent/pay"] = Answer("<title>Payment provider</title>")
    shop.states(action={**second_step("own"), "state_url": "/api/cybersource/state/own/"})
    shop.routes["GET", "/api/cybersource/state/own/"] = shop.routes["GET", "/api/checkout/payment-states/"]
    checkout.open(payload=ORDER).fill().pay()
    button = page.locator("[data-cybersource-go-on]")
    button.wait_for()
    shop.states(action=second_step("another"))
    button.click()
    page.wait_for_url(f"{gateway.url}/silent/pay")
    (posted,) = gateway.got("POST", "/silent/pay")
    assert dict(posted.posted)["transaction_uuid"] == "own"
