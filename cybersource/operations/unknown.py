"""Operations whose end nobody knows, or that cannot be sent: staff are asked about each, once."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from ..db import clock
from ..models import UNDER_WAY, Attention, AttentionItem, OperationState, PaymentOperation
from ..payments import attention as needs
from ..payments import orders
from .found import LISTED_AFTER, WITH

State = OperationState


def list_in_doubt(*, at: datetime | None = None) -> int:
    """List every operation that has no end after a day, also while CyberSource cannot be asked. Returns how many.

    Of a plan the step that the others wait for.
    """
    kinds = (Attention.UNKNOWN_OPERATION, Attention.WAITING_OPERATION)
    asked = AttentionItem.objects.filter(kind__in=kinds, operation=OuterRef("pk"), date_cleared=None)
    earlier = PaymentOperation.objects.filter(
        plan=OuterRef("plan"), position__lt=OuterRef("position"), state__in=UNDER_WAY
    ).exclude(plan="")
    overdue = (
        PaymentOperation.objects.annotate(began=Coalesce("date_sent", "date_created"))
        .filter(~Exists(asked), ~Exists(earlier), state__in=UNDER_WAY, began__lte=clock.at_or_now(at) - LISTED_AFTER)
        .select_related(*WITH)
        .order_by("pk")
    )
    return sum(list_unknown(operation) for operation in list(overdue))


def list_unknown(operation: PaymentOperation) -> bool:
    """Ask staff about an operation of which nobody can find out how it ended, or that cannot be sent. Once."""
    kind = Attention.WAITING_OPERATION if operation.state == State.QUEUED else Attention.UNKNOWN_OPERATION
    with orders.in_the_shops_language():
        new = needs.flag(
            kind,
            operation.order,
            operation.attempt,
            operation=operation,
            transaction_uuid=operation.idempotency_id,
            amount=operation.amount,
            currency=operation.currency,
            reference_number=operation.reference_number,
            detail=operation.kind,
        )
        if new:
            message = _("%(what)s %(number)s: %(why)s. %(advice)s")
            words = {
                "what": operation.get_kind_display(),
                "number": operation.reference_number,
                "why": kind.label,
                "advice": needs.ADVICE[kind],
            }
            if operation.order is not None:
                orders.note(operation.order, message % words)
    return new


def clear_known() -> None:
    """What staff were asked about and is known now needs nobody any more."""
    asked = AttentionItem.objects.filter(kind=Attention.UNKNOWN_OPERATION, operation__isnull=False)
    known = asked.exclude(operation__state__in=(State.QUEUED, State.SENT, State.UNKNOWN))
    needs.clear(known, _("How it ended was found out."))
    waiting = AttentionItem.objects.filter(kind=Attention.WAITING_OPERATION, operation__isnull=False)
    needs.clear(waiting.exclude(operation__state=State.QUEUED), _("It was sent."))
