"""Whatever breaks, and wherever: what Django reports of it shows no card, no key, and of our code no address.

Each function that takes part in a request is made to fail at its very end, when it holds most, and the report that
Django would mail, or show with ``DEBUG``, is searched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.signals import got_request_exception
from django.db import transaction
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter, get_exception_reporter_filter

import cybersource
from cybersource.encryption import EncryptedTextField, Secret, Unreadable, decrypt, encrypt
from cybersource.models import SecureAcceptanceProfile
from cybersource.profiles import for_signing, from_settings
from cybersource.protocol import Credentials, Outcome, Reply
from cybersource.simulator import Gateway, Profile
from tests.conftest import empty_tables
from tests.leaks.canaries import CARDS, KEYS, address_in, search
from tests.leaks.day import PROFILES, entered, hostile_pairs, under_review
from tests.leaks.world import PROFILE_ID, ROW_KEY, World, card, opened, words_in
from tests.support.shop import REPLY

APP = str(Path(cybersource.__file__).parent)
THOROUGH = os.environ.get("CYBERSOURCE_TESTS") == "thorough"

#: The modules through which cards, keys and addresses go. In a thorough run every function of the app is made to fail.
HOLDERS = ("admin", "encryption", "methods", "profiles", "http/error_reports", "payments/settlement")
HOLDERS += tuple(f"checkout/{name}" for name in ("begin", "checkout_request", "forms", "payment_request", "session"))
HOLDERS += ("checkout/states", "checkout/views", "inbound/rejected", "inbound/replies")
HOLDERS += ("inbound/views", "protocol/form", "protocol/reply", "protocol/signature", "reviews/inbox")


class Breakdown(Exception):
    """The function could not go on."""


def is_ours(code: CodeType) -> bool:
    module = code.co_filename.removeprefix(f"{APP}/").removesuffix(".py")
    ours = code.co_filename.startswith(f"{APP}/") and not module.startswith("simulator/")
    return (
        ours and (THOROUGH or module in HOLDERS) and code.co_name != "discreet"
    )  # it makes the guard, and holds nothing


def functions_of(action: Callable[[], Any]) -> list[CodeType]:
    """The functions of the app that an action calls, in the order in which they return."""
    seen: dict[CodeType, None] = {}

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and is_ours(frame.f_code):
            seen.setdefault(frame.f_code)

    with undone(), profiled(watch):
        action()
    return list(seen)


def break_down(action: Callable[[], Any], code: CodeType) -> None:
    """Do it again, and let one function fail at its end."""
    done = False

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal done
        if event == "return" and frame.f_code is code and not done:
            done = True
            raise Breakdown

    with undone(), profiled(watch):
        try:
            action()
        except Breakdown:
            pass
    assert done, code.co_qualname


class profiled:
    def __init__(self, watch: Any) -> None:
        self.watch = watch

    def __enter__(self) -> None:
        self.before = sys.getprofile()
        sys.setprofile(self.watch)

    def __exit__(self, *exc: Any) -> None:
        sys.setprofile(self.before)


class undone(transaction.Atomic):
    """What happens within did not happen."""

    def __init__(self) -> None:
        super().__init__(using="default", savepoint=True, durable=False)

    def __enter__(self) -> None:
        super().__enter__()

    def __exit__(self, *exc: Any) -> None:
        transaction.set_rollback(True)
        super().__exit__(*exc)


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker) -> Iterator[World]:
    with django_db_blocker.unblock(), opened() as world:
        try:
            yield world
        finally:
            empty_tables()


def actions(world: World) -> dict[str, Callable[[], Any]]:
    """Requests that can be made again and again: what they change is undone."""
    with override_settings(CYBERSOURCE_FLOW="one-step"):
        payer = world.shopper()
        payer.check_out()
        paid = urlencode(payer.submit(card(CARDS["Visa"])).reply)
        refused = urlencode([(n, card(CARDS["JCB"]).get(n, v)) for n, v in payer.form()] + hostile_pairs()[:40])
    chooser = world.shopper()
    chooser.fill_basket()
    payload = chooser.payload()
    _reviewed, case = under_review(world)
    decided = world.gateway.decide(case, "ACCEPT", comments=f"card {CARDS['Discover']}").body
    return {
        "a forged reply is refused": lambda: world.post(f"{REPLY}?{urlencode(card(CARDS['Visa']))}", refused),
        "a reply is settled": lambda: world.post(f"{REPLY}?{urlencode(card(CARDS['Visa']))}", paid),
        "a form is shown": lambda: payer.client.get("/api/checkout/payment-states/"),
        "a shopper comes back": lambda: payer.client.get(
            f"/api/cybersource/return/{payer.attempt().transaction_uuid}/", follow=True
        ),
        "a checkout begins": lambda: chooser.client.post("/api/checkout/", payload, content_type="application/json"),
        "a reviewer decides": lambda: world.notify(decided),
        "staff enter a profile": lambda: world.staff.post(
            f"{PROFILES}add/", entered("secret key entered in the admin")
        ),
    }


NAMES = (
    "a forged reply is refused",
    "a reply is settled",
    "a form is shown",
    "a shopper comes back",
    "a checkout begins",
    "a reviewer decides",
    "staff enter a profile",
)


@pytest.fixture(scope="module")
def requests(shop: World) -> dict[str, Callable[[], Any]]:
    return actions(shop)


@pytest.mark.parametrize("name", NAMES)
def test_no_report_of_a_breakdown_shows_a_secret(shop: World, requests, name: str, broken_before: set[CodeType]):
    action = requests[name]
    found: list[str] = []
    reported: list[str] = []

    def look(request: HttpRequest, **kwargs: Any) -> None:
        sys.setprofile(None)
        kind, problem, trace = sys.exc_info()
        for debug in (False, True):
            with override_settings(DEBUG=debug):
                reporter = ExceptionReporter(request, kind, problem, trace, is_email=not debug)
                data = reporter.get_traceback_data()
            asked = {name: list(value) for name, value in data.items() if name.endswith("_items")}
            told = {**data, "settings": {n: str(v) for n, v in data["settings"].items()}, "frames": (), **asked}
            texts = [repr(told), *(f"{frame['function']} {frame['vars']!r}" for frame in data["frames"])]
            for text in texts:
                found.extend(str(f) for f in search(text, scenario=broken.co_qualname, kind=f"{debug=}", address=True))
            ours = [frame for frame in data["frames"] if frame["filename"].startswith(APP)]
            reported.append(broken.co_qualname)
            if not debug:
                for frame in ours:
                    shown = [what for what, _at in address_in(repr(frame["vars"]))]
                    found.extend(f"{what} in {frame['function']}, {broken.co_qualname} broken" for what in shown)

    got_request_exception.connect(look)
    try:
        for broken in functions_of(action):
            if broken not in broken_before or THOROUGH:
                broken_before.add(broken)
                break_down(action, broken)
    finally:
        got_request_exception.disconnect(look)
    print(f"{name}: {len(set(reported))} functions reported, of {len(broken_before)} broken so far")
    assert found == []
    assert len(set(reported)) >= 2


@pytest.fixture(scope="module")
def broken_before() -> set[CodeType]:
    return set()


def test_settings_that_hold_keys_are_stars_on_every_error_page(shop):
    page = get_exception_reporter_filter(None).get_safe_settings()
    assert not search(repr(page))
    assert "CYBERSOURCE_SECRET" in page


# -- what objects say of themselves -----------------------------------------------------------------------------------


def test_no_object_that_holds_a_secret_shows_it(shop):
    row = SecureAcceptanceProfile.objects.get(access_key=ROW_KEY)
    made = SecureAcceptanceProfile(profile_id="P", access_key="x", secret_key=KEYS["secret key entered in the admin"])
    secret = Secret(KEYS["secret key of a profile"])
    shopper = shop.shopper()
    shopper.check_out()
    answer = shopper.submit(card(CARDS["Visa"]))
    form = shopper.attempt()
    reply = Reply.from_post(answer.reply, secret_for=lambda key: KEYS["secret key of a profile"])
    shown = [
        row,
        made,
        vars(row),
        vars(made),
        secret,
        [secret],
        {"a": secret},
        from_settings(),
        for_signing("testserver"),
    ]
    shown += [for_signing("elsewhere"), Unreadable("gAAAA"), form, reply, Outcome.from_reply(reply)]
    shown += [Credentials(profile_id=PROFILE_ID, access_key=ROW_KEY, secret_key=KEYS["secret key of a profile"])]
    shown += [Profile(secret_key=KEYS["secret key of a profile"], notification_key=KEYS["notification key"])]
    shown += [shop.gateway.settings, shop.gateway.settings.profiles, answer, shop.gateway.payments[-1], Gateway()]
    for each in shown:
        assert not search(f"{each!r}"), type(each)
        if not isinstance(each, (Secret, str)):
            assert not search(f"{each}"), type(each)


def test_the_simulator_keeps_no_card(shop):
    shopper = shop.shopper()
    shopper.check_out()
    shopper.submit(card(CARDS["Visa"]))
    assert shop.gateway.payments
    assert not search(" ".join(words_in(shop.gateway._memory)), address=True)


def test_a_secret_that_is_assigned_is_hidden_from_then_on(shop):
    row = SecureAcceptanceProfile()
    row.secret_key = KEYS["secret key entered in the admin"]
    assert isinstance(row.secret_key, Secret)
    assert row.secret_key == KEYS["secret key entered in the admin"]
    assert "secret_key" not in SecureAcceptanceProfile.objects.defer("secret_key").get(access_key=ROW_KEY).__dict__
    field = SecureAcceptanceProfile._meta.get_field("secret_key")
    assert isinstance(field, EncryptedTextField)
    assert decrypt(encrypt(row.secret_key)) == row.secret_key


def test_the_modules_that_hold_secrets_are_where_they_are_looked_for():
    assert [name for name in HOLDERS if not Path(APP, f"{name}.py").is_file()] == []


def test_nothing_that_was_posted_stays_on_the_request(shop):
    """Other people's error trackers read the request too."""
    from cybersource.inbound import views

    request = RequestFactory().post(f"{REPLY}?{urlencode(card(CARDS['Visa']))}", {**card(CARDS["JCB"])})
    assert views.reply(request, no_reply=views.reply).status_code == 400
    assert not search(f"{request.POST} {request.GET} {request.META.get('QUERY_STRING')} {request.get_full_path()}")
    assert not search(repr(request))
