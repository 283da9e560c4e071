"""How an operation ended, in plain words: what it means for the shopper's money, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import CyberSourceReply, OperationState, PaymentOperation
from ..payments import reason_codes

Kind = PaymentOperation.Kind
State = OperationState

#: What a done operation did.
DONE = {
    Kind.AUTHORIZE: gettext_lazy("The amount is held on the shopper's card."),
    Kind.CAPTURE: gettext_lazy("The amount is captured from the shopper's card. CyberSource passes it on to the bank."),
    Kind.REFUND: gettext_lazy(
        "The refund waits for the next batch to the bank. The shopper sees it some days later; if the bank refuses it, "
        "that shows later still."
    ),
    Kind.VOID: gettext_lazy("It was stopped before it reached the bank."),
    Kind.REVERSE: gettext_lazy("The hold is released. The shopper's bank may show it for some days."),
    Kind.ACCEPT_REVIEW: gettext_lazy("The payment is accepted and counts towards the order."),
    Kind.REJECT_REVIEW: gettext_lazy("The payment is rejected and counts no more."),
}


@dataclass(frozen=True, kw_only=True)
class OperationText:
    tone: str
    title: Any
    what: Any
    advice: Any = ""


ENDINGS = {
    State.QUEUED: OperationText(
        tone="info",
        title=gettext_lazy("Not sent yet"),
        what=gettext_lazy("It is written down, and leaves with the next run of cybersource_reconcile."),
        advice=gettext_lazy("Wait. What it is about is set aside meanwhile."),
    ),
    State.SENT: OperationText(
        tone="info",
        title=gettext_lazy("Under way"),
        what=gettext_lazy("The request was sent to CyberSource, which has not answered yet."),
        advice=gettext_lazy("Look again in a minute. Do not request it a second time."),
    ),
    State.UNKNOWN: OperationText(
        tone="danger",
        title=gettext_lazy("Outcome not known yet"),
        what=gettext_lazy("No clear answer came. It is being looked up at CyberSource."),
        advice=gettext_lazy(
            "Do not try it again, here or in the Business Center. What it is about is set aside until its outcome is "
            "known; if it cannot be found out, it is listed under what needs attention."
        ),
    ),
    State.LAPSING: OperationText(
        tone="warning",
        title=gettext_lazy("The hold is left to lapse at the bank"),
        what=gettext_lazy(
            "The processor does not release a part of a hold. The shop captures no more of it, and the bank "
            "releases it automatically, usually within some days."
        ),
        advice=gettext_lazy("Nothing to do. If the shopper asks: nothing more is charged."),
    ),
    State.DECLINED: OperationText(
        tone="danger",
        title=gettext_lazy("Declined"),
        what=gettext_lazy("CyberSource passed it on, and it was declined. No money was moved."),
    ),
    State.REFUSED: OperationText(
        tone="danger",
        title=gettext_lazy("Refused: nothing was done"),
        what=gettext_lazy("CyberSource did not do it. No money was moved."),
    ),
    State.NOT_SENT: OperationText(
        tone="warning",
        title=gettext_lazy("Not sent: nothing was done"),
        what=gettext_lazy("CyberSource was not reached, or knows nothing of it. No money was moved."),
        advice=gettext_lazy("Try it again. If it happens again, tell the shop's developers."),
    ),
    State.UNDONE: OperationText(
        tone="secondary",
        title=gettext_lazy("Undone"),
        what=gettext_lazy(
            "Its outcome could not be determined, so CyberSource was asked to undo it. No money was moved."
        ),
        advice=gettext_lazy("It may be requested again."),
    ),
    State.DROPPED: OperationText(
        tone="secondary",
        title=gettext_lazy("Dropped"),
        what=gettext_lazy(
            "It depended on an earlier step, and was no longer possible. Nothing was sent to CyberSource."
        ),
        advice=gettext_lazy("Look at the payment, and request what is left of it."),
    ),
}


#: Of a decision about a review, "declined" says that another one stands.
DECIDED_OTHERWISE = OperationText(
    tone="warning",
    title=gettext_lazy("Another reviewer was quicker"),
    what=gettext_lazy("The payment had been decided a moment before. That decision counts, and is recorded here."),
    advice=gettext_lazy("Look at the order: it went the way of that decision."),
)


def of(operation: PaymentOperation) -> OperationText:
    """How an operation ended, or where it is."""
    state = State(operation.state)
    if state == State.DECLINED and operation.kind in (Kind.ACCEPT_REVIEW, Kind.REJECT_REVIEW):
        return DECIDED_OTHERWISE
    if state == State.DONE:
        return OperationText(tone="success", title=_("Done"), what=DONE[Kind(operation.kind)])
    ending, why = ENDINGS[state], why_not(operation)
    if why is None:
        return ending
    what = _("%(what)s %(why)s") % {"what": ending.what, "why": why.means}
    return OperationText(tone=ending.tone, title=ending.title, what=what, advice=why.advice)


def if_recorded(operation: PaymentOperation, took_effect: bool) -> list[str]:
    """What follows once staff record how an operation in doubt ended."""
    if not took_effect:
        return [
            _("It did not take effect: no money was moved by it."),
            _("What it was about is free again. It may be requested again, here: it is then sent."),
        ]
    return [
        _("It took effect. %(what)s") % {"what": DONE[Kind(operation.kind)]},
        _("The shop's books and the order are updated. Nothing is sent to CyberSource."),
    ]


def why_not(operation: PaymentOperation) -> reason_codes.ReasonText | None:
    """Why CyberSource did not do it, where it said so."""
    if operation.state == State.DROPPED and operation.message:
        return reason_codes.ReasonText(operation.message, ENDINGS[State.DROPPED].advice)
    waits = operation.state == State.QUEUED and operation.rest_reason in reason_codes.NOT_LOOKED_AT
    answered = waits or (operation.state in (State.DECLINED, State.REFUSED, State.DROPPED) and operation.rest_reason)
    return reason_codes.of_rest(operation.rest_reason) if answered else None


TONES = {
    CyberSourceReply.RestOutcome.PROCESSED: "success",
    CyberSourceReply.RestOutcome.REFUSED: "danger",
    CyberSourceReply.RestOutcome.UNKNOWN: "danger",
    CyberSourceReply.RestOutcome.NOT_SENT: "warning",
}


@dataclass(frozen=True, kw_only=True)
class CallWords:
    """One REST call of the log, in words."""

    what: str
    outcome: str
    tone: str
    why: Any


def of_call(entry: CyberSourceReply) -> CallWords:
    """A call without an outcome is under way, or its process died."""
    return CallWords(
        what=reason_codes.of_call(entry.transaction_type),
        outcome=entry.get_outcome_display() if entry.outcome else _("No outcome is recorded"),
        tone=TONES.get(CyberSourceReply.RestOutcome(entry.outcome), "info") if entry.outcome else "info",
        why=reason_codes.of_rest(entry.rest_reason).means,
    )
