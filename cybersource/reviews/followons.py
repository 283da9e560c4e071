"""Settlements and reversals that a reviewer started together with the decision."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from ..db import clock
from ..models import FollowonResult, ReviewNotificationUpdate, clipped
from ..payments import amounts, ledger, operation_queue, orders
from ..payments import attention as needs
from ..protocol import ReviewDecision, ReviewUpdate

State = ReviewNotificationUpdate.State


# -- what CyberSource did with the money -------------------------------------------------------------------------------


def record_followon(order: Any, reviewed: Any, row: ReviewNotificationUpdate, update: ReviewUpdate, state: str) -> None:
    """Record the settlement or reversal a reviewer started with the decision; a settlement is a capture of ours.

    It may come with a later telling of the same decision. One that belongs to a decision against ours is kept and
    noted, and moves no money here.
    """
    followon = update.followon
    assert followon is not None
    told, created = FollowonResult.objects.get_or_create(
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
    if not created:
        return
    message = _("Decision Manager reports: %(application)s, %(status)s (%(id)s).") % {
        "application": told.application or "-",
        "status": told.status or "-",
        "id": told.request_id or "-",
    }
    if reversed_with(update):
        holds = needs.holds_left().filter(order=order, transaction_id=reviewed.reference)
        needs.clear(holds, _("The reviewer released it."))
    if settled_with(update) and state != State.CONFLICTING and not ledger.knows(order, followon.request_id):
        held = amounts.column_of(reviewed.source, ledger.ALLOCATED)
        if amounts.column_of(reviewed.source, ledger.DEBITED) + amounts.amount_of(reviewed) > held:
            message += " " + _("It had been captured before. Check whether the money was captured twice.")
        else:
            ledger.record_capture(order, reviewed, reference=followon.request_id, at=clock.now())
            message += " " + _("It is recorded as captured; do not capture it again.")
    orders.note(order, message)


def settled_with(update: ReviewUpdate) -> bool:
    """Whether the reviewer captured the money together with an ACCEPT."""
    return update.new_decision == ReviewDecision.ACCEPT and update.followon is not None and update.followon.settled


def reversed_with(update: ReviewUpdate) -> bool:
    """Whether the authorization was reversed. Under which name is not documented, so any reversal will do."""
    followon = update.followon
    return bool(followon and followon.status.lower() == "success" and "revers" in followon.application.lower())


def is_reversed_by_itself(update: ReviewUpdate) -> bool:
    """Whether the shop is to give back a hold that the reviewer's rejection left on the card."""
    return operation_queue.is_automatic("rejected") and not reversed_with(update)
