"""Webhooks: subscriptions, the events of all doors, and signed deliveries. Described in ``docs/reference``."""

from cybersource.simulator.webhooks.faults import WebhookFault, WebhookFaults
from cybersource.simulator.webhooks.switches import PayloadShape, Signed, WebhookSwitches

__all__ = ["PayloadShape", "Signed", "WebhookFault", "WebhookFaults", "WebhookSwitches"]
