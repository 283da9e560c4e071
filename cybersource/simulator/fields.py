"""What each request field may hold: type, length, words.

Source: Secure Acceptance Checkout API guide, "Data type definitions" and "Request fields"; where it and the older
Silent Order POST guide give different lengths the longer one rules. Names and addresses are strict. Merchant-defined
data is lenient, since the test host was seen to accept and echo ``{`` and ``"`` there.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from urllib.parse import urlsplit

from cybersource.simulator.cards import CARD_TYPES

Check = Callable[[str], bool]

_PUNCTUATION = frozenset(" !\"#$%&'()*+,-./:;=?@^_~")

PAYMENT_TYPES = frozenset(
    {
        "authorization",
        "sale",
        "authorization,create_payment_token",
        "sale,create_payment_token",
        "authorization,update_payment_token",
        "sale,update_payment_token",
    }
)
TRANSACTION_TYPES = PAYMENT_TYPES | {"create_payment_token", "update_payment_token"}

LOCALES = frozenset(
    "en ar-xn ca-es zh-hk zh-mo zh-cn zh-sg zh-tw hr-hr cz-cz da-dk nl-nl en-us en-au en-gb en-ca en-ie en-nz fi-fi "
    "fr-fr fr-ca de-de de-at el-gr he-il hu-hu id-id it-it ja-jp ko-kr lo-la ms-my nb-no tl-ph pl-pl pt-br ru-ru "
    "sk-sk es-es es-ar es-cl es-co es-mx es-pe es-us sv-se th-th tr-tr vi-vn".split()
)

SHIPPING_METHODS = frozenset("sameday oneday twoday threeday lowcost pickup other none".split())

_NO_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())


def decimals(currency: str) -> int:
    """Return how many decimals an amount in ``currency`` has. Source: ISO 4217."""
    return 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2


def money(amount: Decimal, currency: str) -> str:
    """Return ``amount`` as CyberSource prints what it computed itself: ``100`` dollars are ``100.00``."""
    return f"{amount:.{decimals(currency)}f}"


def _characters(value: str, classes: str, others: frozenset[str] = frozenset()) -> bool:
    # Marks belong to letters: many scripts cannot be written without them.
    return all(each in others or unicodedata.category(each)[0] in classes for each in value)


def punctuated(value: str) -> bool:
    """AlphaNumericPunctuation: letters and digits of any script, and a short list of signs."""
    return _characters(value, "LMN", _PUNCTUATION)


def ascii_punctuated(value: str) -> bool:
    """ASCIIAlphaNumericPunctuation, in the older guide's wide reading."""
    return value.isascii() and (punctuated(value.replace("\\", "")))


def printable(value: str) -> bool:
    """Whatever has no control character: for merchant-defined data and names we do not know."""
    return not any(unicodedata.category(each) in {"Cc", "Cs"} for each in value)


def pattern(expression: str) -> Check:
    """Return a check that the whole value matches ``expression`` (ASCII)."""
    compiled = re.compile(expression, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


def one_of(words: frozenset[str]) -> Check:
    """Return a check that the value is one of ``words``."""
    return lambda value: value in words


def address(value: str) -> bool:
    """An IPv4 or IPv6 address."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def web_address(value: str) -> bool:
    """An absolute http or https URL without blanks."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"[\s<>\"]", value)


numeric = pattern(r"\d+")
amount = pattern(r"\d+(\.\d{1,3})?")
boolean = pattern(r"true|false")
phone = pattern(r"[(),+\-.*#xX \d]{6,}")
email = pattern(r"[^\s@<>(),;:\"\[\]\\]+@[^\s@<>(),;:\"\[\]\\]+\.[^\s@<>(),;:\"\[\]\\]+")
country = pattern(r"[A-Z]{2}")
card_expiry = pattern(r"(0[1-9]|1[0-2])-\d{4}")
day = pattern(r"\d{8}")


@dataclass(frozen=True)
class Rule:
    """Longest length in characters, and what the characters must be."""

    length: int
    check: Check


_RULES: dict[str, Rule] = {
    "access_key": Rule(32, pattern(r"[A-Za-z0-9]+")),
    "profile_id": Rule(36, ascii_punctuated),
    "transaction_type": Rule(60, one_of(TRANSACTION_TYPES)),
    "transaction_uuid": Rule(50, ascii_punctuated),
    "reference_number": Rule(50, punctuated),
    "locale": Rule(5, one_of(LOCALES)),
    # The guides also know echeck and paypal; the profile played here has cards only.
    "payment_method": Rule(30, one_of(frozenset({"card"}))),
    "amount": Rule(15, amount),
    "currency": Rule(3, pattern(r"[A-Za-z]{3}")),
    "tax_amount": Rule(15, amount),
    "override_custom_receipt_page": Rule(255, web_address),
    "override_backoffice_post_url": Rule(255, web_address),
    "override_custom_cancel_page": Rule(255, web_address),
    "override_customer_utc_offset": Rule(5, pattern(r"-?\d+")),
    "ignore_avs": Rule(5, boolean),
    "ignore_cvn": Rule(5, boolean),
    "skip_decision_manager": Rule(5, boolean),
    "skip_auto_auth": Rule(5, boolean),
    "skip_bin_lookup": Rule(5, boolean),
    "partner_solution_id": Rule(8, punctuated),
    "conditions_accepted": Rule(5, boolean),
    "card_type": Rule(3, one_of(frozenset(CARD_TYPES))),
    "card_type_selection_indicator": Rule(1, numeric),
    "card_number": Rule(20, pattern(r"\d{12,19}")),
    "card_expiry_date": Rule(7, card_expiry),
    "card_cvn": Rule(4, pattern(r"\d{3,4}")),
    "payment_token": Rule(32, pattern(r"[A-Za-z0-9]+")),
    "payment_token_title": Rule(60, punctuated),
    "payment_token_comments": Rule(255, punctuated),
    "allow_payment_token_update": Rule(5, boolean),
    "consumer_id": Rule(100, punctuated),
    "bill_to_forename": Rule(60, punctuated),
    "bill_to_surname": Rule(60, punctuated),
    "bill_to_email": Rule(255, email),
    "bill_to_phone": Rule(15, phone),
    "bill_to_company_name": Rule(60, punctuated),
    "bill_to_address_line1": Rule(60, punctuated),
    "bill_to_address_line2": Rule(60, punctuated),
    "bill_to_address_city": Rule(50, punctuated),
    "bill_to_address_state": Rule(60, punctuated),
    "bill_to_address_postal_code": Rule(10, punctuated),
    "bill_to_address_country": Rule(2, country),
    "ship_to_forename": Rule(60, punctuated),
    "ship_to_surname": Rule(60, punctuated),
    "ship_to_phone": Rule(15, phone),
    "ship_to_company_name": Rule(40, punctuated),
    "ship_to_address_line1": Rule(60, punctuated),
    "ship_to_address_line2": Rule(60, punctuated),
    "ship_to_address_city": Rule(50, punctuated),
    "ship_to_address_state": Rule(60, punctuated),
    "ship_to_address_postal_code": Rule(10, punctuated),
    "ship_to_address_country": Rule(2, country),
    "ship_to_type": Rule(25, punctuated),
    "shipping_method": Rule(10, one_of(SHIPPING_METHODS)),
    "line_item_count": Rule(3, numeric),
    "customer_ip_address": Rule(39, address),
    # Characters outside A-Z a-z 0-9 - _ break the fingerprinting guide's rules: noted on the payment, not refused.
    "device_fingerprint_id": Rule(88, ascii_punctuated),
    "customer_cookies_accepted": Rule(5, boolean),
    "customer_gift_wrap": Rule(5, boolean),
    "returns_accepted": Rule(5, boolean),
    "date_of_birth": Rule(8, day),
    "merchant_secure_data4": Rule(2000, printable),
    "promotion_code": Rule(100, punctuated),
    "recurring_frequency": Rule(
        20,
        one_of(
            frozenset(
                "weekly bi-weekly quad-weekly monthly semi-monthly quarterly semi-annually annually".split(),
            )
        ),
    ),
    "recurring_amount": Rule(15, amount),
    "recurring_start_date": Rule(8, day),
    "recurring_automatic_renew": Rule(5, boolean),
    "recurring_number_of_installments": Rule(3, numeric),
    "auth_indicator": Rule(1, pattern(r"[01]")),
    "merchant_descriptor": Rule(23, punctuated),
}

_FAMILIES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(expression, re.ASCII), rule)
    for expression, rule in (
        (r"item_\d+_(name|sku|code|description)", Rule(255, punctuated)),
        # Digits only, so there is no half of anything.
        (r"item_\d+_quantity", Rule(10, pattern(r"0*[1-9]\d*"))),
        (r"item_\d+_(unit_price|tax_amount)", Rule(15, amount)),
        (r"merchant_defined_data\d+", Rule(100, printable)),
        (r"merchant_secure_data[1-3]", Rule(100, printable)),
    )
)

_UNKNOWN = Rule(2048, printable)

ITEM = re.compile(r"item_(\d+)_([a-z_]+)", re.ASCII)

#: item codes with which name, sku and quantity need not be given. Source: "Request fields", item_#_code.
FREE_ITEM_CODES = frozenset({"default", "shipping_only", "handling_only", "shipping_and_handling"})


def rule_for(name: str) -> Rule:
    """Return the rule of the field ``name``; a name that no guide lists takes whatever can be printed."""
    known = _RULES.get(name)
    if known:
        return known
    return next((rule for family, rule in _FAMILIES if family.fullmatch(name)), _UNKNOWN)


def acceptable(name: str, value: str) -> bool:
    """Tell whether ``value`` (not blank) may stand in the field ``name``, looked at alone."""
    rule = rule_for(name)
    return len(value) <= rule.length and rule.check(value)
