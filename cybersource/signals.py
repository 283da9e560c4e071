"""What we announce. Our own logic never listens to these.

The two ``pre_build_…`` signals are sent while the shopper's checkout is being recorded: a receiver that raises stops
the checkout before anything has left the shop. All others are sent after the database commit with ``send_robust``: a
receiver that raises is logged and harms neither the payment nor the other receivers.
"""

from __future__ import annotations

from django.dispatch import Signal

#: Fields to add to the first form of a payment. Arguments: ``extra_fields`` (a dict to fill: merchant-defined data and
#: the like; signed, never shown to be edited), ``request``, ``order``, ``method_key``, ``door``.
pre_build_get_token_request = Signal()

#: The same for the ``authorize`` form of a two-step payment, sent at the same moment as the first.
pre_build_auth_request = Signal()

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
