"""A webhook delivery: signed JSON that says something happened. It is a hint to look, and never the news itself.

::

    v-c-signature: t=<milliseconds>;keyId=<uuid>;sig=<Base64 of HMAC-SHA256(key, t + "." + payload)>

Which bytes "payload" is, is the open point: the guide says the body's payload (decrypted, where it came encrypted),
CyberSource's own plugins take the inner member, or the raw body. So each reading is tried, and a delivery tells which
one held: where only the inner member is covered, nobody vouches for the names around it.

Source: webhooks guide, "Validating a notification", with its sample; CyberSource's plugins for other shops.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from ..errors import ProtocolError
from .answer import at, moment, text
from .keys import PrivateKey, SharedSecret
from .message_encryption import decrypted

#: An event has a few thousand bytes.
MAX_BODY_BYTES = 1024 * 1024

#: One is usual; older deliveries bring a list.
MAX_EVENTS = 100

#: By how much the sender's clock may be ahead of ours.
AHEAD = timedelta(minutes=10)

#: Names under which an encrypted payload may stand.
_ENCRYPTED_AS = ("encData", "encryptedRequest")

_LONGEST_HEADER = 1000
_TIME = re.compile(r"[0-9]{9,14}")
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_SIGNATURE_BYTES = 32
_JWE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}")
_BLANKS = re.compile(r"[ \t\n\r]*")

#: Below this a time is in seconds, which some senders were seen to use: as milliseconds it would be in 1973.
_FIRST_MILLISECONDS = 10**11

#: What a transaction's id looks like: 22 digits, and never as few as a card number.
_REQUEST_ID = re.compile(r"[0-9]{20,26}")


class InvalidWebhook(ProtocolError):
    """The delivery is not signed with a key of ours, or was signed too long ago."""


class BadDelivery(ProtocolError):
    """The delivery cannot be read, or not in one way only."""


class Covered(StrEnum):
    """What the signature covers."""

    BODY = "body"
    PAYLOAD = "payload"  #: the inner member only: event type, webhook and trace id are nobody's word


@dataclass(frozen=True, kw_only=True)
class SignatureHeader:
    """What ``v-c-signature`` says."""

    time: str  #: as it is written, since it is signed
    key_id: str
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, header: str) -> SignatureHeader:
        """Read the header, or raise :class:`InvalidWebhook`. Parts that we do not know are passed over.

        A header that was sent twice reads as one that says each of its parts twice.
        """
        if not header.strip():
            raise InvalidWebhook("signature-missing", "The delivery has no signature.")
        parts: dict[str, str] = {}
        for part in re.split("[;,]", header.strip(' "')) if len(header) <= _LONGEST_HEADER else ():
            name, _, value = part.strip().partition("=")
            if name in parts:
                raise InvalidWebhook("signature-twice", "The delivery says a part of its signature twice.")
            if name:
                parts[name] = value.strip(' "')
        try:
            signature = b64decode(parts.get("sig", "").encode("ascii"), validate=True)
        except (NotBase64, UnicodeEncodeError):
            signature = b""
        time, key_id = parts.get("t", ""), parts.get("keyId", "")
        if not (_TIME.fullmatch(time) and _KEY_ID.fullmatch(key_id) and len(signature) == _SIGNATURE_BYTES):
            raise InvalidWebhook("signature-unreadable", "The signature of the delivery cannot be read.")
        return cls(time=time, key_id=key_id, signature=signature)

    @property
    def signed_at(self) -> datetime:
        number = int(self.time)
        return datetime.fromtimestamp(number / 1000 if number >= _FIRST_MILLISECONDS else number, UTC)

    def signs(self, reading: bytes, key: SharedSecret) -> bool:
        """Whether this is the signature of ``reading`` under ``key``; found out in the same time either way."""
        message = self.time.encode("ascii") + b"." + reading
        return hmac.compare_digest(hmac.digest(key.secret, message, "sha256"), self.signature)

    @property
    def fingerprint(self) -> str:
        """Tells one signed message from another, whatever is written around it."""
        return sha256(self.signature).hexdigest()


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """One thing that happened, as far as it is told."""

    request_id: str  #: of the transaction; empty where the event is about none
    reference_number: str
    status: str
    customers: tuple[str, ...] = field(repr=False)  #: tokens of stored cards that it may be about
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, item: Any) -> WebhookEvent:
        """Read one item of a payload, tolerantly: what it tells stands in ``data``, or in the item itself."""
        told = at(item, "data")
        data: Mapping[str, Any] = told if isinstance(told, dict) else item if isinstance(item, dict) else {}
        ids = [text(data, name) for name in ("id", "requestId")]
        links = at(data, "_links.customers")
        hrefs = [text(each, "href") for each in links] if isinstance(links, list) else []
        tokens = [text(data, "id"), text(data, "tokenInformation.customer.id")]
        tokens += [href.rstrip("/").rpartition("/")[2] for href in hrefs]
        return cls(
            request_id=next((id for id in ids if _REQUEST_ID.fullmatch(id)), ""),
            reference_number=text(data, "referenceNumber") or text(data, "clientReferenceInformation.code"),
            status=text(data, "status"),
            customers=tuple(dict.fromkeys(filter(None, tokens))),
            data=data,
        )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery that was signed with one of our keys, in time."""

    event_type: str
    product_id: str
    webhook_id: str
    trace_id: str  #: another one each time the same event is delivered
    organization_id: str
    key_id: str
    signed_at: datetime
    event_at: datetime | None  #: told without a zone, taken as UTC
    is_retry: bool
    covered: Covered
    fingerprint: str
    events: tuple[WebhookEvent, ...]


def open_delivery(
    body: bytes,
    *,
    header: str,
    keys: Mapping[str, SharedSecret],
    now: datetime,
    max_age: timedelta,
    response_key: PrivateKey | None = None,
) -> Delivery:
    """Return what a delivery says, once its signature is found to be that of one of ``keys``, and not too old.

    Raises :class:`InvalidWebhook` or :class:`BadDelivery`.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BadDelivery("too-large", "The delivery is larger than any event.")
    signed = SignatureHeader.parse(header)
    key = keys.get(signed.key_id)
    if key is None:
        raise InvalidWebhook("unknown-key", "The delivery names a key that is not one of ours.")
    if now - signed.signed_at > max_age:
        raise InvalidWebhook("too-old", "The delivery was signed too long ago.")
    if signed.signed_at - now > AHEAD:
        raise InvalidWebhook("in-the-future", "The delivery was signed in the future.")
    read = _Read.of(body, response_key)
    covered = read.covered_by(signed, key)
    if covered is None:
        raise InvalidWebhook("signature-mismatch", "The signature does not match the delivery.")
    return _delivery(read, signed, covered)


def _delivery(read: _Read, signed: SignatureHeader, covered: Covered) -> Delivery:
    items = read.payload if isinstance(read.payload, list) and read.payload else [read.payload]
    if len(items) > MAX_EVENTS:
        raise BadDelivery("too-many-events", "The delivery has more events than any other.")
    retries = text(read.envelope, "retryNumber")
    return Delivery(
        event_type=text(read.envelope, "eventType"),
        product_id=text(read.envelope, "productId"),
        webhook_id=text(read.envelope, "webhookId"),
        trace_id=text(read.envelope, "transactionTraceId"),
        organization_id=text(read.envelope, "organizationId") or text(items, "0.organizationId"),
        key_id=signed.key_id,
        signed_at=signed.signed_at,
        event_at=moment(text(read.envelope, "eventDate")),
        is_retry=text(read.envelope, "requestType") == "RETRY" or retries not in ("", "0"),
        covered=covered,
        fingerprint=signed.fingerprint,
        events=tuple(WebhookEvent.read(item) for item in items),
    )


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A body that could be read in one way, and every reading of it that a signature may cover."""

    envelope: Mapping[str, Any]
    payload: Any
    wholes: tuple[bytes, ...]  #: the body, also decrypted
    parts: tuple[bytes, ...]  #: the inner member as it is written, written anew, decrypted

    @classmethod
    def of(cls, body: bytes, response_key: PrivateKey | None) -> _Read:
        wholes, parts = [body], []
        written = _utf8(body)
        if token := _encrypted(written.strip()):
            wholes.append(_opened(token, response_key))
            written = _utf8(wholes[-1])
        envelope, values = _members(written)
        # Source: webhooks guide. The plural is unconfirmed: one integrator saw it, and the test call has it.
        member = "payload" if "payload" in values else "payloads"
        payload = envelope.get(member)
        if member in values:
            parts = [values[member].encode(), _compact(payload)]
        if token := _encrypted(payload):
            parts.append(_opened(token, response_key))
            payload = _parsed(_utf8(parts[-1]))
        return cls(envelope=envelope, payload=payload, wholes=tuple(wholes), parts=tuple(parts))

    def covered_by(self, signed: SignatureHeader, key: SharedSecret) -> Covered | None:
        """Say what the signature is of, or None. Every reading is tried, whichever is the right one."""
        part = [signed.signs(reading, key) for reading in self.parts]
        whole = [signed.signs(reading, key) for reading in self.wholes]
        return Covered.PAYLOAD if any(part) else Covered.BODY if any(whole) else None


# ------------------------------------------------------------------------------------------------- reading JSON


class _SaidTwice(ValueError):
    """An object has two members of one name, of which another reader may take the other one."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _SaidTwice
    return members


def _no_number(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)


def _members(written: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the members of the object that a text is, and each member's value as it is written."""
    try:
        found = list(_scanned(written))
    except (ValueError, RecursionError) as problem:
        twice = isinstance(problem, _SaidTwice)
        found = []
    else:
        twice = len({name for name, _value, _as_written in found}) != len(found)
        if not twice:
            return {name: value for name, value, _ in found}, {name: as_written for name, _, as_written in found}
    # Raised out here, so that the error carries nothing of the delivery along.
    if twice:
        raise BadDelivery("said-twice", "The delivery has two members of one name.")
    raise BadDelivery("not-json", "The delivery is no JSON object.")


def _scanned(written: str) -> Iterator[tuple[str, Any, str]]:
    def behind_blanks(here: int) -> int:
        found = _BLANKS.match(written, here)
        return found.end() if found else here

    def behind(mark: str, here: int) -> int:
        here = behind_blanks(here)
        if written[here : here + 1] != mark:
            raise ValueError(mark)
        return behind_blanks(here + 1)

    here = behind("{", 0)
    while written[here : here + 1] != "}":
        name, here = _DECODER.raw_decode(written, here)
        if not isinstance(name, str):
            raise ValueError
        start = behind(":", here)
        value, here = _DECODER.raw_decode(written, start)
        yield name, value, written[start:here]
        here = behind_blanks(here)
        if written[here : here + 1] != "}":
            here = behind(",", here)
            if written[here : here + 1] == "}":
                raise ValueError(",")
    if behind("}", here) != len(written):
        raise ValueError("}")


def _parsed(written: str) -> Any:
    try:
        return _DECODER.decode(written)
    except (ValueError, RecursionError):
        pass
    raise BadDelivery("payload-not-json", "The payload of the delivery is no JSON, or says something twice.")


def _compact(payload: Any) -> bytes:
    """The payload written anew, as ``JSON.stringify`` does."""
    try:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b""


def _utf8(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise BadDelivery("not-utf8", "The delivery is not UTF-8 text.")


def _encrypted(value: Any) -> str | None:
    """Return the encrypted message that a value is, alone or as the only member of an object; else None."""
    if isinstance(value, dict) and len(value) == 1:
        value = next((value[name] for name in _ENCRYPTED_AS if name in value), None)
    return value if isinstance(value, str) and _JWE.fullmatch(value) else None


def _opened(token: str, key: PrivateKey | None) -> bytes:
    if key is None:
        raise BadDelivery("encrypted", "The delivery is encrypted and no response key is configured.")
    content = decrypted(token, key)
    if content is None:
        raise BadDelivery("undecryptable", "The delivery cannot be opened with our response key.")
    return content
