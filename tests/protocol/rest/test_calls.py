"""Calls say exactly what CyberSource documents, or are refused before they leave."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersource.protocol import ProtocolError, ReviewDecision
from cybersource.protocol.rest import (
    Operation,
    Resource,
    TokenKind,
    authorize,
    capture,
    conversion_details,
    create_webhook,
    decide_review,
    delete_customer,
    delete_webhook,
    for_storage,
    list_webhooks,
    look_up,
    read_customer,
    refund,
    reverse,
    search,
    search_period,
    set_webhook_status,
    timeout_reverse,
    timeout_void,
    void,
    webhook_key,
    webhook_products,
)

P = "7725300131236543210987"
MONEY = {"amount": Decimal("30"), "currency": "USD"}
IDS = {"reference_number": "OSC-1001-C1", "idempotency_id": "c1k7w2v9m4q8"}
REFERENCE = '{"code":"OSC-1001-C1","transactionId":"c1k7w2v9m4q8"}'
TOKEN = "A1B2C3D4E5F60718293A4B5C6D7E8F90"
DAY = (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
SECOND = timedelta(seconds=1)
AMOUNT = '{"amountDetails":{"totalAmount":"30.00","currency":"USD"}}'


@pytest.mark.parametrize(
    ("call", "target", "body"),
    [
        (
            capture(P, **MONEY, **IDS),
            f"/pts/v2/payments/{P}/captures",
            f'{{"clientReferenceInformation":{REFERENCE},"orderInformation":{AMOUNT}}}',
        ),
        (
            capture(P, sequence=(1, 2), **MONEY, **IDS),
            f"/pts/v2/payments/{P}/captures",
            f'{{"clientReferenceInformation":{REFERENCE},"orderInformation":{AMOUNT},"processingInformation":'
            '{"captureOptions":{"captureSequenceNumber":1,"totalCaptureCount":2}}}',
        ),
        (
            refund(P, of=Resource.CAPTURE, **MONEY, **IDS),
            f"/pts/v2/captures/{P}/refunds",
            f'{{"clientReferenceInformation":{REFERENCE},"orderInformation":{AMOUNT}}}',
        ),
        (
            refund(P, of=Resource.PAYMENT, **MONEY, **IDS),
            f"/pts/v2/payments/{P}/refunds",
            f'{{"clientReferenceInformation":{REFERENCE},"orderInformation":{AMOUNT}}}',
        ),
        (
            void(P, of=Resource.REFUND, **IDS),
            f"/pts/v2/refunds/{P}/voids",
            f'{{"clientReferenceInformation":{REFERENCE}}}',
        ),
        (
            reverse(P, reason="order cancelled", **MONEY, **IDS),
            f"/pts/v2/payments/{P}/reversals",
            f'{{"clientReferenceInformation":{REFERENCE},"reversalInformation":{{"amountDetails":'
            '{"totalAmount":"30.00","currency":"USD"},"reason":"order cancelled"}}',
        ),
        (
            timeout_reverse(
                reason="no reply", reference_number="OSC-1001-C1", lost_idempotency_id="c1k7w2v9m4q8", **MONEY
            ),
            "/pts/v2/reversals",
            f'{{"clientReferenceInformation":{REFERENCE},"reversalInformation":{{"amountDetails":'
            '{"totalAmount":"30.00","currency":"USD"},"reason":"no reply"}}',
        ),
        (
            timeout_void(reference_number="OSC-1001-C1", lost_idempotency_id="c1k7w2v9m4q8"),
            "/pts/v2/voids",
            f'{{"clientReferenceInformation":{REFERENCE}}}',
        ),
        (
            authorize(token="A1B2", **MONEY, **IDS),
            "/pts/v2/payments",
            f'{{"clientReferenceInformation":{REFERENCE},"processingInformation":{{"capture":false,'
            f'"commerceIndicator":"internet"}},"paymentInformation":{{"customer":{{"id":"A1B2"}}}},'
            f'"orderInformation":{AMOUNT}}}',
        ),
        (
            search(["OSC-100042-1"]),
            "/tss/v2/searches",
            '{"save":false,"name":"MRN","timezone":"UTC","query":"clientReferenceInformation.code:OSC-100042-1 AND '
            'submitTimeUtc:[NOW/DAY-2DAYS TO NOW/DAY+1DAY}","offset":0,"limit":20,"sort":"submitTimeUtc:desc"}',
        ),
        (
            search_period(*DAY, limit=100, offset=200),
            "/tss/v2/searches",
            '{"save":false,"name":"MRN","timezone":"UTC","query":"submitTimeUtc:[1772409600000 TO 1772496000000}",'
            '"offset":200,"limit":100,"sort":"submitTimeUtc:asc,id:asc"}',
        ),
        (
            decide_review(P, ReviewDecision.ACCEPT, comments="Spoke to her.", capture=True),
            f"/risk/v1/decisions/{P}/actions",
            '{"decisionInformation":{"decision":"ACCEPT","comments":"Spoke to her."},'
            '"processingInformation":{"actionList":["CAPTURE"]}}',
        ),
        (
            decide_review(P, ReviewDecision.REJECT, reverse=True),
            f"/risk/v1/decisions/{P}/actions",
            '{"decisionInformation":{"decision":"REJECT"},"processingInformation":{"actionList":["REVERSE"]}}',
        ),
        (
            decide_review(P, ReviewDecision.REJECT),
            f"/risk/v1/decisions/{P}/actions",
            '{"decisionInformation":{"decision":"REJECT"}}',
        ),
        (
            webhook_key("oscar_test_mid"),
            "/kms/egress/v2/keys-sym",
            '{"clientRequestAction":"CREATE","keyInformation":{"provider":"nrtd","tenant":"oscar_test_mid",'
            '"keyType":"sharedSecret","organizationId":"oscar_test_mid","expiryDuration":"365"}}',
        ),
        (
            create_webhook(
                "oscar_test_mid",
                name="Shop",
                products={"decisionManager": ["risk.casemanagement.decision.accept"]},
                url="https://shop.example/webhooks/",
                health_url="https://shop.example/webhooks/health/",
            ),
            "/notification-subscriptions/v2/webhooks",
            '{"name":"Shop","description":"Shop","organizationId":"oscar_test_mid","products":[{"productId":'
            '"decisionManager","eventTypes":["risk.casemanagement.decision.accept"]}],"webhookUrl":'
            '"https://shop.example/webhooks/","healthCheckUrl":"https://shop.example/webhooks/health/",'
            '"notificationScope":"SELF","securityPolicy":{"securityType":"KEY"},"retryPolicy":{"algorithm":'
            '"ARITHMETIC","firstRetry":1,"interval":5,"numberOfRetries":10,"deactivateFlag":true,'
            '"repeatSequenceCount":5,"repeatSequenceWaitTime":60}}',
        ),
    ],
    ids=lambda value: value.operation if hasattr(value, "operation") else "",
)
def test_a_call_is_the_documented_path_and_body(call, target, body):
    assert (call.method, call.target, call.content.decode()) == ("post", target, body)


@pytest.mark.parametrize(
    ("call", "method", "target"),
    [
        (look_up(P), "get", f"/tss/v2/transactions/{P}"),
        (
            conversion_details(*DAY, organization_id="oscar_test_mid"),
            "get",
            "/reporting/v3/conversion-details?startTime=2026-03-02T00%3A00%3A00Z&endTime=2026-03-03T00%3A00%3A00Z"
            "&organizationId=oscar_test_mid",
        ),
        (read_customer(TOKEN), "get", f"/tms/v2/customers/{TOKEN}"),
        (delete_customer(TOKEN), "delete", f"/tms/v2/customers/{TOKEN}"),
        (webhook_products("oscar_test_mid"), "get", "/notification-subscriptions/v2/products/oscar_test_mid"),
        (
            list_webhooks("oscar_test_mid", product_id="decisionManager", event_type="risk.casemanagement.addnote"),
            "get",
            "/notification-subscriptions/v2/webhooks?organizationId=oscar_test_mid&productId=decisionManager"
            "&eventType=risk.casemanagement.addnote",
        ),
        (delete_webhook("0f2d7c5e-1b1a"), "delete", "/notification-subscriptions/v2/webhooks/0f2d7c5e-1b1a"),
    ],
    ids=lambda value: value.operation if hasattr(value, "operation") else "",
)
def test_what_is_read_or_deleted_is_named_in_the_path_alone(call, method, target):
    assert (call.method, call.target, call.content) == (method, target, b"")


def test_a_subscription_is_switched_by_its_status():
    call = set_webhook_status("0f2d7c5e-1b1a", "ACTIVE")
    assert (call.method, call.target) == ("put", "/notification-subscriptions/v2/webhooks/0f2d7c5e-1b1a/status")
    assert call.content == b'{"status":"ACTIVE"}'


def test_a_time_of_day_is_said_in_utc_whatever_zone_it_was_given_in():
    plus_two = timezone(timedelta(hours=2))
    there = [moment.astimezone(plus_two) for moment in DAY]
    call = conversion_details(*there, organization_id="oscar_test_mid")
    assert call == conversion_details(*DAY, organization_id="oscar_test_mid")
    assert search_period(*there) == search_period(*DAY)


def test_only_what_moves_money_or_searches_for_it_is_sent_encrypted():
    plain = {operation for operation in Operation if not operation.may_be_encrypted}
    assert plain == {
        Operation.LOOK_UP,  # has no body
        Operation.DECIDE_REVIEW,
        Operation.CONVERSIONS,
        Operation.READ_CUSTOMER,
        Operation.DELETE_CUSTOMER,
        Operation.WEBHOOK_PRODUCTS,
        Operation.WEBHOOK_KEY,
        Operation.CREATE_WEBHOOK,
        Operation.LIST_WEBHOOKS,
        Operation.DELETE_WEBHOOK,
        Operation.SET_WEBHOOK_STATUS,
    }


def test_a_legacy_token_is_named_as_one():
    body = json.loads(authorize(token="7" * 22, token_kind=TokenKind.LEGACY, **MONEY, **IDS).content)
    assert body["paymentInformation"] == {"legacyToken": {"id": "7" * 22}}


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: capture("../voids", **MONEY, **IDS), "id"),
        (lambda: capture("", **MONEY, **IDS), "id"),
        (lambda: look_up("7?x=1"), "id"),
        (lambda: look_up("7" * 65), "id"),
        (lambda: authorize(token="a b", **MONEY, **IDS), "id"),
        (lambda: capture(P, amount=Decimal("-1"), currency="USD", **IDS), "amount-negative"),
        (lambda: capture(P, amount=Decimal("1.001"), currency="USD", **IDS), "amount-rounds"),
        (lambda: capture(P, amount=Decimal("0.5"), currency="JPY", **IDS), "amount-rounds"),
        (lambda: capture(P, amount=Decimal("NaN"), currency="USD", **IDS), "amount-not-finite"),
        (lambda: capture(P, amount=Decimal("1"), currency="usd", **IDS), "currency"),
        (lambda: capture(P, sequence=(3, 2), **MONEY, **IDS), "capture-sequence"),
        (lambda: refund(P, of=Resource.REFUND, **MONEY, **IDS), "refund-of"),
        (lambda: capture(P, reference_number="x" * 51, idempotency_id="a", **MONEY), "reference-number"),
        (lambda: capture(P, reference_number="a\nb", idempotency_id="a", **MONEY), "reference-number"),
        (lambda: capture(P, reference_number="a", idempotency_id="a-b", **MONEY), "idempotency-id"),
        (lambda: capture(P, reference_number="a", idempotency_id="a" * 31, **MONEY), "idempotency-id"),
        (lambda: search([]), "search-reference"),
        (lambda: search(["a OR id:*"]), "search-reference"),
        (lambda: search(["a"], limit=2501), "search-range"),
        (lambda: search_period(DAY[1], DAY[0]), "search-range"),
        (lambda: search_period(*DAY, offset=-1), "search-range"),
        (lambda: search_period(*DAY, limit=2501), "search-range"),
        (lambda: decide_review("../x", ReviewDecision.ACCEPT), "id"),
        (lambda: decide_review(P, ReviewDecision.REJECT, capture=True), "review-action"),
        (lambda: decide_review(P, ReviewDecision.ACCEPT, reverse=True), "review-action"),
        (lambda: conversion_details(DAY[0], DAY[0], organization_id="m"), "conversion-period"),
        (lambda: conversion_details(DAY[0], DAY[1] + SECOND, organization_id="m"), "conversion-period"),
        (lambda: conversion_details(*DAY, organization_id="a&b"), "organization-id"),
        (lambda: read_customer(TOKEN + "/x"), "id"),
        (lambda: delete_customer(""), "id"),
        (lambda: webhook_products("../x"), "organization-id"),
        (lambda: webhook_key(""), "organization-id"),
        (lambda: create_webhook("m", name="n", products={}, url="u", health_url="h"), "webhook-events"),
        (lambda: create_webhook("m", name="n", products={"p": []}, url="u", health_url="h"), "webhook-events"),
        (lambda: delete_webhook("a/b"), "webhook-id"),
        (lambda: set_webhook_status("a", "DELETED"), "webhook-status"),
    ],
)
def test_what_cannot_be_said_exactly_is_refused_before_it_leaves(make, rule):
    with pytest.raises(ProtocolError) as refused:
        make()
    assert refused.value.rule == rule


@given(st.text(max_size=70))
def test_no_id_can_lead_to_another_path(id):
    try:
        call = void(id, of=Resource.CAPTURE, **IDS)
    except ProtocolError:
        return
    assert call.target.count("/") == 5 and not set(call.target) & set("?#%\\. ")


def test_a_call_shows_neither_token_nor_amount_in_its_repr():
    shown = repr(authorize(token="A1B2C3D4", **MONEY, **IDS))
    assert "A1B2C3D4" not in shown and "30" not in shown


@pytest.mark.parametrize("call", [read_customer(TOKEN), delete_customer(TOKEN)])
def test_a_stored_cards_token_is_in_its_path_and_in_nothing_that_is_logged(call):
    assert TOKEN in call.target
    assert call.target_for_log == "/tms/v2/customers/…"
    assert TOKEN not in repr(call)


@given(seconds=st.floats(1.7e9, 2.2e9), days=st.integers(1, 30))
def test_the_times_of_a_search_are_logged_as_they_were_sent_and_a_card_number_in_a_query_is_not(seconds, days):
    start = datetime.fromtimestamp(seconds, UTC)
    query = search_period(start, start + timedelta(days=days)).body["query"]
    assert for_storage({"query": query})["query"] == query
    kept = for_storage({"query": f"id:4111111111111111 AND {query}"})["query"]
    assert "4111111111111111" not in kept and kept.endswith(query)
