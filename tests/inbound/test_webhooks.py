"""The endpoint that CyberSource's webhooks knock at: who is believed, what is stored, and that nothing else happens."""

from __future__ import annotations

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import django
import pytest
from django.db import DatabaseError, OperationalError, connection, connections
from django.db.models.signals import pre_save
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.log import AdminEmailHandler
from oscar.core.loading import get_model

from cybersource.inbound import rejected
from cybersource.inbound.webhooks import EventSubject
from cybersource.models import PaymentToken, WebhookDelivery
from tests.conftest import empty_tables
from tests.package.readme import ROOT, parsed, table
from tests.protocol.rest.deliveries import J1, KEY, KEY_ID, OTHER_KEY, OTHER_KEY_ID, body, header
from tests.support.costs import cost_of
from tests.support.database import KEPT
from tests.support.rows import fingerprints
from tests.support.shop import Shopper

Order = get_model("order", "Order")

DOCS = ROOT / "docs" / "reference" / "webhooks.rst"
URL = "/api/cybersource/webhooks/"
HEALTH = "/api/cybersource/webhooks/health/"

#: All that a delivery may write to.
EVIDENCE = {*KEPT, "cybersource_webhookdelivery"}

PAYMENT = "7725300131236543210988"
CARD = "4111111111111111"
CANARY = "a-value-that-nobody-shall-read"


@pytest.fixture(autouse=True)
def keys(settings) -> None:
    settings.CYBERSOURCE_WEBHOOK_KEYS = {KEY_ID: KEY, OTHER_KEY_ID: OTHER_KEY}
    settings.CYBERSOURCE_MERCHANT_ID = "acme_shop"


def event(payment: str = PAYMENT, status: str = "TRANSMITTED", *, reference: str = "100019-C1", **envelope: Any) -> str:
    data = {"id": payment, "status": status, "clientReferenceInformation": {"code": reference}}
    return body({"data": data, "organizationId": "acme_shop"}, **envelope)


def post(content: str | bytes, signature: str | None = None, *, at: datetime | None = None, **more: Any) -> Any:
    """Deliver as CyberSource does; signed with the shop's key unless another signature is given."""
    signed = header(content, at or timezone.now()) if signature is None else signature
    extra = {"HTTP_V_C_SIGNATURE": signed} if signed else {}
    content = content.encode() if isinstance(content, str) else content
    return Client(raise_request_exception=False).generic(
        "POST", URL, content, content_type="application/json", REMOTE_ADDR="198.241.206.21", **extra, **more
    )


def row() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


# -- what is believed ------------------------------------------------------------------------------------------------


def test_the_endpoints_are_where_the_readme_says():
    assert (reverse("cybersource-webhooks"), reverse("cybersource-webhooks-health")) == (URL, HEALTH)


def test_a_delivery_is_stored_and_changes_nothing(shopper):
    order = shopper.check_out()
    before = fingerprints(but=EVIDENCE)
    response = post(event(reference=order.number))
    assert (response.status_code, response.content) == (200, b"ok")
    assert not response.cookies
    assert fingerprints(but=EVIDENCE) == before
    stored = row()
    assert (stored.event_type, stored.product_id) == ("payments.capture.status.updated", "payments")
    assert (stored.request_id, stored.status, stored.reference_number) == (PAYMENT, "TRANSMITTED", order.number)
    assert (stored.organization_id, stored.key_id, stored.remote_address) == ("acme_shop", KEY_ID, "198.241.206.21")
    assert stored.order == order and stored.state == "received" and not stored.is_retry
    assert stored.payload["signed"] == "body"


def test_while_keys_rotate_each_of_them_is_believed(committed_db):
    now = timezone.now()
    assert post(event(), header(event(), now, key=OTHER_KEY, key_id=OTHER_KEY_ID)).status_code == 200
    assert post(event(status="VOIDED")).status_code == 200
    assert set(WebhookDelivery.objects.values_list("key_id", flat=True)) == {KEY_ID, OTHER_KEY_ID}


def test_a_recorded_delivery_of_decision_manager_is_stored_once_it_is_young_enough(committed_db, settings):
    content, time, signature, _ = J1
    signed = f"{time};keyId={OTHER_KEY_ID};sig={signature}"
    assert post(content, signed).status_code == 403
    settings.CYBERSOURCE_WEBHOOK_MAX_AGE = timedelta(days=10_000)
    assert post(content, signed).status_code == 200
    stored = WebhookDelivery.objects.latest("pk")
    assert (stored.request_id, stored.reference_number) == ("7312345812346012504013", "100019")


@pytest.mark.parametrize("given", [None, {}])
def test_without_keys_the_endpoint_is_closed_and_nothing_is_stored(committed_db, settings, given):
    settings.CYBERSOURCE_WEBHOOK_KEYS = given
    assert post(event()).status_code == 403
    assert Client().get(HEALTH).status_code == 403
    assert not WebhookDelivery.objects.exists()


def test_a_setting_that_is_no_dictionary_of_keys_lets_nobody_in(committed_db, settings):
    for given in (KEY, [KEY], {KEY_ID: "no base64!"}, {KEY_ID: None}, True):
        settings.CYBERSOURCE_WEBHOOK_KEYS = given
        assert post(event()).status_code == 403
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"refused"}


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch", "options"])
def test_deliveries_come_by_post_only(committed_db, method):
    response = getattr(Client(), method)(URL)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


# -- told again ------------------------------------------------------------------------------------------------------


def test_the_very_same_message_is_stored_once_however_often_it_is_sent(committed_db):
    at = timezone.now()
    assert {post(event(), at=at).status_code for _ in range(3)} == {200}
    compact = json.dumps(json.loads(event())["payload"], separators=(",", ":"))
    inner = header(compact, at)
    for trace in ("a", "b"):  # what is written around a signed payload makes it no other message
        assert post(event(transactionTraceId=trace, event=f"payments.{trace}"), inner).status_code == 200
    assert WebhookDelivery.objects.count() == 2


def test_an_event_that_is_delivered_again_is_kept_and_is_nothing_to_do(committed_db):
    at = timezone.now()
    assert post(event(), at=at).status_code == 200
    again = event(requestType="RETRY", retryNumber=1, transactionTraceId="another")
    assert post(again, at=at + timedelta(seconds=60)).status_code == 200
    assert list(WebhookDelivery.objects.order_by("pk").values_list("state", "is_retry")) == [
        ("received", False),
        ("repeated", True),
    ]


def test_another_status_of_the_same_payment_is_another_event(committed_db):
    for status in ("PENDING", "TRANSMITTED"):
        assert post(event(status=status)).status_code == 200
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"received"}


def test_a_list_of_events_is_a_row_each(committed_db):
    content = body([{"data": {"id": PAYMENT}}, {"data": {"id": PAYMENT[:-1] + "9"}}, {"data": {"id": PAYMENT}}])
    assert post(content).status_code == 200
    assert list(WebhookDelivery.objects.order_by("pk").values_list("state", flat=True)) == [
        "received",
        "received",
        "repeated",
    ]


def test_twenty_deliveries_of_one_message_at_once_are_one_row(committed_db):
    content, at = event(), timezone.now()

    def deliver(_: int) -> int:
        try:
            return post(content, at=at).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(deliver, range(20))) == {200}
    assert row().state == "received"


# -- what there is nothing to do about ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (body({"data": {"id": PAYMENT}}, event="sa.orders.rawtransactionresults"), ""),
        (body({"data": {"id": PAYMENT}}, event="cns.report.keyExpiration.detail"), ""),
        (body({"data": {"id": PAYMENT}}, event="something.new.in.2031"), ""),
        (body({"data": {"id": PAYMENT}}, event="risk.casemanagement.addnote"), ""),
        (body({"data": {"id": PAYMENT}}, event=""), ""),
        ('{"eventType":"payments.payments.accept","payloads":{"testPayload":"x"}}', "names-no-payment"),
        (body({"data": {"id": "12"}}), "names-no-payment"),
        (body({"data": {"id": PAYMENT}}, organizationId="another_shop"), "other-organization"),
        (body([{"data": {"id": "11E005EC5EC93BE7E063AF598E0A92CC"}}], event="tms.token.updated"), "no-card-of-ours"),
    ],
)
def test_what_there_is_nothing_to_look_for_is_noted(committed_db, content, problem):
    assert post(content).status_code == 200
    assert (row().state, row().problem) == ("noted", problem)


def test_a_stored_card_is_named_by_our_key_and_its_token_is_not_kept_again(committed_db):
    token = "11E005EC5EC93BE7E063AF598E0A92CC"
    card = PaymentToken.objects.create(token=token)
    data = {"_links": {"customers": [{"href": f"/tms/v2/customers/{token}"}]}, "id": token, "type": token}
    assert post(body([{"data": data}], event="tms.token.updated")).status_code == 200
    assert row().state == "received" and row().payload["cards"] == [card.pk]
    data["type"] = "tokenizedCardUpdates"
    WebhookDelivery.objects.all().delete()
    assert post(body([{"data": data}], event="tms.token.updated")).status_code == 200
    assert token not in str(WebhookDelivery.objects.values().get())


# -- what must not leak, and what must not fail ------------------------------------------------------------------------


def test_evidence_of_what_is_refused_has_a_ceiling(committed_db, monkeypatch):
    monkeypatch.setattr(rejected, "ROWS_AN_HOUR", 3)
    for _ in range(5):
        assert post(event(), "").status_code == 403
    assert WebhookDelivery.objects.count() == 3
    assert post(event()).status_code == 200, "who is believed is stored all the same"
    WebhookDelivery.objects.update(date_created=timezone.now() - timedelta(hours=2))
    assert post(event(), "").status_code == 403
    assert WebhookDelivery.objects.filter(state="refused").count() == 4


def test_no_card_number_of_a_genuine_delivery_is_stored_or_logged(committed_db, caplog):
    data = {
        "id": CARD,
        "referenceNumber": f"order {CARD}",
        "status": f"paid with {CARD}",
        "reason": "4111 1111 1111 1111",
        "paymentInformation": {"card": {"number": CARD, "securityCode": "737"}},
        CARD: "x",
    }
    content = body({"data": data}, transactionTraceId=CARD, webhookId=f"-{CARD}-", productId=CARD)
    with caplog.at_level(logging.DEBUG):
        assert post(content).status_code == 200
        assert post(content.replace("payments.capture.status.updated", f"payments.{CARD}")).status_code == 200
    kept = str(list(WebhookDelivery.objects.values()))
    for secret in (CARD, "4111 1111", "737", KEY):
        assert secret not in kept and secret not in caplog.text
    assert "order xxxxxxxxxxxx1111" in kept


def test_values_of_any_length_and_letters_fit(committed_db):
    long = "\u00e9\ud83d\ude00" * 300
    data = {"id": PAYMENT, "status": long, "referenceNumber": long, "message": "\x01" + long}
    written = json.dumps(
        {"eventType": "payments." + long, "webhookId": long, "payload": {"data": data}, "productId": long}
    )
    assert post(written).status_code == 200
    odd = written.replace("\\ud83d", "\\ud800\\u0000")
    assert post(odd).status_code == 200
    assert WebhookDelivery.objects.filter(state="received").count() == 2


def test_a_database_that_is_away_asks_to_come_again(committed_db):
    def away(sender, **kwargs):
        raise OperationalError("the connection is gone")

    pre_save.connect(away, sender=WebhookDelivery)
    try:
        response = post(event(), "")
    finally:
        pre_save.disconnect(away, sender=WebhookDelivery)
    assert response.status_code == 503 and response.headers["Retry-After"]


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_report_shows_nothing_of_a_delivery(committed_db, settings, mailoutbox, debug):
    settings.DEBUG = debug
    settings.ADMINS = ["boss@shop.example"] if django.VERSION >= (6,) else [("Boss", "boss@shop.example")]

    def breaks(sender, **kwargs):
        raise DatabaseError("the disk is on fire")

    handler = AdminEmailHandler(include_html=True)
    logging.getLogger("django.request").addHandler(handler)
    pre_save.connect(breaks, sender=WebhookDelivery)
    try:
        response = post(event(reference=CARD), f"t=1;sig={CANARY}")
    finally:
        pre_save.disconnect(breaks, sender=WebhookDelivery)
        logging.getLogger("django.request").removeHandler(handler)
    assert response.status_code == 500
    reports = [response.content.decode()]
    for mail in mailoutbox:
        reports += [mail.subject, mail.body, *(html for html, _type in mail.alternatives)]
    assert sum("the disk is on fire" in report for report in reports) >= 1 + debug
    for secret in (CARD, CANARY, PAYMENT, KEY):
        assert not any(secret in report for report in reports)


def test_a_delivery_costs_the_same_few_statements_however_many_events_it_has(committed_db):
    def statements(events: int) -> int:
        items = [
            {"data": {"id": f"{7725300131236543210000 + number}", "referenceNumber": "1"}} for number in range(events)
        ]
        with CaptureQueriesContext(connection) as seen:
            assert post(body(items)).status_code == 200
        return len(seen)

    assert statements(1) == statements(100) <= 8


def test_the_documented_table_of_events_is_what_is_looked_into():
    told = {name for row in table("webhook-events-table", DOCS) for name in re.findall(r"([a-z._]+\.)…", row[0])}
    assert {EventSubject.of(f"{beginning}x") for beginning in told} == set(EventSubject) - {EventSubject.NOTHING}
    assert told == {"payments.", "risk.profile.decision.", "risk.casemanagement.decision.", "tms."}
    assert parsed(DOCS)[1] == ""


# -- health ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_the_health_url_answers_get_and_post_alike(committed_db, method):
    response = getattr(Client(enforce_csrf_checks=True), method)(HEALTH)
    assert response.status_code == 200 and not response.cookies


def test_while_nothing_can_be_stored_the_health_url_says_so(committed_db, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("the connection is gone")

    with monkeypatch.context() as broken:
        broken.setattr(connection, "cursor", away)
        assert Client().get(HEALTH).status_code == 503


def test_the_health_url_takes_nothing_but_get_and_post(committed_db):
    assert Client().delete(HEALTH).status_code == 405


# -- forgeries -------------------------------------------------------------------------------------------------------

OLD = {"by": timedelta(days=-3)}

FORGERIES: dict[str, tuple[str | bytes, dict[str, Any], int]] = {
    "no signature": (event(), {"header": ""}, 403),
    "a blank signature": (event(), {"header": "  "}, 403),
    "words for a signature": (event(), {"header": "trust me"}, 403),
    "half a signature": (event(), {"cut": 20}, 403),
    "the signature twice": (event(), {"twice": True}, 403),
    "no time": (event(), {"without": "t"}, 403),
    "no key id": (event(), {"without": "keyId"}, 403),
    "no value": (event(), {"without": "sig"}, 403),
    "signed three days ago": (event(), OLD, 403),
    "signed tomorrow": (event(), {"by": timedelta(days=1)}, 403),
    "an old signature under a new time": (event(), {**OLD, "retimed": True}, 403),
    "a key of nobody": (event(), {"key_id": "99999999-3333-4444-8555-666666666666"}, 403),
    "a key of nobody, signed with ours": (event(), {"key_id": "x", "key": KEY}, 403),
    "our key's name, another key": (event(), {"key": "c29tZWJvZHkgZWxzZSdzIGtleSwgMzIgYnl0ZXM="}, 403),
    "one key's name, our other key": (event(), {"key": OTHER_KEY}, 403),
    "an empty key": (event(), {"key": ""}, 403),
    "another payment in the same signature": (event(), {"sends": event("7" * 22)}, 403),
    "another status in the same signature": (event(), {"sends": event(status="VOIDED")}, 403),
    "a byte more": (event(), {"sends": event() + " "}, 403),
    "the signature of nothing": (event(), {"signs": ""}, 403),
    "the signature of the time only": (event(), {"signs": "."}, 403),
    "said twice": ('{"eventType":"payments.x","payload":{"id":"1","id":"2"}}', {}, 400),
    "the payload twice": ('{"eventType":"payments.x","payload":{},"payload":{}}', {}, 400),
    "a NUL": (b'{"eventType":"payments.x\x00","payload":{}}', {}, 400),
    "no UTF-8": (b'{"eventType":"payments.\xff","payload":{}}', {}, 400),
    "UTF-16": (event().encode("utf-16"), {}, 400),
    "megabytes": ('{"payload":"' + "x" * 3_000_000 + '"}', {}, 400),
    "nested a hundred thousand deep": ('{"payload":' + "[" * 100_000 + "]" * 100_000 + "}", {}, 400),
    "nested, never closed": ('{"a":' * 100_000, {}, 400),
    "a number of a hundred thousand digits": ('{"payload":' + "9" * 100_000 + "}", {}, 400),
    "a list": ("[" + event() + "]", {}, 400),
    "a thousand events": (body([{"data": {"id": PAYMENT}}] * 1000), {}, 400),
    "nothing": (b"", {}, 400),
    "a form": (f"card_number={CARD}&decision=ACCEPT", {}, 400),
    "XML": (f"<a>{CARD}</a>", {}, 400),
    "half of it": (event()[:-40], {}, 400),
    "two of it": (event() * 2, {}, 400),
    "encrypted for somebody else": (body("eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.b.c.d.e"), {}, 400),
}


def deliver_forged(content: str | bytes, how: dict[str, Any]) -> Any:
    at = timezone.now() + how.get("by", timedelta(0))
    signs = how.get("signs", content)
    signed = how.get("header")
    if signed is None:
        signed = header(signs, at, key=how.get("key", KEY), key_id=how.get("key_id", KEY_ID))
    if how.get("retimed"):
        signed = f"t={round(timezone.now().timestamp() * 1000)};{signed.partition(';')[2]}"
    if how.get("without"):
        signed = ";".join(part for part in signed.split(";") if not part.startswith(how["without"] + "="))
    if how.get("cut"):
        signed = signed[: -how["cut"]]
    if how.get("twice"):
        signed = f"{signed},{signed}"
    return post(how.get("sends", content), signed)


@pytest.mark.parametrize("name", ["megabytes", "nested a hundred thousand deep", "a thousand events"])
def test_no_delivery_takes_two_seconds_or_64_megabytes(committed_db, name):
    content, how, status = FORGERIES[name]
    connections.close_all()

    def deliver() -> int:
        answered = deliver_forged(content, how).status_code
        connections.close_all()
        return answered

    cost = cost_of(deliver)
    assert cost.result == status
    assert cost.cpu_seconds < 2 and cost.megabytes < 64


# -- all forgeries, at one shop, which is the last: its rows stay from test to test -----------------------------------


@pytest.fixture(scope="module")
def shop_with_an_order(django_db_setup, django_db_blocker):
    """One shop for all the forgeries: none of them may change it."""
    with django_db_blocker.unblock():
        shopper = Shopper()
        shopper.check_out()
        yield shopper
        empty_tables()


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_and_changes_no_row_but_evidence(shop_with_an_order, django_db_blocker, caplog, name):
    content, how, status = FORGERIES[name]
    with django_db_blocker.unblock():
        before = fingerprints(but=EVIDENCE)
        with caplog.at_level(logging.DEBUG):
            response = deliver_forged(content, how)
        assert response.status_code == status and response.content == b"refused"
        assert not response.cookies
        assert fingerprints(but=EVIDENCE) == before
        kept = WebhookDelivery.objects.latest("pk")
        assert kept.state == "refused" and kept.problem
        assert (kept.payload, kept.request_id, kept.event_type) == ({}, "", "")
        assert CARD not in caplog.text and PAYMENT not in caplog.text and KEY not in caplog.text
