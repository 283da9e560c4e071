"""The Business Center: what a person sees, and what the buttons do."""

import re

import pytest

from cybersource.simulator import Gateway, MerchantPost, Profile, Settings, cards
from cybersource.simulator.app import create_app
from cybersource.simulator.delivery import Courier
from cybersource.simulator.faults import Plan
from cybersource.simulator.settings import CardMask
from tests.simulator.forms import Clock, card, form, pay

PAGES = ["/", "/review/", "/switches/", "/cards/", "/refused/", "/devices/", "/webhooks/"]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gateway(clock):
    profile = Profile.for_shop("http://localhost:8000")
    return Gateway(Settings(profiles=(profile,)), clock=clock)


@pytest.fixture
def bodies():
    return []


@pytest.fixture
def client(gateway, bodies):
    def transport(url, body, timeout):
        bodies.append(body.decode())
        return 200

    return create_app(gateway, courier=Courier(gateway=gateway, transport=transport)).test_client()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_that_it_is_no_cybersource_and_loads_nothing_from_elsewhere(client, path):
    response = client.get(path)

    assert response.status_code == 200
    assert "Simulator – not CyberSource" in response.text
    assert "<script" not in response.text
    assert not re.search(r'(src|href)="(https?:)?//', response.text)
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert client.get("/static/simulator.css").status_code == 200


def test_the_other_name_of_the_first_page_leads_there(client):
    assert client.get("/businesscenter/").location == "/"


def test_payments_are_listed_newest_first_and_escaped(client, gateway):
    pay(gateway, reference_number="100018")
    pay(gateway, card(cards.REVIEW), reference_number="100019", transaction_type="authorization")
    pay(gateway, reference_number="<script>alert(1)</script>")
    page = client.get("/").text

    assert page.index("&lt;script&gt;") < page.index("100019") < page.index("100018")
    assert "<script" not in page
    assert "xxxxxxxxxxxx0480" in page
    assert ">1</span>" in page  # one waits in the queue


def test_the_first_page_tells_the_last_refusal_and_the_switches(client, gateway, clock):
    pay(gateway)
    clock.move(seconds=1)
    gateway.submit("/silent/pay", [])
    gateway.faults.next("late")
    gateway.faults.set_default("twice", merchant_post="before", outcome=203)
    page = client.get("/").text

    assert "access_key is missing or not known" in page
    assert "1 by rule, outcome 203, twice, merchant POST before" in page
    assert "access_key is missing or not known" in client.get("/refused/").text


def test_a_payment_shows_what_was_told_to_whom(client, gateway):
    pay(gateway, card("4111111111111112"), leave_out=("bill_to_email",))
    gateway.faults.next("late", "extra-field")
    pay(gateway)
    invalid, late = client.get("/payments/1/").text, client.get("/payments/2/").text

    assert "card_number" in invalid
    assert "bill_to_email" in invalid
    assert "none: refused before it was processed" in invalid
    assert "extra-field, late" in late
    assert "req_card_number" in late
    assert client.get("/payments/3/").status_code == 404


def test_the_merchant_post_can_be_sent_again(client, gateway, bodies):
    pay(gateway)
    response = client.post("/payments/1/resend/", follow_redirects=True)

    assert "was answered 200 by the shop" in response.text
    assert len(bodies) == 1
    assert gateway.deliveries[0].kind == "merchant POST"


def test_the_browsers_reply_can_be_posted_again(client, gateway):
    pay(gateway)
    response = client.post("/payments/1/replay/")
    assert 'id="custom_redirect"' in response.text
    assert "Content-Security-Policy" not in response.headers


def test_what_cannot_be_sent_again_says_why(client, gateway):
    pay(gateway, bill_to_surname=cards.APPROVED)
    for path in ("/payments/1/resend/", "/payments/1/replay/"):
        response = client.post(path)
        assert response.status_code == 409
        assert 'role="alert"' in response.text
    assert "Send the merchant POST again" not in response.text


def test_the_queue_shows_who_waits_and_what_was_decided(client, gateway):
    assert "Nothing waits" in client.get("/review/").text
    pay(gateway, card(cards.REVIEW), reference_number="100018")
    pay(gateway, card(cards.REVIEW), reference_number="100019")
    gateway.decide("1", "REJECT", reviewer="omar")
    page = client.get("/review/").text
    assert page.index("100019") < page.index("Decided") < page.index("100018")
    assert "omar" in page


def decide(client, **posted):
    return client.post("/payments/1/review/", data={"reviewer": "lena.review", **posted}, follow_redirects=True)


def test_a_reviewer_takes_ownership_notes_and_decides(client, gateway, bodies):
    payment = pay(gateway, card(cards.REVIEW)).payment

    assert "was answered 200 by the shop" in decide(client, action="own").text
    assert "Called twice" in decide(client, action="note", note="Called twice\r\nno answer").text
    page = decide(client, action="accept", comments="Agreed", note="Spoke to her", settle="yes").text
    assert "Decided already" in page
    assert payment.case.followon.request_id in page
    assert [note.comment for note in payment.case.notes] == [
        "Took ownership.",
        "Called twice\nno answer",
        "Spoke to her",
    ]
    assert (payment.case.decision, payment.case.comments, payment.case.owner) == ("ACCEPT", "Agreed", "lena.review")
    assert len(bodies) == 3
    decide(client, action="reject", reviewer=" ")
    assert "%3CReviewer%3Ereviewer%3C" in bodies[3]


def test_an_empty_note_or_an_unknown_action_sends_nothing(client, gateway, bodies):
    pay(gateway, card(cards.REVIEW))
    assert "Write a note first" in decide(client, action="note").text
    assert "decided ACCEPT or REJECT" in decide(client, action="dance").text
    assert bodies == []


def test_a_delivery_that_failed_is_told(gateway):
    def transport(url, body, timeout):
        raise ConnectionRefusedError

    client = create_app(gateway, courier=Courier(gateway=gateway, transport=transport)).test_client()
    pay(gateway, card(cards.REVIEW))
    assert "is the shop running?" in decide(client, action="accept").text


def test_a_shop_without_a_notification_url_is_told_so():
    gateway = Gateway(Settings(profiles=(Profile(receipt_page="http://localhost/"),)), clock=Clock())
    client = create_app(gateway).test_client()
    pay(gateway, card(cards.REVIEW))
    assert "The profile has no URL for this" in decide(client, action="accept").text


def test_another_sites_page_can_press_no_button(client, gateway):
    pay(gateway, card(cards.REVIEW))
    for headers in (
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        response = client.post("/payments/1/review/", data={"action": "accept"}, headers=headers)
        assert response.status_code == 403
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/payments/1/review/", data={"action": "accept"}, headers=own).status_code == 303


# -------------------------------------------------------------------------------------------------------- switches


def switch(client, **posted):
    return client.post("/switches/", data=posted, follow_redirects=True)


def test_the_next_outcome_can_be_chosen(client, gateway):
    page = switch(client, action="next", outcome="203", step="pay").text
    assert "In force for the next one." in page
    assert "authorization or sale" in page
    assert "outcome 203" in page
    assert pay(gateway).payment.reason_code == "203"
    assert pay(gateway).payment.reason_code == "100"


def test_a_fault_can_be_switched_on_for_what_matches(client, gateway):
    page = switch(
        client,
        action="add",
        fault=["late", "twice"],
        merchant_post="never",
        range="matching",
        card="0480",
        amount="64.50",
        surname="Okafor",
        reference="100018",
        step="any",
    ).text
    assert "card 0480, amount 64.50, surname Okafor, reference number 100018" in page
    assert "late, twice, merchant POST never" in page
    assert pay(gateway).payment.faults == frozenset()
    assert pay(gateway, card(cards.REVIEW)).payment.faults == {"late", "twice"}


def test_a_fault_can_be_switched_on_for_the_nth_that_matches(client, gateway):
    assert "Only the n-th that matches" in client.get("/switches/").text
    page = switch(client, action="add", fault="twice", range="matching", surname="Okafor", nth="3").text
    assert "once, after 2 more that match" in page
    assert [bool(pay(gateway).payment.faults) for _ in range(4)] == [False, False, True, False]


def test_a_fault_can_be_switched_on_for_the_next_or_for_every_other(client, gateway):
    assert "any payment" in switch(client, action="add", fault="tab-closed", range="next").text
    assert "every other payment" in switch(client, action="add", fault="late", range="every").text
    assert [pay(gateway).payment.faults for _ in range(3)] == [{"tab-closed"}, {"late"}, {"late"}]


def test_switches_can_be_taken_away(client, gateway):
    gateway.faults.add("late", times=3)
    rule = gateway.faults.add("twice")
    assert "3 more" in client.get("/switches/").text
    assert "Removed." in switch(client, action="remove", rule=str(rule.number)).text
    gateway.faults.set_default("late")
    assert "Everything is ordinary again." in switch(client, action="clear").text
    assert (gateway.faults.rules, gateway.faults.default) == ((), Plan())


@pytest.mark.parametrize(
    ("posted", "problem"),
    [
        ({"action": "add", "range": "next"}, "Choose an outcome or a fault first"),
        ({"action": "next", "outcome": "", "step": "pay"}, "Choose an outcome or a fault first"),
        ({"action": "add", "fault": "late", "range": "matching", "amount": "much"}, "The amount is no number"),
        ({"action": "next", "outcome": "777"}, "No outcome is called"),
        ({"action": "add", "fault": "earthquake", "range": "next"}, "earthquake"),
        ({"action": "add", "fault": "late", "range": "matching", "nth": "0"}, "count from 1"),
        ({"action": "remove", "rule": "first"}, "invalid literal"),
    ],
)
def test_a_switch_that_means_nothing_says_so(client, gateway, posted, problem):
    response = client.post("/switches/", data=posted)
    assert response.status_code == 400
    assert problem in response.text
    assert gateway.faults.rules == ()


SAVED = {
    "action": "configure",
    "merchant_post": "before",
    "processor": "gpn",
    "card_mask": "bin-and-last-four",
    "token_format": "32-hex",
    "late_seconds": "2.5",
    "slow_seconds": "9",
}


def test_account_and_profile_can_be_changed(client, gateway):
    assert "Saved." in switch(client, **SAVED, verbose="yes").text
    settings = gateway.settings
    assert (settings.merchant_post, settings.card_mask) == (MerchantPost.BEFORE, CardMask.BIN_AND_LAST_FOUR)
    assert (settings.verbose, settings.cvn_required, settings.late_seconds) == (True, False, 2.5)
    assert "1409.00 or 1418.00 or 1436.00" in client.get("/cards/").text


@pytest.mark.parametrize("seconds", ["-1", "601", "nan", "soon"])
def test_seconds_are_few_and_not_negative(client, gateway, seconds):
    before = gateway.settings
    assert client.post("/switches/", data={**SAVED, "late_seconds": seconds}).status_code == 400
    assert gateway.settings is before


def test_the_cards_are_shown_with_what_they_do(client, gateway):
    page = client.get("/cards/").text
    assert "4111 1111 1112 0203" in page
    assert "Surname REVIEW" in page
    gateway.configure(reverse_on_cvn_failure=False, reverse_on_avs_failure=True)
    assert "CVN result N: REVIEW 230" in client.get("/cards/").text


def test_devices_are_listed(client):
    client.get("/fp/tags.js?org_id=1snn5n9w&session_id=acme_shopc0ffee")
    assert "acme_shopc0ffee" in client.get("/devices/").text


def test_no_page_holds_a_card_number_that_was_typed(client, gateway):
    number = "4622943127013705"
    pay(gateway, card(number))
    gateway.submit("/silent/pay", form(card(number), secret_key="another"))
    pages = "".join(client.get(path).text for path in [*PAGES, "/payments/1/"])
    assert number not in pages
    assert "xxxxxxxxxxxx3705" in pages
