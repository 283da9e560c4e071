"""The law of reconciliation: a payment ends in the same rows, whether its answer was heard or was lost and looked up.

For everything that CyberSource can say of a payment, in every flow and at each of its steps. Ids may differ.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from cybersource.models import AttentionItem, PaymentOperation
from cybersource.payments import expiry
from cybersource.reconciliation import attempts, comparison, operations, run
from cybersource.simulator import cards
from cybersource.simulator.outcomes import VERDICTS
from tests.properties.rows import THOROUGH, Ending
from tests.support.desk import Order, OrderNote
from tests.support.shop import Shopper, card

#: What is refused before it is processed, or cancelled, leaves nothing at CyberSource that could be found.
FOUND = [name for name in VERDICTS if name != "cancel"]

#: One of each kind, for the flows that differ in how they ask and not in what is answered.
OF_EACH_KIND = ["100", "110", "200", "200-reversed", "201", "203", "475", "480", "481", "520", "151", "104"]

ALL_FLOWS = ["one-step", "sale", "sale-with-token", "two-step"]

#: (flow, at which of its forms, what CyberSource says)
CASES = [
    (flow, step, outcome)
    for flow in ALL_FLOWS
    for step in (("token", "pay") if flow == "two-step" else ("pay",))
    for outcome in FOUND
    if THOROUGH or flow == "one-step" or outcome in OF_EACH_KIND
]


def pay(desk: Any, step: str, outcome: str, *, heard: bool) -> Any:
    """A shopper who pays up to the step whose answer is heard, or lost. Returns the order."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    if step == "pay" and shopper.state()["required_action"]["url"].endswith("/token/create"):
        shopper.deliver(shopper.submit(card()))
    desk.simulator.faults.next(outcome=outcome)
    answer = shopper.submit(card())
    if heard:
        shopper.deliver(answer, follow=False)
    return order


def without_ids(words: str) -> str:
    return re.sub(r"[0-9a-f]{24,}|\d{5,}", "#", words)


def ending(order: Any) -> dict[str, Any]:
    """What the rows of one order say, without the names of things."""
    rows = Ending.of(order.pk)
    items = AttentionItem.objects.filter(order=order).order_by("pk")
    return {
        "order": (rows.status, rows.basket),
        "sources": [row[1:] for row in rows.sources],
        "transactions": [row[1:4] for row in rows.transactions],
        "events": [(kind, amount, quantities) for kind, amount, _reference, quantities in rows.events],
        "attempts": [(state, attention, bool(source)) for state, attention, source, _settled in rows.attempts],
        "listed": [(item.kind, item.detail, item.date_cleared is None) for item in items],
        "notes": [without_ids(note.message) for note in OrderNote.objects.filter(order=order).order_by("pk")],
        "told": (rows.confirmations, rows.mails, rows.open_log),
    }


def find_what_was_lost(desk: Any, **later: float) -> None:
    at = desk.rest.advance(**later)
    expiry.expire(at=at)
    operations.recover(at=at)
    attempts.adopt_lost(at=at)
    operations.recover(at=at)  # sends what that queued
    comparison.compare(at=at)


@pytest.mark.parametrize(("flow", "step", "outcome"), CASES)
def test_a_reply_that_was_lost_and_found_ends_as_one_that_was_heard(desk, settings, flow, step, outcome):
    settings.CYBERSOURCE_FLOW = flow
    heard, lost = (pay(desk, step, outcome, heard=heard) for heard in (True, False))
    find_what_was_lost(desk, minutes=6)
    assert ending(lost) == ending(heard)
    find_what_was_lost(desk, hours=30)
    assert ending(lost) == ending(heard)
    assert not AttentionItem.objects.filter(kind="drift").exists()


#: What the bank says of a stored card, by the card that says it.
STORED = {each.tag: each.number for each in cards.TEST_CARDS if not each.at_token and each.brand == "Visa"}


@pytest.mark.parametrize("tag", STORED)
def test_an_authorization_by_the_server_that_was_lost_and_found_ends_as_one_that_was_heard(desk, settings, tag):
    settings.CYBERSOURCE_FLOW = "token-then-server"
    settled = []
    for heard in (True, False):
        shopper = Shopper(gateway=desk.simulator.gateway)
        order = shopper.check_out("64.50")
        shopper.deliver(shopper.submit(card(STORED[tag])))
        if not heard:
            desk.rest.faults.next("no-answer", action="payments")
        shopper.client.post(shopper.state()["required_action"]["url"])
        settled.append(order)
    find_what_was_lost(desk, minutes=6)
    heard, lost = (ending(order) for order in settled)
    for told in (heard, lost):  # that nobody knew was noted while it was so
        told["notes"] = [
            note for note in told["notes"] if not re.search("could not say|Its outcome is not known yet", note)
        ]
    assert lost == heard
    kinds = {operation.state for operation in PaymentOperation.objects.filter(order__in=settled)}
    assert len(kinds) == 1 and (kinds == {"unknown"}) == ("unknown" in str(heard["attempts"]))


def test_what_a_reviewer_decides_of_a_held_payment_that_was_found_has_the_same_effect(desk, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    orders = [pay(desk, "pay", outcome, heard=False) for outcome in ("200", "230", "520")]
    find_what_was_lost(desk, minutes=6)
    for order, case in zip(orders, desk.simulator.gateway.cases, strict=True):
        (row,) = Ending.of(order.pk).transactions
        assert row[1:4] == ("Authorise", order.total_incl_tax, "REVIEW")
        desk.simulator.gateway.decide(case.id, "ACCEPT", reviewer="lena.review")
    run.reconcile(at=desk.rest.advance(hours=1))
    assert {Order.objects.get(pk=order.pk).status for order in orders} == {"Authorized"}
    assert not AttentionItem.objects.exists()
