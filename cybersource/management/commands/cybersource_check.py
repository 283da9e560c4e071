"""``manage.py cybersource_check``: is everything set up as it must be, and does the other side answer?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cybersource import connection_test
from cybersource.connection_test import ConnectionReport, Finding, Level


class Command(BaseCommand):
    help = (
        "Looks at everything card payment needs: settings, keys and their age, HTTPS and proxies, the database and "
        "what waits in it, and the REST API with one harmless search. Prints the URLs to paste into the Business "
        "Center. Ends with an error if anything is wrong; a warning is none. No secret is printed, and no form is "
        "posted to CyberSource."
    )
    # What they say is part of what is told here.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--offline", action="store_true", help="ask no other machine")
        parser.add_argument("--json", action="store_true", dest="for_machines", help="print the same as JSON")

    def handle(self, *args: Any, offline: bool, for_machines: bool, **options: Any) -> None:
        report = connection_test.run(network=not offline)
        if for_machines:
            self.stdout.write(as_json(report))
        else:
            self.tell(report)
        if report.errors:
            self.stdout.flush()
            raise CommandError(verdict(report))
        if not for_machines:
            self.stdout.write(self.style.SUCCESS(verdict(report)))

    def tell(self, report: ConnectionReport) -> None:
        for area, findings in report.by_area():
            self.stdout.write(self.style.MIGRATE_HEADING(str(area.label)))
            for finding in findings:
                self.tell_one(finding)
        for host, addresses in groupby(report.addresses, key=attrgetter("host")):
            heading = _("To paste into the Business Center, for %(host)s") % {"host": host}
            self.stdout.write(self.style.MIGRATE_HEADING(heading))
            for address in addresses:
                self.stdout.write(f"  {address.where}:\n           {address.url}")

    def tell_one(self, finding: Finding) -> None:
        styles = {Level.ERROR: self.style.ERROR, Level.WARNING: self.style.WARNING, Level.GOOD: self.style.SUCCESS}
        level = f"{finding.level.upper() if finding.is_error else finding.level:<8}"
        id = f" ({finding.id})" if finding.id else ""
        self.stdout.write(f"  {styles.get(finding.level, str)(level)} {finding.what}{id}")
        if finding.hint:
            self.stdout.write(f"           {finding.hint}")


def verdict(report: ConnectionReport) -> str:
    errors = ngettext("%(count)s error", "%(count)s errors", report.errors) % {"count": report.errors}
    warnings = ngettext("%(count)s warning", "%(count)s warnings", report.warnings) % {"count": report.warnings}
    return f"{errors}, {warnings}."


def as_json(report: ConnectionReport) -> str:
    return json.dumps(
        {
            "errors": report.errors,
            "warnings": report.warnings,
            "findings": [asdict(finding) for finding in report.findings],
            "addresses": [asdict(address) for address in report.addresses],
        },
        ensure_ascii=False,
        indent=2,
    )
