"""A key stands for one operation or one plan: asked again under it, what was asked first is returned.

Keys are the caller's to choose. The column is unique, so of several requests with one key that come at once, one writes
the operation and the others find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import IntegrityError
from django.utils.translation import gettext as _

from ..db import locks
from ..models import PaymentOperation
from ..payments.errors import InvalidOperation, Problem
from . import plans
from .operation_request import in_digits

T = TypeVar("T")

#: What may be left open when it is asked, and named when it is asked again under the same key.
LEFT_OPEN = (None, "", {})


def begin_once(begin: Callable[[], T], key: str) -> T:
    """Begin what is asked under a key, in a transaction of its own that ``begin`` opens."""
    try:
        return locks.retry_on_conflict(begin)
    except IntegrityError:
        if not key:
            raise
    return locks.retry_on_conflict(begin)  # another request with the key was a moment quicker: it is found now


def steps_under(key: str, asked: Mapping[str, Any], *, payment: int | None = None) -> list[PaymentOperation]:
    """Return the operation that was asked under this key, with all steps of its plan; empty for a new key or none.

    ``asked`` as the row keeps it; a transaction that is left out is the one that was meant. ``payment`` is the id of
    the Source that it has to be about. Raises :class:`~cybersource.payments.errors.InvalidOperation` for a key of
    something else, and for one that is longer than its column: cut, it would be another's.
    """
    longest = PaymentOperation._meta.get_field("key").max_length
    if longest is not None and len(key) > longest:
        message = _("A key has at most %(longest)s characters.") % {"longest": longest}
        raise InvalidOperation(Problem(code="key-too-long", field="key", message=message))
    first = PaymentOperation.objects.filter(key=key).select_related("order").first() if key else None
    if first is None:
        return []
    steps = plans.steps_of(first)
    if asked.get("transaction", 0) is None:
        asked = {**asked, "transaction": first.asked.get("transaction")}
    is_elsewhere = payment is not None and first.source_id not in (payment, None)
    if is_elsewhere or steps[0].pk != first.pk or not is_same(steps, asked):
        message = _("This key was used for another operation (%(number)s). Use a new one.")
        words = {"number": first.reference_number}
        raise InvalidOperation(Problem(code="key-reused", field="key", message=message % words))
    return steps


def is_same(steps: Sequence[PaymentOperation], asked: Mapping[str, Any]) -> bool:
    """Whether these operations, the first of which has the key, came of what is asked now.

    What was left open then may be named now as what it came to; whatever else differs is another request.
    """
    before = steps[0].asked
    came_to = {
        "amount": {in_digits(one.amount) for one in steps},
        "currency": {one.currency for one in steps},
        "transaction": {one.transaction_id for one in steps},
    }
    return set(before) == set(asked) and all(
        value == before[name] or (before[name] in LEFT_OPEN and value in came_to.get(name, ()))
        for name, value in asked.items()
    )


def latest_under(key: str, operations: Iterable[PaymentOperation]) -> PaymentOperation | None:
    """Return the operation, among those of a payment, that was asked under a key; of a plan its last step sent."""
    found = [one for one in operations if one.key and one.key.partition(".")[0] == key]
    return found[-1] if found else None
