"""The signature of a delivery, the simulator's own.

Source: webhooks guide, "Validating the notification"; its published sample is a test vector.
"""

import base64
import hashlib
import hmac


def signature(secret: str, milliseconds: int, payload: bytes) -> str:
    """Return Base64 of HMAC-SHA256 over ``t``, a dot and the payload, under the Base64-decoded key."""
    message = str(milliseconds).encode("ascii") + b"." + payload
    return base64.b64encode(hmac.new(base64.b64decode(secret), message, hashlib.sha256).digest()).decode("ascii")


def header(key_id: str, secret: str, milliseconds: int, payload: bytes) -> str:
    """Return the value of ``v-c-signature``."""
    return f"t={milliseconds};keyId={key_id};sig={signature(secret, milliseconds, payload)}"
