"""What goes wrong with a database, done to real connections; and what must be left afterwards.

A *point* is a moment of a reply at which something may break: before each SQL statement, before each COMMIT, and after
each COMMIT, when the server has committed and nobody has heard of it yet.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.core import mail
from django.core.management import call_command
from django.db import OperationalError, connection, models

from cybersource.models import CyberSourceReply, OrderConfirmation
from cybersource.payments.outbox import LEASE
from tests.support.database import KEPT

#: Every point of every case, in the place of some of each.
THOROUGH = os.environ.get("CYBERSOURCE_TESTS") == "thorough"


class Killed(BaseException):
    """The process ends here: nothing of it runs on, and what it had not committed never was."""


class Points:
    """Within it, every point of the connection is counted, and at one of them ``disaster`` strikes."""

    def __init__(self, at: int | None = None, disaster: Callable[[Points, bool], None] | None = None) -> None:
        self.at = at
        self.disaster = disaster
        self.names: list[str] = []
        self.struck = False
        self.mails_out = 0  #: when it struck

    def __enter__(self) -> Points:
        self._commit = connection._commit
        connection._commit = self.commit
        self._wrapped = connection.execute_wrapper(self.execute)
        self._wrapped.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._wrapped.__exit__(*exc)
        del connection._commit

    def execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.point(" ".join(sql.split()))
        return execute(sql, params, many, context)

    def commit(self) -> None:
        if connection.connection is not None:
            self.point("before COMMIT")
        self._commit()
        self.point("after COMMIT", answer_lost=True)

    def point(self, name: str, *, answer_lost: bool = False) -> None:
        self.names.append(name)
        if self.at == len(self.names) - 1:
            self.struck = True
            self.mails_out = len(mail.outbox)
            self.disaster(self, answer_lost)
        elif self.struck and self.disaster is away:
            raise OperationalError("the database is away")


def cut(points: Points, answer_lost: bool) -> None:
    """The server ends our session, as an administrator or a pooler does; a new one can be had at once."""
    with elsewhere() as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
    if answer_lost:
        raise OperationalError("server closed the connection unexpectedly")


def away(points: Points, answer_lost: bool) -> None:
    """The server ends our session and is not back before the reply has been answered."""
    cut(points, False)
    raise OperationalError("server closed the connection unexpectedly")


def killed(points: Points, answer_lost: bool) -> None:
    if not answer_lost:
        connection.connection.rollback()
    raise Killed


@contextlib.contextmanager
def elsewhere() -> Iterator[Any]:
    """A second, real connection to the same database."""
    other = connection.copy()
    try:
        yield other
    finally:
        other.close()


# -- the rows as they were, and as they should be ----------------------------------------------------------------------


class Checkpoint:
    """The database as it is now, to come back to: what a checkout costs is paid once for many faults."""

    def __enter__(self) -> Checkpoint:
        run("DROP SCHEMA IF EXISTS checkpoint CASCADE; CREATE SCHEMA checkpoint")
        self.saved = filled()
        run("; ".join(f'CREATE TABLE checkpoint."{name}" AS TABLE public."{name}"' for name in self.saved))
        return self

    def __exit__(self, *exc: Any) -> None:
        connection.close()
        run("DROP SCHEMA IF EXISTS checkpoint CASCADE")

    def restore(self) -> None:
        connection.close()  # as Django does at the end of a request
        mail.outbox.clear()
        changed = sorted({*filled(), *self.saved})
        # Django's foreign keys are checked at the end of the transaction, so any order will do.
        run(
            "; ".join(
                [
                    "BEGIN",
                    *(f'DELETE FROM public."{name}"' for name in changed),
                    *(f'INSERT INTO public."{name}" SELECT * FROM checkpoint."{name}"' for name in self.saved),
                    "COMMIT",
                ]
            )
        )


def run(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def filled() -> list[str]:
    with connection.cursor() as cursor:
        names = [name for name in connection.introspection.table_names(cursor) if name not in KEPT]
        probes = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM public.\"{name}\")" for name in names)
        cursor.execute(" UNION ALL ".join(probes))
        return [name for (name,) in cursor.fetchall()]


#: Every app whose rows a reply may touch.
APPS = ("basket", "cybersource", "order", "partner", "payment", "voucher")


def rows() -> dict[str, Any]:
    """All that a reply may write but the log: ids as "is there one", times as "is there one", in any order."""
    found: dict[str, Any] = {}
    for app in APPS:
        for model in apps.get_app_config(app).get_models(include_auto_created=True):
            if model is CyberSourceReply:
                continue
            fields = model._meta.concrete_fields
            columns = [field for field in fields if not field.primary_key or field.is_relation]
            if values := [normal(row, columns) for row in model._default_manager.values_list(*names(columns))]:
                found[model._meta.label] = sorted(values)
    return found


def names(columns: list[Any]) -> list[str]:
    return [column.attname for column in columns]


def normal(row: tuple[Any, ...], columns: list[Any]) -> str:
    hazy = (models.ForeignKey, models.DateTimeField)
    told = []
    for value, column in zip(row, columns, strict=True):
        if column.name == "transaction_uuid":
            continue
        told.append(f"{column.name}={value is not None if isinstance(column, hazy) else value!r}")
    return ", ".join(told)


def log(*, after: int = 0) -> list[str]:
    """What the log says became of each delivery since that row."""
    return sorted(CyberSourceReply.objects.filter(pk__gt=after).values_list("result", flat=True))


def end_of_log() -> int:
    return CyberSourceReply.objects.order_by("pk").values_list("pk", flat=True).last() or 0


def settled_once(results: list[str]) -> bool:
    told = Counter(results)
    return told["settled"] == 1 and told["settled"] + told["repeated"] == len(results)


def reprocess() -> None:
    """Some time later, from cron: also the lease of a claimed confirmation has run out."""
    connection.close()
    for claimed in OrderConfirmation.objects.filter(date_sent=None).exclude(date_claimed=None):
        OrderConfirmation.objects.filter(pk=claimed.pk).update(date_claimed=claimed.date_claimed - LEASE)
    call_command("cybersource_reprocess", verbosity=0, stdout=Quiet())


class Quiet:
    def write(self, text: str) -> None:
        pass
