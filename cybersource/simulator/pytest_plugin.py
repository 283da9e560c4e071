"""The simulator for tests, ours and those of any shop.

In ``conftest.py``::

    pytest_plugins = ["cybersource.simulator.pytest_plugin"]

and in a test, here with pytest-django's live server::

    def test_a_shopper_whose_tab_closes_has_paid(cybersource_simulator, live_server, settings):
        cybersource_simulator.set_shop(live_server.url)
        for name, value in cybersource_simulator.shop_settings.items():
            setattr(settings, name, value)
        ...
        cybersource_simulator.faults.next("tab-closed")
        page = cybersource_simulator.submit(required_action, card="visa")
        assert page.posts == 0
        payment = cybersource_simulator.wait_for_payment(reference_number="100018")
        assert cybersource_simulator.wait_for_delivery(payment).status == 200

``docs/how-to/testing.rst`` has the whole of it, and the table of faults.

Each test has a simulator of its own, on a free loopback port, stopped at the end. Its settings come from the fixture
``cybersource_simulator_settings``; override that one to have other keys or switches. No helper sleeps: they wake up
when the simulator did something, and raise TimeoutError when it did not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cybersource.simulator.browser import ReplyPage, filled_in, post_form, typed_card
from cybersource.simulator.faults import Faults
from cybersource.simulator.gateway import Gateway
from cybersource.simulator.records import Delivery, Payment, Refusal
from cybersource.simulator.server import Server
from cybersource.simulator.settings import SANDBOX_NOTIFICATION_KEY, Settings


class RunningSimulator:
    """A simulator that listens, as a test sees it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.gateway: Gateway = server.gateway
        self.url: str = server.url  #: its origin, also the Business Center's address
        self.pay_url: str = f"{server.url}/silent/pay"
        self.token_create_url: str = f"{server.url}/silent/token/create"
        self.token_update_url: str = f"{server.url}/silent/token/update"
        self.fingerprint_host: str = server.url.partition("://")[2]  #: host and port, without a scheme

    @property
    def shop_settings(self) -> dict[str, Any]:
        """The Django settings with which a shop speaks to this simulator and not to CyberSource."""
        profile, rest = self.gateway.settings.profiles[0], self.gateway.settings.rest
        return {
            "CYBERSOURCE_PROFILE": profile.profile_id,
            "CYBERSOURCE_ACCESS": profile.access_key,
            "CYBERSOURCE_SECRET": profile.secret_key,
            "CYBERSOURCE_MERCHANT_ID": profile.merchant_id,
            "CYBERSOURCE_ENDPOINT_PAY": self.pay_url,
            "CYBERSOURCE_ENDPOINT_TOKEN_CREATE": self.token_create_url,
            "CYBERSOURCE_REST_KEY_ID": rest.key_id,
            "CYBERSOURCE_REST_SHARED_SECRET": rest.shared_secret,
            "CYBERSOURCE_REST_ENDPOINT": self.url,
            "CYBERSOURCE_DECISION_MANAGER_KEYS": [profile.notification_key or SANDBOX_NOTIFICATION_KEY],
            "CYBERSOURCE_FINGERPRINT_PROTOCOL": "http",
            "CYBERSOURCE_FINGERPRINT_HOST": self.fingerprint_host,
        }

    @property
    def faults(self) -> Faults:
        """The switches: ``faults.next("tab-closed")``, ``faults.add("late", card="declined")``, ``faults.clear()``."""
        return self.gateway.faults

    @property
    def payments(self) -> tuple[Payment, ...]:
        """Requests that were processed, oldest first."""
        return self.gateway.payments

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Merchant POSTs and review notifications that were sent, oldest first."""
        return self.gateway.deliveries

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Forms that got a bare page, with the reason, oldest first."""
        return self.gateway.refusals

    def set_shop(self, url: str, *, mount: str = "/api/cybersource/") -> None:
        """Send replies, merchant POSTs and notifications to the shop at ``url`` (its origin)."""
        self.gateway.set_shop(url, mount=mount)

    def configure(self, **changes: Any) -> None:
        """Replace some of the :class:`~cybersource.simulator.Settings`, by name."""
        self.gateway.configure(**changes)

    def submit(
        self, required_action: Mapping[str, Any], *, card: str = "visa", timeout: float = 60.0, **typed: str
    ) -> ReplyPage:
        """Fill in and post a form as the shopper's browser does, and return the page that comes back.

        ``required_action`` is what ``payment-states`` returns. ``card`` is a test card's tag; ``typed`` are other
        editable fields by name. Raises ValueError for a form that goes elsewhere: no card leaves for another host.
        """
        url = str(required_action["url"])
        if not url.startswith(f"{self.url}/"):
            raise ValueError(f"The form goes to {url}, not to this simulator: give the shop its shop_settings")
        pairs = filled_in(required_action["fields"], typed_card(card, **typed))
        return post_form(url, pairs, timeout=timeout)

    def wait_for_payment(
        self,
        *,
        reference_number: str | None = None,
        transaction_type: str | None = None,
        decision: str | None = None,
        timeout: float = 10.0,
    ) -> Payment:
        """Return the newest payment that is as asked, waiting for it."""
        wanted = {"reference_number": reference_number, "transaction_type": transaction_type, "decision": decision}

        def look() -> Payment | None:
            for payment in reversed(self.payments):
                if all(value is None or getattr(payment, name) == value for name, value in wanted.items()):
                    return payment
            return None

        return self.gateway.wait_for(look, timeout=timeout)

    def wait_for_delivery(
        self, payment: Payment | None = None, *, kind: str = "merchant POST", count: int = 1, timeout: float = 10.0
    ) -> Delivery:
        """Return the ``count``-th delivery of a kind, of one payment or of all, waiting for it."""

        def look() -> Delivery | None:
            found = [
                each
                for each in self.deliveries
                if each.kind == kind and (payment is None or each.payment_id == payment.id)
            ]
            return found[count - 1] if len(found) >= count else None

        return self.gateway.wait_for(look, timeout=timeout)

    def wait_for_refusal(self, *, timeout: float = 10.0) -> Refusal:
        """Return the newest refusal, waiting for one."""
        return self.gateway.wait_for(lambda: self.refusals[-1] if self.refusals else None, timeout=timeout)

    def resend(self, payment: Payment) -> Delivery:
        """Send a payment's merchant POST again, the same signed bytes, and return what came of it."""
        return self._server.courier.send(self.gateway.resend(payment.id))

    def take_ownership(self, payment: Payment, reviewer: str = "lena.review") -> Delivery:
        """Make ``reviewer`` the case's owner and tell the shop."""
        return self._server.courier.notify(self.gateway.take_ownership(payment.id, reviewer))

    def add_note(self, payment: Payment, comment: str, reviewer: str = "lena.review") -> Delivery:
        """Add a note to a case and tell the shop, without a decision."""
        return self._server.courier.notify(self.gateway.add_note(payment.id, reviewer, comment))

    def decide(self, payment: Payment, decision: str, **given: Any) -> Delivery:
        """Decide a case, ``ACCEPT`` or ``REJECT``, and tell the shop. Further arguments as in ``Gateway.decide``."""
        return self._server.courier.notify(self.gateway.decide(payment.id, decision, **given))


@pytest.fixture
def cybersource_simulator_settings() -> Settings:
    """What the simulator plays: the sandbox's throwaway profile, unless overridden."""
    return Settings()


@pytest.fixture
def cybersource_simulator(cybersource_simulator_settings: Settings) -> Iterator[RunningSimulator]:
    """A simulator of CyberSource on a free loopback port."""
    with Server(gateway=Gateway(cybersource_simulator_settings)) as server:
        yield RunningSimulator(server)
