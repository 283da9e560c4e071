"""A shop whose connections go through PgBouncer in transaction mode, set up as the README says."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from oscar.core.loading import get_model

from cybersource.db import locks
from cybersource.models import CyberSourceReply
from tests.faults.breaking import log, settled_once
from tests.faults.servers import pgbouncer
from tests.support.shop import Shopper, post_reply
from tests.support.threads import in_threads

Transaction = get_model("payment", "Transaction")


@pytest.fixture
def pooled(committed_db, tmp_path):
    with pgbouncer(tmp_path):
        yield


def test_paying_works_through_pgbouncer_and_threads_with_one_reply_record_one_charge(pooled, settings):
    shopper = Shopper()
    order = shopper.check_out()
    assert shopper.pay()["Location"] == "/checkout/thank-you/"
    order.refresh_from_db()
    assert order.status == "Authorized"
    mail.outbox.clear()

    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("10.00")
    answer = shopper.submit()
    codes = in_threads(lambda number: post_reply(answer.reply).status_code, 8)
    assert codes == [303] * 8
    assert Transaction.objects.filter(source__order=order).count() == 1
    assert settled_once(list(order.cybersource_replies.values_list("result", flat=True)))
    assert len(mail.outbox) == 1

    CyberSourceReply.objects.filter(order=order).update(result="received")
    call_command("cybersource_reprocess", verbosity=0)
    assert "received" not in log()
    assert Transaction.objects.filter(source__order=order).count() == 1


def test_our_time_limits_reach_no_other_client_of_the_pool(committed_db, tmp_path, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    with pgbouncer(tmp_path, pool_size=1):
        shopper = Shopper()
        shopper.check_out()
        seen = set()

        def look(execute, sql, params, many, context):
            answer = execute(sql, params, many, context)
            if "FOR NO KEY UPDATE" in sql and "order_order" in sql and "set_config" in sql:
                seen.add("limited")
            return answer

        with connection.execute_wrapper(look):
            shopper.pay()
        assert seen == {"limited"}
        with connection.cursor() as cursor:  # the one session behind the pool, which settled the payment
            cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert cursor.fetchone() == ("0", "0")
        assert locks.limits() == {}
