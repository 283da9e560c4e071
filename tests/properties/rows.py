"""The shop's rows: put back to an earlier moment, and read as what they say of one order."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core import mail
from django.core.cache import cache
from django.db import connection, transaction
from oscar.core.loading import get_model

from cybersource.models import CyberSourceReply, OrderConfirmation, PaymentAttempt, PaymentToken
from tests.support.database import KEPT

Order = get_model("order", "Order")
OrderNote = get_model("order", "OrderNote")
PaymentEvent = get_model("order", "PaymentEvent")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")
Voucher = get_model("voucher", "Voucher")

#: Many more examples, for a machine with time: ``CYBERSOURCE_TESTS=thorough``.
THOROUGH = os.environ.get("CYBERSOURCE_TESTS") == "thorough"

#: Rows that no payment writes.
UNTOUCHED = {"address", "catalogue", "flatpages", "sites", "search", "sessions"}


class Moment:
    """Every row that a payment may write, and the mails sent, to which the shop can be put back.

    Much cheaper than emptying the database and checking out again: only tables that differ are written.
    """

    def __init__(self, *, everything: bool = False) -> None:
        """``everything``: sessions, products and addresses too."""
        left_out = set() if everything else UNTOUCHED
        models = [model for model in apps.get_models() if model._meta.app_label not in left_out]
        names = {model._meta.db_table for model in models if model._meta.managed}
        names |= {field.m2m_db_table() for model in models for field in model._meta.local_many_to_many}
        self.names = sorted(names - KEPT)
        self.rows = self.read()
        self.mails = list(mail.outbox)

    def read(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.names}
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(f"SELECT '{name}', t::text FROM {name} t" for name in self.names))
            for name, row in cursor.fetchall():
                found[name].append(row)
        return found

    def changed(self) -> set[str]:
        """Names of the tables whose rows are others than they were."""
        now = self.read()
        return {name for name in self.names if sorted(now[name]) != sorted(self.rows[name])}

    def come_back(self) -> None:
        changed = self.changed()
        with transaction.atomic(), connection.cursor() as cursor:  # foreign keys are looked at when it commits
            for name in changed:
                cursor.execute(f"DELETE FROM {name}")
            for name in changed:
                if self.rows[name]:
                    cursor.execute(
                        f"INSERT INTO {name} SELECT (r::{name}).* FROM unnest(%s::text[]) r", [self.rows[name]]
                    )
        mail.outbox[:] = self.mails
        cache.clear()


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What all rows say of one order, without primary keys and dates."""

    status: str
    basket: str
    sources: tuple[Any, ...]  #: reference, allocated, debited, refunded, type, label
    transactions: tuple[Any, ...]  #: reference, type, amount, status, token, attempt that its log row names
    events: tuple[Any, ...]  #: type, amount, reference, quantities
    tokens: tuple[Any, ...]  #: token, card
    attempts: tuple[Any, ...]  #: state, attention, its source's reference, whether a reply settled it
    notes: frozenset[str]
    note_count: int
    confirmations: int
    mails: int
    voucher_uses: int
    open_log: int  #: log rows that have not taken effect

    @classmethod
    def of(cls, order_id: int) -> Ending:
        order = Order.objects.select_related("basket").get(pk=order_id)
        sources = Source.objects.filter(order=order).order_by("reference")
        transactions = Transaction.objects.filter(source__order=order).order_by("reference", "txn_type")
        attempts = list(PaymentAttempt.objects.filter(order=order).select_related("source").order_by("pk"))
        place = {attempt.pk: number for number, attempt in enumerate(attempts, 1)}
        notes = list(OrderNote.objects.filter(order=order).values_list("message", flat=True))
        events = PaymentEvent.objects.filter(order=order).prefetch_related("line_quantities")
        return cls(
            status=order.status,
            basket=order.basket.status,
            sources=tuple(
                sources.values_list(
                    "reference", "amount_allocated", "amount_debited", "amount_refunded", "source_type__name", "label"
                )
            ),
            transactions=tuple(
                (*row, place.get(attempt))
                for *row, attempt in transactions.values_list(
                    "reference", "txn_type", "amount", "status", "token__token", "log__attempt"
                )
            ),
            events=tuple(
                sorted(
                    (
                        event.event_type.name,
                        event.amount,
                        event.reference,
                        tuple(sorted(q.quantity for q in event.line_quantities.all())),
                    )
                    for event in events.select_related("event_type")
                )
            ),
            tokens=tuple(PaymentToken.objects.order_by("token").values_list("token", "masked_card_number")),
            attempts=tuple(
                (
                    attempt.state,
                    attempt.attention,
                    attempt.source.reference if attempt.source else "",
                    attempt.settling_reply_id is not None,
                )
                for attempt in attempts
            ),
            notes=frozenset(notes),
            note_count=len(notes),
            confirmations=OrderConfirmation.objects.filter(order=order).count(),
            mails=mails_about(order),
            voucher_uses=sum(Voucher.objects.values_list("num_orders", flat=True)),
            open_log=CyberSourceReply.objects.filter(order=order, result="received").count(),
        )


def mails_about(order: Any) -> int:
    return sum(order.number in message.subject + message.body for message in mail.outbox)


def charges(order: Any) -> Counter[tuple[str, Decimal]]:
    """What the shop has recorded as authorized: how often each charge of CyberSource's, by id and amount."""
    recorded = Transaction.objects.filter(source__order=order, txn_type=Transaction.AUTHORISE)
    return Counter(recorded.values_list("reference", "amount"))
