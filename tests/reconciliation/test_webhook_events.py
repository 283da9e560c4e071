"""What CyberSource announced is asked for, once it is worth asking, and taken over from what is answered alone."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import Client
from django.utils import timezone

from cybersource.gateway import client
from cybersource.models import CyberSourceReply, PaymentToken, WebhookDelivery
from cybersource.protocol.rest import Processed, delete_customer
from cybersource.reconciliation import webhook_events
from cybersource.reconciliation.webhook_events import handle_pending
from cybersource.simulator.server import Server
from tests.protocol.rest.deliveries import KEY, KEY_ID, body, header
from tests.support.answering import says, server
from tests.support.reviewing import tell, under_review

PAYMENT = "7725300131236543210988"
TOKEN = "11E005EC5EC93BE7E063AF598E0A92CC"


@pytest.fixture(autouse=True)
def credentials(settings) -> None:
    settings.CYBERSOURCE_WEBHOOK_KEYS = {KEY_ID: KEY}
    settings.CYBERSOURCE_MERCHANT_ID = "acme_shop"
    settings.CYBERSOURCE_REST_KEY_ID = "11111111-2222-4333-8444-555555555555"
    settings.CYBERSOURCE_REST_SHARED_SECRET = "RZn28Q23NKksterKzGoxKBIkIjFXldLeuzUZQlU6F30="
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"


def announce(data: dict[str, Any], event: str = "payments.capture.status.updated") -> WebhookDelivery:
    """CyberSource delivers one event; how the shop keeps it."""
    written = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    content = body({"data": data}, event=event, organizationId="", eventDate=written)
    response = Client().generic(
        "POST", "/api/cybersource/webhooks/", content, HTTP_V_C_SIGNATURE=header(content, timezone.now())
    )
    assert response.status_code == 200
    return WebhookDelivery.objects.latest("pk")


class Adopting:
    """What reconciliation does with a transaction's id, as far as this end of it knows: it is told, and it answers."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.asked: list[str] = []
        self.answers = list(answers)

    def __call__(self, request_id: str) -> bool:
        self.asked.append(request_id)
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


def state(row: WebhookDelivery) -> tuple[str, str, int]:
    row.refresh_from_db()
    return row.state, row.problem, row.tries


def let_time_pass(**time: int) -> None:
    for row in WebhookDelivery.objects.exclude(date_handled=None):
        WebhookDelivery.objects.filter(pk=row.pk).update(date_handled=row.date_handled - timedelta(**time))


# -- payments --------------------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_an_announced_payment_is_looked_into_once(committed_db):
    row = announce({"id": PAYMENT, "status": "TRANSMITTED"})
    adopt = Adopting()
    assert handle_pending(adopt) == {"handled": 1}
    assert adopt.asked == [PAYMENT] and state(row) == ("handled", "", 1)
    assert handle_pending(adopt) == {} and adopt.asked == [PAYMENT]
    assert row.date_handled


def test_told_again_after_it_was_looked_into_it_is_not_looked_into_again(committed_db):
    adopt = Adopting()
    announce({"id": PAYMENT, "status": "TRANSMITTED"})
    handle_pending(adopt)
    again = announce({"id": PAYMENT, "status": "TRANSMITTED"})
    assert handle_pending(adopt) == {} and state(again)[0] == "repeated"


def test_what_is_not_found_yet_is_asked_for_again_later_and_later_and_given_up_in_the_end(committed_db):
    row = announce({"id": PAYMENT, "status": "TRANSMITTED"})
    adopt = Adopting(*[False] * 20)
    assert handle_pending(adopt) == {"failed": 1}
    minutes = 5
    for tries in range(2, webhook_events.MOST_TRIES + 1):
        let_time_pass(minutes=minutes - 1)
        assert handle_pending(adopt) == {}, "not yet"
        let_time_pass(minutes=1)
        handle_pending(adopt)
        assert state(row)[2] == tries
        minutes *= 2
    assert state(row) == ("noted", "never-found", webhook_events.MOST_TRIES)
    assert len(adopt.asked) == webhook_events.MOST_TRIES
    renewed = announce({"id": PAYMENT, "status": "TRANSMITTED"})
    assert state(renewed)[0] == "received", "told anew, it is worth a look again"


def test_one_that_breaks_keeps_no_other_waiting(committed_db):
    first, second = (announce({"id": PAYMENT[:-1] + digit, "status": "X"}) for digit in "12")
    assert handle_pending(Adopting(RuntimeError("the look-up broke"))) == {"failed": 1, "handled": 1}
    assert (state(first)[0], state(second)[0]) == ("failed", "handled")


def test_many_that_wait_for_their_time_keep_no_new_one_waiting(committed_db, monkeypatch):
    monkeypatch.setattr(webhook_events, "TOGETHER", 2)
    for digit in "123":
        announce({"id": PAYMENT[:-1] + digit, "status": "X"})
        handle_pending(Adopting(False))
    new = announce({"id": PAYMENT, "status": "X"})
    adopt = Adopting()
    assert handle_pending(adopt) == {"handled": 1} and adopt.asked == [PAYMENT]
    assert state(new)[0] == "handled"


def test_four_machines_look_into_each_delivery_once(committed_db):
    for digit in "123456":
        announce({"id": PAYMENT[:-1] + digit, "status": "X"})
    adopt, together = Adopting(), threading.Barrier(4)

    def machine() -> None:
        together.wait()
        handle_pending(adopt)
        connections.close_all()

    machines = [threading.Thread(target=machine) for _ in range(4)]
    for each in machines:
        each.start()
    for each in machines:
        each.join()
    assert sorted(adopt.asked) == [PAYMENT[:-1] + digit for digit in "123456"]


def test_without_credentials_everything_waits(committed_db, settings):
    row = announce({"id": PAYMENT, "status": "X"})
    settings.CYBERSOURCE_REST_KEY_ID = ""
    with pytest.raises(ImproperlyConfigured, match="CYBERSOURCE_REST_KEY_ID"):
        handle_pending(Adopting())
    assert state(row) == ("received", "", 0)


# -- decisions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def business_center(shopper, settings):
    """CyberSource with its REST services, and a shop that has the keys."""
    far_side = shopper.gateway
    settings.CYBERSOURCE_MERCHANT_ID = far_side.settings.profiles[0].merchant_id
    settings.CYBERSOURCE_REST_KEY_ID = far_side.settings.rest.key_id
    settings.CYBERSOURCE_REST_SHARED_SECRET = far_side.settings.rest.shared_secret
    with Server(gateway=far_side) as running:
        settings.CYBERSOURCE_REST_ENDPOINT = running.url
        yield far_side


def announced(case: Any, decision: str) -> WebhookDelivery:
    told = {"id": case.request_id, "referenceNumber": case.order.number}
    return announce(told, f"risk.casemanagement.decision.{decision.lower()}")


@pytest.mark.parametrize(("decision", "status"), [("ACCEPT", "Authorized"), ("REJECT", "Payment Declined")])
def test_an_announced_decision_is_read_in_the_report_and_recorded(shopper, business_center, decision, status):
    case = under_review(shopper)
    case.accept() if decision == "ACCEPT" else case.reject()
    row = announced(case, decision)
    assert row.order == case.order and case.status == "Pending"
    adopt = Adopting()
    assert handle_pending(adopt) == {"handled": 1, "decisions": 1}
    assert case.status == status and case.told == ["recorded"]
    assert adopt.asked == [case.request_id], "the reviewer may have captured or reversed"


def test_an_announcement_decides_nothing_by_itself(shopper, business_center):
    case = under_review(shopper)
    row = announced(case, "ACCEPT")
    assert handle_pending(Adopting()) == {"failed": 1}
    assert case.status == "Pending" and case.told == [] and state(row) == ("failed", "not-found-yet", 1)


def test_a_decision_that_reaches_the_report_late_is_found_at_the_next_look(shopper, business_center):
    rest = business_center.settings.rest
    business_center.configure(rest=replace(rest, conversion_lag=timedelta(hours=1)))
    case = under_review(shopper)
    case.accept()
    announced(case, "ACCEPT")
    assert handle_pending(Adopting()) == {"failed": 1}
    business_center.configure(rest=replace(rest, conversion_lag=timedelta(0)))
    let_time_pass(minutes=5)
    assert handle_pending(Adopting()) == {"handled": 1, "decisions": 1}
    assert case.status == "Authorized"


def test_a_decision_that_is_announced_days_late_is_read_in_the_report_of_its_own_day(shopper, business_center):
    case = under_review(shopper)
    case.accept()
    row = announced(case, "ACCEPT")
    days_ago = timezone.now() - timedelta(days=5)
    row.payload["event_at"] = days_ago.isoformat()
    row.save()
    handle_pending(Adopting())
    asked = [call.target for call in business_center.rest.calls if "conversion-details" in call.target]
    first = parse_qs(urlsplit(asked[0]).query)["startTime"][0]
    assert days_ago - timedelta(hours=2) < datetime.fromisoformat(first) < days_ago and len(asked) == 6
    assert case.status == "Authorized"


def test_a_decision_that_names_no_sensible_day_is_looked_for_in_the_last_week(shopper, business_center):
    case = under_review(shopper)
    case.accept()
    row = announced(case, "ACCEPT")
    row.payload["event_at"] = datetime.min.replace(tzinfo=UTC).isoformat()
    row.save()
    assert handle_pending(Adopting()) == {"handled": 1, "decisions": 1}
    assert case.status == "Authorized"


def test_a_decision_that_a_notification_told_is_not_asked_for(shopper, business_center):
    case = under_review(shopper)
    assert tell(case.accept()) == 200
    announced(case, "ACCEPT")
    asked = len(business_center.rest.calls)
    assert handle_pending(Adopting()) == {"handled": 1}
    assert len(business_center.rest.calls) == asked


def test_many_decisions_are_one_look_into_the_report(shopper, business_center):
    cases = [under_review(shopper) for _ in range(3)]
    for case in cases:
        case.accept()
        announced(case, "ACCEPT")
    asked = len(business_center.rest.calls)
    assert handle_pending(Adopting()) == {"handled": 3, "decisions": 3}
    assert len(business_center.rest.calls) == asked + 1
    assert {case.status for case in cases} == {"Authorized"}


# -- stored cards ----------------------------------------------------------------------------------------------------

RENEWED = {
    "id": TOKEN,
    "_embedded": {
        "defaultPaymentInstrument": {
            "card": {"expirationMonth": "09", "expirationYear": "2034", "type": "002"},
            "_embedded": {"instrumentIdentifier": {"card": {"number": "555555XXXXXX4444"}}},
        }
    },
}


@pytest.fixture
def stored(committed_db) -> PaymentToken:
    return PaymentToken.objects.create(
        token=TOKEN, masked_card_number="xxxxxxxxxxxx1111", card_type="001", card_expiry_date="12-2031"
    )


def look_into_card(settings, status: int, answer: object = b"", event: str = "tms.token.updated") -> WebhookDelivery:
    data = {"_links": {"customers": [{"href": f"/tms/v2/customers/{TOKEN}"}]}, "id": "P47C5DF0BD0079A8E0530E2E020A5CDH"}
    row = announce(data, event)
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with server(says(status, content)) as (address, _):
        settings.CYBERSOURCE_REST_ENDPOINT = address
        handle_pending(Adopting())
    return row


def test_a_card_that_was_renewed_shows_its_new_number_and_expiry(stored, settings):
    row = look_into_card(settings, 200, RENEWED)
    stored.refresh_from_db()
    assert (stored.masked_card_number, stored.card_type) == ("xxxxxxxxxxxx4444", "002")
    assert (stored.card_expiry_date, stored.kind, stored.date_gone) == ("09-2034", "customer", None)
    assert state(row)[0] == "handled"
    assert TOKEN not in str([*WebhookDelivery.objects.values(), *CyberSourceReply.objects.values()])


def test_what_cybersource_does_not_say_of_a_card_stays_as_it_is(stored, settings):
    look_into_card(settings, 200, {"id": TOKEN, "card": {"expirationMonth": "13", "type": "visa"}})
    stored.refresh_from_db()
    assert (stored.masked_card_number, stored.card_expiry_date) == ("xxxxxxxxxxxx1111", "12-2031")


@pytest.mark.parametrize(
    ("kind", "status", "gone"),
    [("", 410, True), ("customer", 404, True), ("customer", 410, True), ("", 404, False), ("legacyToken", 404, False)],
)
def test_a_card_that_cybersource_keeps_no_more_is_gone_if_it_was_ever_found_there(stored, settings, kind, status, gone):
    PaymentToken.objects.update(kind=kind)
    row = look_into_card(settings, status, {"errors": [{"type": "notAvailable"}]})
    stored.refresh_from_db()
    assert (stored.date_gone is not None) is gone
    assert stored.masked_card_number == "xxxxxxxxxxxx1111" and state(row)[0] == "handled"


def test_a_card_that_is_found_again_is_not_gone(stored, settings):
    PaymentToken.objects.update(date_gone=timezone.now())
    look_into_card(settings, 200, RENEWED)
    stored.refresh_from_db()
    assert stored.date_gone is None


@pytest.mark.parametrize(
    ("status", "answer"), [(502, b""), (401, b"{}"), (403, b"<html>"), (429, b""), (200, b"<html>")]
)
def test_an_outage_uses_up_no_try_of_a_card(stored, settings, status, answer):
    row = look_into_card(settings, status, answer)
    stored.refresh_from_db()
    assert state(row) == ("received", "", 0) and stored.date_gone is None


def test_a_card_of_which_cybersource_tells_nothing_is_asked_for_again(stored, settings):
    row = look_into_card(settings, 400, {"reason": "INVALID_DATA"})
    stored.refresh_from_db()
    assert state(row) == ("failed", "not-found-yet", 1) and stored.date_gone is None


def test_each_change_of_a_card_is_looked_into_though_it_is_announced_in_the_same_words(stored, settings):
    look_into_card(settings, 200, {"card": {"expirationMonth": "01", "expirationYear": "2032"}})
    look_into_card(settings, 200, {"card": {"expirationMonth": "01", "expirationYear": "2036"}})
    stored.refresh_from_db()
    assert stored.card_expiry_date == "01-2036"


def test_a_card_that_is_deleted_at_cybersource_is_gone_here_once_it_is_announced(shopper, business_center):
    shopper.check_out()
    shopper.pay()
    card = PaymentToken.objects.get()
    announcement = {"_links": {"customers": [{"href": f"/tms/v2/customers/{card.token}"}]}, "id": card.token}
    announce(announcement, "tms.token.updated")
    assert handle_pending(Adopting()) == {"handled": 1}
    before = PaymentToken.objects.values().get()
    assert before["kind"] == "customer" and before["date_gone"] is None
    assert before["card_expiry_date"] == card.card_expiry_date
    assert before["masked_card_number"] == card.masked_card_number
    assert isinstance(client.send(delete_customer(card.token)).outcome, Processed)
    announce(announcement, "tms.token.updated")
    handle_pending(Adopting())
    card.refresh_from_db()
    assert card.date_gone is not None
    kept = [*WebhookDelivery.objects.values(), *CyberSourceReply.objects.filter(reply_type="rest").values()]
    assert card.token not in str(kept)
