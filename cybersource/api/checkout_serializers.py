"""api-checkout's two serializers, which say what is wrong with a card payment before an order exists."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext, ngettext
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model
from oscarapicheckout import serializers
from oscarapicheckout.states import CONSUMED, DECLINED
from oscarapicheckout.utils import list_payment_method_states
from rest_framework import status
from rest_framework.exceptions import ValidationError

from ..checkout import payment_request
from ..checkout.checkout_request import CheckoutRequest
from ..checkout.states import forget_other_orders, is_foreign
from ..conf import conf
from ..limits import budgets
from ..methods import Cybersource
from ..payments import order_allocations, orders
from ..protocol import InvalidRequest
from .session_writes import may_write_session
from .unreadable import refuse_what_no_field_reads

Basket = get_model("basket", "Basket")
BillingAddress = get_model("order", "BillingAddress")
Order = get_model("order", "Order")

#: Where api-checkout has the fields that a form may lack, in the billing address or elsewhere.
ADDRESS_FIELDS = {
    "bill_to_address_state": "state",
    "bill_to_address_postal_code": "postcode",
    "bill_to_address_country": "country",
}


class NotAcceptable(ValidationError):
    """An error of a field, with api-checkout's status, also where it shows after the serializer is done."""

    status_code = status.HTTP_406_NOT_ACCEPTABLE


class CardSerializer:
    """What both of api-checkout's serializers learn: how many cards, which amounts, what an address lacks."""

    @sensitive_variables()
    def to_internal_value(self, data: Any) -> Any:
        refuse_what_no_field_reads(data)
        payment = data.get("payment") if isinstance(data, Mapping) else None
        if isinstance(payment, Mapping) and not all(isinstance(entry, Mapping) for entry in payment.values()):
            raise ValidationError({"payment": [gettext("Each payment method is an object.")]})
        return super().to_internal_value(data)

    @sensitive_variables()
    def validate_payment(self, payment: dict[str, Any]) -> dict[str, Any]:
        """Refuse more cards than an order may have; drop those that are not enabled, which api-checkout would begin."""
        cards = {key for key, entry in payment.items() if self.is_card(entry)}
        most = conf.max_payment_methods
        if len(cards) > most:
            raise ValidationError(
                ngettext(
                    "No more than %(most)d card can pay for one order.",
                    "No more than %(most)d cards can pay for one order.",
                    most,
                )
                % {"most": most}
            )
        return {key: entry for key, entry in payment.items() if key not in cards or entry["enabled"]}

    @sensitive_variables()
    def is_card(self, entry: Mapping[str, Any]) -> bool:
        return isinstance(self.fields["payment"].methods.get(entry["method_type"]), Cybersource)

    @sensitive_variables()
    def card_amounts(self, payment: Mapping[str, Any], total: Decimal) -> dict[str, Decimal]:
        """What each card is going to pay. The last one pays what the others leave of the total."""
        chosen = {key: entry for key, entry in payment.items() if entry["enabled"]}
        fixed = {key: entry["amount"] for key, entry in chosen.items() if not entry["pay_balance"]}
        rest = total - sum(fixed.values())
        amounts = {key: fixed.get(key, rest) for key, entry in chosen.items() if self.is_card(entry)}
        return {key: amount for key, amount in amounts.items() if amount > 0}

    @sensitive_variables()
    def take_places(self, amounts: Mapping[str, Decimal], basket_or_order: Any) -> None:
        """Take the places of the attempts that are about to begin, now that nothing else stands in their way.

        Not of those that api-checkout takes over from the last try of the same order: a card that has paid its part.
        """
        request = self.context["request"]
        held = list_payment_method_states(request)
        order = basket_or_order if isinstance(basket_or_order, Order) else Order(basket=basket_or_order)
        if held and order.pk is None:
            order = Order.objects.filter(basket=basket_or_order).first() or order
        begun = [key for key, amount in amounts.items() if not is_taken_over(held.get(key), key, amount, order)]
        CheckoutRequest.of(request).take_places(budgets.order_key(order), len(begun))


class CheckoutSerializer(CardSerializer, serializers.CheckoutSerializer):
    @sensitive_variables()
    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if "shipping_address" not in data:  # api-checkout reads it without asking
            raise ValidationError({"shipping_address": [self.error_messages["required"]]})
        data = super().validate(data)
        total = as_stored(data["total"].incl_tax)
        amounts = self.card_amounts(data["payment"], total)
        if amounts:
            raise_problems(self.order_to_be(data), amounts, data["payment"])
            self.take_places(amounts, data["basket"])
        self.claim(data["basket"])
        return data

    @sensitive_variables()
    def order_to_be(self, data: Mapping[str, Any]) -> Any:
        """The order as far as a card payment depends on it; it is never saved."""
        billing = data.get("billing_address")
        return Order(
            user=data["user"],
            guest_email=data["guest_email"] or "",
            currency=data["total"].currency,
            billing_address=BillingAddress(**billing) if billing else None,
        )

    @sensitive_variables()
    def claim(self, basket: Any) -> None:
        """Freeze the basket for this request alone. Of two posts of one checkout the second ends here.

        api-checkout freezes it a moment later, also where another request did.
        """
        mine = Basket.objects.filter(pk=basket.pk, status__in=Basket.editable_statuses).update(status=Basket.FROZEN)
        if not mine:
            raise ValidationError({"basket": [gettext("This basket is being checked out already.")]})
        self.context["request"].cybersource_claim = basket.pk
        may_write_session(self.context["request"])

    @sensitive_variables()
    def create(self, validated_data: dict[str, Any]) -> Any:
        """Place the order, or nothing at all where what was stored cannot be paid by the card it is placed with.

        That is seen before where it can be; a shop's own code may give the order another billing address.
        """
        with transaction.atomic():
            order = self.place(validated_data)
        self.context["request"].cybersource_claim = None  # the order has it now
        return order

    @sensitive_variables()
    def place(self, validated_data: dict[str, Any]) -> Any:
        order = super().create(validated_data)
        # In memory it has what was calculated, a tax of four decimals for one; all go on with what it is stored as.
        order.refresh_from_db(
            fields=["total_incl_tax", "total_excl_tax", "shipping_incl_tax", "shipping_excl_tax", "currency"]
        )
        amounts = self.card_amounts(validated_data["payment"], order.total_incl_tax)
        if amounts:
            address = "billing_address" if "billing_address" in validated_data else "shipping_address"
            raise_problems(order, amounts, validated_data["payment"], address=address)
        return order


class CompleteDeferredPaymentSerializer(CardSerializer, serializers.CompleteDeferredPaymentSerializer):
    @sensitive_variables()
    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        order = data["order"]
        fixed = [entry["amount"] for entry in data["payment"].values() if entry["enabled"] and not entry["pay_balance"]]
        if sum(fixed) > order.total_incl_tax:
            # api-checkout's own words, of its own catalogue: it asks this of new orders only.
            raise ValidationError(gettext("Specified payment amounts exceed order total."))
        amounts = self.card_amounts(data["payment"], order.total_incl_tax)
        if amounts:
            if not orders.awaits_payment(order):
                raise ValidationError({"order": [gettext("This order is not waiting for a payment.")]})
            raise_problems(order, amounts, data["payment"])
            raise_if_missing(order)
            forget_other_orders(type(self), order, self.context["request"])
            self.take_places(amounts, order)
        may_write_session(self.context["request"])
        return data


@sensitive_variables()
def is_taken_over(state: Any, key: str, amount: Decimal, order: Any) -> bool:
    """Whether api-checkout takes a payment state of the session over for this order, and begins nothing."""
    if state is None or order.pk is None or is_foreign(key, state, order):
        return False
    return state.status not in (DECLINED, CONSUMED) and state.amount == amount


@sensitive_variables()
def raise_if_missing(order: Any) -> None:
    """Refuse to pay a declined order once others have got what it released. A basket is checked by api-checkout."""
    missing = order_allocations.missing_for(order) if orders.is_declined(order) else []
    if missing:
        raise ValidationError(
            {"order": [gettext("Not available any more: %(missing)s") % {"missing": ", ".join(missing)}]}
        )


@sensitive_variables()
def raise_problems(
    order: Any, amounts: Mapping[str, Decimal], payment: Mapping[str, Any], *, address: str = "billing_address"
) -> None:
    """Raise :class:`NotAcceptable` with every field of the checkout that keeps one of these amounts from being paid."""
    found: dict[str, Any] = {}
    for key, amount in amounts.items():
        for problem in payment_request.problems_of(order, amount):
            text = explanation(problem, order)
            if problem.field in ADDRESS_FIELDS:
                found.setdefault(address, {})[ADDRESS_FIELDS[problem.field]] = [text]
            elif problem.field == "bill_to_email":
                found["user" if order.user else "guest_email"] = [text]
            elif problem.field == "amount" and not payment[key]["pay_balance"]:
                found.setdefault("payment", {})[key] = {"amount": [text]}
            else:
                found["total"] = [text]
    if found:
        raise NotAcceptable(found)


@sensitive_variables()
def explanation(problem: InvalidRequest, order: Any) -> str:
    """What the shopper can do about it, in the words of the card form."""
    if problem.field == "bill_to_address_state":
        return gettext("Enter your state or province, for example NY or Ontario.")
    if problem.field == "bill_to_address_postal_code":
        if order.billing_address.country.iso_3166_1_a2 == "CA":
            return gettext("Enter a postal code such as K1A 0B1.")
        return gettext("Enter a ZIP code such as 10001 or 10001-1234.")
    if problem.field == "bill_to_address_country":
        return gettext("Choose your country.")
    if problem.field == "bill_to_email":
        if order.user:
            return gettext("Your account needs an e-mail address such as name@example.com before you can pay by card.")
        return gettext("Enter an e-mail address such as name@example.com.")
    if problem.field == "currency":
        return gettext("Card payment is not available in this currency.")
    return gettext("Card payment is not available for this amount.")


@sensitive_variables()
def as_stored(amount: Decimal) -> Decimal:
    """The amount as an order's row is going to have it: PostgreSQL rounds what has more decimals than the column."""
    places = Order._meta.get_field("total_incl_tax").decimal_places
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
