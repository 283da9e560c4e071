"""``/risk/v1/decisions/…`` and the conversion report: cases decided by the shop, and the list of all that were decided.

The queue is the Business Center's own: what is decided at one is decided at the other.

Source: REST API field reference and samples, case management; reporting guides, conversion details.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cybersource.simulator.records import Payment
from cybersource.simulator.rest.wire import Call, Stop, at, invalid_request, link, time

REVIEWER = "dm_api"
LONGEST = timedelta(hours=24)

_FOLLOW_ONS = {"ACCEPT": "CAPTURE", "REJECT": "REVERSE"}


class Decisions:
    """Case management over REST. The gateway's lock is held.

    ``decide(payment, decision, comments, follow_on)`` and ``comment(payment, comments)`` do the work and tell the shop.
    """

    def __init__(
        self,
        *,
        payments: Callable[[], Iterable[Payment]],
        decide: Callable[[Payment, str, str, bool], None],
        comment: Callable[[Payment, str], None],
    ) -> None:
        self._payments = payments
        self._decide = decide
        self._comment = comment
        self.routes = (
            ("POST", r"/risk/v1/decisions/(\w+)/actions", self.act),
            ("POST", r"/risk/v1/decisions/(\w+)/comments", self.comment),
            ("GET", r"/reporting/v3/conversion-details", self.conversions),
        )

    def act(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        payment = self._reviewed(call, id)
        decision = call.text("decisionInformation.decision")
        if decision not in _FOLLOW_ONS:
            raise call.refusal(
                "INVALID_DATA" if decision else "MISSING_FIELD", "ACCEPT or REJECT.", "decisionInformation.decision"
            )
        actions = at(call.data, "processingInformation.actionList") or []
        if actions not in ([], [_FOLLOW_ONS[decision]]):
            raise call.refusal(
                "INVALID_DATA", "CAPTURE with ACCEPT, REVERSE with REJECT.", "processingInformation.actionList"
            )
        if payment.case and not payment.case.is_open:
            raise call.refusal("INVALID_DATA", "The case has been decided.", "decisionInformation.decision")
        self._decide(payment, decision, call.text("decisionInformation.comments"), bool(actions))
        answer: dict[str, Any] = {"id": id, "submitTimeUtc": time(call.now), "status": f"{decision}ED"}
        if actions:
            answer["_embedded"] = _embedded(payment, decision)
        return 200, answer

    def comment(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        payment = self._reviewed(call, id)
        comments = call.text("comments")
        if not comments:
            raise call.refusal("MISSING_FIELD", "Nothing was said.", "comments")
        self._comment(payment, comments)
        return 200, {"id": id, "submitTimeUtc": time(call.now)}

    def conversions(self, call: Call) -> tuple[int, dict[str, Any]]:
        start, end = (_moment(call, name) for name in ("startTime", "endTime"))
        if not timedelta(0) < end - start <= LONGEST:
            raise call.refusal("INVALID_DATA", "From startTime to endTime are 24 hours at most.", "endTime")
        if call.arguments.get("organizationId", call.merchant_id) != call.merchant_id:
            raise call.refusal("INVALID_DATA", "Another organization.", "organizationId")
        known = call.now - call.access.conversion_lag
        rows = [
            (conversion.at, _row(payment, index))
            for payment in self._payments()
            if payment.case and payment.merchant_id == call.merchant_id
            for index, conversion in enumerate(payment.case.conversions)
            if start <= conversion.at < end and conversion.at <= known
        ]
        if not rows and call.access.empty_report_is_404:
            raise Stop(404, {**invalid_request(call.now, "NOT_FOUND", "No results for this period.").body})
        return 200, {
            "organizationId": call.merchant_id,
            "startTime": time(start),
            "endTime": time(end),
            "conversionDetails": [row for _, row in sorted(rows, key=lambda dated: dated[0])],
        }

    def _reviewed(self, call: Call, id: str) -> Payment:
        for payment in self._payments():
            if payment.case and (payment.transaction_id, payment.merchant_id) == (id, call.merchant_id):
                return payment
        raise Stop(404, invalid_request(call.now, "NOT_FOUND", "There is no such case.").body)


def _embedded(payment: Payment, decision: str) -> dict[str, Any]:
    """Return what became of the capture or reversal. ``FAILED`` is our word: the guides show success only."""
    name, status = ("capture", "PENDING") if decision == "ACCEPT" else ("reversal", "REVERSED")
    followon = payment.case.followon if payment.case else None
    if followon is None or not followon.succeeded:
        return {name: {"status": "FAILED"}}
    return {name: {"status": status, "_links": {"self": link("GET", f"/pts/v2/{name}s/{followon.request_id}")}}}


def _row(payment: Payment, index: int) -> dict[str, Any]:
    assert payment.case
    case, conversion = payment.case, payment.case.conversions[index]
    row = {
        "merchantReferenceNumber": payment.reference_number,
        "requestId": payment.transaction_id,
        "conversionTime": time(conversion.at),
        "originalDecision": conversion.original,
        "newDecision": conversion.new,
        "reviewer": conversion.reviewer,
        "reviewerComments": conversion.comments,
        "queue": case.queue,
        "profile": case.profile,
        "notes": [{"time": time(note.at), "addedBy": note.added_by, "comments": note.comment} for note in case.notes],
    }
    return {name: value for name, value in row.items() if value}


def _moment(call: Call, name: str) -> datetime:
    given = call.arguments.get(name, "")
    try:
        read = datetime.fromisoformat(given)
    except ValueError:
        reason = "INVALID_DATA" if given else "MISSING_FIELD"
        raise call.refusal(reason, "A time as 2026-03-04T10:05:47Z.", name) from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
