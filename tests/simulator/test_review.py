"""Decision Manager: the queue, its decisions, and what the shop is told of them."""

from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from lxml import etree

from cybersource.simulator import Followon, Note, Profile, Update, cards
from tests.simulator.forms import Clock, card, gateway, pay

CMOS = "{http://reports.cybersource.com/reports/cmos/1.0}"


def reviewing(clock=None):
    profile = Profile.for_shop("http://localhost:8000")
    at = gateway(clock or Clock(), profiles=(profile,))
    return at, pay(at, card(cards.REVIEW)).payment


def document(notification):
    """Parse what a notification carries, without touching its DTD."""
    posted = parse_qs(notification.body.decode(), keep_blank_values=True)
    assert posted["undefined"] == [""]
    (content,) = posted["content"]
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False)
    return etree.fromstring(content.encode(), parser)


def texts(update):
    return {child.tag.removeprefix(CMOS): child.text for child in update if not len(child)}


def test_a_payment_under_review_waits_in_the_queue():
    at, payment = reviewing()
    pay(at)
    assert at.cases == (payment,)
    assert payment.under_review


def test_a_decision_tells_the_shop_the_order_the_request_and_the_decision():
    at, payment = reviewing()
    notification = at.decide(payment.id, "ACCEPT", reviewer="lena.review", comments="Fine | Agreed")
    root = document(notification)
    (update,) = root

    assert notification.url == (
        "http://localhost:8000/api/cybersource/decision-manager-review-notification/?key=sandbox-review-key"
    )
    assert root.tag == CMOS + "CaseManagementOrderStatus"
    assert dict(root.attrib) == {
        "MerchantID": "acme_shop",
        "Name": "Case Management Order Status",
        "Date": "2026-03-04 09:15:02 GMT",
        "Version": "1.1",
    }
    assert dict(update.attrib) == {"MerchantReferenceNumber": "100018", "RequestID": payment.transaction_id}
    assert texts(update) == {
        "OriginalDecision": "REVIEW",
        "NewDecision": "ACCEPT",
        "Reviewer": "lena.review",
        "ReviewerComments": "Fine | Agreed",
        "Queue": "Review Queue",
        "Profile": "Auths",
    }
    assert not payment.under_review


def test_the_external_dtd_is_named_as_in_every_real_message():
    at, payment = reviewing()
    lines = at.decide(payment.id, "REJECT").xml.splitlines()
    assert lines[1] == (
        "<!DOCTYPE CaseManagementOrderStatus SYSTEM "
        '"https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd">'
    )


def test_ownership_and_notes_are_told_without_a_decision_newest_first():
    clock = Clock()
    at, payment = reviewing(clock)
    own = document(at.take_ownership(payment.id, "omar"))
    clock.move(minutes=3)
    noted = document(at.add_note(payment.id, "omar", 'Called: "no" <answer>\n& again'))

    assert "NewDecision" not in texts(own[0])
    assert "NewDecision" not in texts(noted[0])
    assert "ReviewerComments" not in texts(noted[0])
    assert [dict(note.attrib) for note in noted.iter(CMOS + "Note")] == [
        {"Date": "2026-03-04 09:18:02", "AddedBy": "omar", "Comment": 'Called: "no" <answer>\n& again'},
        {"Date": "2026-03-04 09:15:02", "AddedBy": "omar", "Comment": "Took ownership."},
    ]
    assert payment.case.owner == "omar"
    assert payment.under_review


def test_an_accept_may_settle_and_a_reject_never_does():
    at, payment = reviewing()
    settled = document(at.decide(payment.id, "ACCEPT", settle=True))
    followon = settled.find(f"{CMOS}Update/{CMOS}FollowonResult")
    assert texts(followon) == {
        "Status": "Success",
        "Application": "Credit Card Settlement",
        "RequestID": payment.case.followon.request_id,
        "Decision": "Accept",
        "ReasonCode": "100",
        "RCode": "1",
        "RFlag": "SOK",
        "RMsg": "Request was processed successfully.",
    }
    assert payment.case.followon.request_id != payment.transaction_id
    assert b"FollowonResult" not in at.decide(payment.id, "REJECT", settle=True).body


def test_a_decided_case_can_be_decided_again_and_says_what_it_was():
    at, payment = reviewing()
    at.decide(payment.id, "ACCEPT", notes=["Looks fine"])
    again = document(at.decide(payment.id, "REJECT", notes=["Chargeback"]))

    assert (texts(again[0])["OriginalDecision"], texts(again[0])["NewDecision"]) == ("ACCEPT", "REJECT")
    assert [note.comment for note in payment.case.notes] == ["Looks fine", "Chargeback"]


def test_only_a_reviewed_payment_is_decided_and_only_one_way_or_the_other():
    at, payment = reviewing()
    paid = pay(at).payment
    with pytest.raises(ValueError, match="never went to review"):
        at.decide(paid.id, "ACCEPT")
    with pytest.raises(ValueError, match="ACCEPT or REJECT"):
        at.decide(payment.id, "REVIEW")
    with pytest.raises(KeyError):
        at.decide("99", "ACCEPT")


def test_a_document_may_hold_several_updates_and_no_control_characters():
    xml = gateway().notification_xml(
        [
            Update(reference_number="1", request_id="7" * 22, new_decision="ACCEPT"),
            Update(
                reference_number="2",
                request_id="8" * 22,
                queue="Revisão Manual",
                profile="a\x00\x0bb\ud800",
                notes=(Note(at=datetime(2026, 3, 4, tzinfo=UTC), added_by="", comment="\ttab"),),
                followon=Followon(request_id="9" * 22),
            ),
        ],
        merchant_id="other_shop",
    )
    root = etree.fromstring(xml.encode(), etree.XMLParser(load_dtd=False, no_network=True))
    assert [update.get("MerchantReferenceNumber") for update in root] == ["1", "2"]
    assert (root.get("MerchantID"), texts(root[1])["Profile"]) == ("other_shop", "ab")
    assert texts(root[1])["Queue"] == "Revisão Manual"


def test_a_notification_without_a_key_goes_to_the_bare_url():
    profile = Profile(notification_url="http://localhost/n/?a=b", receipt_page="http://localhost/")
    at = gateway(profiles=(profile,))
    payment = pay(at, bill_to_surname="REVIEW").payment
    assert at.take_ownership(payment.id, "omar").url == "http://localhost/n/?a=b"


def test_a_key_is_added_to_a_query_that_is_there_already():
    profile = Profile(
        notification_url="http://localhost/n/?a=b", notification_key="k&y", receipt_page="http://localhost/"
    )
    at = gateway(profiles=(profile,))
    payment = pay(at, bill_to_surname="REVIEW").payment
    assert at.take_ownership(payment.id, "omar").url == "http://localhost/n/?a=b&key=k%26y"
