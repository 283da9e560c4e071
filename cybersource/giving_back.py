"""Money goes back to the shopper: by a void, a reversal or a refund, whichever the payment's state asks for.

What is not captured is reversed. A capture that is in no batch yet is voided, and then the hold it leaves is reversed.
What has gone to the bank is refunded. Whether a batch has run only CyberSource knows, so a young capture is tried to be
voided, and refunded where that is refused. ``plan`` says it in words before ``give_back`` does it.

Source: payments guides on voids, reversals and credits; an integrator's order of trying them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from . import operations, standing
from .models import OperationState, PaymentOperation
from .protocol import format_amount
from .standing import Payment, Standing

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind

#: How long a void of a capture is tried at all. When an account's batches run is its own affair, but they run daily.
VOIDABLE_FOR = timedelta(hours=24)

#: Refusals of a void that say "it has gone to the bank": a refund is what is left.
GONE_TO_THE_BANK = {"NOT_VOIDABLE", "TRANSACTION_ALREADY_SETTLED"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation of a plan, and what it does to the shopper's money."""

    kind: Kind
    transaction: Any
    amount: Decimal
    says: str
    otherwise: str = ""  #: what is done instead where CyberSource refuses; empty for nothing


def plan(
    payment: Payment,
    *,
    on: Any = None,
    amount: Decimal | None = None,
    lines: Mapping[int, int] | None = None,
) -> tuple[Step, ...]:
    """What giving money back comes to now. Empty when there is nothing to give back.

    ``on`` is a Transaction of the payment: a capture, a refund to be stopped, or the authorization, which like None
    means everything. ``amount`` or ``lines`` ask for a part of a capture, which is always a refund; with lines alone
    the amount is theirs and is known when it is done.
    """
    if on is not None and on.txn_type == Transaction.REFUND:
        return (step(Kind.VOID, payment, on, on.amount),) if payment.standing(on) == Standing.GIVEN else ()
    taken = payment.capture(on) if on is not None else None
    if taken:
        return tuple(back_from(payment, taken, amount, is_part=bool(lines)))
    if payment.authorization is None or not payment.is_ours:
        return ()
    steps = [one for capture in payment.captures for one in back_from(payment, capture, None)]
    steps = [one for one in steps if one.kind != Kind.REVERSE]
    freed = sum((one.amount for one in steps if one.kind == Kind.VOID), standing.NOTHING)
    held = payment.authorization.amount if is_undecided(payment) else payment.held
    if held + freed:
        steps.append(step(Kind.REVERSE, payment, payment.authorization, held + freed))
    return tuple(steps)


def is_undecided(payment: Payment) -> bool:
    return payment.standing(payment.authorization) in (Standing.UNDER_REVIEW, Standing.REJECTED)


def back_from(payment: Payment, taken: standing.Taken, amount: Decimal | None, *, is_part: bool = False) -> list[Step]:
    """The steps by which a capture goes back, all of what is left of it or a part."""
    on = taken.transaction
    whole = not is_part and amount in (None, on.amount)
    if whole and taken.standing == Standing.TAKEN and taken.left == on.amount and is_young(on):
        freed = step(Kind.REVERSE, payment, payment.authorization, payment.held + on.amount)
        return [step(Kind.VOID, payment, on, on.amount), freed] if payment.authorization else []
    back = min(taken.left, payment.left_to_refund) if amount is None else amount
    return [step(Kind.REFUND, payment, on, back)] if back else []


def is_young(transaction: Any) -> bool:
    at = transaction.processed_datetime or transaction.date_created
    return timezone.now() - at < VOIDABLE_FOR  # type: ignore[no-any-return]


def step(kind: Kind, payment: Payment, on: Any, amount: Decimal) -> Step:
    otherwise = ""
    if kind == Kind.VOID and on.txn_type == Transaction.DEBIT:
        otherwise = _("If it has gone to the bank already, it is refunded instead.")
    return Step(
        kind=kind,
        transaction=on,
        amount=amount,
        says=explain(kind, payment, on, amount),
        otherwise=otherwise,
    )


def explain(kind: Kind, payment: Payment, on: Any, amount: Decimal, *, is_last: bool = True) -> str:
    """What one operation does to the shopper's money, in a sentence or two for whoever is about to do it."""
    words = {"amount": f"{format_amount(amount, payment.currency)} {payment.currency}"}
    match kind:
        case Kind.CAPTURE if amount >= payment.left_to_capture:
            return _("%(amount)s are taken from the shopper's card, which is all that is held.") % words
        case Kind.CAPTURE if is_last:
            rest = payment.left_to_capture - amount
            words["rest"] = f"{format_amount(rest, payment.currency)} {payment.currency}"
            return _("%(amount)s are taken from the shopper's card. The other %(rest)s will not be taken.") % words
        case Kind.CAPTURE:
            return _("%(amount)s are taken from the shopper's card now. More can be taken later.") % words
        case Kind.REFUND:
            return (
                _(
                    "%(amount)s go back to the shopper's card. The statement shows the charge and, usually some days "
                    "later, the refund."
                )
                % words
            )
        case Kind.VOID if on.txn_type == Transaction.REFUND:
            return _("The refund of %(amount)s is stopped. The shopper does not get this money.") % words
        case Kind.VOID:
            return _("The charge of %(amount)s is stopped before it reaches the bank. Nothing is paid.") % words
        case Kind.REVERSE if amount < on.amount:
            return (
                _(
                    "%(amount)s that are still held on the card will not be taken. Where the bank cannot release "
                    "a part, the hold ends by itself, usually within some days."
                )
                % words
            )
        case Kind.REVERSE:
            return (
                _(
                    "The hold of %(amount)s on the shopper's card is released. Nothing is charged; the bank may show "
                    "the hold for some days."
                )
                % words
            )
        case Kind.ACCEPT_REVIEW:
            return _("The payment of %(amount)s is accepted, and counts towards the order from now on.") % words
        case Kind.REJECT_REVIEW:
            return _("The payment of %(amount)s is rejected. The order is declined unless other money covers it.") % (
                words
            )
    return _("%(amount)s are held on the shopper's card.") % words


def give_back(
    on: Any,
    *,
    amount: Decimal | None = None,
    lines: Mapping[int, int] | None = None,
    key: str = "",
    seen: str = "",
    **asked: Any,
) -> list[PaymentOperation]:
    """Do what :func:`plan` says, step by step, until one does not end well. Returns the operations, in order.

    ``on`` as for ``plan``; ``asked`` as for every operation (``user``, ``reason``, ``reference``). Asked again under
    the same ``key``, it returns what was done and does no more. Raises
    :class:`~cybersource.rules.InvalidOperation` before anything was done; a later step that has become impossible
    meanwhile ends it.
    """
    operations.refuse_in_transaction()
    payment = standing.of_source(Source.objects.select_related("source_type").get(transactions=on.pk))
    if key and (before := asked_under(key, payment, amount, lines)):
        return before
    steps = plan(payment, on=on, amount=amount, lines=lines)
    if not steps:
        return [operations.ask(kind_for(on), on, amount=amount, lines=lines, key=key, seen=seen, **asked)]
    done: list[PaymentOperation] = []
    for one in steps:
        about: dict[str, Any] = {"key": numbered(key, done), "seen": "" if done else seen, **asked}
        if one.kind == Kind.REFUND:
            about |= {"amount": None if lines else one.amount, "lines": lines}
        try:
            ended = operations.ask(one.kind, one.transaction, **about)
        except operations.InvalidOperation:
            if not done:
                raise
            break
        done.append(ended)
        if ended.state == OperationState.REFUSED and ended.kind == Kind.VOID and one.otherwise:
            if ended.rest_reason not in GONE_TO_THE_BANK:
                break
            ended = operations.ask(Kind.REFUND, one.transaction, **{**about, "key": numbered(key, done), "seen": ""})
            done.append(ended)
            if on.txn_type == Transaction.DEBIT:
                break  # its hold is used up: nothing was freed
        if ended.state not in standing.ENDED_WELL:
            break
    return done


def asked_under(
    key: str, payment: Payment, amount: Decimal | None, lines: Mapping[int, int] | None
) -> list[PaymentOperation]:
    """The steps by which the same was given back under this key before, in order. What differs the rules refuse."""
    found = [one for one in payment.operations if one.key == key or (one.key or "").startswith(f"{key}.")]
    kinds = {one.kind for one in found}
    is_same = kinds <= {Kind.VOID, Kind.REVERSE, Kind.REFUND} and all(
        amount in (None, one.amount) and one.lines == operations.in_json(lines) for one in found[-1:]
    )
    return found if is_same else []


def kind_for(on: Any) -> Kind:
    """What to ask of a transaction of which nothing can be given back, so that the rules say why."""
    kinds = {Transaction.DEBIT: Kind.REFUND, Transaction.REFUND: Kind.VOID}
    return kinds.get(on.txn_type, Kind.REVERSE)


def numbered(key: str, done: list[PaymentOperation]) -> str:
    """Each step has a key of its own, and the same one when all of it is asked again."""
    return f"{key}.{len(done)}" if key and done else key
