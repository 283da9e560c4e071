"""Template tags for Oscar's dashboard: an order's card payments, and what needs attention."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.urls import NoReverseMatch, reverse

from cybersource import order_panel, worklist
from cybersource.models import AttentionItem
from cybersource.navigation import may_look

register = template.Library()

#: Where the story is kept, so that the blocks of one page read it once.
KEPT_AS = "_cybersource_panel"


@register.simple_tag
def cybersource_order_panel(order: Any) -> order_panel.OrderPanel | None:
    """The story of the order's card payments; None for an order without any."""
    if KEPT_AS not in order.__dict__:
        order.__dict__[KEPT_AS] = order_panel.for_order(order)
    kept: order_panel.OrderPanel | None = order.__dict__[KEPT_AS]
    return kept


@register.simple_tag(takes_context=True)
def cybersource_may_see_attention(context: Context) -> bool:
    """Whether this user may follow a link to the list of what needs attention."""
    user = getattr(context.get("request"), "user", None)
    return bool(user and may_look(user))


@register.simple_tag
def cybersource_advice(item: AttentionItem) -> str:
    """What to do about an item."""
    return worklist.advice(item)


@register.simple_tag
def cybersource_why_not_believed(item: AttentionItem) -> str:
    return worklist.why_not_believed(item)


@register.simple_tag(takes_context=True)
def cybersource_may_see_log(context: Context) -> bool:
    """Whether this user may follow a link to a log row in Django's admin."""
    user = getattr(context.get("request"), "user", None)
    if not (user and user.is_active and user.is_staff and user.has_perm("cybersource.view_cybersourcereply")):
        return False
    try:
        reverse("admin:cybersource_cybersourcereply_changelist")
    except NoReverseMatch:
        return False
    return True
