"""What a person has to look at, above everything else on the order's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...conf import conf
from ...db import clock
from ...models import AttemptState, Attention, AttentionItem, CyberSourceReply, PaymentAttempt, ReviewNotificationUpdate
from ...payments import attention_list, orders, reason_codes
from .looks import amount_of
from .reviewed import ReviewEntry, ReviewUpdateEntry

Result = CyberSourceReply.Result
UpdateState = ReviewNotificationUpdate.State

#: A reply is acted on within moments of its arrival; one that still waits after this has failed.
ACTED_ON_WITHIN = timedelta(minutes=2)

#: How an item of the list is headed on the order's page.
TITLES = {
    **dict.fromkeys(Attention, gettext_lazy("A card charge needs a decision")),
    Attention.ORPHAN: gettext_lazy("CyberSource accepted a payment that does not fit this order"),
    Attention.MISFIT: gettext_lazy("CyberSource accepted a payment that does not fit this order"),
    Attention.NO_ANSWER: gettext_lazy("The outcome of a card payment is unknown"),
    Attention.UNPAID_REST: gettext_lazy("The order is paid in part only"),
    Attention.UNRECORDED: gettext_lazy("A message from CyberSource could not be recorded"),
    Attention.HOLD_LEFT: gettext_lazy("A rejected payment may still hold the shopper's money"),
    Attention.UNKNOWN_OPERATION: gettext_lazy("The outcome of an operation is unknown"),
    Attention.DRIFT: gettext_lazy("CyberSource's books and the shop's differ"),
    Attention.SHORT: gettext_lazy("Something that the order needs is missing"),
}


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Something a person has to look at: what happened, and what to do about it."""

    tone: str
    title: str
    what: str
    advice: str
    item: int | None = None  #: the id in the list of what needs attention, where it can be cleared


@dataclass(frozen=True, kw_only=True)
class HandledAlarm:
    """Something that needed attention, and what was done about it."""

    what: str
    at: datetime
    user: str  #: empty where it settled itself
    reason: str


def alarms(
    order: Any,
    attempts: Sequence[PaymentAttempt],
    items: Sequence[AttentionItem],
    entries: Sequence[CyberSourceReply],
    reviews: Sequence[ReviewEntry],
    counted: Decimal,
) -> Iterable[Alarm]:
    """Everything that waits for a person, what may cost money first."""
    yield from (flagged(item) for item in items if item.date_cleared is None)
    yield from (doubtful(order, attempt, entries) for attempt in attempts if attempt.state == AttemptState.UNKNOWN)
    yield from (contradicted(review, told) for review in reviews for told in review.told if is_conflict(review, told))
    yield from (shipped_although_rejected(review) for review in reviews if is_out_of_step(order, review, counted))
    yield from (waiting(order, review) for review in reviews if review.waiting)
    yield from not_acted_on(entries, reviews)


def flagged(item: AttentionItem) -> Alarm:
    """An item of the list of what needs attention."""
    detail = attention_list.detail_in_words(item)
    told = {"what": detail or item.get_kind_display(), "amount": item.amount_text, "id": item.transaction_id or "-"}
    if attention_list.is_disbelieved(item):
        what = _("The answer for transaction %(id)s (%(amount)s) was not accepted: %(why)s. It paid for nothing here.")
        told["why"] = detail
    elif item.transaction_id:
        what = _("%(what)s: %(amount)s, transaction %(id)s.")
    else:
        what = _("%(what)s: %(amount)s, reference number %(number)s.")
        told["number"] = item.reference_number
    return Alarm(
        tone="danger", title=str(TITLES[item.kind]), what=what % told, advice=attention_list.advice(item), item=item.pk
    )


def done(item: AttentionItem) -> HandledAlarm:
    assert item.date_cleared is not None
    return HandledAlarm(
        what=item.get_kind_display(), at=item.date_cleared, user=item.cleared_by_name, reason=item.reason
    )


def doubtful(order: Any, attempt: PaymentAttempt, entries: Sequence[CyberSourceReply]) -> Alarm:
    answer = next((entry for entry in reversed(entries) if entry.attempt_id == attempt.pk), None)
    what = _("It is not known yet whether %(amount)s was captured. %(why)s") % {
        "amount": amount_of(attempt.amount, attempt.currency),
        "why": reason_codes.of_code(answer.reason_code).means if answer else "",
    }
    if orders.awaits_payment(order):
        advice = _("Look order %(number)s up in the CyberSource Business Center before you charge, ship or cancel.")
    else:
        advice = _(
            "Look order %(number)s up in the CyberSource Business Center. The order goes on without this "
            "payment, so cancel or refund the charge if you find one."
        )
    return Alarm(
        tone="danger",
        title=_("The outcome of a card payment is unknown"),
        what=what.strip(),
        advice=advice % {"number": attempt.reference_number},
    )


def is_conflict(review: ReviewEntry, told: ReviewUpdateEntry) -> bool:
    return told.state == UpdateState.CONFLICTING and told.decision != review.status


def contradicted(review: ReviewEntry, told: ReviewUpdateEntry) -> Alarm:
    return Alarm(
        tone="danger",
        title=_("Decision Manager reported two decisions"),
        what=_("Transaction %(id)s is %(old)s here; Decision Manager also reports %(new)s. Nothing was changed.")
        % {"id": review.transaction_id, "old": review.status, "new": told.decision},
        advice=_("Ask %(reviewer)s which of the two counts, then ship, cancel or refund accordingly.")
        % {"reviewer": told.reviewer or _("the reviewer")},
    )


def is_out_of_step(order: Any, review: ReviewEntry, counted: Decimal) -> bool:
    """A rejected payment whose order went on although nothing else pays for it."""
    goes_on = not orders.awaits_payment(order) and not orders.is_cancelled(order)
    return review.status == "REJECT" and goes_on and counted < order.total_incl_tax


def shipped_although_rejected(review: ReviewEntry) -> Alarm:
    return Alarm(
        tone="danger",
        title=_("A reviewer rejected a payment of this order"),
        what=_("%(amount)s, transaction %(id)s, counts no more, and what is left does not pay for the order.")
        % {"amount": amount_of(review.amount, review.currency), "id": review.transaction_id},
        advice=_("Stop the parcel if you still can, or collect the money by other means."),
    )


def waiting(order: Any, review: ReviewEntry) -> Alarm:
    what = _("CyberSource holds %(amount)s, transaction %(id)s, until a person decides.") % {
        "amount": amount_of(review.amount, review.currency),
        "id": review.transaction_id,
    }
    if not conf.review_holds_order and not orders.awaits_payment(order):
        what += " " + _("The order counts as paid all the same.")
    return Alarm(
        tone="warning",
        title=_("A card payment is under review"),
        what=what,
        advice=_(
            "Do not ship yet. Accept or reject it, here or in the case management of the CyberSource Business "
            "Center; the order then goes on automatically."
        ),
    )


def not_acted_on(entries: Sequence[CyberSourceReply], reviews: Sequence[ReviewEntry]) -> Iterable[Alarm]:
    """What arrived, is kept, and could not be recorded."""
    overdue = clock.now() - ACTED_ON_WITHIN
    stuck = [entry for entry in entries if entry.result == Result.RECEIVED and entry.date_created < overdue]
    failed = [told for review in reviews for told in review.told if told.state == UpdateState.FAILED]
    if stuck or failed:
        yield Alarm(
            tone="warning",
            title=_("A message from CyberSource could not be recorded"),
            what=_("It is kept in the log, but this order does not show its effect yet."),
            advice=_("Ask the shop's developers to run the command cybersource_reprocess, and to read the error log."),
        )
