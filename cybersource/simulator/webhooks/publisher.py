"""The hub: what happened by any channel goes out to who subscribed to it, signed, and again until it is taken.

Nothing is sent here: what is due lies in the gateway's outbox, and the courier says how it went.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Condition
from typing import Any

from cybersource.simulator.outbox import Due, Outbox
from cybersource.simulator.records import HealthCheck, Payment, PlannedWebhook
from cybersource.simulator.rest.followon import Asked, NotAllowed
from cybersource.simulator.rest.transactions import Transaction
from cybersource.simulator.settings import Settings, require_loopback
from cybersource.simulator.store import Memory
from cybersource.simulator.webhook_switches import PayloadShape, Signed, WebhookSwitches
from cybersource.simulator.webhooks import events
from cybersource.simulator.webhooks.faults import WebhookFault, WebhookFaults
from cybersource.simulator.webhooks.signing import header
from cybersource.simulator.webhooks.subscriptions import KEEP, Key, Status, Subscription, waits

HEALTH_MINUTES = 5  #: after a subscription was made, changed or suspended; the guide says five to ten
OLD = timedelta(days=1)  #: how old an old timestamp is


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One delivery as it goes over the wire."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)


class Webhooks:
    """The account's webhooks. Everything here may be called from several threads at once."""

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        merchant_id: Callable[[], str],
        memory: Memory,
        clock: Callable[[], datetime],
        outbox: Outbox,
        changed: Condition,
    ) -> None:
        self._settings = settings
        self._merchant_id = merchant_id
        self._memory = memory
        self._clock = clock
        self._outbox = outbox
        self._changed = changed
        self._subscriptions: dict[str, Subscription] = {}
        self._keys: list[Key] = []
        self._held: list[Due] = []
        self.faults = WebhookFaults()

    # ---------------------------------------------------------------- for tests and pages

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All of them, oldest first."""
        with self._changed:
            return tuple(self._subscriptions.values())

    @property
    def key(self) -> Key | None:
        """The key that signs now: the newest."""
        with self._changed:
            return self._keys[-1] if self._keys else None

    def products(self) -> dict[str, tuple[str, ...]]:
        """Return what the account may subscribe to: product -> event types."""
        return events.products(new_names=self._switches.new_names)

    def create_key(self, *, days: int = 365) -> Key:
        """Make a key, which signs from now on in place of the one before."""
        with self._changed:
            self._keys.append(Key.made(now=self._clock(), days=days))
            return self._keys[-1]

    def subscribe(
        self,
        url: str,
        *,
        products: Mapping[str, Iterable[str]] | None = None,
        health_url: str = "",
        name: str = "Shop",
        description: str = "",
        policy: Mapping[str, Any] | None = None,
        active: bool = True,
    ) -> Subscription:
        """Subscribe a URL of this machine, to all events unless ``products`` says less. The first key is the sandbox's.

        With ``active`` it delivers at once; without, it becomes active as at CyberSource: after the review of its URL,
        by its health check or by hand.
        """
        for each in filter(None, (url, health_url)):
            require_loopback(each)
        with self._changed:
            made = Subscription(
                id=str(uuid.uuid4()),
                name=name,
                description=description,
                organization_id=self._merchant_id(),
                products={product: tuple(kinds) for product, kinds in (products or self.products()).items()},
                url=url,
                health_url=health_url,
                status=Status.ACTIVE,
                created=self._clock(),
            )
            if policy:
                made.policy = {**made.policy, **policy}
            self._subscriptions[made.id] = made
            while len(self._subscriptions) > KEEP:
                del self._subscriptions[next(iter(self._subscriptions))]
            if not self._keys:
                self._keys.append(Key.of_the_sandbox(now=self._clock()))
            if not active:
                self.look_at(made)
            return made

    def get(self, id: str) -> Subscription:
        """Return one subscription, or raise KeyError."""
        with self._changed:
            return self._subscriptions[id]

    def delete(self, id: str) -> None:
        """Forget a subscription; what is on its way to it is not sent."""
        with self._changed:
            del self._subscriptions[id]

    def look_at(self, subscription: Subscription) -> None:
        """Begin with a new or changed URL: the review if there is one, then the health check."""
        subscription.status = Status.INACTIVE
        if self._switches.urls_reviewed:
            subscription.status = Status.PENDING_REVIEW
        elif subscription.health_url:
            self._check_health(subscription)

    def approve(self, id: str) -> None:
        """Say that a person looked at the URL and found it good."""
        with self._changed:
            subscription = self.get(id)
            if subscription.status is not Status.PENDING_REVIEW:
                raise ValueError("The URL does not wait for a review")
            subscription.status = Status.INACTIVE
            if subscription.health_url:
                self._check_health(subscription)
            self._changed.notify_all()

    def set_status(self, id: str, status: str) -> None:
        """Switch a subscription on or off by hand. What was queued is sent when it is switched on."""
        with self._changed:
            subscription = self.get(id)
            if subscription.status in {Status.PENDING_REVIEW, Status.BLOCKED}:
                raise ValueError(f"It is {subscription.status}")
            if status not in {Status.ACTIVE, Status.INACTIVE}:
                raise ValueError("A subscription is made ACTIVE or INACTIVE")
            subscription.status = Status(status)
            self._send_queued(subscription)
            self._changed.notify_all()

    def block(self, id: str) -> None:
        """Say that a person found the URL bad."""
        with self._changed:
            self.get(id).status = Status.BLOCKED

    # ---------------------------------------------------------------- what happened

    def transaction(self, made: Transaction) -> None:
        """Tell of a transaction of any channel, and of the token that came with it."""
        self._money(made, events.end_of(made), events.of_money(made))
        payment = made.payment
        if made.by != "Secure Acceptance" or payment is None:
            return
        if payment.payment_token:
            self.announce("tms.token.created", events.of_token(payment.payment_token), payment.id)
        elif "update_payment_token" in payment.transaction_type and made.status != "DECLINED":
            self.announce("tms.token.updated", events.of_token(made.card.token), payment.id)

    def refused(self, kind: str, parent: Transaction, asked: Asked, problem: NotAllowed) -> None:
        """Tell that a follow-on was refused. Its id is new: nothing is found under it."""
        data = {
            "id": self._memory.next_request_id(self._clock()),
            "status": "INVALID_REQUEST",
            "reason": problem.reason,
            "clientReferenceInformation": {"code": asked.reference or parent.reference},
        }
        self._money(replace(parent, kind=kind), "reject", data)

    def batched(self, made: Transaction) -> None:
        """Tell that a capture or refund went into the batch."""
        self._money(made, "updated", events.of_money(made, status="TRANSMITTED"))

    def case(self, payment: Payment, decision: str) -> None:
        """Tell of a decision on a case, or of a note if there is none."""
        event = f"decision.{decision.lower()}" if decision else "addnote"
        self.announce(f"risk.casemanagement.{event}", events.of_case(payment), payment.id)

    def announce(self, event: str, data: Mapping[str, Any], payment_id: str = "") -> None:
        """Plan a delivery to each subscription that wants the event; queue it for those that are suspended."""
        with self._changed:
            for subscription in self._subscriptions.values():
                if not (product := subscription.product_of(event)):
                    continue
                if subscription.status is Status.ACTIVE:
                    self._plan(subscription, product, event, data, payment_id)
                elif subscription.status is Status.SUSPENDED and len(subscription.queued) < KEEP:
                    subscription.queued.append((product, event, data, payment_id))

    def test(self, id: str) -> dict[str, Any]:
        """Send the test payload to a subscription, whatever its status, and return the notification's body."""
        with self._changed:
            subscription = self.get(id)
            product, kinds = next(iter(subscription.products.items()))
            data = {"message": "This is a test notification."}
            planned = self._plan(subscription, product, kinds[0], data, "", shape=PayloadShape.TEST)
            return self._body(planned, subscription)

    # ---------------------------------------------------------------- for the courier

    def envelope(self, planned: PlannedWebhook) -> Envelope | None:
        """Return a delivery signed now, or None if nobody wants it any more."""
        with self._changed:
            subscription, key = self._subscriptions.get(planned.subscription_id), self.key
            test = planned.shape == PayloadShape.TEST
            if subscription is None or key is None or not (test or subscription.status is Status.ACTIVE):
                return None
            now, switches = self._clock(), self._switches
        body = self._body(planned, subscription)
        compact = switches.signed is not Signed.COMPACT
        raw = _written(body, compact=compact)
        member = body.get("payload", body.get("payloads"))
        whole = switches.signed is Signed.BODY or not ("payload" in body or isinstance(member, list))
        covered = raw if whole else _written(member)
        if planned.fault == WebhookFault.FOREIGN_KEY:
            key = Key.made(now=now)
        if planned.fault == WebhookFault.BROKEN_SIGNATURE:
            covered += b"\n"
        at = now - OLD if planned.fault == WebhookFault.OLD_TIMESTAMP else now
        headers = {
            "Content-Type": "application/json",
            "v-c-signature": header(key.id, key.secret, int(at.timestamp() * 1000), covered),
            "v-c-event-type": planned.event,
            "v-c-organization-id": subscription.organization_id,
            "v-c-product-name": planned.product,
            "v-c-webhook-id": subscription.id,
            "v-c-transaction-trace-id": planned.trace_id,
            "v-c-request-type": body["requestType"],
            "v-c-retry-count": str(planned.attempt),
        }
        return Envelope(body=raw, headers=headers)

    def answered(self, planned: PlannedWebhook, succeeded: bool) -> None:
        """Take note of how a delivery went, and plan the next attempt if it failed."""
        with self._changed:
            subscription = self._subscriptions.get(planned.subscription_id)
            if succeeded or subscription is None or planned.shape == PayloadShape.TEST:
                return
            pauses = waits(subscription.policy)
            if planned.attempt < len(pauses):
                again = replace(planned, attempt=planned.attempt + 1, trace_id=str(uuid.uuid4()), fault="", copies=1)
                after = pauses[planned.attempt] * self._switches.minute_seconds
                self._outbox.put(Due(message=again, after_seconds=after))
            elif subscription.policy["deactivateFlag"] is True:
                subscription.status = Status.SUSPENDED
                subscription.queued.append((planned.product, planned.event, planned.data, planned.payment_id))
                self._check_health(subscription)
            self._changed.notify_all()

    def health_checked(self, check: HealthCheck, healthy: bool) -> None:
        """Take note of what the health URL said."""
        with self._changed:
            subscription = self._subscriptions.get(check.subscription_id)
            if subscription is None or subscription.status not in {Status.INACTIVE, Status.SUSPENDED}:
                return
            subscription.status = Status.ACTIVE if healthy else Status.SUSPENDED
            if healthy:
                self._send_queued(subscription)
            elif subscription.policy["deactivateFlag"] is True:
                self._check_health(subscription)
            self._changed.notify_all()

    # ---------------------------------------------------------------- parts

    @property
    def _switches(self) -> WebhookSwitches:
        return self._settings().webhooks

    def _money(self, made: Transaction, end: str, data: Mapping[str, Any]) -> None:
        event = events.of_transaction(made.kind, end, new_names=self._switches.new_names)
        if event:
            self.announce(event, data, made.payment.id if made.payment else "")

    def _plan(
        self,
        subscription: Subscription,
        product: str,
        event: str,
        data: Mapping[str, Any],
        payment_id: str,
        *,
        shape: str = "",
    ) -> PlannedWebhook:
        fault = self.faults.take(event)
        planned = PlannedWebhook(
            payment_id=payment_id,
            subscription_id=subscription.id,
            url=subscription.url,
            product=product,
            event=event,
            data=data,
            at=self._clock(),
            trace_id=str(uuid.uuid4()),
            shape=shape,
            fault=fault or "",
            copies=2 if fault is WebhookFault.TWICE else 1,
        )
        after = self._switches.after_seconds + (self._switches.late_seconds if fault is WebhookFault.LATE else 0)
        due = Due(message=planned, after_seconds=after)
        if fault is WebhookFault.SWAPPED:
            self._held.append(due)
        elif fault is not WebhookFault.LOST:
            held, self._held = self._held, []
            for each in (due, *held):
                self._outbox.put(each)
        return planned

    def _body(self, planned: PlannedWebhook, subscription: Subscription) -> dict[str, Any]:
        inner = {"data": planned.data, "organizationId": subscription.organization_id}
        body: dict[str, Any] = {
            "eventType": planned.event,
            "webhookId": subscription.id,
            "productId": planned.product,
            "organizationId": subscription.organization_id,
            "eventDate": f"{planned.at:%Y-%m-%dT%H:%M:%S}",
            "transactionTraceId": planned.trace_id,
            "retryNumber": planned.attempt,
        }
        match planned.shape or self._switches.payload:
            case PayloadShape.TEST:
                # What the test call sends has a text for a number. Source: webhooks guide, "Verify a Subscription".
                sent = planned.data if planned.shape else inner
                body |= {"payloads": {"testPayload": sent}, "retryNumber": str(planned.attempt)}
            case PayloadShape.ARRAY:
                body["payload"] = [inner]
            case PayloadShape.PAYLOADS:
                body["payloads"] = [inner]
            case _:
                body["payload"] = inner
        return {**body, "requestType": "RETRY" if planned.attempt else "NEW"}

    def _send_queued(self, subscription: Subscription) -> None:
        if subscription.status is Status.ACTIVE:
            queued, subscription.queued = subscription.queued, []
            for product, event, data, payment_id in queued:
                self._plan(subscription, product, event, data, payment_id)

    def _check_health(self, subscription: Subscription) -> None:
        if subscription.health_url:
            check = HealthCheck(subscription_id=subscription.id, url=subscription.health_url)
            self._outbox.put(Due(message=check, after_seconds=HEALTH_MINUTES * self._switches.minute_seconds))


def _written(content: Any, *, compact: bool = True) -> bytes:
    separators = (",", ":") if compact else (", ", ": ")
    return json.dumps(content, ensure_ascii=False, separators=separators).encode("utf-8")
