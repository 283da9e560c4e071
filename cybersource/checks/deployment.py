"""Checks of a shop that is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from ..conf import HOSTS, REST_HOSTS, conf
from ..gateway import credentials
from ..limits import rates
from .rest import OTHER_REST_HOSTS


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return list(deployment())


#: Caches that forget, that each process has for itself, or in which two processes may take one place.
UNSHARED = ("dummy.DummyCache", "locmem.LocMemCache", "filebased.FileBasedCache")

#: Entries from which Django's own caches throw some away, unless they are told another number.
FEW_ENTRIES = 10_000


def budgets_in_use() -> Iterator[CheckMessage]:
    """What is known at deployment only: the cache and the proxies that budgets depend on."""
    try:
        used = rates.current()
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
            if credentials.origin(getattr(conf, name)) != conf.host:
                yield Warning(
                    f"CYBERSOURCE_{name.upper()} is not on the host of the '{conf.environment}' environment.",
                    hint="Shoppers' cards go there. Leave it unset unless that is what you want.",
                    id="cybersource.W008",
                )
    if conf.environment in HOSTS and (conf.rest_key_id or conf.rest_p12):
        ours = (REST_HOSTS[conf.environment], *OTHER_REST_HOSTS[conf.environment])
        if credentials.origin(conf.rest_endpoint) not in ours:
            yield Warning(
                f"CYBERSOURCE_REST_ENDPOINT is not the host of the '{conf.environment}' environment.",
                hint="Money is moved there. Leave it unset unless that is what you want.",
                id="cybersource.W031",
            )
