"""Faults of webhooks on demand."""

import threading
from enum import StrEnum


class WebhookFault(StrEnum):
    """One thing that goes wrong with one event's delivery."""

    LOST = "lost"
    TWICE = "twice"
    LATE = "late"
    SWAPPED = "swapped"
    OLD_TIMESTAMP = "old-timestamp"
    FOREIGN_KEY = "foreign-key"
    BROKEN_SIGNATURE = "broken-signature"

    @property
    def meaning(self) -> str:
        """What happens, for people."""
        return _MEANINGS[self]


_MEANINGS: dict[WebhookFault, str] = {
    WebhookFault.LOST: "Never sent.",
    WebhookFault.TWICE: "Sent twice, the same bytes.",
    WebhookFault.LATE: "Sent some seconds later.",
    WebhookFault.SWAPPED: "Held back until the next event was sent.",
    WebhookFault.OLD_TIMESTAMP: "Well signed, a day ago.",
    WebhookFault.FOREIGN_KEY: "Signed under a key that is not the shop's.",
    WebhookFault.BROKEN_SIGNATURE: "The shop's key is named, but something else was signed.",
}


class WebhookFaults:
    """The switches. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: list[tuple[WebhookFault, str]] = []

    def next(self, fault: WebhookFault | str, *, event: str = "") -> None:
        """Make the next delivery go wrong, or the next of an event type."""
        with self._lock:
            self._next.append((WebhookFault(fault), event))

    def clear(self) -> None:
        """Forget what was switched and not used."""
        with self._lock:
            self._next.clear()

    def take(self, event: str) -> WebhookFault | None:
        """Return what was switched for this delivery, and count it."""
        with self._lock:
            for at, (fault, wanted) in enumerate(self._next):
                if wanted in ("", event):
                    del self._next[at]
                    return fault
        return None
