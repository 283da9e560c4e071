"""The shopper's session: who began a checkout, and the basket that a decline returns.

Who began it is a random value in the session, of which the attempt keeps only a hash.

Login keeps the value and logout loses it. The session key itself is a credential, changes under some session backends,
and is stored nowhere.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from oscarapi.basket.operations import get_basket_id_from_session, store_basket_in_session

from ..models import PaymentAttempt

SESSION_KEY = "cybersource_checkout"


def return_basket(request: HttpRequest, basket: Any) -> None:
    """Make a thawed basket the shopper's one basket again, so that the retry is of the same order.

    A shopper who looked around meanwhile has a second open basket. A customer's Oscar would merge either way round, and
    an order whose basket went into the other could not be paid any more; a guest's would be left behind.
    """
    others = type(basket).open.none()
    if request.user.is_authenticated and basket.owner_id == request.user.pk:
        others = type(basket).open.filter(owner=request.user)
    elif not request.user.is_authenticated and basket.owner_id is None:
        others = type(basket).open.filter(owner=None, pk=get_basket_id_from_session(request))
    for other in others.exclude(pk=basket.pk):
        basket.merge(other, add_quantities=False)
    store_basket_in_session(basket, request.session)


def session_hash(session: Any) -> str:
    """Return the hash that ties an attempt to this session, putting the random value there if it is missing."""
    if not session.get(SESSION_KEY):
        session[SESSION_KEY] = secrets.token_urlsafe(24)
    return known_hash(session)


def known_hash(session: Any) -> str:
    """Return the hash that ties attempts to this session; empty when it began none."""
    value = session.get(SESSION_KEY)
    return hashlib.sha256(str(value).encode()).hexdigest() if value else ""


def began(session: Any, attempt: PaymentAttempt) -> bool:
    """Did this session begin the checkout that the attempt belongs to?"""
    known = known_hash(session)
    return bool(known and attempt.session_hash) and constant_time_compare(known, attempt.session_hash)
