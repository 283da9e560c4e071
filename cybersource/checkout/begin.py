"""A payment begins: the attempt is written when the shopper checks out, and what an earlier checkout left makes way.

:mod:`.payment_request` says what is asked of CyberSource, and :mod:`.forms` signs it whenever the form is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as replace_in
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from oscarapicheckout import settings as checkout_settings
from rest_framework.fields import BooleanField
from rest_framework.serializers import ValidationError

from .. import signals
from ..conf import FLOWS
from ..http.client_ip import client_address
from ..models import UNSETTLED_STATES, AttemptState, Attention, PaymentAttempt
from ..payments import attention as needs
from ..payments import orders
from ..payments.attempts import FLOW_STEPS, SERVER_FLOW
from ..payments.balance import OrderBalance, currency_of
from ..protocol import TransactionType, reference_number_for
from . import device_fingerprint
from . import session as checkout_session
from .checkout_request import CheckoutRequest
from .payment_request import ExtraFields, ask_receivers, check_form, request_for

assert tuple(FLOW_STEPS) == FLOWS


@sensitive_variables()
def begin(order: Any, method_key: str, amount: Decimal, *, flow: str, request: HttpRequest) -> PaymentAttempt:
    """Write the attempt that the shopper's first form will belong to; an earlier open one is replaced.

    The caller's transaction commits before the form is read. Raises :class:`ReceiverMistake` where a receiver of the
    two ``pre_build_…`` signals spoils the form, before anything has left the shop. Returns the attempt that paid, and
    writes none, when a late reply paid the order while it was being placed again.
    """
    # From here on a reply, an expiry or a reviewer waits for us; what they did a moment before is seen. What
    # api-checkout holds in memory may be older than either.
    order.status = orders.locked(order.pk).status
    balance = orders.balance(order)
    paid = paid_already(order, method_key, amount, balance) if balance.payments else None
    if not orders.awaits_payment(order) and not orders.is_cancelled(order):
        paid = paid or holding(order)
    if paid:
        return paid
    make_way(order, methods_named(request), begun=(method_key, amount), balance=balance)
    if orders.is_declined(order):
        # A deferred payment is tried again without the order being placed again: it waits for payment once more.
        with orders.in_the_shops_language():
            orders.change_status(order, checkout_settings.ORDER_STATUS_PENDING)
    hostname = request.get_host()
    credentials = CheckoutRequest.of(request).signing_key
    fingerprint = device_fingerprint.known(request)
    first, *later = FLOW_STEPS[flow]
    added = ask_receivers(signals.pre_build_get_token_request, request, order, method_key)
    added_later = ask_receivers(signals.pre_build_auth_request, request, order, method_key) if later else ExtraFields()
    attempt = PaymentAttempt(
        order=order,
        method_key=method_key,
        flow=flow,
        transaction_type=first,
        reference_number=reference_number_for(order.number),
        amount=amount,
        currency=currency_of(order),
        profile_id=credentials.profile_id,
        access_key=credentials.access_key,
        hostname=hostname[:100],
        language=(get_language() or "")[:16],
        session_hash=checkout_session.session_hash(request.session),
        customer_ip_address=client_address(request),
        is_limited=not request.user.is_staff,
        device_fingerprint_id=fingerprint.session_id if fingerprint else "",
        extra_fields=added.fields,
        next_extra_fields=added_later.fields,
    )
    # Built once here, so that an order CyberSource could never accept stops the checkout with a clear error instead
    # of showing the shopper a page of states that cannot be read.
    form = request_for(attempt, order)
    check_form(form, credentials, attempt, added)
    if added_later.fields and flow != SERVER_FLOW:
        # The next form too: what spoils it would show only when the card is stored already.
        following = replace_in(form, transaction_type=later[0], payment_token="0", extra_fields=added_later.fields)
        check_form(following, credentials, attempt, added_later)
    attempt.save(force_insert=True)
    if fingerprint is None and device_fingerprint.is_too_old(request):
        with orders.in_the_shops_language():
            orders.note(
                order,
                _("This card payment goes without a device fingerprint: its page had been open for too long."),
            )
    return attempt


def paid_already(order: Any, method_key: str, amount: Decimal, balance: OrderBalance) -> PaymentAttempt | None:
    """Return the attempt by which this method pays this amount already, all of which counts; None where none does.

    It was recorded while api-checkout wrote that the order is pending, or paid in another browser. The shopper must not
    be sent to pay it a second time.
    """
    made_by = {one.attempt_id: one for one in balance.payments if balance.of(one) >= amount}
    attempts = PaymentAttempt.objects.filter(
        pk__in=made_by, order=order, method_key=method_key, amount=amount, state__in=orders.HOLDING
    )
    return attempts.order_by("-pk").first()


def holding(order: Any) -> PaymentAttempt | None:
    """Return the last attempt that paid an order which another checkout, or a late reply, paid a moment ago."""
    return PaymentAttempt.objects.filter(order=order, state__in=orders.HOLDING).order_by("-pk").first()


def methods_named(request: HttpRequest) -> frozenset[str] | None:
    """The keys of the payment methods that the shopper's checkout enables; None where the request does not say."""
    data = getattr(request, "data", None)
    named = data.get("payment") if isinstance(data, Mapping) else None
    if not isinstance(named, Mapping):
        return None
    return frozenset(str(key) for key, value in named.items() if isinstance(value, Mapping) and is_enabled(value))


def is_enabled(method: Mapping[str, Any]) -> bool:
    """As api-checkout's serializer reads it."""
    try:
        return BooleanField().to_internal_value(method.get("enabled", False)) is True
    except ValidationError:
        return False


def make_way(
    order: Any,
    named: frozenset[str] | None,
    *,
    begun: tuple[str, Decimal] | None = None,
    balance: OrderBalance | None = None,
) -> None:
    """A checkout begins: what an earlier one left, and this one does not name, pays for the order no more.

    An attempt that the shopper could still pay is replaced; money that is held or taken is set aside, and staff are
    asked to return it. So is what the method that is ``begun`` left for another amount, or refunded in part.
    The order's row is locked by the caller. Of an order that is not waiting for a payment nothing changes.
    """
    if not orders.awaits_payment(order):
        return
    begun_key, amount = begun or (None, None)

    def is_left(attempt: PaymentAttempt) -> bool:
        return attempt.method_key == begun_key or (named is not None and attempt.method_key not in named)

    attempts = {one.pk: one for one in PaymentAttempt.objects.filter(order=order).select_related("token")}
    for attempt in attempts.values():
        if attempt.state in UNSETTLED_STATES and is_left(attempt):
            replace(order, attempt)
    if not orders.awaits_payment(order):
        return  # paid a moment ago, by what would be set aside
    balance = balance or orders.balance(order)
    for payment in balance.payments:
        attempt_of_it = attempts.get(payment.attempt_id or 0)
        if attempt_of_it is None or not payment.kept or payment.is_set_aside or not is_left(attempt_of_it):
            continue
        if attempt_of_it.method_key == begun_key and payment.under_review == amount and balance.is_in_play(payment):
            continue  # its reviewer may still pay the order
        with orders.in_the_shops_language():
            needs.set_aside(order, payment)


@transaction.atomic
def make_way_for_checkout(sender: Any, order: Any, request: Any = None, **kwargs: Any) -> None:
    """Connected to api-checkout's ``order_placed``, since a checkout by other methods begins no attempt of ours."""
    named = methods_named(request)
    if named is not None and PaymentAttempt.objects.filter(order=order).exists():
        make_way(orders.locked(order.pk), named)


@transaction.atomic
def replace(order: Any, attempt: PaymentAttempt) -> None:
    """Replace an attempt unless it has ended meanwhile. One of unknown outcome may be charged: it is flagged."""
    same = PaymentAttempt.objects.filter(pk=attempt.pk)
    if same.filter(state=AttemptState.OPEN).update(state=AttemptState.REPLACED):
        return
    replaced = same.filter(state=AttemptState.UNKNOWN).update(state=AttemptState.REPLACED)
    if replaced and attempt.transaction_type != TransactionType.CREATE_PAYMENT_TOKEN:
        with orders.in_the_shops_language():
            needs.flag_unknown_outcome(Attention.NO_ANSWER, order, attempt)


def void(attempt: PaymentAttempt) -> None:
    """The shopper retries with another amount: replace an open attempt, set aside and flag money that it has.

    Locks the order and then the attempt; the caller holds a transaction.
    """
    order = orders.locked(attempt.order_id)
    attempt = PaymentAttempt.objects.select_for_update(of=("self",), no_key=True).get(pk=attempt.pk)
    if attempt.state in UNSETTLED_STATES:
        replace(order, attempt)
        return
    for payment in orders.balance(order).payments:
        if payment.attempt_id == attempt.pk and payment.kept and not payment.is_set_aside:
            with orders.in_the_shops_language():
                needs.set_aside(order, payment)


def latest_begun(session: Any, order_id: Any) -> PaymentAttempt | None:
    """Return the last attempt for the order, if this very session began it."""
    attempt = PaymentAttempt.objects.filter(order=order_id).order_by("-pk").first() if order_id else None
    return attempt if attempt and checkout_session.began(session, attempt) else None
