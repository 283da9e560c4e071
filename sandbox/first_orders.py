"""The first orders of a new sandbox, so that there is money on the desk: placed and paid as a browser does it.

Nothing is written past the shop: CyberSource's side, the simulator, knows these payments as it knows any other.
"""

from collections.abc import Iterable
from typing import Any

import requests

from cybersource.simulator.browser import filled_in, post_form, typed_card

#: What is paid with, and how many of each thing are bought: one is held, one goes to review.
ORDERS = (("visa", 2), ("review", 1))

ADDRESS = {
    "first_name": "Robin",
    "last_name": "Shopper",
    "line1": "1295 Charleston Road",
    "line4": "Mountain View",
    "state": "CA",
    "postcode": "94043",
}


def place(shop: str, products: Iterable[int], *, card: str, quantity: int = 1) -> str:
    """Buy some of these products as a guest and return the order's number."""
    with requests.Session() as browser:
        browser.trust_env = False  # a proxy knows nothing of this machine's own servers
        for product in products:
            ask(
                browser,
                "POST",
                f"{shop}/api/basket/add-product/",
                url=f"{shop}/api/products/{product}/",
                quantity=quantity,
            )
        country = f"{shop}/api/countries/US/"
        placed = ask(
            browser,
            "POST",
            f"{shop}/api/checkout/",
            basket=ask(browser, "GET", f"{shop}/api/basket/")["url"],
            guest_email="robin@example.com",
            shipping_address={**ADDRESS, "country": country, "phone_number": "+16509656000"},
            billing_address={**ADDRESS, "country": country},
            shipping_method_code="standard",
            payment={"cybersource": {"enabled": True, "pay_balance": True}},
        )
        for _form in range(2):  # the card is stored, then authorized
            states = ask(browser, "GET", f"{shop}/api/checkout/payment-states/")["payment_method_states"]
            action = states["cybersource"]["required_action"] if states else None
            if action:
                page = post_form(action["url"], filled_in(action["fields"], typed_card(card)), timeout=30)
                browser.post(page.action, data=page.fields, timeout=30, allow_redirects=False).raise_for_status()
        return str(placed["number"])


def ask(browser: requests.Session, method: str, address: str, /, **content: Any) -> Any:
    answer = browser.request(method, address, json=content or None, timeout=30)
    answer.raise_for_status()
    return answer.json()
