"""What a gateway remembers and returns: payments, refusals, answers, what is due to the shop and what was sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from cybersource.simulator.faults import Fault
from cybersource.simulator.outcomes import Verdict
from cybersource.simulator.page import Page
from cybersource.simulator.reply import Pairs
from cybersource.simulator.review import Case, notification_body


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message that was sent to the shop's server, and what came of it."""

    kind: str  #: ``merchant POST``, ``review notification``, ``webhook`` or ``health check``
    payment_id: str
    url: str  #: without its query, which holds the shop's key
    at: datetime
    status: int | None = None  #: None: nothing was answered
    error: str = ""
    seconds: float = 0.0
    about: str = ""  #: a webhook's event type

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(kw_only=True)
class Payment:
    """One processed request, as the Business Center lists it. Holds a mask of the card, never its number."""

    id: str
    at: datetime
    path: str
    merchant_id: str
    reference_number: str
    transaction_uuid: str
    transaction_type: str
    amount: str
    currency: str
    decision: str
    reason_code: str
    message: str
    transaction_id: str | None
    card_number: str  #: masked
    card_type: str
    card_tag: str
    shopper: str
    payment_token: str
    receipt_page: str
    merchant_post_url: str
    invalid_fields: str
    required_fields: str
    faults: frozenset[Fault]
    verdict: Verdict | None = field(default=None, repr=False)  #: how it truly ended, whatever the reply was made to say
    remarks: list[str] = field(default_factory=list)
    reply: Pairs = field(default_factory=list, repr=False)  #: what the browser was given, signed
    merchant_post: Pairs = field(default_factory=list, repr=False)  #: the server-to-server copy, signed
    can_resend: bool = True
    case: Case | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def under_review(self) -> bool:
        return self.case is not None and self.case.is_open


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A form that got a bare page. The shop hears nothing of it, so the Business Center shows it."""

    at: datetime
    path: str
    status: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class PlannedPost:
    """A merchant POST that is due: to which URL, with which fields, how long after the reply page."""

    payment_id: str
    url: str
    pairs: Pairs = field(repr=False)
    before_page: bool = False
    after_seconds: float = 0.0

    @property
    def body(self) -> bytes:
        return urlencode(self.pairs).encode("ascii")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a posted form brings about: a page for the browser, and what is due to the shop's server."""

    page: Page
    payment: Payment | None = None
    reply: Pairs | None = field(default=None, repr=False)  #: what the page posts, ``utf8`` first; None: nothing
    action: str = ""  #: where it posts to
    delay_seconds: float = 0.0  #: how long the page is to be held back
    drop: bool = False  #: close the connection instead of sending the page
    merchant_posts: tuple[PlannedPost, ...] = ()

    @property
    def status(self) -> int:
        return self.page.status

    @property
    def refused(self) -> bool:
        """Whether nothing was processed and the shop will never hear of it."""
        return self.payment is None


@dataclass(frozen=True, kw_only=True)
class Notification:
    """An order-status notification that is due to the shop."""

    payment_id: str
    url: str = field(repr=False)  #: with the shop's key
    xml: str

    @property
    def body(self) -> bytes:
        return notification_body(self.xml)


@dataclass(frozen=True, kw_only=True)
class PlannedWebhook:
    """A webhook's delivery that is due; it is written and signed when it is sent."""

    payment_id: str
    subscription_id: str
    url: str
    product: str
    event: str
    data: Mapping[str, Any] = field(repr=False)
    at: datetime
    trace_id: str  #: another one for each attempt
    attempt: int = 0
    shape: str = ""  #: of the payload, if not the switched one
    fault: str = ""
    copies: int = 1


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """A look at a webhook's health URL that is due: it must answer GET and POST."""

    subscription_id: str
    url: str
