"""Amounts are said exactly or not at all."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersource.protocol import AmountNotRepresentable, currency_exponent, format_amount, parse_amount


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("64.5", "USD", "64.50"),
        ("64.50", "USD", "64.50"),
        ("64.5000", "USD", "64.50"),
        ("0", "USD", "0.00"),
        ("-0.00", "USD", "0.00"),
        ("1E+3", "USD", "1000.00"),
        ("1000", "JPY", "1000"),
        ("1000.00", "JPY", "1000"),
        ("0", "JPY", "0"),
        ("66", "KWD", "66.000"),
        ("0.001", "KWD", "0.001"),
        ("12.50", "RSD", "12.50"),
        ("999999999999.99", "USD", "999999999999.99"),
        ("999999999999999", "JPY", "999999999999999"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount: str, currency: str, text: str) -> None:
    assert format_amount(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "rule"),
    [
        ("64.505", "USD", "amount-rounds"),
        ("0.001", "USD", "amount-rounds"),
        ("1000.5", "JPY", "amount-rounds"),
        ("1.0001", "KWD", "amount-rounds"),
        ("1E-50", "USD", "amount-rounds"),
        ("-0.01", "USD", "amount-negative"),
        ("-1E+9", "USD", "amount-negative"),
        ("NaN", "USD", "amount-not-finite"),
        ("sNaN", "USD", "amount-not-finite"),
        ("Infinity", "USD", "amount-not-finite"),
        ("-Infinity", "USD", "amount-not-finite"),
        ("9999999999999.99", "USD", "amount-length"),
        ("1000000000000000", "JPY", "amount-length"),
        ("1E+60", "USD", "amount-length"),
        ("1E+999999", "USD", "amount-length"),
        ("1", "usd", "currency"),
        ("1", "US", "currency"),
        ("1", "", "currency"),
        ("1", "ÜSD", "currency"),
    ],
)
def test_an_amount_that_cannot_be_said_is_refused_and_never_rounded(amount: str, currency: str, rule: str) -> None:
    with pytest.raises(AmountNotRepresentable) as refused:
        format_amount(Decimal(amount), currency)
    assert refused.value.rule == rule
    assert refused.value.__cause__ is None


def test_the_callers_decimal_context_does_not_matter() -> None:
    with localcontext(prec=3):
        assert format_amount(Decimal("123456.78"), "USD") == "123456.78"
        with pytest.raises(AmountNotRepresentable):
            format_amount(Decimal("123456.789"), "USD")


@given(st.decimals(min_value=0, max_value=10**10, places=2), st.sampled_from(["USD", "EUR", "KWD"]))
def test_what_is_said_is_what_was_meant(amount: Decimal, currency: str) -> None:
    assert parse_amount(format_amount(amount, currency)) == amount


@pytest.mark.parametrize(
    ("text", "amount"), [("100", "100"), ("100.00", "100"), ("66.000", "66"), ("0.00", "0"), ("1.2345", "1.2345")]
)
def test_an_amount_in_a_reply_is_read(text: str, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1,000.00",
        "1e3",
        ".5",
        "5.",
        "1.2.3",
        " 1",
        "1\n",
        "\u0661",
        "NaN",
        "Infinity",
        "1_000",
        "9" * 16,
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountNotRepresentable) as refused:
        parse_amount(text)
    assert refused.value.rule == "amount-shape"


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0), ("KWD", 3), ("BHD", 3), ("HUF", 2), ("RSD", 2)],
)
def test_exponents_are_those_of_iso_4217(currency: str, exponent: int) -> None:
    assert currency_exponent(currency) == exponent
