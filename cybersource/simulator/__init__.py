"""CyberSource on one's own machine: Secure Acceptance Silent Order POST, REST services, webhooks, Decision Manager.

It shares no code with the app it is played against. The gateway itself needs neither Flask nor a network::

    from cybersource.simulator import Gateway, Profile, Settings

    gateway = Gateway(Settings(profiles=(Profile(receipt_page="http://localhost:8000/reply/"),)))
    answer = gateway.submit("/silent/pay", pairs)

``python -m cybersource.simulator`` serves it, ``cybersource.simulator.pytest_plugin`` gives it to tests.
"""

from cybersource.simulator.faults import Fault, Faults, Plan, Rule, Step
from cybersource.simulator.gateway import Gateway
from cybersource.simulator.records import Answer, Delivery, Notification, Payment, PlannedPost, Refusal
from cybersource.simulator.rest.followon import NotAllowed
from cybersource.simulator.review import Followon, Note, Update, notification_body
from cybersource.simulator.settings import (
    CardMask,
    MerchantPost,
    NotLoopback,
    Processor,
    Profile,
    Settings,
    TokenFormat,
    UnlistedFields,
)

__all__ = [
    "Answer",
    "CardMask",
    "Delivery",
    "Fault",
    "Faults",
    "Followon",
    "Gateway",
    "MerchantPost",
    "NotAllowed",
    "NotLoopback",
    "Note",
    "Notification",
    "Payment",
    "Plan",
    "PlannedPost",
    "Processor",
    "Profile",
    "Refusal",
    "Rule",
    "Settings",
    "Step",
    "TokenFormat",
    "UnlistedFields",
    "Update",
    "notification_body",
]
