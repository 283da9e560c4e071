"""What forgers post to the two endpoints for replies: one forgery a line, each with the rule it breaks.

Each hopes that an order is paid, or un-paid, that is not. Where a forgery could only work with a genuine signature of
CyberSource's, it has one: the simulator made it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

Pairs = list[tuple[str, str]]

#: What a forger sends: form fields, or a body of any bytes with its content type and further request headers.
Sent = Pairs | bytes | tuple[bytes, str]

ANY = None  #: releases of Django differ: refused by it, or read as far as it can be and refused by us

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Loot:
    """All that a forger may hold: his own shopper's messages and, far more than he should, those of others."""

    form: Pairs  #: our own signed form of an open attempt, the card typed in
    decline: Pairs  #: CyberSource's genuine answer to it, not yet delivered
    paid: Pairs  #: the genuine accept of another shopper's order, delivered long ago
    retired: Pairs  #: an accept of the open attempt, signed with a key that was switched off
    hostile_form: Pairs  #: our own form for a shopper whose every name and address line says ``,decision=ACCEPT``
    sign: Callable[..., Pairs]  #: an accept of the open attempt with some fields changed, as CyberSource signs it

    @property
    def uuid(self) -> str:
        return dict(self.form)["transaction_uuid"]

    @property
    def access_key(self) -> str:
        return dict(self.form)["access_key"]


def without(pairs: Pairs, *names: str) -> Pairs:
    return [(name, value) for name, value in pairs if name not in names]


def with_(pairs: Pairs, **values: str) -> Pairs:
    """The pairs with some values changed in place, and those that are new at the end."""
    changed = [(name, values.get(name, value)) for name, value in pairs]
    return changed + [(name, value) for name, value in values.items() if name not in dict(pairs)]


def renamed(pairs: Pairs, new: Callable[[str], str]) -> Pairs:
    return [(new(name), value) for name, value in pairs]


def listing(pairs: Pairs, change: Callable[[str], str]) -> Pairs:
    return with_(pairs, signed_field_names=change(dict(pairs)["signed_field_names"]))


def sealed(pairs: Pairs, change: Callable[[str], str]) -> Pairs:
    return with_(pairs, signature=change(dict(pairs)["signature"]))


def body(pairs: Pairs) -> bytes:
    return urlencode(pairs).encode()


def multipart(pairs: Pairs, charset: str = "") -> tuple[bytes, str]:
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs]
    return "".join([*parts, "--x--\r\n"]).encode(), f"multipart/form-data; boundary=x{charset}"


def whole_reply(loot: Loot) -> Pairs:
    """What an accept says, for a forger to add."""
    form = dict(loot.form)
    return [
        ("decision", "ACCEPT"),
        ("reason_code", "100"),
        ("transaction_id", "7312345701236012404012"),
        ("req_access_key", loot.access_key),
        *[(f"req_{name}", form[name]) for name in ("transaction_uuid", "amount", "currency", "reference_number")],
        *[(f"req_{name}", form[name]) for name in ("transaction_type", "profile_id")],
    ]


def taken_in(loot: Loot, added: Pairs) -> Pairs:
    """Our form with added fields, which its list was made to cover."""
    return [*listing(loot.form, lambda names: ",".join([names, *dict(added)])), *added]


def recut_form(loot: Loot, through: str) -> Pairs:
    """The reading the hostile shopper hoped for: his value ends early, and what he typed behind it is fields."""
    typed = {"decision": "ACCEPT", "req_access_key": loot.access_key, "req_transaction_uuid": loot.uuid}
    fields = dict(loot.hostile_form)
    assert fields[through], through
    fields[through] = "Bob"
    names = fields["signed_field_names"].split(",")
    names[names.index(through) + 1 : names.index(through) + 1] = typed
    return [*(fields | typed | {"signed_field_names": ",".join(names)}).items()]


def recut_decline(loot: Loot, through: str) -> Pairs:
    """Another reading of the very bytes that CyberSource signed: a decline, read as an accept.

    The shopper typed the end of his value, a decision, a list of his own, and the name of a field in which all that
    comes after it disappears. The decline itself disappears in the transaction id.
    """
    names = [name for name, _ in loot.sign() if name.startswith(("req_", "auth_"))]
    own_list = ",".join(["transaction_id", *names, through, "decision", "signed_field_names", "tail"])
    typed = f"Bob,decision=ACCEPT,signed_field_names={own_list},tail=x"
    told = {"decision": "DECLINE", "reason_code": "203", "message": "General decline"}
    genuine = dict(loot.sign(**told, **{through: typed}))
    swallowed = ",".join(f"{name}={value}" for name, value in told.items())
    after = ",".join(f"{name}={genuine[name]}" for name in ("signed_field_names", "signed_date_time"))
    return [
        ("transaction_id", f"{genuine['transaction_id']},{swallowed}"),
        *[(name, genuine[name]) for name in names],
        (through, "Bob"),
        ("decision", "ACCEPT"),
        ("signed_field_names", own_list),
        ("tail", f"x,{after}"),
        ("signature", genuine["signature"]),
    ]


#: What a shopper types at our checkout and our own form signs.
TYPED_AT_OUR_CHECKOUT = [
    *[f"bill_to_{name}" for name in ("forename", "surname", "address_line1", "address_line2", "address_city")],
    *[f"ship_to_{name}" for name in ("forename", "surname", "address_line1", "address_line2", "address_city")],
]

#: What a shopper types anywhere, or adds to the form, and CyberSource echoes under its own signature.
ECHOED = [
    *[f"req_bill_to_{name}" for name in ("forename", "surname", "company_name", "email", "phone")],
    *[f"req_bill_to_address_{name}" for name in ("line1", "line2", "city", "state", "postal_code", "country")],
    *[f"req_ship_to_{name}" for name in ("forename", "surname", "company_name", "phone")],
    *[f"req_ship_to_address_{name}" for name in ("line1", "line2", "city", "state", "postal_code", "country")],
    *["req_card_type", "req_card_expiry_date", "req_consumer_id", "req_customer_ip_address", "req_locale"],
    *["req_device_fingerprint_id", "req_merchant_defined_data1", "req_item_0_name", "req_item_0_sku"],
]

DECISION, NO_DECISION, SIGNATURE = "decision", "no-decision-signed", "signature"

#: (name, the rule it breaks, what is sent). One forgery, one line.
FORGERIES: list[tuple[str, str | None, Callable[[Loot], Sent]]] = [
    # -- reflection: our own form is signed with the same secret
    ("our own form as it is", NO_DECISION, lambda x: x.form),
    ("our own form with an unsigned decision", NO_DECISION, lambda x: [*x.form, (DECISION, "ACCEPT")]),
    ("our own form with a whole unsigned reply", NO_DECISION, lambda x: [*x.form, *whole_reply(x)]),
    ("our own form, its list taking in a decision", "field-not-signed", lambda x: taken_in(x, [(DECISION, "ACCEPT")])),
    ("our own form, its list taking in a whole reply", SIGNATURE, lambda x: taken_in(x, whole_reply(x))),
    ("our own form, its locale called a decision", "field-not-signed", lambda x: [(n.replace("locale", DECISION), v.replace("locale", DECISION)) for n, v in x.form]),
    ("our own form, all its fields called req_", "name-not-posted", lambda x: [*renamed(x.form, "req_{}".format), *with_(x.form[-1:], signed_field_names="decision,signed_field_names")]),
    ("our own form, its unsigned list called the signed one", "no-decision-signed", lambda x: listing(x.form, lambda names: dict(x.form).get("unsigned_field_names", "") + ",signed_field_names")),
    ("another shopper's form with a decision", NO_DECISION, lambda x: [*x.hostile_form, (DECISION, "ACCEPT")]),
    # -- unsigned injection, changed values
    ("a decline called an accept", SIGNATURE, lambda x: with_(x.decline, decision="ACCEPT")),
    ("a decline called an accept with its code", SIGNATURE, lambda x: with_(x.decline, decision="ACCEPT", reason_code="100")),
    ("a decline called a review", SIGNATURE, lambda x: with_(x.decline, decision="REVIEW", reason_code="480")),
    ("a decline with a second decision behind it", "duplicate-field", lambda x: [*x.decline, (DECISION, "ACCEPT")]),
    ("a decline with a second decision before it", "duplicate-field", lambda x: [(DECISION, "ACCEPT"), *x.decline]),
    ("a decline with a second code", "duplicate-field", lambda x: [*x.decline, ("reason_code", "100")]),
    ("only a decision", "no-signed-field-names", lambda x: [(DECISION, "ACCEPT")]),
    ("a whole reply and no signature at all", "no-signed-field-names", whole_reply),
    # -- dropped coverage
    ("a decline that no longer signs its decision", NO_DECISION, lambda x: with_(listing(x.decline, lambda n: n.replace("decision,", "", 1)), decision="ACCEPT")),
    ("a list cut to what a reply needs", SIGNATURE, lambda x: with_(listing(x.decline, lambda n: "decision,req_access_key,req_transaction_uuid,signed_field_names"), decision="ACCEPT")),
    ("a list without the date", SIGNATURE, lambda x: listing(x.decline, lambda n: n.replace(",signed_date_time", ""))),
    ("a list without the amount", SIGNATURE, lambda x: with_(listing(x.paid, lambda n: n.replace("req_amount,", "", 1)), req_amount="0.01")),
    ("a list without the key", "field-not-signed", lambda x: listing(x.decline, lambda n: n.replace("req_access_key,", ""))),
    ("a list without the attempt", "field-not-signed", lambda x: listing(x.decline, lambda n: n.replace("req_transaction_uuid,", ""))),
    ("a list that does not name itself", "list-not-signed", lambda x: listing(x.decline, lambda n: n.replace(",signed_field_names", ""))),
    ("a signed field left out of the post", "name-not-posted", lambda x: without(x.decline, "reason_code")),
    *[(f"an accept for which CyberSource signed no {name}", "field-not-signed", lambda x, name=name: x.sign(**{name: ""})) for name in ("transaction_id", "req_reference_number", "req_amount", "req_currency", "req_transaction_type", "req_profile_id", "req_transaction_uuid")],
    # -- duplicates and lists
    ("the list twice", "duplicate-field", lambda x: [*x.decline, ("signed_field_names", dict(x.decline)["signed_field_names"])],),
    ("the signature twice", "duplicate-field", lambda x: [*x.decline, ("signature", dict(x.paid)["signature"])]),
    ("an unsigned field twice", "duplicate-field", lambda x: [("utf8", "x"), ("utf8", "x"), *without(x.decline, "utf8")]),
    ("a name listed twice", "name-repeated", lambda x: listing(x.decline, lambda n: n + ",decision")),
    ("the list listed twice", "name-repeated", lambda x: listing(x.decline, lambda n: n + ",signed_field_names")),
    ("a list with blanks", "list-shape", lambda x: listing(x.decline, lambda n: n.replace(",", ", "))),
    ("a list with a trailing comma", "list-shape", lambda x: listing(x.decline, lambda n: n + ",")),
    ("a list with two commas", "list-shape", lambda x: listing(x.decline, lambda n: n.replace(",", ",,", 1))),
    ("a list in capitals", "list-shape", lambda x: listing(x.decline, str.upper)),
    ("a list with semicolons", "list-shape", lambda x: listing(x.decline, lambda n: n.replace(",", ";"))),
    ("a list with an equals sign", "list-shape", lambda x: [*listing(x.decline, lambda n: n + ",a=b"), ("a=b", "1")]),
    ("a list with a NUL", "list-shape", lambda x: listing(x.decline, lambda n: n + "\0")),
    ("a list with a letter of another script", "list-shape", lambda x: listing(x.decline, lambda n: n.replace("decision", "d\u0435cision"))),
    ("a list in another order", SIGNATURE, lambda x: listing(x.decline, lambda n: ",".join(sorted(n.split(","))))),
    ("an empty list", "list-shape", lambda x: listing(x.decline, lambda n: "")),
    ("no list", "no-signed-field-names", lambda x: without(x.decline, "signed_field_names")),
    ("a long list", "name-repeated", lambda x: listing(x.decline, lambda n: n + ",a" * 200_000)),
    ("a list of nothing but commas", "list-shape", lambda x: listing(x.decline, lambda n: "," * 300_000)),
    # -- the signature
    ("no signature", "no-signature", lambda x: without(x.decline, "signature")),
    ("an empty signature", SIGNATURE, lambda x: sealed(x.decline, lambda s: "")),
    ("a signature in the other case", SIGNATURE, lambda x: sealed(x.decline, str.swapcase)),
    ("a signature in small letters", SIGNATURE, lambda x: sealed(x.decline, str.lower)),
    ("a signature without padding", SIGNATURE, lambda x: sealed(x.decline, lambda s: s.rstrip("="))),
    ("a signature with more padding", SIGNATURE, lambda x: sealed(x.decline, lambda s: s + "=")),
    ("a signature with other unused bits", SIGNATURE, lambda x: sealed(x.decline, lambda s: s[:-2] + chr(ord(s[-2]) + 1) + "=")),
    ("a signature in the URL-safe alphabet, of an accept", SIGNATURE, lambda x: with_(sealed(x.decline, lambda s: s.replace("+", "-").replace("/", "_")), decision="ACCEPT")),
    ("a signature in hexadecimal", SIGNATURE, lambda x: sealed(x.decline, lambda s: base64.b64decode(s).hex())),
    ("a signature with a line break", SIGNATURE, lambda x: sealed(x.decline, lambda s: s + "\n")),
    ("a signature after a blank", SIGNATURE, lambda x: sealed(x.decline, lambda s: " " + s)),
    ("a signature with a NUL", SIGNATURE, lambda x: sealed(x.decline, lambda s: s + "\0")),
    ("a signature said twice", SIGNATURE, lambda x: sealed(x.decline, lambda s: s + s)),
    ("a signature cut short", SIGNATURE, lambda x: sealed(x.decline, lambda s: s[:-4])),
    ("a signature outside ASCII", SIGNATURE, lambda x: sealed(x.decline, lambda s: "\u00e9" + s[1:])),
    ("the signature of another reply", SIGNATURE, lambda x: sealed(x.decline, lambda s: dict(x.paid)["signature"])),
    ("the signature of our own form", SIGNATURE, lambda x: sealed(x.decline, lambda s: dict(x.form)["signature"])),
    ("a long signature", SIGNATURE, lambda x: sealed(x.decline, lambda s: s * 15_000)),
    # -- another order, amount, currency, type, profile, key, attempt: changed under CyberSource's signature
    *[(f"another {name} in another shopper's accept", SIGNATURE, lambda x, name=name: with_(x.paid, **{f"req_{name}": dict(x.form)[name]})) for name in ("reference_number", "transaction_uuid")],
    ("another shopper's accept made mine throughout", SIGNATURE, lambda x: with_(x.paid, **dict(without(whole_reply(x), DECISION)))),
    ("another amount", SIGNATURE, lambda x: with_(x.sign(), req_amount="0.01")),
    ("another currency", SIGNATURE, lambda x: with_(x.sign(), req_currency="IDR")),
    ("another type", SIGNATURE, lambda x: with_(x.sign(), req_transaction_type="create_payment_token")),
    ("another profile", SIGNATURE, lambda x: with_(x.sign(), req_profile_id="AAAAAAAA-6A4E-4F3B-9C11-0E8A2D94F7A1")),
    # -- and the same under a genuine signature over exactly that
    ("an accept of a cent", "other-amount", lambda x: x.sign(req_amount="0.01")),
    ("an accept of an amount in words", "other-amount", lambda x: x.sign(req_amount="sixty-four")),
    ("an accept of an amount with an exponent", "other-amount", lambda x: x.sign(req_amount="695e-1")),
    ("an accept of an amount in other digits", "other-amount", lambda x: x.sign(req_amount="\uff16\uff19.50")),
    ("an accept in another currency", "other-currency", lambda x: x.sign(req_currency="IDR")),
    ("an accept of another order", "other-reference-number", lambda x: x.sign(req_reference_number="100999")),
    ("an accept of the other shopper's order", "other-reference-number", lambda x: x.sign(req_reference_number=dict(x.paid)["req_reference_number"])),
    ("an accept of the order with a blank", "other-reference-number", lambda x: x.sign(req_reference_number=dict(x.form)["reference_number"] + " ")),
    ("an accept of another type", "other-transaction-type", lambda x: x.sign(req_transaction_type="create_payment_token")),
    ("an accept of another profile", "other-profile-id", lambda x: x.sign(req_profile_id="AAAAAAAA-6A4E-4F3B-9C11-0E8A2D94F7A1")),
    ("an accept of an attempt that nobody began", "unknown-transaction-uuid", lambda x: x.sign(req_transaction_uuid="6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02")),
    ("an accept of the attempt in capitals", "unknown-transaction-uuid", lambda x: x.sign(req_transaction_uuid=x.uuid.upper())),
    ("an accept of the other shopper's attempt", "other-reference-number", lambda x: x.sign(req_transaction_uuid=dict(x.paid)["req_transaction_uuid"])),
    # -- the key
    ("a retired key", "unknown-access-key", lambda x: x.retired),
    ("a key that is not ours", "unknown-access-key", lambda x: with_(x.sign(), req_access_key="0" * 32)),
    ("our key in capitals", "unknown-access-key", lambda x: with_(x.sign(), req_access_key=x.access_key.upper())),
    ("an empty key", "field-not-signed", lambda x: with_(x.sign(), req_access_key="")),
    ("a NUL behind the key", "not-text", lambda x: with_(x.sign(), req_access_key=x.access_key + "\0")),
    ("our key beside a retired one", "unknown-access-key", lambda x: [*x.retired, ("access_key", x.access_key)]),
    # -- bytes and sizes
    ("nothing at all", "no-signed-field-names", lambda x: b""),
    ("nothing but ampersands", "too-many-fields", lambda x: b"&" * 10_000),
    ("a thousand fields without a name", "duplicate-field", lambda x: b"=&" * 999),
    ("a NUL in a value", "not-text", lambda x: with_(x.decline, message="a\0b")),
    ("a byte that is no UTF-8", "not-text", lambda x: body(x.decline).replace(b"decision=DECLINE", b"decision=ACCEPT%FF")),
    ("half a surrogate pair", "not-text", lambda x: body(x.decline).replace(b"decision=DECLINE", b"decision=ACCEPT%ED%A0%80")),
    ("a name longer than it need be in UTF-8", "name-not-posted", lambda x: body(x.decline).replace(b"&decision=", b"&%C1%A4ecision=").replace(b"decision=DECLINE&", b"%C1%A4ecision=ACCEPT&")),
    ("percent signs and nothing behind them", "no-signed-field-names", lambda x: b"%%%%=%&%zz=%u0041"),
    ("a thousand and one fields", "too-many-fields", lambda x: [*x.decline, *[(f"x{n}", "") for n in range(1_000)]]),
    ("ten thousand fields", "too-many-fields", lambda x: [*x.decline, *[(f"x{n}", "") for n in range(10_000)]]),
    ("a long value", SIGNATURE, lambda x: with_(x.decline, message="x" * 100_000)),
    ("a value longer than any reply", "message-too-long", lambda x: with_(x.decline, message="x" * 300_000)),
    ("two megabytes in a value", "too-large", lambda x: with_(x.decline, message="x" * 2_000_000)),
    ("five megabytes", "too-large", lambda x: with_(x.decline, message="x" * 5_000_000)),
    ("UTF-16", "no-signed-field-names", lambda x: body(with_(x.decline, decision="ACCEPT")).decode().encode("utf-16")),
    ("a form that calls itself UTF-16", SIGNATURE, lambda x: (body(with_(x.decline, decision="ACCEPT")), f"{FORM}; charset=utf-16")),
    ("a form that calls itself UTF-7", SIGNATURE, lambda x: (body(with_(x.decline, decision="ACCEPT")), f"{FORM}; charset=utf-7")),
    ("a form whose charset is no text", SIGNATURE, lambda x: (body(with_(x.decline, decision="ACCEPT")), f"{FORM}; charset=hex")),
    ("a multipart form", SIGNATURE, lambda x: multipart(with_(x.decline, decision="ACCEPT"))),
    ("a multipart form whose charset is no text", SIGNATURE, lambda x: multipart(with_(x.decline, decision="ACCEPT"), "; charset=hex")),
    ("a multipart form that breaks off", ANY, lambda x: (multipart(x.decline)[0][:300], multipart(x.decline)[1])),
    ("a multipart form without a boundary", "unreadable", lambda x: (body(x.decline), "multipart/form-data")),
    ("a multipart form with a file for a decision", ANY, lambda x: (multipart(x.decline)[0].replace(b'name="decision"', b'name="decision"; filename="a"'), multipart(x.decline)[1])),
    ("JSON", "no-signed-field-names", lambda x: (b'{"decision": "ACCEPT"}', "application/json")),
    ("XML", "no-signed-field-names", lambda x: (b"<decision>ACCEPT</decision>", "text/xml")),
    # -- the same bytes cut elsewhere: of our own form, and of a genuine decline
    *[(f"our own form, cut in {name}", SIGNATURE, lambda x, name=name: recut_form(x, name)) for name in TYPED_AT_OUR_CHECKOUT],
    *[(f"a decline, cut in {name}", "ambiguous-message", lambda x, name=name: recut_decline(x, name)) for name in ECHOED],
]  # fmt: skip
