"""``manage.py cybersource_expire_attempts``: attempts that no answer came to end."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from cybersource.operations import unknown
from cybersource.payments import expiry, order_allocations


class Command(BaseCommand):
    help = (
        "Ends payment attempts that have waited longer than CYBERSOURCE_ATTEMPT_TIMEOUT. Where no charge can exist the "
        "order is given up and the basket opened again; where the card may have been charged, staff are asked to look. "
        "Safe to run at any time, from cron, on several machines at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would end, and change nothing")

    def handle(self, *args: Any, dry_run: bool = False, **options: Any) -> None:
        counts = expiry.expire(dry_run=dry_run)
        if not dry_run:
            order_allocations.put_right()
        if not dry_run and (listed := unknown.list_in_doubt()):
            self.stdout.write(f"operations without an end that staff are asked about: {listed}")
        for ending in expiry.ExpiryResult:
            if counts[ending]:
                self.stdout.write(f"orders {ending}: {counts[ending]}")
        if dry_run:
            self.stdout.write("dry run: nothing was changed")
        elif not counts:
            self.stdout.write("no attempt is due")
