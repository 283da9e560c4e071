"""A merchant who speaks to the REST services with a JOSE library of others, not with the app's own signing."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import uuid
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.jwk import OctKey

from cybersource.simulator import Gateway, cards
from cybersource.simulator.rest.wire import RestReply

from .forms import card, create_token, pay

HOST = "127.0.0.1:8001"


class Merchant:
    """The sandbox's merchant."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._numbers = itertools.count(1)

    def claims(self, method: str, target: str, body: bytes) -> dict[str, Any]:
        now, merchant_id = int(self.gateway.now().timestamp()), self.gateway.settings.profiles[0].merchant_id
        claims = {
            "iat": now,
            "exp": now + 120,
            "iss": merchant_id,
            "jti": str(uuid.uuid4()),
            "request-host": HOST,
            "request-method": method.lower(),
            "request-resource-path": target,
            "v-c-jwt-version": "2",
            "v-c-merchant-id": merchant_id,
        }
        if method in {"POST", "PUT", "PATCH"}:
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            claims |= {"digest": digest, "digestAlgorithm": "SHA-256"}
        return claims

    def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        claims: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        secret: str = "",
    ) -> RestReply:
        access = self.gateway.settings.rest
        key = OctKey.import_key(base64.b64decode(secret or access.shared_secret))
        header = {"alg": "HS256", "kid": access.key_id, "typ": "JWT", **(header or {})}
        payload = json.dumps({**self.claims(method, target, body), **(claims or {})})
        token = jws.serialize_compact(header, payload, key, algorithms=["HS256", "HS512"])
        headers = {"host": HOST, "authorization": f"Bearer {token}", "content-type": "application/json"}
        return self.gateway.rest.handle(method, target, headers, body)

    def post(self, target: str, data: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self.send("POST", target, json.dumps(data).encode())
        return answer.status, json.loads(answer.body or b"{}")

    def call(self, method: str, target: str, data: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        answer = self.send(method, target, b"" if data is None else json.dumps(data).encode())
        return answer.status, json.loads(answer.body or b"null")

    def get(self, target: str) -> tuple[int, dict[str, Any]]:
        answer = self.send("GET", target)
        return answer.status, json.loads(answer.body)

    # ------------------------------------------------------------ what a shop does

    def paid(self, amount: str = "50.00", *, number: str = cards.APPROVED, **changes: str) -> str:
        """Pay in a browser, over the Silent Order POST, and return the payment's id."""
        changes = {"transaction_type": "authorization", "reference_number": f"WEB-{next(self._numbers)}", **changes}
        answer = pay(self.gateway, card(number), amount=amount, **changes)
        assert answer.payment and answer.payment.transaction_id
        return answer.payment.transaction_id

    def token(self, number: str = cards.APPROVED) -> str:
        """Keep a card, over the Silent Order POST, and return its token."""
        answer = create_token(self.gateway, card(number))
        assert answer.payment and answer.payment.payment_token
        return answer.payment.payment_token

    def authorize(self, token: str, amount: str = "50.00", **more: Any) -> tuple[int, dict[str, Any]]:
        more = {"paymentInformation": {"customer": {"id": token}}, **more}
        return self.ask("/pts/v2/payments", amount, **more)

    def ask(
        self, target: str, amount: str | None = None, *, idempotency_id: str | None = None, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        """One follow-on; ``amount`` goes where the service wants it."""
        number = next(self._numbers)
        reference = {"code": more.pop("code", f"OSC-{number}"), "transactionId": idempotency_id or f"id{number}"}
        data: dict[str, Any] = {"clientReferenceInformation": reference, **more}
        if amount is not None:
            where = "reversalInformation" if target.endswith("reversals") else "orderInformation"
            data[where] = {"amountDetails": {"totalAmount": amount, "currency": "USD"}}
        return self.post(target, data)

    def capture(self, id: str, amount: str, **more: Any) -> tuple[int, dict[str, Any]]:
        return self.ask(f"/pts/v2/payments/{id}/captures", amount, **more)

    def refund(self, id: str, amount: str, **more: Any) -> tuple[int, dict[str, Any]]:
        return self.ask(f"/pts/v2/captures/{id}/refunds", amount, **more)

    def void(self, resource: str, id: str) -> tuple[int, dict[str, Any]]:
        return self.ask(f"/pts/v2/{resource}/{id}/voids")

    def reverse(self, id: str, amount: str) -> tuple[int, dict[str, Any]]:
        return self.ask(f"/pts/v2/payments/{id}/reversals", amount)

    def look_up(self, id: str) -> tuple[int, dict[str, Any]]:
        return self.get(f"/tss/v2/transactions/{id}")

    def rows(self, number: str) -> list[dict[str, Any]]:
        """What a search shows under a reference number."""
        page = self.post("/tss/v2/searches", {"query": f"clientReferenceInformation.code:{number}"})[1]
        return page["_embedded"]["transactionSummaries"]

    def found(self, query: str, **more: Any) -> list[str]:
        status, page = self.post("/tss/v2/searches", {"query": query, "sort": "submitTimeUtc:desc", **more})
        assert status == 201, page
        return [each["id"] for each in page.get("_embedded", {}).get("transactionSummaries", [])]
