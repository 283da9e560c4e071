"""A payment request becomes the signed form that the shopper's browser posts.

    PaymentRequest.sign(credentials, at=now, transaction_uuid=uuid) -> SignedForm

A pure function: clock and uuid are arguments. What we control is signed before what a shop or a shopper typed, every
value is brought into the documented shape first, and what cannot be is refused with the name of its field.

Source: Silent Order POST Development Guide 2017 and Checkout API Integration Guide 2025, request fields and signing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from . import text
from .errors import AmountNotRepresentable, InvalidRequest
from .money import format_amount
from .signature import Credentials, sign
from .vocabulary import TransactionType

#: Never known to the shop's server: the shopper's page fills them in, and they are not signed.
CARD_FIELDS = ("card_type", "card_number", "card_expiry_date", "card_cvn")

#: Typed on the shopper's page where the order has no billing address.
BILL_TO_FIELDS = (
    "bill_to_forename",
    "bill_to_surname",
    "bill_to_email",
    "bill_to_address_line1",
    "bill_to_address_line2",
    "bill_to_address_city",
    "bill_to_address_state",
    "bill_to_address_postal_code",
    "bill_to_address_country",
)

#: Signed even at their defaults: what is not signed, a shopper could add.
POLICY_FIELDS = {"ignore_avs": "false", "ignore_cvn": "false", "skip_decision_manager": "false"}

#: CyberSource takes 200 items and echoes up to six fields of each; the echo of more than these would exceed the
#: thousand form fields that Django reads, and the reply would be lost.
MAX_ITEMS = 120

#: With any other code CyberSource wants name, sku and quantity.
_CODES_WITHOUT_SKU = frozenset({"", "default", "shipping_only", "handling_only", "shipping_and_handling"})

_FIELD_NAME = re.compile(r"[a-z0-9_]+")
_ITEM_FIELD = re.compile(r"item_[0-9]+_(?:name|sku|code|quantity|unit_price|tax_amount)")

#: No shop may put these into a form: card data, reply fields, and what signing itself writes.
_FORBIDDEN = frozenset({*CARD_FIELDS, "signature", "decision", "line_item_count"})
#: Oscar's addresses have no company, so a shop that knows one adds it.
_FREE_FOR_SHOPS = frozenset({"bill_to_company_name"})
_CONTROLLED_PREFIXES = ("bill_to_", "ship_to_address_", "req_", "card_", "echeck_account")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A billing or shipping address as the shop holds it; brought into shape when the form is signed."""

    forename: str = ""
    surname: str = ""
    company_name: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""  #: two letters, ISO 3166-1
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class LineItem:
    """One line of the order. Give the price of one piece, or of the whole line where it does not divide evenly.

    Prices are without tax; ``tax_amount`` is for the whole line and is added to it in CyberSource's check of the total.
    """

    name: str
    sku: str = ""
    quantity: int = 1
    unit_price: Decimal | None = None
    line_price: Decimal | None = None
    tax_amount: Decimal = Decimal(0)
    code: str = ""  #: CyberSource's product code, such as ``shipping_only``; "" is their ``default``

    def __post_init__(self) -> None:
        if (self.unit_price is None) == (self.line_price is None):
            raise TypeError("A LineItem takes either unit_price or line_price.")


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One input of the form. ``editable`` fields are filled in by the shopper's page and are not signed."""

    key: str
    value: str = field(repr=False)
    editable: bool = False


@dataclass(frozen=True, kw_only=True)
class SignedForm:
    """Every input of the form, in order: signed ones first, then those the shopper fills in, then the signature."""

    fields: tuple[FormField, ...]

    def as_dict(self) -> dict[str, str]:
        """Return all fields by name, the signature and the blank editable ones included."""
        return {item.key: item.value for item in self.fields}


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """What the shop asks CyberSource to do, before it is signed."""

    transaction_type: TransactionType
    reference_number: str  #: the order number as CyberSource knows it; see :func:`reference_number_for`
    amount: Decimal
    currency: str
    locale: str = text.DEFAULT_LOCALE
    payment_method: str = "card"
    bill_to: Address | None  #: None where the order has none: the shopper's page then asks for it
    bill_to_email: str = ""  #: the order's e-mail address, used where ``bill_to`` has none
    ship_to: Address | None = None
    items: Sequence[LineItem] = ()
    shipping_method: str = ""
    device_fingerprint_id: str = ""
    customer_ip_address: str = ""
    payment_token: str = field(default="", repr=False)
    extra_fields: Mapping[str, str] = field(default_factory=dict)
    receipt_page: str = ""
    backoffice_post_url: str = ""

    def sign(self, credentials: Credentials, *, at: datetime, transaction_uuid: str) -> SignedForm:
        """Return the form, signed as of ``at`` (aware) under ``transaction_uuid`` (unique for each attempt).

        Raises :class:`InvalidRequest`, naming the field, for what cannot become a form CyberSource accepts.
        """
        if at.tzinfo is None:
            raise InvalidRequest("naive-time", "Give the time of signing with its time zone.", "signed_date_time")
        signed, editable = self._fields(credentials, transaction_uuid)
        signed["signed_date_time"] = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        signature = sign(signed, list(signed), credentials.secret_key)
        return SignedForm(
            fields=(
                *(FormField(key=key, value=value) for key, value in signed.items()),
                *(FormField(key=key, value=value, editable=True) for key, value in editable.items()),
                FormField(key="signature", value=signature),
            )
        )

    def check(self, credentials: Credentials, *, transaction_uuid: str) -> None:
        """Raise what :meth:`sign` would raise, and sign nothing."""
        self._fields(credentials, transaction_uuid)

    def _fields(self, credentials: Credentials, transaction_uuid: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the fields to sign, with a blank date, and those that the shopper fills in."""
        if not credentials.secret_key:
            raise InvalidRequest("no-secret", "The profile has no secret key to sign with.", "signature")
        for problem in self.problems():
            raise problem
        if self.payment_token and self.transaction_type.creates_token:
            raise InvalidRequest("token-twice", "A form that sends a token cannot also create one.", "payment_token")
        editable = self._editable_fields()
        signed = {
            "access_key": _exactly("access_key", credentials.access_key),
            "profile_id": _exactly("profile_id", credentials.profile_id),
            "transaction_uuid": _exactly("transaction_uuid", transaction_uuid),
            "signed_date_time": "",  # of these two the place among the first is what counts
            "signed_field_names": "",
            "unsigned_field_names": ",".join(editable),
            "locale": text.clean("locale", self.locale),
            "transaction_type": TransactionType(self.transaction_type).value,
            "payment_method": _exactly("payment_method", self.payment_method),
            "reference_number": _exactly("reference_number", self.reference_number),
            "amount": format_amount(self.amount, self.currency),
            "currency": self.currency,
            **POLICY_FIELDS,
        }
        _add(signed, "payment_token", self.payment_token and _exactly("payment_token", self.payment_token))
        _add(signed, "override_custom_receipt_page", _url("override_custom_receipt_page", self.receipt_page))
        _add(signed, "override_backoffice_post_url", _url("override_backoffice_post_url", self.backoffice_post_url))
        _add(signed, "customer_ip_address", text.clean("customer_ip_address", self.customer_ip_address))
        _add(signed, "device_fingerprint_id", text.clean("device_fingerprint_id", self.device_fingerprint_id))
        if self.shipping_method:
            signed["shipping_method"] = _exactly("shipping_method", self.shipping_method)
        # From here on comes what a shop or a shopper typed.
        signed.update(
            _item_fields(reconcile(self.items, self.amount, self.currency, self.reference_number), self.currency)
        )
        if self.bill_to is not None:
            bill_to = self._bill_to(self.bill_to)
            signed.update({name: value for name, value in bill_to.items() if name not in editable})
        if self.ship_to is not None:
            signed.update(_ship_to_fields(self.ship_to))
        self._add_extra_fields(signed, editable)

        signed["signed_field_names"] = ",".join(signed)
        return signed, editable

    def problems(self) -> tuple[InvalidRequest, ...]:
        """Everything that the order and its billing address lack for a form: amount and currency first.

        What a shop can learn before it places an order; :meth:`sign` raises the first of them.
        """
        found = []
        try:
            format_amount(self.amount, self.currency)
        except AmountNotRepresentable as problem:
            name = "currency" if problem.rule == "currency" else "amount"
            found.append(InvalidRequest(problem.rule, problem.explanation, name))
        if self.bill_to is None or self.payment_token:
            return tuple(found)
        fields = self._bill_to(self.bill_to)
        required = ["bill_to_email", "bill_to_address_country"]
        if fields.get("bill_to_address_country") in ("US", "CA"):
            required += ["bill_to_address_state", "bill_to_address_postal_code"]
        found += [
            InvalidRequest("required-field", f"The billing address needs a valid {_words(name)}.", name)
            for name in required
            if name not in fields
        ]
        return tuple(found)

    def _editable_fields(self) -> dict[str, str]:
        """What the shopper's page fills in. A token stands for card and address, so there it is nothing."""
        if self.payment_token:
            return {}
        editable = dict.fromkeys((*CARD_FIELDS, "bill_to_phone"), "")
        if self.bill_to is None:
            editable.update(dict.fromkeys(BILL_TO_FIELDS, ""))
            editable["bill_to_email"] = text.clean("bill_to_email", self.bill_to_email)
        return editable

    def _bill_to(self, address: Address) -> dict[str, str]:
        fields = _address_fields("bill_to", address)
        if not fields.get("bill_to_email"):
            _add(fields, "bill_to_email", text.clean("bill_to_email", self.bill_to_email))
        for name in ("forename", "surname", "address_line1", "address_city"):
            fields.setdefault(f"bill_to_{name}", text.FILLER)
        return fields

    def _add_extra_fields(self, signed: dict[str, str], editable: Mapping[str, str]) -> None:
        for name, value in self.extra_fields.items():
            if not _FIELD_NAME.fullmatch(name):
                raise InvalidRequest("extra-field-name", "Names of extra fields are small letters, digits and _.", name)
            taken = (name in signed and name not in POLICY_FIELDS) or name in editable or name in _FORBIDDEN
            controlled = name.startswith(_CONTROLLED_PREFIXES) and name not in _FREE_FOR_SHOPS
            if taken or controlled or _ITEM_FIELD.fullmatch(name):
                raise InvalidRequest("extra-field-taken", f"The form itself decides {name}; leave it out.", name)
            cleaned = text.clean(name, str(value))
            if value and not cleaned and not text.rule_for(name).is_free_text:
                raise InvalidRequest("extra-field-value", f"The value of {name} is not one that field takes.", name)
            _add(signed, name, cleaned)


def reference_number_for(order_number: object) -> str:
    """Return the reference number to send for an order: the order number itself wherever CyberSource takes it.

    A number with other characters, or longer than 50, is cut to what is permitted and told apart by a short hash. The
    same order number always gives the same reference number.
    """
    number = str(order_number)
    cleaned = text.clean("reference_number", number)
    if number and cleaned == number:
        return number
    mark = hashlib.sha256(number.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{cleaned[:39].rstrip()}-{mark}".lstrip("-")


def reconcile(items: Iterable[LineItem], amount: Decimal, currency: str, reference_number: str) -> tuple[LineItem, ...]:
    """Return at most 120 items whose unit prices can be said in ``currency`` and which add up to ``amount``.

    CyberSource refuses a form whose lines do not add up, has no negative lines and no discounts, and takes 200 of them.
    A line whose unit price would need rounding becomes one piece named "3 x ...". Of more than 120 lines the 120th and
    all further ones become one, since the reply echoes every item. Where the sum is not the amount (a voucher, a
    surcharge, a payment split over two methods), or a line cannot be said at all, the whole becomes one item. Never
    raises for any line.
    """
    whole = (LineItem(name=f"Order {reference_number}", unit_price=amount),)
    said: list[LineItem] = []
    for item in items:
        if item.quantity == 0:
            continue
        sayable = _sayable(item, currency)
        if sayable is None:
            return whole
        said.append(sayable)
    if not said or sum(map(_total, said)) != amount:
        return whole
    if len(said) > MAX_ITEMS:
        tail = said[MAX_ITEMS - 1 :]
        folded = LineItem(
            name=f"{len(tail)} more items",
            unit_price=sum((_price(item) for item in tail), Decimal(0)),
            tax_amount=sum((item.tax_amount for item in tail), Decimal(0)),
        )
        said[MAX_ITEMS - 1 :] = [folded]
    return tuple(said)


def _price(item: LineItem) -> Decimal:
    """The line's price without tax, of an item that :func:`_sayable` returned."""
    assert item.unit_price is not None
    return item.unit_price * item.quantity


def _total(item: LineItem) -> Decimal:
    return _price(item) + item.tax_amount


def _sayable(item: LineItem, currency: str) -> LineItem | None:
    """Return the item with a unit price that ``currency`` can say, or None when it has none."""
    if item.quantity < 0 or not _exact(item.tax_amount, currency):
        return None
    if item.unit_price is not None:
        unit_price, line_price = item.unit_price, item.unit_price * item.quantity
    else:
        assert item.line_price is not None
        line_price = item.line_price
        unit_price = line_price / item.quantity
    if _exact(unit_price, currency) and unit_price * item.quantity == line_price and len(str(item.quantity)) <= 10:
        return item if item.line_price is None else replace(item, unit_price=unit_price, line_price=None)
    if _exact(line_price, currency):
        name = f"{item.quantity} x {item.name}"
        return replace(item, name=name, quantity=1, unit_price=line_price, line_price=None)
    return None


def _exact(amount: Decimal, currency: str) -> bool:
    try:
        format_amount(amount, currency)
    except AmountNotRepresentable:
        return False
    return True


def _item_fields(items: Sequence[LineItem], currency: str) -> dict[str, str]:
    """The numbers of all items first, then the words."""
    fields = {"line_item_count": str(len(items))}
    for n, item in enumerate(items):
        assert item.unit_price is not None
        fields[f"item_{n}_quantity"] = str(item.quantity)
        fields[f"item_{n}_unit_price"] = format_amount(item.unit_price, currency)
        fields[f"item_{n}_tax_amount"] = format_amount(item.tax_amount, currency)
    for n, item in enumerate(items):
        sku = text.item_text(item.sku, 255)
        code = text.item_text(item.code, 255)
        fields[f"item_{n}_name"] = text.item_text(item.name, 255) or sku or "Item"
        _add(fields, f"item_{n}_sku", sku)
        if sku or code in _CODES_WITHOUT_SKU:
            _add(fields, f"item_{n}_code", code)
    return fields


def _address_fields(prefix: str, address: Address) -> dict[str, str]:
    """The fields of an address that have a valid value."""
    country = text.clean(f"{prefix}_address_country", address.country)
    values = {
        "forename": address.forename,
        "surname": address.surname,
        "company_name": address.company_name,
        "email": address.email,
        "phone": address.phone,
        "address_line1": address.line1,
        "address_line2": address.line2,
        "address_city": address.city,
        "address_state": address.state,
        "address_postal_code": address.postal_code,
        "address_country": country,
    }
    fields: dict[str, str] = {}
    for name, value in values.items():
        _add(fields, f"{prefix}_{name}", text.clean(f"{prefix}_{name}", value, country=country))
    return fields


def _ship_to_fields(address: Address) -> dict[str, str]:
    """Every shipping field is optional; a US or CA address without state or ZIP would be refused, so it is left out."""
    fields = _address_fields("ship_to", address)
    fields.pop("ship_to_email", None)  # there is no such field
    incomplete = not {"ship_to_address_state", "ship_to_address_postal_code"} <= fields.keys()
    country = fields.get("ship_to_address_country", "")
    if not country or (country in ("US", "CA") and incomplete):
        return {name: value for name, value in fields.items() if not name.startswith("ship_to_address_")}
    return fields


def _add(fields: dict[str, str], name: str, value: str) -> None:
    """Add a field that has a value. CyberSource does not echo blank fields, so we do not send them."""
    if value:
        fields[name] = value


def _exactly(name: str, value: str) -> str:
    """Return a value that may not be altered, or refuse it."""
    if not value or text.clean(name, value) != value:
        raise InvalidRequest("field-value", f"The value of {name} is empty or not one that field takes.", name)
    return value


def _url(name: str, value: str) -> str:
    if value and text.clean(name, value) != value:
        raise InvalidRequest(
            "field-value", f"{name} must be an http(s) URL of at most 255 ASCII characters without a comma.", name
        )
    return value


def _words(field_name: str) -> str:
    return field_name.removeprefix("bill_to_").removeprefix("address_").replace("_", " ")
