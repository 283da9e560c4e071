"""Budgets against card testing: how many payments a session, an order, a customer or an address may begin.

Others take a place in them with :mod:`.places`, and count what became of it with :mod:`.alarm`; a shop asks
:func:`under_attack`.
"""

from __future__ import annotations

from .alarm import under_attack

__all__ = ["under_attack"]
