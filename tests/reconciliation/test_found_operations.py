"""The law of reconciliation, for what follows on a payment: lost and found, it ends as if its answer had come."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cybersource.models import AttentionItem, PaymentOperation
from cybersource.operations import service
from cybersource.reconciliation import operations as unknown_operations
from cybersource.simulator import cards
from tests.payments.test_heard_or_found import ending
from tests.support.desk import Desk

D = Decimal


def held(desk: Desk) -> tuple[Any, Any]:
    order = desk.order("64.50", "30.00")
    return order, desk.authorization(order)


def under_review(desk: Desk) -> tuple[Any, Any]:
    order = desk.order("64.50", card=cards.REVIEW)
    return order, desk.authorization(order)


def taken(desk: Desk) -> tuple[Any, Any]:
    order = desk.captured("64.50", "30.00")
    return order, desk.debit(order)


def sold(desk: Desk) -> tuple[Any, Any]:
    order = desk.order("64.50", "30.00")
    return order, desk.debit(order)


def refunded(desk: Desk) -> tuple[Any, Any]:
    order, debit = taken(desk)
    return order, desk.do("refund", debit, amount=D("9.50")).made


def line(order: Any) -> dict[str, Any]:
    return {"lines": {order.lines.earliest("pk").pk: 1}, "amount": D("64.50")}


#: (what is there, what is asked, how the call's path ends, how much of it)
Case = tuple[Callable[[Desk], tuple[Any, Any]], str, str, Callable[[Any], dict[str, Any]]]

CASES: dict[str, Case] = {
    "a capture": (held, "capture", "captures", lambda order: {}),
    "a part": (held, "capture", "captures", lambda order: {"amount": D("20.00"), "is_last": False}),
    "a line": (held, "capture", "captures", line),
    "a refund": (taken, "refund", "refunds", lambda order: {}),
    "a refund of a part": (taken, "refund", "refunds", lambda order: {"amount": D("9.50")}),
    "a refund of a sale": (sold, "refund", "refunds", lambda order: {"amount": D("9.50")}),
    "a void of a capture": (taken, "void", "voids", lambda order: {}),
    "a void of a sale": (sold, "void", "voids", lambda order: {}),
    "a void of a refund": (refunded, "void", "voids", lambda order: {}),
    "a reversal": (held, "reverse", "reversals", lambda order: {}),
    "a reversal under review": (under_review, "reverse", "reversals", lambda order: {}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operation_that_was_lost_and_found_ends_as_one_that_was_heard(desk, settings, case):
    there, operation, action, asked = CASES[case]
    settings.CYBERSOURCE_FLOW = "sale" if there is sold else "one-step"
    settled = []
    for heard in (True, False):
        order, on = there(desk)
        if not heard:
            desk.rest.faults.next("no-answer", action=action)
        getattr(service, operation)(on, user=desk.staff, **asked(order))
        settled.append(order)
    assert unknown_operations.recover(at=desk.rest.advance(seconds=11)) == {"found out": 1}
    heard, lost = (ending(order) for order in settled)
    lost["notes"] = [note for note in lost["notes"] if "Its outcome is not known yet" not in note]
    assert lost == heard
    states = [
        list(PaymentOperation.objects.filter(order=order).order_by("pk").values_list("kind", "state", "amount"))
        for order in settled
    ]
    assert states[0] == states[1]


def test_that_a_sale_is_voided_does_not_say_that_its_hold_was_given_back(desk, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    order = desk.order("64.50")
    desk.do("void", desk.debit(order))
    desk.rest.faults.next("lost", action="reversals")
    lost = service.reverse(desk.authorization(order), user=desk.staff)
    assert lost.state == "unknown"
    unknown_operations.recover(at=desk.rest.advance(minutes=20))
    lost.refresh_from_db()
    assert lost.state == "not-sent" and desk.payment(order).left_to_reverse
    assert AttentionItem.objects.get(date_cleared=None).kind == "given-back-in-part"
    desk.rest.faults.next("no-answer", action="reversals")
    again = service.reverse(desk.authorization(order), user=desk.staff)
    unknown_operations.recover(at=desk.rest.advance(minutes=20))
    again.refresh_from_db()
    assert again.state == "done" and not desk.payment(order).left_to_reverse
