"""The entry of Oscar's dashboard navigation, for ``OSCAR_DASHBOARD_NAVIGATION``. Settings may import this module."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _


def may_look(user: Any, *args: Any) -> bool:
    """Whether a user may see what needs attention: staff with the permission to view its items."""
    return bool(user.is_active and user.is_staff and user.has_perm("cybersource.view_attentionitem"))


def may_clear(user: Any) -> bool:
    """Whether a user may clear items, and give orders up."""
    return may_look(user) and bool(user.has_perm("cybersource.clear_attentionitem"))


DASHBOARD_ENTRY: dict[str, Any] = {
    "label": _("Card payments"),
    "icon": "fas fa-credit-card",
    "access_fn": may_look,
    "children": [
        {"label": _("Needs attention"), "url_name": "cybersource-attention", "access_fn": may_look},
        {"label": _("Connection test"), "url_name": "cybersource-connection-test", "access_fn": may_look},
    ],
}
