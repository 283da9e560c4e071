"""Which events there are, what they are called, and what they say.

Source: webhooks guide, "Supported products and event types"; integrators' handlers for the older names and for case
management. What a payment's or a token's event says beside its id is not established: here it is what the REST answer
said, and a shop looks the transaction up.
"""

from collections.abc import Mapping
from typing import Any

from cybersource.simulator.fields import money
from cybersource.simulator.records import Payment
from cybersource.simulator.rest.transactions import Transaction
from cybersource.simulator.rest.wire import link, time

#: Older names: kind of transaction -> (name, ways to end)
_OLD = {
    "authorization": ("payments.payments", ("accept", "review", "reject", "partial.approval")),
    "capture": ("payments.captures", ("accept", "review", "reject")),
    "refund": ("payments.refunds", ("accept", "reject", "partial.approval")),
    "reversal": ("payments.reversals", ("accept", "reject")),
    "void": ("payments.voids", ("accept", "reject")),
}
_NEW = {
    "authorization": ("payments.authorization.status", ("accepted", "reviewed", "rejected", "partiallyApproved")),
    "capture": ("payments.capture.status", ("accepted", "updated")),
    "refund": ("payments.refund.status", ("accepted", "updated")),
    "reversal": ("payments.reversal.status", ("accepted", "rejected")),
    "void": ("payments.void.status", ("accepted", "rejected")),
}
_RENAMED = {
    "accept": "accepted",
    "review": "reviewed",
    "reject": "rejected",
    "partial.approval": "partiallyApproved",
    "updated": "updated",
}
_CASES = tuple(f"risk.casemanagement.{each}" for each in ("decision.accept", "decision.reject", "addnote"))
_TOKENS = ("tms.token.created", "tms.token.updated")


def products(*, new_names: bool) -> dict[str, tuple[str, ...]]:
    """Return what may be subscribed to: product -> event types."""
    names = _NEW if new_names else _OLD
    payments = tuple(f"{name}.{end}" for name, ends in names.values() for end in ends)
    return {
        "payments" if new_names else "cardProcessing": payments,
        "decisionManager": _CASES,
        "tokenManagement": _TOKENS,
    }


def of_transaction(kind: str, end: str, *, new_names: bool) -> str:
    """Return the event type of a transaction that ended so, in the older words. Empty: it has none."""
    kind = "authorization" if kind == "sale" else kind
    name, ends = (_NEW if new_names else _OLD).get(kind, ("", ()))
    end = _RENAMED[end] if new_names else end
    return f"{name}.{end}" if end in ends else ""


def end_of(made: Transaction) -> str:
    """Return how a transaction ended, in the older words."""
    match made.status:
        case "PARTIAL_AUTHORIZED":
            return "partial.approval"
        case "AUTHORIZED_PENDING_REVIEW":
            return "review"
    return "accept" if made.amount and made.status != "AUTHORIZED_RISK_DECLINED" else "reject"


def of_money(made: Transaction, *, status: str = "") -> dict[str, Any]:
    """Return what is said of a transaction."""
    return {
        "id": made.id,
        "status": status or made.status,
        "submitTimeUtc": time(made.at),
        "reconciliationId": made.id,
        "clientReferenceInformation": {"code": made.reference},
        "orderInformation": {
            "amountDetails": {"totalAmount": money(made.asked, made.currency), "currency": made.currency}
        },
    }


def of_case(payment: Payment) -> dict[str, Any]:
    """Return what is said of a case: its notes, and the capture or reversal that came with the decision."""
    assert payment.case
    case = payment.case
    data: dict[str, Any] = {
        "id": payment.transaction_id,
        "referenceNumber": payment.reference_number,
        "notes": [{"time": time(note.at), "addedBy": note.added_by, "comment": note.comment} for note in case.notes],
    }
    if case.followon and case.followon.succeeded:
        name = "capture" if case.decision == "ACCEPT" else "reversal"
        href = f"/pts/v2/{name}s/{case.followon.request_id}"
        data["_embedded"] = {name: {"_links": {"self": link("GET", href)}}}
    return data


def of_token(token: str) -> Mapping[str, Any]:
    """Return what is said of a token: where it is looked up."""
    return {"id": token, "type": "customer", "_links": {"customers": [{"href": f"/tms/v2/customers/{token}"}]}}
