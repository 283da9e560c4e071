"""Template tags for a shop's own pages: the card form and the device fingerprint."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

from babel import Locale, UnknownLocaleError
from django import template
from django.conf import settings
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language, to_locale

from cybersource.checkout import device_fingerprint, unpaid_orders
from cybersource.checkout import session as checkout_session
from cybersource.db import clock
from cybersource.payments import orders

register = template.Library()

#: Codes that the locale data lists beside the countries a card can be billed in.
NOT_COUNTRIES = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"})


def countries(language: str | None = None) -> list[tuple[str, str]]:
    """Return every country as (ISO 3166 code, name), named and sorted in the page's language."""
    try:
        locale = Locale.parse(to_locale(language or get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    named = ((code, name) for code, name in locale.territories.items() if len(code) == 2 and code.isalpha())
    # Ägypten stands beside Afghanistan, not after Zypern.
    return sorted(
        ((code, name) for code, name in named if code not in NOT_COUNTRIES),
        key=lambda country: unicodedata.normalize("NFKD", country[1]).casefold(),
    )


def url_or_empty(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


@register.simple_tag
def cybersource_states_url() -> str:
    """The address of api-checkout's payment states; empty in a shop that does not mount them."""
    return url_or_empty("api-payment")


@register.simple_tag(takes_context=True)
def cybersource_nonce(context: Context) -> str:
    """The nonce of the page's Content-Security-Policy: Django's own, django-csp's, or none."""
    nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(context.get("request"), "csp_nonce", None)
    # As text: a nonce that nobody has written yet is false to a template, and is made by being written.
    return str(nonce) if nonce is not None else ""


def codes(card_types: str | Iterable[str | int]) -> str:
    """Card types as the module reads them, whether they came as a text or a list: ``"001,002"``."""
    listed = card_types.split(",") if isinstance(card_types, str) else card_types
    return ",".join(str(code).strip().zfill(3) for code in listed if str(code).strip())


@register.inclusion_tag("cybersource/card_form.html", takes_context=True)
def cybersource_card_form(
    context: Context,
    *,
    method_key: str = "cybersource",
    states_url: str = "",
    checkout_url: str = "",
    payload_id: str = "",
    card_types: str | Iterable[str | int] = "",
    billing: bool | str = True,
    phone: bool = False,
    label: str = "",
    prefix: str = "cybersource",
    assets: bool = True,
    country: str = "",
    country_choices: Iterable[tuple[str, str]] | None = None,
    success_url: str = "",
    retry_url: str = "",
    nonce: str = "",
) -> dict[str, Any]:
    """Draw the card form.

    method_key      the key of the payment method in the payment states
    states_url      default: ``{% url "api-payment" %}``
    checkout_url    where the order is placed first; default: nowhere, or ``{% url "api-checkout" %}`` with a payload_id
    payload_id      id of a ``<script type="application/json">`` that holds the order to place
    card_types      the CyberSource codes this shop takes, ``"001,002,003"`` or a list; default: every brand a number
                    can tell
    billing         True: a billing address is kept ready and shown if the payment asks for one; "show": shown at once;
                    False: none
    phone           ask for a phone number (optional to the shopper)
    label           text of the button
    prefix          of the ids, for a page with two forms
    assets          False: the page brings the stylesheet and the module itself
    country         the country chosen at first; country_choices: (code, name) pairs instead of all countries
    success_url     linked when the order turns out to be paid; retry_url: linked when the payment was declined
    nonce           of the page's Content-Security-Policy; default: ``{{ csp_nonce }}``
    """
    session = getattr(context.get("request"), "session", None)
    if session is not None:
        # Before the order is placed: should that answer be lost, a cookie that comes with it is lost too, and nobody
        # could tell whose order it is.
        checkout_session.session_hash(session)
    return {
        "nonce": nonce or cybersource_nonce(context),
        # Midnight may pass while the page stands open, so the module counts on from here.
        "now": clock.local(clock.now()).isoformat(timespec="seconds"),
        "placed_url": url_or_empty("cybersource-placed"),
        "finish_url": url_or_empty("cybersource-finish-newest"),
        "csrf_token": context.get("csrf_token", ""),
        # With CSRF_USE_SESSIONS a cookie of that name is a left-over, and older than the page.
        "csrf_cookie": "" if settings.CSRF_USE_SESSIONS else settings.CSRF_COOKIE_NAME,
        "csrf_header": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
        "method_key": method_key,
        "states_url": states_url or url_or_empty("api-payment"),
        "checkout_url": checkout_url or (url_or_empty("api-checkout") if payload_id else ""),
        "payload_id": payload_id,
        "card_types": codes(card_types),
        "billing": billing,
        "phone": phone,
        "label": label,
        "prefix": prefix,
        "assets": assets,
        "country": country,
        "countries": (country_choices or countries()) if billing else (),
        "success_url": success_url,
        "retry_url": retry_url,
    }


@register.inclusion_tag("cybersource/unpaid_orders.html", takes_context=True)
def cybersource_unpaid_orders(
    context: Context, *, but: Any = None, assets: bool = False, nonce: str = ""
) -> dict[str, Any]:
    """Draw the way to each order of this session that is placed and not paid; nothing when there is none.

    For the basket and the checkout of a shop: a shopper who lost the way to the payment comes by there. Needs
    ``request`` in the context. ``but``: an order that the page is about already; ``assets``: bring the stylesheet.
    """
    request = context.get("request")
    session = getattr(request, "session", None)
    found = unpaid_orders.to_lead_to(session, getattr(request, "basket", None)) if session is not None else []
    return {
        "nonce": nonce or cybersource_nonce(context),
        "assets": assets,
        "unpaid": [
            {
                "number": attempt.order.number,
                "is_declined": orders.is_declined(attempt.order),
                "is_checked": unpaid_orders.only_waits(attempt.order, session),
                "url": reverse("cybersource-finish", args=[attempt.transaction_uuid]),
            }
            for attempt in found
            if attempt.order != but
        ],
    }


@register.inclusion_tag("cybersource/fingerprint.html", takes_context=True)
def cybersource_fingerprint(context: Context, *, nonce: str = "") -> dict[str, Any]:
    """Draw the device fingerprint's tags through this shop's redirects; nothing when it is not configured.

    Needs ``request`` in the context: the session id that the tags and the payment share is kept in the session.
    """
    request = context.get("request")
    # An id for every page shown: the profiling service wants it so, and the payment names the page it was made from.
    return {
        "nonce": nonce or cybersource_nonce(context),
        "fingerprint": device_fingerprint.begin(request) if request is not None else None,
        "renew_after": int(device_fingerprint.RENEW_AFTER.total_seconds()),
    }
