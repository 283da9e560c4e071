"""What a reply says, once it is believed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cybersource.protocol import Decision, Outcome, Reply

from . import vectors
from .far_side import Pairs, accepted, reply, secret_for
from .vectors import ACCESS_KEY, PROFILE_ID


def read(posted: Pairs) -> Reply:
    return Reply.from_post(posted, secret_for=secret_for)


def test_everything_an_accepted_reply_says() -> None:
    said = read(vectors.P2)
    assert {item.name: getattr(said, item.name) for item in fields(Reply) if item.name != "signed"} == {
        "decision": Decision.ACCEPT,
        "decision_text": "ACCEPT",
        "reason_code": 100,
        "message": "Request was processed successfully.",
        "transaction_id": "7312345701236012404012",
        "transaction_uuid": "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02",
        "reference_number": "100018",
        "amount": Decimal("64.50"),
        "amount_text": "64.50",
        "currency": "USD",
        "transaction_type": "authorization,create_payment_token",
        "profile_id": PROFILE_ID,
        "access_key": ACCESS_KEY,
        "auth_amount": Decimal("64.50"),
        "auth_amount_text": "64.50",
        "auth_code": "888888",
        "avs_code": "X",
        "cvn_code": "M",
        "payment_token": "7312345701236012404012",
        "request_token": "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA",
        "card_number": "xxxxxxxxxxxx1111",
        "card_type": "001",
        "card_expiry": "12-2031",
        "invalid_fields": (),
        "required_fields": (),
        "signed_at": datetime(2026, 3, 4, 9, 15, 2, tzinfo=UTC),
        "auth_at": datetime(2026, 3, 4, 9, 15, 2, tzinfo=UTC),
    }


def test_everything_a_cancelled_reply_leaves_out() -> None:
    said = read(vectors.P14)
    assert said.decision is Decision.CANCEL
    assert said.reason_code is None and said.transaction_id is None and said.auth_amount is None
    assert said.payment_token is None and said.auth_at is None
    assert (said.card_number, said.auth_code, said.avs_code, said.cvn_code, said.request_token) == ("",) * 5
    assert said.reference_number == "100029" and said.amount == Decimal("64.50")


def test_what_is_blank_or_missing_is_none() -> None:
    posted = reply({"decision": "ERROR", "req_access_key": ACCESS_KEY, "req_transaction_uuid": "u", "req_amount": ""})
    said = read(posted)
    for name in ("reference_number", "amount", "currency", "transaction_type", "profile_id", "auth_amount"):
        assert getattr(said, name) is None
    assert said.message == said.card_type == said.card_expiry == said.amount_text == said.auth_amount_text == ""
    assert read(reply({"decision": "X", "req_access_key": ACCESS_KEY, "req_transaction_uuid": "u"})).amount_text == ""


def test_a_field_that_is_posted_blank_says_as_little_as_one_that_is_missing() -> None:
    names = (
        "transaction_id req_reference_number req_currency req_transaction_type req_profile_id payment_token "
        "req_payment_token req_amount auth_amount reason_code invalid_fields auth_time"
    ).split()
    said = read(reply(accepted(**dict.fromkeys(names, ""), decision="ERROR")))
    assert said.transaction_id is said.reference_number is said.currency is said.transaction_type is None
    assert said.profile_id is said.payment_token is said.amount is said.auth_amount is said.reason_code is None
    assert said.invalid_fields == () and said.auth_at is None


def test_the_token_created_comes_before_the_token_sent() -> None:
    assert read(vectors.P3).payment_token == "7312345701236012404012"
    assert read(reply(accepted(payment_token="1", req_payment_token="2"))).payment_token == "1"
    assert read(reply(accepted(payment_token="", req_payment_token="2"))).payment_token == "2"


@pytest.mark.parametrize(
    "word", ["accept", "ACCEPT ", " ACCEPT", "Accept", "APPROVED", "ÀCCEPT", "ACCEPT\n", "UNRECOGNISED"]
)
def test_only_an_exact_decision_is_one(word: str) -> None:
    said = read(reply(accepted(decision=word)))
    assert said.decision is Decision.UNRECOGNISED
    assert said.decision_text == word


@pytest.mark.parametrize(
    ("text", "code"),
    [("100", 100), ("00100", 100), ("999999999", 999999999)]
    + [(text, None) for text in ("", "1e2", "-1", "+100", " 100", "\u0661", "²", "9" * 10, "9" * 5000, "none")],
)
def test_reason_codes(text: str, code: int | None) -> None:
    assert read(reply(accepted(reason_code=text))).reason_code == code


@pytest.mark.parametrize("text", ["1,000.00", "-1", "free", "9" * 300])
def test_an_amount_that_is_none_is_kept_as_text(text: str) -> None:
    said = read(reply(accepted(req_amount=text, auth_amount=text)))
    assert said.amount is None and said.auth_amount is None
    assert said.amount_text == said.auth_amount_text == text


def test_an_echoed_amount_without_decimals_equals_one_with() -> None:
    assert read(reply(accepted(req_amount="100"))).amount == Decimal("100.00")


@pytest.mark.parametrize(
    "text",
    [
        *["", "2026-03-04", "2026-03-04T09:15:02", "2026-03-04 09:15:02Z", "2026-13-04T09:15:02Z"],
        *["2026-03-04T09:15:02z", "2026-03-04T09:1502Z!", "2026-03-04T0915029Z", "xxxx-xx-xxTxx:xx:xxZ"],
        *["2026-03-04T09:15:02+02:00Z", "\u0662026-03-04T09:15:02Z", "2026-03-04T091502+"],
        *["2026-03-04T0915+0100", "2026-03-04T091502.12", "2026-03-04 091502Z"],
    ],
)
def test_a_time_of_another_shape_is_no_time(text: str) -> None:
    said = read(reply(accepted(signed_date_time=text, auth_time=text)))
    assert said.signed_at is None and said.auth_at is None
    assert said.signed["auth_time"] == text


def test_both_shapes_of_time_are_read_as_utc() -> None:
    said = read(reply(accepted(signed_date_time="2026-03-04T23:59:59Z", auth_time="2026-03-04T235959Z")))
    assert said.signed_at == said.auth_at == datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC)


def test_the_fields_found_wrong_or_missing_are_named() -> None:
    assert read(vectors.P11).invalid_fields == ("card_number",)
    assert read(vectors.P12).required_fields == ("bill_to_address_line1", "card_number")
    assert read(reply(accepted(decision="ERROR", invalid_fields=" a, ,b,"))).invalid_fields == ("a", "b")


def test_unknown_fields_and_codes_are_kept() -> None:
    said = read(reply(accepted(a_field_added_tomorrow="1", reason_code="777")))
    assert said.signed["a_field_added_tomorrow"] == "1" and said.reason_code == 777


def test_a_reply_cannot_be_changed() -> None:
    said = read(vectors.P2)
    with pytest.raises(FrozenInstanceError):
        said.decision = Decision.DECLINE  # type: ignore[misc]
    with pytest.raises(TypeError):
        said.signed["decision"] = "DECLINE"  # type: ignore[index]


def test_a_reply_has_every_field_it_declares_and_no_other() -> None:
    assert set(vars(read(vectors.P14))) == {item.name for item in fields(Reply)}


def test_repr_shows_no_token_card_address_or_key() -> None:
    shown = repr(read(vectors.P2))
    for value in (
        "7312345701236012404012,",
        "Ahjzbw",
        "1111",
        "12-2031",
        "Maya",
        "Harbour",
        "processed",
        vectors.SECRET_KEY,
    ):
        assert value not in shown
    assert "payment_token=" not in shown and "decision=<Decision.ACCEPT" in shown


def test_a_card_number_in_a_reply_is_masked_for_storage_and_never_refused() -> None:
    said = read(
        reply(
            accepted(
                message="Card 4111 1111 1111 1111 declined",
                req_card_number="4111111111111111",
                payment_token="4111111111111111",
                req_bill_to_address_line1="4111111111111111",
            )
        )
    )
    assert said.card_number == "xxxxxxxxxxxx1111"
    kept = said.for_storage()
    assert list(kept) == list(said.signed)
    assert kept["message"] == "Card xxxx xxxx xxxx 1111 declined"
    assert kept["req_card_number"] == kept["req_bill_to_address_line1"] == "xxxxxxxxxxxx1111"
    assert kept["payment_token"] == said.payment_token == "4111111111111111"
    assert kept["transaction_id"] == said.transaction_id


@pytest.mark.parametrize("name", [f"P{n}" for n in range(1, 16)])
def test_a_reply_kept_in_the_log_can_be_acted_on_again(name: str) -> None:
    said = read(getattr(vectors, name))
    kept = dict(sorted(said.for_storage().items()))
    assert Outcome.from_reply(Reply.from_signed(kept)) == Outcome.from_reply(said)
    assert Reply.from_signed(kept) == said
