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
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from ..conf import conf
from ..db import clock, locks
from ..models import Attention, AttentionItem, PaymentAttempt, ReleasedAllocation
from . import attention as needs
from . import orders
from .discounts import (
    change_usage,
    deleted_rows,
    lock_used,
    restore,
    rows_a_decline_deletes,
    spent_offers,
    spent_vouchers,
)
from .retry_allocations import CANCELED, UNPAID, cancel_for_retry, forget_retry
from .stock import allocate_stock, locked_lines, locked_stock, missing_goods, release_stock, stock_of

Order = get_model("order", "Order")
OrderDiscount = get_model("order", "OrderDiscount")
VoucherApplication = get_model("voucher", "VoucherApplication")

logger = logging.getLogger(__name__)

#: Set on an order in memory by the payment method, since no attempt remains of a form that could not be made.
OURS = "_cybersource_is_ours"


# -- an order's status changes -----------------------------------------------------------------------------------------


def follow_status(sender: Any, order: Any, old_status: str, new_status: str, **kwargs: Any) -> None:
    """Connected to Oscar's ``order_status_changed``: release what a declined order took, or take it again."""
    if new_status == checkout_settings.ORDER_STATUS_PAYMENT_DECLINED:
        if is_ours(order):
            locks.retry_on_conflict(lambda: release(order.pk))
    elif old_status in UNPAID and new_status not in UNPAID:
        locks.retry_on_conflict(lambda: allocate_again(order.pk))


def mark_as_ours(order: Any) -> None:
    """Called by the payment method: should the order be declined now, what it took is released."""
    setattr(order, OURS, True)


def is_ours(order: Any) -> bool:
    return getattr(order, OURS, False) or PaymentAttempt.objects.filter(order=order).exists()


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
        *spent_offers(deleted[OrderDiscount], order),
    ]


def put_right(at: datetime | None = None) -> None:
    """Cancel what was allocated for retries that failed, and take again what a paid order has not taken.

    api-checkout's view tells nobody that a retry failed; a status that was written without Oscar's signal neither.
    Safe at any time and on several machines at once.

    The row of a declined order has no age: the order may be placed again, or paid late, as long as it exists. A
    cancelled one's goes once the shop's pipeline leads nowhere from there.
    """
    now = clock.at_or_now(at)
    since, cutoff = now - needs.LOOKED_BACK, now - conf.attempt_timeout
    failed = Q(date_retried__gt=since, date_retried__lt=cutoff)
    touched = Q(date_created__gt=since) | Q(date_retried__gt=since)  # a retry may come after months
    paid = touched & ~Q(order__status__in=UNPAID)
    if not Order.pipeline.get(CANCELED):
        ReleasedAllocation.objects.filter(date_created__lt=since, date_retried=None, order__status=CANCELED).delete()
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
