"""Updates as they come: which payment they are believed for, how often, in which order, and what is left of each."""

from __future__ import annotations

import itertools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction
from django.db.models.signals import pre_save
from hypothesis import HealthCheck, given, settings, strategies
from oscar.apps.order.signals import order_status_changed
from oscar.core.loading import get_model

from cybersource import signals
from cybersource.db import locks
from cybersource.models import FollowonResult, ReviewNotification, ReviewNotificationUpdate
from cybersource.payments import orders
from cybersource.protocol import ProtocolError, parse_notification
from cybersource.protocol.review import MAX_UPDATES
from cybersource.reviews import inbox, matching
from cybersource.simulator import cards
from cybersource.simulator.review import Note, Update, notification_xml
from tests.conftest import empty_tables
from tests.support.review_messages import D1_BODY, D2, D3, D4, D5, D6, D7, body_of
from tests.support.reviewing import notes, tell, transactions, under_review, under_review_as
from tests.support.shop import MERCHANT_POST, Shopper, card, post_notification, post_reply
from tests.support.threads import at_once, in_threads, wait_until_somebody_waits

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")
OrderNote = get_model("order", "OrderNote")
Transaction = get_model("payment", "Transaction")


def state_of(number: str) -> str:
    return Order.objects.get(number=number).status


def states(notification: ReviewNotification | None = None) -> list[str]:
    notification = notification or ReviewNotification.objects.latest("pk")
    return [update.state for update in notification.updates.order_by("position")]


# -- the recorded messages -------------------------------------------------------------------------------------------

LENA = "7312345812346012504013"
OMAR = "7312347012346013204021"
HIGH_VALUE = "7312347112346013304022"


def test_the_recorded_acceptance_releases_its_order(committed_db, mailoutbox):
    order = under_review_as("100019", LENA)
    assert tell(D1_BODY) == 200
    assert state_of("100019") == "Authorized"
    assert len(mailoutbox) == 1
    assert notes(order)[1:] == [
        "Decision Manager note by lena.review (2026-03-04 10:02:11): Took ownership.",
        f"Decision Manager: lena.review decided ACCEPT for transaction {LENA}. "
        "Spoke to customer. | Billing and shipping agree.",
    ]
    update = ReviewNotificationUpdate.objects.get()
    assert update.payload["profile"] == "Auths over < 1,000 & new device"


def test_one_message_may_accept_one_order_reject_another_and_leave_a_third_alone(committed_db, mailoutbox):
    for number, request_id in (("100019", LENA), ("100031", OMAR), ("100032", HIGH_VALUE)):
        under_review_as(number, request_id)
    assert tell(body_of(D2)) == 200
    assert [state_of(number) for number in ("100019", "100031", "100032")] == [
        "Authorized",
        "Payment Declined",
        "Pending",
    ]
    assert states() == ["recorded", "recorded", "noted"]
    assert len(mailoutbox) == 1


def test_every_note_with_an_odd_date_is_kept_once_and_none_is_an_error(committed_db):
    order = under_review_as("100033", "7312347212346013404023")
    assert [tell(body_of(D3)) for _time in range(2)] == [200, 200]
    assert state_of("100033") == "Pending"
    written = [note for note in notes(order) if note.startswith("Decision Manager note")]
    assert len(written) == 6  # the seventh says nothing at all
    assert any("(undated)" in note and "No date at all" in note for note in written)
    assert any("Zoë" in note and "Same second, different text" in note for note in written)


def test_an_unknown_order_and_a_foreign_request_id_change_nothing_and_are_logged(committed_db, caplog):
    order = under_review_as("100031", OMAR)
    before = notes(order)
    with caplog.at_level(logging.WARNING, "cybersource"):
        assert tell(body_of(D4)) == 200
    assert state_of("100031") == "Pending"
    assert notes(order) == before
    assert states() == ["waiting", "waiting"]
    assert caplog.text.count("matches no transaction of ours") == 2


def test_a_message_with_entities_is_refused_and_changes_nothing(committed_db):
    order = under_review_as("100019", LENA)
    before = notes(order)
    assert tell(body_of(D5)) == 400
    assert state_of("100019") == "Pending"
    assert notes(order) == before
    kept = ReviewNotification.objects.get()
    assert (kept.state, kept.problem, kept.updates.count()) == ("unreadable", "declarations", 0)


def test_the_business_centers_test_message_is_answered_well(committed_db):
    assert tell(body_of(D6)) == 200
    assert states() == ["waiting"]


def test_the_recorded_settlement_is_a_capture_under_its_own_request_id(committed_db):
    order = under_review_as("100019", LENA)
    assert [tell(body_of(D7)) for _time in range(2)] == [200, 200]
    total = order.total_incl_tax
    assert transactions(order) == [("Authorise", total, "ACCEPT"), ("Debit", total, "ACCEPT")]
    assert Transaction.objects.get(txn_type="Debit").reference == "7312349012346013604025"
    followon = FollowonResult.objects.get()
    assert (followon.application, followon.status, followon.decision, followon.reason_code) == (
        "Credit Card Settlement",
        "Success",
        "Accept",
        "100",
    )
    assert followon.message == "Request was processed successfully."


# -- which payment ---------------------------------------------------------------------------------------------------


def test_an_update_needs_both_the_order_number_and_the_request_id(shopper):
    case = under_review(shopper)
    other = under_review(Shopper())
    for wrong in (
        case.update(new_decision="ACCEPT", request_id=other.request_id),
        case.update(new_decision="ACCEPT", reference_number=other.order.number),
        case.update(new_decision="ACCEPT", request_id=""),
        case.update(new_decision="ACCEPT", reference_number=""),
        case.update(new_decision="ACCEPT", request_id=case.request_id + " "),
        case.update(new_decision="ACCEPT", request_id=case.request_id[:-1]),
    ):
        assert tell(wrong) == 200
        assert states() == ["waiting"]
    assert case.status == other.status == "Pending"
    assert case.transaction.status == other.transaction.status == "REVIEW"


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("SHOP/2026 № 17 — Zoë", id="with characters that CyberSource does not take"),
        pytest.param("9" * 80, id="longer than fifty characters"),
        pytest.param("4000000000000002", id="that looks like a card number"),
    ],
)
def test_an_order_number_of_any_kind_is_found_again(shopper, monkeypatch, number):
    monkeypatch.setattr("oscar.apps.order.utils.OrderNumberGenerator.order_number", lambda self, basket: number)
    case = under_review(shopper)
    assert case.order.number == number
    reference = shopper.attempt().reference_number
    assert tell(case.update(reference_number=reference)) == 200
    ReviewNotificationUpdate.objects.update(state="failed")
    call_command("cybersource_reprocess")  # acts on what was kept of it
    assert case.told == ["noted"]
    assert tell(case.update(reference_number=reference, new_decision="ACCEPT")) == 200
    assert case.status == "Authorized"


def test_two_payments_of_one_order_are_told_apart_by_their_request_ids(shopper):
    payment = {
        "first": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "20.00"},
        "second": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
    }
    order = shopper.check_out("64.50", payment=payment)
    for key in payment:
        shopper.pay(cards.REVIEW, key=key)
    first, second = shopper.gateway.cases
    tell(shopper.gateway.decide(first.id, "ACCEPT").body)
    assert Transaction.objects.get(reference=first.transaction_id).status == "ACCEPT"
    assert Transaction.objects.get(reference=second.transaction_id).status == "REVIEW"
    order.refresh_from_db()
    assert order.status == "Pending"


def test_another_merchants_update_changes_nothing_whatever_it_names(shopper):
    case = under_review(shopper)
    xml = shopper.gateway.notification_xml([case.update(new_decision="ACCEPT")], merchant_id="other_shop")
    assert tell(body_of(xml)) == 400
    assert case.status == "Pending"
    assert case.told == ["foreign"]
    kept = ReviewNotification.objects.get()
    assert (kept.merchant_id, kept.problem) == ("other_shop", "other-merchant")
    call_command("cybersource_reprocess")
    assert case.told == ["foreign"]
    assert case.status == "Pending"


def test_a_shop_that_names_no_merchant_id_takes_every_merchants_updates(shopper, settings):
    settings.CYBERSOURCE_MERCHANT_ID = ""
    case = under_review(shopper)
    assert tell(body_of(shopper.gateway.notification_xml([case.update(new_decision="ACCEPT")], merchant_id="x"))) == 200
    assert case.status == "Authorized"


# -- only an exact decision acts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    ["", " ", "accept", "accept ", "Accept", "ACCEPT ", " ACCEPT", "REJECTED", "REVIEW", "PENDING", "ＡＣＣＥＰＴ"],
)
def test_a_word_that_is_no_exact_decision_is_kept_and_changes_nothing(shopper, word, mailoutbox):
    case = under_review(shopper)
    before = case.notes
    assert tell(case.update(new_decision=word)) == 200
    assert case.status == "Pending"
    assert case.transaction.status == "REVIEW"
    assert case.told == ["noted"]
    assert case.notes == before
    assert mailoutbox == []


def test_two_decisions_in_one_update_are_none(shopper):
    case = under_review(shopper)
    xml = shopper.gateway.notification_xml([case.update(new_decision="ACCEPT")])
    doubled = xml.replace("<NewDecision>", "<NewDecision>REJECT</NewDecision><NewDecision>", 1)
    assert tell(body_of(doubled)) == 200
    assert case.told == ["noted"]
    assert case.status == "Pending"


# -- an update before its payment ------------------------------------------------------------------------------------


def early(shopper: Shopper):
    """A payment under review whose reply is still on its way, and what its reviewer decides."""
    order = shopper.check_out()
    answer = shopper.submit(card(cards.REVIEW))
    return order, answer


def test_a_decision_that_comes_before_its_payment_waits_and_is_applied_with_it(shopper, mailoutbox):
    order, answer = early(shopper)
    body = shopper.gateway.decide(answer.payment.id, "ACCEPT", notes=["Quick one"]).body
    assert tell(body) == 200
    assert states() == ["waiting"]
    assert mailoutbox == []
    shopper.deliver(answer)
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert states() == ["recorded"]
    assert len(mailoutbox) == 1
    assert sum("Quick one" in note for note in notes(order)) == 1
    assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
    assert len(mailoutbox) == 1


def test_a_rejection_that_comes_before_its_payment_declines_the_order_with_it(shopper):
    order, answer = early(shopper)
    tell(shopper.gateway.decide(answer.payment.id, "REJECT").body)
    shopper.deliver(answer)
    order.refresh_from_db()
    assert order.status == "Payment Declined"
    assert order.sources.get().amount_allocated == 0


def test_several_updates_before_their_payment_are_applied_in_the_order_they_came(shopper):
    order, answer = early(shopper)
    gateway, payment_id = shopper.gateway, answer.payment.id
    tell(gateway.take_ownership(payment_id, "omar").body)
    tell(gateway.decide(payment_id, "ACCEPT").body)
    tell(gateway.decide(payment_id, "REJECT").body)
    shopper.deliver(answer)
    assert list(ReviewNotificationUpdate.objects.order_by("pk").values_list("state", flat=True)) == [
        "noted",
        "recorded",
        "conflicting",
    ]
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_updates_that_wait_are_also_applied_by_the_command(shopper, mailoutbox, capsys):
    case = under_review(shopper)
    xml = notification_xml([case.update(new_decision="ACCEPT")], merchant_id="acme_shop", at=shopper.gateway.now())
    row_of_a_process_that_died(xml.encode())
    assert case.status == "Pending"
    call_command("cybersource_reprocess")
    assert "review updates applied: 1" in capsys.readouterr().out
    assert case.status == "Authorized"
    assert ReviewNotification.objects.get().state == "handled"
    assert len(mailoutbox) == 1
    call_command("cybersource_reprocess")
    assert "review updates applied: 0" in capsys.readouterr().out
    assert len(mailoutbox) == 1


def row_of_a_process_that_died(xml: bytes) -> None:
    """Leave behind what a process leaves that is killed between the evidence and its effects."""
    inbox.store(xml, parse_notification(xml), None)


def test_an_update_that_matches_nothing_goes_on_waiting_quietly(committed_db, caplog):
    tell(body_of(D6))
    caplog.clear()
    call_command("cybersource_reprocess")
    call_command("cybersource_reprocess")
    assert states() == ["waiting"]
    assert ReviewNotificationUpdate.objects.get().date_handled is None
    assert "cybersource" not in {record.name.partition(".")[0] for record in caplog.records}


# -- every order, every repetition -----------------------------------------------------------------------------------


class Lawful:
    """One case told of in any way, and what must be true afterwards: the first decision stands, all else is noted."""

    def __init__(self, case):
        self.case = case
        self.messages = {
            "owned": case.take_ownership(),
            "accept": case.accept(comments="Fine"),
            "late note": case.add_note("Sent a thank-you"),
            "reject": case.reject(comments="Reshipper"),
        }

    def check(self, told, mails):
        case = self.case
        decisions = [name for name in told if name in ("accept", "reject")]
        first = decisions[0] if decisions else None
        wanted = {
            None: ("Pending", "REVIEW"),
            "accept": ("Authorized", "ACCEPT"),
            "reject": ("Payment Declined", "REJECT"),
        }
        assert (case.status, case.transaction.status) == wanted[first]
        assert case.source.amount_allocated == (0 if first == "reject" else case.order.total_incl_tax)
        assert len(mails) == (first == "accept")
        assert len(case.reviewers_notes) == len(set(case.reviewers_notes)) <= 2
        assert sum("decided" in note for note in case.notes) == (first is not None)
        assert sum("Nothing was changed" in note for note in case.notes) == (len(set(decisions)) == 2)
        expected = []
        for name in told:
            if name not in ("accept", "reject"):
                expected.append("noted")
            elif "recorded" not in expected:
                expected.append("recorded")
            else:
                expected.append("repeated" if name == first else "conflicting")
        assert case.told == expected


MESSAGES = ("owned", "accept", "late note", "reject")


@pytest.mark.parametrize("told", itertools.permutations(MESSAGES), ids=" ".join)
def test_every_order_of_a_cases_messages_ends_lawfully(shopper, mailoutbox, told):
    lawful = Lawful(under_review(shopper))
    assert [tell(lawful.messages[name]) for name in told] == [200] * 4
    lawful.check(told, mailoutbox)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=strategies.lists(strategies.sampled_from(MESSAGES), max_size=9))
def test_every_repetition_of_a_cases_messages_ends_lawfully(committed_db, mailoutbox, told):
    empty_tables()
    mailoutbox.clear()
    lawful = Lawful(under_review(Shopper()))
    assert [tell(lawful.messages[name]) for name in told] == [200] * len(told)
    lawful.check(told, mailoutbox)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=strategies.lists(strategies.sampled_from(MESSAGES), max_size=6))
def test_updates_in_one_message_end_as_those_in_many(committed_db, mailoutbox, told):
    empty_tables()
    mailoutbox.clear()
    case = under_review(Shopper())
    said = {
        "owned": case.update(notes=_one_note("Took ownership.")),
        "accept": case.update(new_decision="ACCEPT"),
        "late note": case.update(notes=_one_note("Sent a thank-you")),
        "reject": case.update(new_decision="REJECT"),
    }
    lawful = Lawful(case)
    assert tell(*(said[name] for name in told)) == 200
    lawful.check(told, mailoutbox)


def _one_note(comment):
    return (Note(at=datetime(2026, 3, 4, 10, 2, 11, tzinfo=UTC), added_by="lena.review", comment=comment),)


# -- one bad update harms no other -----------------------------------------------------------------------------------


@contextmanager
def broken(model, number=None):
    """The database fails whenever a row of this model is written, for one order or for all."""

    def fail(sender, instance, **kwargs):
        if number is None or _order_of(instance).number == number:
            raise DatabaseError("the disk is on fire")

    pre_save.connect(fail, sender=model, weak=False)
    try:
        yield
    finally:
        pre_save.disconnect(fail, sender=model)


def _order_of(instance):
    return instance.source.order if isinstance(instance, Transaction) else instance.order


def test_an_update_that_fails_harms_none_of_the_others_and_redelivery_mends_it(committed_db, mailoutbox):
    first, second, third = (under_review(Shopper()) for _case in range(3))
    updates = [case.update(new_decision="ACCEPT", reviewer="omar") for case in (first, second, third)]
    with broken(Transaction, second.order.number):
        assert tell(*updates) == 503
    assert [case.status for case in (first, second, third)] == ["Authorized", "Pending", "Authorized"]
    assert states() == ["recorded", "failed", "recorded"]
    assert second.transaction.status == "REVIEW"
    assert not any("decided" in note for note in second.notes)
    assert len(mailoutbox) == 2
    assert tell(*updates) == 200
    assert states() == ["repeated", "recorded", "repeated"]
    assert second.status == "Authorized"
    assert len(mailoutbox) == 3
    call_command("cybersource_reprocess")
    assert second.told == ["repeated", "recorded"]
    assert not ReviewNotification.objects.exclude(state="handled").exists()
    assert len(mailoutbox) == 3


def test_an_update_that_failed_is_mended_by_the_command(shopper, mailoutbox, capsys):
    case = under_review(shopper)
    with broken(Transaction):
        assert tell(case.accept()) == 503
        call_command("cybersource_reprocess")
        assert "review updates applied: 0" in capsys.readouterr().out
    assert case.told == ["failed"]
    assert ReviewNotification.objects.get().state == "received"
    call_command("cybersource_reprocess")
    assert case.told == ["recorded"]
    assert case.status == "Authorized"
    assert ReviewNotification.objects.get().state == "handled"
    assert len(mailoutbox) == 1


def raise_an_error(**kwargs):
    raise RuntimeError("out of paper")


def test_a_failure_halfway_leaves_nothing_of_the_decision_behind(shopper):
    case = under_review(shopper)
    before = case.notes
    order_status_changed.connect(raise_an_error)  # a receiver of Oscar's, near the end of a release
    try:
        assert tell(case.accept(notes=["Fine"], settle=True)) == 503
    finally:
        order_status_changed.disconnect(raise_an_error)
    assert case.notes == before
    assert case.transaction.status == "REVIEW"
    assert case.status == "Pending"
    assert case.source.amount_debited == 0
    assert FollowonResult.objects.count() == 0


@pytest.mark.parametrize("atomic", [False, True])
def test_what_was_told_is_stored_before_it_has_any_effect(shopper, monkeypatch, atomic):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    case = under_review(shopper)
    seen = []

    def look(sender, **kwargs):  # another connection sees only what was committed
        seen.extend(at_once(lambda: (case.told, ReviewNotification.objects.get().state)))

    pre_save.connect(look, sender=Transaction, weak=False)
    try:
        assert tell(case.accept()) == 200
    finally:
        pre_save.disconnect(look, sender=Transaction)
    assert seen == [(["waiting"], "received")]


@pytest.mark.parametrize("atomic", [False, True])
def test_what_was_told_outlives_a_failure_also_where_requests_are_atomic(shopper, monkeypatch, atomic):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    case = under_review(shopper)
    with broken(Transaction):
        assert tell(case.accept()) == 503
    assert case.told == ["failed"]


def test_a_failed_update_is_logged_without_what_it_said(shopper, caplog):
    case = under_review(shopper)
    with broken(Transaction), caplog.at_level(logging.DEBUG):
        tell(case.accept(comments="Maya lives at 12 Harbour Street"))
    assert "could not be recorded" in caplog.text
    assert "Harbour Street" not in caplog.text


# -- at the same time ------------------------------------------------------------------------------------------------


def test_twenty_threads_with_the_same_message_record_one_decision_one_note_one_email(shopper, mailoutbox, monkeypatch):
    monkeypatch.setattr(locks, "FOR_A_REQUEST", 60)  # twenty at once wait for long where the machine is busy
    case = under_review(shopper)
    heard = []
    signals.review_recorded.connect(listener := lambda sender, **said: heard.append(said))
    body = case.accept(notes=["Called back"], settle=True)
    try:
        assert in_threads(lambda number: tell(body), 20) == [200] * 20
    finally:
        signals.review_recorded.disconnect(listener)
    assert case.status == "Authorized"
    assert sorted(case.told) == ["recorded"] + ["repeated"] * 19
    assert len(case.reviewers_notes) == 1
    assert sum("decided ACCEPT" in note for note in case.notes) == 1
    assert [kind for kind, _amount, _status in transactions(case.order)] == ["Authorise", "Debit"]
    assert case.source.amount_debited == case.order.total_incl_tax
    assert len(mailoutbox) == 1
    assert len(heard) == 1


def test_opposite_decisions_at_the_same_moment_leave_one_standing_and_one_noted(shopper, mailoutbox):
    case = under_review(shopper)
    bodies = [case.accept(), case.reject()]
    in_threads(lambda number: tell(bodies[number % 2]), 12)
    accepted = case.transaction.status == "ACCEPT"
    assert case.status == ("Authorized" if accepted else "Payment Declined")
    assert len(mailoutbox) == accepted
    assert sum("decided" in note for note in case.notes) == 1
    assert sum("Nothing was changed" in note for note in case.notes) == 1
    assert case.told.count("recorded") == 1


def test_a_decision_and_its_payment_at_the_same_moment_find_each_other(shopper, mailoutbox):
    order = shopper.check_out()
    answer = shopper.submit(card(cards.REVIEW))
    body = shopper.gateway.decide(answer.payment.id, "ACCEPT").body
    endpoints = [lambda: tell(body), lambda: post_reply(answer.reply).status_code]
    codes = in_threads(lambda number: endpoints[number % 2](), 10)
    assert set(codes) == {200, 303}
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert not ReviewNotificationUpdate.objects.filter(state__in=["waiting", "failed"]).exists()
    assert ReviewNotificationUpdate.objects.filter(state="recorded").count() == 1
    assert len(mailoutbox) == 1


def test_two_machines_that_mend_the_same_updates_record_each_once(shopper, mailoutbox):
    case = under_review(shopper)
    with broken(Transaction):
        tell(case.accept())
    in_threads(lambda number: matching.apply_waiting(), 4)
    assert case.told == ["recorded"]
    assert sum("decided ACCEPT" in note for note in case.notes) == 1
    assert len(mailoutbox) == 1


def test_the_order_is_locked_before_the_transaction(shopper):
    """So that no endpoint ever waits for another endpoint that waits for it."""
    case = under_review(shopper)
    body = case.accept()
    held, seen, done = threading.Event(), [], threading.Event()

    def hold_the_order():
        try:
            with transaction.atomic():
                orders.locked(case.order_id)
                held.set()
                done.wait(10)
                # Whoever waits for the order must not hold the transaction meanwhile.
                seen.append(
                    Transaction.objects.select_for_update(nowait=True, of=("self",)).get(pk=case.transaction.pk)
                )
        finally:
            connections.close_all()

    def decide():
        try:
            return tell(body)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(hold_the_order)
        assert held.wait(10)
        decider = pool.submit(decide)
        wait_until_somebody_waits()
        done.set()
        holder.result(20)
        assert decider.result(20) == 200
    assert len(seen) == 1
    assert case.status == "Authorized"


# -- evidence, with a ceiling ----------------------------------------------------------------------------------------


def test_an_unreadable_notification_is_kept_only_in_part(committed_db):
    with pytest.raises(ProtocolError):
        inbox.receive(b"<broken " + b"x" * 500_000, remote_address="203.0.113.9")
    kept = ReviewNotification.objects.get()
    assert len(kept.content) == inbox.REFUSED_BYTES
    assert (kept.state, kept.problem, kept.remote_address) == ("unreadable", "not-xml", "203.0.113.9")


def test_another_merchants_notification_is_kept_only_in_part(committed_db):
    update = Update(reference_number="1", request_id="7300000000000000000000", comments="y" * 2000)
    xml = notification_xml([update] * MAX_UPDATES, merchant_id="other_shop", at=Shopper().gateway.now())
    assert tell(body_of(xml)) == 400
    kept = ReviewNotification.objects.get()
    assert len(kept.content) == inbox.REFUSED_BYTES
    assert kept.updates.count() == inbox.REFUSED_UPDATES
    assert all(update.payload == {} for update in kept.updates.all())


def test_a_notification_of_too_many_updates_is_refused_and_kept_only_in_part(shopper):
    case = under_review(shopper)
    body = shopper.gateway.notification_xml([case.update(new_decision="ACCEPT")] * (MAX_UPDATES + 1))
    assert tell(body_of(body)) == 400
    kept = ReviewNotification.objects.get()
    assert (kept.state, kept.problem) == ("unreadable", "too-many-updates")
    assert kept.content and len(kept.content) <= inbox.REFUSED_BYTES
    assert kept.updates.count() == 0
    assert case.status == "Pending"


@pytest.mark.parametrize("refused", ["unreadable", "foreign"])
def test_refused_notifications_of_an_hour_have_a_ceiling_that_honest_ones_have_not(shopper, refused, monkeypatch):
    monkeypatch.setattr(inbox, "REFUSED_AN_HOUR", 5)
    case = under_review(shopper)
    foreign = body_of(shopper.gateway.notification_xml([case.update()], merchant_id="other_shop"))
    body = {"unreadable": b"content=%3Cbroken", "foreign": foreign}[refused]
    assert [tell(body) for _time in range(8)] == [400] * 8
    assert ReviewNotification.objects.count() == 5
    assert tell(case.accept()) == 200
    assert case.status == "Authorized"
    assert ReviewNotification.objects.count() == 6
    hour_ago = ReviewNotification.objects.order_by("pk").first().date_created - inbox.timedelta(hours=1, seconds=1)
    ReviewNotification.objects.filter(problem__gt="").update(date_created=hour_ago)
    assert tell(body) == 400
    assert ReviewNotification.objects.count() == 7


@pytest.mark.parametrize("at", range(4040, 4100, 7))
def test_no_card_number_is_kept_of_an_unreadable_notification_wherever_it_is_cut(committed_db, at):
    with pytest.raises(ProtocolError):
        inbox.receive(b"<" + b"x" * (at - 1) + b" 4111 1111 1111 1111 " + b"y" * 400)
    assert "1111 1111" not in ReviewNotification.objects.get().content
    assert "4111" not in ReviewNotification.objects.get().content


def test_no_card_number_is_kept_of_a_form_that_was_posted_to_the_wrong_url(committed_db):
    posted = b"card_number=4111111111111111&card%5fnumber=4111%201111+1111%201111&card_cvn=123"
    assert post_notification(posted).status_code == 400
    kept = ReviewNotification.objects.get()
    assert kept.problem == "no-content"
    assert kept.content == f"{len(posted)} bytes of application/x-www-form-urlencoded"
