"""An operation whose end nobody heard of ends all the same: found, taken back, or never arrived; sent twice never."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from cybersource import gateway
from cybersource.dashboard import operation_texts
from cybersource.models import Attention, AttentionItem, PaymentOperation
from cybersource.operations import requests, service, stored_card
from cybersource.operations.operation_request import OperationRequest
from cybersource.payments import line_quantities, operation_queue, orders
from cybersource.payments.errors import InvalidOperation
from cybersource.protocol.rest import Resource, calls
from cybersource.reconciliation import attempts, run
from cybersource.reconciliation import operations as unknown_operations
from cybersource.simulator import cards
from cybersource.simulator.rest import RestAccess, reporting
from tests.support.desk import Order, notes, source_of, transactions
from tests.support.shop import Shopper, post_notification
from tests.support.threads import in_threads

D = Decimal


def recover(desk, **later):
    """What ``cybersource_reconcile`` does about operations, after so long a time."""
    return unknown_operations.recover(at=desk.rest.advance(**later) if later else desk.rest.now())


def lose(desk, fault, action, operation, on, **asked):
    """An operation whose answer does not come."""
    desk.rest.faults.next(fault, action=action)
    unknown = getattr(service, operation)(on, user=desk.staff, **asked)
    assert unknown.state == "unknown"
    return unknown


def fresh(operation):
    return PaymentOperation.objects.get(pk=operation.pk)


# -- what arrived is found --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["no-answer", "broken-off", "html", "server-timeout", "unknown-status"])
def test_a_capture_that_arrived_is_found_by_its_reference_number_and_recorded_once(desk, fault):
    order = desk.order("64.50")
    lost = lose(desk, fault, "captures", "capture", desk.authorization(order), amount=D("20.00"), is_last=False)
    assert recover(desk, seconds=11) == {"found out": 1}
    found = fresh(lost)
    assert (found.state, found.made.amount, found.made.reference) == ("done", D("20.00"), found.request_id)
    assert desk.rest.status(found.request_id) == "PENDING"
    assert source_of(order) == (D("69.50"), D("20.00"), D("0.00"))
    assert recover(desk, days=30) == {}
    assert len(desk.calls("captures")) == 1 and len(transactions(order)) == 2


@pytest.mark.quick
def test_refunds_voids_and_reversals_that_arrived_are_found_as_well(desk):
    order = desk.captured("64.50")
    refund = lose(desk, "no-answer", "refunds", "refund", desk.debit(order), amount=D("9.50"))
    recover(desk, seconds=11)
    void = lose(desk, "no-answer", "voids", "void", fresh(refund).made)
    recover(desk, seconds=11)
    assert source_of(order) == (D("69.50"), D("69.50"), D("0.00"))
    other = desk.order("64.50")
    reversal = lose(desk, "no-answer", "reversals", "reverse", desk.authorization(other))
    recover(desk, seconds=11)
    assert source_of(other)[0] == 0
    assert [fresh(one).state for one in (refund, void, reversal)] == ["done"] * 3
    assert [len(desk.calls(kind)) for kind in ("refunds", "voids", "reversals")] == [1, 1, 1]


def test_what_the_search_does_not_know_yet_is_looked_for_later_and_less_and_less_often(desk):
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(minutes=12)))
    order = desk.order("64.50")
    lost = lose(desk, "no-answer", "captures", "capture", desk.authorization(order))
    assert recover(desk, seconds=5) == {}
    looked = [recover(desk, seconds=30) == {"still unknown": 1} for _again in range(14)]
    assert sum(looked) == 3 and fresh(lost).look_ups == 3  # at 10 seconds, a minute and five minutes
    assert recover(desk, minutes=9) == {"found out": 1}
    assert fresh(lost).state == "done" and len(desk.calls("searches")) == 4


def test_what_cybersource_does_not_say_the_end_of_is_looked_for_every_week_until_it_does(desk):
    """CyberSource has it, and does not say how it ended."""
    order = desk.order("64.50")
    lost = lose(desk, "no-answer", "captures", "capture", desk.authorization(order))
    (there,) = [one for one in desk.rest.transactions if one.kind == "capture"]
    there.reason_code = "236"  # the processor failed, after the bank may have been asked
    for days in (1, 1, 1, 4, 7, 7, 7):
        before = len(desk.calls("searches"))
        recover(desk, days=days)
        assert len(desk.calls("searches")) > before, days
    recover(desk, days=6)
    there.reason_code = "100"
    assert recover(desk, days=1) == {"found out": 1}
    assert fresh(lost).state == "done" and not AttentionItem.objects.filter(date_cleared=None).exists()


def test_a_process_that_died_between_the_commit_and_the_answer_is_not_waited_for(desk):
    order = desk.order("64.50")
    begun = requests.begin(OperationRequest(kind=service.Kind.CAPTURE, transaction=desk.authorization(order).pk))
    gateway.send(begun.call, order=order, operation=begun.operation)
    assert recover(desk, seconds=60) == {}  # its answer may still come
    assert recover(desk, seconds=61) == {"found out": 1}
    assert source_of(order)[1] == D("69.50") and len(desk.calls("captures")) == 1


# -- what did not arrive ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "action"), [("capture", "captures"), ("refund", "refunds")])
@pytest.mark.parametrize("fault", ["lost", "no-answer"])
def test_what_shows_nowhere_and_cannot_be_voided_stays_in_doubt_and_is_listed(desk, operation, action, fault):
    """Not voidable is what never arrived and what went to the bank, and an empty search proves nothing."""
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(days=25), batch_after=timedelta(minutes=1)))
    order = desk.order("64.50") if operation == "capture" else desk.captured("64.50")
    on = desk.authorization(order) if operation == "capture" else desk.debit(order)
    before = source_of(order)
    lost = lose(desk, fault, action, operation, on)
    for later in ({"minutes": 16}, {"minutes": 45}, {"days": 1}, {"days": 1}, {"days": 5}, {"days": 7}):
        recover(desk, **later)
        assert fresh(lost).state == "unknown" and source_of(order) == before
    assert "never reached CyberSource" not in notes(order)
    assert AttentionItem.objects.get(date_cleared=None).kind == Attention.UNKNOWN_OPERATION
    taken_back = [call for call in desk.rest.calls if call.target == "/pts/v2/voids"]
    assert {call.idempotency_id for call in taken_back} == {lost.idempotency_id}
    with pytest.raises(InvalidOperation):
        getattr(service, operation)(on)
    recover(desk, days=14)
    assert fresh(lost).state == ("done" if fault == "no-answer" else "unknown")


def test_a_refund_that_went_to_the_bank_before_the_search_knew_it_is_found_and_not_given_twice(desk):
    order = desk.captured("64.50")
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(hours=10)))
    lost = lose(desk, "no-answer", "refunds", "refund", desk.debit(order))
    desk.rest.advance(hours=7)  # the batch has run, and the search knows nothing of it
    assert recover(desk) == {"still unknown": 1} and fresh(lost).state == "unknown"
    assert recover(desk, days=1) == {"found out": 1}
    assert fresh(lost).state == "done" and source_of(order)[2] == D("69.50")


@pytest.mark.parametrize(("operation", "action"), [("capture", "captures"), ("refund", "refunds")])
def test_what_arrived_and_cannot_be_found_is_taken_back_by_its_own_id_and_nothing_else_is(desk, operation, action):
    """A search index that lags for a day: the only safe end is that nothing happened."""
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(days=1)))
    order = desk.order("64.50") if operation == "capture" else desk.captured("64.50")
    on = desk.authorization(order) if operation == "capture" else desk.debit(order)
    desk.do(operation, on, amount=D("5.00"), **({"is_last": False} if operation == "capture" else {}))
    before = source_of(order)
    lost = lose(desk, "no-answer", action, operation, on, amount=D("10.00"))
    assert recover(desk, minutes=16) == {"found out": 1}
    assert fresh(lost).state == "undone" and source_of(order) == before
    there = {one.amount: one.undone for one in desk.rest.transactions if one.kind == operation}
    assert (there[D("5.00")], there[D("10.00")]) == ("", "VOIDED")


def test_a_void_that_never_arrived_shows_on_what_it_was_to_undo_and_is_not_sent_again(desk):
    order = desk.captured("64.50")
    lost = lose(desk, "lost", "voids", "void", desk.debit(order))
    assert recover(desk, minutes=5) == {"still unknown": 1}
    assert recover(desk, minutes=11) == {"found out": 1}
    assert fresh(lost).state == "not-sent" and len(desk.calls("voids")) == 1
    desk.do("void", desk.debit(order))


def test_the_lines_of_a_capture_whose_void_only_shows_on_it_can_be_captured_again(desk):
    order = desk.order("64.50")
    line = order.lines.get()
    desk.do("capture", desk.authorization(order), lines={line.pk: 1}, is_last=False)
    lost = lose(desk, "lost", "voids", "void", desk.debit(order))
    ids = {"reference_number": "BY-HAND", "idempotency_id": "byhand1"}
    by_hand = calls.void(lost.payment_id, of=Resource.CAPTURE, **ids)
    assert gateway.send(by_hand).outcome.succeeded
    assert recover(desk, seconds=11) == {"found out": 1}
    assert fresh(lost).state == "done"
    assert line_quantities.quantities(order).left_to_capture(line) == 1


def test_a_decision_of_which_a_reviewer_told_meanwhile_is_not_asked_for_again(desk):
    order = desk.order(card=cards.REVIEW)
    lost = lose(desk, "lost", "actions", "accept_review", desk.authorization(order))
    update = desk.simulator.gateway.decide(desk.simulator.payments[-1].id, "ACCEPT", reviewer="lena.review")
    assert post_notification(update.body).status_code == 200
    assert recover(desk, seconds=11) == {"found out": 1}
    assert fresh(lost).state == "done" and len(desk.calls("actions")) == 1
    desk.do("capture", desk.authorization(order))


def test_a_reversal_that_only_shows_on_its_hold_is_done(desk):
    """Found by no reference number, as when staff pressed the same button in the Business Center."""
    order = desk.order("64.50")
    lost = lose(desk, "lost", "reversals", "reverse", desk.authorization(order))
    ids = {"reference_number": "BY-HAND", "idempotency_id": "byhand1"}
    by_hand = calls.reverse(lost.payment_id, amount=D("69.50"), currency="USD", reason="by hand", **ids)
    assert gateway.send(by_hand).outcome.succeeded
    assert recover(desk, seconds=11) == {"found out": 1}
    assert fresh(lost).state == "done" and source_of(order)[0] == 0


def test_nothing_is_concluded_from_a_gateway_that_does_not_answer_and_staff_are_asked_in_the_end(desk, settings):
    order = desk.order("64.50")
    lost = lose(desk, "no-answer", "captures", "capture", desk.authorization(order))
    there = settings.CYBERSOURCE_REST_ENDPOINT
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    assert recover(desk, hours=2) == {"no answer, next time": 1}
    assert fresh(lost).state == "unknown" and not AttentionItem.objects.exists()
    for _again in range(2):
        assert recover(desk, days=1) == {"no answer, next time": 1}
    item = AttentionItem.objects.get()
    assert (item.kind, item.operation, item.order) == (Attention.UNKNOWN_OPERATION, lost, order)
    assert item.reference_number == lost.reference_number and lost.reference_number in notes(order)
    settings.CYBERSOURCE_REST_ENDPOINT = there
    assert recover(desk) == {"found out": 1}
    item.refresh_from_db()
    assert fresh(lost).state == "done" and item.date_cleared and item.reason == "How it ended was found out."


@pytest.mark.parametrize("fault", ["throttled", "unauthorized", "forbidden", "system-error", "lost"])
def test_an_answer_that_says_nothing_about_the_call_itself_leaves_a_capture_in_doubt(desk, fault):
    order = desk.order("64.50")
    lost = lose(desk, "lost", "captures", "capture", desk.authorization(order))
    desk.rest.faults.next(fault, action="voids")
    assert recover(desk, hours=2) == {"no answer, next time": 1}
    assert fresh(lost).state == "unknown"
    # That it cannot be voided is said of what a batch took away as well: staff have to look.
    assert recover(desk, days=1) == {"still unknown, staff asked": 1}
    assert fresh(lost).state == "unknown"


# -- only what is proven is believed -----------------------------------------------------------------------------------


def there(desk, kind):
    (found,) = [one for one in desk.rest.transactions if one.kind == kind]
    return found


@pytest.mark.parametrize(
    ("kind", "action", "operation"),
    [
        ("capture", "captures", "capture"),
        ("refund", "refunds", "refund"),
        ("reversal", "reversals", "reverse"),
    ],
)
@pytest.mark.parametrize(
    "change", [{"amount": D("69.49"), "asked": D("69.49")}, {"currency": "EUR"}, {"root": "7300000000000000000001"}]
)
def test_what_has_the_number_of_an_operation_and_not_its_money_or_payment_is_a_question_for_staff(
    desk, kind, action, operation, change
):
    order = desk.captured("64.50") if kind == "refund" else desk.order("64.50")
    lost = lose(
        desk, "no-answer", action, operation, desk.debit(order) if kind == "refund" else desk.authorization(order)
    )
    made = there(desk, kind)
    right = {name: getattr(made, name) for name in change}
    payment = next(one for one in desk.rest.transactions if one.id == made.root)
    payment.undone = ""  # nothing else says what became of it
    books = transactions(order)
    for name, value in change.items():
        setattr(made, name, value)
    for later in ({"seconds": 11}, {"hours": 2}, {"days": 2}):
        recover(desk, **later)
        assert fresh(lost).state == "unknown" and transactions(order) == books
    item = AttentionItem.objects.get()
    assert (item.kind, item.operation, item.date_cleared) == (Attention.UNKNOWN_OPERATION, lost, None)
    assert not [call for call in desk.rest.calls if call.target == "/pts/v2/voids"], "nothing is taken back on a guess"
    for name, value in right.items():
        setattr(made, name, value)
    assert recover(desk, days=7) == {"found out": 1}
    item.refresh_from_db()
    assert fresh(lost).state == "done" and item.date_cleared


def test_a_row_of_the_search_that_names_no_service_is_looked_up(desk, monkeypatch):
    summary = reporting._summary
    monkeypatch.setattr(reporting, "_summary", lambda each: {**summary(each), "applicationInformation": {}})
    order = desk.order("64.50")
    lost = lose(desk, "no-answer", "captures", "capture", desk.authorization(order))
    assert recover(desk, seconds=11) == {"found out": 1} and fresh(lost).state == "done"
    shopper = Shopper(gateway=desk.simulator.gateway)
    unheard = shopper.check_out("64.50")
    shopper.deliver(shopper.submit())
    shopper.submit()
    assert attempts.adopt_lost(at=desk.rest.advance(minutes=6)) == {"answers found and settled": 1}
    assert Order.objects.get(pk=unheard.pk).status == "Authorized"


def test_of_two_under_one_number_the_one_that_fits_is_it(desk):
    order, other = desk.order("64.50"), desk.order("30.00")
    lost = lose(desk, "no-answer", "captures", "capture", desk.authorization(order), amount=D("20.00"))
    stranger = desk.simulator.gateway.business_center.capture(desk.authorization(other).reference, "20.00")
    next(one for one in desk.rest.transactions if one.id == stranger.id).reference = lost.reference_number
    assert recover(desk, seconds=11) == {"found out": 1}
    assert (fresh(lost).state, source_of(order)[1], source_of(other)[1]) == ("done", D("20.00"), D("0.00"))
    assert fresh(lost).request_id != stranger.id


def test_on_a_shared_account_what_another_shop_did_under_the_same_number_is_not_the_operation(desk, settings):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    order, other = desk.order("64.50"), desk.order("64.50")
    lost = lose(desk, "lost", "captures", "capture", desk.authorization(order), amount=D("20.00"))
    stranger = desk.simulator.gateway.business_center.capture(desk.authorization(other).reference, "20.00")
    next(one for one in desk.rest.transactions if one.id == stranger.id).reference = lost.reference_number
    for later in ({"hours": 2}, {"days": 1}):
        recover(desk, **later)
    assert fresh(lost).state == "unknown" and source_of(order)[1] == 0
    assert AttentionItem.objects.get(date_cleared=None).kind == Attention.UNKNOWN_OPERATION


def test_a_charge_by_a_stored_card_is_found_on_a_shared_account_by_its_token_only(desk, buyer, settings):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    authorize(desk, buyer, "no-answer")
    order, operation = buyer.order, PaymentOperation.objects.get()
    made = [one for one in desk.rest.transactions if one.kind == "authorization"][-1]
    card, made.card = made.card, replace(made.card, token="ANOTHERS")
    recover(desk, seconds=11)
    assert fresh(operation).state == "unknown" and transactions(order) == []
    made.card = card
    recover(desk, minutes=2)
    assert fresh(operation).state == "done" and transactions(order) == [("Authorise", "69.50", "ACCEPT")]


# -- an answer that teaches nothing ------------------------------------------------------------------------------------


@pytest.fixture
def never_taken_back(desk, monkeypatch):
    """An account that takes nothing back: every time-out void is refused, for the account and not for the call."""

    def refuse(call, *args):
        raise call.refusal("INVALID_MERCHANT_CONFIGURATION", "Not enabled for this account.")

    services = desk.rest._routes
    monkeypatch.setattr(
        desk.rest,
        "_routes",
        [(method, path, refuse if path.pattern == "/pts/v2/voids" else answer) for method, path, answer in services],
    )


def test_operations_that_cannot_be_taken_back_keep_nothing_behind_them_waiting(desk, never_taken_back):
    lost = [lose(desk, "lost", "captures", "capture", desk.authorization(desk.order("64.50"))) for _number in range(4)]
    found = lose(desk, "no-answer", "captures", "capture", desk.authorization(desk.order("64.50")))
    shopper = Shopper(gateway=desk.simulator.gateway)
    unheard = shopper.check_out("64.50")
    shopper.deliver(shopper.submit())
    shopper.submit()
    PaymentOperation.objects.filter(pk=found.pk).update(date_looked_up=desk.rest.now())
    report = run.reconcile(at=desk.rest.advance(hours=2))
    assert report.is_complete, report.problems
    assert dict(+report.counts["operations"]) == {"still unknown": 4, "found out": 1}
    assert "books" in report.counts and fresh(found).state == "done"
    assert Order.objects.get(pk=unheard.pk).status == "Authorized"
    assert {fresh(one).state for one in lost} == {"unknown"}
    assert run.reconcile(at=desk.rest.advance(days=1)).counts["operations"]["still unknown, staff asked"] == 4
    assert AttentionItem.objects.filter(kind=Attention.UNKNOWN_OPERATION, date_cleared=None).count() == 4
    calls = len(desk.rest.calls)
    assert run.reconcile(at=desk.rest.now()).is_complete
    assert len(desk.rest.calls) - calls == 3, "what was answered is not asked again at once"


def test_some_that_get_no_answer_do_not_pass_for_a_gateway_that_is_away(desk):
    lost = [lose(desk, "lost", "captures", "capture", desk.authorization(desk.order("64.50"))) for _number in range(4)]
    for _each in range(3):
        desk.rest.faults.next("system-error", action="voids")
    report = run.reconcile(at=desk.rest.advance(hours=2))
    assert dict(+report.counts["operations"]) == {"no answer, next time": 3, "still unknown": 1}
    assert "books" in report.counts
    assert [fresh(one).look_ups for one in lost] == [0, 0, 0, 5]
    assert recover(desk, days=1) == {"still unknown, staff asked": 4}


def test_what_was_not_looked_for_longest_is_looked_for_first(desk):
    lost = [
        lose(desk, "no-answer", "captures", "capture", desk.authorization(desk.order("64.50"))) for _number in range(3)
    ]
    now = desk.rest.now()
    for one, minutes in zip(lost, (1, 3, None), strict=True):
        looked = now - timedelta(minutes=minutes) if minutes else None
        PaymentOperation.objects.filter(pk=one.pk).update(date_looked_up=looked)
    assert [one.pk for one in unknown_operations.in_state("unknown")] == [lost[2].pk, lost[1].pk, lost[0].pk]


# -- what waits to be sent --------------------------------------------------------------------------------------------


def queued(desk, order, *, recorded=True):
    authorization = desk.authorization(order)
    with service.transaction.atomic():
        return operation_queue.queue(
            orders.locked(order.pk),
            service.Kind.REVERSE,
            payment_id=authorization.reference,
            amount=authorization.amount,
            currency="USD",
            reason="paid twice",
            transaction=authorization if recorded else None,
        )


@pytest.mark.parametrize("recorded", [True, False])
def test_what_waits_is_sent_once_by_whoever_comes_first(desk, recorded):
    order = desk.order("64.50")
    operation = queued(desk, order, recorded=recorded)
    ended = in_threads(lambda _: recover(desk)["sent"], 4)
    assert sum(ended) == 1 and len(desk.calls("reversals")) == 1
    assert fresh(operation).state == "done"
    assert desk.rest.status(operation.payment_id) == "REVERSED"
    assert source_of(order)[0] == (0 if recorded else D("69.50"))


def test_whoever_claimed_what_waits_and_died_leaves_it_to_be_looked_for(desk):
    order = desk.order("64.50")
    operation = queued(desk, order)
    PaymentOperation.objects.filter(pk=operation.pk).update(state="sent", date_sent=desk.rest.now())
    assert recover(desk, minutes=3) == {"still unknown": 1}
    assert recover(desk, minutes=14) == {"found out": 1}
    assert fresh(operation).state == "queued" and not desk.calls("reversals")
    assert recover(desk) == {"sent": 1} and fresh(operation).state == "done"


def test_what_cybersource_has_no_time_for_is_sent_again_and_staff_are_told_to_try_again(desk):
    order = desk.order("64.50")
    operation = queued(desk, order)
    desk.rest.faults.next("throttled", action="reversals")
    assert recover(desk) == {"sent": 1}
    assert (fresh(operation).state, len(desk.calls("reversals"))) == ("queued", 1)
    assert recover(desk) == {"sent": 1} and fresh(operation).state == "done"
    desk.rest.faults.next("throttled", action="captures")
    asked = service.capture(desk.authorization(desk.order("64.50")), user=desk.staff)
    ending = operation_texts.of(asked)
    assert (
        asked.state == "refused"
        and "No money was moved. CyberSource received too many requests in a short time" in ending.what
    )
    assert "Try it again in some minutes." in ending.advice


def test_one_that_fails_keeps_none_of_the_others_waiting(desk):
    bad, good = desk.order("64.50"), desk.order("64.50")
    first, second = queued(desk, bad), queued(desk, good)
    PaymentOperation.objects.filter(pk=first.pk).update(payment_id="../../payments")
    assert recover(desk) == {"sent": 2}
    assert (fresh(first).state, fresh(first).rest_reason) == ("refused", "id")
    assert fresh(second).state == "done"


def test_a_dry_run_asks_nothing_and_changes_nothing(desk):
    order = desk.order("64.50")
    lose(desk, "no-answer", "captures", "capture", desk.authorization(order), amount=D("5.00"))
    queued(desk, desk.order("64.50"))
    calls = len(desk.rest.calls)
    told = unknown_operations.recover(at=desk.rest.advance(hours=2), dry_run=True)
    assert told == {"would be sent": 1, "would be looked up": 1}
    assert len(desk.rest.calls) == calls


# -- cards that the server authorizes ---------------------------------------------------------------------------------


@pytest.fixture
def buyer(desk, settings) -> Shopper:
    """Who has stored a card, pressed "pay", and waits for the server to authorize it."""
    settings.CYBERSOURCE_FLOW = "token-then-server"
    shopper = Shopper(gateway=desk.simulator.gateway)
    shopper.order = shopper.check_out("64.50")
    shopper.deliver(shopper.submit())
    return shopper


def authorize(desk, buyer, fault):
    desk.rest.faults.next(fault, action="payments")
    assert stored_card.authorize_step(buyer.attempt()).state == "unknown"


def test_an_authorization_that_arrived_is_found_and_pays_its_order(desk, buyer, mailoutbox):
    authorize(desk, buyer, "no-answer")
    assert recover(desk, seconds=11) == {"found out": 1}
    assert PaymentOperation.objects.get().state == "done" and buyer.attempt().state == "authorized"
    assert Order.objects.get().status == "Authorized" and len(mailoutbox) == 1
    assert transactions(buyer.order) == [("Authorise", "69.50", "ACCEPT")]
    desk.do("capture", desk.authorization(buyer.order))


def test_an_authorization_that_cannot_be_found_is_reversed_by_its_own_id_and_the_shopper_may_pay_again(desk, buyer):
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(days=1)))
    authorize(desk, buyer, "no-answer")
    assert recover(desk, minutes=16) == {"found out": 1}
    assert PaymentOperation.objects.get().state == "undone" and buyer.attempt().state == "failed"
    assert [one.undone for one in desk.rest.transactions if one.kind == "authorization"] == ["REVERSED"]
    assert Order.objects.get().status == "Payment Declined" and transactions(buyer.order) == []


def test_an_authorization_that_never_arrived_ends_as_one(desk, buyer):
    authorize(desk, buyer, "lost")
    assert recover(desk, minutes=20) == {"still unknown": 1}
    assert recover(desk, minutes=41) == {"found out": 1}
    assert PaymentOperation.objects.get().state == "not-sent" and buyer.attempt().state == "failed"
    assert Order.objects.get().status == "Payment Declined"


# -- decisions about reviews ------------------------------------------------------------------------------------------


def test_a_decision_whose_answer_was_lost_is_read_in_the_report(desk):
    order = desk.order("64.50", card=cards.REVIEW)
    lost = lose(desk, "no-answer", "actions", "accept_review", desk.authorization(order))
    desk.rest.faults.next("lost", action="conversion-details")
    assert recover(desk, seconds=11) == {"no answer, next time": 1}
    assert recover(desk) == {"found out": 1}
    assert fresh(lost).state == "done" and Order.objects.get().status == "Authorized"
    assert len(desk.calls("actions")) == 1


def test_another_reviewers_decision_stands_and_one_that_never_arrived_may_be_made_again(desk, settings):
    settings.CYBERSOURCE_AUTO_REVERSE = ()
    order = desk.order("64.50", card=cards.REVIEW)
    other = lose(desk, "lost", "actions", "accept_review", desk.authorization(order))
    desk.simulator.gateway.decide(desk.simulator.payments[-1].id, "REJECT", reviewer="lena.review")
    assert recover(desk, seconds=11) == {"found out": 1}
    assert fresh(other).state == "declined" and Order.objects.get().status == "Payment Declined"
    again = desk.order("64.50", card=cards.REVIEW)
    lost = lose(desk, "lost", "actions", "accept_review", desk.authorization(again))
    assert recover(desk, minutes=30) == {"still unknown": 1}
    assert recover(desk, minutes=31) == {"found out": 1}
    assert fresh(lost).state == "not-sent"
    desk.do("accept_review", desk.authorization(again))
