"""The security keys: readable, found by their names, fit to sign, not too old, and one for each host."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.utils.translation import gettext as _

from .. import profiles
from ..db import clock
from ..models import SecureAcceptanceProfile
from ..protocol import Credentials, InvalidRequest, PaymentRequest, SignedForm, TransactionType, verify
from .findings import Area, Finding, Reporter
from .hosts import is_allowed

report = Reporter(area=Area.KEYS)

#: Source: Silent Order POST guide of 2017 and Checkout API guide of 2025: a key ends two years after it was made, and
#: CyberSource warns by e-mail. Accounts may have keys that live longer; a row tells when it was entered, which is no
#: earlier than the key was made.
KEY_LIVES = timedelta(days=730)
WARNED_BEFORE = timedelta(days=90)

#: A replaced key verifies for a day; see docs/how-to/keys.
ROTATION_TAKES = timedelta(days=2)

#: What every secret key that was seen looks like. An observation: no guide says so.
SECRET_SHAPE = re.compile(r"[0-9a-f]{256}")


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key that signs or verifies, and what to call it."""

    name: str
    credentials: Credentials


def look(
    hosts: Iterable[str], rows: Sequence[SecureAcceptanceProfile], *, settings_are_doubted: bool
) -> Iterator[Finding]:
    """``rows``: every active profile. ``settings_are_doubted``: the system checks told what is wrong with their key."""
    keys = []
    settings_key = profiles.from_settings()
    if settings_key and not settings_are_doubted:
        keys.append(Key(name=_("the key in the settings"), credentials=settings_key))
    unreadable = False
    for row in rows:
        if row.is_readable:
            keys.append(Key(name=named(row), credentials=profiles.credentials_of(row)))
        else:
            unreadable = True
            yield report.error(
                "D030",
                _("The secret of %(key)s cannot be decrypted with today's keys: it neither signs nor verifies.")
                % {"key": named(row)},
                _("Restore the old key in CYBERSOURCE_FERNET_KEYS, or enter the secret again in the admin."),
            )
    for key in keys:
        yield from fit(key)
    yield from ages(rows)
    yield from rotations(rows)
    yield from unserved(rows)
    if not unreadable and not settings_are_doubted:
        yield from signs_for(hosts, keys)


def named(row: SecureAcceptanceProfile) -> str:
    return _("profile row %(pk)s (access key %(access_key)s, host %(host)s)") % {
        "pk": row.pk,
        "access_key": row.access_key,
        "host": row.hostname or (_("any, default") if row.is_default else _("none")),
    }


def sample(credentials: Credentials, *, answered_to: str = "") -> SignedForm:
    """The smallest form that a key can sign. It goes nowhere but to a simulator on this machine."""
    request = PaymentRequest(
        transaction_type=TransactionType.AUTHORIZATION,
        reference_number="CONNECTION-TEST",
        amount=Decimal("1.00"),
        currency="USD",
        bill_to=None,
        receipt_page=answered_to,
        backoffice_post_url=answered_to,
    )
    return request.sign(credentials, at=clock.now(), transaction_uuid=str(uuid4()))


def fit(key: Key) -> Iterator[Finding]:
    """Sign a form with the key, and verify it with what is found under the key's name, as a reply's signature is."""
    told: dict[str, Any] = {"key": key.name}
    try:
        fields = sample(key.credentials).as_dict()
    except InvalidRequest as problem:
        yield report.error(
            "D031",
            _("No form can be signed with %(key)s: %(problem)s") % {**told, "problem": problem.explanation},
            _("Copy profile id and access key again from the Business Center."),
        )
        return
    found = profiles.secret_for(key.credentials.access_key)
    if not found or not verify(fields, fields["signed_field_names"].split(","), found, fields["signature"]):
        yield report.error(
            "D032",
            _("What is signed with %(key)s is verified with another secret: every reply to it would be refused.")
            % told,
            _("The same access key is in the settings with another secret. Keep the right one of the two."),
        )
        return
    if not SECRET_SHAPE.fullmatch(key.credentials.secret_key):
        yield report.warning(
            "D033",
            _("The secret of %(key)s does not look like one: CyberSource's have 256 characters from 0 to 9, a to f.")
            % told,
            _("Paste it again, whole. The access key, which is shorter, goes into a field of its own."),
        )
        return
    yield report.good(_("A form signed with %(key)s verifies.") % told)


def ages(rows: Iterable[SecureAcceptanceProfile]) -> Iterator[Finding]:
    for row in rows:
        age = clock.now() - row.date_created
        if age > KEY_LIVES - WARNED_BEFORE:
            yield report.warning(
                "D034",
                _("The key of %(key)s was entered %(days)s days ago; CyberSource's end two years after they were made.")
                % {"key": named(row), "days": age.days},
                _(
                    "Look up in the Business Center when it ends, and rotate it before: "
                    "see the documentation, Rotating keys."
                ),
            )


def rotations(rows: Iterable[SecureAcceptanceProfile]) -> Iterator[Finding]:
    groups: defaultdict[str, list[SecureAcceptanceProfile]] = defaultdict(list)
    for row in rows:
        if row.is_readable and (row.hostname or row.is_default):
            groups[profiles.bare_hostname(row.hostname) if row.hostname else ""].append(row)
    for host, group in groups.items():
        newest = max(row.date_created for row in group)
        if len(group) > 1 and clock.now() - newest > ROTATION_TAKES:
            yield report.warning(
                "D035",
                _("%(count)s keys are active for %(host)s, and only the newest signs.")
                % {"count": len(group), "host": host or _("hosts without a profile of their own")},
                _("Switch those off that a newer key has replaced for more than a day."),
            )


def unserved(rows: Iterable[SecureAcceptanceProfile]) -> Iterator[Finding]:
    for row in rows:
        if row.hostname and not is_allowed(row.hostname):
            yield report.warning(
                "D036",
                _("The key of %(key)s never signs: ALLOWED_HOSTS does not let that host in.") % {"key": named(row)},
                _("Write the bare host name, as in shop.example, without https:// and without a path."),
            )


def signs_for(hosts: Iterable[str], keys: Sequence[Key]) -> Iterator[Finding]:
    if not keys:
        yield report.error(
            "D037",
            _("There is no security key: card payment is not available."),
            _(
                "Set CYBERSOURCE_PROFILE, CYBERSOURCE_ACCESS and CYBERSOURCE_SECRET, or add an active Secure "
                "Acceptance profile in the admin."
            ),
        )
        return
    for host in hosts:
        try:
            profiles.for_signing(host)
        except profiles.NoSigningKey:
            yield report.error(
                "D038",
                _("No key signs the forms of %(host)s: card payment is not available there.") % {"host": host},
                _("Mark one profile as default, or add one for this host."),
            )
