"""What staff should look at: each thing is listed once, with what happened, and cleared once.

Money that nobody waited for, and attempts of which nobody knows whether the card was charged. Called inside the
transaction that finds it out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_model

from .. import signals
from ..db import clock, locks
from ..models import (
    WAITS_FOR_STAFF,
    Attention,
    AttentionItem,
    CyberSourceReply,
    PaymentAttempt,
    PaymentOperation,
    clipped,
)
from ..protocol import Decision, Outcome, Reply, TransactionType
from . import orders
from .balance import PaymentBalance, currency_of
from .outbox import announce

Order = get_model("order", "Order")

#: What staff should do about it.
ADVICE = {
    Attention.EXTRA_CHARGE: gettext_lazy(
        "Cancel or refund it, here or in the CyberSource Business Center, unless both were meant."
    ),
    Attention.EXCESS_CHARGE: gettext_lazy(
        "If another payment covers the order, cancel or refund this one; otherwise capture what the order costs, or "
        "refund the difference."
    ),
    Attention.REPLACED_CHARGE: gettext_lazy(
        "Check that the amount is what the order asks for; cancel or refund it if it is not."
    ),
    Attention.AFTER_DECLINE: gettext_lazy(
        "The shopper may have read that it failed. Check before you keep, cancel or refund it."
    ),
    Attention.PARTIAL: gettext_lazy("The order is not paid by it. Release it, or collect the rest by other means."),
    Attention.KEPT_AUTHORIZATION: gettext_lazy(
        "It pays for nothing any more. Cancel or refund it, here or in the CyberSource Business Center."
    ),
    Attention.CLOSED_ORDER: gettext_lazy(
        "Cancel or refund it, here or in the CyberSource Business Center, or reopen the order."
    ),
    Attention.LATE_CHARGE: gettext_lazy(
        "The shopper may have paid another way meanwhile. Check that the order is paid once, then keep, cancel "
        "or refund it."
    ),
    Attention.ORPHAN: gettext_lazy(
        "It paid for nothing here. Look the transaction up in the CyberSource Business Center: another shop or "
        "a test may use the same profile. Cancel or refund it if it belongs to no order."
    ),
    Attention.MISFIT: gettext_lazy(
        "It paid for nothing here. Look the transaction up in the CyberSource Business Center and cancel or "
        "refund it if it holds or captured money."
    ),
    Attention.NO_ANSWER: gettext_lazy(
        "Look the reference number up in the CyberSource Business Center. If there is a charge, book it by "
        "hand, or cancel or refund it; if there is none, the order can be given up."
    ),
    Attention.UNPAID_REST: gettext_lazy(
        "Collect the rest by other means, or release what is held and cancel the order."
    ),
    Attention.UNRECORDED: gettext_lazy(
        "Ask the shop's developers to run the command cybersource_reprocess, and to read the error log."
    ),
    Attention.HOLD_LEFT: gettext_lazy(
        "The order is not paid by it. Release it, here or in the CyberSource Business Center, so that the "
        "shopper can spend the money again."
    ),
    Attention.UNKNOWN_OPERATION: gettext_lazy(
        "Look its reference number up in the CyberSource Business Center, and record on the operation's page what you "
        "found."
    ),
    Attention.WAITING_OPERATION: gettext_lazy(
        "Ask the shop's developers to check the REST key and cybersource_reconcile. It is then sent "
        "automatically: do not do it by hand."
    ),
    Attention.GIVEN_BACK_IN_PART: gettext_lazy("Look at the payment, and cancel or refund what is left of it."),
    Attention.DRIFT: gettext_lazy(
        "Compare both sides, and put right the one that is wrong. The shop's books were not changed."
    ),
    Attention.SHORT: gettext_lazy("Order more of it, or ask the customer, and refund what cannot be sent."),
}

#: How long a bank keeps a hold at most; most let it lapse within ten days. Source: the card networks' rules.
HOLDS_LAPSE = timedelta(days=31)

HOLD_MONEY = (Decision.ACCEPT, Decision.REVIEW)

#: How far back :func:`list_what_was_missed` looks.
LOOKED_BACK = timedelta(days=7)


def flag(
    kind: Attention,
    order: Any,
    attempt: PaymentAttempt | None,
    *,
    entry: CyberSourceReply | None = None,
    operation: PaymentOperation | None = None,
    transaction_id: str = "",
    amount: Decimal | None = None,
    currency: str = "",
    card_number: str = "",
    reference_number: str = "",
    transaction_uuid: str = "",
    detail: str = "",
    evidence: dict[str, Any] | None = None,
) -> bool:
    """List one thing for staff. True when it is new: the same charge of the same attempt is listed once a kind.

    ``card_number`` is the mask; only its last four digits are kept.
    """
    if attempt is not None:
        amount = attempt.amount if amount is None else amount
        currency = currency or attempt.currency
        reference_number = reference_number or attempt.reference_number
        transaction_uuid = transaction_uuid or attempt.transaction_uuid
        card_number = card_number or (attempt.token.masked_card_number if attempt.token else "")
    same = clipped(AttentionItem, transaction_uuid=transaction_uuid, transaction_id=transaction_id)
    _item, created = AttentionItem.objects.get_or_create(
        kind=kind,
        **same,
        defaults={
            "order": order,
            "attempt": attempt,
            "reply": entry,
            "operation": operation,
            "evidence": evidence or {},
            "amount": amount,
            "card_last4": card_number[-4:] if card_number[-4:].isdigit() else "",
            **clipped(AttentionItem, currency=currency, reference_number=reference_number, detail=detail),
        },
    )
    return created


def flag_unknown_outcome(kind: Attention, order: Any, attempt: PaymentAttempt) -> bool:
    """List an attempt of which nobody knows how it ended, or that holds its order up, and say so on the order."""
    PaymentAttempt.objects.filter(pk=attempt.pk).update(attention=kind)
    attempt.attention = kind
    return flag_and_note(kind, order, attempt)


def held_in_vain(order: Any, payment: PaymentBalance) -> bool:
    """List what a payment has of an order that was declined or cancelled, or is paid without it. Its attempt stays."""
    kind = Attention.CLOSED_ORDER if orders.is_cancelled(order) else Attention.UNPAID_REST
    return flag_payment(kind, order, payment)


def in_excess(order: Any, payment: PaymentBalance) -> bool:
    """List a payment that the order does not need: what else counts covers it."""
    if not flag_payment(Attention.EXCESS_CHARGE, order, payment, mark=True):
        return False
    announce(
        signals.unexpected_charge,
        sender=PaymentAttempt,
        order=order,
        attempt=attempt_of(payment),
        reply=entry_of(payment),
        outcome=None,
        attention=Attention.EXCESS_CHARGE,
    )
    return True


def lacking(order: Any, covered: Decimal) -> bool:
    """List a paid order of which so much money went back that what is left does not cover it any more."""
    attempt = PaymentAttempt.objects.filter(order=order).order_by("-pk").first()
    if attempt is None:
        return False
    amount = order.total_incl_tax - covered
    return flag_and_note(Attention.UNPAID_REST, order, attempt, amount=amount, currency=currency_of(order))


def set_aside(order: Any, payment: PaymentBalance) -> bool:
    """List a payment that the shopper's new checkout does not use. It pays for nothing any more."""
    return flag_payment(Attention.KEPT_AUTHORIZATION, order, payment, mark=True)


def hold_left(
    order: Any, attempt: PaymentAttempt | None, transaction_id: str, amount: Decimal, currency: str, **about: Any
) -> bool:
    """List the hold of a payment that was rejected after the bank had approved it, and that nobody reverses yet."""
    charge = {"transaction_id": transaction_id, "amount": amount, "currency": currency}
    if attempt is None:
        charge["reference_number"] = order.number
    return flag(Attention.HOLD_LEFT, order, attempt, **charge, **about)


def holds_left() -> QuerySet[AttentionItem]:
    return AttentionItem.objects.filter(kind=Attention.HOLD_LEFT, date_cleared=None)


def clear_lapsed_holds(at: datetime) -> None:
    """No bank keeps a hold for so long: nobody need release it any more."""
    clear(holds_left().filter(date_created__lt=at - HOLDS_LAPSE), _("The hold has lapsed at the bank by now."))


def flag_payment(kind: Attention, order: Any, payment: PaymentBalance, *, mark: bool = False) -> bool:
    """List what is left of a payment, and say so on the order; ``mark``: and on its attempt."""
    attempt = attempt_of(payment)
    if mark and attempt is not None:
        PaymentAttempt.objects.filter(pk=attempt.pk, source=payment.source.pk).update(attention=kind)
    return flag_and_note(
        kind,
        order,
        attempt,
        entry=entry_of(payment),
        transaction_id=payment.source.reference,
        amount=payment.kept,
        currency=payment.currency,
        card_number=payment.source.label,
        reference_number=order.number if attempt is None else "",
    )


def attempt_of(payment: PaymentBalance) -> PaymentAttempt | None:
    """The attempt that made a payment; None for what was booked by hand."""
    attempts = PaymentAttempt.objects.select_related("token")
    if payment.attempt_id is not None:
        return attempts.filter(pk=payment.attempt_id).first()
    return attempts.filter(source=payment.source.pk).order_by("pk").first()


def entry_of(payment: PaymentBalance) -> CyberSourceReply | None:
    """The log row of a payment's authorization."""
    made = payment.authorization
    return CyberSourceReply.objects.filter(pk=made.log_id).first() if made is not None and made.log_id else None


def flag_and_note(kind: Attention, order: Any, attempt: PaymentAttempt | None, **charge: Any) -> bool:
    if not flag(kind, order, attempt, **charge):
        return False
    message = _("%(what)s: %(amount)s %(currency)s, reference number %(number)s. %(advice)s")
    told = {
        "amount": charge.get("amount", attempt.amount if attempt else None),
        "currency": charge.get("currency") or (attempt.currency if attempt else ""),
        "number": attempt.reference_number if attempt else order.number,
    }
    orders.note(order, message % {"what": kind.label, "advice": ADVICE[kind], **told})
    return True


def answered(attempt: PaymentAttempt, transaction_id: str) -> None:
    """The answer that staff were asked to look for has come: what was listed for want of it is cleared.

    What they were asked about another transaction of the attempt stays. The caller saves the attempt.
    """
    attempt.attention = Attention.NONE
    waiting = AttentionItem.objects.filter(attempt=attempt, kind__in=WAITS_FOR_STAFF)
    waiting = waiting.filter(transaction_id__in=("", transaction_id))
    clear(waiting, _("CyberSource's answer came."))


def transaction_answered(attempt: PaymentAttempt, transaction_id: str) -> None:
    """How this transaction ended is known now: staff need not look it up any more."""
    asked = AttentionItem.objects.filter(attempt=attempt, kind=Attention.NO_ANSWER, transaction_id=transaction_id)
    clear(asked, _("CyberSource's answer came."))


def is_open(attempt: PaymentAttempt | None, transaction_id: str) -> bool:
    """Whether staff are asked to look at this charge already."""
    open_items = AttentionItem.objects.filter(attempt=attempt, transaction_id=transaction_id, date_cleared=None)
    return bool(transaction_id) and open_items.exists()


def clear(items: QuerySet[AttentionItem], reason: str, *, operation: PaymentOperation | None = None) -> None:
    """Clear what needs nobody any more, since an operation settled it where one is named."""
    items.filter(date_cleared=None).update(
        date_cleared=clock.now(), reason=reason[:255], cleared_by_operation=operation
    )


def list_again(items: QuerySet[AttentionItem]) -> None:
    """List again what an operation had settled that was undone since. What staff cleared stays cleared."""
    settled = items.filter(date_cleared__isnull=False, cleared_by_operation__isnull=False)
    settled.update(date_cleared=None, reason="", cleared_by_operation=None)


# -- money that belongs to no attempt ------------------------------------------------------------------------------


def moves_money(decision: str, transaction_type: str | None) -> bool:
    """Whether a reply says that money is held or taken; a bare token moves none."""
    return decision in HOLD_MONEY and transaction_type != TransactionType.CREATE_PAYMENT_TOKEN


def is_listed(reply: Reply) -> bool:
    same = clipped(AttentionItem, transaction_uuid=reply.transaction_uuid, transaction_id=reply.transaction_id or "")
    return AttentionItem.objects.filter(**same).exists()


@transaction.atomic
def flag_unmatched_charge(entry: CyberSourceReply) -> bool:
    """List a verified reply that holds money and fits no attempt; True when it is new. It is signalled once.

    It pays for nothing here, changes nothing of the order, and is linked to the order whose number it names.
    """
    if not moves_money(entry.decision, entry.transaction_type):
        return False
    locks.limit()  # the item points to the order, whose row somebody may hold locked
    order = entry.order or order_named(entry.reference_number)
    kind = Attention.MISFIT if entry.attempt_id else Attention.ORPHAN
    new = flag(
        kind,
        order,
        entry.attempt,
        entry=entry,
        transaction_id=entry.transaction_id,
        amount=entry.amount if entry.auth_amount is None else entry.auth_amount,
        currency=entry.currency,
        card_number=entry.card_number,
        reference_number=entry.reference_number,
        transaction_uuid=entry.transaction_uuid,
        detail=entry.refused_because,
    )
    if order is not None and entry.order_id is None:
        CyberSourceReply.objects.filter(pk=entry.pk).update(order=order)
    if new:
        announce(
            signals.unexpected_charge,
            sender=PaymentAttempt,
            order=order,
            attempt=entry.attempt,
            reply=entry,
            outcome=Outcome.from_reply(Reply.from_signed(entry.data)),
            attention=kind,
        )
    return new


def order_named(reference_number: str) -> Any:
    """The order that a reference number means, by its own number or by what the log knows; None for none."""
    if not reference_number:
        return None
    order = Order.objects.filter(number=reference_number).first()
    if order is None:
        known = CyberSourceReply.objects.filter(reference_number=reference_number, order__isnull=False)
        entry = known.select_related("order").order_by("pk").first()
        order = entry.order if entry else None
    return order


def list_what_was_missed() -> int:
    """List refused replies that hold money and are not listed, as after a crash. Returns how many there were."""
    listed = AttentionItem.objects.filter(
        transaction_uuid=OuterRef("transaction_uuid"), transaction_id=OuterRef("transaction_id")
    )
    missed = CyberSourceReply.objects.filter(
        ~Exists(listed),
        # Refused, or stored for an order that was deleted before the reply took effect.
        Q(result=CyberSourceReply.Result.REFUSED) | Q(result=CyberSourceReply.Result.RECEIVED, attempt=None),
        decision__in=HOLD_MONEY,
        date_created__gt=clock.now() - LOOKED_BACK,
    )
    return sum(flag_unmatched_charge(entry) for entry in missed.select_related("order", "attempt").order_by("pk"))
