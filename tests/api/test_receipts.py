"""The shopper's own payments and receipts, and that they are nobody else's."""

from __future__ import annotations

import re
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from oscar.core.loading import get_model

from cybersource.api import receipts
from cybersource.models import CyberSourceReply, PaymentAttempt
from cybersource.operations import detail, service
from tests.support.calling import Caller, code, lengthen
from tests.support.shop import Shopper, customer

Order = get_model("order", "Order")
Source = get_model("payment", "Source")

D = Decimal

RECEIPTS = "/api/cybersource/v1/receipts/"


def bought(desk, user, *prices: str, count: int = 1) -> list:
    """Orders that a customer paid while he was signed in."""
    shopper = Shopper(gateway=desk.simulator.gateway)
    shopper.client.force_login(user)
    orders = []
    for _ in range(count):
        order = shopper.check_out(*prices)
        shopper.pay()
        orders.append(Order.objects.get(pk=order.pk))
    return orders


def test_a_customer_sees_his_own_payments_and_nobody_elses(desk):
    maya, omar = customer(), customer("omar@example.com")
    (hers,) = bought(desk, maya, "64.50")
    bought(desk, omar, "10.00")
    desk.order("5.00")  # a guest's
    told = Caller(maya).get("my/payments/").json()
    (one,) = told["results"]
    assert (one["order"], one["amount"], one["amount_text"], one["state"]) == (hers.number, "69.50", "$69.50", "held")
    assert one["card"]["number"].endswith("1111") and one["status"] and told["next"] is None
    assert re.fullmatch(rf"{hers.number}-[A-Z2-7]{{10}}", one["number"])
    receipt = Caller(maya).get(one["url"])
    assert receipt.status_code == 200 and receipt.json()["number"] == one["number"]
    for stranger in (Caller(omar), Caller(desk.staff), Caller()):
        assert code(stranger.get(one["url"])) == (404, "not-found")
    assert code(Caller(omar).get(f"{RECEIPTS}{hers.number}-AAAAAAAAAA/")) == (404, "not-found")
    assert Caller(omar).get("my/payments/", order=hers.number).json()["results"] == []
    assert code(Caller().get("my/payments/"))[1] == "not-authenticated"


def test_a_guest_reads_his_receipts_by_the_proof_that_oscar_mails_him(desk):
    order = desk.order("64.50")
    proof = order.verification_hash()
    (one,) = Caller().get("my/payments/", order=order.number, hash=proof).json()["results"]
    assert quote(proof) in one["url"], (proof, one["url"])
    assert Caller().get(one["url"]).json()["order"] == order.number
    other = desk.order("10.00")
    for number, shown in ((order.number, other.verification_hash()), (order.number, "x"), ("", proof), ("0", proof)):
        assert code(Caller().get("my/payments/", order=number, hash=shown)) == (404, "not-found")
    for shown in (other.verification_hash(), "x", ""):
        assert code(Caller().get(f"{RECEIPTS}{one['number']}/", hash=shown)) == (404, "not-found")


def test_the_proof_of_a_guests_order_opens_no_customers_order(desk):
    maya = customer()
    (hers,) = bought(desk, maya, "64.50")
    proof = hers.verification_hash()
    assert code(Caller().get("my/payments/", order=hers.number, hash=proof)) == (404, "not-found")
    number = receipts.Receipt(payment=detail.one(Source.objects.get(order=hers).pk)).number
    assert code(Caller().get(f"{RECEIPTS}{number}/", hash=proof)) == (404, "not-found")


def test_a_receipts_number_stays_when_the_shops_secret_changes_and_the_payment_goes_on(desk, settings):
    order = desk.order("64.50")
    number = receipts.Receipt(payment=detail.one(Source.objects.get(order=order).pk)).number
    settings.SECRET_KEY = "another secret of nobody"
    desk.do("capture", desk.authorization(order))
    assert receipts.one(number).order == order
    assert receipts.one(number.lower()) is receipts.one("") is receipts.one("-") is None


def test_a_receipt_tells_what_was_taken_and_refunded_but_not_what_was_stopped(desk):
    order = desk.captured("10.00", "20.00")
    desk.do("refund", desk.debit(order), amount=D("4.00"))
    desk.do("void", desk.do("refund", desk.debit(order), amount=D("1.00")).made)
    proof = order.verification_hash()
    (one,) = Caller().get("my/payments/", order=order.number, hash=proof).json()["results"]
    told = Caller().get(one["url"]).json()
    assert (told["paid"], told["refunded"], told["state"]) == ("31.00", "4.00", "part-refunded")
    assert [(refund["amount"], refund["amount_text"]) for refund in told["refunds"]] == [("4.00", "$4.00")]
    page = Caller().client.get(one["url"], headers={"Accept": "text/html"})
    text = page.content.decode()
    assert page.headers["Content-Type"].startswith("text/html") and page.headers["Referrer-Policy"] == "same-origin"
    for shown in (one["number"], order.number, "$35.00", "$31.00", "$4.00", told["card"]["auth_code"], "xxxx1111"):
        assert shown in text, shown
    assert Source.objects.get(order=order).reference not in text
    assert order.verification_hash() not in text


def test_a_receipt_says_what_was_taken_where_that_is_less_than_was_reserved(desk):
    order = desk.order("64.50")
    desk.do("capture", desk.authorization(order), amount=D("5.00"), is_last=False)
    service.reverse(desk.authorization(order))  # the rest is left to the bank
    (one,) = Caller().get("my/payments/", order=order.number, hash=order.verification_hash()).json()["results"]
    page = Caller().client.get(one["url"], headers={"Accept": "text/html"}).content.decode()
    assert "Paid, less refunds: <strong>$5.00</strong>" in page and "$69.50" in page
    held = desk.order("10.00")
    for taken in (held, desk.captured("10.00")):
        proof = taken.verification_hash()
        (one,) = Caller().get("my/payments/", order=taken.number, hash=proof).json()["results"]
        assert "Paid, less" not in Caller().client.get(one["url"], headers={"Accept": "text/html"}).content.decode()


@pytest.mark.parametrize(
    ("currency", "locale", "shown"),
    [("EUR", "de-de", "69,50\xa0€"), ("JPY", "ja-jp", "￥70"), ("KWD", "en-us", "KWD\xa069.500")],
)
def test_a_receipt_is_in_the_language_that_its_order_was_paid_in(desk, currency, locale, shown):
    order = desk.order("64.50")
    PaymentAttempt.objects.filter(order=order).update(language=locale)
    source = Source.objects.get(order=order)
    source.transactions.update(amount=D("70.00") if currency == "JPY" else D("69.50"))
    Source.objects.filter(pk=source.pk).update(currency=currency)
    receipt = receipts.Receipt(payment=detail.one(source.pk))
    assert (receipt.language, receipt.amount_text) == (locale, shown)
    page = Caller().get(f"{RECEIPTS}{receipt.number}/", hash=order.verification_hash(), format="html")
    assert shown in page.content.decode() and f'<html lang="{locale[:2]}' in page.content.decode()


@pytest.mark.parametrize("locale", ["tlh", "ja-jp", "../..", "x" * 600, ""])
def test_a_receipt_in_a_language_that_the_shop_has_not_is_in_that_of_whoever_asks(desk, settings, locale):
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    order = desk.order("64.50")
    CyberSourceReply.objects.update(data={"req_locale": locale})
    PaymentAttempt.objects.filter(order=order).update(language="")
    receipt = receipts.Receipt(payment=detail.one(Source.objects.get(order=order).pk))
    with translation.override("de"):
        assert (receipt.language, receipt.amount_text) == ("de", "69,50\xa0$")
        with receipt.in_its_language():
            assert translation.get_language() == "de"


def test_whoever_is_not_signed_in_gets_a_page_that_leads_to_the_login_and_comes_back(desk):
    (hers,) = bought(desk, customer(), "64.50")
    number = receipts.Receipt(payment=detail.one(Source.objects.get(order=hers).pk)).number
    page = Caller().client.get(f"{RECEIPTS}{number}/", headers={"Accept": "text/html"})
    assert page.status_code == 404 and page.headers["Content-Type"].startswith("text/html")
    assert f"next={quote(RECEIPTS, safe='')}" in page.content.decode()


def test_a_history_and_a_receipt_take_as_many_statements_for_many_payments_and_lines_as_for_one(desk):
    maya, omar = customer(), customer("omar@example.com")
    few, many = bought(desk, maya, "10.00"), bought(desk, omar, "10.00", count=3)
    lengthen(many[0], 100)

    def statements(caller: Caller, path: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert caller.get(path).status_code == 200
        return len(asked)

    costs = [statements(Caller(user), "my/payments/") for user in (maya, omar)]
    assert costs[0] == costs[1] <= 8
    numbers = [
        receipts.Receipt(payment=detail.one(Source.objects.get(order=orders[0]).pk)).number for orders in (few, many)
    ]
    costs = [
        statements(Caller(user), f"receipts/{number}/") for user, number in zip((maya, omar), numbers, strict=True)
    ]
    assert costs[0] == costs[1] <= 8
    html = [
        statements(Caller(user), f"receipts/{number}/?format=html")
        for user, number in zip((maya, omar), numbers, strict=True)
    ]
    assert html[0] == html[1]
