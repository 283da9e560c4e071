"""A notification of many updates: what each of them adds."""

from __future__ import annotations

import re
import uuid

import pytest
from django.utils import timezone
from oscar.core.loading import get_model

from benchmarks.conftest import count_whole_tables_read, statements, timed
from benchmarks.shop import order_to_pay
from benchmarks.table import FIGURES
from benchmarks.test_paying import the_floor
from cybersource.models import AttemptState, CyberSourceReply, PaymentAttempt
from cybersource.reviews import inbox
from cybersource.simulator.review import Note, Update, notification_xml

Source, SourceType, Transaction = (get_model("payment", name) for name in ("Source", "SourceType", "Transaction"))
SIZES = (1, 10, 100)


def under_review() -> Update:
    """A payment that waits for its reviewer, and what a notification says to accept it."""
    attempt = order_to_pay(1)
    request_id = f"73{uuid.uuid4().int % 10**20:020d}"
    entry = CyberSourceReply.objects.create(
        reply_type="browser",
        order_id=attempt.order_id,
        attempt=attempt,
        data={},
        transaction_id=request_id,
        reference_number=attempt.reference_number,
        result=CyberSourceReply.Result.SETTLED,
    )
    source = Source.objects.create(
        order_id=attempt.order_id,
        source_type=SourceType.objects.first(),
        currency="USD",
        amount_allocated=attempt.amount,
        reference=request_id,
    )
    Transaction.objects.create(
        source=source, txn_type="Authorise", amount=attempt.amount, reference=request_id, status="REVIEW", log=entry
    )
    PaymentAttempt.objects.filter(pk=attempt.pk).update(state=AttemptState.REVIEW, source=source)
    return Update(
        reference_number=attempt.reference_number,
        request_id=request_id,
        new_decision="ACCEPT",
        reviewer="lena",
        notes=(Note(at=timezone.now(), added_by="lena", comment="Called the shopper."),),
    )


def told(*updates: Update) -> bytes:
    return notification_xml(updates, merchant_id="acme_shop", at=timezone.now()).encode()


#: Oscar's own price of "paid", and the mail's two transactions, which claim it and record it: not the review's.
OF_THE_ORDER = re.compile(
    r'UPDATE "order_order"|(FROM|INTO|UPDATE) "(basket_|communication_|order_orderstatuschange|order_line'
    r"|order_surcharge|order_shippingaddress|address_country|auth_user|django_site|cybersource_orderconfirmation)"
    r"|FOR KEY SHARE$"  # the claim's look whether the order is free to be pointed to
)


def without_words(ran: list[str]) -> list[str]:
    """Less the words that begin and end transactions, two pairs however many updates there are."""
    return [sql for sql in ran if sql not in ("BEGIN", "COMMIT")]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_told_again(log, size):
    updates = [under_review() for _ in range(size)]
    inbox.receive(told(*updates))
    FIGURES["told", size, log] = len(without_words(statements(lambda: inbox.receive(told(*updates)))))


@pytest.mark.parametrize("size", SIZES)
def test_decisions_that_leave_the_order_as_it_is(log, size, settings):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    updates = [under_review() for _ in range(size)]
    numbers = [update.reference_number for update in updates]
    get_model("order", "Order").objects.filter(number__in=numbers).update(status="Authorized")
    body = told(*updates)
    ran = statements(lambda: inbox.receive(body))
    FIGURES["decided", size, log] = len(without_words(ran))
    if log == 1_000_000:
        count_whole_tables_read(ran)


@pytest.mark.parametrize("size", SIZES)
def test_decisions_that_release_the_order(log, size):
    body = told(*[under_review() for _ in range(size)])
    ran = statements(lambda: inbox.receive(body))
    FIGURES["released", size, log] = len([sql for sql in without_words(ran) if not OF_THE_ORDER.search(sql)])
    FIGURES["released whole", size, log] = len(ran)


def test_a_notification(benchmark, log):
    timed(
        benchmark,
        inbox.receive,
        name=("review", 1, log),
        rounds=20,
        prepare=lambda: (told(under_review()),),
        beside=lambda: the_floor(1),
    )
