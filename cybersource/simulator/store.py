"""All that one gateway remembers, in one place. Not locked on its own: the gateway holds its lock.

Nothing is written to disk: a simulator that is started anew knows no payment and no token.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cybersource.simulator.fingerprint import Fingerprints
from cybersource.simulator.records import Delivery, Payment, Refusal
from cybersource.simulator.tokens import Tokens

KEEP = 1000  #: payments, refusals and deliveries


@dataclass(kw_only=True)
class Memory:
    """The state behind a gateway."""

    payments: deque[Payment] = field(default_factory=lambda: deque(maxlen=KEEP))
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=KEEP))
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=KEEP))
    tokens: Tokens = field(default_factory=Tokens)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    _submitted: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _request_ids: int = 0
    _payment_ids: int = 0

    def repeats(self, access_key: str, transaction_uuid: str, *, now: datetime, window: timedelta) -> bool:
        """Tell whether this attempt was made within ``window`` already; if not, remember it."""
        for attempt in [attempt for attempt, at in self._submitted.items() if at < now - window]:
            del self._submitted[attempt]
        if (access_key, transaction_uuid) in self._submitted:
            return True
        self._submitted[access_key, transaction_uuid] = now
        return False

    def next_request_id(self, now: datetime) -> str:
        """Return a new request id: 22 digits that begin with a 7, as those of the real service do."""
        self._request_ids += 1
        return f"7{int(now.timestamp() * 1_000_000) % 10**15:015d}60{self._request_ids % 10_000:04d}"

    def next_payment_id(self) -> str:
        """Return a new number for the Business Center's own list."""
        self._payment_ids += 1
        return str(self._payment_ids)
