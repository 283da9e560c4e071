"""The pages between the provider and the shop: a payment goes on by itself, or is waited for, never paid twice."""

from types import SimpleNamespace

import pytest

from .conftest import Answer, render

pytestmark = pytest.mark.browser

STATES = ("GET", "/api/checkout/payment-states/")
PENDING = "{% extends 'cybersource/pending.html' %}"
RETURN = "{% extends 'cybersource/return.html' %}"


def signed_form(gateway):
    fields = [
        {"key": "payment_token", "value": "9903000000000001", "editable": False},
        {"key": "item_0_name", "value": 'Café "crème" & <cake>', "editable": False},
        {"key": "signature", "value": "c2lnbmVk", "editable": False},
    ]
    return SimpleNamespace(
        url=f"{gateway.url}/silent/pay", name="authorize", fields=[SimpleNamespace(**field) for field in fields]
    )


WIRE = [("payment_token", "9903000000000001"), ("item_0_name", 'Café "crème" & <cake>'), ("signature", "c2lnbmVk")]


@pytest.fixture(autouse=True)
def paid(gateway):
    gateway.routes["POST", "/silent/pay"] = Answer("<title>Payment provider</title>")


def show(page, shop, **context):
    shop.page("/pending/", render(PENDING, refresh_url="/moved-on/", **{"refresh_seconds": 0.2, **context}))
    shop.page("/moved-on/", "<!DOCTYPE html><title>Thank you</title>")
    page.goto(f"{shop.url}/pending/", wait_until="commit")


def test_the_second_step_of_a_payment_posts_itself_as_signed(page, shop, gateway):
    show(page, shop, form=signed_form(gateway), order_number="100042")
    page.wait_for_url(f"{gateway.url}/silent/pay")
    assert [request.posted for request in gateway.got("POST", "/silent/pay")] == [WIRE]
    assert shop.got(*STATES) == []


def test_without_javascript_the_second_step_is_one_button_away(browser, shop, gateway):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    show(page, shop, form=signed_form(gateway), order_number="100042")
    assert page.get_by_text("Your order number is 100042").is_visible()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{gateway.url}/silent/pay")
    assert gateway.got("POST", "/silent/pay")[0].posted == WIRE
    context.close()


def test_going_back_from_the_provider_does_not_throw_the_shopper_forward_again(page, shop, gateway):
    shop.page("/basket/", "<!DOCTYPE html><title>Basket</title>")
    page.goto(f"{shop.url}/basket/")
    show(page, shop, form=signed_form(gateway))
    page.wait_for_url(f"{gateway.url}/silent/pay")
    page.go_back()
    page.wait_for_url(f"{shop.url}/basket/")
    assert len(gateway.got("POST", "/silent/pay")) == 1


def test_going_back_to_a_waiting_page_that_went_on_leaves_the_next_press_to_the_shopper(page, shop, gateway):
    shop.states("Pending")
    show(page, shop)
    page.get_by_text("Last checked:").wait_for()
    shop.states(
        action={
            **shop.action([vars(field) for field in signed_form(gateway).fields], name="authorize"),
            "url": f"{gateway.url}/silent/pay",
        }
    )
    page.wait_for_url(f"{gateway.url}/silent/pay")
    page.go_back()
    page.wait_for_url(f"{shop.url}/pending/")
    page.wait_for_timeout(500)
    assert page.url == f"{shop.url}/pending/"
    assert len(gateway.got("POST", "/silent/pay")) == 1
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{gateway.url}/silent/pay")
    assert len(gateway.got("POST", "/silent/pay")) == 2


def test_pressing_continue_twice_posts_the_second_step_once(page, shop, gateway):
    gateway.routes["POST", "/silent/pay"] = Answer("", 204)
    show(page, shop, form=signed_form(gateway))
    page.wait_for_timeout(200)
    page.evaluate("document.querySelector('[data-cybersource-next] button').click()")
    page.evaluate("document.querySelector('[data-cybersource-next] button').click()")
    page.wait_for_timeout(200)
    assert len(gateway.got("POST", "/silent/pay")) == 1


def test_a_payment_not_settled_yet_is_waited_for_and_then_left_for_the_next_page(page, shop):
    shop.states("Pending")
    show(page, shop, order_number="100042")
    assert page.get_by_role("heading", name="We are still checking your payment").is_visible()
    assert page.get_by_text("Please do not pay again.").is_visible()
    assert page.get_by_text("100042").is_visible()
    page.get_by_text("Last checked:").wait_for()
    assert page.url == f"{shop.url}/pending/"
    shop.states("Complete")
    page.wait_for_url(f"{shop.url}/moved-on/")


@pytest.mark.parametrize("status", ["Complete", "Consumed", "Declined"])
def test_whatever_the_end_the_shop_decides_where_the_shopper_goes(page, shop, status):
    shop.states(status)
    show(page, shop)
    page.wait_for_url(f"{shop.url}/moved-on/")


def test_a_waiting_page_goes_on_with_the_next_step_when_the_shop_has_one(page, shop, gateway):
    shop.states("Pending")
    show(page, shop)
    page.get_by_text("Last checked:").wait_for()
    shop.states(
        action={
            **shop.action([vars(field) for field in signed_form(gateway).fields], name="authorize"),
            "url": f"{gateway.url}/silent/pay",
        }
    )
    page.wait_for_url(f"{gateway.url}/silent/pay")
    assert gateway.got("POST", "/silent/pay")[0].posted == WIRE


def test_a_next_step_that_wants_a_card_is_not_posted_without_one(page, shop, gateway):
    shop.states(form=True)
    show(page, shop, card_url="/checkout/")
    page.get_by_text("needs your card details again").wait_for()
    assert page.get_by_role("link", name="Enter your card").get_attribute("href") == "/checkout/"
    assert gateway.requests == []


def test_a_shop_out_of_reach_is_told_and_asked_again_ever_more_slowly(page, shop):
    shop.routes[STATES] = Answer("", 503)
    show(page, shop, refresh_seconds=0.1)
    page.get_by_text("We cannot reach the shop at the moment").wait_for()
    page.wait_for_timeout(1_500)
    assert 2 <= len(shop.got(*STATES)) <= 7
    shop.states("Complete")
    page.wait_for_url(f"{shop.url}/moved-on/")


def test_a_shop_that_asks_for_patience_gets_it(page, shop):
    shop.routes[STATES] = Answer("", 429, headers={"Retry-After": "30"})
    show(page, shop, refresh_seconds=0.1)
    page.get_by_text("We cannot reach the shop at the moment").wait_for()
    page.wait_for_timeout(600)
    assert len(shop.got(*STATES)) == 1


def test_a_page_whose_payment_is_settled_already_never_spins(page, shop):
    shop.states("Complete")
    shop.page("/pending/", render(PENDING, refresh_url="/pending/", refresh_seconds=0.4))
    page.goto(f"{shop.url}/pending/")
    page.wait_for_timeout(1_500)
    assert 1 <= len(shop.got("GET", "/pending/")) <= 5


def test_without_javascript_the_waiting_page_looks_again_by_itself(browser, shop):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    show(page, shop, refresh_seconds=1)
    assert page.get_by_text("Please do not pay again.").is_visible()
    page.wait_for_url(f"{shop.url}/moved-on/", timeout=5_000)
    context.close()


def test_with_javascript_the_waiting_page_does_not_reload_under_the_reader(page, shop):
    shop.states("Pending")
    show(page, shop, refresh_seconds=1)
    page.wait_for_timeout(1_500)
    assert page.url == f"{shop.url}/pending/"


def test_a_shop_may_say_in_its_own_words_what_is_being_waited_for(page, shop):
    shop.states("Pending")
    show(page, shop, message="Our <people> look at your order.")
    assert page.get_by_text("Our <people> look at your order.").is_visible()
    assert page.get_by_text("Please do not pay again.").is_visible()


def test_the_return_page_makes_one_navigation_of_this_site_so_that_strict_cookies_come_back(page, shop, gateway):
    page.context.add_cookies([{"name": "sessionid", "value": "s", "url": shop.url, "sameSite": "Strict"}])
    shop.page("/return/", render(RETURN, retry_url="/return/again/", home_url="/"))
    shop.page("/return/again/", "<!DOCTYPE html><title>Thank you</title>")
    gateway.routes["GET", "/"] = Answer(f"<form method=post action='{shop.url}/reply/'><button>Go</button></form>")
    shop.routes["POST", "/reply/"] = Answer("", 303, headers={"Location": "/return/"})
    page.goto(gateway.url)
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(f"{shop.url}/return/again/")
    assert "cookie" not in shop.got("GET", "/return/")[0].headers
    assert shop.got("GET", "/return/again/")[0].headers["cookie"] == "sessionid=s"


def test_the_return_page_tells_a_stranger_nothing_and_leads_home(page, shop):
    html = render(RETURN, retry_url=None, home_url="/home/")
    shop.page("/return/", html)
    page.goto(f"{shop.url}/return/")
    assert page.get_by_role("link", name="Go to the shop").get_attribute("href") == "/home/"
    assert "refresh" not in html and "script" not in html and "<form" not in html
    page.wait_for_timeout(200)
    assert page.url == f"{shop.url}/return/"


@pytest.mark.parametrize("answer", [Answer("", 302, headers={"Location": "/login/"}), Answer.json({}, 401)])
def test_a_login_in_the_place_of_the_states_is_told_as_what_it_is(page, shop, answer):
    shop.routes["GET", "/login/"] = Answer("<h1>Sign in</h1>")
    shop.routes[STATES] = answer
    show(page, shop, refresh_seconds=0.1)
    page.get_by_text("The shop asks you to sign in").wait_for()
    assert page.get_by_role("link", name="Check now").is_visible()
