"""A shop in which everything that is written down anywhere is also written down here, to be searched."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.utils.log import AdminEmailHandler

from cybersource.models import SecureAcceptanceProfile
from cybersource.simulator import Gateway, Profile, Settings
from cybersource.simulator.review import Case
from sandbox import postgres
from tests.leaks.canaries import CVN, KEYS, SHOPPER, Found, search
from tests.support.shop import MERCHANT_POST, REPLY, Shopper

#: Where the design puts a shopper's address: Oscar's own tables, the log of signed replies, the shopper's mails.
TABLES_WITH_ADDRESSES = (
    "order_",
    "address_",
    "auth_user",
    "communication_",
    "customer_",
    "cybersource_cybersourcereply",
)

PROFILE_ID = "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"
SETTINGS_KEY, ROW_KEY = "a" * 32, "b" * 32
ADMIN_ADDRESS = "admins@shop.example"

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": KEYS["SECRET_KEY"],
    "CYBERSOURCE_PROFILE": PROFILE_ID,
    "CYBERSOURCE_ACCESS": SETTINGS_KEY,
    "CYBERSOURCE_SECRET": KEYS["secret key of the settings"],
    "CYBERSOURCE_FERNET_KEYS": [KEYS["encryption key"], KEYS["older encryption key"]],
    "CYBERSOURCE_DECISION_MANAGER_KEYS": [KEYS["notification key"]],
    "ADMINS": [("Admins", ADMIN_ADDRESS)],
    "INTERNAL_IPS": [],
    "CYBERSOURCE_LIMITS": {"shadow": True},  # all shoppers here have one address
}


@dataclass
class Piece:
    """One thing that was written somewhere."""

    scenario: str
    kind: str  #: log, sql, error report, page, mail, table, session, cache, command, simulator, dump
    where: str
    text: str


@dataclass
class World:
    """The shop, its staff, and all that it writes."""

    gateway: Gateway = field(default_factory=lambda: Gateway(Settings(profiles=(far_profile(),))))
    pieces: list[Piece] = field(default_factory=list)
    scenario: str = ""
    session_ids: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)  #: paths that answered with a server error, as a scenario wants
    staff: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    # -- what scenarios use

    def shopper(self, **card: Any) -> Shopper:
        return Canary(client=Client(REMOTE_ADDR="203.0.113.24", raise_request_exception=False), gateway=self.gateway)

    def post(
        self, path: str, data: Any = b"", content_type: str = "application/x-www-form-urlencoded", **more: Any
    ) -> Any:
        client = Client(raise_request_exception=False, **more.pop("defaults", {}))
        for name, value in more.pop("cookies", {}).items():
            client.cookies[name] = value
        return client.post(path, data, content_type=content_type, **more)

    def notify(self, body: bytes | str, key: str = KEYS["notification key"], **more: Any) -> Any:
        return self.post(f"{NOTIFICATION}?key={key}", body, **more)

    def command(self, name: str, *args: str, **options: Any) -> None:
        """Run a command; what it says, and how it ends, is a piece."""
        out = io.StringIO()
        try:
            call_command(name, *args, stdout=out, stderr=out, **options)
        except Exception as problem:
            out.write(f"\n{type(problem).__name__}: {problem}")
        self.note("command", name, out.getvalue())

    # -- writing everything down

    def note(self, kind: str, where: str, text: str) -> None:
        if text:
            self.pieces.append(Piece(self.scenario, kind, where, text))

    def play(self, name: str, scene: Callable[[World], None], *, debug: bool) -> None:
        """Run one scenario with all ears open."""
        self.scenario = f"{name}{' (DEBUG)' if debug else ''}"
        mail.outbox.clear()
        connection.force_debug_cursor = True
        with override_settings(DEBUG=debug), ears(self):
            scene(self)
        connection.force_debug_cursor = False
        for message in mail.outbox:
            kind = "error report" if ADMIN_ADDRESS in message.to else "mail"
            bodies = [message.body, *(part for part, _type in getattr(message, "alternatives", ()))]
            self.note(kind, message.subject, "\n".join([message.subject, *map(str, bodies)]))

    def look_around(self) -> None:
        """Read what is kept: every table, every session, the cache, and what the simulator remembers."""
        self.scenario = "afterwards"
        for table in connection.introspection.table_names():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} AS t")
                self.note("table", table, "\n".join(row for (row,) in cursor))
        for session in Session.objects.all():
            self.session_ids.add(session.session_key)
            self.note("session", "django_session", repr(session.get_decoded()))
        for name in settings.CACHES:
            self.note("cache", name, repr(getattr(caches[name], "_cache", "")))
        self.note("simulator", "memory", " | ".join(words_in(self.gateway._memory)))
        self.note("dump", "pg_dump", dump())

    # -- searching

    def found(self, pieces: list[Piece] | None = None) -> list[Found]:
        result = []
        seen = set()
        for piece in self.pieces if pieces is None else pieces:
            if (piece.kind, piece.where, piece.text) in seen:
                continue
            seen.add((piece.kind, piece.where, piece.text))
            finds = search(
                piece.text,
                scenario=piece.scenario,
                kind=piece.kind,
                where=piece.where,
                address=may_hold_an_address(piece),
            )
            result += [found for found in finds if not is_theirs(piece, found)]
            if not may_hold_a_session_id(piece):
                result += [
                    Found("session id", piece.scenario, piece.kind, piece.where, "")
                    for session_id in self.session_ids
                    if session_id in piece.text
                ]
        return result


def far_profile() -> Profile:
    return Profile(
        profile_id=PROFILE_ID,
        access_key=SETTINGS_KEY,
        secret_key=KEYS["secret key of the settings"],
        other_keys={ROW_KEY: KEYS["secret key of a profile"]},
        receipt_page=f"http://testserver{REPLY}",
        merchant_post_url=f"http://localhost{MERCHANT_POST}",
    )


NOTIFICATION = "/api/cybersource/decision-manager-review-notification/"


@dataclass
class Canary(Shopper):
    """The shopper whose address must not be seen."""

    def payload(self, **changes: Any) -> dict[str, Any]:
        payload = super().payload(**changes)
        for name in ("shipping_address", "billing_address"):
            if payload.get(name):
                payload[name] = {**payload[name], "line1": SHOPPER["street"]}
        payload["shipping_address"]["phone_number"] = f"+1{SHOPPER['phone']}"
        return {**payload, "guest_email": SHOPPER["e-mail"], **changes}


def may_hold_an_address(piece: Piece) -> bool:
    if piece.kind == "sql":
        # Django writes down the parameters of every statement when asked to; those tables are where addresses belong.
        return any(f'"{table}' in piece.text for table in TABLES_WITH_ADDRESSES)
    if piece.kind == "table":
        return piece.where.startswith(TABLES_WITH_ADDRESSES)
    if piece.kind == "page":
        return piece.where.startswith(PAGES_WITH_ADDRESSES)
    # The dump is searched for addresses table by table, and the simulator is CyberSource, which is told the address.
    return piece.kind in ("mail", "dump", "simulator")


#: The shopper's own API and pages, and what staff see of an order and of a signed reply.
PAGES_WITH_ADDRESSES = (
    "/api/checkout/",
    "/api/cybersource/pending/",
    "/checkout/",
    "/dashboard/orders/",
    "/admin/cybersource/cybersourcereply/",
)


def may_hold_a_session_id(piece: Piece) -> bool:
    if piece.kind == "sql":
        return "django_session" in piece.text
    return piece.kind == "dump" or (piece.kind == "table" and piece.where == "django_session")


def is_theirs(piece: Piece, found: Found) -> bool:
    """Whether somebody else's code wrote this, whom the shopper gave the address: no secret, and not ours to hide."""
    if not found.canary.startswith("shopper's"):
        return False
    if piece.kind == "log" and piece.where == "oscar.checkout":
        return "Sending email to" in piece.text  # Oscar says to whom it sends an order's mail
    # api-checkout's own views hold the shopper's order in local variables, which Django reports when one crashes.
    return "/api/checkout/" in piece.where or (piece.where == "django.template" and "/api/checkout/" in piece.text)


# -- ears --------------------------------------------------------------------------------------------------------------


#: The text has been formatted, and clocks show what may look like a security code.
WRITTEN_ANYWAY = ("msg", "message", "exc_info", "exc_text", "asctime", "created", "msecs", "relativeCreated")


class Everything(logging.Handler):
    """Every record of every logger: its text, its traceback, and whatever else it carries."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.NOTSET)
        self.world = world
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("django.db.backends"):
            self.world.note("sql", record.name, self.format(record))  # which tells the statement and its parameters
            return
        carried = {name: value for name, value in vars(record).items() if name not in WRITTEN_ANYWAY}
        self.world.note("log", record.name, f"{self.format(record)}\n{carried!r}")


class Reports(AdminEmailHandler):
    """Django's mails to the admins. The report's own template logs its whole context, which is the report once more."""

    def emit(self, record: logging.LogRecord) -> None:
        templates = logging.getLogger("django.template")
        templates.disabled = True
        try:
            super().emit(record)
        finally:
            templates.disabled = False


class Onlooker:
    """The outermost middleware: every response as the server sends it, error pages included."""

    world: World

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path
        response = self.get_response(request)
        if response.status_code >= 500:
            self.world.errors.append(path)
        headers = {name: value for name, value in response.headers.items() if name != "Set-Cookie"}
        body = b"".join(response) if response.streaming else response.content
        kind = "page" if response.status_code < 500 else "error page"
        self.world.note(kind, path, f"{headers}\n{body.decode('utf-8', 'replace')}")
        if cookie := response.cookies.get(settings.SESSION_COOKIE_NAME):
            self.world.session_ids.add(cookie.value or "-")
        return response


@contextlib.contextmanager
def ears(world: World) -> Iterator[None]:
    """Every logger at DEBUG, down to the statements, and a mail to the admins for every error, with its locals."""
    reports = Reports(include_html=True)
    reports.setLevel(logging.ERROR)
    handlers = [Everything(world), reports]
    root = logging.getLogger()
    loggers = [root, *(log for log in root.manager.loggerDict.values() if isinstance(log, logging.Logger))]
    before = [(log, log.level, log.disabled, log.propagate) for log in loggers]
    for log in loggers:
        if log is not root:
            log.setLevel(logging.NOTSET)
            log.disabled, log.propagate = False, True
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    Onlooker.world = world
    try:
        with override_settings(MIDDLEWARE=["tests.leaks.world.Onlooker", *settings.MIDDLEWARE]):
            yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
        for log, level, disabled, propagate in before:
            log.setLevel(level)
            log.disabled, log.propagate = disabled, propagate


@contextlib.contextmanager
def opened() -> Iterator[World]:
    """A shop with a key in its settings, one in a row, staff, and nothing to hide behind."""
    with override_settings(**SETTINGS):
        world = World()
        SecureAcceptanceProfile.objects.create(
            hostname="testserver",
            profile_id=PROFILE_ID,
            access_key=ROW_KEY,
            secret_key=KEYS["secret key of a profile"],
        )
        world.staff.force_login(get_user_model().objects.create_superuser("boss", "boss@shop.example", "-"))
        world.session_ids.add(world.staff.cookies[settings.SESSION_COOKIE_NAME].value)
        yield world


def words_in(value: Any, seen: dict[int, Any] | None = None) -> Iterator[str]:
    """Every text in an object and whatever it holds, though its ``repr`` may hide it."""
    seen = {} if seen is None else seen
    if id(value) in seen or isinstance(value, Case):  # a reviewer's words are the reviewer's
        return
    seen[id(value)] = value  # kept, so that no other object gets the same id meanwhile
    if isinstance(value, (str, bytes)):
        yield value if isinstance(value, str) else value.decode("utf-8", "replace")
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield from words_in(name, seen)
            yield from words_in(held, seen)
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        for part in value:
            yield from words_in(part, seen)
    elif hasattr(value, "__dict__"):
        yield from words_in(vars(value), seen)


def dump() -> str:
    """The whole database, as ``pg_dump`` writes it."""
    server = connection.settings_dict
    environment = {**os.environ, "PGPASSWORD": server["PASSWORD"] or ""}
    names = {"--host": server["HOST"], "--port": server["PORT"], "--username": server["USER"]}
    command = [postgres.find_binaries().tool("pg_dump"), *(f"{name}={value}" for name, value in names.items() if value)]
    done = subprocess.run([*command, server["NAME"]], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def card(number: str, **other: str) -> dict[str, str]:
    return {"card_type": "001", "card_number": number, "card_expiry_date": "12-2031", "card_cvn": CVN, **other}
