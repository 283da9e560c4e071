"""What could not be committed has left nothing behind: no mail, no signal, no count towards a budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import connection

from cybersource import signals
from cybersource.models import CyberSourceReply
from cybersource.simulator import cards
from tests.support.shop import card, post_reply

#: Every statement of a settlement succeeds, and its commit does not.
AT_THE_COMMIT = """\
CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room left'; END $$;
CREATE CONSTRAINT TRIGGER refuse_commit AFTER UPDATE ON cybersource_paymentattempt
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_commit()"""


@contextmanager
def no_commit() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(AT_THE_COMMIT)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse_commit CASCADE")


def counted() -> set[str]:
    """Every key that budgets and alarms have in the cache."""
    return set(cache._cache)


@pytest.mark.parametrize("number", [cards.APPROVED, cards.DECLINED, cards.REVIEW])
def test_what_could_not_be_committed_has_left_nothing_behind(shopper, mailoutbox, settings, number):
    settings.CYBERSOURCE_FLOW = "one-step"
    heard: list[str] = []

    def hear(signal, **kwargs):
        heard.append(kwargs["order"].number)

    signals.reply_recorded.connect(hear)
    try:
        order = shopper.check_out()
        answer = shopper.submit(card(number))
        before, state = counted(), shopper.attempt().state
        with no_commit():
            post_reply(answer.reply)
        order.refresh_from_db()
        assert (order.status, shopper.attempt().state, order.sources.count()) == ("Pending", state, 0)
        assert CyberSourceReply.objects.get().result == "received", "the evidence was committed before"
        assert not heard and not mailoutbox and counted() == before
        post_reply(answer.reply)
        assert heard == [order.number] and len(mailoutbox) == (number == cards.APPROVED)
        assert counted() > before, "counted once it stands"
    finally:
        signals.reply_recorded.disconnect(hear)
