"""The edges: a request in, one call, a response out.

The two reply views, the notification view and the webhook view are called from outside without any cookie of ours. They
start no session, set no cookie, and hold no transaction open around the evidence they store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from functools import partial, wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.db import connection, transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import render, resolve_url
from django.urls import get_script_prefix, reverse
from django.utils import translation
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from oscarapicheckout.serializers import PaymentStateSerializer
from oscarapicheckout.utils import list_payment_method_states
from oscarapicheckout.views import CHECKOUT_ORDER_ID

from . import (
    announcements,
    authorizations,
    checkout,
    deliveries,
    explanations,
    fingerprints,
    orders,
    patience,
    posts,
    replies,
    reviews,
    shopper,
    unpaid,
)
from .client_address import client_address
from .conf import conf
from .encryption import Secret
from .error_reports import discreet, take_query_off
from .models import UNSETTLED_STATES, WAITS_FOR_STAFF, AttemptState, PaymentAttempt, ReplyType, ReviewNotification
from .protocol import PROFILING_KINDS, ProtocolError
from .protocol.rest import NotBelieved
from .protocol.rest.webhook import MAX_BODY_BYTES as MAX_DELIVERY_BYTES
from .protocol.review import MAX_BODY_BYTES
from .rules import InvalidOperation
from .states import AttemptStatus, TooManyTries
from .unpaid import Next

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponse]

#: Seconds after which whoever could not be served may ask again.
RETRY_AFTER = "30"

#: Seconds between two looks of the pending page: while an answer is due, and while people decide.
SOON, LATER = 4, 60


class HttpResponseSeeOther(HttpResponseRedirect):
    """303: whatever the method was, the next request is a GET, on which browsers send ``SameSite=Lax`` cookies."""

    status_code = 303


def without_session(view: View) -> View:
    """Leave the shopper's browser as it is: no session is loaded, saved, or sent as a cookie by any middleware.

    The browser does not send its session cookie on CyberSource's cross-site POST; a cookie set here would replace the
    shopper's real session. An empty mapping in its place is passed over by Django's session middleware and oscarapi's
    basket middleware alike.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.session = {}  # type: ignore[assignment]
        return view(request, *args, **kwargs)

    return wrapped


def in_utf_8(view: View) -> View:
    """Read the request as UTF-8, which is all that CyberSource writes.

    A content type may name any codec, also one that is no text encoding at all, on which Django would fail.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.encoding = "utf-8"
        return view(request, *args, **kwargs)

    return wrapped


def in_time(view: View) -> View:
    """Wait for rows that somebody else holds locked for less than CyberSource waits for our answer."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with patience.at_most(patience.FOR_A_REQUEST):
            return view(request, *args, **kwargs)

    return wrapped


def without_query(view: View) -> View:
    """Take the query off the request before the view begins: what logs and reports say of a request is its URL.

    The notification's key is a credential. The view finds it in ``request.query_taken_off``; the others read no query.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.query_taken_off = Secret(take_query_off(request))  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return wrapped


def from_outside(view: View, allowed: Callable[[View], View] = require_POST) -> View:
    """What the doors to the outside have in common.

    Who knocks has no session: a shop whose pages are all behind ``LoginRequiredMiddleware`` would redirect the reply to
    its login, and what was posted would be lost. What they believe is signed.
    """
    for decorator in (
        in_utf_8,
        in_time,
        without_session,
        transaction.non_atomic_requests,
        allowed,
        never_cache,
        csrf_exempt,
        without_query,
        discreet,
    ):
        view = decorator(view)
    view.login_required = False  # type: ignore[attr-defined]
    return view


def received(request: HttpRequest, reply_type: ReplyType) -> replies.Receipt:
    """Hand a posted reply on. Raises ProtocolError, or one of UNAVAILABLE when not even evidence could be stored."""
    return replies.receive(posts.pairs(request), reply_type=reply_type, remote_address=client_address(request))


@partial(from_outside, allowed=require_http_methods(["GET", "HEAD", "OPTIONS", "POST"]))
def posted_reply(request: HttpRequest) -> HttpResponse:
    try:
        receipt = received(request, ReplyType.BROWSER)
    except ProtocolError as problem:
        logger.warning("Refused a browser reply: %s", problem.rule)
        return render(request, "cybersource/refused.html", {"home_url": get_script_prefix()}, status=400)
    except patience.UNAVAILABLE as problem:
        say_unavailable("a browser reply", problem)
        page = render(request, "cybersource/later.html", status=503)
        page["Retry-After"] = RETRY_AFTER
        return page
    return HttpResponseSeeOther(reverse("cybersource-return", args=[receipt.attempt.transaction_uuid]))


@wraps(posted_reply)
def reply(request: HttpRequest) -> HttpResponse:
    """The shopper's browser brings CyberSource's reply: record it, then send the shopper to a page with a session.

    That page also knows what to do with a reply that is stored and could not take effect yet. A browser that brings
    nothing, say after a proxy has redirected the post, is shown a page that leads on.
    """
    if request.method in ("GET", "HEAD"):
        return no_reply(request)
    if request.method == "OPTIONS":
        return HttpResponse(headers={"Allow": "GET, HEAD, OPTIONS, POST", "Content-Length": "0"})
    return posted_reply(request)


@discreet
@without_query
@never_cache
@transaction.non_atomic_requests
def no_reply(request: HttpRequest) -> HttpResponse:
    """What the shopper may look at instead: how the payment stands that this session began last."""
    step = checkout.latest_begun(request.session, request.session.get(CHECKOUT_ORDER_ID))
    payment_url = reverse("cybersource-return", args=[step.transaction_uuid]) if step else None
    return render(request, "cybersource/no_reply.html", {"payment_url": payment_url, "home_url": resolve_url("/")})


@from_outside
def merchant_post(request: HttpRequest) -> HttpResponse:
    """CyberSource's server brings the same reply: it wants a quick 200, also for one that came before."""
    try:
        receipt = received(request, ReplyType.MERCHANT_POST)
    except ProtocolError as problem:
        logger.warning("Refused a merchant POST: %s", problem.rule)
        return HttpResponse("refused", status=400, content_type="text/plain")
    except patience.UNAVAILABLE as problem:
        say_unavailable("a merchant POST", problem)
        return later("not stored")
    return HttpResponse("ok", content_type="text/plain") if receipt.has_taken_effect else later("stored, not settled")


def later(why: str) -> HttpResponse:
    return HttpResponse(why, status=503, content_type="text/plain", headers={"Retry-After": RETRY_AFTER})


def say_unavailable(what: str, problem: Exception) -> None:
    """Without the driver's own words, which may quote the row that was to be written."""
    logger.error("The database is not available (%s), so %s could not be stored.", type(problem).__name__, what)


@sensitive_variables()
def admitted(shown: Sequence[str]) -> bool:
    """Look whether the URL shows a key of ours.

    Unset keys close the door, an explicit empty list opens it to anybody, else one of the keys must be shown.
    """
    wanted = conf.decision_manager_keys
    if not isinstance(wanted, (list, tuple, set, frozenset)):
        return False  # unset, or no list of keys: a text here would make a key of each of its letters
    if not wanted:
        return True
    if len(shown) != 1:
        return False
    opened = [constant_time_compare(shown[0], key) for key in wanted if key]  # every key, whichever is the right one
    return any(opened)


def query_of(request: HttpRequest) -> QueryDict:
    """The query that was taken off. WSGI has its bytes in Latin-1 text, ASGI has decoded them as UTF-8."""
    encoding = "utf-8" if isinstance(request, ASGIRequest) else "latin-1"
    return QueryDict(request.query_taken_off.encode(encoding))  # type: ignore[attr-defined]


@from_outside
def review_notification(request: HttpRequest) -> HttpResponse:
    """Decision Manager tells what a reviewer decided."""
    shown = query_of(request).getlist("key")
    if not admitted(shown):
        logger.warning("Refused a review notification: no valid key")
        return HttpResponseForbidden("forbidden", content_type="text/plain")
    try:
        body = posts.beginning(request, size=MAX_BODY_BYTES + 1)
        notification = reviews.receive(body, request.content_type or "", remote_address=client_address(request))
    except ProtocolError as problem:
        logger.warning("Refused a review notification: %s", problem.rule)
        return HttpResponse("refused", status=400, content_type="text/plain")
    except patience.UNAVAILABLE as problem:
        say_unavailable("a review notification", problem)
        return later("not stored")
    if notification.state != ReviewNotification.State.HANDLED:
        return later("stored, not recorded")
    return HttpResponse("ok", content_type="text/plain")


# -- webhooks --------------------------------------------------------------------------------------------------------


@from_outside
def webhook(request: HttpRequest) -> HttpResponse:
    """CyberSource announces that something happened. It is stored, and looked into by ``cybersource_reconcile``."""
    if not conf.webhook_keys:
        return HttpResponseForbidden("closed", content_type="text/plain")
    try:
        body = posts.beginning(request, size=MAX_DELIVERY_BYTES + 1)
        deliveries.receive(body, request.headers.get("v-c-signature", ""), remote_address=client_address(request))
    except ProtocolError as problem:
        logger.warning("Refused a webhook delivery: %s", problem.rule)
        return HttpResponse("refused", status=status_of(problem), content_type="text/plain")
    except patience.UNAVAILABLE as problem:
        say_unavailable("a webhook delivery", problem)
        return later("not stored")
    return HttpResponse("ok", content_type="text/plain")


def status_of(problem: ProtocolError) -> int:
    return 403 if isinstance(problem, NotBelieved) else 400


@partial(from_outside, allowed=require_http_methods(["GET", "HEAD", "POST"]))
def webhook_health(request: HttpRequest) -> HttpResponse:
    """CyberSource asks whether deliveries can be taken; while they cannot, it keeps them."""
    if not conf.webhook_keys:
        return HttpResponseForbidden("closed", content_type="text/plain")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except patience.UNAVAILABLE:
        return later("no database")
    return HttpResponse("ok", content_type="text/plain")


# -- where shoppers go ---------------------------------------------------------------------------------------------


class Where(Enum):
    """Which page a shopper belongs on, as the rows have it now."""

    SUCCESS = "success"
    FAIL = "fail"
    PENDING = "pending"


def whereabouts(order: Any, step: PaymentAttempt) -> Where:
    if not orders.awaits_payment(order) and not orders.is_cancelled(order):
        return Where.SUCCESS
    waiting = (AttemptState.OPEN, AttemptState.UNKNOWN, AttemptState.REVIEW, AttemptState.AUTHORIZED)
    waits = step.state in waiting or (step.state == AttemptState.EXPIRED and step.attention in WAITS_FOR_STAFF)
    return Where.PENDING if waits and not orders.is_declined(order) else Where.FAIL


def by_whoever_began_it(view: Callable[[HttpRequest, UUID, PaymentAttempt], HttpResponse]) -> View:
    """Hand a view the latest step of the payment behind its URL, if this very session began it.

    It speaks the language of the checkout, whatever the browser asks for on an address without a language prefix.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, handle: UUID) -> HttpResponse:
        step = own_step(request, handle)
        if step is None:
            return stranger(request)
        language = announcements.spoken(step.language) or translation.get_language()
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
@by_whoever_began_it
def return_to_shop(request: HttpRequest, handle: UUID, step: PaymentAttempt) -> HttpResponse:
    """The shopper is back with a real session: mirror the rows into it and send the shopper on."""
    order = step.order
    request.session[CHECKOUT_ORDER_ID] = order.pk
    where = whereabouts(order, step)
    if where == Where.SUCCESS:
        return HttpResponseRedirect(resolve_url(conf.redirect_success))
    if where == Where.PENDING:
        return HttpResponseRedirect(finish_url(step) if is_one_of_several(step) else pending_url(step))
    messages.error(request, explanations.why_not_paid(step))
    if order.basket is not None and order.basket.can_be_edited:
        shopper.give_basket_back(request, order.basket)
    return HttpResponseRedirect(resolve_url(conf.redirect_fail))


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
@by_whoever_began_it
def pending(request: HttpRequest, handle: UUID, step: PaymentAttempt) -> HttpResponse:
    """Goes on with a two-step payment, or says that we are still checking and looks again."""
    if whereabouts(step.order, step) != Where.PENDING:
        return HttpResponseRedirect(reverse("cybersource-return", args=[handle]))
    if is_one_of_several(step):
        return HttpResponseRedirect(finish_url(step))
    goes_on = (
        step.state == AttemptState.OPEN
        and not step.has_stored_answer
        and step.token is not None
        and orders.awaits_payment(step.order)
    )
    form = checkout.form_to_show(step) if goes_on else None
    if whereabouts(step.order, step) != Where.PENDING:  # its form could not be made any more
        return HttpResponseRedirect(reverse("cybersource-return", args=[handle]))
    return render(
        request,
        "cybersource/pending.html",
        {
            "form": form,
            "order_number": step.order.number,
            "method_key": step.method_key,
            "heading": explanations.pending_heading(step),
            "message": "" if form else explanations.why_pending(step),
            "states_url": reverse("cybersource-state", args=[handle]),
            "card_url": finish_url(step),
            "wants_card": unpaid.next_of(step) == unpaid.Next.CARD,
            "refresh_url": request.path,
            "refresh_seconds": SOON if step.state in UNSETTLED_STATES else LATER,
        },
    )


@csrf_exempt
@discreet
@require_POST
@never_cache
@transaction.non_atomic_requests
@by_whoever_began_it
def authorize(request: HttpRequest, handle: UUID, step: PaymentAttempt) -> HttpResponse:
    """The second step of a payment that the shop's server authorizes, asked for by the shopper's browser.

    Needs no token against forgery: it takes nothing from the post, and only the session that began the payment, whose
    cookie a foreign page's post does not bring, finds the step behind the URL. Asked twice, it is done once.
    """
    try:
        if step.door == PaymentAttempt.Door.REST and step.state == AttemptState.OPEN and not step.has_stored_answer:
            authorizations.authorize_step(step)
    except InvalidOperation as refused:
        logger.warning("The card of attempt %s was not authorized: %s", step.pk, refused)
    return HttpResponseRedirect(reverse("cybersource-return", args=[handle]))


# -- what is placed and not paid -------------------------------------------------------------------------------------


def is_one_of_several(step: PaymentAttempt) -> bool:
    """Whether a payment went through whose order waits for others: its shopper has nothing to wait for on its page."""
    return step.state == AttemptState.AUTHORIZED and not orders.is_cancelled(step.order)


def finish_url(step: PaymentAttempt) -> str:
    return reverse("cybersource-finish", args=[step.transaction_uuid])


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
def finish_newest(request: HttpRequest) -> HttpResponse:
    """The page of the order that this session tried to pay last."""
    attempt = unpaid.newest_attempt(request.session)
    if attempt is None:
        return render(request, "cybersource/finish.html", {"home_url": get_script_prefix()})
    return HttpResponseRedirect(finish_url(attempt))


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
@by_whoever_began_it
def finish(request: HttpRequest, handle: UUID, step: PaymentAttempt) -> HttpResponse:
    """What is paid of an order, and the form of the payment that comes next."""
    back = reverse("cybersource-return", args=[handle])
    found = unpaid.of_order(step.order, request.session)
    behind = next((other for other in found.steps if other.has_stored_answer), None)
    if behind is not None:
        replies.catch_up(behind)
        step = checkout.latest_step(step.pk) or step
        found = unpaid.of_order(step.order, request.session)
    if not orders.awaits_payment(step.order) or found.is_declined:
        return HttpResponseRedirect(back)
    card, stored, waiting = (found.waiting(what) for what in (Next.CARD, Next.CONTINUE, Next.WAIT))
    others = other_methods(request, step.order)
    if len(found.steps) == 1 and waiting and not others:
        return HttpResponseRedirect(pending_url(waiting[0]))
    request.session[CHECKOUT_ORDER_ID] = step.order.pk
    next_step = next(iter(stored or card), None)
    return render(
        request,
        "cybersource/finish.html",
        {
            "order": step.order,
            "left": max(step.order.total_incl_tax - found.held, Decimal("0.00")),
            "held": found.held,
            "paid": found.waiting(Next.PAID),
            "step": next_step,
            "goes_on": bool(stored),
            "later": [other for other in (*stored, *card) if other is not next_step],
            "waiting": waiting,
            "others": others,
            "states_url": reverse("cybersource-state", args=[next_step.transaction_uuid]) if next_step else "",
            "pending_url": reverse("cybersource-pending", args=[(stored or waiting)[0].transaction_uuid])
            if stored or waiting
            else "",
            "return_url": back,
            "checkout_url": resolve_url(conf.redirect_fail),
            "refresh_seconds": LATER if waiting and next_step is None else None,
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
    return told(step.order, [step]) if step else nothing_of_yours()


@discreet
@require_GET
@never_cache
@transaction.non_atomic_requests
def placed(request: HttpRequest) -> HttpResponse:
    """How the order stands that this session placed from a basket: for a page that lost the answer to placing it."""
    order = unpaid.placed_from(
        request.session, basket=request.GET.get("basket", ""), order_token=request.GET.get("order", "")
    )
    return told(order, unpaid.steps_of(order, request.session)) if order else nothing_of_yours()


def nothing_of_yours() -> HttpResponse:
    return JsonResponse({"detail": _("This session has placed no such order.")}, status=404)


def told(order: Any, steps: Sequence[PaymentAttempt]) -> HttpResponse:
    try:
        states = {step.method_key: PaymentStateSerializer(instance=AttemptStatus.of(step)).data for step in steps}
    except TooManyTries as refused:
        return JsonResponse({"detail": refused.detail}, status=429, headers={"Retry-After": str(refused.wait)})
    handle = steps[0].transaction_uuid if steps else None
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


def pending_url(step: PaymentAttempt) -> str:
    if conf.redirect_pending:
        return resolve_url(conf.redirect_pending)
    return reverse("cybersource-pending", args=[step.transaction_uuid])


def own_step(request: HttpRequest, handle: UUID) -> PaymentAttempt | None:
    """The latest step of the payment behind the URL, if this very session began it; to others it does not exist."""
    attempt = PaymentAttempt.objects.filter(transaction_uuid=str(handle)).first()
    if attempt is None or not shopper.began(request.session, attempt):
        return None
    step = checkout.latest_step(attempt.pk)
    if step and step.has_stored_answer:
        replies.catch_up(step)
        step = checkout.latest_step(attempt.pk)
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
        fingerprint = fingerprints.begin(request)  # a page that stood open for long
    else:
        fingerprint = fingerprints.current(request) if url_type in PROFILING_KINDS else None
    if fingerprint is None:
        raise Http404(_("There is nothing to profile here."))
    return HttpResponseRedirect(fingerprint.url(url_type))
