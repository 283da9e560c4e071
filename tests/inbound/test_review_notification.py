"""The endpoint that Decision Manager knocks at: who is let in, what is refused, and what it leaves behind."""

from __future__ import annotations

import logging
import secrets
from io import BytesIO
from urllib.parse import quote

import django
import pytest
from django.apps import apps
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.db.models.signals import pre_save
from django.test import Client, override_settings
from django.urls import reverse
from django.utils.log import AdminEmailHandler
from oscar.core.loading import get_model

from cybersource.inbound import views
from cybersource.models import ReviewNotification, ReviewNotificationUpdate
from cybersource.protocol.review import MAX_XML_BYTES
from tests.conftest import empty_tables
from tests.support.database import KEPT
from tests.support.review_messages import D1, D1_BODY, D5, body_of
from tests.support.reviewing import tell, under_review, under_review_as
from tests.support.rows import fingerprints
from tests.support.shop import REVIEW, Shopper, post_notification

pytestmark = pytest.mark.usefixtures("one_step")

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")

URL, _query, KEY = REVIEW.partition("?key=")
FORM = "application/x-www-form-urlencoded"

#: All that a refused notification may write to.
EVIDENCE = {"cybersource_reviewnotification", "cybersource_reviewnotificationupdate"}


@pytest.fixture
def held(committed_db):
    """The order that the recorded acceptance is about."""
    return under_review_as("100019", "7312345812346012504013")


def status(order):
    return Order.objects.get(pk=order.pk).status


def everything(*, but=EVIDENCE):
    """Every row of every table, but for evidence."""
    return {
        model._meta.db_table: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.managed and model._meta.db_table not in but | KEPT | {"django_session"}
    }


def post(url=REVIEW, body=D1_BODY, content_type=FORM, **extra):
    return Client(raise_request_exception=False).generic("POST", url, body, content_type=content_type, **extra)


def break_the_evidence(sender, **kwargs):
    raise DatabaseError("the disk is on fire")


# -- the key ---------------------------------------------------------------------------------------------------------


def test_the_endpoint_is_where_the_readme_says():
    assert reverse("cybersource-review-notification") == URL


@pytest.mark.quick
def test_the_right_key_opens_the_endpoint(held):
    response = post()
    assert (response.status_code, response.content) == (200, b"ok")
    assert status(held) == "Authorized"


@pytest.mark.parametrize("key", ["old-key-of-last-week", "new-key", "ключ"])
def test_while_keys_rotate_each_of_them_opens_the_endpoint(held, settings, key):
    settings.CYBERSOURCE_DECISION_MANAGER_KEYS = ["new-key", "old-key-of-last-week", "ключ"]
    assert post(f"{URL}?key={quote(key)}").status_code == 200


@pytest.mark.parametrize("encoded", ["€".encode(), b"%E2%82%AC"], ids=["raw", "escaped"])
def test_a_key_in_any_letters_opens_the_endpoint_of_an_asynchronous_server(held, settings, encoded):
    settings.CYBERSOURCE_DECISION_MANAGER_KEYS = ["€"]
    scope = {
        "type": "http",
        "method": "POST",
        "path": URL,
        "headers": [(b"content-type", FORM.encode())],
        "client": ("192.0.2.1", 50000),
    }
    for key, code in ((encoded, 200), (encoded + b"x", 403)):
        request = ASGIRequest({**scope, "query_string": b"key=" + key}, BytesIO(D1_BODY))
        assert views.review_notification(request).status_code == code


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?key=",
        "?key=wrong",
        f"?key={KEY}x",
        f"?key={KEY[:-1]}",
        f"?key={KEY.upper()}",
        f"?key=%20{KEY}",
        f"?key={KEY}&key={KEY}",
        f"?key=wrong&key={KEY}",
        f"?Key={KEY}",
        f"?key[]={KEY}",
        "?key=%00",
        "?key=%FF",
        "?key=" + "x" * 5000,
        f"?{KEY}",
    ],
)
def test_without_exactly_the_right_key_nothing_is_read_or_stored(held, query):
    before = everything(but=set())
    response = post(URL + query)
    assert response.status_code == 403
    assert everything(but=set()) == before


def test_a_key_anywhere_but_in_the_url_is_no_key(held):
    assert post(URL, D1_BODY + f"&key={KEY}".encode()).status_code == 403
    assert post(URL, headers={"key": KEY, "authorization": f"Bearer {KEY}"}).status_code == 403


@pytest.mark.parametrize("keys", [None, "", KEY, [""], ["", None], {}, {KEY: True}, 0, False, True])
def test_unset_keys_and_anything_that_is_no_list_of_keys_close_the_endpoint(held, settings, keys):
    settings.CYBERSOURCE_DECISION_MANAGER_KEYS = keys
    for query in ("", "?key=", f"?key={KEY}", f"?key={KEY[0]}", "?key=None"):
        assert post(URL + query).status_code == 403
    assert status(held) == "Pending"


def test_an_endpoint_without_the_setting_is_closed(held, settings):
    del settings.CYBERSOURCE_DECISION_MANAGER_KEYS
    assert post().status_code == 403


@pytest.mark.parametrize("query", ["", f"?key={KEY}", "?key=anything"])
def test_an_explicit_empty_list_opens_the_endpoint_to_anybody(held, settings, query):
    settings.CYBERSOURCE_DECISION_MANAGER_KEYS = []
    assert post(URL + query).status_code == 200
    assert status(held) == "Authorized"


def test_every_key_is_compared_whichever_is_right(held, settings, monkeypatch):
    """The time an answer takes says nothing about how many keys there are before the right one."""
    settings.CYBERSOURCE_DECISION_MANAGER_KEYS = ["one", KEY, "three"]
    compared = []
    genuine = secrets.compare_digest
    monkeypatch.setattr(secrets, "compare_digest", lambda a, b: compared.append(b.decode()) or genuine(a, b))
    assert post().status_code == 200
    assert post(f"{URL}?key=wrong").status_code == 403
    assert compared == ["one", KEY, "three"] * 2


# -- methods, cookies, sessions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch", "options"])
def test_nothing_but_post_is_answered(held, method):
    response = getattr(Client(), method)(REVIEW)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert ReviewNotification.objects.count() == 0


def test_no_cookie_is_set_and_no_session_is_touched(held):
    shopper = Shopper()
    shopper.fill_basket()
    Session = apps.get_model("sessions", "Session")
    before = list(Session.objects.values())
    for body in (D1_BODY, b"content=broken"):
        for client in (Client(), shopper.client):
            response = client.post(REVIEW, body, content_type=FORM)
            assert not response.cookies
            assert "Cookie" not in response.headers.get("Vary", "")
    assert list(Session.objects.values()) == before


def test_no_csrf_token_is_asked_for(held):
    assert Client(enforce_csrf_checks=True).post(REVIEW, D1_BODY, content_type=FORM).status_code == 200


def test_no_answer_is_kept_by_a_cache(held):
    assert "no-store" in post().headers["Cache-Control"]


# -- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(D1_BODY, FORM, id="a form"),
        pytest.param(D1_BODY, f"{FORM}; charset=UTF-8", id="a form that names its charset"),
        pytest.param(b"undefined=&" + D1_BODY, FORM, id="a form with the stray field first"),
        pytest.param(body_of(D1.replace("\n", "\r\n")), FORM, id="with the other line ends"),
        pytest.param(quote(D1, safe="").join(("content=", "")).replace("%20", "+").encode(), FORM, id="plus for blank"),
        pytest.param(D1.encode(), "text/xml", id="the bare document"),
        pytest.param(D1.encode(), "application/xml; charset=utf-8", id="the bare document as application/xml"),
        pytest.param(D1.encode(), FORM, id="the bare document as a form"),
        pytest.param(body_of(D1.replace("UTF-8", "ISO-8859-1")), FORM, id="UTF-8 whatever it declares"),
        pytest.param(b"\xef\xbb\xbf" + D1.encode(), "text/xml", id="with a byte order mark"),
        pytest.param(D1_BODY, f"{FORM}; charset=utf-16", id="a form that calls itself UTF-16"),
    ],
)
def test_the_message_is_read_in_every_shape_it_was_seen_in(held, body, content_type):
    assert post(body=body, content_type=content_type).status_code == 200
    assert status(held) == "Authorized"


def entity(declaration: str, use: str = "&e;") -> bytes:
    xml = D1.replace("lena.review<", f"{use}<", 1)
    return body_of(xml.replace(xml[xml.index("<!DOCTYPE") : xml.index('dtd">') + 5], f"<!DOCTYPE X {declaration}>"))


#: name -> body, content type. Every one hopes for an ACCEPT, a file, a network request, or a busy machine.
REFUSED = {
    "the dossier's attack": (body_of(D5), FORM),
    "an entity": (entity('[<!ENTITY e "x">]'), FORM),
    "a billion laughs": (
        entity(
            "[" + '<!ENTITY e0 "ha">' + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)) + "]",
            "&e9;",
        ),
        FORM,
    ),
    "quadratic growth": (entity(f'[<!ENTITY e "{"x" * 50_000}">]', "&e;" * 5_000), FORM),
    "an entity that is itself": (entity('[<!ENTITY e "&e;">]'), FORM),
    "a local file": (entity('[<!ENTITY e SYSTEM "file:///etc/hostname">]'), FORM),
    "a URL": (entity('[<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]'), FORM),
    "a public identifier": (entity('[<!ENTITY e PUBLIC "x" "http://127.0.0.1:9/x">]'), FORM),
    "a parameter entity": (entity('[<!ENTITY % e SYSTEM "http://127.0.0.1:9/x.dtd"> %e;]', "x"), FORM),
    "an entity nobody declared": (body_of(D1.replace("lena.review<", "&lena;<", 1)), FORM),
    "attributes by default": (entity('[<!ATTLIST Update RequestID CDATA "7312345812346012504013">]', "x"), FORM),
    "UTF-16": (D1.replace("UTF-8", "UTF-16").encode("utf-16"), "text/xml"),
    "a byte that is no UTF-8": (D1_BODY.replace(b"lena.review", b"lena%FF"), FORM),
    "NUL": (D1_BODY.replace(b"lena.review", b"lena%00"), FORM),
    "cut short": (D1_BODY[: D1_BODY.index(b"NewDecision%3EACC") + 17], FORM),
    "no form field content": (D1_BODY.replace(b"content=", b"contents="), FORM),
    "an empty form field content": (b"content=&undefined=", FORM),
    "the form field content twice": (D1_BODY + b"&" + D1_BODY, FORM),
    "ten thousand form fields": (b"a=1&" * 10_000 + D1_BODY, FORM),
    "another root": (body_of(D1.replace("CaseManagementOrderStatus", "Status")), FORM),
    "another namespace": (body_of(D1.replace("cmos/1.0", "cmos/2.0")), FORM),
    "no namespace": (body_of(D1.replace(' xmlns="http://reports.cybersource.com/reports/cmos/1.0"', "")), FORM),
    "another merchant": (body_of(D1.replace("acme_shop", "other_shop")), FORM),
    "no merchant": (body_of(D1.replace(' MerchantID="acme_shop"', "")), FORM),
    "five mebibytes of notes": (
        body_of(D1.replace("<Notes>", "<Notes>" + '<Note AddedBy="a" Comment="b"/>' * 170_000)),
        FORM,
    ),
    "a document just too large": (
        body_of(D1.replace("Took", "x" * MAX_XML_BYTES)).replace(b"%20", b"+"),
        FORM,
    ),
    "two thousand updates": (
        body_of(D1.replace("</CaseM", "<Update/>" * 2_000 + "</CaseM")),
        FORM,
    ),
    "a tower of elements": (body_of(D1.replace("<Queue>", "<a>" * 5_000 + "<Queue>")), FORM),
    "JSON": (b'{"eventType":"risk.casemanagement.decision.accept","payload":{}}', "application/json"),
    "a multipart form": (D1_BODY, "multipart/form-data; boundary=x"),
    "nothing": (b"", FORM),
    "nothing of no type": (b"", ""),
}


def test_there_are_more_than_25_forged_notifications():
    assert len(REFUSED) > 25


def test_a_refusal_names_its_rule_in_the_log_and_nothing_of_the_message(held, caplog):
    with caplog.at_level(logging.DEBUG):
        post(body=REFUSED["a local file"][0])
        post(body=REFUSED["another merchant"][0])
        post(f"{URL}?key=wrong")
    lines = [record.getMessage() for record in caplog.records if record.name == "cybersource.inbound.views"]
    assert lines == [
        "Refused a review notification: declarations",
        "Refused a review notification: other-merchant",
        "Refused a review notification: no valid key",
    ]
    assert "hostname" not in caplog.text
    assert "other_shop" not in caplog.text


def test_an_update_that_could_not_be_recorded_is_answered_503_and_then_200(shopper):
    case = under_review(shopper)
    body = case.accept()

    def fail(sender, **kwargs):
        raise DatabaseError("the disk is on fire")

    pre_save.connect(fail, sender=Transaction)
    try:
        response = post_notification(body)
    finally:
        pre_save.disconnect(fail, sender=Transaction)
    assert (response.status_code, response.content) == (503, b"stored, not recorded")
    assert response["Retry-After"] == "30"
    assert tell(body) == 200
    assert case.status == "Authorized"


# -- the key is a credential -----------------------------------------------------------------------------------------


@pytest.fixture
def secret_key(settings):
    settings.CYBERSOURCE_DECISION_MANAGER_KEYS = ["canary-3f9ce1"]
    settings.ADMINS = ["staff@example.com"] if django.VERSION >= (6,) else [("Staff", "staff@example.com")]
    return "canary-3f9ce1"


def as_servers_do(key):
    """The URL once more, as gunicorn, uWSGI and mod_wsgi put it into the environment."""
    url = f"{URL}?key={key}"
    return {"RAW_URI": url, "REQUEST_URI": url, "UNENCODED_URL": url}


@pytest.mark.parametrize("shown", ["canary-3f9ce1", "canary-3f9ce1x"])
def test_the_key_is_in_no_log_line(held, secret_key, caplog, shown):
    with caplog.at_level(logging.DEBUG):
        for body in (D1_BODY, b"content=broken", b""):
            post(f"{URL}?key={shown}", body, **as_servers_do(shown))
        Client().get(f"{URL}?key={shown}")
        pre_save.connect(break_the_evidence, sender=ReviewNotification)
        try:
            post(f"{URL}?key={shown}", **as_servers_do(shown))
        finally:
            pre_save.disconnect(break_the_evidence, sender=ReviewNotification)
    assert caplog.records
    assert "canary" not in caplog.text
    assert not any("canary" in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("debug", [False, True])
def test_the_key_is_on_no_error_page_and_in_no_error_mail(held, secret_key, settings, mailoutbox, debug):
    settings.DEBUG = debug
    handler = AdminEmailHandler(include_html=True)
    logging.getLogger("django.request").addHandler(handler)
    pre_save.connect(break_the_evidence, sender=ReviewNotification)
    try:
        response = post(f"{URL}?key={secret_key}", **as_servers_do(secret_key))
    finally:
        pre_save.disconnect(break_the_evidence, sender=ReviewNotification)
        logging.getLogger("django.request").removeHandler(handler)
    assert response.status_code == 500
    reports = [response.content.decode()]
    for mail in mailoutbox:
        reports += [mail.subject, mail.body, *(html for html, _type in mail.alternatives)]
    assert sum("the disk is on fire" in report for report in reports) >= 2
    assert not any("canary" in report for report in reports)


def test_the_key_is_in_no_row(held, secret_key):
    post(f"{URL}?key={secret_key}")
    post(f"{URL}?key={secret_key}", b"content=broken")
    assert "canary" not in str(everything(but=set()))


# -- all forgeries, at one shop, which is the last: its rows stay from test to test -----------------------------------


@pytest.fixture(scope="module")
def besieged(django_db_setup, django_db_blocker):
    """The order that the recorded acceptance is about, for all forgeries, since none may change it."""
    with django_db_blocker.unblock(), override_settings(CYBERSOURCE_FLOW="one-step"):
        yield under_review_as("100019", "7312345812346012504013")
        empty_tables()


@pytest.mark.parametrize(("body", "content_type"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_message_of_ours_is_refused_and_changes_nothing(besieged, caplog, body, content_type):
    before = fingerprints(but=EVIDENCE)
    with caplog.at_level(logging.WARNING):
        response = post(body=body, content_type=content_type)
    assert response.status_code == 400
    assert fingerprints(but=EVIDENCE) == before
    assert not ReviewNotificationUpdate.objects.exclude(state="foreign").exists()
    assert "Traceback" not in caplog.text


#: What a stranger who has a key may say of a case that is not his: well-formed, and about nothing that waits here.
#: Stored, since a notification may come before its transaction; answered 200, since nobody is to send it again.
MISSES = {
    "the right order with another request id": D1.replace("7312345812346012504013", "7312345812346012504014"),
    "the right order with no request id": D1.replace("7312345812346012504013", ""),
    "another order with the right request id": D1.replace('"100019"', '"100020"'),
    "no order with the right request id": D1.replace('"100019"', '""'),
    "the request id with a blank": D1.replace("7312345812346012504013", "7312345812346012504013 "),
    "the request id in other digits": D1.replace("731234", "\uff17\uff13\uff11\uff12\uff13\uff14"),
    "the order number with a wildcard": D1.replace('"100019"', '"10001_"'),
    "order and request id in each other's place": D1.replace('"100019"', '"x"')
    .replace("7312345812346012504013", "100019")
    .replace('"x"', '"7312345812346012504013"'),
    "a decision in small letters": D1.replace(">ACCEPT<", ">accept<"),
    "a decision with a blank": D1.replace(">ACCEPT<", ">ACCEPT <"),
    "a decision in pieces": D1.replace(">ACCEPT<", "><x>ACC</x>EPT<"),
    "two decisions": D1.replace("<Reviewer>", "<NewDecision>REJECT</NewDecision><Reviewer>"),
    "no decision": D1.replace("<NewDecision>ACCEPT</NewDecision>", ""),
    "a decision in another namespace": D1.replace("<NewDecision>", '<NewDecision xmlns="x">'),
    "an update in an update": D1.replace("<Update ", "<Other><Update ").replace("</Update>", "</Update></Other>"),
}


@pytest.mark.parametrize("document", MISSES.values(), ids=MISSES)
def test_a_message_that_fits_no_case_exactly_is_kept_and_releases_nothing(besieged, document):
    assert document != D1
    # A reviewer's note is taken down whatever the decision says.
    told = EVIDENCE | {"order_ordernote", "cybersource_paymentnote"}
    before, kept = fingerprints(but=told), ReviewNotification.objects.count()
    assert post(body=body_of(document)).status_code == 200
    assert fingerprints(but=told) == before
    assert ReviewNotification.objects.count() == kept + 1


def test_after_all_of_them_the_genuine_message_still_releases_the_order(besieged):
    assert status(besieged) == "Pending"
    assert post().status_code == 200
    assert status(besieged) == "Authorized"
