"""``/tss/v2/…``: one transaction by its id, and search. What is younger than ``index_lag`` is not known here.

Source: REST API field reference, transaction details; transaction search guide; response-code guide for the flags.
"""

import uuid
from datetime import datetime
from typing import Any

from cybersource.simulator.fields import money
from cybersource.simulator.rest.query import BadQuery, parse
from cybersource.simulator.rest.transactions import HOLDS, SERVICES, Book, Transaction
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

#: What each service answers where it succeeded, and the one refusal that was recorded.
_RETURN_CODES = {
    ("ics_auth", "100"): 1010000,
    ("ics_bill", "100"): 1260000,
    ("ics_pa_setup", "100"): 1865000,
    ("ics_pa_enroll", "475"): 1052000,
}

#: The service of payer authentication that ends a payment so.
_AUTHENTICATION = {"475": "ics_pa_enroll", "476": "ics_pa_validate"}

SEARCHES_KEPT = 200


class Reporting:
    """Look-up and search. The gateway's lock is held."""

    def __init__(self, *, book: Book) -> None:
        self._book = book
        self.routes = (
            ("GET", r"/tss/v2/transactions/(\w+)", self.details),
            ("POST", r"/tss/v2/searches", self.search),
            ("GET", r"/tss/v2/searches/([\w-]+)", self.stored_search),
        )
        self._searches: dict[str, dict[str, Any]] = {}

    def details(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        found = self._book.get(id, call.merchant_id)
        if not found or found.at + call.access.index_lag > call.now:
            raise Stop(404, {"message": "The requested resource is not found"})
        status = self._status(found, call)
        answer: dict[str, Any] = {
            "id": found.id,
            "rootId": found.root,
            "submitTimeUTC": time(found.at),
            "merchantId": found.merchant_id,
            "reconciliationId": _reconciliation_id(found),
            "applicationInformation": {
                "reasonCode": int(found.reason_code),
                "applications": _applications(found, status=status),
            },
            "clientReferenceInformation": {"code": found.reference},
            "orderInformation": {"amountDetails": self._amounts(found)},
            "paymentInformation": {"card": {**_card(found), **_expiry(found)}},
            "_links": {"self": link("GET", f"/tss/v2/transactions/{found.id}")},
        }
        related = [
            each.id for each in self._book.chain(found.root) if each.id == found.parent or each.parent == found.id
        ]
        if related:
            answer["_links"]["relatedTransactions"] = [link("GET", f"/tss/v2/transactions/{id}") for id in related]
        if status:
            answer["applicationInformation"]["status"] = status
        if found.kind in HOLDS and not found.unauthenticated:
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
        search_id = str(uuid.uuid4())
        answer: dict[str, Any] = {
            "_links": {"self": link("GET", f"/tss/v2/searches/{search_id}")},
            "searchId": search_id,
            "save": call.data.get("save") is True,
            "query": call.text("query"),
            "totalCount": len(found),
            "count": len(page),
            "offset": offset,
            "limit": limit,
            "submitTimeUtc": time(call.now),
        }
        if page:
            answer["_embedded"] = {"transactionSummaries": [_summary(each) for each in page]}
        self._searches[search_id] = answer
        while len(self._searches) > SEARCHES_KEPT:
            del self._searches[next(iter(self._searches))]
        return 201, answer

    def stored_search(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        """Tell again what a search found."""
        if id not in self._searches:
            raise Stop(404, {"message": "The requested resource is not found"})
        return 200, self._searches[id]

    def _known(self, merchant_id: str, until: datetime) -> list[Transaction]:
        return [each for each in self._book if each.merchant_id == merchant_id and each.at <= until]

    def _status(self, found: Transaction, call: Call) -> str:
        """Return the word for today's state; an authorization has none until it is undone. Source: a recording."""
        if found.kind in {"authorization", "setup"} and not found.undone:
            return ""
        return self._book.status(found, call.now, call.access.batch_after)

    def _amounts(self, found: Transaction) -> dict[str, str]:
        amounts = _asked(found)
        approved = found.asked if found.reversed_at_once else found.amount
        if found.kind in HOLDS and approved:
            amounts["authorizedAmount"] = money(approved, found.currency)
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
        "reconciliationId": _reconciliation_id(each),
        "orderInformation.amountDetails.totalAmount": money(each.asked, each.currency),
    }


def _summary(each: Transaction) -> dict[str, Any]:
    return {
        "id": each.id,
        "submitTimeUtc": time(each.at),
        "merchantId": each.merchant_id,
        "applicationInformation": {**_outcome(each.reason_code), "applications": _applications(each, summary=True)},
        "clientReferenceInformation": {"code": each.reference},
        "orderInformation": {"amountDetails": _asked(each)},
        "paymentInformation": {"card": _card(each)},
        "_links": {"transactionDetail": link("GET", f"/tss/v2/transactions/{each.id}")},
    }


def _outcome(reason_code: str) -> dict[str, str]:
    flag = _FLAGS.get(reason_code, "DCARDREFUSED")
    return {"reasonCode": reason_code, "rCode": _RESULTS[flag[0]], "rFlag": flag}


def _applications(each: Transaction, *, status: str = "", summary: bool = False) -> list[dict[str, Any]]:
    """Return the services of one request. What was asked for and never ran is named, without a result."""
    told: list[dict[str, Any]] = []
    for name, code in _services(each):
        if not code:
            told.append({"name": name})
            continue
        result = _outcome(code)
        succeeded = result["rCode"] == "1"
        told.append(
            {
                "name": name,
                **({"status": status} if status else {}),
                **result,
                "reconciliationId": _reconciliation_id(each),
                "rMessage": "Request was processed successfully." if succeeded else "Simulated.",
            }
        )
        if number := _RETURN_CODES.get((name, code)):
            told[-1]["returnCode"] = str(number) if summary else number
    return told


def _services(each: Transaction) -> list[tuple[str, str]]:
    """Return each service with its reason code, or "" where it never ran. The fraud screen's code is not the bank's."""
    bank = each.reason_code
    if each.unauthenticated:
        billing = [("ics_bill", "")] if each.sold else []
        return [*billing, ("ics_auth", ""), ("ics_arc", ""), (_AUTHENTICATION[bank], bank)]
    services = [(SERVICES[each.kind], "100" if bank == "480" else bank)]
    if bank == "481":  # screened before the bank is asked, unless it holds money all the same
        services = [(SERVICES[each.kind], "100" if each.amount else "")]
    if each.reversed_at_once:
        services.append(("ics_auth_reversal", "100"))
    if each.sold:
        services.append(("ics_bill", bank if each.kind == "sale" else ""))
    if each.kind in HOLDS and each.payment and each.payment.payment_token:
        services.append(("ics_pay_subscription_create", "100"))
    if bank in {"480", "481"}:
        services.append(("ics_decision", bank))
    return services


def _reconciliation_id(each: Transaction) -> str:
    """Return the id in the processor's report, which a capture has from its authorization."""
    return each.root if each.kind == "capture" else each.id


def _asked(each: Transaction) -> dict[str, str]:
    """Return what was asked for; nothing where the bank was not asked."""
    if each.kind == "setup" or each.unauthenticated:
        return {}
    return {"totalAmount": money(each.asked, each.currency), "currency": each.currency}


def _card(each: Transaction) -> dict[str, str]:
    number = each.card.number
    shown = {
        "suffix": number[-4:] if number[-4:].isdecimal() else "",
        "prefix": number[:6] if number[:6].isdecimal() else "",
        "type": each.card.type,
    }
    return {name: value for name, value in shown.items() if value}


def _expiry(each: Transaction) -> dict[str, str]:
    """Return when the card expires, which a look-up tells and a row of a search does not."""
    month, _, year = each.card.expiry.partition("-")
    return {"expirationMonth": month, "expirationYear": year} if year else {}


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
