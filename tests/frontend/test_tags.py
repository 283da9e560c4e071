"""The template tags: what they draw, and what they leave out. No browser needed."""

import re
from html.parser import HTMLParser

import pytest
from django.template import Context
from django.test import RequestFactory, override_settings

from .conftest import APP, ENGINE, render

FORM = "{% load cybersource_tags %}{% cybersource_card_form OPTIONS %}"
FINGERPRINT = "{% load cybersource_tags %}{% cybersource_fingerprint %}"
TEMPLATES = ["bare.html", "base.html", "card_form.html", "card_form_texts.html", "fingerprint.html"]
TEMPLATES += ["finish.html", "later.html", "pending.html", "pending_stopped.html", "refused.html", "return.html"]
TEMPLATES += ["unpaid_orders.html"]


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


def card_form(options="", **context):
    return Elements(render(FORM.replace("OPTIONS", options), **context))


def test_the_form_knows_the_shops_addresses_without_being_told():
    (form,) = card_form().of("form")
    assert form["data-states-url"] == "/api/checkout/payment-states/"
    assert form["data-method-key"] == "cybersource"
    assert "data-checkout-url" not in form and "data-checkout-payload" not in form


def test_an_order_to_place_is_placed_at_the_shops_checkout():
    (form,) = card_form("payload_id='order'").of("form")
    assert form["data-checkout-url"] == "/api/checkout/"
    assert form["data-checkout-payload"] == "order"


def test_every_address_can_be_the_shops_own():
    (form,) = card_form("states_url='/s/' checkout_url='/c/' method_key='card' card_types='001,002'").of("form")
    assert (form["data-states-url"], form["data-checkout-url"]) == ("/s/", "/c/")
    assert (form["data-method-key"], form["data-card-types"]) == ("card", "001,002")


@override_settings(CSRF_COOKIE_NAME="shop_csrf", CSRF_HEADER_NAME="HTTP_X_SHOP_TOKEN")
def test_the_csrf_names_are_the_shops():
    (form,) = card_form(csrf_token="t0ken").of("form")
    assert (form["data-csrf-cookie"], form["data-csrf-header"], form["data-csrf-token"]) == (
        "shop_csrf",
        "X-SHOP-TOKEN",
        "t0ken",
    )


def test_no_field_has_a_name_and_every_field_has_a_label_and_tells_the_browser_what_it_is():
    elements = card_form("phone=True billing='show'")
    fields = elements.of("input") + elements.of("select")
    labels = {label["for"] for label in elements.of("label")}
    assert len(fields) == 14
    for field in fields:
        assert "name" not in field
        assert field["id"] in labels
        assert field["autocomplete"] not in ("", "on", "off")
    by_id = {field["id"]: field for field in fields}
    assert by_id["cybersource-card-number"]["autocomplete"] == "cc-number"
    assert by_id["cybersource-card-expiry"]["autocomplete"] == "cc-exp"
    assert by_id["cybersource-card-cvn"]["autocomplete"] == "cc-csc"
    assert all(by_id[f"cybersource-card-{name}"]["inputmode"] == "numeric" for name in ("number", "expiry", "cvn"))


def test_optional_parts_are_drawn_only_when_asked_for():
    assert "phone" not in {field.get("data-cybersource-field") for field in card_form().of("input")}
    assert "hidden" in card_form().of("fieldset")[0]
    assert "hidden" not in card_form("billing='show'").of("fieldset")[0]
    assert card_form("billing=False").of("fieldset") == []
    assert card_form("assets=False").of("script") == []


def test_the_form_brings_its_own_stylesheet_and_module():
    elements = card_form()
    assert [script["src"] for script in elements.of("script")] == ["/static/cybersource/js/checkout.js"]
    assert elements.of("script")[0]["type"] == "module"
    assert [link["href"] for link in elements.of("link")] == ["/static/cybersource/css/cybersource.css"]


def test_countries_are_all_there_named_in_the_shoppers_language():
    html = render(FORM.replace("OPTIONS", "country='SE'"), language="de")
    assert '<option value="DE">Deutschland</option>' in html
    assert '<option value="SE" selected>Schweden</option>' in html
    assert html.count("<option value=") > 245
    assert html.index("Ägypten") < html.index("Belgien")
    assert '"EU"' not in html and '"XK"' not in html


def test_an_unknown_language_still_gets_countries():
    from cybersource.templatetags.cybersource_tags import countries

    assert ("SE", "Sweden") in countries("xx-klingon")


def test_a_shop_may_sell_to_fewer_countries():
    html = render(FORM.replace("OPTIONS", "country_choices=few"), few=[("SE", "Sweden"), ("NO", "Norway")])
    assert html.count("<option value=") == 4


def test_a_shop_without_the_checkout_api_gets_a_form_not_a_crash():
    with override_settings(STATIC_URL="/static/", ROOT_URLCONF="django.conf.urls.i18n"):
        html = ENGINE.from_string(FORM.replace("OPTIONS", "")).render(Context())
    assert 'data-states-url=""' in html


def test_what_a_shop_passes_in_is_escaped():
    html = render(FORM.replace("OPTIONS", "label=evil success_url=evil"), evil='"><script>alert(1)</script>')
    assert "<script>alert" not in html


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_holds_inline_script_or_style(name):
    source = (APP / "templates" / "cybersource" / name).read_text()
    assert not re.search(r"\sstyle\s*=|<style|\son\w+\s*=\s*[\"']|javascript:", source)
    assert not re.search(r"<script(?![^>]*\ssrc=)", source)


def test_every_text_the_module_can_ask_for_is_in_the_template():
    module = (APP / "static" / "cybersource" / "js" / "checkout.js").read_text()
    texts = render("{% include 'cybersource/card_form_texts.html' %}", method_key="cybersource")
    present = set(re.findall(r'data-text="([^"]+)"', texts))
    problems = set(re.findall(r'new PaymentProblem\("([\w-]+)"', module)) - {"invalid", "billing"}
    asked = set(re.findall(r'"((?:number|type|expiry|cvn|phone|bill_to_\w+)-[a-z]+)"', module))
    asked |= set(re.findall(r'\.(?:say|text)\("([\w-]+)"', module))
    asked |= {
        f"{key}-required"
        for key in re.findall(r'"(bill_to_\w+)"', module)
        if key in module.partition("BILLING_REQUIRED = [")[2].partition("]")[0]
    }
    asked |= {"bill_to_address_postal_code-US", "bill_to_address_postal_code-CA", "check-details"}
    asked |= {"throttled-unknown", "throttled-shown", "throttled-shown-unknown"}
    asked |= problems | {f"{problem}-heading" for problem in problems}
    assert len(asked) > 45
    assert asked - present == set()


def fingerprint(request):
    return render(FINGERPRINT, request=request)


@pytest.fixture
def request_with_session():
    request = RequestFactory().get("/checkout/")
    request.session = {}
    return request


@override_settings(CYBERSOURCE_ORG_ID="1snn5n9w", CYBERSOURCE_MERCHANT_ID="acme_shop")
def test_the_fingerprint_goes_through_the_shops_own_addresses(request_with_session):
    elements = Elements(fingerprint(request_with_session))
    assert [script["src"] for script in elements.of("script")] == ["/api/cybersource/fingerprint/tags/"]
    (frame,) = elements.of("iframe")
    assert frame["src"] == "/api/cybersource/fingerprint/tags-frame/"
    assert "style" not in frame


@override_settings(CYBERSOURCE_ORG_ID="1snn5n9w", CYBERSOURCE_MERCHANT_ID="acme_shop")
def test_the_session_id_of_the_fingerprint_stays_out_of_the_page(request_with_session):
    html = fingerprint(request_with_session)
    (held,) = request_with_session.session.values()
    assert held["id"] not in html and "acme_shop" not in html and "1snn5n9w" not in html


@override_settings(CYBERSOURCE_ORG_ID="", CYBERSOURCE_MERCHANT_ID="acme_shop")
def test_a_shop_without_fingerprinting_draws_nothing_and_remembers_nothing(request_with_session):
    assert fingerprint(request_with_session).strip() == ""
    assert request_with_session.session == {}
    assert render(FINGERPRINT).strip() == ""


def nonces(html):
    found = Elements(html)
    return {element.get("nonce") for element in (*found.of("script"), *found.of("link"))}


PAGES = ["pending.html", "finish.html"]
TAGS = ["{% cybersource_card_form %}", "{% cybersource_fingerprint %}"]


@override_settings(CYBERSOURCE_ORG_ID="1snn5n9w", CYBERSOURCE_MERCHANT_ID="acme_shop")
@pytest.mark.parametrize("source", [f"{{% load cybersource_tags %}}{tag}" for tag in TAGS])
def test_django_s_own_nonce_is_written_although_nobody_has_written_it_before(request_with_session, source):
    csp = pytest.importorskip("django.utils.csp")
    lazy = csp.LazyNonce()
    html = render(source, csp_nonce=lazy, request=request_with_session)
    assert nonces(html) == {str(lazy)}


def test_a_nonce_on_the_request_is_found_as_well_and_an_option_comes_first(request_with_session):
    request_with_session.csp_nonce = "of-the-request"
    assert nonces(render("{% load cybersource_tags %}{% cybersource_card_form %}", request=request_with_session)) == {
        "of-the-request"
    }
    named = "{% load cybersource_tags %}{% cybersource_card_form nonce='named' %}"
    assert nonces(render(named, request=request_with_session)) == {"named"}


@pytest.mark.parametrize("page", PAGES)
def test_every_script_and_style_of_ours_on_a_page_has_the_nonce(page):
    html = render(f"{{% extends 'cybersource/{page}' %}}", csp_nonce="r4nd0m", refresh_url="/")
    ours = [e for e in Elements(html).found if "cybersource/" in (e[1].get("src") or e[1].get("href") or "")]
    assert ours and {attrs.get("nonce") for _tag, attrs in ours} == {"r4nd0m"}
