"""Every statement and every commit of a reply is broken in turn: nothing is lost, nothing happens twice.

The ordinary run breaks some of the points of each case, others in each; ``CYBERSOURCE_TESTS=thorough`` breaks them all.
"""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import connection

from tests.faults.breaking import (
    THOROUGH,
    Checkpoint,
    Killed,
    Points,
    away,
    cut,
    end_of_log,
    killed,
    log,
    reprocess,
    rows,
    settled_once,
)
from tests.faults.scenes import SCENES, scene

STRIDE = 1 if THOROUGH else 24

DISASTERS = {"the process is killed": killed, "the session is cut": cut, "the database is away": away}


@pytest.mark.parametrize("name", SCENES)
def test_whatever_breaks_in_a_reply_nothing_is_lost_and_nothing_happens_twice(committed_db, name):
    here = scene(name)
    with Checkpoint() as checkpoint:
        before, earlier = rows(), end_of_log()
        checkpoint.restore()
        with Points() as undisturbed:
            assert here.browser().status_code == 303
        expected, mails = rows(), len(mail.outbox)
        assert expected != before
        assert log(after=earlier) == ["settled"]
        cases = [
            (disaster, again, at)
            for offset, (disaster, again) in enumerate((d, a) for d in DISASTERS for a in ("redelivered", "alone"))
            for at in range(offset * 5 % STRIDE, len(undisturbed.names), STRIDE)
        ]
        for disaster, again, at in cases:
            checkpoint.restore()
            case = f"{disaster} at point {at} ({undisturbed.names[at][:90]}), {again}"
            with Points(at, DISASTERS[disaster]) as points:
                try:
                    answered = here.browser().status_code
                except Killed:
                    answered = None
            assert points.struck, case
            connection.close()
            stored = bool(log(after=earlier))
            # What was not even stored was refused aloud, and nothing of it stays.
            if not stored:
                assert answered in (None, 503), case
                assert rows() == before, case
            elif answered:
                assert answered == 303, case
            if again == "redelivered" or not stored:
                assert here.merchant().status_code == 200, case
            reprocess()
            assert rows() == expected, case
            assert settled_once(log(after=earlier)), case
            # Between the mail server's "taken" and our note of it nobody can know, and Oscar keeps books of its own
            # there, which may fail. A second mail is better than none.
            unnoted = disaster != "the session is cut" or "communication_" in undisturbed.names[at]
            forgotten = mails and points.mails_out == mails and unnoted
            assert len(mail.outbox) == mails or (forgotten and len(mail.outbox) == mails + 1), case
            reprocess()
            assert rows() == expected, case
        print(f"{name}: {len(undisturbed.names)} points, {len(cases)} cases")
