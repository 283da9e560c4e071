"""On the operation's page, and over the API, staff record how an operation in doubt ended."""

from __future__ import annotations

import pytest

from cybersource.models import AttentionItem
from tests.dashboard.test_operation_pages import MOVE, SEE, as_user, user, words
from tests.operations.test_resolution import FOUND, in_doubt, listed
from tests.reconciliation.test_operations import fresh, lose
from tests.support.calling import Caller, code, user_with
from tests.support.desk import source_of

ITEM = "view_attentionitem"

THERE = {"found": "done", "transaction_id": FOUND, "reason": "Transmitted"}
NOT_THERE = {"found": "not-done", "reason": "Nothing there"}


@pytest.fixture
def ines(desk):
    return as_user(desk.staff)


def address(operation):
    return f"/api/cybersource/operations/{operation.pk}/"


@pytest.mark.parametrize(("found", "state"), [(THERE, "done"), (NOT_THERE, "not-sent")])
def test_staff_say_what_they_found_read_what_follows_and_record_it(desk, ines, found, state):
    order, lost = in_doubt(desk, "capture")
    page = address(lost) + "outcome/"
    assert page in ines.get(address(lost)).content.decode()
    assert ines.get(page).status_code == 200
    asked = ines.post(page, {**found, "step": "preview"})
    assert asked.status_code == 200 and "This is what will be recorded" in words(asked)
    assert fresh(lost).state == "unknown" and listed() == ["unknown-operation"]
    assert found["reason"] in ines.post(page, {**found, "step": "change"}).content.decode()
    done = ines.post(page, {**found, "step": "do"})
    assert (done.status_code, done.url, fresh(lost).state) == (302, address(lost), state)
    assert f"ines: {found['reason']}" in words(ines.get(address(lost))) and not listed()
    assert page not in ines.get(address(lost)).content.decode()
    again = ines.post(page, {**found, "step": "do"})
    assert again.status_code == 302
    other = NOT_THERE if found is THERE else THERE
    assert ines.post(page, {**other, "step": "do"}).status_code == 409
    assert source_of(order)[1] == (69.5 if found is THERE else 0)


@pytest.mark.parametrize(
    "wrong", [{"reason": ""}, {"found": ""}, {"found": "maybe"}, {"transaction_id": ""}, {"transaction_id": "1" * 16}]
)
def test_what_is_wrong_with_a_finding_is_said_at_its_field(desk, ines, wrong):
    _order, lost = in_doubt(desk, "capture")
    for step in ("preview", "do"):
        told = ines.post(address(lost) + "outcome/", {**THERE, **wrong, "step": step})
        assert told.status_code == 400 and fresh(lost).state == "unknown"


def test_it_is_not_offered_while_a_look_up_may_find_it(desk, ines):
    order = desk.order("64.50")
    lost = lose(desk, "no-answer", "captures", "capture", desk.authorization(order))
    page = address(lost) + "outcome/"
    assert page not in ines.get(address(lost)).content.decode()
    assert ines.get(page).status_code == 409
    assert ines.post(page, {**NOT_THERE, "step": "do"}).status_code == 409 and fresh(lost).state == "unknown"


def test_whoever_may_not_do_the_operation_records_no_end_of_it(desk):
    _order, lost = in_doubt(desk, "capture")
    looker, mover = user("lena", SEE), user("mona", SEE, MOVE)
    page = address(lost) + "outcome/"
    assert page not in looker.get(address(lost)).content.decode() and looker.get(page).status_code == 403
    assert looker.post(page, {**THERE, "step": "do"}).status_code == 403 and fresh(lost).state == "unknown"
    assert mover.post(page, {**THERE, "step": "do"}).status_code == 302 and fresh(lost).state == "done"


def test_the_item_is_cleared_by_the_end_of_its_operation_alone(desk, ines):
    _order, lost = in_doubt(desk, "capture")
    item = AttentionItem.objects.get()
    shown = f"/api/cybersource/attention/{item.pk}/"
    assert address(lost) in ines.get(shown).content.decode()
    assert ines.post(shown, {"reason": "Never mind"}).status_code == 409
    assert listed() == ["unknown-operation"]
    ines.post(address(lost) + "outcome/", {**THERE, "step": "do"})
    assert not listed() and "Transmitted" in words(ines.get(shown))


def test_a_service_records_it_over_the_api_and_again_the_same_way(desk):
    order, lost = in_doubt(desk, "refund")
    caller = Caller(user_with(MOVE))
    path = f"operations/{lost.pk}/outcome/"
    body = {"took_effect": True, "transaction_id": FOUND, "reason": "Transmitted"}
    for _again in range(2):
        told = caller.post(path, body, key=None)
        assert told.status_code == 200, told.content
        said = told.json()
        assert (said["state"], said["request_id"]) == ("done", FOUND)
        assert (said["resolved_by"], said["resolution"]) == ("sam", "Transmitted")
    assert code(caller.post(path, {"took_effect": False, "reason": "No"})) == (409, "wrong-state")
    assert source_of(order)[2] == 69.5


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reason": "x"}, (400, "required")),
        ({"took_effect": True, "transaction_id": FOUND}, (400, "required")),
        ({"took_effect": True, "reason": "x"}, (422, "other-transaction")),
        ({"took_effect": True, "transaction_id": "12", "reason": "x"}, (422, "other-transaction")),
        ({"took_effect": True, "transaction_id": "4111111111111111", "reason": "x"}, (400, "card-number")),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(desk, body, expected):
    _order, lost = in_doubt(desk, "capture")
    told = Caller(desk.staff).post(f"operations/{lost.pk}/outcome/", body)
    status, name = expected
    assert told.status_code == status
    assert name in {told.json()["code"], *(one["code"] for one in told.json()["details"])}
    assert fresh(lost).state == "unknown"
