"""A shopper's browser in a test that has none: fills in a form, posts it here, and reads the page that comes back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from cybersource.simulator.cards import CARD_TYPES, by_tag
from cybersource.simulator.reply import Pairs

_CODES = {name: code for code, name in CARD_TYPES.items()}


@dataclass(frozen=True, kw_only=True)
class ReplyPage:
    """CyberSource's page as the shopper's browser has it, and what its script would post to the shop."""

    status: int | None  #: None: the connection broke before the page was whole
    posts: int = 0  #: how often the page posts: 0 when the reply is lost, 2 for the fault ``twice``
    action: str = ""  #: where it posts to
    fields: Pairs = field(default_factory=list, repr=False)  #: what it posts


def typed_card(tag: str, **other: str) -> dict[str, str]:
    """Return what a shopper types who has the test card ``tag``; ``other`` fields are added or replace these.

    Raises ValueError when no test card is called so.
    """
    card = by_tag(tag)
    if card is None:
        raise ValueError(f"No test card is called {tag!r}")
    return {
        "card_type": _CODES[card.brand],
        "card_number": card.number,
        "card_expiry_date": "12-2039",
        "card_cvn": "1234" if card.brand == "American Express" else "123",
        **other,
    }


def filled_in(fields: Iterable[Mapping[str, Any]], typed: Mapping[str, str]) -> Pairs:
    """Return the pairs that a form posts, its editable fields filled in.

    ``fields`` are those of a ``required_action``: mappings with ``key``, ``value`` and ``editable``.
    """
    return [
        (each["key"], typed.get(each["key"], each["value"]) if each["editable"] else each["value"]) for each in fields
    ]


def post_form(url: str, pairs: Pairs, *, timeout: float) -> ReplyPage:
    """Post a form as a browser does and read the page that comes back, if one does."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", parts.path, urlencode(pairs), headers)
        response = connection.getresponse()
        html = response.read().decode()
    except (ConnectionError, HTTPException):
        return ReplyPage(status=None)
    finally:
        connection.close()
    page = _Page()
    page.feed(html)
    if not page.posts:
        return ReplyPage(status=response.status)
    return ReplyPage(status=response.status, posts=page.posts, action=page.action, fields=page.fields)


class _Page(HTMLParser):
    """The form of a page, and how often its script submits it. A page that breaks off has no script."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: Pairs = []
        self.posts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and given.get("type") == "hidden":
            self.fields.append((given["name"], given["value"]))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script":
            self.posts += data.count("fetch(form.action") + data.count("form.submit()")
