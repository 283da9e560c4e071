"""The money desk's lists and the page of a log row: what they find, who sees them, and what they cost."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from operator import itemgetter
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.compat import get_user_model
from oscar.core.loading import get_model
from oscar.test.factories import create_order

from cybersource.db import paging
from cybersource.models import CyberSourceReply, PaymentAttempt, PaymentOperation, PaymentToken
from cybersource.operations import search, service
from cybersource.simulator import cards

Order = get_model("order", "Order")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")
User = get_user_model()

PAYMENTS, REVIEWS, OPERATIONS = (f"/api/cybersource/{name}/" for name in ("payments", "reviews", "operations"))
SEE = "view_paymentoperation"


def user(name: str, *permissions: str, **more: Any) -> Client:
    made = User.objects.create_user(name, f"{name}@shop.example", "-", **{"is_staff": True, **more})
    made.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(made)
    return client


@pytest.fixture
def seer(committed_db) -> Client:
    return user("seer", SEE)


def words(response: Any) -> str:
    html = response.content.decode().partition('<div class="content">')[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def numbers(response: Any) -> list[str]:
    """The orders of the listed rows, as they are listed."""
    return re.findall(r"<strong>#(\d+)</strong>", response.content.decode())


def some(count: int, number: str = "", **source: Any) -> list[Any]:
    """That many payments of one order, as the ledger has them; ``status`` is the authorization's."""
    status = source.pop("status", "ACCEPT")
    order = create_order(number=number or f"2{Order.objects.count():05d}")
    kind, _created = SourceType.objects.get_or_create(name="Cybersource Secure Acceptance")
    given = {"amount_allocated": "20.00", "label": "xxxxxxxxxxxx1111", **source}
    sources = Source.objects.bulk_create(
        Source(order=order, source_type=kind, currency="USD", reference=f"73{each:020d}", **given)
        for each in range(count)
    )
    return Transaction.objects.bulk_create(
        Transaction(source=one, txn_type="Authorise", amount="20.00", status=status, reference=one.reference)
        for one in sources
    )


# -- payments ----------------------------------------------------------------------------------------------------------


def test_a_payment_is_found_by_its_state_whatever_was_done_with_it(desk, seer):
    held = desk.order("10.00")
    part, taken, back, partly, reversed_ = (desk.order("10.00") for _each in range(5))
    desk.do("capture", desk.authorization(part), amount=Decimal("4.00"), is_last=False)
    for order in (taken, back, partly):
        desk.do("capture", desk.authorization(order))
    desk.do("refund", desk.debit(back))
    desk.do("refund", desk.debit(partly), amount=Decimal("1.00"))
    desk.do("reverse", desk.authorization(reversed_))
    reviewed = desk.order("10.00", card=cards.REVIEW)
    expected = {
        "held": held,
        "captured in part": part,
        "captured": taken,
        "refunded": back,
        "refunded in part": partly,
        "released": reversed_,
        "under review": reviewed,
    }
    for state, order in expected.items():
        assert numbers(seer.get(PAYMENTS, {"state": state})) == [order.number], state
    assert len(numbers(seer.get(PAYMENTS))) == 7
    stands = {order.number: desk.payment(order).standing(desk.authorization(order)) for order in expected.values()}
    for row in search.payments():  # of the hold itself, both ways of reckoning agree
        if not row.source.amount_refunded:
            assert stands[row.source.order.number] == row.stands


def test_a_payment_is_found_by_order_by_any_id_of_it_by_card_amount_and_day(desk, seer):
    order, other = desk.order("64.50"), desk.order("10.00")
    Source.objects.filter(order=other).update(label="xxxxxxxxxxxx4444")
    done = desk.do("capture", desk.authorization(order))
    for words_ in (order.number, desk.authorization(order).reference, done.request_id, done.reference_number):
        assert numbers(seer.get(PAYMENTS, {"words": f" {words_} "})) == [order.number]
    assert numbers(seer.get(PAYMENTS, {"last4": "4444"})) == [other.number]
    assert numbers(seer.get(PAYMENTS, {"at_least": "69.50", "at_most": "69.50"})) == [order.number]
    today = timezone.localdate()
    yesterday = today - timedelta(days=1)
    assert len(numbers(seer.get(PAYMENTS, {"since": today, "until": today}))) == 2
    assert numbers(seer.get(PAYMENTS, {"until": yesterday})) == []
    Transaction.objects.filter(pk=desk.authorization(order).pk).update(date_created=timezone.now() - timedelta(days=1))
    assert numbers(seer.get(PAYMENTS, {"until": yesterday})) == [order.number]
    assert "No payment was found." in words(seer.get(PAYMENTS, {"last4": "4444", "words": order.number}))


def test_a_list_says_what_was_taken_and_given_back_and_leads_to_the_order(desk, seer):
    order = desk.captured("64.50")
    desk.do("refund", desk.debit(order), amount=Decimal("9.50"))
    page = seer.get(PAYMENTS)
    assert "$69.50 captured $69.50 refunded $9.50 xxxxxxxxxxxx1111 captured in part" not in words(page)
    assert "$69.50 captured $69.50 refunded $9.50 xxxxxxxxxxxx1111 refunded in part" in words(page)
    assert f'href="/dashboard/orders/{order.number}/#card-payments"' in page.content.decode()


def test_payments_of_other_methods_are_not_listed(seer):
    some(1, "200001")
    other = SourceType.objects.create(name="Cash")
    source = Source.objects.create(order=Order.objects.get(), source_type=other, currency="USD")
    Transaction.objects.create(source=source, txn_type="Authorise", amount="5.00", reference="CASH")
    assert "CASH" not in words(seer.get(PAYMENTS)) and len(numbers(seer.get(PAYMENTS))) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"state": "nonsense"},
        {"last4": "x"},
        {"since": "x"},
        {"since": "0001-01-01", "until": "9999-12-31"},
        {"at_least": "NaN"},
        {"at_most": "1e400"},
        {"words": "\0"},
        {"before": "-1"},
        {"after": "9" * 40},
        {"words": "'; DROP TABLE--"},
    ],
)
def test_a_search_that_makes_no_sense_is_answered_with_a_page(seer, query):
    some(1)
    for more in ({}, {"format": "csv"}):
        response = seer.get(PAYMENTS, {**query, **more})
        assert response.status_code == 200
        shown = b"".join(response).decode()
        found = shown.splitlines()[1:] if more else numbers(response)
        assert len(found) == ("DROP" not in query.get("words", "")), "what is no value of its field is passed over"


def test_pages_keep_what_was_looked_for_and_lead_there_and_back(seer, monkeypatch):
    monkeypatch.setattr(paging.page, "__kwdefaults__", {**paging.page.__kwdefaults__, "size": 2})
    some(5)
    some(2, label="xxxxxxxxxxxx9999")
    seen, address = [], f"{PAYMENTS}?last4=1111"
    while address:
        html = seer.get(address).content.decode()
        seen.append(re.findall(r"73\d{20}", html))
        links = {rel: PAYMENTS + unescape(href) for rel, href in re.findall(r'rel="(\w+)" href="([^"]*)"', html)}
        address = links.get("next")
    assert [len(page) for page in seen] == [2, 2, 1] and len({*sum(seen, [])}) == 5
    assert "last4=1111" in links["prev"]
    assert re.findall(r"73\d{20}", seer.get(links["prev"]).content.decode()) == seen[1]


# -- the spreadsheet ---------------------------------------------------------------------------------------------------


def table(response: Any) -> list[list[str]]:
    text = b"".join(response).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:])))


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("size", [1, 2, 5, 6, 100])
def test_batches_hold_every_row_once_in_order_and_none_is_empty(
    committed_db, django_assert_max_num_queries, size, newest_first
):
    keys = [one.source_id for one in some(5)]
    with django_assert_max_num_queries(5 // size + 1):
        batches = list(paging.batches(Source.objects.all(), size=size, newest_first=newest_first))
    assert [row.pk for batch in batches for row in batch] == (keys[::-1] if newest_first else keys)
    assert all(0 < len(batch) <= size for batch in batches)


def test_batches_of_one_column_or_of_some_go_by_the_key_that_is_taken_out_of_them(committed_db):
    some(3, "200001")
    orders = Source.objects.values_list("order", flat=True).distinct()
    pairs = Source.objects.values_list("pk", "currency")
    assert sum(paging.batches(orders, size=1, by="order", key=int), []) == [*orders.order_by("order")]
    assert sum(paging.batches(pairs, size=2, key=itemgetter(0)), []) == [*pairs.order_by("pk")]


def test_what_was_found_is_downloaded_whole_in_pieces_and_says_the_same(seer, monkeypatch):
    monkeypatch.setattr(paging.every, "__kwdefaults__", {"size": 2})
    some(5, "200001", amount_debited="20.00", amount_refunded="5.00")
    some(1, "200002")
    response = seer.get(PAYMENTS, {"state": "refunded in part", "format": "csv"})
    assert response.streaming and response["Content-Disposition"] == 'attachment; filename="card-payments.csv"'
    heads, *rows = table(response)
    assert heads[:3] == ["Date", "Order", "Transaction"] and len(rows) == 5
    assert rows[0][1:] == [
        "200001",
        f"73{4:020d}",
        "xxxxxxxxxxxx1111",
        "USD",
        "20.00",
        "20.00",
        "5.00",
        "refunded in part",
    ]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_no_cell_is_a_formula_to_a_spreadsheet(seer, begins):
    some(1, "200001", label=f"{begins}HYPERLINK()")
    _heads, row = table(seer.get(PAYMENTS, {"format": "csv"}))
    assert row[3] == f"'{begins}HYPERLINK()"


# -- reviews -----------------------------------------------------------------------------------------------------------


def test_reviews_that_wait_are_listed_with_their_age_and_the_end_of_the_hold(seer, settings):
    some(1, "200001", status="REVIEW")
    some(1, "200002")
    shown = words(seer.get(REVIEWS))
    assert "#200001" in shown and "#200002" not in shown
    assert "Has waited for 0 minutes" in shown and "The hold ends in about 6 days, 23 hours" in shown
    settings.CYBERSOURCE_HOLD_DAYS = 30
    assert "The hold ends in about 4 weeks" in words(seer.get(REVIEWS))
    Transaction.objects.update(processed_datetime=timezone.now() - timedelta(days=31))
    assert "The hold has probably ended" in words(seer.get(REVIEWS))
    Transaction.objects.update(status="ACCEPT")
    assert "No payment waits for a reviewer." in words(seer.get(REVIEWS))


# -- operations --------------------------------------------------------------------------------------------------------


def asked(order: Any, number: int, **more: Any) -> PaymentOperation:
    return PaymentOperation(
        order=order,
        amount="5.00",
        currency="USD",
        reference_number=f"{order.number}-R{number}",
        user_name="ines",
        **{"kind": "refund", "state": "done", "reason": "came broken", **more},
    )


def test_operations_are_listed_by_how_they_ended(seer):
    order = create_order(number="200001")
    states = ("queued", "sent", "unknown", "done", "lapsing", "declined", "refused", "not-sent", "undone")
    PaymentOperation.objects.bulk_create(asked(order, n, state=state) for n, state in enumerate(states))

    def listed(state: str) -> set[str]:
        found = re.findall(r"200001-R(\d)", seer.get(OPERATIONS, {"state": state}).content.decode())
        return {states[int(number)] for number in found}

    assert listed("") == listed("nonsense") == set(states)
    assert listed("under-way") == {"queued", "sent", "unknown"}
    assert listed("failed") == {"declined", "refused", "not-sent", "undone"}
    assert listed("done") == {"done", "lapsing"}
    assert "Refund $5.00 200001-R3 Done #200001 ines," in words(seer.get(OPERATIONS, {"state": "done"}))


# -- a log row ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def reader(committed_db) -> Client:
    return user("reader", SEE, "view_cybersourcereply")


def log(client: Client, entry: Any) -> Any:
    return client.get(f"/api/cybersource/log/{entry.pk}/")


def test_a_reply_is_readable_with_its_reason_in_words_and_what_to_do_next(shopper, reader):
    order = shopper.check_out()
    shopper.pay(cards.DECLINED)
    shown = words(log(reader, CyberSourceReply.objects.latest("pk")))
    assert "The bank declined the card without saying why." in shown
    assert "What to do: Nothing was charged. The shopper can ask the bank, or pay with another card." in shown
    assert "Decision DECLINE Reason code 203" in shown and f"Order {order.number}" in shown
    assert "Address check" in shown and "req_reference_number" in shown and "Everything the signature covers" in shown


def test_a_call_is_readable_and_leads_to_its_operation(desk, reader):
    order = desk.captured("64.50")
    desk.rest.advance(hours=8)
    failed = service.void(desk.debit(order), user=desk.staff)
    page = log(reader, failed.log)
    shown = words(page)
    assert "Void It cannot be voided any more: it has gone to the bank." in shown
    assert "Outcome Refused: nothing was done" in shown and "HTTP status 400 Reason NOT_VOIDABLE" in shown
    assert "request.target" in shown and "User ines" in shown
    assert f'href="/api/cybersource/operations/{failed.pk}/"' in page.content.decode()


def test_no_token_no_secret_and_no_session_hash_is_on_a_log_page(shopper, reader, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper.check_out()
    shopper.pay()
    token = PaymentToken.objects.get().token
    hidden = {token, settings.CYBERSOURCE_SECRET, *PaymentAttempt.objects.values_list("session_hash", flat=True)}
    hidden |= set(filter(None, CyberSourceReply.objects.values_list("request_token", flat=True)))
    storing = CyberSourceReply.objects.filter(transaction_type="create_payment_token").get()
    hidden.add(storing.transaction_id)
    assert CyberSourceReply.objects.count() == 2 and all(hidden)
    for entry in CyberSourceReply.objects.all():
        html = log(reader, entry).content.decode()
        assert not [value for value in hidden if value in html]
        assert "kept, not shown" in html


def test_what_a_log_row_holds_is_shown_as_text(shopper, reader):
    shopper.check_out()
    answer = shopper.submit()
    shopper.deliver(answer)
    CyberSourceReply.objects.update(message="<script>alert(1)</script>", data={"<b>": "<script>alert(2)</script>"})
    html = log(reader, CyberSourceReply.objects.first()).content.decode()
    assert "<script>alert" not in html and "<b>" not in html and "&lt;script&gt;alert(2)" in html


# -- who sees it, and what it costs ------------------------------------------------------------------------------------


def test_the_lists_are_for_staff_who_may_look_and_the_log_for_those_who_may_read_it(shopper, seer, reader):
    shopper.check_out()
    shopper.pay()
    entry = CyberSourceReply.objects.first()
    addresses = [PAYMENTS, REVIEWS, OPERATIONS, f"{PAYMENTS}?format=csv"]
    clerk = user("clerk", "dashboard_access", "view_order", "view_attentionitem", "view_cybersourcereply")
    seller = user("seller", SEE, "view_cybersourcereply", "dashboard_access", "view_order", is_staff=False)
    for address in addresses:
        assert seer.get(address).status_code == 200
        assert clerk.get(address).status_code == seller.get(address).status_code == 403
        assert Client().get(address).status_code == 302
    assert log(reader, entry).status_code == log(clerk, entry).status_code == 200
    assert log(seer, entry).status_code == log(seller, entry).status_code == 403
    assert log(Client(), entry).status_code == 302


def test_the_navigation_leads_each_to_what_they_may_see(shopper):
    def links(client: Client) -> list[str]:
        html = client.get("/dashboard/orders/").content.decode()
        return re.findall(r'class="dropdown-item" href="/api/cybersource/(\w+)/"', html)

    both = ("dashboard_access", "view_order")
    assert links(user("looker", *both, SEE)) == ["payments", "reviews", "operations"]
    assert links(user("clearer", *both, "view_attentionitem")) == ["attention"]
    assert links(user("clerk", *both)) == []


def statements(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as ran:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in ran]


def test_lists_take_the_same_few_statements_at_1_100_and_3000_rows_and_count_none(seer):
    seer.get(PAYMENTS)  # the first page of a session also makes its basket
    counts = {}
    for many in (1, 99, 2900):
        order = some(many)[0].source.order
        some(many, status="REVIEW")
        PaymentOperation.objects.bulk_create(asked(order, number) for number in range(many))
        ran = {address: statements(seer, address) for address in (PAYMENTS, REVIEWS, OPERATIONS)}
        assert not [sql for sqls in ran.values() for sql in sqls if "COUNT(" in sql and 'FROM "payment' in sql]
        counts[many] = {address: len(sqls) for address, sqls in ran.items()}
    print("statements of the lists:", counts[1])
    assert counts[1] == counts[99] == counts[2900]
