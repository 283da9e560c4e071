"""A shop that may move money: paid orders, and CyberSource's REST services at the other end of a real connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from oscar.core.loading import get_model

from cybersource.models import PaymentOperation
from cybersource.operations import service
from cybersource.payments import balance
from cybersource.simulator.pytest_plugin import RunningSimulator
from tests.support import recorded
from tests.support.shop import Shopper

Order = get_model("order", "Order")
OrderNote = get_model("order", "OrderNote")
PaymentEvent = get_model("order", "PaymentEvent")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")


@dataclass
class Desk:
    """Staff at work, over the simulator's REST services."""

    simulator: RunningSimulator
    staff: Any = field(init=False)

    def __post_init__(self) -> None:
        self.hire()
        self.staff = get_user_model().objects.get(username="ines")

    @recorded.step
    def hire(self) -> None:
        get_user_model().objects.create_user("ines", "ines@shop.example", "-", is_staff=True, is_superuser=True)

    @property
    def rest(self) -> Any:
        return self.simulator.gateway.rest

    def order(self, *prices: str, card: str = "4111111111111111", **checkout: Any) -> Any:
        """An order that a shopper paid in the browser."""
        shopper = Shopper(gateway=self.simulator.gateway)
        order = shopper.check_out(*prices, **checkout)
        shopper.pay(card)
        return Order.objects.get(pk=order.pk)

    def payment(self, order: Any) -> balance.PaymentBalance:
        """The order's only payment, as its rows have it now."""
        (payment,) = balance.of_order(order)
        return payment

    def authorization(self, order: Any) -> Any:
        return self.payment(order).authorization

    def debit(self, order: Any, number: int = 0) -> Any:
        return self.payment(order).captures[number].transaction

    def captured(self, *prices: str, **checkout: Any) -> Any:
        """An order whose whole authorization is captured."""
        order = self.order(*prices, **checkout)
        self.do("capture", self.authorization(order))
        return order

    def do(self, operation: str, on: Any, **asked: Any) -> PaymentOperation:
        """One operation that has to be done."""
        done = getattr(service, operation)(on, user=self.staff, **asked)
        assert done.state == "done", (done.state, done.rest_reason)
        return done

    def calls_of_look_ups(self) -> list[Any]:
        """The calls that read one transaction."""
        return [call for call in self.rest.calls if call.target.startswith("/tss/v2/transactions/")]

    def calls(self, action: str) -> list[Any]:
        """The calls of one kind that reached CyberSource: ``captures``, ``refunds``, ``voids``, ``reversals``."""
        return [call for call in self.rest.calls if call.target.endswith(f"/{action}")]


def source_of(order: Any) -> tuple[Decimal, Decimal, Decimal]:
    """What is allocated, debited and refunded."""
    source = Source.objects.get(order=order)
    return source.amount_allocated, source.amount_debited, source.amount_refunded


def transactions(order: Any) -> list[tuple[str, str, str]]:
    """Kind, amount and status of each, oldest first."""
    rows = Transaction.objects.filter(source__order=order).order_by("pk")
    return [(one.txn_type, str(one.amount), one.status) for one in rows]


def events(order: Any) -> list[tuple[str, str, list[int]]]:
    """Kind, amount and the quantities of the order's lines of each payment event, oldest first."""
    rows = PaymentEvent.objects.filter(order=order).select_related("event_type").order_by("pk")
    return [
        (one.event_type.name, str(one.amount), [each.quantity for each in one.line_quantities.order_by("line")])
        for one in rows
    ]


def notes(order: Any) -> str:
    return "\n".join(OrderNote.objects.filter(order=order).order_by("pk").values_list("message", flat=True))
