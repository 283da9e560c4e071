"""The order's own fate: paid when what counts covers it, declined when nothing replaces a failure.

Everything here expects the order's row to be locked by the caller, inside the caller's transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Greatest
from django.utils import translation
from django.utils.translation import gettext as _
from oscar.apps.order.exceptions import InvalidOrderStatus
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings
from oscarapicheckout.signals import order_payment_declined

from ..db import locks
from ..models import UNSETTLED_STATES, AttemptState, Attention, OrderConfirmation, PaymentAttempt, PaymentNote
from . import balance as payment_balance
from .balance import OrderBalance
from .outbox import announce, announce_authorized, owner_request

Order = get_model("order", "Order")
OrderNote = get_model("order", "OrderNote")
Voucher = get_model("voucher", "Voucher")

NOTE_TYPE = "System"

#: An attempt in one of these states was told that money is held; how much of it counts, :mod:`.standing` says.
HOLDING = (AttemptState.AUTHORIZED, AttemptState.REVIEW)


def locked(order_id: int) -> Any:
    """Lock the order's row and return it. Every caller locks the order first and then the attempt.

    The key itself is left free: a row that points to the order need not wait for the settlement of another. Raises
    OperationalError when somebody else holds the row for longer than :mod:`cybersource.db.locks` allows.
    """
    return Order.objects.annotate(**locks.limits()).select_for_update(of=("self",), no_key=True).get(pk=order_id)


def locked_if_free(order_id: int) -> Any:
    """Lock the order's row as :func:`locked` does; None at once when somebody else holds it, or when it is gone."""
    return (
        Order.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .select_related("basket", "user")
        .filter(pk=order_id)
        .first()
    )


def locked_in_turn(order_ids: Iterable[int]) -> dict[int, Any]:
    """Lock several orders and return them by their keys, in whose order they are locked."""
    rows = Order.objects.annotate(**locks.limits()).select_for_update(of=("self",), no_key=True)
    rows = rows.filter(pk__in=order_ids)
    return {order.pk: order for order in rows.order_by("pk")}


def lock(order_id: int) -> None:
    """Lock the order's row for code that reads it, and what belongs to it, in the next statement.

    Not in this one: after a wait for a lock PostgreSQL joins the new row to its old neighbours.
    """
    locks.lock_row(Order, order_id, "NO KEY UPDATE")


def awaits_payment(order: Any) -> bool:
    return order.status in (checkout_settings.ORDER_STATUS_PENDING, checkout_settings.ORDER_STATUS_PAYMENT_DECLINED)


def is_declined(order: Any) -> bool:
    return order.status == checkout_settings.ORDER_STATUS_PAYMENT_DECLINED


def is_cancelled(order: Any) -> bool:
    return order.status == checkout_settings.ORDER_STATUS_CANCELED


def in_the_shops_language() -> AbstractContextManager[Any]:
    """Notes are for staff, in any request: build and write them within this context."""
    return translation.override(settings.LANGUAGE_CODE)


def note(order: Any, message: str, *, user: Any = None) -> None:
    """Tell staff who may see payments, on the order's page; see :func:`in_the_shops_language`."""
    notes([OrderNote(order=order, note_type=NOTE_TYPE, message=message, user=user)])


def note_once(order: Any, message: str) -> None:
    if not order.notes.filter(message=message).exists():
        note(order, message)


def notes(written: Sequence[Any]) -> None:
    """Store notes of ours, and that they are ours."""
    OrderNote.objects.bulk_create(written)
    PaymentNote.objects.bulk_create(PaymentNote(note=note) for note in written)


def balance(order: Any) -> OrderBalance:
    """What pays for the order, in one statement. Most hold nothing yet, which is seen in a quarter of the time."""
    if order.sources.exists():
        return payment_balance.balance(order)
    return OrderBalance(currency=payment_balance.currency_of(order))


def money_held(order: Any) -> Decimal:
    """The money that counts towards the order: of our payments, and of other methods."""
    return balance(order).covered(order)


def is_retried(order: Any, attempt: PaymentAttempt) -> bool:
    """Whether the order is paid without this attempt once all that it waits for goes well: reviewers accept what they
    have yet to decide about, and the shopper pays the forms of newer attempts. Then they decide, not its failure.
    """
    found = balance(order)
    newer = PaymentAttempt.objects.filter(
        order=order, pk__gt=attempt.pk, state__in=UNSETTLED_STATES, currency=found.currency
    )
    in_play = newer.aggregate(amount=Sum("amount"))["amount"] or payment_balance.NOTHING
    return found.covered(order) + found.under_review + in_play >= order.total_incl_tax


def may_be_released(order: Any) -> bool:
    """Whether the order is paid once its reviewers accept all that they have yet to decide about."""
    found = balance(order)
    return bool(found.under_review) and found.covered(order) + found.under_review >= order.total_incl_tax


def is_asked_about(order: Any) -> bool:
    """Whether staff are looking up if a card was charged whose form nobody answered: the order is kept for it."""
    asked = PaymentAttempt.objects.filter(order=order, state=AttemptState.EXPIRED, attention=Attention.NO_ANSWER)
    return asked.exists()


def fails_with(order: Any, attempt: PaymentAttempt) -> bool:
    """Whether an attempt that holds nothing leaves its order, which waits for payment, with nothing to wait for."""
    return awaits_payment(order) and not is_retried(order, attempt) and not is_asked_about(order)


def authorize_if_covered(order: Any, covered: Decimal, *, hostname: str = "") -> bool:
    """Set the order authorized when it awaits payment and its total is covered. True when it became so."""
    if not awaits_payment(order) or covered < order.total_incl_tax:
        return False
    change_status(order, checkout_settings.ORDER_STATUS_AUTHORIZED)
    basket = order.basket
    if basket is not None:
        if order.user_id != basket.owner_id:
            basket.owner_id = order.user_id
        basket.submit()
    OrderConfirmation.objects.bulk_create([OrderConfirmation(order=order)], ignore_conflicts=True)
    transaction.on_commit(lambda: announce_authorized(order, hostname=hostname), robust=True)
    return True


def decline(order: Any, *, hostname: str = "", note_if_forced: bool = False) -> bool:
    """Decline an order: release its vouchers and thaw the basket, as api-checkout does. True when it became so.

    The change of its status releases everything else that it took (:mod:`cybersource.payments.order_allocations`).
    """
    if is_declined(order):
        return False
    change_status(order, checkout_settings.ORDER_STATUS_PAYMENT_DECLINED)
    # The retry begins attempts of its own. What an old form still brings must not decide over those.
    PaymentAttempt.objects.filter(order=order, state=AttemptState.OPEN).update(state=AttemptState.REPLACED)
    applications = order.voucherapplication_set.select_related("voucher")
    for voucher_id, times in sorted(voucher_uses(application.voucher for application in applications).items()):
        Voucher._base_manager.filter(pk=voucher_id).update(num_orders=Greatest(F("num_orders") - times, 0))
    order.discounts.all().delete()
    order.line_prices.all().delete()
    order.voucherapplication_set.all().delete()
    if order.basket is not None:
        order.basket.thaw()
    announce(
        order_payment_declined,
        sender=order,
        order=order,
        request=owner_request(order, hostname),
        internal_error=False,
    )
    return True


def voucher_uses(vouchers: Iterable[Any]) -> Counter[int]:
    """How often each of an order's vouchers counts as used: and its parent once, where it has one that is not named."""
    vouchers = list(vouchers)
    uses = Counter(voucher.pk for voucher in vouchers)
    parents = Counter(getattr(voucher, "parent_id", None) for voucher in vouchers)
    uses.update({key: times for key, times in parents.items() if key is not None and key not in uses})
    return uses


def change_status(order: Any, status: str) -> None:
    """Move the order through the shop's status pipeline; where the pipeline has no such way, force it with a note."""
    if order.status == status:
        return
    try:
        order.set_status(status)
    except InvalidOrderStatus:
        old_status, order.status = order.status, status
        order.save(update_fields=["status"])
        order_status_changed.send(sender=order, order=order, old_status=old_status, new_status=status)
        order._create_order_status_change(old_status, status)
        note(
            order,
            _("The status was changed from '%(old)s' to '%(new)s' although the order pipeline has no such step.")
            % {"old": old_status, "new": status},
        )
