"""Our forms against the simulator: written from the same guides, sharing no code, so the two must agree."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cybersource.protocol import (
    Address,
    Credentials,
    LineItem,
    Outcome,
    OutcomeKind,
    PaymentRequest,
    Reply,
    TransactionType,
    content_from_body,
    parse_notification,
)
from cybersource.simulator import Gateway, Note, Profile, Settings, Update, notification_body

from .far_side import secret_for
from .vectors import ACCESS_KEY, PROFILE_ID, SECRET_KEY

NOW = datetime(2026, 3, 4, 9, 14, 40, tzinfo=UTC)
CREDENTIALS = Credentials(profile_id=PROFILE_ID, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
CARD = {"card_type": "001", "card_number": "4111111111111111", "card_expiry_date": "12-2031", "card_cvn": "123"}
MAYA = Address(
    forename="Maya", surname="Okafor", line1="12 Harbour Street", city="Oakland", state="CA", postal_code="94607",
    country="US", phone="+1 415 555 0123", email="maya.okafor@example.com",
)  # fmt: skip
REQUEST = PaymentRequest(
    transaction_type=TransactionType.AUTHORIZATION,
    reference_number="100018",
    amount=Decimal("64.50"),
    currency="USD",
    bill_to=MAYA,
    ship_to=MAYA,
    items=[LineItem(name="Kettle", sku="K", quantity=3, unit_price=Decimal("20.00"), tax_amount=Decimal("4.50"))],
    customer_ip_address="2001:db8::1",
    device_fingerprint_id="c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001",
    shipping_method="lowcost",
)


def gateway() -> Gateway:
    profile = Profile(
        profile_id=PROFILE_ID, access_key=ACCESS_KEY, secret_key=SECRET_KEY, receipt_page="http://localhost:8000/reply/"
    )
    return Gateway(Settings(profiles=(profile,)), clock=lambda: NOW)


def paid(request: PaymentRequest, *, phone: str = "", path: str = "/silent/pay") -> Reply:
    """Sign, fill in as the shopper's page does, submit, and read what comes back."""
    form = request.sign(CREDENTIALS, at=NOW, transaction_uuid="6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02")
    filled = {**CARD, "bill_to_phone": phone}
    pairs = [(item.key, filled.get(item.key, item.value) if item.editable else item.value) for item in form.fields]
    answer = gateway().submit(path, pairs)
    assert answer.status == 200 and answer.reply is not None
    return Reply.from_post(answer.reply, secret_for=secret_for)


@pytest.mark.parametrize("kind", TransactionType)
def test_every_type_of_form_is_accepted(kind: TransactionType) -> None:
    reply = paid(
        replace(REQUEST, transaction_type=kind), path="/silent/pay" if kind.charges else "/silent/token/create"
    )
    outcome = Outcome.from_reply(reply)
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert outcome.amount == (Decimal("64.50") if kind.charges else None)
    assert bool(outcome.payment_token) is kind.creates_token
    assert reply.transaction_type == kind.value and reply.amount == REQUEST.amount
    assert outcome.card_number == "xxxxxxxxxxxx1111"


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", "1000"), ("KWD", "66.125"), ("EUR", "0.01"), ("USD", "10.00"), ("RSD", "12.50")]
)
def test_amounts_of_every_exponent_are_accepted(currency: str, amount: str) -> None:
    reply = paid(replace(REQUEST, currency=currency, amount=Decimal(amount), items=()))
    assert Outcome.from_reply(reply).amount == Decimal(amount) == reply.amount


@pytest.mark.parametrize("count", [1, 10, 100, 120, 300])
def test_baskets_of_every_size_are_accepted_and_echoed_in_less_than_a_thousand_fields(count: int) -> None:
    items = [
        LineItem(name="x" * 300, sku="s" * 300, code="coupon", unit_price=Decimal("1.00"), tax_amount=Decimal("0.07"))
        for _ in range(count)
    ]
    reply = paid(replace(REQUEST, amount=Decimal("1.07") * count, items=items))
    assert Outcome.from_reply(reply).kind is OutcomeKind.ACCEPTED
    assert len(reply.signed) < 1000


TYPED = st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.sampled_from(
    ["Bob,decision=ACCEPT,req_amount=0.01", "<script>", "\U0001f389", "x" * 300, "Zoë", "東京", "", " ", "a=b,c=d"]
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    address=st.builds(
        Address,
        **{item.name: TYPED for item in dataclass_fields(Address) if item.name not in ("country", "email")},
        country=st.sampled_from(["DE", "JP", "IN"]),
        email=st.just("maya@example.com"),
    ),
    ship_to=st.none() | st.builds(Address, **{item.name: TYPED for item in dataclass_fields(Address)}),
    title=TYPED,
    sku=TYPED,
    code=TYPED,
    extra=st.dictionaries(st.sampled_from(["merchant_defined_data1", "consumer_id"]), TYPED),
)
def test_whatever_is_typed_gives_a_form_that_is_accepted(
    address: Address, ship_to: Address | None, title: str, sku: str, code: str, extra: dict[str, str]
) -> None:
    items = [LineItem(name=title, sku=sku, code=code, unit_price=Decimal("64.50"))]
    reply = paid(replace(REQUEST, bill_to=address, ship_to=ship_to, items=items, extra_fields=extra))
    assert Outcome.from_reply(reply).invalid_fields == ()
    assert reply.reason_code != 102


def test_a_stored_card_pays_with_a_form_that_asks_for_nothing() -> None:
    bank = gateway()
    first = replace(REQUEST, transaction_type=TransactionType.CREATE_PAYMENT_TOKEN).sign(
        CREDENTIALS, at=NOW, transaction_uuid="uuid-1"
    )
    answer = bank.submit("/silent/token/create", [(f.key, CARD.get(f.key, f.value)) for f in first.fields])
    token = Reply.from_post(answer.reply or [], secret_for=secret_for).payment_token
    assert token
    for bill_to in (MAYA, None):
        form = replace(REQUEST, payment_token=token, bill_to=bill_to).sign(
            CREDENTIALS, at=NOW, transaction_uuid=f"uuid-{bill_to and 2}"
        )
        answer = bank.submit("/silent/pay", [(f.key, f.value) for f in form.fields])
        outcome = Outcome.from_reply(Reply.from_post(answer.reply or [], secret_for=secret_for))
        assert (outcome.kind, outcome.payment_token, outcome.amount) == (OutcomeKind.ACCEPTED, token, Decimal("64.50"))


WRITTEN = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=60)


@settings(deadline=None, max_examples=60)
@given(reviewer=WRITTEN, comments=WRITTEN, note=WRITTEN, decision=st.sampled_from(["ACCEPT", "REJECT", ""]))
def test_a_reviewers_words_arrive_as_they_were_written(reviewer: str, comments: str, note: str, decision: str) -> None:
    update = Update(
        reference_number="100019",
        request_id="7312345812346012504013",
        new_decision=decision,
        reviewer=reviewer,
        comments=comments,
        notes=(Note(at=NOW, added_by=reviewer, comment=note),),
    )
    body = notification_body(gateway().notification_xml([update]))
    message = parse_notification(content_from_body(body, "application/x-www-form-urlencoded"))
    (read,) = message.updates
    assert message.merchant_id == "acme_shop" and message.sent_at == NOW
    assert (read.new_decision or "", read.reviewer, read.comments) == (decision, reviewer, comments)
    assert [(written.written_at, written.comment) for written in read.notes] == [(NOW, note)]
