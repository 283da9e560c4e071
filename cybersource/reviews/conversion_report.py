"""What reviewers decided, asked for: CyberSource's conversion report has it where a notification was lost.

    period -> conversion details -> ReviewUpdate -> recorded as every decision is (:mod:`.recording`)

A decision that both the report and a notification tell is recorded once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..conf import conf
from ..gateway import client
from ..models import ReviewNotificationUpdate
from ..protocol import ReviewUpdate
from ..protocol.rest import Processed, Refused, conversion_details, read_conversions
from ..protocol.rest.calls import LONGEST_PERIOD
from . import recording

Source = ReviewNotificationUpdate.Source


@dataclass(kw_only=True)
class ReportResult:
    """What a look into the report brought."""

    told: int = 0  #: decisions in the report
    new: int = 0  #: of them, told for the first time
    states: Counter[str] = field(default_factory=Counter)  #: what became of the new ones
    unread: list[tuple[datetime, datetime]] = field(default_factory=list)  #: periods that could not be read

    @property
    def is_complete(self) -> bool:
        return not self.unread


def poll_conversions(start: datetime, end: datetime) -> ReportResult:
    """Ask CyberSource what reviewers decided from ``start`` until ``end``, and act on what is new.

    Periods may overlap, and should, since decisions reach the report late. Callers must not hold a transaction open.
    """
    polled = ReportResult()
    start = start.replace(microsecond=0)  # the report knows whole seconds
    end = end if end.microsecond == 0 else end.replace(microsecond=0) + timedelta(seconds=1)
    while start < end:
        until = min(start + LONGEST_PERIOD, end)
        outcome = client.send(conversion_details(start, until, organization_id=conf.merchant_id)).outcome
        if isinstance(outcome, Processed):
            told = read_conversions(outcome.content)
            states = receive_conversions(told)
            polled.told += len(told)
            polled.new += states.total()
            polled.states += states
        elif not (isinstance(outcome, Refused) and outcome.is_not_found and outcome.content):
            polled.unread.append((start, until))  # what is not found, and says so in JSON, is a quiet period
        start = until
    return polled


def receive_conversions(told: Sequence[ReviewUpdate]) -> Counter[str]:
    """Record the report's decisions as every other is; say what became of what is new.

    The report tells the same again with each look at it, and what a notification told already. That is not stored.
    """
    updates = news([recording.masked(update) for update in told])
    return Counter(recording.record_decisions(updates, source=Source.REPORT) if updates else ())


def news(updates: Sequence[ReviewUpdate]) -> list[ReviewUpdate]:
    """Those of the updates that nobody told in the same words before."""
    known: dict[str, list[Any]] = {}
    stored = ReviewNotificationUpdate.objects.exclude(state=ReviewNotificationUpdate.State.FOREIGN)
    ids = {update.request_id[:64] for update in updates}
    for request_id, payload in stored.filter(request_id__in=ids).values_list("request_id", "payload"):
        known.setdefault(request_id, []).append(payload)
    found = []
    for update in updates:
        before = known.setdefault(update.request_id[:64], [])
        if update.as_json() not in before:
            before.append(update.as_json())
            found.append(update)
    return found
