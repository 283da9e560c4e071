"""Payment attempts: one row for each signed form."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField
from .choices import AttemptState, Attention
from .fields import AmountField


def new_transaction_uuid() -> str:
    return str(uuid.uuid4())


class PaymentAttempt(models.Model):
    """One signed form: what we asked CyberSource, under which ``transaction_uuid``, and how it ended.

    Written and committed before the form leaves. A reply is believed only for the attempt it names, and only as far as
    it equals what stands here.
    """

    class Channel(models.TextChoices):
        SECURE_ACCEPTANCE = "secure-acceptance", _("Secure Acceptance")
        REST = "rest", _("REST API")

    transaction_uuid = models.CharField(
        _("Transaction UUID"), max_length=50, unique=True, default=new_transaction_uuid, editable=False
    )
    channel = models.CharField(_("Channel"), max_length=24, choices=Channel.choices, default=Channel.SECURE_ACCEPTANCE)
    order = models.ForeignKey(
        "order.Order", on_delete=models.CASCADE, related_name="cybersource_attempts", verbose_name=_("Order")
    )
    method_key = models.CharField(_("Payment method key"), max_length=64)
    flow = models.CharField(_("Flow"), max_length=24)
    transaction_type = models.CharField(_("Transaction type"), max_length=60)
    reference_number = models.CharField(_("Reference number"), max_length=50)
    amount = AmountField(_("Amount"))
    currency = models.CharField(_("Currency"), max_length=3)
    profile_id = models.CharField(_("Profile ID"), max_length=50, blank=True)
    access_key = models.CharField(_("Access key"), max_length=50, blank=True)
    hostname = models.CharField(_("Hostname"), max_length=100, blank=True)
    language = models.CharField(
        _("Language"),
        max_length=16,
        blank=True,
        help_text=_("In which the shopper checked out and reads about the payment."),
    )
    session_hash = models.CharField(
        _("Session hash"), max_length=64, blank=True, help_text=_("Hash of a random value in the shopper's session.")
    )
    customer_ip_address = models.GenericIPAddressField(_("Shopper's address"), null=True, blank=True)
    is_limited = models.BooleanField(
        _("Limited"), default=True, help_text=_("Counts for limits: was not begun by a member of staff.")
    )
    device_fingerprint_id = models.CharField(_("Device fingerprint"), max_length=88, blank=True)
    extra_fields = models.JSONField(_("Extra fields"), default=dict, blank=True)
    next_extra_fields = models.JSONField(_("Extra fields of the next step"), default=dict, blank=True)
    previous = models.OneToOneField(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="next", verbose_name=_("Previous step")
    )
    token = models.ForeignKey(
        "cybersource.PaymentToken", on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("Token")
    )
    state = models.CharField(_("State"), max_length=16, choices=AttemptState.choices, default=AttemptState.OPEN)
    attention = models.CharField(_("Needs attention"), max_length=24, choices=Attention.choices, blank=True, default="")
    source = models.ForeignKey(
        "payment.Source",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_attempts",
        verbose_name=_("Source"),
    )
    settling_reply = models.ForeignKey(
        "cybersource.CyberSourceReply",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Settled by"),
    )
    date_created = MomentField(_("Created"), default=timezone.now, db_index=True)
    date_signed = MomentField(_("Signed"), default=timezone.now)
    date_shown = MomentField(
        _("Shown"), null=True, blank=True, help_text=_("When the form first left the shop; empty if it never did.")
    )
    date_settled = MomentField(_("Settled"), null=True, blank=True)

    class Meta:
        verbose_name = _("Payment attempt")
        verbose_name_plural = _("Payment attempts")
        ordering = ["-date_created", "-pk"]
        indexes = [
            models.Index(fields=["order", "method_key"], name="cybersource_attempt_method"),
            models.Index(fields=["reference_number"], name="cybersource_attempt_reference"),
            models.Index(fields=["state", "-date_created", "-id"], name="cybersource_attempt_state"),
            models.Index(fields=["session_hash", "-id"], name="cybersource_attempt_session"),
            models.Index(
                fields=["-date_created"],
                name="cybersource_needs_attention",
                condition=~models.Q(attention=""),
            ),
            models.Index(
                fields=["order"],
                name="cybersource_attempt_waiting",
                condition=models.Q(state__in=["open", "unknown"]),
            ),
        ]

    def __str__(self) -> str:
        return _("%(amount)s %(currency)s, %(type)s, for order %(number)s") % {
            "amount": self.amount,
            "currency": self.currency,
            "type": self.transaction_type,
            "number": self.reference_number,
        }
