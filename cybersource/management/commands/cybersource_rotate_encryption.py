"""``manage.py cybersource_rotate_encryption``: stored secrets are encrypted anew with the newest key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.db.models.functions import Cast
from django.views.decorators.debug import sensitive_variables

from cybersource.db import paging
from cybersource.encryption import EncryptedTextField, SecretStatus, decrypt, stored_with

#: Rows that are locked at a time.
BATCH = 100


def encrypted_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Every column that holds secrets, of this app and of the shop's own models."""
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            for field in model._meta.local_fields:
                if isinstance(field, EncryptedTextField):
                    yield model, field.attname


class Command(BaseCommand):
    help = (
        "Encrypts stored secrets anew with the newest of CYBERSOURCE_FERNET_KEYS, after which the older keys can be "
        "removed. Safe to run again, while the shop is trading, and on several machines at once. A secret that no key "
        "opens is left as it is and reported, and the command ends with an error."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be done.")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help='The database to work on; "default" if unset.')

    def handle(self, *args: Any, dry_run: bool, database: str, **options: Any) -> None:
        unreadable: list[str] = []
        for model, column in encrypted_columns():
            counts: Counter[SecretStatus] = Counter()
            for pk, standing in rotated(model, column, database=database, dry_run=dry_run):
                counts[standing] += 1
                if standing == SecretStatus.UNREADABLE:
                    unreadable.append(f"{model._meta.label} {pk}")
            done = "to encrypt anew" if dry_run else "encrypted anew"
            self.stdout.write(
                f"{model._meta.label}.{column}: {counts[SecretStatus.OLD]} {done}, "
                f"{counts[SecretStatus.CURRENT]} up to date, {counts[SecretStatus.UNREADABLE]} unreadable"
            )
        if unreadable:
            raise CommandError(
                f"No key of today opens the secret of {', '.join(unreadable)}. Nothing was changed there. Put the key "
                "that encrypted it back into CYBERSOURCE_FERNET_KEYS (or SECRET_KEY_FALLBACKS) and run this again, or "
                "enter the secret again in the admin."
            )


@sensitive_variables()
def rotated(
    model: type[models.Model], column: str, *, database: str, dry_run: bool, batch: int = BATCH
) -> Iterator[tuple[Any, SecretStatus]]:
    """Encrypt each secret of a column that an older key encrypted anew; yield every row's key and how it stood."""
    manager = model._base_manager.using(database)
    filled = manager.exclude(**{column: ""}).exclude(**{f"{column}__isnull": True})
    rows = filled.annotate(stored_secret=Cast(column, models.TextField())).values_list("pk", "stored_secret")
    if not dry_run:
        rows = rows.select_for_update(of=("self",), no_key=True)
    batches = paging.batches(rows, size=batch, key=itemgetter(0))
    while True:
        seen: list[tuple[Any, SecretStatus]] = []
        with transaction.atomic(using=database):  # the rows of a batch stay locked until it is written
            for pk, stored in next(batches, ()):
                standing = stored_with(stored)
                if standing == SecretStatus.OLD and not dry_run:
                    manager.filter(pk=pk).update(**{column: decrypt(stored)})
                seen.append((pk, standing))
        if not seen:
            return
        yield from seen
