"""Staff who move money in the Business Center behind the shop's back: by a page's buttons, and as methods for tests."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybersource.simulator import NotAllowed
from cybersource.simulator.app import create_app
from cybersource.simulator.rest import RestAccess

from .forms import gateway
from .rest_requests import Merchant


@pytest.fixture
def merchant() -> Merchant:
    return Merchant(gateway())


@pytest.fixture
def staff(merchant):
    return merchant.gateway.business_center


@pytest.fixture
def client(merchant):
    return create_app(merchant.gateway).test_client()


def test_what_staff_did_is_found_by_the_shop_under_the_reference_of_what_it_follows_on(merchant, staff):
    id = merchant.paid("50.00", reference_number="OSC-3")
    capture = staff.capture(id, "30.00")
    refund = staff.refund(capture.id, "12.00")
    assert sorted(merchant.found("clientReferenceInformation.code:OSC-3")) == sorted([id, capture.id, refund.id])
    told = merchant.look_up(refund.id)[1]
    assert (told["rootId"], told["orderInformation"]["amountDetails"]["totalAmount"]) == (id, "12.00")


def test_staff_and_shop_share_one_hold(merchant, staff):
    id = merchant.paid("50.00")
    staff.capture(id, "30.00")
    assert merchant.capture(id, "20.01")[1]["reason"] == "EXCEEDS_AUTH_AMOUNT"
    assert merchant.capture(id, "20.00")[0] == 201
    with pytest.raises(NotAllowed) as refused:
        staff.capture(id, "0.01")
    assert refused.value.reason == "EXCEEDS_AUTH_AMOUNT"


def test_an_amount_left_out_is_all_there_is(merchant, staff):
    id = merchant.paid("50.00")
    capture = staff.capture(id)
    assert str(capture.amount) == "50.00"
    assert staff.void(capture.id).status == "VOIDED"
    assert str(staff.reverse(id).amount) == "50.00"
    assert merchant.gateway.rest.status(id) == "REVERSED"
    sale = merchant.paid("20.00", transaction_type="sale")
    assert str(staff.refund(sale).amount) == "20.00"


def test_staff_are_refused_what_the_state_does_not_allow(merchant, staff):
    id = merchant.paid("50.00")
    capture = staff.capture(id)
    for refused, reason in (
        (lambda: staff.reverse(id), "TRANSACTION_ALREADY_SETTLED"),
        (lambda: staff.refund(id), "INVALID_DATA"),
        (lambda: staff.void(id), "NOT_VOIDABLE"),
        (lambda: staff.refund(capture.id, "1.001"), "INVALID_AMOUNT"),
        (lambda: staff.refund(capture.id, "much"), "INVALID_AMOUNT"),
        (lambda: staff.refund(capture.id, "-1"), "INVALID_AMOUNT"),
    ):
        with pytest.raises(NotAllowed) as problem:
            refused()
        assert problem.value.reason == reason
    with pytest.raises(KeyError):
        staff.void("7" * 22)
    assert len(merchant.gateway.rest.transactions) == 2


ACTS = st.tuples(
    st.sampled_from(["capture", "refund", "void", "reverse", "batch"]),
    st.integers(min_value=0, max_value=4),  # of which transaction, counted round
    st.sampled_from([None, "0.01", "5.00", "7.50", "20.00"]),  # None: all there is
)


@settings(max_examples=100, deadline=None)
@given(acts=st.lists(ACTS, max_size=14), partial=st.booleans(), several=st.booleans(), sale=st.booleans())
def test_whatever_is_pressed_in_whatever_order_no_more_is_taken_or_released_than_was_held(acts, partial, several, sale):
    merchant = Merchant(gateway(rest=RestAccess(partial_reversals=partial, several_captures=several)))
    id = merchant.paid("20.00", transaction_type="sale" if sale else "authorization")
    rest, staff, (payment,) = merchant.gateway.rest, merchant.gateway.business_center, merchant.gateway.payments
    for act, number, amount in acts:
        if act == "batch":
            rest.advance(hours=3)
            continue
        before = rest.transactions
        on = before[number % len(before)]
        offered = {each.id: buttons for each, _state, buttons in staff.money(payment)}
        arguments = (on.id,) if act == "void" else (on.id, amount)
        try:
            getattr(staff, act)(*arguments)
        except NotAllowed:
            assert rest.transactions == before
            assert amount or act not in offered.get(on.id, ()), f"{act} of all there is was offered"
        held = rest.book.get(id, "acme_shop")
        taken, released = rest.book.captured(held), rest.book.released(held)
        assert taken >= 0 and released >= 0 and taken + released <= held.amount
        assert (held.undone == "REVERSED") is (released == held.amount)


def test_the_page_shows_what_followed_on_a_payment_by_whom_and_in_which_state(merchant, staff, client):
    id = merchant.paid("50.00")
    capture = merchant.capture(id, "30.00", code="OSC-1-C1")[1]["id"]
    refund = staff.refund(capture, "10.00")
    page = client.get("/payments/1/").text
    for told in (id, capture, refund.id, "OSC-1-C1", "30.00 USD", "10.00 USD", "REST", "Business Center"):
        assert told in page
    rows = re.findall(r'<th scope="row" data-label="What"><span>(\w+) <', page)
    assert rows == ["authorization", "capture", "refund"]


def test_the_buttons_of_the_page_do_what_they_say(merchant, client):
    id = merchant.paid("50.00")

    def press(action: str, id: str, **more: str) -> str:
        answer = client.post("/payments/1/money/", data={"action": action, "id": id, **more}, follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return merchant.gateway.rest.transactions[-1].id

    capture = press("capture", id, amount="30.00")
    refund = press("refund", capture, amount="")
    press("void", refund)
    press("void", capture)
    press("reverse", id)
    kinds = [(each.kind, str(each.amount)) for each in merchant.gateway.rest.transactions]
    assert kinds == [
        ("authorization", "50.00"),
        ("capture", "30.00"),
        ("refund", "30.00"),
        ("void", "30.00"),
        ("void", "30.00"),
        ("reversal", "50.00"),
    ]
    assert client.get("/payments/1/").text.count("nothing to do") == 6


def test_a_button_offers_nothing_that_would_be_refused(merchant, staff, client):
    id = merchant.paid("50.00")
    staff.refund(staff.capture(id, "20.00").id, "1.00")
    merchant.paid("20.00", transaction_type="sale")
    merchant.gateway.rest.advance(hours=7)
    for number in (1, 2):
        page = client.get(f"/payments/{number}/").text
        assert 'value="void"' not in page, "the batch has run"
        assert 'value="refund"' in page


def test_what_is_refused_on_the_page_says_why_and_does_nothing(merchant, client):
    id = merchant.paid("50.00")
    for data, status, why in (
        ({"action": "capture", "id": id, "amount": "50.01"}, 409, "EXCEEDS_AUTH_AMOUNT"),
        ({"action": "capture", "id": id, "amount": "&lt;b&gt;"}, 409, "INVALID_AMOUNT"),
        ({"action": "dance", "id": id}, 400, ""),
        ({"action": "capture", "id": "7" * 22}, 404, ""),
    ):
        answer = client.post("/payments/1/money/", data=data)
        assert answer.status_code == status
        assert why in answer.text
    assert len(merchant.gateway.rest.transactions) == 1
    from_elsewhere = client.post(
        "/payments/1/money/", data={"action": "capture", "id": id}, headers={"Origin": "https://attacker.example"}
    )
    assert from_elsewhere.status_code == 403
