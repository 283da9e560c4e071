"""The payment state that api-checkout keeps in the shopper's session: an attempt's id, and nothing else.

What it says is read from the rows each time, so the session can be old, and no browser needs to have come back, for
``payment-states`` to tell the truth.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext, ngettext
from oscarapicheckout.states import COMPLETE, CONSUMED, DECLINED, PENDING, PaymentStatus
from oscarapicheckout.utils import CHECKOUT_PAYMENT_STEPS, list_payment_method_states
from rest_framework.exceptions import Throttled

from ..conf import conf
from ..limits import places
from ..models import WAITS_FOR_STAFF, AttemptState, PaymentAttempt
from ..payments import orders
from ..payments.attempts import PaymentStep, step_to_show
from .forms import form_to_show, has_another_form


def duration_in_words(seconds: int) -> str:
    """Return a time to wait in minutes, or in hours or days where it is that long; never less than it takes."""
    minutes, hours, days = (math.ceil(seconds / unit) for unit in (60, 3600, 86400))
    if minutes < 90:
        return ngettext("%(minutes)d minute", "%(minutes)d minutes", minutes) % {"minutes": minutes}
    if hours < 36:
        return ngettext("%(hours)d hour", "%(hours)d hours", hours) % {"hours": hours}
    return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}


class TooManyTries(Throttled):
    """429 with ``Retry-After`` in seconds and a ``detail`` for the shopper, as Django REST framework throttles.

    ``may_be_paid``: the form was shown before, and nobody knows whether it was posted.
    """

    def __init__(self, wait: int, *, may_be_paid: bool = False) -> None:
        if may_be_paid:
            detail = gettext(
                "Too many card payments were tried. Please wait %(time)s before you try again. "
                "If you have just paid, do not pay again; we are still waiting for the answer."
            )
        else:
            detail = gettext(
                "Too many card payments were tried. Please wait %(time)s, then try again. Nothing has been charged."
            )
        super().__init__(detail=detail % {"time": duration_in_words(wait)})
        self.wait = wait


class AttemptStatus(PaymentStatus):
    """One payment by card, as its rows have it now."""

    def __init__(self, attempt: PaymentAttempt) -> None:
        self.attempt_id = attempt.pk
        self.order_id = attempt.order_id

    @classmethod
    def of(cls, step: PaymentStep) -> AttemptStatus:
        """Return the state of this very step."""
        status = cls(step.attempt)
        status._step = step
        return status

    def __getstate__(self) -> dict[str, Any]:
        return {"attempt_id": self.attempt_id, "order_id": self.order_id}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def step(self) -> PaymentStep | None:
        """The step of this payment that counts now; None when its rows are gone."""
        if "_step" not in self.__dict__:
            self._step = step_to_show(self.attempt_id, self.order_id)
        return self._step

    @property
    def attempt(self) -> PaymentAttempt | None:
        return self.step.attempt if self.step else None

    @property
    def status(self) -> str:  # type: ignore[override]
        attempt = self.attempt
        if attempt is None:
            return DECLINED
        awaits = orders.awaits_payment(attempt.order)
        if attempt.state in orders.HOLDING and awaits:
            return self.status_of_held(attempt)
        settled = attempt.state == AttemptState.AUTHORIZED or (
            attempt.state == AttemptState.REVIEW and not conf.review_holds_order
        )
        if settled:
            return CONSUMED
        if attempt.state in (AttemptState.OPEN, AttemptState.UNKNOWN, AttemptState.REVIEW):
            return PENDING
        if attempt.state == AttemptState.EXPIRED and attempt.attention in WAITS_FOR_STAFF:
            waits = awaits and not orders.is_declined(attempt.order)
            return PENDING if waits else DECLINED
        return DECLINED

    @staticmethod
    def status_of_held(attempt: PaymentAttempt) -> str:
        """Whether a retry may take it as paid: only as long as all of it counts for the order.

        What was refunded, is in another currency by now or was set aside is paid anew.
        """
        balance = orders.balance(attempt.order)
        made = [one for one in balance.payments if attempt.pk == one.attempt_id or attempt.source_id == one.source.pk]
        if any(balance.of(one) >= attempt.amount for one in made):
            return COMPLETE
        return PENDING if any(one.under_review and balance.is_in_play(one) for one in made) else DECLINED

    @property
    def amount(self) -> Decimal:  # type: ignore[override]
        return self.attempt.amount if self.attempt else Decimal("0.00")

    @property
    def source_id(self) -> int | None:  # type: ignore[override]
        return self.attempt.source_id if self.attempt else None

    def get_required_action(self) -> Any:
        """The form to post, or None while there is nothing that the shopper can do.

        Raises :class:`TooManyTries`, which hides the states of the order's other payments as well, only if none of
        them has a form that can be shown.
        """
        step = self.step
        if step is None or step.attempt.state != AttemptState.OPEN or step.has_stored_answer:
            return None
        attempt = step.attempt
        if not orders.awaits_payment(attempt.order) or orders.is_declined(attempt.order):
            return None  # paid by other means, cancelled, or to be checked out again first
        try:
            form = form_to_show(attempt)
        except places.LimitExceeded as refused:
            if has_another_form(attempt):
                return None
            raise TooManyTries(refused.wait, may_be_paid=attempt.date_shown is not None) from None
        # Whose form it is: the session may speak of a newer order than the page that asks.
        if form is None:
            return None
        state_url = reverse("cybersource-state", args=[attempt.transaction_uuid])
        return {**form.as_required_action(), "order_number": attempt.order.number, "state_url": state_url}


def forget_other_orders(sender: Any, order: Any, request: Any = None, **kwargs: Any) -> None:
    """Drop from the session our states of other orders before api-checkout records payments for this one.

    Connected to api-checkout's ``order_placed``. Releases before 3.10 recycle any pending state of the same amount,
    whichever order it was for, and would leave this order without an attempt. A state that shows the attempt of another
    method, whose own was replaced, must not be recycled either.
    """
    if request is None:
        return
    held = list_payment_method_states(request)
    ours = {key: state for key, state in held.items() if not is_foreign(key, state, order)}
    if len(ours) != len(held):
        steps = request.session[CHECKOUT_PAYMENT_STEPS]
        request.session[CHECKOUT_PAYMENT_STEPS] = {key: steps[key] for key in ours}


def is_foreign(key: str, state: PaymentStatus, order: Any) -> bool:
    if not isinstance(state, AttemptStatus):
        return False
    return state.order_id != order.pk or (state.attempt is not None and state.attempt.method_key != key)
