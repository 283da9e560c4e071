"""Staff end an operation that nobody could look up: they record what the CyberSource Business Center shows of it.

    finding -> checked, and looked up where that is possible -> the books, by the code that look-ups use -> item cleared

Only what staff are asked about, or what has had no end for a day, can be ended so: until then a look-up may still find
it. The order's row is locked first, then the operation's. Callers must not hold a transaction open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..conf import conf
from ..db import clock, locks
from ..gateway import credentials, lookup
from ..gateway.lookup import FoundTransaction, GatewayNoAnswer
from ..models import Attention, AttentionItem, CyberSourceReply, OperationState, PaymentOperation, card_numbers, clipped
from ..payments import balance
from ..payments.errors import InvalidOperation, Problem
from ..protocol import Outcome, OutcomeKind
from ..protocol.rest import Answer, GatewayStatus, act_of, charge_outcome, fate_of
from . import found, kinds, results, rules, service
from .results import OperationResult

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind
State = OperationState

#: What staff are asked about an operation that has no end.
LISTED_AS = (Attention.UNKNOWN_OPERATION, Attention.WAITING_OPERATION)

#: CyberSource's ids are 22 digits long, older ones 26: longer than any card number.
TRANSACTION_ID = re.compile(r"[0-9]{20,26}", re.ASCII)

#: How CyberSource says that a decision about a review stands.
DECIDED = {decision: status for status, decision in kinds.STANDING_DECISIONS.items()}


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What staff found out about an operation."""

    took_effect: bool
    transaction_id: str = ""  #: CyberSource's id of what the operation did
    words: str = ""

    def state(self) -> State:
        return State.DONE if self.took_effect else State.NOT_SENT


def resolve(operation_id: int, finding: Resolution, *, user: Any) -> PaymentOperation:
    """Record how an operation ended that is in doubt. Recorded again the same way, it stays as it is.

    Raises :class:`~cybersource.payments.errors.InvalidOperation` where that cannot be, and
    :class:`~cybersource.gateway.client.OpenTransaction` within a transaction.
    """
    service.refuse_in_transaction()
    operation = get_operation(operation_id)
    if is_recorded(operation, finding):
        return operation
    looked = check(operation, finding)
    if finding.took_effect and operation.kind in kinds.DECISIONS:
        stands = DECIDED[kinds.DECISIONS[Kind(operation.kind)]]
        results.tell_decision(operation, OperationResult(state=State.DONE, status=stands))
    return locks.retry_on_conflict(lambda: _resolve(operation_id, finding, looked, user))


def get_operation(operation_id: int) -> PaymentOperation:
    operation = PaymentOperation.objects.select_related(*found.WITH).filter(pk=operation_id).first()
    if operation is None:
        raise InvalidOperation(Problem(code="not-found", field="", message=_("There is no such operation.")))
    return operation


@transaction.atomic
def _resolve(operation_id: int, finding: Resolution, looked: FoundTransaction | None, user: Any) -> PaymentOperation:
    _order, operation = results.locked_with_order(operation_id)
    if is_recorded(operation, finding):
        return operation
    if problem := why_not(operation) or id_problem(operation, finding):
        raise InvalidOperation(problem)
    name = user.get_username()
    found_by = clipped(
        PaymentOperation, resolved_by_name=name, resolution=card_numbers.mask("message", finding.words.strip())
    )
    PaymentOperation.objects.filter(pk=operation.pk).update(resolved_by=user, **found_by)
    ended = record(operation, finding, looked)
    words = {"cleared_by_name": found_by["resolved_by_name"], "reason": found_by["resolution"]}
    items(operation).update(date_cleared=clock.now(), cleared_by=user, **words)
    return ended


def record(operation: PaymentOperation, finding: Resolution, looked: FoundTransaction | None) -> PaymentOperation:
    """Record the finding in the books, as a look-up is recorded."""
    ending = OperationResult(state=finding.state(), request_id=finding.transaction_id)
    entry = looked.entry if looked else None
    outcome = None
    if operation.kind == Kind.AUTHORIZE and operation.attempt is not None:
        entry = entry or CyberSourceReply.objects.filter(operation=operation).order_by("pk").first()
        outcome = outcome_of(operation, finding, looked)
    return found.record(operation, ending, outcome, entry)


def outcome_of(operation: PaymentOperation, finding: Resolution, looked: FoundTransaction | None) -> Outcome:
    """What a charge comes to for its attempt: what a look-up tells of it, or what was asked."""
    if not finding.took_effect:
        return Outcome(kind=OutcomeKind.INVALID)
    if looked is not None:
        return charge_outcome(looked.answer, asked=operation.amount, currency=operation.currency)
    return Outcome(
        kind=OutcomeKind.ACCEPTED,
        transaction_id=finding.transaction_id,
        amount=operation.amount,
        currency=operation.currency,
        reason_code=100,
    )


# -- what can be recorded ----------------------------------------------------------------------------------------------


def is_recorded(operation: PaymentOperation, finding: Resolution) -> bool:
    """Whether staff recorded this very finding before."""
    same = (operation.state, operation.request_id if finding.took_effect else "")
    return bool(operation.resolved_by_name) and same == (finding.state(), finding.transaction_id)


def items(operation: PaymentOperation) -> QuerySet[AttentionItem]:
    """What staff are asked about an operation."""
    return AttentionItem.objects.filter(operation=operation, kind__in=LISTED_AS, date_cleared=None)


def permissions(operation: PaymentOperation) -> tuple[str, ...]:
    """The permissions that recording an operation's end needs: those of the operation itself."""
    on = operation.transaction
    if on is None:
        is_decision = operation.kind in kinds.DECISIONS
        return (rules.DECIDE_REVIEW,) if is_decision else (rules.MOVE_MONEY,)
    return rules.permissions(operation.kind, balance.of_source(on.source), on)


def why_not(operation: PaymentOperation, *, at: datetime | None = None) -> Problem | None:
    """Why staff cannot record an operation's end now; None when they can."""
    at = clock.at_or_now(at)
    if not operation.is_under_way:
        message = _("It has ended meanwhile: %(state)s.") % {"state": operation.get_state_display()}
        return Problem(code="wrong-state", field="", message=message)
    begun = operation.date_looked_up if operation.is_being_looked_up else None
    if begun is not None and at - begun < found.LEASE:
        message = _("It is being looked up at CyberSource right now. Look again in some minutes.")
        return Problem(code="under-way", field="", message=message)
    kind = Attention.WAITING_OPERATION if operation.state == State.QUEUED else Attention.UNKNOWN_OPERATION
    is_asked = items(operation).filter(kind=kind).exists()
    age = at - (operation.date_sent or operation.date_created)
    if is_asked or (operation.state != State.QUEUED and age >= found.LISTED_AFTER):
        return None
    message = _("It may still end automatically. Staff can record its outcome once it cannot be looked up.")
    return Problem(code="under-way", field="", message=message)


def check(operation: PaymentOperation, finding: Resolution) -> FoundTransaction | None:
    """Look up what staff found, where CyberSource can be asked; None where it tells nothing of it.

    Raises :class:`~cybersource.payments.errors.InvalidOperation` where the finding cannot be recorded, or is
    contradicted.
    """
    if problem := why_not(operation) or id_problem(operation, finding):
        raise InvalidOperation(problem)
    looked = look_up(operation, finding.transaction_id) if finding.transaction_id else None
    if looked is not None and contradicts(operation, looked.answer):
        message = _("CyberSource reports another transaction under this id: not the same amount, payment or kind.")
        raise InvalidOperation(wrong_transaction(message))
    return looked


def id_problem(operation: PaymentOperation, finding: Resolution) -> Problem | None:
    """Why the transaction id cannot be that of an operation's effect; None when it can."""
    transaction_id = finding.transaction_id
    if not finding.took_effect or operation.kind in kinds.DECISIONS:
        return wrong_transaction(_("What did not take effect has no transaction ID.")) if transaction_id else None
    if not TRANSACTION_ID.fullmatch(transaction_id):
        return wrong_transaction(_("Enter CyberSource's transaction ID: 22 digits, as the Business Center shows it."))
    others = PaymentOperation.objects.filter(request_id=transaction_id).exclude(pk=operation.pk)
    if Transaction.objects.filter(reference=transaction_id).exists() or others.exists():
        return wrong_transaction(_("This transaction is in the shop's books already, as something else."))
    return None


def wrong_transaction(message: str) -> Problem:
    return Problem(code="other-transaction", field="transaction_id", message=message)


def look_up(operation: PaymentOperation, transaction_id: str) -> FoundTransaction | None:
    """What CyberSource says of a transaction; None where it cannot be asked, does not answer or knows none."""
    if not conf.has_rest or not credentials.reaches(operation):
        return None
    try:
        return lookup.look_up(transaction_id, order=operation.order, operation=operation, attempt=operation.attempt)
    except (GatewayNoAnswer, ImproperlyConfigured):
        return None


def contradicts(operation: PaymentOperation, answer: Answer) -> bool:
    """Whether what CyberSource tells of a transaction is not what the operation was to do. What is left unsaid is not
    held against it."""
    kind = Kind(operation.kind)
    if not found.is_of_kind(operation, act_of(answer)) or fate_of(answer) is not GatewayStatus.DONE:
        return True
    amount = answer.total_amount if kind == Kind.AUTHORIZE else answer.amount
    money = ((amount, operation.amount), (answer.currency, operation.currency))
    if any(said not in (None, "", ours) for said, ours in money):
        return True
    return kind != Kind.AUTHORIZE and bool(answer.root_id) and not found.acts_on_its_payment(operation, answer)
