"""A freshly made Oscar project in which somebody follows the README, and nothing but the README, takes a payment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from django.db import connections

from .oscar_project import Project
from .readme import code, commands

pytestmark = pytest.mark.package

#: Throwaway values: the simulator of this test is given the same.
CREDENTIALS = {
    "CYBERSOURCE_PROFILE": "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1",
    "CYBERSOURCE_ACCESS": "00000000000000000000000000000001",
    "CYBERSOURCE_SECRET": "throwaway-secret-of-a-test" * 4,
    "CYBERSOURCE_MERCHANT_ID": "acme_shop",
    "CYBERSOURCE_ORG_ID": "1snn5n9w",
}
BUY = Path(__file__).with_name("buy.py")


@pytest.fixture(scope="module")
def database(django_db_blocker):
    """An empty database of its own on the server that the tests use, as a ``DATABASES`` entry."""
    with django_db_blocker.unblock():
        server = connections["default"].copy()
        name = "fresh_oscar_project"
        server.settings_dict["NAME"] = "postgres"
        try:
            with server.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {name}")
                cursor.execute(f"CREATE DATABASE {name}")
            keys = ("ENGINE", "HOST", "PORT", "USER", "PASSWORD")
            yield {**{key: connections["default"].settings_dict[key] for key in keys}, "NAME": name}
            with server.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            server.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, database):
    """The project after the five steps, in the order of the README."""
    project = Project(tmp_path_factory.mktemp("project"), database)
    for command in commands("install-fork"):
        project.run(command)
    (project.folder / "apps/payment/models.py").write_text(code("install-models"), encoding="utf-8")
    project.append(project.settings, code("install-settings"))
    project.append(project.urls, code("install-urls"))
    project.output = [project.run(command) for command in commands("install-migrate")]  # no CYBERSOURCE_… is set yet
    return project


def test_migrations_are_complete_with_the_mixin_and_without_any_setting(shop):
    assert "No changes detected" in shop.run("python manage.py makemigrations --check --dry-run")


def test_a_shop_without_credentials_starts_and_its_checks_say_what_is_missing(shop):
    shop.run("python manage.py check --fail-level CRITICAL")


def test_a_shop_with_credentials_passes_its_checks(shop):
    shop.run("python manage.py check --fail-level ERROR", **CREDENTIALS)


@pytest.mark.parametrize("flow", ["two-step"])
def test_a_shopper_buys_and_the_order_is_authorized_once(shop, flow, tmp_path):
    payload, template = tmp_path / "payload.json", tmp_path / "template.html"
    payload.write_text(code("checkout-payload"))
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
