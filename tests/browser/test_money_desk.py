"""Staff at the money desk in a real browser: with a keyboard, on a phone, and with whatever reads a page aloud."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.test import Client

from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentOperation
from cybersource.operations import service
from cybersource.simulator import cards
from tests.support.desk import Desk, source_of

WIDTHS = {"desk": 1200, "phone": 390}
D = Decimal


@pytest.fixture
def staff(browser, desk):
    """A browser in which ines is logged in, in a shop whose REST calls go to the simulator."""
    client = Client()
    client.force_login(desk.staff)
    key = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    browser.page.emulate_media(reduced_motion="reduce")  # a tab that fades in is pale for a moment
    browser.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": key, "url": browser.shop}])
    return browser


def open_tab(staff: Any, order: Any) -> None:
    """The order's page, and on it the tab of card payments."""
    staff.goto(f"/dashboard/orders/{order.number}/")
    staff.page.get_by_role("link", name="Card payments", exact=True).last.click()
    staff.page.locator("#card-payments.show").wait_for()


def press(page: Any, name: str) -> None:
    """Go to a link or a button and press Enter, as somebody without a mouse does."""
    found = page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).first
    found.focus()
    page.keyboard.press("Enter")
    page.wait_for_load_state()


def type_into(page: Any, label: str, text: str) -> None:
    page.get_by_label(label).focus()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(text)


def confirm(page: Any) -> None:
    """The page that says what will happen has put the keyboard on what it says, one step before the button."""
    page.get_by_text("This is what will happen").wait_for()
    page.locator("[tabindex='-1']:focus").wait_for()
    page.keyboard.press("Tab")
    page.locator("[value='do']:focus").wait_for()
    page.keyboard.press("Enter")


def test_part_of_an_order_is_captured_by_lines_a_line_refunded_and_the_rest_given_back_by_keyboard(
    staff, desk: Desk, screenshot
):
    order = desk.order("10.00", "20.00")
    first, second = order.lines.order_by("pk")
    page = staff.page

    open_tab(staff, order)
    press(page, "Capture $35.00")
    page.get_by_label("All that is left: $35.00").wait_for()
    quantity = page.locator(f"#id_line_{second.pk}")
    quantity.focus()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("0")
    assert page.locator("#cybersource-lines").is_checked()  # the amount follows the lines
    assert page.locator("[data-sum]").inner_text() == "$10.00"
    page.get_by_label("More of it will be captured later").focus()
    page.keyboard.press("Space")
    type_into(page, "Why?", "Parcel 1 of 2")
    press(page, "Go on")
    page.get_by_text("10.00 USD are captured from the shopper's card now.").wait_for()
    assert not PaymentOperation.objects.exists()
    screenshot(page, "desk-preview-desk")
    confirm(page)
    page.get_by_text("The amount is captured from the shopper's card.").wait_for()

    press(page, "Back to the order")
    open_tab(staff, order)
    press(page, "Refund $10.00")
    page.locator("#cybersource-lines").focus()
    page.keyboard.press("Space")
    type_into(page, "Why?", "Came broken")
    press(page, "Go on")
    confirm(page)
    page.get_by_text("The refund waits for the next batch to the bank.").wait_for()

    open_tab(staff, order)
    press(page, "Release authorization")
    type_into(page, "Why?", "Sold out")
    press(page, "Go on")
    confirm(page)
    page.get_by_role("status").filter(has_text="hold").wait_for()

    assert source_of(order) == (D("10.00"), D("10.00"), D("10.00"))
    assert [(each.kind, each.state, each.user_name) for each in PaymentOperation.objects.order_by("pk")] == [
        ("capture", "done", "ines"),
        ("refund", "done", "ines"),
        ("reverse", "lapsing", "ines"),  # this processor releases no part of a hold
    ]
    booked = [(each.kind, each.amount) for each in desk.rest.transactions if each.parent]
    assert booked == [("capture", D("10.00")), ("refund", D("10.00"))]
    open_tab(staff, order)
    screenshot(page, "desk-order-afterwards-desk")


@pytest.fixture
def busy(desk: Desk) -> dict[str, str]:
    """A desk with something on every page, and where to find it."""
    order = desk.order("10.00", "20.00", "64.50")
    hold = desk.authorization(order)
    lines = {order.lines.order_by("pk").first().pk: 1}
    desk.do("capture", hold, lines=lines, is_last=False, reason="Parcel 1 of 3", reference="PARCEL-7")
    desk.do("refund", desk.debit(order), amount=D("2.50"), reason="A scratch on the lid")
    desk.rest.faults.next("no-answer", action="captures")
    other = desk.order("64.50")
    unknown = service.capture(desk.authorization(other), user=desk.staff, reason="Shipped today")
    refused = desk.captured("30.00")
    desk.rest.advance(hours=8)
    failed = service.void(desk.debit(refused), user=desk.staff, reason="Ordered twice")
    review = desk.order("64.50", card=cards.REVIEW)
    twice = desk.order("12.00")
    charge = desk.authorization(twice)
    AttentionItem.objects.create(
        kind=Attention.EXTRA_CHARGE,
        order=twice,
        transaction_id=charge.reference,
        reference_number=twice.number,
        amount=charge.amount,
        currency="USD",
        card_last4="1111",
    )
    api = "/api/cybersource"
    reply = CyberSourceReply.objects.filter(reply_type="browser").first()
    return {
        "order": f"/dashboard/orders/{order.number}/",
        "order-unknown": f"/dashboard/orders/{other.number}/",
        "order-review": f"/dashboard/orders/{review.number}/",
        "capture": f"{api}/payments/{hold.pk}/capture/",
        "give-back": f"{api}/payments/{hold.pk}/give-back/",
        "impossible": f"{api}/payments/{desk.authorization(refused).pk}/capture/",
        "accept": f"{api}/payments/{desk.authorization(review).pk}/accept-review/",
        "operation-unknown": f"{api}/operations/{unknown.pk}/",
        "operation-refused": f"{api}/operations/{failed.pk}/",
        "payments": f"{api}/payments/",
        "reviews": f"{api}/reviews/",
        "operations": f"{api}/operations/",
        "log-reply": f"{api}/log/{reply.pk}/",
        "log-call": f"{api}/log/{failed.log_id}/",
        "attention": f"{api}/attention/",
        "attention-item": f"{api}/attention/{AttentionItem.objects.get().pk}/",
    }


def faults(page: Any, within: str) -> list[str]:
    """What axe calls serious or critical in a part of the page."""
    found = Axe().run(page, within).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def sideways(page: Any) -> int:
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_every_page_fits_a_phone_and_axe_finds_nothing_serious(staff, busy, screenshot):
    page, told = staff.page, {}
    for name, path in busy.items():
        for kind, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 844})
            staff.goto(path)
            ours = ".content"
            if name.startswith("order"):
                page.get_by_role("link", name="Card payments").last.click()
                page.locator("#card-payments.show").wait_for()
                ours = "#card-payments"
            else:
                assert staff.complaints == [], (name, staff.complaints)
                assert sideways(page) <= 0, (name, kind)
            screenshot(page, f"desk-{name}-{kind}")
            told[name, kind] = faults(page, ours)
        if name in ("capture", "accept"):
            page.get_by_label("Why?").fill("Shipped today")
            if name == "capture":
                page.get_by_label("Amount", exact=True).fill("1000")
                page.get_by_role("button", name="Go on").click()
                page.get_by_text("can still be captured").wait_for()
                told[name, "errors"] = faults(page, ".content")
                screenshot(page, f"desk-{name}-errors-phone")
                page.get_by_label("All that is left").check()
            page.get_by_role("button", name="Go on").click()
            page.get_by_text("This is what will happen").wait_for()
            told[name, "preview"] = faults(page, ".content")
            screenshot(page, f"desk-{name}-preview-phone")
    staff.complaints.clear()  # of Oscar's own scripts on the order's page
    found = [f"{where}: {fault}" for where, faults_ in told.items() for fault in faults_]
    assert not found, "\n".join(found)
