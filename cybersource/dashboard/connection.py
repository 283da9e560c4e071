"""The connection test: is the shop set up as it should be?"""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from ..navigation import may_look
from .access import for_those_who


@transaction.non_atomic_requests  # a REST call is logged in a commit of its own
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_those_who(may_look)
def connection_test(request: HttpRequest) -> HttpResponse:
    """The URLs to paste; posted to, what ``cybersource_check`` tells. Asks other machines only when posted to."""
    from .. import connection_test as connection_tests  # imported here: most web processes never need it

    report = connection_tests.run() if request.method == "POST" else None
    return render(
        request,
        "cybersource/dashboard/connection_test.html",
        {"report": report, "addresses": connection_tests.to_paste() if report is None else report.addresses},
    )
