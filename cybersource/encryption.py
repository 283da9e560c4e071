"""Secrets at rest: a text column that is readable only with the shop's own keys.

``CYBERSOURCE_FERNET_KEYS`` lists the keys, newest first; any string will do, a real Fernet key is used as it is.
Without the setting the keys are derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.views.decorators.debug import sensitive_variables

from .conf import conf

#: Separates these keys from everything else that is derived from SECRET_KEY.
PURPOSE = b"django-oscar-cybersource stored secrets:"


class Secret(str):
    """A string that does not show itself: ``repr()`` is masked, so tracebacks and debug pages stay clean."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class Unreadable(Secret):
    """What a stored secret becomes when none of today's keys opens it. Empty, so it can never sign anything."""

    __slots__ = ("stored",)
    stored: str

    def __new__(cls, stored: str) -> Unreadable:
        instance = super().__new__(cls, "")
        instance.stored = stored
        return instance

    def __repr__(self) -> str:
        return "<unreadable secret>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Unreadable, (self.stored,))

    def __deepcopy__(self, memo: Any) -> Unreadable:
        return self


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        return Fernet(base64.urlsafe_b64encode(hashlib.sha256(PURPOSE + key.encode()).digest()))


@sensitive_variables("keys")
def _box() -> MultiFernet:
    keys = conf.fernet_keys or [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([_fernet(str(key)) for key in keys])


@sensitive_variables("value")
def encrypt(value: str) -> str:
    return _box().encrypt(value.encode()).decode()


def decrypt(stored: str) -> Secret:
    """Return the secret, or :class:`Unreadable` when no key of today opens it."""
    try:
        return Secret(_box().decrypt(stored.encode()).decode())
    except InvalidToken:
        return Unreadable(stored)


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database and a :class:`Secret` in Python. It cannot be searched."""

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Unreadable):
            return value.stored  # saving a row must never destroy what a restored key could still open
        value = super().get_prep_value(value)
        return value if value in (None, "") else encrypt(str(value))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value if value in (None, "") else decrypt(value)
