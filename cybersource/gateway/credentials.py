"""Who the shop is at the REST API: merchant, keys and endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from ..conf import conf
from ..models import PaymentOperation
from ..protocol.rest import AuthMode, BadKeyMaterial, KeyStore, PrivateKey, PublicKey, SharedSecret


@dataclass(frozen=True, kw_only=True)
class RestCredentials:
    """Who we are at the REST API, and how we speak. No secret shows in ``repr``."""

    endpoint: str  #: origin, without a slash at its end
    merchant_id: str
    portfolio_id: str
    mode: AuthMode
    key: SharedSecret | PrivateKey
    request_key: PublicKey | None = None  #: encrypts requests
    response_key: PrivateKey | None = None  #: opens replies, and asks for encrypted ones
    seconds: float = field(default=40.0)

    @property
    def host(self) -> str:
        """Host, with its port unless that is the scheme's own: what the Host header says and the signature names."""
        parts = urlsplit(self.endpoint)
        name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        return name if parts.port in (None, {"https": 443}.get(parts.scheme, 80)) else f"{name}:{parts.port}"


@sensitive_variables()
def access() -> RestCredentials:
    """Return the access that the settings give.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` naming the setting to mend, and never its value.
    """
    try:
        mode = AuthMode(conf.rest_auth)
    except ValueError:
        raise ImproperlyConfigured(f"CYBERSOURCE_REST_AUTH must be one of {', '.join(AuthMode)}.") from None
    required = {"MERCHANT_ID": conf.merchant_id}
    if mode is AuthMode.P12:
        required["REST_P12"] = conf.rest_p12
    else:
        required |= {"REST_KEY_ID": conf.rest_key_id, "REST_SHARED_SECRET": conf.rest_shared_secret}
    if conf.rest_mle_response_key:
        required["REST_MLE_RESPONSE_KEY_ID"] = conf.rest_mle_response_key_id
    if conf.rest_mle_response_key_id:
        required["REST_MLE_RESPONSE_KEY"] = conf.rest_mle_response_key
    missing = [name for name, value in required.items() if not value]
    if missing:
        raise ImproperlyConfigured(f"The REST API needs {', '.join(f'CYBERSOURCE_{name}' for name in missing)}.")
    encrypts = conf.rest_mle or conf.rest_mle_response_key_id
    if encrypts and mode is AuthMode.HTTP_SIGNATURE:
        raise ImproperlyConfigured("CYBERSOURCE_REST_MLE works with JWT authentication only.")
    try:
        return _access(mode)
    except BadKeyMaterial as problem:
        explanation = str(problem)
    raise ImproperlyConfigured(f"A key of the REST API cannot be used: {explanation}")


def reaches(made: PaymentOperation) -> bool:
    """Whether our key may speak for the merchant for whom an operation was made, in the environment of then."""
    if made.environment not in ("", conf.environment):
        return False
    return made.merchant_id in ("", conf.merchant_id) or bool(conf.rest_portfolio_id)


@sensitive_variables()
def _access_for(made: PaymentOperation | None, ours: RestCredentials) -> RestCredentials:
    """Return our access for an operation: of the merchant for whom it was made, where our key speaks for several."""
    if made is None or not made.merchant_id or not reaches(made):
        return ours
    return replace(ours, merchant_id=made.merchant_id)


@sensitive_variables()
def _access(mode: AuthMode) -> RestCredentials:
    gateway_key = None
    key: SharedSecret | PrivateKey
    if mode is AuthMode.P12:
        store = _key_store(_content("REST_P12", conf.rest_p12), conf.rest_p12_password)
        key, gateway_key = store.signing_key, store.gateway_key
    else:
        key = SharedSecret.from_base64(key_id=conf.rest_key_id, secret=conf.rest_shared_secret)
    if conf.rest_mle and conf.rest_mle_certificate:
        content = _content("REST_MLE_CERTIFICATE", conf.rest_mle_certificate)
        gateway_key = PublicKey.from_certificate(content)
    if conf.rest_mle and gateway_key is None:
        raise ImproperlyConfigured("CYBERSOURCE_REST_MLE needs CYBERSOURCE_REST_MLE_CERTIFICATE.")
    return RestCredentials(
        endpoint=conf.rest_endpoint.rstrip("/"),
        merchant_id=conf.merchant_id,
        portfolio_id=conf.rest_portfolio_id,
        mode=mode,
        key=key,
        request_key=gateway_key if conf.rest_mle else None,
        response_key=response_key(),
        seconds=float(conf.rest_timeout),
    )


@sensitive_variables()
def response_key() -> PrivateKey | None:
    """Return the key that opens what CyberSource encrypts for us, or None where the settings name none.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` or :class:`~cybersource.protocol.rest.BadKeyMaterial`.
    """
    if not conf.rest_mle_response_key:
        return None
    content = _content("REST_MLE_RESPONSE_KEY", conf.rest_mle_response_key)
    return _response_key(content, conf.rest_mle_response_key_id, conf.rest_mle_response_password)


def _content(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        reason = type(problem).__name__
    raise ImproperlyConfigured(f"The file of CYBERSOURCE_{name} cannot be read ({reason}).")


# Deriving a key from a password takes a while by design. The file's content is part of the cache's key, so a new file
# is a new key.
@lru_cache(maxsize=4)
@sensitive_variables()
def _key_store(content: bytes, password: str) -> KeyStore:
    return KeyStore.from_p12(content, password=password)


@lru_cache(maxsize=4)
@sensitive_variables()
def _response_key(content: bytes, key_id: str, password: str) -> PrivateKey:
    return PrivateKey.from_pem(content, key_id=key_id, password=password)


def origin(url: str) -> str:
    """Return scheme, host and port as origins are compared: lower case, no dot at the end, no port that goes unsaid."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    unsaid = {"https": 443, "http": 80}.get(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}" if port in (None, unsaid) else f"{parts.scheme}://{host}:{port}"


def is_this_machine(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
