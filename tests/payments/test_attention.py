"""The list of what staff are asked: what is listed once, what it keeps, what clears it and what brings it back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cybersource.db import clock
from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentAttempt, PaymentOperation
from cybersource.payments import attention, cancellation, expiry
from tests.support.desk import notes

D = Decimal
KIND = Attention.ORPHAN


def flag(**facts):
    given = {"transaction_id": "T1", "transaction_uuid": "U1", "amount": D("5.00"), "currency": "USD"}
    return attention.flag(facts.pop("kind", KIND), None, None, **{**given, **facts})


def open_items():
    return list(AttentionItem.objects.filter(date_cleared=None).order_by("pk").values_list("kind", "transaction_id"))


def test_the_same_charge_is_listed_once_a_kind(committed_db):
    assert flag() and not flag() and not flag(amount=D("6.00"))
    assert flag(kind=Attention.MISFIT) and flag(transaction_id="T2") and flag(transaction_uuid="U2")
    assert AttentionItem.objects.count() == 4
    assert AttentionItem.objects.order_by("pk").first().amount == D("5.00")


@pytest.mark.parametrize(
    ("mask", "last"), [("411111xxxxxx1234", "1234"), ("xxxxxxxxxxxxxxxx", ""), ("12x4", ""), ("", "")]
)
def test_of_a_card_only_the_last_four_digits_are_kept(committed_db, mask, last):
    flag(card_number=mask)
    assert AttentionItem.objects.get().card_last4 == last


def test_an_item_keeps_what_it_is_about(committed_db):
    flag(reference_number="100042", detail="signature", evidence={"status": "REVERSED"})
    (item,) = AttentionItem.objects.all()
    assert (item.reference_number, item.detail, item.evidence) == ("100042", "signature", {"status": "REVERSED"})
    assert (item.amount, item.currency, item.transaction_id, item.transaction_uuid) == (D("5.00"), "USD", "T1", "U1")


def test_what_an_attempt_knows_fills_what_is_not_said_and_nothing_else(desk):
    order = desk.order()
    attempt = PaymentAttempt.objects.filter(order=order).latest("pk")
    attention.flag(Attention.NO_ANSWER, order, attempt, transaction_id="T1")
    said = {"amount": D("1.00"), "currency": "EUR", "reference_number": "R", "transaction_uuid": "U"}
    attention.flag(Attention.NO_ANSWER, order, attempt, transaction_id="T2", **said)
    first, second = AttentionItem.objects.order_by("pk")
    assert (first.amount, first.currency) == (attempt.amount, attempt.currency)
    assert (first.reference_number, first.transaction_uuid) == (attempt.reference_number, attempt.transaction_uuid)
    assert {name: getattr(second, name) for name in said} == said
    assert (first.order, first.attempt, second.order, second.attempt) == (order, attempt, order, attempt)


def test_what_is_cleared_stays_so_unless_an_operation_did_it_that_is_undone(committed_db):
    operation = PaymentOperation.objects.create(kind="refund", amount=1, currency="USD", reference_number="1-R1")
    for number in ("T1", "T2", "T3"):
        flag(transaction_id=number)
    items = AttentionItem.objects
    attention.clear(items.filter(transaction_id="T1"), "by staff")
    before = items.get(transaction_id="T1").date_cleared
    attention.clear(items.filter(transaction_id__in=("T1", "T2")), "refunded" + "." * 300, operation=operation)
    one, two = items.filter(transaction_id__in=("T1", "T2")).order_by("pk")
    assert (one.reason, one.date_cleared, one.cleared_by_operation) == ("by staff", before, None)
    assert two.cleared_by_operation == operation and two.date_cleared and len(two.reason) == 255
    attention.list_again(items.all())
    assert open_items() == [(KIND, "T2"), (KIND, "T3")]
    again = items.get(transaction_id="T2")
    assert (again.reason, again.cleared_by_operation) == ("", None)


def test_an_answer_clears_what_was_asked_for_want_of_it_and_nothing_about_another_transaction(desk):
    order = desk.order()
    attempt = PaymentAttempt.objects.filter(order=order).latest("pk")
    attempt.attention = Attention.NO_ANSWER
    for kind, number in [
        (Attention.NO_ANSWER, ""),
        (Attention.NO_ANSWER, "T1"),
        (Attention.NO_ANSWER, "T2"),
        (Attention.UNPAID_REST, ""),
        (Attention.EXTRA_CHARGE, "T1"),
    ]:
        attention.flag(kind, order, attempt, transaction_id=number)
    attention.flag(Attention.NO_ANSWER, order, None, transaction_id="T1", transaction_uuid="another's")
    attention.answered(attempt, "T1")
    assert attempt.attention == ""
    assert (Attention.NO_ANSWER, "T2") in open_items() and (Attention.EXTRA_CHARGE, "T1") in open_items()
    assert open_items().count((Attention.NO_ANSWER, "T1")) == 1  # the one of no attempt
    assert (Attention.NO_ANSWER, "") not in open_items()


def test_how_one_transaction_ended_clears_the_question_about_it_alone(desk):
    order = desk.order()
    attempt = PaymentAttempt.objects.filter(order=order).latest("pk")
    for kind, number in [(Attention.NO_ANSWER, "T1"), (Attention.NO_ANSWER, "T2"), (Attention.EXTRA_CHARGE, "T1")]:
        attention.flag(kind, order, attempt, transaction_id=number)
    assert attention.is_open(attempt, "T1") and not attention.is_open(attempt, "T9")
    attention.transaction_answered(attempt, "T1")
    assert open_items() == [(Attention.NO_ANSWER, "T2"), (Attention.EXTRA_CHARGE, "T1")]
    assert attention.is_open(attempt, "T1")  # it is listed for another reason still
    attention.clear(AttentionItem.objects.filter(kind=Attention.EXTRA_CHARGE), "looked at")
    assert not attention.is_open(attempt, "T1")
    attention.flag(Attention.NO_ANSWER, order, attempt)
    assert not attention.is_open(attempt, "")


def test_a_doubt_stands_on_the_attempt_on_the_list_and_on_the_order_once(desk):
    order = desk.order()
    attempt = PaymentAttempt.objects.filter(order=order).latest("pk")
    assert attention.flag_unknown_outcome(Attention.NO_ANSWER, order, attempt)
    assert not attention.flag_unknown_outcome(Attention.NO_ANSWER, order, attempt)
    assert attempt.attention == PaymentAttempt.objects.get(pk=attempt.pk).attention == Attention.NO_ANSWER
    assert open_items() == [(Attention.NO_ANSWER, "")]
    assert notes(order).count(str(attention.ADVICE[Attention.NO_ANSWER])) == 1


def test_an_order_is_named_by_its_number_or_by_what_the_log_knows(desk):
    order = desk.order()
    assert attention.order_named(order.number) == order and attention.order_named("") is None
    assert attention.order_named("nobody's") is None
    log = CyberSourceReply.objects.filter(order=order).first()
    CyberSourceReply.objects.filter(pk=log.pk).update(reference_number="O-7")
    assert attention.order_named("O-7") == order


# -- an order that is cancelled while money is held for it ----------------------------------------------


def held(order):
    return [one.source.reference for one in cancellation.held_and_not_listed(order)]


def test_what_is_held_for_a_cancelled_order_is_listed_unless_it_is_already(desk):
    order = desk.order()
    reference = order.sources.get().reference
    assert held(order) == [reference]
    attempt = PaymentAttempt.objects.filter(order=order).latest("pk")
    attention.flag(Attention.EXTRA_CHARGE, order, attempt, transaction_id=reference)
    assert held(order) == []
    # What staff decided was for an order that was not cancelled ...
    AttentionItem.objects.update(date_cleared=clock.now())
    assert held(order) == [reference]
    # ... but not where it was about this.
    AttentionItem.objects.update(kind=Attention.CLOSED_ORDER)
    assert held(order) == []


def test_what_is_asked_about_another_order_or_no_transaction_hides_no_money(desk):
    order, other = desk.order(), desk.order()
    reference = order.sources.get().reference
    attention.flag(Attention.EXTRA_CHARGE, other, None, transaction_id=reference)
    attention.flag(Attention.NO_ANSWER, order, None, transaction_uuid="U1")
    assert held(order) == [reference]


def test_what_was_given_back_is_held_for_no_cancelled_order(desk):
    order = desk.order()
    desk.do("reverse", desk.authorization(order))
    assert held(order) == []


def test_cancelling_lists_what_is_held_and_any_other_status_nothing(desk):
    from oscarapicheckout import settings as checkout_settings

    order = desk.order()
    cancellation.list_what_is_held(None, order)
    assert not AttentionItem.objects.exists()
    order.status = checkout_settings.ORDER_STATUS_CANCELED
    cancellation.list_what_is_held(None, order)
    cancellation.list_what_is_held(None, order)
    (item,) = AttentionItem.objects.all()
    assert (item.kind, item.transaction_id) == (Attention.CLOSED_ORDER, order.sources.get().reference)
    assert (
        item.amount == order.total_incl_tax and notes(order).count(str(attention.ADVICE[Attention.CLOSED_ORDER])) == 1
    )


# -- expiry: whose card may have been charged -----------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "may"),
    [
        ({"transaction_type": "authorization", "date_shown": None}, False),
        ({"transaction_type": "authorization", "date_shown": True}, True),
        ({"transaction_type": "authorization", "date_shown": None, "state": "unknown"}, True),
        ({"transaction_type": "sale", "date_shown": True}, True),
        ({"transaction_type": "create_payment_token", "date_shown": True}, False),
        ({"transaction_type": "create_payment_token", "date_shown": True, "state": "unknown"}, False),
    ],
)
def test_only_a_form_that_was_shown_may_have_charged_a_card(row, may):
    shown = clock.now() if row.pop("date_shown") else None
    assert expiry.may_be_charged(PaymentAttempt(date_shown=shown, **{"state": "open", **row})) == may
