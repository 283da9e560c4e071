"""The token vault over REST: what kind of thing a token is, what is kept under it, and its deletion."""

from __future__ import annotations

import json

import pytest

from cybersource.simulator import TokenFormat, cards
from cybersource.simulator.rest import RestAccess, Vault

from .forms import gateway, pay_by_token, told
from .rest_requests import Merchant


def with_vault(vault: Vault = Vault.EITHER, **settings: object) -> Merchant:
    return Merchant(gateway(rest=RestAccess(vault=vault), **settings))


def customer(token: str, *more: str) -> str:
    return "/".join(["/tms/v2/customers", token, *more])


def authorized(merchant: Merchant, member: str, token: str) -> tuple[int, str]:
    status, answer = merchant.authorize(token, paymentInformation={member: {"id": token}})
    return status, answer.get("reason", answer["status"])


@pytest.mark.parametrize(
    ("vault", "found", "as_customer", "as_legacy"),
    [
        (Vault.EITHER, 200, (201, "AUTHORIZED"), (201, "AUTHORIZED")),
        (Vault.CUSTOMER, 200, (201, "AUTHORIZED"), (400, "INVALID_DATA")),
        (Vault.LEGACY, 404, (400, "INVALID_DATA"), (201, "AUTHORIZED")),
    ],
)
def test_a_look_at_the_customer_tells_which_kind_of_token_pays(vault, found, as_customer, as_legacy):
    merchant = with_vault(vault)
    token = merchant.token()
    assert merchant.call("GET", customer(token))[0] == found
    assert authorized(merchant, "customer", token) == as_customer
    assert authorized(merchant, "legacyToken", token) == as_legacy


@pytest.mark.parametrize("token_format", list(TokenFormat))
def test_a_token_of_any_shape_is_a_customer_with_one_masked_card(token_format):
    merchant = with_vault(token_format=token_format)
    token = merchant.token(cards.APPROVED)
    status, answer = merchant.call("GET", customer(token))
    assert (status, answer["id"]) == (200, token)
    card = answer["_embedded"]["defaultPaymentInstrument"]
    assert card["card"] == {"expirationMonth": "12", "expirationYear": "2031", "type": "001"}
    assert card["_embedded"]["instrumentIdentifier"]["card"] == {"number": "XXXXXXXXXXXX1111"}
    assert card["billTo"]["lastName"] == "Okafor"
    assert answer["defaultPaymentInstrument"] == {"id": card["id"]}
    status, listed = merchant.call("GET", customer(token, "payment-instruments"))
    assert (listed["total"], listed["_embedded"]["paymentInstruments"]) == (1, [card])
    assert merchant.call("GET", customer(token, "payment-instruments", card["id"])) == (200, card)
    assert cards.APPROVED not in json.dumps([answer, listed])


def test_a_deleted_token_is_gone_and_pays_at_no_endpoint():
    merchant = with_vault()
    token = merchant.token()
    assert merchant.call("DELETE", customer(token)) == (204, None)
    for method in ("GET", "DELETE"):
        status, answer = merchant.call(method, customer(token))
        assert (status, answer["errors"][0]["type"]) == (410, "notAvailable")
    assert merchant.authorize(token)[1]["reason"] == "INVALID_DATA"
    assert told(pay_by_token(merchant.gateway, token))["invalid_fields"] == "payment_token"


def test_a_card_taken_from_its_customer_pays_no_more_and_leaves_the_customer():
    merchant = with_vault()
    token = merchant.token()
    instrument = merchant.call("GET", customer(token))[1]["defaultPaymentInstrument"]["id"]
    assert merchant.call("DELETE", customer(token, "payment-instruments", instrument)) == (204, None)
    status, answer = merchant.call("GET", customer(token))
    assert status == 200 and "defaultPaymentInstrument" not in answer
    assert merchant.call("GET", customer(token, "payment-instruments"))[1]["total"] == 0
    assert merchant.call("GET", customer(token, "payment-instruments", instrument))[0] == 410
    assert merchant.authorize(token)[1]["reason"] == "INVALID_DATA"
    assert told(pay_by_token(merchant.gateway, token))["invalid_fields"] == "payment_token"


def test_a_token_that_never_was_is_not_found():
    merchant = with_vault()
    token = merchant.token()
    for target in (customer("7" * 22), customer("7" * 22, "payment-instruments")):
        assert merchant.call("GET", target)[0] == 404
    assert merchant.call("DELETE", customer(token, "payment-instruments", "ABCDEF"))[0] == 404
    assert merchant.authorize(token)[0] == 201


def test_the_same_card_stored_again_after_its_deletion_pays_under_the_same_token():
    merchant = with_vault(token_format=TokenFormat.HEX_32)
    token = merchant.token()
    merchant.call("DELETE", customer(token))
    assert merchant.token() == token
    assert merchant.authorize(token)[0] == 201
    assert merchant.call("GET", customer(token))[0] == 200
