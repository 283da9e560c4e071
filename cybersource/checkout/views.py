"""The shopper's pages: back from CyberSource, waiting, finishing, and how a payment stands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render, resolve_url
from django.urls import get_script_prefix, reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from oscarapicheckout.serializers import PaymentStateSerializer
from oscarapicheckout.utils import list_payment_method_states
from oscarapicheckout.views import CHECKOUT_ORDER_ID

from ..conf import conf
from ..http.error_reports import discreet
from ..inbound import replies
from ..inbound.decorators import View, without_query
from ..models import UNSETTLED_STATES, WAITS_FOR_STAFF, AttemptState, PaymentAttempt
from ..operations import stored_card
from ..payments import attempts, orders, outbox
from ..payments.attempts import PaymentStep
from ..payments.errors import InvalidOperation
from ..protocol import PROFILING_KINDS
from . import begin, device_fingerprint, forms, session, unpaid_orders
from . import messages as shopper_messages
from .states import AttemptStatus, TooManyTries
from .unpaid_orders import NextStep

logger = logging.getLogger(__name__)

#: Seconds between two looks of the pending page: while an answer is due, and while people decide.
SOON, LATER = 4, 60


@discreet
@without_query
@never_cache
@transaction.non_atomic_requests
def no_reply(request: HttpRequest) -> HttpResponse:
    """What the shopper may look at instead: how the payment stands that this session began last."""
    step = begin.latest_begun(request.session, request.session.get(CHECKOUT_ORDER_ID))
    payment_url = reverse("cybersource-return", args=[step.transaction_uuid]) if step else None
    return render(request, "cybersource/no_reply.html", {"payment_url": payment_url, "home_url": resolve_url("/")})


# -- where shoppers go ---------------------------------------------------------------------------------------------


class PageToShow(Enum):
    """Which page a shopper belongs on, as the rows have it now."""

    SUCCESS = "success"
    FAIL = "fail"
    PENDING = "pending"


def whereabouts(attempt: PaymentAttempt) -> PageToShow:
    order = attempt.order
    if not orders.awaits_payment(order) and not orders.is_cancelled(order):
        return PageToShow.SUCCESS
    waiting = (AttemptState.OPEN, AttemptState.UNKNOWN, AttemptState.REVIEW, AttemptState.AUTHORIZED)
    is_left_to_staff = attempt.state == AttemptState.EXPIRED and attempt.attention in WAITS_FOR_STAFF
    waits = attempt.state in waiting or is_left_to_staff
    return PageToShow.PENDING if waits and not orders.is_declined(order) else PageToShow.FAIL


def for_its_session(view: Callable[[HttpRequest, UUID, PaymentStep], HttpResponse]) -> View:
    """Hand a view the latest step of the payment behind its URL, if this very session began it.

    It speaks the language of the checkout, whatever the browser asks for on an address without a language prefix.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, handle: UUID) -> HttpResponse:
        step = own_step(request, handle)
        if step is None:
            return stranger(request)
        language = outbox.spoken(step.attempt.language) or translation.get_language()
        with translation.override(language):
            response = view(request, handle, step)
        if language:
            response.headers.setdefault("Content-Language", language)
        return response

    return wrapped


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
@for_its_session
def return_to_shop(request: HttpRequest, handle: UUID, step: PaymentStep) -> HttpResponse:
    """The shopper is back with a real session: mirror the rows into it and send the shopper on."""
    attempt, order = step.attempt, step.attempt.order
    request.session[CHECKOUT_ORDER_ID] = order.pk
    where = whereabouts(attempt)
    if where == PageToShow.SUCCESS:
        return HttpResponseRedirect(resolve_url(conf.redirect_success))
    if where == PageToShow.PENDING:
        return HttpResponseRedirect(finish_url(attempt) if is_one_of_several(attempt) else pending_url(attempt))
    messages.error(request, shopper_messages.why_not_paid(attempt))
    if order.basket is not None and order.basket.can_be_edited:
        session.return_basket(request, order.basket)
    return HttpResponseRedirect(resolve_url(conf.redirect_fail))


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
@for_its_session
def pending(request: HttpRequest, handle: UUID, step: PaymentStep) -> HttpResponse:
    """Goes on with a two-step payment, or says that we are still checking and looks again."""
    attempt = step.attempt
    if whereabouts(attempt) != PageToShow.PENDING:
        return HttpResponseRedirect(reverse("cybersource-return", args=[handle]))
    if is_one_of_several(attempt):
        return HttpResponseRedirect(finish_url(attempt))
    goes_on = (
        attempt.state == AttemptState.OPEN
        and not step.has_stored_answer
        and attempt.token is not None
        and orders.awaits_payment(attempt.order)
    )
    form = forms.form_to_show(attempt) if goes_on else None
    if whereabouts(attempt) != PageToShow.PENDING:  # its form could not be made any more
        return HttpResponseRedirect(reverse("cybersource-return", args=[handle]))
    return render(
        request,
        "cybersource/pending.html",
        {
            "form": form,
            "order_number": attempt.order.number,
            "method_key": attempt.method_key,
            "heading": shopper_messages.pending_heading(attempt),
            "message": "" if form else shopper_messages.why_pending(attempt),
            "states_url": reverse("cybersource-state", args=[handle]),
            "card_url": finish_url(attempt),
            "wants_card": unpaid_orders.next_of(step) == unpaid_orders.NextStep.CARD,
            "refresh_url": request.path,
            "refresh_seconds": SOON if attempt.state in UNSETTLED_STATES else LATER,
        },
    )


@csrf_exempt
@discreet
@require_POST
@never_cache
@transaction.non_atomic_requests
@for_its_session
def authorize(request: HttpRequest, handle: UUID, step: PaymentStep) -> HttpResponse:
    """The second step of a payment that the shop's server authorizes, asked for by the shopper's browser.

    Needs no token against forgery: it takes nothing from the post, and only the session that began the payment, whose
    cookie a foreign page's post does not bring, finds the step behind the URL. Posted twice, it is done once.
    """
    attempt = step.attempt
    is_due = attempt.channel == PaymentAttempt.Channel.REST and attempt.state == AttemptState.OPEN
    try:
        if is_due and not step.has_stored_answer:
            stored_card.authorize_step(attempt)
    except InvalidOperation as refused:
        logger.warning("The card of attempt %s was not authorized: %s", attempt.pk, refused)
    return HttpResponseRedirect(reverse("cybersource-return", args=[handle]))


# -- what is placed and not paid -------------------------------------------------------------------------------------


def is_one_of_several(attempt: PaymentAttempt) -> bool:
    """Whether a payment went through whose order waits for others: its shopper has nothing to wait for on its page."""
    return attempt.state == AttemptState.AUTHORIZED and not orders.is_cancelled(attempt.order)


def finish_url(attempt: PaymentAttempt) -> str:
    return reverse("cybersource-finish", args=[attempt.transaction_uuid])


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
def finish_newest(request: HttpRequest) -> HttpResponse:
    """The page of the order that this session tried to pay last."""
    attempt = unpaid_orders.newest_attempt(request.session)
    if attempt is None:
        return render(request, "cybersource/finish.html", {"home_url": get_script_prefix()})
    return HttpResponseRedirect(finish_url(attempt))


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
@for_its_session
def finish(request: HttpRequest, handle: UUID, step: PaymentStep) -> HttpResponse:
    """What is paid of an order, and the form of the payment that comes next."""
    back = reverse("cybersource-return", args=[handle])
    order = step.attempt.order
    found = unpaid_orders.of_order(order, request.session)
    behind = next((other for other in found.steps if other.has_stored_answer), None)
    if behind is not None:
        replies.catch_up(behind.attempt)
        step = attempts.latest_step(step.attempt.pk) or step
        order = step.attempt.order
        found = unpaid_orders.of_order(order, request.session)
    if not orders.awaits_payment(order) or found.is_declined:
        return HttpResponseRedirect(back)
    card, stored, waiting = (found.waiting(what) for what in (NextStep.CARD, NextStep.CONTINUE, NextStep.WAIT))
    others = other_methods(request, order)
    if len(found.steps) == 1 and waiting and not others:
        return HttpResponseRedirect(pending_url(waiting[0]))
    request.session[CHECKOUT_ORDER_ID] = order.pk
    comes_next = next(iter(stored or card), None)
    return render(
        request,
        "cybersource/finish.html",
        {
            "order": order,
            "left": max(order.total_incl_tax - found.held, Decimal("0.00")),
            "held": found.held,
            "paid": found.waiting(NextStep.PAID),
            "step": comes_next,
            "goes_on": bool(stored),
            "later": [other for other in (*stored, *card) if other is not comes_next],
            "waiting": waiting,
            "others": others,
            "states_url": reverse("cybersource-state", args=[comes_next.transaction_uuid]) if comes_next else "",
            "pending_url": reverse("cybersource-pending", args=[(stored or waiting)[0].transaction_uuid])
            if stored or waiting
            else "",
            "return_url": back,
            "checkout_url": resolve_url(conf.redirect_fail),
            "home_url": get_script_prefix(),
            "refresh_seconds": LATER if waiting and comes_next is None else None,
        },
    )


def other_methods(request: HttpRequest, order: Any) -> list[dict[str, Any]]:
    """What the session holds of the order's payments by methods that are not ours."""
    held = list_payment_method_states(request)
    return [
        {"key": key, **PaymentStateSerializer(instance=state).data}
        for key, state in held.items()
        if not isinstance(state, AttemptStatus) and getattr(state, "order_id", None) in (None, order.pk)
    ]


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
def state(request: HttpRequest, handle: UUID) -> HttpResponse:
    """How one payment stands, in the shape of api-checkout's payment states. To other sessions it does not exist."""
    step = own_step(request, handle)
    return states_of(step.attempt.order, [step]) if step else no_such_order()


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
def placed(request: HttpRequest) -> HttpResponse:
    """How the order stands that this session placed from a basket: for a page that lost the answer to placing it."""
    order = unpaid_orders.placed_from(
        request.session, basket=request.GET.get("basket", ""), order_token=request.GET.get("order", "")
    )
    return states_of(order, unpaid_orders.steps_of(order, request.session)) if order else no_such_order()


def no_such_order() -> HttpResponse:
    return JsonResponse({"detail": _("This session has placed no such order.")}, status=404)


def states_of(order: Any, steps: Sequence[PaymentStep]) -> HttpResponse:
    """Answer with the state of each payment of the order, in the shape of api-checkout's payment states."""
    try:
        states = {
            step.attempt.method_key: PaymentStateSerializer(instance=AttemptStatus.of(step)).data for step in steps
        }
    except TooManyTries as refused:
        return JsonResponse({"detail": refused.detail}, status=429, headers={"Retry-After": str(refused.wait)})
    handle = steps[0].attempt.transaction_uuid if steps else None
    return JsonResponse(
        {
            "order_number": order.number,
            "order_status": order.status,
            "is_paid": not orders.awaits_payment(order) and not orders.is_cancelled(order),
            "finish_url": reverse("cybersource-finish", args=[handle]) if handle else None,
            "return_url": reverse("cybersource-return", args=[handle]) if handle else None,
            "payment_method_states": states,
        }
    )


def pending_url(attempt: PaymentAttempt) -> str:
    if conf.redirect_pending:
        return resolve_url(conf.redirect_pending)
    return reverse("cybersource-pending", args=[attempt.transaction_uuid])


def own_step(request: HttpRequest, handle: UUID) -> PaymentStep | None:
    """The latest step of the payment behind the URL, if this very session began it; to others it does not exist."""
    attempt = PaymentAttempt.objects.filter(transaction_uuid=str(handle)).first()
    if attempt is None or not session.began(request.session, attempt):
        return None
    step = attempts.latest_step(attempt.pk)
    if step and step.has_stored_answer:
        replies.catch_up(step.attempt)
        step = attempts.latest_step(attempt.pk)
    return step


def stranger(request: HttpRequest) -> HttpResponse:
    """The same page for a foreign, a lost and an unknown URL.

    A session cookie with ``SameSite=Strict`` is missing on the redirect from CyberSource and comes back with a
    navigation that starts on our own page, so the page makes one. Until then no middleware may start another session
    here: its cookie would replace the shopper's.
    """
    request.session = {}  # type: ignore[assignment]
    looked_again = "again" in request.GET
    return render(
        request,
        "cybersource/return.html",
        {"retry_url": None if looked_again else f"{request.path}?again=1", "home_url": get_script_prefix()},
    )


# -- device fingerprint ----------------------------------------------------------------------------------------------


@require_GET
@never_cache
def fingerprint_redirect(request: HttpRequest, url_type: str) -> HttpResponse:
    """Redirect to the profiling service, to a target made only of settings and the id in the session."""
    if "renew" in request.GET and url_type in PROFILING_KINDS:
        fingerprint = device_fingerprint.begin(request)  # a page that stood open for long
    else:
        fingerprint = device_fingerprint.current(request) if url_type in PROFILING_KINDS else None
    if fingerprint is None:
        raise Http404(_("There is nothing to profile here."))
    return HttpResponseRedirect(fingerprint.url(url_type))
