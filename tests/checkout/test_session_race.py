"""Two answers to one browser may write its session in the wrong order: the open payments are shown all the same."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.conf import settings

from cybersource.models import PaymentAttempt
from cybersource.simulator import cards
from tests.support.shop import Shopper, card, two_cards

pytestmark = [pytest.mark.usefixtures("one_step"), pytest.mark.real_checkout]


def stored_session(shopper: Shopper) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(shopper.session_key)


def told(shopper: Shopper) -> dict[str, str]:
    """Of each payment its status; of one with a form, the state of the attempt whose form it is."""
    shown = {}
    for key, state in shopper.states["payment_method_states"].items():
        fields = (state["required_action"] or {}).get("fields", ())
        uuid = next((each["value"] for each in fields if each["key"] == "transaction_uuid"), None)
        shown[key] = PaymentAttempt.objects.get(transaction_uuid=uuid).state if uuid else state["status"]
    return shown


@pytest.mark.parametrize(
    ("paid", "expected"),
    [
        ("a", {"a": "Complete", "b": "open"}),
        ("b", {"a": "open", "b": "Complete"}),
        (None, {"a": "open", "b": "open"}),
    ],
)
def test_a_session_written_back_by_an_older_answer_shows_each_cards_newest_form(shopper, paid, expected):
    order = shopper.check_out("64.50", payment=two_cards())
    if paid:
        shopper.deliver(shopper.submit(key=paid))
    older = dict(stored_session(shopper).items())
    shopper.deliver(shopper.submit(card(cards.DECLINED), key="a" if paid == "b" else "b"))
    assert shopper.check_out(payment=two_cards()) == order
    assert told(shopper) == expected
    session = stored_session(shopper)
    for name in list(session.keys()):
        del session[name]
    session.update(older)
    session.save()
    assert told(shopper) == expected
    for key in (key for key, state in expected.items() if state == "open"):
        shopper.deliver(shopper.submit(key=key))
    order.refresh_from_db()
    assert order.status == "Authorized"
