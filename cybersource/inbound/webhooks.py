"""Webhooks as they come: believed by their signature, stored, and answered.

    POST -> Delivery -> WebhookDelivery (committed) -> answered

A delivery is a hint and changes nothing on its own: :mod:`cybersource.reconciliation.webhook_events` looks into it
later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model

from ..conf import conf
from ..db import clock, locks
from ..gateway import credentials
from ..models import PaymentOperation, PaymentToken, WebhookDelivery, card_numbers, clipped
from ..protocol import ProtocolError
from ..protocol.rest import (
    KEPT_OF_EVENTS,
    BadKeyMaterial,
    Delivery,
    PrivateKey,
    SharedSecret,
    WebhookEvent,
    for_storage,
    open_delivery,
)
from . import rejected

Order = get_model("order", "Order")

logger = logging.getLogger(__name__)

State = WebhookDelivery.State

#: States in which a delivery has yet to be looked into.
PENDING = (State.RECEIVED, State.FAILED)


class EventSubject(Enum):
    """What an event is about, which decides how it is looked into."""

    PAYMENT = "payment"
    DECISION = "decision"
    CARD = "card"
    NOTHING = "nothing"

    @classmethod
    def of(cls, event_type: str) -> EventSubject:
        """Events that we do not know are about nothing: names are CyberSource's to add to.

        A reviewer's note comes with the decision too, whose messages repeat all the notes so far.
        """
        for beginning, about in _BEGINNINGS.items():
            if event_type.startswith(beginning):
                return about
        return cls.NOTHING


_BEGINNINGS = {
    "payments.": EventSubject.PAYMENT,
    "risk.profile.decision.": EventSubject.PAYMENT,
    "risk.casemanagement.decision.": EventSubject.DECISION,
    "tms.": EventSubject.CARD,
}


@sensitive_variables()
def keys() -> dict[str, SharedSecret]:
    """The keys that sign deliveries, by their ids. One that cannot be used is left out, and told by a system check."""
    usable: dict[str, SharedSecret] = {}
    given = conf.webhook_keys
    for key_id, secret in given.items() if isinstance(given, Mapping) else ():
        try:
            usable[key_id] = SharedSecret.from_base64(key_id=key_id, secret=secret)
        except (BadKeyMaterial, AttributeError):
            continue
    return usable


@sensitive_variables()
def receive(body: bytes, signature: str, *, remote_address: str | None = None) -> None:
    """Store one delivery, as far as it is listed what of it is kept. Nothing else happens.

    Raises :class:`~cybersource.protocol.ProtocolError` for one that is not believed, or cannot be read in one way.
    """
    try:
        delivery = open_delivery(
            body,
            header=signature,
            keys=keys(),
            now=clock.now(),
            max_age=conf.webhook_max_age,
            response_key=response_key(),
        )
    except ProtocolError as problem:
        keep_refused(problem, remote_address)
        raise
    locks.retry_on_conflict(lambda: store(delivery, remote_address))


@sensitive_variables()
def response_key() -> PrivateKey | None:
    try:
        return credentials.response_key()
    except (ImproperlyConfigured, BadKeyMaterial):
        logger.error("CYBERSOURCE_REST_MLE_RESPONSE_KEY cannot be used, so encrypted webhooks are refused.")
        return None


def keep_refused(problem: ProtocolError, remote_address: str | None) -> None:
    """Keep that something was refused, and why; of what it said nothing, since nobody vouches for it."""
    if rejected.room_left(WebhookDelivery.objects.filter(state=State.REFUSED)):
        WebhookDelivery.objects.create(
            state=State.REFUSED, problem=problem.rule[:64], remote_address=remote_address, date_handled=clock.now()
        )


@transaction.atomic
def store(delivery: Delivery, remote_address: str | None) -> None:
    """Keep each event of a delivery that was not kept before, and say of each whether it is to be looked into."""
    prints = {f"{delivery.fingerprint[:60]}:{place}": event for place, event in enumerate(delivery.events)}
    known = WebhookDelivery.objects.filter(fingerprint__in=prints).values_list("fingerprint", flat=True)
    for stored in list(known):
        del prints[stored]
    if not prints:
        return
    cards = cards_of(delivery)
    rows = [row_for(delivery, event, fingerprint, cards, remote_address) for fingerprint, event in prints.items()]
    name_orders(rows)
    mark(rows)
    # Somebody else may bring the same message at the same time: one of us stores it.
    WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)


def cards_of(delivery: Delivery) -> Mapping[str, int]:
    """Our keys of the stored cards that a delivery is about, by their tokens: no token is kept a second time."""
    if EventSubject.of(delivery.event_type) is not EventSubject.CARD:
        return {}
    tokens = {token for event in delivery.events for token in event.customers}
    return dict(PaymentToken.objects.filter(token__in=tokens).values_list("token", "pk"))


def row_for(
    delivery: Delivery, event: WebhookEvent, fingerprint: str, cards: Mapping[str, int], remote_address: str | None
) -> WebhookDelivery:
    told: dict[str, Any] = dict(for_storage(event.data, kept_names=KEPT_OF_EVENTS, mask=card_numbers.mask))
    told["signed"] = delivery.covered.value
    if delivery.event_at:
        told["event_at"] = delivery.event_at.isoformat()
    if cards:
        told["cards"] = sorted({cards[token] for token in event.customers if token in cards})
    named = {
        "event_type": delivery.event_type,
        "product_id": delivery.product_id,
        "webhook_id": delivery.webhook_id,
        "trace_id": delivery.trace_id,
        "organization_id": delivery.organization_id,
        "reference_number": event.reference_number,
        "status": event.status,
    }
    return WebhookDelivery(
        is_retry=delivery.is_retry,
        fingerprint=fingerprint,
        payload=told,
        remote_address=remote_address,
        **clipped(
            WebhookDelivery,
            key_id=delivery.key_id,
            # The id of an event about a card may be the card's own, which is a token.
            request_id=""
            if EventSubject.of(delivery.event_type) is EventSubject.CARD
            else card_numbers.mask("id", event.request_id),
            **{name: card_numbers.mask("message", value) for name, value in named.items()},
        ),
    )


def name_orders(rows: Iterable[WebhookDelivery]) -> None:
    """Say which order each is about, where its reference number is an order's or an operation's."""
    numbers = {row.reference_number for row in rows if row.reference_number}
    if not numbers:
        return
    asked = PaymentOperation.objects.filter(reference_number__in=numbers)
    found = dict(asked.values_list("reference_number", "order_id"))
    found |= dict(Order.objects.filter(number__in=numbers).values_list("number", "pk"))
    for row in rows:
        row.order_id = found.get(row.reference_number)  # type: ignore[attr-defined]


def mark(rows: Iterable[WebhookDelivery]) -> None:
    """Say what is to be done about each: look into it, or nothing."""
    ids = {row.request_id for row in rows}
    types = {row.event_type for row in rows}
    before = WebhookDelivery.objects.filter(request_id__in=ids, event_type__in=types).exclude(state=State.REFUSED)
    earlier = list(before.order_by("pk").only("request_id", "event_type", "status", "state", "payload"))
    for row in rows:
        row.state, row.problem = what_to_do(row, earlier)
        if row.state not in PENDING:
            row.date_handled = clock.now()
        earlier.append(row)


def what_to_do(row: WebhookDelivery, earlier: Iterable[WebhookDelivery]) -> tuple[str, str]:
    about = EventSubject.of(row.event_type)
    if about is EventSubject.NOTHING:
        return State.NOTED, ""
    ours = {conf.merchant_id, conf.rest_portfolio_id} - {""}
    if row.organization_id and ours and row.organization_id not in ours:
        return State.NOTED, "other-organization"
    if about is EventSubject.CARD and not row.payload.get("cards"):
        return State.NOTED, "no-card-of-ours"
    if about is not EventSubject.CARD and not row.request_id:
        return State.NOTED, "names-no-payment"
    same = [one for one in earlier if says_the_same(one, row)]
    if any(one.state in PENDING for one in same):
        return State.REPEATED, ""  # looking into that one finds what this one reports
    if any(one.state == State.HANDLED for one in same) and (
        row.status or about is EventSubject.DECISION or row.is_retry
    ):
        return State.REPEATED, ""
    return State.RECEIVED, ""


def says_the_same(one: WebhookDelivery, other: WebhookDelivery) -> bool:
    """A trace id tells nothing here: each time an event is delivered again it has another one."""
    return (one.event_type, one.request_id, one.status) == (
        other.event_type,
        other.request_id,
        other.status,
    ) and one.payload.get("cards") == other.payload.get("cards")
