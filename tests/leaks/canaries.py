"""What must never be found, and the search that finds it.

The card numbers are published test numbers, or made up. The security codes begin with a zero, so that no count, key or
line number reads like them, and are looked for as values of their own.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

CARDS = {
    "Visa": "4012888888881881",
    "Visa, 13 digits": "4222222222222",
    "Mastercard": "5105105105105100",
    "Mastercard, 2-series": "2223003122003222",
    "American Express": "371449635398431",
    "Discover": "6011000990139424",
    "Diners Club": "30569309025904",
    "JCB": "3530111333300000",
    "UnionPay, 19 digits": "6205512973640183529",
}
CVN, CVN4 = "073", "0649"
SECURITY_CODES = {"three digits": CVN, "four digits": CVN4}

#: Where a shop keeps its keys; all are made up here.
KEYS = {
    "secret key of the settings": "canary0settings" + "7c1e94b2" * 30,
    "secret key of a profile": "canary1profile" + "5fd3a806" * 30,
    "secret key entered in the admin": "canary2admin" + "b9e04d17" * 30,
    "secret key entered with a mistake": "canary3mistake" + "4a6c8e20" * 30,
    "secret key of an unreadable profile": "canary4lost" + "11d7f3c5" * 30,
    "encryption key": "Y2FuYXJ5LWVuY3J5cHRpb24ta2V5LW9mLW5vYm9keSE=",
    "older encryption key": "canary5 an older encryption key, any text",
    "notification key": "canary6-notification-key-of-nobody",
    "SECRET_KEY": "canary7 the SECRET_KEY of no shop at all",
    "webhook key": "canary11 key of nobody, by which webhooks are signed",
    "REST shared secret": "canary8 REST shared secret of nobody, before Base64",
    "password of the REST certificate": "canary9 password of a .p12 file",
    "password of the REST reply key": "canary10 password of a key in PEM",
}

SHOPPER = {
    "street": "77 Canary Wharf Lane",
    "e-mail": "canary.shopper@example.com",
    "phone": "4155550188",
}


def written(number: str) -> dict[str, str]:
    """A card number as people and programs write it."""
    fours = [number[at : at + 4] for at in range(0, len(number), 4)]
    return {
        "plain": number,
        "with blanks": " ".join(fours),
        "with dashes": "-".join(fours),
        "with non-breaking blanks": "\u00a0".join(fours),
        "in full-width digits": number.translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
        "in Arabic digits": number.translate({ord("0") + n: 0x0660 + n for n in range(10)}),
        "in a sentence": f"my card is {number}, thanks",
    }


@dataclass(frozen=True)
class Found:
    """A canary where it has no business."""

    canary: str
    scenario: str
    kind: str
    where: str
    around: str

    def __str__(self) -> str:
        return f"{self.canary} in {self.kind} ({self.where}) of '{self.scenario}': …{self.around}…"


_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
_LONG_RUN = re.compile(r"\d(?:[ \-\u2010-\u2015]{0,2}\d){10,}")
_CVN = re.compile(rf"(?<![\w.:/#%+\\-])(?:{CVN}|{CVN4})(?!\w|[.:/+-]\w)")
#: More than the first six or the last four digits of a masked number.
_HALF_MASKED = re.compile(r"\d{7,}[xX*•]{2,}\d*|[xX*•]{2,}\d{5,}")

#: Eleven digits in a row; those of one or two different digits may stand anywhere.
_WINDOWS = {
    number[at : at + 11]: name
    for name, number in CARDS.items()
    for at in range(len(number) - 10)
    if at == 0 or len(set(number[at : at + 11])) > 2
}
_HALVES = {half: name for name, number in CARDS.items() for half in (number[:7], number[-5:])}


def spellings(text: str) -> Iterator[str]:
    """The text, and the text as whoever reads it would decode it: escapes of URLs, of HTML and of Python undone."""
    yield text
    if not ("%" in text or "&" in text or "\\" in text):
        return
    decoded = html.unescape(unquote_plus(text))
    if "\\" in decoded:
        decoded = _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), decoded)
    if decoded != text:
        yield decoded


def cards_in(text: str) -> Iterator[tuple[str, int]]:
    """Every card number, whole or more of it than its first six and last four digits, in whatever digits."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = re.sub(r"[^\x00-\x7f]", lambda found: str(unicodedata.decimal(found[0], found[0])), text)
    for run in _LONG_RUN.finditer(text):
        digits = re.sub(r"\D", "", run[0])
        for at in range(len(digits) - 10):
            if name := _WINDOWS.get(digits[at : at + 11]):
                yield f"card number ({name})", run.start()
                break
    for run in _HALF_MASKED.finditer(text) if any(two in text for two in ("xx", "XX", "**", "••")) else ():
        for half, name in _HALVES.items():
            if half in run[0]:
                yield f"card number ({name}) half masked", run.start()


def security_codes_in(text: str) -> Iterator[tuple[str, int]]:
    for found in _CVN.finditer(text) if CVN in text or CVN4 in text else ():
        yield "security code", found.start()


def _parts(key: str) -> list[str]:
    """The key's beginning, its end, and the key in the encodings that a dump may hold."""
    raw = key.encode()
    return [key[:16], key[-16:], base64.b64encode(raw).decode()[:16], raw.hex()[:24]]


_KEY_PARTS = {part: name for name, key in KEYS.items() for part in _parts(key)}


def keys_in(text: str) -> Iterator[tuple[str, int]]:
    for part, name in _KEY_PARTS.items():
        at = text.find(part)
        if at >= 0:
            yield name, at


def address_in(text: str) -> Iterator[tuple[str, int]]:
    for name, value in SHOPPER.items():
        at = text.find(value)
        if at >= 0:
            yield f"shopper's {name}", at


def search(text: str, *, scenario: str = "", kind: str = "", where: str = "", address: bool = False) -> list[Found]:
    """Everything that is found in a text. ``address``: the shopper's address may stand there."""
    found = {}
    for spelled in spellings(text):
        looks = [cards_in(spelled), security_codes_in(spelled), keys_in(spelled)]
        if not address:
            looks.append(address_in(spelled))
        for look in looks:
            for canary, at in look:
                around = spelled[max(at - 60, 0) : at + 30].replace("\n", " ")
                found.setdefault(canary, Found(canary, scenario, kind, where, around))
    return list(found.values())
