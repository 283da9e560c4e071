"""CyberSource's end of a webhook, small and independent: recorded deliveries, and a signer of its own.

Written from the webhooks guide's formula, ``base64(HMAC-SHA256(base64decode(key), t + "." + payload))``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

KEY_ID = "22222222-3333-4444-8555-666666666666"
KEY = "j1nZLvbXYVrxULuOLUSaba8ouqDEzcA04A7W+nAKm78="
OTHER_KEY_ID = "b1a9f3c2-77d0-4f0e-9a51-6f2f5c3e0d11"
OTHER_KEY = "u2puoZk0rvEZb0Ep4ePx9D8hdEWZ9g+3e2q69PV7nRo="

#: The sample of the webhooks guide.
W1_KEY = "dGVzdF9rZXk="
W1_PAYLOAD = b"this is a decrypted payload"
W1_HEADER = "t=1617830804768;keyId=guide;sig=CzHY47nzJgCSD/BREtSIb+9l/vfkaaL4qf9n8MNJ4CY="

#: A payload signed by the same rule, outside of this project.
W2_PAYLOAD = (
    '{"data":{"id":"7725300131236543210987","status":"AUTHORIZED_PENDING_REVIEW"},"organizationId":"oscar_test_mid"}'
)
W2_HEADER = f"t=1772530013000;keyId={KEY_ID};sig=DfHuXGhRI3xk7gfSFR8nS5SnfnHmrr0d2audNdqsbKk="
W2_AT = datetime(2026, 3, 3, 9, 26, 53, tzinfo=UTC)

#: Three events of Decision Manager: body, signature of the whole body, signature of the inner payload only.
J1 = (
    '{"eventType":"risk.casemanagement.decision.accept","webhookId":"0f2d7c5e-1b1a-43c6-8c39-1c7d0b2a9e10",'
    '"productId":"decisionManager","organizationId":"acme_shop","eventDate":"2026-03-04T10:05:47",'
    '"transactionTraceId":"c6f4a2d8-5c0e-4f1f-8a52-0a7c4e9b3d20","retryNumber":0,"payload":{"data":'
    '{"id":"7312345812346012504013","referenceNumber":"100019","notes":[{"time":"2026-03-04T10:02:11Z",'
    '"addedBy":"lena.review","comment":"Took ownership."}]},"organizationId":"acme_shop"},"requestType":"NEW"}',
    "t=1772618747000",
    "T7zS5QLwcJo7+BQNVRxxXw237/auVKcTzKxOPJ/MY+c=",
    "TFmOtMYQ2PYJyyJU505VD0MWp8wUXA2YqaMwSIBlDy8=",
)
J2 = (
    '{"eventType":"risk.casemanagement.decision.reject","webhookId":"0f2d7c5e-1b1a-43c6-8c39-1c7d0b2a9e10",'
    '"productId":"decisionManager","organizationId":"acme_shop","eventDate":"2026-03-04T10:05:47",'
    '"transactionTraceId":"c6f4a2d8-5c0e-4f1f-8a52-0a7c4e9b3d20","retryNumber":1,"payload":{"data":'
    '{"id":"7312347012346013204021","referenceNumber":"100031","notes":[{"time":"2026-03-04T10:44:31Z",'
    '"addedBy":"omar","comment":"Suspected fraud."}]},"organizationId":"acme_shop"},"requestType":"RETRY"}',
    "t=1772621230000",
    "Fb6oKIehCI+/jux2ehfxNQcnkPVWnFBTfuJxAaSU2no=",
    "g5MakVAU/IWnRVlNy2SZLTeco6CTETYNF5hOIGh9C/0=",
)
J3 = (
    '{"eventType":"risk.casemanagement.addnote","webhookId":"0f2d7c5e-1b1a-43c6-8c39-1c7d0b2a9e10",'
    '"productId":"decisionManager","organizationId":"acme_shop","eventDate":"2026-03-04T10:05:47",'
    '"transactionTraceId":"c6f4a2d8-5c0e-4f1f-8a52-0a7c4e9b3d20","retryNumber":0,"payload":{"data":'
    '{"id":"7312347112346013304022","referenceNumber":"100032","notes":[{"time":"2026-03-04T10:46:02Z",'
    '"addedBy":"omar","comment":"Took ownership."},{"time":"2026-03-04T10:49:20Z","addedBy":"omar","comment":'
    '"Waiting for call back"}]},"organizationId":"acme_shop"},"requestType":"NEW"}',
    "t=1772621360000",
    "1tkm5ZG8LuwKm87QARM3T0RqaVDQMrWbtO88+UB8DKA=",
    "eo8cH97raSHBfOyywg4T/KbwFnRiIjBWz+AkG36x4DE=",
)

#: A stored card that changed, as CyberSource's commercetools plugin has it in its tests: the payload is a list.
T1 = (
    '{"eventType":"tms.networktoken.updated","webhookId":"10d7cab0-65d5-8022-e063-9c588e0aeb9f","eventDate":'
    '"2026-03-03T04:07:52.157-07:00","retryNumber":0,"payload":[{"data":{"_links":{"paymentInstruments":[{"href":'
    '"/tms/v1/paymentinstruments/21E005EC5EC93BE7E063AF598E0A92CC"}],"customers":[{"href":'
    '"/tms/v2/customers/11E005EC5EC93BE7E063AF598E0A92CC"}]},"id":"P47C5DF0BD0079A8E0530E2E020A5CDH","type":'
    '"tokenizedCardUpdates","version":"1.0"},"organizationId":"acme_shop"}]}'
)


def signature(covered: str | bytes, at: datetime, *, key: str = KEY, time: str = "") -> str:
    covered = covered.encode() if isinstance(covered, str) else covered
    message = (time or str(round(at.timestamp() * 1000))).encode() + b"." + covered
    return base64.b64encode(hmac.new(base64.b64decode(key), message, hashlib.sha256).digest()).decode()


def header(covered: str | bytes, at: datetime, *, key: str = KEY, key_id: str = KEY_ID, time: str = "") -> str:
    time = time or str(round(at.timestamp() * 1000))
    return f"t={time};keyId={key_id};sig={signature(covered, at, key=key, time=time)}"


def body(payload: Any, *, event: str = "payments.capture.status.updated", **envelope: Any) -> str:
    """An event around a payload, as version 3 of the deliveries has it."""
    return json.dumps(
        {
            "eventType": event,
            "webhookId": "0f2d7c5e-1b1a-43c6-8c39-1c7d0b2a9e10",
            "productId": "payments",
            "organizationId": "acme_shop",
            "eventDate": "2026-03-03T09:26:50",
            "transactionTraceId": "c6f4a2d8-5c0e-4f1f-8a52-0a7c4e9b3d20",
            "retryNumber": 0,
            "payload": payload,
            "requestType": "NEW",
            **envelope,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
