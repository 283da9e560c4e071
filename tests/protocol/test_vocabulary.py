"""Every number CyberSource may send has words for staff, and a class of message for the shopper."""

from __future__ import annotations

import pytest

from cybersource.protocol import (
    AVS_MEANINGS,
    CARD_TYPES,
    CVN_MEANINGS,
    LOCALES,
    UNKNOWN_REASONS,
    Decision,
    ReviewDecision,
    ShopperMessage,
    avs_meaning,
    cvn_meaning,
    reason_meaning,
    shopper_message,
)

DOCUMENTED = (
    [100, 101, 102, 104, 110, 150, 151, 152, 200, 201, 202, 203, 204, 205, 207, 208, 209, 210, 211, 221, 222, 230, 231]
    + [232, 233, 234, 236, 240, 250, 400, 475, 476, 478, 480, 481, 520]
    + [*range(450, 462)]
)


@pytest.mark.parametrize("code", DOCUMENTED)
def test_every_documented_reason_has_words_and_a_message(code: int) -> None:
    assert "not in our list" not in reason_meaning(code)
    assert reason_meaning(code).endswith(".")
    assert isinstance(shopper_message(Decision.DECLINE, code), ShopperMessage)
    assert isinstance(shopper_message(Decision.ERROR, code), ShopperMessage)


def test_the_unknown_ones_say_so() -> None:
    assert UNKNOWN_REASONS == {104, 150, 151, 152, 207, 236, 250}
    for code in UNKNOWN_REASONS - {104}:
        assert "not known" in reason_meaning(code)
        assert shopper_message(Decision.DECLINE, code) is ShopperMessage.UNCONFIRMED


def test_codes_we_do_not_know_are_no_error() -> None:
    assert reason_meaning(777) == "Reason code 777 is not in our list; the decision counts."
    assert reason_meaning(None) == "No reason code was given."


@pytest.mark.parametrize(
    ("decision", "code", "message"),
    [
        (Decision.ACCEPT, 100, None),
        (Decision.ACCEPT, 200, None),
        (Decision.ACCEPT, 110, ShopperMessage.OTHER_CARD),
        (Decision.CANCEL, None, None),
        (Decision.CANCEL, 203, None),
        (Decision.REVIEW, 480, ShopperMessage.UNDER_REVIEW),
        (Decision.REVIEW, 200, ShopperMessage.UNDER_REVIEW),
        (Decision.DECLINE, 200, ShopperMessage.FIX_DETAILS),
        (Decision.DECLINE, 476, ShopperMessage.ASK_BANK),
        (Decision.DECLINE, 520, ShopperMessage.OTHER_CARD),
        (Decision.DECLINE, None, ShopperMessage.OTHER_CARD),
        (Decision.ERROR, 101, ShopperMessage.UNAVAILABLE),
        (Decision.ERROR, 102, ShopperMessage.FIX_DETAILS),
        (Decision.ERROR, 104, ShopperMessage.ALREADY_RECEIVED),
        (Decision.ERROR, 203, ShopperMessage.UNCONFIRMED),
        (Decision.ERROR, None, ShopperMessage.UNCONFIRMED),
        (Decision.UNRECOGNISED, 100, ShopperMessage.UNCONFIRMED),
    ],
)
def test_what_the_shopper_is_told(decision: Decision, code: int | None, message: ShopperMessage | None) -> None:
    assert shopper_message(decision, code) is message


def test_address_and_verification_checks_have_words() -> None:
    assert set(AVS_MEANINGS) == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234")
    assert set(CVN_MEANINGS) == set("DIMNPSUX123")
    assert avs_meaning("Y") == "Street and 5-digit postal code match."
    assert cvn_meaning("N") == "The verification number does not match."
    assert avs_meaning("") == cvn_meaning("") == ""
    assert avs_meaning("?") == "Address check code ? is not in our list."
    assert cvn_meaning("?") == "Verification number code ? is not in our list."


def test_card_types_and_locales() -> None:
    assert CARD_TYPES["001"] == "Visa" and CARD_TYPES["062"] == "China UnionPay" and len(CARD_TYPES) == 23
    assert len(set(LOCALES)) == len(LOCALES) == 48
    assert LOCALES[0] == "en-us" and {"cz-cz", "lo-la", "tl-ph", "ar-xn"} <= set(LOCALES)


def test_only_two_words_decide_a_review() -> None:
    assert [decision.value for decision in ReviewDecision] == ["ACCEPT", "REJECT"]
