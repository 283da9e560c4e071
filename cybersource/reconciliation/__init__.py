"""What both books say, compared: lost answers found, operations in doubt ended, differences listed for staff.

``cybersource_reconcile`` and the shop's own scheduler take :func:`reconcile`.
"""

from __future__ import annotations

from .run import reconcile

__all__ = ["reconcile"]
