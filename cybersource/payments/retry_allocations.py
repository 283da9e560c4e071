"""What api-checkout's retry of an order cancels, allocated beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from ..db import clock, locks
from ..models import ReleasedAllocation
from . import orders
from .stock import allocated, change_allocations, locked_lines, locked_stock, records_of

Basket = get_model("basket", "Basket")


#: Statuses that an order is paid from only by a charge that comes late, or by staff.
CANCELED = checkout_settings.ORDER_STATUS_CANCELED
UNPAID = (checkout_settings.ORDER_STATUS_PAYMENT_DECLINED, CANCELED)


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
        locks.retry_on_conflict(lambda: allocate_for_retry(order_id))


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
        locks.retry_on_conflict(lambda: forget_retry(order_id))


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
