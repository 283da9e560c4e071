"""A request's contents: which fields are missing, which are wrong. Both together make an ERROR 102.

Source: Secure Acceptance Checkout API guide, "Request fields" (required-for columns) and reply ``invalid_fields``,
``required_fields``; a recorded exchange with the test host for the Luhn check.
"""

from decimal import Decimal

from cybersource.simulator.cards import luhn
from cybersource.simulator.fields import FREE_ITEM_CODES, ITEM, acceptable, decimals, pattern
from cybersource.simulator.request import Request
from cybersource.simulator.settings import Settings

MAX_ITEMS = 200

_ALWAYS = ("transaction_type", "transaction_uuid", "reference_number", "locale", "payment_method")
_WITH_CARD = (
    "card_type",
    "card_number",
    "card_expiry_date",
    "bill_to_forename",
    "bill_to_surname",
    "bill_to_email",
    "bill_to_address_line1",
    "bill_to_address_city",
    "bill_to_address_country",
)
_STATES = pattern(r"[A-Z]{2}")
_POSTAL_CODES = {"US": pattern(r"\d{5}(-\d{4})?"), "CA": pattern(r"[A-Z]\d[A-Z] \d[A-Z]\d")}


def problems(request: Request, settings: Settings) -> tuple[list[str], list[str]]:
    """Return the names of invalid and of missing fields, each in alphabetical order."""
    fields = request.fields
    invalid = {name for name, value in fields.items() if not acceptable(name, value)}
    required = {name for name in _required(request, settings) if name not in fields}

    for side in ("bill_to", "ship_to"):
        country = fields.get(f"{side}_address_country", "")
        if country in _POSTAL_CODES:
            postal_code, state = f"{side}_address_postal_code", f"{side}_address_state"
            if fields.get(postal_code) and not _POSTAL_CODES[country](fields[postal_code]):
                invalid.add(postal_code)
            if fields.get(state) and not _STATES(fields[state]):
                invalid.add(state)

    number = fields.get("card_number", "")
    if number.isdecimal() and not luhn(number):
        invalid.add("card_number")
    digits = {"": {3, 4}, "003": {4}}.get(request["card_type"], {3})
    if "card_cvn" in fields and len(fields["card_cvn"]) not in digits:
        invalid.add("card_cvn")
    if settings.card_types is not None and "card_type" in fields and fields["card_type"] not in settings.card_types:
        invalid.add("card_type")
    if request.updates_token and request["allow_payment_token_update"] not in {"", "true"}:
        invalid.add("allow_payment_token_update")

    missing_items, wrong_items = _items(request, invalid)
    return sorted(invalid | wrong_items), sorted(required | missing_items)


def _required(request: Request, settings: Settings) -> set[str]:
    names = set(_ALWAYS)
    if request.updates_token:
        names |= {"payment_token", "allow_payment_token_update"}
    elif not request["payment_token"]:
        names.update(_WITH_CARD)
        if settings.cvn_required:
            names.add("card_cvn")
        if request["bill_to_address_country"] in _POSTAL_CODES:
            names |= {"bill_to_address_state", "bill_to_address_postal_code"}
    if request["transaction_type"] != "update_payment_token":
        names.add("currency")
        if not any(name.endswith("_unit_price") and ITEM.fullmatch(name) for name in request.fields):
            names.add("amount")
    return names


def _items(request: Request, invalid: set[str]) -> tuple[set[str], set[str]]:
    """Check amounts and line items together: (missing names, wrong names)."""
    missing: set[str] = set()
    wrong: set[str] = set()
    digits = decimals(request["currency"])
    for name, value in request.fields.items():
        is_amount = name in {"amount", "tax_amount"} or name.endswith(("_unit_price", "_tax_amount"))
        if is_amount and len(value.partition(".")[2]) > digits:
            wrong.add(name)

    numbers = sorted({int(match[1]) for match in map(ITEM.fullmatch, request.fields) if match})
    if not numbers and "line_item_count" not in request.fields:
        return missing, wrong
    if "line_item_count" not in request.fields:
        missing.add("line_item_count")
    elif "line_item_count" not in invalid:
        count = int(request["line_item_count"])
        if count > MAX_ITEMS or numbers != list(range(count)):
            wrong.add("line_item_count")

    total = Decimal(0)
    for number in numbers:
        item = f"item_{number}_"
        if request[item + "code"] and request[item + "code"] not in FREE_ITEM_CODES:
            missing |= {item + name for name in ("name", "sku", "quantity") if not request[item + name]}
        if not request[item + "unit_price"]:
            missing.add(item + "unit_price")
        if {item + "quantity", item + "unit_price", item + "tax_amount"} & (invalid | wrong | missing):
            continue
        # Tax is per line, added to the price of all pieces.
        total += Decimal(request[item + "unit_price"]) * int(request[item + "quantity"] or 1)
        total += Decimal(request[item + "tax_amount"] or 0)
    sound = not any(ITEM.fullmatch(name) for name in invalid | wrong | missing)
    if sound and numbers and request["amount"] and "amount" not in invalid and total != Decimal(request["amount"]):
        wrong.add("amount")
    return missing, wrong
