"""How webhooks behave where the guides differ or say nothing. Frozen: a change is a new value."""

from dataclasses import dataclass
from enum import StrEnum

#: A key of nobody, for the sandbox: the first key, unless another was made before.
SANDBOX_WEBHOOK_KEY_ID = "0b7e5c52-3f0a-4c55-9f0e-6d1f5f0c7a11"
SANDBOX_WEBHOOK_KEY = "dGhyb3dhd2F5LXNhbmRib3gtd2ViaG9vay1rZXktMDE="


class PayloadShape(StrEnum):
    """What a delivery carries. Source: webhooks guide; integrators' handlers, which take all of them."""

    OBJECT = "object"  #: ``payload`` is an object: API version 3
    ARRAY = "array"  #: ``payload`` is an array of such objects: older deliveries
    PAYLOADS = "payloads"  #: the same array under ``payloads``, which one integrator saw
    TEST = "testPayload"  #: ``payloads.testPayload``, as the test call sends


class Signed(StrEnum):
    """Which bytes the signature covers, after ``t`` and a dot. Sources disagree."""

    PAYLOAD = "payload"  #: the member ``payload``, byte for byte as it stands in the body
    COMPACT = "compact"  #: the same written without blanks, while the body has some
    BODY = "body"  #: the whole body


@dataclass(frozen=True, kw_only=True)
class WebhookSwitches:
    """The account's webhooks."""

    payload: PayloadShape = PayloadShape.OBJECT
    signed: Signed = Signed.PAYLOAD  #: a delivery without ``payload`` is signed whole
    new_names: bool = False  #: the product ``payments`` with ``payments.capture.status.accepted`` and the like
    urls_reviewed: bool = False  #: a new URL waits for a person: ``gateway.webhooks.approve(id)``
    after_seconds: float = 0.5  #: between an event and its delivery
    late_seconds: float = 5.0  #: how much longer a late delivery takes
    minute_seconds: float = 60.0  #: how long a minute is to retries and health checks; tests shorten it
