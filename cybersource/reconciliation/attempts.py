"""Payments whose answer was lost are found at CyberSource and settled as if it had come.

    attempt without an answer -> searched for by its order's number -> looked up -> Outcome -> settled as every reply

What is found is matched to exactly one attempt or to none: nothing is guessed, and on an account that is shared a
number and an amount prove nothing. A row of a search says only where to look: what counts is the look-up. What
matches no attempt is listed by :mod:`cybersource.reconciliation.comparison`. Where CyberSource knows no payment, long
after the form could last be posted, the order is given up. Callers must not hold a transaction open.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model

from ..conf import conf
from ..db import clock, locks
from ..gateway import lookup
from ..gateway.lookup import FoundTransaction, GatewayNoAnswer
from ..models import (
    UNSETTLED_STATES,
    AttemptState,
    Attention,
    AttentionItem,
    CyberSourceReply,
    PaymentAttempt,
    PaymentOperation,
    ReplyType,
    clipped,
)
from ..payments import attention_list, ledger, orders, settlement
from ..protocol import Decision, Outcome, OutcomeKind, Reply, TransactionType
from ..protocol.rest import (
    Answer,
    GatewayStatus,
    TransactionKind,
    act_of,
    awaits_shopper,
    charge_outcome,
    fate_of,
    is_sale,
    never_ran,
)
from ..reviews import matching

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

Result = CyberSourceReply.Result

#: An answer that is on its way needs no search.
QUIET = timedelta(minutes=5)

#: How long after it was signed a form is taken, and how far clocks may differ. Source: Secure Acceptance guide.
FORM_LIFE = timedelta(minutes=15)
CLOCKS_DIFFER = timedelta(minutes=5)

#: How long a shopper may be at the bank's own page: until then a payment that was sent there has not ended.
CHALLENGE_LIFE = timedelta(minutes=5)

#: How long after a form could last be posted a search that finds nothing is believed. How far the index lags behind is
#: not documented; a charge that shows later all the same is settled as one that came late, and staff are told.
BELIEVED_AFTER = timedelta(hours=1)
#: The same where CyberSource had said of the payment that it could not say.
DOUBT_BELIEVED_AFTER = timedelta(hours=24)

#: States of attempts that no answer came to.
UNANSWERED = (*UNSETTLED_STATES, AttemptState.REPLACED, AttemptState.EXPIRED)


#: What a form asks for.
CHARGES = (TransactionKind.CHARGE, TransactionKind.TOKEN)


class MatchResult(StrEnum):
    """What became of one order whose attempts were looked for."""

    SETTLED = "answers found and settled"
    UNCLEAR = "a charge found that fits no attempt, or several"
    GIVEN_UP = "no payment found, no longer in doubt"
    NOTHING = "nothing found yet"
    WOULD_BE_SETTLED = "answers found"


def adopt_lost(*, at: datetime | None = None, days: int = 3, dry_run: bool = False) -> Counter[str]:
    """Look for every attempt of the last ``days`` that no answer came to. Returns how many orders ended how.

    Safe at any time and on several machines at once: what is settled twice is settled once.
    """
    at = clock.at_or_now(at)
    waiting = attempts_in_doubt(at, at - timedelta(days=days))
    return lookup.go_round(
        searched(waiting, at), lambda asked: settle_order(asked.attempts, asked.found(), at, dry_run=dry_run)
    )


def attempts_in_doubt(at: datetime, since: datetime) -> dict[int, list[PaymentAttempt]]:
    """By order, the attempts of which nobody knows whether their card was charged."""
    shown = Q(state__in=UNSETTLED_STATES, date_shown__isnull=False)
    rows = PaymentAttempt.objects.filter(
        shown | Q(attention=Attention.NO_ANSWER),
        channel=PaymentAttempt.Channel.SECURE_ACCEPTANCE,
        date_signed__lt=at - QUIET,
        date_created__gt=since,
    )
    by_order: dict[int, list[PaymentAttempt]] = {}
    for attempt in rows.order_by("order", "pk"):
        by_order.setdefault(attempt.order_id, []).append(attempt)
    return by_order


@dataclass(frozen=True, kw_only=True)
class OrderSearch:
    """The attempts of one order, and how to learn what CyberSource knows under their reference numbers."""

    attempts: list[PaymentAttempt]
    found: Callable[[], list[Answer]]


def searched(waiting: dict[int, list[PaymentAttempt]], at: datetime) -> Iterator[OrderSearch]:
    """Each order's attempts with what is known of them: many orders in one search, where their numbers allow it."""
    groups: list[list[PaymentAttempt]] = []
    for group in waiting.values():
        if all(lookup.is_searchable(one.reference_number) for one in group):
            groups.append(group)
        else:
            yield OrderSearch(attempts=group, found=partial(found_in_their_time, group))
    for first in range(0, len(groups), lookup.TOGETHER):
        asked = groups[first : first + lookup.TOGETHER]
        try:
            found = found_together([one for group in asked for one in group], at)
        except GatewayNoAnswer as problem:
            if problem.is_silence:
                raise lookup.GatewayUnavailable(str(problem)) from None
            # One of them may be what is not answered: each is asked about on its own.
            for group in asked:
                yield OrderSearch(attempts=group, found=partial(found_together, group, at))
            continue
        for group in asked:
            own = {one.reference_number for one in group}
            rows = [answer for answer in found if answer.reference_number in own]
            yield OrderSearch(attempts=group, found=partial(list, rows))


def found_together(attempts: Sequence[PaymentAttempt], at: datetime) -> list[Answer]:
    numbers = sorted({one.reference_number for one in attempts})
    return lookup.search(numbers, since=min(one.date_created for one in attempts), at=at)


def found_in_their_time(attempts: Sequence[PaymentAttempt]) -> list[Answer]:
    """Of all that CyberSource did while the attempts' forms could be posted, what has their numbers."""
    start = min(one.date_created for one in attempts) - CLOCKS_DIFFER
    end = max(one.date_signed for one in attempts) + FORM_LIFE + 2 * CLOCKS_DIFFER
    return lookup.search_within([one.reference_number for one in attempts], start, end)


def settle_order(
    in_doubt: Sequence[PaymentAttempt], found: Sequence[Answer], at: datetime, *, dry_run: bool = False
) -> MatchResult:
    """Settle what was found of one order and is not known here."""
    order_id = in_doubt[0].order_id
    # A row that names no service may be anything: its look-up tells.
    charges = [each for each in found if act_of(each) in CHARGES or not each.applications]
    known = known_ids(order_id, charges)
    fresh = [each for each in charges if each.id not in known and (has_ended(each, at) or not each.applications)]
    if dry_run:
        return MatchResult.WOULD_BE_SETTLED if fresh else MatchResult.NOTHING
    seen = looked_up_before(charges)
    taken = [settle_one(order_id, each, at, seen) for each in fresh]
    if AdoptedPayment.UNCLEAR in taken:
        return MatchResult.UNCLEAR
    if AdoptedPayment.SETTLED in taken:
        return MatchResult.SETTLED
    open_ends = [each for each in charges if each.applications and not has_ended(each, at)]
    if any(one.state == AttemptState.OPEN for one in in_doubt):
        for each in open_ends:
            if fate_of(each) is GatewayStatus.UNKNOWN and each.id not in known:
                settle_one(order_id, each, at, seen)
    # A transaction that CyberSource itself cannot tell the end of is still in doubt.
    if open_ends or not give_up(in_doubt, at):
        return MatchResult.NOTHING
    return MatchResult.GIVEN_UP


def has_ended(answer: Answer, at: datetime) -> bool:
    """Whether it is said how a payment ended, and its shopper is not at the bank's page any more."""
    if fate_of(answer) is GatewayStatus.UNKNOWN:
        return False
    return not (awaits_shopper(answer) and answer.submitted_at and at - answer.submitted_at < CHALLENGE_LIFE)


def known_ids(order_id: int, found: Iterable[Answer]) -> set[str]:
    """Of the transactions found, those whose end was told or recorded here before."""
    ids = [each.id for each in found]
    known = set(Transaction.objects.filter(reference__in=ids).values_list("reference", flat=True))
    known |= set(PaymentOperation.objects.filter(request_id__in=ids).values_list("request_id", flat=True))
    told = CyberSourceReply.objects.filter(transaction_id__in=ids).exclude(result=Result.SENT)
    for entry in told.only("transaction_id", "reply_type", "decision", "data"):
        if entry.reply_type == ReplyType.REST:  # found before: how it ended, or that nobody knows that yet
            if entry.decision != Decision.ERROR:
                known.add(entry.transaction_id)
        elif Outcome.from_reply(Reply.from_signed(entry.data)).kind is not OutcomeKind.UNKNOWN:
            known.add(entry.transaction_id)
    return known


class AdoptedPayment(StrEnum):
    """What a payment that was found came to here."""

    SETTLED = "settled"
    UNCLEAR = "it fits no attempt, or several"
    NOTHING = "nothing is held by it, whichever attempt it was"


def looked_up_before(found: Iterable[Answer]) -> set[str]:
    told = CyberSourceReply.objects.filter(
        transaction_id__in=[each.id for each in found], reply_type=ReplyType.REST, result=Result.SENT
    )
    return set(told.values_list("transaction_id", flat=True))


def settle_one(order_id: int, found: Answer, at: datetime, seen: Set[str]) -> AdoptedPayment:
    """Look one payment up and settle it. Unclear also where the look-up does not know it yet.

    One that was looked up before, and fits no attempt by what its row says, tells nothing new.
    """
    if found.id in seen and found.applications and match(order_id, found) is None:
        return AdoptedPayment.UNCLEAR
    looked = lookup.look_up(found.id, order=Order(pk=order_id))
    return settle_found(order_id, looked, at) if looked else AdoptedPayment.UNCLEAR


def adopt_found(looked: FoundTransaction) -> bool:
    """Settle a payment that was looked up, if it is this shop's and new. False: nobody knows yet how it ended."""
    now = clock.now()
    if not has_ended(looked.answer, now):
        return False
    attempts = PaymentAttempt.objects.filter(reference_number=looked.answer.reference_number)
    order_id = attempts.order_by("pk").values_list("order", flat=True).first()
    if order_id is not None and looked.answer.id not in known_ids(order_id, [looked.answer]):
        taken = settle_found(order_id, looked, now)
        # What cannot be told apart by a look-up may be by the shopper's own reply, which is on its way.
        return taken is not AdoptedPayment.UNCLEAR or not is_young(looked.answer, now)
    return True


def is_young(answer: Answer, at: datetime) -> bool:
    return answer.submitted_at is not None and at - answer.submitted_at < QUIET


def settle_found(order_id: int, looked: FoundTransaction, at: datetime) -> AdoptedPayment:
    """Settle a payment by its look-up. That nobody knows its end is news only where the first answer is awaited."""
    if act_of(looked.answer) not in CHARGES and looked.answer.applications:
        return AdoptedPayment.NOTHING
    attempt = match(order_id, looked.answer)
    if not has_ended(looked.answer, at):
        if (
            attempt is not None
            and attempt.state == AttemptState.OPEN
            and fate_of(looked.answer) is GatewayStatus.UNKNOWN
        ):
            enter(looked, attempt)
        return AdoptedPayment.UNCLEAR
    if attempt is not None:
        enter(looked, attempt)
        return AdoptedPayment.SETTLED
    if fate_of(looked.answer) is GatewayStatus.DONE and not is_another_shops(order_id, looked.answer):
        return AdoptedPayment.UNCLEAR
    CyberSourceReply.objects.filter(pk=looked.entry.pk).update(result=Result.NOT_OURS)  # and is not looked at again
    return AdoptedPayment.NOTHING


def is_another_shops(order_id: int, answer: Answer) -> bool:
    """Whether a payment under an order's number is another shop's on the account: no attempt asked for such a one."""
    return conf.account_is_shared and not any(looks_like(one, answer) for one in candidates(order_id))


def match(order_id: int, answer: Answer) -> PaymentAttempt | None:
    """The one attempt that a payment answers; None when there is none, or more than one.

    Attempts that were answered are asked last: their form is a duplicate for as long as CyberSource would take it.
    """
    fitting = [one for one in candidates(order_id) if fits(one, answer)]
    unanswered = [one for one in fitting if one.state in UNANSWERED]
    chosen = unanswered or fitting
    return chosen[0] if len(chosen) == 1 else None


def candidates(order_id: int) -> list[PaymentAttempt]:
    attempts = PaymentAttempt.objects.filter(order=order_id, channel=PaymentAttempt.Channel.SECURE_ACCEPTANCE)
    return list(attempts.select_related("token").order_by("pk"))


def fits(attempt: PaymentAttempt, answer: Answer) -> bool:
    """Whether a payment is the one that an attempt asked for.

    On an account that several shops share another one's order may have the same number and amount: there it has to be
    made under the attempt's own id, or with its own token.
    """
    if answer.idempotency_id and answer.idempotency_id == attempt.transaction_uuid:
        return True
    if not looks_like(attempt, answer):
        return False
    if not conf.account_is_shared:
        return True
    return attempt.token is not None and bool(answer.token) and attempt.token.token == answer.token


def looks_like(attempt: PaymentAttempt, answer: Answer) -> bool:
    """Whether a payment has what an attempt asked for: its number, amount, currency, kind, and was made in its time."""
    if answer.reference_number != attempt.reference_number:
        return False
    if answer.submitted_at is None or attempt.date_shown is None and attempt.state != AttemptState.UNKNOWN:
        return False
    begun = attempt.date_created - CLOCKS_DIFFER
    if not begun <= answer.submitted_at <= attempt.date_signed + FORM_LIFE + CLOCKS_DIFFER:
        return False
    if act_of(answer) is TransactionKind.TOKEN:
        return attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN
    if attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN:
        return False
    # A sale that is under review, or was declined, has taken nothing; every other one has.
    outcome = charge_outcome(answer, asked=attempt.amount, currency=attempt.currency)
    took_nothing = outcome.kind not in (OutcomeKind.ACCEPTED, OutcomeKind.PARTIAL)
    if is_sale(answer) != (attempt.transaction_type in ledger.SALES) and not (took_nothing and not is_sale(answer)):
        return False
    if never_ran(answer) and (answer.total_amount, answer.currency) == (None, ""):
        return True  # no bank was asked for anything, so none is told
    return (answer.total_amount, answer.currency) == (attempt.amount, attempt.currency)


@sensitive_variables()
def enter(found: FoundTransaction, attempt: PaymentAttempt) -> str:
    """Let what was looked up take effect, by the way of every reply. Its log row becomes the reply's."""
    outcome = charge_outcome(found.answer, asked=attempt.amount, currency=attempt.currency)
    result = locks.retry_on_conflict(lambda: _enter(found.entry.pk, attempt, outcome))
    matching.apply_told_before(outcome, log_row=found.entry.pk)
    return result


@sensitive_variables()
@transaction.atomic
def _enter(entry_id: int, attempt: PaymentAttempt, outcome: Outcome) -> str:
    # In one commit with its effect: a row that waits to be acted on holds what CyberSource signed, and this does not.
    entry = CyberSourceReply.objects.select_related("order").get(pk=entry_id)
    told = clipped(
        CyberSourceReply,
        decision=(outcome.decision or Decision.ERROR).value,
        transaction_uuid=attempt.transaction_uuid,
        reference_number=attempt.reference_number,
        currency=outcome.currency or "",
        card_number=outcome.card_number,
        card_type=outcome.card_type,
        card_expiry_date=outcome.card_expiry,
    )
    for name, value in told.items():
        setattr(entry, name, value)
    entry.reason_code = outcome.reason_code
    entry.amount, entry.auth_amount = attempt.amount, outcome.amount
    entry.attempt, entry.order_id, entry.result = attempt, attempt.order_id, Result.RECEIVED
    entry.user_id = Order.objects.values_list("user", flat=True).get(pk=attempt.order_id)
    entry.signed_date_time = outcome.auth_at
    entry.save()
    return str(settlement.settle(entry, outcome))


# -- nothing was charged -----------------------------------------------------------------------------------------------


def give_up(in_doubt: Sequence[PaymentAttempt], at: datetime) -> bool:
    """Let staff's question rest where CyberSource knows no payment, and the order with it. True when one did."""
    asked = [one for one in in_doubt if one.attention == Attention.NO_ANSWER]
    if not asked or any(not is_believed(one, at) for one in in_doubt):
        return False
    return _give_up(in_doubt[0].order_id, [one.pk for one in asked])


def is_believed(attempt: PaymentAttempt, at: datetime) -> bool:
    told = attempt.replies.exclude(result__in=(Result.SENT, Result.NOT_OURS, Result.REFUSED)).exists()
    wait = DOUBT_BELIEVED_AFTER if told else BELIEVED_AFTER
    return at - attempt.date_signed > FORM_LIFE + CLOCKS_DIFFER + wait


@transaction.atomic
def _give_up(order_id: int, attempts: Sequence[int]) -> bool:
    order = orders.locked_if_free(order_id)
    if order is None:
        return False
    answered = CyberSourceReply.objects.filter(attempt=OuterRef("attempt"), result=Result.RECEIVED)
    items = AttentionItem.objects.filter(
        ~Exists(answered), attempt__in=attempts, kind=Attention.NO_ANSWER, transaction_id="", date_cleared=None
    )
    asked = list(items.select_related("attempt").order_by("pk"))
    with orders.in_the_shops_language():
        reason = _("CyberSource knows no payment under this reference number: nothing was charged.")
        AttentionItem.objects.filter(pk__in=[one.pk for one in asked]).update(
            date_cleared=clock.now(), reason=reason[:255]
        )
        for item in asked:
            orders.note(order, f"{item.reference_number}: {reason}")
            attention_list.give_up(order, item)
    return bool(asked)
