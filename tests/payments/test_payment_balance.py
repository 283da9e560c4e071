"""What the rows of one payment come to: written as tables of rows and sums, without a database."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from oscar.core.loading import get_model

from cybersource.models import PaymentOperation
from cybersource.payments import balance as payment_balance
from cybersource.payments.balance import Capture, Movement, NotCounted, OrderBalance, TransactionStatus
from cybersource.payments.line_quantities import LineQuantities

Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")

D = Decimal
HOLD, CAPTURE, SECOND, REFUND, REVERSAL = 1, 2, 3, 4, 5
KINDS = {HOLD: "Authorise", CAPTURE: "Debit", SECOND: "Debit", REFUND: "Refund", REVERSAL: "Reversal"}
MOVING = ["queued", "sent", "unknown"]
ENDED = ["done", "lapsing", "declined", "refused", "not-sent", "undone", "dropped"]
OURS = "Secure Acceptance"


def move(pk, amount, status="ACCEPT", *, log=1, attempt=7, reference=""):
    return Movement(pk, KINDS[pk], D(amount), status, reference or f"request{pk}", log, attempt)


def asked(kind, amount="0", state="sent", *, on=None, pk=90, **other):
    return PaymentOperation(pk=pk, kind=kind, amount=D(amount), state=state, transaction_id=on, currency="USD", **other)


def paid(*moves, operations=(), columns=None, currency="USD", set_aside=False, type_name=None, sale=False):
    """A payment of these rows; the Source's columns say the same as they do, unless others are given."""
    from cybersource.conf import conf

    columns = columns or ("1000", "0", "0")
    source = Source(
        pk=1,
        source_type=SourceType(name=type_name or conf.source_type),
        currency=currency,
        reference="request2" if sale else "request1",
        amount_allocated=D(columns[0]),
        amount_debited=D(columns[1]),
        amount_refunded=D(columns[2]),
    )
    return payment_balance.payment(source, moves, operations, is_set_aside=set_aside)


def sums(payment, *names):
    return tuple(str(getattr(payment, name)) for name in names)


# -- sums --------------------------------------------------------------------------------------------------------------

SUMS = ("authorized", "captured", "refunded", "voided", "net_paid", "held", "released", "kept")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ("0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "1000")),
        ([(HOLD, "70")], ("70", "0.00", "0.00", "0.00", "0.00", "70.00", "0.00", "70.00")),
        ([(HOLD, "70"), (CAPTURE, "30")], ("70", "30.00", "0.00", "0.00", "30.00", "40.00", "0.00", "70.00")),
        (
            [(HOLD, "70"), (CAPTURE, "30"), (SECOND, "25")],
            ("70", "55.00", "0.00", "0.00", "55.00", "15.00", "0.00", "70.00"),
        ),
        (
            [(HOLD, "70"), (CAPTURE, "30"), (SECOND, "25", "VOIDED")],
            ("70", "30.00", "0.00", "25.00", "30.00", "40.00", "0.00", "70.00"),
        ),
        (
            [(HOLD, "70"), (CAPTURE, "30"), (REFUND, "12")],
            ("70", "30.00", "12.00", "0.00", "18.00", "40.00", "0.00", "58.00"),
        ),
        (
            [(HOLD, "70"), (CAPTURE, "30"), (REFUND, "12", "VOIDED")],
            ("70", "30.00", "0.00", "0.00", "30.00", "40.00", "0.00", "70.00"),
        ),
        (
            [(HOLD, "70"), (CAPTURE, "30"), (REVERSAL, "15")],
            ("70", "30.00", "0.00", "0.00", "30.00", "25.00", "15.00", "55.00"),
        ),
        (
            [(HOLD, "70"), (CAPTURE, "30"), (REVERSAL, "15", "LAPSING")],
            ("70", "30.00", "0.00", "0.00", "30.00", "25.00", "15.00", "55.00"),
        ),
        (
            [(HOLD, "70"), (CAPTURE, "30", "FAILED"), (REVERSAL, "15", "FAILED")],
            ("70", "0.00", "0.00", "0.00", "0.00", "70.00", "0.00", "70.00"),
        ),
        # Never less than nothing, whatever was booked.
        (
            [(HOLD, "70"), (CAPTURE, "80"), (REFUND, "90")],
            ("70", "80.00", "90.00", "0.00", "0.00", "0.00", "0.00", "0.00"),
        ),
        # A capture that is refunded in full pays nothing and its hold is used up.
        (
            [(HOLD, "70"), (CAPTURE, "70"), (REFUND, "70")],
            ("70", "70.00", "70.00", "0.00", "0.00", "0.00", "0.00", "0.00"),
        ),
    ],
)
def test_the_sums_of_a_payment_are_those_of_its_rows(rows, expected):
    assert [D(one) for one in sums(paid(*(move(*one) for one in rows)), *SUMS)] == [D(one) for one in expected]


@pytest.mark.parametrize("status", ["REJECT", "VOIDED", "REVERSED"])
def test_an_authorization_that_ended_holds_nothing(status):
    assert paid(move(HOLD, "70", status)).held == 0


@pytest.mark.parametrize("status", ["", "ACCEPT", "REVIEW"])
def test_an_authorization_that_goes_on_holds_its_amount(status):
    assert paid(move(HOLD, "70", status)).held == 70


def test_neither_rows_nor_columns_are_believed_beyond_the_other():
    """By whichever of them money went back, it has gone."""
    hold = move(HOLD, "70")
    assert paid(hold, columns=("70", "0", "0")).kept == 70
    assert paid(hold, columns=("50", "0", "0")).kept == 50
    assert paid(hold, columns=("70", "0", "30")).kept == 40
    assert paid(hold, columns=("20", "0", "30")).kept == 0
    assert paid(columns=("70", "70", "30")).kept == 40


# -- under way ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", MOVING)
def test_what_is_under_way_is_not_left_for_another(state):
    rows = [move(HOLD, "70"), move(CAPTURE, "30")]
    assert paid(*rows).left_to_capture == 40
    assert paid(*rows, operations=[asked("capture", "10", state, on=HOLD, is_last=False)]).left_to_capture == 30
    assert paid(*rows, operations=[asked("capture", "10", state, on=HOLD)]).left_to_capture == 0  # the last one
    assert paid(*rows, operations=[asked("reverse", "25", state, on=HOLD)]).left_to_capture == 0  # waits for it
    assert paid(*rows, operations=[asked("capture", "50", state, on=HOLD)]).left_to_capture == 0
    assert paid(*rows, operations=[asked("refund", "10", state, on=CAPTURE)]).left_to_capture == 40
    assert paid(*rows).left_to_refund == 30
    assert paid(*rows, operations=[asked("refund", "10", state, on=CAPTURE)]).left_to_refund == 20
    assert paid(*rows, operations=[asked("void", "30", state, on=CAPTURE)]).left_to_refund == 0
    assert paid(*rows, operations=[asked("capture", "10", state, on=HOLD)]).left_to_refund == 30


@pytest.mark.parametrize("state", ENDED)
def test_what_has_ended_stands_in_the_rows_alone(state):
    rows = [move(HOLD, "70"), move(CAPTURE, "30")]
    operations = [
        asked("capture", "10", state, on=HOLD, is_last=False),
        asked("reverse", "10", state, on=HOLD),
        asked("refund", "10", state, on=CAPTURE),
        asked("void", "30", state, on=CAPTURE),
    ]
    payment = paid(*rows, operations=operations)
    assert not payment.under_way
    assert (payment.left_to_capture, payment.left_to_refund, payment.going_back) == (40, 30, 0)


def test_sums_of_several_operations_under_way_add_up():
    operations = [
        asked("refund", "10", on=CAPTURE, pk=91),
        asked("refund", "5", "unknown", on=CAPTURE, pk=92),
        asked("capture", "7", on=HOLD, pk=93, is_last=False),
    ]
    payment = paid(move(HOLD, "70"), move(CAPTURE, "30"), operations=operations)
    assert payment.amount_under_way("refund") == 15
    assert payment.amount_under_way("refund", "capture") == 22
    assert payment.amount_under_way("void") == 0
    assert (payment.left_to_refund, payment.left_to_capture) == (15, 33)
    (capture,) = payment.captures
    assert (capture.refunded, capture.refund_under_way, capture.left) == (0, 15, 15)


def test_a_refund_belongs_to_the_capture_that_it_was_asked_of():
    rows = [move(HOLD, "70"), move(CAPTURE, "30"), move(SECOND, "40"), move(REFUND, "12")]
    done = asked("refund", "12", "done", on=SECOND, made_id=REFUND)
    first, second = paid(*rows, operations=[done]).captures
    assert (first.refunded, first.left, first.standing) == (0, 30, TransactionStatus.CAPTURED)
    assert (second.refunded, second.left, second.standing) == (12, 28, TransactionStatus.PART_REFUNDED)
    stopped = [*rows[:3], move(REFUND, "12", "VOIDED")]
    assert [one.left for one in paid(*stopped, operations=[done]).captures] == [30, 40]


def test_a_refund_that_names_no_capture_counts_against_all():
    payment = paid(move(HOLD, "70"), move(CAPTURE, "30"), move(SECOND, "40"), move(REFUND, "50"))
    assert [one.left for one in payment.captures] == [30, 40] and payment.left_to_refund == 20


def test_no_more_is_left_to_refund_than_the_captures_have_left():
    voiding = asked("void", "40", on=SECOND)
    payment = paid(move(HOLD, "70"), move(CAPTURE, "30"), move(SECOND, "40"), operations=[voiding])
    assert payment.left_to_refund == 30 and [one.void_under_way for one in payment.captures] == [False, True]
    over = paid(move(HOLD, "70"), move(CAPTURE, "30"), move(REFUND, "40"))
    assert over.left_to_refund == 0


@pytest.mark.parametrize(
    ("refunded", "under_way", "left", "stands"),
    [
        ("0", "0", "30", TransactionStatus.CAPTURED),
        ("10", "5", "15", TransactionStatus.PART_REFUNDED),
        ("29.99", "0", "0.01", TransactionStatus.PART_REFUNDED),
        ("30", "0", "0", TransactionStatus.REFUNDED),
        ("20", "20", "0", TransactionStatus.PART_REFUNDED),
    ],
)
def test_what_is_left_of_a_capture(refunded, under_way, left, stands):
    capture = Capture(transaction=move(CAPTURE, "30"), refunded=D(refunded), refund_under_way=D(under_way))
    assert (capture.left, capture.standing) == (D(left), stands)
    voided = Capture(transaction=move(CAPTURE, "30", "VOIDED"))
    assert (voided.left, voided.standing) == (0, TransactionStatus.VOIDED)


# -- on its way back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "on", "automatic", "sale", "back"),
    [
        ("refund", CAPTURE, False, False, "30"),
        ("reverse", HOLD, False, False, "30"),
        ("capture", HOLD, False, False, "0"),
        ("void", CAPTURE, False, False, "0"),  # its hold goes on paying
        ("void", CAPTURE, True, False, "30"),  # the shop reverses it next
        ("void", CAPTURE, False, True, "30"),  # the hold of a sale can never be captured
        ("void", REFUND, True, False, "0"),  # money comes again
        ("accept-review", HOLD, True, False, "0"),
    ],
)
def test_money_on_its_way_back_pays_for_nothing(kind, on, automatic, sale, back):
    rows = [move(HOLD, "70"), move(CAPTURE, "30")]
    payment = paid(*rows, operations=[asked(kind, "30", on=on, is_automatic=automatic)], sale=sale)
    assert payment.going_back == D(back) and payment.counts("USD") == 70 - D(back)


def test_no_more_is_on_its_way_back_than_is_there():
    payment = paid(move(HOLD, "70"), operations=[asked("reverse", "90", on=HOLD)])
    assert payment.going_back == 70 and payment.counts("USD") == 0


# -- what counts, and why not ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("holds_order", [True, False])
def test_what_a_reviewer_has_to_decide_counts_where_the_shop_says_so(settings, holds_order):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = holds_order
    payment = paid(move(HOLD, "70", "REVIEW"))
    assert payment.under_review == 70 and payment.counts("USD") == (0 if holds_order else 70)
    assert payment.why_not("USD") == (NotCounted.UNDER_REVIEW if holds_order else None)
    going = paid(move(HOLD, "70", "REVIEW"), operations=[asked("reverse", "20", on=HOLD)])
    assert going.under_review == 50
    assert paid(move(HOLD, "70")).under_review == 0 and paid().under_review == 0


@pytest.mark.parametrize(
    ("payment", "why"),
    [
        (lambda: paid(move(HOLD, "70")), None),
        (lambda: paid(move(HOLD, "70"), move(CAPTURE, "70")), None),
        (lambda: paid(columns=("0", "0", "0")), NotCounted.FAILED),
        (lambda: paid(move(HOLD, "70", "REJECT")), NotCounted.REJECTED),
        (lambda: paid(move(HOLD, "70", "REVERSED"), move(REVERSAL, "70")), NotCounted.GIVEN_BACK),
        (lambda: paid(move(HOLD, "70"), move(CAPTURE, "70"), move(REFUND, "70")), NotCounted.GIVEN_BACK),
        (lambda: paid(move(HOLD, "70"), move(CAPTURE, "70"), move(REFUND, "1")), NotCounted.GIVEN_BACK),
        (lambda: paid(move(HOLD, "70"), currency="JPY"), NotCounted.OTHER_CURRENCY),
        (lambda: paid(move(HOLD, "70"), set_aside=True), NotCounted.SET_ASIDE),
        (lambda: paid(move(HOLD, "70"), operations=[asked("reverse", "1", on=HOLD)]), NotCounted.GOING_BACK),
    ],
)
def test_why_a_payment_does_not_count(payment, why):
    assert payment().why_not("USD") == why
    full = payment()
    assert (full.counts("USD") == 70) == (why is None)


def test_what_is_in_another_currency_or_set_aside_counts_for_nothing():
    assert paid(move(HOLD, "70"), currency="JPY").counts("USD") == 0
    assert paid(move(HOLD, "70"), currency="JPY").counts("JPY") == 70
    assert paid(move(HOLD, "70"), set_aside=True).counts("USD") == 0


# -- in a word ---------------------------------------------------------------------------------------------------------

WORDS = [
    ([(HOLD, "70")], {HOLD: TransactionStatus.HELD}, TransactionStatus.HELD),
    ([(HOLD, "70", "REVIEW")], {HOLD: TransactionStatus.UNDER_REVIEW}, TransactionStatus.UNDER_REVIEW),
    ([(HOLD, "70", "REJECT")], {HOLD: TransactionStatus.REJECTED}, TransactionStatus.REJECTED),
    ([(HOLD, "70", "VOIDED"), (CAPTURE, "70", "VOIDED")], {HOLD: TransactionStatus.VOIDED}, TransactionStatus.VOIDED),
    ([(HOLD, "70", "REVERSED"), (REVERSAL, "70")], {HOLD: TransactionStatus.REVERSED}, TransactionStatus.REVERSED),
    ([(HOLD, "70"), (REVERSAL, "70")], {HOLD: TransactionStatus.REVERSED}, TransactionStatus.REVERSED),
    ([(HOLD, "70"), (REVERSAL, "20")], {HOLD: TransactionStatus.HELD}, TransactionStatus.HELD),
    (
        [(HOLD, "70"), (CAPTURE, "30")],
        {HOLD: TransactionStatus.PART_CAPTURED, CAPTURE: TransactionStatus.CAPTURED},
        TransactionStatus.PART_CAPTURED,
    ),
    (
        [(HOLD, "70"), (CAPTURE, "70")],
        {HOLD: TransactionStatus.FULLY_CAPTURED, CAPTURE: TransactionStatus.CAPTURED},
        TransactionStatus.FULLY_CAPTURED,
    ),
    (
        [(HOLD, "70"), (CAPTURE, "70"), (REFUND, "20")],
        {REFUND: TransactionStatus.REFUND},
        TransactionStatus.PART_REFUNDED,
    ),
    (
        [(HOLD, "70"), (CAPTURE, "70"), (REFUND, "70")],
        {HOLD: TransactionStatus.FULLY_CAPTURED},
        TransactionStatus.REFUNDED,
    ),
    (
        [(HOLD, "70"), (CAPTURE, "70"), (REFUND, "70", "VOIDED")],
        {REFUND: TransactionStatus.VOIDED},
        TransactionStatus.FULLY_CAPTURED,
    ),
    # Never "refunded" while the rest is held and may be captured.
    (
        [(HOLD, "70"), (CAPTURE, "30"), (REFUND, "30")],
        {HOLD: TransactionStatus.PART_CAPTURED},
        TransactionStatus.PART_CAPTURED,
    ),
    (
        [(HOLD, "70"), (CAPTURE, "30"), (REVERSAL, "40")],
        {HOLD: TransactionStatus.REVERSED},
        TransactionStatus.FULLY_CAPTURED,
    ),
    ([(HOLD, "70"), (CAPTURE, "30"), (REVERSAL, "40"), (REFUND, "30")], {}, TransactionStatus.REFUNDED),
    (
        [(HOLD, "70"), (CAPTURE, "30", "FAILED")],
        {HOLD: TransactionStatus.HELD, CAPTURE: TransactionStatus.FAILED},
        TransactionStatus.HELD,
    ),
    ([(CAPTURE, "30")], {CAPTURE: TransactionStatus.CAPTURED}, TransactionStatus.FOREIGN),
]


@pytest.mark.parametrize(("rows", "each", "whole"), WORDS)
def test_one_word_says_how_a_payment_stands(rows, each, whole):
    moves = [move(*one) for one in rows]
    payment = paid(*moves)
    found = {one.pk: payment.standing(one) for one in moves}
    assert {pk: found[pk] for pk in each} == each and payment.stands == whole
    assert payment.failed == tuple(one for one in moves if one.status == "FAILED")


@pytest.mark.parametrize(
    ("type_name", "log", "is_ours"), [(None, None, True), ("Cheque", None, False), ("Cheque", 5, True)]
)
def test_a_payment_is_ours_by_its_source_type_or_its_log(type_name, log, is_ours):
    hold, other = move(HOLD, "70", log=log), move(CAPTURE, "1", log=None)
    payment = paid(hold, other, type_name=type_name)
    assert payment.is_ours == is_ours
    assert (payment.standing(hold) == TransactionStatus.FOREIGN) == (not is_ours)
    assert (payment.standing(other) == TransactionStatus.FOREIGN) == (not is_ours)


def test_the_first_authorization_is_the_payments():
    first, second = move(HOLD, "70"), move(HOLD, "20")._replace(pk=8)
    payment = paid(first, second)
    assert payment.authorization == first and payment.authorized == 70
    assert payment.standing(second) == TransactionStatus.FOREIGN


def test_the_attempt_is_that_of_the_first_row_that_has_one():
    rows = [move(HOLD, "70", attempt=None), move(CAPTURE, "20", attempt=3), move(SECOND, "20", attempt=4)]
    assert paid(*rows).attempt_id == 3 and paid(rows[0]).attempt_id is None


# -- what may be reversed, the last capture ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "left"), [("ACCEPT", "40"), ("REVIEW", "70"), ("REJECT", "70"), ("VOIDED", "70"), ("REVERSED", "0")]
)
def test_what_a_reversal_releases(status, left):
    assert paid(move(HOLD, "70", status), move(CAPTURE, "30")).left_to_reverse == D(left)
    assert paid().left_to_reverse == 0


@pytest.mark.parametrize(
    ("last", "state", "made", "status", "several", "ended"),
    [
        (True, "done", CAPTURE, "ACCEPT", True, True),
        (False, "done", CAPTURE, "ACCEPT", True, False),
        (True, "refused", CAPTURE, "ACCEPT", True, False),
        (True, "done", CAPTURE, "VOIDED", True, False),  # a voided capture was not the last
        (False, "done", CAPTURE, "ACCEPT", False, True),
        (False, "done", CAPTURE, "VOIDED", False, False),
        (True, "done", SECOND, "ACCEPT", True, False),
    ],
)
def test_after_the_last_capture_nothing_is_left_to_capture(settings, last, state, made, status, several, ended):
    settings.CYBERSOURCE_SEVERAL_CAPTURES = several
    done = asked("capture", "30", state, on=HOLD, is_last=last, made_id=made)
    payment = paid(move(HOLD, "70"), move(CAPTURE, "30", status), operations=[done])
    assert payment.has_ended == ended and (payment.left_to_capture == 0) == ended


def test_only_a_capture_is_the_last_one():
    done = asked("refund", "30", "done", on=CAPTURE, made_id=CAPTURE, is_last=True)
    assert not paid(move(HOLD, "70"), move(CAPTURE, "30"), operations=[done]).has_ended


def test_a_sale_is_known_by_its_capture_under_the_payments_own_id():
    rows = [move(HOLD, "70", reference="request2"), move(CAPTURE, "70")]
    assert paid(*rows, sale=True).is_sale and not paid(*rows).is_sale
    assert paid(*rows).capture(rows[1]).transaction == rows[1] and paid(*rows).capture(rows[0]) is None


def test_a_version_changes_with_every_step():
    hold = move(HOLD, "70")
    states = [
        paid(),
        paid(hold),
        paid(move(HOLD, "70", "REVIEW")),
        paid(hold, move(CAPTURE, "70")),
        paid(hold, operations=[asked("capture", "70")]),
        paid(hold, operations=[asked("capture", "70", "done")]),
        paid(hold, operations=[asked("capture", "70", "done"), asked("refund", "70", "done", pk=91)]),
    ]
    assert len({one.version for one in states}) == len(states)


# -- an order ----------------------------------------------------------------------------------------------------------


def balance(*payments, currency="USD", others="0", allocated="0"):
    return OrderBalance(currency=currency, payments=payments, others=D(others), allocated=D(allocated))


def test_an_order_counts_what_its_payments_count_in_its_currency():
    one = balance(
        paid(move(HOLD, "70")),
        paid(move(HOLD, "20")),
        paid(move(HOLD, "5"), currency="JPY"),
        paid(move(HOLD, "9"), set_aside=True),
        others="3",
    )
    assert one.counts == 90 and one.covered(SimpleNamespace(number="1")) == 93
    assert [payment.authorized for payment in one.in_play] == [70, 20]
    assert balance().counts == 0 and balance(paid(columns=("0", "0", "0"))).in_play == ()


def test_what_is_under_review_of_an_order_is_what_does_not_count_yet(settings):
    review = move(HOLD, "70", "REVIEW")
    one = balance(
        paid(review),
        paid(move(HOLD, "20")),
        paid(move(HOLD, "20", "REVIEW"), currency="JPY"),
        paid(move(HOLD, "20", "REVIEW"), set_aside=True),
    )
    assert one.under_review == 70
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    assert one.under_review == 0


@pytest.mark.parametrize(
    ("amounts", "surplus", "back"),
    [
        (["10", "20", "30"], "30", [2]),
        (["10", "20", "30"], "29.99", [1]),
        (["10", "20", "30"], "35", [2]),
        (["10", "20", "30"], "40", [2, 0]),
        (["10", "20", "30"], "60", [2, 1, 0]),
        (["10", "20", "30"], "9.99", []),
        (["10", "10"], "10", [1]),  # the newest of equal ones
        (["0", "10"], "15", [1]),
    ],
)
def test_what_is_superfluous_goes_back_whole_the_largest_first(amounts, surplus, back):
    payments = []
    for number, amount in enumerate(amounts):
        payments.append(paid(*([move(HOLD, amount)] if D(amount) else []), columns=(amount, "0", "0")))
        payments[-1].source.pk = number + 1
    assert balance(*payments).superfluous(D(surplus)) == [payments[number] for number in back]


@pytest.mark.parametrize(
    ("captured", "refunded", "by_amount", "to_capture", "to_refund"),
    [
        (0, 0, False, 3, 0),
        (2, 0, False, 1, 2),
        (2, 1, False, 1, 1),
        (5, 1, False, 0, 2),  # sales by two cards name every line each
        (2, 3, False, 1, 0),
        (0, 1, True, 3, 2),
        (1, 0, True, 2, 3),
    ],
)
def test_how_many_of_a_line_are_left(captured, refunded, by_amount, to_capture, to_refund):
    from collections import Counter

    line = SimpleNamespace(pk=4, quantity=3)
    found = LineQuantities(captured=Counter({4: captured}), refunded=Counter({4: refunded}), by_amount=by_amount)
    assert (found.left_to_capture(line), found.left_to_refund(line)) == (to_capture, to_refund)
    assert found.moved("capture")[4] == captured and found.moved("refund")[4] == refunded
