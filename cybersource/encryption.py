"""Secrets at rest: a text column that is readable only with the shop's own keys.

``CYBERSOURCE_FERNET_KEYS`` lists the keys, newest first; any string will do, a real Fernet key is used as it is.
Without the setting the keys are derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``. The first key encrypts, every
key decrypts, and :func:`stored_with` tells which it was.
"""

from __future__ import annotations

import base64
import hashlib
from enum import Enum
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.views.decorators.debug import sensitive_variables

from .conf import conf

#: Separates these keys from everything else that is derived from SECRET_KEY.
PURPOSE = b"django-oscar-cybersource stored secrets:"

#: Begins a secret that was serialized (``dumpdata``): what follows is as encrypted as in the database.
SERIALIZED = "encrypted:"


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


class SecretStatus(Enum):
    """How a stored secret stands to the keys of today."""

    CURRENT = "current"  #: the newest key encrypted it
    OLD = "old"  #: an older key that is still in use opens it
    UNREADABLE = "unreadable"


@sensitive_variables()
def _fernet(key: Secret) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        return Fernet(base64.urlsafe_b64encode(hashlib.sha256(PURPOSE + key.encode()).digest()))


@sensitive_variables()
def _fernets() -> list[Fernet]:
    """One for each key, newest first."""
    keys = map(Secret, conf.fernet_keys or [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
    return list(map(_fernet, keys))


@sensitive_variables()
def encrypt(value: Secret) -> str:
    """Return the value as the newest key encrypts it."""
    return _fernets()[0].encrypt(value.encode()).decode()


@sensitive_variables()
def decrypt(stored: str) -> Secret:
    """Return the secret, or :class:`Unreadable` when no key of today opens it."""
    try:
        return Secret(MultiFernet(_fernets()).decrypt(stored.encode()).decode())
    except (InvalidToken, UnicodeDecodeError):
        return Unreadable(stored)


@sensitive_variables()
def stored_with(stored: str) -> SecretStatus:
    """Tell which of today's keys opens what is stored."""
    try:
        _fernets()[0].decrypt(stored.encode())
    except InvalidToken:
        return SecretStatus.UNREADABLE if isinstance(decrypt(stored), Unreadable) else SecretStatus.OLD
    return SecretStatus.CURRENT


class Concealed(DeferredAttribute):
    """Whatever is assigned to the attribute is a :class:`Secret` from then on, so that no ``repr`` can show it."""

    def __set__(self, instance: Any, value: Any) -> None:
        plain = isinstance(value, str) and not isinstance(value, Secret)
        instance.__dict__[self.field.attname] = Secret(value) if plain else value


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database and a :class:`Secret` in Python. It cannot be searched.

    Serialized (``dumpdata``) it stays encrypted, and ``loaddata`` reads it where one of the keys is the same.
    """

    descriptor_class = Concealed

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(SERIALIZED):
            return decrypt(value.removeprefix(SERIALIZED))
        return super().to_python(value)

    @sensitive_variables()
    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Unreadable):
            return value.stored  # saving a row must never destroy what a restored key could still open
        value = super().get_prep_value(value)
        return value if value in (None, "") else encrypt(Secret(value))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value if value in (None, "") else decrypt(value)

    @sensitive_variables()
    def value_to_string(self, obj: Any) -> str:
        stored = self.get_prep_value(self.value_from_object(obj))
        return f"{SERIALIZED}{stored}" if stored else ""
