"""The sandbox runs the scheduled commands by itself."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from cybersource.models import AttemptState, PaymentAttempt
from sandbox import schedule
from tests.support.shop import Shopper


def test_each_command_runs_and_says_so_and_one_that_fails_stops_no_other(committed_db, monkeypatch, capfd):
    shopper = Shopper()
    shopper.check_out()
    long_ago = timezone.now() - timedelta(hours=2)
    PaymentAttempt.objects.update(date_created=long_ago, date_signed=long_ago, date_shown=long_ago)
    monkeypatch.setattr(schedule, "COMMANDS", ("no_such_command", *schedule.COMMANDS))
    schedule.run_once()
    said = capfd.readouterr()
    assert shopper.attempt().state == AttemptState.EXPIRED
    for name in schedule.COMMANDS:
        assert f" {name}\n" in said.out
    assert "Unknown command: 'no_such_command'" in said.err
