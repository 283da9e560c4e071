"""What the shopper sees: on a phone, on a desk, in Oscar's layout and in a page without any."""

from dataclasses import replace

import pytest

from .conftest import CVN, VISA, render

pytestmark = pytest.mark.browser

OSCAR = "oscar/layout.html"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnungsvorlage"

#: WCAG contrast of every visible text against the first opaque background behind it.
CONTRAST = """() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = channels(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const weak = [];
    for (const element of document.querySelectorAll("[class*=cybersource] *, [class*=cybersource]")) {
        const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
        if (!(own || element.value) || !element.checkVisibility() || element.closest("option")) continue;
        const [text, paper] = [light(channels(getComputedStyle(element).color)), light(behind(element))];
        const ratio = (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
        if (ratio < 4.5) weak.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
    }
    return weak;
}"""


def sideways(page):
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def fill_everything_wrong(checkout, shop, page):
    checkout.open("phone=True billing='show' label='Pay $1,234.56'", layout=OSCAR)
    checkout.fill(number="4111 1111 1111 1112", expiry="01/20", cvn="1")
    page.get_by_role("button", name="Pay $1,234.56").click()
    checkout.summary.wait_for()


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_runs_off_the_side_of_a_phone(checkout, shop, page, width):
    page.set_viewport_size({"width": width, "height": 844})
    fill_everything_wrong(checkout, shop, page)
    assert sideways(page) <= 0
    shop.states("Pending")
    shop.page(
        "/pending/",
        render("{% extends 'cybersource/pending.html' %}", order_number=LONG, refresh_url="/pending/", message=LONG),
    )
    page.goto(f"{shop.url}/pending/")
    assert sideways(page) <= 0
    shop.page("/return/", render("{% extends 'cybersource/return.html' %}", home_url="/"))
    page.goto(f"{shop.url}/return/")
    assert sideways(page) <= 0


@pytest.mark.parametrize("width", [390, 375])
def test_expiry_and_security_code_stand_side_by_side_on_a_phone_and_on_one_line(checkout, page, width):
    page.set_viewport_size({"width": width, "height": 844})
    checkout.open(layout=OSCAR).fill(expiry="01/20", cvn="1").pay()
    expiry, cvn = checkout.expiry.bounding_box(), checkout.cvn.bounding_box()
    assert expiry["y"] == cvn["y"] and expiry["x"] + expiry["width"] < cvn["x"]
    assert expiry["height"] == cvn["height"]


def test_no_digit_of_a_long_number_is_hidden_on_a_phone(checkout, page):
    page.set_viewport_size({"width": 390, "height": 844})
    checkout.open(layout=OSCAR)
    for number in (VISA, "378282246310005", "6759560045005727054"):
        checkout.number.fill(number)
        assert checkout.number.evaluate("(input) => input.scrollWidth <= input.clientWidth")


@pytest.mark.parametrize("layout", [OSCAR, "bare_layout.html"])
def test_everything_to_press_is_large_enough_for_a_thumb_and_no_field_makes_a_phone_zoom(checkout, page, layout):
    checkout.open("phone=True billing='show'", layout=layout)
    for element in page.locator(".cybersource-card-form :is(input, select, button)").all():
        if element.is_visible():
            assert element.bounding_box()["height"] >= 44
            assert float(element.evaluate("(element) => parseFloat(getComputedStyle(element).fontSize)")) >= 16


def test_all_text_has_the_contrast_that_the_guidelines_ask_for(checkout, shop, page):
    fill_everything_wrong(checkout, shop, page)
    page.wait_for_timeout(200)
    assert page.evaluate(CONTRAST) == []
    for number in (
        VISA,
        "5555555555554444",
        "378282246310005",
        "6011111111111117",
        "38000000000006",
        "3566111111111113",
        "50339619890917",
        "6200000000000005",
    ):
        checkout.number.fill(number)
        assert page.evaluate(CONTRAST) == []
    shop.states("Pending")
    shop.page(
        "/pending/", render("{% extends 'cybersource/pending.html' %}", order_number="100042", refresh_url="/pending/")
    )
    page.goto(f"{shop.url}/pending/")
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("layout", [OSCAR, "bare_layout.html"])
def test_the_focus_can_be_seen_wherever_it_is(checkout, page, layout):
    checkout.open("phone=True", layout=layout)
    for label in ("Card number", "Expiry date", "Security code", "Phone number (optional)"):
        checkout.field(label).focus()
        assert (
            checkout.field(label).evaluate(
                "(e) => getComputedStyle(e).outlineStyle + parseFloat(getComputedStyle(e).outlineWidth)"
            )
            == "solid2"
        )
    page.keyboard.press("Tab")
    assert checkout.button.evaluate("(e) => getComputedStyle(e).outlineStyle") == "solid"


def test_a_shopper_who_wants_less_motion_gets_none(checkout, page, shop):
    page.emulate_media(reduced_motion="reduce")
    shop.states("Pending")
    shop.page("/pending/", render("{% extends 'cybersource/pending.html' %}", refresh_url="/pending/"))
    page.goto(f"{shop.url}/pending/")
    assert page.locator(".cybersource-spinner").first.evaluate("(e) => getComputedStyle(e).animationName") == "none"


def test_the_form_touches_nothing_else_on_the_shops_page(checkout, page):
    probe = (
        "<section id='probe'><p>Text</p><input name='q'><button>Search</button>"
        "<fieldset><legend>Legend</legend></fieldset></section>"
    )
    look = """() => {
        const placed = /^(perspective-|transform-|-webkit)|(height|block-size|width|inline-size)$/;
        return Array.from(document.querySelectorAll("#probe, #probe *, body, h1"), (element) => {
            const style = getComputedStyle(element);
            const names = Array.from(style).filter((name) => !placed.test(name));
            return names.map((name) => style.getPropertyValue(name)).join();
        });
    }"""
    checkout.open("assets=True", before=probe, layout=OSCAR)
    with_styles = page.evaluate(look)
    page.evaluate("document.querySelectorAll('link[href*=\"cybersource/css\"]').forEach((link) => link.remove())")
    assert page.evaluate(look) == with_styles


def test_a_shop_recolours_the_form_without_touching_its_stylesheet(checkout, page, shop):
    shop.routes["GET", "/static/shop.css"] = replace(
        shop.static("/static/cybersource/css/cybersource.css"), body=":root { --cybersource-accent: rgb(1, 2, 3); }"
    )
    checkout.open(before='<link rel="stylesheet" href="/static/shop.css">')
    assert checkout.button.evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgb(1, 2, 3)"


def test_the_form_in_oscars_layout_works_under_a_policy_without_inline_script_or_style(checkout, page):
    posted = checkout.open(layout=OSCAR).fill(cvn=CVN).pay().posted()
    assert dict(posted)["card_number"] == VISA
    assert page.complaints.violations == []


def test_a_frame_for_browsers_without_javascript_is_out_of_sight(browser, shop):
    html = (
        "<!DOCTYPE html><title>F</title><noscript><link rel=stylesheet href=/static/cybersource/css/cybersource.css>"
        "<iframe class=cybersource-fingerprint src=/nothing/ width=100 height=100></iframe></noscript>"
    )
    shop.page("/frame/", html)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shop.url}/frame/")
    box = page.locator("iframe").bounding_box()
    assert box["y"] < -1000
    context.close()
