"""Decision Manager over REST: the same cases as in the Business Center's queue, and the report of what was decided."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from lxml import etree

from cybersource.simulator import Profile, cards
from cybersource.simulator.rest import RestAccess

from .forms import gateway
from .rest_requests import Merchant

CMOS = "{http://reports.cybersource.com/reports/cmos/1.0}"


def with_access(**changes: Any) -> Merchant:
    return Merchant(gateway(profiles=(Profile.for_shop("http://localhost:8000"),), rest=RestAccess(**changes)))


@pytest.fixture
def merchant() -> Merchant:
    return with_access()


def under_review(merchant: Merchant) -> str:
    return merchant.paid("50.00", number=cards.REVIEW)


def act(merchant: Merchant, id: str, decision: str, *actions: str, comments: str = "") -> tuple[int, dict[str, Any]]:
    data: dict[str, Any] = {"decisionInformation": {"decision": decision, "comments": comments}}
    if actions:
        data["processingInformation"] = {"actionList": list(actions)}
    return merchant.post(f"/risk/v1/decisions/{id}/actions", data)


def case(merchant: Merchant):
    return merchant.gateway.payments[-1].case


def report(merchant: Merchant, *, since: timedelta = timedelta(hours=23), **more: str) -> tuple[int, dict[str, Any]]:
    now = merchant.gateway.rest.now() + timedelta(minutes=1)
    asked = {"startTime": f"{now - since:%Y-%m-%dT%H:%M:%SZ}", "endTime": f"{now:%Y-%m-%dT%H:%M:%SZ}", **more}
    return merchant.get("/reporting/v3/conversion-details?" + "&".join(f"{name}={asked[name]}" for name in asked))


# ------------------------------------------------------------------------------------------------------- actions


@pytest.mark.parametrize(("decision", "status"), [("ACCEPT", "ACCEPTED"), ("REJECT", "REJECTED")])
def test_a_case_is_decided_over_rest_and_the_queue_shows_it(merchant, decision, status):
    id = under_review(merchant)
    code, answer = act(merchant, id, decision, comments="Spoke to her")
    assert (code, answer["id"], answer["status"]) == (200, id, status)
    assert "_embedded" not in answer
    assert (case(merchant).decision, case(merchant).comments, case(merchant).owner) == (
        decision,
        "Spoke to her",
        "dm_api",
    )
    assert not merchant.gateway.payments[-1].under_review


def test_an_accept_may_capture_and_tells_the_captures_id(merchant):
    id = under_review(merchant)
    embedded = act(merchant, id, "ACCEPT", "CAPTURE")[1]["_embedded"]["capture"]
    capture = embedded["_links"]["self"]["href"].rpartition("/")[2]
    assert embedded["status"] == "PENDING"
    assert merchant.look_up(capture)[1]["rootId"] == id
    assert merchant.capture(id, "0.01")[1]["reason"] == "EXCEEDS_AUTH_AMOUNT"


def test_a_reject_may_reverse_and_tells_the_reversals_id(merchant):
    id = under_review(merchant)
    embedded = act(merchant, id, "REJECT", "REVERSE")[1]["_embedded"]["reversal"]
    reversal = embedded["_links"]["self"]["href"].rpartition("/")[2]
    assert embedded["status"] == "REVERSED"
    assert merchant.look_up(reversal)[1]["applicationInformation"]["applications"][0]["name"] == "ics_auth_reversal"
    assert merchant.gateway.rest.status(id) == "REVERSED"


@pytest.mark.parametrize(("decision", "action"), [("ACCEPT", "CAPTURE"), ("REJECT", "REVERSE")])
def test_a_follow_on_that_cannot_be_done_fails_by_itself_and_the_decision_stands(merchant, decision, action):
    id = under_review(merchant)
    assert merchant.reverse(id, "50.00")[0] == 201
    answer = act(merchant, id, decision, action)[1]
    assert answer["status"] == f"{decision}ED"
    assert list(answer["_embedded"].values()) == [{"status": "FAILED"}]
    assert "AUTH_ALREADY_REVERSED" in merchant.gateway.payments[-1].remarks[-1]
    (told,) = updates(merchant)
    assert (told["NewDecision"], told["Status"], told["RCode"]) == (decision, "Failed", "0")


@pytest.mark.parametrize("first", ["rest", "page"])
def test_what_was_decided_at_one_door_is_decided_at_the_other(merchant, first):
    id = under_review(merchant)
    if first == "rest":
        act(merchant, id, "ACCEPT")
    else:
        merchant.gateway.decide(merchant.gateway.payments[-1].id, "ACCEPT", reviewer="omar")
    status, answer = act(merchant, id, "REJECT", "REVERSE")
    assert (status, answer["reason"], answer["message"]) == (400, "INVALID_DATA", "The case has been decided.")
    assert case(merchant).decision == "ACCEPT"
    assert merchant.capture(id, "50.00")[0] == 201, "nothing was reversed"


@pytest.mark.parametrize(
    ("decision", "actions", "reason", "field"),
    [
        ("", (), "MISSING_FIELD", "decisionInformation.decision"),
        ("REVIEW", (), "INVALID_DATA", "decisionInformation.decision"),
        ("ACCEPT", ("REVERSE",), "INVALID_DATA", "processingInformation.actionList"),
        ("REJECT", ("CAPTURE",), "INVALID_DATA", "processingInformation.actionList"),
        ("ACCEPT", ("CAPTURE", "CAPTURE"), "INVALID_DATA", "processingInformation.actionList"),
    ],
)
def test_a_decision_that_is_none_is_refused_and_the_case_stays_open(merchant, decision, actions, reason, field):
    status, answer = act(merchant, under_review(merchant), decision, *actions)
    assert (status, answer["reason"], answer["details"][0]["field"]) == (400, reason, field)
    assert case(merchant).is_open


def test_there_is_nothing_to_decide_about_a_payment_that_was_never_reviewed_or_never_made(merchant):
    for id in (merchant.paid(), "7" * 22):
        assert act(merchant, id, "ACCEPT")[0] == 404
        assert merchant.post(f"/risk/v1/decisions/{id}/comments", {"comments": "?"})[0] == 404


def test_a_payment_made_over_rest_is_decided_over_rest(merchant):
    id = merchant.authorize(merchant.token(cards.REVIEW), "50.00", code="OSC-4")[1]["id"]
    assert act(merchant, id, "ACCEPT")[1]["status"] == "ACCEPTED"
    (row,) = report(merchant)[1]["conversionDetails"]
    assert (row["merchantReferenceNumber"], row["requestId"]) == ("OSC-4", id)


def test_a_comment_becomes_a_note_and_decides_nothing(merchant):
    id = under_review(merchant)
    assert merchant.post(f"/risk/v1/decisions/{id}/comments", {"comments": "Called her"})[0] == 200
    assert [(note.added_by, note.comment) for note in case(merchant).notes] == [("dm_api", "Called her")]
    assert case(merchant).is_open
    assert merchant.post(f"/risk/v1/decisions/{id}/comments", {})[1]["reason"] == "MISSING_FIELD"


# ------------------------------------------------------------------------------------------- what the shop is told


def updates(merchant: Merchant) -> list[dict[str, str | None]]:
    found = []
    for due in merchant.gateway.outbox:
        content = parse_qs(due.message.body.decode())["content"][0].encode()
        (update,) = etree.fromstring(content, etree.XMLParser(load_dtd=False, no_network=True))
        texts = {element.tag.removeprefix(CMOS): element.text for element in update.iter() if not len(element)}
        found.append({**texts, **dict(update.attrib)})
    return found


def test_a_decision_over_rest_is_told_by_the_order_status_notification_too(merchant):
    id = under_review(merchant)
    act(merchant, id, "REJECT", "REVERSE", comments="Stolen")
    (told,) = updates(merchant)
    assert (told["RequestID"], told["NewDecision"], told["Reviewer"]) == (id, "REJECT", "dm_api")
    assert (told["Application"], told["Status"]) == ("Credit Card Authorization Reversal", "Success")


def test_the_notification_of_decisions_over_rest_can_be_switched_off():
    merchant = with_access(decisions_notified=False)
    act(merchant, under_review(merchant), "ACCEPT")
    assert updates(merchant) == []


def test_the_notification_reaches_the_shop_after_the_answer_and_is_recorded(cybersource_simulator, shop):
    cybersource_simulator.set_shop(shop.url)
    cybersource_simulator.configure(after_seconds=0, merchant_post="never")
    merchant = Merchant(cybersource_simulator.gateway)
    id = merchant.paid("50.00", number=cards.REVIEW)
    act(merchant, id, "ACCEPT")
    delivery = cybersource_simulator.wait_for_delivery(kind="review notification")
    assert delivery.status == 200
    ((path, body),) = shop.wait_for(1)
    assert path.startswith("/api/cybersource/decision-manager-review-notification/?key=")
    assert id in body


# -------------------------------------------------------------------------------------------------------- report


def test_the_report_lists_every_decision_of_its_span_oldest_first_with_notes(merchant):
    first, second = under_review(merchant), under_review(merchant)
    payments = merchant.gateway.payments
    merchant.gateway.decide(payments[0].id, "REJECT", reviewer="omar", comments="Stolen", notes=["Called"])
    merchant.gateway.rest.advance(minutes=5)
    act(merchant, second, "ACCEPT")
    merchant.gateway.rest.advance(minutes=5)
    merchant.gateway.decide(payments[0].id, "ACCEPT", reviewer="lena.review")
    under_review(merchant)

    status, body = report(merchant, organizationId="acme_shop")
    assert (status, body["organizationId"]) == (200, "acme_shop")
    rows = body["conversionDetails"]
    assert [(row["requestId"], row["originalDecision"], row["newDecision"], row["reviewer"]) for row in rows] == [
        (first, "REVIEW", "REJECT", "omar"),
        (second, "REVIEW", "ACCEPT", "dm_api"),
        (first, "REJECT", "ACCEPT", "lena.review"),
    ]
    assert rows[0]["reviewerComments"] == "Stolen"
    assert rows[0]["notes"] == [{"time": "2026-03-04T09:15:02Z", "addedBy": "omar", "comments": "Called"}]
    assert rows[0]["conversionTime"] == "2026-03-04T09:15:02Z"
    assert (rows[0]["queue"], rows[0]["profile"]) == ("Review Queue", "Auths")


def test_a_decision_before_or_after_the_span_is_not_in_it(merchant):
    act(merchant, under_review(merchant), "ACCEPT")
    merchant.gateway.rest.advance(hours=23)
    assert report(merchant)[1]["conversionDetails"] == []
    assert len(report(merchant, since=timedelta(hours=24))[1]["conversionDetails"]) == 1


def test_a_decision_is_in_the_report_after_its_lag():
    merchant = with_access(conversion_lag=timedelta(minutes=10))
    act(merchant, under_review(merchant), "ACCEPT")
    assert report(merchant)[1]["conversionDetails"] == []
    merchant.gateway.rest.advance(minutes=10)
    assert len(report(merchant)[1]["conversionDetails"]) == 1


def test_a_quiet_day_is_an_empty_list_or_a_404_as_switched():
    assert report(with_access())[1]["conversionDetails"] == []
    status, body = report(with_access(empty_report_is_404=True))
    assert (status, body["reason"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"startTime": "2026-03-01T00:00:00Z", "endTime": "2026-03-02T00:00:01Z"}, "INVALID_DATA"),
        ({"startTime": "2026-03-02T00:00:00Z", "endTime": "2026-03-01T00:00:00Z"}, "INVALID_DATA"),
        ({"startTime": "yesterday", "endTime": "2026-03-01T00:00:00Z"}, "INVALID_DATA"),
        ({"startTime": "", "endTime": "2026-03-01T00:00:00Z"}, "MISSING_FIELD"),
        ({"organizationId": "another"}, "INVALID_DATA"),
    ],
)
def test_a_report_over_more_than_a_day_or_of_another_shop_is_refused(merchant, asked, reason):
    status, body = report(merchant, **asked)
    assert (status, body["reason"]) == (400, reason)


def test_the_business_centers_page_reverses_with_a_reject(merchant):
    from cybersource.simulator.app import create_app

    id = under_review(merchant)
    client = create_app(merchant.gateway).test_client()
    data = {"action": "reject", "reviewer": "omar", "reverse": "yes"}
    page = client.post("/payments/1/review/", data=data, follow_redirects=True).text
    assert "Credit Card Authorization Reversal" in page
    assert merchant.gateway.rest.status(id) == "REVERSED"
    assert json.dumps(act(merchant, id, "ACCEPT")[1]).count("has been decided") == 1
