"""Whatever is posted, and whatever the shop's own limits are: bounded work, 400 with evidence, and replies get in."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory

from cybersource.inbound import body as post_body
from cybersource.inbound import replies
from cybersource.models import CyberSourceReply, RefusedPost
from tests.faults.test_locked_rows import held
from tests.support.shop import MERCHANT_POST, REPLY, REVIEW, post_reply

pytestmark = pytest.mark.usefixtures("one_step")

FORM = "application/x-www-form-urlencoded"


class Stream:
    """A body that never ends, or breaks off; it remembers how much was read of it."""

    def __init__(self, breaks_after=None):
        self.given = 0
        self.breaks_after = breaks_after

    def read(self, size=-1):
        assert 0 <= size < 8 * 1024 * 1024, "somebody asks for all of it"
        if self.breaks_after is not None and self.given >= self.breaks_after:
            raise OSError("connection reset by peer")
        self.given += size
        return b"x" * size

    readline = read


def post(url, stream, length, content_type=FORM):
    environ = {"wsgi.input": stream, "CONTENT_TYPE": content_type}
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    else:
        environ.update({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True})
    return Client(raise_request_exception=False).generic("POST", url, **environ)


def rules():
    return list(RefusedPost.objects.order_by("pk").values_list("rule", flat=True))


@pytest.mark.parametrize("number", [5, None])
@pytest.mark.parametrize("size", [100, None])
def test_a_genuine_reply_gets_in_whatever_limits_the_shop_has_for_its_own_forms(shopper, settings, number, size):
    order = shopper.check_out()
    answer = shopper.submit()
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = number
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = size
    assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
    assert post_reply(answer.reply).status_code == 303
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_a_reply_in_a_multipart_form_gets_in_too(shopper):
    order = shopper.check_out()
    assert Client().post(REPLY, dict(shopper.submit().reply)).status_code == 303
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.parametrize("limit", [1000, None])
@pytest.mark.parametrize("endpoint", [REPLY, MERCHANT_POST])
def test_more_than_any_reply_holds_is_refused_with_evidence_whatever_the_shops_limits(
    committed_db, settings, limit, endpoint
):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = limit
    client = Client(raise_request_exception=False)
    parts = (
        "".join(f'--b\r\nContent-Disposition: form-data; name="f{n}"\r\n\r\nx\r\n' for n in range(2000)) + "--b--\r\n"
    )
    for body, content_type in (
        (b"&" * 200_000, FORM),
        (b"a=" + b"x" * post_body.MAX_BYTES, FORM),
        (parts.encode(), "multipart/form-data; boundary=b"),
        (b"not a form", "multipart/form-data"),
        (b"\r\n--b" * 500, "multipart/form-data; boundary=b"),
    ):
        assert client.generic("POST", endpoint, body, content_type=content_type).status_code == 400
    assert rules()[:4] == ["too-many-fields", "too-large", "too-many-fields", "unreadable"]
    assert len(rules()) == 5


def test_a_file_in_a_post_is_neither_kept_nor_read_as_a_field(shopper):
    shopper.check_out()
    answer = dict(shopper.submit().reply)
    decision = BytesIO(answer.pop("decision").encode())
    decision.name = "decision"
    assert Client().post(REPLY, {**answer, "decision": decision}).status_code == 400
    (evidence,) = RefusedPost.objects.all()
    assert "decision" not in evidence.summary["values"]


@pytest.mark.parametrize("endpoint", [REPLY, MERCHANT_POST, REVIEW])
@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=b", "text/xml"])
def test_a_body_without_an_end_is_read_no_further_than_any_message_goes(committed_db, settings, endpoint, content_type):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    endless = Stream()
    assert post(endpoint, endless, 10**12, content_type).status_code == 400
    assert endless.given < 4 * 1024 * 1024


@pytest.mark.parametrize("endpoint", [REPLY, MERCHANT_POST, REVIEW])
def test_a_body_that_breaks_off_or_has_no_length_is_refused(committed_db, endpoint):
    assert post(endpoint, Stream(breaks_after=0), 5000).status_code == 400
    # Chunked: a WSGI server that does not count it for Django leaves a body of nothing.
    assert post(endpoint, Stream(), None).status_code == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b"&".join(b"f%d=" % n + b"%41" * 330 for n in range(999))),
        (FORM, b"signed_field_names=" + b"a," * 500_000),
        (FORM, b"a=" + "€".encode() * 340_000),
        (
            "multipart/form-data; boundary=b",
            b"".join(
                b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n%s\r\n' % (n, b"x" * 900) for n in range(990)
            )
            + b"--b--\r\n",
        ),
    ],
    ids=["long fields", "a long list", "many bytes a character", "multipart"],
)
def test_the_largest_posts_that_are_looked_at_take_less_than_64_megabytes(committed_db, content_type, body):
    assert len(body) < post_body.MAX_BYTES
    Client().post(REPLY, b"", content_type=FORM)  # what is made once, templates for one
    tracemalloc.start()
    try:
        response = Client(raise_request_exception=False).generic("POST", REPLY, body, content_type=content_type)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert response.status_code == 400
    assert peak - len(body) < 64 * 1024 * 1024


def test_fields_are_read_as_django_would_read_them():
    body = b"a=1&b=%E2%82%AC&b=x+y&c=&d&e=%3D%26&f=\xe2\x82\xac;g=2"
    request = RequestFactory().generic("POST", "/", body, content_type=FORM)
    assert isinstance(request, WSGIRequest)
    fields = RequestFactory().generic("POST", "/", body, content_type=FORM).POST
    assert sorted(post_body.pairs(request)) == sorted(
        (name, value) for name in fields for value in fields.getlist(name)
    )


# -- the same reply for ever -------------------------------------------------------------------------------------------


@pytest.fixture
def three_rows(monkeypatch):
    monkeypatch.setattr(replies, "ROWS_AN_ATTEMPT", 3)


def test_one_reply_posted_for_ever_fills_few_rows_and_is_answered_as_before(shopper, three_rows, mailoutbox):
    order = shopper.check_out()
    answer = shopper.submit()
    for _again in range(5):
        assert shopper.deliver(answer)["Location"] == "/checkout/thank-you/"
        assert post_reply(answer.merchant_posts[0].pairs, url=MERCHANT_POST).status_code == 200
    assert sorted(CyberSourceReply.objects.values_list("result", flat=True)) == ["repeated", "repeated", "settled"]
    order.refresh_from_db()
    assert (order.status, order.sources.count(), len(mailoutbox)) == ("Authorized", 1, 1)


def test_at_the_ceiling_a_reply_that_never_took_effect_still_does(shopper, three_rows, monkeypatch):
    monkeypatch.setattr("cybersource.db.locks.FOR_A_REQUEST", 0.1)
    order = shopper.check_out()
    answer = shopper.submit()
    with held("order_order", "id = %s", order.pk):
        for _again in range(4):
            assert post_reply(answer.reply).status_code == 303
    assert list(CyberSourceReply.objects.values_list("result", flat=True)) == ["received"] * 3
    assert post_reply(answer.reply).status_code == 303
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert CyberSourceReply.objects.count() == 3


def test_at_the_ceiling_another_genuine_reply_is_still_stored_and_settled(shopper, three_rows):
    order = shopper.check_out()
    unknown = shopper.reply(decision="ERROR", reason_code="150", auth_amount="")
    for _again in range(5):
        post_reply(unknown)
    assert CyberSourceReply.objects.count() == 3
    post_reply(shopper.reply())
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert CyberSourceReply.objects.count() == 4
