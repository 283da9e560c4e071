"""What an order uses of offers' budgets and vouchers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core import serializers
from django.db.models import F, Model, Sum, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from . import orders
from .stock import NOTHING

ConditionalOffer = get_model("offer", "ConditionalOffer")
LinePrice = get_model("order", "LinePrice")
OrderDiscount = get_model("order", "OrderDiscount")
OrderLineDiscount = get_model("order", "OrderLineDiscount")
Voucher = get_model("voucher", "Voucher")
VoucherApplication = get_model("voucher", "VoucherApplication")

VOUCHERS_HAVE_PARENTS = any(field.name == "parent" for field in Voucher._meta.get_fields())


# -- offers and vouchers -----------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Usage:
    """How an order used an offer."""

    times: int = 0
    discount: Decimal = NOTHING
    orders: int = 0


def usage_of(discounts: Iterable[Any]) -> dict[int, Usage]:
    """How an order with these discounts used each offer, by its key."""
    offers: defaultdict[int, Usage] = defaultdict(Usage)
    for discount in discounts:
        if discount.offer_id:
            used = offers[discount.offer_id]
            used.times += discount.frequency or 0
            used.discount += discount.amount
            used.orders += 1
    return offers


def change_usage(discounts: Sequence[Any], *, sign: int) -> None:
    """Count the use of offers, and what vouchers gave, once more or once less."""
    vouchers: defaultdict[int, Decimal] = defaultdict(Decimal)
    for discount in discounts:
        if discount.voucher_id:
            vouchers[discount.voucher_id] += discount.amount
    for key, amount in sorted(with_parents(vouchers).items()):
        count(Voucher, key, total_discount=sign * amount)
    offers = usage_of(discounts)
    for offer in ConditionalOffer.objects.select_for_update(no_key=True).filter(pk__in=offers).order_by("pk"):
        used = offers[offer.pk]
        offer.num_applications = max(offer.num_applications + sign * used.times, 0)
        offer.total_discount = max(offer.total_discount + sign * used.discount, NOTHING)
        offer.num_orders = max(offer.num_orders + sign * used.orders, 0)
        # Oscar computes the status from these as it saves.
        offer.save(update_fields=["num_applications", "total_discount", "num_orders", "status"])


def lock_used(deleted: Mapping[type[Model], Sequence[Any]]) -> None:
    """Lock the vouchers and offers, as Oscar does the vouchers of an order that is placed."""
    used = {
        Voucher: {row.voucher_id for row in deleted[VoucherApplication]},
        ConditionalOffer: usage_of(deleted[OrderDiscount]).keys(),
    }
    for model, keys in used.items():
        list(model.objects.filter(pk__in=keys).order_by("pk").select_for_update().values_list("pk"))


def spent_offers(discounts: Iterable[Any], order: Any) -> list[str]:
    """Which of the offers have no budget for this any more, the customer's own included."""
    offers = usage_of(discounts)
    used = ConditionalOffer.objects.filter(pk__in=offers).order_by("pk")
    spent = [offer for offer in used if left_of(offer, order) < offers[offer.pk].times]
    return [_("offer %(name)s") % {"name": offer.name} for offer in spent]


def left_of(offer: Any, order: Any) -> int:
    """How often the offer may still be applied, for the order's customer, whose other orders count."""
    left: int = offer.get_max_applications()
    if offer.max_user_applications and order.user_id is not None:
        others = OrderDiscount.objects.filter(offer_id=offer.pk, order__user=order.user_id).exclude(order=order)
        left = min(left, offer.max_user_applications - (others.aggregate(times=Sum("frequency"))["times"] or 0))
    return left


def with_parents(amounts: Mapping[int, Decimal]) -> dict[int, Decimal]:
    """What each voucher gave, and its parent, where the shop's vouchers have parents."""
    total = dict(amounts)
    if amounts and VOUCHERS_HAVE_PARENTS:
        children = Voucher._base_manager.filter(pk__in=amounts, parent__isnull=False)
        for key, parent in children.values_list("pk", "parent"):
            total[parent] = total.get(parent, NOTHING) + amounts[key]
    return total


def count(model: type[Model], key: int, **changes: Any) -> None:
    """Add to counters of a row, none of which gets below zero."""
    added = {name: Greatest(F(name) + change, Value(type(change)(0))) for name, change in changes.items()}
    model._base_manager.filter(pk=key).update(**added)


def rows_a_decline_deletes(order: Any, discounts: Sequence[Any]) -> list[dict[str, Any]]:
    """What api-checkout deletes of an order as it is declined, column by column, to be written again."""
    of_lines = OrderLineDiscount.objects.filter(order_discount__in=discounts) if discounts else ()
    rows = [*discounts, *of_lines, *order.line_prices.all(), *order.voucherapplication_set.all()]
    return list(serializers.serialize("python", rows))


def deleted_rows(rows: Sequence[dict[str, Any]]) -> dict[type[Model], list[Any]]:
    """The rows that were deleted, in the order in which they can be written again."""
    deleted: dict[type[Model], list[Any]] = {
        model: [] for model in (VoucherApplication, OrderDiscount, OrderLineDiscount, LinePrice)
    }
    for row in serializers.deserialize("python", rows, ignorenonexistent=True):
        deleted[type(row.object)].append(row.object)
    return deleted


def restore(rows: Sequence[dict[str, Any]]) -> None:
    """Write the deleted rows again, and count the vouchers and offers that they used.

    What points to a row that has gone is left out.
    """
    deleted = deleted_rows(rows)
    use_vouchers(deleted[VoucherApplication])
    change_usage(deleted[OrderDiscount], sign=1)
    for model, objects in deleted.items():
        kept = without_lost(model, objects)
        if any(getattr(field, "auto_now_add", False) for field in model._meta.concrete_fields):
            for row in kept:
                row.save_base(raw=True)  # as it was, its date too
        else:
            model._base_manager.bulk_create(kept, ignore_conflicts=True)  # what staff declined was not deleted


def use_vouchers(applications: Sequence[Any]) -> None:
    """Count the use of vouchers again, of those whose application was deleted: staff's own decline deletes none."""
    kept = VoucherApplication.objects.filter(pk__in=[row.pk for row in applications])
    kept_keys = set(kept.values_list("pk", flat=True))
    used = [row.voucher_id for row in applications if row.pk not in kept_keys]
    vouchers = Voucher._base_manager.in_bulk(used)
    for key, times in sorted(orders.voucher_uses(vouchers[key] for key in used if key in vouchers).items()):
        count(Voucher, key, num_orders=times)


def spent_vouchers(applications: Sequence[Any]) -> list[str]:
    """Which of the vouchers others have used up, or have gone."""
    vouchers = Voucher._base_manager.in_bulk({row.voucher_id for row in applications})
    lost = {row.voucher_id for row in applications} - vouchers.keys()
    spent = [row for row in applications if row.voucher_id in vouchers and is_spent(vouchers[row.voucher_id], row)]
    codes = [_("voucher %(code)s") % {"code": vouchers[row.voucher_id].code} for row in spent]
    return [_("a voucher that was deleted")] * len(lost) + codes


def is_spent(voucher: Any, application: Any) -> bool:
    others = VoucherApplication.objects.filter(voucher=voucher).exclude(order=application.order_id)
    if voucher.usage == Voucher.SINGLE_USE:
        return bool(others.exists())
    once = voucher.usage == Voucher.ONCE_PER_CUSTOMER and application.user_id is not None
    return once and bool(others.filter(user=application.user_id).exists())


def without_lost(model: type[Model], objects: Sequence[Any]) -> list[Any]:
    """Those whose every reference leads to a row; one that may be empty is emptied."""
    kept = list(objects)
    for field in model._meta.concrete_fields:
        if not field.is_relation or not kept:
            continue
        keys = {getattr(row, field.attname) for row in kept} - {None}
        target = field.target_field.attname
        found = set(field.related_model._base_manager.filter(**{f"{target}__in": keys}).values_list(target, flat=True))
        lost = [row for row in kept if getattr(row, field.attname) in keys - found]
        if field.null:
            for row in lost:
                setattr(row, field.attname, None)
        else:
            kept = [row for row in kept if row not in lost]
    return kept
