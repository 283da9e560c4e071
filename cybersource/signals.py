"""What we announce. Our own logic never listens to these.

The two ``pre_build_…`` signals are sent while the shopper's checkout is being recorded. A receiver that raises, or
gives what no form can hold, ends the payment before anything has left the shop: the order is declined, log and staff
note name the receiver, and the shopper reads that card payment is not available. All others are sent after the database
commit with ``send_robust``: a receiver that raises is logged and harms neither the payment nor the other receivers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.dispatch import Signal


class FieldSignal(Signal):
    """A signal whose receivers are asked for fields one by one, so that a mistake has a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def asked(self, sender: Any) -> list[Callable[..., Any]]:
        """The receivers in their order. Asynchronous ones, which Django 5 keeps apart, come last, as with ``send``."""
        live = self._live_receivers(sender)
        if not isinstance(live, tuple):
            return list(live)
        at_once, later = live
        return [*at_once, *map(async_to_sync, later)]


#: Fields to add to the first form of a payment. Arguments: ``extra_fields`` (a dict to fill: merchant-defined data and
#: the like; signed, never shown to be edited), ``request``, ``order``, ``method_key``, ``channel``. A value is text, a
#: number, a UUID, or True or False, which CyberSource spells ``true`` and ``false``; None is left out.
pre_build_get_token_request = FieldSignal("pre_build_get_token_request")

#: The same for the ``authorize`` form of a two-step payment, sent at the same moment as the first.
pre_build_auth_request = FieldSignal("pre_build_auth_request")

#: A reply took effect. Arguments: ``order``, ``attempt``, ``reply`` (the log row), ``outcome`` (``protocol.Outcome``).
reply_recorded = Signal()

#: A payment was declined, refused for its data, or cancelled. Arguments as ``reply_recorded``.
payment_declined = Signal()

#: Money is held or taken that the order did not wait for, once a charge. Arguments: ``order``, ``attempt`` (both None
#: for a charge that names none of ours), ``reply``, ``outcome`` (None when a reviewer's decision brought it),
#: ``attention`` (why: one of ``models.Attention``).
unexpected_charge = Signal()

#: A reviewer's decision was recorded. Arguments: ``order``, ``transaction``, ``update`` (``protocol.ReviewUpdate``).
review_recorded = Signal()

#: An operation (capture, refund, void, reversal and the like) ended, well or not. Arguments: ``order``, ``operation``
#: (the row: read its ``kind`` and ``state``).
operation_ended = Signal()

#: Name of ``review_recorded`` in earlier releases; the same signal.
received_decision_manager_update = review_recorded
