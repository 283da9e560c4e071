"""What is read from a request and said in an answer. Names are the API's; nothing that is not listed is said.

No token of a card, no session, no signature is in any of these.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import Any

from rest_framework import serializers

from ..connection_test import Area, Level
from ..models import OperationState, PaymentOperation
from ..operations.detail import TYPES, word
from ..payments.balance import TransactionStatus
from ..protocol import AmountNotRepresentable, format_amount
from ..protocol.rest import Answer
from .requests import STATES, PointInTimeField

# -- what is said ------------------------------------------------------------------------------------------------------


def dotted(instance: Any, path: str) -> Any:
    return reduce(getattr, path.split("."), instance)


class MoneyField(serializers.Field):
    """``"69.50"``: an amount as text, with the decimals of its currency."""

    def __init__(self, amount: str, currency: str = "currency", **kwargs: Any) -> None:
        self.amount, self.currency = amount, currency
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, instance: Any) -> str | None:
        amount = dotted(instance, self.amount)
        return None if amount is None else money(amount, dotted(instance, self.currency))


def money(amount: Decimal, currency: str) -> str:
    try:
        return format_amount(amount, currency)
    except AmountNotRepresentable:
        return f"{amount:f}"  # by another app, or of another currency than it was


class ErrorDetailOut(serializers.Serializer):
    code = serializers.CharField()
    field = serializers.CharField(help_text="Where, with dots between the levels; empty for nowhere in particular.")
    message = serializers.CharField()


class ErrorOut(serializers.Serializer):
    """What every refusal is told in."""

    code = serializers.CharField(help_text="For programs. Does not change.")
    message = serializers.CharField(help_text="For people, in their language.")
    details = ErrorDetailOut(many=True)


class OperationOut(serializers.Serializer):
    """One thing that was asked of a payment, and how it ended."""

    id = serializers.IntegerField(source="pk")
    payment = serializers.IntegerField(source="source_id", allow_null=True)
    order = serializers.CharField(source="order_number", help_text="The order's number, also after it was deleted.")
    kind = serializers.ChoiceField(choices=PaymentOperation.Kind.choices)
    state = serializers.ChoiceField(choices=OperationState.choices)
    amount = MoneyField("amount")
    currency = serializers.CharField()
    lines = serializers.DictField(
        child=serializers.IntegerField(), help_text="Quantities by the id of the order's line; empty: by amount."
    )
    is_last = serializers.BooleanField()
    transaction = serializers.IntegerField(
        source="transaction_id", allow_null=True, help_text="Id of the transaction it acts on."
    )
    made = serializers.IntegerField(
        source="made_id", allow_null=True, help_text="Id of the transaction it was recorded as."
    )
    reason = serializers.CharField()
    reference = serializers.CharField()
    user = serializers.CharField(source="user_name")
    reference_number = serializers.CharField(help_text="Under which CyberSource has it.")
    request_id = serializers.CharField(help_text="CyberSource's id of it; empty where none is known.")
    gateway_status = serializers.CharField(source="rest_status")
    gateway_reason = serializers.CharField(source="rest_reason")
    message = serializers.CharField()
    created = PointInTimeField(source="date_created")
    settled = PointInTimeField(source="date_settled", allow_null=True)
    resolved_by = serializers.CharField(
        source="resolved_by_name", help_text="Who of the staff recorded how it ended; empty where CyberSource said it."
    )
    resolution = serializers.CharField(help_text="What they found, in their words.")


class OperationPage(serializers.Serializer):
    next = serializers.CharField(allow_null=True, help_text="Address of the next page, of older ones.")
    results = OperationOut(many=True)


class TransactionOut(serializers.Serializer):
    """One step of a payment as Oscar's books have it."""

    id = serializers.IntegerField(source="transaction.pk")
    type = serializers.ChoiceField(choices=[*TYPES.values(), "other"])
    standing = serializers.ChoiceField(
        source="word",
        choices=[word(standing) for standing in TransactionStatus],
        allow_null=True,
        help_text="Null for what was done to another step: a void, a reversal.",
    )
    amount = MoneyField("transaction.amount")
    left = MoneyField("left", allow_null=True, help_text="What can still be captured or refunded of it.")
    reference = serializers.CharField(source="transaction.reference", help_text="CyberSource's id of it.")
    created = PointInTimeField(source="transaction.date_created")
    allowed = serializers.ListField(child=serializers.ChoiceField(choices=PaymentOperation.Kind.choices))


class LineOut(serializers.Serializer):
    """How many of one line of the order can still be captured and refunded."""

    line = serializers.IntegerField(source="line.pk")
    title = serializers.CharField(source="line.title")
    quantity = serializers.IntegerField(source="line.quantity")
    left_to_capture = serializers.IntegerField()
    left_to_refund = serializers.IntegerField()


class CardOut(serializers.Serializer):
    number = serializers.CharField(source="card", help_text="Masked but for its last four digits.")
    type = serializers.CharField(source="card_type")
    auth_code = serializers.CharField()


class PaymentSummary(serializers.Serializer):
    """One payment: an authorization, and what was done with it."""

    id = serializers.IntegerField(source="pk")
    order = serializers.CharField(source="order.number")
    order_status = serializers.CharField(
        source="order.status", help_text="A capture for an order that is cancelled has to say even_if_cancelled."
    )
    reference = serializers.CharField(source="standing.source.reference", help_text="CyberSource's id of it.")
    state = serializers.ChoiceField(choices=STATES)
    card = CardOut(source="*")
    currency = serializers.CharField(source="standing.currency")
    authorized = MoneyField("standing.authorized", "standing.currency")
    captured = MoneyField("standing.captured", "standing.currency")
    refunded = MoneyField("standing.refunded", "standing.currency")
    released = MoneyField("standing.released", "standing.currency", help_text="Of the hold, by reversals.")
    left_to_capture = MoneyField("standing.left_to_capture", "standing.currency")
    left_to_refund = MoneyField("standing.left_to_refund", "standing.currency")
    allowed = serializers.ListField(child=serializers.ChoiceField(choices=PaymentOperation.Kind.choices))
    version = serializers.CharField(
        source="standing.version", help_text="Changes with every step; send it as seen with what you decided on it."
    )
    created = PointInTimeField(source="date")


class PaymentPage(serializers.Serializer):
    next = serializers.CharField(allow_null=True, help_text="Address of the next page, of older ones.")
    results = PaymentSummary(many=True)


class PaymentOut(PaymentSummary):
    """One payment with all its steps, oldest first."""

    transactions = TransactionOut(source="steps", many=True)
    operations = OperationOut(many=True)
    lines = LineOut(many=True)


class PlanStepOut(serializers.Serializer):
    """One step by which money would go back."""

    kind = serializers.ChoiceField(choices=PaymentOperation.Kind.choices)
    transaction = serializers.IntegerField(source="transaction.pk")
    amount = MoneyField("amount", "transaction.source.currency")
    says = serializers.CharField(help_text="What it does to the shopper's money.")
    otherwise = serializers.CharField(help_text="What is done where CyberSource refuses; empty for nothing.")


class PlanOut(serializers.Serializer):
    steps = PlanStepOut(many=True)


class CancelOrRefundOut(serializers.Serializer):
    operations = OperationOut(many=True)


class StatusOut(serializers.Serializer):
    """What CyberSource's books say of a transaction."""

    found = serializers.BooleanField(help_text="False: not known there, or not yet.")
    reference = serializers.CharField(help_text="The id that was looked up.")
    status = serializers.CharField()
    reason = serializers.CharField()
    reference_number = serializers.CharField()
    amount = serializers.SerializerMethodField(help_text="Null where it was not said.")
    currency = serializers.CharField()
    submitted = PointInTimeField(source="submitted_at", allow_null=True)

    def get_amount(self, looked: Any) -> str | None:
        return None if looked["amount"] is None else money(looked["amount"], looked["currency"])

    @classmethod
    def of(cls, reference: str, answer: Answer | None) -> StatusOut:
        told = answer or Answer()
        same = ("status", "reason", "reference_number", "amount", "currency", "submitted_at")
        found = {name: getattr(told, name) for name in same}
        return cls({"found": answer is not None, "reference": reference, **found})


class FindingOut(serializers.Serializer):
    """One thing that was looked at."""

    area = serializers.ChoiceField(choices=Area.choices)
    level = serializers.ChoiceField(choices=[level.value for level in Level])
    id = serializers.CharField(help_text="Of a system check or of the connection test; empty for what is good.")
    what = serializers.CharField()
    hint = serializers.CharField(help_text="What to do about it.")


class ConnectionOut(serializers.Serializer):
    ok = serializers.BooleanField(help_text="No finding is an error.")
    errors = serializers.IntegerField()
    warnings = serializers.IntegerField()
    findings = FindingOut(many=True)


#: Who has a budget of card forms and declines.
WHOSE = ("shopper", "order", "address")


class BudgetOut(serializers.Serializer):
    by = serializers.ChoiceField(choices=WHOSE)
    attempts = serializers.CharField(allow_null=True, help_text="Card forms, such as 10/h; null for no limit.")
    declines = serializers.CharField(allow_null=True, help_text="Declined cards; null for no limit.")


class MethodOut(serializers.Serializer):
    """One payment method that the shop offers."""

    code = serializers.CharField()
    name = serializers.CharField()
    is_card = serializers.BooleanField(help_text="A card, by CyberSource; the rest of the fields are about it.")
    flow = serializers.CharField(allow_null=True)
    is_captured_at_once = serializers.BooleanField()
    currency = serializers.CharField(help_text="Of an order that names none of its own.")
    decimals = serializers.IntegerField(help_text="Of an amount in this currency.")
    highest_amount = serializers.CharField()
    budgets = BudgetOut(many=True)


class MethodsOut(serializers.Serializer):
    results = MethodOut(many=True)


class ReceiptSummary(serializers.Serializer):
    """One payment of a shopper's own."""

    number = serializers.CharField()
    order = serializers.CharField(source="order.number")
    date = PointInTimeField(source="payment.date")
    state = serializers.ChoiceField(source="payment.state", choices=STATES)
    status = serializers.CharField(help_text="In words, in the language of the request.")
    card = CardOut(source="payment")
    currency = serializers.CharField()
    amount = MoneyField("amount")
    amount_text = serializers.CharField(help_text="In the language that the order was paid in.")
    refunded = MoneyField("payment.standing.refunded")
    url = serializers.SerializerMethodField(help_text="Of the receipt.")

    def get_url(self, receipt: Any) -> str:
        return self.context["url_of"](receipt)  # type: ignore[no-any-return]


class ReceiptPage(serializers.Serializer):
    next = serializers.CharField(allow_null=True, help_text="Address of the next page, of older ones.")
    results = ReceiptSummary(many=True)


class RefundOut(serializers.Serializer):
    date = PointInTimeField()
    amount = MoneyField("amount")
    amount_text = serializers.CharField(source="text")


class ReceiptOut(ReceiptSummary):
    """A receipt."""

    language = serializers.CharField()
    paid = MoneyField("paid", help_text="Captured and not refunded.")
    paid_text = serializers.CharField()
    refunds = RefundOut(many=True)
