"""The connection test: each broken set-up is told by its own id and nothing else, with a hint, and no secret."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.contrib.sites.models import Site
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.test import Client, override_settings
from django.utils import timezone, translation
from oscar.core.compat import get_user_model
from oscar.test.factories import create_order

import cybersource
from cybersource import connection_test
from cybersource.gateway import client as rest_client
from cybersource.limits import alarm
from cybersource.models import (
    CyberSourceReply,
    OrderConfirmation,
    PaymentAttempt,
    PaymentOperation,
    RefusedPost,
    ReviewNotification,
    ReviewNotificationUpdate,
    SecureAcceptanceProfile,
    WebhookDelivery,
)
from cybersource.simulator import Gateway, Profile, Settings
from cybersource.simulator.rest import RestAccess
from cybersource.simulator.server import Server
from tests.leaks.canaries import KEYS, search
from tests.package.readme import ROOT, table
from tests.protocol.rest import key_material

PAGE = "/api/cybersource/connection-test/"
TABLE = "connection_test_cache"
HEX = "0123456789abcdef"

#: A shop on one host, as a shop should be; the simulator plays CyberSource.
GOOD: dict[str, Any] = {
    "ALLOWED_HOSTS": ["shop.example"],
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": TABLE,
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    },
    "CYBERSOURCE_LIMITS": {},
    "CYBERSOURCE_TRUSTED_PROXIES": [],
}

LOCAL_MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

#: The same shop in production, where nothing but the defaults says whom it speaks to.
LIVE: dict[str, Any] = {
    **GOOD,
    "CYBERSOURCE_ENVIRONMENT": "production",
    # Keys of nobody like the sandbox's, and not published with the package.
    "SECRET_KEY": "this test's own: " + HEX * 4,
    "CYBERSOURCE_PROFILE": "0A1B2C3D-0000-4000-8000-00000000CAFE",
    "CYBERSOURCE_ACCESS": "c0ffee00" * 4,
    "CYBERSOURCE_SECRET": HEX * 16,
    "CYBERSOURCE_DECISION_MANAGER_KEYS": ["this test's own"],
    "CYBERSOURCE_REST_KEY_ID": "0a1b2c3d-0000-4000-8000-0000000c0de5",
    "CYBERSOURCE_REST_SHARED_SECRET": "dGhpcyB0ZXN0J3Mgb3du",
    "CYBERSOURCE_ENDPOINT_PAY": None,
    "CYBERSOURCE_ENDPOINT_TOKEN_CREATE": None,
    "CYBERSOURCE_REST_ENDPOINT": None,
    "CYBERSOURCE_FINGERPRINT_PROTOCOL": "https",
    "CYBERSOURCE_FINGERPRINT_HOST": "h.online-metrix.net",
    "SECURE_SSL_REDIRECT": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
}


@dataclass
class Shop:
    """The good set-up, to be broken."""

    settings: Any
    simulator: Any
    folder: Path
    monkeypatch: Any
    network: bool = True
    at_the_end: ExitStack = field(default_factory=ExitStack)

    def set(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.settings, name, value)

    def goes_live(self) -> None:
        self.set(**LIVE)
        self.network = False  # a test speaks to this machine only

    def fault(self, name: str) -> None:
        self.simulator.gateway.rest.faults.next(name, action="searches")

    def file(self, name: str, content: bytes) -> Path:
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def test(self) -> connection_test.ConnectionReport:
        return connection_test.run(network=self.network)


@pytest.fixture
def shop(committed_db, cybersource_simulator, settings, tmp_path, monkeypatch) -> Iterator[Shop]:
    made = Shop(settings, cybersource_simulator, tmp_path, monkeypatch)
    made.set(**cybersource_simulator.shop_settings, **GOOD)
    call_command("createcachetable", verbosity=0)
    domain = Site.objects.get().domain
    Site.objects.update(domain="shop.example")
    with made.at_the_end:
        yield made
    Site.objects.update(domain=domain)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def told(report: connection_test.ConnectionReport) -> set[str]:
    return {finding.id for finding in report.findings if finding.level in ("error", "warning")}


# -- ways to break it --------------------------------------------------------------------------------------------------


def row(**given: Any) -> SecureAcceptanceProfile:
    values = {"profile_id": "5B1D7C02", "access_key": "a" * 32, "secret_key": HEX * 16, "is_default": True, **given}
    return SecureAcceptanceProfile.objects.create(**values)


def no_key_in_the_settings(shop: Shop) -> None:
    shop.set(CYBERSOURCE_PROFILE="", CYBERSOURCE_ACCESS="", CYBERSOURCE_SECRET="")


def unreadable_row(shop: Shop) -> None:
    with override_settings(CYBERSOURCE_FERNET_KEYS=["a key that is lost"]):
        row()


def another_secret_under_the_same_name(shop: Shop) -> None:
    row(access_key=shop.settings.CYBERSOURCE_ACCESS)


def truncated_secret(shop: Shop) -> None:
    shop.set(CYBERSOURCE_SECRET=shop.settings.CYBERSOURCE_SECRET[:200])


def old_row(shop: Shop) -> None:
    no_key_in_the_settings(shop)
    shop.network = False
    row(date_created=timezone.now() - timedelta(days=700))


def two_rows_since_last_week(shop: Shop) -> None:
    for letter, days in (("a", 60), ("b", 7)):
        row(access_key=letter * 32, date_created=timezone.now() - timedelta(days=days))
    shop.network = False


def row_for_a_url(shop: Shop) -> None:
    row(hostname="https://shop.example", is_default=False)


def no_key_at_all(shop: Shop) -> None:
    no_key_in_the_settings(shop)


def host_without_a_key(shop: Shop) -> None:
    no_key_in_the_settings(shop)
    shop.set(ALLOWED_HOSTS=["shop.example", "other.example"])
    row(hostname="shop.example", is_default=False)


def simulator_that_is_away(shop: Shop) -> None:
    shop.set(CYBERSOURCE_ENDPOINT_PAY=f"http://127.0.0.1:{closed_port()}/silent/pay")


def simulator_with_another_secret(shop: Shop) -> None:
    shop.simulator.configure(profiles=(Profile(secret_key="0" * 256),))


def closed_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def site_nobody_named(shop: Shop) -> None:
    Site.objects.update(domain="example.com")


def any_host_and_no_site(shop: Shop) -> None:
    Site.objects.update(domain="")
    shop.set(ALLOWED_HOSTS=["*"])


def https_that_ends_at_a_proxy(shop: Shop) -> None:
    shop.goes_live()
    shop.set(CYBERSOURCE_TRUSTED_PROXIES=["10.0.0.0/8"])


def header_as_browsers_write_it(shop: Shop) -> None:
    https_that_ends_at_a_proxy(shop)
    shop.set(SECURE_PROXY_SSL_HEADER=("X-Forwarded-Proto", "https"))


def members_only(get_response: Callable[[Any], HttpResponse]) -> Callable[[Any], HttpResponse]:
    return lambda request: HttpResponseRedirect(f"/accounts/login/?next={request.path}")


def closed_for_today(get_response: Callable[[Any], HttpResponse]) -> Callable[[Any], HttpResponse]:
    return lambda request: HttpResponse("We are stocktaking.", status=503)


def behind(name: str) -> Callable[[Shop], None]:
    def put(shop: Shop) -> None:
        shop.set(MIDDLEWARE=[name, *shop.settings.MIDDLEWARE])

    return put


def p12_for(days: int) -> Callable[[Shop], None]:
    def put(shop: Shop) -> None:
        shop.set(
            CYBERSOURCE_REST_AUTH="p12",
            CYBERSOURCE_REST_P12=shop.file("merchant.p12", key_material.p12(days=days)),
            CYBERSOURCE_REST_P12_PASSWORD=key_material.PASSWORD,
        )
        shop.network = False

    return put


def encrypted(shop: Shop, *, for_gateway: str = "gateway", days: int = 200) -> None:
    """Message-level encryption both ways; ``for_gateway`` names the key of which the shop has the certificate."""
    reply = key_material.certificate_pem("reply", common_name="acme_shop", serial="reply-key")
    shop.simulator.configure(
        rest=RestAccess(
            request_key=key_material.pem("gateway"),
            request_kid="9988776655",
            response_certificates={"reply-key": reply},
        )
    )
    certificate = key_material.certificate_pem(
        for_gateway, common_name="CyberSource_SJC_US", serial="9988776655", days=days
    )
    shop.set(
        CYBERSOURCE_REST_MLE=True,
        CYBERSOURCE_REST_MLE_CERTIFICATE=shop.file("gateway.pem", certificate),
        CYBERSOURCE_REST_MLE_RESPONSE_KEY_ID="reply-key",
        CYBERSOURCE_REST_MLE_RESPONSE_KEY=shop.file("reply.pem", key_material.pem("reply")),
    )


def certificate_of_another_account(shop: Shop) -> None:
    encrypted(shop, for_gateway="another")


def certificate_that_ends_next_week(shop: Shop) -> None:
    encrypted(shop, days=7)


def reply_key_of_another_account(shop: Shop) -> None:
    encrypted(shop)
    shop.file("reply.pem", key_material.pem("another"))


def gateway_at(**ahead: float) -> Callable[[Shop], None]:
    """CyberSource's clock is the right one, so this machine's is behind by as much."""

    def put(shop: Shop) -> None:
        other = Gateway(Settings(), clock=lambda: datetime.now(UTC) + timedelta(**ahead))
        server = shop.at_the_end.enter_context(Server(gateway=other))
        shop.set(CYBERSOURCE_REST_ENDPOINT=server.url)

    return put


def name_nobody_knows(shop: Shop) -> None:
    # The shop says that it wants another host, so that is not told.
    shop.set(CYBERSOURCE_REST_ENDPOINT="https://no-such-name.invalid", SILENCED_SYSTEM_CHECKS=["cybersource.W031"])


def no_tls_at_the_other_end(shop: Shop) -> None:
    shop.set(CYBERSOURCE_REST_ENDPOINT=shop.simulator.url.replace("http:", "https:"))


def nobody_at_the_rest_endpoint(shop: Shop) -> None:
    shop.set(CYBERSOURCE_REST_ENDPOINT=f"http://127.0.0.1:{closed_port()}")


def answer_that_takes_too_long(shop: Shop) -> None:
    shop.simulator.configure(rest=RestAccess(slow_seconds=1.5))
    shop.monkeypatch.setattr(rest_client, "READ_SECONDS", 0.3)
    shop.fault("slow")


def rest_key_of_another_merchant(shop: Shop) -> None:
    shop.set(CYBERSOURCE_REST_SHARED_SECRET="d3Jvbmc=")


def fault(name: str) -> Callable[[Shop], None]:
    return lambda shop: shop.fault(name)


def database_that_is_away(shop: Shop) -> None:
    connection.close()
    kept = dict(connection.settings_dict)

    def back() -> None:
        connection.settings_dict.update(kept)
        connection.close()

    shop.at_the_end.callback(back)
    connection.settings_dict.update(HOST="127.0.0.1", PORT=str(closed_port()))


@contextmanager
def undone_at_the_end(shop: Shop) -> Iterator[Any]:
    """Changes of tables, taken back. In a transaction no REST call may be made."""
    shop.network = False
    with transaction.atomic(), connection.cursor() as cursor:
        yield cursor
        transaction.set_rollback(True)


def changed_tables(sql: str) -> Callable[[Shop], None]:
    def put(shop: Shop) -> None:
        shop.at_the_end.enter_context(undone_at_the_end(shop)).execute(sql)

    return put


def attempt(**more: Any) -> PaymentAttempt:
    given = {"amount": "10.00", "currency": "USD", "reference_number": "1", "method_key": "cybersource", "flow": "sale"}
    return PaymentAttempt.objects.create(order=create_order(), transaction_type="sale", **given, **more)


def hours_ago(hours: float) -> datetime:
    return timezone.now() - timedelta(hours=hours)


def reply_nobody_acted_on(shop: Shop) -> None:
    waiting = attempt(date_signed=hours_ago(3))
    CyberSourceReply.objects.create(
        reply_type="browser", data={}, attempt=waiting, order=waiting.order, date_created=hours_ago(2)
    )


def review_update_that_failed(shop: Shop) -> None:
    told = ReviewNotification.objects.create(content="", date_created=hours_ago(1))
    ReviewNotificationUpdate.objects.create(
        notification=told, position=0, state="failed", date_created=told.date_created
    )


def mail_nobody_sent(shop: Shop) -> None:
    OrderConfirmation.objects.create(order=create_order(), date_created=hours_ago(1))


def attempt_nobody_ended(shop: Shop) -> None:
    attempt(date_signed=hours_ago(3))


def operation_nobody_looked_up(shop: Shop) -> None:
    about = {"amount": "10.00", "currency": "USD", "reference_number": "1-C1"}
    PaymentOperation.objects.create(
        kind="capture", state="sent", order=create_order(), date_created=hours_ago(1), **about
    )


def operation_that_waits_for_the_key(shop: Shop) -> None:
    about = {"amount": "10.00", "currency": "USD", "reference_number": "1-X1", "rest_reason": "NOT_BELIEVED"}
    PaymentOperation.objects.create(kind="reverse", state="queued", order=create_order(), **about)


def webhook_nobody_looked_into(shop: Shop) -> None:
    WebhookDelivery.objects.create(date_created=hours_ago(1))


def cache_without_its_table(shop: Shop) -> None:
    shop.set(CACHES={"default": {**GOOD["CACHES"]["default"], "LOCATION": "no_such_table"}})


def cards_are_being_tested(shop: Shop) -> None:
    caches["default"].set(alarm.alarm_key(), time.time() + 3000, timeout=3000)


def row_of_the_simulator(shop: Shop) -> None:
    """Switched off, and one tick away from being believed."""
    shop.goes_live()
    SecureAcceptanceProfile.objects.create(
        hostname="",
        profile_id=LIVE["CYBERSOURCE_PROFILE"],
        access_key=Profile().access_key,
        secret_key="x",
        active=False,
    )


def live(**changes: Any) -> Callable[[Shop], None]:
    def put(shop: Shop) -> None:
        shop.goes_live()
        shop.set(**changes)

    return put


def offline(**changes: Any) -> Callable[[Shop], None]:
    def put(shop: Shop) -> None:
        shop.network = False
        shop.set(**changes)

    return put


def with_settings(**changes: Any) -> Callable[[Shop], None]:
    return lambda shop: shop.set(**changes)


TEST_HOST, LIVE_HOST = "https://testsecureacceptance.cybersource.com", "https://secureacceptance.cybersource.com"

BROKEN: list[tuple[str, str, Callable[[Shop], None]]] = [
    # What the system checks tell is told here too, under their ids; these are samples.
    ("E001", "half a key", with_settings(CYBERSOURCE_SECRET="")),
    ("E002", "a key with a blank", with_settings(CYBERSOURCE_SECRET=" pasted")),
    ("E003", "an environment of no name", with_settings(CYBERSOURCE_ENVIRONMENT="live")),
    ("E005", "an endpoint without https://", with_settings(CYBERSOURCE_ENDPOINT_PAY="cybersource.com/silent/pay")),
    ("E008", "a notification key that is no list", with_settings(CYBERSOURCE_DECISION_MANAGER_KEYS="one key")),
    ("E016", "a page that does not exist", with_settings(CYBERSOURCE_REDIRECT_FAIL="no:such-page")),
    ("E020", "a time-out that is no time", with_settings(CYBERSOURCE_ATTEMPT_TIMEOUT="an hour")),
    ("E022", "a key of the simulator in production", live(CYBERSOURCE_ACCESS=Profile().access_key)),
    ("E023", "a row of the simulator in production", row_of_the_simulator),
    ("E030", "a REST endpoint without https://", with_settings(CYBERSOURCE_REST_ENDPOINT="api.cybersource.com")),
    ("E031", "a REST endpoint in the clear", offline(CYBERSOURCE_REST_ENDPOINT="http://api.cybersource.com")),
    ("E033", "a REST secret that is none", with_settings(CYBERSOURCE_REST_SHARED_SECRET="no base64!")),
    ("W004", "a closed notification URL", with_settings(CYBERSOURCE_DECISION_MANAGER_KEYS=None)),
    ("W007", "an open notification URL", with_settings(CYBERSOURCE_DECISION_MANAGER_KEYS=[])),
    ("W010", "nothing said about proxies", with_settings(CYBERSOURCE_TRUSTED_PROXIES=None)),
    ("W011", "a cache for each process", with_settings(CACHES=LOCAL_MEMORY)),
    ("W030", "the scheme that ends in 2027", with_settings(CYBERSOURCE_REST_AUTH="http-signature")),
    ("W008", "cards to a host nobody knows", live(CYBERSOURCE_ENDPOINT_PAY="https://cards.example/silent/pay")),
    ("W031", "money at a host nobody knows", live(CYBERSOURCE_REST_ENDPOINT="https://rest.example")),
    ("security.W018", "DEBUG in production", live(DEBUG=True)),
    ("security.W008", "no HTTPS in production", live(SECURE_SSL_REDIRECT=False)),
    ("security.W012", "the session's cookie in the clear", live(SESSION_COOKIE_SECURE=False)),
    ("security.W016", "the CSRF cookie in the clear", live(CSRF_COOKIE_SECURE=False)),
    ("security.W009", "a guessable SECRET_KEY", live(SECRET_KEY="django-insecure-made-by-startproject")),
    # Where cards and money go.
    ("D001", "production that takes test cards", live(CYBERSOURCE_ENDPOINT_PAY=f"{TEST_HOST}/silent/pay")),
    ("D001", "production with a simulator", live(CYBERSOURCE_ENDPOINT_TOKEN_CREATE="http://127.0.0.1:8001/")),
    ("D001", "production with test money", live(CYBERSOURCE_REST_ENDPOINT="https://apitest.cybersource.com")),
    ("D002", "a test that takes real cards", offline(CYBERSOURCE_ENDPOINT_PAY=f"{LIVE_HOST}/silent/pay")),
    ("D002", "a test that moves real money", offline(CYBERSOURCE_REST_ENDPOINT="https://api.cybersource.com")),
    # HTTPS, proxies, hosts.
    ("D003", "a proxy's header in the wrong spelling", header_as_browsers_write_it),
    ("D004", "any host in production", live(ALLOWED_HOSTS=["*"])),
    ("D010", "a site that nobody gave a domain", site_nobody_named),
    ("D011", "no host anywhere", any_host_and_no_site),
    ("D020", "HTTPS that Django does not see", https_that_ends_at_a_proxy),
    ("D020", "a shop for members only", behind(f"{__name__}.members_only")),
    ("D021", "a shop that is closed", behind(f"{__name__}.closed_for_today")),
    # Keys.
    ("D030", "a secret whose encryption key is lost", unreadable_row),
    ("D031", "a profile id that is none", with_settings(CYBERSOURCE_PROFILE="the profile!")),
    ("D032", "two secrets under one access key", another_secret_under_the_same_name),
    ("D033", "a secret that was cut off", truncated_secret),
    ("D034", "a key that ends soon", old_row),
    ("D035", "a rotation that was never finished", two_rows_since_last_week),
    ("D036", "a profile for a URL instead of a host", row_for_a_url),
    ("D037", "no key", no_key_at_all),
    ("D038", "a host without a key", host_without_a_key),
    ("D039", "a simulator that does not run", simulator_that_is_away),
    ("D040", "a simulator with another secret", simulator_with_another_secret),
    # The REST API.
    ("D050", "a certificate that ended", p12_for(days=-1)),
    ("D051", "a .p12 that ends soon", p12_for(days=10)),
    ("D051", "a certificate of CyberSource's that ends soon", certificate_that_ends_next_week),
    ("D052", "a clock ten minutes behind", gateway_at(minutes=10)),
    ("D052", "a clock ten minutes ahead", gateway_at(minutes=-10)),
    ("D053", "a clock a minute and a half behind", gateway_at(seconds=90)),
    ("D054", "no DNS", name_nobody_knows),
    ("D055", "no TLS", no_tls_at_the_other_end),
    ("D056", "no connection", nobody_at_the_rest_endpoint),
    ("D057", "an answer that takes too long", answer_that_takes_too_long),
    ("D057", "a connection that breaks off", fault("no-answer")),
    ("D058", "a reply for somebody else", reply_key_of_another_account),
    ("D059", "CyberSource in trouble", fault("system-error")),
    ("D059", "a proxy in trouble", fault("bad-gateway")),
    ("D060", "a hotel's sign-in page", fault("html")),
    ("D061", "a REST secret of another key", rest_key_of_another_merchant),
    ("D061", "another merchant's id", with_settings(CYBERSOURCE_MERCHANT_ID="somebody_else")),
    ("D062", "too many calls", fault("throttled")),
    ("D063", "a certificate of another account", certificate_of_another_account),
    # The database.
    ("D070", "no database", database_that_is_away),
    ("D071", "no hstore", changed_tables("DROP EXTENSION hstore CASCADE")),
    ("D072", "a migration not applied", changed_tables("DELETE FROM django_migrations WHERE app = 'cybersource'")),
    ("D073", "a fork not migrated", changed_tables("ALTER TABLE payment_transaction DROP COLUMN request_token")),
    ("D074", "a reply that waits", reply_nobody_acted_on),
    ("D074", "a review update that waits", review_update_that_failed),
    ("D074", "a confirmation that waits", mail_nobody_sent),
    ("D075", "an attempt that never ends", attempt_nobody_ended),
    ("D076", "no limits in production", live(CYBERSOURCE_LIMITS=None)),
    ("D076", "limits that only watch in production", live(CYBERSOURCE_LIMITS={"shadow": True})),
    ("D077", "a cache that does not work", cache_without_its_table),
    ("D078", "stolen cards being tested", cards_are_being_tested),
    ("D079", "an operation that nobody looked up", operation_nobody_looked_up),
    ("D079", "a webhook that nobody looked into", webhook_nobody_looked_into),
    ("D080", "an operation that waits for a key", operation_that_waits_for_the_key),
    ("D090", "a middleware that cannot be imported", with_settings(MIDDLEWARE=["no.such.Middleware"])),
]  # fmt: skip


@pytest.mark.parametrize(
    ("id", "broken"), [(id, broken) for id, _what, broken in BROKEN], ids=[f"{id} {what}" for id, what, _ in BROKEN]
)
def test_a_broken_set_up_is_told_by_its_own_id_with_a_hint(shop, id, broken):
    broken(shop)
    report = shop.test()
    expected = id if "." in id else f"cybersource.{id}"
    assert told(report) == {expected}, report.findings
    assert all(finding.hint for finding in report.findings if finding.id)


@pytest.mark.parametrize("set_up", ["test", "production", "encrypted", "p12"])
def test_of_a_good_set_up_only_good_is_told(shop, set_up):
    {"test": lambda _: None, "production": Shop.goes_live, "encrypted": encrypted, "p12": p12_for(100)}[set_up](shop)
    report = shop.test()
    assert told(report) == set(), report.findings
    good = {finding.area for finding in report.findings if finding.level == "good"}
    assert good == set(connection_test.Area) - (
        set() if shop.network or set_up == "p12" else {connection_test.Area.REST}
    )


def in_the_documentation() -> dict[str, str]:
    page = ROOT / "docs" / "reference" / "checks.rst"
    return {id: level for id, level, _what in table("connection-test-table", page)}


def test_the_documentation_lists_every_id_and_no_other_and_each_has_been_broken():
    source = "".join(path.read_text() for path in (Path(cybersource.__file__).parent / "connection_test").glob("*.py"))
    made = {f"cybersource.{id}": level for level, id in re.findall(r'report\.(error|warning)\(\s*"(D\d+)"', source)}
    made |= {f"cybersource.{id}": "error" for id in re.findall(r'\.error\(\s*"(D090)"', source)}
    assert in_the_documentation() == made
    assert {f"cybersource.{id}" for id, _what, _broken in BROKEN if id.startswith("D")} == set(made)


# -- what it does and does not do --------------------------------------------------------------------------------------


def test_it_leaves_nothing_behind_but_the_log_row_of_the_search(shop):
    shop.simulator.set_shop("http://localhost:1")
    shop.test()
    shop.simulator.wait_for_delivery()
    assert [urlsplit(sent.url).netloc for sent in shop.simulator.deliveries] == [urlsplit(shop.simulator.url).netloc]
    (entry,) = CyberSourceReply.objects.all()
    assert (entry.reply_type, entry.transaction_type, entry.outcome) == ("rest", "search", "processed")
    assert not RefusedPost.objects.exists() and not PaymentAttempt.objects.exists()
    assert [call.target for call in shop.simulator.gateway.rest.calls] == ["/tss/v2/searches"]
    assert all(payment.transaction_id is None for payment in shop.simulator.payments)


def test_offline_asks_nobody(shop):
    connection_test.run(network=False)
    assert not shop.simulator.gateway.rest.calls and not shop.simulator.payments and not shop.simulator.refusals


def test_no_form_is_ever_posted_to_cybersource(shop, monkeypatch):
    asked = []

    def resolve(host: str, *more: Any, **named: Any) -> Any:
        asked.append(host)
        raise socket.gaierror("no name is resolved in this test")

    shop.set(CYBERSOURCE_ENDPOINT_PAY=None, CYBERSOURCE_ENDPOINT_TOKEN_CREATE=None, CYBERSOURCE_REST_ENDPOINT=None)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    report = shop.test()
    assert set(asked) == {"apitest.cybersource.com"}
    assert told(report) == {"cybersource.D054"}


def test_encryption_is_proved_by_a_message_that_went_both_ways(shop):
    encrypted(shop)
    report = shop.test()
    (call,) = shop.simulator.gateway.rest.calls
    assert call.encrypted and call.status == 201
    assert "could open it" in " ".join(finding.what for finding in report.findings)


def test_a_silenced_finding_is_not_told(shop):
    site_nobody_named(shop)
    shop.set(SILENCED_SYSTEM_CHECKS=["cybersource.D010"])
    assert told(shop.test()) == set()


def test_a_language_that_a_page_is_being_drawn_in_stays(shop):
    shop.set(MIDDLEWARE=[*shop.settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"])
    with translation.override("de"):
        shop.test()
        assert translation.get_language() == "de"


def test_the_urls_to_paste_are_those_of_each_host_and_hide_the_key(shop):
    shop.set(ALLOWED_HOSTS=["shop.example", ".other.example", "localhost"])
    pasted = [address.url for address in shop.test().addresses]
    assert pasted == [
        f"https://{host}/api/cybersource/{path}"
        for host in ("shop.example", "other.example")
        for path in ("cybersource-reply/", "merchant-post/", "decision-manager-review-notification/?key=KEY")
    ]


def test_the_urls_of_webhooks_are_told_and_tried_where_there_are_keys(shop):
    shop.set(CYBERSOURCE_WEBHOOK_KEYS={"5e5f7b1c": "dGhyb3dhd2F5"})
    report = shop.test()
    assert told(report) == set()
    assert [address.url for address in report.addresses][-2:] == [
        "https://shop.example/api/cybersource/webhooks/",
        "https://shop.example/api/cybersource/webhooks/health/",
    ]


# -- the command -------------------------------------------------------------------------------------------------------


def said(*arguments: str) -> tuple[str, str]:
    """What the command prints, and its last words on the other stream."""
    out = io.StringIO()
    try:
        call_command("cybersource_check", *arguments, stdout=out, no_color=True)
    except CommandError as problem:
        assert problem.returncode == 1
        return out.getvalue(), str(problem)
    return out.getvalue(), ""


def test_the_command_ends_well_where_all_is_good(shop):
    out, error = said()
    assert error == ""
    assert out.splitlines()[-1] == "0 errors, 0 warnings."
    assert "https://shop.example/api/cybersource/merchant-post/" in out


def test_a_warning_is_told_and_ends_well(shop):
    site_nobody_named(shop)
    out, error = said()
    assert error == ""
    assert "cybersource.D010" in out and out.splitlines()[-1] == "0 errors, 1 warning."


def test_the_command_ends_with_an_error_and_says_how_many(shop):
    rest_key_of_another_merchant(shop)
    out, error = said()
    assert error == "1 error, 0 warnings."
    assert "ERROR    127.0.0.1" in out and "(cybersource.D061)" in out and "CYBERSOURCE_MERCHANT_ID" in out


def test_the_command_runs_where_the_system_checks_would_stop_every_other(shop):
    from cybersource.management.commands.cybersource_check import Command

    shop.set(CYBERSOURCE_ENVIRONMENT="live")
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        Command(stdout=out, stderr=io.StringIO()).run_from_argv(["manage.py", "cybersource_check", "--offline"])
    assert ended.value.code == 1
    assert "cybersource.E003" in out.getvalue()


def test_machines_get_the_same_as_json(shop):
    rest_key_of_another_merchant(shop)
    out, error = said("--json")
    report = json.loads(out)
    assert error and (report["errors"], report["warnings"]) == (1, 0)
    (finding,) = [each for each in report["findings"] if each["level"] == "error"]
    assert finding.keys() == {"area", "level", "id", "what", "hint"}
    assert (finding["id"], finding["area"]) == ("cybersource.D061", "rest")
    assert {address["host"] for address in report["addresses"]} == {"shop.example"}


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_secret_is_printed_or_logged_whatever_is_wrong(shop, caplog, arguments):
    caplog.set_level("DEBUG")
    shop.set(
        SECRET_KEY=KEYS["SECRET_KEY"],
        CYBERSOURCE_SECRET=KEYS["secret key of the settings"],
        CYBERSOURCE_FERNET_KEYS=[KEYS["encryption key"]],
        CYBERSOURCE_DECISION_MANAGER_KEYS=[KEYS["notification key"]],
        CYBERSOURCE_REST_AUTH="p12",
        CYBERSOURCE_REST_P12=shop.file("merchant.p12", key_material.p12(days=-1)),
        CYBERSOURCE_REST_P12_PASSWORD=key_material.PASSWORD,
        CYBERSOURCE_REST_MLE_RESPONSE_PASSWORD=KEYS["password of the REST reply key"],
    )
    row(secret_key=KEYS["secret key of a profile"])
    row(access_key=shop.settings.CYBERSOURCE_ACCESS, secret_key=KEYS["secret key entered in the admin"])
    with override_settings(CYBERSOURCE_FERNET_KEYS=[KEYS["older encryption key"]]):
        row(access_key="c" * 32, secret_key=KEYS["secret key of an unreadable profile"])
    out, error = said(*arguments)
    shop.set(CYBERSOURCE_REST_P12_PASSWORD=KEYS["password of the REST certificate"])
    more, other_error = said(*arguments)
    for id in ("D030", "D032", "D033", "D050", "E033"):
        assert f"cybersource.{id}" in out + more, id
    written = "\n".join([out, error, more, other_error, caplog.text, *(repr(r.args) for r in caplog.records)])
    assert [str(found) for found in search(written, address=True)] == []


# -- the page ----------------------------------------------------------------------------------------------------------


def client(name: str, *permissions: str, **more: Any) -> Client:
    made = get_user_model().objects.create_user(name, f"{name}@shop.example", "-", **{"is_staff": True, **more})
    made.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return logged_in(made)


def logged_in(user: Any, **options: Any) -> Client:
    made = Client(headers={"host": "shop.example"}, **options)
    made.force_login(user)
    return made


@pytest.mark.parametrize("method", ["get", "post"])
def test_strangers_are_sent_to_the_login_and_others_are_turned_away(shop, method):
    stranger = getattr(Client(headers={"host": "shop.example"}), method)(PAGE)
    assert stranger.status_code == 302 and stranger.headers["Location"].startswith("/dashboard/login/")
    for who in (client("shopper", "view_attentionitem", is_staff=False), client("packer")):
        assert getattr(who, method)(PAGE).status_code == 403
    assert not shop.simulator.gateway.rest.calls


def test_staff_find_the_page_read_the_urls_and_test_by_a_button(shop):
    staff = client("boss", is_superuser=True)
    assert f'href="{PAGE}"' in staff.get("/dashboard/").content.decode()
    before = staff.get(PAGE).content.decode()
    assert "Test now" in before and "https://shop.example/api/cybersource/cybersource-reply/" in before
    assert not shop.simulator.gateway.rest.calls, "looking asks nobody"
    after = staff.post(PAGE).content.decode()
    assert "Everything is as it should be." in after and "Test again" in after
    assert len(shop.simulator.gateway.rest.calls) == 1


def test_whoever_may_look_at_the_list_may_test(shop):
    assert client("clerk", "view_attentionitem").post(PAGE).status_code == 200


def test_the_page_tells_what_the_command_tells(shop):
    rest_key_of_another_merchant(shop)
    site_nobody_named(shop)
    page = client("boss", is_superuser=True).post(PAGE).content.decode()
    for expected in ("One error", "cybersource.D061", "CYBERSOURCE_MERCHANT_ID", "cybersource.D010"):
        assert expected in page
    for secret in (django_settings.CYBERSOURCE_SECRET, django_settings.CYBERSOURCE_DECISION_MANAGER_KEYS[0]):
        assert secret not in page


def test_another_site_cannot_press_the_button(shop):
    boss = get_user_model().objects.create_superuser("boss", "boss@shop.example", "-")
    assert logged_in(boss, enforce_csrf_checks=True).post(PAGE).status_code == 403
    assert not shop.simulator.gateway.rest.calls


def test_the_button_works_in_a_shop_with_a_transaction_around_every_request(shop, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    page = client("boss", is_superuser=True).post(PAGE).content.decode()
    assert "Everything is as it should be." in page
