"""Which devices were profiled: what the fingerprint tags told, and whether a payment's id matches one.

Source: Decision Manager Device Fingerprinting guide. The tags carry the merchant id followed at once by the session id,
the payment the session id alone. An id lives about thirty minutes, holds ``A-Z a-z 0-9 - _`` and is for one payment.
"""

import re
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,88}", re.ASCII)
_JOINED = re.compile(r"[A-Za-z0-9_-]{1,118}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Profiling:
    """One asset of the tags, as it was asked for."""

    org_id: str
    session_id: str  #: merchant id and session id, joined
    asset: str
    at: datetime


class Fingerprints:
    """Profilings seen, newest last. Not locked on its own: the gateway holds its lock."""

    def __init__(self, keep: int = 2000) -> None:
        self.seen: deque[Profiling] = deque(maxlen=keep)
        self._used: dict[str, str] = {}

    def record(self, *, org_id: str, session_id: str, asset: str, at: datetime) -> Profiling:
        """Remember that a page asked for ``asset``; overlong parameters are cut."""
        profiling = Profiling(org_id=org_id[:64], session_id=session_id[:256], asset=asset, at=at)
        self.seen.append(profiling)
        return profiling

    def matches(self, merchant_id: str, session_id: str, *, now: datetime, life: timedelta) -> bool:
        """Tell whether the device behind a payment's ``device_fingerprint_id`` was profiled within ``life``."""
        joined = merchant_id + session_id
        return any(each.session_id == joined and now - each.at <= life for each in self.seen)

    def remarks(self, merchant_id: str, session_id: str, *, reference: str) -> list[str]:
        """Return what breaks the guide's rules in an id; counts the use for ``reference``."""
        found = []
        if not _SESSION_ID.fullmatch(session_id):
            found.append("device_fingerprint_id holds characters other than A-Z a-z 0-9 - _")
        elif not _JOINED.fullmatch(merchant_id + session_id):
            found.append("Merchant id and device_fingerprint_id are longer than 118 characters together")
        # Two ids must not differ only in case, so they count as one.
        used_by = self._used.setdefault((merchant_id + session_id).lower(), reference)
        if used_by != reference:
            found.append("device_fingerprint_id was used for another order already")
        if len(self._used) > 5000:
            self._used.pop(next(iter(self._used)))
        return found
