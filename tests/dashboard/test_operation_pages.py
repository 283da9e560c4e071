"""The money desk in Oscar's dashboard: what staff ask of a payment, are told before it is done, and do once."""

from __future__ import annotations

import re
from copy import copy
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from oscar.core.compat import get_user_model
from oscar.core.loading import get_model

from cybersource.dashboard import order as order_tab
from cybersource.models import PaymentOperation
from cybersource.simulator import cards
from tests.support.desk import events, notes, source_of, transactions
from tests.support.reviewing import Case, tell, under_review
from tests.support.shop import Shopper
from tests.support.threads import in_threads

Line = get_model("order", "Line")
Source = get_model("payment", "Source")
SourceType = get_model("payment", "SourceType")
Transaction = get_model("payment", "Transaction")
User = get_user_model()

SEE, MOVE = "view_paymentoperation", "move_money"
ORDERS = ("dashboard_access", "view_order")


def user(name: str, *permissions: str, **more: Any) -> Client:
    made = User.objects.create_user(name, f"{name}@shop.example", "-", **{"is_staff": True, **more})
    made.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return as_user(made)


def as_user(made: Any, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(made)
    return client


@pytest.fixture
def ines(desk) -> Client:
    return as_user(desk.staff)


def words(response: Any) -> str:
    html = response.content.decode()
    html = html.partition('<div class="content">')[2] or html
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<style.*?</style>", "", html, flags=re.S))).split())


def url(on: Any, act: str) -> str:
    return f"/api/cybersource/payments/{on.pk}/{act}/"


def form(client: Client, address: str) -> dict[str, str]:
    """The form's hidden fields, as a browser has them after it read the page."""
    html = client.get(address).content.decode()
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)
    return {name: value for name, value in hidden if name != "csrfmiddlewaretoken"}


def ask(client: Client, on: Any, act: str, **typed: Any) -> Any:
    """Fill in a fresh form and go all the way, past the page that says what will happen."""
    kept = {"how": "all", "reason": "shipped", **form(client, url(on, act)), **typed}
    return client.post(url(on, act), {**kept, "step": "do"}, follow=True)


def buttons(client: Client, order: Any) -> list[str]:
    """What the order's page offers, in its order."""
    html = client.get(f"/dashboard/orders/{order.number}/").content.decode()
    return re.findall(r'href="/api/cybersource/payments/\d+/([\w-]+)/"', html)


# -- what the order's page offers ------------------------------------------------------------------------------------


@pytest.mark.quick
def test_the_order_shows_what_is_left_and_the_buttons_that_the_state_allows(desk, ines):
    order = desk.order("64.50")
    assert buttons(ines, order) == ["capture", "reverse"]
    desk.do("capture", desk.authorization(order), amount=desk.authorization(order).amount - 60, is_last=False)
    assert buttons(ines, order) == ["capture", "reverse", "give-back", "refund", "void", "give-back"]
    page = words(ines.get(f"/dashboard/orders/{order.number}/"))
    assert "Captured $9.50 Refunded $0.00 Left to capture $60.00 Left to refund $9.50" in page
    assert "Captured $9.50 captured" in page and "Held on the card $69.50 captured in part" in page
    desk.do("reverse", desk.authorization(desk.order("10.00")))


def test_a_captured_and_refunded_payment_offers_what_is_left_of_it(desk, ines):
    order = desk.captured("64.50")
    desk.do("refund", desk.debit(order))
    assert buttons(ines, order) == ["void"]  # of the refund
    page = words(ines.get(f"/dashboard/orders/{order.number}/"))
    assert "Left to capture $0.00 Left to refund $0.00" in page


def test_the_page_tells_who_asked_what_and_when_everything_happened(desk, ines):
    order = desk.order("64.50")
    done = desk.do("capture", desk.authorization(order), reason="parcel one")
    page = words(ines.get(f"/dashboard/orders/{order.number}/"))
    assert "Capture $69.50 Done parcel one ines, " in page
    story = page.partition("Everything in the order in which it happened")[2]
    first, second = f"Capture 69.50 USD ({done.reference_number}) requested by ines: parcel one", "Capture 69.50 USD"
    assert 0 < story.index("begun, 69.50 USD") < story.index("Browser:") < story.index(first)
    assert story.rindex(second) > story.index(first)


def test_a_shop_without_a_key_for_it_shows_the_money_and_offers_nothing(desk, ines, settings):
    order = desk.order("64.50")
    settings.CYBERSOURCE_REST_KEY_ID = ""
    assert buttons(ines, order) == []
    assert "Left to capture $69.50" in words(ines.get(f"/dashboard/orders/{order.number}/"))


def test_an_operation_under_way_is_told_and_nothing_that_it_holds_back_is_offered(desk, ines):
    order = desk.order("64.50")
    desk.rest.faults.next("no-answer", action="captures")
    response = ask(ines, desk.authorization(order), "capture")
    assert "Outcome not known yet" in words(response)
    assert "Do not try it again" in words(response)
    page = words(ines.get(f"/dashboard/orders/{order.number}/"))
    assert "Its outcome is not known yet. It is being looked up: do not try it again." in page
    assert buttons(ines, order) == []


# -- asking ----------------------------------------------------------------------------------------------------------


def test_lines_are_captured_after_the_page_that_says_what_will_happen(desk, ines):
    order = desk.order("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    hold = desk.authorization(order)
    page = words(ines.get(url(hold, "capture")))
    assert "All that is left: $35.00" in page and "of 1 left" in page and "Authorized $35.00" in page
    typed = {
        **form(ines, url(hold, "capture")),
        "how": "lines",
        f"line_{first.pk}": "1",
        f"line_{second.pk}": "0",
        "more_later": "on",
        "reason": "parcel 1 of 2",
        "reference": "PARCEL-7",
    }
    told = ines.post(url(hold, "capture"), {**typed, "step": "preview"})
    assert "10.00 USD are captured from the shopper's card now. More can be captured later." in words(told)
    assert f"1 × {first.title}" in words(told) and "parcel 1 of 2" in words(told)
    assert not PaymentOperation.objects.exists()

    changed = ines.post(url(hold, "capture"), {**typed, "step": "change"})
    assert 'value="parcel 1 of 2"' in changed.content.decode() and 'value="PARCEL-7"' in changed.content.decode()
    kept = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', told.content.decode()))
    done = ines.post(url(hold, "capture"), {**kept, "step": "do"}, follow=True)
    assert "Done The amount is captured from the shopper's card." in words(done)
    operation = PaymentOperation.objects.get()
    assert (operation.user, operation.reason, operation.reference) == (desk.staff, "parcel 1 of 2", "PARCEL-7")
    assert (operation.lines, operation.is_last) == ({str(first.pk): 1}, False)
    assert source_of(order)[1] == first.line_price_incl_tax == desk.rest.transactions[-1].amount
    assert "parcel 1 of 2" in notes(order)

    left = ines.get(url(hold, "capture")).content.decode()
    assert f'name="line_{second.pk}"' in left and f'name="line_{first.pk}"' not in left


def test_all_that_is_left_is_booked_on_the_lines_that_are_left(desk, ines):
    order = desk.order("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    hold = desk.authorization(order)
    ask(ines, hold, "capture", how="lines", more_later="on", **{f"line_{first.pk}": 1, f"line_{second.pk}": 0})
    ask(ines, hold, "capture", how="all")
    assert source_of(order)[1] == 35
    assert events(order)[1:] == [("Debit", "10.00", [1]), ("Debit", "25.00", [1])]


def test_lines_are_captured_with_their_shipping_when_staff_say_so(desk, ines):
    order = desk.order("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    lines = {f"line_{first.pk}": 1, f"line_{second.pk}": 0}
    ask(ines, desk.authorization(order), "capture", how="lines", lines_amount="15.00", more_later="on", **lines)
    assert events(order)[-1] == ("Debit", "15.00", [1])


def test_a_line_is_refunded_and_then_an_amount(desk, ines):
    order = desk.captured("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    debit = desk.debit(order)
    page = ask(ines, debit, "refund", how="lines", **{f"line_{first.pk}": 1, f"line_{second.pk}": 0})
    assert "Done The refund waits for the next batch" in words(page)
    ask(ines, debit, "refund", how="amount", amount="2.50")
    assert source_of(order)[2] == first.line_price_incl_tax + Decimal("2.50")
    assert [each.amount for each in desk.rest.book if each.kind == "refund"] == [10, 2.5]


def test_money_goes_back_by_whatever_the_state_asks_for_and_the_page_says_which(desk, ines):
    young = desk.captured("64.50")
    page = ines.post(
        url(desk.debit(young), "give-back"),
        {**form(ines, url(desk.debit(young), "give-back")), "how": "all", "reason": "sold out", "step": "preview"},
    )
    assert "The charge of 69.50 USD is stopped before it reaches the bank." in words(page)
    assert "If it has gone to the bank already, it is refunded instead." in words(page)
    ask(ines, desk.debit(young), "give-back", how="all")
    assert source_of(young)[1] == 0 and [kind for kind, _a, _s in transactions(young)][2:] == ["Void", "Reversal"]

    part = desk.captured("64.50")
    page = ask(ines, desk.debit(part), "give-back", how="amount", amount="10.00")
    assert source_of(part)[2] == 10 and transactions(part)[-1] == ("Refund", "10.00", "ACCEPT")

    held = desk.order("64.50")
    page = ask(ines, desk.authorization(held), "reverse")
    assert "The hold is released." in words(page) and source_of(held)[0] == 0


def test_the_whole_payment_goes_back_with_one_press(desk, ines):
    order = desk.order("10.00", "20.00")
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=hold.amount - 5, is_last=False)
    desk.rest.advance(hours=30)
    page = ask(ines, hold, "give-back")
    assert page.status_code == 200
    assert source_of(order)[1] - source_of(order)[2] == 0
    assert desk.payment(order).held == 0 and desk.payment(order).left_to_refund == 0


def test_a_payment_under_review_is_accepted_or_rejected_by_those_who_may_decide(desk, ines):
    order = desk.order("64.50", card=cards.REVIEW)
    hold = desk.authorization(order)
    assert buttons(ines, order) == ["accept-review", "reject-review", "reverse"]
    mover, decider = user("mover", SEE, MOVE, *ORDERS), user("decider", SEE, "decide_review", *ORDERS)
    # To release the hold would end the review.
    assert buttons(mover, order) == [] and buttons(decider, order) == ["accept-review", "reject-review"]
    assert mover.get(url(hold, "accept-review")).status_code == 403
    assert decider.get(url(hold, "reverse")).status_code == 403
    listed = words(decider.get("/api/cybersource/reviews/"))
    assert f"Accept #{order.number} Reject #{order.number}" in listed
    assert "Accept #" not in words(mover.get("/api/cybersource/reviews/"))
    done = ask(decider, hold, "accept-review", reason="known guest")
    assert "Done The payment is accepted and counts towards the order." in words(done)
    order.refresh_from_db()
    assert order.status == "Authorized" and "known guest" in notes(order)

    bad = desk.order("64.50", card=cards.REVIEW)
    hold = desk.authorization(bad)
    kept = {**form(decider, url(hold, "reject-review")), "reason": "stolen card", "step": "preview"}
    told = words(decider.post(url(hold, "reject-review"), kept))
    assert "The payment of 69.50 USD is rejected. The order is declined unless other money covers it." in told
    assert "The hold on the shopper's card is then released automatically." in told
    decider.post(url(hold, "reject-review"), {**kept, "step": "do"})
    bad.refresh_from_db()
    assert bad.status == "Payment Declined"


def test_a_review_is_told_as_it_was_decided_also_after_the_money_went_back(desk, ines, settings):
    settings.CYBERSOURCE_AUTO_REVERSE = False
    shopper = Shopper(gateway=desk.simulator.gateway)
    for decide, told in (
        (lambda case: case.add_note("looks odd"), "released"),
        (Case.reject, "Rejected"),
        (Case.accept, "Accepted"),
    ):
        case = under_review(shopper)
        assert tell(decide(case)) == 200
        desk.do("reverse", case.transaction)
        page = words(ines.get(f"/dashboard/orders/{case.order.number}/"))
        assert f"Payment reviews {told} $69.50 {case.request_id}" in page


# -- once --------------------------------------------------------------------------------------------------------------


def test_a_double_click_is_one_call_and_both_lead_to_its_page(desk, ines):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    typed = {**form(ines, url(hold, "capture")), "how": "all", "reason": "shipped", "step": "do"}
    where = in_threads(lambda _: ines.post(url(hold, "capture"), typed).headers["Location"], 6)
    assert set(where) == {f"/api/cybersource/operations/{PaymentOperation.objects.get().pk}/"}
    assert len(desk.calls("captures")) == 1
    again = ines.post(url(hold, "capture"), typed)  # and the way back through the browser's history
    assert again.headers["Location"] == where[0]


def test_two_staff_who_press_at_once_make_one_call_and_the_slower_is_shown_the_new_state(desk, ines):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    both = [ines, user("bo", SEE, MOVE)]
    typed = [{**form(one, url(hold, "capture")), "how": "amount", "amount": "10.00", "reason": "mine"} for one in both]
    pressed = in_threads(lambda n: both[n].post(url(hold, "capture"), {**typed[n], "step": "do"}), 2)
    assert sorted(each.status_code for each in pressed) == [302, 409]
    slower = next(each for each in pressed if each.status_code == 409)
    assert "Something happened to this payment since you looked. Your request changed nothing." in words(slower)
    assert "Capture $10.00" in words(slower)
    assert len(desk.calls("captures")) == 1


def test_a_page_that_is_no_longer_true_shows_how_the_payment_stands_now_and_can_be_used(desk, ines):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    old = {**form(ines, url(hold, "capture")), "how": "amount", "amount": "60.00", "reason": "shipped"}
    desk.do("capture", hold, amount=Decimal("20.00"), is_last=False)
    stale = ines.post(url(hold, "capture"), {**old, "step": "do"})
    assert stale.status_code == 409 and "All that is left: $49.50" in words(stale)
    assert len(desk.calls("captures")) == 1
    fresh = dict(re.findall(r'<input type="hidden" name="(key|seen)" value="([^"]*)"', stale.content.decode()))
    assert fresh["key"] != old["key"]
    ines.post(url(hold, "capture"), {**old, **fresh, "amount": "49.50", "step": "do"})
    assert source_of(order)[1] == hold.amount


def test_a_page_that_was_read_before_a_reviewer_decided_elsewhere_does_nothing(desk, ines):
    case = under_review(Shopper(gateway=desk.simulator.gateway))
    at = url(case.transaction, "reverse")
    old = {**form(ines, at), "reason": "looks stolen"}
    assert tell(case.accept()) == 200 and case.status == "Authorized"
    stale = ines.post(at, {**old, "step": "do"})
    assert stale.status_code == 409 and not desk.calls("reversals")
    assert "Something happened to this payment since you looked. Your request changed nothing." in words(stale)


# -- what is not begun -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"how": "amount", "amount": "69.51"}, "69.50 USD can still be captured."),
        ({"how": "amount", "amount": "0"}, "The amount must be more than nothing."),
        ({"how": "amount", "amount": "1.001"}, "Write an amount in USD with no more than 2 decimals."),
        ({"how": "amount", "amount": "1.000"}, "Write an amount in USD with no more than 2 decimals."),  # a thousand?
        ({"how": "amount", "amount": "NaN"}, "Enter a number."),
        ({"how": "amount", "amount": "-3"}, "The amount must be more than nothing."),
        ({"how": "amount"}, "Write the amount."),
        ({"how": "lines"}, "Write how many of which line."),
        ({"how": "lines", "LINE": "2"}, "Ensure this value is less than or equal to 1."),
        ({"how": "lines", "LINE": "1", "lines_amount": "70"}, "69.50 USD can still be captured."),
        ({"how": "nonsense"}, "Select a valid choice."),
        ({"reason": " "}, "This field is required."),
        ({"reason": "x" * 256}, "Ensure this value has at most 255 characters"),
    ],
)
def test_what_makes_no_sense_is_told_at_its_field_and_nothing_is_sent(desk, ines, typed, told):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    line = order.lines.get()
    typed = {name.replace("LINE", f"line_{line.pk}"): value for name, value in typed.items()}
    for step in ("preview", "do"):
        kept = {"how": "all", "reason": "shipped", **form(ines, url(hold, "capture")), **typed, "step": step}
        response = ines.post(url(hold, "capture"), kept)
        assert response.status_code == 400 and told in words(response)
        for value in typed.values():
            assert value in response.content.decode()
    assert not PaymentOperation.objects.exists()


def test_what_cannot_be_done_says_why_and_offers_no_form(desk, ines):
    order = desk.captured("64.50")
    response = ines.get(url(desk.authorization(order), "capture"))
    assert "This cannot be done now. “Capture” is not possible while the transaction is captured." in words(response)
    assert "<textarea" not in response.content.decode() and 'name="reason"' not in response.content.decode()
    assert "cannot be done now" in words(ines.get(url(desk.debit(order), "reverse")))


def test_without_the_keys_of_the_rest_door_the_page_says_which_setting_is_missing(desk, ines, settings):
    order = desk.order()
    settings.CYBERSOURCE_REST_KEY_ID = ""
    response = ask(ines, desk.authorization(order), "capture", how="all")
    assert "CYBERSOURCE_REST_KEY_ID" in words(response) and not PaymentOperation.objects.exists()


def test_a_payment_of_another_app_and_one_that_is_not_there_are_pages_not_found(desk, ines):
    order = desk.order()
    other = Source.objects.create(order=order, source_type=SourceType.objects.create(name="Cash"), currency="USD")
    cash = Transaction.objects.create(source=other, txn_type="Authorise", amount="5.00", reference="CASH")
    for address in (url(cash, "capture"), "/api/cybersource/payments/999999/capture/", url(cash, "steal")):
        assert ines.get(address).status_code == 404
        assert ines.post(address, {"step": "do"}).status_code == 404


# -- how it ends -------------------------------------------------------------------------------------------------------


def test_what_is_refused_is_told_with_the_reason_in_words_and_what_to_do(desk, ines):
    order = desk.captured("64.50")
    desk.rest.advance(hours=8)
    response = ask(ines, desk.debit(order), "void")
    shown = words(response)
    assert "Refused: nothing was done" in shown
    assert "It cannot be voided any more: it has gone to the bank." in shown and "refund it instead" in shown
    assert "NOT_VOIDABLE" in shown and PaymentOperation.objects.latest("pk").request_id in shown


def test_what_never_left_says_that_it_may_be_tried_again(desk, ines, settings):
    order = desk.order()
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    shown = words(ask(ines, desk.authorization(order), "capture", how="all"))
    assert "Not sent: nothing was done" in shown and "Try it again." in shown


def test_the_rest_of_a_hold_that_cannot_be_released_is_said_to_end_by_itself(desk, ines):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    desk.do("capture", hold, amount=Decimal("20.00"), is_last=False)
    shown = words(ask(ines, hold, "reverse"))
    assert "The hold is left to lapse at the bank" in shown and "nothing more is charged" in shown


def test_the_page_of_an_operation_lists_its_calls_and_leads_to_the_log(desk, ines):
    order = desk.order()
    desk.do("capture", desk.authorization(order))
    operation = PaymentOperation.objects.get()
    page = ines.get(f"/api/cybersource/operations/{operation.pk}/")
    assert f'href="/api/cybersource/log/{operation.log_id}/"' in page.content.decode()
    assert "Processed Capture" in words(page) and "HTTP 201" in words(page)
    seer = user("seer", SEE).get(f"/api/cybersource/operations/{operation.pk}/")
    assert seer.status_code == 200 and "/log/" not in seer.content.decode()


# -- who may what ------------------------------------------------------------------------------------------------------


def test_looking_is_one_permission_and_moving_money_another(desk, ines):
    order = desk.order("64.50")
    hold = desk.authorization(order)
    looker = user("looker", SEE, *ORDERS)
    assert buttons(looker, order) == []
    assert "Left to capture $69.50" in words(looker.get(f"/dashboard/orders/{order.number}/"))
    typed = {**form(ines, url(hold, "capture")), "how": "all", "reason": "mine", "step": "do"}
    mover, seller = user("mover", MOVE), user("seller", SEE, MOVE, is_staff=False)
    for client in (looker, mover, seller):
        assert client.get(url(hold, "capture")).status_code == 403
        assert client.post(url(hold, "capture"), typed).status_code == 403
    stranger = Client().get(url(hold, "capture"))
    assert (stranger.status_code, stranger.headers["Location"]) == (
        302,
        f"/dashboard/login/?next={url(hold, 'capture')}",
    )
    assert not PaymentOperation.objects.exists()
    assert user("both", SEE, MOVE).post(url(hold, "capture"), typed).status_code == 302


def test_money_moves_by_a_post_with_a_csrf_token_only(desk, ines):
    hold = desk.authorization(desk.order())
    strict = as_user(desk.staff, enforce_csrf_checks=True)
    typed = {**form(ines, url(hold, "capture")), "how": "all", "reason": "mine", "step": "do"}
    assert strict.post(url(hold, "capture"), typed).status_code == 403
    assert strict.get(url(hold, "capture"), typed).status_code == 200
    assert not PaymentOperation.objects.exists()


def test_a_card_number_in_a_reason_is_masked_and_markup_is_text(desk, ines):
    order = desk.order()
    hold = desk.authorization(order)
    typed = {
        **form(ines, url(hold, "capture")),
        "how": "all",
        "reason": "4111 1111 1111 1111 <script>alert(1)</script>",
    }
    told = ines.post(url(hold, "capture"), {**typed, "step": "preview"}).content.decode()
    done = ines.post(url(hold, "capture"), {**typed, "step": "do"}, follow=True).content.decode()
    page = ines.get(f"/dashboard/orders/{order.number}/").content.decode()
    for html in (told.partition("<form")[0], done, page):
        assert "4111 1111 1111 1111" not in html and "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in done


# -- what it costs -----------------------------------------------------------------------------------------------------


def statements(story: Any) -> list[str]:
    with CaptureQueriesContext(connection) as ran:
        story()
    return [query["sql"] for query in ran]


def test_every_page_takes_the_same_statements_at_1_10_and_100_lines_and_many_operations(desk, ines):
    counts = {}
    for many in (1, 10, 100):
        order = desk.order("64.50")
        line = order.lines.get()
        line.pk, line.line_price_incl_tax = None, Decimal("0.10")
        Line.objects.bulk_create(copy(line) for _each in range(many - 1))
        hold = desk.authorization(order)
        desk.do("capture", hold, amount=Decimal("1.00"), is_last=False)
        if many > 1:
            PaymentOperation.objects.bulk_create(
                PaymentOperation(
                    kind="refund",
                    state="refused",
                    order=order,
                    source=hold.source,
                    transaction=desk.debit(order),
                    amount="1.00",
                    currency="USD",
                    reference_number=f"{order.number}-R{number}",
                    reason="again",
                )
                for number in range(100, 100 + many)
            )
        operation = PaymentOperation.objects.filter(order=order).first()
        ines.get("/dashboard/")
        typed = {"how": "all", "reason": "shipped", **form(ines, url(hold, "capture")), "step": "preview"}
        counts[many] = (
            len(statements(lambda hold=hold: ines.get(url(hold, "capture")))),
            len(statements(lambda hold=hold, typed=typed: ines.post(url(hold, "capture"), typed))),
            len(statements(lambda operation=operation: ines.get(f"/api/cybersource/operations/{operation.pk}/"))),
            len(statements(lambda order=order: order_tab.for_order(order))),
        )
    print("statements of the form, the preview, an operation, and the order's tab:", counts)
    assert len(set(counts.values())) == 1, counts
