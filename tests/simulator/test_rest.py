"""The REST services, fact by fact. Requests are signed with a JOSE library of others, or are known vectors."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from cybersource.simulator import Gateway, cards
from cybersource.simulator.rest import RestAccess, RestFault
from cybersource.simulator.rest.faults import NOT_PROCESSED
from cybersource.simulator.rest.query import BadQuery, parse
from cybersource.simulator.rest.verification import NotAuthenticated, Request, verify
from tests.package.readme import ROOT, parsed, table

from .forms import gateway
from .rest_requests import HOST, Merchant

VECTORS = json.loads((Path(__file__).parents[1] / "protocol/rest/vectors.json").read_text(encoding="utf-8"))
PARAMS = VECTORS["params"]


@pytest.fixture
def merchant() -> Merchant:
    return Merchant(gateway())


def with_access(**changes: Any) -> Merchant:
    return Merchant(gateway(rest=RestAccess(**changes)))


def reason(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    status, body = answer
    return status, body.get("reason", "")


# -------------------------------------------------------------------------------------------------- who asks


def believe(vector: dict[str, Any], **changes: Any) -> str:
    meta = vector["id"] in ("H9", "J5")
    access = RestAccess(
        key_id=PARAMS["key_id"],
        shared_secret=PARAMS["shared_secret_base64"],
        portfolio_id=PARAMS["portfolio_id"] if meta else "",
    )
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    given: dict[str, Any] = {
        "method": vector["method"],
        "target": vector["request_target_path"],
        "headers": {"host": vector["host"], **headers},
        "body": (vector["body"] or "").encode(),
        "now": parsedate_to_datetime(PARAMS["date"]),
        **changes,
    }
    return verify(Request(**given), access=access, merchant_id=PARAMS["merchant_id"]).scheme


ALL_VECTORS = [*VECTORS["http_signature"], *VECTORS["jwt_hs256"]]


@pytest.mark.parametrize("vector", ALL_VECTORS, ids=lambda vector: vector["id"])
def test_what_the_vendors_sdk_signs_is_believed(vector):
    assert believe(vector) == ("http-signature" if vector["id"].startswith("H") else "jwt-hs256")


@pytest.mark.parametrize("vector", ALL_VECTORS, ids=lambda vector: vector["id"])
def test_a_signed_request_is_believed_for_its_own_path_host_method_body_and_time_only(vector):
    later = parsedate_to_datetime(PARAMS["date"]) + timedelta(minutes=10)
    earlier = parsedate_to_datetime(PARAMS["date"]) - timedelta(minutes=10)
    other_method = "GET" if vector["method"] == "POST" else "POST"
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    changed = [
        {"target": vector["request_target_path"] + "x"},
        {"headers": {**headers, "host": "api.example"}},
        {"method": other_method},
        {"now": later},
        {"now": earlier},
    ]
    changed += [{"body": (vector["body"] + " ").encode()}] if vector["body"] else []
    for change in changed:
        with pytest.raises(NotAuthenticated):
            believe(vector, **change)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"secret": "d3Jvbmc="}, "signature does not match"),
        ({"header": {"kid": "another"}}, "No key"),
        ({"header": {"alg": "HS512"}}, "The key is for HS256|signature does not match"),
        ({"claims": {"iss": "another"}}, "iss"),
        ({"claims": {"v-c-merchant-id": "another"}}, "v-c-merchant-id"),
        ({"claims": {"v-c-jwt-version": "1"}}, "v-c-jwt-version"),
        ({"claims": {"request-host": "api.cybersource.com"}}, "request-host"),
        ({"claims": {"request-method": "get"}}, "request-method"),
        ({"claims": {"exp": 99999999999}}, "longer than two minutes"),
        ({"claims": {"iat": 1000, "exp": 1100}}, "expired"),
        ({"claims": {"jti": ""}}, "jti"),
        ({"claims": {"digest": "x"}}, "digest"),
        ({"claims": {"digest": None}}, "digest"),
        ({"claims": {"digestAlgorithm": "SHA-512"}}, "algorithm"),
        ({"claims": {"digest-algorithm": "MD5"}}, "algorithm"),
    ],
)
def test_a_token_with_one_thing_wrong_gets_401_without_a_reason_and_does_nothing(merchant, changes, why):
    id = merchant.paid()
    body = json.dumps({"orderInformation": {"amountDetails": {"totalAmount": "1.00", "currency": "USD"}}}).encode()
    answer = merchant.send("POST", f"/pts/v2/payments/{id}/captures", body, **changes)
    assert (answer.status, json.loads(answer.body)) == (401, {"response": {"rmsg": "Authentication Failed"}})
    call = merchant.gateway.rest.calls[-1]
    assert call.scheme == "" and re.search(why, call.refused)
    assert len(merchant.gateway.rest.transactions) == 1


@pytest.mark.parametrize("named", [(), ("digest",), ("digest", "digestAlgorithm"), ("digest", "digest-algorithm")])
def test_the_digest_of_a_token_is_named_as_each_of_the_vendors_own_libraries_does_or_left_out(merchant, named):
    id, whole = merchant.paid(), merchant.claims

    def claims(method, target, body):
        made = whole(method, target, body)
        made["digest-algorithm"] = made.get("digestAlgorithm")
        return {name: value for name, value in made.items() if not name.startswith("digest") or name in named}

    merchant.claims = claims
    assert merchant.capture(id, "1.00")[0] == 201


def test_a_token_is_taken_once(merchant):
    id = merchant.paid()
    target = f"/tss/v2/transactions/{id}"
    once = {"jti": "the-same"}
    assert merchant.send("GET", target, claims=once).status == 200
    assert merchant.send("GET", target, claims=once).status == 401


def test_nothing_is_done_for_a_request_that_is_not_signed_at_all(merchant):
    answer = merchant.gateway.rest.handle("POST", "/pts/v2/payments", {"host": HOST}, b"{}")
    assert answer.status == 401 and not merchant.gateway.rest.transactions


# ---------------------------------------------------------------------------------------------------- money


def test_a_payment_made_in_a_browser_is_captured_under_its_own_id(merchant):
    id = merchant.paid("50.00")
    status, answer = merchant.capture(id, "30.00", code="OSC-1-C1")
    assert (status, answer["status"]) == (201, "PENDING")
    assert answer["orderInformation"]["amountDetails"] == {"totalAmount": "30.00", "currency": "USD"}
    assert answer["clientReferenceInformation"] == {"code": "OSC-1-C1"}
    assert answer["_links"]["void"]["href"] == f"/pts/v2/captures/{answer['id']}/voids"
    assert len(answer["id"]) == 22 and answer["id"] != id


def test_captures_never_exceed_what_was_authorized(merchant):
    id = merchant.paid("50.00")
    assert merchant.capture(id, "30.00")[0] == 201
    assert reason(merchant.capture(id, "20.01")) == (400, "EXCEEDS_AUTH_AMOUNT")
    assert merchant.capture(id, "20.00")[0] == 201
    assert reason(merchant.capture(id, "0.01")) == (400, "EXCEEDS_AUTH_AMOUNT")


def test_an_account_without_several_captures_refuses_the_second():
    merchant = with_access(several_captures=False)
    id = merchant.paid("50.00")
    assert merchant.capture(id, "30.00")[0] == 201
    assert reason(merchant.capture(id, "1.00")) == (400, "TRANSACTION_ALREADY_SETTLED")


def test_refunds_may_exceed_the_capture_because_cybersource_does_not_stop_them(merchant):
    capture = merchant.capture(merchant.paid("50.00"), "50.00")[1]["id"]
    for _ in range(3):
        status, answer = merchant.refund(capture, "50.00")
        assert (status, answer["status"]) == (201, "PENDING")
        assert answer["refundAmountDetails"] == {"refundAmount": "50.00", "currency": "USD"}


def test_a_sale_is_refunded_as_a_payment_and_an_authorization_only_by_its_capture(merchant):
    sale = merchant.paid("50.00", transaction_type="sale")
    assert merchant.ask(f"/pts/v2/payments/{sale}/refunds", "10.00")[0] == 201
    authorization = merchant.paid("50.00")
    assert reason(merchant.ask(f"/pts/v2/payments/{authorization}/refunds", "10.00")) == (400, "INVALID_DATA")
    capture = merchant.capture(authorization, "50.00")[1]["id"]
    assert reason(merchant.ask(f"/pts/v2/payments/{capture}/refunds", "10.00")) == (400, "INVALID_DATA")


def test_the_real_services_lenience_about_the_path_of_a_refund_can_be_switched_on():
    merchant = with_access(refund_any_path=True)
    capture = merchant.capture(merchant.paid("50.00"), "50.00")[1]["id"]
    assert merchant.ask(f"/pts/v2/payments/{capture}/refunds", "10.00")[0] == 201


def test_a_capture_can_be_voided_until_the_batch_runs(merchant):
    id = merchant.paid("50.00")
    early, late = (merchant.capture(id, "20.00")[1]["id"] for _ in range(2))
    status, answer = merchant.void("captures", early)
    assert (status, answer["status"]) == (201, "VOIDED")
    assert answer["voidAmountDetails"] == {"voidAmount": "20.00", "currency": "USD"}
    assert merchant.gateway.rest.status(early) == "VOIDED"
    assert merchant.gateway.rest.status(late) == "PENDING"
    merchant.gateway.rest.advance(hours=7)
    assert merchant.gateway.rest.status(late) == "TRANSMITTED"
    assert reason(merchant.void("captures", late)) == (400, "NOT_VOIDABLE")
    assert reason(merchant.void("captures", early)) == (400, "NOT_VOIDABLE")


def test_a_void_of_a_capture_leaves_the_hold_which_can_be_captured_or_reversed(merchant):
    id = merchant.paid("50.00")
    capture = merchant.capture(id, "50.00")[1]["id"]
    assert reason(merchant.reverse(id, "50.00")) == (400, "TRANSACTION_ALREADY_SETTLED")
    merchant.void("captures", capture)
    assert reason(merchant.refund(capture, "1.00")) == (400, "CAPTURE_ALREADY_VOIDED")
    status, answer = merchant.reverse(id, "50.00")
    assert (status, answer["status"]) == (201, "REVERSED")
    assert answer["reversalAmountDetails"]["reversedAmount"] == "50.00"
    assert reason(merchant.reverse(id, "50.00")) == (400, "AUTH_ALREADY_REVERSED")
    assert reason(merchant.capture(id, "50.00")) == (400, "AUTH_ALREADY_REVERSED")


def test_a_reversal_is_for_the_whole_amount(merchant):
    assert reason(merchant.reverse(merchant.paid("50.00"), "49.99")) == (400, "INVALID_AMOUNT")


def test_a_processor_that_reverses_parts_releases_the_rest_and_never_more_than_is_held():
    merchant = with_access(partial_reversals=True)
    id = merchant.paid("50.00")
    assert merchant.reverse(id, "10.00")[1]["reversalAmountDetails"] == {
        "reversedAmount": "10.00",
        "originalTransactionAmount": "50.00",
        "currency": "USD",
    }
    assert reason(merchant.capture(id, "40.01")) == (400, "EXCEEDS_AUTH_AMOUNT")
    capture = merchant.capture(id, "25.00")[1]["id"]
    assert reason(merchant.reverse(id, "15.01")) == (400, "INVALID_AMOUNT")
    assert merchant.reverse(id, "15.00")[0] == 201
    assert reason(merchant.reverse(id, "0.01")) == (400, "AUTH_ALREADY_REVERSED")
    assert merchant.gateway.rest.status(id) == "AUTHORIZED", "a part of it was taken"
    assert merchant.refund(capture, "25.00")[0] == 201


def test_an_authorization_that_was_released_part_by_part_is_reversed_in_the_end():
    merchant = with_access(partial_reversals=True)
    id = merchant.paid("50.00")
    for _ in range(2):
        assert merchant.gateway.rest.status(id) == "AUTHORIZED"
        assert merchant.reverse(id, "25.00")[0] == 201
    assert merchant.gateway.rest.status(id) == "REVERSED"
    assert reason(merchant.capture(id, "1.00")) == (400, "AUTH_ALREADY_REVERSED")


def test_most_processors_release_no_rest_after_a_partial_capture(merchant):
    id = merchant.paid("50.00")
    merchant.capture(id, "20.00")
    assert reason(merchant.reverse(id, "30.00")) == (400, "TRANSACTION_ALREADY_SETTLED")


def test_a_voided_sale_leaves_the_hold_which_can_be_reversed_and_not_captured(merchant):
    sale = merchant.paid("50.00", transaction_type="sale")
    assert reason(merchant.reverse(sale, "50.00")) == (400, "TRANSACTION_ALREADY_SETTLED")
    assert merchant.void("payments", sale)[1]["status"] == "VOIDED"
    assert reason(merchant.capture(sale, "50.00")) == (400, "TRANSACTION_ALREADY_SETTLED")
    assert merchant.reverse(sale, "50.00")[0] == 201
    assert merchant.gateway.rest.status(sale) == "REVERSED"


def numbered(number: object, count: object) -> dict[str, Any]:
    options = {"captureSequenceNumber": number, "totalCaptureCount": count}
    return {"processingInformation": {"captureOptions": options}}


def test_captures_that_are_numbered_come_in_their_order_and_the_last_ends_the_series(merchant):
    id = merchant.paid("50.00")
    assert reason(merchant.capture(id, "10.00", **numbered(2, 3))) == (400, "INVALID_DATA")
    assert merchant.capture(id, "10.00", **numbered(1, 2))[0] == 201
    status, answer = merchant.capture(id, "10.00", **numbered(1, 2))
    assert (status, answer["details"][0]["field"]) == (
        400,
        "processingInformation.captureOptions.captureSequenceNumber",
    )
    assert reason(merchant.capture(id, "10.00", **numbered(2, 1))) == (400, "INVALID_DATA")
    assert merchant.capture(id, "10.00", **numbered(2, 2))[0] == 201
    assert reason(merchant.capture(id, "10.00", **numbered(3, 3))) == (400, "TRANSACTION_ALREADY_SETTLED")
    assert reason(merchant.capture(id, "10.00")) == (400, "TRANSACTION_ALREADY_SETTLED")


@pytest.mark.parametrize(("number", "count"), [(0, 1), (1, 0), (1, 100), ("one", 1), (None, 1)])
def test_a_capture_sequence_that_is_none_is_refused(merchant, number, count):
    assert reason(merchant.capture(merchant.paid(), "1.00", **numbered(number, count))) == (400, "INVALID_DATA")


def test_an_amount_that_the_currency_cuts_to_nothing_is_refused(merchant):
    assert reason(merchant.capture(merchant.paid(), "0.009")) == (400, "INVALID_DATA")


def test_a_refund_can_be_voided_too(merchant):
    capture = merchant.capture(merchant.paid(), "50.00")[1]["id"]
    refund = merchant.refund(capture, "10.00")[1]["id"]
    assert merchant.void("refunds", refund)[1]["status"] == "VOIDED"


@pytest.mark.parametrize("number", [cards.DECLINED, cards.UNKNOWN])
def test_what_was_not_approved_in_the_browser_holds_nothing_to_capture(merchant, number):
    assert reason(merchant.capture(merchant.paid(number=number), "1.00")) == (400, "MISSING_AUTH")


def test_only_the_approved_part_of_a_partial_approval_can_be_captured(merchant):
    id = merchant.paid("50.00", number=cards.PARTIAL)
    assert reason(merchant.capture(id, "25.01")) == (400, "EXCEEDS_AUTH_AMOUNT")
    assert merchant.capture(id, "25.00")[0] == 201


def test_an_unknown_id_is_refused_by_every_service(merchant):
    unknown = "7" * 22
    assert merchant.capture(unknown, "1.00")[0] == 400
    assert merchant.refund(unknown, "1.00")[0] == 400
    assert merchant.void("captures", unknown)[0] == 400
    assert merchant.reverse(unknown, "1.00")[0] == 400
    assert merchant.look_up(unknown)[0] == 404


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"totalAmount": "1.00", "currency": "EUR"}, "INVALID_DATA"),
        ({"totalAmount": "-1.00", "currency": "USD"}, "INVALID_DATA"),
        ({"totalAmount": "0", "currency": "USD"}, "INVALID_DATA"),
        ({"totalAmount": "1e3", "currency": "USD"}, "INVALID_DATA"),
        ({"currency": "USD"}, "MISSING_FIELD"),
        ({}, "MISSING_FIELD"),
    ],
)
def test_an_amount_that_is_none_is_refused_and_names_its_field(merchant, details, expected):
    id = merchant.paid()
    data = {"orderInformation": {"amountDetails": details}}
    status, answer = merchant.post(f"/pts/v2/payments/{id}/captures", data)
    assert (status, answer["reason"]) == (400, expected)
    assert answer["details"][0]["field"].startswith("orderInformation.amountDetails.")


def test_decimals_that_the_currency_lacks_are_cut_in_silence(merchant):
    answer = merchant.capture(merchant.paid(), "10.999")[1]
    assert answer["orderInformation"]["amountDetails"]["totalAmount"] == "10.99"


# ------------------------------------------------------------------------------------------- stored cards


@pytest.mark.parametrize(
    ("number", "status", "why"),
    [
        (cards.APPROVED, "AUTHORIZED", ""),
        (cards.DECLINED, "DECLINED", "PROCESSOR_DECLINED"),
        (cards.NO_FUNDS, "DECLINED", "INSUFFICIENT_FUND"),
        (cards.REVIEW, "AUTHORIZED_PENDING_REVIEW", "DECISION_PROFILE_REVIEW"),
    ],
)
def test_a_stored_card_answers_over_rest_as_it_does_in_the_browser(merchant, number, status, why):
    code, answer = merchant.authorize(merchant.token(number))
    assert (code, answer["status"]) == (201, status)
    assert answer.get("errorInformation", {}).get("reason", "") == why


@pytest.mark.parametrize(("number", "why"), [(cards.UNKNOWN, "SYSTEM_ERROR"), (cards.TIMED_OUT, "SERVER_TIMEOUT")])
def test_a_stored_card_whose_bank_does_not_answer_is_a_server_error_and_no_transaction(merchant, number, why):
    token = merchant.token(number)
    before = len(merchant.gateway.rest.transactions)
    status, answer = merchant.authorize(token)
    assert (status, answer["status"], answer["reason"]) == (502, "SERVER_ERROR", why)
    assert len(merchant.gateway.rest.transactions) == before


def test_a_stored_card_authorized_over_rest_can_be_captured(merchant):
    id = merchant.authorize(merchant.token(), "50.00")[1]["id"]
    assert merchant.capture(id, "50.00")[0] == 201


def test_with_capture_the_success_still_says_authorized_and_the_money_is_taken(merchant):
    answer = merchant.authorize(merchant.token(), "50.00", processingInformation={"capture": True})[1]
    assert answer["status"] == "AUTHORIZED"
    assert reason(merchant.capture(answer["id"], "1.00")) == (400, "TRANSACTION_ALREADY_SETTLED")
    assert merchant.ask(f"/pts/v2/payments/{answer['id']}/refunds", "50.00")[0] == 201


def test_a_partial_approval_tells_how_much_is_held(merchant):
    details = merchant.authorize(merchant.token(cards.PARTIAL), "50.01")[1]["orderInformation"]["amountDetails"]
    assert (details["authorizedAmount"], details["totalAmount"]) == ("25.00", "50.01")


def test_a_payment_over_rest_stands_on_the_business_centers_list_with_its_card(merchant):
    token = merchant.token()
    id = merchant.authorize(token, "50.00", code="OSC-9")[1]["id"]
    payment = merchant.gateway.payments[-1]
    assert (payment.transaction_id, payment.reference_number, payment.decision) == (id, "OSC-9", "ACCEPT")
    assert (payment.card_number, payment.shopper) == ("xxxxxxxxxxxx1111", "Maya Okafor")


def test_a_payment_over_rest_that_is_held_waits_in_the_review_queue(merchant):
    merchant.authorize(merchant.token(cards.REVIEW))
    assert [each.decision for each in merchant.gateway.cases] == ["REVIEW"]


def test_a_token_that_is_not_the_merchants_is_refused(merchant):
    status, answer = merchant.authorize("7" * 22)
    assert (status, answer["reason"]) == (400, "INVALID_DATA")
    assert answer["details"] == [{"field": "paymentInformation.customer.id", "reason": "INVALID_DATA"}]


# ------------------------------------------------------------------------------------- repeats, lost replies


def test_a_repeated_transaction_id_is_refused_for_sixty_days_each_service_in_its_way(merchant):
    token, id = merchant.token(), merchant.paid("50.00")
    assert merchant.capture(id, "10.00", idempotency_id="again")[0] == 201
    assert reason(merchant.capture(id, "10.00", idempotency_id="again")) == (400, "DUPLICATE_REQUEST")
    status, answer = merchant.authorize(token, idempotency_id="again")
    assert (status, answer["reason"]) == (400, "INVALID_DATA")
    assert answer["details"][0]["field"] == "clientReferenceInformation.transactionId"
    merchant.gateway.rest.advance(days=61)
    assert merchant.capture(id, "10.00", idempotency_id="again")[0] == 201


def test_a_capture_whose_reply_was_lost_is_taken_back_by_its_transaction_id(merchant):
    id = merchant.paid("50.00")
    capture = merchant.capture(id, "50.00", idempotency_id="lost")[1]["id"]
    status, answer = merchant.ask("/pts/v2/voids", idempotency_id="lost")
    assert (status, answer["status"]) == (201, "VOIDED")
    assert merchant.gateway.rest.status(capture) == "VOIDED"


def test_an_authorization_whose_reply_was_lost_is_reversed_by_its_transaction_id(merchant):
    id = merchant.authorize(merchant.token(), "50.00", idempotency_id="lost")[1]["id"]
    status, answer = merchant.ask("/pts/v2/reversals", "50.00", idempotency_id="lost")
    assert (status, answer["status"]) == (201, "REVERSED")
    assert merchant.gateway.rest.status(id) == "REVERSED"


def test_a_timeout_void_of_what_never_arrived_is_refused(merchant):
    assert reason(merchant.ask("/pts/v2/voids", idempotency_id="never")) == (400, "NOT_VOIDABLE")


# -------------------------------------------------------------------------------------------- reading back


def test_a_look_up_tells_state_chain_and_services(merchant):
    id = merchant.paid("50.00")
    capture = merchant.capture(id, "30.00")[1]["id"]
    status, answer = merchant.look_up(capture)
    assert status == 200
    assert (answer["id"], answer["rootId"]) == (capture, id)
    assert answer["applicationInformation"]["status"] == "PENDING"
    assert [each["name"] for each in answer["applicationInformation"]["applications"]] == ["ics_bill"]
    assert answer["submitTimeUTC"].endswith("Z") and "submitTimeUtc" not in answer
    related = merchant.look_up(id)[1]["_links"]["relatedTransactions"]
    assert [each["href"] for each in related] == [f"/tss/v2/transactions/{capture}"]


def test_the_rows_of_a_lost_browser_reply_can_be_rebuilt_from_a_look_up(merchant):
    id = merchant.paid("50.00", transaction_type="authorization,create_payment_token", reference_number="OSC-5")
    payment = merchant.gateway.payments[-1]
    reply = dict(payment.reply)
    told = merchant.look_up(id)[1]
    assert told["processorInformation"]["approvalCode"] == reply["auth_code"]
    assert told["processorInformation"]["responseCode"] == reply["auth_response"]
    assert told["processorInformation"]["avs"] == {"code": reply["auth_avs_code"], "codeRaw": "I1"}
    assert told["processorInformation"]["cardVerification"] == {"resultCode": reply["auth_cv_result"]}
    assert told["paymentInformation"] == {
        "card": {"suffix": "1111", "expirationMonth": "12", "expirationYear": "2031", "type": "001"},
        "customer": {"id": reply["payment_token"]},
    }
    assert told["tokenInformation"] == {"customer": {"id": reply["payment_token"]}}
    assert told["clientReferenceInformation"] == {"code": "OSC-5"}
    assert told["orderInformation"]["amountDetails"]["authorizedAmount"] == reply["auth_amount"]
    assert told["orderInformation"]["billTo"]["lastName"] == "Okafor"
    assert [each["name"] for each in told["applicationInformation"]["applications"]] == [
        "ics_auth",
        "ics_pay_subscription_create",
    ]
    assert "partner" not in told["clientReferenceInformation"]


def test_a_look_up_tells_what_happened_also_where_the_reply_was_spoiled(merchant):
    for fault in ("unknown-decision", "unknown-code", "tampered"):
        merchant.gateway.faults.next(fault)
        id = merchant.paid("50.00")
        told = merchant.look_up(id)[1]
        assert told["applicationInformation"]["reasonCode"] == 100
        assert told["orderInformation"]["amountDetails"]["authorizedAmount"] == "50.00"


def test_the_state_of_each_kind_is_the_documented_word(merchant):
    rest = merchant.gateway.rest
    id, sale = merchant.paid("50.00"), merchant.paid("20.00", transaction_type="sale")
    declined = merchant.paid(number=cards.DECLINED)
    assert [rest.status(each) for each in (id, sale, declined)] == ["AUTHORIZED", "PENDING", "DECLINED"]
    capture = merchant.capture(id, "50.00")[1]["id"]
    refund = merchant.refund(capture, "5.00")[1]["id"]
    assert [rest.status(each) for each in (id, capture, refund)] == ["AUTHORIZED", "PENDING", "PENDING"]
    rest.advance(hours=7)
    assert [rest.status(each) for each in (sale, capture, refund)] == ["TRANSMITTED"] * 3
    held = merchant.paid("50.00")
    reversal = merchant.reverse(held, "50.00")[1]["id"]
    voided = merchant.capture(merchant.paid("9.00"), "9.00")[1]["id"]
    void = merchant.void("captures", voided)[1]["id"]
    assert [rest.status(each) for each in (held, reversal, voided, void)] == [
        "REVERSED",
        "REVERSED",
        "VOIDED",
        "VOIDED",
    ]


@pytest.mark.parametrize(
    ("number", "summary"),
    [
        (cards.APPROVED, ("100", "1", "SOK")),
        (cards.REVIEW, ("480", "0", "DREVIEW")),
        (cards.REJECTED, ("481", "0", "DREJECT")),
        (cards.DECLINED, ("203", "0", "DCARDREFUSED")),
        (cards.UNKNOWN, ("150", "-1", "ESYSTEM")),
    ],
)
def test_result_code_flag_and_reason_say_the_same_in_look_up_and_search(merchant, number, summary):
    id = merchant.paid(number=number)
    told = merchant.look_up(id)[1]["applicationInformation"]
    assert told["reasonCode"] == int(summary[0]) and not {"rCode", "rFlag", "status"} & told.keys()
    (row,) = merchant.post("/tss/v2/searches", {"query": f"id:{id}"})[1]["_embedded"]["transactionSummaries"]
    (listed, shown) = row["applicationInformation"], told["applications"]
    assert (listed["reasonCode"], listed["rCode"], listed["rFlag"]) == summary
    for each in (*listed["applications"], *shown):
        each.pop("returnCode", None)
    assert listed["applications"] == shown


def services(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The services of one request, with the result code of each that ran."""
    return [(each["name"], each.get("rCode", "")) for each in answer["applicationInformation"]["applications"]]


@pytest.mark.parametrize(
    ("number", "by", "bill"),
    [
        (cards.NOT_AUTHENTICATED, "ics_pa_enroll", True),
        (cards.NOT_AUTHENTICATED, "ics_pa_enroll", False),
        (cards.AUTHENTICATION_FAILED, "ics_pa_validate", True),
    ],
)
def test_payer_authentication_that_ends_a_payment_leaves_the_banks_services_without_a_result(
    merchant, number, by, bill
):
    kind = "sale" if bill else "authorization"
    id = merchant.paid("50.00", number=number, transaction_type=kind, reference_number="OSC-3")
    setup, row = merchant.rows("OSC-3")
    assert services(row) == [*([("ics_bill", "")] if bill else []), ("ics_auth", ""), ("ics_arc", ""), (by, "0")]
    assert row["applicationInformation"]["rCode"] == "0" and row["orderInformation"]["amountDetails"] == {}
    assert services(setup) == [("ics_pa_setup", "1")] and setup["id"] != row["id"] == id
    assert setup["orderInformation"]["amountDetails"] == {}
    told = merchant.look_up(id)[1]
    assert services(told) == services(row) and "processorInformation" not in told
    assert told["orderInformation"]["amountDetails"] == {}


@pytest.mark.parametrize("outcome", ["200-reversed", "230-reversed"])
def test_an_approval_that_the_accounts_own_rule_reversed_shows_the_reversal_in_the_same_request(merchant, outcome):
    merchant.gateway.faults.next(outcome=outcome)
    told = merchant.look_up(merchant.paid("50.00"))[1]
    assert services(told) == [("ics_auth", "0"), ("ics_auth_reversal", "1")]
    assert told["orderInformation"]["amountDetails"]["authorizedAmount"] == "50.00"


@pytest.mark.parametrize("outcome", ["200", "230", "520"])
def test_a_held_review_of_the_accounts_own_rules_is_told_as_a_decline_with_an_authorized_amount(merchant, outcome):
    merchant.gateway.faults.next(outcome=outcome)
    told = merchant.look_up(merchant.paid("50.00", transaction_type="sale"))[1]
    assert services(told) == [("ics_auth", "0"), ("ics_bill", "")]
    assert told["orderInformation"]["amountDetails"]["authorizedAmount"] == "50.00"


def test_a_capture_has_its_authorizations_reconciliation_id_and_relates_to_it(merchant):
    id = merchant.paid("50.00")
    capture = merchant.capture(id, "30.00")[1]["id"]
    refund = merchant.refund(capture, "5.00")[1]["id"]
    told = merchant.look_up(capture)[1]
    assert told["reconciliationId"] == told["applicationInformation"]["applications"][0]["reconciliationId"] == id
    related = [each["href"].rpartition("/")[2] for each in told["_links"]["relatedTransactions"]]
    assert related == [id, refund]
    assert merchant.look_up(refund)[1]["reconciliationId"] == refund


def test_return_codes_are_numbers_in_a_look_up_and_text_in_a_search(merchant):
    id = merchant.paid("50.00", transaction_type="sale", reference_number="OSC-4")
    told, (row,) = merchant.look_up(id)[1], merchant.rows("OSC-4")
    codes = [[each["returnCode"] for each in one["applicationInformation"]["applications"]] for one in (told, row)]
    assert codes == [[1010000, 1260000], ["1010000", "1260000"]]


def test_a_row_of_a_search_tells_nothing_that_only_a_look_up_knows(merchant):
    merchant.paid("50.00", transaction_type="authorization,create_payment_token", reference_number="OSC-6")
    (row,) = merchant.rows("OSC-6")
    assert row["paymentInformation"] == {"card": {"suffix": "1111", "type": "001"}}
    assert row["orderInformation"]["amountDetails"] == {"totalAmount": "50.00", "currency": "USD"}
    assert not {"rootId", "tokenInformation", "processorInformation", "errorInformation"} & row.keys()


def test_the_banks_answer_and_the_fraud_screens_are_two_services(merchant):
    told = merchant.look_up(merchant.paid(number=cards.REVIEW))[1]
    services = {each["name"]: each["reasonCode"] for each in told["applicationInformation"]["applications"]}
    assert services == {"ics_auth": "100", "ics_decision": "480"}
    assert told["riskInformation"]["profile"]["decision"] == "REVIEW"


@pytest.mark.parametrize(("decision", "status"), [("ACCEPT", "AUTHORIZED"), ("REJECT", "AUTHORIZED_RISK_DECLINED")])
def test_a_look_up_shows_that_a_case_was_decided_and_the_hold_stays(merchant, decision, status):
    id = merchant.paid("50.00", number=cards.REVIEW)
    assert merchant.gateway.rest.status(id) == "AUTHORIZED_PENDING_REVIEW"
    merchant.gateway.decide(merchant.gateway.payments[-1].id, decision)
    told = merchant.look_up(id)[1]
    assert merchant.gateway.rest.status(id) == status
    assert told["applicationInformation"]["reasonCode"] == 480
    assert told["riskInformation"]["profile"]["decision"] == decision
    assert merchant.reverse(id, "50.00")[0] == 201


def test_a_card_that_was_only_stored_is_found_under_the_reference_too_as_a_service_of_its_own(merchant):
    token = merchant.token()
    (row,) = merchant.post("/tss/v2/searches", {"query": "clientReferenceInformation.code:100018"})[1]["_embedded"][
        "transactionSummaries"
    ]
    assert [each["name"] for each in row["applicationInformation"]["applications"]] == ["ics_pay_subscription_create"]
    told = merchant.look_up(row["id"])[1]
    assert told["tokenInformation"] == {"customer": {"id": token}}
    assert reason(merchant.capture(row["id"], "1.00")) == (400, "MISSING_AUTH")


def test_a_whole_day_is_read_page_by_page_by_time_and_merchant_alone(merchant):
    day = merchant.gateway.now().date()
    ids = [merchant.paid("1.00") for _ in range(7)]
    merchant.gateway.rest.advance(days=1)
    merchant.paid("1.00")
    query = f"merchantId:acme_shop AND submitTimeUtc:[{day}T00:00:00Z TO {day + timedelta(days=1)}T00:00:00Z}}"
    pages = [merchant.found(query, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert sorted(id for page in pages for id in page) == sorted(ids)
    assert merchant.found(query.replace("acme_shop", "another")) == []


def test_a_search_finds_both_doors_transactions_by_reference_newest_first(merchant):
    id = merchant.paid("50.00", reference_number="OSC-7")
    merchant.gateway.rest.advance(minutes=1)
    capture = merchant.capture(id, "30.00", code="OSC-7-C1")[1]["id"]
    days = "submitTimeUtc:[NOW/DAY-2DAYS TO NOW/DAY+1DAY}"
    assert merchant.found(f"clientReferenceInformation.code:OSC-7 AND {days}") == [id]
    either = "clientReferenceInformation.code:OSC-7 OR clientReferenceInformation.code:OSC-7-C1"
    assert merchant.found(f"({either}) AND {days}") == [capture, id]
    assert merchant.found(f"({either}) AND {days}", limit=1, offset=1) == [id]
    merchant.gateway.rest.advance(days=4)
    assert merchant.found(f"({either}) AND {days}") == []


def test_what_a_search_found_is_told_again_by_the_id_and_link_of_the_search(merchant):
    merchant.paid("50.00", reference_number="OSC-7")
    page = merchant.post("/tss/v2/searches", {"query": "clientReferenceInformation.code:OSC-7", "limit": 5})[1]
    link = page["_links"]["self"]
    assert link == {"method": "GET", "href": f"/tss/v2/searches/{page['searchId']}"}
    merchant.paid("51.00", reference_number="OSC-7")
    assert merchant.call("GET", link["href"]) == (200, page)
    assert merchant.call("GET", "/tss/v2/searches/62064e83-efc6-4664-8a54-e5cf79a88144")[0] == 404


def test_a_search_goes_back_by_months_as_the_business_centers_own_do(merchant):
    id = merchant.paid()
    assert (
        merchant.found("submitTimeUtc:[NOW/MONTH TO NOW]")
        == merchant.found("submitTimeUtc:[NOW-6MONTHS TO NOW]")
        == [id]
    )
    merchant.gateway.rest.advance(days=28)
    assert (
        merchant.found("submitTimeUtc:[NOW/MONTH TO NOW]") == merchant.found("submitTimeUtc:[NOW TO NOW+1MONTH}") == []
    )
    assert merchant.found("submitTimeUtc:[NOW/DAY-1MONTH TO NOW]") == [id]


@pytest.mark.parametrize(
    ("now", "written", "moment"),
    [
        ("2026-03-31T09:00", "NOW-1MONTH", "2026-02-28T09:00"),
        ("2026-01-15T09:00", "NOW/MONTH-1MONTH", "2025-12-01T00:00"),
        ("2026-12-31T09:00", "NOW+2MONTHS/DAY", "2027-02-28T00:00"),
    ],
)
def test_a_month_is_a_month_of_the_calendar(now, written, moment):
    now, moment = (datetime.fromisoformat(f"{each}+00:00") for each in (now, moment))
    within = parse(f"submitTimeUtc:[{written} TO {written}]", now)
    assert within({"submitTimeUtc": moment}) and not within({"submitTimeUtc": moment + timedelta(minutes=1)})


def test_a_search_that_finds_nothing_has_no_list_at_all(merchant):
    status, page = merchant.post("/tss/v2/searches", {"query": "clientReferenceInformation.code:NO"})
    assert status == 201
    assert page["totalCount"] == 0 and "_embedded" not in page


def test_the_index_knows_of_a_transaction_only_after_its_lag():
    merchant = with_access(index_lag=timedelta(minutes=2))
    id = merchant.paid(reference_number="OSC-8")
    assert merchant.look_up(id)[0] == 404
    assert merchant.found("clientReferenceInformation.code:OSC-8") == []
    merchant.gateway.rest.advance(minutes=3)
    assert merchant.look_up(id)[0] == 200
    assert merchant.found("clientReferenceInformation.code:OSC-8") == [id]


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": 2501}, {"limit": "20"}, {"offset": -1}])
def test_a_page_that_cannot_be_is_refused(merchant, page):
    assert reason(merchant.post("/tss/v2/searches", {"query": "merchantId:acme_shop", **page})) == (400, "INVALID_DATA")


@pytest.mark.parametrize("query", ["", "id", "card.number:4", "id:1 AND", "(id:1", "submitTimeUtc:[NOW/YEAR TO NOW]"])
def test_a_query_that_cannot_be_read_is_refused(merchant, query):
    assert merchant.post("/tss/v2/searches", {"query": query})[0] == 400
    with pytest.raises(BadQuery):
        parse(query, datetime(2026, 3, 4, tzinfo=UTC))


def test_a_settlement_that_a_reviewer_starts_is_a_capture_in_the_same_book(merchant):
    id = merchant.paid("50.00", number=cards.REVIEW)
    payment = merchant.gateway.payments[-1]
    merchant.gateway.decide(payment.id, "ACCEPT", settle=True)
    capture = payment.case.followon.request_id
    assert merchant.look_up(capture)[1]["rootId"] == id
    assert reason(merchant.capture(id, "1.00")) == (400, "EXCEEDS_AUTH_AMOUNT")


# --------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("fault", list(RestFault))
def test_a_fault_is_for_one_call_and_processed_exactly_if_its_word_says_so(fault):
    merchant = with_access(slow_seconds=0.5)
    id = merchant.paid("50.00")
    merchant.gateway.rest.faults.next(fault, action="captures")
    assert merchant.look_up(id)[0] == 200, "the fault waits for a capture"
    body = json.dumps({"orderInformation": {"amountDetails": {"totalAmount": "1.00", "currency": "USD"}}}).encode()
    answer = merchant.send("POST", f"/pts/v2/payments/{id}/captures", body)
    made = [each for each in merchant.gateway.rest.transactions if each.kind == "capture"]
    assert len(made) == (0 if fault in NOT_PROCESSED else 1)
    assert merchant.gateway.rest.calls[-1].fault is fault
    assert answer.drop is (fault in (RestFault.NO_ANSWER, RestFault.LOST))
    assert (answer.delay_seconds == 0.5) is (fault is RestFault.SLOW)
    assert merchant.capture(id, "1.00")[0] == 201, "the next call is an ordinary one"


def test_nothing_that_was_captured_is_more_than_was_held_however_many_ask_at_once():
    from concurrent.futures import ThreadPoolExecutor

    merchant = Merchant(Gateway())
    token = Merchant(merchant.gateway)
    id = token.paid("10.00")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: merchant.capture(id, "3.00", idempotency_id=f"c{number}")[0], range(20)))
    assert sorted(answers) == [201] * 3 + [400] * 17


def test_the_page_of_docs_is_clean_and_its_table_of_faults_is_the_codes():
    docs = ROOT / "docs" / "reference" / "simulator.rst"
    assert parsed(docs)[1] == ""
    told = [(name, processed) for name, processed, _ in table("rest-faults-table", docs)]
    assert told == [(fault.value, "no" if fault in NOT_PROCESSED else "yes") for fault in RestFault]


def test_the_table_of_services_names_every_service_that_answers_and_no_other(merchant):
    rows = [name for name, _ in table("rest-services-table", ROOT / "docs" / "reference" / "simulator.rst")]
    assert sorted(call for row in rows for call in " ".join(row.split()).split(", ")) == sorted(
        merchant.gateway.rest.services
    )


def test_a_service_that_is_none_is_404_and_does_nothing(merchant):
    for method, target in (("POST", "/pts/v2/credits"), ("GET", "/pts/v2/payments/1"), ("DELETE", "/tss/v2/searches")):
        assert merchant.send(method, target).status == 404


def test_the_table_of_switches_names_every_switch_that_is_no_key():
    told = [name for name, _, _ in table("rest-switches-table", ROOT / "docs" / "reference" / "simulator.rst")]
    keys = {
        "merchant_id",
        "key_id",
        "shared_secret",
        "portfolio_id",
        "certificates",
        "request_key",
        "request_kid",
        "response_certificates",
    }
    assert sorted([*told, *keys]) == sorted(RestAccess.__dataclass_fields__)
