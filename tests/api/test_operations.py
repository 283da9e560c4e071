"""The staff's side of the API: payments are found and read, money is moved, and every answer has one meaning."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model

from cybersource.models import CyberSourceReply, PaymentOperation
from cybersource.simulator import cards
from tests.support.calling import Caller, code, lengthen, pk
from tests.support.desk import source_of, transactions

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")

D = Decimal


@pytest.fixture
def staff(desk) -> Caller:
    return Caller(desk.staff)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_payment_is_read_with_its_steps_its_lines_and_what_may_be_done_with_each(desk, staff):
    order = desk.order("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    desk.do("capture", desk.authorization(order), lines={first.pk: 1}, is_last=False, reason="parcel 1")
    desk.do("refund", desk.debit(order), amount=D("4.00"))
    told = staff.get(f"payments/{pk(order)}/").json()
    amounts = {name: told[name] for name in ("authorized", "captured", "refunded", "left_to_capture", "left_to_refund")}
    assert amounts == {
        "authorized": "35.00",
        "captured": "10.00",
        "refunded": "4.00",
        "left_to_capture": "25.00",
        "left_to_refund": "6.00",
    }
    assert (told["order"], told["state"], told["currency"]) == (order.number, "part-captured", "USD")
    assert (told["card"]["number"][-4:], told["card"]["type"]) == ("1111", "Visa") and told["card"]["auth_code"]
    assert told["allowed"] == ["capture", "refund", "void", "reverse"]
    steps = [(one["type"], one["standing"], one["left"], one["allowed"]) for one in told["transactions"]]
    assert steps == [
        ("authorization", "part-captured", "25.00", ["capture", "reverse"]),
        ("capture", "part-refunded", "6.00", ["refund"]),
        ("refund", "refund", None, ["void"]),
    ]
    assert [(one["kind"], one["state"], one["reason"], one["user"]) for one in told["operations"]] == [
        ("capture", "done", "parcel 1", "ines"),
        ("refund", "done", "", "ines"),
    ]
    lines = [(one["line"], one["left_to_capture"], one["left_to_refund"]) for one in told["lines"]]
    assert lines == [(first.pk, 0, 1), (second.pk, 1, 0)]
    assert told["version"] == desk.payment(order).version


def test_payments_are_found_by_what_staff_know_of_them(desk, staff):
    held, captured = desk.order("10.00"), desk.captured("20.00")
    Source.objects.filter(order=captured).update(label="xxxxxxxxxxxx4444")
    desk.do("refund", desk.debit(captured), reference="RMA-7", amount=D("1.00"))
    mine = Source.objects.get(order=held)
    for query, found in [
        ({}, [captured, held]),
        ({"order": held.number}, [held]),
        ({"state": "held"}, [held]),
        ({"state": "part-refunded"}, [captured]),
        ({"card": "4444"}, [captured]),
        ({"amount_min": "15.01"}, [captured]),
        ({"amount_max": "15.00"}, [held]),
        ({"currency": "EUR"}, []),
        ({"reference": mine.reference}, [held]),
        ({"reference": "RMA-7"}, [captured]),
        ({"reference": f"{captured.number}-C1"}, [captured]),
        ({"reference": desk.debit(captured).reference}, [captured]),
        ({"since": "2020-01-01", "until": "2020-02-01"}, []),
        ({"since": "2020-01-01T00:00:00Z", "state": "held", "order": held.number}, [held]),
    ]:
        told = staff.get("payments/", **query)
        assert told.status_code == 200, (query, told.content)
        assert [one["order"] for one in told.json()["results"]] == [order.number for order in found], query


def test_the_list_goes_on_where_the_page_ended_and_shows_no_payment_of_another_app(desk, staff):
    orders = [desk.order("10.00") for _ in range(3)]
    other = Source.objects.create(order=orders[0], source_type=SourceType.objects.create(name="Gift"), currency="USD")
    first = staff.get("payments/", size=2).json()
    second = staff.get(first["next"]).json()
    numbers = [one["order"] for page in (first, second) for one in page["results"]]
    assert numbers == [order.number for order in reversed(orders)] and second["next"] is None
    assert code(staff.get(f"payments/{other.pk}/")) == (404, "not-found")


def test_every_state_of_a_payment_is_told_by_the_list_as_by_the_rows(desk, staff):
    seen = {}

    def look(order: Any) -> None:
        told = staff.get("payments/", order=order.number).json()["results"][0]["state"]
        assert [one["order"] for one in staff.get("payments/", state=told).json()["results"]] == [order.number]
        seen[told] = desk.payment(order).standing(desk.authorization(order))

    order = desk.order("64.50")
    look(order)
    desk.do("capture", desk.authorization(order), amount=D("20.00"), is_last=False)
    look(order)
    desk.do("capture", desk.authorization(order))
    look(order)
    desk.do("refund", desk.debit(order), amount=D("5.00"))
    look(order)
    desk.do("refund", desk.debit(order))
    desk.do("refund", desk.debit(order, 1))
    look(order)
    Order.objects.all().delete()
    order = desk.order("64.50")
    desk.do("reverse", desk.authorization(order))
    look(order)
    assert list(seen) == ["held", "part-captured", "fully-captured", "part-refunded", "refunded", "reversed"]


# -- moving money ------------------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_money_is_captured_refunded_voided_and_reversed(desk, staff):
    order = desk.order("64.50")
    at = f"payments/{pk(order)}/"
    taken = staff.post(at + "capture/", {"amount": "20.00", "is_last": False, "reason": "shipped", "reference": "P-1"})
    assert taken.status_code == 201, taken.content
    told = taken.json()
    assert (told["kind"], told["state"], told["amount"], told["reference"]) == ("capture", "done", "20.00", "P-1")
    assert staff.get(taken.headers["Location"]).json() == told
    assert staff.post(at + "refund/", {"amount": 5}).json()["amount"] == "5.00"
    refund = Transaction.objects.get(txn_type="Refund")
    assert staff.post(at + "void/", {"transaction": refund.pk}).status_code == 201
    assert staff.post(at + "void/").status_code == 201  # the capture: nothing else is left to void
    assert staff.post(at + "reverse/", {"reason": "called"}).status_code == 201
    assert source_of(order) == (0, 0, 0)
    assert [kind for kind, _, _ in transactions(order)] == [
        "Authorise", "Debit", "Refund", "Refund void", "Void", "Reversal"
    ]  # fmt: skip
    assert {one.user for one in PaymentOperation.objects.all()} == {desk.staff}


def test_lines_are_taken_at_what_they_cost(desk, staff):
    order = desk.order("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    at = f"payments/{pk(order)}/capture/"
    taken = staff.post(at, {"lines": [{"line": first.pk, "quantity": 1}], "is_last": False}).json()
    assert (taken["amount"], taken["lines"]) == ("10.00", {str(first.pk): 1})
    again = staff.post(at, {"lines": [{"line": first.pk, "quantity": 1}, {"line": 10**9, "quantity": 1}]})
    assert code(again) == (422, "line-quantity")
    assert [detail["code"] for detail in again.json()["details"]] == ["line-quantity", "unknown-line"]
    twice = staff.post(at, {"lines": [{"line": second.pk, "quantity": 1}] * 2})
    assert code(twice) == (422, "line-twice")


def test_money_goes_back_by_what_the_payments_state_asks_for(desk, staff):
    order = desk.captured("64.50")
    at = f"payments/{pk(order)}/give-back/"
    plan = staff.post(at + "plan/", key=None).json()["steps"]
    assert [(step["kind"], step["amount"]) for step in plan] == [("void", "69.50"), ("reverse", "69.50")]
    assert all(step["says"] for step in plan) and not PaymentOperation.objects.filter(kind="void").exists()
    done = staff.post(at, {"reason": "cancelled"}, key="g")
    assert done.status_code == 201, done.content
    assert [(one["kind"], one["state"]) for one in done.json()["operations"]] == [("void", "done"), ("reverse", "done")]
    assert source_of(order) == (0, 0, 0)
    again = staff.post(at, {"reason": "cancelled"}, key="g")
    assert (again.status_code, again.json()) == (201, done.json())
    assert code(staff.post(at, {"reason": "cancelled"})) == (409, "wrong-state")


def test_of_all_that_goes_back_only_a_capture_can_go_back_in_part(desk, staff):
    order = desk.order("64.50")
    desk.do("capture", desk.authorization(order), amount=D("20.00"), is_last=False)
    at = f"payments/{pk(order)}/give-back/"
    hold = desk.authorization(order).pk
    for path in (at, at + "plan/"):
        assert code(staff.post(path, {"transaction": hold, "amount": "5.00"})) == (422, "not-possible")
        assert code(staff.post(path, {"amount": "20.01"})) == (422, "amount-too-high")
        assert code(staff.post(path, {"amount": "0.001"})) == (422, "amount-too-precise")
        assert code(staff.post(path, {"amount": "0"})) == (422, "amount-not-positive")
    (step,) = staff.post(at + "plan/", {"amount": "5.00"}).json()["steps"]
    assert (step["kind"], step["amount"]) == ("refund", "5.00")
    done = staff.post(at, {"amount": "5.00"}).json()["operations"]
    assert [(one["kind"], one["amount"]) for one in done] == [("refund", "5.00")] and source_of(order)[2] == D("5.00")


def test_a_review_is_accepted_and_another_one_rejected(desk, staff):
    accepted, rejected = desk.order("10.00", card=cards.REVIEW), desk.order("20.00", card=cards.REVIEW)
    assert [one["state"] for one in staff.get("payments/").json()["results"]] == ["under-review"] * 2
    assert staff.post(f"payments/{pk(accepted)}/accept-review/", {"reason": "known customer"}).status_code == 201
    assert staff.post(f"payments/{pk(rejected)}/reject-review/").status_code == 201
    assert [one["state"] for one in staff.get("payments/").json()["results"]] == ["rejected", "held"]
    assert code(staff.post(f"payments/{pk(accepted)}/reject-review/")) == (409, "wrong-state")


# -- how it ended ------------------------------------------------------------------------------------------------------


def test_an_operation_of_which_nobody_knows_how_it_ended_is_202_and_can_be_looked_at(desk, staff):
    order = desk.order("64.50")
    desk.rest.faults.next("no-answer", action="captures")
    told = staff.post(f"payments/{pk(order)}/capture/", key="k")
    assert (told.status_code, told.json()["state"]) == (202, "unknown") and told.headers["Retry-After"]
    assert staff.get(told.headers["Location"]).json()["state"] == "unknown"
    again = staff.post(f"payments/{pk(order)}/capture/", key="k")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert len(desk.calls("captures")) == 1
    assert code(staff.post(f"payments/{pk(order)}/capture/", {"amount": "1.00"})) == (409, "under-way")
    assert code(staff.post(f"payments/{pk(order)}/reverse/")) == (409, "under-way")
    assert [one["state"] for one in staff.get("operations/", state="unknown").json()["results"]] == ["unknown"]


def test_what_cybersource_refuses_is_409_with_its_reason_and_the_operation_to_look_at(desk, staff):
    order = desk.captured("64.50")
    desk.rest.advance(hours=8)
    told = staff.post(f"payments/{pk(order)}/void/", key="v")
    assert code(told) == (409, "refused") and told.json()["details"][0]["code"] == "NOT_VOIDABLE"
    assert staff.get(told.headers["Location"]).json()["state"] == "refused"
    again = staff.post(f"payments/{pk(order)}/void/", key="v")
    assert (again.status_code, again.json()) == (409, told.json())


def test_what_never_reached_cybersource_is_503_and_may_be_tried_under_a_new_key(desk, staff, settings):
    order = desk.order("64.50")
    endpoint, settings.CYBERSOURCE_REST_ENDPOINT = settings.CYBERSOURCE_REST_ENDPOINT, "http://127.0.0.1:1"
    told = staff.post(f"payments/{pk(order)}/capture/", key="k")
    assert code(told) == (503, "not-sent") and told.headers["Retry-After"] and told.headers["Location"]
    settings.CYBERSOURCE_REST_ENDPOINT = endpoint
    assert staff.post(f"payments/{pk(order)}/capture/", key="k").status_code == 503
    assert staff.post(f"payments/{pk(order)}/capture/", key="l").status_code == 201


def test_without_rest_credentials_nothing_is_asked_and_no_setting_is_named(desk, staff, settings):
    order = desk.order("64.50")
    settings.CYBERSOURCE_REST_SHARED_SECRET = ""
    for told in (staff.post(f"payments/{pk(order)}/capture/"), staff.post(f"payments/{pk(order)}/status/")):
        assert code(told) == (503, "not-configured") and b"CYBERSOURCE_" not in told.content


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("capture/", {"amount": "0"}, (422, "amount-not-positive")),
        ("capture/", {"amount": "-5"}, (422, "amount-not-positive")),
        ("capture/", {"amount": "1.001"}, (422, "amount-too-precise")),
        ("capture/", {"amount": "69.51"}, (422, "amount-too-high")),
        ("capture/", {"amount": "1.00", "currency": "EUR"}, (422, "other-currency")),
        ("capture/", {"amount": "NaN"}, (400, "invalid")),
        ("capture/", {"amount": True}, (400, "invalid")),
        ("capture/", {"amount": "1e400"}, (400, "invalid")),
        ("capture/", {"ammount": "1.00"}, (400, "invalid")),
        ("capture/", {"lines": {"1": 1}}, (400, "invalid")),
        ("capture/", {"lines": [{"line": "1", "quantity": 1}]}, (400, "invalid")),
        ("capture/", {"lines": [{"line": 1, "quantity": 1, "amount": 1}]}, (400, "invalid")),
        ("capture/", {"reason": "\ud800"}, (400, "invalid")),
        ("capture/", {"reason": "\x00"}, (400, "invalid")),
        ("capture/", {"reason": "x" * 256}, (400, "invalid")),
        ("capture/", {"seen": "0-0"}, (409, "stale")),
        ("refund/", {}, (409, "wrong-state")),
        ("void/", {"transaction": 1}, (422, "unknown-transaction")),
        ("void/", {"transaction": 10**30}, (400, "invalid")),
        ("accept-review/", {}, (409, "wrong-state")),
        ("nowhere/", {}, (404, "not-found")),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_and_nothing_is_written(desk, staff, path, body, expected):
    order = desk.order("64.50")
    told = staff.post(f"payments/{pk(order)}/{path}", body)
    assert code(told) == expected, told.content
    if body.keys() & {"ammount"}:
        assert told.json()["details"] == [
            {"code": "unknown-field", "field": "ammount", "message": "There is no such field."}
        ]
    assert not PaymentOperation.objects.exists() and not desk.calls("captures")


# -- asking CyberSource ------------------------------------------------------------------------------------------------


def test_a_capture_for_a_cancelled_order_is_asked_for_in_so_many_words(desk, staff):
    order = desk.order("64.50")
    Order.objects.filter(pk=order.pk).update(status="Canceled")
    at = f"payments/{pk(order)}/capture/"
    told = staff.post(at, {}, key="k")
    assert code(told) == (409, "order-cancelled") and not desk.calls("captures")
    assert told.json()["details"][0]["field"] == "even_if_cancelled"
    done = staff.post(at, {"even_if_cancelled": True}, key="k")
    assert done.status_code == 201 and source_of(order)[1] == D("69.50")
    again = staff.post(at, {"even_if_cancelled": True}, key="k")
    assert (again.status_code, again.json()["id"]) == (201, done.json()["id"]) and len(desk.calls("captures")) == 1


def test_the_status_at_cybersource_is_told_and_changes_nothing(desk, staff):
    order = desk.captured("64.50")
    rows = (transactions(order), source_of(order), PaymentOperation.objects.count())
    told = staff.post(f"payments/{pk(order)}/status/", key=None).json()
    # A look-up words no state for an authorization that stands. Source: a recording.
    assert (told["found"], told["status"], told["amount"]) == (True, "", "69.50")
    debit = desk.debit(order)
    told = staff.post(f"payments/{pk(order)}/status/", {"transaction": debit.pk}).json()
    assert (told["found"], told["reference"], told["status"]) == (True, debit.reference, "PENDING")
    assert (transactions(order), source_of(order), PaymentOperation.objects.count()) == rows
    logged = CyberSourceReply.objects.filter(transaction_type="look-up", user=desk.staff, order=order)
    assert logged.count() == 2
    Transaction.objects.filter(pk=debit.pk).update(reference="7000000000000000000001")
    told = staff.post(f"payments/{pk(order)}/status/", {"transaction": debit.pk})
    assert (told.status_code, told.json()["found"]) == (200, False)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("no-answer", (504, "no-answer")),
        ("unauthorized", (502, "gateway-refused")),
        ("html", (502, "gateway-unreadable")),
        ("throttled", (502, "gateway-refused")),
    ],
)
def test_when_cybersource_does_not_say_that_is_told(desk, staff, fault, expected):
    order = desk.order("64.50")
    desk.rest.faults.next(fault)
    assert code(staff.post(f"payments/{pk(order)}/status/")) == expected


def test_the_connection_test_tells_what_the_command_tells(desk, staff, settings):
    told = staff.post("connection-test/", key=None).json()
    assert "/tss/v2/searches" in [call.target for call in desk.rest.calls]
    assert {one["level"] for one in told["findings"] if one["area"] == "rest"} == {"good", "note"}
    assert told["ok"] is (told["errors"] == 0)
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    told = staff.post("connection-test/").json()
    wrong = [one for one in told["findings"] if one["area"] == "rest" and one["level"] == "error"]
    assert not told["ok"] and len(wrong) == 1 and wrong[0]["id"].startswith("cybersource.") and wrong[0]["hint"]


def test_the_ways_to_pay_are_told_with_currency_flow_and_budgets(desk, staff, settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "7/2h", "order": None}, "exempt": ["203.0.113.0/24"]}
    settings.OSCAR_DEFAULT_CURRENCY = "JPY"
    told = staff.get("payment-methods/")
    card, cash = told.json()["results"]
    assert (card["code"], card["is_card"], card["flow"], card["is_captured_at_once"]) == (
        "cybersource",
        True,
        "two-step",
        False,
    )
    assert (card["currency"], card["decimals"]) == ("JPY", 0) and card["highest_amount"].isdigit()
    assert {one["by"]: one["attempts"] for one in card["budgets"]} == {
        "shopper": "7/2h",
        "order": None,
        "address": "40/h",
    }
    assert (cash["is_card"], cash["flow"], cash["budgets"]) == (False, None, [])
    assert b"203.0.113" not in told.content


# -- what it costs -----------------------------------------------------------------------------------------------------


def statements(call: Any) -> int:
    with CaptureQueriesContext(connection) as asked:
        response = call()
    assert response.status_code in (200, 201), response.content
    return len(asked)


def test_reading_takes_as_many_statements_for_a_hundred_lines_and_operations_as_for_one(desk, staff):
    small, large = desk.order("10.00"), desk.order("10.00")
    lengthen(large, 100)
    for order, count in ((small, 1), (large, 100)):
        about = {"order": order, "source": Source.objects.get(order=order), "transaction": desk.authorization(order)}
        PaymentOperation.objects.bulk_create(
            PaymentOperation(
                kind="capture",
                state="refused",
                amount=1,
                currency="USD",
                reference_number=f"{order.number}-C{number}",
                **about,
            )
            for number in range(count)
        )
    staff.get("payments/")  # the session's first request makes it a basket
    for path in ("payments/{}/", "operations/?payment={}"):
        costs = [statements(partial(staff.get, path.format(pk(order)))) for order in (small, large)]
        assert costs[0] == costs[1] <= 11, path
    one, both = (statements(partial(staff.get, "payments/", size=size)) for size in (1, 2))
    assert one == both <= 9
