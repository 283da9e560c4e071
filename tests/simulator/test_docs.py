"""The page on testing says what the simulator does: its tables are the code's, and its example runs here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cybersource.simulator import Fault, MerchantPost, cards
from cybersource.simulator.faults import Faults
from cybersource.simulator.pytest_plugin import RunningSimulator
from tests.package.readme import ROOT, code, parsed, table

DOCS = ROOT / "docs" / "how-to" / "testing.rst"

# The example's fixtures and tests become this module's own, which pytest then finds.
exec(code("example-test", DOCS), globals())


def test_the_example_has_the_tests_that_the_text_promises():
    names = re.findall(r"^def (test_\w+)", code("example-test", DOCS), re.M)
    assert len(names) >= 4
    assert set(names) <= globals().keys()


def test_the_examples_conftest_is_what_this_project_does_itself():
    conftest = (Path(__file__).parents[1] / "conftest.py").read_text()
    assert code("example-conftest", DOCS) in conftest


def test_the_page_is_clean_restructuredtext():
    assert parsed(DOCS)[1] == ""


def test_the_table_of_faults_names_every_fault_and_says_what_its_page_says():
    assert [tuple(row) for row in table("faults-table", DOCS)] == [(fault.value, fault.meaning) for fault in Fault]


def test_the_table_of_merchant_posts_names_every_choice():
    assert [row[0] for row in table("merchant-post-table", DOCS)] == [each.value for each in MerchantPost]


def test_the_table_of_cards_is_the_simulators_own():
    assert [tuple(row) for row in table("cards-table", DOCS)] == [
        (card.tag, card.spaced, card.shows) for card in cards.TEST_CARDS
    ]


@pytest.mark.parametrize("call", [row[0] for row in table("rules-table", DOCS)])
def test_a_rule_of_the_table_can_be_said_so(call):
    faults = Faults()
    eval(f"faults{call}", {"faults": faults})
    assert bool(faults.rules or faults.default.faults) is (call != ".clear()")


def test_the_table_of_the_fixture_names_all_that_it_offers(cybersource_simulator):
    told = {name for row in table("fixture-table", DOCS) for name in re.findall(r"\b([a-z_]+)\b", row[0].split("(")[0])}
    told |= {name for row in table("fixture-table", DOCS) for name in re.findall(r"\b([a-z_]+)\(", row[0])}
    offered = {name for name in dir(cybersource_simulator) if not name.startswith("_")}
    assert told == offered
    assert {name for name in vars(RunningSimulator) if not name.startswith("_")} <= offered
