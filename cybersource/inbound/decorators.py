"""What views for posts from outside have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ..db import locks
from ..encryption import Secret
from ..http.error_reports import discreet, take_query_off

View = Callable[..., HttpResponse]


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
        with locks.lock_deadline(locks.FOR_A_REQUEST):
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
    """What the public endpoints have in common.

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
