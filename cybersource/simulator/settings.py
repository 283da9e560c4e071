"""Who the simulator plays for, and how it behaves. All frozen: a change is a new value (``Gateway.configure``)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from cybersource.simulator.rest_access import RestAccess
from cybersource.simulator.webhook_switches import WebhookSwitches


class CardMask(StrEnum):
    """What ``req_card_number`` shows. Source: Secure Acceptance profile, "card number display"."""

    LAST_FOUR = "last-four"
    BIN = "bin"
    BIN_AND_LAST_FOUR = "bin-and-last-four"


class TokenFormat(StrEnum):
    """Shape of a payment token, an account setting. Source: Secure Acceptance Checkout API guide, "Payment tokens"."""

    DIGITS_22 = "22-digits"
    LAST_FOUR_16 = "16-digits-last-four"
    NINETY_NINE_16 = "16-digits-99"
    HEX_32 = "32-hex"


class Processor(StrEnum):
    """Whose table of test amounts applies. Source: CyberSource testing guides, one for each processor."""

    PAYMENTECH = "paymentech"
    TSYS = "tsys"
    OMNIPAY = "omnipay"
    GPN = "gpn"
    AIBMS = "aibms"


class MerchantPost(StrEnum):
    """When the server-to-server copy of a reply reaches the shop, seen from the browser's copy."""

    BEFORE = "before"
    AFTER = "after"
    ONLY = "only"  #: the browser is lost, the merchant POST alone arrives
    TWICE = "twice"
    NEVER = "never"
    SLOW = "slow"


class UnlistedFields(StrEnum):
    """What becomes of a posted field that neither list names. CyberSource documents nothing."""

    IGNORE = "ignore"
    ACCEPT = "accept"
    REFUSE = "refuse"


class NotLoopback(ValueError):
    """A URL or address leads away from this machine, where a simulator has no business."""


def is_loopback_host(host: str | None) -> bool:
    """Tell whether ``host`` (a name or an address, no port) can only be this machine."""
    host = (host or "").strip("[]").lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_loopback(url: str) -> str:
    """Return ``url`` if it is http(s) to this machine, else raise :class:`NotLoopback` saying what to do."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not is_loopback_host(parts.hostname):
        raise NotLoopback(
            f"The simulator posts to this machine only, not to {parts.scheme or '?'}://{parts.hostname or '?'}. "
            "Use http://localhost:PORT/… or http://127.0.0.1:PORT/…"
        )
    return url


#: Keys of nobody: the sandbox shop and the simulator have them as defaults so that they agree without any setup.
SANDBOX_PROFILE_ID = "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"
SANDBOX_ACCESS_KEY = "9df3b01c60df20d13843841ff0d4482c"
SANDBOX_SECRET_KEY = (
    "739fe4d75707d0d11aadc22c2cc2ffe280278e83cec371cd64bb93a60bc2a0fd49c4c62b79452814e0c0dbde52d56f1e"
    "61efbc718db6c20e79e3a634f1fa084412217fe74ad2f0ea4ee2da8e30be6dc3874cb077edac22524b21704f258099c4"
    "0022cbcae233a706a56c019919efdb363c4e2a4c033f8bb30ca2c5478ff7ee5e"
)
SANDBOX_MERCHANT_ID = "acme_shop"
SANDBOX_NOTIFICATION_KEY = "sandbox-review-key"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One Secure Acceptance profile of one merchant, with the shop's URLs as the Business Center keeps them."""

    profile_id: str = SANDBOX_PROFILE_ID
    access_key: str = SANDBOX_ACCESS_KEY
    secret_key: str = field(default=SANDBOX_SECRET_KEY, repr=False)
    merchant_id: str = SANDBOX_MERCHANT_ID
    active: bool = True
    #: access key -> secret: further live keys of the same profile, as during a rotation
    other_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    receipt_page: str = ""  #: where the browser posts the reply, unless the form overrides it
    merchant_post_url: str = ""  #: where the server-to-server copy goes, unless the form overrides it
    notification_url: str = ""  #: where Decision Manager's order-status XML goes
    notification_key: str = field(default="", repr=False)  #: added to it as ``?key=…``

    def __post_init__(self) -> None:
        for url in (self.merchant_post_url, self.notification_url):
            if url:
                require_loopback(url)

    def secret_for(self, access_key: str) -> str | None:
        """Return the secret behind ``access_key``, or None when it is no key of this profile."""
        return self.secret_key if access_key == self.access_key else self.other_keys.get(access_key)

    @classmethod
    def for_shop(cls, shop: str, *, mount: str = "/api/cybersource/", **given: str) -> "Profile":
        """Return a profile whose URLs are those of django-oscar-cybersource under ``mount`` at the shop's origin."""
        base = shop.rstrip("/") + "/" + mount.strip("/") + "/"
        urls = {
            "receipt_page": base + "cybersource-reply/",
            "merchant_post_url": base + "merchant-post/",
            "notification_url": base + "decision-manager-review-notification/",
            "notification_key": SANDBOX_NOTIFICATION_KEY,
        }
        return cls(**{**urls, **given})  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How CyberSource behaves here. Where the real behaviour is not documented there is a switch."""

    profiles: tuple[Profile, ...] = (Profile(),)

    max_age: timedelta = timedelta(minutes=15)  #: of signed_date_time; not documented, fifteen minutes is folklore
    max_ahead: timedelta = timedelta(minutes=5)
    duplicate_window: timedelta = timedelta(minutes=15)
    fingerprint_life: timedelta = timedelta(minutes=30)

    token_on_pay_path: bool = True  #: accept create_payment_token on /silent/pay; the guides name /silent/token/create
    strict_paths: bool = True  #: a transaction type that its path does not take gets the 403 page
    unlisted_fields: UnlistedFields = UnlistedFields.IGNORE
    refuse_item_signs: bool = False  #: on: ``"``, ``:`` or ``^`` in an item's words gets the 403 page, as shops report
    card_types: frozenset[str] | None = None  #: None: every brand is ticked on the profile
    cvn_required: bool = True
    reverse_on_avs_failure: bool = False  #: on: DECLINE 200; off: REVIEW 200, the authorization stands
    reverse_on_cvn_failure: bool = True  #: on: DECLINE 230; off: REVIEW 230
    brand_mismatch_code: str = "231"  #: what the test host answered; some processors say 240
    review_token_creation: bool = False  #: may a bare create_payment_token be answered with REVIEW
    processor: Processor = Processor.PAYMENTECH

    verbose: bool = False  #: add score_* and decision_* fields
    card_mask: CardMask = CardMask.LAST_FOUR
    token_format: TokenFormat = TokenFormat.DIGITS_22
    shuffled_signing: bool = False  #: sign the browser's reply in an arbitrary order, as some real replies are

    rest: RestAccess = RestAccess()  #: keys and behaviour of the REST services
    webhooks: WebhookSwitches = WebhookSwitches()

    merchant_post: MerchantPost = MerchantPost.AFTER
    after_seconds: float = 0.5  #: between the reply page and a merchant POST that comes after it
    late_seconds: float = 5.0  #: how long a late reply page takes
    slow_seconds: float = 8.0  #: how long a slow merchant POST waits, and a slow page
    delivery_timeout: float = 10.0  #: the vendor asks for an answer within ten seconds

    def profile_for(self, access_key: str) -> Profile | None:
        """Return the profile that owns ``access_key``, or None."""
        return next((each for each in self.profiles if each.secret_for(access_key) is not None), None)
