"""Cards that CyberSource keeps for the shop."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField
from .log import CyberSourceReply


class PaymentToken(models.Model):
    """A card that CyberSource keeps for us. ``token`` is its handle there; here stands only the mask."""

    class Kind(models.TextChoices):
        """What the token names at CyberSource, as ``paymentInformation`` of a REST call spells it."""

        CUSTOMER = "customer", _("Customer")
        LEGACY = "legacyToken", _("Legacy token")

    log = models.ForeignKey(
        CyberSourceReply, on_delete=models.SET_NULL, null=True, blank=True, related_name="tokens", verbose_name=_("Log")
    )
    token = models.CharField(_("Token"), max_length=64, unique=True)
    kind = models.CharField(
        _("Kind"),
        max_length=24,
        choices=Kind.choices,
        blank=True,
        default="",
        help_text=_("Empty until the token was first used over REST: its form does not show it."),
    )
    masked_card_number = models.CharField(_("Card"), max_length=25, blank=True)
    card_type = models.CharField(_("Card type"), max_length=10, blank=True)
    card_expiry_date = models.CharField(_("Card expiry"), max_length=7, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_tokens",
        verbose_name=_("Owner"),
    )
    date_created = MomentField(_("Created"), default=timezone.now)
    date_gone = MomentField(
        _("Gone"), null=True, blank=True, help_text=_("When CyberSource was found not to keep the card any more.")
    )

    class Meta:
        verbose_name = _("Payment token")
        verbose_name_plural = _("Payment tokens")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.masked_card_number

    @property
    def card_last4(self) -> str:
        """The last four digits, or an empty string where the profile hides them."""
        last4 = self.masked_card_number[-4:]
        return last4 if last4.isdigit() else ""
