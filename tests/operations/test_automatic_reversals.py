"""A hold that nobody wants is given back without anybody asking, and never from within a reply."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cybersource.models import AttentionItem, PaymentOperation
from cybersource.operations import service
from cybersource.reconciliation import operations as unknown_operations
from cybersource.simulator import cards
from tests.support.desk import Source, source_of
from tests.support.shop import Shopper, post_notification, post_reply

D = Decimal


def queued() -> list[tuple[str, str, Decimal, bool]]:
    rows = PaymentOperation.objects.order_by("pk")
    return [(one.kind, one.payment_id, one.amount, one.is_automatic) for one in rows if one.state == "queued"]


def test_what_a_reviewer_rejects_is_to_be_reversed_unless_the_reviewer_did(desk):
    order = desk.order(card=cards.REVIEW)
    payment = desk.simulator.payments[-1]
    hold = desk.authorization(order)
    update = desk.simulator.gateway.decide(payment.id, "REJECT", reviewer="lena.review")
    for _ in range(2):
        assert post_notification(update.body).status_code == 200
    assert queued() == [("reverse", hold.reference, D("69.50"), True)]
    assert not desk.calls("reversals")  # nobody waited for it


def test_a_decline_by_decision_manager_may_have_left_a_hold(desk):
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.deliver(shopper.submit())
    reply = shopper.reply(decision="DECLINE", reason_code="481", auth_amount="")
    for _ in range(2):
        post_reply(reply)
    ((kind, payment_id, amount, _automatic),) = queued()
    assert (kind, amount) == ("reverse", D("69.50")) and dict(reply)["transaction_id"] == payment_id
    assert PaymentOperation.objects.get().order == order


@pytest.mark.parametrize(("flow", "kind"), [("one-step", "reverse"), ("sale", "void")])
def test_a_second_charge_is_given_back_only_where_the_shop_says_so(desk, settings, flow, kind):
    settings.CYBERSOURCE_FLOW = flow
    shopper = Shopper(gateway=desk.simulator.gateway)
    shopper.check_out("64.50")
    shopper.pay()
    post_reply(shopper.reply())
    assert queued() == [] and AttentionItem.objects.get().kind == "extra-charge"
    settings.CYBERSOURCE_AUTO_REVERSE = True
    second = shopper.reply()
    post_reply(second)
    assert queued() == [(kind, dict(second)["transaction_id"], D("69.50"), True)]


def test_a_second_charge_that_pays_while_the_first_is_under_review_is_kept(desk, settings, one_step):
    settings.CYBERSOURCE_AUTO_REVERSE = True
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    shopper.pay(cards.REVIEW)
    post_reply(shopper.reply())
    order.refresh_from_db()
    assert order.status == "Authorized" and queued() == []
    assert AttentionItem.objects.get().kind == "extra-charge"  # staff decide, once the reviewer has


def test_of_a_second_sale_nothing_is_left_in_the_books_or_on_the_list(desk, settings):
    settings.CYBERSOURCE_AUTO_REVERSE = True
    settings.CYBERSOURCE_FLOW = "sale"
    shopper, other = (Shopper(gateway=desk.simulator.gateway) for _ in range(2))
    order = shopper.check_out("64.50")
    shopper.pay()
    paid = shopper.attempt()
    other.check_out("64.50")
    sale = dict(other.submit().reply)["transaction_id"]
    post_reply(shopper.reply(paid, transaction_id=sale))
    for _void_then_reversal in range(2):
        assert unknown_operations.recover() == {"sent": 1}
    assert list(PaymentOperation.objects.order_by("pk").values_list("kind", "state")) == [
        ("void", "done"),
        ("reverse", "done"),
    ]
    assert desk.rest.status(sale) == "REVERSED" and AttentionItem.objects.get().date_cleared
    allocated = Source.objects.filter(order=order).order_by("pk").values_list("amount_allocated", "amount_debited")
    assert list(allocated) == [(D("69.50"), D("69.50")), (0, 0)]


def test_a_card_that_decision_manager_would_not_even_store_left_no_hold(desk):
    shopper = Shopper(gateway=desk.simulator.gateway)
    shopper.check_out("64.50")
    post_reply(shopper.reply(decision="DECLINE", reason_code="481", auth_amount=""))
    assert shopper.attempt().transaction_type == "create_payment_token" and queued() == []


def test_what_staff_tried_in_vain_is_still_done_by_itself(desk, settings):
    order = desk.order(card=cards.REVIEW)
    there = settings.CYBERSOURCE_REST_ENDPOINT
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    assert service.reverse(desk.authorization(order)).state == "not-sent"
    settings.CYBERSOURCE_REST_ENDPOINT = there
    update = desk.simulator.gateway.decide(desk.simulator.payments[-1].id, "REJECT", reviewer="lena.review")
    assert post_notification(update.body).status_code == 200
    assert [kind for kind, *_about in queued()] == ["reverse"]


@pytest.mark.parametrize("setting", [("CYBERSOURCE_AUTO_REVERSE", False), ("CYBERSOURCE_REST_KEY_ID", "")])
def test_nothing_is_reversed_by_itself_where_the_shop_does_not_want_it_or_has_no_key(desk, settings, setting):
    setattr(settings, *setting)
    order = desk.order(card=cards.REVIEW)
    update = desk.simulator.gateway.decide(desk.simulator.payments[-1].id, "REJECT", reviewer="lena.review")
    assert post_notification(update.body).status_code == 200
    assert queued() == [] and source_of(order)[0] == 0


def test_what_the_shop_does_by_itself_waits_for_the_network_to_come_back(desk, settings):
    order = desk.order(card=cards.REVIEW)
    update = desk.simulator.gateway.decide(desk.simulator.payments[-1].id, "REJECT", reviewer="lena.review")
    post_notification(update.body)
    there = settings.CYBERSOURCE_REST_ENDPOINT
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    unknown_operations.recover()
    assert len(queued()) == 1 and not order.sources.get().transactions.filter(status="FAILED").exists()
    settings.CYBERSOURCE_REST_ENDPOINT = there
    unknown_operations.recover()
    assert PaymentOperation.objects.get().state == "done" and len(desk.calls("reversals")) == 1
