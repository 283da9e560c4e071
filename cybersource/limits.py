"""Budgets that keep the signing endpoint from testing stolen cards at speed.

Three things are counted. *Attempts* are signed forms that take a card: a form is a bearer's ticket for one try at
CyberSource, and whoever holds it need not tell the shop how it ended. *Declines* are what card testing makes and
shopping does not. *Refusals* are orders that were placed, and set goods aside, for which no form could be made: no try
of a card, but whoever goes on empties the shelves. Each has a budget by shopper (the session; attempts also by the user
who is signed in), by order and by network address. All budgets must have room for a form to be begun; one that is spent
refuses until it has refilled.

A budget of "5/h" has five places. A place that is taken becomes free again at a moment of its own, and these moments
lie a fifth of an hour apart: at most five at once, then one every twelve minutes, which makes ten in the first hour at
most and five in each that follows. A refused shopper hears how long the next place takes, and that is minutes.

A place is a cache key of its own that only ``cache.add`` creates, because that is the one operation which is atomic in
memcached, Redis, the database and local memory alike (``incr`` is not, in the database), so twenty processes that ask
at once get five places. The number of the place's turn is part of the key: a key is never used again, whatever the
cache does with expired ones. Keys hold a keyed hash, never an address or a session.

A cache that fails, or that forgets what it is told, breaks no payment: one line is logged and the shopper goes on.

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

import logging
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.utils.crypto import salted_hmac

from .conf import conf
from .models import AttemptState, PaymentAttempt

logger = logging.getLogger(__name__)

#: What ``CYBERSOURCE_LIMITS`` says where it says nothing else.
DEFAULTS: Mapping[str, Any] = {
    "attempts": {"shopper": "10/h", "order": "10/h", "address": "40/h"},
    "declines": {"shopper": "5/h", "order": "5/h", "address": "20/h"},
    "refusals": {"shopper": "5/h", "order": "5/h", "address": "20/h"},
    "alarm": {"shop": "30/15m", "address": "4/2h"},
    "exempt": (),
    "cache": "default",
    "shadow": False,
}

#: Each place is a cache key that is asked for: more than this in one budget would make checkouts slow.
MOST_PLACES = 500

#: Seconds that an alarm goes on after the last decline that called for one.
ALARM_LASTS = 3600

PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

#: Addresses that are no shopper's on the Internet but those of a proxy that nobody named, or of a developer. Counting
#: them would refuse the whole shop for what one did.
INSIDE = tuple(
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
)


class Refused(Exception):
    """A budget is spent. ``wait``: whole seconds until it has room again. ``spent``: which budgets."""

    def __init__(self, wait: int, spent: Sequence[str]) -> None:
        super().__init__(f"spent: {', '.join(spent)}")
        self.wait = wait
        self.spent = tuple(spent)


class CacheForgets(Exception):
    """The cache takes a place and does not have it afterwards, or refuses every one that is free."""


@dataclass(frozen=True, kw_only=True)
class Who:
    """Whose budgets are asked. What is empty has no budget."""

    session_hash: str = ""
    user_id: int | None = None  #: who is signed in; when a form is signed anew, whose order it is
    order: str = ""  #: see :func:`order_key`
    address: str | None = None
    is_limited: bool = True  #: staff are not, and nothing of theirs is counted

    @classmethod
    def of(cls, attempt: PaymentAttempt, *, user_id: int | None = None) -> Who:
        """Whoever began an attempt: replies come from other addresses and without a session."""
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


@dataclass(frozen=True)
class Rate:
    """``number`` places, each free again after at most ``seconds``."""

    number: int
    seconds: int


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


def hashed(text: str) -> str:
    return "cybersource:limits:" + salted_hmac("cybersource.limits", text, algorithm="sha256").hexdigest()[:40]


# -- the setting -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def rate(text: str) -> Rate:
    """Read ``"20/h"`` or ``"30/15m"``: a number, and a period in seconds, minutes, hours or days."""
    match = re.fullmatch(r"(\d+)/(\d*)([smhd])", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no rate")
    number, period = int(match[1]), int(match[2] or 1) * PERIODS[match[3]]
    if not 1 <= number <= MOST_PLACES or not period:
        raise ValueError(f"{text!r}: between 1 and {MOST_PLACES} in a period")
    return Rate(number, period)


def current() -> dict[str, Any] | None:
    """The setting with its defaults filled in; None when limits are switched off."""
    if conf.limits is None:
        return None
    try:
        return merged(conf.limits)
    except (TypeError, ValueError) as problem:
        raise ImproperlyConfigured(f"CYBERSOURCE_LIMITS: {problem}. `manage.py check` says more.") from None


def merged(given: Any) -> dict[str, Any]:
    """Fill in the defaults and read every rate. Raises ValueError with a sentence about what is wrong."""
    if not isinstance(given, Mapping):
        raise ValueError("it is neither a dictionary nor None")
    unknown = sorted(str(key) for key in set(given) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"it has no key {unknown[0]!r}; the keys are {', '.join(DEFAULTS)}")
    result = {**DEFAULTS, **given}
    for kind in ("attempts", "declines", "refusals", "alarm"):
        result[kind] = {name: rate(text) for name, text in part(result, kind).items() if text is not None}
    if isinstance(result["exempt"], str):
        raise ValueError("'exempt' is no list of addresses and networks")
    result["exempt"] = tuple(ip_network(network, strict=False) for network in result["exempt"])
    if not isinstance(result["cache"], str) or not isinstance(result["shadow"], bool):
        raise ValueError("'cache' is the name of a cache, 'shadow' is True or False")
    return result


def part(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One dictionary of the setting; what it does not name keeps its default, and None is none of it."""
    given = settings[kind]
    if given is None:
        return {}
    if not isinstance(given, Mapping) or set(given) - set(DEFAULTS[kind]):
        raise ValueError(f"{kind!r} is no dictionary with the keys {', '.join(DEFAULTS[kind])}")
    return {**DEFAULTS[kind], **given}


# -- budgets -----------------------------------------------------------------------------------------------------------


def is_in(address: str | None, networks: Iterable[Any]) -> bool:
    parsed = read(address) if address else None
    return parsed is not None and any(parsed in network for network in networks)


def read(address: str) -> IPv4Address | IPv6Address:
    parsed = ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


def network_of(address: str | None) -> str:
    """An IPv4 address, or the /64 of an IPv6 one; empty for one that has no budget."""
    if not address or is_in(address, INSIDE):
        return ""
    parsed = read(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def budgets(kind: str, who: Who, limits: Mapping[str, Any]) -> Iterator[Budget]:
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


@dataclass(eq=False)
class Places:
    """What an attempt took of its budgets; given back if it never begins."""

    cache: str = ""
    keys: list[str] = field(default_factory=list)

    def give_back(self) -> None:
        if not self.keys:
            return
        try:
            cache = caches[self.cache]
            with apart(cache):
                cache.delete_many(self.keys)
        except Exception as problem:
            unavailable(problem)
        self.keys = []


def take(who: Who, *, at: float | None = None) -> Places:
    """Take a place in every budget for attempts, or raise :class:`Refused` with nothing taken.

    In shadow mode nobody is refused; the log says who would have been. ``at``: seconds since 1970, now by default.
    """
    limits = current()
    if limits is None or not who.is_limited:
        return Places()
    now = time.time() if at is None else at
    taken = Places(cache=limits["cache"])
    try:
        cache = caches[limits["cache"]]
        with apart(cache):
            spent = ask(cache, who, limits, now, taken)
    except Exception as problem:
        unavailable(problem)
        return taken
    if not spent or (may_be_let_through(who, spent) and has_paid_before(who)):
        return taken
    refused = Refused(max(1, math.ceil(max(spent.values()) - now)), tuple(spent))
    if limits["shadow"]:
        logger.warning("Limits would have refused a card form (%s); they only watch.", refused)
        return taken
    taken.give_back()
    logger.warning("Limits refused a card form (%s).", refused)
    raise refused


def ask(cache: Any, who: Who, limits: Mapping[str, Any], now: float, taken: Places) -> dict[str, float]:
    """Take what is free; return the budgets that are spent, each with the moment from which it has room."""
    declines, refusals, attempts, alarm = (
        [(budget, budget.places(now)) for budget in budgets(kind, who, limits)]
        for kind in ("declines", "refusals", "attempts", "alarm")
    )
    keys = [key for _budget, places in (*declines, *refusals, *attempts, *alarm) for _until, key in places]
    if alarm:
        seconds = limits["alarm"]["address"].seconds
        declined, paid = (counters(each, alarm[0][0].whose, seconds, now) for each in ("declined", "paid"))
        held = cache.get_many([*keys, *declined, *paid, alarm_key()])
        if held.get(alarm_key(), 0) <= now or 2 * total(held, paid) >= total(held, declined) > 0:
            alarm = []  # a third of what comes from there is paid: shoppers, an office
    else:
        held = cache.get_many(keys)
    spent: dict[str, float] = {}
    for budget, places in (*declines, *refusals, *attempts, *alarm):
        if all(key in held for _until, key in places):
            spent[budget.name] = max(spent.get(budget.name, 0), places[0][0])
    if spent and not limits["shadow"] and not may_be_let_through(who, spent):
        return spent  # refused already: take nothing
    for budget, places in attempts:
        if budget.name in spent:
            continue
        key = settled_between_rivals(cache, places, held, now)
        if key:
            taken.keys.append(key)
        else:
            spent[budget.name] = places[0][0]
    return spent


def settled_between_rivals(cache: Any, places: Sequence[Place], held: Mapping[str, Any], now: float) -> str:
    """Take one of the places that seemed free; empty when others were quicker and none is left."""
    for _again in range(3):
        key = first_free(cache, places, held, now)
        if key:
            return key
        held = cache.get_many([key for _until, key in places])
        if len(held) == len(places):
            return ""
    raise CacheForgets


def first_free(cache: Any, places: Iterable[Place], held: Mapping[str, Any], now: float) -> str:
    for until, key in places:
        if key not in held and cache.add(key, 1, timeout=math.ceil(until - now) + 1):
            return key
    return ""


def may_be_let_through(who: Who, spent: Iterable[str]) -> bool:
    """Only the address is spent, by whomever, and the shopper is signed in."""
    return who.user_id is not None and all(name.endswith("address") for name in spent)


def has_paid_before(who: Who) -> bool:
    """The one statement that limits ever ask of the database, where a signed-in shopper would be refused."""
    return PaymentAttempt.objects.filter(order__user_id=who.user_id, state=AttemptState.AUTHORIZED).exists()


def count_decline(who: Who, *, at: float | None = None) -> None:
    """A payment was declined. Called once an attempt, after the commit that settled it."""
    record("declined", who, at)


def count_payment(who: Who, *, at: float | None = None) -> None:
    """A payment was accepted: declines are no alarm where payments outnumber them."""
    record("paid", who, at)


def count_refusal(who: Who, *, at: float | None = None) -> None:
    """An order was placed for which no form could be made. No decline: it says nothing about cards."""
    record("refused", who, at)


#: What fills which budgets, beside what is watched in the shop as a whole.
FILLS: Mapping[str, tuple[str, ...]] = {"declined": ("declines", "alarm"), "refused": ("refusals",), "paid": ()}


def record(what: str, who: Who, at: float | None) -> None:
    limits = current()
    if limits is None or not who.is_limited:
        return
    now = time.time() if at is None else at
    try:
        cache = caches[limits["cache"]]
        with apart(cache):
            for kind in FILLS[what]:
                for budget in budgets(kind, who, limits):
                    places = budget.places(now)
                    first_free(cache, places, cache.get_many([key for _until, key in places]), now)
            if what != "refused":
                watch(cache, what, who, limits, now)
    except Exception as problem:
        unavailable(problem)


# -- the shop as a whole -----------------------------------------------------------------------------------------------


def alarm_key() -> str:
    """Until when there is an alarm."""
    return hashed("alarm")


def counters(what: str, whose: str, seconds: int, now: float) -> list[str]:
    """The counters of this period and of the one before. What a cache loses of them does no harm."""
    return [hashed(f"{what} in {seconds} {now // seconds - back:.0f} {whose}") for back in (0, 1)]


def total(held: Mapping[str, int], keys: Iterable[str]) -> int:
    return sum(held.get(key, 0) for key in keys)


def watch(cache: Any, what: str, who: Who, limits: Mapping[str, Any], now: float) -> None:
    """Count for the address and for the shop as a whole, and begin or prolong an alarm."""
    seconds = {budget.whose: budget.rate.seconds for budget in budgets("alarm", who, limits)}
    if "shop" in limits["alarm"]:
        seconds[""] = limits["alarm"]["shop"].seconds
    for whose, period in seconds.items():
        present = counters(what, whose, period, now)[0]
        cache.add(present, 0, timeout=2 * period + 1)
        cache.incr(present)
    if what != "declined" or "" not in seconds:
        return
    declined, paid = (counters(each, "", seconds[""], now) for each in ("declined", "paid"))
    held = cache.get_many([*declined, *paid, alarm_key()])
    if total(held, declined) < limits["alarm"]["shop"].number or total(held, declined) <= total(held, paid):
        return
    cache.set(alarm_key(), now + ALARM_LASTS, timeout=ALARM_LASTS)
    if held.get(alarm_key(), 0) <= now:
        logger.error(
            "Many card payments are being declined, more than are paid: somebody may be testing stolen cards. For the "
            "next hour a network address from which payments hardly ever come may have few declines."
        )


def under_attack(*, at: float | None = None) -> bool:
    """Whether there is an alarm now. For the shop's own code; a failing cache is no alarm."""
    limits = current()
    if limits is None:
        return False
    try:
        cache = caches[limits["cache"]]
        with apart(cache):
            return bool(cache.get(alarm_key(), 0) > (time.time() if at is None else at))
    except Exception as problem:
        unavailable(problem)
        return False


# -- the cache ---------------------------------------------------------------------------------------------------------


def apart(cache: Any) -> AbstractContextManager[Any]:
    """Keep a database cache that fails from taking the request's transaction with it, where there is one."""
    if isinstance(cache, DatabaseCache):
        using = router.db_for_write(cache.cache_model_class)
        if transaction.get_connection(using).in_atomic_block:
            return transaction.atomic(using=using)
    return nullcontext()


def unavailable(problem: Exception) -> None:
    logger.error("Limits are not applied: the cache failed (%s).", type(problem).__name__)
