"""What a browser did over Secure Acceptance, as the REST services show it: under the same id, in the same book."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation

from cybersource.simulator.records import Payment
from cybersource.simulator.rest.payments import ANSWERS
from cybersource.simulator.rest.transactions import Card, Transaction


def adopted(payment: Payment, now: datetime) -> Transaction | None:
    """Return a payment of the Silent Order POST as a transaction, or None if nothing was processed.

    What the bank said counts, not the reply, which a fault may have spoiled on its way.
    """
    verdict = payment.verdict
    if payment.transaction_id is None or verdict is None:
        return None
    told = dict(payment.merchant_post)
    action = payment.transaction_type.partition(",")[0]
    pays = action in {"authorization", "sale"}
    stands = verdict.decision in {"ACCEPT", "REVIEW"}
    amount = Decimal(told.get("auth_amount") or 0) if pays and stands else Decimal(0)
    status, reason = ANSWERS.get(verdict.reason_code, ("DECLINED", "GENERAL_DECLINE"))
    if pays:
        kind = "sale" if action == "sale" and verdict.decision == "ACCEPT" else "authorization"
        status = status if amount or not status.startswith("AUTHORIZED") else "DECLINED"
    else:
        kind = "token" if action == "create_payment_token" else "token update"
        status = "" if stands else "DECLINED"
    return Transaction(
        id=payment.transaction_id,
        root=payment.transaction_id,
        kind=kind,
        merchant_id=payment.merchant_id,
        amount=amount,
        asked=_decimal(payment.amount),
        currency=payment.currency,
        status=status,
        reason=reason,
        reason_code=verdict.reason_code,
        reference=payment.reference_number,
        at=now,
        by="Secure Acceptance",
        card=Card(
            number=payment.card_number,
            type=payment.card_type,
            expiry=told.get("req_card_expiry_date", ""),
            token=payment.payment_token or told.get("req_payment_token", ""),
            approval_code=told.get("auth_code", ""),
            response_code=told.get("auth_response", ""),
            avs=told.get("auth_avs_code", ""),
            avs_raw=told.get("auth_avs_code_raw", ""),
            cvn=told.get("auth_cv_result", ""),
            network_id="016153570198200" if amount else "",
            bill_to={
                name.removeprefix("req_"): value for name, value in told.items() if name.startswith("req_bill_to_")
            },
        ),
        payment=payment,
    )


def setup_before(payment: Transaction, *, id: str) -> Transaction:
    """Return the row of its own that the set-up of payer authentication leaves: under the same number, about no money.

    Source: a recorded search of a Secure Acceptance sale with 3-D Secure.
    """
    card = Card(number=payment.card.number, type=payment.card.type)
    return replace(
        payment,
        id=id,
        root=id,
        kind="setup",
        amount=Decimal(0),
        asked=Decimal(0),
        status="",
        reason="",
        reason_code="100",
        card=card,
        payment=None,
    )


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)
