"""Whatever CyberSource gives as a reason, staff read what it means and what to do next."""

from __future__ import annotations

import pytest

from cybersource.payments import reason_codes
from cybersource.protocol import reason_meaning, rest_reasons, vocabulary
from cybersource.protocol.rest import Operation
from cybersource.protocol.rest_reasons import DECLINES, REASONS, REFUSALS

#: REST API field reference: reasons of the 400 bodies, of 201 with a decline, and of 502.
REFUSED = """MISSING_FIELD INVALID_DATA DUPLICATE_REQUEST INVALID_CARD CARD_TYPE_NOT_ACCEPTED
    INVALID_MERCHANT_CONFIGURATION PROCESSOR_UNAVAILABLE INVALID_AMOUNT INVALID_CARD_TYPE INVALID_PAYMENT_ID
    NOT_SUPPORTED EXCEEDS_AUTH_AMOUNT AUTH_ALREADY_REVERSED TRANSACTION_ALREADY_SETTLED MISSING_AUTH
    TRANSACTION_ALREADY_REVERSED_OR_SETTLED CAPTURE_ALREADY_VOIDED ACCOUNT_NOT_ALLOWED_CREDIT NOT_VOIDABLE""".split()
DECLINED = """EXPIRED_CARD PROCESSOR_DECLINED INSUFFICIENT_FUND STOLEN_LOST_CARD ISSUER_UNAVAILABLE UNAUTHORIZED_CARD
    CVN_NOT_MATCH EXCEEDS_CREDIT_LIMIT INVALID_CVN BLOCKED_BY_CARDHOLDER DECLINED_CHECK BLACKLISTED_CUSTOMER
    SUSPENDED_ACCOUNT PAYMENT_REFUSED CV_FAILED AVS_FAILED INVALID_ACCOUNT GENERAL_DECLINE CONTACT_PROCESSOR
    ALLOWABLE_PIN_RETRIES_EXCEEDED PROCESSOR_ERROR ACH_VERIFICATION_FAILED INVALID_MERCHANT_CONFIGURATION
    DECISION_PROFILE_REJECT DECISION_PROFILE_REVIEW SCORE_EXCEEDS_THRESHOLD CONSUMER_AUTHENTICATION_REQUIRED
    CONSUMER_AUTHENTICATION_FAILED PENDING_AUTHENTICATION""".split()
UNCLEAR = "SYSTEM_ERROR SERVER_TIMEOUT SERVICE_TIMEOUT".split()


def test_every_reason_code_has_words_and_advice_and_the_words_are_the_protocols():
    assert set(reason_codes.CODES) == set(vocabulary._REASONS)
    for code, words in reason_codes.CODES.items():
        assert str(words.means) == reason_meaning(code)
        assert str(words.advice)


def test_every_reason_of_a_rest_answer_has_words_and_advice():
    assert set(reason_codes.REST) == REASONS == {*REFUSED, *DECLINED, *UNCLEAR, "Authentication Failed"}
    assert REFUSALS == set(REFUSED) and DECLINES < set(DECLINED)
    for words in reason_codes.REST.values():
        assert str(words.means) and str(words.advice)


def test_what_follows_from_a_refusal_is_decided_by_reasons_that_the_api_documents():
    sets = "DONE_BEFORE NO_HOLD_LEFT NOT_IN_PARTS TOO_LATE_TO_VOID NO_AUTHORIZATION PROVES_ARRIVAL ABOUT_THE_ACCOUNT"
    for name in sets.split():
        assert getattr(rest_reasons, name) - {"NOT_FOUND"} <= REFUSALS, name
    assert not rest_reasons.PROVES_ARRIVAL & (rest_reasons.NO_AUTHORIZATION | rest_reasons.ABOUT_THE_ACCOUNT)


def test_every_call_has_a_name():
    assert set(reason_codes.CALLS) == {each.value for each in Operation}


@pytest.mark.parametrize("code", sorted(vocabulary.UNKNOWN_REASONS))
def test_an_unknown_outcome_is_never_advised_to_be_charged_again(code):
    assert "Do not charge again" in str(reason_codes.of_code(code).advice)


@pytest.mark.parametrize("reason", [*UNCLEAR, "PROCESSOR_ERROR", "DUPLICATE_REQUEST"])
def test_a_call_that_may_have_been_done_is_looked_up_and_not_repeated(reason):
    assert "Do not charge again" in str(reason_codes.of_rest(reason).advice)


def test_a_watch_list_of_any_name_and_what_is_in_no_list_have_words():
    assert "watch list" in str(reason_codes.of_rest("CUSTOMER_WATCHLIST_MATCH").means)
    assert reason_codes.of_rest("BRAND_NEW").means == "BRAND_NEW" and "Business Center" in str(
        reason_codes.of_rest("BRAND_NEW").advice
    )
    assert "999" in str(reason_codes.of_code(999).means) and reason_codes.of_code(None).advice == ""
