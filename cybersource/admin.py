"""Django's admin: profiles can be entered, everything else only read."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from . import models


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

    def clean_secret_key(self) -> str:
        return self.cleaned_data["secret_key"] or self.instance.secret_key


@admin.register(models.SecureAcceptanceProfile)
class SecureAcceptanceProfileAdmin(admin.ModelAdmin):
    form = ProfileForm
    list_display = ("profile_id", "hostname", "access_key", "is_default", "active", "readable", "date_created")
    list_filter = ("active", "is_default")

    @admin.display(boolean=True, description=_("Secret readable"))
    def readable(self, profile: models.SecureAcceptanceProfile) -> bool:
        return profile.is_readable


class ReadOnlyAdmin(admin.ModelAdmin):
    """Evidence is looked at, not edited. Lists are paged without counting or sorting the whole log."""

    show_full_result_count = False
    list_per_page = 100

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.CyberSourceReply)
class CyberSourceReplyAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "date_created",
        "reference_number",
        "transaction_type",
        "decision",
        "reason_code",
        "amount",
        "currency",
        "reply_type",
        "result",
    )
    list_filter = ("decision", "reply_type", "result")
    search_fields = ("=reference_number", "=transaction_id", "=transaction_uuid")
    raw_id_fields = ("user", "order", "attempt")


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
    list_filter = ("state", "attention")
    search_fields = ("=reference_number", "=transaction_uuid")
    exclude = ("session_hash",)


@admin.register(models.PaymentToken)
class PaymentTokenAdmin(ReadOnlyAdmin):
    list_display = ("id", "masked_card_number", "card_type", "card_expiry_date", "owner", "date_created")
    exclude = ("token",)


class ReviewNotificationUpdateInline(admin.TabularInline):
    model = models.ReviewNotificationUpdate
    extra = 0
    can_delete = False
    fields = readonly_fields = ("reference_number", "request_id", "decision", "reviewer", "state", "date_handled")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.ReviewNotification)
class ReviewNotificationAdmin(ReadOnlyAdmin):
    list_display = ("id", "date_created", "merchant_id", "state", "problem", "remote_address")
    list_filter = ("state",)
    inlines = (ReviewNotificationUpdateInline,)


@admin.register(models.RefusedPost)
class RefusedPostAdmin(ReadOnlyAdmin):
    list_display = ("id", "date_created", "rule", "reply_type", "remote_address")
    list_filter = ("rule", "reply_type")
