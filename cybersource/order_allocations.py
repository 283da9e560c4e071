"""What an order takes from the shop: stock, the budgets of offers, vouchers.

A declined order releases it, and takes it again once it is paid after all. Both happen as the order's status changes,
whoever changes it: Oscar's signal comes before api-checkout deletes the discounts that say what was used. One row an
order (:class:`~cybersource.models.ReleasedAllocation`) exists exactly as long as it is released.

api-checkout's retry of an order cancels the allocation of every old line, whether it has one or not, and would cancel
another shopper's. So as the basket is frozen for the retry, what the retry cancels is allocated again, uncounted.

Locked in this order: the order, its lines, vouchers, offers, stock records. However many lines an order has, it takes
the same number of statements while they are locked.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.core import serializers
from django.db import router, transaction
from django.db.models import F, Model, Q, Value, prefetch_related_objects
from django.db.models.functions import Greatest
from django.db.models.signals import post_save, pre_save
from django.utils.translation import gettext as _
from oscar.apps.partner.abstract_models import AbstractStockRecord
from oscar.core.loading import get_class, get_model
from oscarapicheckout import settings as checkout_settings

from . import attention as needs
from . import clock, orders, patience
from .conf import conf
from .models import Attention, AttentionItem, PaymentAttempt, ReleasedAllocation

Basket = get_model("basket", "Basket")
ConditionalOffer = get_model("offer", "ConditionalOffer")
Line = get_model("order", "Line")
LinePrice = get_model("order", "LinePrice")
Order = get_model("order", "Order")
OrderDiscount = get_model("order", "OrderDiscount")
OrderLineDiscount = get_model("order", "OrderLineDiscount")
StockRecord = get_model("partner", "StockRecord")
Voucher = get_model("voucher", "Voucher")
VoucherApplication = get_model("voucher", "VoucherApplication")
Selector = get_class("partner.strategy", "Selector")

logger = logging.getLogger(__name__)

NOTHING = Decimal("0.00")

#: Set on an order in memory by the payment method, since no attempt remains of a form that could not be made.
OURS = "_cybersource_is_ours"

VOUCHERS_HAVE_PARENTS = any(field.name == "parent" for field in Voucher._meta.get_fields())


# -- an order's status changes -----------------------------------------------------------------------------------------


def follow_status(sender: Any, order: Any, old_status: str, new_status: str, **kwargs: Any) -> None:
    """Connected to Oscar's ``order_status_changed``: release what a declined order took, or take it again."""
    if new_status == checkout_settings.ORDER_STATUS_PAYMENT_DECLINED:
        if is_ours(order):
            patience.persistently(lambda: release(order.pk))
    elif old_status in UNPAID and new_status not in UNPAID:
        patience.persistently(lambda: allocate_again(order.pk))


def mark_as_ours(order: Any) -> None:
    """Called by the payment method: should the order be declined now, what it took is released."""
    setattr(order, OURS, True)


def is_ours(order: Any) -> bool:
    return getattr(order, OURS, False) or PaymentAttempt.objects.filter(order=order).exists()


#: Statuses that an order is paid from only by a charge that comes late, or by staff.
UNPAID = (checkout_settings.ORDER_STATUS_PAYMENT_DECLINED, checkout_settings.ORDER_STATUS_CANCELED)


@transaction.atomic
def release(order_id: int) -> bool:
    """Release what a declined order took, once. True when it did."""
    order = orders.locked(order_id)
    if not orders.is_declined(order):
        return False  # paid meanwhile
    lines = locked_lines(order)
    before = ReleasedAllocation.objects.filter(order=order).first()
    if before is not None:
        if before.is_about(lines):
            return False
        before.delete()  # of the lines that a retry replaced
    discounts = list(order.discounts.all())
    deleted = rows_a_decline_deletes(order, discounts)
    change_usage(discounts, sign=-1)
    ReleasedAllocation.objects.create(order=order, lines=release_stock(lines), deleted=deleted)
    listed = AttentionItem.objects.filter(order=order, kind=Attention.SHORT)
    with orders.in_the_shops_language():
        needs.clear(listed, _("The order was declined again."))
    return True


@transaction.atomic
def allocate_again(order_id: int) -> bool:
    """Take again what an order released that does not count as declined any more. True when it did.

    It is taken whether it is there or not, as the order is paid; staff are told of what is missing.
    """
    order = orders.locked(order_id)
    released = ReleasedAllocation.objects.filter(order=order).first()
    if released is None or order.status in UNPAID:
        return False
    lines = locked_lines(order)
    released.delete()
    if not released.is_about(lines):
        return False  # a retry of the order took its own
    lock_used(deleted_rows(released.deleted))
    stock = locked_stock(lines)
    cancel_for_retry(released, stock)
    with orders.in_the_shops_language():
        missing = missing_of(order, released, lines, stock)
        restore(released.deleted)
        allocate_stock(released, lines, stock)
        if missing:
            tell_staff(order, missing)
    return True


def missing_for(order: Any) -> list[str]:
    """What others have got of that which a declined order would have to take again before it can be paid, in words."""
    released = ReleasedAllocation.objects.filter(order=order).first()
    lines = list(order.lines.order_by("pk"))
    if released is None or not released.is_about(lines):
        return []
    return missing_of(order, released, lines, stock_of(lines))


def missing_of(order: Any, released: ReleasedAllocation, lines: Sequence[Any], stock: Mapping[int, Any]) -> list[str]:
    deleted = deleted_rows(released.deleted)
    return [
        *missing_goods(order, released, lines, stock),
        *spent_vouchers(deleted[VoucherApplication]),
        *spent_offers(deleted[OrderDiscount]),
    ]


def locked_lines(order: Any) -> list[Any]:
    return list(Line.objects.select_for_update(of=("self",), no_key=True).filter(order=order).order_by("pk"))


# -- stock -------------------------------------------------------------------------------------------------------------


def stock_of(lines: Iterable[Any], *, lock: bool = False) -> dict[int, Any]:
    """The stock records of these lines whose product tracks stock, by their keys."""
    return records_of({line.stockrecord_id for line in lines} - {None}, lock=lock)


def records_of(keys: Collection[int], *, lock: bool = False) -> dict[int, Any]:
    """The stock records with these keys, in whose order they are locked, if their product tracks stock."""
    records = StockRecord.objects.select_related("product__product_class", "product__parent__product_class")
    records = records.filter(pk__in=keys).order_by("pk")
    if lock:
        records = records.select_for_update(of=("self",), no_key=True)
    return {record.pk: record for record in records if tracks_stock(record.product)}


def locked_stock(lines: Iterable[Any]) -> dict[int, Any]:
    return stock_of(lines, lock=True)


def tracks_stock(product: Any) -> bool:
    product_class = product.get_product_class()
    return bool(product_class and product_class.track_stock)


def allocated(line: Any) -> int:
    """How much of a line is allocated: not what was shipped, nor what somebody cancelled."""
    return 0 if line.allocation_cancelled else int(line.num_allocated or 0)


def release_stock(lines: Sequence[Any]) -> dict[str, int]:
    """Cancel the allocation of each line; return by the lines' keys how much it was, of each line that exists."""
    stock = locked_stock(lines)
    released = {line.pk: allocated(line) if line.stockrecord_id in stock else 0 for line in lines}
    total: Counter[int] = Counter()
    for line in lines:
        total[line.stockrecord_id] += released[line.pk]
    change_allocations(stock, {key: -quantity for key, quantity in total.items()})
    changed = [key for key, quantity in released.items() if quantity]
    if changed:
        Line.objects.filter(pk__in=changed).update(num_allocated=0, allocation_cancelled=True)
    return {str(key): quantity for key, quantity in released.items()}


def allocates_as_oscar_does() -> bool:
    """Whether the shop's stock records add and subtract in one column, as Oscar's do."""
    names = ("allocate", "cancel_allocation")
    return all(getattr(StockRecord, name) is getattr(AbstractStockRecord, name) for name in names)


def change_allocations(stock: Mapping[int, Any], quantities: Mapping[int, int]) -> None:
    """Allocate so much more of each locked stock record, or less, in one statement.

    A shop's own ``allocate`` and ``cancel_allocation`` are called for each. What stands on Oscar's signals, such as
    alerts of goods that are back, follows once this is committed.
    """
    changed = [(stock[key], quantity) for key, quantity in sorted(quantities.items()) if quantity and key in stock]
    if not allocates_as_oscar_does():
        for record, quantity in changed:
            record.allocate(quantity) if quantity > 0 else record.cancel_allocation(-quantity)
        return
    for record, quantity in changed:
        send_signal(pre_save, record)
        record.num_allocated = max((record.num_allocated or 0) + quantity, 0)
    records = [record for record, _quantity in changed]
    StockRecord._base_manager.bulk_update(records, ["num_allocated"])
    for record in records:
        transaction.on_commit(partial(send_signal, post_save, record), robust=True)


def send_signal(signal: Any, record: Any) -> None:
    """As Oscar does around a change of what is allocated."""
    using = router.db_for_write(StockRecord, instance=record)
    signal.send(sender=type(record), instance=record, created=False, raw=False, using=using)


def allocate_stock(released: ReleasedAllocation, lines: Sequence[Any], stock: Mapping[int, Any]) -> None:
    """Allocate again what each line released, whether it is there or not."""
    changed = []
    total: Counter[int] = Counter()
    for line in lines:
        if quantity := released.lines.get(str(line.pk)):
            total[line.stockrecord_id] += quantity
            line.num_allocated, line.allocation_cancelled = quantity, False
            changed.append(line)
    change_allocations(stock, total)
    Line._base_manager.bulk_update(changed, ["num_allocated", "allocation_cancelled"])


def missing_goods(
    order: Any, released: ReleasedAllocation, lines: Sequence[Any], stock: Mapping[int, Any]
) -> list[str]:
    """What the lines released and the shop would not sell any more."""
    wanted = {line: quantity for line in lines if (quantity := released.lines.get(str(line.pk)))}
    prefetch_related_objects([record.product for record in stock.values()], "stockrecords")
    total: Counter[int] = Counter()
    missing = []
    for line, quantity in wanted.items():
        key = line.stockrecord_id
        total[key] += quantity  # several lines of one stock record
        if key is None or (key in stock and not is_available(order, line, stock[key], total[key])):
            missing.append(f"{quantity} × {line.title} ({line.partner_sku or '-'})")
    return missing


def is_available(order: Any, line: Any, record: Any, quantity: int) -> bool:
    """Whether the shop would still sell so many: its strategy says, where it sells them from this stock record."""
    try:
        with transaction.atomic():
            info = Selector().strategy(user=order.user).fetch_for_product(record.product)
            if info.stockrecord == record:
                return bool(info.availability.is_purchase_permitted(quantity)[0])
    except Exception:  # the shop's own code, and the order is paid whatever it says
        logger.exception("The shop's strategy does not say whether line %s of order %s is available.", line, order)
    return int(record.net_stock_level) >= quantity


# -- a retry, which api-checkout makes -----------------------------------------------------------------------------


def follow_basket(sender: Any, instance: Any, created: bool = False, raw: bool = False, **kwargs: Any) -> None:
    """Connected to ``post_save`` of baskets: api-checkout freezes one, then places its order again.

    The last moment before it cancels the allocation of the old lines at which anybody hears of the retry. Its own
    check that the goods are in stock comes before.
    """
    if raw or created or instance.status != Basket.FROZEN:
        return
    order_id = ReleasedAllocation.objects.filter(order__basket=instance.pk).values_list("order_id", flat=True).first()
    if order_id is not None:
        patience.persistently(lambda: allocate_for_retry(order_id))


@transaction.atomic
def allocate_for_retry(order_id: int) -> None:
    """Allocate what api-checkout's ``OrderUpdater`` is about to cancel: the whole quantity of every old line."""
    order = orders.locked(order_id)
    released = ReleasedAllocation.objects.filter(order=order).first()
    if released is None or released.date_retried or not orders.is_declined(order):
        return
    lines = locked_lines(order)
    if not released.is_about(lines):
        return
    stock = locked_stock(lines)
    total: Counter[int] = Counter()
    for line in lines:
        if line.stockrecord_id in stock:
            total[line.stockrecord_id] += max(line.quantity - allocated(line), 0)
    change_allocations(stock, total)
    released.for_retry = {str(key): quantity for key, quantity in total.items()}
    released.date_retried = clock.now()
    released.save(update_fields=["for_retry", "date_retried"])


def cancel_retry(basket_id: int) -> None:
    """Cancel what was allocated for a retry that placed no order: its basket is thawed again."""
    retried = ReleasedAllocation.objects.filter(order__basket=basket_id, date_retried__isnull=False)
    order_id = retried.values_list("order_id", flat=True).first()
    if order_id is not None:
        patience.persistently(lambda: forget_retry(order_id))


@transaction.atomic
def forget_retry(order_id: int) -> None:
    order = orders.locked(order_id)
    lines = locked_lines(order)
    released = ReleasedAllocation.objects.filter(order=order, date_retried__isnull=False).first()
    if released is None or order.status not in UNPAID or not released.is_about(lines):
        return
    cancel_for_retry(released, locked_stock(lines))
    released.for_retry, released.date_retried = {}, None
    released.save(update_fields=["for_retry", "date_retried"])


def cancel_for_retry(released: ReleasedAllocation, stock: Mapping[int, Any]) -> None:
    """Cancel what was allocated for a retry that did not replace the lines."""
    quantities = {int(key): -quantity for key, quantity in released.for_retry.items()}
    lost = quantities.keys() - stock.keys()  # of lines that have no stock record any more
    change_allocations({**stock, **(records_of(lost, lock=True) if lost else {})}, quantities)


def put_right(at: datetime | None = None) -> None:
    """Cancel what was allocated for retries that failed, and take again what a paid order has not taken.

    api-checkout's view tells nobody that a retry failed; a status that was written without Oscar's signal neither.
    Safe at any time and on several machines at once.
    """
    now = clock.at_or_now(at)
    since, cutoff = now - needs.LOOKED_BACK, now - conf.attempt_timeout
    failed = Q(date_retried__gt=since, date_retried__lt=cutoff)
    paid = Q(date_created__gt=since) & ~Q(order__status__in=UNPAID)
    due = ReleasedAllocation.objects.filter(failed | paid).order_by("order_id").values_list("order_id", flat=True)
    for order_id in due:
        try:
            put_order_right(order_id)
        except Exception:  # one bad order must not keep the others waiting
            logger.exception("What order row %s released could not be put right; it is tried again.", order_id)


@transaction.atomic
def put_order_right(order_id: int) -> None:
    order = orders.locked_if_free(order_id)
    if order is None:
        return
    if order.status not in UNPAID:
        allocate_again(order_id)
        return
    forget_retry(order_id)


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


def spent_offers(discounts: Iterable[Any]) -> list[str]:
    """Which of the offers have no budget for this any more."""
    offers = usage_of(discounts)
    used = ConditionalOffer.objects.filter(pk__in=offers).order_by("pk")
    spent = [offer for offer in used if offer.get_max_applications() < offers[offer.pk].times]
    return [_("offer %(name)s") % {"name": offer.name} for offer in spent]


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


# -- what staff read ---------------------------------------------------------------------------------------------------


def tell_staff(order: Any, missing: Sequence[str]) -> None:
    """List an order that was paid after others had got what it released, and say on the order what is missing."""
    attempts = PaymentAttempt.objects.filter(order=order).select_related("token")
    attempt = attempts.filter(state__in=orders.HOLDING).order_by("-pk").first() or attempts.order_by("-pk").first()
    about = {"reference_number": order.number, "transaction_uuid": f"order-{order.pk}", "detail": "missing"}
    evidence = {"missing": list(missing)}
    if not needs.flag(Attention.SHORT, order, attempt, evidence=evidence, **about):
        listed = AttentionItem.objects.filter(order=order, kind=Attention.SHORT)
        listed.update(evidence=evidence, date_cleared=None, cleared_by=None, cleared_by_name="", reason="")
    message = _("%(what)s. Missing: %(missing)s. %(advice)s") % {
        "what": Attention.SHORT.label,
        "missing": ", ".join(missing),
        "advice": needs.ADVICE[Attention.SHORT],
    }
    orders.note(order, message)
