"""Contents that CyberSource does not take: ERROR 102, the fields named, nothing processed."""

import pytest

from tests.simulator.forms import card, form, gateway, pay, signed, told


def problems(typed=None, **changes):
    """Return (invalid fields, missing fields) of a form's reply."""
    settings = changes.pop("settings", {})
    at = gateway(**settings)
    fields = told(pay(at, typed, **changes))
    if fields["decision"] != "ERROR":
        return "", ""
    assert fields["reason_code"] == "102"
    assert fields["message"] == "Request parameters are invalid or missing"
    assert "transaction_id" not in fields
    return fields.get("invalid_fields", ""), fields.get("required_fields", "")


GOOD = [
    ("bill_to_surname", "Lefèvre"),
    ("bill_to_surname", "हिन्दी"),
    ("bill_to_surname", "O'Neil, (Jr.) & Sons; 100% #1 *~^_=?@!/:\"$+"),
    ("bill_to_phone", "+1 (415) 555-0123"[:15]),
    ("bill_to_address_postal_code", "94607-1234"),
    ("reference_number", "A" * 50),
    ("currency", "usd"),
    ("customer_ip_address", "2001:db8::1"),
    ("merchant_defined_data1", '{"basket": [1]}'),
    ("merchant_secure_data4", "x" * 2000),
    ("locale", "en"),
    ("shipping_method", "lowcost"),
    ("override_custom_receipt_page", "http://localhost:8000/reply/?a=b"),
    ("device_fingerprint_id", "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"),
    ("a_field_of_tomorrow", "whatever <it> is"),
    ("tax_amount", "1.5"),
    ("ignore_avs", "false"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value_is_taken(name, value):
    assert problems(**{name: value}) == ("", "")


BAD = [
    ("bill_to_surname", "x" * 61),
    ("bill_to_surname", "Okafor 🙂"),
    ("bill_to_surname", "Okafor <b>"),
    ("bill_to_surname", "Oka\nfor"),
    ("bill_to_surname", "curly ’ quote"),
    ("bill_to_email", "maya"),
    ("bill_to_email", "maya@example,com"),
    ("bill_to_phone", "12345"),
    ("bill_to_phone", "1" * 16),
    ("bill_to_phone", "call me"),
    ("bill_to_address_country", "USA"),
    ("bill_to_address_country", "us"),
    ("bill_to_address_postal_code", "9460"),
    ("bill_to_address_state", "California"),
    ("reference_number", "A" * 51),
    ("reference_number", "a|b"),
    ("transaction_uuid", "é"),
    ("transaction_type", "refund"),
    ("payment_method", "echeck"),
    ("locale", "en_US"),
    ("amount", "-1.00"),
    ("amount", "1,000.00"),
    ("amount", "64.505"),
    ("amount", "1234567890123.00"),
    ("currency", "US"),
    ("customer_ip_address", "203.0.113.256"),
    ("merchant_defined_data1", "x" * 101),
    ("merchant_defined_data1", "a\x07"),
    ("merchant_secure_data4", "x" * 2001),
    ("shipping_method", "pigeon"),
    ("override_custom_receipt_page", "javascript:alert(1)"),
    ("override_custom_receipt_page", "http://[oops/"),
    ("device_fingerprint_id", "x" * 89),
    ("ignore_avs", "TRUE"),
    ("tax_amount", "1.234"),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}-{at}" for at, (name, _) in enumerate(BAD)])
def test_a_bad_value_is_named(name, value):
    assert problems(**{name: value}) == (name, "")


@pytest.mark.parametrize(
    "typed",
    [
        {"card_number": "4111111111111112"},
        {"card_number": "4111 1111 1111 1111"},
        {"card_number": "41111111111"},
        {"card_number": "४१११११११११११११११"},
        {"card_type": "999"},
        {"card_expiry_date": "1-2031"},
        {"card_expiry_date": "13-2031"},
        {"card_expiry_date": "12/31"},
        {"card_cvn": "12"},
        {"card_cvn": "1234"},
        {"card_cvn": "abc"},
    ],
    ids=lambda typed: "-".join(typed.items().__iter__().__next__()),
)
def test_a_bad_card_field_is_named(typed):
    assert problems(card(**typed)) == (next(iter(typed)), "")


def test_american_express_has_four_cvn_digits():
    amex = card("378282246310005", card_type="003")
    assert problems(amex) == ("card_cvn", "")
    assert problems({**amex, "card_cvn": "1234"}) == ("", "")


def test_what_is_required_and_missing_is_named_in_alphabetical_order():
    assert problems({}, leave_out=("bill_to_email", "bill_to_address_state")) == (
        "",
        "bill_to_address_state,bill_to_email,card_cvn,card_expiry_date,card_number,card_type",
    )


def test_blank_is_missing():
    assert problems(bill_to_forename="") == ("", "bill_to_forename")


def test_state_and_postal_code_are_required_in_the_us_and_canada_only():
    without = ("bill_to_address_state", "bill_to_address_postal_code")
    assert problems(leave_out=without) == ("", "bill_to_address_postal_code,bill_to_address_state")
    assert problems(leave_out=without, bill_to_address_country="DE") == ("", "")


def test_canadian_postal_codes_have_their_space():
    canada = {"bill_to_address_country": "CA", "bill_to_address_state": "ON"}
    assert problems(**canada, bill_to_address_postal_code="K1A 0B1") == ("", "")
    assert problems(**canada, bill_to_address_postal_code="K1A0B1") == ("bill_to_address_postal_code", "")


def test_a_shipping_address_is_checked_too():
    assert problems(ship_to_address_country="US", ship_to_address_postal_code="1") == (
        "ship_to_address_postal_code",
        "",
    )
    assert problems(ship_to_address_country="US", ship_to_address_state="Calif") == ("ship_to_address_state", "")


def test_the_cvn_is_required_by_the_profile_alone():
    assert problems(card(card_cvn="")) == ("", "card_cvn")
    assert problems(card(card_cvn=""), settings={"cvn_required": False}) == ("", "")


def test_a_brand_that_the_profile_does_not_take_is_invalid():
    assert problems(settings={"card_types": frozenset({"002"})}) == ("card_type", "")
    assert problems(settings={"card_types": frozenset({"001"})}) == ("", "")


@pytest.mark.parametrize(
    ("currency", "amount", "taken"),
    [
        ("JPY", "6450", True),
        ("JPY", "6450.00", False),
        ("USD", "64.5", True),
        ("KWD", "64.505", True),
        ("KWD", "64.5055", False),
    ],
)
def test_an_amount_has_no_more_decimals_than_its_currency(currency, amount, taken):
    assert problems(amount=amount, currency=currency) == ("" if taken else "amount", "")


def test_a_request_refused_for_its_contents_can_be_sent_again_with_its_uuid():
    at = gateway()
    assert told(pay(at, card("4111111111111112"), transaction_uuid="one"))["reason_code"] == "102"
    assert told(pay(at, transaction_uuid="one"))["reason_code"] == "100"


def test_an_unknown_token_is_invalid():
    at = gateway()
    fields = told(at.submit("/silent/pay", form({}, unsigned=(), payment_token="1234567890123456789012")))
    assert (fields["invalid_fields"], fields["decision"]) == ("payment_token", "ERROR")
    malformed = told(at.submit("/silent/pay", form({}, unsigned=(), payment_token="no token!")))
    assert malformed["invalid_fields"] == "payment_token"


# ------------------------------------------------------------------------------------------------------ line items


def items(*lines, **changes):
    fields = {}
    for number, line in enumerate(lines):
        fields |= {f"item_{number}_{name}": value for name, value in line.items()}
    return {"line_item_count": str(len(lines)), **fields, **changes}


KETTLE = {"name": "Enamel kettle", "sku": "KET-01", "quantity": "2", "unit_price": "28.00", "tax_amount": "3.00"}
DELIVERY = {"name": "Standard delivery", "code": "shipping_only", "quantity": "1", "unit_price": "5.50"}


def test_lines_that_add_up_are_taken():
    assert problems(**items(KETTLE, DELIVERY)) == ("", "")


def test_lines_that_do_not_add_up_make_the_amount_invalid():
    assert problems(**items(KETTLE, DELIVERY), amount="64.51") == ("amount", "")
    assert problems(**items({**KETTLE, "tax_amount": "3.01"}, DELIVERY)) == ("amount", "")


def test_a_line_without_quantity_is_one_piece():
    assert problems(**items({"unit_price": "64.50"})) == ("", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("item_0_unit_price", "-5.00"),
        ("item_0_unit_price", "28.001"),
        ("item_0_quantity", "1.5"),
        ("item_0_quantity", "0"),
        ("item_0_tax_amount", "three"),
        ("item_0_name", "Kettle 🙂"),
        ("item_0_name", "x" * 256),
    ],
)
def test_a_line_with_a_bad_value_names_it_and_spares_the_amount(name, value):
    assert problems(**items(KETTLE, DELIVERY, **{name: value})) == (name, "")


def test_a_line_without_a_price_names_it():
    assert problems(**items({"name": "Gift"}, DELIVERY)) == ("", "item_0_unit_price")


def test_a_line_with_a_code_of_its_own_needs_name_sku_and_quantity():
    assert problems(**items({"code": "electronic_good", "unit_price": "64.50"})) == (
        "",
        "item_0_name,item_0_quantity,item_0_sku",
    )


@pytest.mark.parametrize("count", ["1", "3", "x", "201"])
def test_the_count_of_lines_has_to_be_right(count):
    assert problems(**items(KETTLE, DELIVERY, line_item_count=count)) == ("line_item_count", "")


def test_lines_need_a_count():
    fields = items(KETTLE, DELIVERY)
    del fields["line_item_count"]
    assert problems(**fields) == ("", "line_item_count")


def test_more_than_200_lines_are_refused():
    lines = [{"unit_price": "0.00"}] * 200
    assert problems(**items({"unit_price": "64.50"}, *lines[:199])) == ("", "")
    assert problems(**items({"unit_price": "64.50"}, *lines)) == ("line_item_count", "")


def test_the_lines_alone_tell_the_amount():
    pairs = dict(form(**items(KETTLE, DELIVERY)))
    typed = {name: pairs.pop(name) for name in card()}
    fields = {name: value for name, value in pairs.items() if name not in {"signature", "amount"}}
    fields = {name: value for name, value in fields.items() if not name.endswith("signed_field_names")}
    names = [*fields, "amount"]
    answer = gateway().submit(
        "/silent/pay",
        signed({name: fields.get(name, "") for name in names}, unsigned=tuple(typed)) + list(typed.items()),
    )
    assert told(answer)["auth_amount"] == "64.50"


def test_an_amount_is_required_without_lines():
    assert problems(amount="") == ("", "amount")
    assert problems(currency="") == ("", "currency")
