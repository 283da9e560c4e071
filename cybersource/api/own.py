"""The shopper's own: payments and their receipts, of orders that are theirs. To others none of it exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from oscar.core.loading import get_model
from rest_framework.exceptions import NotAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from . import errors, receipts, requests, responses
from .views import ApiView, next_page

Order = get_model("order", "Order")


class ReceiptPageView(BaseRenderer):
    """A receipt as a page of the shop, to be printed; a refusal as a page too, since it is people who read it."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> str:
        request, response = renderer_context["request"], renderer_context["response"]
        if response.exception:
            login = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': request.get_full_path()})}"
            told = {"message": data["message"], "login_url": login if not request.user.is_authenticated else ""}
            return render_to_string("cybersource/receipt_refused.html", told, request=request._request)
        receipt = response.receipt
        with receipt.in_its_language():
            return render_to_string("cybersource/receipt.html", {"receipt": receipt}, request=request._request)


class OwnView(ApiView):
    permission_classes: list[Any] = []
    throttle_scope = "cybersource-own"

    def url_of(self, receipt: receipts.Receipt) -> str:
        """With a guest's proof, where they came with one."""
        address = reverse("cybersource-api-receipt", args=[receipt.number])
        proof = self.request.query_params.get("hash", "")
        address = f"{address}?{urlencode({'hash': proof})}" if proof else address
        return self.request.build_absolute_uri(address)  # type: ignore[no-any-return]

    def said(self, serializer: type[Any], found: Any) -> Mapping[str, Any]:
        return serializer(found, context={"url_of": self.url_of}).data  # type: ignore[no-any-return]


class OwnReceiptsView(OwnView):
    """Receipts of the signed-in user, newest first; or of a guest's order, whose verification hash proves it."""

    def get(self, request: Request) -> Response:
        query = self.queried(requests.OwnReceiptQuery).validated_data
        if query["hash"]:
            order = Order.objects.filter(number=query["order"], user=None).first()
            if order is None or not receipts.may_read(order, request.user, query["hash"]):
                raise errors.not_found(_("There is no such order, or it is not yours."))
            whose = receipts.of_guest(query["order"])
        elif not request.user.is_authenticated:
            raise NotAuthenticated
        else:
            whose = receipts.of_user(request.user, query["order"])
        page = receipts.page(whose, before=query["before"], size=query["size"])
        found = {"next": next_page(request, page.before), "results": page.receipts}
        return Response(self.said(responses.ReceiptPage, found))


class ReceiptView(OwnView):
    renderer_classes = [JSONRenderer, ReceiptPageView]

    def get(self, request: Request, number: str) -> Response:
        proof = self.queried(requests.ReceiptQuery).validated_data["hash"]
        receipt = receipts.one(number)
        if receipt is None or not receipts.may_read(receipt.order, request.user, proof):
            raise errors.not_found(_("There is no such receipt, or it is not yours."))
        response = Response(self.said(responses.ReceiptOut, receipt), headers={"Referrer-Policy": "same-origin"})
        response.receipt = receipt
        return response
