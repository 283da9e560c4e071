"""Which operation is allowed on what, and what it does: a table, and the checks that go with it.

The table of ``docs/reference/operations.rst`` is made of :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_model

from ..models import PaymentOperation
from ..payments.balance import REFUND_VOID, REVERSAL, VOID, PaymentBalance, TransactionStatus
from ..payments.errors import Problem
from ..payments.line_quantities import LineQuantities
from ..protocol import AmountNotRepresentable, currency_exponent, format_amount
from ..protocol.rest import Call, TransactionKind
from ..protocol.rest.calls import is_id
from . import bookkeeping, calls, explanations

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind

#: Amount columns have three decimals and twelve digits before them; the gateway takes no more on some processors.
HIGHEST_AMOUNT = Decimal("999999999.999")


def left_of_authorization(payment: PaymentBalance, on: Any) -> Decimal:
    return payment.left_to_capture


def left_of_capture(payment: PaymentBalance, on: Any) -> Decimal:
    taken = payment.capture(on)
    return min(taken.left, payment.left_to_refund) if taken else Decimal(0)


def left_of_hold(payment: PaymentBalance, on: Any) -> Decimal:
    is_its_hold = payment.authorization is not None and on.pk == payment.authorization.pk
    return payment.left_to_reverse if is_its_hold else on.amount


def all_of_it(payment: PaymentBalance, on: Any) -> Decimal:
    return on.amount  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class LineRule:
    """Of an operation that may be for some of the order's lines: how many of one are left for it."""

    left: Callable[[LineQuantities, Any], int]
    problem: Any  #: in words, where more of one are asked for


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of operation, with all that differs by kind: what it may be done to, its call, and its effect."""

    acts_on: tuple[str, ...]  #: ``txn_type``
    allowed: tuple[TransactionStatus, ...]
    limit: Callable[[PaymentBalance, Any], Decimal]  #: the highest amount, which is meant when none is named
    too_high: Any = ""  #: why an amount is too high, in words
    lines: LineRule | None = None  #: None: it is about the whole amount
    explain: Callable[..., str]  #: to those who are about to ask for it, what it does to the shopper's money
    build_call: Callable[[PaymentOperation, PaymentBalance | None], Call] | None
    record: Callable[[PaymentOperation], None] | None  #: in the shop's books; None: settlement, or the review, does it
    found_as: TransactionKind | None  #: by which it is recognised at CyberSource; None: it is no transaction there
    # What becomes of Oscar's rows. The table of the docs is made of it.
    source: str  #: what becomes of the Source
    makes: str  #: ``txn_type`` of the new Transaction; empty for none
    changes: str  #: what becomes of the Transaction it acts on
    event: str  #: type of the PaymentEvent, which has the quantities of the lines
    order: str  #: what becomes of the order's status


RULES: dict[Kind, Rule] = {
    Kind.AUTHORIZE: Rule(
        acts_on=(),
        allowed=(),
        limit=all_of_it,
        explain=explanations.authorize,
        build_call=None,  # of the token, by operations.stored_card
        record=None,
        found_as=TransactionKind.CHARGE,
        source="a new one; amount_allocated + amount",
        makes=Transaction.AUTHORISE,
        changes="",
        event=Transaction.AUTHORISE,
        order="authorized once its total is covered",
    ),
    Kind.CAPTURE: Rule(
        acts_on=(Transaction.AUTHORISE,),
        allowed=(TransactionStatus.HELD, TransactionStatus.PART_CAPTURED),
        limit=left_of_authorization,
        too_high=gettext_lazy("%(left)s %(currency)s can still be captured."),
        lines=LineRule(
            left=LineQuantities.left_to_capture, problem=gettext_lazy("Of “%(title)s” %(left)s can still be captured.")
        ),
        explain=explanations.capture,
        build_call=calls.capture,
        record=bookkeeping.record_capture,
        found_as=TransactionKind.CAPTURE,
        source="amount_debited + amount",
        makes=Transaction.DEBIT,
        changes="",
        event=Transaction.DEBIT,
        order="stays",
    ),
    Kind.REFUND: Rule(
        acts_on=(Transaction.DEBIT,),
        allowed=(TransactionStatus.CAPTURED, TransactionStatus.PART_REFUNDED),
        limit=left_of_capture,
        too_high=gettext_lazy("%(left)s %(currency)s can still be refunded."),
        lines=LineRule(
            left=LineQuantities.left_to_refund, problem=gettext_lazy("Of “%(title)s” %(left)s can still be refunded.")
        ),
        explain=explanations.refund,
        build_call=calls.refund,
        record=bookkeeping.record_refund,
        found_as=TransactionKind.REFUND,
        source="amount_refunded + amount",
        makes=Transaction.REFUND,
        changes="",
        event=Transaction.REFUND,
        order="stays",
    ),
    Kind.VOID: Rule(
        acts_on=(Transaction.DEBIT, Transaction.REFUND),
        allowed=(TransactionStatus.CAPTURED, TransactionStatus.REFUND),
        limit=all_of_it,
        too_high=gettext_lazy("A void is for the whole %(left)s %(currency)s."),
        explain=explanations.void,
        build_call=calls.void,
        record=bookkeeping.record_void,
        found_as=TransactionKind.VOID,
        source="amount_debited - amount (of a sale amount_allocated too), or amount_refunded - amount",
        makes=VOID,
        changes="VOIDED (of a sale its authorization too)",
        event=f"{VOID}, or {REFUND_VOID}",
        order="stays",
    ),
    Kind.REVERSE: Rule(
        acts_on=(Transaction.AUTHORISE,),
        allowed=(
            TransactionStatus.HELD,
            TransactionStatus.UNDER_REVIEW,
            TransactionStatus.REJECTED,
            TransactionStatus.PART_CAPTURED,
            TransactionStatus.VOIDED,
        ),
        limit=left_of_hold,
        too_high=gettext_lazy("%(left)s %(currency)s are held."),
        explain=explanations.reverse,
        build_call=calls.reverse,
        record=bookkeeping.record_reversal,
        found_as=TransactionKind.REVERSAL,
        source="amount_allocated - amount, unless a reviewer had rejected it or its sale was voided",
        makes=REVERSAL,
        changes="REVERSED, once nothing of it is held or captured",
        event=REVERSAL,
        order="declined, if it waited for this hold and nothing else is held for it",
    ),
    Kind.ACCEPT_REVIEW: Rule(
        acts_on=(Transaction.AUTHORISE,),
        allowed=(TransactionStatus.UNDER_REVIEW,),
        limit=all_of_it,
        too_high=gettext_lazy("%(left)s %(currency)s are under review."),
        explain=explanations.accept_review,
        build_call=calls.decide_review,
        record=None,
        found_as=None,
        source="stays; its allocation counts from now on",
        makes="",
        changes="ACCEPT",
        event="",
        order="authorized once its total is covered",
    ),
    Kind.REJECT_REVIEW: Rule(
        acts_on=(Transaction.AUTHORISE,),
        allowed=(TransactionStatus.UNDER_REVIEW,),
        limit=all_of_it,
        too_high=gettext_lazy("%(left)s %(currency)s are under review."),
        explain=explanations.reject_review,
        build_call=calls.decide_review,
        record=None,
        found_as=None,
        source="amount_allocated - amount",
        makes="",
        changes="REJECT",
        event="",
        order="declined, unless other money covers it",
    ),
}

#: A transaction's status in words for staff.
STANDINGS = {
    TransactionStatus.HELD: gettext_lazy("held on the card"),
    TransactionStatus.UNDER_REVIEW: gettext_lazy("under review"),
    TransactionStatus.REJECTED: gettext_lazy("rejected by a reviewer"),
    TransactionStatus.PART_CAPTURED: gettext_lazy("captured in part"),
    TransactionStatus.FULLY_CAPTURED: gettext_lazy("captured"),
    TransactionStatus.REVERSED: gettext_lazy("released"),
    TransactionStatus.CAPTURED: gettext_lazy("captured"),
    TransactionStatus.PART_REFUNDED: gettext_lazy("refunded in part"),
    TransactionStatus.REFUNDED: gettext_lazy("refunded"),
    TransactionStatus.REFUND: gettext_lazy("refunded"),
    TransactionStatus.VOIDED: gettext_lazy("voided"),
    TransactionStatus.FAILED: gettext_lazy("failed"),
    TransactionStatus.FOREIGN: gettext_lazy("not a card payment of CyberSource"),
}


def allowed(payment: PaymentBalance, transaction: Any) -> tuple[Kind, ...]:
    """Return the operations that would be begun on this Transaction now, by a shop that has a key to send them with."""
    standing = payment.standing(transaction)
    found = [kind for kind, rule in RULES.items() if standing in rule.allowed]
    return tuple(
        kind for kind in found if not check(kind, payment, transaction, amount=limit(kind, payment, transaction))
    )


def goes_back(payment: PaymentBalance, transaction: Any) -> bool:
    """Whether a capture can go back, or the whole payment by its authorization.

    What goes back is found out of the payment as it stands, so all of it waits for everything that is under way.
    """
    if payment.capture(transaction) is not None:
        return Kind.REFUND in allowed(payment, transaction)
    is_whole = payment.authorization is not None and transaction.pk == payment.authorization.pk
    steps = [(Kind.REVERSE, transaction), *((Kind.REFUND, one.transaction) for one in payment.captures)]
    return is_whole and not payment.under_way and any(kind in allowed(payment, on) for kind, on in steps)


#: What requesting an operation needs: permissions of the app, by their codenames.
MOVE_MONEY, DECIDE_REVIEW = "move_money", "decide_review"


def permissions(kind: str, payment: PaymentBalance, transaction: Any) -> tuple[str, ...]:
    """Return the permissions that an operation needs: what ends a review is for those who decide reviews.

    The table of ``docs/reference/operations.rst`` says the same.
    """
    if kind in (Kind.ACCEPT_REVIEW, Kind.REJECT_REVIEW):
        return (DECIDE_REVIEW,)
    if kind == Kind.REVERSE and payment.standing(transaction) == TransactionStatus.UNDER_REVIEW:
        return (MOVE_MONEY, DECIDE_REVIEW)
    return (MOVE_MONEY,)


def check(
    kind: Kind,
    payment: PaymentBalance,
    transaction: Any,
    *,
    amount: Decimal,
    currency: str = "",
    lines: Mapping[int, int] | None = None,
    order_lines: Mapping[int, Any] | None = None,
    quantities: LineQuantities | None = None,
    seen: str = "",
) -> list[Problem]:
    """Return every reason why ``kind`` may not be done to ``transaction`` now; empty when it may."""
    standing = payment.standing(transaction)
    rule = RULES[kind]
    if (
        standing == TransactionStatus.FOREIGN
        or transaction.txn_type not in rule.acts_on
        or not is_id(transaction.reference)
    ):
        message = _("“%(operation)s” is not possible for this transaction.")
        return [Problem(code="not-possible", field="transaction", message=message % {"operation": kind.label})]
    if seen and seen != payment.version:
        message = _("Something happened to this payment since you looked. Look at it again, then decide.")
        return [Problem(code="stale", field="seen", message=message)]
    if waits_for := payment.blocked(kind, transaction):
        return [under_way(waits_for)]
    if standing not in rule.allowed:
        message = _("“%(operation)s” is not possible while the transaction is %(standing)s.")
        words = {"standing": STANDINGS[standing], "operation": kind.label}
        return [Problem(code="wrong-state", field="transaction", message=message % words)]
    return [
        *amount_problems(kind, payment, transaction, amount, currency),
        *line_problems(kind, lines or {}, order_lines or {}, quantities),
    ]


def under_way(operation: PaymentOperation) -> Problem:
    """Return the problem of whatever has to wait for an operation."""
    message = _("Another operation is under way (%(number)s: %(what)s). Wait until its outcome is known.") % {
        "number": operation.reference_number,
        "what": operation.get_kind_display(),
    }
    return Problem(code="under-way", field="transaction", message=message)


def amount_problems(
    kind: Kind, payment: PaymentBalance, transaction: Any, amount: Decimal, currency: str
) -> Iterator[Problem]:
    if problem := currency_problem(currency, payment.currency):
        yield problem
        return
    if not amount.is_finite() or amount <= 0:
        yield Problem(code="amount-not-positive", field="amount", message=_("The amount must be more than nothing."))
        return
    if amount > HIGHEST_AMOUNT:
        yield Problem(code="amount-too-high", field="amount", message=_("The amount is higher than any payment."))
        return
    if problem := precision_problem(amount, payment.currency):
        yield problem
        return
    left = limit(kind, payment, transaction)
    if amount > left:
        message = RULES[kind].too_high % {"left": format_amount(left, payment.currency), "currency": payment.currency}
        yield Problem(code="amount-too-high", field="amount", message=message)


def currency_problem(told: str, ours: str) -> Problem | None:
    """Say that the caller has another currency in mind; whoever names none takes the payment's."""
    if not told or told == ours:
        return None
    message = _("This payment is in %(ours)s, not in %(told)s.") % {"ours": ours, "told": told[:3]}
    return Problem(code="other-currency", field="currency", message=message)


def decimals(currency: str) -> int:
    """Return how many decimals an amount may have: the currency's, also where Oscar's columns hold fewer."""
    return currency_exponent(currency)


def precision_problem(amount: Decimal, currency: str) -> Problem | None:
    """Return why an amount has too many decimals; None when it has not."""
    try:
        format_amount(amount, currency)
        if amount == round(amount, decimals(currency)):
            return None
    except AmountNotRepresentable:
        pass
    return Problem(code="amount-too-precise", field="amount", message=too_precise(currency))


def too_precise(currency: str) -> str:
    message = _("Write an amount in %(currency)s with no more than %(decimals)s decimals.")
    return message % {"currency": currency, "decimals": decimals(currency)}


def limit(kind: Kind, payment: PaymentBalance, transaction: Any) -> Decimal:
    """Return the highest amount of an operation now, which is what it is about when no amount is named."""
    return RULES[kind].limit(payment, transaction)


def explain(kind: Kind, payment: PaymentBalance, transaction: Any, amount: Decimal, *, is_last: bool = True) -> str:
    """Return what an operation does to the shopper's money, in words."""
    return RULES[kind].explain(payment, transaction, amount, is_last=is_last)


def call_for(operation: PaymentOperation, payment: PaymentBalance | None) -> Call:
    """Return the REST call of an operation, made of what its row says."""
    build_call = RULES[Kind(operation.kind)].build_call
    if build_call is None:
        raise ValueError(operation.kind)
    return build_call(operation, payment)


def line_problems(
    kind: Kind, lines: Mapping[int, int], order_lines: Mapping[int, Any], quantities: LineQuantities | None
) -> Iterator[Problem]:
    rule = RULES[kind].lines
    if rule is None:
        if lines:
            yield Problem(code="no-lines", field="lines", message=_("This operation is about the whole amount."))
        return
    for key, quantity in lines.items():
        line = order_lines.get(key)
        if line is None:
            message = _("The order has no line %(line)s.") % {"line": key}
            yield Problem(code="unknown-line", field="lines", message=message)
            continue
        assert quantities is not None
        left = rule.left(quantities, line)
        if not 0 < quantity <= left:
            message = rule.problem % {"title": line.title, "left": left}
            yield Problem(code="line-quantity", field="lines", message=message)
