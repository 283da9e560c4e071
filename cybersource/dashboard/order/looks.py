"""How states and amounts look on the order's page."""

from __future__ import annotations

from decimal import Decimal

from ...models import AttemptState, OperationState
from ...payments.balance import TransactionStatus
from ...protocol import AmountNotRepresentable, Decision, format_amount

#: How a state looks: Bootstrap's words for colours, beside words that say the same.
TONES = {
    AttemptState.OPEN: "info",
    AttemptState.UNKNOWN: "danger",
    AttemptState.TOKENIZED: "success",
    AttemptState.REVIEW: "warning",
    AttemptState.AUTHORIZED: "success",
    AttemptState.PARTIAL: "danger",
    AttemptState.DECLINED: "secondary",
    AttemptState.FAILED: "secondary",
    AttemptState.REPLACED: "secondary",
    AttemptState.EXPIRED: "secondary",
    AttemptState.REVERSED: "secondary",
    Decision.ACCEPT: "success",
    Decision.REVIEW: "warning",
    "REJECT": "danger",
    OperationState.QUEUED: "info",
    OperationState.SENT: "info",
    OperationState.DONE: "success",
    OperationState.LAPSING: "warning",
    OperationState.REFUSED: "danger",
    OperationState.NOT_SENT: "warning",
    OperationState.UNDONE: "secondary",
    OperationState.DROPPED: "secondary",
}

#: The same for how a Transaction of a payment stands.
STANDING_TONES = {
    TransactionStatus.HELD: "info",
    TransactionStatus.UNDER_REVIEW: "warning",
    TransactionStatus.REJECTED: "danger",
    TransactionStatus.PART_CAPTURED: "info",
    TransactionStatus.FULLY_CAPTURED: "success",
    TransactionStatus.CAPTURED: "success",
    TransactionStatus.PART_REFUNDED: "info",
    TransactionStatus.FAILED: "danger",
}


def amount_of(amount: Decimal, currency: str) -> str:
    """``69.50 USD``: some columns keep three places, for the currencies that have them."""
    try:
        return f"{format_amount(amount, currency)} {currency}"
    except AmountNotRepresentable:
        return f"{amount} {currency}"
