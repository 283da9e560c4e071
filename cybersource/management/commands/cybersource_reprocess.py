"""``manage.py cybersource_reprocess``: whatever was stored and never took effect takes effect now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from cybersource import attention, replies, reviews
from cybersource.announcements import send_unsent


class Command(BaseCommand):
    help = (
        "Settles replies and review updates that were stored but not acted on (the process died, the database went "
        "away), and sends order confirmations whose sending never finished. Safe to run at any time, from cron, on "
        "several machines at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for result, count in sorted(replies.reprocess().items()):
            self.stdout.write(f"replies {result}: {count}")
        self.stdout.write(f"review updates applied: {reviews.apply_waiting()}")
        self.stdout.write(f"charges without an owner listed: {attention.list_what_was_missed()}")
        self.stdout.write(f"confirmations sent: {send_unsent()}")
