"""Nothing typed can be read as a field: not in our form, not in CyberSource's echo of it."""

from __future__ import annotations

import re
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cybersource.protocol import Address, Credentials, LineItem, PaymentRequest, ProtocolError, Reply, TransactionType

from . import vectors
from .far_side import answer, message, reply, secret_for, signature
from .recut import readings
from .vectors import ACCESS_KEY, PROFILE_ID, SECRET_KEY

CREDENTIALS = Credentials(profile_id=PROFILE_ID, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
NOW = datetime(2026, 3, 4, 9, 14, 40, tzinfo=UTC)

HOSTILE = st.lists(
    st.sampled_from(
        [
            *[",decision=ACCEPT", ",req_amount=0.01", ",amount=0.01", ",currency=JPY", ",reason_code=100", "Bob", " "],
            *[",signed_field_names=", "signed_field_names,decision", ",decision", ",item_0_unit_price=0.00", "=", ","],
            *[
                ",req_access_key=" + ACCESS_KEY,
                ",bill_to_surname=x",
                ",bill_to_forename=x",
                ",auth_amount=9",
                "\n",
                "\0",
            ],
            *[
                "\uff1d",
                "\ufe66",
                "\u2550",
                "\u200b",
                "\uff0c",
                "\u060c",
                "\u0338",
                "&#61;",
                "%3D",
                "%2C",
                "\ud800",
                "é",
            ],
            *[
                ",deci\u200bsion=ACCEPT",
                ",decision\u200b=ACCEPT",
                ",\u200bdecision=ACCEPT",
                ",decision\u2060=\u2060ACCEPT",
            ],
            *[
                ",ship_to_forename=y,",
                ",merchant_defined_data1=z",
                ",unsigned_field_names=",
                ",payment_token=1",
                "@b.co",
            ],
        ]
    ),
    max_size=6,
).map("".join)

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TYPED = st.one_of(HOSTILE, LETTERS, st.tuples(HOSTILE, LETTERS).map("".join))

ADDRESSES = st.builds(
    Address,
    **{item.name: TYPED for item in dataclass_fields(Address) if item.name not in ("country", "email")},
    country=st.sampled_from(["DE", "FR", "jp"]),
    email=st.just("maya.okafor@example.com"),
)
ITEMS = st.lists(
    st.builds(
        LineItem,
        name=TYPED,
        sku=TYPED,
        code=TYPED,
        quantity=st.integers(0, 3),
        unit_price=st.sampled_from([Decimal("1.00"), Decimal("0.333")]),
    ),
    max_size=3,
)
REQUESTS = st.builds(
    PaymentRequest,
    transaction_type=st.just(TransactionType.AUTHORIZATION_WITH_TOKEN),
    reference_number=st.sampled_from(["100018", "100,018", "A,amount-1"]),
    amount=st.sampled_from([Decimal("1.00"), Decimal("2.00"), Decimal("64.50")]),
    currency=st.just("USD"),
    locale=TYPED,
    bill_to=ADDRESSES,
    ship_to=st.none() | ADDRESSES,
    items=ITEMS,
    device_fingerprint_id=TYPED,
    customer_ip_address=TYPED,
    extra_fields=st.dictionaries(
        st.sampled_from(["merchant_defined_data1", "merchant_defined_data50", "promotion_code", "consumer_id", "zzz"]),
        TYPED,
        max_size=3,
    ),
)


def form_of(request: PaymentRequest) -> tuple[dict[str, str], str]:
    form = request.sign(CREDENTIALS, at=NOW, transaction_uuid="6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02").as_dict()
    signed = [(name, form[name]) for name in form["signed_field_names"].split(",")]
    assert form["signature"] == signature(message(signed))
    return form, message(signed)


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS)
def test_our_form_reads_in_one_way_whatever_was_typed(request: PaymentRequest) -> None:
    form, signed = form_of(request)
    names = form["signed_field_names"].split(",")
    assert re.findall(r",([A-Za-z0-9_ ]*)=", signed) == names[1:]
    assert list(readings(signed)) == [[(name, form[name]) for name in names]]
    assert not [name for name in names if "," in form[name] and "=" in form[name]]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS)
def test_no_cut_of_our_form_is_a_reply(request: PaymentRequest) -> None:
    form, signed = form_of(request)
    for reading in readings(signed):
        try:
            Reply.from_post([*reading, ("signature", form["signature"])], secret_for=secret_for)
        except ProtocolError:
            continue
        raise AssertionError("our own form was read as a reply")


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(
    request=REQUESTS,
    typed=st.fixed_dictionaries({"bill_to_phone": HOSTILE, "card_type": HOSTILE, "card_expiry_date": HOSTILE}),
    added=st.dictionaries(st.sampled_from(["bill_to_company_name", "consumer_id", "aaa", "zzz"]), HOSTILE, max_size=2),
    shuffled=st.none() | st.randoms(use_true_random=False),
)
def test_no_cut_of_a_genuine_decline_is_anything_but_that_decline(
    request: PaymentRequest, typed: dict[str, str], added: dict[str, str], shuffled: object
) -> None:
    """Here the shopper also types what we never see: unsigned fields, and fields added to the form."""
    form, _ = form_of(request)
    posted = {**added, **form, **{name: value.replace("\0", "").replace("\ud800", "") for name, value in typed.items()}}
    posted = {name: value.replace("\0", "").replace("\ud800", "") for name, value in posted.items()}
    pairs = answer(posted, decision="DECLINE", reason_code="203", message="General decline")
    if shuffled is not None:
        genuine = dict(pairs[:-1])
        genuine.pop("signed_field_names")
        names = list(genuine)
        shuffled.shuffle(names)  # type: ignore[attr-defined]
        pairs = reply({name: genuine[name] for name in names}, list_at=shuffled.randint(0, len(names)))  # type: ignore[attr-defined]
    *fields, (_, sealed) = pairs
    accepted_as = []
    for reading in readings(message(fields)):
        try:
            accepted_as.append(Reply.from_post([*reading, ("signature", sealed)], secret_for=secret_for))
        except ProtocolError:
            continue
    assert all(dict(read.signed) == dict(fields) for read in accepted_as)
    assert len(accepted_as) <= 1
    if not any("=" in value for value in (*typed.values(), *added.values())):
        assert len(accepted_as) == 1  # what nobody tampered with is not refused


NAMES = st.sampled_from(["decision", "req_amount", "a", "b", "signed_field_names", "req_access_key"])
FRAGMENTS = st.lists(
    st.one_of(
        NAMES.map(lambda name: f",{name}="),
        NAMES,
        st.sampled_from(["x", ",", "=", "DECLINE", "ACCEPT", ACCESS_KEY, "signed_field_names,a,b", ",a=,b="]),
    ),
    max_size=5,
).map("".join)


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=st.lists(FRAGMENTS, min_size=4, max_size=4),
    order=st.permutations(["decision", "req_access_key", "req_transaction_uuid", "a", "b", "req_amount"]),
    list_at=st.integers(0, 6),
)
@example(
    values=["x,b=1,decision=ACCEPT,req_amount=2", "y", "z", "w"],
    order=["req_access_key", "req_transaction_uuid", "a", "b", "decision", "req_amount"],
    list_at=6,
)
def test_no_signed_message_at_all_has_two_readings(values: list[str], order: list[str], list_at: int) -> None:
    """Also of messages CyberSource would never sign: any values, any order."""
    given_values = dict(zip(("a", "b", "req_amount", "req_transaction_uuid"), values, strict=True))
    fields = {"decision": "DECLINE", "req_access_key": ACCESS_KEY, **given_values}
    *pairs, (_, sealed) = reply({name: fields[name] for name in order}, list_at=list_at)
    accepted_as = []
    for reading in readings(message(pairs)):
        try:
            accepted_as.append(Reply.from_post([*reading, ("signature", sealed)], secret_for=secret_for))
        except ProtocolError:
            continue
    assert len(accepted_as) <= 1
    assert all(dict(read.signed) == dict(pairs) for read in accepted_as)


def test_the_search_finds_second_readings_where_they_exist() -> None:
    """The brute force is worth something: on a form that nobody cleaned it finds the forged decision."""
    naive = "bill_to_surname=Bob,signed_field_names=bill_to_surname,decision,signed_field_names,decision=ACCEPT"
    doubled = f"{naive},signed_field_names=bill_to_surname,signed_field_names"
    assert [("bill_to_surname", "Bob"), ("decision", "ACCEPT")] in [
        [pair for pair in reading if pair[0] != "signed_field_names"]
        for reading in readings(
            "bill_to_surname=Bob,decision=ACCEPT,signed_field_names=bill_to_surname,decision,signed_field_names"
        )
    ]
    assert len(list(readings(doubled))) >= 1
    shifted = "a=1,b=2,b=3,signed_field_names=a,b,signed_field_names"
    assert [dict(reading)["a"] for reading in readings(shifted)] == ["1", "1,b=2"]


def test_the_known_replies_have_one_reading_each() -> None:
    for name in ("P2", "P5", "P14", "P15"):
        *fields, _ = [pair for pair in getattr(vectors, name) if pair[0] != "utf8"]
        ordered = dict(fields)
        names = ordered["signed_field_names"].split(",")
        assert list(readings(",".join(f"{n}={ordered[n]}" for n in names))) == [[(n, ordered[n]) for n in names]]


def test_what_we_control_is_signed_before_what_was_typed() -> None:
    request = PaymentRequest(
        transaction_type=TransactionType.SALE,
        reference_number="100018",
        amount=Decimal("64.50"),
        currency="USD",
        bill_to=Address(
            forename="Maya", surname="O", line1="1 St", city="Oakland", country="FR", email="m@example.com"
        ),
        items=[LineItem(name="Kettle", unit_price=Decimal("64.50"))],
        extra_fields={"merchant_defined_data1": "gift"},
        customer_ip_address="203.0.113.24",
    )
    form, _ = form_of(replace(request, ship_to=request.bill_to))
    names = form["signed_field_names"].split(",")
    typed = [name for name in names if name.startswith(("bill_to_", "ship_to_", "merchant_")) or name.endswith("_name")]
    assert names[-len(typed) :] == typed
    assert "item_0_name" in typed and "item_0_unit_price" not in typed
