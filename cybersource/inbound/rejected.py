"""Evidence of refused posts, with a ceiling: the endpoint is open to anybody and must not fill the disk."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from ..db import clock
from ..models import RefusedPost, ReplyType, card_numbers

ROWS_AN_HOUR = 200
NAMES_KEPT = 80

#: What the protocol's own names and values look like. Whatever else is posted may be anything, a card or an address.
A_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
A_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.,:_-]{0,99}")
NOT_KEPT = "?"

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
            names.append(name if A_NAME.fullmatch(name) and not masked(name) else NOT_KEPT)
        if name in HARMLESS and name not in values:
            values[name] = value if A_WORD.fullmatch(value) and not masked(value) else NOT_KEPT
    return RefusedPost.objects.create(
        reply_type=reply_type,
        rule=rule[:64],
        remote_address=remote_address,
        summary={"values": values, "names": names},
    )


def room_left(refused: QuerySet[Any]) -> bool:
    """Whether this hour's evidence has not reached its ceiling, among rows that have a ``date_created``."""
    recent = refused.filter(date_created__gt=clock.now() - timedelta(hours=1)).order_by()
    return recent[:ROWS_AN_HOUR].count() < ROWS_AN_HOUR


def masked(text: str) -> bool:
    """Whether a text may hold a card number."""
    return card_numbers.mask("message", text) != text
