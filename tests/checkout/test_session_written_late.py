"""Two answers write the shopper's session in the wrong order: the states still show the form that is to be posted."""

from __future__ import annotations

from typing import Any

import pytest
from oscar.core.loading import get_model

from cybersource.models import AttemptState, PaymentAttempt
from tests.support.shop import DECLINE, ONE_CARD, Shopper, latest, post_reply, two_cards

pytestmark = [pytest.mark.usefixtures("one_step"), pytest.mark.real_checkout]

Order = get_model("order", "Order")


@pytest.fixture
def two_methods(settings):
    settings.API_MAX_PAYMENT_METHODS = 0


class Browser(Shopper):
    """A shopper of whose session every state is remembered, to be written again."""

    def remember(self) -> dict[str, Any]:
        return dict(self.client.session.items())

    def write(self, held: dict[str, Any]) -> None:
        session = self.client.session
        for name in list(session.keys()):
            del session[name]
        session.update(held)
        session.save()

    def is_declined(self, attempt: PaymentAttempt) -> None:
        """And comes back, with the basket in the session again."""
        self.client.get(post_reply(self.reply(attempt, **DECLINE)).headers["Location"])

    def shown(self, key: str = "cybersource") -> str | None:
        """The attempt whose form is shown."""
        action = self.state(key)["required_action"]
        return (
            next((field["value"] for field in action["fields"] if field["key"] == "transaction_uuid"), None)
            if action
            else None
        )


@pytest.fixture
def browser(committed_db) -> Browser:
    return Browser()


def test_whichever_answer_was_written_last_the_open_form_is_shown(browser):
    """Decline after decline: the session of each earlier answer, written late, hides no later form."""
    browser.fill_basket()
    held = []
    for _try in range(3):
        if held:
            browser.is_declined(browser.attempt())
        browser.check_out()
        held.append(browser.remember())
    newest = browser.attempt()
    assert newest.state == AttemptState.OPEN and PaymentAttempt.objects.count() == 3
    for late in reversed(held):
        browser.write(late)
        assert browser.shown() == newest.transaction_uuid
        assert (browser.state()["status"], browser.state()["amount"]) == ("Pending", str(newest.amount))
    browser.pay()
    assert Order.objects.get().status == "Authorized"
    for late in held:
        browser.write(late)
        assert browser.state()["status"] == "Consumed", "what was paid is not shown as declined"


def test_an_attempt_that_was_replaced_while_its_answer_was_on_the_way_hides_no_form(browser):
    """The same press, twice: both place the declined order again, and the first answer is written last."""
    browser.check_out()
    browser.is_declined(browser.attempt())
    browser.check_out()
    late, replaced = browser.remember(), browser.attempt()
    PaymentAttempt.objects.filter(pk=replaced.pk).update(state=AttemptState.REPLACED)
    columns = {f.attname: getattr(replaced, f.attname) for f in PaymentAttempt._meta.concrete_fields}
    del columns["id"], columns["transaction_uuid"]
    newest = PaymentAttempt.objects.create(**{**columns, "state": AttemptState.OPEN})
    browser.write(late)
    assert browser.shown() == newest.transaction_uuid
    stranger = Browser(client=browser.client)
    PaymentAttempt.objects.filter(pk=newest.pk).update(session_hash="0" * 64)
    assert (stranger.state()["status"], stranger.shown()) == ("Declined", None), "begun by another session"


@pytest.mark.usefixtures("two_methods")
def test_each_of_two_cards_shows_its_own_newest_form(browser):
    browser.fill_basket("64.50")
    browser.check_out(payment=two_cards())
    late = browser.remember()
    browser.is_declined(latest("b"))
    browser.check_out(payment=two_cards())
    newest = {key: latest(key).transaction_uuid for key in "ab"}
    browser.write(late)
    assert {key: browser.shown(key) for key in "ab"} == newest


@pytest.mark.usefixtures("two_methods")
def test_a_form_begun_under_another_name_is_shown_and_paid_once(browser):
    """The answer to two cards is written after the one to a single card that took their place."""
    browser.fill_basket("64.50")
    browser.check_out(payment={"old": {**ONE_CARD["cybersource"], "method_type": "cybersource"}})
    late, old = browser.remember(), latest("old")
    browser.is_declined(old)
    browser.check_out(payment=ONE_CARD)
    newest = latest("cybersource")
    PaymentAttempt.objects.filter(pk=old.pk).update(state=AttemptState.REPLACED)
    browser.write(late)
    assert browser.shown("old") == newest.transaction_uuid
    browser.is_declined(newest)
    browser.check_out(payment={"old": {**ONE_CARD["cybersource"], "method_type": "cybersource"}})
    assert latest("old").pk > newest.pk, "the state of another method is no state to go on with"
    assert browser.shown("old") == latest("old").transaction_uuid
