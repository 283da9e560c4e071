"""Budgets against card testing as shoppers and attackers meet them: over HTTP, from the basket to the reply."""

from __future__ import annotations

import json

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oscar.core.loading import get_model
from oscarapicheckout.serializers import OrderTokenField

from cybersource.checkout.forms import FRESH_FOR
from cybersource.checkout.states import duration_in_words
from cybersource.http.client_ip import client_address
from cybersource.models import AttemptState, CyberSourceReply, PaymentAttempt
from cybersource.simulator import cards
from tests.support.shop import Shopper, card, customer, post_reply

pytestmark = pytest.mark.real_checkout

Order = get_model("order", "Order")


@pytest.fixture(autouse=True)
def on(settings, committed_db):
    """The defaults; two forms at once are enough to see a third refused."""
    settings.CYBERSOURCE_FLOW = "one-step"
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "2/h"}}


def post(shopper: Shopper, **changes):
    return shopper.client.post("/api/checkout/", shopper.payload(**changes), content_type="application/json")


def use_up(shopper: Shopper, times: int = 2) -> None:
    for _time in range(times):
        shopper.check_out("10.00")
        shopper.pay()


def test_a_refused_shopper_gets_429_with_the_seconds_to_wait_and_a_sentence(shopper):
    use_up(shopper)
    shopper.fill_basket("12.00")
    refused = post(shopper)
    assert refused.status_code == 429
    seconds = int(refused.headers["Retry-After"])
    assert 0 < seconds <= 1800
    minutes = -(-seconds // 60)
    assert refused.json() == {
        "detail": f"Too many card payments were tried. Please wait {minutes} minute{'s' if minutes > 1 else ''}, "
        "then try again. Nothing has been charged."
    }


def test_a_refused_shopper_keeps_the_basket_and_no_order_is_placed(shopper):
    use_up(shopper)
    shopper.fill_basket("12.00")
    basket = shopper.client.get("/api/basket/").json()
    before = Order.objects.count(), PaymentAttempt.objects.count()
    assert post(shopper).status_code == 429
    assert (Order.objects.count(), PaymentAttempt.objects.count()) == before
    kept = shopper.client.get("/api/basket/").json()
    assert (kept["id"], kept["status"], kept["total_incl_tax"]) == (basket["id"], "Open", basket["total_incl_tax"])
    cache.clear()  # the time has passed
    shopper.check_out()
    shopper.pay()
    assert shopper.attempt().order.status == "Authorized"


def test_mistakes_in_an_address_are_no_tries_of_a_card(shopper):
    shopper.fill_basket("12.00")
    for _time in range(6):
        assert post(shopper, shipping_address={"first_name": "Maya"}).status_code == 406
    use_up(shopper, 2)


def test_five_declined_cards_and_the_order_waits(shopper, settings):
    settings.CYBERSOURCE_LIMITS = {}
    for _card in range(5):
        order = shopper.check_out()
        shopper.pay(cards.DECLINED)
    refused = post(shopper)
    assert refused.status_code == 429
    order.refresh_from_db()
    assert order.status == "Payment Declined"
    assert order.basket.status == "Open"
    assert Order.objects.count() == 1


def test_a_decline_counts_once_however_often_it_is_delivered(shopper, settings):
    settings.CYBERSOURCE_LIMITS = {}
    shopper.check_out()
    answer = shopper.submit(card(cards.DECLINED))
    for _time in range(12):
        assert post_reply(answer.reply).status_code == 303
    shopper.deliver(answer)
    shopper.check_out()
    shopper.pay()
    assert shopper.attempt().state == AttemptState.AUTHORIZED


def test_a_decline_counts_for_who_began_the_attempt_not_for_who_brings_the_reply(shopper, settings):
    settings.CYBERSOURCE_LIMITS = {"declines": {"shopper": None, "order": None, "address": "1/h"}}
    shopper.check_out()
    answer = shopper.submit(card(cards.DECLINED))
    post_reply(answer.reply, client=Client(REMOTE_ADDR="198.51.100.200"))
    shopper.deliver(answer)
    assert post(shopper).status_code == 429
    bystander = Shopper(client=Client(REMOTE_ADDR="198.51.100.200"))
    bystander.fill_basket("10.00")
    assert post(bystander).status_code == 200


@pytest.mark.parametrize("ended", [AttemptState.REPLACED, AttemptState.EXPIRED])
def test_a_decline_told_of_an_attempt_that_was_replaced_or_given_up_counts_once(shopper, settings, ended):
    settings.CYBERSOURCE_LIMITS = {"declines": {"shopper": None, "order": None, "address": "2/h"}}
    for number in range(2):
        shopper.fill_basket("10.00")
        assert post(shopper).status_code == 200
        answer = shopper.submit(card(cards.DECLINED))
        PaymentAttempt.objects.filter(state=AttemptState.OPEN).update(state=ended)
        for _time in range(1 if number else 3):
            post_reply(answer.reply)
    assert set(PaymentAttempt.objects.values_list("state", flat=True)) == {ended}
    shopper.fill_basket("10.00")
    assert post(shopper).status_code == 429


def test_a_decline_that_two_processes_logged_before_either_acted_on_it_counts_once(shopper, settings):
    settings.CYBERSOURCE_LIMITS = None
    shopper.check_out()
    answer = shopper.submit(card(cards.DECLINED))
    PaymentAttempt.objects.update(state=AttemptState.REPLACED)
    for _process in range(2):
        post_reply(answer.reply)
    assert CyberSourceReply.objects.update(result=CyberSourceReply.Result.RECEIVED, date_processed=None) == 2
    for budget, code in (("2/h", 200), ("1/h", 429)):
        settings.CYBERSOURCE_LIMITS = {"declines": {"shopper": None, "order": None, "address": budget}}
        CyberSourceReply.objects.update(result=CyberSourceReply.Result.RECEIVED, date_processed=None)
        call_command("cybersource_reprocess")
        newcomer = Shopper()
        newcomer.fill_basket("10.00")
        assert post(newcomer).status_code == code


def test_an_entry_that_cybersource_refuses_before_any_bank_is_asked_is_no_decline(shopper, settings):
    settings.CYBERSOURCE_LIMITS = {"declines": {"shopper": "1/h"}}
    shopper.check_out()
    post_reply(shopper.reply(decision="ERROR", reason_code="102", invalid_fields="card_number", auth_amount=""))
    assert shopper.attempt().state == AttemptState.FAILED
    shopper.fill_basket("10.00")
    assert post(shopper).status_code == 200


def test_the_address_is_the_one_that_trusted_proxies_vouch_for(settings):
    settings.CYBERSOURCE_TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.CYBERSOURCE_LIMITS = {"attempts": {"address": "1/h"}}
    answers = {}
    for claimed in ("203.0.113.9", "203.0.113.9", "203.0.113.10", "1.2.3.4, 203.0.113.9"):
        shopper = Shopper(client=Client(REMOTE_ADDR="10.0.0.3", headers={"X-Forwarded-For": claimed}))
        shopper.fill_basket("10.00")
        answers.setdefault(claimed, []).append(post(shopper).status_code)
    assert answers == {"203.0.113.9": [200, 429], "203.0.113.10": [200], "1.2.3.4, 203.0.113.9": [429]}


@pytest.mark.parametrize("socket", ["", "unix:"])
def test_behind_a_unix_socket_too_each_address_has_its_budget(settings, socket):
    settings.CYBERSOURCE_TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.CYBERSOURCE_LIMITS = {"attempts": {"address": "1/h"}}
    answers = []
    for claimed in ("203.0.113.9", "203.0.113.9", "1.2.3.4, 203.0.113.9, 10.0.0.3", "203.0.113.10"):
        shopper = Shopper(client=Client(REMOTE_ADDR=socket, headers={"X-Forwarded-For": claimed}))
        shopper.fill_basket("10.00")
        answers.append(post(shopper).status_code)
    assert answers == [200, 429, 429, 200]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("6.6.6.6, unknown", "10.0.0.3"),
        ("6.6.6.6, _hidden, 10.0.0.9", "10.0.0.9"),
        ("garbage, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, unix:", "203.0.113.9"),
        ("203.0.113.9, , 10.0.0.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.9", "203.0.113.9"),
        ("", "10.0.0.3"),
    ],
)
def test_no_address_is_believed_that_stands_behind_what_no_trusted_proxy_could_read(settings, forwarded, address):
    settings.CYBERSOURCE_TRUSTED_PROXIES = ["10.0.0.0/8"]
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.3", headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == address


@pytest.mark.parametrize("remote", ["", "unix:", "203.0.113.9", "10.0.0.3"])
def test_where_no_proxy_is_named_nobody_is_believed(settings, remote):
    settings.CYBERSOURCE_TRUSTED_PROXIES = []
    request = RequestFactory().get("/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": "6.6.6.6"})
    assert client_address(request) == (remote if "." in remote else None)


def test_a_customer_who_has_paid_before_passes_where_only_the_address_is_spent(settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"address": "2/h"}}
    regular, newcomer = customer("rosa@example.com"), customer("new@example.com")
    here = {"REMOTE_ADDR": "203.0.113.50"}
    first = Shopper(client=Client(**here))
    first.client.force_login(regular)
    use_up(first)
    answers = {}
    for user in (newcomer, regular):
        shopper = Shopper(client=Client(**here))
        shopper.client.force_login(user)
        shopper.fill_basket("10.00")
        answers[user.email] = post(shopper).status_code
    assert answers == {"new@example.com": 429, "rosa@example.com": 200}


def test_staff_who_take_orders_by_phone_are_not_refused(shopper):
    member = customer("staff@example.com")
    member.is_staff = True
    member.save()
    shopper.client.force_login(member)
    use_up(shopper, 4)
    shopper.check_out()
    for _time in range(4):
        grow_old()
        assert shopper.state()["required_action"]


def test_cards_that_are_declined_on_the_phone_shut_out_nobody_at_the_same_address(settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    settings.CYBERSOURCE_LIMITS = {"declines": {"address": "1/h", "shopper": "1/h", "order": "1/h"}}
    member = customer("staff@example.com")
    member.is_staff = True
    member.save()
    phone = Shopper()
    phone.client.force_login(member)
    for _card in range(2):
        phone.check_out("10.00")
        phone.deliver(phone.submit())  # the first step, whose attempt hands on whose it is
        post_reply(phone.reply(decision="DECLINE", reason_code="203", auth_amount=""))
    assert PaymentAttempt.objects.filter(state=AttemptState.DECLINED, previous__isnull=False).count() == 2
    guest = Shopper()
    guest.fill_basket("10.00")
    assert post(guest).status_code == 200


def test_a_customer_who_has_paid_before_may_also_look_at_the_form_again(settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"address": "2/h"}}
    here = {"REMOTE_ADDR": "203.0.113.50"}
    regular, newcomer = Shopper(client=Client(**here)), Shopper(client=Client(**here))
    regular.client.force_login(customer("rosa@example.com"))
    use_up(regular, 1)
    newcomer.client.force_login(customer("new@example.com"))
    newcomer.check_out("10.00")
    regular.check_out("12.00")
    grow_old()
    codes = [each.client.get("/api/checkout/payment-states/").status_code for each in (regular, newcomer)]
    assert codes == [200, 429]


def test_each_card_method_of_one_order_is_a_try(shopper):
    shopper.fill_basket("30.00")
    methods = {
        f"card-{number}": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "1.00"}
        for number in range(2)
    }
    methods["rest"] = {"method_type": "cybersource", "enabled": True, "pay_balance": True}
    assert post(shopper, payment=methods).status_code == 429
    assert Order.objects.count() == 0
    use_up(shopper, 2)  # what the refused order had taken was given back


def test_an_order_of_two_cards_takes_two_places(shopper):
    shopper.fill_basket("30.00")
    methods = {
        "one": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": "1.00"},
        "rest": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
    }
    assert post(shopper, payment=methods).status_code == 200
    assert PaymentAttempt.objects.count() == 2
    another = Shopper(client=shopper.client)
    another.fill_basket("30.00")
    assert post(another).status_code == 429


def test_an_order_that_costs_nothing_takes_no_place(shopper):
    for _time in range(4):
        shopper.fill_basket("0.00", product_class="Downloads", requires_shipping=False)
        payload = shopper.payload(shipping_method_code="no-shipping-required")
        placed = shopper.client.post("/api/checkout/", payload, content_type="application/json")
        assert placed.status_code == 200, placed.content
    assert not PaymentAttempt.objects.exists()
    use_up(shopper, 2)


def grow_old() -> None:
    PaymentAttempt.objects.update(date_signed=timezone.now() - 2 * FRESH_FOR)


def test_a_form_that_is_signed_anew_is_one_more_try(shopper):
    shopper.check_out()
    for _read in range(5):
        assert shopper.state()["required_action"]
    grow_old()
    assert shopper.state()["required_action"]
    grow_old()
    refused = shopper.client.get("/api/checkout/payment-states/")
    assert refused.status_code == 429
    minutes = -(-int(refused.headers["Retry-After"]) // 60)
    assert minutes > 0
    assert refused.json() == {
        "detail": f"Too many card payments were tried. Please wait {minutes} minute{'s' if minutes > 1 else ''} before "
        "you try again. If you have just paid, do not pay again; we are still waiting for the answer."
    }, "nobody knows whether the form that was shown has been paid"
    signed = PaymentAttempt.objects.get().date_signed
    assert timezone.now() - signed > FRESH_FOR, "a refused form is not dated anew"


def test_a_form_that_was_never_shown_cannot_have_been_paid(shopper):
    for _order in range(2):
        shopper.check_out("10.00")
    grow_old()
    refused = shopper.client.get("/api/checkout/payment-states/")
    assert refused.status_code == 429
    assert refused.json()["detail"].endswith("Nothing has been charged.")


def test_a_card_that_has_to_wait_does_not_hide_the_next_step_of_the_orders_other_card(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper.fill_basket("30.00")
    assert post(shopper, payment=two_cards("1.00")).status_code == 200
    shopper.deliver(shopper.submit(key="rest"))
    grow_old()
    states = shopper.states["payment_method_states"]
    assert (states["one"]["status"], states["one"]["required_action"]) == ("Pending", None)
    assert states["rest"]["required_action"]["name"] == "authorize"
    shopper.deliver(shopper.submit(key="rest"))
    assert shopper.client.get("/api/checkout/payment-states/").status_code == 429, "nothing else is left to show"
    cache.clear()  # the time has passed
    for _step in range(2):
        shopper.deliver(shopper.submit(key="one"))
    assert Order.objects.get().status == "Authorized"


def test_a_card_that_took_the_last_place_is_shown_and_the_other_waits(shopper, settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "3/h"}}
    shopper.fill_basket("30.00")
    assert post(shopper, payment=two_cards("1.00")).status_code == 200
    grow_old()
    for _read in range(2):
        states = shopper.states["payment_method_states"]
        assert [bool(states[key]["required_action"]) for key in ("one", "rest")] == [True, False]
    grow_old()
    assert shopper.client.get("/api/checkout/payment-states/").status_code == 429


def test_the_second_step_with_a_stored_card_is_never_refused(shopper, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "1/h"}}
    shopper.check_out()
    shopper.deliver(shopper.submit())
    for _read in range(3):
        grow_old()
        assert shopper.state()["required_action"]["name"] == "authorize"
    shopper.pay()
    assert shopper.attempt().order.status == "Authorized"


def test_a_deferred_payment_has_the_budget_of_its_own_order(shopper, settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": None, "order": "1/h"}}
    order = shopper.check_out()
    shopper.pay(cards.DECLINED)
    other = Shopper(client=Client(REMOTE_ADDR="198.51.100.7"))
    other.fill_basket("9.00")
    body = {
        "order": OrderTokenField.get_order_token(order),
        "payment": {"cybersource": {"enabled": True, "pay_balance": True}},
    }
    later = other.client.post("/api/checkout/complete-deferred-payment/", body, content_type="application/json")
    assert later.status_code == 429
    assert post(other).status_code == 200


def test_shadow_mode_lets_everybody_pay(shopper, settings, caplog):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "2/h"}, "shadow": True}
    use_up(shopper, 3)
    said = [message for message in caplog.messages if message.startswith("Limits ")]
    assert said == ["Limits would have refused a card form (spent: attempts by shopper); they only watch."]


def test_limits_cost_a_checkout_and_a_reply_no_sql(shopper, settings):
    def statements() -> list[int]:
        shopper.fill_basket("10.00")
        payload = json.dumps(shopper.payload())
        counted = []
        with CaptureQueriesContext(connection) as ran:
            placed = shopper.client.post("/api/checkout/", payload, content_type="application/json")
        assert placed.status_code == 200
        counted.append(len(ran.captured_queries))
        with CaptureQueriesContext(connection) as ran:
            answer = shopper.submit(card())
        counted.append(len(ran.captured_queries))
        with CaptureQueriesContext(connection) as ran:
            assert post_reply(answer.reply).status_code == 303
        counted.append(len(ran.captured_queries))
        return counted

    settings.CYBERSOURCE_LIMITS = None
    statements()  # what is looked up once a process
    without = statements()
    settings.CYBERSOURCE_LIMITS = {}
    assert statements() == without


def two_cards(amount: str) -> dict:
    return {
        "one": {"method_type": "cybersource", "enabled": True, "pay_balance": False, "amount": amount},
        "rest": {"method_type": "cybersource", "enabled": True, "pay_balance": True},
    }


def test_an_attacker_who_replaces_each_attempt_before_its_form_is_posted_is_stopped(settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": None, "declines": {"shopper": None, "order": None, "address": "4/h"}}
    codes = []
    for _order in range(3):
        bot = Shopper(client=Client(REMOTE_ADDR="198.51.100.66"))
        bot.fill_basket("30.00")
        codes.append(post(bot, payment=two_cards("1.00")).status_code)
        if codes[-1] == 200:
            late = bot.submit(card(cards.DECLINED), "one")
            bot.deliver(bot.submit(card(cards.DECLINED), "rest"))
            assert post(bot, payment=two_cards("2.00")).status_code == 200
            post_reply(late.reply)
    assert codes == [200, 200, 429]
    assert PaymentAttempt.objects.filter(state=AttemptState.REPLACED).exists()


def test_an_attacker_with_a_new_session_for_each_card_is_stopped_and_the_shop_goes_on(settings):
    settings.CYBERSOURCE_LIMITS = {"declines": {"address": "4/h"}}
    codes = []
    for _card in range(8):
        bot = Shopper(client=Client(REMOTE_ADDR="198.51.100.66"))
        bot.fill_basket("5.00")
        codes.append(post(bot).status_code)
        if codes[-1] == 200:
            post_reply(bot.submit(card(cards.DECLINED)).reply)
    assert codes == [200] * 4 + [429] * 4
    honest = Shopper()
    honest.check_out()
    honest.pay()
    assert honest.attempt().order.status == "Authorized"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 minute"),
        (61, "2 minutes"),
        (5340, "89 minutes"),
        (5341, "2 hours"),
        (7201, "3 hours"),
        (90000, "25 hours"),
    ]
    + [(126001, "2 days"), (172801, "3 days")],
)
def test_a_time_to_wait_is_told_in_minutes_hours_or_days_and_never_too_short(seconds, words):
    assert duration_in_words(seconds) == words
