"""One row of the log, readable from end to end: every field in words where we have them, and as it came.

What works like a key is never shown, only that it is there: tokens, and the id of a request that stored a card, which
may be its token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import CyberSourceReply, ReplyType
from ..payments import reason_codes
from ..protocol import CARD_TYPES, AmountNotRepresentable, TransactionType, avs_meaning, cvn_meaning, format_amount

#: Fields that work like a key: kept in the log for the shop's code, shown to nobody.
NOT_SHOWN = frozenset({"payment_token", "req_payment_token", "request_token"})

HIDDEN = gettext_lazy("kept, not shown")

#: What is done next where a call's outcome leaves no reason.
ADVICE = {
    CyberSourceReply.RestOutcome.UNKNOWN: reason_codes.LOOK_IT_UP,
    CyberSourceReply.RestOutcome.NOT_SENT: reason_codes.TRY_LATER,
}


@dataclass(frozen=True)
class Fact:
    name: str
    value: str
    is_code: bool = False  #: an id or a code, to be compared letter by letter


@dataclass(frozen=True, kw_only=True)
class LogPage:
    """A row as a page shows it."""

    entry: CyberSourceReply
    title: str
    means: str  #: the reason in words
    advice: str  #: what to do next
    said: tuple[Fact, ...]
    about: tuple[Fact, ...]
    fields: tuple[tuple[str, str], ...]  #: everything that the row keeps

    @property
    def is_call(self) -> bool:
        return bool(self.entry.reply_type == ReplyType.REST)


def read(entry: CyberSourceReply) -> LogPage:
    words = reason_codes.of_rest(entry.rest_reason) if is_call(entry) else reason_codes.of_code(entry.reason_code)
    advice = words.advice or (ADVICE.get(CyberSourceReply.RestOutcome(entry.outcome), "") if entry.outcome else "")
    return LogPage(
        entry=entry,
        title=reason_codes.of_call(entry.transaction_type) if is_call(entry) else entry.get_reply_type_display(),
        means=str(words.means),
        advice=str(advice),
        said=tuple(fact for fact in said(entry) if fact.value),
        about=tuple(fact for fact in about(entry) if fact.value),
        fields=tuple(readable(entry.data, hides_id=stores_a_card(entry))),
    )


def is_call(entry: CyberSourceReply) -> bool:
    return bool(entry.reply_type == ReplyType.REST)


def stores_a_card(entry: CyberSourceReply) -> bool:
    return bool(entry.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN)


def said(entry: CyberSourceReply) -> Iterator[Fact]:
    """What CyberSource said."""
    yield Fact(_("Decision"), entry.decision, is_code=True)
    yield Fact(_("Outcome"), entry.get_outcome_display() if entry.outcome else "")
    yield Fact(_("Status"), entry.rest_status, is_code=True)
    yield Fact(_("HTTP status"), str(entry.http_status or ""), is_code=True)
    yield Fact(_("Reason code"), "" if entry.reason_code is None else str(entry.reason_code), is_code=True)
    yield Fact(_("Reason"), entry.rest_reason, is_code=True)
    yield Fact(_("Message"), entry.message)
    yield Fact(_("Requested amount"), amount_of(entry.amount, entry.currency))
    yield Fact(_("Amount approved"), amount_of(entry.auth_amount, entry.currency))
    yield Fact(_("Authorization code"), entry.auth_code, is_code=True)
    yield Fact(_("Address check"), coded(entry.auth_avs_code, avs_meaning(entry.auth_avs_code)))
    yield Fact(_("Security code"), coded(entry.auth_cv_result, cvn_meaning(entry.auth_cv_result)))
    yield Fact(_("Card"), card(entry))
    yield Fact(_("Transaction ID"), str(HIDDEN) if hides(entry) else entry.transaction_id, is_code=True)
    yield Fact(_("Correlation ID"), entry.correlation_id, is_code=True)


def hides(entry: CyberSourceReply) -> bool:
    return bool(entry.transaction_id) and stores_a_card(entry)


def about(entry: CyberSourceReply) -> Iterator[Fact]:
    """What the row is, and what it did."""
    yield Fact(_("Came by"), entry.get_reply_type_display())
    yield Fact(_("Requested"), "" if is_call(entry) else entry.transaction_type, is_code=True)
    yield Fact(_("Reference number"), entry.reference_number, is_code=True)
    yield Fact(_("Idempotency ID") if is_call(entry) else _("Transaction UUID"), entry.transaction_uuid, is_code=True)
    yield Fact(_("Result"), entry.get_result_display())
    yield Fact(_("Refused because"), entry.refused_because, is_code=True)
    yield Fact(_("Milliseconds"), "" if entry.milliseconds is None else str(entry.milliseconds))


def amount_of(amount: Decimal | None, currency: str) -> str:
    """``64.50 USD``: the column keeps three places, for the currencies that have them."""
    if amount is None:
        return ""
    try:
        return f"{format_amount(amount, currency)} {currency}"
    except AmountNotRepresentable:
        return f"{amount} {currency}".strip()


def coded(code: str, meaning: str) -> str:
    return f"{code}: {meaning}" if code else ""


def card(entry: CyberSourceReply) -> str:
    named = (CARD_TYPES.get(entry.card_type, entry.card_type), entry.card_number, entry.card_expiry_date)
    return " ".join(filter(None, named))


def readable(data: Mapping[str, Any], *, hides_id: bool = False) -> Iterable[tuple[str, str]]:
    """What a row keeps, by name; of what works like a key only that it is there."""
    hidden = NOT_SHOWN | {"transaction_id"} if hides_id else NOT_SHOWN
    for name in sorted(data):
        value = data[name] or ""
        if value and name in hidden:
            value = str(HIDDEN)
        yield name, value.replace(",", ", ") if name.endswith("_names") else value
