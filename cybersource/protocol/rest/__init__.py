"""CyberSource's REST API. Pure, like the rest of the protocol: no clock, no network, no file, no settings.

::

    Call -> (encrypted) -> authenticated -> sent -> HTTP answer -> Processed | Refused | Unknown | NotSent

Kept out of ``cybersource.protocol`` itself, so that a shop without REST credentials imports none of it.
"""

from .answer import Answer, Application, DecisionFollowon, FieldProblem, SearchPage, parse
from .authentication import AuthMode, RestRequest, http_signature_headers, jwt_headers
from .calls import (
    Call,
    Operation,
    Resource,
    TokenKind,
    authorize,
    capture,
    conversion_details,
    decide_review,
    delete_customer,
    look_up,
    read_customer,
    refund,
    reverse,
    search,
    search_period,
    timeout_reverse,
    timeout_void,
    void,
)
from .classification import (
    REVIEW_REASON,
    GatewayStatus,
    TransactionKind,
    act_of,
    awaits_shopper,
    charge_outcome,
    fate_of,
    is_for_details,
    is_sale,
    never_ran,
)
from .conversions import read_conversions
from .keys import BadKeyMaterial, KeyStore, PrivateKey, PublicKey, SharedSecret
from .message_encryption import Undecryptable, encrypt_request, open_response
from .outcome import NotSent, Outcome, Processed, Refused, Unknown, UnknownReason, outcome_of
from .storage import KEPT, KEPT_OF_EVENTS, KEPT_OF_TOKENS, for_storage
from .stored_card import StoredCard
from .subscriptions import (
    NewKey,
    Product,
    Subscription,
    create_webhook,
    delete_webhook,
    list_webhooks,
    set_webhook_status,
    webhook_key,
    webhook_products,
)
from .webhook import BadDelivery, Covered, Delivery, InvalidWebhook, SignatureHeader, WebhookEvent, open_delivery

__all__ = [
    "KEPT",
    "KEPT_OF_EVENTS",
    "KEPT_OF_TOKENS",
    "REVIEW_REASON",
    "TransactionKind",
    "Answer",
    "Application",
    "AuthMode",
    "BadDelivery",
    "BadKeyMaterial",
    "Call",
    "Covered",
    "Delivery",
    "FieldProblem",
    "WebhookEvent",
    "GatewayStatus",
    "DecisionFollowon",
    "KeyStore",
    "NewKey",
    "InvalidWebhook",
    "NotSent",
    "Operation",
    "Outcome",
    "PrivateKey",
    "Processed",
    "Product",
    "PublicKey",
    "Refused",
    "Resource",
    "RestRequest",
    "SearchPage",
    "SharedSecret",
    "SignatureHeader",
    "StoredCard",
    "Subscription",
    "TokenKind",
    "Undecryptable",
    "Unknown",
    "UnknownReason",
    "act_of",
    "awaits_shopper",
    "authorize",
    "capture",
    "charge_outcome",
    "conversion_details",
    "create_webhook",
    "decide_review",
    "delete_customer",
    "delete_webhook",
    "encrypt_request",
    "fate_of",
    "for_storage",
    "http_signature_headers",
    "is_for_details",
    "is_sale",
    "jwt_headers",
    "list_webhooks",
    "look_up",
    "open_delivery",
    "never_ran",
    "open_response",
    "outcome_of",
    "parse",
    "read_conversions",
    "read_customer",
    "refund",
    "reverse",
    "search",
    "search_period",
    "set_webhook_status",
    "timeout_reverse",
    "timeout_void",
    "void",
    "webhook_key",
    "webhook_products",
]
