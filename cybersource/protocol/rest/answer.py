"""What the REST API answered, read tolerantly: unknown fields are ignored, odd ones read as absent, never a crash.

Field names are irregular where CyberSource's are (``submitTimeUtc``, but ``submitTimeUTC`` in look-ups).

Source: REST API field reference; response-code table; transaction search guide; bodies seen by integrators.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ..errors import AmountNotRepresentable
from ..money import parse_amount

#: Where :func:`parse_rows` keeps an answer that is a list.
ROWS = "rows"


@dataclass(frozen=True, kw_only=True)
class FieldProblem:
    """One field that the gateway objects to."""

    field: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Application:
    """One service that a transaction went through, such as ``ics_auth``, ``ics_bill`` or ``ics_credit``."""

    name: str
    status: str
    reason_code: str
    r_code: str
    r_flag: str
    reconciliation_id: str

    @property
    def succeeded(self) -> bool:
        return self.r_code == "1"

    @property
    def ran(self) -> bool:
        """Whether it has a result. One that was asked for and never came to its turn is named without."""
        return bool(self.r_code or self.reason_code)


@dataclass(frozen=True, kw_only=True)
class DecisionFollowon:
    """What was done with the money in the same call that decided a review."""

    id: str  #: of the capture or reversal; empty where it was not said
    status: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One transaction as the gateway tells of it: the reply to a call, a look-up, or a row of a search.

    Every text is empty and every other value None where the gateway did not say. ``repr`` shows no message.
    """

    id: str = ""  #: 22 digits, the request id to search for
    root_id: str = ""  #: of the first transaction of the chain; look-ups only
    status: str = ""  #: of the reply, or of the look-up's ``applicationInformation``
    reason: str = ""
    message: str = field(default="", repr=False)
    details: tuple[FieldProblem, ...] = ()
    submitted_at: datetime | None = None
    reference_number: str = ""
    idempotency_id: str = ""
    reconciliation_id: str = ""
    amount: Decimal | None = None  #: what this transaction is about: held, captured, refunded, voided or reversed
    total_amount: Decimal | None = None  #: what was asked for
    authorized_amount: Decimal | None = None
    currency: str = ""
    approval_code: str = ""
    response_code: str = ""
    network_transaction_id: str = ""
    avs_code: str = ""
    cvn_code: str = ""
    merchant_advice: str = ""  #: says whether a scheme forbids to retry a decline
    card_number: str = field(default="", repr=False)  #: masked; look-ups and searches only, as is all of the card
    card_type: str = ""
    card_expiry: str = field(default="", repr=False)  #: ``MM-yyyy``
    token: str = field(default="", repr=False)  #: under which the card is stored
    reason_code: str = ""  #: in Secure Acceptance's numbers; look-ups and searches only
    r_code: str = ""
    applications: tuple[Application, ...] = ()
    capture: DecisionFollowon | None = None  #: made by deciding a review; so is a reversal
    reversal: DecisionFollowon | None = None
    links: Mapping[str, str] = field(default_factory=dict)  #: relation to path or URL

    @classmethod
    def read(cls, data: Any) -> Answer:
        """Read one JSON value; what is no object reads as an answer that says nothing."""
        amounts = {
            name: _amount(data, path)
            for name, path in {
                "total": "orderInformation.amountDetails.totalAmount",
                "authorized": "orderInformation.amountDetails.authorizedAmount",
                "refunded": "refundAmountDetails.refundAmount",
                "voided": "voidAmountDetails.voidAmount",
                "reversed": "reversalAmountDetails.reversedAmount",
            }.items()
        }
        applications = tuple(_applications(data))
        names = {each.name for each in applications}
        # A look-up tells the payment's authorized amount beside what a capture or refund of it is about.
        own = ("authorized", "total") if not names or "ics_auth" in names else ("total", "authorized")
        of_this = (amounts[name] for name in ("refunded", "voided", "reversed", *own))
        return cls(
            id=text(data, "id"),
            root_id=text(data, "rootId"),
            status=_first(data, "status", "applicationInformation.status"),
            reason=_first(
                data, "errorInformation.reason", "reason", "errors.0.type", "response.rmsg", "response.reason"
            ),
            message=_first(data, "errorInformation.message", "message", "errors.0.message", "response.rmsg"),
            details=tuple(_details(data)),
            submitted_at=moment(_first(data, "submitTimeUtc", "submitTimeUTC")),
            reference_number=text(data, "clientReferenceInformation.code"),
            idempotency_id=text(data, "clientReferenceInformation.transactionId"),
            reconciliation_id=_first(
                data, "reconciliationId", "applicationInformation.applications.0.reconciliationId"
            ),
            amount=next((amount for amount in of_this if amount is not None), None),
            total_amount=amounts["total"],
            authorized_amount=amounts["authorized"],
            currency=_first(
                data,
                "orderInformation.amountDetails.currency",
                "refundAmountDetails.currency",
                "voidAmountDetails.currency",
                "reversalAmountDetails.currency",
            ),
            approval_code=text(data, "processorInformation.approvalCode"),
            response_code=text(data, "processorInformation.responseCode"),
            network_transaction_id=_first(
                data, "processorInformation.networkTransactionId", "processorInformation.transactionId"
            ),
            avs_code=text(data, "processorInformation.avs.code"),
            cvn_code=text(data, "processorInformation.cardVerification.resultCode"),
            merchant_advice=text(data, "processorInformation.merchantAdvice.code"),
            card_number=_mask(text(data, "paymentInformation.card.suffix")),
            card_type=text(data, "paymentInformation.card.type"),
            card_expiry=_expiry(data),
            token=_first(data, "tokenInformation.customer.id", "paymentInformation.customer.id"),
            reason_code=text(data, "applicationInformation.reasonCode"),
            r_code=text(data, "applicationInformation.rCode"),
            applications=applications,
            capture=_follow_on(data, "_embedded.capture"),
            reversal=_follow_on(data, "_embedded.reversal"),
            links=dict(_links(data)),
        )


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """One page of a search. ``total`` counts all pages; None where the gateway did not say."""

    total: int | None
    transactions: tuple[Answer, ...]

    @classmethod
    def read(cls, data: Any) -> SearchPage:
        total = at(data, "totalCount")
        rows = at(data, "_embedded.transactionSummaries")
        return cls(
            total=total if isinstance(total, int) and not isinstance(total, bool) else None,
            transactions=tuple(Answer.read(row) for row in rows if isinstance(row, dict))
            if isinstance(rows, list)
            else (),
        )


def parse(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in ``body``, or None for anything else: HTML, a fragment, a list, too deep a nesting.

    Numbers with a point stay text, so that an amount keeps its digits.
    """
    data = _json(body)
    return data if isinstance(data, dict) else None


def parse_rows(body: bytes) -> dict[str, Any] | None:
    """Return the JSON list in ``body``, which some services answer with, as an object that has it under ``rows``."""
    data = _json(body)
    return {ROWS: data} if isinstance(data, list) else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def storable(text: str) -> str:
    """Return ``text`` without what PostgreSQL takes in no column: NUL and lone surrogates, which JSON can spell."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def at(data: Any, path: str) -> Any:
    """Return what stands at a dotted path (``errors.0.type``), or None."""
    for name in path.split("."):
        if isinstance(data, dict):
            data = data.get(name)
        elif isinstance(data, list) and name.isdecimal():
            data = data[int(name)] if int(name) < len(data) else None
        else:
            return None
    return data


def text(data: Any, path: str) -> str:
    """Return the text or whole number at a dotted path as storable text, or ""."""
    value = at(data, path)
    if isinstance(value, str):
        return storable(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _first(data: Any, *paths: str) -> str:
    return next((found for path in paths if (found := text(data, path))), "")


def _amount(data: Any, path: str) -> Decimal | None:
    try:
        return parse_amount(text(data, path))
    except AmountNotRepresentable:
        return None


def moment(written: str) -> datetime | None:
    """Return an aware UTC time; one without a zone is taken as UTC, and what is no time is None."""
    try:
        read = datetime.fromisoformat(written)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _mask(suffix: str) -> str:
    """The last four digits as Secure Acceptance masks a card; anything longer is no suffix."""
    return f"xxxxxxxxxxxx{suffix}" if len(suffix) == 4 and suffix.isascii() and suffix.isdecimal() else ""


def _expiry(data: Any) -> str:
    month, year = (text(data, f"paymentInformation.card.expiration{part}") for part in ("Month", "Year"))
    return f"{month}-{year}" if len(month) == 2 and len(year) == 4 else ""


def _details(data: Any) -> Iterator[FieldProblem]:
    """The fields objected to, wherever this variant of an error keeps them."""
    for path in ("details", "errorInformation.details", "errors.0.details"):
        rows = at(data, path)
        for row in rows if isinstance(rows, list) else ():
            if name := _first(row, "field", "name"):
                yield FieldProblem(field=name, reason=text(row, "reason"))


def _applications(data: Any) -> Iterator[Application]:
    rows = at(data, "applicationInformation.applications")
    for row in rows if isinstance(rows, list) else ():
        yield Application(
            name=text(row, "name"),
            status=text(row, "status"),
            reason_code=text(row, "reasonCode"),
            r_code=text(row, "rCode"),
            r_flag=text(row, "rFlag"),
            reconciliation_id=text(row, "reconciliationId"),
        )


def _follow_on(data: Any, path: str) -> DecisionFollowon | None:
    """The id stands alone, or at the end of a link to the new transaction."""
    made = at(data, path)
    if not isinstance(made, dict):
        return None
    link = text(made, "_links.self.href").rstrip("/")
    return DecisionFollowon(id=text(made, "id") or link.rpartition("/")[2], status=text(made, "status"))


def _links(data: Any) -> Iterator[tuple[str, str]]:
    links = at(data, "_links")
    for relation, link in links.items() if isinstance(links, dict) else ():
        if href := text(link, "href"):
            yield relation, href
