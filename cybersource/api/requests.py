"""What requests may say."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers

from ..models import OperationState, PaymentOperation
from ..operations import rules
from ..operations.detail import STATES as STANDING_BY_WORD
from ..operations.search import PaymentFilter
from ..payments.errors import InvalidOperation, Problem

#: Of a row's key: shorter than any card number, so that no key is ever taken for one.
HIGHEST_KEY = 10**12 - 1

PAGE = 50

#: How a payment stands, for programs and for people.
STATES = [(name, rules.STANDINGS[standing]) for name, standing in STANDING_BY_WORD.items()]


class PointInTimeField(serializers.DateTimeField):
    """A point in time, with its offset also in a shop with ``USE_TZ = False``."""

    def default_timezone(self) -> Any:
        return timezone.get_current_timezone()


class StrictSerializer(serializers.Serializer):
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


class RequestedAmountField(serializers.DecimalField):
    """An amount of money, best written as text. How much is allowed the domain says, with a code of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=16, decimal_places=4, **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)  # type: ignore[no-any-return]


class TextField(serializers.CharField):
    """A few words, or somebody's number. No NUL, which PostgreSQL has no place for, and no halves of characters."""


class WholeNumberField(serializers.IntegerField):
    """No truth values, no fractions and no texts: a key or a quantity is a number."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)  # type: ignore[no-any-return]


class LineRequest(StrictSerializer):
    line = WholeNumberField(min_value=1, max_value=HIGHEST_KEY, help_text="Id of the order's line.")
    quantity = WholeNumberField(min_value=1, max_value=2**31 - 1)


class OperationSerializer(StrictSerializer):
    """What every operation takes."""

    reason = TextField(
        required=False, default="", allow_blank=True, max_length=255, help_text="Why, in a few words for staff."
    )
    reference = TextField(
        required=False, default="", allow_blank=True, max_length=64, help_text="Your own number for it."
    )
    seen = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=64,
        help_text="The payment's version that this was decided on; another one is refused as stale.",
    )


class TransactionOperationSerializer(StrictSerializer):
    """About one transaction of the payment."""

    transaction = WholeNumberField(
        required=False,
        default=None,
        min_value=1,
        max_value=HIGHEST_KEY,
        help_text="Id of the transaction it is about; may be left out where only one comes into question.",
    )


class PartialOperationSerializer(StrictSerializer):
    """All that is left, an amount, or so many of these lines."""

    amount = RequestedAmountField(
        required=False, default=None, help_text="All that is left, or what the lines cost, when left out."
    )
    lines = LineRequest(many=True, required=False, help_text="Lines of the order, each once.")

    def validate_lines(self, lines: list[dict[str, int]]) -> dict[int, int]:
        found = {one["line"]: one["quantity"] for one in lines}
        if len(found) < len(lines):
            raise InvalidOperation(Problem(code="line-twice", field="lines", message=_("Name each line once.")))
        return found


class AmountOperationSerializer(PartialOperationSerializer, OperationSerializer):
    currency = serializers.RegexField(
        r"^[A-Z]{3}\Z", required=False, default="", help_text="Refused when it is not the payment's own."
    )


class CaptureRequest(AmountOperationSerializer):
    """Take money that an authorization holds."""

    is_last = serializers.BooleanField(
        required=False, default=True, help_text="False: more of the authorization will be captured later."
    )
    even_if_cancelled = serializers.BooleanField(
        required=False, default=False, help_text="True: the shopper is to pay although the order is cancelled."
    )


class RefundRequest(TransactionOperationSerializer, AmountOperationSerializer):
    """Give back money that was captured."""


class VoidRequest(TransactionOperationSerializer, OperationSerializer):
    """Take back a capture or a refund before it goes to the bank."""


class ReverseRequest(OperationSerializer):
    """Release what an authorization still holds."""


class ReviewDecisionRequest(OperationSerializer):
    """A reviewer's decision. The reason goes to CyberSource as the reviewer's comment."""


class CancelOrRefundRequest(TransactionOperationSerializer, AmountOperationSerializer):
    """Money goes back by whichever operations the payment's state asks for: all of it, when nothing is named."""


class CancelOrRefundPreviewRequest(TransactionOperationSerializer, PartialOperationSerializer):
    """What would be cancelled or refunded: all of it, when nothing is named."""


class StatusRequest(StrictSerializer):
    transaction = WholeNumberField(
        required=False,
        default=None,
        min_value=1,
        max_value=HIGHEST_KEY,
        help_text="Id of the transaction to look up; the authorization when left out.",
    )


class OutcomeRequest(StrictSerializer):
    """What staff found out about an operation in doubt, in CyberSource's Business Center."""

    took_effect = serializers.BooleanField(help_text="Whether CyberSource did it.")
    transaction_id = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=26,
        help_text="CyberSource's id of what was done; empty when nothing was, and for a decision about a review.",
    )
    reason = TextField(max_length=255, help_text="What was found, in a few words for staff.")


class EmptyRequest(StrictSerializer):
    """No fields."""


class PageQuery(StrictSerializer):
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

    order = TextField(required=False, default="", allow_blank=True, max_length=128, help_text="The order's number.")
    state = serializers.ChoiceField(choices=STATES, required=False, default="", allow_blank=True)
    since = PointInTimeField(required=False, default=None, help_text="Authorized then or later.")
    until = PointInTimeField(required=False, default=None, help_text="Authorized before then.")
    card = serializers.RegexField(
        r"^[0-9]{4}\Z", required=False, default="", allow_blank=True, help_text="The card's last four digits."
    )
    amount_min = RequestedAmountField(required=False, default=None, help_text="Authorized, this or more.")
    amount_max = RequestedAmountField(required=False, default=None, help_text="Authorized, this or less.")
    currency = serializers.RegexField(r"^[A-Z]{3}\Z", required=False, default="", allow_blank=True)
    reference = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=64,
        help_text="CyberSource's id of any step, an operation's reference number, an order's, or your own.",
    )

    @property
    def wanted(self) -> PaymentFilter:
        query = self.validated_data
        state = STANDING_BY_WORD[query["state"]].value if query["state"] else ""
        same = {name: query[name] for name in ("order", "since", "until", "currency")}
        return PaymentFilter(
            words=query["reference"],
            state=state,
            last4=query["card"],
            at_least=query["amount_min"],
            at_most=query["amount_max"],
            **same,
        )


class OperationQuery(PageQuery):
    """Which operations to list."""

    payment = serializers.IntegerField(required=False, default=None, min_value=1, max_value=HIGHEST_KEY)
    order = TextField(required=False, default="", allow_blank=True, max_length=128, help_text="The order's number.")
    kind = serializers.ChoiceField(choices=PaymentOperation.Kind.choices, required=False, default="", allow_blank=True)
    state = serializers.ChoiceField(choices=OperationState.choices, required=False, default="", allow_blank=True)


class OwnReceiptQuery(PageQuery):
    """Whose receipts to list: the signed-in user's, or one order's."""

    order = TextField(required=False, default="", allow_blank=True, max_length=128, help_text="Of this order only.")
    hash = TextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=255,
        help_text="A guest's proof: the order's verification hash.",
    )


class ReceiptQuery(StrictSerializer):
    hash = TextField(
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
