"""Calls say exactly what CyberSource documents, or are refused before they leave."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersource.protocol import ProtocolError
from cybersource.protocol.rest import (
    Resource,
    TokenKind,
    authorize,
    capture,
    look_up,
    refund,
    reverse,
    search,
    timeout_reverse,
    timeout_void,
    void,
)

P = "7725300131236543210987"
MONEY = {"amount": Decimal("30"), "currency": "USD"}
IDS = {"reference_number": "OSC-1001-C1", "idempotency_id": "c1k7w2v9m4q8"}
REFERENCE = '{"code":"OSC-1001-C1","transactionId":"c1k7w2v9m4q8"}'
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
    ],
    ids=lambda value: value.operation if hasattr(value, "operation") else "",
)
def test_a_call_is_the_documented_path_and_body(call, target, body):
    assert (call.method, call.target, call.content.decode()) == ("post", target, body)


def test_a_look_up_is_a_get_without_a_body():
    call = look_up(P)
    assert (call.method, call.target, call.content) == ("get", f"/tss/v2/transactions/{P}", b"")


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
