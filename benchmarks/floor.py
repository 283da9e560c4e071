"""The least that any shop pays for "paid": a signed post checked by Django REST framework, Oscar's own rows, one mail.

No log, no attempt, no lock, no second delivery: nothing of what this app is for. What it costs more than this is the
price of that.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from oscar.core.loading import get_model
from oscarapicheckout.handlers import send_order_confirmation_message
from oscarapicheckout.settings import ORDER_STATUS_AUTHORIZED
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

Order, PaymentEvent, PaymentEventType, PaymentEventQuantity = (
    get_model("order", name) for name in ("Order", "PaymentEvent", "PaymentEventType", "PaymentEventQuantity")
)
Source, SourceType, Transaction = (get_model("payment", name) for name in ("Source", "SourceType", "Transaction"))


def checked(fields: Any) -> bool:
    """Parse, join and HMAC, and none of the rules that make a signed message believable."""
    joined = ",".join([f"{name}={fields[name]}" for name in fields["signed_field_names"].split(",")])
    digest = hmac.digest(settings.CYBERSOURCE_SECRET.encode(), joined.encode(), "sha256")
    return hmac.compare_digest(b64encode(digest).decode(), fields["signature"])


class Paid(APIView):
    authentication_classes = ()
    permission_classes = ()
    parser_classes = (FormParser,)

    def post(self, request: Request) -> Response:
        posted = request.data
        if not checked(posted):
            return Response(status=403)
        with transaction.atomic():
            order = Order.objects.get(number=posted["req_reference_number"])
            if Decimal(posted["req_amount"]) != order.total_incl_tax:
                return Response(status=400)
            self.record(order, posted["transaction_id"])
        send_order_confirmation_message(sender=order, order=order, request=request)
        return Response({"order": order.number})

    def record(self, order: Any, reference: str) -> None:
        amount = order.total_incl_tax
        source_type, _created = SourceType.objects.get_or_create(name="Card")
        source = Source.objects.create(
            order=order, source_type=source_type, currency=order.currency, amount_allocated=amount, reference=reference
        )
        Transaction.objects.create(
            source=source, txn_type=Transaction.AUTHORISE, amount=amount, reference=reference, status="ACCEPT"
        )
        event_type, _created = PaymentEventType.objects.get_or_create(name=Transaction.AUTHORISE)
        event = PaymentEvent.objects.create(order=order, event_type=event_type, amount=amount, reference=reference)
        PaymentEventQuantity.objects.bulk_create(
            PaymentEventQuantity(event=event, line=line, quantity=line.quantity) for line in order.lines.all()
        )
        order.set_status(ORDER_STATUS_AUTHORIZED)
        order.basket.submit()
