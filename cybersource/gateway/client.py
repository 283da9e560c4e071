"""One REST call: signed, sent once, logged, and told as one of four outcomes.

    Call -> log row (committed) -> signed -> sent -> Processed | Refused | Unknown | NotSent -> log row completed

Nothing is ever sent twice here: whether a call may be repeated is for the caller to decide, by the outcome. Callers
must not hold a transaction open, so that the row's commit is real before the request leaves.
"""

from __future__ import annotations

import io
import logging
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.views.decorators.debug import sensitive_variables

from ..models import CyberSourceReply, PaymentAttempt, PaymentOperation, card_numbers
from ..protocol.rest import (
    KEPT,
    KEPT_OF_TOKENS,
    AuthMode,
    Call,
    NotSent,
    Outcome,
    RestRequest,
    SharedSecret,
    Unknown,
    UnknownReason,
    encrypt_request,
    for_storage,
    http_signature_headers,
    jwt_headers,
    outcome_of,
)
from .call_log import _begun, _complete
from .credentials import RestCredentials, _access_for, access, is_this_machine

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

CONNECT_SECONDS = 5.0

#: For what reads. Money calls wait for CYBERSOURCE_REST_TIMEOUT: a processor's own time-outs come first.
READ_SECONDS = 15.0

#: Bytes of one answer; a search page of 2500 rows has a few million.
LONGEST_ANSWER = 16 * 1024 * 1024

#: The ``cause`` of a call that was not sent because nobody knows the host's name.
NAME_NOT_KNOWN = "NameNotKnown"


class OpenTransaction(RuntimeError):
    """A REST call was about to be made within a transaction, whose rollback would take the evidence with it."""


class _AnswerTooLong(Exception):
    """More than :data:`LONGEST_ANSWER`, or longer under way than the call may take."""


@dataclass(frozen=True, kw_only=True)
class LoggedCall:
    """A call that was made: what became of it, and the log row that says so."""

    outcome: Outcome
    entry: CyberSourceReply
    clock_ahead: timedelta | None = None  #: of this machine, before the gateway's clock; None: it did not tell the time


def is_ready() -> bool:
    """Whether the shop has a key by which CyberSource can be asked."""
    try:
        access()
    except ImproperlyConfigured:
        return False
    return True


def send(
    call: Call,
    *,
    order: Any = None,
    attempt: PaymentAttempt | None = None,
    operation: PaymentOperation | None = None,
    user: Any = None,
    ours: RestCredentials | None = None,
) -> LoggedCall:
    """Make one call, log it, and return what became of it. Whatever the network does is an outcome, not an exception.

    ``ours`` is who we are, where the caller has read it from the settings already.
    Raises :class:`~django.core.exceptions.ImproperlyConfigured` or :class:`OpenTransaction` before anything is logged
    or sent. A row whose ``outcome`` stays empty belongs to a process that died meanwhile: treat it as unknown.
    """
    if transaction.get_connection(router.db_for_write(CyberSourceReply)).in_atomic_block:
        raise OpenTransaction("A REST call must not be made within a transaction.")
    ours = _access_for(operation, ours or access())
    entry = _begun(call, ours, order=order, attempt=attempt, operation=operation, user=user)
    began = time.monotonic()
    outcome, kept, ahead = _transmit(call, ours)
    _complete(entry, outcome, kept, milliseconds=round((time.monotonic() - began) * 1000))
    if isinstance(outcome, Unknown) and not call.operation.reads:
        logger.warning("REST %s, log row %s: unknown outcome (%s).", call.operation, entry.pk, outcome.why)
    return LoggedCall(outcome=outcome, entry=entry, clock_ahead=ahead)


# ------------------------------------------------------------------------------------------------------ the network


class _Watched(io.BytesIO):
    """A body that knows whether it began to leave. It is asked for after the connection stands and the head is sent."""

    began = False

    def read(self, *size: Any) -> bytes:
        self.began = True
        return super().read(*size)


@sensitive_variables()
def _transmit(call: Call, ours: RestCredentials) -> tuple[Outcome, dict[str, str], timedelta | None]:
    """Send the call once. Returns its outcome, what of the answer may be kept, and how the clocks compare."""
    # Imported here: a process that makes no REST call does without its memory.
    import requests
    from urllib3.exceptions import HTTPError

    content = call.content
    if content and ours.request_key and call.operation.may_be_encrypted:
        content = encrypt_request(content, key=ours.request_key, issued_at=int(time.time()))
    body = _Watched(content) if content else None
    seconds = READ_SECONDS if call.operation.reads else ours.seconds
    try:
        with requests.Session() as session:  # a connection of its own: a kept one may have died without telling
            response = _sent(session, call, ours, body, content, seconds)
            ahead = _clock_ahead(response.headers.get("Date", ""))
            received = _received(response, time.monotonic() + seconds)
    except (requests.RequestException, HTTPError, OSError, _AnswerTooLong) as problem:
        if body is not None and not body.began or body is None and _never_connected(problem):
            return NotSent(cause=_cause(problem)), {}, None
        return Unknown(why=UnknownReason.NO_ANSWER), {"no_answer": type(problem).__name__}, None
    outcome = outcome_of(
        call.operation,
        http_status=response.status_code,
        body=received,
        correlation_id=response.headers.get("v-c-correlation-id", ""),
        retry_after=response.headers.get("Retry-After", ""),
        response_key=ours.response_key,
    )
    names = KEPT_OF_TOKENS if call.operation.names_a_token else KEPT
    return outcome, for_storage(outcome.content, kept_names=names, mask=card_numbers.mask), ahead


@sensitive_variables()
def _sent(
    session: Session, call: Call, ours: RestCredentials, body: _Watched | None, content: bytes, seconds: float
) -> Response:
    import requests

    headers = {"Accept": "application/hal+json;charset=utf-8", "User-Agent": "django-oscar-cybersource"}
    if body is not None:
        headers["Content-Type"] = "application/json;charset=utf-8"

    @sensitive_variables()
    def signed(prepared: PreparedRequest) -> PreparedRequest:
        # Signed last, over the path as it will leave. Being an ``auth`` also keeps a .netrc from replacing the header.
        named = RestRequest(method=call.method, host=ours.host, target=prepared.path_url, body=content)
        prepared.headers["Host"] = ours.host
        prepared.headers.update(_authentication(named, ours))
        return prepared

    if is_this_machine(ours.endpoint):
        session.trust_env = False  # a proxy does not know the way back
    request = requests.Request(call.method, ours.endpoint + call.target, headers=headers, data=body, auth=signed)
    prepared = session.prepare_request(request)
    surroundings = session.merge_environment_settings(prepared.url or "", {}, True, None, None)
    return session.send(prepared, timeout=(CONNECT_SECONDS, seconds), allow_redirects=False, **surroundings)


@sensitive_variables()
def _authentication(request: RestRequest, ours: RestCredentials) -> Mapping[str, str]:
    now = datetime.now(UTC)
    if ours.mode is AuthMode.HTTP_SIGNATURE and isinstance(ours.key, SharedSecret):
        return http_signature_headers(
            request, key=ours.key, merchant_id=ours.merchant_id, at=now, portfolio_id=ours.portfolio_id
        )
    return jwt_headers(
        request,
        key=ours.key,
        merchant_id=ours.merchant_id,
        issued_at=int(now.timestamp()),
        token_id=str(uuid.uuid4()),
        portfolio_id=ours.portfolio_id,
        response_key_id=ours.response_key.key_id if ours.response_key else "",
    )


def _received(response: Response, until: float) -> bytes:
    received = bytearray()
    for part in response.iter_content(8192):
        received += part
        if len(received) > LONGEST_ANSWER or time.monotonic() > until:
            raise _AnswerTooLong
    return bytes(received)


def _never_connected(problem: Exception) -> bool:
    """Of a request without a body, which cannot be watched: whether the connection never stood. It only reads."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(problem, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return True
    cause = problem.args[0] if problem.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _cause(problem: Exception) -> str:
    """The class of a failure. That a name is not known is hidden in one that says "no connection"."""
    link: BaseException | None = problem
    while link is not None:
        if isinstance(link, socket.gaierror):
            return NAME_NOT_KNOWN
        link = link.__cause__ or link.__context__
    return type(problem).__name__


def _clock_ahead(date: str) -> timedelta | None:
    """How far this machine's clock is ahead of the one that wrote a Date header, to a second or two."""
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    return datetime.now(UTC) - told if told.tzinfo else None
