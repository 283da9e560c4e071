"""Broken set-ups: each is told by exactly its own check, with a hint."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import ModuleType

import pytest
from django.apps import apps
from django.conf import settings as live
from django.conf.urls.i18n import i18n_patterns
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import clear_url_caches, include, path
from oscar.apps.payment.abstract_models import AbstractTransaction

from cybersource.api.checkout import CheckoutView, CompleteDeferredPaymentView
from cybersource.checks.project import checkout_views, database, language_in_path, order_page, transaction_model

REST = {"CYBERSOURCE_REST_KEY_ID": "a-key", "CYBERSOURCE_REST_SHARED_SECRET": "dGhyb3dhd2F5"}


def without(name: str) -> list[str]:
    return [path for path in live.MIDDLEWARE if not path.endswith(name)]


BROKEN = [
    ({"CYBERSOURCE_SECRET": ""}, "cybersource.E001"),
    ({"CYBERSOURCE_SECRET": " pasted with a blank"}, "cybersource.E002"),
    ({"CYBERSOURCE_ENVIRONMENT": "live"}, "cybersource.E003"),
    ({"CYBERSOURCE_FLOW": "three-step"}, "cybersource.E004"),
    ({"CYBERSOURCE_ENDPOINT_PAY": "testsecureacceptance.cybersource.com"}, "cybersource.E005"),
    ({"CYBERSOURCE_SHIPPING_METHOD_MAPPING": {"express": "fast"}}, "cybersource.E006"),
    ({"CYBERSOURCE_SHIPPING_METHOD_DEFAULT": "fast"}, "cybersource.E006"),
    ({"CYBERSOURCE_DEFAULT_CURRENCY": "dollars"}, "cybersource.E007"),
    ({"CYBERSOURCE_DECISION_MANAGER_KEYS": "one key"}, "cybersource.E008"),
    ({"CYBERSOURCE_DECISION_MANAGER_KEYS": [""]}, "cybersource.E008"),
    ({"CYBERSOURCE_TRUSTED_PROXIES": "10.0.0.1"}, "cybersource.E009"),
    ({"CYBERSOURCE_TRUSTED_PROXIES": ["the proxy"]}, "cybersource.E009"),
    ({"CYBERSOURCE_FINGERPRINT_HOST": "no host/at all"}, "cybersource.E010"),
    ({"CYBERSOURCE_ATTEMPT_TIMEOUT": "an hour"}, "cybersource.E020"),
    ({"CYBERSOURCE_ATTEMPT_TIMEOUT": 0}, "cybersource.E020"),
    ({"CYBERSOURCE_ATTEMPT_TIMEOUT": timedelta(days=-1)}, "cybersource.E020"),
    ({"CYBERSOURCE_ATTEMPT_TIMEOUT": True}, "cybersource.E020"),
    ({"CYBERSOURCE_ATTEMPT_TIMEOUT": 10**12}, "cybersource.E020"),
    ({"CYBERSOURCE_ATTEMPT_TIMEOUT": 60}, "cybersource.W014"),
    ({"SESSION_COOKIE_AGE": 600}, "cybersource.W017"),
    ({"MIDDLEWARE": without("SessionMiddleware")}, "cybersource.E025"),
    ({"MIDDLEWARE": without("MessageMiddleware")}, "cybersource.E026"),
    ({"CYBERSOURCE_HOLD_DAYS": "a week"}, "cybersource.E021"),
    ({"CYBERSOURCE_HOLD_DAYS": -7}, "cybersource.E021"),
    ({"CYBERSOURCE_HOLD_DAYS": float("nan")}, "cybersource.E021"),
    ({"OSCAR_DASHBOARD_NAVIGATION": [{"label": "Dashboard", "url_name": "dashboard:index"}]}, "cybersource.W013"),
    ({"CYBERSOURCE_FERNET_KEYS": "one key"}, "cybersource.E011"),
    ({"CYBERSOURCE_REDIRECT_FAIL": "no:such-page"}, "cybersource.E016"),
    ({**REST, "CYBERSOURCE_REST_ENDPOINT": "api.cybersource.com"}, "cybersource.E030"),
    ({**REST, "CYBERSOURCE_REST_ENDPOINT": "https://api.cybersource.com/pts/v2"}, "cybersource.E030"),
    ({**REST, "CYBERSOURCE_REST_ENDPOINT": "http://api.cybersource.com"}, "cybersource.E031"),
    ({**REST, "CYBERSOURCE_REST_TIMEOUT": 0}, "cybersource.E032"),
    ({**REST, "CYBERSOURCE_REST_TIMEOUT": "40"}, "cybersource.E032"),
    ({**REST, "CYBERSOURCE_REST_AUTH": "basic"}, "cybersource.E033"),
    ({**REST, "CYBERSOURCE_REST_KEY_ID": ""}, "cybersource.E033"),
    ({**REST, "CYBERSOURCE_REST_SHARED_SECRET": "no base64!"}, "cybersource.E033"),
    ({"CYBERSOURCE_REST_AUTH": "p12", "CYBERSOURCE_REST_P12": "/no/such/file"}, "cybersource.E033"),
    ({**REST, "CYBERSOURCE_REST_MLE": True}, "cybersource.E033"),
    ({**REST, "CYBERSOURCE_REST_MLE_RESPONSE_KEY_ID": "k"}, "cybersource.E033"),
    ({**REST, "CYBERSOURCE_REST_AUTH": "http-signature"}, "cybersource.W030"),
    ({**REST, "CYBERSOURCE_WEBHOOK_KEYS": ["dGhyb3dhd2F5"]}, "cybersource.E040"),
    ({**REST, "CYBERSOURCE_WEBHOOK_KEYS": "dGhyb3dhd2F5"}, "cybersource.E040"),
    ({**REST, "CYBERSOURCE_WEBHOOK_KEYS": {"a-key": "no base64!"}}, "cybersource.E040"),
    ({**REST, "CYBERSOURCE_WEBHOOK_KEYS": {"a-key": None}}, "cybersource.E040"),
    ({"CYBERSOURCE_WEBHOOK_MAX_AGE": "a day"}, "cybersource.E041"),
    ({"CYBERSOURCE_WEBHOOK_MAX_AGE": 0}, "cybersource.E041"),
    ({"CYBERSOURCE_WEBHOOK_MAX_AGE": True}, "cybersource.E041"),
    ({"CYBERSOURCE_WEBHOOK_MAX_AGE": 300}, "cybersource.W040"),
    ({"CYBERSOURCE_WEBHOOK_KEYS": {"a-key": "dGhyb3dhd2F5"}}, "cybersource.W041"),
    ({"CYBERSOURCE_LIMITS": "5/h"}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"refusals": {"shop": "5/h"}}}, "cybersource.E017"),
    ({"CYBERSOURCE_MAX_PAYMENT_METHODS": 0}, "cybersource.E024"),
    ({"CYBERSOURCE_MAX_PAYMENT_METHODS": "5"}, "cybersource.E024"),
    ({"CYBERSOURCE_MAX_PAYMENT_METHODS": True}, "cybersource.E024"),
    ({"CYBERSOURCE_LIMITS": {"tries": {}}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"attempts": {"shopper": 5}}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"attempts": {"shopper": "five an hour"}}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"attempts": {"shopper": "0/h"}}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"attempts": {"shopper": "5/0h"}}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"attempts": {"shopper": "9999/h"}}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"declines": {"shop": "5/h"}}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"alarm": "30/15m"}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"exempt": "10.0.0.1"}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"exempt": ["the office"]}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"shadow": "yes"}}, "cybersource.E017"),
    ({"CYBERSOURCE_LIMITS": {"cache": "redis"}}, "cybersource.E018"),
    ({"CYBERSOURCE_PROFILE": "", "CYBERSOURCE_ACCESS": "", "CYBERSOURCE_SECRET": ""}, "cybersource.W001"),
    ({"CYBERSOURCE_LOCALE": "en_US"}, "cybersource.W002"),
    ({"CYBERSOURCE_DATE_FORMAT": "%d.%m.%Y"}, "cybersource.W003"),
    ({"CYBERSOURCE_DECISION_MANAGER_KEYS": None}, "cybersource.W004"),
    ({"CYBERSOURCE_MERCHANT_ID": ""}, "cybersource.W005"),
]


def told(**more):
    return {message.id: message for message in run_checks(**more) if (message.id or "").startswith("cybersource.")}


def test_the_sandbox_has_nothing_to_complain_of():
    assert told() == {}


@pytest.mark.parametrize(("broken", "check"), BROKEN, ids=[f"{check} {next(iter(b))}" for b, check in BROKEN])
def test_a_broken_setting_is_told_with_a_hint(broken, check):
    with override_settings(**broken):
        messages = told()
    assert set(messages) == {check}
    assert messages[check].hint


def test_a_shop_without_the_urls_is_told(settings):
    settings.ROOT_URLCONF = "django.contrib.flatpages.urls"
    assert "cybersource.E015" in told()


@pytest.fixture
def urlconf(settings):
    """A URLconf of these patterns, beside the sandbox's own."""
    module = ModuleType("tests.urls_of_a_shop")

    def use(*first, patterns=None):
        beside = [path("api/cybersource/", include("cybersource.urls")), *first, *without_checkout()]
        module.urlpatterns = beside if patterns is None else [*first, *patterns]
        settings.ROOT_URLCONF = "tests.urls_of_a_shop"
        clear_url_caches()

    sys.modules[module.__name__] = module
    yield use
    del sys.modules[module.__name__]
    clear_url_caches()


def without_checkout():
    from sandbox.urls import urlpatterns

    return [pattern for pattern in urlpatterns if str(pattern.pattern) != "api/"]


def test_a_shop_whose_checkout_does_not_know_cards_is_told(urlconf):
    theirs = path("api/", include(apps.get_app_config("oscarapicheckout").urls[0]))
    ours = path("api/", include("cybersource.checkout_urls"))
    urlconf(theirs)
    assert [message.id for message in checkout_views()] == ["cybersource.W016"] * 2
    urlconf(theirs, ours)
    assert [message.id for message in checkout_views()] == ["cybersource.W016"] * 2
    urlconf(ours, theirs)
    assert list(checkout_views()) == []


def test_a_shop_whose_addresses_for_cybersource_need_a_language_is_told(urlconf):
    ours = path("shop/", include("cybersource.urls"))
    everything = without_checkout()
    rest = [pattern for pattern in everything if str(pattern.pattern) != "api/cybersource/"]
    assert len(rest) == len(everything) - 1
    urlconf(ours, patterns=rest)
    assert list(language_in_path()) == []
    urlconf(*i18n_patterns(ours), patterns=rest)
    [message] = language_in_path()
    assert message.id == "cybersource.W018" and "'/en-us/shop/cybersource-reply/'" in message.msg
    with override_settings(LANGUAGE_CODE="de"):
        [message] = language_in_path()
        assert "'/de/shop/cybersource-reply/'" in message.msg
        urlconf(*i18n_patterns(ours, prefix_default_language=False), patterns=rest)
        assert list(language_in_path()) == [], "the shop's own language has no prefix, so that both are resolved"
    urlconf(*i18n_patterns(ours), ours, patterns=rest)
    assert list(language_in_path()) == [], "an address without language is there as well"


def test_a_view_of_the_shops_own_may_be_based_on_ours(urlconf):
    class OwnView(CheckoutView):
        pass

    theirs = path("api/", include(apps.get_app_config("oscarapicheckout").urls[0]))
    deferred = path("api/checkout/complete-deferred-payment/", CompleteDeferredPaymentView.as_view())
    urlconf(path("api/checkout/", OwnView.as_view()), deferred, theirs)
    assert list(checkout_views()) == []


def test_a_shop_without_postgres_support_is_told(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.postgres"]
    assert [message.id for message in database()] == ["cybersource.E012"]


def test_another_database_is_told(settings):
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}
    assert [message.id for message in database()] == ["cybersource.E013"]


def test_a_transaction_without_the_mixin_is_told():
    assert [message.id for message in transaction_model(AbstractTransaction)] == ["cybersource.E014"]


def test_a_pipeline_that_payments_would_have_to_force_is_told(settings):
    settings.OSCAR_ORDER_STATUS_PIPELINE = {"Pending": ("Authorized",)}
    assert set(told()) == {"cybersource.W006"}


def test_an_app_that_staff_would_not_see_on_the_order_page_is_told(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "cybersource"] + ["cybersource"]
    assert [message.id for message in order_page()] == ["cybersource.W009"]


def test_an_open_notification_url_is_told_at_deployment(settings):
    settings.CYBERSOURCE_DECISION_MANAGER_KEYS = []
    assert "cybersource.W007" in told(include_deployment_checks=True)
    assert "cybersource.W007" not in told()


def test_an_endpoint_off_cybersources_hosts_is_told_at_deployment(settings):
    assert "cybersource.W008" in told(include_deployment_checks=True)
    settings.CYBERSOURCE_ENDPOINT_PAY = settings.CYBERSOURCE_ENDPOINT_TOKEN_CREATE = None
    assert "cybersource.W008" not in told(include_deployment_checks=True)


def deployed() -> set[str]:
    return set(told(include_deployment_checks=True))


def cache(backend: str, **more):
    return {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "x", **more}}


LARGE = cache("db.DatabaseCache", OPTIONS={"MAX_ENTRIES": 100_000})


def test_budgets_by_address_without_a_word_about_proxies_are_told_at_deployment(settings):
    settings.CACHES = LARGE
    assert "cybersource.W010" in deployed()
    assert "cybersource.W010" not in told()
    settings.CYBERSOURCE_TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert "cybersource.W010" not in deployed()
    settings.CYBERSOURCE_TRUSTED_PROXIES = []
    assert "cybersource.W010" not in deployed(), "no proxy, said so"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert "cybersource.W010" in deployed(), "but there is one"
    none = {"attempts": {"address": None}, "declines": {"address": None}, "alarm": None}
    settings.CYBERSOURCE_LIMITS = none
    assert "cybersource.W010" not in deployed()


@pytest.mark.parametrize(
    ("caches", "check"),
    [
        (cache("locmem.LocMemCache"), "cybersource.W011"),
        (cache("dummy.DummyCache"), "cybersource.W011"),
        (cache("filebased.FileBasedCache"), "cybersource.W011"),
        (cache("db.DatabaseCache"), "cybersource.W012"),
        (LARGE, None),
        (cache("redis.RedisCache"), None),
    ],
)
def test_a_cache_in_which_budgets_would_not_hold_is_told_at_deployment(settings, caches, check):
    settings.CACHES = caches
    assert deployed() & {"cybersource.W011", "cybersource.W012"} == {check} - {None}
    assert not set(told()) & {"cybersource.W011", "cybersource.W012"}
    settings.CYBERSOURCE_LIMITS = None
    assert not deployed() & {"cybersource.W010", "cybersource.W011", "cybersource.W012"}


def test_a_shop_with_rest_credentials_has_nothing_to_complain_of():
    with override_settings(**REST):
        assert told() == {}
    with override_settings(**REST, CYBERSOURCE_WEBHOOK_KEYS={"a-key": "dGhyb3dhd2F5"}):
        assert told() == {}


@pytest.mark.django_db
def test_a_rest_endpoint_off_cybersources_hosts_is_told_at_deployment():
    with override_settings(**REST, CYBERSOURCE_REST_ENDPOINT="https://rest.example"):
        assert "cybersource.W031" in told(include_deployment_checks=True)
    for environment, host in [("test", "apitest.cybersource.com"), ("production", "api.in.cybersource.com")]:
        with override_settings(
            **REST, CYBERSOURCE_ENVIRONMENT=environment, CYBERSOURCE_REST_ENDPOINT=f"https://{host}/"
        ):
            assert "cybersource.W031" not in told(include_deployment_checks=True)
