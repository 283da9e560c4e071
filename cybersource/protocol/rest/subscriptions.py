"""Webhook subscriptions: what may be subscribed to, the key that signs deliveries, and the subscriptions themselves.

Source: webhooks guide; the vendor's samples for notification subscriptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ..errors import InvalidRequest
from .answer import ROWS, at, text
from .calls import Call, Operation, organization

_WEBHOOK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")

KEYS = "/kms/egress/v2/keys-sym"
SUBSCRIPTIONS = "/notification-subscriptions/v2/webhooks"

#: The gateway's own default gives up after three minutes. This one holds out for a day, and an endpoint that is down
#: for longer has its deliveries queued until its health URL answers again.
RETRY_POLICY: Mapping[str, Any] = {
    "algorithm": "ARITHMETIC",
    "firstRetry": 1,
    "interval": 5,
    "numberOfRetries": 10,
    "deactivateFlag": True,
    "repeatSequenceCount": 5,
    "repeatSequenceWaitTime": 60,
}

#: Statuses that a subscription can be given.
STATUSES = ("ACTIVE", "INACTIVE")


@dataclass(frozen=True, kw_only=True)
class Product:
    """A group of events that the account may subscribe to."""

    id: str
    event_types: tuple[str, ...]
    encrypted: frozenset[str]  #: those of the event types that are delivered encrypted

    @classmethod
    def read_all(cls, content: Mapping[str, Any] | None) -> tuple[Product, ...]:
        return tuple(cls._read(row) for row in _rows(content) if text(row, "productId"))

    @classmethod
    def _read(cls, row: Mapping[str, Any]) -> Product:
        events = dict(_events(row))
        return cls(
            id=text(row, "productId"),
            event_types=tuple(events),
            encrypted=frozenset(name for name, encrypted in events.items() if encrypted),
        )


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One webhook as the gateway lists it, or answers that it made it."""

    id: str
    name: str
    status: str  #: PENDING_REVIEW (by people, a day or two), INACTIVE, ACTIVE, SUSPENDED, BLOCKED
    url: str
    health_url: str
    event_types: tuple[str, ...]

    @classmethod
    def read(cls, row: Any) -> Subscription:
        products = at(row, "products")
        named = [row, *(products if isinstance(products, list) else ())]
        return cls(
            id=text(row, "webhookId"),
            name=text(row, "name"),
            status=text(row, "status"),
            url=text(row, "webhookUrl"),
            health_url=text(row, "healthCheckUrl"),
            event_types=tuple(dict.fromkeys(name for each in named for name, _encrypted in _events(each))),
        )

    @classmethod
    def read_all(cls, content: Mapping[str, Any] | None) -> tuple[Subscription, ...]:
        return tuple(cls.read(row) for row in _rows(content))


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key that was just made. It is shown this once and never again."""

    key_id: str
    key: str = field(repr=False)  #: in Base64
    expires: str

    @classmethod
    def read(cls, content: Mapping[str, Any] | None) -> NewKey | None:
        """Return the key that an answer holds, or None where it holds none."""
        made = cls(
            key_id=text(content, "keyInformation.keyId"),
            key=text(content, "keyInformation.key"),
            expires=text(content, "keyInformation.expirationDate"),
        )
        return made if made.key_id and made.key else None


def webhook_products(organization_id: str) -> Call:
    """Ask what the account may subscribe to; it lists only what is enabled for it."""
    target = f"/notification-subscriptions/v2/products/{organization(organization_id)}"
    return Call(operation=Operation.WEBHOOK_PRODUCTS, method="get", target=target)


def webhook_key(organization_id: str, *, days: int = 365) -> Call:
    """Have a key made that signs deliveries. It takes the place of the one before."""
    information = {
        "provider": "nrtd",
        "tenant": organization(organization_id),
        "keyType": "sharedSecret",
        "organizationId": organization_id,
        "expiryDuration": str(days),
    }
    body = {"clientRequestAction": "CREATE", "keyInformation": information}
    return Call(operation=Operation.WEBHOOK_KEY, method="post", target=KEYS, body=body)


def create_webhook(
    organization_id: str,
    *,
    name: str,
    products: Mapping[str, Sequence[str]],
    url: str,
    health_url: str,
    description: str = "",
) -> Call:
    """Subscribe ``url`` to event types, by product, to be retried by :data:`RETRY_POLICY`.

    The addresses must be https, and are looked at by people before anything is delivered to them.
    """
    if not products or not all(products.values()):
        raise InvalidRequest("webhook-events", "A subscription is to some event of each product.", "products")
    body = {
        "name": name,
        "description": description or name,
        "organizationId": organization(organization_id),
        "products": [{"productId": product, "eventTypes": list(events)} for product, events in products.items()],
        "webhookUrl": url,
        "healthCheckUrl": health_url,
        "notificationScope": "SELF",
        "securityPolicy": {"securityType": "KEY"},
        "retryPolicy": dict(RETRY_POLICY),
    }
    return Call(operation=Operation.CREATE_WEBHOOK, method="post", target=SUBSCRIPTIONS, body=body)


def list_webhooks(organization_id: str, *, product_id: str, event_type: str) -> Call:
    """List the subscriptions to an event."""
    query = {"organizationId": organization(organization_id), "productId": product_id, "eventType": event_type}
    return Call(operation=Operation.LIST_WEBHOOKS, method="get", target=f"{SUBSCRIPTIONS}?{urlencode(query)}")


def delete_webhook(webhook_id: str) -> Call:
    return Call(operation=Operation.DELETE_WEBHOOK, method="delete", target=_subscription(webhook_id))


def set_webhook_status(webhook_id: str, status: str) -> Call:
    if status not in STATUSES:
        raise InvalidRequest("webhook-status", f"A subscription can be made {' or '.join(STATUSES)}.", "status")
    target = f"{_subscription(webhook_id)}/status"
    return Call(operation=Operation.SET_WEBHOOK_STATUS, method="put", target=target, body={"status": status})


def _subscription(id: str) -> str:
    if not _WEBHOOK_ID.fullmatch(id):
        raise InvalidRequest("webhook-id", "The id of a webhook is letters, digits and hyphens.", "webhook_id")
    return f"{SUBSCRIPTIONS}/{id}"


def _rows(content: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    rows = at(content, ROWS)
    yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _events(row: Any) -> Iterator[tuple[str, bool]]:
    """The event types of a product, which come by name or as objects, and whether each is delivered encrypted."""
    listed = at(row, "eventTypes")
    for each in listed if isinstance(listed, list) else ():
        name = each if isinstance(each, str) else text(each, "eventName")
        if name:
            yield name, isinstance(each, dict) and each.get("payloadEncryption") is True
