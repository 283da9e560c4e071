"""An operation in doubt outlives what is around it: its order, its keys, the process that looks for it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import OperationalError

from cybersource.gateway.lookup import NO_ANSWER, GatewayNoAnswer, GatewayUnavailable
from cybersource.models import (
    Attention,
    AttentionItem,
    CyberSourceReply,
    PaymentOperation,
    PaymentToken,
    WebhookDelivery,
)
from cybersource.operations import results, service, stored_card
from cybersource.payments import expiry, operation_queue
from cybersource.protocol.rest import Unknown, UnknownReason
from cybersource.reconciliation import comparison, webhook_events
from cybersource.reconciliation import operations as unknown_operations
from cybersource.simulator.rest import RestAccess
from tests.support.desk import Order, source_of
from tests.support.shop import Shopper, card

D = Decimal

CHANGES = {
    "merchant": {"CYBERSOURCE_MERCHANT_ID": "another_shop"},
    "environment": {"CYBERSOURCE_ENVIRONMENT": "production"},
    "key": {"CYBERSOURCE_REST_KEY_ID": "", "CYBERSOURCE_REST_SHARED_SECRET": ""},
    "endpoint": {"CYBERSOURCE_REST_ENDPOINT": "http://127.0.0.1:1"},
}


def fresh(operation):
    return PaymentOperation.objects.get(pk=operation.pk)


def lost_capture(desk, fault="no-answer", **asked):
    order = desk.order("64.50")
    desk.rest.faults.next(fault, action="captures")
    return order, service.capture(desk.authorization(order), user=desk.staff, **asked)


def listed() -> list[str]:
    return list(AttentionItem.objects.filter(date_cleared=None).values_list("kind", flat=True))


def in_a_day(operation) -> None:
    """A day passes, on the rows."""
    PaymentOperation.objects.filter(pk=operation.pk).update(
        date_sent=operation.date_sent - timedelta(days=1), date_created=operation.date_created - timedelta(days=1)
    )


# -- what is around it goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deleted", ["order", "source"])
def test_an_operation_in_doubt_outlives_its_order_and_its_source(desk, deleted):
    order, lost = lost_capture(desk)
    number = order.number
    (order if deleted == "order" else order.sources.get()).delete()
    unknown_operations.recover(at=desk.rest.advance(seconds=11))
    found = fresh(lost)
    assert (found.state, found.order_number, found.merchant_id) == ("done", number, "acme_shop")
    assert listed() == [Attention.ORPHAN]  # taken, for nothing that the shop still has
    item = AttentionItem.objects.get()
    assert (item.transaction_id, item.amount) == (found.request_id, D("69.50"))


@pytest.mark.parametrize("fault", ["lost", "no-answer"])
def test_a_payment_by_stored_card_in_doubt_outlives_its_order(desk, settings, fault):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    buyer = Shopper(gateway=desk.simulator.gateway)
    order = buyer.check_out("64.50")
    buyer.deliver(buyer.submit(card()))
    desk.rest.faults.next(fault, action="payments")
    lost = stored_card.authorize_step(buyer.attempt())
    assert lost.state == "unknown"
    Order.objects.filter(pk=order.pk).get().delete()
    for later in ({"seconds": 11}, {"minutes": 20}, {"hours": 1}):
        unknown_operations.recover(at=desk.rest.advance(**later))
    assert fresh(lost).state == ("done" if fault == "no-answer" else "not-sent")
    assert listed() == ([Attention.ORPHAN] if fault == "no-answer" else [])


@pytest.mark.parametrize("changed", CHANGES)
def test_whatever_changes_it_is_never_taken_for_not_arrived_and_is_listed_after_a_day(desk, settings, changed):
    _order, lost = lost_capture(desk)
    before = {name: getattr(settings, name) for name in CHANGES[changed]}
    for name, value in CHANGES[changed].items():
        setattr(settings, name, value)
    calls = len(desk.rest.calls)
    for later in ({"seconds": 11}, {"minutes": 20}, {"hours": 2}):
        unknown_operations.recover(at=desk.rest.advance(**later))
    assert fresh(lost).state == "unknown" and not listed() and len(desk.rest.calls) == calls
    in_a_day(lost)
    call_command("cybersource_expire_attempts", verbosity=0)
    call_command("cybersource_expire_attempts", verbosity=0)
    assert listed() == [Attention.UNKNOWN_OPERATION]
    for name, value in before.items():
        setattr(settings, name, value)
    unknown_operations.recover(at=desk.rest.advance(days=1))
    assert fresh(lost).state == "done" and not listed()


def test_each_operation_and_call_keeps_for_whom_and_where_it_was_made(desk, settings):
    _order, lost = lost_capture(desk)
    there = (settings.CYBERSOURCE_MERCHANT_ID, "test", settings.CYBERSOURCE_REST_ENDPOINT.rstrip("/"))
    for row in (lost, *CyberSourceReply.objects.all()):
        assert (row.merchant_id, row.environment, row.endpoint) == there


# -- the look itself breaks off ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), OperationalError("gone"), RuntimeError("a bug")])
def test_a_look_that_was_broken_off_is_due_again(desk, monkeypatch, problem):
    _order, lost = lost_capture(desk)

    def breaks_off(*args):
        raise problem

    with monkeypatch.context() as patched:
        patched.setattr(unknown_operations, "find_out", breaks_off)
        with pytest.raises(type(problem)):
            unknown_operations.look_for(fresh(lost), desk.rest.advance(seconds=11))
    assert unknown_operations.recover(at=desk.rest.advance(minutes=3)) == {"found out": 1}
    assert fresh(lost).state == "done"


def test_what_cannot_be_recorded_is_listed_after_a_day(desk, monkeypatch):
    _order, lost = lost_capture(desk)

    def breaks(*args, **kwargs):
        raise OperationalError("a column is missing")

    monkeypatch.setattr(results, "record", breaks)
    in_a_day(lost)
    assert unknown_operations.recover(at=desk.rest.advance(minutes=1)) == {"failed, next time": 1}
    assert fresh(lost).state == "unknown" and listed() == [Attention.UNKNOWN_OPERATION]


# -- what is undone is undone by the call that can ---------------------------------------------------------------------


def lost_by_stored_card(desk, settings, *, capture, fault):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    buyer = Shopper(gateway=desk.simulator.gateway)
    order = buyer.check_out("64.50")
    buyer.deliver(buyer.submit(card()))
    expiry.expire(at=desk.rest.now() + timedelta(hours=2))
    desk.rest.faults.next(fault, action="payments")
    lost = stored_card.authorize(order, PaymentToken.objects.get(), capture=capture, user=desk.staff)
    assert (lost.state, lost.is_sale) == ("unknown", capture)
    return order, lost


@pytest.mark.parametrize(
    ("capture", "undoing"), [(True, ["/pts/v2/voids", "/pts/v2/reversals"]), (False, ["/pts/v2/reversals"])]
)
@pytest.mark.parametrize("fault", ["no-answer", "lost"])
def test_a_lost_sale_is_voided_and_its_hold_reversed_a_lost_authorization_is_reversed(
    desk, settings, capture, undoing, fault
):
    """The search knows nothing of it for days."""
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(days=30), batch_after=timedelta(days=2)))
    order, lost = lost_by_stored_card(desk, settings, capture=capture, fault=fault)
    for later in ({"minutes": 16}, {"hours": 1}):
        unknown_operations.recover(at=desk.rest.advance(**later))
    sent = [call.target for call in desk.rest.calls if call.target in ("/pts/v2/voids", "/pts/v2/reversals")]
    assert sent[: len(undoing)] == undoing
    assert fresh(lost).state == ("undone" if fault == "no-answer" else "not-sent")
    there = [one for one in desk.rest.transactions if one.reference == lost.reference_number and not one.undone]
    assert not there and not order.sources.exists()


def test_a_lost_sale_that_has_gone_to_the_bank_is_never_told_as_one_that_did_not_arrive(desk, settings):
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(days=9), batch_after=timedelta(minutes=1)))
    order, lost = lost_by_stored_card(desk, settings, capture=True, fault="no-answer")
    for later in ({"minutes": 16}, {"hours": 1}, {"days": 1}, {"days": 1}, {"days": 1}, {"days": 4}):
        unknown_operations.recover(at=desk.rest.advance(**later))
        assert fresh(lost).state == "unknown"
    assert listed() == [Attention.UNKNOWN_OPERATION]
    unknown_operations.recover(at=desk.rest.advance(days=7))
    assert fresh(lost).state == "done" and source_of(order)[1] == D("69.50")


# -- automatic work waits for a key that is believed -------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["unauthorized", "forbidden"])
def test_what_waits_to_be_sent_waits_for_a_key_that_is_believed(desk, fault):
    desk.simulator.configure(rest=RestAccess())
    first, second = desk.order(), desk.order()
    queued = [
        operation_queue.queue(
            order,
            "reverse",
            payment_id=desk.authorization(order).reference,
            amount=D("69.50"),
            currency="USD",
            reason="not needed",
            transaction=desk.authorization(order),
        )
        for order in (first, second)
    ]
    desk.rest.faults.next(fault, action="reversals")
    with pytest.raises(GatewayUnavailable):
        unknown_operations.recover(at=desk.rest.now())
    assert [fresh(one).state for one in queued] == ["queued", "queued"]
    assert len(desk.calls("reversals")) == 1, "the round stops"
    assert listed() == [Attention.WAITING_OPERATION]
    assert unknown_operations.recover(at=desk.rest.now()) == {"sent": 2}
    assert Attention.WAITING_OPERATION not in listed()
    assert [fresh(one).state for one in queued] == ["done", "done"]
    assert not source_of(first)[0] and not source_of(second)[0]


@pytest.mark.parametrize("fault", ["unauthorized", "forbidden"])
def test_a_stored_card_waits_for_a_key_that_is_believed(desk, settings, fault):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    buyer = Shopper(gateway=desk.simulator.gateway)
    order = buyer.check_out("64.50")
    buyer.deliver(buyer.submit(card()))
    desk.rest.faults.next(fault, action="payments")
    later = desk.rest.now() + timedelta(minutes=5)
    with pytest.raises(GatewayUnavailable):
        stored_card.authorize_waiting(at=later)
    assert buyer.attempt().state == "open"
    assert stored_card.authorize_waiting(at=later) == 1
    assert Order.objects.get(pk=order.pk).status == "Authorized"


def test_an_outage_uses_up_no_tries_of_webhooks(desk, settings):
    rows = [
        WebhookDelivery.objects.create(event_type="payments.payments.accept", request_id=f"{number:022}")
        for number in range(5)
    ]
    asked = []
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"

    def silent(request_id):
        asked.append(request_id)
        raise GatewayNoAnswer("look-up", Unknown(why=UnknownReason.NO_ANSWER))

    for _ in range(20):
        with pytest.raises(GatewayUnavailable):
            webhook_events.handle_pending(silent)
    assert len(asked) == 60
    for row in rows:
        row.refresh_from_db()
        assert (row.tries, row.state, row.date_handled) == (0, "received", None)


def test_what_alone_is_not_answered_keeps_no_other_event_waiting(desk):
    """CyberSource answers whatever else it is asked."""
    rows = [
        WebhookDelivery.objects.create(event_type="payments.payments.accept", request_id=f"{number:022}")
        for number in range(5)
    ]

    def silent_about_some(request_id):
        if int(request_id) < 4:
            raise GatewayNoAnswer("look-up", Unknown(why=UnknownReason.NO_ANSWER))
        return True

    assert webhook_events.handle_pending(silent_about_some) == {NO_ANSWER: 4, "handled": 1}
    assert [WebhookDelivery.objects.get(pk=row.pk).tries for row in rows] == [0, 0, 0, 0, 1]


# -- a change of merchant, and the books -------------------------------------------------------------------------------


def test_comparing_books_across_a_change_of_merchant_lists_nothing_false(desk, settings):
    """The new merchant's books know nothing of what was done for the old one's."""
    desk.captured("64.50")
    settings.CYBERSOURCE_MERCHANT_ID = "another_shop"
    desk.simulator.configure(rest=RestAccess(merchant_id="another_shop"))
    comparison.compare(at=desk.rest.advance(hours=3), days=3)
    assert desk.calls("searches")[-1].status == 201 and not AttentionItem.objects.exists()
