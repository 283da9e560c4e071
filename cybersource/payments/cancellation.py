"""An order is cancelled while money is held for it: staff find that listed, however old the page was they pressed on.

Oscar's dashboard writes the whole order as it was when the request began. A payment that was recorded a moment before
is overwritten without a word, and one that was known is easily forgotten.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Q

from ..models import Attention, AttentionItem
from . import attention as needs
from . import orders
from .balance import PaymentBalance

logger = logging.getLogger(__name__)


def list_what_is_held(sender: Any, order: Any, **kwargs: Any) -> None:
    """Connected to Oscar's ``order_status_changed``. Nobody's cancelling fails by it: ``cybersource_expire_attempts``
    lists what could not be listed here.
    """
    if not orders.is_cancelled(order):
        return
    try:
        with transaction.atomic(), orders.in_the_shops_language():
            orders.lock(order.pk)
            for payment in held_and_not_listed(order):
                needs.held_in_vain(order, payment)
    except DatabaseError as problem:
        logger.error("What is held for cancelled order row %s is listed later (%s).", order.pk, type(problem).__name__)


def held_and_not_listed(order: Any) -> list[PaymentBalance]:
    """Payments of which something is left, and of which staff are not asked to decide already.

    What they once decided to keep, or had set aside, was for an order that was not cancelled.
    """
    listed = AttentionItem.objects.filter(Q(date_cleared=None) | Q(kind=Attention.CLOSED_ORDER), order=order)
    asked = set(listed.exclude(transaction_id="").values_list("transaction_id", flat=True))
    return [one for one in orders.balance(order).payments if one.kept and one.source.reference not in asked]
