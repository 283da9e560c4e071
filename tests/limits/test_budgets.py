"""Budgets against card testing: what they count, whom they refuse, and a simulated attack among honest shoppers.

Moments are given to the budgets (``at=``); the cache is Django's own, in local memory, in the database or broken.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext, override_settings

from cybersource.limits import alarm, places
from cybersource.limits.budgets import BudgetHolder
from cybersource.limits.places import LimitExceeded

pytestmark = pytest.mark.real_checkout

NOON = 1_800_000_000.0
HOUR = 3600


@pytest.fixture(autouse=True)
def on(settings):
    """Limits with their defaults, in a memory of their own."""
    settings.CYBERSOURCE_LIMITS = {}
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "limits",
            "OPTIONS": {"MAX_ENTRIES": 1_000_000},
        }
    }
    yield
    cache.clear()


def tries(who: BudgetHolder, times: int, *, at: float = NOON, decline: bool = False) -> int:
    """How many forms are begun, asking as often as ``times``."""
    begun = 0
    for _time in range(times):
        try:
            places.take(who, at=at)
        except LimitExceeded:
            continue
        begun += 1
        if decline:
            alarm.count_decline(who, at=at)
    return begun


def somebody(**who: Any) -> BudgetHolder:
    number = next(counter)
    address = f"198.51.{number // 250 % 250}.{number % 250 + 1}"
    return BudgetHolder(**{"session_hash": f"session {number}", "order": f"basket-{number}", "address": address, **who})


counter = itertools.count()


# -- what is counted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("same", "begun", "declined"),
    [
        ({"session_hash": "one session"}, 10, 5),
        ({"order": "basket-1"}, 10, 5),
        ({"address": "203.0.113.7"}, 40, 20),
    ],
    ids=["session", "order", "address"],
)
def test_a_shopper_an_order_and_an_address_have_a_budget_of_forms_and_a_smaller_one_of_declines(same, begun, declined):
    assert sum(tries(somebody(**same), 1) for _time in range(60)) == begun
    cache.clear()
    assert sum(tries(somebody(**same), 1, decline=True) for _time in range(60)) == declined


def test_a_user_who_signs_in_again_and_again_has_one_budget_of_forms():
    assert sum(tries(somebody(user_id=7), 1) for _time in range(30)) == 10


@pytest.mark.quick
def test_an_honest_shopper_may_be_declined_four_times_and_then_pay():
    shopper = somebody()
    assert tries(shopper, 4, decline=True) == 4
    assert tries(shopper, 1) == 1


def test_a_spent_budget_says_when_it_has_room_and_then_has_it():
    shopper = somebody()
    tries(shopper, 5, decline=True)
    with pytest.raises(LimitExceeded) as refused:
        places.take(shopper, at=NOON)
    assert 0 < refused.value.wait <= HOUR / 5
    assert refused.value.spent == ("declines by shopper", "declines by order")
    assert tries(shopper, 1, at=NOON + refused.value.wait - 2) == 0
    assert tries(shopper, 1, at=NOON + refused.value.wait) == 1


def test_a_budget_refills_evenly_and_never_gives_more_than_it_says_in_an_hour_that_follows():
    shopper = somebody()
    in_hour = Counter()
    for second in range(0, 4 * HOUR, 20):
        in_hour[second // HOUR] += tries(shopper, 1, at=NOON + second, decline=True)
    assert in_hour[0] <= 10
    assert in_hour[1] == in_hour[2] == in_hour[3] == 5


def test_a_refused_try_takes_nothing_from_any_budget():
    spent = somebody()
    tries(spent, 5, decline=True)
    assert tries(spent, 1000) == 0
    neighbour = somebody(address=spent.address)
    assert tries(neighbour, 10) == 10


def test_a_place_that_was_given_back_is_free_again():
    shopper = somebody()
    for _time in range(50):
        places.take(shopper, at=NOON).release()
    assert tries(shopper, 50) == 10


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:fffe"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_addresses_of_one_subscriber_share_a_budget(one, other):
    tries_of = [tries(somebody(address=address), 1) for address in (one, other) * 30]
    assert sum(tries_of) == 40


def test_the_next_subscriber_over_has_a_budget_of_its_own():
    for _time in range(40):
        tries(somebody(address="2001:db8:1:2::1"), 1)
    assert tries(somebody(address="2001:db8:1:2::1"), 1) == 0
    assert tries(somebody(address="2001:db8:1:3::1"), 1) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "10.4.1.9", "172.20.0.3", "100.64.0.1", "fd00::1", "::1", None])
def test_the_address_of_a_proxy_that_nobody_named_refuses_nobody(address):
    assert sum(tries(somebody(address=address), 1) for _time in range(60)) == 60


def test_a_network_may_be_exempt(settings):
    settings.CYBERSOURCE_LIMITS = {"exempt": ["203.0.113.0/28"]}
    assert sum(tries(somebody(address="203.0.113.7"), 1) for _time in range(60)) == 60
    assert sum(tries(somebody(address="203.0.113.16"), 1) for _time in range(60)) == 40


def test_the_tills_of_a_store_take_one_order_after_the_other_and_each_order_keeps_its_budget(settings):
    settings.CYBERSOURCE_LIMITS = {"exempt": ["192.0.2.0/28"]}
    till = {"session_hash": "till", "user_id": 7, "address": "192.0.2.5"}
    assert sum(tries(somebody(**till), 1, decline=True) for _time in range(60)) == 60
    assert tries(somebody(**till, order="basket-1"), 60, decline=True) == 5
    assert tries(somebody(**{**till, "address": "192.0.2.16"}), 60) == 10


def test_what_staff_begin_is_neither_refused_nor_counted():
    member = {"session_hash": "phone", "user_id": 7, "order": "basket-1", "address": "203.0.113.7"}
    assert tries(BudgetHolder(**member, is_limited=False), 60, decline=True) == 60
    assert not alarm.under_attack(at=NOON)
    assert tries(BudgetHolder(**member), 60, decline=True) == 5


def test_one_budget_can_be_set_and_another_switched_off(settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "2/m", "order": None}}
    order, session = {"order": "basket-1"}, {"session_hash": "one"}
    assert sum(tries(somebody(**order), 1) for _time in range(20)) == 20
    assert sum(tries(somebody(**session), 1) for _time in range(20)) == 2
    assert sum(tries(somebody(**session), 1, at=NOON + 61) for _time in range(20)) == 2


def test_none_switches_limits_off_and_asks_no_cache(settings):
    settings.CYBERSOURCE_LIMITS = None
    settings.CACHES = {"default": {"BACKEND": "tests.limits.test_budgets.Down"}}
    shopper = somebody()
    assert tries(shopper, 100, decline=True) == 100
    assert not alarm.under_attack()


def test_shadow_mode_refuses_nobody_and_says_whom_it_would(settings, caplog):
    settings.CYBERSOURCE_LIMITS = {"shadow": True}
    shopper = somebody()
    assert tries(shopper, 12) == 12
    said = [record.getMessage() for record in caplog.records]
    assert (
        said
        == ["Limits would have refused a card form (spent: attempts by shopper, attempts by order); they only watch."]
        * 2
    )
    settings.CYBERSOURCE_LIMITS = {}
    assert tries(shopper, 1) == 0, "what it counted stands when shadow mode ends"


def test_the_cache_and_the_log_hold_no_address_and_no_session(caplog):
    shopper = somebody(address="203.0.113.77", session_hash="0123456789abcdef" * 4, order="basket-4711", user_id=4712)
    with caplog.at_level(logging.DEBUG):
        tries(shopper, 20, decline=True)
    kept = " ".join([*caches["default"]._cache, *caplog.messages])
    assert "Limits refused" in kept
    for clear in ("203.0.113", "0123456789abcdef", "4711", "4712"):
        assert clear not in kept


# -- several processes, and a cache that fails -------------------------------------------------------------------------


def at_once(count: int, who: BudgetHolder) -> int:
    """That many threads ask at the same moment; how many get a form."""

    def ask(_number: int) -> int:
        try:
            return tries(who, 1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(ask, range(count)))


def test_twenty_threads_get_the_five_places_of_a_budget(settings):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "5/d", "order": None, "address": None}}
    for _round in range(20):
        assert at_once(20, somebody()) == 5


@pytest.fixture
def database_cache(settings, committed_db):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "limits_cache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }
    call_command("createcachetable")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE limits_cache")
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def test_twenty_connections_get_the_five_places_of_a_budget_in_a_database_cache(settings, database_cache):
    settings.CYBERSOURCE_LIMITS = {"attempts": {"shopper": "5/d", "order": None, "address": None}}
    for _round in range(5):
        assert at_once(20, somebody()) == 5


class Down(LocMemCache):
    """A cache whose server does not answer."""

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionRefusedError("203.0.113.77 refused the connection")


class Deaf(LocMemCache):
    """A cache whose client swallows every error, as memcached's may be told to: nothing is kept, nothing is found."""

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        return {}

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return False


@pytest.mark.parametrize(("backend", "why"), [(Down, "ConnectionRefusedError"), (Deaf, "UnreliableCache")])
def test_a_cache_that_fails_refuses_nobody_and_logs_one_line_a_try(settings, caplog, backend, why):
    settings.CACHES = {"default": {"BACKEND": f"{backend.__module__}.{backend.__name__}"}}
    assert tries(somebody(), 12) == 12
    assert caplog.messages == [f"Limits are not applied: the cache failed ({why})."] * 12


def test_a_cache_without_its_table_leaves_the_requests_transaction_usable(committed_db):
    missing = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "no_such_table"}
    with override_settings(CACHES={"default": missing}), transaction.atomic():  # ATOMIC_REQUESTS
        assert tries(somebody(), 1, decline=True) == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")


def test_budgets_in_a_cache_cost_no_sql(committed_db):
    with CaptureQueriesContext(connection) as ran:
        tries(somebody(), 12, decline=True)
        alarm.count_payment(somebody())
    assert ran.captured_queries == []


# -- the shop as a whole -----------------------------------------------------------------------------------------------


def test_many_declines_and_few_payments_are_an_alarm_told_once(caplog):
    for _time in range(29):
        tries(somebody(), 1, decline=True)
    assert not alarm.under_attack(at=NOON)
    for _time in range(5):
        tries(somebody(), 1, decline=True)
    assert alarm.under_attack(at=NOON)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "testing stolen cards" in caplog.messages[0]
    assert not alarm.under_attack(at=NOON + HOUR), "it ends by itself"


def test_a_large_shop_with_more_payments_than_declines_has_no_alarm():
    for _time in range(100):
        alarm.count_payment(somebody(), at=NOON)
        tries(somebody(), 1, decline=True)
    assert not alarm.under_attack(at=NOON)
    tries(somebody(), 1, decline=True)
    assert alarm.under_attack(at=NOON)


def test_an_alarm_leaves_an_office_alone_whose_payments_are_mostly_accepted():
    for _time in range(30):
        tries(somebody(), 1, decline=True)
    for _time in range(5):
        alarm.count_payment(somebody(address="203.0.113.7"), at=NOON)
    declined = sum(tries(somebody(address="203.0.113.7"), 1, decline=True) for _time in range(40))
    assert declined == 11, "until fewer than a third of them are paid"


def test_an_alarm_leaves_an_address_four_declines():
    for _time in range(30):
        tries(somebody(), 1, decline=True)
    assert sum(tries(somebody(address="203.0.113.7"), 1, decline=True) for _time in range(40)) == 4
    with pytest.raises(LimitExceeded) as refused:
        places.take(somebody(address="203.0.113.7"), at=NOON)
    assert 0 < refused.value.wait <= HOUR


# -- an attack among honest shoppers -----------------------------------------------------------------------------------
# One hour: 200 honest checkouts, of which one in eight tries is declined, and 1,600 cards to be tested.

DECLINED_HONESTLY = 0.12
HOME = itertools.count()


@dataclass
class Day:
    """What became of an hour of both."""

    honest: Counter = field(default_factory=Counter)
    attack: Counter = field(default_factory=Counter)

    @property
    def stopped(self) -> float:
        return 1 - self.attack["tested"] / self.attack["cards"]


def home() -> str:
    number = next(HOME)
    return f"198.{18 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def hour(attackers: Any, *, office: str = "", told: bool = True, seed: int = 1) -> Day:
    """Play one hour. ``attackers(number)`` is who tests card number so-and-so.

    ``office``: the address that forty of the 200 share. ``told``: whether the shop hears of the attack's declines.
    """
    rolled = random.Random(seed)
    start = NOON + rolled.random() * HOUR
    day = Day()
    queue: list[tuple[float, int, str, BudgetHolder, int]] = []
    ticket = itertools.count()
    for number in range(200):
        who = somebody(address=office if office and number % 5 == 0 else home())
        heapq.heappush(queue, (start + rolled.random() * HOUR, next(ticket), "honest", who, 0))
    for number in range(1600):
        heapq.heappush(queue, (start + (number + 0.5) * HOUR / 1600, next(ticket), "attack", attackers(number), 0))
    while queue:
        now, _ticket, kind, who, declined = heapq.heappop(queue)
        count = day.honest if kind == "honest" else day.attack
        count["cards"] += 1
        try:
            places.take(who, at=now)
        except LimitExceeded:
            count["refused"] += 1
            continue
        count["tested"] += 1
        if kind == "attack":
            if told:
                alarm.count_decline(who, at=now + 1)
        elif rolled.random() < DECLINED_HONESTLY:
            alarm.count_decline(who, at=now + 1)
            if declined < 3:  # mistyped, or takes another card
                heapq.heappush(queue, (now + 90, next(ticket), kind, who, declined + 1))
        else:
            alarm.count_payment(who, at=now + 1)
    return day


def sessions(*, addresses: int) -> Any:
    """A new session and order for each card, over a botnet of so many addresses."""
    hosts = [home() for _host in range(addresses)]
    return lambda number: somebody(address=hosts[number % addresses])


OFFICE = "192.0.2.80"

SHAPES = {
    "one address, a new session and order for each card": ({}, lambda: sessions(addresses=1)),
    "the same, and the shop hears of no decline": ({"told": False}, lambda: sessions(addresses=1)),
    "one session, a new order for each card": (
        {},
        lambda: lambda _number: somebody(session_hash="bot", address="192.0.2.66"),
    ),
    "one session that changes its address for each card": (
        {},
        lambda: lambda _number: somebody(session_hash="roaming bot", address=home()),
    ),
    "a botnet of 1,600 addresses on one order": (
        {},
        lambda: lambda _number: somebody(order="basket-666", address=home()),
    ),
    "a new IPv6 address of one /64, session and order for each card": (
        {},
        lambda: lambda number: somebody(address=f"2001:db8:6:6::{number:x}"),
    ),
    "a botnet of ten addresses, a new session and order for each card": ({}, lambda: sessions(addresses=10)),
    "a botnet of ten addresses, while an office elsewhere shops": (
        {"office": OFFICE},
        lambda: sessions(addresses=10),
    ),
    "behind the address of an office, in one session": (
        {"office": OFFICE},
        lambda: lambda _number: somebody(session_hash="bot at work", address=OFFICE),
    ),
    "behind the address of an office, in two sessions": (
        {"office": OFFICE},
        lambda: lambda number: somebody(session_hash=f"bot {number % 2} at work", address=OFFICE),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_attack_is_stopped_and_no_honest_shopper_notices(shape, caplog):
    caplog.set_level(logging.CRITICAL, "cybersource.limits.budgets")
    options, attackers = SHAPES[shape]
    hours = [attacked(attackers(), **options, seed=seed) for seed in range(1, EXAMPLES + 1)]
    assert [day.honest["refused"] for day in hours] == [0] * EXAMPLES
    assert min(day.stopped for day in hours) >= 0.95


#: More hours of each shape on request; each is another roll of who comes when.
EXAMPLES = 10 if os.environ.get("CYBERSOURCE_TESTS") == "thorough" else 1


def attacked(attackers: Any, **options: Any) -> Day:
    cache.clear()
    return hour(attackers, **options)
