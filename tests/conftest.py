"""Fixtures for every test that has a shop."""

from __future__ import annotations

import pytest

from tests.shop import Shopper


@pytest.fixture
def shopper(transactional_db) -> Shopper:
    """A shopper of a shop with real commits: what a reply stores before its effects has to be really stored."""
    return Shopper()
