"""``/pts/v2/…``: payments by a stored card, captures, refunds, voids and reversals, also of a call that got no answer.

Source: REST API field reference; payments guides; replies seen by integrators.
"""

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from cybersource.simulator import cards
from cybersource.simulator.fields import decimals, money
from cybersource.simulator.records import Payment
from cybersource.simulator.rest.followon import Asked, Desk, NotAllowed
from cybersource.simulator.rest.transactions import HOLDS, Book, Card, Transaction
from cybersource.simulator.rest.wire import Call, Stop, at, link, server_error, text, time
from cybersource.simulator.rest_access import Vault
from cybersource.simulator.review import Case
from cybersource.simulator.store import Memory
from cybersource.simulator.tokens import StoredCard

#: Bank's answer by reason code of the test card: (status, reason). What is not here is declined.
ANSWERS: dict[str, tuple[str, str]] = {
    "100": ("AUTHORIZED", ""),
    "110": ("PARTIAL_AUTHORIZED", ""),
    "200": ("AUTHORIZED_PENDING_REVIEW", "AVS_FAILED"),
    "104": ("DECLINED", "DUPLICATE_REQUEST"),
    "150": ("SERVER_ERROR", "SYSTEM_ERROR"),
    "151": ("SERVER_ERROR", "SERVER_TIMEOUT"),
    "152": ("SERVER_ERROR", "SERVICE_TIMEOUT"),
    "201": ("DECLINED", "CONTACT_PROCESSOR"),
    "202": ("DECLINED", "EXPIRED_CARD"),
    "203": ("DECLINED", "PROCESSOR_DECLINED"),
    "204": ("DECLINED", "INSUFFICIENT_FUND"),
    "205": ("DECLINED", "STOLEN_LOST_CARD"),
    "207": ("DECLINED", "ISSUER_UNAVAILABLE"),
    "211": ("DECLINED", "INVALID_CVN"),
    "230": ("AUTHORIZED_PENDING_REVIEW", "CV_FAILED"),
    "236": ("DECLINED", "PROCESSOR_ERROR"),
    "250": ("SERVER_ERROR", "SERVICE_TIMEOUT"),
    "475": ("DECLINED", "CONSUMER_AUTHENTICATION_REQUIRED"),
    "476": ("DECLINED", "CONSUMER_AUTHENTICATION_FAILED"),
    "480": ("AUTHORIZED_PENDING_REVIEW", "DECISION_PROFILE_REVIEW"),
    "481": ("AUTHORIZED_RISK_DECLINED", "DECISION_PROFILE_REJECT"),
    "520": ("AUTHORIZED_PENDING_REVIEW", "SCORE_EXCEEDS_THRESHOLD"),
}

_AMOUNT = re.compile(r"\d{1,15}(?:\.\d+)?")
_REVIEWED = "AUTHORIZED_PENDING_REVIEW"
#: resource of the path -> kinds of transactions that it names
_KINDS = {"payments": HOLDS, "captures": frozenset({"capture"}), "refunds": frozenset({"refund"})}
_ANY_CAPTURED = frozenset({*HOLDS, "capture"})


class Payments:
    """The payment services. The gateway's lock is held."""

    def __init__(self, *, book: Book, desk: Desk, memory: Memory) -> None:
        self._book = book
        self._desk = desk
        self._memory = memory
        self.routes = (
            ("POST", r"/pts/v2/payments", self.authorize),
            ("POST", r"/pts/v2/reversals", self.timeout_reversal),
            ("POST", r"/pts/v2/voids", self.timeout_void),
            ("POST", r"/pts/v2/(payments)/(\w+)/captures", self.capture),
            ("POST", r"/pts/v2/(payments|captures)/(\w+)/refunds", self.refund),
            ("POST", r"/pts/v2/(payments|captures|refunds)/(\w+)/voids", self.void),
            ("POST", r"/pts/v2/(payments)/(\w+)/reversals", self.reverse),
        )

    # ---------------------------------------------------------------- services

    def authorize(self, call: Call) -> tuple[int, dict[str, Any]]:
        self._refuse_repeats(call, "INVALID_DATA")
        amount, currency = _amount(call, "orderInformation")
        stored = self._stored(call)
        card = cards.by_tag(stored.tag)
        code = card.reason_code if card else "100"
        status, reason = ANSWERS.get(code, ("DECLINED", "GENERAL_DECLINE"))
        if status == "SERVER_ERROR":
            raise Stop(502, server_error(reason, call.now))
        held = amount
        if status == "PARTIAL_AUTHORIZED":
            held = (amount / 2).quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_DOWN)
        approved = status != "DECLINED"
        sale = at(call.data, "processingInformation.capture") is True and status == "AUTHORIZED"
        id = self._memory.next_request_id(call.now)
        made = Transaction(
            id=id,
            root=id,
            kind="sale" if sale else "authorization",
            merchant_id=call.merchant_id,
            amount=held if approved else Decimal(0),
            asked=amount,
            currency=currency,
            status=status,
            reason=reason,
            reason_code=code,
            reference=call.reference,
            idempotency_id=call.idempotency_id,
            at=call.now,
            by="REST",
            card=_card(stored, approved=approved, code=code),
        )
        made.payment = self._listed(call, made, stored)
        self._book.add(made)
        return 201, _authorized(made)

    def capture(self, call: Call, resource: str, id: str) -> tuple[int, dict[str, Any]]:
        self._refuse_repeats(call)
        payment = self._named(call, resource, id)
        amount = _same_currency(call, payment, "orderInformation") if payment else Decimal(0)
        made = self._done(call, lambda: self._desk.capture(payment, amount, _asked(call), sequence=_sequence(call)))
        answer = _answer(made, void=f"/pts/v2/captures/{made.id}/voids")
        answer["orderInformation"] = {
            "amountDetails": {"totalAmount": money(made.amount, made.currency), "currency": made.currency}
        }
        return 201, answer

    def refund(self, call: Call, resource: str, id: str) -> tuple[int, dict[str, Any]]:
        self._refuse_repeats(call)
        captured = self._named(call, resource, id, lenient=call.access.refund_any_path)
        amount = _same_currency(call, captured, "orderInformation") if captured else Decimal(0)
        made = self._done(call, lambda: self._desk.refund(captured, amount, _asked(call)))
        answer = _answer(made, void=f"/pts/v2/refunds/{made.id}/voids")
        answer["refundAmountDetails"] = {"refundAmount": money(made.amount, made.currency), "currency": made.currency}
        return 201, answer

    def void(self, call: Call, resource: str, id: str) -> tuple[int, dict[str, Any]]:
        self._refuse_repeats(call)
        return self._void(call, self._named(call, resource, id))

    def reverse(self, call: Call, resource: str, id: str) -> tuple[int, dict[str, Any]]:
        self._refuse_repeats(call)
        return self._reverse(call, self._named(call, resource, id))

    def timeout_void(self, call: Call) -> tuple[int, dict[str, Any]]:
        return self._void(call, self._lost(call))

    def timeout_reversal(self, call: Call) -> tuple[int, dict[str, Any]]:
        return self._reverse(call, self._lost(call))

    # ---------------------------------------------------------------- parts

    def _void(self, call: Call, target: Transaction | None) -> tuple[int, dict[str, Any]]:
        made = self._done(call, lambda: self._desk.void(target, _asked(call)))
        answer = _answer(made)
        answer["voidAmountDetails"] = {"voidAmount": money(made.amount, made.currency), "currency": made.currency}
        return 201, answer

    def _reverse(self, call: Call, payment: Transaction | None) -> tuple[int, dict[str, Any]]:
        amount = _same_currency(call, payment, "reversalInformation") if payment else Decimal(0)
        made = self._done(call, lambda: self._desk.reverse(payment, amount, _asked(call)))
        answer = _answer(made)
        answer["reversalAmountDetails"] = {
            "reversedAmount": money(made.amount, made.currency),
            "originalTransactionAmount": money(payment.amount if payment else made.amount, made.currency),
            "currency": made.currency,
        }
        return 201, answer

    def _done(self, call: Call, act: Callable[[], Transaction]) -> Transaction:
        try:
            return act()
        except NotAllowed as problem:
            raise call.refusal(problem.reason, problem.message, problem.field) from problem

    def _named(self, call: Call, resource: str, id: str, *, lenient: bool = False) -> Transaction | None:
        found = self._book.get(id, call.merchant_id)
        kinds = _ANY_CAPTURED if lenient else _KINDS[resource]
        return found if found and found.kind in kinds else None

    def _lost(self, call: Call) -> Transaction | None:
        since = call.now - call.access.repeats_refused
        if not call.idempotency_id:
            return None
        return self._book.by_idempotency_id(call.idempotency_id, call.merchant_id, since)

    def _refuse_repeats(self, call: Call, reason: str = "DUPLICATE_REQUEST") -> None:
        if not self._lost(call):
            return
        if reason == "INVALID_DATA":
            name = "clientReferenceInformation.transactionId"
            raise call.refusal(reason, "One or more fields are invalid.", name)
        raise call.refusal(reason, "The transaction was sent before.")

    def _stored(self, call: Call) -> StoredCard:
        information = at(call.data, "paymentInformation")
        name = next((each for each in ("customer", "legacyToken") if text(information, f"{each}.id")), "")
        named = name and call.access.vault in {Vault.EITHER, name}
        stored = self._memory.tokens.get(text(information, f"{name}.id"), call.merchant_id) if named else None
        if not stored:
            field_name = f"paymentInformation.{name or 'customer'}.id"
            raise call.refusal("INVALID_DATA" if name else "MISSING_FIELD", "There is no such token.", field_name)
        return stored

    def _listed(self, call: Call, made: Transaction, stored: StoredCard) -> Payment:
        """Put the payment on the Business Center's list, and into the review queue if it is to wait there."""
        held = made.status == _REVIEWED
        decision = "REVIEW" if held else "ACCEPT" if made.amount and made.status != ANSWERS["481"][0] else "DECLINE"
        payment = Payment(
            id=self._memory.next_payment_id(),
            at=call.now,
            path=call.path,
            merchant_id=call.merchant_id,
            reference_number=made.reference,
            transaction_uuid="",
            transaction_type=made.kind,
            amount=money(made.asked, made.currency),
            currency=made.currency,
            decision=decision,
            reason_code=made.reason_code,
            message=made.status,
            transaction_id=made.id,
            card_number=stored.mask,
            card_type=stored.card_type,
            card_tag=stored.tag,
            shopper=" ".join(filter(None, (stored.echo.get(f"bill_to_{each}") for each in ("forename", "surname")))),
            payment_token="",
            receipt_page="",
            merchant_post_url="",
            invalid_fields="",
            required_fields="",
            faults=frozenset(),
            can_resend=False,
            case=Case(original_decision="REVIEW", opened_at=call.now) if held else None,
        )
        self._memory.payments.append(payment)
        return payment


def _card(stored: StoredCard, *, approved: bool, code: str) -> Card:
    return Card(
        number=stored.mask,
        type=stored.card_type,
        expiry=stored.expiry,
        token=stored.token,
        approval_code="888888" if approved else "",
        response_code="100" if approved else "303",
        avs="N" if code == "200" else "X",
        network_id="016153570198200" if approved else "",
        bill_to=stored.echo,
    )


def _authorized(made: Transaction) -> dict[str, Any]:
    answer = _answer(made)
    details: dict[str, str] = {"currency": made.currency}
    details |= {"authorizedAmount": money(made.amount, made.currency)} if made.amount else {}
    details |= {"totalAmount": money(made.asked, made.currency)} if made.status == "PARTIAL_AUTHORIZED" else {}
    answer["orderInformation"] = {"amountDetails": details}
    answer["processorInformation"] = {"responseCode": made.card.response_code, "avs": {"code": made.card.avs}}
    if made.amount:
        answer["processorInformation"] |= {
            "approvalCode": made.card.approval_code,
            "networkTransactionId": made.card.network_id,
        }
        answer["_links"]["authReversal"] = link("POST", f"/pts/v2/payments/{made.id}/reversals")
        answer["_links"]["capture"] = link("POST", f"/pts/v2/payments/{made.id}/captures")
    if made.reason:
        answer["errorInformation"] = {"reason": made.reason, "message": "Simulated."}
    return answer


def _answer(made: Transaction, void: str = "") -> dict[str, Any]:
    resource = "payments" if made.kind in HOLDS else f"{made.kind}s"
    answer: dict[str, Any] = {
        "id": made.id,
        "status": made.status,
        "submitTimeUtc": time(made.at),
        "reconciliationId": made.id,
        "clientReferenceInformation": {"code": made.reference},
        "_links": {"self": link("GET", f"/pts/v2/{resource}/{made.id}")},
    }
    if void:
        answer["_links"]["void"] = link("POST", void)
    return answer


def _asked(call: Call) -> Asked:
    return Asked(by="REST", reference=call.reference, idempotency_id=call.idempotency_id)


def _sequence(call: Call) -> tuple[int, int] | None:
    options = at(call.data, "processingInformation.captureOptions")
    if not isinstance(options, Mapping):
        return None
    numbers = []
    for name in ("captureSequenceNumber", "totalCaptureCount"):
        given = str(options.get(name, ""))
        if not re.fullmatch("[1-9][0-9]?", given):
            raise call.refusal("INVALID_DATA", "1 to 99.", f"processingInformation.captureOptions.{name}")
        numbers.append(int(given))
    return numbers[0], numbers[1]


def _same_currency(call: Call, parent: Transaction, under: str) -> Decimal:
    amount, currency = _amount(call, under, default_currency=parent.currency)
    if currency != parent.currency:
        raise call.refusal("INVALID_DATA", "Another currency.", f"{under}.amountDetails.currency")
    return amount


def _amount(call: Call, under: str, default_currency: str = "") -> tuple[Decimal, str]:
    """Return the amount, cut in silence to the currency's decimals as the real service does."""
    given = call.text(f"{under}.amountDetails.totalAmount")
    currency = call.text(f"{under}.amountDetails.currency") or default_currency
    if not given or not currency:
        missing = "totalAmount" if not given else "currency"
        raise call.refusal("MISSING_FIELD", "A field is missing.", f"{under}.amountDetails.{missing}")
    amount = Decimal(0)
    if _AMOUNT.fullmatch(given) and re.fullmatch("[A-Z]{3}", currency):
        amount = Decimal(given).quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_DOWN)
    if not amount:
        raise call.refusal("INVALID_DATA", "No amount.", f"{under}.amountDetails.totalAmount")
    return amount, currency
