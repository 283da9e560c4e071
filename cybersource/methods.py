"""The payment method that a shop lists in ``API_ENABLED_PAYMENT_METHODS``."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signing import BadSignature
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from oscar.core.loading import get_model
from oscarapi.basket.operations import get_basket_id_from_session
from oscarapicheckout.methods import PaymentMethod, PaymentMethodSerializer
from oscarapicheckout.serializers import OrderTokenField
from oscarapicheckout.states import Complete, Declined, PaymentStatus
from oscarapicheckout.views import CompleteDeferredPaymentView
from rest_framework.serializers import ValidationError

from . import card_numbers, checkout, limits, orders, profiles, shopper
from .client_address import client_address
from .conf import FLOWS, conf
from .models import PaymentAttempt
from .order_allocations import mark_as_ours
from .protocol import ProtocolError
from .states import AttemptStatus, TooManyTries

Order = get_model("order", "Order")

logger = logging.getLogger(__name__)


class CybersourceSerializer(PaymentMethodSerializer):
    """Refuses the method before an order is placed: when the shop has no key to sign its form with, and, as a 429,
    when one of the shopper's budgets is spent (:mod:`cybersource.limits`)."""

    def validate(self, data: Any) -> Any:
        data = super().validate(data)
        if data["enabled"]:
            try:
                profiles.for_signing(self.context["request"].get_host())
            except profiles.NothingToSignWith as problem:
                logger.error("Card payment is not available: %s", problem)
                raise ValidationError(_("Card payment is not available at the moment.")) from None
            take_place(self.context["request"], self.context.get("view"))
        return data


def take_place(request: Any, view: Any) -> None:
    """Take the attempt's place while the order is not placed yet. Raises :class:`~cybersource.states.TooManyTries`.

    api-checkout may still refuse the order for another reason, which it tells nobody, so the place is given back when
    the view answers and no attempt began: mistakes in an address are no tries of a card.
    """
    who = limits.Who(
        session_hash=shopper.session_hash(request.session),
        user_id=request.user.pk,
        order=order_to_pay(request, view),
        address=client_address(request),
        is_limited=not request.user.is_staff,  # staff take orders by phone, from one address and in one session
    )
    try:
        taken = limits.take(who)
    except limits.Refused as refused:
        raise TooManyTries(refused.wait) from None
    if hasattr(request, "cybersource_places"):
        request.cybersource_places.append(taken)  # a second card for the same order
        return
    unused = request.cybersource_places = [taken]
    if view is None:
        return
    answer = view.finalize_response

    def give_back_and_answer(*args: Any, **kwargs: Any) -> Any:
        while unused:
            unused.pop().give_back()
        return answer(*args, **kwargs)

    view.finalize_response = give_back_and_answer


def order_to_pay(request: Any, view: Any) -> str:
    """Which order's budget it is: that of the one basket that may be checked out, or of a deferred payment's order."""
    if isinstance(view, CompleteDeferredPaymentView):
        try:
            number = OrderTokenField.verify_token(request.data["order"])
        except (BadSignature, KeyError, TypeError, ValueError, AttributeError):
            return ""  # api-checkout refuses it
        order = Order.objects.filter(number=number).first()
        return limits.order_key(order) if order else ""
    basket_id = get_basket_id_from_session(request)
    return f"basket-{basket_id}" if basket_id else ""


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

    def _record_payment(
        self, request: HttpRequest, order: Any, method_key: str, amount: Decimal, reference: str, **kwargs: Any
    ) -> PaymentStatus:
        """Begin an attempt. The money moves when CyberSource's reply comes, not here."""
        if amount <= 0:
            return Complete(Decimal("0.00"))  # nothing to pay: the gateway is never asked
        mark_as_ours(order)
        if (
            len(method_key) > PaymentAttempt._meta.get_field("method_key").max_length
            or "\0" in method_key
            or card_numbers.is_card_number("", method_key)
        ):
            logger.warning("Refused a payment method key that no shop's page sends.")
            return Declined(amount)
        try:
            attempt = checkout.begin(order, method_key, amount, flow=self.flow, request=request)
        except profiles.NothingToSignWith as problem:  # since the serializer looked
            logger.error("No form can be made for order %s: %s", order.number, problem)
            return Declined(amount)
        except ProtocolError as problem:
            # An order that CyberSource could never accept (yen with a fraction, an address without a country). The
            # shopper gets an ordinary decline and the basket back; staff read on the order what has to change.
            logger.error("No form can be made for order %s: %s", order.number, problem)
            with orders.in_the_shops_language():
                orders.note(order, gettext("The card form could not be made: %(why)s") % {"why": problem.explanation})
            return Declined(amount)
        places = getattr(request, "cybersource_places", None)
        if places:
            places.pop()  # used
        return AttemptStatus(attempt)

    @transaction.atomic
    def void_existing_payment(
        self, request: HttpRequest, order: Any, method_key: str, state_to_void: PaymentStatus
    ) -> None:
        """Called when the shopper retries with another amount. Money that is held is kept and flagged for staff."""
        attempt = getattr(state_to_void, "attempt", None)
        if attempt is not None:
            checkout.void(attempt)
