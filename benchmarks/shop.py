"""Orders to pay, quickly made: one is bought as shoppers do, and then copied."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.test import Client
from oscar.core.loading import get_model

from cybersource.models import PaymentAttempt
from tests.support.shop import REPLY, Shopper

Basket, Line, Order = get_model("basket", "Basket"), get_model("order", "Line"), get_model("order", "Order")

FORM = "application/x-www-form-urlencoded"


@functools.cache
def bought(lines: int) -> tuple[Shopper, int]:
    """An order of so many lines, placed over the API and not yet paid: its shopper, and its attempt's key."""
    shopper = Shopper()
    shopper.check_out(*["5.00"] * lines)
    return shopper, shopper.attempt().pk


def order_to_pay(lines: int) -> PaymentAttempt:
    """A copy of that order that waits for its payment; returns its attempt."""
    _shopper, pk = bought(lines)
    attempt = PaymentAttempt.objects.select_related("order").get(pk=pk)
    order, copied = attempt.order, list(attempt.order.lines.all())
    order.pk, order._state.adding = None, True
    order.number = order.reference = uuid.uuid4().hex[:12]
    order.basket = Basket.objects.create(status=Basket.FROZEN)
    order.save()
    for line in copied:
        line.pk, line.order = None, order
    Line.objects.bulk_create(copied)
    attempt.pk, attempt._state.adding = None, True
    attempt.order, attempt.reference_number = order, order.number
    attempt.transaction_uuid = str(uuid.uuid4())
    attempt.save()
    return attempt


#: What a reply says beside what :meth:`tests.support.shop.Shopper.reply` puts there, so that it has sixty fields in
#: all.
MORE = {
    "payment_token": "",
    "auth_code": "888888",
    "auth_avs_code": "Y",
    "auth_avs_code_raw": "Y",
    "auth_cv_result": "M",
    "auth_cv_result_raw": "M",
    "auth_response": "100",
    "auth_time": "2026-03-04T091502Z",
    "auth_trans_ref_no": "73123457012360124040",
    "bill_trans_ref_no": "73123457012360124040",
    "request_token": "AhjrsFLkj5cCenpMvbu57tnUBopOg8EhqVR" * 4,
    "req_card_type": "001",
    "req_card_expiry_date": "12-2031",
    "req_locale": "en-us",
    "req_payment_method": "card",
    "req_customer_ip_address": "203.0.113.24",
    "req_line_item_count": "4",
    **{
        f"req_{side}_to_{name}": f"{name} of {side} to"
        for side in ("bill", "ship")
        for name in (
            "forename surname phone address_line1 address_line2 address_city address_state address_postal_code"
            " address_country"
        ).split()
    },
    "req_bill_to_email": "maya@example.com",
    **{
        f"req_item_{item}_{name}": f"{name} {item}" for item in range(2) for name in ("name", "sku", "code", "quantity")
    },
}


def reply_to(attempt: PaymentAttempt, **changes: str) -> Sequence[tuple[str, str]]:
    """CyberSource's reply of sixty fields that accepts the attempt, with a new card stored."""
    shopper, _pk = bought(1)
    fields = {**MORE, "payment_token": f"99{uuid.uuid4().int % 10**20:020d}", **changes}
    return list(shopper.reply(attempt, **fields))


def post(pairs: Sequence[tuple[str, str]], url: str = REPLY) -> Any:
    return Client().post(url, urlencode(pairs), content_type=FORM)
