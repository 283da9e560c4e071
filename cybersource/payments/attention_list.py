"""The list of what needs attention: read a page at a time, and cleared by staff, one item at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..db import clock, paging
from ..models import Attention, AttentionItem, PaymentAttempt, PaymentOperation, card_numbers
from . import attention, discrepancies, orders
from .errors import InvalidOperation, Problem
from .expiry import decline_unless_charged, is_forgotten

PAGE = paging.PAGE

#: Why a reply with a good signature was not believed.
MISFITS = {
    "unknown-transaction-uuid": gettext_lazy("it answers no form of this shop"),
    "other-reference-number": gettext_lazy("it names another order"),
    "other-amount": gettext_lazy("it names another amount than the shop requested"),
    "other-currency": gettext_lazy("it names another currency than the shop requested"),
    "other-transaction-type": gettext_lazy("it answers another kind of request than the shop sent"),
    "other-profile-id": gettext_lazy("it comes from another profile than the shop used"),
}


def page(*, done: bool = False, kind: str = "", before: int | None = None, after: int | None = None) -> paging.Page:
    """Read one page, newest first, in one statement whatever the number of items."""
    items = AttentionItem.objects.filter(date_cleared__isnull=not done).select_related("order")
    if kind:
        items = items.filter(kind=kind)
    return paging.page(items, before=before, after=after, size=PAGE)


def advice(item: AttentionItem) -> str:
    return str(attention.ADVICE.get(Attention(item.kind), ""))


def is_disbelieved(item: AttentionItem) -> bool:
    """Whether it is an answer with a good signature that was not believed; ``detail`` says why."""
    return item.kind in (Attention.ORPHAN, Attention.MISFIT)


def detail_in_words(item: AttentionItem) -> str:
    """Why an answer was not believed, in what the books differ, what is missing, or which operation has no end.

    Empty for the others.
    """
    if item.kind == Attention.SHORT:
        return _("Missing: %(missing)s") % {"missing": ", ".join(item.evidence.get("missing", ()))}
    if (
        item.kind in (Attention.UNKNOWN_OPERATION, Attention.WAITING_OPERATION)
        and item.detail in PaymentOperation.Kind.values
    ):
        return str(PaymentOperation.Kind(item.detail).label)
    return str(MISFITS.get(item.detail) or discrepancies.discrepancy_in_words(item.detail))


def can_be_given_up(item: AttentionItem, order: Any) -> bool:
    """Whether the order still waits for the answer that never came, so that no charge means no order.

    Also of an item that was cleared with the order left waiting: the charge that was found may have been reversed.
    """
    waits = order is not None and orders.awaits_payment(order) and not orders.is_declined(order)
    if not waits or item.kind != Attention.NO_ANSWER:
        return False
    return item.date_cleared is None or (item.attempt is not None and item.attempt.attention == Attention.NO_ANSWER)


def waits_for_its_end(item: AttentionItem) -> bool:
    """Whether an item is about an operation that has no end yet: it is cleared by that alone, not by words."""
    about = item.operation if item.kind in (Attention.UNKNOWN_OPERATION, Attention.WAITING_OPERATION) else None
    return about is not None and about.is_under_way and item.date_cleared is None


@dataclass(frozen=True, kw_only=True)
class Side:
    """One thing that both books tell, or one of them."""

    name: str
    shop: str
    gateway: str
    differs: bool


#: What is told of a difference, in this order. The two sides name kinds and states each in its own words.
SIDES = {
    "amount": gettext_lazy("Amount"),
    "currency": gettext_lazy("Currency"),
    "kind": gettext_lazy("What happened"),
    "status": gettext_lazy("Status"),
    "date": gettext_lazy("Date"),
    "reference_number": gettext_lazy("Reference number"),
    "payment": gettext_lazy("Payment"),
}

#: Of these the words can be compared.
COMPARABLE = ("amount", "currency")


def both_sides(item: AttentionItem) -> list[Side]:
    """What the shop's books and CyberSource's say, where an item is about a difference between them."""
    shop, gateway = (item.evidence.get(side) or {} for side in ("shop", "gateway"))
    return [
        Side(
            name=str(label),
            shop=in_books(name, shop),
            gateway=in_books(name, gateway),
            differs=name in COMPARABLE and bool(shop) and bool(gateway) and shop.get(name) != gateway.get(name),
        )
        for name, label in SIDES.items()
        if shop.get(name) or gateway.get(name)
    ]


def in_books(name: str, told: Mapping[str, str]) -> str:
    text = str(told.get(name) or "")
    if name == "date" and (moment := parse_datetime(text)):
        return date_format(clock.local(moment), "DATETIME_FORMAT")
    return text


@dataclass(frozen=True, kw_only=True)
class ClearResult:
    """What became of clearing an item."""

    item: AttentionItem
    by_us: bool  #: False when somebody had cleared it before
    given_up: bool = False  #: the order was declined, its basket opened


@transaction.atomic
def clear(item_id: int, *, user: Any, reason: str, no_charge: bool = False) -> ClearResult:
    """Clear an item with the words of the person who looked at it; a second time keeps the first words.

    ``no_charge``: they found no charge at CyberSource, or reversed it. The order is given up, unless something else of
    it is held or in doubt, also when the item was cleared before. Locks the order and the item. Raises
    ``AttentionItem.DoesNotExist``, and :class:`~cybersource.payments.errors.InvalidOperation` for an operation without
    an end.
    """
    order_id = AttentionItem.objects.values_list("order_id", flat=True).get(pk=item_id)
    order = orders.locked(order_id) if order_id else None
    item = AttentionItem.objects.select_for_update(of=("self",), no_key=True).get(pk=item_id)
    if waits_for_its_end(item):
        message = _("Record the operation's outcome: this item is then cleared.")
        raise InvalidOperation(Problem(code="under-way", field="", message=message))
    no_charge = no_charge and can_be_given_up(item, order)
    name, reason = user.get_username()[:150], card_numbers.mask("message", reason)[:255]
    if item.date_cleared is None:
        item.date_cleared, item.cleared_by, item.cleared_by_name, item.reason = clock.now(), user, name, reason
        item.save(update_fields=["date_cleared", "cleared_by", "cleared_by_name", "reason"])
    elif not no_charge:
        return ClearResult(item=item, by_us=False)
    given_up = False
    with orders.in_the_shops_language():
        if order is not None:
            orders.note(order, told(item, name, reason), user=user)
        if no_charge:
            given_up = give_up(order, item)
    return ClearResult(item=item, by_us=True, given_up=given_up)


def give_up(order: Any, item: AttentionItem) -> bool:
    """Nothing was charged by this attempt; decline the order if that was all it waited for.

    Where another card of it holds money the rest is listed as unpaid.
    """
    attempts = PaymentAttempt.objects.filter(pk=item.attempt_id, attention=Attention.NO_ANSWER)
    attempts.update(attention=Attention.NONE)
    if decline_unless_charged(order):
        orders.note(order, _("No charge is left: the order was given up, and its basket is open again."))
        return True
    orders.note(order, _("No charge of it is left. The order still waits: another payment of it is held or in doubt."))
    if item.attempt is not None and is_forgotten(order):
        attention.flag_unknown_outcome(Attention.UNPAID_REST, order, item.attempt)
    return False


def told(item: AttentionItem, user: str, reason: str) -> str:
    message = _("%(user)s looked at “%(what)s” (%(amount)s, transaction %(id)s): %(reason)s")
    return message % {
        "user": user,
        "what": item.get_kind_display(),
        "amount": item.amount_text,
        "id": item.transaction_id or "-",
        "reason": reason,
    }
