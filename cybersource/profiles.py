"""Which key signs a form, and which secret verifies a reply.

Several keys are live at once: sign with the newest active row for the host, else the newest active default row, else
the profile of the settings; verify with whichever of all of these the reply names.
"""

from __future__ import annotations

import logging
import re

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from .conf import conf
from .encryption import Secret
from .models import SecureAcceptanceProfile
from .protocol import Credentials

logger = logging.getLogger(__name__)


class NoSigningKey(ImproperlyConfigured):
    """The shop has no usable security key for this host: card payment is not available."""


def bare_hostname(host: str) -> str:
    """Return a host as hosts are compared: ``Shop.Example.:8000`` -> ``shop.example``.

    An IPv6 literal keeps its brackets; a name of other letters becomes what browsers send, ``xn--…``.
    """
    host = host.strip().lower()
    bare = (host if host.endswith("]") else host.rsplit(":", 1)[0]).removesuffix(".")
    try:
        return bare if bare.isascii() else bare.encode("idna").decode("ascii")
    except UnicodeError:
        return bare


def from_settings() -> Credentials | None:
    """The profile of ``CYBERSOURCE_PROFILE/ACCESS/SECRET``, or None when one of the three is empty."""
    if not (conf.profile and conf.access and conf.secret):
        return None
    return Credentials(profile_id=conf.profile, access_key=conf.access, secret_key=Secret(conf.secret))


@sensitive_variables()
def for_signing(hostname: str, *, profile_id: str = "") -> Credentials:
    """Return the key that signs forms shown on ``hostname``.

    With ``profile_id``, a key of that very profile is preferred: an attempt keeps its profile while keys rotate. A row
    that is neither for this host nor a default signs only where nothing else has that profile: such rows keep a key
    alive that another one has replaced.
    Raises :class:`NoSigningKey`, which says what to do.
    """
    bare = bare_hostname(hostname)
    own, default, other = [], [], []
    for row in filter(usable, SecureAcceptanceProfile.objects.filter(may_sign_for(bare, profile_id))):  # newest first
        group = own if is_for(row, bare) else default if row.is_default else other
        group.append(credentials_of(row))
    fallback = from_settings()
    candidates = [*own, *default, *([fallback] if fallback else ())]
    for candidate in (*candidates, *other):
        if candidate.profile_id == profile_id:
            return candidate
    if not candidates:
        raise NoSigningKey(
            f"CyberSource has no security key to sign with on host {bare!r}. Set CYBERSOURCE_PROFILE, "
            "CYBERSOURCE_ACCESS and CYBERSOURCE_SECRET, or add an active Secure Acceptance profile for this host in "
            "the admin."
        )
    return candidates[0]


def may_sign_for(bare: str, profile_id: str) -> Q:
    """Active rows that are for the host, however they spell it, for any host, or of the profile."""
    spelled = "|".join(re.escape(name) for name in {bare, in_unicode(bare)})
    at_host = Q(hostname__iregex=rf"^\s*({spelled})\.?(:[0-9]*)?\s*$")
    return Q(active=True) & (at_host | Q(is_default=True) | Q(profile_id=profile_id))


def in_unicode(bare: str) -> str:
    """Return a host name as people write it."""
    try:
        return bare.encode("ascii").decode("idna")
    except UnicodeError:
        return bare


def is_for(row: SecureAcceptanceProfile, bare: str) -> bool:
    return bool(row.hostname) and bare_hostname(row.hostname) == bare


def credentials_of(row: SecureAcceptanceProfile) -> Credentials:
    return Credentials(profile_id=row.profile_id, access_key=row.access_key, secret_key=Secret(row.secret_key))


@sensitive_variables("row")
def usable(row: SecureAcceptanceProfile) -> bool:
    if row.is_readable:
        return True
    logger.error(
        "The secret of Secure Acceptance profile row %s cannot be decrypted with today's keys; it is passed over. "
        "Restore the old key in CYBERSOURCE_FERNET_KEYS or enter the secret again.",
        row.pk,
    )
    return False


@sensitive_variables()
def for_verifying(access_key: str) -> Credentials | None:
    """Return our own live key of that name, or None. No database when it is the settings' own."""
    own = from_settings()
    if own and access_key == own.access_key:
        return own
    row = SecureAcceptanceProfile.objects.filter(active=True, access_key=access_key).first()
    return credentials_of(row) if row and usable(row) else None


@sensitive_variables()
def secret_for(access_key: str) -> str | None:
    """Return the secret of one of our own live keys, or None."""
    key = for_verifying(access_key)
    return key.secret_key if key else None
