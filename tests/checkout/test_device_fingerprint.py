"""The device fingerprint: which id the tags carry, where they lead, and what the payment says of it."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.template import engines
from django.test import Client, RequestFactory
from django.utils import timezone

from cybersource.checkout import device_fingerprint
from tests.support.shop import Shopper

URL = "/api/cybersource/fingerprint/{}/"


@pytest.fixture(autouse=True)
def profiling(settings):
    settings.CYBERSOURCE_FINGERPRINT_PROTOCOL = "https"
    settings.CYBERSOURCE_FINGERPRINT_HOST = "h.online-metrix.net"


def target(client, kind="tags"):
    return urlsplit(client.get(URL.format(kind)).headers["Location"])


def session_id(client):
    return parse_qs(target(client).query)["session_id"][0].removeprefix("acme_shop")


def page(session):
    """A checkout page of the shop, rendered with the tag."""
    request = RequestFactory().get("/checkout/")
    request.session = session
    return engines["django"].from_string("{% load cybersource_tags %}{% cybersource_fingerprint %}").render({}, request)


@pytest.mark.parametrize(
    ("kind", "path", "more"),
    [
        ("img-1", "/fp/clear.png", {"m": ["1"]}),
        ("img-2", "/fp/clear.png", {"m": ["2"]}),
        ("flash", "/fp/fp.swf", {}),
        ("js", "/fp/check.js", {}),
        ("tags", "/fp/tags.js", {}),
        ("tags-frame", "/fp/tags", {}),
    ],
)
def test_each_tag_is_redirected_to_the_profiling_service(committed_db, kind, path, more):
    response = Client().get(URL.format(kind))
    assert response.status_code == 302
    assert "no-store" in response.headers["Cache-Control"]
    leads = urlsplit(response.headers["Location"])
    assert (leads.scheme, leads.netloc, leads.path) == ("https", "h.online-metrix.net", path)
    query = parse_qs(leads.query)
    assert re.fullmatch(r"acme_shop[0-9a-f-]{36}", query.pop("session_id")[0])
    assert query == {"org_id": ["1snn5n9w"], **more}


def test_all_tags_of_a_page_carry_the_same_id(committed_db):
    client = Client()
    assert len({session_id(client) for _tag in range(3)}) == 1


def test_an_id_that_expired_is_replaced_by_a_fresh_one(committed_db):
    client = Client()
    before = session_id(client)
    session = client.session
    session[device_fingerprint.SESSION_KEY]["at"] = (timezone.now() - timedelta(minutes=31)).timestamp()
    session.save()
    assert session_id(client) != before


def test_each_page_with_the_tag_begins_an_id_of_its_own(committed_db):
    client = Client()
    client.get("/")
    session = client.session
    ids = set()
    for _view in range(2):
        drawn = page(session)
        session.save()
        client.cookies["sessionid"] = session.session_key
        assert URL.format("tags") in drawn
        ids.add(session_id(client))
        assert not ids & set(re.findall(r"[0-9a-f-]{36}", drawn))
    assert len(ids) == 2


@pytest.mark.quick
def test_the_payment_names_the_id_of_the_page_without_the_merchant(shopper):
    known = session_id(shopper.client)
    shopper.check_out()
    assert dict(shopper.form())["device_fingerprint_id"] == known
    assert shopper.attempt().device_fingerprint_id == known


def test_a_page_that_stood_open_begins_a_fresh_id_for_its_payment(shopper):
    before = session_id(shopper.client)
    renewed = shopper.client.get(URL.format("tags") + "?renew=1").headers["Location"]
    after = parse_qs(urlsplit(renewed).query)["session_id"][0].removeprefix("acme_shop")
    assert after != before
    shopper.check_out()
    assert shopper.attempt().device_fingerprint_id == after


def test_staff_read_that_a_payment_goes_unprofiled_because_its_page_was_too_old(shopper):
    session_id(shopper.client)
    session = shopper.client.session
    session[device_fingerprint.SESSION_KEY]["at"] -= device_fingerprint.LIFETIME.total_seconds()
    session.save()
    order = shopper.check_out()
    assert shopper.attempt().device_fingerprint_id == ""
    assert [note.message for note in order.notes.all()] == [
        "This card payment goes without a device fingerprint: its page had been open for too long."
    ]


def test_an_unprofiled_shopper_pays_all_the_same(shopper):
    order = shopper.check_out()
    assert "device_fingerprint_id" not in dict(shopper.form())
    shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_the_session_key_is_never_the_fingerprint(committed_db):
    client = Client()
    assert session_id(client) != client.session.session_key


@pytest.mark.parametrize("kind", ["nothing", "tags.js", "img-3", "..%2f"])
def test_any_other_tag_is_not_found(committed_db, kind):
    assert Client().get(URL.format(kind)).status_code == 404


@pytest.mark.parametrize("missing", ["CYBERSOURCE_ORG_ID", "CYBERSOURCE_MERCHANT_ID"])
def test_without_both_ids_nothing_is_profiled(committed_db, settings, missing):
    setattr(settings, missing, "")
    assert Client().get(URL.format("tags")).status_code == 404
    assert page(Client().session).strip() == ""
    shopper = Shopper()
    shopper.check_out()
    assert "device_fingerprint_id" not in dict(shopper.form())


def test_the_target_is_made_of_settings_only(committed_db):
    leads = urlsplit(Client().get(URL.format("tags") + "?session_id=evil&org_id=evil&host=evil").headers["Location"])
    assert "evil" not in leads.geturl()
