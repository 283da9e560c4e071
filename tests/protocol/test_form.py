"""The form that leaves: complete, valid, signed, and never holding what the shop must not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybersource.protocol import (
    Address,
    Credentials,
    InvalidRequest,
    LineItem,
    PaymentRequest,
    SignedForm,
    TransactionType,
    clean,
    reconcile,
    reference_number_for,
)
from cybersource.protocol.form import MAX_ITEMS

from .far_side import message, signature
from .vectors import ACCESS_KEY, PROFILE_ID, SECRET_KEY

CREDENTIALS = Credentials(profile_id=PROFILE_ID, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
NOW = datetime(2026, 3, 4, 9, 14, 40, 123456, tzinfo=UTC)
UUID = "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"
D = Decimal

MAYA = Address(
    forename="Maya",
    surname="Okafor",
    line1="12 Harbour Street",
    city="Oakland",
    state="California",
    postal_code="94607",
    country="US",
    phone="+1 415 555 0123",
    email="maya.okafor@example.com",
)
KETTLE = LineItem(name="Enamel kettle", sku="KET-01", unit_price=D("59.00"))
DELIVERY = LineItem(name="Standard delivery", code="shipping_only", unit_price=D("5.00"), tax_amount=D("0.50"))
REQUEST = PaymentRequest(
    transaction_type=TransactionType.AUTHORIZATION_WITH_TOKEN,
    reference_number="100018",
    amount=D("64.50"),
    currency="USD",
    bill_to=MAYA,
    ship_to=MAYA,
    items=(KETTLE, DELIVERY),
    shipping_method="lowcost",
    device_fingerprint_id="c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001",
    customer_ip_address="203.0.113.24",
    extra_fields={"merchant_defined_data50": "cybersource"},
    receipt_page="https://shop.example/reply/",
    backoffice_post_url="https://shop.example/notify/",
)


def sign(request: PaymentRequest = REQUEST, **changes: Any) -> SignedForm:
    return replace(request, **changes).sign(CREDENTIALS, at=NOW, transaction_uuid=UUID)


def fields(**changes: Any) -> Mapping[str, str]:
    return sign(**changes).as_dict()


def refused(**changes: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as problem:
        sign(**changes)
    return problem.value


def item_fields(form: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if name.startswith(("item_", "line_item"))}


def test_the_whole_form() -> None:
    """Pinned, because it is a pure function; its signature was computed apart from the code."""
    form = fields()
    signed = {
        "access_key": ACCESS_KEY,
        "profile_id": PROFILE_ID,
        "transaction_uuid": UUID,
        "signed_date_time": "2026-03-04T09:14:40Z",
        "signed_field_names": form["signed_field_names"],
        "unsigned_field_names": "card_type,card_number,card_expiry_date,card_cvn,bill_to_phone",
        "locale": "en-us",
        "transaction_type": "authorization,create_payment_token",
        "payment_method": "card",
        "reference_number": "100018",
        "amount": "64.50",
        "currency": "USD",
        "ignore_avs": "false",
        "ignore_cvn": "false",
        "skip_decision_manager": "false",
        "override_custom_receipt_page": "https://shop.example/reply/",
        "override_backoffice_post_url": "https://shop.example/notify/",
        "customer_ip_address": "203.0.113.24",
        "device_fingerprint_id": "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001",
        "shipping_method": "lowcost",
        "line_item_count": "2",
        "item_0_quantity": "1",
        "item_0_unit_price": "59.00",
        "item_0_tax_amount": "0.00",
        "item_1_quantity": "1",
        "item_1_unit_price": "5.00",
        "item_1_tax_amount": "0.50",
        "item_0_name": "Enamel kettle",
        "item_0_sku": "KET-01",
        "item_1_name": "Standard delivery",
        "item_1_code": "shipping_only",
        "bill_to_forename": "Maya",
        "bill_to_surname": "Okafor",
        "bill_to_email": "maya.okafor@example.com",
        "bill_to_address_line1": "12 Harbour Street",
        "bill_to_address_city": "Oakland",
        "bill_to_address_state": "CA",
        "bill_to_address_postal_code": "94607",
        "bill_to_address_country": "US",
        "ship_to_forename": "Maya",
        "ship_to_surname": "Okafor",
        "ship_to_phone": "14155550123",
        "ship_to_address_line1": "12 Harbour Street",
        "ship_to_address_city": "Oakland",
        "ship_to_address_state": "CA",
        "ship_to_address_postal_code": "94607",
        "ship_to_address_country": "US",
        "merchant_defined_data50": "cybersource",
    }
    editable = dict.fromkeys(["card_type", "card_number", "card_expiry_date", "card_cvn", "bill_to_phone"], "")
    assert form == {**signed, **editable, "signature": form["signature"]}
    assert list(form) == [*signed, *editable, "signature"]
    assert form["signed_field_names"] == ",".join(signed)
    assert form["signature"] == signature(message(signed.items()))
    assert form["signature"] == "csLPO+3eR7FVkWmg7WfkukNhKJldb6O/bEh97cOrY7s="


def test_what_the_shopper_fills_in_is_editable_unsigned_and_blank() -> None:
    form = sign()
    editable = [field.key for field in form.fields if field.editable]
    assert editable == ["card_type", "card_number", "card_expiry_date", "card_cvn", "bill_to_phone"]
    assert form.as_dict()["unsigned_field_names"] == ",".join(editable)
    assert not set(editable) & set(form.as_dict()["signed_field_names"].split(","))
    assert all(form.as_dict()[name] == "" for name in editable)


def test_every_field_but_the_editable_ones_and_the_signature_is_signed() -> None:
    form = sign()
    signed = [field.key for field in form.fields if not field.editable and field.key != "signature"]
    assert form.as_dict()["signed_field_names"].split(",") == signed
    assert len({field.key for field in form.fields}) == len(form.fields)


def test_without_a_billing_address_the_shopper_is_asked_for_one() -> None:
    form = sign(bill_to=None, bill_to_email="maya@example.com")
    editable = {field.key: field.value for field in form.fields if field.editable}
    assert list(editable) == [
        *["card_type", "card_number", "card_expiry_date", "card_cvn", "bill_to_phone"],
        *["bill_to_forename", "bill_to_surname", "bill_to_email", "bill_to_address_line1", "bill_to_address_line2"],
        *["bill_to_address_city", "bill_to_address_state", "bill_to_address_postal_code", "bill_to_address_country"],
    ]
    assert {name: value for name, value in editable.items() if value} == {"bill_to_email": "maya@example.com"}
    assert form.as_dict()["unsigned_field_names"] == ",".join(editable)
    assert "bill_to" not in form.as_dict()["signed_field_names"]


@pytest.mark.parametrize("bill_to", [MAYA, None, Address()])
def test_a_form_with_a_token_asks_for_nothing_and_can_post_itself(bill_to: Address | None) -> None:
    form = sign(transaction_type=TransactionType.AUTHORIZATION, payment_token="7312345701236012404012", bill_to=bill_to)
    assert not [field for field in form.fields if field.editable]
    assert form.as_dict()["payment_token"] == "7312345701236012404012"
    assert form.as_dict()["unsigned_field_names"] == ""
    assert not [name for name in form.as_dict() if name.startswith("card_")]


def test_a_form_with_a_token_signs_the_phone_it_knows() -> None:
    form = fields(transaction_type=TransactionType.SALE, payment_token="1" * 22)
    assert form["bill_to_phone"] == "14155550123"
    assert "bill_to_phone" in form["signed_field_names"].split(",")


def test_the_time_is_utc_without_fraction() -> None:
    tokyo = datetime(2026, 3, 4, 18, 14, 40, 999999, tzinfo=timezone(timedelta(hours=9)))
    form = REQUEST.sign(CREDENTIALS, at=tokyo, transaction_uuid=UUID)
    assert form.as_dict()["signed_date_time"] == "2026-03-04T09:14:40Z"
    assert form == sign()


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"amount": D("64.505")}, "amount", "amount-rounds"),
        ({"amount": D("-1")}, "amount", "amount-negative"),
        ({"amount": D("NaN")}, "amount", "amount-not-finite"),
        ({"amount": D("1E+20")}, "amount", "amount-length"),
        ({"currency": "usd"}, "currency", "currency"),
        ({"reference_number": ""}, "reference_number", "field-value"),
        ({"reference_number": "x" * 51}, "reference_number", "field-value"),
        ({"reference_number": "a=b"}, "reference_number", "field-value"),
        ({"reference_number": "100018\U0001f389"}, "reference_number", "field-value"),
        ({"payment_method": "Card!"}, "payment_method", "field-value"),
        ({"shipping_method": "dhl"}, "shipping_method", "field-value"),
        ({"receipt_page": "/reply/"}, "override_custom_receipt_page", "field-value"),
        ({"receipt_page": "https://shop.example/?a=1,amount=0"}, "override_custom_receipt_page", "field-value"),
        ({"backoffice_post_url": "ftp://shop.example/"}, "override_backoffice_post_url", "field-value"),
        ({"payment_token": "1" * 22}, "payment_token", "token-twice"),
        (
            {"payment_token": "not a token", "transaction_type": TransactionType.SALE},
            "payment_token",
            "field-value",
        ),
        ({"bill_to": replace(MAYA, country="")}, "bill_to_address_country", "required-field"),
        ({"bill_to": replace(MAYA, country="USA")}, "bill_to_address_country", "required-field"),
        ({"bill_to": replace(MAYA, email="nobody")}, "bill_to_email", "required-field"),
        ({"bill_to": replace(MAYA, state="")}, "bill_to_address_state", "required-field"),
        ({"bill_to": replace(MAYA, postal_code="ABC")}, "bill_to_address_postal_code", "required-field"),
        ({"bill_to": replace(MAYA, country="CA")}, "bill_to_address_state", "required-field"),
        ({"extra_fields": {"Amount": "1"}}, "Amount", "extra-field-name"),
        ({"extra_fields": {"a,b": "1"}}, "a,b", "extra-field-name"),
        ({"extra_fields": {"": "1"}}, "", "extra-field-name"),
        ({"extra_fields": {"skip_decision_manager": "perhaps"}}, "skip_decision_manager", "extra-field-value"),
        ({"extra_fields": {"tax_amount": "-1"}}, "tax_amount", "extra-field-value"),
        ({"extra_fields": {"merchant_secure_data4": "a,b=c"}}, "merchant_secure_data4", "extra-field-value"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_name_of_its_field(
    changes: dict[str, Any], field: str, rule: str
) -> None:
    problem = refused(**changes)
    assert (problem.field, problem.rule) == (field, rule)
    assert problem.__cause__ is None


@pytest.mark.parametrize(
    "name",
    [
        *["amount", "currency", "access_key", "profile_id", "transaction_uuid", "transaction_type", "reference_number"],
        *["signed_field_names", "unsigned_field_names", "signed_date_time", "signature", "payment_method", "locale"],
        *["card_number", "card_cvn", "card_type", "card_expiry_date", "card_type_selection_indicator"],
        *["bill_to_forename", "bill_to_phone", "bill_to_address_state", "ship_to_address_line1", "ship_to_forename"],
        *["line_item_count", "item_0_unit_price", "item_0_name", "item_7_quantity", "item_119_tax_amount"],
        *["decision", "req_amount", "req_bill_to_phone", "customer_ip_address", "echeck_account_number"],
    ],
)
def test_extra_fields_override_nothing_the_form_decides(name: str) -> None:
    problem = refused(extra_fields={name: "1"})
    assert problem.rule == "extra-field-taken"
    assert problem.field == name


def test_a_shop_that_knows_a_company_adds_its_name_and_another_one_is_not_replaced() -> None:
    added = {"bill_to_company_name": "Teahouse [Oakland] " + "x" * 60}
    for bill_to in (replace(MAYA, company_name=""), None):
        form = fields(bill_to=bill_to, extra_fields=added)
        assert form["bill_to_company_name"] == "Teahouse (Oakland) " + "x" * 21
        assert "bill_to_company_name" in form["signed_field_names"].split(",")
    assert refused(bill_to=replace(MAYA, company_name="Okafor Ltd"), extra_fields=added).rule == "extra-field-taken"


def test_everything_that_an_order_and_its_address_lack_is_named_at_once() -> None:
    nowhere = replace(MAYA, state="Kalifornien", postal_code="?", email="")
    lacking = replace(REQUEST, amount=Decimal("1.005"), bill_to=nowhere, bill_to_email="maya@localhost")
    assert [problem.field for problem in lacking.problems()] == [
        "amount",
        "bill_to_email",
        "bill_to_address_state",
        "bill_to_address_postal_code",
    ]
    assert replace(lacking, amount=Decimal(1), bill_to=None).problems() == ()
    assert replace(lacking, amount=Decimal(1), payment_token="7" * 16).problems() == ()


@given(
    st.builds(
        Address,
        state=st.sampled_from(["CA", "Ont.", "Nowhere", ""]) | st.text(max_size=30),
        postal_code=st.sampled_from(["94607", "K1A0B1", "1", ""]) | st.text(max_size=12),
        country=st.sampled_from(["US", "CA", "DE", "de", "", "USA"]),
        email=st.sampled_from(["maya@example.com", "maya@localhost", "", "\u00fc@example.com"]),
    ),
    st.decimals(-1, 10**13, places=3),
    st.sampled_from(["USD", "JPY", "KWD", "usd", ""]),
)
def test_a_form_is_signed_exactly_where_no_problem_is_named(address: Address, amount: Decimal, currency: str) -> None:
    request = replace(REQUEST, bill_to=address, bill_to_email="", amount=amount, currency=currency)
    problems = [problem.field for problem in request.problems()]
    if problems:
        assert refused(bill_to=address, bill_to_email="", amount=amount, currency=currency).field == problems[0]
    else:
        sign(request)


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ('19" rack: "black"', "19'' rack - ''black''"),
        ("\u201cGift\u201d 12:30 ^_^", "''Gift'' 12-30 _"),
        ("^:^", "-"),
    ],
)
def test_words_of_an_item_hold_nothing_for_which_forms_were_refused(typed: str, sent: str) -> None:
    items = [
        LineItem(name=typed, sku=typed, quantity=1, unit_price=Decimal("64.50")),
    ]
    form = fields(items=items, amount=Decimal("64.50"), extra_fields={"item_0_description": typed})
    assert {form["item_0_name"], form["item_0_sku"], form["item_0_description"]} == {sent}


@given(st.text(max_size=600))
def test_no_title_brings_them_in_by_another_character_or_at_the_end(typed: str) -> None:
    form = fields(items=[LineItem(name=typed, sku=typed, unit_price=Decimal("64.50"))], amount=Decimal("64.50"))
    for name in item_fields(form):
        assert not set('":^') & set(form[name]) and len(form[name]) <= 255


def test_a_shop_may_decide_the_policy_fields_and_they_stay_signed() -> None:
    form = fields(extra_fields={"ignore_avs": "true", "skip_decision_manager": "True"})
    assert (form["ignore_avs"], form["ignore_cvn"], form["skip_decision_manager"]) == ("true", "false", "true")
    assert form["signed_field_names"].count("ignore_avs") == 1


def test_extra_fields_are_cleaned_signed_and_left_out_when_blank() -> None:
    form = fields(
        extra_fields={
            "merchant_defined_data1": "gift, decision=ACCEPT \U0001f381",
            "merchant_defined_data2": "\U0001f381",
            "merchant_defined_data3": "",
            "merchant_secure_data4": "b2s6c2Vzc2lvbg==",
            "ship_to_type": "store",
            "item_0_description": "red",
        }
    )
    assert form["merchant_defined_data1"] == "gift, decision-ACCEPT"
    assert form["merchant_secure_data4"] == "b2s6c2Vzc2lvbg=="
    assert form["item_0_description"] == "red"
    assert {"merchant_defined_data2", "merchant_defined_data3"}.isdisjoint(form)
    assert "merchant_defined_data1,merchant_secure_data4,ship_to_type" in form["signed_field_names"]


def test_naive_times_and_blank_keys_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="time zone"):
        REQUEST.sign(CREDENTIALS, at=datetime(2026, 3, 4), transaction_uuid=UUID)  # noqa: DTZ001
    for blank in ("secret_key", "access_key", "profile_id"):
        with pytest.raises(InvalidRequest):
            REQUEST.sign(replace(CREDENTIALS, **{blank: ""}), at=NOW, transaction_uuid=UUID)
    for uuid in ("", "a,b", "a=b", "x" * 51):
        with pytest.raises(InvalidRequest) as problem:
            REQUEST.sign(CREDENTIALS, at=NOW, transaction_uuid=uuid)
        assert problem.value.field == "transaction_uuid"


@pytest.mark.parametrize(
    ("request_", "key", "uuid"),
    [
        (REQUEST, CREDENTIALS, UUID),
        (REQUEST, replace(CREDENTIALS, secret_key=""), UUID),
        (REQUEST, replace(CREDENTIALS, access_key="a,b"), UUID),
        (REQUEST, CREDENTIALS, "x" * 51),
        (replace(REQUEST, amount=D("1.001")), CREDENTIALS, UUID),
        (replace(REQUEST, currency="dollars"), CREDENTIALS, UUID),
        (replace(REQUEST, bill_to=replace(MAYA, state="Kalifornien")), CREDENTIALS, UUID),
        (replace(REQUEST, payment_token="1", transaction_type=TransactionType.CREATE_PAYMENT_TOKEN), CREDENTIALS, UUID),
        (replace(REQUEST, reference_number=""), CREDENTIALS, UUID),
        (replace(REQUEST, receipt_page="javascript:alert(1)"), CREDENTIALS, UUID),
        (replace(REQUEST, extra_fields={"signature": "x"}), CREDENTIALS, UUID),
        (replace(REQUEST, extra_fields={"signed_date_time": "x"}), CREDENTIALS, UUID),
        (replace(REQUEST, extra_fields={"Name": "x"}), CREDENTIALS, UUID),
    ],
)
def test_a_check_refuses_what_signing_refuses_and_takes_what_it_takes(
    request_: PaymentRequest, key: Credentials, uuid: str
) -> None:
    def refusal(of: Callable[[], object]) -> tuple[str, str | None] | None:
        try:
            of()
        except InvalidRequest as problem:
            return problem.rule, problem.field
        return None

    signing = refusal(lambda: request_.sign(key, at=NOW, transaction_uuid=uuid))
    assert refusal(lambda: request_.check(key, transaction_uuid=uuid)) == signing
    assert (signing is None) is ((request_, key, uuid) == (REQUEST, CREDENTIALS, UUID))


def test_names_made_of_emoji_and_titles_of_300_characters_give_a_valid_form() -> None:
    party = replace(MAYA, forename="\U0001f389", surname="\x00", line1="\u2603", city="", line2="\U0001f389", phone="1")
    form = fields(
        bill_to=party, ship_to=party, items=[replace(KETTLE, name="K\u00f6nig \U0001f451" * 40, unit_price=D("64.50"))]
    )
    for name in ("bill_to_forename", "bill_to_surname", "bill_to_address_line1", "bill_to_address_city"):
        assert form[name] == "-" == clean(name, form[name])
    assert len(form["item_0_name"]) <= 255 and form["item_0_name"].startswith("König König")
    assert {"bill_to_address_line2", "ship_to_forename", "ship_to_address_city", "ship_to_phone"}.isdisjoint(form)


def test_the_orders_email_stands_in_for_one_missing_or_wrong_in_the_address() -> None:
    for email in ("", "nobody"):
        form = fields(bill_to=replace(MAYA, email=email), bill_to_email="order@example.com")
        assert form["bill_to_email"] == "order@example.com"
    assert fields(bill_to_email="order@example.com")["bill_to_email"] == "maya.okafor@example.com"


def test_an_address_outside_us_and_canada_needs_no_state_and_no_postal_code() -> None:
    form = fields(bill_to=replace(MAYA, country="ie", state="", postal_code=""))
    assert form["bill_to_address_country"] == "IE"
    assert {"bill_to_address_state", "bill_to_address_postal_code"}.isdisjoint(form)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (MAYA, True),
        (replace(MAYA, country="DE", state="Berlin"), True),
        (replace(MAYA, state="Kalifornien"), False),
        (replace(MAYA, postal_code="9"), False),
        (replace(MAYA, country=""), False),
    ],
)
def test_a_shipping_address_that_would_be_refused_is_left_out(address: Address, kept: bool) -> None:
    form = fields(ship_to=address)
    assert ("ship_to_address_line1" in form) is kept
    assert ("ship_to_address_country" in form) is kept
    assert form["ship_to_forename"] == "Maya"
    assert "ship_to_email" not in form


def test_optional_values_that_cannot_be_made_valid_are_left_out() -> None:
    form = fields(device_fingerprint_id="a b", customer_ip_address="unknown", ship_to=None, shipping_method="")
    assert {"device_fingerprint_id", "customer_ip_address", "shipping_method"}.isdisjoint(form)
    assert not [name for name in form if name.startswith("ship_to")]
    assert not [name for name, value in form.items() if not value and name in form["signed_field_names"].split(",")]


def test_messages_and_keys_cannot_be_changed() -> None:
    for frozen in (CREDENTIALS, MAYA, KETTLE, REQUEST, sign(), sign().fields[0]):
        with pytest.raises(FrozenInstanceError):
            frozen.anything = "else"  # type: ignore[attr-defined]


def test_no_repr_shows_a_secret_a_token_or_an_address() -> None:
    request = replace(REQUEST, transaction_type=TransactionType.SALE, payment_token="7312345701236012404012")
    shown = repr(CREDENTIALS) + repr(request.sign(CREDENTIALS, at=NOW, transaction_uuid=UUID)) + repr(request)
    assert SECRET_KEY not in shown and SECRET_KEY[:16] not in shown
    assert "7312345701236012404012" not in shown
    assert repr(CREDENTIALS) == f"Credentials(profile_id='{PROFILE_ID}', access_key='{ACCESS_KEY}')"


# --- items


def items(*lines: LineItem, amount: str, currency: str = "USD") -> list[tuple[str, int, str, str]]:
    made = reconcile(lines, D(amount), currency, "100018")
    return [(item.name, item.quantity, str(item.unit_price), str(item.tax_amount)) for item in made]


def line(name: str = "Tea", **values: Any) -> LineItem:
    money = {key: D(value) for key, value in values.items() if key.endswith(("price", "amount"))}
    return LineItem(name=name, **{**values, **money})


def test_lines_that_add_up_are_sent_as_they_are() -> None:
    assert items(
        line(quantity=3, unit_price="1.50", tax_amount="0.36"), line("Cup", unit_price="2.00"), amount="6.86"
    ) == [
        ("Tea", 3, "1.50", "0.36"),
        ("Cup", 1, "2.00", "0"),
    ]


def test_a_line_price_that_divides_evenly_becomes_a_unit_price() -> None:
    assert items(line(quantity=3, line_price="4.50"), amount="4.50") == [("Tea", 3, "1.50", "0")]


@pytest.mark.parametrize("price", [{"line_price": "10.00"}, {"unit_price": "3.3333333333333333333"}])
def test_a_unit_price_that_would_need_rounding_becomes_one_piece(price: dict[str, str]) -> None:
    if "line_price" in price:
        assert items(line(quantity=3, **price), amount="10.00") == [("3 x Tea", 1, "10.00", "0")]
    else:
        assert items(line(quantity=3, **price), amount="10.00") == [("Order 100018", 1, "10.00", "0")]


def test_half_cents_that_add_up_to_cents_become_one_piece() -> None:
    assert items(line(quantity=2, unit_price="0.005"), amount="0.01") == [("2 x Tea", 1, "0.010", "0")]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [line(quantity=0, unit_price="5.00")],
        [line(unit_price="4.99")],
        [line(unit_price="10.00"), line("Voucher", unit_price="-5.00")],
        [line(unit_price="5.00"), line("Odd", quantity=-1, unit_price="0.00")],
        [line(unit_price="4.995")],
        [line(unit_price="5.00", tax_amount="0.001")],
        [line(unit_price="6.00", tax_amount="-1.00")],
        [line(unit_price="5.00"), line("Broken", unit_price="NaN")],
    ],
)
def test_lines_that_do_not_add_up_or_cannot_be_said_become_one_item(lines: list[LineItem]) -> None:
    assert items(*lines, amount="5.00") == [("Order 100018", 1, "5.00", "0")]


def test_a_line_of_no_pieces_is_left_out() -> None:
    assert items(line(quantity=0, unit_price="9.00"), line("Cup", unit_price="5.00"), amount="5.00") == [
        ("Cup", 1, "5.00", "0")
    ]


def test_yen_have_no_decimals_and_dinars_three() -> None:
    assert items(line(quantity=2, unit_price="500"), amount="1000", currency="JPY") == [("Tea", 2, "500", "0")]
    assert items(line(quantity=2, unit_price="500.00"), amount="1000.00", currency="JPY") == [("Tea", 2, "500.00", "0")]
    assert items(line(unit_price="1.234", tax_amount="0.001"), amount="1.235", currency="KWD") == [
        ("Tea", 1, "1.234", "0.001")
    ]
    yen = item_fields(fields(currency="JPY", amount=D(1000), items=[line(quantity=2, unit_price="500.00")]))
    assert yen["item_0_unit_price"] == "500" and yen["item_0_tax_amount"] == "0"
    dinar = item_fields(fields(currency="KWD", amount=D("1.5"), items=[line(unit_price="1.5")]))
    assert dinar["item_0_unit_price"] == "1.500"


@pytest.mark.parametrize(
    ("count", "sent", "last"),
    [(100, 100, "Tea 99"), (120, 120, "Tea 119"), (121, 120, "2 more items"), (250, 120, "131 more items")],
)
def test_more_lines_than_a_reply_may_echo_are_folded_into_the_last(count: int, sent: int, last: str) -> None:
    lines = [line(f"Tea {n}", quantity=2, unit_price="1.00", tax_amount="0.10") for n in range(count)]
    made = reconcile(lines, D("2.10") * count, "USD", "100018")
    assert len(made) == sent <= MAX_ITEMS
    assert made[-1].name == last and made[0] == lines[0]
    assert sum((item.unit_price or 0) * item.quantity + item.tax_amount for item in made) == D("2.10") * count
    form = item_fields(fields(amount=D("2.10") * count, items=lines))
    assert form["line_item_count"] == str(sent)


def test_the_echo_of_the_longest_form_stays_below_a_thousand_fields() -> None:
    lines = [line(f"Tea {n}", sku="s", code="coupon", unit_price="1.00") for n in range(300)]
    extra = {f"merchant_defined_data{n}": "x" for n in range(1, 101)}
    assert len(fields(amount=D(300), items=lines, extra_fields=extra)) < 900


def test_items_without_a_usable_name_get_one() -> None:
    form = fields(
        amount=D(2),
        items=[line("\U0001f375", sku="TEA-1", unit_price="1.00"), line("\U0001f375", unit_price="1.00")],
    )
    assert (form["item_0_name"], form["item_1_name"]) == ("TEA-1", "Item")


def test_a_product_code_that_would_need_a_sku_is_left_out_where_there_is_none() -> None:
    form = fields(
        amount=D(3),
        items=[
            line(unit_price="1.00", code="gift_certificate"),
            line(unit_price="1.00", code="gift_certificate", sku="G"),
            line(unit_price="1.00", code="handling_only"),
        ],
    )
    assert {name: value for name, value in form.items() if name.endswith("_code") and name.startswith("item")} == {
        "item_1_code": "gift_certificate",
        "item_2_code": "handling_only",
    }


def test_quantities_beyond_ten_digits_become_one_piece() -> None:
    assert items(line(quantity=10**10, unit_price="1.00"), amount="10000000000.00") == [
        ("10000000000 x Tea", 1, "10000000000.00", "0")
    ]


def test_a_line_has_a_unit_price_or_a_line_price() -> None:
    for prices in ({}, {"unit_price": D(1), "line_price": D(1)}):
        with pytest.raises(TypeError):
            LineItem(name="Tea", **prices)


PRICES = st.decimals(min_value=-5, max_value=50, places=3)


@settings(deadline=None)
@given(
    lines=st.lists(
        st.builds(LineItem, name=st.text(max_size=5), quantity=st.integers(-1, 5), line_price=PRICES, tax_amount=PRICES)
        | st.builds(LineItem, name=st.text(max_size=5), quantity=st.integers(-1, 5), unit_price=PRICES),
        max_size=6,
    ),
    honest=st.booleans(),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_the_items_sent_always_add_up_to_the_amount(lines: list[LineItem], honest: bool, currency: str) -> None:
    amount = D("12.00")
    if honest:
        total = sum(
            (
                (item.line_price if item.line_price is not None else (item.unit_price or 0) * item.quantity)
                + item.tax_amount
            )
            for item in lines
        )
        amount = D(total).copy_abs().quantize(D(1))
    form = fields(amount=amount, currency=currency, items=lines)
    count = int(form["line_item_count"])
    total = sum(
        D(form[f"item_{n}_unit_price"]) * int(form[f"item_{n}_quantity"]) + D(form[f"item_{n}_tax_amount"])
        for n in range(count)
    )
    assert 1 <= count <= MAX_ITEMS and total == D(form["amount"]) == amount
    for name, value in item_fields(form).items():
        assert clean(name, value) == value
        assert not re.search(r"unit_price|tax", name) or not value.startswith("-")


# --- reference numbers


@pytest.mark.parametrize("number", ["100018", 100018, "A-2026/17", "Bestellung 12", "x" * 50])
def test_an_order_number_cybersource_takes_is_sent_as_it_is(number: object) -> None:
    assert reference_number_for(number) == str(number)


@pytest.mark.parametrize(
    "number", ["x" * 51, "a=b", "100018\U0001f389", "<1>", " 1", "", "\U0001f389", "\ud800", "x" * 38 + "  y=z"]
)
def test_any_other_order_number_gets_a_reference_number_of_its_own(number: str) -> None:
    reference = reference_number_for(number)
    assert reference == reference_number_for(number) != number
    assert 0 < len(reference) <= 50
    assert fields(reference_number=reference)["reference_number"] == reference == reference_number_for(reference)


def test_order_numbers_that_look_alike_when_cleaned_are_told_apart() -> None:
    numbers = ["x" * 51, "x" * 52, "a=b", "a-b", "a<b", "a>b"]
    assert len({reference_number_for(number) for number in numbers}) == len(numbers)
