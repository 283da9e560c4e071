"""The hosts that the shop is served on, as far as anything names them, and the URLs to paste for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from django.apps import apps
from django.conf import settings
from django.http.request import validate_host
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import conf
from ..gateway import credentials
from ..models import SecureAcceptanceProfile
from ..profiles import bare_hostname
from .findings import Area, Finding, Reporter

report = Reporter(area=Area.ENDPOINTS)


@dataclass(frozen=True)
class CalledUrl:
    """One URL that CyberSource calls."""

    name: str  #: of the URL
    where: Promise  #: CyberSource is told of it
    answers: int = HTTPStatus.METHOD_NOT_ALLOWED  #: what a GET gets that reaches the view
    query: str = ""


#: KEY stands for the notification's key, which is a secret.
ENDPOINTS = (
    CalledUrl(
        "cybersource-reply",
        gettext_lazy("Secure Acceptance profile, customer response page"),
        answers=HTTPStatus.OK,  # a page for people who open it
    ),
    CalledUrl("cybersource-merchant-post", gettext_lazy("Secure Acceptance profile, merchant POST URL")),
    CalledUrl(
        "cybersource-review-notification",
        gettext_lazy("Decision Manager, merchant notification URL"),
        query="?key=KEY",
    ),
)

#: Closed without keys.
WEBHOOKS = (
    CalledUrl("cybersource-webhooks", gettext_lazy("Webhook subscription, URL")),
    CalledUrl(
        "cybersource-webhooks-health",
        gettext_lazy("Webhook subscription, health check URL"),
        answers=HTTPStatus.OK,
    ),
)


def in_use() -> tuple[CalledUrl, ...]:
    return ENDPOINTS + WEBHOOKS if conf.webhook_keys else ENDPOINTS


@dataclass(frozen=True, kw_only=True)
class UrlToPaste:
    """One URL to paste."""

    host: str
    where: str
    url: str


def allowed() -> list[str]:
    """ALLOWED_HOSTS, with what Django puts in the place of an empty one."""
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return [".localhost", "127.0.0.1", "[::1]"]
    return list(settings.ALLOWED_HOSTS)


def is_allowed(host: str) -> bool:
    return validate_host(bare_hostname(host), allowed())


def domains_of_sites() -> list[str]:
    """Oscar's mails link to the current site, which may be on another host than the request."""
    if not apps.is_installed("django.contrib.sites"):
        return []
    from django.contrib.sites.models import Site

    here = getattr(settings, "SITE_ID", None)
    sites = Site.objects.filter(pk=here) if here else Site.objects.all()
    return list(sites.order_by("pk").values_list("domain", flat=True)[:20])


def known(rows: Iterable[SecureAcceptanceProfile], sites: Iterable[str]) -> list[str]:
    """Every host that something names and Django lets in; this machine's names only where there is no other."""
    named = [*(row.hostname for row in rows), *sites, *(host.removeprefix(".") for host in allowed() if host != "*")]
    hosts = dict.fromkeys(host.strip().lower() for host in named if host and is_allowed(host))
    public = [host for host in hosts if not is_here(host)]
    return public or list(hosts)


def is_here(host: str) -> bool:
    return credentials.is_this_machine(f"http://{host}")


def scheme(host: str) -> str:
    return "http" if is_here(host) and not settings.SECURE_SSL_REDIRECT else "https"


def look(hosts: Iterable[str], sites: Iterable[str]) -> Iterator[Finding]:
    if not list(hosts):
        yield report.warning(
            "D011",
            _("Nothing names a host of the shop."),
            _("List the shop's host names in ALLOWED_HOSTS, and set the domain of the site in the admin."),
        )
        return
    for domain in sites:
        if not is_allowed(domain):
            yield report.warning(
                "D010",
                _("The site's domain is %(domain)s, which ALLOWED_HOSTS does not let in.") % {"domain": domain},
                _("Set the domain of the site in the admin: links in order confirmations lead there."),
            )


def addresses(hosts: Iterable[str]) -> list[UrlToPaste]:
    return [
        UrlToPaste(
            host=host,
            where=str(called.where),
            url=f"{scheme(host)}://{host}{reverse(called.name)}{called.query}",
        )
        for host in hosts
        for called in in_use()
    ]
