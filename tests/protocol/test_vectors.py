"""The messages we know to be genuine are read; the form we know to be ours is refused."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from cybersource.protocol import Decision, NotAReply, Outcome, OutcomeKind, Reply, sign, verify

from . import vectors
from .far_side import secret_for
from .vectors import SECRET_KEY

REPLIES = [f"P{n}" for n in range(1, 16)]


def read(name: str) -> Reply:
    return Reply.from_post(getattr(vectors, name), secret_for=secret_for)


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        ([("amount", "64.50"), ("currency", "USD")], "OxbdeA+j+gANg2QJr3gNS6INxKy700ip05dk3aS7gwc="),
        ([("currency", "USD"), ("amount", "64.50")], "d6F+BlSNczjrLZ7uysHteRyqdv2NUKPvGWD8wohREbU="),
        (
            [("bill_to_address_line1", "Flat 2, Block=B"), ("amount", "64.50")],
            "bek6gzFnZ5n1jH6Am+4kyj5+Nek/eysxjP3b3EG80kA=",
        ),
        ([("bill_to_address_line2", ""), ("amount", "64.50")], "/ADT+G7tl50oe68u5KsdoONtXBH/NJL7zLcrzKCdR9o="),
        (
            [("bill_to_surname", "Lefèvre"), ("bill_to_address_city", "東京")],
            "Xi1jK/Frr0ljwqbvMyWhrv1xqGDp3dNCWopZE4oPKh4=",
        ),
    ],
)
def test_signing_gives_the_known_signature(message: list[tuple[str, str]], signature: str) -> None:
    fields, names = dict(message), [name for name, _ in message]
    assert sign(fields, names, SECRET_KEY) == signature
    assert verify(fields, names, SECRET_KEY, signature)


def test_a_name_without_a_value_signs_as_empty() -> None:
    assert (
        sign({"amount": "64.50"}, ["bill_to_address_line2", "amount"], SECRET_KEY)
        == "/ADT+G7tl50oe68u5KsdoONtXBH/NJL7zLcrzKCdR9o="
    )


@pytest.mark.parametrize("name", REPLIES)
def test_every_known_reply_is_read_with_exactly_its_signed_fields(name: str) -> None:
    posted = dict(getattr(vectors, name))
    reply = read(name)
    assert list(reply.signed) == posted["signed_field_names"].split(",")
    assert dict(reply.signed) == {key: value for key, value in posted.items() if key not in ("utf8", "signature")}
    assert reply.decision_text == posted["decision"]
    assert reply.decision == Decision(posted["decision"])


def test_our_own_form_posted_back_is_not_a_reply() -> None:
    with pytest.raises(NotAReply) as refused:
        Reply.from_post(vectors.P0, secret_for=secret_for)
    assert refused.value.rule == "no-decision-signed"


def test_our_own_form_posted_back_with_an_invented_decision_is_not_a_reply() -> None:
    invented = [("decision", "ACCEPT"), ("req_access_key", vectors.ACCESS_KEY), ("reason_code", "100")]
    with pytest.raises(NotAReply):
        Reply.from_post([*vectors.P0, *invented], secret_for=secret_for)


def test_the_merchant_post_of_an_accepted_payment_says_the_same_as_the_browser() -> None:
    posted = parse_qsl(vectors.P16_BODY, keep_blank_values=True, strict_parsing=True)
    copy, browser = Reply.from_post(posted, secret_for=secret_for), read("P2")
    assert copy.signed["card_type_name"] == "Visa"
    assert Outcome.from_reply(copy) == Outcome.from_reply(browser)


@pytest.mark.parametrize(
    ("name", "kind", "amount"),
    [
        ("P1", OutcomeKind.ACCEPTED, None),
        ("P2", OutcomeKind.ACCEPTED, "64.50"),
        ("P3", OutcomeKind.REVIEW, "640.00"),
        ("P4", OutcomeKind.REVIEW, "64.50"),
        ("P5", OutcomeKind.DECLINED, None),
        ("P6", OutcomeKind.DECLINED, None),
        ("P7", OutcomeKind.DECLINED, None),
        ("P8", OutcomeKind.DECLINED, None),
        ("P9", OutcomeKind.UNKNOWN, None),
        ("P10", OutcomeKind.UNKNOWN, None),
        ("P11", OutcomeKind.INVALID, None),
        ("P12", OutcomeKind.INVALID, None),
        ("P13", OutcomeKind.DECLINED, None),
        ("P14", OutcomeKind.CANCELLED, None),
        ("P15", OutcomeKind.ACCEPTED, "64.50"),
    ],
)
def test_every_known_reply_comes_to_the_outcome_it_should(name: str, kind: OutcomeKind, amount: str | None) -> None:
    outcome = Outcome.from_reply(read(name))
    assert outcome.kind is kind
    assert outcome.amount == (None if amount is None else Decimal(amount))
