"""What goes back by several steps is written down with the first: none is forgotten, and none is done twice."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cybersource import gateway
from cybersource.models import Attention, AttentionItem, PaymentOperation
from cybersource.operations import money_back, plans, service
from cybersource.payments.errors import InvalidOperation
from cybersource.protocol.rest import Resource, calls
from cybersource.reconciliation import operations as unknown_operations
from tests.support.calling import Caller
from tests.support.desk import notes, source_of
from tests.support.threads import in_threads

D = Decimal


def states(order) -> list[tuple[str, str]]:
    rows = PaymentOperation.objects.filter(order=order).exclude(kind="capture").order_by("position", "pk")
    return [(one.kind, one.state) for one in rows]


def recover(desk, **later):
    return unknown_operations.recover(at=desk.rest.advance(**later) if later else desk.rest.now())


def pk(order) -> int:
    return order.sources.get().pk


# -- the next step goes when the one before is known to have ended -----------------------------------------------------


@pytest.mark.parametrize("again", ["cron", "the same key"])
def test_a_plan_whose_first_answer_was_lost_goes_on_once_it_is_found(desk, again):
    """The void arrived, and its answer did not. Nothing of the hold that it leaves may be forgotten."""
    order = desk.captured()
    at = f"payments/{pk(order)}/give-back/"
    staff = Caller(desk.staff)
    desk.rest.faults.next("no-answer", action="voids")
    first = staff.post(at, {}, key="k")
    assert first.status_code == 202
    assert [one["state"] for one in first.json()["operations"]] == ["unknown", "queued"]
    assert staff.post(at, {}, key="k").status_code == 202 and not desk.calls("reversals")
    (void,) = PaymentOperation.objects.filter(kind="void")
    if again == "cron":
        recover(desk, seconds=11)  # the void is found
        recover(desk)
    else:
        assert unknown_operations.look_for(void, desk.rest.advance(seconds=11)) == "found out"
    last = staff.post(at, {}, key="k")
    assert (last.status_code, last.headers["Idempotent-Replayed"]) == (201, "true")
    assert [one["state"] for one in last.json()["operations"]] == ["done", "done"]
    assert source_of(order) == (0, 0, 0) and desk.rest.status(desk.authorization(order).reference) == "REVERSED"
    assert (len(desk.calls("voids")), len(desk.calls("reversals"))) == (1, 1)


@pytest.mark.parametrize("dies", ["before it is sent", "before it is recorded", "between the steps"])
def test_a_plan_outlives_the_process_that_began_it(desk, dies, monkeypatch):
    order = desk.captured()

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    name = {"before it is sent": "perform", "before it is recorded": "conclude", "between the steps": "take_up"}[dies]
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(service, name, die)
        money_back.cancel_or_refund(desk.authorization(order), user=desk.staff, key="k")
    for _ in range(4):
        recover(desk, minutes=20)
    assert states(order) == [("void", "done"), ("reverse", "done")] and source_of(order) == (0, 0, 0)
    assert not AttentionItem.objects.exists()


def test_many_who_go_on_with_one_plan_do_each_step_once(desk):
    order = desk.captured()
    desk.rest.faults.next("no-answer", action="voids")
    done = money_back.cancel_or_refund(desk.authorization(order), user=desk.staff, key="k")
    void = done[0]
    assert unknown_operations.look_for(void, desk.rest.advance(seconds=11)) == "found out"
    in_threads(lambda _: money_back.cancel_or_refund(desk.authorization(order), user=desk.staff, key="k"), 6)
    assert states(order) == [("void", "done"), ("reverse", "done")]
    assert (len(desk.calls("voids")), len(desk.calls("reversals"))) == (1, 1)


def test_each_step_is_for_what_is_really_left_when_its_turn_comes(desk):
    order = desk.order()
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=D("20.00"), is_last=False)
    desk.do("capture", hold, amount=D("30.00"), is_last=False)
    desk.rest.advance(hours=8)  # both have gone to the bank
    desk.rest.faults.next("no-answer", action="refunds")
    done = money_back.cancel_or_refund(hold, user=desk.staff, key="k")
    assert [(one.kind, one.state) for one in done] == [
        ("void", "refused"),
        ("refund", "unknown"),
        ("void", "queued"),
        ("reverse", "queued"),
    ]
    recover(desk, seconds=11)
    done = money_back.cancel_or_refund(hold, user=desk.staff, key="k")
    assert [(one.kind, one.state, one.amount) for one in done] == [
        ("void", "refused", D("20.00")),
        ("refund", "done", D("20.00")),
        ("void", "refused", D("30.00")),
        ("refund", "done", D("30.00")),
        ("reverse", "lapsing", D("19.50")),
    ]
    assert source_of(order) == (D("50.00"), D("50.00"), D("50.00"))


# -- half a plan is never told as the whole, nor as nothing ------------------------------------------------------------


def test_a_part_that_was_done_is_told_as_a_part_and_listed(desk):
    """Somebody has voided the second capture in the Business Center, which the shop does not know."""
    order = desk.order()
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=D("20.00"), is_last=False)
    desk.do("capture", hold, amount=D("30.00"), is_last=False)
    second = desk.debit(order, 1)
    ids = {"reference_number": "BY-HAND", "idempotency_id": "byhand1"}
    by_hand = calls.void(second.reference, of=Resource.CAPTURE, **ids)
    assert gateway.send(by_hand).outcome.succeeded
    for one in desk.payment(order).captures:  # too old to be voided
        one.transaction.processed_datetime -= money_back.VOIDABLE_FOR
        one.transaction.save()
    told = Caller(desk.staff).post(f"payments/{pk(order)}/give-back/", {}, key="k")
    assert (told.status_code, told.json()["code"]) == (409, "part-done"), told.content
    assert told.json()["details"][0]["code"] == "CAPTURE_ALREADY_VOIDED"
    assert states(order) == [("refund", "done"), ("refund", "refused"), ("reverse", "dropped")]
    (item,) = AttentionItem.objects.all()
    assert (item.kind, item.amount, item.order) == (Attention.GIVEN_BACK_IN_PART, D("49.50"), order)
    assert str(Attention.GIVEN_BACK_IN_PART.label) in notes(order)


def test_a_fallback_that_cannot_be_done_is_a_step_of_the_plan(desk, monkeypatch):
    """Somebody refunds the capture while its void is on the way: the refund in its place finds nothing left."""
    order = desk.captured()
    debit = desk.debit(order)
    desk.rest.advance(hours=8)
    real = plans.refund_instead

    def then_somebody_refunds(void):
        real(void)
        PaymentOperation.objects.filter(plan=void.plan, kind="refund").update(transaction=None)

    monkeypatch.setattr(plans, "refund_instead", then_somebody_refunds)
    done = money_back.cancel_or_refund(debit, user=desk.staff, key="k")
    assert [(one.kind, one.state) for one in done] == [("void", "refused"), ("refund", "dropped")]
    assert done[1].rest_reason == "not-found" and "has been deleted" in done[1].message


def test_what_ended_before_its_turn_is_no_step_any_more(desk):
    order = desk.captured()
    desk.rest.faults.next("no-answer", action="voids")
    hold = desk.authorization(order)
    money_back.cancel_or_refund(hold, user=desk.staff, key="k")
    void = PaymentOperation.objects.get(kind="void")
    assert unknown_operations.look_for(void, desk.rest.advance(seconds=11)) == "found out"
    ids = {"reference_number": "BY-HAND", "idempotency_id": "byhand1"}
    call = calls.reverse(hold.reference, amount=D("69.50"), currency="USD", reason="by hand", **ids)
    assert gateway.send(call).outcome.succeeded
    done = money_back.cancel_or_refund(hold, user=desk.staff, key="k")
    assert [(one.kind, one.state) for one in done] == [("void", "done"), ("reverse", "done")]


def test_a_plan_under_one_key_is_the_same_plan_and_nothing_else(desk):
    order = desk.captured()
    hold = desk.authorization(order)
    asked = {"user": desk.staff, "reason": "late", "reference": "R-1", "key": "k", "currency": "USD"}
    done = money_back.cancel_or_refund(hold, **asked)
    assert money_back.cancel_or_refund(hold, **asked) == done
    for other in (
        {"reason": "broken"},
        {"reference": "R-2"},
        {"currency": "EUR"},
        {"amount": D("1.00")},
        {"seen": "x"},
    ):
        with pytest.raises(InvalidOperation) as refused:
            money_back.cancel_or_refund(hold, **{**asked, **other})
        assert refused.value.problems[0].code == "key-reused", other
