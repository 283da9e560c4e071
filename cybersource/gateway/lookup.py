"""What CyberSource is asked that changes nothing, and may be asked again at any time.

A question without an answer teaches nothing: it is never "not found". Where nobody answers a few in a row, nor a
harmless search, nobody asks on. An answer that teaches nothing about one thing keeps none of the others waiting.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

from ..models import CyberSourceReply
from ..protocol import InvalidRequest
from ..protocol.rest import Answer, Call, Outcome, Processed, Refused, calls
from . import client

logger = logging.getLogger(__name__)

Thing = TypeVar("Thing")

#: Reference numbers in one search.
TOGETHER = 20

#: Rows of a page.
PAGE = 500

#: Questions in a row without an answer, after which CyberSource counts as out of reach.
SILENCES = 3

#: What became of a thing that was gone about, besides what the work itself says.
NO_ANSWER = "no answer, next time"
FAILED = "failed, next time"


class GatewayNoAnswer(Exception):
    """CyberSource did not answer, or did not answer this: nothing was learnt. ``outcome`` says why."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome

    @property
    def is_silence(self) -> bool:
        """Whether nobody looked at the question. Otherwise it was answered, by what teaches nothing of it."""
        outcome = self.outcome
        if isinstance(outcome, Refused):
            return outcome.is_not_authenticated or outcome.http_status == 429
        return not isinstance(outcome, Processed)


class GatewayUnavailable(Exception):
    """CyberSource answers nothing at the moment, or does not believe our keys."""


@dataclass(frozen=True, kw_only=True)
class FoundTransaction:
    """One transaction as CyberSource tells of it, and the log row that holds what it told."""

    answer: Answer
    entry: CyberSourceReply


def look_up(id: str, **about: Any) -> FoundTransaction | None:
    """Return one transaction; None when CyberSource knows none under this id, or not yet."""
    try:
        call = calls.look_up(id)
    except InvalidRequest:  # no id of theirs looks like that
        return None
    exchange = client.send(call, **about)
    if isinstance(exchange.outcome, Refused) and exchange.outcome.is_not_found:
        return None
    return FoundTransaction(answer=answered(exchange).answer, entry=exchange.entry)


def is_searchable(reference_number: str) -> bool:
    """Whether a search can ask for it: there is no documented way of quoting ``/``, blanks and the like."""
    try:
        calls.search([reference_number])
    except InvalidRequest:
        return False
    return True


def search(reference_numbers: Sequence[str], *, since: datetime, at: datetime, **about: Any) -> list[Answer]:
    """Return what is known under these reference numbers, newest first, submitted at ``since`` or later."""
    days = max((at - since).days, 0) + 2  # the search counts whole days, and its clock is not ours
    found: list[Answer] = []
    for first in range(0, len(reference_numbers), TOGETHER):
        found += found_under(reference_numbers[first : first + TOGETHER], days, about)
    return [each for each in found if each.reference_number in reference_numbers]


def search_within(reference_numbers: Sequence[str], start: datetime, end: datetime) -> list[Answer]:
    """Return what is known under numbers that no search can ask for: all of some time is read, and these are picked."""
    return [each for page in period(start, end) for each in page if each.reference_number in reference_numbers]


def found_under(reference_numbers: Sequence[str], days: int, about: Mapping[str, Any]) -> Iterator[Answer]:
    for rows in pages(lambda offset: calls.search(reference_numbers, days=days, limit=PAGE, offset=offset), **about):
        yield from rows


def period(start: datetime, end: datetime) -> Iterator[tuple[Answer, ...]]:
    """Yield every transaction submitted from ``start`` until just before ``end``, oldest first, a page at a time."""
    return pages(lambda offset: calls.search_period(start, end, limit=PAGE, offset=offset))


def pages(call: Callable[[int], Call], **about: Any) -> Iterator[tuple[Answer, ...]]:
    offset = 0
    while True:
        page = answered(client.send(call(offset), **about)).search
        rows = page.transactions if page else ()
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        offset += len(rows)


def answered(exchange: client.LoggedCall) -> Processed:
    if isinstance(exchange.outcome, Processed):
        return exchange.outcome
    message = f"REST {exchange.entry.transaction_type}, log row {exchange.entry.pk}"
    raise GatewayNoAnswer(message, exchange.outcome)


def go_round(things: Iterable[Thing], work: Callable[[Thing], Any]) -> Counter[str]:
    """Do the work for each thing; return how many ended how. One that fails keeps none of the others waiting.

    Raises :class:`GatewayUnavailable` when CyberSource answers nothing any more.
    """
    counts: Counter[str] = Counter()
    silent = 0
    for thing in things:
        try:
            counts[str(work(thing))] += 1
            silent = 0
        except GatewayNoAnswer as problem:
            logger.warning("%s was not answered; it is asked again next time.", problem)
            counts[NO_ANSWER] += 1
            silent = silent + 1 if problem.is_silence else 0
            if silent >= SILENCES:
                if not is_within_reach():
                    raise GatewayUnavailable(str(problem)) from None
                silent = 0  # it was about these
        except GatewayUnavailable:
            raise
        except Exception:
            logger.exception("Something could not be reconciled; it is tried again next time.")
            counts[FAILED] += 1
    return counts


def is_within_reach() -> bool:
    """Ask something harmless, which CyberSource answers whenever it answers anything."""
    try:
        answered(client.send(calls.search(["0"], days=1, limit=1)))
    except GatewayNoAnswer as problem:
        return not problem.is_silence
    return True


def days_back(at: datetime, days: int) -> list[tuple[datetime, datetime]]:
    """The last so many days, as periods of a day, the oldest first; the last one ends a moment from now."""
    start = at - timedelta(days=days)
    edges = [start + timedelta(days=day) for day in range(days)] + [at + timedelta(minutes=1)]
    return list(pairwise(edges))
