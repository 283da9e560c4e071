"""Staff and what needs attention: on a desk and on a phone, with a keyboard alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from cybersource.models import AttentionItem, PaymentAttempt
from cybersource.payments import expiry
from tests.browser.conftest import WIDTHS, sideways
from tests.support.shop import Shopper, post_reply


@pytest.fixture
def items(settings, staff):
    """One charge too many, one that answers no payment, and a payment that no answer came to."""
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper = Shopper()
    order = shopper.check_out("64.50")
    shopper.pay()
    post_reply(shopper.reply())
    post_reply(
        shopper.reply(req_transaction_uuid="6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02", req_reference_number="W" * 50)
    )
    other = Shopper().check_out("10.00")
    attempts = PaymentAttempt.objects.filter(order=other)
    attempts.update(date_shown=timezone.now(), date_signed=timezone.now() - timedelta(hours=2))
    expiry.expire()
    assert AttentionItem.objects.count() == 3
    return order, other


def test_nothing_of_the_list_and_the_order_runs_off_a_phone(staff, items, screenshot):
    first, unanswered = items
    asked = AttentionItem.objects.get(kind="no-answer")
    pages = {
        "list": "/api/cybersource/attention/",
        "item": f"/api/cybersource/attention/{asked.pk}/",
        "order": f"/dashboard/orders/{first.number}/",
        "unanswered": f"/dashboard/orders/{unanswered.number}/",
    }
    for name, path in pages.items():
        for kind, width in WIDTHS.items():
            staff.page.set_viewport_size({"width": width, "height": 844})
            staff.goto(path)
            screenshot(staff.page, f"attention-{name}-{kind}")
            if name in ("list", "item"):
                assert sideways(staff.page) <= 0, (name, kind)
                assert staff.complaints == []
    staff.complaints.clear()  # of Oscar's own scripts; its tables on the order's page are wider than a phone, too


def test_an_order_is_given_up_with_the_keyboard_alone(staff, items, screenshot):
    _first, unanswered = items
    page = staff.page
    staff.goto("/dashboard/")
    assert page.get_by_role("link", name="Needs attention", include_hidden=True).count() == 1
    staff.goto("/api/cybersource/attention/")
    page.locator("li", has_text=unanswered.number).get_by_role("link", name="Clear this").focus()
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    page.get_by_label("What did you find, and what did you do?").focus()
    page.keyboard.type("Nothing in the Business Center.")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("The order was given up, and its basket is open again.").wait_for()
    screenshot(page, "attention-given-up")
    unanswered.refresh_from_db()
    assert unanswered.status == "Payment Declined"
    item = AttentionItem.objects.get(kind="no-answer")
    assert (item.cleared_by_name, item.reason) == ("boss", "Nothing in the Business Center.")
