"""REST calls over real HTTP: sent once, logged before and after, and never called what they are not."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from cybersource.gateway import client as rest_client
from cybersource.gateway import credentials
from cybersource.models import CyberSourceReply
from cybersource.protocol import ReviewDecision
from cybersource.protocol.rest import (
    NotSent,
    Processed,
    Refused,
    Resource,
    Unknown,
    UnknownReason,
    authorize,
    capture,
    decide_review,
    look_up,
    read_customer,
    refund,
    reverse,
    search,
    search_period,
    timeout_void,
    void,
)
from cybersource.simulator import Gateway, Settings, cards
from cybersource.simulator.rest import RestAccess, RestFault
from cybersource.simulator.rest.faults import NOT_PROCESSED
from cybersource.simulator.server import Server
from tests.protocol.rest.key_material import PASSWORD, certificate_pem, p12, pem
from tests.simulator.forms import card, create_token, pay
from tests.support.answering import says, server
from tests.support.shop import Shopper

TEN = {"amount": Decimal("10.00"), "currency": "USD"}
RestOutcome = CyberSourceReply.RestOutcome


def ids(number: int | str = 1) -> dict[str, str]:
    return {"reference_number": f"OSC-{number}", "idempotency_id": f"id{number}"}


@pytest.fixture
def far_side(committed_db, cybersource_simulator, settings) -> Gateway:
    """CyberSource with its REST services, and a shop that has the keys."""
    for name, value in cybersource_simulator.shop_settings.items():
        setattr(settings, name, value)
    return cybersource_simulator.gateway


@pytest.fixture
def admin_of_the_shop(committed_db) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss", "boss@shop.example", "-"))
    return client


def paid(far_side: Gateway, amount: str = "50.00") -> str:
    return pay(far_side, card(), transaction_type="authorization", amount=amount).payment.transaction_id


def row() -> CyberSourceReply:
    return CyberSourceReply.objects.get(reply_type="rest")


# ---------------------------------------------------------------------------------------------------- money


def test_a_payment_made_in_the_browser_is_captured_and_the_row_says_all_of_it(far_side):
    id = paid(far_side)
    exchange = rest_client.send(capture(id, **TEN, **ids("100042-C1") | {"idempotency_id": "c1"}))
    assert isinstance(exchange.outcome, Processed) and exchange.outcome.succeeded
    entry = row()
    assert entry == exchange.entry
    made = exchange.outcome.answer.id
    assert far_side.rest.status(made) == "PENDING"
    assert (entry.outcome, entry.http_status, entry.rest_status) == (RestOutcome.PROCESSED, 201, "PENDING")
    assert (entry.transaction_type, entry.transaction_id, entry.transaction_uuid) == ("capture", made, "c1")
    assert (entry.reference_number, entry.amount, entry.currency) == ("OSC-100042-C1", Decimal("10.00"), "USD")
    assert (entry.auth_amount, entry.result) == (Decimal("10.00"), CyberSourceReply.Result.SENT)
    assert len(entry.correlation_id) == 32 and entry.correlation_id == exchange.outcome.correlation_id
    assert entry.milliseconds is not None
    assert entry.data["request.target"] == f"/pts/v2/payments/{id}/captures"
    assert entry.data["request.orderInformation.amountDetails.totalAmount"] == "10.00"
    assert entry.data["orderInformation.amountDetails.totalAmount"] == "10.00"


def test_every_kind_of_call_is_understood_by_the_other_side(far_side):
    token = create_token(far_side, card()).payment.payment_token
    by_token = rest_client.send(authorize(token=token, **TEN, **ids(1))).outcome
    assert by_token.answer.status == "AUTHORIZED" and by_token.answer.authorized_amount == Decimal("10.00")
    assert (
        rest_client.send(reverse(by_token.answer.id, **TEN, reason="x", **ids(2))).outcome.answer.status == "REVERSED"
    )
    first, second = (
        rest_client.send(capture(paid(far_side), **TEN, **ids(number))).outcome.answer.id for number in (3, 4)
    )
    refunded = rest_client.send(refund(first, of=Resource.CAPTURE, **TEN, **ids(5))).outcome
    assert (refunded.answer.status, refunded.answer.amount) == ("PENDING", Decimal("10.00"))
    assert rest_client.send(void(second, of=Resource.CAPTURE, **ids(6))).outcome.answer.status == "VOIDED"
    told = rest_client.send(timeout_void(reference_number="OSC-3", lost_idempotency_id="id3")).outcome
    assert told.answer.status == "VOIDED" and far_side.rest.status(first) == "VOIDED"
    seen = rest_client.send(look_up(second)).outcome
    assert (seen.answer.status, seen.answer.applications[0].name) == ("VOIDED", "ics_bill")
    found = rest_client.send(search(["OSC-4", "OSC-5"])).outcome.search
    assert {each.reference_number for each in found.transactions} == {"OSC-4", "OSC-5"} and found.total == 2
    now = timezone.now()
    an_hour = timedelta(hours=1)
    pages = [rest_client.send(search_period(now - an_hour, now + an_hour, limit=4, offset=at)) for at in (0, 4, 8)]
    told = [each for page in pages for each in page.outcome.search.transactions]
    assert len({each.id for each in told}) == len(told) == pages[0].outcome.search.total
    assert [each.submitted_at for each in told] == sorted(each.submitted_at for each in told)
    assert rest_client.send(search_period(now - an_hour * 2, now - an_hour)).outcome.search.total == 0


def test_a_declined_card_is_processed_and_not_an_error(far_side):
    token = create_token(far_side, card(cards.NO_FUNDS)).payment.payment_token
    outcome = rest_client.send(authorize(token=token, **TEN, **ids())).outcome
    assert isinstance(outcome, Processed) and not outcome.succeeded
    assert (row().rest_status, row().rest_reason) == ("DECLINED", "INSUFFICIENT_FUND")


def test_a_call_that_is_sent_again_is_refused_as_a_repeat_and_moves_nothing(far_side):
    id = paid(far_side)
    assert isinstance(rest_client.send(capture(id, **TEN, **ids())).outcome, Processed)
    again = rest_client.send(capture(id, **TEN, **ids())).outcome
    assert isinstance(again, Refused) and again.is_duplicate
    assert sum(each.kind == "capture" for each in far_side.rest.transactions) == 1


def test_cybersource_does_not_stop_an_over_refund_so_neither_does_the_transport(far_side):
    made = rest_client.send(capture(paid(far_side), **TEN, **ids(1))).outcome.answer.id
    for number in (2, 3):
        assert rest_client.send(refund(made, of=Resource.CAPTURE, **TEN, **ids(number))).outcome.succeeded


def test_what_a_shopper_paid_is_captured_by_the_id_in_the_log_and_staff_can_read_of_it(far_side, admin_of_the_shop):
    far_side.set_shop("http://localhost")
    shopper = Shopper(gateway=far_side)
    order = shopper.check_out("50.00")
    shopper.pay()
    attempt = shopper.attempt()
    whole = {"amount": attempt.amount, "currency": attempt.currency}
    call = capture(attempt.settling_reply.transaction_id, **whole, **ids())
    exchange = rest_client.send(call, order=order, attempt=attempt)
    assert exchange.outcome.succeeded and exchange.entry.order == order
    far_side.rest.faults.next(RestFault.NO_ANSWER)
    lost = rest_client.send(
        void(exchange.outcome.answer.id, of=Resource.CAPTURE, **ids(2)), order=order, attempt=attempt
    )
    for path in [
        f"/dashboard/orders/{order.number}/",
        "/admin/cybersource/cybersourcereply/",
        f"/admin/cybersource/cybersourcereply/{exchange.entry.pk}/change/",
        f"/admin/cybersource/cybersourcereply/{lost.entry.pk}/change/",
    ]:
        assert admin_of_the_shop.get(path).status_code == 200, path


# --------------------------------------------------------------------------------------------- who we are


@pytest.fixture
def key_files(tmp_path) -> dict[str, Path]:
    files = {
        "p12": p12(),
        "certificate": certificate_pem("gateway", common_name="CyberSource_SJC_US", serial="9988776655"),
        "reply": pem("reply", PASSWORD),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in files}


def side_with_keys() -> RestAccess:
    ours = certificate_pem("merchant", common_name="acme_shop", serial="1772530013000")
    reply = certificate_pem("reply", common_name="acme_shop", serial="reply-key")
    return RestAccess(
        certificates={"1772530013000": ours},
        request_key=pem("gateway"),
        request_kid="9988776655",
        response_certificates={"reply-key": reply},
    )


BY_P12 = {"CYBERSOURCE_REST_AUTH": "p12", "CYBERSOURCE_REST_P12": "p12", "CYBERSOURCE_REST_P12_PASSWORD": PASSWORD}
MLE = {"CYBERSOURCE_REST_MLE": True}
CERTIFICATE = {"CYBERSOURCE_REST_MLE_CERTIFICATE": "certificate"}
REPLIES = {
    "CYBERSOURCE_REST_MLE_RESPONSE_KEY_ID": "reply-key",
    "CYBERSOURCE_REST_MLE_RESPONSE_KEY": "reply",
    "CYBERSOURCE_REST_MLE_RESPONSE_PASSWORD": PASSWORD,
}


@pytest.mark.parametrize(
    ("how", "scheme", "encrypted"),
    [
        ({}, "jwt-hs256", False),
        ({"CYBERSOURCE_REST_AUTH": "http-signature"}, "http-signature", False),
        (BY_P12, "jwt-rs256", False),
        (BY_P12 | MLE, "jwt-rs256", True),
        (BY_P12 | MLE | REPLIES, "jwt-rs256", True),
        (MLE | CERTIFICATE | REPLIES, "jwt-hs256", True),
        (REPLIES, "jwt-hs256", False),
    ],
)
def test_every_way_to_prove_who_we_are_is_believed_with_and_without_encryption(
    far_side, settings, key_files, how, scheme, encrypted
):
    far_side.configure(rest=side_with_keys())
    for name, value in how.items():
        path = name.endswith(("REST_P12", "CERTIFICATE", "RESPONSE_KEY"))
        setattr(settings, name, key_files[value] if path else value)
    id = paid(far_side)
    assert rest_client.send(capture(id, **TEN, **ids())).outcome.answer.status == "PENDING"
    refused = rest_client.send(capture(id, amount=Decimal("999"), currency="USD", **ids(2))).outcome
    assert refused.answer.reason == "EXCEEDS_AUTH_AMOUNT", "an error body is read too"
    # A look-up words no state for an authorization that stands. Source: a recording.
    found = rest_client.send(look_up(id)).outcome.answer
    assert (found.id, found.status) == (id, "")
    assert {call.scheme for call in far_side.rest.calls} == {scheme}
    assert [call.encrypted for call in far_side.rest.calls] == [encrypted, encrypted, False]


def test_what_cybersource_takes_in_plain_text_only_is_sent_so_where_all_else_is_encrypted(
    far_side, settings, key_files
):
    settings.CYBERSOURCE_REST_MLE = True
    settings.CYBERSOURCE_REST_MLE_CERTIFICATE = key_files["certificate"]
    bodies: list[bytes] = []

    def decided(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        bodies.append(body)
        says(201, b'{"id":"7725300131236543210987","status":"ACCEPTED"}')(handler, body)

    with server(decided) as (address, _):
        settings.CYBERSOURCE_REST_ENDPOINT = address
        outcome = rest_client.send(decide_review("7725300131236543210987", ReviewDecision.ACCEPT)).outcome
        rest_client.send(capture("7725300131236543210987", **TEN, **ids()))
    assert isinstance(outcome, Processed) and outcome.answer.status == "ACCEPTED"
    assert bodies[0] == b'{"decisionInformation":{"decision":"ACCEPT"}}'
    assert list(json.loads(bodies[1])) == ["encryptedRequest"]


def test_the_log_of_a_call_about_a_stored_card_names_no_token(far_side, settings):
    token = "A1B2C3D4E5F60718293A4B5C6D7E8F90"
    answer = json.dumps({"id": token, "message": token, "_links": {"self": {"href": f"/tms/v2/customers/{token}"}}})
    with server(says(200, answer.encode())) as (address, seen):
        settings.CYBERSOURCE_REST_ENDPOINT = address
        rest_client.send(read_customer(token))
    assert seen[0]["path"] == f"/tms/v2/customers/{token}"
    entry = CyberSourceReply.objects.filter(reply_type="rest").values().get()
    assert entry["data"]["request.target"] == "/tms/v2/customers/…"
    assert token not in str(entry)


def test_an_encrypted_reply_that_our_key_does_not_open_is_unknown(far_side, settings, key_files, tmp_path):
    far_side.configure(rest=side_with_keys())
    (tmp_path / "other").write_bytes(pem("another"))
    settings.CYBERSOURCE_REST_MLE_RESPONSE_KEY_ID = "reply-key"
    settings.CYBERSOURCE_REST_MLE_RESPONSE_KEY = tmp_path / "other"
    outcome = rest_client.send(capture(paid(far_side), **TEN, **ids())).outcome
    assert isinstance(outcome, Unknown) and outcome.why is UnknownReason.UNDECRYPTABLE


def test_a_wrong_secret_is_refused_as_not_authenticated_and_moves_nothing(far_side, settings):
    settings.CYBERSOURCE_REST_SHARED_SECRET = "d3Jvbmc="
    outcome = rest_client.send(capture(paid(far_side), **TEN, **ids())).outcome
    assert isinstance(outcome, Refused) and outcome.is_not_authenticated
    assert row().rest_reason == "Authentication Failed"
    assert all(each.kind != "capture" for each in far_side.rest.transactions)


@pytest.mark.parametrize(
    "name", ["CYBERSOURCE_REST_KEY_ID", "CYBERSOURCE_REST_SHARED_SECRET", "CYBERSOURCE_MERCHANT_ID"]
)
def test_without_credentials_nothing_is_sent_and_the_error_names_the_setting(far_side, settings, name):
    setattr(settings, name, "")
    with pytest.raises(ImproperlyConfigured, match=name):
        rest_client.send(look_up("7"))
    assert not far_side.rest.calls and not CyberSourceReply.objects.exists()


# ------------------------------------------------------------------------------------- what may go wrong

AFTER = {
    **dict.fromkeys(RestFault, Unknown),
    RestFault.THROTTLED: Refused,
    RestFault.UNAUTHORIZED: Refused,
    RestFault.FORBIDDEN: Refused,
    RestFault.UNKNOWN_FIELDS: Processed,
}


@pytest.mark.parametrize("fault", list(RestFault))
def test_whatever_goes_wrong_is_told_as_what_it_is_and_sent_once(far_side, settings, fault):
    far_side.configure(rest=RestAccess(slow_seconds=2))
    settings.CYBERSOURCE_REST_TIMEOUT = 0.7 if fault is RestFault.SLOW else 10
    id = paid(far_side)
    far_side.rest.faults.next(fault)
    exchange = rest_client.send(capture(id, **TEN, **ids()))
    assert type(exchange.outcome) is AFTER[fault]
    assert row().outcome == {Unknown: "unknown", Refused: "refused", Processed: "processed"}[AFTER[fault]]
    assert len(far_side.rest.calls) == 1, "no retry of its own"
    done = sum(each.kind == "capture" for each in far_side.rest.transactions)
    assert done == (0 if fault in NOT_PROCESSED else 1)
    if isinstance(exchange.outcome, Refused):
        assert not done, "what is called refused was never done"
    if done:
        assert not isinstance(exchange.outcome, Refused | NotSent)


def test_how_long_to_wait_comes_with_a_throttled_and_an_unavailable_answer(far_side):
    id = paid(far_side)
    for number, fault in enumerate((RestFault.THROTTLED, RestFault.UNAVAILABLE)):
        far_side.rest.faults.next(fault)
        assert rest_client.send(capture(id, **TEN, **ids(number))).outcome.retry_after == 7


def not_sent(settings, endpoint: str) -> str:
    settings.CYBERSOURCE_REST_ENDPOINT = endpoint
    exchanges = [rest_client.send(call) for call in (capture("7", **TEN, **ids()), look_up("7"))]
    assert [type(exchange.outcome) for exchange in exchanges] == [NotSent, NotSent]
    assert {exchange.entry.outcome for exchange in exchanges} == {"not-sent"}
    assert exchanges[0].entry.http_status is None
    return exchanges[0].outcome.cause


def test_nothing_was_sent_where_nobody_listens(far_side, settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert not_sent(settings, f"http://127.0.0.1:{taken.getsockname()[1]}") == "ConnectionError"


def test_nothing_was_sent_where_the_name_is_not_known(far_side, settings):
    assert not_sent(settings, "http://no-such-name.localhost.invalid") == rest_client.NAME_NOT_KNOWN


def test_nothing_was_sent_where_the_other_side_speaks_no_tls(far_side, settings):
    not_sent(settings, settings.CYBERSOURCE_REST_ENDPOINT.replace("http:", "https:"))


def test_nothing_was_sent_where_the_connection_is_never_taken(far_side, settings, monkeypatch):
    monkeypatch.setattr(rest_client, "CONNECT_SECONDS", 0.3)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        assert not_sent(settings, f"http://127.0.0.1:{full.getsockname()[1]}") == "ConnectTimeout"


def test_a_connection_that_ends_while_the_body_leaves_is_unknown(far_side, settings):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)

        def hang_up() -> None:
            accepted, _ = listening.accept()
            accepted.recv(64)
            accepted.close()

        threading.Thread(target=hang_up, daemon=True).start()
        settings.CYBERSOURCE_REST_ENDPOINT = f"http://127.0.0.1:{listening.getsockname()[1]}"
        outcome = rest_client.send(capture("7", **TEN, **ids())).outcome
    assert isinstance(outcome, Unknown) and outcome.why is UnknownReason.NO_ANSWER


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        (lambda: format_datetime(datetime.now(UTC) - timedelta(minutes=3), usegmt=True), timedelta(minutes=3)),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), timedelta(hours=-1)),
        (lambda: "yesterday", None),
        (lambda: "Tue, 03 Mar 2026 09:26:53", None),  # of no time zone
    ],
)
def test_the_answer_tells_how_far_this_machines_clock_is_ahead(far_side, settings, monkeypatch, date, ahead):
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: date())
    with server(says(201, b"{}")) as (url, _):
        settings.CYBERSOURCE_REST_ENDPOINT = url
        told = rest_client.send(look_up("7")).clock_ahead
    assert told is None if ahead is None else abs(told - ahead) < timedelta(seconds=30)


def test_a_redirect_is_not_followed_and_is_unknown(far_side, settings):
    with server(says(307, b"", Location="/elsewhere")) as (url, requests):
        settings.CYBERSOURCE_REST_ENDPOINT = url
        assert isinstance(rest_client.send(capture("7", **TEN, **ids())).outcome, Unknown)
    assert len(requests) == 1


def test_an_answer_without_end_is_cut_off_and_unknown(far_side, settings, monkeypatch):
    monkeypatch.setattr(rest_client, "LONGEST_ANSWER", 100_000)
    with server(says(201, b"x" * 1_000_000)) as (url, _):
        settings.CYBERSOURCE_REST_ENDPOINT = url
        outcome = rest_client.send(capture("7", **TEN, **ids())).outcome
    assert isinstance(outcome, Unknown) and outcome.why is UnknownReason.NO_ANSWER


def test_values_of_any_length_and_character_are_logged_and_no_error(far_side, settings):
    long = "\x00\ud800é" * 300
    amounts = {"totalAmount": "999999999999999.99", "currency": "USDUSD"}
    told = {
        "id": long,
        "status": "PENDING",
        "message": long,
        "errorInformation": {"reason": long},
        "processorInformation": {"approvalCode": long, "avs": {"code": long}},
        "orderInformation": {"amountDetails": amounts},
        "applicationInformation": {"reasonCode": "99999999999"},
    }
    with server(says(201, json.dumps(told).encode(), v_c_correlation_id="c" * 500)) as (url, _):
        settings.CYBERSOURCE_REST_ENDPOINT = url
        outcome = rest_client.send(capture("7", **TEN, **ids())).outcome
    assert isinstance(outcome, Processed)
    assert len(row().rest_reason) == 64 and row().auth_amount is None and row().reason_code is None


# -------------------------------------------------------------------------------------------------- the log


def test_the_row_is_committed_before_the_request_leaves(far_side, settings):
    seen: list[Any] = []

    def look(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        # Another thread is another connection: it sees what is committed and nothing else.
        seen.extend(CyberSourceReply.objects.values_list("outcome", "reference_number", "milliseconds"))
        connection.close()
        says(201, b'{"id":"7","status":"PENDING"}')(handler, b"")

    with server(look) as (url, _):
        settings.CYBERSOURCE_REST_ENDPOINT = url
        rest_client.send(capture("7", **TEN, **ids()))
    assert seen == [("", "OSC-1", None)]
    assert row().outcome == "processed"


def test_a_call_within_a_transaction_is_refused_before_anything_is_sent(far_side):
    with transaction.atomic(), pytest.raises(rest_client.OpenTransaction):
        rest_client.send(look_up("7"))
    assert not far_side.rest.calls and not CyberSourceReply.objects.exists()


def test_neither_secret_nor_token_is_logged_or_shown(far_side, settings, caplog, key_files):
    settings.CYBERSOURCE_REST_P12_PASSWORD = "p12-password"
    token = create_token(far_side, card()).payment.payment_token
    call = authorize(token=token, **TEN, **ids())
    with caplog.at_level(logging.DEBUG):
        far_side.rest.faults.next(RestFault.HTML)
        exchanges = [
            rest_client.send(call),
            rest_client.send(look_up("7" * 22)),
            rest_client.send(authorize(token=token, **TEN, **ids(2))),
        ]
    assert caplog.records, "the unknown outcome is told"
    shown = [repr(credentials.access()), repr(call), caplog.text, *map(repr, exchanges)]
    for entry in CyberSourceReply.objects.all():
        shown += [str(getattr(entry, column.attname)) for column in entry._meta.concrete_fields]
    everything = "\n".join(shown)
    for hidden in (token, settings.CYBERSOURCE_REST_SHARED_SECRET, "Bearer", "p12-password", "throwaway-sandbox"):
        assert hidden not in everything
    assert "paymentInformation.customer.id" in everything, "that it was there is kept"


def test_replies_that_wait_to_be_settled_are_not_confused_with_calls(far_side):
    from cybersource.inbound.replies import reprocess

    rest_client.send(look_up("7" * 22))
    assert reprocess() == {}


# -------------------------------------------------------------------------------------------- surroundings


def test_a_proxy_of_the_surroundings_is_used_and_a_netrc_does_not_replace_the_signature(
    far_side, settings, monkeypatch, tmp_path
):
    (tmp_path / "netrc").write_text("machine rest.example login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    settings.CYBERSOURCE_REST_ENDPOINT = "http://rest.example"
    with server(says(201, b'{"id":"7","status":"PENDING"}')) as (url, requests):
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert isinstance(rest_client.send(capture("7", **TEN, **ids())).outcome, Processed)
    (seen,) = requests
    assert seen["Authorization"].startswith("Bearer ")
    assert (seen["Host"], seen["path"]) == ("rest.example", "http://rest.example/pts/v2/payments/7/captures")


def test_the_simulator_on_this_machine_is_reached_in_spite_of_a_proxy(far_side, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert isinstance(rest_client.send(look_up(paid(far_side))).outcome, Processed)


def test_a_simulator_with_other_keys_than_the_shop_believes_nothing(far_side, settings):
    with Server(gateway=Gateway(Settings(rest=RestAccess(key_id="another")))) as other:
        settings.CYBERSOURCE_REST_ENDPOINT = other.url
        assert rest_client.send(look_up("7")).outcome.is_not_authenticated


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://api.cybersource.com", "api.cybersource.com"),
        ("https://api.cybersource.com:443", "api.cybersource.com"),
        ("https://api.cybersource.com:8443", "api.cybersource.com:8443"),
        ("http://[::1]:8001", "[::1]:8001"),
    ],
)
def test_the_host_that_is_signed_is_the_one_that_is_sent(settings, endpoint, host):
    settings.CYBERSOURCE_REST_KEY_ID, settings.CYBERSOURCE_REST_SHARED_SECRET = "k", "c2VjcmV0"
    settings.CYBERSOURCE_REST_ENDPOINT = endpoint
    assert credentials.access().host == host


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [("test", "https://apitest.cybersource.com"), ("production", "https://api.cybersource.com")],
)
def test_the_environment_fixes_the_host(settings, environment, endpoint):
    settings.CYBERSOURCE_REST_KEY_ID, settings.CYBERSOURCE_REST_SHARED_SECRET = "k", "c2VjcmV0"
    settings.CYBERSOURCE_ENVIRONMENT = environment
    assert credentials.access().endpoint == endpoint


#: None in their place makes an import of them fail. Where they are installed, DRF imports ``requests`` by itself.
UNUSED = """
import sys, django
sys.modules |= {"requests": None, "joserfc": None}
django.setup()
from django.core.management import call_command
call_command("check", verbosity=0)
import cybersource.gateway.client, cybersource.protocol.rest
cybersource.gateway.credentials.access()
"""


def test_a_process_that_makes_no_rest_call_imports_no_http_client_and_no_jose_library():
    rest = {"CYBERSOURCE_REST_KEY_ID": "k", "CYBERSOURCE_REST_SHARED_SECRET": "c2VjcmV0"}
    told = subprocess.run(
        [sys.executable, "-c", UNUSED],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **rest, "DJANGO_SETTINGS_MODULE": "sandbox.settings"},
    )
    assert told.returncode == 0, told.stderr
