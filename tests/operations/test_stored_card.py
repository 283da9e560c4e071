"""A stored card is authorized by the shop's server, once, and settled like any other payment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from cybersource.models import PaymentAttempt, PaymentOperation, PaymentToken
from cybersource.operations import stored_card
from cybersource.payments import expiry
from cybersource.payments.errors import InvalidOperation
from cybersource.reconciliation import operations
from cybersource.simulator import cards
from cybersource.simulator.rest_access import Vault
from tests.support.desk import Order, events, source_of, transactions
from tests.support.shop import Shopper, card, post_notification
from tests.support.threads import in_threads

D = Decimal


@pytest.fixture
def buyer(desk, settings) -> Shopper:
    settings.CYBERSOURCE_FLOW = "token-then-server"
    return Shopper(gateway=desk.simulator.gateway)


def store_card(buyer: Shopper, number: str = cards.APPROVED):
    """The shopper's card is stored; what the shop's page says next."""
    order = buyer.check_out("64.50")
    page = buyer.deliver(buyer.submit(card(number)))
    return order, page.headers["Location"]


def ask(buyer: Shopper, **extra):
    """The browser posts the next form, which is the shop's own."""
    action = buyer.state()["required_action"]
    assert action["fields"] == [] and action["name"] == "authorize"
    return buyer.client.post(action["url"], follow=False, **extra)


def fresh(order):
    return Order.objects.get(pk=order.pk)


@pytest.mark.quick
def test_the_card_is_stored_by_the_browser_and_authorized_by_the_server(desk, buyer, mailoutbox):
    order, pending = store_card(buyer)
    page = buyer.client.get(pending)
    assert b"data-cybersource-next" in page.content
    there = ask(buyer)
    shown = buyer.client.get(there.headers["Location"])
    assert "thank-you" in shown.headers["Location"]
    assert fresh(order).status == "Authorized" and len(mailoutbox) == 1
    assert transactions(order) == [("Authorise", "69.50", "ACCEPT")] and events(order) == [("Authorise", "69.50", [1])]
    operation = PaymentOperation.objects.get()
    assert (operation.kind, operation.state, operation.reference_number) == ("authorize", "done", f"{order.number}-A1")
    attempt = buyer.attempt()
    assert (attempt.channel, attempt.state, attempt.settling_reply) == ("rest", "authorized", operation.log)
    assert attempt.token.kind == "customer" and attempt.source.label.endswith("1111")
    desk.do("capture", desk.authorization(order))


def test_a_form_that_is_posted_by_many_tabs_at_once_authorizes_once(desk, buyer):
    order, _pending = store_card(buyer)
    attempt = buyer.attempt()
    in_threads(lambda _: stored_card.authorize_step(attempt), 6)
    assert PaymentOperation.objects.count() == 1 and source_of(order)[0] == D("69.50")
    assert len([call for call in desk.rest.calls if call.target == "/pts/v2/payments"]) == 1


def test_another_visitor_with_the_url_authorizes_nothing(desk, buyer):
    store_card(buyer)
    url = buyer.state()["required_action"]["url"]
    assert Client().post(url).status_code == 200 and not PaymentOperation.objects.exists()
    assert buyer.client.get(url).status_code == 405


@pytest.mark.parametrize(("number", "state"), [(cards.DECLINED, "declined"), (cards.REVIEW, "review")])
def test_a_decline_and_a_review_are_settled_as_from_the_browser(desk, buyer, number, state):
    order, _pending = store_card(buyer, number)
    ask(buyer)
    assert buyer.attempt().state == state
    assert fresh(order).status == {"declined": "Payment Declined", "review": "Pending"}[state]


def test_a_lost_answer_is_an_unknown_outcome_and_is_not_asked_again(desk, buyer):
    order, _pending = store_card(buyer)
    desk.rest.faults.next("no-answer", action="payments")
    ask(buyer)
    assert buyer.attempt().state == "unknown" and PaymentOperation.objects.get().state == "unknown"
    assert buyer.state()["required_action"] is None and buyer.state()["status"] == "Pending"
    assert fresh(order).status == "Pending"


def test_what_never_left_may_be_asked_again_and_is_no_charge_if_it_never_is(desk, buyer, settings):
    order, _pending = store_card(buyer)
    there = settings.CYBERSOURCE_REST_ENDPOINT
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    ask(buyer)
    assert PaymentOperation.objects.get().state == "not-sent" and buyer.attempt().state == "open"
    assert expiry.expire(at=timezone.now() + timedelta(hours=2), dry_run=True) == {"given up, no charge possible": 1}
    settings.CYBERSOURCE_REST_ENDPOINT = there
    ask(buyer)
    assert fresh(order).status == "Authorized"


def test_a_browser_that_never_comes_back_is_paid_for_all_the_same(desk, buyer):
    order = buyer.check_out("64.50")
    buyer.deliver(buyer.submit(), follow=False)
    assert stored_card.authorize_waiting() == 0  # the browser may still be on its way
    later = timezone.now() + timedelta(minutes=5)
    assert stored_card.authorize_waiting(at=later) == 1
    assert stored_card.authorize_waiting(at=later) == 0
    assert fresh(order).status == "Authorized"


def test_staff_authorize_a_stored_card_for_what_an_order_lacks(desk, buyer):
    order, _pending = store_card(buyer)
    token = PaymentToken.objects.get()
    with pytest.raises(InvalidOperation) as refused:
        stored_card.authorize(order, token, user=desk.staff)
    assert refused.value.problems[0].code == "under-way"  # the shopper is at it
    expiry.expire(at=timezone.now() + timedelta(hours=2))
    assert fresh(order).status == "Payment Declined"
    with pytest.raises(InvalidOperation) as refused:
        stored_card.authorize(order, token, amount=D("69.51"), user=desk.staff)
    assert refused.value.problems[0].code == "amount-too-high"
    with pytest.raises(InvalidOperation) as refused:
        stored_card.authorize(order, token, currency="EUR", user=desk.staff)
    assert refused.value.problems[0].code == "other-currency"
    done = stored_card.authorize(
        order, token, capture=True, commerce_indicator="moto", user=desk.staff, key="phone-1", reason="by phone"
    )
    assert done.state == "done" and source_of(order) == (D("69.50"), D("69.50"), 0)
    same = {"capture": True, "commerce_indicator": "moto", "key": "phone-1", "reason": "by phone"}
    assert stored_card.authorize(order, token, **same).pk == done.pk
    assert stored_card.authorize(order, token, amount=D("69.50"), **same).pk == done.pk  # what it came to
    assert stored_card.authorize(order, token, currency="USD", **same).pk == done.pk
    with pytest.raises(InvalidOperation) as refused:
        stored_card.authorize(order, token, currency="EUR", **same)
    assert refused.value.problems[0].code == "key-reused"
    desk.do("refund", desk.debit(order), amount=D("1.00"))


@pytest.fixture
def given_up(buyer):
    """An order whose shopper stored a card and never came back, and the card."""
    order = buyer.check_out("64.50")
    buyer.deliver(buyer.submit(), follow=False)
    expiry.expire(at=timezone.now() + timedelta(hours=2))
    assert fresh(order).status == "Payment Declined"
    return order, PaymentToken.objects.get()


def test_what_staff_were_told_was_not_sent_is_not_sent_behind_their_backs(desk, given_up, settings):
    order, token = given_up
    there = settings.CYBERSOURCE_REST_ENDPOINT
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    assert stored_card.authorize(order, token, user=desk.staff).state == "not-sent"
    assert fresh(order).status == "Payment Declined"
    settings.CYBERSOURCE_REST_ENDPOINT = there
    assert stored_card.authorize_waiting(at=timezone.now() + timedelta(minutes=5)) == 0
    assert stored_card.authorize(order, token, user=desk.staff).state == "done"
    assert fresh(order).status == "Authorized"


def test_several_who_authorize_under_one_key_authorize_once(desk, given_up):
    order, token = given_up
    ended = in_threads(lambda _: stored_card.authorize(order, token, user=desk.staff, key="phone-1").pk, 4)
    assert len(set(ended)) == 1 and PaymentOperation.objects.count() == 1
    assert PaymentAttempt.objects.filter(order=order, is_limited=False).count() == 1


ASKED = {"capture": True, "commerce_indicator": "moto", "method_key": "phone", "reason": "r", "reference": "7"}


@pytest.mark.parametrize("changed", [*ASKED, "amount", "token"])
@pytest.mark.parametrize("other", ["left out", "another"])
def test_one_key_stands_for_one_set_of_arguments(desk, given_up, changed, other):
    order, token = given_up
    asked = {**ASKED, "amount": D("69.50"), "user": desk.staff, "key": "phone-1"}
    done = stored_card.authorize(order, token, **asked)
    again = dict(asked)
    another = {"capture": False, "commerce_indicator": "recurring", "amount": D("60.00")}
    if changed in asked:
        again.pop(changed)
        if other == "another":
            again[changed] = another.get(changed, "else")
    else:
        token = PaymentToken.objects.create(token="another", owner=token.owner)
    with pytest.raises(InvalidOperation) as refused:
        stored_card.authorize(order, token, **again)
    assert [problem.code for problem in refused.value.problems] == ["key-reused"]
    assert PaymentOperation.objects.get(key="phone-1") == done


def test_the_key_stands_for_the_call_that_a_token_of_the_older_kind_needed(desk, given_up):
    order, token = given_up
    desk.simulator.configure(rest=replace(desk.simulator.gateway.settings.rest, vault=Vault.LEGACY))
    done = stored_card.authorize(order, token, user=desk.staff, key="phone-1")
    assert done.state == "done" and PaymentOperation.objects.count() == 2
    assert stored_card.authorize(order, token, user=desk.staff, key="phone-1").pk == done.pk


@pytest.mark.parametrize("amount", ["NaN", "-1", "0"])
def test_no_amount_is_not_authorized(desk, given_up, amount):
    with pytest.raises(InvalidOperation) as refused:
        stored_card.authorize(*given_up, amount=D(amount), user=desk.staff)
    assert [problem.code for problem in refused.value.problems] == ["amount-not-positive"]


def test_a_review_is_decided_of_an_authorization_that_had_to_be_looked_up(desk, buyer):
    order, _pending = store_card(buyer, cards.REVIEW)
    desk.rest.faults.next("no-answer", action="payments")
    ask(buyer)
    operations.recover(at=desk.rest.advance(seconds=11))
    assert buyer.attempt().state == "review"
    update = desk.simulator.gateway.decide(desk.simulator.payments[-1].id, "ACCEPT", reviewer="lena.review")
    assert post_notification(update.body).status_code == 200
    assert fresh(order).status == "Authorized"


def test_the_card_of_one_customer_does_not_pay_the_order_of_another(desk, buyer):
    order, _pending = store_card(buyer)
    PaymentToken.objects.update(owner=desk.staff)
    with pytest.raises(InvalidOperation) as refused:
        stored_card.authorize(order, PaymentToken.objects.get(), user=desk.staff)
    assert refused.value.problems[0].field == "token"


def test_without_rest_keys_the_step_waits_and_nothing_is_lost(desk, buyer, settings):
    order, _pending = store_card(buyer)
    settings.CYBERSOURCE_REST_KEY_ID = ""
    assert ask(buyer).status_code == 302
    assert PaymentAttempt.objects.filter(order=order, state="open", channel="rest").exists()
