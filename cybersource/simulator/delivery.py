"""The courier: the only part that opens connections, and only to this machine.

Merchant POSTs travel on threads of their own, review notifications while the reviewer waits; what nobody waits for lies
in the gateway's outbox, and one thread takes it out in the order in which it is due. What became of each is recorded
with the gateway. Only webhooks are tried again: for the other messages the real service documents no retries, so a
shop must not learn to count on them.
"""

import heapq
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ssl import create_default_context
from typing import Any
from urllib.parse import urlsplit

from cybersource.simulator.gateway import Gateway
from cybersource.simulator.outbox import KEEP, Due
from cybersource.simulator.records import Answer, Delivery, HealthCheck, Notification, PlannedPost, PlannedWebhook
from cybersource.simulator.review import CONTENT_TYPE
from cybersource.simulator.settings import NotLoopback, require_loopback

#: (url, body, timeout in seconds) -> HTTP status; ``method`` and ``headers`` where it is no form that is posted.
#: Raises OSError or HTTPException when there is no answer.
Transport = Callable[..., int]

FORM = {"Content-Type": CONTENT_TYPE}


def send(url: str, body: bytes, timeout: float, *, method: str = "POST", headers: Mapping[str, str] = FORM) -> int:
    """Send a request to a loopback URL and return the status. Follows no redirect and asks no proxy."""
    parts = urlsplit(require_loopback(url))
    connection: HTTPConnection
    if parts.scheme == "https":
        # A shop on one's own machine has no certificate that anybody vouches for.
        context = create_default_context()
        context.check_hostname = False
        context.verify_mode = 0  # type: ignore[assignment]
        connection = HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout, context=context)
    else:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body or None, headers={"Accept": "*/*", **headers})
        response = connection.getresponse()
        response.read(65536)
        return response.status
    finally:
        connection.close()


@dataclass(kw_only=True)
class Courier:
    """Delivers for one gateway."""

    gateway: Gateway
    transport: Transport = send
    _closing: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _rounds: threading.Condition = field(default_factory=threading.Condition, init=False, repr=False)
    _due: list[tuple[float, int, Due]] = field(default_factory=list, init=False, repr=False)
    _put: int = field(default=0, init=False, repr=False)
    _rounder: threading.Thread | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.gateway.outbox.fetch = self._fetch

    def before_page(self, answer: Answer) -> None:
        """Send what comes before the page, then hold the page back as long as it is to be."""
        for planned in answer.merchant_posts:
            if planned.before_page:
                self.send(planned)
        self.hold_back(answer.delay_seconds)

    def hold_back(self, seconds: float) -> None:
        """Wait, unless the server is stopped meanwhile."""
        self._closing.wait(seconds)

    def after_page(self, answer: Answer) -> None:
        """Send what comes after the page, in the background."""
        for planned in answer.merchant_posts:
            if not planned.before_page:
                self._in_background(planned)

    def send(self, planned: PlannedPost) -> Delivery:
        """Send one merchant POST now."""
        return self._deliver("merchant POST", planned.payment_id, planned.url, planned.body)

    def notify(self, notification: Notification) -> Delivery:
        """Send one review notification now."""
        return self._deliver("review notification", notification.payment_id, notification.url, notification.body)

    def close(self, timeout: float = 2.0) -> None:
        """Forget what is still waiting, and wait shortly for what is under way."""
        self._closing.set()
        with self._rounds:
            self._rounds.notify_all()
        with self._lock:
            threads = [*self._threads, *filter(None, [self._rounder])]
        for thread in threads:
            thread.join(timeout)

    def _in_background(self, planned: PlannedPost) -> None:
        def run() -> None:
            if not self._closing.wait(planned.after_seconds):
                self.send(planned)

        thread = threading.Thread(target=run, name="simulator-merchant-post", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def _fetch(self, due: Due) -> None:
        with self._rounds:
            self._put += 1
            heapq.heappush(self._due, (time.monotonic() + due.after_seconds, self._put, due))
            if len(self._due) > KEEP:
                self._due.pop()  # the last of a heap is never its first
            if self._rounder is None and not self._closing.is_set():
                self._rounder = threading.Thread(target=self._go_round, name="simulator-outbox", daemon=True)
                self._rounder.start()
            self._rounds.notify_all()

    def _go_round(self) -> None:
        while not self._closing.is_set():
            with self._rounds:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._rounds.wait(wait)
                    continue
                due = heapq.heappop(self._due)[2]
            self._send_due(due)

    def _send_due(self, due: Due) -> None:
        match due.message:
            case Notification():
                self.notify(due.message)
            case PlannedWebhook() as planned:
                self._send_webhook(planned)
            case HealthCheck() as check:
                self._check(check)

    def _send_webhook(self, planned: PlannedWebhook) -> None:
        hub = self.gateway.webhooks
        envelope = hub.envelope(planned)
        if envelope is None:
            return
        for _copy in range(planned.copies):
            delivery = self._deliver(
                "webhook",
                planned.payment_id,
                planned.url,
                envelope.body,
                about=planned.event,
                headers=envelope.headers,
            )
        hub.answered(planned, delivery.succeeded)

    def _check(self, check: HealthCheck) -> None:
        answers = [
            self._deliver("health check", "", check.url, b"", about=method, method=method, headers={})
            for method in ("GET", "POST")
        ]
        self.gateway.webhooks.health_checked(check, all(answer.succeeded for answer in answers))

    def _deliver(
        self, kind: str, payment_id: str, url: str, body: bytes, *, about: str = "", **request: Any
    ) -> Delivery:
        at, began = self.gateway.now(), time.monotonic()
        status, error = None, ""
        try:
            if not url:
                raise NotLoopback("The profile has no URL for this")
            status = self.transport(url, body, self.gateway.settings.delivery_timeout, **request)
        except TimeoutError:
            error = "The shop did not answer in time"
        except ConnectionRefusedError:
            error = "Nobody answers at this address: is the shop running?"
        except NotLoopback as problem:
            error = str(problem)
        except (OSError, HTTPException, ValueError) as problem:
            error = f"The connection failed ({type(problem).__name__})"
        delivery = Delivery(
            kind=kind,
            payment_id=payment_id,
            url=url.partition("?")[0],
            at=at,
            status=status,
            error=error,
            seconds=round(time.monotonic() - began, 3),
            about=about,
        )
        self.gateway.record_delivery(delivery)
        return delivery
