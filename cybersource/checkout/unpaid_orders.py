"""The orders of one session that are placed and not paid: what is paid of each, and what the shopper can do next.

Read from the rows, never from api-checkout's states in the session, which a lost answer, another tab or a newer order
may have left behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from django.core.signing import BadSignature
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings
from oscarapicheckout.serializers import OrderTokenField

from ..conf import conf
from ..models import WAITS_FOR_STAFF, AttemptState, PaymentAttempt
from ..payments import attempts, orders
from ..payments.attempts import PaymentStep
from . import session as checkout_session

Order = get_model("order", "Order")

AWAITING = (checkout_settings.ORDER_STATUS_PENDING, checkout_settings.ORDER_STATUS_PAYMENT_DECLINED)


class NextStep(Enum):
    """What comes next for one payment of an order."""

    CARD = "card"  #: the shopper enters a card
    CONTINUE = "continue"  #: the card is stored; its form is posted
    WAIT = "wait"  #: nobody knows yet how it ended
    PAID = "paid"
    FAILED = "failed"


def next_of(step: PaymentStep) -> NextStep:
    """What comes next for the payment with this latest step."""
    attempt = step.attempt
    in_review = attempt.state == AttemptState.REVIEW
    if attempt.state == AttemptState.AUTHORIZED or (in_review and not conf.review_holds_order):
        return NextStep.PAID
    if attempt.state == AttemptState.UNKNOWN or in_review or step.has_stored_answer:
        return NextStep.WAIT
    if attempt.state == AttemptState.OPEN:
        return NextStep.CARD if attempt.token is None else NextStep.CONTINUE
    waits = attempt.state == AttemptState.EXPIRED and attempt.attention in WAITS_FOR_STAFF
    return NextStep.WAIT if waits else NextStep.FAILED


@dataclass(frozen=True, kw_only=True)
class UnpaidOrder:
    """One order, and the newest payment by card under each of its keys that this session began."""

    order: Any
    steps: Sequence[PaymentStep]

    @cached_property
    def held(self) -> Decimal:
        """What is paid of it, by whatever method."""
        return orders.money_held(self.order)

    @property
    def is_declined(self) -> bool:
        return orders.is_declined(self.order)

    def waiting(self, what: NextStep) -> list[PaymentAttempt]:
        return [step.attempt for step in self.steps if next_of(step) == what]


def steps_of(order: Any, session: Any) -> list[PaymentStep]:
    """The latest step of each payment by card of the order that this session began, in the order of their beginning."""
    began = PaymentAttempt.objects.filter(order=order, session_hash=checkout_session.known_hash(session) or None)
    newest: dict[str, int] = dict(began.order_by("pk").values_list("method_key", "pk"))
    steps = (attempts.latest_step(pk) for pk in sorted(newest.values()))
    return [step for step in steps if step is not None]


def of_order(order: Any, session: Any) -> UnpaidOrder:
    return UnpaidOrder(order=order, steps=steps_of(order, session))


def of_session(session: Any) -> list[PaymentAttempt]:
    """The newest attempt of each order of the session that awaits payment, the newest order first."""
    known = checkout_session.known_hash(session)
    if not known:
        return []
    found = PaymentAttempt.objects.filter(session_hash=known, order__status__in=AWAITING)
    newest: dict[int, PaymentAttempt] = {}
    for attempt in found.select_related("order__basket").order_by("-pk"):
        newest.setdefault(attempt.order_id, attempt)
    return list(newest.values())


def newest_attempt(session: Any) -> PaymentAttempt | None:
    known = checkout_session.known_hash(session)
    return PaymentAttempt.objects.filter(session_hash=known).order_by("-pk").first() if known else None


def only_waits(order: Any, session: Any) -> bool:
    """Whether nobody knows yet how a payment of the order ended, and the shopper has nothing to do meanwhile."""
    nexts = {next_of(step) for step in steps_of(order, session)}
    return NextStep.WAIT in nexts and not nexts & {NextStep.CARD, NextStep.CONTINUE}


def to_lead_to(session: Any, basket: Any = None) -> list[PaymentAttempt]:
    """Of :func:`of_session`, the orders that the basket and the checkout lead to.

    A declined order gave its basket back; with that basket in hand the shopper is on the way already.
    """
    return [
        attempt
        for attempt in of_session(session)
        if not orders.is_declined(attempt.order) or has_other_basket(attempt.order, basket)
    ]


def has_other_basket(order: Any, basket: Any) -> bool:
    given_back = order.basket
    return bool(
        given_back is not None
        and given_back.can_be_edited
        and given_back.pk != getattr(basket, "pk", None)
        and given_back.lines.exists()
    )


def placed_from(session: Any, *, basket: str = "", order_token: str = "") -> Any | None:
    """The order that this session placed from a basket (its URL in the API), or tried again by its signed number."""
    known = checkout_session.known_hash(session)
    began = PaymentAttempt.objects.filter(session_hash=known).select_related("order").order_by("-pk")
    if not known:
        return None
    if order_token:
        try:
            attempt = began.filter(order__number=OrderTokenField.verify_token(order_token)).first()
        except (BadSignature, TypeError, ValueError):
            return None
    else:
        basket_id = basket_of(basket)
        attempt = began.filter(order__basket=basket_id).first() if basket_id else None
    return attempt.order if attempt else None


def basket_of(url: str) -> int | None:
    """The key that a URL of a basket ends with, whatever language or prefix the path begins with."""
    try:
        key = re.search(r"/([0-9]{1,18})/?\Z", urlsplit(url).path)
    except ValueError:
        return None
    return int(key[1]) if key else None
