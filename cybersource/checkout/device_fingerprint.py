"""The shopper's device fingerprint: an id in the session, fresh for each profiled page.

The id is a random GUID, never the session key: it is sent to the profiling service in a URL.
Source: Decision Manager Device Fingerprinting Guide; REST model documentation of ``deviceInformation`` (an id for
every page load). A profile is taken to live thirty minutes, the shorter of two published figures.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest

from ..conf import conf
from ..db import clock
from ..protocol import profiling_url

SESSION_KEY = "cybersource_fingerprint"
LIFETIME = timedelta(minutes=30)

#: A page that stood open for so long has its device profiled anew before it places the order.
RENEW_AFTER = timedelta(minutes=25)


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    session_id: str

    def url(self, kind: str) -> str:
        """The profiling service's URL for ``img-1``, ``img-2``, ``flash``, ``js``, ``tags`` or ``tags-frame``."""
        return profiling_url(
            kind,
            org_id=conf.org_id,
            merchant_id=conf.merchant_id,
            session_id=self.session_id,
            host=conf.fingerprint_host,
            protocol=conf.fingerprint_protocol,
        )


def switched_on() -> bool:
    """Fingerprinting needs both ids; without them payments go ahead, only unprofiled."""
    return bool(conf.org_id and conf.merchant_id)


def begin(request: HttpRequest) -> Fingerprint | None:
    """Start a fresh id for the page being shown, or return None when fingerprinting is switched off."""
    if not switched_on():
        return None
    session_id = str(uuid.uuid4())
    request.session[SESSION_KEY] = {"id": session_id, "at": clock.now().timestamp()}
    return Fingerprint(session_id=session_id)


def current(request: HttpRequest) -> Fingerprint | None:
    """Return the id of the page last shown, a fresh one when that has expired, None when switched off."""
    return (known(request) or begin(request)) if switched_on() else None


def known(request: HttpRequest) -> Fingerprint | None:
    """Return the id only if a page carried it within its lifetime: what a payment request may name."""
    held: Any = request.session.get(SESSION_KEY)
    if not switched_on() or not held:
        return None
    age = clock.now().timestamp() - held["at"]
    return Fingerprint(session_id=held["id"]) if 0 <= age < LIFETIME.total_seconds() else None


def is_too_old(request: HttpRequest) -> bool:
    """Whether a page carried an id, and so long ago that a payment cannot name it any more."""
    return switched_on() and bool(request.session.get(SESSION_KEY)) and known(request) is None
