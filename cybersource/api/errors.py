"""One shape for whatever goes wrong: ``{"code", "message", "details": [{"code", "field", "message"}]}``.

``code`` is for programs and stays, ``message`` is for people and is translated. Nothing says more than the caller sent
or may know: no exception's own words, no statement, no setting's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, UnreadablePostError
from django.utils.log import log_response
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from ..db import locks
from ..payments.errors import InvalidOperation

#: Seconds after which a client that could not be served may ask again.
RETRY_AFTER = 30


@dataclass(frozen=True, kw_only=True)
class ErrorDetail:
    """One thing that is wrong. ``field`` is where, with dots between the levels; empty for nowhere in particular."""

    code: str
    field: str
    message: str


class Refusal(Exception):
    """A request is answered with an error of this API."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Iterable[ErrorDetail] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.headers = dict(headers or {})


#: Why an operation was not begun, where that is not what was asked (422).
STATUSES = {
    "not-configured": 503,
    "not-found": 404,
    "order-cancelled": 409,
    "stale": 409,
    "under-way": 409,
    "wrong-state": 409,
}


def answer(problem: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to an exception of a view; one that nobody expected is reported, and answered with 500."""
    set_rollback()
    refusal = refusal_of(problem)
    if refusal is None:
        if settings.DEBUG_PROPAGATE_EXCEPTIONS:
            raise problem
        return broken(problem, context)
    return response(refusal)


def response(refusal: Refusal) -> Response:
    return Response(
        {
            "code": refusal.code,
            "message": refusal.message,
            "details": [{"code": one.code, "field": one.field, "message": one.message} for one in refusal.details],
        },
        status=refusal.status,
        headers=refusal.headers,
    )


def broken(problem: Exception, context: Mapping[str, Any]) -> Response:
    """Report as Django does what it would have reported, and say nothing of it."""
    request = getattr(context.get("request"), "_request", None)
    got_request_exception.send(sender=None, request=request)
    said = response(Refusal(500, "internal-error", _("Something went wrong on our side. It has been reported.")))
    path = getattr(request, "path", "")
    log_response("%s: %s", "Internal Server Error", path, response=said, request=request, exception=problem)
    return said


def refusal_of(problem: Exception) -> Refusal | None:
    match problem:
        case Refusal():
            return problem
        case InvalidOperation():
            return not_begun(problem)
        case exceptions.APIException():
            return of_framework(problem)
        case Http404():
            return not_found()
        case PermissionDenied():
            return Refusal(403, "permission-denied", _("You may not do this."))
        case RequestDataTooBig():
            return too_large()
        case SuspiciousOperation():
            return Refusal(400, "bad-request", _("The request cannot be understood."))
        case UnreadablePostError():
            return Refusal(400, "unreadable", _("The request broke off."))
        case ImproperlyConfigured():
            return Refusal(503, "not-configured", _("The shop is not set up for this."))
        case _ if isinstance(problem, locks.UNAVAILABLE):
            message = _("The shop's database is not available. Try again later, with the same key.")
            return Refusal(503, "unavailable", message, headers={"Retry-After": str(RETRY_AFTER)})
    return None


def not_found(message: str = "") -> Refusal:
    return Refusal(404, "not-found", message or _("There is nothing here. Addresses end with a slash."))


def too_large() -> Refusal:
    return Refusal(413, "too-large", _("The request is larger than any that makes sense."))


def not_begun(problem: InvalidOperation) -> Refusal:
    details = [ErrorDetail(code=one.code, field=one.field, message=one.message) for one in problem.problems]
    first = details[0]
    headers = {"Retry-After": str(RETRY_AFTER)} if first.code == "under-way" else {}
    if first.code == "not-configured":  # the domain's words name settings
        details = []
        first = ErrorDetail(code=first.code, field="", message=_("The shop is not set up for this."))
    return Refusal(STATUSES.get(first.code, 422), first.code, first.message, details, headers=headers)


def of_framework(problem: exceptions.APIException) -> Refusal:
    """What Django REST framework refuses, in our words where its own quote what was sent."""
    headers = {}
    if header := getattr(problem, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(problem, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    match problem:
        case exceptions.ValidationError():
            details = tuple(flattened(problem.get_full_details()))
            return Refusal(400, "invalid", _("Some of what you sent cannot be understood."), details)
        case exceptions.NotAuthenticated():
            code, message = "not-authenticated", _("Say who you are.")
        case exceptions.AuthenticationFailed():
            code, message = "authentication-failed", _("We do not know you by what you showed.")
        case exceptions.PermissionDenied() if str(problem.detail).startswith("CSRF Failed"):
            code, message = "csrf-failed", _("A session needs the CSRF token with every change, in X-CSRFToken.")
        case exceptions.PermissionDenied():
            code, message = "permission-denied", _("You may not do this.")
        case exceptions.NotFound():
            return not_found()
        case exceptions.MethodNotAllowed():
            code, message = "method-not-allowed", _("This address does not take this method.")
        case exceptions.NotAcceptable():
            code, message = "not-acceptable", _("We cannot answer in a form that you accept.")
        case exceptions.UnsupportedMediaType():
            code, message = "unsupported-media-type", _("Send application/json.")
        case exceptions.Throttled():
            code, message = "throttled", _("Too many requests. Wait as long as Retry-After says.")
        case exceptions.ParseError():
            code, message = "unreadable", str(problem.detail)
        case _:
            code, message = "error", _("The request was refused.")
    return Refusal(problem.status_code, code, message, headers=headers)


def flattened(details: Any, field: str = "") -> Iterator[ErrorDetail]:
    """Each message of a serializer, with the way to its field."""
    if is_message(details):
        where = field.removesuffix("non_field_errors").removesuffix(".")
        yield ErrorDetail(code=details["code"].replace("_", "-"), field=where, message=str(details["message"]))
    elif isinstance(details, dict):
        for name, inner in details.items():
            yield from flattened(inner, f"{field}.{name}" if field else str(name))
    else:
        for index, inner in enumerate(details):
            yield from flattened(inner, field if is_message(inner) else f"{field}.{index}")


def is_message(details: Any) -> bool:
    return isinstance(details, dict) and set(details) == {"message", "code"} and isinstance(details["code"], str)
