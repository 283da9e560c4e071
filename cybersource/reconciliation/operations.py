"""Operations that nobody knows the end of are looked for until it is known; what is to be sent, ``operations`` sends.

    queued -> claimed -> sent once (:mod:`cybersource.operations.sending`)
    sent by a process that died, or unknown -> searched for by its own reference number -> found: recorded
                                                                    -> not found in time: taken back by its own id
                                                                       (:mod:`cybersource.operations.lost_calls`)

What moves money is never sent again. A capture or refund that cannot be found is voided by the id that only it was
sent under, which undoes it if it arrived and nothing else; an authorization is reversed so. Whether a void or a
reversal arrived shows on what it was to undo, and whether a decision did in the report of all decisions. What is found
under its number is believed to be it only where id, or amount, currency and payment, say so; else a person decides.
So does one about a capture or a refund that shows nowhere and cannot be voided: "not voidable" is said of what went to
the bank and of what never arrived.

Source: REST response-code table (look a lost call up before anything else) and payments guides on time-out voids and
reversals. When to look is not documented; the times are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import F

from ..conf import conf
from ..db import clock
from ..gateway import credentials, lookup
from ..gateway.lookup import FoundTransaction, GatewayNoAnswer
from ..models import (
    OperationState,
    PaymentOperation,
    ReviewNotificationUpdate,
    endpoint_now,
)
from ..operations import kinds as operations_kinds
from ..operations import sending
from ..operations import unknown as unknown_operations
from ..operations.found import LEASE, LISTED_AFTER, WITH, acts_on_its_payment, is_of_kind, record
from ..operations.lost_calls import GIVEN_UP_AFTER, NOT_FOUND, end, take_back
from ..operations.results import OperationResult
from ..payments import balance
from ..protocol.rest import Answer, GatewayStatus, Unknown, UnknownReason, act_of, charge_outcome, fate_of, never_ran
from ..reviews.conversion_report import poll_conversions

Kind = PaymentOperation.Kind
State = OperationState

#: How long after it was sent an operation is looked for, each time once; and how often from then on.
LOOKS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    *(timedelta(days=days) for days in (1, 2, 3, 7)),
)
THEN_EVERY = timedelta(days=7)

#: From then on what was not found is taken back, and soon after that it is taken for never arrived.
TAKEN_BACK_AFTER = timedelta(minutes=15)

#: How far before a decision was sent the report is read, and how far back at most.
REPORT_OVERLAPS = timedelta(hours=1)
REPORT_READ_BACK = timedelta(days=3)

#: How many operations are read at a time, and with what.
BATCH = 200

#: How an operation ended that was found.
ENDINGS = {GatewayStatus.DONE: State.DONE, GatewayStatus.UNDONE: State.UNDONE, GatewayStatus.DECLINED: State.DECLINED}


class SyncResult(StrEnum):
    """What became of one operation."""

    SENT = "sent"
    ENDED = "found out"
    UNKNOWN = "still unknown"
    LISTED = "still unknown, staff asked"
    ELSEWHERE = "made for another merchant, or elsewhere"
    NOT_DUE = "not due, or another process was quicker"
    WOULD_BE_SENT = "would be sent"
    WOULD_BE_ASKED = "would be looked up"


def recover(*, at: datetime | None = None, dry_run: bool = False) -> Counter[str]:
    """Send what is queued, and find out how every other operation under way ended. Returns how many ended how.

    Safe at any time and on several machines at once: each operation is claimed by one of them.
    """
    at = clock.at_or_now(at)
    counts = lookup.go_round(in_state(State.QUEUED), lambda one: send(one, dry_run=dry_run))
    sought = in_state(State.SENT, State.UNKNOWN)
    counts += lookup.go_round(sought, lambda one: look_for(one, at, dry_run=dry_run))
    if not dry_run:
        unknown_operations.clear_known()
    del counts[SyncResult.NOT_DUE]
    return counts


def in_state(*states: str) -> Iterator[PaymentOperation]:
    """The operations in these states, the one first that was not looked for longest."""
    rows = PaymentOperation.objects.filter(state__in=states)
    keys = list(rows.order_by(F("date_looked_up").asc(nulls_first=True), "pk").values_list("pk", flat=True))
    for first in range(0, len(keys), BATCH):
        batch = rows.select_related(*WITH).in_bulk(keys[first : first + BATCH])
        yield from (batch[key] for key in keys[first : first + BATCH] if key in batch)


def send(operation: PaymentOperation, *, dry_run: bool = False) -> SyncResult:
    """Have an operation sent that waits for it, where our key reaches it."""
    if not credentials.reaches(operation):
        return SyncResult.ELSEWHERE
    if dry_run:
        return SyncResult.WOULD_BE_SENT
    return SyncResult.SENT if sending.send_queued(operation) else SyncResult.NOT_DUE


def look_for(operation: PaymentOperation, at: datetime, *, dry_run: bool = False) -> SyncResult:
    """Find out how an operation ended, if it is time to look."""
    age = at - (operation.date_sent or operation.date_created)
    looks = looks_by(age)
    if not is_due(operation, at, age):
        return SyncResult.NOT_DUE
    if not credentials.reaches(operation):
        return unknown(operation, age, otherwise=SyncResult.ELSEWHERE)
    if dry_run:
        return SyncResult.WOULD_BE_ASKED
    seen = {"state": operation.state, "look_ups": operation.look_ups, "date_looked_up": operation.date_looked_up}
    mine = PaymentOperation.objects.filter(pk=operation.pk, **seen)
    if not mine.update(look_ups=looks, date_looked_up=at, is_being_looked_up=True):
        return SyncResult.NOT_DUE
    claimed = PaymentOperation.objects.filter(pk=operation.pk, look_ups=looks, date_looked_up=at)
    try:
        state = find_out(operation, at, age)
    except Exception as problem:
        if not isinstance(problem, GatewayNoAnswer) or problem.is_silence:
            # Nobody looked at it, so it is not counted as a look: it is due again at once.
            claimed.update(look_ups=operation.look_ups, is_being_looked_up=False)
            unknown(operation, age)
            raise
        state = str(operation.state)  # it was answered, by what teaches nothing
    claimed.update(is_being_looked_up=False)
    return unknown(operation, age) if state in (State.SENT, State.UNKNOWN) else SyncResult.ENDED


def is_due(operation: PaymentOperation, at: datetime, age: timedelta) -> bool:
    """Whether it is time to look, or a look was broken off: by a process that died, or a database that was away."""
    if operation.state == State.SENT and age < LEASE:
        return False
    begun = operation.date_looked_up if operation.is_being_looked_up else None
    return looks_by(age) > operation.look_ups or (begun is not None and at - begun >= LEASE)


def was_sent_elsewhere(operation: PaymentOperation) -> bool:
    """Whether it went to another endpoint than ours is now: what is not found here may be there."""
    return operation.endpoint not in ("", endpoint_now())


def unknown(operation: PaymentOperation, age: timedelta, *, otherwise: SyncResult = SyncResult.UNKNOWN) -> SyncResult:
    """Say that an operation has no end yet; staff are asked about one that is old enough."""
    if age < LISTED_AFTER:
        return otherwise
    unknown_operations.list_unknown(operation)
    return SyncResult.LISTED


def looks_by(age: timedelta) -> int:
    """How often an operation of that age is to have been looked for."""
    return sum(wait <= age for wait in LOOKS) + max(age - LOOKS[-1], timedelta(0)) // THEN_EVERY


def find_out(operation: PaymentOperation, at: datetime, age: timedelta) -> str:
    """Ask CyberSource how an operation ended, and record what it says. Returns the state that it is in now."""
    if operation.kind in operations_kinds.DECISIONS:
        return find_decision(operation, at, age)
    found = search(operation, at)
    told = [each for each in (look_up(operation, row) for row in found) if each is not None]
    looked = [each for each in told if is_of_kind(operation, act_of(each.answer))]
    if ours := next((each for each in looked if fits(operation, each.answer)), None):
        return adopt(operation, ours)
    if operation.kind in operations_kinds.UNDOING and (undone := was_undone(operation)):
        return undone
    if len(told) < len(found):
        return end(operation, OperationResult(state=State.UNKNOWN))  # the search knows more than look-ups do yet
    if any(not is_another_shops(operation, each.answer) for each in looked):
        # Something was done under its number that nothing proves to be it: a person decides.
        unknown_operations.list_unknown(operation)
        return end(operation, OperationResult(state=State.UNKNOWN))
    if age < TAKEN_BACK_AFTER or was_sent_elsewhere(operation):
        return end(operation, OperationResult(state=State.UNKNOWN))
    if operation.kind in operations_kinds.UNDOING:
        # It shows nowhere, and would on what it was to undo: it never arrived, and may be asked for again.
        return end(operation, OperationResult(state=State.NOT_SENT, reason=NOT_FOUND))
    return take_back(operation, age)


def search(operation: PaymentOperation, at: datetime) -> list[Answer]:
    """What CyberSource did under the operation's reference number, what succeeded first."""
    found = lookup.search(
        [operation.reference_number],
        since=operation.date_sent or operation.date_created,
        at=at,
        order=operation.order,
        operation=operation,
    )
    acts = [each for each in found if is_of_kind(operation, act_of(each)) or not each.applications]
    return sorted(acts, key=lambda each: fate_of(each) is not GatewayStatus.DONE)


def look_up(operation: PaymentOperation, row: Answer) -> FoundTransaction | None:
    return lookup.look_up(row.id, order=operation.order, operation=operation, attempt=operation.attempt)


def under_way_as(answer: Answer) -> PaymentOperation | None:
    """The operation under way that a transaction at CyberSource is; None when it is none of ours, or has ended."""
    rows = PaymentOperation.objects.filter(state__in=(State.SENT, State.UNKNOWN)).select_related(*WITH)
    operation = rows.filter(reference_number=answer.reference_number).first()
    if operation is None or not is_of_kind(operation, act_of(answer)):
        return None
    return operation if fits(operation, answer) else None


def fits(operation: PaymentOperation, answer: Answer) -> bool:
    """Whether what a look-up tells is an operation: made under its id, or with its money and on its payment."""
    if answer.idempotency_id:
        return answer.idempotency_id == operation.idempotency_id
    if answer.reference_number != operation.reference_number:
        return False
    money = (operation.amount, operation.currency)
    if operation.kind == Kind.AUTHORIZE:
        # Where no bank was asked, no amount is told.
        is_its_money = never_ran(answer) or (answer.total_amount, answer.currency) == money
        return is_its_money and has_its_token(operation, answer)
    return (answer.amount, answer.currency) == money and acts_on_its_payment(operation, answer)


def has_its_token(operation: PaymentOperation, answer: Answer) -> bool:
    """Whether a charge was made with the operation's stored card. On an account of one shop it may be left unsaid."""
    if operation.attempt is None:
        return not conf.account_is_shared  # its order was deleted, and which card it was with it
    token = operation.attempt.token.token if operation.attempt.token else ""
    return answer.token == token if answer.token else not conf.account_is_shared


def is_another_shops(operation: PaymentOperation, answer: Answer) -> bool:
    """Whether what was done under an operation's number is another shop's on the account, and of no payment of ours."""
    if not conf.account_is_shared:
        return False
    if operation.kind == Kind.AUTHORIZE:
        return not has_its_token(operation, answer)
    return not acts_on_its_payment(operation, answer)


def adopt(operation: PaymentOperation, looked: FoundTransaction) -> str:
    """Record how an operation ended that was found."""
    answer = looked.answer
    ending = OperationResult(
        state=ENDINGS.get(fate_of(answer), State.UNKNOWN),
        request_id=answer.id,
        status=answer.status,
        reason=answer.reason,
        message=answer.message,
    )
    outcome = None
    if operation.kind == Kind.AUTHORIZE and operation.attempt is not None:
        outcome = charge_outcome(answer, asked=operation.attempt.amount, currency=operation.attempt.currency)
    return str(record(operation, ending, outcome, looked.entry).state)


def was_undone(operation: PaymentOperation) -> str:
    """Whether what a void or reversal was to undo is undone; empty when it is not."""
    looked = lookup.look_up(operation.payment_id, order=operation.order, operation=operation)
    if (
        looked is None
        or fate_of(looked.answer) is not GatewayStatus.UNDONE
        or tells_of_its_void(operation, looked.answer)
    ):
        return ""
    return end(operation, OperationResult(state=State.DONE, status=looked.answer.status), looked.entry)


def tells_of_its_void(operation: PaymentOperation, answer: Answer) -> bool:
    """Whether a sale is said to be voided, which was known when the hold that this left was to be given back."""
    on = operation.transaction
    was_known = operation.kind == Kind.REVERSE and on is not None and on.status == balance.VOIDED
    return was_known and answer.status == balance.VOIDED


def find_decision(operation: PaymentOperation, at: datetime, age: timedelta) -> str:
    """Read in the conversion report whether a decision arrived. What it tells has its effect by its own way."""
    stands = decision_told(operation)
    if stands is None:
        sent = operation.date_sent or operation.date_created
        if not poll_conversions(max(sent - REPORT_OVERLAPS, at - REPORT_READ_BACK), at).is_complete:
            raise GatewayNoAnswer("The conversion report", Unknown(why=UnknownReason.NO_ANSWER))
        stands = decision_told(operation)
    if stands is not None:
        ours = stands == operations_kinds.DECISIONS[Kind(operation.kind)]
        return end(operation, OperationResult(state=State.DONE if ours else State.DECLINED))
    if age < GIVEN_UP_AFTER:
        return end(operation, OperationResult(state=State.UNKNOWN))
    return end(operation, OperationResult(state=State.NOT_SENT, reason=NOT_FOUND))


def decision_told(operation: PaymentOperation) -> str | None:
    """The decision about a payment that was reported and took effect, by any reviewer."""
    told = ReviewNotificationUpdate.objects.filter(
        request_id=operation.payment_id, state=ReviewNotificationUpdate.State.RECORDED
    )
    return told.order_by("pk").values_list("decision", flat=True).first()
