"""What CyberSource announced is looked into: asked for, and adopted as whatever else is found there.

    WebhookDelivery -> asked at CyberSource -> adopted

So a delivery that comes twice, late, or before what it follows on does no harm, and neither does one that was lost:
``cybersource_reconcile`` finds the same automatically.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db.models import F

from ..db import clock
from ..gateway import client, credentials
from ..gateway.lookup import NO_ANSWER, SILENCES, GatewayNoAnswer, GatewayUnavailable, is_within_reach
from ..inbound.webhooks import PENDING, EventSubject, State
from ..models import PaymentToken, ReviewNotificationUpdate, WebhookDelivery, clipped
from ..protocol import ReviewDecision
from ..protocol.rest import Processed, Refused, StoredCard, read_customer
from ..reviews.conversion_report import poll_conversions

logger = logging.getLogger(__name__)

#: What is not found yet is asked for again after so long, then after twice as long, and so on, for almost two days.
#: Source: transaction search guide: five minutes between two look-ups of one id.
FIRST_WAIT = timedelta(minutes=5)
MOST_TRIES = 10

#: How far before its event a decision may stand in the conversion report, and how far back that is read at most.
BEFORE = timedelta(hours=1)
LONGEST_LOOK_BACK = timedelta(days=7)

#: How many are looked into at a time.
TOGETHER = 500

#: Finds the transaction of this id at CyberSource and adopts what it says. False: not found, or not known, yet.
Adopt = Callable[[str], bool]


def handle_pending(adopt: Adopt) -> Counter[str]:
    """Look into what was announced and was not looked into yet; say how many ended how.

    ``adopt`` asks CyberSource about a transaction and takes over what it says. Safe at any time and on several machines
    at once. Callers must not hold a transaction open. Raises :class:`~django.core.exceptions.ImproperlyConfigured` when
    the REST API has no credentials: then everything waits.
    """
    waiting = WebhookDelivery.objects.filter(state__in=PENDING).order_by("tries", "pk")
    if not waiting.exists():
        return Counter()
    credentials.access()
    due = [row for row in waiting[:TOGETHER] if is_due(row) and claim(row)]
    polled = poll_for([row for row in due if EventSubject.of(row.event_type) is EventSubject.DECISION])
    counts: Counter[str] = Counter()
    silent = 0
    for place, row in enumerate(due):
        try:
            found = look_into(row, adopt)
            silent = 0
        except GatewayNoAnswer as problem:
            if problem.is_silence:
                # Nobody looked at it: no try of its is used up. After a few of them nobody asks on.
                silent += 1
                counts[NO_ANSWER] += 1
                hand_back(row)
                if silent < SILENCES:
                    continue
                if is_within_reach():
                    silent = 0  # it was about these
                    continue
                for left in due[place + 1 :]:
                    hand_back(left)
                raise GatewayUnavailable(str(problem)) from None
            found = False
        except Exception:
            logger.exception(
                "Webhook delivery %s could not be looked into. It is kept and will be tried again.", row.pk
            )
            found = False
        counts[finish(row, found=found)] += 1
    if polled:
        counts["decisions"] = polled
    return counts


def is_due(row: WebhookDelivery) -> bool:
    """Whether it was not tried, or is to be tried again by now."""
    if not row.tries:
        return True
    return clock.now() - (row.date_handled or row.date_created) >= FIRST_WAIT * 2 ** (row.tries - 1)


def claim(row: WebhookDelivery) -> bool:
    """Say that this process looks into it, unless another one was quicker."""
    mine = WebhookDelivery.objects.filter(pk=row.pk, state__in=PENDING, tries=row.tries)
    row.tries += 1
    return mine.update(tries=F("tries") + 1, date_handled=clock.now()) == 1


def hand_back(row: WebhookDelivery) -> None:
    """Leave a delivery as it was before it was claimed."""
    mine = WebhookDelivery.objects.filter(pk=row.pk, state__in=PENDING, tries=row.tries)
    mine.update(tries=row.tries - 1, date_handled=row.date_handled)


def look_into(row: WebhookDelivery, adopt: Adopt) -> bool:
    """Ask CyberSource about what a delivery announced. False: it has to be asked again."""
    about = EventSubject.of(row.event_type)
    if about is EventSubject.CARD:
        cards = PaymentToken.objects.filter(pk__in=row.payload.get("cards") or [])
        answered = [refresh(card) for card in cards]  # every card, also behind one that has to wait
        return all(answered)
    if about is EventSubject.DECISION and not is_decided(row.request_id):
        return False
    return adopt(row.request_id)  # also after a decision: the reviewer may have captured or reversed


def finish(row: WebhookDelivery, *, found: bool) -> str:
    """Say how it ended, or that it is tried again; return the state."""
    if found:
        state, problem = State.HANDLED, ""
    elif row.tries < MOST_TRIES:
        state, problem = State.FAILED, "not-found-yet"
    else:
        state, problem = State.NOTED, "never-found"
    mine = WebhookDelivery.objects.filter(pk=row.pk, state__in=PENDING)
    mine.update(state=state, problem=problem, date_handled=clock.now())
    return state.value


def poll_for(decisions: Sequence[WebhookDelivery]) -> int:
    """Read the conversion report from before the oldest of these decisions on, unless all of them were told."""
    untold = [row for row in decisions if not is_decided(row.request_id)]
    if not untold:
        return 0
    now = clock.now()
    first = max(min(happened(row) for row in untold), now - LONGEST_LOOK_BACK)
    return poll_conversions(first - BEFORE, now).new


def happened(row: WebhookDelivery) -> datetime:
    """When the event happened, which may be days before its delivery, or at the latest when that came."""
    try:
        return min(datetime.fromisoformat(row.payload["event_at"]), row.date_created)
    except KeyError:
        return row.date_created


def is_decided(request_id: str) -> bool:
    """Whether a notification or the report told the decision."""
    told = ReviewNotificationUpdate.objects.filter(request_id=request_id, decision__in=list(ReviewDecision))
    return told.exclude(state=ReviewNotificationUpdate.State.FOREIGN).exists()


def refresh(card: PaymentToken) -> bool:
    """Take over how a stored card stands at CyberSource: another expiry or number, or gone. False: not known yet.

    Raises :class:`~cybersource.gateway.lookup.GatewayNoAnswer` when nobody looked at the question.
    """
    exchange = client.send(read_customer(card.token))
    outcome = exchange.outcome
    row = PaymentToken.objects.filter(pk=card.pk)
    if isinstance(outcome, Processed):
        stored = StoredCard.read(outcome.content)
        told = {
            "masked_card_number": stored.masked,
            "card_type": stored.type,
            "card_expiry_date": stored.expiry,
            "kind": "" if card.kind else PaymentToken.Kind.CUSTOMER,
        }
        row.update(date_gone=None, **clipped(PaymentToken, **{name: value for name, value in told.items() if value}))
        return True
    if not (isinstance(outcome, Refused) and outcome.is_gone):
        problem = GatewayNoAnswer(f"REST {exchange.entry.transaction_type}, log row {exchange.entry.pk}", outcome)
        if problem.is_silence:
            raise problem
        return False
    # Not found may also mean that the token is of another kind; only of one that was found before it means gone.
    if outcome.http_status == 410 or card.kind == PaymentToken.Kind.CUSTOMER:
        row.filter(date_gone=None).update(date_gone=clock.now())
    return True
