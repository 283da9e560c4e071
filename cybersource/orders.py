"""The order's own fate: paid when what is held covers it, declined when nothing replaces a failure.

Everything here expects the order's row to be locked by the caller, inside the caller's transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Greatest
from django.utils import translation
from django.utils.translation import gettext as _
from oscar.apps.order.exceptions import InvalidOrderStatus
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings
from oscarapicheckout.signals import order_payment_declined

from . import patience
from .announcements import announce, announce_authorized, owner_request
from .conf import conf
from .models import (
    UNDER_WAY,
    UNSETTLED_STATES,
    AttemptState,
    Attention,
    AttentionItem,
    OrderConfirmation,
    PaymentAttempt,
    PaymentNote,
    PaymentOperation,
)

Order = get_model("order", "Order")
OrderNote = get_model("order", "OrderNote")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")
Voucher = get_model("voucher", "Voucher")

NOTE_TYPE = "System"

#: An attempt in one of these states holds money.
HOLDING = (AttemptState.AUTHORIZED, AttemptState.REVIEW)

NOTHING = Decimal("0.00")

#: A charge that is listed for one of these reasons does not count towards its order, cleared or not.
SET_ASIDE = (Attention.PARTIAL, Attention.KEPT_AUTHORIZATION)


def locked(order_id: int) -> Any:
    """Lock the order's row and return it. Every door locks the order first and then the attempt.

    The key itself is left free: a row that points to the order need not wait for the settlement of another. Raises
    OperationalError when somebody else holds the row for longer than :mod:`cybersource.patience` allows.
    """
    return Order.objects.annotate(**patience.limits()).select_for_update(of=("self",), no_key=True).get(pk=order_id)


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
    rows = Order.objects.annotate(**patience.limits()).select_for_update(of=("self",), no_key=True)
    rows = rows.filter(pk__in=order_ids)
    return {order.pk: order for order in rows.order_by("pk")}


def lock(order_id: int) -> None:
    """Lock the order's row for whoever reads it, and what belongs to it, in the next statement.

    Not in this one: after a wait for a lock PostgreSQL joins the new row to its old neighbours.
    """
    patience.lock_row(Order, order_id, "NO KEY UPDATE")


def awaits_payment(order: Any) -> bool:
    return order.status in (checkout_settings.ORDER_STATUS_PENDING, checkout_settings.ORDER_STATUS_PAYMENT_DECLINED)


def is_declined(order: Any) -> bool:
    return order.status == checkout_settings.ORDER_STATUS_PAYMENT_DECLINED


def is_cancelled(order: Any) -> bool:
    return order.status == checkout_settings.ORDER_STATUS_CANCELED


def in_the_shops_language() -> AbstractContextManager[Any]:
    """Notes are for staff, whoever's request this is: build and write them within this context."""
    return translation.override(settings.LANGUAGE_CODE)


def note(order: Any, message: str, *, user: Any = None) -> None:
    """Tell staff who may see payments, on the order's page; see :func:`in_the_shops_language`."""
    notes([OrderNote(order=order, note_type=NOTE_TYPE, message=message, user=user)])


def notes(written: Sequence[Any]) -> None:
    """Store notes of ours, and that they are ours."""
    OrderNote.objects.bulk_create(written)
    PaymentNote.objects.bulk_create(PaymentNote(note=note) for note in written)


@dataclass(kw_only=True)
class Money:
    """What the Sources of one order say."""

    #: What they have allocated, less what does not count towards the order: what is under review, what was only partly
    #: approved, what staff were asked to reverse because the shopper retried with another amount, and what is on its
    #: way back.
    held: Decimal = NOTHING
    #: Transaction ids of what was authorized, captured and refunded.
    references: set[str] = field(default_factory=set)


def money_of(order_ids: Iterable[int]) -> dict[int, Money]:
    """The money of each of these orders, in one statement."""
    found = {order_id: Money() for order_id in order_ids}
    # What is being given back pays for nothing, whether CyberSource has been asked yet or not.
    going = PaymentOperation.objects.filter(
        Q(kind=PaymentOperation.Kind.REVERSE) | Q(kind=PaymentOperation.Kind.VOID, is_automatic=True),
        source=OuterRef("pk"),
        state__in=UNDER_WAY,
    )
    going = going.order_by().values("source").annotate(amount=Sum("amount")).values("amount")
    # By the charge and not by its attempt, which a second charge may have moved on to.
    set_aside = AttentionItem.objects.filter(
        order=OuterRef("order"), transaction_id=OuterRef("transactions__reference"), kind__in=SET_ASIDE
    ).exclude(transaction_id="")
    rows = (
        Source.objects.filter(order__in=found).annotate(set_aside=Exists(set_aside), going=Subquery(going)).order_by()
    )
    counted = set()
    for order_id, source, allocated, is_set_aside, going_back, kind, amount, status, reference in rows.values_list(
        "order",
        "pk",
        "amount_allocated",
        "set_aside",
        "going",
        "transactions__txn_type",
        "transactions__amount",
        "transactions__status",
        "transactions__reference",
    ):
        money = found[order_id]
        left = max(allocated - (going_back or NOTHING), NOTHING)
        if source not in counted:
            counted.add(source)
            money.held += left
        if kind is None:
            continue
        money.references.add(reference)
        doubtful = status == Transaction.REVIEW and conf.review_holds_order
        if kind == Transaction.AUTHORISE and (doubtful or is_set_aside):
            money.held -= min(amount, left)  # what was given back is allocated no more
    return found


def money_held(order: Any) -> Decimal:
    """The money that counts towards the order."""
    return money_of([order.pk])[order.pk].held


def is_retried(order: Any, attempt: PaymentAttempt) -> bool:
    """Whether newer attempts cover the order: those in play, and those that hold their part.

    Then they decide, and not this one's failure.
    """
    newer = PaymentAttempt.objects.filter(order=order, pk__gt=attempt.pk, state__in=(*UNSETTLED_STATES, *HOLDING))
    amount = newer.exclude(attention=Attention.KEPT_AUTHORIZATION).aggregate(amount=Sum("amount"))["amount"]
    return amount is not None and amount >= order.total_incl_tax


def holds_money() -> Q:
    """Of attempts: those that hold what counts for their order, and was not set aside."""
    kept = AttentionItem.objects.filter(
        attempt=OuterRef("pk"), kind=Attention.KEPT_AUTHORIZATION, transaction_id=OuterRef("source__reference")
    )
    return Q(state__in=HOLDING) & ~Exists(kept)


def may_be_released(order: Any) -> bool:
    """Whether the order is paid once its reviewers accept all that they have yet to decide about."""
    if not conf.review_holds_order:
        return False  # what is under review counts already
    reviewed = PaymentAttempt.objects.filter(holds_money(), order=order, state=AttemptState.REVIEW)
    amount = reviewed.aggregate(amount=Sum("source__amount_allocated"))["amount"]
    return amount is not None and money_held(order) + amount >= order.total_incl_tax


def is_asked_about(order: Any) -> bool:
    """Whether staff are looking up if a card was charged whose form nobody answered: the order is kept for it."""
    asked = PaymentAttempt.objects.filter(order=order, state=AttemptState.EXPIRED, attention=Attention.NO_ANSWER)
    return asked.exists()


def fails_with(order: Any, attempt: PaymentAttempt) -> bool:
    """Whether an attempt that holds nothing leaves its order, which waits for payment, with nothing to wait for."""
    if not awaits_payment(order) or is_retried(order, attempt):
        return False
    return not may_be_released(order) and not is_asked_about(order)


def authorize_if_covered(order: Any, held: Decimal, *, hostname: str = "") -> bool:
    """Set the order authorized when it awaits payment and what is held covers its total. True when it became so."""
    if not awaits_payment(order) or held < order.total_incl_tax:
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

    The change of its status releases everything else that it took (:mod:`cybersource.order_allocations`).
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
