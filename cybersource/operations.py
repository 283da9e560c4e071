"""Capture, refund, void and reverse: what staff and code ask of a payment after the shopper has left.

    asked -> checked, under the order's lock -> PaymentOperation (committed) -> sent once -> ended -> recorded

The intent is a row before anything leaves, so an operation can be lost by nobody: whatever the network does, its row
says what was asked, and ``cybersource_reconcile`` finds out how it ended. What an operation may do, and what it does to
Oscar's rows, is the table in :mod:`cybersource.rules`. Callers must not hold a transaction open.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, router, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from . import attention as needs
from . import (
    card_numbers,
    clock,
    gateway,
    intents,
    ledger,
    orders,
    patience,
    plans,
    reasons,
    reviews,
    rules,
    signals,
    standing,
)
from .announcements import announce
from .conf import conf
from .expiry import decline_unless_charged, is_forgotten
from .models import (
    UNDER_WAY,
    AttemptState,
    Attention,
    AttentionItem,
    CyberSourceReply,
    OperationState,
    PaymentAttempt,
    PaymentOperation,
    clipped,
    endpoint_now,
    environment_now,
)
from .protocol import (
    InvalidRequest,
    Notification,
    ReviewDecision,
    ReviewUpdate,
    format_amount,
)
from .protocol.rest import Call, NotSent, Outcome, Processed, Refused, Resource, calls
from .rules import InvalidOperation, Problem

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

Kind = PaymentOperation.Kind
State = OperationState

#: Refusals of a void or a reversal that say "that was done before": looked up, and then taken for done. Of a capture or
#: a refund they say that it cannot be done any more. Source: REST API field reference; one integrator treats them so.
DONE_BEFORE = {"AUTH_ALREADY_REVERSED", "CAPTURE_ALREADY_VOIDED", "TRANSACTION_ALREADY_REVERSED_OR_SETTLED"}

#: Refusals of a reversal that say that no hold is left.
NOTHING_HELD = {*DONE_BEFORE, "MISSING_AUTH"}

#: What undoes something, and shows on it.
UNDOING = (Kind.VOID, Kind.REVERSE)

#: What takes money from an order, or gives it back to it.
MOVES_BACK = (Kind.REFUND, Kind.VOID, Kind.REVERSE)

#: What a look-up says of a transaction that was undone. A sale's void gives its hold back too.
UNDONE = {"REVERSED", "VOIDED"}

#: Refusals of a reversal that is not for the whole amount: most processors release a rest by themselves, later.
NOT_IN_PARTS = {
    "INVALID_AMOUNT",
    "TRANSACTION_ALREADY_SETTLED",
    "TRANSACTION_ALREADY_REVERSED_OR_SETTLED",
    "NOT_SUPPORTED",
    "INVALID_DATA",
}


#: What a reviewer decides by an operation, and how CyberSource calls the decision that stands.
DECISIONS = {Kind.ACCEPT_REVIEW: ReviewDecision.ACCEPT, Kind.REJECT_REVIEW: ReviewDecision.REJECT}
STANDING_DECISIONS = {"ACCEPTED": ReviewDecision.ACCEPT, "REJECTED": ReviewDecision.REJECT}


# -- what can be asked ----------------------------------------------------------------------------------------------


def capture(
    payment: Any,
    *,
    amount: Decimal | None = None,
    lines: Mapping[int, int] | None = None,
    is_last: bool = True,
    **asked: Any,
) -> PaymentOperation:
    """Take money that an authorization holds: all that is left of it, an ``amount``, or so many of these ``lines``.

    ``payment`` is the Authorise Transaction; ``lines`` are quantities by the key of the order's line, and with no
    amount they cost what they cost in the order. ``is_last`` false: more of the authorization will be captured later,
    which the account must allow (``CYBERSOURCE_SEVERAL_CAPTURES``). What else every operation takes: ``user``,
    ``reason``, ``reference`` (the shop's own), ``currency`` (to be checked), ``seen`` (``Payment.version`` that the
    decision was made on) and ``key`` (asked again under the same key, the same operation is returned).

    Returns the operation as it ended; read its ``state``. Raises :class:`~cybersource.rules.InvalidOperation` when it
    was not begun, and :class:`~cybersource.gateway.OpenTransaction` within a transaction.
    """
    return ask(Kind.CAPTURE, payment, amount=amount, lines=lines, is_last=is_last, **asked)


def refund(
    payment: Any, *, amount: Decimal | None = None, lines: Mapping[int, int] | None = None, **asked: Any
) -> PaymentOperation:
    """Give money back that was captured. ``payment`` is the Debit Transaction; the rest is as for :func:`capture`.

    CyberSource does not stop the sum of refunds from exceeding what was captured; the shop's books do, here.
    """
    return ask(Kind.REFUND, payment, amount=amount, lines=lines, **asked)


def void(payment: Any, **asked: Any) -> PaymentOperation:
    """Take back a capture, a sale's debit or a refund before it goes to the bank. The hold of a capture stays."""
    return ask(Kind.VOID, payment, **asked)


def reverse(payment: Any, **asked: Any) -> PaymentOperation:
    """Give back what an authorization still holds: all of it, or the rest after captures.

    Few processors release a rest when asked. Where this one refuses, the operation ends as ``lapsing``: the shop takes
    no more of it, and the bank frees it in its own time.
    """
    return ask(Kind.REVERSE, payment, **asked)


def accept_review(payment: Any, **asked: Any) -> PaymentOperation:
    """Decide for a payment under review: it counts towards its order from then on. Capture it as any other.

    ``reason`` goes to CyberSource as the reviewer's comment. Where another reviewer decided a moment before, his
    decision stands and is recorded; the operation then ends as ``declined``.
    """
    return ask(Kind.ACCEPT_REVIEW, payment, **asked)


def reject_review(payment: Any, **asked: Any) -> PaymentOperation:
    """Decide against a payment under review; its order is declined unless other money covers it.

    The hold stays on the card until it is reversed, which ``CYBERSOURCE_AUTO_REVERSE`` does by itself.
    """
    return ask(Kind.REJECT_REVIEW, payment, **asked)


def ask(kind: Kind, payment: Any, **asked: Any) -> PaymentOperation:
    """Do one operation, from the intent to its end."""
    refuse_in_transaction()
    require_rest()
    begun = begin(kind, payment.pk, **asked)
    return perform(begun.operation, begun.call) if begun.call else begun.operation


def require_rest() -> None:
    """Nothing is begun that no key could send."""
    try:
        gateway.access()
    except ImproperlyConfigured as problem:
        raise InvalidOperation(Problem(code="not-configured", field="", message=str(problem))) from None


def refuse_in_transaction() -> None:
    """The intent's commit has to be real before the call leaves."""
    if transaction.get_connection(router.db_for_write(PaymentOperation)).in_atomic_block:
        raise gateway.OpenTransaction("An operation must not be asked within a transaction.")


# -- the intent ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Begun:
    operation: PaymentOperation
    call: Call | None  #: None when the operation was asked before under the same key


def begin(kind: Kind, transaction_id: int, *, key: str = "", **asked: Any) -> Begun:
    """Check the operation against the locked rows and write it down, in a commit of its own."""
    try:
        return patience.persistently(lambda: _begin(kind, transaction_id, key=key, **asked))
    except IntegrityError:
        if not key:
            raise
    return _begin(kind, transaction_id, key=key, **asked)  # another request with the key was a moment quicker


@transaction.atomic
def _begin(kind: Kind, transaction_id: int, *, key: str = "", **asked: Any) -> Begun:
    order = locked_for(transaction_id)
    wanted = wish(kind, transaction_id, **asked)
    if same := rules.asked_under(key):
        return Begun(operation=asked_before(same, wanted)[0], call=None)
    source = Source.objects.select_related("source_type").get(transactions=transaction_id)
    payment = standing.of_source(source)
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
    return intents.wish(what, transaction=transaction_id, **asked)


def write_down(
    order: Any,
    payment: standing.Payment,
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
) -> Begun:
    """Check an operation against the locked rows and write its row, or raise why not."""
    parts = parts_of(order, payment, on, kind, amount, lines)
    problems = rules.check(kind, payment, on, currency=currency, seen=seen, **parts.checked)
    if problems:
        raise InvalidOperation(*problems)
    operation = intents.write(
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
        return Begun(operation=operation, call=call_for(operation, payment))
    except InvalidRequest as problem:  # an id that no call can name, or the hundredth capture
        raise InvalidOperation(Problem(code="not-possible", field="transaction", message=problem.explanation)) from None


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How much an operation is about, and of which lines."""

    amount: Decimal
    lines: Mapping[int, int] | None  #: as asked
    recorded: Mapping[int, int] | None  #: as the row keeps them: what is refunded whole takes its lines along
    order_lines: Mapping[int, Any]
    quantities: standing.Quantities | None

    @property
    def checked(self) -> dict[str, Any]:
        """What the rules are asked about."""
        names = ("amount", "lines", "order_lines", "quantities")
        return {name: getattr(self, name) for name in names}


def parts_of(
    order: Any,
    payment: standing.Payment,
    on: Any,
    kind: Kind,
    amount: Decimal | None,
    lines: Mapping[int, int] | None,
) -> Parts:
    """Work out how much is asked: all that is left where no amount is named, or what the lines cost."""
    quantities, order_lines = None, {}
    if lines:
        quantities = standing.quantities(order)
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
    return Parts(amount=amount, lines=lines, recorded=recorded, order_lines=order_lines, quantities=quantities)


def lines_left(order: Any, capture: Any) -> dict[int, int]:
    """What a capture took of each line, as far as it was not refunded: it goes back with all that is left of it."""
    taken = standing.lines_taken(order, capture)
    if not taken:
        return {}
    quantities = standing.quantities(order)
    left = {line.pk: quantities.left_to_refund(line) for line in order.lines.all()}
    found = {line: min(quantity, left.get(line, 0)) for line, quantity in taken.items()}
    return {line: quantity for line, quantity in found.items() if quantity > 0}


def in_json(lines: Mapping[int, int] | None) -> dict[str, int]:
    """Quantities by line as a row keeps them."""
    return {str(line): quantity for line, quantity in (lines or {}).items()}


def asked_before(same: PaymentOperation, wanted: Mapping[str, Any]) -> list[PaymentOperation]:
    """The operation that this key stands for, with all steps of its plan, if it came of the same wish."""
    steps = plans.steps_of(same)
    if steps[0].pk != same.pk or not intents.is_same(steps, wanted):
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


def call_for(operation: PaymentOperation, payment: standing.Payment | None) -> Call:
    """The request, made of what the row says. A hold that was never recorded is reversed without a ``payment``."""
    ids = {"reference_number": operation.reference_number, "idempotency_id": operation.idempotency_id}
    money = {"amount": operation.amount, "currency": operation.currency}
    at = operation.payment_id
    match operation.kind:
        case Kind.CAPTURE:
            return calls.capture(at, sequence=sequence(operation, payment), **money, **ids)
        case Kind.REFUND:
            return calls.refund(at, of=resource(operation, payment), **money, **ids)
        case Kind.VOID:
            return calls.void(at, of=resource(operation, payment), **ids)
        case Kind.REVERSE:
            return calls.reverse(at, reason=operation.reason or "not needed", **money, **ids)
        case Kind.ACCEPT_REVIEW | Kind.REJECT_REVIEW:
            return calls.decide_review(at, DECISIONS[Kind(operation.kind)], comments=operation.reason)
    raise ValueError(operation.kind)


def sequence(operation: PaymentOperation, payment: standing.Payment | None) -> tuple[int, int] | None:
    """``(number, of how many)`` of one of several captures; a total that nobody knows yet is one more than this.

    Captures that were voided, or taken back since their answer was lost, had their numbers. Whether CyberSource counts
    them is not documented.
    """
    assert payment is not None
    number = 1 + len(payment.captures)
    number += sum(one.kind == Kind.CAPTURE and one.state in (*UNDER_WAY, State.UNDONE) for one in payment.operations)
    if number == 1 and operation.is_last:
        return None
    return number, number if operation.is_last else number + 1


def resource(operation: PaymentOperation, payment: standing.Payment | None) -> Resource:
    """What the id names at CyberSource: a sale is captured under the payment's own id."""
    assert payment is not None
    if operation.transaction.txn_type == Transaction.REFUND:
        return Resource.REFUND
    return Resource.PAYMENT if operation.payment_id == payment.source.reference else Resource.CAPTURE


# -- the call, and how it ended --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an operation ended, or that nobody knows yet, whoever found it out."""

    state: State
    request_id: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    is_found_out: bool = False  #: by a look, when nobody waited for it any more

    @classmethod
    def of(cls, outcome: Outcome) -> Ending:
        if isinstance(outcome, NotSent):
            return cls(state=State.NOT_SENT, reason=outcome.cause)
        answer = outcome.answer
        told = {
            "request_id": answer.id,
            "status": answer.status,
            "reason": answer.reason,
            "message": answer.message,
        }
        if isinstance(outcome, Processed):
            return cls(state=State.DONE if outcome.succeeded else State.DECLINED, **told)
        if isinstance(outcome, Refused):
            # A repeat that is refused says that the first one arrived, and not how it ended.
            if outcome.is_duplicate:
                return cls(state=State.UNKNOWN, **told)
            if outcome.http_status == 429:
                told["reason"] = reasons.ASKED_TOO_OFTEN
            if outcome.is_not_authenticated:
                told["reason"] = reasons.NOT_BELIEVED
            return cls(state=State.REFUSED, **told)
        return cls(state=State.UNKNOWN, **told)


def take_up(operation_id: int) -> PaymentOperation | None:
    """Send a step of a plan whose turn has come, for what is left by now; None when it is not its turn any more."""
    begun = patience.persistently(lambda: _take_up(operation_id))
    if begun is None:
        return None
    return perform(begun.operation, begun.call) if begun.call else begun.operation


@transaction.atomic
def _take_up(operation_id: int) -> Begun | None:
    _order, operation = locked_with_order(operation_id)
    turn = plans.next_step(operation.plan)
    if turn is None or turn.pk != operation.pk:
        return None
    if operation.transaction is None or operation.order is None:
        return drop(operation, "not-found", _("The order or the transaction that it was for has been deleted."))
    payment = plans.without_waiting(standing.of_source(operation.transaction.source), operation.plan)
    on = next(one for one in payment.transactions if one.pk == operation.transaction_id)
    kind = Kind(operation.kind)
    if payment.blocked(kind, on):
        return None
    if not left_for(kind, payment, on):
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
        return Begun(operation=operation, call=call_for(operation, payment))
    except InvalidRequest as problem:
        return drop(operation, problem.rule, problem.explanation)


def is_part(step: PaymentOperation) -> bool:
    """Whether a step of a plan is for what somebody named, and not for all that is left when its turn comes."""
    return bool(step.asked.get("amount") or step.asked.get("lines"))


def lines_of(operation: PaymentOperation) -> dict[int, int]:
    return {int(line): quantity for line, quantity in operation.lines.items()}


def left_for(kind: Kind, payment: standing.Payment, on: Any) -> Decimal:
    """What a step that gives back would find."""
    if kind == Kind.REVERSE:
        return payment.left_to_reverse
    taken = payment.capture(on)
    return taken.left if taken is not None else on.amount


def drop(operation: PaymentOperation, why: str, message: str) -> Begun:
    """End a step that cannot be done any more, or for which nothing is left."""
    ended = _conclude(operation.pk, Ending(state=State.DROPPED, reason=why, message=message), None)
    return Begun(operation=ended, call=None)


def send(operation: PaymentOperation) -> PaymentOperation:
    """Send an operation that was written down for later, and that the caller has claimed."""
    payment = standing.of_source(operation.source) if operation.source_id else None
    try:
        call = call_for(operation, payment)
    except InvalidRequest as problem:  # an id that could lead anywhere else
        return conclude(operation.pk, Ending(state=State.REFUSED, reason=problem.rule))
    return perform(operation, call)


def perform(operation: PaymentOperation, call: Call) -> PaymentOperation:
    """Send the call of an operation that is written down, once, and record how it ended."""
    exchange = gateway.send(call, order=operation.order, operation=operation, user=operation.user)
    ending = Ending.of(exchange.outcome)
    was_before = ending.state == State.REFUSED and ending.reason in DONE_BEFORE and operation.kind in UNDOING
    if was_before and was_done(operation):
        ending = replace(ending, state=State.DONE)
    if operation.kind in DECISIONS and ending.state == State.DONE:
        ending = tell_decision(operation, ending)
    return conclude(operation.pk, ending, entry=exchange.entry)


def tell_decision(operation: PaymentOperation, ending: Ending) -> Ending:
    """Let the decision that stands at CyberSource have its effect, by the way of everything told about reviews."""
    stands = STANDING_DECISIONS.get(ending.status)
    if stands is None:
        return replace(ending, state=State.UNKNOWN)
    asked = DECISIONS[Kind(operation.kind)]
    update = ReviewUpdate(
        reference_number=operation.order_number,
        request_id=operation.payment_id,
        original_decision="REVIEW",
        new_decision=stands,
        decision_text=stands.value,
        reviewer=operation.user_name if stands == asked else "",
        comments=operation.reason if stands == asked else "",
        notes=(),
        queue="",
        profile="",
        followon=None,
    )
    told = Notification(merchant_id=conf.merchant_id, name="", sent_at=clock.now(), updates=(update,))
    reviews.take(json.dumps(update.as_json()).encode(), told)
    return replace(ending, state=State.DONE if stands == asked else State.DECLINED)


def was_done(operation: PaymentOperation) -> bool:
    """Whether CyberSource's books say that what was refused as a repetition has been done."""
    looked = gateway.send(calls.look_up(operation.payment_id), order=operation.order, operation=operation)
    return isinstance(looked.outcome, Processed) and looked.outcome.answer.status in UNDONE


def conclude(operation_id: int, ending: Ending, *, entry: CyberSourceReply | None = None) -> PaymentOperation:
    """Record how an operation ended, once: what ended before stays as it is. Locks the order, then the operation."""
    return patience.persistently(lambda: _conclude(operation_id, ending, entry))


@transaction.atomic
def _conclude(operation_id: int, ending: Ending, entry: CyberSourceReply | None) -> PaymentOperation:
    order, operation = locked_with_order(operation_id)
    if operation.state not in UNDER_WAY:
        return operation
    left_before = left_of(operation)
    state = ending.state
    if state == State.REFUSED and is_rest(operation) and ending.reason in NOT_IN_PARTS:
        state = State.LAPSING
    if asks_again(operation, ending):
        state = State.QUEUED
    known_as_unknown = operation.state == state == State.UNKNOWN or state == State.QUEUED
    operation.state = state
    told = clipped(
        PaymentOperation,
        request_id=ending.request_id or operation.request_id,
        rest_status=ending.status,
        rest_reason=ending.reason,
        message=card_numbers.mask("message", ending.message),
    )
    for name, value in told.items():
        setattr(operation, name, value)
    if entry is not None:
        operation.log = entry
    if state not in UNDER_WAY:
        operation.date_settled = clock.now()
    with orders.in_the_shops_language():
        if state in standing.ENDED_WELL:
            record(operation)
        elif state not in UNDER_WAY:
            record_failure(operation)
        if order is not None and not known_as_unknown and ending.reason != plans.NOTHING_LEFT:
            orders.note(order, in_words(operation), user=operation.resolved_by or operation.user)
        operation.save()
        plans.ended(operation)
    if state not in UNDER_WAY:
        with orders.in_the_shops_language():
            settle_order(operation, left_before)
            list_hold_left(operation)
        announce(signals.operation_ended, sender=PaymentOperation, order=order, operation=operation)
    return operation


def locked_with_order(operation_id: int) -> tuple[Any, PaymentOperation]:
    """Lock an operation, its order before it, and return both; None for an order that was deleted."""
    order_id = PaymentOperation.objects.values_list("order", flat=True).get(pk=operation_id)
    order = orders.locked(order_id) if order_id is not None else None
    operation = (
        PaymentOperation.objects.select_for_update(of=("self",), no_key=True)
        .select_related("transaction__source__source_type", "transaction__token", "attempt", "user")
        .get(pk=operation_id)
    )
    operation.order = order
    return order, operation


def asks_again(operation: PaymentOperation, ending: Ending) -> bool:
    """Whether what was not done goes back to what waits: nobody is there to press the button again.

    Whoever asked for a plan waits for its first step only, and as long as its call takes. What staff found out is its
    end.
    """
    if operation.resolved_by_name:
        return False
    was_not_looked_at = ending.state == State.NOT_SENT or ending.reason in reasons.NOT_LOOKED_AT
    by_itself = operation.is_automatic or bool(operation.plan and (operation.position or ending.is_found_out))
    return by_itself and was_not_looked_at


def is_rest(operation: PaymentOperation) -> bool:
    """Whether a reversal is for what captures left of an authorization, voided ones too: not of an untouched hold."""
    on = operation.transaction
    if operation.kind != Kind.REVERSE or on is None:
        return False
    return (
        operation.amount < standing.amount_of(on)
        or Transaction.objects.filter(source=on.source_id, txn_type=Transaction.DEBIT, status=standing.VOIDED).exists()
    )


# -- what it does to Oscar's rows --------------------------------------------------------------------------------------


def record(operation: PaymentOperation) -> None:
    """Record what an operation did. Where its rows were deleted there is no book to write it in, so staff are told."""
    kind = Kind(operation.kind)
    if kind not in (*RECORDED_ELSEWHERE, Kind.REVERSE) and operation.transaction is None:
        if kind == Kind.CAPTURE:
            list_orphan(operation)
        return
    if kind not in RECORDED_ELSEWHERE:
        RECORDED[kind](operation)


def list_orphan(operation: PaymentOperation, transaction_id: str = "") -> None:
    """List money that was held or taken for what is not in the shop any more."""
    needs.flag(
        Attention.ORPHAN,
        operation.order,
        operation.attempt,
        operation=operation,
        transaction_id=transaction_id or operation.request_id or operation.payment_id,
        amount=operation.amount,
        currency=operation.currency,
        reference_number=operation.reference_number,
        transaction_uuid=operation.idempotency_id,
    )


def record_capture(operation: PaymentOperation) -> None:
    operation.made = ledger.record_capture(
        operation.order,
        operation.transaction,
        amount=operation.amount,
        lines=quantities_of(operation),
        **told(operation),
    )


def record_refund(operation: PaymentOperation) -> None:
    operation.made = ledger.record_refund(
        operation.order,
        operation.transaction,
        amount=operation.amount,
        lines=quantities_of(operation),
        **told(operation),
    )
    settle_attention(operation)


def record_void(operation: PaymentOperation) -> None:
    """A capture leaves its hold behind, which nobody is there to reverse where nobody asked for the void."""
    operation.made = ledger.record_void(operation.order, operation.transaction, **told(operation))
    settle_attention(operation)
    list_again(operation)
    if operation.is_automatic and operation.transaction.txn_type == Transaction.DEBIT:
        queue_reversal(operation)


def queue_reversal(void: PaymentOperation) -> None:
    """Write down that the hold of a capture which was voided is to be given back too."""
    source = void.transaction.source
    intents.queue(
        void.order,
        Kind.REVERSE,
        payment_id=source.reference,
        amount=void.amount,
        currency=void.currency,
        reason=void.reason,
        attempt=void.attempt,
        transaction=Transaction.objects.filter(source=source, txn_type=Transaction.AUTHORISE).order_by("pk").first(),
    )


def record_reversal(operation: PaymentOperation) -> None:
    """The hold is gone from the books, and from what staff were asked to do about it."""
    if operation.transaction is not None:
        operation.made = ledger.record_reversal(
            operation.order,
            operation.transaction,
            amount=operation.amount,
            lapses=operation.state == State.LAPSING,
            **told(operation),
        )
    settle_attention(operation)


RECORDED: dict[Kind, Callable[[PaymentOperation], None]] = {
    Kind.CAPTURE: record_capture,
    Kind.REFUND: record_refund,
    Kind.VOID: record_void,
    Kind.REVERSE: record_reversal,
}

#: An authorization is recorded by the settlement of its attempt, and what a decision does with it, by whoever told it
#: first.
RECORDED_ELSEWHERE = (Kind.AUTHORIZE, *DECISIONS)


def told(operation: PaymentOperation) -> dict[str, Any]:
    """Under which id, when and by which log row a step is recorded."""
    reference = operation.request_id or operation.reference_number
    return {"reference": reference[:100], "at": clock.now(), "log": operation.log}


def quantities_of(operation: PaymentOperation) -> dict[int, int] | None:
    """The lines of an operation; None, which is all of them, when it took all that a payment of all the order had.

    Of which lines a card was that paid a part of the order nobody knows. A retry of the order replaces its lines: money
    that moved for lines which are gone is recorded by its amount, and staff are told.
    """
    if not operation.lines:
        is_whole = operation.kind == Kind.CAPTURE and operation.amount == standing.amount_of(operation.transaction)
        return None if is_whole and operation.amount >= operation.order.total_incl_tax else {}
    wanted = lines_of(operation)
    left = set(operation.order.lines.filter(pk__in=wanted).values_list("pk", flat=True))
    if left != set(wanted):
        message = _("%(kind)s %(amount)s: lines that it was for are gone from the order, so it is recorded by amount.")
        orders.note(operation.order, message % in_short(operation))
    return {line: quantity for line, quantity in wanted.items() if line in left}


def in_short(operation: PaymentOperation) -> dict[str, str]:
    amount = f"{format_amount(operation.amount, operation.currency)} {operation.currency}"
    return {"kind": str(operation.get_kind_display()), "amount": amount}


def left_of(operation: PaymentOperation) -> Decimal:
    """What the payment that an operation is about has, as its Source says."""
    on = operation.transaction
    return standing.left_of(on.source) if on is not None else standing.NOTHING


def settle_order(operation: PaymentOperation, left_before: Decimal) -> None:
    """Let the order follow its money, once an operation ended that gives some back, or was to.

    An order that waited for money which went back is declined, or listed where it has other money. One that has gone on
    without it waits for something else. One that is paid stays so, since staff decided; where they followed the list's
    advice, or nobody was asked, what it lacks now is listed.
    """
    order, on = operation.order, operation.transaction
    if order is None or on is None or operation.kind not in MOVES_BACK:
        return
    lost = left_before - left_of(operation)
    if lost > 0 and not left_of(operation):
        give_attempts_back(on.source_id)
    elif lost < 0 and not left_before:  # a refund was stopped
        reversed_ = PaymentAttempt.objects.filter(source=on.source_id, state=AttemptState.REVERSED)
        reversed_.update(state=AttemptState.AUTHORIZED)
    if orders.is_cancelled(order) or not (orders.awaits_payment(order) or (lost > 0 and is_advised(operation))):
        return
    balance = standing.balance(order)
    covered = balance.covered(order)
    if not orders.is_declined(order) and orders.authorize_if_covered(order, covered):
        return
    payment = next(one for one in balance.payments if one.source.pk == on.source_id)
    if lost <= 0 or payment.is_set_aside or payment.currency != balance.currency:
        return
    if orders.awaits_payment(order):
        if not decline_unless_charged(order) and is_forgotten(order) and (attempt := needs.attempt_of(payment)):
            needs.doubt(Attention.UNPAID_REST, order, attempt)
    elif covered < order.total_incl_tax <= covered + lost:
        needs.lacking(order, covered)


def is_advised(operation: PaymentOperation) -> bool:
    """Whether the shop does it automatically, or staff were asked to look at the payment that it is about."""
    listed = AttentionItem.objects.filter(order=operation.order, transaction_id=payment_id_of(operation))
    return operation.is_automatic or listed.exclude(kind=Attention.DRIFT).exists()


def list_hold_left(void: PaymentOperation) -> None:
    """List the hold of a sale that staff voided, unless its reversal is on the way: it can never be captured."""
    on = void.transaction
    if void.kind != Kind.VOID or void.state not in standing.ENDED_WELL or void.is_automatic or on is None:
        return
    if on.txn_type != Transaction.DEBIT or on.reference != on.source.reference:
        return
    payment = standing.of_source(on.source)
    if payment.left_to_reverse and not any(one.kind == Kind.REVERSE for one in payment.under_way):
        plans.list_what_is_left(void, payment)


def give_attempts_back(source_id: int) -> None:
    """The attempt that made a payment holds nothing any more. A second charge leaves the first one's attempt alone."""
    attempts = PaymentAttempt.objects.filter(source=source_id)
    held = (AttemptState.AUTHORIZED, AttemptState.REVIEW, AttemptState.PARTIAL)
    attempts.filter(state__in=held).update(state=AttemptState.REVERSED)
    attempts.exclude(attention=Attention.NO_ANSWER).update(attention=Attention.NONE)


def settle_attention(operation: PaymentOperation) -> None:
    """What staff were asked to do about a charge is done once nothing of it is held or taken any more.

    Where the books differ, only looking again tells that they do not.
    """
    if left_of(operation):
        return
    words = {"what": operation.get_state_display(), "number": operation.reference_number}
    needs.clear(items_about(operation), _("%(what)s by operation %(number)s.") % words, operation=operation)


def list_again(operation: PaymentOperation) -> None:
    """What staff were asked to do about a charge, and was done, is to be done again: a void undid what did it."""
    if left_of(operation):
        needs.list_again(items_about(operation))


def items_about(operation: PaymentOperation) -> QuerySet[AttentionItem]:
    """What staff were asked about the payment of an operation, apart from what only another look can tell."""
    items = AttentionItem.objects.filter(order=operation.order, transaction_id=payment_id_of(operation))
    return items.exclude(kind=Attention.DRIFT)


def payment_id_of(operation: PaymentOperation) -> str:
    """The id of the payment that an operation belongs to, whichever step of it the operation was about."""
    on = operation.transaction
    return on.source.reference if on is not None else operation.payment_id


def record_failure(operation: PaymentOperation) -> None:
    """A Transaction that moved nothing says that it was tried, under the id to search for at CyberSource.

    Nobody waits for what the shop does by itself, so staff are told what it could not do.
    """
    kind = rules.RULES[Kind(operation.kind)].makes
    if operation.is_automatic and operation.kind == Kind.REVERSE and operation.rest_reason not in NOTHING_HELD:
        charge = {"transaction_id": operation.payment_id, "amount": operation.amount, "currency": operation.currency}
        needs.flag(Attention.HOLD_LEFT, operation.order, operation.attempt, operation=operation, **charge)
    if kind and operation.transaction is not None:
        operation.made = ledger.record_failure(operation.transaction, kind, operation.amount, **told(operation))


def in_words(operation: PaymentOperation) -> str:
    """The note on the order: who asked what, why, and how it ended."""
    ending = {
        State.UNKNOWN: _("Nobody knows yet whether it was done. It is being looked up; do not try it again."),
        State.NOT_SENT: _("It never reached CyberSource, and nothing was done. It may be tried again."),
    }.get(State(operation.state), operation.get_state_display())
    message = _("%(what)s %(amount)s %(currency)s (%(number)s), asked by %(user)s. %(ending)s") % {
        "what": operation.get_kind_display(),
        "amount": format_amount(operation.amount, operation.currency),
        "currency": operation.currency,
        "number": operation.reference_number,
        "user": operation.user_name or _("the shop itself"),
        "ending": ending,
    }
    if operation.rest_reason and operation.state not in standing.ENDED_WELL:
        message += f" ({operation.rest_reason})"
    if operation.request_id:
        message += " " + _("CyberSource's request id: %(id)s.") % {"id": operation.request_id}
    if operation.reason:
        message += " " + _("Reason: %(reason)s") % {"reason": operation.reason}
    if operation.resolved_by_name:
        found = _("Recorded by %(user)s, who looked it up in the CyberSource Business Center: %(found)s")
        message += " " + found % {"user": operation.resolved_by_name, "found": operation.resolution}
    return message
