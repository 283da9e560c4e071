"""An Oscar order becomes a payment request, and the request a signed form.

``begin`` writes the attempt when the shopper checks out; ``form_for`` signs it whenever the form is shown.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replace_in
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from traceback import format_tb
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model
from oscarapicheckout import settings as checkout_settings
from rest_framework.fields import BooleanField
from rest_framework.serializers import ValidationError

from . import attention as needs
from . import card_numbers, clock, fingerprints, limits, orders, profiles, shopper, signals
from .client_address import client_address
from .conf import FLOWS, conf
from .models import (
    UNSETTLED_STATES,
    AttemptState,
    Attention,
    CyberSourceReply,
    OperationState,
    PaymentAttempt,
    PaymentToken,
)
from .protocol import (
    Address,
    Credentials,
    FormField,
    InvalidRequest,
    LineItem,
    PaymentRequest,
    ProtocolError,
    TransactionType,
    reference_number_for,
)
from .standing import OrderBalance

Order = get_model("order", "Order")

logger = logging.getLogger(__name__)

#: A form is signed anew when it is shown and its date is older than this. CyberSource documents no age limit; fifteen
#: minutes is what integrators report, and a stale form gets a bare 403 page of which the shop hears nothing.
FRESH_FOR = timedelta(minutes=5)

#: The transaction types of each flow, first form first.
FLOW_STEPS: Mapping[str, tuple[TransactionType, ...]] = {
    "two-step": (TransactionType.CREATE_PAYMENT_TOKEN, TransactionType.AUTHORIZATION),
    "one-step": (TransactionType.AUTHORIZATION_WITH_TOKEN,),
    "sale": (TransactionType.SALE,),
    "sale-with-token": (TransactionType.SALE_WITH_TOKEN,),
    "token-then-server": (TransactionType.CREATE_PAYMENT_TOKEN, TransactionType.AUTHORIZATION),
}

#: The flow whose second step is a call of the shop's server.
SERVER_FLOW = "token-then-server"

#: What the client sees as the form's name.
FORM_NAMES: Mapping[str, str] = {
    TransactionType.CREATE_PAYMENT_TOKEN: "get-token",
    TransactionType.AUTHORIZATION: "authorize",
    TransactionType.AUTHORIZATION_WITH_TOKEN: "authorize",
    TransactionType.SALE: "sale",
    TransactionType.SALE_WITH_TOKEN: "sale",
}

assert tuple(FLOW_STEPS) == FLOWS

#: States of an attempt that pays, or may yet.
LIVE_STATES = (*UNSETTLED_STATES, AttemptState.REVIEW, AttemptState.AUTHORIZED)


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
def begin(order: Any, method_key: str, amount: Decimal, *, flow: str, request: HttpRequest) -> PaymentAttempt:
    """Write the attempt that the shopper's first form will belong to; an earlier open one is replaced.

    The caller's transaction commits before the form is read. Raises :class:`ReceiverMistake` where a receiver of the
    two ``pre_build_…`` signals spoils the form, before anything has left the shop. Returns the attempt that paid, and
    writes none, when a late reply paid the order while it was being placed again.
    """
    # From here on a reply, an expiry or a reviewer waits for us; what they did a moment before is seen. What
    # api-checkout holds in memory may be older than either.
    order.status = orders.locked(order.pk).status
    balance = orders.balance(order)
    paid = paid_already(order, method_key, amount, balance) if balance.payments else None
    if not orders.awaits_payment(order) and not orders.is_cancelled(order):
        paid = paid or holding(order)
    if paid:
        return paid
    make_way(order, methods_named(request), begun=(method_key, amount), balance=balance)
    if orders.is_declined(order):
        # A deferred payment is tried again without the order being placed again: it waits for payment once more.
        with orders.in_the_shops_language():
            orders.change_status(order, checkout_settings.ORDER_STATUS_PENDING)
    hostname = request.get_host()
    credentials = profiles.for_signing(hostname)
    fingerprint = fingerprints.known(request)
    first, *later = FLOW_STEPS[flow]
    added = ask_receivers(signals.pre_build_get_token_request, request, order, method_key)
    added_later = ask_receivers(signals.pre_build_auth_request, request, order, method_key) if later else ExtraFields()
    attempt = PaymentAttempt(
        order=order,
        method_key=method_key,
        flow=flow,
        transaction_type=first,
        reference_number=reference_number_for(order.number),
        amount=amount,
        currency=order.currency or conf.default_currency,
        profile_id=credentials.profile_id,
        access_key=credentials.access_key,
        hostname=hostname[:100],
        language=(get_language() or "")[:16],
        session_hash=shopper.session_hash(request.session),
        customer_ip_address=client_address(request),
        is_limited=not request.user.is_staff,
        device_fingerprint_id=fingerprint.session_id if fingerprint else "",
        extra_fields=added.fields,
        next_extra_fields=added_later.fields,
    )
    # Built once here, so that an order CyberSource could never accept stops the checkout with a clear error instead
    # of showing the shopper a page of states that cannot be read.
    form = request_for(attempt, order)
    check_form(form, credentials, attempt, added)
    if added_later.fields and flow != SERVER_FLOW:
        # The next form too: what spoils it would show only when the card is stored already.
        following = replace_in(form, transaction_type=later[0], payment_token="0", extra_fields=added_later.fields)
        check_form(following, credentials, attempt, added_later)
    attempt.save(force_insert=True)
    if fingerprint is None and fingerprints.is_too_old(request):
        with orders.in_the_shops_language():
            orders.note(
                order,
                _("This card payment goes without a device fingerprint: its page had stood open for too long."),
            )
    return attempt


def paid_already(order: Any, method_key: str, amount: Decimal, balance: OrderBalance) -> PaymentAttempt | None:
    """Return the attempt by which this method pays this amount already, all of which counts; None where none does.

    It was recorded while api-checkout wrote that the order is pending, or paid in another browser. The shopper must not
    be sent to pay it a second time.
    """
    made_by = {one.attempt_id: one for one in balance.payments if balance.of(one) >= amount}
    attempts = PaymentAttempt.objects.filter(
        pk__in=made_by, order=order, method_key=method_key, amount=amount, state__in=orders.HOLDING
    )
    return attempts.order_by("-pk").first()


def holding(order: Any) -> PaymentAttempt | None:
    """Return the last attempt that paid an order which another checkout, or a late reply, paid a moment ago."""
    return PaymentAttempt.objects.filter(order=order, state__in=orders.HOLDING).order_by("-pk").first()


class ReceiverMistake(Exception):
    """A receiver of the shop's own raised, or gave what no form can hold. ``explanation`` names it, and no value."""

    def __init__(self, receiver: str, mistake: str) -> None:
        self.explanation = f"{receiver} {mistake}"
        super().__init__(self.explanation)


@dataclass(frozen=True)
class ExtraFields:
    """What receivers added to a form, and which of them added what."""

    fields: dict[str, str] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)


def ask_receivers(signal: signals.FieldSignal, request: HttpRequest, order: Any, method_key: str) -> ExtraFields:
    """Ask the shop's receivers for fields. Raises :class:`ReceiverMistake`, with what they wrote rolled back."""
    given: dict[Any, Any] = {}
    by: dict[Any, str] = {}
    for receiver in signal.asked(PaymentAttempt):
        known = dict(given)
        name = f"The receiver {name_of(receiver)} of {signal.name}"
        try:
            with transaction.atomic():
                receiver(
                    signal=signal,
                    sender=PaymentAttempt,
                    extra_fields=given,
                    request=request,
                    order=order,
                    method_key=method_key,
                    door=PaymentAttempt.Door.SECURE_ACCEPTANCE.value,
                )
        except Exception as problem:
            # Not its message, which may hold what a shopper typed.
            where = "".join(format_tb(problem.__traceback__))
            logger.error("A receiver of %s raised %s:\n%s", signal.name, type(problem).__name__, where)
            raise ReceiverMistake(name, f"raised {type(problem).__name__}.") from problem
        by.update((key, name) for key in given if key not in known or given[key] is not known[key])
    fields = {}
    for key, value in given.items():
        if not isinstance(key, str):
            raise ReceiverMistake(by[key], "gave a field whose name is no text.")
        try:
            text = as_text(value)
        except TypeError:
            kind = type(value).__name__
            raise ReceiverMistake(by[key], f"gave {key} a value of type {kind}; give text or a number.") from None
        if text is not None:
            fields[key] = card_numbers.mask(key, text)  # often what the shopper typed, such as a delivery note
    return ExtraFields(fields, by)


def name_of(receiver: Any) -> str:
    function = getattr(receiver, "awaitable", receiver)  # asynchronous ones are wrapped
    function = getattr(function, "func", function)  # functools.partial
    kind = type(function)
    return ".".join(str(getattr(function, name, getattr(kind, name))) for name in ("__module__", "__qualname__"))


def as_text(value: Any) -> str | None:
    """What a receiver gave as the text of a field, None for nothing. Raises TypeError for what is no single value."""
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Promise | int | UUID):
        # No form holds a NUL or half a character, and neither does PostgreSQL.
        return str(value).encode("utf-8", "ignore").decode().replace("\0", "")
    if isinstance(value, float | Decimal) and isfinite(value):
        return f"{Decimal(str(value)):f}"
    raise TypeError


def check_form(form: PaymentRequest, credentials: Credentials, attempt: PaymentAttempt, added: ExtraFields) -> None:
    """Make the form for nobody. Raises InvalidRequest, or ReceiverMistake where a receiver brought the wrong field."""
    try:
        form.sign(credentials, at=clock.now(), transaction_uuid=attempt.transaction_uuid)
    except InvalidRequest as problem:
        if problem.field in added.by:
            raise ReceiverMistake(added.by[problem.field], f"spoils the form. {problem.explanation}") from None
        raise


def problems_of(order: Any, amount: Decimal) -> tuple[InvalidRequest, ...]:
    """What keeps an order, stored or not, from being paid by card, as far as order and address are to blame."""
    return PaymentRequest(
        transaction_type=TransactionType.AUTHORIZATION,
        reference_number="-",
        amount=amount,
        currency=order.currency or conf.default_currency,
        bill_to=address(order.billing_address),
        bill_to_email=order_email(order),
    ).problems()


def begin_next_step(attempt: PaymentAttempt, token: PaymentToken) -> PaymentAttempt:
    """Write the attempt for the step that follows a stored card. The order's row is locked by the caller."""
    steps = FLOW_STEPS[attempt.flow]
    following = steps[steps.index(TransactionType(attempt.transaction_type)) + 1]
    return PaymentAttempt.objects.create(
        previous=attempt,
        token=token,
        transaction_type=following,
        door=PaymentAttempt.Door.REST if attempt.flow == SERVER_FLOW else attempt.door,
        extra_fields=attempt.next_extra_fields,
        **{
            name: getattr(attempt, name)
            for name in (
                "order",
                "method_key",
                "flow",
                "reference_number",
                "amount",
                "currency",
                "profile_id",
                "access_key",
                "hostname",
                "language",
                "session_hash",
                "customer_ip_address",
                "is_limited",
                "device_fingerprint_id",
            )
        },
    )


def methods_named(request: HttpRequest) -> frozenset[str] | None:
    """The keys of the payment methods that the shopper's checkout enables; None where the request does not say."""
    data = getattr(request, "data", None)
    named = data.get("payment") if isinstance(data, Mapping) else None
    if not isinstance(named, Mapping):
        return None
    return frozenset(str(key) for key, value in named.items() if isinstance(value, Mapping) and is_enabled(value))


def is_enabled(method: Mapping[str, Any]) -> bool:
    """As api-checkout's serializer reads it."""
    try:
        return BooleanField().to_internal_value(method.get("enabled", False)) is True
    except ValidationError:
        return False


def make_way(
    order: Any,
    named: frozenset[str] | None,
    *,
    begun: tuple[str, Decimal] | None = None,
    balance: OrderBalance | None = None,
) -> None:
    """A checkout begins: what an earlier one left, and this one does not name, pays for the order no more.

    An attempt that the shopper could still pay is replaced; money that is held or taken is set aside, and staff are
    asked to give it back. So is what the method that is ``begun`` left for another amount, or gave back in part.
    The order's row is locked by the caller. Of an order that is not waiting for a payment nothing changes.
    """
    if not orders.awaits_payment(order):
        return
    begun_key, amount = begun or (None, None)

    def is_left(attempt: PaymentAttempt) -> bool:
        return attempt.method_key == begun_key or (named is not None and attempt.method_key not in named)

    attempts = {one.pk: one for one in PaymentAttempt.objects.filter(order=order).select_related("token")}
    for attempt in attempts.values():
        if attempt.state in UNSETTLED_STATES and is_left(attempt):
            replace(order, attempt)
    if not orders.awaits_payment(order):
        return  # paid a moment ago, by what would be set aside
    balance = balance or orders.balance(order)
    for payment in balance.payments:
        attempt_of_it = attempts.get(payment.attempt_id or 0)
        if attempt_of_it is None or not payment.kept or payment.is_set_aside or not is_left(attempt_of_it):
            continue
        if attempt_of_it.method_key == begun_key and payment.under_review == amount and balance.is_in_play(payment):
            continue  # its reviewer may still pay the order
        with orders.in_the_shops_language():
            needs.set_aside(order, payment)


@transaction.atomic
def make_way_for_checkout(sender: Any, order: Any, request: Any = None, **kwargs: Any) -> None:
    """Connected to api-checkout's ``order_placed``, since a checkout by other methods begins no attempt of ours."""
    named = methods_named(request)
    if named is not None and PaymentAttempt.objects.filter(order=order).exists():
        make_way(orders.locked(order.pk), named)


@transaction.atomic
def replace(order: Any, attempt: PaymentAttempt) -> None:
    """Replace an attempt unless it has ended meanwhile. One of unknown outcome may be charged: staff are told."""
    same = PaymentAttempt.objects.filter(pk=attempt.pk)
    if same.filter(state=AttemptState.OPEN).update(state=AttemptState.REPLACED):
        return
    replaced = same.filter(state=AttemptState.UNKNOWN).update(state=AttemptState.REPLACED)
    if replaced and attempt.transaction_type != TransactionType.CREATE_PAYMENT_TOKEN:
        with orders.in_the_shops_language():
            needs.doubt(Attention.NO_ANSWER, order, attempt)


def void(attempt: PaymentAttempt) -> None:
    """The shopper retries with another amount: replace an open attempt, set aside and flag money that it has.

    Locks the order and then the attempt; the caller holds a transaction.
    """
    order = orders.locked(attempt.order_id)
    attempt = PaymentAttempt.objects.select_for_update(of=("self",), no_key=True).get(pk=attempt.pk)
    if attempt.state in UNSETTLED_STATES:
        replace(order, attempt)
        return
    for payment in orders.balance(order).payments:
        if payment.attempt_id == attempt.pk and payment.kept and not payment.is_set_aside:
            with orders.in_the_shops_language():
                needs.set_aside(order, payment)


def steps() -> Any:
    """Attempts, newest first, with everything that a form needs.

    ``has_stored_answer``: a reply to it, or a charge for its order, is stored and could not take effect yet. Nothing is
    asked again until then.
    """
    unsettled = CyberSourceReply.objects.filter(
        Q(attempt=OuterRef("pk")) | Q(decision__in=("ACCEPT", "REVIEW")),
        order=OuterRef("order"),
        result=CyberSourceReply.Result.RECEIVED,
    )
    return (
        PaymentAttempt.objects.select_related(
            "token",
            "order__user",
            "order__billing_address__country",
            "order__shipping_address__country",
        )
        .annotate(has_stored_answer=Exists(unsettled))
        .order_by("-pk")
    )


def latest_step(attempt_id: int) -> PaymentAttempt | None:
    """Return the attempt, or the step that followed it, with everything its form needs, in one statement."""
    return steps().filter(Q(pk=attempt_id) | Q(previous=attempt_id)).first()


def step_to_show(attempt_id: int, order_id: int) -> PaymentAttempt | None:
    """Return what a payment state shows: the latest step of its attempt, or of one begun later. One statement.

    Two answers to one session may be written in the wrong order, and then the session names an attempt that another has
    replaced. What the same session began later for the order is shown in its place, so that its form is seen.
    """
    session_hash = PaymentAttempt.objects.filter(pk=attempt_id).exclude(session_hash="").values("session_hash")
    later = Q(order=order_id, pk__gt=attempt_id, state__in=LIVE_STATES, session_hash=Subquery(session_hash[:1]))
    found = list(steps().filter(Q(pk=attempt_id) | Q(previous=attempt_id) | later))
    own = next((step for step in found if attempt_id in (step.pk, step.previous_id)), None)
    if own is None:
        return None
    others = [step for step in found if attempt_id not in (step.pk, step.previous_id)]
    of_its_method = [step for step in others if step.method_key == own.method_key]
    if own.state in LIVE_STATES:
        # It may pay the order, or does; but the form that was begun for the rest is to be seen.
        shown = [step for step in of_its_method if step.state == AttemptState.OPEN and orders.awaits_payment(own.order)]
    elif own.state == AttemptState.REPLACED and not of_its_method:
        shown = [step for step in others if step.state == AttemptState.OPEN]
    else:
        shown = of_its_method
    return shown[0] if shown else own


def latest_begun(session: Any, order_id: Any) -> PaymentAttempt | None:
    """Return the last attempt for the order, if this very session began it."""
    attempt = PaymentAttempt.objects.filter(order=order_id).order_by("-pk").first() if order_id else None
    return attempt if attempt and shopper.began(session, attempt) else None


@sensitive_variables()
def form_for(attempt: PaymentAttempt, *, at: datetime | None = None) -> Form | None:
    """Sign the attempt's form. Reading it again gives the same form until its date is old, then a freshly dated one.

    That it is shown is written before it leaves, and only as long as the attempt is open: a form of an attempt that
    ended a moment ago is not shown any more, and None is returned.

    A freshly dated form that takes a card is one more try and counts as an attempt: raises
    :class:`~cybersource.limits.Refused`. One that goes on with a stored card tests none.
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
            limits.take(limits.Who.of(attempt, user_id=attempt.order.user_id))
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
    if attempt.door == PaymentAttempt.Door.REST:
        return form_of_the_shop(attempt)
    try:
        return form_for(attempt)
    except profiles.NothingToSignWith as problem:
        logger.error("No form can be shown for order %s: %s", attempt.reference_number, problem)
    except ProtocolError as problem:
        logger.error("No form can be made any more for order %s: %s", attempt.reference_number, problem)
        give_up_form(attempt, problem)
    return None


@transaction.atomic
def give_up_form(attempt: PaymentAttempt, problem: ProtocolError) -> None:
    """End an attempt whose form cannot be made any more: an address was edited, or an account lost its e-mail.

    The order is declined, so that the shopper can check out again. Not where an earlier form may have been posted and
    charged the card: the attempt waits for its answer, and staff are told.
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
    """The form by which the browser asks the shop itself to authorize a stored card; None once that was asked."""
    if attempt.operations.exclude(state__in=(OperationState.NOT_SENT, OperationState.REFUSED)).exists():
        return None
    url = reverse("cybersource-authorize", args=[attempt.transaction_uuid])
    return Form(name=FORM_NAMES[attempt.transaction_type], url=url, fields=())


def request_for(attempt: PaymentAttempt, order: Any) -> PaymentRequest:
    """Everything the form says, from the attempt and the order."""
    return PaymentRequest(
        transaction_type=TransactionType(attempt.transaction_type),
        reference_number=attempt.reference_number,
        amount=attempt.amount,
        currency=attempt.currency,
        locale=conf.locale,
        bill_to=address(order.billing_address),
        bill_to_email=order_email(order),
        ship_to=address(order.shipping_address),
        items=tuple(line_items(order)),
        shipping_method=conf.shipping_method_mapping.get(order.shipping_code, conf.shipping_method_default),
        device_fingerprint_id=attempt.device_fingerprint_id,
        customer_ip_address=str(attempt.customer_ip_address or ""),
        payment_token=attempt.token.token if attempt.token else "",
        extra_fields=attempt.extra_fields,
    )


def order_email(order: Any) -> str:
    email = (order.user.email if order.user else "") or order.guest_email or ""
    return card_numbers.mask_typed("email", email)


def address(held: Any) -> Address | None:
    if held is None:
        return None
    named = {
        "forename": held.first_name,
        "surname": held.last_name,
        "line1": held.line1,
        "line2": " ".join(filter(None, (held.line2, held.line3))),
        "city": held.line4,
        "state": held.state,
        "postal_code": held.postcode,
        "phone": str(getattr(held, "phone_number", "") or ""),
    }
    # Our own checkout refuses a card number, but an address may come from elsewhere.
    typed = {name: card_numbers.mask_typed(name, value) for name, value in named.items()}
    return Address(country=held.country.iso_3166_1_a2, **typed)


def line_items(order: Any) -> Iterable[LineItem]:
    """Every line of the order after its discounts, then what is charged for shipping and as surcharges."""
    named = order.shipping_incl_tax
    for line in order.lines.all():
        named += line.line_price_incl_tax
        yield priced(
            line.title,
            sku=line.partner_sku or line.upc or "",
            quantity=line.quantity,
            excl_tax=line.line_price_excl_tax,
            incl_tax=line.line_price_incl_tax,
        )
    if order.shipping_incl_tax:
        yield priced(
            order.shipping_method or _("Shipping"),
            code="shipping_only",
            excl_tax=order.shipping_excl_tax,
            incl_tax=order.shipping_incl_tax,
        )
    if order.total_incl_tax > named:
        for surcharge in order.surcharges.all():
            yield priced(surcharge.name, excl_tax=surcharge.excl_tax, incl_tax=surcharge.incl_tax)


def priced(
    name: str, *, excl_tax: Decimal, incl_tax: Decimal, quantity: int = 1, sku: str = "", code: str = ""
) -> LineItem:
    """A line whose total is exact: three for 10.00 has no unit price in cents and becomes one of "3 x"."""
    unit_price = (excl_tax / quantity).quantize(excl_tax) if quantity else excl_tax
    if unit_price * quantity != excl_tax:
        name, quantity, unit_price = f"{quantity} x {name}", 1, excl_tax
    return LineItem(
        name=name, sku=sku, code=code, quantity=quantity, unit_price=unit_price, tax_amount=incl_tax - excl_tax
    )
