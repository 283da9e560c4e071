"""What is put in from records is what the shop would have written, and nothing is put in where anything differs."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from oscar.apps.order.signals import order_placed

from cybersource.db import locks
from cybersource.payments import settlement
from tests.conftest import empty_tables
from tests.support import database, recorded
from tests.support.shop import Order, Shopper, customer, test_cards, two_cards, voucher

pytestmark = pytest.mark.real_checkout


def placed(shopper: Shopper) -> None:
    shopper.check_out("64.50", "3.20")


def paid(shopper: Shopper) -> None:
    shopper.check_out("64.50")
    shopper.pay()


def declined_and_tried_again(shopper: Shopper) -> None:
    shopper.check_out("64.50")
    shopper.pay(test_cards.DECLINED)
    shopper.check_out()
    shopper.pay()


def half_paid(shopper: Shopper) -> None:
    shopper.check_out("64.50", payment=two_cards("4.00"))
    shopper.pay(key="a")
    shopper.submit(key="b")


def brought_back(shopper: Shopper) -> None:
    shopper.check_out("64.50")
    shopper.deliver(shopper.submit(), follow=False)


def a_customer_with_a_voucher(shopper: Shopper) -> None:
    customer()
    voucher("TEN")
    shopper.check_out("64.50")


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of the shop, oldest first."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(database.written()):
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
            names = [column.name for column in cursor.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found


def shape(value: Any) -> Any:
    """Return what is left of a value without what a number, a key, a signature and a time of day may differ in."""
    if isinstance(value, datetime):
        ahead = value - datetime.now(value.tzinfo)
        days = round(ahead / timedelta(days=1))
        return days, abs(ahead - timedelta(days=days)) < timedelta(minutes=1)
    if isinstance(value, int):
        return "number"
    return re.sub(r"[0-9A-Za-z+/=_.:-]{2,}", "~", value) if isinstance(value, str) else type(value)


STORIES = [placed, paid, declined_and_tried_again, half_paid, brought_back, a_customer_with_a_voucher]


@pytest.mark.parametrize("flow", ["one-step", "two-step"])
@pytest.mark.parametrize("story", STORIES)
def test_rows_put_in_are_those_of_a_checkout_column_by_column(story, flow, committed_db, settings, request):
    settings.CYBERSOURCE_FLOW = flow
    tellings, knows = [], []
    for records in (False, False, True, True):
        shopper = Shopper()
        if records:
            with recorded.steps(request):
                story(shopper)
                step = recorded.scene.step
        else:
            story(shopper)
        tellings.append(everything())
        knows.append((shopper.states["order_status"], shopper.basket is None, sorted(shopper.client.cookies)))
        empty_tables()
        cache.clear()
    once, again, _as_recorded, put_in = tellings
    assert step is not None and len(set(map(str, knows))) == 1
    assert once.keys() == put_in.keys()
    for table, rows in put_in.items():
        assert len(rows) == len(once[table]), table
        for number, row in enumerate(rows):
            for column, value in row.items():
                first, second = once[table][number][column], again[table][number][column]
                if first == second and not isinstance(first, datetime):  # both may be of one second
                    assert value == first, (table, column)
                else:  # two checkouts differ in it
                    assert shape(value) == shape(first), (table, column)


def test_times_are_moved_by_the_age_of_the_record(committed_db, request):
    with recorded.steps(request):
        paid(Shopper())
        steps = [recorded.ROOT]
        while steps:
            step = steps.pop()
            step.at -= 3600
            steps += step.next.values()
        empty_tables()
        cache.clear()
        mail.outbox.clear()
        begun = datetime.now(UTC)
        paid(Shopper())
    times = {
        (table, column): value.replace(tzinfo=UTC)
        for table, rows in everything().items()
        for row in rows
        for column, value in row.items()
        if isinstance(value, datetime)
    }
    assert len(times) > 20
    assert {where: time for where, time in times.items() if time < begun + timedelta(minutes=59)} == {}


def test_what_follows_comes_after_what_was_put_in(committed_db, request):
    for _ in range(2):
        empty_tables()
        shopper = Shopper()
        with recorded.steps(request):
            first = shopper.check_out("64.50")
            step = recorded.scene.step
        shopper.pay()
        second = Shopper().check_out("7.00")
        assert second.pk > first.pk and second.number != first.number
    assert step is not None and Order.objects.get(pk=first.pk).status == "Authorized"


def another_setting(shopper, settings, **given):
    settings.CYBERSOURCE_MERCHANT_ID = "somebody_else"


def a_row_more(shopper, **given):
    voucher("TEN")


def other_code(shopper, monkeypatch, **given):
    monkeypatch.setattr(settlement, "settle", lambda *args, **kwargs: None)


def other_patience(shopper, monkeypatch, **given):
    monkeypatch.setattr(locks, "FOR_A_REQUEST", 7)


def a_login(shopper, **given):
    shopper.client.force_login(customer(), backend="django.contrib.auth.backends.ModelBackend")


def another_address(shopper, **given):
    shopper.client = Client(REMOTE_ADDR="203.0.113.99")


def another_header(shopper, **given):
    shopper.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"


def a_cookie(shopper, **given):
    shopper.client.cookies["seen"] = "1"


def a_budget(shopper, **given):
    cache.set("spent", 3)


def a_fault(shopper, **given):
    shopper.gateway.faults.next("tampered")


def another_language(shopper, stack, **given):
    stack.enter_context(translation.override("de"))


def a_transaction(shopper, stack, **given):
    stack.enter_context(transaction.atomic())


def counting(shopper, stack, **given):
    stack.enter_context(CaptureQueriesContext(connection))


def somebody_listening(shopper, stack, **given):
    def hears(**kwargs: Any) -> None: ...

    order_placed.connect(hears)
    stack.callback(order_placed.disconnect, hears)
    stack.callback(hears)


DIFFERENCES = [
    another_setting, a_row_more, other_code, other_patience, a_login, another_address, another_header, a_cookie,
    a_budget, a_fault, another_language, a_transaction, counting, somebody_listening,
]  # fmt: skip


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_where_anything_differs_the_checkout_is_done(difference, committed_db, settings, monkeypatch, request):
    steps = []
    for differs in (False, False, True):
        empty_tables()
        cache.clear()
        with recorded.steps(request), contextlib.ExitStack() as stack:
            shopper = Shopper()
            if differs:
                difference(shopper, settings=settings, monkeypatch=monkeypatch, stack=stack)
            shopper.check_out("64.50")
            steps.append(recorded.scene.step)
    known, same, other = steps
    assert known is same is not recorded.ROOT
    assert other is not known


def test_a_reply_is_put_in_where_it_says_what_was_recorded_and_delivered_where_it_says_more(committed_db, request):
    steps = []
    for more in ((), (), (("req_bill_to_forename", "Mia"),)):
        empty_tables()
        cache.clear()
        with recorded.steps(request):
            shopper = Shopper()
            shopper.check_out("64.50")
            answer = shopper.submit()
            answer = dataclasses.replace(answer, reply=(*answer.reply, *more))
            with contextlib.suppress(AssertionError):  # its signature says nothing of what was added
                shopper.deliver(answer, follow=False)
            steps.append(recorded.scene.step)
    known, same, other = steps
    assert known is same is not None
    assert other is not known
