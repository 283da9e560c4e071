"""What staff are asked to look at."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField
from ..protocol import AmountNotRepresentable, format_amount
from .attempts import PaymentAttempt
from .choices import Attention
from .log import CyberSourceReply


class AttentionItem(models.Model):
    """One thing for staff to look at: money that nobody waited for, or an attempt that may have been charged.

    Written once, in the transaction that finds it out, and cleared once, with a reason. It says on its own what it is
    about, so it outlives its order, and a list of items is one statement.
    """

    kind = models.CharField(_("What happened"), max_length=24, choices=Attention.choices)
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_attention",
        verbose_name=_("Order"),
    )
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="attention_items",
        verbose_name=_("Attempt"),
    )
    reply = models.ForeignKey(
        CyberSourceReply, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("Reply")
    )
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    transaction_uuid = models.CharField(_("Transaction UUID"), max_length=50, blank=True)
    transaction_id = models.CharField(_("Transaction ID"), max_length=64, blank=True)
    amount = models.DecimalField(_("Amount"), max_digits=15, decimal_places=3, null=True, blank=True)
    currency = models.CharField(_("Currency"), max_length=3, blank=True)
    card_last4 = models.CharField(_("Card's last four digits"), max_length=4, blank=True)
    detail = models.CharField(_("Detail"), max_length=64, blank=True, help_text=_("The rule that a reply broke."))
    evidence = models.JSONField(
        _("Evidence"), default=dict, blank=True, help_text=_("What each side says, where their books differ.")
    )
    operation = models.ForeignKey(
        "cybersource.PaymentOperation",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Operation"),
    )
    cleared_by_operation = models.ForeignKey(
        "cybersource.PaymentOperation",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Cleared by operation"),
    )
    date_created = MomentField(_("Found"), default=timezone.now)
    date_cleared = MomentField(_("Cleared"), null=True, blank=True)
    cleared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Cleared by"),
    )
    cleared_by_name = models.CharField(_("Cleared by (name)"), max_length=150, blank=True)
    reason = models.CharField(_("Reason"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("Item that needs attention")
        verbose_name_plural = _("Items that need attention")
        ordering = ["-pk"]
        default_permissions = ("view",)
        permissions = [("clear_attentionitem", "Can clear items that need attention and give orders up")]
        constraints = [
            models.UniqueConstraint(
                fields=["transaction_uuid", "transaction_id", "kind"], name="cybersource_attention_once"
            ),
        ]
        indexes = [
            models.Index(fields=["transaction_id"], name="cybersource_attention_charge"),
            models.Index(fields=["id"], name="cybersource_attention_open", condition=models.Q(date_cleared=None)),
            models.Index(
                fields=["kind", "id"], name="cybersource_attention_kind", condition=models.Q(date_cleared=None)
            ),
            models.Index(
                fields=["kind", "id"],
                name="cybersource_attention_done",
                condition=models.Q(date_cleared__isnull=False),
            ),
        ]

    @property
    def amount_text(self) -> str:
        """``69.50 USD``, in the currency's own decimals; a dash where no amount is known."""
        if self.amount is None:
            return "-"
        try:
            return f"{format_amount(self.amount, self.currency)} {self.currency}"
        except AmountNotRepresentable:
            return f"{self.amount} {self.currency}".strip()

    def __str__(self) -> str:
        return _("%(what)s: order %(number)s") % {"what": self.get_kind_display(), "number": self.reference_number}
