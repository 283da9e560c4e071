"""What a shopper's browser shows when the message it brought from CyberSource is not believed."""

from __future__ import annotations

from django.db import connection
from django.shortcuts import render
from django.test.utils import CaptureQueriesContext

from tests.support.shop import post_reply


def test_the_shopper_is_told_plainly_and_warned_not_to_pay_twice(shopper):
    response = post_reply([("decision", "ACCEPT"), ("reason_code", "100")])
    assert response.status_code == 400
    page = response.content.decode()
    assert "This payment message could not be accepted" in page
    assert "look at your orders or your e-mail before you try again" in page
    assert 'href="/"' in page


def test_the_page_says_nothing_of_what_was_posted_or_why_it_was_refused(shopper):
    order = shopper.check_out()
    answer = shopper.submit()
    forged = [(name, "ACCEPT" if name == "decision" else f"{value}0") for name, value in answer.reply]
    first, second = post_reply(forged), post_reply([("decision", "<script>alert(1)</script>")])
    assert first.status_code == second.status_code == 400
    assert first.content == second.content
    assert order.number not in first.content.decode()


def test_the_page_is_drawn_without_session_cookie_form_or_script(shopper):
    response = post_reply([("decision", "ACCEPT")])
    assert response.cookies == {}
    page = response.content.decode()
    for part in ("<script", "<form", "csrf", "style="):
        assert part not in page


def test_the_page_itself_asks_the_database_nothing(shopper, rf):
    with CaptureQueriesContext(connection) as ran:
        render(rf.post("/"), "cybersource/refused.html", {"home_url": "/"})
    assert len(ran) == 0
