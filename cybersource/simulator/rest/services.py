"""The REST services: an HTTP request in, an HTTP answer out, over the same records as the Silent Order POST.

``handle`` is a function of the request, the book and the clock. A payment that a browser made is captured here under
its ``transaction_id``. Settlement goes by a clock of its own, which :meth:`RestServices.advance` moves: tokens are
still judged by the real one.

Source: REST API field reference; payments, transaction search and response-code guides; replies seen by integrators.
Where those are silent the reasons are ours, and a shop must not depend on them: see ``docs/rest.rst``.
"""

import json
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

from cybersource.simulator import cards
from cybersource.simulator.fields import decimals, money
from cybersource.simulator.memory import Memory
from cybersource.simulator.records import Payment
from cybersource.simulator.rest.access import RestAccess
from cybersource.simulator.rest.book import HOLDS, SERVICES, Book, Transaction
from cybersource.simulator.rest.faults import NOT_PROCESSED, RestFault, RestFaults
from cybersource.simulator.rest.query import BadQuery, parse
from cybersource.simulator.rest.verification import Authenticated, NotAuthenticated, verify

#: Bank's answer by reason code of the test card: (status, reason). What is not here is approved.
ANSWERS: dict[str, tuple[str, str]] = {
    "100": ("AUTHORIZED", ""),
    "110": ("PARTIAL_AUTHORIZED", ""),
    "200": ("AUTHORIZED_PENDING_REVIEW", "AVS_FAILED"),
    "202": ("DECLINED", "EXPIRED_CARD"),
    "203": ("DECLINED", "PROCESSOR_DECLINED"),
    "204": ("DECLINED", "INSUFFICIENT_FUND"),
    "205": ("DECLINED", "STOLEN_LOST_CARD"),
    "207": ("DECLINED", "ISSUER_UNAVAILABLE"),
    "211": ("DECLINED", "INVALID_CVN"),
    "230": ("AUTHORIZED_PENDING_REVIEW", "CV_FAILED"),
    "236": ("DECLINED", "PROCESSOR_ERROR"),
    "475": ("DECLINED", "CONSUMER_AUTHENTICATION_REQUIRED"),
    "476": ("DECLINED", "CONSUMER_AUTHENTICATION_FAILED"),
    "480": ("AUTHORIZED_PENDING_REVIEW", "DECISION_PROFILE_REVIEW"),
    "481": ("AUTHORIZED_RISK_DECLINED", "DECISION_PROFILE_REJECT"),
}

_FOLLOW_ON = re.compile(r"/pts/v2/(payments|captures|refunds)/([0-9A-Za-z]+)/(captures|refunds|voids|reversals)")
_DETAILS = re.compile(r"/tss/v2/transactions/([0-9A-Za-z]+)")
_ENCRYPTED = b'{"encryptedRequest"'
_GARBLED = RestFault.UNDECRYPTABLE
_AMOUNT = re.compile(r"\d{1,15}(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class RestReply:
    """What goes back over HTTP, and how."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0.0
    drop: bool = False  #: end the connection without an answer
    break_off: bool = False  #: end it in the middle of the body


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
    fault: RestFault | None = None


class _Stop(Exception):
    """An answer other than 201, from any depth."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body


class RestServices:
    """The REST side of one gateway."""

    def __init__(
        self,
        *,
        memory: Memory,
        access: Callable[[], tuple[RestAccess, str]],
        clock: Callable[[], datetime],
        changed: AbstractContextManager,
    ) -> None:
        self._memory = memory
        self._access = access  #: the settings of now, and the merchant's id
        self._clock = clock
        self._changed = changed
        self._ahead = timedelta(0)
        self._tokens_seen: dict[str, datetime] = {}
        self._calls: deque[RestCall] = deque(maxlen=1000)
        self.book = Book()
        self.faults = RestFaults()

    # ---------------------------------------------------------------- for tests

    @property
    def calls(self) -> tuple[RestCall, ...]:
        """Requests that came in, oldest first, refused ones too."""
        with self._changed:
            return tuple(self._calls)

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """All transactions of both doors, oldest first."""
        with self._changed:
            return tuple(self.book)

    def now(self) -> datetime:
        """The time by which captures are batched and the search index fills."""
        return self._clock() + self._ahead

    def advance(self, **time: float) -> datetime:
        """Move that time ahead, as ``timedelta`` takes it: ``advance(hours=7)`` has the batch run."""
        with self._changed:
            self._ahead += timedelta(**time)
            return self.now()

    def status(self, id: str) -> str:
        """Return what the state of a transaction is now. Raises KeyError."""
        access, merchant_id = self._access()
        with self._changed:
            found = self.book.get(id, merchant_id)
            if not found:
                raise KeyError(id)
            return self.book.status(found, self.now(), access.batch_after)

    # ---------------------------------------------------------------- what other doors did

    def adopt(self, payment: Payment) -> None:
        """Take a payment of the Silent Order POST into the book. The gateway's lock is held."""
        if payment.transaction_id is None or not payment.transaction_type.startswith(("authorization", "sale")):
            return
        told = dict(payment.reply)
        sale = payment.transaction_type.startswith("sale")
        amount = Decimal(told.get("auth_amount") or 0) if payment.decision in {"ACCEPT", "REVIEW"} else Decimal(0)
        status, reason = ANSWERS.get(payment.reason_code, ("DECLINED", "GENERAL_DECLINE"))
        self.book.add(
            Transaction(
                id=payment.transaction_id,
                root=payment.transaction_id,
                kind="sale" if sale and payment.decision == "ACCEPT" else "authorization",
                merchant_id=payment.merchant_id,
                amount=amount,
                asked=_decimal(payment.amount),
                currency=payment.currency,
                status=status if amount or not status.startswith("AUTHORIZED") else "DECLINED",
                reason=reason,
                reason_code=payment.reason_code,
                reference=payment.reference_number,
                at=self.now(),
                card_number=payment.card_number,
                payment=payment,
            )
        )

    def adopt_settlement(self, payment: Payment, request_id: str) -> None:
        """Take a capture into the book that a reviewer started with the decision. The gateway's lock is held."""
        parent = self.book.get(payment.transaction_id or "", payment.merchant_id)
        if parent and parent.holds:
            self._follow(parent, "capture", parent.amount - self.book.captured(parent), "PENDING", {}, id=request_id)

    # ---------------------------------------------------------------- HTTP

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> RestReply:
        """Answer one request. ``target`` is path and query as sent; header names are in lower case."""
        access, merchant_id = self._access()
        path = target.partition("?")[0]
        fault = self.faults.take(path.rpartition("/")[2] if not _DETAILS.fullmatch(path) else "transactions")
        with self._changed:
            seen: dict[str, Any] = {}
            believed = None
            try:
                believed = self._believe(method, target, headers, body, access, merchant_id)
                if fault in NOT_PROCESSED:
                    reply = _not_processed(fault)
                else:
                    seen["encrypted"] = body.startswith(_ENCRYPTED)
                    data = self._opened(body, believed, access)
                    seen["reference"] = _text(data, "clientReferenceInformation.code")
                    seen["idempotency_id"] = _idempotency_id(data)
                    status, answer = self._dispatch(method, path, data, access, merchant_id)
                    reply = RestReply(status=status, body=_json(answer))
            except NotAuthenticated as refused:
                seen = {"refused": str(refused)}
                reply = RestReply(status=401, body=_json({"response": {"rmsg": "Authentication Failed"}}))
            except _Stop as stop:
                reply = RestReply(status=stop.status, body=_json(stop.body))
            if fault and fault not in NOT_PROCESSED and reply.status < 400:
                reply = _spoiled(reply, fault, access)
            if believed and believed.response_kid and reply.body.startswith(b"{") and fault is not _GARBLED:
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
            self._changed.notify_all()  # type: ignore[attr-defined]
        html = reply.body.startswith(b"<")
        headers_out = (
            ("Content-Type", "text/html" if html else "application/hal+json;charset=utf-8"),
            ("v-c-correlation-id", secrets.token_hex(16)),
            *reply.headers,
        )
        return replace(reply, headers=headers_out)

    def _believe(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        access: RestAccess,
        merchant_id: str,
    ) -> Authenticated:
        now = self._clock()
        believed = verify(
            method=method,
            target=target,
            headers=headers,
            body=body,
            access=access,
            merchant_id=merchant_id,
            now=now,
        )
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
                raise self._refusal("INVALID_DATA", "HTTP Signature knows no message-level encryption.")
            try:
                body = opened(body, key=access.request_key, kid=access.request_kid)
            except NotReadable as problem:
                raise self._refusal("INVALID_DATA", str(problem)) from problem
        try:
            data = json.loads(body or b"{}", parse_float=str)
        except ValueError:
            raise self._refusal("INVALID_DATA", "The body is no JSON.") from None
        if not isinstance(data, dict):
            raise self._refusal("INVALID_DATA", "The body is no JSON object.")
        return data

    def _encrypted(self, reply: RestReply, believed: Authenticated, access: RestAccess) -> RestReply:
        from cybersource.simulator.rest.encryption import wrapped

        kid = believed.response_kid
        body = wrapped(reply.body, certificate=access.response_certificates[kid], kid=kid, now=self._clock())
        return replace(reply, body=body)

    # ---------------------------------------------------------------- services

    def _dispatch(
        self, method: str, path: str, data: Mapping[str, Any], access: RestAccess, merchant_id: str
    ) -> tuple[int, dict[str, Any]]:
        if method == "GET" and (found := _DETAILS.fullmatch(path)):
            return 200, self._details(found[1], access, merchant_id)
        if method == "POST" and path == "/tss/v2/searches":
            return 201, self._search(data, access, merchant_id)
        if method != "POST" or not path.startswith("/pts/v2/"):
            raise _Stop(404, {"message": "No such service"})
        self._refuse_repeats(path, data, access, merchant_id)
        if path == "/pts/v2/payments":
            return 201, self._authorize(data, merchant_id)
        if path == "/pts/v2/reversals":
            return 201, self._reverse(self._lost(data, access, merchant_id), data)
        if path == "/pts/v2/voids":
            return 201, self._void(self._lost(data, access, merchant_id), data, access)
        if not (found := _FOLLOW_ON.fullmatch(path)):
            raise _Stop(404, {"message": "No such service"})
        resource, id, action = found.groups()
        target = self.book.get(id, merchant_id)
        kinds = {"payments": HOLDS, "captures": {"capture"}, "refunds": {"refund"}}[resource]
        if access.refund_any_path and action == "refunds":
            kinds = {*HOLDS, "capture"}
        fits = target is not None and target.kind in kinds
        match resource, action:
            case "payments", "captures":
                return 201, self._capture(target if fits else None, data, access)
            case "payments", "reversals":
                return 201, self._reverse(target if fits else None, data)
            case (("payments" | "captures"), "refunds"):
                return 201, self._refund(target if fits else None, data)
            case _, "voids":
                return 201, self._void(target if fits else None, data, access)
        raise _Stop(404, {"message": "No such service"})

    def _authorize(self, data: Mapping[str, Any], merchant_id: str) -> dict[str, Any]:
        amount, currency = self._amount(data, "orderInformation")
        payment_information = _at(data, "paymentInformation")
        name = next((each for each in ("customer", "legacyToken") if _text(payment_information, f"{each}.id")), "")
        stored = self._memory.tokens.get(_text(payment_information, f"{name}.id"), merchant_id) if name else None
        if not stored:
            field_name = f"paymentInformation.{name or 'customer'}.id"
            raise self._refusal("INVALID_DATA" if name else "MISSING_FIELD", "There is no such token.", field_name)
        card = cards.by_tag(stored.tag)
        code = card.reason_code if card else "100"
        if code in {"150", "151"}:
            raise _Stop(502, _server_error("SYSTEM_ERROR" if code == "150" else "SERVER_TIMEOUT", self.now()))
        status, reason = ANSWERS.get(code, ("DECLINED", "GENERAL_DECLINE"))
        held = amount
        if status == "PARTIAL_AUTHORIZED":
            held = (amount / 2).quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_DOWN)
        approved = status != "DECLINED"
        sale = _at(data, "processingInformation.capture") is True and status == "AUTHORIZED"
        transaction = self.book.add(
            Transaction(
                id=self._memory.next_request_id(self._clock()),
                kind="sale" if sale else "authorization",
                merchant_id=merchant_id,
                amount=held if approved else Decimal(0),
                asked=amount,
                currency=currency,
                status=status,
                reason=reason,
                reason_code=code,
                reference=_text(data, "clientReferenceInformation.code"),
                idempotency_id=_text(data, "clientReferenceInformation.transactionId"),
                at=self.now(),
                card_number=stored.mask,
            )
        )
        transaction.root = transaction.id
        answer = self._answer(transaction, data)
        details: dict[str, str] = {"currency": currency}
        details |= {"authorizedAmount": money(held, currency)} if approved else {}
        details |= {"totalAmount": money(amount, currency)} if status == "PARTIAL_AUTHORIZED" else {}
        answer["orderInformation"] = {"amountDetails": details}
        answer["processorInformation"] = {"responseCode": "100" if approved else "303", "avs": {"code": "X"}}
        if approved:
            answer["processorInformation"] |= {"approvalCode": "888888", "networkTransactionId": "016153570198200"}
        if reason:
            answer["errorInformation"] = {"reason": reason, "message": "Simulated."}
        links = answer["_links"]
        if approved:
            links["authReversal"] = _link("POST", f"/pts/v2/payments/{transaction.id}/reversals")
            links["capture"] = _link("POST", f"/pts/v2/payments/{transaction.id}/captures")
        return answer

    def _capture(self, parent: Transaction | None, data: Mapping[str, Any], access: RestAccess) -> dict[str, Any]:
        if parent is None or not parent.holds:
            raise self._refusal("MISSING_AUTH", "There is no such authorization.")
        if parent.undone:
            raise self._refusal("AUTH_ALREADY_REVERSED", "The authorization has been reversed.")
        amount = self._same_currency(parent, data, "orderInformation")
        captured = parent.amount if parent.kind == "sale" else self.book.captured(parent)
        if parent.kind == "sale" or (captured and not access.several_captures):
            raise self._refusal("TRANSACTION_ALREADY_SETTLED", "The authorization has been captured.")
        if captured + amount > parent.amount:
            raise self._refusal(
                "EXCEEDS_AUTH_AMOUNT", "More than was authorized.", "orderInformation.amountDetails.totalAmount"
            )
        made = self._follow(parent, "capture", amount, "PENDING", data)
        answer = self._answer(made, data, void=f"/pts/v2/captures/{made.id}/voids")
        answer["orderInformation"] = {"amountDetails": _money(made)}
        return answer

    def _refund(self, parent: Transaction | None, data: Mapping[str, Any]) -> dict[str, Any]:
        if parent is None or not parent.amount or parent.kind == "authorization":
            raise self._refusal("INVALID_DATA", "There is nothing captured under this id.", "id")
        if parent.undone:
            raise self._refusal("CAPTURE_ALREADY_VOIDED", "The capture has been voided.")
        # No look at what was refunded before: CyberSource does not stop an over-refund.
        made = self._follow(parent, "refund", self._same_currency(parent, data, "orderInformation"), "PENDING", data)
        answer = self._answer(made, data, void=f"/pts/v2/refunds/{made.id}/voids")
        answer["refundAmountDetails"] = {"refundAmount": money(made.amount, made.currency), "currency": made.currency}
        return answer

    def _void(self, target: Transaction | None, data: Mapping[str, Any], access: RestAccess) -> dict[str, Any]:
        voidable = target is not None and target.kind in {"sale", "capture", "refund"} and target.amount
        if target is None or not voidable or target.undone or self.book.batched(target, self.now(), access.batch_after):
            raise self._refusal("NOT_VOIDABLE", "It is in a batch already, or was voided, or is nothing to void.")
        made = self._follow(target, "void", target.amount, "VOIDED", data)
        target.undone = "VOIDED"
        answer = self._answer(made, data)
        answer["voidAmountDetails"] = {"voidAmount": money(made.amount, made.currency), "currency": made.currency}
        return answer

    def _reverse(self, target: Transaction | None, data: Mapping[str, Any]) -> dict[str, Any]:
        if target is None or not target.holds:
            raise self._refusal("MISSING_AUTH", "There is no such authorization.")
        if target.undone:
            raise self._refusal("AUTH_ALREADY_REVERSED", "The authorization has been reversed.")
        if target.kind == "sale" or self.book.captured(target):
            raise self._refusal("TRANSACTION_ALREADY_SETTLED", "The authorization has been captured.")
        if self._same_currency(target, data, "reversalInformation") != target.amount:
            raise self._refusal("INVALID_AMOUNT", "A reversal is for the whole amount.")
        made = self._follow(target, "reversal", target.amount, "REVERSED", data)
        target.undone = "REVERSED"
        answer = self._answer(made, data)
        answer["reversalAmountDetails"] = {
            "reversedAmount": money(made.amount, made.currency),
            "originalTransactionAmount": money(target.amount, target.currency),
            "currency": made.currency,
        }
        return answer

    def _details(self, id: str, access: RestAccess, merchant_id: str) -> dict[str, Any]:
        found = self.book.get(id, merchant_id)
        if not found or found.at + access.index_lag > self.now():
            raise _Stop(404, {"message": "The requested resource is not found"})
        status = self.book.status(found, self.now(), access.batch_after)
        applications = [_application(found, SERVICES[found.kind])]
        if found.kind == "sale":
            applications.append(_application(found, "ics_bill"))
        amounts = {"totalAmount": money(found.asked, found.currency), "currency": found.currency}
        if found.kind in HOLDS and found.amount:
            amounts["authorizedAmount"] = money(found.amount, found.currency)
        answer: dict[str, Any] = {
            "id": found.id,
            "rootId": found.root,
            "submitTimeUTC": _time(found.at),
            "merchantId": found.merchant_id,
            "applicationInformation": {
                "status": status,
                "reasonCode": found.reason_code,
                "rCode": "1" if found.amount else "0",
                "rFlag": "SOK" if found.amount else "DCARDREFUSED",
                "applications": applications,
            },
            "clientReferenceInformation": {"code": found.reference},
            "orderInformation": {"amountDetails": amounts},
            "paymentInformation": {"card": {"suffix": found.card_number[-4:], "type": "001"}},
            "_links": {
                "self": _link("GET", f"/tss/v2/transactions/{found.id}"),
                "relatedTransactions": [
                    _link("GET", f"/tss/v2/transactions/{each.id}") for each in self.book if each.parent == found.id
                ],
            },
        }
        if found.reason:
            answer["errorInformation"] = {"reason": found.reason}
        return answer

    def _search(self, data: Mapping[str, Any], access: RestAccess, merchant_id: str) -> dict[str, Any]:
        now = self.now()
        try:
            wanted = parse(_text(data, "query"), now)
        except BadQuery as problem:
            raise self._refusal("INVALID_DATA", f"The query cannot be read: {problem}", "query") from problem
        limit, offset = data.get("limit", 20), data.get("offset", 0)
        if not isinstance(limit, int) or not isinstance(offset, int) or not 1 <= limit <= 2500 or offset < 0:
            raise self._refusal("INVALID_DATA", "limit is 1 to 2500.", "limit")
        found = [
            each
            for each in self.book
            if each.merchant_id == merchant_id
            and each.at + access.index_lag <= now
            and wanted(
                {
                    "clientReferenceInformation.code": each.reference,
                    "id": each.id,
                    "submitTimeUtc": each.at,
                    "merchantId": each.merchant_id,
                    "reconciliationId": each.id,
                }
            )
        ]
        found.sort(key=lambda each: each.at, reverse="submitTimeUtc:desc" in _text(data, "sort"))
        page = found[offset : offset + limit]
        answer: dict[str, Any] = {
            "searchId": secrets.token_hex(16),
            "save": False,
            "query": _text(data, "query"),
            "totalCount": len(found),
            "count": len(page),
            "offset": offset,
            "limit": limit,
            "submitTimeUtc": _time(now),
        }
        if page:
            answer["_embedded"] = {"transactionSummaries": [_summary(each) for each in page]}
        return answer

    # ---------------------------------------------------------------- parts

    def _refuse_repeats(self, path: str, data: Mapping[str, Any], access: RestAccess, merchant_id: str) -> None:
        idempotency_id = _text(data, "clientReferenceInformation.transactionId")
        if not idempotency_id or path in {"/pts/v2/reversals", "/pts/v2/voids"}:
            return  # those name the call they undo
        since = self.now() - access.repeats_refused
        if not self.book.by_idempotency_id(idempotency_id, merchant_id, since):
            return
        if path == "/pts/v2/payments":
            raise self._refusal(
                "INVALID_DATA", "One or more fields are invalid.", "clientReferenceInformation.transactionId"
            )
        raise self._refusal("DUPLICATE_REQUEST", "The transaction was sent before.")

    def _lost(self, data: Mapping[str, Any], access: RestAccess, merchant_id: str) -> Transaction | None:
        idempotency_id = _text(data, "clientReferenceInformation.transactionId")
        since = self.now() - access.repeats_refused
        return self.book.by_idempotency_id(idempotency_id, merchant_id, since) if idempotency_id else None

    def _follow(
        self,
        parent: Transaction,
        kind: str,
        amount: Decimal,
        status: str,
        data: Mapping[str, Any],
        *,
        id: str = "",
    ) -> Transaction:
        # A timeout reversal or void names the call it undoes; that name is not its own.
        own = not (kind in {"void", "reversal"} and _idempotency_id(data) == parent.idempotency_id)
        made = self.book.add(
            Transaction(
                id=id or self._memory.next_request_id(self._clock()),
                kind=kind,
                merchant_id=parent.merchant_id,
                amount=amount,
                asked=amount,
                currency=parent.currency,
                status=status,
                reference=_text(data, "clientReferenceInformation.code") or parent.reference,
                idempotency_id=_idempotency_id(data) if own else "",
                at=self.now(),
                parent=parent.id,
                root=parent.root,
                card_number=parent.card_number,
                payment=parent.payment,
            )
        )
        if made.payment:
            made.payment.remarks.append(f"REST: {kind} of {money(amount, made.currency)} {made.currency}, {made.id}")
        return made

    def _answer(self, made: Transaction, data: Mapping[str, Any], void: str = "") -> dict[str, Any]:
        answer: dict[str, Any] = {
            "id": made.id,
            "status": made.status,
            "submitTimeUtc": _time(made.at),
            "reconciliationId": made.id,
            "clientReferenceInformation": {"code": made.reference},
            "_links": {"self": _link("GET", f"/pts/v2/{_resource(made)}/{made.id}")},
        }
        if void:
            answer["_links"]["void"] = _link("POST", void)
        return answer

    def _same_currency(self, parent: Transaction, data: Mapping[str, Any], under: str) -> Decimal:
        amount, currency = self._amount(data, under, default_currency=parent.currency)
        if currency != parent.currency:
            raise self._refusal("INVALID_DATA", "Another currency.", f"{under}.amountDetails.currency")
        return amount

    def _amount(self, data: Mapping[str, Any], under: str, default_currency: str = "") -> tuple[Decimal, str]:
        """Return the amount, cut in silence to the currency's decimals as the real service does."""
        text = _text(data, f"{under}.amountDetails.totalAmount")
        currency = _text(data, f"{under}.amountDetails.currency") or default_currency
        if not text or not currency:
            missing = "totalAmount" if not text else "currency"
            raise self._refusal("MISSING_FIELD", "A field is missing.", f"{under}.amountDetails.{missing}")
        if not _AMOUNT.fullmatch(text) or not Decimal(text) or not re.fullmatch("[A-Z]{3}", currency):
            raise self._refusal("INVALID_DATA", "No amount.", f"{under}.amountDetails.totalAmount")
        return Decimal(text).quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_DOWN), currency

    def _refusal(self, reason: str, message: str, name: str = "") -> _Stop:
        body: dict[str, Any] = {
            "submitTimeUtc": _time(self.now()),
            "status": "INVALID_REQUEST",
            "reason": reason,
            "message": message,
        }
        if name:
            body["details"] = [{"field": name, "reason": reason}]
        return _Stop(400, body)


def _not_processed(fault: RestFault) -> RestReply:
    match fault:
        case RestFault.LOST:
            return RestReply(status=0, drop=True)
        case RestFault.SYSTEM_ERROR:
            return RestReply(status=502, body=_json(_server_error("SYSTEM_ERROR", datetime.now(UTC))))
        case RestFault.UNAVAILABLE:
            return RestReply(status=503, headers=(("Retry-After", "7"),))
        case RestFault.THROTTLED:
            return RestReply(status=429, headers=(("Retry-After", "7"),))
        case RestFault.FORBIDDEN:
            return RestReply(status=403, body=b"<html><title>Forbidden</title></html>")
    return RestReply(status=401, body=_json({"response": {"rmsg": "Authentication Failed"}}))


def _spoiled(reply: RestReply, fault: RestFault, access: RestAccess) -> RestReply:
    """Return what a fault makes of an answer to something that was processed."""
    status, body = reply.status, reply.body
    match fault:
        case RestFault.NO_ANSWER:
            return RestReply(status=0, drop=True)
        case RestFault.SLOW:
            return replace(reply, delay_seconds=access.slow_seconds)
        case RestFault.BROKEN_OFF:
            return replace(reply, break_off=True)
        case RestFault.TRUNCATED:
            return RestReply(status=status, body=body[: len(body) // 2])
        case RestFault.EMPTY:
            return RestReply(status=status)
        case RestFault.HTML:
            return RestReply(status=status, body=b"<!DOCTYPE html><title>Sign in to the network</title>")
        case RestFault.SERVER_TIMEOUT:
            return RestReply(status=502, body=_json(_server_error("SERVER_TIMEOUT", datetime.now(UTC))))
        case RestFault.BAD_GATEWAY:
            return RestReply(status=502, body=b"<html><h1>502 Bad Gateway</h1></html>")
    answer = json.loads(body)
    if fault is RestFault.UNKNOWN_FIELDS:
        answer |= {"unheardOf": {"deep": [None, {"x": 1.5}]}, "details": {"field": 7}, "_links": {"odd": "text"}}
    if fault is RestFault.UNKNOWN_STATUS:
        answer["status"] = "SETTLED_TWICE_REMOVED"
    if fault is RestFault.UNDECRYPTABLE:
        answer = {"encryptedResponse": "e30.bm90.Zm9y.eW91.IQ"}
    return RestReply(status=status, body=_json(answer))


def _server_error(reason: str, now: datetime) -> dict[str, Any]:
    return {"submitTimeUtc": _time(now), "status": "SERVER_ERROR", "reason": reason, "message": "Simulated."}


def _summary(each: Transaction) -> dict[str, Any]:
    application = _application(each, SERVICES[each.kind])
    return {
        "id": each.id,
        "submitTimeUtc": _time(each.at),
        "merchantId": each.merchant_id,
        "applicationInformation": {
            "reasonCode": each.reason_code,
            "rCode": application["rCode"],
            "rFlag": application["rFlag"],
            "applications": [application],
        },
        "clientReferenceInformation": {"code": each.reference},
        "orderInformation": {
            "amountDetails": {"totalAmount": money(each.asked, each.currency), "currency": each.currency}
        },
        "_links": {"transactionDetail": _link("GET", f"/tss/v2/transactions/{each.id}")},
    }


def _application(each: Transaction, name: str) -> dict[str, str]:
    return {
        "name": name,
        "status": each.status,
        "reasonCode": each.reason_code,
        "rCode": "1" if each.amount else "0",
        "rFlag": "SOK" if each.amount else "DCARDREFUSED",
        "rMessage": "Request was processed successfully." if each.amount else "Declined.",
        "reconciliationId": each.id,
    }


def _money(made: Transaction) -> dict[str, str]:
    return {"totalAmount": money(made.amount, made.currency), "currency": made.currency}


def _resource(made: Transaction) -> str:
    return {"authorization": "payments", "sale": "payments"}.get(made.kind, f"{made.kind}s")


def _link(method: str, href: str) -> dict[str, str]:
    return {"method": method, "href": href}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode("utf-8")


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _text(data: Any, path: str) -> str:
    value = _at(data, path)
    return value if isinstance(value, str) else ""


def _idempotency_id(data: Mapping[str, Any]) -> str:
    return _text(data, "clientReferenceInformation.transactionId")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)
