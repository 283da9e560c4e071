"""The list of what needs attention, in Oscar's dashboard: who sees it, who clears it, and what it costs."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.compat import get_user_model
from oscar.core.loading import get_model
from oscar.test.factories import create_order

from cybersource.models import Attention, AttentionItem, PaymentAttempt
from cybersource.payments import attention, attention_list, expiry
from tests.payments.test_after_a_retry import gift_card
from tests.support.shop import post_reply

pytestmark = pytest.mark.usefixtures("one_step")

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")
User = get_user_model()

LIST = "/api/cybersource/attention/"
LOOK, CLEAR = "view_attentionitem", "clear_attentionitem"


def user(name: str, *permissions: str, **more: Any) -> Client:
    made = User.objects.create_user(name, f"{name}@shop.example", "-", **{"is_staff": True, **more})
    made.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return as_user(made)


def as_user(made: Any, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(made)
    return client


@pytest.fixture
def boss(committed_db) -> Client:
    return as_user(User.objects.create_superuser("boss", "boss@shop.example", "-"))


def words(response: Any) -> str:
    html = response.content.decode()
    _before, _found, html = html.partition('<div class="content">')
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def charged_twice(shopper: Any) -> AttentionItem:
    """A paid order with a second charge."""
    shopper.check_out("64.50")
    shopper.pay()
    post_reply(shopper.reply(transaction_id="7300000000000000000042"))
    return AttentionItem.objects.get()


def never_answered(shopper: Any, **checkout: Any) -> AttentionItem:
    """An order whose payment form was shown, and no answer came."""
    order = shopper.check_out("64.50", **checkout)
    assert shopper.states
    PaymentAttempt.objects.filter(order=order).update(date_signed=timezone.now() - timedelta(hours=2))
    expiry.expire()
    return AttentionItem.objects.filter(order=order).first()


def url(item: AttentionItem) -> str:
    return f"{LIST}{item.pk}/"


def fate(order: Any) -> tuple[str, str]:
    order = Order.objects.get(pk=order.pk)
    return order.status, Basket.objects.get(pk=order.basket_id).status


def some(count: int, **more: Any) -> None:
    order = Order.objects.filter(number="200001").first() or create_order(number="200001")
    before = AttentionItem.objects.count()
    AttentionItem.objects.bulk_create(
        AttentionItem(
            kind=("extra-charge", "no-answer")[number % 2],
            order=order,
            transaction_id=f"73{before + number:020d}",
            reference_number=order.number,
            amount="9.99",
            currency="USD",
            **more,
        )
        for number in range(count)
    )


# -- what it shows -------------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_the_list_says_what_happened_what_to_do_and_which_money_it_is(shopper, boss):
    item = charged_twice(shopper)
    shown = words(boss.get(LIST))
    for expected in (
        "A second charge on an order that was already paid",
        "What to do: Cancel or refund it, here or in the CyberSource Business Center, unless both were meant.",
        f"Order {item.order.number}",
        "Amount 69.50 USD",
        "Card ends in 1111",
        "Transaction 7300000000000000000042",
        "Found 0 minutes ago",
        "Clear this",
    ):
        assert expected in shown
    assert f'href="/dashboard/orders/{item.order.number}/"' in boss.get(LIST).content.decode()


def test_a_charge_that_names_no_order_of_the_shop_is_on_the_list(shopper, boss):
    shopper.check_out()
    post_reply(
        shopper.reply(req_transaction_uuid="6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02", req_reference_number="<b>NONE</b>")
    )
    shown = words(boss.get(LIST))
    assert "A charge that answers no payment of this shop" in shown
    assert "CyberSource's answer was not accepted: it answers no form of this shop." in shown
    assert "Order none here Reference number <b>NONE</b> Amount" in shown


def test_a_charge_that_names_an_order_without_card_payments_is_on_that_orders_page(shopper, boss):
    order = create_order(number="200002")
    shopper.check_out()
    post_reply(
        shopper.reply(req_transaction_uuid="6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02", req_reference_number="200002")
    )
    page = words(boss.get(f"/dashboard/orders/{order.number}/"))
    assert "CyberSource accepted a payment that does not fit this order" in page
    assert "No card payment was begun for this order." in page


def test_where_both_sides_differ_and_where_nobody_knows_is_no_answer_that_was_not_believed(boss):
    order = create_order(number="200003")
    money = {"amount": Decimal("9.50"), "currency": "USD"}
    attention.flag(Attention.DRIFT, order, None, transaction_id="73" * 11, detail="capture-not-here", **money)
    attention.flag(
        Attention.UNKNOWN_OPERATION, order, None, reference_number="200003-R1", detail="refund", evidence={}, **money
    )
    listed, page = words(boss.get(LIST)), words(boss.get("/dashboard/orders/200003/"))
    assert "It could not be determined whether money was moved Refund What to do:" in listed
    assert "differ Captured at CyberSource, and not in the shop's books What to do:" in listed
    assert "Captured at CyberSource, and not in the shop's books: 9.50 USD, transaction 7373737373737373737373." in page
    assert "The outcome of an operation is unknown Refund: 9.50 USD, reference number 200003-R1." in page
    assert "not believed" not in listed + page


def test_an_empty_list_says_so(boss):
    assert "Nothing needs attention. Every charge has its order." in words(boss.get(LIST))


def test_the_dashboards_navigation_leads_there(boss):
    assert f'href="{LIST}"' in boss.get("/dashboard/").content.decode()
    clerk = user("clerk", "dashboard_access", "view_order")
    assert f'href="{LIST}"' not in clerk.get("/dashboard/orders/").content.decode()


def test_the_list_is_filtered_by_kind_and_by_done(shopper, boss):
    some(2)
    some(1, date_cleared=timezone.now(), reason="Reversed it.", cleared_by_name="ana")
    assert words(boss.get(LIST)).count("What to do:") == 2
    asked = words(boss.get(LIST, {"kind": "no-answer"}))
    assert asked.count("What to do:") == 1 and "Look the reference number up" in asked
    done = words(boss.get(LIST, {"state": "done"}))
    assert done.count("What to do:") == 1 and "Done Reversed it. ana," in done and "Clear this" not in done
    assert "There is nothing of that kind." in words(boss.get(LIST, {"state": "done", "kind": "no-answer"}))


def test_pages_are_walked_there_and_back_newest_first(committed_db, boss, monkeypatch):
    monkeypatch.setattr(attention_list, "PAGE", 2)
    some(5)
    newest = list(AttentionItem.objects.order_by("-pk").values_list("transaction_id", flat=True))
    seen, address = [], LIST
    links = {}
    while address:
        html = boss.get(address).content.decode()
        found = re.findall(r"73\d{20}", html)
        seen.append(found)
        links = {rel: LIST + unescape(href) for rel, href in re.findall(r'rel="(\w+)" href="([^"]*)"', html)}
        address = links.get("next")
    assert seen == [newest[:2], newest[2:4], newest[4:]]
    back = boss.get(links["prev"]).content.decode()
    assert re.findall(r"73\d{20}", back) == newest[2:4]
    links = dict(re.findall(r'rel="(\w+)" href="([^"]*)"', back))
    assert re.findall(r"73\d{20}", boss.get(LIST + unescape(links["prev"])).content.decode()) == newest[:2]


@pytest.mark.parametrize(
    "query",
    ["?kind=nonsense", "?state=nonsense", "?before=x", "?before=-1", "?after=" + "9" * 40, "?before=%00&kind=%00"],
)
def test_a_query_that_no_link_of_ours_makes_shows_the_list(committed_db, boss, query):
    some(1)
    response = boss.get(LIST + query)
    assert response.status_code == 200


# -- who may what --------------------------------------------------------------------------------------------------


def test_strangers_are_sent_to_the_dashboards_login_and_customers_are_turned_away(shopper):
    item = charged_twice(shopper)
    for address in (LIST, url(item)):
        response = Client().get(address)
        assert (response.status_code, response.headers["Location"]) == (302, f"/dashboard/login/?next={address}")
        for client in (
            user(f"customer{item.pk}", LOOK, CLEAR, is_staff=False),
            user(f"clerk{item.pk}", "dashboard_access", CLEAR),
        ):
            assert client.get(address).status_code == 403
            assert client.post(url(item), {"reason": "mine"}).status_code == 403
        User.objects.all().delete()
    assert AttentionItem.objects.get().date_cleared is None


def test_looking_is_one_permission_and_clearing_another(shopper):
    item = charged_twice(shopper)
    looker = user("looker", LOOK)
    assert "Clear this" not in words(looker.get(LIST))
    assert "What did you find" not in words(looker.get(url(item)))
    assert looker.post(url(item), {"reason": "mine"}).status_code == 403
    clearer = user("clearer", LOOK, CLEAR)
    assert "What did you find" in words(clearer.get(url(item)))
    assert clearer.post(url(item), {"reason": "Reversed."}).status_code == 302


def test_clearing_needs_a_post_with_a_csrf_token(shopper):
    item = charged_twice(shopper)
    strict = as_user(User.objects.create_superuser("boss", "boss@shop.example", "-"), enforce_csrf_checks=True)
    assert strict.post(url(item), {"reason": "forged"}).status_code == 403
    assert strict.get(url(item), {"reason": "forged"}).status_code == 200
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', strict.get(url(item)).content.decode())[1]
    assert AttentionItem.objects.get().date_cleared is None
    assert strict.post(url(item), {"reason": "Reversed.", "csrfmiddlewaretoken": token}).status_code == 302
    assert AttentionItem.objects.get().date_cleared is not None


def test_an_order_page_leads_to_the_item_for_those_who_may_look(shopper, boss):
    item = charged_twice(shopper)
    page = f"/dashboard/orders/{item.order.number}/"
    assert f'href="{url(item)}?order"' in boss.get(page).content.decode()
    clerk = user("clerk", "dashboard_access", "view_order")
    assert url(item) not in clerk.get(page).content.decode()
    assert boss.post(f"{url(item)}?order", {"reason": "Both were meant."}).headers["Location"] == page


# -- clearing ------------------------------------------------------------------------------------------------------


def test_clearing_keeps_who_when_and_why_with_the_item_and_as_a_note_on_the_order(shopper, boss):
    item = charged_twice(shopper)
    response = boss.post(url(item), {"reason": "  Reversed in the Business Center.  "}, follow=True)
    assert "Done. Your words are kept with it." in words(response)
    item.refresh_from_db()
    assert item.cleared_by.username == item.cleared_by_name == "boss"
    assert item.reason == "Reversed in the Business Center."
    assert timezone.now() - item.date_cleared < timedelta(minutes=5)
    note = item.order.notes.latest("pk")
    assert note.user == item.cleared_by
    assert note.message == (
        "boss looked at “A second charge on an order that was already paid” (69.50 USD, transaction "
        "7300000000000000000042): Reversed in the Business Center."
    )
    page = words(boss.get(f"/dashboard/orders/{item.order.number}/"))
    assert "A card charge needs a decision" not in page
    assert "Looked at A second charge on an order that was already paid Reversed in the Business Center. boss," in page


def test_the_second_press_changes_nothing_and_says_who_was_first(shopper, boss):
    item = charged_twice(shopper)
    boss.post(url(item), {"reason": "Reversed."})
    notes = item.order.notes.count()
    late = user("ana", LOOK, CLEAR).post(url(item), {"reason": "Me too."}, follow=True)
    assert "This was done before, by boss: Reversed." in words(late)
    item.refresh_from_db()
    assert (item.cleared_by_name, item.order.notes.count()) == ("boss", notes)


def test_twenty_presses_at_once_are_one(shopper, boss):
    item = charged_twice(shopper)
    notes = item.order.notes.count()

    def press(number):
        try:
            return boss.post(url(item), {"reason": f"Press {number}."}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(press, range(20))) == {302}
    assert item.order.notes.count() == notes + 1


@pytest.mark.parametrize("reason", ["", "   ", "x" * 256, "a\0b"])
def test_an_item_is_cleared_with_a_few_words_or_not_at_all(shopper, boss, reason):
    item = charged_twice(shopper)
    response = boss.post(url(item), {"reason": reason})
    assert response.status_code == 400
    assert 'class="invalid-feedback"' in response.content.decode()
    assert AttentionItem.objects.get().date_cleared is None


def test_a_card_number_in_the_reason_is_masked_and_markup_is_text(shopper, boss):
    item = charged_twice(shopper)
    boss.post(url(item), {"reason": "Card 4111 1111 1111 1111 <script>alert(1)</script>"})
    html = boss.get(LIST, {"state": "done"}).content.decode()
    assert "<script>alert(1)" not in html and "&lt;script&gt;alert(1)" in html
    item.refresh_from_db()
    for text in (html, item.reason, item.order.notes.latest("pk").message):
        assert "4111 1111 1111 1111" not in text


def test_an_item_that_is_gone_is_a_page_that_is_not_found(boss):
    assert boss.get(f"{LIST}1/").status_code == 404
    assert boss.post(f"{LIST}1/", {"reason": "x"}).status_code == 404


def test_a_charge_that_can_be_given_back_is_one_press_from_the_page_that_does_it_and_then_off_the_list(desk):
    order = desk.order("64.50")
    gift_card(order, "69.50")
    item = AttentionItem.objects.create(
        kind="extra-charge",
        order=order,
        transaction_id=desk.authorization(order).reference,
        reference_number=order.number,
        amount="69.50",
        currency="USD",
    )
    staff, looker = as_user(desk.staff), user("looker", LOOK, CLEAR)
    way = f"/api/cybersource/payments/{desk.authorization(order).pk}/reverse/"
    for address in (LIST, url(item)):
        assert f'href="{way}"' in staff.get(address).content.decode()
        assert "/payments/" not in looker.get(address).content.decode().partition('class="content"')[2]
    html = staff.get(way).content.decode()
    kept = dict(re.findall(r'<input type="hidden" name="(key|seen)" value="([^"]*)"', html))
    staff.post(way, {**kept, "reason": "Paid twice.", "step": "do"})
    item.refresh_from_db()
    assert item.date_cleared and "Nothing needs attention" in words(staff.get(LIST))


def test_a_captured_charge_on_the_list_is_given_back_by_whatever_it_takes(desk):
    order = desk.captured("64.50")
    charge = desk.authorization(order)
    AttentionItem.objects.create(
        kind="extra-charge", order=order, transaction_id=charge.reference, amount="69.50", currency="USD"
    )
    way = f"/api/cybersource/payments/{charge.pk}/give-back/"
    assert f'href="{way}"' in as_user(desk.staff).get(LIST).content.decode()
    desk.do("refund", desk.debit(order))
    assert way not in as_user(desk.staff).get(LIST).content.decode()


# -- no answer: was the card charged? ------------------------------------------------------------------------------


def test_staff_who_find_no_charge_give_the_order_up_and_the_basket_is_open_again(shopper, boss):
    item = never_answered(shopper)
    assert "There is no charge, or I cancelled or refunded it: give the order up" in words(boss.get(url(item)))
    response = boss.post(url(item), {"reason": "Nothing in the Business Center.", "no_charge": "on"}, follow=True)
    assert "The order was given up, and its basket is open again." in words(response)
    assert fate(item.order) == ("Payment Declined", "Open")
    handle = shopper.attempt().transaction_uuid
    (message,) = shopper.told(shopper.client.get(f"/api/cybersource/return/{handle}/"))
    assert "Nothing was charged." in message
    again = shopper.check_out()
    assert again.pk == item.order_id
    shopper.pay()
    assert fate(item.order) == ("Authorized", "Submitted")


def test_staff_who_find_the_charge_note_it_and_the_order_stays_as_it_is(shopper, boss):
    item = never_answered(shopper)
    boss.post(url(item), {"reason": "Found it, booked by hand."})
    assert fate(item.order) == ("Pending", "Frozen")
    assert "Found it, booked by hand." in item.order.notes.latest("pk").message


def test_staff_who_cleared_the_question_can_give_the_order_up_once_the_charge_is_reversed(shopper, boss):
    item = never_answered(shopper)
    boss.post(url(item), {"reason": "Found it."})
    assert "give the order up" in words(boss.get(url(item)))
    for _pressed in range(2):
        boss.post(url(item), {"reason": "Reversed it.", "no_charge": "on"})
    assert fate(item.order) == ("Payment Declined", "Open")
    assert "give the order up" not in words(boss.get(url(item)))
    item.refresh_from_db()
    assert item.reason == "Found it."
    assert item.order.notes.filter(message__contains="Reversed it.").count() == 1


def test_giving_up_is_offered_only_where_the_order_waits_for_the_answer(shopper, boss):
    item = charged_twice(shopper)
    assert "give the order up" not in words(boss.get(url(item)))
    boss.post(url(item), {"reason": "Pressed too much.", "no_charge": "on"})
    assert fate(item.order) == ("Authorized", "Submitted")


def test_an_order_is_not_given_up_while_another_card_of_it_is_in_doubt(shopper, boss):
    two_cards = {
        "a": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "4.00"},
        "b": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
    }
    first = never_answered(shopper, payment=two_cards)
    second = AttentionItem.objects.exclude(pk=first.pk).get()
    response = boss.post(url(first), {"reason": "No charge of a.", "no_charge": "on"}, follow=True)
    assert "The order was not given up: something else of it is paid, or its outcome is unknown." in words(response)
    assert fate(first.order) == ("Pending", "Frozen")
    boss.post(url(second), {"reason": "No charge of b.", "no_charge": "on"})
    assert fate(first.order) == ("Payment Declined", "Open")


def test_a_charge_that_comes_after_the_order_was_given_up_is_listed_again(shopper, boss):
    item = never_answered(shopper)
    boss.post(url(item), {"reason": "Nothing there.", "no_charge": "on"})
    post_reply(shopper.reply())
    assert AttentionItem.objects.get(date_cleared=None).kind == "late-charge"
    assert fate(item.order) == ("Authorized", "Submitted")


def test_giving_up_while_the_answer_arrives_ends_in_one_outcome(shopper, boss):
    """The charge wins or is flagged: never an open basket on a paid order."""
    for _round in range(2):
        item = never_answered(shopper)
        reply = shopper.reply()

        def press(item=item):
            return boss.post(url(item), {"reason": "Nothing there.", "no_charge": "on"}).status_code

        with ThreadPoolExecutor(2) as pool:
            works = [
                pool.submit(closing, press),
                pool.submit(closing, lambda reply=reply: post_reply(reply).status_code),
            ]
            assert [work.result() for work in works] == [302, 303]
        assert fate(item.order) == ("Authorized", "Submitted")
        assert AttentionItem.objects.filter(order=item.order, kind="late-charge", date_cleared=None).count() == 1
        shopper.client.cookies.clear()


def closing(work):
    try:
        return work()
    finally:
        connections.close_all()


# -- what it costs -------------------------------------------------------------------------------------------------


def test_the_list_takes_the_same_few_statements_at_1_100_and_10000_items(committed_db):
    clerk = user("clerk", LOOK, CLEAR)
    clerk.get(LIST)  # the first page of a session also makes its basket
    counts = {}
    for many in (1, 99, 9900):
        some(many)
        with CaptureQueriesContext(connection) as ran:
            assert clerk.get(LIST).status_code == 200
        sql = [query["sql"] for query in ran]
        assert not any("COUNT(" in statement and "cybersource" in statement for statement in sql)
        counts[AttentionItem.objects.count()] = len(sql), sum("cybersource_attentionitem" in one for one in sql)
    print("statements of the list:", counts)
    assert len(set(counts.values())) == 1, counts
    assert counts[10000][1] == 1


@pytest.mark.parametrize("query", [{}, {"kind": "no-answer"}, {"state": "done", "kind": "no-answer"}])
def test_the_list_finds_its_page_in_an_index_and_sorts_nothing(committed_db, query):
    some(2000)
    some(2000, date_cleared=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cybersource_attentionitem")
        with CaptureQueriesContext(connection) as ran:
            attention_list.page(done=query.get("state") == "done", kind=query.get("kind", ""))
        cursor.execute(f"EXPLAIN {ran[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index" in plan and "Sort" not in plan, plan


def test_where_the_books_differ_staff_read_both_sides(shopper, boss):
    order = shopper.check_out("64.50")
    item = AttentionItem.objects.create(
        kind="drift",
        detail="amount-differs",
        order=order,
        transaction_id="7725300131236543210987",
        amount=Decimal("5.00"),
        currency="USD",
        evidence={
            "shop": {"kind": "Debit", "amount": "5.00", "currency": "USD", "status": "ACCEPT"},
            "gateway": {"kind": "capture", "amount": "7.50", "currency": "USD", "date": "2026-11-28T09:00:00+00:00"},
        },
    )
    page = boss.get(url(item)).content.decode()
    rows = re.findall(r"<tr(.*?)>\s*<th scope=\"row\">(.*?)</th>\s*<td.*?>(.*?)</td>\s*<td.*?>(.*?)</td>", page)
    told = {name: (shop, gateway, "warning" in row) for row, name, shop, gateway in rows}
    assert told["Amount"] == ("5.00", "7.50", True) and told["Currency"] == ("USD", "USD", False)
    assert told["Status"] == ("ACCEPT", "-", False) and "2026" in told["Date"][1]
