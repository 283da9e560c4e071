"""Posted fields become a reply, or are refused.

Three facts make this harder than comparing a signature. Our own form is signed with the same secret and the browser
holds it. The signed string ``a=1,b=2`` is ambiguous, since values may hold commas and equals signs and some of them
were typed by the shopper. And whatever is not signed can be added by anybody. So a reply is what *signed a decision*,
what can be *cut into fields in exactly one way*, and holds *only what was signed*.

Why one reading only: the list of names is itself signed. Were there a second list, ``,signed_field_names=`` would stand
twice in the message; were there a second cut under the same list, some value would hold ``,name=`` of a listed name.
Either is refused, whichever of the two readings arrives.

Source: Secure Acceptance Checkout API Integration Guide, reply fields and signing; recorded replies of the
real service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from types import MappingProxyType

from .errors import (
    AmbiguousMessage,
    AmountNotRepresentable,
    BadFieldList,
    DuplicateField,
    FieldNotSigned,
    MalformedPost,
    NotAReply,
    SignatureMismatch,
    UnknownAccessKey,
)
from .masking import Mask, mask_card_number, mask_card_numbers
from .money import parse_amount
from .signature import same_signature, signature_of
from .vocabulary import Decision

MAX_FIELDS = 1000
#: Characters of all signed names and values together. A genuine reply has about four thousand; one that echoes 120
#: order lines with the longest names may have a hundred thousand.
MAX_MESSAGE_LENGTH = 256 * 1024

#: Signed in every reply, whatever was decided.
ALWAYS_SIGNED = ("req_access_key", "req_transaction_uuid")

#: Signed where money may be held: what an attempt is compared with, and what the money can be found by.
SIGNED_WHEN_HELD = (
    "req_reference_number",
    "req_amount",
    "req_currency",
    "req_transaction_type",
    "req_profile_id",
    "transaction_id",
)

_LIST_CHARACTERS = b"abcdefghijklmnopqrstuvwxyz0123456789_,"
_CUTS = re.compile(r",([a-z0-9_]+)=")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One Secure Acceptance reply: the fields its signature covers, and nothing else.

    Verified, not yet believed: whether it belongs to an attempt we began is for the caller, who knows the attempts.
    Blank fields are None or "". ``repr`` shows neither tokens nor addresses.
    """

    decision: Decision
    decision_text: str  #: the word as it came
    reason_code: int | None  #: why, in CyberSource's numbers; the decision is what counts. None for CANCEL
    message: str = field(repr=False)  #: for staff, in English; never branch on it
    transaction_id: str | None  #: None when nothing reached the processor
    transaction_uuid: str  #: names our attempt
    reference_number: str | None  #: our order number, echoed
    amount: Decimal | None  #: as asked, echoed; None when missing or no amount
    amount_text: str
    currency: str | None
    transaction_type: str | None
    profile_id: str | None
    access_key: str
    auth_amount: Decimal | None  #: as authorized; less than ``amount`` is a partial approval
    auth_amount_text: str
    auth_code: str
    avs_code: str
    cvn_code: str
    payment_token: str | None = field(repr=False)  #: created, else the one that was sent
    request_token: str = field(repr=False)
    card_number: str = field(repr=False)  #: masked, such as ``xxxxxxxxxxxx1111``
    card_type: str
    card_expiry: str = field(repr=False)  #: ``MM-yyyy``
    invalid_fields: tuple[str, ...]  #: names of request fields
    required_fields: tuple[str, ...]
    signed_at: datetime | None  #: when CyberSource signed it
    auth_at: datetime | None
    signed: Mapping[str, str] = field(repr=False)  #: every signed field in signing order, for the log

    @classmethod
    def from_post(cls, posted: Iterable[tuple[str, str]], *, secret_for: Callable[[str], str | None]) -> Reply:
        """Return the verified reply among the posted form fields, or raise the rule it broke.

        ``posted`` holds every pair as it was posted, repeated names included. ``secret_for`` gets the access key that
        the reply names and returns the secret of one of our own keys, or None; it is called at most once, and only for
        posts that could be a reply.

        Raises a :class:`ProtocolError`: :class:`MalformedPost`, :class:`DuplicateField`, :class:`BadFieldList`,
        :class:`NotAReply`, :class:`FieldNotSigned`, :class:`UnknownAccessKey`, :class:`SignatureMismatch` or
        :class:`AmbiguousMessage`.
        """
        fields = _read_once(posted)
        signed = _signed_fields(fields)
        _require_signed(signed, ALWAYS_SIGNED)

        joined = ",".join(map("=".join, signed.items()))
        message = _as_bytes(joined)
        secret_key = secret_for(signed["req_access_key"])
        if not secret_key:
            raise UnknownAccessKey("unknown-access-key", "The reply names a key that is not one of ours.")
        if not same_signature(signature_of(message, secret_key), fields["signature"]):
            raise SignatureMismatch("signature", "The signature does not match the fields it names.")
        _require_one_reading(joined, signed)

        decision = Decision.read(signed["decision"])
        if decision in (Decision.ACCEPT, Decision.REVIEW):
            _require_signed(signed, SIGNED_WHEN_HELD)
        return cls._of(decision, signed)

    @classmethod
    def from_signed(cls, signed: Mapping[str, str]) -> Reply:
        """Return the reply whose verified fields were stored: for rows of our own log, never for anything posted."""
        return cls._of(Decision.read(signed["decision"]), dict(signed))

    @classmethod
    def _of(cls, decision: Decision, signed: dict[str, str]) -> Reply:
        get = signed.get
        amount_text, auth_amount_text = get("req_amount", ""), get("auth_amount", "")
        amount = _amount(amount_text)
        values = {
            "decision": decision,
            "decision_text": signed["decision"],
            "reason_code": _code(get("reason_code", "")),
            "message": get("message", ""),
            "transaction_id": get("transaction_id") or None,
            "transaction_uuid": signed["req_transaction_uuid"],
            "reference_number": get("req_reference_number") or None,
            "amount": amount,
            "amount_text": amount_text,
            "currency": get("req_currency") or None,
            "transaction_type": get("req_transaction_type") or None,
            "profile_id": get("req_profile_id") or None,
            "access_key": signed["req_access_key"],
            "auth_amount": amount if auth_amount_text == amount_text else _amount(auth_amount_text),
            "auth_amount_text": auth_amount_text,
            "auth_code": get("auth_code", ""),
            "avs_code": get("auth_avs_code", ""),
            "cvn_code": get("auth_cv_result", ""),
            "payment_token": get("payment_token") or get("req_payment_token") or None,
            "request_token": get("request_token", ""),
            "card_number": mask_card_number(get("req_card_number", "")),
            "card_type": get("req_card_type", ""),
            "card_expiry": get("req_card_expiry_date", ""),
            "invalid_fields": _names(get("invalid_fields", "")),
            "required_fields": _names(get("required_fields", "")),
            "signed_at": _time(get("signed_date_time", "")),
            "auth_at": _time(get("auth_time", "")),
            "signed": MappingProxyType(signed),
        }
        # A frozen dataclass would set its fields by one slow call each, and this is done for every reply.
        reply = object.__new__(cls)
        object.__setattr__(reply, "__dict__", values)
        return reply

    def for_storage(self, mask: Mask = mask_card_numbers) -> dict[str, str]:
        """Return the signed fields as they may be kept: what looks like a card number is masked, in names too.

        ``mask`` is given each value with its name, and knows more than this module does.
        """
        kept = {name: mask(name, value) for name, value in self.signed.items()}
        if kept["signed_field_names"] == self.signed["signed_field_names"]:
            return kept
        return {mask_card_numbers("", name): value for name, value in kept.items()}


def _read_once(posted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Rule: a post of bounded size, no form field posted twice."""
    pairs = list(islice(posted, MAX_FIELDS + 1))
    if len(pairs) > MAX_FIELDS:
        raise MalformedPost("too-many-fields", "The post has more fields than any reply.")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise DuplicateField("duplicate-field", "A form field is posted twice.")
    for name in ("signed_field_names", "signature"):
        if name not in fields:
            raise MalformedPost(f"no-{name.replace('_', '-')}", f"The post has no {name}.")
    return fields


def _signed_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Rule: a list of plain names, all posted and none repeated, which names itself; and it signs a decision."""
    listed = fields["signed_field_names"]
    # Deleting what names are made of is several times faster than matching the list against a pattern.
    if not listed.isascii() or listed.encode().translate(None, _LIST_CHARACTERS):
        raise BadFieldList("list-shape", "signed_field_names is not a plain list of names.")
    names = listed.split(",")
    missing = False
    try:
        signed = {name: fields[name] for name in names}
    except KeyError:
        signed, missing = dict.fromkeys(names, ""), True
    if "" in signed:
        raise BadFieldList("list-shape", "signed_field_names is not a plain list of names.")
    if len(signed) != len(names):
        raise BadFieldList("name-repeated", "signed_field_names names a field twice.")
    if "signed_field_names" not in signed:
        raise BadFieldList("list-not-signed", "signed_field_names does not name itself.")
    if "decision" not in signed:
        raise NotAReply("no-decision-signed", "No decision is signed: this is a form, not a reply.")
    if missing:
        raise BadFieldList("name-not-posted", "signed_field_names names a field that is not posted.")
    return signed


def _require_signed(signed: Mapping[str, str], names: Iterable[str]) -> None:
    """Rule: what we act on is signed, and says something."""
    for name in names:
        if not signed.get(name):
            raise FieldNotSigned("field-not-signed", f"The reply does not sign {name}.", name)


def _as_bytes(message: str) -> bytes:
    """Rule: text that was real UTF-8 and that a database can hold."""
    if len(message) > MAX_MESSAGE_LENGTH:
        raise MalformedPost("message-too-long", "The post is longer than any reply.")
    if "\0" in message:
        raise MalformedPost("not-text", "The post holds a NUL character.")
    try:
        return message.encode("utf-8")
    except UnicodeEncodeError:
        pass  # raised again outside, since that exception would carry the whole message along
    raise MalformedPost("not-text", "The post holds bytes that are not UTF-8.")


def _require_one_reading(joined: str, signed: Mapping[str, str]) -> None:
    """Rule: no signed value holds ``,name=`` of a listed name, ``signed_field_names`` among them."""
    if joined.count("=") == len(signed):
        return
    for value in signed.values():
        if "=" in value and not signed.keys().isdisjoint(_CUTS.findall(value)):
            raise AmbiguousMessage("ambiguous-message", "A signed value holds what reads as another signed field.")


def _code(text: str) -> int | None:
    return int(text) if len(text) <= 9 and text.isascii() and text.isdigit() else None


def _amount(text: str) -> Decimal | None:
    try:
        return parse_amount(text)
    except AmountNotRepresentable:
        return None


def _names(text: str) -> tuple[str, ...]:
    return tuple([name for name in map(str.strip, text.split(",")) if name]) if text else ()


def _time(text: str) -> datetime | None:
    """Read ``2026-03-04T09:15:02Z``, or without colons as ``auth_time`` has it; None for anything else."""
    if len(text) not in (18, 20) or text[10] != "T" or text[-1] != "Z":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
