"""What staff should see of an order's card payments: read from the rows, changing none of them.

A constant number of statements, however many attempts, operations and replies there are; two for an order without any.
What is read is what may be shown: no token, no session hash, no address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.postgres.fields.hstore import KeyTransform
from django.db.models import Case, F, When
from oscar.core.loading import get_model

from ...models import (
    AttentionItem,
    CyberSourceReply,
    FollowonResult,
    PaymentAttempt,
    PaymentOperation,
    ReviewNotificationUpdate,
)
from ...payments import balance as payment_balance
from .alarms import Alarm, HandledAlarm, alarms, done
from .attempts import PaymentEntry, payments, step
from .money import OperationEntry, OrderMoney, PaymentPosition, asked, money, positions
from .reviewed import ReviewEntry, reviewed
from .timeline import TimelineEvent, timeline

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Result = CyberSourceReply.Result
UpdateState = ReviewNotificationUpdate.State

#: Anybody may post a genuine reply again, so the page has an end; those that did something come first.
DELIVERIES_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class OrderPanel:
    """The whole story of an order's card payments, newest payment first."""

    money: OrderMoney
    payments: tuple[PaymentEntry, ...]
    reviews: tuple[ReviewEntry, ...]
    alarms: tuple[Alarm, ...]
    positions: tuple[PaymentPosition, ...] = ()  #: how each payment stands, newest first
    operations: tuple[OperationEntry, ...] = ()  #: newest first
    timeline: tuple[TimelineEvent, ...] = ()  #: all of it, oldest first
    done: tuple[HandledAlarm, ...] = ()  #: what needed attention and was cleared, newest first
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
    sources = list(Source.objects.filter(order=order).select_related("source_type").order_by("pk"))
    charges = list(
        Transaction.objects.filter(source__order=order)
        .select_related("source", "cybersource_exact")
        .annotate(attempt_id=F("log__attempt_id"))
        .defer("request_token")
        .order_by("pk")
    )
    updates = told_of({charge.reference for charge in charges} | {entry.transaction_id for entry in entries})
    operations = list(PaymentOperation.objects.filter(order=order).order_by("pk"))
    followons = list(FollowonResult.objects.filter(transaction__source__order=order).order_by("pk"))
    shown = sorted(entries[:DELIVERIES_SHOWN], key=lambda entry: entry.pk)
    steps = [step(attempt, charges, shown) for attempt in attempts]
    reviews = reviewed(order, charges, updates, followons)
    balance = payment_balance.balance(order)
    counted = balance.covered(order)
    stands = payments_of(sources, charges, operations)
    told = tuple(asked(operation) for operation in operations)
    cleared = tuple(done(item) for item in items if item.date_cleared)
    return OrderPanel(
        money=money(order, balance, counted, stands),
        positions=positions(stands, balance),
        operations=told[::-1],
        payments=payments(attempts, steps),
        reviews=reviews,
        alarms=tuple(alarms(order, attempts, items, shown, reviews, counted)),
        timeline=timeline(attempts, shown, told, reviews, cleared),
        done=cleared,
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


def payments_of(
    sources: Iterable[Any], charges: Iterable[Any], operations: Iterable[PaymentOperation]
) -> list[payment_balance.PaymentBalance]:
    """How each payment of CyberSource stands, of rows that were read already."""
    transactions: dict[int, list[Any]] = {}
    for charge in charges:
        transactions.setdefault(charge.source_id, []).append(charge)
    asked_of: dict[int | None, list[PaymentOperation]] = {}
    for operation in operations:
        asked_of.setdefault(operation.source_id, []).append(operation)
    found = [
        payment_balance.payment(source, transactions.get(source.pk, ()), asked_of.get(source.pk, ()))
        for source in sources
    ]
    return [payment for payment in found if payment.is_ours]


def told_of(request_ids: Iterable[str]) -> list[ReviewNotificationUpdate]:
    return list(
        ReviewNotificationUpdate.objects.filter(request_id__in=sorted(filter(None, request_ids)))
        .exclude(state=UpdateState.FOREIGN)
        .order_by("pk")
    )
