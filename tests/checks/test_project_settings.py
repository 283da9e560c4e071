"""A project's own settings, of which Django has many: whatever they are, cards are paid with and come back."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.test import Client
from django.urls import set_script_prefix

from cybersource.models import CyberSourceReply
from cybersource.simulator import cards
from tests.support.shop import MERCHANT_POST, REPLY, Shopper, card, post_reply

HTTPS = {
    "SECURE_SSL_REDIRECT": True,
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
}
STRICT = {
    "SESSION_COOKIE_SAMESITE": "Strict",
    "CSRF_COOKIE_SAMESITE": "Strict",
    "CSRF_USE_SESSIONS": True,
    "CSRF_COOKIE_HTTPONLY": True,
    "CSRF_HEADER_NAME": "HTTP_X_TOKEN",
    "CSRF_COOKIE_NAME": "token",
    "CSRF_TRUSTED_ORIGINS": [],
}
PROJECTS: dict[str, dict[str, Any]] = {
    "adds no slash": {"APPEND_SLASH": False},
    "adds slashes": {"APPEND_SLASH": True},
    "is served under a path": {"FORCE_SCRIPT_NAME": "/shop"},
    "is served by https only": HTTPS,
    "guards forms in sessions": STRICT,
    "takes small posts only": {"DATA_UPLOAD_MAX_NUMBER_FIELDS": 1, "DATA_UPLOAD_MAX_MEMORY_SIZE": 2500},
    "sends www before its name": {"PREPEND_WWW": True},
    "saves every session": {"SESSION_SAVE_EVERY_REQUEST": True},
    "has no site of its own": {"SITE_ID": None},
    "speaks German": {"LANGUAGE_CODE": "de", "USE_THOUSAND_SEPARATOR": True},
    "speaks one language": {"USE_I18N": False},
    "reads what is posted as Latin-1": {"DEFAULT_CHARSET": "iso-8859-1"},
}


class Browser(Client):
    """Of a shopper, or of CyberSource's server. It asks the web server, which knows what lies under ``/shop``."""

    def generic(self, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        return super().generic(method, path.replace("/shop/", "/", 1), *args, **kwargs)


def browser() -> Client:
    host = {"HTTP_HOST": "www.shop.example", "HTTP_X_FORWARDED_PROTO": "https"}
    return Browser(REMOTE_ADDR="203.0.113.24", raise_request_exception=False, **host)


@pytest.fixture(params=PROJECTS)
def project(request, settings, committed_db):
    given = PROJECTS[request.param]
    if given.get("SITE_ID", 1) is None:
        del settings.SITE_ID
        Site.objects.get_or_create(domain="www.shop.example")
    for name, value in given.items():
        if value is not None:
            setattr(settings, name, value)
    settings.ALLOWED_HOSTS = ["www.shop.example"]
    set_script_prefix(given.get("FORCE_SCRIPT_NAME", "") + "/")  # by the web server's door, which the client has not
    yield given
    set_script_prefix("/")
    Site.objects.filter(domain="www.shop.example").delete()


@pytest.mark.parametrize("flow", ["one-step", "two-step"])
def test_a_shopper_pays_and_is_thanked(project, settings, flow, mailoutbox):
    settings.CYBERSOURCE_FLOW = flow
    shopper = Shopper(client=browser())
    order = shopper.check_out("1234.50")
    prefix = project.get("FORCE_SCRIPT_NAME", "")
    for _step in range(2 if flow == "two-step" else 1):
        answer = shopper.submit(card())
        came = post_reply(answer.reply, client=browser())
        assert came.status_code == 303, (came.status_code, came.headers)
        assert came.headers["Location"].startswith(f"{prefix}/api/cybersource/return/")
        back = shopper.client.get(came.headers["Location"])
        assert back.status_code == 302 and back.headers["Location"].startswith(f"{prefix}/")
        [posted] = answer.merchant_posts
        assert post_reply(posted.pairs, url=MERCHANT_POST, client=browser()).status_code == 200
    assert back.headers["Location"] == f"{prefix}/checkout/thank-you/"
    assert shopper.client.get(back.headers["Location"]).status_code == 200
    order.refresh_from_db()
    assert (order.status, len(mailoutbox)) == ("Authorized", 1)


def test_a_declined_shopper_is_told_and_pays_with_another_card(project, settings):
    settings.CYBERSOURCE_FLOW = "one-step"
    shopper = Shopper(client=browser())
    order = shopper.check_out("1234.50")
    answer = shopper.submit(card(cards.DECLINED))
    back = shopper.client.get(post_reply(answer.reply, client=browser()).headers["Location"])
    assert order.number in shopper.client.get(back.headers["Location"], follow=True).content.decode()
    shopper.basket = None
    assert shopper.check_out() == order
    shopper.client.get(post_reply(shopper.submit(card()).reply, client=browser()).headers["Location"])
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.usefixtures("one_step")
@pytest.mark.parametrize("url", [REPLY, MERCHANT_POST])
@pytest.mark.parametrize("spelled", ["{}", "{}?", "{}?locale=en-us", "{}?%00=%ff", "{}?decision=DECLINE&signature=x"])
@pytest.mark.parametrize("slash", ["/", ""])
def test_a_reply_is_taken_whatever_stands_behind_its_url(shopper, url, spelled, slash):
    order = shopper.check_out()
    answer = shopper.submit()
    came = post_reply(answer.reply, url=spelled.format(url.rstrip("/") + slash))
    assert came.status_code == (303 if url == REPLY else 200)
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_the_reply_url_without_a_reply_answers_and_stores_nothing(committed_db, method, slash):
    url = REPLY.rstrip("/") + slash
    for query in ("", "?decision=ACCEPT&req_transaction_uuid=%00", "?" + "x=1&" * 3000):
        came = getattr(browser_without_session := Client(), method)(url + query)
        assert came.status_code == 200 and not came.headers.get("Location")
        assert browser_without_session.cookies.get("sessionid") is None
    assert not CyberSourceReply.objects.exists()
    for other in ("put", "delete", "patch"):
        assert getattr(Client(), other)(url).status_code == 405
