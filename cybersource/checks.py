"""The truths of :mod:`cybersource.conf` as system checks: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.module_loading import import_string
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings

from . import clock, deliveries, gateway, limits
from .conf import AUTO_REVERSALS, FLOWS, HOSTS, REST_HOSTS, conf
from .models import SecureAcceptanceProfile, TransactionMixin
from .protocol import (
    LOCALES,
    SHIPPING_METHODS,
    AmountNotRepresentable,
    InvalidRequest,
    currency_exponent,
    profiling_url,
)
from .published import is_published

#: Further hosts of the same services: India, and the Visa Acceptance brand.
OTHER_REST_HOSTS = {
    "test": ("https://apitest.visaacceptance.com",),
    "production": ("https://api.in.cybersource.com", "https://api.visaacceptance.com"),
}


@register(Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        *credentials(),
        *choices(),
        *timeout(),
        *hold_days(),
        *review_keys(),
        *proxies(),
        *fingerprint(),
        *encryption(),
        *rest(),
        *webhooks(),
        *budgets(),
        *payment_methods(),
    ]


@register(Tags.models)
def check_surroundings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        *database(),
        *middleware(),
        *session_age(),
        *transaction_model(),
        *order_statuses(),
        *order_page(),
        *navigation(),
    ]


@register(Tags.urls)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*urls(), *checkout_views()]


@register(Tags.security)
def check_published_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    # Not among the checks of the database, which plain ``manage.py check`` leaves out.
    if conf.environment != "production":
        return []
    return [*published_settings(), *published_rows()]


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return list(deployment())


def credentials() -> Iterator[CheckMessage]:
    given = {name: getattr(conf, name.lower()) for name in ("PROFILE", "ACCESS", "SECRET")}
    missing = [name for name, value in given.items() if not value]
    if len(missing) == 3:
        yield Warning(
            "No CyberSource profile stands in the settings.",
            hint="Set CYBERSOURCE_PROFILE, CYBERSOURCE_ACCESS and CYBERSOURCE_SECRET, or keep at least one active "
            "Secure Acceptance profile in the admin and silence this check.",
            id="cybersource.W001",
        )
    for name in missing if len(missing) < 3 else ():
        yield Error(
            f"CYBERSOURCE_{name} is empty while its companions are set.",
            hint="Copy the profile id, access key and secret key of one security key from the Business Center.",
            id="cybersource.E001",
        )
    for name, value in given.items():
        if value and (not isinstance(value, str) or value != value.strip()):
            yield Error(
                f"CYBERSOURCE_{name} is not plain text, or has blanks around it.",
                hint="Paste it again without quotes, blanks or line breaks.",
                id="cybersource.E002",
            )


def choices() -> Iterator[CheckMessage]:
    if conf.environment not in HOSTS:
        yield Error(
            "CYBERSOURCE_ENVIRONMENT is neither 'test' nor 'production'.",
            hint="It decides which CyberSource host gets the shopper's card.",
            id="cybersource.E003",
        )
    if conf.flow not in FLOWS:
        yield Error("CYBERSOURCE_FLOW names no flow.", hint=f"Choose one of {', '.join(FLOWS)}.", id="cybersource.E004")
    if conf.flow == "token-then-server" and not conf.has_rest:
        yield Error(
            "CYBERSOURCE_FLOW is 'token-then-server', and the shop has no key of the REST door.",
            hint="Set CYBERSOURCE_REST_KEY_ID and CYBERSOURCE_REST_SHARED_SECRET, or choose 'two-step'.",
            id="cybersource.E034",
        )
    if set(conf.auto_reverse) - set(AUTO_REVERSALS):
        yield Error(
            "CYBERSOURCE_AUTO_REVERSE names something that cannot be reversed by itself.",
            hint=f"Use any of {', '.join(AUTO_REVERSALS)}; True for all, False for none.",
            id="cybersource.E035",
        )
    for name in ("ENDPOINT_PAY", "ENDPOINT_TOKEN_CREATE"):
        value = getattr(settings, f"CYBERSOURCE_{name}", None)
        if value and urlsplit(str(value)).scheme not in ("http", "https"):
            yield Error(
                f"CYBERSOURCE_{name} is no web address.",
                hint="Leave it unset to use the host of CYBERSOURCE_ENVIRONMENT.",
                id="cybersource.E005",
            )
    if conf.locale != "en" and conf.locale not in LOCALES:
        yield Warning(
            "CYBERSOURCE_LOCALE is not in CyberSource's list of locales.",
            hint="Use one like 'en-us': lower case with a hyphen.",
            id="cybersource.W002",
        )
    wrong = {conf.shipping_method_default, *dict(conf.shipping_method_mapping).values()} - set(SHIPPING_METHODS)
    if wrong:
        yield Error(
            "CYBERSOURCE_SHIPPING_METHOD_DEFAULT or _MAPPING uses a word that CyberSource does not know.",
            hint=f"The words are {', '.join(SHIPPING_METHODS)}.",
            id="cybersource.E006",
        )
    try:
        currency_exponent(conf.default_currency)
    except AmountNotRepresentable:
        yield Error(
            "CYBERSOURCE_DEFAULT_CURRENCY is no ISO 4217 code.",
            hint="Use three capital letters such as USD.",
            id="cybersource.E007",
        )
    if getattr(settings, "CYBERSOURCE_DATE_FORMAT", "%Y-%m-%dT%H:%M:%SZ") != "%Y-%m-%dT%H:%M:%SZ":
        yield Warning(
            "CYBERSOURCE_DATE_FORMAT is not used: CyberSource takes one format only.",
            hint="Remove the setting.",
            id="cybersource.W003",
        )


def timeout() -> Iterator[CheckMessage]:
    given = getattr(settings, "CYBERSOURCE_ATTEMPT_TIMEOUT", None)
    try:
        clock.now() - conf.attempt_timeout  # overflows for what is no time in practice
        usable = not isinstance(given, bool) and conf.attempt_timeout > timedelta(0)
    except (TypeError, ValueError, OverflowError):
        usable = False
    if not usable:
        yield Error(
            "CYBERSOURCE_ATTEMPT_TIMEOUT is neither a number of seconds nor a timedelta, or is no time at all.",
            hint="Write CYBERSOURCE_ATTEMPT_TIMEOUT = 3600, or leave it unset.",
            id="cybersource.E020",
        )
    elif conf.attempt_timeout < timedelta(minutes=15):
        yield Warning(
            "CYBERSOURCE_ATTEMPT_TIMEOUT is shorter than CyberSource takes a form after it was signed.",
            hint="Shoppers may still be paying. Set it to at least 900 seconds, or leave it unset for an hour.",
            id="cybersource.W014",
        )


def hold_days() -> Iterator[CheckMessage]:
    try:
        usable = 0 < conf.hold_days < 1000 and not isinstance(conf.hold_days, bool)
    except TypeError:
        usable = False
    if not usable:
        yield Error(
            "CYBERSOURCE_HOLD_DAYS is not for how many days a bank keeps a hold.",
            hint="Write CYBERSOURCE_HOLD_DAYS = 7, or what your processor says.",
            id="cybersource.E021",
        )


def review_keys() -> Iterator[CheckMessage]:
    keys = conf.decision_manager_keys
    if keys is None:
        yield Warning(
            "CYBERSOURCE_DECISION_MANAGER_KEYS is not set, so the review notification URL is closed.",
            hint="Set a list with a long random key and add ?key=… to the URL in the Business Center.",
            id="cybersource.W004",
        )
    elif isinstance(keys, str) or not all(isinstance(key, str) and key.strip() for key in keys):
        yield Error(
            "CYBERSOURCE_DECISION_MANAGER_KEYS is not a list of keys.",
            hint="Write CYBERSOURCE_DECISION_MANAGER_KEYS = ['a long random key'].",
            id="cybersource.E008",
        )


def proxies() -> Iterator[CheckMessage]:
    networks: Iterable[Any] = () if isinstance(conf.trusted_proxies, str) else conf.trusted_proxies
    bad = isinstance(conf.trusted_proxies, str)
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            bad = True
    if bad:
        yield Error(
            "CYBERSOURCE_TRUSTED_PROXIES is not a list of addresses and networks.",
            hint="Write ['10.0.0.0/8'] or ['203.0.113.7'].",
            id="cybersource.E009",
        )


def fingerprint() -> Iterator[CheckMessage]:
    if conf.org_id and not conf.merchant_id:
        yield Warning(
            "CYBERSOURCE_ORG_ID is set without CYBERSOURCE_MERCHANT_ID, so device fingerprints are off.",
            hint="Set the merchant id too.",
            id="cybersource.W005",
        )
    if conf.org_id and conf.merchant_id:
        try:
            profiling_url(
                "tags",
                org_id=conf.org_id,
                merchant_id=conf.merchant_id,
                session_id="check",
                host=conf.fingerprint_host,
                protocol=conf.fingerprint_protocol,
            )
        except InvalidRequest as problem:
            yield Error(
                f"The device fingerprint's URL cannot be built: {problem.explanation}",
                hint="Check CYBERSOURCE_ORG_ID, _MERCHANT_ID, _FINGERPRINT_HOST and _FINGERPRINT_PROTOCOL.",
                id="cybersource.E010",
            )


def encryption() -> Iterator[CheckMessage]:
    keys = conf.fernet_keys
    if keys is not None and (isinstance(keys, str) or not all(isinstance(key, str) and key for key in keys)):
        yield Error(
            "CYBERSOURCE_FERNET_KEYS is not a list of keys.",
            hint="Write CYBERSOURCE_FERNET_KEYS = ['newest key', 'older key'].",
            id="cybersource.E011",
        )


def budgets() -> Iterator[CheckMessage]:
    if conf.limits is None:
        return
    try:
        used = limits.merged(conf.limits)
    except (TypeError, ValueError) as problem:
        yield Error(
            f"CYBERSOURCE_LIMITS cannot be read: {problem}.",
            hint="Write it as {'attempts': {'address': '40/h'}, 'declines': {'shopper': '5/h'}}: a number and s, m, h "
            "or d. What you leave out keeps its default; None instead of the dictionary switches limits off.",
            id="cybersource.E017",
        )
        return
    if used["cache"] not in settings.CACHES:
        yield Error(
            f"CYBERSOURCE_LIMITS names a cache that CACHES lacks: '{used['cache']}'.",
            hint=f"CACHES has {', '.join(map(repr, settings.CACHES))}.",
            id="cybersource.E018",
        )


def payment_methods() -> Iterator[CheckMessage]:
    most = conf.max_payment_methods
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        yield Error(
            "CYBERSOURCE_MAX_PAYMENT_METHODS is no number of card payments that an order may be split over.",
            hint="Write CYBERSOURCE_MAX_PAYMENT_METHODS = 2, or leave it unset for 5.",
            id="cybersource.E024",
        )


def rest() -> Iterator[CheckMessage]:
    """The REST door, where any of its settings is set: whether a call could be made at all."""
    given = ("KEY_ID", "SHARED_SECRET", "P12", "MLE", "MLE_RESPONSE_KEY", "MLE_RESPONSE_KEY_ID")
    if conf.environment not in HOSTS or not any(getattr(conf, f"rest_{name.lower()}") for name in given):
        return
    parts = urlsplit(conf.rest_endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        yield Error(
            "CYBERSOURCE_REST_ENDPOINT is no origin.",
            hint="Leave it unset to use the host of CYBERSOURCE_ENVIRONMENT; else write scheme and host only.",
            id="cybersource.E030",
        )
    elif parts.scheme == "http" and not gateway.is_this_machine(conf.rest_endpoint):
        yield Error(
            "CYBERSOURCE_REST_ENDPOINT is not encrypted.",
            hint="Use https; plain http is for a simulator on this machine.",
            id="cybersource.E031",
        )
    seconds = conf.rest_timeout
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= 600:
        yield Error(
            "CYBERSOURCE_REST_TIMEOUT is no number of seconds.",
            hint="Use 40, or another number from 1 to 600.",
            id="cybersource.E032",
        )
        return
    try:
        gateway.access()
    except ImproperlyConfigured as problem:
        yield Error(
            str(problem),
            hint="Copy key id and shared secret of a REST key from the Business Center, or name readable key files.",
            id="cybersource.E033",
        )
    if conf.rest_auth == "http-signature":
        yield Warning(
            "CYBERSOURCE_REST_AUTH is 'http-signature', which CyberSource takes until March 2027.",
            hint="Use 'jwt': it works with the same key id and shared secret.",
            id="cybersource.W030",
        )


def webhooks() -> Iterator[CheckMessage]:
    given = getattr(settings, "CYBERSOURCE_WEBHOOK_KEYS", None)
    if given is not None and (not isinstance(given, Mapping) or len(deliveries.keys()) != len(given)):
        yield Error(
            "CYBERSOURCE_WEBHOOK_KEYS is not a dictionary of key ids and secrets in Base64.",
            hint="Write it as manage.py cybersource_webhooks key shows it: {'key id': 'secret'}.",
            id="cybersource.E040",
        )
    age = getattr(settings, "CYBERSOURCE_WEBHOOK_MAX_AGE", None)
    try:
        clock.now() - conf.webhook_max_age  # overflows for what is no time in practice
        usable = not isinstance(age, bool) and conf.webhook_max_age > timedelta(0)
    except (TypeError, ValueError, OverflowError):
        usable = False
    if not usable:
        yield Error(
            "CYBERSOURCE_WEBHOOK_MAX_AGE is neither a number of seconds nor a timedelta, or is no time at all.",
            hint="Leave it unset for two days.",
            id="cybersource.E041",
        )
    elif conf.webhook_max_age < timedelta(hours=1):
        yield Warning(
            "CYBERSOURCE_WEBHOOK_MAX_AGE is shorter than CyberSource goes on trying to deliver.",
            hint="Leave it unset for two days: what comes twice is told by other means.",
            id="cybersource.W040",
        )
    if conf.webhook_keys and not (conf.rest_key_id or conf.rest_p12):
        yield Warning(
            "CYBERSOURCE_WEBHOOK_KEYS is set without credentials of the REST door: nothing can look into a delivery.",
            hint="Set the CYBERSOURCE_REST_… settings too.",
            id="cybersource.W041",
        )


def database() -> Iterator[CheckMessage]:
    if "django.contrib.postgres" not in settings.INSTALLED_APPS:
        yield Error(
            "django.contrib.postgres is not in INSTALLED_APPS.",
            hint="Add it: replies are logged in a PostgreSQL HStore.",
            id="cybersource.E012",
        )
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    if "postgres" not in engine and "postgis" not in engine:
        yield Error(
            "The default database is not PostgreSQL.",
            hint="Replies are logged in a PostgreSQL HStore; no other database has one.",
            id="cybersource.E013",
        )


#: What must be among MIDDLEWARE, or a class that is based on it, and what does not work without.
NEEDED_MIDDLEWARE = (
    ("django.contrib.sessions.middleware.SessionMiddleware", "a shopper who comes back is not known", "E025"),
    ("django.contrib.messages.middleware.MessageMiddleware", "a declined shopper cannot be told why", "E026"),
)


def middleware() -> Iterator[CheckMessage]:
    used = []
    for path in settings.MIDDLEWARE:
        try:
            used.append(import_string(path))
        except ImportError:
            return  # Django says so when it starts
    for path, lost, number in NEEDED_MIDDLEWARE:
        needed = import_string(path)
        if not any(isinstance(each, type) and issubclass(each, needed) for each in used):
            yield Error(
                f"MIDDLEWARE lacks {path}: {lost}.",
                hint=f"Add '{path}' to MIDDLEWARE.",
                id=f"cybersource.{number}",
            )


def session_age() -> Iterator[CheckMessage]:
    try:
        longest = conf.attempt_timeout.total_seconds()
    except (TypeError, ValueError, OverflowError):
        return  # told above
    if settings.SESSION_COOKIE_AGE < min(longest, 86400):
        yield Warning(
            "SESSION_COOKIE_AGE ends a session before CYBERSOURCE_ATTEMPT_TIMEOUT ends a payment: a shopper may come "
            "back as a stranger.",
            hint="Let sessions last at least as long as payments may wait for their answer.",
            id="cybersource.W017",
        )


def transaction_model(model: Any = None) -> Iterator[CheckMessage]:
    if not issubclass(model or get_model("payment", "Transaction"), TransactionMixin):
        yield Error(
            "payment.Transaction does not have the columns of cybersource.models.TransactionMixin.",
            hint="Fork Oscar's payment app (manage.py oscar_fork_app payment …) and declare "
            "class Transaction(TransactionMixin, AbstractTransaction).",
            id="cybersource.E014",
        )


def order_statuses() -> Iterator[CheckMessage]:
    pipeline = getattr(settings, "OSCAR_ORDER_STATUS_PIPELINE", {})
    pending, declined, authorized = (
        checkout_settings.ORDER_STATUS_PENDING,
        checkout_settings.ORDER_STATUS_PAYMENT_DECLINED,
        checkout_settings.ORDER_STATUS_AUTHORIZED,
    )
    for before, after in ((pending, authorized), (pending, declined), (declined, authorized)):
        if after not in pipeline.get(before, ()):
            yield Warning(
                f"OSCAR_ORDER_STATUS_PIPELINE has no way from '{before}' to '{after}'.",
                hint="Payments force it, with a note on the order. Add the way to the pipeline.",
                id="cybersource.W006",
            )


def order_page() -> Iterator[CheckMessage]:
    apps = list(settings.INSTALLED_APPS)
    ours = next((index for index, app in enumerate(apps) if app.startswith("cybersource")), 0)
    if any("oscar.apps.dashboard" in app or app == "oscar" for app in apps[:ours]):
        yield Warning(
            "cybersource stands after Oscar's dashboard in INSTALLED_APPS: staff see no card payments on orders.",
            hint="Put 'cybersource' before the Oscar apps: Django takes the first template it finds.",
            id="cybersource.W009",
        )


def navigation() -> Iterator[CheckMessage]:
    entries = getattr(settings, "OSCAR_DASHBOARD_NAVIGATION", [])
    linked = {child.get("url_name") for entry in entries for child in (entry, *entry.get("children", ()))}
    if "cybersource-attention" not in linked:
        yield Warning(
            "Staff find no way to the list of card payments that need attention.",
            hint="Add cybersource.navigation.DASHBOARD_ENTRY to OSCAR_DASHBOARD_NAVIGATION, or a link of your own.",
            id="cybersource.W013",
        )


def checkout_views() -> Iterator[CheckMessage]:
    """Which views answer at api-checkout's two paths; a shop's own may be based on ours."""
    for name in ("api-checkout", "api-complete-deferred-payment") if getattr(settings, "ROOT_URLCONF", None) else ():
        try:
            view = resolve(reverse(name)).func
        except (NoReverseMatch, Resolver404):
            continue  # mounted at another place of the shop's choice, or not at all
        bases = getattr(getattr(view, "cls", None), "__mro__", ())
        if not any(base.__module__ == "cybersource.checkout_api" for base in bases):
            yield Warning(
                f"The view of '{name}' does not know card payments: what is wrong with one shows after the order.",
                hint='Add path("api/", include("cybersource.checkout_urls")) before the URLs of oscarapicheckout, at '
                "their path, or base your own view on the one of the same name in cybersource.checkout_api.",
                id="cybersource.W016",
            )


def urls() -> Iterator[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    try:
        reverse("cybersource-reply")
    except NoReverseMatch:
        yield Error(
            "The URLs of the app are not included.",
            hint='Add path("api/cybersource/", include("cybersource.urls")) to the URLconf.',
            id="cybersource.E015",
        )
    for name in ("redirect_success", "redirect_fail", "redirect_pending"):
        target = getattr(conf, name)
        try:
            resolve_url(target) if target else None
        except NoReverseMatch:
            yield Error(
                f"CYBERSOURCE_{name.upper()} names no page: '{target}'.",
                hint="Use the name of a URL without arguments, or a path that starts with '/'.",
                id="cybersource.E016",
            )


def credentials_in_settings() -> Iterator[tuple[str, Any]]:
    """Each credential of the settings, or the id of one, with the setting it stands in."""
    for name in ("PROFILE", "ACCESS", "SECRET", "REST_KEY_ID", "REST_SHARED_SECRET"):
        yield f"CYBERSOURCE_{name}", getattr(conf, name.lower())
    for name in ("DECISION_MANAGER_KEYS", "FERNET_KEYS"):
        given = getattr(conf, name.lower()) or ()
        for key in (given,) if isinstance(given, str) else given:
            yield f"CYBERSOURCE_{name}", key
    webhook_keys = conf.webhook_keys
    if isinstance(webhook_keys, Mapping):
        for pair in webhook_keys.items():
            for part in pair:
                yield "CYBERSOURCE_WEBHOOK_KEYS", part
    yield "SECRET_KEY", settings.SECRET_KEY
    for key in settings.SECRET_KEY_FALLBACKS:
        yield "SECRET_KEY_FALLBACKS", key


def published_settings() -> Iterator[CheckMessage]:
    for name in dict.fromkeys(name for name, value in credentials_in_settings() if is_published(value)):
        yield Error(
            f"{name} is a key of the simulator, which everybody knows, and the environment is 'production'.",
            hint="Put a key of your own there: whoever knows the simulator's could forge what is believed by it.",
            id="cybersource.E022",
        )


def published_rows() -> Iterator[CheckMessage]:
    """Profiles in the database, active or not: one tick in the admin makes any of them a key that is believed."""
    try:
        # A statement that fails must not break a transaction that whoever runs the checks has open.
        with transaction.atomic(using=router.db_for_read(SecureAcceptanceProfile)):
            rows = list(SecureAcceptanceProfile.objects.order_by("pk"))
    except (
        Exception
    ):  # no database, or no tables yet, as on the machine that builds an image: no command stops for that
        return
    for row in rows:
        if any(map(is_published, (row.profile_id, row.access_key, row.secret_key))):
            yield Error(
                f"Secure Acceptance profile row {row.pk} holds a key of the simulator, which everybody knows, and the "
                "environment is 'production'.",
                hint="Delete the row in the admin, also where it is not active, and enter a key of your own.",
                id="cybersource.E023",
            )


#: Caches that forget, that each process has for itself, or in which two processes may take one place.
UNSHARED = ("dummy.DummyCache", "locmem.LocMemCache", "filebased.FileBasedCache")

#: Entries from which Django's own caches throw some away, unless they are told another number.
FEW_ENTRIES = 10_000


def budgets_in_use() -> Iterator[CheckMessage]:
    """What is known at deployment only: the cache and the proxies that budgets depend on."""
    try:
        used = limits.current()
    except ImproperlyConfigured:
        return  # told as an error above
    if used is None:
        return
    by_address = any("address" in used[kind] for kind in ("attempts", "declines", "alarm"))
    behind_proxy = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) or getattr(
        settings, "USE_X_FORWARDED_HOST", False
    )
    unsaid = getattr(settings, "CYBERSOURCE_TRUSTED_PROXIES", None) is None
    if by_address and not conf.trusted_proxies and (unsaid or behind_proxy):
        yield Warning(
            "CYBERSOURCE_LIMITS counts by network address and no proxy is named: behind a proxy all shoppers have one.",
            hint="Set CYBERSOURCE_TRUSTED_PROXIES to the addresses or networks of your proxies, or to [] if there are "
            "none.",
            id="cybersource.W010",
        )
    cache = settings.CACHES.get(used["cache"], {})
    backend = str(cache.get("BACKEND", ""))
    if backend.endswith(UNSHARED):
        yield Warning(
            f"CYBERSOURCE_LIMITS counts in a cache that web processes do not share safely: {backend}.",
            hint="Use Redis, memcached or django.core.cache.backends.db.DatabaseCache, and name it in "
            "CYBERSOURCE_LIMITS['cache'] if it is not the default one.",
            id="cybersource.W011",
        )
    elif backend.endswith("db.DatabaseCache"):
        entries = {**cache, **cache.get("OPTIONS", {})}.get("MAX_ENTRIES", 300)
        if int(entries) < FEW_ENTRIES:
            yield Warning(
                f"The cache of CYBERSOURCE_LIMITS forgets entries beyond {entries}, and budgets with them.",
                hint="Set 'OPTIONS': {'MAX_ENTRIES': 100000} for it in CACHES.",
                id="cybersource.W012",
            )


def deployment() -> Iterator[CheckMessage]:
    yield from budgets_in_use()
    if conf.decision_manager_keys is not None and not conf.decision_manager_keys:
        yield Warning(
            "CYBERSOURCE_DECISION_MANAGER_KEYS is empty: anybody may post review decisions.",
            hint="Set a long random key.",
            id="cybersource.W007",
        )
    if conf.environment in HOSTS:
        for name in ("endpoint_pay", "endpoint_token_create"):
            if gateway.origin(getattr(conf, name)) != conf.host:
                yield Warning(
                    f"CYBERSOURCE_{name.upper()} is not on the host of the '{conf.environment}' environment.",
                    hint="Shoppers' cards go there. Leave it unset unless that is what you want.",
                    id="cybersource.W008",
                )
    if conf.environment in HOSTS and (conf.rest_key_id or conf.rest_p12):
        ours = (REST_HOSTS[conf.environment], *OTHER_REST_HOSTS[conf.environment])
        if gateway.origin(conf.rest_endpoint) not in ours:
            yield Warning(
                f"CYBERSOURCE_REST_ENDPOINT is not the host of the '{conf.environment}' environment.",
                hint="Money is moved there. Leave it unset unless that is what you want.",
                id="cybersource.W031",
            )
