"""The signature on every message, written here a second time on purpose.

The app signs with its own code and the simulator with this; they understand one another only if both are right.

Source: Secure Acceptance Checkout API guide, "Scripting language samples", and recorded exchanges with the test host.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence


def message(fields: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the text that is signed: ``name=value`` pairs in the order of ``names``, joined by commas.

    Nothing is escaped. A name without a value signs as empty, as the guide's PHP, C# and Ruby samples do.
    """
    return ",".join(f"{name}={fields.get(name, '')}" for name in names)


def signature(fields: Mapping[str, str], names: Sequence[str], secret_key: str) -> str:
    """Return Base64 HMAC-SHA256 of :func:`message`. The key is the secret's text, which looks like hex, not decoded."""
    digest = hmac.new(secret_key.encode(), message(fields, names).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")


def verifies(fields: Mapping[str, str], names: Sequence[str], secret_key: str, given: str) -> bool:
    """Tell whether ``given`` is the signature of ``fields``, in constant time."""
    return hmac.compare_digest(signature(fields, names, secret_key).encode(), given.encode())
