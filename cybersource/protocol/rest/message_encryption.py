"""Message-level encryption: a request body for CyberSource's eyes, a reply for ours.

The wrapped body is what authentication signs. A reply that is not of the encrypted form is taken as it is, also when an
encrypted one was asked for: CyberSource answers some calls so.

Source: vendor guide "Getting Started with REST", message-level encryption; the behaviour of its SDKs.
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import ProtocolError
from .keys import PrivateKey, PublicKey

KEY_ALGORITHM, CONTENT_ALGORITHM = "RSA-OAEP-256", "A256GCM"

#: The vendor's own samples disagree about the first, so a reply may use either; nothing else is opened.
OPENED = (KEY_ALGORITHM, "RSA-OAEP", CONTENT_ALGORITHM)

#: Bytes of one encrypted reply: a search may return 2500 transactions.
LONGEST = 16 * 1024 * 1024


class Undecryptable(ProtocolError):
    """An encrypted reply cannot be opened. What it says is not known, so neither is what happened."""


def encrypt_request(body: bytes, *, key: PublicKey, issued_at: int) -> bytes:
    """Return ``body`` wrapped as ``{"encryptedRequest": "<compact JWE>"}``. ``issued_at`` is in epoch seconds."""
    from joserfc import jwe
    from joserfc.jwk import RSAKey

    header = {"alg": KEY_ALGORITHM, "enc": CONTENT_ALGORITHM, "kid": key.key_id, "iat": issued_at}
    token = jwe.encrypt_compact(header, body, RSAKey.import_key(key.key), registry=_registry())
    return json.dumps({"encryptedRequest": token}, separators=(",", ":")).encode("ascii")


def open_response(body: bytes, *, key: PrivateKey | None) -> bytes:
    """Return what a reply says: decrypted if it is of the encrypted form, else ``body`` itself.

    Raises :class:`Undecryptable` for an encrypted reply without a key, under another key, or broken.
    """
    token = encrypted_part(body)
    if token is None:
        return body
    if key is None:
        raise Undecryptable("reply-encrypted", "The reply is encrypted and no response key is configured.")
    content = decrypted(token, key)
    if content is None:
        raise Undecryptable("reply-undecryptable", "The encrypted reply cannot be opened with our response key.")
    return content


def decrypted(token: str, key: PrivateKey) -> bytes | None:
    """Return what a compact JWE holds, or None where it is for another key or broken: no error carries it along."""
    from joserfc import jwe
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    try:
        return jwe.decrypt_compact(token, RSAKey.import_key(key.key), registry=_registry()).plaintext
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def encrypted_part(body: bytes) -> str | None:
    """Return the JWE of a reply that is exactly ``{"encryptedResponse": …}``, else None."""
    if b'"encryptedResponse"' not in body:
        return None
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(data, dict) and list(data) == ["encryptedResponse"] and isinstance(data["encryptedResponse"], str):
        return data["encryptedResponse"]
    return None


def _registry() -> Any:
    """The algorithms we open, no compression (a small reply must not unpack to a huge one), and room for a search."""
    from joserfc.jwe import JWERegistry

    registry = JWERegistry(algorithms=OPENED, strict_check_header=False)  # ``iat`` is no registered JWE header
    registry.max_ciphertext_length = LONGEST
    return registry
