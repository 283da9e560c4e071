"""A posted reply is verified, logged, and only then takes effect.

    posted -> Reply (verified) -> CyberSourceReply (committed) -> Outcome -> settlement

Browser reply and merchant POST go the same way: the view reads the form, then :func:`verify`, :func:`log` and
:func:`settle`. Callers must not hold a transaction open: the log row's commit has to be real before anything else
happens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, Count, F, IntegerField, When
from django.views.decorators.debug import sensitive_variables

from .. import profiles
from ..db import clock, locks, paging
from ..models import CyberSourceReply, PaymentAttempt, ReplyType, card_numbers, clipped
from ..payments import attention, settlement
from ..protocol import Outcome, ProtocolError, Reply
from ..reviews import matching
from . import rejected

logger = logging.getLogger(__name__)

Result = CyberSourceReply.Result

#: How many rows one and the same reply may fill for an attempt. Anyone who has a genuine reply may post it for ever.
ROWS_AN_ATTEMPT = 50

#: How many rows ``reprocess`` holds in memory at once.
BATCH = 100


class UnmatchedReply(ProtocolError):
    """The signature is good, but the reply answers no attempt of ours as we began it."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule, "The reply does not fit what we asked.")


@dataclass(frozen=True, kw_only=True)
class ReplyResult:
    """What became of a reply. The result ``received`` says: it is stored safely, and could not take effect yet."""

    attempt: PaymentAttempt
    result: str

    @property
    def has_taken_effect(self) -> bool:
        return self.result != Result.RECEIVED


@dataclass(frozen=True, kw_only=True)
class VerifiedReply:
    """A reply whose signature is good. Whether it answers an attempt of ours is not known yet."""

    reply: Reply
    profile_id: str  #: of the key that signed it, which vouches only for its own profile


# -- verify --------------------------------------------------------------------------------------------------------


@sensitive_variables()
@locks.retried
def verify(posted: Iterable[tuple[str, str]]) -> VerifiedReply:
    """Read the posted values as a reply, and check its signature.

    Raises :class:`~cybersource.protocol.ProtocolError` when they are none; its ``rule`` says why and is safe to log.
    """
    vouching = ""

    @sensitive_variables()
    def secret_for(access_key: str) -> str | None:
        nonlocal vouching
        key = profiles.for_verifying(access_key)
        vouching = key.profile_id if key else ""
        return key.secret_key if key else None

    reply = Reply.from_post(posted, secret_for=secret_for)
    return VerifiedReply(reply=reply, profile_id=vouching)


# -- log -----------------------------------------------------------------------------------------------------------


@sensitive_variables()
@locks.retried
def log(verified: VerifiedReply, reply_type: ReplyType) -> CyberSourceReply:
    """Return the row of the log, committed, that holds a verified reply and names its attempt: a new one, up to a
    ceiling.

    Raises :class:`UnmatchedReply` when it answers no attempt of ours as we began it: then it is kept as refused. Any
    other exception means that nothing was stored.
    """
    reply = verified.reply
    attempts = PaymentAttempt.objects.annotate(owner_id=F("order__user"), rows=Count("replies")).order_by()
    attempt = attempts.filter(transaction_uuid=reply.transaction_uuid).first()
    misfit = why_not_ours(reply, attempt, verified.profile_id)
    if misfit and not worth_keeping(reply):
        raise UnmatchedReply(misfit)
    known = known_row(reply, attempt) if attempt and not misfit and attempt.rows >= ROWS_AN_ATTEMPT else None
    entry = known or write(reply, attempt, reply_type, refused_because=misfit)
    if attempt is None or misfit:
        attention.flag_unmatched_charge(entry)
        raise UnmatchedReply(misfit)
    entry.attempt = attempt
    return entry


def known_row(reply: Reply, attempt: PaymentAttempt) -> CyberSourceReply | None:
    """The row of an earlier delivery of the very same reply, one that never took effect before all others."""
    never_acted_on = Case(When(result=Result.RECEIVED, then=0), default=1, output_field=IntegerField())
    rows = CyberSourceReply.objects.filter(attempt=attempt, data=reply.for_storage(card_numbers.mask)).exclude(
        result=Result.REFUSED
    )
    return rows.order_by(never_acted_on, "pk").first()


def worth_keeping(reply: Reply) -> bool:
    """Refused replies have a ceiling, since anybody may post one again. Money that staff do not know of has none."""
    if rejected.room_left(CyberSourceReply.objects.filter(result=Result.REFUSED)):
        return True
    return attention.moves_money(reply.decision_text, reply.transaction_type) and not attention.is_listed(reply)


def why_not_ours(reply: Reply, attempt: PaymentAttempt | None, vouching_profile: str) -> str:
    """Return the name of the first thing in which the reply differs from what we asked; empty when nothing does.

    A reply that holds money must repeat all of it. One that holds none may leave fields out (a 104 may carry little of
    the first request), but what it does carry must fit. Source: Secure Acceptance Checkout API guide, reason code 104.
    Whatever it carries, a key vouches only for its own profile: one may belong to another shop of the same project.
    """
    if attempt is None:
        return "unknown-transaction-uuid"
    asked = {
        "reference_number": attempt.reference_number,
        "amount": attempt.amount,
        "currency": attempt.currency,
        "transaction_type": attempt.transaction_type,
        "profile_id": attempt.profile_id,
    }
    for name, expected in asked.items():
        told = getattr(reply, name)
        # What holds money must repeat all that we asked.
        if told is None and reply.decision not in attention.HOLD_MONEY:
            continue
        if told != expected:
            return f"other-{name.replace('_', '-')}"
    return "" if vouching_profile.casefold() == attempt.profile_id.casefold() else "other-profile-key"


@sensitive_variables()
def write(
    reply: Reply, attempt: PaymentAttempt | None, reply_type: ReplyType, *, refused_because: str = ""
) -> CyberSourceReply:
    """Write the log row, in a commit of its own."""
    told = {
        "decision": reply.decision_text,
        "message": reply.message,
        "transaction_type": reply.transaction_type or "",
        "reference_number": reply.reference_number or "",
        "currency": reply.currency or "",
        "auth_code": reply.auth_code,
        "auth_avs_code": reply.avs_code,
        "auth_cv_result": reply.cvn_code,
        "card_number": reply.card_number,
        "card_type": reply.card_type,
        "card_expiry_date": reply.card_expiry,
    }
    columns = clipped(
        CyberSourceReply,
        transaction_id=reply.transaction_id or "",
        transaction_uuid=card_numbers.mask("transaction_uuid", reply.transaction_uuid),
        request_token=reply.request_token,
        refused_because=refused_because,
        # Masked whole before it is cut, so that the cut leaves no part of a card number to be read.
        **{name: card_numbers.mask("message", value) for name, value in told.items()},
    )
    return CyberSourceReply.objects.create(
        reply_type=reply_type,
        order_id=attempt.order_id if attempt else None,
        user_id=attempt.owner_id if attempt else None,
        attempt=attempt,
        data=reply.for_storage(card_numbers.mask),
        reason_code=reply.reason_code,
        amount=reply.amount,
        auth_amount=reply.auth_amount,
        signed_date_time=reply.signed_at,
        result=Result.REFUSED if refused_because else Result.RECEIVED,
        date_processed=clock.now() if refused_because else None,
        **columns,
    )


# -- settle --------------------------------------------------------------------------------------------------------


@sensitive_variables()
def settle(entry: CyberSourceReply, reply: Reply | None = None, *, held: set[int] | None = None) -> str:
    """Settle a logged reply, then what reviewers told of its payment before it came; return what became of it.

    It is ``received`` when that cannot be done now. Whatever the reason, the row is safe: the next delivery, the
    shopper's next look at the pending page, or ``cybersource_reprocess`` settles it. An order that somebody else keeps
    locked is added to ``held``.
    """
    try:
        outcome = Outcome.from_reply(reply or Reply.from_signed(entry.data))
        result = settlement.settle(entry, outcome)
    except Exception as problem:
        if locks.is_locked(problem):
            logger.warning("Reply %s is stored and waits: somebody else holds its order locked.", entry.pk)
            if held is not None:
                held.add(entry.order_id)
        else:
            logger.exception("Reply %s could not be settled; it is kept and will be tried again.", entry.pk)
        return Result.RECEIVED
    matching.apply_told_before(outcome, log_row=entry.pk)
    return result


def catch_up(attempt: PaymentAttempt) -> None:
    """Settle what is stored for an attempt's order and never took effect."""
    unsettled = CyberSourceReply.objects.filter(result=Result.RECEIVED, order=attempt.order_id, attempt__isnull=False)
    with locks.lock_deadline(locks.FOR_A_RETRY):
        for entry in unsettled.order_by("pk"):
            settle(entry)


@sensitive_variables()
def reprocess() -> dict[str, int]:
    """Act on every logged reply that never took effect, oldest first. Returns how many ended in which result.

    ``waiting`` are those that could not be settled now either. Safe while shops are trading and on several machines at
    once: settling twice is settling once. An order that somebody holds locked is waited for shortly, and once.
    """
    counts: dict[str, int] = {}
    held: set[int] = set()
    unsettled = CyberSourceReply.objects.filter(result=Result.RECEIVED, attempt__isnull=False)
    for batch in paging.batches(unsettled, size=BATCH):
        for entry in batch:
            result: str = Result.RECEIVED
            if entry.order_id not in held:
                with locks.lock_deadline(locks.FOR_A_RETRY):
                    result = settle(entry, held=held)
            word = "waiting" if result == Result.RECEIVED else str(result)
            counts[word] = counts.get(word, 0) + 1
    return counts
