"""Posted pairs -> :class:`Request`, or the bare page that a badly signed form gets.

Source: Secure Acceptance Checkout API guide, "Required signed fields"; vendor support article on Secure Acceptance
access errors: a bad signature, key, profile or clock gets HTTP 403 and a page, and the shop hears nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cybersource.simulator import signing
from cybersource.simulator.fields import PAYMENT_TYPES, TRANSACTION_TYPES
from cybersource.simulator.settings import Profile, Settings, UnlistedFields

#: path -> the transaction types that the guides name for it
PATHS: dict[str, frozenset[str]] = {
    "/silent/pay": PAYMENT_TYPES,
    "/silent/token/create": frozenset({"create_payment_token"}),
    "/silent/token/update": frozenset({"update_payment_token"}),
    "/silent/embedded/pay": PAYMENT_TYPES,
    "/silent/embedded/token/create": frozenset({"create_payment_token"}),
    "/silent/embedded/token/update": frozenset({"update_payment_token"}),
}

ALWAYS_SIGNED = (
    "access_key",
    "profile_id",
    "transaction_uuid",
    "signed_field_names",
    "unsigned_field_names",
    "signed_date_time",
    "locale",
    "transaction_type",
    "reference_number",
    "amount",
    "currency",
    "payment_method",
)

#: Belongs to the envelope: never contents, never echoed.
ENVELOPE = frozenset({"signature", "signed_field_names", "unsigned_field_names", "signed_date_time"})
_BUTTONS = frozenset({"utf8", "commit"})

_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_SIGNED_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

#: Words of a line item, and what a shop must not put there where ``refuse_item_signs`` is on.
_ITEM_WORDS = re.compile(r"item_\d+_(?:name|sku|code|description)", re.ASCII)
_ODD = frozenset('":^')

_SURROGATE = re.compile("[\ud800-\udfff]")

MAX_FIELDS = 2000


class Refused(Exception):
    """The form gets a page and no reply. The reason names rules and fields, never a value."""

    def __init__(self, reason: str, *, status: int = 403) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Request:
    """A form whose signature, key, profile and clock are right. Its contents may still be wrong."""

    path: str
    profile: Profile
    access_key: str
    secret_key: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)  #: contents that count, blank ones left out
    signed: frozenset[str]  #: which of them the signature covers
    unlisted: tuple[str, ...]  #: names that were posted but stand in neither list

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    @property
    def creates_token(self) -> bool:
        return "create_payment_token" in self["transaction_type"].split(",")

    @property
    def updates_token(self) -> bool:
        return "update_payment_token" in self["transaction_type"].split(",")

    @property
    def pays(self) -> bool:
        """Whether an authorization is asked for, alone or with something else."""
        return self["transaction_type"] in PAYMENT_TYPES

    @property
    def sale(self) -> bool:
        return self["transaction_type"].split(",")[0] == "sale"


def read(path: str, pairs: Sequence[tuple[str, str]], *, settings: Settings, now: datetime) -> Request:
    """Return the :class:`Request` that ``pairs`` make, or raise :class:`Refused`."""
    if path not in PATHS:
        raise Refused("There is no such page", status=404)
    if len(pairs) > MAX_FIELDS:
        raise Refused(f"More than {MAX_FIELDS} fields", status=400)
    if any(_SURROGATE.search(name + value) for name, value in pairs):
        raise Refused("The form is not UTF-8", status=400)
    posted = dict(pairs)
    if len(posted) != len(pairs):
        raise Refused("A field was posted twice", status=400)

    profile = settings.profile_for(posted.get("access_key", ""))
    secret_key = profile.secret_for(posted["access_key"]) if profile else None
    if profile is None or secret_key is None:
        raise Refused("access_key is missing or not known")
    if profile.profile_id != posted.get("profile_id"):
        raise Refused("profile_id is missing or not the one of this access_key")
    if not profile.active:
        raise Refused("The profile is not active")

    signed, unsigned = _lists(posted)
    if not signing.verifies(posted, signed, secret_key, posted.get("signature", "")):
        raise Refused("The signature does not match the fields it names")
    _fresh(posted["signed_date_time"], settings, now)

    transaction_type = posted.get("transaction_type", "")
    if transaction_type in TRANSACTION_TYPES and not _takes(path, transaction_type, settings):
        raise Refused(f"{path} does not take this transaction_type")

    listed = {*signed, *unsigned}
    unlisted = tuple(name for name in posted if name not in listed | _BUTTONS | {"signature"} and posted[name])
    if unlisted and settings.unlisted_fields is UnlistedFields.REFUSE:
        raise Refused(f"In neither list of names: {', '.join(unlisted)}")
    if settings.unlisted_fields is UnlistedFields.ACCEPT:
        listed.update(unlisted)
    contents = {name: value for name, value in posted.items() if name in listed and name not in ENVELOPE and value}
    if settings.refuse_item_signs:
        odd = sorted(name for name, value in contents.items() if _ITEM_WORDS.fullmatch(name) and _ODD & set(value))
        if odd:
            raise Refused(f'One of ", : and ^ stands in {", ".join(odd)}')
    if "currency" in contents:
        contents["currency"] = contents["currency"].upper()
    return Request(
        path=path,
        profile=profile,
        access_key=posted["access_key"],
        secret_key=secret_key,
        fields=contents,
        signed=frozenset(signed),
        unlisted=unlisted,
    )


def _lists(posted: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the names of both lists, or refuse them."""
    if "signed_field_names" not in posted or "unsigned_field_names" not in posted:
        raise Refused("signed_field_names and unsigned_field_names must both be posted")
    signed = posted["signed_field_names"].split(",")
    unsigned = posted["unsigned_field_names"].split(",") if posted["unsigned_field_names"] else []
    names = signed + unsigned
    if not all(_NAME.fullmatch(name) for name in names):
        raise Refused("A list of names holds something that is no field name")
    if len(set(names)) != len(names):
        raise Refused("A name stands in the lists twice")
    # What an update of a token does not need it need not sign.
    needed = [
        name
        for name in ALWAYS_SIGNED
        if not (name in {"amount", "currency"} and posted.get("transaction_type") == "update_payment_token")
    ]
    missing = [name for name in needed if name not in signed]
    if missing:
        raise Refused(f"Must be signed and is not: {', '.join(missing)}")
    return signed, unsigned


def _fresh(signed_date_time: str, settings: Settings, now: datetime) -> None:
    """Refuse a signed_date_time that is malformed, too old or too far ahead."""
    try:
        if not _SIGNED_AT.fullmatch(signed_date_time):
            raise ValueError
        signed_at = datetime.strptime(signed_date_time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("signed_date_time is not of the form 2026-03-04T09:14:40Z") from None
    if now - signed_at > settings.max_age:
        raise Refused("signed_date_time is too old: sign the form when it is shown")
    if signed_at - now > settings.max_ahead:
        raise Refused("signed_date_time is in the future: the shop's clock is wrong")


def _takes(path: str, transaction_type: str, settings: Settings) -> bool:
    if transaction_type in PATHS[path] or not settings.strict_paths:
        return True
    # The guides name only the token path, a well-known integration has posted it to /silent/pay for years.
    return transaction_type == "create_payment_token" and path.endswith("/pay") and settings.token_on_pay_path
