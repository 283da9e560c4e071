"""What the REST door answered, read tolerantly: unknown fields are ignored, odd ones read as absent, never a crash.

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


@dataclass(frozen=True, kw_only=True)
class Detail:
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
    details: tuple[Detail, ...] = ()
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
    reason_code: str = ""  #: in Secure Acceptance's numbers; look-ups and searches only
    r_code: str = ""
    applications: tuple[Application, ...] = ()
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
        of_this = (amounts[name] for name in ("refunded", "voided", "reversed", "authorized", "total"))
        return cls(
            id=_text(data, "id"),
            root_id=_text(data, "rootId"),
            status=_first(data, "status", "applicationInformation.status"),
            reason=_first(
                data, "errorInformation.reason", "reason", "errors.0.type", "response.rmsg", "response.reason"
            ),
            message=_first(data, "errorInformation.message", "message", "errors.0.message", "response.rmsg"),
            details=tuple(_details(data)),
            submitted_at=_time(_first(data, "submitTimeUtc", "submitTimeUTC")),
            reference_number=_text(data, "clientReferenceInformation.code"),
            idempotency_id=_text(data, "clientReferenceInformation.transactionId"),
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
            approval_code=_text(data, "processorInformation.approvalCode"),
            response_code=_text(data, "processorInformation.responseCode"),
            network_transaction_id=_first(
                data, "processorInformation.networkTransactionId", "processorInformation.transactionId"
            ),
            avs_code=_text(data, "processorInformation.avs.code"),
            cvn_code=_text(data, "processorInformation.cardVerification.resultCode"),
            merchant_advice=_text(data, "processorInformation.merchantAdvice.code"),
            reason_code=_text(data, "applicationInformation.reasonCode"),
            r_code=_text(data, "applicationInformation.rCode"),
            applications=tuple(_applications(data)),
            links=dict(_links(data)),
        )


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """One page of a search. ``total`` counts all pages; None where the gateway did not say."""

    total: int | None
    transactions: tuple[Answer, ...]

    @classmethod
    def read(cls, data: Any) -> SearchPage:
        total = _at(data, "totalCount")
        rows = _at(data, "_embedded.transactionSummaries")
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
    try:
        data = json.loads(body, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def storable(text: str) -> str:
    """Return ``text`` without what PostgreSQL takes in no column: NUL and lone surrogates, which JSON can spell."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(data, dict):
            data = data.get(name)
        elif isinstance(data, list) and name.isdecimal():
            data = data[int(name)] if int(name) < len(data) else None
        else:
            return None
    return data


def _text(data: Any, path: str) -> str:
    value = _at(data, path)
    if isinstance(value, str):
        return storable(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _first(data: Any, *paths: str) -> str:
    return next((text for path in paths if (text := _text(data, path))), "")


def _amount(data: Any, path: str) -> Decimal | None:
    try:
        return parse_amount(_text(data, path))
    except AmountNotRepresentable:
        return None


def _time(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _details(data: Any) -> Iterator[Detail]:
    """The fields objected to, wherever this variant of an error keeps them."""
    for path in ("details", "errorInformation.details", "errors.0.details"):
        rows = _at(data, path)
        for row in rows if isinstance(rows, list) else ():
            if name := _first(row, "field", "name"):
                yield Detail(field=name, reason=_text(row, "reason"))


def _applications(data: Any) -> Iterator[Application]:
    rows = _at(data, "applicationInformation.applications")
    for row in rows if isinstance(rows, list) else ():
        yield Application(
            name=_text(row, "name"),
            status=_text(row, "status"),
            reason_code=_text(row, "reasonCode"),
            r_code=_text(row, "rCode"),
            r_flag=_text(row, "rFlag"),
            reconciliation_id=_text(row, "reconciliationId"),
        )


def _links(data: Any) -> Iterator[tuple[str, str]]:
    links = _at(data, "_links")
    for relation, link in links.items() if isinstance(links, dict) else ():
        if href := _text(link, "href"):
            yield relation, href
