"""The back office: capture, refund, void, release and authorize, decide reviews, and end what is in doubt.

This is the documented Python API. Each function writes the operation down, sends it once, and returns it as it ended;
none may be called within a transaction.
"""

from __future__ import annotations

from ..payments.errors import InvalidOperation
from .money_back import cancel_or_refund, plan
from .resolution import Resolution, resolve
from .service import accept_review, capture, refund, reject_review, reverse, void
from .stored_card import authorize

__all__ = [
    "Resolution",
    "InvalidOperation",
    "accept_review",
    "authorize",
    "cancel_or_refund",
    "capture",
    "plan",
    "refund",
    "reject_review",
    "resolve",
    "reverse",
    "void",
]
