"""api-checkout's two views for a shop that takes cards: same paths, same contract, and they know cards beforehand.

What is wrong with a card payment is said before an order exists: a state or an e-mail address that CyberSource refuses
is 406 with the field that is wrong, more cards than an order may have are 406, a spent budget is 429. Two posts of one
checkout at once place one order. Mounted before api-checkout's own by ``include("cybersource.checkout_urls")``; a shop
that has views of its own bases them on these.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.views.decorators.debug import sensitive_variables
from oscar.core.loading import get_model
from oscarapicheckout import serializers, views
from oscarapicheckout.states import COMPLETE, CONSUMED, DECLINED, Declined, PaymentStatus
from oscarapicheckout.utils import list_payment_method_states
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.fields import CharField
from rest_framework.relations import HyperlinkedRelatedField
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from ..checkout import payment_request
from ..checkout.begin import make_way_for_checkout
from ..checkout.checkout_request import CheckoutRequest
from ..checkout.states import AttemptStatus, foreign, forget_other_orders
from ..conf import conf
from ..http.error_reports import take_query_off
from ..limits import budgets
from ..methods import UNAVAILABLE, Cybersource
from ..models import card_numbers
from ..payments import order_allocations, orders, retry_allocations
from ..protocol import InvalidRequest

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

        api-checkout freezes it a moment later, whoever else did so too.
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
    if state is None or order.pk is None or foreign(key, state, order):
        return False
    return state.status not in (DECLINED, CONSUMED) and state.amount == amount


@sensitive_variables()
def raise_if_missing(order: Any) -> None:
    """Refuse to pay a declined order once others have got what it released; a basket is asked by api-checkout."""
    missing = order_allocations.missing_for(order) if orders.is_declined(order) else []
    if missing:
        raise ValidationError(
            {"order": [gettext("Not available any more: %(missing)s") % {"missing": ", ".join(missing)}]}
        )


@sensitive_variables()
def refuse_what_no_field_reads(data: Any) -> None:
    """Raise an error of each field that holds a card number, or what Django REST framework would stumble over.

    Oscar would store the address, and the card with it.
    """
    try:
        found = unreadable(data) or card_numbers.refusals(data)
    except RecursionError:
        raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [gettext("This is nested too deeply.")]}) from None
    if found:
        raise ValidationError(found if isinstance(found, Mapping) else {api_settings.NON_FIELD_ERRORS_KEY: found})


@sensitive_variables()
def unreadable(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Say what keeps posted data from being read, in the shape of a serializer's errors.

    Half a character, which neither a database nor a log takes; a list where a text is taken for granted.
    """
    if isinstance(value, Mapping) and not is_text(path):
        found = {str(name): unreadable(one, (*path, str(name))) for name, one in value.items()}
        return half_a_character("".join(found)) or {name: errors for name, errors in found.items() if errors}
    if isinstance(value, (Mapping, list)):
        if is_text(path):
            return [CharField.default_error_messages["invalid"]]
        return next(filter(None, (unreadable(one) for one in value)), [])
    if is_link(path) and not is_url(value):
        return [HyperlinkedRelatedField.default_error_messages["no_match"]]
    return half_a_character(value) if isinstance(value, str) else []


@sensitive_variables()
def is_link(path: tuple[str, ...]) -> bool:
    return path in (("basket",), ("user",)) or (len(path) == 2 and path[1] == "country")


@sensitive_variables()
def is_text(path: tuple[str, ...]) -> bool:
    return is_link(path) or path == ("order",) or (path[:1] == ("payment",) and path[2:] == ("method_type",))


@sensitive_variables()
def is_url(value: Any) -> bool:
    try:
        urlsplit(str(value))
    except ValueError:
        return False
    return True


@sensitive_variables()
def half_a_character(text: str) -> list[str]:
    try:
        ProhibitSurrogateCharactersValidator()(text)
    except ValidationError as problem:
        return list(problem.detail)
    return []


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


class CardView:
    """What both of api-checkout's views do around a post: release what was taken for nothing, and say so."""

    @sensitive_variables()
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # A page that sends its card here by mistake is refused, and Django logs the URL of what is refused.
        if card_numbers.is_card_number("", unquote_plus(request.META.get("QUERY_STRING", ""))):
            take_query_off(request)
        must_not_write_session(request)
        response = super().dispatch(request, *args, **kwargs)
        if response.status_code < 400:
            may_write_session(request)
        elif is_unwritten(request):
            request.session.modified = False
        return response

    @sensitive_variables()
    def post(self, request: Request, format: str | None = None) -> Response:
        checkout = CheckoutRequest.of(request)
        try:
            response = super().post(request, format)
        finally:
            checkout.release_places()
            let_go(request)
        if checkout.failed and response.status_code < 400:
            # The order is declined, and no card was: the shop could not even ask.
            failed = {key: {"non_field_errors": [UNAVAILABLE]} for key in checkout.failed}
            return Response({"payment": failed}, status.HTTP_406_NOT_ACCEPTABLE)
        return response

    @sensitive_variables()
    def _record_payments(self, *, order: Any, **checkout: Any) -> dict[str, PaymentStatus]:
        """Record them as api-checkout does. All complete is not paid: what counts has to cover the order."""
        states: dict[str, PaymentStatus] = super()._record_payments(order=order, **checkout)
        is_complete = all(state.status == COMPLETE for state in states.values())
        if is_complete and orders.money_held(order) < order.total_incl_tax:
            return declined(states)
        return states


class CheckoutView(CardView, views.CheckoutView):
    serializer_class = CheckoutSerializer


class CompleteDeferredPaymentView(CardView, views.CompleteDeferredPaymentView):
    serializer_class = CompleteDeferredPaymentSerializer

    @sensitive_variables()
    def _record_payments(self, *, request: Request, order: Any, **checkout: Any) -> dict[str, PaymentStatus]:
        # No order is placed, so api-checkout tells nobody that another way of paying begins.
        make_way_for_checkout(self, order, request)
        return super()._record_payments(request=request, order=order, **checkout)


@sensitive_variables()
def declined(states: Mapping[str, PaymentStatus]) -> dict[str, PaymentStatus]:
    """The states of a checkout that falls short. A card that paid its part is taken as paid again by the retry."""
    others = {key for key, state in states.items() if not isinstance(state, AttemptStatus)} or set(states)
    return {key: Declined(state.amount, state.source_id) if key in others else state for key, state in states.items()}


@sensitive_variables()
def let_go(request: Any) -> None:
    """Thaw a basket that this request froze and placed no order with: the shopper shops on."""
    claimed = getattr(request, "cybersource_claim", None)
    if claimed is not None and not transaction.get_connection().needs_rollback:  # which thaws it too
        Basket.objects.filter(pk=claimed, status=Basket.FROZEN).update(status=Basket.OPEN)
        retry_allocations.cancel_retry(claimed)


@sensitive_variables()
def must_not_write_session(request: HttpRequest) -> None:
    """Keep what this post read of the session from being written before it is the one that places the order.

    oscarapi writes all of it with every look at the basket, and Django at the end. Of two posts at once the one that is
    refused would write over the order and the form of the other. A session that is not stored yet is nobody else's.
    """
    if request.session.session_key:
        request.session.save = lambda must_create=False: None  # type: ignore[method-assign]


@sensitive_variables()
def may_write_session(request: Any) -> None:
    vars(request.session).pop("save", None)


@sensitive_variables()
def is_unwritten(request: HttpRequest) -> bool:
    return "save" in vars(request.session)
