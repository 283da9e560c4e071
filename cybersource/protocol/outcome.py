"""What a reply comes to, in words that fit any channel a payment may come through.

Settlement takes an Outcome and never a posted field. The decision decides, the code explains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from .reply import Reply
from .vocabulary import (
    INVALID_REASONS,
    PARTIAL_REASON,
    REFERRAL_REASON,
    UNKNOWN_REASONS,
    Decision,
    ShopperMessage,
    TransactionType,
    reason_meaning,
    shopper_message,
)


class OutcomeKind(StrEnum):
    """What became of an attempt."""

    ACCEPTED = "accepted"  #: done as asked
    REVIEW = "review"  #: money may be held; a reviewer decides
    PARTIAL = "partial"  #: less than asked is held; never enough for the order
    DECLINED = "declined"  #: nothing is held
    INVALID = "invalid"  #: something in the form was wrong or missing; nothing is held
    CANCELLED = "cancelled"  #: the shopper went back; nothing is held
    UNKNOWN = "unknown"  #: nobody knows whether money is held: neither a success nor a decline


#: The decision by which Secure Acceptance tells each kind. Of what nobody knows there may be none.
_DECISIONS = {
    OutcomeKind.ACCEPTED: Decision.ACCEPT,
    OutcomeKind.PARTIAL: Decision.ACCEPT,
    OutcomeKind.REVIEW: Decision.REVIEW,
    OutcomeKind.DECLINED: Decision.DECLINE,
    OutcomeKind.INVALID: Decision.DECLINE,
    OutcomeKind.CANCELLED: Decision.CANCEL,
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The settled meaning of one answer of the gateway. ``repr`` shows no token and no card."""

    kind: OutcomeKind
    transaction_id: str | None = None
    #: The money this outcome is about: held for ACCEPTED and PARTIAL, held subject to the reviewer for REVIEW.
    #: None for every other kind and for a bare token; also for a PARTIAL whose amount the reply does not say.
    amount: Decimal | None = None
    currency: str | None = None
    reason_code: int | None = None
    message: str = field(default="", repr=False)
    auth_code: str = ""
    avs_code: str = ""
    cvn_code: str = ""
    auth_at: datetime | None = None
    payment_token: str | None = field(default=None, repr=False)
    request_token: str = field(default="", repr=False)
    card_number: str = field(default="", repr=False)  #: masked
    card_type: str = ""
    card_expiry: str = field(default="", repr=False)
    invalid_fields: tuple[str, ...] = ()  #: request fields to mend, the missing ones included
    shopper_message: ShopperMessage | None = None

    @property
    def reason(self) -> str:
        """The reason in words for staff."""
        return reason_meaning(self.reason_code)

    @property
    def decision(self) -> Decision | None:
        """The decision that a reply tells of such an outcome, by whichever channel this one came."""
        return _DECISIONS.get(self.kind)

    @classmethod
    def from_reply(cls, reply: Reply) -> Outcome:
        """Return what a verified Secure Acceptance reply comes to."""
        kind = _kind(reply)
        return cls(
            kind=kind,
            transaction_id=reply.transaction_id,
            amount=_amount(reply, kind),
            currency=reply.currency,
            reason_code=reply.reason_code,
            message=reply.message,
            auth_code=reply.auth_code,
            avs_code=reply.avs_code,
            cvn_code=reply.cvn_code,
            auth_at=reply.auth_at,
            payment_token=reply.payment_token,
            request_token=reply.request_token,
            card_number=reply.card_number,
            card_type=reply.card_type,
            card_expiry=reply.card_expiry,
            invalid_fields=tuple(dict.fromkeys((*reply.invalid_fields, *reply.required_fields))),
            shopper_message=_message(reply, kind),
        )


def _kind(reply: Reply) -> OutcomeKind:
    code = reply.reason_code
    match reply.decision:
        case Decision.ACCEPT:
            return OutcomeKind.PARTIAL if _is_partial(reply) else OutcomeKind.ACCEPTED
        case Decision.REVIEW:
            return OutcomeKind.DECLINED if code == REFERRAL_REASON else OutcomeKind.REVIEW
        case Decision.CANCEL:
            return OutcomeKind.CANCELLED
        case Decision.DECLINE | Decision.ERROR if code in INVALID_REASONS:
            return OutcomeKind.INVALID
        case Decision.DECLINE if code not in UNKNOWN_REASONS:
            return OutcomeKind.DECLINED
        case _:  # ERROR, a word we do not know, or a decline that says "we could not find out"
            return OutcomeKind.UNKNOWN


def _is_partial(reply: Reply) -> bool:
    """An accepted amount that is less than asked, or that we cannot read, must never pay an order."""
    if reply.reason_code == PARTIAL_REASON:
        return True
    if not _charges(reply) or not reply.auth_amount_text:
        return False
    return reply.amount is None or reply.auth_amount is None or reply.auth_amount < reply.amount


def _charges(reply: Reply) -> bool:
    """Whether the reply is about money; a type we do not know is taken to be."""
    return reply.transaction_type not in (TransactionType.CREATE_PAYMENT_TOKEN, "update_payment_token")


def _amount(reply: Reply, kind: OutcomeKind) -> Decimal | None:
    if kind not in (OutcomeKind.ACCEPTED, OutcomeKind.REVIEW, OutcomeKind.PARTIAL) or not _charges(reply):
        return None
    if reply.auth_amount_text or kind is OutcomeKind.PARTIAL:
        return reply.auth_amount
    return reply.amount


def _message(reply: Reply, kind: OutcomeKind) -> ShopperMessage | None:
    if kind is OutcomeKind.INVALID and (reply.invalid_fields or reply.required_fields):
        return ShopperMessage.FIX_DETAILS
    if kind is OutcomeKind.UNKNOWN and reply.reason_code != 104:
        return ShopperMessage.UNCONFIRMED
    if kind is OutcomeKind.PARTIAL:
        return ShopperMessage.OTHER_CARD
    if kind is OutcomeKind.DECLINED:  # also where the decision was another word
        return shopper_message(Decision.DECLINE, reply.reason_code)
    return shopper_message(reply.decision, reply.reason_code)


def message_of(kind: OutcomeKind, code: int | None) -> ShopperMessage | None:
    """Return the class of message a shopper gets for what a channel without Secure Acceptance's decisions reported."""
    if kind is OutcomeKind.PARTIAL:
        return ShopperMessage.OTHER_CARD
    return shopper_message(_DECISIONS.get(kind, Decision.ERROR), code)
