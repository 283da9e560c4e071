"""What a look-up says was done. Bodies in the shape of the vendor's field reference and plugin; figures are made up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersource.protocol import OutcomeKind
from cybersource.protocol.rest import (
    Answer,
    GatewayStatus,
    TransactionKind,
    act_of,
    charge_outcome,
    fate_of,
    is_for_details,
    is_sale,
    never_ran,
)

ID = "7725300131236543210987"


def told(*services: tuple[str, str, str], status: str = "", reason: str = "100", **more: object) -> Answer:
    """A look-up: each service with its ``rCode`` and ``reasonCode``."""
    applications = [{"name": name, "rCode": r_code, "reasonCode": code} for name, r_code, code in services]
    amounts = {"totalAmount": "49.90", "currency": "USD", **more.pop("amounts", {})}
    return Answer.read(
        {
            "id": ID,
            "rootId": ID,
            "submitTimeUTC": "2026-03-03T09:26:54Z",
            "applicationInformation": {"status": status, "reasonCode": reason, "applications": applications},
            "clientReferenceInformation": {"code": "100042"},
            "orderInformation": {"amountDetails": amounts},
            **more,
        }
    )


AUTH = ("ics_auth", "1", "100")
BILL = ("ics_bill", "1", "100")


@pytest.mark.parametrize(
    ("services", "act"),
    [
        ([AUTH], TransactionKind.CHARGE),
        ([AUTH, BILL, ("ics_pay_subscription_create", "1", "100")], TransactionKind.CHARGE),
        ([("ics_decision", "0", "481")], TransactionKind.CHARGE),
        ([BILL], TransactionKind.CAPTURE),
        ([("ics_credit", "1", "100")], TransactionKind.REFUND),
        ([("ics_auth_reversal", "1", "100")], TransactionKind.REVERSAL),
        ([("ics_void", "1", "100")], TransactionKind.VOID),
        ([("ics_pay_subscription_create", "1", "100")], TransactionKind.TOKEN),
        ([("ics_of_next_year", "1", "100")], TransactionKind.OTHER),
        ([], TransactionKind.OTHER),
    ],
)
def test_the_services_tell_what_a_transaction_is_about(services, act):
    assert act_of(told(*services)) is act


@pytest.mark.parametrize(
    ("services", "status", "reason", "fate"),
    [
        ([AUTH], "AUTHORIZED", "100", GatewayStatus.DONE),
        ([AUTH], "", "100", GatewayStatus.DONE),
        ([AUTH], "REVERSED", "100", GatewayStatus.UNDONE),
        ([AUTH, BILL], "VOIDED", "100", GatewayStatus.UNDONE),
        ([BILL], "PENDING", "100", GatewayStatus.DONE),
        ([BILL], "TRANSMITTED", "100", GatewayStatus.DONE),
        ([BILL], "VOIDED", "100", GatewayStatus.UNDONE),
        ([("ics_credit", "1", "100")], "VOIDED", "100", GatewayStatus.UNDONE),
        # A void and a reversal are called so when they are done.
        ([("ics_void", "1", "100")], "VOIDED", "100", GatewayStatus.DONE),
        ([("ics_auth_reversal", "1", "100")], "REVERSED", "100", GatewayStatus.DONE),
        ([("ics_auth", "0", "203")], "DECLINED", "203", GatewayStatus.DECLINED),
        # The bank was not reached, or never answered: told as a decline, and known to nobody.
        ([("ics_auth", "0", "207")], "DECLINED", "207", GatewayStatus.UNKNOWN),
        ([("ics_auth", "-1", "151")], "", "151", GatewayStatus.UNKNOWN),
        ([("ics_auth", "", "")], "AUTHORIZED", "", GatewayStatus.UNKNOWN),
        ([("ics_decision", "0", "481")], "", "481", GatewayStatus.DECLINED),
        ([("ics_decision", "0", "480")], "", "480", GatewayStatus.UNKNOWN),
        ([], "AUTHORIZED", "100", GatewayStatus.UNKNOWN),
    ],
)
def test_a_transaction_ended_as_its_own_service_says(services, status, reason, fate):
    assert fate_of(told(*services, status=status, reason=reason)) is fate


APPROVED = {"authorizedAmount": "49.90"}
NONE = {"totalAmount": None, "currency": None}
RULES = ("200", "230", "520")
AUTH_ASKED, BILL_ASKED = ("ics_auth", "", ""), ("ics_bill", "", "")
ENROLLED = ("ics_pa_enroll", "0", "475")
REVERSED, REVERSED_NOT = ("ics_auth_reversal", "1", "100"), ("ics_auth_reversal", "0", "150")


def rule(code: str) -> tuple[str, str, str]:
    """An approval that a rule of the account's own makes a review, told as a decline."""
    return "ics_auth", "0", code


#: The row of a search as it was recorded: a sale whose shopper was sent to the bank's page and never came back.
ENROLMENT = {
    "id": "7503486126686712803598",
    "submitTimeUtc": "2025-06-19T15:56:52Z",
    "merchantId": "acme_shop",
    "applicationInformation": {
        "applications": [
            {"name": "ics_bill"},
            {"name": "ics_auth"},
            {"name": "ics_arc"},
            {"name": "ics_pa_enroll", "reasonCode": "475", "rCode": "0", "rFlag": "DAUTHENTICATE"},
        ],
        "reasonCode": "475",
        "rCode": "0",
        "rFlag": "DAUTHENTICATE",
    },
    "orderInformation": {"amountDetails": {}},
}


@pytest.mark.parametrize("summary", [{}, {"rCode": "", "rFlag": ""}])
def test_a_payment_that_never_came_to_a_bank_has_an_end_with_and_without_a_summary(summary):
    row = {**ENROLMENT, "applicationInformation": {**ENROLMENT["applicationInformation"], **summary}}
    answer = Answer.read(row)
    assert (act_of(answer), fate_of(answer), never_ran(answer)) == (
        TransactionKind.CHARGE,
        GatewayStatus.DECLINED,
        True,
    )
    assert not is_sale(answer) and (answer.total_amount, answer.currency) == (None, "")
    setup = Answer.read({"applicationInformation": {"applications": [{"name": "ics_pa_setup", "rCode": "1"}]}})
    assert (act_of(setup), never_ran(setup)) == (TransactionKind.OTHER, False)


@pytest.mark.parametrize("code", RULES)
def test_only_a_look_up_tells_whether_a_rule_of_the_accounts_own_left_the_money_held(code):
    assert is_for_details(told(rule(code), reason=code))
    assert not is_for_details(told(rule(code), reason=code, amounts=APPROVED))
    assert not is_for_details(told(("ics_auth", "0", "203"), reason="203")) and not is_for_details(told(AUTH))


def test_a_capture_is_about_its_own_amount_and_not_about_what_its_payment_holds():
    assert told(BILL, amounts={"totalAmount": "20.00", **APPROVED}).amount == Decimal("20.00")
    assert told(AUTH, BILL, amounts={"totalAmount": "60.00", **APPROVED}).amount == Decimal("49.90")


REVIEW = ("ics_decision", "0", "480")
REJECT = ("ics_decision", "0", "481")


@pytest.mark.parametrize(
    ("answer", "kind", "amount", "code"),
    [
        (told(AUTH), OutcomeKind.ACCEPTED, "49.90", 100),
        (told(AUTH, amounts={"authorizedAmount": "49.90"}), OutcomeKind.ACCEPTED, "49.90", 100),
        (told(AUTH, amounts={"authorizedAmount": "20.00"}), OutcomeKind.PARTIAL, "20.00", 110),
        (told(("ics_auth", "1", "110"), reason="110"), OutcomeKind.PARTIAL, "49.90", 110),
        (told(AUTH, amounts={"totalAmount": "much"}), OutcomeKind.PARTIAL, None, 110),
        (told(AUTH, REVIEW, reason="480"), OutcomeKind.REVIEW, "49.90", 480),
        (told(AUTH, status="AUTHORIZED_PENDING_REVIEW"), OutcomeKind.REVIEW, "49.90", 100),
        (told(AUTH, REJECT, reason="481"), OutcomeKind.DECLINED, None, 481),
        (told(AUTH, status="REVERSED"), OutcomeKind.DECLINED, None, None),
        (told(("ics_auth", "0", "204"), reason="204"), OutcomeKind.DECLINED, None, 204),
        (told(("ics_auth", "0", "102"), reason="102"), OutcomeKind.INVALID, None, 102),
        (told(("ics_auth", "-1", "150"), reason="150"), OutcomeKind.UNKNOWN, None, 150),
        (told(("ics_auth", "0", "201"), reason="201"), OutcomeKind.DECLINED, None, 201),
        (told(("ics_auth", "0", "201"), reason="201", amounts=APPROVED), OutcomeKind.DECLINED, None, 201),
        *((told(rule(code), reason=code, amounts=APPROVED), OutcomeKind.REVIEW, "49.90", int(code)) for code in RULES),
        *(
            (told(rule(code), BILL_ASKED, reason=code, amounts=APPROVED), OutcomeKind.REVIEW, "49.90", int(code))
            for code in RULES
        ),
        *((told(rule(code), reason=code), OutcomeKind.DECLINED, None, int(code)) for code in RULES),
        *(
            (told(rule(code), REVERSED, reason=code, amounts=APPROVED), OutcomeKind.DECLINED, None, int(code))
            for code in RULES
        ),
        (told(rule("200"), REVERSED_NOT, reason="200", amounts=APPROVED), OutcomeKind.REVIEW, "49.90", 200),
        (told(rule("200"), reason="200", amounts=APPROVED, status="REVERSED"), OutcomeKind.DECLINED, None, None),
        (told(BILL_ASKED, AUTH_ASKED, ENROLLED, reason="475", amounts=NONE), OutcomeKind.DECLINED, None, 475),
        (told(AUTH_ASKED, ENROLLED, reason="475", amounts=NONE), OutcomeKind.DECLINED, None, 475),
        (told(AUTH_ASKED, ("ics_pa_enroll", "-1", "150"), reason="150"), OutcomeKind.UNKNOWN, None, 150),
        (told(AUTH_ASKED, ("ics_pa_validate", "1", "100")), OutcomeKind.UNKNOWN, None, 100),
    ],  # fmt: skip
)
def test_a_charge_comes_to_what_its_reply_would_have_said(answer, kind, amount, code):
    outcome = charge_outcome(answer, asked=Decimal("49.90"), currency="USD")
    assert (outcome.kind, outcome.amount, outcome.reason_code) == (kind, amount and Decimal(amount), code)
    assert outcome.transaction_id == ID and outcome.currency == "USD"
    assert (outcome.shopper_message is None) == (kind is OutcomeKind.ACCEPTED)


def test_a_lost_reply_is_rebuilt_with_what_the_bank_said_and_which_card_it_was():
    answer = told(
        AUTH,
        BILL,
        processorInformation={
            "approvalCode": "831000",
            "avs": {"code": "Y"},
            "cardVerification": {"resultCode": "M"},
        },
        paymentInformation={
            "card": {"suffix": "1111", "type": "001", "expirationMonth": "12", "expirationYear": "2031"},
            "customer": {"id": "0C1DE2F3A4B5C6D7E053A2598D0A1B2C"},
        },
    )
    outcome = charge_outcome(answer, asked=Decimal("49.90"), currency="USD")
    assert is_sale(answer) and outcome.decision == "ACCEPT"
    assert (outcome.auth_code, outcome.avs_code, outcome.cvn_code) == ("831000", "Y", "M")
    assert (outcome.card_number, outcome.card_type, outcome.card_expiry) == ("xxxxxxxxxxxx1111", "001", "12-2031")
    assert outcome.payment_token == "0C1DE2F3A4B5C6D7E053A2598D0A1B2C"
    assert "0C1D" not in repr(outcome) + repr(answer) and "1111" not in repr(outcome) + repr(answer)


def test_a_card_that_is_more_than_its_last_four_digits_is_not_taken_for_a_suffix():
    answer = told(AUTH, paymentInformation={"card": {"suffix": "4111111111111111"}})
    assert answer.card_number == ""


def test_a_stored_card_holds_no_money():
    answer = told(("ics_pay_subscription_create", "1", "100"), tokenInformation={"customer": {"id": "T0K3N"}})
    outcome = charge_outcome(answer, asked=Decimal("49.90"), currency="USD")
    assert (outcome.kind, outcome.amount, outcome.payment_token) == (OutcomeKind.ACCEPTED, None, "T0K3N")


@given(
    data=st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "applicationInformation", "applications", "name", "rCode", "orderInformation", "status"]
                ),
                inner,
            )
        ),
    )
)
def test_whatever_comes_back_is_read_and_nothing_odd_holds_money(data):
    answer = Answer.read(data)
    outcome = charge_outcome(answer, asked=Decimal("49.90"), currency="USD")
    assert outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.DECLINED, OutcomeKind.ACCEPTED, OutcomeKind.PARTIAL)
    assert outcome.amount is None
