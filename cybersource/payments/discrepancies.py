"""The ways in which CyberSource's books and the shop's may differ, in words for staff."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Discrepancy(models.TextChoices):
    """What an item that needs attention for drift is about: its ``detail``."""

    CHARGE_NOT_HERE = "charge-not-here", _("A charge at CyberSource that is not in the shop's books")
    DUPLICATE_CHARGE = "duplicate-charge", _("Another charge at CyberSource for an order that one has paid")
    UNKNOWN_ORDER = "unknown-order", _("A charge at CyberSource for an order that this shop does not have")
    CHARGE_NOT_THERE = "charge-not-there", _("A charge in the shop's books that CyberSource does not know")
    AMOUNT_DIFFERS = "amount-differs", _("Another amount at CyberSource than in the shop's books")
    CURRENCY_DIFFERS = "currency-differs", _("Another currency at CyberSource than in the shop's books")
    CAPTURE_NOT_HERE = "capture-not-here", _("Captured at CyberSource, and not in the shop's books")
    CAPTURE_NOT_THERE = "capture-not-there", _("Captured in the shop's books, and not at CyberSource")
    REFUND_NOT_HERE = "refund-not-here", _("Refunded at CyberSource, and not in the shop's books")
    REFUND_NOT_THERE = "refund-not-there", _("Refunded in the shop's books, and not at CyberSource")
    REVERSAL_NOT_HERE = "reversal-not-here", _("Released at CyberSource, and still held in the shop's books")
    REVERSAL_NOT_THERE = "reversal-not-there", _("Released in the shop's books, and not at CyberSource")
    VOID_NOT_HERE = "void-not-here", _("Voided at CyberSource, and not in the shop's books")
    VOID_NOT_THERE = "void-not-there", _("Voided in the shop's books, and not at CyberSource")


def discrepancy_in_words(detail: str) -> str:
    """Say what a drift item's ``detail`` means; another detail is returned as it is."""
    return str(Discrepancy(detail).label) if detail in Discrepancy.values else detail
