"""Places in budgets, taken where an attempt begins."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import caches

from ..models import AttemptState, PaymentAttempt
from .alarm import alarm_key, counters, total
from .budgets import BudgetHolder, Place, budgets, first_free
from .cache import UnreliableCache, apart, unavailable
from .rates import current

logger = logging.getLogger(__name__)


class LimitExceeded(Exception):
    """A budget is spent. ``wait``: whole seconds until it has room again. ``spent``: which budgets."""

    def __init__(self, wait: int, spent: Sequence[str]) -> None:
        super().__init__(f"spent: {', '.join(spent)}")
        self.wait = wait
        self.spent = tuple(spent)


@dataclass(eq=False)
class Places:
    """What an attempt took of its budgets; released if it never begins."""

    cache: str = ""
    keys: list[str] = field(default_factory=list)

    def release(self) -> None:
        if not self.keys:
            return
        try:
            cache = caches[self.cache]
            with apart(cache):
                cache.delete_many(self.keys)
        except Exception as problem:
            unavailable(problem)
        self.keys = []


def take(who: BudgetHolder, *, at: float | None = None) -> Places:
    """Take a place in every budget for attempts, or raise :class:`LimitExceeded` with nothing taken.

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
    refused = LimitExceeded(max(1, math.ceil(max(spent.values()) - now)), tuple(spent))
    if limits["shadow"]:
        logger.warning("Limits would have refused a card form (%s); they only watch.", refused)
        return taken
    taken.release()
    logger.warning("Limits refused a card form (%s).", refused)
    raise refused


def ask(cache: Any, who: BudgetHolder, limits: Mapping[str, Any], now: float, taken: Places) -> dict[str, float]:
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
    raise UnreliableCache


def may_be_let_through(who: BudgetHolder, spent: Iterable[str]) -> bool:
    """Only the address is spent, by whomever, and the shopper is signed in."""
    return who.user_id is not None and all(name.endswith("address") for name in spent)


def has_paid_before(who: BudgetHolder) -> bool:
    """The one statement that limits ever ask of the database, where a signed-in shopper would be refused."""
    return PaymentAttempt.objects.filter(order__user_id=who.user_id, state=AttemptState.AUTHORIZED).exists()
