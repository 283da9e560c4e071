"""What one checkout request holds, from its serializer through its payment methods to its view."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .. import profiles
from ..http.client_ip import client_address
from ..limits import budgets
from ..limits import places as limits_places
from ..protocol import Credentials
from . import session
from .states import TooManyTries

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class CheckoutRequest:
    """The key that one checkout request signs with, its places in the shopper's budgets, and what could not begin."""

    request: Any
    places: list[limits_places.Places] = field(default_factory=list)  #: of attempts that are about to begin
    failed: list[str] = field(default_factory=list)  #: keys of the card payments that could not begin

    @classmethod
    def of(cls, request: Any) -> CheckoutRequest:
        """Return the request's own; a shop that mounts none of our checkout views gets one as well."""
        if not hasattr(request, "cybersource_checkout"):
            request.cybersource_checkout = cls(request)
        return request.cybersource_checkout

    # -- the key -------------------------------------------------------------------------------------------------------

    @cached_property
    def signing_key(self) -> Credentials:
        """The key for the request's host. Chosen once: the serializer asks whether there is one, ``begin`` takes it.

        Raises :class:`~cybersource.profiles.NoSigningKey`.
        """
        return profiles.for_signing(self.request.get_host())

    @cached_property
    def can_sign(self) -> bool:
        """Whether there is a key, however many payments the request names; an error in the log says why not."""
        try:
            return bool(self.signing_key)
        except profiles.NoSigningKey as problem:
            logger.error("Card payment is not available: %s", problem)
            return False

    # -- the budgets ---------------------------------------------------------------------------------------------------

    def budget_holder(self, order_key: str) -> budgets.BudgetHolder:
        request = self.request
        return budgets.BudgetHolder(
            session_hash=session.session_hash(request.session),
            user_id=request.user.pk,
            order=order_key,
            address=client_address(request),
            is_limited=not request.user.is_staff,  # staff take orders by phone, from one address and in one session
        )

    def take_places(self, order_key: str, number: int) -> None:
        """Take the places of so many attempts. Raises :class:`~cybersource.checkout.states.TooManyTries`."""
        for _attempt in range(number):
            try:
                self.places.append(limits_places.take(self.budget_holder(order_key)))
            except limits_places.LimitExceeded as refused:
                raise TooManyTries(refused.wait) from None

    def place(self, order_key: str) -> limits_places.Places:
        """Return the place of an attempt that is about to begin: one that was taken before, or one taken now."""
        if not self.places:
            self.take_places(order_key, 1)
        return self.places.pop()

    def release_places(self) -> None:
        """Release the places in which no attempt began: mistakes in an address are no tries of a card."""
        while self.places:
            self.places.pop().release()
