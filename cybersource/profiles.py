"""Which key signs a form, and which secret verifies a reply.

Several keys are live at once: sign with the newest active row for the host, else the newest active default row, else
the profile of the settings; verify with whichever of all of these the reply names.
"""

from __future__ import annotations

import logging

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from .conf import conf
from .encryption import Secret
from .models import SecureAcceptanceProfile
from .protocol import Credentials

logger = logging.getLogger(__name__)


class NothingToSignWith(ImproperlyConfigured):
    """The shop has no usable security key for this host: card payment is not available."""


def bare_hostname(host: str) -> str:
    """``Shop.Example:8000`` -> ``shop.example``; an IPv6 literal keeps its brackets."""
    host = host.strip().lower()
    return host if host.endswith("]") else host.rsplit(":", 1)[0]


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
    Raises :class:`NothingToSignWith`, which says what to do.
    """
    bare = bare_hostname(hostname)
    own, default, other = [], [], []
    rows = SecureAcceptanceProfile.objects.filter(active=True).filter(
        Q(hostname__in=[hostname, bare]) | Q(is_default=True) | Q(profile_id=profile_id)
    )
    for row in filter(usable, rows):  # newest first
        group = own if row.hostname in (hostname, bare) and row.hostname else default if row.is_default else other
        group.append(
            Credentials(profile_id=row.profile_id, access_key=row.access_key, secret_key=Secret(row.secret_key))
        )
    fallback = from_settings()
    candidates = [*own, *default, *([fallback] if fallback else ())]
    for candidate in (*candidates, *other):
        if candidate.profile_id == profile_id:
            return candidate
    if not candidates:
        raise NothingToSignWith(
            f"CyberSource has no security key to sign with on host {bare!r}. Set CYBERSOURCE_PROFILE, "
            "CYBERSOURCE_ACCESS and CYBERSOURCE_SECRET, or add an active Secure Acceptance profile for this host in "
            "the admin."
        )
    return candidates[0]


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
def secret_for(access_key: str) -> str | None:
    """Return the secret of one of our own live keys, or None. No database when the key is the settings' own."""
    if access_key and access_key == conf.access and conf.secret:
        return Secret(conf.secret)
    row = SecureAcceptanceProfile.objects.filter(active=True, access_key=access_key).first()
    return row.secret_key if row and usable(row) else None
