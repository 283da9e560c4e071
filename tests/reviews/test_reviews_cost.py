"""What a review costs: SQL statements that grow with the updates, and with nothing else."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cybersource.models import CyberSourceReply
from cybersource.reviews import inbox
from cybersource.simulator.review import Note, Update, notification_xml
from tests.support.reviewing import tell, under_review
from tests.support.shop import Shopper

pytestmark = pytest.mark.usefixtures("one_step")


def statements(work) -> int:
    """Statements of one piece of work, without the words that begin and end transactions and savepoints."""
    with CaptureQueriesContext(connection) as ran:
        work()
    words = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return len([query for query in ran.captured_queries if not query["sql"].startswith(words)])


@pytest.mark.parametrize("decision", ["", "ACCEPT"])  # a REJECT releases goods: test_order_allocations.py
def test_an_update_costs_the_same_for_one_line_and_for_thirty(committed_db, decision):
    costs = []
    for lines in (1, 1, 30):  # the first reads what a process reads once
        shopper = Shopper()
        shopper.fill_basket(*["5.00"] * lines)
        case = under_review(shopper)
        told = case.update(new_decision=decision)
        costs.append(statements(lambda told=told: inbox.receive(xml_of(told))))
    assert costs[1] == costs[2]


def test_a_settlement_costs_the_same_for_one_line_and_for_thirty(committed_db):
    tell(under_review(Shopper()).accept(settle=True))  # the shop's first capture also names the kind of event
    costs = set()
    for lines in (1, 30):
        shopper = Shopper()
        shopper.fill_basket(*["5.00"] * lines)
        body = under_review(shopper).accept(settle=True)
        costs.add(statements(lambda body=body: inbox.receive(body, "application/x-www-form-urlencoded")))
    assert len(costs) == 1


@pytest.mark.parametrize("count", [1, 100])
def test_updates_that_match_nothing_cost_five_statements_and_two_for_every_twenty_more(committed_db, count):
    updates = [
        Update(reference_number=f"no-{n}", request_id=f"73{n:020d}", new_decision="ACCEPT") for n in range(count)
    ]
    assert statements(lambda: inbox.receive(xml_of(*updates))) <= 5 + 2 * ((count - 1) // 20)


@pytest.mark.parametrize("count", [1, 100])
def test_updates_told_again_cost_eight_statements_for_all(shopper, count):
    case = under_review(shopper)
    accepted = case.update(new_decision="ACCEPT")
    tell(accepted)
    assert statements(lambda: inbox.receive(xml_of(*[accepted] * count))) <= 8


def test_each_decision_costs_one_statement_more_where_the_order_was_not_held(committed_db, settings):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    costs = []
    for count in (1, 4):
        cases = [under_review(Shopper()) for _case in range(count)]
        told = xml_of(*[case.update(new_decision="ACCEPT") for case in cases])
        costs.append(statements(lambda told=told: inbox.receive(told)))
        assert {case.transaction.status for case in cases} == {"ACCEPT"}
    assert costs[0] <= 10 + 3  # one says which notes are ours
    assert costs[1] - costs[0] == 3


def test_many_notes_cost_no_more_statements_than_one(shopper):
    case = under_review(shopper)
    one = statements(lambda: inbox.receive(noted(case, 1)))
    assert statements(lambda: inbox.receive(noted(case, 200))) == one


def test_a_large_log_adds_no_statement(shopper):
    case = under_review(shopper)
    told = xml_of(case.update(new_decision=""))
    before = statements(lambda: inbox.receive(told))
    now = timezone.now()
    CyberSourceReply.objects.bulk_create(
        CyberSourceReply(data={}, transaction_id=f"73{n:020d}", reference_number=str(n), date_created=now)
        for n in range(2000)
    )
    assert statements(lambda: inbox.receive(told)) == before


def noted(case, count):
    at = case.shopper.gateway.now()
    return xml_of(
        case.update(notes=tuple(Note(at=at, added_by="omar", comment=f"{n} of {count}") for n in range(count)))
    )


def xml_of(*updates):
    return notification_xml(updates, merchant_id="acme_shop", at=timezone.now()).encode()
