"""Where CyberSource's books and the shop's differ staff are told once, with what each side says, until both agree."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cybersource.gateway import client
from cybersource.models import Attention, AttentionItem, PaymentOperation, PaymentToken
from cybersource.operations import results, service
from cybersource.payments import attention_list
from cybersource.payments.discrepancies import Discrepancy
from cybersource.protocol.rest import calls
from cybersource.reconciliation import comparison
from cybersource.simulator.rest import RestAccess
from tests.support.desk import Source, Transaction, notes, source_of
from tests.support.rows import fingerprints
from tests.support.shop import Shopper
from tests.support.threads import in_threads

D = Decimal

#: Rows that a look-up may write, and the list itself.
WRITTEN = (
    "cybersource_cybersourcereply",
    "cybersource_attentionitem",
    "order_ordernote",
    "cybersource_paymentnote",
)


def compare(desk, **later):
    return comparison.compare(at=desk.rest.advance(**later) if later else desk.rest.now())


def charge(desk, number: str, amount: str, currency: str = "USD") -> str:
    """A charge that no form of the shop asked for, as from a virtual terminal. Returns its id."""
    token = PaymentToken.objects.latest("pk").token
    ids = {"reference_number": number, "idempotency_id": uuid.uuid4().hex[:24]}
    sent = client.send(calls.authorize(token=token, amount=D(amount), currency=currency, **ids))
    assert sent.outcome.succeeded
    return sent.outcome.answer.id


def latest_number() -> str:
    """The reference number of the latest operation."""
    latest = PaymentOperation.objects.order_by("pk").last()
    return latest.reference_number if latest else ""


def made_up(order: Any, kind: str) -> Any:
    """A row of the shop's books for something that never happened."""
    source = Source.objects.get(order=order)
    reference = f"73{uuid.uuid4().int % 10**20:020d}"
    return Transaction.objects.create(
        source=source, txn_type=kind, amount=D("5.00"), reference=reference, status="ACCEPT"
    )


# -- each kind of difference: how it comes about, and one way in which it is put right -------------------------------

Fix = Callable[[], Any]


def charge_not_here(desk) -> tuple[Any, Fix]:
    desk.order()
    waiting = Shopper(gateway=desk.simulator.gateway).check_out("20.00")
    id = charge(desk, waiting.number, "11.00")
    return waiting, lambda: desk.simulator.gateway.business_center.reverse(id)


def duplicate_charge(desk) -> tuple[Any, Fix]:
    order = desk.order()
    id = charge(desk, order.number, "69.50")
    return order, lambda: desk.simulator.gateway.business_center.reverse(id)


def unknown_order(desk) -> tuple[Any, Fix]:
    desk.order()
    id = charge(desk, "ELSEWHERE-7", "11.00")
    return None, lambda: desk.simulator.gateway.business_center.reverse(id)


def charge_not_there(desk) -> tuple[Any, Fix]:
    order = desk.order()
    row = made_up(order, Transaction.AUTHORISE)
    return order, row.delete


def amount_differs(desk) -> tuple[Any, Fix]:
    order = desk.captured()
    rows = Transaction.objects.filter(pk=desk.debit(order).pk)
    rows.update(amount=D("6.95"))
    return order, lambda: rows.update(amount=D("69.50"))


def currency_differs(desk) -> tuple[Any, Fix]:
    order = desk.order()
    rows = Source.objects.filter(order=order)
    rows.update(currency="EUR")
    return order, lambda: rows.update(currency="USD")


def capture_not_here(desk) -> tuple[Any, Fix]:
    order = desk.order()
    made = desk.simulator.gateway.business_center.capture(desk.authorization(order).reference, "20.00")
    return order, lambda: desk.simulator.gateway.business_center.void(made.id)


def capture_not_there(desk) -> tuple[Any, Fix]:
    order = desk.order()
    row = made_up(order, Transaction.DEBIT)
    return order, row.delete


def refund_not_here(desk) -> tuple[Any, Fix]:
    order = desk.captured()
    made = desk.simulator.gateway.business_center.refund(desk.debit(order).reference, "9.50")
    return order, lambda: desk.simulator.gateway.business_center.void(made.id)


def refund_not_there(desk) -> tuple[Any, Fix]:
    order = desk.captured()
    row = made_up(order, Transaction.REFUND)
    return order, row.delete


def reversal_not_here(desk) -> tuple[Any, Fix]:
    order = desk.order()
    desk.simulator.gateway.business_center.reverse(desk.authorization(order).reference)
    return order, lambda: desk.do("reverse", desk.authorization(order))


def reversal_not_there(desk) -> tuple[Any, Fix]:
    order = desk.order()
    row = made_up(order, "Reversal")
    return order, row.delete


def void_not_here(desk) -> tuple[Any, Fix]:
    order = desk.captured()
    desk.simulator.gateway.business_center.void(desk.debit(order).reference)
    return order, lambda: Transaction.objects.filter(pk=desk.debit(order).pk).update(status="VOIDED")


def void_not_there(desk) -> tuple[Any, Fix]:
    order = desk.captured()
    row = made_up(order, "Void")
    return order, row.delete


INJECTED = {
    Discrepancy(each.__name__.replace("_", "-")): each
    for each in (
        charge_not_here,
        charge_not_there,
        duplicate_charge,
        unknown_order,
        amount_differs,
        currency_differs,
        capture_not_here,
        capture_not_there,
        refund_not_here,
        refund_not_there,
        reversal_not_here,
        reversal_not_there,
        void_not_here,
        void_not_there,
    )
}


def test_every_kind_of_difference_is_tried_and_in_the_documentation():
    assert set(INJECTED) == set(Discrepancy)
    page = (Path(__file__).parents[2] / "docs/reference/reconciliation.rst").read_text()
    for kind in Discrepancy:
        assert f"``{kind.value}``\n     - {kind.label}\n" in page


@pytest.mark.parametrize("kind", Discrepancy)
def test_a_difference_is_listed_once_with_evidence_and_clears_itself_when_it_is_put_right(desk, kind):
    order, put_right = INJECTED[kind](desk)
    before = fingerprints(but=WRITTEN)
    at = desk.rest.advance(hours=2)
    assert comparison.compare(at=at) == {kind.value: 1}
    item = AttentionItem.objects.get()
    assert (item.kind, item.detail, item.order) == (Attention.DRIFT, kind.value, order)
    assert item.transaction_id and item.amount is not None and attention_list.detail_in_words(item) == kind.label
    shop, there = item.evidence["shop"], item.evidence["gateway"]
    if kind.value.endswith("-not-there"):
        assert shop["amount"] == "5.00" and not there
    elif kind in (Discrepancy.AMOUNT_DIFFERS, Discrepancy.CURRENCY_DIFFERS):
        assert (shop["amount"], shop["currency"]) != (there["amount"], there["currency"])
    else:
        assert there["amount"] and there["date"]
    if order is not None:
        assert str(kind.label) in notes(order)
    # Nothing but the list and its notes is written, and the second run finds nothing to do.
    assert fingerprints(but=WRITTEN) == before
    written = fingerprints(but=WRITTEN[:1])
    assert comparison.compare(at=at) == {"still differing": 1}
    assert fingerprints(but=WRITTEN[:1]) == written
    put_right()
    assert comparison.compare(at=desk.rest.now()) == {"cleared": 1}
    item.refresh_from_db()
    assert item.date_cleared and item.reason == "Both sides agree now."
    assert AttentionItem.objects.count() == 1


def test_a_shop_whose_books_are_right_has_nothing_listed_whatever_staff_did(desk, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    captured = desk.captured("64.50")
    desk.do("refund", desk.debit(captured), amount=D("9.50"))
    voided = desk.captured("64.50")
    desk.do("void", desk.debit(voided))
    desk.do("reverse", desk.authorization(desk.order("64.50")))
    part = desk.order("64.50")
    desk.do("capture", desk.authorization(part), amount=D("20.00"))
    service.reverse(desk.authorization(part), user=desk.staff)  # lapses
    settings.CYBERSOURCE_FLOW = "sale"
    desk.do("refund", desk.debit(desk.order("64.50")))
    for number in ("4111111111120203", "4111111111160480", "4111111111140110", "4111111111150481"):
        desk.order("64.50", card=number)
    lookups = len(desk.calls("searches"))
    assert compare(desk, hours=2) == {} == compare(desk, hours=20)
    assert len(desk.calls("searches")) == lookups + 6
    assert set(AttentionItem.objects.values_list("kind", flat=True)) <= {Attention.PARTIAL, Attention.HOLD_LEFT}


@pytest.mark.quick
def test_what_staff_cleared_stays_cleared_and_what_cleared_itself_may_come_back(desk):
    order = desk.order()
    rows = Source.objects.filter(order=order)
    rows.update(currency="EUR")
    compare(desk)
    rows.update(currency="USD")
    compare(desk)
    rows.update(currency="EUR")
    assert compare(desk) == {"currency-differs": 1}
    item = AttentionItem.objects.get()
    assert item.date_cleared is None
    attention_list.clear(item.pk, user=desk.staff, reason="known")
    assert compare(desk) == {}
    assert AttentionItem.objects.get().reason == "known"


def test_a_capture_by_hand_is_told_with_the_payment_it_belongs_to(desk):
    order = desk.order()
    hold = desk.authorization(order).reference
    desk.simulator.gateway.business_center.capture(hold, "20.00")
    compare(desk)
    evidence = AttentionItem.objects.get().evidence["gateway"]
    assert (evidence["payment"], evidence["amount"], evidence["reference_number"]) == (hold, "20.00", order.number)


def test_other_shops_on_the_same_account_are_left_alone_where_the_settings_say_so(desk, settings):
    unknown_order(desk)
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    assert compare(desk) == {}
    assert not AttentionItem.objects.exists()


def of_another_shop(desk, number: str) -> None:
    """A payment of another shop on the account, with all that may follow on one."""
    desk.order("64.50")
    charged = charge(desk, number, "20.00")
    desk.simulator.gateway.business_center.capture(charged, "15.00")
    made = desk.simulator.gateway.business_center.capture(charged, "5.00")
    desk.simulator.gateway.business_center.refund(made.id, "5.00")
    desk.simulator.gateway.business_center.reverse(charge(desk, f"{number}-2", "9.00"))


def test_on_a_shared_account_what_was_looked_at_and_is_not_ours_is_not_looked_at_again(desk, settings):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = True
    for number in range(3):
        of_another_shop(desk, f"ELSEWHERE-{number}")
    assert compare(desk) == {}
    looked = len(desk.calls_of_look_ups())
    assert looked
    for _again in range(2):
        assert compare(desk, minutes=10) == {}
        assert len(desk.calls_of_look_ups()) == looked
    of_another_shop(desk, "ELSEWHERE-9")
    compare(desk)
    assert len(desk.calls_of_look_ups()) == looked + looked // 3, "what is new costs what it costs"
    assert not AttentionItem.objects.exists()


def test_a_difference_that_is_listed_costs_one_look_a_run_and_one_that_staff_cleared_none(desk):
    for inject in INJECTED.values():
        inject(desk)
    compare(desk, hours=2)
    for _again in range(2):
        looked = len(desk.calls_of_look_ups())
        assert compare(desk) == {"still differing": len(INJECTED)}
        assert len(desk.calls_of_look_ups()) - looked == len(INJECTED)
    for item in AttentionItem.objects.filter(date_cleared=None):
        attention_list.clear(item.pk, user=desk.staff, reason="known")
    looked = len(desk.calls_of_look_ups())
    assert compare(desk) == {} and len(desk.calls_of_look_ups()) == looked


@pytest.mark.parametrize("outcome", ["200", "230", "520", "200-reversed", "230-reversed", "201", "480", "110", "475"])
@pytest.mark.parametrize("flow", ["one-step", "sale"])
def test_what_both_books_know_is_no_difference_and_costs_no_look(desk, settings, outcome, flow):
    settings.CYBERSOURCE_FLOW = flow
    desk.simulator.faults.next(outcome=outcome)
    desk.order("64.50")
    listed = AttentionItem.objects.count()
    assert compare(desk, hours=2) == {} == compare(desk, days=1)
    assert not desk.calls_of_look_ups() and AttentionItem.objects.count() == listed


@pytest.mark.parametrize("outcome", ["200", "230", "520"])
def test_a_held_review_that_only_cybersource_knows_is_listed_and_one_that_was_reversed_is_not(desk, settings, outcome):
    settings.CYBERSOURCE_FLOW = "one-step"
    for ending in (outcome, "200-reversed"):
        shopper = Shopper(gateway=desk.simulator.gateway)
        shopper.check_out("64.50")
        desk.simulator.faults.next(outcome=ending)
        shopper.submit()
    assert compare(desk, hours=2) == {"charge-not-here": 1}
    looked = len(desk.calls_of_look_ups())
    assert compare(desk) == {"still differing": 1} and len(desk.calls_of_look_ups()) == looked + 1


def test_what_is_young_is_not_missed_since_the_index_lags_behind(desk):
    _order, _fix = charge_not_there(desk)
    assert compare(desk, minutes=50) == {}
    assert compare(desk, minutes=11) == {"charge-not-there": 1}


def test_what_staff_did_is_never_missed_while_the_index_does_not_know_of_it_yet(desk):
    desk.simulator.configure(rest=RestAccess(index_lag=timedelta(minutes=50)))
    refunded, voided, released = desk.captured("64.50"), desk.captured("64.50"), desk.order("64.50")
    desk.do("refund", desk.debit(refunded), amount=D("9.50"))
    desk.do("void", desk.debit(voided))
    desk.do("reverse", desk.authorization(released))
    there = desk.simulator.gateway.rest.transactions
    for minutes in (0, 10, 39, 2, 10, 60):
        assert compare(desk, minutes=minutes) == {}
    assert not AttentionItem.objects.exists() and desk.rest.transactions == there


def test_an_operation_that_is_under_way_is_no_difference(desk):
    order = desk.order()
    desk.rest.faults.next("no-answer", action="captures")
    service.capture(desk.authorization(order), user=desk.staff)
    assert compare(desk) == {}


def test_a_capture_that_was_given_up_and_had_arrived_is_found_the_next_day(desk):
    order = desk.order()
    desk.rest.faults.next("no-answer", action="captures")
    lost = service.capture(desk.authorization(order), user=desk.staff)
    results.conclude(lost.pk, results.OperationResult(state=service.State.NOT_SENT, reason="NOT_FOUND"))
    assert compare(desk, days=1) == {"capture-not-here": 1}
    assert source_of(order)[1] == 0


def test_two_comparisons_at_once_list_each_difference_once(desk):
    for _number in range(3):
        capture_not_here(desk)
    at = desk.rest.now()
    told = in_threads(lambda _: comparison.compare(at=at)["capture-not-here"], 3)
    assert sum(told) == 3 and AttentionItem.objects.count() == 3


def test_a_page_costs_the_same_number_of_statements_whatever_is_on_it(desk):
    def statements() -> int:
        compare(desk)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert compare(desk) == {}
        return len(queries)

    desk.captured("64.50")
    one = statements()
    for _number in range(4):
        desk.do("refund", desk.debit(desk.captured("64.50")), amount=D("5.00"))
    assert statements() == one


def test_each_day_is_told_while_it_is_compared(desk):
    desk.order()
    told = []
    comparison.compare(at=desk.rest.now(), days=2, tell=told.append)
    said = [line.rpartition(": ")[2] for line in told]
    assert said == ["0 transactions at CyberSource", "2 transactions at CyberSource"]  # a card stored, and charged


def test_a_dry_run_lists_nothing(desk):
    capture_not_here(desk)
    assert comparison.compare(at=desk.rest.now(), dry_run=True) == {"capture-not-here": 1}
    assert not AttentionItem.objects.exists()
