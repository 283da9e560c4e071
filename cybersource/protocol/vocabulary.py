"""The closed sets and the numbers of Secure Acceptance, and what they mean in plain words.

Source: Secure Acceptance Checkout API Integration Guide (reason codes, AVS codes, CVN codes, card types), Silent Order
POST Development Guide 2017, Hosted Checkout guide (locales). Codes the Secure Acceptance guides leave out (209, 400,
450 to 461, 480) come from the general Simple Order API tables.
"""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """What CyberSource decided. The decision counts; the reason code only explains it."""

    ACCEPT = "ACCEPT"
    REVIEW = "REVIEW"
    DECLINE = "DECLINE"
    ERROR = "ERROR"
    CANCEL = "CANCEL"
    UNRECOGNISED = "UNRECOGNISED"  #: any other word, also the known ones in other case or with blanks

    @classmethod
    def read(cls, text: str) -> Decision:
        """Return the decision spelled exactly so, else ``UNRECOGNISED``."""
        return _DECISIONS.get(text, cls.UNRECOGNISED)


_DECISIONS = {decision.value: decision for decision in Decision}


class TransactionType(StrEnum):
    """What a form asks for. The field takes 60 characters; the longest of these has 35."""

    AUTHORIZATION = "authorization"
    SALE = "sale"
    CREATE_PAYMENT_TOKEN = "create_payment_token"
    AUTHORIZATION_WITH_TOKEN = "authorization,create_payment_token"
    SALE_WITH_TOKEN = "sale,create_payment_token"

    @property
    def creates_token(self) -> bool:
        """Whether an accepted reply brings a token for the card."""
        return self.value.endswith("create_payment_token")

    @property
    def charges(self) -> bool:
        """Whether an accepted reply holds or takes money."""
        return self is not TransactionType.CREATE_PAYMENT_TOKEN


class ReviewDecision(StrEnum):
    """What a reviewer decided in Decision Manager."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"


class ShopperMessage(StrEnum):
    """What to tell the shopper, by class; the words belong to the shop."""

    FIX_DETAILS = "fix-details"  #: something typed is wrong: mend it and try again
    OTHER_CARD = "other-card"  #: use another card
    ASK_BANK = "ask-bank"  #: ask the bank, or use another card
    UNDER_REVIEW = "under-review"  #: thank you, the payment is being looked at
    UNCONFIRMED = "unconfirmed"  #: the outcome is not known: do not pay again yet
    ALREADY_RECEIVED = "already-received"  #: this payment was sent before
    UNAVAILABLE = "unavailable"  #: payment is not possible now, and it is not the shopper's doing


#: Reasons that say "nobody knows whether the bank holds money", also when they arrive as DECLINE.
UNKNOWN_REASONS = frozenset({104, 150, 151, 152, 207, 236, 250})

#: The bank approved, and a rule of the account's own (AVS, CVN, smart authorization) makes it a review, or has it
#: reversed within the same request. The service is told as declined either way.
RULE_REASONS = frozenset({200, 230, 520})

#: The bank wants to be called: nothing is approved, and so nothing held, though it is told as a review.
REFERRAL_REASON = 201

#: Only part of the amount was approved.
PARTIAL_REASON = 110

#: Data is missing or wrong; ``required_fields`` and ``invalid_fields`` name it.
INVALID_REASONS = frozenset({101, 102})

CARD_TYPES: dict[str, str] = {
    "001": "Visa",
    "002": "Mastercard",
    "003": "American Express",
    "004": "Discover",
    "005": "Diners Club",
    "006": "Carte Blanche",
    "007": "JCB",
    "014": "EnRoute",
    "021": "JAL",
    "024": "Maestro UK Domestic",
    "027": "Nicos",
    "031": "Delta",
    "033": "Visa Electron",
    "034": "Dankort",
    "036": "Cartes Bancaires",
    "037": "Carta Si",
    "042": "Maestro International",
    "043": "GE Money UK",
    "050": "Hipercard",
    "053": "Orico",
    "054": "Elo",
    "055": "Private label",
    "062": "China UnionPay",
}

_FIX, _OTHER, _BANK = ShopperMessage.FIX_DETAILS, ShopperMessage.OTHER_CARD, ShopperMessage.ASK_BANK
_REVIEW, _UNCONFIRMED = ShopperMessage.UNDER_REVIEW, ShopperMessage.UNCONFIRMED
_RECEIVED, _UNAVAILABLE = ShopperMessage.ALREADY_RECEIVED, ShopperMessage.UNAVAILABLE

#: code -> (what staff read, what class of message a shopper gets when it is no success)
_REASONS: dict[int, tuple[str, ShopperMessage | None]] = {
    100: ("The transaction succeeded.", None),
    101: ("A required field is missing; the shop's form must be corrected.", _UNAVAILABLE),
    102: ("One or more fields hold invalid data, or a required field is missing.", _FIX),
    104: ("The same form was sent twice within 15 minutes; look at the first one's outcome.", _RECEIVED),
    110: ("Only part of the amount was approved.", _OTHER),
    150: ("CyberSource had a general failure; whether money is held is not known.", _UNCONFIRMED),
    151: ("CyberSource's server timed out; whether money is held is not known.", _UNCONFIRMED),
    152: ("A CyberSource service timed out; whether money is held is not known.", _UNCONFIRMED),
    200: ("The bank approved, but the address check failed.", _FIX),
    201: ("The bank has questions; it approves only by telephone.", _BANK),
    202: ("The card has expired, or its expiry date is wrong.", _FIX),
    203: ("The bank declined the card without saying why.", _OTHER),
    204: ("The account has insufficient funds.", _OTHER),
    205: ("The card was reported stolen or lost.", _OTHER),
    207: ("The bank could not be reached; whether money is held is not known.", _UNCONFIRMED),
    208: ("The card is inactive, or not allowed for payments without the card present.", _OTHER),
    209: ("The American Express card identification digits do not match.", _FIX),
    210: ("The card has reached its credit limit.", _OTHER),
    211: ("The card verification number is wrong.", _FIX),
    221: ("The shopper is on the processor's negative file.", _OTHER),
    222: ("The account is frozen.", _OTHER),
    230: ("The bank approved, but the card verification number failed.", _FIX),
    231: ("The card number is invalid, or does not fit the card type.", _FIX),
    232: ("The processor does not take this type of card.", _OTHER),
    233: ("The processor declined the card.", _OTHER),
    234: ("The CyberSource merchant account is set up wrongly; do not retry.", _UNAVAILABLE),
    236: ("The processor failed; whether money is held is not known.", _UNCONFIRMED),
    240: ("The card type does not correspond with the card number.", _FIX),
    250: ("The processor timed out; whether money is held is not known.", _UNCONFIRMED),
    400: ("The fraud score is over the limit.", _OTHER),
    475: ("The card is enrolled in payer authentication and was not authenticated.", _OTHER),
    476: ("Payer authentication failed.", _BANK),
    478: ("The bank asks for strong customer authentication.", _BANK),
    480: ("Decision Manager marked the payment for review.", _REVIEW),
    481: ("Decision Manager or the profile's settings rejected the payment.", _OTHER),
    520: ("The bank approved, but the smart authorization settings declined.", _REVIEW),
}
_REASONS.update(dict.fromkeys(range(450, 462), ("The address could not be verified.", _FIX)))


def reason_meaning(code: int | None) -> str:
    """Return in words for staff what a reason code means, also for no code and for one that is not in our list."""
    if code is None:
        return "No reason code was given."
    return _REASONS[code][0] if code in _REASONS else f"Reason code {code} is not in our list; the decision counts."


def shopper_message(decision: Decision, code: int | None) -> ShopperMessage | None:
    """Return the class of message the shopper gets, or None where there is nothing to say (success, cancelled).

    The code decides among refusals; the decision decides what kind of thing it is at all, so that a failed address
    check is "being reviewed" under REVIEW and "mend your address" under DECLINE.
    """
    message = _REASONS[code][1] if code in _REASONS else None
    if decision is Decision.CANCEL:
        return None
    if decision is Decision.ACCEPT:
        return message if code == PARTIAL_REASON else None
    if decision is Decision.REVIEW:
        return ShopperMessage.UNDER_REVIEW
    if decision is Decision.DECLINE:
        return message if message not in (None, ShopperMessage.UNDER_REVIEW) else ShopperMessage.OTHER_CARD
    # ERROR, or a word we do not know: only what surely never reached a bank may be tried again.
    return message if code in INVALID_REASONS or code == 104 else ShopperMessage.UNCONFIRMED


AVS_MEANINGS: dict[str, str] = {
    "A": "Street matches, postal code does not.",
    "B": "Street matches, postal code not verified.",
    "C": "Neither street nor postal code matches.",
    "D": "Street and postal code match.",
    "E": "The address check is invalid, or not allowed for this card.",
    "F": "Name does not match, postal code does.",
    "G": "The bank does not support the address check.",
    "H": "Name does not match, street and postal code do.",
    "I": "Address not verified.",
    "J": "Name, street and postal code match; the card's protection applies.",
    "K": "Name matches, street and postal code do not.",
    "L": "Name and postal code match, street does not.",
    "M": "Street and postal code match.",
    "N": "Neither street nor postal code matches.",
    "O": "Name and street match, postal code does not.",
    "P": "Postal code matches, street not verified.",
    "Q": "Name, street and postal code match.",
    "R": "The address check was unavailable.",
    "S": "The bank does not support the address check.",
    "T": "Name does not match, street does.",
    "U": "The address check was unavailable.",
    "V": "Name, street and postal code match.",
    "W": "Street does not match, 9-digit postal code does.",
    "X": "Street and 9-digit postal code match.",
    "Y": "Street and 5-digit postal code match.",
    "Z": "Street does not match, 5-digit postal code does.",
    "1": "The address check is not supported for this processor or card.",
    "2": "The processor's answer to the address check was not recognised.",
    "3": "PayPal confirmed the address.",
    "4": "PayPal did not confirm the address.",
}

CVN_MEANINGS: dict[str, str] = {
    "D": "The verification number is suspicious.",
    "I": "The verification number failed validation.",
    "M": "The verification number matches.",
    "N": "The verification number does not match.",
    "P": "The verification number was not processed.",
    "S": "The card has a verification number, but none was sent.",
    "U": "The bank does not support verification numbers.",
    "X": "The card brand does not support verification numbers.",
    "1": "Verification numbers are not supported for this processor or card.",
    "2": "The processor's answer to the verification number was not recognised.",
    "3": "The processor gave no result for the verification number.",
}


def avs_meaning(code: str) -> str:
    """Return in words what ``auth_avs_code`` means, "" when there was no check."""
    return AVS_MEANINGS.get(code, f"Address check code {code} is not in our list.") if code else ""


def cvn_meaning(code: str) -> str:
    """Return in words what ``auth_cv_result`` means, "" when there was no check."""
    return CVN_MEANINGS.get(code, f"Verification number code {code} is not in our list.") if code else ""


#: Locales of CyberSource's own pages. Irregular ones are spelled as they are: ``cz-cz``, ``lo-la``, ``tl-ph``.
LOCALES: tuple[str, ...] = tuple(
    "en-us ar-xn ca-es zh-cn zh-hk zh-mo zh-sg zh-tw hr-hr cz-cz da-dk nl-nl en-au en-gb en-ca en-ie en-nz fi-fi fr-fr "
    "fr-ca de-de de-at el-gr he-il hu-hu id-id it-it ja-jp ko-kr lo-la ms-my nb-no tl-ph pl-pl pt-br ru-ru sk-sk es-es "
    "es-ar es-cl es-co es-mx es-pe es-us sv-se th-th tr-tr vi-vn".split()
)

#: Values of ``shipping_method``.
SHIPPING_METHODS: tuple[str, ...] = (
    "sameday",
    "oneday",
    "twoday",
    "threeday",
    "lowcost",
    "pickup",
    "other",
    "none",
)
