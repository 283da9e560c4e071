"""A real Chromium between two sites: the shop on ``localhost``, CyberSource (the simulator) on ``127.0.0.1``.

Cookies, referrers and form posts cross from one to the other only as a browser lets them. Every request that reaches
the shop is written down by the browser, so a test can say what the shop was never told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from oscar.core.compat import get_user_model
from oscar.core.loading import get_model
from pytest_django.live_server_helper import LiveServer

from cybersource.simulator import cards
from tests.support.chromium import in_time, launched
from tests.support.shop import SHOPPER, united_states

# Playwright's synchronous API runs an event loop in this thread, in which Django would refuse its ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

Order = get_model("order", "Order")

WIDTHS = {"desk": 1200, "phone": 390}

CVN = "737"
EXPIRY = "12 / 31"


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(autouse=True)
def limited(chromium: Any) -> Iterator[None]:
    with in_time(chromium):
        yield


@pytest.fixture
def shop(committed_db, settings, cybersource_simulator) -> Iterator[str]:
    """The sandbox's shop, served; its card forms go to the simulator. The value is its origin."""
    settings.SIMULATOR = cybersource_simulator.url
    settings.CYBERSOURCE_ENDPOINT_PAY = cybersource_simulator.pay_url
    settings.CYBERSOURCE_ENDPOINT_TOKEN_CREATE = cybersource_simulator.token_create_url
    settings.CYBERSOURCE_FINGERPRINT_PROTOCOL = "http"
    settings.CYBERSOURCE_FINGERPRINT_HOST = cybersource_simulator.fingerprint_host
    united_states()
    server = LiveServer("localhost:0")
    cybersource_simulator.set_shop(server.url)
    yield server.url
    server.stop()


#: A mistake in the script of Oscar's own dashboard pages, in all supported releases.
OSCARS_OWN = "oscar.dashboard.orders.initTable is not a function"


@dataclass
class Browser:
    """One shopper's browser."""

    context: Any
    page: Any
    shop: str
    simulator: Any
    told: list[Any] = field(default_factory=list)  #: every request that went to the shop
    complaints: list[str] = field(default_factory=list)  #: script errors and violations of the security policy

    def goto(self, path: str) -> Any:
        return self.page.goto(self.shop + path)

    def fill_basket(self, product: Any) -> None:
        self.goto(product.get_absolute_url())
        self.page.locator("form[action*='basket/add'] [type=submit]").first.click()
        self.page.wait_for_load_state()

    def walk_to_payment(self, **address: str) -> None:
        """From the basket to the payment page as a guest, over Oscar's own pages."""
        self.goto("/checkout/")
        page = self.page
        if "/checkout/shipping-address" not in page.url and page.locator("[name=username]").count():
            page.fill("[name=username]", "maya@example.com")
            page.locator("[value=anonymous]").check()
            page.locator("button:has-text('Continue')").first.click()
        for name, value in {**SHOPPER, **address}.items():
            page.fill(f"[name={name}]", value)
        page.locator("form#new_shipping_address button[type=submit], form button:has-text('Continue')").first.click()
        page.wait_for_load_state()
        if "shipping-method" in page.url:
            page.locator("button[type=submit]:has-text('Select')").first.click()
        page.wait_for_url("**/checkout/payment-details/")

    def type_card(self, number: str = cards.APPROVED) -> None:
        self.page.get_by_label("Card number").fill(number)
        self.page.get_by_label("Expiry date").fill(EXPIRY)
        self.page.get_by_label("Security code").fill(CVN)

    def press_pay(self) -> None:
        self.page.get_by_role("button", name=re.compile("pay", re.I)).last.click()

    def pay(self, number: str = cards.APPROVED) -> None:
        self.type_card(number)
        self.press_pay()

    def arrive(self, path: str) -> None:
        """Wait until the shopper is on a page of the shop; ``path`` may have ``*``."""
        self.page.wait_for_url(self.shop + path, timeout=20_000)

    def order(self) -> Any:
        return Order.objects.latest("pk")

    def shop_was_never_told(self, number: str) -> None:
        """No request to the shop held the card's number or its security code; the expiry date only came back signed."""
        bare = number.replace(" ", "")
        assert self.told
        for request in self.told:
            heard = f"{request['url']} {request['headers']} {request['body']}"
            where = f"{request['method']} {request['url']}"
            assert bare not in re.sub(r"[ +-]|%20", "", heard), f"{where} told the shop the card number"
            assert "card_cvn" not in heard, f"{where} told the shop a security code"
            assert not re.search(rf"(?<![\w-]){CVN}(?![\w-])", heard), f"{where} told the shop the security code"
            if not request["url"].endswith("/cybersource-reply/"):
                assert "12-2031" not in heard, f"{where} told the shop the expiry date"


def open_browser(chromium: Any, shop: str, simulator: Any, **options: Any) -> Browser:
    context = chromium.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(15_000)
    browser = Browser(context, page, shop, simulator)

    def note(request: Any) -> None:
        if request.url.startswith(shop):
            browser.told.append(
                {
                    "method": request.method,
                    "url": request.url,
                    "headers": dict(request.headers),
                    "body": (request.post_data_buffer or b"").decode("utf-8", "replace"),
                }
            )

    context.on("request", note)

    def complain(error: Any) -> None:
        if OSCARS_OWN not in str(error.error):
            browser.complaints.append(str(error.error))

    context.on("weberror", complain)
    page.on(
        "console",
        lambda message: browser.complaints.append(message.text) if "Content Security Policy" in message.text else None,
    )
    return browser


@pytest.fixture
def browser(chromium, shop, cybersource_simulator) -> Iterator[Browser]:
    opened = open_browser(chromium, shop, cybersource_simulator)
    yield opened
    opened.context.close()
    assert opened.complaints == []


@pytest.fixture
def staff(browser):
    """A browser in which a member of staff is logged in."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss", "boss@shop.example", "-"))
    key = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    browser.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": key, "url": browser.shop}])
    return browser


def sideways(page: Any) -> int:
    """How many pixels of a page lie beyond its right edge."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


@pytest.fixture
def screenshot(request):
    """Keep a picture of a page when ``SCREENSHOTS`` names a folder; people look at them."""
    folder = os.environ.get("SCREENSHOTS")

    def take(page: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return take
