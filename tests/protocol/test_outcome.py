"""What a reply comes to: the decision decides, the code explains, and doubt is never a success or a decline."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cybersource.protocol import UNKNOWN_REASONS, Decision, Outcome, OutcomeKind, Reply, ShopperMessage, TransactionType

from . import vectors
from .far_side import accepted, reply, secret_for, without

D = Decimal


def outcome(*left_out: str, **fields: str) -> Outcome:
    posted = reply(without(accepted(**fields), *left_out))
    return Outcome.from_reply(Reply.from_post(posted, secret_for=secret_for))


def test_an_accepted_payment_holds_what_was_authorized() -> None:
    said = outcome(payment_token="1", request_token="2", auth_avs_code="Y", auth_cv_result="M", req_card_type="001")
    assert said.kind is OutcomeKind.ACCEPTED
    assert (said.amount, said.currency, said.transaction_id) == (D("64.50"), "USD", "7312345701236012404012")
    assert (said.payment_token, said.request_token, said.auth_code) == ("1", "2", "888888")
    assert (said.avs_code, said.cvn_code, said.card_type) == ("Y", "M", "001")
    assert said.shopper_message is None
    assert said.reason == "The transaction succeeded."


def test_without_an_authorized_amount_it_is_the_amount_asked_for() -> None:
    assert outcome("auth_amount").amount == D("64.50")
    assert outcome("auth_amount", decision="REVIEW", reason_code="480").amount == D("64.50")


@pytest.mark.parametrize("token_type", ["create_payment_token", "update_payment_token"])
def test_a_bare_token_holds_no_money(token_type: str) -> None:
    said = outcome(req_transaction_type=token_type, auth_amount="1.00", payment_token="7")
    assert (said.kind, said.amount, said.payment_token) == (OutcomeKind.ACCEPTED, None, "7")


@pytest.mark.parametrize("kind", TransactionType)
def test_types_of_transaction_know_what_they_do(kind: TransactionType) -> None:
    assert kind.creates_token is kind.value.endswith("create_payment_token")
    assert kind.charges is not (kind.value == "create_payment_token")


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({"auth_amount": "64.49"}, D("64.49")),
        ({"auth_amount": "10.00", "reason_code": "110"}, D("10.00")),
        ({"auth_amount": "64.50", "reason_code": "110"}, D("64.50")),
        ({"auth_amount": "", "reason_code": "110"}, None),
        ({"auth_amount": "1,000.00"}, None),
        ({"req_amount": "a lot"}, D("64.50")),
        ({"auth_amount": "0.00", "req_transaction_type": "something_new"}, D("0.00")),
    ],
)
def test_less_than_asked_for_or_unreadable_is_partial_and_never_accepted(
    fields: dict[str, str], held: Decimal | None
) -> None:
    said = outcome(**fields)
    assert (said.kind, said.amount, said.shopper_message) == (OutcomeKind.PARTIAL, held, ShopperMessage.OTHER_CARD)


def test_more_than_asked_for_is_accepted_at_what_is_held() -> None:
    assert (outcome(auth_amount="70.00").kind, outcome(auth_amount="70.00").amount) == (OutcomeKind.ACCEPTED, D(70))


@pytest.mark.parametrize("code", ["100", "200", "203", "104", "102", "999", ""])
def test_accept_is_accept_whatever_the_code(code: str) -> None:
    assert outcome(reason_code=code).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("code", ["480", "200", "230", "520", "100", "110", "104", "999", ""])
def test_review_is_review_whatever_the_code_but_that_of_a_referral(code: str) -> None:
    said = outcome(decision="REVIEW", reason_code=code, auth_amount="60.00")
    assert (said.kind, said.amount) == (OutcomeKind.REVIEW, D("60.00"))
    assert said.shopper_message is ShopperMessage.UNDER_REVIEW


@pytest.mark.parametrize("decision", ["REVIEW", "DECLINE"])
@pytest.mark.parametrize("auth_amount", ["60.00", ""])
def test_a_bank_that_wants_to_be_called_has_approved_nothing(decision: str, auth_amount: str) -> None:
    said = outcome(decision=decision, reason_code="201", auth_amount=auth_amount)
    assert (said.kind, said.amount) == (OutcomeKind.DECLINED, None)
    assert said.shopper_message is ShopperMessage.ASK_BANK


@pytest.mark.parametrize("decision", ["DECLINE", "ERROR", "GARBLED"])
@pytest.mark.parametrize("code", sorted(UNKNOWN_REASONS))
def test_a_time_out_is_unknown_also_when_it_calls_itself_a_decline(decision: str, code: int) -> None:
    said = outcome(decision=decision, reason_code=str(code))
    assert (said.kind, said.amount) == (OutcomeKind.UNKNOWN, None)
    assert said.shopper_message is (ShopperMessage.ALREADY_RECEIVED if code == 104 else ShopperMessage.UNCONFIRMED)


@pytest.mark.parametrize(
    ("decision", "code"),
    [("ERROR", "100"), ("ERROR", "203"), ("ERROR", "999"), ("ERROR", ""), ("GARBLED", "100"), ("GARBLED", "102"),
     ("accept", "100"), ("", "100")],
)  # fmt: skip
def test_an_error_or_a_word_we_do_not_know_is_unknown(decision: str, code: str) -> None:
    if not decision:
        decision = " "
    said = outcome(decision=decision, reason_code=code)
    assert (said.kind, said.amount, said.shopper_message) == (OutcomeKind.UNKNOWN, None, ShopperMessage.UNCONFIRMED)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("202", ShopperMessage.FIX_DETAILS),
        ("203", ShopperMessage.OTHER_CARD),
        ("230", ShopperMessage.FIX_DETAILS),
        ("234", ShopperMessage.UNAVAILABLE),
        ("201", ShopperMessage.ASK_BANK),
        ("453", ShopperMessage.FIX_DETAILS),
        ("480", ShopperMessage.OTHER_CARD),
        ("100", ShopperMessage.OTHER_CARD),
        ("999", ShopperMessage.OTHER_CARD),
        ("", ShopperMessage.OTHER_CARD),
    ],
)
def test_a_decline_holds_nothing_and_says_what_to_do(code: str, message: ShopperMessage) -> None:
    said = outcome(decision="DECLINE", reason_code=code)
    assert (said.kind, said.amount, said.shopper_message) == (OutcomeKind.DECLINED, None, message)


@pytest.mark.parametrize("decision", ["ERROR", "DECLINE"])
@pytest.mark.parametrize("code", ["101", "102"])
def test_wrong_or_missing_fields_are_named_once(decision: str, code: str) -> None:
    said = outcome(
        decision=decision, reason_code=code, invalid_fields="card_number,card_cvn", required_fields="card_cvn,a"
    )
    assert said.kind is OutcomeKind.INVALID
    assert said.invalid_fields == ("card_number", "card_cvn", "a")
    assert said.shopper_message is ShopperMessage.FIX_DETAILS


def test_a_missing_field_that_nobody_names_is_our_fault_and_not_the_shoppers() -> None:
    assert outcome(decision="ERROR", reason_code="101").shopper_message is ShopperMessage.UNAVAILABLE
    assert outcome(decision="ERROR", reason_code="102").shopper_message is ShopperMessage.FIX_DETAILS
    assert (
        outcome(decision="ERROR", reason_code="101", required_fields="a").shopper_message is ShopperMessage.FIX_DETAILS
    )


def test_a_cancelled_payment_has_nothing_to_say() -> None:
    said = outcome(decision="CANCEL")
    assert (said.kind, said.amount, said.shopper_message) == (OutcomeKind.CANCELLED, None, None)


def test_card_facts_come_along_and_repr_hides_them() -> None:
    said = Outcome.from_reply(Reply.from_post(vectors.P2, secret_for=secret_for))
    assert (said.card_number, said.card_expiry, said.auth_at and said.auth_at.hour) == (
        "xxxxxxxxxxxx1111",
        "12-2031",
        9,
    )
    assert said.message == "Request was processed successfully."
    for value in ("1111", "12-2031", "payment_token", "Ahjzbw"):
        assert value not in repr(said)


def test_the_outcome_of_a_reply_in_the_known_words() -> None:
    assert [kind.value for kind in OutcomeKind] == "accepted review partial declined invalid cancelled unknown".split()
    assert Decision.read("ACCEPT") is Decision.ACCEPT
