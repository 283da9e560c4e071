"""How often somebody may ask: a rate for each kind of view, with a default that needs no setting.

A shop has its own by ``REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]``, under the scope's name; None there is no limit.
Counted in the default cache. A cache that fails stops nobody: one line is logged.
"""

from __future__ import annotations

import logging
from typing import Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from ..http.client_ip import client_address
from ..limits.budgets import network_of

logger = logging.getLogger(__name__)

#: Requests by user, or by the network address of an anonymous client.
RATES = {
    "cybersource-read": "300/min",
    "cybersource-move": "60/min",
    "cybersource-gateway": "30/min",
    "cybersource-own": "60/min",
}


class ScopedThrottle(SimpleRateThrottle):
    """The rate of the view's ``throttle_scope``."""

    def __init__(self) -> None:  # the rate is known once the view is
        pass

    def allow_request(self, request: Request, view: Any) -> bool:
        self.scope = view.throttle_scope
        self.rate = (api_settings.DEFAULT_THROTTLE_RATES or {}).get(self.scope, RATES[self.scope])
        self.num_requests, self.duration = self.parse_rate(self.rate)
        try:
            return bool(super().allow_request(request, view))
        except Exception as problem:
            logger.error("Requests to the API are not counted: the cache fails (%s).", type(problem).__name__)
            return True

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """None counts nobody: behind a proxy that nobody named all guests have the proxy's address."""
        if request.user and request.user.is_authenticated:
            return f"throttle_{self.scope}_user-{request.user.pk}"
        network = network_of(client_address(request._request))
        return f"throttle_{self.scope}_address-{network}" if network else None
