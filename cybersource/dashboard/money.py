"""The money desk: an operation is requested, previewed before it is done, done once, and shown as it ended."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ..models import CyberSourceReply, PaymentOperation
from ..navigation import may_all, may_decide, may_move_money, may_see_log, may_see_payments
from ..operations import idempotency, kinds, money_back, plans, resolution
from ..payments.errors import InvalidOperation, Problem
from ..protocol import currency_exponent
from . import operation_texts, preview
from .access import for_those_who
from .forms import OperationForm, OutcomeForm
from .preview import OperationButton, OperationPreview

#: What the form's buttons say: look at what would happen, go back and change it, do it.
PREVIEW, CHANGE, DO = "preview", "change", "do"

#: Problems that are about the state of the payment and not about what was typed.
OF_THE_STATE = ("stale", "under-way", "wrong-state", "key-reused", "not-possible")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@transaction.non_atomic_requests  # an operation's intent is committed before its call leaves
@for_those_who(may_see_payments)
def request_operation(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """Request one operation: fill in the form, read what will happen, do it. Each step is a page."""
    may = may_decide if act in preview.DECISIONS else may_move_money
    if not may(request.user):
        raise PermissionDenied
    on = preview.read_preview(pk, OperationButton(act)) if act in {one.value for one in OperationButton} else None
    if on is None or not on.payment.is_ours:
        raise Http404
    if not may_all(request.user, on.permissions):
        raise PermissionDenied
    if request.method != "POST":
        return shown(request, on, OperationForm.fresh(on))
    if earlier := idempotency.latest_under(request.POST.get("key", ""), on.payment.operations):
        return redirect("cybersource-operation", earlier.pk)  # a second press, or the way back to a form that was used
    if request.POST.get("seen") != on.payment.version:
        return shown(request, on, OperationForm.fresh(on), is_stale=True)
    form = OperationForm(request.POST, desk=on)
    step = request.POST.get("step")
    if step == CHANGE:
        return shown(request, on, OperationForm(desk=on, initial=request.POST.dict()))
    if not form.is_valid():
        return shown(request, on, form)
    if step != DO:
        return previewed(request, on, form)
    try:
        operation = money_back.carry_out(on.exact(form.request(request.user)))[-1]
    except InvalidOperation as refused:
        return not_begun(request, pk, on.act, form, refused.problems)
    return redirect("cybersource-operation", operation.pk)


def shown(request: HttpRequest, on: OperationPreview, form: OperationForm, *, is_stale: bool = False) -> HttpResponse:
    """The form, or why there is none."""
    problems = [] if form.is_bound else on.problems()
    status = 409 if is_stale or (problems and request.method == "POST") else 400 if form.is_bound else 200
    context = page(on, form) | {"problems": problems, "is_stale": is_stale}
    return render(request, "cybersource/dashboard/ask.html", context, status=status)


def previewed(request: HttpRequest, on: OperationPreview, form: OperationForm) -> HttpResponse:
    asked = form.request()
    quantities = asked.lines or {}
    lines = [(line, quantities[line.pk]) for line in on.lines if quantities.get(line.pk)]
    context = page(on, form) | {
        "amount": on.amount(asked) if on.in_parts else on.left,
        "lines": lines,
        "said": on.preview_text(asked),
        "reason": form.cleaned_data["reason"],
        "kept": [(name, form.data[name]) for name in form.fields if form.data.get(name)],
    }
    return render(request, "cybersource/dashboard/preview.html", context)


def not_begun(
    request: HttpRequest, pk: int, act: OperationButton, form: OperationForm, problems: tuple[Problem, ...]
) -> HttpResponse:
    """Somebody was quicker, or the shop cannot ask: show how the payment stands now, and why."""
    now = preview.read_preview(pk, act)
    if now is None:
        raise Http404
    if any(problem.code in OF_THE_STATE for problem in problems):
        return shown(request, now, OperationForm.fresh(now), is_stale=True)
    form.add_problems(problems)
    return shown(request, now, form)


def page(on: OperationPreview, form: OperationForm) -> dict[str, Any]:
    return {
        "desk": on,
        "form": form,
        "title": preview.TITLES[on.act],
        "order": on.order,
        "currency": on.payment.currency,
        "exponent": currency_exponent(on.payment.currency),
    }


@require_safe
@never_cache
@for_those_who(may_see_payments)
def operation(request: HttpRequest, pk: int) -> HttpResponse:
    """One operation: who asked what, when and why, how it ended, and what to do next."""
    found = get_object_or_404(PaymentOperation.objects.select_related("order", "transaction__source"), pk=pk)
    calls = CyberSourceReply.objects.filter(operation=found).defer("data", "request_token").order_by("pk")
    titles = dict(found.order.lines.values_list("pk", "title")) if found.lines and found.order else {}
    steps = plans.steps_of(found) if found.plan else []
    return render(
        request,
        "cybersource/dashboard/operation.html",
        {
            "operation": found,
            "order": found.order,
            "title": str(found.get_kind_display()),
            "ending": operation_texts.of(found),
            "steps": [(one, operation_texts.of(one)) for one in steps] if len(steps) > 1 else [],
            "lines": [(titles.get(int(line), line), quantity) for line, quantity in found.lines.items()],
            "calls": [(call, operation_texts.of_call(call)) for call in calls],
            "may_see_log": may_see_log(request.user),
            "may_resolve": may_resolve(request.user, found),
        },
    )


def may_resolve(user: Any, found: PaymentOperation) -> bool:
    """Whether this user can record now how an operation ended."""
    return found.is_under_way and not resolution.why_not(found) and may_all(user, resolution.permissions(found))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@transaction.non_atomic_requests  # a look-up is logged before it leaves
@for_those_who(may_see_payments)
def outcome(request: HttpRequest, pk: int) -> HttpResponse:
    """Record how an operation in doubt ended: say what was found, read what follows, record it. Each step is a page."""
    found = get_object_or_404(
        PaymentOperation.objects.select_related(
            "order", "attempt__token", "source", "transaction__source__source_type"
        ),
        pk=pk,
    )
    if not may_all(request.user, resolution.permissions(found)):
        raise PermissionDenied
    how = {"is_decision": found.kind in kinds.DECISIONS}
    step = request.POST.get("step")
    if request.method != "POST" or step == CHANGE:
        return outcome_page(request, found, OutcomeForm(initial=request.POST.dict(), **how))
    form = OutcomeForm(request.POST, **how)
    if not form.is_valid():
        return outcome_page(request, found, form)
    try:
        if step == DO:
            resolution.resolve(pk, form.finding, user=request.user)
            return redirect("cybersource-operation", pk)
        looked = resolution.check(found, form.finding)
    except InvalidOperation as refused:
        form.add_problems(refused.problems)
        return outcome_page(request, found, form)
    about = {"said": operation_texts.if_recorded(found, form.finding.took_effect), "is_confirmed": looked is not None}
    return outcome_page(request, found, form, **about)


def outcome_page(request: HttpRequest, found: PaymentOperation, form: OutcomeForm, **about: Any) -> HttpResponse:
    """The form, what will be recorded, or why nothing can be."""
    found.refresh_from_db(fields=["state", "is_being_looked_up", "date_looked_up", "date_sent"])
    problem = resolution.why_not(found)
    context = {"operation": found, "order": found.order, "title": _("Record outcome"), "form": form, **about}
    status = 409 if problem else 400 if form.errors else 200
    return render(request, "cybersource/dashboard/outcome.html", context | {"problem": problem}, status=status)
