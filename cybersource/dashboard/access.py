"""Who gets to see a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from ..gateway import client
from ..navigation import may_decide, may_move_money

View = Callable[..., HttpResponse]


def for_those_who(may: Callable[[Any], bool]) -> Callable[[View], View]:
    """Send strangers to the dashboard's login, and turn away users who may not."""

    def decorator(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path(), reverse("dashboard:login"))
            if not may(request.user):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return wrapped

    return decorator


def can_move_money(user: Any) -> bool:
    """Whether buttons that move money are offered: to those who may, in a shop that has a key for it."""
    return client.is_ready() and may_move_money(user)


def can_decide(user: Any) -> bool:
    """The same for the decision about a review."""
    return client.is_ready() and may_decide(user)
