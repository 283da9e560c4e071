"""Webhook events as they were delivered."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField


class WebhookDelivery(models.Model):
    """One event as CyberSource delivered it: stored before it is handled, and no more than a hint to look."""

    class State(models.TextChoices):
        RECEIVED = "received", _("Received, not yet looked up")
        HANDLED = "handled", _("Looked up")
        REPEATED = "repeated", _("Duplicate, no effect")
        NOTED = "noted", _("Stored, changes nothing")
        FAILED = "failed", _("Could not be looked up yet")
        REFUSED = "refused", _("Not authentic")

    event_type = models.CharField(_("Event"), max_length=100, blank=True)
    product_id = models.CharField(_("Product"), max_length=64, blank=True)
    webhook_id = models.CharField(_("Webhook ID"), max_length=64, blank=True)
    trace_id = models.CharField(_("Trace ID"), max_length=64, blank=True)
    organization_id = models.CharField(_("Organization ID"), max_length=64, blank=True)
    key_id = models.CharField(_("Key ID"), max_length=64, blank=True)
    request_id = models.CharField(_("Request ID"), max_length=64, blank=True)
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    status = models.CharField(_("Status"), max_length=64, blank=True)
    is_retry = models.BooleanField(_("Delivered again"), default=False)
    fingerprint = models.CharField(
        _("Fingerprint"),
        max_length=64,
        unique=True,
        null=True,
        blank=True,
        editable=False,
        help_text=_("Of the signed message: the very same one is stored once, however often it is sent."),
    )
    payload = models.JSONField(_("Payload"), default=dict, blank=True, help_text=_("Listed parts of it only."))
    remote_address = models.GenericIPAddressField(_("Sender"), null=True, blank=True)
    state = models.CharField(_("State"), max_length=16, choices=State.choices, default=State.RECEIVED)
    problem = models.CharField(_("Problem"), max_length=64, blank=True)
    tries = models.PositiveSmallIntegerField(_("Times tried"), default=0)
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="cybersource_webhooks",
        verbose_name=_("Order"),
    )
    date_created = MomentField(_("Received"), default=timezone.now, db_index=True)
    date_handled = MomentField(_("Handled"), null=True, blank=True)

    class Meta:
        verbose_name = _("Webhook delivery")
        verbose_name_plural = _("Webhook deliveries")
        ordering = ["-pk"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["request_id"], name="cybersource_webhook_request"),
            models.Index(
                fields=["id"], name="cybersource_webhook_open", condition=models.Q(state__in=["received", "failed"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type}: {self.get_state_display()}"
