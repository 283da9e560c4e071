"""Oscar's checkout, with a payment page in the place of "payment details" and "preview".

The shopper's way: e-mail (or sign in), address, shipping method: Oscar's own. Then this page, which shows the order and
asks for the card. Its script places the order through the API (no card in that request), gets the signed form for it,
adds the card and posts the form to CyberSource. Nothing here ever sees a card number.
"""

from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from oscar.apps.checkout import views
from oscar.core.loading import get_class
from oscar.templatetags.currency_filters import currency

from sandbox.cards import TEST_CARDS

CheckoutSessionData = get_class("checkout.utils", "CheckoutSessionData")

ADDRESS_FIELDS = ("title", "first_name", "last_name", "line1", "line2", "line3", "line4", "state", "postcode")


class IndexView(views.IndexView):
    """The first page of the checkout, and where a shopper comes back to whose card was declined."""

    def get_context_data(self, **kwargs):
        context = super().get_context_data(**kwargs)
        # They have answered everything but which card to use; so one click takes them there.
        context["can_pay_now"] = bool(
            self.checkout_session.get_guest_email()
            and self.checkout_session.is_shipping_address_set()
            and self.checkout_session.is_shipping_method_set(self.request.basket)
        )
        return context


class PaymentDetailsView(views.PaymentDetailsView):
    http_method_names = ["get", "head", "options"]  # Oscar would place an unpaid order on a POST here

    def dispatch(self, request, *args, **kwargs):
        if self.preview:  # one page does for both
            return redirect("checkout:payment-details")
        return super().dispatch(request, *args, **kwargs)

    def get_skip_conditions(self, request):
        return []  # an order that costs nothing is placed from this page too

    def get_context_data(self, **kwargs):
        context = super().get_context_data(**kwargs)
        context["checkout_payload"] = self.checkout_payload(context)
        context["pay_label"] = _("Place order and pay %(total)s") % {
            "total": currency(context["order_total"].incl_tax, context["basket"].currency)
        }
        context["test_cards"] = TEST_CARDS
        return context

    def checkout_payload(self, submission):
        """Return what the page posts to ``/api/checkout/``: Oscar's checkout session in the words of the API."""
        billing_address = submission["billing_address"] or submission["shipping_address"]
        payload = {
            "basket": reverse("basket-detail", args=[submission["basket"].pk]),
            # The API refuses the order if this is no longer the total, so nobody pays another amount than they saw.
            "total": str(submission["order_total"].incl_tax),
            "shipping_method_code": submission["shipping_method"].code,
            "payment": {"cybersource": {"enabled": True, "pay_balance": True}},
        }
        if submission["shipping_address"]:
            payload["shipping_address"] = self.address(submission["shipping_address"])
        if billing_address:
            payload["billing_address"] = self.address(billing_address)
        if not self.request.user.is_authenticated:
            payload["guest_email"] = self.checkout_session.get_guest_email()
        return payload

    @staticmethod
    def address(address):
        fields = {name: getattr(address, name) or "" for name in ADDRESS_FIELDS}
        fields["country"] = reverse("country-detail", args=[address.country_id])
        for name in ("phone_number", "notes"):  # a billing address has neither
            if value := getattr(address, name, ""):
                fields[name] = str(value)
        return fields


class ThankYouView(views.ThankYouView):
    def get(self, request, *args, **kwargs):
        # The order came into being through the API, which knows nothing of Oscar's checkout session. Left as it is,
        # that would give this address and shipping method to the shopper's next order unasked.
        CheckoutSessionData(request).flush()
        return super().get(request, *args, **kwargs)
