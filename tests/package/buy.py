"""Run inside the generated project: fill the shop, buy one thing through the API, print what came of it as JSON.

Usage: buy.py CHECKOUT_PAYLOAD TEMPLATE, taken from the documentation. CyberSource is played by the simulator, with the
credentials of the project's own environment.
"""

from __future__ import annotations

import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
sys.path.insert(0, os.getcwd())
django.setup()

from django.core import mail  # noqa: E402
from django.template import engines  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from oscar.core.loading import get_model  # noqa: E402
from oscar.test.factories import CountryFactory, create_product  # noqa: E402

from cybersource.simulator import Gateway, Profile, Settings  # noqa: E402

CARD = {"card_number": "4111111111111111", "card_expiry_date": "12-2031", "card_cvn": "123", "card_type": "001"}
PHONE = {"bill_to_phone": "14155550123"}

payload = json.loads(Path(sys.argv[1]).read_text())
template = Path(sys.argv[2]).read_text()

CountryFactory(iso_3166_1_a2="US", iso_3166_1_a3="USA", printable_name="United States", is_shipping_country=True)
product = create_product(title="Enamel kettle", price=Decimal("64.50"), num_in_stock=5)

gateway = Gateway(
    Settings(
        profiles=[
            Profile(
                profile_id=os.environ["CYBERSOURCE_PROFILE"],
                access_key=os.environ["CYBERSOURCE_ACCESS"],
                secret_key=os.environ["CYBERSOURCE_SECRET"],
                merchant_id=os.environ["CYBERSOURCE_MERCHANT_ID"],
                receipt_page="http://testserver/api/cybersource/cybersource-reply/",
            )
        ]
    )
)

shopper = Client()
basket = shopper.get("/api/basket/").json()
added = shopper.post(
    "/api/basket/add-product/",
    {"url": f"http://testserver/api/products/{product.pk}/", "quantity": 1},
    content_type="application/json",
)
assert added.status_code == 200, added.content

for address in ("shipping_address", "billing_address"):
    payload[address]["country"] = "http://testserver/api/countries/US/"
payload["basket"] = basket["url"]

page = engines["django"].from_string(template)
request = RequestFactory().get("/checkout/")
request.session = shopper.session
card_form = page.render({"checkout_payload": payload}, request)

placed = shopper.post("/api/checkout/", payload, content_type="application/json")
assert placed.status_code == 200, placed.content

forms: list[str] = []
landed = ""
while len(forms) < 3:
    states = shopper.get("/api/checkout/payment-states/").json()
    action = states["payment_method_states"]["cybersource"]["required_action"]
    if action is None:
        break
    forms.append(action["name"])
    posted = [
        (field["key"], {**CARD, **PHONE}.get(field["key"], "") if field["editable"] else field["value"])
        for field in action["fields"]
    ]
    answer = gateway.submit(urlsplit(action["url"]).path, posted)
    assert answer.reply, answer
    # A cross-site POST arrives without the shopper's cookies.
    replied = Client().post("/api/cybersource/cybersource-reply/", dict(answer.reply))
    assert replied.status_code == 303, (replied.status_code, replied.content)
    returned = shopper.get(replied["Location"])
    assert returned.status_code in (302, 303), returned.status_code
    landed = returned["Location"]
    shopper.get(landed)

order = get_model("order", "Order").objects.get()
transaction = get_model("payment", "Transaction").objects.get(txn_type="Authorise")
json.dump(
    {
        "card_form": card_form,
        "forms": forms,
        "landed": landed,
        "landed_status": shopper.get(landed).status_code,
        "order_status": order.status,
        "basket_status": order.basket.status,
        "allocated": str(order.sources.get().amount_allocated),
        "total": str(order.total_incl_tax),
        "transaction": [transaction.status, transaction.is_pending_review, transaction.log.decision],
        "mails": len(mail.outbox),
        "states": {
            key: state["status"]
            for key, state in shopper.get("/api/checkout/payment-states/").json()["payment_method_states"].items()
        },
    },
    sys.stdout,
)
