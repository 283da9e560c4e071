"""A shop, its shoppers, and CyberSource, as the tests meet them: over HTTP and with the simulator at the other end."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.test import Client
from oscar.core.loading import get_model
from oscar.test.factories import CountryFactory, create_product

from cybersource.models import PaymentAttempt
from cybersource.simulator import Answer, Gateway, Profile, Settings
from cybersource.simulator import cards as test_cards

Order = get_model("order", "Order")
Country = get_model("address", "Country")

REPLY = "/api/cybersource/cybersource-reply/"
MERCHANT_POST = "/api/cybersource/merchant-post/"
REVIEW = "/api/cybersource/decision-manager-review-notification/?key=sandbox-review-key"

SHOPPER = {
    "first_name": "Maya",
    "last_name": "Okafor",
    "line1": "12 Harbour Street",
    "line4": "Oakland",
    "state": "CA",
    "postcode": "94607",
}


def card(number: str = test_cards.APPROVED, **other: str) -> dict[str, str]:
    """What the shopper types, as the page puts it on the wire."""
    return {"card_type": "001", "card_number": number, "card_expiry_date": "12-2031", "card_cvn": "123", **other}


def united_states() -> Any:
    found = Country.objects.filter(iso_3166_1_a2="US").first()
    return found or CountryFactory(
        iso_3166_1_a2="US", iso_3166_1_a3="USA", printable_name="United States", is_shipping_country=True
    )


def cybersource(**profile: Any) -> Gateway:
    """CyberSource with the sandbox's throwaway keys."""
    return Gateway(Settings(profiles=(Profile(receipt_page=f"http://testserver{REPLY}", **profile),)))


@dataclass
class Shopper:
    """One browser with its session: fills a basket, checks out, pays, comes back."""

    client: Client = field(default_factory=lambda: Client(REMOTE_ADDR="203.0.113.24"))
    gateway: Gateway = field(default_factory=cybersource)
    method: str = "cybersource"

    def fill_basket(self, *prices: str, title: str = "Enamel kettle", quantity: int = 1) -> None:
        for price in prices or ("64.50",):
            product = create_product(title=title, price=Decimal(price), num_in_stock=500)
            added = self.client.post(
                "/api/basket/add-product/",
                {"url": f"http://testserver/api/products/{product.pk}/", "quantity": quantity},
                content_type="application/json",
            )
            assert added.status_code == 200, added.content

    def payload(self, **changes: Any) -> dict[str, Any]:
        united_states()
        address = {**SHOPPER, "country": "http://testserver/api/countries/US/"}
        return {
            "basket": self.client.get("/api/basket/").json()["url"],
            "guest_email": "maya@example.com",
            "shipping_address": {**address, "phone_number": "+14155550123"},
            "billing_address": address,
            "shipping_method_code": "standard",
            "payment": {self.method: {"enabled": True, "pay_balance": True}},
            **changes,
        }

    def check_out(self, *prices: str, **changes: Any) -> Any:
        """Place an order and return it."""
        if prices or not self.client.get("/api/basket/").json().get("lines"):
            self.fill_basket(*prices)
        placed = self.client.post("/api/checkout/", self.payload(**changes), content_type="application/json")
        assert placed.status_code == 200, placed.content
        return Order.objects.get(number=placed.json()["number"])

    @property
    def states(self) -> dict[str, Any]:
        return self.client.get("/api/checkout/payment-states/").json()

    def state(self, key: str = "cybersource") -> dict[str, Any]:
        return self.states["payment_method_states"][key]

    def form(self, key: str = "cybersource") -> list[tuple[str, str]]:
        """The form's fields as the browser would post them, before anything is typed."""
        action = self.state(key)["required_action"]
        assert action, "there is no form to post"
        return [(field["key"], field["value"]) for field in action["fields"]]

    def submit(self, typed: dict[str, str] | None = None, key: str = "cybersource") -> Answer:
        """Fill in the form and post it to CyberSource; nothing has come back to the shop yet."""
        action = self.state(key)["required_action"]
        assert action, "there is no form to post"
        typed = card() if typed is None else typed
        pairs = [
            (field["key"], typed.get(field["key"], field["value"]) if field["editable"] else field["value"])
            for field in action["fields"]
        ]
        path = "/silent/" + action["url"].partition("/silent/")[2]
        answer = self.gateway.submit(path, pairs)
        assert not answer.refused, answer.page
        return answer

    def deliver(self, answer: Answer, *, follow: bool = True) -> Any:
        """The browser posts the reply to the shop, cross-site, so without the session cookie; then follows the 303."""
        response = post_reply(answer.reply)
        assert response.status_code == 303, response.status_code
        return self.client.get(response.headers["Location"]) if follow else response

    def pay(self, number: str = test_cards.APPROVED, *, key: str = "cybersource", **typed: str) -> Any:
        """Go through every step of the flow; return the last response of the shop."""
        response = None
        for _step in range(2):
            response = self.deliver(self.submit(card(number, **typed), key))
            action = self.state(key)["required_action"] if self.states["payment_method_states"] else None
            if action is None:
                break
        return response

    def attempt(self) -> PaymentAttempt:
        return PaymentAttempt.objects.latest("pk")


def post_reply(pairs: Any, *, url: str = REPLY, client: Client | None = None) -> Any:
    """Post as a browser does that sends no cookie: form-encoded, UTF-8."""
    return (client or Client(raise_request_exception=False)).post(
        url, urlencode(list(pairs)), content_type="application/x-www-form-urlencoded"
    )


def post_notification(body: bytes | str, *, url: str = REVIEW) -> Any:
    return Client(raise_request_exception=False).post(url, body, content_type="application/x-www-form-urlencoded")
