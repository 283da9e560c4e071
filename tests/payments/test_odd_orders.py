"""Orders that are not as most are: without a currency of their own, or paid by three cards."""

from __future__ import annotations

from decimal import Decimal

import pytest
from oscar.core.loading import get_model

from cybersource.conf import conf
from cybersource.dashboard import order as order_tab
from cybersource.models import AttentionItem
from cybersource.payments import orders
from cybersource.payments.balance import of_order
from cybersource.simulator import cards
from tests.payments.test_expiry import run, wait
from tests.support.desk import Order, Source, Transaction
from tests.support.reviewing import reviewed, tell
from tests.support.shop import DECLINE, latest, post_reply, two_cards

BasketLine = get_model("basket", "Line")
SourceType = get_model("payment", "SourceType")
StockRecord = get_model("partner", "StockRecord")


def listed():
    return list(AttentionItem.objects.filter(date_cleared=None).order_by("pk").values_list("kind", flat=True))


def without_currency(order):
    """As of releases of Oscar that asked for none, or an import."""
    Order.objects.filter(pk=order.pk).update(currency="")


@pytest.mark.parametrize("flow", ["one-step", "sale", "two-step"])
def test_an_order_that_names_no_currency_is_paid_in_the_shops(shopper, settings, flow):
    settings.CYBERSOURCE_FLOW = flow
    order = shopper.check_out("64.50")
    without_currency(order)
    shopper.pay()
    order.refresh_from_db()
    assert (order.status, listed()) == ("Authorized", [])
    assert order_tab.for_order(order).money.currency == "USD"


def test_an_order_that_names_no_currency_is_paid_by_its_reviewers_yes(shopper, one_step):
    order = shopper.check_out("64.50")
    without_currency(order)
    case = reviewed(shopper, order)
    tell(case.accept())
    order.refresh_from_db()
    assert (order.status, listed()) == ("Authorized", [])


@pytest.mark.parametrize("currency", ["usd", " USD", "Usd\n"])
def test_a_currency_is_the_same_however_it_is_written(shopper, one_step, currency):
    order = shopper.check_out("64.50", payment=two_cards("50.00"))
    Order.objects.filter(pk=order.pk).update(currency=currency)
    gift_card = SourceType.objects.create(name="Gift card")
    Source.objects.create(order=order, source_type=gift_card, currency="usd ", amount_allocated=Decimal("19.50"))
    post_reply(shopper.reply(latest("a")))
    order.refresh_from_db()
    assert (order.status, listed()) == ("Authorized", [])
    assert order_tab.for_order(order).money.currency == "USD"


def test_a_shop_whose_prices_are_in_small_letters_takes_cards(shopper, one_step):
    shopper.fill_basket("64.50")
    StockRecord.objects.update(price_currency="usd")
    BasketLine.objects.update(price_currency="usd")
    order = shopper.check_out()
    shopper.pay()
    order.refresh_from_db()
    assert (order.status, order.currency, shopper.attempt().currency, listed()) == ("Authorized", "usd", "USD", [])


def test_all_that_other_code_allocated_in_one_source_counts(shopper, one_step):
    order = shopper.check_out("64.50", payment=two_cards("35.00"))
    ours, _made = SourceType.objects.get_or_create(name=conf.source_type)
    by_phone = Source.objects.create(order=order, source_type=ours, currency="USD")
    by_phone.allocate(Decimal("20.00"), reference="first")
    by_phone.allocate(Decimal("14.50"), reference="second")
    by_phone.refund(Decimal("4.50"))
    assert orders.money_held(order) == Decimal("30.00")
    (payment,) = of_order(order)
    assert payment.left_to_reverse == payment.left_to_capture == Decimal("20.00"), "an operation is about one of them"
    Source.objects.filter(pk=by_phone.pk).update(amount_refunded=0)
    Transaction.objects.filter(txn_type="Refund").delete()
    Transaction.objects.filter(reference="second").update(status="REVIEW")
    assert orders.money_held(order) == Decimal("20.00")


THREE = {
    "a": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "20.00"},
    "b": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "20.00"},
    "c": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
}


@pytest.mark.parametrize("answers", [(1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 0)])
@pytest.mark.parametrize("order_of_arrival", ["abc", "cba"])
def test_three_cards_pay_an_order_together_or_what_they_hold_is_listed(shopper, one_step, answers, order_of_arrival):
    order = shopper.check_out("64.50", payment=THREE)
    paid = dict(zip("abc", answers, strict=True))
    replies = {key: shopper.reply(latest(key), **({} if paid[key] else DECLINE)) for key in "abc"}
    for key in order_of_arrival:
        post_reply(replies[key])
    wait()
    run()
    order.refresh_from_db()
    held = sum(orders.balance(order).of(one) for one in orders.balance(order).payments)
    if all(answers):
        assert (order.status, held, listed()) == ("Authorized", order.total_incl_tax, [])
    else:
        assert order.status == "Payment Declined"
        holding = [one for one in orders.balance(order).payments if one.kept]
        charges = set(AttentionItem.objects.filter(date_cleared=None).values_list("transaction_id", flat=True))
        assert {one.source.reference for one in holding} <= charges


def test_a_charge_under_review_is_shown_in_its_own_currency(shopper, one_step):
    order = shopper.check_out("64.50")
    shopper.pay(cards.REVIEW)
    Order.objects.filter(pk=order.pk).update(currency="EUR")
    (review,) = order_tab.for_order(Order.objects.get(pk=order.pk)).reviews
    assert review.currency == "USD"
