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
        from oscar.apps.order.signals import order_status_changed
        from oscarapicheckout.signals import order_placed

        from . import checks  # noqa: F401  registers the system checks
        from .announcements import stand_in_for_the_mail
        from .cancellation import list_what_is_held
        from .states import forget_other_orders

        stand_in_for_the_mail()
        order_status_changed.connect(list_what_is_held, dispatch_uid="cybersource.list_what_is_held")
        order_placed.connect(forget_other_orders, dispatch_uid="cybersource.forget_other_orders")
