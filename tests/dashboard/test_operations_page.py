"""The page of operations says what the code does: its tables are the code's, and its example runs here."""

from __future__ import annotations

import re

import pytest

from cybersource.models import OperationState
from cybersource.operations import rules
from tests.package.readme import ROOT, code, parsed, table

PAGE = ROOT / "docs" / "reference" / "operations.rst"


def test_the_page_is_clean_restructuredtext():
    assert parsed(PAGE)[1] == ""


def test_the_table_of_rules_is_the_codes_own():
    told = [
        (
            kind.value,
            ", ".join(rule.acts_on) or "an order and a stored card",
            ", ".join(rule.allowed) or "the order waits for payment",
            rule.source,
            rule.makes or "none",
            rule.changes or "nothing",
            rule.event or "none",
            rule.order,
        )
        for kind, rule in rules.RULES.items()
    ]
    assert [tuple(row) for row in table("rules-table", PAGE)] == told


def test_the_table_of_states_names_every_state():
    assert [row[0] for row in table("states-table", PAGE)] == list(OperationState)


def test_the_table_of_problems_names_every_code():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "cybersource").rglob("*.py"))
    made = re.findall(r'\b(?:Problem|problem)\(\s*code="([a-z-]+)"', sources)
    assert {row[0] for row in table("problems-table", PAGE)} == set(made)


def test_the_example_runs(desk, capsys: pytest.CaptureFixture[str]):
    order = desk.order("64.50")
    exec(code("operations-example", PAGE), {"order": order, "staff": desk.staff})
    assert "refund 25.00" in capsys.readouterr().out
    assert [one.state for one in order.cybersource_operations.order_by("pk")] == ["done", "done", "done", "lapsing"]
