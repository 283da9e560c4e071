"""The only HMAC in the project: how a Secure Acceptance message is joined, signed and compared.

Source: Secure Acceptance Checkout API Integration Guide and Silent Order POST Development Guide, scripting samples; the
vectors in ``tests/protocol``.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """One security key of one Secure Acceptance profile. The secret stays out of ``repr``."""

    profile_id: str  #: 36 characters, an upper-case UUID; old profiles have short names
    access_key: str  #: 32 hexadecimal characters, public, names the secret
    secret_key: str = field(repr=False)  #: 256 hexadecimal characters, used as text and not hex-decoded


def join(fields: Mapping[str, str], names: Sequence[str]) -> str:
    """Return ``name=value`` pairs in the order of ``names``, joined by commas. Nothing is escaped.

    A name without a value joins as empty. The join is ambiguous, since values may hold ``,`` and ``=``: a reader of a
    joined message must make sure that it can be cut in one way only.
    """
    return ",".join([f"{name}={fields.get(name, '')}" for name in names])


def signature_of(message: bytes, secret_key: str) -> str:
    """Return the Base64 HMAC-SHA256 of ``message``: standard alphabet, padded, 44 characters."""
    # surrogatepass: an odd secret must not end up inside a UnicodeEncodeError.
    digest = hmac.digest(secret_key.encode("utf-8", "surrogatepass"), message, "sha256")
    return b64encode(digest).decode("ascii")


def same_signature(expected: str, given: str) -> bool:
    """Compare in constant time. Anything but the exact, canonical 44 characters is a mismatch."""
    return given.isascii() and hmac.compare_digest(expected, given)


def sign(fields: Mapping[str, str], names: Sequence[str], secret_key: str) -> str:
    """Return the Base64 HMAC-SHA256 over comma-joined ``name=value`` pairs, in the order of ``names``.

    A name without a value signs as empty. Message and key are UTF-8. Raises :class:`UnicodeEncodeError` for lone
    surrogates in a value.
    """
    return signature_of(join(fields, names).encode("utf-8"), secret_key)


def verify(fields: Mapping[str, str], names: Sequence[str], secret_key: str, signature: str) -> bool:
    """Say whether ``signature`` is the one :func:`sign` gives, compared in constant time and tolerant of nothing."""
    return same_signature(sign(fields, names, secret_key), signature)
