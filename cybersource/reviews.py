"""What reviewers decided: a notification is stored, each of its updates matched, recorded, and told.

An update takes effect once, however often and in whatever order it is told. One that matches nothing yet waits for its
transaction; one that the transition table lacks is noted on the order and otherwise left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from . import ledger, orders, signals
from .announcements import announce
from .conf import conf
from .models import (
    AttemptState,
    FollowonResult,
    PaymentAttempt,
    ReviewNotification,
    ReviewNotificationUpdate,
    clipped,
)
from .protocol import (
    BadNotification,
    ProtocolError,
    ReviewDecision,
    ReviewUpdate,
    mask_card_numbers,
    parse_notification,
)

OrderNote = get_model("order", "OrderNote")
Transaction = get_model("payment", "Transaction")

logger = logging.getLogger(__name__)

State = ReviewNotificationUpdate.State

#: How much of an unreadable notification is kept as evidence.
UNREADABLE_KEPT = 4096


class OtherMerchant(ProtocolError):
    """The notification is about another merchant's payments."""

    def __init__(self) -> None:
        super().__init__("other-merchant", "The notification names another merchant than CYBERSOURCE_MERCHANT_ID.")


def receive(content: bytes, *, remote_address: str | None = None) -> ReviewNotification:
    """Store one notification and act on each of its updates.

    Raises :class:`~cybersource.protocol.ProtocolError` when it is unreadable or another merchant's. An update that
    fails is kept as failed and harms none of the others. Callers must not hold a transaction open.
    """
    try:
        told = parse_notification(content)
    except BadNotification as problem:
        store(
            content[:UNREADABLE_KEPT], remote_address, state=ReviewNotification.State.UNREADABLE, problem=problem.rule
        )
        raise
    with transaction.atomic():
        notification = store(content, remote_address, merchant_id=told.merchant_id)
        foreign = bool(conf.merchant_id) and told.merchant_id != conf.merchant_id
        rows = ReviewNotificationUpdate.objects.bulk_create(
            row_for(notification, position, update, State.FOREIGN if foreign else State.WAITING)
            for position, update in enumerate(told.updates)
        )
    if foreign:
        raise OtherMerchant
    results = [try_to_apply(row, update) for row, update in zip(rows, told.updates, strict=True)]
    if State.FAILED not in results:
        notification.state = ReviewNotification.State.HANDLED
        notification.save(update_fields=["state"])
    return notification


def store(
    content: bytes, remote_address: str | None, *, merchant_id: str = "", problem: str = "", state: str = ""
) -> ReviewNotification:
    text = content.decode("utf-8", "replace").replace("\x00", "")
    return ReviewNotification.objects.create(
        content=mask_card_numbers("content", text),
        remote_address=remote_address,
        state=state or ReviewNotification.State.RECEIVED,
        **clipped(ReviewNotification, merchant_id=merchant_id, problem=problem),
    )


def row_for(
    notification: ReviewNotification, position: int, update: ReviewUpdate, state: str
) -> ReviewNotificationUpdate:
    return ReviewNotificationUpdate(
        notification=notification,
        position=position,
        payload=masked(update.as_json()),
        state=state,
        **clipped(
            ReviewNotificationUpdate,
            reference_number=update.reference_number,
            request_id=update.request_id,
            decision=update.decision_text,
            reviewer=update.reviewer,
        ),
    )


def masked(value: Any) -> Any:
    """Mask card numbers in what people wrote; identifiers stay whole."""
    if isinstance(value, dict):
        return {
            name: part if name in ("reference_number", "request_id") else masked(part) for name, part in value.items()
        }
    if isinstance(value, list):
        return [masked(part) for part in value]
    return mask_card_numbers("comment", value) if isinstance(value, str) else value


def apply_waiting(*, request_id: str = "") -> int:
    """Act on stored updates that still wait or failed: of one transaction, or all. Returns how many moved on."""
    rows = ReviewNotificationUpdate.objects.filter(state__in=(State.WAITING, State.FAILED)).order_by("pk")
    if request_id:
        rows = rows.filter(request_id=request_id)
    moved = 0
    for row in rows:
        moved += try_to_apply(row, ReviewUpdate.from_json(row.payload)) not in (State.WAITING, State.FAILED)
    return moved


def try_to_apply(row: ReviewNotificationUpdate, update: ReviewUpdate) -> str:
    """Act on one update in a transaction of its own; an error marks it failed and is logged."""
    try:
        return apply(row, update)
    except Exception:
        logger.exception("Review update %s could not be recorded; it is kept and will be tried again.", row.pk)
        ReviewNotificationUpdate.objects.filter(pk=row.pk).update(state=State.FAILED)
        return State.FAILED


@transaction.atomic
def apply(row: ReviewNotificationUpdate, update: ReviewUpdate) -> str:
    """Match one update and record it, with the order's and then the transaction's row locked."""
    found = matching(update)
    if found is None:
        return close(row, State.WAITING)
    order = orders.locked(found.source.order_id)
    reviewed = Transaction.objects.select_for_update(of=("self",)).select_related("source", "token").get(pk=found.pk)
    row.transaction = reviewed
    write_notes(order, update)
    state = decide(order, reviewed, update)
    if state == State.RECORDED and update.followon:
        record_followon(order, reviewed, row, update)
    if state == State.RECORDED:
        announce(signals.review_recorded, sender=type(reviewed), order=order, transaction=reviewed, update=update)
    return close(row, state)


def matching(update: ReviewUpdate) -> Any:
    """The authorization that both the order number and the request id name, or None."""
    if not (update.reference_number and update.request_id):
        return None
    same_order = Q(source__order__number=update.reference_number) | Q(log__reference_number=update.reference_number)
    return (
        Transaction.objects.filter(same_order, reference=update.request_id, txn_type=Transaction.AUTHORISE)
        .select_related("source")
        .first()
    )


def close(row: ReviewNotificationUpdate, state: str) -> str:
    row.state = state
    row.date_handled = None if state == State.WAITING else timezone.now()
    row.save(update_fields=["state", "transaction", "date_handled"])
    return state


def decide(order: Any, reviewed: Any, update: ReviewUpdate) -> str:
    """Move the transaction along the table; say what became of the update."""
    if update.new_decision is None:
        return State.NOTED
    if reviewed.status == update.new_decision:
        return State.REPEATED
    effect = REVIEW_TRANSITIONS.get((reviewed.status, update.new_decision))
    if effect is None:
        note_once(
            order,
            _(
                "Decision Manager now says %(new)s for transaction %(id)s, which stands at %(old)s here. Nothing was "
                "changed; decide what to do about it."
            )
            % {"new": update.new_decision, "old": reviewed.status, "id": reviewed.reference},
        )
        return State.CONFLICTING
    reviewed.status = update.new_decision.value
    reviewed.save(update_fields=["status"])
    orders.note(order, decided(update, reviewed))
    effect(order, reviewed, update)
    return State.RECORDED


def release(order: Any, reviewed: Any, update: ReviewUpdate) -> None:
    """The reviewer accepts: what was held for review now counts towards the order."""
    move_attempt(reviewed, AttemptState.AUTHORIZED)
    orders.authorize_if_covered(order, hostname=hostname_of(reviewed))


def reject(order: Any, reviewed: Any, update: ReviewUpdate) -> None:
    """The reviewer rejects: nothing counts any more, and the order is declined unless other money covers it."""
    source = reviewed.source
    source.amount_allocated = max(source.amount_allocated - reviewed.amount, ledger.NOTHING)
    source.save(update_fields=["amount_allocated"])
    move_attempt(reviewed, AttemptState.DECLINED)
    if orders.is_cancelled(order) or order.status == checkout_settings.ORDER_STATUS_SHIPPED:
        orders.note(order, _("The order keeps its status '%(status)s' all the same.") % {"status": order.status})
    elif orders.money_held(order) < order.total_incl_tax:
        orders.decline(order, hostname=hostname_of(reviewed))


#: Which decision may follow which. What the table lacks is noted on the order and changes nothing.
REVIEW_TRANSITIONS: dict[tuple[str, ReviewDecision], Callable[[Any, Any, ReviewUpdate], None]] = {
    ("REVIEW", ReviewDecision.ACCEPT): release,
    ("REVIEW", ReviewDecision.REJECT): reject,
}


def move_attempt(reviewed: Any, state: str) -> None:
    PaymentAttempt.objects.filter(source=reviewed.source, state=AttemptState.REVIEW).update(state=state)


def hostname_of(reviewed: Any) -> str:
    attempt = PaymentAttempt.objects.filter(source=reviewed.source).only("hostname").first()
    return attempt.hostname if attempt else ""


def record_followon(order: Any, reviewed: Any, row: ReviewNotificationUpdate, update: ReviewUpdate) -> None:
    """Record the settlement or reversal a reviewer started with the decision; a settlement is a capture of ours."""
    followon = update.followon
    assert followon is not None
    _row, created = FollowonResult.objects.get_or_create(
        transaction=reviewed,
        request_id=followon.request_id[:64],
        defaults={
            "update": row,
            **clipped(
                FollowonResult,
                application=followon.application,
                status=followon.status,
                decision=followon.decision,
                reason_code=followon.reason_code,
                message=followon.message,
            ),
        },
    )
    if created and followon.settled and update.new_decision == ReviewDecision.ACCEPT:
        ledger.record_capture(order, reviewed, reference=followon.request_id, at=timezone.now())


def decided(update: ReviewUpdate, reviewed: Any) -> str:
    return _("Decision Manager: %(reviewer)s decided %(decision)s for transaction %(id)s. %(comments)s") % {
        "reviewer": update.reviewer or _("a reviewer"),
        "decision": update.new_decision,
        "id": reviewed.reference,
        "comments": mask_card_numbers("comment", update.comments),
    }


def write_notes(order: Any, update: ReviewUpdate) -> None:
    """Write each of the reviewer's notes once: messages repeat all notes so far, and notes have no identity."""
    messages = [
        _("Decision Manager note by %(author)s (%(date)s): %(text)s")
        % {
            "author": written.added_by or "-",
            "date": written.date_text or _("undated"),
            "text": mask_card_numbers("comment", written.comment),
        }
        for written in update.notes
        if written.comment or written.added_by
    ]
    if not messages:
        return
    known = set(OrderNote.objects.filter(order=order, message__in=messages).values_list("message", flat=True))
    for message in dict.fromkeys(messages):
        if message not in known:
            orders.note(order, message)


def note_once(order: Any, message: str) -> None:
    if not OrderNote.objects.filter(order=order, message=message).exists():
        orders.note(order, message)
