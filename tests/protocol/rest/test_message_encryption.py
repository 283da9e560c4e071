"""Encrypted for CyberSource alone, and opened by us alone."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey, RSAKey

from cybersource.protocol.rest import PrivateKey, PublicKey, Undecryptable, encrypt_request, open_response
from cybersource.simulator.rest.encryption import wrapped

from .key_material import certificate_pem, pem, private_key

GATEWAY = PublicKey.from_certificate(certificate_pem("gateway", common_name="CyberSource_SJC_US", serial="9988776655"))
OURS = PrivateKey.from_pem(pem("reply"), key_id="reply-key")
BODY = '{"comments":"naïve café"}'.encode()


def reply(content: bytes, *, key: str = "reply", **header: object) -> bytes:
    """An encrypted reply as the gateway writes it."""
    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "reply-key", "iat": 1772530013, **header}
    algorithms = [value for name, value in header.items() if name in ("alg", "enc", "zip")]
    registry = jwe.JWERegistry(algorithms=algorithms, strict_check_header=False)
    registry.max_ciphertext_length = 64_000_000
    wrapped = jwe.encrypt_compact(header, content, RSAKey.import_key(private_key(key).public_key()), registry=registry)
    return json.dumps({"encryptedResponse": wrapped}).encode()


def test_a_request_is_one_member_that_only_the_gateways_key_opens():
    sent = json.loads(encrypt_request(BODY, key=GATEWAY, issued_at=1772530013))
    assert list(sent) == ["encryptedRequest"]
    registry = jwe.JWERegistry(algorithms=["RSA-OAEP-256", "A256GCM"], strict_check_header=False)
    opened = jwe.decrypt_compact(sent["encryptedRequest"], RSAKey.import_key(private_key("gateway")), registry=registry)
    assert opened.plaintext == BODY
    assert opened.protected == {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "9988776655", "iat": 1772530013}
    with pytest.raises(Exception):  # noqa: B017 - whatever the library raises, it does not open
        jwe.decrypt_compact(sent["encryptedRequest"], RSAKey.import_key(private_key("reply")), registry=registry)


def test_the_same_body_is_never_encrypted_to_the_same_bytes():
    assert len({encrypt_request(BODY, key=GATEWAY, issued_at=1) for _ in range(3)}) == 3


@pytest.mark.parametrize("algorithm", ["RSA-OAEP-256", "RSA-OAEP"])
def test_an_encrypted_reply_is_opened(algorithm):
    assert open_response(reply(BODY, alg=algorithm), key=OURS) == BODY


def test_a_reply_is_opened_however_its_header_is_spelled():
    certificate = certificate_pem("reply", common_name="oscar_test_mid", serial="reply-key")
    spelled = wrapped(BODY, certificate=certificate, kid="reply-key", now=datetime(2026, 3, 3, tzinfo=UTC))
    header = json.loads(spelled)["encryptedResponse"].split(".")[0]
    assert b", " in urlsafe_b64decode(header + "=" * (-len(header) % 4)), "not as our library writes JSON"
    assert open_response(spelled, key=OURS) == BODY


def test_a_reply_as_long_as_a_full_search_is_opened():
    content = b'{"a":"' + b"x" * 3_000_000 + b'"}'
    assert open_response(reply(content), key=OURS) == content


@pytest.mark.parametrize(
    "body",
    [b'{"status":"AUTHORIZED"}', b"<html>", b"", b'{"encryptedResponse":"a","id":"7"}', b'{"encryptedResponse":7}'],
)
def test_a_reply_that_is_not_of_the_encrypted_form_is_taken_as_it_is(body):
    assert open_response(body, key=OURS) == body


def broken(content: bytes) -> bytes:
    """The same reply with its last character changed."""
    token = json.loads(content)["encryptedResponse"]
    return json.dumps({"encryptedResponse": token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]}).encode()


def under_a_symmetric_key() -> bytes:
    """A key agreement that needs no private key of ours."""
    header = {"alg": "dir", "enc": "A256GCM"}
    token = jwe.encrypt_compact(header, BODY, OctKey.generate_key(256), algorithms=["dir", "A256GCM"])
    return json.dumps({"encryptedResponse": token}).encode()


@pytest.mark.parametrize(
    "body",
    [
        reply(BODY, key="another"),
        broken(reply(BODY)),
        reply(BODY)[:-40] + b'"}',
        reply(BODY, zip="DEF"),
        reply(BODY, enc="A128CBC-HS256"),
        under_a_symmetric_key(),
        b'{"encryptedResponse":"not.a.token"}',
        b'{"encryptedResponse":"...."}',
        b'{"encryptedResponse":""}',
        '{"encryptedResponse":"ä.b.c.d.e"}'.encode(),
    ],
    ids=["foreign key", "changed", "truncated", "compressed", "other cipher", "dir", "three", "empty", "none", "text"],
)
def test_what_cannot_be_opened_is_one_typed_error_that_tells_nothing_of_it(body):
    with pytest.raises(Undecryptable) as refused:
        open_response(body, key=OURS)
    assert refused.value.rule == "reply-undecryptable"
    assert refused.value.__context__ is None


def test_an_encrypted_reply_without_a_key_of_ours_is_the_same_kind_of_error():
    with pytest.raises(Undecryptable):
        open_response(reply(BODY), key=None)
