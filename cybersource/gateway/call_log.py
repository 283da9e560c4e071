"""Each call's log row: written before the call leaves, completed when it ended."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..models import CyberSourceReply, PaymentAttempt, PaymentOperation, ReplyType, card_numbers, clipped
from ..protocol.rest import Answer, Call, NotSent, Outcome, Processed, Refused, Unknown, for_storage
from .credentials import RestCredentials

RestOutcome = CyberSourceReply.RestOutcome


# ---------------------------------------------------------------------------------------------------------- the log


def _begun(
    call: Call,
    ours: RestCredentials,
    *,
    order: Any,
    attempt: PaymentAttempt | None,
    operation: PaymentOperation | None,
    user: Any,
) -> CyberSourceReply:
    """Write the row that says what is about to be asked, in a commit of its own."""
    asked = Answer.read(call.body or {})
    wanted = {f"request.{path}": value for path, value in for_storage(call.body, mask=card_numbers.mask).items()}
    return CyberSourceReply.objects.create(
        reply_type=ReplyType.REST,
        result=CyberSourceReply.Result.SENT,
        order=order,
        attempt=attempt,
        operation=operation,
        user=user,
        amount=_for_column(asked.total_amount),
        data={"request.method": call.method.upper(), "request.target": call.target_for_log, **wanted},
        **clipped(
            CyberSourceReply,
            merchant_id=ours.merchant_id,
            endpoint=ours.endpoint,
            transaction_type=call.operation.value,
            transaction_uuid=call.idempotency_id,
            reference_number=card_numbers.mask("req_reference_number", call.reference_number),
            currency=asked.currency,
        ),
    )


def _complete(entry: CyberSourceReply, outcome: Outcome, kept: Mapping[str, str], *, milliseconds: int) -> None:
    """Write what came back into the row."""
    entry.milliseconds = milliseconds
    entry.data = {**entry.data, **kept}
    if isinstance(outcome, NotSent):
        entry.outcome = RestOutcome.NOT_SENT
        entry.data["not_sent"] = outcome.cause
    else:
        entry.outcome = _OUTCOMES[type(outcome)]
        answer = outcome.answer
        entry.http_status = outcome.http_status
        entry.auth_amount = _for_column(answer.amount)
        entry.reason_code = int(answer.reason_code) if 0 < len(answer.reason_code) < 7 and _digits(answer) else None
        # What is looked up by its id tells its reference number, by which reviewers' decisions find it.
        told = card_numbers.mask("req_reference_number", answer.reference_number)
        columns = clipped(
            CyberSourceReply,
            reference_number=entry.reference_number or told,
            correlation_id=outcome.correlation_id.replace("\x00", ""),
            transaction_id=card_numbers.mask("id", answer.id),
            rest_status=answer.status,
            rest_reason=answer.reason,
            message=card_numbers.mask("message", answer.message),
            auth_code=answer.approval_code,
            auth_avs_code=answer.avs_code,
            auth_cv_result=answer.cvn_code,
        )
        for name, value in columns.items():
            setattr(entry, name, value)
        if isinstance(outcome, Unknown):
            entry.data["unknown"] = outcome.why.value
    entry.save()


_OUTCOMES = {Processed: RestOutcome.PROCESSED, Refused: RestOutcome.REFUSED, Unknown: RestOutcome.UNKNOWN}


def _digits(answer: Answer) -> bool:
    return answer.reason_code.isascii() and answer.reason_code.isdecimal()


def _for_column(amount: Decimal | None) -> Decimal | None:
    """The column takes twelve digits before the point; a longer amount is in ``data``."""
    return amount if amount is not None and amount < 10**12 else None
