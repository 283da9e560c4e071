"""What CyberSource and shoppers' browsers post: read and handed on, and answered as who posted it needs.

The two reply views, the notification view and the webhook view are called from outside without any cookie of ours. They
start no session, set no cookie, and hold no transaction open around the evidence they store.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial, wraps

from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import get_script_prefix, reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from ..conf import conf
from ..db import locks
from ..http.client_ip import client_address
from ..models import CyberSourceReply, ReplyType, ReviewNotification
from ..protocol import ProtocolError
from ..protocol.rest import InvalidWebhook
from ..protocol.rest.webhook import MAX_BODY_BYTES as MAX_DELIVERY_BYTES
from ..protocol.review import MAX_BODY_BYTES
from ..reviews import inbox
from . import body as post_body
from . import rejected, replies, webhooks
from .decorators import View, from_outside

logger = logging.getLogger(__name__)

#: Seconds after which a client that could not be served may ask again.
RETRY_AFTER = "30"


class HttpResponseSeeOther(HttpResponseRedirect):
    """303: whatever the method was, the next request is a GET, on which browsers send ``SameSite=Lax`` cookies."""

    status_code = 303


@sensitive_variables()
def received(request: HttpRequest, reply_type: ReplyType) -> replies.ReplyResult:
    """Verify, log and settle a posted reply.

    Raises ProtocolError when it is no reply to an attempt of ours, or one of UNAVAILABLE when not even evidence could
    be stored.
    """
    posted: list[tuple[str, str]] = []
    try:
        posted = post_body.pairs(request)
        verified = replies.verify(posted)
    except ProtocolError as refused:
        problem = refused
    else:
        return acted_on(verified, reply_type)
    # Outside the handler, so that an error while storing does not carry the post's values along in its context.
    rejected.keep(posted, rule=problem.rule, reply_type=reply_type, remote_address=client_address(request))
    raise problem


@sensitive_variables()
def acted_on(verified: replies.VerifiedReply, reply_type: ReplyType) -> replies.ReplyResult:
    """Log a verified reply, and settle it unless the log's row of it has been acted on."""
    entry = replies.log(verified, reply_type)
    is_new = entry.result == CyberSourceReply.Result.RECEIVED
    result = replies.settle(entry, verified.reply) if is_new else CyberSourceReply.Result.REPEATED
    return replies.ReplyResult(attempt=entry.attempt, result=result)


@partial(from_outside, allowed=require_http_methods(["GET", "HEAD", "OPTIONS", "POST"]))
def posted_reply(request: HttpRequest) -> HttpResponse:
    try:
        receipt = received(request, ReplyType.BROWSER)
    except ProtocolError as problem:
        logger.warning("Refused a browser reply: %s", problem.rule)
        return render(request, "cybersource/refused.html", {"home_url": get_script_prefix()}, status=400)
    except locks.UNAVAILABLE as problem:
        say_unavailable("a browser reply", problem)
        page = render(request, "cybersource/later.html", status=503)
        page["Retry-After"] = RETRY_AFTER
        return page
    return HttpResponseSeeOther(reverse("cybersource-return", args=[receipt.attempt.transaction_uuid]))


@wraps(posted_reply)
def reply(request: HttpRequest, *, no_reply: View) -> HttpResponse:
    """The shopper's browser brings CyberSource's reply: record it, then send the shopper to a page with a session.

    That page also knows what to do with a reply that is stored and could not take effect yet. A browser that brings
    nothing, say after a proxy has redirected the post, is shown ``no_reply``, a page that leads on.
    """
    if request.method in ("GET", "HEAD"):
        return no_reply(request)
    if request.method == "OPTIONS":
        return HttpResponse(headers={"Allow": "GET, HEAD, OPTIONS, POST", "Content-Length": "0"})
    return posted_reply(request)


@from_outside
def merchant_post(request: HttpRequest) -> HttpResponse:
    """CyberSource's server brings the same reply: it wants a quick 200, also for one that came before."""
    try:
        receipt = received(request, ReplyType.MERCHANT_POST)
    except ProtocolError as problem:
        logger.warning("Refused a merchant POST: %s", problem.rule)
        return HttpResponse("refused", status=400, content_type="text/plain")
    except locks.UNAVAILABLE as problem:
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

    Unset keys close the endpoint, an explicit empty list opens it to anybody, else one of the keys must be shown.
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
        body = post_body.beginning(request, size=MAX_BODY_BYTES + 1)
        notification = inbox.receive(body, request.content_type or "", remote_address=client_address(request))
    except ProtocolError as problem:
        logger.warning("Refused a review notification: %s", problem.rule)
        return HttpResponse("refused", status=400, content_type="text/plain")
    except locks.UNAVAILABLE as problem:
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
        body = post_body.beginning(request, size=MAX_DELIVERY_BYTES + 1)
        webhooks.receive(body, request.headers.get("v-c-signature", ""), remote_address=client_address(request))
    except ProtocolError as problem:
        logger.warning("Refused a webhook delivery: %s", problem.rule)
        return HttpResponse("refused", status=status_of(problem), content_type="text/plain")
    except locks.UNAVAILABLE as problem:
        say_unavailable("a webhook delivery", problem)
        return later("not stored")
    return HttpResponse("ok", content_type="text/plain")


def status_of(problem: ProtocolError) -> int:
    return 403 if isinstance(problem, InvalidWebhook) else 400


@partial(from_outside, allowed=require_http_methods(["GET", "HEAD", "POST"]))
def webhook_health(request: HttpRequest) -> HttpResponse:
    """CyberSource asks whether deliveries can be taken; while they cannot, it keeps them."""
    if not conf.webhook_keys:
        return HttpResponseForbidden("closed", content_type="text/plain")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except locks.UNAVAILABLE:
        return later("no database")
    return HttpResponse("ok", content_type="text/plain")
