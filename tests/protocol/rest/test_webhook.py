"""A webhook delivery is believed as far as it was signed, by a key of ours and lately, and read in one way only."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersource.protocol.rest import (
    BadDelivery,
    Covered,
    InvalidWebhook,
    PrivateKey,
    PublicKey,
    SharedSecret,
    SignatureHeader,
    encrypt_request,
    open_delivery,
)
from tests.protocol.far_side import reads_as_a_sentence

from .deliveries import (
    J1,
    J2,
    J3,
    KEY,
    KEY_ID,
    OTHER_KEY,
    OTHER_KEY_ID,
    T1,
    W1_HEADER,
    W1_KEY,
    W1_PAYLOAD,
    W2_AT,
    W2_HEADER,
    W2_PAYLOAD,
    body,
    header,
    signature,
)
from .key_material import certificate_pem, pem

KEYS = {
    KEY_ID: SharedSecret.from_base64(key_id=KEY_ID, secret=KEY),
    OTHER_KEY_ID: SharedSecret.from_base64(key_id=OTHER_KEY_ID, secret=OTHER_KEY),
}
PAYLOAD = {"data": {"id": "7725300131236543210988", "status": "TRANSMITTED"}, "organizationId": "acme_shop"}
BODY = body(PAYLOAD)


def opened(content: str | bytes, signed: str, *, now: datetime = W2_AT, **how):
    content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return open_delivery(content, header=signed, **{"keys": KEYS, "now": now, "max_age": timedelta(days=2), **how})


def refused(kind: type[InvalidWebhook | BadDelivery], content: str | bytes, signed: str, **how) -> str:
    with pytest.raises(kind) as caught:
        opened(content, signed, **how)
    assert reads_as_a_sentence(caught.value)
    return caught.value.rule


# ---------------------------------------------------------------------------------------------------- what is signed


def test_the_guides_own_sample_is_the_signature_we_find():
    key = SharedSecret.from_base64(key_id="guide", secret=W1_KEY)
    signed = SignatureHeader.parse(W1_HEADER)
    assert signed.signs(W1_PAYLOAD, key)
    assert not signed.signs(W1_PAYLOAD + b" ", key)
    assert signed.signed_at == datetime(2021, 4, 7, 21, 26, 44, 768000, UTC)


def test_a_delivery_whose_inner_payload_is_signed_is_believed_and_says_that_no_more_was():
    delivery = opened(f'{{"eventType": "payments.payments.review", "payload": {W2_PAYLOAD} }}', W2_HEADER)
    assert delivery.covered is Covered.PAYLOAD and delivery.key_id == KEY_ID
    (event,) = delivery.events
    assert (event.request_id, event.status) == ("7725300131236543210987", "AUTHORIZED_PENDING_REVIEW")
    assert delivery.organization_id == "oscar_test_mid" and delivery.signed_at == W2_AT


@pytest.mark.parametrize(("content", "time", "whole", "inner"), [J1, J2, J3])
def test_decision_managers_events_are_believed_whichever_bytes_were_signed(content, time, whole, inner):
    now = datetime(2026, 3, 4, 11, 0, tzinfo=UTC)
    for signed, covered in ((whole, Covered.BODY), (inner, Covered.PAYLOAD)):
        delivery = opened(content, f"{time};keyId={OTHER_KEY_ID};sig={signed}", now=now)
        assert delivery.covered is covered
        told = json.loads(content)
        assert delivery.event_type == told["eventType"] and delivery.product_id == "decisionManager"
        assert delivery.trace_id == told["transactionTraceId"] and delivery.webhook_id == told["webhookId"]
        assert delivery.is_retry is (told["requestType"] == "RETRY")
        assert delivery.event_at == datetime(2026, 3, 4, 10, 5, 47, tzinfo=UTC)
        (event,) = delivery.events
        assert event.request_id == told["payload"]["data"]["id"]
        assert event.reference_number == told["payload"]["data"]["referenceNumber"]


def test_a_payload_that_was_written_anew_on_its_way_is_believed_by_its_compact_form():
    spaced = json.dumps(json.loads(BODY), indent=2, ensure_ascii=True)
    compact = json.dumps(PAYLOAD, separators=(",", ":"))
    assert opened(spaced, header(compact, W2_AT)).covered is Covered.PAYLOAD


def test_blanks_and_letters_of_any_kind_in_the_payload_are_signed_as_they_stand():
    odd = '{ "data" : {"id":"7725300131236543210988", "note":"na\\u00efve \\/ caf\u00e9 \U0001f600", "n": 1.10} }'
    assert opened(f'{{"a":[1,{{"payload":0}}],"payload":\n{odd}\n,"z":"}}"}}', header(odd, W2_AT)).events[0].request_id


def test_a_list_of_events_is_read_one_by_one():
    delivery = opened(T1, header(T1, W2_AT))
    (event,) = delivery.events
    assert event.customers == ("P47C5DF0BD0079A8E0530E2E020A5CDH", "11E005EC5EC93BE7E063AF598E0A92CC")
    assert event.request_id == "", "what is no transaction's id is not taken for one"
    assert delivery.organization_id == "acme_shop" and not delivery.is_retry
    two = body([{"data": {"id": "7725300131236543210988"}}, {"id": "7725300131236543210989", "status": "VOIDED"}])
    assert [(each.request_id, each.status) for each in opened(two, header(two, W2_AT)).events] == [
        ("7725300131236543210988", ""),
        ("7725300131236543210989", "VOIDED"),
    ]


@pytest.mark.parametrize("envelope", [{}, {"payload": []}, {"payload": None}, {"payloads": {"testPayload": "x"}}])
def test_a_test_delivery_tells_nothing_and_is_no_error(envelope):
    content = json.dumps({"eventType": "payments.payments.accept", **envelope})
    (event,) = opened(content, header(content, W2_AT)).events
    assert (event.request_id, event.reference_number, event.status, event.customers) == ("", "", "", ())


@pytest.mark.parametrize("signs", ["whole", "member", "compact"])
def test_a_payload_in_the_plural_is_read_like_one_in_the_singular_however_it_is_signed(signs):
    compact = json.dumps([PAYLOAD], separators=(",", ":"))
    content = f'{{"eventType":"payments.payments.accept","payloads": {json.dumps([PAYLOAD])}}}'
    covered = {"whole": content, "member": json.dumps([PAYLOAD]), "compact": compact}[signs]
    delivery = opened(content, header(covered, W2_AT))
    assert [each.request_id for each in delivery.events] == [PAYLOAD["data"]["id"]]
    assert delivery.covered is (Covered.BODY if signs == "whole" else Covered.PAYLOAD)
    both = f'{{"payload":{compact[1:-1]},"payloads":[{{"data":{{"id":"7725300131236543219999"}}}}]}}'
    assert [each.request_id for each in opened(both, header(compact[1:-1], W2_AT)).events] == [PAYLOAD["data"]["id"]]


def test_a_fingerprint_tells_messages_apart_and_not_what_is_written_around_them():
    compact = json.dumps(PAYLOAD, separators=(",", ":"))
    first = opened(BODY, header(compact, W2_AT))
    relabelled = opened(body(PAYLOAD, event="tms.token.updated", transactionTraceId="x"), header(compact, W2_AT))
    later = opened(BODY, header(compact, W2_AT + timedelta(seconds=1)))
    assert first.fingerprint == relabelled.fingerprint != later.fingerprint


# ---------------------------------------------------------------------------------------------------- the header


@pytest.mark.parametrize(
    "write",
    [
        lambda t, k, s: f"t={t};keyId={k};sig={s}",
        lambda t, k, s: f"t={t};keyId={k};sig={s};",
        lambda t, k, s: f"t={t}; keyId={k}; sig={s}",
        lambda t, k, s: f"t={t},keyId={k},sig={s}",
        lambda t, k, s: f'"t={t};keyId={k};sig={s}"',
        lambda t, k, s: f't="{t}";keyId="{k}";sig="{s}"',
        lambda t, k, s: f"sig={s};keyId={k};alg=HS256;t={t}",
    ],
)
def test_the_header_is_read_in_every_way_that_senders_write_it(write):
    time = str(round(W2_AT.timestamp() * 1000))
    assert opened(BODY, write(time, KEY_ID, signature(BODY, W2_AT))).signed_at == W2_AT


def test_a_time_in_seconds_is_read_as_one():
    time = str(round(W2_AT.timestamp()))
    assert opened(BODY, header(BODY, W2_AT, time=time)).signed_at == W2_AT


GOOD = header(BODY, W2_AT)
SIG = GOOD.rpartition("sig=")[2]


@pytest.mark.parametrize(
    ("signed", "rule"),
    [
        ("", "signature-missing"),
        ("   ", "signature-missing"),
        ("nonsense", "signature-unreadable"),
        (f"keyId={KEY_ID};sig={SIG}", "signature-unreadable"),
        (f"t=1772530013000;sig={SIG}", "signature-unreadable"),
        (f"t=1772530013000;keyId={KEY_ID}", "signature-unreadable"),
        (f"t=soon;keyId={KEY_ID};sig={SIG}", "signature-unreadable"),
        (f"t=-1772530013000;keyId={KEY_ID};sig={SIG}", "signature-unreadable"),
        (f"t=\u0661\u0667\u0667\u0662530013000;keyId={KEY_ID};sig={SIG}", "signature-unreadable"),
        (f"t={'9' * 400};keyId={KEY_ID};sig={SIG}", "signature-unreadable"),
        (f"t=1772530013000;keyId={KEY_ID};sig=AAAA", "signature-unreadable"),
        (f"t=1772530013000;keyId={KEY_ID};sig={SIG[:-1]}", "signature-unreadable"),
        (f"t=1772530013000;keyId={KEY_ID};sig=\u00e9{SIG}", "signature-unreadable"),
        (f"t=1772530013000;keyId=../{KEY_ID};sig={SIG}", "signature-unreadable"),
        (GOOD + ";x=" + "y" * 1000, "signature-unreadable"),
        (f"{GOOD},{GOOD}", "signature-twice"),
        (f"{GOOD};keyId={OTHER_KEY_ID}", "signature-twice"),
        (GOOD.replace(KEY_ID, "33333333-3333-4444-8555-666666666666"), "unknown-key"),
        (GOOD.replace(KEY_ID, OTHER_KEY_ID), "signature-mismatch"),
        (GOOD.replace("t=1772530013000", "t=1772530013001"), "signature-mismatch"),
        (header(BODY, W2_AT, key=OTHER_KEY), "signature-mismatch"),
        (header(BODY + " ", W2_AT), "signature-mismatch"),
        (header("", W2_AT), "signature-mismatch"),
        (header(BODY, W2_AT - timedelta(days=2, seconds=1)), "too-old"),
        (header(BODY, W2_AT + timedelta(minutes=11)), "in-the-future"),
        (header(BODY, W2_AT, time="99999999999999"), "in-the-future"),
    ],
)
def test_what_is_not_signed_by_us_and_now_is_not_believed(signed, rule):
    assert refused(InvalidWebhook, BODY, signed) == rule


def test_a_delivery_is_believed_until_it_is_too_old_and_a_little_ahead_of_our_clock():
    for at in (W2_AT - timedelta(days=2), W2_AT + timedelta(minutes=9)):
        assert opened(BODY, header(BODY, at)).signed_at == at


def test_without_a_key_nobody_is_believed():
    assert refused(InvalidWebhook, BODY, GOOD, keys={}) == "unknown-key"


# ---------------------------------------------------------------------------------------------------- the body

DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"\xff\xfe" + BODY.encode(), "not-utf8"),
        (b"", "not-json"),
        (b"null", "not-json"),
        (b"[]", "not-json"),
        (b'"text"', "not-json"),
        (b"<xml/>", "not-json"),
        (BODY.encode()[:-1], "not-json"),
        (BODY.encode() + b"x", "not-json"),
        (BODY.encode() + BODY.encode(), "not-json"),
        (b'{"payload":{},}', "not-json"),
        (b'{,"payload":{}}', "not-json"),
        (b'{"payload" {}}', "not-json"),
        (b'{1:2,"payload":{}}', "not-json"),
        (b'{"payload":NaN}', "not-json"),
        (b'{"payload":"\x00"}', "not-json"),
        (b'{"payload":' + b"9" * 5000 + b"}", "not-json"),
        (b'{"payload":' + b"[" * DEEP + b"]" * DEEP + b"}", "not-json"),
        (b'{"a":' * DEEP, "not-json"),
        (b'{"payload":{},"payload":{}}', "said-twice"),
        (b'{"payload":{"data":{"id":"1","id":"2"}}}', "said-twice"),
        (b'{"\\u0070ayload":{},"payload":{}}', "said-twice"),
        (b'{"payload":[' + b",".join([b"{}"] * 101) + b"]}", "too-many-events"),
        (b'{"payload":"' + b"x" * 1024 * 1024 + b'"}', "too-large"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else value,
)
def test_a_body_that_can_be_read_in_no_way_or_in_two_is_refused_although_it_is_signed(content, rule):
    assert refused(BadDelivery, content, header(content, W2_AT)) == rule


def test_a_refusal_carries_nothing_of_the_delivery_along():
    secret = '{"card":"4111111111111111"'
    for content in (secret, '{"card":"4111111111111111","card":1}', f'{{"payload":{secret}'):
        with pytest.raises(BadDelivery) as caught:
            opened(content, header(content, W2_AT))
        problem: BaseException | None = caught.value
        while problem is not None:
            assert "4111" not in str(problem) and "4111" not in str(getattr(problem, "doc", ""))
            problem = problem.__cause__ or problem.__context__


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "data id requestId status referenceNumber clientReferenceInformation code _links customers href"
                " payload eventType eventDate organizationId retryNumber requestType webhookId encData".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(content=st.dictionaries(st.sampled_from(["payload", "eventType", "eventDate", "retryNumber", "a"]), ODD))
def test_no_shape_of_a_signed_delivery_is_a_crash_and_no_text_is_unstorable(content):
    written = json.dumps(content)
    delivery = opened(written, header(written, W2_AT))
    for event in delivery.events:
        for told in (event.request_id, event.reference_number, event.status, *event.customers):
            assert "\x00" not in told
            told.encode()
    if "payload" in content:
        compact = json.dumps(content["payload"], ensure_ascii=False, separators=(",", ":"))
        inner = compact.encode("utf-8", "surrogatepass")
        assert opened(written, header(inner, W2_AT)).covered is Covered.PAYLOAD


@given(content=st.binary(max_size=300), signed=st.text(max_size=200))
def test_whatever_a_stranger_sends_is_refused_by_name(content, signed):
    with pytest.raises((InvalidWebhook, BadDelivery)):
        opened(content, signed)


@given(at=st.integers(0, len(BODY.encode()) - 1), bit=st.integers(0, 7))
def test_changing_one_bit_of_what_is_signed_is_noticed(at, bit):
    changed = bytearray(BODY.encode())
    changed[at] ^= 1 << bit
    with pytest.raises((InvalidWebhook, BadDelivery)):
        opened(bytes(changed), GOOD)


# ---------------------------------------------------------------------------------------------------- encrypted


def jwe(content: str, *, name: str = "reply") -> str:
    certificate = certificate_pem(name, common_name="acme_shop", serial="reply-key")
    wrapped = encrypt_request(content.encode(), key=PublicKey.from_certificate(certificate), issued_at=1772530013)
    return json.loads(wrapped)["encryptedRequest"]


def response_key(name: str = "reply") -> PrivateKey:
    return PrivateKey.from_pem(pem(name), key_id="reply-key")


INNER = json.dumps(PAYLOAD, separators=(",", ":"))


@pytest.mark.parametrize("wrap", [lambda token: token, lambda token: {"encData": token}])
def test_an_encrypted_payload_is_opened_and_believed_by_what_it_says_or_by_what_was_sent(wrap):
    content = body(wrap(jwe(INNER)))
    for covered, signed in ((Covered.PAYLOAD, INNER), (Covered.BODY, content)):
        delivery = opened(content, header(signed, W2_AT), response_key=response_key())
        assert delivery.covered is covered
        assert delivery.events[0].request_id == "7725300131236543210988"


def test_a_body_that_is_encrypted_as_a_whole_is_opened_too():
    content = jwe(BODY)
    for signed in (content, BODY, INNER):
        delivery = opened(content, header(signed, W2_AT), response_key=response_key())
        assert delivery.events[0].status == "TRANSMITTED"


def test_an_encrypted_payload_that_cannot_be_opened_or_read_is_refused():
    content = body(jwe(INNER))
    assert refused(BadDelivery, content, header(content, W2_AT)) == "encrypted"
    assert refused(BadDelivery, content, header(content, W2_AT), response_key=response_key("x")) == "undecryptable"
    broken = body("a.b.c.d.e")
    assert refused(BadDelivery, broken, header(broken, W2_AT), response_key=response_key()) == "undecryptable"
    for inner in ("text", '{"a":1,"a":2}', "[" * DEEP):
        content = body(jwe(inner))
        rule = refused(BadDelivery, content, header(inner, W2_AT), response_key=response_key())
        assert rule == "payload-not-json"


def test_what_was_encrypted_for_us_by_anybody_is_not_believed_without_a_signature():
    content = body(jwe(INNER))
    signed = header("something else", W2_AT)
    assert refused(InvalidWebhook, content, signed, response_key=response_key()) == "signature-mismatch"


def test_a_delivery_shows_neither_a_token_nor_what_it_tells_in_its_repr():
    assert "11E005EC" not in repr(opened(T1, header(T1, W2_AT)))
    assert SIG not in repr(SignatureHeader.parse(GOOD))
