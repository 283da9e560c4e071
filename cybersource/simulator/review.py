"""Decision Manager: the case behind a payment under review, and the order-status XML that tells the shop.

Source: Decision Manager guides and captured order-status notifications: an external DTD, the ``cmos/1.0`` namespace,
notes newest first and without a zone, the form field ``content``, and a last field ``undefined`` with nothing in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

DTD = "https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd"
NAMESPACE = "http://reports.cybersource.com/reports/cmos/1.0"
CONTENT_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Note:
    """One reviewer's remark. It has no identity of its own."""

    at: datetime
    added_by: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """One decision on a case, as the conversion report lists it."""

    at: datetime
    original: str
    new: str
    reviewer: str
    comments: str = ""


@dataclass(frozen=True, kw_only=True)
class Followon:
    """The settlement that a reviewer started together with an ACCEPT, or the reversal with a REJECT."""

    request_id: str
    application: str = "Credit Card Settlement"
    status: str = "Success"
    decision: str = "Accept"
    reason_code: str = "100"
    message: str = "Request was processed successfully."

    @property
    def succeeded(self) -> bool:
        return self.status == "Success"


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a notification says of one case. ``new_decision`` is empty for notes and ownership."""

    reference_number: str
    request_id: str
    original_decision: str = "REVIEW"
    new_decision: str = ""
    reviewer: str = ""
    comments: str = ""
    notes: tuple[Note, ...] = ()
    queue: str = "Review Queue"
    profile: str = "Auths"
    followon: Followon | None = None


@dataclass(kw_only=True)
class Case:
    """A payment that waits, or waited, for a person."""

    original_decision: str
    opened_at: datetime
    queue: str = "Review Queue"
    profile: str = "Auths"
    owner: str = ""
    decision: str = ""  #: ACCEPT or REJECT once decided
    comments: str = ""
    decided_at: datetime | None = None
    notes: list[Note] = field(default_factory=list)  #: oldest first
    conversions: list[Conversion] = field(default_factory=list)  #: every decision, oldest first
    followon: Followon | None = None

    @property
    def is_open(self) -> bool:
        return not self.decision


def notification_xml(updates: Iterable[Update], *, merchant_id: str, at: datetime) -> str:
    """Return the document that Decision Manager sends, DOCTYPE and all."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<!DOCTYPE CaseManagementOrderStatus SYSTEM "{DTD}">',
        "",
        f'<CaseManagementOrderStatus xmlns="{NAMESPACE}" MerchantID={_attribute(merchant_id)} '
        f'Name="Case Management Order Status" Date="{at:%Y-%m-%d %H:%M:%S} GMT" Version="1.1">',
    ]
    for update in updates:
        lines += _update(update)
    lines.append("</CaseManagementOrderStatus>\n")
    return "\n".join(lines)


def _update(update: Update) -> list[str]:
    lines = [
        f"  <Update MerchantReferenceNumber={_attribute(update.reference_number)} "
        f"RequestID={_attribute(update.request_id)}>",
        *_element("OriginalDecision", update.original_decision),
        *_element("NewDecision", update.new_decision),
        *_element("Reviewer", update.reviewer),
        *_element("ReviewerComments", update.comments),
    ]
    if update.notes:
        lines.append("    <Notes>")
        lines += [
            f'      <Note Date="{note.at:%Y-%m-%d %H:%M:%S}" AddedBy={_attribute(note.added_by)} '
            f"Comment={_attribute(note.comment)}/>"
            for note in sorted(update.notes, key=lambda note: note.at, reverse=True)
        ]
        lines.append("    </Notes>")
    lines += [*_element("Queue", update.queue), *_element("Profile", update.profile)]
    if update.followon:
        lines += [
            "    <FollowonResult>",
            *_element("Status", update.followon.status, 6),
            *_element("Application", update.followon.application, 6),
            *_element("RequestID", update.followon.request_id, 6),
            *_element("Decision", update.followon.decision, 6),
            *_element("ReasonCode", update.followon.reason_code, 6),
            *_element("RCode", "1" if update.followon.succeeded else "0", 6),
            *_element("RFlag", "SOK" if update.followon.succeeded else "DINVALIDDATA", 6),
            *_element("RMsg", update.followon.message, 6),
            "    </FollowonResult>",
        ]
    lines.append("  </Update>")
    return lines


def _element(name: str, text: str, indent: int = 4) -> list[str]:
    return [f"{' ' * indent}<{name}>{escape(_legal(text))}</{name}>"] if text else []


def _attribute(text: str) -> str:
    return quoteattr(_legal(text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;", '"': "&quot;"})


def _legal(text: str) -> str:
    """Return ``text`` without the control characters that no XML document may hold."""
    return "".join(each for each in text if each in "\t\n\r" or (each >= " " and not "\ud800" <= each <= "\udfff"))


def notification_body(xml: str) -> bytes:
    """Return the request body: percent-encoded UTF-8, blanks as ``%20``, and the stray last field."""
    return f"content={quote(xml, safe='')}&undefined=".encode("ascii")
