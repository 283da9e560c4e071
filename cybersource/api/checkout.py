"""api-checkout's two views for a shop that takes cards: same paths, same contract, and they know cards beforehand.

What is wrong with a card payment is said before an order exists: a state or an e-mail address that CyberSource refuses
is 406 with the field that is wrong, more cards than an order may have are 406, a spent budget is 429. Two posts of one
checkout at once place one order. Mounted before api-checkout's own by ``include("cybersource.checkout_urls")``; a shop
that has views of its own bases them on these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model
from oscarapicheckout import views
from oscarapicheckout.states import COMPLETE, Declined, PaymentStatus
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..checkout.begin import make_way_for_checkout
from ..checkout.checkout_request import CheckoutRequest
from ..checkout.states import AttemptStatus
from ..http.error_reports import take_query_off
from ..methods import UNAVAILABLE
from ..models import card_numbers
from ..payments import orders, retry_allocations
from .checkout_serializers import CheckoutSerializer, CompleteDeferredPaymentSerializer
from .session_writes import is_unwritten, may_write_session, must_not_write_session

Basket = get_model("basket", "Basket")


class CardView:
    """What both of api-checkout's views do around a post: release what was taken for nothing, and say so."""

    @sensitive_variables()
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # A page that sends its card here by mistake is refused, and Django logs the URL of what is refused.
        if card_numbers.is_card_number("", unquote_plus(request.META.get("QUERY_STRING", ""))):
            take_query_off(request)
        must_not_write_session(request)
        response = super().dispatch(request, *args, **kwargs)
        if response.status_code < 400:
            may_write_session(request)
        elif is_unwritten(request):
            request.session.modified = False
        return response

    @sensitive_variables()
    def post(self, request: Request, format: str | None = None) -> Response:
        checkout = CheckoutRequest.of(request)
        try:
            response = super().post(request, format)
        finally:
            checkout.release_places()
            let_go(request)
        if checkout.failed and response.status_code < 400:
            # The order is declined, and no card was: the shop could not even ask.
            failed = {key: {"non_field_errors": [UNAVAILABLE]} for key in checkout.failed}
            return Response({"payment": failed}, status.HTTP_406_NOT_ACCEPTABLE)
        return response

    @sensitive_variables()
    def _record_payments(self, *, order: Any, **checkout: Any) -> dict[str, PaymentStatus]:
        """Record them as api-checkout does. All complete is not paid: what counts has to cover the order."""
        states: dict[str, PaymentStatus] = super()._record_payments(order=order, **checkout)
        is_complete = all(state.status == COMPLETE for state in states.values())
        if is_complete and orders.money_held(order) < order.total_incl_tax:
            return declined(states)
        return states


class CheckoutView(CardView, views.CheckoutView):
    serializer_class = CheckoutSerializer


class CompleteDeferredPaymentView(CardView, views.CompleteDeferredPaymentView):
    serializer_class = CompleteDeferredPaymentSerializer

    @sensitive_variables()
    def _record_payments(self, *, request: Request, order: Any, **checkout: Any) -> dict[str, PaymentStatus]:
        # No order is placed, so api-checkout tells nobody that another way of paying begins.
        make_way_for_checkout(self, order, request)
        return super()._record_payments(request=request, order=order, **checkout)


@sensitive_variables()
def declined(states: Mapping[str, PaymentStatus]) -> dict[str, PaymentStatus]:
    """The states of a checkout that falls short. A card that paid its part is taken as paid again by the retry."""
    others = {key for key, state in states.items() if not isinstance(state, AttemptStatus)} or set(states)
    return {key: Declined(state.amount, state.source_id) if key in others else state for key, state in states.items()}


@sensitive_variables()
def let_go(request: Any) -> None:
    """Thaw a basket that this request froze and placed no order with: the shopper shops on."""
    claimed = getattr(request, "cybersource_claim", None)
    if claimed is not None and not transaction.get_connection().needs_rollback:  # which thaws it too
        Basket.objects.filter(pk=claimed, status=Basket.FROZEN).update(status=Basket.OPEN)
        retry_allocations.cancel_retry(claimed)
