"""What a look at the set-up comes to: one finding for each thing that is good, worth a note, doubtful or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class Level(StrEnum):
    """How much it matters."""

    ERROR = "error"  #: card payment does not work, or not as it should
    WARNING = "warning"  #: it works today
    NOTE = "note"
    GOOD = "good"  #: was tried, and works


class Area(models.TextChoices):
    """What it is about, in the order in which it is told."""

    SETTINGS = "settings", gettext_lazy("Settings")
    KEYS = "keys", gettext_lazy("Keys")
    ENDPOINTS = "endpoints", gettext_lazy("The way from CyberSource to the shop")
    REST = "rest", gettext_lazy("The REST API")
    DATABASE = "database", gettext_lazy("Database, schedule and limits")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. No text holds a secret."""

    area: Area
    level: Level
    what: str
    hint: str = ""  #: what to do about it; empty for what is good
    id: str = ""  #: of a system check, or ``cybersource.D…`` of docs/reference/checks; empty for what is good

    @property
    def is_error(self) -> bool:
        return self.level is Level.ERROR


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """Makes findings of one area."""

    area: Area

    def error(self, id: str, what: str, hint: str) -> Finding:
        return Finding(area=self.area, level=Level.ERROR, id=f"cybersource.{id}", what=what, hint=hint)

    def warning(self, id: str, what: str, hint: str) -> Finding:
        return Finding(area=self.area, level=Level.WARNING, id=f"cybersource.{id}", what=what, hint=hint)

    def note(self, what: str) -> Finding:
        return Finding(area=self.area, level=Level.NOTE, what=what)

    def good(self, what: str) -> Finding:
        return Finding(area=self.area, level=Level.GOOD, what=what)


def guarded(area: Area, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Everything that a look finds. One that breaks down is a finding itself, and stops no other."""
    try:
        yield from look()
    except Exception as problem:
        # The class alone: an error's text may quote what it was about.
        yield Reporter(area=area).error(
            "D090",
            _("This could not be looked at: %(problem)s.") % {"problem": type(problem).__name__},
            _("Fix what is reported beside it and try again. If there is nothing, please report it."),
        )


def has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.is_error for finding in findings)
