"""``manage.py cybersource_reconcile``: the shop and CyberSource are brought together again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from cybersource.gateway import credentials
from cybersource.operations import unknown
from cybersource.reconciliation.run import reconcile


class Command(BaseCommand):
    help = (
        "Asks CyberSource about every payment and operation whose end the shop does not know, sends what waits to be "
        "sent, reads reviewers' decisions, and compares both books day by day: what differs is listed for staff, once. "
        "Safe to run at any time, from cron, on several machines at once. Ends with an error when CyberSource could "
        "not be asked about everything: run it again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=3, help="how many days back to look (1 to 60, default 3)")
        parser.add_argument("--dry-run", action="store_true", help="ask, tell what would be done, and change nothing")

    def handle(self, *args: Any, days: int = 3, dry_run: bool = False, **options: Any) -> None:
        if not 1 <= days <= 60:
            raise CommandError("--days is from 1 to 60.")
        try:
            credentials.access()
        except ImproperlyConfigured as problem:
            if not dry_run:
                unknown.list_in_doubt()
            raise CommandError(str(problem)) from None
        report = reconcile(days=days, dry_run=dry_run, tell=self.tell)
        if dry_run:
            self.stdout.write("dry run: nothing was changed")
        if not report.is_complete:
            raise CommandError("; ".join(report.problems))

    def tell(self, text: str) -> None:
        """Print progress at once."""
        self.stdout.write(text)
        self.stdout.flush()
