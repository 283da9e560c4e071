"""A stored card is authorized by the shop's server: the second step of the flow ``token-then-server``, or staff's own.

    attempt (channel REST) -> PaymentOperation (committed) -> sent once -> Outcome -> the settlement of every reply

How it ends is settled as a browser's reply would be: the attempt, the order, the ledger and the confirmation do not
know by which channel the answer came. Callers must not hold a transaction open.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from oscarapicheckout import settings as checkout_settings

from ..conf import conf
from ..db import clock, locks
from ..gateway import client
from ..gateway.credentials import RestCredentials
from ..gateway.lookup import GatewayUnavailable
from ..models import (
    UNDER_WAY,
    UNSETTLED_STATES,
    AttemptState,
    CyberSourceReply,
    OperationState,
    PaymentAttempt,
    PaymentOperation,
    PaymentToken,
    clipped,
)
from ..payments import balance as payment_balance
from ..payments import ledger, operation_queue, orders, reason_codes, settlement
from ..payments.attempts import SERVER_FLOW
from ..payments.errors import InvalidOperation, Problem
from ..protocol import Decision, Outcome, OutcomeKind, TransactionType
from ..protocol.rest import Call, Processed, Refused, TokenKind, calls
from ..protocol.rest.payment import payment_outcome
from . import results, rules, service
from .idempotency import begin_once, steps_under
from .operation_request import in_digits
from .results import OperationResult

logger = logging.getLogger(__name__)

Kind = PaymentOperation.Kind
State = OperationState

#: How long the shopper's own browser has to ask for the second step before ``cybersource_reconcile`` does.
A_MOMENT = timedelta(minutes=2)

#: Ends of an operation after which the same authorization may be asked once more.
NOTHING_DONE = (State.NOT_SENT, State.REFUSED)

#: The field that CyberSource names when a token is not of the kind that it was sent as.
WRONG_KIND = "paymentInformation.customer.id"


@dataclass(frozen=True, kw_only=True)
class PendingAuthorization:
    operation: PaymentOperation
    call: Call | None  #: None when somebody asked before


def authorize(
    order: Any,
    token: PaymentToken,
    *,
    amount: Decimal | None = None,
    capture: bool = False,
    commerce_indicator: str = "internet",
    method_key: str = "cybersource",
    currency: str = "",
    **asked: Any,
) -> PaymentOperation:
    """Authorize a stored card for an order: ``amount``, or what it still lacks; with ``capture`` take it at once.

    ``commerce_indicator`` is CyberSource's word for how the order came (``moto`` for one by phone). ``asked`` as for
    every operation: ``user``, ``reason``, ``reference``, ``key`` and ``currency``, the order's; there is no payment yet
    whose version could be ``seen``. Raises :class:`~cybersource.payments.errors.InvalidOperation` when it was not
    begun.
    """
    service.refuse_in_transaction()
    ours = service.require_rest()
    if token.owner_id not in (None, order.user_id):
        message = _("“%(operation)s” is not possible for this transaction.") % {"operation": Kind.AUTHORIZE.label}
        raise InvalidOperation(Problem(code="not-possible", field="token", message=message))

    def begin_it() -> PendingAuthorization:
        return begin_own(order.pk, token, amount, currency, capture, method_key, commerce_indicator, **asked)

    begun = begin_once(begin_it, asked.get("key", ""))
    ended = carry_out(begun, commerce_indicator, ours, **asked)
    if begun.call is not None and ended.state in NOTHING_DONE:
        give_up(ended)
    return ended


@sensitive_variables()
@transaction.atomic
def begin_own(
    order_id: int,
    token: PaymentToken,
    amount: Decimal | None,
    currency: str,
    capture: bool,
    method_key: str,
    commerce_indicator: str,
    *,
    key: str = "",
    **asked: Any,
) -> PendingAuthorization:
    """Write an attempt of staff's own together with its intent, so that neither is ever there without the other."""
    order = orders.locked(order_id)
    wanted = {
        "what": str(Kind.AUTHORIZE),
        "order": order.pk,
        "amount": in_digits(amount),
        "currency": currency,
        "lines": {},
        "token": token.pk,
        "capture": capture,
        "method": method_key,
        "indicator": commerce_indicator,
        **operation_queue.in_row(asked.get("reason", ""), asked.get("reference", "")),
    }
    if before := steps_under(key, wanted):
        return PendingAuthorization(operation=before[0], call=None)
    attempt = begin_attempt(order, token, amount, currency, capture, method_key)
    return begin(attempt.pk, commerce_indicator, key=key, wanted=wanted, **asked)


def begin_attempt(
    order: Any, token: PaymentToken, amount: Decimal | None, told: str, capture: bool, method_key: str
) -> PaymentAttempt:
    """Write an attempt for what the order lacks. Its row is locked by the caller. ``told``: the caller's currency."""
    missing = order.total_incl_tax - orders.money_held(order)
    currency = payment_balance.currency_of(order)
    if amount is not None and (not amount.is_finite() or amount <= 0):
        message = _("The amount must be more than nothing.")
        raise InvalidOperation(Problem(code="amount-not-positive", field="amount", message=message))
    amount = missing if amount is None else amount
    if problem := rules.currency_problem(told, currency):
        raise InvalidOperation(problem)
    problems = []
    if not orders.awaits_payment(order):
        problems.append(Problem(code="wrong-state", field="order", message=_("The order does not wait for payment.")))
    elif is_under_way(order):
        message = _("Another payment of the order is under way. Wait until its outcome is known.")
        problems.append(Problem(code="under-way", field="order", message=message))
    elif not 0 < amount <= missing:
        message = _("The order lacks %(missing)s %(currency)s.") % {"missing": missing, "currency": currency}
        problems.append(Problem(code="amount-too-high", field="amount", message=message))
    elif problem := rules.precision_problem(amount, currency):
        problems.append(problem)
    if problems:
        raise InvalidOperation(*problems)
    if orders.is_declined(order):  # it waits for payment once more, as when a shopper tries again
        with orders.in_the_shops_language():
            orders.change_status(order, checkout_settings.ORDER_STATUS_PENDING)
    return PaymentAttempt.objects.create(
        order=order,
        channel=PaymentAttempt.Channel.REST,
        method_key=method_key,
        flow=SERVER_FLOW,
        transaction_type=TransactionType.SALE if capture else TransactionType.AUTHORIZATION,
        reference_number=order.number[:50],
        amount=amount,
        currency=currency,
        token=token,
        is_limited=False,
    )


def is_under_way(order: Any) -> bool:
    """Whether another payment of the order is under way: an attempt, or a call of which nobody knows the end."""
    attempts = PaymentAttempt.objects.filter(order=order, state__in=(*UNSETTLED_STATES, AttemptState.REVIEW))
    called = PaymentOperation.objects.filter(order=order, kind=Kind.AUTHORIZE, state__in=UNDER_WAY)
    return attempts.exists() or called.exists()


def authorize_step(attempt: PaymentAttempt) -> PaymentOperation:
    """Authorize the card that the shopper has stored a moment ago. Safe to ask again: it is sent once.

    Raises :class:`~cybersource.payments.errors.InvalidOperation` when the attempt is not waiting for it.
    """
    service.refuse_in_transaction()
    return send(attempt, service.require_rest(), reason="")


def authorize_waiting(*, at: datetime | None = None) -> int:
    """Authorize the stored cards of shoppers who pressed "pay" and whose browser never came back. Returns how many."""
    now = clock.at_or_now(at)
    asked = PaymentOperation.objects.filter(attempt=OuterRef("pk")).exclude(state__in=NOTHING_DONE)
    waiting = PaymentAttempt.objects.filter(
        ~Exists(asked),
        previous__isnull=False,  # what staff asked themselves, they were told the end of
        channel=PaymentAttempt.Channel.REST,
        state=AttemptState.OPEN,
        date_created__lt=now - A_MOMENT,
        date_created__gt=now - conf.attempt_timeout,
    )
    done = 0
    for attempt in waiting.select_related("order", "token").order_by("pk"):
        try:
            ended = authorize_step(attempt)
            if ended.rest_reason == reason_codes.NOT_BELIEVED:
                raise GatewayUnavailable(f"operation {ended.reference_number}: CyberSource does not believe our key")
            done += 1
        except InvalidOperation as refused:
            logger.warning("The card stored for attempt %s was not authorized: %s", attempt.pk, refused)
    return done


# -- one authorization -----------------------------------------------------------------------------------------------


@sensitive_variables()
def send(
    attempt: PaymentAttempt, ours: RestCredentials, *, commerce_indicator: str = "internet", **asked: Any
) -> PaymentOperation:
    begun = locks.retry_on_conflict(lambda: begin(attempt.pk, commerce_indicator, **asked))
    return carry_out(begun, commerce_indicator, ours, **asked)


@sensitive_variables()
def carry_out(
    begun: PendingAuthorization, commerce_indicator: str, ours: RestCredentials, **asked: Any
) -> PaymentOperation:
    """Send what was begun; a token that turns out to be of the other kind is sent once more, as that."""
    if begun.call is None:
        return begun.operation
    ended = perform(begun.operation, begun.call, ours)
    if ended.state == State.REFUSED and corrected_kind(ended):
        again = locks.retry_on_conflict(lambda: begin(ended.attempt_id, commerce_indicator, instead_of=ended, **asked))
        return perform(again.operation, again.call, ours) if again.call else again.operation
    return ended


def give_up(operation: PaymentOperation) -> None:
    """Nothing was done, and nobody is there to ask again as a shopper's page does: the attempt ends as by a refusal."""
    settlement.settle(operation.log, Outcome(kind=OutcomeKind.INVALID))


@sensitive_variables()
@transaction.atomic
def begin(
    attempt_id: int,
    commerce_indicator: str,
    *,
    instead_of: PaymentOperation | None = None,
    wanted: Mapping[str, Any] | None = None,
    **asked: Any,
) -> PendingAuthorization:
    """Write the intent, with the order's and then the attempt's row locked; what was asked before is returned.

    ``instead_of`` an operation that did nothing: a request that repeats its key gets the new one.
    """
    order = orders.locked(PaymentAttempt.objects.values_list("order", flat=True).get(pk=attempt_id))
    attempt = (
        PaymentAttempt.objects.select_for_update(of=("self",), no_key=True).select_related("token").get(pk=attempt_id)
    )
    before = attempt.operations.exclude(state__in=NOTHING_DONE).order_by("-pk").first()
    if before is not None:
        return PendingAuthorization(operation=before, call=None)
    waits = orders.awaits_payment(order) and not orders.is_declined(order)
    if attempt.state != AttemptState.OPEN or attempt.token is None or not waits:
        message = _("The payment does not wait for its card to be authorized.")
        raise InvalidOperation(Problem(code="wrong-state", field="attempt", message=message))
    if instead_of is not None:
        PaymentOperation.objects.filter(pk=instead_of.pk).update(key=None)
        wanted = instead_of.asked
    operation = operation_queue.write(
        order,
        Kind.AUTHORIZE,
        amount=attempt.amount,
        currency=attempt.currency,
        attempt=attempt,
        is_sale=attempt.transaction_type in ledger.SALES,
        date_sent=clock.now(),
        asked=wanted or {},
        **asked,
    )
    if attempt.date_shown is None:  # from here on the card may be charged
        attempt.date_shown = clock.now()
        attempt.save(update_fields=["date_shown"])
    call = calls.authorize(
        token=attempt.token.token,
        token_kind=TokenKind(attempt.token.kind or TokenKind.CUSTOMER),
        amount=attempt.amount,
        currency=attempt.currency,
        reference_number=operation.reference_number,
        idempotency_id=operation.idempotency_id,
        capture=operation.is_sale,
        commerce_indicator=commerce_indicator,
        device_fingerprint_id=attempt.device_fingerprint_id,
        customer_ip_address=str(attempt.customer_ip_address or ""),
    )
    return PendingAuthorization(operation=operation, call=call)


@sensitive_variables()
def perform(operation: PaymentOperation, call: Call, ours: RestCredentials) -> PaymentOperation:
    """Send it, settle the attempt by what it came to, and end the operation."""
    attempt = operation.attempt
    about = {"order": operation.order, "attempt": attempt, "operation": operation, "user": operation.user}
    exchange = client.send(call, ours=ours, **about)
    ending = OperationResult.of(exchange.outcome)
    outcome = outcome_of(exchange.outcome, attempt)
    if outcome is not None:
        ending = settle(exchange.entry, attempt, outcome, ending)
    ended = results.conclude(operation.pk, ending, entry=exchange.entry)
    if ended.state in NOTHING_DONE:
        locks.retry_on_conflict(lambda: take_off_show(attempt))
    return ended


@transaction.atomic
def take_off_show(attempt: PaymentAttempt) -> None:
    """Nothing was done. It may be asked again, and if it never is, no charge can exist; unless it was asked already."""
    orders.lock(attempt.order_id)
    asked = PaymentOperation.objects.filter(attempt=attempt).exclude(state__in=NOTHING_DONE)
    PaymentAttempt.objects.filter(~Exists(asked), pk=attempt.pk, state=AttemptState.OPEN).update(date_shown=None)


def outcome_of(answered: Any, attempt: PaymentAttempt) -> Outcome | None:
    """What the answer means for the attempt; None where it goes on waiting, since nothing left or it may try again."""
    if isinstance(answered, Processed):
        return payment_outcome(answered.answer, asked=attempt.amount, currency=attempt.currency)
    if isinstance(answered, Refused) and not answered.is_duplicate:
        if answered.is_not_authenticated or answered.retry_after is not None or is_wrong_kind(answered, attempt.token):
            return None
        return Outcome(kind=OutcomeKind.INVALID, message=answered.answer.message)
    if isinstance(answered, Refused) or hasattr(answered, "why"):
        return Outcome(kind=OutcomeKind.UNKNOWN)
    return None


def settle(
    entry: CyberSourceReply, attempt: PaymentAttempt, outcome: Outcome, ending: OperationResult
) -> OperationResult:
    """Let the outcome have its effect by the way of every reply, and say in the log what it was."""
    token = attempt.token
    known = replace(
        outcome,
        payment_token=token.token,
        card_number=token.masked_card_number,
        card_type=token.card_type,
        card_expiry=token.card_expiry_date,
    )
    entry.decision = outcome.decision.value if outcome.decision else ""
    entry.reason_code = outcome.reason_code
    for name, value in clipped(
        CyberSourceReply,
        card_number=token.masked_card_number,
        card_type=token.card_type,
        card_expiry_date=token.card_expiry_date,
    ).items():
        setattr(entry, name, value)
    entry.save(update_fields=["decision", "reason_code", "card_number", "card_type", "card_expiry_date"])
    settlement.settle(entry, known)
    if outcome.decision in (Decision.ACCEPT, Decision.REVIEW):
        remember_kind(token)
    if outcome.kind == OutcomeKind.UNKNOWN and ending.state in (State.DONE, State.DECLINED):
        return replace(ending, state=State.UNKNOWN)
    return ending


# -- what kind of token it is ------------------------------------------------------------------------------------------


def remember_kind(token: PaymentToken) -> None:
    if not token.kind:
        PaymentToken.objects.filter(pk=token.pk, kind="").update(kind=PaymentToken.Kind.CUSTOMER)


def is_wrong_kind(refusal: Refused, token: PaymentToken) -> bool:
    """Whether a token whose kind nobody knew was refused as what it was taken for. Nothing was done then."""
    return not token.kind and any(detail.field == WRONG_KIND for detail in refusal.answer.details)


def corrected_kind(operation: PaymentOperation) -> bool:
    """Learn from a refusal that a token is one of the older kind. True when it may be tried as that."""
    token = operation.attempt.token
    told = operation.log.data if operation.log else {}
    if WRONG_KIND not in (told or {}).values():
        return False
    return bool(PaymentToken.objects.filter(pk=token.pk, kind="").update(kind=PaymentToken.Kind.LEGACY))
