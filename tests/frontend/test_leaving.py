"""Leaving for the provider can be stopped, by the shopper, a policy or an extension: then the next press goes on."""

from dataclasses import replace

import pytest

from .conftest import Answer, eventually
from .test_waiting_pages import WIRE, show, signed_form

pytestmark = pytest.mark.browser

BUTTON_IS_FREE = "document.querySelector('[data-cybersource-submit]').getAttribute('aria-disabled') === 'false'"
CONTINUE = "document.querySelector('[data-cybersource-next] button')"
STAYED = "Your browser is still on this page"


@pytest.fixture
def slow_gateway(gateway):
    """A provider that does not answer while anybody waits for it."""
    answer = gateway.routes["POST", "/silent/token/create"]
    gateway.routes["POST", "/silent/token/create"] = replace(answer, delay=3)
    return gateway


#: Tells by the console, since Playwright asks nothing of a page that is about to leave.
TELLING = """() => setInterval(() => {
    const button = document.querySelector('[data-cybersource-submit]');
    console.log(button.getAttribute('aria-disabled') === 'false' ? 'free' : 'busy');
}, 100)"""


def leave(checkout, page, then=""):
    """Press the button, and do something half a second after the page began to leave."""
    checkout.open().fill()
    page.evaluate(TELLING)
    page.evaluate(
        "(then) => addEventListener('cybersource:leaving', () => setTimeout(() => eval?.(then), 500), {once: true})",
        then,
    )
    checkout.press()


def is_free(page, seconds=8):
    for _tenth in range(seconds * 10):
        told = page.complaints.console
        if "busy" in told and "free" in told[told.index("busy") :]:
            return True
        page.wait_for_timeout(100)
    return False


@pytest.fixture
def trusting(shop):
    """A policy under which the tests' own eval runs."""
    shop.csp = shop.csp.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")


@pytest.mark.parametrize("stop", ["stop()", "dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'})); stop()"])
def test_the_button_is_free_again_when_leaving_was_stopped_and_pays_once_more(
    checkout, page, slow_gateway, trusting, stop
):
    leave(checkout, page, stop)
    assert is_free(page)
    assert STAYED in page.evaluate("document.querySelector('[data-cybersource-status]').innerText")
    assert page.evaluate("document.querySelector('[data-cybersource-field=number]').value") == "4111 1111 1111 1111"
    checkout.press()
    page.wait_for_url(f"{checkout.gateway.url}/**")


def test_a_shopper_who_wants_to_stay_after_all_finds_a_free_button(checkout, page, gateway):
    page.once("dialog", lambda dialog: dialog.dismiss())
    checkout.open().fill()
    page.evaluate(TELLING)
    page.evaluate("() => { window.onbeforeunload = (event) => event.preventDefault(); }")
    checkout.press()
    assert is_free(page)
    page.evaluate("() => { window.onbeforeunload = null; }")
    checkout.press()
    page.wait_for_url(f"{gateway.url}/**")


def test_a_provider_who_answers_nothing_leaves_a_free_button_in_the_end(checkout, page, gateway):
    gateway.routes["POST", "/silent/token/create"] = Answer("", 204)
    page.clock.install()
    checkout.open().fill().press()
    page.locator("[data-cybersource-status]", has_text="payment provider").wait_for()
    page.clock.fast_forward(30_000)
    assert not page.evaluate(BUTTON_IS_FREE)
    page.clock.fast_forward(31_000)
    eventually(page, BUTTON_IS_FREE)


def test_while_the_provider_takes_its_time_the_button_stays_as_it_is(checkout, page, slow_gateway, trusting):
    leave(checkout, page)
    page.wait_for_url(f"{slow_gateway.url}/**")
    assert "free" not in page.complaints.console[page.complaints.console.index("busy") :]
    assert len(slow_gateway.got("POST", "/silent/token/create")) == 1


SWALLOW = "HTMLFormElement.prototype.submit = () => {}"


def test_an_extension_that_swallows_the_card_form_leaves_a_free_button(checkout, page, gateway):
    checkout.open().fill()
    page.evaluate(SWALLOW)
    checkout.press()
    eventually(page, BUTTON_IS_FREE)
    assert gateway.requests == []


@pytest.fixture
def paid(gateway):
    gateway.routes["POST", "/silent/pay"] = Answer("<title>Payment provider</title>")


def test_an_extension_that_swallows_the_second_form_is_told_and_continue_continues(page, shop, gateway, paid):
    page.add_init_script(SWALLOW)
    show(page, shop, form=signed_form(gateway))
    page.get_by_text("did not go on to our payment provider").wait_for()
    assert gateway.requests == []
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{gateway.url}/silent/pay")
    assert [request.posted for request in gateway.got("POST", "/silent/pay")] == [WIRE]


def test_a_policy_that_stops_the_second_form_is_told_and_continue_tries_again(page, shop, gateway, paid):
    page.complaints.expected = True
    shop.csp = shop.csp.replace(f" {gateway.url}", "")
    show(page, shop, form=signed_form(gateway))
    eventually(page, "!document.querySelector('[data-cybersource-when=blocked]').hidden")
    page.complaints.violations.clear()
    page.evaluate(f"{CONTINUE}.click()")
    page.wait_for_timeout(300)
    assert page.complaints.violations, "it tried once more"
    assert gateway.requests == []


def test_a_waiting_page_whose_next_form_was_stopped_offers_it_again(page, shop, gateway, paid):
    fields = [vars(field) for field in signed_form(gateway).fields]
    shop.states(action={**shop.action(fields, name="authorize"), "url": f"{gateway.url}/silent/pay"})
    page.add_init_script(SWALLOW)
    show(page, shop)
    page.get_by_text("did not go on to our payment provider").wait_for()
    assert page.get_by_role("button", name="Continue").is_visible()


def test_an_answer_that_never_comes_is_given_up_and_asked_after(checkout, page, shop):
    page.clock.install()
    working = shop.routes["POST", "/api/checkout/"]
    shop.routes["POST", "/api/checkout/"] = replace(working, delay=3)
    checkout.open(payload={"basket": "/api/baskets/1/", "total": "12.00"}).fill().press()
    checkout.status.get_by_text("Placing your order").wait_for()
    page.clock.fast_forward(76_000)
    posted = checkout.posted()
    assert dict(posted)["amount"] == "12.00", "what waits there is what the shopper agreed to pay"
    assert len(shop.got("POST", "/api/checkout/")) == 1


@pytest.mark.parametrize("total", ["13.00", None])
def test_a_form_that_may_be_of_another_order_is_not_gone_on_with_unasked(checkout, shop, gateway, total):
    shop.routes["POST", "/api/checkout/"] = Answer("<h1>Bad gateway</h1>", 502)
    checkout.open(payload={"basket": "/api/baskets/1/", **({"total": total} if total else {})}).fill().pay()
    checkout.summary.get_by_text("We do not know yet whether your order was placed").wait_for()
    assert gateway.requests == []
