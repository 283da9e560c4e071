"""What is due to the shop's server and nobody waits for: put here by the gateway, fetched by the courier.

Without a courier it stays here and can be looked at. Bounded: the oldest is forgotten.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cybersource.simulator.records import HealthCheck, Notification, PlannedWebhook

KEEP = 1000


@dataclass(frozen=True, kw_only=True)
class Due:
    """One message, and how long from now it is to be sent."""

    message: Notification | PlannedWebhook | HealthCheck
    after_seconds: float = 0.0


class Outbox:
    """Not locked on its own: the gateway holds its lock."""

    def __init__(self) -> None:
        self._kept: deque[Due] = deque(maxlen=KEEP)
        self.fetch: Callable[[Due], None] | None = None  #: the courier's ear, which must not block

    def __iter__(self) -> Iterator[Due]:
        return iter(list(self._kept))

    def put(self, due: Due) -> None:
        """Have a message sent."""
        if self.fetch:
            self.fetch(due)
        else:
            self._kept.append(due)
