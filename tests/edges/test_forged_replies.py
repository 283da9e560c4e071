"""What a stranger can post: refused with 400, nothing changed, a log line that names the rule and holds no secret."""

from __future__ import annotations

import base64
import logging
import re
import sys

import pytest
from django.apps import apps
from django.conf import settings as live
from django.core.signals import got_request_exception
from django.db import DatabaseError
from django.db.models.signals import pre_save
from django.test import Client
from django.views.debug import ExceptionReporter
from oscar.core.loading import get_model

from cybersource import evidence
from cybersource.models import CyberSourceReply, PaymentAttempt, RefusedPost, SecureAcceptanceProfile
from cybersource.simulator import cards
from tests.shop import MERCHANT_POST, REPLY, Shopper, card, cybersource, post_reply

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

EVIDENCE = {"cybersource_refusedpost", "cybersource_cybersourcereply"}


@pytest.fixture(autouse=True)
def one_step(settings):
    settings.CYBERSOURCE_FLOW = "one-step"


def money(order):
    """Everything a reply could change."""
    order.refresh_from_db()
    return {
        "status": order.status,
        "basket": order.basket and type(order.basket).objects.get(pk=order.basket_id).status,
        "attempts": list(PaymentAttempt.objects.order_by("pk").values_list("state", "attention", "settling_reply")),
        "sources": list(Source.objects.order_by("pk").values_list("amount_allocated", "amount_debited")),
        "transactions": Transaction.objects.count(),
        "notes": order.notes.count(),
        "tokens": apps.get_model("cybersource", "PaymentToken").objects.count(),
    }


def without(pairs, *names):
    return [(name, value) for name, value in pairs if name not in names]


def with_(pairs, **values):
    return [(name, values.get(name, value)) for name, value in pairs] + [
        (name, value) for name, value in values.items() if name not in dict(pairs)
    ]


def own_form(shopper):
    return [(name, card().get(name, value)) for name, value in shopper.form()]


#: name -> forge(shopper, a genuine decline's pairs) -> pairs. What each forger hopes for is an ACCEPT.
FORGERIES = {
    "our own form with an unsigned decision": lambda s, d: [*own_form(s), ("decision", "ACCEPT")],
    "our own form with a whole unsigned reply": lambda s, d: [
        *own_form(s),
        ("decision", "ACCEPT"),
        ("reason_code", "100"),
        ("transaction_id", "7312345701236012404012"),
        ("req_transaction_uuid", dict(s.form())["transaction_uuid"]),
        ("req_amount", dict(s.form())["amount"]),
    ],
    "a decline turned into an accept": lambda s, d: with_(d, decision="ACCEPT"),
    "a decline with a second decision": lambda s, d: [*d, ("decision", "ACCEPT")],
    "a decline with a second decision in front": lambda s, d: [("decision", "ACCEPT"), *d],
    "a decline whose list is posted twice": lambda s, d: [*d, ("signed_field_names", dict(d)["signed_field_names"])],
    "a decline that no longer signs its decision": lambda s, d: with_(
        d,
        decision="ACCEPT",
        signed_field_names=dict(d)["signed_field_names"].replace("decision,", ""),
    ),
    "a list that does not name itself": lambda s, d: with_(
        d, signed_field_names=dict(d)["signed_field_names"].replace(",signed_field_names", "")
    ),
    "a list with a name twice": lambda s, d: with_(d, signed_field_names=dict(d)["signed_field_names"] + ",decision"),
    "a list with blanks": lambda s, d: with_(d, signed_field_names=dict(d)["signed_field_names"].replace(",", ", ")),
    "a list with a trailing comma": lambda s, d: with_(d, signed_field_names=dict(d)["signed_field_names"] + ","),
    "a list in capitals": lambda s, d: with_(d, signed_field_names=dict(d)["signed_field_names"].upper()),
    "an empty list": lambda s, d: with_(d, signed_field_names=""),
    "no list": lambda s, d: without(d, "signed_field_names"),
    "no signature": lambda s, d: without(d, "signature"),
    "an empty signature": lambda s, d: with_(d, signature=""),
    "a signature in another case": lambda s, d: with_(d, signature=dict(d)["signature"].swapcase()),
    "a signature without padding": lambda s, d: with_(d, signature=dict(d)["signature"].rstrip("=")),
    "a signature in the URL-safe alphabet": lambda s, d: with_(
        d, decision="ACCEPT", signature=dict(d)["signature"].replace("+", "-").replace("/", "_")
    ),
    "a signature with a line break": lambda s, d: with_(d, signature=dict(d)["signature"] + "\n"),
    "a signature in hexadecimal": lambda s, d: with_(d, signature=base64.b64decode(dict(d)["signature"]).hex()),
    "another amount": lambda s, d: with_(d, req_amount="0.01"),
    "another order": lambda s, d: with_(d, req_reference_number="100999"),
    "another attempt": lambda s, d: with_(d, req_transaction_uuid="6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"),
    "a key that is not ours": lambda s, d: with_(d, req_access_key="0" * 32),
    "no key": lambda s, d: without(d, "req_access_key"),
    "a key that is not signed": lambda s, d: with_(
        d, signed_field_names=dict(d)["signed_field_names"].replace("req_access_key,", "")
    ),
    "a field dropped": lambda s, d: without(d, "reason_code"),
    "a NUL in a value": lambda s, d: with_(d, message="a\0b"),
    "nothing at all": lambda s, d: [],
    "only a decision": lambda s, d: [("decision", "ACCEPT")],
    "a thousand fields more": lambda s, d: [*d, *[(f"x{n}", "1") for n in range(990)]],
    "a very long value": lambda s, d: with_(d, message="x" * 100_000),
}


@pytest.mark.parametrize("door", [REPLY, MERCHANT_POST])
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_reply_is_refused_and_changes_nothing(shopper, forgery, door, caplog):
    order = shopper.check_out("64.50")
    genuine = shopper.submit(card(cards.DECLINED)).reply
    before = money(order)
    pairs = FORGERIES[forgery](shopper, genuine)
    with caplog.at_level(logging.DEBUG):
        response = post_reply(pairs, url=door)
    assert response.status_code == 400
    assert money(order) == before
    assert CyberSourceReply.objects.count() == 0
    assert "sessionid" not in response.cookies
    for secret in (live.CYBERSOURCE_SECRET, "4111111111111111", cards.DECLINED, "Okafor"):
        assert secret not in caplog.text
        assert secret not in response.content.decode()


def test_the_log_names_the_rule_that_a_forgery_broke(shopper, caplog):
    shopper.check_out()
    post_reply(FORGERIES["our own form with an unsigned decision"](shopper, ()))
    assert "Refused a browser reply: no-decision-signed" in caplog.text


#: A reply that CyberSource really signed, but that does not fit the attempt it names.
MISFITS = {
    "another amount": {"req_amount": "0.01"},
    "an amount that is none": {"req_amount": "ten"},
    "another currency": {"req_currency": "EUR"},
    "another order": {"req_reference_number": "100999"},
    "another type": {"req_transaction_type": "sale"},
    "another profile": {"req_profile_id": "AAAAAAAA-6A4E-4F3B-9C11-0E8A2D94F7A1"},
    "an attempt that we never began": {"req_transaction_uuid": "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"},
}


@pytest.mark.parametrize("door", [REPLY, MERCHANT_POST])
@pytest.mark.parametrize("misfit", MISFITS)
def test_a_genuine_reply_that_fits_no_attempt_is_stored_and_refused(shopper, misfit, door):
    order = shopper.check_out("64.50")
    before = money(order)
    response = post_reply(shopper.reply(**MISFITS[misfit]), url=door)
    assert response.status_code == 400
    assert money(order) == before
    entry = CyberSourceReply.objects.get()
    assert entry.result == CyberSourceReply.Result.REFUSED
    assert entry.refused_because


@pytest.mark.parametrize(
    "missing",
    [
        "transaction_id",
        "req_amount",
        "req_currency",
        "req_reference_number",
        "req_transaction_type",
        "req_profile_id",
        "req_transaction_uuid",
    ],
)
def test_an_accept_that_leaves_out_what_it_is_for_is_refused(shopper, missing):
    order = shopper.check_out()
    before = money(order)
    reply = without(shopper.reply(), missing)
    signed = shopper.gateway.sign_reply({k: v for k, v in reply if not k.startswith("sign")}, live.CYBERSOURCE_ACCESS)
    assert post_reply(signed).status_code == 400
    assert money(order) == before


def test_a_reply_to_another_shoppers_attempt_cannot_be_bent_to_mine(committed_db):
    """Same shop, same key: omar's accepted payment is of no use for maya's order."""
    maya, omar = Shopper(), Shopper()
    order = maya.check_out("10.00")
    omar.check_out("10.00")
    genuine = omar.submit().reply
    bent = with_(genuine, req_transaction_uuid=dict(maya.form())["transaction_uuid"])
    assert post_reply(bent).status_code == 400
    order.refresh_from_db()
    assert order.status == "Pending"


def test_a_retired_key_verifies_nothing(shopper, settings):
    row = SecureAcceptanceProfile.objects.create(
        hostname="testserver", profile_id=settings.CYBERSOURCE_PROFILE, access_key="a" * 32, secret_key="throwaway"
    )
    shopper.gateway = cybersource(access_key="a" * 32, secret_key="throwaway")
    order = shopper.check_out()
    answer = shopper.submit()
    SecureAcceptanceProfile.objects.filter(pk=row.pk).update(active=False)
    assert post_reply(answer.reply).status_code == 400
    SecureAcceptanceProfile.objects.filter(pk=row.pk).update(active=True)
    assert post_reply(answer.reply).status_code == 303
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_evidence_of_refused_posts_has_a_ceiling(shopper, monkeypatch):
    monkeypatch.setattr(evidence, "ROWS_AN_HOUR", 5)
    for _again in range(8):
        assert post_reply([("decision", "ACCEPT"), ("card_number", "4111111111111111")]).status_code == 400
    assert RefusedPost.objects.count() == 5
    assert "4111111111111111" not in str(list(RefusedPost.objects.values()))


def test_a_genuine_reply_that_fits_nothing_fills_no_disk_either(shopper, monkeypatch):
    monkeypatch.setattr(evidence, "ROWS_AN_HOUR", 3)
    shopper.check_out()
    misfit = shopper.reply(req_amount="0.01")
    for _again in range(6):
        assert post_reply(misfit).status_code == 400
    assert CyberSourceReply.objects.count() == 3


def test_evidence_keeps_no_card_field_and_stays_small(shopper):
    posted = [
        ("card_number", "4111111111111111"),
        ("card_cvn", "737"),
        ("4111111111111111", "name"),
        ("decision", "4111111111111111"),
        *[(f"field{n}" * 20, "x" * 1000) for n in range(400)],
    ]
    assert post_reply(posted).status_code == 400
    row = RefusedPost.objects.get()
    assert "737" not in str(row.summary)
    assert "4111111111111111" not in str(row.summary)
    assert len(str(row.summary)) < 8000


def test_an_error_report_of_a_post_that_could_not_be_stored_holds_no_card(shopper, settings):
    """The error mails of a shop show local variables; a misdirected card form must not be among them."""
    settings.DEBUG = False
    reports = []

    def report(request, **kwargs):
        reports.append(ExceptionReporter(request, *sys.exc_info(), is_email=True).get_traceback_html())

    def broken(**kwargs):
        raise DatabaseError("the disk is full")

    got_request_exception.connect(report)
    pre_save.connect(broken, sender=RefusedPost)
    try:
        posted = [("card_number", "4111111111111111"), ("card_cvn", "987"), ("decision", "ACCEPT")]
        assert post_reply(posted).status_code == 500
    finally:
        pre_save.disconnect(broken, sender=RefusedPost)
        got_request_exception.disconnect(report)
    (html,) = reports
    assert "the disk is full" in html
    assert "4111111111111111" not in html
    assert not re.search(r"(?<!\w)987(?!\w)", html)  # as a value of its own; the report numbers its parts too


@pytest.mark.parametrize("url", [REPLY, MERCHANT_POST])
def test_only_a_post_is_a_reply(shopper, url):
    assert Client().get(url).status_code == 405


def test_a_card_number_in_a_signed_text_is_masked_and_in_an_identifier_is_not(shopper):
    order = shopper.check_out()
    post_reply(
        shopper.reply(
            req_bill_to_address_line2="card 4111-1111-1111-1111 thanks",
            message="4111111111111111",
            payment_token="9900000000000000" + "05",
        )
    )
    entry = CyberSourceReply.objects.get()
    assert "4111111111111111" not in entry.message
    assert "1111-1111-1111" not in entry.data["req_bill_to_address_line2"]
    assert entry.data["payment_token"] == "990000000000000005"
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_values_longer_than_documented_are_cut_in_the_column_and_whole_in_the_log(shopper):
    order = shopper.check_out()
    post_reply(shopper.reply(message="m" * 400, request_token="t" * 300, auth_code="c" * 50))
    order.refresh_from_db()
    assert order.status == "Authorized"
    entry = CyberSourceReply.objects.get()
    assert (len(entry.message), len(entry.request_token)) == (255, 256)
    assert len(entry.data["message"]) == 400
    assert len(entry.data["request_token"]) == 300
