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

from cybersource import fingerprints

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


@register.inclusion_tag("cybersource/card_form.html", takes_context=True)
def cybersource_card_form(
    context: Context,
    *,
    method_key: str = "cybersource",
    states_url: str = "",
    checkout_url: str = "",
    payload_id: str = "",
    card_types: str = "",
    billing: bool | str = True,
    phone: bool = False,
    label: str = "",
    prefix: str = "cybersource",
    assets: bool = True,
    country: str = "",
    country_choices: Iterable[tuple[str, str]] | None = None,
    success_url: str = "",
    retry_url: str = "",
) -> dict[str, Any]:
    """Draw the card form.

    method_key      the key of the payment method in the payment states
    states_url      default: ``{% url "api-payment" %}``
    checkout_url    where the order is placed first; default: nowhere, or ``{% url "api-checkout" %}`` with a payload_id
    payload_id      id of a ``<script type="application/json">`` that holds the order to place
    card_types      the CyberSource codes this shop takes, ``"001,002,003"``; default: every brand a number can tell
    billing         True: a billing address is kept ready and shown if the payment asks for one; "show": shown at once;
                    False: none
    phone           ask for a phone number (optional to the shopper)
    label           text of the button
    prefix          of the ids, for a page with two forms
    assets          False: the page brings the stylesheet and the module itself
    country         the country chosen at first; country_choices: (code, name) pairs instead of all countries
    success_url     linked when the order turns out to be paid; retry_url: linked when the payment was declined
    """
    return {
        "csrf_token": context.get("csrf_token", ""),
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        "csrf_header": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
        "method_key": method_key,
        "states_url": states_url or url_or_empty("api-payment"),
        "checkout_url": checkout_url or (url_or_empty("api-checkout") if payload_id else ""),
        "payload_id": payload_id,
        "card_types": card_types,
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


@register.inclusion_tag("cybersource/fingerprint.html", takes_context=True)
def cybersource_fingerprint(context: Context) -> dict[str, Any]:
    """Draw the device fingerprint's tags through this shop's redirects; nothing when it is not configured.

    Needs ``request`` in the context: the session id that the tags and the payment share is kept in the session.
    """
    request = context.get("request")
    # An id for every page shown: the profiling service wants it so, and the payment names the page it was made from.
    return {"fingerprint": fingerprints.begin(request) if request is not None else None}
