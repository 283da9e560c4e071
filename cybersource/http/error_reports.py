"""What an error report may show of a request that carries secrets: where it went, and nothing that was sent.

Django's own filter hides values only while ``DEBUG`` is off, and never the names of fields, the query or the headers.
Error reports reach mailboxes and issue trackers, and a misdirected card form has a card number in any of these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.debug import sensitive_variables

from ..protocol import mask_card_numbers

#: What is shown of a request's surroundings.
SHOWN = (
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTP_HOST",
    "HTTP_X_FORWARDED_FOR",
    "PATH_INFO",
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "SERVER_NAME",
    "SERVER_PORT",
)

#: Where servers (gunicorn, uWSGI, mod_wsgi) keep a request's URL with its query.
URLS_IN_META = ("QUERY_STRING", "RAW_URI", "REQUEST_URI", "UNENCODED_URL")


class NothingSent(SafeExceptionReporterFilter):
    """Shows neither fields nor cookies nor headers nor local variables marked as sensitive, whatever ``DEBUG`` says."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return {}

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        return {
            name: mask_card_numbers("meta", str(value)[:200]) for name, value in request.META.items() if name in SHOWN
        }


def discreet(view: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a view was sent, and every local variable from the view on, out of error reports."""
    hidden = sensitive_variables()(view)

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.exception_reporter_filter = NothingSent()  # type: ignore[attr-defined]
        return hidden(request, *args, **kwargs)  # type: ignore[no-any-return]

    return wrapped


def take_query_off(request: HttpRequest) -> str:
    """Return the request's query and take it off the request: what is said of a request is said of its URL."""
    query: str = request.META.get("QUERY_STRING", "")
    for name in URLS_IN_META:
        if name in request.META:
            request.META[name] = "" if name == "QUERY_STRING" else request.path
    request.GET = QueryDict()
    return query
