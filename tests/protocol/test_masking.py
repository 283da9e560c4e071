"""No card number is kept; nothing that money is found by is spoiled."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybersource.protocol import holds_card_number, luhn_valid, mask_card_numbers
from cybersource.protocol.masking import LONGEST_RUN

CARDS = [
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "3566111111111113",
    "38000000000006",
    "6759560045005727054",
    "4222222222222",
]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize(
    "name",
    [
        "message",
        "req_reference_number",
        "req_bill_to_address_line1",
        "req_merchant_defined_data7",
        "comment",
        "req_item_0_name",
        "score_card_issuer",
    ],
)
def test_a_card_number_in_text_is_masked_but_for_its_last_four(name: str, card: str) -> None:
    masked = "x" * (len(card) - 4) + card[-4:]
    assert mask_card_numbers(name, card) == masked
    assert mask_card_numbers(name, f"card {card}, thanks") == f"card {masked}, thanks"
    assert mask_card_numbers(name, f"a{card}b") == f"a{masked}b"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("4111 1111 1111 1111", "xxxx xxxx xxxx 1111"),
        ("4111-1111-1111-1111", "xxxx-xxxx-xxxx-1111"),
        ("4111 - 1111 - 1111 - 1111", "xxxx - xxxx - xxxx - 1111"),
        ("4111  - 1111  - 1111  - 1111", "4111  - 1111  - 1111  - 1111"),
        ("4111.1111.1111.1111", "xxxx.xxxx.xxxx.1111"),
        ("4111*1111|1111\\1111", "xxxx*xxxx|xxxx\\1111"),
        ("4111~1111#1111\u20191111", "xxxx~xxxx#xxxx\u20191111"),
        ("4111\t1111, 1111/1111", "xxxx\txxxx, xxxx/1111"),
        ("4\ufe0f\u20e31\ufe0f\u20e311 1111 1111 1111", "x\ufe0f\u20e3x\ufe0f\u20e3xx xxxx xxxx 1111"),
        ("\u2463\u2460\u00b9\u00b9 1111\u22121111\u00b71111", "xxxx xxxx\u2212xxxx\u00b71111"),
        ("192.0.2.111, 198.51.100.75", "192.0.2.111, 198.51.100.75"),
        ("4111  1111\u00a01111\u20111111", "xxxx  xxxx\u00a0xxxx\u20111111"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "x x x x x x x x x x x x 1 1 1 1"),
        ("3782 822463 10005", "xxxx xxxxxx x0005"),
        ("4111111111111111 12 31 123", "xxxxxxxxxxxx1111 12 31 123"),
        ("12 31 4111111111111111", "12 31 xxxxxxxxxxxx1111"),
        ("4111111111111111 5555555555554444", "xxxxxxxxxxxx1111 xxxxxxxxxxxx4444"),
        ("4111111111111111-5555555555554444 1", "xxxxxxxxxxxx1111-xxxxxxxxxxxx4444 1"),
        ("4111111111111112", "4111111111111112"),
        ("411111111111", "411111111111"),
        ("7312345701236012404012", "7312345701236012404012"),
        ("xxxxxxxxxxxx1111", "xxxxxxxxxxxx1111"),
        ("411111xxxxxx1111", "411111xxxxxx1111"),
        ("\u0664\u0661\u0661\u0661" + "\u0661" * 12, "x" * 12 + "\u0661" * 4),
        ("", ""),
    ],
)
def test_card_numbers_as_people_type_them(text: str, masked: str) -> None:
    assert mask_card_numbers("message", text) == masked


@pytest.mark.parametrize(
    "name",
    [
        *["payment_token", "req_payment_token", "transaction_id", "payment_token_instrument_identifier_id"],
        *["request_token", "req_access_key", "req_profile_id", "signature"],
        *["req_amount", "auth_amount", "req_item_0_unit_price", "req_item_0_tax_amount"],
    ],
)
@pytest.mark.parametrize("card", CARDS)
def test_what_cybersource_issued_and_amounts_are_left_as_they_are(name: str, card: str) -> None:
    assert mask_card_numbers(name, card) == card


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transaction_id", "7312345701236012404012"),
        ("req_transaction_uuid", "41111111-1111-4111-8111-111111111111"),
        ("transaction_uuid", "4111111111111111abcdef01"),
        ("req_device_fingerprint_id", "41111111111141118111111111111111"),
        ("clientReferenceInformation.transactionId", "a4111111111111111b2c3d4e"),
        ("auth_time", "20260304091507"),
        ("req_amount", "4111111111111111.00"),
    ],
)
def test_what_the_shop_issued_is_left_as_it_is_while_it_has_its_shape(name: str, value: str) -> None:
    assert mask_card_numbers(name, value) == value


@pytest.mark.parametrize(
    "name",
    [
        *["req_bill_to_phone", "req_ship_to_phone", "auth_trans_ref_no", "bill_trans_ref_no", "req_transaction_uuid"],
        *["req_device_fingerprint_id", "payer_authentication_xid", "payer_authentication_transaction_id"],
        *["auth_reconciliation_reference_number", "score_device_fingerprint_smart_id", "req_reference_number"],
        *["signed_field_names", "req_customer_ip_address", "payment_account_reference", "req_date_of_birth_date"],
        *["processorInformation.networkTransactionId", "clientReferenceInformation.transactionId", "auth_time"],
    ],
)
@pytest.mark.parametrize("card", CARDS)
def test_in_phones_references_and_ids_of_others_a_card_number_is_masked(name: str, card: str) -> None:
    assert mask_card_numbers(name, card) == "x" * (len(card) - 4) + card[-4:]


OURS = "1000000000000008"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (OURS, OURS),
        (f"order {OURS}-C1 and 4111 1111 1111 1111", f"order {OURS}-C1 and xxxx xxxx xxxx 1111"),
        (f"4111111111111111 {OURS}", f"xxxxxxxxxxxx1111 {OURS}"),
        (f"9{OURS}", f"9{OURS}"),
        (f"{OURS} {OURS}", f"{OURS} {OURS}"),
        ("1000000000000016", "xxxxxxxxxxxx0016"),
    ],
)
def test_numbers_of_the_shops_own_orders_stay_whole(text: str, masked: str) -> None:
    assert luhn_valid(OURS) and mask_card_numbers("message", OURS) != OURS
    assert mask_card_numbers("message", text, ours={OURS}) == masked


def test_in_a_card_field_every_long_number_is_masked_and_a_cvn_whole() -> None:
    for name in ("card_number", "req_card_number"):
        assert mask_card_numbers(name, "4111111111111112") == "xxxxxxxxxxxx1112"
        assert mask_card_numbers(name, "4111 1111 1111 1112") == "xxxx xxxx xxxx 1112"
        assert mask_card_numbers(name, "xxxxxxxxxxxx1111") == "xxxxxxxxxxxx1111"
        assert mask_card_numbers(name, "411111xxxxxx1111") == "411111xxxxxx1111"
    assert mask_card_numbers("card_cvn", "123") == mask_card_numbers("req_card_cvn", "987") == "xxx"


@settings(deadline=None)
@given(before=st.text(max_size=10), after=st.text(max_size=10), card=st.sampled_from(CARDS))
def test_no_card_number_survives_wherever_it_stands(before: str, after: str, card: str) -> None:
    between = r"[ \t\-.,/_+*|\\~'#]{0,3}"
    if re.search(rf"\d{between}\Z", before, re.ASCII) or re.match(rf"{between}\d", after, re.ASCII):
        return  # a longer number, of which this may not be a card's
    assert card not in mask_card_numbers("message", before + card + after)


@settings(deadline=None)
@given(value=st.text(st.sampled_from("0123456789 -x,"), max_size=60))
def test_masking_twice_is_masking_once_and_changes_digits_only(value: str) -> None:
    masked = mask_card_numbers("message", value)
    assert len(masked) == len(value)
    assert all(a == b or (a.isdigit() and b == "x") for a, b in zip(value, masked, strict=True))
    assert mask_card_numbers("message", masked) == masked


def plainly_masked(text: str) -> str:
    """What masking should give, by trying every stretch of digits: slow, and not the way of the code under test."""
    blocks = list(re.finditer(r"[0-9]+", text))
    at = 0
    while at < len(blocks):
        best = 0
        for behind in range(at + 1, len(blocks) + 1):
            between = [text[blocks[n].end() : blocks[n + 1].start()] for n in range(at, behind - 1)]
            if any(not re.fullmatch("[ -]{0,3}", gap) for gap in between):
                break
            digits = "".join(block[0] for block in blocks[at:behind])
            weighed = [int(d) * (1 + n % 2) for n, d in enumerate(digits[::-1])]
            if 13 <= len(digits) <= 19 and sum(w - 9 * (w > 9) for w in weighed) % 10 == 0:
                best = behind
        if best:
            start, end = blocks[at].start(), blocks[best - 1].end()
            shown = [n for n in range(start, end) if text[n].isdigit()][-4:]
            text = "".join(
                "x" if start <= n < end and c.isdigit() and n not in shown else c for n, c in enumerate(text)
            )
        at = best or at + 1
    return text


RUNS = st.lists(st.sampled_from(["4111", "1111", "0", "00", "1", "12", "203", "4111111111111111", " ", "-", "  ", "x"]))


@settings(deadline=None)
@given(text=RUNS.map("".join).filter(lambda text: len(text) < 200))
def test_masking_finds_what_trying_every_stretch_of_digits_finds(text: str) -> None:
    assert mask_card_numbers("message", text) == plainly_masked(text)


def test_a_card_may_begin_and_end_at_any_block_and_has_13_to_19_digits() -> None:
    for length in range(10, 24):
        for check in "0123456789":
            number = "41" * 12
            number = number[: length - 1] + check
            masked = 13 <= length <= 19 and luhn_valid(number)
            text = f"{'9' * 22} {number} {'9' * 22}"
            assert (mask_card_numbers("message", text) != text) is masked, number


def test_a_run_of_digits_longer_than_anybody_types_is_masked_whole() -> None:
    longest = "1  " + " ".join("1" * 499)  # of which no 13 to 19 digits pass the Luhn check
    assert len(longest) == LONGEST_RUN
    assert mask_card_numbers("message", f"a{longest}b") == f"a{longest}b"
    assert mask_card_numbers("message", f"a{longest}1b") == f"a{longest}1b".replace("1", "x")


@pytest.mark.parametrize("card", CARDS)
def test_the_luhn_check(card: str) -> None:
    assert luhn_valid(card)
    assert not luhn_valid(card[:-1] + str((int(card[-1]) + 1) % 10))


# -- what is no card number --------------------------------------------------------------------------------------------

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(st.sampled_from(DIGITS), min_size=count, max_size=count)


def iban(country: str, account: str, gap: str) -> str:
    number = "".join(str((DIGITS + LETTERS).index(character)) for character in f"{account}{country}00")
    whole = f"{country}{98 - int(number) % 97:02d}{account}"
    return gap.join(whole[at : at + 4] for at in range(0, len(whole), 4))


UUIDS = st.uuids().map(str) | digits(32).map(lambda hexadecimal: str(UUID(hexadecimal)))
IBANS = st.builds(
    iban,
    st.sampled_from(["DE", "FR", "GB", "NL", "NO"]),
    digits(18) | digits(11) | digits(14).map("WEST{}".format) | digits(23),
    st.sampled_from(["", " "]),
)
OTHERS = {
    "uuid": UUIDS,
    "UUID": UUIDS.map(str.upper),
    "IBAN": IBANS,
    "moment": st.datetimes().map(lambda moment: moment.isoformat()),
    "compact moment": st.datetimes().map(lambda moment: f"{moment:%Y%m%dT%H%M%S%f}Z"),
    "request id": digits(22),
    "VAT id": st.builds("{}{}".format, st.sampled_from(["DE", "SE", "FR", "ATU"]), digits(9) | digits(12)),
    "parcel": st.builds("1Z{}AA{}".format, digits(4), digits(10)) | st.builds("RR{}DE".format, digits(9)),
    "phone's id": st.builds("+1-{}-{}-{}".format, digits(3), digits(3), digits(4)),
}


@settings(deadline=None)
@pytest.mark.parametrize("kind", OTHERS)
@given(data=st.data(), words=st.sampled_from(["{}", "id {}, thanks", "/parcels/{}/", "<id>{}</id>", "a={}&b=2"]))
def test_ids_of_others_that_have_their_own_shape_are_neither_masked_nor_refused(kind, data, words) -> None:
    text = words.format(data.draw(OTHERS[kind]))
    assert mask_card_numbers("merchant_defined_data1", text) == text
    assert not holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "00000000-0000-0000-0000-000000000007",
        "47285761-3963-4101-9084-218594685850",
        "https://shop.example/parcels/13286095-7433-9736-7583-714630868716/",
        "DE89 3704 0044 0532 0130 00",
    ],
)
def test_such_ids_stay_whole_beside_a_card_number_that_is_masked(text: str) -> None:
    assert mask_card_numbers("message", text) == text
    assert mask_card_numbers("message", f"{text} 4111 1111 1111 1111") == f"{text} xxxx xxxx xxxx 1111"
    assert mask_card_numbers("message", f"4111111111111111 {text}") == f"xxxxxxxxxxxx1111 {text}"
    assert holds_card_number(f"{text} 4111 1111 1111 1111")


def test_what_only_looks_like_an_iban_is_masked() -> None:
    assert mask_card_numbers("message", "DE00 4111 1111 1111 1111 00") == "DExx xxxx xxxx xxxx 1111 00"


@settings(deadline=None)
@given(number=st.sampled_from(CARDS), data=st.data())
def test_a_card_number_is_found_with_any_separators_also_across_lines(number: str, data: st.DataObject) -> None:
    gap = st.sampled_from(["", "", " ", "-", ".", "/", ", ", " - ", "_", "\n", "\r\n", "\u2028", "\u00a0", "\u2013"])
    gaps = data.draw(st.lists(gap, min_size=len(number) - 1, max_size=len(number) - 1))
    text = "".join(digit + between for digit, between in zip(number, [*gaps, ""], strict=True))
    assert holds_card_number(text)
    kept = "".join(re.findall(r"\d", mask_card_numbers("message", text)))
    assert kept == number[-4:]
