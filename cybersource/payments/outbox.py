"""What leaves after the commit: signals, and through them the one confirmation e-mail of an order.

A raising receiver is logged and stops nothing. The confirmation is claimed in a commit of its own before it goes out;
see :class:`cybersource.models.OrderConfirmation`.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.db.models import Model, Q, prefetch_related_objects
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import translation
from oscar.core.loading import get_model
from oscarapicheckout import handlers
from oscarapicheckout.signals import order_payment_authorized, order_payment_declined

from .. import signals
from ..db import clock, locks
from ..models import OrderConfirmation, PaymentAttempt

Order = get_model("order", "Order")

logger = logging.getLogger(__name__)

#: How long a claimed confirmation may be under way before another process may take it over.
LEASE = timedelta(minutes=10)

#: Take the confirmation of an order if it is free, and tell in which language the order was checked out last. In SQL,
#: since querysets need two statements and eight times as long.
CLAIM = """\
UPDATE {table} SET date_claimed = %(now)s
WHERE id = (
    SELECT id FROM {table}
    WHERE order_id = %(order)s AND date_sent IS NULL AND (date_claimed IS NULL OR date_claimed < %(stale)s)
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING (
    SELECT language FROM {attempts} WHERE order_id = %(order)s AND language <> '' ORDER BY id DESC LIMIT 1
)"""

#: Remember that it went out, in a statement that limits its own wait for the row and is a transaction of its own.
MARK = """\
UPDATE {table} SET date_sent = %s FROM (SELECT {limits}) AS limits WHERE order_id = %s AND date_sent IS NULL"""


#: What shoppers hear of by mail, and so in the language of their checkout. The rest is for staff.
TOLD_TO_SHOPPERS = (order_payment_authorized, order_payment_declined, signals.payment_declined, signals.reply_recorded)


def announce(signal: Signal, *, sender: Any, **arguments: Any) -> None:
    """Send a signal after the running transaction has committed, at once when there is none.

    In the language of the checkout or in that of the shop: the current request or command may have another.
    """

    def send_in_its_language() -> None:
        language = settings.LANGUAGE_CODE
        if signal in TOLD_TO_SHOPPERS and signal.has_listeners(sender):
            attempt = arguments.get("attempt")
            language = spoken(attempt.language if attempt else language_of(arguments["order"])) or language
        with translation.override(language):
            send(signal, sender=sender, **arguments)

    transaction.on_commit(send_in_its_language, robust=True)


def send(signal: Signal, *, sender: Any, **arguments: Any) -> list[Any]:
    """Send to every receiver whatever the others do; return those that raised."""
    if isinstance(request := arguments.get("request"), HttpRequest):
        request.LANGUAGE_CODE = translation.get_language()  # type: ignore[attr-defined]
    failed = []
    for receiver, answer in signal.send_robust(sender=sender, **arguments):
        if isinstance(answer, Exception):
            failed.append(receiver)
            logger.error(
                "Receiver %s of a payment signal raised %s; the payment is recorded all the same.",
                getattr(receiver, "__qualname__", receiver.__class__.__qualname__),
                type(answer).__name__,
            )
    return failed


def owner_request(order: Any, hostname: str = "") -> HttpRequest:
    """A request that stands for the order's owner, for receivers that expect one where no shopper's browser is."""
    request = HttpRequest()
    request.method = "GET"
    request.user = order.user or AnonymousUser()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    request.META.update(
        {"SERVER_NAME": hostname or "localhost", "SERVER_PORT": "443", "HTTP_HOST": hostname or "localhost"}
    )
    return request


def announce_authorized(order: Any, *, hostname: str = "") -> bool:
    """Claim the order's confirmation and send ``order_payment_authorized``. False when somebody else has it.

    False, too, when somebody keeps the order or its owner locked: ``cybersource_reprocess`` sends it then.
    """
    try:
        with locks.lock_deadline(locks.FOR_A_RETRY):
            claimed, language = take_claim(order)
            if not claimed:
                return False
    except locks.UNAVAILABLE as problem:
        if not locks.is_locked(problem):
            raise
        logger.warning("The confirmation of order row %s waits: somebody else holds what it points to.", order.pk)
        return False
    prefetch_related_objects([order], "lines", "surcharges")  # the e-mail asks for each of them more than once
    request = owner_request(order, hostname or hostname_of(order))
    request.cybersource_claimed = order.pk  # type: ignore[attr-defined]
    with translation.override(spoken(language) or settings.LANGUAGE_CODE):
        failed = send(order_payment_authorized, sender=order, order=order, request=request)
    if confirm_once in failed:
        return False  # the claim's lease runs out and cybersource_reprocess sends it again
    mark_sent(order.pk)
    return True


def claim(order: Any) -> bool:
    """Take the sending of an order's confirmation upon us; see :func:`take_claim`."""
    return take_claim(order)[0]


def take_claim(order: Any) -> tuple[bool, str]:
    """Take the sending of an order's confirmation upon us, unless it is sent or somebody is at it.

    Returns whether it is ours, and the language in which the order was checked out.

    Waits for no other sender: whoever holds the row locked is about to send, or keeps it for ``cybersource_reprocess``.
    Raises OperationalError when the order or its owner stays locked for longer than :mod:`~cybersource.db.locks` lets
    us wait.
    """
    now = clock.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            tables = {"table": confirmations(), "attempts": quoted(PaymentAttempt)}
            cursor.execute(CLAIM.format(**tables), {"order": order.pk, "now": now, "stale": now - LEASE})
            claimed = cursor.fetchone()
        if claimed:
            wait_for_keys(order)
    return claimed is not None, (claimed[0] or "") if claimed else ""


def confirmations() -> str:
    return quoted(OrderConfirmation)


def quoted(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def wait_for_keys(order: Any) -> None:
    """Wait, as long as we have patience, until rows may point to the order and to its owner.

    Oscar records a mail in such rows once it has gone out. Whoever could not write them then would wait without end, or
    send the mail again. Nothing stays locked meanwhile: nobody should wait for a mail server.
    """
    locks.lock_row(Order, order.pk, "KEY SHARE")
    if order.user_id is not None:
        locks.lock_row(get_user_model(), order.user_id, "KEY SHARE")


def mark_sent(order_id: int) -> None:
    """Remember that the mail is out. A lost connection is mended for it: what is not marked is sent again."""
    locks.retry_on_conflict(lambda: mark(order_id))


def mark(order_id: int) -> None:
    limits, told = locks.limits_in_sql()
    with connection.cursor() as cursor:
        cursor.execute(MARK.format(table=confirmations(), limits=limits), [clock.now(), *told, order_id])


def confirm_once(sender: Any, order: Any, request: Any, **kwargs: Any) -> None:
    """Let api-checkout send its confirmation e-mail, once an order, whoever it was that authorized it.

    Stands in the place of api-checkout's own receiver (:func:`stand_in_for_the_mail`), which would send another mail
    when a retry authorizes an order that a late reply has authorized a moment before.
    """
    if getattr(request, "cybersource_claimed", None) == order.pk:
        handlers.send_order_confirmation_message(sender=sender, order=order, request=request, **kwargs)
        return  # announce_authorized marks it sent
    OrderConfirmation.objects.bulk_create([OrderConfirmation(order=order)], ignore_conflicts=True)
    if claim(order):
        handlers.send_order_confirmation_message(sender=sender, order=order, request=request, **kwargs)
        transaction.on_commit(lambda: mark_sent(order.pk))  # after the mail, which goes out on commit too


def stand_in_for_the_mail() -> None:
    """Put :func:`confirm_once` where api-checkout's receiver is connected, if it is.

    It takes the very place: a shop that disconnects api-checkout's receiver, to send mails of its own, disconnects it.
    """
    original = handlers.send_order_confirmation_message
    if order_payment_authorized.disconnect(original):
        order_payment_authorized.connect(confirm_once, dispatch_uid=id(original))


def hostname_of(order: Any) -> str:
    """The host on which the order was last being paid: links in its mail lead there."""
    attempts = PaymentAttempt.objects.filter(order=order).exclude(hostname="")
    return attempts.order_by("-pk").values_list("hostname", flat=True).first() or ""


def language_of(order: Any) -> str:
    """The language in which the order was checked out last."""
    attempts = PaymentAttempt.objects.filter(order=order).exclude(language="")
    return attempts.order_by("-pk").values_list("language", flat=True).first() or ""


def spoken(language: str) -> str:
    """A checkout's language, or the nearest that the shop still has; empty for none: its links would lead nowhere."""
    try:
        return translation.get_supported_language_variant(language) if language else ""
    except LookupError:
        return ""


def unsent_confirmations() -> list[Any]:
    """Orders that were authorized and whose confirmation nobody is sending."""
    stale = Q(date_claimed=None) | Q(date_claimed__lt=clock.now() - LEASE)
    unsent = OrderConfirmation.objects.filter(stale, date_sent=None)
    return list(Order.objects.filter(pk__in=unsent.values("order_id")).select_related("user").order_by("pk"))


def send_unsent() -> int:
    """Send the confirmations that nobody is sending; return how many went out. One that fails stops no other."""
    sent = 0
    for order in unsent_confirmations():
        try:
            sent += announce_authorized(order)
        except Exception:
            logger.exception("The confirmation of order row %s could not be sent; it will be tried again.", order.pk)
    return sent
