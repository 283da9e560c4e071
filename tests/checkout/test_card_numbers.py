"""A card number that somebody typed where none belongs is kept nowhere; the shop's own numbers stay whole."""

from __future__ import annotations

import unicodedata
from decimal import Decimal as D

import pytest
from django.core import mail
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from oscar.core.loading import get_model

from cybersource import signals
from cybersource.models import CyberSourceReply, PaymentAttempt, card_numbers
from cybersource.payments import balance
from cybersource.protocol import luhn_valid
from cybersource.simulator import cards as test_cards
from cybersource.simulator.review import Update
from tests.conftest import empty_tables
from tests.leaks.canaries import CARDS
from tests.support.desk import notes
from tests.support.reviewing import tell
from tests.support.shop import MERCHANT_POST, Shopper, card, post_reply

pytestmark = pytest.mark.real_checkout

Order = get_model("order", "Order")

#: Sixteen digits that pass the Luhn check, as one number in ten does.
OURS = "2024000000000008"

FIELDS = ("first_name", "last_name", "line1", "line2", "line3", "line4", "phone_number")


def digits(text: str) -> str:
    """All digits of a text, of any script, and nothing else."""
    found = (unicodedata.digit(character, None) for character in text)
    return "".join(str(digit) for digit in found if digit is not None)


def our_tables() -> str:
    """Everything in the rows that are ours, or that we write into."""
    with connection.cursor() as cursor:
        names = [
            name
            for name in connection.introspection.table_names(cursor)
            if name.startswith(("cybersource_", "payment_", "order_ordernote", "order_paymentevent", "django_session"))
        ]
        text = ""
        for name in names:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            text += repr(cursor.fetchall())
    return text


@st.composite
def typed(draw):
    """A card number as somebody may type it: any brand, separators, and digits of any script."""
    number = draw(st.sampled_from([*CARDS.values(), test_cards.APPROVED]))
    gap = st.sampled_from(
        ["", " ", "-", ".", " - ", "\u00a0", "\u2013", "\u2009", "\t", "_", "/", ", ", "\u00b7", "\u200b"]
    )
    gaps = draw(st.lists(gap, min_size=len(number) - 1, max_size=len(number) - 1) | gap.map(lambda one: [one] * 18))
    zero = draw(st.sampled_from([0x30, 0x30, 0xFF10, 0x660, 0x966, 0x1D7CE]))
    text = "".join(
        chr(zero + int(digit)) + (gaps[at] if at < len(number) - 1 else "") for at, digit in enumerate(number)
    )
    return number, text


@settings(max_examples=6, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(what=typed(), field=st.sampled_from(FIELDS), words=st.sampled_from(["{}", "card {} thanks", "{}, please"]))
def test_a_card_number_in_an_order_is_in_no_row_log_page_or_mail_of_ours(
    one_step, committed_db, caplog, what, field, words
):
    number, text = what
    if field == "phone_number":
        number, text = "378282246310005", "+378282246310005"
    else:
        text = words.format(text)
    caplog.set_level("DEBUG", "cybersource")
    try:
        shopper = Shopper()
        order = shopper.check_out("64.50")
        for address in (order.shipping_address, order.billing_address):  # as another checkout may store it
            names = {each.name for each in address._meta.get_fields()}
            if field in names:
                type(address).objects.filter(pk=address.pk).update(**{field: text[:200]})
        shown = str(shopper.states)
        answer = shopper.submit(card(test_cards.REVIEW))
        told = dict(answer.reply)
        assert post_reply(answer.reply, url=MERCHANT_POST).status_code == 200
        shown += str(shopper.states) + shopper.deliver(answer).content.decode()
        case = Update(
            reference_number=order.number,
            request_id=told["transaction_id"],
            new_decision="ACCEPT",
            reviewer=text[:60],
            comments=text,
        )
        assert tell(case) == 200
        assert number not in digits(our_tables() + caplog.text + shown)
        assert CyberSourceReply.objects.exists()
    finally:
        caplog.clear()
        mail.outbox.clear()
        empty_tables()


# -- the shop's own numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [OURS, f"SHOP-{OURS}", f"{OURS}/7", "20240000-00000008"])
def test_an_order_number_that_passes_luhn_stays_whole_everywhere(one_step, desk, number):
    shopper = Shopper(gateway=desk.simulator.gateway)
    order = shopper.check_out("64.50")
    Order.objects.filter(pk=order.pk).update(number=number)
    PaymentAttempt.objects.filter(order=order).update(reference_number=number)
    shopper.pay()
    pairs = shopper.reply(
        message=f"Paid: {number}.", req_merchant_defined_data1=f"order {number} 4111111111111111", auth_code="again"
    )
    assert post_reply(pairs).status_code == 303
    for entry in CyberSourceReply.objects.filter(order=order):
        assert entry.reference_number == number == entry.data["req_reference_number"]
    entry = CyberSourceReply.objects.get(message=f"Paid: {number}.")
    assert entry.data["req_merchant_defined_data1"] == f"order {number} xxxxxxxxxxxx1111"
    hold = balance.of_order(order)[0].authorization
    done = desk.do("capture", hold, amount=D("10.00"), reason=f"parcel of {number}", reference=number)
    assert (done.reason, done.reference) == (f"parcel of {number}", number)
    assert done.log.reference_number == done.reference_number
    assert done.log.data["request.clientReferenceInformation.code"] == done.reference_number
    assert f"parcel of {number}" in notes(order)


def test_a_number_of_nobodys_order_is_masked_in_a_reply_to_nobody(shopper):
    shopper.check_out("64.50")
    pairs = shopper.reply(transaction_id="7" * 22, req_transaction_uuid="4111111111111111", req_reference_number=OURS)
    assert post_reply(pairs).status_code == 400
    entry = CyberSourceReply.objects.get()
    assert (entry.reference_number, entry.transaction_uuid) == ("xxxxxxxxxxxx0008", "xxxxxxxxxxxx1111")
    assert OURS not in our_tables() and "4111111111111111" not in our_tables()


def test_what_looks_like_a_number_of_ours_is_asked_for_by_ten_characters(committed_db, django_assert_num_queries):
    with django_assert_num_queries(2) as asked:
        assert card_numbers.own_numbers("4111111111111111", "and 5555-5555-5555-4444") == frozenset()
    assert "11111111" not in digits(str([one["sql"] for one in asked.captured_queries]))
    with django_assert_num_queries(0):
        assert card_numbers.own_numbers("12 Harbour Street", "100042") == frozenset()


# -- what is refused at checkout -------------------------------------------------------------------------------------


@given(
    what=typed(), field=st.sampled_from([*FIELDS[:-1], "notes", "guest_email"]), words=st.sampled_from(["{}", "x {} y"])
)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_whoever_types_a_card_number_is_told_in_which_field(db, what, field, words):
    _number, text = what
    told = card_numbers.refusals({"shipping_address": {field: words.format(text), "country": "US"}, "total": "69.50"})
    assert told == {"shipping_address": {field: [card_numbers.sentence()]}}


@pytest.mark.parametrize(
    "phone", ["+4111111111111111", "4111 1111 1111 1111", "(3782) 822463-10005", "3782.822463.10005"]
)
def test_of_phones_fifteen_and_sixteen_digits_that_begin_like_a_card_are_refused(db, phone):
    assert card_numbers.refusals({"phone_number": phone}) == {"phone_number": [card_numbers.sentence()]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone_number", "+4222222222222"),
        ("phone_number", "4222222222222"),
        ("phone_number", "+49 1511 2345678"),
        ("phone_number", "+1 (415) 555-0123"),
        ("line1", "1600 Pennsylvania Avenue 20500-0003"),
        ("line1", "4111 Fourth Street, Apt 1111, Box 1111, 1111"),
        ("line2", "Building 4, floor 12, door 1107"),
        ("postcode", "94607-1234"),
        ("postcode", "150-0001"),
        ("vat", "DE123456788"),
        ("vat", "FR 40 303 265 045"),
        ("vat", "SE556188840401"),
        ("vat", "BR 11.222.333/0001-81"),
        ("vat", "NL123456782B90"),
        ("vat", "BR 67.205.214/7257-36"),
        ("notes", "SIRET 369 208 108 62539"),
        ("notes", "189-784-6735 / 961-745-0820"),
        ("notes", "Call +1 189-784-6735, +1 961-745-0820."),
        ("notes", "189-784-6735\r\n961-745-0820"),
        ("notes", "Flat 12\nGate code 4111\nring 1111 twice"),
        ("notes", "Invoice to 47285761-3963-4101-9084-218594685850"),
        ("notes", "Ring +49 151 123 456 78 or 415 555 0123, between 08:00-12:00 or 13:30-17:45, not on 24.12.2026."),
        ("notes", "Gate code 4111#, then 1111#; door 1111, flat 1111"),
        ("notes", "IBAN DE89 3704 0044 0532 0130 00; parcel 7312345701236012404012"),
        ("notes", "word " * 500),
        ("guest_email", "maya.1985.okafor.94607@example.com"),
        ("amount", "69.50"),
        ("basket", "http://testserver/api/baskets/123456789012/"),
    ],
)
def test_what_is_no_card_number_is_not_refused(db, field, value):
    assert card_numbers.refusals({"shipping_address": {field: value}}) == {}


def test_a_number_of_an_order_may_be_typed_and_a_card_beside_it_may_not(shopper):
    order = shopper.check_out("64.50")
    number = "4024000000000004"
    assert luhn_valid(number)
    assert card_numbers.refusals({"notes": f"as order {number}"})
    Order.objects.filter(pk=order.pk).update(number=number)
    assert not card_numbers.refusals({"notes": f"as order {number}"})
    assert card_numbers.refusals({"notes": f"as order {number}, 4111111111111111"})


def test_however_much_is_posted_it_takes_two_statements(committed_db, django_assert_num_queries):
    posted = {f"{at}": [{"line1": f"{at} 4111111111111111 {at}x4111111111111111"}] for at in range(500)}
    with django_assert_num_queries(2):
        assert len(card_numbers.refusals(posted)) == 500
    with django_assert_num_queries(0):
        assert card_numbers.refusals({"line1": "12 Harbour Street"}) == {}


def test_a_name_that_is_a_card_number_is_not_repeated(db):
    assert card_numbers.refusals({"payment": {"4111111111111111": {"enabled": True}}}) == {
        "payment": [card_numbers.sentence()]
    }


def test_no_attempt_begins_under_a_key_that_is_a_card_number(shopper):
    payment = {"4111111111111111": {"method_type": "cybersource", "enabled": True, "pay_balance": True}}
    shopper.fill_basket("64.50")
    shopper.client.post("/api/checkout/", shopper.payload(payment=payment), content_type="application/json")
    assert not PaymentAttempt.objects.exists()


def test_what_a_receiver_adds_to_the_form_is_masked(shopper):
    def add(extra_fields, **kwargs):
        extra_fields["merchant_defined_data1"] = "gift note: 4111 1111 1111 1111"

    signals.pre_build_get_token_request.connect(add)
    try:
        shopper.check_out("64.50")
        assert dict(shopper.form())["merchant_defined_data1"] == "gift note: xxxx xxxx xxxx 1111"
        assert "41111111" not in digits(str(shopper.attempt().extra_fields))
    finally:
        signals.pre_build_get_token_request.disconnect(add)


@pytest.mark.parametrize(
    ("where", "field"),
    [
        *[("shipping_address", field) for field in (*FIELDS, "notes")],
        *[("billing_address", field) for field in ("first_name", "line2", "state", "postcode")],
        (None, "guest_email"),
    ],
)
def test_a_checkout_with_a_card_number_in_a_field_is_406_and_leaves_nothing(committed_db, caplog, where, field):
    caplog.set_level("DEBUG", "cybersource")
    shopper = Shopper()
    shopper.fill_basket("64.50")
    typed = "4111 1111-1111.1111"
    value = {"guest_email": "4111111111111111@example.com", "phone_number": "+4111111111111111"}.get(field, typed)
    payload = shopper.payload()
    (payload[where] if where else payload)[field] = value
    answer = shopper.client.post("/api/checkout/", payload, content_type="application/json")
    told = answer.json()[where] if where else answer.json()
    assert (answer.status_code, told) == (406, {field: [card_numbers.sentence()]})
    assert not Order.objects.exists() and not PaymentAttempt.objects.exists()
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            assert "4111111111111111" not in digits(repr(cursor.fetchall())), name
    assert "4111111111111111" not in digits(caplog.text + answer.content.decode())
    shopper.check_out()  # the very same basket, with the field mended
