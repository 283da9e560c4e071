"""A posted reply is verified, logged, and only then takes effect.

    posted -> Reply (verified) -> CyberSourceReply (committed) -> Outcome -> settlement

Browser reply and merchant POST are two doors to ``receive``. Callers must not hold a transaction open: the log row's
commit has to be real before anything else happens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import OperationalError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import evidence, profiles, reviews, settlement
from .models import CyberSourceReply, PaymentAttempt, ReplyType, clipped
from .protocol import Decision, Outcome, OutcomeKind, ProtocolError, Reply, mask_card_numbers

logger = logging.getLogger(__name__)

Result = CyberSourceReply.Result

#: How often a settlement is tried that PostgreSQL broke off in favour of another transaction.
TRIES = 3

#: Decisions whose reply must repeat all that we asked.
HOLD_MONEY = (Decision.ACCEPT, Decision.REVIEW)


class NotOurs(ProtocolError):
    """The signature is good, but the reply answers no attempt of ours as we began it."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule, "The reply does not fit what we asked.")


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of a reply."""

    attempt: PaymentAttempt
    result: str


@sensitive_variables()
def receive(posted: Iterable[tuple[str, str]], *, reply_type: ReplyType, remote_address: str | None = None) -> Receipt:
    """Verify, log and settle one posted reply.

    Raises :class:`~cybersource.protocol.ProtocolError` when the post is no reply to an attempt of ours; its ``rule``
    says why and is safe to log. Any other exception leaves the log row behind, and the next delivery (or
    ``cybersource_reprocess``) settles it.
    """
    posted = list(posted)
    try:
        reply = Reply.from_post(posted, secret_for=profiles.secret_for)
    except ProtocolError as refused:
        problem = refused
    else:
        return act_on_verified(reply, reply_type)
    # Outside the handler, so that an error while storing does not carry the post's values along in its context.
    evidence.keep(posted, rule=problem.rule, reply_type=reply_type, remote_address=remote_address)
    raise problem


@sensitive_variables()
def act_on_verified(reply: Reply, reply_type: ReplyType) -> Receipt:
    """Log a reply whose signature is good, and settle it if it answers an attempt of ours."""
    attempt = PaymentAttempt.objects.select_related("order").filter(transaction_uuid=reply.transaction_uuid).first()
    misfit = why_not_ours(reply, attempt)
    if misfit and not evidence.room_left(CyberSourceReply.objects.filter(result=Result.REFUSED)):
        raise NotOurs(misfit)
    entry = log(reply, attempt, reply_type, refused_because=misfit)
    if attempt is None or misfit:
        raise NotOurs(misfit)
    return Receipt(attempt=attempt, result=act_on(entry, reply))


def why_not_ours(reply: Reply, attempt: PaymentAttempt | None) -> str:
    """Return the name of the first thing in which the reply differs from what we asked; empty when nothing does.

    A reply that holds money must repeat all of it. One that holds none may leave fields out (a 104 may carry little of
    the first request), but what it does carry must fit. Source: Secure Acceptance Checkout API guide, reason code 104.
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
        if told is None and reply.decision not in HOLD_MONEY:
            continue
        if told != expected:
            return f"other-{name.replace('_', '-')}"
    return ""


@sensitive_variables()
def log(
    reply: Reply, attempt: PaymentAttempt | None, reply_type: ReplyType, *, refused_because: str = ""
) -> CyberSourceReply:
    """Write the log row, in a commit of its own."""
    order = attempt.order if attempt else None
    columns = clipped(
        CyberSourceReply,
        decision=reply.decision_text,
        message=mask_card_numbers("message", reply.message),
        transaction_id=reply.transaction_id or "",
        transaction_type=reply.transaction_type or "",
        transaction_uuid=reply.transaction_uuid,
        reference_number=mask_card_numbers("req_reference_number", reply.reference_number or ""),
        currency=reply.currency or "",
        auth_code=reply.auth_code,
        auth_avs_code=reply.avs_code,
        auth_cv_result=reply.cvn_code,
        request_token=reply.request_token,
        card_number=mask_card_numbers("req_card_number", reply.card_number),
        card_type=reply.card_type,
        card_expiry_date=reply.card_expiry,
        refused_because=refused_because,
    )
    return CyberSourceReply.objects.create(
        reply_type=reply_type,
        order=order,
        user_id=order.user_id if order else None,
        attempt=attempt,
        data=reply.for_storage(),
        reason_code=reply.reason_code,
        amount=reply.amount,
        auth_amount=reply.auth_amount,
        signed_date_time=reply.signed_at,
        result=Result.REFUSED if refused_because else Result.RECEIVED,
        date_processed=timezone.now() if refused_because else None,
        **columns,
    )


def act_on(entry: CyberSourceReply, reply: Reply) -> str:
    """Settle a logged reply, then whatever reviews were told of its transaction before it came."""
    outcome = Outcome.from_reply(reply)
    result = settled(entry, outcome)
    if outcome.kind in (OutcomeKind.REVIEW, OutcomeKind.ACCEPTED, OutcomeKind.PARTIAL) and outcome.transaction_id:
        reviews.apply_waiting(request_id=outcome.transaction_id)
    return result


def settled(entry: CyberSourceReply, outcome: Outcome) -> str:
    """Settle, once more where PostgreSQL chose this transaction to end a deadlock: settling twice is settling once.

    api-checkout's retry of an order deletes its lines before it locks the order, the other way round than we do.
    """
    for _again in range(TRIES - 1):
        try:
            return settlement.settle(entry, outcome)
        except OperationalError as problem:
            if not is_conflict(problem):
                raise
            logger.warning("Reply %s met a conflicting transaction and is settled again.", entry.pk)
    return settlement.settle(entry, outcome)


def is_conflict(problem: OperationalError) -> bool:
    """Deadlock or serialization failure, as psycopg and psycopg2 name them."""
    cause = problem.__cause__
    return (getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)) in ("40P01", "40001")


def reprocess() -> dict[str, int]:
    """Act on every logged reply that never took effect, oldest first. Returns how many ended in which result.

    Safe while shops are trading and on several machines at once: settling twice is settling once.
    """
    counts: dict[str, int] = {}
    for entry in CyberSourceReply.objects.filter(result=Result.RECEIVED, attempt__isnull=False).order_by("pk"):
        try:
            result = act_on(entry, Reply.from_signed(entry.data))
        except Exception:  # one bad row must not keep the others waiting
            logger.exception("Reply %s could not be settled; it is kept and will be tried again.", entry.pk)
            result = "failed"
        counts[result] = counts.get(result, 0) + 1
    return counts
