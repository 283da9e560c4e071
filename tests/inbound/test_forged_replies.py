"""What a stranger can post: refused with 400, nothing changed, a log line that names the rule and holds no secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings as live
from django.core.signals import got_request_exception
from django.db import DatabaseError
from django.db.models.signals import pre_save
from django.http import HttpResponse
from django.test import Client, override_settings
from django.views.debug import ExceptionReporter

from cybersource.inbound import rejected as evidence
from cybersource.models import CyberSourceReply, RefusedPost, SecureAcceptanceProfile
from cybersource.simulator import cards, signing
from tests.conftest import empty_tables
from tests.inbound.forgeries import ANY, ECHOED, FORGERIES, FORM, Loot, Sent, recut_decline, with_
from tests.support.rows import fingerprints
from tests.support.shop import MERCHANT_POST, REPLY, Shopper, card, cybersource, post_reply

pytestmark = pytest.mark.usefixtures("one_step")

#: All that a refused post may write to.
EVIDENCE = {"cybersource_refusedpost", "cybersource_cybersourcereply"}

#: What is genuinely signed and fits nothing the shop asked. Money may be held there, so staff find it in their list.
MISFITS = ("other-", "unknown-transaction-uuid")


@pytest.mark.quick
def test_the_genuine_messages_among_the_loot_are_believed(shopper):
    """What the forgers began with is good: it is their change that is refused."""
    order = shopper.check_out("64.50")
    assert post_reply(shopper.submit(card(cards.DECLINED)).reply).status_code == 303
    order.refresh_from_db()
    assert order.status == "Payment Declined"
    shopper.check_out("64.50")
    assert post_reply(shopper.reply()).status_code == 303


def test_the_log_names_the_rule_that_a_forgery_broke(shopper, caplog):
    shopper.check_out()
    post_reply([*shopper.form(), ("decision", "ACCEPT")])
    assert "Refused a browser reply: no-decision-signed" in caplog.text


@pytest.mark.parametrize("endpoint", [REPLY, MERCHANT_POST])
def test_a_genuine_reply_that_fits_no_attempt_is_stored_and_refused(shopper, endpoint):
    shopper.check_out("64.50")
    response = post_reply(shopper.reply(req_amount="0.01"), url=endpoint)
    assert response.status_code == 400
    entry = CyberSourceReply.objects.get()
    assert entry.result == CyberSourceReply.Result.REFUSED
    assert entry.refused_because == "other-amount"
    assert entry.data["req_amount"] == "0.01"


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


@pytest.mark.parametrize(("url", "status"), [(REPLY, 200), (MERCHANT_POST, 405)])
def test_only_a_post_is_a_reply(shopper, url, status):
    order = shopper.check_out()
    assert Client().get(url, dict(shopper.submit().reply)).status_code == status
    assert not CyberSourceReply.objects.exists() and not RefusedPost.objects.exists()
    order.refresh_from_db()
    assert order.status == "Pending"


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


# -- all forgeries, at one shop, which is the last: its rows stay from test to test -----------------------------------


@pytest.fixture(scope="module")
def loot(django_db_setup, django_db_blocker) -> Iterator[Loot]:
    """One shop for all forgeries, since none may change a row: an open attempt, a paid order, a retired key."""
    with django_db_blocker.unblock(), override_settings(CYBERSOURCE_FLOW="one-step"):
        omar = Shopper()
        omar.check_out("69.50")
        paid = omar.submit()
        assert post_reply(paid.reply).status_code == 303

        mallory = Shopper()
        hostile = {name: f"{text},decision=ACCEPT,req_amount=0.01" for name, text in HOSTILE_ADDRESS.items()}
        address = {**mallory.payload()["billing_address"], **hostile}
        mallory.check_out(
            "64.50", billing_address=address, shipping_address={**address, "phone_number": "+14155550123"}
        )
        hostile_form = [(name, card().get(name, value)) for name, value in mallory.form()]

        old = SecureAcceptanceProfile.objects.create(
            hostname="testserver", profile_id=live.CYBERSOURCE_PROFILE, access_key="a" * 32, secret_key="throwaway"
        )
        ravi = Shopper(gateway=cybersource(access_key="a" * 32, secret_key="throwaway"))
        ravi.check_out("64.50")
        retired = ravi.submit()
        SecureAcceptanceProfile.objects.filter(pk=old.pk).update(active=False)

        maya = Shopper()
        maya.check_out("64.50")
        form = [(name, card().get(name, value)) for name, value in maya.form()]
        declined = maya.submit(card(cards.DECLINED))
        attempt = maya.attempt()
        yield Loot(
            form=form,
            decline=declined.reply,
            paid=paid.reply,
            retired=retired.reply,
            hostile_form=hostile_form,
            sign=lambda **fields: maya.reply(attempt, **fields),
        )
        empty_tables()


HOSTILE_ADDRESS = {"first_name": "Bob", "last_name": "Bob", "line1": "1", "line2": "2", "line4": "Town"}


def post_forgery(sent: Sent, url: str) -> HttpResponse:
    if isinstance(sent, list):
        return post_reply(sent, url=url)
    body, content_type = sent if isinstance(sent, tuple) else (sent, FORM)
    return Client(raise_request_exception=False).generic("POST", url, body, content_type=content_type)


@pytest.mark.parametrize("endpoint", [REPLY, MERCHANT_POST], ids=["browser", "server"])
@pytest.mark.parametrize(("name", "rule", "forge"), FORGERIES, ids=[name for name, _, _ in FORGERIES])
def test_a_forged_reply_is_refused_and_changes_nothing(loot, name, rule, forge, endpoint, caplog):
    RefusedPost.objects.all().delete()
    CyberSourceReply.objects.filter(result=CyberSourceReply.Result.REFUSED).delete()
    sent = forge(loot)
    misfit = rule is not ANY and rule.startswith(MISFITS)
    evidence_tables = EVIDENCE | {"cybersource_attentionitem"} if misfit else EVIDENCE
    before = fingerprints(but=evidence_tables)
    with caplog.at_level(logging.DEBUG):
        response = post_forgery(sent, endpoint)

    assert 400 <= response.status_code < 500
    assert fingerprints(but=evidence_tables) == before
    assert not response.cookies
    evidence = [
        *RefusedPost.objects.values_list("rule", flat=True),
        *CyberSourceReply.objects.filter(result="refused").values_list("refused_because", flat=True),
    ]
    if rule is not ANY:
        assert evidence == [rule]
    assert len(evidence) <= 1
    for secret in (live.CYBERSOURCE_SECRET, "4111111111111111", cards.DECLINED, "Okafor"):
        assert secret not in caplog.text
        assert secret not in response.content.decode()


def test_the_forgeries_are_more_than_sixty_without_the_cuts_and_have_names_of_their_own():
    names = [name for name, _, _ in FORGERIES]
    assert len(set(names)) == len(names)
    assert len([name for name in names if ", cut in " not in name]) > 60


@pytest.mark.parametrize("through", ECHOED)
def test_what_a_cut_decline_carries_is_a_genuine_signature(loot, through):
    """The forgers' other readings are good ones: whoever compares signatures and nothing else pays the order."""
    forged = dict(recut_decline(loot, through))
    names = forged["signed_field_names"].split(",")
    assert signing.verifies(forged, names, live.CYBERSOURCE_SECRET, forged["signature"])
    assert (forged["decision"], forged["req_amount"]) == ("ACCEPT", dict(loot.form)["amount"])
