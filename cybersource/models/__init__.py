"""What is remembered: what we asked, what came back, what it did.

Every column takes its field at the length CyberSource documents; a longer value is cut in the column and kept whole
in the log's ``data``. No card number, CVN or readable secret is ever in a row.
"""

from __future__ import annotations

from .attempts import PaymentAttempt, new_transaction_uuid
from .attention import AttentionItem
from .choices import UNDER_WAY, UNSETTLED_STATES, WAITS_FOR_STAFF, AttemptState, Attention, OperationState, ReplyType
from .confirmations import OrderConfirmation
from .fields import AmountField, clipped, endpoint_now, environment_now, merchant_now
from .log import CyberSourceReply, RefusedPost
from .operations import PaymentOperation, new_idempotency_id
from .orders import PaymentNote, ReleasedAllocation
from .profiles import SecureAcceptanceProfile
from .reviews import FollowonResult, ReviewNotification, ReviewNotificationUpdate
from .tokens import PaymentToken
from .transactions import ExactAmount, ExactSource, TransactionMixin
from .webhooks import WebhookDelivery

__all__ = [
    "AmountField",
    "AttemptState",
    "Attention",
    "AttentionItem",
    "CyberSourceReply",
    "ExactAmount",
    "ExactSource",
    "FollowonResult",
    "OperationState",
    "OrderConfirmation",
    "PaymentAttempt",
    "PaymentNote",
    "PaymentOperation",
    "PaymentToken",
    "RefusedPost",
    "ReleasedAllocation",
    "ReplyType",
    "ReviewNotification",
    "ReviewNotificationUpdate",
    "SecureAcceptanceProfile",
    "TransactionMixin",
    "UNDER_WAY",
    "UNSETTLED_STATES",
    "WAITS_FOR_STAFF",
    "WebhookDelivery",
    "clipped",
    "endpoint_now",
    "environment_now",
    "merchant_now",
    "new_idempotency_id",
    "new_transaction_uuid",
]
