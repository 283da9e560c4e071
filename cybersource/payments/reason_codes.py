"""Reasons in plain words for staff: what CyberSource's numbers and words mean, and what to do next.

The meanings of reason codes are those of :mod:`cybersource.protocol.vocabulary`, here in the reader's language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from ..protocol import reason_meaning
from ..protocol.rest_reasons import WATCHLIST_ENDING


@dataclass(frozen=True)
class ReasonText:
    """What a reason means, and what to do about it. Both may be lazy texts."""

    means: Any
    advice: Any


NOTHING_TO_DO = _("Nothing to do.")
OTHER_CARD = _("Nothing was charged. The shopper can pay with another card.")
ASK_BANK = _("Nothing was charged. The shopper can ask the bank, or pay with another card.")
CORRECT_IT = _("Nothing was charged. The shopper can correct the entry and pay again.")
HOLD_MAY_REMAIN = _(
    "The bank has approved, so a hold may be on the shopper's card. Look at the order's payments: release it "
    "unless you take the risk and ship."
)
LOOK_IT_UP = _(
    "Do not charge again. The outcome is looked up automatically; until it is known, look the reference number "
    "up in the CyberSource Business Center."
)
SHOPS_FAULT = _("Nothing was charged. Tell the shop's developers: trying again changes nothing until it is fixed.")
SUSPECT = _("Nothing was charged. Do not offer to take the order by telephone: the card may be in the wrong hands.")
DECIDE = _("Do not ship. Accept or reject the payment: here among the reviews, or in the Business Center.")
LOOK_AGAIN = _("Look at the payment as it is now. What you requested has been done before, or is no longer needed.")
TRY_LATER = _("Nothing was done. Try it again in some minutes.")
REFUND_INSTEAD = _("Nothing was done. The money has gone to the bank: refund it instead.")
AUTHENTICATE = _("Nothing was charged. The shopper can pay again and confirm it at the bank, or use another card.")

_ADDRESS = ReasonText(_("The address could not be verified."), CORRECT_IT)

CODES: dict[int, ReasonText] = {
    100: ReasonText(_("The transaction succeeded."), NOTHING_TO_DO),
    101: ReasonText(_("A required field is missing; the shop's form must be corrected."), SHOPS_FAULT),
    102: ReasonText(_("One or more fields hold invalid data, or a required field is missing."), CORRECT_IT),
    104: ReasonText(_("The same form was sent twice within 15 minutes; look at the first one's outcome."), LOOK_IT_UP),
    110: ReasonText(
        _("Only part of the amount was approved."),
        _("That part is held. Release it, or collect the rest by other means."),
    ),
    150: ReasonText(_("CyberSource had a general failure; whether money is held is not known."), LOOK_IT_UP),
    151: ReasonText(_("CyberSource's server timed out; whether money is held is not known."), LOOK_IT_UP),
    152: ReasonText(_("A CyberSource service timed out; whether money is held is not known."), LOOK_IT_UP),
    200: ReasonText(_("The bank approved, but the address check failed."), HOLD_MAY_REMAIN),
    201: ReasonText(_("The bank has questions; it approves only by telephone."), ASK_BANK),
    202: ReasonText(_("The card has expired, or its expiry date is wrong."), CORRECT_IT),
    203: ReasonText(_("The bank declined the card without saying why."), ASK_BANK),
    204: ReasonText(_("The account has insufficient funds."), OTHER_CARD),
    205: ReasonText(_("The card was reported stolen or lost."), SUSPECT),
    207: ReasonText(_("The bank could not be reached; whether money is held is not known."), LOOK_IT_UP),
    208: ReasonText(_("The card is inactive, or not allowed for payments without the card present."), OTHER_CARD),
    209: ReasonText(_("The American Express card identification digits do not match."), CORRECT_IT),
    210: ReasonText(_("The card has reached its credit limit."), OTHER_CARD),
    211: ReasonText(_("The card verification number is wrong."), CORRECT_IT),
    221: ReasonText(_("The shopper is on the processor's negative file."), SUSPECT),
    222: ReasonText(_("The account is frozen."), OTHER_CARD),
    230: ReasonText(_("The bank approved, but the card verification number failed."), HOLD_MAY_REMAIN),
    231: ReasonText(_("The card number is invalid, or does not fit the card type."), CORRECT_IT),
    232: ReasonText(_("The processor does not take this type of card."), OTHER_CARD),
    233: ReasonText(_("The processor declined the card."), OTHER_CARD),
    234: ReasonText(_("The CyberSource merchant account is set up wrongly; do not retry."), SHOPS_FAULT),
    236: ReasonText(_("The processor failed; whether money is held is not known."), LOOK_IT_UP),
    240: ReasonText(_("The card type does not correspond with the card number."), CORRECT_IT),
    250: ReasonText(_("The processor timed out; whether money is held is not known."), LOOK_IT_UP),
    400: ReasonText(_("The fraud score is over the limit."), SUSPECT),
    475: ReasonText(_("The card is enrolled in payer authentication and was not authenticated."), AUTHENTICATE),
    476: ReasonText(_("Payer authentication failed."), AUTHENTICATE),
    478: ReasonText(_("The bank asks for strong customer authentication."), AUTHENTICATE),
    480: ReasonText(_("Decision Manager marked the payment for review."), DECIDE),
    481: ReasonText(_("Decision Manager or the profile's settings rejected the payment."), HOLD_MAY_REMAIN),
    520: ReasonText(_("The bank approved, but the smart authorization settings declined."), HOLD_MAY_REMAIN),
    **dict.fromkeys(range(450, 462), _ADDRESS),
}

REST: dict[str, ReasonText] = {
    # Nothing was done.
    "MISSING_FIELD": ReasonText(_("A field is missing in what the shop sent."), SHOPS_FAULT),
    "INVALID_DATA": ReasonText(_("CyberSource found mistakes in the data that the shop sent."), SHOPS_FAULT),
    "DUPLICATE_REQUEST": ReasonText(_("CyberSource has seen the same request before."), LOOK_IT_UP),
    "INVALID_CARD": ReasonText(_("The card number is invalid."), CORRECT_IT),
    "CARD_TYPE_NOT_ACCEPTED": ReasonText(_("The account does not take this type of card."), OTHER_CARD),
    "INVALID_CARD_TYPE": ReasonText(_("The card type does not correspond with the card number."), CORRECT_IT),
    "INVALID_MERCHANT_CONFIGURATION": ReasonText(
        _("The CyberSource merchant account is set up wrongly, or not allowed to do this."), SHOPS_FAULT
    ),
    "PROCESSOR_UNAVAILABLE": ReasonText(_("The processor could not be reached."), TRY_LATER),
    "INVALID_AMOUNT": ReasonText(
        _("CyberSource does not take this amount."),
        _("Nothing was done. Look at what is left of the payment, there and here, and request that or less."),
    ),
    "INVALID_PAYMENT_ID": ReasonText(
        _("CyberSource does not know the payment."),
        _("Nothing was done. Check whether the shop's keys belong to the account in which the payment was made."),
    ),
    "NOT_SUPPORTED": ReasonText(
        _("The processor cannot do this with the payment."),
        _("Nothing was done. Refund the money another way, or ask CyberSource what the account allows."),
    ),
    "EXCEEDS_AUTH_AMOUNT": ReasonText(
        _("The amount is more than the bank approved."),
        _("Nothing was done. Look at what is left of the hold, and capture that or less."),
    ),
    "AUTH_ALREADY_REVERSED": ReasonText(_("The hold has been released before."), LOOK_AGAIN),
    "TRANSACTION_ALREADY_SETTLED": ReasonText(_("The payment has gone to the bank already."), REFUND_INSTEAD),
    "MISSING_AUTH": ReasonText(
        _("CyberSource finds no authorization that this belongs to."),
        _("Nothing was done. The hold has ended, or was made in another account: the shopper has to pay anew."),
    ),
    "TRANSACTION_ALREADY_REVERSED_OR_SETTLED": ReasonText(
        _("The payment was released before, or has gone to the bank."),
        _("Nothing was done. Look it up in the CyberSource Business Center; if it was charged, refund it."),
    ),
    "CAPTURE_ALREADY_VOIDED": ReasonText(_("The capture was voided before."), LOOK_AGAIN),
    "ACCOUNT_NOT_ALLOWED_CREDIT": ReasonText(_("The account is not allowed to refund."), SHOPS_FAULT),
    "NOT_VOIDABLE": ReasonText(_("It cannot be voided any more: it has gone to the bank."), REFUND_INSTEAD),
    "Authentication Failed": ReasonText(
        _("CyberSource does not accept that the request comes from the shop."),
        _(
            "Nothing was done. Tell the shop's developers: the REST keys are wrong, have expired or belong to "
            "another host, or the server's clock is off."
        ),
    ),
    # Declined.
    "EXPIRED_CARD": ReasonText(_("The card has expired."), OTHER_CARD),
    "PROCESSOR_DECLINED": ReasonText(_("The processor declined it."), OTHER_CARD),
    "INSUFFICIENT_FUND": ReasonText(_("The account has insufficient funds."), OTHER_CARD),
    "STOLEN_LOST_CARD": ReasonText(_("The card was reported stolen or lost."), SUSPECT),
    "ISSUER_UNAVAILABLE": ReasonText(_("The shopper's bank could not be reached."), TRY_LATER),
    "UNAUTHORIZED_CARD": ReasonText(_("The card is inactive, or not allowed for payments like this."), OTHER_CARD),
    "CVN_NOT_MATCH": ReasonText(_("The card verification number does not match."), CORRECT_IT),
    "EXCEEDS_CREDIT_LIMIT": ReasonText(_("The card has reached its credit limit."), OTHER_CARD),
    "INVALID_CVN": ReasonText(_("The card verification number is wrong."), CORRECT_IT),
    "BLOCKED_BY_CARDHOLDER": ReasonText(_("The cardholder has blocked payments of this kind."), ASK_BANK),
    "DECLINED_CHECK": ReasonText(_("The cheque was declined."), OTHER_CARD),
    "BLACKLISTED_CUSTOMER": ReasonText(_("The shopper is on the processor's negative file."), SUSPECT),
    "SUSPENDED_ACCOUNT": ReasonText(_("The account is frozen."), OTHER_CARD),
    "PAYMENT_REFUSED": ReasonText(_("The payment was refused."), OTHER_CARD),
    "CV_FAILED": ReasonText(_("The bank approved, but the card verification number failed."), HOLD_MAY_REMAIN),
    "AVS_FAILED": ReasonText(_("The bank approved, but the address check failed."), HOLD_MAY_REMAIN),
    "INVALID_ACCOUNT": ReasonText(_("The account is invalid."), OTHER_CARD),
    "GENERAL_DECLINE": ReasonText(_("The bank declined the card without saying why."), ASK_BANK),
    "CONTACT_PROCESSOR": ReasonText(_("The bank has questions; it approves only by telephone."), ASK_BANK),
    "ALLOWABLE_PIN_RETRIES_EXCEEDED": ReasonText(_("The PIN was wrong too often."), ASK_BANK),
    "PROCESSOR_ERROR": ReasonText(_("The processor had a failure."), LOOK_IT_UP),
    "ACH_VERIFICATION_FAILED": ReasonText(_("The bank account could not be verified."), OTHER_CARD),
    # Decision Manager, and 3-D Secure.
    "DECISION_PROFILE_REJECT": ReasonText(_("Decision Manager rejected the payment."), HOLD_MAY_REMAIN),
    "DECISION_PROFILE_REVIEW": ReasonText(_("Decision Manager marked the payment for review."), DECIDE),
    "SCORE_EXCEEDS_THRESHOLD": ReasonText(_("The fraud score is over the limit."), HOLD_MAY_REMAIN),
    "CONSUMER_AUTHENTICATION_REQUIRED": ReasonText(
        _("The bank wants the shopper to confirm the payment."), AUTHENTICATE
    ),
    "CONSUMER_AUTHENTICATION_FAILED": ReasonText(
        _("The shopper did not confirm the payment at the bank."), AUTHENTICATE
    ),
    "PENDING_AUTHENTICATION": ReasonText(_("The shopper has yet to confirm the payment at the bank."), AUTHENTICATE),
    # Whether it was done is not known.
    "SYSTEM_ERROR": ReasonText(_("CyberSource had a general failure; whether it was done is not known."), LOOK_IT_UP),
    "SERVER_TIMEOUT": ReasonText(_("CyberSource's server timed out; whether it was done is not known."), LOOK_IT_UP),
    "SERVICE_TIMEOUT": ReasonText(
        _("A service of CyberSource timed out; whether it was done is not known."), LOOK_IT_UP
    ),
}

#: CyberSource gives no reason with HTTP 429.
ASKED_TOO_OFTEN = "ASKED_TOO_OFTEN"

#: HTTP 401 and 403, also of a firewall before CyberSource: nobody looked at what was asked.
NOT_BELIEVED = "NOT_BELIEVED"

#: Refusals that are about the caller, or the time, and not about what was asked.
NOT_LOOKED_AT = (ASKED_TOO_OFTEN, NOT_BELIEVED)

OURS = {
    ASKED_TOO_OFTEN: ReasonText(_("CyberSource received too many requests in a short time."), TRY_LATER),
    NOT_BELIEVED: REST["Authentication Failed"],
    "NOTHING_LEFT": ReasonText(_("Nothing was left of it."), ""),
    "EARLIER_STEP": ReasonText(_("An earlier step was not done."), LOOK_AGAIN),
}

#: What a REST call asked, by the name that the log has for it (:class:`cybersource.protocol.rest.Operation`).
CALLS: dict[str, Any] = {
    "authorize": _("A payment with a stored card"),
    "capture": _("Capture"),
    "refund": _("Refund"),
    "void": _("Void"),
    "reverse": _("Release authorization"),
    "timeout-reverse": _("Release of a payment whose answer was lost"),
    "timeout-void": _("Void of a call whose answer was lost"),
    "look-up": _("Look-up of a transaction"),
    "search": _("Search for transactions"),
    "decide-review": _("Decision about a review"),
    "conversions": _("Look at what reviewers decided"),
    "read-customer": _("Look at a stored card"),
    "delete-customer": _("Removal of a stored card"),
    "webhook-products": _("List of webhook event types"),
    "webhook-key": _("A key for webhooks"),
    "create-webhook": _("Subscription to a webhook"),
    "list-webhooks": _("List of webhooks"),
    "delete-webhook": _("Removal of a webhook"),
    "set-webhook-status": _("Change of a webhook"),
}

WATCHLIST = ReasonText(_("The shopper is on a watch list."), SUSPECT)
NOT_KNOWN = _("This reason is not in our list. Look the request up in the CyberSource Business Center.")


def of_code(code: int | None) -> ReasonText:
    """The words of a reason code, also of none and of one that is not in the list."""
    if code is None:
        return ReasonText(reason_meaning(None), "")
    return CODES[code] if code in CODES else ReasonText(reason_meaning(code), NOT_KNOWN)


def of_rest(reason: str) -> ReasonText:
    """The words of the reason in a REST answer, also of none and of one that is not in the list."""
    if not reason:
        return ReasonText("", "")
    if reason.endswith(WATCHLIST_ENDING):
        return WATCHLIST
    known = OURS.get(reason) or REST.get(reason)
    return known or ReasonText(reason, NOT_KNOWN)


def of_call(name: str) -> str:
    """What a REST call of this name asks, in words; the name itself where it is not in the list."""
    return str(CALLS.get(name, name))
