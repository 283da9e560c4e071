"""A freshly made Oscar project in which somebody follows the README, and nothing but the README, takes a payment."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from .oscar_project import Project
from .readme import ROOT, code
from .steps import follow

pytestmark = pytest.mark.package

#: Throwaway values: the simulator of this test is given the same.
CREDENTIALS = {
    "CYBERSOURCE_PROFILE": "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1",
    "CYBERSOURCE_ACCESS": "00000000000000000000000000000001",
    "CYBERSOURCE_SECRET": "throwaway-secret-of-a-test" * 4,
    "CYBERSOURCE_MERCHANT_ID": "acme_shop",
    "CYBERSOURCE_ORG_ID": "1snn5n9w",
}
FRONT_END = ROOT / "docs" / "how-to" / "front-end.rst"
BUY = Path(__file__).with_name("buy.py")


@pytest.fixture(scope="module")
def shop(tmp_path_factory, empty_database):
    """The project after the five steps."""
    return follow(Project(tmp_path_factory.mktemp("project"), empty_database("fresh_oscar_project")))


def test_migrations_are_complete_with_the_mixin_and_without_any_setting(shop):
    assert "No changes detected" in shop.run("python manage.py makemigrations --check --dry-run")


def complaints(shop, command, **environment):
    """Which checks of this app have something to say."""
    return set(re.findall(r"cybersource\.[EW]\d+", shop.run(f"{command} 2>&1", **environment)))


def test_a_shop_without_credentials_starts_and_is_told_what_is_missing(shop):
    assert complaints(shop, "python manage.py check") == {"cybersource.W001", "cybersource.W004"}


def test_a_shop_with_credentials_is_told_of_the_closed_review_door_and_at_deployment_of_proxy_and_cache(shop):
    assert complaints(shop, "python manage.py check", **CREDENTIALS) == {"cybersource.W004"}
    assert complaints(shop, "python manage.py check --deploy --fail-level CRITICAL", **CREDENTIALS) == {
        "cybersource.W004",
        "cybersource.W010",  # behind a proxy or not? only the shop knows
        "cybersource.W011",  # Django's default cache
    }


def test_a_shopper_buys_and_the_order_is_authorized_once(shop, tmp_path):
    payload, template = tmp_path / "payload.json", tmp_path / "template.html"
    payload.write_text(code("checkout-payload", FRONT_END))
    template.write_text(code("install-card-form"))
    result = json.loads(shop.run(f"{sys.executable} -W ignore {BUY} {payload} {template}", **CREDENTIALS))
    assert result["forms"] == ["get-token", "authorize"]
    assert result["order_status"] == "Authorized"
    assert result["basket_status"] == "Submitted"
    assert result["allocated"] == result["total"] == "64.50"
    assert result["transaction"] == ["ACCEPT", False, "ACCEPT"]
    assert result["mails"] == 1
    assert result["states"] == {"cybersource": "Consumed"}
    assert result["landed_status"] == 200
    assert "data-cybersource-card-form" in result["card_form"]
    assert 'name="card' not in result["card_form"], (
        "card inputs have no name, so that no form can send them to the shop"
    )
