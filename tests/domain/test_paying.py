from __future__ import annotations

from decimal import Decimal

from cybersource.models import AttemptState, CyberSourceReply, PaymentAttempt
from oscar.core.loading import get_model

Source = get_model("payment", "Source")


def test_a_two_step_payment_pays_the_order_once(shopper, mailoutbox):
    order = shopper.check_out("64.50")
    response = shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"
    assert [source.amount_allocated for source in order.sources.all()] == [order.total_incl_tax]
    assert len(mailoutbox) == 1
    assert response.headers["Location"] == "/checkout/thank-you/"
