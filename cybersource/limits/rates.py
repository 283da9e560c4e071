"""The setting CYBERSOURCE_LIMITS, read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from ..conf import conf

#: What ``CYBERSOURCE_LIMITS`` says where it says nothing else.
DEFAULTS: Mapping[str, Any] = {
    "attempts": {"shopper": "10/h", "order": "10/h", "address": "40/h"},
    "declines": {"shopper": "5/h", "order": "5/h", "address": "20/h"},
    "refusals": {"shopper": "5/h", "order": "5/h", "address": "20/h"},
    "alarm": {"shop": "30/15m", "address": "4/2h"},
    "exempt": (),
    "cache": "default",
    "shadow": False,
}

#: Each place is a cache key that is asked for: more than this in one budget would make checkouts slow.
MOST_PLACES = 500

PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

#: Addresses that are no shopper's on the Internet but those of a proxy that nobody named, or of a developer. Counting
#: them would refuse the whole shop for what one did.
INSIDE = tuple(
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
)


@dataclass(frozen=True)
class Rate:
    """``number`` places, each free again after at most ``seconds``."""

    number: int
    seconds: int


# -- the setting -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def rate(text: str) -> Rate:
    """Read ``"20/h"`` or ``"30/15m"``: a number, and a period in seconds, minutes, hours or days."""
    match = re.fullmatch(r"(\d+)/(\d*)([smhd])", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no rate")
    number, period = int(match[1]), int(match[2] or 1) * PERIODS[match[3]]
    if not 1 <= number <= MOST_PLACES or not period:
        raise ValueError(f"{text!r}: between 1 and {MOST_PLACES} in a period")
    return Rate(number, period)


def current() -> dict[str, Any] | None:
    """The setting with its defaults filled in; None when limits are switched off."""
    if conf.limits is None:
        return None
    try:
        return merged(conf.limits)
    except (TypeError, ValueError) as problem:
        raise ImproperlyConfigured(f"CYBERSOURCE_LIMITS: {problem}. `manage.py check` says more.") from None


def merged(given: Any) -> dict[str, Any]:
    """Fill in the defaults and read every rate. Raises ValueError with a sentence about what is wrong."""
    if not isinstance(given, Mapping):
        raise ValueError("it is neither a dictionary nor None")
    unknown = sorted(str(key) for key in set(given) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"it has no key {unknown[0]!r}; the keys are {', '.join(DEFAULTS)}")
    result = {**DEFAULTS, **given}
    for kind in ("attempts", "declines", "refusals", "alarm"):
        result[kind] = {name: rate(text) for name, text in part(result, kind).items() if text is not None}
    if isinstance(result["exempt"], str):
        raise ValueError("'exempt' is no list of addresses and networks")
    result["exempt"] = tuple(ip_network(network, strict=False) for network in result["exempt"])
    if not isinstance(result["cache"], str) or not isinstance(result["shadow"], bool):
        raise ValueError("'cache' is the name of a cache, 'shadow' is True or False")
    return result


def part(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One dictionary of the setting; what it does not name keeps its default, and None is none of it."""
    given = settings[kind]
    if given is None:
        return {}
    if not isinstance(given, Mapping) or set(given) - set(DEFAULTS[kind]):
        raise ValueError(f"{kind!r} is no dictionary with the keys {', '.join(DEFAULTS[kind])}")
    return {**DEFAULTS[kind], **given}


# -- budgets -----------------------------------------------------------------------------------------------------------


def is_in(address: str | None, networks: Iterable[Any]) -> bool:
    parsed = read(address) if address else None
    return parsed is not None and any(parsed in network for network in networks)


def read(address: str) -> IPv4Address | IPv6Address:
    parsed = ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed
