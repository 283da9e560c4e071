"""Webhooks: subscriptions, the events of all channels, and signed deliveries. Described in ``docs/reference``."""

from cybersource.simulator.webhook_switches import PayloadShape, Signed, WebhookSwitches
from cybersource.simulator.webhooks.faults import WebhookFault, WebhookFaults

__all__ = ["PayloadShape", "Signed", "WebhookFault", "WebhookFaults", "WebhookSwitches"]
