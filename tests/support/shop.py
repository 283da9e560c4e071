"""A shop, its shoppers, and CyberSource, as the tests meet them: over HTTP and with the simulator at the other end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test.factories import CountryFactory, create_product

from cybersource.models import PaymentAttempt
from cybersource.simulator import Answer, Gateway, Profile, Settings
from cybersource.simulator import cards as test_cards
from tests.support import recorded

Order = get_model("order", "Order")
Country = get_model("address", "Country")
ProductClass = get_model("catalogue", "ProductClass")
Benefit, Condition, ConditionalOffer, Range = (
    get_model("offer", name) for name in ("Benefit", "Condition", "ConditionalOffer", "Range")
)
Voucher = get_model("voucher", "Voucher")

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


#: What the shopper chose: one card, or two that share the order.
ONE_CARD = {"cybersource": {"enabled": True, "pay_balance": True}}


def two_cards(first: str = "50.00") -> dict[str, Any]:
    """Method ``a`` pays so much, and ``b`` the rest."""
    return {
        "a": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": first},
        "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
    }


#: What CyberSource says, for :meth:`Shopper.reply`, in the place of yes.
DECLINE = {"decision": "DECLINE", "reason_code": "203", "auth_amount": ""}
UNKNOWN = {"decision": "ERROR", "reason_code": "150", "auth_amount": ""}


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
    urls = {"receipt_page": f"http://testserver{REPLY}", "merchant_post_url": f"http://localhost{MERCHANT_POST}"}
    return Gateway(Settings(profiles=(Profile(**{**urls, **profile}),)))


@dataclass
class Shopper:
    """One browser with its session: fills a basket, checks out, pays, comes back."""

    client: Client = field(default_factory=lambda: Client(REMOTE_ADDR="203.0.113.24"))
    gateway: Gateway = field(default_factory=cybersource)
    method: str = "cybersource"
    #: The address of the basket that goods were just put into; None when only the shop knows what is in the cart.
    basket: str | None = None
    basket_session: str = ""  #: a login moves the goods to another basket
    has_checked_out: bool = False

    @recorded.step
    def fill_basket(
        self,
        *prices: str,
        title: str = "Enamel kettle",
        quantity: int = 1,
        product_class: str = "Goods",
        requires_shipping: bool = True,
    ) -> None:
        ProductClass.objects.get_or_create(name=product_class, defaults={"requires_shipping": requires_shipping})
        for price in prices or ("64.50",):
            product = create_product(title=title, price=Decimal(price), num_in_stock=500, product_class=product_class)
            added = self.client.post(
                "/api/basket/add-product/",
                {"url": f"http://testserver/api/products/{product.pk}/", "quantity": quantity},
                content_type="application/json",
            )
            assert added.status_code == 200, added.content
            self.basket, self.basket_session = added.json()["url"], self.session_key

    def payload(self, **changes: Any) -> dict[str, Any]:
        united_states()
        address = {**SHOPPER, "country": "http://testserver/api/countries/US/"}
        return {
            "basket": self.filled_basket or self.client.get("/api/basket/").json()["url"],
            "guest_email": "maya@example.com",
            "shipping_address": {**address, "phone_number": "+14155550123"},
            "billing_address": address,
            "shipping_method_code": "standard",
            "payment": {self.method: {"enabled": True, "pay_balance": True}},
            **changes,
        }

    def check_out(self, *prices: str, **changes: Any) -> Any:
        """Place an order and return it."""
        return Order.objects.get(number=self.number_of_order(*prices, **changes))

    @recorded.step
    def number_of_order(self, *prices: str, **changes: Any) -> str:
        if prices or self.has_nothing_to_buy():
            self.fill_basket(*prices)
        placed = self.client.post("/api/checkout/", self.payload(**changes), content_type="application/json")
        assert placed.status_code == 200, placed.content
        self.basket, self.has_checked_out = None, True
        return placed.json()["number"]

    @property
    def session_key(self) -> str:
        cookie = self.client.cookies.get("sessionid")
        return cookie.value if cookie else ""

    @property
    def filled_basket(self) -> str | None:
        return self.basket if self.basket_session == self.session_key else None

    def has_nothing_to_buy(self) -> bool:
        """Tell whether the cart is empty. A decline or another of the shopper's tabs may have filled it."""
        if self.filled_basket or not (self.has_checked_out or self.session_key):
            return not self.filled_basket
        return not self.client.get(self.client.get("/api/basket/").json()["lines"]).json()

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

    @recorded.step
    def submit(
        self, typed: dict[str, str] | None = None, key: str = "cybersource", action: dict[str, Any] | None = None
    ) -> Answer:
        """Fill in the form and post it to CyberSource; nothing has come back to the shop yet."""
        action = action or self.state(key)["required_action"]
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

    @recorded.step
    def deliver(self, answer: Answer, *, follow: bool = True) -> Any:
        """The browser posts the reply to the shop, cross-site, so without the session cookie; then follows the 303."""
        response = post_reply(answer.reply)
        assert response.status_code == 303, response.status_code
        self.basket = None  # a decline brings the goods of the order back
        return self.client.get(response.headers["Location"]) if follow else response

    @recorded.step
    def pay(self, number: str = test_cards.APPROVED, *, key: str = "cybersource", **typed: str) -> Any:
        """Go through every step of the flow; return the last response of the shop."""
        response = action = None
        for _step in range(2):
            response = self.deliver(self.submit(card(number, **typed), key, action))
            states = self.states["payment_method_states"]
            action = states[key]["required_action"] if states else None
            if action is None:
                break
        return response

    def attempt(self) -> PaymentAttempt:
        return PaymentAttempt.objects.latest("pk")

    def told(self, page: Any) -> list[str]:
        """The messages that the shopper sees on the page a response leads to."""
        return [str(message) for message in get_messages(self.client.get(page.headers["Location"]).wsgi_request)]

    def reply(self, attempt: PaymentAttempt | None = None, **fields: str) -> Any:
        """A reply to the latest attempt as CyberSource's own signature vouches for it, with any fields one likes."""
        attempt = attempt or self.attempt()
        transaction_id = fields.pop("transaction_id", f"73{uuid.uuid4().int % 10**20:020d}")
        told = {
            "transaction_id": transaction_id,
            "decision": "ACCEPT",
            "reason_code": "100",
            "message": "Request was processed successfully.",
            "req_access_key": attempt.access_key,
            "req_profile_id": attempt.profile_id,
            "req_transaction_uuid": attempt.transaction_uuid,
            "req_transaction_type": attempt.transaction_type,
            "req_reference_number": attempt.reference_number,
            "req_amount": str(attempt.amount),
            "req_currency": attempt.currency,
            "req_card_number": "xxxxxxxxxxxx1111",
            "auth_amount": str(attempt.amount),
            **fields,
        }
        told = {name: value for name, value in told.items() if value}
        return self.gateway.sign_reply(told, attempt.access_key)


def latest(key: str) -> PaymentAttempt:
    """The last attempt of one of several methods."""
    return PaymentAttempt.objects.filter(method_key=key).latest("pk")


def post_reply(pairs: Any, *, url: str = REPLY, client: Client | None = None) -> Any:
    """Post as a browser does that sends no cookie: form-encoded, UTF-8."""
    return (client or Client(raise_request_exception=False)).post(
        url, urlencode(list(pairs)), content_type="application/x-www-form-urlencoded"
    )


def post_notification(body: bytes | str, *, url: str = REVIEW) -> Any:
    return Client(raise_request_exception=False).post(url, body, content_type="application/x-www-form-urlencoded")


class Office:
    """Staff and registered customers before the shop opens."""

    @recorded.step
    def issue_voucher(self, code: str, percent: str) -> None:
        everything = Range.objects.create(name="Everything", includes_all_products=True)
        offer = ConditionalOffer.objects.create(
            name=f"Offer {code}",
            offer_type=ConditionalOffer.VOUCHER,
            condition=Condition.objects.create(range=everything, type=Condition.COUNT, value=1),
            benefit=Benefit.objects.create(range=everything, type=Benefit.PERCENTAGE, value=Decimal(percent)),
        )
        now = timezone.now()
        made = Voucher.objects.create(
            name=code, code=code, start_datetime=now - timedelta(days=1), end_datetime=now + timedelta(days=1)
        )
        made.offers.add(offer)

    @recorded.step
    def register(self, username: str, email: str) -> None:
        get_user_model().objects.create_user(username, email, "pw")


def voucher(code: str, percent: str = "10") -> str:
    """A voucher for a part of everything, as staff would make it."""
    Office().issue_voucher(code, percent)
    return code


def customer(email: str = "maya@example.com") -> Any:
    """A registered customer (pytest-django's own fixture would put the whole test into one transaction)."""
    username = email.partition("@")[0]
    Office().register(username, email)
    return get_user_model().objects.get_by_natural_key(username)
