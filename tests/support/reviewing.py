"""A payment that went to review, the reviewer, and what the shop's rows say of both."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oscar.core.loading import get_model

from cybersource.models import AttemptState, PaymentAttempt, ReviewNotificationUpdate
from cybersource.simulator import cards
from cybersource.simulator.review import Followon, Update, notification_body
from tests.support.shop import Shopper, post_notification, post_reply

Order = get_model("order", "Order")
OrderNote = get_model("order", "OrderNote")
Transaction = get_model("payment", "Transaction")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One payment under review: the reviewer's doings as message bodies, and the shop's rows, read anew each time."""

    shopper: Shopper
    payment_id: str
    order_id: int

    # -- what the reviewer does; nothing is delivered yet

    def take_ownership(self, reviewer: str = "lena.review") -> bytes:
        return self.shopper.gateway.take_ownership(self.payment_id, reviewer).body

    def add_note(self, comment: str, reviewer: str = "lena.review") -> bytes:
        return self.shopper.gateway.add_note(self.payment_id, reviewer, comment).body

    def accept(self, **how: Any) -> bytes:
        return self.shopper.gateway.decide(self.payment_id, "ACCEPT", **{"reviewer": "lena.review", **how}).body

    def reject(self, **how: Any) -> bytes:
        return self.shopper.gateway.decide(self.payment_id, "REJECT", **{"reviewer": "lena.review", **how}).body

    def update(self, **said: Any) -> Update:
        """What a message may say of this case, in words of one's own choosing."""
        named = {"reference_number": self.order.number, "request_id": self.request_id, "reviewer": "lena.review"}
        return Update(**{**named, **said})

    # -- what the shop knows

    @property
    def request_id(self) -> str:
        return self.shopper.gateway.payment(self.payment_id).transaction_id or ""

    @property
    def order(self) -> Any:
        return Order.objects.get(pk=self.order_id)

    @property
    def status(self) -> str:
        return self.order.status

    @property
    def transaction(self) -> Any:
        return Transaction.objects.get(reference=self.request_id, txn_type="Authorise")

    @property
    def source(self) -> Any:
        return self.transaction.source

    @property
    def attempt(self) -> PaymentAttempt:
        return PaymentAttempt.objects.get(source=self.source)

    @property
    def notes(self) -> list[str]:
        return notes(self.order)

    @property
    def reviewers_notes(self) -> list[str]:
        return [note for note in self.notes if note.startswith("Decision Manager note by")]

    @property
    def told(self) -> list[str]:
        """What became of each update about this case, in the order they came."""
        updates = ReviewNotificationUpdate.objects.filter(request_id=self.request_id).order_by("pk")
        return list(updates.values_list("state", flat=True))


def come_back(shopper: Shopper) -> Any:
    """The shopper's page, which waited for the reviewer, looks again and goes where the order now belongs."""
    return shopper.client.get(f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/", follow=True)


def under_review(shopper: Shopper, *prices: str, key: str = "cybersource", **changes: Any) -> Case:
    """An order whose card payment waits for a reviewer."""
    order = shopper.check_out(*prices, **changes)
    return reviewed(shopper, order, key)


def reviewed(shopper: Shopper, order: Any, key: str = "cybersource") -> Case:
    """Pay an order with the card that goes to review."""
    shopper.pay(cards.REVIEW, key=key)
    payment = shopper.gateway.cases[-1]
    assert PaymentAttempt.objects.get(transaction_uuid=payment.transaction_uuid).order_id == order.pk
    return Case(shopper=shopper, payment_id=payment.id, order_id=order.pk)


def under_review_as(number: str, request_id: str, *, shopper: Shopper | None = None, **reply: str) -> Any:
    """An order under review with a number and a request id that a recorded message names. Returns the order."""
    shopper = shopper or Shopper()
    order = shopper.check_out()
    attempt = PaymentAttempt.objects.filter(order=order).latest("pk")
    Order.objects.filter(pk=order.pk).update(number=number)
    PaymentAttempt.objects.filter(pk=attempt.pk).update(reference_number=number)
    attempt.refresh_from_db()
    told = {"decision": "REVIEW", "reason_code": "480", "transaction_id": request_id, **reply}
    assert post_reply(shopper.reply(attempt, **told)).status_code == 303
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.REVIEW
    return Order.objects.get(pk=order.pk)


def tell(*updates: Update | bytes, gateway: Any = None) -> int:
    """Deliver a message, or one made of these updates; return the shop's answer."""
    if len(updates) == 1 and isinstance(updates[0], bytes):
        body = updates[0]
    else:
        body = notification_body((gateway or Shopper().gateway).notification_xml(updates))
    return post_notification(body).status_code


def notes(order: Any) -> list[str]:
    return list(OrderNote.objects.filter(order=order).order_by("pk").values_list("message", flat=True))


def transactions(order: Any) -> list[tuple[str, Decimal, str]]:
    found = Transaction.objects.filter(source__order=order).order_by("pk")
    return list(found.values_list("txn_type", "amount", "status"))


def settlement(request_id: str = "7312349012346013604025", **other: str) -> Followon:
    return Followon(request_id=request_id, **other)
