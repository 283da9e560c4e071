"""What an operation on a payment costs, at every size of the order: statements, and time without the gateway's."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.conftest import statements
from benchmarks.shop import order_to_pay
from benchmarks.table import FIGURES
from cybersource.models import PaymentAttempt, PaymentToken
from cybersource.operations import service, stored_card
from cybersource.payments import balance
from tests.simulator.forms import card, create_token


@pytest.fixture
def token(database, cybersource_simulator, settings) -> PaymentToken:
    """A stored card, and the keys of the simulator's REST services."""
    for name, value in cybersource_simulator.shop_settings.items():
        setattr(settings, name, value)
    stored = create_token(cybersource_simulator.gateway, card()).payment.payment_token
    return PaymentToken.objects.create(token=stored, masked_card_number="xxxxxxxxxxxx1111")


def authorized(lines: int, token: PaymentToken) -> Any:
    """An order whose stored card was authorized."""
    attempt = order_to_pay(lines)
    PaymentAttempt.objects.filter(pk=attempt.pk).delete()
    assert stored_card.authorize(attempt.order, token).state == "done"
    (payment,) = balance.of_order(attempt.order)
    return payment


def counted(name: str, lines: int, work: Any) -> Any:
    """Do it and keep its statements, and its time less the call's own."""
    done: list[Any] = []
    began = time.perf_counter()
    ran = statements(lambda: done.append(work()))
    took = time.perf_counter() - began
    assert done[0].state == "done"
    FIGURES[f"{name} statements", lines] = len(ran)
    FIGURES[name, lines] = took - (done[0].log.milliseconds or 0) / 1000
    return done[0]


def test_operations(token, lines):
    authorized(lines, token)  # the first ones name the kinds of events and sources
    payment = authorized(lines, token)
    order = payment.source.order
    some = {line.pk: 1 for line in order.lines.all()}
    captured = counted("capture", lines, lambda: service.capture(payment.authorization, lines=some, is_last=False))
    refunded = counted("refund", lines, lambda: service.refund(captured.made, amount=Decimal("1.00")))
    counted("void", lines, lambda: service.void(refunded.made))
    other = authorized(lines, token)
    counted("reverse", lines, lambda: service.reverse(other.authorization))
    attempt = order_to_pay(lines)
    PaymentAttempt.objects.filter(pk=attempt.pk).delete()
    counted("authorize", lines, lambda: stored_card.authorize(attempt.order, token))
