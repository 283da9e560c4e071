"""The staff's side: payments and operations are read, money is moved, CyberSource is asked. A request in, one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

from .. import (
    diagnosis,
    dossiers,
    enquiries,
    giving_back,
    intents,
    operations,
    orders,
    paging,
    payments,
    plans,
    resolution,
    rules,
)
from ..dossiers import Payment
from ..error_reports import discreet
from ..models import UNDER_WAY, OperationState, PaymentOperation
from ..protocol.rest import NotSent, Outcome, Refused, Unknown, Why
from ..rules import InvalidOperation, Problem
from ..standing import ENDED_WELL
from . import errors, idempotency, offers, permissions, reading, serializers, throttles
from .errors import Detail, Refusal

Order = get_model("order", "Order")

Kind = PaymentOperation.Kind


class ApiView(APIView):
    """What every address under ``v1/`` has in common, whatever the project's own settings say besides who is who."""

    renderer_classes = [JSONRenderer]
    parser_classes = [reading.JSONReader]
    throttle_classes = [throttles.ByScope]
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

    def told(self, serializer: type[serializers.Asked]) -> Any:
        """What the body says."""
        asked = serializer(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return asked.validated_data

    def queried(self, serializer: type[serializers.Asked]) -> Any:
        """What the query says, each name once at most."""
        asked = serializer(data=self.request.query_params.dict())
        asked.is_valid(raise_exception=True)
        return asked


class StaffView(ApiView):
    permission_classes = [permissions.MayByVerb]
    asks: Mapping[str, str] = {"GET": permissions.LOOK}


class Nowhere(ApiView):
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


def payment_or_404(pk: int) -> Payment:
    payment = dossiers.one(pk) if pk <= serializers.HIGHEST_KEY else None
    if payment is None:
        raise errors.not_found(_("There is no such payment."))
    return payment


# -- reading -----------------------------------------------------------------------------------------------------------


class PaymentList(StaffView):
    def get(self, request: Request) -> Response:
        asked = self.queried(serializers.PaymentQuery)
        told = asked.validated_data
        page = dossiers.page(payments.found(asked.wanted), before=told["before"], size=told["size"])
        found = {"next": next_page(request, page.before), "results": page.payments}
        return Response(serializers.PaymentPage(found).data)


class PaymentDetail(StaffView):
    def get(self, request: Request, pk: int) -> Response:
        return Response(serializers.PaymentOut(payment_or_404(pk)).data)


class OperationList(StaffView):
    def get(self, request: Request) -> Response:
        told = self.queried(serializers.OperationQuery).validated_data
        rows = PaymentOperation.objects.select_related("order")
        filters = {
            "source": told["payment"],
            "order_number": told["order"],
            "kind": told["kind"],
            "state": told["state"],
        }
        rows = rows.filter(**{name: value for name, value in filters.items() if value})
        page = paging.page(rows, before=told["before"], size=told["size"])
        return Response(serializers.OperationPage({"next": next_page(request, page.older), "results": page.items}).data)


class OperationDetail(StaffView):
    def get(self, request: Request, pk: int) -> Response:
        rows = PaymentOperation.objects.select_related("order")
        operation = rows.filter(pk=pk).first() if pk <= serializers.HIGHEST_KEY else None
        if operation is None:
            raise errors.not_found(_("There is no such operation."))
        return Response(serializers.OperationOut(operation).data)


class OperationOutcome(StaffView):
    """Staff say how an operation in doubt ended. Said again, it is answered the same."""

    throttle_scope = "cybersource-move"

    @property
    def asks(self) -> Mapping[str, str]:  # type: ignore[override]
        """Whoever records an operation's end needs what the operation itself does."""
        operation = self.operation
        needed = resolution.permissions(operation) if operation else (rules.MOVE_MONEY,)
        return {"POST": f"cybersource.{needed[0]}"}

    @cached_property
    def operation(self) -> PaymentOperation | None:
        pk = self.kwargs["pk"]
        rows = PaymentOperation.objects.select_related("transaction__source__source_type")
        return rows.filter(pk=pk).first() if pk <= serializers.HIGHEST_KEY else None

    def post(self, request: Request, pk: int) -> Response:
        told = self.told(serializers.Outcome)
        if self.operation is None:
            raise errors.not_found(_("There is no such operation."))
        permissions.require(request.user, resolution.permissions(self.operation))
        finding = resolution.Finding(
            took_effect=told["took_effect"], transaction_id=told["transaction_id"], words=told["reason"]
        )
        return Response(serializers.OperationOut(resolution.resolve(pk, finding, user=request.user)).data)


class PaymentMethods(StaffView):
    def get(self, request: Request) -> Response:
        return Response(serializers.Methods({"results": offers.methods()}).data)


# -- moving money ------------------------------------------------------------------------------------------------------


#: Why 2xx is not the answer, by how the operation ended: the HTTP status, and what people are told.
FAILURES: Mapping[str, tuple[int, Callable[[], str]]] = {
    OperationState.DECLINED: (409, lambda: _("CyberSource declined it. Nothing was done.")),
    OperationState.REFUSED: (409, lambda: _("CyberSource refused it. Nothing was done.")),
    OperationState.UNDONE: (409, lambda: _("It was taken back, since its outcome could not be known.")),
    OperationState.DROPPED: (409, lambda: _("It could not be done any more. CyberSource was not asked.")),
    OperationState.NOT_SENT: (503, lambda: _("It never reached CyberSource. Try again, with a new key.")),
}


def ended(operation: PaymentOperation, said: Any, *, again: bool) -> Response:
    """The answer to whoever asked for an operation: 201 it was done, 202 nobody knows yet, else why it was not."""
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
    reason = Detail(code=operation.rest_reason, field="", message=operation.message)
    raise Refusal(status, operation.state, words(), [reason] if operation.rest_reason else [], headers=headers)


class Moving(StaffView):
    """One operation on a payment, or several that belong together: asked under a key, done once."""

    asks = {"POST": permissions.MOVE_MONEY}
    throttle_scope = "cybersource-move"
    asked_by: type[serializers.Operation]
    kind: Kind | None = None

    def post(self, request: Request, pk: int) -> Response:
        key = idempotency.key_of(request)
        told = self.told(self.asked_by)
        what = self.kind or intents.GIVE_BACK
        if before := idempotency.done_under(key, what, pk, told):
            return self.answered(self.gone_on(before), again=True)
        try:
            done = self.do(payment_or_404(pk), key, told)
        except InvalidOperation:
            # Another request with the key may have been quicker, and have done what cannot be done any more.
            if before := idempotency.done_under(key, what, pk, told):
                return self.answered(self.gone_on(before), again=True)
            raise
        return self.answered(done, again=False)

    def gone_on(self, before: list[PaymentOperation]) -> list[PaymentOperation]:
        """What was asked before, after what of it can go on now."""
        return before

    def do(self, payment: Payment, key: str, told: Mapping[str, Any]) -> list[PaymentOperation]:
        assert self.kind is not None
        about = {name: value for name, value in told.items() if name != "transaction"}
        on = dossiers.meant(self.kind, payment.standing, told.get("transaction"))
        permissions.require(self.request.user, rules.permissions(self.kind, payment.standing, on))
        return [operations.ask(self.kind, on, key=key, user=self.request.user, **about)]

    def answered(self, done: list[PaymentOperation], *, again: bool) -> Response:
        (operation,) = done
        return ended(operation, serializers.OperationOut(operation).data, again=again)


class Capture(Moving):
    kind = Kind.CAPTURE
    asked_by = serializers.Capture
    even_if_cancelled = False

    def told(self, asked_by: type[Any]) -> dict[str, Any]:
        told = dict(super().told(asked_by))
        self.even_if_cancelled = told.pop("even_if_cancelled")
        return told

    def do(self, payment: Payment, key: str, told: Mapping[str, Any]) -> list[PaymentOperation]:
        if orders.is_cancelled(payment.order) and not self.even_if_cancelled:
            message = _("The order is cancelled. The shopper would pay for what is not sent.")
            raise InvalidOperation(Problem(code="order-cancelled", field="even_if_cancelled", message=message))
        return super().do(payment, key, told)


class Refund(Moving):
    kind = Kind.REFUND
    asked_by = serializers.Refund


class Void(Moving):
    kind = Kind.VOID
    asked_by = serializers.Void


class Reverse(Moving):
    kind = Kind.REVERSE
    asked_by = serializers.Reverse


class AcceptReview(Moving):
    asks = {"POST": permissions.DECIDE_REVIEW}
    kind = Kind.ACCEPT_REVIEW
    asked_by = serializers.Decision


class RejectReview(Moving):
    asks = {"POST": permissions.DECIDE_REVIEW}
    kind = Kind.REJECT_REVIEW
    asked_by = serializers.Decision


class GiveBack(Moving):
    """Money goes back by a void, a reversal or a refund, whichever the payment's state asks for."""

    asked_by = serializers.GiveBack

    @staticmethod
    def meant(payment: Payment, told: Mapping[str, Any]) -> Any:
        amount, lines = told["amount"], told.get("lines") or {}
        return dossiers.meant_to_go_back(payment.standing, told["transaction"], amount=amount, lines=lines)

    def do(self, payment: Payment, key: str, told: Mapping[str, Any]) -> list[PaymentOperation]:
        about = {name: value for name, value in told.items() if name != "transaction"}
        on = self.meant(payment, told)
        steps = giving_back.plan(payment.standing, on=on, amount=told["amount"], lines=told.get("lines"))
        permissions.require(self.request.user, giving_back.permissions(payment.standing, on, steps))
        return giving_back.give_back(on, key=key + idempotency.OF_PLAN, user=self.request.user, **about)

    def gone_on(self, before: list[PaymentOperation]) -> list[PaymentOperation]:
        return giving_back.go_on(before[0])

    def answered(self, done: list[PaymentOperation], *, again: bool) -> Response:
        """202 until every step has ended; then whether all of it was done, a part of it, or nothing."""
        said = serializers.GivenBack({"operations": done}).data
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
        message = _("Only a part of it was done. Look at the payment, and ask for the rest under a new key.")
        details = [
            Detail(code=one.rest_reason or one.state, field=f"operations.{place}", message=one.message)
            for place, one in enumerate(done)
            if one in failed
        ]
        raise Refusal(409, "part-done", message, details, headers=headers)


class GiveBackPlan(StaffView):
    """What giving back would do now, in words, before anything is done."""

    asks = {"POST": permissions.LOOK}

    def post(self, request: Request, pk: int) -> Response:
        told = self.told(serializers.PlanAsked)
        payment = payment_or_404(pk)
        on = GiveBack.meant(payment, told)
        wanted = {"amount": told["amount"], "lines": told.get("lines")}
        steps = giving_back.foretell(payment.order, payment.standing, on=on, **wanted)
        return Response(serializers.Plan({"steps": steps}).data)


# -- asking CyberSource ------------------------------------------------------------------------------------------------


def silent(outcome: Outcome) -> Refusal:
    """Why CyberSource did not say: it could not be asked, did not answer, or would not."""
    reason, wait = "", errors.RETRY_AFTER
    match outcome:
        case NotSent():
            status, code, words = 503, "not-sent", _("CyberSource could not be reached.")
            reason = outcome.cause
        case Unknown(why=Why.NO_ANSWER):
            status, code, words = 504, "no-answer", _("CyberSource did not answer.")
        case Refused():
            status, code, words = 502, "gateway-refused", _("CyberSource refused to answer.")
            reason, wait = outcome.answer.reason, outcome.retry_after or wait
        case _:
            status, code, words = 502, "gateway-unreadable", _("CyberSource answered what cannot be understood.")
    details = [Detail(code=reason[:64], field="", message=words)] if reason else []
    return Refusal(status, code, words, details, headers={"Retry-After": str(wait)})


class Status(StaffView):
    """What CyberSource's books say of a payment now. Nothing of the shop's changes."""

    asks = {"POST": permissions.LOOK}
    throttle_scope = "cybersource-gateway"

    def post(self, request: Request, pk: int) -> Response:
        wanted = self.told(serializers.StatusAsked)["transaction"]
        payment = payment_or_404(pk)
        reference = dossiers.meant(Kind.CAPTURE, payment.standing, wanted).reference
        try:
            found = enquiries.look_up(reference, order=payment.order, user=request.user)
        except enquiries.NoAnswer as problem:
            raise silent(problem.outcome) from None
        return Response(serializers.StatusOut.of(reference, found.answer if found else None).data)


class ConnectionTest(StaffView):
    """What ``cybersource_check`` tells: a look at the set-up, and a call to CyberSource that moves nothing."""

    asks = {"POST": permissions.TEST_CONNECTION}
    throttle_scope = "cybersource-gateway"

    def post(self, request: Request) -> Response:
        self.told(serializers.Nothing)
        report = diagnosis.run()
        said = {"ok": not report.errors, "errors": report.errors, "warnings": report.warnings}
        return Response(serializers.ConnectionOut({**said, "findings": report.findings}).data)
