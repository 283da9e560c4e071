"""The reasons that REST answers give, as a closed set per kind of answer.

Beside the package of the REST API, so that a page that only explains a reason imports none of that. An answer may name
another one all the same: it is kept as it came. Source: REST API field reference (``errorInformation.reason``,
``reason`` of the 400, 401 and 502 bodies), REST response-code table.
"""

from __future__ import annotations

#: With HTTP 400: nothing was done.
REFUSALS = frozenset(
    """
    MISSING_FIELD INVALID_DATA DUPLICATE_REQUEST INVALID_CARD CARD_TYPE_NOT_ACCEPTED INVALID_MERCHANT_CONFIGURATION
    PROCESSOR_UNAVAILABLE INVALID_AMOUNT INVALID_CARD_TYPE INVALID_PAYMENT_ID NOT_SUPPORTED EXCEEDS_AUTH_AMOUNT
    AUTH_ALREADY_REVERSED TRANSACTION_ALREADY_SETTLED MISSING_AUTH TRANSACTION_ALREADY_REVERSED_OR_SETTLED
    CAPTURE_ALREADY_VOIDED ACCOUNT_NOT_ALLOWED_CREDIT NOT_VOIDABLE
    """.split()
)

#: With HTTP 201: the payment was looked at and declined, or approved by the bank and stopped by a rule.
DECLINES = frozenset(
    """
    EXPIRED_CARD PROCESSOR_DECLINED INSUFFICIENT_FUND STOLEN_LOST_CARD ISSUER_UNAVAILABLE UNAUTHORIZED_CARD
    CVN_NOT_MATCH EXCEEDS_CREDIT_LIMIT INVALID_CVN BLOCKED_BY_CARDHOLDER DECLINED_CHECK BLACKLISTED_CUSTOMER
    SUSPENDED_ACCOUNT PAYMENT_REFUSED CV_FAILED AVS_FAILED INVALID_ACCOUNT GENERAL_DECLINE CONTACT_PROCESSOR
    ALLOWABLE_PIN_RETRIES_EXCEEDED PROCESSOR_ERROR ACH_VERIFICATION_FAILED INVALID_MERCHANT_CONFIGURATION
    """.split()
)

#: Decision Manager's. Those of watch lists end in WATCHLIST_ENDING, whatever the list is called.
RISK = frozenset("DECISION_PROFILE_REJECT DECISION_PROFILE_REVIEW SCORE_EXCEEDS_THRESHOLD".split())
WATCHLIST_ENDING = "_WATCHLIST_MATCH"

#: 3-D Secure.
AUTHENTICATION = frozenset(
    "CONSUMER_AUTHENTICATION_REQUIRED CONSUMER_AUTHENTICATION_FAILED PENDING_AUTHENTICATION".split()
)

#: With HTTP 5xx: whether anything was done is not known.
FAILURES = frozenset("SYSTEM_ERROR SERVER_TIMEOUT SERVICE_TIMEOUT".split())

#: What a body says that does not believe who we are.
NOT_BELIEVED = frozenset({"Authentication Failed"})

#: Refusals of a void or a reversal that say "that was done before": looked up, and then taken for done. Of a capture or
#: a refund they say that it cannot be done any more. One integrator treats them so.
DONE_BEFORE = frozenset({"AUTH_ALREADY_REVERSED", "CAPTURE_ALREADY_VOIDED", "TRANSACTION_ALREADY_REVERSED_OR_SETTLED"})

#: Refusals of a reversal that say that no hold is left.
NO_HOLD_LEFT = DONE_BEFORE | {"MISSING_AUTH"}

#: Refusals of a reversal that is not for the whole amount: most processors release a rest automatically, later.
NOT_IN_PARTS = frozenset(
    """
    INVALID_AMOUNT INVALID_DATA NOT_SUPPORTED TRANSACTION_ALREADY_SETTLED TRANSACTION_ALREADY_REVERSED_OR_SETTLED
    """.split()
)

#: Refusals of a void that say "it has gone to the bank": a refund is what is left.
TOO_LATE_TO_VOID = frozenset({"NOT_VOIDABLE", "TRANSACTION_ALREADY_SETTLED"})

#: Refusals of a reversal that say that there is no such authorization.
NO_AUTHORIZATION = frozenset({"MISSING_AUTH", "NOT_FOUND"})

#: Refusals that are given only of what is there: a call whose answer was lost arrived, whatever became of it since.
PROVES_ARRIVAL = DONE_BEFORE | {"DUPLICATE_REQUEST", "INVALID_AMOUNT", "TRANSACTION_ALREADY_SETTLED"}

#: Refusals that are about the account or the processor, and tell nothing of what was asked.
ABOUT_THE_ACCOUNT = frozenset({"INVALID_MERCHANT_CONFIGURATION", "NOT_SUPPORTED", "PROCESSOR_UNAVAILABLE"})

REASONS = REFUSALS | DECLINES | RISK | AUTHENTICATION | FAILURES | NOT_BELIEVED
