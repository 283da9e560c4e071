"""The API describes itself, and does what it says: schemathesis calls it with whatever the description allows."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from oscar.core.loading import get_model
from schemathesis.specs.openapi.checks import ignored_auth

from cybersource.api.openapi import TABLE, WHY
from tests.api.test_guards import ASKS
from tests.support.calling import V1, Caller, user_with

Source = get_model("payment", "Source")


def test_the_description_is_valid_and_made_without_a_warning():
    out = StringIO()
    call_command(
        "spectacular",
        "--validate",
        "--fail-on-warn",
        urlconf="cybersource.api.urls",
        custom_settings="cybersource.api.openapi.SETTINGS",
        format="openapi-json",
        stdout=out,
    )
    assert json.loads(out.getvalue())["info"]["title"]


def test_every_address_verb_answer_and_enumeration_is_described(committed_db):
    schema = Caller(user_with("view_paymentoperation")).get("schema/").json()
    validate_schema(schema)
    described = {(verb.upper(), path) for path, verbs in schema["paths"].items() for verb in verbs}
    asked = {(verb, V1 + path.replace("{pk}", "{id}").replace("{operation}", "{id}")) for verb, path in ASKS}
    own = {("GET", V1 + "my/payments/"), ("GET", V1 + "receipts/{number}/")}
    assert described == asked - {("GET", V1 + "schema/")} | own
    assert len(described) == len(TABLE)
    components = schema["components"]["schemas"]
    for verbs in schema["paths"].values():
        for told in verbs.values():
            assert told["summary"] and told["description"] and told["security"]
            for status, answer in told["responses"].items():
                assert answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] in components
                assert status < "400" or answer["description"] == WHY[int(status)]
            keyed = [one for one in told.get("parameters", ()) if one["name"] == "Idempotency-Key"]
            assert bool(keyed) == ("201" in told["responses"]) and all(one["required"] for one in keyed)
    kinds = components["CybersourceOperationKind"]
    assert kinds["enum"][:2] == ["authorize", "capture"] and "Capture" in kinds["description"]


def test_the_package_and_the_api_do_without_the_describer():
    program = (
        "import sys; sys.modules['drf_spectacular'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'drf_spectacular' else find(name, *a)\n"
        "import os; os.environ['DATABASE_URL'] = 'postgres://nobody@127.0.0.1:1/none'\n"
        "from django.conf import settings; import sandbox.settings as shop\n"
        "shop.INSTALLED_APPS.remove('drf_spectacular')\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'sandbox.settings'\n"
        "import django; django.setup()\n"
        "from django.urls import resolve, reverse\n"
        "print(reverse('cybersource-api-payments'), resolve('/api/cybersource/v1/schema/').func.cls.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["/api/cybersource/v1/payments/", "UnknownAddressView"], done.stderr


def test_whatever_the_description_allows_is_answered_as_described_and_never_with_5xx(desk, settings_of_rates):
    for _ in range(2):
        desk.captured("10.00", "20.00")
    desk.order("64.50")
    staff = Caller(desk.staff)
    # What makes no sense for a payment (422) no description can say.
    accepted = {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]}}
    config = schemathesis.Config.from_dict({"checks": accepted})
    schema = schemathesis.openapi.from_dict(staff.get("schema/").json(), config=config)
    schema.app = get_wsgi_application()
    known = list(Source.objects.values_list("pk", flat=True))
    session = {"sessionid": staff.client.cookies["sessionid"].value, "csrftoken": "a" * 32}
    called: dict[str, set[int]] = {}

    def explore(operation: Any) -> None:
        @settings(
            max_examples=12,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), pk=st.sampled_from(known))
        def call(case: Any, pk: int) -> None:
            if "id" in case.path_parameters and "payments" in operation.label:
                case.path_parameters["id"] = pk
            response = case.call(headers={"X-CSRFToken": "a" * 32, **dict(case.headers or {})}, cookies=session)
            case.validate_response(response, excluded_checks=[ignored_auth])  # the session is ours, not the case's
            called.setdefault(operation.label, set()).add(response.status_code)

        call()

    for found in schema.get_all_operations():
        explore(found.ok())
    assert len(called) == len(TABLE)
    assert max(status for statuses in called.values() for status in statuses) < 500, called
    assert 200 in called[f"GET {V1}payments/{{id}}/"] and 200 in called[f"POST {V1}payments/{{id}}/status/"]


@pytest.fixture
def settings_of_rates(monkeypatch):
    """No rate stops the many calls."""
    from rest_framework.settings import api_settings

    from cybersource.api.throttles import RATES

    rates = {**api_settings.DEFAULT_THROTTLE_RATES, **dict.fromkeys(RATES)}
    monkeypatch.setattr(api_settings, "DEFAULT_THROTTLE_RATES", rates)
