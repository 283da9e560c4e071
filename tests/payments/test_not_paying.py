"""A payment does not go through: declines, wrong data, cancelling, and not knowing."""

from __future__ import annotations

import pytest
from oscar.core.loading import get_model

from cybersource.models import AttemptState, CyberSourceReply, PaymentAttempt, RefusedPost
from cybersource.simulator import cards
from tests.support.shop import MERCHANT_POST, card, customer, post_reply, voucher

pytestmark = pytest.mark.usefixtures("one_step")

Basket = get_model("basket", "Basket")
Transaction = get_model("payment", "Transaction")
Voucher = get_model("voucher", "Voucher")


def status(order):
    order.refresh_from_db()
    return order.status


@pytest.mark.quick
def test_a_declined_card_declines_the_order_and_gives_the_basket_back(shopper, mailoutbox):
    order = shopper.check_out()
    response = shopper.pay(cards.DECLINED)
    assert status(order) == "Payment Declined"
    order.basket.refresh_from_db()
    assert order.basket.status == "Open"
    assert order.sources.count() == 0
    assert shopper.state()["status"] == "Declined"
    assert response.headers["Location"] == "/checkout/"
    assert mailoutbox == []
    assert shopper.client.get("/api/basket/").json()["id"] == order.basket_id


def test_a_customer_who_looked_around_meanwhile_retries_the_same_order(shopper):
    user = customer()
    shopper.client.force_login(user)
    order = shopper.check_out("10.00")
    answer = shopper.submit(card(cards.DECLINED))
    shopper.fill_basket("3.00")
    shopper.deliver(answer)
    assert list(Basket.open.filter(owner=user)) == [order.basket]
    again = shopper.check_out()
    assert again.pk == order.pk
    assert again.lines.count() == 2
    shopper.pay()
    assert status(order) == "Authorized"


def test_the_shopper_is_told_in_the_shops_own_words(shopper, settings):
    settings.CYBERSOURCE_CARD_REJECT_ERROR = "Card refused for {order_number} {sorry}"
    order = shopper.check_out()
    response = shopper.pay(cards.DECLINED)
    assert shopper.told(response) == [f"Card refused for {order.number} {{sorry}}"]


def test_a_decline_at_the_token_step_declines_the_order(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out()
    shopper.pay(cards.STOLEN)
    assert status(order) == "Payment Declined"
    assert PaymentAttempt.objects.count() == 1


def test_a_decline_at_the_authorization_step_declines_the_order(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out()
    response = shopper.pay(cards.DECLINED)
    assert status(order) == "Payment Declined"
    assert list(PaymentAttempt.objects.order_by("pk").values_list("state", flat=True)) == ["tokenized", "declined"]
    assert response.headers["Location"] == "/checkout/"


@pytest.mark.quick
def test_after_a_decline_another_card_pays_the_same_order(shopper, mailoutbox):
    order = shopper.check_out("10.00")
    shopper.pay(cards.DECLINED)
    again = shopper.check_out()
    assert again.pk == order.pk
    shopper.pay()
    assert status(order) == "Authorized"
    assert Transaction.objects.count() == 1
    assert len(mailoutbox) == 1


def test_a_late_decline_of_the_first_card_does_not_undo_the_second(shopper, mailoutbox):
    order = shopper.check_out("10.00")
    declined = shopper.submit(card(cards.DECLINED))
    shopper.deliver(declined)
    shopper.check_out()
    shopper.pay()
    for _again in range(2):
        shopper.deliver(declined)
        post_reply(declined.merchant_posts[0].pairs, url=MERCHANT_POST)
    assert status(order) == "Authorized"
    assert len(mailoutbox) == 1


def test_a_decline_for_a_replaced_attempt_leaves_the_newer_one_alone(shopper):
    """Two tabs: the first tab's form is replaced by the second tab's checkout with another amount."""
    order = shopper.check_out("10.00")
    first = shopper.attempt()
    shopper.pay(cards.DECLINED)
    shopper.check_out()
    second = shopper.attempt()
    first.refresh_from_db()
    assert first.state == AttemptState.DECLINED
    PaymentAttempt.objects.filter(pk=first.pk).update(state=AttemptState.REPLACED)
    assert post_reply(shopper.reply(first, decision="DECLINE", reason_code="203")).status_code == 303
    assert status(order) == "Pending"
    second.refresh_from_db()
    assert second.state == AttemptState.OPEN
    assert CyberSourceReply.objects.first().result == CyberSourceReply.Result.SUPERSEDED


def test_declining_gives_the_voucher_back(shopper):
    code = voucher("SAVE")
    shopper.fill_basket("64.50")
    assert shopper.client.post("/api/basket/add-voucher/", {"vouchercode": code}).status_code == 200
    order = shopper.check_out()
    assert Voucher.objects.get().num_orders == 1
    assert order.discounts.count() == 1
    shopper.pay(cards.DECLINED)
    assert Voucher.objects.get().num_orders == 0
    assert order.discounts.count() == 0
    shopper.check_out()
    shopper.pay()
    assert status(order) == "Authorized"
    assert Voucher.objects.get().num_orders == 1


@pytest.mark.parametrize("code", [104, 150, 151, 152, 207, 236, 250])
@pytest.mark.parametrize("decision", ["ERROR", "DECLINE"])
def test_an_unknown_outcome_is_no_decline(shopper, code, decision, mailoutbox):
    order = shopper.check_out()
    response = post_reply(shopper.reply(decision=decision, reason_code=str(code), auth_amount=""))
    assert response.status_code == 303
    assert status(order) == "Pending"
    order.basket.refresh_from_db()
    assert order.basket.status == "Frozen"
    assert shopper.attempt().state == AttemptState.UNKNOWN
    assert shopper.state()["status"] == "Pending"
    assert shopper.state()["required_action"] is None
    page = shopper.client.get(shopper.client.get(response.headers["Location"]).headers["Location"])
    assert page.status_code == 200
    assert "pay again" in page.content.decode()
    assert order.notes.count() == 1


def test_a_word_that_is_no_decision_is_kept_as_unknown(shopper):
    order = shopper.check_out()
    assert post_reply(shopper.reply(decision="PERHAPS", reason_code="999")).status_code == 303
    assert status(order) == "Pending"
    assert shopper.attempt().state == AttemptState.UNKNOWN
    assert CyberSourceReply.objects.get().decision == "PERHAPS"


def test_an_unknown_outcome_that_turns_out_well_pays_the_order(shopper, mailoutbox):
    order = shopper.check_out()
    post_reply(shopper.reply(decision="ERROR", reason_code="150", auth_amount=""))
    post_reply(shopper.reply())
    assert status(order) == "Authorized"
    assert len(mailoutbox) == 1


def test_an_unknown_outcome_that_turns_out_badly_declines_the_order(shopper):
    order = shopper.check_out()
    post_reply(shopper.reply(decision="ERROR", reason_code="151", auth_amount=""))
    post_reply(shopper.reply(decision="DECLINE", reason_code="203", auth_amount=""))
    assert status(order) == "Payment Declined"


def test_a_repeated_form_answered_with_104_does_not_disturb_the_payment_it_repeats(shopper, mailoutbox):
    order = shopper.check_out()
    form = shopper.form()
    first = shopper.submit()
    second = shopper.gateway.submit("/silent/pay", [(k, card().get(k, v)) for k, v in form])
    assert dict(second.reply)["reason_code"] == "104"
    shopper.deliver(second)
    assert status(order) == "Pending"
    shopper.deliver(first)
    assert status(order) == "Authorized"
    shopper.deliver(second)
    assert status(order) == "Authorized"
    assert shopper.attempt().state == AttemptState.AUTHORIZED


def test_wrong_data_is_named_to_the_shopper_in_plain_words(shopper):
    order = shopper.check_out()
    answer = shopper.submit(card("4111111111111112", card_expiry_date="13-2031"))
    assert dict(answer.reply)["reason_code"] == "102"
    (message,) = shopper.told(shopper.deliver(answer))
    assert "card number" in message
    assert "expiry date" in message
    assert "card_number" not in message
    assert status(order) == "Payment Declined"
    assert shopper.attempt().state == AttemptState.FAILED


def test_a_missing_field_of_the_shops_own_making_is_no_riddle_for_the_shopper(shopper):
    shopper.check_out()
    response = post_reply(
        shopper.reply(
            decision="DECLINE", reason_code="101", required_fields="tax_id", transaction_id="", auth_amount=""
        )
    )
    (message,) = shopper.told(shopper.client.get(response.headers["Location"]))
    assert "tax_id" not in message


def test_a_cancelled_payment_goes_back_to_the_checkout(shopper):
    order = shopper.check_out()
    response = post_reply(shopper.reply(decision="CANCEL", reason_code="", transaction_id="", auth_amount=""))
    (message,) = shopper.told(shopper.client.get(response.headers["Location"]))
    assert "cancelled" in message
    assert status(order) == "Payment Declined"


def test_a_partial_approval_is_recorded_and_never_pays_the_order(shopper, mailoutbox):
    order = shopper.check_out("64.50")
    response = shopper.pay(cards.PARTIAL)
    assert status(order) == "Payment Declined"
    (source,) = order.sources.all()
    assert 0 < source.amount_allocated < order.total_incl_tax
    assert shopper.attempt().attention == "partial"
    assert "part of the amount" in shopper.told(response)[0]
    assert any("part" in note.message for note in order.notes.all())
    assert mailoutbox == []


def test_less_than_asked_counts_as_partial_whatever_the_code_says(shopper):
    order = shopper.check_out("64.50")
    post_reply(shopper.reply(auth_amount="1.00"))
    assert status(order) == "Payment Declined"
    assert shopper.attempt().state == AttemptState.PARTIAL


def test_a_partial_approval_does_not_help_the_next_card_to_cover_the_order(shopper):
    order = shopper.check_out("64.50")
    shopper.pay(cards.PARTIAL)
    shopper.check_out()
    assert dict(shopper.form())["amount"] == str(order.total_incl_tax)
    shopper.pay()
    assert status(order) == "Authorized"


def test_nothing_is_kept_of_a_shopper_who_only_looked_at_the_form(shopper):
    shopper.check_out()
    shopper.form()
    assert CyberSourceReply.objects.count() == RefusedPost.objects.count() == 0
