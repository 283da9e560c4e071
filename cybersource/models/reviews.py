"""Decision Manager's notifications and what became of each update."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField, local


class ReviewNotification(models.Model):
    """One Decision Manager POST, stored as it came before anything in it was believed."""

    class State(models.TextChoices):
        RECEIVED = "received", _("Received, not yet acted on")
        HANDLED = "handled", _("Handled")
        UNREADABLE = "unreadable", _("Not readable")

    content = models.TextField(_("Content"), help_text=_("The XML; values that look like card numbers are masked."))
    merchant_id = models.CharField(_("Merchant ID"), max_length=64, blank=True)
    remote_address = models.GenericIPAddressField(_("Sender"), null=True, blank=True)
    state = models.CharField(_("State"), max_length=16, choices=State.choices, default=State.RECEIVED)
    problem = models.CharField(_("Problem"), max_length=64, blank=True)
    date_created = MomentField(_("Received"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Review notification")
        verbose_name_plural = _("Review notifications")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "id"], name="cybersource_notified_state")]

    def __str__(self) -> str:
        date = date_format(local(self.date_created), "DATETIME_FORMAT")
        return _("Review notification of %(date)s") % {"date": date}


class ReviewNotificationUpdate(models.Model):
    """What a reviewer decided, whoever brought it, and what became of it, matched or not.

    A notification holds its updates; what the conversion report told, or the shop decided over REST, has none.
    """

    class Source(models.TextChoices):
        NOTIFICATION = "notification", _("Notification")
        REPORT = "conversion-report", "Conversion Details"  # as CyberSource calls it in every language
        OPERATION = "operation", _("Operation")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waits for its transaction")
        RECORDED = "recorded", _("Took effect")
        REPEATED = "repeated", _("Duplicate, no effect")
        NOTED = "noted", _("Stored, changes nothing")
        CONFLICTING = "conflicting", _("Against what was decided before: noted, nothing changed")
        FOREIGN = "foreign", _("Belongs to another merchant")
        FAILED = "failed", _("Failed, to be tried again")

    notification = models.ForeignKey(
        ReviewNotification,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="updates",
        verbose_name=_("Notification"),
    )
    source = models.CharField(_("Source"), max_length=20, choices=Source.choices, default=Source.NOTIFICATION)
    position = models.PositiveSmallIntegerField(_("Position"))
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    request_id = models.CharField(_("Request ID"), max_length=64, blank=True, db_index=True)
    decision = models.CharField(_("Decision"), max_length=64, blank=True)
    reviewer = models.CharField(_("Reviewer"), max_length=255, blank=True)
    payload = models.JSONField(_("What it reported"), default=dict, help_text=_("The update as it was understood."))
    state = models.CharField(_("State"), max_length=16, choices=State.choices, default=State.WAITING)
    transaction = models.ForeignKey(
        "payment.Transaction",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Transaction"),
    )
    date_created = MomentField(_("Received"), default=timezone.now)
    date_handled = MomentField(_("Handled"), null=True, blank=True)

    class Meta:
        verbose_name = _("Review update")
        verbose_name_plural = _("Review updates")
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["state", "id"], name="cybersource_update_state"),
            models.Index(
                fields=["id"], name="cybersource_update_pending", condition=models.Q(state__in=["waiting", "failed"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference_number}: {self.decision or '-'}"


class FollowonResult(models.Model):
    """A settlement or reversal that a reviewer started together with the decision."""

    update = models.ForeignKey(
        ReviewNotificationUpdate, on_delete=models.CASCADE, related_name="+", verbose_name=_("Review update")
    )
    transaction = models.ForeignKey(
        "payment.Transaction", on_delete=models.CASCADE, related_name="+", verbose_name=_("Reviewed transaction")
    )
    application = models.CharField(_("Application"), max_length=64, blank=True)
    status = models.CharField(_("Status"), max_length=32, blank=True)
    request_id = models.CharField(_("Request ID"), max_length=64)
    decision = models.CharField(_("Decision"), max_length=32, blank=True)
    reason_code = models.CharField(_("Reason code"), max_length=16, blank=True)
    message = models.CharField(_("Message"), max_length=255, blank=True)
    date_created = MomentField(_("Recorded"), default=timezone.now)

    class Meta:
        verbose_name = _("Follow-on result")
        verbose_name_plural = _("Follow-on results")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["transaction", "request_id"], name="cybersource_followon_once"),
        ]

    def __str__(self) -> str:
        return f"{self.application}: {self.status}"
