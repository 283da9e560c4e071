"""What REST requests and answers are made of: paths into JSON, times, links, and the answer that refuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from cybersource.simulator.rest_access import RestAccess

#: field of a form -> member of ``billTo``
BILL_TO = {
    "bill_to_forename": "firstName",
    "bill_to_surname": "lastName",
    "bill_to_email": "email",
    "bill_to_phone": "phoneNumber",
    "bill_to_address_line1": "address1",
    "bill_to_address_line2": "address2",
    "bill_to_address_city": "locality",
    "bill_to_address_state": "administrativeArea",
    "bill_to_address_postal_code": "postalCode",
    "bill_to_address_country": "country",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request that was believed: what a service needs to know of it."""

    method: str
    path: str
    query: str = ""
    data: Mapping[str, Any] = field(repr=False)  #: the JSON body, opened
    access: RestAccess = field(repr=False)
    merchant_id: str
    now: datetime  #: by the clock that tests move

    @property
    def arguments(self) -> dict[str, str]:
        """The query of the URL."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def text(self, path: str) -> str:
        """Return a text of the body by its dotted name; empty where there is none."""
        return text(self.data, path)

    @property
    def reference(self) -> str:
        return self.text("clientReferenceInformation.code")

    @property
    def idempotency_id(self) -> str:
        return self.text("clientReferenceInformation.transactionId")

    @property
    def amount(self) -> str:
        """The amount of what moves money, as it was written."""
        under = ("orderInformation", "reversalInformation")
        return next(filter(None, (self.text(f"{name}.amountDetails.totalAmount") for name in under)), "")

    def refusal(self, reason: str, message: str, name: str = "") -> "Stop":
        """Return the answer 400 of the payment services, to be raised."""
        return invalid_request(self.now, reason, message, name)


@dataclass(frozen=True, kw_only=True)
class RestReply:
    """What goes back over HTTP, and how."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0.0
    drop: bool = False  #: end the connection without an answer
    break_off: bool = False  #: end it in the middle of the body


class Stop(Exception):
    """An answer that is no success, from any depth."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body


def invalid_request(now: datetime, reason: str, message: str, name: str = "") -> Stop:
    """Return the 400 that names a reason and, where there is one, a field."""
    body: dict[str, Any] = {
        "submitTimeUtc": time(now),
        "status": "INVALID_REQUEST",
        "reason": reason,
        "message": message,
    }
    if name:
        body["details"] = [{"field": name, "reason": reason}]
    return Stop(400, body)


def server_error(reason: str, now: datetime) -> dict[str, Any]:
    return {"submitTimeUtc": time(now), "status": "SERVER_ERROR", "reason": reason, "message": "Simulated."}


def link(method: str, href: str) -> dict[str, str]:
    return {"method": method, "href": href}


def time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encoded(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode("utf-8")


def at(data: Any, path: str) -> Any:
    """Return what stands under a dotted name, or None."""
    for name in path.split("."):
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def text(data: Any, path: str) -> str:
    value = at(data, path)
    return value if isinstance(value, str) else ""
