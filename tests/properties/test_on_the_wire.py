"""What goes over the wire says what the rows say: amount, currency, reference and ids of every call for money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oscar.core.loading import get_model

from cybersource.models import PaymentOperation
from cybersource.operations import money_back, service
from cybersource.payments import amounts
from cybersource.simulator import cards
from tests.payments.test_exact_amounts import order_in
from tests.support.desk import Desk

Transaction = get_model("payment", "Transaction")

D = Decimal

#: The decimals of each currency, what a shopper pays in it, and a part of that.
CURRENCIES = {"USD": (2, "69.50", "10.01"), "KWD": (3, "69.75", "10.125"), "JPY": (0, "6950", "1001")}

#: What each operation is called on the wire.
ACTIONS = {"capture": "captures", "refund": "refunds", "void": "voids", "reverse": "reversals"}


def every_kind(desk: Desk, order: Any, part: Decimal) -> None:
    """Each operation, of a whole and of a part, by amount and by line; what is given back last is a plan."""
    hold = desk.authorization(order)
    if desk.payment(order).is_sale:
        desk.do("refund", desk.debit(order), amount=part)
        desk.do("refund", desk.debit(order))
        desk.do("void", desk.payment(order).refunds[0])
        return
    first = desk.do("capture", hold, amount=part, is_last=False).made
    desk.do("void", first)
    desk.do("capture", hold, lines={order.lines.get().pk: 1}, amount=part, is_last=False)
    desk.do("capture", hold, amount=part, is_last=False)
    desk.do("refund", desk.debit(order, 1), lines={order.lines.get().pk: 1}, amount=part)
    desk.do("refund", desk.debit(order, 2), amount=part)
    desk.do("void", desk.payment(order).refunds[1])
    service.reverse(hold, user=desk.staff)
    money_back.cancel_or_refund(hold, user=desk.staff)


@pytest.mark.parametrize("flow", ["one-step", "sale"])
@pytest.mark.parametrize("card", [cards.APPROVED, cards.PARTIAL])
@pytest.mark.parametrize("currency", CURRENCIES)
def test_every_call_says_what_its_rows_say(desk, settings, currency, card, flow):
    settings.CYBERSOURCE_FLOW = flow
    decimals, total, part = CURRENCIES[currency]
    order = order_in(desk, currency, total, card)
    every_kind(desk, order, D(part))
    rows = PaymentOperation.objects.filter(order=order).select_related("transaction", "made", "source").order_by("pk")
    there = {one.id: one for one in desk.rest.transactions}
    sent = [call for call in desk.rest.calls if call.target.startswith("/pts/v2/")]
    assert [call.reference for call in sent] == [row.reference_number for row in rows], "each once, in order"
    for row, call in zip(rows, sent, strict=True):
        assert call.idempotency_id == row.idempotency_id and call.target.endswith(ACTIONS[row.kind])
        assert call.target.split("/")[4] == row.transaction.reference, "of another payment or step"
        if row.kind != "void":
            assert D(call.amount) == row.amount > 0
            assert len(call.amount.partition(".")[2]) == decimals, call.amount
        if row.state == "done":
            done = there[row.made.reference]
            assert (done.currency, done.reference) == (row.source.currency, row.reference_number)
            assert row.source.currency == currency and done.amount == row.amount == amounts.amount_of(row.made)
