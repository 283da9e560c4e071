"""What somebody asks of a payment: one value from the form, the API's body or a caller's arguments to the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..models import PaymentOperation
from ..payments import operation_queue

Kind = PaymentOperation.Kind

#: The ``kind`` of a request whose operations the payment's state chooses, and not the caller.
CANCEL_OR_REFUND = "give-back"


@dataclass(frozen=True, kw_only=True)
class OperationRequest:
    """One operation, or the plan of several, that somebody asks for. Whether it may be done the rules say."""

    kind: str  #: of the operation, or :data:`CANCEL_OR_REFUND`
    transaction: int | None  #: id of the Transaction it is about; None while only one comes into question
    amount: Decimal | None = None  #: None: all that is left, or what the lines cost
    lines: Mapping[int, int] | None = None  #: quantities by the id of the order's line
    is_last: bool = True  #: of a capture: no other one will follow
    even_if_cancelled: bool = True  #: of a capture: also where the order is cancelled
    currency: str = ""  #: to be checked against the payment's
    seen: str = ""  #: version of the payment that the decision was made on
    reason: str = ""
    reference: str = ""  #: the shop's own
    user: Any = None
    key: str = ""  #: asked again under the same key, the same operation is meant

    def as_json(self) -> dict[str, Any]:
        """Return what an operation's row keeps of it, as ``asked``: the same key has to ask the same."""
        about = {"is_last": self.is_last} if self.kind == Kind.CAPTURE else {}
        return {
            "what": str(self.kind),
            "transaction": self.transaction,
            "amount": in_digits(self.amount),
            "lines": {str(line): quantity for line, quantity in (self.lines or {}).items()},
            "currency": self.currency,
            "seen": self.seen,
            **operation_queue.in_row(self.reason, self.reference),
            **about,
        }


def in_digits(amount: Decimal | None) -> str | None:
    """An amount in the one way in which all that are equal are written."""
    if amount is None:
        return None
    return f"{amount.normalize():f}" if amount.is_finite() else str(amount)
