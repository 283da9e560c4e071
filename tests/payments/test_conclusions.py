"""What is written when an operation ends: on its row, in the books, on the list and on the order. Each once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from oscar.core.loading import get_model

from cybersource import signals
from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentAttempt, PaymentOperation
from cybersource.operations import results
from cybersource.operations.results import OperationResult
from cybersource.payments import attention, operation_queue
from cybersource.protocol import rest_reasons
from tests.support.desk import notes, source_of, transactions

Transaction = get_model("payment", "Transaction")

D = Decimal


def asked(order, kind, on, amount, **row):
    """An operation whose call was sent, as it is while nobody knows its end."""
    return operation_queue.write(
        order,
        kind,
        amount=D(amount),
        currency="USD",
        source=on.source,
        transaction=on,
        payment_id=on.reference,
        **row,
    )


def end(operation, state, **said):
    said = {"request_id": "R1", "status": "STATUS", "reason": "REASON", "message": "words", **said}
    return results.conclude(operation.pk, OperationResult(state=state, **said))


@pytest.fixture
def announced():
    heard = []

    def hear(operation, **kwargs):
        heard.append((operation.kind, operation.state))

    signals.operation_ended.connect(hear)
    yield heard
    signals.operation_ended.disconnect(hear)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("refused", "Refused: nothing was done (REASON)"),
        ("declined", "Declined (REASON)"),
        ("not-sent", "never reached CyberSource"),
        ("undone", "Undone"),
    ],
)
def test_what_moved_nothing_is_on_record_with_why(desk, announced, state, words):
    order = desk.order("64.50")
    before = source_of(order)
    capture = end(asked(order, "capture", desk.authorization(order), "20.00", user=desk.staff), state)
    assert (capture.state, capture.request_id, capture.rest_status) == (state, "R1", "STATUS")
    assert (capture.rest_reason, capture.message) == ("REASON", "words") and capture.date_settled
    assert source_of(order) == before
    assert transactions(order)[-1] == ("Debit", "20.00", "FAILED") and capture.made.reference == "R1"
    assert words in notes(order) and capture.reference_number in notes(order) and "ines" in notes(order)
    assert announced == [("capture", state)]
    assert not AttentionItem.objects.exists()


def test_what_nobody_knows_the_end_of_is_told_once_and_goes_on(desk, announced):
    order = desk.order("64.50")
    capture = asked(order, "capture", desk.authorization(order), "20.00")
    for _ in range(2):
        row = end(capture, "unknown", request_id="", reason="")
        assert (row.state, row.date_settled, row.request_id) == ("unknown", None, "")
    assert notes(order).count("Its outcome is not known yet") == 1 and len(transactions(order)) == 1 and not announced
    done = end(capture, "done")
    assert done.date_settled and transactions(order)[-1] == ("Debit", "20.00", "ACCEPT")
    assert end(capture, "refused").state == "done" and announced == [("capture", "done")]
    assert source_of(order) == (D("69.50"), D("20.00"), D("0.00"))


def test_an_id_that_was_told_once_is_kept_where_the_end_tells_none(desk):
    order = desk.order()
    capture = asked(order, "capture", desk.authorization(order), "1.00")
    end(capture, "unknown", request_id="R1")
    assert end(capture, "done", request_id="").request_id == "R1"
    log = CyberSourceReply.objects.filter(order=order).first()
    other = asked(order, "capture", desk.authorization(order), "1.00")
    ended = results.conclude(other.pk, OperationResult(state="done"), entry=log)
    assert ended.log == log and ended.made.log == log
    assert ended.made.reference == ended.reference_number  # nothing else names it


def test_a_card_number_in_what_a_gateway_says_is_masked(desk):
    order = desk.order()
    capture = asked(order, "capture", desk.authorization(order), "1.00")
    assert "4111111111111111" not in end(capture, "refused", message="card 4111111111111111 refused").message


@pytest.mark.parametrize("reason", sorted(rest_reasons.NOT_IN_PARTS))
@pytest.mark.parametrize(("amount", "state"), [("40.00", "lapsing"), ("69.50", "refused")])
def test_a_rest_that_no_bank_releases_lapses_and_a_whole_hold_is_refused(desk, reason, amount, state):
    order = desk.order("64.50")
    reverse = end(asked(order, "reverse", desk.authorization(order), amount), "refused", reason=reason)
    assert reverse.state == state
    assert transactions(order)[-1] == ("Reversal", amount, "LAPSING" if state == "lapsing" else "FAILED")
    left = D("29.50") if state == "lapsing" else D("69.50")
    assert source_of(order)[0] == left


def test_a_rest_that_is_refused_for_another_reason_does_not_lapse(desk):
    order = desk.order("64.50")
    assert end(asked(order, "reverse", desk.authorization(order), "40.00"), "refused").state == "refused"


@pytest.mark.parametrize(("automatic", "reason", "listed"), [(True, "X", True), (False, "X", False)])
def test_a_hold_that_the_shop_could_not_release_is_for_staff(desk, automatic, reason, listed):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    end(asked(order, "reverse", hold, "69.50", is_automatic=automatic), "refused", reason=reason)
    found = list(AttentionItem.objects.values_list("kind", "transaction_id", "amount"))
    assert found == ([(Attention.HOLD_LEFT, hold.reference, D("69.50"))] if listed else [])


@pytest.mark.parametrize("reason", sorted(rest_reasons.NO_HOLD_LEFT))
def test_a_hold_that_is_gone_already_is_for_nobody(desk, reason):
    order = desk.order("64.50")
    end(asked(order, "reverse", desk.authorization(order), "69.50", is_automatic=True), "refused", reason=reason)
    assert not AttentionItem.objects.filter(kind=Attention.HOLD_LEFT).exists()


@pytest.mark.parametrize("automatic", [True, False])
def test_a_capture_that_the_shop_voids_has_its_hold_reversed_next(desk, automatic):
    order = desk.captured("64.50")
    debit = desk.debit(order)
    end(asked(order, "void", debit, "69.50", is_automatic=automatic, reason="twice"), "done")
    queued = PaymentOperation.objects.filter(kind="reverse")
    assert queued.exists() == automatic
    for one in queued:
        assert (one.state, one.amount, one.currency, one.reason) == ("queued", D("69.50"), "USD", "twice")
        assert (one.payment_id, one.transaction) == (one.source.reference, desk.authorization(order))
        assert one.is_automatic


def test_what_is_listed_is_cleared_once_nothing_is_held_and_by_what_did_it(desk):
    order, other = desk.order("64.50"), desk.order("64.50")
    hold = desk.authorization(order)
    about = {"transaction_id": hold.reference}
    attention.flag(Attention.EXTRA_CHARGE, order, None, **about)
    attention.flag(Attention.DRIFT, order, None, **about)
    attention.flag(Attention.EXTRA_CHARGE, order, None, transaction_id="another")
    attention.flag(Attention.EXTRA_CHARGE, other, None, transaction_uuid="others", **about)
    end(asked(order, "reverse", hold, "20.00"), "done")
    assert not AttentionItem.objects.exclude(date_cleared=None).exists()  # 49.50 are held still
    last = end(asked(order, "reverse", hold, "49.50"), "done")
    (cleared,) = AttentionItem.objects.exclude(date_cleared=None)
    assert (cleared.order, cleared.kind, cleared.transaction_id) == (order, Attention.EXTRA_CHARGE, hold.reference)
    assert cleared.cleared_by_operation == last and last.reference_number in cleared.reason


def test_a_void_that_undoes_a_refund_brings_back_what_the_refund_had_cleared(desk):
    order = desk.captured("64.50")
    debit = desk.debit(order)
    attention.flag(Attention.EXTRA_CHARGE, order, None, transaction_id=debit.source.reference)
    refund = end(asked(order, "refund", debit, "69.50"), "done")
    assert AttentionItem.objects.get(kind=Attention.EXTRA_CHARGE).date_cleared
    end(asked(order, "void", refund.made, "69.50"), "done", request_id="R2")
    assert AttentionItem.objects.filter(kind=Attention.EXTRA_CHARGE).get().date_cleared is None


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("authorized", "reversed"),
        ("review", "reversed"),
        ("partial", "reversed"),
        ("declined", "declined"),
        ("expired", "expired"),
    ],
)
def test_an_attempt_whose_money_went_back_holds_nothing(desk, state, after):
    order, other = desk.order("64.50"), desk.order("64.50")
    attempts = PaymentAttempt.objects.filter(order=order, source__isnull=False)
    attempts.update(state=state, attention=Attention.EXTRA_CHARGE)
    end(asked(order, "reverse", desk.authorization(order), "69.50"), "done")
    assert set(attempts.values_list("state", "attention")) == {(after, "")}
    assert set(PaymentAttempt.objects.filter(order=other, source__isnull=False).values_list("state", flat=True)) == {
        "authorized"
    }


def test_a_question_about_an_attempt_outlives_its_reversal(desk):
    order = desk.order("64.50")
    attempts = PaymentAttempt.objects.filter(order=order, source__isnull=False)
    attempts.update(attention=Attention.NO_ANSWER)
    end(asked(order, "reverse", desk.authorization(order), "69.50"), "done")
    assert set(attempts.values_list("state", "attention")) == {("reversed", Attention.NO_ANSWER)}


def test_what_was_captured_of_what_is_not_here_any_more_is_for_staff(desk):
    order = desk.order("64.50")
    capture = asked(order, "capture", desk.authorization(order), "20.00")
    PaymentOperation.objects.filter(pk=capture.pk).update(transaction=None, source=None, order=None)
    end(capture, "done")
    (item,) = AttentionItem.objects.all()
    assert (item.kind, item.transaction_id, item.amount, item.currency) == (Attention.ORPHAN, "R1", D("20.00"), "USD")
    assert (item.reference_number, item.operation) == (capture.reference_number, capture)
    assert len(transactions(order)) == 1


def test_the_shop_does_once_what_it_does_by_itself(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    about = {"amount": D("69.50"), "currency": "USD", "reason": "why"}
    assert operation_queue.queue(order, "reverse", payment_id="", **about) is None
    first = operation_queue.queue(order, "reverse", payment_id=hold.reference, transaction=hold, **about)
    assert (first.state, first.is_automatic, first.source, first.reason) == ("queued", True, hold.source, "why")
    assert operation_queue.queue(order, "reverse", payment_id=hold.reference, **about) is None
    end(first, "refused")
    assert operation_queue.queue(order, "reverse", payment_id=hold.reference, **about) is None
    assert operation_queue.queue(order, "void", payment_id=hold.reference, **about)
    other = desk.order("64.50")
    assert operation_queue.queue(other, "reverse", payment_id=hold.reference, **about)


@pytest.mark.parametrize(
    ("state", "is_left"), [("refused", True), ("not-sent", True), ("sent", False), ("done", False)]
)
def test_what_staff_asked_in_vain_is_left_for_the_shop_to_do(desk, state, is_left):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    by_hand = asked(order, "reverse", hold, "69.50", user=desk.staff)
    PaymentOperation.objects.filter(pk=by_hand.pk).update(state=state)
    about = {"amount": D("69.50"), "currency": "USD", "reason": "why"}
    assert (operation_queue.queue(order, "reverse", payment_id=hold.reference, **about) is not None) == is_left


def test_operations_of_an_order_are_numbered_on_whatever_they_are(desk):
    order, other = desk.order("64.50"), desk.order("64.50")
    hold = desk.authorization(order)
    numbers = [asked(order, kind, hold, "1.00").reference_number for kind in ("capture", "refund", "void", "reverse")]
    assert numbers == [f"{order.number}-{one}" for one in ("C1", "R2", "V3", "X4")]
    assert asked(other, "capture", desk.authorization(other), "1.00").reference_number == f"{other.number}-C1"
    ids = set(PaymentOperation.objects.values_list("idempotency_id", flat=True))
    assert len(ids) == PaymentOperation.objects.count()


@pytest.mark.parametrize("number", ["O17", "a" * 33, "with blanks", "100/7", "-1"])
def test_a_number_that_a_search_could_not_find_gives_way_to_the_rows_key(desk, number):
    order = desk.order("64.50")
    order.number = number
    assert operation_queue.next_reference_number(order, "capture") == f"O{order.pk}-C1"
