"""CyberSource's end of the wire, small and independent: its own join, its own HMAC, never those under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

from cybersource.protocol import ProtocolError

from .vectors import ACCESS_KEY, PROFILE_ID, SECRET_KEY

Pairs = list[tuple[str, str]]

#: The order in which most recorded replies sign; unknown names go before the last two.
REPLY_ORDER = (
    "transaction_id decision req_access_key req_profile_id req_transaction_uuid req_transaction_type "
    "req_reference_number req_amount req_currency req_locale req_payment_method req_payment_token"
).split()


def signature(message: str, secret: str = SECRET_KEY) -> str:
    digest = hmac.new(secret.encode(), message.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def message(pairs: Iterable[tuple[str, str]]) -> str:
    return ",".join(name + "=" + value for name, value in pairs)


def signed(pairs: Iterable[tuple[str, str]], secret: str = SECRET_KEY) -> Pairs:
    """The pairs as they stand, the list among them, followed by their signature. No rule is looked at."""
    pairs = list(pairs)
    return [*pairs, ("signature", signature(message(pairs), secret))]


def reply(fields: dict[str, str], secret: str = SECRET_KEY, *, list_at: int | None = None) -> Pairs:
    """A complete reply: the list names every field, itself and the date, in this order."""
    fields = {**fields, "signed_date_time": fields.get("signed_date_time", "2026-03-04T09:15:02Z")}
    names = list(fields)
    names.insert(len(names) - 1 if list_at is None else list_at, "signed_field_names")
    fields["signed_field_names"] = ",".join(names)
    return signed([(name, fields[name]) for name in names], secret)


def accepted(**changes: str) -> dict[str, str]:
    """The fields of a small accepted reply. ``None`` cannot be said here: leave a field out with ``without``."""
    return {
        "transaction_id": "7312345701236012404012",
        "decision": "ACCEPT",
        "req_access_key": ACCESS_KEY,
        "req_profile_id": PROFILE_ID,
        "req_transaction_uuid": "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02",
        "req_transaction_type": "authorization",
        "req_reference_number": "100018",
        "req_amount": "64.50",
        "req_currency": "USD",
        "message": "Request was processed successfully.",
        "reason_code": "100",
        "auth_amount": "64.50",
        "auth_code": "888888",
    } | changes


def without(fields: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in names}


def secret_for(access_key: str) -> str | None:
    return SECRET_KEY if access_key == ACCESS_KEY else None


def reads_as_a_sentence(refused: ProtocolError) -> bool:
    """What a developer reads of a refusal: an English sentence, then its rule."""
    shape = r"(?:[A-Z]|signed_field_names ).*[a-z].*(?:[a-z_]|XML|UTF-8)\. \[[a-z0-9-]+\]"
    return re.fullmatch(shape, str(refused)) is not None


def answer(form: dict[str, str], **result: str) -> Pairs:
    """Answer a posted form as the real service does: echo every field that has a value, sign in the usual order."""
    hidden = {"signature", "signed_field_names", "unsigned_field_names", "signed_date_time", "card_cvn"}
    echo = {f"req_{name}": value for name, value in form.items() if value and name not in hidden}
    if "req_card_number" in echo:
        echo["req_card_number"] = "x" * (len(echo["req_card_number"]) - 4) + echo["req_card_number"][-4:]
    fields = {"transaction_id": "7312345701236012404012", **result, **echo}
    ordered = [name for name in REPLY_ORDER if name in fields]
    last = [name for name in result if name not in ordered]
    middle = [name for name in fields if name not in ordered and name not in last]
    return reply({name: fields[name] for name in (*ordered, *middle, *last)})
