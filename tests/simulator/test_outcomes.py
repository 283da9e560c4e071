"""How a payment ends: by card, amount, CVN, name and date."""

import pytest

from cybersource.simulator import Gateway, Processor, Profile, Settings, TokenFormat, cards
from cybersource.simulator.cards import TEST_CARDS, fits_brand, luhn
from tests.simulator.forms import card, create_token, form, gateway, pay, pay_by_token, told


def ends(typed=None, **changes):
    """Return (decision, reason code) of a payment."""
    fields = told(pay(gateway(**changes.pop("settings", {})), typed, **changes))
    return fields["decision"], fields["reason_code"]


def brand(number):
    types = {"4": "001", "5": "002", "2": "002", "37": "003", "60": "004", "35": "007", "38": "005"}
    return types.get(number[:2]) or types[number[0]]


def typed(number):
    return card(number, card_type=brand(number), card_cvn="1234" if brand(number) == "003" else "123")


EXPECTED = {
    "200": ("REVIEW", "200"),
    "230": ("DECLINE", "230"),
    "480": ("REVIEW", "480"),
    "110": ("ACCEPT", "110"),
    "100": ("ACCEPT", "100"),
    "150": ("ERROR", "150"),
    "151": ("ERROR", "151"),
}


@pytest.mark.parametrize("test_card", TEST_CARDS, ids=lambda test_card: test_card.tag)
def test_a_test_card_ends_as_its_table_says(test_card):
    assert luhn(test_card.number)
    assert ends(typed(test_card.number)) == EXPECTED.get(test_card.reason_code, ("DECLINE", test_card.reason_code))


@pytest.mark.parametrize("test_card", TEST_CARDS, ids=lambda test_card: test_card.tag)
def test_a_test_card_ends_the_same_in_two_steps(test_card):
    at = gateway()
    first = told(create_token(at, typed(test_card.number)))
    if test_card.at_token:
        assert (first["decision"], first["reason_code"]) == ("DECLINE", test_card.reason_code)
        assert "payment_token" not in first
        return
    assert first["decision"] == "ACCEPT"
    second = told(pay_by_token(at, first["payment_token"]))
    assert (second["decision"], second["reason_code"]) == EXPECTED.get(
        test_card.reason_code, ("DECLINE", test_card.reason_code)
    )


def test_numbers_are_shown_in_groups():
    shown = {test_card.tag: test_card.spaced for test_card in TEST_CARDS}
    assert shown["visa"] == "4111 1111 1111 1111"
    assert shown["amex"] == "3782 822463 10005"


@pytest.mark.parametrize(
    "number", ["4622943127013705", "2222630000001125", "6000340000009859", "6759180000005546", "6200010000200000"]
)
def test_any_other_number_that_fits_its_brand_pays(number):
    card_type = {"4": "001", "2": "002", "62": "062", "60": "042", "67": "024"}
    assert ends(card(number, card_type=card_type.get(number[:2]) or card_type[number[0]])) == ("ACCEPT", "100")


def test_a_brand_that_does_not_fit_the_number_is_231_or_240():
    wrong = card(card_type="002")
    assert ends(wrong) == ("DECLINE", "231")
    assert ends(wrong, settings={"brand_mismatch_code": "240"}) == ("DECLINE", "240")


def test_a_number_of_a_range_nobody_knows_is_no_visa():
    assert not fits_brand("9999999999999995", "001")
    assert fits_brand("9999999999999995", "055")


@pytest.mark.parametrize(
    ("processor", "amount", "expected"),
    [
        ("paymentech", "2000", ("ERROR", "150")),
        ("paymentech", "401.00", ("REVIEW", "201")),
        ("paymentech", "1500.00", ("DECLINE", "203")),
        ("paymentech", "2201.00", ("DECLINE", "231")),
        ("paymentech", "2225.00", ("DECLINE", "233")),
        ("paymentech", "2229.00", ("DECLINE", "203")),
        ("paymentech", "2105.00", ("ACCEPT", "100")),
        ("omnipay", "1008.00", ("ERROR", "250")),
        ("omnipay", "1011.00", ("ACCEPT", "110")),
        ("gpn", "1409.00", ("REVIEW", "200")),
        ("aibms", "2554.00", ("ERROR", "150")),
        ("tsys", "2106.00", ("REVIEW", "200")),
        ("tsys", "2103.00", ("ACCEPT", "100")),
    ],
)
def test_an_amount_ends_as_the_processors_test_system_says(processor, amount, expected):
    assert ends(amount=amount, settings={"processor": Processor(processor)}) == expected


def test_an_amount_means_nothing_when_only_a_token_is_created():
    assert told(create_token(gateway(), amount="1500.00"))["decision"] == "ACCEPT"


@pytest.mark.parametrize(
    ("cvn", "code"), [("001", "M"), ("002", "N"), ("003", "P"), ("004", "S"), ("005", "U"), ("123", "M")]
)
def test_a_cvn_has_its_result(cvn, code):
    fields = told(pay(gateway(), card(card_cvn=cvn)))
    assert (fields["auth_cv_result"], fields["decision"]) == (code, "DECLINE" if code == "N" else "ACCEPT")


@pytest.mark.parametrize(("cvn", "code"), [("021", "A"), ("022", "B"), ("023", "I"), ("024", "D"), ("026", "G")])
def test_a_cvn_may_choose_the_address_check_too(cvn, code):
    assert told(pay(gateway(), card(card_cvn=cvn)))["auth_avs_code"] == code


def test_a_failed_cvn_is_a_decline_or_a_review_and_can_be_ignored():
    failing = card(card_cvn="002")
    assert ends(failing) == ("DECLINE", "230")
    assert ends(failing, settings={"reverse_on_cvn_failure": False}) == ("REVIEW", "230")
    assert ends(failing, ignore_cvn="true") == ("ACCEPT", "100")


def test_a_failed_address_check_is_a_review_or_a_decline_and_can_be_ignored():
    failing = card(cards.AVS_FAILS)
    assert ends(failing) == ("REVIEW", "200")
    assert ends(failing, settings={"reverse_on_avs_failure": True}) == ("DECLINE", "200")
    assert ends(failing, ignore_avs="true") == ("ACCEPT", "100")
    assert told(pay(gateway(), failing))["auth_avs_code"] == "N"


def test_a_failed_cvn_declines_already_the_token():
    fields = told(create_token(gateway(), card(card_cvn="002")))
    assert (fields["decision"], fields["reason_code"], fields["auth_cv_result"]) == ("DECLINE", "230", "N")
    assert not {"auth_amount", "auth_code", "auth_time", "payment_token"} & fields.keys()


def test_the_surname_review_is_held_and_reject_is_rejected():
    assert ends(bill_to_surname="REVIEW") == ("REVIEW", "480")
    assert ends(bill_to_surname="REJECT") == ("DECLINE", "481")
    assert ends(bill_to_surname="REVIEW", skip_decision_manager="true") == ("ACCEPT", "100")
    assert ends(bill_to_surname="REJECT", skip_decision_manager="true") == ("ACCEPT", "100")


def test_a_rejected_payment_was_never_authorized():
    fields = told(pay(gateway(), bill_to_surname="REJECT"))
    assert not any(name.startswith("auth_") for name in fields)


def test_the_surname_behind_a_token_counts_too():
    at = gateway()
    token = told(create_token(at, bill_to_surname="REVIEW"))["payment_token"]
    without_address = tuple(name for name in dict(form()) if name.startswith("bill_to_"))
    assert told(pay_by_token(at, token, leave_out=without_address))["reason_code"] == "480"


def test_a_bare_token_creation_goes_to_review_only_when_switched_and_then_has_no_token():
    assert told(create_token(gateway(), bill_to_surname="REVIEW"))["decision"] == "ACCEPT"
    held = told(create_token(gateway(review_token_creation=True), bill_to_surname="REVIEW"))
    assert (held["decision"], "payment_token" in held) == ("REVIEW", False)


def test_an_expired_card_is_202_and_the_current_month_is_still_good():
    assert ends(card(card_expiry_date="02-2026")) == ("DECLINE", "202")
    assert ends(card(card_expiry_date="03-2026")) == ("ACCEPT", "100")


def test_a_token_whose_card_has_expired_meanwhile_is_202():
    at = gateway()
    token = told(create_token(at, card(card_expiry_date="03-2026")))["payment_token"]
    later = at.now().replace(month=4)
    expired = Gateway(at.settings, clock=lambda: later)
    expired._memory = at._memory
    assert told(pay_by_token(expired, token))["reason_code"] == "202"


def test_half_of_an_amount_is_approved_at_the_currencys_own_decimals():
    assert told(pay(gateway(), card(cards.PARTIAL), amount="64.51"))["auth_amount"] == "32.25"
    assert told(pay(gateway(), card(cards.PARTIAL), amount="6451", currency="JPY"))["auth_amount"] == "3225"
    assert told(pay(gateway(), amount="64.505", currency="KWD"))["auth_amount"] == "64.505"


def test_a_sale_has_a_reference_for_its_capture():
    fields = told(pay(gateway(), transaction_type="sale"))
    assert fields["bill_trans_ref_no"] == fields["transaction_id"]
    assert "bill_trans_ref_no" not in told(pay(gateway()))
    assert "bill_trans_ref_no" not in told(pay(gateway(), card(cards.DECLINED), transaction_type="sale"))


def test_failed_3d_secure_leaves_its_fields():
    fields = told(pay(gateway(), card(cards.NOT_AUTHENTICATED)))
    assert fields["payer_authentication_reason_code"] == "475"


# ---------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("number", "has_token"),
    [
        (cards.APPROVED, True),
        (cards.REVIEW, True),
        (cards.PARTIAL, True),
        (cards.DECLINED, False),
        (cards.UNKNOWN, False),
    ],
)
def test_a_bundled_token_comes_only_with_a_payment_that_stands(number, has_token):
    assert ("payment_token" in told(pay(gateway(), card(number)))) is has_token


def test_a_payment_that_asks_for_no_token_gets_none():
    assert "payment_token" not in told(pay(gateway(), transaction_type="authorization"))


@pytest.mark.parametrize(
    ("style", "shape"),
    [
        (TokenFormat.DIGITS_22, lambda token: len(token) == 22 and token.isdecimal()),
        (TokenFormat.LAST_FOUR_16, lambda token: len(token) == 16 and token.endswith("1111") and luhn(token)),
        (TokenFormat.NINETY_NINE_16, lambda token: len(token) == 16 and token.startswith("99")),
        (TokenFormat.HEX_32, lambda token: len(token) == 32 and int(token, 16)),
    ],
)
def test_a_token_has_the_shape_of_the_account(style, shape):
    at = gateway(token_format=style)
    first, second = (told(pay(at))["payment_token"] for _ in range(2))

    assert shape(first)
    assert (first == second) is (style is not TokenFormat.DIGITS_22)
    assert told(pay_by_token(at, first))["decision"] == "ACCEPT"


def test_a_token_is_its_merchants_own():
    first = Profile(receipt_page="http://localhost/")
    second = Profile(
        access_key="b" * 32, profile_id="OTHER", merchant_id="other_shop", receipt_page="http://localhost/"
    )
    at = gateway(profiles=(first, second))
    token = told(pay(at))["payment_token"]
    answer = pay_by_token(at, token, access_key="b" * 32, profile_id="OTHER")

    assert told(answer)["invalid_fields"] == "payment_token"


def test_an_update_changes_what_a_token_stands_for():
    at = gateway()
    token = told(create_token(at))["payment_token"]
    updated = at.submit(
        "/silent/token/update",
        form(
            card(cards.DECLINED, card_expiry_date="01-2033"),
            transaction_type="update_payment_token",
            payment_token=token,
            allow_payment_token_update="true",
            bill_to_surname="Okafor-Ng",
        ),
    )
    fields = told(updated)
    assert (fields["decision"], fields["req_payment_token"], "payment_token" in fields) == ("ACCEPT", token, False)

    without_address = tuple(name for name in dict(form()) if name.startswith("bill_to_"))
    paid = told(pay_by_token(at, token, leave_out=without_address))
    assert (paid["decision"], paid["req_card_number"]) == ("DECLINE", "xxxxxxxxxxxx0203")
    assert (paid["req_card_expiry_date"], paid["req_bill_to_surname"]) == ("01-2033", "Okafor-Ng")


def test_an_update_of_the_address_alone_keeps_the_card():
    at = gateway()
    token = told(create_token(at, card(cards.REVIEW)))["payment_token"]
    at.submit(
        "/silent/token/update",
        form(
            {},
            unsigned=(),
            transaction_type="update_payment_token",
            payment_token=token,
            allow_payment_token_update="true",
        ),
    )
    assert told(pay_by_token(at, token))["reason_code"] == "480"


def test_an_update_has_to_be_allowed():
    at = gateway()
    token = told(create_token(at))["payment_token"]
    pairs = form(transaction_type="update_payment_token", payment_token=token, allow_payment_token_update="false")
    assert told(at.submit("/silent/token/update", pairs))["invalid_fields"] == "allow_payment_token_update"


def test_a_second_token_can_be_made_from_a_first():
    at = gateway()
    token = told(create_token(at, card(cards.DECLINED)))["payment_token"]
    second = told(create_token(at, {}, unsigned=(), payment_token=token))["payment_token"]
    assert second != token
    assert told(pay_by_token(at, second))["reason_code"] == "203"


def test_a_cvn_may_come_with_a_token():
    at = gateway()
    token = told(create_token(at, typed(cards.APPROVED_AMEX)))["payment_token"]
    fields = told(pay_by_token(at, token, card_cvn="2222"))
    assert (fields["reason_code"], fields["auth_cv_result"]) == ("230", "N")


def test_no_card_number_and_no_cvn_is_kept():
    at = gateway()
    pay(at, card(cards.REVIEW, card_cvn="739"))
    create_token(at, card(cards.DECLINED, card_cvn="739"))
    pay(at, card("4111111111111112", card_cvn="739"))
    kept = repr(vars(at)) + repr([vars(payment) for payment in at.payments]) + repr(vars(at._memory.tokens))

    for number in (cards.REVIEW, cards.DECLINED, "4111111111111112"):
        assert number not in kept
    assert "739" not in [value for payment in at.payments for _, value in payment.reply]


def test_a_card_number_typed_into_a_name_is_answered_as_the_real_service_does_and_not_kept():
    at = gateway()
    answer = pay(at, bill_to_surname=f"card {cards.APPROVED}", merchant_defined_data1="1234567890123456")

    assert told(answer)["req_bill_to_surname"] == f"card {cards.APPROVED}"
    (payment,) = at.payments
    assert payment.shopper == "Maya card xxxxxxxxxxxx1111"
    assert dict(payment.reply)["req_merchant_defined_data1"] == "1234567890123456"
    assert cards.APPROVED not in repr(vars(payment))
    assert not payment.can_resend
    with pytest.raises(ValueError, match="cannot be sent again"):
        at.resend(payment.id)
    with pytest.raises(ValueError, match="no reply"):
        at.replay(payment.id)


# --------------------------------------------------------------------------------------------------------- verbose


def test_scores_are_told_to_verbose_profiles_only():
    assert not any(name.startswith(("score_", "decision_")) for name in told(pay(gateway())))
    fields = told(pay(gateway(verbose=True)))
    assert (fields["decision_rflag"], fields["decision_return_code"]) == ("SOK", "1320000")
    assert "decision_case_priority" not in fields
    assert told(pay(gateway(verbose=True), bill_to_surname="REJECT"))["decision_rflag"] == "DREJECT"


def test_scores_are_not_told_when_nothing_was_screened():
    at = gateway(verbose=True)
    assert "score_score_result" not in told(pay(at, skip_decision_manager="true"))
    assert "score_score_result" not in told(pay(at, card(cards.UNKNOWN)))


def test_an_arbitrary_signing_order_still_verifies_and_ends_with_list_and_date():
    fields = told(pay(gateway(shuffled_signing=True)))
    assert list(fields)[-2:] == ["signed_field_names", "signed_date_time"]
    assert list(fields)[:2] != ["transaction_id", "decision"]


def test_payments_from_several_threads_keep_their_own_ids():
    from concurrent.futures import ThreadPoolExecutor

    at = Gateway(Settings(profiles=(Profile(receipt_page="http://localhost/"),)))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: pay(at), range(40)))

    assert len({told(answer)["transaction_id"] for answer in answers}) == 40
    assert len({payment.id for payment in at.payments}) == 40
