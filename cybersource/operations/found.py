"""What a look-up found out about an operation, or a person: does it fit, and its end, recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ..conf import conf
from ..models import CyberSourceReply, OperationState, PaymentOperation
from ..protocol import Outcome
from ..protocol.rest import Answer, TransactionKind
from . import bookkeeping, results, rules, stored_card
from .results import OperationResult

Kind = PaymentOperation.Kind
State = OperationState

#: A call takes less. What was sent and has no outcome by then belongs to a process that died.
LEASE = timedelta(minutes=2)

#: From then on staff are asked about what is still unknown.
LISTED_AFTER = timedelta(days=1)
WITH = ("order", "user", "attempt__token", "source__source_type", "transaction")


def is_of_kind(operation: PaymentOperation, found: TransactionKind | None) -> bool:
    """Whether a transaction that was found is of the kind that an operation makes."""
    return found is not None and found is rules.RULES[Kind(operation.kind)].found_as


def acts_on_its_payment(operation: PaymentOperation, answer: Answer) -> bool:
    payment = operation.source.reference if operation.source else operation.payment_id
    if operation.source is None and operation.kind in (Kind.REFUND, Kind.VOID) and not conf.account_is_shared:
        return True  # its Source was deleted, and of which payment the capture was with it
    return bool(answer.root_id) and answer.root_id in (payment, operation.payment_id)


def record(
    operation: PaymentOperation, ending: OperationResult, outcome: Outcome | None, entry: CyberSourceReply | None
) -> PaymentOperation:
    """Record how an operation ended, however it was found out; ``outcome``: what a charge came to for its attempt."""
    if operation.kind == Kind.AUTHORIZE and ending.state != State.UNKNOWN:
        if operation.attempt is None:
            # Its order was deleted: nobody is there to be paid by it.
            if ending.state == State.DONE:
                bookkeeping.list_orphan(operation, ending.request_id)
        elif outcome is not None and entry is not None:
            ending = stored_card.settle(entry, operation.attempt, outcome, ending)
    return results.conclude(operation.pk, replace(ending, is_found_out=True), entry=entry)
