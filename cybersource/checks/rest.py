"""Checks of the REST API's settings and of the webhooks'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from ..conf import HOSTS, conf
from ..db import clock
from ..gateway import credentials
from ..inbound import webhooks as webhook_inbox

#: Further hosts of the same services: India, and the Visa Acceptance brand.
OTHER_REST_HOSTS = {
    "test": ("https://apitest.visaacceptance.com",),
    "production": ("https://api.in.cybersource.com", "https://api.visaacceptance.com"),
}


def rest() -> Iterator[CheckMessage]:
    """The REST API, where any of its settings is set: whether a call could be made at all."""
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
    elif parts.scheme == "http" and not credentials.is_this_machine(conf.rest_endpoint):
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
        credentials.access()
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
    if given is not None and (not isinstance(given, Mapping) or len(webhook_inbox.keys()) != len(given)):
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
            hint="Leave it unset for two days: duplicates are recognized by other means.",
            id="cybersource.W040",
        )
    if conf.webhook_keys and not (conf.rest_key_id or conf.rest_p12):
        yield Warning(
            "CYBERSOURCE_WEBHOOK_KEYS is set without credentials of the REST API: nothing can look into a delivery.",
            hint="Set the CYBERSOURCE_REST_… settings too.",
            id="cybersource.W041",
        )
