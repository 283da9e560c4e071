"""Decision Manager's work on a case, at whichever channel: the queue's page, a test, or REST.

A case has one state. Each change is told to the shop by an order-status notification, which is returned to be sent.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode, urlsplit, urlunsplit

from cybersource.simulator.records import Notification, Payment
from cybersource.simulator.rest.followon import Asked, NotAllowed
from cybersource.simulator.rest.services import RestServices
from cybersource.simulator.review import Case, Conversion, Followon, Note, Update, notification_xml
from cybersource.simulator.settings import Settings
from cybersource.simulator.store import Memory

_ASKED = Asked(by="Decision Manager")
_SETTLEMENT, _REVERSAL = "Credit Card Settlement", "Credit Card Authorization Reversal"


class Reviewing:
    """What a reviewer does. The gateway's lock is held."""

    def __init__(
        self,
        *,
        rest: RestServices,
        memory: Memory,
        settings: Callable[[], Settings],
        clock: Callable[[], datetime],
        announce: Callable[[Payment, str], None],
    ) -> None:
        self._rest = rest
        self._announce = announce  #: of a payment's case: what was decided, or nothing but a note
        self._memory = memory
        self._settings = settings
        self._clock = clock

    def take_ownership(self, payment: Payment, reviewer: str) -> Notification:
        _case(payment).owner = reviewer
        return self.add_note(payment, reviewer, "Took ownership.")

    def add_note(self, payment: Payment, reviewer: str, comment: str) -> Notification:
        case = _case(payment)
        case.notes.append(Note(at=self._clock(), added_by=reviewer, comment=comment))
        self._announce(payment, "")
        return self._notification(payment, case, reviewer, original=case.original_decision)

    def decide(
        self,
        payment: Payment,
        decision: str,
        *,
        reviewer: str,
        comments: str,
        notes: Iterable[str],
        settle: bool,
        reverse: bool,
    ) -> Notification:
        """Decide a case, also one decided before, and do with the money what was chosen with it, if that can be done.

        Source: Decision Manager guides: accepted orders can be rejected afterwards; the reviewer chooses a settlement
        with an ACCEPT, a reversal with a REJECT. That a reversal is told as a FollowonResult is not established.
        """
        if decision not in {"ACCEPT", "REJECT"}:
            raise ValueError("A case is decided ACCEPT or REJECT")
        case, now = _case(payment), self._clock()
        case.notes += [Note(at=now, added_by=reviewer, comment=note) for note in notes]
        case.owner = case.owner or reviewer
        original, case.original_decision = case.original_decision, decision
        case.decision, case.comments, case.decided_at = decision, comments, now
        case.conversions.append(
            Conversion(at=self._rest.now(), original=original, new=decision, reviewer=reviewer, comments=comments)
        )
        case.followon = None
        if (settle and decision == "ACCEPT") or (reverse and decision == "REJECT"):
            case.followon = self._follow(payment, decision)
        self._announce(payment, decision)
        return self._notification(payment, case, reviewer, original=original, told=decision)

    def _follow(self, payment: Payment, decision: str) -> Followon:
        book, desk = self._rest.book, self._rest.desk
        application = _SETTLEMENT if decision == "ACCEPT" else _REVERSAL
        held = book.get(payment.transaction_id or "", payment.merchant_id)
        amount = (book.left(held) or held.amount) if held else Decimal(0)
        try:
            made = (desk.capture if decision == "ACCEPT" else desk.reverse)(held, amount, _ASKED)
        except NotAllowed as problem:
            # How a failure is told is not established; the elements are those of a success.
            payment.remarks.append(f"Decision Manager: {application} failed, {problem.reason}. {problem}")
            return Followon(
                request_id=self._memory.next_request_id(self._clock()),
                application=application,
                status="Failed",
                decision="Reject",
                reason_code="102",
                message=problem.message,
            )
        return Followon(request_id=made.id, application=application)

    def _notification(
        self, payment: Payment, case: Case, reviewer: str, *, original: str, told: str = ""
    ) -> Notification:
        update = Update(
            reference_number=payment.reference_number,
            request_id=payment.transaction_id or "",
            original_decision=original,
            new_decision=told,
            reviewer=reviewer,
            comments=case.comments if told else "",
            notes=tuple(case.notes),
            queue=case.queue,
            profile=case.profile,
            followon=case.followon if told else None,
        )
        profile = next(each for each in self._settings().profiles if each.merchant_id == payment.merchant_id)
        return Notification(
            payment_id=payment.id,
            url=_with_key(profile.notification_url, profile.notification_key),
            xml=notification_xml([update], merchant_id=payment.merchant_id, at=self._clock()),
        )


def _case(payment: Payment) -> Case:
    if payment.case is None:
        raise ValueError("This payment never went to review")
    return payment.case


def _with_key(url: str, key: str) -> str:
    if not (url and key):
        return url
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"key": key})]))
    return urlunsplit(parts._replace(query=query))
