"""When a post of the checkout may write the session: once it is the one that places the order."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables


@sensitive_variables()
def must_not_write_session(request: HttpRequest) -> None:
    """Keep what this post read of the session from being written before it is the one that places the order.

    oscarapi writes all of it with every look at the basket, and Django at the end. Of two posts at once the one that is
    refused would write over the order and the form of the other. A session that is not stored yet is nobody else's.
    """
    if request.session.session_key:
        request.session.save = lambda must_create=False: None  # type: ignore[method-assign]


@sensitive_variables()
def may_write_session(request: Any) -> None:
    vars(request.session).pop("save", None)


@sensitive_variables()
def is_unwritten(request: HttpRequest) -> bool:
    return "save" in vars(request.session)
