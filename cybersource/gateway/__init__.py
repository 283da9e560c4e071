"""CyberSource's REST API, one call at a time: who we are there, one call sent and logged, and transactions looked up.

    answer = gateway.send(call)                        # docs: reference/gateway

Others take :func:`send`, and ask what CyberSource knows with :mod:`.lookup`.
"""

from __future__ import annotations

from .client import OpenTransaction, send

__all__ = ["OpenTransaction", "send"]
