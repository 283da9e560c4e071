"""Lists of payments: every authorization that was recorded, how it stands, and what is looked for among them.

How a payment stands is worked out by the database of the columns that Oscar keeps on its Source, so that a list of any
length, and a search for one state, is one statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as at_time
from decimal import Decimal
from typing import Any

from django.db.models import Case, CharField, DecimalField, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from oscar.core.loading import get_model

from ..conf import conf
from ..db import clock
from ..models import PaymentOperation
from ..payments import balance
from ..payments.balance import TransactionStatus

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

#: What can be looked for.
STATES = (
    TransactionStatus.HELD,
    TransactionStatus.UNDER_REVIEW,
    TransactionStatus.REJECTED,
    TransactionStatus.PART_CAPTURED,
    TransactionStatus.FULLY_CAPTURED,
    TransactionStatus.PART_REFUNDED,
    TransactionStatus.REFUNDED,
    TransactionStatus.REVERSED,
    TransactionStatus.VOIDED,
)

#: The sums of a Source, exact where Oscar's columns have them rounded.
SUMS = {
    column: Coalesce(
        f"source__cybersource_exact__amount_{column}", f"source__amount_{column}", output_field=DecimalField()
    )
    for column in ("debited", "refunded", "allocated")
}
DEBITED, REFUNDED, HELD = (f"exactly_{column}" for column in SUMS)

#: The same word as :attr:`~cybersource.payments.balance.PaymentBalance.stands`, which reads every row of a payment.
STANDS = Case(
    When(status=Transaction.REVIEW, then=Value(TransactionStatus.UNDER_REVIEW.value)),
    When(status=balance.REJECT, then=Value(TransactionStatus.REJECTED.value)),
    When(status=balance.REVERSED, then=Value(TransactionStatus.REVERSED.value)),
    When(status=balance.VOIDED, then=Value(TransactionStatus.VOIDED.value)),
    When(~Q(status__in=balance.MONEY_STATUSES), then=Value(TransactionStatus.FAILED.value)),
    When(**{f"{HELD}__gt": F(DEBITED), f"{DEBITED}__gt": 0}, then=Value(TransactionStatus.PART_CAPTURED.value)),
    When(**{f"{HELD}__gt": F(DEBITED)}, then=Value(TransactionStatus.HELD.value)),
    When(**{f"{DEBITED}__lte": 0}, then=Value(TransactionStatus.REVERSED.value)),
    When(**{f"{REFUNDED}__gte": F(DEBITED)}, then=Value(TransactionStatus.REFUNDED.value)),
    When(**{f"{REFUNDED}__gt": 0}, then=Value(TransactionStatus.PART_REFUNDED.value)),
    default=Value(TransactionStatus.FULLY_CAPTURED.value),
    output_field=CharField(),
)


@dataclass(frozen=True, kw_only=True)
class PaymentFilter:
    """What is looked for. Nothing set finds everything."""

    #: An order's number, the id of any transaction, an operation's reference number, or the shop's own for it.
    words: str = ""
    order: str = ""  #: its number
    state: str = ""
    last4: str = ""
    since: date | datetime | None = None
    until: date | datetime | None = None  #: that day included; before that moment
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    currency: str = ""


def payments() -> QuerySet[Any]:
    """Every authorization of CyberSource's, as far as a list shows it."""
    ours = Q(log__isnull=False) | Q(source__source_type__name=conf.source_type)
    rows = Transaction.objects.filter(ours, txn_type=Transaction.AUTHORISE)
    rows = rows.alias(**{f"exactly_{column}": sum_ for column, sum_ in SUMS.items()}).annotate(stands=STANDS)
    exact = ("cybersource_exact", "source__cybersource_exact")
    return rows.select_related("source__order", *exact).defer("request_token")  # type: ignore[no-any-return]


def found(wanted: PaymentFilter) -> QuerySet[Any]:
    rows = payments()
    if wanted.words:
        named = Q(source__order__number=wanted.words) | Q(reference=wanted.words)
        named |= Q(source__in=Source.objects.filter(transactions__reference=wanted.words).values("pk"))
        operations = PaymentOperation.objects.filter(
            Q(reference_number=wanted.words) | Q(reference=wanted.words), source__isnull=False
        )
        rows = rows.filter(named | Q(source__in=operations.values("source")))
    if wanted.order:
        rows = rows.filter(source__order__number=wanted.order)
    if wanted.currency:
        rows = rows.filter(source__currency=wanted.currency)
    if wanted.state:
        rows = rows.filter(stands=wanted.state)
    if wanted.last4:
        rows = rows.filter(source__label__endswith=wanted.last4)
    if wanted.since:
        rows = rows.filter(date_created__gte=moment(wanted.since))
    if wanted.until:
        rows = rows.filter(date_created__lt=moment(day_after(wanted.until)))
    if wanted.at_least is not None:
        rows = rows.filter(amount__gte=wanted.at_least)
    if wanted.at_most is not None:
        rows = rows.filter(amount__lte=wanted.at_most)
    return rows


def day_after(day: date | datetime) -> date | datetime:
    """The moment itself, or the next day; of the calendar's last day that day, which has no next one."""
    return day if isinstance(day, datetime) or day == date.max else day + timedelta(days=1)


def moment(day: date | datetime) -> datetime:
    """The moment itself, or when a day begins in the reader's time zone."""
    if isinstance(day, datetime):
        return day
    return timezone.make_aware(datetime.combine(day, at_time.min))


# -- reviews -------------------------------------------------------------------------------------------------------


def under_review() -> QuerySet[Any]:
    """What waits for a reviewer."""
    return payments().filter(status=Transaction.REVIEW)


def hold_ends(hold: Any) -> datetime:
    """When the bank is likely to give up a hold. A doubt: see :attr:`~cybersource.conf.Settings.hold_days`."""
    return (hold.processed_datetime or clock.aware(hold.date_created)) + timedelta(days=conf.hold_days)  # type: ignore[no-any-return]
