"""What reviewers decided is recorded, whoever brought it: stored (committed), matched, given its effect once.

    ReviewUpdate -> stored row (committed) -> matched Transaction -> recorded state -> signal

A notification, the conversion report and a decision that the shop itself sent over REST all end here, each with its
source. Callers must not hold a transaction open: what was told is committed before any of it has an effect.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ..db import locks
from ..models import ReviewNotification, ReviewNotificationUpdate, card_numbers, clipped
from ..protocol import ReviewUpdate
from .matching import apply_all

logger = logging.getLogger(__name__)

State = ReviewNotificationUpdate.State
Source = ReviewNotificationUpdate.Source


def record_decision(update: ReviewUpdate, *, source: Source) -> str:
    """Record one decision that no notification brought; return the state that its row ended in."""
    (state,) = record_decisions([update], source=source)
    return state


def record_decisions(updates: Sequence[ReviewUpdate], *, source: Source) -> list[str]:
    """Record decisions that no notification brought, in their order; return the state that each row ended in."""
    kept = [masked(update) for update in updates]
    return act_on(locks.retry_on_conflict(lambda: store(kept, source=source)), kept)


def store(
    updates: Sequence[ReviewUpdate], *, source: Source, notification: ReviewNotification | None = None, **columns: Any
) -> list[ReviewNotificationUpdate]:
    """Store masked updates as rows, in the order they were told."""
    return ReviewNotificationUpdate.objects.bulk_create(
        row_for(update, position, source=source, notification=notification, **columns)
        for position, update in enumerate(updates)
    )


def act_on(rows: Sequence[ReviewNotificationUpdate], updates: Sequence[ReviewUpdate]) -> list[str]:
    """Let stored updates take effect; return the state that each row ended in."""
    states = apply_all(list(zip(rows, updates, strict=True)))
    for row, state in zip(rows, states, strict=True):
        if state == State.WAITING:
            logger.warning("Review update %s matches no transaction of ours. It is kept and waits for one.", row.pk)
    return states


def row_for(update: ReviewUpdate, position: int, **columns: Any) -> ReviewNotificationUpdate:
    """Make the row that keeps a masked update, in its own words unless ``columns`` say otherwise."""
    return ReviewNotificationUpdate(
        position=position,
        **clipped(
            ReviewNotificationUpdate,
            reference_number=update.reference_number,
            request_id=update.request_id,
            decision=update.decision_text,
            reviewer=update.reviewer,
        ),
        **{"payload": update.as_json(), **columns},
    )


def masked(update: ReviewUpdate) -> ReviewUpdate:
    """Return the update with every likely card number masked. A request id has 22 digits, which is no card's length."""

    def without_cards(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {part: without_cards(part, inner) for part, inner in value.items()}
        if isinstance(value, list):
            return [without_cards(name, part) for part in value]
        return card_numbers.mask("comment", value) if isinstance(value, str) else value

    return ReviewUpdate.from_json(without_cards("", update.as_json()))
