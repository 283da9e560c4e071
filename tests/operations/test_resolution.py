"""An operation whose end nobody can find is ended by staff, who say what the Business Center shows of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cybersource.gateway import client
from cybersource.models import AttentionItem, PaymentOperation, PaymentToken
from cybersource.operations import found, resolution, service, stored_card, unknown
from cybersource.operations.resolution import Resolution
from cybersource.payments import operation_queue
from cybersource.payments.errors import InvalidOperation
from cybersource.simulator import cards
from cybersource.simulator.rest import RestAccess
from tests.reconciliation.test_operations import fresh, lose, recover
from tests.support.desk import notes, source_of, transactions
from tests.support.shop import Shopper, card, customer
from tests.support.threads import at_once

D = Decimal

FOUND = "7312345678901234567890"
THERE = Resolution(took_effect=True, transaction_id=FOUND, words="Shown as transmitted")
NOT_THERE = Resolution(took_effect=False, words="Nothing under this number")

#: Each operation on a payment, by whom it acts on, and what the Source has after it: allocated, debited, refunded.
MOVES = {
    "capture": (("69.50", "0.00", "0.00"), ("69.50", "69.50", "0.00")),
    "refund": (("69.50", "69.50", "0.00"), ("69.50", "69.50", "69.50")),
    "void": (("69.50", "69.50", "0.00"), ("69.50", "0.00", "0.00")),
    "reverse": (("69.50", "0.00", "0.00"), ("0.00", "0.00", "0.00")),
}


@pytest.fixture
def other(committed_db):
    return customer("olga@example.com")


def out_of_sight(desk):
    """CyberSource's search and look-ups know nothing for weeks, and what it did went to the bank."""
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(days=90), batch_after=timedelta(minutes=1)))


def in_doubt(desk, kind, fault="lost", **asked):
    """An operation that staff are asked about, of an order of 69.50."""
    out_of_sight(desk)
    order = desk.order("64.50") if kind in ("capture", "reverse") else desk.captured("64.50")
    on = desk.authorization(order) if kind in ("capture", "reverse") else desk.debit(order)
    lost = lose(desk, fault, f"{'reversal' if kind == 'reverse' else kind}s", kind, on, **asked)
    PaymentOperation.objects.filter(pk=lost.pk).update(date_sent=lost.date_sent - timedelta(days=1, hours=1))
    unknown.list_in_doubt()
    assert listed() == ["unknown-operation"]
    return order, fresh(lost)


def listed():
    return list(AttentionItem.objects.filter(date_cleared=None).order_by("pk").values_list("kind", flat=True))


def refused(operation, finding, user):
    with pytest.raises(InvalidOperation) as caught:
        resolution.resolve(operation.pk, finding, user=user)
    return [(problem.code, problem.field) for problem in caught.value.problems]


@pytest.mark.parametrize("kind", MOVES)
def test_what_staff_say_took_effect_is_recorded_as_a_look_up_would(desk, kind):
    order, lost = in_doubt(desk, kind)
    before, after = (tuple(map(D, sums)) for sums in MOVES[kind])
    assert source_of(order) == before
    ended = resolution.resolve(lost.pk, THERE, user=desk.staff)
    assert (ended.state, ended.request_id, ended.made.reference) == ("done", FOUND, FOUND)
    assert source_of(order) == after and not listed()
    assert (ended.resolved_by, ended.resolved_by_name, ended.resolution) == (desk.staff, "ines", THERE.words)
    assert "Recorded by ines" in notes(order) and THERE.words in notes(order)
    item = AttentionItem.objects.get(kind="unknown-operation")
    assert (item.cleared_by, item.cleared_by_name, item.reason) == (desk.staff, "ines", THERE.words)


@pytest.mark.parametrize("kind", MOVES)
def test_what_staff_say_did_not_take_effect_moves_nothing_and_may_be_asked_for_again(desk, kind):
    order, lost = in_doubt(desk, kind)
    before = source_of(order)
    ended = resolution.resolve(lost.pk, NOT_THERE, user=desk.staff)
    assert (ended.state, ended.made.status, source_of(order)) == ("not-sent", "FAILED", before)
    assert not listed() and NOT_THERE.words in notes(order)
    payment = desk.payment(order)
    assert not payment.under_way and kind in service.rules.allowed(payment, lost.transaction)


@pytest.mark.parametrize("finding", [THERE, NOT_THERE])
def test_the_same_finding_recorded_again_changes_nothing_and_another_one_is_refused(desk, finding):
    order, lost = in_doubt(desk, "capture")
    for _again in range(2):
        ended = resolution.resolve(lost.pk, finding, user=desk.staff)
    assert len(transactions(order)) == 2 and notes(order).count("Recorded by") == 1
    opposite = NOT_THERE if finding is THERE else THERE
    assert refused(lost, opposite, desk.staff) == [("wrong-state", "")]
    assert fresh(lost).state == ended.state and len(transactions(order)) == 2


def test_two_who_record_at_once_record_it_once(desk, other):
    order, lost = in_doubt(desk, "capture")

    def record(finding, user):
        try:
            resolution.resolve(lost.pk, finding, user=user)
            return "recorded"
        except InvalidOperation as problem:
            return problem.problems[0].code

    told = at_once(lambda: record(THERE, desk.staff), lambda: record(NOT_THERE, other))
    assert sorted(told) == ["recorded", "wrong-state"]
    assert len(transactions(order)) == 2 and notes(order).count("Recorded by") == 1


def test_it_is_refused_for_as_long_as_a_look_up_may_find_it(desk):
    order = desk.order("64.50")
    lost = lose(desk, "no-answer", "captures", "capture", desk.authorization(order))
    assert refused(lost, THERE, desk.staff) == [("under-way", "")]
    recover(desk, seconds=11)
    assert fresh(lost).state == "done"
    assert refused(lost, NOT_THERE, desk.staff) == [("wrong-state", "")]
    assert source_of(order)[1] == D("69.50")


def test_it_is_refused_while_it_is_being_looked_up_and_a_look_that_comes_late_changes_nothing(desk):
    order, lost = in_doubt(desk, "capture")
    PaymentOperation.objects.filter(pk=lost.pk).update(is_being_looked_up=True, date_looked_up=service.clock.now())
    assert refused(lost, THERE, desk.staff) == [("under-way", "")]
    PaymentOperation.objects.filter(pk=lost.pk).update(date_looked_up=service.clock.now() - found.LEASE)
    resolution.resolve(lost.pk, THERE, user=desk.staff)
    recover(desk, days=7)
    assert fresh(lost).state == "done" and len(transactions(order)) == 2


@pytest.mark.parametrize("told", ["", "the payment's own", "4111111111111111", "73123 45678901234567890", "x" * 22])
def test_an_id_that_cannot_be_its_own_is_refused(desk, told):
    order, lost = in_doubt(desk, "capture")
    told = desk.payment(order).source.reference if told == "the payment's own" else told
    assert refused(lost, Resolution(took_effect=True, transaction_id=told), desk.staff) == [
        ("other-transaction", "transaction_id")
    ]
    assert refused(lost, Resolution(took_effect=False, transaction_id=FOUND), desk.staff) == [
        ("other-transaction", "transaction_id")
    ]
    assert fresh(lost).state == "unknown" and listed() == ["unknown-operation"]


def test_one_transaction_ends_one_operation(desk):
    _order, first = in_doubt(desk, "capture")
    second = lose(desk, "lost", "captures", "capture", desk.authorization(desk.order("64.50")))
    PaymentOperation.objects.filter(pk=second.pk).update(date_sent=first.date_sent)
    resolution.resolve(first.pk, THERE, user=desk.staff)
    assert refused(second, THERE, desk.staff) == [("other-transaction", "transaction_id")]


@pytest.mark.parametrize("stranger", ["amount", "kind", "payment"])
def test_where_cybersource_tells_of_the_transaction_it_has_to_be_the_operations(desk, stranger):
    """The operation was lost, so that what CyberSource knows is something else's."""
    center = desk.simulator.gateway.business_center
    order, another = desk.order("64.50"), desk.order("64.50")
    hold = desk.authorization(order)
    lost = lose(desk, "lost", "captures", "capture", hold, amount=D("20.00"))
    made = {
        "amount": lambda: center.capture(hold.reference, "19.00"),
        "kind": lambda: desk.do("capture", desk.authorization(another), amount=D("20.00")),
        "payment": lambda: center.capture(desk.authorization(another).reference, "20.00"),
    }[stranger]()
    told = made.id
    if stranger == "kind":
        told = center.refund(made.request_id, "20.00").id
    PaymentOperation.objects.filter(pk=lost.pk).update(date_sent=lost.date_sent - timedelta(days=2))
    assert refused(lost, Resolution(took_effect=True, transaction_id=told), desk.staff) == [
        ("other-transaction", "transaction_id")
    ]
    right = center.capture(hold.reference, "20.00")
    ended = resolution.resolve(lost.pk, Resolution(took_effect=True, transaction_id=right.id), user=desk.staff)
    assert (ended.state, ended.log.transaction_id, source_of(order)[1]) == ("done", right.id, D("20.00"))


@pytest.mark.parametrize("finding", [THERE, NOT_THERE])
def test_it_needs_no_key_of_the_rest_api(desk, settings, finding):
    order, lost = in_doubt(desk, "capture")
    settings.CYBERSOURCE_REST_KEY_ID = settings.CYBERSOURCE_REST_SHARED_SECRET = ""
    assert resolution.resolve(lost.pk, finding, user=desk.staff).state == finding.state()
    assert source_of(order)[1] == (D("69.50") if finding.took_effect else 0)


def stored_charge(desk, settings):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    out_of_sight(desk)
    buyer = Shopper(gateway=desk.simulator.gateway)
    order = buyer.check_out("64.50")
    buyer.deliver(buyer.submit(card()))
    desk.rest.faults.next("lost", action="payments")
    lost = stored_card.authorize_step(buyer.attempt())
    assert lost.state == "unknown"
    PaymentOperation.objects.filter(pk=lost.pk).update(date_sent=lost.date_sent - timedelta(days=2))
    return buyer, order, lost


@pytest.mark.parametrize(
    ("finding", "status", "state"), [(THERE, "Authorized", "authorized"), (NOT_THERE, "Payment Declined", "failed")]
)
def test_a_payment_by_stored_card_settles_its_order_either_way(desk, settings, finding, status, state):
    buyer, order, lost = stored_charge(desk, settings)
    ended = resolution.resolve(lost.pk, finding, user=desk.staff)
    order.refresh_from_db()
    assert (ended.state, order.status, buyer.attempt().state) == (finding.state(), status, state)
    if finding.took_effect:
        assert [(one.reference, one.amount) for one in order.sources.get().transactions.all()] == [(FOUND, D("69.50"))]
    assert PaymentToken.objects.count() == 1 and not listed()


@pytest.mark.parametrize("finding", [THERE, NOT_THERE])
def test_what_outlived_its_order_is_ended_and_money_without_an_order_is_listed(desk, finding):
    order, lost = in_doubt(desk, "capture")
    order.delete()
    assert resolution.resolve(lost.pk, finding, user=desk.staff).state == finding.state()
    assert listed() == (["orphan"] if finding.took_effect else [])


@pytest.mark.parametrize(
    ("took_effect", "state", "status"), [(True, "done", "Authorized"), (False, "not-sent", "Pending")]
)
def test_a_decision_that_staff_see_made_has_its_effect(desk, took_effect, state, status):
    order = desk.order("64.50", card=cards.REVIEW)
    lost = lose(desk, "lost", "actions", "accept_review", desk.authorization(order))
    PaymentOperation.objects.filter(pk=lost.pk).update(date_sent=lost.date_sent - timedelta(days=2))
    finding = Resolution(took_effect=took_effect, words="Accepted by Ron")
    assert resolution.permissions(fresh(lost)) == ("decide_review",)
    assert resolution.resolve(lost.pk, finding, user=desk.staff).state == state
    order.refresh_from_db()
    assert order.status == status


def test_a_reversal_that_the_shop_made_itself_is_ended_and_not_sent_again(desk):
    order, lost = in_doubt(desk, "reverse")
    PaymentOperation.objects.filter(pk=lost.pk).update(is_automatic=True)
    resolution.resolve(lost.pk, NOT_THERE, user=desk.staff)
    recover(desk, days=7)
    assert fresh(lost).state == "not-sent" and listed() == ["hold-left"]
    assert len(desk.calls("reversals")) == 1


def test_what_waits_to_be_sent_is_ended_once_staff_are_asked_about_it(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    waiting = operation_queue.queue(
        order, "reverse", payment_id=hold.reference, amount=D("69.50"), currency="USD", reason="-", transaction=hold
    )
    assert refused(waiting, NOT_THERE, desk.staff) == [("under-way", "")]
    PaymentOperation.objects.filter(pk=waiting.pk).update(date_created=waiting.date_created - timedelta(days=2))
    unknown.list_in_doubt()
    resolution.resolve(waiting.pk, THERE, user=desk.staff)
    recover(desk, days=1)
    assert (source_of(order)[0], len(desk.calls("reversals")), listed()) == (0, 0, ["unpaid-rest"])


def test_it_is_never_recorded_within_a_transaction(desk):
    _order, lost = in_doubt(desk, "capture")
    with service.transaction.atomic(), pytest.raises(client.OpenTransaction):
        resolution.resolve(lost.pk, THERE, user=desk.staff)
