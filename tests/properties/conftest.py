"""Fixtures of the laws."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def as_shops_are(settings):
    """One form a payment unless a test says otherwise; nobody is refused for paying often."""
    settings.CYBERSOURCE_FLOW = "one-step"
    settings.CYBERSOURCE_LIMITS = None
