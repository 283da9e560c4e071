"""How a payment ends: verdicts by reason code, and what brings each about.

Source: Secure Acceptance Checkout API guide, "Reason codes"; CyberSource testing guides for the amounts and CVNs that
a processor's test system answers in a particular way. Message texts are ours where no recording shows one.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from cybersource.simulator.cards import TestCard, fits_brand
from cybersource.simulator.request import Request
from cybersource.simulator.settings import Processor, Settings

ACCEPT, REVIEW, DECLINE, ERROR = "ACCEPT", "REVIEW", "DECLINE", "ERROR"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One way to end. ``decision`` is what counts; the code explains."""

    decision: str
    reason_code: str
    message: str
    auth_response: str = ""  #: the processor's own code; empty: no processor was asked
    authorized: bool = False  #: the bank approved, auth_amount, auth_code and auth_time are told
    checked: bool = False  #: the bank looked at address and CVN
    avs: str = ""
    cvn: str = ""


def _approved(decision: str, reason_code: str, message: str) -> Verdict:
    return Verdict(
        decision=decision,
        reason_code=reason_code,
        message=message,
        auth_response="100",
        authorized=True,
        checked=True,
    )


def _refused(reason_code: str, message: str, auth_response: str) -> Verdict:
    return Verdict(
        decision=DECLINE, reason_code=reason_code, message=message, auth_response=auth_response, checked=True
    )


_SUCCESS = "Request was processed successfully."
_PAYMENTECH = "We encountered a Paymentech problem: Reason: {}."

#: By name: the reason code, with a word behind it where one code comes with two decisions.
VERDICTS: dict[str, Verdict] = {
    "100": _approved(ACCEPT, "100", _SUCCESS),
    "110": _approved(ACCEPT, "110", "Only a partial amount was approved."),
    "200": _approved(REVIEW, "200", "The authorization was flagged by the address check."),
    "200-reversed": _approved(DECLINE, "200", "The authorization was reversed after the address check failed."),
    "230": _approved(REVIEW, "230", "The authorization was approved but the card verification check failed."),
    "230-reversed": _approved(DECLINE, "230", "The authorization was approved but the card verification check failed."),
    "480": _approved(REVIEW, "480", "Decision is REVIEW."),
    "520": _approved(REVIEW, "520", "The authorization was declined by your smart authorization settings."),
    "201": replace(_refused("201", _PAYMENTECH.format("Call Voice Operator"), "401"), decision=REVIEW),
    "202": _refused("202", _PAYMENTECH.format("Expired Card"), "522"),
    "203": _refused("203", _PAYMENTECH.format("Processor Decline"), "303"),
    "204": _refused("204", _PAYMENTECH.format("Insufficient Funds"), "521"),
    "205": _refused("205", _PAYMENTECH.format("Stolen or Lost Card"), "502"),
    "207": _refused("207", _PAYMENTECH.format("Issuer Unavailable"), "301"),
    "208": _refused("208", _PAYMENTECH.format("Inactive Card"), "825"),
    "210": _refused("210", _PAYMENTECH.format("Credit Limit Reached"), "302"),
    "211": _refused("211", _PAYMENTECH.format("Invalid CVN"), "531"),
    "221": _refused("221", "The customer matched an entry on the processor's negative file.", "594"),
    "222": _refused("222", _PAYMENTECH.format("Account Frozen"), "606"),
    "231": Verdict(decision=DECLINE, reason_code="231", message="The card number is not valid for this card type."),
    "232": Verdict(decision=DECLINE, reason_code="232", message="The card type is not accepted by the processor."),
    "233": _refused("233", _PAYMENTECH.format("General Decline"), "605"),
    "234": Verdict(decision=DECLINE, reason_code="234", message="There is a problem with your merchant configuration."),
    "236": _refused("236", _PAYMENTECH.format("Processor Failure"), "902"),
    "240": Verdict(decision=DECLINE, reason_code="240", message="The card type does not correlate with the number."),
    "475": Verdict(decision=DECLINE, reason_code="475", message="The cardholder is enrolled in Payer Authentication."),
    "476": Verdict(decision=DECLINE, reason_code="476", message="Payer authentication could not be done."),
    "478": Verdict(decision=DECLINE, reason_code="478", message="Strong customer authentication is required."),
    "481": Verdict(decision=DECLINE, reason_code="481", message="Decision is REJECT."),
    "104": Verdict(decision=ERROR, reason_code="104", message="The request repeats one of the last 15 minutes."),
    "150": Verdict(decision=ERROR, reason_code="150", message="General system failure.", auth_response="000"),
    "151": Verdict(decision=ERROR, reason_code="151", message="The request was received, but a server timed out."),
    "152": Verdict(decision=ERROR, reason_code="152", message="The request was received, but a service timed out."),
    "250": Verdict(decision=ERROR, reason_code="250", message="The processor timed out."),
    "cancel": Verdict(decision="CANCEL", reason_code="", message="The consumer cancelled the transaction"),
}


#: Amounts (in whole units, any currency) that a test processor answers in a particular way.
AMOUNTS: dict[Processor, dict[Decimal, str]] = {
    Processor.PAYMENTECH: {
        Decimal("2000"): "150",
        Decimal("401"): "201",
        Decimal("1500"): "203",
        Decimal("2201"): "231",
        **{Decimal(amount): "233" for amount in (2202, 2203, 2204, 2205, 2225, 2227)},
        Decimal("2229"): "203",
    },
    Processor.TSYS: {Decimal("2106"): "200"},
    Processor.OMNIPAY: {
        Decimal("1002"): "201",
        Decimal("1004"): "203",
        Decimal("1005"): "203",
        Decimal("1006"): "208",
        Decimal("1008"): "250",
        Decimal("1011"): "110",
        Decimal("1012"): "208",
    },
    Processor.GPN: {
        Decimal("1409"): "200",
        Decimal("1418"): "200",
        Decimal("1436"): "200",
        Decimal("1411"): "110",
        Decimal("1420"): "110",
    },
    Processor.AIBMS: {Decimal("2540"): "201", Decimal("2554"): "150"},
}

#: TSYS tells its AVS codes by amount.
AVS_AMOUNTS: dict[Decimal, str] = {
    Decimal("2101"): "X",
    Decimal("2102"): "Y",
    Decimal("2103"): "A",
    Decimal("2104"): "W",
    Decimal("2105"): "Z",
    Decimal("2106"): "N",
    Decimal("2107"): "U",
}

#: CVNs: Visa Platform Connect's three digits, and Compass' four for American Express.
CVNS: dict[str, str] = {
    "001": "M",
    "002": "N",
    "003": "P",
    "004": "S",
    "005": "U",
    "1111": "M",
    "2222": "N",
    "3333": "P",
    "4444": "S",
    "5555": "U",
}
AVS_CVNS: dict[str, str] = {"021": "A", "022": "B", "023": "I", "024": "D", "025": "M", "026": "G"}

#: AVS codes that fail the check: neither street nor postal code agrees.
AVS_FAILURES = frozenset({"C", "N"})

#: Surnames, our own convenience: CyberSource has no such triggers, its merchants write rules of this kind themselves.
SURNAMES = {"REVIEW": "480", "REJECT": "481"}


def decide(
    request: Request,
    *,
    settings: Settings,
    now: datetime,
    card: TestCard | None,
    surname: str,
    expiry: str,
    override: str = "",
) -> Verdict:
    """Return how this request ends.

    ``card``, ``surname`` and ``expiry`` come from the form, or from what the token stands for. ``override`` names a
    verdict that was set by hand. A bare token creation meets the fraud screen, the brand, the date and the CVN, but no
    amount: nothing is charged. A card that is declined, unless marked ``at_token``, is declined when it pays.
    """
    avs, cvn = _checks(request, settings)
    verdict = VERDICTS[override] if override else _decide(request, settings, now, card, surname, expiry, avs, cvn)
    if verdict.checked:
        if verdict.reason_code == "200":
            avs = "N"
        if verdict.reason_code == "230":
            cvn = "N"
        return replace(verdict, avs=avs, cvn=cvn)
    return verdict


def _decide(
    request: Request,
    settings: Settings,
    now: datetime,
    card: TestCard | None,
    surname: str,
    expiry: str,
    avs: str,
    cvn: str,
) -> Verdict:
    number = request["card_number"]
    if number and not fits_brand(number, request["card_type"]):
        return VERDICTS[settings.brand_mismatch_code]

    screened = request["skip_decision_manager"] != "true"
    code = card.reason_code if card and (request.pays or card.at_token) else "100"
    by_surname = SURNAMES.get(surname.strip(), "")
    if screened and "481" in {code, by_surname}:
        return VERDICTS["481"]
    if _past(expiry, now):
        return VERDICTS["202"]
    if code in {"200", "230"}:
        avs, cvn = ("N", cvn) if code == "200" else (avs, "N")
    elif code not in {"100", "480", "481"}:
        return VERDICTS[code]
    if request.pays:
        by_amount = AMOUNTS[settings.processor].get(Decimal(request["amount"] or "0"), "100")
        if by_amount == "200":
            avs = "N"
        elif by_amount != "100":
            return VERDICTS[by_amount]

    if cvn == "N" and request["ignore_cvn"] != "true":
        return VERDICTS["230-reversed" if settings.reverse_on_cvn_failure else "230"]
    if avs in AVS_FAILURES and request["ignore_avs"] != "true":
        return VERDICTS["200-reversed" if settings.reverse_on_avs_failure else "200"]
    if screened and "480" in {code, by_surname} and (request.pays or settings.review_token_creation):
        return VERDICTS["480"]
    return VERDICTS["100"]


def _checks(request: Request, settings: Settings) -> tuple[str, str]:
    """Return the AVS and CVN codes that the bank answers with; no CVN, no CVN code."""
    given = request["card_cvn"]
    avs = AVS_CVNS.get(given, "X" if request["card_number"] else "Y")
    if settings.processor is Processor.TSYS and request.pays:
        avs = AVS_AMOUNTS.get(Decimal(request["amount"] or "0"), avs)
    return avs, CVNS.get(given, "M") if given else ""


def _past(expiry: str, now: datetime) -> bool:
    """Tell whether a card with ``expiry`` (``MM-yyyy``) is past its last day."""
    month, year = expiry.split("-")
    return (int(year), int(month)) < (now.year, now.month)
