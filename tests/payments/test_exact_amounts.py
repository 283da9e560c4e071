"""What the bank holds is kept, and moved, to the last decimal of its currency; Oscar's columns round it down."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cybersource.models import AttentionItem, ExactAmount, ExactSource, PaymentAttempt
from cybersource.operations import money_back, rules, search, service
from cybersource.payments import amounts, expiry
from cybersource.payments import balance as payment_balance
from cybersource.reconciliation import run
from cybersource.simulator import cards
from tests.support.desk import Order, Source, Transaction, notes, source_of
from tests.support.shop import Shopper

pytestmark = pytest.mark.real_checkout

D = Decimal


def order_in(desk, currency: str, total: str, card: str = cards.APPROVED):
    """An order of another currency, which a shopper paid in the browser."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("10.00")
    order.lines.update(line_price_incl_tax=total, line_price_excl_tax=total)
    sums = {"total_incl_tax": total, "total_excl_tax": total, "shipping_incl_tax": 0, "shipping_excl_tax": 0}
    Order.objects.filter(pk=order.pk).update(currency=currency, **sums)
    PaymentAttempt.objects.filter(order=order).update(currency=currency, amount=total)
    shopper.pay(card)
    return Order.objects.get(pk=order.pk)


def sent(desk, action: str) -> list[str]:
    """The amounts on the wire, as they were written."""
    return [call.amount for call in desk.calls(action)]


def in_columns(order) -> list[Decimal]:
    return list(Transaction.objects.filter(source__order=order).order_by("pk").values_list("amount", flat=True))


#: A currency, what an order costs in it, what is approved of half of it, and parts of that as the wire has them.
HALVES = [
    ("KWD", "69.75", "34.875", ("10.125", "24.750")),
    ("JPY", "6900", "3450", ("1000", "2450")),
    ("USD", "69.50", "34.75", ("10.25", "24.50")),
]


@pytest.mark.parametrize(("currency", "total", "half", "parts"), HALVES)
def test_what_was_approved_in_part_is_kept_and_moved_exactly(desk, settings, currency, total, half, parts):
    settings.CYBERSOURCE_SEVERAL_CAPTURES = True
    order = order_in(desk, currency, total, cards.PARTIAL)
    payment = desk.payment(order)
    assert payment.authorized == payment.held == payment.kept == payment.left_to_capture == D(half)
    assert in_columns(order) == [amounts.rounded(D(half))] and source_of(order)[0] == amounts.rounded(D(half))
    assert AttentionItem.objects.get().amount == D(half)
    first, second = parts
    desk.do("capture", payment.authorization, amount=D(first), is_last=False)
    desk.do("capture", desk.authorization(order))
    assert sent(desk, "captures") == [first, second]
    assert desk.payment(order).captured == D(half) and source_of(order)[1] == amounts.rounded(D(half))
    assert not desk.payment(order).left_to_capture
    desk.do("refund", desk.debit(order))
    desk.do("refund", desk.debit(order, 1))
    assert sent(desk, "refunds") == [first, second]
    assert not desk.payment(order).kept and source_of(order)[2] == amounts.rounded(D(half))
    assert search.payments().get(source__order=order).stands == desk.payment(order).stands == "refunded"
    assert run.reconcile(at=desk.rest.advance(hours=3)).is_complete
    assert not AttentionItem.objects.filter(kind="drift").exists()
    assert bool(ExactAmount.objects.count()) == bool(ExactSource.objects.count()) == (currency == "KWD")


@pytest.mark.parametrize(("currency", "total", "half", "parts"), HALVES)
def test_a_hold_is_reversed_exactly(desk, currency, total, half, parts):
    order = order_in(desk, currency, total, cards.PARTIAL)
    reversed_ = desk.do("reverse", desk.authorization(order))
    assert sent(desk, "reversals") == [half]
    assert reversed_.amount == D(half) and source_of(order) == (0, 0, 0)
    assert not desk.payment(order).kept and desk.authorization(order).status == "REVERSED"


@pytest.mark.parametrize(("currency", "total", "half", "parts"), HALVES)
def test_what_is_voided_is_there_again_exactly(desk, settings, currency, total, half, parts):
    settings.CYBERSOURCE_SEVERAL_CAPTURES = True
    order = order_in(desk, currency, total, cards.PARTIAL)
    desk.do("capture", desk.authorization(order), amount=D(parts[0]), is_last=False)
    voided = desk.do("void", desk.debit(order))
    assert voided.amount == D(parts[0]) and source_of(order)[:2] == (amounts.rounded(D(half)), 0)
    assert desk.payment(order).left_to_capture == D(half)
    ended = money_back.cancel_or_refund(desk.authorization(order), user=desk.staff)
    assert [one.state for one in ended] == ["done"]
    assert ended[0].amount == D(half) and not desk.payment(order).kept


def test_thousandths_add_up_and_nothing_of_them_is_given_back_twice(desk, settings):
    """Each part alone is nothing in Oscar's columns; together they are a fils more than these can say."""
    settings.CYBERSOURCE_SEVERAL_CAPTURES = True
    order = order_in(desk, "KWD", "69.75", cards.PARTIAL)
    hold = desk.authorization(order)
    for _part in range(3):
        desk.do("capture", hold, amount=D("0.004"), is_last=False)
    assert in_columns(order)[1:] == [D("0.00")] * 3 and source_of(order)[1] == D("0.01")
    assert desk.payment(order).captured == D("0.012") and desk.payment(order).left_to_capture == D("34.863")
    desk.do("refund", desk.debit(order))
    with pytest.raises(service.InvalidOperation) as refused:
        service.refund(desk.debit(order))
    assert refused.value.problems[0].code == "wrong-state"
    assert desk.payment(order).stands == search.payments().get(source__order=order).stands == "captured in part"
    (balance,) = payment_balance.balances([order.pk]).values()
    assert balance.payments[0].kept == desk.payment(order).kept == D("34.871")


def test_a_whole_payment_in_dinars_and_a_part_of_its_line(desk):
    order = order_in(desk, "KWD", "69.75")
    desk.do("capture", desk.authorization(order))
    desk.do("refund", desk.debit(order), amount=D("0.125"))
    assert (sent(desk, "captures"), sent(desk, "refunds")) == (["69.750"], ["0.125"])
    assert desk.payment(order).left_to_refund == D("69.625") and source_of(order)[2] == D("0.12")
    assert "0.125 KWD" in notes(order)
    with pytest.raises(service.InvalidOperation) as refused:
        service.refund(desk.debit(order), amount=D("0.1255"))
    assert refused.value.problems[0].code == "amount-too-precise"


def test_what_staff_changed_in_the_columns_by_hand_stays_changed(desk, settings):
    settings.CYBERSOURCE_SEVERAL_CAPTURES = True
    order = order_in(desk, "KWD", "69.75", cards.PARTIAL)
    Source.objects.filter(order=order).update(amount_allocated=D("30.87"))
    assert desk.payment(order).kept == D("30.875")
    desk.do("capture", desk.authorization(order), amount=D("10.125"), is_last=False)
    assert source_of(order) == (D("30.87"), D("10.12"), 0)


def test_an_attempt_keeps_every_decimal_of_its_currency(desk):
    """A shop whose columns hold three decimals asks for them."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    shopper.check_out("10.00")
    PaymentAttempt.objects.update(currency="KWD", amount=D("34.875"))
    assert (str(shopper.attempt().amount), shopper.attempt().currency) == ("34.875", "KWD")
    PaymentAttempt.objects.update(currency="USD", amount=D("34.8"))
    assert str(shopper.attempt().amount) == "34.80"


@pytest.mark.parametrize(("currency", "places"), [("KWD", 3), ("JPY", 0), ("USD", 2)])
def test_an_operations_amount_has_the_decimals_of_its_currency(currency, places):
    assert rules.decimals(currency) == places


@pytest.mark.parametrize("back", ["0.001", "34.865", "34.870", "34.874", "34.875"])
def test_a_rest_that_oscars_columns_cannot_hold_is_found_where_money_is_looked_for(desk, back):
    order = order_in(desk, "KWD", "69.75", cards.PARTIAL)
    desk.do("capture", desk.authorization(order))
    desk.do("refund", desk.debit(order), amount=D(back))
    kept = desk.payment(order).kept
    assert kept == D("34.875") - D(back)
    assert [one.order for one in payment_balance.with_money()] == ([order] if kept else [])
    AttentionItem.objects.all().delete()
    Order.objects.filter(pk=order.pk).update(status="Canceled")
    expiry.expire(at=desk.rest.now() + timedelta(hours=2))
    assert [one.amount for one in AttentionItem.objects.all()] == ([kept] if kept else [])
