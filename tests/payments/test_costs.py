"""What a payment costs, counted: nothing of it grows with the order's lines. Times are for ``make benchmark``."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cybersource.models import AttemptState
from tests.support.shop import Shopper, card

pytestmark = [pytest.mark.usefixtures("one_step"), pytest.mark.real_checkout]

#: The confirmation e-mail's own claim, and the record that it went out.
MAIL = 'UPDATE "cybersource_orderconfirmation"'


def statements(work) -> list[str]:
    """Everything that was sent to the database, transactions' words included."""
    with CaptureQueriesContext(connection) as ran:
        work()
        return [query["sql"] for query in ran.captured_queries]


def commits(ran) -> int:
    """How often something became durable: each COMMIT, and each write outside a transaction."""
    count, inside = 0, False
    for sql in ran:
        inside = (inside or sql == "BEGIN") and sql != "COMMIT"
        count += sql == "COMMIT" or (not inside and sql.startswith(("INSERT", "UPDATE", "DELETE")))
    return count


def without_the_mails_own(ran) -> list[str]:
    """Less the two transactions that claim the confirmation e-mail and record that it went out."""
    end = ran.index("COMMIT") + 1
    kept, own, inside = ran[:end], [], False
    for sql in ran[end:]:
        inside = inside or sql == "BEGIN"
        (own if inside or sql.startswith(MAIL) else kept).append(sql)
        inside = inside and sql != "COMMIT"
    assert sum(sql.startswith(MAIL) for sql in own) == 2
    return kept


def test_a_reply_pays_an_order_of_any_size_in_26_statements_and_two_commits(committed_db):
    first = Shopper()
    first.check_out("5.00")
    first.pay()  # the shop's first payment also names the kinds of sources and events
    costs = set()
    for lines in (1, 30):
        shopper = Shopper()
        shopper.check_out(*["5.00"] * lines)
        answer = shopper.submit(card())
        ran = statements(lambda shopper=shopper, answer=answer: shopper.deliver(answer, follow=False))
        assert shopper.attempt().state == AttemptState.AUTHORIZED
        costs.add(len(without_the_mails_own(ran)))
        assert commits(ran[: ran.index("COMMIT") + 1]) == 2, ran
        assert len(shopper.client.session.encode(dict(shopper.client.session.items()))) < 1024
    (cost,) = costs
    assert cost <= 26
