"""The settings of the sandbox can be overridden from the environment, each in the type that the documentation says."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

from cybersource.http.client_ip import client_address

from .readme import ROOT, SETTINGS, table

#: By the documentation's type: what is written into the environment, and what the setting is then.
WRITTEN: dict[str, list[tuple[str, Any]]] = {
    "str": [("1234567890", "1234567890"), ("true", "true"), ("[a]", "[a]")],
    "path": [("/run/keys/shop.p12", "/run/keys/shop.p12")],
    "bool": [("0", False), ("false", False), ("off", False), ("1", True), ("Yes", True)],
    "number": [("60", 60), ("2.5", 2.5)],
    "seconds or timedelta": [("60", 60)],
    "list of str": [('["10.0.0.0/8"]', ["10.0.0.0/8"]), ("[]", [])],
    "list of str, or bool": [('["rejected"]', ["rejected"]), ("false", False), ("true", True)],
    "dict": [('{"shadow": true}', {"shadow": True})],
}


def sandbox(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> Any:
    monkeypatch.setenv(name, text)
    return runpy.run_path(str(ROOT / "sandbox" / "settings.py"))[name]


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kind, *_ in table("settings-table", SETTINGS)])
def test_the_environment_gives_a_setting_the_type_that_the_documentation_says(monkeypatch, name, kind):
    for text, value in WRITTEN[kind]:
        told = sandbox(monkeypatch, name, text)
        told = list(told) if isinstance(told, tuple) else told
        assert (told, type(told)) == (value, type(value)), text


def test_proxies_that_the_environment_names_are_trusted(monkeypatch, settings):
    settings.CYBERSOURCE_TRUSTED_PROXIES = sandbox(monkeypatch, "CYBERSOURCE_TRUSTED_PROXIES", '["10.0.0.0/8"]')
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.3", headers={"X-Forwarded-For": "203.0.113.9"})
    assert client_address(request) == "203.0.113.9"


@pytest.mark.parametrize(
    ("name", "text"),
    [("CYBERSOURCE_REVIEW_HOLDS_ORDER", "perhaps"), ("CYBERSOURCE_TRUSTED_PROXIES", "10.0.0.0/8")],
)
def test_a_value_that_cannot_be_one_is_told_by_its_name(monkeypatch, name, text):
    with pytest.raises(ImproperlyConfigured, match=name):
        sandbox(monkeypatch, name, text)
