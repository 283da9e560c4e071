"""Django's admin: the evidence can be read, found quickly, and not be changed; secrets are never shown."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from oscar.core.compat import get_user_model

from cybersource import admin as our_admin
from cybersource.models import (
    CyberSourceReply,
    PaymentAttempt,
    PaymentToken,
    RefusedPost,
    ReviewNotification,
    ReviewNotificationUpdate,
    SecureAcceptanceProfile,
    WebhookDelivery,
)
from cybersource.simulator import cards
from tests.support.shop import Shopper, card, post_notification, post_reply

pytestmark = pytest.mark.usefixtures("one_step")

User = get_user_model()

SECRET = "a-secret-that-nobody-shall-read"
SCRIPT = "<script>alert(1)</script>"
LISTS = (
    "cybersourcereply",
    "paymentattempt",
    "paymentoperation",
    "paymenttoken",
    "reviewnotification",
    "refusedpost",
    "webhookdelivery",
)


@pytest.fixture
def staff(committed_db) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", "boss@shop.example", "-"))
    return client


def look(client: Client, path: str) -> str:
    response = client.get(f"/admin/cybersource/{path}")
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def row(client: Client, found: Any) -> str:
    return look(client, f"{found._meta.model_name}/{found.pk}/change/")


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def statements(client: Client, path: str) -> list[str]:
    look(client, path)  # once before, for what is read once a process
    with CaptureQueriesContext(connection) as ran:
        look(client, path)
    return [query["sql"] for query in ran]


# -- profiles ----------------------------------------------------------------------------------------------------


def profile(**changes: Any) -> dict[str, Any]:
    return {
        "hostname": "shop.example",
        "profile_id": "A1B2",
        "access_key": "0123456789abcdef",
        "secret_key": SECRET,
        "active": "on",
        **changes,
    }


def add(client: Client, **changes: Any) -> SecureAcceptanceProfile:
    response = client.post("/admin/cybersource/secureacceptanceprofile/add/", profile(**changes))
    assert response.status_code == 302, words(response.content.decode())
    return SecureAcceptanceProfile.objects.get()


def change(client: Client, held: SecureAcceptanceProfile, **changes: Any) -> Any:
    return client.post(f"/admin/cybersource/secureacceptanceprofile/{held.pk}/change/", profile(**changes))


@pytest.mark.quick
def test_a_secret_goes_in_and_never_comes_out(staff):
    held = add(staff)
    assert held.secret_key == SECRET
    assert SECRET not in row(staff, held)
    assert SECRET not in look(staff, "secureacceptanceprofile/")
    assert SECRET not in look(staff, f"secureacceptanceprofile/{held.pk}/history/")
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_key FROM cybersource_secureacceptanceprofile")
        assert SECRET not in str(cursor.fetchall())


def test_a_secret_that_was_typed_with_a_mistake_elsewhere_is_not_sent_back(staff):
    response = staff.post("/admin/cybersource/secureacceptanceprofile/add/", profile(profile_id=""))
    assert response.status_code == 200
    assert SECRET not in response.content.decode()


def test_a_profile_needs_a_secret(staff):
    response = staff.post("/admin/cybersource/secureacceptanceprofile/add/", profile(secret_key=""))
    assert response.status_code == 200
    assert "This field is required." in response.content.decode()


def test_a_secret_left_empty_stays_as_it_is(staff):
    held = add(staff)
    assert change(staff, held, secret_key="", hostname="other.example").status_code == 302
    held.refresh_from_db()
    assert (held.hostname, held.secret_key) == ("other.example", SECRET)


def test_a_new_access_key_asks_for_its_own_secret(staff):
    held = add(staff)
    response = change(staff, held, secret_key="", access_key="fedcba9876543210")
    assert "Another access key comes with a secret key of its own" in response.content.decode()
    held.refresh_from_db()
    assert held.access_key == "0123456789abcdef"
    assert change(staff, held, secret_key="another-secret", access_key="fedcba9876543210").status_code == 302
    held.refresh_from_db()
    assert (held.access_key, held.secret_key) == ("fedcba9876543210", "another-secret")


def test_a_secret_that_cannot_be_read_any_more_is_reported_and_survives_a_change(staff, settings):
    held = add(staff)
    settings.CYBERSOURCE_FERNET_KEYS = ["another key"]
    assert 'alt="False"' in look(staff, "secureacceptanceprofile/")
    assert change(staff, held, secret_key="", hostname="other.example").status_code == 302
    settings.CYBERSOURCE_FERNET_KEYS = None
    held.refresh_from_db()
    assert (held.hostname, held.secret_key) == ("other.example", SECRET)


# -- the log -----------------------------------------------------------------------------------------------------


def test_a_log_row_is_readable(shopper, staff):
    shopper.check_out("64.50")
    shopper.pay()
    shown = words(row(staff, CyberSourceReply.objects.get()))
    for expected in (
        "Decision: ACCEPT",
        "Reason: 100: The transaction succeeded.",
        "Requested amount: 69.50 USD",
        "Card: Visa xxxxxxxxxxxx1111 12-2031",
        "M: The verification number matches.",
        "req_bill_to_forename Maya",
        "req_amount 69.50",
        "Result: Took effect",
    ):
        assert expected in shown


def test_tokens_are_in_the_log_and_shown_to_nobody(shopper, staff, settings):
    settings.CYBERSOURCE_FLOW = "two-step"
    shopper.check_out()
    shopper.pay()
    token = PaymentToken.objects.get()
    entry = CyberSourceReply.objects.latest("pk")
    html = row(staff, entry)
    assert "kept, not shown" in html
    assert token.token == entry.data["req_payment_token"] and token.token not in html
    assert entry.request_token and entry.request_token not in html
    assert token.token not in row(staff, token)
    for attempt in PaymentAttempt.objects.all():
        assert attempt.session_hash not in row(staff, attempt)
        assert token.token not in row(staff, attempt)
    for name in LISTS:
        assert entry.request_token not in look(staff, f"{name}/")


def test_what_shoppers_and_cybersource_wrote_is_shown_as_text_and_never_runs(shopper, staff):
    shopper.check_out()
    answer = shopper.submit()
    unsigned = ("signature", "signed_field_names", "signed_date_time")
    fields = {name: value for name, value in answer.reply if name not in unsigned}
    hostile = {"req_bill_to_forename": SCRIPT, "message": SCRIPT, "auth_avs_code": "<b>", "req_card_type": "<i>"}
    post_reply(shopper.gateway.sign_reply({**fields, **hostile}))
    html = row(staff, CyberSourceReply.objects.get())
    assert SCRIPT not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    RefusedPost.objects.create(rule=SCRIPT, summary={"values": {"decision": SCRIPT}, "names": [SCRIPT]})
    html = row(staff, RefusedPost.objects.get())
    assert SCRIPT not in html and "&lt;script&gt;" in html


def test_a_reply_without_amount_or_code_is_readable_too(staff):
    entry = CyberSourceReply.objects.create(reply_type="browser", decision="ERROR", data={"decision": "ERROR"})
    other = CyberSourceReply.objects.create(reply_type="browser", amount="1.5", currency="??", data={})
    assert "No reason code was given." in row(staff, entry)
    assert "1.500 ??" in row(staff, other)
    assert "1.500 ??" in look(staff, "cybersourcereply/")


def test_a_notification_is_shown_as_it_came_with_what_became_of_it(shopper, staff):
    shopper.check_out()
    shopper.pay(cards.REVIEW)
    case = shopper.gateway.cases[0]
    post_notification(shopper.gateway.decide(case.id, "ACCEPT", reviewer="ana", comments=SCRIPT).body)
    html = row(staff, ReviewNotification.objects.get())
    assert "&lt;CaseManagementOrderStatus" in html
    assert SCRIPT not in html and "&lt;script&gt;" in html
    assert "Took effect" in html


def test_a_reviewers_decision_is_shown_with_who_brought_it(shopper, staff):
    shopper.check_out()
    shopper.pay(cards.REVIEW)
    case = shopper.gateway.cases[0]
    post_notification(shopper.gateway.decide(case.id, "ACCEPT", reviewer="ana", comments=SCRIPT).body)
    decided = ReviewNotificationUpdate.objects.get()
    html = row(staff, decided)
    assert SCRIPT not in html and "&lt;script&gt;" in html
    shown = words(html)
    assert "Notification" in shown and "Took effect" in shown and decided.request_id in shown


def test_a_refused_post_shows_what_it_claimed(staff):
    post_reply([("decision", "ACCEPT"), ("req_amount", "0.01"), ("extra", "x")])
    shown = words(row(staff, RefusedPost.objects.get()))
    assert "decision ACCEPT req_amount 0.01" in shown
    assert "extra" in shown
    empty = RefusedPost.objects.create(reply_type="browser", rule="not-a-reply")
    assert "Names of all its fields: -" in words(row(staff, empty))


def test_a_webhook_shows_what_it_is_about_and_what_became_of_it(shopper, staff):
    order = shopper.check_out()
    delivery = WebhookDelivery.objects.create(
        event_type="payments.capture.status.updated",
        request_id="7725300131236543210988",
        reference_number=f"{order.number}-C1",
        order=order,
        payload={"status": "TRANSMITTED", "message": SCRIPT, "signed": "body"},
        state="handled",
    )
    html = row(staff, delivery)
    assert SCRIPT not in html and "&lt;script&gt;" in html
    assert "status TRANSMITTED" in words(html) and "Looked up" in html and f"{order.number}-C1" in html
    assert "cybersourcereply/?q=7725300131236543210988" in html
    other = WebhookDelivery.objects.create(state="refused", problem="signature-mismatch")
    assert "signature-mismatch" in row(staff, other)
    listed = words(look(staff, "webhookdelivery/?event=payments."))
    assert "1 Webhook delivery" in listed and "signature-mismatch" not in listed


def test_an_attempt_leads_to_its_messages(shopper, staff):
    shopper.check_out()
    shopper.pay()
    shopper.check_out("3.00")
    shopper.pay()
    attempt = PaymentAttempt.objects.earliest("pk")
    link = f"cybersourcereply/?q={attempt.transaction_uuid}"
    assert link in row(staff, attempt)
    assert "1 CyberSource reply" in words(look(staff, link))


# -- evidence is not edited --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_nobody_adds_changes_or_deletes_evidence(staff, name):
    assert staff.get(f"/admin/cybersource/{name}/add/").status_code == 403
    for model in (CyberSourceReply, RefusedPost):
        if model._meta.model_name == name:
            kept = model.objects.create(reply_type="browser", **({"data": {}} if name == "cybersourcereply" else {}))
            assert staff.post(f"/admin/cybersource/{name}/{kept.pk}/change/", {}).status_code == 403
            assert staff.post(f"/admin/cybersource/{name}/{kept.pk}/delete/", {"post": "yes"}).status_code == 403
            assert model.objects.filter(pk=kept.pk).exists()


def test_staff_without_permission_see_nothing(committed_db):
    clerk = User.objects.create_user("clerk", "clerk@shop.example", "-", is_staff=True)
    client = Client()
    client.force_login(clerk)
    assert client.get("/admin/cybersource/cybersourcereply/").status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_cybersourcereply"))
    assert client.get("/admin/cybersource/cybersourcereply/").status_code == 200


# -- what lists cost ---------------------------------------------------------------------------------------------


def test_lists_cost_the_same_however_much_is_in_them(shopper, staff):
    def trade(shopper: Shopper) -> None:
        shopper.check_out()
        shopper.pay()
        post_reply([("decision", "ACCEPT")])
        shopper.check_out("3.00")
        shopper.pay(cards.REVIEW)
        case = shopper.gateway.cases[0]
        post_notification(shopper.gateway.decide(case.id, "ACCEPT", reviewer="ana").body)

    def own(token: PaymentToken) -> None:
        token.owner = User.objects.create_user(f"owner{token.pk}", f"{token.pk}@example.com", "-")
        token.save()

    trade(shopper)
    own(PaymentToken.objects.latest("pk"))
    few = {name: len(statements(staff, f"{name}/")) for name in LISTS}
    for _more in range(2):
        trade(Shopper())
    for token in PaymentToken.objects.filter(owner=None):
        own(token)
    assert {name: len(statements(staff, f"{name}/")) for name in LISTS} == few
    assert max(few.values()) <= 5  # session, user, count, rows, and one to spare


@pytest.mark.parametrize("name", LISTS)
def test_no_list_is_counted_to_its_end_or_asks_which_words_occur(staff, name):
    for query in ("", "?q=7795314206287793600002"):
        ran = statements(staff, f"{name}/{query}")
        counts = [sql for sql in ran if "COUNT(" in sql and "cybersource_" in sql]
        assert counts and all(f"LIMIT {our_admin.COUNTED}" in sql for sql in counts)
        assert not [sql for sql in ran if "DISTINCT" in sql or "UPPER" in sql]
    assert "Show counts" not in look(staff, f"{name}/")


def test_a_list_longer_than_it_is_counted_still_shows_the_newest(shopper, staff, monkeypatch):
    monkeypatch.setattr(our_admin, "COUNTED", 2)
    shopper.check_out()
    answer = shopper.submit()
    for _delivery in range(4):
        shopper.deliver(answer)
    html = look(staff, "cybersourcereply/")
    newest = CyberSourceReply.objects.latest("pk")
    assert f"/{newest.pk}/change/" in html


def test_the_log_is_searched_by_whole_numbers_and_filtered_by_decision(shopper, staff):
    order = shopper.check_out()
    shopper.pay(cards.DECLINED)
    shopper.check_out()
    shopper.pay()
    for query, found in {
        f"q={order.number}": 2,
        f"q={order.number[:-1]}": 0,
        f"q={CyberSourceReply.objects.latest('pk').transaction_id}": 1,
        "decision=DECLINE": 1,
        "decision=ACCEPT": 1,
        "decision=CANCEL": 0,
    }.items():
        assert f"{found} CyberSource repl" in words(look(staff, f"cybersourcereply/?{query}"))


def test_attempts_that_need_attention_are_found_with_one_click(shopper, staff):
    shopper.check_out()
    shopper.deliver(shopper.submit(card(cards.PARTIAL)))
    shopper.check_out()
    shopper.pay()
    assert "1 Payment attempt" in words(look(staff, "paymentattempt/?attention=any"))
    assert "1 Payment attempt" in words(look(staff, "paymentattempt/?attention=partial"))
    assert "0 Payment attempts" in words(look(staff, "paymentattempt/?attention=extra-charge"))
