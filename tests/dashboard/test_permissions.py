"""Permission follows the effect: who may not decide reviews ends none, by whichever button or verb."""

from __future__ import annotations

import pytest

from cybersource.models import AttentionItem, PaymentOperation
from cybersource.simulator import cards
from tests.dashboard.test_operation_pages import MOVE, ORDERS, SEE, ask, buttons, url, user
from tests.support.calling import Caller, pk, user_with

DECIDE = "decide_review"


@pytest.mark.parametrize("act", ["reverse", "give-back", "accept-review", "reject-review"])
@pytest.mark.parametrize(("may", "status"), [((MOVE,), 403), ((DECIDE,), None), ((MOVE, DECIDE), None)])
def test_a_review_is_ended_by_those_who_may_decide_it(desk, act, may, status):
    order = desk.order(card=cards.REVIEW)
    caller = Caller(user_with(SEE, *may))
    told = caller.post(f"payments/{pk(order)}/{act}/", {})
    needed = {DECIDE} | ({MOVE} if act in ("reverse", "give-back") else set())
    allowed = needed <= set(may)
    assert (told.status_code == 403) is not allowed, (told.status_code, told.content)
    assert PaymentOperation.objects.exists() is allowed
    if not allowed:
        assert told.json()["code"] == "permission-denied"


@pytest.mark.parametrize("act", ["reverse", "give-back"])
def test_the_desk_offers_and_does_no_more_than_the_api(desk, act):
    order = desk.order(card=cards.REVIEW)
    hold = desk.authorization(order)
    AttentionItem.objects.create(kind="closed-order", order=order, transaction_id=hold.reference)
    mover = user("mona", SEE, MOVE, "view_attentionitem", *ORDERS)
    both = user("dina", SEE, MOVE, DECIDE, "view_attentionitem", *ORDERS)
    assert "reverse" not in buttons(mover, order) and "reverse" in buttons(both, order)
    back = f"/payments/{hold.pk}/reverse/"
    assert back not in mover.get("/api/cybersource/attention/").content.decode()
    assert back in both.get("/api/cybersource/attention/").content.decode()
    assert mover.get(url(hold, act)).status_code == 403
    assert mover.post(url(hold, act), {"step": "do", "key": "k", "reason": "x"}).status_code == 403
    assert not PaymentOperation.objects.exists()
    assert ask(both, hold, act).status_code == 200
    assert PaymentOperation.objects.get().state == "done"


def test_what_is_not_under_review_needs_no_more_than_before(desk):
    order = desk.order()
    assert Caller(user_with(MOVE)).post(f"payments/{pk(order)}/reverse/", {}).status_code == 201
