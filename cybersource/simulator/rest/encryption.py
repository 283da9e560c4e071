"""Message-level encryption, the gateway's side, from the primitives: it shares nothing with the app's library.

Source: vendor guide "Getting Started with REST", message-level encryption; RFC 7516 for the compact form.
"""

import base64
import json
import os
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate


class NotReadable(Exception):
    """An encrypted request that cannot be opened."""


def _padding() -> OAEP:
    return OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)


def opened(body: bytes, *, key: bytes, kid: str) -> bytes:
    """Return the request inside ``{"encryptedRequest": …}``, or ``body`` if it is not of that form."""
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return body
    if not isinstance(data, dict) or list(data) != ["encryptedRequest"]:
        return body
    if not key:
        raise NotReadable("No key for encrypted requests")
    try:
        head, wrapped, nonce, text, tag = data["encryptedRequest"].split(".")
        header = json.loads(_unsegment(head))
        if (header["alg"], header["enc"], header["kid"]) != ("RSA-OAEP-256", "A256GCM", kid):
            raise NotReadable("Another algorithm or key")
        if not isinstance(header["iat"], int):
            raise NotReadable("iat is not in epoch seconds")
        private: Any = load_pem_private_key(key, None)
        content_key = private.decrypt(_unsegment(wrapped), _padding())
        return AESGCM(content_key).decrypt(_unsegment(nonce), _unsegment(text) + _unsegment(tag), head.encode())
    except NotReadable:
        raise
    except Exception as problem:  # whatever is wrong with it, it cannot be opened
        raise NotReadable("The encrypted request cannot be opened") from problem


def wrapped(body: bytes, *, certificate: bytes, kid: str, now: datetime) -> bytes:
    """Return ``body`` as ``{"encryptedResponse": …}`` for the merchant's response key."""
    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": kid, "iat": int(now.timestamp())}
    head = _segment(json.dumps(header).encode())
    content_key, nonce = os.urandom(32), os.urandom(12)
    public: Any = load_pem_x509_certificate(certificate).public_key()
    sealed = AESGCM(content_key).encrypt(nonce, body, head.encode())
    parts = [head, *map(_segment, (public.encrypt(content_key, _padding()), nonce, sealed[:-16], sealed[-16:]))]
    return json.dumps({"encryptedResponse": ".".join(parts)}).encode()


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _unsegment(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
