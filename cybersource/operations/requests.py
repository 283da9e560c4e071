"""An operation's request: checked against the locked rows and written down before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..db import clock, locks
from ..models import PaymentOperation
from ..payments import balance as payment_balance
from ..payments import line_quantities, operation_queue, orders
from ..payments.errors import InvalidOperation, Problem
from ..protocol import InvalidRequest
from ..protocol.rest import Call
from . import plans, rules
from .calls import call_for

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind

#: Refusals of a reversal that is not for the whole amount: most processors release a rest automatically, later.
NOT_IN_PARTS = {
    "INVALID_AMOUNT",
    "TRANSACTION_ALREADY_SETTLED",
    "TRANSACTION_ALREADY_REVERSED_OR_SETTLED",
    "NOT_SUPPORTED",
    "INVALID_DATA",
}


# -- the intent ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PendingOperation:
    operation: PaymentOperation
    call: Call | None  #: None when the operation was asked before under the same key


def begin(kind: Kind, transaction_id: int, *, key: str = "", **asked: Any) -> PendingOperation:
    """Check the operation against the locked rows and write it down, in a commit of its own."""
    try:
        return locks.retry_on_conflict(lambda: _begin(kind, transaction_id, key=key, **asked))
    except IntegrityError:
        if not key:
            raise
    return _begin(kind, transaction_id, key=key, **asked)  # another request with the key was a moment quicker


@transaction.atomic
def _begin(kind: Kind, transaction_id: int, *, key: str = "", **asked: Any) -> PendingOperation:
    order = locked_for(transaction_id)
    wanted = wish(kind, transaction_id, **asked)
    if same := rules.asked_under(key):
        return PendingOperation(operation=asked_before(same, wanted)[0], call=None)
    source = Source.objects.select_related("source_type").get(transactions=transaction_id)
    payment = payment_balance.of_source(source)
    on = next(one for one in payment.transactions if one.pk == transaction_id)
    return write_down(order, payment, on, kind, key=key, wanted=wanted, **asked)


def locked_for(transaction_id: int) -> Any:
    """Lock the order that a Transaction belongs to and return it."""
    order_id = Transaction.objects.values_list("source__order", flat=True).filter(pk=transaction_id).first()
    if order_id is None:
        raise InvalidOperation(
            Problem(code="not-found", field="transaction", message=_("There is no such transaction."))
        )
    return orders.locked(order_id)


def wish(what: str, transaction_id: int, *, user: Any = None, **asked: Any) -> dict[str, Any]:
    """Everything that was asked, who asked it apart; what was left out as what it stands for."""
    asked = {"currency": "", "seen": "", **asked}
    if what == Kind.CAPTURE:
        asked.setdefault("is_last", True)
    else:
        asked.pop("is_last", None)
    return operation_queue.wish(what, transaction=transaction_id, **asked)


def write_down(
    order: Any,
    payment: payment_balance.PaymentBalance,
    on: Any,
    kind: Kind,
    *,
    wanted: Mapping[str, Any],
    amount: Decimal | None = None,
    lines: Mapping[int, int] | None = None,
    is_last: bool = True,
    currency: str = "",
    seen: str = "",
    user: Any = None,
    reason: str = "",
    reference: str = "",
    key: str = "",
    **about: Any,
) -> PendingOperation:
    """Check an operation against the locked rows and write its row, or raise why not."""
    parts = parts_of(order, payment, on, kind, amount, lines)
    problems = rules.check(kind, payment, on, currency=currency, seen=seen, **parts.checked)
    if problems:
        raise InvalidOperation(*problems)
    operation = operation_queue.write(
        order,
        kind,
        amount=parts.amount,
        currency=payment.currency,
        user=user,
        reason=reason,
        reference=reference,
        key=key,
        source=payment.source,
        transaction=on,
        payment_id=on.reference,
        is_last=is_last or parts.amount == rules.limit(kind, payment, on),
        lines=in_json(parts.recorded),
        date_sent=clock.now(),
        asked=wanted,
        **about,
    )
    try:
        return PendingOperation(operation=operation, call=call_for(operation, payment))
    except InvalidRequest as problem:  # an id that no call can name, or the hundredth capture
        raise InvalidOperation(Problem(code="not-possible", field="transaction", message=problem.explanation)) from None


@dataclass(frozen=True, kw_only=True)
class OperationScope:
    """How much an operation is about, and of which lines."""

    amount: Decimal
    lines: Mapping[int, int] | None  #: as asked
    recorded: Mapping[int, int] | None  #: as the row keeps them: what is refunded whole takes its lines along
    order_lines: Mapping[int, Any]
    quantities: line_quantities.LineQuantities | None

    @property
    def checked(self) -> dict[str, Any]:
        """What the rules are asked about."""
        names = ("amount", "lines", "order_lines", "quantities")
        return {name: getattr(self, name) for name in names}


def parts_of(
    order: Any,
    payment: payment_balance.PaymentBalance,
    on: Any,
    kind: Kind,
    amount: Decimal | None,
    lines: Mapping[int, int] | None,
) -> OperationScope:
    """Work out how much is asked: all that is left where no amount is named, or what the lines cost."""
    quantities, order_lines = None, {}
    if lines:
        quantities = line_quantities.quantities(order)
        order_lines = {line.pk: line for line in order.lines.all()}
    if amount is None:
        amount = rules.limit(kind, payment, on)
        if lines and quantities and kind in (Kind.CAPTURE, Kind.REFUND):
            before = quantities.moved(kind)
            amount = cost_of(lines, order_lines, payment.currency, before=before, limit=amount)
    taken = payment.capture(on)
    recorded = lines
    if kind == Kind.REFUND and not lines and taken is not None and amount == taken.left > 0:
        recorded = lines_left(order, on)
    return OperationScope(amount=amount, lines=lines, recorded=recorded, order_lines=order_lines, quantities=quantities)


def lines_left(order: Any, capture: Any) -> dict[int, int]:
    """What a capture took of each line, as far as it was not refunded: it goes back with all that is left of it."""
    taken = line_quantities.lines_taken(order, capture)
    if not taken:
        return {}
    quantities = line_quantities.quantities(order)
    left = {line.pk: quantities.left_to_refund(line) for line in order.lines.all()}
    found = {line: min(quantity, left.get(line, 0)) for line, quantity in taken.items()}
    return {line: quantity for line, quantity in found.items() if quantity > 0}


def in_json(lines: Mapping[int, int] | None) -> dict[str, int]:
    """Quantities by line as a row keeps them."""
    return {str(line): quantity for line, quantity in (lines or {}).items()}


def asked_before(same: PaymentOperation, wanted: Mapping[str, Any]) -> list[PaymentOperation]:
    """The operation that this key stands for, with all steps of its plan, if it came of the same wish."""
    steps = plans.steps_of(same)
    if steps[0].pk != same.pk or not operation_queue.is_same(steps, wanted):
        message = _("This key was used for another operation (%(number)s). Use a new one.")
        words = {"number": same.reference_number}
        raise InvalidOperation(Problem(code="key-reused", field="key", message=message % words))
    return steps


def cost_of(
    lines: Mapping[int, int],
    order_lines: Mapping[int, Any],
    currency: str,
    *,
    before: Mapping[int, int] | None = None,
    limit: Decimal | None = None,
) -> Decimal:
    """What so many of these lines cost in the order, discounts and tax included. Unknown lines cost nothing.

    ``before``: how many of each came earlier. Thirds of 10.01 are 3.34, 3.33 and 3.34, so that all parts of a line come
    to what the line costs. ``limit``: the most that can be asked, which is asked where the lines cost a cent each more:
    the parcel for 3.33 may be the first to come back.
    """
    cent = Decimal(1).scaleb(-rules.decimals(currency))
    total = Decimal(0)
    for key, quantity in lines.items():
        line = order_lines.get(key)
        if line is not None and line.quantity:
            first = (before or {}).get(key, 0)
            upto = [line.line_price_incl_tax * count / line.quantity for count in (first, first + quantity)]
            start, end = (price.quantize(cent, ROUND_HALF_UP) for price in upto)
            total += end - start
    return limit if limit is not None and limit < total <= limit + cent * len(lines) else total
