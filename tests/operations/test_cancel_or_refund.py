"""Money goes back by the way that the payment's state asks for, and staff read beforehand which one that is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cybersource.operations import money_back, rules, service
from cybersource.payments.errors import InvalidOperation
from tests.support.desk import source_of

D = Decimal


def planned(desk, order, **asked) -> list[tuple[str, Decimal]]:
    return [(step.kind.value, step.amount) for step in money_back.plan(desk.payment(order), **asked)]


def ended(done) -> list[tuple[str, str, Decimal]]:
    return [(one.kind, one.state, one.amount) for one in done]


@pytest.mark.quick
def test_what_is_only_held_is_reversed(desk):
    order = desk.order()
    (step,) = money_back.plan(desk.payment(order))
    assert step.kind == "reverse" and "hold of 69.50 USD" in step.says and not step.otherwise
    done = money_back.cancel_or_refund(desk.authorization(order), user=desk.staff)
    assert ended(done) == [("reverse", "done", D("69.50"))] and source_of(order)[0] == 0


@pytest.mark.quick
def test_a_fresh_capture_is_voided_and_the_hold_it_leaves_is_reversed(desk):
    order = desk.captured()
    debit = desk.debit(order)
    assert planned(desk, order) == planned(desk, order, on=debit) == [("void", D("69.50")), ("reverse", D("69.50"))]
    done = money_back.cancel_or_refund(debit, user=desk.staff, reason="wrong order")
    assert ended(done) == [("void", "done", D("69.50")), ("reverse", "done", D("69.50"))]
    assert source_of(order) == (0, 0, 0)
    assert desk.rest.status(desk.authorization(order).reference) == "REVERSED"


@pytest.mark.quick
def test_a_capture_that_went_to_the_bank_is_refunded_instead(desk):
    order = desk.captured()
    desk.rest.advance(hours=8)
    step = money_back.plan(desk.payment(order))[0]
    assert step.kind == "void" and "refunded instead" in step.otherwise
    done = money_back.cancel_or_refund(desk.debit(order), user=desk.staff, key="form-7")
    assert ended(done) == [("void", "refused", D("69.50")), ("refund", "done", D("69.50"))]
    assert [one.key for one in done] == ["form-7", "form-7.1"]
    assert money_back.cancel_or_refund(desk.debit(order), user=desk.staff, key="form-7") == done
    assert source_of(order) == (D("69.50"), D("69.50"), D("69.50"))


def test_an_old_capture_is_refunded_without_trying_a_void(desk):
    order = desk.captured()
    debit = desk.debit(order)
    debit.processed_datetime -= money_back.VOIDABLE_FOR
    debit.save()
    assert planned(desk, order) == [("refund", D("69.50"))]


def test_a_part_goes_back_as_a_refund_and_then_the_rest_of_everything(desk):
    order = desk.order()
    desk.do("capture", desk.authorization(order), amount=D("40.00"))
    debit = desk.debit(order)
    assert planned(desk, order, on=debit, amount=D("15.00")) == [("refund", D("15.00"))]
    money_back.cancel_or_refund(debit, amount=D("15.00"), user=desk.staff)
    assert planned(desk, order) == [("refund", D("25.00")), ("reverse", D("29.50"))]
    done = money_back.cancel_or_refund(desk.authorization(order), user=desk.staff)
    assert ended(done) == [("refund", "done", D("25.00")), ("reverse", "lapsing", D("29.50"))]
    assert source_of(order) == (D("40.00"), D("40.00"), D("40.00"))
    assert planned(desk, order) == []


def test_the_hold_of_a_sale_goes_with_its_void(desk, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    order = desk.order()
    done = money_back.cancel_or_refund(desk.authorization(order), user=desk.staff)
    assert [(one.kind, one.state) for one in done] == [("void", "done"), ("reverse", "done")]
    assert source_of(order) == (0, 0, 0)


def test_a_refund_is_stopped(desk):
    order = desk.captured()
    refund = desk.do("refund", desk.debit(order), amount=D("5.00")).made
    (step,) = money_back.plan(desk.payment(order), on=refund)
    assert step.kind == "void" and "does not get this money" in step.says
    assert ended(money_back.cancel_or_refund(refund, user=desk.staff)) == [("void", "done", D("5.00"))]


def test_nothing_more_is_done_after_a_step_whose_end_nobody_knows(desk):
    order = desk.captured()
    desk.rest.faults.next("no-answer", action="voids")
    done = money_back.cancel_or_refund(desk.debit(order), user=desk.staff)
    assert ended(done) == [("void", "unknown", D("69.50")), ("reverse", "queued", D("69.50"))]
    assert not desk.calls("reversals") and not desk.calls("refunds")


def test_what_was_given_back_already_says_so(desk):
    order = desk.order()
    desk.do("reverse", desk.authorization(order))
    with pytest.raises(InvalidOperation) as refused:
        money_back.cancel_or_refund(desk.authorization(order), user=desk.staff)
    assert [problem.code for problem in refused.value.problems] == ["wrong-state"]


@pytest.mark.parametrize("kind", [kind for kind in service.Kind if kind != "authorize"])
def test_every_operation_is_explained_in_words_before_it_is_done(desk, kind):
    payment = desk.payment(desk.captured())
    for on in (payment.authorization, payment.captures[0].transaction):
        assert "12.00 USD" in rules.explain(kind, payment, on, D("12.00"))
