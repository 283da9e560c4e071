"""A reply, a form and a return, at every size of the order and of the log."""

from __future__ import annotations

import time

import pytest

from benchmarks.conftest import count_whole_tables_read, statements, timed
from benchmarks.shop import bought, order_to_pay, post, reply_to
from benchmarks.table import FIGURES
from cybersource.checkout import forms
from cybersource.models import AttemptState, PaymentAttempt
from cybersource.payments import attempts
from tests.payments.test_costs import commits, without_the_mails_own
from tests.support.shop import REPLY, Shopper, card

ROUNDS = 20


def reply_to_come(lines, url):
    return reply_to(order_to_pay(lines)), url


def paid(pairs, url):
    response = post(pairs, url)
    assert response.status_code in (200, 303), response.status_code


def the_floor(lines):
    """One payment on the floor, ready to be posted."""
    pairs, url = reply_to_come(lines, "/floor/")
    return lambda: paid(pairs, url)


def test_a_reply_that_pays_beside_the_floor(benchmark, log, lines):
    paid(*reply_to_come(lines, REPLY))
    pairs, url = reply_to_come(lines, REPLY)
    ran = statements(lambda: paid(pairs, url))
    assert PaymentAttempt.objects.latest("pk").state == AttemptState.AUTHORIZED
    FIGURES["paid statements", lines, log] = len(without_the_mails_own(ran))
    FIGURES["paid commits", lines, log] = commits(ran[: ran.index("COMMIT") + 1])
    if log == 1_000_000:
        count_whole_tables_read(ran)
    the_floor(lines)()
    FIGURES["floor statements", lines, log] = len(statements(the_floor(lines)))
    timed(
        benchmark,
        paid,
        name=("paid", lines, log),
        rounds=ROUNDS,
        prepare=lambda: reply_to_come(lines, REPLY),
        beside=lambda: the_floor(lines),
    )


@pytest.mark.benchmark(timer=time.process_time)  # the budget is of CPU
def test_a_form(benchmark, log, lines):
    pk = order_to_pay(lines).pk

    def form():
        return forms.form_for(attempts.latest_step(pk).attempt)

    form()
    ran = statements(form)
    FIGURES["form statements", lines, log] = len(ran)
    if log == 1_000_000:
        count_whole_tables_read(ran)
    timed(
        benchmark,
        form,
        name=("form", lines, log),
        rounds=2 * ROUNDS,
        beside=lambda: the_floor(1),
        clock=time.process_time,
    )


def test_coming_back(benchmark, log):
    shopper = Shopper()
    shopper.check_out("5.00")
    page = shopper.deliver(shopper.submit(card()), follow=False).headers["Location"]

    def come_back():
        assert shopper.client.get(page).status_code == 302

    come_back()
    ran = statements(come_back)
    if log == 1_000_000:
        count_whole_tables_read(ran)
    timed(benchmark, come_back, name=("return", 1, log), rounds=2 * ROUNDS, beside=lambda: the_floor(1))


def test_the_session(database, lines):
    shopper, _pk = bought(lines)
    session = shopper.client.session
    FIGURES["session", lines] = len(session.encode(dict(session.items())))
