"""``/tms/v2/customers/…``: what the token vault has under a token, and its deletion.

A token of Secure Acceptance is the id of a customer here, if the account's vault has customers: see
:class:`~cybersource.simulator.rest_access.Vault`.

Source: REST API field reference, token management; the vendor's migration guide for the identity of the ids.
"""

import hashlib
from typing import Any

from cybersource.simulator.rest.wire import BILL_TO, Call, Stop, link
from cybersource.simulator.rest_access import Vault
from cybersource.simulator.store import Memory
from cybersource.simulator.tokens import StoredCard

_CUSTOMER = r"/tms/v2/customers/(\w+)"


class TokenServices:
    """Looking at tokens and deleting them. The gateway's lock is held."""

    def __init__(self, *, memory: Memory) -> None:
        self._tokens = memory.tokens
        self.routes = (
            ("GET", _CUSTOMER, self.customer),
            ("DELETE", _CUSTOMER, self.delete),
            ("GET", rf"{_CUSTOMER}/payment-instruments", self.instruments),
            ("GET", rf"{_CUSTOMER}/payment-instruments/(\w+)", self.instrument),
            ("DELETE", rf"{_CUSTOMER}/payment-instruments/(\w+)", self.delete_instrument),
        )

    def customer(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        stored = self._found(call, id)
        here = f"/tms/v2/customers/{id}"
        answer: dict[str, Any] = {
            "id": id,
            "_links": {
                "self": link("GET", here),
                "paymentInstruments": link("GET", f"{here}/payment-instruments"),
            },
        }
        if not stored.removed:
            answer["defaultPaymentInstrument"] = {"id": _instrument_id(stored)}
            answer["_embedded"] = {"defaultPaymentInstrument": _instrument(stored)}
        return 200, answer

    def delete(self, call: Call, id: str) -> tuple[int, None]:
        self._tokens.delete(self._found(call, id))
        return 204, None

    def instruments(self, call: Call, id: str) -> tuple[int, dict[str, Any]]:
        stored = self._found(call, id)
        found = [] if stored.removed else [_instrument(stored)]
        answer: dict[str, Any] = {
            "offset": 0,
            "limit": 20,
            "count": len(found),
            "total": len(found),
            "_links": {"self": link("GET", call.path)},
        }
        if found:
            answer["_embedded"] = {"paymentInstruments": found}
        return 200, answer

    def instrument(self, call: Call, id: str, instrument_id: str) -> tuple[int, dict[str, Any]]:
        return 200, _instrument(self._with_instrument(call, id, instrument_id))

    def delete_instrument(self, call: Call, id: str, instrument_id: str) -> tuple[int, None]:
        """Take the card from its customer, who stays and cannot pay."""
        self._tokens.remove_card(self._with_instrument(call, id, instrument_id))
        return 204, None

    # ---------------------------------------------------------------- parts

    def _found(self, call: Call, id: str) -> StoredCard:
        if self._tokens.was_deleted(id, call.merchant_id):
            raise _problem(410, "notAvailable", "Token not available.")
        stored = self._tokens.customer(id, call.merchant_id)
        if stored is None or call.access.vault is Vault.LEGACY:
            raise _problem(404, "notFound", "Token not found.")
        return stored

    def _with_instrument(self, call: Call, id: str, instrument_id: str) -> StoredCard:
        stored = self._found(call, id)
        if instrument_id != _instrument_id(stored):
            raise _problem(404, "notFound", "Token not found.")
        if stored.removed:
            raise _problem(410, "notAvailable", "Token not available.")
        return stored


def _problem(status: int, kind: str, message: str) -> Stop:
    return Stop(status, {"errors": [{"type": kind, "message": message}]})


def _instrument_id(stored: StoredCard) -> str:
    return hashlib.sha256(f"instrument of {stored.token}".encode()).hexdigest()[:32].upper()


def _instrument(stored: StoredCard) -> dict[str, Any]:
    month, _, year = stored.expiry.partition("-")
    identifier = stored.mark[32:].upper()
    return {
        "id": _instrument_id(stored),
        "object": "paymentInstrument",
        "default": True,
        "state": "ACTIVE",
        "card": {
            "expirationMonth": month,
            "expirationYear": year,
            "type": stored.card_type,
        },
        "billTo": {BILL_TO[name]: value for name, value in stored.echo.items() if name in BILL_TO},
        "instrumentIdentifier": {"id": identifier},
        "_embedded": {
            "instrumentIdentifier": {
                "id": identifier,
                "object": "instrumentIdentifier",
                "state": "ACTIVE",
                "card": {"number": stored.mask.upper()},
            }
        },
    }
