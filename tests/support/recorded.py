"""What a shopper did before the test begins: done over HTTP once, recorded, and put in again from then on.

Most tests begin with an order that somebody placed, and often paid. To place and pay one
over HTTP takes a third of a second of a core, and leaves the same rows each time. So the first time in a process it is
really done, and the rows that it wrote are kept; where the same steps are asked for again in an equally fresh shop, the
rows are written in a few statements, their times moved to now. CyberSource is not recorded: the forms are posted to the
test's own gateway again, and what it answers anew (numbers, times, signatures) takes the place of the old in the rows.

A step is put in only where nothing differs from when it was recorded: arguments, settings, cookies, cache, gateway, the
steps before it, and what stands in the tables. It is really done wherever a test has replaced code, listens to a signal
or the log, counts statements or is inside a transaction; and wherever the checkout itself is what is tested:
``pytestmark = pytest.mark.real_checkout``. The rows keep their ids, which is safe because sequences only go forward.
``CYBERSOURCE_TESTS=thorough`` puts nothing in: all is really done.
"""

from __future__ import annotations

import copy
import functools
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from django.conf import UserSettingsHolder, settings
from django.core import mail
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.dispatch import Signal
from django.urls import get_resolver
from django.utils import timezone, translation

from cybersource.simulator import Answer, signing
from tests.support import database

PORT = re.compile(r"(?:127\.0\.0\.1|localhost):\d+")
#: Stands in recorded statements for how far times are to be moved.
MOVED = "\x01"

Rows = dict[str, dict[str, str]]  #: table -> primary key -> the row's values as SQL, times with MOVED


@dataclass
class Step:
    """What was done after what, and what it left. The root is a shop in which nothing was done."""

    statements: str = ""
    at: float = 0.0
    posts: list[tuple[str, list[tuple[str, str]], dict[str, str]]] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    knows: dict[str, Any] = field(default_factory=dict)  #: what the shopper's object has in its fields
    cookies: Any = None
    cached: tuple[dict[str, Any], dict[str, float | None]] = field(default_factory=lambda: ({}, {}))
    mails: list[Any] = field(default_factory=list)
    result: Any = None
    next: dict[Any, Step] = field(default_factory=dict)


ROOT = Step()


@dataclass
class Scene:
    """The shop of the test that runs now: which steps led to it."""

    fixtures: Any  #: pytest's request
    receivers: list[int]
    step: Step | None = field(default_factory=lambda: ROOT)
    tables: Any = None  #: what :func:`look` saw after the step
    actors: list[Any] = field(default_factory=list)
    anew: dict[str, str] = field(default_factory=dict)  #: recorded text -> what stands for it in this test


scene: Scene | None = None
_inside = False


@contextmanager
def steps(request: Any) -> Iterator[None]:
    """Let the steps of one test be put in from the records."""
    global scene
    before, scene = scene, Scene(request, listening())
    try:
        yield
    finally:
        scene = before


def step(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of a shopper, or of anybody with ``gateway``, one that is recorded."""

    @functools.wraps(method)
    def wrapped(actor: Any, *args: Any, **kwargs: Any) -> Any:
        global _inside
        if scene is None or _inside or not may_be_recorded():
            return method(actor, *args, **kwargs)
        _inside = True
        try:
            return taken(actor, method, args, kwargs)
        finally:
            _inside = False

    return wrapped


def taken(actor: Any, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Put a step in, or take and record it, or just take it."""
    assert scene is not None
    tables = look()
    if tables == {}:
        scene.step, scene.tables, scene.anew, scene.actors = ROOT, {}, {}, []
    described = description(actor, method, args, kwargs)
    if described is None or tables is None or scene.step is None or tables != scene.tables:
        scene.step = None
        return method(actor, *args, **kwargs)
    first = {new: old for old, new in scene.anew.items()}
    text = substituted(repr(described), first) if any(isinstance(one, Answer) for one in args) else repr(described)
    ports = list(dict.fromkeys(PORT.findall(text)))
    key = PORT.sub(lambda found: f"port {ports.index(found[0])}", text)
    known = scene.step.next.get(key)
    if known:
        result = put_in(known, actor, ports)
        scene.step, scene.tables = known, look()
        return result
    return recorded(key, ports, actor, functools.partial(method, actor, *args, **kwargs))


# ------------------------------------------------------------------------------------------- may it be, and is it equal


def may_be_recorded() -> bool:
    """Tell whether only the shop's own code, nobody else, would notice that a step is really taken."""
    assert scene is not None
    return not (
        "caplog" in scene.fixtures.fixturenames
        or connection.in_atomic_block
        or connection.force_debug_cursor
        or connection.execute_wrappers
        or threading.current_thread() is not threading.main_thread()
        or listening() != scene.receivers
    )


def listening() -> list[int]:
    """Return how many receivers each signal has."""
    return [sum(alive(receiver) for receiver in signal.receivers) for signal in signals()]


def alive(receiver: Any) -> bool:
    # Django 5 put one more thing at the end, Django 4.2 has the reference there.
    return not any(
        callable(part) and type(part).__name__ in {"ReferenceType", "WeakMethod"} and part() is None
        for part in receiver
    )


@functools.cache
def signals() -> list[Signal]:
    assert get_resolver().url_patterns  # views connect receivers of their own when they are imported
    found = {
        id(value): value
        for module in list(sys.modules.values())
        for value in list(getattr(module, "__dict__", {}).values())
        if isinstance(value, Signal)
    }
    return list(found.values())


def description(actor: Any, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Return all that a step depends on, beside the tables; None where that cannot be told."""
    assert scene is not None
    if not any(actor is each for each in scene.actors):
        scene.actors.append(actor)
    number = next(number for number, each in enumerate(scene.actors) if each is actor)
    described = [
        method.__qualname__, type(actor).__qualname__, [told(one) for one in args], kwargs, number,
        knowledge(actor), browser(actor), overridden(), patched(),
        translation.get_language(), timezone.get_current_timezone_name(), cached()[0], len(mail.outbox),
    ]  # fmt: skip
    gateway = getattr(actor, "gateway", None)
    if gateway is not None:
        if gateway._clock.__module__ != "cybersource.simulator.gateway" or "submit" in vars(gateway):
            return None
        described.append(gateway_state(gateway))
    return described if is_plain(described) else None


def told(argument: Any) -> Any:
    """Return what a step is told: of an answer of CyberSource's, the reply that the browser brings."""
    return ("Answer", argument.reply) if isinstance(argument, Answer) else argument


def knowledge(actor: Any) -> dict[str, Any]:
    """Return what somebody remembers beside their browser."""
    return {name: value for name, value in vars(actor).items() if name not in {"client", "gateway", "simulator"}}


def browser(actor: Any) -> list[Any]:
    client = vars(actor).get("client")
    if client is None:
        return []
    return [
        type(client).__qualname__,
        client.defaults,
        client.cookies.output(),
        client.raise_request_exception,
        client.handler.enforce_csrf_checks,
    ]


def gateway_state(gateway: Any) -> list[Any]:
    memory = gateway._memory
    return [
        repr(gateway.settings), repr([sorted(one.other_keys) for one in gateway.settings.profiles]),
        repr(gateway.faults.rules), repr(gateway.faults.default), repr(gateway.rest.faults._next),
        len(memory.payments), len(memory.refusals), len(memory.deliveries), len(memory._submitted),
        len(gateway.rest.calls), gateway.rest._ahead, sorted(vars(gateway)),
    ]  # fmt: skip


def overridden() -> dict[str, Any]:
    """Return the settings that differ from those of the run."""
    found: dict[str, Any] = {}
    holder = settings._wrapped
    while isinstance(holder, UserSettingsHolder):
        own = {name: value for name, value in vars(holder).items() if name.isupper()}
        found = {**own, **dict.fromkeys(holder._deleted, "deleted"), **found}
        holder = holder.default_settings
    return found


def patched() -> list[Any]:
    """Return what the test's ``monkeypatch`` put where."""
    assert scene is not None
    if "monkeypatch" not in scene.fixtures.fixturenames:
        return []
    patches = scene.fixtures.getfixturevalue("monkeypatch")
    if patches._setitem or patches._cwd or patches._savesyspath:
        return [object()]
    return [(repr(target), name, getattr(target, name, "")) for target, name, _old in patches._setattr]


def is_plain(value: Any) -> bool:
    """Tell whether a value's ``repr`` says all there is to it."""
    if isinstance(value, dict):
        return all(is_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_plain, value))
    return value is None or isinstance(value, str | bytes | int | float | Decimal | date | timedelta | Enum)


def cached() -> tuple[dict[str, Any], dict[str, float | None]]:
    return dict(cache._cache), dict(cache._expire_info)


# ------------------------------------------------------------------------------------------------------ what is written


@functools.cache
def columns() -> dict[str, tuple[list[str], str, str]]:
    """Return of each table its columns, its rows' values as SQL, and its primary key as SQL."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT c.relname, quote_ident(a.attname), format_type(a.atttypid, NULL),
                coalesce(a.attnum = ANY(i.indkey), false)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
            WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY c.relname, a.attnum""")
        tables: dict[str, list[tuple[str, str, bool]]] = {}
        for table, column, kind, in_key in cursor.fetchall():
            if table not in database.KEPT:
                tables.setdefault(table, []).append((column, kind, in_key))
    return {
        table: (
            [column for column, _, _ in all_of_it],
            " || ', ' || ".join(written(column, kind) for column, kind, _ in all_of_it),
            " || ', ' || ".join(f"quote_nullable({column})" for column, _, in_key in all_of_it if in_key),
        )
        for table, all_of_it in tables.items()
    }


def written(column: str, kind: str) -> str:
    if kind.startswith("timestamp"):
        return f"coalesce('(' || quote_literal({column}) || '::{kind} + {MOVED})', 'NULL')"
    return f"quote_nullable({column})"


def look() -> dict[str, tuple[int, int]] | None:
    try:
        return database.written()
    except DatabaseError:  # a test has taken a table away
        return None


def rows(tables: Any) -> Rows:
    found: Rows = {table: {} for table in tables}
    if tables:
        with connection.cursor() as cursor:
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{table}', {columns()[table][2]}, {columns()[table][1]} FROM \"{table}\""
                    for table in tables
                )
            )
            for table, key, values in cursor.fetchall():
                found[table][key] = values
    return found


def difference(before: Rows, after: Rows) -> str:
    """Return the statements that make the rows of ``after`` from those of ``before``."""
    statements = []
    for table in sorted({*before, *after}):
        old, new = before.get(table, {}), after.get(table, {})
        gone = [key for key in old if old[key] != new.get(key)]
        come = [values for key, values in new.items() if values != old.get(key)]
        names, _, _ = columns()[table]
        if gone:
            keys = primary_key(table)
            statements.append(f'DELETE FROM "{table}" WHERE ({keys}) IN ({", ".join(f"({key})" for key in gone)})')
        if come:
            values = ", ".join(f"({one})" for one in come)
            statements.append(f'INSERT INTO "{table}" ({", ".join(names)}) VALUES {values}')
    return "; ".join(statements)


def primary_key(table: str) -> str:
    return ", ".join(re.findall(r"quote_nullable\((.+?)\)", columns()[table][2]))


# --------------------------------------------------------------------------------------------------- taken, and put in


def recorded(key: str, ports: list[str], actor: Any, take: Callable[[], Any]) -> Any:
    """Really take a step, and remember what it left, in the words of the steps' first recording."""
    assert scene is not None and scene.step is not None
    before, posts, sent = rows(scene.tables), [], len(mail.outbox)
    began = time.time() - time.monotonic()
    gateway = getattr(actor, "gateway", None)
    if gateway is not None:
        submit = gateway.submit

        def noted(path: str, pairs: Any) -> Any:
            answer = submit(path, pairs)
            posts.append((path, list(pairs), dict(answer.reply or ())))
            return answer

        gateway.submit = noted
    try:
        result = take()
    except BaseException:
        scene.step = None
        raise
    finally:
        if gateway is not None:
            del gateway.submit
    after = look()
    if abs(time.time() - time.monotonic() - began) > 1:  # the machine's clock was set: the rows are of two times
        scene.step = None
        return result
    first = {new: old for old, new in scene.anew.items()}
    known = Step(
        statements=substituted(difference(before, rows(after)), first),
        at=time.time(),
        posts=[
            (
                path,
                [(name, substituted(value, first)) for name, value in pairs],
                {name: substituted(value, first) for name, value in reply.items()},
            )
            for path, pairs, reply in posts
        ],
        ports=[substituted(port, first) for port in ports],
        knows=copy.deepcopy(knowledge(actor)),
        cookies=copy.deepcopy(actor.client.cookies) if hasattr(actor, "client") else None,
        cached=cached(),
        mails=list(mail.outbox[sent:]),
        result=result,
    )
    scene.step.next[key] = known
    scene.step, scene.tables = known, after
    return result


def put_in(known: Step, actor: Any, ports: list[str]) -> Any:
    """Leave the shop, the shopper and CyberSource as the step left them, and return its result."""
    assert scene is not None
    anew = {**scene.anew, **{old: new for old, new in zip(known.ports, ports, strict=True) if old != new}}
    result = known.result
    for path, pairs, reply in known.posts:
        form = posted_anew(actor.gateway, pairs, anew)
        answer = actor.gateway.submit(path, form)
        given = dict(answer.reply or ())
        assert given.keys() == reply.keys(), "CyberSource answers otherwise than recorded: mark the test real_checkout"
        anew |= {old: given[name] for name, old in reply.items() if given[name] != substituted(old, anew)}
        if isinstance(result, Answer):
            result = answer
    assert min(map(len, anew), default=99) > 8, "too short to be told from other text: mark the test real_checkout"
    since = time.time() - known.at
    with connection.cursor() as cursor:
        cursor.execute(
            substituted(known.statements, anew).replace(MOVED, f"interval '{since:.6f} seconds'") or "SELECT"
        )
    scene.anew = anew
    vars(actor).update(copy.deepcopy(known.knows))
    if known.cookies is not None:
        actor.client.cookies = copy.deepcopy(known.cookies)
    values, ends = known.cached
    cache._cache.clear()
    cache._cache.update(values)
    cache._expire_info.clear()
    cache._expire_info.update({name: end and end + since for name, end in ends.items()})
    mail.outbox.extend(known.mails)
    return result


def posted_anew(gateway: Any, pairs: list[tuple[str, str]], anew: dict[str, str]) -> list[tuple[str, str]]:
    """Return a recorded form as the shop would sign it now, and note what is new in it."""
    old = dict(pairs)
    form = {name: substituted(value, anew) for name, value in pairs}
    form["signed_date_time"] = gateway.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    secret_key = gateway.settings.profile_for(form["access_key"]).secret_for(form["access_key"])
    form["signature"] = signing.signature(form, form["signed_field_names"].split(","), secret_key)
    anew |= {old[name]: form[name] for name in ("signed_date_time", "signature")}
    return list(form.items())


def substituted(text: str, anew: dict[str, str]) -> str:
    if not anew:
        return text
    return re.sub("|".join(map(re.escape, anew)), lambda found: anew[found[0]], text)
