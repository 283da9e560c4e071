"""``manage.py remove_unreadable_cybersource_profiles``: profiles whose secret no key opens any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from cybersource import profiles
from cybersource.conf import conf
from cybersource.models import SecureAcceptanceProfile


class Command(BaseCommand):
    help = (
        "Lists Secure Acceptance profiles whose secret key can no longer be decrypted, and removes them after asking. "
        "They neither sign forms nor verify replies. If you still have the key that encrypted them, put it back into "
        "CYBERSOURCE_FERNET_KEYS (or SECRET_KEY_FALLBACKS) instead."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--noinput", "--no-input", action="store_false", dest="interactive", help="Remove without asking."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only list them; an error if there are any.")

    def handle(self, *args: Any, interactive: bool, dry_run: bool, **options: Any) -> None:
        unreadable = [row for row in SecureAcceptanceProfile.objects.order_by("pk") if not row.is_readable]
        if not unreadable:
            self.stdout.write("Every Secure Acceptance profile can be decrypted.")
            return
        self.stdout.write("These Secure Acceptance profiles cannot be decrypted with today's keys:")
        for row in unreadable:
            self.stdout.write(f"  {described(row)}")
        removed = 0
        if not dry_run and (not interactive or self.confirmed(len(unreadable))):
            removed = remove(unreadable)
            self.stdout.write(f"Removed: {removed}.")
        self.report_what_signs()
        if not removed:
            raise CommandError("Nothing was removed.")

    def confirmed(self, count: int) -> bool:
        try:
            return input(f"Remove {count} of them for good? Type 'yes' to do so: ").strip().lower() == "yes"
        except EOFError:  # no terminal
            self.stdout.write("")
            return False

    def report_what_signs(self) -> None:
        """Say what is left to sign forms with; the shopper of a shop without any cannot pay by card."""
        rows = [row for row in SecureAcceptanceProfile.objects.filter(active=True).order_by("pk") if row.is_readable]
        left = [described(row) for row in rows if row.hostname or row.is_default]
        if profiles.from_settings():
            left.append(f"profile {conf.profile}, access key {conf.access}, from the settings")
        if left:
            self.stdout.write("Left to sign forms with:")
            for line in left:
                self.stdout.write(f"  {line}")
        else:
            self.stderr.write(
                "Nothing is left to sign forms with: card payment is not available in this shop. Enter a profile in "
                "the admin, or set CYBERSOURCE_PROFILE, CYBERSOURCE_ACCESS and CYBERSOURCE_SECRET."
            )


def described(row: SecureAcceptanceProfile) -> str:
    parts = [f"row {row.pk}: profile {row.profile_id}", f"access key {row.access_key}", f"host {row.hostname or 'any'}"]
    return ", ".join([*parts, *(["default"] if row.is_default else ()), *([] if row.active else ["inactive"])])


@transaction.atomic
def remove(unreadable: list[SecureAcceptanceProfile]) -> int:
    """Delete the rows that are still unreadable: staff may have entered a secret again meanwhile."""
    rows = SecureAcceptanceProfile.objects.select_for_update().filter(pk__in=[row.pk for row in unreadable])
    gone = [row for row in rows if not row.is_readable]
    for row in gone:
        row.delete()
    return len(gone)
