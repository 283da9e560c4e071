"""What comes in: JSON objects within bounds, and never a card number.

A card number has no business here: a client that posts one took this for a payment form, and must hear of it at once.
It is looked for in the body, the query, the path and the headers before anything else is done with them, and the
refusal is logged without it.

Identifiers are digits too, so some are passed over: UUIDs, a payment's version, the headers of logins and traces, what
in a header begins as no card does, and the number of an order that the shop's books have. CyberSource's 22 digits are
longer than any card's.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote_plus

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from ..http.error_reports import take_query_off
from ..models import card_numbers
from ..protocol import luhn_valid, mask_card_numbers
from .errors import ErrorDetail, Refusal, too_large

logger = logging.getLogger(__name__)

#: Bytes of a request's body. A refund of five hundred lines has twenty thousand.
MAX_BYTES = 64 * 1024

#: What is no card number although it may read like one: a UUID with or without dashes, a payment's version.
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.I)
_VERSION = re.compile(r"\d{1,12}-(?:0|\d{1,12}\.[a-z-]{1,16})(?:-[a-z_]{1,16})?")

#: In a header, where moments and trace ids stand too: digits by themselves, as long as a card's and beginning like one.
_IN_HEADER = re.compile(r"(?<![\w.-])[2-6](?:[ -]{0,2}\d){12,15}(?![\w.-])")
_OTHER_HEADERS = re.compile(r"HTTP_(?:COOKIE|AUTHORIZATION|.*(?:TRACE|SPAN|REQUEST_ID|CORRELATION).*)")

#: What in a query or a path names an order, and may be as long as a card's number.
_NAMES_AN_ORDER = ("order", "reference", "hash", "number")


class DuplicateName(ValueError):
    """An object of the JSON has a name twice, and nobody could say which one was meant."""


class JSONReader(BaseParser):
    """JSON as the standard has it: one object in UTF-8, each name once, decimals kept as they were written."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        try:
            found = read(stream.read())
        except DuplicateName:
            raise ParseError(_("A name occurs twice in the JSON.")) from None
        except (ValueError, RecursionError):
            raise ParseError(_("The body is not readable as JSON in UTF-8.")) from None
        if not isinstance(found, dict):
            raise ParseError(_("The body is no JSON object."))
        return found


def read(body: bytes) -> Any:
    """Raises ValueError, or RecursionError for what is nested too deep."""
    return json.loads(body.decode("utf-8"), parse_float=decimal, parse_constant=no_number, object_pairs_hook=unique)


def decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None  # its exponent is higher than any


def no_number(text: str) -> Any:
    raise ValueError("not a number")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DuplicateName
    return found


def screen(request: Any, kwargs: Mapping[str, Any]) -> None:
    """Raise :class:`~.errors.Refusal` for a request that is too large or has what looks like a card number in it.

    ``request`` is Django's own, of which nothing has been read yet. Where it goes no further, whatever the reason, it
    keeps no query and no card number in its path: logs and reports say of a request where it went.
    """
    try:
        look_through(request, kwargs)
    except Exception:
        request.path = request.path_info = request.META["PATH_INFO"] = mask_card_numbers("", request.path)
        take_query_off(request)
        raise


def look_through(request: Any, kwargs: Mapping[str, Any]) -> None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MAX_BYTES or len(request.body) > MAX_BYTES:
        raise too_large()
    places = {
        "path": in_fields((name, [str(value)]) for name, value in kwargs.items()),
        "query": in_fields(request.GET.lists()),
        "headers": in_headers(request.META),
        "body": in_texts(texts(request.body)),
    }
    found = [place for place, has in places.items() if has]
    if found:
        logger.warning("Refused an API request: what looks like a card number was in its %s.", " and ".join(found))
        message = _("This looks like a card number. No address here takes one: the shopper types it at CyberSource.")
        raise Refusal(400, "card-number", message, [ErrorDetail(code="card-number", field=found[0], message=message)])


def in_fields(fields: Iterable[tuple[str, list[str]]]) -> bool:
    # No generator: where the database fails below one, its variables stand in Django's error report whatever is said of
    # the view (seen with Python 3.11), since a generator that is over does not know any more who asked it.
    for name, values in fields:
        for value in values:
            if is_told(name, value):
                return True
    return False


def looks_like_a_card(text: str) -> bool:
    if len(text) < 13 or _IDENTIFIER.fullmatch(text) or _VERSION.fullmatch(text):
        return False
    return card_numbers.mask("", text) != text


def is_told(name: str, value: str) -> bool:
    """Whether a name or its value looks like a card number, and is not the number of an order of the shop's."""
    if looks_like_a_card(name):
        return True
    return looks_like_a_card(value) and not (name in _NAMES_AN_ORDER and card_numbers.is_own_number(value))


def in_headers(meta: Mapping[str, Any]) -> bool:
    for name, value in meta.items():
        if name.startswith("HTTP_") and not _OTHER_HEADERS.fullmatch(name):
            if looks_like_a_card(value) if name == "HTTP_IDEMPOTENCY_KEY" else has_card_in_header(str(value)):
                return True
    return False


def in_texts(found: Iterable[str]) -> bool:
    for text in found:  # no generator expression, as above
        if looks_like_a_card(text):
            return True
    return False


def has_card_in_header(value: str) -> bool:
    return any(luhn_valid(re.sub(r"\D", "", found[0])) for found in _IN_HEADER.finditer(value))


def texts(body: bytes) -> Iterator[str]:
    """Every name and value of a JSON body; of any other body all of it, as it is and as a form would read it."""
    try:
        waiting = [read(body)] if body else []
    except (ValueError, RecursionError):
        raw = body.decode("utf-8", "replace")
        yield raw
        yield unquote_plus(raw, errors="replace")
        return
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting += found.values()
            yield from found
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, str | int | Decimal):
            yield str(found)
