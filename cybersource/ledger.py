"""Money in Oscar's own rows: Source, Transaction, PaymentEvent and its quantities.

Called inside the transaction that holds the order's row locked.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import prefetch_related_objects
from oscar.core.loading import get_model

from .conf import conf
from .models import CyberSourceReply, PaymentAttempt, PaymentToken, clipped
from .protocol import Outcome, OutcomeKind, TransactionType

PaymentEvent = get_model("order", "PaymentEvent")
PaymentEventType = get_model("order", "PaymentEventType")
PaymentEventQuantity = get_model("order", "PaymentEventQuantity")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")

NOTHING = Decimal("0.00")

#: What a Transaction's ``status`` says: CyberSource's decision.
STATUSES = {OutcomeKind.ACCEPTED: "ACCEPT", OutcomeKind.PARTIAL: "ACCEPT", OutcomeKind.REVIEW: "REVIEW"}

SALES = (TransactionType.SALE, TransactionType.SALE_WITH_TOKEN)


def knows(order: Any, transaction_id: str) -> bool:
    """Has this charge been recorded on the order before?"""
    return Transaction.objects.filter(source__order=order, reference=transaction_id).exists()


def record_charge(
    order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply, token: PaymentToken | None
) -> Any:
    """Record money that is held (an authorization) or taken (a sale) and return its Source.

    A sale is one Authorise and one Debit with one event; a sale under review is not captured, so only its Authorise is
    recorded until the reviewer settles it.
    """
    # A partial approval that does not say how much it holds counts for nothing; staff are told of it.
    unsaid = NOTHING if outcome.kind == OutcomeKind.PARTIAL else attempt.amount
    amount = unsaid if outcome.amount is None else outcome.amount
    taken = attempt.transaction_type in SALES and outcome.kind != OutcomeKind.REVIEW
    source_type = SourceType.objects.filter(name=conf.source_type).order_by("pk").first()
    if source_type is None:
        source_type = SourceType.objects.create(name=conf.source_type)
    source = Source.objects.create(
        order=order,
        source_type=source_type,
        currency=attempt.currency,
        amount_allocated=amount,
        amount_debited=amount if taken else NOTHING,
        reference=outcome.transaction_id,
        label=outcome.card_number,
    )
    kinds = [Transaction.AUTHORISE, Transaction.DEBIT] if taken else [Transaction.AUTHORISE]
    for kind in kinds:
        Transaction.objects.create(
            source=source,
            txn_type=kind,
            amount=amount,
            reference=outcome.transaction_id,
            status=STATUSES[outcome.kind],
            log=entry,
            token=token,
            processed_datetime=entry.signed_date_time or entry.date_created,
            **clipped(Transaction, request_token=outcome.request_token),
        )
    record_event(order, kinds[-1], amount, outcome.transaction_id)
    return source


def record_capture(order: Any, authorization: Any, *, reference: str, at: datetime) -> None:
    """Record that an authorization was settled elsewhere, by a reviewer say, under the capture's own request id."""
    source = authorization.source
    source.amount_debited += authorization.amount
    source.save(update_fields=["amount_debited"])
    Transaction.objects.create(
        source=source,
        txn_type=Transaction.DEBIT,
        amount=authorization.amount,
        reference=reference,
        status=STATUSES[OutcomeKind.ACCEPTED],
        token=authorization.token,
        processed_datetime=at,
    )
    record_event(order, Transaction.DEBIT, authorization.amount, reference)


def record_event(order: Any, kind: str, amount: Decimal, reference: str) -> None:
    """Record a PaymentEvent over every line of the order."""
    prefetch_related_objects([order], "lines")  # the confirmation e-mail lists them too
    event_type, _created = PaymentEventType.objects.get_or_create(name=kind)
    event = PaymentEvent.objects.create(order=order, event_type=event_type, amount=amount, reference=reference)
    PaymentEventQuantity.objects.bulk_create(
        PaymentEventQuantity(event=event, line=line, quantity=line.quantity) for line in order.lines.all()
    )
