"""Faults of the REST services on demand."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from cybersource.simulator.rest.wire import RestReply, encoded, server_error
from cybersource.simulator.rest_access import RestAccess


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
        """Make the next call go wrong, or the next whose path ends in ``action`` (``captures``), ids left out."""
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


def not_processed(fault: RestFault) -> RestReply:
    """Return what is answered to a request that a fault kept from being processed."""
    match fault:
        case RestFault.LOST:
            return RestReply(status=0, drop=True)
        case RestFault.SYSTEM_ERROR:
            return RestReply(status=502, body=encoded(server_error("SYSTEM_ERROR", datetime.now(UTC))))
        case RestFault.UNAVAILABLE:
            return RestReply(status=503, headers=(("Retry-After", "7"),))
        case RestFault.THROTTLED:
            return RestReply(status=429, headers=(("Retry-After", "7"),))
        case RestFault.FORBIDDEN:
            return RestReply(status=403, body=b"<html><title>Forbidden</title></html>")
    return RestReply(status=401, body=encoded({"response": {"rmsg": "Authentication Failed"}}))


def spoiled(reply: RestReply, fault: RestFault, access: RestAccess) -> RestReply:
    """Return what a fault makes of an answer to something that was processed."""
    status, body = reply.status, reply.body
    match fault:
        case RestFault.NO_ANSWER:
            return RestReply(status=0, drop=True)
        case RestFault.SLOW:
            return replace(reply, delay_seconds=access.slow_seconds)
        case RestFault.BROKEN_OFF:
            return replace(reply, break_off=True)
        case RestFault.TRUNCATED:
            return RestReply(status=status, body=body[: len(body) // 2])
        case RestFault.EMPTY:
            return RestReply(status=status)
        case RestFault.HTML:
            return RestReply(status=status, body=b"<!DOCTYPE html><title>Sign in to the network</title>")
        case RestFault.SERVER_TIMEOUT:
            return RestReply(status=502, body=encoded(server_error("SERVER_TIMEOUT", datetime.now(UTC))))
        case RestFault.BAD_GATEWAY:
            return RestReply(status=502, body=b"<html><h1>502 Bad Gateway</h1></html>")
    answer = json.loads(body or b"{}")
    if not isinstance(answer, dict):
        answer = {"items": answer}
    if fault is RestFault.UNKNOWN_FIELDS:
        answer |= {"unheardOf": {"deep": [None, {"x": 1.5}]}, "details": {"field": 7}, "_links": {"odd": "text"}}
    if fault is RestFault.UNKNOWN_STATUS:
        answer["status"] = "SETTLED_TWICE_REMOVED"
    if fault is RestFault.UNDECRYPTABLE:
        answer = {"encryptedResponse": "e30.bm90.Zm9y.eW91.IQ"}
    return RestReply(status=status, body=encoded(answer))
