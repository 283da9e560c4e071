"""A day in a shop where everything happens that can: every path of a payment, every failure, canaries all along."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, urlencode

from django.contrib.admin.models import LogEntry
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.test import override_settings
from django.utils import timezone
from oscar.core.loading import get_model
from oscarapicheckout.signals import order_placed

from cybersource import signals
from cybersource.gateway import client, credentials
from cybersource.models import (
    CyberSourceReply,
    OrderConfirmation,
    PaymentAttempt,
    PaymentOperation,
    PaymentToken,
    RefusedPost,
    ReviewNotification,
    ReviewNotificationUpdate,
    SecureAcceptanceProfile,
    WebhookDelivery,
)
from cybersource.protocol.rest import NotSent, authorize
from cybersource.simulator import cards as test_cards
from cybersource.simulator.review import notification_body
from tests.leaks.canaries import CARDS, CVN, CVN4, KEYS, SHOPPER, written
from tests.leaks.world import PROFILE_ID, ROW_KEY, World, card
from tests.protocol.rest import key_material
from tests.protocol.rest.deliveries import body, header
from tests.support.broken_tables import unreadable, unwritable
from tests.support.shop import MERCHANT_POST, REPLY, Shopper

Source = get_model("payment", "Source")
OrderNote = get_model("order", "OrderNote")
FORM = "application/x-www-form-urlencoded"

Scene = Callable[[World], None]

#: Every card in every spelling at every place, which takes minutes; else each card and each spelling somewhere.
THOROUGH = os.environ.get("CYBERSOURCE_TESTS") == "thorough"

#: Every scenario by its name, and with which values of ``DEBUG`` it is played.
SCENES: dict[str, Scene] = {}
DEBUG: dict[str, tuple[bool, ...]] = {}


def scene(name: str, *, crash: bool = False, both: bool = False) -> Callable[[Scene], Scene]:
    """A scenario. With ``DEBUG`` Django writes down more, but mails for errors are a matter of shops without it."""

    def kept(play: Scene) -> Scene:
        SCENES[name] = play
        DEBUG[name] = (False, True) if both or (crash and THOROUGH) else (not crash,)
        return play

    return kept


# -- paying -----------------------------------------------------------------------------------------------------------


def pay(world: World, number: str, *, flow: str = "two-step", **typed: str) -> Shopper:
    """A whole payment; the card goes to the simulator and nowhere else."""
    shopper = world.shopper()
    with override_settings(CYBERSOURCE_FLOW=flow):
        shopper.check_out()
        shopper.client.get("/checkout/thank-you/")
        for _step in range(2):
            answer = shopper.submit(card(number, **typed))
            for due in answer.merchant_posts:
                world.post(MERCHANT_POST, due.body)
            page = shopper.deliver(answer)
            shopper.client.get(page.headers["Location"])
            states = shopper.states["payment_method_states"]
            if not states or states["cybersource"]["required_action"] is None:
                break
    return shopper


@scene("a card is stored and then authorized")
def _(world: World) -> None:
    pay(world, CARDS["Visa"])


@scene("an American Express card with its four digits is authorized in one step")
def _(world: World) -> None:
    pay(world, CARDS["American Express"], flow="one-step", card_type="003", card_cvn=CVN4)


@scene("sales")
def _(world: World) -> None:
    pay(world, CARDS["Mastercard"], flow="sale", card_type="002")
    pay(world, CARDS["Discover"], flow="sale-with-token", card_type="004")


@scene("declines, a wrong entry, an unknown outcome, a part of the amount, and another try")
def _(world: World) -> None:
    pay(world, test_cards.DECLINED)
    pay(world, test_cards.STOLEN)
    for number in (test_cards.UNKNOWN, test_cards.PARTIAL):
        pay(world, number, flow="one-step")
    pay(world, CARDS["Visa"][:-1] + "2", flow="one-step")  # no valid number
    shopper = pay(world, CARDS["Visa"], flow="one-step", card_expiry_date="13-1999")
    shopper.check_out()
    shopper.pay(CARDS["JCB"], card_type="007", card_cvn=CVN)


@scene("a page that sends the card to the shop's own checkout by mistake")
def _(world: World) -> None:
    for number in list(CARDS.values())[: None if THOROUGH else 2]:
        shopper = world.shopper()
        shopper.check_out()  # so that there are states to read
        shopper.fill_basket()
        payment = {"enabled": True, "pay_balance": True, **card(number), "cvn": CVN}
        payload = {**shopper.payload(payment={"cybersource": payment}), **card(number), "card": card(number)}
        query = urlencode(card(number))
        shopper.client.post(f"/api/checkout/?{query}", payload, content_type="application/json")
        shopper.check_out()
        shopper.client.get(f"/api/checkout/payment-states/?{query}")


# -- review -----------------------------------------------------------------------------------------------------------


def under_review(world: World) -> tuple[Shopper, str]:
    with override_settings(CYBERSOURCE_FLOW="one-step"):
        shopper = world.shopper()
        shopper.check_out()
        shopper.pay(test_cards.REVIEW)
    return shopper, world.gateway.cases[-1].id


def chatty() -> str:
    """What a careless reviewer writes."""
    return "Called the bank. " + "; ".join(text for number in CARDS.values() for text in written(number).values())


@scene("a reviewer writes card numbers into notes and comments")
def _(world: World) -> None:
    _shopper, case = under_review(world)
    world.notify(world.gateway.add_note(case, "lena.review", chatty()).body)
    world.notify(world.gateway.decide(case, "ACCEPT", reviewer="lena.review", comments=chatty(), notes=[chatty()]).body)
    _shopper, case = under_review(world)
    world.notify(world.gateway.decide(case, "REJECT", comments=CARDS["Visa"]).body)


@scene("review notifications that are bad XML, another merchant's, or none at all")
def _(world: World) -> None:
    _shopper, case = under_review(world)
    good = world.gateway.decide(case, "ACCEPT", comments=chatty()).xml
    for broken in (good[:-40], good.replace("<Update", "<!ENTITY x 'y'><Update"), f"<a>{chatty()}", chatty()):
        world.notify(notification_body(broken))
    world.notify(notification_body(good.replace("acme_shop", "somebody_else")))
    for posted in (urlencode(card(CARDS["Visa"])), json.dumps(card(CARDS["Visa"])), urlencode({"content": chatty()})):
        world.notify(posted)
    world.notify(f"{urlencode(card(CARDS['Visa']))}&content=<a>{quote(chatty())}")
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000):
        world.notify(notification_body(good) + b" " * 2000)


@scene("review notifications with a wrong key, and with the right one beside another")
def _(world: World) -> None:
    for key in (
        "wrong",
        KEYS["notification key"] + "x",
        f"{KEYS['notification key']}&key=second",
        quote(CARDS["Visa"]),
    ):
        world.notify(notification_body("<a/>"), key=key)
    world.post(
        f"/api/cybersource/decision-manager-review-notification/?{urlencode(card(CARDS['Visa']))}",
        urlencode({"key": KEYS["notification key"], **card(CARDS["Visa"])}),
    )


@scene("a review update fails and is tried again", crash=True)
def _(world: World) -> None:
    _shopper, case = under_review(world)
    with failing(OrderNote):
        world.notify(world.gateway.decide(case, "ACCEPT", comments=chatty()).body)
        world.command("cybersource_reprocess")
    world.command("cybersource_reprocess")


@scene("a notification that cannot be stored", both=True)
def _(world: World) -> None:
    _shopper, case = under_review(world)
    for model in (ReviewNotification, ReviewNotificationUpdate):
        with failing(model):
            world.notify(world.gateway.decide(case, "ACCEPT", comments=chatty()).body)
            world.notify(notification_body(f"<a>{chatty()}"))


# -- what strangers post -----------------------------------------------------------------------------------------------


def misdirected(world: World, number: str) -> list[tuple[str, str]]:
    """The whole signed card form, posted to the shop instead of CyberSource, with an invented decision."""
    shopper = world.shopper()
    shopper.check_out()
    return [(n, card(number).get(n, v)) for n, v in shopper.form()] + [("decision", "ACCEPT")]


@scene("the card form is posted to the shop, by both endpoints")
def _(world: World) -> None:
    pairs = misdirected(world, CARDS["Visa"])
    for endpoint in (REPLY, MERCHANT_POST):
        world.post(endpoint, urlencode(pairs))
        world.post(endpoint, dict(pairs), content_type="multipart/form-data; boundary=BoUnDaRyStRiNg")
        world.post(endpoint, json.dumps(dict(pairs)), content_type="application/json")


def hostile_pairs() -> list[tuple[str, str]]:
    """Canaries in every unsigned field there could be, as values and as names."""
    pairs = [("decision", "ACCEPT"), ("signature", "x"), ("signed_field_names", "decision,signed_field_names")]
    for brand, number in CARDS.items():
        for how, text in written(number).items():
            pairs += [(f"{brand} {how}", text), (text, "1"), (f"card_{text}", CVN)]
    pairs += [("cvn", CVN), (SHOPPER["street"], SHOPPER["e-mail"]), ("address", SHOPPER["street"])]
    pairs += [(KEYS["secret key of the settings"], KEYS["secret key of a profile"]), ("key", KEYS["notification key"])]
    return pairs


@scene("forged replies with canaries in fields, names, cookies, headers and query")
def _(world: World) -> None:
    for endpoint in (REPLY, MERCHANT_POST):
        world.post(endpoint, urlencode(hostile_pairs()))
        for number in CARDS.values():
            world.post(
                f"{endpoint}?{urlencode(card(number))}&{number}={CVN}",
                urlencode(card(number)),
                cookies={"card": number, "cvn": CVN, number: SHOPPER["e-mail"]},
                defaults={
                    "HTTP_X_CARD": number,
                    "HTTP_X_CVN": CVN,
                    "HTTP_REFERER": f"https://shop.example/?{urlencode(card(number))}",
                    "HTTP_USER_AGENT": f"Browser of {SHOPPER['e-mail']} {number}",
                },
            )


#: The fields of which evidence keeps what was claimed.
CLAIMS = ("decision", "reason_code", "transaction_id", "req_reference_number", "req_transaction_uuid", "req_amount")


@scene("forged replies with canaries in the very fields that evidence keeps")
def _(world: World) -> None:
    for number in CARDS.values():
        for text in written(number).values():
            world.post(REPLY, urlencode(dict.fromkeys(CLAIMS, text)))
    for text in SHOPPER.values():
        world.post(REPLY, urlencode({"decision": f"for {text}", "req_reference_number": f"+1{text}"}))


@scene("posts that are too large, have too many fields, or are broken")
def _(world: World) -> None:
    number = CARDS["Visa"]
    many = urlencode([*card(number).items(), *[(f"x{n}", number) for n in range(1200)]])
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=2000):
        for endpoint in (REPLY, MERCHANT_POST):
            world.post(endpoint, urlencode(card(number, padding=number * 300)))
    files = (
        f'--b\r\nContent-Disposition: form-data; name="{number}"; filename="{number}.txt"\r\n'
        f"Content-Type: text/plain\r\n\r\n{number} {CVN}\r\n"
    )
    for endpoint in (REPLY, MERCHANT_POST):
        world.post(endpoint, many)
        world.post(f"{endpoint}?{many}", urlencode(card(number)))
        world.post(
            endpoint, f"card_number={number}%ZZ&card_cvn={CVN}&\xff\x00=1&card_number={number}\x00".encode("latin-1")
        )
        world.post(endpoint, f"{files}--b--\r\n", content_type="multipart/form-data; boundary=b")
        world.post(endpoint, files[:60], content_type="multipart/form-data; boundary=b")
        world.post(endpoint, files, content_type=f"multipart/form-data; boundary={number}")
        world.post(endpoint, files * 150 + "--b--\r\n", content_type="multipart/form-data; boundary=b")


# -- what CyberSource might send ---------------------------------------------------------------------------------------


def every_text_of_a_reply(shopper: Shopper, number: str, text: str) -> Any:
    return shopper.reply(
        transaction_id="73" + str(abs(hash(text)))[:18],
        message=text,
        req_card_number=number,
        req_card_cvn=CVN,
        req_bill_to_address_line1=SHOPPER["street"],
        req_bill_to_address_line2=text,
        req_bill_to_email=SHOPPER["e-mail"],
        req_bill_to_phone=SHOPPER["phone"],
        req_merchant_defined_data1=text,
        auth_code=text,
        auth_avs_code=text,
        auth_cv_result=text,
        req_card_type=text,
        req_card_expiry_date=text,
        invalid_fields=text,
    )


@scene("genuine replies with card numbers in every text")
def _(world: World) -> None:
    decisions = ("ACCEPT", "DECLINE", "REVIEW", "ERROR", "CANCEL")
    with override_settings(CYBERSOURCE_FLOW="one-step"):
        for turn, number in enumerate(CARDS.values()):
            texts = list(written(number).values())
            for text in texts if THOROUGH else [texts[turn % len(texts)]]:
                shopper = world.shopper()
                shopper.check_out()
                told = dict(every_text_of_a_reply(shopper, number, text))
                told = {name: value for name, value in told.items() if name not in SIGNATURE}
                for decision in (number, decisions[turn % len(decisions)]):
                    signed = world.gateway.sign_reply({**told, "decision": decision}, ROW_KEY)
                    world.post(REPLY, urlencode(signed))
                shopper.client.get(f"/api/cybersource/return/{shopper.attempt().transaction_uuid}/", follow=True)
                shopper.states  # noqa: B018  read by the shopper's page


SIGNATURE = ("signature", "signed_field_names", "signed_date_time", "utf8")


@scene("genuine replies that fit no attempt")
def _(world: World) -> None:
    shopper = world.shopper()
    shopper.check_out()
    for number in CARDS.values():
        for misfit in ({"req_amount": "0.01"}, {"req_reference_number": number}, {"req_currency": "EUR"}):
            pairs = dict(every_text_of_a_reply(shopper, number, number))
            told = {**{n: v for n, v in pairs.items() if n not in SIGNATURE}, **misfit}
            world.post(REPLY, urlencode(world.gateway.sign_reply(told, ROW_KEY)))


# -- webhooks ---------------------------------------------------------------------------------------------------------

WEBHOOK_KEY = b64encode(KEYS["webhook key"].encode()).decode()


def webhook(world: World, content: str, *, signed: str | None = None) -> None:
    signature = header(content, timezone.now(), key=WEBHOOK_KEY, key_id="key-of-nobody") if signed is None else signed
    with override_settings(CYBERSOURCE_WEBHOOK_KEYS={"key-of-nobody": WEBHOOK_KEY}):
        world.post("/api/cybersource/webhooks/", content, "application/json", headers={"v-c-signature": signature})


def event_full_of(number: str, spelling: str) -> str:
    details = {"card": {"number": number, "securityCode": CVN}}
    data = dict.fromkeys(("referenceNumber", "status", "message", "reason", "type", spelling), spelling)
    said = dict.fromkeys(("webhookId", "transactionTraceId", "organizationId", "productId"), spelling)
    return body({"data": {**data, "id": number, "paymentInformation": details}}, event=f"payments.{spelling}", **said)


@scene("webhooks with a card at every place, signed, not signed, and broken")
def _(world: World) -> None:
    for number in CARDS.values():
        spellings = list(written(number).values())
        for spelling in spellings if THOROUGH else spellings[: len(spellings) if number == CARDS["Visa"] else 1]:
            content = event_full_of(number, spelling)
            webhook(world, content)
            webhook(world, content, signed=f"t=1;keyId={number};sig={number}")
            webhook(world, content[:-1])
    webhook(world, event_full_of(CARDS["Visa"], CVN), signed=WEBHOOK_KEY)


@scene("webhooks that cannot be stored", both=True)
def _(world: World) -> None:
    content = event_full_of(CARDS["Visa"], CARDS["Visa"])
    with failing(WebhookDelivery):
        webhook(world, content, signed=CARDS["Visa"])
    for broken in ("cybersource.inbound.webhooks.store", "cybersource.inbound.webhooks.open_delivery"):
        with patch(broken, side_effect=RuntimeError):
            webhook(world, content)


# -- the API ----------------------------------------------------------------------------------------------------------

V1 = "/api/cybersource/v1/"


def call(world: World, path: str, number: str, spelling: str) -> None:
    """By a stranger and by staff: a card in the query, in the headers, and at any depth of the body, JSON or not."""
    query = urlencode({"order": spelling, "reference": number, spelling: spelling})
    told = json.dumps({"reason": spelling, "card": {"numbers": [number], spelling: CVN}, "cvn": CVN4})
    headers = {"Idempotency-Key": number, "X-Card": number}
    for post in (world.post, world.staff.post):
        post(f"{V1}{path}?{query}", told, content_type="application/json", headers=headers)
        post(V1 + path, told, content_type="application/json")
        post(V1 + path, told[:-1], content_type="application/json")
        post(V1 + path, urlencode(card(spelling)), content_type=FORM)
    world.staff.get(f"{V1}{path}?{query}")
    world.staff.get(f"{V1}{number}/")


@scene("callers of the API send a card at every place")
def _(world: World) -> None:
    for number in CARDS.values():
        spellings = list(written(number).values())
        for spelling in spellings if THOROUGH else spellings[: len(spellings) if number == CARDS["Visa"] else 1]:
            for path in ("payments/1/refund/", "connection-test/", "my/payments/", f"receipts/{number}/", number):
                call(world, path, number, spelling)


@scene("the API breaks", both=True)
def _(world: World) -> None:
    for model in (get_model("order", "Order"), PaymentOperation, Source):
        with missing(model):
            call(world, "payments/", CARDS["Visa"], CARDS["Visa"])
            world.staff.get(f"{V1}payments/")
            world.staff.get(f"{V1}operations/")
            headers = {"Idempotency-Key": "a-key"}
            world.staff.post(f"{V1}payments/1/refund/", "{}", content_type="application/json", headers=headers)


# -- failures ----------------------------------------------------------------------------------------------------------


def failing(model: Any) -> contextlib.AbstractContextManager[None]:
    """No row of this model can be written: the database fails."""
    return unwritable(model._meta.db_table)


def missing(model: Any) -> contextlib.AbstractContextManager[None]:
    """The model's rows cannot even be read."""
    return unreadable(model._meta.db_table)


@contextlib.contextmanager
def raising(signal: Signal) -> Iterator[None]:
    def receiver(sender: Any, **kwargs: Any) -> None:
        raise RuntimeError("a receiver of the shop's own is broken")

    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


@scene("a receiver of the shop raises while the form is made")
def _(world: World) -> None:
    with raising(signals.pre_build_get_token_request):
        shopper = world.shopper()
        shopper.fill_basket()
        shopper.client.post("/api/checkout/", shopper.payload(), content_type="application/json")


@scene("a receiver of the shop raises while the order is placed", crash=True)
def _(world: World) -> None:
    with raising(order_placed):
        shopper = world.shopper()
        shopper.fill_basket()
        payload = shopper.payload(payment={"cybersource": {"enabled": True, "pay_balance": True}})
        shopper.client.post("/api/checkout/", payload, content_type="application/json")


@scene("the attempt cannot be stored", crash=True)
def _(world: World) -> None:
    with failing(PaymentAttempt):
        shopper = world.shopper()
        shopper.fill_basket()
        shopper.client.post("/api/checkout/", shopper.payload(), content_type="application/json")


@scene("receivers of the shop raise after a payment", crash=True)
def _(world: World) -> None:
    with raising(signals.reply_recorded), raising(signals.payment_declined):
        pay(world, CARDS["Visa"], flow="one-step")
        pay(world, test_cards.DECLINED, flow="one-step")


@scene("the evidence of a refused post cannot be stored", both=True)
def _(world: World) -> None:
    with failing(RefusedPost):
        for endpoint in (REPLY, MERCHANT_POST):
            world.post(f"{endpoint}?{urlencode(card(CARDS['Visa']))}", urlencode(misdirected(world, CARDS["Visa"])))
            world.post(
                endpoint,
                urlencode(hostile_pairs()),
                cookies={"card": CARDS["JCB"], "cvn": CVN},
                defaults={"HTTP_X_CARD": CARDS["Discover"], "HTTP_X_CVN": CVN, "HTTP_X_WHO": SHOPPER["e-mail"]},
            )
            world.post(endpoint, dict(hostile_pairs()), content_type="multipart/form-data; boundary=BoUnDaRyStRiNg")
            world.post(
                endpoint,
                f'--b\r\nContent-Disposition: form-data; name="a"; filename="{CARDS["Visa"]}"\r\n\r\n1\r\n--b--\r\n',
                content_type="multipart/form-data; boundary=b",
            )


@scene("the database fails at each table that a reply writes", crash=True)
def _(world: World) -> None:
    tables = (CyberSourceReply, Source, get_model("payment", "Transaction"), PaymentToken, OrderConfirmation)
    number = CARDS["Visa"]
    with override_settings(CYBERSOURCE_FLOW="one-step"):
        for model, text in zip((*tables, PaymentAttempt), written(number).values(), strict=False):
            shopper = world.shopper()
            shopper.check_out()
            paid = shopper.submit(card(number)).reply
            with failing(model):
                world.post(MERCHANT_POST, urlencode(every_text_of_a_reply(shopper, number, text)))
                world.post(REPLY, urlencode(paid))
    with failing(Source):
        world.command("cybersource_reprocess")
    world.command("cybersource_reprocess")


@scene("the log cannot be settled, also by the command", crash=True)
def _(world: World) -> None:
    with override_settings(CYBERSOURCE_FLOW="one-step"):
        shopper = world.shopper()
        shopper.check_out()
        pairs = shopper.submit(card(CARDS["Mastercard"], card_type="002")).reply
        with failing(get_model("order", "PaymentEvent")):
            world.post(MERCHANT_POST, urlencode(pairs))
            world.command("cybersource_reprocess")
        world.command("cybersource_reprocess")


@scene("pages of the shopper crash while a form is out", both=True)
def _(world: World) -> None:
    shopper = world.shopper()
    shopper.check_out()
    answer = shopper.submit(card(CARDS["Visa"]))
    shopper.deliver(answer)
    uuid = shopper.attempt().transaction_uuid
    for broken in (failing(PaymentAttempt), missing(get_model("order", "Line")), missing(CyberSourceReply)):
        with broken:
            shopper.client.get("/api/checkout/payment-states/")
            shopper.client.get(f"/api/cybersource/pending/{uuid}/")
            shopper.client.get(f"/api/cybersource/return/{uuid}/")


@scene("the keys themselves fail", crash=True)
def _(world: World) -> None:
    """Whatever breaks in the libraries while keys are read, encrypted, or used."""
    for target in (
        "cryptography.fernet.Fernet.__init__",
        "cryptography.fernet.MultiFernet.decrypt",
        "hmac.digest",
    ):
        shopper = world.shopper()
        shopper.check_out()
        pairs = shopper.submit(card(CARDS["Visa"])).reply
        with patch(target, side_effect=RuntimeError):
            world.post(REPLY, urlencode(pairs))
            world.notify(notification_body("<a/>"))
            shopper.client.get("/api/checkout/payment-states/")
            world.staff.post(f"{PROFILES}add/", entered("secret key entered with a mistake", access_key="f" * 32))
    with patch("secrets.compare_digest", side_effect=RuntimeError):  # staff's cookies are compared by it as well
        world.notify(notification_body("<a/>"))


@contextlib.contextmanager
def rest_settings() -> Iterator[dict[str, dict[str, Any]]]:
    """The REST API's settings by how it authenticates; at the other end nobody listens."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and no more: connections are refused
        store, response_key = Path(folder, "key.p12"), Path(folder, "response.pem")
        store.write_bytes(key_material.p12(password=KEYS["password of the REST certificate"]))
        response_key.write_bytes(key_material.pem("response", KEYS["password of the REST reply key"]))
        common = {
            "CYBERSOURCE_REST_ENDPOINT": f"http://127.0.0.1:{closed.getsockname()[1]}",
            "CYBERSOURCE_REST_KEY_ID": "key-id-of-nobody",
            "CYBERSOURCE_REST_SHARED_SECRET": b64encode(KEYS["REST shared secret"].encode()).decode(),
            "CYBERSOURCE_REST_P12": str(store),
            "CYBERSOURCE_REST_P12_PASSWORD": KEYS["password of the REST certificate"],
        }
        replies = {
            "CYBERSOURCE_REST_MLE_RESPONSE_KEY": str(response_key),
            "CYBERSOURCE_REST_MLE_RESPONSE_KEY_ID": "response-key-of-nobody",
            "CYBERSOURCE_REST_MLE_RESPONSE_PASSWORD": KEYS["password of the REST reply key"],
        }
        yield {
            "jwt": {**common, "CYBERSOURCE_REST_AUTH": "jwt", **replies},
            "http-signature": {**common, "CYBERSOURCE_REST_AUTH": "http-signature"},
            "p12": {**common, "CYBERSOURCE_REST_AUTH": "p12", **replies, "CYBERSOURCE_REST_MLE": True},
        }


def ask_over_rest() -> client.LoggedCall:
    amount = {"amount": Decimal("10.00"), "currency": "USD"}
    return client.send(authorize(token="T0KEN", reference_number="OSC-1", idempotency_id="id1", **amount))


@scene("calls over REST reach nobody")
def _(world: World) -> None:
    with rest_settings() as endpoints:
        for name, endpoint in endpoints.items():
            with override_settings(**endpoint):
                exchange = ask_over_rest()
                assert isinstance(exchange.outcome, NotSent)
                world.note("command", f"REST by {name}", f"{exchange!r} {credentials.access()!r}")
                world.staff.get(f"/admin/cybersource/cybersourcereply/{exchange.entry.pk}/change/")


@scene("calls over REST crash, and their keys cannot be read", crash=True)
def _(world: World) -> None:
    """A shop's own code makes such calls once a payment is committed. What crashes is reported with every variable."""
    raised: list[type[Exception]] = []

    def receiver(sender: Any, **kwargs: Any) -> None:
        try:
            ask_over_rest()
        except Exception as problem:
            raised.append(type(problem))
            raise

    signals.reply_recorded.connect(receiver)
    try:
        with rest_settings() as endpoints, override_settings(CYBERSOURCE_FLOW="one-step"):
            for endpoint, broken, target in (
                ("p12", {}, "requests.Session.send"),
                ("jwt", {"CYBERSOURCE_REST_SHARED_SECRET": f"{KEYS['REST shared secret']} $"}, ""),
                ("p12", {"CYBERSOURCE_REST_P12_PASSWORD": KEYS["password of the REST reply key"]}, ""),
            ):
                failing_call = patch(target, side_effect=RuntimeError) if target else contextlib.nullcontext()
                with override_settings(**{**endpoints[endpoint], **broken}), failing_call:
                    pay(world, CARDS["Visa"], flow="one-step")
    finally:
        signals.reply_recorded.disconnect(receiver)
    assert raised == [RuntimeError, ImproperlyConfigured, ImproperlyConfigured]


@scene("a profile cannot be read", crash=True)
def _(world: World) -> None:
    shopper = world.shopper()
    shopper.check_out()
    pairs = shopper.submit(card(CARDS["Visa"])).reply
    with override_settings(CYBERSOURCE_FERNET_KEYS=["a key of today"], CYBERSOURCE_SECRET=""):
        world.post(REPLY, urlencode(pairs))
        shopper.client.get("/api/checkout/payment-states/")
        another = world.shopper()
        another.fill_basket()
        another.client.post("/api/checkout/", another.payload(), content_type="application/json")
        world.command("remove_unreadable_cybersource_profiles", dry_run=True)
        world.command("cybersource_rotate_encryption")
        world.command("check", deploy=True)


# -- staff -------------------------------------------------------------------------------------------------------------

PROFILES = "/admin/cybersource/secureacceptanceprofile/"


def entered(secret: str, **columns: str) -> dict[str, str]:
    given = {"hostname": "other.example", "profile_id": PROFILE_ID, "access_key": "c" * 32, "active": "on", **columns}
    return {**given, "secret_key": KEYS[secret]}


@scene("staff enter, mistype and change profiles")
def _(world: World) -> None:
    world.staff.get(f"{PROFILES}add/")
    world.staff.post(f"{PROFILES}add/", entered("secret key entered with a mistake", profile_id=""))
    world.staff.post(f"{PROFILES}add/", entered("secret key entered with a mistake", access_key=ROW_KEY))
    world.staff.post(f"{PROFILES}add/", entered("secret key entered in the admin"))
    row = SecureAcceptanceProfile.objects.get(access_key="c" * 32)
    world.staff.post(f"{PROFILES}{row.pk}/change/", entered("secret key entered with a mistake", hostname="x" * 500))
    world.staff.post(f"{PROFILES}{row.pk}/change/", {**entered("secret key entered in the admin"), "active": ""})
    for page in ("", f"{row.pk}/change/", f"{row.pk}/history/", f"{row.pk}/delete/", "?q=canary"):
        world.staff.get(f"{PROFILES}{page}")
    world.staff.post(PROFILES, {"action": "delete_selected", "_selected_action": [row.pk]})


@scene("a profile that staff enter cannot be stored", both=True)
def _(world: World) -> None:
    with failing(SecureAcceptanceProfile):
        world.staff.post(f"{PROFILES}add/", entered("secret key entered in the admin", access_key="d" * 32))
    held = SecureAcceptanceProfile.objects.get(access_key=ROW_KEY)
    with failing(LogEntry):
        world.staff.post(f"{PROFILES}{held.pk}/change/", entered("secret key entered in the admin", access_key=ROW_KEY))
        held.refresh_from_db()


@scene("staff look at everything that was kept")
def _(world: World) -> None:
    for rows in (CyberSourceReply, RefusedPost, ReviewNotification, PaymentAttempt, PaymentToken, WebhookDelivery):
        model = rows._meta.model_name
        world.staff.get(f"/admin/cybersource/{model}/?q=1")
        world.staff.get(f"/admin/cybersource/{model}/")
        for pk in list(rows.objects.order_by("-pk").values_list("pk", flat=True)[:LOOKED_AT]):
            world.staff.get(f"/admin/cybersource/{model}/{pk}/change/")
    for path in ("payments/", "operations/", "payment-methods/", "my/payments/"):
        world.staff.get(V1 + path)
    for pk in list(Source.objects.order_by("-pk").values_list("pk", flat=True)[:LOOKED_AT]):
        world.staff.get(f"{V1}payments/{pk}/")
    orders = get_model("order", "Order").objects.order_by("-pk")
    for number in list(orders.values_list("number", flat=True)[:LOOKED_AT]):
        world.staff.get(f"/dashboard/orders/{number}/")


#: Rows of each kind that staff open.
LOOKED_AT = 200 if THOROUGH else 5


@scene("the commands")
def _(world: World) -> None:
    world.command("cybersource_reprocess")
    world.command("cybersource_rotate_encryption", dry_run=True)
    world.command("cybersource_rotate_encryption")
    world.command("remove_unreadable_cybersource_profiles", interactive=False)
    world.command("check", deploy=True)
    world.command("cybersource_check", offline=True)
    world.command("cybersource_check", offline=True, for_machines=True)
    world.staff.get("/api/cybersource/connection-test/")
    world.command("dumpdata", "cybersource.SecureAcceptanceProfile")
    with override_settings(
        CYBERSOURCE_SECRET=f" {KEYS['secret key of the settings']}\n",
        CYBERSOURCE_FERNET_KEYS=KEYS["encryption key"],
        CYBERSOURCE_DECISION_MANAGER_KEYS=KEYS["notification key"],
    ):
        world.command("check", deploy=True)
        world.command("cybersource_check", offline=True)
