"""What can be asked of the REST API: one function a call, each returning the request as data.

Amounts are :class:`~decimal.Decimal`, written in exactly the currency's decimals and refused where that would round,
since CyberSource would cut them in silence. Ids go into paths, so they are checked here.

Source: REST API field reference, payments guides, transaction search guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from ..errors import InvalidRequest
from ..money import format_amount
from ..vocabulary import ReviewDecision

_ID = re.compile(r"[A-Za-z0-9]{1,64}")
#: Printable; search has no documented way of quoting, so its values are narrower still.
_REFERENCE = re.compile(r"[\x20-\x7e]{1,50}")
_SEARCHABLE = re.compile(r"(?!(?:AND|OR|NOT|TO)\Z)[A-Za-z0-9][A-Za-z0-9_-]{0,49}")
#: The length is not established for REST; its SOAP twin takes 30.
_IDEMPOTENCY_ID = re.compile(r"[A-Za-z0-9]{1,30}")
_ORGANIZATION = re.compile(r"[A-Za-z0-9_-]{1,64}")

SEARCH_LIMIT = 2500  #: rows of one page of a search

#: What one call for conversion details may span.
LONGEST_PERIOD = timedelta(hours=24)


class Operation(StrEnum):
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    REFUND = "refund"
    VOID = "void"
    REVERSE = "reverse"
    TIMEOUT_REVERSE = "timeout-reverse"
    TIMEOUT_VOID = "timeout-void"
    LOOK_UP = "look-up"
    SEARCH = "search"
    DECIDE_REVIEW = "decide-review"
    CONVERSIONS = "conversions"
    READ_CUSTOMER = "read-customer"
    DELETE_CUSTOMER = "delete-customer"
    WEBHOOK_PRODUCTS = "webhook-products"
    WEBHOOK_KEY = "webhook-key"
    CREATE_WEBHOOK = "create-webhook"
    LIST_WEBHOOKS = "list-webhooks"
    DELETE_WEBHOOK = "delete-webhook"
    SET_WEBHOOK_STATUS = "set-webhook-status"

    @property
    def reads(self) -> bool:
        """Whether it changes nothing and may be repeated freely."""
        return self in _READING

    @property
    def may_be_encrypted(self) -> bool:
        """Whether CyberSource takes the body of such a request encrypted.

        It does where money is moved or looked up, and nowhere else that we call.
        Source: the list of operations in the vendor's SDKs.
        """
        return self in _MAY_BE_ENCRYPTED

    @property
    def names_a_token(self) -> bool:
        """Whether its path and its answer hold the id of a stored card, which no log may have."""
        return self in (Operation.READ_CUSTOMER, Operation.DELETE_CUSTOMER)


_READING = frozenset(
    {
        Operation.LOOK_UP,
        Operation.SEARCH,
        Operation.CONVERSIONS,
        Operation.READ_CUSTOMER,
        Operation.WEBHOOK_PRODUCTS,
        Operation.LIST_WEBHOOKS,
    }
)
_MAY_BE_ENCRYPTED = frozenset(
    {
        Operation.AUTHORIZE,
        Operation.CAPTURE,
        Operation.REFUND,
        Operation.VOID,
        Operation.REVERSE,
        Operation.TIMEOUT_REVERSE,
        Operation.TIMEOUT_VOID,
        Operation.SEARCH,
    }
)


class Resource(StrEnum):
    """What a follow-on acts on, as paths name it."""

    PAYMENT = "payments"
    CAPTURE = "captures"
    REFUND = "refunds"


class TokenKind(StrEnum):
    """What a stored token is, as ``paymentInformation`` names it. Secure Acceptance's ``payment_token`` is a customer's
    id where the account is on the Token Management Service, else a legacy one.
    """

    CUSTOMER = "customer"
    LEGACY = "legacyToken"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request. ``repr`` shows no stored card's token, nor anything else of the body."""

    operation: Operation
    method: str  #: lower case, as the token's claim wants it
    target: str = field(repr=False)  #: path and query
    body: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def target_for_log(self) -> str:
        """Path and query without the id of a stored card."""
        return f"{self.target.rpartition('/')[0]}/…" if self.operation.names_a_token else self.target

    @property
    def content(self) -> bytes:
        """The body in UTF-8, without blanks; empty for a call that has none."""
        if self.body is None:
            return b""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")

    @property
    def reference_number(self) -> str:
        """``clientReferenceInformation.code``: by what a search finds this call."""
        return self._reference.get("code", "")

    @property
    def idempotency_id(self) -> str:
        """``clientReferenceInformation.transactionId``: by what CyberSource refuses a repeat, for 60 days."""
        return self._reference.get("transactionId", "")

    @property
    def _reference(self) -> Mapping[str, str]:
        reference: Mapping[str, str] = (self.body or {}).get("clientReferenceInformation", {})
        return reference


def authorize(
    *,
    token: str,
    token_kind: TokenKind = TokenKind.CUSTOMER,
    amount: Decimal,
    currency: str,
    reference_number: str,
    idempotency_id: str,
    capture: bool = False,
    commerce_indicator: str = "internet",
    device_fingerprint_id: str = "",
    customer_ip_address: str = "",
) -> Call:
    """Authorize a stored card; with ``capture`` take the money at once.

    A success says ``AUTHORIZED`` either way, so the caller must remember whether it asked for capture. The device is
    what Decision Manager knows the shopper by.
    """
    body: dict[str, Any] = {
        "clientReferenceInformation": _reference(reference_number, idempotency_id),
        "processingInformation": {"capture": capture, "commerceIndicator": commerce_indicator},
        "paymentInformation": {token_kind.value: {"id": _id(token, "token")}},
        "orderInformation": _amount(amount, currency),
    }
    device = {"fingerprintSessionId": device_fingerprint_id, "ipAddress": customer_ip_address}
    if told := {name: value for name, value in device.items() if value}:
        body["deviceInformation"] = told
    return Call(operation=Operation.AUTHORIZE, method="post", target="/pts/v2/payments", body=body)


def capture(
    payment_id: str,
    *,
    amount: Decimal,
    currency: str,
    reference_number: str,
    idempotency_id: str,
    sequence: tuple[int, int] | None = None,
) -> Call:
    """Capture all or a part of an authorization.

    ``sequence`` is ``(number, of how many)`` where the account takes several captures of one authorization; an unknown
    total is the number plus one until the last.
    """
    body: dict[str, Any] = {
        "clientReferenceInformation": _reference(reference_number, idempotency_id),
        "orderInformation": _amount(amount, currency),
    }
    if sequence:
        number, total = sequence
        if not 1 <= number <= total <= 99:
            raise InvalidRequest("capture-sequence", "A capture's number is from 1 to the total.", "sequence")
        options = {"captureSequenceNumber": number, "totalCaptureCount": total}
        body["processingInformation"] = {"captureOptions": options}
    return _follow_on(Operation.CAPTURE, Resource.PAYMENT, payment_id, "captures", body)


def refund(
    id: str, *, of: Resource, amount: Decimal, currency: str, reference_number: str, idempotency_id: str
) -> Call:
    """Refund all or a part of a capture, or of a payment that was captured at once (a sale).

    CyberSource does not stop the sum of refunds from exceeding what was captured. The caller must.
    """
    if of not in (Resource.CAPTURE, Resource.PAYMENT):
        raise InvalidRequest("refund-of", "Only captures and sales are refunded.", "of")
    body = {
        "clientReferenceInformation": _reference(reference_number, idempotency_id),
        "orderInformation": _amount(amount, currency),
    }
    return _follow_on(Operation.REFUND, of, id, "refunds", body)


def void(id: str, *, of: Resource, reference_number: str, idempotency_id: str) -> Call:
    """Take back a capture, a refund or a sale that is in no batch yet. A capture's hold stays: reverse it after."""
    body = {"clientReferenceInformation": _reference(reference_number, idempotency_id)}
    return _follow_on(Operation.VOID, of, id, "voids", body)


def reverse(
    payment_id: str, *, amount: Decimal, currency: str, reason: str, reference_number: str, idempotency_id: str
) -> Call:
    """Release the hold of an authorization. Most processors want its full amount."""
    body = {
        "clientReferenceInformation": _reference(reference_number, idempotency_id),
        "reversalInformation": {**_amount(amount, currency), "reason": reason[:255]},
    }
    return _follow_on(Operation.REVERSE, Resource.PAYMENT, payment_id, "reversals", body)


def timeout_reverse(
    *, amount: Decimal, currency: str, reason: str, reference_number: str, lost_idempotency_id: str
) -> Call:
    """Release the hold of an authorization whose reply was lost, named by the idempotency id it was sent with."""
    body = {
        "clientReferenceInformation": _reference(reference_number, lost_idempotency_id),
        "reversalInformation": {**_amount(amount, currency), "reason": reason[:255]},
    }
    return Call(operation=Operation.TIMEOUT_REVERSE, method="post", target="/pts/v2/reversals", body=body)


def timeout_void(*, reference_number: str, lost_idempotency_id: str) -> Call:
    """Take back a capture, refund or sale whose reply was lost, named by the idempotency id it was sent with."""
    body = {"clientReferenceInformation": _reference(reference_number, lost_idempotency_id)}
    return Call(operation=Operation.TIMEOUT_VOID, method="post", target="/pts/v2/voids", body=body)


def look_up(id: str) -> Call:
    """Read one transaction of any kind. One that is very young may not be found yet."""
    return Call(operation=Operation.LOOK_UP, method="get", target=f"/tss/v2/transactions/{_id(id, 'id')}")


def search(reference_numbers: Sequence[str], *, days: int = 2, limit: int = 20, offset: int = 0) -> Call:
    """Find transactions of the last ``days`` by their references, newest first. The index lags behind."""
    if not reference_numbers or any(not _SEARCHABLE.fullmatch(each) for each in reference_numbers):
        raise InvalidRequest(
            "search-reference",
            "A reference to search for is letters, digits and hyphens, and no word of the search.",
            "reference_numbers",
        )
    if days < 1 or offset < 0 or not 1 <= limit <= SEARCH_LIMIT:
        raise InvalidRequest("search-range", "A search is for a day or more and 1 to 2500 rows.", "limit")
    codes = " OR ".join(f"clientReferenceInformation.code:{each}" for each in reference_numbers)
    either = f"({codes})" if len(reference_numbers) > 1 else codes
    query = f"{either} AND submitTimeUtc:[NOW/DAY-{days}DAYS TO NOW/DAY+1DAY}}"
    return _search(query, limit=limit, offset=offset, sort="submitTimeUtc:desc")


def search_period(start: datetime, end: datetime, *, limit: int = SEARCH_LIMIT, offset: int = 0) -> Call:
    """Find every transaction submitted from ``start`` until just before ``end``, oldest first, a page at a time.

    The index lags behind, so a page of the last hours may miss some. Oldest first, since rows that are added while one
    turns pages would move those of newest first from one page to the next.

    Source: transaction search guide (times as milliseconds since 1970, half-open ranges); the vendor's search sample
    (two fields to sort by).
    """
    if not start < end or offset < 0 or not 1 <= limit <= SEARCH_LIMIT:
        raise InvalidRequest("search-range", "A search is for some time and 1 to 2500 rows.", "limit")
    first, last = (round(moment.timestamp() * 1000) for moment in (start, end))
    return _search(f"submitTimeUtc:[{first} TO {last}}}", limit=limit, offset=offset, sort="submitTimeUtc:asc,id:asc")


def decide_review(
    payment_id: str,
    decision: ReviewDecision,
    *,
    comments: str = "",
    capture: bool = False,
    reverse: bool = False,
) -> Call:
    """Decide a payment that waits for a reviewer; with ``capture`` or ``reverse`` move its money in the same call.

    The answer tells the decision that stands, which another reviewer may have made before: compare it, and read the
    transaction again before moving any money.
    """
    if capture and decision is not ReviewDecision.ACCEPT or reverse and decision is not ReviewDecision.REJECT:
        raise InvalidRequest("review-action", "An accepted payment is captured, a rejected one reversed.", "decision")
    body: dict[str, Any] = {"decisionInformation": {"decision": decision.value}}
    if comments:
        body["decisionInformation"]["comments"] = comments[:255]
    if capture or reverse:
        body["processingInformation"] = {"actionList": ["CAPTURE" if capture else "REVERSE"]}
    target = f"/risk/v1/decisions/{_id(payment_id, 'payment_id')}/actions"
    return Call(operation=Operation.DECIDE_REVIEW, method="post", target=target, body=body)


def conversion_details(start: datetime, end: datetime, *, organization_id: str) -> Call:
    """Read what reviewers decided from ``start`` until ``end``, a day at most."""
    if not timedelta(0) < end - start <= LONGEST_PERIOD:
        raise InvalidRequest("conversion-period", "Conversion details are for 24 hours at most.", "end")
    query = {
        "startTime": _moment(start),
        "endTime": _moment(end),
        "organizationId": organization(organization_id),
    }
    target = f"/reporting/v3/conversion-details?{urlencode(query)}"
    return Call(operation=Operation.CONVERSIONS, method="get", target=target)


def read_customer(token: str) -> Call:
    """Read a stored card by its token. Not found: it is of another kind, or was deleted (then the answer is 410)."""
    target = f"/tms/v2/customers/{_id(token, 'token')}"
    return Call(operation=Operation.READ_CUSTOMER, method="get", target=target)


def delete_customer(token: str) -> Call:
    """Delete a stored card for good. One that is gone already is not found."""
    target = f"/tms/v2/customers/{_id(token, 'token')}"
    return Call(operation=Operation.DELETE_CUSTOMER, method="delete", target=target)


def _search(query: str, *, limit: int, offset: int, sort: str) -> Call:
    body = {
        "save": False,
        "name": "MRN",
        "timezone": "UTC",
        "query": query,
        "offset": offset,
        "limit": limit,
        "sort": sort,
    }
    return Call(operation=Operation.SEARCH, method="post", target="/tss/v2/searches", body=body)


def _follow_on(operation: Operation, of: Resource, id: str, action: str, body: Mapping[str, Any]) -> Call:
    return Call(operation=operation, method="post", target=f"/pts/v2/{of.value}/{_id(id, 'id')}/{action}", body=body)


def _reference(code: str, idempotency_id: str) -> dict[str, str]:
    if not _REFERENCE.fullmatch(code):
        raise InvalidRequest(
            "reference-number", "A reference number is 1 to 50 printable characters.", "reference_number"
        )
    if not _IDEMPOTENCY_ID.fullmatch(idempotency_id):
        raise InvalidRequest("idempotency-id", "An idempotency id is 1 to 30 letters and digits.", "idempotency_id")
    return {"code": code, "transactionId": idempotency_id}


def _amount(amount: Decimal, currency: str) -> dict[str, Any]:
    return {"amountDetails": {"totalAmount": format_amount(amount, currency), "currency": currency}}


def is_id(id: str) -> bool:
    """Whether CyberSource can be asked about this id: any other could lead to another path."""
    return bool(_ID.fullmatch(id))


def _id(id: str, name: str) -> str:
    if not is_id(id):
        raise InvalidRequest("id", "An id is letters and digits.", name)
    return id


def organization(id: str) -> str:
    """Return an organization (merchant) id, or raise :class:`InvalidRequest` for what could lead to another path."""
    if not _ORGANIZATION.fullmatch(id):
        raise InvalidRequest(
            "organization-id", "An organization id is letters, digits, hyphens and underscores.", "organization_id"
        )
    return id


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
