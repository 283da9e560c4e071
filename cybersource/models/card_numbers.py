"""Card numbers where none belongs, told from the numbers of the shop's own orders.

Shops number their orders as they like, and one number in ten of as many digits as a card's passes the Luhn check.
Whatever looks like a card number is therefore looked up before it is masked or refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model

from ..protocol import holds_card_number, mask_card_numbers
from . import PaymentAttempt

Order = get_model("order", "Order")

#: What stands together as a number of an order does, and what is put behind one: for an operation, for a receipt, for
#: the proof that it is one's own.
_WORD = re.compile(r"[^\s,;:=\"'<>()\[\]{}?&]{13,64}")
_BEHIND = re.compile(r"(?:-[A-Z][0-9]+|-[A-Z2-7]{10}|:[\w=-]+)\Z")

#: Words of one message that are looked up, and orders that share the first six and last four characters of one.
MOST_WORDS = 20
MOST_ALIKE = 1000

#: A field whose name says so holds a phone number, some of which are as long as a card's.
_PHONES = re.compile(r"phone|mobile|telephone|fax", re.I)


@sensitive_variables()
def mask(field_name: str, value: str) -> str:
    """Mask likely card numbers as the protocol's own function does; numbers of the shop's orders stay whole.

    Takes a statement only for what looks like a card number.
    """
    masked = mask_card_numbers(field_name, value)
    if masked == value:
        return value
    ours = own_numbers(value)
    return mask_card_numbers(field_name, value, ours=ours) if ours else masked


@sensitive_variables()
def own_numbers(*texts: str) -> frozenset[str]:
    """Return the words of some texts that are numbers of the shop's orders, now or when their payment began.

    Nothing that may be a card's number goes to the database: it is asked for the first six and last four characters.
    """
    words = [word for text in texts for word in _words(text) if mask_card_numbers("", word) != word][:MOST_WORDS]
    if not words:
        return frozenset()
    found: set[str] = set()
    for model, column in ((Order, "number"), (PaymentAttempt, "reference_number")):
        alike = Q()
        for word in words:
            alike |= Q(**{f"{column}__startswith": word[:6], f"{column}__endswith": word[-4:]})
        rows = model._default_manager.filter(alike).order_by().values_list(column, flat=True)
        found.update(rows[:MOST_ALIKE])
    return frozenset(found.intersection(words))


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match[0].strip(".")
        for part in dict.fromkeys((word, *word.split("/"))):
            yield from dict.fromkeys((part, _BEHIND.sub("", part)))


@sensitive_variables()
def is_own_number(text: str) -> bool:
    """Whether a text is the number of an order of the shop's, with or without what is put behind one."""
    return bool({text, _BEHIND.sub("", text)} & own_numbers(text))


@sensitive_variables()
def mask_typed(field_name: str, value: str) -> str:
    """Mask what :func:`is_card_number` finds, and leave what merely looks alike: phones of thirteen digits."""
    return mask(field_name, value) if is_card_number(field_name, value) else value


# -- at checkout -----------------------------------------------------------------------------------------------------


@sensitive_variables()
def refusals(data: Any) -> Any:
    """Say of each value that somebody posted whether it holds a card number; empty when none does.

    The answer has the shape of a serializer's errors: a list of sentences, or a dictionary of such by field. Names
    count as well, and are not repeated: their parent is told. Takes two statements at most, whatever was posted.
    """
    typed = [value for name, value in _leaves("", data) if is_card_number(name, value)]
    return _refused(data, "", own_numbers(*typed)) if typed else {}


def is_card_number(field_name: str, value: str, ours: Iterable[str] = ()) -> bool:
    """Whether a value that somebody typed into this field holds a card number, beside numbers of the shop's own."""
    for number in ours:
        value = value.replace(number, "-;-")
    return len(value) >= 13 and holds_card_number(value, is_phone=bool(_PHONES.search(field_name)))


def _leaves(field_name: str, data: Any) -> Iterator[tuple[str, str]]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield "", str(name)
            yield from _leaves(str(name), value)
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        for value in data:
            yield from _leaves(field_name, value)
    else:
        yield field_name, str(data)


def _refused(data: Any, field_name: str, ours: Iterable[str]) -> Any:
    if isinstance(data, Mapping):
        if any(is_card_number("", str(name), ours) for name in data):
            return [sentence()]
        told = {str(name): _refused(value, str(name), ours) for name, value in data.items()}
        return {name: errors for name, errors in told.items() if errors}
    return [sentence()] if any(is_card_number(*leaf, ours) for leaf in _leaves(field_name, data)) else []


def sentence() -> str:
    return _(
        "This looks like a card number. Please do not enter it here: your card is asked for on the payment form only."
    )
