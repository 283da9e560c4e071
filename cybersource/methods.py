"""The payment method that a shop lists in ``API_ENABLED_PAYMENT_METHODS``."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from oscarapicheckout import utils
from oscarapicheckout.methods import PaymentMethod, PaymentMethodSerializer
from oscarapicheckout.states import Complete, Declined, PaymentStatus
from rest_framework.serializers import ValidationError

from . import profiles
from .checkout import begin as checkout_begin
from .checkout import payment_request
from .checkout.checkout_request import CheckoutRequest
from .checkout.states import AttemptStatus
from .conf import FLOWS, conf
from .limits import alarm, budgets
from .models import AttemptState, PaymentAttempt, card_numbers
from .payments import orders
from .payments.order_allocations import mark_as_ours, missing_for
from .protocol import ProtocolError

logger = logging.getLogger(__name__)


UNAVAILABLE = _("Card payment is not available at the moment.")


class CybersourceSerializer(PaymentMethodSerializer):
    """Refuses the method before an order is placed when the shop has no key to sign its form with."""

    def validate(self, data: Any) -> Any:
        data = super().validate(data)
        if data["enabled"] and not CheckoutRequest.of(self.context["request"]).can_sign:
            raise ValidationError(UNAVAILABLE)
        return data


def is_method_key(key: str) -> bool:
    """Whether a payment may be called so: no shop's page sends a key that is not."""
    most = PaymentAttempt._meta.get_field("method_key").max_length
    return len(key) <= most and "\0" not in key and not card_numbers.is_card_number("", key)


class Cybersource(PaymentMethod):
    """Payment by card through CyberSource Secure Acceptance.

    ``flow`` (``method_kwargs``) is one of ``two-step``, ``one-step``, ``sale``, ``sale-with-token`` and
    ``token-then-server``; the default is ``CYBERSOURCE_FLOW``. ``code`` and ``name`` let a shop offer the method more
    than once, say once a flow.
    """

    name = _("Credit Card")
    code = "cybersource"
    serializer_class = CybersourceSerializer

    def __init__(self, flow: str = "", code: str = "", name: str = "") -> None:
        self.flow = flow or conf.flow
        if self.flow not in FLOWS:
            raise ImproperlyConfigured(
                f"{self.flow!r} is no flow of cybersource.methods.Cybersource; choose one of {', '.join(FLOWS)}."
            )
        self.code = code or self.code
        self.name = name or self.name

    def record_payment(self, request: HttpRequest, order: Any, *args: Any, **kwargs: Any) -> PaymentStatus:
        """Begin the payment. Where that fails the order is declined: its basket is thawed and what it took released.

        Newer releases of api-checkout decline it themselves.
        """
        try:
            return super().record_payment(request, order, *args, **kwargs)
        except Exception:
            if not hasattr(utils, "decline_order_payment") and not transaction.get_connection().needs_rollback:
                decline_what_failed(order)
            raise

    def _record_payment(
        self, request: HttpRequest, order: Any, method_key: str, amount: Decimal, reference: str, **kwargs: Any
    ) -> PaymentStatus:
        """Begin an attempt, in a place of the shopper's budgets. The money moves when CyberSource's reply comes."""
        if amount <= 0 or not kwargs.get("enabled", True):
            return Complete(Decimal("0.00"))  # nothing to pay, or not by this method: the gateway is never asked
        mark_as_ours(order)
        if orders.is_declined(order) and missing_for(order):
            return Declined(amount)  # a deferred payment, whose goods api-checkout does not look for
        checkout, order_key = CheckoutRequest.of(request), budgets.order_key(order)
        place, attempt = checkout.place(order_key), None
        try:
            attempt = self.begin(request, order, method_key, amount)
        finally:
            if attempt is None or attempt.state != AttemptState.OPEN:
                place.release()  # nothing began, or a late reply has paid the order
        if attempt is not None:
            return AttemptStatus(attempt)
        alarm.count_refusal(checkout.budget_holder(order_key))  # the order has set goods aside
        return Declined(amount)

    def begin(self, request: HttpRequest, order: Any, method_key: str, amount: Decimal) -> PaymentAttempt | None:
        """Begin an attempt; None where no form can be made, which nobody could know before the order existed.

        The basket comes back to the shopper, and staff read on the order what has to change.
        """
        if not is_method_key(method_key):
            logger.warning("Refused a payment method key that no shop's page sends.")
            return None
        try:
            return checkout_begin.begin(order, method_key, amount, flow=self.flow, request=request)
        except profiles.NoSigningKey as problem:  # where no serializer looked
            logger.error("No form can be made for order %s: %s", order.number, problem)
        except (ProtocolError, payment_request.ReceiverMistake) as problem:
            logger.error("No form can be made for order %s: %s", order.number, problem)
            with orders.in_the_shops_language():
                orders.note(order, gettext("The card form could not be made: %(why)s") % {"why": problem.explanation})
        CheckoutRequest.of(request).failed.append(method_key)
        return None

    @transaction.atomic
    def void_existing_payment(
        self, request: HttpRequest, order: Any, method_key: str, state_to_void: PaymentStatus
    ) -> None:
        """Called when the shopper retries with another amount. Money that is held is kept and flagged for staff."""
        attempt = getattr(state_to_void, "attempt", None)
        if attempt is not None:
            checkout_begin.void(attempt)


def decline_what_failed(order: Any) -> None:
    """Decline an order whose payment could not begin. Never raises, since what failed is to be heard of."""
    try:
        with transaction.atomic(), orders.in_the_shops_language():
            locked = orders.locked(order.pk)
            mark_as_ours(locked)
            if orders.awaits_payment(locked):
                orders.decline(locked)
    except Exception:
        logger.exception("Order %s, whose payment could not begin, could not be declined either.", order.number)
