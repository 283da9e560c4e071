"""Evidence of refused posts, with a ceiling: the door is open to anybody and must not fill the disk."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from .models import RefusedPost, ReplyType
from .protocol import mask_card_numbers

ROWS_AN_HOUR = 200
VALUE_LENGTH = 100
NAMES_KEPT = 80

#: All that is kept of a post nobody vouches for: no card field, no name, no address.
HARMLESS = (
    "decision",
    "reason_code",
    "transaction_id",
    "req_reference_number",
    "req_transaction_uuid",
    "req_transaction_type",
    "req_amount",
    "req_currency",
    "req_profile_id",
    "signed_date_time",
)


@sensitive_variables()
def keep(
    posted: Iterable[tuple[str, str]], *, rule: str, reply_type: ReplyType, remote_address: str | None
) -> RefusedPost | None:
    """Store what the post claimed, or nothing once this hour's ceiling is reached."""
    if not room_left(RefusedPost.objects.all()):
        return None
    values: dict[str, str] = {}
    names: list[str] = []
    for name, value in posted:
        if len(names) < NAMES_KEPT:
            names.append(printable(name)[:40])
        if name in HARMLESS and name not in values:
            values[name] = mask_card_numbers("message", printable(value)[:VALUE_LENGTH])
    return RefusedPost.objects.create(
        reply_type=reply_type,
        rule=rule[:64],
        remote_address=remote_address,
        summary={"values": values, "names": [mask_card_numbers("message", name) for name in names]},
    )


def room_left(refused: QuerySet[Any]) -> bool:
    """Whether this hour's evidence has not reached its ceiling, among rows that have a ``date_created``."""
    recent = refused.filter(date_created__gt=timezone.now() - timedelta(hours=1))
    return recent[:ROWS_AN_HOUR].count() < ROWS_AN_HOUR


def printable(text: str) -> str:
    """PostgreSQL stores no NUL and no lone surrogate."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
