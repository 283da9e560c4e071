"""Decision Manager's notification is stored as it was posted, and each of its updates recorded.

    body -> Notification -> stored rows (committed) -> recorded as every decision is (:mod:`.recording`)

An update takes effect once, however often and in whatever order it is told. One that matches nothing yet waits for its
transaction; one that the transition table lacks is noted on the order and otherwise left alone.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from ..conf import conf
from ..db import clock, locks
from ..models import ReviewNotification, ReviewNotificationUpdate, card_numbers, clipped
from ..protocol import BadNotification, Notification, ProtocolError, ReviewUpdate, content_from_body, parse_notification
from . import recording
from .matching import MARGIN

State = ReviewNotificationUpdate.State
Source = ReviewNotificationUpdate.Source

#: How much is kept as evidence of what was refused, a notification and an hour. The endpoint may be open to anybody.
REFUSED_BYTES = 4096
REFUSED_UPDATES = 20
REFUSED_AN_HOUR = 200


class OtherMerchant(ProtocolError):
    """The notification is about another merchant's payments."""

    def __init__(self) -> None:
        super().__init__("other-merchant", "The notification names another merchant than CYBERSOURCE_MERCHANT_ID.")


# -- a notification comes ------------------------------------------------------------------------------------------


def receive(body: bytes, content_type: str = "", *, remote_address: str | None = None) -> ReviewNotification:
    """Store one notification, as it was posted, and act on each of its updates.

    Raises :class:`~cybersource.protocol.ProtocolError` when it is unreadable or another merchant's. An update that
    fails, for one because somebody keeps its order locked, is kept as failed and harms none of the others. Callers
    must not hold a transaction open: what was told is committed before any of it has an effect.
    """
    content = b""
    try:
        content = content_from_body(body, content_type)
        told = parse_notification(content)
    except BadNotification as problem:
        # A body in which no document was found may be any form, with a card in it: no more than its shape is kept.
        keep_unreadable(content or f"{len(body)} bytes of {content_type}".encode(), problem, remote_address)
        raise
    if conf.merchant_id and told.merchant_id != conf.merchant_id:
        keep_foreign(content, told, remote_address)
        raise OtherMerchant
    notification, rows, updates = locks.retry_on_conflict(lambda: store(content, told, remote_address))
    if State.FAILED not in recording.act_on(rows, updates):
        notification.state = ReviewNotification.State.HANDLED
        notification.save(update_fields=["state"])
    return notification


@transaction.atomic
def store(
    content: bytes, told: Notification, remote_address: str | None
) -> tuple[ReviewNotification, list[ReviewNotificationUpdate], list[ReviewUpdate]]:
    """Keep the notification; return its rows and its updates as they are kept, which is as they are acted on."""
    updates = [recording.masked(update) for update in told.updates]
    notification = ReviewNotification.objects.create(
        content=evidence(content),
        remote_address=remote_address,
        **clipped(ReviewNotification, merchant_id=card_numbers.mask("comment", told.merchant_id)),
    )
    return notification, recording.store(updates, source=Source.NOTIFICATION, notification=notification), updates


def evidence(content: bytes) -> str:
    """PostgreSQL stores no NUL, and nobody a card number."""
    return card_numbers.mask("content", content.decode("utf-8", "replace").replace("\x00", ""))


# -- what is refused, with a ceiling -------------------------------------------------------------------------------


def keep_unreadable(content: bytes, problem: ProtocolError, remote_address: str | None) -> None:
    if not room_left():
        return
    ReviewNotification.objects.create(
        content=evidence(content[: REFUSED_BYTES + MARGIN])[:REFUSED_BYTES],
        remote_address=remote_address,
        state=ReviewNotification.State.UNREADABLE,
        **clipped(ReviewNotification, problem=problem.rule),
    )


@transaction.atomic
def keep_foreign(content: bytes, told: Notification, remote_address: str | None) -> None:
    if not room_left():
        return
    notification = ReviewNotification.objects.create(
        content=evidence(content[: REFUSED_BYTES + MARGIN])[:REFUSED_BYTES],
        remote_address=remote_address,
        state=ReviewNotification.State.HANDLED,
        **clipped(
            ReviewNotification,
            merchant_id=card_numbers.mask("comment", told.merchant_id),
            problem="other-merchant",
        ),
    )
    updates = [recording.masked(update) for update in told.updates[:REFUSED_UPDATES]]
    facts = {"payload": {}, "state": State.FOREIGN, "date_handled": clock.now()}  # whose words are not ours to keep
    recording.store(updates, source=Source.NOTIFICATION, notification=notification, **facts)


def room_left() -> bool:
    """Whether this hour's evidence of refused notifications has not reached its ceiling."""
    an_hour_ago = clock.now() - timedelta(hours=1)
    refused = ReviewNotification.objects.filter(date_created__gt=an_hour_ago).exclude(problem="").order_by()
    return refused[:REFUSED_AN_HOUR].count() < REFUSED_AN_HOUR
