"""``Idempotency-Key``: money is asked for under a key, and asked again under the same key it is not moved again.

A key belongs to the user who sent it. What is kept is a hash, in ``PaymentOperation.key``, whose column is unique: of
twenty requests with one key that come at once, one writes the operation and the others are told of it. What was not
begun is not kept: when it is asked again, it is looked at anew.
"""

from __future__ import annotations

import hashlib
import re

from django.utils.translation import gettext as _
from rest_framework.request import Request

from ..models import PaymentOperation
from ..operations import idempotency
from ..operations.operation_request import OperationRequest
from ..payments.errors import InvalidOperation
from .errors import ErrorDetail, Refusal

NAME = "Idempotency-Key"

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(request: Request) -> str:
    """Return the key under which an operation of this request is kept, or refuse the request."""
    told = request.headers.get(NAME, "")
    if not told:
        message = _("Send an Idempotency-Key with whatever moves money, a new one for each thing you want.")
        raise Refusal(400, "idempotency-key-missing", message, [detail("idempotency-key-missing", message)])
    if not _KEY.fullmatch(told):
        message = _("An Idempotency-Key is 1 to 255 visible ASCII characters.")
        raise Refusal(400, "idempotency-key-invalid", message, [detail("idempotency-key-invalid", message)])
    return "api:" + hashlib.sha256(f"{request.user.pk}\n{told}".encode()).hexdigest()[:54]


def detail(code: str, message: str) -> ErrorDetail:
    return ErrorDetail(code=code, field=NAME, message=message)


def done_under(wanted: OperationRequest, *, payment: int) -> list[PaymentOperation]:
    """Return what was asked of a payment under the key before, in order; empty for a new key. Refuses another's key."""
    try:
        return idempotency.steps_under(wanted.key, wanted.as_json(), payment=payment)
    except InvalidOperation:
        message = _("This key was used for something else. Use a new one.")
        raise Refusal(422, "key-reused", message, [detail("key-reused", message)]) from None
