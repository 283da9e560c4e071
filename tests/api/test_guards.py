"""Who gets into the API and how often, what never gets into it, and that money asked for twice is moved once."""

from __future__ import annotations

import base64
import json
import logging
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.test import Client
from oscar.core.loading import get_model
from rest_framework.settings import api_settings

from cybersource.models import PaymentOperation, PaymentToken
from cybersource.operations import detail
from cybersource.payments import balance
from tests.support.calling import V1, Caller, code, pk, user_with
from tests.support.desk import source_of
from tests.support.threads import in_threads

Source = get_model("payment", "Source")

CARD = "4111111111111111"


@pytest.fixture
def staff(desk) -> Caller:
    return Caller(desk.staff)


# -- who ---------------------------------------------------------------------------------------------------------------

LOOK, MOVE, DECIDE, TEST = "view_paymentoperation", "move_money", "decide_review", "view_attentionitem"

ASKS = {
    ("GET", "payments/"): LOOK,
    ("GET", "payments/{pk}/"): LOOK,
    ("GET", "operations/"): LOOK,
    ("GET", "operations/{operation}/"): LOOK,
    ("GET", "payment-methods/"): LOOK,
    ("GET", "schema/"): LOOK,
    ("POST", "payments/{pk}/status/"): LOOK,
    ("POST", "payments/{pk}/give-back/plan/"): LOOK,
    ("POST", "payments/{pk}/capture/"): MOVE,
    ("POST", "payments/{pk}/refund/"): MOVE,
    ("POST", "payments/{pk}/void/"): MOVE,
    ("POST", "payments/{pk}/reverse/"): MOVE,
    ("POST", "payments/{pk}/give-back/"): MOVE,
    ("POST", "payments/{pk}/accept-review/"): DECIDE,
    ("POST", "payments/{pk}/reject-review/"): DECIDE,
    ("POST", "operations/{operation}/outcome/"): MOVE,
    ("POST", "connection-test/"): TEST,
}

BODIES = {"/void/": {"transaction": 1}, "/outcome/": {"took_effect": False, "reason": "Not there"}}


def test_each_verb_asks_for_its_own_permission_and_for_no_other(desk):
    order = desk.captured("64.50")
    names = {"pk": pk(order), "operation": PaymentOperation.objects.get().pk}
    nobody, strangers = Caller(), {one: Caller(user_with(one, name=one)) for one in (LOOK, MOVE, DECIDE, TEST)}
    for (verb, path), needed in ASKS.items():
        path = path.format(**names)

        def call(caller: Caller, verb: str = verb, path: str = path) -> Any:
            body = next((body for words, body in BODIES.items() if words in path), {})
            return caller.get(path) if verb == "GET" else caller.post(path, body)

        assert code(call(nobody)) in ((401, "not-authenticated"), (403, "not-authenticated")), path
        for held, caller in strangers.items():
            told = call(caller)
            if held == needed:
                assert told.status_code in (200, 201, 409, 422), (path, held, told.content)
            else:
                assert code(told) == (403, "permission-denied"), (path, held)


def test_no_address_of_the_api_is_missing_from_the_table_above():
    from cybersource.api.urls import urlpatterns

    known = {path.replace("{pk}", "<int:pk>").replace("{operation}", "<int:pk>") for _verb, path in ASKS}
    own = {"my/payments/", "receipts/<str:number>/", ""}
    assert {str(one.pattern) for one in urlpatterns} == known | own


def test_staff_without_a_permission_and_users_that_were_switched_off_may_nothing(desk):
    user = user_with(LOOK)
    caller = Caller(user)
    assert caller.get("payments/").status_code == 200
    user.is_active = False
    user.save()
    assert code(caller.get("payments/")) == (403, "not-authenticated")
    other = user_with(name="clerk")
    other.is_staff = True
    other.save()
    assert code(Caller(other).get("payments/")) == (403, "permission-denied")


def test_a_session_moves_money_only_with_its_csrf_token(desk):
    order = desk.order("64.50")
    caller = Caller(desk.staff, enforce_csrf_checks=True)
    assert code(caller.post(f"payments/{pk(order)}/capture/")) == (403, "csrf-failed")
    assert not PaymentOperation.objects.exists()
    caller.client.get("/accounts/login/")
    caller.client.force_login(desk.staff, backend="django.contrib.auth.backends.ModelBackend")
    token = "a" * 32
    caller.client.cookies["csrftoken"] = token
    told = caller.post(f"payments/{pk(order)}/capture/", {}, **{"X-CSRFToken": token})
    assert told.status_code == 201, told.content


def test_the_projects_own_ways_to_sign_in_are_those_of_the_api(desk):
    desk.staff.set_password("a good one")
    desk.staff.save()
    basic = base64.b64encode(b"ines:a good one").decode()
    assert Client().get(V1 + "payments/", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    wrong = base64.b64encode(b"ines:a bad one").decode()
    told = Client().get(V1 + "payments/", headers={"Authorization": f"Basic {wrong}"})
    assert told.status_code in (401, 403) and told.json()["code"] == "authentication-failed"


# -- one shape ---------------------------------------------------------------------------------------------------------


def test_whatever_goes_wrong_has_one_shape(desk, staff):
    at = f"{V1}payments/{pk(desk.order())}/capture/"
    key = {"Idempotency-Key": "k"}

    def post(body: Any, content_type: str = "application/json", **headers: str) -> Any:
        return staff.client.post(at, body, content_type=content_type, headers={**key, **headers})

    assert code(post("{")) == (400, "unreadable")
    assert code(post(b"\xff{}")) == (400, "unreadable")
    assert code(post("[" * 30000)) == (400, "unreadable")
    assert code(post("[]")) == (400, "unreadable")
    assert code(post('{"amount": "1", "amount": "2"}')) == (400, "unreadable")
    assert code(post('{"amount": NaN}')) == (400, "unreadable")
    assert code(post('{"amount": 1e9999999999999999999}')) == (400, "unreadable")
    assert code(post('{"lines": [1, null]}')) == (400, "invalid")
    assert code(post('{"\\ud800": 1}')) == (400, "invalid")
    assert code(post("x" * 70000)) == (413, "too-large")
    assert code(post("amount=1", "application/x-www-form-urlencoded")) == (415, "unsupported-media-type")
    assert code(post("<a/>", "text/xml")) == (415, "unsupported-media-type")
    assert code(post("{}", Accept="image/png")) == (406, "not-acceptable")
    assert code(staff.client.put(at, "{}", content_type="application/json")) == (405, "method-not-allowed")
    assert code(staff.client.options(at)) == (405, "method-not-allowed")
    assert code(staff.get("payments/", stat="held")) == (400, "invalid")
    assert code(staff.get("payments/", state="lost")) == (400, "invalid")
    assert code(staff.get("payments/", order="\0")) == (400, "invalid")
    assert code(staff.get("payments/", before="x")) == (400, "invalid")
    assert code(staff.get("payments/", since="0001-01-01T00:00:00+23:59")) == (400, "invalid")
    assert code(staff.get(f"payments/{10**25}/")) == (404, "not-found")
    assert code(Caller().get("receipts/100%0042-AAAAAAAAAA/")) == (404, "not-found")
    for path in ("", "payments", "nowhere/", "payments/x/", "payments/1/steal/"):
        for method in ("get", "post", "delete", "patch"):
            assert code(getattr(staff.client, method)(V1 + path)) == (404, "not-found"), (method, path)
    assert not PaymentOperation.objects.exists()


def test_what_nobody_expected_is_reported_and_says_nothing(desk, staff, monkeypatch, caplog):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(detail, "page", broken)
    told = staff.get("payments/")
    assert code(told) == (500, "internal-error") and b"swordfish" not in told.content
    (record,) = (one for one in caplog.records if one.name == "django.request" and one.levelno == logging.ERROR)
    assert record.exc_info and record.status_code == 500
    monkeypatch.setattr(detail, "page", lambda *args, **kwargs: (_ for _ in ()).throw(OperationalError("secret row")))
    told = staff.get("payments/")
    assert code(told) == (503, "unavailable") and told.headers["Retry-After"] and b"secret" not in told.content


# -- how often ---------------------------------------------------------------------------------------------------------


def test_a_rate_of_the_shop_goes_before_the_default_and_the_answer_says_how_long_to_wait(desk, staff, monkeypatch):
    rates = {**api_settings.DEFAULT_THROTTLE_RATES, "cybersource-read": "2/min", "cybersource-gateway": None}
    monkeypatch.setattr(api_settings, "DEFAULT_THROTTLE_RATES", rates)
    assert [staff.get("payments/").status_code for _ in range(2)] == [200, 200]
    told = staff.get("payments/")
    assert code(told) == (429, "throttled") and 0 < int(told.headers["Retry-After"]) <= 61
    assert Caller(user_with(LOOK)).get("payments/").status_code == 200  # somebody else's budget


@pytest.mark.parametrize("address", ["10.0.0.7", "172.20.0.1", "127.0.0.1", "fd00::7", ""])
def test_guests_behind_a_proxy_that_nobody_named_do_not_share_one_budget(desk, monkeypatch, address):
    rates = {**api_settings.DEFAULT_THROTTLE_RATES, "cybersource-own": "2/min"}
    monkeypatch.setattr(api_settings, "DEFAULT_THROTTLE_RATES", rates)
    order = desk.order("64.50")
    asked = {"order": order.number, "hash": order.verification_hash()}
    told = [Caller(REMOTE_ADDR=address).get("my/payments/", **asked).status_code for _ in range(4)]
    assert told == [200] * 4
    told = [Caller(REMOTE_ADDR="198.51.100.7").get("my/payments/", **asked).status_code for _ in range(4)]
    assert told == [200, 200, 429, 429]


def test_without_any_setting_money_is_moved_sixty_times_a_minute_and_no_more(desk, staff):
    told = [staff.post("payments/1/reverse/") for _ in range(61)]
    assert [code(one) for one in told[:60]] == [(404, "not-found")] * 60
    assert code(told[60]) == (429, "throttled")
    assert staff.get("payments/").status_code == 200


# -- once --------------------------------------------------------------------------------------------------------------


def test_twenty_requests_with_one_key_at_the_same_moment_make_one_call(desk):
    order = desk.captured("64.50")
    at = f"payments/{pk(order)}/refund/"
    callers = [Caller(desk.staff) for _ in range(20)]
    told = in_threads(lambda number: callers[number].post(at, {"amount": "10.00"}, key="once"), 20)
    assert {one.status_code for one in told} <= {201, 202}
    assert len({one.json()["id"] for one in told}) == 1
    assert len(desk.calls("refunds")) == 1 and source_of(order)[2] == Decimal("10.00")


def test_ten_requests_with_one_key_to_give_all_back_give_it_back_once(desk):
    order = desk.captured("64.50")
    callers = [Caller(desk.staff) for _ in range(10)]
    told = in_threads(lambda number: callers[number].post(f"payments/{pk(order)}/give-back/", {}, key="once"), 10)
    assert {one.status_code for one in told} <= {201, 202}, [one.content for one in told if one.status_code > 202]
    assert (len(desk.calls("voids")), len(desk.calls("reversals")), source_of(order)) == (1, 1, (0, 0, 0))


def test_a_key_stands_for_what_was_asked_first_by_whoever_sent_it(desk, staff):
    order = desk.captured("10.00", "20.00")
    line = order.lines.order_by("pk").first()
    at = f"payments/{pk(order)}/refund/"
    asked = {"amount": "5.00", "reason": "broken", "reference": "R1"}
    first = staff.post(at, asked, key="k")
    again = staff.post(at, asked, key="k")
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    for other in (
        {**asked, "amount": "5.01"},
        {**asked, "reason": "late"},
        {**asked, "reference": "R2"},
        {**asked, "transaction": 1},
        {**asked, "lines": [{"line": line.pk, "quantity": 1}]},
    ):
        assert code(staff.post(at, other, key="k")) == (422, "key-reused"), other
    assert code(staff.post(f"payments/{pk(order)}/void/", asked and {}, key="k")) == (422, "key-reused")
    assert code(staff.post(f"payments/{pk(order)}/give-back/", asked, key="k")) == (422, "key-reused")
    assert Caller(user_with(MOVE)).post(at, asked, key="k").status_code == 201  # the same key of somebody else
    assert len(desk.calls("refunds")) == 2
    held = f"payments/{pk(desk.order())}/capture/"
    more_to_come = {"amount": "1.00", "is_last": False}
    assert [staff.post(held, more_to_come, key="c").status_code for _ in range(2)] == [201, 201]
    assert code(staff.post(held, {"amount": "1.00"}, key="c")) == (422, "key-reused")
    kept = PaymentOperation.objects.filter(kind="refund").values_list("key", flat=True)
    assert len(set(kept)) == 2 and all(len(key) <= 64 for key in kept)


def test_money_is_not_moved_without_a_key_nor_under_one_that_is_none(desk, staff):
    at = f"payments/{pk(desk.order())}/capture/"
    assert code(staff.post(at, key=None)) == (400, "idempotency-key-missing")
    for key in ("two words", "x" * 256, "schlüssel"):
        assert code(staff.post(at, key=key)) == (400, "idempotency-key-invalid"), key
    assert not PaymentOperation.objects.exists()
    assert staff.post(at, key="x" * 255).status_code == 201


def test_what_was_not_begun_may_be_asked_again_under_its_key(desk, staff):
    order = desk.order("64.50")
    at = f"payments/{pk(order)}/refund/"
    assert code(staff.post(at, key="k")) == (409, "wrong-state")
    desk.do("capture", desk.authorization(order))
    assert staff.post(at, key="k").status_code == 201


# -- no card number ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"card_number": CARD},
        {"reason": f"for card {CARD}"},
        {"reason": "4111 1111 1111 1111"},
        {"reason": "4111-1111-1111-1111"},
        {"reference": "371449635398431"},
        {"amount": int(CARD)},
        {"amount": 4111111111111111.0},
        {"lines": [{"line": int(CARD), "quantity": 1}]},
        {"payment": {"card": {"number": [CARD]}}},
        {CARD: ""},
        {"reason": "４１１１１１１１１１１１１１１１"},
    ],
)
def test_a_card_number_anywhere_in_a_body_is_refused_before_anything_is_done(desk, staff, caplog, body):
    order = desk.order("64.50")
    for path in (f"payments/{pk(order)}/capture/", f"payments/{pk(order)}/status/", "connection-test/", "nowhere/"):
        told = staff.post(path, body)
        assert code(told) == (400, "card-number"), path
        assert told.json()["details"][0]["field"] == "body" and CARD not in told.content.decode()
    assert CARD not in caplog.text and "looks like a card number was in its body" in caplog.text
    assert not PaymentOperation.objects.exists() and not desk.rest.calls


def test_a_card_number_in_any_other_place_or_form_is_refused_too(desk, staff, caplog):
    at = f"{V1}payments/{pk(desk.order())}/capture/"
    dashed = "4111-1111-1111-1111"
    refused = [
        staff.get("payments/", card=CARD),
        staff.get("payments/", order=CARD),
        staff.get("payments/", reference=dashed),
        staff.get("payments/", **{CARD: "1"}),
        staff.get(f"payments/{CARD}/"),
        staff.get(f"receipts/{CARD}/"),
        staff.get(f"cards/{CARD}/"),
        Caller().get(f"payments/{dashed}/capture"),
        staff.get("my/payments/", hash=CARD),
        Caller().get("my/payments/", order=CARD),
        staff.post(at.removeprefix(V1), key=CARD),
        staff.post(at.removeprefix(V1), key="k", **{"X-Card": f"visa {dashed}"}),
        staff.client.post(at, f"n={CARD}", content_type="application/x-www-form-urlencoded"),
        staff.client.post(at, "n=4111+1111+1111+1111", content_type="application/x-www-form-urlencoded"),
        staff.client.post(at, {"n": CARD}),
        staff.client.post(at, f"<n>{CARD}</n>", content_type="text/xml"),
        staff.client.post(at, f'{{"n": "{CARD}"', content_type="application/json"),
        staff.client.post(at, '{"n": "\\u0034111111111111111"}', content_type="application/json"),
        staff.client.put(at, json.dumps({"n": CARD}), content_type="application/json"),
    ]
    assert [code(told) for told in refused] == [(400, "card-number")] * len(refused)
    assert CARD not in caplog.text and dashed not in caplog.text


def test_identifiers_are_no_card_numbers(desk, staff):
    order = desk.order("64.50")
    type(order).objects.filter(pk=order.pk).update(number="4012888888881881")
    assert len(staff.get("payments/", order="4012888888881881").json()["results"]) == 1
    assert staff.get("payments/", reference="4012888888881881-C1").status_code == 200
    assert code(Caller().get("receipts/4012888888881881-ABCDEFGHIJ/")) == (404, "not-found")
    (mine,) = (
        Caller()
        .get("my/payments/", order="4012888888881881", hash=type(order).objects.get().verification_hash())
        .json()["results"]
    )
    assert Caller().get(mine["url"]).status_code == 200
    source = Source.objects.get(order=order)
    assert len(staff.get("payments/", reference=source.reference).json()["results"]) == 1
    at = f"payments/{source.pk}/status/"
    for headers in (
        {"Idempotency-Key": str(uuid4())},
        {"Idempotency-Key": "44444444-1111-4111-8111-111111111111"},
        {"Idempotency-Key": "4111111111111111" * 2},
        {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-4111111111111111-01"},
        {"X-Datadog-Trace-Id": "6205512973640183529"},
        {"X-Request-Start": "1732787411123"},
        {"X-Request-Start": "t=1609459200007"},
        {"Cookie": f"other=4012888888881881; sessionid={staff.client.cookies['sessionid'].value}"},
    ):
        key = headers.pop("Idempotency-Key", "k")
        assert staff.post(at, {}, key=key, **headers).status_code == 200, headers
    version = balance.of_source(source).version
    assert staff.post(f"payments/{source.pk}/reverse/", {"seen": version}).status_code == 201
    assert code(staff.post(f"payments/{source.pk}/reverse/", {"seen": "4111111-111111111.done"})) == (409, "stale")


# -- nothing leaks -----------------------------------------------------------------------------------------------------


def test_no_answer_holds_a_token_a_session_or_a_secret(desk, staff, settings):
    order = desk.captured("64.50")
    debit = desk.debit(order)
    token = PaymentToken.objects.get()
    debit.request_token = "request-token-canary"
    debit.save()
    attempts = order.cybersource_attempts.all()
    secrets = {
        token.token,
        debit.request_token,
        settings.CYBERSOURCE_SECRET,
        settings.CYBERSOURCE_REST_SHARED_SECRET,
        settings.SECRET_KEY,
        *(one.session_hash for one in attempts),
        *(one.access_key for one in attempts),
        *PaymentOperation.objects.values_list("idempotency_id", flat=True),
    }
    staff.post(f"payments/{pk(order)}/refund/", {"amount": "1.00"}, key="canary-key")
    secrets |= {"canary-key", *PaymentOperation.objects.exclude(key=None).values_list("key", flat=True)}
    answers = [
        staff.get(path.format(pk(order))) for path in ("payments/", "payments/{}/", "operations/", "payment-methods/")
    ]
    answers += [staff.post(f"payments/{pk(order)}/status/"), staff.post("connection-test/")]
    for told in answers:
        assert told.status_code == 200 and "no-store" in told.headers["Cache-Control"]
        assert not [secret for secret in secrets if secret and secret in told.content.decode()]
