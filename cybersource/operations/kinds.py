"""Sets of operations' kinds, and of the REST API's words about them, that belong together."""

from __future__ import annotations

from ..models import PaymentOperation
from ..protocol import ReviewDecision

Kind = PaymentOperation.Kind

#: What undoes something, and shows on it.
UNDOING = (Kind.VOID, Kind.REVERSE)

#: What takes money from an order, or gives it back to it.
MOVES_BACK = (Kind.REFUND, Kind.VOID, Kind.REVERSE)

#: What a look-up says of a transaction that was undone. A sale's void gives its hold back too.
UNDONE = {"REVERSED", "VOIDED"}


#: What a reviewer decides by an operation, and how CyberSource calls the decision that stands.
DECISIONS = {Kind.ACCEPT_REVIEW: ReviewDecision.ACCEPT, Kind.REJECT_REVIEW: ReviewDecision.REJECT}
STANDING_DECISIONS = {"ACCEPTED": ReviewDecision.ACCEPT, "REJECTED": ReviewDecision.REJECT}
