"""Which operation is allowed on what, and what it does: a table, and the checks that go with it.

The table of ``docs/reference/operations.rst`` is made of :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oscar.core.loading import get_model

from ..models import PaymentOperation
from ..payments.balance import REFUND_VOID, REVERSAL, VOID, PaymentBalance, TransactionStatus
from ..payments.errors import InvalidOperation, Problem
from ..payments.line_quantities import LineQuantities
from ..protocol import AmountNotRepresentable, currency_exponent, format_amount
from ..protocol.rest.calls import is_id

Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind

#: Amount columns have three decimals and twelve digits before them; the gateway takes no more on some processors.
HIGHEST_AMOUNT = Decimal("999999999.999")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One operation: on which Transactions, in which standing, and its effect."""

    acts_on: tuple[str, ...]  #: ``txn_type``
    allowed: tuple[TransactionStatus, ...]
    source: str  #: what becomes of the Source
    makes: str  #: ``txn_type`` of the new Transaction; empty for none
    changes: str  #: what becomes of the Transaction it acts on
    event: str  #: type of the PaymentEvent, which has the quantities of the lines
    order: str  #: what becomes of the order's status


RULES: dict[Kind, Rule] = {
    Kind.AUTHORIZE: Rule(
        acts_on=(),
        allowed=(),
        source="a new one; amount_allocated + amount",
        makes=Transaction.AUTHORISE,
        changes="",
        event=Transaction.AUTHORISE,
        order="authorized once its total is covered",
    ),
    Kind.CAPTURE: Rule(
        acts_on=(Transaction.AUTHORISE,),
        allowed=(TransactionStatus.HELD, TransactionStatus.PART_CAPTURED),
        source="amount_debited + amount",
        makes=Transaction.DEBIT,
        changes="",
        event=Transaction.DEBIT,
        order="stays",
    ),
    Kind.REFUND: Rule(
        acts_on=(Transaction.DEBIT,),
        allowed=(TransactionStatus.CAPTURED, TransactionStatus.PART_REFUNDED),
        source="amount_refunded + amount",
        makes=Transaction.REFUND,
        changes="",
        event=Transaction.REFUND,
        order="stays",
    ),
    Kind.VOID: Rule(
        acts_on=(Transaction.DEBIT, Transaction.REFUND),
        allowed=(TransactionStatus.CAPTURED, TransactionStatus.REFUND),
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
        source="amount_allocated - amount, unless a reviewer had rejected it or its sale was voided",
        makes=REVERSAL,
        changes="REVERSED, once nothing of it is held or captured",
        event=REVERSAL,
        order="declined, if it waited for this hold and nothing else is held for it",
    ),
    Kind.ACCEPT_REVIEW: Rule(
        acts_on=(Transaction.AUTHORISE,),
        allowed=(TransactionStatus.UNDER_REVIEW,),
        source="stays; its allocation counts from now on",
        makes="",
        changes="ACCEPT",
        event="",
        order="authorized once its total is covered",
    ),
    Kind.REJECT_REVIEW: Rule(
        acts_on=(Transaction.AUTHORISE,),
        allowed=(TransactionStatus.UNDER_REVIEW,),
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

#: Why an amount is too high.
LIMITS = {
    Kind.CAPTURE: gettext_lazy("%(left)s %(currency)s can still be captured."),
    Kind.REFUND: gettext_lazy("%(left)s %(currency)s can still be refunded."),
    Kind.VOID: gettext_lazy("A void is for the whole %(left)s %(currency)s."),
    Kind.REVERSE: gettext_lazy("%(left)s %(currency)s are held."),
    Kind.ACCEPT_REVIEW: gettext_lazy("%(left)s %(currency)s are under review."),
    Kind.REJECT_REVIEW: gettext_lazy("%(left)s %(currency)s are under review."),
}


def allowed(payment: PaymentBalance, transaction: Any) -> tuple[Kind, ...]:
    """The operations that would be begun on this Transaction now, by a shop that has a key to ask them with."""
    standing = payment.standing(transaction)
    found = [kind for kind, rule in RULES.items() if standing in rule.allowed]
    return tuple(
        kind for kind in found if not check(kind, payment, transaction, amount=limit(kind, payment, transaction))
    )


def goes_back(payment: PaymentBalance, transaction: Any) -> bool:
    """Whether money can be given back of a capture, or of the whole payment by its authorization.

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
    """The permissions that an operation needs, by its effect: what ends a review is for those who decide reviews.

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
    """Every reason why ``kind`` may not be done to ``transaction`` now; empty when it may."""
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
    """Why nothing is begun that has to wait for an operation."""
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
        message = LIMITS[kind] % {"left": format_amount(left, payment.currency), "currency": payment.currency}
        yield Problem(code="amount-too-high", field="amount", message=message)


def currency_problem(told: str, ours: str) -> Problem | None:
    """Say that the caller has another currency in mind; whoever names none takes the payment's."""
    if not told or told == ours:
        return None
    message = _("This payment is in %(ours)s, not in %(told)s.") % {"ours": ours, "told": told[:3]}
    return Problem(code="other-currency", field="currency", message=message)


def asked_under(key: str) -> PaymentOperation | None:
    """The operation that was asked under this key, which is yours to choose; None without a key.

    Raises :class:`InvalidOperation` for a key that is longer than its column: cut, it would be another's.
    """
    longest = PaymentOperation._meta.get_field("key").max_length
    if longest is not None and len(key) > longest:
        message = _("A key has at most %(longest)s characters.") % {"longest": longest}
        raise InvalidOperation(Problem(code="key-too-long", field="key", message=message))
    return PaymentOperation.objects.filter(key=key).first() if key else None


def decimals(currency: str) -> int:
    """How many decimals an operation's amount may have: the currency's, also where Oscar's columns hold fewer."""
    return currency_exponent(currency)


def precision_problem(amount: Decimal, currency: str) -> Problem | None:
    """Why an amount has too many decimals; None when it has not."""
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
    """The highest amount of an operation now, which is what it is about when no amount is named."""
    match kind:
        case Kind.CAPTURE:
            return payment.left_to_capture
        case Kind.REFUND:
            taken = payment.capture(transaction)
            return min(taken.left, payment.left_to_refund) if taken else Decimal(0)
        case Kind.REVERSE if payment.authorization is not None and transaction.pk == payment.authorization.pk:
            return payment.left_to_reverse
    return transaction.amount  # type: ignore[no-any-return]


def line_problems(
    kind: Kind, lines: Mapping[int, int], order_lines: Mapping[int, Any], quantities: LineQuantities | None
) -> Iterator[Problem]:
    if lines and kind not in (Kind.CAPTURE, Kind.REFUND):
        yield Problem(code="no-lines", field="lines", message=_("This operation is about the whole amount."))
        return
    for key, quantity in lines.items():
        line = order_lines.get(key)
        if line is None:
            message = _("The order has no line %(line)s.") % {"line": key}
            yield Problem(code="unknown-line", field="lines", message=message)
            continue
        assert quantities is not None
        left = quantities.left_to_capture(line) if kind == Kind.CAPTURE else quantities.left_to_refund(line)
        if not 0 < quantity <= left:
            words = {"title": line.title, "left": left}
            message = (
                _("Of “%(title)s” %(left)s can still be captured.")
                if kind == Kind.CAPTURE
                else _("Of “%(title)s” %(left)s can still be refunded.")
            )
            yield Problem(code="line-quantity", field="lines", message=message % words)
