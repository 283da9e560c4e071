"""Forms as a shop's browser posts them, signed with an HMAC of the tests' own."""

import base64
import hashlib
import hmac
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from cybersource.simulator import Answer, Gateway, Profile, Settings, cards
from tests.protocol.vectors import ACCESS_KEY, PROFILE_ID, SECRET_KEY

NOW = datetime(2026, 3, 4, 9, 15, 2, tzinfo=UTC)
RECEIPT_PAGE = "http://localhost:8000/api/cybersource/cybersource-reply/"

_numbers = itertools.count(1)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: int) -> None:
        self.at += timedelta(**by)


def signature(fields: dict[str, str], names: list[str], secret_key: str = SECRET_KEY) -> str:
    message = ",".join(f"{name}={fields.get(name, '')}" for name in names)
    return base64.b64encode(hmac.new(secret_key.encode(), message.encode(), hashlib.sha256).digest()).decode()


def verified(pairs: list[tuple[str, str]], secret_key: str = SECRET_KEY) -> dict[str, str]:
    """Return the fields that the signature of a reply covers, after checking it."""
    posted = dict(pairs)
    names = posted["signed_field_names"].split(",")
    assert posted["signature"] == signature(posted, names, secret_key)
    return {name: posted[name] for name in names}


def card(number: str = cards.APPROVED, **other: str) -> dict[str, str]:
    return {"card_type": "001", "card_number": number, "card_expiry_date": "12-2031", "card_cvn": "123", **other}


def form(
    typed: dict[str, str] | None = None,
    *,
    at: datetime = NOW,
    secret_key: str = SECRET_KEY,
    leave_out: tuple[str, ...] = (),
    unsigned: tuple[str, ...] = ("card_type", "card_number", "card_expiry_date", "card_cvn"),
    **changes: str,
) -> list[tuple[str, str]]:
    """Return a well-signed one-step form with the card ``typed`` (the paying one unless given)."""
    fields = {
        "access_key": ACCESS_KEY,
        "profile_id": PROFILE_ID,
        "transaction_uuid": f"6f1c2a4e-7c55-4f4f-9c1e-{next(_numbers):012d}",
        "signed_date_time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "locale": "en-us",
        "payment_method": "card",
        "transaction_type": "authorization,create_payment_token",
        "reference_number": "100018",
        "amount": "64.50",
        "currency": "USD",
        "bill_to_forename": "Maya",
        "bill_to_surname": "Okafor",
        "bill_to_email": "maya.okafor@example.com",
        "bill_to_address_line1": "12 Harbour Street",
        "bill_to_address_city": "Oakland",
        "bill_to_address_state": "CA",
        "bill_to_address_country": "US",
        "bill_to_address_postal_code": "94607",
        **changes,
    }
    for name in leave_out:
        fields.pop(name, None)
    return signed(fields, unsigned=unsigned, secret_key=secret_key) + list((card() if typed is None else typed).items())


def signed(
    fields: dict[str, str], *, unsigned: tuple[str, ...] = (), secret_key: str = SECRET_KEY
) -> list[tuple[str, str]]:
    names = [*fields, "signed_field_names", "unsigned_field_names"]
    fields = {"signed_field_names": ",".join(names), "unsigned_field_names": ",".join(unsigned), **fields}
    return [*fields.items(), ("signature", signature(fields, names, secret_key))]


def gateway(clock: Any = None, **settings: Any) -> Gateway:
    settings.setdefault("profiles", (Profile(receipt_page=RECEIPT_PAGE),))
    return Gateway(Settings(**settings), clock=clock or Clock())


def pay(at: Gateway, typed: dict[str, str] | None = None, **changes: Any) -> Answer:
    """Post a form to /silent/pay at the gateway's own time."""
    changes.setdefault("at", at.now())
    return at.submit("/silent/pay", form(typed, **changes))


def told(answer: Answer) -> dict[str, str]:
    """Return the verified fields that the browser takes to the shop."""
    assert answer.reply is not None, answer.page
    return verified(answer.reply)


def create_token(at: Gateway, typed: dict[str, str] | None = None, **changes: Any) -> Answer:
    """Post the first form of a two-step payment."""
    changes.setdefault("at", at.now())
    return at.submit("/silent/token/create", form(typed, transaction_type="create_payment_token", **changes))


def pay_by_token(at: Gateway, token: str, **changes: Any) -> Answer:
    """Post the second form of a two-step payment: no card in it."""
    changes.setdefault("at", at.now())
    changes.setdefault("transaction_type", "authorization")
    return at.submit("/silent/pay", form({}, unsigned=(), payment_token=token, **changes))
