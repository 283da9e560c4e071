"""Plain words for shoppers: why a card was not accepted, and what we are waiting for."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import conf
from ..models import AttemptState, Attention, PaymentAttempt
from ..payments import orders
from ..protocol import Decision

#: What shoppers call the fields that CyberSource names.
FIELDS = {
    "card_number": gettext_lazy("card number"),
    "card_type": gettext_lazy("card type"),
    "card_expiry_date": gettext_lazy("expiry date"),
    "card_cvn": gettext_lazy("security code"),
    "bill_to_forename": gettext_lazy("first name"),
    "bill_to_surname": gettext_lazy("last name"),
    "bill_to_email": gettext_lazy("e-mail address"),
    "bill_to_phone": gettext_lazy("phone number"),
    "bill_to_address_line1": gettext_lazy("billing address"),
    "bill_to_address_line2": gettext_lazy("second line of the billing address"),
    "bill_to_address_city": gettext_lazy("city"),
    "bill_to_address_state": gettext_lazy("state"),
    "bill_to_address_postal_code": gettext_lazy("postal code"),
    "bill_to_address_country": gettext_lazy("country"),
}


def why_not_paid(attempt: PaymentAttempt) -> str:
    """Tell the shopper what happened and what to do next; never what a thief could use."""
    number = attempt.order.number
    reply = attempt.settling_reply
    if attempt.attention == Attention.NO_ANSWER:
        return _(
            "We do not know yet whether your card was charged for order %(number)s. The shop is looking at it now."
        ) % {"number": number}
    if attempt.state == AttemptState.EXPIRED:
        return _(
            "The payment of order %(number)s was not completed in time. Nothing was charged. Please try again."
        ) % {"number": number}
    if attempt.state == AttemptState.REPLACED:
        return _(
            "Another payment of order %(number)s was begun after this one. Look at that one before you pay again."
        ) % {"number": number}
    if attempt.state == AttemptState.AUTHORIZED:
        return _("Another payment for order %(number)s was not accepted. Please check out again.") % {"number": number}
    if attempt.state == AttemptState.PARTIAL:
        return _(
            "Your bank approved only part of the amount of order %(number)s, so the order is not paid. "
            "Please use another card; we will release what was approved."
        ) % {"number": number}
    if reply is not None and reply.decision == Decision.CANCEL:
        return _("You cancelled the payment of order %(number)s. Nothing was charged.") % {"number": number}
    if attempt.state == AttemptState.FAILED and reply is None:
        return _(
            "Order %(number)s has changed since you checked out, and can no longer be paid as it is. Nothing was "
            "charged. Please check your address and e-mail address, and check out again."
        ) % {"number": number}
    wrong = named_fields(reply.data) if reply is not None else []
    if wrong:
        return _("Please check the %(fields)s and try again. Order %(number)s was not charged.") % {
            "fields": ", ".join(wrong),
            "number": number,
        }
    return conf.card_reject_error.replace("{order_number}", number)


def named_fields(data: dict[str, str | None]) -> list[str]:
    """The fields that CyberSource found missing or invalid, in the shopper's words, each once."""
    names = ",".join(filter(None, (data.get("required_fields"), data.get("invalid_fields")))).split(",")
    return list(dict.fromkeys(str(FIELDS[name]) for name in names if name in FIELDS))


def pending_heading(attempt: PaymentAttempt) -> str:
    """What the pending page is headed by, where that is not its usual "we are still checking"."""
    if orders.is_cancelled(attempt.order):
        return _("This order was cancelled")
    if attempt.attention == Attention.NO_ANSWER:
        return _("We have not heard how your payment ended")
    if attempt.state == AttemptState.EXPIRED:
        return _("This order is not paid in full")
    return _("Your payment is being reviewed") if attempt.state == AttemptState.REVIEW else ""


def why_pending(attempt: PaymentAttempt) -> str:
    if orders.is_cancelled(attempt.order):
        return _("If your card was charged all the same, the shop knows and will refund you.")
    if attempt.state == AttemptState.REVIEW:
        return _("Thank you. Your payment is being reviewed, and we will send you an e-mail as soon as it is decided.")
    if attempt.state == AttemptState.AUTHORIZED:
        return _("This payment went through. The order still waits for its other payments.")
    if attempt.attention == Attention.NO_ANSWER:
        return _(
            "No answer came. The shop is now checking whether your card was charged, and will tell you how it goes on."
        )
    if attempt.state == AttemptState.EXPIRED:
        return _("A part of this order was not paid in time. The shop looks at it, and will tell you how it goes on.")
    return _("We are still waiting to hear how your payment ended.")
