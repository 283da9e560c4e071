"""What an operation costs, counted: nothing of it grows with the order's lines or with what was done before."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cybersource.gateway import credentials
from cybersource.operations import money_back, service
from cybersource.payments import balance, line_quantities

D = Decimal

#: Statements of each operation, transactions' words and the two of the call's log row included.
COSTS = {"capture": 28, "refund": 32, "void": 27, "reverse": 31}


def statements(work) -> int:
    with CaptureQueriesContext(connection) as ran:
        assert work().state == "done"
        return len(ran.captured_queries)


def figures(desk, lines: int) -> dict[str, int]:
    order = desk.order(*["5.00"] * lines)
    hold = desk.authorization(order)
    some = {line.pk: 1 for line in order.lines.all()}
    found = {"capture": statements(lambda: service.capture(hold, lines=some, user=desk.staff, is_last=False))}
    found["refund"] = statements(lambda: service.refund(desk.debit(order), lines=some, user=desk.staff))
    refund = desk.payment(order).refunds[0]
    found["void"] = statements(lambda: service.void(refund, user=desk.staff))
    other = desk.order(*["5.00"] * lines)
    found["reverse"] = statements(lambda: service.reverse(desk.authorization(other), user=desk.staff))
    return found


def test_an_operation_costs_the_same_statements_at_any_number_of_lines(desk):
    figures(desk, 1)  # the shop's first operations also name the kinds of events
    small, large = figures(desk, 1), figures(desk, 8)
    assert small == large
    assert {name: cost for name, cost in large.items() if cost > COSTS[name]} == {}


def test_reading_a_payment_costs_the_same_whatever_was_done_with_it(desk):
    order = desk.captured("64.50")
    for _ in range(5):
        desk.do("refund", desk.debit(order), amount=D("1.00"))
    with CaptureQueriesContext(connection) as ran:
        (payment,) = balance.of_order(order)
    assert len(payment.refunds) == 5 and len(ran.captured_queries) == 3


@pytest.mark.parametrize("lines", [1, 5])
def test_the_quantities_of_an_order_are_counted_in_two_statements(desk, lines):
    order = desk.captured(*["5.00"] * lines)
    with CaptureQueriesContext(connection) as ran:
        counted = line_quantities.quantities(order)
    assert sum(counted.captured.values()) == lines and len(ran.captured_queries) == 2


def test_the_configuration_is_proved_once_for_an_operation_and_for_all_steps_of_a_plan(desk, monkeypatch):
    read, read_anew = credentials._access, []
    monkeypatch.setattr(credentials, "_access", lambda mode: read_anew.append(mode) or read(mode))
    order = desk.captured("20.00")
    assert len(read_anew) == 1
    done = money_back.cancel_or_refund(desk.debit(order), user=desk.staff)
    assert [(one.kind, one.state) for one in done] == [("void", "done"), ("reverse", "done")]
    assert len(read_anew) == 2
