"""What is read from a request and said in an answer. Names are the API's; nothing that is not listed is said.

No token of a card, no session, no signature is in any of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers

from .. import rules
from ..diagnosis import Area, Level
from ..dossiers import STATES as STANDING_BY_WORD
from ..dossiers import TYPES, word
from ..models import OperationState, PaymentOperation
from ..payments import Wanted
from ..protocol import AmountNotRepresentable, format_amount
from ..protocol.rest import Answer
from ..rules import InvalidOperation, Problem
from ..standing import Standing

#: Of a row's key: shorter than any card number, so that no key is ever taken for one.
HIGHEST_KEY = 10**12 - 1

PAGE = 50

#: How a payment stands, for programs and for people.
STATES = [(name, rules.STANDINGS[standing]) for name, standing in STANDING_BY_WORD.items()]


class MomentField(serializers.DateTimeField):
    """A point in time, with its offset also in a shop with ``USE_TZ = False``."""

    def default_timezone(self) -> Any:
        return timezone.get_current_timezone()


class Asked(serializers.Serializer):
    """What a request says. A name that is not known is refused: mistyped, it would ask for something else."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            message = serializers.ErrorDetail(str(_("There is no such field.")), code="unknown-field")
            raise serializers.ValidationError({sayable(name)[:64]: [message] for name in unknown[:20]})
        return super().to_internal_value(data)


def sayable(name: str) -> str:
    """A name as it was sent, without halves of characters, which no answer can hold."""
    return name.encode("utf-8", "replace").decode()


class AmountField(serializers.DecimalField):
    """An amount of money, best written as text. How much is allowed the domain says, with a code of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=16, decimal_places=4, **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)  # type: ignore[no-any-return]


class Text(serializers.CharField):
    """A few words, or somebody's number. No NUL, which PostgreSQL has no place for, and no halves of characters."""


class WholeNumber(serializers.IntegerField):
    """No truth values, no fractions and no texts: a key or a quantity is a number."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)  # type: ignore[no-any-return]


class LineAsked(Asked):
    line = WholeNumber(min_value=1, max_value=HIGHEST_KEY, help_text="Id of the order's line.")
    quantity = WholeNumber(min_value=1, max_value=2**31 - 1)


class Operation(Asked):
    """What every operation takes."""

    reason = Text(
        required=False, default="", allow_blank=True, max_length=255, help_text="Why, in a few words for staff."
    )
    reference = Text(required=False, default="", allow_blank=True, max_length=64, help_text="Your own number for it.")
    seen = Text(
        required=False,
        default="",
        allow_blank=True,
        max_length=64,
        help_text="The payment's version that this was decided on; another one is refused as stale.",
    )


class OnStep(Asked):
    """About one transaction of the payment."""

    transaction = WholeNumber(
        required=False,
        default=None,
        min_value=1,
        max_value=HIGHEST_KEY,
        help_text="Id of the transaction it is about; may be left out where only one comes into question.",
    )


class Part(Asked):
    """All that is left, an amount, or so many of these lines."""

    amount = AmountField(
        required=False, default=None, help_text="All that is left, or what the lines cost, when left out."
    )
    lines = LineAsked(many=True, required=False, help_text="Lines of the order, each once.")

    def validate_lines(self, lines: list[dict[str, int]]) -> dict[int, int]:
        found = {one["line"]: one["quantity"] for one in lines}
        if len(found) < len(lines):
            raise InvalidOperation(Problem(code="line-twice", field="lines", message=_("Name each line once.")))
        return found


class Amounted(Part, Operation):
    currency = serializers.RegexField(
        r"^[A-Z]{3}\Z", required=False, default="", help_text="Refused when it is not the payment's own."
    )


class Capture(Amounted):
    """Take money that an authorization holds."""

    is_last = serializers.BooleanField(
        required=False, default=True, help_text="False: more of the authorization will be captured later."
    )
    even_if_cancelled = serializers.BooleanField(
        required=False, default=False, help_text="True: the shopper is to pay although the order is cancelled."
    )


class Refund(OnStep, Amounted):
    """Give back money that was captured."""


class Void(OnStep, Operation):
    """Take back a capture or a refund before it goes to the bank."""


class Reverse(Operation):
    """Give back what an authorization still holds."""


class Decision(Operation):
    """A reviewer's decision. The reason goes to CyberSource as the reviewer's comment."""


class Outcome(Asked):
    """What staff found out about an operation in doubt, in CyberSource's Business Center."""

    took_effect = serializers.BooleanField(help_text="Whether CyberSource did it.")
    transaction_id = Text(
        required=False,
        default="",
        allow_blank=True,
        max_length=26,
        help_text="CyberSource's id of what was done; empty when nothing was, and for a decision about a review.",
    )
    reason = Text(max_length=255, help_text="What was found, in a few words for staff.")


class GiveBack(OnStep, Amounted):
    """Money goes back by whichever operations the payment's state asks for: all of it, when nothing is named."""


class PlanAsked(OnStep, Part):
    """What would be given back: all of it, when nothing is named."""


class StatusAsked(Asked):
    transaction = WholeNumber(
        required=False,
        default=None,
        min_value=1,
        max_value=HIGHEST_KEY,
        help_text="Id of the transaction to look up; the authorization when left out.",
    )


class Nothing(Asked):
    """No fields."""


class PageQuery(Asked):
    before = serializers.IntegerField(
        required=False,
        default=None,
        min_value=1,
        max_value=HIGHEST_KEY,
        help_text="Where the page begins, as ``next`` of the one before has it.",
    )
    size = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=100)


class PaymentQuery(PageQuery):
    """Which payments to list."""

    order = Text(required=False, default="", allow_blank=True, max_length=128, help_text="The order's number.")
    state = serializers.ChoiceField(choices=STATES, required=False, default="", allow_blank=True)
    since = MomentField(required=False, default=None, help_text="Authorized then or later.")
    until = MomentField(required=False, default=None, help_text="Authorized before then.")
    card = serializers.RegexField(
        r"^[0-9]{4}\Z", required=False, default="", allow_blank=True, help_text="The card's last four digits."
    )
    amount_min = AmountField(required=False, default=None, help_text="Authorized, this or more.")
    amount_max = AmountField(required=False, default=None, help_text="Authorized, this or less.")
    currency = serializers.RegexField(r"^[A-Z]{3}\Z", required=False, default="", allow_blank=True)
    reference = Text(
        required=False,
        default="",
        allow_blank=True,
        max_length=64,
        help_text="CyberSource's id of any step, an operation's reference number, an order's, or your own.",
    )

    @property
    def wanted(self) -> Wanted:
        told = self.validated_data
        state = STANDING_BY_WORD[told["state"]].value if told["state"] else ""
        same = {name: told[name] for name in ("order", "since", "until", "currency")}
        return Wanted(
            words=told["reference"],
            state=state,
            last4=told["card"],
            at_least=told["amount_min"],
            at_most=told["amount_max"],
            **same,
        )


class OperationQuery(PageQuery):
    """Which operations to list."""

    payment = serializers.IntegerField(required=False, default=None, min_value=1, max_value=HIGHEST_KEY)
    order = Text(required=False, default="", allow_blank=True, max_length=128, help_text="The order's number.")
    kind = serializers.ChoiceField(choices=PaymentOperation.Kind.choices, required=False, default="", allow_blank=True)
    state = serializers.ChoiceField(choices=OperationState.choices, required=False, default="", allow_blank=True)


class OwnQuery(PageQuery):
    """Whose receipts to list: those of whoever is signed in, or of one order."""

    order = Text(required=False, default="", allow_blank=True, max_length=128, help_text="Of this order only.")
    hash = Text(
        required=False,
        default="",
        allow_blank=True,
        max_length=255,
        help_text="A guest's proof: the order's verification hash.",
    )


class ReceiptQuery(Asked):
    hash = Text(
        required=False,
        default="",
        allow_blank=True,
        max_length=255,
        help_text="A guest's proof: the order's verification hash.",
    )
    format = serializers.ChoiceField(
        choices=["json", "html"],
        required=False,
        default="",
        allow_blank=True,
        help_text="Goes before the Accept header.",
    )


# -- what is said ------------------------------------------------------------------------------------------------------


def dotted(instance: Any, path: str) -> Any:
    return reduce(getattr, path.split("."), instance)


class Money(serializers.Field):
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


class ErrorDetail(serializers.Serializer):
    code = serializers.CharField()
    field = serializers.CharField(help_text="Where, with dots between the levels; empty for nowhere in particular.")
    message = serializers.CharField()


class Error(serializers.Serializer):
    """What every refusal is told in."""

    code = serializers.CharField(help_text="For programs. Does not change.")
    message = serializers.CharField(help_text="For people, in their language.")
    details = ErrorDetail(many=True)


class OperationOut(serializers.Serializer):
    """One thing that was asked of a payment, and how it ended."""

    id = serializers.IntegerField(source="pk")
    payment = serializers.IntegerField(source="source_id", allow_null=True)
    order = serializers.CharField(source="order_number", help_text="The order's number, also after it was deleted.")
    kind = serializers.ChoiceField(choices=PaymentOperation.Kind.choices)
    state = serializers.ChoiceField(choices=OperationState.choices)
    amount = Money("amount")
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
    created = MomentField(source="date_created")
    settled = MomentField(source="date_settled", allow_null=True)
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
        choices=[word(standing) for standing in Standing],
        allow_null=True,
        help_text="Null for what was done to another step: a void, a reversal.",
    )
    amount = Money("transaction.amount")
    left = Money("left", allow_null=True, help_text="What can still be captured or refunded of it.")
    reference = serializers.CharField(source="transaction.reference", help_text="CyberSource's id of it.")
    created = MomentField(source="transaction.date_created")
    allowed = serializers.ListField(child=serializers.ChoiceField(choices=PaymentOperation.Kind.choices))


class LineOut(serializers.Serializer):
    """How many of one line of the order can still be captured and refunded."""

    line = serializers.IntegerField(source="line.pk")
    title = serializers.CharField(source="line.title")
    quantity = serializers.IntegerField(source="line.quantity")
    left_to_capture = serializers.IntegerField()
    left_to_refund = serializers.IntegerField()


class Card(serializers.Serializer):
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
    card = Card(source="*")
    currency = serializers.CharField(source="standing.currency")
    authorized = Money("standing.authorized", "standing.currency")
    captured = Money("standing.captured", "standing.currency")
    refunded = Money("standing.refunded", "standing.currency")
    released = Money("standing.released", "standing.currency", help_text="Of the hold, by reversals.")
    left_to_capture = Money("standing.left_to_capture", "standing.currency")
    left_to_refund = Money("standing.left_to_refund", "standing.currency")
    allowed = serializers.ListField(child=serializers.ChoiceField(choices=PaymentOperation.Kind.choices))
    version = serializers.CharField(
        source="standing.version", help_text="Changes with every step; send it as seen with what you decided on it."
    )
    created = MomentField(source="date")


class PaymentPage(serializers.Serializer):
    next = serializers.CharField(allow_null=True, help_text="Address of the next page, of older ones.")
    results = PaymentSummary(many=True)


class PaymentOut(PaymentSummary):
    """One payment with all its steps, oldest first."""

    transactions = TransactionOut(source="steps", many=True)
    operations = OperationOut(many=True)
    lines = LineOut(many=True)


class PlanStep(serializers.Serializer):
    """One step by which money would go back."""

    kind = serializers.ChoiceField(choices=PaymentOperation.Kind.choices)
    transaction = serializers.IntegerField(source="transaction.pk")
    amount = Money("amount", "transaction.source.currency")
    says = serializers.CharField(help_text="What it does to the shopper's money.")
    otherwise = serializers.CharField(help_text="What is done where CyberSource refuses; empty for nothing.")


class Plan(serializers.Serializer):
    steps = PlanStep(many=True)


class GivenBack(serializers.Serializer):
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
    submitted = MomentField(source="submitted_at", allow_null=True)

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


class Budget(serializers.Serializer):
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
    budgets = Budget(many=True)


class Methods(serializers.Serializer):
    results = MethodOut(many=True)


class ReceiptSummary(serializers.Serializer):
    """One payment of a shopper's own."""

    number = serializers.CharField()
    order = serializers.CharField(source="order.number")
    date = MomentField(source="payment.date")
    state = serializers.ChoiceField(source="payment.state", choices=STATES)
    status = serializers.CharField(help_text="In words, in the language of whoever asks.")
    card = Card(source="payment")
    currency = serializers.CharField()
    amount = Money("amount")
    amount_text = serializers.CharField(help_text="In the language that the order was paid in.")
    refunded = Money("payment.standing.refunded")
    url = serializers.SerializerMethodField(help_text="Of the receipt.")

    def get_url(self, receipt: Any) -> str:
        return self.context["url_of"](receipt)  # type: ignore[no-any-return]


class ReceiptPage(serializers.Serializer):
    next = serializers.CharField(allow_null=True, help_text="Address of the next page, of older ones.")
    results = ReceiptSummary(many=True)


class RefundOut(serializers.Serializer):
    date = MomentField()
    amount = Money("amount")
    amount_text = serializers.CharField(source="text")


class ReceiptOut(ReceiptSummary):
    """A receipt."""

    language = serializers.CharField()
    paid = Money("paid", help_text="Taken and not given back.")
    paid_text = serializers.CharField()
    refunds = RefundOut(many=True)
