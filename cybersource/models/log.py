"""The log: what CyberSource posted, and what was refused."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import HStoreField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField
from .attempts import PaymentAttempt
from .choices import ReplyType
from .fields import endpoint_now, environment_now, merchant_now


class CyberSourceReply(models.Model):
    """The log: every verified delivery is one row, committed before it has any effect.

    ``data`` holds exactly the fields the signature covered; the columns are those fields, normalised and indexed.
    A REST call is one row too, committed before it leaves and completed by what came back: ``data`` then holds the
    listed parts of both bodies (``request.…``), and ``outcome`` stays empty if this process died meanwhile.
    """

    class Result(models.TextChoices):
        RECEIVED = "received", _("Received, not yet acted on")
        SETTLED = "settled", _("Took effect")
        REPEATED = "repeated", _("Duplicate, no effect")
        SUPERSEDED = "superseded", _("Too late to change anything")
        REFUSED = "refused", _("Fits no attempt of ours")
        SENT = "sent", _("Sent over REST")
        NOT_OURS = "not-ours", _("Looked up, of no payment of ours")

    class RestOutcome(models.TextChoices):
        PROCESSED = "processed", _("Processed")
        REFUSED = "refused", _("Refused: nothing was done")
        UNKNOWN = "unknown", _("Unknown: it may have taken effect")
        NOT_SENT = "not-sent", _("Not sent")

    reply_type = models.CharField(_("Came by"), max_length=16, choices=ReplyType.choices)
    # No foreign key constraints: PostgreSQL would have a new row wait for whatever holds the row it points to,
    # and evidence waits for nobody.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="cybersource_replies",
        verbose_name=_("User"),
    )
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="cybersource_replies",
        verbose_name=_("Order"),
    )
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="replies",
        verbose_name=_("Attempt"),
    )
    operation = models.ForeignKey(
        "cybersource.PaymentOperation",
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="calls",
        verbose_name=_("Operation"),
    )
    data = HStoreField(_("Signed fields"))

    decision = models.CharField(_("Decision"), max_length=16, blank=True)
    reason_code = models.PositiveIntegerField(_("Reason code"), null=True, blank=True)
    message = models.CharField(_("Message"), max_length=255, blank=True)
    transaction_id = models.CharField(_("Transaction ID"), max_length=64, blank=True)
    transaction_type = models.CharField(_("Transaction type"), max_length=60, blank=True)
    transaction_uuid = models.CharField(_("Transaction UUID"), max_length=50, blank=True)
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    amount = models.DecimalField(_("Requested amount"), max_digits=15, decimal_places=3, null=True, blank=True)
    auth_amount = models.DecimalField(_("Amount approved"), max_digits=15, decimal_places=3, null=True, blank=True)
    currency = models.CharField(_("Currency"), max_length=3, blank=True)
    auth_code = models.CharField(_("Authorization code"), max_length=16, blank=True)
    auth_avs_code = models.CharField(_("AVS"), max_length=8, blank=True)
    auth_cv_result = models.CharField(_("CVN"), max_length=8, blank=True)
    request_token = models.CharField(_("Request token"), max_length=256, blank=True)
    card_number = models.CharField(_("Card"), max_length=20, blank=True)
    card_type = models.CharField(_("Card type"), max_length=3, blank=True)
    card_expiry_date = models.CharField(_("Card expiry"), max_length=7, blank=True)
    signed_date_time = MomentField(_("Signed"), null=True, blank=True)

    outcome = models.CharField(_("Outcome"), max_length=16, choices=RestOutcome.choices, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    rest_status = models.CharField(_("Status"), max_length=64, blank=True)
    rest_reason = models.CharField(_("Reason"), max_length=64, blank=True)
    correlation_id = models.CharField(_("Correlation ID"), max_length=64, blank=True)
    merchant_id = models.CharField(_("Merchant ID"), max_length=64, blank=True, default=merchant_now)
    environment = models.CharField(_("Environment"), max_length=16, blank=True, default=environment_now)
    endpoint = models.CharField(_("Endpoint"), max_length=200, blank=True, default=endpoint_now)
    milliseconds = models.PositiveIntegerField(_("Milliseconds"), null=True, blank=True)

    result = models.CharField(_("Result"), max_length=16, choices=Result.choices, default=Result.RECEIVED)
    refused_because = models.CharField(_("Refused because"), max_length=64, blank=True)
    date_created = MomentField(_("Received"), default=timezone.now)
    date_processed = MomentField(_("Acted on"), null=True, blank=True)

    class Meta:
        verbose_name = _("CyberSource reply")
        verbose_name_plural = _("CyberSource replies")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["transaction_id"], name="cybersource_reply_transaction"),
            models.Index(fields=["transaction_uuid"], name="cybersource_reply_uuid"),
            models.Index(fields=["reference_number"], name="cybersource_reply_reference"),
            # For the admin's filters, newest first; the second also for what has yet to be acted on.
            models.Index(fields=["decision", "id"], name="cybersource_reply_decision"),
            models.Index(fields=["result", "id"], name="cybersource_reply_result"),
            models.Index(fields=["reply_type", "id"], name="cybersource_reply_door"),
            models.Index(
                fields=["date_created"], name="cybersource_reply_refused", condition=models.Q(result="refused")
            ),
        ]

    def __str__(self) -> str:
        return _("%(decision)s %(code)s for %(reference)s") % {
            "decision": self.decision or self.rest_status or self.outcome,
            "code": self.reason_code or self.rest_reason,
            "reference": self.reference_number,
        }


class RefusedPost(models.Model):
    """Evidence of a post that was no reply of ours: the rule it broke and a few harmless values, nothing more.

    Anybody may post here, so rows are small and few an hour (:mod:`cybersource.inbound.rejected`).
    """

    reply_type = models.CharField(_("Came by"), max_length=16, choices=ReplyType.choices)
    rule = models.CharField(_("Rule broken"), max_length=64)
    remote_address = models.GenericIPAddressField(_("Sender"), null=True, blank=True)
    summary = models.JSONField(_("Summary"), default=dict, blank=True)
    date_created = MomentField(_("Received"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Refused post")
        verbose_name_plural = _("Refused posts")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["reply_type", "id"], name="cybersource_refused_door")]

    def __str__(self) -> str:
        return self.rule
