"""The REST services: an HTTP request in, an HTTP answer out, over the same records as the Silent Order POST.

``handle`` is a function of the request, the book and the clock: it believes the request or not, finds the service, and
spoils the answer where a fault is switched on. Settlement goes by a clock of its own, which
:meth:`RestServices.advance` moves: tokens are still judged by the real one.

Source: REST API field reference; payments, transaction search and response-code guides; replies seen by integrators.
Where those are silent the reasons are ours, and a shop must not depend on them: see ``docs/reference/simulator.rst``.
"""

import json
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Condition
from typing import Any

from cybersource.simulator.records import Payment
from cybersource.simulator.rest.faults import NOT_PROCESSED, RestFault, RestFaults, not_processed, spoiled
from cybersource.simulator.rest.followon import Desk
from cybersource.simulator.rest.imported_payments import adopted, setup_before
from cybersource.simulator.rest.payments import Payments
from cybersource.simulator.rest.reporting import Reporting
from cybersource.simulator.rest.transactions import Book, Transaction
from cybersource.simulator.rest.vault import TokenServices
from cybersource.simulator.rest.verification import Authenticated, NotAuthenticated, Request, verify
from cybersource.simulator.rest.wire import Call, RestReply, Stop, encoded, invalid_request
from cybersource.simulator.rest_access import RestAccess
from cybersource.simulator.store import Memory

_HAS_DIGIT = re.compile(r"\d")
_GROUP = re.compile(r"\(([^)]*)\)")
_ENCRYPTED = b'{"encryptedRequest"'

#: (method, pattern of the path, what answers it with (status, body))
Route = tuple[str, str, Callable[..., tuple[int, Any]]]


@dataclass(frozen=True, kw_only=True)
class RestCall:
    """One request as the gateway saw it, for tests and for the developer."""

    at: datetime
    method: str
    target: str
    status: int
    scheme: str = ""  #: how it was authenticated; empty: it was not
    refused: str = ""  #: why it was not believed
    encrypted: bool = False
    reference: str = ""
    idempotency_id: str = ""
    amount: str = ""  #: as it was written
    fault: RestFault | None = None


class RestServices:
    """The REST side of one gateway."""

    def __init__(
        self,
        *,
        memory: Memory,
        access: Callable[[], tuple[RestAccess, str]],
        clock: Callable[[], datetime],
        changed: Condition,
    ) -> None:
        self._memory = memory
        self._access = access  #: the settings of now, and the merchant's id
        self._clock = clock
        self._changed = changed
        self._ahead = timedelta(0)
        self._tokens_seen: dict[str, datetime] = {}
        self._calls: deque[RestCall] = deque(maxlen=1000)
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., tuple[int, Any]]]] = []
        #: told of every sale, capture and refund that goes into the batch when the clock is moved
        self.batched: Callable[[Transaction], None] = lambda transaction: None
        self.faults = RestFaults()
        self.book = Book()
        self.desk = Desk(book=self.book, memory=memory, access=lambda: access()[0], clock=clock, now=self.now)
        self.offer(Payments(book=self.book, desk=self.desk, memory=memory).routes)
        self.offer(Reporting(book=self.book).routes)
        self.offer(TokenServices(memory=memory).routes)

    def offer(self, routes: tuple[Route, ...]) -> None:
        """Add services."""
        self._routes += [(method, re.compile(path), service) for method, path, service in routes]

    # ---------------------------------------------------------------- for tests

    @property
    def services(self) -> tuple[str, ...]:
        """What is offered, as ``docs/reference/simulator.rst`` spells it: ``POST /pts/v2/payments/{id}/captures``."""
        return tuple(f"{method} {_GROUP.sub(_placeholder, path.pattern)}" for method, path, _ in self._routes)

    @property
    def calls(self) -> tuple[RestCall, ...]:
        """Requests that came in, oldest first, refused ones too."""
        with self._changed:
            return tuple(self._calls)

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """All transactions of all channels, oldest first."""
        with self._changed:
            return tuple(self.book)

    def now(self) -> datetime:
        """The time by which captures are batched and the search index fills."""
        return self._clock() + self._ahead

    def advance(self, **time: float) -> datetime:
        """Move that time ahead, as ``timedelta`` takes it: ``advance(hours=7)`` has the batch run."""
        with self._changed:
            before = self.now()
            self._ahead += timedelta(**time)
            for each in self.book:
                waited = not each.undone and each.amount and not self.book.batched(each, before, self.batch_after)
                if waited and self.book.batched(each, self.now(), self.batch_after):
                    self.batched(each)
            return self.now()

    @property
    def batch_after(self) -> timedelta:
        """How long a capture or refund can be voided."""
        return self._access()[0].batch_after

    def status(self, id: str) -> str:
        """Return what the state of a transaction is now. Raises KeyError."""
        access, merchant_id = self._access()
        with self._changed:
            found = self.book.get(id, merchant_id)
            if not found:
                raise KeyError(id)
            return self.book.status(found, self.now(), access.batch_after)

    # ---------------------------------------------------------------- what other channels did

    def adopt(self, payment: Payment) -> None:
        """Take what a browser did over the Silent Order POST into the book. The gateway's lock is held."""
        if transaction := adopted(payment, self.now()):
            if transaction.unauthenticated:
                self.book.add(setup_before(transaction, id=self._memory.next_request_id(self._clock())))
            self.book.add(transaction)

    # ---------------------------------------------------------------- HTTP

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> RestReply:
        """Answer one request. ``target`` is path and query as sent; header names are in lower case."""
        access, merchant_id = self._access()
        path, _, query = target.partition("?")
        fault = self.faults.take(next((part for part in path.split("/")[::-1] if not _HAS_DIGIT.search(part)), ""))
        with self._changed:
            seen: dict[str, Any] = {}
            believed = None
            try:
                request = Request(method=method, target=target, headers=headers, body=body, now=self._clock())
                believed = self._believe(request, access, merchant_id)
                if fault in NOT_PROCESSED:
                    reply = not_processed(fault)
                else:
                    seen["encrypted"] = body.startswith(_ENCRYPTED)
                    call = Call(
                        method=method,
                        path=path,
                        query=query,
                        data=self._opened(body, believed, access),
                        access=access,
                        merchant_id=merchant_id,
                        now=self.now(),
                    )
                    seen |= {
                        "reference": call.reference,
                        "idempotency_id": call.idempotency_id,
                        "amount": call.amount,
                    }
                    status, answer = self._dispatch(call)
                    reply = RestReply(status=status, body=b"" if answer is None else encoded(answer))
            except NotAuthenticated as refused:
                seen = {"refused": str(refused)}
                reply = RestReply(status=401, body=encoded({"response": {"rmsg": "Authentication Failed"}}))
            except Stop as stop:
                reply = RestReply(status=stop.status, body=encoded(stop.body))
            if fault and fault not in NOT_PROCESSED and reply.status < 400:
                reply = spoiled(reply, fault, access)
            readable = reply.body.startswith((b"{", b"[")) and fault is not RestFault.UNDECRYPTABLE
            if believed and believed.response_kid and readable:
                reply = self._encrypted(reply, believed, access)
            self._calls.append(
                RestCall(
                    at=self.now(),
                    method=method,
                    target=target,
                    status=reply.status,
                    scheme=believed.scheme if believed else "",
                    fault=fault,
                    **seen,
                )
            )
            self._changed.notify_all()
        html = reply.body.startswith(b"<")
        headers_out = (
            ("Content-Type", "text/html" if html else "application/hal+json;charset=utf-8"),
            ("v-c-correlation-id", secrets.token_hex(16)),
            *reply.headers,
        )
        return replace(reply, headers=headers_out)

    def _dispatch(self, call: Call) -> tuple[int, Any]:
        for method, pattern, service in self._routes:
            if method == call.method and (found := pattern.fullmatch(call.path)):
                return service(call, *found.groups())
        raise Stop(404, {"message": "No such service"})

    def _believe(self, request: Request, access: RestAccess, merchant_id: str) -> Authenticated:
        now = request.now
        believed = verify(request, access=access, merchant_id=merchant_id)
        if believed.response_kid and believed.response_kid not in access.response_certificates:
            raise NotAuthenticated("No response key has this v-c-response-mle-kid")
        for token_id in [token_id for token_id, at in self._tokens_seen.items() if at < now - timedelta(minutes=5)]:
            del self._tokens_seen[token_id]
        if believed.token_id:
            if believed.token_id in self._tokens_seen:
                raise NotAuthenticated("The token's jti was seen before")
            self._tokens_seen[believed.token_id] = now
        return believed

    def _opened(self, body: bytes, believed: Authenticated, access: RestAccess) -> dict[str, Any]:
        if body.startswith(_ENCRYPTED):
            from cybersource.simulator.rest.encryption import NotReadable, opened

            if believed.scheme == "http-signature":
                raise self._refusal("HTTP Signature knows no message-level encryption.")
            try:
                body = opened(body, key=access.request_key, kid=access.request_kid)
            except NotReadable as problem:
                raise self._refusal(str(problem)) from problem
        try:
            data = json.loads(body or b"{}", parse_float=str)
        except ValueError:
            raise self._refusal("The body is no JSON.") from None
        if not isinstance(data, dict):
            raise self._refusal("The body is no JSON object.")
        return data

    def _refusal(self, message: str) -> Stop:
        return invalid_request(self.now(), "INVALID_DATA", message)

    def _encrypted(self, reply: RestReply, believed: Authenticated, access: RestAccess) -> RestReply:
        from cybersource.simulator.rest.encryption import wrapped

        kid = believed.response_kid
        body = wrapped(reply.body, certificate=access.response_certificates[kid], kid=kid, now=self._clock())
        return replace(reply, body=body)


def _placeholder(group: re.Match[str]) -> str:
    inside = group[1]
    return f"{{{inside}}}" if "|" in inside else inside if inside.isalpha() else "{id}"
