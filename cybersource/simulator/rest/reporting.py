"""``/tss/v2/…``: one transaction by its id, and search. What is younger than ``index_lag`` is not known here.

Source: REST API field reference, transaction details; transaction search guide; response-code guide for the flags.
"""

import secrets
from datetime import datetime
from typing import Any

from cybersource.simulator.fields import money
from cybersource.simulator.rest.book import HOLDS, SERVICES, Book, Transaction
from cybersource.simulator.rest.query import BadQuery, parse
from cybersource.simulator.rest.wire import BILL_TO, Call, Stop, link, time

_FLAGS = {
    "100": "SOK",
    "104": "DDUPLICATE",
    "110": "SPARTIALAPPROVAL",
    "150": "ESYSTEM",
    "151": "ETIMEOUT",
    "152": "ETIMEOUT",
    "200": "DAVSNO",
    "201": "DCALL",
    "202": "DCARDEXPIRED",
    "230": "DCV",
    "231": "DINVALIDCARD",
    "250": "ETIMEOUT",
    "475": "DAUTHENTICATE",
    "476": "DAUTHENTICATIONFAILED",
    "480": "DREVIEW",
    "481": "DREJECT",
}
_RESULTS = {"S": "1", "D": "0", "E": "-1"}


class Reporting:
    """Look-up and search. The gateway's lock is held."""

    def __init__(self, *, book: Book) -> None:
        self._book = book
        self.routes = (
            ("GET", r"/tss/v2/transactions/(\w+)", self.details),
            ("POST", r"/tss/v2/searches", self.search),
        )

    def details(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        found = self._book.get(id, call.merchant_id)
        if not found or found.at + call.access.index_lag > call.now:
            raise Stop(404, {"message": "The requested resource is not found"})
        status = self._book.status(found, call.now, call.access.batch_after)
        answer: dict[str, Any] = {
            "id": found.id,
            "rootId": found.root,
            "submitTimeUTC": time(found.at),
            "merchantId": found.merchant_id,
            "reconciliationId": found.id,
            "applicationInformation": {**_outcome(found.reason_code), "applications": _applications(found)},
            "clientReferenceInformation": {"code": found.reference},
            "orderInformation": {"amountDetails": self._amounts(found)},
            "paymentInformation": {"card": _card(found)},
            "_links": {
                "self": link("GET", f"/tss/v2/transactions/{found.id}"),
                "relatedTransactions": [
                    link("GET", f"/tss/v2/transactions/{each.id}")
                    for each in self._book.chain(found.root)
                    if each.parent == found.id
                ],
            },
        }
        if status:
            answer["applicationInformation"]["status"] = status
        if found.kind in HOLDS:
            answer["processorInformation"] = _processor(found)
        bill_to = {BILL_TO[name]: value for name, value in found.card.bill_to.items() if name in BILL_TO}
        if bill_to:
            answer["orderInformation"]["billTo"] = bill_to
        if found.card.token:
            answer["paymentInformation"]["customer"] = {"id": found.card.token}
            answer["tokenInformation"] = {"customer": {"id": found.card.token}}
        if found.screened:
            answer["riskInformation"] = {"profile": {"name": "Auths", "decision": found.screened}}
        if found.reason:
            answer["errorInformation"] = {"reason": found.reason}
        return 200, answer

    def search(self, call: Call) -> tuple[int, dict[str, Any]]:
        try:
            wanted = parse(call.text("query"), call.now)
        except BadQuery as problem:
            raise call.refusal("INVALID_DATA", f"The query cannot be read: {problem}", "query") from problem
        limit, offset = call.data.get("limit", 20), call.data.get("offset", 0)
        if not isinstance(limit, int) or not isinstance(offset, int) or not 1 <= limit <= 2500 or offset < 0:
            raise call.refusal("INVALID_DATA", "limit is 1 to 2500.", "limit")
        known = self._known(call.merchant_id, call.now - call.access.index_lag)
        found = [each for each in known if wanted(_row(each))]
        found.sort(key=lambda each: each.at, reverse="submitTimeUtc:desc" in call.text("sort"))
        page = found[offset : offset + limit]
        answer: dict[str, Any] = {
            "searchId": secrets.token_hex(16),
            "save": False,
            "query": call.text("query"),
            "totalCount": len(found),
            "count": len(page),
            "offset": offset,
            "limit": limit,
            "submitTimeUtc": time(call.now),
        }
        if page:
            answer["_embedded"] = {"transactionSummaries": [_summary(each) for each in page]}
        return 201, answer

    def _known(self, merchant_id: str, until: datetime) -> list[Transaction]:
        return [each for each in self._book if each.merchant_id == merchant_id and each.at <= until]

    def _amounts(self, found: Transaction) -> dict[str, str]:
        amounts = {"totalAmount": money(found.asked, found.currency), "currency": found.currency}
        if found.kind in HOLDS and found.amount:
            amounts["authorizedAmount"] = money(found.amount, found.currency)
        if captured := self._book.captured(found) if found.kind in HOLDS else found.kind == "capture" and found.amount:
            amounts["settlementAmount"] = money(captured, found.currency)
        return amounts


def _row(each: Transaction) -> dict[str, object]:
    """Return a transaction by the fields of :data:`~cybersource.simulator.rest.query.FIELDS`."""
    return {
        "clientReferenceInformation.code": each.reference,
        "id": each.id,
        "submitTimeUtc": each.at,
        "merchantId": each.merchant_id,
        "reconciliationId": each.id,
        "orderInformation.amountDetails.totalAmount": money(each.asked, each.currency),
    }


def _summary(each: Transaction) -> dict[str, Any]:
    return {
        "id": each.id,
        "submitTimeUtc": time(each.at),
        "merchantId": each.merchant_id,
        "applicationInformation": {**_outcome(each.reason_code), "applications": _applications(each)},
        "clientReferenceInformation": {"code": each.reference},
        "orderInformation": {
            "amountDetails": {"totalAmount": money(each.asked, each.currency), "currency": each.currency}
        },
        "paymentInformation": {"card": _card(each)},
        "_links": {"transactionDetail": link("GET", f"/tss/v2/transactions/{each.id}")},
    }


def _outcome(reason_code: str) -> dict[str, str]:
    flag = _FLAGS.get(reason_code, "DCARDREFUSED")
    return {"reasonCode": reason_code, "rCode": _RESULTS[flag[0]], "rFlag": flag}


def _applications(each: Transaction) -> list[dict[str, str]]:
    """Return the services of one request. The fraud screen's own code is not the bank's."""
    bank = each.reason_code
    names = [(SERVICES[each.kind], "100" if bank == "480" else bank)]
    if bank == "481":
        names = [] if not each.amount else [(SERVICES[each.kind], "100")]
    if each.kind == "sale":
        names.append(("ics_bill", bank))
    if each.kind in HOLDS and each.payment and each.payment.payment_token:
        names.append(("ics_pay_subscription_create", "100"))
    if bank in {"480", "481"}:
        names.append(("ics_decision", bank))
    return [
        {
            "name": name,
            **({"status": each.status} if each.status else {}),
            **_outcome(code),
            "rMessage": "Request was processed successfully." if _outcome(code)["rCode"] == "1" else "Simulated.",
            "reconciliationId": each.id,
        }
        for name, code in names
    ]


def _card(each: Transaction) -> dict[str, str]:
    number, month = each.card.number, each.card.expiry.partition("-")
    shown = {
        "prefix": number[:6] if number[:6].isdecimal() else "",
        "suffix": number[-4:] if number[-4:].isdecimal() else "",
        "expirationMonth": month[0],
        "expirationYear": month[2],
        "type": each.card.type,
    }
    return {name: value for name, value in shown.items() if value}


def _processor(each: Transaction) -> dict[str, Any]:
    card = each.card
    told: dict[str, Any] = {
        "approvalCode": card.approval_code,
        "responseCode": card.response_code,
        "transactionId": card.network_id,
        "networkTransactionId": card.network_id,
        "avs": {name: value for name, value in (("code", card.avs), ("codeRaw", card.avs_raw)) if value},
        "cardVerification": {"resultCode": card.cvn} if card.cvn else {},
    }
    return {name: value for name, value in told.items() if value}
