"""Is a REST request the merchant's? Written here from the guides, apart from the app's own signing.

A request that is not gets 401 with ``{"response": {"rmsg": "Authentication Failed"}}`` and no reason; the reason is
kept for the developer.

Source: vendor guide "Getting Started with REST", JSON Web Token and HTTP Signature authentication.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cybersource.simulator.rest_access import RestAccess

LONGEST_LIFE = 120  #: seconds from a token's iat to its exp
AHEAD = 30  #: seconds that a token's clock may be ahead; not documented
BODY_METHODS = {"POST", "PUT", "PATCH"}

_SIGNATURE = re.compile(r'keyid="([^"]*)", algorithm="([^"]*)", headers="([^"]*)", signature="([^"]*)"')


class NotAuthenticated(Exception):
    """The request is not believed; the text says why, to the developer only."""


@dataclass(frozen=True, kw_only=True)
class Authenticated:
    """What a believed request says about itself beside its body."""

    scheme: str  #: ``jwt-hs256``, ``jwt-rs256`` or ``http-signature``
    token_id: str = ""
    response_kid: str = ""  #: an encrypted response is wanted, for this key


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it arrived, and when. ``headers`` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    now: datetime

    @property
    def has_body(self) -> bool:
        return self.method in BODY_METHODS

    @property
    def digest(self) -> str:
        return base64.b64encode(hashlib.sha256(self.body).digest()).decode("ascii")


def verify(request: Request, *, access: RestAccess, merchant_id: str) -> Authenticated:
    """Return who asked, or raise :class:`NotAuthenticated`."""
    authorization = request.headers.get("authorization", "")
    if authorization.startswith("Bearer "):
        return _token(authorization.removeprefix("Bearer "), request, access, merchant_id)
    if "signature" in request.headers:
        return _http_signature(request, access, merchant_id)
    raise NotAuthenticated("Neither Authorization: Bearer nor Signature was sent")


def _token(token: str, request: Request, access: RestAccess, merchant_id: str) -> Authenticated:
    try:
        signed, _, given = token.rpartition(".")
        head, _, payload = signed.partition(".")
        header, claims = json.loads(_unsegment(head)), json.loads(_unsegment(payload))
        signature = _unsegment(given)
        issued, expires = int(claims["iat"]), int(claims["exp"])
        kid, named = str(header["kid"]), str(header["alg"])
    except (ValueError, KeyError, TypeError) as problem:
        raise NotAuthenticated("The token cannot be read") from problem

    # Which algorithm is right follows from the key, never from what the token says.
    if kid == access.key_id:
        scheme, algorithm = "jwt-hs256", "HS256"
        good = hmac.compare_digest(hmac.new(_secret(access), signed.encode(), hashlib.sha256).digest(), signature)
    elif kid in access.certificates:
        scheme, algorithm = "jwt-rs256", "RS256"
        good = _rsa_verifies(access.certificates[kid], signed.encode(), signature)
    else:
        raise NotAuthenticated("No key has the token's kid")
    if named != algorithm:
        raise NotAuthenticated(f"The key is for {algorithm}")
    if not good:
        raise NotAuthenticated("The token's signature does not match")

    at = request.now.timestamp()
    expected = {
        "iss": access.portfolio_id or merchant_id,
        "request-host": request.headers.get("host"),
        "request-resource-path": request.target,
        "v-c-jwt-version": "2",
        "v-c-merchant-id": merchant_id,
    }
    for name, value in expected.items():
        if claims.get(name) != value:
            raise NotAuthenticated(f"The claim {name} differs from the request")
    if str(claims.get("request-method")).upper() != request.method:
        raise NotAuthenticated("The claim request-method differs from the request")
    if not 0 < expires - issued <= LONGEST_LIFE:
        raise NotAuthenticated("The token lives longer than two minutes")
    if issued > at + AHEAD:
        raise NotAuthenticated("The token is from the future")
    if expires < at:
        raise NotAuthenticated("The token has expired")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise NotAuthenticated("The token has no jti")
    _digest(claims, request)
    return Authenticated(scheme=scheme, token_id=claims["jti"], response_kid=claims.get("v-c-response-mle-kid", ""))


def _digest(claims: Mapping[str, object], request: Request) -> None:
    """Check what the token says of the body, if it says anything: the vendor's own SDKs do not agree on it.

    The Python SDK and the guide name ``digestAlgorithm``, the Node SDK ``digest-algorithm``; both work, so neither can
    be enforced. A digest that is there is that of the body.
    """
    if "digest" in claims and not request.has_body:
        raise NotAuthenticated("A digest without a body")
    if claims.get("digest", request.digest) != request.digest:
        raise NotAuthenticated("The digest is not that of the body")
    if any(claims.get(name, "SHA-256") != "SHA-256" for name in ("digestAlgorithm", "digest-algorithm")):
        raise NotAuthenticated("The digest is of an algorithm that is not known here")


def _http_signature(request: Request, access: RestAccess, merchant_id: str) -> Authenticated:
    headers = request.headers
    if not access.http_signature:
        raise NotAuthenticated("HTTP Signature is no longer taken")
    parts = _SIGNATURE.fullmatch(headers["signature"])
    if not parts:
        raise NotAuthenticated("The Signature header cannot be read")
    key_id, algorithm, listed, given = parts.groups()
    names = ["host", "date", "request-target", "digest", "v-c-merchant-id"]
    if not request.has_body:
        names.remove("digest")
    if key_id != access.key_id or algorithm != "HmacSHA256" or listed.split(" ") != names:
        raise NotAuthenticated("Key id, algorithm or list of headers is not as it must be")
    if headers.get("v-c-merchant-id") != merchant_id:
        raise NotAuthenticated("Another merchant")
    if request.has_body and headers.get("digest") != f"SHA-256={request.digest}":
        raise NotAuthenticated("The digest is not that of the body")
    try:
        date = parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except ValueError as problem:
        raise NotAuthenticated("The Date cannot be read") from problem
    if abs(request.now - date) > access.max_age:
        raise NotAuthenticated("The Date is too far from now")
    values = {
        "host": headers.get("host", ""),
        "date": headers.get("date", ""),
        "request-target": f"{request.method.lower()} {request.target}",
        "digest": headers.get("digest", ""),
        "v-c-merchant-id": access.portfolio_id or merchant_id,
    }
    text = "\n".join(f"{name}: {values[name]}" for name in names)
    expected = base64.b64encode(hmac.new(_secret(access), text.encode(), hashlib.sha256).digest())
    if not hmac.compare_digest(expected, given.encode()):
        raise NotAuthenticated("The signature does not match")
    return Authenticated(scheme="http-signature")


def _secret(access: RestAccess) -> bytes:
    return base64.b64decode(access.shared_secret)


def _unsegment(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _rsa_verifies(certificate: bytes, signed: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_pem_x509_certificate

    try:
        load_pem_x509_certificate(certificate).public_key().verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
