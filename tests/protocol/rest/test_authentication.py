"""Requests carry exactly the headers that CyberSource's own SDK puts on the wire."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from cybersource.protocol.rest import (
    BadKeyMaterial,
    KeyStore,
    PrivateKey,
    RestRequest,
    SharedSecret,
    http_signature_headers,
    jwt_headers,
)

from .key_material import MERCHANT, PASSWORD, p12, pem, private_key

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
PARAMS = VECTORS["params"]
META_KEY = {"H9", "J5"}

#: SHA-256 of the whole tokens, recorded apart from the file.
TOKEN_HASHES = {
    "J1": "7ae41e2a0a08bb88aac21307ecc1c3e23032d435eadf776f34ea05e80b710270",
    "J2": "67255f501c4e05a59c9979e9605d7b52a42f525bd1cee7f07179133cde2cf0b3",
    "J3": "2981eaf2f00922613adc186ddef74390cc7bb5b305dd866367fbbebd1b0611e0",
    "J4": "a54fe3a266bd0a58fc41250d37eb23ffa329371c9b46dfbaa2558c3a151f1e17",
    "J5": "cb040b351a64ee785d6f43cd028c32531671f0dde2fb46bbb10ae997af9c1b26",
    "J6": "d453b92f89c294e200bc24e6ed3538db27abe81d68ff69cca95685cd624f5114",
}


def secret() -> SharedSecret:
    return SharedSecret.from_base64(key_id=PARAMS["key_id"], secret=PARAMS["shared_secret_base64"])


def request(vector: dict[str, Any]) -> RestRequest:
    return RestRequest(
        method=vector["method"],
        host=vector["host"],
        target=vector["request_target_path"],
        body=(vector["body"] or "").encode("utf-8"),
    )


@pytest.mark.parametrize("vector", VECTORS["http_signature"], ids=lambda vector: vector["id"])
def test_an_http_signature_is_byte_for_byte_that_of_the_vendors_sdk(vector):
    headers = http_signature_headers(
        request(vector),
        key=secret(),
        merchant_id=PARAMS["merchant_id"],
        at=parsedate_to_datetime(PARAMS["date"]),
        portfolio_id=PARAMS["portfolio_id"] if vector["id"] in META_KEY else "",
    )
    assert headers == vector["headers"]


@pytest.mark.parametrize("vector", VECTORS["jwt_hs256"], ids=lambda vector: vector["id"])
def test_a_token_by_shared_secret_is_byte_for_byte_that_of_the_vendors_sdk(vector):
    headers = jwt_headers(
        request(vector),
        key=secret(),
        merchant_id=PARAMS["merchant_id"],
        issued_at=PARAMS["iat"],
        token_id=PARAMS["jti"],
        portfolio_id=PARAMS["portfolio_id"] if vector["id"] in META_KEY else "",
    )
    assert headers == vector["headers"]
    token = headers["Authorization"].removeprefix("Bearer ")
    assert hashlib.sha256(token.encode()).hexdigest() == TOKEN_HASHES[vector["id"]]


def test_every_vector_is_here():
    assert [vector["id"] for vector in VECTORS["http_signature"]] == [f"H{n}" for n in range(1, 10)]
    assert [vector["id"] for vector in VECTORS["jwt_hs256"]] == [f"J{n}" for n in range(1, 7)]


CAPTURE = RestRequest(method="post", host="apitest.cybersource.com", target="/pts/v2/payments/7/captures", body=b"{}")


def test_a_token_by_certificate_verifies_with_the_certificates_public_key_and_names_its_subject():
    store = KeyStore.from_p12(p12(), password=PASSWORD)
    headers = jwt_headers(
        CAPTURE,
        key=store.signing_key,
        merchant_id=MERCHANT,
        issued_at=1772530013,
        token_id="one",
        response_key_id="reply-key",
    )
    token = headers["Authorization"].removeprefix("Bearer ")
    opened = jws.deserialize_compact(token, RSAKey.import_key(private_key("merchant").public_key()), ["RS256"])
    assert opened.protected == {"alg": "RS256", "kid": "1772530013000", "typ": "JWT"}
    assert json.loads(opened.payload) == {
        "iat": 1772530013,
        "exp": 1772530133,
        "iss": MERCHANT,
        "jti": "one",
        "request-host": "apitest.cybersource.com",
        "request-method": "post",
        "request-resource-path": "/pts/v2/payments/7/captures",
        "v-c-jwt-version": "2",
        "v-c-merchant-id": MERCHANT,
        "digest": b64encode(hashlib.sha256(b"{}").digest()).decode(),
        "digestAlgorithm": "SHA-256",
        "v-c-response-mle-kid": "reply-key",
    }


@pytest.mark.parametrize("method", ["get", "delete"])
def test_what_sends_no_body_signs_no_digest(method):
    read = RestRequest(method=method, host="apitest.cybersource.com", target="/tss/v2/transactions/7", body=b"{}")
    signed = http_signature_headers(read, key=secret(), merchant_id=MERCHANT, at=datetime(2026, 3, 3, tzinfo=UTC))
    assert read.digest is None
    assert "Digest" not in signed and "digest" not in signed["Signature"]


def test_a_certificate_without_the_subjects_serial_number_goes_by_its_x509_number():
    assert KeyStore.from_p12(p12(serial=None), password=PASSWORD).signing_key.key_id == "4711"


def test_a_p12_brings_the_gateways_key_for_encryption_where_it_holds_one():
    assert KeyStore.from_p12(p12(), password=PASSWORD).gateway_key.key_id == "9988776655"
    assert KeyStore.from_p12(p12(with_gateway=False), password=PASSWORD).gateway_key is None


@pytest.mark.parametrize(
    ("read", "rule"),
    [
        (lambda: SharedSecret.from_base64(key_id="k", secret="not base64!"), "shared-secret-not-base64"),
        (lambda: SharedSecret.from_base64(key_id="k", secret="schlüssel"), "shared-secret-not-base64"),
        (lambda: SharedSecret.from_base64(key_id="k", secret=""), "shared-secret-not-base64"),
        (lambda: KeyStore.from_p12(p12(), password="topsecret-wrong"), "p12-unreadable"),
        (lambda: KeyStore.from_p12(b"no p12", password="topsecret-wrong"), "p12-unreadable"),
        (lambda: PrivateKey.from_pem(b"no pem", key_id="k"), "private-key-unreadable"),
        (
            lambda: PrivateKey.from_pem(pem("reply", "right"), key_id="k", password="topsecret"),
            "private-key-unreadable",
        ),
    ],
)
def test_bad_key_material_says_what_is_wrong_and_nothing_of_the_secret(read, rule):
    with pytest.raises(BadKeyMaterial) as refused:
        read()
    assert refused.value.rule == rule
    assert refused.value.__cause__ is None and refused.value.__context__ is None
    for secret_text in ("not base64!", "schlüssel", "topsecret"):
        assert secret_text not in f"{refused.value!r}{refused.value}"


def test_no_secret_shows_in_the_repr_of_a_key():
    key = secret()
    store = KeyStore.from_p12(p12(), password=PASSWORD)
    shown = repr((key, store, PrivateKey(key_id="k", key=private_key("reply"))))
    assert PARAMS["shared_secret_base64"] not in shown and repr(key.secret) not in shown
    assert "RSAPrivateKey" not in shown and "BEGIN" not in shown
