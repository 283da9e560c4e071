"""Many declines at once: the shop is under attack."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.cache import caches

from .budgets import BudgetHolder, budgets, first_free
from .cache import apart, hashed, unavailable
from .rates import current

logger = logging.getLogger(__name__)

#: Seconds that an alarm goes on after the last decline that called for one.
ALARM_LASTS = 3600


def count_decline(who: BudgetHolder, *, at: float | None = None) -> None:
    """A payment was declined. Called once an attempt, after the commit that settled it."""
    record("declined", who, at)


def count_payment(who: BudgetHolder, *, at: float | None = None) -> None:
    """A payment was accepted: declines are no alarm where payments outnumber them."""
    record("paid", who, at)


def count_refusal(who: BudgetHolder, *, at: float | None = None) -> None:
    """An order was placed for which no form could be made. No decline: it says nothing about cards."""
    record("refused", who, at)


#: What fills which budgets, beside what is watched in the shop as a whole.
FILLS: Mapping[str, tuple[str, ...]] = {"declined": ("declines", "alarm"), "refused": ("refusals",), "paid": ()}


def record(what: str, who: BudgetHolder, at: float | None) -> None:
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


def watch(cache: Any, what: str, who: BudgetHolder, limits: Mapping[str, Any], now: float) -> None:
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
