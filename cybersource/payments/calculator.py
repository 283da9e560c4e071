"""What api-checkout's ``ORDER_AUTHORIZED_AMOUNT_CALCULATOR`` is, the shop's own or ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from oscarapicheckout import settings as checkout_settings

#: Who counts what is authorized of an order, before api-checkout's own view says that it is paid.
CALCULATOR = "ORDER_AUTHORIZED_AMOUNT_CALCULATOR"

#: Ours, by which api-checkout counts as well once the app is loaded.
OUR_CALCULATOR = "cybersource.payments.orders.money_held"

#: No calculator of the shop's own: api-checkout's is blind to currencies and refunds.
DEFAULT_CALCULATORS = (None, "oscarapicheckout.utils.get_order_authorized_amount", OUR_CALCULATOR)


def own_calculator() -> Callable[[Any], Any] | None:
    """The calculator that the shop names for what is authorized of an order; None for api-checkout's own and ours."""
    named = getattr(checkout_settings, CALCULATOR, None)
    if is_default(named):
        named = getattr(settings, CALCULATOR, None)
    if is_default(named):
        return None
    return named if callable(named) else import_string(named)  # type: ignore[no-any-return]


def count_for_checkout() -> None:
    """Have api-checkout ask what counts before its own view authorizes an order.

    A calculator that the shop names is asked by ours, which sees through what that counted of our payments. Releases of
    api-checkout before 3.10 ask nobody; there :mod:`cybersource.api.checkout` does.
    """
    setattr(checkout_settings, CALCULATOR, OUR_CALCULATOR)


def is_default(calculator: Any) -> bool:
    if callable(calculator):
        calculator = f"{calculator.__module__}.{getattr(calculator, '__qualname__', '')}"
    return calculator in DEFAULT_CALCULATORS
