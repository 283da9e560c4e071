"""A Decision Manager notification: which reviews were decided, as an XML document in a form field.

Nothing in the message proves who sent it, so it is read as from a stranger: bounded in size, UTF-8 only, no DTD loaded,
no entity defined or resolved, no file and no network touched. The DOCTYPE itself stays allowed, since every genuine
message carries one with an external DTD.

Source: captured order-status messages (``cmorderstatus_1_1``), Decision Manager guides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any

from lxml import etree

from .errors import BadNotification
from .urlencoding import decoded
from .vocabulary import ReviewDecision

MAX_XML_BYTES = 1024 * 1024
#: Percent-encoding may triple every byte.
MAX_BODY_BYTES = 3 * MAX_XML_BYTES + 1024
MAX_FORM_FIELDS = 100
#: One is usual. Each is recorded in a transaction of its own, of some milliseconds of CPU, and a message may take two
#: seconds of it.
MAX_UPDATES = 100
MAX_NOTES = 5000

_LONGEST_NAME = 3 * len("content")

NAMESPACE = "http://reports.cybersource.com/reports/cmos/1.0"

_DECLARATION = re.compile(r"<!(?:ENTITY|ELEMENT|ATTLIST|NOTATION)")
_REFERENCE = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)[^\s#&;<][^\s&;<]*;")

#: Abbreviations a note's date may carry; the sender is American. Anything else leaves the note without a time.
_ZONES = {
    "GMT": 0,
    "UTC": 0,
    "Z": 0,
    "EDT": -4,
    "EST": -5,
    "CDT": -5,
    "CST": -6,
    "MDT": -6,
    "MST": -7,
    "PDT": -7,
    "PST": -8,
}
_DATE = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?)\s*([A-Z]{1,3}|[+-]\d\d:?\d\d)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ReviewNote:
    """A reviewer's note. Notes have no identity and come again with each message: tell them apart by all three."""

    written_at: datetime | None  #: aware UTC; a date without zone is taken as UTC; None when it cannot be read
    date_text: str
    added_by: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class Followon:
    """What CyberSource did with the money when the reviewer decided, such as a settlement."""

    status: str = ""
    application: str = ""  #: such as ``Credit Card Settlement``
    request_id: str = ""  #: the follow-on transaction's id
    decision: str = ""
    reason_code: str = ""
    rcode: str = ""
    rflag: str = ""
    message: str = ""

    @property
    def settled(self) -> bool:
        """Whether the reviewer captured the money: a later capture by the shop would take it twice."""
        return self.status.lower() == "success" and "settlement" in self.application.lower() and bool(self.request_id)


@dataclass(frozen=True, kw_only=True)
class ReviewUpdate:
    """One case of a notification. Text that was missing is ""."""

    reference_number: str
    request_id: str  #: transaction_id of the reviewed request
    original_decision: str
    new_decision: ReviewDecision | None  #: only an exact ``ACCEPT`` or ``REJECT``; anything else acts on nothing
    decision_text: str  #: the word as it came, for the record
    reviewer: str
    comments: str
    notes: tuple[ReviewNote, ...]
    queue: str
    profile: str
    followon: Followon | None

    def as_json(self) -> dict[str, Any]:
        """Return the update in JSON's types, for :meth:`from_json`."""
        return {
            **{name: getattr(self, name) for name in _WORDS},
            "new_decision": self.new_decision.value if self.new_decision else None,
            "notes": [
                {
                    "written_at": note.written_at.isoformat() if note.written_at else None,
                    "date_text": note.date_text,
                    "added_by": note.added_by,
                    "comment": note.comment,
                }
                for note in self.notes
            ],
            "followon": asdict(self.followon) if self.followon else None,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> ReviewUpdate:
        """Return the update that :meth:`as_json` described."""
        return cls(
            **{name: str(kept[name]) for name in _WORDS},
            new_decision=_exact_decision(kept["new_decision"]),
            notes=tuple(
                ReviewNote(
                    written_at=datetime.fromisoformat(note["written_at"]) if note["written_at"] else None,
                    date_text=note["date_text"],
                    added_by=note["added_by"],
                    comment=note["comment"],
                )
                for note in kept["notes"]
            ),
            followon=Followon(**kept["followon"]) if kept["followon"] else None,
        )


_WORDS = (
    "reference_number",
    "request_id",
    "original_decision",
    "decision_text",
    "reviewer",
    "comments",
    "queue",
    "profile",
)


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One order-status message with at least no, usually one, case."""

    merchant_id: str
    name: str
    sent_at: datetime | None
    updates: tuple[ReviewUpdate, ...]


def content_from_body(body: bytes, content_type: str) -> bytes:
    """Return the XML document out of a posted body: form field ``content``, exactly once, or the bare document.

    Raises :class:`BadNotification`. The genuine body ends in a stray ``&undefined=``, which is ignored.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BadNotification("too-large", "The notification is larger than any review message.")
    media_type = content_type.partition(";")[0].strip().lower()
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and media_type != "multipart/form-data":
        return body
    if media_type not in ("application/x-www-form-urlencoded", ""):
        raise BadNotification("content-type", "The notification is neither a form nor an XML document.")
    if body.count(b"&") >= MAX_FORM_FIELDS:
        raise BadNotification("too-many-fields", "The notification has more form fields than any review message.")
    pairs = [pair.partition(b"=") for pair in body.split(b"&")]
    contents = [value for name, _, value in pairs if len(name) <= _LONGEST_NAME and decoded(name) == b"content"]
    if not contents:
        raise BadNotification("no-content", "The notification has no form field content.")
    if len(contents) > 1:
        raise BadNotification("content-twice", "The notification has the form field content more than once.")
    content = decoded(contents[0])
    if not content.strip():
        raise BadNotification("empty-content", "The notification's form field content is empty.")
    return content


def parse_notification(xml: bytes) -> Notification:
    """Return the notification an XML document holds, or raise :class:`BadNotification`.

    An update that lacks its order or request id, or holds a word that is no decision, is returned like the others with
    blanks: one bad update must not lose the rest.
    """
    root = _safe_root(xml)
    updates = list(islice(root.iterchildren(_tag("Update")), MAX_UPDATES + 1))
    if len(updates) > MAX_UPDATES:
        raise BadNotification("too-many-updates", "The notification has more updates than any review message.")
    if sum(1 for _ in islice(root.iter(_tag("Note")), MAX_NOTES + 1)) > MAX_NOTES:
        raise BadNotification("too-many-notes", "The notification has more notes than any review message.")
    return Notification(
        merchant_id=root.get("MerchantID", ""),
        name=root.get("Name", ""),
        sent_at=_date(root.get("Date", "")),
        updates=tuple(map(_update, updates)),
    )


def _safe_root(xml: bytes) -> etree._Element:
    if len(xml) > MAX_XML_BYTES:
        raise BadNotification("too-large", "The notification is larger than any review message.")
    try:
        text = xml.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"  # refused below, without the document hanging on an exception
    if "\0" in text:
        raise BadNotification("not-utf8", "The notification is not UTF-8 text.")
    if _DECLARATION.search(text):
        raise BadNotification("declarations", "The notification declares entities or elements of its own.")
    if _REFERENCE.search(text):
        raise BadNotification("entities", "The notification refers to an entity that XML does not have.")
    parser = etree.XMLParser(
        encoding="utf-8",  # whatever the document declares: what was searched is what is parsed
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(text.lstrip().encode("utf-8"), parser)
    except etree.XMLSyntaxError:
        root = None
    if root is None:
        raise BadNotification("not-xml", "The notification is not well-formed XML.")
    if root.tag != _tag("CaseManagementOrderStatus"):
        raise BadNotification("wrong-root", "The document is not a case management order status.")
    return root


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _update(element: etree._Element) -> ReviewUpdate:
    decision_text = _text(element, "NewDecision")
    followon = element.find(_tag("FollowonResult"))
    return ReviewUpdate(
        reference_number=element.get("MerchantReferenceNumber", ""),
        request_id=element.get("RequestID", ""),
        original_decision=_text(element, "OriginalDecision"),
        new_decision=_decision(element),
        decision_text=decision_text,
        reviewer=_text(element, "Reviewer"),
        comments=_text(element, "ReviewerComments"),
        notes=tuple(_note(note) for note in element.iterfind(f"{_tag('Notes')}/{_tag('Note')}")),
        queue=_text(element, "Queue"),
        profile=_text(element, "Profile"),
        followon=_followon(followon) if followon is not None else None,
    )


def _decision(element: etree._Element) -> ReviewDecision | None:
    """The decision, if there is exactly one and it is spelled exactly so."""
    found = element.findall(_tag("NewDecision"))
    if len(found) != 1 or len(found[0]):
        return None
    return _exact_decision(found[0].text)


def _exact_decision(word: str | None) -> ReviewDecision | None:
    return ReviewDecision(word) if word in ("ACCEPT", "REJECT") else None


def _text(element: etree._Element, name: str) -> str:
    """All text of the children called ``name``; more than one, which no message has, are shown side by side."""
    return " | ".join(_whole_text(child) for child in element.iterchildren(_tag(name)))


def _whole_text(element: etree._Element) -> str:
    pieces: Iterable[str] = element.itertext()
    return "".join(pieces)


def _note(element: etree._Element) -> ReviewNote:
    date_text = element.get("Date", "")
    return ReviewNote(
        written_at=_date(date_text),
        date_text=date_text,
        added_by=element.get("AddedBy", ""),
        comment=element.get("Comment", ""),
    )


def _followon(element: etree._Element) -> Followon:
    return Followon(
        status=_text(element, "Status"),
        application=_text(element, "Application"),
        request_id=_text(element, "RequestID"),
        decision=_text(element, "Decision"),
        reason_code=_text(element, "ReasonCode"),
        rcode=_text(element, "RCode"),
        rflag=_text(element, "RFlag"),
        message=_text(element, "RMsg"),
    )


def _date(text: str) -> datetime | None:
    """Return an aware UTC time: with GMT, an American abbreviation, an offset, or no zone at all, which means UTC."""
    found = _DATE.fullmatch(text.strip())
    if not found:
        return None
    moment, zone = found[1], found[2] or "UTC"
    try:
        if zone[0] in "+-":
            return datetime.fromisoformat(moment + zone).astimezone(UTC)
        return datetime.fromisoformat(moment).replace(tzinfo=timezone(timedelta(hours=_ZONES[zone]))).astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        return None
