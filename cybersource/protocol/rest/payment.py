"""The answer to an authorization over REST, told as the same outcome that a Secure Acceptance reply comes to.

Source: REST API field reference (statuses and ``errorInformation.reason`` of payments); the vendor's response-code
table, which gives each reason the number that Secure Acceptance has for it.
"""

from __future__ import annotations

from decimal import Decimal

from ..outcome import Outcome, OutcomeKind, message_of
from ..vocabulary import REFERRAL_REASON, UNKNOWN_REASONS
from .answer import Answer

#: ``status`` of an authorization that was looked at. What is not here tells nothing about the money.
KINDS = {
    "AUTHORIZED": OutcomeKind.ACCEPTED,
    "PARTIAL_AUTHORIZED": OutcomeKind.PARTIAL,
    "AUTHORIZED_PENDING_REVIEW": OutcomeKind.REVIEW,
    "PENDING_REVIEW": OutcomeKind.REVIEW,
    "AUTHORIZED_RISK_DECLINED": OutcomeKind.DECLINED,
    "DECLINED": OutcomeKind.DECLINED,
    "INVALID_REQUEST": OutcomeKind.INVALID,
}

#: Secure Acceptance's number of each reason, by which it is explained to staff and shoppers.
REASON_CODES = {
    "AVS_FAILED": 200,
    "CONTACT_PROCESSOR": 201,
    "EXPIRED_CARD": 202,
    "PROCESSOR_DECLINED": 203,
    "INSUFFICIENT_FUND": 204,
    "STOLEN_LOST_CARD": 205,
    "ISSUER_UNAVAILABLE": 207,
    "UNAUTHORIZED_CARD": 208,
    "CVN_NOT_MATCH": 209,
    "EXCEEDS_CREDIT_LIMIT": 210,
    "INVALID_CVN": 211,
    "BLACKLISTED_CUSTOMER": 221,
    "SUSPENDED_ACCOUNT": 222,
    "CV_FAILED": 230,
    "INVALID_ACCOUNT": 231,
    "GENERAL_DECLINE": 233,
    "INVALID_MERCHANT_CONFIGURATION": 234,
    "PROCESSOR_ERROR": 236,
    "CONSUMER_AUTHENTICATION_REQUIRED": 475,
    "CONSUMER_AUTHENTICATION_FAILED": 476,
    "DECISION_PROFILE_REVIEW": 480,
    "DECISION_PROFILE_REJECT": 481,
    "SCORE_EXCEEDS_THRESHOLD": 400,
}

#: Where a status says more than its reason.
STATUS_CODES = {"AUTHORIZED": 100, "PARTIAL_AUTHORIZED": 110, "AUTHORIZED_RISK_DECLINED": 481}


def payment_outcome(answer: Answer, *, asked: Decimal, currency: str) -> Outcome:
    """Return what an authorization comes to, with the money it is about.

    A hold of less than was ``asked`` is partial whatever the status says; one of which no amount is told is taken to
    be what was asked, and a partial one then to hold nothing. A status that nobody knows is an unknown outcome.
    """
    kind = KINDS.get(answer.status, OutcomeKind.UNKNOWN)
    code = STATUS_CODES.get(answer.status) or REASON_CODES.get(answer.reason)
    if kind is OutcomeKind.REVIEW and code == REFERRAL_REASON:
        kind = OutcomeKind.DECLINED
    if kind is OutcomeKind.DECLINED and code in UNKNOWN_REASONS:
        kind = OutcomeKind.UNKNOWN
    held = answer.authorized_amount
    if kind is OutcomeKind.ACCEPTED and held is not None and held < asked:
        kind, code = OutcomeKind.PARTIAL, 110
    if held is None and kind in (OutcomeKind.ACCEPTED, OutcomeKind.REVIEW):
        held = asked
    return Outcome(
        kind=kind,
        transaction_id=answer.id or None,
        amount=held if kind in (OutcomeKind.ACCEPTED, OutcomeKind.REVIEW, OutcomeKind.PARTIAL) else None,
        currency=answer.currency or currency,
        reason_code=code,
        message=answer.message,
        auth_code=answer.approval_code,
        avs_code=answer.avs_code,
        cvn_code=answer.cvn_code,
        auth_at=answer.submitted_at,
        shopper_message=message_of(kind, code),
    )
