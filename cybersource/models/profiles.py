"""Secure Acceptance profiles and their keys, as staff keep them in the admin."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import MomentField
from ..encryption import EncryptedTextField, Unreadable


class SecureAcceptanceProfile(models.Model):
    """One security key of one Secure Acceptance profile. Several rows may be live at once while keys rotate."""

    hostname = models.CharField(
        _("Hostname"),
        max_length=100,
        blank=True,
        help_text=_("Forms shown on this host are signed with this key. Leave blank for a key that any host may use."),
    )
    profile_id = models.CharField(_("Profile ID"), max_length=50)
    access_key = models.CharField(_("Access key"), max_length=50, unique=True)
    secret_key = EncryptedTextField(_("Secret key"), help_text=_("Stored encrypted and never shown again."))
    is_default = models.BooleanField(
        _("Default"), default=False, help_text=_("Used for hosts that have no profile of their own.")
    )
    active = models.BooleanField(
        _("Active"),
        default=True,
        help_text=_("An inactive key neither signs forms nor verifies replies. Keep a replaced key active for a day."),
    )
    date_created = MomentField(_("Created"), default=timezone.now)

    class Meta:
        verbose_name = _("Secure Acceptance profile")
        verbose_name_plural = _("Secure Acceptance profiles")
        ordering = ["-date_created", "-pk"]

    def __str__(self) -> str:
        return _("Secure Acceptance profile %(profile)s on %(host)s") % {
            "profile": self.profile_id,
            "host": self.hostname or "*",
        }

    @property
    def is_readable(self) -> bool:
        """False when none of today's encryption keys opens the stored secret."""
        return not isinstance(self.secret_key, Unreadable)
