"""Django's admin: profiles can be entered, everything else only read.

Lists of the log stay quick however long it grows: they are never counted to the end, sorted by nothing but their key,
and filtered by known words instead of by every word that occurs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from . import models
from .dashboard import log_entry
from .http.error_reports import discreet
from .protocol import CARD_TYPES, Decision, avs_meaning, cvn_meaning, reason_meaning

#: How far lists are counted. Older rows are found by searching.
COUNTED = 10_000


class ProfileForm(forms.ModelForm):
    """The secret goes in and never comes out: the field is always empty, and left empty it keeps what is stored."""

    secret_key = forms.CharField(
        label=_("Secret key"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
        help_text=_("Stored encrypted and never shown. Leave empty to keep the stored one."),
    )

    class Meta:
        model = models.SecureAcceptanceProfile
        fields = ("hostname", "profile_id", "access_key", "secret_key", "is_default", "active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("secret_key", None)
        self.fields["secret_key"].required = self.instance.pk is None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("secret_key") or self.instance.pk is None:
            return cleaned
        cleaned["secret_key"] = self.instance.secret_key
        if "access_key" in self.changed_data:
            # Forms signed with one key's name and another key's secret get a bare 403 page at CyberSource.
            self.add_error("secret_key", _("Another access key comes with a secret key of its own: enter it too."))
        return cleaned


@admin.register(models.SecureAcceptanceProfile)
class SecureAcceptanceProfileAdmin(admin.ModelAdmin):
    form = ProfileForm
    list_display = ("profile_id", "hostname", "access_key", "is_default", "active", "readable", "date_created")
    list_filter = ("active", "is_default")

    @method_decorator(discreet)
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(*args, **kwargs)

    @admin.display(boolean=True, description=_("Secret readable"))
    def readable(self, profile: models.SecureAcceptanceProfile) -> bool:
        return profile.is_readable


# -- evidence ----------------------------------------------------------------------------------------------------


class CappedPaginator(Paginator):
    """Counts no further than the pages that anybody turns, so a list costs the same however long the log is."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNTED].count() if isinstance(rows, QuerySet) else len(rows)


class WordFilter(admin.SimpleListFilter):
    """Filters by known words. Django's own filter would read the whole table to find out which occur."""

    words: Iterable[tuple[str, Any]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.words)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class DecisionFilter(WordFilter):
    title = _("decision")
    parameter_name = "decision"
    words = [(decision.value, decision.value) for decision in Decision if decision != Decision.UNRECOGNISED]


class AttentionFilter(WordFilter):
    title = _("needs attention")
    parameter_name = "attention"
    words = [("any", _("Anything")), *((value, label) for value, label in models.Attention.choices if value)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "any":
            return queryset.exclude(attention="")
        return super().queryset(request, queryset)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Evidence is looked at, not edited."""

    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 100
    list_max_show_all = 0
    sortable_by: Sequence[str] = ("id",)
    #: Counts beside each filter would count the log many times over. Django 4.2 has none.
    show_facets: Any = getattr(getattr(admin, "ShowFacets", None), "NEVER", None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def table(rows: Iterable[tuple[Any, Any]]) -> str:
    """Two columns of text, escaped."""
    lines = format_html_join("", "<tr><th scope='row'>{}</th><td>{}</td></tr>", rows)
    return format_html("<table>{}</table>", lines) if lines else "-"


def link_to_log(**query: str) -> str:
    """A search in the log."""
    url = reverse("admin:cybersource_cybersourcereply_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(query), gettext("Show in the log"))


@admin.register(models.CyberSourceReply)
class CyberSourceReplyAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "date_created",
        "reference_number",
        "said",
        "asked",
        "result",
        "transaction_type",
        "reply_type",
    )
    list_filter = (DecisionFilter, "reply_type", "result")
    # Exactly, since an index answers that; admin's "=" means "whatever the case" and reads the whole log.
    search_fields = ("reference_number__exact", "transaction_id__exact", "transaction_uuid__exact")
    search_help_text = _("Order number, transaction ID or transaction UUID, whole.")
    fieldsets = (
        (None, {"fields": ("date_created", "reply_type", "result", "refused_because", "date_processed")}),
        (
            _("What CyberSource said"),
            {
                "fields": (
                    "decision",
                    "reason",
                    "message",
                    "transaction_id",
                    "transaction_type",
                    "asked",
                    "approved",
                    "auth_code",
                    "address_check",
                    "security_code",
                    "card",
                    "signed_date_time",
                )
            },
        ),
        (
            _("What it is about"),
            {"fields": ("reference_number", "order", "user", "attempt", "transaction_uuid")},
        ),
        (_("Everything the signature covers"), {"fields": ("signed_fields",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.CyberSourceReply]:
        """The list needs none of the large columns, and the page of one row asks for them."""
        rows = super().get_queryset(request)
        one_row = request.resolver_match and request.resolver_match.kwargs.get("object_id")
        return rows.select_related("order", "user", "attempt") if one_row else rows.defer("data", "request_token")

    @admin.display(description=_("Decision"))
    def said(self, entry: models.CyberSourceReply) -> str:
        return f"{entry.decision} {'' if entry.reason_code is None else entry.reason_code}".strip() or "-"

    @admin.display(description=_("Requested amount"))
    def asked(self, entry: models.CyberSourceReply) -> str:
        return log_entry.amount_of(entry.amount, entry.currency) or "-"

    @admin.display(description=_("Amount approved"))
    def approved(self, entry: models.CyberSourceReply) -> str:
        return log_entry.amount_of(entry.auth_amount, entry.currency) or "-"

    @admin.display(description=_("Reason"))
    def reason(self, entry: models.CyberSourceReply) -> str:
        meaning = reason_meaning(entry.reason_code)
        return meaning if entry.reason_code is None else f"{entry.reason_code}: {meaning}"

    @admin.display(description=_("Address check"), empty_value="-")
    def address_check(self, entry: models.CyberSourceReply) -> str:
        return log_entry.coded(entry.auth_avs_code, avs_meaning(entry.auth_avs_code)) or "-"

    @admin.display(description=_("Security code"))
    def security_code(self, entry: models.CyberSourceReply) -> str:
        return log_entry.coded(entry.auth_cv_result, cvn_meaning(entry.auth_cv_result)) or "-"

    @admin.display(description=_("Card"))
    def card(self, entry: models.CyberSourceReply) -> str:
        return log_entry.card(entry) or "-"

    @admin.display(description=_("Signed fields"))
    def signed_fields(self, entry: models.CyberSourceReply) -> str:
        return table(log_entry.readable(entry.data))


@admin.register(models.PaymentAttempt)
class PaymentAttemptAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "date_created",
        "reference_number",
        "transaction_type",
        "amount",
        "currency",
        "state",
        "attention",
        "date_settled",
    )
    list_filter = (AttentionFilter, "state")
    search_fields = ("order__number__exact", "transaction_uuid__exact")
    search_help_text = _("Order number or transaction UUID, whole.")
    exclude = ("session_hash",)
    readonly_fields = ("messages_received",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.PaymentAttempt]:
        rows = super().get_queryset(request).defer("session_hash")
        one_row = request.resolver_match and request.resolver_match.kwargs.get("object_id")
        return rows.select_related("order", "token", "source", "settling_reply", "previous") if one_row else rows

    @admin.display(description=_("Messages from CyberSource"))
    def messages_received(self, attempt: models.PaymentAttempt) -> str:
        return link_to_log(q=attempt.transaction_uuid)


@admin.register(models.PaymentToken)
class PaymentTokenAdmin(ReadOnlyAdmin):
    list_display = ("id", "masked_card_number", "card_name", "card_expiry_date", "owner", "date_created", "date_gone")
    list_select_related = ("owner",)
    exclude = ("token",)

    @admin.display(description=_("Card type"))
    def card_name(self, token: models.PaymentToken) -> str:
        return CARD_TYPES.get(token.card_type, token.card_type)


class ReviewNotificationUpdateInline(admin.TabularInline):
    model = models.ReviewNotificationUpdate
    extra = 0
    can_delete = False
    fields = readonly_fields = (
        "reference_number",
        "request_id",
        "decision",
        "reviewer",
        "comments",
        "state",
        "date_handled",
    )

    @admin.display(description=_("Comments"))
    def comments(self, update: models.ReviewNotificationUpdate) -> str:
        return str(update.payload.get("comments") or "-")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.ReviewNotification)
class ReviewNotificationAdmin(ReadOnlyAdmin):
    list_display = ("id", "date_created", "merchant_id", "state", "problem", "remote_address")
    list_filter = ("state",)
    fields = ("date_created", "merchant_id", "remote_address", "state", "problem", "document")
    inlines = (ReviewNotificationUpdateInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.ReviewNotification]:
        rows = super().get_queryset(request)
        one_row = request.resolver_match and request.resolver_match.kwargs.get("object_id")
        return rows if one_row else rows.defer("content")

    @admin.display(description=_("As it came"))
    def document(self, notification: models.ReviewNotification) -> str:
        return format_html("<pre>{}</pre>", notification.content)


@admin.register(models.ReviewNotificationUpdate)
class ReviewNotificationUpdateAdmin(ReadOnlyAdmin):
    """Also what no notification brought: the conversion report's decisions, and the shop's own."""

    ordering = ("-pk",)
    list_display = ("id", "date_created", "source", "reference_number", "decision", "reviewer", "state")
    list_filter = ("state",)
    search_fields = ("request_id__exact",)
    fields = (
        "date_created",
        "source",
        "notification",
        "reference_number",
        "request_id",
        "decision",
        "reviewer",
        "comments",
        "state",
        "transaction",
        "date_handled",
    )
    readonly_fields = ("comments",)

    @admin.display(description=_("Comments"))
    def comments(self, update: models.ReviewNotificationUpdate) -> str:
        return str(update.payload.get("comments") or "-")


class OperationFilter(WordFilter):
    title = _("operation")
    parameter_name = "kind"
    words = models.PaymentOperation.Kind.choices


@admin.register(models.PaymentOperation)
class PaymentOperationAdmin(ReadOnlyAdmin):
    list_display = ("id", "date_created", "reference_number", "kind", "money", "state", "user_name", "date_settled")
    list_filter = (OperationFilter, "state")
    search_fields = ("reference_number__exact", "request_id__exact", "order_number__exact")
    search_help_text = _("Reference number, request ID or order number, whole.")
    exclude = ("key", "asked", "amount", "currency")
    readonly_fields = ("money", "calls")

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.PaymentOperation]:
        rows = super().get_queryset(request)
        one_row = request.resolver_match and request.resolver_match.kwargs.get("object_id")
        return (
            rows.select_related("order", "source", "transaction", "made", "attempt", "user", "log") if one_row else rows
        )

    @admin.display(description=_("Amount"))
    def money(self, operation: models.PaymentOperation) -> str:
        return log_entry.amount_of(operation.amount, operation.currency)

    @admin.display(description=_("Calls to CyberSource"))
    def calls(self, operation: models.PaymentOperation) -> str:
        return link_to_log(q=operation.reference_number)


class EventFilter(WordFilter):
    """By what events are about: their names are CyberSource's to add to."""

    title = _("event")
    parameter_name = "event"
    words = [
        ("payments.", _("Payments")),
        ("risk.", _("Decision Manager")),
        ("tms.", _("Stored cards")),
    ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(event_type__startswith=self.value()) if self.value() else queryset


@admin.register(models.WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("id", "date_created", "event_type", "reference_number", "request_id", "status", "state", "problem")
    list_filter = (EventFilter, "state")
    search_fields = ("request_id__exact",)
    search_help_text = _("Request ID, whole.")
    fieldsets = (
        (None, {"fields": ("date_created", "state", "problem", "tries", "date_handled", "remote_address")}),
        (
            _("What it is about"),
            {"fields": ("event_type", "product_id", "order", "reference_number", "request_id", "status", "log")},
        ),
        (
            _("How it came"),
            {"fields": ("organization_id", "webhook_id", "trace_id", "key_id", "is_retry", "told")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.WebhookDelivery]:
        rows = super().get_queryset(request)
        one_row = request.resolver_match and request.resolver_match.kwargs.get("object_id")
        return rows.select_related("order") if one_row else rows.defer("payload")

    @admin.display(description=_("Messages from CyberSource"))
    def log(self, delivery: models.WebhookDelivery) -> str:
        return link_to_log(q=delivery.request_id) if delivery.request_id else "-"

    @admin.display(description=_("What is kept of it"))
    def told(self, delivery: models.WebhookDelivery) -> str:
        return table(sorted(delivery.payload.items()))


@admin.register(models.RefusedPost)
class RefusedPostAdmin(ReadOnlyAdmin):
    list_display = ("id", "date_created", "rule", "reply_type", "remote_address")
    list_filter = ("reply_type",)
    fields = ("date_created", "reply_type", "rule", "remote_address", "claimed", "names")

    @admin.display(description=_("What it claimed, unverified and without effect"))
    def claimed(self, post: models.RefusedPost) -> str:
        return table((post.summary.get("values") or {}).items())

    @admin.display(description=_("Names of all its fields"))
    def names(self, post: models.RefusedPost) -> str:
        return ", ".join(post.summary.get("names") or ()) or "-"
