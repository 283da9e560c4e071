"""What each request field may hold, and how text is brought into that shape before it is signed.

Two promises. Everything :func:`clean` returns is within the documented characters and length of its field. And no
cleaned value holds both a comma and an equals sign, so nothing that was typed can be cut into ``,name=value`` and read
as a field of its own, neither in our form nor where CyberSource echoes it.

Where the guides disagree the narrower rule is taken: company names 40 (not 60), states 20 (not 60). Combining marks
count as letters, since Hindi or Thai cannot be written without them; the guides speak of "letters of any language"
only.

Source: Silent Order POST Development Guide 2017 and Checkout API Integration Guide 2025, data types and request fields.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from .regions import STATES, state_code
from .vocabulary import LOCALES, SHIPPING_METHODS

#: Stands where a field is required and nothing permitted is left of what was typed, such as a name made of emoji.
#: A hyphen is in the permitted set, says nothing false, and is recognisable to staff and reviewers.
FILLER = "-"

DEFAULT_LOCALE = LOCALES[0]

#: Letters, digits and ``!"#$%&'()*+,-./:;=?@^_~`` and the space are permitted; the equals sign we give up ourselves.
_PUNCTUATION = frozenset(" !\"#$%&'()*+,-./:;?@^_~")

_REPLACED = {
    ord(old): new
    for olds, new in {
        "=\u2010\u2011\u2012\u2013\u2014\u2015\u2212": "-",
        "`\u00b4\u2018\u2019\u201a\u201b\u2032": "'",
        "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb": '"',
        "[{": "(",
        "]}": ")",
        "\\": "/",
        "\u00d7": "x",
        "\u2026": "...",
        "\u2116": "No.",
    }.items()
    for old in olds
}


class _Permitted(dict[int, int | str | None]):
    """For ``str.translate``: keeps what is permitted, replaces what has a plain twin, blanks the rest.

    Filled for the scripts and the punctuation most titles have; the rest is looked up anew, so that it cannot grow.
    """

    def __missing__(self, codepoint: int) -> int | str | None:
        character = chr(codepoint)
        if codepoint < 128:
            return codepoint if character.isalnum() or character in _PUNCTUATION else " "
        category = unicodedata.category(character)
        if category == "Cf" or 0xFE00 <= codepoint <= 0xFE0F or 0xE0100 <= codepoint <= 0xE01EF:
            return None  # joiners, direction marks and variation selectors stand inside words: no blank for them
        return codepoint if category[0] == "L" or category in ("Mn", "Mc", "Nd") else " "


_PERMITTED = _Permitted(_REPLACED)
_PERMITTED.update({codepoint: _PERMITTED[codepoint] for codepoint in (*range(0x250), *range(0x2000, 0x2100))})
_PLAIN = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;?@^_~ ]*")


def free_text(value: str, length: int) -> str:
    """Return ``value`` in permitted characters, NFC, single blanks, at most ``length`` characters, without ``=``."""
    if not _PLAIN.fullmatch(value):
        value = unicodedata.normalize("NFC", value.translate(_PERMITTED))
    return " ".join(value.split())[:length].rstrip()


_REFUSED_IN_ITEMS = str.maketrans({'"': "''", ":": "-", "^": " "})


def item_text(value: str, length: int) -> str:
    """Return the words of a line item: free text without ``"``, ``:`` and ``^``.

    The guides permit them; shops report that forms with them in an item's name were refused, and nobody can tell the
    shopper why. Inches keep their sign as two apostrophes.
    """
    return free_text(free_text(value, 2 * length).replace(": ", " - ").translate(_REFUSED_IN_ITEMS), length)


def _opaque(value: str, length: int) -> str:
    """Return machine data such as Base64 untouched, or "" where cutting or replacing would spoil it."""
    intact = value.isascii() and value.isprintable() and len(value) <= length and not ("," in value and "=" in value)
    return value if intact and value == value.strip() else ""


def _word(pattern: str) -> Callable[[str, int], str]:
    shape = re.compile(pattern)

    def clean_word(value: str, length: int) -> str:
        value = value.strip()
        return value if len(value) <= length and shape.fullmatch(value) else ""

    return clean_word


def _phone(value: str, length: int) -> str:
    """Return the digits alone, without an extension; "" outside 6 to 15 digits."""
    main = re.split(r"(?i)x|ext|#|;", value[:100], maxsplit=1)[0]
    digits = "".join([str(unicodedata.decimal(character)) for character in main if character.isdecimal()])
    return digits if 6 <= len(digits) <= length else ""


_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+\-./=?^_~]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,}")


def _email(value: str, length: int) -> str:
    """Return a plain address; an international domain is written in ASCII. "" for what cannot be an address."""
    local, at, domain = value.strip().rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    address = f"{local}{at}{domain}"
    return address if len(address) <= length and _EMAIL.fullmatch(address) else ""


def _country(value: str, length: int) -> str:
    value = value.strip().upper()
    return value if len(value) == length and value.isascii() and value.isalpha() else ""


def _ip_address(value: str, length: int) -> str:
    """Return an IPv4 address, or an IPv6 address in its short form (at most 39 characters); else ""."""
    try:
        address = ipaddress.ip_address(value.strip().partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _locale(value: str, length: int) -> str:
    """Return the locale of CyberSource's pages nearest to ``value``; Django's ``pt_BR``, ``cs`` or ``zh-hant`` work."""
    wanted = value.strip().lower().replace("_", "-")
    wanted = {"zh-hans": "zh-cn", "zh-hant": "zh-tw", "en": DEFAULT_LOCALE}.get(wanted, wanted)
    if wanted in LOCALES:
        return wanted
    language = wanted.partition("-")[0]
    known = {"cs": "cz-cz", "ko": "ko-kr", "pt": "pt-br", "lo": "lo-la", "nn": "nb-no", "no": "nb-no"}.get(language)
    twin = f"{language}-{language}"
    if known or twin in LOCALES:
        return known or twin
    return next((locale for locale in LOCALES if locale.startswith(f"{language}-")), DEFAULT_LOCALE)


def _truth(value: str, length: int) -> str:
    value = value.strip().lower()
    return value if value in ("true", "false") else ""


def _shipping_method(value: str, length: int) -> str:
    value = value.strip().lower()
    return value if value in SHIPPING_METHODS else ""


_US_ZIP = re.compile(r"\D*(\d{5})(?:[\s-]*(\d{4}))?\D*", re.ASCII)
_CA_CODE = re.compile(r"([A-Z]\d[A-Z])[\s-]*(\d[A-Z]\d)", re.ASCII)


def postal_code(value: str, country: str) -> str:
    """Return ``12345`` or ``12345-6789`` for US, ``A1B 2C3`` for CA, else up to ten permitted characters.

    Returns "" for what cannot be brought into shape: a postal code cut short would be another one.
    """
    value = value.strip()[:40]
    if country == "US":
        found = _US_ZIP.fullmatch(value)
        return "-".join(filter(None, found.groups())) if found else ""
    if country == "CA":
        found = _CA_CODE.fullmatch(value.upper())
        return " ".join(found.groups()) if found else ""
    value = free_text(value, 40)
    return value if len(value) <= 10 else ""


def state(value: str, country: str, length: int = 20) -> str:
    """Return the two-letter code for US and CA, from the code or the name, "" when it is neither; else plain text."""
    if country in STATES:
        return state_code(value, country)
    value = free_text(value, 60)
    return value[:length].rstrip() if length > 2 or len(value) <= length else ""


@dataclass(frozen=True, kw_only=True)
class FieldRule:
    """How a field's value is brought into shape: ``clean(value, length)`` returns "" for what cannot be."""

    length: int  #: in characters
    clean: Callable[[str, int], str] = free_text

    @property
    def is_free_text(self) -> bool:
        """Whether anything typed can be brought into shape, rather than being right or wrong."""
        return self.clean in (free_text, item_text)


_amount = _word(r"[0-9]{1,15}(?:\.[0-9]{1,3})?")
_digits = _word(r"[0-9]+")
_identifier = _word(r"[A-Za-z0-9._:-]+")

_ADDRESS = {
    "forename": FieldRule(length=60),
    "surname": FieldRule(length=60),
    "company_name": FieldRule(length=40),
    "email": FieldRule(length=255, clean=_email),
    "phone": FieldRule(length=15, clean=_phone),
    "address_line1": FieldRule(length=60),
    "address_line2": FieldRule(length=60),
    "address_city": FieldRule(length=50),
    "address_state": FieldRule(length=20),
    "address_postal_code": FieldRule(length=10),
    "address_country": FieldRule(length=2, clean=_country),
}

_RULES: dict[str, FieldRule] = {
    **{f"bill_to_{name}": rule for name, rule in _ADDRESS.items()},
    **{f"ship_to_{name}": rule for name, rule in _ADDRESS.items()},
    "ship_to_address_state": FieldRule(length=2, clean=_word(r"[A-Za-z0-9]{1,2}")),
    "ship_to_type": FieldRule(length=25),
    "access_key": FieldRule(length=32, clean=_word(r"[A-Za-z0-9]+")),
    "profile_id": FieldRule(length=36, clean=_identifier),
    "transaction_uuid": FieldRule(length=50, clean=_identifier),
    "reference_number": FieldRule(length=50),
    "locale": FieldRule(length=5, clean=_locale),
    "payment_method": FieldRule(length=30, clean=_word(r"[a-z]+")),
    "amount": FieldRule(length=15, clean=_amount),
    "tax_amount": FieldRule(length=15, clean=_amount),
    "currency": FieldRule(length=3, clean=_word(r"[A-Z]{3}")),
    "payment_token": FieldRule(length=32, clean=_word(r"[A-Za-z0-9]+")),
    "payment_token_title": FieldRule(length=60),
    "payment_token_comments": FieldRule(length=255),
    "consumer_id": FieldRule(length=100),
    "override_custom_receipt_page": FieldRule(length=255, clean=_word(r"https?://[!-+\--~]+")),
    "override_backoffice_post_url": FieldRule(length=255, clean=_word(r"https?://[!-+\--~]+")),
    "override_custom_cancel_page": FieldRule(length=255, clean=_word(r"https?://[!-+\--~]+")),
    "override_customer_utc_offset": FieldRule(length=5, clean=_word(r"[+-]?[0-9]+")),
    "customer_ip_address": FieldRule(length=39, clean=_ip_address),
    "device_fingerprint_id": FieldRule(length=88, clean=_word(r"[A-Za-z0-9_-]+")),
    "shipping_method": FieldRule(length=10, clean=_shipping_method),
    "line_item_count": FieldRule(length=3, clean=_digits),
    "partner_solution_id": FieldRule(length=8, clean=_word(r"[A-Za-z0-9]+")),
    "date_of_birth": FieldRule(length=8, clean=_word(r"[0-9]{8}")),
    "promotion_code": FieldRule(length=100),
    "merchant_secure_data4": FieldRule(length=2000, clean=_opaque),
    "merchant_descriptor": FieldRule(length=23),
    "merchant_descriptor_alternate": FieldRule(length=13),
    "merchant_descriptor_city": FieldRule(length=13),
    "merchant_descriptor_contact": FieldRule(length=14),
    "merchant_descriptor_country": FieldRule(length=2, clean=_country),
    "merchant_descriptor_postal_code": FieldRule(length=14),
    "merchant_descriptor_state": FieldRule(length=3),
    "merchant_descriptor_street": FieldRule(length=60),
    "recurring_frequency": FieldRule(length=20, clean=_word(r"[a-z-]+")),
    "recurring_amount": FieldRule(length=15, clean=_amount),
    "recurring_start_date": FieldRule(length=8, clean=_word(r"[0-9]{8}")),
    "recurring_number_of_installments": FieldRule(length=3, clean=_digits),
    "transaction_reason": FieldRule(length=26, clean=_word(r"[a-z_]+")),
    "auth_indicator": FieldRule(length=1, clean=_word(r"[01]")),
    **{f"merchant_secure_data{n}": FieldRule(length=100, clean=_opaque) for n in (1, 2, 3)},
    **{f"merchant_defined_data{n}": FieldRule(length=100) for n in range(1, 101)},
    **{
        name: FieldRule(length=5, clean=_truth)
        for name in (
            "ignore_avs",
            "ignore_cvn",
            "skip_decision_manager",
            "skip_auto_auth",
            "skip_bin_lookup",
            "conditions_accepted",
            "allow_payment_token_update",
            "customer_cookies_accepted",
            "customer_gift_wrap",
            "returns_accepted",
            "recurring_automatic_renew",
            "credential_stored_on_file",
        )
    },
}

_ITEM_RULES = {
    "name": FieldRule(length=255, clean=item_text),
    "sku": FieldRule(length=255, clean=item_text),
    "code": FieldRule(length=255, clean=item_text),
    "description": FieldRule(length=255, clean=item_text),
    "quantity": FieldRule(length=10, clean=_digits),
    "unit_price": FieldRule(length=15, clean=_amount),
    "tax_amount": FieldRule(length=15, clean=_amount),
}

_ITEM = re.compile(r"item_[0-9]{1,3}_([a-z_]+)")

#: For fields the guides may have added since: plain text of the length most of them have.
_UNKNOWN_FIELD = FieldRule(length=255)
_UNKNOWN_ITEM_FIELD = FieldRule(length=255, clean=item_text)


@lru_cache(maxsize=2048)
def rule_for(field_name: str) -> FieldRule:
    """Return the rule of a request field; a field we do not know is plain text of at most 255 characters."""
    item = _ITEM.fullmatch(field_name)
    if item:
        return _ITEM_RULES.get(item[1], _UNKNOWN_ITEM_FIELD)
    return _RULES.get(field_name, _UNKNOWN_FIELD)


def clean(field_name: str, value: str, *, country: str = "") -> str:
    """Return ``value`` as the field ``field_name`` may hold it, "" when nothing of it may stand there.

    ``country`` gives states and postal codes of US and CA their shape. Never raises for any text.
    """
    if field_name.endswith("_address_postal_code"):
        return postal_code(value, country)
    if field_name.endswith("_address_state"):
        return state(value, country, rule_for(field_name).length)
    rule = rule_for(field_name)
    return rule.clean(value, rule.length)
