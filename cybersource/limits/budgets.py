"""Budgets that keep the signing endpoint from testing stolen cards at speed.

Three things are counted. *Attempts* are signed forms that take a card: a form is a bearer's ticket for one try at
CyberSource, and its holder need not tell the shop how it ended. *Declines* are what card testing makes and
shopping does not. *Refusals* are orders that were placed, and set goods aside, for which no form could be made: no try
of a card, but one who goes on empties the shelves. Each has a budget by shopper (the session; attempts also by the user
who is signed in), by order and by network address. All budgets must have room for a form to be begun; one that is spent
refuses until it has refilled.

A budget of "5/h" has five places. A place that is taken becomes free again at a moment of its own, and these moments
lie a fifth of an hour apart: at most five at once, then one every twelve minutes, which makes ten in the first hour at
most and five in each that follows. A refused shopper hears how long the next place takes, and that is minutes.

A place is a cache key of its own that only ``cache.add`` creates, because that is the one operation which is atomic in
memcached, Redis, the database and local memory alike (``incr`` is not, in the database), so twenty processes that ask
at once get five places. The number of the place's turn is part of the key: a key is never used again, whatever the
cache does with expired ones. Keys hold a keyed hash, never an address or a session.

A cache that fails, or that forgets what it holds, breaks no payment: one line is logged and the shopper goes on.

Why the defaults are what they are: an honest shopper mistypes a card two or three times, so a shopper and an order may
have five declines and ten forms at once. An office, a household or a mobile carrier shares one address, so an address
may have forty forms and twenty declines. A signed-in customer who has paid before is let through where only the
address is spent: somebody else's doings there are not theirs. An IPv6 subscriber owns a whole /64, so that is an
address.

An attack from many addresses shows only in the whole shop. When it sees many declines, and more of them than payments,
then for an hour an address may have four declines, unless a third of its tries are paid, and the log says so
(:func:`under_attack` tells the shop's own code, which can ask everybody for a captcha). Very many addresses with one
card each no budget can tell from shoppers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import Any

from ..models import PaymentAttempt
from .cache import hashed
from .rates import INSIDE, Rate, is_in, read


@dataclass(frozen=True, kw_only=True)
class BudgetHolder:
    """Whose budgets an attempt counts against. What is empty has no budget."""

    session_hash: str = ""
    user_id: int | None = None  #: who is signed in; when a form is signed anew, whose order it is
    order: str = ""  #: see :func:`order_key`
    address: str | None = None
    is_limited: bool = True  #: staff are not, and nothing of theirs is counted

    @classmethod
    def of(cls, attempt: PaymentAttempt, *, user_id: int | None = None) -> BudgetHolder:
        """Return who began an attempt: replies come from other addresses and without a session."""
        return cls(
            session_hash=attempt.session_hash,
            user_id=user_id,
            order=order_key(attempt.order),
            address=attempt.customer_ip_address,
            is_limited=attempt.is_limited,
        )


def order_key(order: Any) -> str:
    """The basket stands for the order, which keeps it through every retry and has it before it has a number."""
    return f"basket-{order.basket_id}" if order.basket_id else f"order-{order.pk}"


#: A place in its present turn: until when it stays taken, and its cache key.
Place = tuple[float, str]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One budget of one shopper, order or address."""

    name: str
    rate: Rate
    whose: str

    def places(self, at: float) -> list[Place]:
        """Every place, the one first that is free again soonest."""
        number, seconds = self.rate.number, self.rate.seconds
        digest = hashed(f"{self.name} {number}/{seconds} {self.whose}")
        places = []
        for index in range(number):
            shift = index * seconds / number
            turn = (at + shift) // seconds
            places.append(((turn + 1) * seconds - shift, f"{digest}:{index}:{turn:.0f}"))
        return sorted(places)


def network_of(address: str | None) -> str:
    """An IPv4 address, or the /64 of an IPv6 one; empty for one that has no budget."""
    if not address or is_in(address, INSIDE):
        return ""
    parsed = read(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def budgets(kind: str, who: BudgetHolder, limits: Mapping[str, Any]) -> Iterator[Budget]:
    """Somebody's budgets. In an exempt network shoppers share a session, as at a till: only orders have one there."""
    whose = [("order", who.order)]
    if not is_in(who.address, limits["exempt"]):
        whose = [
            ("shopper", f"session {who.session_hash}" if who.session_hash else ""),
            ("shopper", f"user {who.user_id}" if who.user_id is not None else ""),
            *whose,
            ("address", network_of(who.address)),
        ]
    for name, value in whose:
        if value and name in limits[kind]:
            yield Budget(name=f"{kind} by {name}", rate=limits[kind][name], whose=value)


def first_free(cache: Any, places: Iterable[Place], held: Mapping[str, Any], now: float) -> str:
    for until, key in places:
        if key not in held and cache.add(key, 1, timeout=math.ceil(until - now) + 1):
            return key
    return ""
