"""RSA keys and certificates for one test run, made when it starts: no private key stands in the repository."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "throwaway"
MERCHANT = "oscar_test_mid"


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """The run's key of this name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(name: str, *, common_name: str, serial: str | None, days: int = 30) -> x509.Certificate:
    """A self-signed certificate for ``days`` more; ``serial`` is the subject's attribute, not the X.509 number."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if serial is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    subject, key, now = x509.Name(attributes), private_key(name), datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def pem(name: str, password: str = "") -> bytes:
    protection = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return private_key(name).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def certificate_pem(name: str, *, common_name: str, serial: str | None, days: int = 30) -> bytes:
    made = certificate(name, common_name=common_name, serial=serial, days=days)
    return made.public_bytes(serialization.Encoding.PEM)


def p12(
    *, with_gateway: bool = True, serial: str | None = "1772530013000", password: str = PASSWORD, days: int = 30
) -> bytes:
    """A .p12 as the Business Center makes it: our key and certificate, and the gateway's certificate."""
    others = [certificate("gateway", common_name="CyberSource_SJC_US", serial="9988776655")] if with_gateway else None
    return pkcs12.serialize_key_and_certificates(
        MERCHANT.encode(),
        private_key("merchant"),
        certificate("merchant", common_name=MERCHANT, serial=serial, days=days),
        others,
        serialization.BestAvailableEncryption(password.encode()),
    )
