"""The staff's side: payments and operations are read, money is moved, CyberSource is asked. A request in, one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from oscar.core.loading import get_model
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import connection_test
from ..db import paging
from ..gateway import lookup
from ..http.error_reports import discreet
from ..models import UNDER_WAY, OperationState, PaymentOperation
from ..operations import detail, money_back, plans, resolution, rules, search
from ..operations.detail import PaymentDetails
from ..operations.operation_request import CANCEL_OR_REFUND, OperationRequest
from ..payments.balance import ENDED_WELL
from ..payments.errors import InvalidOperation
from ..protocol.rest import NotSent, Outcome, Refused, Unknown, UnknownReason
from . import errors, idempotency, offers, permissions, reading, requests, responses, throttles
from .errors import ErrorDetail, Refusal

Order = get_model("order", "Order")

Kind = PaymentOperation.Kind


class ApiView(APIView):
    """What every address under ``v1/`` has in common, whatever the project's own settings say besides who is who."""

    renderer_classes = [JSONRenderer]
    parser_classes = [reading.JSONReader]
    throttle_classes = [throttles.ScopedThrottle]
    metadata_class = None  # OPTIONS tells nothing
    throttle_scope = "cybersource-read"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        view = super().as_view(**initkwargs)
        # The commit of what is about to be asked has to be real, and what was sent is in no error report.
        return never_cache(transaction.non_atomic_requests(discreet(view)))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        reading.screen(request._request, kwargs)
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> Callable[..., Response]:
        return errors.answer

    def body(self, serializer: type[requests.StrictSerializer]) -> Any:
        """Return what the body says, validated."""
        asked = serializer(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return asked.validated_data

    def queried(self, serializer: type[requests.StrictSerializer]) -> Any:
        """Return what the query says, each name once at most, validated."""
        asked = serializer(data=self.request.query_params.dict())
        asked.is_valid(raise_exception=True)
        return asked


class StaffView(ApiView):
    permission_classes = [permissions.PermissionByVerb]
    asks: Mapping[str, str] = {"GET": permissions.LOOK}


class UnknownAddressView(ApiView):
    """Whatever else is asked for under ``v1/``."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        reading.screen(request._request, {"path": request.path})
        raise errors.not_found()


def next_page(request: Request, before: int | None) -> str | None:
    if before is None:
        return None
    query = {**request.query_params.dict(), "before": str(before)}
    return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")  # type: ignore[no-any-return]


def payment_or_404(pk: int) -> PaymentDetails:
    payment = detail.one(pk) if pk <= requests.HIGHEST_KEY else None
    if payment is None:
        raise errors.not_found(_("There is no such payment."))
    return payment


# -- reading -----------------------------------------------------------------------------------------------------------


class PaymentListView(StaffView):
    def get(self, request: Request) -> Response:
        asked = self.queried(requests.PaymentQuery)
        query = asked.validated_data
        page = detail.page(search.found(asked.wanted), before=query["before"], size=query["size"])
        found = {"next": next_page(request, page.before), "results": page.payments}
        return Response(responses.PaymentPage(found).data)


class PaymentDetailView(StaffView):
    def get(self, request: Request, pk: int) -> Response:
        return Response(responses.PaymentOut(payment_or_404(pk)).data)


class OperationListView(StaffView):
    def get(self, request: Request) -> Response:
        query = self.queried(requests.OperationQuery).validated_data
        rows = PaymentOperation.objects.select_related("order")
        filters = {
            "source": query["payment"],
            "order_number": query["order"],
            "kind": query["kind"],
            "state": query["state"],
        }
        rows = rows.filter(**{name: value for name, value in filters.items() if value})
        page = paging.page(rows, before=query["before"], size=query["size"])
        return Response(responses.OperationPage({"next": next_page(request, page.older), "results": page.items}).data)


class OperationDetailView(StaffView):
    def get(self, request: Request, pk: int) -> Response:
        rows = PaymentOperation.objects.select_related("order")
        operation = rows.filter(pk=pk).first() if pk <= requests.HIGHEST_KEY else None
        if operation is None:
            raise errors.not_found(_("There is no such operation."))
        return Response(responses.OperationOut(operation).data)


class OperationOutcome(StaffView):
    """Staff say how an operation in doubt ended. Said again, it is answered the same."""

    throttle_scope = "cybersource-move"

    @property
    def asks(self) -> Mapping[str, str]:  # type: ignore[override]
        """Recording an operation's outcome needs the permissions of the operation itself."""
        operation = self.operation
        needed = resolution.permissions(operation) if operation else (rules.MOVE_MONEY,)
        return {"POST": f"cybersource.{needed[0]}"}

    @cached_property
    def operation(self) -> PaymentOperation | None:
        pk = self.kwargs["pk"]
        rows = PaymentOperation.objects.select_related("transaction__source__source_type")
        return rows.filter(pk=pk).first() if pk <= requests.HIGHEST_KEY else None

    def post(self, request: Request, pk: int) -> Response:
        body = self.body(requests.OutcomeRequest)
        if self.operation is None:
            raise errors.not_found(_("There is no such operation."))
        permissions.require(request.user, resolution.permissions(self.operation))
        finding = resolution.Resolution(
            took_effect=body["took_effect"], transaction_id=body["transaction_id"], words=body["reason"]
        )
        return Response(responses.OperationOut(resolution.resolve(pk, finding, user=request.user)).data)


class PaymentMethodsView(StaffView):
    def get(self, request: Request) -> Response:
        return Response(responses.MethodsOut({"results": offers.methods()}).data)


# -- moving money ------------------------------------------------------------------------------------------------------


#: Why 2xx is not the answer, by how the operation ended: the HTTP status, and the message.
FAILURES: Mapping[str, tuple[int, Callable[[], str]]] = {
    OperationState.DECLINED: (409, lambda: _("CyberSource declined it. Nothing was done.")),
    OperationState.REFUSED: (409, lambda: _("CyberSource refused it. Nothing was done.")),
    OperationState.UNDONE: (409, lambda: _("It was undone, since its outcome could not be determined.")),
    OperationState.DROPPED: (409, lambda: _("It was no longer possible. Nothing was sent to CyberSource.")),
    OperationState.NOT_SENT: (503, lambda: _("It never reached CyberSource. Try again, with a new key.")),
}


def ended(operation: PaymentOperation, said: Any, *, again: bool) -> Response:
    """The response to a request for an operation: 201 it was done, 202 nobody knows yet, else why it was not."""
    headers = {"Location": reverse("cybersource-api-operation", args=[operation.pk])}
    if again:
        headers["Idempotent-Replayed"] = "true"
    if operation.state in ENDED_WELL:
        return Response(said, status=201, headers=headers)
    if operation.state in UNDER_WAY:
        return Response(said, status=202, headers={**headers, "Retry-After": str(errors.RETRY_AFTER)})
    status, words = FAILURES[operation.state]
    if status == 503:
        headers["Retry-After"] = str(errors.RETRY_AFTER)
    reason = ErrorDetail(code=operation.rest_reason, field="", message=operation.message)
    raise Refusal(status, operation.state, words(), [reason] if operation.rest_reason else [], headers=headers)


class MoneyOperationView(StaffView):
    """One operation on a payment, or several that belong together: asked under a key, done once."""

    asks = {"POST": permissions.MOVE_MONEY}
    throttle_scope = "cybersource-move"
    asked_by: type[requests.OperationSerializer]
    kind: str

    def post(self, request: Request, pk: int) -> Response:
        key = idempotency.key_of(request)
        body = {"transaction": None, **self.body(self.asked_by)}
        wanted = OperationRequest(kind=self.kind, key=key, user=request.user, **body)
        if before := idempotency.done_under(wanted, payment=pk):
            return self.answered(self.gone_on(before), again=True)
        try:
            done = money_back.carry_out(self.about_one(payment_or_404(pk), wanted))
        except InvalidOperation:
            # Another request with the key may have been quicker, and have done what cannot be done any more.
            if before := idempotency.done_under(wanted, payment=pk):
                return self.answered(self.gone_on(before), again=True)
            raise
        return self.answered(done, again=False)

    def gone_on(self, before: list[PaymentOperation]) -> list[PaymentOperation]:
        """What was asked before, after what of it can go on now."""
        return before

    def about_one(self, payment: PaymentDetails, wanted: OperationRequest) -> OperationRequest:
        """Return the request with the one Transaction that it is about. Refuses a user who may not ask for it."""
        kind = Kind(wanted.kind)
        on = detail.meant(kind, payment.standing, wanted.transaction)
        permissions.require(self.request.user, rules.permissions(kind, payment.standing, on))
        return replace(wanted, transaction=on.pk)

    def answered(self, done: list[PaymentOperation], *, again: bool) -> Response:
        (operation,) = done
        return ended(operation, responses.OperationOut(operation).data, again=again)


class CaptureView(MoneyOperationView):
    kind = Kind.CAPTURE
    asked_by = requests.CaptureRequest


class RefundView(MoneyOperationView):
    kind = Kind.REFUND
    asked_by = requests.RefundRequest


class VoidView(MoneyOperationView):
    kind = Kind.VOID
    asked_by = requests.VoidRequest


class ReverseView(MoneyOperationView):
    kind = Kind.REVERSE
    asked_by = requests.ReverseRequest


class AcceptReviewView(MoneyOperationView):
    asks = {"POST": permissions.DECIDE_REVIEW}
    kind = Kind.ACCEPT_REVIEW
    asked_by = requests.ReviewDecisionRequest


class RejectReviewView(MoneyOperationView):
    asks = {"POST": permissions.DECIDE_REVIEW}
    kind = Kind.REJECT_REVIEW
    asked_by = requests.ReviewDecisionRequest


class CancelOrRefundView(MoneyOperationView):
    """Money goes back by a void, a reversal or a refund, whichever the payment's state asks for."""

    kind = CANCEL_OR_REFUND
    asked_by = requests.CancelOrRefundRequest

    @staticmethod
    def meant(payment: PaymentDetails, wanted: OperationRequest) -> Any:
        amount, lines = wanted.amount, wanted.lines or {}
        return detail.meant_to_go_back(payment.standing, wanted.transaction, amount=amount, lines=lines)

    def about_one(self, payment: PaymentDetails, wanted: OperationRequest) -> OperationRequest:
        on = self.meant(payment, wanted)
        steps = money_back.plan(payment.standing, on=on, amount=wanted.amount, lines=wanted.lines)
        permissions.require(self.request.user, money_back.permissions(payment.standing, on, steps))
        return replace(wanted, transaction=on.pk)

    def gone_on(self, before: list[PaymentOperation]) -> list[PaymentOperation]:
        return money_back.go_on(before[0])

    def answered(self, done: list[PaymentOperation], *, again: bool) -> Response:
        """202 until every step has ended; then whether all of it was done, a part of it, or nothing."""
        said = responses.CancelOrRefundOut({"operations": done}).data
        waiting = [one for one in done if one.is_under_way]
        if waiting:
            return ended(waiting[0], said, again=again)
        failed = plans.failed(done)
        if not failed:
            return ended(done[-1], said, again=again)
        if not any(one.state in ENDED_WELL for one in done):
            return ended(failed[-1], said, again=again)
        headers = {"Location": reverse("cybersource-api-operation", args=[failed[-1].pk])}
        if again:
            headers["Idempotent-Replayed"] = "true"
        message = _("Only a part of it was done. Look at the payment, and request the rest with a new key.")
        details = [
            ErrorDetail(code=one.rest_reason or one.state, field=f"operations.{place}", message=one.message)
            for place, one in enumerate(done)
            if one in failed
        ]
        raise Refusal(409, "part-done", message, details, headers=headers)


class CancelOrRefundPreviewView(StaffView):
    """What a cancel-or-refund would do now, in words, before anything is done."""

    asks = {"POST": permissions.LOOK}

    def post(self, request: Request, pk: int) -> Response:
        wanted = OperationRequest(kind=CANCEL_OR_REFUND, **self.body(requests.CancelOrRefundPreviewRequest))
        payment = payment_or_404(pk)
        on = CancelOrRefundView.meant(payment, wanted)
        steps = money_back.preview(payment.order, payment.standing, on=on, amount=wanted.amount, lines=wanted.lines)
        return Response(responses.PlanOut({"steps": steps}).data)


# -- asking CyberSource ------------------------------------------------------------------------------------------------


def silent(outcome: Outcome) -> Refusal:
    """Why CyberSource did not say: it could not be asked, did not answer, or would not."""
    reason, wait = "", errors.RETRY_AFTER
    match outcome:
        case NotSent():
            status, code, words = 503, "not-sent", _("CyberSource could not be reached.")
            reason = outcome.cause
        case Unknown(why=UnknownReason.NO_ANSWER):
            status, code, words = 504, "no-answer", _("CyberSource did not answer.")
        case Refused():
            status, code, words = 502, "gateway-refused", _("CyberSource refused to answer.")
            reason, wait = outcome.answer.reason, outcome.retry_after or wait
        case _:
            status, code, words = 502, "gateway-unreadable", _("CyberSource answered what cannot be understood.")
    details = [ErrorDetail(code=reason[:64], field="", message=words)] if reason else []
    return Refusal(status, code, words, details, headers={"Retry-After": str(wait)})


class StatusView(StaffView):
    """What CyberSource's books say of a payment now. Nothing of the shop's changes."""

    asks = {"POST": permissions.LOOK}
    throttle_scope = "cybersource-gateway"

    def post(self, request: Request, pk: int) -> Response:
        wanted = self.body(requests.StatusRequest)["transaction"]
        payment = payment_or_404(pk)
        reference = detail.meant(Kind.CAPTURE, payment.standing, wanted).reference
        try:
            found = lookup.look_up(reference, order=payment.order, user=request.user)
        except lookup.GatewayNoAnswer as problem:
            raise silent(problem.outcome) from None
        return Response(responses.StatusOut.of(reference, found.answer if found else None).data)


class ConnectionTestView(StaffView):
    """What ``cybersource_check`` tells: a look at the set-up, and a call to CyberSource that moves nothing."""

    asks = {"POST": permissions.TEST_CONNECTION}
    throttle_scope = "cybersource-gateway"

    def post(self, request: Request) -> Response:
        self.body(requests.EmptyRequest)
        report = connection_test.run()
        said = {"ok": not report.errors, "errors": report.errors, "warnings": report.warnings}
        return Response(responses.ConnectionOut({**said, "findings": report.findings}).data)
