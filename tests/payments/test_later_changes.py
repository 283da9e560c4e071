"""What was true at checkout may not be true later: every endpoint still answers, and money is recorded all the same."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.core.management import call_command
from django.test import Client
from oscar.core.loading import get_model

from cybersource.models import AttentionItem, CyberSourceReply, PaymentAttempt, PaymentOperation
from cybersource.operations import service
from cybersource.payments import balance, expiry
from cybersource.reconciliation import operations as unknown_operations
from cybersource.reconciliation import run
from cybersource.simulator import cards
from tests.support.calling import Caller
from tests.support.desk import Desk, events, notes, source_of, transactions
from tests.support.reviewing import tell
from tests.support.shop import MERCHANT_POST, Shopper, card, customer, post_reply, two_cards

Country = get_model("address", "Country")
Order = get_model("order", "Order")
ShippingAddress = get_model("order", "ShippingAddress")
BillingAddress = get_model("order", "BillingAddress")

pytestmark = pytest.mark.usefixtures("one_step")


# -- what changes ----------------------------------------------------------------------------------------------------


def account_removed(order):
    order.user.delete()


def account_inactive(order):
    type(order.user).objects.filter(pk=order.user_id).update(is_active=False)


def email_emptied(order):
    type(order.user).objects.filter(pk=order.user_id).update(email="")


def address_edited(order):
    for model in (ShippingAddress, BillingAddress):
        model.objects.update(state="Nowhere", postcode="XX", first_name="")


def address_deleted(order):
    ShippingAddress.objects.all().delete()
    BillingAddress.objects.all().delete()


def country_deleted(order):
    Country.objects.all().delete()


def lines_replaced(order):
    """As api-checkout's retry does."""
    for line in order.lines.all():
        pk = line.pk
        line.pk = None
        line.save()
        order.lines.filter(pk=pk).delete()


def lines_deleted(order):
    order.lines.all().delete()


def products_deleted(order):
    for line in order.lines.all():
        line.product.delete()


def currency_edited(order):
    Order.objects.filter(pk=order.pk).update(currency="JPY")


def basket_gone(order):
    order.basket.delete()


def number_changed(order):
    Order.objects.filter(pk=order.pk).update(number="BY-HAND-7")


def site_gone(order):
    Site.objects.all().delete()
    Site.objects.clear_cache()


CHANGES = [
    *(account_removed, account_inactive, email_emptied, address_edited, address_deleted, country_deleted),
    *(lines_replaced, lines_deleted, products_deleted, currency_edited, basket_gone, number_changed, site_gone),
]

#: After these CyberSource would refuse the form.
UNMAKEABLE = {account_removed, email_emptied, address_edited}

each_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)


@pytest.fixture
def sites():
    yield
    Site.objects.get_or_create(pk=1, defaults={"domain": "example.com", "name": "example.com"})
    Site.objects.clear_cache()


@pytest.fixture
def shop(desk: Desk, sites: None) -> Desk:
    return desk


def shopper_of(shop: Desk) -> Shopper:
    client = Client(REMOTE_ADDR="203.0.113.24")
    client.force_login(customer())
    return Shopper(client=client, gateway=shop.simulator.gateway)


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


# -- endpoints ---------------------------------------------------------------------------------------------------------


def pages_of(shop: Desk, shopper: Shopper, order: Any) -> dict[str, int]:
    """Every page and address that reads the order's payments, and its status."""
    order = fresh(order)
    handle = PaymentAttempt.objects.filter(order=order).latest("pk").transaction_uuid
    staff = Client(raise_request_exception=False)
    staff.force_login(shop.staff)
    caller = Caller(shop.staff)
    told = {
        "states": shopper.client.get("/api/checkout/payment-states/"),
        **{
            page: shopper.client.get(f"/api/cybersource/{page}/{handle}/")
            for page in ("return", "pending", "finish", "state")
        },
        "order page": staff.get(f"/dashboard/orders/{order.number}/"),
        **{name: staff.get(f"/api/cybersource/{name}/") for name in ("payments", "reviews", "operations", "attention")},
        "api payments": caller.get("payments/"),
        "api operations": caller.get("operations/"),
        "own": Caller().get("my/payments/", order=order.number, hash=order.verification_hash()),
    }
    for entry in CyberSourceReply.objects.filter(order=order):
        told[f"log {entry.pk}"] = staff.get(f"/api/cybersource/log/{entry.pk}/")
    for operation in PaymentOperation.objects.filter(order=order):
        told[f"operation {operation.pk}"] = staff.get(f"/api/cybersource/operations/{operation.pk}/")
        told[f"api operation {operation.pk}"] = caller.get(f"operations/{operation.pk}/")
    for payment in balance.of_order(order):
        told["api payment"] = caller.get(f"payments/{payment.source.pk}/")
        told["plan"] = caller.post(f"payments/{payment.source.pk}/give-back/plan/")
        for act in ("capture", "refund", "void", "reverse", "give-back"):
            told[f"ask {act}"] = staff.get(f"/api/cybersource/payments/{payment.authorization.pk}/{act}/")
    if told["own"].status_code == 200:
        for one in told["own"].json()["results"]:
            told["receipt"] = Caller().client.get(one["url"], headers={"Accept": "text/html"})
    return {name: response.status_code for name, response in told.items()}


def commands(shop: Desk) -> None:
    call_command("cybersource_reprocess")
    call_command("cybersource_expire_attempts")
    report = run.reconcile(at=shop.rest.now())
    assert report.is_complete, report.problems


def broken(told: dict[str, int]) -> dict[str, int]:
    """What answered otherwise than with a page, a redirect, or the words that there is nothing of this kind."""
    return {name: status for name, status in told.items() if status not in (200, 302, 400, 404, 409)}


# -- a payment that waits for its shopper ------------------------------------------------------------------------------


@each_change
@pytest.mark.parametrize("was_shown", [False, True], ids=["never shown", "shown before"])
def test_an_open_payment_is_shown_or_ended_and_never_an_error(shop, change, was_shown, caplog):
    shopper = shopper_of(shop)
    order = shopper.check_out("64.50")
    answer = shopper.submit() if was_shown else None
    change(fresh(order))
    PaymentAttempt.objects.update(date_signed="2026-01-01T00:00:00Z")  # so that it is signed anew
    assert broken(pages_of(shop, shopper, order)) == {}
    attempt = PaymentAttempt.objects.get(order=order)
    if change not in UNMAKEABLE:
        assert attempt.state == "open" and shopper.state()["required_action"]
    elif was_shown:
        assert attempt.state == "open" and shopper.state()["required_action"] is None
        assert "could not be made" in notes(order)
    else:
        assert (attempt.state, fresh(order).status) == ("failed", "Payment Declined")
        assert "could not be made" in notes(order)
        assert shopper.state()["status"] == "Declined"
        page = shopper.client.get(f"/api/cybersource/return/{attempt.transaction_uuid}/")
        assert "has changed since you checked out" in shopper.told(page)[0]
    if answer:
        assert post_reply(answer.reply, url=MERCHANT_POST).status_code == 200
        assert source_of(order) == (D("69.50"), D("0.00"), D("0.00"))
        assert PaymentAttempt.objects.get(order=order).state == "authorized"
        assert broken(pages_of(shop, shopper, order)) == {}
    assert notes(order).count("could not be made") <= 1
    commands(shop)


@pytest.mark.parametrize("change", sorted(UNMAKEABLE, key=lambda one: one.__name__), ids=lambda one: one.__name__)
def test_a_form_that_can_no_longer_be_made_hides_no_other_method(shop, change):
    shopper = shopper_of(shop)
    order = shopper.check_out("64.50", payment=two_cards())
    paid = shopper.submit(key="a")
    assert post_reply(paid.reply, url=MERCHANT_POST).status_code == 200
    change(fresh(order))
    PaymentAttempt.objects.update(date_signed="2026-01-01T00:00:00Z")
    for _again in range(2):
        assert set(shopper.states["payment_method_states"]) == {"a", "b"}
    assert shopper.state("b")["required_action"] is None and notes(order).count("could not be made") == 1
    PaymentAttempt.objects.filter(method_key="b").update(date_shown=None)
    assert shopper.state("a") and shopper.state("b")["status"] == "Declined"
    assert (PaymentAttempt.objects.get(method_key="b").state, fresh(order).status) == ("failed", "Payment Declined")


# -- a payment that was made -------------------------------------------------------------------------------------------


@each_change
def test_an_answer_is_recorded_whatever_has_changed_and_staff_can_go_on(shop, change):
    shopper = shopper_of(shop)
    order = shopper.check_out("24.50", "40.00")
    answer = shopper.submit()
    change(fresh(order))
    assert post_reply(answer.reply, url=MERCHANT_POST).status_code == 200
    assert source_of(order) == (D("69.50"), D("0.00"), D("0.00"))
    if change is currency_edited:  # dollars do not pay for an order in yen
        assert fresh(order).status == "Pending" and AttentionItem.objects.filter(order=order).exists()
    else:
        assert fresh(order).status == "Authorized"
    assert broken(pages_of(shop, shopper, order)) == {}
    shop.do("capture", shop.authorization(order), amount=D("30.00"), is_last=False)
    shop.do("refund", shop.debit(order), amount=D("10.00"))
    shop.do("void", next(iter(shop.payment(order).refunds)))
    shop.do("void", shop.debit(order))
    shop.do("reverse", shop.authorization(order))
    assert source_of(order)[1:] == (D("0.00"), D("0.00"))
    commands(shop)
    assert broken(pages_of(shop, shopper, order)) == {}


@each_change
@pytest.mark.parametrize("decision", ["accept", "reject"])
def test_a_reviewers_decision_finds_its_payment(shop, change, decision):
    shopper = shopper_of(shop)
    order = shopper.check_out("64.50")
    shopper.pay(cards.REVIEW)
    payment = shop.simulator.gateway.cases[-1]
    body = shop.simulator.gateway.decide(payment.id, decision.upper(), reviewer="lena.review").body
    change(fresh(order))
    assert tell(body) == 200
    accepted = "Pending" if change is currency_edited else "Authorized"  # dollars do not pay for an order in yen
    assert fresh(order).status == {"accept": accepted, "reject": "Payment Declined"}[decision]
    assert broken(pages_of(shop, shopper, order)) == {}
    commands(shop)


# -- an operation that was under way -----------------------------------------------------------------------------------


OPERATIONS: dict[str, Callable[[Desk, Any], PaymentOperation]] = {
    "capture": lambda shop, order: service.capture(
        shop.authorization(order), lines=lines_of(order), is_last=False, user=shop.staff
    ),
    "refund": lambda shop, order: service.refund(shop.debit(order), lines=lines_of(order), user=shop.staff),
    "void": lambda shop, order: service.void(shop.debit(order), user=shop.staff),
    "reverse": lambda shop, order: service.reverse(shop.authorization(order), user=shop.staff),
}


def lines_of(order: Any) -> dict[int, int]:
    return {order.lines.order_by("pk").first().pk: 1}


@each_change
@pytest.mark.parametrize("what", OPERATIONS)
def test_an_operation_that_was_under_way_is_recorded(shop, change, what):
    shopper = shopper_of(shop)
    order = shopper.check_out("24.50", "40.00")
    shopper.pay()
    if what in ("refund", "void"):
        lines = {line.pk: line.quantity for line in order.lines.all()}
        shop.do("capture", shop.authorization(order), lines=lines, amount=D("69.50"))
    action = {"capture": "captures", "refund": "refunds", "void": "voids", "reverse": "reversals"}[what]
    shop.rest.faults.next("no-answer", action=action)
    asked = OPERATIONS[what](shop, order)
    assert asked.state == "unknown"
    change(fresh(order))
    unknown_operations.recover(at=shop.rest.advance(seconds=11))
    done = fresh(asked)
    assert done.state == "done" and done.made is not None
    kind, amount, _quantities = events(order)[-1]
    assert amount == str(done.amount.quantize(D("0.01")))
    gone = change in (lines_replaced, lines_deleted) and what in ("capture", "refund")
    assert ("recorded by amount" in notes(order)) is gone
    assert len(transactions(order)) == {"capture": 2, "refund": 3, "void": 3, "reverse": 2}[what]
    if what == "refund":  # whose pages show all that those of the others do
        assert broken(pages_of(shop, shopper, order)) == {}
        commands(shop)


def test_a_capture_for_lines_of_which_one_is_left_names_that_one(shop):
    shopper = shopper_of(shop)
    order = shopper.check_out("24.50", "40.00")
    shopper.pay()
    first, second = order.lines.order_by("pk")
    shop.rest.faults.next("no-answer", action="captures")
    asked = service.capture(
        shop.authorization(order), lines={first.pk: 1, second.pk: 1}, is_last=False, user=shop.staff
    )
    second.delete()
    unknown_operations.recover(at=shop.rest.advance(seconds=11))
    assert fresh(asked).state == "done" and events(order)[-1][2] == [1]
    assert "recorded by amount" in notes(order)


@each_change
def test_an_attempt_without_an_answer_ends(shop, change):
    shopper = shopper_of(shop)
    order = shopper.check_out("64.50")
    change(fresh(order))
    PaymentAttempt.objects.update(date_signed="2026-01-01T00:00:00Z")
    counts = expiry.expire()
    assert sum(counts.values()) == 1 and counts[expiry.ExpiryResult.GIVEN_UP] == 1
    assert fresh(order).status == "Payment Declined"
    assert broken(pages_of(shop, shopper, order)) == {}


def test_a_second_step_needs_nothing_that_may_have_gone(shop, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper = shopper_of(shop)
    order = shopper.check_out("64.50")
    shopper.deliver(shopper.submit(card()), follow=False)
    for change in (account_removed, address_deleted, lines_deleted):
        change(fresh(order))
    assert shopper.client.get(f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/").status_code == 200
    shopper.deliver(shopper.submit(), follow=False)
    assert (shopper.attempt().state, fresh(order).status) == ("authorized", "Authorized")


def test_a_first_step_that_can_no_longer_be_asked_leads_from_the_page_that_waits_to_words(shop, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper = shopper_of(shop)
    order = shopper.check_out("64.50")
    shopper.form()
    address_edited(fresh(order))
    PaymentAttempt.objects.update(date_signed="2026-01-01T00:00:00Z")
    assert shopper.state()["required_action"] is None  # storing a card moves no money, so it ends although it was shown
    handle = shopper.attempt().transaction_uuid
    page = shopper.client.get(f"/api/cybersource/pending/{handle}/")
    assert page.headers["Location"] == f"/api/cybersource/return/{handle}/"
    assert "has changed since you checked out" in shopper.told(shopper.client.get(page.headers["Location"]))[0]
    assert fresh(order).status == "Payment Declined"
