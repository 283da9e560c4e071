"""Capture, refund, void and reverse: what staff and code ask of a payment after the shopper has left.

    asked -> checked, under the order's lock -> PaymentOperation (committed) -> sent once -> ended -> recorded

The intent is a row before anything leaves, so an operation can be lost by nobody: whatever the network does, its row
says what was asked, and ``cybersource_reconcile`` finds out how it ended. What an operation may do, and what it does to
Oscar's rows, is the table in :mod:`cybersource.operations.rules`. Callers must not hold a transaction open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.utils.translation import gettext as _

from ..db import clock, locks
from ..gateway import client, credentials
from ..gateway.credentials import RestCredentials
from ..models import OperationState, PaymentOperation, endpoint_now, environment_now
from ..payments import balance as payment_balance
from ..payments.errors import InvalidOperation, Problem
from ..protocol import InvalidRequest
from ..protocol.rest import Call
from ..protocol.rest_reasons import DONE_BEFORE
from . import plans, rules
from .bookkeeping import lines_of
from .kinds import DECISIONS, UNDOING
from .operation_request import OperationRequest
from .requests import PendingOperation, begin, in_json, parts_of
from .results import OperationResult, _conclude, conclude, locked_with_order, tell_decision, was_done

Kind = PaymentOperation.Kind
State = OperationState


# -- what can be asked ----------------------------------------------------------------------------------------------


def capture(
    payment: Any,
    *,
    amount: Decimal | None = None,
    lines: Mapping[int, int] | None = None,
    is_last: bool = True,
    **asked: Any,
) -> PaymentOperation:
    """Capture money that an authorization holds: all that is left of it, an ``amount``, or so many of these ``lines``.

    ``payment`` is the Authorise Transaction; ``lines`` are quantities by the key of the order's line, and with no
    amount they cost what they cost in the order. ``is_last`` false: more of the authorization will be captured later,
    which the account must allow (``CYBERSOURCE_SEVERAL_CAPTURES``). What else every operation takes: ``user``,
    ``reason``, ``reference`` (the shop's own), ``currency`` (to be checked), ``seen`` (``Payment.version`` that the
    decision was made on) and ``key`` (asked again under the same key, the same operation is returned).

    Returns the operation as it ended; read its ``state``. Raises :class:`~cybersource.payments.errors.InvalidOperation`
    when it was not begun, and :class:`~cybersource.gateway.client.OpenTransaction` within a transaction.
    """
    return _asked(Kind.CAPTURE, payment, amount=amount, lines=lines, is_last=is_last, **asked)


def refund(
    payment: Any, *, amount: Decimal | None = None, lines: Mapping[int, int] | None = None, **asked: Any
) -> PaymentOperation:
    """Refund money that was captured. ``payment`` is the Debit Transaction; the rest is as for :func:`capture`.

    CyberSource does not stop the sum of refunds from exceeding what was captured; the shop's books do, here.
    """
    return _asked(Kind.REFUND, payment, amount=amount, lines=lines, **asked)


def void(payment: Any, **asked: Any) -> PaymentOperation:
    """Void a capture, a sale's debit or a refund before it goes to the bank. The hold of a capture stays."""
    return _asked(Kind.VOID, payment, **asked)


def reverse(payment: Any, **asked: Any) -> PaymentOperation:
    """Release what an authorization still holds: all of it, or the rest after captures.

    Few processors release a rest when asked. Where this one refuses, the operation ends as ``lapsing``: the shop takes
    no more of it, and the bank frees it in its own time.
    """
    return _asked(Kind.REVERSE, payment, **asked)


def accept_review(payment: Any, **asked: Any) -> PaymentOperation:
    """Accept a payment under review: it counts towards its order from then on. Capture it as any other.

    ``reason`` goes to CyberSource as the reviewer's comment. Where another reviewer decided a moment before, their
    decision stands and is recorded; the operation then ends as ``declined``.
    """
    return _asked(Kind.ACCEPT_REVIEW, payment, **asked)


def reject_review(payment: Any, **asked: Any) -> PaymentOperation:
    """Reject a payment under review; its order is declined unless other money covers it.

    The hold stays on the card until it is reversed, which ``CYBERSOURCE_AUTO_REVERSE`` does automatically.
    """
    return _asked(Kind.REJECT_REVIEW, payment, **asked)


def _asked(kind: Kind, payment: Any, **asked: Any) -> PaymentOperation:
    return carry_out(OperationRequest(kind=kind, transaction=payment.pk, **asked))


def carry_out(request: OperationRequest) -> PaymentOperation:
    """Do one operation, from the intent to its end."""
    refuse_in_transaction()
    ours = require_rest()
    begun = begin(request)
    return perform(begun.operation, begun.call, ours) if begun.call else begun.operation


def require_rest() -> RestCredentials:
    """Return who we are at the REST API: nothing is begun that no key could send."""
    try:
        return credentials.access()
    except ImproperlyConfigured as problem:
        raise InvalidOperation(Problem(code="not-configured", field="", message=str(problem))) from None


def refuse_in_transaction() -> None:
    """The intent's commit has to be real before the call leaves."""
    if transaction.get_connection(router.db_for_write(PaymentOperation)).in_atomic_block:
        raise client.OpenTransaction("An operation must not be asked within a transaction.")


def take_up(operation_id: int, ours: RestCredentials | None = None) -> PaymentOperation | None:
    """Send a step of a plan whose turn has come, for what is left by now; None when it is not its turn any more."""
    begun = locks.retry_on_conflict(lambda: _take_up(operation_id))
    if begun is None:
        return None
    return perform(begun.operation, begun.call, ours) if begun.call else begun.operation


@transaction.atomic
def _take_up(operation_id: int) -> PendingOperation | None:
    _order, operation = locked_with_order(operation_id)
    turn = plans.next_step(operation.plan)
    if turn is None or turn.pk != operation.pk:
        return None
    if operation.transaction is None or operation.order is None:
        return drop(operation, "not-found", _("The order or the transaction that it was for has been deleted."))
    payment = plans.without_waiting(payment_balance.of_source(operation.transaction.source), operation.plan)
    on = next(one for one in payment.transactions if one.pk == operation.transaction_id)
    kind = Kind(operation.kind)
    if payment.blocked(kind, on):
        return None
    if not amount_left_for(kind, payment, on):
        return drop(operation, plans.NOTHING_LEFT, "")
    amount, lines = (operation.amount, lines_of(operation)) if is_part(operation) else (None, None)
    parts = parts_of(operation.order, payment, on, kind, amount, lines)
    if problems := rules.check(kind, payment, on, **parts.checked):
        return drop(operation, problems[0].code, problems[0].message)
    operation.state = State.SENT
    operation.amount = parts.amount
    operation.lines = in_json(parts.recorded)
    operation.key = operation.key or plans.key_of(operation)
    operation.date_sent = clock.now()
    operation.environment, operation.endpoint = environment_now(), endpoint_now()
    operation.look_ups = 0
    operation.save()
    try:
        return PendingOperation(operation=operation, call=rules.call_for(operation, payment))
    except InvalidRequest as problem:
        return drop(operation, problem.rule, problem.explanation)


def is_part(step: PaymentOperation) -> bool:
    """Whether a step of a plan is for an amount or lines that were named, and not for all that is left by its turn."""
    return bool(step.asked.get("amount") or step.asked.get("lines"))


def amount_left_for(kind: Kind, payment: payment_balance.PaymentBalance, on: Any) -> Decimal:
    """Return what is left for a step that voids, refunds or releases."""
    if kind == Kind.REVERSE:
        return payment.left_to_reverse
    taken = payment.capture(on)
    return taken.left if taken is not None else on.amount


def drop(operation: PaymentOperation, why: str, message: str) -> PendingOperation:
    """End a step that cannot be done any more, or for which nothing is left."""
    ended = _conclude(operation.pk, OperationResult(state=State.DROPPED, reason=why, message=message), None)
    return PendingOperation(operation=ended, call=None)


def send(operation: PaymentOperation) -> PaymentOperation:
    """Send an operation that was written down for later, and that the caller has claimed."""
    payment = payment_balance.of_source(operation.source) if operation.source_id else None
    try:
        call = rules.call_for(operation, payment)
    except InvalidRequest as problem:  # an id that could lead anywhere else
        return conclude(operation.pk, OperationResult(state=State.REFUSED, reason=problem.rule))
    return perform(operation, call)


def perform(operation: PaymentOperation, call: Call, ours: RestCredentials | None = None) -> PaymentOperation:
    """Send the call of an operation that is written down, once, and record how it ended."""
    exchange = client.send(call, order=operation.order, operation=operation, user=operation.user, ours=ours)
    ending = OperationResult.of(exchange.outcome)
    was_before = ending.state == State.REFUSED and ending.reason in DONE_BEFORE and operation.kind in UNDOING
    if was_before and was_done(operation, ours):
        ending = replace(ending, state=State.DONE)
    if operation.kind in DECISIONS and ending.state == State.DONE:
        ending = tell_decision(operation, ending)
    return conclude(operation.pk, ending, entry=exchange.entry)
