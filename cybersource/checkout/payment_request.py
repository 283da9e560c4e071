"""The payment request: what the order, its addresses and the shop's receivers put into a form."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from math import isfinite
from traceback import format_tb
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from .. import signals
from ..conf import conf
from ..models import PaymentAttempt, card_numbers
from ..payments.amounts import code_of
from ..protocol import Address, Credentials, InvalidRequest, LineItem, PaymentRequest, TransactionType

logger = logging.getLogger(__name__)


class ReceiverMistake(Exception):
    """A receiver of the shop's own raised, or gave what no form can hold. ``explanation`` names it, and no value."""

    def __init__(self, receiver: str, mistake: str) -> None:
        self.explanation = f"{receiver} {mistake}"
        super().__init__(self.explanation)


@dataclass(frozen=True)
class ExtraFields:
    """What receivers added to a form, and which of them added what."""

    fields: dict[str, str] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)


def ask_receivers(signal: signals.FieldSignal, request: HttpRequest, order: Any, method_key: str) -> ExtraFields:
    """Ask the shop's receivers for fields. Raises :class:`ReceiverMistake`, with what they wrote rolled back."""
    given: dict[Any, Any] = {}
    by: dict[Any, str] = {}
    for receiver in signal.asked(PaymentAttempt):
        known = dict(given)
        name = f"The receiver {name_of(receiver)} of {signal.name}"
        try:
            with transaction.atomic():
                receiver(
                    signal=signal,
                    sender=PaymentAttempt,
                    extra_fields=given,
                    request=request,
                    order=order,
                    method_key=method_key,
                    channel=PaymentAttempt.Channel.SECURE_ACCEPTANCE.value,
                )
        except Exception as problem:
            # Not its message, which may hold what a shopper typed.
            where = "".join(format_tb(problem.__traceback__))
            logger.error("A receiver of %s raised %s:\n%s", signal.name, type(problem).__name__, where)
            raise ReceiverMistake(name, f"raised {type(problem).__name__}.") from problem
        by.update((key, name) for key in given if key not in known or given[key] is not known[key])
    fields = {}
    for key, value in given.items():
        if not isinstance(key, str):
            raise ReceiverMistake(by[key], "gave a field whose name is no text.")
        try:
            text = as_text(value)
        except TypeError:
            kind = type(value).__name__
            raise ReceiverMistake(by[key], f"gave {key} a value of type {kind}; give text or a number.") from None
        if text is not None:
            fields[key] = card_numbers.mask(key, text)  # often what the shopper typed, such as a delivery note
    return ExtraFields(fields, by)


def name_of(receiver: Any) -> str:
    function = getattr(receiver, "awaitable", receiver)  # asynchronous ones are wrapped
    function = getattr(function, "func", function)  # functools.partial
    kind = type(function)
    return ".".join(str(getattr(function, name, getattr(kind, name))) for name in ("__module__", "__qualname__"))


def as_text(value: Any) -> str | None:
    """What a receiver gave as the text of a field, None for nothing. Raises TypeError for what is no single value."""
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Promise | int | UUID):
        # No form holds a NUL or half a character, and neither does PostgreSQL.
        return str(value).encode("utf-8", "ignore").decode().replace("\0", "")
    if isinstance(value, float | Decimal) and isfinite(value):
        return f"{Decimal(str(value)):f}"
    raise TypeError


def check_form(form: PaymentRequest, credentials: Credentials, attempt: PaymentAttempt, added: ExtraFields) -> None:
    """Raise InvalidRequest for a form that cannot be made, or ReceiverMistake where a receiver spoils it."""
    try:
        form.check(credentials, transaction_uuid=attempt.transaction_uuid)
    except InvalidRequest as problem:
        if problem.field in added.by:
            raise ReceiverMistake(added.by[problem.field], f"spoils the form. {problem.explanation}") from None
        raise


def problems_of(order: Any, amount: Decimal) -> tuple[InvalidRequest, ...]:
    """What keeps an order, stored or not, from being paid by card, as far as order and address are to blame."""
    return PaymentRequest(
        transaction_type=TransactionType.AUTHORIZATION,
        reference_number="-",
        amount=amount,
        currency=code_of(order.currency),
        bill_to=address(order.billing_address),
        bill_to_email=order_email(order),
    ).problems()


def request_for(attempt: PaymentAttempt, order: Any) -> PaymentRequest:
    """Everything the form says, from the attempt and the order."""
    return PaymentRequest(
        transaction_type=TransactionType(attempt.transaction_type),
        reference_number=attempt.reference_number,
        amount=attempt.amount,
        currency=attempt.currency,
        locale=conf.locale,
        bill_to=address(order.billing_address),
        bill_to_email=order_email(order),
        ship_to=address(order.shipping_address),
        items=tuple(line_items(order)),
        shipping_method=conf.shipping_method_mapping.get(order.shipping_code, conf.shipping_method_default),
        device_fingerprint_id=attempt.device_fingerprint_id,
        customer_ip_address=str(attempt.customer_ip_address or ""),
        payment_token=attempt.token.token if attempt.token else "",
        extra_fields=attempt.extra_fields,
    )


def order_email(order: Any) -> str:
    email = (order.user.email if order.user else "") or order.guest_email or ""
    return card_numbers.mask_typed("email", email)


def address(held: Any) -> Address | None:
    if held is None:
        return None
    named = {
        "forename": held.first_name,
        "surname": held.last_name,
        "line1": held.line1,
        "line2": " ".join(filter(None, (held.line2, held.line3))),
        "city": held.line4,
        "state": held.state,
        "postal_code": held.postcode,
        "phone": str(getattr(held, "phone_number", "") or ""),
    }
    # Our own checkout refuses a card number, but an address may come from elsewhere.
    typed = {name: card_numbers.mask_typed(name, value) for name, value in named.items()}
    return Address(country=held.country.iso_3166_1_a2, **typed)


def line_items(order: Any) -> Iterable[LineItem]:
    """Every line of the order after its discounts, then what is charged for shipping and as surcharges."""
    named = order.shipping_incl_tax
    for line in order.lines.all():
        named += line.line_price_incl_tax
        yield priced(
            line.title,
            sku=line.partner_sku or line.upc or "",
            quantity=line.quantity,
            excl_tax=line.line_price_excl_tax,
            incl_tax=line.line_price_incl_tax,
        )
    if order.shipping_incl_tax:
        yield priced(
            order.shipping_method or _("Shipping"),
            code="shipping_only",
            excl_tax=order.shipping_excl_tax,
            incl_tax=order.shipping_incl_tax,
        )
    if order.total_incl_tax > named:
        for surcharge in order.surcharges.all():
            yield priced(surcharge.name, excl_tax=surcharge.excl_tax, incl_tax=surcharge.incl_tax)


def priced(
    name: str, *, excl_tax: Decimal, incl_tax: Decimal, quantity: int = 1, sku: str = "", code: str = ""
) -> LineItem:
    """A line whose total is exact: three for 10.00 has no unit price in cents and becomes one of "3 x"."""
    unit_price = (excl_tax / quantity).quantize(excl_tax) if quantity else excl_tax
    if unit_price * quantity != excl_tax:
        name, quantity, unit_price = f"{quantity} x {name}", 1, excl_tax
    return LineItem(
        name=name, sku=sku, code=code, quantity=quantity, unit_price=unit_price, tax_amount=incl_tax - excl_tax
    )
