"""How a REST request proves who sends it: a JWT, or the HTTP Signature that it replaces.

Both name the host, method, path and body, so they are made from the request exactly as it will leave, and anew for
each attempt. Clock and token id come in as arguments.

Source: vendor guide "Getting Started with REST"; the behaviour of its SDKs, whose output the vectors in
``tests/protocol/rest`` are.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

from .keys import PrivateKey, SharedSecret

#: Seconds that a token lives. The limit is hard: CyberSource refuses a longer one.
TOKEN_LIFE = 120

#: Methods whose body is digested and signed. DELETE never is.
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class AuthMode(StrEnum):
    """The schemes, by the names that the settings use."""

    JWT = "jwt"  #: a JWT signed with the shared secret (HS256)
    P12 = "p12"  #: a JWT signed with the key of a .p12 file (RS256)
    HTTP_SIGNATURE = "http-signature"  #: legacy: CyberSource takes it until March 2027


@dataclass(frozen=True, kw_only=True)
class RestRequest:
    """The parts of a request that are signed, exactly as they are sent."""

    method: str  #: the token's claim repeats its case: the guide writes ``post``, both cases are taken
    host: str  #: without a scheme; with the port where it is not the scheme's own
    target: str  #: path and query string, encoded as on the wire
    body: bytes = field(default=b"", repr=False)

    @property
    def digest(self) -> str | None:
        """Base64 SHA-256 of the body, of an empty one too; None for methods that send no body."""
        if self.method.upper() not in WITH_BODY:
            return None
        return b64encode(hashlib.sha256(self.body).digest()).decode("ascii")


def jwt_headers(
    request: RestRequest,
    *,
    key: SharedSecret | PrivateKey,
    merchant_id: str,
    issued_at: int,
    token_id: str,
    portfolio_id: str = "",
    response_key_id: str = "",
) -> dict[str, str]:
    """Return the one header of JWT authentication, ``Authorization``: HS256 for a shared secret, RS256 for a key.

    ``issued_at`` is in epoch seconds; ``token_id`` is new for each token, since CyberSource refuses one that it has
    seen. ``portfolio_id`` is the owner of a meta key. ``response_key_id`` asks for an encrypted response.
    """
    header = {"alg": "HS256" if isinstance(key, SharedSecret) else "RS256", "kid": key.key_id, "typ": "JWT"}
    claims: dict[str, Any] = {
        "iat": issued_at,
        "exp": issued_at + TOKEN_LIFE,
        "iss": portfolio_id or merchant_id,
        "jti": token_id,
        "request-host": request.host,
        "request-method": request.method,
        "request-resource-path": request.target,
        "v-c-jwt-version": "2",
        "v-c-merchant-id": merchant_id,
    }
    if request.digest is not None:
        claims |= {"digest": request.digest, "digestAlgorithm": "SHA-256"}
    if response_key_id:
        claims["v-c-response-mle-kid"] = response_key_id
    signed = f"{_segment(_compact(header))}.{_segment(_compact(claims))}"
    return {"Authorization": f"Bearer {signed}.{_segment(_token_signature(signed.encode('ascii'), key))}"}


def http_signature_headers(
    request: RestRequest, *, key: SharedSecret, merchant_id: str, at: datetime, portfolio_id: str = ""
) -> dict[str, str]:
    """Return the headers of the legacy HTTP Signature. ``at`` is aware, in UTC.

    With a meta key the portfolio's id is signed while the merchant's is sent.
    """
    date = format_datetime(at, usegmt=True)
    lines = {"host": request.host, "date": date, "request-target": f"{request.method.lower()} {request.target}"}
    headers = {"v-c-merchant-id": merchant_id, "Date": date, "Host": request.host}
    if request.digest is not None:
        headers["Digest"] = lines["digest"] = f"SHA-256={request.digest}"
    lines["v-c-merchant-id"] = portfolio_id or merchant_id
    text = "\n".join(f"{name}: {value}" for name, value in lines.items())
    signature = b64encode(hmac.digest(key.secret, text.encode("utf-8"), "sha256")).decode("ascii")
    headers["Signature"] = (
        f'keyid="{key.key_id}", algorithm="HmacSHA256", headers="{" ".join(lines)}", signature="{signature}"'
    )
    return headers


def _token_signature(signed: bytes, key: SharedSecret | PrivateKey) -> bytes:
    if isinstance(key, SharedSecret):
        return hmac.digest(key.secret, signed, "sha256")
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return key.key.sign(signed, PKCS1v15(), SHA256())


def _compact(value: Mapping[str, Any]) -> bytes:
    """JSON without blanks and with sorted names, as the vendor's SDK writes it; servers do not care."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode("utf-8")


def _segment(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
