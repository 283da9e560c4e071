"""Which orders' confirmations were sent."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField


class OrderConfirmation(models.Model):
    """One row an order that was authorized: claimed before its signal and e-mail go out, so they go out once.

    Written in the transaction that authorizes the order. A claim that never became ``date_sent`` (the process died)
    is taken over by ``cybersource_reprocess`` once it is older than the lease.
    """

    order = models.OneToOneField(
        "order.Order", on_delete=models.CASCADE, related_name="cybersource_confirmation", verbose_name=_("Order")
    )
    date_created = MomentField(_("Authorized"), default=timezone.now)
    date_claimed = MomentField(_("Claimed"), null=True, blank=True)
    date_sent = MomentField(_("Sent"), null=True, blank=True)

    class Meta:
        verbose_name = _("Order confirmation")
        verbose_name_plural = _("Order confirmations")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["order"], name="cybersource_unsent", condition=models.Q(date_sent=None))]

    def __str__(self) -> str:
        return str(self.order_id)
