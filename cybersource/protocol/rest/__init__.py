"""CyberSource's REST door. Pure, like the rest of the protocol: no clock, no network, no file, no settings.

::

    Call -> (encrypted) -> authenticated -> sent -> HTTP answer -> Processed | Refused | Unknown | NotSent

Kept out of ``cybersource.protocol`` itself, so that a shop without REST credentials imports none of it.
"""

from .answer import Answer, Application, Detail, SearchPage, parse
from .authentication import AuthMode, RestRequest, http_signature_headers, jwt_headers
from .calls import (
    Call,
    Operation,
    Resource,
    TokenKind,
    authorize,
    capture,
    look_up,
    refund,
    reverse,
    search,
    timeout_reverse,
    timeout_void,
    void,
)
from .keys import BadKeyMaterial, KeyStore, PrivateKey, PublicKey, SharedSecret
from .message_encryption import Undecryptable, encrypt_request, open_response
from .outcome import NotSent, Outcome, Processed, Refused, Unknown, Why, outcome_of
from .storage import for_storage

__all__ = [
    "Answer",
    "Application",
    "AuthMode",
    "BadKeyMaterial",
    "Call",
    "Detail",
    "KeyStore",
    "NotSent",
    "Operation",
    "Outcome",
    "PrivateKey",
    "Processed",
    "PublicKey",
    "Refused",
    "Resource",
    "RestRequest",
    "SearchPage",
    "SharedSecret",
    "TokenKind",
    "Undecryptable",
    "Unknown",
    "Why",
    "authorize",
    "capture",
    "encrypt_request",
    "for_storage",
    "http_signature_headers",
    "jwt_headers",
    "look_up",
    "open_response",
    "outcome_of",
    "parse",
    "refund",
    "reverse",
    "search",
    "timeout_reverse",
    "timeout_void",
    "void",
]
