"""``/kms/…`` and ``/notification-subscriptions/…``: keys, products, subscriptions and the test call, over REST.

Source: webhooks guide; the vendor's samples. Where those show no answer the body is ours.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from cybersource.simulator.rest.wire import Call, Stop, at, invalid_request, time
from cybersource.simulator.settings import NotLoopback, require_loopback
from cybersource.simulator.webhooks.publisher import Webhooks
from cybersource.simulator.webhooks.subscriptions import Subscription

_WEBHOOKS = r"/notification-subscriptions/v2/webhooks"
_POLICY = {
    "algorithm": str,
    "firstRetry": int,
    "interval": int,
    "numberOfRetries": int,
    "deactivateFlag": bool,
    "repeatSequenceCount": int,
    "repeatSequenceWaitTime": int,
}
MOST_RETRIES = 100  #: of one delivery, all sequences together; ours


class WebhookServices:
    """Managing webhooks. The gateway's lock is held."""

    def __init__(self, *, hub: Webhooks) -> None:
        self._hub = hub
        self.routes = (
            ("POST", r"/kms/egress/v2/keys-sym", self.create_key),
            ("GET", r"/notification-subscriptions/v2/products/([\w.-]+)", self.products),
            ("POST", _WEBHOOKS, self.create),
            ("GET", _WEBHOOKS, self.listed),
            ("GET", rf"{_WEBHOOKS}/([\w-]+)", self.read),
            ("PATCH", rf"{_WEBHOOKS}/([\w-]+)", self.change),
            ("DELETE", rf"{_WEBHOOKS}/([\w-]+)", self.delete),
            ("PUT", rf"{_WEBHOOKS}/([\w-]+)/status", self.set_status),
            ("POST", r"/notification-subscriptions/v1/webhooks/([\w-]+)", self.test),
        )

    def create_key(self, call: Call) -> tuple[int, dict[str, Any]]:
        if call.text("clientRequestAction") != "CREATE":
            raise call.refusal("INVALID_DATA", "CREATE.", "clientRequestAction")
        under = "keyInformation"
        wanted = {"provider": "nrtd", "tenant": call.merchant_id, "keyType": "sharedSecret"}
        for name, value in {**wanted, "organizationId": call.merchant_id}.items():
            if call.text(f"{under}.{name}") != value:
                raise call.refusal("INVALID_DATA", f"{value}.", f"{under}.{name}")
        days = str(at(call.data, f"{under}.expiryDuration") or "365")
        if not days.isdecimal() or not 1 <= int(days) <= 365:
            raise call.refusal("INVALID_DATA", "1 to 365 days.", f"{under}.expiryDuration")
        key = self._hub.create_key(days=int(days))
        return 201, {
            "submitTimeUtc": time(call.now),
            "status": "SUCCESS",
            "keyInformation": {
                **wanted,
                "provider": "NRTD",
                "organizationId": call.merchant_id,
                "keyId": key.id,
                "key": key.secret,
                "status": "Active",
                "expirationDate": f"{key.expires.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+0000",
            },
        }

    def products(self, call: Call, organization_id: str) -> tuple[int, Any]:
        if organization_id != call.merchant_id:
            raise Stop(404, invalid_request(call.now, "NOT_FOUND", "Another organization.").body)
        return 200, [
            {
                "productId": product,
                "productName": product,
                "eventTypes": [{"eventName": each, "payloadEncryption": False} for each in kinds],
            }
            for product, kinds in self._hub.products().items()
        ]

    def create(self, call: Call) -> tuple[int, dict[str, Any]]:
        if call.text("organizationId") != call.merchant_id:
            raise call.refusal("INVALID_DATA", "Another organization.", "organizationId")
        if call.text("securityPolicy.securityType") != "KEY" or self._hub.key is None:
            raise call.refusal("INVALID_DATA", "KEY, once a key was made.", "securityPolicy.securityType")
        made = self._hub.subscribe(
            _url(call, "webhookUrl"),
            health_url=_url(call, "healthCheckUrl") if call.text("healthCheckUrl") else "",
            products=self._wanted(call),
            name=call.text("name"),
            description=call.text("description"),
            policy=_policy(call),
            active=False,
        )
        return 201, _shown(made)

    def listed(self, call: Call) -> tuple[int, Any]:
        asked = call.arguments
        return 200, [
            _shown(each)
            for each in self._hub.subscriptions
            if asked.get("organizationId", call.merchant_id) == each.organization_id
            and asked.get("productId", next(iter(each.products))) in each.products
            and (not asked.get("eventType") or each.product_of(asked["eventType"]))
        ]

    def read(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        return 200, _shown(self._found(call, id))

    def change(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        changed = self._found(call, id)
        if "webhookUrl" in call.data:
            changed.url = _url(call, "webhookUrl")
        if "healthCheckUrl" in call.data:
            changed.health_url = _url(call, "healthCheckUrl")
        if "products" in call.data:
            changed.products = self._wanted(call)
        changed.name, changed.description = (
            call.text(name) or getattr(changed, name) for name in ("name", "description")
        )
        changed.policy = {**changed.policy, **_policy(call)}
        if {"webhookUrl", "healthCheckUrl"} & call.data.keys():
            self._hub.look_at(changed)
        return 200, _shown(changed)

    def delete(self, call: Call, id: str) -> tuple[int, dict[str, str]]:
        self._hub.delete(self._found(call, id).id)
        return 200, {"status": "successfully deleted"}

    def set_status(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        found = self._found(call, id)
        try:
            self._hub.set_status(found.id, call.text("status"))
        except ValueError as problem:
            raise call.refusal("INVALID_DATA", str(problem), "status") from problem
        return 200, {"webhookId": found.id, "status": found.status.value}

    def test(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        return 200, self._hub.test(self._found(call, id).id)

    # ---------------------------------------------------------------- parts

    def _found(self, call: Call, id: str) -> Subscription:
        try:
            return self._hub.get(id)
        except KeyError:
            raise Stop(404, invalid_request(call.now, "NOT_FOUND", "There is no such webhook.").body) from None

    def _wanted(self, call: Call) -> dict[str, tuple[str, ...]]:
        offered, wanted = self._hub.products(), {}
        given = call.data.get("products")
        for each in given if isinstance(given, list) else ():
            product, kinds = at(each, "productId"), at(each, "eventTypes")
            known = product in offered and isinstance(kinds, list) and kinds and set(kinds) <= set(offered[product])
            if not known:
                raise call.refusal("INVALID_DATA", "Not enabled for this account.", "products")
            wanted[product] = tuple(kinds)
        if not wanted:
            raise call.refusal("MISSING_FIELD", "To which events?", "products")
        return wanted


def _url(call: Call, name: str) -> str:
    """Return a URL of this machine. The real service wants https, which a shop on one's own machine seldom has."""
    try:
        return require_loopback(call.text(name))
    except NotLoopback as problem:
        raise call.refusal("INVALID_DATA", str(problem), name) from problem


def _policy(call: Call) -> dict[str, Any]:
    given = call.data.get("retryPolicy", {})
    if not isinstance(given, Mapping):
        raise call.refusal("INVALID_DATA", "No policy.", "retryPolicy")
    policy = {}
    for name, value in given.items():
        kind = _POLICY.get(name)
        good = type(value) is kind and (not isinstance(value, int) or 0 <= value <= 1440)
        if not good or (name == "algorithm" and value not in {"ARITHMETIC", "GEOMETRIC"}):
            raise call.refusal("INVALID_DATA", "Not a policy.", f"retryPolicy.{name}")
        policy[name] = value
    if policy.get("numberOfRetries", 3) * (1 + policy.get("repeatSequenceCount", 0)) > MOST_RETRIES:
        raise call.refusal("INVALID_DATA", "Too many retries.", "retryPolicy.numberOfRetries")
    return policy


def _shown(each: Subscription) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "webhookId": each.id,
        "organizationId": each.organization_id,
        "name": each.name,
        "description": each.description,
        "products": [{"productId": product, "eventTypes": list(kinds)} for product, kinds in each.products.items()],
        "webhookUrl": each.url,
        "healthCheckUrl": each.health_url,
        "notificationScope": "SELF",
        "securityPolicy": {"securityType": "KEY"},
        "retryPolicy": dict(each.policy),
        "status": each.status.value,
        "createdOn": time(each.created),
    }
    return {name: value for name, value in shown.items() if value != ""}
