"""Webhooks: who hears of what, signed how, tried how often. Signatures are checked with an HMAC of the tests' own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from cybersource.simulator import Profile, cards
from cybersource.simulator.app import create_app
from cybersource.simulator.webhooks import PayloadShape, Signed, WebhookFault, WebhookSwitches
from cybersource.simulator.webhooks.signing import header, signature
from cybersource.simulator.webhooks.subscriptions import DEFAULT_POLICY, waits
from tests.package.readme import ROOT, code, table

from .forms import card, create_token, form, gateway
from .rest_requests import Merchant

URL = "http://localhost:8000/api/cybersource/webhooks/"
ORG = "acme_shop"
KEYS, WEBHOOKS = "/kms/egress/v2/keys-sym", "/notification-subscriptions/v2/webhooks"
QUICK = WebhookSwitches(after_seconds=0, late_seconds=0, minute_seconds=0.01)


@pytest.fixture
def merchant() -> Merchant:
    return with_switches()


def with_switches(**switches: Any) -> Merchant:
    profile = Profile.for_shop("http://localhost:8000")
    return Merchant(gateway(profiles=(profile,), webhooks=WebhookSwitches(**switches)))


def hub(merchant: Merchant):
    return merchant.gateway.webhooks


def due(merchant: Merchant) -> list[Any]:
    return [each.message for each in merchant.gateway.outbox]


def told(merchant: Merchant) -> list[str]:
    """Return the events that are due, each with the reference or token it is about."""
    found = []
    for each in due(merchant):
        if hasattr(each, "event"):
            data = each.data
            about = data.get("referenceNumber") or data.get("clientReferenceInformation", {}).get("code") or data["id"]
            found.append(f"{each.event} {about}")
    return found


def believed(key: Any, signature_header: str, covered: str) -> bool:
    parts = dict(part.split("=", 1) for part in signature_header.split(";"))
    message = f"{parts['t']}.{covered}".encode()
    expected = base64.b64encode(hmac.new(base64.b64decode(key.secret), message, hashlib.sha256).digest()).decode()
    return parts["keyId"] == key.id and parts["sig"] == expected


# ----------------------------------------------------------------------------------------------------- signature


def test_the_signature_of_the_vendors_own_sample_comes_out():
    expected = "CzHY47nzJgCSD/BREtSIb+9l/vfkaaL4qf9n8MNJ4CY="
    assert signature("dGVzdF9rZXk=", 1617830804768, b"this is a decrypted payload") == expected


def test_a_payments_event_is_signed_as_the_known_vector_says():
    payload = (
        b'{"data":{"id":"7725300131236543210987","status":"AUTHORIZED_PENDING_REVIEW"},'
        b'"organizationId":"oscar_test_mid"}'
    )
    assert header(
        "22222222-3333-4444-8555-666666666666", "j1nZLvbXYVrxULuOLUSaba8ouqDEzcA04A7W+nAKm78=", 1772530013000, payload
    ) == ("t=1772530013000;keyId=22222222-3333-4444-8555-666666666666;sig=DfHuXGhRI3xk7gfSFR8nS5SnfnHmrr0d2audNdqsbKk=")


@pytest.mark.parametrize(
    ("switches", "covered"),
    [
        ({}, "payload"),
        ({"payload": PayloadShape.ARRAY}, "payload"),
        ({"signed": Signed.BODY}, "body"),
        ({"signed": Signed.COMPACT}, "compact"),
        ({"payload": PayloadShape.TEST}, "body"),
        ({"payload": PayloadShape.ARRAY, "signed": Signed.BODY}, "body"),
        ({"payload": PayloadShape.PAYLOADS}, "payload"),
    ],
)
def test_a_delivery_has_the_switched_shape_and_its_signature_covers_the_switched_bytes(switches, covered):
    merchant = with_switches(**switches)
    hub(merchant).subscribe(URL)
    merchant.paid(reference_number="Zürich-7")
    envelope = hub(merchant).envelope(due(merchant)[-1])
    text = envelope.body.decode()
    body = json.loads(text)
    signed = body["payloads"] if isinstance(body.get("payloads"), list) else body.get("payload")
    inner = json.dumps(signed, ensure_ascii=False, separators=(",", ":"))
    assert believed(hub(merchant).key, envelope.headers["v-c-signature"], text if covered == "body" else inner)
    assert (inner in text) is (covered == "payload" or switches.get("signed") is Signed.BODY)
    match switches.get("payload"):
        case PayloadShape.ARRAY:
            data = body["payload"][0]["data"]
        case PayloadShape.PAYLOADS:
            data = body["payloads"][0]["data"]
        case PayloadShape.TEST:
            data = body["payloads"]["testPayload"]["data"]
        case _:
            data = body["payload"]["data"]
    assert data["clientReferenceInformation"] == {"code": "Zürich-7"}


def test_a_new_key_signs_in_place_of_the_one_before(merchant):
    first = hub(merchant).create_key()
    hub(merchant).subscribe(URL)
    second = hub(merchant).create_key()
    merchant.paid()
    headers = hub(merchant).envelope(due(merchant)[-1]).headers
    assert f"keyId={second.id};" in headers["v-c-signature"] and first.id != second.id


# --------------------------------------------------------------------------------------------- keys, subscriptions


def make_key(merchant: Merchant, **changes: Any) -> tuple[int, Any]:
    information = {
        "provider": "nrtd",
        "tenant": ORG,
        "keyType": "sharedSecret",
        "organizationId": ORG,
        "expiryDuration": "365",
        **changes,
    }
    return merchant.post(KEYS, {"clientRequestAction": "CREATE", "keyInformation": information})


def create(merchant: Merchant, **changes: Any) -> tuple[int, Any]:
    data = {
        "name": "Shop",
        "description": "Everything",
        "organizationId": ORG,
        "products": [{"productId": "cardProcessing", "eventTypes": ["payments.captures.accept"]}],
        "webhookUrl": URL,
        "notificationScope": "SELF",
        "securityPolicy": {"securityType": "KEY"},
        "retryPolicy": dict(DEFAULT_POLICY),
        **changes,
    }
    return merchant.post(WEBHOOKS, data)


def test_a_webhook_is_set_up_over_rest_from_its_key_to_its_deletion(merchant):
    status, answer = make_key(merchant)
    assert status == 201
    information = answer["keyInformation"]
    assert (information["provider"], information["status"]) == ("NRTD", "Active")
    assert information["expirationDate"] == "2027-03-04T09:15:02+0000"
    assert len(base64.b64decode(answer["keyInformation"]["key"])) == 32

    status, products = merchant.call("GET", f"/notification-subscriptions/v2/products/{ORG}")
    assert {each["productId"] for each in products} == {"cardProcessing", "decisionManager", "tokenManagement"}
    names = [each["eventName"] for each in products[0]["eventTypes"]]
    assert "payments.captures.accept" in names and "payments.voids.reject" in names

    status, made = create(merchant)
    assert (status, made["status"]) == (201, "INACTIVE")
    id = made["webhookId"]
    merchant.capture(merchant.paid(), "1.00")
    assert told(merchant) == [], "it is not active"

    assert merchant.call("PUT", f"{WEBHOOKS}/{id}/status", {"status": "ACTIVE"})[1]["status"] == "ACTIVE"
    merchant.capture(merchant.paid(), "1.00", code="OSC-1-C1")
    assert told(merchant) == ["payments.captures.accept OSC-1-C1"]
    envelope = hub(merchant).envelope(due(merchant)[-1])
    assert answer["keyInformation"]["keyId"] in envelope.headers["v-c-signature"]

    query = f"?organizationId={ORG}&productId=cardProcessing&eventType=payments.captures.accept"
    assert [each["webhookId"] for each in merchant.call("GET", WEBHOOKS + query)[1]] == [id]
    other = query.replace("captures.accept", "refunds.accept")
    assert merchant.call("GET", WEBHOOKS + other)[1] == []

    changed = {"products": [{"productId": "decisionManager", "eventTypes": ["risk.casemanagement.addnote"]}]}
    assert merchant.call("PATCH", f"{WEBHOOKS}/{id}", changed)[0] == 200
    read = merchant.call("GET", f"{WEBHOOKS}/{id}")[1]
    assert (read["status"], read["products"], read["name"]) == ("ACTIVE", changed["products"], "Shop")

    assert merchant.call("DELETE", f"{WEBHOOKS}/{id}") == (200, {"status": "successfully deleted"})
    assert merchant.call("GET", f"{WEBHOOKS}/{id}")[0] == 404
    assert hub(merchant).envelope(due(merchant)[-1]) is None, "what was on its way is not sent any more"


def test_the_key_is_shown_once(merchant):
    secret = make_key(merchant)[1]["keyInformation"]["key"]
    id = create(merchant)[1]["webhookId"]
    answers = [merchant.call("GET", WEBHOOKS)[1], merchant.call("GET", f"{WEBHOOKS}/{id}")[1], make_key(merchant)[1]]
    assert secret not in json.dumps(answers)
    assert secret not in repr(hub(merchant).key)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"organizationId": "another"}, "organizationId"),
        ({"webhookUrl": "https://shop.example/webhook/"}, "webhookUrl"),
        ({"webhookUrl": ""}, "webhookUrl"),
        ({"healthCheckUrl": "http://10.0.0.1/"}, "healthCheckUrl"),
        ({"products": []}, "products"),
        ({"products": [{"productId": "cns", "eventTypes": ["cns.report.keyExpiration.detail"]}]}, "products"),
        ({"products": [{"productId": "cardProcessing", "eventTypes": ["payments.everything"]}]}, "products"),
        ({"securityPolicy": {"securityType": "oAuth"}}, "securityPolicy.securityType"),
        ({"retryPolicy": {"numberOfRetries": -1}}, "retryPolicy.numberOfRetries"),
        ({"retryPolicy": {"numberOfRetries": 99, "repeatSequenceCount": 99}}, "retryPolicy.numberOfRetries"),
        ({"retryPolicy": {"deactivateFlag": "yes"}}, "retryPolicy.deactivateFlag"),
        ({"retryPolicy": {"algorithm": "RANDOM"}}, "retryPolicy.algorithm"),
        ({"retryPolicy": {"often": 1}}, "retryPolicy.often"),
        ({"retryPolicy": "often"}, "retryPolicy"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused_and_names_its_field(merchant, changes, field):
    make_key(merchant)
    status, answer = create(merchant, **changes)
    assert (status, answer["details"][0]["field"]) == (400, field)
    assert hub(merchant).subscriptions == ()


def test_a_subscription_needs_a_key_first_and_a_key_its_organization(merchant):
    assert create(merchant)[1]["details"][0]["field"] == "securityPolicy.securityType"
    assert make_key(merchant, organizationId="another")[0] == 400
    assert make_key(merchant, expiryDuration="366")[0] == 400
    assert merchant.post(KEYS, {"clientRequestAction": "STORE"})[0] == 400
    assert merchant.call("GET", "/notification-subscriptions/v2/products/another")[0] == 404


def test_a_url_that_people_look_at_delivers_nothing_until_they_agreed():
    merchant = with_switches(urls_reviewed=True)
    make_key(merchant)
    made = create(merchant)[1]
    assert made["status"] == "PENDING_REVIEW"
    put = merchant.call("PUT", f"{WEBHOOKS}/{made['webhookId']}/status", {"status": "ACTIVE"})
    assert (put[0], put[1]["message"]) == (400, "It is PENDING_REVIEW")
    hub(merchant).approve(made["webhookId"])
    assert merchant.call("PUT", f"{WEBHOOKS}/{made['webhookId']}/status", {"status": "ACTIVE"})[0] == 200
    changed = merchant.call("PATCH", f"{WEBHOOKS}/{made['webhookId']}", {"webhookUrl": URL + "2/"})[1]
    assert changed["status"] == "PENDING_REVIEW", "another URL is looked at again"
    hub(merchant).block(made["webhookId"])
    with pytest.raises(ValueError, match="BLOCKED"):
        hub(merchant).set_status(made["webhookId"], "ACTIVE")


def test_another_health_url_is_looked_at_and_one_that_is_down_suspends_the_webhook(connected, shop):
    make_key(connected)
    id = create(connected, webhookUrl=f"{shop.url}/webhook/")[1]["webhookId"]
    shop.status = 503
    changed = {"healthCheckUrl": f"{shop.url}/health/", "name": "Renamed", "retryPolicy": {"deactivateFlag": True}}
    assert connected.call("PATCH", f"{WEBHOOKS}/{id}", changed)[1]["name"] == "Renamed"
    connected.gateway.wait_for(lambda: hub(connected).get(id).status == "SUSPENDED")
    shop.status = 200
    connected.gateway.wait_for(lambda: hub(connected).get(id).status == "ACTIVE")


def test_a_status_that_is_none_is_refused(merchant):
    made = hub(merchant).subscribe(URL)
    for status in ("", "SUSPENDED", "on"):
        assert merchant.call("PUT", f"{WEBHOOKS}/{made.id}/status", {"status": status})[0] == 400
    with pytest.raises(ValueError, match="does not wait"):
        hub(merchant).approve(made.id)
    assert made.status == "ACTIVE"


# ---------------------------------------------------------------------------------------------------------- events


def test_what_happens_to_money_at_any_door_is_told_in_the_older_words(merchant):
    hub(merchant).subscribe(URL)
    staff = merchant.gateway.business_center
    id = merchant.paid("50.00", reference_number="W1")
    capture = merchant.capture(id, "50.00", code="C1")[1]["id"]
    refund = staff.refund(capture, "5.00")
    staff.void(refund.id)
    merchant.void("captures", capture)
    assert merchant.capture(id, "50.01", code="C2")[0] == 400
    merchant.reverse(id, "50.00")
    assert merchant.reverse(id, "50.00")[0] == 400
    merchant.paid(number=cards.DECLINED, reference_number="W2")
    merchant.paid(number=cards.PARTIAL, reference_number="W3")
    merchant.authorize(merchant.token(cards.REVIEW), "50.00", code="W4")
    names = [each.rpartition(" ")[0] for each in told(merchant)]
    assert names == [
        "payments.payments.accept",
        "payments.captures.accept",
        "payments.refunds.accept",
        "payments.voids.accept",
        "payments.voids.accept",
        "payments.captures.reject",
        "payments.reversals.accept",
        "payments.reversals.reject",
        "payments.payments.reject",
        "payments.payments.partial.approval",
        "tms.token.created",
        "payments.payments.review",
    ]
    assert due(merchant)[0].data["id"] == id
    assert merchant.look_up(due(merchant)[5].data["id"])[0] == 404, "a refused request left no transaction"


def test_an_account_with_the_newer_names_also_tells_when_the_batch_ran():
    merchant = with_switches(new_names=True)
    hub(merchant).subscribe(URL)
    capture = merchant.capture(merchant.paid(), "30.00")[1]["id"]
    merchant.refund(capture, "5.00")
    merchant.gateway.rest.advance(hours=7)
    merchant.gateway.rest.advance(hours=7)
    assert [each.rpartition(" ")[0] for each in told(merchant)] == [
        "payments.authorization.status.accepted",
        "payments.capture.status.accepted",
        "payments.refund.status.accepted",
        "payments.capture.status.updated",
        "payments.refund.status.updated",
    ]
    assert due(merchant)[3].data["status"] == "TRANSMITTED"
    assert due(merchant)[3].product == "payments"


def test_a_decision_and_a_note_are_told_with_the_notes_so_far_and_the_follow_on(merchant):
    hub(merchant).subscribe(URL)
    id = merchant.paid("50.00", number=cards.REVIEW, reference_number="W9")
    payment = merchant.gateway.payments[-1]
    merchant.gateway.add_note(payment.id, "omar", "Called")
    merchant.gateway.decide(payment.id, "ACCEPT", reviewer="omar", settle=True)
    note, _capture, decision = (each for each in due(merchant)[1:])
    assert (note.event, decision.event) == ("risk.casemanagement.addnote", "risk.casemanagement.decision.accept")
    assert decision.data == {
        "id": id,
        "referenceNumber": "W9",
        "notes": [{"time": "2026-03-04T09:15:02Z", "addedBy": "omar", "comment": "Called"}],
        "_embedded": {
            "capture": {
                "_links": {"self": {"method": "GET", "href": f"/pts/v2/captures/{payment.case.followon.request_id}"}}
            }
        },
    }
    merchant.gateway.decide(payment.id, "REJECT")
    assert due(merchant)[-1].event == "risk.casemanagement.decision.reject"
    assert "_embedded" not in due(merchant)[-1].data


def test_a_decision_over_rest_is_told_by_webhook_and_by_notification(merchant):
    hub(merchant).subscribe(URL)
    id = merchant.paid("50.00", number=cards.REVIEW)
    merchant.post(f"/risk/v1/decisions/{id}/actions", {"decisionInformation": {"decision": "REJECT"}})
    kinds = [type(each).__name__ for each in due(merchant)]
    assert kinds == ["PlannedWebhook", "PlannedWebhook", "Notification"]


def test_a_token_that_is_made_or_changed_is_told(merchant):
    hub(merchant).subscribe(URL, products={"tokenManagement": ["tms.token.created", "tms.token.updated"]})
    token = merchant.token()
    update = form(
        card(cards.APPROVED_MASTERCARD, card_type="002"),
        transaction_type="update_payment_token",
        payment_token=token,
        allow_payment_token_update="true",
    )
    answer = merchant.gateway.submit("/silent/token/update", update)
    assert answer.payment.decision == "ACCEPT"
    assert told(merchant) == [f"tms.token.created {token}", f"tms.token.updated {token}"]
    create_token(merchant.gateway, card(cards.STOLEN))
    assert len(told(merchant)) == 2, "a card that was refused made no token"


def test_only_what_was_subscribed_to_is_told(merchant):
    hub(merchant).subscribe(URL, products={"cardProcessing": ["payments.refunds.accept"]})
    capture = merchant.capture(merchant.paid(), "30.00")[1]["id"]
    merchant.refund(capture, "5.00", code="R1")
    assert told(merchant) == ["payments.refunds.accept R1"]


# ------------------------------------------------------------------------------------------------------ deliveries


@pytest.fixture
def connected(cybersource_simulator, shop):
    cybersource_simulator.set_shop(shop.url)
    cybersource_simulator.configure(merchant_post="never", webhooks=QUICK)
    return Merchant(cybersource_simulator.gateway)


def events_of(shop: Any) -> list[str]:
    return [json.loads(body)["eventType"] for _, body in shop.received]


def test_a_delivery_carries_all_its_headers_and_says_the_same_in_its_body(connected, shop, cybersource_simulator):
    made = hub(connected).subscribe(f"{shop.url}/webhook/")
    connected.paid()
    ((path, text),) = shop.wait_for(1)
    headers, body = {name.lower(): value for name, value in shop.headers[0].items()}, json.loads(text)
    assert path == "/webhook/"
    assert headers["content-type"] == "application/json"
    inner = json.dumps(body["payload"], separators=(",", ":"))
    assert believed(hub(connected).key, headers["v-c-signature"], inner)
    assert {name: value for name, value in headers.items() if name.startswith("v-c-") and "signature" not in name} == {
        "v-c-event-type": "payments.payments.accept",
        "v-c-organization-id": ORG,
        "v-c-product-name": "cardProcessing",
        "v-c-webhook-id": made.id,
        "v-c-transaction-trace-id": body["transactionTraceId"],
        "v-c-request-type": "NEW",
        "v-c-retry-count": "0",
    }
    assert (body["eventType"], body["webhookId"], body["productId"]) == (
        "payments.payments.accept",
        made.id,
        "cardProcessing",
    )
    assert (body["organizationId"], body["retryNumber"], body["requestType"]) == (ORG, 0, "NEW")
    assert len(body["eventDate"]) == len("2026-03-04T10:05:47")
    delivery = cybersource_simulator.wait_for_delivery(kind="webhook")
    assert (delivery.status, delivery.about) == (200, "payments.payments.accept")
    assert delivery.payment_id == connected.gateway.payments[-1].id


def test_a_delivery_that_failed_is_tried_again_under_a_new_trace_id_until_it_is_taken(
    connected, shop, cybersource_simulator
):
    shop.status = 503
    hub(connected).subscribe(f"{shop.url}/webhook/")
    connected.paid()
    cybersource_simulator.wait_for_delivery(kind="webhook", count=3)
    shop.status = 200
    cybersource_simulator.wait_for_delivery(kind="webhook", count=4)
    bodies = [json.loads(body) for _, body in shop.received]
    assert [(each["requestType"], each["retryNumber"]) for each in bodies] == [
        ("NEW", 0),
        ("RETRY", 1),
        ("RETRY", 2),
        ("RETRY", 3),
    ]
    assert len({each["transactionTraceId"] for each in bodies}) == 4
    assert len({json.dumps(each["payload"]) for each in bodies}) == 1
    for headers, each in zip(shop.headers, bodies, strict=True):
        inner = json.dumps(each["payload"], separators=(",", ":"))
        assert believed(hub(connected).key, headers["v-c-signature"], inner)
        assert headers["v-c-retry-count"] == str(each["retryNumber"])


def test_a_delivery_that_nobody_takes_is_given_up_after_its_retries(connected, shop, cybersource_simulator):
    shop.status = 500
    made = hub(connected).subscribe(f"{shop.url}/webhook/", policy={"numberOfRetries": 1})
    connected.paid()
    cybersource_simulator.wait_for_delivery(kind="webhook", count=2)
    shop.status = 200
    connected.paid()
    cybersource_simulator.wait_for_delivery(kind="webhook", count=3)
    assert [json.loads(body)["retryNumber"] for _, body in shop.received] == [0, 1, 0]
    assert made.status == "ACTIVE"


def test_a_shop_that_is_down_is_suspended_and_hears_what_it_missed_when_its_health_url_answers(
    connected, shop, cybersource_simulator
):
    shop.status = 500
    made = hub(connected).subscribe(
        f"{shop.url}/webhook/",
        health_url=f"{shop.url}/health/",
        policy={"numberOfRetries": 1, "deactivateFlag": True},
    )
    connected.paid(reference_number="W1")
    connected.gateway.wait_for(lambda: made.status == "SUSPENDED")
    connected.paid(reference_number="W2")
    shop.status = 200
    connected.gateway.wait_for(lambda: made.status == "ACTIVE" or None)
    delivered = cybersource_simulator.wait_for_delivery(kind="webhook", count=4)
    assert delivered.succeeded
    missed = [json.loads(body) for path, body in shop.received[-2:] if path == "/webhook/"]
    codes = [each["payload"]["data"]["clientReferenceInformation"]["code"] for each in missed]
    assert codes == ["W1", "W2"]


def test_a_new_webhook_becomes_active_when_its_health_url_answers_both_ways(connected, shop):
    make_key(connected)
    made = create(connected, webhookUrl=f"{shop.url}/webhook/", healthCheckUrl=f"{shop.url}/health/")[1]
    assert made["status"] == "INACTIVE"
    connected.gateway.wait_for(lambda: hub(connected).get(made["webhookId"]).status == "ACTIVE")
    assert shop.looked == ["/health/"]
    assert ("/health/", "") in shop.received


def test_the_test_call_delivers_a_test_payload_also_while_the_webhook_is_not_active(connected, shop):
    make_key(connected)
    id = create(connected, webhookUrl=f"{shop.url}/webhook/")[1]["webhookId"]
    status, answer = connected.call("POST", f"/notification-subscriptions/v1/webhooks/{id}", {})
    ((_, text),) = shop.wait_for(1)
    body = json.loads(text)
    assert (status, answer) == (200, body)
    assert "payload" not in body and set(body["payloads"]["testPayload"]) == {"message"}
    assert (body["retryNumber"], body["requestType"], body["eventType"]) == ("0", "NEW", "payments.captures.accept")
    assert believed(hub(connected).key, shop.headers[0]["v-c-signature"], text)


def delivered_with(connected: Merchant, shop: Any, fault: str, count: int) -> list[tuple[dict[str, str], str]]:
    hub(connected).subscribe(f"{shop.url}/webhook/")
    hub(connected).faults.next(fault, event="payments.captures.accept")
    id = connected.paid()
    capture = connected.capture(id, "9.00")[1]["id"]
    connected.refund(capture, "1.00")
    shop.wait_for(count)
    return list(zip(shop.headers, [body for _, body in shop.received], strict=True))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("lost", ["payments", "refunds"]),
        ("twice", ["payments", "captures", "captures", "refunds"]),
        ("swapped", ["payments", "refunds", "captures"]),
    ],
)
def test_an_event_is_lost_comes_twice_or_after_the_next(connected, shop, fault, expected):
    rows = delivered_with(connected, shop, fault, len(expected))
    assert [json.loads(body)["eventType"].split(".")[1] for _, body in rows] == expected
    if fault == "twice":
        assert rows[1][1] == rows[2][1]
        assert rows[1][0]["v-c-signature"] == rows[2][0]["v-c-signature"]


def test_a_late_event_comes_after_those_that_happened_later(connected, shop):
    connected.gateway.configure(webhooks=WebhookSwitches(after_seconds=0, late_seconds=0.3))
    rows = delivered_with(connected, shop, "late", 3)
    assert [json.loads(body)["eventType"].split(".")[1] for _, body in rows] == ["payments", "refunds", "captures"]


@pytest.mark.parametrize("fault", ["old-timestamp", "foreign-key", "broken-signature"])
def test_a_spoiled_signature_is_wrong_in_its_own_way_and_for_one_event(connected, shop, fault):
    rows = delivered_with(connected, shop, fault, 3)
    good = []
    for headers, body in rows:
        inner = json.dumps(json.loads(body)["payload"], separators=(",", ":"))
        good.append(believed(hub(connected).key, headers["v-c-signature"], inner))
    assert good == [True, fault == "old-timestamp", True]
    times = [int(headers["v-c-signature"].split(";")[0].removeprefix("t=")) for headers, _ in rows]
    assert (times[0] - times[1] > 86_000_000) is (fault == "old-timestamp")
    named = [hub(connected).key.id in headers["v-c-signature"] for headers, _ in rows]
    assert named == [True, fault != "foreign-key", True]


@pytest.mark.parametrize(
    ("policy", "minutes"),
    [
        ({}, [1, 2, 3]),
        ({"firstRetry": 1, "interval": 5, "numberOfRetries": 4}, [1, 6, 11, 16]),
        ({"algorithm": "GEOMETRIC", "firstRetry": 2, "interval": 3}, [2, 6, 18]),
        ({"numberOfRetries": 2, "repeatSequenceCount": 2, "repeatSequenceWaitTime": 60}, [1, 2, 61, 2, 61, 2]),
        ({"numberOfRetries": 0, "repeatSequenceCount": 2}, []),
    ],
)
def test_the_pauses_between_attempts_follow_the_policy(policy, minutes):
    assert waits({**DEFAULT_POLICY, **policy}) == minutes


def test_a_webhook_is_for_this_machine_only(merchant):
    with pytest.raises(ValueError, match="this machine only"):
        hub(merchant).subscribe("https://shop.example/webhook/")


def test_the_table_of_webhook_faults_is_the_codes_own():
    rows = [tuple(row) for row in table("webhook-faults-table", ROOT / "docs" / "reference" / "simulator.rst")]
    assert rows == [(fault.value, fault.meaning) for fault in WebhookFault]


def test_the_table_of_switches_names_every_switch():
    rows = [row[0] for row in table("webhook-switches-table", ROOT / "docs" / "reference" / "simulator.rst")]
    assert {name for row in rows for name in row.split(", ")} == set(WebhookSwitches.__dataclass_fields__)


def test_the_example_of_the_docs_subscribes(merchant):
    example = code("webhook-subscribe", ROOT / "docs" / "reference" / "simulator.rst")
    exec(example, {"gateway": merchant.gateway})
    merchant.paid(reference_number="W1")
    assert told(merchant) == ["payments.payments.accept W1"]


# ------------------------------------------------------------------------------------------------------------ page


def test_the_business_center_shows_subscriptions_and_a_person_approves_and_switches_them():
    merchant = with_switches(urls_reviewed=True)
    make_key(merchant)
    id = create(merchant)[1]["webhookId"]
    client = create_app(merchant.gateway).test_client()

    def press(action: str, **more: str) -> str:
        return client.post("/webhooks/", data={"action": action, "id": id, **more}, follow_redirects=True).text

    page = client.get("/webhooks/").text
    assert URL in page and "PENDING_REVIEW" in page and "payments.captures.accept" in page
    assert "It is PENDING_REVIEW" in press("activate")
    press("approve")
    press("activate")
    assert hub(merchant).get(id).status == "ACTIVE"
    press("deactivate")
    assert hub(merchant).get(id).status == "INACTIVE"
    press("test")
    assert client.post("/webhooks/", data={"action": "dance", "id": id}).status_code == 400
    assert client.post("/webhooks/", data={"action": "test", "id": "another"}).status_code == 404
    assert hub(merchant).key.secret not in client.get("/webhooks/").text


def test_the_business_center_lists_what_was_delivered(connected, shop, cybersource_simulator):
    hub(connected).subscribe(f"{shop.url}/webhook/")
    connected.paid()
    cybersource_simulator.wait_for_delivery(kind="webhook")
    client = create_app(connected.gateway).test_client()
    for path in ("/webhooks/", "/payments/1/"):
        assert "payments.payments.accept" in client.get(path).text
