"""Whatever comes back over HTTP is processed, refused or unknown, and never a crash."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cybersource.protocol.rest import (
    KEPT_OF_TOKENS,
    Answer,
    DecisionFollowon,
    FieldProblem,
    NewKey,
    Operation,
    Processed,
    Product,
    Refused,
    Subscription,
    Unknown,
    UnknownReason,
    for_storage,
    outcome_of,
    parse,
)

#: Calls whose answer says by its status what became of the money.
MONEY = [
    Operation.AUTHORIZE,
    Operation.CAPTURE,
    Operation.REFUND,
    Operation.VOID,
    Operation.REVERSE,
    Operation.TIMEOUT_REVERSE,
    Operation.TIMEOUT_VOID,
]
CHANGING = [each for each in Operation if not each.reads]

CAPTURED = {
    "id": "7725300131236543210988",
    "status": "PENDING",
    "submitTimeUtc": "2026-03-03T09:26:54Z",
    "reconciliationId": "74460224LGNBR8UJ",
    "clientReferenceInformation": {"code": "OSC-1001-C1"},
    "orderInformation": {"amountDetails": {"totalAmount": "30.00", "currency": "USD"}},
    "_links": {"void": {"method": "POST", "href": "/pts/v2/captures/7725300131236543210988/voids"}},
    "newInNextYear": {"unheardOf": [1, {"deep": None}]},
}

DECLINED = {
    "id": "7725300131236543210999",
    "status": "DECLINED",
    "errorInformation": {"reason": "INSUFFICIENT_FUND", "message": "Decline - Insufficient funds in the account."},
    "processorInformation": {"responseCode": "51", "merchantAdvice": {"code": "01"}},
}


def answered(data: object, *, status: int = 201, operation: Operation = Operation.CAPTURE, **more: str):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return outcome_of(operation, http_status=status, body=body, **more)


def test_a_capture_that_was_taken_is_processed_and_read_whole():
    outcome = answered(CAPTURED, correlation_id="abc")
    assert isinstance(outcome, Processed) and outcome.succeeded
    assert outcome.correlation_id == "abc" and outcome.http_status == 201
    answer = outcome.answer
    assert (answer.id, answer.status, answer.reference_number) == (CAPTURED["id"], "PENDING", "OSC-1001-C1")
    assert (answer.amount, answer.currency) == (Decimal("30.00"), "USD")
    assert answer.reconciliation_id == "74460224LGNBR8UJ"
    assert answer.submitted_at == datetime(2026, 3, 3, 9, 26, 54, tzinfo=UTC)
    assert answer.links == {"void": "/pts/v2/captures/7725300131236543210988/voids"}


def test_a_declined_card_comes_with_http_201_and_is_processed_without_success():
    outcome = answered(DECLINED, operation=Operation.AUTHORIZE)
    assert isinstance(outcome, Processed) and not outcome.succeeded
    assert outcome.answer.reason == "INSUFFICIENT_FUND"
    assert outcome.answer.merchant_advice == "01"


def test_the_amount_of_a_partial_authorization_is_what_is_held_not_what_was_asked():
    amounts = {"totalAmount": "100.00", "authorizedAmount": "40.00", "currency": "USD"}
    told = {"id": "7", "status": "PARTIAL_AUTHORIZED", "orderInformation": {"amountDetails": amounts}}
    answer = answered(told, operation=Operation.AUTHORIZE).answer
    assert (answer.amount, answer.total_amount) == (Decimal("40.00"), Decimal("100.00"))


def test_an_amount_written_as_a_number_keeps_its_digits():
    body = b'{"id":"7","status":"PENDING","orderInformation":{"amountDetails":{"totalAmount":30.10}}}'
    assert answered(body).answer.amount == Decimal("30.10")


@pytest.mark.parametrize(
    ("status", "data", "reason"),
    [
        (400, {"status": "INVALID_REQUEST", "reason": "EXCEEDS_AUTH_AMOUNT", "message": "…"}, "EXCEEDS_AUTH_AMOUNT"),
        (400, {"errorInformation": {"reason": "MISSING_FIELD"}}, "MISSING_FIELD"),
        (401, {"response": {"rmsg": "Authentication Failed"}}, "Authentication Failed"),
        (403, {"correlationId": "x", "reason": "FORBIDDEN"}, "FORBIDDEN"),
        (404, {"errors": [{"type": "notFound", "message": "…"}]}, "notFound"),
        (410, {"errors": [{"type": "notAvailable"}]}, "notAvailable"),
        (429, b"", ""),
        (403, b"<html>blocked</html>", ""),
        (201, {"id": "7", "status": "INVALID_REQUEST", "reason": "INVALID_DATA"}, "INVALID_DATA"),
    ],
)
@pytest.mark.parametrize("operation", CHANGING)
def test_what_the_gateway_did_not_do_is_refused(operation, status, data, reason):
    outcome = answered(data, status=status, operation=operation)
    assert isinstance(outcome, Refused)
    assert outcome.answer.reason == reason


@pytest.mark.parametrize(
    ("status", "data", "why"),
    [
        (502, {"status": "SERVER_ERROR", "reason": "SERVER_TIMEOUT"}, UnknownReason.SERVER_ERROR),
        (500, b"<html>", UnknownReason.SERVER_ERROR),
        (503, b"", UnknownReason.SERVER_ERROR),
        (504, CAPTURED, UnknownReason.SERVER_ERROR),
        (201, b"<!DOCTYPE html><title>Gateway</title>", UnknownReason.UNREADABLE),
        (201, json.dumps(CAPTURED).encode()[:60], UnknownReason.UNREADABLE),
        (201, b"", UnknownReason.UNREADABLE),
        (201, b"[]", UnknownReason.UNREADABLE),
        (201, b"[" * 200_000, UnknownReason.UNREADABLE),
        (201, b"\xff\xfe\x00", UnknownReason.UNREADABLE),
        (201, {"encryptedResponse": "a.b.c.d.e"}, UnknownReason.UNDECRYPTABLE),
        (201, {}, UnknownReason.UNRECOGNISED),
        (201, {"id": "7", "status": "SOMETHING_NEW"}, UnknownReason.UNRECOGNISED),
        (201, {"status": "PENDING"}, UnknownReason.UNRECOGNISED),
        (202, CAPTURED, UnknownReason.UNRECOGNISED),
        (302, b"", UnknownReason.UNRECOGNISED),
        (408, b"", UnknownReason.UNRECOGNISED),
        (400, CAPTURED, UnknownReason.UNRECOGNISED),  # says both yes and no
    ],
)
@pytest.mark.parametrize("operation", MONEY)
def test_what_may_have_been_done_is_unknown(operation, status, data, why):
    outcome = answered(data, status=status, operation=operation)
    assert isinstance(outcome, Unknown)
    assert outcome.why is why


@pytest.mark.parametrize("told", ["ACCEPTED", "REJECTED"])
def test_a_decided_review_tells_the_decision_that_stands_and_what_was_done_with_the_money(told):
    link = {"self": {"href": "/pts/v2/captures/7725300131236543210988", "method": "GET"}}
    data = {
        "id": "7725300131236543210987",
        "status": told,
        "_embedded": {"capture": {"status": "PENDING", "_links": link}, "reversal": {"id": "7", "status": "REVERSED"}},
    }
    for status in (200, 201):
        outcome = answered(data, status=status, operation=Operation.DECIDE_REVIEW)
        assert isinstance(outcome, Processed) and outcome.succeeded
        assert outcome.answer.status == told
        assert outcome.answer.capture == DecisionFollowon(id="7725300131236543210988", status="PENDING")
        assert outcome.answer.reversal == DecisionFollowon(id="7", status="REVERSED")


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (201, {"id": "7", "status": "PENDING"}),
        (201, {"status": "ACCEPTED"}),
        (201, {}),
        (204, b""),
        (400, {"id": "7", "status": "ACCEPTED"}),
        (502, {"id": "7", "status": "ACCEPTED"}),
    ],
)
def test_a_review_whose_decision_was_not_told_is_unknown(status, data):
    assert isinstance(answered(data, status=status, operation=Operation.DECIDE_REVIEW), Unknown)


def test_decided_and_no_more_is_no_status_of_a_capture():
    assert isinstance(answered({"id": "7", "status": "ACCEPTED"}), Unknown)


@pytest.mark.parametrize(
    "operation", [Operation.DELETE_CUSTOMER, Operation.DELETE_WEBHOOK, Operation.SET_WEBHOOK_STATUS]
)
def test_what_was_deleted_or_switched_is_answered_by_a_status_line_alone(operation):
    for status, body in ((204, b""), (200, b""), (200, b"{}"), (200, b"ok")):
        assert isinstance(answered(body, status=status, operation=operation), Processed)
    assert isinstance(answered(b"", status=302, operation=operation), Unknown)
    assert answered(b"", status=410, operation=operation).is_gone
    assert answered(b"", status=404, operation=operation).is_gone
    assert not answered(b"", status=409, operation=operation).is_gone


def test_a_key_or_a_subscription_was_made_where_its_name_was_told():
    key = {"keyInformation": {"keyId": "22222222-3333", "key": "j1nZLvbX", "expirationDate": "2027-03-03"}}
    outcome = answered(key, operation=Operation.WEBHOOK_KEY)
    assert isinstance(outcome, Processed)
    made = NewKey.read(outcome.content)
    assert (made.key_id, made.key, made.expires) == ("22222222-3333", "j1nZLvbX", "2027-03-03")
    subscription = {"webhookId": "0f2d7c5e-1b1a", "status": "PENDING_REVIEW"}
    outcome = answered(subscription, operation=Operation.CREATE_WEBHOOK)
    assert isinstance(outcome, Processed)
    assert Subscription.read(outcome.content).status == "PENDING_REVIEW"
    for operation in (Operation.WEBHOOK_KEY, Operation.CREATE_WEBHOOK):
        assert isinstance(answered({"status": "ACTIVE"}, operation=operation), Unknown)
        assert isinstance(answered(b"", operation=operation), Unknown)


def test_a_key_is_in_no_row_and_no_repr():
    key = {"keyInformation": {"keyId": "22222222-3333", "key": "j1nZLvbX"}}
    outcome = answered(key, operation=Operation.WEBHOOK_KEY)
    assert "j1nZLvbX" not in repr(outcome) + repr(NewKey.read(outcome.content)) + repr(for_storage(outcome.content))
    assert for_storage(outcome.content)["keyInformation.keyId"] == "22222222-3333"


def test_products_and_subscriptions_come_as_lists_and_are_read_from_either_shape():
    listed = [
        {
            "productId": "payments",
            "eventTypes": [
                {"eventName": "payments.capture.status.updated", "payloadEncryption": True},
                {"eventName": "payments.void.status.accepted", "payloadEncryption": False},
                {"unnamed": 1},
                7,
            ],
        },
        {"eventTypes": []},
        "odd",
    ]
    (product,) = Product.read_all(answered(listed, status=200, operation=Operation.WEBHOOK_PRODUCTS).content)
    assert (product.id, product.encrypted) == ("payments", {"payments.capture.status.updated"})
    assert product.event_types == ("payments.capture.status.updated", "payments.void.status.accepted")
    rows = [
        {"webhookId": "1", "status": "ACTIVE", "products": [{"productId": "p", "eventTypes": ["a", "b"]}]},
        {"webhookId": "2", "status": "INACTIVE", "productId": "p", "eventTypes": ["a"], "webhookUrl": "https://x/"},
    ]
    found = Subscription.read_all(answered(rows, status=200, operation=Operation.LIST_WEBHOOKS).content)
    assert [(each.id, each.event_types, each.url) for each in found] == [
        ("1", ("a", "b"), ""),
        ("2", ("a",), "https://x/"),
    ]
    assert Subscription.read_all(answered({}, status=200, operation=Operation.LIST_WEBHOOKS).content) == ()


def test_an_answer_about_a_stored_card_does_not_carry_its_token_into_the_log():
    token = "A1B2C3D4E5F60718293A4B5C6D7E8F90"
    told = {"id": token, "message": f"No {token}", "_links": {"self": {"href": f"/tms/v2/customers/{token}"}}}
    for status in (200, 404):
        outcome = answered(told, status=status, operation=Operation.READ_CUSTOMER)
        assert token not in repr(outcome) and not outcome.answer.id and not outcome.answer.message
        assert token not in repr(for_storage(outcome.content, kept_names=KEPT_OF_TOKENS))


def test_how_long_to_wait_is_told_where_the_gateway_says_it():
    assert answered(b"", status=429, retry_after="30").retry_after == 30
    assert answered(b"", status=503, retry_after="30").retry_after == 30
    for odd in ("", "soon", "-1", "1e9", "Tue, 03 Mar 2026 09:26:53 GMT", "9" * 50):
        assert answered(b"", status=503, retry_after=odd).retry_after is None


def test_a_repeat_is_told_from_other_refusals_by_either_way_of_saying_it():
    field = "clientReferenceInformation.transactionId"
    assert answered({"reason": "DUPLICATE_REQUEST"}, status=400).is_duplicate
    outcome = answered({"reason": "INVALID_DATA", "details": [{"field": field, "reason": "INVALID_DATA"}]}, status=400)
    assert outcome.is_duplicate and outcome.answer.details == (FieldProblem(field=field, reason="INVALID_DATA"),)
    assert not answered({"reason": "INVALID_DATA", "details": [{"field": "x"}]}, status=400).is_duplicate


def test_a_look_up_reads_the_state_and_the_services_a_transaction_went_through():
    told = {
        "id": "7725300131236543210988",
        "rootId": "7725300131236543210987",
        "submitTimeUTC": "2026-03-03T09:26:54Z",
        "applicationInformation": {
            "status": "PENDING",
            "reasonCode": "100",
            "rCode": "1",
            "applications": [{"name": "ics_bill", "rCode": "1", "rFlag": "SOK", "reasonCode": "100"}, "odd", 7],
        },
    }
    outcome = answered(told, status=200, operation=Operation.LOOK_UP)
    assert isinstance(outcome, Processed)
    answer = outcome.answer
    assert (answer.status, answer.reason_code, answer.root_id) == ("PENDING", "100", told["rootId"])
    assert answer.submitted_at == datetime(2026, 3, 3, 9, 26, 54, tzinfo=UTC)
    assert answer.applications[0].name == "ics_bill" and answer.applications[0].succeeded
    assert answered(b"", status=404, operation=Operation.LOOK_UP).is_not_found


def test_a_search_that_finds_nothing_is_an_answer_too():
    page = answered({"searchId": "1", "totalCount": 0}, operation=Operation.SEARCH).search
    assert (page.total, page.transactions) == (0, ())


def test_a_search_gives_its_rows_and_how_many_there_are():
    rows = {"transactionSummaries": [CAPTURED, "odd", {"id": "8"}]}
    page = answered({"totalCount": 2, "_embedded": rows}, operation=Operation.SEARCH).search
    assert page.total == 2
    assert [each.id for each in page.transactions] == [CAPTURED["id"], "8"]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "id status reason message details errors errorInformation response rmsg _links _embedded href code"
                " submitTimeUtc orderInformation amountDetails totalAmount applicationInformation applications"
                " transactionSummaries clientReferenceInformation totalCount encryptedResponse capture reversal"
                " webhookId keyInformation keyId key products productId eventTypes eventName rows".split()
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(data=ODD, status=st.integers(100, 599), operation=st.sampled_from(list(Operation)))
@example(data={"id": "\ud800\x00"}, status=201, operation=Operation.CAPTURE)
@example(data={"_links": {"self": {"href": ["x"]}}, "details": {"field": 1}}, status=400, operation=Operation.VOID)
@example(data={"submitTimeUtc": "0001-01-01T00:00:00+23:59"}, status=201, operation=Operation.CAPTURE)
def test_no_shape_of_answer_is_a_crash_and_every_kept_value_fits_a_column(data, status, operation):
    outcome = answered(data, status=status, operation=operation)
    assert isinstance(outcome, Processed | Refused | Unknown)
    Product.read_all(outcome.content), Subscription.read_all(outcome.content), NewKey.read(outcome.content)
    for text in (outcome.answer.id, outcome.answer.message, *for_storage(parse(json.dumps(data).encode())).values()):
        assert "\x00" not in text
        text.encode("utf-8")


@given(
    body=st.binary(max_size=200),
    status=st.integers(100, 599),
    operation=st.sampled_from([*MONEY, Operation.DECIDE_REVIEW]),
)
def test_bytes_that_are_no_answer_never_say_that_money_moved(body, status, operation):
    outcome = answered(body, status=status, operation=operation)
    assert not isinstance(outcome, Processed)


def test_what_is_stored_is_what_was_listed_and_the_names_of_the_rest():
    stored = for_storage(
        {
            "id": "7725300131236543210988",
            "status": "AUTHORIZED",
            "message": "Card 4111 1111 1111 1111 was odd",
            "details": [{"field": "a", "reason": "b"}],
            "paymentInformation": {"customer": {"id": "A1B2C3"}, "card": {"number": "4111111111111111"}},
            "orderInformation": {"billTo": {"email": "maya@example.com"}, "amountDetails": {"totalAmount": "1.00"}},
        }
    )
    left_out = stored.pop("left_out")
    assert stored == {
        "id": "7725300131236543210988",
        "status": "AUTHORIZED",
        "message": "Card xxxx xxxx xxxx 1111 was odd",
        "details.0.field": "a",
        "details.0.reason": "b",
        "orderInformation.amountDetails.totalAmount": "1.00",
    }
    assert left_out.split(", ") == [
        "paymentInformation.customer.id",
        "paymentInformation.card.number",
        "orderInformation.billTo.email",
    ]


def test_an_answer_shows_no_message_in_its_repr():
    assert "secret" not in repr(Answer(message="secret"))
