"""What the conversion report tells is the update that a notification tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from cybersource.protocol import ReviewDecision, ReviewUpdate, parse_notification
from cybersource.protocol.rest import parse, read_conversions
from tests.protocol.review_payloads import D1

#: Conversion details as integrators saw them, in shape; the values are invented.
C1 = (
    '{"organizationId":"acme_shop","startTime":"2026-03-03T12:00:00Z","endTime":"2026-03-04T12:00:00Z",'
    '"conversionDetails":[{"merchantReferenceNumber":"100019","conversionTime":"2026-03-04T10:05:47Z","requestId":'
    '"7312345812346012504013","originalDecision":"REVIEW","newDecision":"ACCEPT","reviewer":"lena.review",'
    '"reviewerComments":"Spoke to customer. | Billing and shipping agree.","queue":"Review Queue","profile":"Auths",'
    '"notes":[{"time":"2026-03-04T10:02:11Z","addedBy":"lena.review","comments":"Took ownership."}]},'
    '{"merchantReferenceNumber":"100031","conversionTime":"2026-03-04T10:47:10Z","requestId":"7312347012346013204021",'
    '"originalDecision":"REVIEW","newDecision":"REJECT","reviewer":"omar","reviewerComments":"Suspected fraud."}]}'
)


def test_the_report_tells_who_decided_what_and_why():
    first, second = read_conversions(parse(C1.encode()))
    assert (first.reference_number, first.request_id) == ("100019", "7312345812346012504013")
    assert (first.new_decision, first.original_decision) == (ReviewDecision.ACCEPT, "REVIEW")
    assert (first.reviewer, first.queue, first.profile) == ("lena.review", "Review Queue", "Auths")
    assert first.comments == "Spoke to customer. | Billing and shipping agree."
    assert first.notes[0].written_at == datetime(2026, 3, 4, 10, 2, 11, tzinfo=UTC)
    assert (second.new_decision, second.notes, second.queue) == (ReviewDecision.REJECT, (), "")


def test_a_note_reads_as_in_the_notification_so_that_it_is_written_once():
    told_by_report = read_conversions(parse(C1.encode()))[0]
    told_by_notification = parse_notification(D1.encode()).updates[0]
    assert told_by_report.notes == told_by_notification.notes
    assert told_by_report.request_id == told_by_notification.request_id


def test_what_was_decided_first_is_told_first():
    rows = [
        {"requestId": "2", "newDecision": "REJECT", "conversionTime": "2026-03-04T10:00:00.500Z"},
        {"requestId": "1", "newDecision": "ACCEPT", "conversionTime": "2026-03-04T10:00:00Z"},
    ]
    assert [update.request_id for update in read_conversions({"conversionDetails": rows})] == ["1", "2"]


def test_only_an_exact_decision_is_one():
    for word in ("accept", "ACCEPT ", "REVIEW", "", 1, None, ["ACCEPT"]):
        (update,) = read_conversions({"conversionDetails": [{"requestId": "1", "newDecision": word}]})
        assert update.new_decision is None


def test_a_row_without_a_payment_and_a_report_without_rows_tell_nothing():
    for content in (None, {}, {"conversionDetails": None}, {"conversionDetails": {}}, {"conversionDetails": [1, {}]}):
        assert read_conversions(content) == ()


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "conversionDetails requestId newDecision conversionTime notes time addedBy comments reviewer".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(rows=ODD)
def test_no_shape_of_report_is_a_crash_and_every_update_can_be_kept(rows):
    content = parse(json.dumps({"conversionDetails": rows}).encode())
    for update in read_conversions(content):
        kept = json.loads(json.dumps(update.as_json()))
        assert ReviewUpdate.from_json(kept) == update
