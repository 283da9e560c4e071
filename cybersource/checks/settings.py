"""The truths of :mod:`cybersource.conf` as system checks: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from ..conf import AUTO_REVERSALS, FLOWS, HOSTS, conf
from ..db import clock
from ..limits import rates
from ..protocol import (
    LOCALES,
    SHIPPING_METHODS,
    AmountNotRepresentable,
    InvalidRequest,
    currency_exponent,
    profiling_url,
)
from .rest import rest, webhooks


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
            "CYBERSOURCE_FLOW is 'token-then-server', and the shop has no key of the REST API.",
            hint="Set CYBERSOURCE_REST_KEY_ID and CYBERSOURCE_REST_SHARED_SECRET, or choose 'two-step'.",
            id="cybersource.E034",
        )
    if set(conf.auto_reverse) - set(AUTO_REVERSALS):
        yield Error(
            "CYBERSOURCE_AUTO_REVERSE names something that cannot be reversed automatically.",
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
        used = rates.merged(conf.limits)
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
