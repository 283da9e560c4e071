"""What staff are about to request of a payment: read, worked out and explained before anything is sent.

Nothing is locked and nothing is written here. What is found out is only what the page shows: the operation checks it
all again, under the order's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from oscar.core.loading import get_model

from ..models import AttentionItem, PaymentOperation
from ..operations import money_back, requests, rules, service
from ..operations.operation_request import CANCEL_OR_REFUND, OperationRequest
from ..payments import balance, line_quantities, operation_queue, orders
from ..payments.errors import InvalidOperation, Problem

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

Kind = PaymentOperation.Kind


class OperationButton(StrEnum):
    """What a button of the desk requests: one operation, or to cancel or refund by whichever operations it takes."""

    CAPTURE = "capture"
    REFUND = "refund"
    VOID = "void"
    REVERSE = "reverse"
    CANCEL_OR_REFUND = CANCEL_OR_REFUND
    ACCEPT_REVIEW = "accept-review"
    REJECT_REVIEW = "reject-review"


#: What a button and a page are called.
TITLES = {
    OperationButton.CAPTURE: _("Capture"),
    OperationButton.REFUND: _("Refund"),
    OperationButton.VOID: _("Void"),
    OperationButton.REVERSE: _("Release authorization"),
    OperationButton.CANCEL_OR_REFUND: _("Cancel or refund"),
    OperationButton.ACCEPT_REVIEW: _("Accept the payment"),
    OperationButton.REJECT_REVIEW: _("Reject the payment"),
}

#: What a reviewer does, and needs a permission of its own.
DECISIONS = (OperationButton.ACCEPT_REVIEW, OperationButton.REJECT_REVIEW)

#: What is asked for a part of the amount, or so many of the order's lines.
IN_PARTS = (OperationButton.CAPTURE, OperationButton.REFUND, OperationButton.CANCEL_OR_REFUND)


@dataclass(frozen=True, kw_only=True)
class PreviewLine:
    """One line of the order, and how many of it are left for what is asked."""

    pk: int
    title: str
    left: int
    price: Decimal  #: of all that are left, as in the order: discounts and tax included
    each: Decimal


@dataclass(frozen=True, kw_only=True)
class Way:
    """Which button gives a charge back, on which Transaction."""

    transaction: int
    act: OperationButton
    permissions: tuple[str, ...]  #: what pressing it needs


@dataclass(frozen=True, kw_only=True)
class OperationPreview:
    """One Transaction on the desk, its payment, and what is asked of it."""

    act: OperationButton
    order: Any
    payment: balance.PaymentBalance
    transaction: Any
    lines: tuple[PreviewLine, ...]
    order_lines: Mapping[int, Any]
    quantities: line_quantities.LineQuantities | None

    @property
    def kind(self) -> Kind:
        """The operation whose rules hold."""
        return kind_of(self.act)

    @property
    def left(self) -> Decimal:
        """The highest amount that can be asked."""
        if self.act == OperationButton.CANCEL_OR_REFUND and self.is_whole_payment:
            held = balance.NOTHING if self.payment.has_ended else self.payment.held
            return self.payment.left_to_refund + held
        return rules.limit(self.kind, self.payment, self.transaction)

    @property
    def permissions(self) -> tuple[str, ...]:
        """What requesting it needs, by its effect."""
        if self.act == OperationButton.CANCEL_OR_REFUND:
            steps = money_back.plan(self.payment, on=self.transaction)
            return money_back.permissions(self.payment, self.transaction, steps)
        return rules.permissions(self.kind, self.payment, self.transaction)

    @property
    def is_whole_payment(self) -> bool:
        return bool(self.transaction.txn_type == Transaction.AUTHORISE)

    @property
    def in_parts(self) -> bool:
        return self.act in IN_PARTS and not (self.act == OperationButton.CANCEL_OR_REFUND and self.is_whole_payment)

    @property
    def stands(self) -> Any:
        """How the Transaction stands, in words."""
        return rules.STANDINGS[self.payment.standing(self.transaction)]

    @property
    def latest(self) -> PaymentOperation | None:
        """What was asked of the payment last."""
        return self.payment.operations[-1] if self.payment.operations else None

    def request(self, **asked: Any) -> OperationRequest:
        """Return what the button requests of the Transaction: all that is left, where nothing else is ``asked``."""
        return OperationRequest(kind=self.act.value, transaction=self.transaction.pk, **asked)

    def problems(self, request: OperationRequest | None = None) -> Sequence[Problem]:
        """Return why this cannot be requested now; of no request in particular, why nothing can."""
        try:
            service.require_rest()
        except InvalidOperation as refused:
            return refused.problems
        if self.act == OperationButton.CANCEL_OR_REFUND:
            steps = money_back.plan(self.payment, on=self.transaction)
            if not steps or self.is_whole_payment:
                found = money_back.problems(self.payment, self.transaction, steps)
                return found if steps else found or [nothing_left()]
        found = self.rule_problems(request or self.request())
        return [nothing_left()] if request is None and any(one.field == "amount" for one in found) else found

    def rule_problems(self, request: OperationRequest) -> Sequence[Problem]:
        return rules.check(
            self.kind,
            self.payment,
            self.transaction,
            amount=self.amount(request),
            lines=request.lines,
            order_lines=self.order_lines,
            quantities=self.quantities,
        )

    def amount(self, request: OperationRequest) -> Decimal:
        """Return how much is requested: the amount that is named, what the lines cost, or all that is left."""
        if request.amount is not None:
            return request.amount
        return self.cost(request.lines) if request.lines else self.left

    def cost(self, lines: Mapping[int, int]) -> Decimal:
        before = self.quantities and self.quantities.moved(self.kind)
        currency, limit = self.payment.currency, self.left
        return requests.cost_of(lines, self.order_lines, currency, before=before, limit=limit)

    def everything(self) -> dict[str, Any]:
        """Return the ``amount`` that is left of the payment, and all ``lines`` that are left if its money covers them.

        So the books know what was captured, and the lines can be refunded one by one.
        """
        lines = {line.pk: line.left for line in self.lines if line.left}
        covered = bool(lines) and self.cost(lines) <= self.left
        return {"amount": self.left, "lines": lines if covered else None}

    def preview_text(self, request: OperationRequest) -> list[str]:
        """Return what will happen to the shopper's money, sentence by sentence."""
        if self.act != OperationButton.CANCEL_OR_REFUND:
            amount, is_last = self.amount(request), request.is_last
            explanation = rules.explain(self.kind, self.payment, self.transaction, amount, is_last=is_last)
            return [*self.order_warnings(), explanation, *self.hold_notes()]
        exact = self.exact(request)
        steps = money_back.plan(self.payment, on=self.transaction, amount=exact.amount, lines=exact.lines)
        return [text for step in steps for text in (step.says, step.otherwise) if text]

    def order_warnings(self) -> list[str]:
        """Return what speaks against a capture for the order as it stands."""
        if self.act == OperationButton.CAPTURE and orders.is_cancelled(self.order):
            return [gettext("The order is cancelled. The shopper would pay for what is not sent.")]
        return []

    def hold_notes(self) -> list[str]:
        """Return what becomes of the hold of a payment that is rejected."""
        if self.act != OperationButton.REJECT_REVIEW:
            return []
        if operation_queue.is_automatic("rejected"):
            return [gettext("The hold on the shopper's card is then released automatically.")]
        return [gettext("The hold stays on the shopper's card until you release it.")]

    def exact(self, request: OperationRequest) -> OperationRequest:
        """Return the request as it was previewed: with its amount named, or without where all goes back.

        What is named to go back is a part, and refunded; all of it may be voided.
        """
        if self.act not in IN_PARTS:
            return request
        if self.act == OperationButton.CANCEL_OR_REFUND and (self.is_whole_payment or not self.is_part(request)):
            return replace(request, amount=None, lines=None)
        return replace(request, amount=self.amount(request))

    def is_part(self, request: OperationRequest) -> bool:
        """Whether an amount is named that is not all that is left, or lines that are not all of them."""
        names_lines = bool(request.lines) and request.lines != self.everything()["lines"]
        return request.amount not in (None, self.left) or names_lines


def kind_of(act: OperationButton) -> Kind:
    """Return the operation whose rules hold for a button; a part that is given back is a refund."""
    return Kind.REFUND if act == OperationButton.CANCEL_OR_REFUND else Kind(act.value)


def nothing_left() -> Problem:
    return Problem(code="nothing-left", field="", message=gettext("There is nothing left of it."))


def read_preview(transaction_id: int, act: OperationButton) -> OperationPreview | None:
    """Read everything about one Transaction that a page shows, in five statements; None where it does not exist."""
    source = Source.objects.select_related("order", "source_type").filter(transactions=transaction_id).first()
    if source is None:
        return None
    payment = balance.of_source(source)
    transaction = next(one for one in payment.transactions if one.pk == transaction_id)
    order_lines, quantities = {}, None
    if act in IN_PARTS:
        order_lines = {line.pk: line for line in source.order.lines.order_by("pk")}
        quantities = line_quantities.quantities(source.order)
    return OperationPreview(
        act=act,
        order=source.order,
        payment=payment,
        transaction=transaction,
        lines=tuple(line(one, act, quantities, payment.currency) for one in order_lines.values()) if quantities else (),
        order_lines=order_lines,
        quantities=quantities,
    )


def line(
    order_line: Any, act: OperationButton, quantities: line_quantities.LineQuantities, currency: str
) -> PreviewLine:
    rule = rules.RULES[kind_of(act)].lines
    left = rule.left(quantities, order_line) if rule else 0
    known = {order_line.pk: order_line}
    return PreviewLine(
        pk=order_line.pk,
        title=order_line.title,
        left=left,
        price=requests.cost_of({order_line.pk: left}, known, currency, before=quantities.moved(act)),
        each=requests.cost_of({order_line.pk: 1}, known, currency),
    )


def ways_back(items: Iterable[AttentionItem]) -> dict[int, Way]:
    """How the charge of each item can be given back now, by the item's id; in three statements for all of them."""
    charges = {(one.order_id, one.transaction_id): one.pk for one in items if one.order_id and one.transaction_id}
    if not charges:
        return {}
    order_ids, references = zip(*charges, strict=True)
    sources = Source.objects.filter(order__in=order_ids, reference__in=references).select_related("source_type")
    found = {}
    for payment in balance.read(list(sources)).values():
        item = charges.get((payment.source.order_id, payment.source.reference))
        way = way_back(payment)
        if item is not None and way is not None:
            found[item] = way
    return found


def way_back(payment: balance.PaymentBalance) -> Way | None:
    hold = payment.authorization
    if hold is None or not payment.is_ours:
        return None
    if Kind.REVERSE in rules.allowed(payment, hold) and not payment.captures:
        needed = rules.permissions(Kind.REVERSE, payment, hold)
        return Way(transaction=hold.pk, act=OperationButton.REVERSE, permissions=needed)
    if payment.under_way or not (steps := money_back.plan(payment, on=hold)):
        return None
    return Way(
        transaction=hold.pk,
        act=OperationButton.CANCEL_OR_REFUND,
        permissions=money_back.permissions(payment, hold, steps),
    )
