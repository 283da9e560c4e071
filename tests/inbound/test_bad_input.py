"""No input makes an endpoint to the outside take more than 64 MB or two seconds of CPU: the worst a stranger can post.

Measured by the process's own counters in a child that does nothing else. Two seconds of CPU are no time limit: a
machine that is busy with other things does not change them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from django.db import connections
from django.test import Client, override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from cybersource.inbound import body as post_body
from cybersource.protocol.reply import MAX_MESSAGE_LENGTH
from cybersource.protocol.review import MAX_BODY_BYTES, MAX_NOTES, MAX_UPDATES, MAX_XML_BYTES
from tests.conftest import empty_tables
from tests.support.costs import Cost, cost_of
from tests.support.review_messages import D1
from tests.support.reviewing import under_review_as
from tests.support.shop import MERCHANT_POST, REPLY, REVIEW, Shopper

pytestmark = pytest.mark.real_checkout

FORM = "application/x-www-form-urlencoded"

#: What is read of a reply's body, and how many fields.
BODY = post_body.MAX_BYTES
FIELDS = post_body.MAX_FIELDS

#: Signed text of one field, near all that a reply may hold.
LONG = MAX_MESSAGE_LENGTH - 4096


def filled(unit: str, size: int) -> str:
    return unit * (size // len(unit))


def spent(url: str, body: bytes, content_type: str = FORM) -> Cost:
    """What one request takes, from the bytes of its body to those of the answer, SQL and all.

    A second of CPU is longer where others use the same core, so the least of three tries counts.
    """
    connections.close_all()

    def work() -> int:
        client = Client(raise_request_exception=False)
        return client.generic("POST", url, body, content_type=content_type).status_code

    cost = cost_of(work)
    for _again in range(2):
        if cost.cpu_seconds >= 2:
            cost = replace(cost, cpu_seconds=min(cost.cpu_seconds, cost_of(work).cpu_seconds))
    print(f"\n{cost.cpu_seconds:6.3f} s {cost.megabytes:6.1f} MB, answered {cost.result}")
    return cost


@pytest.fixture(scope="module")
def shopper(django_db_setup, django_db_blocker) -> Iterator[Shopper]:
    """A shopper with an open order, and another's order under review, for all of them."""
    with django_db_blocker.unblock(), override_settings(CYBERSOURCE_FLOW="one-step"):
        under_review_as("100019", "7312345812346012504013")
        shopper = Shopper()
        shopper.check_out()
        for endpoint in (REPLY, MERCHANT_POST, REVIEW):
            assert (
                Client().post(endpoint).status_code == 400
            )  # what is loaded once for all requests is not a request's cost
        yield shopper
        empty_tables()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"a", b"=", b"&", b"+", b"%41", b"%C3%A9", b"%FF", b"%", b"%4", b"%zz", b"%26", b"%3D", b";"])
    )
)
def test_a_form_is_read_as_python_reads_it(pieces):
    """Python's own reader takes 200 MB for a megabyte of escapes, so we have one of ours."""
    content = b"".join(pieces)
    read = parse_qsl(content.decode(), keep_blank_values=True, errors="surrogateescape")
    assert post_body.urlencoded(content) == read


UNSIGNED: dict[str, Callable[[], bytes]] = {
    "one long value": lambda: b"a=" + b"x" * (BODY - 2),
    "one long name": lambda: b"x" * BODY,
    "escapes": lambda: b"a=" + b"%41" * (BODY // 3 - 1),
    "escapes that are none": lambda: b"a=" + b"%" * (BODY - 2),
    "escapes among letters": lambda: b"a=" + b"%41a" * (BODY // 4 - 1),
    "bytes that are no UTF-8": lambda: b"a=" + b"%FF" * (BODY // 3 - 1),
    "a long name in the list": lambda: b"signature=&signed_field_names=" + b"x" * (BODY - 40),
    "a long list": lambda: b"signature=&decision=&signed_field_names=" + b"a," * (BODY // 2 - 40),
    "a long list of different names": lambda: (
        b"signature=&signed_field_names=" + ",".join(map(str, range(150_000))).encode()
    ),
    "all fields, all long": lambda: "&".join(f"f{n}=" + "4" * 1000 for n in range(FIELDS)).encode(),
    "all fields, evidence in each": lambda: "&".join(f"decision{n}=" + "1+" * 500 for n in range(FIELDS)).encode(),
    "a claimed decision of spaced digits": lambda: b"decision=" + b"1+" * (BODY // 2 - 10),
    "a long signature": lambda: (
        b"signed_field_names=decision,signed_field_names&decision=x&signature=" + b"A" * (BODY - 80)
    ),
    "more fields than are read": lambda: b"a&" * (BODY // 2),
}


@pytest.mark.parametrize("made", UNSIGNED.values(), ids=UNSIGNED)
def test_no_post_of_a_stranger_takes_two_seconds_or_64_megabytes(shopper, made):
    body = made()
    assert len(body) <= BODY
    cost = spent(MERCHANT_POST, body)
    assert cost.result == 400
    assert cost.cpu_seconds < 2
    assert cost.megabytes < 64


def test_the_page_that_tells_a_browser_of_a_refusal_takes_no_more(shopper):
    cost = spent(REPLY, UNSIGNED["escapes among letters"]())
    assert cost.result == 400
    assert cost.cpu_seconds < 2
    assert cost.megabytes < 64


#: Values of a field that the shopper may have a hand in, as CyberSource would sign them.
SIGNED = {
    "digits": filled("1", LONG),
    "spaced digits": filled("1 ", LONG),
    "runs of twelve digits": filled("123456789012x", LONG),
    "card numbers": filled("4111111111111111 ", LONG),
    "long runs that hold no card": filled("1  " + "1 " * 498 + "x", LONG),
    "fields": filled(",a=", LONG),
    "almost fields": "=," + "a" * LONG,
    "letters of four bytes": filled("\U0001f600", LONG // 2),
}


@pytest.mark.parametrize("text", SIGNED.values(), ids=SIGNED)
def test_no_reply_that_cybersource_signs_takes_two_seconds_or_64_megabytes(shopper, text):
    reply = shopper.reply(
        decision="DECLINE", reason_code="203", message=text[: LONG // 2], req_card_number=text[LONG // 2 :]
    )
    cost = spent(MERCHANT_POST, urlencode(reply).encode())
    assert cost.result in (200, 400)
    assert cost.cpu_seconds < 2
    assert cost.megabytes < 64


NOTIFICATIONS: dict[str, Callable[[], bytes]] = {
    "escapes": lambda: b"content=" + b"%41" * (MAX_BODY_BYTES // 3 - 8),
    "escapes that are none": lambda: b"content=" + b"%" * (MAX_BODY_BYTES - 8),
    "escapes among letters": lambda: b"content=" + b"%41a" * (MAX_BODY_BYTES // 4 - 8),
    "a long text": lambda: bare("x"),
    "spaced digits": lambda: bare("1 "),
    "long runs that hold no card": lambda: bare("1  " + "1 " * 498 + "x"),
    "ampersands": lambda: bare("&a"),
    "elements": lambda: bare("<a/>"),
    "elements with text": lambda: bare("<Queue>1 1 1 1</Queue>"),
    "attributes": lambda: put("<Update ", "<Update " + " ".join(f'a{n}=""' for n in range(90_000)) + " "),
    "namespaces": lambda: put("<Update ", "<Update " + " ".join(f'xmlns:a{n}="u"' for n in range(40_000)) + " "),
    "a tower": lambda: bare("<a>"),
    "as many notes as are read": lambda: put("<Notes>", "<Notes>" + "".join(NOTE % n for n in range(MAX_NOTES - 1))),
    "as many updates as are read": lambda: put("</CaseM", UPDATE * (MAX_UPDATES - 1) + "</CaseM"),
    "as many updates of one case": lambda: put("</CaseM", SAME * (MAX_UPDATES - 1) + "</CaseM"),
    "another merchant's updates": lambda: put("acme_shop", "x").replace(b"</CaseM", b"<Update/>" * 99 + b"</CaseM"),
}

NOTE = '<Note Date="2026-03-04 10:02:11" AddedBy="lena.review" Comment="%d"/>'
UPDATE = '<Update MerchantReferenceNumber="1" RequestID="2"><NewDecision>ACCEPT</NewDecision></Update>'
SAME = (
    '<Update MerchantReferenceNumber="100019" RequestID="7312345812346012504013"><NewDecision>REJECT</NewDecision>'
    "</Update>"
)


def put(place: str, text: str) -> bytes:
    """A genuine document, not in a form, with something in place of something."""
    return D1.replace(place, text).encode()


def bare(fill: str) -> bytes:
    """A genuine document that is filled up with something."""
    return put("<Queue>", fill * ((MAX_XML_BYTES - len(D1)) // len(fill)) + "<Queue>")


@pytest.mark.parametrize("made", NOTIFICATIONS.values(), ids=NOTIFICATIONS)
def test_no_notification_takes_two_seconds_or_64_megabytes(shopper, made):
    body = made()
    cost = spent(REVIEW, body, FORM if body.startswith(b"content=") else "text/xml")
    assert cost.result in (200, 400)
    assert cost.cpu_seconds < 2
    assert cost.megabytes < 64
