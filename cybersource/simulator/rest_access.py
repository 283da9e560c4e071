"""Who may use the REST services, and how they behave. Frozen: a change is a new value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

#: Keys of nobody, for the sandbox.
SANDBOX_KEY_ID = "6f5a3a0e-0d5c-4f1c-9a57-3b1f4c9d2e10"
SANDBOX_SHARED_SECRET = "dGhyb3dhd2F5LXNhbmRib3gtc2VjcmV0LW9mLW5vYm9keS0wMDE="


class Vault(StrEnum):
    """What the account's token vault has under a token of Secure Acceptance."""

    EITHER = "either"  #: a customer that is also known as a legacy token, as after a migration
    CUSTOMER = "customer"
    LEGACY = "legacyToken"


@dataclass(frozen=True, kw_only=True)
class RestAccess:
    """The REST keys of one merchant. Where the real behaviour is not documented there is a switch."""

    merchant_id: str = ""  #: empty: that of the first profile
    key_id: str = SANDBOX_KEY_ID
    shared_secret: str = field(default=SANDBOX_SHARED_SECRET, repr=False)  #: Base64
    portfolio_id: str = ""  #: a meta key's owner; empty: the key is the merchant's own
    certificates: Mapping[str, bytes] = field(default_factory=dict, repr=False)  #: kid -> PEM, for RS256
    http_signature: bool = True  #: is the legacy scheme still taken
    max_age: timedelta = timedelta(minutes=5)  #: of the legacy scheme's Date; not documented
    request_key: bytes = field(default=b"", repr=False)  #: PEM of the private key that opens encrypted requests
    request_kid: str = ""
    response_certificates: Mapping[str, bytes] = field(default_factory=dict, repr=False)  #: kid -> PEM

    batch_after: timedelta = timedelta(hours=6)  #: from then on a capture or refund cannot be voided
    index_lag: timedelta = timedelta(0)  #: how long look-up and search do not know of a transaction
    conversion_lag: timedelta = timedelta(0)  #: how long the conversion report does not know of a decision
    empty_report_is_404: bool = False  #: how it says that nothing was decided; not established
    decisions_notified: bool = True  #: is a decision over REST also told by the order-status notification
    repeats_refused: timedelta = timedelta(days=60)  #: of clientReferenceInformation.transactionId
    several_captures: bool = True  #: an account feature
    partial_reversals: bool = False  #: few processors release a part, or the rest after a partial capture
    refund_any_path: bool = False  #: take a capture's id on the payments path, as the real service was seen to
    vault: Vault = Vault.EITHER
    slow_seconds: float = 3.0
