"""``Idempotency-Key``: money is asked for under a key, and asked again under the same key it is not moved again.

A key belongs to the user who sent it. What is kept is a hash, in ``PaymentOperation.key``, whose column is unique: of
twenty requests with one key that come at once, one writes the operation and the others are told of it. What was not
begun is not kept: when it is asked again, it is looked at anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.request import Request

from ..models import PaymentOperation
from ..operations import plans, requests
from ..payments import operation_queue
from .errors import ErrorDetail, Refusal

NAME = "Idempotency-Key"

#: Of operations that give something back step by step; each step has the number of its turn behind it.
OF_PLAN = ".g"

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


def done_under(key: str, what: str, payment: int, told: Mapping[str, Any]) -> list[PaymentOperation]:
    """Return what was asked under the key before, in order; empty for a new key. Refuses a key of something else.

    ``what`` is the kind of an operation, or that of a plan; ``told`` is the body. A transaction that is left out is the
    only one that comes into question.
    """
    found = PaymentOperation.objects.filter(key__in=(key, key + OF_PLAN)).select_related("order").first()
    if found is None:
        return []
    steps = plans.steps_of(found)
    asked = {**told, "transaction_id": told.get("transaction") or found.asked.get("transaction")}
    asked.pop("transaction", None)
    if found.source_id not in (payment, None) or not operation_queue.is_same(steps, requests.wish(what, **asked)):
        message = _("This key was used for something else. Use a new one.")
        raise Refusal(422, "key-reused", message, [detail("key-reused", message)])
    return steps
