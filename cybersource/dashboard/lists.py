"""The lists of the money desk: payments, reviews that wait, operations. A page at a time; none is ever counted."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ..db import clock, paging
from ..models import UNDER_WAY, OperationState, PaymentOperation
from ..navigation import may_see_payments
from ..operations import rules, search
from ..payments import amounts as payments_amounts
from ..payments import operation_queue
from ..payments.balance import TransactionStatus
from ..protocol import AmountNotRepresentable, format_amount
from .access import can_decide, for_those_who
from .order.looks import STANDING_TONES, TONES

DATE = {"type": "date"}


class ListForm(forms.Form):
    """What a list shows, and which page of it. A field that makes no sense is told and passed over."""

    before = forms.IntegerField(required=False, min_value=0, max_value=2**62, widget=forms.HiddenInput)
    after = forms.IntegerField(required=False, min_value=0, max_value=2**62, widget=forms.HiddenInput)

    @property
    def wanted(self) -> dict[str, Any]:
        self.is_valid()
        return self.cleaned_data

    @property
    def place(self) -> dict[str, int | None]:
        return {name: self.wanted.get(name) for name in ("before", "after")}

    def query(self, **page: Any) -> str:
        """The same list at another page, as a query."""
        query = self.data.copy()
        for name in ("before", "after"):
            query.pop(name, None)
        query.update(page)
        return str(query.urlencode())


class PaymentsForm(ListForm):
    words = forms.CharField(
        label=gettext_lazy("Order number, transaction or request id"), required=False, max_length=100, strip=True
    )
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        choices=[("", gettext_lazy("Any")), *((state.value, rules.STANDINGS[state]) for state in search.STATES)],
    )
    last4 = forms.CharField(
        label=gettext_lazy("Card's last four digits"),
        required=False,
        max_length=4,
        validators=[RegexValidator(r"^[0-9]{4}$", gettext_lazy("Four digits."))],
    )
    since = forms.DateField(label=gettext_lazy("From"), required=False, widget=forms.DateInput(DATE, "%Y-%m-%d"))
    until = forms.DateField(label=gettext_lazy("Until"), required=False, widget=forms.DateInput(DATE, "%Y-%m-%d"))
    at_least = forms.DecimalField(
        label=gettext_lazy("Amount from"), required=False, max_digits=15, localize=True, widget=forms.TextInput
    )
    at_most = forms.DecimalField(
        label=gettext_lazy("Amount to"), required=False, max_digits=15, localize=True, widget=forms.TextInput
    )

    @property
    def looked_for(self) -> search.PaymentFilter:
        names = ("words", "state", "last4", "since", "until", "at_least", "at_most")
        return search.PaymentFilter(
            **{name: self.wanted[name] for name in names if self.wanted.get(name) not in (None, "")}
        )


@require_safe
@never_cache
@for_those_who(may_see_payments)
def payment_list(request: HttpRequest) -> HttpResponse:
    form = PaymentsForm(request.GET)
    rows = search.found(form.looked_for)
    if request.GET.get("format") == "csv":
        return spreadsheet(rows)
    page = paging.page(rows, **form.place)
    return listed(
        request, "payment_list", form, page, title=_("Card payments"), rows=[row_in_words(row) for row in page.items]
    )


def row_in_words(row: Any) -> dict[str, Any]:
    stands = TransactionStatus(row.stands)
    return {
        "payment": row,
        "order": row.source.order,
        "source": row.source,
        "authorized": payments_amounts.amount_of(row),
        "captured": payments_amounts.column_of(row.source, "amount_debited"),
        "refunded": payments_amounts.column_of(row.source, "amount_refunded"),
        "state": rules.STANDINGS[stands],
        "tone": STANDING_TONES.get(stands, "secondary"),
    }


def listed(
    request: HttpRequest, name: str, form: ListForm, page: paging.Page, *, title: str, **context: Any
) -> HttpResponse:
    links = {
        "newer": form.query(after=page.newer) if page.newer else "",
        "older": form.query(before=page.older) if page.older else "",
        "export": form.query(format="csv"),
    }
    context |= {"form": form, "page": page, "links": links, "title": title}
    return render(request, f"cybersource/dashboard/{name}.html", context)


# -- for a spreadsheet -----------------------------------------------------------------------------------------------

#: A cell that begins so is a formula to a spreadsheet, by any author.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Echo:
    """What ``csv`` writes to: it hands each line on."""

    def write(self, line: str) -> str:
        return line


def spreadsheet(rows: Any) -> HttpResponse:
    """All that was found, newest first, streamed: however many there are, few of them are in memory."""
    response = StreamingHttpResponse(lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="card-payments.csv"'
    return response  # type: ignore[return-value]


def lines(rows: Any) -> Iterator[str]:
    writer = csv.writer(Echo())
    heads = ("Date", "Order", "Transaction", "Card", "Currency", "Authorized", "Captured", "Refunded", "State")
    yield "\ufeff"  # without it some spreadsheets do not read UTF-8
    yield writer.writerow([_(head) for head in heads])
    for row in paging.every(rows):
        yield writer.writerow(harmless(cells(row)))


def cells(row: Any) -> Iterable[str]:
    source = row.source
    sums = (payments_amounts.column_of(source, name) for name in ("amount_debited", "amount_refunded"))
    amounts = (payments_amounts.amount_of(row), *sums)
    return (
        clock.local(row.date_created).strftime("%Y-%m-%d %H:%M:%S"),
        source.order.number,
        row.reference,
        source.label,
        source.currency,
        *(plain(amount, source.currency) for amount in amounts),
        str(rules.STANDINGS[TransactionStatus(row.stands)]),
    )


def plain(amount: Any, currency: str) -> str:
    try:
        return format_amount(amount, currency)
    except AmountNotRepresentable:
        return str(amount)


def harmless(cells: Iterable[str]) -> list[str]:
    """Text stays text: an apostrophe in front keeps a spreadsheet from reckoning it."""
    return [f"'{cell}" if cell.startswith(FORMULAS) else cell for cell in cells]


# -- reviews ---------------------------------------------------------------------------------------------------------


@require_safe
@never_cache
@for_those_who(may_see_payments)
def review_list(request: HttpRequest) -> HttpResponse:
    """Payments that wait for a reviewer, those that wait longest last, with the day on which their hold may end."""
    form = ListForm(request.GET)
    page = paging.page(search.under_review(), **form.place)
    now = clock.now()
    rows = []
    for row in page.items:
        ends = search.hold_ends(row)
        late, soon = ends < now, ends < now + timedelta(days=2)
        rows.append({**row_in_words(row), "ends": ends, "is_late": late, "is_soon": soon})
    return listed(
        request,
        "review_list",
        form,
        page,
        title=_("Payments under review"),
        rows=rows,
        may_decide=can_decide(request.user),
    )


# -- operations ------------------------------------------------------------------------------------------------------

#: Which operations a choice lists.
CHOICES = {
    "": (gettext_lazy("All"), tuple(OperationState.values)),
    "under-way": (gettext_lazy("Under way"), UNDER_WAY),
    "failed": (gettext_lazy("Failed"), operation_queue.WITHOUT_EFFECT),
    "done": (gettext_lazy("Done"), (OperationState.DONE, OperationState.LAPSING)),
}


class OperationsForm(ListForm):
    state = forms.ChoiceField(
        label=gettext_lazy("Show"),
        required=False,
        choices=[(value, words) for value, (words, _states) in CHOICES.items()],
    )


@require_safe
@never_cache
@for_those_who(may_see_payments)
def operation_list(request: HttpRequest) -> HttpResponse:
    form = OperationsForm(request.GET)
    chosen = form.wanted.get("state") or ""
    operations = PaymentOperation.objects.select_related("order")
    if chosen:
        operations = operations.filter(state__in=CHOICES[chosen][1])
    page = paging.page(operations, **form.place)
    rows = [{"operation": one, "tone": TONES.get(one.state, "secondary")} for one in page.items]
    return listed(request, "operation_list", form, page, title=_("Operations on card payments"), rows=rows)
