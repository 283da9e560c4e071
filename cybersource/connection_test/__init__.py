"""The connection test: everything that can be known about the set-up before a shopper finds it out.

    settings -> database -> keys -> the way in -> the REST API -> what waits

What would only repeat an error that was told before is not looked at. The network is asked by one search over REST and,
where the card's endpoint is on this machine, by one form; no form is ever posted to CyberSource, where it would be a
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.urls import NoReverseMatch, reverse

from ..models import SecureAcceptanceProfile
from . import endpoints, hosts, keys, practice, rest, storage, surroundings
from .findings import Area, Finding, Level, guarded, has_errors
from .hosts import UrlToPaste

__all__ = ["Address", "Area", "Finding", "Level", "Report", "run"]


@dataclass(frozen=True, kw_only=True)
class ConnectionReport:
    """What was found, by area, and the URLs to paste into the Business Center."""

    findings: tuple[Finding, ...]
    addresses: tuple[UrlToPaste, ...]

    def count(self, level: Level) -> int:
        return sum(finding.level is level for finding in self.findings)

    @property
    def errors(self) -> int:
        return self.count(Level.ERROR)

    @property
    def warnings(self) -> int:
        return self.count(Level.WARNING)

    def by_area(self) -> list[tuple[Area, list[Finding]]]:
        grouped = [(area, [finding for finding in self.findings if finding.area is area]) for area in Area]
        return [(area, found) for area, found in grouped if found]


def run(*, network: bool = True) -> ConnectionReport:
    """Look at everything; never raises. Must not run within a transaction: REST calls are logged in commits.

    ``network`` False leaves out what asks another machine. Findings whose id is in ``SILENCED_SYSTEM_CHECKS`` are left
    out.
    """
    found = list(guarded(Area.SETTINGS, surroundings.look))
    ids = {finding.id for finding in found}
    tables = list(guarded(Area.DATABASE, storage.look))
    found += tables
    pasted: list[UrlToPaste] = []
    if not has_errors(tables):
        found += look_behind(ids, network=network)
        found += guarded(Area.ENDPOINTS, partial(collect, pasted))
    found = [finding for finding in found if finding.id not in settings.SILENCED_SYSTEM_CHECKS]
    return ConnectionReport(findings=tuple(sorted(found, key=in_order)), addresses=tuple(pasted))


def in_order(finding: Finding) -> tuple[int, int]:
    """By area, and what is wrong before what is good."""
    return list(Area).index(finding.area), min(list(Level).index(finding.level), list(Level).index(Level.NOTE))


def collect(pasted: list[UrlToPaste]) -> Iterable[Finding]:
    pasted += to_paste()
    return ()


def to_paste() -> tuple[UrlToPaste, ...]:
    """The URLs for the Business Center alone; empty where the app's URLs are not included."""
    try:
        reverse("cybersource-reply")
    except NoReverseMatch:
        return ()
    return tuple(hosts.addresses(hosts_of_the_shop()))


def active_rows() -> list[SecureAcceptanceProfile]:
    return list(SecureAcceptanceProfile.objects.filter(active=True))


def hosts_of_the_shop() -> list[str]:
    return hosts.known(active_rows(), hosts.domains_of_sites())


def look_behind(ids: set[str], *, network: bool) -> list[Finding]:
    """What needs the tables. ``ids``: what was found of the settings."""
    rows, sites = active_rows(), hosts.domains_of_sites()
    named = hosts.known(rows, sites)
    doubted = bool(ids & {"cybersource.E001", "cybersource.E002"})
    found = list(guarded(Area.KEYS, partial(keys.look, named, rows, settings_are_doubted=doubted)))
    unfit = has_errors(found) or any(finding.id == "cybersource.D033" for finding in found)
    found += guarded(Area.ENDPOINTS, partial(hosts.look, named, sites))
    if network and not doubted and not unfit and "cybersource.E003" not in ids:
        found += guarded(Area.KEYS, practice.look)
    if not ids & {"cybersource.E015", "cybersource.D003"}:
        found += guarded(Area.ENDPOINTS, partial(endpoints.look, named))
    if not any(id.startswith(("cybersource.E003", "cybersource.E03")) for id in ids):
        found += guarded(Area.REST, partial(rest.look, network=network))
    if "cybersource.E020" not in ids:  # by which it is known what is overdue
        found += guarded(Area.DATABASE, storage.backlog)
    return [*found, *guarded(Area.DATABASE, storage.budgets)]
