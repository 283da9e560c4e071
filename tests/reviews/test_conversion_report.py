"""A decision whose notification was lost is found in the conversion report, and counts once, whoever told it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import pre_save
from django.utils import timezone
from oscar.core.loading import get_model

from cybersource.gateway.client import OpenTransaction
from cybersource.models import CyberSourceReply, ReviewNotification, ReviewNotificationUpdate
from cybersource.reviews.conversion_report import poll_conversions
from cybersource.simulator.server import Server
from tests.support.answering import says, server
from tests.support.reviewing import Case, notes, tell, under_review

Transaction = get_model("payment", "Transaction")

DAY = (datetime(2026, 3, 3, 12, tzinfo=UTC), datetime(2026, 3, 4, 12, tzinfo=UTC))


@pytest.fixture(autouse=True)
def credentials(settings) -> None:
    settings.CYBERSOURCE_MERCHANT_ID = "acme_shop"
    settings.CYBERSOURCE_REST_KEY_ID = "11111111-2222-4333-8444-555555555555"
    settings.CYBERSOURCE_REST_SHARED_SECRET = "RZn28Q23NKksterKzGoxKBIkIjFXldLeuzUZQlU6F30="


def row(case: Case, decision: str = "ACCEPT", **said: Any) -> dict[str, Any]:
    """A line of the report, as CyberSource writes it."""
    return {
        "merchantReferenceNumber": case.order.number,
        "conversionTime": "2026-03-04T10:05:47Z",
        "requestId": case.request_id,
        "originalDecision": "REVIEW",
        "newDecision": decision,
        "reviewer": "lena.review",
        "reviewerComments": "Spoke to customer.",
        "queue": "Review Queue",
        "profile": "Auths",
        "notes": [{"time": "2026-03-04T10:02:11Z", "addedBy": "lena.review", "comments": "Took ownership."}],
        **said,
    }


@contextmanager
def a_database_that_refuses(model: type[Model]) -> Iterator[None]:
    def refuse(**_said: Any) -> None:
        raise RuntimeError("no row is taken")

    pre_save.connect(refuse, sender=model)
    try:
        yield
    finally:
        pre_save.disconnect(refuse, sender=model)


@contextmanager
def report(settings, *rows: dict[str, Any], **answers: bytes | int) -> Iterator[list[dict[str, list[str]]]]:
    """CyberSource with these conversions on every day; what it was asked."""
    asked: list[dict[str, list[str]]] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        parts = urlsplit(handler.path)
        assert parts.path == "/reporting/v3/conversion-details" and handler.command == "GET"
        asked.append(parse_qs(parts.query))
        content = answers.get("body", json.dumps({"organizationId": "acme_shop", "conversionDetails": rows}).encode())
        says(answers.get("status", 200), content)(handler, body)

    with server(answer) as (address, _):
        settings.CYBERSOURCE_REST_ENDPOINT = address
        yield asked


@pytest.mark.quick
def test_a_decision_whose_notification_was_lost_releases_the_order(shopper, settings):
    case = under_review(shopper)
    with report(settings, row(case)) as asked:
        polled = poll_conversions(*DAY)
    assert case.status == "Authorized" and case.told == ["recorded"]
    assert (polled.told, polled.new, polled.is_complete, polled.states["recorded"]) == (1, 1, True, 1)
    assert asked == [
        {
            "startTime": ["2026-03-03T12:00:00Z"],
            "endTime": ["2026-03-04T12:00:00Z"],
            "organizationId": ["acme_shop"],
        }
    ]
    assert len(case.reviewers_notes) == 1


@pytest.mark.parametrize("quiet_is_404", [True, False])
def test_what_was_decided_in_the_business_center_is_found_in_its_report(shopper, settings, quiet_is_404):
    gateway = shopper.gateway
    gateway.configure(rest=replace(gateway.settings.rest, empty_report_is_404=quiet_is_404))
    settings.CYBERSOURCE_MERCHANT_ID = gateway.settings.profiles[0].merchant_id
    settings.CYBERSOURCE_REST_KEY_ID = gateway.settings.rest.key_id
    settings.CYBERSOURCE_REST_SHARED_SECRET = gateway.settings.rest.shared_secret
    case = under_review(shopper)
    an_hour_ago, soon = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)
    with Server(gateway=gateway) as running:
        settings.CYBERSOURCE_REST_ENDPOINT = running.url
        assert poll_conversions(an_hour_ago, soon).is_complete and case.status == "Pending"
        lost = case.reject(notes=["Called: number not in service"])
        polled = poll_conversions(an_hour_ago, soon)
    assert polled.states == {"recorded": 1} and case.status == "Payment Declined"
    assert tell(lost) == 200, "and the notification comes after all"
    assert case.told == ["recorded", "repeated"] and len(case.reviewers_notes) == 1


def test_a_rejection_in_the_report_declines_the_order(shopper, settings):
    case = under_review(shopper)
    with report(settings, row(case, "REJECT")):
        poll_conversions(*DAY)
    assert case.status == "Payment Declined" and case.told == ["recorded"]


def test_the_report_read_again_is_no_news_and_stores_nothing(shopper, settings):
    case = under_review(shopper)
    with report(settings, row(case), row(case)):
        first = poll_conversions(*DAY)
        before = notes(case.order), ReviewNotificationUpdate.objects.count()
        again = poll_conversions(*DAY)
    assert (first.told, first.new) == (2, 1) and (again.told, again.new) == (2, 0)
    assert (notes(case.order), ReviewNotificationUpdate.objects.count()) == before


def test_a_decision_of_the_report_is_recorded_as_such_and_no_notification_is_made_up(shopper, settings):
    case = under_review(shopper)
    with report(settings, row(case)):
        poll_conversions(*DAY)
    assert not ReviewNotification.objects.exists()
    (decided,) = ReviewNotificationUpdate.objects.all()
    assert (decided.source, decided.notification, decided.state) == ("conversion-report", None, "recorded")
    assert tell(case.accept()) == 200
    assert [each.source for each in ReviewNotificationUpdate.objects.all()] == ["conversion-report", "notification"]
    assert case.told == ["recorded", "repeated"]


def test_a_decision_of_the_report_that_failed_is_tried_again_as_a_notifications_is(shopper, settings):
    case = under_review(shopper)
    with a_database_that_refuses(Transaction), report(settings, row(case)):
        assert poll_conversions(*DAY).states == {"failed": 1}
    assert case.status == "Pending"
    call_command("cybersource_reprocess")
    assert case.told == ["recorded"] and case.status == "Authorized"


@pytest.mark.parametrize("notified_first", [True, False])
@pytest.mark.parametrize("decision", ["ACCEPT", "REJECT"])
def test_what_notification_and_report_both_tell_counts_once_and_each_note_is_written_once(
    shopper, settings, notified_first, decision
):
    case = under_review(shopper)
    note = case.add_note("Called back")
    body = case.accept(comments="Fine.") if decision == "ACCEPT" else case.reject(comments="Fraud.")
    written = [
        {"time": each.at.strftime("%Y-%m-%dT%H:%M:%SZ"), "addedBy": each.added_by, "comments": each.comment}
        for each in shopper.gateway.payment(case.payment_id).case.notes
    ]
    with report(settings, row(case, decision, notes=written)):
        if notified_first:
            assert tell(note) == 200 and tell(body) == 200
        poll_conversions(*DAY)
        if not notified_first:
            assert tell(note) == 200 and tell(body) == 200
    assert case.told.count("recorded") == 1 and "conflicting" not in case.told
    assert len(case.reviewers_notes) == len(written)
    assert sum("decided" in each for each in notes(case.order)) == 1


def test_an_opposite_decision_in_the_report_is_noted_and_changes_nothing(shopper, settings):
    case = under_review(shopper)
    assert tell(case.accept()) == 200
    with report(settings, row(case, "REJECT")):
        polled = poll_conversions(*DAY)
    assert case.status == "Authorized" and polled.states == {"conflicting": 1}


def test_a_decision_about_nothing_of_ours_waits_and_is_stored_once(committed_db, settings):
    rows = {"requestId": "7300000000000000000000", "merchantReferenceNumber": "POS-1", "newDecision": "ACCEPT"}
    with report(settings, rows):
        assert poll_conversions(*DAY).states == {"waiting": 1}
        assert poll_conversions(*DAY).new == 0
    assert ReviewNotificationUpdate.objects.get().state == "waiting"


def test_a_long_time_is_asked_for_a_day_at_a_time_without_a_gap(committed_db, settings):
    with report(settings) as asked:
        polled = poll_conversions(DAY[0], DAY[0] + timedelta(days=2, hours=3, microseconds=1))
    assert polled.is_complete and polled.told == 0
    ends = [each["endTime"][0] for each in asked]
    assert [each["startTime"][0] for each in asked] == ["2026-03-03T12:00:00Z", *ends[:-1]]
    assert ends == ["2026-03-04T12:00:00Z", "2026-03-05T12:00:00Z", "2026-03-05T15:00:01Z"]


def test_a_quiet_day_may_be_told_as_not_found(committed_db, settings):
    with report(settings, status=404, body=b'{"errors":[{"type":"notFound","message":"No data"}]}'):
        assert poll_conversions(*DAY).is_complete


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b"<html>no such page</html>"), (401, b"{}"), (403, b"{}"), (429, b""), (502, b""), (200, b"<html>")],
)
def test_a_report_that_could_not_be_read_is_said_to_be_unread(committed_db, settings, status, body):
    with report(settings, status=status, body=body):
        polled = poll_conversions(*DAY)
    assert polled.unread == [DAY] and not polled.is_complete


def test_a_card_number_in_a_reviewers_words_is_kept_masked(shopper, settings):
    case = under_review(shopper)
    odd = row(
        case, reviewerComments="Card 4111111111111111", notes=[{"comments": "4111 1111 1111 1111", "addedBy": "x"}]
    )
    with report(settings, odd):
        poll_conversions(*DAY)
    kept = [*ReviewNotification.objects.values(), *ReviewNotificationUpdate.objects.values()]
    kept += CyberSourceReply.objects.filter(reply_type="rest").values()
    assert "4111" not in str(kept) and "4111" not in str(notes(case.order))
    assert case.status == "Authorized"


def test_the_report_is_not_read_within_a_transaction(committed_db, settings):
    with transaction.atomic(), pytest.raises(OpenTransaction):
        poll_conversions(*DAY)
