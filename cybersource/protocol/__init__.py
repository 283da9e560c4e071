"""What CyberSource says, and what may be believed of it. Pure: no framework, no settings, no clock.

::

    order -> PaymentRequest -> SignedForm -> browser -> CyberSource -> posted -> Reply -> Outcome
    XML -> Notification -> ReviewUpdate
"""

from .errors import (
    AmbiguousMessage,
    AmountNotRepresentable,
    BadFieldList,
    BadNotification,
    DuplicateField,
    FieldNotSigned,
    InvalidRequest,
    MalformedPost,
    NotAReply,
    ProtocolError,
    SignatureMismatch,
    UnknownAccessKey,
)
from .fingerprint import PROFILING_KINDS, profiling_url, valid_session_id
from .form import Address, FormField, LineItem, PaymentRequest, SignedForm, reconcile, reference_number_for
from .masking import holds_card_number, likely_card_numbers, luhn_valid, mask_card_numbers
from .money import currency_exponent, format_amount, parse_amount
from .outcome import Outcome, OutcomeKind
from .reply import Reply
from .review import Followon, Notification, ReviewNote, ReviewUpdate, content_from_body, parse_notification
from .signature import Credentials, sign, verify
from .text import clean
from .vocabulary import (
    AVS_MEANINGS,
    CARD_TYPES,
    CVN_MEANINGS,
    INVALID_REASONS,
    LOCALES,
    PARTIAL_REASON,
    SHIPPING_METHODS,
    UNKNOWN_REASONS,
    Decision,
    ReviewDecision,
    ShopperMessage,
    TransactionType,
    avs_meaning,
    cvn_meaning,
    reason_meaning,
    shopper_message,
)

__all__ = [
    "AVS_MEANINGS",
    "CARD_TYPES",
    "CVN_MEANINGS",
    "INVALID_REASONS",
    "LOCALES",
    "PARTIAL_REASON",
    "PROFILING_KINDS",
    "SHIPPING_METHODS",
    "UNKNOWN_REASONS",
    "Address",
    "AmbiguousMessage",
    "AmountNotRepresentable",
    "BadFieldList",
    "BadNotification",
    "Credentials",
    "Decision",
    "DuplicateField",
    "FieldNotSigned",
    "Followon",
    "FormField",
    "InvalidRequest",
    "LineItem",
    "MalformedPost",
    "NotAReply",
    "Notification",
    "Outcome",
    "OutcomeKind",
    "PaymentRequest",
    "ProtocolError",
    "Reply",
    "ReviewDecision",
    "ReviewNote",
    "ReviewUpdate",
    "ShopperMessage",
    "SignatureMismatch",
    "SignedForm",
    "TransactionType",
    "UnknownAccessKey",
    "avs_meaning",
    "clean",
    "content_from_body",
    "currency_exponent",
    "cvn_meaning",
    "format_amount",
    "holds_card_number",
    "likely_card_numbers",
    "luhn_valid",
    "mask_card_numbers",
    "parse_amount",
    "parse_notification",
    "profiling_url",
    "reason_meaning",
    "reconcile",
    "reference_number_for",
    "shopper_message",
    "sign",
    "valid_session_id",
    "verify",
]
