"""What is refused, one forgery a line, each for the rule it breaks and for no other.

Signatures are made by ``far_side``: where a forgery could only work with a genuine signature, it gets one.
"""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybersource.protocol import (
    AmbiguousMessage,
    BadFieldList,
    DuplicateField,
    FieldNotSigned,
    MalformedPost,
    NotAReply,
    ProtocolError,
    Reply,
    SignatureMismatch,
    UnknownAccessKey,
    verify,
)
from cybersource.protocol.reply import ALWAYS_SIGNED, MAX_FIELDS, MAX_MESSAGE_LENGTH, SIGNED_WHEN_HELD

from . import vectors
from .far_side import (
    Pairs,
    accepted,
    message,
    reads_as_a_sentence,
    reply,
    secret_for,
    signature,
    signed,
    without,
)
from .vectors import ACCESS_KEY, SECRET_KEY

OTHER_KEY = "0f" * 16
OTHER_SECRET = "5ec0" * 64
CANARY = "Quillon-Featherstonehaugh"

declined = accepted(decision="DECLINE", reason_code="203", req_bill_to_surname=CANARY)


def read(posted: Pairs) -> Reply:
    return Reply.from_post(posted, secret_for=secret_for)


def changed(posted: Pairs, **values: str) -> Pairs:
    return [(name, values.get(name, value)) for name, value in posted]


def dropped(posted: Pairs, *names: str) -> Pairs:
    return [(name, value) for name, value in posted if name not in names]


def listing(names: str, fields: dict[str, str] | None = None) -> Pairs:
    """A reply whose list reads ``names``, with a signature that CyberSource would have made over the plain fields."""
    return changed(reply(fields or accepted()), signed_field_names=names)


def resigned(posted: Pairs, secret: str = SECRET_KEY) -> Pairs:
    """Signed over whatever its list says, as nobody without the secret can."""
    fields = dict(posted)
    names = fields["signed_field_names"].split(",")
    return changed(posted, signature=signature(message([(name, fields.get(name, "")) for name in names]), secret))


LIST = ",".join(name for name, _ in reply(accepted())[:-1])
GENUINE = dict(reply(accepted()))["signature"]

FORGERIES: list[tuple[str, Callable[[], Pairs], type[ProtocolError], str]] = [
    # reflection
    ("our own form", lambda: vectors.P0, NotAReply, "no-decision-signed"),
    (
        "our own form with an invented decision",
        lambda: [*vectors.P0, ("decision", "ACCEPT"), ("req_access_key", ACCESS_KEY), ("transaction_id", "1")],
        NotAReply,
        "no-decision-signed",
    ),
    (
        "our own form whose list was given a decision",
        lambda: [
            *changed(vectors.P0, signed_field_names=dict(vectors.P0)["signed_field_names"] + ",decision"),
            *[("decision", "ACCEPT"), ("req_access_key", ACCESS_KEY), ("req_transaction_uuid", "u")],
        ],
        FieldNotSigned,
        "field-not-signed",
    ),
    (
        "our own form whose list was given everything a reply signs",
        lambda: [
            *changed(
                vectors.P0,
                signed_field_names=dict(vectors.P0)["signed_field_names"]
                + ",decision,req_access_key,req_transaction_uuid",
            ),
            *[("decision", "ACCEPT"), ("req_access_key", ACCESS_KEY), ("req_transaction_uuid", "u")],
        ],
        SignatureMismatch,
        "signature",
    ),
    ("our own form with its fields renamed req_", lambda: [
        *[(f"req_{name}", value) for name, value in vectors.P0 if name not in ("signature", "signed_field_names")],
        *[("decision", "ACCEPT"), ("signature", dict(vectors.P0)["signature"])],
        ("signed_field_names", "decision,req_access_key,req_transaction_uuid,signed_field_names"),
    ], SignatureMismatch, "signature"),
    # changed, injected and dropped
    ("a decline called an accept", lambda: changed(reply(declined), decision="ACCEPT"), SignatureMismatch, "signature"),
    ("another amount", lambda: changed(reply(accepted()), req_amount="0.01"), SignatureMismatch, "signature"),
    ("another order", lambda: changed(reply(accepted()), req_reference_number="1"), SignatureMismatch, "signature"),
    ("another attempt", lambda: changed(reply(accepted()), req_transaction_uuid="u"), SignatureMismatch, "signature"),
    ("another token", lambda: changed(vectors.P2, payment_token="1"), SignatureMismatch, "signature"),
    (
        "a decline with a second, unsigned decision after it",
        lambda: [*reply(declined), ("decision", "ACCEPT")],
        DuplicateField,
        "duplicate-field",
    ),
    (
        "a decline with a second, unsigned decision before it",
        lambda: [("decision", "ACCEPT"), *reply(declined)],
        DuplicateField,
        "duplicate-field",
    ),
    ("the same field twice with the same value", lambda: [*reply(accepted()), ("decision", "ACCEPT")], DuplicateField,
     "duplicate-field"),
    ("two lists", lambda: [*reply(accepted()), ("signed_field_names", "decision")], DuplicateField, "duplicate-field"),
    ("two signatures", lambda: [*reply(accepted()), ("signature", GENUINE)], DuplicateField, "duplicate-field"),
    ("an unsigned field twice", lambda: [("utf8", "✓"), ("utf8", "✓"), *reply(accepted())], DuplicateField,
     "duplicate-field"),
    ("a decision left out of the list", lambda: resigned(listing(LIST.replace("decision,", ""))), NotAReply,
     "no-decision-signed"),
    *[
        (f"{name} signed by nobody", lambda name=name: resigned(listing(LIST.replace(f"{name},", "", 1))),
         FieldNotSigned, "field-not-signed")
        for name in (*ALWAYS_SIGNED, *SIGNED_WHEN_HELD)
    ],
    *[
        (f"{name} signed but blank", lambda name=name: reply(accepted(**{name: ""})), FieldNotSigned,
         "field-not-signed")
        for name in (*ALWAYS_SIGNED, *SIGNED_WHEN_HELD)
    ],
    ("a review that signs no amount", lambda: reply(without(accepted(decision="REVIEW"), "req_amount")),
     FieldNotSigned, "field-not-signed"),
    # the list
    ("a list that does not name itself", lambda: resigned(listing(LIST.replace(",signed_field_names", ""))),
     BadFieldList, "list-not-signed"),
    ("a name listed twice", lambda: resigned(listing(LIST + ",decision")), BadFieldList, "name-repeated"),
    ("the list listed twice", lambda: resigned(listing(LIST + ",signed_field_names")), BadFieldList, "name-repeated"),
    ("a listed name that is not posted", lambda: resigned(listing(LIST + ",req_consumer_id")), BadFieldList,
     "name-not-posted"),
    ("an empty list", lambda: listing(""), BadFieldList, "list-shape"),
    ("a list of one comma", lambda: listing(","), BadFieldList, "list-shape"),
    ("a trailing comma in the list", lambda: resigned([*listing(LIST + ","), ("", "")]), BadFieldList, "list-shape"),
    ("a leading comma in the list", lambda: resigned([*listing("," + LIST), ("", "")]), BadFieldList, "list-shape"),
    ("two commas in the list", lambda: resigned([*listing(LIST.replace(",", ",,", 1)), ("", "")]), BadFieldList,
     "list-shape"),
    ("a blank in the list", lambda: listing(LIST.replace(",", ", ", 1)), BadFieldList, "list-shape"),
    ("a blank name in the list", lambda: resigned([*listing(LIST + ", "), (" ", "")]), BadFieldList, "list-shape"),
    ("a line break after the list", lambda: listing(LIST + "\n"), BadFieldList, "list-shape"),
    ("a tab in the list", lambda: listing(LIST.replace(",", "\t", 1)), BadFieldList, "list-shape"),
    ("upper case in the list", lambda: resigned([*listing(LIST + ",Decision"), ("Decision", "DECLINE")]), BadFieldList,
     "list-shape"),
    ("an equals sign in the list", lambda: resigned([*listing(LIST + ",a=b"), ("a=b", "")]), BadFieldList,
     "list-shape"),
    ("a hyphen in the list", lambda: resigned([*listing(LIST + ",a-b"), ("a-b", "")]), BadFieldList, "list-shape"),
    ("a semicolon for a comma", lambda: listing(LIST.replace(",", ";", 1)), BadFieldList, "list-shape"),
    ("a digit of another script in the list", lambda: resigned([*listing(LIST + ",item_\u0661"), ("item_\u0661", "")]),
     BadFieldList, "list-shape"),
    ("a full-width letter in the list", lambda: resigned([*listing(LIST + ",\uff41"), ("\uff41", "")]), BadFieldList,
     "list-shape"),
    ("a NUL in the list", lambda: listing(LIST + ",\0"), BadFieldList, "list-shape"),
    ("half a surrogate pair in the list", lambda: listing(LIST + ",\ud800"), BadFieldList, "list-shape"),
    ("a list in another order", lambda: listing("decision,transaction_id" + LIST[len("transaction_id,decision"):]),
     SignatureMismatch, "signature"),
    ("an unsigned field taken into the list", lambda: [("utf8", "✓"), *listing(LIST + ",utf8")], SignatureMismatch,
     "signature"),
    # the signature
    ("no signature", lambda: dropped(reply(accepted()), "signature"), MalformedPost, "no-signature"),
    ("no list", lambda: dropped(reply(accepted()), "signed_field_names"), MalformedPost, "no-signed-field-names"),
    ("nothing at all", lambda: [], MalformedPost, "no-signed-field-names"),
    *[
        (f"a signature {how}", lambda made=made: changed(vectors.P2, signature=made(dict(vectors.P2)["signature"])),
         SignatureMismatch, "signature")
        for how, made in {
            "left blank": lambda _: "",
            "in lower case": str.lower,
            "in upper case": str.upper,
            "without its padding": lambda text: text.rstrip("="),
            "with double padding": lambda text: text + "=",
            "in the URL-safe alphabet": lambda text: text.replace("+", "-").replace("/", "_"),
            "with a blank for its plus": lambda text: text.replace("+", " "),
            "after a blank": lambda text: " " + text,
            "with a line break": lambda text: text + "\n",
            "cut short": lambda text: text[:-2],
            "said twice": lambda text: text + text,
            "in hexadecimal": lambda text: base64.b64decode(text).hex(),
            "with other unused bits at its end": lambda text: text[:-2] + chr(ord(text[-2]) + 1) + "=",
            "of another reply": lambda _: dict(vectors.P1)["signature"],
            "in letters outside ASCII": lambda text: "é" + text[1:],
            "of half a surrogate pair": lambda text: "\ud800" + text[1:],
            "with a NUL": lambda text: text + "\0",
            "a megabyte long": lambda text: text * 25_000,
        }.items()
    ],  # fmt: skip
    # the key
    ("a key that is not ours", lambda: reply(accepted(req_access_key=OTHER_KEY), OTHER_SECRET), UnknownAccessKey,
     "unknown-access-key"),
    ("our key named, another key used", lambda: reply(accepted(), OTHER_SECRET), SignatureMismatch, "signature"),
    ("an unsigned access key of ours", lambda: [
        *reply(accepted(req_access_key=OTHER_KEY), OTHER_SECRET), ("access_key", ACCESS_KEY),
    ], UnknownAccessKey, "unknown-access-key"),
    ("the key in upper case", lambda: reply(accepted(req_access_key=ACCESS_KEY.upper())), UnknownAccessKey,
     "unknown-access-key"),
    ("an empty secret", lambda: reply(accepted(req_access_key="empty"), ""), UnknownAccessKey, "unknown-access-key"),
    # bytes
    ("a NUL in a signed value", lambda: reply(accepted(message="a\0b")), MalformedPost, "not-text"),
    ("a NUL in the access key", lambda: reply(accepted(req_access_key="a\0b")), MalformedPost, "not-text"),
    ("half a surrogate pair in a signed value", lambda: reply(accepted(message="\ud800")), MalformedPost, "not-text"),
    ("bytes that were not UTF-8 and were replaced", lambda: changed(vectors.P15, req_bill_to_forename="Zo\ufffd"),
     SignatureMismatch, "signature"),
    ("a name in another normal form", lambda: changed(vectors.P15, req_bill_to_forename="Zoe\u0301"),
     SignatureMismatch, "signature"),
    ("a thousand and one fields", lambda: [*reply(accepted()), *((f"f{n}", "") for n in range(1001 - 16))],
     MalformedPost, "too-many-fields"),
    ("ten thousand fields", lambda: [*reply(accepted()), *((f"f{n}", "") for n in range(10_000))], MalformedPost,
     "too-many-fields"),
    ("a megabyte of text", lambda: reply(accepted(message="m" * 1024 * 1024)), MalformedPost, "message-too-long"),
    ("a megabyte of list", lambda: listing(LIST + ",a" * 500_000), BadFieldList, "name-repeated"),
    ("a megabyte of commas", lambda: listing("," * 1024 * 1024), BadFieldList, "list-shape"),
    # the same bytes, cut elsewhere; CyberSource's signature is genuine
    ("a surname that holds a decision", lambda: signed([
        ("req_bill_to_surname", "Bob"),
        ("decision", "ACCEPT"),
        ("req_access_key", ACCESS_KEY),
        ("signed_field_names", "req_bill_to_surname,decision,req_access_key,signed_field_names"),
    ]), FieldNotSigned, "field-not-signed"),
    ("a reply whose phone number holds a listed field", lambda: reply(declined | {
        "req_bill_to_phone": "1,auth_amount=0.01",
    }), AmbiguousMessage, "ambiguous-message"),
    ("a reply whose phone number holds a whole list", lambda: reply(declined | {
        "req_bill_to_phone": "1,signed_field_names=decision,req_access_key",
    }), AmbiguousMessage, "ambiguous-message"),
    ("a phone number that holds the name of the first field", lambda: reply(declined | {
        "req_bill_to_phone": "1,transaction_id=2",
    }), AmbiguousMessage, "ambiguous-message"),
    ("a phone number that holds its own name", lambda: reply(declined | {
        "req_bill_to_phone": "1,req_bill_to_phone=2",
    }), AmbiguousMessage, "ambiguous-message"),
    ("a decline that begins with its list and has another in a phone number", lambda: reply(declined | {
        "req_bill_to_phone": "1,signed_field_names=signed_field_names",
    }, list_at=0), AmbiguousMessage, "ambiguous-message"),
]  # fmt: skip


def secrets(access_key: str) -> str | None:
    return "" if access_key == "empty" else secret_for(access_key)


@pytest.mark.parametrize(
    ("forge", "error", "rule"), [forgery[1:] for forgery in FORGERIES], ids=[forgery[0] for forgery in FORGERIES]
)
def test_refused(forge: Callable[[], Pairs], error: type[ProtocolError], rule: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        Reply.from_post(forge(), secret_for=secrets)
    assert type(refused.value) is error
    assert refused.value.rule == rule
    assert reads_as_a_sentence(refused.value)


@pytest.mark.parametrize("forge", [forgery[1] for forgery in FORGERIES], ids=[forgery[0] for forgery in FORGERIES])
def test_no_refusal_says_what_was_posted_or_any_secret(forge: Callable[[], Pairs]) -> None:
    with pytest.raises(ProtocolError) as refused:
        Reply.from_post(forge(), secret_for=secrets)
    said = "".join(traceback.format_exception_only(refused.value)) + repr(refused.value) + repr(vars(refused.value))
    assert refused.value.__context__ is None and refused.value.__cause__ is None
    for value in (CANARY, SECRET_KEY, ACCESS_KEY, GENUINE, "14155550123"):
        assert value not in said
    assert len(said) < 600


def test_there_are_more_than_sixty_forgeries_and_no_two_of_one_name() -> None:
    assert len({forgery[0] for forgery in FORGERIES}) == len(FORGERIES) > 60


def test_a_refused_field_is_named() -> None:
    with pytest.raises(FieldNotSigned) as refused:
        read(reply(without(accepted(), "req_amount")))
    assert refused.value.field == "req_amount"
    assert str(refused.value) == "The reply does not sign req_amount. [field-not-signed]"


@pytest.mark.parametrize("decision", ["DECLINE", "ERROR", "CANCEL", "SOMETHING"])
def test_a_reply_that_holds_no_money_may_leave_fields_out(decision: str) -> None:
    """A 104 carries little of the first request, a 102 has no transaction."""
    assert read(reply(without(accepted(decision=decision), *SIGNED_WHEN_HELD))).decision_text == decision


def test_a_reply_without_a_date_is_read() -> None:
    fields = without(accepted(), "signed_date_time")
    names = ",".join([*fields, "signed_field_names"])
    assert read(signed({**fields, "signed_field_names": names}.items())).signed_at is None


def test_a_thousand_fields_are_read() -> None:
    genuine = reply(accepted())
    posted = [*genuine, *((f"unsigned_{n}", "") for n in range(MAX_FIELDS - len(genuine)))]
    assert len(posted) == 1000 and read(posted)


def test_no_more_than_a_thousand_and_one_fields_are_even_looked_at() -> None:
    looked = 0

    def very_many() -> Iterator[tuple[str, str]]:
        nonlocal looked
        while looked < 5000:
            looked += 1
            yield f"f{looked}", ""

    with pytest.raises(MalformedPost):
        Reply.from_post(very_many(), secret_for=secret_for)
    assert looked == 1001


def test_a_message_of_the_greatest_length_is_read_and_one_character_more_is_not() -> None:
    spare = MAX_MESSAGE_LENGTH - len(message(reply(accepted(message=""))[:-1]))
    assert read(reply(accepted(message="m" * spare)))
    with pytest.raises(MalformedPost):
        read(reply(accepted(message="m" * (spare + 1))))


def test_unsigned_fields_do_not_exist() -> None:
    extra = [("card_number", "4111111111111111"), ("payment_token", "stolen"), ("nul", "\0"), ("odd", "\ud800")]
    reply_read = read([*extra, *reply(accepted()), ("utf8", "✓"), ("auth_avs_code", "Y"), ("long", "x" * 10**6)])
    assert reply_read == read(reply(accepted()))
    assert reply_read.payment_token is None and reply_read.avs_code == ""
    assert not {"card_number", "payment_token", "utf8", "auth_avs_code", "signature"} & set(reply_read.signed)


def test_the_order_in_which_fields_are_posted_does_not_matter() -> None:
    assert read(sorted(vectors.P2)) == read(vectors.P2)


def test_a_value_may_hold_commas_equals_signs_entities_quotes_and_line_breaks() -> None:
    odd = 'a, b=c,d,=,,=&lt;PARes id="x"&gt;\r\n,foo=bar,Decision=ACCEPT, decision=ACCEPT,req_amount =1'
    assert read(reply(accepted(payer_authentication_proof_xml=odd))).signed["payer_authentication_proof_xml"] == odd


def test_the_replacement_character_is_text_like_any_other_when_it_was_signed() -> None:
    assert read(reply(accepted(message="\ufffd"))).message == "\ufffd"


@pytest.mark.parametrize("name", ["P0", "P14"])
def test_the_secret_is_asked_for_only_when_the_post_could_be_a_reply(name: str) -> None:
    asked: list[str] = []

    def noting(access_key: str) -> str | None:
        asked.append(access_key)
        return secret_for(access_key)

    try:
        Reply.from_post(getattr(vectors, name), secret_for=noting)
    except NotAReply:
        assert name == "P0" and asked == []
    else:
        assert asked == [ACCESS_KEY]


def test_several_live_keys_each_verify_their_own_replies() -> None:
    live = {ACCESS_KEY: SECRET_KEY, OTHER_KEY: OTHER_SECRET}
    assert Reply.from_post(reply(accepted()), secret_for=live.get).access_key == ACCESS_KEY
    rotated = reply(accepted(req_access_key=OTHER_KEY), OTHER_SECRET)
    assert Reply.from_post(rotated, secret_for=live.get).access_key == OTHER_KEY
    with pytest.raises(SignatureMismatch):
        Reply.from_post(reply(accepted(req_access_key=OTHER_KEY), SECRET_KEY), secret_for=live.get)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
NAMES = st.from_regex(r"\A[a-z][a-z0-9_]{0,12}\Z")
FIELDS = st.dictionaries(NAMES, TEXT, max_size=8)


@settings(deadline=None, max_examples=100)
@given(extra=FIELDS, data=st.data())
def test_changing_any_one_signed_value_breaks_the_signature(extra: dict[str, str], data: st.DataObject) -> None:
    genuine = reply({**extra, **accepted()})
    name = data.draw(st.sampled_from([name for name, _ in genuine if name not in ("signature", "signed_field_names")]))
    value = data.draw(TEXT)
    if value == dict(genuine)[name] or "," in "".join(extra.values()):
        return
    with pytest.raises(ProtocolError):
        read(changed(genuine, **{name: value}))


@settings(deadline=None, max_examples=100)
@given(garbage=st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=20))
def test_garbage_is_refused_and_never_crashes(garbage: Pairs) -> None:
    with pytest.raises(ProtocolError):
        read(garbage)


@settings(deadline=None, max_examples=100)
@given(values=st.dictionaries(st.sampled_from([name for name, _ in vectors.P2]), st.text(max_size=40)))
def test_a_genuine_reply_with_anything_in_it_is_read_or_refused_and_never_crashes(values: dict[str, str]) -> None:
    fields = {**without(dict(vectors.P2), "signature", "signed_field_names", "utf8"), **without(values, "signature")}
    fields.pop("signed_field_names", None)
    try:
        read(reply(fields))
    except ProtocolError:
        pass


def test_verify_wants_the_exact_signature() -> None:
    fields, names = {"amount": "64.50", "currency": "USD"}, ["amount", "currency"]
    good = "OxbdeA+j+gANg2QJr3gNS6INxKy700ip05dk3aS7gwc="
    assert verify(fields, names, SECRET_KEY, good)
    for bad in ("", good[:-1], good + "=", good.lower(), good.replace("+", "-"), "é" * 44, good + "\n"):
        assert not verify(fields, names, SECRET_KEY, bad)
    assert not verify(fields, names[::-1], SECRET_KEY, good)
    assert not verify(fields, names, SECRET_KEY + "0", good)


def test_a_secret_that_is_no_text_verifies_nothing_and_is_in_no_error() -> None:
    """Python's own UnicodeEncodeError would carry the secret along."""
    with pytest.raises(SignatureMismatch):
        Reply.from_post(reply(accepted()), secret_for=lambda access_key: SECRET_KEY + "\ud800")
