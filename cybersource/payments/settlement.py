"""An outcome takes effect, exactly once: the only place where a payment is settled.

``settle`` takes an :class:`~cybersource.protocol.Outcome`, never a posted field, so every channel (browser reply,
merchant POST, later a look-up) ends in the same rows. It holds the order's and then the attempt's row locked, in one
transaction; signals and the e-mail follow the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model

from .. import signals
from ..conf import conf
from ..db import clock, locks
from ..limits import alarm, budgets
from ..models import (
    UNSETTLED_STATES,
    WAITS_FOR_STAFF,
    AttemptState,
    Attention,
    CyberSourceReply,
    PaymentAttempt,
    PaymentOperation,
    PaymentToken,
    ReplyType,
    clipped,
)
from ..protocol import Outcome, OutcomeKind, Reply, TransactionType, reason_meaning
from . import attention as needs
from . import balance, ledger, operation_queue, orders, reason_codes
from .attempts import begin_next_step
from .balance import PaymentBalance
from .expiry import decline_after_all, is_all_ours, is_forgotten
from .outbox import announce

Transaction = get_model("payment", "Transaction")

Result = CyberSourceReply.Result
Kind = PaymentOperation.Kind

#: States of an attempt that ended without money that counts.
ENDED_BADLY = (AttemptState.DECLINED, AttemptState.FAILED, AttemptState.PARTIAL, AttemptState.REVERSED)

#: How a charge is marked that nobody waited for any more.
CAME_LATE = (Attention.LATE_CHARGE, Attention.REPLACED_CHARGE, Attention.AFTER_DECLINE)

#: Declines that may leave a hold on the card: the bank had approved, then Decision Manager rejected. What fails the
#: account's own AVS and CVN rules is declined only where CyberSource reverses it. Source: Secure Acceptance guide.
HOLD_MAY_REMAIN = (481,)

#: The order as its lock made it ours, and what its status and every confirmation e-mail ask for, in one statement.
WITH_ORDER = ("order__basket", "order__shipping_address__country")

#: How an outcome that holds money leaves its attempt.
STATES = {
    OutcomeKind.ACCEPTED: AttemptState.AUTHORIZED,
    OutcomeKind.REVIEW: AttemptState.REVIEW,
    OutcomeKind.PARTIAL: AttemptState.PARTIAL,
}


@sensitive_variables()
@locks.retried
@transaction.atomic
def settle(entry: CyberSourceReply, outcome: Outcome) -> Result:
    """Let an outcome take effect on the attempt and order of its log row, and say in the log what it did.

    Safe to call again with the same outcome at any time, from any number of processes.
    """
    orders.lock(entry.order_id)
    attempt = (
        PaymentAttempt.objects.select_related(*WITH_ORDER)
        .select_for_update(of=("self",), no_key=True)
        .get(pk=entry.attempt_id)
    )
    order = attempt.order
    with orders.in_the_shops_language():
        result = EFFECTS[outcome.kind](order, attempt, outcome, entry)
    entry.result = result
    entry.date_processed = clock.now()
    # Only the first to act on a row says what it did: it may be acted on again while, or after, it takes effect.
    unprocessed = CyberSourceReply.objects.filter(pk=entry.pk, result=Result.RECEIVED)
    unprocessed.update(result=entry.result, date_processed=entry.date_processed)
    if result == Result.SETTLED and attempt.attention in CAME_LATE:
        list_lonely_part(order, attempt, outcome, entry)
    if result == Result.SETTLED:
        tell(signals.reply_recorded, order, attempt, outcome, entry)
    return result


def list_lonely_part(order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply) -> None:
    """A part was charged late, and of the order's rest nothing is under way any more: staff are asked to collect it."""
    if outcome.kind == OutcomeKind.ACCEPTED and is_forgotten(order) and is_all_ours(order):
        charge = {"transaction_id": outcome.transaction_id, "amount": outcome.amount or attempt.amount}
        with orders.in_the_shops_language():
            needs.flag_and_note(Attention.UNPAID_REST, order, attempt, entry=entry, **charge)


def accept(order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply) -> Result:
    """Money is held, in full, in part or under review; or a card is stored for the next step."""
    if attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN:
        return store_card(order, attempt, outcome, entry)
    before = orders.balance(order)
    if outcome.transaction_id in before.references:
        return Result.REPEATED
    end_its_doubt(attempt, outcome)
    covered = before.covered(order)
    was_paid = covered >= order.total_incl_tax
    attention = unexpected(order, attempt, outcome)
    token = remember_token(order, outcome, entry)
    source = ledger.record_charge(order, attempt, outcome, entry, token)
    superfluous: list[PaymentBalance] = []
    amount = ledger.charged(attempt, outcome)
    if counts_now(outcome, source, before.currency, attention):
        covered += amount
        surplus = covered - order.total_incl_tax
        if not attention and surplus > 0:
            superfluous = before.superfluous(surplus) if amount > surplus else []
            attention = Attention.NONE if superfluous else Attention.EXCESS_CHARGE
    waits = attempt.attention in WAITS_FOR_STAFF
    if waits:
        needs.answered(attempt, outcome.transaction_id or "")
    if waits or attempt.state == AttemptState.UNKNOWN:
        ask_of_others(order, attempt, entry)
    if attempt.state not in orders.HOLDING:
        attempt.source = source
        end(attempt, entry, state=STATES[outcome.kind], attention=attention)
    else:
        end(attempt, entry, state=attempt.state, attention=attention)  # a second charge leaves the first in its place
    if outcome.kind == OutcomeKind.REVIEW:
        orders.note(order, under_review(attempt, outcome))
    if attention:
        needs.flag(
            Attention(attention),
            order,
            attempt,
            entry=entry,
            transaction_id=outcome.transaction_id or "",
            amount=amount,
            card_number=outcome.card_number,
        )
        orders.note(order, to_staff(attempt, outcome, attention))
        tell(signals.unexpected_charge, order, attempt, outcome, entry, attention=attention)
    for payment in superfluous:
        needs.in_excess(order, payment)
    if attention:
        # A first charge that is under review pays for nothing yet: the second may be the one that does.
        is_second = attention == Attention.EXTRA_CHARGE and was_paid
        if is_second and operation_queue.is_automatic("second-charge"):
            take_back(order, attempt, source, amount)
    transaction.on_commit(lambda: alarm.count_payment(budgets.BudgetHolder.of(attempt)), robust=True)
    if outcome.kind != OutcomeKind.PARTIAL:
        orders.authorize_if_covered(order, covered, hostname=attempt.hostname)
    elif attempt.state == AttemptState.PARTIAL and orders.fails_with(order, attempt):  # not a second charge
        orders.decline(order, hostname=attempt.hostname)
    return Result.SETTLED


def counts_now(outcome: Outcome, source: Any, currency: str, attention: str) -> bool:
    """Whether a charge that was recorded a moment ago pays for its order."""
    if attention in balance.SET_ASIDE or source.currency != currency:
        return False
    return outcome.kind == OutcomeKind.ACCEPTED or (outcome.kind == OutcomeKind.REVIEW and not conf.review_holds_order)


def take_back(order: Any, attempt: PaymentAttempt, source: Any, amount: Decimal) -> None:
    """Write down that a second charge is to be given back: a hold is reversed, a sale's debit voided."""
    about = {
        "payment_id": source.reference,
        "amount": amount,
        "currency": source.currency,
        "reason": _("The order was paid already"),
        "attempt": attempt,
    }
    if source.amount_debited:
        debit = Transaction.objects.get(source=source, txn_type=Transaction.DEBIT)
        operation_queue.queue(order, Kind.VOID, transaction=debit, **about)
    else:
        hold = Transaction.objects.get(source=source, txn_type=Transaction.AUTHORISE)
        operation_queue.reverse_hold(order, hold=hold, **about)


def unexpected(order: Any, attempt: PaymentAttempt, outcome: Outcome) -> str:
    """Why staff must look at this charge; empty when it is just what the order waited for."""
    if outcome.kind == OutcomeKind.PARTIAL:
        return Attention.PARTIAL  # never counts towards the order, whatever else came before
    if attempt.state in orders.HOLDING:
        return Attention.EXTRA_CHARGE
    if orders.is_cancelled(order):
        return Attention.CLOSED_ORDER
    if not orders.awaits_payment(order):
        return Attention.EXTRA_CHARGE
    if attempt.state == AttemptState.REPLACED:
        return Attention.REPLACED_CHARGE
    if attempt.state == AttemptState.EXPIRED:
        return Attention.LATE_CHARGE
    if attempt.currency != balance.currency_of(order):
        return Attention.KEPT_AUTHORIZATION  # the shop's currency was switched since
    return Attention.AFTER_DECLINE if attempt.state in ENDED_BADLY else Attention.NONE


def store_card(order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply) -> Result:
    """The first of two steps: CyberSource keeps the card, no money is held, the authorization is asked next."""
    if attempt.state == AttemptState.TOKENIZED:
        return another_card(order, attempt, outcome)
    token = remember_token(order, outcome, entry)
    if token is None:
        # A REVIEW of a bare token request may bring no token: nothing to go on with, and nothing is held.
        return refuse(order, attempt, outcome, entry)
    if attempt.state not in UNSETTLED_STATES or not orders.awaits_payment(order):
        return Result.SUPERSEDED
    end(attempt, entry, state=AttemptState.TOKENIZED)
    begin_next_step(attempt, token)
    return Result.SETTLED


def another_card(order: Any, attempt: PaymentAttempt, outcome: Outcome) -> Result:
    """A card for a step that has one. Told again, or another card on the old form, which comes too late: the next
    step's form stands for the first card, and the shopper may have posted it.
    """
    first = PaymentToken.objects.filter(paymentattempt__previous=attempt).first()
    if first is None or outcome.payment_token in (None, first.token):
        return Result.REPEATED
    message = _(
        "Another card (%(card)s) was entered on the old card form after one had been stored. It is not used: the "
        "payment goes on with the first card. No money was moved by it."
    ) % {"card": outcome.card_number or "-"}
    if not order.notes.filter(message=message).exists():
        orders.note(order, message)
    return Result.SUPERSEDED


def remember_token(order: Any, outcome: Outcome, entry: CyberSourceReply) -> PaymentToken | None:
    if not outcome.payment_token:
        return None
    card = clipped(
        PaymentToken,
        masked_card_number=outcome.card_number,
        card_type=outcome.card_type,
        card_expiry_date=outcome.card_expiry,
    )
    told = PaymentToken(token=outcome.payment_token, log=entry, owner_id=order.user_id, **card)
    # The same card may come back under its old token: that row stays as it is, and tells its key.
    PaymentToken.objects.bulk_create([told], update_conflicts=True, unique_fields=["token"], update_fields=["token"])
    return told if told.pk else PaymentToken.objects.get(token=told.token)  # Django 4.2 does not tell it


def refuse(order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply) -> Result:
    """Declined, refused for its data, or cancelled. Never undoes anything that is paid or newer."""
    # Where a card was only to be stored, no bank was asked for money.
    asked_for_money = attempt.transaction_type != TransactionType.CREATE_PAYMENT_TOKEN
    may_hold = asked_for_money and outcome.reason_code in HOLD_MAY_REMAIN
    if may_hold and operation_queue.is_automatic("rejected"):
        operation_queue.reverse_hold(
            order,
            payment_id=outcome.transaction_id or "",
            amount=attempt.amount,
            currency=attempt.currency,
            reason=_("Rejected by Decision Manager"),
            attempt=attempt,
        )
        may_hold = False  # it is released automatically
    end_its_doubt(attempt, outcome)
    if may_hold:
        list_hold(order, attempt, outcome, entry)
    if attempt.state in ENDED_BADLY:
        return Result.REPEATED
    # A review of a card that was only to be stored brought no token: a look-up tells it like a decline, and so it is.
    refused = outcome.kind in (OutcomeKind.DECLINED, OutcomeKind.REVIEW)
    state = AttemptState.DECLINED if refused else AttemptState.FAILED
    waits = attempt.attention in WAITS_FOR_STAFF
    if state == AttemptState.DECLINED and not is_known_as_declined(attempt, entry):
        # Data that CyberSource refused before any bank was asked, and a cancellation, say nothing about a card.
        transaction.on_commit(lambda: alarm.count_decline(budgets.BudgetHolder.of(attempt)), robust=True)
    if attempt.state not in UNSETTLED_STATES and not waits:
        return Result.SUPERSEDED
    if waits:
        # Nobody knew, and the order was kept for it. Now it is known that nothing is held.
        needs.answered(attempt, outcome.transaction_id or "")
    if waits or attempt.state == AttemptState.UNKNOWN:
        ask_of_others(order, attempt, entry)
    if attempt.state == AttemptState.REPLACED:
        attempt.save(update_fields=["attention"])
        decline_after_all(order, hostname=attempt.hostname)
        return Result.SUPERSEDED
    end(attempt, entry, state=state)
    if waits:
        decline_after_all(order, hostname=attempt.hostname)
    elif orders.fails_with(order, attempt):
        orders.decline(order, hostname=attempt.hostname)
    tell(signals.payment_declined, order, attempt, outcome, entry)
    return Result.SETTLED


def list_hold(order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply) -> None:
    """Ask staff, once a transaction, to release what a declined card may have held on it."""
    charge = (outcome.transaction_id or "", attempt.amount, attempt.currency)
    if needs.hold_left(order, attempt, *charge, entry=entry, card_number=outcome.card_number):
        why = reason_codes.of_code(outcome.reason_code)
        orders.note(order, f"{why.means} {why.advice} ({outcome.transaction_id or '-'})")


def end_its_doubt(attempt: PaymentAttempt, outcome: Outcome) -> None:
    """Of an attempt that ended otherwise staff may have been asked about this very transaction. Now it is known."""
    if attempt.state not in UNSETTLED_STATES and outcome.transaction_id:
        needs.transaction_answered(attempt, outcome.transaction_id)


def ask_of_others(order: Any, attempt: PaymentAttempt, entry: CyberSourceReply) -> None:
    """What is known now is how this transaction ended, not those before it on the same form: staff are asked."""
    if attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN:
        return
    by_transaction: dict[str, list[CyberSourceReply]] = {}
    for other in acted_on(attempt).exclude(transaction_id__in=("", entry.transaction_id)).order_by("pk"):
        by_transaction.setdefault(other.transaction_id, []).append(other)
    for told in by_transaction.values():
        if all(is_in_doubt(other) for other in told):
            ask_about(order, attempt, told[0])


def ask_about(order: Any, attempt: PaymentAttempt, entry: CyberSourceReply) -> bool:
    card = {"transaction_id": entry.transaction_id, "card_number": entry.card_number}
    return needs.flag_and_note(Attention.NO_ANSWER, order, attempt, entry=entry, **card)


def acted_on(attempt: PaymentAttempt) -> QuerySet[CyberSourceReply]:
    """What was told of an attempt before, and believed."""
    told = attempt.replies.exclude(reply_type=ReplyType.REST)
    return told.exclude(result__in=(Result.RECEIVED, Result.REFUSED))


def is_in_doubt(entry: CyberSourceReply) -> bool:
    """Whether a reply leaves open that its transaction was charged. A duplicate of a form (104) never was."""
    outcome = Outcome.from_reply(Reply.from_signed(entry.data))
    return outcome.kind == OutcomeKind.UNKNOWN and outcome.reason_code != 104


def is_known_as_declined(attempt: PaymentAttempt, entry: CyberSourceReply) -> bool:
    """Whether an attempt that goes on, or was replaced or given up, heard of a decline before.

    It counts for limits all the same: whoever replaces an attempt before its form is posted tests a card with it.
    """
    if attempt.state in UNSETTLED_STATES:
        return False
    return attempt.replies.filter(decision=entry.decision, result=Result.SUPERSEDED).exists()


def doubt(order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply) -> Result:
    """The outcome is unknown: neither a decline nor a charge. The basket stays frozen and the attempt open."""
    if attempt.state == AttemptState.OPEN:
        attempt.state = AttemptState.UNKNOWN
        attempt.save(update_fields=["state"])
        message = _("CyberSource could not say how the payment ended (%(why)s). Look it up before charging again.")
        orders.note(order, message % {"why": reason_meaning(outcome.reason_code)})
        return Result.SETTLED
    if attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN:
        return Result.REPEATED
    if attempt.state == AttemptState.REPLACED and not is_looked_into(attempt):
        # The order goes on with another attempt, and nobody would ask again what became of this one.
        return Result.SETTLED if needs.flag_unknown_outcome(Attention.NO_ANSWER, order, attempt) else Result.REPEATED
    return Result.SETTLED if is_news(attempt, entry) and ask_about(order, attempt, entry) else Result.REPEATED


def is_looked_into(attempt: PaymentAttempt) -> bool:
    """Whether it is known that an attempt which was replaced holds nothing, or staff were asked to look it up."""
    return (
        attempt.replies.filter(result=Result.SUPERSEDED).exists()
        or attempt.attention_items.filter(kind=Attention.NO_ANSWER).exists()
    )


def is_news(attempt: PaymentAttempt, entry: CyberSourceReply) -> bool:
    """Whether a doubt is about a transaction of which nothing was told before, on an attempt that is not looked up."""
    if attempt.state == AttemptState.UNKNOWN or not entry.transaction_id or entry.reply_type == ReplyType.REST:
        return False
    if attempt.attention_items.filter(kind=Attention.NO_ANSWER, transaction_id="", date_cleared=None).exists():
        return False  # they look up all of the attempt
    told = acted_on(attempt).filter(transaction_id=entry.transaction_id).exclude(pk=entry.pk)
    return is_in_doubt(entry) and not told.exists()


EFFECTS: dict[OutcomeKind, Callable[[Any, PaymentAttempt, Outcome, CyberSourceReply], Result]] = {
    OutcomeKind.ACCEPTED: accept,
    OutcomeKind.REVIEW: accept,
    OutcomeKind.PARTIAL: accept,
    OutcomeKind.DECLINED: refuse,
    OutcomeKind.INVALID: refuse,
    OutcomeKind.CANCELLED: refuse,
    OutcomeKind.UNKNOWN: doubt,
}


def end(attempt: PaymentAttempt, entry: CyberSourceReply, *, state: str, attention: str = "") -> None:
    attempt.state = state
    if attempt.attention != Attention.KEPT_AUTHORIZATION:  # what was set aside stays so, whatever else arrives
        attempt.attention = attention or attempt.attention
    attempt.settling_reply = entry
    attempt.date_settled = clock.now()
    attempt.save(update_fields=["state", "attention", "settling_reply", "date_settled", "source"])


def tell(
    signal: Any, order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply, **more: Any
) -> None:
    announce(signal, sender=PaymentAttempt, order=order, attempt=attempt, reply=entry, outcome=outcome, **more)


def under_review(attempt: PaymentAttempt, outcome: Outcome) -> str:
    return _(
        "CyberSource holds %(amount)s %(currency)s for review (transaction %(id)s). Wait for the reviewer's decision "
        "before shipping."
    ) % {"amount": outcome.amount, "currency": attempt.currency, "id": outcome.transaction_id}


def to_staff(attempt: PaymentAttempt, outcome: Outcome, attention: str) -> str:
    return _("%(what)s: %(amount)s %(currency)s, transaction %(id)s. %(advice)s") % {
        "what": Attention(attention).label,
        "amount": outcome.amount,
        "currency": attempt.currency,
        "id": outcome.transaction_id,
        "advice": needs.ADVICE[Attention(attention)],
    }
