"""What undoing does to lines, to the staff's list, and to what was told before."""

from __future__ import annotations

from decimal import Decimal

import pytest
from oscar.core.loading import get_model

from cybersource.dashboard import preview as money_desk
from cybersource.models import Attention, AttentionItem
from cybersource.operations import detail, money_back, search, service
from cybersource.payments.errors import InvalidOperation
from tests.support.calling import Caller, code, pk
from tests.support.desk import events

PaymentEventQuantity = get_model("order", "PaymentEventQuantity")

D = Decimal


def refunded(order) -> dict[int, int]:
    found: dict[int, int] = {}
    rows = PaymentEventQuantity.objects.filter(event__order=order)
    for kind, line, quantity in rows.values_list("event__event_type__name", "line", "quantity"):
        sign = {"Refund": 1, "Refund void": -1}.get(kind, 0)
        found[line] = found.get(line, 0) + sign * quantity
    return found


# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["operation", "api", "api give-back", "plan"])
def test_a_whole_refund_takes_the_lines_of_its_capture_whoever_asks_it(desk, how):
    order = desk.order("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    hold = desk.authorization(order)
    desk.do("capture", hold, lines={first.pk: 1}, is_last=False)
    desk.do("capture", hold, lines={second.pk: 1}, is_last=False)
    desk.rest.advance(hours=8)
    debit = desk.debit(order, 0)
    match how:
        case "operation":
            desk.do("refund", debit)
        case "api":
            told = Caller(desk.staff).post(
                f"payments/{pk(order)}/refund/", {"transaction": debit.pk, "amount": "10.00"}
            )
            assert told.status_code == 201
        case "api give-back":
            told = Caller(desk.staff).post(f"payments/{pk(order)}/give-back/", {"transaction": debit.pk})
            assert told.status_code == 201
        case "plan":
            money_back.cancel_or_refund(debit, user=desk.staff)
    assert refunded(order) == {first.pk: 1, second.pk: 0}
    with pytest.raises(InvalidOperation) as refused:
        service.refund(desk.debit(order, 1), lines={first.pk: 1})
    assert refused.value.problems[0].code == "line-quantity"
    money_back.cancel_or_refund(hold, user=desk.staff)
    assert refunded(order) == {first.pk: 1, second.pk: 1}


def test_the_rest_of_a_capture_takes_the_lines_that_are_left_of_it(desk):
    order = desk.captured("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    debit = desk.debit(order)
    desk.do("refund", debit, lines={first.pk: 1})
    desk.do("refund", debit)
    assert refunded(order) == {first.pk: 1, second.pk: 1}


def test_a_capture_by_amount_is_refunded_by_amount(desk):
    order = desk.order("10.00", "20.00")
    desk.do("capture", desk.authorization(order), amount=D("12.00"))
    desk.do("refund", desk.debit(order))
    assert events(order)[-1] == ("Refund", "12.00", [])


# -- the staff's list --------------------------------------------------------------------------------------------------


def test_what_a_refund_cleared_from_the_list_comes_back_when_the_refund_is_voided(desk):
    order = desk.captured("64.50")
    payment = desk.authorization(order).reference
    for kind in (Attention.EXTRA_CHARGE, Attention.CLOSED_ORDER):
        AttentionItem.objects.create(kind=kind, order=order, transaction_id=payment, amount=D("69.50"))
    by_staff = AttentionItem.objects.get(kind=Attention.CLOSED_ORDER)
    AttentionItem.objects.filter(pk=by_staff.pk).update(date_cleared=order.date_placed, cleared_by_name="omar")
    item = AttentionItem.objects.get(kind=Attention.EXTRA_CHARGE)
    desk.do("refund", desk.debit(order), amount=D("9.50"))
    first = desk.payment(order).refunds[0]
    item.refresh_from_db()
    assert not item.date_cleared
    done = desk.do("refund", desk.debit(order))
    item.refresh_from_db()
    assert item.date_cleared and item.cleared_by_operation == done
    desk.do("void", first)  # any of them: money of the charge is taken again
    item.refresh_from_db()
    by_staff.refresh_from_db()
    assert (item.date_cleared, item.reason, item.cleared_by_operation) == (None, "", None)
    assert by_staff.date_cleared, "what staff cleared stays cleared"


# -- one word for how a payment stands --------------------------------------------------------------------------------


def words_of(desk, order) -> set[str]:
    """What each place that tells how a payment stands says, as one word."""
    payment = desk.payment(order)
    row = search.payments().get(source=payment.source)
    api = Caller(desk.staff).get(f"payments/{pk(order)}/").json()["state"]
    listed = [one.value for one in search.STATES if search.found(search.PaymentFilter(state=one.value)).exists()]
    return {payment.stands.value, row.stands, *listed, detail.STATES[api].value}


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ([], "held"),
        ([("capture", "30.00")], "captured in part"),
        ([("capture", "30.00"), ("refund", "30.00")], "captured in part"),  # 39.50 are held, and may be captured
        ([("capture", "30.00"), ("refund", "10.00")], "captured in part"),
        ([("capture", None)], "captured"),
        ([("capture", None), ("refund", "10.00")], "refunded in part"),
        ([("capture", None), ("refund", None)], "refunded"),
        ([("capture", "30.00"), ("reverse", None)], "captured"),
        ([("capture", "30.00"), ("reverse", None), ("refund", "10.00")], "refunded in part"),
        ([("capture", "30.00"), ("reverse", None), ("refund", None)], "refunded"),
        ([("reverse", None)], "released"),
    ],
)
def test_how_a_payment_stands_is_one_word_everywhere(desk, steps, word):
    order = desk.order("64.50")
    for kind, amount in steps:
        on = desk.debit(order) if kind == "refund" else desk.authorization(order)
        how = {"amount": D(amount)} if amount else {}
        if kind == "capture":
            how["is_last"] = amount is None
        ended = getattr(service, kind)(on, user=desk.staff, **how)
        # What is left of a hold after a capture is not reversed but lapses.
        assert ended.state == ("lapsing" if kind == "reverse" and word != "released" else "done")
    assert words_of(desk, order) == {word}


# -- what is said before -----------------------------------------------------------------------------------------------


def test_capturing_for_a_cancelled_order_says_so_before(desk):
    order = desk.order("64.50")
    hold = desk.authorization(order)

    def said() -> str:
        on = money_desk.read_preview(hold.pk, money_desk.OperationButton.CAPTURE)
        return " ".join(on.preview_text(on.request(**on.everything())))

    assert "cancelled" not in said()
    type(order).objects.filter(pk=order.pk).update(status="Canceled")
    assert said().startswith("The order is cancelled.")
    assert Caller(desk.staff).get(f"payments/{pk(order)}/").json()["order_status"] == "Canceled"


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("amount", "9.00"),
        ("currency", "EUR"),
        ("is_last", True),
        ("reason", "late"),
        ("reference", "R2"),
        ("seen", "1-0"),
        ("lines", [{"line": 1, "quantity": 1}]),
    ],
)
def test_a_key_stands_for_every_argument_that_was_sent_with_it(desk, changed, to):
    staff = Caller(desk.staff)
    at = f"payments/{pk(desk.order())}/capture/"
    asked = {"amount": "10.00", "currency": "USD", "is_last": False, "reason": "sent", "reference": "R1"}
    assert [staff.post(at, asked, key="k").status_code for _ in range(2)] == [201, 201]
    assert code(staff.post(at, {**asked, changed: to}, key="k")) == (422, "key-reused")
    if changed in asked:
        left_out = {name: value for name, value in asked.items() if name != changed}
        assert code(staff.post(at, left_out, key="k")) == (422, "key-reused")
    assert len(desk.calls("captures")) == 1
