"""What the shopper did: attempts, joined to payments, each with every answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...db import clock
from ...models import AttemptState, CyberSourceReply, PaymentAttempt, ReplyType
from ...payments import attention_list, reason_codes
from ...protocol import CARD_TYPES, TransactionType, avs_meaning, cvn_meaning
from .looks import TONES

#: A form whose answer has not come after this long will hardly get one.
GIVEN_UP_AFTER = timedelta(minutes=30)

A_MOMENT = timedelta(minutes=1)

#: What was asked, whether or not it came about.
TYPES = {
    TransactionType.AUTHORIZATION: gettext_lazy("Authorization"),
    TransactionType.AUTHORIZATION_WITH_TOKEN: gettext_lazy("Authorization and storing the card"),
    TransactionType.SALE: gettext_lazy("Sale: authorization and capture at once"),
    TransactionType.SALE_WITH_TOKEN: gettext_lazy("Sale: authorization and capture at once, and storing the card"),
    TransactionType.CREATE_PAYMENT_TOKEN: gettext_lazy("Storing the card, which moves no money"),
}

FLOWS = {
    "two-step": gettext_lazy("Two steps: store the card, then authorize"),
    "one-step": gettext_lazy("One step: authorize and store the card"),
    "sale": gettext_lazy("Sale: capture at once"),
    "sale-with-token": gettext_lazy("Sale: capture at once and store the card"),
    "token-then-server": gettext_lazy("Two steps: store the card, then authorize from the shop's server"),
}


@dataclass(frozen=True, kw_only=True)
class ReplyEntry:
    """One row of the log: what CyberSource said, how it came, what it did."""

    pk: int
    at: datetime
    received_by: str
    decision: str
    tone: str
    reason_code: int | None
    reason: str
    transaction_id: str
    auth_code: str
    avs: str
    cvn: str
    wrong_fields: tuple[str, ...]
    result: str
    result_text: str
    refused_because: str
    card: str


@dataclass(frozen=True, kw_only=True)
class AttemptEntry:
    """One attempt: a signed form, and every answer to it."""

    type: str
    state: str
    state_text: str
    tone: str
    amount: Decimal
    currency: str
    begun: datetime
    signed_again: datetime | None  #: the form was shown once more, with a fresh date
    settled: datetime | None
    transaction_ids: tuple[str, ...]
    attention: str
    remark: str
    deliveries: tuple[ReplyEntry, ...]

    @property
    def card(self) -> str:
        return next((delivery.card for delivery in reversed(self.deliveries) if delivery.card), "")


@dataclass(frozen=True, kw_only=True)
class PaymentEntry:
    """What the shopper did once: one form, or the two of a two-step payment."""

    number: int
    method_key: str
    flow: str
    steps: tuple[AttemptEntry, ...]

    @property
    def last(self) -> AttemptEntry:
        return self.steps[-1]

    @property
    def card(self) -> str:
        return next((step.card for step in reversed(self.steps) if step.card), "")


def type_of(attempt: PaymentAttempt) -> str:
    """What was asked, in words."""
    return str(TYPES.get(attempt.transaction_type, attempt.transaction_type))


def step(attempt: PaymentAttempt, charges: Sequence[Any], entries: Sequence[CyberSourceReply]) -> AttemptEntry:
    return AttemptEntry(
        type=type_of(attempt),
        state=attempt.state,
        state_text=_("Card stored") if attempt.state == AttemptState.TOKENIZED else attempt.get_state_display(),
        tone=TONES.get(attempt.state, "secondary"),
        amount=attempt.amount,
        currency=attempt.currency,
        begun=attempt.date_created,
        signed_again=attempt.date_signed if attempt.date_signed - attempt.date_created > A_MOMENT else None,
        settled=attempt.date_settled,
        transaction_ids=tuple(dict.fromkeys(charge.reference for charge in charges if charge.attempt_id == attempt.pk)),
        attention=attempt.get_attention_display() if attempt.attention else "",
        remark=remark(attempt),
        deliveries=tuple(delivery(entry) for entry in entries if entry.attempt_id == attempt.pk),
    )


def remark(attempt: PaymentAttempt) -> str:
    """What an attempt without an answer may mean."""
    waits = attempt.state == AttemptState.OPEN and clock.now() - attempt.date_signed >= GIVEN_UP_AFTER
    if not waits and attempt.state != AttemptState.EXPIRED:
        return ""
    if attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN:
        return _("No answer came: the shopper most likely left. This step moves no money.")
    if attempt.date_shown is None:
        return _("The shopper never saw this form, so it cannot have charged a card.")
    return _(
        "No answer came: the shopper most likely left. If they say they paid, look the order number up in the "
        "CyberSource Business Center."
    )


def delivery(entry: Any) -> ReplyEntry:
    wrong = ",".join(filter(None, (entry.required_fields, entry.invalid_fields)))
    return ReplyEntry(
        pk=entry.pk,
        at=entry.date_created,
        received_by=entry.get_reply_type_display(),
        decision=entry.decision or entry.rest_status or entry.get_outcome_display(),
        tone=TONES.get(entry.decision or entry.outcome, "secondary"),
        reason_code=entry.reason_code,
        reason=reason_in_words(entry),
        # The number of a request that only stores a card may be the card's token as well.
        transaction_id="" if entry.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN else entry.transaction_id,
        auth_code=entry.auth_code,
        avs=avs_meaning(entry.auth_avs_code),
        cvn=cvn_meaning(entry.auth_cv_result),
        wrong_fields=tuple(dict.fromkeys(filter(None, wrong.split(",")))),
        result=entry.result,
        result_text=entry.get_result_display(),
        refused_because=str(attention_list.MISFITS.get(entry.refused_because, entry.refused_because)),
        card=card(entry),
    )


def reason_in_words(entry: CyberSourceReply) -> str:
    """Why CyberSource said it; of a REST call without a reason, what was asked."""
    if entry.reply_type != ReplyType.REST:
        return str(reason_codes.of_code(entry.reason_code).means)
    return str(reason_codes.of_rest(entry.rest_reason).means or reason_codes.of_call(entry.transaction_type))


def card(entry: CyberSourceReply) -> str:
    """``Visa xxxxxxxxxxxx1111, expires 12-2031``, as far as it was said."""
    named = " ".join(filter(None, (CARD_TYPES.get(entry.card_type, ""), entry.card_number)))
    if named and entry.card_expiry_date:
        return _("%(card)s, expires %(date)s") % {"card": named, "date": entry.card_expiry_date}
    return named


def payments(attempts: Sequence[PaymentAttempt], steps: Sequence[AttemptEntry]) -> tuple[PaymentEntry, ...]:
    """Join the steps of each payment; the newest payment comes first, its steps in the order they were taken."""
    chains: dict[int, list[int]] = {}
    chain_of: dict[int, list[int]] = {}
    for position, attempt in enumerate(attempts):
        chain = chain_of.get(attempt.previous_id or 0)
        if chain is None:
            chain = chains[attempt.pk] = []
        chain_of[attempt.pk] = chain
        chain.append(position)
    told = [
        PaymentEntry(
            number=number,
            method_key=attempts[chain[0]].method_key,
            flow=str(FLOWS.get(attempts[chain[0]].flow, attempts[chain[0]].flow)),
            steps=tuple(steps[position] for position in chain),
        )
        for number, chain in enumerate(chains.values(), start=1)
    ]
    return tuple(reversed(told))
