"""The API's page says what it does: its tables are the code's, and its example runs here, over real HTTP."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connections
from oscar.core.loading import get_model

from cybersource.api import throttles, views
from cybersource.api.openapi import TABLE
from cybersource.models import UNDER_WAY, OperationState
from cybersource.payments.balance import ENDED_WELL
from tests.api.test_guards import ASKS
from tests.package.readme import ROOT, code, parsed, table

PAGE = ROOT / "docs" / "reference" / "rest-api.rst"

Order = get_model("order", "Order")


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def handle(self) -> None:
        super().handle()
        connections.close_all()


class Threads(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


@pytest.fixture
def address() -> Iterator[str]:
    """Where the shop answers over HTTP."""
    with Threads(("127.0.0.1", 0), Quiet) as server:
        server.set_app(get_wsgi_application())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/cybersource"
        server.shutdown()


def test_the_page_is_clean_restructuredtext():
    assert parsed(PAGE)[1] == ""


def test_the_example_runs(desk, address):
    order = desk.order("64.50")
    desk.staff.set_password("a good one")
    desk.staff.save()
    given = {"base": address, "user": "ines", "password": "a good one", "order_number": order.number}
    exec(code("api-example", PAGE), given)
    assert [(one.kind, one.state) for one in order.cybersource_operations.order_by("pk")] == [
        ("capture", "done"),
        ("refund", "done"),
    ]
    assert given["refused"].json() == json.loads(code("api-error", PAGE))


def test_the_table_of_addresses_is_the_apis_own():
    own = {("GET", "my/payments/"): "the owner", ("GET", "receipts/{number}/"): "the owner"}
    known = {
        (verb, path.replace("{pk}", "{id}").replace("{operation}", "{id}")): asks for (verb, path), asks in ASKS.items()
    }
    rows = table("addresses-table", PAGE)
    assert {(verb, path): asks for verb, path, asks, _rate in rows} == known | own
    assert len(rows) == len(TABLE) + 1  # the description does not describe itself


def test_the_table_of_rates_names_every_rate_and_every_view_has_one():
    assert dict(table("rates-table", PAGE)) == throttles.RATES
    assert {row[3] for row in table("addresses-table", PAGE)} == set(throttles.RATES)


def test_the_table_of_answers_says_how_each_state_is_answered():
    statuses = dict.fromkeys(ENDED_WELL, 201) | dict.fromkeys(UNDER_WAY, 202)
    statuses |= {state: status for state, (status, _words) in views.FAILURES.items()}
    assert {row[0]: int(row[1]) for row in table("answers-table", PAGE)} == {
        str(state.value): statuses[state] for state in OperationState
    }


def test_the_table_of_errors_names_every_code_that_the_api_has_itself():
    sources = "".join(path.read_text() for path in (ROOT / "cybersource" / "api").glob("*.py"))
    made = set(re.findall(r'(?:Refusal\(|code, (?:message|words) = |code, words = )\d*,? ?"([a-z-]+)"', sources))
    told = {code for row in table("errors-table", PAGE) for code in re.findall(r"[a-z-]+", row[1])}
    assert made - {"error"} <= told, made - told
