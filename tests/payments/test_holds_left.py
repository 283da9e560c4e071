"""A hold that a rejection left on the card is on the staff's list until it is released, or has lapsed at the bank."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cybersource.dashboard import preview as money_desk
from cybersource.db import clock
from cybersource.models import AttentionItem
from cybersource.operations import service
from cybersource.payments import expiry
from cybersource.reconciliation import operations as unknown_operations
from cybersource.simulator import cards
from tests.support.desk import notes, source_of
from tests.support.shop import DECLINE, Shopper, card, latest, post_notification, post_reply, two_cards

D = Decimal

REJECTED = {**DECLINE, "reason_code": "481", "auth_amount": ""}

#: A shop that gives nothing back automatically: it does not want to, or has no key.
SHOPS = {"does not want to": {"CYBERSOURCE_AUTO_REVERSE": False}, "has no key": {"CYBERSOURCE_REST_KEY_ID": ""}}


@pytest.fixture(params=SHOPS)
def by_hand(request, settings):
    for name, value in SHOPS[request.param].items():
        setattr(settings, name, value)


def listed():
    items = AttentionItem.objects.filter(date_cleared=None).order_by("pk")
    return [(one.kind, one.transaction_id, one.amount) for one in items]


def rejected_at_once(desk, **reply):
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    told = shopper.reply(**{**REJECTED, **reply})
    for _again in range(2):
        post_reply(told)
    return order, dict(told)["transaction_id"]


def rejected_by_a_reviewer(desk):
    order = desk.order(card=cards.REVIEW)
    payment = desk.simulator.payments[-1]
    update = desk.simulator.gateway.decide(payment.id, "REJECT", reviewer="lena.review")
    for _again in range(2):
        assert post_notification(update.body).status_code == 200
    return order, desk.authorization(order).reference


REJECTIONS = {"at once": rejected_at_once, "by a reviewer": rejected_by_a_reviewer}


@pytest.mark.parametrize("reject", REJECTIONS.values(), ids=REJECTIONS)
def test_what_nobody_releases_automatically_is_listed_once(desk, one_step, by_hand, reject):
    order, transaction = reject(desk)
    assert listed() == [("hold-left", transaction, D("69.50"))]
    order.refresh_from_db()
    assert order.status == "Payment Declined" and transaction in notes(order)
    expiry.expire(at=clock.now() + timedelta(hours=2))
    assert listed() == [("hold-left", transaction, D("69.50"))]


@pytest.mark.parametrize("reject", REJECTIONS.values(), ids=REJECTIONS)
def test_what_the_shop_releases_itself_is_not_listed(desk, one_step, reject):
    reject(desk)
    assert listed() == []
    unknown_operations.recover(at=desk.rest.now())
    assert listed() == [] or reject is rejected_at_once  # a hold that the simulator never had is refused


@pytest.mark.parametrize("reject", REJECTIONS.values(), ids=REJECTIONS)
def test_it_is_cleared_once_the_bank_has_let_it_lapse(desk, one_step, by_hand, reject):
    reject(desk)
    expiry.expire(at=clock.now() + timedelta(days=30))
    assert len(listed()) == 1
    expiry.expire(at=clock.now() + timedelta(days=32))
    assert listed() == [] and "lapsed" in AttentionItem.objects.get().reason


def test_staff_release_it_from_the_list(desk, settings):
    settings.CYBERSOURCE_AUTO_REVERSE = False
    order, _transaction = rejected_by_a_reviewer(desk)
    (item,) = AttentionItem.objects.all()
    assert money_desk.ways_back([item])[item.pk].act == "reverse"
    service.reverse(desk.authorization(order), user=desk.staff)
    assert listed() == [] and source_of(order)[0] == 0


def test_a_hold_that_the_reviewer_released_is_not_listed(desk, by_hand):
    order = desk.order(card=cards.REVIEW)
    payment = desk.simulator.payments[-1]
    rejected = desk.simulator.gateway.decide(payment.id, "REJECT", reviewer="lena.review", reverse=True)
    assert post_notification(rejected.body).status_code == 200
    order.refresh_from_db()
    assert (order.status, listed()) == ("Payment Declined", [])


def test_other_money_of_the_order_is_found_beside_a_hold_that_is_left(desk, one_step, by_hand):
    """One card paid a part; of the other nothing came after the first, rejected, try."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50", payment=two_cards())
    shopper.deliver(shopper.submit(card(), key="a"))
    post_reply(shopper.reply(latest("b"), **REJECTED))
    expiry.expire(at=clock.now() + timedelta(hours=2))
    assert sorted(kind for kind, *_about in listed()) == ["hold-left", "unpaid-rest"]
    order.refresh_from_db()
    assert order.status == "Payment Declined"


def test_a_card_that_was_only_to_be_stored_left_no_hold(desk, settings):
    settings.CYBERSOURCE_AUTO_REVERSE = False
    rejected_at_once(desk)
    assert listed() == []
