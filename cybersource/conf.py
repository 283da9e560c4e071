"""Settings, read when they are used, so that ``override_settings`` reaches every one of them.

Importing this module needs no setting. A missing one shows in ``manage.py check``; where a checkout needs it all
the same, :class:`django.core.exceptions.ImproperlyConfigured` says which one and what to put there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

#: What CyberSource calls its two hosts. Source: Secure Acceptance Checkout API guide, "Endpoints".
HOSTS = {
    "test": "https://testsecureacceptance.cybersource.com",
    "production": "https://secureacceptance.cybersource.com",
}

#: The same two at the REST API. Source: vendor guide "Getting Started with REST".
REST_HOSTS = {
    "test": "https://apitest.cybersource.com",
    "production": "https://api.cybersource.com",
}

FLOWS = ("two-step", "one-step", "sale", "sale-with-token", "token-then-server")

#: What may be released automatically: the hold of a payment that was rejected after the bank approved it, and a charge
#: for an order that another one has paid.
AUTO_REVERSALS = ("rejected", "second-charge")

UNSET: Any = object()


class Settings:
    """Every ``CYBERSOURCE_…`` setting with its default. Attribute names are the settings' names in lower case."""

    @staticmethod
    def _get(name: str, default: Any = None) -> Any:
        return getattr(settings, f"CYBERSOURCE_{name}", default)

    # -- credentials of the profile that works with no row in the database --------------------------------------

    @property
    def profile(self) -> str:
        return self._get("PROFILE") or ""

    @property
    def access(self) -> str:
        return self._get("ACCESS") or ""

    @property
    def secret(self) -> str:
        return self._get("SECRET") or ""

    @property
    def merchant_id(self) -> str:
        """The merchant (organization) id; device fingerprints and review notifications carry it."""
        return self._get("MERCHANT_ID") or ""

    @property
    def org_id(self) -> str:
        """The profiling service's organization id; empty switches device fingerprints off."""
        return self._get("ORG_ID") or ""

    # -- where forms go ---------------------------------------------------------------------------------------

    @property
    def environment(self) -> str:
        return self._get("ENVIRONMENT") or "test"

    @property
    def host(self) -> str:
        try:
            return HOSTS[self.environment]
        except KeyError:
            raise ImproperlyConfigured(
                f"CYBERSOURCE_ENVIRONMENT is {self.environment!r}; set it to 'test' or 'production'."
            ) from None

    @property
    def endpoint_pay(self) -> str:
        return self._get("ENDPOINT_PAY") or f"{self.host}/silent/pay"

    @property
    def endpoint_token_create(self) -> str:
        return self._get("ENDPOINT_TOKEN_CREATE") or f"{self.host}/silent/token/create"

    # -- the REST API ------------------------------------------------------------------------------------------

    @property
    def has_rest(self) -> bool:
        """Whether the shop has a key of the REST API at all; what is wrong with it the checks say."""
        return bool(self.rest_key_id or self.rest_p12)

    @property
    def rest_auth(self) -> str:
        """``jwt`` (shared secret), ``p12`` (certificate) or ``http-signature`` (legacy)."""
        return self._get("REST_AUTH") or "jwt"

    @property
    def rest_key_id(self) -> str:
        return self._get("REST_KEY_ID") or ""

    @property
    def rest_shared_secret(self) -> str:
        """In Base64, as the Business Center shows it."""
        return self._get("REST_SHARED_SECRET") or ""

    @property
    def rest_p12(self) -> str:
        """Path of the ``.p12`` file."""
        return str(self._get("REST_P12") or "")

    @property
    def rest_p12_password(self) -> str:
        return self._get("REST_P12_PASSWORD") or ""

    @property
    def rest_portfolio_id(self) -> str:
        """Owner of a meta key; empty for a key of the merchant's own."""
        return self._get("REST_PORTFOLIO_ID") or ""

    @property
    def rest_endpoint(self) -> str:
        """Origin of the REST services."""
        if given := self._get("REST_ENDPOINT"):
            return str(given)
        try:
            return REST_HOSTS[self.environment]
        except KeyError:
            raise ImproperlyConfigured(
                f"CYBERSOURCE_ENVIRONMENT is {self.environment!r}; set it to 'test' or 'production'."
            ) from None

    @property
    def rest_timeout(self) -> float:
        """Seconds that a call which moves money may take; a processor's own time-outs must come first."""
        return self._get("REST_TIMEOUT", 40)

    @property
    def account_is_shared(self) -> bool:
        """Whether other shops or systems use the merchant account too: charges of orders unknown here are theirs."""
        return bool(self._get("ACCOUNT_IS_SHARED", False))

    @property
    def rest_mle(self) -> bool:
        """Whether request bodies are encrypted."""
        return bool(self._get("REST_MLE", False))

    @property
    def rest_mle_certificate(self) -> str:
        """Path of CyberSource's certificate, for a key that brings none (``p12`` does)."""
        return str(self._get("REST_MLE_CERTIFICATE") or "")

    @property
    def rest_mle_response_key_id(self) -> str:
        return self._get("REST_MLE_RESPONSE_KEY_ID") or ""

    @property
    def rest_mle_response_key(self) -> str:
        """Path of the private key (PEM) that opens encrypted replies."""
        return str(self._get("REST_MLE_RESPONSE_KEY") or "")

    @property
    def rest_mle_response_password(self) -> str:
        return self._get("REST_MLE_RESPONSE_PASSWORD") or ""

    @property
    def several_captures(self) -> bool:
        """Whether the account takes several captures of one authorization; else the first one ends it."""
        return bool(self._get("SEVERAL_CAPTURES", True))

    @property
    def auto_reverse(self) -> Collection[str]:
        """What is reversed without being asked: any of :data:`AUTO_REVERSALS`; True for all, False for none."""
        given = self._get("AUTO_REVERSE", ("rejected",))
        if isinstance(given, bool):
            return AUTO_REVERSALS if given else ()
        return tuple(given or ())

    @property
    def hold_days(self) -> float:
        """For how many days a hold is taken to last: it tells staff by when a review has to be decided.

        A doubt: how long a bank keeps a hold is the card brand's and the bank's affair, and the guides of CyberSource's
        that we read give no number. Seven is on the careful side; ask your processor.
        """
        given = self._get("HOLD_DAYS")
        return 7 if given is None else given

    # -- where shoppers go --------------------------------------------------------------------------------------

    @property
    def redirect_success(self) -> str:
        return self._get("REDIRECT_SUCCESS") or "checkout:thank-you"

    @property
    def redirect_fail(self) -> str:
        return self._get("REDIRECT_FAIL") or "checkout:index"

    @property
    def redirect_pending(self) -> str:
        """Name or path of the shop's own pending page; empty means the page of this app."""
        return self._get("REDIRECT_PENDING") or ""

    @property
    def card_reject_error(self) -> str:
        """Shown to a shopper whose card was declined. ``{order_number}`` is filled in."""
        return str(
            self._get("CARD_REJECT_ERROR")
            or _("Your card was not accepted for order {order_number}. Nothing was charged. Please try another card.")
        )

    # -- what a form says ---------------------------------------------------------------------------------------

    @property
    def flow(self) -> str:
        return self._get("FLOW") or "two-step"

    @property
    def attempt_timeout(self) -> timedelta:
        """How long an attempt waits for an answer, from when its form was last signed: seconds or a timedelta.

        CyberSource takes a form for about fifteen minutes after it was signed, and the answer comes within minutes of
        that. An hour leaves room for a shopper who is called away and for a gateway that is slow.
        """
        given = self._get("ATTEMPT_TIMEOUT")
        if given is None:
            return timedelta(hours=1)
        return given if isinstance(given, timedelta) else timedelta(seconds=given)

    @property
    def locale(self) -> str:
        return self._get("LOCALE") or "en-us"

    @property
    def source_type(self) -> str:
        return self._get("SOURCE_TYPE") or "Cybersource Secure Acceptance"

    @property
    def default_currency(self) -> str:
        """Used for an order that names no currency of its own."""
        return self._get("DEFAULT_CURRENCY") or getattr(settings, "OSCAR_DEFAULT_CURRENCY", "") or "USD"

    @property
    def shipping_method_default(self) -> str:
        return self._get("SHIPPING_METHOD_DEFAULT") or "none"

    @property
    def shipping_method_mapping(self) -> Mapping[str, str]:
        """Oscar's shipping codes to CyberSource's words, such as ``{"express": "twoday"}``."""
        return self._get("SHIPPING_METHOD_MAPPING") or {}

    # -- device fingerprint ---------------------------------------------------------------------------------------

    @property
    def fingerprint_protocol(self) -> str:
        return self._get("FINGERPRINT_PROTOCOL") or "https"

    @property
    def fingerprint_host(self) -> str:
        return self._get("FINGERPRINT_HOST") or "h.online-metrix.net"

    # -- review ---------------------------------------------------------------------------------------------------

    @property
    def decision_manager_keys(self) -> Sequence[str] | None:
        """``None`` (unset): the notification URL is closed. ``[]``: authentication is off. Else: the keys."""
        return self._get("DECISION_MANAGER_KEYS")

    @property
    def review_holds_order(self) -> bool:
        return bool(self._get("REVIEW_HOLDS_ORDER", True))

    # -- webhooks -------------------------------------------------------------------------------------------------

    @property
    def webhook_keys(self) -> Mapping[str, str] | None:
        """Key ids to secrets in Base64. Empty (unset): the webhook URL is closed."""
        return self._get("WEBHOOK_KEYS") or None

    @property
    def webhook_max_age(self) -> timedelta:
        """How old the signature of a delivery may be: seconds or a timedelta.

        CyberSource tries again for more than a day, and whether it signs anew is not documented. A message that comes
        twice is told by its fingerprint, not by its age.
        """
        given = self._get("WEBHOOK_MAX_AGE")
        if given is None:
            return timedelta(days=2)
        return given if isinstance(given, timedelta) else timedelta(seconds=given)

    # -- surroundings -----------------------------------------------------------------------------------------------

    @property
    def trusted_proxies(self) -> Sequence[str]:
        """Networks or addresses whose ``X-Forwarded-For`` is believed; none by default."""
        return self._get("TRUSTED_PROXIES") or ()

    @property
    def max_payment_methods(self) -> int:
        """How many card payments one order may be split over, whether they are enabled or not."""
        given = self._get("MAX_PAYMENT_METHODS")
        return 5 if given is None else given

    @property
    def limits(self) -> Any:
        """Budgets against card testing, see :mod:`cybersource.limits.budgets`. ``None`` switches them off."""
        return self._get("LIMITS", {})

    @property
    def fernet_keys(self) -> Sequence[str] | None:
        """Keys that encrypt stored secrets, newest first; default: derived from ``SECRET_KEY`` and its fallbacks."""
        return self._get("FERNET_KEYS") or None


conf = Settings()
