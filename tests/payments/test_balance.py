"""What counts towards an order: per payment and per order, in the order's currency, never what was given back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings
from oscarapicheckout import utils as checkout_utils
from oscarapicheckout import views as checkout_views
from oscarapicheckout.methods import Cash
from oscarapicheckout.serializers import OrderTokenField
from oscarapicheckout.signals import order_placed

from cybersource.api import checkout
from cybersource.models import AttentionItem, PaymentAttempt, PaymentOperation
from cybersource.operations import money_back, results, service
from cybersource.payments import balance as payment_balance
from cybersource.payments import calculator as payments_calculator
from cybersource.payments import orders
from cybersource.payments.balance import NotCounted
from cybersource.payments.errors import InvalidOperation
from cybersource.simulator import Update, cards
from tests.payments.test_after_a_retry import accept, gift_card
from tests.payments.test_expiry import fate, listed, run, wait
from tests.payments.test_unknown_outcomes import cancel
from tests.support.reviewing import tell
from tests.support.shop import DECLINE, ONE_CARD, Shopper, latest, two_cards

BasketLine = get_model("basket", "Line")
Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
StockRecord = get_model("partner", "StockRecord")
Transaction = get_model("payment", "Transaction")

D = Decimal
REVIEW = {"decision": "REVIEW", "reason_code": "480"}


def tx(digit):
    return {"transaction_id": str(digit) * 22}


def of(order, key):
    """The latest payment by a method, as its rows have it now."""
    attempt = latest(key)
    return next(one for one in payment_balance.balance(order).payments if one.attempt_id == attempt.pk)


def status(order):
    return Order.objects.get(pk=order.pk).status


def why_not(order):
    balance = payment_balance.balance(order)
    return [one.why_not(balance.currency) for one in balance.payments]


@pytest.fixture
def buyer(desk, one_step):
    return Shopper(gateway=desk.simulator.gateway)


def split(buyer, flow, settings):
    """Of two cards the first has paid its part, and the second was declined."""
    settings.CYBERSOURCE_FLOW = flow
    order = buyer.check_out("94.50", payment=two_cards("50.00"))
    buyer.pay(key="a")
    buyer.pay(cards.DECLINED, key="b")
    assert status(order) == "Payment Declined"
    return order


# -- money that was given back never pays a retry ----------------------------------------------------------------------


def refund_all(desk, payment):
    desk.do("refund", payment.captures[0].transaction)


def refund_a_part(desk, payment):
    desk.do("refund", payment.captures[0].transaction, amount=D("10.00"))


def refund_under_way(desk, payment):
    desk.rest.faults.next("no-answer", action="refunds")
    assert service.refund(payment.captures[0].transaction, user=desk.staff).state == "unknown"


def void_a_sale(desk, payment):
    desk.do("void", payment.captures[0].transaction)


def void_of_a_sale_under_way(desk, payment):
    desk.rest.faults.next("no-answer", action="voids")
    assert service.void(payment.captures[0].transaction, user=desk.staff).state == "unknown"


def give_back_all(desk, payment):
    money_back.cancel_or_refund(payment.authorization, user=desk.staff)


def reverse(desk, payment):
    desk.do("reverse", payment.authorization)


def reversal_under_way(desk, payment):
    desk.rest.faults.next("no-answer", action="reversals")
    assert service.reverse(payment.authorization, user=desk.staff).state == "unknown"


def capture_and_refund(desk, payment):
    capture = desk.do("capture", payment.authorization, amount=D("20.00"))
    desk.do("refund", capture.made)


WAYS_BACK = [
    ("sale", refund_all),
    ("sale", refund_a_part),
    ("sale", refund_under_way),
    ("sale", void_a_sale),
    ("sale", void_of_a_sale_under_way),
    ("sale", give_back_all),
    ("one-step", reverse),
    ("one-step", reversal_under_way),
    ("one-step", capture_and_refund),
]


@pytest.mark.parametrize(("flow", "goes_back"), WAYS_BACK, ids=[f"{f}-{g.__name__}" for f, g in WAYS_BACK])
def test_money_that_went_back_does_not_pay_a_retry_with_the_same_split(desk, buyer, settings, flow, goes_back):
    order = split(buyer, flow, settings)
    first = of(order, "a")
    goes_back(desk, first)
    buyer.check_out(payment=two_cards("50.00"))
    assert buyer.state("a")["required_action"], "the first card is not asked again"
    buyer.pay(key="b")
    assert status(order) == "Pending"
    assert orders.money_held(order) == D("49.50")
    buyer.pay(key="a")
    assert status(order) == "Authorized"
    assert orders.money_held(order) == order.total_incl_tax == D("99.50")
    left = next(one for one in payment_balance.balance(order).payments if one.source.pk == first.source.pk)
    is_listed = AttentionItem.objects.filter(transaction_id=first.source.reference, date_cleared=None).exists()
    assert is_listed == (goes_back not in (refund_all, give_back_all, reverse))
    assert bool(left.kept) == (is_listed and goes_back is not void_a_sale)  # whose hold is on the card and on no row


def test_a_first_card_that_kept_its_money_is_not_asked_again(desk, buyer, settings):
    order = split(buyer, "sale", settings)
    buyer.check_out(payment=two_cards("50.00"))
    assert (buyer.state("a")["status"], buyer.state("a")["required_action"]) == ("Complete", None)
    buyer.pay(key="b")
    assert status(order) == "Authorized"
    assert listed() == []


def test_a_refund_that_was_stopped_counts_again(desk, buyer, settings):
    order = split(buyer, "sale", settings)
    refund_all(desk, of(order, "a"))
    assert PaymentAttempt.objects.get(method_key="a").state == "reversed"
    desk.do("void", of(order, "a").refunds[0])
    assert orders.money_held(order) == D("50.00")
    assert PaymentAttempt.objects.get(method_key="a").state == "authorized"


def test_an_order_whose_only_money_is_refunded_while_it_waits_is_declined(desk, buyer, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    order = buyer.check_out("94.50", payment=two_cards("50.00"))
    buyer.pay(key="a")
    PaymentAttempt.objects.filter(method_key="b").update(state="failed")
    assert status(order) == "Pending"
    refund_all(desk, of(order, "a"))
    assert status(order) == "Payment Declined"


# -- the order's own currency ------------------------------------------------------------------------------------------


def switch_currency(to):
    StockRecord.objects.update(price_currency=to)
    BasketLine.objects.update(price_currency=to)


@pytest.mark.quick
def test_yen_do_not_pay_dollars(desk, buyer):
    buyer.fill_basket("4800.00")
    switch_currency("JPY")
    order = buyer.check_out(payment=two_cards("4000.00"))
    assert (order.currency, order.total_incl_tax) == ("JPY", D("4805.00"))
    buyer.pay(key="a")
    buyer.pay(cards.DECLINED, key="b")
    yen = of(order, "a").source.reference
    switch_currency("USD")
    buyer.check_out(payment=two_cards("4000.00"))
    order.refresh_from_db()
    assert order.currency == "USD"
    assert listed(transaction_id=yen) == ["kept-authorization"]
    assert buyer.state("a")["required_action"]
    buyer.pay(key="b")
    assert (status(order), orders.money_held(order)) == ("Pending", D("805.00"))
    buyer.pay(key="a")
    assert (status(order), orders.money_held(order)) == ("Authorized", D("4805.00"))
    assert why_not(order)[0] == NotCounted.OTHER_CURRENCY


def test_a_charge_that_comes_in_another_currency_than_the_order_has_by_now_pays_nothing_and_is_flagged(
    shopper, one_step, unexpected
):
    order = shopper.check_out("64.50")
    Order.objects.filter(pk=order.pk).update(currency="EUR")
    accept(shopper, "cybersource", **tx(1))
    assert (status(order), unexpected) == ("Pending", ["kept-authorization"])
    assert orders.money_held(order) == 0


# -- a way of paying that the new checkout does not name ---------------------------------------------------------------


@pytest.fixture
def cash(monkeypatch):
    enabled = {"method": "oscarapicheckout.methods.Cash", "permission": "oscarapicheckout.permissions.Public"}
    methods = [*checkout_settings.API_ENABLED_PAYMENT_METHODS, enabled]
    monkeypatch.setattr(checkout_settings, "API_ENABLED_PAYMENT_METHODS", methods)


CARD_AND_CASH = {
    "cash": {"enabled": True, "pay_balance": False, "amount": "60.00"},
    "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
}
OTHER_WAYS = {
    "another key": ONE_CARD,
    "another split": two_cards("60.00"),
    "a card and cash": CARD_AND_CASH,
    "cash alone": {"cash": {"enabled": True, "pay_balance": True}},
    "the first not enabled": {**ONE_CARD, "a": {"method_type": "cybersource", "enabled": False}},
}


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_what_the_new_checkout_does_not_name_is_set_aside_and_the_order_is_paid_without_it(
    desk, buyer, settings, cash, way
):
    order = split(buyer, "one-step", settings)
    old = of(order, "a").source.reference
    buyer.check_out(payment=OTHER_WAYS[way])
    assert listed(transaction_id=old) == ["kept-authorization"]
    for key in OTHER_WAYS[way]:
        if key != "cash" and OTHER_WAYS[way][key]["enabled"]:
            assert status(order) == "Pending"
            buyer.pay(key=key)
    assert (status(order), orders.money_held(order)) == ("Authorized", D("99.50"))
    assert listed() == ["kept-authorization"]
    desk.do("reverse", Transaction.objects.get(reference=old, txn_type="Authorise"))
    assert (status(order), orders.money_held(order), listed()) == ("Authorized", D("99.50"), [])


def test_another_browser_that_pays_with_the_same_split_takes_the_first_card_as_paid(desk, buyer, settings):
    order = buyer.check_out("94.50", payment=two_cards("50.00"))
    buyer.pay(key="a")
    from tests.payments.test_unknown_outcomes import pay_again

    other = pay_again(buyer, order, two_cards("50.00"))
    assert other.state("a")["status"] == "Complete"
    other.pay(key="b")
    assert (status(order), orders.money_held(order), listed()) == ("Authorized", D("99.50"), [])


@pytest.mark.parametrize("gift", ["50.00", "20.00"])
def test_what_is_in_excess_is_told_from_the_sums_and_not_from_the_last_event(desk, buyer, gift):
    """A gift card of 50.00 makes either card superfluous, and one of 20.00 neither."""
    order = buyer.check_out("94.50", payment=two_cards("50.00"))
    buyer.pay(key="b")
    gift_card(order, gift)
    buyer.pay(key="a")
    assert status(order) == "Authorized"
    flagged = AttentionItem.objects.get(kind="excess-charge")
    balance = payment_balance.balance(order)
    surplus = balance.covered(order) - order.total_incl_tax
    assert surplus == D(gift)
    superfluous = {one.source.reference: one for one in balance.payments}[flagged.transaction_id]
    assert (flagged.attempt, superfluous.kept) == (latest("a"), D("50.00"))
    desk.do("reverse", superfluous.authorization)
    assert (orders.money_held(order) >= order.total_incl_tax) == (gift == "50.00")
    assert ("unpaid-rest" in listed()) == (gift == "20.00")


def test_a_payment_that_an_order_paid_by_others_does_not_need_is_found_and_listed(desk, buyer, settings):
    order = buyer.check_out("94.50", payment=two_cards("50.00"))
    buyer.pay(key="a")
    gift_card(order, "99.50")
    Order.objects.get(pk=order.pk).set_status("Authorized")  # by the gift card's own app
    for _again in range(2):
        run()
        assert listed() == ["excess-charge"]
    assert AttentionItem.objects.get().transaction_id == of(order, "a").source.reference


# -- other methods, and the shop's own calculator ----------------------------------------------------------------------


def with_gift_cards(order):
    return sum((source.amount_allocated for source in order.sources.all()), D(20))


@pytest.mark.parametrize("calculator", [with_gift_cards, f"{__name__}.with_gift_cards"])
def test_a_gift_card_that_only_the_shops_calculator_knows_pays_together_with_a_card(
    shopper, one_step, monkeypatch, calculator
):
    monkeypatch.setattr(checkout_settings, "ORDER_AUTHORIZED_AMOUNT_CALCULATOR", calculator)
    order = shopper.check_out("94.50", payment=two_cards("79.50"))
    accept(shopper, "a")
    assert orders.money_held(order) == order.total_incl_tax
    assert status(order) == "Authorized"


def test_the_shops_calculator_does_not_make_money_count_that_was_given_back(desk, buyer, settings, monkeypatch):
    monkeypatch.setattr(checkout_settings, "ORDER_AUTHORIZED_AMOUNT_CALCULATOR", with_gift_cards)
    order = split(buyer, "sale", settings)
    assert orders.money_held(order) == D("70.00")
    refund_all(desk, of(order, "a"))
    assert orders.money_held(order) == D("20.00")


def test_a_calculator_that_fails_stops_no_charge_from_being_recorded(shopper, one_step, monkeypatch):
    def broken(order):
        raise ZeroDivisionError

    order = shopper.check_out("64.50")
    monkeypatch.setattr(checkout_settings, "ORDER_AUTHORIZED_AMOUNT_CALCULATOR", broken)
    accept(shopper, "cybersource")
    assert status(order) == "Authorized"


@pytest.mark.parametrize(
    ("currency", "refunded", "counted"), [("USD", "0", "49.50"), ("EUR", "0", "0"), ("USD", "20.00", "29.50")]
)
def test_another_methods_money_counts_in_the_orders_currency_less_what_it_gave_back(
    shopper, one_step, currency, refunded, counted
):
    order = shopper.check_out("94.50", payment=two_cards("50.00"))
    source = gift_card(order, "49.50", currency)
    Source.objects.filter(pk=source.pk).update(amount_debited=D("49.50"), amount_refunded=D(refunded))
    assert orders.money_held(order) == D(counted)
    accept(shopper, "a")
    assert status(order) == ("Authorized" if D(counted) == D("49.50") else "Pending")


class SmallGiftCard(Cash):
    """Complete at once, with no more than what is left on it."""

    code = "gift"

    def _record_payment(self, request, order, method_key, amount, reference, **kwargs):
        return super()._record_payment(request, order, method_key, min(amount, D("49.50")), reference, **kwargs)


@pytest.fixture
def small_gift_card(monkeypatch):
    enabled = {"method": f"{__name__}.SmallGiftCard", "permission": "oscarapicheckout.permissions.Public"}
    methods = [*checkout_settings.API_ENABLED_PAYMENT_METHODS, enabled]
    monkeypatch.setattr(checkout_settings, "API_ENABLED_PAYMENT_METHODS", methods)


GIFT = {"gift": {"enabled": True, "pay_balance": True}}


def blind(order):
    return sum((source.amount_allocated for source in order.sources.all()), D(0))


def test_api_checkout_asks_what_counts():
    ask = getattr(checkout_utils, "_get_authorized_amount_calc", None)  # from 3.10 on
    assert ask is None or ask() is orders.money_held
    assert checkout_settings.ORDER_AUTHORIZED_AMOUNT_CALCULATOR == "cybersource.payments.orders.money_held"
    assert payments_calculator.own_calculator() is None


@pytest.mark.parametrize("calculator", ["api-checkout's", "the shop's"])
def test_a_hold_that_was_set_aside_does_not_make_up_for_what_a_gift_card_lacks(
    desk, buyer, settings, small_gift_card, monkeypatch, calculator
):
    if calculator == "the shop's":
        monkeypatch.setattr(checkout_settings, "ORDER_AUTHORIZED_AMOUNT_CALCULATOR", blind)
    order = split(buyer, "one-step", settings)
    buyer.check_out(payment=GIFT)
    assert (status(order), orders.money_held(order)) == ("Payment Declined", D("49.50"))
    assert listed() == ["kept-authorization"]
    buyer.check_out(
        payment={
            "gift": {"enabled": True, "pay_balance": False, "amount": "49.50"},
            "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
        }
    )
    buyer.pay(key="b")
    assert (status(order), orders.money_held(order), listed()) == ("Authorized", D("99.50"), ["kept-authorization"])


@pytest.mark.parametrize("mounted", ["ours", "plain"])
def test_refunded_money_does_not_authorize_an_order_that_another_method_completes(
    desk, buyer, settings, small_gift_card, monkeypatch, mounted
):
    if mounted == "plain":
        for view in (checkout.CheckoutView, checkout.CompleteDeferredPaymentView):
            monkeypatch.setattr(view, "_record_payments", checkout_views.CheckoutView._record_payments)
    order = split(buyer, "sale", settings)
    refund_all(desk, of(order, "a"))
    buyer.check_out(payment=GIFT)
    assert (status(order), orders.money_held(order)) == ("Payment Declined", D("49.50"))


def pay_later(buyer, order, payment):
    other = Shopper(gateway=buyer.gateway)
    body = {"order": OrderTokenField.get_order_token(order), "payment": payment}
    url = "/api/checkout/complete-deferred-payment/"
    assert other.client.post(url, body, content_type="application/json").status_code == 200
    return other


def test_a_deferred_payment_by_another_method_alone_sets_aside_what_it_does_not_name(desk, buyer, cash):
    order = buyer.check_out("94.50", payment=two_cards("50.00"))
    buyer.pay(key="a")
    pay_later(buyer, order, {"cash": {"enabled": True, "pay_balance": True}})
    assert (status(order), orders.money_held(order)) == ("Authorized", D("99.50"))
    assert listed() == ["kept-authorization"]
    assert latest("b").state == "replaced"


def test_a_checkout_that_meets_a_late_payment_sets_nothing_aside(desk, buyer, monkeypatch):
    order = buyer.check_out("64.50")
    late = buyer.submit()
    accept(buyer, "cybersource", **DECLINE, **tx(2))
    assert status(order) == "Payment Declined"

    def meanwhile(sender, **kwargs):
        buyer.deliver(late, follow=False)

    order_placed.connect(meanwhile)
    try:
        buyer.check_out(payment=two_cards("20.00"))
    finally:
        order_placed.disconnect(meanwhile)
    assert (status(order), orders.money_held(order)) == ("Authorized", D("69.50"))
    assert "kept-authorization" not in listed()


@pytest.mark.parametrize("said", [None, "nan", "inf", -5, True, "much"])
def test_what_is_no_amount_is_not_believed_of_a_calculator(shopper, one_step, monkeypatch, said):
    monkeypatch.setattr(checkout_settings, "ORDER_AUTHORIZED_AMOUNT_CALCULATOR", lambda order: said)
    order = shopper.check_out("64.50")
    assert orders.money_held(order) == 0
    accept(shopper, "cybersource")
    assert (status(order), orders.money_held(order)) == ("Authorized", D("69.50"))


def test_a_calculator_may_count_in_floats(shopper, one_step, monkeypatch):
    monkeypatch.setattr(
        checkout_settings, "ORDER_AUTHORIZED_AMOUNT_CALCULATOR", lambda order: float(blind(order)) + 19.99
    )
    order = shopper.check_out("94.50", payment=two_cards("79.51"))
    accept(shopper, "a")
    assert (status(order), orders.money_held(order)) == ("Authorized", D("99.50"))


# -- a Transaction whose status holds no money -------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["DECLINE", "ERROR", "FAILED", "CANCEL", "declined", "AUTHORIZED_RISK_DECLINED"])
def test_an_authorization_that_was_declined_holds_nothing_whoever_wrote_it(desk, buyer, said):
    order = buyer.check_out("64.50")
    kind = SourceType.objects.get_or_create(name="Cybersource Secure Acceptance")[0]
    source = Source.objects.create(
        order=order, source_type=kind, currency="USD", amount_allocated=D("69.50"), reference="7" * 22
    )
    written = Transaction.objects.create(
        source=source, txn_type="Authorise", amount=D("69.50"), reference="7" * 22, status=said
    )
    (payment,) = payment_balance.of_order(order)
    assert (payment.authorized, payment.kept, payment.standing(written)) == (
        0,
        0,
        payment_balance.TransactionStatus.FAILED,
    )
    assert why_not(order) == [NotCounted.FAILED]
    assert orders.money_held(order) == 0
    for operation in ("capture", "reverse", "refund", "void"):
        with pytest.raises(InvalidOperation):
            getattr(service, operation)(written, user=desk.staff)
    run()
    assert listed() == []


# -- leftovers ---------------------------------------------------------------------------------------------------------


def test_a_void_of_a_sale_leaves_no_hold_in_the_books_and_its_hold_can_still_be_reversed(desk, buyer, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    order = desk.order()
    desk.do("void", desk.debit(order))
    payment = desk.payment(order)
    assert (payment.voided, payment.kept, payment.held, payment.left_to_capture) == (D("69.50"), 0, 0, 0)
    assert orders.money_held(order) == 0
    with pytest.raises(InvalidOperation):
        service.capture(payment.authorization, user=desk.staff)
    assert listed(transaction_id=payment.source.reference) == ["given-back-in-part"]
    assert AttentionItem.objects.get().amount == D("69.50")
    desk.do("reverse", payment.authorization)
    assert listed() == []
    source = Source.objects.get(order=order)
    assert (source.amount_allocated, source.amount_debited, source.amount_refunded) == (0, 0, 0)
    assert desk.payment(order).standing(desk.authorization(order)) == payment_balance.TransactionStatus.REVERSED


@pytest.mark.parametrize("ending", ["done", "refused"])
def test_a_reviewers_accept_beside_a_reversal_under_way_leaves_no_order_paid_with_nothing(desk, buyer, ending):
    order = buyer.check_out("64.50")
    buyer.pay(cards.REVIEW)
    case = desk.simulator.payments[-1]
    desk.rest.faults.next("no-answer" if ending == "done" else "throttled", action="reversals")
    hold = desk.authorization(order)
    reversal = PaymentOperation.objects.create(
        order=order,
        kind="reverse",
        state="sent",
        source=hold.source,
        transaction=hold,
        payment_id=hold.reference,
        amount=hold.amount,
        currency="USD",
        reference_number=f"{order.number}-X1",
    )
    update = desk.simulator.gateway.decide(case.id, "ACCEPT", reviewer="lena.review")
    assert (
        tell(
            Update(reference_number=order.number, request_id=hold.reference, new_decision="ACCEPT"),
            gateway=desk.simulator.gateway,
        )
        == 200
    ), update
    assert (status(order), orders.money_held(order)) == ("Pending", 0)
    state = service.State.DONE if ending == "done" else service.State.REFUSED
    results.conclude(reversal.pk, results.OperationResult(state=state))
    assert status(order) == ("Payment Declined" if ending == "done" else "Authorized")


def test_lines_are_counted_over_all_cards_of_an_order(desk, buyer):
    buyer.fill_basket("10.00", quantity=2)
    order = buyer.check_out("64.50", payment=two_cards("50.00"))
    buyer.pay(key="a")
    buyer.pay(key="b")
    assert status(order) == "Authorized"
    line = order.lines.get(quantity=2)
    captured = desk.do("capture", of(order, "a").authorization, lines={line.pk: 2}, is_last=False).made
    with pytest.raises(InvalidOperation) as refused:
        service.capture(of(order, "b").authorization, lines={line.pk: 1}, user=desk.staff)
    assert [problem.code for problem in refused.value.problems] == ["line-quantity"]
    desk.do("refund", captured, lines={line.pk: 2})
    other = desk.do("capture", of(order, "b").authorization).made
    with pytest.raises(InvalidOperation):
        service.refund(other, lines={line.pk: 1}, user=desk.staff)


@pytest.mark.parametrize("kept", ["a part", "another split"])
def test_what_staff_kept_is_listed_again_when_the_order_is_cancelled(desk, buyer, settings, kept):
    if kept == "a part":
        order = buyer.check_out("64.50")
        buyer.pay(cards.PARTIAL)
        buyer.check_out()
        buyer.pay()
    else:
        order = split(buyer, "one-step", settings)
        buyer.check_out(payment=two_cards("60.00"))
    AttentionItem.objects.update(date_cleared="2026-01-01T00:00Z", cleared_by_name="boss")
    order.refresh_from_db()
    cancel(order)
    held = {one.source.reference for one in payment_balance.balance(order).payments if one.kept}
    assert len(held) == (2 if kept == "a part" else 1)
    assert set(AttentionItem.objects.filter(kind="closed-order").values_list("transaction_id", flat=True)) == held


def test_a_decline_and_then_a_part_charge_both_late_leave_no_order_waiting_for_nothing(shopper, one_step):
    order = shopper.check_out("64.50", payment=two_cards())
    assert shopper.states
    wait()
    run()
    assert listed() == ["no-answer", "no-answer"]
    accept(shopper, "b", **DECLINE, **tx(2))
    accept(shopper, "a", **tx(1))
    assert (fate(order)[0], listed(order=order)) == ("Pending", ["late-charge", "unpaid-rest"])


def test_a_part_approved_late_after_a_late_decline_gives_the_order_up(shopper, one_step):
    order = shopper.check_out("64.50", payment=two_cards())
    assert shopper.states
    wait()
    run()
    accept(shopper, "b", **DECLINE, **tx(2))
    accept(shopper, "a", reason_code="110", auth_amount="19.50", **tx(1))
    assert (fate(order)[0], listed(order=order)) == ("Payment Declined", ["partial"])
