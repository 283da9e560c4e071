"""Key material of the REST API: what the Business Center hands out, read into keys that do not show themselves.

Nothing here opens a file: bytes come in.

Source: vendor guide "Getting Started with REST", on the keys that the Business Center calls "REST - Shared Secret",
"REST - Certificate" and "REST - API Response MLE".
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import ProtocolError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.x509 import Certificate

#: Common name of the certificate for which requests are encrypted.
GATEWAY_CERTIFICATE = "CyberSource_SJC_US"


class BadKeyMaterial(ProtocolError):
    """A secret, certificate or key file of the REST API cannot be used. ``rule`` says which and why."""


@dataclass(frozen=True, kw_only=True)
class SharedSecret:
    """A "REST - Shared Secret" key, for JWT (HS256) and for the legacy HTTP Signature."""

    key_id: str  #: a UUID, public, names the secret
    secret: bytes = field(repr=False)  #: decoded; the Business Center shows it in Base64

    @classmethod
    def from_base64(cls, *, key_id: str, secret: str) -> SharedSecret:
        """Read a secret as the Business Center shows it. Raises :class:`BadKeyMaterial`."""
        decoded = b""
        try:
            decoded = b64decode(secret.strip().encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            pass  # raised below, so that no error carries the secret along
        if not decoded:
            raise BadKeyMaterial("shared-secret-not-base64", "The shared secret is not Base64.")
        return cls(key_id=key_id, secret=decoded)


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """An RSA key under the name that CyberSource knows it by: signs RS256 tokens, or opens encrypted replies."""

    key_id: str
    key: RSAPrivateKey = field(repr=False)
    valid_until: datetime | None = None  #: of the certificate it came with, if it came with one

    @classmethod
    def from_pem(cls, pem: bytes, *, key_id: str, password: str = "") -> PrivateKey:
        """Read a private key in PEM. Raises :class:`BadKeyMaterial`."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key: Any = None
        try:
            key = load_pem_private_key(pem, password.encode() or None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            pass
        if key is None:
            raise BadKeyMaterial("private-key-unreadable", "The private key is not PEM, or its password is wrong.")
        return cls(key_id=key_id, key=_rsa_private(key))


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """The key for which request bodies are encrypted, and its name (``kid``)."""

    key_id: str
    key: RSAPublicKey = field(repr=False)
    valid_until: datetime | None = None  #: of its certificate

    @classmethod
    def from_certificate(cls, pem_or_der: bytes) -> PublicKey:
        """Read the certificate that the Business Center offers for message-level encryption.

        Raises :class:`BadKeyMaterial`.
        """
        from cryptography import x509

        certificate: Any = None
        try:
            if b"-----BEGIN" in pem_or_der:
                certificate = x509.load_pem_x509_certificate(pem_or_der)
            else:
                certificate = x509.load_der_x509_certificate(pem_or_der)
        except ValueError:
            pass
        if certificate is None:
            raise BadKeyMaterial("certificate-unreadable", "The certificate is neither PEM nor DER.")
        return cls._from(certificate)

    @classmethod
    def _from(cls, certificate: Certificate) -> PublicKey:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise BadKeyMaterial("key-not-rsa", "The certificate's key is not RSA.")
        return cls(key_id=certificate_name(certificate), key=key, valid_until=certificate.not_valid_after_utc)


@dataclass(frozen=True, kw_only=True)
class KeyStore:
    """What a ``.p12`` file of the REST API holds."""

    signing_key: PrivateKey
    gateway_key: PublicKey | None  #: for requests with message-level encryption; older files lack it

    @classmethod
    def from_p12(cls, content: bytes, *, password: str) -> KeyStore:
        """Read a ``.p12`` of a "REST - Certificate" key. Raises :class:`BadKeyMaterial`."""
        from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

        store: Any = None
        try:
            store = load_pkcs12(content, password.encode())
        except ValueError:
            pass
        if store is None:
            raise BadKeyMaterial("p12-unreadable", "The key file is no .p12, or its password is wrong.")
        if store.key is None or store.cert is None:
            raise BadKeyMaterial("p12-incomplete", "The .p12 holds no private key with its certificate.")
        gateway = next((each for each in store.additional_certs if _common_name(each) == GATEWAY_CERTIFICATE), None)
        certificate = store.cert.certificate
        return cls(
            signing_key=PrivateKey(
                key_id=certificate_name(certificate),
                key=_rsa_private(store.key),
                valid_until=certificate.not_valid_after_utc,
            ),
            gateway_key=PublicKey._from(gateway.certificate) if gateway else None,
        )


def certificate_name(certificate: Certificate) -> str:
    """Return what CyberSource calls a certificate: the ``serialNumber`` attribute of its *subject*.

    It is not the X.509 serial number, which is the fallback only where the attribute is missing.
    Source: "Getting Started with REST", sample tokens; the vendor's SDKs.
    """
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return str(names[0].value) if names else str(certificate.serial_number)


def _common_name(entry: Any) -> str:
    from cryptography.x509.oid import NameOID

    names = entry.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _rsa_private(key: Any) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if not isinstance(key, RSAPrivateKey):
        raise BadKeyMaterial("key-not-rsa", "The private key is not RSA.")
    return key
