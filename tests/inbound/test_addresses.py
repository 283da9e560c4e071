"""The addresses that CyberSource is given: with and without the last slash, and what a browser finds there alone."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from cybersource import urls
from cybersource.connection_test.hosts import ENDPOINTS, WEBHOOKS
from cybersource.models import CyberSourceReply
from tests.protocol.rest.deliveries import J1, KEY, KEY_ID, header
from tests.support.review_messages import D1_BODY
from tests.support.reviewing import under_review_as
from tests.support.shop import MERCHANT_POST, REPLY, Shopper, post_reply

NOTIFICATION = reverse("cybersource-review-notification")
#: What people and load balancers put into an address bar or a monitor.
SPELLINGS = [
    pytest.param(lambda url: url, id="with the slash"),
    pytest.param(lambda url: url.rstrip("/"), id="without it"),
]

pytestmark = [
    pytest.mark.usefixtures("one_step"),
    pytest.mark.parametrize("append_slash", [True, False], ids=["APPEND_SLASH", "no APPEND_SLASH"], indirect=True),
]


@pytest.fixture
def append_slash(request, settings):
    settings.APPEND_SLASH = request.param


@pytest.fixture
def webhook_keys(settings):
    settings.CYBERSOURCE_WEBHOOK_KEYS = {KEY_ID: KEY}


@pytest.mark.usefixtures("append_slash")
@pytest.mark.parametrize("spelled", SPELLINGS)
@pytest.mark.parametrize(("url", "status"), [(REPLY, 303), (MERCHANT_POST, 200)])
def test_a_reply_takes_effect_at_either_spelling(shopper, spelled, url, status):
    order = shopper.check_out()
    assert post_reply(shopper.submit().reply, url=spelled(url)).status_code == status
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.usefixtures("append_slash")
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_a_review_notification_takes_effect_at_either_spelling(committed_db, spelled):
    order = under_review_as("100019", "7312345812346012504013")
    posted = Client().post(
        f"{spelled(NOTIFICATION)}?key=sandbox-review-key", D1_BODY, content_type="application/x-www-form-urlencoded"
    )
    assert posted.status_code == 200
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.usefixtures("append_slash", "webhook_keys")
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_a_webhook_is_taken_and_its_health_told_at_either_spelling(committed_db, spelled):
    body, *_ = J1
    signature = {"HTTP_V_C_SIGNATURE": header(body, timezone.now())}
    url = spelled(reverse("cybersource-webhooks"))
    assert Client().post(url, body, content_type="application/json", **signature).status_code == 200
    assert Client().get(spelled(reverse("cybersource-webhooks-health"))).status_code == 200


@pytest.mark.usefixtures("append_slash")
def test_every_address_for_the_outside_has_both_spellings_and_is_told_with_the_slash():
    """Whatever needs no token against forgery, but for what the shopper's own page posts, comes from outside."""
    outside = {
        pattern.name
        for pattern in urls.urlpatterns
        if isinstance(pattern, URLPattern)
        and getattr(pattern.callback, "csrf_exempt", False)
        and not getattr(pattern.callback, "login_required", True)
    }
    assert outside == {endpoint.name for endpoint in ENDPOINTS + WEBHOOKS}
    for name in outside:
        routes = sorted(str(pattern.pattern) for pattern in urls.urlpatterns if getattr(pattern, "name", "") == name)
        assert len(routes) == 2 and routes[1] == routes[0] + "/"
        assert reverse(name).endswith(f"/{routes[1]}")


# -- the page at the address of replies ------------------------------------------------------------------------------


@pytest.mark.usefixtures("append_slash")
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_whoever_opens_the_replys_address_reads_a_page_and_finds_the_shop(shopper, spelled):
    """A stranger, or a shopper whose post a proxy made into a GET: nothing is said of whether money was taken."""
    response = Client().get(spelled(REPLY), {"decision": "ACCEPT", "req_card_number": "4111111111111111"})
    page = response.content.decode()
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "No answer to a payment came with this visit" in page
    assert "do not pay again: look at your orders or your e-mail first" in page
    assert 'href="/"' in page
    assert "4111" not in page and "ACCEPT" not in page
    assert response.cookies == {}
    assert "no-store" in response.headers["Cache-Control"]
    assert not CyberSourceReply.objects.exists()


@pytest.mark.usefixtures("append_slash")
@pytest.mark.parametrize("paid", [False, True])
def test_the_shopper_who_began_a_payment_is_led_to_it(shopper, paid):
    order = shopper.check_out()
    if paid:
        assert post_reply(shopper.submit().reply, url=MERCHANT_POST).status_code == 200
    page = shopper.client.get(REPLY).content.decode()
    assert "do not pay again: check the status of your payment first" in page
    (link,) = re.findall(r'href="([^"]*/return/[^"]*)"', page)
    led = shopper.client.get(link)
    assert ("thank-you" if paid else "pending") in led.headers["Location"]
    order.refresh_from_db()
    assert order.status == ("Authorized" if paid else "Pending"), "a look changes nothing"


@pytest.mark.usefixtures("append_slash")
def test_nobody_is_led_to_the_payment_of_another(shopper):
    order = shopper.check_out()
    handle = shopper.attempt().transaction_uuid
    other = Shopper()
    other.check_out()
    session = other.client.session
    session["checkout_order_id"] = order.pk
    session.save()
    for client in (Client(), other.client):
        assert handle not in client.get(REPLY).content.decode()


@pytest.mark.usefixtures("append_slash")
def test_what_asks_without_wanting_the_page_gets_its_head_and_what_is_allowed(shopper):
    head = Client().head(REPLY)
    assert (head.status_code, head.content) == (200, b"")
    options = Client().options(REPLY)
    assert (options.status_code, options.content) == (200, b"")
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    for method in ("put", "patch", "delete"):
        refused = getattr(Client(), method)(REPLY)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert Client().get(MERCHANT_POST).status_code == 405
