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
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.views.decorators.debug import sensitive_variables

from . import card_numbers
from .conf import conf
from .models import CyberSourceReply, PaymentAttempt, PaymentOperation, ReplyType, clipped
from .protocol.rest import (
    KEPT,
    KEPT_OF_TOKENS,
    Answer,
    AuthMode,
    BadKeyMaterial,
    Call,
    KeyStore,
    NotSent,
    Outcome,
    PrivateKey,
    Processed,
    PublicKey,
    Refused,
    RestRequest,
    SharedSecret,
    Unknown,
    Why,
    encrypt_request,
    for_storage,
    http_signature_headers,
    jwt_headers,
    outcome_of,
)

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0

#: For what reads. Money calls wait for CYBERSOURCE_REST_TIMEOUT: a processor's own time-outs come first.
READ_SECONDS = 15.0

#: Bytes of one answer; a search page of 2500 rows has a few million.
LONGEST_ANSWER = 16 * 1024 * 1024

#: The ``cause`` of a call that was not sent because nobody knows the host's name.
NAME_NOT_KNOWN = "NameNotKnown"

RestOutcome = CyberSourceReply.RestOutcome


class OpenTransaction(RuntimeError):
    """A REST call was about to be made within a transaction, whose rollback would take the evidence with it."""


class _AnswerTooLong(Exception):
    """More than :data:`LONGEST_ANSWER`, or longer under way than the call may take."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who we are at the REST door, and how we speak. No secret shows in ``repr``."""

    endpoint: str  #: origin, without a slash at its end
    merchant_id: str
    portfolio_id: str
    mode: AuthMode
    key: SharedSecret | PrivateKey
    request_key: PublicKey | None = None  #: encrypts requests
    response_key: PrivateKey | None = None  #: opens replies, and asks for encrypted ones
    seconds: float = field(default=40.0)

    @property
    def host(self) -> str:
        """Host, with its port unless that is the scheme's own: what the Host header says and the signature names."""
        parts = urlsplit(self.endpoint)
        name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        return name if parts.port in (None, {"https": 443}.get(parts.scheme, 80)) else f"{name}:{parts.port}"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A call that was made: what became of it, and the log row that says so."""

    outcome: Outcome
    entry: CyberSourceReply
    clock_ahead: timedelta | None = None  #: of this machine, before the gateway's clock; None: it did not tell the time


@sensitive_variables()
def access() -> Access:
    """Return the access that the settings give.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` naming the setting to mend, and never its value.
    """
    try:
        mode = AuthMode(conf.rest_auth)
    except ValueError:
        raise ImproperlyConfigured(f"CYBERSOURCE_REST_AUTH must be one of {', '.join(AuthMode)}.") from None
    required = {"MERCHANT_ID": conf.merchant_id}
    if mode is AuthMode.P12:
        required["REST_P12"] = conf.rest_p12
    else:
        required |= {"REST_KEY_ID": conf.rest_key_id, "REST_SHARED_SECRET": conf.rest_shared_secret}
    if conf.rest_mle_response_key:
        required["REST_MLE_RESPONSE_KEY_ID"] = conf.rest_mle_response_key_id
    if conf.rest_mle_response_key_id:
        required["REST_MLE_RESPONSE_KEY"] = conf.rest_mle_response_key
    missing = [name for name, value in required.items() if not value]
    if missing:
        raise ImproperlyConfigured(f"The REST door needs {', '.join(f'CYBERSOURCE_{name}' for name in missing)}.")
    encrypts = conf.rest_mle or conf.rest_mle_response_key_id
    if encrypts and mode is AuthMode.HTTP_SIGNATURE:
        raise ImproperlyConfigured("CYBERSOURCE_REST_MLE works with JWT authentication only.")
    try:
        return _access(mode)
    except BadKeyMaterial as problem:
        explanation = str(problem)
    raise ImproperlyConfigured(f"A key of the REST door cannot be used: {explanation}")


def is_ready() -> bool:
    """Whether the shop has a key by which CyberSource can be asked."""
    try:
        access()
    except ImproperlyConfigured:
        return False
    return True


def reaches(made: PaymentOperation) -> bool:
    """Whether our key may speak for the merchant for whom an operation was made, in the environment of then."""
    if made.environment not in ("", conf.environment):
        return False
    return made.merchant_id in ("", conf.merchant_id) or bool(conf.rest_portfolio_id)


@sensitive_variables()
def _access_for(made: PaymentOperation | None) -> Access:
    """Return the access for an operation: of the merchant for whom it was made, where our key speaks for several."""
    ours = access()
    if made is None or not made.merchant_id or not reaches(made):
        return ours
    return replace(ours, merchant_id=made.merchant_id)


@sensitive_variables()
def _access(mode: AuthMode) -> Access:
    gateway_key = None
    key: SharedSecret | PrivateKey
    if mode is AuthMode.P12:
        store = _key_store(_content("REST_P12", conf.rest_p12), conf.rest_p12_password)
        key, gateway_key = store.signing_key, store.gateway_key
    else:
        key = SharedSecret.from_base64(key_id=conf.rest_key_id, secret=conf.rest_shared_secret)
    if conf.rest_mle and conf.rest_mle_certificate:
        content = _content("REST_MLE_CERTIFICATE", conf.rest_mle_certificate)
        gateway_key = PublicKey.from_certificate(content)
    if conf.rest_mle and gateway_key is None:
        raise ImproperlyConfigured("CYBERSOURCE_REST_MLE needs CYBERSOURCE_REST_MLE_CERTIFICATE.")
    return Access(
        endpoint=conf.rest_endpoint.rstrip("/"),
        merchant_id=conf.merchant_id,
        portfolio_id=conf.rest_portfolio_id,
        mode=mode,
        key=key,
        request_key=gateway_key if conf.rest_mle else None,
        response_key=response_key(),
        seconds=float(conf.rest_timeout),
    )


@sensitive_variables()
def response_key() -> PrivateKey | None:
    """Return the key that opens what CyberSource encrypts for us, or None where the settings name none.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` or :class:`~cybersource.protocol.rest.BadKeyMaterial`.
    """
    if not conf.rest_mle_response_key:
        return None
    content = _content("REST_MLE_RESPONSE_KEY", conf.rest_mle_response_key)
    return _response_key(content, conf.rest_mle_response_key_id, conf.rest_mle_response_password)


def _content(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        reason = type(problem).__name__
    raise ImproperlyConfigured(f"The file of CYBERSOURCE_{name} cannot be read ({reason}).")


# Deriving a key from a password takes a while by design. The file's content is part of the cache's key, so a new file
# is a new key.
@lru_cache(maxsize=4)
@sensitive_variables()
def _key_store(content: bytes, password: str) -> KeyStore:
    return KeyStore.from_p12(content, password=password)


@lru_cache(maxsize=4)
@sensitive_variables()
def _response_key(content: bytes, key_id: str, password: str) -> PrivateKey:
    return PrivateKey.from_pem(content, key_id=key_id, password=password)


def send(
    call: Call,
    *,
    order: Any = None,
    attempt: PaymentAttempt | None = None,
    operation: PaymentOperation | None = None,
    user: Any = None,
) -> Exchange:
    """Make one call, log it, and return what became of it. Whatever the network does is an outcome, not an exception.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` or :class:`OpenTransaction` before anything is logged
    or sent. A row whose ``outcome`` stays empty belongs to a process that died meanwhile: treat it as unknown.
    """
    if transaction.get_connection(router.db_for_write(CyberSourceReply)).in_atomic_block:
        raise OpenTransaction("A REST call must not be made within a transaction.")
    ours = _access_for(operation)
    entry = _begun(call, ours, order=order, attempt=attempt, operation=operation, user=user)
    began = time.monotonic()
    outcome, kept, ahead = _transmit(call, ours)
    _complete(entry, outcome, kept, milliseconds=round((time.monotonic() - began) * 1000))
    if isinstance(outcome, Unknown) and not call.operation.reads:
        logger.warning("REST %s, log row %s: unknown outcome (%s).", call.operation, entry.pk, outcome.why)
    return Exchange(outcome=outcome, entry=entry, clock_ahead=ahead)


# ------------------------------------------------------------------------------------------------------ the network


class _Watched(io.BytesIO):
    """A body that knows whether it began to leave. It is asked for after the connection stands and the head is sent."""

    began = False

    def read(self, *size: Any) -> bytes:
        self.began = True
        return super().read(*size)


@sensitive_variables()
def _transmit(call: Call, ours: Access) -> tuple[Outcome, dict[str, str], timedelta | None]:
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
        return Unknown(why=Why.NO_ANSWER), {"no_answer": type(problem).__name__}, None
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
    session: Session, call: Call, ours: Access, body: _Watched | None, content: bytes, seconds: float
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
def _authentication(request: RestRequest, ours: Access) -> Mapping[str, str]:
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


def origin(url: str) -> str:
    """Return scheme, host and port as origins are compared: lower case, no dot at the end, no port that goes unsaid."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    unsaid = {"https": 443, "http": 80}.get(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}" if port in (None, unsaid) else f"{parts.scheme}://{host}:{port}"


def is_this_machine(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# ---------------------------------------------------------------------------------------------------------- the log


def _begun(
    call: Call,
    ours: Access,
    *,
    order: Any,
    attempt: PaymentAttempt | None,
    operation: PaymentOperation | None,
    user: Any,
) -> CyberSourceReply:
    """Write the row that says what is about to be asked, in a commit of its own."""
    asked = Answer.read(call.body or {})
    wanted = {f"request.{path}": value for path, value in for_storage(call.body, mask=card_numbers.mask).items()}
    return CyberSourceReply.objects.create(
        reply_type=ReplyType.REST,
        result=CyberSourceReply.Result.SENT,
        order=order,
        attempt=attempt,
        operation=operation,
        user=user,
        amount=_for_column(asked.total_amount),
        data={"request.method": call.method.upper(), "request.target": call.target_for_log, **wanted},
        **clipped(
            CyberSourceReply,
            merchant_id=ours.merchant_id,
            endpoint=ours.endpoint,
            transaction_type=call.operation.value,
            transaction_uuid=call.idempotency_id,
            reference_number=card_numbers.mask("req_reference_number", call.reference_number),
            currency=asked.currency,
        ),
    )


def _complete(entry: CyberSourceReply, outcome: Outcome, kept: Mapping[str, str], *, milliseconds: int) -> None:
    """Write what came back into the row."""
    entry.milliseconds = milliseconds
    entry.data = {**entry.data, **kept}
    if isinstance(outcome, NotSent):
        entry.outcome = RestOutcome.NOT_SENT
        entry.data["not_sent"] = outcome.cause
    else:
        entry.outcome = _OUTCOMES[type(outcome)]
        answer = outcome.answer
        entry.http_status = outcome.http_status
        entry.auth_amount = _for_column(answer.amount)
        entry.reason_code = int(answer.reason_code) if 0 < len(answer.reason_code) < 7 and _digits(answer) else None
        # What is looked up by its id tells its reference number, by which reviewers' decisions find it.
        told = card_numbers.mask("req_reference_number", answer.reference_number)
        columns = clipped(
            CyberSourceReply,
            reference_number=entry.reference_number or told,
            correlation_id=outcome.correlation_id.replace("\x00", ""),
            transaction_id=card_numbers.mask("id", answer.id),
            rest_status=answer.status,
            rest_reason=answer.reason,
            message=card_numbers.mask("message", answer.message),
            auth_code=answer.approval_code,
            auth_avs_code=answer.avs_code,
            auth_cv_result=answer.cvn_code,
        )
        for name, value in columns.items():
            setattr(entry, name, value)
        if isinstance(outcome, Unknown):
            entry.data["unknown"] = outcome.why.value
    entry.save()


_OUTCOMES = {Processed: RestOutcome.PROCESSED, Refused: RestOutcome.REFUSED, Unknown: RestOutcome.UNKNOWN}


def _digits(answer: Answer) -> bool:
    return answer.reason_code.isascii() and answer.reason_code.isdecimal()


def _for_column(amount: Decimal | None) -> Decimal | None:
    """The column takes twelve digits before the point; a longer amount is in ``data``."""
    return amount if amount is not None and amount < 10**12 else None
