"""Money in Oscar's own rows: Source, Transaction, PaymentEvent and its quantities.

Called inside the transaction that holds the order's row locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import prefetch_related_objects
from oscar.core.loading import get_model

from ..conf import conf
from ..models import CyberSourceReply, ExactAmount, ExactSource, PaymentAttempt, PaymentToken, clipped
from ..protocol import Outcome, OutcomeKind, TransactionType
from .amounts import amount_of, column_of, is_rounded, rounded
from .balance import FAILED, LAPSING, REFUND_VOID, REJECT, REVERSAL, REVERSED, VOID, VOIDED

PaymentEvent = get_model("order", "PaymentEvent")
PaymentEventType = get_model("order", "PaymentEventType")
PaymentEventQuantity = get_model("order", "PaymentEventQuantity")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")

NOTHING = Decimal("0.00")

#: The columns of a Source that hold its sums.
ALLOCATED, DEBITED, REFUNDED = "amount_allocated", "amount_debited", "amount_refunded"

#: How many of which line, by the line's key; an event by amount alone has none.
Quantities = Mapping[int, int]

#: What a Transaction's ``status`` says: CyberSource's decision.
STATUSES = {OutcomeKind.ACCEPTED: "ACCEPT", OutcomeKind.PARTIAL: "ACCEPT", OutcomeKind.REVIEW: "REVIEW"}

SALES = (TransactionType.SALE, TransactionType.SALE_WITH_TOKEN)


def knows(order: Any, transaction_id: str) -> bool:
    """Has this charge been recorded on the order before?"""
    return Transaction.objects.filter(source__order=order, reference=transaction_id).exists()


def charged(attempt: PaymentAttempt, outcome: Outcome) -> Decimal:
    """How much is held or taken. A partial approval that does not say it counts for nothing; staff are told of it."""
    unsaid = NOTHING if outcome.kind == OutcomeKind.PARTIAL else attempt.amount
    return unsaid if outcome.amount is None else outcome.amount


def record_charge(
    order: Any, attempt: PaymentAttempt, outcome: Outcome, entry: CyberSourceReply, token: PaymentToken | None
) -> Any:
    """Record money that is held (an authorization) or taken (a sale) and return its Source.

    A sale is one Authorise and one Debit with one event; a sale under review is not captured, so only its Authorise is
    recorded until the reviewer settles it.
    """
    amount = charged(attempt, outcome)
    taken = attempt.transaction_type in SALES and outcome.kind != OutcomeKind.REVIEW
    source_type = SourceType.objects.filter(name=conf.source_type).order_by("pk").first()
    if source_type is None:
        source_type = SourceType.objects.create(name=conf.source_type)
    source = Source.objects.create(
        order=order,
        source_type=source_type,
        currency=attempt.currency,
        reference=outcome.transaction_id,
        label=outcome.card_number,
        **in_columns(source_amounts := {ALLOCATED: amount, DEBITED: amount if taken else NOTHING}),
    )
    if any(rounded(each) != each for each in source_amounts.values()):
        ExactSource.objects.create(source=source, **source_amounts)
    kinds = [Transaction.AUTHORISE, Transaction.DEBIT] if taken else [Transaction.AUTHORISE]
    for kind in kinds:
        make_transaction(
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


def record_capture(
    order: Any,
    authorization: Any,
    *,
    reference: str,
    at: datetime,
    amount: Decimal | None = None,
    lines: Quantities | None = None,
    log: CyberSourceReply | None = None,
) -> Any:
    """Record that money was taken, by an operation of ours or by a reviewer, under the capture's own request id."""
    source = authorization.source
    amount = amount_of(authorization) if amount is None else amount
    add(source, DEBITED, amount=amount)
    made = record_step(authorization, Transaction.DEBIT, amount, reference=reference, at=at, log=log)
    record_event(order, Transaction.DEBIT, amount, reference, lines)
    return made


def record_refund(
    order: Any,
    capture: Any,
    *,
    reference: str,
    at: datetime,
    amount: Decimal,
    lines: Quantities | None = None,
    log: CyberSourceReply | None = None,
) -> Any:
    """Record that money goes back to the shopper. CyberSource queues it; a failure would show later."""
    source = capture.source
    add(source, REFUNDED, amount=amount)
    made = record_step(capture, Transaction.REFUND, amount, reference=reference, at=at, log=log)
    record_event(order, Transaction.REFUND, amount, reference, lines)
    return made


def record_void(order: Any, voided: Any, *, reference: str, at: datetime, log: CyberSourceReply | None = None) -> Any:
    """Record that a capture or a refund never happened.

    The hold of a capture stays, and may be captured again. That of a sale never can be: it is in the books no more.
    """
    source = voided.source
    amount = amount_of(voided)
    of_refund = voided.txn_type == Transaction.REFUND
    changed = [REFUNDED if of_refund else DEBITED]
    mark(voided, VOIDED)
    if not of_refund and voided.reference == source.reference:
        changed.append(ALLOCATED)
        for hold in source.transactions.filter(txn_type=Transaction.AUTHORISE, reference=voided.reference):
            mark(hold, VOIDED)
    add(source, *changed, amount=-amount)
    kind = REFUND_VOID if of_refund else VOID
    made = record_step(voided, kind, amount, reference=reference, at=at, log=log)
    undone = PaymentEventQuantity.objects.filter(
        event__order=order, event__reference=voided.reference, event__event_type__name=voided.txn_type
    )
    record_event(order, kind, amount, reference, dict(undone.values_list("line", "quantity")))
    return made


def record_reversal(
    order: Any,
    authorization: Any,
    *,
    reference: str,
    at: datetime,
    amount: Decimal,
    lapses: bool = False,
    log: CyberSourceReply | None = None,
) -> Any:
    """Record that a hold, or its rest, is given back; ``lapses``: by the bank, in its own time.

    What a reviewer had rejected, and the hold of a voided sale, was taken from the Source's allocation then.
    """
    source = authorization.source
    is_whole = amount >= amount_of(authorization)
    if authorization.status not in (REJECT, VOIDED):
        add(source, ALLOCATED, amount=-amount)
        is_whole = not any(column_of(source, each) for each in (ALLOCATED, DEBITED))  # a hold may go back in parts
    if is_whole:
        mark(authorization, REVERSED)
    status = LAPSING if lapses else STATUSES[OutcomeKind.ACCEPTED]
    made = record_step(authorization, REVERSAL, amount, reference=reference, at=at, log=log, status=status)
    record_event(order, REVERSAL, amount, reference, {})
    return made


def record_failure(of: Any, kind: str, amount: Decimal, *, reference: str, at: datetime, log: Any = None) -> Any:
    """Record that an operation was asked and failed: a Transaction that moved nothing, under the id to search for."""
    return record_step(of, kind, amount, reference=reference, at=at, log=log, status=FAILED)


def record_step(
    of: Any,
    kind: str,
    amount: Decimal,
    *,
    reference: str,
    at: datetime,
    log: CyberSourceReply | None,
    status: str = STATUSES[OutcomeKind.ACCEPTED],
) -> Any:
    return make_transaction(
        source=of.source,
        txn_type=kind,
        amount=amount,
        reference=reference,
        status=status,
        log=log,
        token=of.token,
        processed_datetime=at,
    )


def make_transaction(*, amount: Decimal, **row: Any) -> Any:
    """Write a Transaction; where its column cannot hold the amount, rounded down, with the exact one beside."""
    made = Transaction.objects.create(amount=rounded(amount), **row)
    if made.amount != amount:
        ExactAmount.objects.create(transaction=made, amount=amount)
    return made


def add(source: Any, *columns: str, amount: Decimal) -> None:
    """Add an amount to columns of a Source, or take it from them, and save these; less than nothing is nothing."""
    exact = None
    if is_rounded(source.currency):
        before = {name: getattr(source, name) for name in (ALLOCATED, DEBITED, REFUNDED)}
        exact, _created = ExactSource.objects.get_or_create(source=source, defaults=before)
    for name in columns:
        change = amount
        if exact is not None:
            was: Decimal = getattr(exact, name)
            setattr(exact, name, max(was + amount, NOTHING))
            change = rounded(getattr(exact, name)) - rounded(was)
        setattr(source, name, max(getattr(source, name) + change, NOTHING))
    if exact is not None:
        exact.save(update_fields=columns)
        source.cybersource_exact = exact
    source.save(update_fields=columns)


def in_columns(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: rounded(amount) for name, amount in amounts.items()}


def mark(transaction: Any, status: str) -> None:
    transaction.status = status
    transaction.save(update_fields=["status"])


def record_event(order: Any, kind: str, amount: Decimal, reference: str, quantities: Quantities | None = None) -> None:
    """Record a PaymentEvent over these quantities of the order's lines; over all of every line when None are named."""
    if quantities is None:
        prefetch_related_objects([order], "lines")  # the confirmation e-mail lists them too
        quantities = {line.pk: line.quantity for line in order.lines.all()}
    event_type, _created = PaymentEventType.objects.get_or_create(name=kind)
    event = PaymentEvent.objects.create(order=order, event_type=event_type, amount=rounded(amount), reference=reference)
    PaymentEventQuantity.objects.bulk_create(
        PaymentEventQuantity(event=event, line_id=line, quantity=quantity) for line, quantity in quantities.items()
    )
