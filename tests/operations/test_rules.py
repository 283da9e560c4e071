"""What may be asked of a payment, how much of it, and by which steps it goes back: tables, without a database."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest

from cybersource.db import clock
from cybersource.models import PaymentOperation
from cybersource.operations import money_back, plans, rules
from cybersource.payments.balance import TransactionStatus
from cybersource.payments.line_quantities import LineQuantities
from tests.payments.test_payment_balance import (
    CAPTURE,
    HOLD,
    MOVING,
    REFUND,
    REVERSAL,
    SECOND,
    D,
    Transaction,
    asked,
    paid,
)
from tests.payments.test_payment_balance import move as movement

Kind = PaymentOperation.Kind
TYPES = {HOLD: "Authorise", CAPTURE: "Debit", SECOND: "Debit", REFUND: "Refund", REVERSAL: "Reversal"}


def move(pk, amount, status="ACCEPT", *, age=timedelta(hours=1), reference="", dated=True):
    """A Transaction, unsaved: what acts on it asks how old it is."""
    made = Transaction(
        pk=pk,
        txn_type=TYPES[pk],
        amount=D(amount),
        status=status,
        reference=reference or f"request{pk}",
        date_created=clock.now() - age,
    )
    made.processed_datetime = clock.now() - age if dated else None
    made.log_id = 1
    return made


def payment_of(*rows, **other):
    """A payment, and its Transactions by their keys."""
    rows = [one if isinstance(one, Transaction) else move(*one) for one in rows]
    return paid(*rows, **other), {one.pk: one for one in rows}


def codes(problems):
    return [one.code for one in problems]


# -- what is allowed on what -------------------------------------------------------------------------------------------

ALLOWED = [
    ([(HOLD, "70")], HOLD, ["capture", "reverse"]),
    ([(HOLD, "70", "REVIEW")], HOLD, ["accept-review", "reject-review", "reverse"]),
    ([(HOLD, "70", "REJECT")], HOLD, ["reverse"]),
    ([(HOLD, "70", "VOIDED"), (CAPTURE, "70", "VOIDED")], HOLD, ["reverse"]),
    ([(HOLD, "70", "VOIDED"), (CAPTURE, "70", "VOIDED")], CAPTURE, []),
    ([(HOLD, "70", "REVERSED"), (REVERSAL, "70")], HOLD, []),
    ([(HOLD, "70"), (CAPTURE, "30")], HOLD, ["capture", "reverse"]),
    ([(HOLD, "70"), (CAPTURE, "30")], CAPTURE, ["refund", "void"]),
    ([(HOLD, "70"), (CAPTURE, "70")], HOLD, []),
    ([(HOLD, "70"), (CAPTURE, "70"), (REFUND, "70")], REFUND, ["void"]),
    ([(HOLD, "70"), (CAPTURE, "70"), (REFUND, "70")], CAPTURE, ["void"]),  # what no row ties to the capture
    ([(HOLD, "70"), (CAPTURE, "70"), (REFUND, "70", "VOIDED")], REFUND, []),
    ([(HOLD, "70"), (REVERSAL, "20")], REVERSAL, []),
    ([(HOLD, "70", "FAILED")], HOLD, []),
]


@pytest.mark.parametrize(("rows", "on", "expected"), ALLOWED)
def test_what_is_allowed_is_what_the_checks_let_through(rows, on, expected):
    payment, rows = payment_of(*rows)
    assert sorted(rules.allowed(payment, rows[on])) == expected
    for kind in Kind:
        amount = rules.limit(kind, payment, rows[on])
        problems = rules.check(kind, payment, rows[on], amount=amount)
        assert (not problems) == (kind in expected), (kind, codes(problems))


@pytest.mark.parametrize("on", [HOLD, CAPTURE, REFUND])
def test_nothing_is_asked_of_what_is_not_ours(on):
    from cybersource.models import PaymentOperation

    row = move(on, "70")
    row.log_id = None
    payment = paid(row, type_name="Cheque")
    assert rules.allowed(payment, row) == ()
    for kind in PaymentOperation.Kind:
        assert codes(rules.check(kind, payment, row, amount=D("1"))) == ["not-possible"]


def test_a_state_that_allows_it_not_is_told_before_an_amount():
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "70"))
    assert codes(rules.check(Kind.CAPTURE, payment, rows[HOLD], amount=D("-1"))) == ["wrong-state"]
    assert codes(rules.check(Kind.REFUND, payment, rows[HOLD], amount=D("1"))) == ["not-possible"]
    assert codes(rules.check(Kind.CAPTURE, payment, rows[CAPTURE], amount=D("1"))) == ["not-possible"]


def test_a_page_that_is_old_is_told_so_and_one_that_is_not_goes_through():
    payment, rows = payment_of((HOLD, "70"))
    assert codes(rules.check(Kind.CAPTURE, payment, rows[HOLD], amount=D("1"), seen="x")) == ["stale"]
    assert rules.check(Kind.CAPTURE, payment, rows[HOLD], amount=D("1"), seen=payment.version) == []


# -- what waits for what -----------------------------------------------------------------------------------------------

#: What is asked of which row, beside what is under way on which row (and whether it is the last): does it wait?
BESIDE = [
    ("capture", HOLD, "capture", HOLD, False, False),
    ("capture", HOLD, "capture", HOLD, True, True),
    ("capture", HOLD, "reverse", HOLD, True, True),
    ("reverse", HOLD, "capture", HOLD, False, True),
    ("reverse", HOLD, "refund", CAPTURE, True, True),
    ("reverse", HOLD, "void", CAPTURE, True, True),
    ("capture", HOLD, "refund", CAPTURE, True, False),
    ("capture", HOLD, "void", CAPTURE, True, False),
    ("refund", CAPTURE, "refund", CAPTURE, True, False),
    ("refund", CAPTURE, "void", CAPTURE, True, True),
    ("void", CAPTURE, "refund", CAPTURE, True, True),
    ("void", CAPTURE, "void", CAPTURE, True, True),
    ("refund", CAPTURE, "refund", SECOND, True, False),
    ("void", CAPTURE, "void", SECOND, True, False),
    ("refund", CAPTURE, "capture", HOLD, True, False),
    ("refund", CAPTURE, "reverse", HOLD, True, False),
]


@pytest.mark.parametrize("state", MOVING)
@pytest.mark.parametrize(("kind", "on", "other", "other_on", "last", "waits"), BESIDE)
def test_what_has_to_wait_for_what_is_under_way(kind, on, other, other_on, last, waits, state):
    under_way = asked(other, "5", state, on=other_on, is_last=last, reference_number="100-X1")
    payment, rows = payment_of((HOLD, "90"), (CAPTURE, "30"), (SECOND, "40"), operations=[under_way])
    assert (payment.blocked(kind, rows[on]) is under_way) == waits
    assert (kind not in rules.allowed(payment, rows[on])) == waits
    problems = rules.check(Kind(kind), payment, rows[on], amount=rules.limit(Kind(kind), payment, rows[on]))
    assert codes(problems) == (["under-way"] if waits else [])
    assert not waits or "100-X1" in problems[0].message


def test_where_an_account_takes_one_capture_every_capture_is_the_last(settings):
    settings.CYBERSOURCE_SEVERAL_CAPTURES = False
    under_way = asked("capture", "5", on=HOLD, is_last=False)
    payment, rows = payment_of((HOLD, "90"), operations=[under_way])
    assert payment.blocked("capture", rows[HOLD]) is under_way


@pytest.mark.parametrize("state", ["done", "refused", "declined", "not-sent", "undone", "dropped", "lapsing"])
def test_what_has_ended_holds_nothing_up(state):
    ended = [asked("reverse", "5", state, on=HOLD), asked("void", "5", state, on=CAPTURE, pk=91)]
    payment, rows = payment_of((HOLD, "90"), (CAPTURE, "30"), operations=ended)
    assert rules.allowed(payment, rows[HOLD]) == ("capture", "reverse")
    assert rules.allowed(payment, rows[CAPTURE]) == ("refund", "void")


def test_nothing_is_offered_of_which_nothing_is_left():
    all_of_it = asked("capture", "90", on=HOLD, is_last=False)
    payment, rows = payment_of((HOLD, "90"), operations=[all_of_it])
    assert rules.allowed(payment, rows[HOLD]) == ()
    refund = asked("refund", "30", on=CAPTURE)
    payment, rows = payment_of((HOLD, "90"), (CAPTURE, "30"), operations=[refund])
    assert rules.allowed(payment, rows[CAPTURE]) == ()


@pytest.mark.parametrize(
    ("kind", "status", "needs"),
    [
        ("accept-review", "REVIEW", ("decide_review",)),
        ("reject-review", "REVIEW", ("decide_review",)),
        ("reverse", "REVIEW", ("move_money", "decide_review")),
        ("reverse", "ACCEPT", ("move_money",)),
        ("reverse", "REJECT", ("move_money",)),
        ("capture", "ACCEPT", ("move_money",)),
        ("capture", "REVIEW", ("move_money",)),
    ],
)
def test_a_permission_follows_the_effect(kind, status, needs):
    payment, rows = payment_of((HOLD, "70", status))
    assert rules.permissions(kind, payment, rows[HOLD]) == needs


# -- amounts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "on", "limit"),
    [("capture", HOLD, "30"), ("reverse", HOLD, "30"), ("refund", CAPTURE, "40"), ("refund", SECOND, "20")]
    + [("void", CAPTURE, "40"), ("void", SECOND, "20")],
)
def test_the_highest_amount_is_taken_and_a_cent_more_is_not(kind, on, limit):
    payment, rows = payment_of((HOLD, "90"), (CAPTURE, "40"), (SECOND, "20"))
    assert rules.limit(Kind(kind), payment, rows[on]) == D(limit)
    assert rules.check(Kind(kind), payment, rows[on], amount=D(limit)) == []
    (problem,) = rules.check(Kind(kind), payment, rows[on], amount=D(limit) + D("0.01"))
    assert (problem.code, problem.field) == ("amount-too-high", "amount") and limit in problem.message


def test_no_more_is_refunded_of_a_capture_than_the_payment_has_left():
    payment, rows = payment_of((HOLD, "90"), (CAPTURE, "40"), (SECOND, "20"), (REFUND, "50"))
    assert rules.limit(Kind.REFUND, payment, rows[CAPTURE]) == 10
    assert rules.limit(Kind.REFUND, payment, rows[HOLD]) == 0


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "amount-not-positive"),
        ("-1", "amount-not-positive"),
        ("NaN", "amount-not-positive"),
        ("Infinity", "amount-not-positive"),
        ("1.001", "amount-too-precise"),
        ("999999999.999", "amount-too-precise"),
        ("1000000000", "amount-too-high"),
        ("0.01", ""),
        ("1.000", ""),
    ],
)
def test_an_amount_is_one_that_can_be_moved(amount, code):
    payment, rows = payment_of((HOLD, "70"))
    problems = rules.check(Kind.CAPTURE, payment, rows[HOLD], amount=D(amount))
    assert codes(problems) == ([code] if code else [])


@pytest.mark.parametrize(
    ("currency", "amount", "code"),
    [
        ("JPY", "1.5", "amount-too-precise"),
        ("JPY", "2.0", ""),
        ("KWD", "1.234", ""),
        ("KWD", "1.2345", "amount-too-precise"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(currency, amount, code):
    hold = movement(HOLD, "70")
    payment = paid(hold, currency=currency)
    assert codes(rules.check(Kind.CAPTURE, payment, hold, amount=D(amount))) == ([code] if code else [])


def test_no_amount_is_higher_than_a_column_and_a_gateway_take():
    hold = movement(HOLD, "2000000000")
    payment = paid(hold, currency="KWD", columns=("2000000000", "0", "0"))
    assert rules.check(Kind.CAPTURE, payment, hold, amount=D("999999999.999")) == []
    assert codes(rules.check(Kind.CAPTURE, payment, hold, amount=D("1000000000"))) == ["amount-too-high"]


def test_a_currency_that_is_named_is_the_payments():
    payment, rows = payment_of((HOLD, "70"))
    assert rules.check(Kind.CAPTURE, payment, rows[HOLD], amount=D("1"), currency="USD") == []
    (problem,) = rules.check(Kind.CAPTURE, payment, rows[HOLD], amount=D("-1"), currency="EUR")
    assert problem.code == "other-currency" and "EUR" in problem.message
    (problem,) = rules.check(Kind.CAPTURE, payment, rows[HOLD], amount=D("1"), currency="EUROS" * 99)
    assert "EURO" not in problem.message and "EUR" in problem.message


# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lines", "expected"),
    [
        ("capture", {4: 2}, []),
        ("capture", {4: 3}, ["line-quantity"]),
        ("capture", {4: 0}, ["line-quantity"]),
        ("capture", {4: -1}, ["line-quantity"]),
        ("refund", {4: 1}, []),
        ("refund", {4: 2}, ["line-quantity"]),
        ("refund", {9: 1, 4: 2}, ["unknown-line", "line-quantity"]),
        ("void", {4: 1}, ["no-lines"]),
        ("void", {}, []),
        ("reverse", {4: 1}, ["no-lines"]),
    ],
)
def test_lines_are_those_that_are_left(kind, lines, expected):
    """Of three kettles one was captured and none refunded."""
    payment, rows = payment_of((HOLD, "90"), (CAPTURE, "30"))
    on = rows[HOLD] if kind in ("capture", "reverse") else rows[CAPTURE]
    problems = rules.check(
        Kind(kind),
        payment,
        on,
        amount=rules.limit(Kind(kind), payment, on),
        lines=lines,
        order_lines={4: SimpleNamespace(pk=4, quantity=3, title="Kettle")},
        quantities=LineQuantities(captured=Counter({4: 1}), refunded=Counter(), by_amount=False),
    )
    assert codes(problems) == expected
    assert all("Kettle" in one.message for one in problems if one.code == "line-quantity")


# -- the steps by which money goes back --------------------------------------------------------------------------------

OLD = timedelta(hours=25)


def steps(payment, on=None, **asked_for):
    planned = money_back.plan(payment, on=on, **asked_for)
    return [(one.kind.value, one.transaction.pk, f"{one.amount.normalize():f}") for one in planned]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(HOLD, "70")], [("reverse", HOLD, "70")]),
        ([(HOLD, "70", "REVIEW")], [("reverse", HOLD, "70")]),
        ([(HOLD, "70", "REVERSED"), (REVERSAL, "70")], []),
        ([(HOLD, "70"), (CAPTURE, "70")], [("void", CAPTURE, "70"), ("reverse", HOLD, "70")]),
        ([(HOLD, "70"), (CAPTURE, "30")], [("void", CAPTURE, "30"), ("reverse", HOLD, "70")]),
        (
            [(HOLD, "90"), (CAPTURE, "30"), (SECOND, "40")],
            [("void", CAPTURE, "30"), ("void", SECOND, "40"), ("reverse", HOLD, "90")],
        ),
        ([(HOLD, "70"), (CAPTURE, "70"), (REFUND, "70")], []),  # it would go back twice
    ],
)
def test_what_is_young_is_voided_and_its_hold_reversed(rows, expected):
    payment, _ = payment_of(*rows)
    assert steps(payment) == expected


def test_what_is_old_is_refunded_and_what_is_still_held_reversed():
    payment, rows = payment_of((HOLD, "70"), move(CAPTURE, "30", age=OLD))
    assert steps(payment) == [("refund", CAPTURE, "30"), ("reverse", HOLD, "40")]
    assert steps(payment, rows[HOLD]) == steps(payment)
    assert steps(payment, rows[CAPTURE]) == [("refund", CAPTURE, "30")]
    assert steps(payment, rows[CAPTURE], amount=D("10")) == [("refund", CAPTURE, "10")]


def test_young_and_old_captures_go_back_each_in_its_way():
    payment, rows = payment_of((HOLD, "90"), move(CAPTURE, "30", age=OLD), move(SECOND, "40"))
    assert steps(payment) == [("refund", CAPTURE, "30"), ("void", SECOND, "40"), ("reverse", HOLD, "60")]
    assert steps(payment, rows[SECOND]) == [("void", SECOND, "40"), ("reverse", HOLD, "60")]


@pytest.mark.parametrize(("hours", "kind"), [(23.9, "void"), (24.1, "refund")])
@pytest.mark.parametrize("dated", [True, False])
def test_a_capture_is_voided_for_a_day(hours, kind, dated):
    payment, rows = payment_of((HOLD, "30"), move(CAPTURE, "30", age=timedelta(hours=hours), dated=dated))
    assert steps(payment, rows[CAPTURE])[0][0] == kind


def test_a_part_of_a_capture_is_always_a_refund_and_the_whole_of_it_is_not():
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"))
    assert steps(payment, rows[CAPTURE], amount=D("10")) == [("refund", CAPTURE, "10")]
    assert steps(payment, rows[CAPTURE], amount=D("30"))[0] == ("void", CAPTURE, "30")
    assert steps(payment, rows[CAPTURE], lines={4: 1}) == [("refund", CAPTURE, "30")]


def test_a_capture_of_which_a_part_went_back_is_refunded_for_the_rest():
    done = asked("refund", "12", "done", on=CAPTURE, made_id=REFUND)
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"), (REFUND, "12"), operations=[done])
    assert steps(payment, rows[CAPTURE]) == [("refund", CAPTURE, "18")]
    going = asked("refund", "12", on=CAPTURE)
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"), operations=[going])
    assert steps(payment, rows[CAPTURE]) == [("refund", CAPTURE, "18")]
    rest = asked("refund", "30", on=CAPTURE)
    payment, rows = payment_of((HOLD, "30"), (CAPTURE, "30"), operations=[rest])
    assert steps(payment, rows[CAPTURE]) == []


def test_a_refund_is_stopped_by_a_void_once():
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"), (REFUND, "12"))
    assert steps(payment, rows[REFUND]) == [("void", REFUND, "12")]
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"), (REFUND, "12", "VOIDED"))
    assert steps(payment, rows[REFUND]) == []


def test_a_capture_whose_authorization_is_not_known_is_voided_alone():
    payment, rows = payment_of((CAPTURE, "30"))
    assert steps(payment) == [] and steps(payment, rows[CAPTURE]) == [("void", CAPTURE, "30")]


def test_a_plan_needs_the_permissions_of_all_its_steps():
    payment, rows = payment_of((HOLD, "70", "REVIEW"))
    needs = money_back.permissions(payment, rows[HOLD], money_back.plan(payment))
    assert needs == ("move_money", "decide_review")
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"))
    assert money_back.permissions(payment, rows[HOLD], money_back.plan(payment)) == ("move_money",)
    payment, rows = payment_of((HOLD, "70", "REVIEW"))
    assert money_back.permissions(payment, rows[HOLD], ()) == ("move_money", "decide_review")


@pytest.mark.parametrize(
    ("on", "kind"), [(HOLD, "reverse"), (CAPTURE, "refund"), (REFUND, "void"), (REVERSAL, "reverse")]
)
def test_what_is_asked_of_a_transaction_of_which_nothing_is_left(on, kind):
    assert money_back.kind_for(move(on, "1")) == kind


def test_what_a_void_says_it_becomes_where_it_is_too_late():
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"))
    first, last = money_back.plan(payment, on=rows[CAPTURE])
    assert "refunded instead" in first.otherwise and not last.otherwise
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"), (REFUND, "12"))
    (stop,) = money_back.plan(payment, on=rows[REFUND])
    assert not stop.otherwise


@pytest.mark.parametrize(
    ("kind", "on", "amount", "is_last", "words"),
    [
        ("capture", HOLD, "40", True, "all that is held"),
        ("capture", HOLD, "39.99", True, "The other 0.01 USD will not be captured"),
        ("capture", HOLD, "10", False, "More can be captured later"),
        ("refund", CAPTURE, "30", True, "go back to the shopper's card"),
        ("void", CAPTURE, "30", True, "Nothing is paid"),
        ("void", REFUND, "12", True, "does not get this money"),
        ("reverse", HOLD, "69.99", True, "will not be captured"),
        ("reverse", HOLD, "70", True, "is released"),
        ("accept-review", HOLD, "70", True, "is accepted"),
        ("reject-review", HOLD, "70", True, "is rejected"),
    ],
)
def test_a_step_says_what_it_does_to_the_shoppers_money(kind, on, amount, is_last, words):
    payment, rows = payment_of((HOLD, "70"), (CAPTURE, "30"), (REFUND, "12"))
    said = rules.explain(Kind(kind), payment, rows[on], D(amount), is_last=is_last)
    assert words in said and amount in said and "USD" in said


# -- how a step of a plan ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "on", "state", "reason", "late"),
    [
        ("void", CAPTURE, "refused", "NOT_VOIDABLE", True),
        ("void", CAPTURE, "refused", "TRANSACTION_ALREADY_SETTLED", True),
        ("void", CAPTURE, "refused", "INVALID_DATA", False),
        ("void", CAPTURE, "declined", "NOT_VOIDABLE", False),
        ("void", CAPTURE, "dropped", "wrong-state", True),
        ("void", CAPTURE, "dropped", "NOT_VOIDABLE", False),
        ("void", REFUND, "refused", "NOT_VOIDABLE", False),
        ("void", None, "refused", "NOT_VOIDABLE", False),
        ("reverse", HOLD, "refused", "NOT_VOIDABLE", False),
    ],
)
def test_a_void_that_is_too_late_is_told_from_one_that_failed(kind, on, state, reason, late):
    void = PaymentOperation(kind=kind, state=state, rest_reason=reason, transaction=move(on, "1") if on else None)
    assert plans.is_too_late(void) == late


def step(kind, state, position=0, reason=""):
    return PaymentOperation(kind=kind, state=state, position=position, rest_reason=reason)


@pytest.mark.parametrize(
    ("steps", "failed"),
    [
        ([step("void", "done"), step("reverse", "lapsing", 1)], []),
        ([step("void", "refused"), step("reverse", "dropped", 1, "EARLIER_STEP")], [0]),
        ([step("void", "refused"), step("refund", "done")], []),
        ([step("void", "refused"), step("refund", "declined")], [1]),
        ([step("void", "refused"), step("refund", "done", 1)], [0]),
        ([step("void", "done"), step("reverse", "dropped", 1, "wrong-state")], [1]),
        ([step("void", "sent"), step("reverse", "queued", 1)], []),
        ([step("void", "unknown"), step("reverse", "not-sent", 1)], [1]),
        ([step("reverse", "refused"), step("refund", "done")], [0]),
    ],
)
def test_which_steps_of_a_plan_failed(steps, failed):
    assert plans.failed(steps) == [steps[number] for number in failed]


def test_the_rest_of_a_step_knows_nothing_of_the_steps_after_it():
    later = asked("reverse", "70", "queued", on=HOLD, plan="p")
    sent = asked("capture", "10", "sent", on=HOLD, plan="p", pk=91)
    other = asked("reverse", "5", "queued", on=HOLD, plan="q", pk=92)
    payment, _ = payment_of((HOLD, "90"), operations=[later, sent, other], set_aside=True)
    left = plans.without_waiting(payment, "p")
    assert left.operations == (sent, other) and left.is_set_aside and left.transactions == payment.transactions


def test_every_word_is_there_for_what_may_be_refused():
    assert set(rules.STANDINGS) == set(TransactionStatus)
    assert {kind for kind, rule in rules.RULES.items() if rule.too_high} == set(rules.RULES) - {Kind.AUTHORIZE}


@pytest.mark.parametrize("kind", list(Kind))
def test_one_row_says_all_that_differs_by_kind(kind):
    rule = rules.RULES[kind]
    is_decision = kind in (Kind.ACCEPT_REVIEW, Kind.REJECT_REVIEW)
    assert (rule.build_call is None) == (kind == Kind.AUTHORIZE), "a card's token is called for by the stored card"
    assert (rule.record is None) == (kind == Kind.AUTHORIZE or is_decision), "settlement and the review record these"
    assert (rule.found_as is None) == is_decision, "a decision is no transaction at CyberSource"
    assert (rule.lines is not None) == (kind in (Kind.CAPTURE, Kind.REFUND))
