"""The order's page in Oscar's dashboard: staff see what happened to a card payment, and what to do about it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.template import engines
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.compat import get_user_model
from oscar.core.loading import get_model
from oscar.test.factories import create_order

from cybersource.checkout import begin
from cybersource.dashboard import order as order_tab
from cybersource.models import CyberSourceReply, PaymentAttempt, PaymentToken, ReviewNotificationUpdate
from cybersource.operations import service
from cybersource.payments import balance
from cybersource.simulator import cards
from cybersource.simulator.review import Followon, Update
from tests.support.shop import MERCHANT_POST, card, post_notification, post_reply

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")
Partner = get_model("partner", "Partner")
User = get_user_model()

#: What it takes to see an order in the dashboard: the one for partners, the other for staff since Oscar 4.
SEE_ORDERS = ("dashboard_access", "view_order")

#: And to see the money of one.
SEE_MONEY = (*SEE_ORDERS, "view_paymentoperation")

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def staff(committed_db) -> Client:
    return as_user(User.objects.create_superuser("boss", "boss@shop.example", "-"))


def as_user(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, order: Any) -> str:
    response = client.get(f"/dashboard/orders/{order.number}/")
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def panel(client: Client, order: Any) -> str:
    """Our part of the page: the tab, which comes last."""
    return our_tab(page(client, order))


def our_tab(html: str) -> str:
    _before, found, tab = html.partition('id="card-payments"')
    assert found, "there is no tab of card payments"
    return tab.partition("<script")[0]


def tab(client: Client, order: Any) -> str:
    return words("<" + panel(client, order))


def alarms(client: Client, order: Any) -> list[str]:
    """What stands above the tabs for somebody to look at."""
    boxes = re.findall(r'<div class="alert[^"]*text-break".*?</div>', page(client, order), re.S)
    return [words(box) for box in boxes]


def told(shopper: Any, **update: Any) -> Any:
    """Decision Manager tells something of the payment under review."""
    reviewed = shopper.gateway.cases[0]
    xml = shopper.gateway.notification_xml(
        [Update(reference_number=reviewed.reference_number, request_id=reviewed.transaction_id, **update)]
    )
    response = post_notification(xml)
    assert response.status_code == 200
    return response


def changed(shopper: Any, answer: Any, **other: str) -> Any:
    """The same answer with other words, signed by CyberSource all the same."""
    unsigned = ("signature", "signed_field_names", "signed_date_time")
    return shopper.gateway.sign_reply({**{k: v for k, v in answer.reply if k not in unsigned}, **other})


# -- what the tab tells ------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_a_paid_order_shows_its_payment_in_plain_words(shopper, staff):
    order = shopper.check_out("64.50")
    shopper.pay()
    shown = tab(staff, order)
    reply = CyberSourceReply.objects.get()
    for expected in (
        "Order total $69.50",
        "Authorized on cards $69.50",
        "covers the order",
        "Payment 1: $69.50 Visa xxxxxxxxxxxx1111, expires 12-2031",
        "One step: authorize and store the card",
        "ACCEPT 100 The transaction succeeded.",
        "Address check: Street and",
        "The verification number matches.",
        reply.transaction_id,
        "Browser",
        "Took effect",
    ):
        assert expected in shown
    assert alarms(staff, order) == []


def test_a_two_step_payment_is_one_payment_with_two_steps(shopper, staff, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out()
    shopper.pay()
    shown = tab(staff, order)
    assert "Payment 1:" in shown and "Payment 2:" not in shown
    assert shown.index("Storing the card, which moves no money Card stored") < shown.index("Authorization Authorized")


def test_a_sale_shows_what_was_taken(shopper, staff, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    order = shopper.check_out("64.50")
    shopper.pay()
    assert "Captured from cards $69.50" in tab(staff, order)


def test_a_declined_card_and_the_one_that_paid_are_both_shown_newest_first(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.DECLINED)
    shopper.check_out()
    shopper.pay(cards.APPROVED_MASTERCARD, card_type="002")
    shown = tab(staff, order)
    assert shown.index("Mastercard xxxxxxxxxxxx4444") < shown.index("Visa xxxxxxxxxxxx0203")
    assert "DECLINE 203 The bank declined the card without saying why." in shown
    assert alarms(staff, order) == []


def test_fields_that_cybersource_found_wrong_are_named(shopper, staff):
    order = shopper.check_out()
    shopper.deliver(shopper.submit(card(card_expiry_date="13-2031")))
    shown = tab(staff, order)
    assert "Fields: card_expiry_date" in shown
    assert "Not processed" in shown


def test_a_card_is_shown_as_far_as_the_profile_shows_it(shopper, staff):
    order = shopper.check_out()
    shopper.pay()
    CyberSourceReply.objects.update(card_expiry_date="", card_type="999")
    shown = tab(staff, order)
    assert "xxxxxxxxxxxx1111 " in shown and "expires" not in shown


def test_each_delivery_says_what_it_did(shopper, staff):
    order = shopper.check_out()
    answer = shopper.submit()
    shopper.deliver(answer)
    post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST)
    shown = tab(staff, order)
    assert shown.index("Took effect") < shown.index("Duplicate, no effect")
    assert "Merchant POST" in shown


def test_a_form_without_an_answer_is_explained_once_it_is_old(shopper, staff):
    order = shopper.check_out()
    assert "No message from CyberSource yet." in tab(staff, order)
    assert "No answer came" not in tab(staff, order)
    PaymentAttempt.objects.update(date_signed=timezone.now() - timedelta(hours=1))
    assert "The shopper never saw this form, so it cannot have charged a card." in tab(staff, order)
    shopper.form()
    PaymentAttempt.objects.update(date_signed=timezone.now() - timedelta(hours=1))
    assert "No answer came: the shopper most likely left. If they say they paid" in tab(staff, order)
    PaymentAttempt.objects.update(transaction_type="create_payment_token")
    assert "This step moves no money." in tab(staff, order)
    assert alarms(staff, order) == []


def test_a_form_that_was_shown_again_later_says_so(shopper, staff):
    order = shopper.check_out()
    assert "Form shown again" not in tab(staff, order)
    PaymentAttempt.objects.update(date_created=timezone.now() - timedelta(minutes=10))
    assert "Form shown again" in tab(staff, order)


def test_money_paid_by_other_means_is_counted_apart(shopper, staff):
    order = shopper.check_out("64.50")
    shopper.pay(cards.REVIEW)
    source_type = get_model("payment", "SourceType").objects.create(name="Voucher")
    order.sources.create(source_type=source_type, currency="USD", amount_allocated="9.50")
    shown = tab(staff, order)
    assert "By other payment methods $9.50" in shown
    assert "of which under review $69.50" in shown
    assert "Counts towards the order $9.50 $60.00 missing" in shown


def test_a_refund_is_shown(shopper, staff, settings):
    settings.CYBERSOURCE_FLOW = "sale"
    order = shopper.check_out("64.50")
    shopper.pay()
    order.sources.update(amount_refunded="10.00")
    assert "Refunded to cards $10.00" in tab(staff, order)


# -- reviews -----------------------------------------------------------------------------------------------------


def test_a_payment_under_review_is_told_above_the_tabs_with_what_to_do(shopper, staff):
    order = shopper.check_out("64.50")
    shopper.pay(cards.REVIEW)
    [alarm] = alarms(staff, order)
    assert alarm.startswith("A card payment is under review CyberSource holds 69.50 USD")
    assert "What to do: Do not ship yet." in alarm
    assert "Waits for a decision" in tab(staff, order)


def test_an_order_that_is_paid_although_under_review_says_so(shopper, staff, settings):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    [alarm] = alarms(staff, order)
    assert "The order counts as paid all the same." in alarm


def test_a_decided_review_shows_who_decided_what_and_why(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    case = shopper.gateway.cases[0]
    post_notification(shopper.gateway.add_note(case.id, "bo", "Called, no answer.").body)
    decided = shopper.gateway.decide(case.id, "ACCEPT", reviewer="ana", comments="Known guest.", settle=True)
    post_notification(decided.body)
    shown = tab(staff, order)
    assert alarms(staff, order) == []
    assert "Accepted" in shown
    assert "Reviewer ana Comments Known guest. Queue Review Queue" in shown
    assert "Credit Card Settlement Success 100" in shown
    assert shown.count("Called, no answer.") == 1


def test_a_rejected_payment_reminds_staff_of_the_hold_on_the_card(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    told(shopper, new_decision="REJECT", reviewer="ana")
    shown = tab(staff, order)
    assert "Rejected" in shown
    assert "Release the authorization in the CyberSource Business Center unless the reviewer did" in shown
    [alarm] = alarms(staff, order)
    assert alarm.startswith("A rejected payment may still hold the shopper's money")


def test_a_reversal_that_was_told_needs_no_reminder(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    followon = Followon(request_id="7700000000000000000001", application="Credit Card Full Authorization Reversal")
    told(shopper, new_decision="REJECT", reviewer="ana", followon=followon)
    shown = tab(staff, order)
    assert "Credit Card Full Authorization Reversal Success" in shown
    assert "unless the reviewer did" not in shown


def test_two_decisions_that_contradict_each_other_need_eyes(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    told(shopper, new_decision="ACCEPT", reviewer="ana")
    told(shopper, new_decision="REJECT", reviewer="bo")
    [alarm] = alarms(staff, order)
    assert "is ACCEPT here; Decision Manager also reports REJECT" in alarm
    assert "Ask bo which of the two counts" in alarm
    assert "Against what was decided before" in tab(staff, order)


def test_a_rejected_payment_of_a_shipped_order_needs_eyes(shopper, staff, settings):
    settings.CYBERSOURCE_REVIEW_HOLDS_ORDER = False
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    Order.objects.update(status="Shipped")
    told(shopper, new_decision="REJECT", reviewer="ana")
    hold, parcel = alarms(staff, order)
    assert parcel.startswith("A reviewer rejected a payment of this order") and "Stop the parcel" in parcel
    assert hold.startswith("A rejected payment may still hold the shopper's money")


def test_a_review_that_could_not_be_recorded_needs_eyes(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    told(shopper, reviewer="ana", comments="Looking")
    ReviewNotificationUpdate.objects.update(state="failed")
    assert any("cybersource_reprocess" in alarm for alarm in alarms(staff, order))


def test_another_merchants_review_is_not_shown(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    told(shopper, reviewer="ana", comments="Not about your shop")
    ReviewNotificationUpdate.objects.update(state="foreign")
    assert "Not about your shop" not in tab(staff, order)


# -- what needs eyes ---------------------------------------------------------------------------------------------


def test_an_unknown_outcome_says_to_look_it_up_before_charging_again(shopper, staff):
    order = shopper.check_out("64.50")
    shopper.deliver(shopper.submit(card(cards.UNKNOWN)))
    [alarm] = alarms(staff, order)
    assert alarm.startswith("The outcome of a card payment is unknown It is not known yet whether 69.50 USD was")
    assert f"Look order {order.number} up in the CyberSource Business Center before you charge" in alarm


def test_an_unknown_outcome_on_an_order_that_went_on_says_to_reverse_a_charge(shopper, staff):
    order = shopper.check_out()
    shopper.deliver(shopper.submit(card(cards.UNKNOWN)))
    Order.objects.update(status="Authorized")
    [alarm] = alarms(staff, order)
    assert "The order goes on without this payment, so cancel or refund the charge if you find one." in alarm


@pytest.mark.usefixtures("one_step")
def test_the_only_charge_of_an_order_that_staff_made_cheaper_is_not_told_to_be_given_back(shopper, staff):
    order = shopper.check_out("64.50")
    answer = shopper.submit()
    Order.objects.filter(pk=order.pk).update(total_incl_tax="60.00", total_excl_tax="60.00")
    shopper.deliver(answer)
    [alarm] = alarms(staff, order)
    assert "With this charge, more is charged than the order costs: 69.50 USD" in alarm
    assert "If another payment covers the order, cancel or refund this one; otherwise capture what the order" in alarm
    assert "$9.50 more than the order costs" in tab(staff, order)
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_a_second_charge_names_the_transaction_to_reverse(shopper, staff):
    order = shopper.check_out("64.50")
    answer = shopper.submit()
    shopper.deliver(answer)
    post_reply(changed(shopper, answer, transaction_id="7000000000000000000042"))
    [alarm] = alarms(staff, order)
    assert "A second charge on an order that was already paid: 69.50 USD, transaction 7000000000000000000042." in alarm
    assert "Cancel or refund it, here or in the CyberSource Business Center, unless both were meant." in alarm
    assert "$69.50 more than the order costs" in tab(staff, order)


def test_part_of_the_money_is_not_taken_for_all_of_it(shopper, staff):
    order = shopper.check_out("64.50")
    shopper.pay(cards.PARTIAL)
    [alarm] = alarms(staff, order)
    assert "Only part of the amount was approved: 34.75 USD" in alarm
    assert "$69.50 missing" in tab(staff, order)


def test_an_authorization_that_was_kept_comes_with_advice(shopper, staff):
    order = shopper.check_out()
    shopper.pay()
    with transaction.atomic():
        begin.void(PaymentAttempt.objects.get())
    [alarm] = alarms(staff, order)
    assert "It pays for nothing any more. Cancel or refund it, here or in the CyberSource Business Center." in alarm


def test_an_accepted_payment_of_another_amount_is_not_believed_and_needs_eyes(shopper, staff):
    order = shopper.check_out()
    answer = shopper.submit()
    post_reply(changed(shopper, answer, req_amount="1.00"))
    [alarm] = alarms(staff, order)
    assert "it names another amount than the shop requested" in alarm
    assert "Fits no attempt of ours it names another amount" in tab(staff, order)


def test_a_reply_that_could_not_be_recorded_needs_eyes(shopper, staff):
    order = shopper.check_out()
    shopper.pay()
    CyberSourceReply.objects.update(result="received")
    assert alarms(staff, order) == []  # it may be under way
    CyberSourceReply.objects.update(date_created=timezone.now() - timedelta(minutes=5))
    [alarm] = alarms(staff, order)
    assert alarm.startswith("A message from CyberSource could not be recorded")


# -- who sees it, and what nobody sees ---------------------------------------------------------------------------


def test_no_token_no_session_hash_and_no_address_is_on_the_page(shopper, staff, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    order = shopper.check_out()
    shopper.pay()
    html = page(staff, order)
    hidden = [PaymentToken.objects.get().token]
    for attempt in PaymentAttempt.objects.all():
        hidden += [attempt.session_hash, attempt.access_key, attempt.transaction_uuid]
        hidden += [entry.request_token for entry in attempt.replies.all()]
    for value in hidden:
        assert value and value not in html
    for private in ("Harbour", "maya@example.com", "203.0.113.24"):
        assert private not in panel(staff, order)


def test_what_reviewers_and_cards_say_is_shown_as_text_and_never_runs(shopper, staff):
    order = shopper.check_out()
    answer = shopper.submit(card(cards.REVIEW))
    hostile = {"auth_avs_code": "<b>", "auth_cv_result": "<i>", "auth_code": "<u>", "invalid_fields": SCRIPT}
    post_reply(changed(shopper, answer, **hostile))
    shopper.deliver(answer)
    told(
        shopper,
        new_decision="ACCEPT",
        reviewer=SCRIPT,
        comments=f"{SCRIPT} one\ntwo",
        queue=SCRIPT,
        followon=Followon(request_id="7700000000000000000001", application=SCRIPT, status=SCRIPT),
    )
    told(shopper, new_decision="REJECT", reviewer=SCRIPT)
    html = page(staff, order)
    assert SCRIPT not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; one<br>two" in html
    for element in ("<b>", "<i>", "<u>"):
        assert element not in panel(staff, order)


def test_the_tab_has_no_script_and_no_style_of_its_own(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.REVIEW)
    for name in ("alarms", "card_payments"):
        html = render(f"cybersource/dashboard/{name}.html", panel=order_tab.for_order(order))
        assert "style=" not in html and "<script" not in html and " on" not in re.sub(r">[^<]*<", "><", html)
        assert "http" not in html  # and leads nowhere outside the shop


def render(template: str, **context: Any) -> str:
    return engines["django"].get_template(template).render(context)


def test_the_link_to_the_log_is_for_those_who_may_see_the_log(shopper, staff):
    order = shopper.check_out()
    shopper.pay()
    link = f"/api/cybersource/log/{CyberSourceReply.objects.get().pk}/"
    assert link in page(staff, order)
    assert staff.get(link).status_code == 200

    clerk = User.objects.create_user("clerk", "clerk@shop.example", "-", is_staff=True)
    clerk.user_permissions.add(*Permission.objects.filter(codename__in=SEE_MONEY))
    shown = page(as_user(clerk), order)
    assert "ACCEPT" in our_tab(shown) and link not in shown
    clerk.user_permissions.add(Permission.objects.get(codename="view_cybersourcereply"))
    assert link in page(as_user(User.objects.get(pk=clerk.pk)), order)


def test_an_order_shows_its_money_to_staff_who_may_see_it_and_to_nobody_else(shopper):
    order = shopper.check_out("64.50")
    shopper.pay(cards.REVIEW)
    clerk = User.objects.create_user("clerk", "clerk@shop.example", "-", is_staff=True)
    clerk.user_permissions.add(*Permission.objects.filter(codename__in=SEE_ORDERS))
    seller = User.objects.create_user("seller", "seller@partner.example", "-")
    seller.user_permissions.add(*Permission.objects.filter(codename__in=(*SEE_MONEY, "view_cybersourcereply")))
    order.lines.get().partner.users.add(seller)
    for user in (clerk, seller):
        shown = page(as_user(user), order)
        assert "card-payments" not in shown and "under review" not in shown
    clerk.user_permissions.add(Permission.objects.get(codename="view_paymentoperation"))
    client = as_user(User.objects.get(pk=clerk.pk))
    assert "Authorized on cards $69.50" in tab(client, order)
    assert len(alarms(client, order)) == 1


def test_notes_of_ours_are_shown_to_those_who_may_see_payments_and_other_notes_to_all(desk):
    order = desk.order("64.50", card=cards.REVIEW)
    (payment,) = balance.of_order(order)
    service.reject_review(payment.authorization, user=desk.staff, reason="looks wrong")
    order.notes.create(user=desk.staff, note_type="System", message="Order status changed by hand")
    order.notes.create(user=desk.staff, message="Wrap it as a gift")
    ours = [note.message for note in order.notes.filter(cybersource_note__isnull=False)]
    assert len(ours) > 2 and any("looks wrong" in message for message in ours)
    seller = User.objects.create_user("seller", "seller@partner.example", "-")
    seller.user_permissions.add(*Permission.objects.filter(codename__in=(*SEE_MONEY, "view_cybersourcereply")))
    order.lines.get().partner.users.add(seller)
    clerk = User.objects.create_user("clerk", "clerk@shop.example", "-", is_staff=True)
    clerk.user_permissions.add(*Permission.objects.filter(codename__in=SEE_ORDERS))
    for user in (seller, clerk):
        shown = unescape(page(as_user(user), order))
        assert "Order status changed by hand" in shown and "Wrap it as a gift" in shown
        assert not [message for message in ours if message[:40] in shown]
    clerk.user_permissions.add(Permission.objects.get(codename="view_paymentoperation"))
    shown = unescape(page(as_user(User.objects.get(pk=clerk.pk)), order))
    assert not [message for message in ours if message[:40] not in shown]


def test_a_shop_without_djangos_admin_shows_the_same_page(shopper, staff, settings):
    order = shopper.check_out()
    shopper.pay()
    settings.ROOT_URLCONF = "tests.dashboard.urls_without_admin"
    assert "ACCEPT 100" in tab(staff, order) and "Log row" in tab(staff, order)


# -- what it costs -----------------------------------------------------------------------------------------------


def statements(story: Any) -> list[str]:
    with CaptureQueriesContext(connection) as ran:
        story()
    return [query["sql"] for query in ran]


def test_an_order_without_card_payments_has_no_tab_and_costs_two_statements(staff):
    order = create_order(number="200001")
    html = page(staff, order)
    assert "card-payments" not in html
    ours = [sql for sql in statements(lambda: page(staff, order)) if "cybersource_" in sql]
    assert len(ours) == 2  # no attempt, and no charge that names the order


def test_the_page_costs_the_same_however_many_cards_were_tried(shopper, staff):
    order = shopper.check_out()
    shopper.pay()
    alone = statements(lambda: order_tab.for_order(Order.objects.get(pk=order.pk)))
    other = shopper.check_out("10.00")
    for _attempt in range(4):
        declined = shopper.submit(card(cards.DECLINED))
        for _delivery in range(3):
            shopper.deliver(declined)
        shopper.check_out()
    shopper.pay(cards.REVIEW)
    for decision in ("", "ACCEPT", "REJECT", "REJECT"):
        told(shopper, new_decision=decision, reviewer="ana", comments="looked at it")
    assert other.cybersource_attempts.count() == 5 and other.cybersource_replies.count() == 13
    crowded = statements(lambda: order_tab.for_order(Order.objects.get(pk=other.pk)))
    assert len(crowded) == len(alone) == 10  # the order itself included
    panels = [order_tab.for_order(each) for each in (order, other)]
    assert statements(lambda: [render("cybersource/dashboard/card_payments.html", panel=each) for each in panels]) == []


def test_the_story_is_read_once_a_page(shopper, staff):
    order = shopper.check_out()
    shopper.pay()
    ours = [sql for sql in statements(lambda: page(staff, order)) if 'FROM "cybersource_paymentattempt"' in sql]
    assert len([sql for sql in ours if "session_hash" not in sql and sql.startswith('SELECT "cybersource')]) == 1


def test_a_reply_posted_a_thousand_times_does_not_make_the_page_endless(shopper, staff, monkeypatch):
    monkeypatch.setattr(order_tab, "DELIVERIES_SHOWN", 3)
    order = shopper.check_out()
    answer = shopper.submit()
    for _delivery in range(6):
        shopper.deliver(answer)
    shown = tab(staff, order)
    assert shown.partition("Everything in the order")[0].count("ACCEPT 100") == 3
    assert "Took effect" in shown
    assert "More messages arrived than are shown here" in shown
