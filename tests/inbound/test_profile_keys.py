"""A key vouches only for its own profile; hosts are hosts however they are spelled; published keys are nobody's."""

from __future__ import annotations

import importlib
import pkgutil
from itertools import permutations
from typing import Any

import pytest
from django.core.checks import ERROR, run_checks
from django.db import connection, transaction
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from cybersource import profiles, simulator
from cybersource.checks.published import credentials_in_settings
from cybersource.checks.published_keys import is_published
from cybersource.connection_test import run
from cybersource.connection_test.surroundings import whose
from cybersource.gateway import credentials
from cybersource.models import AttemptState, CyberSourceReply, SecureAcceptanceProfile
from cybersource.simulator import Profile
from cybersource.simulator.rest_access import RestAccess
from sandbox import settings as sandbox
from tests.support.shop import MERCHANT_POST, REPLY, Shopper, cybersource, post_reply

#: The profile of the attempt, with two keys, and the profile of another shop of the same project.
OURS, OTHERS = "11111111-AAAA-4000-8000-000000000001", "22222222-BBBB-4000-8000-000000000002"
KEYS = {"1" * 32: (OURS, "throwaway-one"), "2" * 32: (OURS, "throwaway-two"), "3" * 32: (OTHERS, "throwaway-three")}
FIRST, SECOND, FOREIGN = KEYS

DECISIONS = {
    "ACCEPT": {},
    "REVIEW": {"decision": "REVIEW", "reason_code": "480"},
    "DECLINE": {"decision": "DECLINE", "reason_code": "203", "auth_amount": ""},
    "DECLINE without a profile": {"decision": "DECLINE", "reason_code": "203", "auth_amount": "", "req_profile_id": ""},
    "ERROR without a profile": {"decision": "ERROR", "reason_code": "150", "auth_amount": "", "req_profile_id": ""},
    "CANCEL without a profile": {"decision": "CANCEL", "reason_code": "", "auth_amount": "", "req_profile_id": ""},
}


@pytest.fixture
def keys_at(committed_db, settings):
    """Put keys where the shop keeps them: one in the settings, the others in rows."""

    def put(in_settings: str, **hosts: str) -> Shopper:
        for access_key, (profile_id, secret) in KEYS.items():
            if access_key == in_settings:
                settings.CYBERSOURCE_PROFILE, settings.CYBERSOURCE_ACCESS = profile_id, access_key
                settings.CYBERSOURCE_SECRET = secret
            else:
                SecureAcceptanceProfile.objects.create(
                    hostname="other.example" if profile_id == OTHERS else "testserver",
                    profile_id=profile_id,
                    access_key=access_key,
                    secret_key=secret,
                )
        keys = {access_key: secret for access_key, (_profile, secret) in KEYS.items()}
        return Shopper(
            gateway=cybersource(profile_id=OURS, access_key=FIRST, secret_key=keys.pop(FIRST), other_keys=keys)
        )

    settings.CYBERSOURCE_FLOW = "one-step"
    return put


def signed(shopper: Shopper, access_key: str, **fields: str) -> Any:
    """A reply to the latest attempt that is signed with any of the keys."""
    attempt = shopper.attempt()
    attempt.access_key = access_key
    return shopper.reply(attempt, **fields)


@pytest.mark.parametrize("in_settings", KEYS)
@pytest.mark.parametrize("endpoint", [REPLY, MERCHANT_POST])
@pytest.mark.parametrize("decision", DECISIONS)
def test_a_key_of_another_profile_decides_nothing(keys_at, in_settings, endpoint, decision):
    shopper = keys_at(in_settings)
    order = shopper.check_out()
    assert shopper.attempt().profile_id == OURS
    forged = signed(shopper, FOREIGN, **DECISIONS[decision])
    assert post_reply(forged, url=endpoint).status_code == 400
    entry = CyberSourceReply.objects.get()
    assert (entry.result, entry.refused_because) == (CyberSourceReply.Result.REFUSED, "other-profile-key")
    order.refresh_from_db()
    assert (order.status, shopper.attempt().state) == ("Pending", AttemptState.OPEN)
    believed = post_reply(shopper.submit().reply, url=endpoint).status_code
    assert believed == (303 if endpoint == REPLY else 200), "the right key is still believed"
    order.refresh_from_db()
    assert order.status == "Authorized"


@pytest.mark.parametrize("in_settings", KEYS)
def test_a_key_that_names_its_own_profile_decides_nothing_of_another(keys_at, in_settings):
    shopper = keys_at(in_settings)
    shopper.check_out()
    assert post_reply(signed(shopper, FOREIGN, req_profile_id=OTHERS)).status_code == 400
    assert CyberSourceReply.objects.get().refused_because == "other-profile-id"


@pytest.mark.parametrize("in_settings", [FIRST, SECOND, FOREIGN])
@pytest.mark.parametrize("access_key", [FIRST, SECOND])
@pytest.mark.parametrize("decision", DECISIONS)
def test_every_key_of_the_attempts_profile_is_believed(keys_at, in_settings, access_key, decision):
    """Keys of one profile rotate: what one asked another may answer, also where staff write the id in small letters."""
    shopper = keys_at(in_settings)
    shopper.check_out()
    SecureAcceptanceProfile.objects.filter(access_key=SECOND).update(profile_id=OURS.lower())
    told = signed(shopper, access_key, **DECISIONS[decision])
    assert post_reply(told, url=MERCHANT_POST).status_code == 200
    assert CyberSourceReply.objects.get().refused_because == ""
    assert shopper.attempt().state != AttemptState.OPEN


# -- hosts ------------------------------------------------------------------------------------------------------------

SPELLINGS = [
    "shop.example",
    "Shop.Example",
    "SHOP.EXAMPLE.",
    " shop.example ",
    "shop.example:8000",
    "Shop.Example.:443",
]


@pytest.mark.django_db
@pytest.mark.parametrize(("stored", "asked"), [*permutations(SPELLINGS, 2)])
def test_a_host_has_its_profile_however_the_two_are_spelled(settings, stored, asked):
    row = SecureAcceptanceProfile.objects.create(
        hostname=stored, profile_id=OTHERS, access_key=FOREIGN, secret_key="throwaway"
    )
    assert profiles.for_signing(asked.strip()).access_key == row.access_key
    for other in ("example", "my-shop.example", "shop.example.org", "shopxexample"):
        assert profiles.for_signing(other).access_key == settings.CYBERSOURCE_ACCESS


@pytest.mark.django_db
@pytest.mark.parametrize("stored", ["Bücher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example"])
def test_a_host_of_other_letters_is_what_browsers_send(stored):
    SecureAcceptanceProfile.objects.create(
        hostname=stored, profile_id=OTHERS, access_key=FOREIGN, secret_key="throwaway"
    )
    assert profiles.for_signing("xn--bcher-kva.example:8443").access_key == FOREIGN


@given(
    st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z0-9-]{1,20}){0,3}", fullmatch=True),
    st.sampled_from([str.lower, str.upper, str.title, str.swapcase]),
    st.sampled_from(["", "."]),
    st.one_of(st.just(""), st.integers(0, 65535).map(":{}".format)),
)
def test_every_spelling_of_a_host_is_one_host(name, cased, dot, port):
    assert profiles.bare_hostname(cased(name) + dot + port) == name
    assert credentials.origin(f"https://{cased(name)}{dot}:443/x") == f"https://{name}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url",
    [
        "https://SecureAcceptance.CyberSource.com/silent/pay",
        "HTTPS://secureacceptance.cybersource.com:443/silent/pay",
        "https://secureacceptance.cybersource.com./silent/pay",
        " https://secureacceptance.cybersource.com/silent/pay",
    ],
)
def test_the_gateways_hosts_are_known_however_they_are_spelled(url):
    assert whose(url) == "production"
    ours = {"CYBERSOURCE_ENVIRONMENT": "production", "CYBERSOURCE_ENDPOINT_PAY": url}
    with override_settings(**ours, CYBERSOURCE_ENDPOINT_TOKEN_CREATE=None):
        assert "cybersource.W008" not in {message.id for message in run_checks(include_deployment_checks=True)}
    assert whose(url.lower().replace("cybersource.com", "cybersource.com.evil.example")) == "unknown"


@pytest.mark.parametrize(
    ("url", "is_here"),
    [("http://LocalHost:8001/x", True), ("http://localhost.:1/", True), ("http://here.example/", False)],
)
def test_this_machine_is_known_however_it_is_spelled(url, is_here):
    assert credentials.is_this_machine(url) is is_here


# -- published keys ----------------------------------------------------------------------------------------------------


def published_by_the_simulator() -> dict[str, str]:
    """Every constant of the simulator that is a key or the id of one, and what the sandbox's settings hold."""
    found: dict[str, Any] = {}
    for module in pkgutil.walk_packages(simulator.__path__, "cybersource.simulator."):
        if module.name.endswith("__main__"):
            continue
        constants = vars(importlib.import_module(module.name))
        found |= {name: value for name, value in constants.items() if name.startswith("SANDBOX_")}
    del found["SANDBOX_MERCHANT_ID"]  # a name, no secret
    born_with = Profile(), RestAccess()
    found |= {"profile": born_with[0].profile_id, "access": born_with[0].access_key, "secret": born_with[0].secret_key}
    found |= {"rest id": born_with[1].key_id, "rest secret": born_with[1].shared_secret}
    with override_settings(
        **{name: getattr(sandbox, name) for name in dir(sandbox) if name.startswith("CYBERSOURCE_")}
    ):
        found |= {f"sandbox {name} {n}": value for n, (name, value) in enumerate(credentials_in_settings()) if value}
    return found


PUBLISHED = published_by_the_simulator()


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_key_that_the_simulator_is_born_with_is_known_as_published(name):
    assert is_published(PUBLISHED[name])
    assert is_published(f" {PUBLISHED[name].upper()}\n")
    assert not is_published(PUBLISHED[name][:-1])


#: A shop of its own keys, in production.
OWN = {
    "CYBERSOURCE_ENVIRONMENT": "production",
    "CYBERSOURCE_PROFILE": OURS,
    "CYBERSOURCE_ACCESS": FIRST,
    "CYBERSOURCE_SECRET": "throwaway-one",
    "CYBERSOURCE_DECISION_MANAGER_KEYS": ["throwaway-two"],
    "SECRET_KEY": "throwaway-three",
}

#: Each place of the settings with a published key in it.
PLACES = [
    ("CYBERSOURCE_PROFILE", sandbox.CYBERSOURCE_PROFILE.lower()),
    ("CYBERSOURCE_ACCESS", sandbox.CYBERSOURCE_ACCESS),
    ("CYBERSOURCE_SECRET", sandbox.CYBERSOURCE_SECRET),
    ("CYBERSOURCE_REST_KEY_ID", sandbox.CYBERSOURCE_REST_KEY_ID),
    ("CYBERSOURCE_REST_SHARED_SECRET", sandbox.CYBERSOURCE_REST_SHARED_SECRET),
    ("CYBERSOURCE_DECISION_MANAGER_KEYS", ["throwaway-two", *sandbox.CYBERSOURCE_DECISION_MANAGER_KEYS]),
    ("CYBERSOURCE_DECISION_MANAGER_KEYS", ["a long random key"]),
    ("CYBERSOURCE_WEBHOOK_KEYS", {PUBLISHED["SANDBOX_WEBHOOK_KEY_ID"]: "dGhyb3dhd2F5"}),
    ("CYBERSOURCE_WEBHOOK_KEYS", {"a-key": PUBLISHED["SANDBOX_WEBHOOK_KEY"]}),
    ("CYBERSOURCE_FERNET_KEYS", ["throwaway", sandbox.SECRET_KEY]),
    ("SECRET_KEY", sandbox.SECRET_KEY),
    ("SECRET_KEY_FALLBACKS", [sandbox.SECRET_KEY]),
]


def errors() -> list[str]:
    return [f"{each.id} {each.msg}" for each in run_checks() if each.level >= ERROR and "simulator" in each.msg]


def found_by_the_connection_test() -> list[str]:
    report = run(network=False)
    return [f"{each.id} {each.what}" for each in report.findings if each.is_error and "simulator" in each.what]


@pytest.mark.parametrize(("name", "value"), PLACES)
def test_a_published_key_in_the_settings_of_production_is_an_error(committed_db, name, value):
    with override_settings(**OWN):
        assert errors() == []
    with override_settings(**{**OWN, name: value}):
        (told,) = errors()
        assert told.startswith(f"cybersource.E022 {name} ")
        assert found_by_the_connection_test() == [told]
    with override_settings(**{**OWN, name: value, "CYBERSOURCE_ENVIRONMENT": "test"}):
        assert errors() == []


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("column", ["profile_id", "access_key", "secret_key"])
def test_a_published_key_in_a_row_of_production_is_an_error_active_or_not(committed_db, column, active):
    own = {"profile_id": OURS, "access_key": SECOND, "secret_key": "throwaway-two"}
    published = dict(
        zip(own, (sandbox.CYBERSOURCE_PROFILE, sandbox.CYBERSOURCE_ACCESS, sandbox.CYBERSOURCE_SECRET), strict=True)
    )
    with override_settings(**OWN):
        SecureAcceptanceProfile.objects.create(**own, active=active)
        assert errors() == []
        SecureAcceptanceProfile.objects.update(**{column: published[column]})
        (told,) = errors()
        row = SecureAcceptanceProfile.objects.get()
        assert told.startswith(f"cybersource.E023 Secure Acceptance profile row {row.pk} ")
        assert found_by_the_connection_test() == [told]
    assert errors() == [], "the sandbox's own environment is 'test'"


def test_the_checks_of_production_run_before_there_are_tables(committed_db):
    with override_settings(**OWN), connection.schema_editor() as editor:
        editor.execute("ALTER TABLE cybersource_secureacceptanceprofile RENAME TO hidden")
    try:
        with override_settings(**OWN), transaction.atomic():
            assert errors() == []
            assert not SecureAcceptanceProfile._meta.abstract
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")  # the caller's transaction is whole
    finally:
        with connection.schema_editor() as editor:
            editor.execute("ALTER TABLE hidden RENAME TO cybersource_secureacceptanceprofile")
