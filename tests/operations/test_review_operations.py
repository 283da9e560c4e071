"""Staff decide a payment under review from the shop, and the decision that stands at CyberSource is the shop's."""

from __future__ import annotations

import pytest

from cybersource.models import PaymentOperation, ReviewNotification, ReviewNotificationUpdate
from cybersource.operations import service
from cybersource.payments.errors import InvalidOperation
from cybersource.simulator import cards
from tests.support.desk import Order, notes, source_of, transactions
from tests.support.shop import post_notification
from tests.support.threads import in_threads


@pytest.fixture
def case(desk):
    """An order whose payment waits for a reviewer."""
    order = desk.order(card=cards.REVIEW)
    assert order.status == "Pending"
    return order


def status(order) -> str:
    return Order.objects.get(pk=order.pk).status


def test_accepting_a_review_authorizes_the_order_and_tells_cybersource_why(desk, case, mailoutbox):
    done = desk.do("accept_review", desk.authorization(case), reason="called the customer")
    assert status(case) == "Authorized" and transactions(case) == [("Authorise", "69.50", "ACCEPT")]
    assert len(mailoutbox) == 1
    assert (done.kind, done.user_name, done.made) == ("accept-review", "ines", None)
    assert "called the customer" in notes(case)
    (decided,) = ReviewNotificationUpdate.objects.all()
    assert (decided.source, decided.state, decided.reviewer) == ("operation", "recorded", "ines")
    desk.do("capture", desk.authorization(case))


@pytest.mark.parametrize("decision", ["accept_review", "reject_review"])
def test_a_decision_of_the_shops_own_is_recorded_as_such_and_no_notification_is_made_up(desk, case, decision):
    desk.do(decision, desk.authorization(case), reason="called 4111111111111111")
    assert not ReviewNotification.objects.exists()
    (decided,) = ReviewNotificationUpdate.objects.all()
    assert (decided.source, decided.notification, decided.state) == ("operation", None, "recorded")
    assert "4111" not in str(decided.payload), "no card number is kept, whoever wrote it"


def test_rejecting_a_review_declines_the_order_and_leaves_the_hold_to_be_reversed(desk, case, settings):
    settings.CYBERSOURCE_AUTO_REVERSE = ()
    desk.do("reject_review", desk.authorization(case), reason="stolen card")
    assert status(case) == "Payment Declined" and transactions(case) == [("Authorise", "69.50", "REJECT")]
    assert source_of(case)[0] == 0
    desk.do("reverse", desk.authorization(case))
    assert transactions(case)[0][2] == "REVERSED" and source_of(case)[0] == 0


def test_a_decision_that_another_reviewer_made_before_stands(desk, case):
    payment = desk.simulator.payments[-1]
    notification = desk.simulator.gateway.decide(payment.id, "REJECT", reviewer="lena.review")
    ended = service.accept_review(desk.authorization(case), user=desk.staff)
    assert ended.state == "refused"
    assert post_notification(notification.body).status_code == 200
    assert status(case) == "Payment Declined"


def test_the_notification_of_our_own_decision_changes_nothing_more(desk, case):
    desk.do("accept_review", desk.authorization(case))
    payment = desk.simulator.payments[-1]
    update = desk.simulator.gateway.add_note(payment.id, "lena.review", "seen")
    assert post_notification(update.body).status_code == 200
    assert status(case) == "Authorized" and len(transactions(case)) == 1


def test_several_who_decide_at_once_decide_once(desk, case):
    hold = desk.authorization(case)

    def accept(_: int) -> str:
        try:
            return service.accept_review(hold, user=desk.staff).state
        except InvalidOperation as refused:
            return refused.problems[0].code

    ended = in_threads(accept, 6)
    assert ended.count("done") == 1 and set(ended) <= {"done", "under-way", "wrong-state"}
    assert PaymentOperation.objects.count() == 1


def test_only_a_payment_under_review_is_decided(desk):
    order = desk.order()
    with pytest.raises(InvalidOperation) as refused:
        service.reject_review(desk.authorization(order))
    assert [problem.code for problem in refused.value.problems] == ["wrong-state"]
