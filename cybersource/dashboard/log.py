"""The page of one row of the log."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ..models import CyberSourceReply
from ..navigation import may_see_log, may_see_payments
from . import log_entry
from .access import for_those_who


@require_safe
@never_cache
@for_those_who(may_see_log)
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    rows = CyberSourceReply.objects.select_related("order", "attempt", "operation", "user").defer("request_token")
    found = log_entry.read(get_object_or_404(rows, pk=pk))
    return render(
        request,
        "cybersource/dashboard/log_entry.html",
        {
            "log": found,
            "entry": found.entry,
            "order": found.entry.order,
            "title": found.title,
            "may_see_payments": may_see_payments(request.user),
        },
    )
