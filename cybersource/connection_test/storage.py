"""The database, what is waiting in it that a scheduled command should have done, and the cache that limits count in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, models, router
from django.db.migrations.executor import MigrationExecutor
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from oscar.core.loading import get_model

from ..conf import conf
from ..db import clock
from ..limits import alarm, rates
from ..limits import cache as limits_cache
from ..models import (
    UNDER_WAY,
    UNSETTLED_STATES,
    AttemptState,
    CyberSourceReply,
    OrderConfirmation,
    PaymentAttempt,
    PaymentOperation,
    ReviewNotificationUpdate,
    TransactionMixin,
    WebhookDelivery,
)
from ..payments import reason_codes
from ..payments.outbox import LEASE
from .findings import Area, Finding, Reporter
from .surroundings import is_in_use, is_production

report = Reporter(area=Area.DATABASE)

#: A command that is scheduled every few minutes leaves nothing waiting for longer.
OVERDUE = timedelta(minutes=10)

#: What is counted of a backlog; more of it is "more than".
COUNTED = 1000


def database() -> Any:
    return connections[router.db_for_write(CyberSourceReply)]


def look() -> Iterator[Finding]:
    """Whether the tables stand. Nothing else is asked of a database where one of these is an error."""
    connection = database()
    if connection.vendor != "postgresql":
        return  # told by the system checks
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'hstore'")
            hstore = cursor.fetchone() is not None
    except Error as problem:
        yield report.error(
            "D070",
            _("The database does not answer (%(problem)s).") % {"problem": type(problem).__name__},
            _("Check DATABASES and that PostgreSQL runs."),
        )
        return
    if not hstore:
        yield report.error(
            "D071",
            _("The database has no extension hstore."),
            _("Run manage.py migrate with a user who may create it, or have it created: CREATE EXTENSION hstore"),
        )
        return
    executor = MigrationExecutor(connection)
    ours = {"cybersource", get_model("payment", "Transaction")._meta.app_label}
    plan = executor.migration_plan([leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] in ours])
    waiting = [f"{migration.app_label}.{migration.name}" for migration, _backwards in plan]
    if waiting:
        yield report.error(
            "D072",
            _("Migrations are not applied: %(names)s.") % {"names": ", ".join(waiting[:5])},
            _("Run manage.py migrate."),
        )
        return
    if missing := columns_missing(connection):
        yield report.error(
            "D073",
            _("The table of payment.Transaction lacks columns of the mixin: %(names)s.")
            % {"names": ", ".join(missing)},
            _("Run manage.py makemigrations payment, then migrate."),
        )
        return
    yield report.good(_("hstore is there, and every migration is applied."))


def columns_missing(connection: Any) -> list[str]:
    model = get_model("payment", "Transaction")
    if not issubclass(model, TransactionMixin):
        return []  # told by the system checks
    wanted = {field.name for field in TransactionMixin._meta.get_fields() if isinstance(field, models.Field)}
    with connection.cursor() as cursor:
        there = {column.name for column in connection.introspection.get_table_description(cursor, model._meta.db_table)}
    columns = {model._meta.get_field(name).column for name in wanted}
    return sorted(columns - there)


def backlog() -> Iterator[Finding]:
    """What waits longer than a scheduled command would let it."""
    overdue = clock.now() - OVERDUE
    replies = CyberSourceReply.objects.filter(
        result=CyberSourceReply.Result.RECEIVED, attempt__isnull=False, date_created__lt=overdue
    )
    updates = ReviewNotificationUpdate.objects.filter(
        state=ReviewNotificationUpdate.State.FAILED, date_created__lt=overdue
    )
    mails = OrderConfirmation.objects.filter(date_sent=None, date_created__lt=overdue - LEASE)
    counts = {_("replies"): some(replies), _("review updates"): some(updates), _("confirmations"): some(mails)}
    waiting = said(counts)
    if waiting:
        yield report.warning(
            "D074",
            _("This has waited for more than ten minutes to take effect: %(what)s.") % {"what": waiting},
            _("Schedule manage.py cybersource_reprocess every few minutes. If it runs, its log says what stops it."),
        )
    due = PaymentAttempt.objects.filter(
        state__in=UNSETTLED_STATES,
        date_signed__lt=overdue - conf.attempt_timeout,
        # One whose answer is stored waits for cybersource_reprocess.
    ).exclude(order__cybersource_replies__result=CyberSourceReply.Result.RECEIVED)
    if count := some(due):
        yield report.warning(
            "D075",
            _("Attempts without an answer have not ended: %(count)s.") % {"count": count},
            _("Schedule manage.py cybersource_expire_attempts every few minutes."),
        )
    operations = PaymentOperation.objects.filter(state__in=UNDER_WAY, date_looked_up=None, date_created__lt=overdue)
    disbelieved = PaymentOperation.objects.filter(state__in=UNDER_WAY, rest_reason=reason_codes.NOT_BELIEVED)
    if waiting_operations := some(disbelieved):
        yield report.warning(
            "D080",
            _("CyberSource does not accept the REST key, so operations are waiting: %(count)s.")
            % {"count": waiting_operations},
            _("Look at the key, the host and the server's clock. The next run of cybersource_reconcile sends them."),
        )
    hints = WebhookDelivery.objects.filter(state__in=("received", "failed"), date_created__lt=overdue)
    unknown = said({_("operations"): some(operations), _("webhook deliveries"): some(hints)})
    if unknown:
        yield report.warning(
            "D079",
            _("These have not been looked up for more than ten minutes: %(what)s.") % {"what": unknown},
            _("Schedule manage.py cybersource_reconcile every few minutes. If it runs, its log says what stops it."),
        )
    if not waiting and not count and not unknown:
        yield report.good(_("Nothing waits for a scheduled command."))
    if last := last_expired():
        yield report.note(
            _("cybersource_expire_attempts last ended an attempt on %(date)s.")
            % {"date": date_format(clock.local(last), "DATETIME_FORMAT")}
        )


def last_expired() -> Any:
    ended = PaymentAttempt.objects.filter(state=AttemptState.EXPIRED).order_by("-date_created", "-pk")
    return ended.values_list("date_settled", flat=True).first()


def said(counts: Mapping[str, int]) -> str:
    """``3 replies, 1 confirmations``; empty where nothing is."""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def some(rows: Any) -> int:
    return int(rows.order_by()[:COUNTED].count())


def budgets() -> Iterator[Finding]:
    """Whether limits are on, whether their cache keeps what it is told, and whether there is an alarm."""
    try:
        used = rates.current()
    except ImproperlyConfigured:
        return  # told by the system checks
    if is_production() and used is None:
        yield report.warning(
            "D076", _("Limits against card testing are off."), _("Remove CYBERSOURCE_LIMITS = None from the settings.")
        )
    elif is_production() and used["shadow"]:
        yield report.warning(
            "D076",
            _("Limits against card testing only watch: nobody is refused."),
            _("Take 'shadow' out of CYBERSOURCE_LIMITS once you like what the log says."),
        )
    if used is None:
        return
    if used["cache"] not in settings.CACHES:
        return  # told by the system checks
    if not keeps(used["cache"]):
        if is_in_use():
            yield report.error(
                "D077",
                _("The cache “%(name)s” does not keep what limits count: nobody is refused.") % {"name": used["cache"]},
                _("Check that it runs; a database cache needs manage.py createcachetable."),
            )
        return
    if alarm.under_attack():
        yield report.warning(
            "D078",
            _("There is an alarm: somebody may be testing stolen cards in this shop."),
            _(
                "See the documentation, Limiting card testing. "
                "It ends an hour after the last decline that called for it."
            ),
        )
    else:
        yield report.good(
            _("Limits count in the cache “%(name)s”, which keeps what is stored.") % {"name": used["cache"]}
        )


def keeps(name: str) -> bool:
    key = f"cybersource:connection-test:{uuid4()}"
    try:
        cache = caches[name]
        with limits_cache.apart(cache):
            added = cache.add(key, 1, timeout=30)
            kept = cache.get(key) == 1 and not cache.add(key, 1, timeout=30)
            cache.delete(key)
        return bool(added and kept)
    except Exception:  # every cache has failures of its own
        return False
