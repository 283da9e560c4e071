"""A charge that was stored and waits for its turn, and one nobody heard of: neither is lost nor asked for twice."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from oscar.core.loading import get_model

from cybersource.checkout import begin
from cybersource.db import locks
from cybersource.models import AttentionItem, CyberSourceReply, PaymentAttempt
from cybersource.payments import attention_list, orders
from tests.dashboard.test_attention_list import closing
from tests.faults.test_locked_rows import SHORTLY, held
from tests.payments.test_expiry import KEPT, PAID, fate, listed, run, states, wait
from tests.payments.test_unknown_outcomes import boss, pay_again  # noqa: F401
from tests.support.reviewing import tell, under_review
from tests.support.shop import DECLINE, MERCHANT_POST, UNKNOWN, post_reply
from tests.support.threads import at_once

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(locks, "FOR_A_REQUEST", SHORTLY)
    monkeypatch.setattr(locks, "FOR_A_RETRY", SHORTLY)


@contextlib.contextmanager
def busy(order):
    with held("order_order", "id = %s", order.pk):
        yield


def charged_and_stored(shopper):
    """The card is charged; the reply is stored while somebody holds the order, and takes no effect yet."""
    order = shopper.check_out("64.50")
    answer = shopper.submit()
    with busy(order):
        post_reply(answer.reply)
    assert CyberSourceReply.objects.get().result == "received"
    return order, answer


@pytest.mark.quick
def test_no_second_form_is_shown_while_a_charge_for_the_order_is_stored(shopper):
    order, _answer = charged_and_stored(shopper)
    with busy(order):  # begun before the charge could take effect
        assert shopper.state()["required_action"] is None
    other = pay_again(shopper, order)
    assert other.state()["required_action"] is None


def test_the_clock_does_not_end_an_order_whose_replaced_form_was_charged(shopper):
    order, _answer = charged_and_stored(shopper)
    pay_again(shopper, order)
    CyberSourceReply.objects.update(result="received")
    wait()
    run()
    assert (states(order), fate(order)) == (["replaced", "open"], KEPT)
    call_command("cybersource_reprocess")
    assert (states(order), fate(order)) == (["authorized", "open"], PAID)


def test_a_form_that_was_shown_and_replaced_is_asked_about_when_nothing_is_heard_at_all(shopper):
    order = shopper.check_out("64.50")
    shopper.submit()  # charged, and the answer is lost
    pay_again(shopper, order)
    wait()
    run()
    order.refresh_from_db()
    assert (order.status, listed(order=order)) == ("Pending", ["no-answer", "unpaid-rest"])
    assert (
        AttentionItem.objects.get(kind="no-answer").transaction_uuid
        == PaymentAttempt.objects.earliest("pk").transaction_uuid
    )


def test_an_order_is_not_given_up_while_a_charge_for_it_is_stored(shopper, boss):  # noqa: F811
    order = shopper.check_out("64.50")
    answer = shopper.submit()
    wait()
    run()
    with busy(order):
        post_reply(answer.reply)
    done = attention_list.clear(AttentionItem.objects.get().pk, user=boss, reason="None there.", no_charge=True)
    assert (done.given_up, fate(order)) == (False, KEPT)


def test_a_doubt_that_staff_looked_up_is_not_raised_again_when_it_is_told_again(shopper, boss):  # noqa: F811
    order = shopper.check_out("64.50")
    unknown = shopper.reply(**UNKNOWN)
    post_reply(unknown)
    pay_again(shopper, order)
    attention_list.clear(AttentionItem.objects.get().pk, user=boss, reason="None there.", no_charge=True)
    post_reply(unknown)
    assert (listed(), PaymentAttempt.objects.earliest("pk").attention) == ([], "")


def test_a_charge_that_arrives_while_the_order_is_paid_again_never_leaves_it_unpaid(shopper):
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    late = shopper.reply(first)
    post_reply(shopper.reply(first, **DECLINE))
    posted = []

    def once_the_order_is_locked(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if not posted and "FOR NO KEY UPDATE" in sql and '"order_order"' in sql:
            posted.extend(at_once(lambda: post_reply(late, url=MERCHANT_POST).status_code))
        return answer

    with connection.execute_wrapper(once_the_order_is_locked):
        other = pay_again(shopper, order)
    assert posted == [503]
    assert other.state()["required_action"] is None
    post_reply(late, url=MERCHANT_POST)
    assert fate(order)[0] == PAID[0]


def test_a_charge_stored_for_an_order_that_was_deleted_is_listed(shopper):
    order, _answer = charged_and_stored(shopper)
    Order.objects.get(pk=order.pk).delete()
    call_command("cybersource_reprocess")
    assert listed() == ["orphan"]


def test_a_charge_that_fits_no_form_is_answered_while_somebody_holds_its_order(shopper):
    order = shopper.check_out("64.50")
    wrong = shopper.reply(req_amount="99.00", auth_amount="99.00")
    with ThreadPoolExecutor(1) as pool:
        with busy(order):  # let go of at last, so that an endless wait fails here and hangs nothing
            post = pool.submit(closing, lambda: post_reply(wrong, url=MERCHANT_POST).status_code)
            with contextlib.suppress(TimeoutError):
                post.result(timeout=20 * SHORTLY)
            answered = post.done()
    assert (answered, post.result()) == (True, 503)


def test_both_charges_of_a_form_are_set_aside_each_under_its_own_id(shopper):
    shopper.check_out("64.50")
    for digit in "12":
        post_reply(shopper.reply(transaction_id=digit * 22))
    with transaction.atomic():
        begin.void(shopper.attempt())
    kept = AttentionItem.objects.filter(kind="kept-authorization").values_list("transaction_id", flat=True)
    assert set(kept) == {"1" * 22, "2" * 22}


def test_what_was_set_aside_stays_so_when_a_reviewer_accepts_it(shopper):
    case = under_review(shopper)
    with transaction.atomic():
        begin.void(shopper.attempt())
    Order.objects.get(pk=case.order_id).set_status("Canceled")
    assert tell(case.update(new_decision="ACCEPT")) == 200
    assert shopper.attempt().attention == "kept-authorization"
    assert orders.money_held(case.order) == 0
