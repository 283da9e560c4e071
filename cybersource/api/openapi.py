"""The API's own description, OpenAPI 3, for shops that have drf-spectacular installed (``[openapi]``).

What an address does, takes and answers stands in :data:`TABLE`; the shapes are those of :mod:`.serializers`, so they
are described by what makes them. A shop that describes all of its API with drf-spectacular finds ours described too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import include, path, reverse
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ..connection_test import Area, Level
from ..models import OperationState, PaymentOperation
from ..operations.detail import TYPES, word
from ..payments.balance import TransactionStatus
from . import idempotency, permissions, requests, responses, views

#: Settings of drf-spectacular for our description alone.
SETTINGS: Mapping[str, Any] = {
    "TITLE": "Card payments by CyberSource",
    "DESCRIPTION": (
        "Payments are listed and read, money is captured, refunded, voided and reversed, CyberSource is asked.\n\n"
        "Whatever moves money takes an `Idempotency-Key`. It is answered with 201 when it was done, with 202 and a "
        "`Location` to look at when nobody knows yet, and with an error when nothing was done.\n\n"
        "Every error has one shape: `code` for programs, `message` for people, and `details`. "
        "No address takes a card number: one that is sent is refused with 400 and the code `card-number`."
    ),
    "VERSION": "1",
    "ENUM_NAME_OVERRIDES": {
        "CybersourcePaymentState": requests.STATES,
        "CybersourceOperationState": OperationState.choices,
        "CybersourceOperationKind": PaymentOperation.Kind.choices,
        "CybersourceTransactionType": [*TYPES.values(), "other"],
        "CybersourceStanding": [word(standing) for standing in TransactionStatus],
        "CybersourceWhose": responses.WHOSE,
        "CybersourceArea": Area.choices,
        "CybersourceLevel": [level.value for level in Level],
    },
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "COMPONENT_SPLIT_REQUEST": False,
}

TAG = "cybersource"

#: Why an address may refuse, by HTTP status, with some of the codes it then says.
WHY = {
    400: "Not understood: `invalid`, `unreadable`, `card-number`, `idempotency-key-missing`, …",
    401: "`not-authenticated`, `authentication-failed`.",
    403: "`permission-denied`, `csrf-failed`.",
    404: "`not-found`.",
    406: "`not-acceptable`.",
    409: (
        "Not possible as things are: `wrong-state`, `under-way`, `stale`; or CyberSource would not: `declined`, "
        "`refused` (its reason is the code of the detail)."
    ),
    413: "`too-large`.",
    415: "`unsupported-media-type`.",
    422: "Understood, and makes no sense here: `amount-too-high`, `line-quantity`, `key-reused`, …",
    429: "`throttled`. `Retry-After` says how long to wait.",
    500: "`internal-error`.",
    502: "CyberSource answered, and not what was asked: `gateway-refused`, `gateway-unreadable`.",
    503: "`unavailable`, `not-configured`, `not-sent`.",
    504: "CyberSource did not answer: `no-answer`.",
}

ALWAYS = (400, 401, 403, 404, 406, 413, 429, 500, 503)


#: What stands in an address: name, type, limits and words.
IN_PATH: Sequence[tuple[str, str, Mapping[str, Any], str]] = (
    ("id", "integer", {"minimum": 1, "maximum": requests.HIGHEST_KEY}, "As the lists tell it."),
    ("number", "string", {"pattern": "^[A-Za-z0-9_-]{1,64}-[A-Z2-7]{10}$"}, "Of the receipt."),
)


@dataclass(frozen=True, kw_only=True)
class Described:
    """One verb of one address."""

    id: str
    summary: str
    answers: Mapping[int, tuple[Any, str]]
    asks: str = ""  #: the permission
    query: Any = None
    body: Any = None
    moves: bool = False  #: takes an Idempotency-Key
    refuses: Sequence[int] = ()
    html: bool = False


def moving(id: str, summary: str, body: Any, *, asks: str = permissions.MOVE_MONEY, said: Any = None) -> Described:
    said = said or responses.OperationOut
    answers = {201: (said, "It was done."), 202: (said, "Nobody knows yet. Look at `Location` until it has ended.")}
    return Described(id=id, summary=summary, answers=answers, asks=asks, body=body, moves=True, refuses=(409, 422))


def asking(id: str, summary: str, said: Any, body: Any, *, asks: str = permissions.LOOK) -> Described:
    refuses = (422, 502, 504)
    return Described(id=id, summary=summary, answers={200: (said, "")}, asks=asks, body=body, refuses=refuses)


def reading(id: str, summary: str, said: Any, *, asks: str = permissions.LOOK, **more: Any) -> Described:
    return Described(id=id, summary=summary, answers={200: (said, "")}, asks=asks, **more)


#: By the name of the view and the verb.
TABLE: Mapping[tuple[str, str], Described] = {
    ("PaymentListView", "GET"): reading(
        "payments", "List payments, newest first.", responses.PaymentPage, query=requests.PaymentQuery
    ),
    ("PaymentDetailView", "GET"): reading("payment", "Read one payment with all its steps.", responses.PaymentOut),
    ("CaptureView", "POST"): moving("capture", "Take money that an authorization holds.", requests.CaptureRequest),
    ("RefundView", "POST"): moving("refund", "Give back money that was captured.", requests.RefundRequest),
    ("VoidView", "POST"): moving(
        "void", "Take back a capture or a refund before it goes to the bank.", requests.VoidRequest
    ),
    ("ReverseView", "POST"): moving("reverse", "Release what an authorization still holds.", requests.ReverseRequest),
    ("CancelOrRefundView", "POST"): moving(
        "giveBack",
        "Cancel or refund by a void, a reversal or a refund, whichever the payment's state asks for.",
        requests.CancelOrRefundRequest,
        said=responses.CancelOrRefundOut,
    ),
    ("CancelOrRefundPreviewView", "POST"): Described(
        id="planGiveBack",
        summary="Preview what a cancel-or-refund would do now. Nothing is done.",
        answers={200: (responses.PlanOut, "No steps: there is nothing to cancel or refund.")},
        asks=permissions.LOOK,
        body=requests.CancelOrRefundPreviewRequest,
        refuses=(409, 422),
    ),
    ("AcceptReviewView", "POST"): moving(
        "acceptReview",
        "Decide for a payment under review.",
        requests.ReviewDecisionRequest,
        asks=permissions.DECIDE_REVIEW,
    ),
    ("RejectReviewView", "POST"): moving(
        "rejectReview",
        "Decide against a payment under review.",
        requests.ReviewDecisionRequest,
        asks=permissions.DECIDE_REVIEW,
    ),
    ("StatusView", "POST"): asking(
        "status",
        "Ask CyberSource how a transaction stands. Nothing of the shop's changes.",
        responses.StatusOut,
        requests.StatusRequest,
    ),
    ("OperationListView", "GET"): reading(
        "operations", "List operations, newest first.", responses.OperationPage, query=requests.OperationQuery
    ),
    ("OperationDetailView", "GET"): reading(
        "operation", "Read one operation: how it ended, or that nobody knows yet.", responses.OperationOut
    ),
    ("OperationOutcome", "POST"): Described(
        id="recordOutcome",
        summary="Record how an operation in doubt ended, as the Business Center shows it.",
        answers={200: (responses.OperationOut, "It is recorded, or was before.")},
        asks=permissions.MOVE_MONEY,
        body=requests.OutcomeRequest,
        refuses=(409, 422),
    ),
    ("PaymentMethodsView", "GET"): reading(
        "paymentMethods", "List the ways to pay that the shop offers.", responses.MethodsOut
    ),
    ("ConnectionTestView", "POST"): asking(
        "testConnection",
        "Look at the set-up, and make a call to CyberSource that moves nothing.",
        responses.ConnectionOut,
        requests.EmptyRequest,
        asks=permissions.TEST_CONNECTION,
    ),
    ("OwnReceiptsView", "GET"): reading(
        "ownPayments",
        "List one's own payments, newest first.",
        responses.ReceiptPage,
        query=requests.OwnReceiptQuery,
        asks="",
    ),
    ("ReceiptView", "GET"): reading(
        "receipt",
        "Read one's own receipt, as JSON or as a page to print.",
        responses.ReceiptOut,
        query=requests.ReceiptQuery,
        asks="",
        html=True,
    ),
}


class OurSchema(AutoSchema):
    """Reads what is said of a view from :data:`TABLE`."""

    @property
    def described(self) -> Described:
        return TABLE[type(self.view).__name__, self.method]

    def is_excluded(self) -> bool:
        return (type(self.view).__name__, self.method) not in TABLE

    def get_operation_id(self) -> str:
        return f"{TAG}_{self.described.id}"

    def get_tags(self) -> list[str]:
        return [TAG]

    def get_summary(self) -> str:
        return self.described.summary

    def get_description(self) -> str:
        asks = self.described.asks
        return f"Asks for the permission `{asks}`." if asks else "For the owner of the order only."

    def get_request_serializer(self) -> Any:
        return self.described.body

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        """A shop may have an Error and a Refund of its own."""
        return f"Cybersource{type(serializer).__name__}"

    def _map_serializer(self, serializer: Any, *args: Any, **kwargs: Any) -> Any:
        found = super()._map_serializer(serializer, *args, **kwargs)
        return {**found, "additionalProperties": False} if isinstance(serializer, requests.StrictSerializer) else found

    def get_response_serializers(self) -> Any:
        what = self.described
        refuses = sorted({*ALWAYS, *what.refuses, *((415,) if what.body else ())})
        answers: dict[Any, Any] = {
            (status, "application/json"): OpenApiResponse(said, words) for status, (said, words) in what.answers.items()
        }
        if what.html:
            answers[200, "text/html"] = OpenApiResponse({"type": "string"}, "The receipt as a page of the shop.")
        for status in refuses:
            answers[status, "application/json"] = OpenApiResponse(responses.ErrorOut, WHY[status])
            if what.html:
                answers[status, "text/html"] = OpenApiResponse({"type": "string"}, WHY[status])
        return answers

    def get_override_parameters(self) -> list[Any]:
        what = self.described
        found: list[Any] = [what.query] if what.query else []
        found += [
            OpenApiParameter(name, {"type": kind, **limits}, OpenApiParameter.PATH, description=description)
            for name, kind, limits, description in IN_PATH
            if f"{{{name}}}" in self.path
        ]
        statuses = [str(status) for status in what.answers]
        if what.moves:
            found += [
                OpenApiParameter(
                    idempotency.NAME,
                    {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
                    OpenApiParameter.HEADER,
                    required=True,
                    description="A new one for each thing you want. Asked again under it, nothing is done twice.",
                ),
                header("Location", "Address of the operation, where there is one.", [*statuses, "409", "503"]),
                header("Idempotent-Replayed", "`true`: asked under the key before.", [*statuses, "409", "503"]),
            ]
        return [*found, header("Retry-After", "Seconds to wait.", ["202", "409", "429", "502", "503", "504"])]


def header(name: str, description: str, statuses: Sequence[str]) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, response=list(statuses), description=description)


class MoneyExtension(OpenApiSerializerFieldExtension):
    """An amount that is said: text."""

    target_class = "cybersource.api.responses.MoneyField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "example": "69.50"}


class AmountExtension(OpenApiSerializerFieldExtension):
    """An amount that is asked: text or a number."""

    target_class = "cybersource.api.requests.RequestedAmountField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$", "example": "12.50"}


class TextExtension(OpenApiSerializerFieldExtension):
    """Words that are asked."""

    target_class = "cybersource.api.requests.TextField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.target.max_length, "pattern": r"^[^\u0000]*$"}


views.ApiView.schema = OurSchema()

_one_at_a_time = Lock()  # the settings are patched for the whole process meanwhile


class Description(views.StaffView):
    """The description itself."""

    def get(self, request: Request) -> Response:
        mount = reverse("cybersource-api-payments").removeprefix("/").removesuffix("payments/")
        with _one_at_a_time, patched_settings(dict(SETTINGS)):
            generator = SchemaGenerator(patterns=[path(mount, include("cybersource.api.urls"))])
            return Response(generator.get_schema(request=None, public=True))


def schema_view() -> Callable[..., HttpResponseBase]:
    return Description.as_view()
