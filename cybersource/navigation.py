"""Who may see and do what in Oscar's dashboard, and the entry of its navigation (``OSCAR_DASHBOARD_NAVIGATION``).

Settings may import this module. All of it is for staff: whoever sees the orders of one partner only, by Oscar's own
permission and without being staff, sees nothing of the money.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _


def is_staff_with(user: Any, permission: str) -> bool:
    return bool(user.is_active and user.is_staff and user.has_perm(f"cybersource.{permission}"))


def may_look(user: Any, *args: Any) -> bool:
    """Whether a user may see what needs attention."""
    return is_staff_with(user, "view_attentionitem")


def may_clear(user: Any) -> bool:
    """Whether a user may clear items, and give orders up."""
    return may_look(user) and bool(user.has_perm("cybersource.clear_attentionitem"))


def may_see_payments(user: Any, *args: Any) -> bool:
    """Whether a user may see payments, the money of an order, and what was done about it."""
    return is_staff_with(user, "view_paymentoperation")


def may_move_money(user: Any) -> bool:
    """Whether a user may capture, refund, void and reverse."""
    return may_see_payments(user) and bool(user.has_perm("cybersource.move_money"))


def may_decide(user: Any) -> bool:
    """Whether a user may accept and reject payments under review."""
    return may_see_payments(user) and bool(user.has_perm("cybersource.decide_review"))


def may_all(user: Any, permissions: Iterable[str]) -> bool:
    """Whether a user may do what needs all of these: see :func:`cybersource.operations.rules.permissions`."""
    return may_see_payments(user) and all(user.has_perm(f"cybersource.{name}") for name in permissions)


def may_see_log(user: Any) -> bool:
    """Whether a user may read the log: it holds what shoppers typed, addresses among it."""
    return is_staff_with(user, "view_cybersourcereply")


def may_see_anything(user: Any, *args: Any) -> bool:
    return may_look(user) or may_see_payments(user)


DASHBOARD_ENTRY: dict[str, Any] = {
    "label": _("Card payments"),
    "icon": "fas fa-credit-card",
    "access_fn": may_see_anything,
    "children": [
        {"label": _("Payments"), "url_name": "cybersource-payments", "access_fn": may_see_payments},
        {"label": _("Payments under review"), "url_name": "cybersource-reviews", "access_fn": may_see_payments},
        {"label": _("Operations"), "url_name": "cybersource-operations", "access_fn": may_see_payments},
        {"label": _("Needs attention"), "url_name": "cybersource-attention", "access_fn": may_look},
        {"label": _("Connection test"), "url_name": "cybersource-connection-test", "access_fn": may_look},
    ],
}
