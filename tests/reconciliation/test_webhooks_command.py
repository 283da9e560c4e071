"""``manage.py cybersource_webhooks`` against the simulator, and what it subscribed to as it comes in."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from cybersource.models import CyberSourceReply, WebhookDelivery
from cybersource.reconciliation.webhook_events import handle_pending
from cybersource.simulator import Gateway
from cybersource.simulator.delivery import Courier
from cybersource.simulator.server import Server
from cybersource.simulator.webhooks import PayloadShape, Signed, WebhookFault, WebhookSwitches
from tests.protocol.rest.key_material import pem
from tests.support.answering import says, server
from tests.support.reviewing import under_review
from tests.support.shop import Shopper

ORIGIN = "http://localhost:8000"
WEBHOOKS = "/api/cybersource/webhooks/"


@pytest.fixture
def far_side(shopper, settings) -> Iterator[Gateway]:
    """CyberSource with its REST services, at which the shop has keys and no webhook yet."""
    gateway = shopper.gateway
    settings.CYBERSOURCE_MERCHANT_ID = gateway.settings.profiles[0].merchant_id
    settings.CYBERSOURCE_REST_KEY_ID = gateway.settings.rest.key_id
    settings.CYBERSOURCE_REST_SHARED_SECRET = gateway.settings.rest.shared_secret
    settings.CYBERSOURCE_WEBHOOK_KEYS = {}
    with Server(gateway=gateway) as running:
        settings.CYBERSOURCE_REST_ENDPOINT = running.url
        gateway.outbox.fetch = None  # the tests carry, so that they say when
        yield gateway


def run(*args: str) -> str:
    out = StringIO()
    call_command("cybersource_webhooks", *args, stdout=out, stderr=out)
    return out.getvalue()


def make_key(settings) -> dict[str, str]:
    """Do as the command says: put the key that it shows into the settings."""
    shown = run("key", "--noinput")
    (line,) = [line for line in shown.splitlines() if line.startswith("CYBERSOURCE_WEBHOOK_KEYS = ")]
    settings.CYBERSOURCE_WEBHOOK_KEYS = ast.literal_eval(line.partition(" = ")[2])
    return settings.CYBERSOURCE_WEBHOOK_KEYS


def deliver(gateway: Gateway) -> list[int]:
    """Bring what is due from CyberSource to the shop; what the shop answered."""
    answers = []
    for due in gateway.outbox:
        planned = due.message
        envelope = gateway.webhooks.envelope(planned) if hasattr(planned, "event") else None
        if envelope is not None:
            headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in envelope.headers.items()}
            answers.append(Client().generic("POST", WEBHOOKS, envelope.body, **headers).status_code)
    return answers


# -- from no key to a subscription -----------------------------------------------------------------------------------


def test_key_and_subscription_are_made_step_by_step_and_events_come_in(far_side, shopper, settings):
    with pytest.raises(CommandError, match="Make a key first"):
        run("create", "--url", ORIGIN)
    keys = make_key(settings)
    assert keys == {far_side.webhooks.key.id: far_side.webhooks.key.secret}
    shown = run("create", "--url", f"{ORIGIN}/")
    (made,) = far_side.webhooks.subscriptions
    assert f"{made.id}: INACTIVE" in shown and "within ten minutes" in shown
    assert (made.url, made.health_url) == (f"{ORIGIN}{WEBHOOKS}", f"{ORIGIN}{WEBHOOKS}health/")
    assert {"cardProcessing", "decisionManager", "tokenManagement"} == set(made.products)
    assert "risk.casemanagement.addnote" not in made.products["decisionManager"], "nothing is looked into for a note"
    assert (made.policy["numberOfRetries"], made.policy["deactivateFlag"]) == (10, True)
    assert "is active" in run("activate", made.id)

    order = shopper.check_out()
    shopper.pay()
    assert set(deliver(far_side)) == {200}
    told = WebhookDelivery.objects.get(event_type="payments.payments.accept")
    assert told.order == order and told.state == "received"
    asked: list[str] = []
    handle_pending(lambda id: not asked.append(id))
    assert asked == [told.request_id] == [shopper.gateway.payments[-1].transaction_id]


def test_what_is_listed_can_be_deleted(far_side, settings):
    assert run("list") == "There is no subscription.\n"
    make_key(settings)
    run("create", "--url", ORIGIN, "--product", "decisionManager", "--name", "Reviews")
    (made,) = far_side.webhooks.subscriptions
    listed = run("list")
    assert listed.count(made.id) == 1 and f"delivers to {ORIGIN}{WEBHOOKS}" in listed
    assert "risk.casemanagement.decision.accept" in listed and "payments.payments.accept" not in listed
    assert made.name == "Reviews"
    with pytest.raises(CommandError, match=f"subscribed already, as {made.id}"):
        run("create", "--url", ORIGIN)
    assert run("delete", made.id) == f"{made.id} is deleted.\n"
    assert not far_side.webhooks.subscriptions
    with pytest.raises(CommandError, match="CyberSource refused: NOT_FOUND"):
        run("delete", made.id)


def test_products_are_shown_with_a_mark_at_what_is_looked_into(far_side):
    lines = run("products").splitlines()
    assert "  * risk.casemanagement.decision.accept" in lines
    assert "    risk.casemanagement.addnote" in lines
    assert "tokenManagement" in lines and "  * tms.token.updated" in lines


def test_events_that_come_encrypted_are_left_out_where_nothing_could_open_them(far_side, settings, tmp_path):
    make_key(settings)
    offered = [{"eventName": "payments.refund.status.updated", "payloadEncryption": True}]
    offered += [{"eventName": "payments.void.status.accepted", "payloadEncryption": False}]
    created: list[dict[str, Any]] = []

    def answer(handler: Any, body: bytes) -> None:
        if "/products/" in handler.path:
            return says(200, json.dumps([{"productId": "payments", "eventTypes": offered}]).encode())(handler, body)
        if handler.command == "GET":
            return says(404, b"{}")(handler, body)
        created.append(json.loads(body))
        return says(201, b'{"webhookId":"0f2d7c5e","status":"PENDING_REVIEW"}')(handler, body)

    with server(answer) as (address, _):
        settings.CYBERSOURCE_REST_ENDPOINT = address
        assert "  * payments.refund.status.updated (encrypted)" in run("products").splitlines()
        shown = run("create", "--url", "https://shop.example:8443")
        assert "Left out" in shown and "payments.refund.status.updated" in shown
        assert "0f2d7c5e: PENDING_REVIEW" in shown and "a day or two" in shown
        settings.CYBERSOURCE_REST_MLE_RESPONSE_KEY_ID = "reply-key"
        settings.CYBERSOURCE_REST_MLE_RESPONSE_KEY = tmp_path / "key.pem"
        (tmp_path / "key.pem").write_bytes(pem("reply"))
        assert "Left out" not in run("create", "--url", "https://shop.example")
    first, second = ([event for each in made["products"] for event in each["eventTypes"]] for made in created)
    assert first == ["payments.void.status.accepted"]
    assert second == ["payments.refund.status.updated", "payments.void.status.accepted"]
    assert created[0]["webhookUrl"] == f"https://shop.example:8443{WEBHOOKS}"


def test_over_real_connections_the_health_url_makes_it_active_and_a_payment_is_announced(shopper, far_side, settings):
    make_key(settings)
    shop = LiveServer("localhost:0")
    courier = Courier(gateway=far_side)
    try:
        far_side.configure(webhooks=WebhookSwitches(after_seconds=0, minute_seconds=0.01))
        run("create", "--url", shop.url)
        (made,) = far_side.webhooks.subscriptions
        far_side.wait_for(lambda: far_side.webhooks.get(made.id).status == "ACTIVE", timeout=20)
        shopper.check_out()
        shopper.pay()
        far_side.wait_for(
            lambda: any(each.kind == "webhook" and each.status for each in far_side.deliveries), timeout=20
        )
    finally:
        courier.close()
        shop.stop()
    assert {each.status for each in far_side.deliveries if each.kind == "webhook"} == {200}
    assert WebhookDelivery.objects.filter(state="received").exists()


# -- the key ---------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_stands_in_no_row_and_no_log(far_side, settings, caplog):
    with caplog.at_level(logging.DEBUG):
        (secret,) = make_key(settings).values()
    assert secret not in str(list(CyberSourceReply.objects.values())) and secret not in caplog.text
    with caplog.at_level(logging.DEBUG):
        told = run("create", "--url", ORIGIN) + run("list") + run("products")
    assert secret not in told and secret not in caplog.text


@pytest.mark.parametrize("answer", ["no", "", None])
def test_a_second_key_is_made_only_when_somebody_says_so(far_side, settings, monkeypatch, answer):
    make_key(settings)
    first = far_side.webhooks.key

    def typed(prompt: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", typed)
    with pytest.raises(CommandError, match="No key was made"):
        run("key")
    assert far_side.webhooks.key == first
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    shown = run("key")
    assert far_side.webhooks.key != first and far_side.webhooks.key.secret in shown


# -- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://shop.example/webhooks/", "scheme and host only"),
        ("https://shop.example?x=1", "scheme and host only"),
        ("https://user@shop.example", "scheme and host only"),
        ("shop.example", "scheme and host only"),
        ("http://shop.example", "https only"),
        ("ftp://shop.example", "https only"),
    ],
)
def test_an_url_that_events_cannot_be_delivered_to_is_told_before_anything_is_asked(far_side, settings, url, problem):
    make_key(settings)
    before = len(far_side.rest.calls)
    with pytest.raises(CommandError, match=problem):
        run("create", "--url", url)
    assert len(far_side.rest.calls) == before


def test_a_product_that_is_not_offered_is_told(far_side, settings):
    make_key(settings)
    with pytest.raises(CommandError, match="does not offer this account: unifiedCheckout"):
        run("create", "--url", ORIGIN, "--product", "unifiedCheckout")


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (401, b'{"response":{"rmsg":"Authentication Failed"}}', "does not accept these credentials"),
        (403, b"", "may not do this"),
        (
            400,
            b'{"reason":"INVALID_DATA","message":"No.","details":[{"field":"a","reason":"b"}]}',
            "INVALID_DATA No. a",
        ),
        (502, b"", "no clear answer"),
        (200, b"<html>", "no clear answer"),
    ],
)
def test_what_cybersource_answers_is_said_in_plain_words(far_side, settings, status, body, problem):
    with server(says(status, body)) as (address, _):
        settings.CYBERSOURCE_REST_ENDPOINT = address
        with pytest.raises(CommandError, match=problem):
            run("products")


def test_a_gateway_that_is_not_there_and_a_shop_without_credentials_are_told(far_side, settings):
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    with pytest.raises(CommandError, match="cannot be reached"):
        run("list")
    settings.CYBERSOURCE_REST_KEY_ID = ""
    with pytest.raises(CommandError, match="CYBERSOURCE_REST_KEY_ID"):
        run("list")


# -- what comes in, however it is signed -----------------------------------------------------------------------------


def subscribed(gateway: Gateway, settings, **switches: Any) -> None:
    gateway.configure(webhooks=WebhookSwitches(after_seconds=0, late_seconds=0, **switches))
    gateway.webhooks.subscribe(ORIGIN + WEBHOOKS)
    settings.CYBERSOURCE_WEBHOOK_KEYS = {gateway.webhooks.key.id: gateway.webhooks.key.secret}


@pytest.mark.parametrize("signed", list(Signed))
@pytest.mark.parametrize("payload", [PayloadShape.OBJECT, PayloadShape.ARRAY, PayloadShape.PAYLOADS])
def test_a_decision_is_believed_and_recorded_however_it_is_signed_and_shaped(
    far_side, shopper, settings, signed, payload
):
    case = under_review(shopper)
    subscribed(far_side, settings, signed=signed, payload=payload)
    case.accept()
    assert deliver(far_side) == [200]
    handle_pending(lambda id: True)
    assert case.status == "Authorized"
    assert WebhookDelivery.objects.get().state == "handled"


@pytest.mark.parametrize("fault", [WebhookFault.FOREIGN_KEY, WebhookFault.BROKEN_SIGNATURE, WebhookFault.OLD_TIMESTAMP])
def test_a_delivery_that_is_spoiled_changes_nothing_and_a_good_one_after_it_does(far_side, shopper, settings, fault):
    settings.CYBERSOURCE_WEBHOOK_MAX_AGE = 3600
    case = under_review(shopper)
    subscribed(far_side, settings)
    far_side.webhooks.faults.next(fault)
    case.reject()
    assert deliver(far_side) == [403]
    assert handle_pending(lambda id: True) == {} and case.status == "Pending"
    case.reject()
    assert 200 in deliver(far_side)
    handle_pending(lambda id: True)
    assert case.status == "Payment Declined"


def test_events_that_come_swapped_and_twice_end_as_if_they_had_not(far_side, settings):
    cases = [under_review(Shopper(gateway=far_side)) for _ in range(2)]
    subscribed(far_side, settings)
    far_side.webhooks.faults.next(WebhookFault.SWAPPED)
    for case in cases:
        case.accept()
    assert deliver(far_side) == [200, 200] and deliver(far_side) == [200, 200]
    handle_pending(lambda id: True)
    assert {case.status for case in cases} == {"Authorized"}
    assert [case.told for case in cases] == [["recorded"], ["recorded"]]


def test_a_test_delivery_is_taken_and_noted(far_side, settings):
    subscribed(far_side, settings)
    far_side.webhooks.test(far_side.webhooks.subscriptions[0].id)
    assert deliver(far_side) == [200]
    assert WebhookDelivery.objects.get().state == "noted"
