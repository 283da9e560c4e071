"""The app as Django sees it."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CybersourceConfig(AppConfig):
    name = "cybersource"
    verbose_name = _("CyberSource")
    # Oscar shops differ in DEFAULT_AUTO_FIELD; ours is pinned, so that no shop's makemigrations finds a difference.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from oscarapicheckout.signals import order_placed

        from . import checks  # noqa: F401  registers the system checks
        from .announcements import stand_in_for_the_mail
        from .states import forget_other_orders

        stand_in_for_the_mail()
        order_placed.connect(forget_other_orders, dispatch_uid="cybersource.forget_other_orders")
