"""``manage.py cybersource_reprocess``: whatever was stored and never took effect takes effect now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from cybersource.inbound import replies
from cybersource.payments import attention
from cybersource.payments.outbox import send_unsent
from cybersource.reviews import matching


class Command(BaseCommand):
    help = (
        "Settles replies and review updates that were stored but not acted on (the process died, the database went "
        "away), and sends order confirmations whose sending never finished. Safe to run at any time, from cron, on "
        "several machines at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for result, count in sorted(replies.reprocess().items()):
            self.stdout.write(f"replies {result}: {count}")
        self.stdout.write(f"review updates applied: {matching.apply_waiting()}")
        self.stdout.write(f"charges without an owner listed: {attention.list_what_was_missed()}")
        self.stdout.write(f"confirmations sent: {send_unsent()}")
