"""The rooms: where the money code is, and which tests are about it. The one table to change when files move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    modules: tuple[str, ...]  #: under ``cybersource``
    tests: tuple[str, ...]  #: folders or files under ``tests``, tried before all others


ROOMS = {
    "payments": Room(
        modules=(
            "payments.amounts",
            "payments.attempts",
            "payments.attention",
            "payments.attention_list",
            "payments.balance",
            "payments.calculator",
            "payments.cancellation",
            "payments.discounts",
            "payments.discrepancies",
            "payments.expiry",
            "payments.ledger",
            "payments.line_quantities",
            "payments.operation_queue",
            "payments.order_allocations",
            "payments.orders",
            "payments.outbox",
            "payments.retry_allocations",
            "payments.settlement",
            "payments.stock",
        ),
        tests=(
            "payments",
            "properties",
        ),
    ),
    "operations": Room(
        modules=(
            "operations.bookkeeping",
            "operations.calls",
            "operations.detail",
            "operations.explanations",
            "operations.found",
            "operations.idempotency",
            "operations.kinds",
            "operations.lost_calls",
            "operations.money_back",
            "operations.operation_request",
            "operations.order_effects",
            "operations.plans",
            "operations.requests",
            "operations.resolution",
            "operations.results",
            "operations.rules",
            "operations.search",
            "operations.sending",
            "operations.service",
            "operations.stored_card",
            "operations.unknown",
        ),
        tests=(
            "operations",
            "properties",
        ),
    ),
    "reconciliation": Room(
        modules=(
            "reconciliation.attempts",
            "reconciliation.comparison",
            "reconciliation.operations",
            "reconciliation.run",
            "reconciliation.webhook_events",
            "gateway.lookup",
        ),
        tests=("reconciliation",),
    ),
    "reviews": Room(
        modules=(
            "reviews.conversion_report",
            "reviews.decisions",
            "reviews.followons",
            "reviews.inbox",
            "reviews.matching",
            "reviews.recording",
        ),
        tests=("reviews",),
    ),
    "inbound": Room(
        modules=(
            "inbound.body",
            "inbound.rejected",
            "inbound.replies",
            "inbound.webhooks",
        ),
        tests=(
            "inbound",
            "faults/test_posts.py",
        ),
    ),
    "checkout": Room(
        modules=(
            "checkout.begin",
            "checkout.forms",
            "checkout.payment_request",
        ),
        tests=(
            "checkout",
            "payments",
        ),
    ),
}

#: All tests that may notice a fault. Those of pages, packages, the simulator and the protocol look elsewhere.
TESTS = (
    "payments",
    "operations",
    "reconciliation",
    "reviews",
    "inbound",
    "checkout",
    "gateway",
    "limits",
    "dashboard",
    "api",
    "properties",
    "faults/test_around_it.py",
    "faults/test_every_write.py",
    "faults/test_posts.py",
)
#: They take long and say nothing about what the code does, or look at it from outside.
LEFT_OUT = (
    "api/test_schema.py",
    "checkout/test_languages.py",
    "inbound/test_profile_keys.py",
)
