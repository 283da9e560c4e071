"""What reviewers decided: a notification is stored, each of its updates matched, recorded, and told.

    body -> Notification -> stored rows (committed) -> matched Transaction -> recorded state -> signal

An update takes effect once, however often and in whatever order it is told. One that matches nothing yet waits for its
transaction; one that the transition table lacks is noted on the order and otherwise left alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.utils.translation import gettext as _
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from . import attention as needs
from . import card_numbers, clock, intents, ledger, orders, patience, signals, standing
from .announcements import announce
from .conf import conf
from .models import (
    UNSETTLED_STATES,
    AttemptState,
    Attention,
    FollowonResult,
    PaymentAttempt,
    PaymentOperation,
    ReviewNotification,
    ReviewNotificationUpdate,
    clipped,
)
from .protocol import (
    BadNotification,
    Notification,
    ProtocolError,
    ReviewDecision,
    ReviewUpdate,
    content_from_body,
    parse_notification,
)
from .standing import OrderBalance, Payment

Basket = get_model("basket", "Basket")
OrderNote = get_model("order", "OrderNote")
Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

State = ReviewNotificationUpdate.State

#: States in which an update has yet to be acted on.
PENDING = (State.WAITING, State.FAILED)

#: How much is kept as evidence of what was refused, a notification and an hour. The door may be open to anybody.
REFUSED_BYTES = 4096
REFUSED_UPDATES = 20
REFUSED_AN_HOUR = 200

#: A card number is masked whole before evidence is cut, so that the cut leaves no part of it to be read.
MARGIN = 64

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

#: Of how many orders updates are applied in one transaction: each order is locked until its end.
TOGETHER = 20

#: An update as it is kept, and as it was understood.
Told = tuple[ReviewNotificationUpdate, ReviewUpdate]

#: What is left to do to an order once everything else about it is written.
Fate = Callable[[], Any] | None


class Match(NamedTuple):
    """The authorization that an update is about."""

    transaction_id: int
    order_id: int


class OtherMerchant(ProtocolError):
    """The notification is about another merchant's payments."""

    def __init__(self) -> None:
        super().__init__("other-merchant", "The notification names another merchant than CYBERSOURCE_MERCHANT_ID.")


# -- a notification comes ------------------------------------------------------------------------------------------


def receive(body: bytes, content_type: str = "", *, remote_address: str | None = None) -> ReviewNotification:
    """Store one notification, as it was posted, and act on each of its updates.

    Raises :class:`~cybersource.protocol.ProtocolError` when it is unreadable or another merchant's. An update that
    fails, for one because somebody keeps its order locked, is kept as failed and harms none of the others. Callers
    must not hold a transaction open: what was told is committed before any of it has an effect.
    """
    content = b""
    try:
        content = content_from_body(body, content_type)
        told = parse_notification(content)
    except BadNotification as problem:
        # A body in which no document was found may be any form, with a card in it: no more than its shape is kept.
        keep_unreadable(content or f"{len(body)} bytes of {content_type}".encode(), problem, remote_address)
        raise
    if conf.merchant_id and told.merchant_id != conf.merchant_id:
        keep_foreign(content, told, remote_address)
        raise OtherMerchant
    return take(content, told, remote_address=remote_address)


def take(content: bytes, told: Notification, *, remote_address: str | None = None) -> ReviewNotification:
    """Store what was told of reviews, whoever told it, and act on each update; see :func:`receive`."""
    notification, rows, updates = patience.persistently(lambda: store(content, told, remote_address))
    states = apply_all(list(zip(rows, updates, strict=True)))
    for row, state in zip(rows, states, strict=True):
        if state == State.WAITING:
            logger.warning("Review update %s matches no transaction of ours. It is kept and waits for one.", row.pk)
    if State.FAILED not in states:
        notification.state = ReviewNotification.State.HANDLED
        notification.save(update_fields=["state"])
    return notification


@transaction.atomic
def store(
    content: bytes, told: Notification, remote_address: str | None
) -> tuple[ReviewNotification, list[ReviewNotificationUpdate], list[ReviewUpdate]]:
    """Keep the notification; return its rows and its updates as they are kept, which is as they are acted on."""
    updates = [masked(update) for update in told.updates]
    notification = ReviewNotification.objects.create(
        content=evidence(content),
        remote_address=remote_address,
        **clipped(ReviewNotification, merchant_id=card_numbers.mask("comment", told.merchant_id)),
    )
    rows = ReviewNotificationUpdate.objects.bulk_create(
        row_for(notification, position, update, payload=update.as_json()) for position, update in enumerate(updates)
    )
    return notification, rows, updates


def row_for(
    notification: ReviewNotification, position: int, update: ReviewUpdate, **columns: Any
) -> ReviewNotificationUpdate:
    return ReviewNotificationUpdate(
        notification=notification,
        position=position,
        **clipped(
            ReviewNotificationUpdate,
            reference_number=update.reference_number,
            request_id=update.request_id,
            decision=update.decision_text,
            reviewer=update.reviewer,
        ),
        **columns,
    )


def masked(update: ReviewUpdate) -> ReviewUpdate:
    """Return the update with every likely card number masked. A request id has 22 digits, which is no card's length."""

    def without_cards(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {part: without_cards(part, inner) for part, inner in value.items()}
        if isinstance(value, list):
            return [without_cards(name, part) for part in value]
        return card_numbers.mask("comment", value) if isinstance(value, str) else value

    return ReviewUpdate.from_json(without_cards("", update.as_json()))


def evidence(content: bytes) -> str:
    """PostgreSQL stores no NUL, and nobody a card number."""
    return card_numbers.mask("content", content.decode("utf-8", "replace").replace("\x00", ""))


# -- what is refused, with a ceiling -------------------------------------------------------------------------------


def keep_unreadable(content: bytes, problem: ProtocolError, remote_address: str | None) -> None:
    if not room_left():
        return
    ReviewNotification.objects.create(
        content=evidence(content[: REFUSED_BYTES + MARGIN])[:REFUSED_BYTES],
        remote_address=remote_address,
        state=ReviewNotification.State.UNREADABLE,
        **clipped(ReviewNotification, problem=problem.rule),
    )


@transaction.atomic
def keep_foreign(content: bytes, told: Notification, remote_address: str | None) -> None:
    if not room_left():
        return
    notification = ReviewNotification.objects.create(
        content=evidence(content[: REFUSED_BYTES + MARGIN])[:REFUSED_BYTES],
        remote_address=remote_address,
        state=ReviewNotification.State.HANDLED,
        **clipped(
            ReviewNotification,
            merchant_id=card_numbers.mask("comment", told.merchant_id),
            problem="other-merchant",
        ),
    )
    ReviewNotificationUpdate.objects.bulk_create(
        row_for(notification, position, masked(update), state=State.FOREIGN, date_handled=clock.now())
        for position, update in enumerate(told.updates[:REFUSED_UPDATES])
    )


def room_left() -> bool:
    """Whether this hour's evidence of refused notifications has not reached its ceiling."""
    an_hour_ago = clock.now() - timedelta(hours=1)
    refused = ReviewNotification.objects.filter(date_created__gt=an_hour_ago).exclude(problem="").order_by()
    return refused[:REFUSED_AN_HOUR].count() < REFUSED_AN_HOUR


# -- an update takes effect ----------------------------------------------------------------------------------------


def apply_waiting(*, request_id: str = "") -> int:
    """Act on stored updates that still wait or failed: of one transaction, or all. Returns how many moved on.

    Safe at any time and on several machines at once: an update that somebody else acted on meanwhile changes nothing.
    """
    rows = ReviewNotificationUpdate.objects.filter(state__in=PENDING).order_by("pk")
    if request_id:
        rows = rows.filter(request_id=request_id[:64])
        if not rows.exists():  # as after nearly every payment: half the time of reading none
            return 0
    told = [(row, ReviewUpdate.from_json(row.payload)) for row in rows]
    looked_at = {row.notification_id for row, _update in told}
    moved = sum(state not in PENDING for state in apply_all(told, seconds=patience.FOR_A_RETRY))
    if looked_at:
        unhandled = ReviewNotification.objects.filter(pk__in=looked_at, state=ReviewNotification.State.RECEIVED)
        unhandled.exclude(updates__state=State.FAILED).update(state=ReviewNotification.State.HANDLED)
    return moved


def apply_all(told: Sequence[Told], *, seconds: float = math.inf) -> list[str]:
    """Act on updates in the order they were told, many in one transaction; say what became of each.

    ``seconds``: how long each transaction may wait for locked rows, where the caller sets no end to all of them. Where
    he does, those that no time is left for stay as they are stored, and count as failed.
    """
    held: set[str] = set()
    states: list[str] = []
    for batch in batches(told):
        if patience.is_over():
            logger.warning("No time is left for %s review updates. They are stored and wait.", len(told) - len(states))
            return states + [State.FAILED] * (len(told) - len(states))
        states += try_to_apply(batch, seconds, held)
    return states


def batches(told: Sequence[Told]) -> Iterator[list[Told]]:
    """What is applied together, in the order it was told."""
    batch: list[Told] = []
    numbers: set[str] = set()
    for row, update in told:
        if len(numbers) >= TOGETHER and update.reference_number not in numbers:
            yield batch
            batch, numbers = [], set()
        batch.append((row, update))
        numbers.add(update.reference_number)
    if batch:
        yield batch


def try_to_apply(told: Sequence[Told], seconds: float, held: set[str]) -> list[str]:
    """Act on updates together, and where that fails on each of them alone: a bad one harms none of the others.

    An error of one that is alone marks it failed and is logged. ``held`` gathers the numbers of orders that somebody
    else keeps locked: they are not waited for twice.
    """
    row, _update = told[0]
    if patience.is_over():
        return [State.FAILED] * len(told)
    try:
        if len(told) > 1 or row.reference_number not in held:
            with within(seconds):
                return patience.persistently(lambda: apply(told))
    except Exception as problem:
        if len(told) == 1 and patience.is_locked(problem):
            logger.warning("Review update %s is stored and waits: somebody else holds its order locked.", row.pk)
            held.add(row.reference_number)
        elif len(told) == 1:
            logger.exception("Review update %s could not be recorded. It is kept and will be tried again.", row.pk)
    if len(told) > 1:
        return [state for one in told for state in try_to_apply([one], seconds, held)]
    try:
        with within(seconds):
            mark_failed(row)
    except patience.UNAVAILABLE:
        logger.warning("Review update %s still says that it waits.", row.pk)
    return [State.FAILED]


def within(seconds: float) -> AbstractContextManager[None]:
    return nullcontext() if seconds == math.inf else patience.at_most(seconds)


@transaction.atomic
def mark_failed(row: ReviewNotificationUpdate) -> None:
    patience.limit()
    still_pending([row]).update(state=State.FAILED)


@transaction.atomic
def apply(told: Sequence[Told]) -> list[str]:
    """Match updates and record them, with the orders' and then the transactions' rows locked.

    Both in the order of their keys, so that two notifications never wait for each other.
    """
    matches = matching([update for _row, update in told])
    if not any(matches):
        return [State.WAITING] * len(told)
    rejects = any(update.new_decision == ReviewDecision.REJECT for _row, update in told)
    desk = Desk.with_locked(filter(None, matches), rejects=rejects)
    # Notes are for staff and told apart by their text, so they are in the shop's language whoever's request this is.
    with orders.in_the_shops_language():
        states = [
            desk.act_on(*one, match) if match else State.WAITING for one, match in zip(told, matches, strict=True)
        ]
        desk.finish()
    return states


def matching(updates: Sequence[ReviewUpdate]) -> list[Match | None]:
    """For each update the authorization that both its order's reference number and its request id name, or None."""
    named = [update for update in updates if update.reference_number and update.request_id]
    authorizations = Transaction.objects.filter(
        reference__in={update.request_id for update in named}, txn_type=Transaction.AUTHORISE
    ).annotate(order_id=F("source__order"))
    found: dict[tuple[str, str], Match] = {}
    numbered = authorizations.filter(source__order__number__in={update.reference_number for update in named})
    for number, reference, *match in numbered.values_list("source__order__number", "reference", "pk", "order_id"):
        found.setdefault((number, reference), Match(*match))
    # An order number that CyberSource would not take, or that looks like a card number, is in the log in other words.
    others = [update for update in named if (update.reference_number, update.request_id) not in found]
    if others:
        logged = authorizations.filter(
            log__transaction_id__in={update.request_id[:64] for update in others},
            log__reference_number__in={update.reference_number[:50] for update in others},
        )
        by_log: dict[tuple[str, str], Match] = {}
        for number, reference, *match in logged.values_list("log__reference_number", "reference", "pk", "order_id"):
            by_log.setdefault((number, reference), Match(*match))
        for update in others:
            match_of_log = by_log.get((update.reference_number[:50], update.request_id))
            if match_of_log:
                found[update.reference_number, update.request_id] = match_of_log
    return [found.get((update.reference_number, update.request_id)) for update in updates]


def still_pending(rows: Iterable[ReviewNotificationUpdate]) -> QuerySet[ReviewNotificationUpdate]:
    """Those of the updates that nobody else was quicker to act on."""
    return ReviewNotificationUpdate.objects.filter(pk__in=[row.pk for row in rows], state__in=PENDING)


@dataclass(kw_only=True)
class Decided:
    """A transaction that a reviewer moved along the table: what it does to the order follows."""

    order: Any
    reviewed: Any
    update: ReviewUpdate


@dataclass(kw_only=True)
class Desk:
    """What updates that are applied together share: the locked rows, and what is read and written for all at once."""

    locked: dict[int, Any]  #: orders by their keys
    transactions: dict[int, Any]
    decided: list[Decided] = field(default_factory=list)
    recorded: list[Decided] = field(default_factory=list)
    closed: list[tuple[ReviewNotificationUpdate, str, Any]] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    moved: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def with_locked(cls, matches: Iterable[Match], *, rejects: bool) -> Desk:
        matches = list(matches)
        locked = orders.locked_in_turn({match.order_id for match in matches})
        reviewed = (
            Transaction.objects.select_for_update(of=("self",))
            .select_related("source", "log__attempt", "cybersource_exact")
            .filter(pk__in={match.transaction_id for match in matches})
            .order_by("pk")
        )
        transactions = {found.pk: found for found in reviewed}
        # What an order's fate writes to: who holds one locked is known before any receiver hears of a new status.
        fated = [order for order in locked.values() if order.basket_id and (rejects or orders.awaits_payment(order))]
        if fated:
            baskets = Basket.objects.select_for_update(no_key=True).order_by("pk")
            kept = baskets.in_bulk({order.basket_id for order in fated})
            for order in fated:
                order.basket = kept.get(order.basket_id)
        sources: dict[int, Any] = {}
        for found in transactions.values():
            found.source = sources.setdefault(found.source_id, found.source)
        return cls(locked=locked, transactions=transactions)

    def act_on(self, row: ReviewNotificationUpdate, update: ReviewUpdate, match: Match) -> str:
        order, reviewed = self.locked[match.order_id], self.transactions[match.transaction_id]
        self.write_notes(order, update)
        state = self.decide(order, reviewed, update)
        if update.followon and update.new_decision:
            self.settle()
            record_followon(order, reviewed, row, update, state)
        self.closed.append((row, state, reviewed))
        return state

    def decide(self, order: Any, reviewed: Any, update: ReviewUpdate) -> str:
        """Move the transaction along the table; say what became of the update."""
        decision = update.new_decision
        if decision is None:
            return State.NOTED
        if reviewed.status == decision:
            return State.REPEATED
        if (reviewed.status, decision) not in REVIEW_TRANSITIONS:
            self.note_once(order, conflict(reviewed, decision))
            return State.CONFLICTING
        if any(before.order is order for before in self.decided):
            self.settle()  # one decision after the other
        reviewed.status = decision.value
        reviewed.save(update_fields=["status"])
        if decision == ReviewDecision.REJECT:
            ledger.add(reviewed.source, ledger.ALLOCATED, amount=-standing.amount_of(reviewed))
        self.note(order, decided(reviewed, update))
        self.decided.append(Decided(order=order, reviewed=reviewed, update=update))
        return State.RECORDED

    def settle(self) -> None:
        """Let what was decided so far have its effect on attempts and orders."""
        now_decided, self.decided = self.decided, []
        balances = standing.balances(one.order.pk for one in now_decided) if now_decided else {}
        fates = []
        for one in now_decided:
            effect = REVIEW_TRANSITIONS["REVIEW", one.update.new_decision]
            fates.append(effect(self, one, balances[one.order.pk]))
        self.write()
        for fate in filter(None, fates):
            fate()
        self.recorded += now_decided

    def write(self) -> None:
        """Write the notes and move the attempts that have gathered."""
        notes, self.notes = self.notes, []
        orders.notes(notes)
        moved, self.moved = self.moved, {}
        for (state, attention), pairs in moved.items():
            attempts, sources = zip(*pairs, strict=True)
            changes: dict[str, Any] = {"state": state}
            if attention:  # what was set aside stays so, whatever else is decided
                kept = When(attention=Attention.KEPT_AUTHORIZATION, then=Value(Attention.KEPT_AUTHORIZATION.value))
                changes["attention"] = Case(kept, default=Value(str(attention.value)))
            # A second charge on an attempt leaves the first one's state in place.
            PaymentAttempt.objects.filter(pk__in=attempts, source__in=sources, state=AttemptState.REVIEW).update(
                **changes
            )

    def finish(self) -> None:
        """Settle what is left, say what became of each update, and tell it after the commit."""
        self.settle()
        for one in self.recorded:
            announce(
                signals.review_recorded,
                sender=Transaction,
                order=one.order,
                transaction=one.reviewed,
                update=one.update,
            )
        still_pending([row for row, _state, _reviewed in self.closed]).update(
            state=Case(*[When(pk=row.pk, then=Value(state.value)) for row, state, _reviewed in self.closed]),
            transaction=Case(*[When(pk=row.pk, then=Value(reviewed.pk)) for row, _state, reviewed in self.closed]),
            date_handled=clock.now(),
        )

    def move(self, attempt: PaymentAttempt | None, reviewed: Any, state: str, attention: str = "") -> None:
        """Let the attempt follow its transaction."""
        if attempt is not None:
            self.moved.setdefault((state, attention), []).append((attempt.pk, reviewed.source_id))

    # -- what staff read

    def note(self, order: Any, message: str) -> None:
        self.known.add((order.pk, message))
        self.notes.append(OrderNote(order=order, note_type=orders.NOTE_TYPE, message=message))

    def note_once(self, order: Any, message: str) -> None:
        if (order.pk, message) not in self.known:
            self.note(order, message)

    @cached_property
    def known(self) -> set[tuple[int, str]]:
        """What is noted on the orders already."""
        return set(OrderNote.objects.filter(order__in=self.locked).values_list("order_id", "message"))

    def write_notes(self, order: Any, update: ReviewUpdate) -> None:
        """Write each of the reviewer's notes once, oldest first.

        Messages repeat all the notes so far, and notes have no identity: they are told apart by date, author and text.
        """
        written = sorted(update.notes, key=lambda note: (note.written_at is None, note.written_at or LONG_AGO))
        for note in written:
            if note.comment or note.added_by:
                self.note_once(
                    order,
                    _("Decision Manager note by %(author)s (%(date)s): %(text)s")
                    % {"author": note.added_by or "-", "date": note.date_text or _("undated"), "text": note.comment},
                )


def release(desk: Desk, one: Decided, balance: OrderBalance) -> Fate:
    """The reviewer accepts: what was held for review now counts towards the order."""
    order, reviewed = one.order, one.reviewed
    attempt = attempt_of(reviewed)
    if attempt and standing.amount_of(reviewed) < attempt.amount:
        return release_part(desk, order, reviewed, attempt)
    covered = balance.covered(order)
    surplus = covered - order.total_incl_tax
    attention = Attention.NONE
    superfluous: list[Payment] = []
    if orders.is_cancelled(order):
        attention = Attention.CLOSED_ORDER
        message = _("The order was cancelled meanwhile, and %(amount)s %(currency)s are held for it. Reverse them.")
        desk.note(order, message % {"amount": standing.amount_of(reviewed), "currency": reviewed.source.currency})
    elif surplus > 0 and not needs.is_open(attempt, reviewed.reference):
        superfluous = balance.superfluous(surplus)
        if not superfluous or reviewed.source_id in {payment.source.pk for payment in superfluous}:
            superfluous, attention = [], Attention.EXCESS_CHARGE
            desk.note(order, attention.label + ".")
    desk.move(attempt, reviewed, AttemptState.AUTHORIZED, attention)
    if attention:
        warn(order, reviewed, attempt, attention)
    for payment in superfluous:
        if not needs.is_open(needs.attempt_of(payment), payment.source.reference):
            needs.in_excess(order, payment)
    if attempt and attempt.transaction_type in ledger.SALES and not settled_with(one.update):
        desk.note(order, _("A sale is not captured while it is under review. Capture it unless CyberSource has."))
    return lambda: orders.authorize_if_covered(order, covered, hostname=hostname_of(attempt))


def warn(order: Any, reviewed: Any, attempt: PaymentAttempt | None, attention: Attention) -> None:
    """List what a reviewer's decision made of the charge, and signal it."""
    new = needs.flag(
        attention,
        order,
        attempt,
        entry=reviewed.log,
        transaction_id=reviewed.reference,
        amount=standing.amount_of(reviewed),
        currency=reviewed.source.currency,
        card_number=reviewed.source.label,
        reference_number=order.number,
    )
    if new:
        announce(
            signals.unexpected_charge,
            sender=PaymentAttempt,
            order=order,
            attempt=attempt,
            reply=reviewed.log,
            outcome=None,
            attention=attention,
        )


def release_part(desk: Desk, order: Any, reviewed: Any, attempt: PaymentAttempt) -> Fate:
    """The bank had approved only part of the amount: the reviewer's word does not pay the rest."""
    desk.move(attempt, reviewed, AttemptState.PARTIAL, Attention.PARTIAL)
    warn(order, reviewed, attempt, Attention.PARTIAL)
    desk.note(
        order,
        _("Only %(part)s of %(whole)s %(currency)s are held. Reverse them, or collect the rest by other means.")
        % {"part": standing.amount_of(reviewed), "whole": attempt.amount, "currency": attempt.currency},
    )
    if is_second(reviewed, attempt) or not orders.awaits_payment(order) or is_replaced(attempt):
        return None
    return lambda: decline(order, attempt)


def reject(desk: Desk, one: Decided, balance: OrderBalance) -> Fate:
    """The reviewer rejects: nothing counts any more, and the order is declined unless other money covers it."""
    order, reviewed = one.order, one.reviewed
    attempt = attempt_of(reviewed)
    desk.move(attempt, reviewed, AttemptState.DECLINED)
    if is_reversed_by_itself(one.update):
        intents.queue(
            order,
            PaymentOperation.Kind.REVERSE,
            payment_id=reviewed.reference,
            amount=standing.amount_of(reviewed),
            currency=reviewed.source.currency,
            reason=_("Rejected by Decision Manager"),
            attempt=attempt,
            transaction=reviewed,
        )
    elif not reversed_with(one.update):
        hold = (reviewed.reference, standing.amount_of(reviewed), reviewed.source.currency)
        needs.hold_left(order, attempt, *hold, card_number=reviewed.source.label)
    if orders.is_declined(order) or (attempt and orders.awaits_payment(order) and is_replaced(attempt)):
        return None
    if is_over(order) or balance.covered(order) >= order.total_incl_tax:
        desk.note(order, _("The order keeps its status '%(status)s' all the same.") % {"status": order.status})
        return None
    if is_second(reviewed, attempt):
        return None
    return lambda: decline(order, attempt)


def decline(order: Any, attempt: PaymentAttempt | None) -> None:
    """Decline the order, unless what other reviewers have yet to decide about would pay it."""
    if not orders.may_be_released(order):
        orders.decline(order, hostname=hostname_of(attempt))


def is_second(reviewed: Any, attempt: PaymentAttempt | None) -> bool:
    """Whether the attempt holds what the order waited for by another charge than this one."""
    return attempt is not None and attempt.source_id != reviewed.source_id and attempt.state in orders.HOLDING


#: Which decision may follow which. What the table lacks is noted on the order and changes nothing.
REVIEW_TRANSITIONS: dict[tuple[str, ReviewDecision], Callable[[Desk, Decided, OrderBalance], Fate]] = {
    ("REVIEW", ReviewDecision.ACCEPT): release,
    ("REVIEW", ReviewDecision.REJECT): reject,
}


def attempt_of(reviewed: Any) -> PaymentAttempt | None:
    if reviewed.log and reviewed.log.attempt:
        return reviewed.log.attempt  # type: ignore[no-any-return]
    return PaymentAttempt.objects.filter(source=reviewed.source_id).first()


def hostname_of(attempt: PaymentAttempt | None) -> str:
    return attempt.hostname if attempt else ""


def is_replaced(attempt: PaymentAttempt) -> bool:
    """Whether a newer attempt of the method is under way or holds money, or a retry is: then that decides the order."""
    newer = PaymentAttempt.objects.filter(order=attempt.order_id, method_key=attempt.method_key, pk__gt=attempt.pk)
    if newer.filter(state__in=UNSETTLED_STATES).exists():
        return True
    alive = {payment.attempt_id for payment in orders.balance(attempt.order).in_play}
    return newer.filter(pk__in=alive - {None}).exists() or orders.is_retried(attempt.order, attempt)


def is_over(order: Any) -> bool:
    """Whether the order has reached an end that no late rejection may undo: cancelled, shipped, or the like."""
    if orders.is_cancelled(order) or order.status == checkout_settings.ORDER_STATUS_SHIPPED:
        return True
    if orders.awaits_payment(order) or order.status == checkout_settings.ORDER_STATUS_AUTHORIZED:
        return False
    return order.status in order.pipeline and not order.available_statuses()


# -- what CyberSource did with the money -------------------------------------------------------------------------------


def record_followon(order: Any, reviewed: Any, row: ReviewNotificationUpdate, update: ReviewUpdate, state: str) -> None:
    """Record the settlement or reversal a reviewer started with the decision; a settlement is a capture of ours.

    It may come with a later telling of the same decision. One that belongs to a decision against ours is kept and
    noted, and moves no money here.
    """
    followon = update.followon
    assert followon is not None
    told, created = FollowonResult.objects.get_or_create(
        transaction=reviewed,
        request_id=followon.request_id[:64],
        defaults={
            "update": row,
            **clipped(
                FollowonResult,
                application=followon.application,
                status=followon.status,
                decision=followon.decision,
                reason_code=followon.reason_code,
                message=followon.message,
            ),
        },
    )
    if not created:
        return
    message = _("Decision Manager reports: %(application)s, %(status)s (%(id)s).") % {
        "application": told.application or "-",
        "status": told.status or "-",
        "id": told.request_id or "-",
    }
    if reversed_with(update):
        holds = needs.holds_left().filter(order=order, transaction_id=reviewed.reference)
        needs.clear(holds, _("The reviewer reversed it."))
    if settled_with(update) and state != State.CONFLICTING and not ledger.knows(order, followon.request_id):
        held = standing.column_of(reviewed.source, ledger.ALLOCATED)
        if standing.column_of(reviewed.source, ledger.DEBITED) + standing.amount_of(reviewed) > held:
            message += " " + _("It had been captured before. Check whether the money was taken twice.")
        else:
            ledger.record_capture(order, reviewed, reference=followon.request_id, at=clock.now())
            message += " " + _("It is recorded as captured; do not capture it again.")
    orders.note(order, message)


def settled_with(update: ReviewUpdate) -> bool:
    """Whether the reviewer captured the money together with an ACCEPT."""
    return update.new_decision == ReviewDecision.ACCEPT and update.followon is not None and update.followon.settled


def reversed_with(update: ReviewUpdate) -> bool:
    """Whether the authorization was reversed. Under which name is not documented, so any reversal will do."""
    followon = update.followon
    return bool(followon and followon.status.lower() == "success" and "revers" in followon.application.lower())


def is_reversed_by_itself(update: ReviewUpdate) -> bool:
    """Whether the shop is to give back a hold that the reviewer's rejection left on the card."""
    return "rejected" in conf.auto_reverse and conf.has_rest and not reversed_with(update)


# -- what staff read ---------------------------------------------------------------------------------------------------


def decided(reviewed: Any, update: ReviewUpdate) -> str:
    message = _("Decision Manager: %(reviewer)s decided %(decision)s for transaction %(id)s. %(comments)s") % {
        "reviewer": update.reviewer or _("a reviewer"),
        "decision": update.new_decision,
        "id": reviewed.reference,
        "comments": update.comments,
    }
    if update.new_decision == ReviewDecision.REJECT and is_reversed_by_itself(update):
        message += " " + _("The authorization will be reversed by itself.")
    elif update.new_decision == ReviewDecision.REJECT and not reversed_with(update):
        message += " " + _("Reverse the authorization in the CyberSource Business Center unless the reviewer did.")
    return message


def conflict(reviewed: Any, decision: ReviewDecision) -> str:
    return _(
        "Decision Manager reports %(told)s for transaction %(id)s, which stands at %(ours)s here. Nothing was changed; "
        "decide what to do about it."
    ) % {"told": decision, "ours": reviewed.status or "-", "id": reviewed.reference}
