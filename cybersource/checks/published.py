"""Checks that no key which everybody can read is a shop's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import router, transaction

from ..conf import conf
from ..models import SecureAcceptanceProfile
from .published_keys import is_published


@register(Tags.security)
def check_published_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    # Not among the checks of the database, which plain ``manage.py check`` leaves out.
    if conf.environment != "production":
        return []
    return [*published_settings(), *published_rows()]


def credentials_in_settings() -> Iterator[tuple[str, Any]]:
    """Each credential of the settings, or the id of one, with the setting it stands in."""
    for name in ("PROFILE", "ACCESS", "SECRET", "REST_KEY_ID", "REST_SHARED_SECRET"):
        yield f"CYBERSOURCE_{name}", getattr(conf, name.lower())
    for name in ("DECISION_MANAGER_KEYS", "FERNET_KEYS"):
        given = getattr(conf, name.lower()) or ()
        for key in (given,) if isinstance(given, str) else given:
            yield f"CYBERSOURCE_{name}", key
    webhook_keys = conf.webhook_keys
    if isinstance(webhook_keys, Mapping):
        for pair in webhook_keys.items():
            for part in pair:
                yield "CYBERSOURCE_WEBHOOK_KEYS", part
    yield "SECRET_KEY", settings.SECRET_KEY
    for key in settings.SECRET_KEY_FALLBACKS:
        yield "SECRET_KEY_FALLBACKS", key


def published_settings() -> Iterator[CheckMessage]:
    for name in dict.fromkeys(name for name, value in credentials_in_settings() if is_published(value)):
        yield Error(
            f"{name} is a key of the simulator, which everybody knows, and the environment is 'production'.",
            hint="Put a key of your own there: anyone who knows the simulator's could forge what is verified with it.",
            id="cybersource.E022",
        )


def published_rows() -> Iterator[CheckMessage]:
    """Profiles in the database, active or not: one tick in the admin makes any of them a key that is believed."""
    try:
        # A statement that fails must not break a transaction that whoever runs the checks has open.
        with transaction.atomic(using=router.db_for_read(SecureAcceptanceProfile)):
            rows = list(SecureAcceptanceProfile.objects.order_by("pk"))
    except (
        Exception
    ):  # no database, or no tables yet, as on the machine that builds an image: no command stops for that
        return
    for row in rows:
        if any(map(is_published, (row.profile_id, row.access_key, row.secret_key))):
            yield Error(
                f"Secure Acceptance profile row {row.pk} holds a key of the simulator, which everybody knows, and the "
                "environment is 'production'.",
                hint="Delete the row in the admin, also where it is not active, and enter a key of your own.",
                id="cybersource.E023",
            )
