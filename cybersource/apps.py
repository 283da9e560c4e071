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
        from django.db.models.signals import post_save
        from oscar.apps.order.signals import order_status_changed
        from oscar.core.loading import get_model
        from oscarapicheckout.signals import order_placed

        from . import checks  # noqa: F401  registers the system checks
        from .checkout.begin import make_way_for_checkout
        from .checkout.states import forget_other_orders
        from .payments import calculator
        from .payments.cancellation import list_what_is_held
        from .payments.order_allocations import follow_status
        from .payments.outbox import stand_in_for_the_mail
        from .payments.retry_allocations import follow_basket

        stand_in_for_the_mail()
        calculator.count_for_checkout()
        order_status_changed.connect(list_what_is_held, dispatch_uid="cybersource.list_what_is_held")
        order_status_changed.connect(follow_status, dispatch_uid="cybersource.follow_status")
        basket = get_model("basket", "Basket")
        post_save.connect(follow_basket, sender=basket, dispatch_uid="cybersource.follow_basket")
        order_placed.connect(forget_other_orders, dispatch_uid="cybersource.forget_other_orders")
        order_placed.connect(make_way_for_checkout, dispatch_uid="cybersource.make_way_for_checkout")
