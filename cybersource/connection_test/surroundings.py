"""What the settings say: the system checks' own findings, and what no single setting shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, run_checks
from django.core.checks.messages import ERROR
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..checks import project, rest
from ..checks import settings as checks
from ..conf import HOSTS, REST_HOSTS, conf
from ..gateway import credentials
from .findings import Area, Finding, Level, Reporter

report = Reporter(area=Area.SETTINGS)

#: Django's own checks of a deployment that bear on payments, which have no hints.
OF_DJANGO: Mapping[str, Promise] = {
    "security.W008": gettext_lazy("Set SECURE_SSL_REDIRECT, or silence the check if your proxy redirects to HTTPS."),
    "security.W009": gettext_lazy(
        "Make a long random one. Unless CYBERSOURCE_FERNET_KEYS is set it encrypts the secrets in the database: read "
        "the documentation, Rotating keys, before you change it."
    ),
    "security.W010": gettext_lazy("Set SESSION_COOKIE_SECURE: the session is what a shopper comes back to."),
    "security.W011": gettext_lazy("Set SESSION_COOKIE_SECURE: the session is what a shopper comes back to."),
    "security.W012": gettext_lazy("Set SESSION_COOKIE_SECURE: the session is what a shopper comes back to."),
    "security.W016": gettext_lazy("Set CSRF_COOKIE_SECURE: it guards what staff do to payments."),
    "security.W018": gettext_lazy(
        "Set DEBUG = False: its error pages and its log of SQL statements disclose shoppers' data."
    ),
    "security.W020": gettext_lazy("List the shop's own host names."),
}

#: Told better below or by the keys, where the database is asked too.
TOLD_ELSEWHERE = frozenset({"cybersource.W001"})

#: Told of a key, wherever it stands.
OF_KEYS = frozenset({"cybersource.E022", "cybersource.E023"})

#: Not told beside an error that explains it.
EXPLAINED_BY = {
    "cybersource.W008": {"cybersource.E005"},
    "cybersource.W031": {"cybersource.E030", "cybersource.E031"},
}

#: Told by these checks for any host that is not the environment's own; below, for hosts that are known.
OF_HOSTS = frozenset({"cybersource.W008", "cybersource.W031"})

#: India. Source: Secure Acceptance Checkout API guide of 2025, "Endpoints"; one source.
OTHER_HOSTS = {"production": ("https://secureacceptance.in.cybersource.com",)}


def is_production() -> bool:
    return conf.environment == "production"


def is_in_use() -> bool:
    """Whether this is more than a developer's machine: what holds for deployments only is looked at."""
    return is_production() or not settings.DEBUG


def look() -> Iterator[Finding]:
    yield from system_checks()
    if conf.environment not in HOSTS:
        return
    yield report.good(_("The environment is “%(name)s”.") % {"name": conf.environment})
    yield from destinations()
    yield from proxy_header()
    if is_production():
        yield from any_host()


def system_checks() -> Iterator[Finding]:
    """One truth: what ``manage.py check`` says of this app, and where it is in use what ``check --deploy`` adds."""
    messages: list[CheckMessage] = [
        *checks.check_settings(None),
        *project.check_surroundings(None),
        *project.check_urls(None),
    ]
    if is_in_use():
        for message in run_checks(tags=[Tags.security], include_deployment_checks=True):
            ours = str(message.id).startswith("cybersource.")
            if ours or (is_production() and message.id in OF_DJANGO):
                messages.append(message)
    ids = {message.id for message in messages}
    for message in messages:
        explained = EXPLAINED_BY.get(str(message.id), set()) & ids
        if message.id not in TOLD_ELSEWHERE and not explained and not is_of_a_known_host(message):
            yield told(message)


def told(message: CheckMessage) -> Finding:
    area = Area.KEYS if message.id in OF_KEYS else Area.REST if is_of_rest(message) else Area.SETTINGS
    return Finding(
        area=area,
        level=Level.ERROR if message.level >= ERROR else Level.WARNING,
        id=str(message.id),
        what=str(message.msg),
        hint=str(message.hint or OF_DJANGO.get(str(message.id), "")),
    )


def is_of_rest(message: Any) -> bool:
    return str(message.id) in {"cybersource.W030", "cybersource.W031"} or str(message.id).startswith("cybersource.E03")


def is_of_a_known_host(message: CheckMessage) -> bool:
    if message.id not in OF_HOSTS:
        return False
    return any(
        message.msg.startswith(f"CYBERSOURCE_{name} ") and whose(url) != "unknown" for name, url, _what in endpoints()
    )


def endpoints() -> Iterator[tuple[str, str, str]]:
    """Setting, URL, and what goes there."""
    yield "ENDPOINT_PAY", conf.endpoint_pay, _("Cards")
    yield "ENDPOINT_TOKEN_CREATE", conf.endpoint_token_create, _("Cards to be stored")
    if conf.rest_key_id or conf.rest_p12:
        yield "REST_ENDPOINT", conf.rest_endpoint, _("REST calls")


def whose(url: str) -> str:
    """``test`` or ``production`` for a host of CyberSource's, ``here`` for this machine, else ``unknown``."""
    origin = credentials.origin(url)
    for environment in HOSTS:
        known = (
            HOSTS[environment],
            *OTHER_HOSTS.get(environment, ()),
            REST_HOSTS[environment],
            *rest.OTHER_REST_HOSTS[environment],
        )
        if origin in known:
            return environment
    return "here" if credentials.is_this_machine(url) else "unknown"


def destinations() -> Iterator[Finding]:
    for name, url, what in endpoints():
        told = {"what": what, "name": f"CYBERSOURCE_{name}", "host": urlsplit(url).netloc}
        owner = whose(url)
        if owner == conf.environment:
            yield report.good(_("%(what)s go to %(host)s.") % told)
        elif owner == "here" and not is_production():
            yield report.note(_("%(what)s go to a simulator on this machine, %(host)s: no money moves.") % told)
        elif is_production() and owner in ("test", "here"):
            yield report.error(
                "D001",
                _("The environment is “production”, but %(name)s names %(host)s: no payment would bring money.") % told,
                _("Remove the setting; the environment decides the host."),
            )
        elif owner == "production":
            yield report.error(
                "D002",
                _("The environment is “test”, but %(name)s names %(host)s: real cards would be charged.") % told,
                _("Remove the setting, or set CYBERSOURCE_ENVIRONMENT = 'production' if this is the live shop."),
            )


def proxy_header() -> Iterator[Finding]:
    """A header as a browser's tools write it is one that Django never sees, and nothing says so."""
    given = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    if given is None:
        return
    usable = isinstance(given, (list, tuple)) and len(given) == 2 and all(isinstance(part, str) for part in given)
    if not usable or not re.fullmatch(r"HTTP_[A-Z0-9_]+", given[0]):
        yield report.error(
            "D003",
            _("SECURE_PROXY_SSL_HEADER names no header as Django sees it, so no request counts as HTTPS."),
            _("Write it like ('HTTP_X_FORWARDED_PROTO', 'https'): HTTP_, capitals and underscores, then the value."),
        )


def any_host() -> Iterator[Finding]:
    if "*" in settings.ALLOWED_HOSTS:
        yield report.warning(
            "D004",
            _(
                "ALLOWED_HOSTS contains '*': the sender of a request chooses the host, and with it the key and "
                "the links in e-mails."
            ),
            _("List the shop's own host names."),
        )
