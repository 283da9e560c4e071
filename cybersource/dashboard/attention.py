"""What needs attention, and clearing it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ..models import Attention, AttentionItem
from ..navigation import may_all, may_clear, may_look, may_see_payments
from ..payments import attention_list as open_items
from . import preview
from .access import can_move_money, for_those_who

OPEN, DONE = "open", "done"


class FilterForm(forms.Form):
    """Which items to list. What is none of the choices is passed over."""

    state = forms.ChoiceField(
        label=gettext_lazy("Show"),
        required=False,
        choices=[(OPEN, gettext_lazy("To do")), (DONE, gettext_lazy("Done"))],
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What happened"),
        required=False,
        choices=[("", gettext_lazy("Anything")), *((kind, kind.label) for kind in Attention if kind)],
    )
    before = forms.IntegerField(required=False, min_value=0, max_value=2**62, widget=forms.HiddenInput)
    after = forms.IntegerField(required=False, min_value=0, max_value=2**62, widget=forms.HiddenInput)

    @property
    def wanted(self) -> dict[str, Any]:
        self.is_valid()
        return self.cleaned_data


class ClearForm(forms.Form):
    """A few words, and what was found where it decides over the order."""

    reason = forms.CharField(
        label=gettext_lazy("What did you find, and what did you do?"),
        max_length=255,
        help_text=gettext_lazy("A few words. They are kept here and as a note on the order."),
    )
    no_charge = forms.BooleanField(
        label=gettext_lazy("There is no charge, or I cancelled or refunded it: give the order up"),
        required=False,
        help_text=gettext_lazy(
            "The order becomes “payment declined”, and the shopper's basket is open again. Only do this after "
            "you looked the reference number up in the CyberSource Business Center, and cancelled or refunded "
            "what you found."
        ),
    )

    def __init__(self, *args: Any, offer_to_give_up: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not offer_to_give_up:
            del self.fields["no_charge"]


@require_safe
@never_cache
@for_those_who(may_look)
def attention_list(request: HttpRequest) -> HttpResponse:
    """A page of items, newest first. No count of all items is taken."""
    form = FilterForm(request.GET)
    wanted = form.wanted
    done = wanted.get("state") == DONE
    kind = wanted.get("kind") or ""
    page = open_items.page(done=done, kind=kind, before=wanted.get("before"), after=wanted.get("after"))
    back = ways_back(request.user, page.items) if not done else {}
    shown = FilterForm(initial={"state": DONE if done else OPEN, "kind": kind})
    return render(
        request,
        "cybersource/dashboard/attention_list.html",
        {
            "page": page,
            "rows": [(item, back.get(item.pk)) for item in page.items],
            "form": shown,
            "done": done,
            "kind": kind,
            "may_clear": may_clear(request.user),
        },
    )


def ways_back(user: Any, items: Iterable[AttentionItem]) -> dict[int, preview.Way]:
    """How the charges can be given back by this user."""
    found = preview.ways_back(items) if can_move_money(user) else {}
    return {item: way for item, way in found.items() if may_all(user, way.permissions)}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_those_who(may_look)
def attention_item(request: HttpRequest, pk: int) -> HttpResponse:
    """One item; posted to by those who may clear it."""
    item = get_object_or_404(AttentionItem.objects.select_related("order", "attempt", "operation"), pk=pk)
    back = ways_back(request.user, [item]) if item.date_cleared is None else {}
    can_be_given_up = open_items.can_be_given_up(item, item.order)
    offer = {"offer_to_give_up": can_be_given_up}
    form = ClearForm(**offer)
    waits = open_items.waits_for_its_end(item)
    if request.method == "POST":
        if not may_clear(request.user):
            raise PermissionDenied
        form = ClearForm(request.POST, **offer)
        if form.is_valid() and not waits:
            found = form.cleaned_data
            return cleared(request, item, found["reason"], no_charge=bool(found.get("no_charge")))
    return render(
        request,
        "cybersource/dashboard/attention_item.html",
        {
            "item": item,
            "back": back.get(item.pk),
            "form": form,
            "waits_for_its_end": waits,
            "may_see_operation": may_see_payments(request.user),
            "may_clear": may_clear(request.user) and not waits and (item.date_cleared is None or can_be_given_up),
        },
        status=409 if form.is_bound and waits else 400 if form.is_bound else 200,
    )


def cleared(request: HttpRequest, item: AttentionItem, reason: str, *, no_charge: bool) -> HttpResponse:
    try:
        done = open_items.clear(item.pk, user=request.user, reason=reason, no_charge=no_charge)
    except AttentionItem.DoesNotExist:
        raise Http404 from None
    if not done.by_us:
        messages.info(
            request,
            _("This was done before, by %(user)s: %(reason)s")
            % {"user": done.item.cleared_by_name or _("the shop itself"), "reason": done.item.reason},
        )
    elif done.given_up:
        messages.success(request, _("Done. The order was given up, and its basket is open again."))
    elif no_charge:
        messages.warning(
            request, _("Done. The order was not given up: something else of it is paid, or its outcome is unknown.")
        )
    else:
        messages.success(request, _("Done. Your words are kept with it."))
    if "order" in request.GET and item.order is not None:
        return HttpResponseRedirect(reverse("dashboard:order-detail", args=[item.order.number]))
    return HttpResponseRedirect(reverse("cybersource-attention"))
