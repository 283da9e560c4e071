"""What the shop's own payment models get: the mixin of its Transaction, and exact amounts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from oscar.apps.payment.abstract_models import AbstractTransaction

from ..db.clock import MomentField
from .fields import AmountField
from .log import CyberSourceReply
from .tokens import PaymentToken


class TransactionMixin(models.Model):
    """For the shop's forked ``payment.Transaction``: what CyberSource said about it, and where that stands.

    ``status`` holds CyberSource's decision: ``ACCEPT``, ``REVIEW``, or ``REJECT`` once a reviewer refused it.
    """

    REVIEW = "REVIEW"

    log = models.ForeignKey(
        CyberSourceReply,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=_("CyberSource reply"),
    )
    token = models.ForeignKey(
        PaymentToken,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=_("Payment token"),
    )
    request_token = models.CharField(_("Request token"), max_length=256, blank=True, default="")
    processed_datetime = MomentField(_("Processed"), null=True, blank=True)

    class Meta(AbstractTransaction.Meta):  # a fork that names the mixin first inherits Oscar's order and names
        abstract = True
        # Oscar's columns, by which a charge is found and what waits for a reviewer is listed.
        indexes = [
            models.Index(fields=["reference"], name="cybersource_txn_reference"),
            models.Index(fields=["status"], name="cybersource_txn_status"),
        ]

    @property
    def is_pending_review(self) -> bool:
        return self.status == self.REVIEW  # type: ignore[attr-defined,no-any-return]


class ExactAmount(models.Model):
    """What a Transaction moved, to the last decimal of its currency, where Oscar's column has it rounded down."""

    transaction = models.OneToOneField(
        "payment.Transaction",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="cybersource_exact",
        verbose_name=_("Transaction"),
    )
    amount = AmountField(_("Amount"))

    class Meta:
        verbose_name = _("Exact amount")
        verbose_name_plural = _("Exact amounts")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.amount)


class ExactSource(models.Model):
    """The sums of a Source, to the last decimal of its currency, where Oscar's columns have them rounded down."""

    source = models.OneToOneField(
        "payment.Source",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="cybersource_exact",
        verbose_name=_("Source"),
    )
    amount_allocated = AmountField(_("Amount allocated"), default=0)
    amount_debited = AmountField(_("Amount debited"), default=0)
    amount_refunded = AmountField(_("Amount refunded"), default=0)

    class Meta:
        verbose_name = _("Exact sums")
        verbose_name_plural = _("Exact sums")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.source_id)
