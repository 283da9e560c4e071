"""What a reviewer's decision does to the transaction, its attempt and its order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Case, QuerySet, Value, When
from django.utils.translation import gettext as _
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from .. import signals
from ..db import clock
from ..models import (
    UNSETTLED_STATES,
    AttemptState,
    Attention,
    PaymentAttempt,
    ReviewNotificationUpdate,
)
from ..payments import amounts, ledger, operation_queue, orders
from ..payments import attention as needs
from ..payments import balance as payment_balance
from ..payments.balance import OrderBalance, PaymentBalance
from ..payments.outbox import announce
from ..protocol import ReviewDecision, ReviewUpdate
from .followons import is_reversed_by_itself, record_followon, reversed_with, settled_with

Basket = get_model("basket", "Basket")
OrderNote = get_model("order", "OrderNote")
Transaction = get_model("payment", "Transaction")

State = ReviewNotificationUpdate.State

#: States in which an update has yet to be acted on.
PENDING = (State.WAITING, State.FAILED)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

#: What is left to do to an order once everything else about it is written.
Fate = Callable[[], Any] | None


class Match(NamedTuple):
    """The authorization that an update is about."""

    transaction_id: int
    order_id: int


def still_pending(rows: Iterable[ReviewNotificationUpdate]) -> QuerySet[ReviewNotificationUpdate]:
    """Those of the updates that nobody else was quicker to act on."""
    return ReviewNotificationUpdate.objects.filter(pk__in=[row.pk for row in rows], state__in=PENDING)


@dataclass(kw_only=True)
class DecidedTransaction:
    """A transaction that a reviewer moved along the table: what it does to the order follows."""

    order: Any
    reviewed: Any
    update: ReviewUpdate


@dataclass(kw_only=True)
class ReviewBatch:
    """What updates that are applied together share: the locked rows, and what is read and written for all at once."""

    locked: dict[int, Any]  #: orders by their keys
    transactions: dict[int, Any]
    decided: list[DecidedTransaction] = field(default_factory=list)
    recorded: list[DecidedTransaction] = field(default_factory=list)
    closed: list[tuple[ReviewNotificationUpdate, str, Any]] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    moved: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def with_locked(cls, matches: Iterable[Match], *, rejects: bool) -> ReviewBatch:
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
            ledger.add(reviewed.source, ledger.ALLOCATED, amount=-amounts.amount_of(reviewed))
        self.note(order, decided(reviewed, update))
        self.decided.append(DecidedTransaction(order=order, reviewed=reviewed, update=update))
        return State.RECORDED

    def settle(self) -> None:
        """Let what was decided so far have its effect on attempts and orders."""
        now_decided, self.decided = self.decided, []
        balances = payment_balance.balances(one.order.pk for one in now_decided) if now_decided else {}
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


def release(desk: ReviewBatch, one: DecidedTransaction, balance: OrderBalance) -> Fate:
    """The reviewer accepts: what was held for review now counts towards the order."""
    order, reviewed = one.order, one.reviewed
    attempt = attempt_of(reviewed)
    if attempt and amounts.amount_of(reviewed) < attempt.amount:
        return release_part(desk, order, reviewed, attempt)
    covered = balance.covered(order)
    surplus = covered - order.total_incl_tax
    attention = Attention.NONE
    superfluous: list[PaymentBalance] = []
    if orders.is_cancelled(order):
        attention = Attention.CLOSED_ORDER
        message = _("The order was cancelled meanwhile, and %(amount)s %(currency)s are held for it. Release them.")
        desk.note(order, message % {"amount": amounts.amount_of(reviewed), "currency": reviewed.source.currency})
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
        amount=amounts.amount_of(reviewed),
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


def release_part(desk: ReviewBatch, order: Any, reviewed: Any, attempt: PaymentAttempt) -> Fate:
    """The bank had approved only part of the amount: the reviewer's word does not pay the rest."""
    desk.move(attempt, reviewed, AttemptState.PARTIAL, Attention.PARTIAL)
    warn(order, reviewed, attempt, Attention.PARTIAL)
    desk.note(
        order,
        _("Only %(part)s of %(whole)s %(currency)s are held. Release them, or collect the rest by other means.")
        % {"part": amounts.amount_of(reviewed), "whole": attempt.amount, "currency": attempt.currency},
    )
    if is_second(reviewed, attempt) or not orders.awaits_payment(order) or is_replaced(attempt):
        return None
    return lambda: decline(order, attempt)


def reject(desk: ReviewBatch, one: DecidedTransaction, balance: OrderBalance) -> Fate:
    """The reviewer rejects: nothing counts any more, and the order is declined unless other money covers it."""
    order, reviewed = one.order, one.reviewed
    attempt = attempt_of(reviewed)
    desk.move(attempt, reviewed, AttemptState.DECLINED)
    if is_reversed_by_itself(one.update):
        operation_queue.reverse_hold(
            order,
            payment_id=reviewed.reference,
            amount=amounts.amount_of(reviewed),
            currency=reviewed.source.currency,
            reason=_("Rejected by Decision Manager"),
            attempt=attempt,
            hold=reviewed,
        )
    elif not reversed_with(one.update):
        hold = (reviewed.reference, amounts.amount_of(reviewed), reviewed.source.currency)
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
REVIEW_TRANSITIONS: dict[
    tuple[str, ReviewDecision], Callable[[ReviewBatch, DecidedTransaction, OrderBalance], Fate]
] = {
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


# -- what staff read ---------------------------------------------------------------------------------------------------


def decided(reviewed: Any, update: ReviewUpdate) -> str:
    message = _("Decision Manager: %(reviewer)s decided %(decision)s for transaction %(id)s. %(comments)s") % {
        "reviewer": update.reviewer or _("a reviewer"),
        "decision": update.new_decision,
        "id": reviewed.reference,
        "comments": update.comments,
    }
    if update.new_decision == ReviewDecision.REJECT and is_reversed_by_itself(update):
        message += " " + _("The authorization will be released automatically.")
    elif update.new_decision == ReviewDecision.REJECT and not reversed_with(update):
        message += " " + _("Release the authorization in the CyberSource Business Center unless the reviewer did.")
    return message


def conflict(reviewed: Any, decision: ReviewDecision) -> str:
    return _(
        "Decision Manager reports %(told)s for transaction %(id)s, which is %(ours)s here. Nothing was "
        "changed; decide what to do about it."
    ) % {"told": decision, "ours": reviewed.status or "-", "id": reviewed.reference}
