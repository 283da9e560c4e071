"""An attempt without an answer ends automatically once it has waited long enough.

Where no charge can exist the order is given up, as by a decline: the basket is the shopper's again. Where the card may
have been charged the order stays as it is, and staff are asked to look.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils.translation import gettext as _
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from ..conf import conf
from ..db import clock, paging
from ..models import (
    UNSETTLED_STATES,
    WAITS_FOR_STAFF,
    AttemptState,
    Attention,
    AttentionItem,
    CyberSourceReply,
    PaymentAttempt,
    ReplyType,
)
from ..protocol import TransactionType
from . import attention as needs
from . import balance as payment_balance
from . import orders
from .balance import PaymentBalance

OrderStatusChange = get_model("order", "OrderStatusChange")
Source = get_model("payment", "Source")

logger = logging.getLogger(__name__)

#: Orders looked up at a time; each is settled in a transaction of its own.
BATCH = 200

DECLINED = checkout_settings.ORDER_STATUS_PAYMENT_DECLINED


class ExpiryResult(StrEnum):
    """What became of an order whose attempts had waited long enough."""

    GIVEN_UP = "given up, no charge possible"
    LEFT_TO_STAFF = "left to staff"
    ENDED = "not waiting for payment, attempts ended"
    ANSWERED = "answered, to be recorded by cybersource_reprocess"
    NOT_DUE = "answered or shown again meanwhile"
    BUSY = "held by another process, next time"
    FAILED = "failed, next time"


def expire(*, at: datetime | None = None, dry_run: bool = False) -> Counter[ExpiryResult]:
    """End every attempt whose form was last signed longer ago than ``CYBERSOURCE_ATTEMPT_TIMEOUT``.

    Returns how many orders ended how. Safe at any time and on several machines at once: an order that another process
    holds is passed over, and one that ended is not due again. ``dry_run`` counts the same and changes nothing.
    """
    cutoff = clock.at_or_now(at) - conf.attempt_timeout
    counts: Counter[ExpiryResult] = Counter()
    for order_id in orders_due(cutoff):
        try:
            counts[end_attempts(order_id, cutoff, dry_run=dry_run)] += 1
        except OperationalError:
            logger.warning("Order %s met a conflicting transaction; its attempts end next time.", order_id)
            counts[ExpiryResult.FAILED] += 1
        except Exception:  # one bad order must not keep the others waiting
            logger.exception("The attempts of order %s could not be ended; they are tried again next time.", order_id)
            counts[ExpiryResult.FAILED] += 1
    if not dry_run:
        list_held_in_vain(cutoff)
        list_forgotten(cutoff)
        list_superfluous(cutoff)
        clear_paid_rests()
        needs.clear_lapsed_holds(clock.at_or_now(at))
        recorded = AttentionItem.objects.filter(kind=Attention.UNRECORDED, reply__isnull=False)
        needs.clear(
            recorded.exclude(reply__result=CyberSourceReply.Result.RECEIVED), _("The answer has been recorded.")
        )
    return counts


def orders_due(cutoff: datetime) -> Iterator[int]:
    """The orders with attempts that wait and are old, each once, looked up in batches."""
    due = PaymentAttempt.objects.filter(state__in=UNSETTLED_STATES, date_signed__lt=cutoff)
    orders_of_them = due.values_list("order_id", flat=True).distinct()
    for batch in paging.batches(orders_of_them, size=BATCH, by="order_id", key=int):
        yield from batch


def list_held_in_vain(cutoff: datetime) -> None:
    """List what is held or taken for orders which were declined since, as when the order's other card failed, or
    cancelled and nobody noticed (:mod:`cybersource.payments.cancellation`).

    A charge that is listed for any reason, cleared or not, is not listed again.
    """
    since = cutoff - needs.LOOKED_BACK
    attempts = PaymentAttempt.objects.filter(order=OuterRef("order"))
    ended = OrderStatusChange.objects.filter(
        date_created__gt=since,
        new_status__in=(checkout_settings.ORDER_STATUS_PAYMENT_DECLINED, checkout_settings.ORDER_STATUS_CANCELED),
    )
    held = payment_balance.with_money().filter(
        # A declined shopper may be trying again; what was cancelled stays so.
        Q(~Exists(attempts.filter(date_signed__gte=cutoff)), order__status=DECLINED)
        | Q(order__status=checkout_settings.ORDER_STATUS_CANCELED),
        Exists(attempts.filter(date_created__gt=since)) | Q(order__in=ended.values("order")),
        ~Exists(AttentionItem.objects.filter(order=OuterRef("order"), transaction_id=OuterRef("reference"))),
    )
    list_each(held, lambda order, payment: not order_goes_on(order) and not is_listed(order, payment))


def order_goes_on(order: Any) -> bool:
    return not orders.is_declined(order) and not orders.is_cancelled(order)


def is_listed(order: Any, payment: PaymentBalance) -> bool:
    return AttentionItem.objects.filter(order=order, transaction_id=payment.source.reference).exists()


def list_forgotten(cutoff: datetime) -> None:
    """List what is held for orders that wait for payment although nothing of them goes on, and nobody was asked."""
    # What a rejected payment has left on a card says nothing of what is held for the order.
    asked = AttentionItem.objects.filter(order=OuterRef("order"), date_cleared=None).exclude(kind=Attention.HOLD_LEFT)
    attempts = PaymentAttempt.objects.filter(order=OuterRef("order"))
    held = payment_balance.with_money().filter(
        ~Exists(asked),
        ~Exists(attempts.filter(date_signed__gte=cutoff)),
        order__status=checkout_settings.ORDER_STATUS_PENDING,
    )
    list_each(held, lambda order, payment: not payment.is_set_aside and is_forgotten(order))


def list_superfluous(cutoff: datetime) -> None:
    """List payments that orders do not need which were paid since, by whichever method: what is left covers them.

    Where the shop itself recorded the last payment that was seen at once.
    """
    paid = OrderStatusChange.objects.filter(
        date_created__gt=cutoff - needs.LOOKED_BACK, new_status=checkout_settings.ORDER_STATUS_AUTHORIZED
    )
    every = Source.objects.filter(order=OuterRef("order")).order_by().values("order")
    sums = every.annotate(together=Sum(payment_balance.left_in_sql()))
    held = payment_balance.with_money().filter(
        ~Exists(AttentionItem.objects.filter(order=OuterRef("order"), transaction_id=OuterRef("reference"))),
        order__in=paid.values("order"),
        order__total_incl_tax__lt=Subquery(sums.values("together")),
    )
    list_each(held, is_superfluous, tell=needs.in_excess)


def is_superfluous(order: Any, payment: PaymentBalance) -> bool:
    """Whether nobody was asked about a payment that a paid order does not need."""
    if orders.awaits_payment(order) or orders.is_cancelled(order) or is_listed(order, payment):
        return False
    balance = orders.balance(order)
    surplus = balance.covered(order) - order.total_incl_tax
    return payment.source.pk in {one.source.pk for one in balance.superfluous(surplus)}


def list_each(
    held: QuerySet[Any],
    is_in_vain: Callable[[Any, PaymentBalance], bool],
    *,
    tell: Callable[[Any, PaymentBalance], bool] = needs.held_in_vain,
) -> None:
    """List what is left of each of these Sources, with its order's row locked and looked at once more."""
    for source_id, order_id in held.order_by("pk").values_list("pk", "order_id"):
        with transaction.atomic(), orders.in_the_shops_language():
            order = orders.locked_if_free(order_id)
            payments = orders.balance(order).payments if order else ()
            for payment in payments:
                if payment.source.pk == source_id and payment.kept and is_in_vain(order, payment):
                    tell(order, payment)


def clear_paid_rests() -> None:
    """An order that waits for payment no more needs nobody to collect its rest, once what counts covers it. What is
    held for one that was declined is listed as such; of one that was cancelled staff are asked to give it back."""
    rests = AttentionItem.objects.filter(kind=Attention.UNPAID_REST, date_cleared=None)
    waits = (checkout_settings.ORDER_STATUS_PENDING, DECLINED, checkout_settings.ORDER_STATUS_CANCELED)
    paid = [
        item.pk
        for item in rests.exclude(order__status__in=waits).select_related("order")
        if item.order is None or orders.money_held(item.order) >= item.order.total_incl_tax
    ]
    needs.clear(rests.filter(pk__in=paid), _("The order was paid."))
    declined = rests.filter(order__status=DECLINED, transaction_id="")
    needs.clear(declined, _("The order was given up."))


@transaction.atomic
def end_attempts(order_id: int, cutoff: datetime, *, dry_run: bool = False) -> ExpiryResult:
    """End the attempts of one order, all of them together, with the order's and then their rows locked."""
    order = orders.locked_if_free(order_id)
    if order is None:
        return ExpiryResult.BUSY
    waiting = list(
        PaymentAttempt.objects.select_for_update(of=("self",), no_key=True)
        .select_related("token")
        .filter(order=order, state__in=UNSETTLED_STATES)
        .order_by("pk")
    )
    # As long as the shopper is still at one of the order's forms, the others wait with it.
    if not waiting or any(attempt.date_signed >= cutoff for attempt in waiting):
        return ExpiryResult.NOT_DUE
    with orders.in_the_shops_language():
        ending = record_unacted(order, waiting, cutoff) or record_end(order, waiting, dry_run=dry_run)
    if dry_run:
        transaction.set_rollback(True)
    return ending


def record_unacted(order: Any, waiting: Sequence[PaymentAttempt], cutoff: datetime) -> ExpiryResult | None:
    """An answer that came and was not acted on decides, not the clock. Staff learn of one that stays unrecorded."""
    unacted = CyberSourceReply.objects.filter(
        Q(attempt__in=waiting) | Q(decision__in=needs.HOLD_MONEY),
        attempt__order=order,
        result=CyberSourceReply.Result.RECEIVED,
    )
    entry = unacted.select_related("attempt__token").order_by("pk").first()
    if entry is None:
        return None
    if entry.date_created < cutoff:
        needs.flag(
            Attention.UNRECORDED,
            order,
            entry.attempt,
            entry=entry,
            transaction_id=entry.transaction_id,
            card_number=entry.card_number,
        )
    return ExpiryResult.ANSWERED


def record_end(order: Any, waiting: Sequence[PaymentAttempt], *, dry_run: bool = False) -> ExpiryResult:
    """The attempts end; so does the order, unless a charge may exist or other money is held for it."""
    kept_for_it = orders.awaits_payment(order) and not orders.is_declined(order)
    PaymentAttempt.objects.filter(pk__in=[attempt.pk for attempt in waiting]).update(
        state=AttemptState.EXPIRED, date_settled=clock.now()
    )
    # An order that does not wait for a form that nobody answered is not asked about; an unknown outcome always is.
    doubtful = [
        attempt
        for attempt in waiting
        if may_be_charged(attempt) and (kept_for_it or attempt.state == AttemptState.UNKNOWN)
    ]
    if kept_for_it:
        doubtful += replaced_unheard(order)
    for attempt in doubtful:
        needs.flag_unknown_outcome(Attention.NO_ANSWER, order, attempt)
    if not kept_for_it:
        return ExpiryResult.LEFT_TO_STAFF if doubtful else ExpiryResult.ENDED
    if decline_unless_charged(order, hostname=waiting[-1].hostname, dry_run=dry_run):
        orders.note(order, _("No answer came to the card payment, and no charge can exist: the order was given up."))
        return ExpiryResult.GIVEN_UP
    if not doubtful and orders.may_be_released(order):
        return ExpiryResult.ENDED  # its reviewers decide about it
    for attempt in waiting:
        if attempt not in doubtful:
            needs.flag_unknown_outcome(Attention.UNPAID_REST, order, attempt)
    return ExpiryResult.LEFT_TO_STAFF


def replaced_unheard(order: Any) -> list[PaymentAttempt]:
    """Attempts that gave way to another after their form was shown, and of which nothing was ever heard.

    The shopper may have posted that form before the retry, and both answers may have been lost.
    """
    asked = AttentionItem.objects.filter(attempt=OuterRef("pk"), kind=Attention.NO_ANSWER)
    answered = CyberSourceReply.objects.filter(attempt=OuterRef("pk")).exclude(result=CyberSourceReply.Result.REFUSED)
    # A call of ours is logged before it leaves.
    answered = answered.exclude(reply_type=ReplyType.REST, outcome__in=("", CyberSourceReply.RestOutcome.UNKNOWN))
    replaced = PaymentAttempt.objects.filter(
        ~Exists(asked), ~Exists(answered), order=order, state=AttemptState.REPLACED, date_shown__isnull=False
    )
    return [attempt for attempt in replaced.select_related("token").order_by("pk") if may_be_charged(attempt)]


def may_be_charged(attempt: PaymentAttempt) -> bool:
    """Whether CyberSource may have charged the card although no answer came.

    Storing a card moves no money, and a form that never left the shop cannot have been posted.
    """
    if attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN:
        return False
    return attempt.state == AttemptState.UNKNOWN or attempt.date_shown is not None


def decline_after_all(order: Any, *, hostname: str = "") -> None:
    """An answer that the order waited for came late, and was no. That declines it, as it would have done in time.

    What other cards hold for it is listed. Not where something of the order goes on, or is with staff already. The
    order's row is locked by the caller.
    """
    if decline_unless_charged(order, hostname=hostname) or not (is_forgotten(order) and is_all_ours(order)):
        return
    orders.decline(order, hostname=hostname)
    for payment in orders.balance(order).payments:
        if payment.kept and not payment.is_set_aside:
            needs.held_in_vain(order, payment)


def is_forgotten(order: Any) -> bool:
    """Whether an order waits for payment although nothing of it is under way, and nobody was asked about it."""
    if not orders.awaits_payment(order) or orders.is_declined(order):
        return False
    pending = in_doubt() | Exists(open_items(Attention.UNPAID_REST))
    return not PaymentAttempt.objects.filter(pending, order=order).exists() and not orders.may_be_released(order)


def is_all_ours(order: Any) -> bool:
    """Whether all of the order was to be paid by attempts of ours: else another app's method may be under way."""
    asked = PaymentAttempt.objects.filter(order=order).order_by().values("method_key").annotate(most=Max("amount"))
    return sum(asked.values_list("most", flat=True)) >= order.total_incl_tax


def in_doubt() -> Q:
    """Of attempts: those that are under way, or may have charged a card of which nothing is recorded."""
    asked = open_items(Attention.NO_ANSWER)
    return Q(state__in=UNSETTLED_STATES) | Q(attention=Attention.NO_ANSWER) | Exists(asked) | Exists(stored_charges())


def open_items(kind: Attention) -> QuerySet[AttentionItem]:
    """Of an attempt: what staff are asked of this kind."""
    return AttentionItem.objects.filter(attempt=OuterRef("pk"), kind=kind, date_cleared=None)


def stored_charges() -> QuerySet[CyberSourceReply]:
    """Of an attempt: charges that came and could not take effect yet."""
    return CyberSourceReply.objects.filter(
        attempt=OuterRef("pk"), result=CyberSourceReply.Result.RECEIVED, decision__in=needs.HOLD_MONEY
    )


def decline_unless_charged(order: Any, *, hostname: str = "", dry_run: bool = False) -> bool:
    """Decline an order that waits for payment, once nothing of it is under way, held or in doubt. True when it was.

    The order's row is locked by the caller.
    """
    if not orders.awaits_payment(order) or orders.is_declined(order):
        return False
    attempts = PaymentAttempt.objects.filter(order=order)
    if attempts.filter(in_doubt()).exists() or orders.balance(order).in_play:
        return False
    if dry_run:  # nobody hears of a status that the order never gets
        return True
    orders.decline(order, hostname=hostname)
    attempts.filter(attention__in=WAITS_FOR_STAFF).update(attention=Attention.NONE)
    rest = AttentionItem.objects.filter(order=order, kind=Attention.UNPAID_REST)
    needs.clear(rest, _("The order was given up."))
    return True
