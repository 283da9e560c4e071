"""How many of each order line were captured and refunded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, Sum
from oscar.core.loading import get_model

from ..conf import conf
from ..models import UNDER_WAY, PaymentOperation
from .balance import ENDED_WELL, REFUND_VOID, VOID

PaymentEventQuantity = get_model("order", "PaymentEventQuantity")
Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind


@dataclass(frozen=True, kw_only=True)
class LineQuantities:
    """How many of each line of an order were captured and refunded, by whichever card, and how many are about to be."""

    captured: Counter[int]
    refunded: Counter[int]
    #: Money was captured by amount, of nobody knows which lines.
    by_amount: bool

    def moved(self, kind: str) -> Mapping[int, int]:
        """How many of each line were captured before, or refunded before."""
        return self.captured if kind == Kind.CAPTURE else self.refunded

    def left_to_capture(self, line: Any) -> int:
        return max(line.quantity - self.captured[line.pk], 0)

    def left_to_refund(self, line: Any) -> int:
        # Sales by two cards name every line each.
        captured = line.quantity if self.by_amount else min(self.captured[line.pk], line.quantity)
        return max(captured - self.refunded[line.pk], 0)


def lines_taken(order: Any, capture: Any) -> dict[int, int]:
    """How many of each line a capture was recorded for; empty where it was by amount."""
    rows = PaymentEventQuantity.objects.filter(
        event__order=order, event__reference=capture.reference, event__event_type__name=capture.txn_type
    )
    return dict(rows.order_by().values_list("line").annotate(total=Sum("quantity")))


def quantities(order: Any) -> LineQuantities:
    """Count by the order's payment events, in two statements whatever the number of cards, lines and events."""
    ours = Q(log__isnull=False) | Q(source__source_type__name=conf.source_type)
    references = Transaction.objects.filter(ours, source__order=order).values("reference")
    counted = (
        PaymentEventQuantity.objects.filter(event__order=order, event__reference__in=references)
        .order_by()
        .values_list("event__event_type__name", "line")
        .annotate(total=Sum("quantity"))
    )
    captured: Counter[int] = Counter()
    refunded: Counter[int] = Counter()
    for kind, line, total in counted:
        if kind in (Transaction.DEBIT, VOID):
            captured[line] += total if kind == Transaction.DEBIT else -total
        elif kind in (Transaction.REFUND, REFUND_VOID):
            refunded[line] += total if kind == Transaction.REFUND else -total
    by_amount = False
    for operation in PaymentOperation.objects.filter(order=order, kind__in=(Kind.CAPTURE, Kind.REFUND)):
        if operation.state in UNDER_WAY:
            tally = captured if operation.kind == Kind.CAPTURE else refunded
            tally.update({int(line): quantity for line, quantity in operation.lines.items()})
        elif operation.kind == Kind.CAPTURE and operation.state in ENDED_WELL and not operation.lines:
            by_amount = True
    return LineQuantities(captured=captured, refunded=refunded, by_amount=by_amount)
