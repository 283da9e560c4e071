"""What a look-up, or a row of a search, says was done: which act, how it ended, and what a payment came to.

Each transaction lists the services it went through, with a result each; that tells more reliably than its status, which
may be absent and changes as batches run.

Source: REST API field reference, transaction details; the service names and summary codes that the vendor's commerce
plugin reads (100 success, 480 review, 481 reject).
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from ..outcome import Outcome, OutcomeKind, message_of
from ..vocabulary import INVALID_REASONS, PARTIAL_REASON, RULE_REASONS, UNKNOWN_REASONS
from .answer import Answer, Application

REVIEW_REASON, REJECT_REASON = "480", "481"


class TransactionKind(StrEnum):
    """What one transaction at CyberSource did or tried."""

    CHARGE = "charge"  #: an authorization, or a sale
    CAPTURE = "capture"
    REFUND = "refund"
    REVERSAL = "reversal"
    VOID = "void"
    TOKEN = "token"  #: a card was stored and no money asked for
    OTHER = "other"


class GatewayStatus(StrEnum):
    """How it stands with it."""

    DONE = "done"
    UNDONE = "undone"  #: done, and taken back since
    DECLINED = "declined"
    UNKNOWN = "unknown"


#: The service that tells what a transaction is about, in the order in which they are looked for.
SERVICES = {
    "ics_auth": TransactionKind.CHARGE,
    "ics_bill": TransactionKind.CAPTURE,
    "ics_credit": TransactionKind.REFUND,
    "ics_auth_reversal": TransactionKind.REVERSAL,
    "ics_void": TransactionKind.VOID,
    "ics_pay_subscription_create": TransactionKind.TOKEN,
    # A fraud screen that rejected before any bank was asked.
    "ics_decision": TransactionKind.CHARGE,
}

#: Statuses of what was taken back, by what it was.
TAKEN_BACK = {
    TransactionKind.CHARGE: frozenset({"REVERSED", "VOIDED"}),
    TransactionKind.CAPTURE: frozenset({"VOIDED"}),
    TransactionKind.REFUND: frozenset({"VOIDED"}),
}

_RESULTS = {"1": GatewayStatus.DONE, "0": GatewayStatus.DECLINED}


def act_of(answer: Answer) -> TransactionKind:
    """Return what the transaction is about."""
    main = _main(answer)
    return SERVICES[main.name] if main else TransactionKind.OTHER


def is_sale(answer: Answer) -> bool:
    """Whether a charge took the money at once."""
    return any(each.name == "ics_bill" and each.succeeded for each in answer.applications)


def fate_of(answer: Answer) -> GatewayStatus:
    """Return how it stands with the transaction, as far as it says. A charge under review is done: money is held."""
    if answer.status in TAKEN_BACK.get(act_of(answer), ()):
        return GatewayStatus.UNDONE
    main = _main(answer)
    if main is None or main.name == "ics_decision" and answer.reason_code != REJECT_REASON:
        return GatewayStatus.UNKNOWN
    fate = _RESULTS.get(main.r_code, GatewayStatus.UNKNOWN) if main.ran else _ended_before(answer)
    code = _number(main.reason_code or answer.reason_code)
    # The bank's answer never came, or the processor failed: no decline, though it is told as one.
    if fate is GatewayStatus.DECLINED and code in UNKNOWN_REASONS:
        return GatewayStatus.UNKNOWN
    if fate is GatewayStatus.DECLINED and code in RULE_REASONS and _is_held(answer):
        return GatewayStatus.DONE
    return fate


def is_for_details(answer: Answer) -> bool:
    """Whether only a look-up can say how a charge stands: a rule of the account's own spoke, and no amount is told.

    A row of a search tells no authorized amount, and so tells a review that holds money like one that was reversed.
    """
    return (
        act_of(answer) is TransactionKind.CHARGE and answer.authorized_amount is None and _code(answer) in RULE_REASONS
    )


def charge_outcome(answer: Answer, *, asked: Decimal, currency: str) -> Outcome:
    """Return what a charge, or a stored card, came to, told as the same outcome that a reply comes to.

    What was held and given back since counts as declined: nothing is held, and the order is not paid by it.
    """
    fate = fate_of(answer)
    code = _number(answer.reason_code)
    held = answer.authorized_amount if answer.authorized_amount is not None else answer.total_amount
    kind = OutcomeKind.UNKNOWN
    match fate:
        case GatewayStatus.DONE if answer.reason_code == REJECT_REASON:
            kind = OutcomeKind.DECLINED
        case GatewayStatus.DONE if answer.reason_code == REVIEW_REASON or answer.status.endswith("PENDING_REVIEW"):
            kind = OutcomeKind.REVIEW
        case GatewayStatus.DONE if _code(answer) in RULE_REASONS:
            kind = OutcomeKind.REVIEW
        case GatewayStatus.DONE if act_of(answer) is TransactionKind.CHARGE and (
            code == PARTIAL_REASON or held is None or held < asked
        ):
            kind, code = OutcomeKind.PARTIAL, PARTIAL_REASON
        case GatewayStatus.DONE:
            kind, code = OutcomeKind.ACCEPTED, 100
        case GatewayStatus.UNDONE:
            kind, code = OutcomeKind.DECLINED, None
        case GatewayStatus.DECLINED:
            kind = OutcomeKind.INVALID if code in INVALID_REASONS else OutcomeKind.DECLINED
    holds = act_of(answer) is TransactionKind.CHARGE and kind in (
        OutcomeKind.ACCEPTED,
        OutcomeKind.REVIEW,
        OutcomeKind.PARTIAL,
    )
    return Outcome(
        kind=kind,
        transaction_id=answer.id or None,
        amount=held if holds else None,
        currency=answer.currency or currency,
        reason_code=code,
        message=answer.message,
        auth_code=answer.approval_code,
        avs_code=answer.avs_code,
        cvn_code=answer.cvn_code,
        auth_at=answer.submitted_at,
        payment_token=answer.token or None if kind in (OutcomeKind.ACCEPTED, OutcomeKind.REVIEW) else None,
        card_number=answer.card_number,
        card_type=answer.card_type,
        card_expiry=answer.card_expiry,
        shopper_message=message_of(kind, code),
    )


def _main(answer: Answer) -> Application | None:
    """The service that tells what it is about: the first that ran, else that was asked for, else the fraud screen."""
    asked = {each.name: each for each in reversed(answer.applications) if each.name in SERVICES}
    services = {name: each for name, each in asked.items() if name != "ics_decision"}
    ran = {name: each for name, each in services.items() if each.ran}
    return next((named[name] for named in (ran, services, asked) for name in SERVICES if name in named), None)


def never_ran(answer: Answer) -> bool:
    """Whether a charge was ended before a bank was asked."""
    main = _main(answer)
    return main is not None and act_of(answer) is TransactionKind.CHARGE and not main.ran


def awaits_shopper(answer: Answer) -> bool:
    """Whether a charge stopped at payer authentication: its shopper is at the bank's own page, or never came back."""
    return never_ran(answer) and any(each.name.startswith("ics_pa_") for each in answer.applications)


def _ended_before(answer: Answer) -> GatewayStatus:
    """How a request ended whose main service never ran: payer authentication, say, ended it before a bank was asked."""
    if answer.reason_code == REVIEW_REASON:
        return GatewayStatus.UNKNOWN
    results = {answer.r_code, *(each.r_code for each in answer.applications)} - {"", "1"}
    return GatewayStatus.DECLINED if results == {"0"} else GatewayStatus.UNKNOWN


def _is_held(answer: Answer) -> bool:
    """Whether the bank's approval stands: an amount is authorized, and no reversal was made in the same request."""
    reversed_at_once = any(each.name == "ics_auth_reversal" and each.succeeded for each in answer.applications)
    return bool(answer.authorized_amount) and not reversed_at_once


def _code(answer: Answer) -> int | None:
    main = _main(answer)
    return _number((main.reason_code if main else "") or answer.reason_code)


def _number(code: str) -> int | None:
    return int(code) if code.isascii() and code.isdecimal() and len(code) < 7 else None
