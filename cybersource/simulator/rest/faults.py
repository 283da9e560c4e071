"""Faults of the REST services on demand."""

import threading
from enum import StrEnum


class RestFault(StrEnum):
    """One thing that goes wrong with one REST call."""

    NO_ANSWER = "no-answer"  #: processed, but the connection ends without an answer
    LOST = "lost"  #: nothing is processed: the connection ends without an answer
    SLOW = "slow"  #: processed, but the answer takes ``slow_seconds``
    BROKEN_OFF = "broken-off"  #: processed, but the connection ends in the middle of the answer
    TRUNCATED = "truncated"  #: processed, but the JSON ends in the middle
    EMPTY = "empty"  #: processed, but the answer has no body
    HTML = "html"  #: processed, but a page comes back instead of JSON
    SERVER_TIMEOUT = "server-timeout"  #: processed, but answered 502 SERVER_TIMEOUT
    BAD_GATEWAY = "bad-gateway"  #: processed, but a proxy answers 502 with a page
    SYSTEM_ERROR = "system-error"  #: nothing is processed: 502 SYSTEM_ERROR
    UNAVAILABLE = "unavailable"  #: nothing is processed: 503 with Retry-After
    THROTTLED = "throttled"  #: nothing is processed: 429 with Retry-After
    UNAUTHORIZED = "unauthorized"  #: nothing is processed: 401, as with a wrong key
    FORBIDDEN = "forbidden"  #: nothing is processed: 403 with a page of a firewall
    UNKNOWN_FIELDS = "unknown-fields"  #: processed; the answer holds fields nobody has heard of
    UNKNOWN_STATUS = "unknown-status"  #: processed; the status is a word that no guide lists
    UNDECRYPTABLE = "undecryptable"  #: processed; the answer is encrypted for somebody else


#: Faults after which nothing was processed.
NOT_PROCESSED = frozenset(
    {
        RestFault.LOST,
        RestFault.SYSTEM_ERROR,
        RestFault.UNAVAILABLE,
        RestFault.THROTTLED,
        RestFault.UNAUTHORIZED,
        RestFault.FORBIDDEN,
    }
)


class RestFaults:
    """The switches. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: list[tuple[RestFault, str]] = []

    def next(self, fault: RestFault | str, *, action: str = "") -> None:
        """Make the next call go wrong, or the next whose last part of the path is ``action`` (``captures``)."""
        with self._lock:
            self._next.append((RestFault(fault), action))

    def clear(self) -> None:
        """Forget what was switched and not used."""
        with self._lock:
            self._next.clear()

    def take(self, action: str) -> RestFault | None:
        """Return what was switched for this call, and count it."""
        with self._lock:
            for at, (fault, wanted) in enumerate(self._next):
                if wanted in ("", action):
                    del self._next[at]
                    return fault
        return None
