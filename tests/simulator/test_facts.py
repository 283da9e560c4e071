"""The facts that matter most, against known vectors: messages with real signatures for a test key."""

import re
from datetime import UTC, datetime
from html import unescape
from urllib.parse import parse_qsl

import pytest

from cybersource.simulator import Note, Profile, Update, cards, notification_body, signing
from cybersource.simulator.settings import CardMask, NotLoopback
from tests.protocol import vectors
from tests.protocol.vectors import SECRET_KEY
from tests.simulator.forms import Clock, card, create_token, form, gateway, pay, pay_by_token, signed, told, verified
from tests.simulator.rest_requests import Merchant

# ------------------------------------------------------------------------------------------------ 1. the signature


@pytest.mark.parametrize(
    ("message", "names", "expected"),
    [
        ({"amount": "64.50", "currency": "USD"}, "amount,currency", "OxbdeA+j+gANg2QJr3gNS6INxKy700ip05dk3aS7gwc="),
        ({"amount": "64.50", "currency": "USD"}, "currency,amount", "d6F+BlSNczjrLZ7uysHteRyqdv2NUKPvGWD8wohREbU="),
        (
            {"bill_to_address_line1": "Flat 2, Block=B", "amount": "64.50"},
            "bill_to_address_line1,amount",
            "bek6gzFnZ5n1jH6Am+4kyj5+Nek/eysxjP3b3EG80kA=",
        ),
        (
            {"bill_to_address_line2": "", "amount": "64.50"},
            "bill_to_address_line2,amount",
            "/ADT+G7tl50oe68u5KsdoONtXBH/NJL7zLcrzKCdR9o=",
        ),
        (
            {"bill_to_surname": "Lefèvre", "bill_to_address_city": "東京"},
            "bill_to_surname,bill_to_address_city",
            "Xi1jK/Frr0ljwqbvMyWhrv1xqGDp3dNCWopZE4oPKh4=",
        ),
    ],
    ids=["two fields", "other order", "comma and equals sign", "empty value", "UTF-8"],
)
def test_a_signature_is_the_one_of_the_vector(message, names, expected):
    assert signing.signature(message, names.split(","), SECRET_KEY) == expected


def test_a_name_without_a_value_signs_as_empty():
    assert signing.message({"amount": "1.00"}, ["amount", "tax_amount"]) == "amount=1.00,tax_amount="


MESSAGES = [getattr(vectors, f"P{number}") for number in range(16)] + [
    parse_qsl(vectors.P16_BODY, keep_blank_values=True)
]


@pytest.mark.parametrize("message", MESSAGES, ids=[f"P{number}" for number in range(17)])
def test_every_known_message_verifies_with_the_simulators_own_signature(message):
    fields = dict(message)
    names = fields["signed_field_names"].split(",")

    assert signing.verifies(fields, names, SECRET_KEY, fields["signature"])
    assert not signing.verifies(fields, names, SECRET_KEY[:-1], fields["signature"])


# -------------------------------------------------------------------------------------------- 2. a form is answered


def test_the_known_form_is_paid():
    fields = told(gateway().submit("/silent/pay", [*vectors.P0, *card().items()]))

    assert fields["decision"] == "ACCEPT"
    assert fields["req_transaction_uuid"] == "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"
    assert fields["payment_token"] == fields["transaction_id"]
    assert re.fullmatch(r"\d{22}", fields["transaction_id"])


def asked(message):
    """The request that a known reply answers, without its card: what ``req_…`` tells."""
    echoed = {name.removeprefix("req_"): value for name, value in message if name.startswith("req_")}
    echoed = {name: value for name, value in echoed.items() if not name.startswith("card_")}
    signed_at = next(value for name, value in message if name == "signed_date_time")
    return {**echoed, "signed_date_time": signed_at}


def answered(message, typed=None, *, path="/silent/pay", outcome="", earlier=None, **settings):
    """Return the verified answer to the request behind a known reply, at the time of that reply."""
    request = asked(message)
    clock = Clock(datetime.strptime(request["signed_date_time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))
    at = gateway(clock, **{"cvn_required": False, **settings})
    if earlier:
        request["payment_token"] = told(create_token(at))["payment_token"]
    typed = {name: value for name, value in (card() if typed is None else typed).items() if value}
    if outcome:
        at.faults.next(outcome=outcome)
    return told(at.submit(path, signed(request, unsigned=tuple(typed)) + list(typed.items())))


NO_CVN = card(card_cvn="")


@pytest.mark.parametrize(
    ("message", "how"),
    [
        (vectors.P1, {"path": "/silent/token/create"}),
        (vectors.P2, {}),
        (vectors.P4, {"typed": NO_CVN, "outcome": "200"}),
        (vectors.P5, {"typed": NO_CVN}),
        (vectors.P6, {"typed": card(card_cvn="", card_expiry_date="01-2026")}),
        (vectors.P7, {"typed": card(card_cvn="002")}),
        (vectors.P8, {"typed": NO_CVN, "outcome": "481", "verbose": True}),
        (vectors.P10, {"typed": NO_CVN}),
        (vectors.P11, {"typed": card("4111111111111112")}),
        (vectors.P12, {"typed": card(card_number="")}),
        (
            vectors.P13,
            {"typed": card("4456530000001104"), "outcome": "475", "card_mask": CardMask.BIN_AND_LAST_FOUR},
        ),
    ],
    ids="P1 P2 P4 P5 P6 P7 P8 P10 P11 P12 P13".split(),
)
def test_a_reply_has_the_fields_of_the_known_one_in_its_order(message, how):
    fields, known = answered(message, **how), dict(message)

    assert fields["signed_field_names"] == known["signed_field_names"]
    same = {name for name in known if name.startswith("req_")} | {"decision", "reason_code", "signed_date_time"}
    assert {name: fields.get(name) for name in same} == {name: known.get(name) for name in same}


def test_a_verbose_review_of_a_payment_by_token_begins_like_the_known_one():
    known = dict(vectors.P3)["signed_field_names"].split(",")
    fields = answered(vectors.P3, {}, outcome="480", verbose=True, earlier=True)

    assert list(fields)[: known.index("score_internet_info")] == known[: known.index("score_internet_info")]
    assert fields["decision_case_priority"] == "3"
    assert fields["req_card_number"] == "xxxxxxxxxxxx1111"


@pytest.mark.parametrize(
    ("message", "typed"),
    [(vectors.P11, card("4111111111111112")), (vectors.P12, card(card_number=""))],
    ids=["P11", "P12"],
)
def test_a_refused_content_gives_the_known_reply_to_the_last_byte_of_its_signature(message, typed):
    at = gateway(Clock(datetime.strptime(dict(message)["signed_date_time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)))
    typed = {name: value for name, value in typed.items() if value}
    answer = at.submit("/silent/pay", signed(asked(message), unsigned=tuple(typed)) + list(typed.items()))

    assert dict(answer.reply) == dict(message)


# ------------------------------------------------------------------------- 3. what is not well signed gets no reply


def test_a_form_with_one_changed_value_gets_a_bare_403_page():
    at = gateway()
    pairs = [(name, "0.01" if name == "amount" else value) for name, value in vectors.P0]
    answer = at.submit("/silent/pay", [*pairs, *card().items()])

    assert (answer.status, answer.reply, answer.merchant_posts, at.payments) == (403, None, (), ())
    assert answer.refused
    assert "not authorized" in answer.page.html
    assert "signature" in at.refusals[0].reason


def test_a_form_older_than_fifteen_minutes_or_more_than_five_ahead_gets_a_403_page():
    clock = Clock()
    at = gateway(clock)
    early = form(at=datetime(2026, 3, 4, 9, 0, 1, tzinfo=UTC))
    late = form(at=datetime(2026, 3, 4, 9, 20, 3, tzinfo=UTC))

    assert [at.submit("/silent/pay", pairs).status for pairs in (early, late)] == [403, 403]
    assert [refusal.reason.split(":")[0] for refusal in at.refusals] == [
        "signed_date_time is too old",
        "signed_date_time is in the future",
    ]
    clock.move(seconds=1)
    assert at.submit("/silent/pay", late).status == 200


# ------------------------------------------------------------------------------------------------- 4. a repeated uuid


def test_the_same_uuid_within_fifteen_minutes_is_104_and_afterwards_a_new_payment():
    clock = Clock()
    at = gateway(clock)
    first = told(pay(at, transaction_uuid="one"))
    again = told(pay(at, transaction_uuid="one"))
    clock.move(minutes=15, seconds=1)
    later = told(pay(at, transaction_uuid="one"))

    assert [fields["decision"] for fields in (first, again, later)] == ["ACCEPT", "ERROR", "ACCEPT"]
    assert again["reason_code"] == "104"
    assert "payment_token" not in again
    assert again["transaction_id"] != first["transaction_id"]


def test_a_104_has_the_fields_of_the_known_one():
    known = dict(vectors.P9)
    request = {**asked(vectors.P9), "signed_date_time": "2026-03-04T09:16:33Z"}
    at = gateway(Clock(datetime(2026, 3, 4, 9, 16, 33, tzinfo=UTC)))
    pairs = signed(request, unsigned=tuple(card())) + list(card().items())
    at.submit("/silent/pay", pairs)

    assert told(at.submit("/silent/pay", pairs))["signed_field_names"] == known["signed_field_names"]


# ----------------------------------------------------------------------------------------------- 5. echo and masks


def test_cvn_envelope_and_blanks_are_never_echoed_and_the_number_is_masked():
    answer = pay(gateway(), bill_to_address_line2="", amount="64.5")
    fields = told(answer)

    assert fields["req_amount"] == "64.5"
    assert fields["auth_amount"] == "64.50"
    assert fields["req_card_number"] == "xxxxxxxxxxxx1111"
    assert not {"req_card_cvn", "req_signature", "req_signed_field_names", "req_bill_to_address_line2"} & fields.keys()
    assert cards.APPROVED not in repr(answer) + answer.page.html


@pytest.mark.parametrize(
    ("style", "number", "card_type", "shown"),
    [
        (CardMask.LAST_FOUR, cards.APPROVED, "001", "xxxxxxxxxxxx1111"),
        (CardMask.BIN, cards.APPROVED, "001", "411111xxxxxxxxxx"),
        (CardMask.BIN_AND_LAST_FOUR, cards.APPROVED, "001", "411111xxxxxx1111"),
        (CardMask.LAST_FOUR, cards.APPROVED_AMEX, "003", "xxxxxxxxxxx0005"),
    ],
)
def test_a_mask_hides_one_digit_by_one_x(style, number, card_type, shown):
    cvn = "1234" if card_type == "003" else "123"
    fields = told(pay(gateway(card_mask=style), card(number, card_type=card_type, card_cvn=cvn)))

    assert fields["req_card_number"] == shown


def test_the_time_of_an_authorization_has_no_colons():
    assert told(pay(gateway()))["auth_time"] == "2026-03-04T091502Z"


# ----------------------------------------------------------------------------------------------- 6. the reply page


def test_the_reply_page_is_a_form_that_posts_itself_and_works_without_scripts():
    answer = pay(gateway(), bill_to_surname='O\'Neil & "Sons", bât=2')
    html = answer.page.html
    inputs = re.findall(r'<input type="hidden" name="([^"]+)" id="\1" value="([^"]*)" />', html)

    assert answer.status == 200
    assert '<form accept-charset="UTF-8"' in html
    assert f'action="{answer.action}" id="custom_redirect" method="post"' in html
    assert '<input name="utf8" type="hidden" value="&#x2713;" />' in html
    assert ("utf8", "✓") in answer.reply
    assert {name: unescape(value) for name, value in inputs} == dict(answer.reply[1:])
    assert [name for name, _ in inputs] != [name for name, _ in answer.reply[1:]]
    assert re.search(r'<noscript>.*type="submit" name="commit" value="Continue".*</noscript>', html, re.DOTALL)
    assert "form.submit();" in html


def test_the_reply_page_has_the_headers_of_the_recorded_one():
    headers = dict(pay(gateway()).page.headers)

    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache, no-store, max-age=0, must-revalidate"
    assert headers["Pragma"] == "no-cache"
    assert re.fullmatch(r"JSESSIONID=\w{32}; Path=/; Secure; HttpOnly", headers["Set-Cookie"])
    assert {"Expires", "Strict-Transport-Security", "X-UA-Compatible", "X-Request-Id", "X-Runtime"} <= headers.keys()


# -------------------------------------------------------------------------------------------- 7. the merchant POST


def test_the_merchant_post_says_the_same_in_another_order_with_the_brand_and_without_utf8():
    answer = pay(gateway(), override_backoffice_post_url="http://localhost:8000/notify/")
    (post,) = answer.merchant_posts
    browser, server = told(answer), verified(post.pairs)
    signing_fields = {"signed_field_names", "card_type_name"}

    assert post.url == "http://localhost:8000/notify/"
    assert "utf8" not in dict(post.pairs)
    assert server["card_type_name"] == "Visa"
    assert "card_type_name" not in browser
    assert list(server) != list(browser)
    assert server["signed_field_names"].endswith(",signed_field_names,signed_date_time")
    assert {name: value for name, value in server.items() if name not in signing_fields} == {
        name: value for name, value in browser.items() if name not in signing_fields
    }
    assert parse_qsl(post.body.decode(), keep_blank_values=True) == post.pairs


# ------------------------------------------------------------------------------------------------- 8. two steps


def test_a_token_pays_without_a_card_and_echoes_what_it_stands_for():
    at = gateway()
    first = told(create_token(at))
    assert first["decision"] == "ACCEPT"
    assert not any(name.startswith("auth_") for name in first)

    second = told(
        pay_by_token(
            at,
            first["payment_token"],
            leave_out=tuple(name for name in dict(form()) if name.startswith("bill_to_")),
        )
    )
    assert second["decision"] == "ACCEPT"
    assert second["req_payment_token"] == first["payment_token"]
    assert "payment_token" not in second
    assert second["req_card_number"] == "xxxxxxxxxxxx1111"
    assert second["req_bill_to_surname"] == "Okafor"


def test_the_declined_card_gets_its_token_and_is_declined_when_it_pays():
    at = gateway()
    first = told(create_token(at, card(cards.DECLINED)))
    second = told(pay_by_token(at, first["payment_token"]))

    assert (first["decision"], second["decision"], second["reason_code"]) == ("ACCEPT", "DECLINE", "203")


# ----------------------------------------------------------------------------------------- 9. the review's message

KNOWN_NOTIFICATION = (
    "content=%3C%3Fxml%20version%3D%221.0%22%20encoding%3D%22UTF-8%22%3F%3E%0A%3C%21DOCTYPE%20"
    "CaseManagementOrderStatus%20SYSTEM%20%22https%3A%2F%2Febctest.cybersource.com%2Febctest%2Freports%2Fdtd%2F"
    "cmorderstatus_1_1.dtd%22%3E%0A%0A%3CCaseManagementOrderStatus%20xmlns%3D%22http%3A%2F%2F"
    "reports.cybersource.com%2Freports%2Fcmos%2F1.0%22%20MerchantID%3D%22acme_shop%22%20Name%3D%22Case%20"
    "Management%20Order%20Status%22%20Date%3D%222026-03-04%2010%3A05%3A47%20GMT%22%20Version%3D%221.1%22%3E%0A%20"
    "%20%3CUpdate%20MerchantReferenceNumber%3D%22100019%22%20RequestID%3D%227312345812346012504013%22%3E%0A%20%20"
    "%20%20%3COriginalDecision%3EREVIEW%3C%2FOriginalDecision%3E%0A%20%20%20%20%3CNewDecision%3EACCEPT%3C%2F"
    "NewDecision%3E%0A%20%20%20%20%3CReviewer%3Elena.review%3C%2FReviewer%3E%0A%20%20%20%20%3CReviewerComments%3E"
    "Spoke%20to%20customer.%20%7C%20Billing%20and%20shipping%20agree.%3C%2FReviewerComments%3E%0A%20%20%20%20"
    "%3CNotes%3E%0A%20%20%20%20%20%20%3CNote%20Date%3D%222026-03-04%2010%3A02%3A11%22%20AddedBy%3D%22lena.review"
    "%22%20Comment%3D%22Took%20ownership.%22%2F%3E%0A%20%20%20%20%3C%2FNotes%3E%0A%20%20%20%20%3CQueue%3EReview"
    "%20Queue%3C%2FQueue%3E%0A%20%20%20%20%3CProfile%3EAuths%20over%20%26lt%3B%201%2C000%20%26amp%3B%20new%20"
    "device%3C%2FProfile%3E%0A%20%20%3C%2FUpdate%3E%0A%3C%2FCaseManagementOrderStatus%3E%0A&undefined="
)


def test_a_review_notification_is_the_known_one_byte_by_byte():
    update = Update(
        reference_number="100019",
        request_id="7312345812346012504013",
        new_decision="ACCEPT",
        reviewer="lena.review",
        comments="Spoke to customer. | Billing and shipping agree.",
        notes=(
            Note(at=datetime(2026, 3, 4, 10, 2, 11, tzinfo=UTC), added_by="lena.review", comment="Took ownership."),
        ),
        profile="Auths over < 1,000 & new device",
    )
    xml = gateway().notification_xml([update], at=datetime(2026, 3, 4, 10, 5, 47, tzinfo=UTC))

    assert notification_body(xml).decode() == KNOWN_NOTIFICATION


# ---------------------------------------------------------------------------------------- 10. nothing leaves home


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/notify/",
        "https://testsecureacceptance.cybersource.com/silent/pay",
        "http://127.0.0.1.example/",
        "http://localhost.example/",
        "http://192.168.0.2/",
        "ftp://localhost/",
        "//localhost/",
        "notify/",
    ],
)
def test_a_server_side_message_goes_to_this_machine_only(url):
    with pytest.raises(NotLoopback, match="this machine only"):
        Profile(merchant_post_url=url)
    with pytest.raises(NotLoopback):
        Profile(notification_url=url)


# ------------------------------------------------------------------------------------------ 10. the rows of a search

#: The services of a sale that payer authentication ended, as a search of the real service told them.
ENROLMENT = [
    {"name": "ics_bill"},
    {"name": "ics_auth"},
    {"name": "ics_arc"},
    {"name": "ics_pa_enroll", "reasonCode": "475", "rCode": "0", "rFlag": "DAUTHENTICATE", "returnCode": "1052000"},
]


def test_a_sale_that_payer_authentication_ended_has_the_recorded_rows():
    at = gateway()
    merchant = Merchant(at)
    merchant.paid(number=cards.NOT_AUTHENTICATED, transaction_type="sale", reference_number="TG25")
    setup, row = merchant.rows("TG25")
    told = row["applicationInformation"]
    known = [{name: value for name, value in each.items() if name in ENROLMENT[-1]} for each in told["applications"]]
    assert known == ENROLMENT
    assert {name: told[name] for name in ("reasonCode", "rCode", "rFlag")} == {
        "reasonCode": "475",
        "rCode": "0",
        "rFlag": "DAUTHENTICATE",
    }
    assert row["orderInformation"]["amountDetails"] == setup["orderInformation"]["amountDetails"] == {}
    assert [each["name"] for each in setup["applicationInformation"]["applications"]] == ["ics_pa_setup"]


#: What a look-up of the real service told of an authorization, and of a capture of it: the names at the top.
SUMMARY = {"authorization": {"reasonCode", "applications"}, "capture": {"status", "reasonCode", "applications"}}


@pytest.mark.parametrize("kind", SUMMARY)
def test_a_look_up_sums_up_what_was_done_like_the_recorded_one(kind):
    merchant = Merchant(gateway())
    id = root = merchant.paid()
    if kind == "capture":
        id = merchant.capture(id, "50.00")[1]["id"]
    told = merchant.look_up(id)[1]
    assert set(told["applicationInformation"]) == SUMMARY[kind] and told["applicationInformation"]["reasonCode"] == 100
    assert told["rootId"] == told["reconciliationId"] == root
    (service,) = told["applicationInformation"]["applications"]
    assert (service["reasonCode"], service["rCode"], service["rFlag"]) == ("100", "1", "SOK")
    assert service["returnCode"] == {"authorization": 1010000, "capture": 1260000}[kind]
    assert service.get("status", "") == {"authorization": "", "capture": "PENDING"}[kind]
