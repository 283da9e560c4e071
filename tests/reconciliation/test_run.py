"""``manage.py cybersource_reconcile``: whatever was lost, one run finds it, the next has nothing to do."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from cybersource.models import AttentionItem, CyberSourceReply, PaymentAttempt, PaymentOperation, WebhookDelivery
from cybersource.operations import service
from cybersource.reconciliation import run
from cybersource.simulator import cards
from tests.faults.breaking import THOROUGH, Checkpoint, Killed, Points, killed
from tests.reconciliation.test_comparison import INJECTED
from tests.support.broken_tables import unwritable
from tests.support.desk import Order, source_of, transactions
from tests.support.rows import fingerprints
from tests.support.shop import Shopper, card
from tests.support.threads import in_threads

D = Decimal

#: A log of questions, which every run writes.
LOG = "cybersource_cybersourcereply"


@pytest.fixture(autouse=True)
def one_form_a_payment(settings):
    settings.CYBERSOURCE_FLOW = "one-step"


def reconcile(desk, tell=lambda text: None, **later):
    """One run, so much later; its counts by step, without the steps that had nothing to do."""
    at = desk.rest.advance(**later) if later else desk.rest.now()
    report = run.reconcile(at=at, tell=tell)
    assert report.is_complete, report.problems
    return {step: dict(+counts) for step, counts in report.counts.items() if +counts}


def a_bad_day(desk):
    """A capture, a refund and a reversal without answers, one that never arrived, a lost payment, a lost decision."""
    captured, refunded, kept, reversed_ = (desk.order("64.50") for _number in range(4))
    desk.do("capture", desk.authorization(refunded))
    for fault, action, operation, on in (
        ("no-answer", "captures", "capture", desk.authorization(captured)),
        ("server-timeout", "refunds", "refund", desk.debit(refunded)),
        ("lost", "reversals", "reverse", desk.authorization(kept)),
        ("html", "reversals", "reverse", desk.authorization(reversed_)),
    ):
        desk.rest.faults.next(fault, action=action)
        assert getattr(service, operation)(on, user=desk.staff).state == "unknown"
    shopper = Shopper(gateway=desk.simulator.gateway)
    lost = shopper.check_out("64.50")
    shopper.submit(card(cards.APPROVED))
    reviewed = desk.order("64.50", card=cards.REVIEW)
    case = desk.simulator.gateway.cases[-1]
    desk.simulator.gateway.decide(case.id, "ACCEPT", reviewer="lena.review")
    return captured, refunded, kept, reversed_, lost, reviewed


def the_books_of_a_bad_day(orders) -> dict[str, object]:
    captured, refunded, kept, reversed_, lost, reviewed = orders
    whole, nothing = D("69.50"), D("0.00")
    assert source_of(captured) == (whole, whole, nothing)
    assert source_of(refunded) == (whole, whole, whole)
    assert source_of(kept) == (whole, nothing, nothing)
    assert source_of(reversed_) == (nothing, nothing, nothing)
    assert [Order.objects.get(pk=one.pk).status for one in (lost, reviewed)] == ["Authorized", "Authorized"]
    assert not PaymentOperation.objects.filter(state__in=("queued", "sent", "unknown")).exists()
    assert not PaymentAttempt.objects.filter(state__in=("open", "unknown")).exists()
    return {one.pk: transactions(one) for one in orders}


@pytest.mark.quick
def test_a_bad_day_is_put_right_in_one_run_and_the_second_finds_nothing_to_do(desk):
    orders = a_bad_day(desk)
    told = []
    assert reconcile(desk, told.append, hours=26) == {
        "decisions": {"found": 1},
        "operations": {"found out": 4},
        "attempts": {"answers found and settled": 1},
    }
    the_books_of_a_bad_day(orders)
    written, calls = fingerprints(but=[LOG]), len(desk.rest.calls)
    assert reconcile(desk) == {} and fingerprints(but=[LOG]) == written
    assert len(desk.rest.calls) - calls == 3  # the three days that are compared
    assert told[0] == "decisions ..." and "operations: found out 4" in told
    assert [line for line in told if "transactions at CyberSource" in line]
    assert not AttentionItem.objects.filter(date_cleared=None).exists()


def test_drift_of_every_kind_is_listed_in_one_run_and_the_second_finds_nothing_new(desk):
    for inject in INJECTED.values():
        inject(desk)
    PaymentAttempt.objects.filter(state="open").update(date_shown=None)
    found = reconcile(desk, hours=2)["books"]
    kinds = AttentionItem.objects.filter(kind="drift").values_list("detail", flat=True)
    assert sorted(kinds) == sorted(kind.value for kind in INJECTED)
    assert found == {kind.value: 1 for kind in INJECTED}
    written = fingerprints(but=[LOG])
    assert reconcile(desk) == {"books": {"still differing": len(INJECTED)}}
    assert fingerprints(but=[LOG]) == written


def test_two_commands_at_once_do_everything_once(desk):
    orders = a_bad_day(desk)
    at = desk.rest.advance(hours=26)
    reports = in_threads(lambda _: run.reconcile(at=at), 2)
    assert all(report.is_complete for report in reports)
    the_books_of_a_bad_day(orders)
    assert sum(report.counts["operations"]["found out"] for report in reports) == 4
    assert CyberSourceReply.objects.filter(reply_type="rest", result="settled").count() == 1
    assert reconcile(desk) == {}


def test_a_command_that_is_killed_anywhere_is_finished_by_the_next(desk):
    """Before each of its writes, and after each commit: the end is the same, and no money is moved by it."""
    orders = a_bad_day(desk)
    first = desk.rest.advance(hours=26)
    then = first + timedelta(days=1)  # so that it is time to look again
    with Checkpoint() as checkpoint:
        checkpoint.restore()
        with Points() as undisturbed:
            run.reconcile(at=first)
        expected = the_books_of_a_bad_day(orders)
        steps = [at for at, name in enumerate(undisturbed.names) if name.startswith(("INSERT", "UPDATE", "after"))]
        assert len(steps) > 50
        moved = len(money_calls(desk))
        for at in steps if THOROUGH else steps[::11]:
            checkpoint.restore()
            with Points(at, killed), contextlib.suppress(Killed):
                run.reconcile(at=first)
            connection.close()
            assert run.reconcile(at=then).is_complete
            assert the_books_of_a_bad_day(orders) == expected, undisturbed.names[at]
            again = run.reconcile(at=then)
            assert again.is_complete and not any(+counts for counts in again.counts.values()), undisturbed.names[at]
        assert money_calls(desk)[moved:] == []


def money_calls(desk):
    return [call for call in desk.rest.calls if "/pts/" in call.target]


@pytest.mark.parametrize("table", ["payment_transaction", "cybersource_paymentoperation", "order_ordernote"])
def test_a_table_that_cannot_be_written_costs_nothing_but_a_second_run(desk, table):
    orders = a_bad_day(desk)
    desk.rest.advance(hours=2)
    with unwritable(table):
        assert not run.reconcile(at=desk.rest.now()).is_complete
    reconcile(desk, days=1)
    the_books_of_a_bad_day(orders)
    assert reconcile(desk) == {}


def test_the_command_tells_its_progress_and_ends_well(desk, capsys):
    desk.order("64.50")
    call_command("cybersource_reconcile", days=1)
    told = capsys.readouterr().out
    for line in ("decisions: nothing to do", "operations: nothing to do", "attempts: nothing to do", "books: nothing"):
        assert line in told
    assert "1 transactions at CyberSource" in told


def test_the_command_ends_with_an_error_when_cybersource_cannot_be_asked(desk, settings, capsys):
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    with pytest.raises(CommandError, match="CyberSource gave no answer"):
        call_command("cybersource_reconcile")
    settings.CYBERSOURCE_REST_KEY_ID = ""
    with pytest.raises(CommandError, match="CYBERSOURCE_REST_KEY_ID"):
        call_command("cybersource_reconcile")
    with pytest.raises(CommandError, match="--days"):
        call_command("cybersource_reconcile", days=0)


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(desk, capsys):
    a_bad_day(desk)
    PaymentOperation.objects.filter(state="unknown").update(date_sent="2026-01-01T00:00:00Z")
    PaymentAttempt.objects.update(date_signed="2026-01-01T00:00:00Z")
    written = fingerprints(but=[LOG])
    call_command("cybersource_reconcile", dry_run=True)
    told = capsys.readouterr().out
    assert "would be looked up 4" in told and "dry run: nothing was changed" in told
    assert fingerprints(but=[LOG]) == written


def test_one_transaction_that_a_webhook_names_is_taken_over_at_once(desk):
    order = desk.order("64.50")
    desk.rest.faults.next("no-answer", action="captures")
    lost = service.capture(desk.authorization(order), user=desk.staff)
    there = next(one for one in desk.rest.transactions if one.kind == "capture")
    assert run.adopt(there.id) is True
    assert PaymentOperation.objects.get(pk=lost.pk).state == "done"
    shopper = Shopper(gateway=desk.simulator.gateway)
    unheard = shopper.check_out("64.50")
    answer = shopper.submit()
    assert run.adopt(answer.payment.transaction_id) is True
    assert Order.objects.get(pk=unheard.pk).status == "Authorized"
    by_hand = desk.simulator.gateway.business_center.refund(there.id, "5.00")
    assert run.adopt(by_hand.id) is True
    assert AttentionItem.objects.get().detail == "refund-not-here"
    assert run.adopt("7300000000000000000000") is False


def test_what_a_webhook_announced_is_taken_over_before_its_operation_is_due(desk):
    order = desk.order("64.50")
    desk.rest.faults.next("no-answer", action="captures")
    service.capture(desk.authorization(order), user=desk.staff)
    there = next(one for one in desk.rest.transactions if one.kind == "capture")
    WebhookDelivery.objects.create(event_type="payments.capture.status.accepted", request_id=there.id)
    assert reconcile(desk) == {"webhooks": {"handled": 1}}
    assert source_of(order)[1] == D("69.50")
