"""Who wants to hear of what, under which key, and how often a delivery is tried again."""

import base64
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cybersource.simulator.webhook_switches import SANDBOX_WEBHOOK_KEY, SANDBOX_WEBHOOK_KEY_ID

#: Source: webhooks guide, retry policy; integrators' samples.
DEFAULT_POLICY: Mapping[str, Any] = {
    "algorithm": "ARITHMETIC",
    "firstRetry": 1,
    "interval": 1,
    "numberOfRetries": 3,
    "deactivateFlag": False,
    "repeatSequenceCount": 0,
    "repeatSequenceWaitTime": 0,
}
KEEP = 100


class Status(StrEnum):
    """Whether a subscription delivers. Source: webhooks guide."""

    PENDING_REVIEW = "PENDING_REVIEW"  #: its URL is looked at by people
    INACTIVE = "INACTIVE"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"  #: the URL is down
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key that signs deliveries."""

    id: str
    secret: str = field(repr=False)  #: Base64
    expires: datetime

    @classmethod
    def made(cls, *, now: datetime, days: int = 365) -> "Key":
        secret = base64.b64encode(secrets.token_bytes(32)).decode("ascii")
        return cls(id=str(uuid.uuid4()), secret=secret, expires=now + timedelta(days=days))

    @classmethod
    def of_the_sandbox(cls, *, now: datetime) -> "Key":
        return cls(id=SANDBOX_WEBHOOK_KEY_ID, secret=SANDBOX_WEBHOOK_KEY, expires=now + timedelta(days=365))


@dataclass(kw_only=True)
class Subscription:
    """One webhook."""

    id: str
    name: str
    organization_id: str
    products: dict[str, tuple[str, ...]]
    url: str
    health_url: str
    status: Status
    created: datetime
    description: str = ""
    policy: Mapping[str, Any] = field(default_factory=lambda: dict(DEFAULT_POLICY))
    queued: list[tuple[str, str, Mapping[str, Any], str]] = field(default_factory=list, repr=False)  #: while suspended

    def product_of(self, event: str) -> str:
        """Return the product under which an event is wanted; empty: it is not."""
        return next((product for product, events in self.products.items() if event in events), "")


def waits(policy: Mapping[str, Any]) -> list[float]:
    """Return how many minutes pass before each retry, from the attempt before it.

    ARITHMETIC: ``firstRetry + interval * (n - 1)`` for retry n, GEOMETRIC: ``firstRetry * interval ** (n - 1)``. The
    sequence is repeated ``repeatSequenceCount`` times, each after ``repeatSequenceWaitTime`` more.
    Source: webhooks guide, "Retry policy".
    """
    first, interval, retries = (float(policy[name]) for name in ("firstRetry", "interval", "numberOfRetries"))
    geometric = policy["algorithm"] == "GEOMETRIC"
    sequence = [first * interval**number if geometric else first + interval * number for number in range(int(retries))]
    repeats = int(policy["repeatSequenceCount"])
    pause = float(policy["repeatSequenceWaitTime"])
    again = [pause + sequence[0], *sequence[1:]] if sequence else []
    return sequence + again * repeats
