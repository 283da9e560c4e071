"""Decision Manager's messages are read as from a stranger, and only an exact decision decides."""

from __future__ import annotations

import json
import re
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybersource.protocol import (
    BadNotification,
    Followon,
    Notification,
    ReviewDecision,
    ReviewNote,
    ReviewUpdate,
    content_from_body,
    parse_notification,
)
from cybersource.protocol.review import MAX_NOTES, MAX_UPDATES, MAX_XML_BYTES

from .far_side import reads_as_a_sentence
from .review_payloads import D1, D1_BODY, D2, D3, D4, D5, D6, D7

FORM = "application/x-www-form-urlencoded"
ACCEPT, REJECT = ReviewDecision.ACCEPT, ReviewDecision.REJECT


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]


def parsed(xml: str | bytes) -> Notification:
    return parse_notification(xml.encode() if isinstance(xml, str) else xml)


def posted(body: str | bytes, content_type: str = FORM) -> Notification:
    """The way of a real message: from the body through the form field to the document."""
    return parse_notification(content_from_body(body.encode() if isinstance(body, str) else body, content_type))


def rule_of(xml: str | bytes) -> str:
    with pytest.raises(BadNotification) as refused:
        parsed(xml)
    assert refused.value.__context__ is None and refused.value.__cause__ is None
    assert reads_as_a_sentence(refused.value)
    return refused.value.rule


def body_rule_of(body: str | bytes, content_type: str = FORM) -> str:
    with pytest.raises(BadNotification) as refused:
        content_from_body(body.encode() if isinstance(body, str) else body, content_type)
    assert reads_as_a_sentence(refused.value)
    return refused.value.rule


def with_decision(xml: str) -> ReviewUpdate:
    """D1 with another ``NewDecision``."""
    return parsed(D1.replace("<NewDecision>ACCEPT</NewDecision>", xml)).updates[0]


# --- genuine messages


def test_an_accepted_review() -> None:
    assert parsed(D1) == Notification(
        merchant_id="acme_shop",
        name="Case Management Order Status",
        sent_at=at(2026, 3, 4, 10, 5, 47),
        updates=(
            ReviewUpdate(
                reference_number="100019",
                request_id="7312345812346012504013",
                original_decision="REVIEW",
                new_decision=ACCEPT,
                decision_text="ACCEPT",
                reviewer="lena.review",
                comments="Spoke to customer. | Billing and shipping agree.",
                notes=(
                    ReviewNote(
                        written_at=at(2026, 3, 4, 10, 2, 11),
                        date_text="2026-03-04 10:02:11",
                        added_by="lena.review",
                        comment="Took ownership.",
                    ),
                ),
                queue="Review Queue",
                profile="Auths over < 1,000 & new device",
                followon=None,
            ),
        ),
    )


def test_the_genuine_body_with_its_stray_last_field_says_the_same() -> None:
    assert D1_BODY.endswith("&undefined=")
    assert posted(D1_BODY) == parsed(D1)


def test_several_updates_stand_each_on_its_own() -> None:
    updates = parsed(D2).updates
    assert [(update.reference_number, update.new_decision, update.reviewer) for update in updates] == [
        ("100019", ACCEPT, "dm_api"),
        ("100031", REJECT, "omar"),
        ("100032", None, "omar"),
    ]
    assert [len(update.notes) for update in updates] == [0, 2, 1]
    assert [update.decision_text for update in updates] == ["ACCEPT", "REJECT", ""]
    assert updates[2].queue == "High value"


def test_odd_dates_of_notes_are_read_where_they_can_be_and_kept_where_not() -> None:
    (update,) = parsed(D3).updates
    assert update.new_decision is None and update.queue == "Revisão Manual" and update.reviewer == "Zoë"
    assert [(note.written_at, note.comment) for note in update.notes] == [
        (at(2026, 3, 29, 2, 30), "Zone-less, inside the European spring gap"),
        (at(2026, 3, 29, 2, 30), "Same second, different text"),
        (at(2026, 3, 29, 1, 30), "With GMT suffix"),
        (at(2026, 3, 29, 2, 30), "Abbreviated US zone"),
        (at(2026, 3, 29, 1, 30), "ISO offset"),
        (None, ""),
        (None, 'No date at all; "quotes" \nand a line break'),
    ]
    assert len(set(update.notes)) == 7


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-04 10:00:00", at(2026, 3, 4, 10)),
        (" 2026-03-04 10:00:00 UTC ", at(2026, 3, 4, 10)),
        ("2026-03-04T10:00:00Z", at(2026, 3, 4, 10)),
        ("2026-03-04 10:00:00.250 GMT", datetime(2026, 3, 4, 10, 0, 0, 250000, tzinfo=UTC)),
        ("2026-07-04 10:00:00 PDT", at(2026, 7, 4, 17)),
        ("2026-03-04 10:00:00 EST", at(2026, 3, 4, 15)),
        ("2026-03-04 10:00:00 CST", at(2026, 3, 4, 16)),
        ("2026-07-04 10:00:00 EDT", at(2026, 7, 4, 14)),
        ("2026-07-04 10:00:00 CDT", at(2026, 7, 4, 15)),
        ("2026-07-04 10:00:00 MDT", at(2026, 7, 4, 16)),
        ("2026-03-04 10:00:00 MST", at(2026, 3, 4, 17)),
        ("2026-03-04 10:00:00 +0530", at(2026, 3, 4, 4, 30)),
        ("2026-03-04 10:00:00-05:00", at(2026, 3, 4, 15)),
        ("2026-03-04 10:00:00 XYZ", None),
        ("2026-02-30 10:00:00", None),
        ("2026-03-04 25:00:00", None),
        ("0001-01-01 00:00:00 +05:00", None),
        ("9999-12-31 23:59:59 PST", None),
        ("2026-03-04 10:00:00 +99:00", None),
        ("2026-03-04", None),
        ("yesterday", None),
        ("\u0662026-03-04 10:00:00", None),
    ],
)
def test_dates(text: str, time: datetime | None) -> None:
    xml = D1.replace('Date="2026-03-04 10:02:11"', f'Date="{text}"')
    (note,) = parsed(xml).updates[0].notes
    assert (note.written_at, note.date_text) == (time, text)


def test_updates_for_unknown_orders_are_read_like_any_other() -> None:
    assert [(update.reference_number, update.request_id) for update in parsed(D4).updates] == [
        ("NO-SUCH-ORDER", "7300000000000000000000"),
        ("100031", "7399999999999999999999"),
    ]


def test_the_test_message_of_the_business_center_omits_its_zone() -> None:
    message = parsed(D6)
    assert message.sent_at == at(2026, 3, 4, 11, 15, 19)
    assert (message.updates[0].new_decision, message.updates[0].comments) == (REJECT, "This is a test message(1).")


def test_a_follow_on_settlement_says_that_the_money_was_taken() -> None:
    (update,) = parsed(D7).updates
    assert update.new_decision is ACCEPT
    assert update.followon == Followon(
        status="Success",
        application="Credit Card Settlement",
        request_id="7312349012346013604025",
        decision="Accept",
        reason_code="100",
        rcode="1",
        rflag="SOK",
        message="Request was processed successfully.",
    )
    assert update.followon.settled


@pytest.mark.parametrize(
    "changes",
    [{"status": "Failure"}, {"status": ""}, {"application": "Authorization Reversal"}, {"request_id": ""}],
)
def test_anything_less_is_no_settlement(changes: dict[str, str]) -> None:
    good = {"status": "SUCCESS", "application": "credit card settlement", "request_id": "1"}
    assert Followon(**good).settled
    assert not Followon(**{**good, **changes}).settled


@pytest.mark.parametrize("xml", [D1, D2, D3, D4, D6, D7])
def test_an_update_can_be_kept_as_json_and_read_back(xml: str) -> None:
    for update in parsed(xml).updates:
        assert ReviewUpdate.from_json(json.loads(json.dumps(update.as_json()))) == update


# --- only an exact decision decides


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<NewDecision>accept </NewDecision>", "accept "),
        ("<NewDecision>accept</NewDecision>", "accept"),
        ("<NewDecision>Accept</NewDecision>", "Accept"),
        ("<NewDecision>ACCEPT </NewDecision>", "ACCEPT "),
        ("<NewDecision>\nACCEPT</NewDecision>", "\nACCEPT"),
        ("<NewDecision>REVIEW</NewDecision>", "REVIEW"),
        ("<NewDecision>APPROVE</NewDecision>", "APPROVE"),
        ("<NewDecision>ACCEPTREJECT</NewDecision>", "ACCEPTREJECT"),
        ("<NewDecision></NewDecision>", ""),
        ("<NewDecision/>", ""),
        ("", ""),
        ("<NewDecision>ACCEPT</NewDecision><NewDecision>ACCEPT</NewDecision>", "ACCEPT | ACCEPT"),
        ("<NewDecision>ACCEPT</NewDecision><NewDecision>REJECT</NewDecision>", "ACCEPT | REJECT"),
        ("<NewDecision>ACCEPT<b/></NewDecision>", "ACCEPT"),
        ("<NewDecision><b>ACCEPT</b></NewDecision>", "ACCEPT"),
        ("<NewDecision xmlns=''>ACCEPT</NewDecision>", ""),
        ("<x:NewDecision xmlns:x='http://other.example/'>ACCEPT</x:NewDecision>", ""),
        ("<newdecision>ACCEPT</newdecision>", ""),
        ("<Inner><NewDecision>ACCEPT</NewDecision></Inner>", ""),
    ],
)
def test_anything_but_an_exact_decision_decides_nothing_and_is_kept(xml: str, text: str) -> None:
    update = with_decision(xml)
    assert update.new_decision is None
    assert update.decision_text == text
    assert update.reference_number == "100019"
    assert ReviewUpdate.from_json(update.as_json()).new_decision is None


@pytest.mark.parametrize("word", ["ACCEPT", "REJECT"])
def test_an_exact_decision_decides(word: str) -> None:
    assert with_decision(f"<NewDecision>{word}</NewDecision>").new_decision == word
    assert with_decision(f"<NewDecision><![CDATA[{word}]]></NewDecision>").new_decision == word


def test_one_bad_update_does_not_lose_the_others() -> None:
    xml = D2.replace(' RequestID="7312345812346012504013"', "").replace(' MerchantReferenceNumber="100031"', "")
    updates = parsed(xml).updates
    assert [(update.reference_number, update.request_id) for update in updates] == [
        ("100019", ""),
        ("", "7312347012346013204021"),
        ("100032", "7312347112346013304022"),
    ]


def test_a_message_without_updates_is_empty_and_no_error() -> None:
    xml = re.sub(r"<Update.*</Update>", "", D1, flags=re.DOTALL).replace('Date="2026-03-04 10:05:47 GMT"', "")
    assert parsed(xml).updates == () and parsed(xml).sent_at is None


def test_prefixes_attribute_order_line_ends_and_blanks_before_do_not_matter() -> None:
    prefixed = re.sub(r"<(/?)(?=[A-Z])", r"<\1c:", D1).replace("xmlns=", "xmlns:c=").replace("DOCTYPE C", "DOCTYPE c:C")
    assert parsed(prefixed).updates == parsed(D1).updates
    assert parsed(D1.replace("\n", "\r\n")).updates == parsed(D1).updates
    assert parsed("\n\t " + D1) == parsed(D1) == parsed(b"\xef\xbb\xbf" + D1.encode())
    assert parsed(D1.replace('<?xml version="1.0" encoding="UTF-8"?>\n', "")) == parsed(D1)


# --- attacks and damage (D5)


def test_entities_are_refused_and_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(socket, "socket", None)
    assert rule_of(D5) == "declarations"


HEAD = "<!DOCTYPE CaseManagementOrderStatus"
BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    ("name", "doctype", "reviewer"),
    [
        ("internal entity", f'{HEAD} [<!ENTITY a "ha">]>', "&a;"),
        ("internal entity nobody uses", f'{HEAD} [<!ENTITY a "ha">]>', "omar"),
        ("billion laughs", f"{HEAD} [{BOMB}]>", "&e9;"),
        ("quadratic blow-up", f'{HEAD} [<!ENTITY a "{"a" * 50_000}">]>', "&a;" * 1000),
        ("recursion", f'{HEAD} [<!ENTITY a "&b;"><!ENTITY b "&a;">]>', "&a;"),
        ("file", f'{HEAD} [<!ENTITY f SYSTEM "file:///etc/passwd">]>', "&f;"),
        ("URL", f'{HEAD} [<!ENTITY f SYSTEM "http://127.0.0.1:9/x">]>', "&f;"),
        ("public id", f'{HEAD} [<!ENTITY f PUBLIC "x" "http://127.0.0.1:9/x">]>', "&f;"),
        ("parameter entity", f'{HEAD} [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>', "omar"),
        ("parameter entity over a line break", f'{HEAD} [\n<!ENTITY\n%\np "x">\n]>', "omar"),
        ("default attribute", f'{HEAD} [<!ATTLIST Update RequestID CDATA "1">]>', "omar"),
        ("element declaration", f"{HEAD} [<!ELEMENT Update ANY>]>", "omar"),
        ("notation", f'{HEAD} [<!NOTATION n SYSTEM "x">]>', "omar"),
        ("external DTD with an entity beside it", f'{HEAD} SYSTEM "x.dtd" [<!ENTITY a "ha">]>', "&a;"),
    ],
)
def test_whatever_declares_anything_is_refused(name: str, doctype: str, reviewer: str) -> None:
    xml = re.sub(r"<!DOCTYPE[^>]*>", lambda _: doctype, D1).replace("lena.review</R", f"{reviewer}</R")
    assert rule_of(xml) == "declarations"


@pytest.mark.parametrize("reference", ["&file;", "&nbsp;", "&eacute;", "&x.y-z;", "&é;"])
def test_an_entity_that_xml_does_not_have_is_refused_in_text_and_in_attributes(reference: str) -> None:
    """With an external DTD that nobody loads, a parser would silently drop it."""
    assert rule_of(D1.replace("lena.review</R", f"{reference}</R")) == "entities"
    assert rule_of(D1.replace('RequestID="73', f'RequestID="{reference}73')) == "entities"


def test_the_five_entities_of_xml_and_character_references_are_read() -> None:
    xml = D1.replace("lena.review</R", "&lt;&gt;&amp;&quot;&apos;&#90;&#x6f;&#xEB;</R")
    assert parsed(xml).updates[0].reviewer == "<>&\"'Zoë"


def test_the_doctype_that_every_real_message_carries_is_allowed_and_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(socket, "socket", None)
    local = re.sub(r'SYSTEM "[^"]*"', 'SYSTEM "file:///etc/passwd"', D1)
    assert parsed(local) == parsed(D1)


def damaged(how: str) -> bytes:
    return {
        "cut short": D1[: D1.index("<NewDecision>ACC") + 16].encode(),
        "empty": b"",
        "blank": b" \n",
        "only a declaration": b'<?xml version="1.0"?>',
        "text": b"hello",
        "JSON": b'{"eventType":"risk.casemanagement.decision.accept"}',
        "two roots": D1.encode() + D1[D1.index("<Case") :].encode(),
        "unclosed": D1.replace("</Update>", "").encode(),
        "repeated attribute": D1.replace('RequestID="7', 'RequestID="1" RequestID="7').encode(),
        "a control character": D1.replace("lena", "le\x0bna").encode(),
        "a reference to NUL": D1.replace("lena", "&#0;").encode(),
        "half a surrogate pair": D1.replace("lena", "&#xD800;").encode(),
        "undeclared prefix": D1.replace("<Update", "<z:Update").replace("</Update", "</z:Update").encode(),
        "nested ten thousand deep": D1.replace("<Queue>", "<x>" * 10_000 + "<Queue>").encode(),
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        *["cut short", "empty", "blank", "only a declaration", "text", "JSON", "two roots", "unclosed"],
        *["repeated attribute", "a control character", "a reference to NUL", "half a surrogate pair"],
        *["undeclared prefix", "nested ten thousand deep"],
    ],
)
def test_what_is_not_well_formed_is_refused(how: str) -> None:
    assert rule_of(damaged(how)) == "not-xml"


@pytest.mark.parametrize(
    "xml",
    [
        D1.encode().replace(b"lena", b"le\xffna"),
        D1.encode("utf-16"),
        D1.encode("utf-16-le"),
        D1.encode("utf-32"),
        D1.encode().replace(b"lena", b"\x00"),
        D3.encode("latin-1"),
        D1.encode().replace(b"lena", b"\xed\xa0\x80"),
        D1.encode().replace(b"<NewDecision>", b"\xc0\xbcNewDecision>"),
    ],
)
def test_anything_but_utf_8_is_refused(xml: bytes) -> None:
    assert rule_of(xml) == "not-utf8"


def test_another_declared_encoding_cannot_hide_anything_from_the_search() -> None:
    """``+ADw-`` is ``<`` in UTF-7: read as UTF-8, whatever is declared, it is only text."""
    xml = D1.replace('encoding="UTF-8"', 'encoding="UTF-7"').replace("lena.review", "+ADw-b/+AD4-")
    assert parsed(xml).updates[0].reviewer == "+ADw-b/+AD4-"
    assert parsed(D3.replace("UTF-8", "ISO-8859-1")) == parsed(D3)


@pytest.mark.parametrize(
    "xml",
    [
        D1.replace("CaseManagementOrderStatus", "ConversionReport"),
        D1.replace("cmos/1.0", "cmos/9.9"),
        D1.replace(' xmlns="http://reports.cybersource.com/reports/cmos/1.0"', ""),
        "<html/>",
    ],
)
def test_another_document_is_refused(xml: str) -> None:
    assert rule_of(xml) == "wrong-root"


NOTE = '<Note Date="2026-03-04 10:02:11" AddedBy="lena.review" Comment="Took ownership."/>'


def with_notes(count: int, note: str = "<Note/>") -> str:
    return D1.replace(NOTE, note * count)


def test_five_megabytes_of_notes_are_refused() -> None:
    xml = with_notes(5 * 1024 * 1024 // len(NOTE), NOTE)
    assert rule_of(xml) == "too-large"
    assert body_rule_of("content=" + quote(xml)) == "too-large"


def test_a_document_of_exactly_the_greatest_size_is_read() -> None:
    spare = MAX_XML_BYTES - len(D1.encode())
    assert parsed(D1 + " " * spare) == parsed(D1)
    assert rule_of(D1 + " " * (spare + 1)) == "too-large"


def test_the_greatest_document_fits_its_body_percent_encoded() -> None:
    xml = D1 + " " * (MAX_XML_BYTES - len(D1.encode()))
    assert posted("content=" + quote(xml, safe="") + "&undefined=") == parsed(D1)


def test_as_many_notes_and_updates_as_allowed_and_not_one_more() -> None:
    assert len(parsed(with_notes(MAX_NOTES)).updates[0].notes) == MAX_NOTES
    assert rule_of(with_notes(MAX_NOTES + 1)) == "too-many-notes"
    update = re.search(r"<Update.*</Update>", D1, re.DOTALL)
    assert update
    many = "<Update/>" * (MAX_UPDATES - 1)
    assert len(parsed(D1.replace(update[0], many + update[0])).updates) == MAX_UPDATES
    assert rule_of(D1.replace(update[0], many + update[0] + "<Update/>")) == "too-many-updates"


@pytest.mark.parametrize(
    "filling", ["<Update/>", "<Note/>", "<x/>", "<x>", "&lt;", "<!-- -->", "<?x y?>", "<x a='1' b='2'/>"]
)
def test_no_document_takes_much_memory(filling: str) -> None:
    xml = D1.replace("<Queue>", filling * ((MAX_XML_BYTES - len(D1)) // len(filling)) + "<Queue>").encode()
    tracemalloc.start()
    try:
        parse_notification(xml)
    except BadNotification:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


# --- the body


@settings(deadline=None)
@given(
    pieces=st.lists(st.sampled_from([b"%41", b"%c3%A9", b"%", b"%4", b"%%", b"+", b"a", b"%zz", b"%0G"]), max_size=12),
    fill=st.integers(0, 5),
)
def test_a_body_is_decoded_as_python_does_also_where_pieces_meet(pieces: list[bytes], fill: int) -> None:
    """The document is decoded piece by piece; an escape may stand where two of them meet."""
    value = b"<" + b"x" * (65536 - 8 + fill) + b"".join(pieces) + b"y"
    assert content_from_body(b"content=" + value, FORM) == unquote_to_bytes(value.replace(b"+", b" "))


@pytest.mark.parametrize(
    "body",
    [
        "content=" + quote(D1, safe=""),
        "content=" + quote_plus(D1, safe=""),
        "undefined=&content=" + quote(D1, safe=""),
        "%63ontent=" + quote(D1, safe=""),
        "&&content=" + quote(D1, safe="") + "&",
        "content=" + quote(D1, safe="=<>/ "),
    ],
)
def test_the_form_field_is_found(body: str) -> None:
    assert posted(body) == parsed(D1)
    assert posted(body, "Application/X-WWW-Form-UrlEncoded; charset=UTF-8") == parsed(D1)
    assert posted(body, "") == parsed(D1)


@pytest.mark.parametrize(
    "content_type", ["text/xml", "application/xml; charset=utf-8", "application/octet-stream", "", FORM]
)
def test_a_bare_document_is_taken_as_it_is(content_type: str) -> None:
    assert posted(D1, content_type) == parsed(D1)
    assert posted("\r\n " + D1, content_type) == parsed(D1)
    assert posted(b"\xef\xbb\xbf" + D1.encode(), content_type) == parsed(D1)


@pytest.mark.parametrize(
    ("body", "content_type", "rule"),
    [
        ("", FORM, "no-content"),
        ("other=1", FORM, "no-content"),
        ("Content=1", FORM, "no-content"),
        ("content", FORM, "empty-content"),
        ("content=", FORM, "empty-content"),
        ("content=+%0A", FORM, "empty-content"),
        ("content=a&content=b", FORM, "content-twice"),
        ("content=a&content=", FORM, "content-twice"),
        ("content=a&%63ontent=a", FORM, "content-twice"),
        ("content=" + D1_BODY + "&content=x", FORM, "content-twice"),
        ("&" * 100 + "content=a", FORM, "too-many-fields"),
        ("&" * 1_000_000, FORM, "too-many-fields"),
        ('{"a":1}', "application/json", "content-type"),
        ("hello", "text/xml", "content-type"),
        ("content=a", "text/plain", "content-type"),
        (
            "--x\r\nContent-Disposition: form-data; name=content\r\n\r\na\r\n--x--",
            "multipart/form-data; boundary=x",
            "content-type",
        ),
        (D1, "multipart/form-data; boundary=x", "content-type"),
    ],
)
def test_a_body_without_exactly_one_document_is_refused(body: str, content_type: str, rule: str) -> None:
    assert body_rule_of(body, content_type) == rule


def test_ninety_nine_other_fields_are_still_a_form() -> None:
    assert posted("&" * 99 + "content=" + quote(D1, safe="")) == parsed(D1)


def test_a_byte_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(BadNotification) as refused:
        posted("content=" + quote(D1).replace("lena", "%FF"))
    assert refused.value.rule == "not-utf8"


def test_json_sent_to_the_xml_url_is_refused() -> None:
    assert body_rule_of('{"eventType":"risk.casemanagement.decision.accept"}', "application/json") == "content-type"
    with pytest.raises(BadNotification) as refused:
        posted('content={"eventType":"x"}')
    assert refused.value.rule == "not-xml"


def test_no_refusal_repeats_what_was_sent() -> None:
    for xml in (D1.replace("lena", "CANARY")[:-10], D5.replace("ha", "CANARY"), "CANARY"):
        with pytest.raises(BadNotification) as refused:
            parsed(xml)
        assert "CANARY" not in str(refused.value) + repr(refused.value) + repr(vars(refused.value))


@settings(deadline=None, max_examples=200)
@given(body=st.binary(max_size=300), content_type=st.sampled_from([FORM, "text/xml", "", "application/json"]))
def test_garbage_is_refused_and_never_crashes(body: bytes, content_type: str) -> None:
    try:
        parse_notification(content_from_body(body, content_type))
    except BadNotification:
        pass


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_damaged_message_is_refused_or_read_and_never_crashes(data: Any) -> None:
    source = data.draw(st.sampled_from([D1, D3, D5, D7])).encode()
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, min(len(source), start + 30)))
    source = source[:start] + data.draw(st.binary(max_size=8)) + source[end:]
    try:
        for update in parse_notification(source).updates:
            assert update.new_decision in (None, "ACCEPT", "REJECT")
    except BadNotification:
        pass


def test_a_note_that_says_nothing_is_blank_and_has_no_time() -> None:
    (note,) = parsed(D1.replace(D1[D1.index("<Note ") : D1.index("</Notes>")], "<Note/>")).updates[0].notes
    assert (note.written_at, note.date_text, note.added_by, note.comment) == (None, "", "", "")


def test_text_in_pieces_is_one_text() -> None:
    update = parsed(D1.replace("Spoke to customer.", "Spoke <b>to</b> customer.")).updates[0]
    assert update.comments.startswith("Spoke to customer.")


@pytest.mark.parametrize("zone", ["", " GMT", " PST", "+02:00"])
def test_every_time_is_in_utc_itself(zone: str) -> None:
    (note,) = parsed(D1.replace("2026-03-04 10:02:11", f"2026-03-04 10:02:11{zone}")).updates[0].notes
    assert note.written_at is not None and note.written_at.tzinfo is UTC
