"""How the shop lets people pay: the methods that its settings name, and what holds for those by card."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from oscarapicheckout import settings as checkout_settings

from ..conf import conf
from ..limits import rates
from ..methods import Cybersource
from ..operations.rules import HIGHEST_AMOUNT
from ..protocol import currency_exponent, format_amount
from .responses import WHOSE

#: Flows that take the money with the authorization.
AT_ONCE = ("sale", "sale-with-token")


def methods() -> list[dict[str, Any]]:
    """Every method of ``API_ENABLED_PAYMENT_METHODS``, whoever may use it."""
    named = getattr(settings, "API_ENABLED_PAYMENT_METHODS", checkout_settings.API_ENABLED_PAYMENT_METHODS)
    return [offer(import_string(one["method"])(**one.get("method_kwargs", {}))) for one in named]


def offer(method: Any) -> dict[str, Any]:
    is_card = isinstance(method, Cybersource)
    currency = conf.default_currency
    digits = currency_exponent(currency)
    return {
        "code": method.code,
        "name": str(method.name),
        "is_card": is_card,
        "flow": method.flow if is_card else None,
        "is_captured_at_once": is_card and method.flow in AT_ONCE,
        "currency": currency,
        "decimals": digits,
        "highest_amount": format_amount(round(HIGHEST_AMOUNT - 1, digits), currency),
        "budgets": budgets() if is_card else [],
    }


def budgets() -> list[dict[str, str | None]]:
    """How many card forms and declines a shopper, an order and an address have. Not who is exempt, nor the alarm."""
    used = rates.current()
    if used is None:
        return []
    return [
        {"by": whose, **{kind: text(used[kind].get(whose)) for kind in ("attempts", "declines")}} for whose in WHOSE
    ]


SECONDS = {1: "s", 60: "m", 3600: "h", 86400: "d"}


def text(rate: rates.Rate | None) -> str | None:
    """``10/h``, as the setting has it."""
    if rate is None:
        return None
    unit = max(seconds for seconds in SECONDS if rate.seconds % seconds == 0)
    times = rate.seconds // unit
    return f"{rate.number}/{times if times > 1 else ''}{SECONDS[unit]}"
