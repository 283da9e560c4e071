"""Template tags for Oscar's dashboard: an order's card payments, and what needs attention."""

from __future__ import annotations

from typing import Any

from django import template
from django.db.models import Prefetch, prefetch_related_objects
from django.template import Context
from oscar.core.loading import get_model

from cybersource import navigation
from cybersource.dashboard import access
from cybersource.dashboard import order as order_tab
from cybersource.models import AttentionItem
from cybersource.payments import attention_list

OrderNote = get_model("order", "OrderNote")

register = template.Library()

#: Where the story is kept, so that the blocks of one page read it once.
KEPT_AS = "_cybersource_panel"

MAY = {
    "look": navigation.may_look,
    "see_payments": navigation.may_see_payments,
    "see_log": navigation.may_see_log,
    "move_money": access.can_move_money,
    "decide": access.can_decide,
}


@register.simple_tag(takes_context=True)
def cybersource_order_panel(context: Context, order: Any) -> order_tab.OrderPanel | None:
    """The story of the order's card payments; None for an order without any, and for those who may not see it."""
    if not cybersource_may(context, "see_payments"):
        return None
    if KEPT_AS not in order.__dict__:
        order.__dict__[KEPT_AS] = order_tab.for_order(order)
    kept: order_tab.OrderPanel | None = order.__dict__[KEPT_AS]
    return kept


@register.simple_tag(takes_context=True)
def cybersource_hide_notes(context: Context, order: Any) -> str:
    """Leave out of ``order.notes.all`` what we wrote there, for those who may not see the order's payments."""
    if not cybersource_may(context, "see_payments"):
        prefetch_related_objects([order], Prefetch("notes", OrderNote.objects.filter(cybersource_note=None)))
    return ""


@register.simple_tag(takes_context=True)
def cybersource_may(context: Context, what: str) -> bool:
    """Whether the user who looks at the page may do this: a name of :data:`MAY`."""
    user = getattr(context.get("request"), "user", None)
    return bool(user and MAY[what](user))


@register.simple_tag
def cybersource_advice(item: AttentionItem) -> str:
    """What to do about an item."""
    return attention_list.advice(item)


@register.simple_tag
def cybersource_detail(item: AttentionItem) -> str:
    return attention_list.detail_in_words(item)


@register.simple_tag
def cybersource_both_sides(item: AttentionItem) -> list[attention_list.Side]:
    """What each side says where the books differ; empty for anything else."""
    return attention_list.both_sides(item)


@register.filter
def cybersource_disbelieved(item: AttentionItem) -> bool:
    return attention_list.is_disbelieved(item)
