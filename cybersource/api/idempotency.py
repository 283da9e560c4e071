"""``Idempotency-Key``: money is asked for under a key, and asked again under the same key it is not moved again.

A key belongs to the user who sent it. What is kept is a hash, in ``PaymentOperation.key``, whose column is unique: of
twenty requests with one key that come at once, one writes the operation and the others are told of it. What was not
begun is not kept: when it is asked again, it is looked at anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.translation import gettext as _
from rest_framework.request import Request

from .. import card_numbers
from ..models import PaymentOperation, clipped
from .errors import Detail, Refusal

NAME = "Idempotency-Key"

#: Of operations that give something back step by step; each step has the number of its turn behind it.
OF_PLAN = ".g"

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request asks, as far as another request under the same key has to ask the same."""

    kind: str  #: empty for a plan, whose kinds are not the caller's to choose
    payment: int
    transaction: int | None = None
    amount: Decimal | None = None
    lines: Mapping[int, int] = field(default_factory=dict)
    is_last: bool = False
    reason: str = ""
    reference: str = ""

    def is_what(self, operations: Sequence[PaymentOperation]) -> bool:
        """Whether these operations are what came of the same. What was left open then may be named now."""
        first = operations[0]
        words = clipped(
            PaymentOperation,
            reason=card_numbers.mask("message", self.reason),
            reference=card_numbers.mask("message", self.reference),
        )
        lines = {str(line): quantity for line, quantity in self.lines.items()}
        return (
            first.source_id == self.payment
            and self.kind in ("", first.kind)
            and self.transaction in (None, *(one.transaction_id for one in operations))
            and (self.amount is None or any(one.amount == self.amount for one in operations))
            and any((one.lines or {}) == lines for one in operations)
            and (first.is_last or not self.is_last)  # what took all that was left was the last, whatever was asked
            and (first.reason, first.reference) == (words["reason"], words["reference"])
        )


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


def detail(code: str, message: str) -> Detail:
    return Detail(code=code, field=NAME, message=message)


def done_under(key: str, asked: Asked) -> list[PaymentOperation]:
    """Return what was asked under the key before, in order; empty for a new key. Refuses a key of something else."""
    found = list(PaymentOperation.objects.filter(key__startswith=key).select_related("order").order_by("pk"))
    is_plan = [(one.key or "").startswith(key + OF_PLAN) for one in found]
    if found and (any(is_plan) != (not asked.kind) or not asked.is_what(found)):
        message = _("This key was used for something else. Use a new one.")
        raise Refusal(422, "key-reused", message, [detail("key-reused", message)])
    return found
