"""An operation's request: checked against the locked rows and written down before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..db import clock
from ..models import PaymentOperation
from ..payments import balance as payment_balance
from ..payments import line_quantities, operation_queue, orders
from ..payments.errors import InvalidOperation, Problem
from ..protocol import InvalidRequest
from ..protocol.rest import Call
from . import rules
from .idempotency import begin_once, steps_under
from .operation_request import OperationRequest

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind


# -- the intent ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PendingOperation:
    operation: PaymentOperation
    call: Call | None  #: None when the operation was asked before under the same key


def begin(request: OperationRequest) -> PendingOperation:
    """Check an operation against the locked rows and write it down, in a commit of its own."""
    return begin_once(lambda: _begin(request), request.key)


@transaction.atomic
def _begin(request: OperationRequest) -> PendingOperation:
    order, earlier = locked_for(request)
    if earlier:
        return PendingOperation(operation=earlier[0], call=None)
    payment, on = payment_of(request)
    return write_down(order, payment, on, request)


def locked_for(request: OperationRequest) -> tuple[Any, list[PaymentOperation]]:
    """Lock the order that a request is about, and return it with what was asked under its key before."""
    order = locked_order(request.transaction)
    return order, steps_under(request.key, request.as_json())


def payment_of(request: OperationRequest) -> tuple[payment_balance.PaymentBalance, Any]:
    """Read the payment that a request is about, and its Transaction."""
    source = Source.objects.select_related("source_type").get(transactions=request.transaction)
    payment = payment_balance.of_source(source)
    return payment, next(one for one in payment.transactions if one.pk == request.transaction)


def write_down(
    order: Any,
    payment: payment_balance.PaymentBalance,
    on: Any,
    request: OperationRequest,
    *,
    asked: OperationRequest | None = None,
    **about: Any,
) -> PendingOperation:
    """Check an operation against the locked rows and write its row, or raise why not.

    ``asked`` is what the caller asked for, where the operation is the first step of it.
    """
    kind = Kind(request.kind)
    parts = parts_of(order, payment, on, kind, request.amount, request.lines)
    if kind == Kind.CAPTURE and not request.even_if_cancelled and orders.is_cancelled(order):
        message = _("The order is cancelled. The shopper would pay for what is not sent.")
        raise InvalidOperation(Problem(code="order-cancelled", field="even_if_cancelled", message=message))
    problems = rules.check(kind, payment, on, currency=request.currency, seen=request.seen, **parts.checked)
    if problems:
        raise InvalidOperation(*problems)
    operation = operation_queue.write(
        order,
        kind,
        amount=parts.amount,
        currency=payment.currency,
        user=request.user,
        reason=request.reason,
        reference=request.reference,
        key=request.key,
        source=payment.source,
        transaction=on,
        payment_id=on.reference,
        is_last=request.is_last or parts.amount == rules.limit(kind, payment, on),
        lines=in_json(parts.recorded),
        date_sent=clock.now(),
        asked=(asked or request).as_json(),
        **about,
    )
    try:
        return PendingOperation(operation=operation, call=rules.call_for(operation, payment))
    except InvalidRequest as problem:  # an id that no call can name, or the hundredth capture
        raise InvalidOperation(Problem(code="not-possible", field="transaction", message=problem.explanation)) from None


def locked_order(transaction_id: int | None) -> Any:
    """Lock the order that a Transaction belongs to and return it."""
    order_id = Transaction.objects.values_list("source__order", flat=True).filter(pk=transaction_id).first()
    if order_id is None:
        raise InvalidOperation(
            Problem(code="not-found", field="transaction", message=_("There is no such transaction."))
        )
    return orders.locked(order_id)


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
        if lines and quantities and rules.RULES[kind].lines is not None:
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
