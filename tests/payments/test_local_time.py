"""A shop with ``USE_TZ = False`` and a time zone of its own: what is signed, compared and shown is the right moment."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.test import Client

from cybersource.models import AttemptState, PaymentAttempt
from tests.support.desk import Desk

A_MOMENT = timedelta(minutes=2)


@pytest.fixture(params=["America/New_York", "Asia/Kolkata"])
def local_time(request, settings):
    settings.TIME_ZONE = request.param
    settings.USE_TZ = False
    yield
    settings.TIME_ZONE = "UTC"  # before USE_TZ comes back, so that the connection speaks UTC again
    settings.USE_TZ = True


def is_now(moment: datetime) -> bool:
    return abs(datetime.now(UTC) - moment) < A_MOMENT


@pytest.mark.usefixtures("local_time")
def test_forms_are_signed_in_utc_and_payments_are_made(shopper):
    order = shopper.check_out()
    signed = dict(shopper.form())["signed_date_time"]
    assert is_now(datetime.fromisoformat(signed))
    shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    attempt = shopper.attempt()
    assert is_now(attempt.date_created) and is_now(attempt.date_settled)
    assert is_now(attempt.settling_reply.signed_date_time)


@pytest.mark.usefixtures("local_time", "one_step")
@pytest.mark.parametrize(("age", "state"), [(50, AttemptState.OPEN), (70, AttemptState.EXPIRED)])
def test_an_attempt_ends_after_its_hour_and_not_after_a_time_zone(shopper, age, state):
    shopper.check_out()
    then = datetime.now(UTC) - timedelta(minutes=age)
    PaymentAttempt.objects.update(date_created=then, date_signed=then, date_shown=then)
    call_command("cybersource_expire_attempts")
    assert shopper.attempt().state == state


@pytest.mark.usefixtures("local_time")
def test_staff_and_programs_read_the_right_moment(desk: Desk):
    order = desk.captured()
    call_command("cybersource_reconcile")
    client = Client()
    client.force_login(desk.staff)
    payment = client.get("/api/cybersource/v1/payments/").json()["results"][0]
    assert is_now(datetime.fromisoformat(payment["created"]))
    hold = desk.authorization(order)
    for page in (f"/dashboard/orders/{order.number}/", "/api/cybersource/payments/", "/api/cybersource/operations/"):
        assert client.get(page).status_code == 200
    assert client.get(f"/api/cybersource/payments/{hold.pk}/refund/").status_code == 200
    sheet = b"".join(client.get("/api/cybersource/payments/?format=csv")).decode()
    assert time.strftime("%Y-%m-%d %H:") in sheet, "people's own time"
