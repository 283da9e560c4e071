"""No charge without an owner: it is recorded, listed for staff, linked to its order and signalled, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from oscar.core.loading import get_model

from cybersource import profiles, signals
from cybersource.checkout import begin
from cybersource.inbound import rejected
from cybersource.models import (
    AttemptState,
    AttentionItem,
    CyberSourceReply,
    PaymentAttempt,
    PaymentToken,
    SecureAcceptanceProfile,
)
from cybersource.payments import attention, orders
from cybersource.simulator import cards
from tests.support.reviewing import under_review
from tests.support.shop import DECLINE, MERCHANT_POST, UNKNOWN, card, post_notification, post_reply

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")

DUPLICATE = {"decision": "ERROR", "reason_code": "104", "auth_amount": ""}
ELSEWHERE = "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"


@pytest.fixture
def told():
    """Everything that ``unexpected_charge`` said."""
    heard = []

    def hear(**kwargs):
        heard.append(kwargs)

    signals.unexpected_charge.connect(hear)
    yield heard
    signals.unexpected_charge.disconnect(hear)


def twice(pairs):
    """Every endpoint, and each again."""
    for _again in range(2):
        post_reply(pairs)
        post_reply(pairs, url=MERCHANT_POST)


def items(**which):
    return list(AttentionItem.objects.filter(**which).order_by("pk").values_list("kind", flat=True))


def status(order):
    order.refresh_from_db()
    return order.status


# -- every kind of charge, listed and signalled once, however often it is told -------------------------------------


def after_a_decline(shopper):
    order = shopper.check_out("64.50")
    post_reply(shopper.reply(**DECLINE))
    return order, shopper.reply()


def on_a_paid_order(shopper):
    order = shopper.check_out("64.50")
    shopper.pay()
    return order, shopper.reply()


def on_a_cancelled_order(shopper):
    order = shopper.check_out("64.50")
    order.set_status("Canceled")
    return order, shopper.reply()


def for_a_replaced_attempt(shopper):
    """Two tabs: a new payment of the order was begun after the form that is paid."""
    order = shopper.check_out("64.50")
    first = shopper.attempt()
    begin.make_way(order, None, begun=("cybersource", order.total_incl_tax))
    return order, shopper.reply(first)


def in_part(shopper):
    order = shopper.check_out("64.50")
    return order, shopper.reply(auth_amount="20.00", reason_code="110")


def in_part_on_a_paid_order(shopper):
    order, _reply = on_a_paid_order(shopper)
    return order, shopper.reply(auth_amount="20.00", reason_code="110")


def of_another_amount(shopper):
    order = shopper.check_out("64.50")
    return order, shopper.reply(req_amount="0.01", auth_amount="0.01")


def of_an_attempt_we_never_began(shopper):
    order = shopper.check_out("64.50")
    return order, shopper.reply(req_transaction_uuid=ELSEWHERE)


CHARGES = {
    "after-decline": after_a_decline,
    "extra-charge": on_a_paid_order,
    "closed-order": on_a_cancelled_order,
    "replaced-charge": for_a_replaced_attempt,
    "partial": in_part,
    "misfit": of_another_amount,
    "orphan": of_an_attempt_we_never_began,
}


@pytest.mark.parametrize("kind", CHARGES)
def test_a_charge_nobody_waited_for_is_listed_linked_and_signalled_once_however_often_it_is_told(shopper, told, kind):
    order, reply = CHARGES[kind](shopper)
    transaction_id = dict(reply)["transaction_id"]
    twice(reply)
    (item,) = AttentionItem.objects.all()
    assert (item.kind, item.order, item.transaction_id) == (kind, order, transaction_id)
    assert (item.reference_number, item.currency, item.card_last4) == (order.number, "USD", "1111")
    assert item.amount_text == {"partial": "20.00 USD", "misfit": "0.01 USD"}.get(kind, f"{order.total_incl_tax} USD")
    assert [said["attention"] for said in told] == [kind]
    assert told[0]["order"] == order
    assert told[0]["reply"].transaction_id == transaction_id
    call_command("cybersource_reprocess")
    twice(reply)
    assert (len(told), AttentionItem.objects.count()) == (1, 1)


def test_twenty_threads_with_the_same_charge_of_nobody_list_and_signal_it_once(shopper, told):
    _order, reply = of_an_attempt_we_never_began(shopper)

    def post(_number):
        try:
            return post_reply(reply).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(post, range(20))) == {400}
    assert items() == ["orphan"]
    assert len(told) == 1


def test_a_partial_approval_on_a_paid_attempt_is_listed_and_changes_nothing_that_is_paid(shopper, told):
    order, reply = in_part_on_a_paid_order(shopper)
    post_reply(reply)
    assert status(order) == "Authorized"
    assert PaymentAttempt.objects.get().state == AttemptState.AUTHORIZED
    assert items() == ["partial"]
    assert [said["attention"] for said in told] == ["partial"]
    assert sorted(source.amount_allocated for source in order.sources.all()) == [20, order.total_incl_tax]


def test_an_orphan_that_names_no_order_of_ours_is_listed_all_the_same(shopper, told):
    shopper.check_out()
    post_reply(shopper.reply(req_transaction_uuid=ELSEWHERE, req_reference_number="SOMEBODY-ELSES-1"))
    (item,) = AttentionItem.objects.all()
    assert (item.order, item.reference_number) == (None, "SOMEBODY-ELSES-1")
    assert (told[0]["order"], told[0]["attempt"]) == (None, None)


@pytest.mark.quick
def test_the_log_row_of_an_orphan_is_linked_to_the_order_it_names(shopper):
    order, reply = of_an_attempt_we_never_began(shopper)
    post_reply(reply)
    entry = CyberSourceReply.objects.get()
    assert (entry.order, entry.attempt) == (order, None)


@pytest.mark.parametrize(
    "harmless",
    [
        {"decision": "DECLINE", "reason_code": "203", "auth_amount": ""},
        {"req_transaction_type": "create_payment_token", "auth_amount": ""},
    ],
    ids=["a decline", "a stored card"],
)
def test_a_refused_reply_that_moves_no_money_is_kept_and_not_listed(shopper, told, harmless):
    shopper.check_out()
    post_reply(shopper.reply(req_transaction_uuid=ELSEWHERE, **harmless))
    assert CyberSourceReply.objects.get().result == "refused"
    assert (items(), told) == ([], [])


def test_the_ceiling_on_refused_replies_hides_no_new_charge(shopper, monkeypatch):
    """Whoever posts one refused reply over and over cannot fill the room for the charges of others."""
    monkeypatch.setattr(rejected, "ROWS_AN_HOUR", 3)
    shopper.check_out()
    known = shopper.reply(req_transaction_uuid=ELSEWHERE, transaction_id="7300000000000000000001")
    for _again in range(6):
        post_reply(known)
    assert CyberSourceReply.objects.count() == 3
    post_reply(shopper.reply(req_transaction_uuid=ELSEWHERE, transaction_id="7300000000000000000002"))
    assert CyberSourceReply.objects.count() == 4
    assert AttentionItem.objects.count() == 2


def test_a_charge_whose_listing_failed_is_listed_by_the_command_once(shopper, told, capsys):
    """The evidence was committed, and the process died before the list was written."""
    order, reply = of_an_attempt_we_never_began(shopper)
    post_reply(reply)
    AttentionItem.objects.all().delete()
    told.clear()
    call_command("cybersource_reprocess")
    call_command("cybersource_reprocess")
    assert "charges without an owner listed: 1" in capsys.readouterr().out
    assert (items(order=order), len(told)) == (["orphan"], 1)


def test_an_authorization_that_was_kept_is_listed_once(shopper):
    order = shopper.check_out()
    shopper.pay()
    for _again in range(2):
        with transaction.atomic():
            begin.void(PaymentAttempt.objects.get())
    (item,) = AttentionItem.objects.all()
    assert (item.kind, item.order, item.card_last4) == ("kept-authorization", order, "1111")
    assert item.transaction_id == Transaction.objects.get().reference


def test_what_was_set_aside_stays_so_when_another_charge_comes(shopper):
    order = shopper.check_out()
    shopper.pay()
    with transaction.atomic():
        begin.void(PaymentAttempt.objects.get())
    post_reply(shopper.reply())
    assert items() == ["kept-authorization", "extra-charge"]
    assert orders.money_held(order) == order.total_incl_tax


def test_a_reviewers_accept_of_a_cancelled_order_is_listed_and_signalled_once(shopper, told):
    case = under_review(shopper)
    Order.objects.update(status="Canceled")
    body = case.accept()
    post_notification(body)
    post_notification(body)
    (item,) = AttentionItem.objects.all()
    assert (item.kind, item.transaction_id, item.card_last4) == ("closed-order", case.request_id, cards.REVIEW[-4:])
    assert [said["attention"] for said in told] == ["closed-order"]


def test_a_reviewers_accept_of_a_partial_approval_is_listed_and_signalled_once(shopper, told):
    order = shopper.check_out("64.50")
    post_reply(
        shopper.reply(decision="REVIEW", reason_code="480", auth_amount="1.00", transaction_id="7300000000000000000009")
    )
    body = shopper.gateway.notification_xml(
        [attention_update(order.number, "7300000000000000000009")],
    )
    post_notification(body)
    post_notification(body)
    assert items() == ["partial"]
    assert [said["attention"] for said in told] == ["partial"]


def attention_update(number, request_id):
    from cybersource.simulator import Update

    return Update(reference_number=number, request_id=request_id, new_decision="ACCEPT")


def test_an_unknown_outcome_that_is_replaced_by_a_retry_is_left_to_staff(shopper):
    order = shopper.check_out("10.00")
    post_reply(shopper.reply(**UNKNOWN, transaction_id="7" * 22))
    begin.make_way(order, None, begun=("cybersource", order.total_incl_tax))
    assert items(order=order) == ["no-answer"]
    post_reply(shopper.reply(**DECLINE, transaction_id="7" * 22))
    assert items(order=order, date_cleared=None) == []


def test_an_unknown_outcome_for_an_attempt_that_was_replaced_is_left_to_staff_once(shopper):
    order = shopper.check_out("10.00")
    begin.make_way(order, None, begun=("cybersource", order.total_incl_tax))
    for _again in range(2):
        post_reply(shopper.reply(**UNKNOWN))
    assert items(order=order) == ["no-answer"]
    assert order.notes.count() == 1


# -- 104: the same form twice leads to the first outcome -----------------------------------------------------------


FIRST_OUTCOMES = {
    "accepted": ({}, "authorized", "/checkout/thank-you/", "Authorized"),
    "declined": (DECLINE, "declined", "/checkout/", "Payment Declined"),
    "refused for its data": (
        {"decision": "ERROR", "reason_code": "102", "invalid_fields": "card_number", "auth_amount": ""},
        "failed",
        "/checkout/",
        "Payment Declined",
    ),
    "cancelled": (
        {"decision": "CANCEL", "reason_code": "", "transaction_id": "", "auth_amount": ""},
        "failed",
        "/checkout/",
        "Payment Declined",
    ),
    "under review": ({"decision": "REVIEW", "reason_code": "480"}, "review", "/api/cybersource/pending/", "Pending"),
}


@pytest.mark.parametrize("outcome", FIRST_OUTCOMES)
def test_a_duplicate_answers_the_shopper_with_the_first_outcome(shopper, outcome):
    first, state, page, order_status = FIRST_OUTCOMES[outcome]
    order = shopper.check_out("10.00")
    post_reply(shopper.reply(**first))
    response = post_reply(shopper.reply(**DUPLICATE))
    assert response.status_code == 303
    assert shopper.client.get(response.headers["Location"]).headers["Location"].startswith(page)
    assert (PaymentAttempt.objects.get().state, status(order)) == (state, order_status)
    assert items() == []


@pytest.mark.parametrize("outcome", FIRST_OUTCOMES)
def test_a_duplicate_that_overtakes_the_first_outcome_waits_for_it(shopper, outcome):
    first, state, page, order_status = FIRST_OUTCOMES[outcome]
    order = shopper.check_out("10.00")
    response = post_reply(shopper.reply(**DUPLICATE))
    assert PaymentAttempt.objects.get().state == AttemptState.UNKNOWN
    assert status(order) == "Pending"
    post_reply(shopper.reply(**first))
    assert shopper.client.get(response.headers["Location"]).headers["Location"].startswith(page)
    assert (PaymentAttempt.objects.get().state, status(order)) == (state, order_status)


def test_a_duplicate_of_a_stored_card_goes_on_with_its_authorization(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out("10.00")
    form = shopper.form()
    first = shopper.submit()
    second = shopper.gateway.submit("/silent/token/create", [(k, card().get(k, v)) for k, v in form])
    assert dict(second.reply)["reason_code"] == "104"
    shopper.deliver(second)
    assert PaymentAttempt.objects.get().state == AttemptState.UNKNOWN
    shopper.deliver(first)
    shopper.deliver(second)
    assert dict(shopper.form())["transaction_type"] == "authorization"
    shopper.deliver(shopper.submit())
    assert status(order) == "Authorized"


# -- an old card form is used again --------------------------------------------------------------------------------


def test_a_second_card_on_the_old_card_form_is_logged_as_too_late_and_noted_once(shopper, settings):
    """The authorization form for the first card may be posted already; two cards must not both be charged."""
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out("10.00")
    first = shopper.attempt()
    post_reply(shopper.submit().reply)
    token = PaymentToken.objects.get()
    reply = shopper.reply(
        first, payment_token="7010000000017101111", req_card_number="xxxxxxxxxxxx4444", auth_amount=""
    )
    twice(reply)
    results = CyberSourceReply.objects.filter(card_number="xxxxxxxxxxxx4444").values_list("result", flat=True)
    assert set(results) == {"superseded"}
    assert [attempt.state for attempt in PaymentAttempt.objects.order_by("pk")] == ["tokenized", "open"]
    assert PaymentAttempt.objects.latest("pk").token == token
    (note,) = order.notes.all()
    assert "xxxxxxxxxxxx4444" in note.message and "not used" in note.message
    shopper.pay()
    assert status(order) == "Authorized"
    assert Transaction.objects.get().token == token


def test_the_same_card_told_again_is_no_second_card(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out("10.00")
    answer = shopper.submit()
    twice(answer.reply)
    assert set(CyberSourceReply.objects.values_list("result", flat=True)) == {"settled", "repeated"}
    assert order.notes.count() == 0


# -- keys change while shoppers pay --------------------------------------------------------------------------------


def profile(shopper, name, **more):
    row = {"hostname": "testserver", "profile_id": f"PROFILE-{name}", "access_key": f"{name}" * 32, **more}
    return SecureAcceptanceProfile.objects.create(secret_key=f"throwaway-secret-{name}", **row)


def test_a_live_attempt_keeps_its_profile_when_another_profile_becomes_the_newest(shopper):
    profile(shopper, "a")
    shopper.check_out("10.00")
    before = dict(shopper.form())
    profile(shopper, "b")
    PaymentAttempt.objects.update(date_signed="2026-01-01T00:00:00Z")
    after = dict(shopper.form())
    assert before["profile_id"] == after["profile_id"] == "PROFILE-a"
    assert after["access_key"] == "a" * 32
    assert PaymentAttempt.objects.get().date_signed.month != 1  # signed anew


def test_a_live_attempt_takes_the_newest_key_of_its_own_profile(shopper):
    profile(shopper, "a")
    shopper.check_out("10.00")
    profile(shopper, "b")
    profile(shopper, "c", profile_id="PROFILE-a")
    PaymentAttempt.objects.update(date_signed="2026-01-01T00:00:00Z")
    after = dict(shopper.form())
    assert (after["profile_id"], after["access_key"]) == ("PROFILE-a", "c" * 32)
    assert PaymentAttempt.objects.get().access_key == "c" * 32


def test_a_live_attempt_whose_profile_is_gone_is_signed_with_what_there_is(shopper):
    row = profile(shopper, "a")
    shopper.check_out("10.00")
    row.active = False
    row.save()
    profile(shopper, "b")
    assert dict(shopper.form())["profile_id"] == "PROFILE-b"
    assert PaymentAttempt.objects.get().profile_id == "PROFILE-b"
    assert profiles.for_signing("testserver", profile_id="PROFILE-a").profile_id == "PROFILE-b"


def test_every_kind_of_thing_on_the_list_comes_with_advice():
    kinds = {kind for kind, _label in AttentionItem._meta.get_field("kind").choices if kind}
    assert kinds == {kind.value for kind in attention.ADVICE}
