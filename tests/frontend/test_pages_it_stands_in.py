"""The card form stands in other people's pages: their language, direction, policies, cookies, clocks and copies."""

import json

import pytest
from django.test import override_settings

from .conftest import CVN, VISA, Answer, card_page, render
from .test_paying import ORDER

pytestmark = pytest.mark.browser

REFUSED = "Sorry, we do not take American Express cards. We take Visa and Mastercard."
AMEX = {"number": "378282246310005", "cvn": "1234"}


def in_page(html, shop, page, **headers):
    shop.page("/checkout/", html, **headers)
    page.goto(f"{shop.url}/checkout/")
    page.wait_for_selector("form[data-cybersource-ready]")


@pytest.mark.parametrize("attribute", ['lang="en_US"', 'lang="en-us"', "", 'lang=""', 'lang="x"', 'lang="klingon!"'])
def test_whatever_language_the_page_says_it_has_every_message_is_told(checkout, shop, page, attribute):
    html = card_page("card_types='001,002'").replace('<html lang="en">', f"<html {attribute}>")
    for own in ('lang="en"', 'lang="en_US"', ""):
        in_page(html.replace('<form class="cybersource-card-form" lang="en"', f"<form {own}"), shop, page)
        checkout.fill(**AMEX).pay()
        assert checkout.error("number").inner_text() == REFUSED
    shop.states("Pending")
    waiting = render("{% extends 'cybersource/pending.html' %}", refresh_url="/pending/")
    shop.page("/pending/", waiting.replace('<html lang="en">', f"<html {attribute}>"))
    page.goto(f"{shop.url}/pending/")
    page.get_by_text("Last checked:").wait_for()


def test_in_a_page_from_right_to_left_digits_run_from_left_to_right(checkout, shop, page):
    in_page(card_page().replace("<html ", '<html dir="rtl" '), shop, page)
    checkout.fill()
    for field in (checkout.number, checkout.expiry, checkout.cvn):
        assert field.evaluate("(field) => getComputedStyle(field).direction") == "ltr"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert dict(checkout.pay().posted())["card_number"] == VISA


@pytest.mark.parametrize("given", ["context", "option"])
def test_nonces_do_in_the_place_of_self(checkout, shop, page, given):
    shop.csp = shop.csp.replace("script-src 'self'", "script-src 'nonce-r4nd0m'")
    shop.csp = shop.csp.replace("style-src 'self'", "style-src 'nonce-r4nd0m'")
    form = "{% extends 'bare_layout.html' %}{% load cybersource_tags %}{% block content %}"
    form += "{% cybersource_card_form " + ("nonce='r4nd0m'" if given == "option" else "") + " %}{% endblock %}"
    context = {"csp_nonce": "r4nd0m"} if given == "context" else {}
    in_page(render(form, csrf_token="t", **context), shop, page)
    assert dict(checkout.fill().pay().posted())["card_number"] == VISA
    assert page.complaints.violations == []


def test_two_copies_of_the_module_take_charge_of_a_form_once(checkout, shop, page):
    module = '<script type="module" src="/static/cybersource/js/checkout.js?hashed"></script>'
    in_page(card_page(payload=ORDER, before=module), shop, page)
    page.wait_for_timeout(300)
    checkout.fill().pay().posted()
    assert len(shop.got("POST", "/api/checkout/")) == 1
    assert len(shop.got("GET", "/static/cybersource/js/checkout.js")) == 2


# -- tokens against forgery ------------------------------------------------------------------------------------------


def sent_token(checkout, shop, header="x-csrftoken"):
    checkout.fill().pay().posted()
    return shop.got("POST", "/api/checkout/")[0].headers[header]


def test_with_tokens_in_the_session_a_cookie_left_over_from_before_is_not_used(checkout, shop, page):
    page.context.add_cookies([{"name": "csrftoken", "value": "left-over", "url": shop.url}])
    with override_settings(CSRF_USE_SESSIONS=True):
        in_page(card_page(payload=ORDER), shop, page)
    assert sent_token(checkout, shop) == "csrf-from-the-page"


def test_a_cookie_of_another_name_under_another_header_is_used(checkout, shop, page):
    page.context.add_cookies([{"name": "shop_csrf", "value": "csrf-from-the-cookie", "url": shop.url}])
    with override_settings(CSRF_COOKIE_NAME="shop_csrf", CSRF_HEADER_NAME="HTTP_X_SHOP_TOKEN"):
        in_page(card_page(payload=ORDER), shop, page)
    assert sent_token(checkout, shop, "x-shop-token") == "csrf-from-the-cookie"


def test_of_two_cookies_of_one_name_the_one_that_django_reads_is_used(checkout, shop, page):
    for path, value in (("/checkout/", "narrow"), ("/", "wide")):
        page.context.add_cookies([{"name": "csrftoken", "value": value, "domain": "localhost", "path": path}])
    in_page(card_page(payload=ORDER), shop, page)
    assert sent_token(checkout, shop) == "wide", "a request to /api/ brings that one alone"


def test_a_cookie_out_of_reach_leaves_the_token_of_the_page(checkout, shop, page):
    page.context.add_cookies([{"name": "csrftoken", "value": "x", "domain": "localhost", "path": "/other/"}])
    page.context.add_cookies([{"name": "broken", "value": "%E0%A4%A", "url": shop.url}])
    in_page(card_page(payload=ORDER), shop, page)
    assert sent_token(checkout, shop) == "csrf-from-the-page"


# -- somebody else answers -------------------------------------------------------------------------------------------

LOGIN = Answer("", 302, headers={"Location": "/login/"})


@pytest.mark.parametrize("where", ["the order", "the states", "the states, on another site"])
def test_a_login_in_the_place_of_an_answer_is_told_as_what_it_is(checkout, shop, gateway, where, page):
    page.complaints.expected = True  # the policy does not let it ask another site
    shop.routes["GET", "/login/"] = Answer("<h1>Sign in</h1>")
    route = ("POST", "/api/checkout/") if where == "the order" else ("GET", "/api/checkout/payment-states/")
    shop.routes[route] = LOGIN
    if "another" in where:
        shop.routes[route] = Answer("", 302, headers={"Location": f"{gateway.url}/sso/"})
    checkout.open(payload=ORDER).fill().pay()
    checkout.summary.get_by_text("led this page elsewhere in place of an answer").wait_for()
    assert gateway.got("POST", "/silent/token/create") == []
    assert "Nothing has been charged" not in checkout.summary.inner_text()


# -- time ------------------------------------------------------------------------------------------------------------


def test_the_shops_date_decides_whether_a_card_has_expired(checkout, shop, page):
    html = card_page()
    told = html.partition('data-now="')[2].partition('"')[0]
    in_page(html.replace(told, "2031-10-01T00:00:05+13:00"), shop, page)
    checkout.fill(expiry="09/2031").pay()
    assert "has expired" in checkout.error("expiry").inner_text()
    in_page(html.replace(told, "2031-09-30T23:59:00-11:00"), shop, page)
    assert dict(checkout.fill(expiry="09/2031").pay().posted())["card_expiry_date"] == "09-2031"


def test_midnight_passes_on_a_page_that_stands_open(checkout, shop, page):
    page.clock.install()
    html = card_page()
    told = html.partition('data-now="')[2].partition('"')[0]
    in_page(html.replace(told, "2031-09-30T23:30:00+00:00"), shop, page)
    page.clock.fast_forward(3_600_000)
    checkout.fill(expiry="09/2031").pay()
    assert "has expired" in checkout.error("expiry").inner_text()


TAGS = ("GET", "/api/cybersource/fingerprint/tags/")
FINGERPRINT = (
    '<script async src="/api/cybersource/fingerprint/tags/" data-cybersource-fingerprint="1500" nonce="r4"></script>'
)


def test_a_page_that_stood_open_has_its_device_profiled_anew_before_the_order_is_placed(checkout, shop, page):
    shop.routes[TAGS] = Answer("", type="text/javascript")
    page.clock.install()
    checkout.open(payload=ORDER, before=FINGERPRINT).fill()
    page.clock.fast_forward(1_501_000)
    checkout.pay().posted()
    asked = [request.path for request in shop.requests if request.path.startswith("/api/")]
    assert asked == [
        "/api/cybersource/fingerprint/tags/",
        "/api/cybersource/fingerprint/tags/?renew=1",
        "/api/checkout/",
        "/api/checkout/payment-states/",
    ]


def test_a_page_just_opened_is_profiled_once(checkout, shop):
    shop.routes[TAGS] = Answer("", type="text/javascript")
    checkout.open(payload=ORDER, before=FINGERPRINT).fill().pay().posted()
    assert len(shop.got(*TAGS)) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(30, "30 seconds"), (89, "89 seconds"), (600, "10 minutes"), (7000, "2 hours"), (90_000, "25 hours")]
    + [(200_000, "3 days")],
)
def test_a_time_to_wait_is_told_in_the_unit_it_has(checkout, shop, seconds, words):
    shop.routes["POST", "/api/checkout/"] = Answer.json({}, 429, headers={"Retry-After": str(seconds)})
    checkout.open(payload=ORDER).fill().pay()
    checkout.summary.get_by_text(f"Please wait {words}, then try again.").wait_for()


# -- cards -----------------------------------------------------------------------------------------------------------


def luhn(start, length=16):
    for last in range(10):
        number = start.ljust(length - 1, "0") + str(last)
        doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(number))]
        if sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0:
            return number
    raise AssertionError(start)


NATIONAL = {
    "220038": "Mir",
    "979200": "Troy",
    "650010": "Verve",
    "506150": "Verve",
    "508500": "RuPay",
    "607000": "RuPay",
    "652200": "RuPay",
    "817300": "RuPay",
    "588850": "mada",
    "968205": "mada",
    "636120": "mada",
    "860012": "Uzcard",
    "986001": "Humo",
    "970415": "NAPAS",
    "507803": "Meeza",
    "589562": "Naranja",
}


@pytest.mark.parametrize("accepted", ["001,002,004,042,062", ["001", "002", 4, " 42 ", "062"]])
def test_a_card_of_a_national_scheme_is_refused_by_its_name_and_guessed_as_nothing_else(page, shop, accepted):
    page.goto(f"{shop.url}/empty/")
    script = """async ({ number, accepted }) => {
        const m = await import("/static/cybersource/js/checkout.js");
        return [m.brandsOf(number, accepted).length, m.schemeOf(number)?.name, m.numberProblem(number, { accepted })];
    }"""
    for start, name in NATIONAL.items():
        told = page.evaluate(script, {"number": luhn(start), "accepted": accepted})
        assert told == [0, name, "number-refused"], start


@pytest.mark.parametrize(("start", "code"), [("588850", "060"), ("508500", "061"), ("652200", "061")])
def test_a_national_scheme_that_cybersource_takes_goes_under_its_own_code(checkout, start, code):
    number = luhn(start)
    assert dict(checkout.open(f"card_types='001,{code}'").fill(number=number).pay().posted())["card_type"] == code


def test_a_scheme_that_nobody_can_take_is_refused_by_name_where_the_shop_lists_nothing(checkout):
    checkout.open().fill(number=luhn("220038")).pay()
    assert checkout.error("number").inner_text() == "Sorry, we do not take Mir cards. Please use another card."


@pytest.mark.parametrize("types", ["'001,002'", "'1, 2'", "types"])
def test_the_types_of_cards_are_a_text_or_a_list(checkout, shop, page, types):
    html = render(
        "{% extends 'bare_layout.html' %}{% load cybersource_tags %}{% block content %}"
        "{% cybersource_card_form card_types=" + types + " %}{% endblock %}",
        types=["001", 2],
    )
    assert 'data-card-types="001,002"' in html
    in_page(html, shop, page)
    checkout.fill(**AMEX).pay()
    assert checkout.error("number").inner_text() == REFUSED


@pytest.mark.parametrize(("card", "pasted", "kept"), [(VISA, " 7 3 7 ", "737"), (AMEX["number"], "12 34", "1234")])
def test_a_code_pasted_with_blanks_is_whole(checkout, page, card, pasted, kept):
    checkout.open().fill(number=card, cvn="")
    checkout.cvn.focus()
    page.keyboard.insert_text(pasted)
    assert checkout.cvn.input_value() == kept


def test_no_browser_translates_a_brand(checkout, page):
    checkout.open("card_types='001,002'").fill(**AMEX).pay()
    told = checkout.error("number").locator("[translate=no]").all_inner_texts()
    assert told == ["American Express", "Visa", "Mastercard"]
    checkout.number.fill(VISA)
    assert page.locator("[data-cybersource-brand]").get_attribute("translate") == "no"


@pytest.mark.parametrize(("language", "label"), [("de", "Land"), ("en", "Country")])
def test_the_shops_errors_name_their_fields_in_the_shoppers_language(checkout, shop, page, language, label):
    shop.routes["POST", "/api/checkout/"] = Answer.json({"shipping_address": {"country": ["?"]}}, 406)
    order = f'<script type="application/json" id="order">{json.dumps(ORDER)}</script>'
    source = "{% extends 'bare_layout.html' %}{% load cybersource_tags %}{% block content %}" + order
    source += "{% cybersource_card_form payload_id='order' prefix='c' label='Pay by card' %}{% endblock %}"
    in_page(render(source, language=language), shop, page)
    page.locator("#c-card-number").fill(VISA)
    page.locator("#c-card-expiry").fill("09/2031")
    page.locator("#c-card-cvn").fill(CVN)
    checkout.pay()
    checkout.summary.wait_for()
    assert f"{label}: ?" in checkout.summary.inner_text()
