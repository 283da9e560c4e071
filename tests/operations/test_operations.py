"""What staff and code may do with a payment, and what each of it does to Oscar's rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import requests
from django.db import transaction
from oscar.core.loading import get_model

from cybersource import signals
from cybersource.gateway import client
from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentAttempt, PaymentOperation
from cybersource.operations import requests as operations_requests
from cybersource.operations import results, rules, service
from cybersource.payments import balance, line_quantities
from cybersource.payments.errors import InvalidOperation
from cybersource.protocol.rest import calls
from tests.support.desk import events, notes, source_of, transactions
from tests.support.threads import at_once, in_threads

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")

D = Decimal


def codes(refused: pytest.ExceptionInfo[InvalidOperation]) -> list[str]:
    return [problem.code for problem in refused.value.problems]


# -- capture ---------------------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_a_capture_takes_all_that_is_held_and_says_so_in_every_book(desk):
    order = desk.order("64.50")
    done = desk.do("capture", desk.authorization(order), reason="shipped today", reference="PARCEL-7")
    assert (done.kind, done.state, done.amount, done.currency) == ("capture", "done", D("69.50"), "USD")
    assert (done.user, done.user_name, done.reason, done.reference) == (desk.staff, "ines", "shipped today", "PARCEL-7")
    assert source_of(order) == (D("69.50"), D("69.50"), D("0.00"))
    assert transactions(order) == [("Authorise", "69.50", "ACCEPT"), ("Debit", "69.50", "ACCEPT")]
    assert events(order) == [("Authorise", "69.50", [1]), ("Debit", "69.50", [1])]
    assert done.made.reference == done.request_id and desk.rest.status(done.request_id) == "PENDING"
    assert "shipped today" in notes(order) and done.request_id in notes(order) and "ines" in notes(order)
    entry = done.log
    assert (entry.reply_type, entry.operation, entry.transaction_id) == ("rest", done, done.request_id)


def test_an_authorization_is_captured_in_several_parts_until_nothing_is_left(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=D("20.00"), is_last=False)
    desk.do("capture", hold, amount=D("30.00"), is_last=False)
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, amount=D("19.51"))
    assert codes(refused) == ["amount-too-high"] and "19.50 USD" in str(refused.value)
    desk.do("capture", hold)
    assert source_of(order) == (D("69.50"), D("69.50"), D("0.00"))
    assert desk.payment(order).standing(hold) == balance.TransactionStatus.FULLY_CAPTURED
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold)
    assert codes(refused) == ["wrong-state"]


@pytest.mark.quick
def test_lines_are_captured_at_what_they_cost_and_never_twice(desk):
    order = desk.order("10.00", "20.00")
    hold = desk.authorization(order)
    first, second = order.lines.order_by("pk")
    done = desk.do("capture", hold, lines={first.pk: 1}, is_last=False)
    assert done.amount == first.line_price_incl_tax
    assert events(order)[-1] == ("Debit", "10.00", [1])
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, amount=D("1.00"), lines={first.pk: 1, second.pk: 2, 999: 1})
    assert codes(refused) == ["line-quantity", "line-quantity", "unknown-line"]


def test_after_the_last_capture_no_more_is_taken_of_the_hold(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=D("20.00"))
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, amount=D("1.00"))
    assert codes(refused) == ["amount-too-high"]


def test_whether_the_last_capture_arrived_is_found_out_before_more_is_taken(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    desk.rest.faults.next("no-answer", action="captures")
    assert service.capture(hold, amount=D("20.00")).state == "unknown"
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, amount=D("10.00"))
    assert codes(refused) == ["under-way"] and len(desk.calls("captures")) == 1


def test_a_capture_of_a_hold_that_was_reversed_in_the_business_center_takes_nothing(desk):
    order = desk.order("64.50")
    reverse_by_hand(desk.payment(order))
    refused = service.capture(desk.authorization(order))
    assert (refused.state, refused.rest_reason) == ("refused", "AUTH_ALREADY_REVERSED")
    assert source_of(order) == (D("69.50"), D("0.00"), D("0.00"))


def test_an_account_that_takes_one_capture_only_is_asked_for_one_only(desk, settings):
    settings.CYBERSOURCE_SEVERAL_CAPTURES = False
    order = desk.order("64.50")
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=D("20.00"), is_last=False)
    assert desk.payment(order).left_to_capture == 0
    with pytest.raises(InvalidOperation):
        service.capture(hold, amount=D("1.00"))


# -- refund ----------------------------------------------------------------------------------------------------------


def test_a_refund_gives_back_a_line_and_the_rest_by_amount(desk):
    order = desk.captured("10.00", "20.00")
    debit = desk.debit(order)
    line = order.lines.order_by("pk").first()
    one = desk.do("refund", debit, lines={line.pk: 1}, reason="came broken")
    assert one.amount == line.line_price_incl_tax and events(order)[-1][2] == [1]
    with pytest.raises(InvalidOperation) as refused:
        service.refund(debit, lines={line.pk: 1})
    assert codes(refused) == ["line-quantity"]
    desk.do("refund", debit)
    assert source_of(order) == (D("35.00"), D("35.00"), D("35.00"))
    with pytest.raises(InvalidOperation) as refused:
        service.refund(debit, amount=D("0.01"))
    assert codes(refused) == ["wrong-state"]
    assert desk.rest.status(one.request_id) == "PENDING"


def test_a_refund_of_a_capture_that_was_voided_in_the_business_center_gives_nothing(desk):
    order = desk.captured("64.50")
    debit = desk.debit(order)
    ids = {"reference_number": "BY-HAND", "idempotency_id": "byhand1"}
    assert client.send(calls.void(debit.reference, of=calls.Resource.CAPTURE, **ids)).outcome.succeeded
    refused = service.refund(debit)
    assert (refused.state, refused.rest_reason) == ("refused", "CAPTURE_ALREADY_VOIDED")
    assert source_of(order)[2] == 0


def test_what_lines_cost_has_the_decimals_of_the_currency(desk):
    line = desk.captured("64.50", "10.00").lines.order_by("pk").last()
    line.quantity = 3
    for currency, price in {"KWD": "3.333", "USD": "3.33", "JPY": "3"}.items():
        assert operations_requests.cost_of({line.pk: 1}, {line.pk: line}, currency) == D(price)


def test_the_parts_of_a_line_come_to_what_the_line_costs(desk):
    """Three for 10.01 after a discount, in three parcels, and all three sent back, the second one first."""
    order = desk.order("64.50")
    order.lines.update(quantity=3, line_price_incl_tax=D("10.01"))
    one = {order.lines.get().pk: 1}
    hold = desk.authorization(order)
    taken = [desk.do("capture", hold, lines=one, is_last=number == 2).made for number in range(3)]
    assert [step.amount for step in taken] == [D("3.34"), D("3.33"), D("3.34")]
    given = [desk.do("refund", taken[number], lines=one).made for number in (1, 0, 2)]
    assert [step.amount for step in given] == [D("3.33"), D("3.33"), D("3.34")]
    desk.do("refund", taken[0], amount=D("0.01"))
    assert source_of(order) == (D("69.50"), D("10.01"), D("10.01"))


def test_a_sale_is_refunded_under_the_payments_own_id(desk, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    order = desk.order("64.50")
    debit = desk.debit(order)
    desk.do("refund", debit, amount=D("4.50"))
    assert desk.calls("refunds")[-1].target == f"/pts/v2/payments/{debit.reference}/refunds"
    assert source_of(order) == (D("69.50"), D("69.50"), D("4.50"))


def test_twenty_threads_that_refund_the_last_ten_refund_it_once(desk):
    order = desk.captured("64.50")
    debit = desk.debit(order)
    desk.do("refund", debit, amount=D("59.50"))

    def refund() -> str:
        try:
            return service.refund(debit, amount=D("10.00"), user=desk.staff).state
        except InvalidOperation as refused:
            return refused.problems[0].code

    ended = in_threads(lambda _: refund(), 20)
    assert ended.count("done") == 1 and set(ended) <= {"done", "amount-too-high", "wrong-state"}
    assert source_of(order) == (D("69.50"), D("69.50"), D("69.50"))
    assert len(desk.calls("refunds")) == 2


# -- void and reversal -----------------------------------------------------------------------------------------------


def test_a_capture_is_voided_and_its_hold_can_be_captured_again(desk):
    order = desk.captured("64.50")
    desk.do("void", desk.debit(order))
    assert source_of(order) == (D("69.50"), D("0.00"), D("0.00"))
    assert transactions(order)[1:] == [("Debit", "69.50", "VOIDED"), ("Void", "69.50", "ACCEPT")]
    assert events(order)[-1] == ("Void", "69.50", [1])
    assert desk.payment(order).left_to_capture == D("69.50")
    line = order.lines.get()
    assert line_quantities.quantities(order).left_to_capture(line) == 1


def test_a_refund_is_voided_and_can_be_given_again(desk):
    order = desk.captured("64.50")
    refund = desk.do("refund", desk.debit(order), amount=D("10.00")).made
    desk.do("void", refund)
    assert source_of(order) == (D("69.50"), D("69.50"), D("0.00"))
    assert transactions(order)[-2:] == [("Refund", "10.00", "VOIDED"), ("Refund void", "10.00", "ACCEPT")]
    desk.do("refund", desk.debit(order))
    assert source_of(order)[2] == D("69.50")


def test_a_capture_that_is_in_a_batch_is_not_voided_and_the_failure_is_on_record(desk):
    order = desk.captured("64.50")
    desk.rest.advance(hours=8)
    failed = service.void(desk.debit(order), user=desk.staff)
    assert (failed.state, failed.rest_reason) == ("refused", "NOT_VOIDABLE")
    assert transactions(order)[-1] == ("Void", "69.50", "FAILED")
    assert failed.made.reference in (failed.request_id, failed.reference_number)
    assert source_of(order) == (D("69.50"), D("69.50"), D("0.00"))
    assert "NOT_VOIDABLE" in notes(order)
    desk.do("refund", desk.debit(order))


def test_a_reversal_gives_the_hold_back_and_the_attempt_with_it(desk):
    order = desk.order("64.50")
    done = desk.do("reverse", desk.authorization(order), reason="customer called")
    assert source_of(order) == (D("0.00"), D("0.00"), D("0.00"))
    assert transactions(order) == [("Authorise", "69.50", "REVERSED"), ("Reversal", "69.50", "ACCEPT")]
    assert PaymentAttempt.objects.get(source__order=order).state == "reversed"
    order.refresh_from_db()
    assert order.status == "Authorized"  # shipping or cancelling it is for the shop to decide
    assert desk.rest.status(done.payment_id) == "REVERSED"
    with pytest.raises(InvalidOperation) as refused:
        service.capture(desk.authorization(order))
    assert codes(refused) == ["wrong-state"]


def test_the_rest_of_a_hold_is_left_to_lapse_where_it_cannot_be_released(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=D("20.00"))
    ended = service.reverse(hold, user=desk.staff)
    assert (ended.state, ended.amount) == ("lapsing", D("49.50"))
    assert source_of(order) == (D("20.00"), D("20.00"), D("0.00"))
    assert transactions(order)[-1] == ("Reversal", "49.50", "LAPSING")
    assert transactions(order)[0] == ("Authorise", "69.50", "ACCEPT")


def test_a_hold_that_was_given_back_in_parts_is_given_back(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=D("20.00"))
    assert service.reverse(hold).state == "lapsing"
    desk.do("void", desk.debit(order))
    assert service.reverse(hold).amount == D("20.00")
    assert source_of(order) == (0, 0, 0) and transactions(order)[0] == ("Authorise", "69.50", "REVERSED")
    assert PaymentAttempt.objects.get(source__order=order).state == "reversed"


def reverse_by_hand(payment):
    """Staff reverse a hold in the Business Center."""
    ids = {"reference_number": "BY-HAND", "idempotency_id": "byhand1"}
    money = {"amount": payment.authorized, "currency": payment.currency}
    call = calls.reverse(payment.source.reference, reason="by hand", **money, **ids)
    assert client.send(call).outcome.succeeded


def test_what_was_reversed_in_the_business_center_before_counts_as_done(desk):
    order = desk.order("64.50")
    payment = desk.payment(order)
    reverse_by_hand(payment)
    done = desk.do("reverse", payment.authorization)
    assert done.rest_reason == "AUTH_ALREADY_REVERSED"
    assert source_of(order)[0] == 0


def test_a_second_charge_is_reversed_from_the_list_and_leaves_it(desk):
    order = desk.order("64.50")
    source = Source.objects.get(order=order)
    AttentionItem.objects.create(
        kind=Attention.EXTRA_CHARGE, order=order, transaction_id=source.reference, amount=D("69.50"), currency="USD"
    )
    desk.do("reverse", desk.authorization(order))
    item = AttentionItem.objects.get(kind=Attention.EXTRA_CHARGE)
    assert item.date_cleared and "X1" in item.reason
    # It was no second charge: nothing pays for the order any more, and it is not left so unseen.
    assert AttentionItem.objects.get(date_cleared=None).kind == Attention.UNPAID_REST


def test_a_charge_of_which_something_was_taken_and_kept_stays_listed(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    listed = {"order": order, "transaction_id": hold.reference}
    for kind in (Attention.EXTRA_CHARGE, Attention.DRIFT):
        AttentionItem.objects.create(kind=kind, **listed)
    desk.do("capture", hold, amount=D("20.00"))
    service.reverse(hold)
    assert not AttentionItem.objects.filter(date_cleared__isnull=False).exists()
    desk.do("refund", desk.debit(order))
    left = AttentionItem.objects.filter(date_cleared=None, transaction_id=hold.reference)
    assert left.get().kind == Attention.DRIFT  # only a look clears it


# -- what is not begun -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("-1", "amount-not-positive"),
        ("0", "amount-not-positive"),
        ("NaN", "amount-not-positive"),
        ("Infinity", "amount-not-positive"),
        ("1.001", "amount-too-precise"),
        ("69.51", "amount-too-high"),
        ("1e30", "amount-too-high"),
    ],
)
def test_an_amount_that_makes_no_sense_is_refused_before_anything_is_written(desk, amount, code):
    order = desk.order("64.50")
    with pytest.raises(InvalidOperation) as refused:
        service.capture(desk.authorization(order), amount=D(amount))
    assert codes(refused) == [code] and refused.value.problems[0].field == "amount"
    assert not PaymentOperation.objects.exists() and not desk.calls("captures")


def test_another_currency_is_refused(desk):
    with pytest.raises(InvalidOperation) as refused:
        service.capture(desk.authorization(desk.order()), amount=D("1.00"), currency="EUR")
    assert codes(refused) == ["other-currency"]


def test_a_payment_of_another_app_is_not_touched(desk):
    order = desk.order()
    other = Source.objects.create(order=order, source_type=SourceType.objects.create(name="Cash"), currency="USD")
    cash = Transaction.objects.create(source=other, txn_type="Authorise", amount=D("5.00"), reference="CASH")
    with pytest.raises(InvalidOperation) as refused:
        service.capture(cash)
    assert codes(refused) == ["not-possible"]


def test_a_refund_is_not_asked_of_an_authorization_nor_a_capture_of_a_debit(desk):
    order = desk.captured()
    for operation, on in (("refund", desk.authorization(order)), ("capture", desk.debit(order))):
        with pytest.raises(InvalidOperation) as refused:
            getattr(service, operation)(on)
        assert codes(refused) == ["not-possible"]


def test_what_is_offered_of_a_transaction_is_what_would_not_be_refused(desk, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    sale = desk.order("64.50")
    desk.do("void", desk.debit(sale))
    assert rules.allowed(desk.payment(sale), desk.debit(sale)) == ()  # its hold is reversed, the charge is not
    assert rules.allowed(desk.payment(sale), desk.authorization(sale)) == ("reverse",)
    settings.CYBERSOURCE_FLOW = "one-step"
    order = desk.order("64.50")
    first = desk.do("capture", desk.authorization(order), amount=D("10.00"), is_last=False).made
    desk.do("capture", desk.authorization(order), amount=D("20.00"), is_last=False)
    desk.rest.faults.next("no-answer", action="refunds")
    assert service.refund(first, user=desk.staff).state == "unknown"
    assert desk.payment(order).left_to_refund and rules.allowed(desk.payment(order), first) == ()


def test_whoever_looked_before_somebody_else_acted_is_asked_to_look_again(desk):
    order = desk.order()
    seen = desk.payment(order).version
    desk.do("capture", desk.authorization(order), amount=D("1.00"), is_last=False, seen=seen)
    with pytest.raises(InvalidOperation) as refused:
        service.capture(desk.authorization(order), amount=D("1.00"), seen=seen)
    assert codes(refused) == ["stale"] and len(desk.calls("captures")) == 1


def test_two_who_press_at_once_make_one_call(desk):
    order = desk.order()
    hold, seen = desk.authorization(order), desk.payment(order).version

    def press() -> str:
        try:
            return service.capture(hold, amount=D("10.00"), is_last=False, seen=seen).state
        except InvalidOperation as refused:
            return refused.problems[0].code

    assert sorted(in_threads(lambda _: press(), 2)) == ["done", "stale"]
    assert len(desk.calls("captures")) == 1


def test_the_same_key_is_the_same_operation(desk):
    order = desk.order()
    hold = desk.authorization(order)
    asked = {"amount": D("10.00"), "is_last": False, "key": "form-1"}
    ended = in_threads(lambda _: service.capture(hold, **asked).pk, 4)
    assert len(set(ended)) == 1 and len(desk.calls("captures")) == 1
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, amount=D("11.00"), key="form-1")
    assert codes(refused) == ["key-reused"]
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, amount=D("10.00"), lines={order.lines.get().pk: 1}, key="form-1")
    assert codes(refused) == ["key-reused"]
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, amount=D("10.00"), key="form-" + "1" * 60)
    assert codes(refused) == ["key-too-long"]


def test_a_transaction_without_an_id_of_cybersource_is_not_asked_about(desk):
    """As of another app that called its sources alike."""
    order = desk.order()
    Transaction.objects.filter(source__order=order).update(reference="")
    with pytest.raises(InvalidOperation) as refused:
        service.capture(desk.authorization(order))
    assert codes(refused) == ["not-possible"] and not PaymentOperation.objects.exists()


def test_without_keys_of_the_rest_door_an_operation_says_which_setting_is_missing(desk, settings):
    order = desk.order()
    settings.CYBERSOURCE_REST_KEY_ID = ""
    with pytest.raises(InvalidOperation) as refused:
        service.capture(desk.authorization(order))
    assert codes(refused) == ["not-configured"] and "CYBERSOURCE_REST_KEY_ID" in str(refused.value)
    assert not PaymentOperation.objects.exists()


def test_an_operation_is_not_asked_within_a_transaction(desk):
    order = desk.order()
    with transaction.atomic(), pytest.raises(client.OpenTransaction):
        service.capture(desk.authorization(order))
    assert not PaymentOperation.objects.exists()


# -- what the network does -------------------------------------------------------------------------------------------


def test_an_operation_whose_answer_is_lost_is_unknown_and_holds_back_the_next(desk):
    order = desk.order()
    desk.rest.faults.next("no-answer", action="captures")
    unknown = service.capture(desk.authorization(order), amount=D("60.00"), is_last=False, user=desk.staff)
    assert unknown.state == "unknown" and "being looked up" in notes(order)
    assert source_of(order)[1] == 0
    with pytest.raises(InvalidOperation) as refused:
        service.capture(desk.authorization(order), amount=D("9.51"))
    assert codes(refused) == ["amount-too-high"]
    with pytest.raises(InvalidOperation) as refused:
        service.reverse(desk.authorization(order))
    assert codes(refused) == ["under-way"]


def test_an_operation_that_never_left_may_be_tried_again(desk, settings):
    order = desk.order()
    there = settings.CYBERSOURCE_REST_ENDPOINT
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    lost = service.capture(desk.authorization(order))
    assert lost.state == "not-sent" and transactions(order)[-1] == ("Debit", "69.50", "FAILED")
    settings.CYBERSOURCE_REST_ENDPOINT = there
    desk.do("capture", desk.authorization(order))
    assert source_of(order)[1] == D("69.50")


def test_what_is_refused_moves_nothing_and_names_the_reason(desk):
    order = desk.order()
    desk.rest.faults.next("unauthorized", action="captures")
    refused = service.capture(desk.authorization(order))
    assert refused.state == "refused" and source_of(order)[1] == 0
    assert desk.payment(order).left_to_capture == D("69.50")


def test_an_ending_that_is_told_twice_is_recorded_once(desk):
    order = desk.order()
    desk.rest.faults.next("no-answer", action="captures")
    unknown = service.capture(desk.authorization(order))
    ending = results.OperationResult(state=service.State.DONE, request_id="73" + "0" * 20, status="PENDING")
    told = in_threads(lambda _: results.conclude(unknown.pk, ending).state, 8)
    assert told == ["done"] * 8
    assert source_of(order)[1] == D("69.50") and len(transactions(order)) == 2


def test_the_end_of_an_operation_is_announced_once_and_a_raising_receiver_harms_nothing(desk):
    order, heard = desk.order(), []

    def receiver(sender, order, operation, **kwargs):
        heard.append((order.number, operation.kind, operation.state))
        raise RuntimeError("a shop's own mistake")

    signals.operation_ended.connect(receiver)
    try:
        desk.do("capture", desk.authorization(order))
    finally:
        signals.operation_ended.disconnect(receiver)
    assert heard == [(order.number, "capture", "done")]


def test_no_call_of_an_operation_leaves_before_its_row_is_committed(desk, monkeypatch):
    order = desk.order()
    seen, send = [], requests.Session.send

    def rows() -> list[Any]:
        operations_there = PaymentOperation.objects.values_list("reference_number", "state")
        return [*operations_there, *CyberSourceReply.objects.exclude(operation=None).values_list("outcome", flat=True)]

    def look_and_send(session: Any, request: Any, **how: Any) -> Any:
        seen.extend(at_once(rows))  # another connection sees what is committed
        return send(session, request, **how)

    monkeypatch.setattr(requests.Session, "send", look_and_send)
    desk.do("capture", desk.authorization(order))
    assert seen == [[(f"{order.number}-C1", "sent"), ""]]
    operation = PaymentOperation.objects.get()
    asked = CyberSourceReply.objects.get(operation=operation)
    assert operation.date_created <= asked.date_created
    assert desk.calls("captures")[0].reference == operation.reference_number == f"{order.number}-C1"
    assert desk.calls("captures")[0].idempotency_id == operation.idempotency_id


def test_a_capture_that_minds_it_is_refused_once_the_order_was_cancelled(desk):
    order = desk.order()
    hold = desk.authorization(order)
    Order.objects.filter(pk=order.pk).update(status="Canceled")
    with pytest.raises(InvalidOperation) as refused:
        service.capture(hold, user=desk.staff, key="k", even_if_cancelled=False)
    assert [one.code for one in refused.value.problems] == ["order-cancelled"]
    assert not PaymentOperation.objects.exists() and not desk.calls("captures")
    done = service.capture(hold, user=desk.staff, key="k")
    assert done.state == "done" and service.capture(hold, user=desk.staff, key="k", even_if_cancelled=False) == done


def test_every_kind_of_operation_has_its_rule():
    assert set(rules.RULES) == set(PaymentOperation.Kind)
