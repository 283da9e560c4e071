"""The connection test in the dashboard: found in the navigation, run by a button, readable on a phone."""

from __future__ import annotations

from tests.browser.conftest import WIDTHS, sideways


def test_staff_test_the_connection_with_the_keyboard_and_read_it_on_a_phone(
    staff, settings, cybersource_simulator, screenshot
):
    for name, value in cybersource_simulator.shop_settings.items():
        setattr(settings, name, value)
    settings.CYBERSOURCE_REST_SHARED_SECRET = "d3Jvbmc="  # of another key
    page = staff.page
    staff.goto("/dashboard/")
    assert page.get_by_role("link", name="Connection test", include_hidden=True).count() == 1
    staff.complaints.clear()  # of Oscar's own dashboard
    staff.goto("/api/cybersource/connection-test/")
    screenshot(page, "connection-test-before")
    page.get_by_role("button", name="Test now").focus()
    page.keyboard.press("Enter")
    page.get_by_text("cybersource.D061").wait_for()
    for kind, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 844})
        screenshot(page, f"connection-test-{kind}")
        assert sideways(page) <= 0, kind
    assert staff.complaints == []
