"""Who began a checkout: a random value in the shopper's session, of which the attempt keeps only a hash.

Login keeps the value and logout loses it. The session key itself is a credential, changes under some session backends,
and is stored nowhere.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.utils.crypto import constant_time_compare

from .models import PaymentAttempt

SESSION_KEY = "cybersource_checkout"


def session_hash(session: Any) -> str:
    """Return the hash that ties an attempt to this session, putting the random value there if it is missing."""
    value = session.get(SESSION_KEY)
    if not value:
        value = session[SESSION_KEY] = secrets.token_urlsafe(24)
    return hashlib.sha256(value.encode()).hexdigest()


def began(session: Any, attempt: PaymentAttempt) -> bool:
    """Did this session begin the checkout that the attempt belongs to?"""
    value = session.get(SESSION_KEY)
    return bool(value and attempt.session_hash) and constant_time_compare(
        hashlib.sha256(str(value).encode()).hexdigest(), attempt.session_hash
    )
