"""Operations: captures, refunds, voids, reversals, authorizations and review decisions."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField
from .attempts import PaymentAttempt
from .choices import UNDER_WAY, OperationState
from .fields import endpoint_now, environment_now, merchant_now
from .log import CyberSourceReply


def new_idempotency_id() -> str:
    """30 letters and digits at most: the length that the REST API is known to take."""
    return uuid.uuid4().hex[:24]


class PaymentOperation(models.Model):
    """One thing asked of a payment after it was made: who wanted what, why, and how it ended.

    The row is the intent. It is committed, under its own reference number and idempotency id, before anything leaves;
    so whatever happens then can be looked up at CyberSource, and no operation is sent twice.
    """

    class Kind(models.TextChoices):
        AUTHORIZE = "authorize", _("Authorize")
        CAPTURE = "capture", _("Capture")
        REFUND = "refund", _("Refund")
        VOID = "void", _("Void")
        REVERSE = "reverse", _("Release authorization")
        ACCEPT_REVIEW = "accept-review", _("Accept the review")
        REJECT_REVIEW = "reject-review", _("Reject the review")

    kind = models.CharField(_("Operation"), max_length=16, choices=Kind.choices)
    state = models.CharField(_("State"), max_length=16, choices=OperationState.choices, default=OperationState.SENT)
    # What was asked outlives what it was asked for: money may be on its way when somebody deletes an order.
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_operations",
        verbose_name=_("Order"),
    )
    order_number = models.CharField(_("Order number"), max_length=128, blank=True, db_index=True)
    source = models.ForeignKey(
        "payment.Source",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_operations",
        verbose_name=_("Source"),
    )
    transaction = models.ForeignKey(
        "payment.Transaction",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_operations",
        verbose_name=_("Acts on"),
    )
    made = models.ForeignKey(
        "payment.Transaction",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Recorded as"),
    )
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="operations",
        verbose_name=_("Attempt"),
    )
    payment_id = models.CharField(
        _("Acts on request ID"), max_length=64, blank=True, help_text=_("CyberSource's id of what is acted on.")
    )
    amount = models.DecimalField(_("Amount"), max_digits=15, decimal_places=3)
    currency = models.CharField(_("Currency"), max_length=3)
    lines = models.JSONField(
        _("Lines"), default=dict, blank=True, help_text=_("Quantities by the id of the order's line; empty: by amount.")
    )
    is_last = models.BooleanField(_("Last capture"), default=True)
    is_sale = models.BooleanField(
        _("Sale"), default=False, help_text=_("An authorization that captures the money at once.")
    )
    plan = models.CharField(
        _("Plan"),
        max_length=24,
        blank=True,
        default="",
        help_text=_("The same for all steps by which money goes back together."),
    )
    position = models.PositiveSmallIntegerField(_("Step of the plan"), default=0)
    is_automatic = models.BooleanField(
        _("By the shop itself"), default=False, help_text=_("Requested automatically: CYBERSOURCE_AUTO_REVERSE.")
    )
    reason = models.CharField(_("Reason"), max_length=255, blank=True)
    reference = models.CharField(_("Shop's reference"), max_length=64, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Requested by"),
    )
    user_name = models.CharField(_("Requested by (name)"), max_length=150, blank=True)
    key = models.CharField(
        _("Idempotency key"),
        max_length=64,
        unique=True,
        null=True,
        blank=True,
        help_text=_("A request that repeats the key is answered with this operation, and nothing is sent."),
    )
    asked = models.JSONField(
        _("What was requested"), default=dict, blank=True, help_text=_("The same key must come with the same request.")
    )
    merchant_id = models.CharField(_("Merchant ID"), max_length=64, blank=True, default=merchant_now)
    environment = models.CharField(_("Environment"), max_length=16, blank=True, default=environment_now)
    endpoint = models.CharField(_("Endpoint"), max_length=200, blank=True, default=endpoint_now)
    reference_number = models.CharField(_("Reference number"), max_length=50, unique=True)
    idempotency_id = models.CharField(
        _("Idempotency ID"), max_length=30, unique=True, default=new_idempotency_id, editable=False
    )
    request_id = models.CharField(_("Request ID"), max_length=64, blank=True, db_index=True)
    rest_status = models.CharField(_("Status"), max_length=64, blank=True)
    rest_reason = models.CharField(_("Reason given"), max_length=64, blank=True)
    message = models.CharField(_("Message"), max_length=255, blank=True)
    log = models.ForeignKey(
        CyberSourceReply,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Settled by"),
    )
    date_created = MomentField(_("Requested"), default=timezone.now, db_index=True)
    date_sent = MomentField(_("Sent"), null=True, blank=True)
    look_ups = models.PositiveSmallIntegerField(_("Times looked up"), default=0)
    date_looked_up = MomentField(_("Last looked up"), null=True, blank=True)
    is_being_looked_up = models.BooleanField(_("Being looked up"), default=False, editable=False)
    date_settled = MomentField(_("Ended"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Outcome recorded by"),
    )
    resolved_by_name = models.CharField(_("Outcome recorded by (name)"), max_length=150, blank=True)
    resolution = models.CharField(
        _("What was found"), max_length=255, blank=True, help_text=_("By staff, in the CyberSource Business Center.")
    )

    class Meta:
        verbose_name = _("Payment operation")
        verbose_name_plural = _("Payment operations")
        ordering = ["-pk"]
        default_permissions = ("view",)
        permissions = [
            ("move_money", "Can capture, refund, void and reverse card payments"),
            ("decide_review", "Can accept and reject card payments under review"),
        ]
        indexes = [
            models.Index(fields=["transaction", "state"], name="cybersource_operation_on"),
            models.Index(fields=["plan", "position"], name="cybersource_operation_plan", condition=~models.Q(plan="")),
            models.Index(
                fields=["id"],
                name="cybersource_operation_open",
                condition=models.Q(state__in=["queued", "sent", "unknown"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount} {self.currency}: {self.get_state_display()}"

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY
