"""Calls whose answer was lost, undone by the id they were sent under."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from ..gateway import client
from ..gateway.lookup import GatewayNoAnswer
from ..models import CyberSourceReply, OperationState, PaymentOperation
from ..protocol import Outcome, OutcomeKind
from ..protocol.rest import Call, Processed, Refused, calls
from ..protocol.rest_reasons import ABOUT_THE_ACCOUNT, NO_AUTHORIZATION, PROVES_ARRIVAL
from . import results, stored_card
from .results import OperationResult

Kind = PaymentOperation.Kind
State = OperationState
GIVEN_UP_AFTER = timedelta(hours=1)

#: Why an operation ended that was never found: ours, where CyberSource's reasons stand otherwise.
NOT_FOUND = "NOT_FOUND"


class UndoResult(StrEnum):
    """What became of taking a lost call back."""

    TAKEN_BACK = "taken back"
    NOTHING_THERE = "nothing there"
    ARRIVED = "arrived, and cannot be taken back"
    UNCLEAR = "refused, which may mean either"


def take_back(operation: PaymentOperation, age: timedelta) -> str:
    """Undo a call that may have arrived, by the id that it was sent under. It undoes that call and no other."""
    taking, exchange = taken_back(operation)
    if taking is UndoResult.TAKEN_BACK:
        answer = exchange.outcome.answer
        ending = OperationResult(state=State.UNDONE, request_id=answer.id, status=answer.status)
        return end_without_effect(operation, ending, exchange.entry)
    if taking is not UndoResult.NOTHING_THERE or age < GIVEN_UP_AFTER:
        # A refusal that may mean that it went through proves nothing, however long the search stays empty: a second
        # refund would be real money. Else its own search once more, before it is believed that it did not arrive.
        return end(operation, OperationResult(state=State.UNKNOWN))
    return end_without_effect(operation, OperationResult(state=State.NOT_SENT, reason=NOT_FOUND), exchange.entry)


def taken_back(operation: PaymentOperation) -> tuple[UndoResult, client.LoggedCall]:
    """Take a lost call back by what undoes it: a hold by a reversal, a sale by a void and then its hold too."""
    if operation.kind != Kind.AUTHORIZE:
        return undo(operation, calls.timeout_void(**names_of(operation)))
    if not operation.is_sale:
        return undo(operation, timeout_reversal(operation))
    void, voided = undo(operation, calls.timeout_void(**names_of(operation)))
    hold, released = undo(operation, timeout_reversal(operation))
    if UndoResult.TAKEN_BACK in (void, hold):
        # A hold that goes with its sale's void is gone; one that stays and cannot be given back lapses at the bank.
        return UndoResult.TAKEN_BACK, voided if void is UndoResult.TAKEN_BACK else released
    # A void does not say whether a sale was never there or cannot be voided any more; the reversal does.
    return hold, released


def names_of(operation: PaymentOperation) -> dict[str, str]:
    return {
        "reference_number": f"{operation.reference_number}-T",
        "lost_idempotency_id": operation.idempotency_id,
    }


def timeout_reversal(operation: PaymentOperation) -> Call:
    money = {"amount": operation.amount, "currency": operation.currency}
    return calls.timeout_reverse(reason="no answer", **money, **names_of(operation))


def undo(operation: PaymentOperation, call: Call) -> tuple[UndoResult, client.LoggedCall]:
    """Send what takes a lost call back. Raises :class:`~cybersource.gateway.lookup.GatewayNoAnswer` when nothing was
    said of it.
    """
    exchange = client.send(call, order=operation.order, operation=operation, attempt=operation.attempt)
    outcome = exchange.outcome
    if isinstance(outcome, Processed) and outcome.succeeded:
        return UndoResult.TAKEN_BACK, exchange
    if not is_about_it(outcome):
        raise GatewayNoAnswer(f"REST {call.operation}, log row {exchange.entry.pk}", outcome)
    if outcome.answer.reason in PROVES_ARRIVAL:
        return UndoResult.ARRIVED, exchange
    is_clear = outcome.http_status == 404 or outcome.answer.reason in NO_AUTHORIZATION
    return UndoResult.NOTHING_THERE if is_clear else UndoResult.UNCLEAR, exchange


def end_without_effect(operation: PaymentOperation, ending: OperationResult, entry: CyberSourceReply) -> str:
    """Nothing was moved. A payment that waited for its card to be authorized is told so, as by a refusal."""
    if operation.kind == Kind.AUTHORIZE and operation.attempt is not None:
        stored_card.settle(entry, operation.attempt, Outcome(kind=OutcomeKind.INVALID), ending)
    return end(operation, ending, entry)


def is_about_it(outcome: Any) -> bool:
    """Whether a refusal is about what was to be taken back, and not about the caller."""
    if not isinstance(outcome, Refused) or outcome.http_status not in (400, 404):
        return False
    return bool(outcome.answer.reason) and outcome.answer.reason not in ABOUT_THE_ACCOUNT


def end(operation: PaymentOperation, ending: OperationResult, entry: Any = None) -> str:
    return str(results.conclude(operation.pk, replace(ending, is_found_out=True), entry=entry).state)
