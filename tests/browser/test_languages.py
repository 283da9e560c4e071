"""The language in the path goes to CyberSource and back with the shopper, whatever the browser itself asks for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from oscar.test.factories import create_product

from cybersource.simulator import cards
from tests.browser.conftest import CVN, EXPIRY
from tests.support.shop import SHOPPER


@pytest.fixture
def with_languages(settings):
    """Before the shop is served: what it is made of is read then."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    settings.ROOT_URLCONF = "tests.browser.urls_with_languages"


def walk_to_payment(browser):
    """As a guest of the German pages; whose buttons are not found by English words."""
    page = browser.page
    browser.goto("/de/checkout/")
    page.fill("[name=username]", "maya@example.com")
    page.locator("[value=anonymous]").check()
    page.locator("form:has([name=username]) [type=submit]").first.click()
    for name, value in SHOPPER.items():
        page.fill(f"[name={name}]", value)
    page.locator("form#new_shipping_address [type=submit]").first.click()
    page.wait_for_load_state()
    if "shipping-method" in page.url:
        page.locator("form [type=submit]:not([form])").last.click()
    page.wait_for_url("**/de/checkout/payment-details/")


def pay(page, number):
    page.locator("#cybersource-card-number").fill(number)
    page.locator("#cybersource-card-expiry").fill(EXPIRY)
    page.locator("#cybersource-card-cvn").fill(CVN)
    page.locator("[data-cybersource-submit]").click()


def test_a_shopper_of_the_german_pages_comes_back_to_german_pages(with_languages, browser, settings, screenshot):
    settings.CYBERSOURCE_FLOW = "two-step"
    kettle = create_product(title="Enamel kettle", price=Decimal("64.50"), num_in_stock=50)
    page = browser.page
    browser.goto(f"/de/catalogue/{kettle.slug}_{kettle.pk}/")
    page.locator("form[action*='basket/add'] [type=submit]").first.click()
    page.wait_for_load_state()
    walk_to_payment(browser)
    pay(page, cards.DECLINED)
    page.get_by_text("Ihre Karte wurde für die Bestellung").first.wait_for()
    assert page.url.startswith(f"{browser.shop}/de/"), "the refused card"
    screenshot(page, "declined-in-german")
    walk_to_payment(browser)
    pay(page, cards.APPROVED)
    browser.arrive("/de/checkout/thank-you/")
    assert browser.order().cybersource_attempts.latest("pk").language == "de"
    assert browser.order().status == "Authorized"
