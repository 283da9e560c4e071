"""A reviewer decides: what becomes of the order, its money and its notes."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from oscar.core.loading import get_model

from cybersource import signals
from cybersource.models import (
    AttemptState,
    Attention,
    CyberSourceReply,
    FollowonResult,
    PaymentAttempt,
    ReviewNotification,
)
from cybersource.protocol import ReviewDecision
from cybersource.simulator import cards
from cybersource.simulator.review import Note, Update
from tests.support.reviewing import (
    Case,
    come_back,
    reviewed,
    settlement,
    tell,
    transactions,
    under_review,
    under_review_as,
)
from tests.support.shop import Shopper, card, post_reply, voucher

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")
Voucher = get_model("voucher", "Voucher")


@pytest.fixture
def told():
    """Every review that was announced while the test ran."""
    heard = []

    def listen(sender, **said):
        heard.append((sender, said))

    signals.review_recorded.connect(listen, weak=False)
    yield heard
    signals.review_recorded.disconnect(listen)


# -- held until a person has looked ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["one-step", "two-step", "sale", "sale-with-token"])
def test_an_order_under_review_is_held_without_an_email(shopper, settings, mailoutbox, flow):
    settings.CYBERSOURCE_FLOW = flow
    case = under_review(shopper)
    assert case.status == "Pending"
    assert case.transaction.is_pending_review
    assert case.attempt.state == AttemptState.REVIEW
    assert transactions(case.order) == [("Authorise", case.order.total_incl_tax, "REVIEW")]
    assert mailoutbox == []
    assert len(case.notes) == 1
    assert "Wait for the reviewer's decision before shipping" in case.notes[0]
    assert shopper.state() == {"status": "Pending", "amount": str(case.order.total_incl_tax), "required_action": None}


@pytest.mark.parametrize("flow", ["one-step", "two-step", "sale", "sale-with-token"])
def test_an_accepted_review_pays_the_order_and_sends_one_email(shopper, settings, mailoutbox, flow):
    settings.CYBERSOURCE_FLOW = flow
    case = under_review(shopper)
    assert tell(case.accept()) == 200
    assert case.status == "Authorized"
    assert case.order.basket.status == "Submitted"
    assert case.transaction.status == "ACCEPT"
    assert not case.transaction.is_pending_review
    assert case.attempt.state == AttemptState.AUTHORIZED
    assert case.source.amount_allocated == case.order.total_incl_tax
    assert case.told == ["recorded"]
    assert [mail.to for mail in mailoutbox] == [["maya@example.com"]]
    assert shopper.state()["status"] == "Consumed"


def test_a_shopper_who_waits_on_the_pending_page_is_taken_to_the_thank_you_page(shopper):
    case = under_review(shopper)
    assert "being reviewed" in come_back(shopper).content.decode()
    tell(case.accept())
    assert ("/checkout/thank-you/", 302) in come_back(shopper).redirect_chain


@pytest.mark.quick
def test_the_reviewer_who_accepted_and_the_comment_are_noted_on_the_order(shopper):
    case = under_review(shopper)
    tell(case.accept(comments="Spoke to customer. | Billing and shipping agree."))
    (note,) = [note for note in case.notes if "decided ACCEPT" in note]
    assert "lena.review" in note
    assert "Spoke to customer. | Billing and shipping agree." in note
    assert case.request_id in note


def test_a_shop_may_treat_a_payment_under_review_as_paid(shopper, settings, mailoutbox):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    case = under_review(shopper)
    assert case.status == "Authorized"
    assert len(mailoutbox) == 1
    assert tell(case.accept()) == 200
    assert case.status == "Authorized"
    assert case.transaction.status == "ACCEPT"
    assert len(mailoutbox) == 1


def test_a_review_rejected_after_the_order_was_treated_as_paid_declines_it(shopper, settings):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    case = under_review(shopper)
    tell(case.reject())
    assert case.status == "Payment Declined"
    assert case.source.amount_allocated == 0


# -- rejected --------------------------------------------------------------------------------------------------------


def test_a_rejected_review_declines_the_order_and_gives_the_basket_back(shopper, mailoutbox):
    case = under_review(shopper)
    assert tell(case.reject(comments="Reshipper address.")) == 200
    assert case.status == "Payment Declined"
    assert case.order.basket.status == "Open"
    assert case.transaction.status == "REJECT"
    assert case.source.amount_allocated == 0
    assert case.attempt.state == AttemptState.DECLINED
    assert mailoutbox == []
    assert shopper.state()["status"] == "Declined"
    assert any("Reshipper address." in note and "Release the authorization" in note for note in case.notes)


def test_a_rejected_review_gives_the_voucher_back(shopper):
    shopper.fill_basket("64.50")
    assert shopper.client.post("/api/basket/add-voucher/", {"vouchercode": voucher("SAVE")}).status_code == 200
    case = under_review(shopper)
    assert Voucher.objects.get().num_orders == 1
    tell(case.reject())
    assert Voucher.objects.get().num_orders == 0
    assert case.order.discounts.count() == 0


def test_after_a_rejected_review_the_shopper_can_pay_the_same_order_with_another_card(shopper, mailoutbox):
    case = under_review(shopper)
    tell(case.reject())
    come_back(shopper)
    again = shopper.check_out()
    assert again.pk == case.order_id
    shopper.pay()
    assert case.status == "Authorized"
    assert sum(source.amount_allocated for source in again.sources.all()) == again.total_incl_tax
    assert len(mailoutbox) == 1


def test_a_review_rejected_after_other_money_paid_the_order_leaves_it_paid(shopper, mailoutbox):
    case = under_review(shopper)
    attempt = shopper.attempt()
    post_reply(shopper.reply(attempt))  # a second charge, which CyberSource accepted at once
    assert case.status == "Authorized"
    assert tell(case.reject()) == 200
    assert case.status == "Authorized"
    assert case.transaction.status == "REJECT"
    assert case.source.amount_allocated == 0
    assert len(mailoutbox) == 1
    assert any("keeps its status 'Authorized'" in note for note in case.notes)


@pytest.mark.parametrize("status", ["Canceled", "Shipped"])
def test_a_rejection_never_reopens_an_order_that_was_cancelled_or_shipped(shopper, settings, status):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = status == "Canceled"
    case = under_review(shopper)
    order = case.order
    order.set_status(status)
    basket = order.basket.status
    assert tell(case.reject()) == 200
    assert case.status == status
    assert case.order.basket.status == basket
    assert case.source.amount_allocated == 0
    assert any(f"keeps its status '{status}'" in note for note in case.notes)


def test_an_acceptance_of_an_order_that_was_cancelled_meanwhile_is_put_before_staff(shopper, mailoutbox):
    case = under_review(shopper)
    case.order.set_status("Canceled")
    assert tell(case.accept()) == 200
    assert case.status == "Canceled"
    assert case.transaction.status == "ACCEPT"
    assert case.attempt.attention == Attention.CLOSED_ORDER
    assert mailoutbox == []
    assert any("cancelled meanwhile" in note and "Release" in note for note in case.notes)


def test_an_order_that_staff_released_by_hand_is_declined_by_a_later_rejection(shopper):
    case = under_review(shopper)
    case.order.set_status("Authorized")
    tell(case.reject())
    assert case.status == "Payment Declined"


def test_an_order_that_staff_released_by_hand_stays_as_it_is_when_the_review_is_accepted(shopper, mailoutbox):
    case = under_review(shopper)
    case.order.set_status("Authorized")
    assert tell(case.accept()) == 200
    assert case.status == "Authorized"
    assert case.told == ["recorded"]


# -- through the pipeline where it allows, forced where it does not --------------------------------------------------


def test_a_status_the_pipeline_allows_is_taken_without_remark(shopper):
    case = under_review(shopper)
    tell(case.reject())
    assert not any("order pipeline" in note for note in case.notes)
    assert case.order.status_changes.count() == 1


def test_a_status_the_pipeline_lacks_is_forced_and_noted(shopper, monkeypatch):
    monkeypatch.setattr(Order, "pipeline", {"Pending": ("Canceled",), "Authorized": (), "Payment Declined": ()})
    case = under_review(shopper)
    tell(case.accept())
    assert case.status == "Authorized"
    assert any("'Pending' to 'Authorized'" in note for note in case.notes)


def test_a_rejection_is_forced_on_an_order_that_staff_put_into_a_status_of_the_shops_own(shopper, monkeypatch):
    monkeypatch.setattr(Order, "pipeline", {"Pending": ("Packing",), "Packing": ("Shipped",), "Shipped": ()})
    case = under_review(shopper)
    case.order.set_status("Packing")
    tell(case.reject())
    assert case.status == "Payment Declined"
    assert any("'Packing' to 'Payment Declined'" in note for note in case.notes)


def test_a_rejection_leaves_an_order_at_the_end_of_the_shops_own_pipeline(shopper, monkeypatch):
    monkeypatch.setattr(Order, "pipeline", {"Pending": ("Returned",), "Returned": ()})
    case = under_review(shopper)
    case.order.set_status("Returned")
    tell(case.reject())
    assert case.status == "Returned"
    assert case.source.amount_allocated == 0


# -- notes -----------------------------------------------------------------------------------------------------------


def test_ownership_and_notes_are_written_once_and_change_nothing(shopper, mailoutbox):
    case = under_review(shopper)
    assert tell(case.take_ownership()) == 200
    assert tell(case.add_note("Waiting for call back")) == 200
    assert tell(case.add_note("Waiting for call back")) == 200  # the same words a moment later, perhaps a second
    assert case.status == "Pending"
    assert case.transaction.status == "REVIEW"
    texts = [note.partition("): ")[2] for note in case.reviewers_notes]
    assert texts[:2] == ["Took ownership.", "Waiting for call back"]
    assert len(set(case.reviewers_notes)) == len(case.reviewers_notes)
    assert case.told == ["noted"] * 3
    assert mailoutbox == []


def test_notes_are_told_oldest_first_however_the_message_sorts_them(shopper):
    case = under_review(shopper)
    now = shopper.gateway.now().replace(microsecond=0)
    written = tuple(
        Note(at=now.replace(second=second), added_by="omar", comment=str(second)) for second in (30, 20, 10)
    )
    tell(case.update(notes=written))
    assert [note.rpartition(" ")[2] for note in case.reviewers_notes] == ["10", "20", "30"]


def test_notes_are_in_the_shops_language_whoever_delivers_them(shopper, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    case = under_review(shopper)
    body = case.add_note("Waiting for call back")
    for language in ("de", "fr", "en"):
        Client(headers={"accept-language": language}).post(
            "/api/cybersource/decision-manager-review-notification/?key=sandbox-review-key",
            body,
            content_type="application/x-www-form-urlencoded",
        )
    assert len(case.reviewers_notes) == 1


def test_a_card_number_that_a_reviewer_types_is_masked_wherever_it_is_kept(shopper):
    case = under_review(shopper)
    number = "4111 1111 1111 1111"
    body = case.accept(comments=f"He read {number} to me", notes=[f"card {number}"], reviewer=f"l {number}")
    assert tell(body) == 200
    assert tell(body) == 200
    notification = ReviewNotification.objects.first()
    kept = [*case.notes, notification.content, *(f"{row.payload} {row.reviewer}" for row in notification.updates.all())]
    assert not any("1111 1111 1111" in text for text in kept)
    assert any("xxxx xxxx xxxx 1111" in text for text in case.notes)
    assert case.request_id in notification.content
    assert len(case.reviewers_notes) == 1


# -- what is announced -----------------------------------------------------------------------------------------------


def test_a_recorded_review_is_announced_once_with_its_order_transaction_and_update(shopper, told):
    case = under_review(shopper)
    body = case.accept(comments="Fine")
    tell(case.take_ownership())
    assert told == []
    tell(body)
    tell(body)
    ((sender, said),) = told
    assert sender is Transaction
    assert set(said) == {"signal", "order", "transaction", "update"}
    assert said["order"].pk == case.order_id
    assert said["transaction"] == case.transaction
    assert said["transaction"].status == "ACCEPT"
    assert said["update"].new_decision is ReviewDecision.ACCEPT
    assert said["update"].comments == "Fine"


def test_a_receiver_sees_what_was_committed_and_no_transaction_is_open(shopper):
    seen = []

    def look(sender, order, transaction, **said):
        seen.append((connection.in_atomic_block, Order.objects.get(pk=order.pk).status))

    case = under_review(shopper)
    signals.review_recorded.connect(look)
    try:
        tell(case.accept())
    finally:
        signals.review_recorded.disconnect(look)
    assert seen == [(False, "Authorized")]


def test_a_receiver_that_raises_harms_neither_the_review_nor_the_other_receivers(shopper, mailoutbox, told):
    def break_down(sender, **said):
        raise RuntimeError("out of paper")

    case = under_review(shopper)
    signals.review_recorded.connect(break_down, weak=False)
    try:
        assert tell(case.accept()) == 200
    finally:
        signals.review_recorded.disconnect(break_down)
    assert case.status == "Authorized"
    assert case.told == ["recorded"]
    assert len(told) == 1
    assert len(mailoutbox) == 1


def test_the_signals_name_of_earlier_releases_still_works(shopper):
    heard = []

    def listen(sender, **said):
        heard.append(said["update"].new_decision)

    case = under_review(shopper)
    signals.received_decision_manager_update.connect(listen)
    try:
        tell(case.reject())
    finally:
        signals.received_decision_manager_update.disconnect(listen)
    assert heard == ["REJECT"]


# -- what CyberSource did with the money -----------------------------------------------------------------------------


def test_a_settlement_with_the_acceptance_is_recorded_as_a_capture_once(shopper):
    shopper.fill_basket("10.00", "5.00", quantity=2)
    case = under_review(shopper)
    body = case.accept(settle=True)
    assert [tell(body) for _time in range(3)] == [200, 200, 200]
    total = case.order.total_incl_tax
    assert transactions(case.order) == [("Authorise", total, "ACCEPT"), ("Debit", total, "ACCEPT")]
    followon = FollowonResult.objects.get()
    debit = Transaction.objects.get(txn_type="Debit")
    assert debit.reference == followon.request_id
    assert debit.reference != case.request_id
    assert debit.token == case.transaction.token
    assert case.source.amount_debited == total
    assert case.source.amount_allocated == total
    event = case.order.payment_events.get(event_type__name="Debit")
    assert (event.amount, event.reference) == (total, debit.reference)
    assert sorted(event.line_quantities.values_list("quantity", flat=True)) == [2, 2]
    assert sum("do not capture it again" in note for note in case.notes) == 1
    assert case.status == "Authorized"


def test_a_settlement_that_is_told_after_the_acceptance_is_recorded_all_the_same(shopper, mailoutbox):
    case = under_review(shopper)
    tell(case.update(new_decision="ACCEPT"))
    assert case.source.amount_debited == 0
    tell(case.update(new_decision="ACCEPT", followon=settlement()))
    assert case.source.amount_debited == case.order.total_incl_tax
    assert case.told == ["recorded", "repeated"]
    assert len(mailoutbox) == 1


def test_a_second_settlement_of_one_payment_is_noted_and_takes_no_more_than_was_held(shopper):
    case = under_review(shopper)
    assert tell(case.accept(settle=True)) == 200
    assert tell(case.update(new_decision="ACCEPT", followon=settlement())) == 200
    assert [kind for kind, _amount, _status in transactions(case.order)] == ["Authorise", "Debit"]
    assert case.source.amount_debited == case.source.amount_allocated == case.order.total_incl_tax
    assert sum("captured twice" in note for note in case.notes) == 1


def test_a_settlement_that_failed_is_noted_and_captures_nothing(shopper):
    case = under_review(shopper)
    tell(case.update(new_decision="ACCEPT", followon=settlement(status="Failed", reason_code="242")))
    assert case.source.amount_debited == 0
    assert case.status == "Authorized"
    assert any("Credit Card Settlement, Failed" in note for note in case.notes)


def test_a_reversal_with_the_rejection_is_recorded_and_nobody_is_asked_for_another(shopper):
    case = under_review(shopper)
    reversal = settlement("7312349012346013604026", application="Credit Card Authorization Reversal")
    tell(case.update(new_decision="REJECT", followon=reversal))
    assert FollowonResult.objects.get().application == "Credit Card Authorization Reversal"
    assert [kind for kind, _amount, _status in transactions(case.order)] == ["Authorise"]
    assert case.source.amount_debited == 0
    assert case.status == "Payment Declined"
    assert any("Credit Card Authorization Reversal, Success (7312349012346013604026)" in note for note in case.notes)
    assert not any("Release the authorization" in note for note in case.notes)


def test_a_settlement_against_our_decision_is_noted_and_captures_nothing(shopper):
    case = under_review(shopper)
    tell(case.update(new_decision="REJECT"))
    tell(case.update(new_decision="ACCEPT", followon=settlement()))
    assert case.told == ["recorded", "conflicting"]
    assert case.source.amount_debited == 0
    assert case.status == "Payment Declined"
    assert any("Credit Card Settlement, Success" in note for note in case.notes)


def test_a_settlement_that_the_shop_recorded_itself_is_not_recorded_twice(shopper):
    case = under_review(shopper)
    Transaction.objects.create(
        source=case.source, txn_type="Debit", amount=case.order.total_incl_tax, reference="7312349012346013604025"
    )
    tell(case.update(new_decision="ACCEPT", followon=settlement()))
    assert Transaction.objects.filter(txn_type="Debit").count() == 1


def test_a_settlement_without_an_exact_decision_captures_nothing(shopper):
    case = under_review(shopper)
    tell(case.update(new_decision="accept ", followon=settlement()))
    assert case.source.amount_debited == 0
    assert case.transaction.status == "REVIEW"


# -- what else may have become of the rows -----------------------------------------------------------------------------


def test_a_review_is_recorded_also_when_the_log_was_pruned_meanwhile(shopper, mailoutbox):
    case = under_review(shopper)
    CyberSourceReply.objects.all().delete()
    assert tell(case.accept()) == 200
    assert case.status == "Authorized"
    assert case.attempt.state == AttemptState.AUTHORIZED
    assert len(mailoutbox) == 1


@pytest.mark.parametrize(("decision", "status"), [("ACCEPT", "Authorized"), ("REJECT", "Payment Declined")])
def test_a_review_is_recorded_also_when_no_attempt_is_known_of_it(shopper, decision, status):
    case = under_review(shopper)
    PaymentAttempt.objects.all().delete()
    CyberSourceReply.objects.all().delete()
    assert tell(case.update(new_decision=decision)) == 200
    assert case.status == status


def test_a_rejection_of_an_order_that_was_declined_meanwhile_adds_nothing_but_the_decision(shopper):
    case = under_review(shopper)
    case.order.set_status("Payment Declined")
    changes = case.order.status_changes.count()
    assert tell(case.reject()) == 200
    assert case.source.amount_allocated == 0
    assert case.order.status_changes.count() == changes


# -- sales, parts, several payments ----------------------------------------------------------------------------------


def test_a_sale_under_review_is_not_captured_until_cybersource_says_so(shopper, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    case = under_review(shopper)
    assert case.source.amount_debited == 0
    tell(case.accept())
    assert case.status == "Authorized"
    assert case.source.amount_debited == 0
    assert any("Capture it unless CyberSource has" in note for note in case.notes)


def test_a_sale_that_the_reviewer_settles_is_captured(shopper, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    case = under_review(shopper)
    tell(case.accept(settle=True))
    assert case.source.amount_debited == case.order.total_incl_tax
    assert not any("Capture it unless" in note for note in case.notes)


def test_accepting_a_part_of_the_amount_never_pays_the_order(committed_db, mailoutbox):
    shopper = Shopper()
    order = under_review_as("200001", "7312345812346012504099", shopper=shopper, auth_amount="20.00")
    assert tell(_decision("200001", "7312345812346012504099", "ACCEPT")) == 200
    order.refresh_from_db()
    attempt = shopper.attempt()
    assert order.status == "Payment Declined"
    assert (attempt.state, attempt.attention) == (AttemptState.PARTIAL, Attention.PARTIAL)
    assert order.sources.get().amount_allocated == 20
    assert mailoutbox == []
    assert any("Only 20.00 of" in note for note in order.notes.values_list("message", flat=True))


def test_accepting_a_part_for_an_order_that_was_cancelled_leaves_it_cancelled(committed_db):
    order = under_review_as("200001", "7312345812346012504099", auth_amount="20.00")
    order.set_status("Canceled")
    assert tell(_decision("200001", "7312345812346012504099", "ACCEPT")) == 200
    order.refresh_from_db()
    assert order.status == "Canceled"


def test_a_part_that_was_accepted_does_not_count_towards_the_next_payment(committed_db):
    shopper = Shopper()
    order = under_review_as("200001", "7312345812346012504099", shopper=shopper, auth_amount="20.00")
    tell(_decision("200001", "7312345812346012504099", "ACCEPT"))
    Order.objects.filter(pk=order.pk).update(number=str(100000 + order.basket_id))
    come_back(shopper)
    again = shopper.check_out()
    assert again.pk == order.pk
    assert shopper.attempt().amount == again.total_incl_tax
    shopper.deliver(shopper.submit())
    assert Order.objects.get(pk=order.pk).status == "Authorized"


def two_cards(**second):
    return {
        "first": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "20.00"},
        "second": {"method_type": "cybersource", "enabled": True, "pay_balance": True, **second},
    }


@pytest.mark.parametrize("accepted_first", ["first", "second"])
def test_an_order_on_two_cards_is_paid_when_both_reviews_are_accepted(shopper, mailoutbox, accepted_first):
    order = shopper.check_out("64.50", payment=two_cards())
    cases = {key: reviewed(shopper, order, key) for key in ("first", "second")}
    tell(cases.pop(accepted_first).accept())
    order.refresh_from_db()
    assert order.status == "Pending"
    assert mailoutbox == []
    (last,) = cases.values()
    tell(last.accept())
    assert last.status == "Authorized"
    assert len(mailoutbox) == 1


def test_an_order_on_two_cards_waits_for_the_one_under_review(shopper, mailoutbox):
    order = shopper.check_out("64.50", payment=two_cards())
    shopper.deliver(shopper.submit(key="first"))
    case = reviewed(shopper, order, "second")
    assert case.status == "Pending"
    tell(case.accept())
    assert case.status == "Authorized"
    assert len(mailoutbox) == 1


def test_rejecting_one_of_two_cards_declines_the_order_and_keeps_the_other_cards_money(shopper):
    order = shopper.check_out("64.50", payment=two_cards())
    shopper.deliver(shopper.submit(key="first"))
    case = reviewed(shopper, order, "second")
    tell(case.reject())
    assert case.status == "Payment Declined"
    assert sorted(source.amount_allocated for source in order.sources.all()) == [0, 20]
    come_back(shopper)
    again = shopper.check_out(payment=two_cards())
    assert again.pk == order.pk
    assert shopper.state("first")["status"] == "Complete"  # recycled, not charged again
    shopper.pay(key="second")
    assert case.status == "Authorized"


def replaced_while_the_card_was_at_the_bank(shopper):
    """One of two cards is declined; the other one's answer is still out when the shopper changes the amounts."""
    order = shopper.check_out("64.50", payment=two_cards())
    late = shopper.submit(card(cards.REVIEW), key="first")
    shopper.deliver(shopper.submit(card(cards.DECLINED), key="second"))
    changed = two_cards()
    changed["first"]["amount"] = "30.00"
    assert shopper.check_out(payment=changed).pk == order.pk
    shopper.deliver(late)
    payment = shopper.gateway.cases[-1]
    return Case(shopper=shopper, payment_id=payment.id, order_id=order.pk)


def test_rejecting_a_review_of_an_attempt_that_was_replaced_leaves_the_order_to_the_newer_one(shopper, mailoutbox):
    case = replaced_while_the_card_was_at_the_bank(shopper)
    assert case.attempt.attention == Attention.REPLACED_CHARGE
    assert tell(case.reject()) == 200
    assert case.status == "Pending"
    assert case.attempt.state == AttemptState.DECLINED
    assert case.source.amount_allocated == 0
    for key in ("first", "second"):
        shopper.deliver(shopper.submit(key=key))
    assert case.status == "Authorized"
    assert len(mailoutbox) == 1


def test_accepting_a_review_of_an_attempt_that_was_replaced_keeps_it_before_staff(shopper, mailoutbox):
    case = replaced_while_the_card_was_at_the_bank(shopper)
    assert tell(case.accept()) == 200
    assert case.attempt.state == AttemptState.AUTHORIZED
    assert case.attempt.attention == Attention.REPLACED_CHARGE
    assert case.source.amount_allocated == 20
    assert case.status == "Pending"
    for key in ("first", "second"):
        shopper.deliver(shopper.submit(key=key))
    assert case.status == "Authorized"
    assert len(mailoutbox) == 1


def test_a_review_of_an_extra_charge_leaves_a_paid_order_paid_whatever_is_decided(shopper, mailoutbox):
    for decide in ("accept", "reject"):
        order = shopper.check_out("64.50")
        shopper.pay()
        reply = shopper.reply(decision="REVIEW", reason_code="480", transaction_id=f"73{len(decide):020d}")
        post_reply(reply)
        assert tell(_decision(order.number, f"73{len(decide):020d}", decide.upper())) == 200
        order.refresh_from_db()
        assert order.status == "Authorized"
    assert len(mailoutbox) == 2


def _decision(number, request_id, decision):
    return Update(reference_number=number, request_id=request_id, new_decision=decision, reviewer="omar")
