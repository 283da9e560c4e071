"""What waits to be sent is sent once, by whoever claims its row."""

from __future__ import annotations

from ..db import clock
from ..gateway.lookup import GatewayUnavailable
from ..models import OperationState, PaymentOperation, endpoint_now, environment_now
from ..payments import reason_codes
from . import service, unknown

State = OperationState


def send_queued(operation: PaymentOperation) -> PaymentOperation | None:
    """Send an operation that waits for it; None where it is not its turn, or another process was quicker.

    Raises :class:`~cybersource.gateway.lookup.GatewayUnavailable` when our key is not believed: then it goes on
    waiting, and so do the others.
    """
    sent = service.take_up(operation.pk) if operation.plan else claim_and_send(operation)
    if sent is not None and sent.state == State.QUEUED and sent.rest_reason == reason_codes.NOT_BELIEVED:
        unknown.list_unknown(sent)
        raise GatewayUnavailable(f"operation {sent.reference_number}: CyberSource does not believe our key")
    return sent


def claim_and_send(operation: PaymentOperation) -> PaymentOperation | None:
    """Send an operation that was written down for later, unless another process claimed it."""
    now = clock.now()
    waiting = PaymentOperation.objects.filter(pk=operation.pk, state=State.QUEUED)
    where = {"environment": environment_now(), "endpoint": endpoint_now()}
    if not waiting.update(state=State.SENT, date_sent=now, look_ups=0, **where):
        return None
    operation.state, operation.date_sent = State.SENT, now
    return service.send(operation)
