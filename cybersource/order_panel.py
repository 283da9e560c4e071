"""What staff should see of an order's card payments: read from the rows, changing none of them.

A constant number of statements, however many attempts and replies there are; two for an order without any. What is
read is what may be shown: no token, no session hash, no address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields.hstore import KeyTransform
from django.db.models import Case, F, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_model

from . import orders, worklist
from .conf import conf
from .models import (
    AttemptState,
    Attention,
    AttentionItem,
    CyberSourceReply,
    FollowonResult,
    PaymentAttempt,
    ReviewNotificationUpdate,
)
from .protocol import CARD_TYPES, Decision, TransactionType, avs_meaning, cvn_meaning, reason_meaning

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Result = CyberSourceReply.Result
UpdateState = ReviewNotificationUpdate.State

NOTHING = Decimal("0.00")

#: Anybody may post a genuine reply again, so the page has an end; those that did something come first.
DELIVERIES_SHOWN = 200

#: A form whose answer has not come after this long will hardly get one.
GIVEN_UP_AFTER = timedelta(minutes=30)

A_MOMENT = timedelta(minutes=1)

#: A reply is acted on within moments of its arrival; one that still waits after this has failed.
ACTED_ON_WITHIN = timedelta(minutes=2)

#: What was asked, whether or not it came about.
TYPES = {
    TransactionType.AUTHORIZATION: gettext_lazy("Authorization"),
    TransactionType.AUTHORIZATION_WITH_TOKEN: gettext_lazy("Authorization and storing the card"),
    TransactionType.SALE: gettext_lazy("Sale: authorization and debit at once"),
    TransactionType.SALE_WITH_TOKEN: gettext_lazy("Sale: authorization and debit at once, and storing the card"),
    TransactionType.CREATE_PAYMENT_TOKEN: gettext_lazy("Storing the card, which moves no money"),
}

FLOWS = {
    "two-step": gettext_lazy("Two steps: store the card, then authorize"),
    "one-step": gettext_lazy("One step: authorize and store the card"),
    "sale": gettext_lazy("Sale: debit at once"),
    "sale-with-token": gettext_lazy("Sale: debit at once and store the card"),
    "token-then-server": gettext_lazy("Two steps: store the card, then authorize from the shop's server"),
}

#: How a state looks: Bootstrap's words for colours, beside words that say the same.
TONES = {
    AttemptState.OPEN: "info",
    AttemptState.UNKNOWN: "danger",
    AttemptState.TOKENIZED: "success",
    AttemptState.REVIEW: "warning",
    AttemptState.AUTHORIZED: "success",
    AttemptState.PARTIAL: "danger",
    AttemptState.DECLINED: "secondary",
    AttemptState.FAILED: "secondary",
    AttemptState.REPLACED: "secondary",
    AttemptState.EXPIRED: "secondary",
    AttemptState.REVERSED: "secondary",
    Decision.ACCEPT: "success",
    Decision.REVIEW: "warning",
    "REJECT": "danger",
}


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
class Done:
    """Something that needed attention, and what was done about it."""

    what: str
    at: datetime
    user: str  #: empty where it settled itself
    reason: str


@dataclass(frozen=True, kw_only=True)
class Money:
    """What is held and taken for the order, against what it costs."""

    currency: str
    total: Decimal
    authorized: Decimal  #: on cards, what is under review included
    under_review: Decimal
    debited: Decimal
    refunded: Decimal
    other: Decimal  #: allocated by other payment methods
    counted: Decimal  #: what counts towards the total

    @property
    def missing(self) -> Decimal:
        return max(self.total - self.counted, NOTHING)

    @property
    def surplus(self) -> Decimal:
        return max(self.counted - self.total, NOTHING)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One row of the log: what CyberSource said, how it came, what it did."""

    pk: int
    at: datetime
    door: str
    decision: str
    tone: str
    reason_code: int | None
    reason: str
    transaction_id: str
    auth_code: str
    avs: str
    cvn: str
    wrong_fields: tuple[str, ...]
    result: str
    result_text: str
    refused_because: str
    card: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One attempt: a signed form, and every answer to it."""

    type: str
    state: str
    state_text: str
    tone: str
    amount: Decimal
    currency: str
    begun: datetime
    signed_again: datetime | None  #: the form was shown once more, with a fresh date
    settled: datetime | None
    transaction_ids: tuple[str, ...]
    attention: str
    remark: str
    deliveries: tuple[Delivery, ...]

    @property
    def card(self) -> str:
        return next((delivery.card for delivery in reversed(self.deliveries) if delivery.card), "")


@dataclass(frozen=True, kw_only=True)
class Payment:
    """What the shopper did once: one form, or the two of a two-step payment."""

    number: int
    method_key: str
    flow: str
    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        return self.steps[-1]

    @property
    def card(self) -> str:
        return next((step.card for step in reversed(self.steps) if step.card), "")


@dataclass(frozen=True, kw_only=True)
class Note:
    date: str
    author: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """One update from Decision Manager about a reviewed transaction."""

    at: datetime
    reviewer: str
    decision: str
    comments: str
    queue: str
    state: str
    state_text: str


@dataclass(frozen=True, kw_only=True)
class Followon:
    """What a reviewer started together with the decision: a settlement, a reversal."""

    application: str
    status: str
    reason_code: str
    message: str
    request_id: str

    @property
    def done(self) -> bool:
        return self.status.lower() == "success"

    @property
    def reversed(self) -> bool:
        return self.done and "revers" in self.application.lower()


@dataclass(frozen=True, kw_only=True)
class Review:
    """A transaction that a person looks at or looked at."""

    transaction_id: str
    amount: Decimal
    currency: str
    since: datetime
    status: str
    tone: str
    told: tuple[Told, ...]
    notes: tuple[Note, ...]
    followons: tuple[Followon, ...]

    @property
    def to_reverse(self) -> bool:
        """Rejected, and nobody told us that the hold on the shopper's card was let go."""
        return self.status == "REJECT" and not any(done.reversed for done in self.followons)

    @property
    def waiting(self) -> bool:
        return self.status == Transaction.REVIEW

    @property
    def decided(self) -> Told | None:
        """The update that settled it; None while it waits, or when staff settled it by other means."""
        return next((told for told in self.told if told.state == UpdateState.RECORDED), None)

    @property
    def others(self) -> tuple[Told, ...]:
        """Everything else we were told of it, as far as somebody said something."""
        return tuple(told for told in self.told if told is not self.decided and (told.decision or told.comments))


@dataclass(frozen=True, kw_only=True)
class OrderPanel:
    """The whole story of an order's card payments, newest payment first."""

    money: Money
    payments: tuple[Payment, ...]
    reviews: tuple[Review, ...]
    alarms: tuple[Alarm, ...]
    done: tuple[Done, ...] = ()  #: what needed attention and was cleared, newest first
    shortened: bool = field(default=False)  #: there are more log rows than are shown


def for_order(order: Any) -> OrderPanel | None:
    """Tell the story of an order's card payments; None when nobody began one and no charge names it."""
    attempts = list(
        PaymentAttempt.objects.filter(order=order)
        .defer("session_hash", "extra_fields", "next_extra_fields", "access_key", "device_fingerprint_id")
        .order_by("pk")
    )
    items = list(AttentionItem.objects.filter(order=order).order_by("-pk"))
    if not attempts and not items:
        return None
    entries = logged(order)
    sources = list(Source.objects.filter(order=order))
    charges = list(
        Transaction.objects.filter(source__order=order)
        .annotate(attempt_id=F("log__attempt_id"))
        .defer("request_token")
        .order_by("pk")
    )
    updates = told_of({charge.reference for charge in charges} | {entry.transaction_id for entry in entries})
    followons = list(FollowonResult.objects.filter(transaction__source__order=order).order_by("pk"))
    shown = sorted(entries[:DELIVERIES_SHOWN], key=lambda entry: entry.pk)
    steps = [step(attempt, charges, shown) for attempt in attempts]
    reviews = reviewed(order, charges, updates, followons)
    counted = orders.money_held(order)
    return OrderPanel(
        money=money(order, attempts, sources, charges, counted),
        payments=payments(attempts, steps),
        reviews=reviews,
        alarms=tuple(alarms(order, attempts, items, shown, reviews, counted)),
        done=tuple(done(item) for item in items if item.date_cleared),
        shortened=len(entries) > DELIVERIES_SHOWN,
    )


# -- what is read ------------------------------------------------------------------------------------------------


def logged(order: Any) -> list[CyberSourceReply]:
    """The order's log rows as far as they are shown, and one more when there are more."""
    told_again = Case(When(result=Result.REPEATED, then=1), default=0)
    return list(
        CyberSourceReply.objects.filter(order=order)
        .annotate(
            invalid_fields=KeyTransform("invalid_fields", "data"),
            required_fields=KeyTransform("required_fields", "data"),
        )
        .defer("data", "request_token", "message")
        .order_by(told_again, "-pk")[: DELIVERIES_SHOWN + 1]
    )


def told_of(request_ids: Iterable[str]) -> list[ReviewNotificationUpdate]:
    return list(
        ReviewNotificationUpdate.objects.filter(request_id__in=sorted(filter(None, request_ids)))
        .exclude(state=UpdateState.FOREIGN)
        .annotate(date_told=F("notification__date_created"))
        .order_by("pk")
    )


# -- how it is told ----------------------------------------------------------------------------------------------


def step(attempt: PaymentAttempt, charges: Sequence[Any], entries: Sequence[CyberSourceReply]) -> Step:
    return Step(
        type=str(TYPES.get(attempt.transaction_type, attempt.transaction_type)),
        state=attempt.state,
        state_text=_("Card stored") if attempt.state == AttemptState.TOKENIZED else attempt.get_state_display(),
        tone=TONES.get(attempt.state, "secondary"),
        amount=attempt.amount,
        currency=attempt.currency,
        begun=attempt.date_created,
        signed_again=attempt.date_signed if attempt.date_signed - attempt.date_created > A_MOMENT else None,
        settled=attempt.date_settled,
        transaction_ids=tuple(dict.fromkeys(charge.reference for charge in charges if charge.attempt_id == attempt.pk)),
        attention=attempt.get_attention_display() if attempt.attention else "",
        remark=remark(attempt),
        deliveries=tuple(delivery(entry) for entry in entries if entry.attempt_id == attempt.pk),
    )


def remark(attempt: PaymentAttempt) -> str:
    """What an attempt without an answer may mean."""
    waits = attempt.state == AttemptState.OPEN and timezone.now() - attempt.date_signed >= GIVEN_UP_AFTER
    if not waits and attempt.state != AttemptState.EXPIRED:
        return ""
    if attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN:
        return _("No answer came: the shopper most likely left. This step moves no money.")
    if attempt.date_shown is None:
        return _("The shopper never saw this form, so it cannot have charged a card.")
    return _(
        "No answer came: the shopper most likely left. If they say they paid, look the order number up in the "
        "CyberSource Business Center."
    )


def delivery(entry: Any) -> Delivery:
    wrong = ",".join(filter(None, (entry.required_fields, entry.invalid_fields)))
    return Delivery(
        pk=entry.pk,
        at=entry.date_created,
        door=entry.get_reply_type_display(),
        decision=entry.decision,
        tone=TONES.get(entry.decision, "secondary"),
        reason_code=entry.reason_code,
        reason=reason_meaning(entry.reason_code),
        # The number of a request that only stores a card may be the card's token as well.
        transaction_id="" if entry.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN else entry.transaction_id,
        auth_code=entry.auth_code,
        avs=avs_meaning(entry.auth_avs_code),
        cvn=cvn_meaning(entry.auth_cv_result),
        wrong_fields=tuple(dict.fromkeys(filter(None, wrong.split(",")))),
        result=entry.result,
        result_text=entry.get_result_display(),
        refused_because=str(worklist.MISFITS.get(entry.refused_because, entry.refused_because)),
        card=card(entry),
    )


def card(entry: CyberSourceReply) -> str:
    """``Visa xxxxxxxxxxxx1111, expires 12-2031``, as far as it was said."""
    named = " ".join(filter(None, (CARD_TYPES.get(entry.card_type, ""), entry.card_number)))
    if named and entry.card_expiry_date:
        return _("%(card)s, expires %(date)s") % {"card": named, "date": entry.card_expiry_date}
    return named


def payments(attempts: Sequence[PaymentAttempt], steps: Sequence[Step]) -> tuple[Payment, ...]:
    """Join the steps of each payment; the newest payment comes first, its steps in the order they were taken."""
    chains: dict[int, list[int]] = {}
    chain_of: dict[int, list[int]] = {}
    for position, attempt in enumerate(attempts):
        chain = chain_of.get(attempt.previous_id or 0)
        if chain is None:
            chain = chains[attempt.pk] = []
        chain_of[attempt.pk] = chain
        chain.append(position)
    told = [
        Payment(
            number=number,
            method_key=attempts[chain[0]].method_key,
            flow=str(FLOWS.get(attempts[chain[0]].flow, attempts[chain[0]].flow)),
            steps=tuple(steps[position] for position in chain),
        )
        for number, chain in enumerate(chains.values(), start=1)
    ]
    return tuple(reversed(told))


def money(
    order: Any, attempts: Sequence[PaymentAttempt], sources: Sequence[Any], charges: Sequence[Any], counted: Decimal
) -> Money:
    ours = {charge.source_id for charge in charges if charge.log_id} | {attempt.source_id for attempt in attempts}
    on_cards = [source for source in sources if source.pk in ours]
    return Money(
        currency=order.currency,
        total=order.total_incl_tax,
        authorized=sum((source.amount_allocated for source in on_cards), NOTHING),
        under_review=sum((charge.amount for charge in charges if awaits_review(charge)), NOTHING),
        debited=sum((source.amount_debited for source in on_cards), NOTHING),
        refunded=sum((source.amount_refunded for source in on_cards), NOTHING),
        other=sum((source.amount_allocated for source in sources if source.pk not in ours), NOTHING),
        counted=counted,
    )


def awaits_review(charge: Any) -> bool:
    return bool(charge.txn_type == Transaction.AUTHORISE and charge.is_pending_review)


def reviewed(
    order: Any,
    charges: Sequence[Any],
    updates: Sequence[ReviewNotificationUpdate],
    followons: Sequence[FollowonResult],
) -> tuple[Review, ...]:
    """Every authorization that waits for a reviewer, or that Decision Manager told us of, newest first."""
    found = []
    for charge in charges:
        about = [update for update in updates if update.request_id == charge.reference]
        if charge.txn_type != Transaction.AUTHORISE or not (about or charge.is_pending_review):
            continue
        found.append(
            Review(
                transaction_id=charge.reference,
                amount=charge.amount,
                currency=order.currency,
                since=charge.processed_datetime or charge.date_created,
                status=charge.status,
                tone=TONES.get(charge.status, "secondary"),
                told=tuple(told(update) for update in about),
                notes=notes(about),
                followons=tuple(started(followon) for followon in followons if followon.transaction_id == charge.pk),
            )
        )
    return tuple(reversed(found))


def told(update: Any) -> Told:
    return Told(
        at=update.date_told,
        reviewer=update.reviewer,
        decision=update.decision,
        comments=str(update.payload.get("comments") or ""),
        queue=str(update.payload.get("queue") or ""),
        state=update.state,
        state_text=update.get_state_display(),
    )


def started(followon: FollowonResult) -> Followon:
    return Followon(
        application=followon.application,
        status=followon.status,
        reason_code=followon.reason_code,
        message=followon.message,
        request_id=followon.request_id,
    )


def notes(updates: Sequence[ReviewNotificationUpdate]) -> tuple[Note, ...]:
    """Each note once, oldest first: messages repeat all the notes so far, and notes have no identity."""
    written = [note for update in updates for note in update.payload.get("notes") or ()]
    written.sort(key=lambda note: str(note.get("written_at") or note.get("date_text") or ""))
    return tuple(
        dict.fromkeys(
            Note(
                date=str(note.get("date_text") or ""),
                author=str(note.get("added_by") or ""),
                comment=str(note.get("comment") or ""),
            )
            for note in written
        )
    )


# -- what needs eyes ---------------------------------------------------------------------------------------------


def alarms(
    order: Any,
    attempts: Sequence[PaymentAttempt],
    items: Sequence[AttentionItem],
    entries: Sequence[CyberSourceReply],
    reviews: Sequence[Review],
    counted: Decimal,
) -> Iterable[Alarm]:
    """Everything that waits for a person, what may cost money first."""
    yield from (flagged(item) for item in items if item.date_cleared is None)
    yield from (doubtful(order, attempt, entries) for attempt in attempts if attempt.state == AttemptState.UNKNOWN)
    yield from (contradicted(review, told) for review in reviews for told in review.told if is_conflict(review, told))
    yield from (shipped_although_rejected(review) for review in reviews if is_out_of_step(order, review, counted))
    yield from (waiting(order, review) for review in reviews if review.waiting)
    yield from not_acted_on(entries, reviews)


def amount_of(amount: Decimal, currency: str) -> str:
    return f"{amount} {currency}"


def flagged(item: AttentionItem) -> Alarm:
    """An item of the list of what needs attention."""
    told = {"what": item.get_kind_display(), "amount": item.amount_text, "id": item.transaction_id or "-"}
    if item.detail:
        what = _("The answer for transaction %(id)s (%(amount)s) was not believed: %(why)s. It paid for nothing here.")
        told["why"] = worklist.why_not_believed(item)
    elif item.transaction_id:
        what = _("%(what)s: %(amount)s, transaction %(id)s.")
    else:
        what = _("%(what)s: %(amount)s, reference number %(number)s.")
        told["number"] = item.reference_number
    return Alarm(
        tone="danger", title=str(TITLES[item.kind]), what=what % told, advice=worklist.advice(item), item=item.pk
    )


def done(item: AttentionItem) -> Done:
    assert item.date_cleared is not None
    return Done(what=item.get_kind_display(), at=item.date_cleared, user=item.cleared_by_name, reason=item.reason)


def doubtful(order: Any, attempt: PaymentAttempt, entries: Sequence[CyberSourceReply]) -> Alarm:
    answer = next((entry for entry in reversed(entries) if entry.attempt_id == attempt.pk), None)
    what = _("Nobody knows yet whether %(amount)s was taken. %(why)s") % {
        "amount": amount_of(attempt.amount, attempt.currency),
        "why": reason_meaning(answer.reason_code) if answer else "",
    }
    if orders.awaits_payment(order):
        advice = _("Look order %(number)s up in the CyberSource Business Center before you charge, ship or cancel.")
    else:
        advice = _(
            "Look order %(number)s up in the CyberSource Business Center. The order goes on without this payment, so "
            "reverse the charge if you find one."
        )
    return Alarm(
        tone="danger",
        title=_("The outcome of a card payment is unknown"),
        what=what.strip(),
        advice=advice % {"number": attempt.reference_number},
    )


def is_conflict(review: Review, told: Told) -> bool:
    return told.state == UpdateState.CONFLICTING and told.decision != review.status


def contradicted(review: Review, told: Told) -> Alarm:
    return Alarm(
        tone="danger",
        title=_("Decision Manager told two decisions"),
        what=_("Transaction %(id)s stands at %(old)s here; Decision Manager also says %(new)s. Nothing was changed.")
        % {"id": review.transaction_id, "old": review.status, "new": told.decision},
        advice=_("Ask %(reviewer)s which of the two counts, then ship, cancel or refund accordingly.")
        % {"reviewer": told.reviewer or _("the reviewer")},
    )


def is_out_of_step(order: Any, review: Review, counted: Decimal) -> bool:
    """A rejected payment whose order went on although nothing else pays for it."""
    goes_on = not orders.awaits_payment(order) and not orders.is_cancelled(order)
    return review.status == "REJECT" and goes_on and counted < order.total_incl_tax


def shipped_although_rejected(review: Review) -> Alarm:
    return Alarm(
        tone="danger",
        title=_("A reviewer rejected a payment of this order"),
        what=_("%(amount)s, transaction %(id)s, counts no more, and what is left does not pay for the order.")
        % {"amount": amount_of(review.amount, review.currency), "id": review.transaction_id},
        advice=_("Stop the parcel if you still can, or collect the money by other means."),
    )


def waiting(order: Any, review: Review) -> Alarm:
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
            "Do not ship yet. Accept or reject it in the case management of the CyberSource Business Center; the order "
            "then moves on by itself."
        ),
    )


def not_acted_on(entries: Sequence[CyberSourceReply], reviews: Sequence[Review]) -> Iterable[Alarm]:
    """What arrived, is kept, and could not be recorded."""
    overdue = timezone.now() - ACTED_ON_WITHIN
    stuck = [entry for entry in entries if entry.result == Result.RECEIVED and entry.date_created < overdue]
    failed = [told for review in reviews for told in review.told if told.state == UpdateState.FAILED]
    if stuck or failed:
        yield Alarm(
            tone="warning",
            title=_("A message from CyberSource could not be recorded"),
            what=_("It is kept in the log, but this order does not show its effect yet."),
            advice=_("Ask whoever runs the shop to run the command cybersource_reprocess, and to read the error log."),
        )
