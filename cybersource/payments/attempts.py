"""Attempts that follow one another within one payment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, Subquery

from ..models import UNSETTLED_STATES, AttemptState, CyberSourceReply, PaymentAttempt, PaymentToken
from ..protocol import TransactionType
from . import orders

#: The transaction types of each flow, first form first.
FLOW_STEPS: Mapping[str, tuple[TransactionType, ...]] = {
    "two-step": (TransactionType.CREATE_PAYMENT_TOKEN, TransactionType.AUTHORIZATION),
    "one-step": (TransactionType.AUTHORIZATION_WITH_TOKEN,),
    "sale": (TransactionType.SALE,),
    "sale-with-token": (TransactionType.SALE_WITH_TOKEN,),
    "token-then-server": (TransactionType.CREATE_PAYMENT_TOKEN, TransactionType.AUTHORIZATION),
}

#: The flow whose second step is a call of the shop's server.
SERVER_FLOW = "token-then-server"

#: States of an attempt that pays, or may yet.
LIVE_STATES = (*UNSETTLED_STATES, AttemptState.REVIEW, AttemptState.AUTHORIZED)


def begin_next_step(attempt: PaymentAttempt, token: PaymentToken) -> PaymentAttempt:
    """Write the attempt for the step that follows a stored card. The order's row is locked by the caller."""
    steps = FLOW_STEPS[attempt.flow]
    following = steps[steps.index(TransactionType(attempt.transaction_type)) + 1]
    return PaymentAttempt.objects.create(
        previous=attempt,
        token=token,
        transaction_type=following,
        channel=PaymentAttempt.Channel.REST if attempt.flow == SERVER_FLOW else attempt.channel,
        extra_fields=attempt.next_extra_fields,
        **{
            name: getattr(attempt, name)
            for name in (
                "order",
                "method_key",
                "flow",
                "reference_number",
                "amount",
                "currency",
                "profile_id",
                "access_key",
                "hostname",
                "language",
                "session_hash",
                "customer_ip_address",
                "is_limited",
                "device_fingerprint_id",
            )
        },
    )


@dataclass(frozen=True)
class PaymentStep:
    """An attempt as it was read, with everything that its form needs.

    ``has_stored_answer``: a reply to it, or a charge for its order, is stored and could not take effect yet. Nothing is
    asked again until then.
    """

    attempt: PaymentAttempt
    has_stored_answer: bool


def read_steps(which: Q) -> list[PaymentStep]:
    """Return these attempts, newest first, in one statement."""
    unsettled = CyberSourceReply.objects.filter(
        Q(attempt=OuterRef("pk")) | Q(decision__in=("ACCEPT", "REVIEW")),
        order=OuterRef("order"),
        result=CyberSourceReply.Result.RECEIVED,
    )
    found = PaymentAttempt.objects.select_related(
        "token",
        "order__user",
        "order__billing_address__country",
        "order__shipping_address__country",
    ).annotate(stored_answer=Exists(unsettled))
    return [PaymentStep(attempt, attempt.stored_answer) for attempt in found.filter(which).order_by("-pk")]


def latest_step(attempt_id: int) -> PaymentStep | None:
    """Return the attempt, or the step that followed it, in one statement."""
    return next(iter(read_steps(Q(pk=attempt_id) | Q(previous=attempt_id))), None)


def step_to_show(attempt_id: int, order_id: int) -> PaymentStep | None:
    """Return what a payment state shows: the latest step of its attempt, or of one begun later. One statement.

    Two answers to one session may be written in the wrong order, and then the session names an attempt that another has
    replaced. What the same session began later for the order is shown in its place, so that its form is seen.
    """
    session_hash = PaymentAttempt.objects.filter(pk=attempt_id).exclude(session_hash="").values("session_hash")
    later = Q(order=order_id, pk__gt=attempt_id, state__in=LIVE_STATES, session_hash=Subquery(session_hash[:1]))
    found = read_steps(Q(pk=attempt_id) | Q(previous=attempt_id) | later)
    own = next((step for step in found if attempt_id in (step.attempt.pk, step.attempt.previous_id)), None)
    if own is None:
        return None
    others = [step for step in found if attempt_id not in (step.attempt.pk, step.attempt.previous_id)]
    of_its_method = [step for step in others if step.attempt.method_key == own.attempt.method_key]
    if own.attempt.state in LIVE_STATES:
        # It may pay the order, or does; but the form that was begun for the rest is to be seen.
        awaits = orders.awaits_payment(own.attempt.order)
        shown = [step for step in of_its_method if step.attempt.state == AttemptState.OPEN and awaits]
    elif own.attempt.state == AttemptState.REPLACED and not of_its_method:
        shown = [step for step in others if step.attempt.state == AttemptState.OPEN]
    else:
        shown = of_its_method
    return shown[0] if shown else own
