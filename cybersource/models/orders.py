"""What the app keeps beside an order: what it released, and which notes are about payments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField


class ReleasedAllocation(models.Model):
    """What a declined order released: its row is written as that happens, and deleted as it is allocated again.

    It is about the order's lines as they were. Once api-checkout's retry has replaced these it means nothing any more.
    """

    order = models.OneToOneField(
        "order.Order", on_delete=models.CASCADE, related_name="cybersource_released", verbose_name=_("Order")
    )
    lines = models.JSONField(
        _("Lines"), default=dict, help_text=_("Quantities that were allocated, by the id of each of the order's lines.")
    )
    deleted = models.JSONField(
        _("Deleted"),
        default=list,
        encoder=DjangoJSONEncoder,
        help_text=_("Discounts, prices of lines and uses of vouchers that were deleted with the decline."),
    )
    for_retry = models.JSONField(
        _("For a retry"),
        default=dict,
        blank=True,
        help_text=_("Quantities allocated for a retry to cancel, by the id of each stock record."),
    )
    date_created = MomentField(_("Released"), default=timezone.now, db_index=True)
    date_retried = MomentField(_("Retry began"), null=True, blank=True)

    class Meta:
        verbose_name = _("Released allocation")
        verbose_name_plural = _("Released allocations")
        ordering = ["-pk"]
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["date_retried"],
                name="cybersource_released_retry",
                condition=models.Q(date_retried__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return str(self.order_id)

    def is_about(self, lines: Iterable[Any]) -> bool:
        """Whether any of these lines is one that released something: a retry replaces all of them."""
        return any(str(line.pk) in self.lines for line in lines)


class PaymentNote(models.Model):
    """Marks an order's note as one of ours: Oscar shows notes to partners' users too, who see nothing of the money."""

    note = models.OneToOneField(
        "order.OrderNote",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="cybersource_note",
        verbose_name=_("Order note"),
    )

    class Meta:
        verbose_name = _("Payment note")
        verbose_name_plural = _("Payment notes")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.note_id)
