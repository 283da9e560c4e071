"""The forms of the money desk."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import conf
from ..models import card_numbers
from ..operations.operation_request import OperationRequest
from ..operations.resolution import Resolution
from ..operations.rules import decimals, too_precise
from ..payments.errors import Problem
from .preview import DECISIONS, OperationButton, OperationPreview, PreviewLine

ALL, LINES, AMOUNT = "all", "lines", "amount"


class OperationForm(forms.Form):
    """What is asked of a payment: how much, why, once (``key``), and of which state of it (``seen``)."""

    how = forms.ChoiceField(
        label=gettext_lazy("How much"),
        choices=[
            (ALL, gettext_lazy("All that is left")),
            (LINES, gettext_lazy("These lines")),
            (AMOUNT, gettext_lazy("Another amount")),
        ],
        widget=forms.RadioSelect,
        initial=ALL,
    )
    lines_amount = forms.DecimalField(
        label=gettext_lazy("Amount for these lines"),
        required=False,
        localize=True,
        widget=forms.TextInput,
        help_text=gettext_lazy(
            "Leave it empty for what the lines cost in the order, without shipping. Fill it in if it is to be another "
            "amount, with shipping for example."
        ),
    )
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"),
        required=False,
        localize=True,
        widget=forms.TextInput,
        help_text=gettext_lazy("It is booked on no line of the order."),
    )
    more_later = forms.BooleanField(
        label=gettext_lazy("More of it will be captured later"),
        required=False,
        help_text=gettext_lazy(
            "Tick this while another parcel is to follow. Without it this is the last capture, and what is "
            "left of the hold is not captured."
        ),
    )
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=255,
        help_text=gettext_lazy("A few words. They are kept with your name, here and as a note on the order."),
    )
    reference = forms.CharField(
        label=gettext_lazy("Your own reference"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("A parcel's or a return's number, for example. May stay empty."),
    )
    key = forms.CharField(max_length=48, widget=forms.HiddenInput)
    seen = forms.CharField(max_length=80, widget=forms.HiddenInput)

    def __init__(self, *args: Any, desk: OperationPreview, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.desk = desk
        if not desk.in_parts:
            for name in ("how", "lines_amount", "amount"):
                del self.fields[name]
        if desk.act in DECISIONS:
            del self.fields["reference"]
            self.fields["reason"].help_text = _(
                "A few words. They go to CyberSource as your comment, and are kept with your name, here and as a note "
                "on the order."
            )
        if desk.act != OperationButton.CAPTURE or not conf.several_captures:
            del self.fields["more_later"]
        for line in self.lines:
            field = forms.IntegerField(label=line.title, min_value=0, max_value=line.left, required=False)
            self.fields[line_name(line)] = field

    @classmethod
    def fresh(cls, desk: OperationPreview) -> OperationForm:
        """An empty form with a key that no other form has, of the payment as it stands now."""
        initial = {"key": f"desk-{uuid.uuid4().hex}", "seen": desk.payment.version}
        return cls(desk=desk, initial={**initial, **{line_name(line): line.left for line in desk.lines}})

    @property
    def lines(self) -> list[PreviewLine]:
        """The lines of which something is left."""
        return [line for line in self.desk.lines if line.left] if self.desk.in_parts else []

    def line_fields(self) -> Iterator[tuple[PreviewLine, forms.BoundField]]:
        for line in self.lines:
            yield line, self[line_name(line)]

    def clean_reason(self) -> str:
        return card_numbers.mask("message", self.cleaned_data["reason"])

    def clean_reference(self) -> str:
        return card_numbers.mask("message", self.cleaned_data.get("reference", ""))

    def clean_amount(self) -> Decimal | None:
        return self.as_typed("amount")

    def clean_lines_amount(self) -> Decimal | None:
        return self.as_typed("lines_amount")

    def as_typed(self, name: str) -> Decimal | None:
        """The amount, unless it is typed with more decimals than its currency has.

        Zeros are no exception: a person who types "1.000" may mean a thousand, and one would be taken.
        """
        amount: Decimal | None = self.cleaned_data[name]
        currency = self.desk.payment.currency
        exponent = amount.as_tuple().exponent if amount is not None else 0
        if not isinstance(exponent, int) or -exponent > decimals(currency):
            raise forms.ValidationError(too_precise(currency))
        return amount

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        how = cleaned.get("how")
        if how == AMOUNT and cleaned.get("amount") is None and "amount" not in self.errors:
            self.add_error("amount", _("Write the amount."))
        if how == LINES and not self.quantities(cleaned) and not self.errors:
            self.add_error("how", _("Write how many of which line."))
        if not self.errors:
            self.add_problems(self.desk.problems(self.request()))
        return cleaned

    def quantities(self, cleaned: Mapping[str, Any]) -> dict[int, int]:
        asked = {line.pk: cleaned.get(line_name(line)) or 0 for line in self.lines}
        return {pk: quantity for pk, quantity in asked.items() if quantity}

    def request(self, user: Any = None) -> OperationRequest:
        """Return what a valid form asks for."""
        cleaned = self.cleaned_data
        words = {name: cleaned.get(name, "") for name in ("reason", "reference", "key", "seen")}
        return self.desk.request(**self.how_much(cleaned), **words, user=user)

    def how_much(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        is_last = not cleaned.get("more_later")
        match cleaned.get("how"):
            case "lines":
                return {"amount": cleaned["lines_amount"], "lines": self.quantities(cleaned), "is_last": is_last}
            case "amount":
                return {"amount": cleaned["amount"], "is_last": is_last}
            case "all":
                return self.desk.everything()
        return {}

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Put each problem where it belongs: at its field, or above all of them."""
        for problem in problems:
            self.add_error(self.field_of(problem), problem.message)

    def field_of(self, problem: Problem) -> str | None:
        how = self.cleaned_data.get("how")
        if how is None:
            return None
        if problem.field == "amount":
            return {LINES: "lines_amount", AMOUNT: "amount"}.get(how)
        return "how" if problem.field == "lines" else None


def line_name(line: PreviewLine) -> str:
    return f"line_{line.pk}"


DONE, NOT_DONE = "done", "not-done"


class OutcomeForm(forms.Form):
    """How an operation in doubt ended, as the Business Center shows it."""

    found = forms.ChoiceField(
        label=gettext_lazy("What does the CyberSource Business Center show?"),
        choices=[
            (DONE, gettext_lazy("It took effect: there is a transaction for it, and it was not undone")),
            (
                NOT_DONE,
                gettext_lazy(
                    "It did not take effect: there is no transaction for it, or the transaction failed or was undone"
                ),
            ),
        ],
        widget=forms.RadioSelect,
    )
    transaction_id = forms.CharField(
        label=gettext_lazy("Its transaction ID (request ID)"),
        required=False,
        max_length=26,
        help_text=gettext_lazy("22 digits. Leave empty if it did not take effect."),
    )
    reason = forms.CharField(
        label=gettext_lazy("What did you find?"),
        max_length=255,
        help_text=gettext_lazy("A few words. They are kept here and as a note on the order."),
    )

    def __init__(self, *args: Any, is_decision: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_decision:
            del self.fields["transaction_id"]

    def clean_reason(self) -> str:
        return card_numbers.mask("message", self.cleaned_data["reason"])

    @property
    def finding(self) -> Resolution:
        found = self.cleaned_data
        return Resolution(
            took_effect=found["found"] == DONE, transaction_id=found.get("transaction_id", ""), words=found["reason"]
        )

    def add_problems(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.add_error(problem.field if problem.field in self.fields else None, problem.message)
