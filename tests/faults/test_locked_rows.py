"""Somebody else holds rows locked and does not let go: nobody waits for ever, and nothing is lost."""

from __future__ import annotations

import contextlib
import time

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.template.backends.django import Template
from oscar.apps.order.signals import order_status_changed

from cybersource import signals
from cybersource.db import locks
from cybersource.models import CyberSourceReply, OrderConfirmation, PaymentAttempt, ReviewNotificationUpdate
from cybersource.reviews import matching
from cybersource.simulator import cards
from tests.faults.breaking import Checkpoint, elsewhere, filled, log, reprocess, rows, settled_once
from tests.faults.scenes import scene
from tests.support.reviewing import tell, under_review
from tests.support.shop import Shopper, card, customer, post_reply

#: Seconds, in the place of five: whoever holds a row here lets go only after the answer, so any answer is in time.
SHORTLY = 0.3


@pytest.fixture(autouse=True)
def impatient(monkeypatch, settings):
    monkeypatch.setattr(locks, "FOR_A_REQUEST", SHORTLY)
    monkeypatch.setattr(locks, "FOR_A_RETRY", SHORTLY)
    settings.CYBERSOURCE_FLOW = "one-step"


@contextlib.contextmanager
def held(table, where="true", *parameters):
    """Another connection holds rows for as long as it takes, as strongly as PostgreSQL lets it."""
    with elsewhere() as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(f'SELECT 1 FROM "{table}" WHERE {where} FOR UPDATE', parameters)
            yield
        other.rollback()


def test_we_wait_for_less_than_half_of_what_cybersource_waits_for_us(monkeypatch):
    monkeypatch.undo()
    assert locks.FOR_A_REQUEST * 2 <= 10
    with locks.lock_deadline(locks.FOR_A_REQUEST):
        told = {name: int(text.removesuffix("ms")) for name, text in locks._limits().items()}
    # Two waits for one row (for our turn, then for the row) together stay below; so does any one statement.
    assert 0 < 2 * told["lock_timeout"] <= 5000
    assert told["statement_timeout"] <= 8000


def test_whichever_rows_are_locked_the_merchant_post_is_answered_and_redelivery_settles(committed_db):
    """All rows of each table in turn, the order's own, its basket's, the shopper's, the log's among them."""
    with_user = Shopper()
    with_user.client.force_login(customer())
    here = scene("one step, accepted", shopper=with_user)
    with Checkpoint() as checkpoint:
        checkpoint.restore()
        assert here.merchant().status_code == 200
        expected = rows()
        answers = {}
        checkpoint.restore()
        for table in filled():
            checkpoint.restore()
            with held(table):
                answers[table] = here.merchant().status_code
                assert CyberSourceReply.objects.count() == 1, f"evidence waited for {table}"
                assert here.browser().status_code == 303
            assert here.merchant().status_code == 200, table
            reprocess()
            assert rows() == expected, table
            assert settled_once(log()), table
            assert len(mail.outbox) == 1, table
    assert set(answers.values()) == {200, 503}
    assert {"order_order", "cybersource_paymentattempt", "basket_basket"} <= {
        table for table, code in answers.items() if code == 503
    }


def test_a_merchant_post_that_cannot_be_settled_in_time_is_told_to_come_again(shopper):
    order = shopper.check_out()
    answer = shopper.submit()
    with held("order_order", "id = %s", order.pk):
        response = post_reply(answer.merchant_posts[0].pairs, url="/api/cybersource/merchant-post/")
    assert (response.status_code, response.content) == (503, b"stored, not settled")
    assert response["Retry-After"] == "30"
    assert response["Content-Type"] == "text/plain"
    assert log() == ["received"]


def test_a_shopper_whose_order_is_locked_waits_on_the_pending_page_which_settles_it(shopper, mailoutbox):
    order = shopper.check_out()
    answer = shopper.submit()
    with held("order_order", "id = %s", order.pk):
        response = shopper.deliver(answer)
        assert "/pending/" in response["Location"]
        page = shopper.client.get(response["Location"]).content.decode()
        assert "We are still checking" in page
        assert 'name="signature"' not in page
        # The payment states offer no second try at a payment whose answer is in the house.
        assert shopper.state() == {**shopper.state(), "status": "Pending", "required_action": None}
    assert log() == ["received"]
    assert shopper.client.get(response["Location"], follow=True).redirect_chain[-1][0] == "/checkout/thank-you/"
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert (log(), len(mailoutbox)) == (["settled"], 1)


def test_the_card_form_of_a_stored_and_unsettled_first_step_goes_on_by_itself(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out()
    stored = shopper.submit()
    with held("order_order", "id = %s", order.pk):
        response = shopper.deliver(stored)
    page = shopper.client.get(response["Location"]).content.decode()
    assert 'name="payment_token"' in page
    assert PaymentAttempt.objects.count() == 2


def test_a_locked_order_does_not_hold_up_the_others_in_reprocess(committed_db, capsys):
    shoppers = [Shopper(), Shopper(), Shopper()]
    orders = [shopper.check_out("10.00") for shopper in shoppers]
    for shopper, order in zip(shoppers, orders, strict=True):
        answer = shopper.submit()
        with held("order_order", "id = %s", order.pk):
            shopper.deliver(answer, follow=False)
    assert log() == ["received"] * 3
    with held("order_order", "id = %s", orders[0].pk):
        call_command("cybersource_reprocess")
    told = capsys.readouterr().out
    assert "replies settled: 2" in told
    assert "replies waiting: 1" in told
    statuses = [type(order).objects.get(pk=order.pk).status for order in orders]
    assert statuses == ["Pending", "Authorized", "Authorized"]
    call_command("cybersource_reprocess")
    assert log() == ["settled"] * 3


def test_a_review_of_a_locked_order_is_stored_and_the_others_of_its_notification_take_effect(committed_db):
    locked, free = under_review(Shopper()), under_review(Shopper())
    updates = [case.update(new_decision="ACCEPT") for case in (locked, free)]
    with held("order_order", "id = %s", locked.order_id):
        assert tell(*updates) == 503
    assert (locked.status, free.status) == ("Pending", "Authorized")
    assert list(ReviewNotificationUpdate.objects.order_by("position").values_list("state", flat=True)) == [
        "failed",
        "recorded",
    ]
    call_command("cybersource_reprocess", verbosity=0)
    assert locked.status == "Authorized"


def test_a_locked_basket_lets_no_receiver_hear_twice_of_the_other_orders_of_its_notification(committed_db):
    free, locked = under_review(Shopper()), under_review(Shopper())
    heard = []

    def hear(sender, order, new_status, **kwargs):
        heard.append((order.pk, new_status))

    order_status_changed.connect(hear)
    try:
        with held("basket_basket", "id = %s", locked.order.basket_id):
            assert tell(*[case.update(new_decision="ACCEPT") for case in (free, locked)]) == 503
    finally:
        order_status_changed.disconnect(hear)
    assert (free.status, locked.status) == ("Authorized", "Pending")
    assert heard == [(free.order_id, "Authorized")]


def test_updates_that_no_time_is_left_for_wait_for_reprocess(committed_db, monkeypatch):
    monkeypatch.setattr(matching, "TOGETHER", 1)
    monkeypatch.setattr(locks, "FOR_WORK", SHORTLY)
    first, second = under_review(Shopper()), under_review(Shopper())

    def take_long(**kwargs):
        while not locks.is_over():
            time.sleep(SHORTLY / 10)

    signals.review_recorded.connect(take_long)
    try:
        assert tell(*[case.update(new_decision="ACCEPT") for case in (first, second)]) == 503
    finally:
        signals.review_recorded.disconnect(take_long)
    assert (first.status, second.status) == ("Authorized", "Pending")
    assert set(ReviewNotificationUpdate.objects.values_list("state", flat=True)) == {"recorded", "waiting"}
    monkeypatch.undo()
    call_command("cybersource_reprocess", verbosity=0)
    assert second.status == "Authorized"


def test_the_confirmation_of_a_locked_customer_waits_for_reprocess_and_the_merchant_post_does_not(
    committed_db, settings, mailoutbox
):
    settings.CYBERSOURCE_FLOW = "sale"
    shopper, maya = Shopper(), customer()
    shopper.client.force_login(maya)
    order = shopper.check_out()
    answer = shopper.submit()
    # Whoever waits without end is broken off after two seconds, with the mail sent.
    with held("auth_user", "id = %s", maya.pk), pytest.MonkeyPatch.context() as patched:
        patched.setitem(connection.settings_dict["OPTIONS"], "options", "-c lock_timeout=2000")
        connection.close()
        response = post_reply(answer.merchant_posts[0].pairs, url="/api/cybersource/merchant-post/")
        assert OrderConfirmation.objects.get().date_claimed is None, "nobody is sending it"
        reprocess()
        assert (response.status_code, log(), len(mailoutbox)) == (200, ["settled"], 0)
    connection.close()
    order.refresh_from_db()
    assert order.status == "Authorized"
    for _again in range(2):
        call_command("cybersource_reprocess", verbosity=0)
    assert len(mailoutbox) == 1


def broken(*_arguments, **_named):
    raise RuntimeError("no page can be made")


@pytest.mark.parametrize("page", ["return", "pending"])
def test_the_shoppers_pages_commit_what_they_settle_before_they_are_made(shopper, settings, monkeypatch, page):
    """Also with ATOMIC_REQUESTS: else the limits would outlast the settlement, and a failing page would undo it."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    settings.CYBERSOURCE_REDIRECT_PENDING = "no-such-page"
    order = shopper.check_out()
    answer = shopper.submit(card(cards.REVIEW))
    with held("order_order", "id = %s", order.pk):
        shopper.deliver(answer, follow=False)
    shopper.client.raise_request_exception = False
    if page == "pending":
        monkeypatch.setattr(Template, "render", broken)
    location = f"/api/cybersource/{page}/{shopper.attempt().transaction_uuid}/"
    assert shopper.client.get(location).status_code == 500
    assert log() == ["settled"]


def test_the_time_limits_end_with_their_transaction(shopper):
    """Through a pool of connections (PgBouncer) what stays behind would be another client's."""
    shopper.check_out()
    shopper.pay()
    with connection.cursor() as cursor:
        for name in ("lock_timeout", "statement_timeout"):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("0",)


def test_a_checkout_waits_as_it_always_did(shopper):
    """Only what comes from outside is in a hurry; a shopper's own request keeps the shop's own limits."""
    assert locks.limits() == {}
    with locks.lock_deadline(1), locks.lock_deadline(5):
        assert int(locks._limits()["lock_timeout"].removesuffix("ms")) <= 500
    assert locks.limits() == {}
