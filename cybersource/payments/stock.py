"""What an order allocates of the shop's stock."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import router, transaction
from django.db.models import prefetch_related_objects
from django.db.models.signals import post_save, pre_save
from oscar.apps.partner.abstract_models import AbstractStockRecord
from oscar.core.loading import get_class, get_model

from ..models import ReleasedAllocation

Line = get_model("order", "Line")
StockRecord = get_model("partner", "StockRecord")
Selector = get_class("partner.strategy", "Selector")

logger = logging.getLogger(__name__)

NOTHING = Decimal("0.00")


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
