"""A shop's process is killed, and PostgreSQL is restarted, in the middle of a reply."""

from __future__ import annotations

import os
import signal

import pytest
from django.core import mail
from django.db import connections

from tests.faults.breaking import THOROUGH, Checkpoint, Points, log, reprocess, rows, settled_once
from tests.faults.scenes import scene
from tests.faults.servers import own_postgres

#: When the process is killed -> the statement that it does not live to make.
MOMENTS = {
    "before the reply is logged": 'INSERT INTO "cybersource_cybersourcereply"',
    "between log and settlement": 'FROM "order_order" WHERE "id" = %s FOR NO KEY UPDATE',
    "in the middle of settling": 'INSERT INTO "payment_transaction"',
    "before the settlement is committed": 'UPDATE "cybersource_cybersourcereply"',
    "before the e-mail is claimed": "FOR NO KEY UPDATE SKIP LOCKED",
    "between claim and e-mail": 'FROM "order_surcharge"',
}


def mails(folder):
    return len(list(folder.glob("*.log")))


def in_a_process_that_dies(work, at):
    """Do it in a real process with a connection of its own, which the kernel kills at that point."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        with Points(at, lambda points, answer_lost: os.kill(os.getpid(), signal.SIGKILL)):
            work()
        os._exit(1)
    _pid, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_process_killed_anywhere_in_a_reply_leaves_what_redelivery_or_reprocess_completes(
    committed_db, settings, tmp_path
):
    here = scene("one step, accepted")
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    with Checkpoint() as checkpoint:
        before = rows()
        checkpoint.restore()
        settings.EMAIL_FILE_PATH = str(tmp_path / "undisturbed")
        with Points() as undisturbed:
            here.browser()
        expected = rows()
        for moment, words in MOMENTS.items():
            at = max(point for point, name in enumerate(undisturbed.names) if words in name)
            for redelivered in (False, True):
                case = f"{moment}, {'redelivered' if redelivered else 'alone'}"
                checkpoint.restore()
                folder = tmp_path / case
                settings.EMAIL_FILE_PATH = str(folder)
                in_a_process_that_dies(here.browser, at)
                assert mails(folder) == 0, case
                if not log():
                    assert rows() == before, case
                if redelivered or not log():
                    assert here.merchant().status_code == 200, case
                reprocess()
                reprocess()
                assert rows() == expected, case
                assert settled_once(log()), case
                assert mails(folder) == 1, case


@pytest.fixture(scope="module")
def durable(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock(), own_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


def test_postgresql_restarted_in_the_middle_of_a_reply_costs_nothing(durable):
    """Before the evidence, before the charge, before the commit; back at once, or only after the answer."""
    here = scene("one step, accepted")
    with Checkpoint() as checkpoint:
        checkpoint.restore()
        with Points() as undisturbed:
            here.browser()
        expected = rows()
        names = undisturbed.names
        log_at, charge_at = (
            max(point for point, name in enumerate(names) if words in name)
            for words in ('INSERT INTO "cybersource_cybersourcereply"', 'INSERT INTO "payment_transaction"')
        )
        commit_at = names.index("before COMMIT", charge_at)

        def restart(points, answer_lost):
            durable.crash()
            durable.recover()

        def crash(points, answer_lost):
            durable.crash()

        cases = [(restart, at, "alone") for at in (log_at, charge_at, commit_at)]
        cases += [(crash, at, how) for at in (log_at, charge_at, commit_at) for how in ("redelivered", "alone")]
        if not THOROUGH:
            cases = [cases[1], *cases[3::2]]
        for disaster, at, how in cases:
            case = f"{disaster.__name__} at {names[at][:60]}, {how}"
            checkpoint.restore()
            with Points(at, disaster):
                answered = here.browser().status_code
            if disaster is crash:
                durable.recover()
            connections.close_all()
            if at == log_at and disaster is crash:
                assert (answered, log()) == (503, []), case
            else:
                assert answered == 303, case
            if how == "redelivered" or not log():
                assert here.merchant().status_code == 200, case
            reprocess()
            assert rows() == expected, case
            assert settled_once(log()), case
            assert len(mail.outbox) == 1, case
