"""CyberSource's books and the shop's are compared, day by day; where they differ staff are told once, with evidence.

    a day's transactions there -> by their ids, the rows here -> what looks different is looked up -> listed once
    the rows of the same days here -> those that were not there -> looked up -> listed once

Nothing is put right from here: which side is wrong a person decides. An item clears itself once both sides agree. What
a search shows is only where to look: a difference is listed for what the look-up says, since the index lags behind.
What was looked up and is not this shop's, or is listed, is not looked up again for it: a run costs what is new.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..conf import conf
from ..db import clock, paging
from ..gateway import lookup
from ..gateway.lookup import FoundTransaction
from ..models import (
    UNDER_WAY,
    Attention,
    AttentionItem,
    CyberSourceReply,
    PaymentOperation,
    environment_now,
    merchant_now,
)
from ..payments import amounts, balance, orders
from ..payments import attention as needs
from ..payments.balance import LAPSING, REFUND_VOID, REVERSAL, REVERSED, VOID, VOIDED, TransactionStatus
from ..payments.discrepancies import Discrepancy
from ..protocol import Decision
from ..protocol.rest import Answer, GatewayStatus, TransactionKind, act_of, fate_of, is_for_details
from ..protocol.vocabulary import RULE_REASONS

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

Result = CyberSourceReply.Result

#: How old a row has to be before it is missed at CyberSource. How far the index lags behind is not documented.
LAG = timedelta(hours=1)

#: How far clocks may differ at the edge of what is compared.
MARGIN = timedelta(minutes=10)

#: Rows of ours that are read at a time.
PAGE = 500

#: A part was approved only.
PARTIAL = "110"

#: To how many decimals Oscar's columns keep money.
OSCARS = Decimal("0.01")

#: CyberSource's ids are digits. What was recorded under a number of ours has none.
IDS = r"^[0-9]{16,64}$"

#: What a Transaction of ours is at CyberSource, and what it means that it is not there.
MISSING_THERE = {
    Transaction.AUTHORISE: Discrepancy.CHARGE_NOT_THERE,
    Transaction.DEBIT: Discrepancy.CAPTURE_NOT_THERE,
    Transaction.REFUND: Discrepancy.REFUND_NOT_THERE,
    REVERSAL: Discrepancy.REVERSAL_NOT_THERE,
    VOID: Discrepancy.VOID_NOT_THERE,
    REFUND_VOID: Discrepancy.VOID_NOT_THERE,
}

COMPARED = (Transaction.AUTHORISE, Transaction.DEBIT, Transaction.REFUND)
UNDOING = (TransactionKind.REVERSAL, TransactionKind.VOID)
UNDOING_KINDS = (PaymentOperation.Kind.REVERSE, PaymentOperation.Kind.VOID)


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One difference: about which transaction, and what each side says of it."""

    kind: Discrepancy
    transaction_id: str
    order: Any = None
    amount: Decimal | None = None
    currency: str = ""
    reference_number: str = ""
    card_number: str = ""
    shop: dict[str, str] = field(default_factory=dict)
    gateway: dict[str, str] = field(default_factory=dict)


def compare(
    *, at: datetime | None = None, days: int = 3, dry_run: bool = False, tell: Callable[[str], None] = lambda text: None
) -> Counter[str]:
    """Compare the last ``days``; list what differs and is not listed, clear what agrees again. Returns what was found.

    Safe at any time and on several machines at once. Raises :class:`~cybersource.gateway.lookup.GatewayNoAnswer` when a
    day could not be read.
    """
    at = clock.at_or_now(at)
    counts = lookup.go_round(open_items(), lambda item: review(item, dry_run=dry_run))
    seen: set[str] = set()
    for start, end in lookup.days_back(at, days):
        total = 0
        for page in lookup.period(start, end):
            total += len(page)
            seen.update(each.id for each in page)
            counts += lookup.go_round(suspects(page), lambda id: look_into(id, dry_run=dry_run))
        tell(_("%(day)s: %(total)s transactions at CyberSource") % {"day": f"{start:%Y-%m-%d %H:%M}", "total": total})
    missed = unseen(at - timedelta(days=days) + MARGIN, at - LAG, seen)
    counts += lookup.go_round(missed, lambda id: look_into(id, dry_run=dry_run))
    del counts[""]
    return counts


# -- where to look -----------------------------------------------------------------------------------------------------


def suspects(page: Sequence[Answer]) -> Iterator[str]:
    """Ids of what looks different from the shop's rows, in a constant number of statements a page."""
    ids = [each.id for each in page]
    here: dict[str, Any] = {}
    for row in recorded(ids):
        here.setdefault(row.reference, row)
    asked = operations_named(page)
    known = looked_into(ids)
    for each in page:
        act, fate = act_of(each), fate_of(each)
        row = here.get(each.id)
        if act in (TransactionKind.TOKEN, TransactionKind.OTHER) or fate is GatewayStatus.UNKNOWN or each.id in known:
            continue
        may_be_done = fate is GatewayStatus.DONE or is_for_details(each)
        if row is not None:
            agrees = may_be_done or (fate is GatewayStatus.UNDONE and row.status in (VOIDED, REVERSED))
            if not agrees or differs(row, each):
                yield each.id
        elif may_be_done and not (act in UNDOING and is_explained(each, asked)):
            yield each.id


def looked_into(ids: Sequence[str]) -> set[str]:
    """Of these ids, those of which nothing new is to be learnt: listed, cleared by a person, or nothing of ours."""
    items = AttentionItem.objects.filter(kind=Attention.DRIFT, transaction_id__in=ids)
    known = set(items.filter(still_listed()).values_list("transaction_id", flat=True))
    replies = CyberSourceReply.objects.filter(transaction_id__in=ids)
    # A decline that was heard, where a row of a search cannot tell whether it holds money.
    nothing = Q(result=Result.NOT_OURS) | Q(decision=Decision.DECLINE, reason_code__in=RULE_REASONS)
    return known | set(replies.filter(nothing).values_list("transaction_id", flat=True))


def still_listed() -> Q:
    """Items that an agreement of both sides clears, whichever run finds it, and those that a person cleared."""
    return Q(date_cleared=None) | ~Q(cleared_by_name="")


def recorded(ids: Sequence[str]) -> Iterator[Any]:
    """Rows of the shop's books under these ids, those of a payment's beginning first."""
    rows = Transaction.objects.filter(reference__in=ids, status__in=balance.MONEY_STATUSES)
    yield from rows.select_related("source__order", "source__source_type", amounts.EXACT).order_by("pk")


def operations_named(page: Sequence[Answer]) -> dict[str, PaymentOperation]:
    """Operations of ours by the reference numbers under which something was done there."""
    numbers = {each.reference_number.removesuffix("-T") for each in page}
    return {one.reference_number: one for one in PaymentOperation.objects.filter(reference_number__in=numbers)}


def is_explained(answer: Answer, asked: dict[str, PaymentOperation]) -> bool:
    """Whether a void or reversal there is one that an operation of ours asked for, and recorded or will record."""
    number = answer.reference_number
    one = asked.get(number.removesuffix("-T"))
    if one is None:
        return False
    if number != one.reference_number:  # what was lost is taken back under the number of the lost call
        return one.state not in balance.ENDED_WELL
    # What staff void in the Business Center has the number of what they void.
    return one.kind in UNDOING_KINDS and one.state in (*UNDER_WAY, *balance.ENDED_WELL)


def differs(row: Any, answer: Answer) -> bool:
    if answer.currency and answer.currency != amounts.code_of(row.source.currency):
        return True
    told = answer.amount
    if row.txn_type not in COMPARED or told is None:
        return False
    if act_of(answer) is TransactionKind.CHARGE and answer.authorized_amount is None and answer.reason_code == PARTIAL:
        return told < amounts.amount_of(
            row
        )  # a row of a search tells what was asked for, not how much of it was approved
    # What was recorded without the decimals that Oscar's columns do not hold is no difference either.
    return amounts.amount_of(row) not in (told, told.quantize(OSCARS, ROUND_DOWN))


def unseen(start: datetime, end: datetime, seen: set[str]) -> Iterator[str]:
    """Ids of what the shop recorded in a period, and CyberSource did not show."""
    ours = Q(source__source_type__name=conf.source_type) | Q(log__isnull=False)
    rows = (
        Transaction.objects.filter(
            ours,
            made_here(),
            date_created__gte=start,
            date_created__lt=end,
            txn_type__in=list(MISSING_THERE),
            reference__regex=IDS,
        )
        .filter(status__in=balance.MONEY_STATUSES)
        .exclude(status=LAPSING)
    )
    given = set()
    for batch in paging.batches(rows.values_list("pk", "reference"), size=PAGE, key=itemgetter(0)):
        missed = [reference for _pk, reference in batch if reference not in seen]
        listed = looked_into(missed) if missed else set()
        for reference in missed:
            if reference not in given and reference not in listed:
                given.add(reference)
                yield reference


def made_here() -> Q:
    """Of Transactions: those of the merchant and the environment that are asked. Others' are missing there by right."""
    merchant = Q(log__merchant_id__in=("", merchant_now()), log__environment__in=("", environment_now()))
    return Q(log=None) | merchant


# -- one transaction ---------------------------------------------------------------------------------------------------


def look_into(id: str, *, dry_run: bool = False, looked: FoundTransaction | None = None) -> str:
    """Look one transaction up, and list the difference if there is a new one. Returns its kind, or ""."""
    looked = looked or lookup.look_up(id)
    row = next(recorded([id]), None)
    finding = examine(row, looked)
    if dry_run:
        return finding.kind.value if finding else ""
    is_new = finding is not None and record(finding)
    if looked is not None and row is None and is_settled(looked.answer, finding):
        CyberSourceReply.objects.filter(pk=looked.entry.pk, result=Result.SENT).update(result=Result.NOT_OURS)
    return finding.kind.value if finding and is_new else ""


def examine(row: Any, looked: FoundTransaction | None) -> Mismatch | None:
    """What differs about one transaction; None when both sides agree."""
    if looked is None:
        return not_there(row) if row is not None else None
    if row is None:
        return not_here(looked.answer)
    return between(row, looked.answer)


def is_settled(answer: Answer, finding: Mismatch | None) -> bool:
    """Whether a look at what has no row here need not be repeated: no row will come, or it is listed by another id."""
    if finding is not None:
        return finding.transaction_id != answer.id
    if fate_of(answer) in (GatewayStatus.DECLINED, GatewayStatus.UNDONE):
        return True
    return conf.account_is_shared and order_of(answer) is None and payment_of(answer) is None


def between(row: Any, answer: Answer) -> Mismatch | None:
    """What differs about a transaction that both sides know."""
    fate = fate_of(answer)
    if fate is GatewayStatus.DECLINED:
        return not_there(row, answer)
    if fate is GatewayStatus.UNDONE and (kind := still_stands(row, answer)):
        return finding(kind, row=row, answer=answer)
    if answer.currency and answer.currency != amounts.code_of(row.source.currency):
        return finding(Discrepancy.CURRENCY_DIFFERS, row=row, answer=answer)
    if differs(row, answer):
        return finding(Discrepancy.AMOUNT_DIFFERS, row=row, answer=answer)
    return None


def still_stands(row: Any, answer: Answer) -> Discrepancy | None:
    """What is missing here when something was taken back there; None when it was here too, or is about to be."""
    payment = balance.of_source(row.source)
    if payment.under_way:
        return None
    if act_of(answer) is TransactionKind.CHARGE and answer.status == "REVERSED":
        gone = payment.authorization is None or payment.standing(payment.authorization) in (
            TransactionStatus.REVERSED,
            TransactionStatus.REJECTED,
        )
        return None if gone else Discrepancy.REVERSAL_NOT_HERE
    # Of a sale the row is its authorization; what is voided is its debit.
    taken = [one for one in payment.transactions if one.reference == row.reference and one.txn_type in COMPARED[1:]]
    return Discrepancy.VOID_NOT_HERE if any(one.status != VOIDED for one in taken) else None


def not_there(row: Any, answer: Answer | None = None) -> Mismatch | None:
    """A row of the shop's that CyberSource does not know, or declined."""
    if row.status in (REVERSED, VOIDED, LAPSING) or row.txn_type not in MISSING_THERE:
        return None
    return finding(MISSING_THERE[row.txn_type], row=row, answer=answer)


def not_here(answer: Answer) -> Mismatch | None:
    """Something that was done at CyberSource and is not in the shop's rows."""
    if fate_of(answer) is not GatewayStatus.DONE or is_under_way(answer):
        return None
    match act_of(answer):
        case TransactionKind.CHARGE:
            return charge_not_here(answer)
        case TransactionKind.CAPTURE:
            return step_not_here(Discrepancy.CAPTURE_NOT_HERE, answer)
        case TransactionKind.REFUND:
            return step_not_here(Discrepancy.REFUND_NOT_HERE, answer)
        case TransactionKind.REVERSAL | TransactionKind.VOID:
            return undoing_not_here(answer)
    return None


def is_under_way(answer: Answer) -> bool:
    """Whether an operation, or an answer that is stored and waits, will bring it."""
    named = Q(reference_number=answer.reference_number) | Q(request_id=answer.id)
    if PaymentOperation.objects.filter(named, state__in=UNDER_WAY).exists():
        return True
    return CyberSourceReply.objects.filter(transaction_id=answer.id, result=Result.RECEIVED).exists()


def charge_not_here(answer: Answer) -> Mismatch | None:
    if AttentionItem.objects.filter(transaction_id=answer.id).exclude(kind=Attention.DRIFT).exists():
        return None  # listed as what it is
    if answer.reason_code == "481" and CyberSourceReply.objects.filter(transaction_id=answer.id).exclude(
        result__in=(Result.SENT, Result.NOT_OURS)
    ):
        return None  # rejected after the bank had approved, and known as that
    order = order_of(answer)
    if order is None:
        return None if conf.account_is_shared else finding(Discrepancy.UNKNOWN_ORDER, answer=answer)
    paid = Transaction.objects.filter(source__order=order, txn_type=Transaction.AUTHORISE)
    another = paid.filter(status__in=balance.MONEY_STATUSES).exclude(status__in=balance.HOLDS_NOTHING).exists()
    kind = Discrepancy.DUPLICATE_CHARGE if another else Discrepancy.CHARGE_NOT_HERE
    return finding(kind, answer=answer, order=order)


def order_of(answer: Answer) -> Any:
    """The order here under whose number, or an operation's of it, something was done there."""
    asked = operations_named([answer]).get(answer.reference_number)
    return asked.order if asked else needs.order_named(answer.reference_number)


def step_not_here(kind: Discrepancy, answer: Answer) -> Mismatch | None:
    """A capture or refund of a payment that the shop knows."""
    source = payment_of(answer)
    return finding(kind, answer=answer, order=source.order) if source else None


def undoing_not_here(answer: Answer) -> Mismatch | None:
    """A void or reversal is judged by what it undid, so that one difference is one item for any caller."""
    source = payment_of(answer)
    if source is None:
        return None
    payment = balance.of_source(source)
    kinds = (Transaction.AUTHORISE,) if act_of(answer) is TransactionKind.REVERSAL else COMPARED[1:]
    standing_rows = [
        one
        for one in payment.transactions
        if one.txn_type in kinds and one.status in balance.MONEY_STATUSES and one.status != VOIDED
    ]
    for row in standing_rows:
        looked = lookup.look_up(row.reference)
        if looked and (found := between(row, looked.answer)) and found.kind in UNDONE_KINDS:
            return found
    if act_of(answer) is TransactionKind.REVERSAL and not payment.released and not payment.under_way:
        # A part of the hold, which does not show on the authorization.
        part = answer.amount is not None and answer.amount < payment.authorized
        return finding(Discrepancy.REVERSAL_NOT_HERE, answer=answer, order=source.order) if part else None
    return None


UNDONE_KINDS = (Discrepancy.REVERSAL_NOT_HERE, Discrepancy.VOID_NOT_HERE)


def payment_of(answer: Answer) -> Any:
    """The payment here that something there followed on; None when this shop has none such."""
    rows = Source.objects.select_related("order", "source_type").order_by("pk")
    if answer.root_id and answer.root_id != answer.id and (source := rows.filter(reference=answer.root_id).first()):
        return source
    asked = operations_named([answer]).get(answer.reference_number)
    return rows.filter(pk=asked.source_id).first() if asked else None


# -- the list ----------------------------------------------------------------------------------------------------------


def finding(kind: Discrepancy, *, row: Any = None, answer: Answer | None = None, order: Any = None) -> Mismatch:
    """Put down what each side says."""
    shop = (
        {
            "kind": row.txn_type,
            "amount": str(amounts.amount_of(row)),
            "currency": row.source.currency,
            "status": row.status,
            "date": clock.aware(row.date_created).isoformat(timespec="seconds"),
        }
        if row is not None
        else {}
    )
    told = (
        {
            "kind": act_of(answer).value,
            "amount": "" if answer.amount is None else str(answer.amount),
            "currency": answer.currency,
            "status": answer.status,
            "date": answer.submitted_at.isoformat(timespec="seconds") if answer.submitted_at else "",
            "reference_number": answer.reference_number,
            "payment": answer.root_id,
        }
        if answer is not None
        else {}
    )
    amount, currency = (amounts.amount_of(row), row.source.currency) if row is not None else (None, "")
    if answer is not None and row is None:
        amount, currency = answer.amount, answer.currency
    order = row.source.order if row is not None else order
    return Mismatch(
        kind=kind,
        transaction_id=row.reference if row is not None else answer.id if answer is not None else "",
        order=order,
        amount=amount,
        currency=currency,
        reference_number=order.number if order is not None else told.get("reference_number", ""),
        card_number=(answer.card_number if answer is not None else "") or (row.source.label if row is not None else ""),
        shop=shop,
        gateway=told,
    )


def record(found: Mismatch) -> bool:
    """List a difference. True when it is new, or had gone and is back; what staff cleared stays cleared."""
    with transaction.atomic(), orders.in_the_shops_language():
        same = AttentionItem.objects.select_for_update().filter(
            kind=Attention.DRIFT, transaction_uuid="", transaction_id=found.transaction_id
        )
        item = same.first()
        evidence = {"shop": found.shop, "gateway": found.gateway}
        if item is None:
            new = needs.flag(
                Attention.DRIFT,
                found.order,
                None,
                transaction_id=found.transaction_id,
                amount=found.amount,
                currency=found.currency,
                card_number=found.card_number,
                reference_number=found.reference_number,
                detail=found.kind.value,
                evidence=evidence,
            )
            if new and found.order is not None:
                orders.note(found.order, note_of(found))
            return new
        if item.date_cleared is not None and item.cleared_by_name:
            return False
        new = item.date_cleared is not None
        if new or item.detail != found.kind.value:
            item.detail, item.evidence, item.date_cleared, item.reason = found.kind.value, evidence, None, ""
            item.save(update_fields=["detail", "evidence", "date_cleared", "reason"])
        return new


def note_of(found: Mismatch) -> str:
    amount = "-" if found.amount is None else f"{found.amount} {found.currency}"
    message = _("%(what)s: %(amount)s, transaction %(id)s. %(advice)s")
    words = {"amount": amount, "id": found.transaction_id, "advice": needs.ADVICE[Attention.DRIFT]}
    return message % {"what": found.kind.label, **words}


def open_items() -> list[AttentionItem]:
    return list(AttentionItem.objects.filter(kind=Attention.DRIFT, date_cleared=None).order_by("pk"))


def review(item: AttentionItem, *, dry_run: bool = False) -> str:
    """Clear an item whose two sides agree by now, where the other side can be asked."""
    rows = Transaction.objects.filter(reference=item.transaction_id)
    if rows.exists() and not rows.filter(made_here()).exists():
        return "made for another merchant"
    row = next(recorded([item.transaction_id]), None)
    found = examine(row, lookup.look_up(item.transaction_id))
    if found is None:
        if not dry_run:
            with orders.in_the_shops_language():
                needs.clear(AttentionItem.objects.filter(pk=item.pk), _("Both sides agree now."))
        return "cleared"
    if not dry_run:
        record(found)
    return "still differing"
