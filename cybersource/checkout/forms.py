"""The signed form of an attempt."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from .. import profiles
from ..conf import conf
from ..db import clock
from ..limits import budgets, places
from ..models import AttemptState, OperationState, PaymentAttempt
from ..payments import orders
from ..protocol import FormField, ProtocolError, TransactionType
from .payment_request import request_for

logger = logging.getLogger(__name__)

#: A form is signed anew when it is shown and its date is older than this. CyberSource documents no age limit; fifteen
#: minutes is what integrators report, and a stale form gets a bare 403 page of which the shop hears nothing.
FRESH_FOR = timedelta(minutes=5)

#: What the client sees as the form's name.
FORM_NAMES: Mapping[str, str] = {
    TransactionType.CREATE_PAYMENT_TOKEN: "get-token",
    TransactionType.AUTHORIZATION: "authorize",
    TransactionType.AUTHORIZATION_WITH_TOKEN: "authorize",
    TransactionType.SALE: "sale",
    TransactionType.SALE_WITH_TOKEN: "sale",
}


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form for the shopper's browser: where it goes, what it is called, and its fields in order."""

    name: str
    url: str
    fields: tuple[FormField, ...]

    def as_required_action(self) -> dict[str, Any]:
        """The shape of api-checkout's ``required_action``."""
        return {
            "type": "form",
            "name": self.name,
            "url": self.url,
            "method": "POST",
            "fields": [{"key": f.key, "value": f.value, "editable": f.editable} for f in self.fields],
        }


@sensitive_variables()
def form_for(attempt: PaymentAttempt, *, at: datetime | None = None) -> Form | None:
    """Sign the attempt's form. Reading it again gives the same form until its date is old, then a freshly dated one.

    That it is shown is written before it leaves, and only as long as the attempt is open: a form of an attempt that
    ended a moment ago is not shown any more, and None is returned.

    A freshly dated form that takes a card is one more try and counts as an attempt: raises
    :class:`~cybersource.limits.places.LimitExceeded`. One that goes on with a stored card tests none.
    """
    now = clock.at_or_now(at)
    credentials = profiles.for_signing(attempt.hostname, profile_id=attempt.profile_id)
    is_fresh = timedelta(0) <= now - attempt.date_signed < FRESH_FOR
    # Before anything is written: where it cannot be made, no form was shown.
    signed = request_for(attempt, attempt.order).sign(
        credentials, at=attempt.date_signed if is_fresh else now, transaction_uuid=attempt.transaction_uuid
    )
    changed: dict[str, Any] = {}
    if attempt.date_shown is None:
        changed["date_shown"] = now
    if not is_fresh:
        if attempt.token is None:
            places.take(budgets.BudgetHolder.of(attempt, user_id=attempt.order.user_id))
        changed["date_signed"] = now
    if (credentials.profile_id, credentials.access_key) != (attempt.profile_id, attempt.access_key):
        changed.update(profile_id=credentials.profile_id, access_key=credentials.access_key)
    if changed:
        if not PaymentAttempt.objects.filter(pk=attempt.pk, state=AttemptState.OPEN).update(**changed):
            return None
        for name, value in changed.items():
            setattr(attempt, name, value)
    creates_token = attempt.transaction_type == TransactionType.CREATE_PAYMENT_TOKEN
    return Form(
        name=FORM_NAMES[attempt.transaction_type],
        url=conf.endpoint_token_create if creates_token else conf.endpoint_pay,
        fields=signed.fields,
    )


def has_another_form(attempt: PaymentAttempt) -> bool:
    """Whether another payment of the same order has a form that is shown without being one more try of a card."""
    others = PaymentAttempt.objects.filter(
        order=attempt.order_id, session_hash=attempt.session_hash, state=AttemptState.OPEN
    ).exclude(method_key=attempt.method_key)
    return others.filter(Q(token__isnull=False) | Q(date_signed__gt=clock.now() - FRESH_FOR)).exists()


def form_to_show(attempt: PaymentAttempt) -> Form | None:
    """The attempt's form, or None, with an error in the log, while the shop has no key to sign it with.

    None, too, where the order has become one that CyberSource would refuse; see :func:`give_up_form`.
    """
    if attempt.channel == PaymentAttempt.Channel.REST:
        return form_of_the_shop(attempt)
    try:
        return form_for(attempt)
    except profiles.NoSigningKey as problem:
        logger.error("No form can be shown for order %s: %s", attempt.reference_number, problem)
    except ProtocolError as problem:
        logger.error("No form can be made any more for order %s: %s", attempt.reference_number, problem)
        give_up_form(attempt, problem)
    return None


@transaction.atomic
def give_up_form(attempt: PaymentAttempt, problem: ProtocolError) -> None:
    """End an attempt whose form cannot be made any more: an address was edited, or an account lost its e-mail.

    The order is declined, so that the shopper can check out again. Not where an earlier form may have been posted and
    charged the card: the attempt waits for its answer, and staff see a note.
    """
    order = orders.locked(attempt.order_id)
    with orders.in_the_shops_language():
        may_be_charged = attempt.transaction_type != TransactionType.CREATE_PAYMENT_TOKEN and attempt.date_shown
        ended = not may_be_charged and PaymentAttempt.objects.filter(pk=attempt.pk, state=AttemptState.OPEN).update(
            state=AttemptState.FAILED, date_settled=clock.now()
        )
        orders.note_once(order, _("The card form could not be made: %(why)s") % {"why": problem.explanation})
        if not ended:
            return
        attempt.state = AttemptState.FAILED
        if orders.fails_with(order, attempt):
            orders.decline(order, hostname=attempt.hostname)
    attempt.order = order


def form_of_the_shop(attempt: PaymentAttempt) -> Form | None:
    """The form by which the browser asks the shop itself to authorize a stored card; None once that was done."""
    if attempt.operations.exclude(state__in=(OperationState.NOT_SENT, OperationState.REFUSED)).exists():
        return None
    url = reverse("cybersource-authorize", args=[attempt.transaction_uuid])
    return Form(name=FORM_NAMES[attempt.transaction_type], url=url, fields=())
