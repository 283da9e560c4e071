"""What is said of a stored card is read in Secure Acceptance's words, and its number never beyond the last digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersource.protocol.rest import StoredCard


def customer(number: object = "411111XXXXXX1111", **card: object) -> dict[str, object]:
    instrument = {"card": card, "_embedded": {"instrumentIdentifier": {"card": {"number": number}}}}
    return {"_embedded": {"defaultPaymentInstrument": instrument}}


def test_a_customers_default_card_is_read():
    told = customer(expirationMonth="12", expirationYear="2031", type="001")
    assert StoredCard.read(told) == StoredCard(expiry="12-2031", type="001", masked="xxxxxxxxxxxx1111")


def test_a_payment_instrument_by_itself_is_read_too():
    told = customer(expirationMonth="01", expirationYear="2030")["_embedded"]["defaultPaymentInstrument"]
    assert StoredCard.read(told) == StoredCard(expiry="01-2030", type="", masked="xxxxxxxxxxxx1111")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, StoredCard(expiry="", type="", masked="")),
        ({}, StoredCard(expiry="", type="", masked="")),
        (customer("x"), StoredCard(expiry="", type="", masked="")),
        (customer(7, expirationMonth="13", expirationYear="31"), StoredCard(expiry="", type="", masked="")),
        (customer("", expirationMonth="12", type="visa"), StoredCard(expiry="", type="001", masked="")),
        (customer("", type="American Express"), StoredCard(expiry="", type="003", masked="")),
        (customer("", type="no card"), StoredCard(expiry="", type="", masked="")),
    ],
)
def test_what_is_not_said_in_the_way_of_secure_acceptance_is_not_said(told, expected):
    assert StoredCard.read(told) == expected


@given(number=st.text(alphabet="0123456789Xx*", min_size=13, max_size=19))
def test_of_a_number_no_more_than_four_digits_are_read(number):
    assert sum(map(str.isdigit, StoredCard.read(customer(number)).masked)) in (0, 4)
