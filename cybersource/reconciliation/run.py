"""The shop and CyberSource are brought together again: what ``cybersource_reconcile`` does, step by step.

Decisions of reviewers come first, so that a rejection that reversed its payment is not met as an unknown reversal; the
books are compared last, when what was lost has been found. Each step may be run at any time, again, and on several
machines at once.

Source: the order of the vendor's own plugin, which reads decisions before transactions.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..db import clock
from ..gateway import lookup
from ..gateway.lookup import GatewayNoAnswer, GatewayUnavailable
from ..models import UNDER_WAY, ReviewNotificationUpdate
from ..operations import stored_card, unknown
from ..protocol.rest import TransactionKind, act_of
from ..reviews import matching
from ..reviews.conversion_report import poll_conversions
from . import attempts as lost_attempts
from . import comparison, webhook_events
from . import operations as unknown_operations

Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

#: A notification that is on its way needs no look into the report.
GRACE = timedelta(minutes=10)

#: How far before a review began its decision may stand in the report: clocks differ, and periods should overlap.
OVERLAP = timedelta(hours=1)

#: What says that a step is not done.
UNDONE = (lookup.NO_ANSWER, lookup.FAILED)

Tell = Callable[[str], None]


@dataclass(kw_only=True)
class ReconciliationReport:
    """What became of one run."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)  #: by step
    problems: list[str] = field(default_factory=list)  #: why it has to be run again

    @property
    def is_complete(self) -> bool:
        return not self.problems


def reconcile(
    *, at: datetime | None = None, days: int = 3, dry_run: bool = False, tell: Tell = lambda text: None
) -> ReconciliationReport:
    """Do every step and say what became of each. ``days``: how far back is looked for what has no row of its own.

    ``dry_run`` asks and changes nothing: no operation is sent, no order settled, nothing listed. Callers must not hold
    a transaction open. Raises :class:`~django.core.exceptions.ImproperlyConfigured` without REST credentials.
    """
    at = clock.at_or_now(at)
    report = ReconciliationReport()
    try:
        for name, step in STEPS.items():
            tell(f"{name} ...")
            try:
                counts = step(at, days, dry_run, tell)
            except (GatewayNoAnswer, GatewayUnavailable) as problem:
                report.problems.append(_("CyberSource gave no answer (%(what)s).") % {"what": problem})
                tell(f"{name}: {report.problems[-1]}")
                if isinstance(problem, GatewayUnavailable) or problem.is_silence:
                    break
                continue  # it answers, only not this
            report.counts[name] = counts
            for word in UNDONE:
                if counts[word]:
                    report.problems.append(f"{name}: {word}: {counts[word]}")
            tell(f"{name}: {counts_in_words(counts)}")
    finally:
        if not dry_run:
            unknown.list_in_doubt(at=at)  # also of what nobody could be asked about
    return report


def counts_in_words(counts: Counter[str]) -> str:
    told = [f"{word} {count}" for word, count in sorted(counts.items()) if count]
    return ", ".join(told) or _("nothing to do")


# -- the steps ---------------------------------------------------------------------------------------------------------


def decisions(at: datetime, days: int, dry_run: bool, tell: Tell) -> Counter[str]:
    """Ask for decisions about payments under review whose notification may have been lost, and act on what waits."""
    waiting = Transaction.objects.filter(
        txn_type=Transaction.AUTHORISE, status=Transaction.REVIEW, date_created__lt=at - GRACE
    )
    begun = waiting.order_by("date_created").values_list("date_created", flat=True)
    oldest = begun.first()
    if dry_run:
        return Counter({"would be asked about": begun.count()})
    counts = Counter({"applied": matching.apply_waiting()})
    if oldest is not None:
        polled = poll_conversions(max(clock.aware(oldest) - OVERLAP, at - timedelta(days=days)), at)
        counts["found"] = polled.new
        counts[lookup.NO_ANSWER] = len(polled.unread)
        counts[lookup.FAILED] = polled.states[ReviewNotificationUpdate.State.FAILED]
    return counts


def announced(at: datetime, days: int, dry_run: bool, tell: Tell) -> Counter[str]:
    """Look into what webhooks announced."""
    return Counter() if dry_run else webhook_events.handle_pending(adopt)


def stored_cards(at: datetime, days: int, dry_run: bool, tell: Tell) -> Counter[str]:
    """Authorize stored cards of shoppers whose browser never came back for the second step."""
    return Counter({} if dry_run else {"authorized": stored_card.authorize_waiting(at=at)})


def operations(at: datetime, days: int, dry_run: bool, tell: Tell) -> Counter[str]:
    return unknown_operations.recover(at=at, dry_run=dry_run)


def attempts(at: datetime, days: int, dry_run: bool, tell: Tell) -> Counter[str]:
    return lost_attempts.adopt_lost(at=at, days=days, dry_run=dry_run)


def books(at: datetime, days: int, dry_run: bool, tell: Tell) -> Counter[str]:
    return comparison.compare(at=at, days=days, dry_run=dry_run, tell=tell)


STEPS: dict[str, Callable[[datetime, int, bool, Tell], Counter[str]]] = {
    "decisions": decisions,
    "webhooks": announced,
    "stored cards": stored_cards,
    "operations": operations,
    "attempts": attempts,
    "books": books,
}


# -- one transaction, as a webhook names it ----------------------------------------------------------------------------


def adopt(request_id: str) -> bool:
    """Look one transaction up and take over what it says. False: CyberSource does not know it, or not how it ended."""
    looked = lookup.look_up(request_id)
    if looked is None:
        return False
    answer = looked.answer
    if operation := unknown_operations.under_way_as(answer):
        return unknown_operations.adopt(operation, looked) not in UNDER_WAY
    if act_of(answer) in (TransactionKind.CHARGE, TransactionKind.TOKEN) and not lost_attempts.adopt_found(looked):
        return False
    comparison.look_into(request_id, looked=looked)
    return True
