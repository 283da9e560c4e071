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
            "payments standing settlement ledger orders expiry cancellation attention worklist order_allocations "
            "intents announcements"
        ).split(),
        tests=("domain", "laws"),
    ),
    "operations": Room(
        modules="operations rules plans giving_back authorizations".split(),
        tests=("domain", "laws"),
    ),
    "reconciliation": Room(
        modules="reconciliation recovery adoption drift enquiries webhooks".split(),
        tests=("domain", "edges/test_webhooks.py", "edges/test_webhooks_command.py"),
    ),
    "reviews": Room(
        modules="reviews conversions".split(),
        tests=("domain", "edges/test_review_notification.py"),
    ),
    "inbound": Room(
        modules="replies deliveries evidence posts".split(),
        tests=("domain", "edges", "faults/test_posts.py"),
    ),
    "checkout": Room(
        modules=("checkout",),
        tests=("domain", "edges"),
    ),
}

#: All tests that may notice a fault. Those of pages, packages, the simulator and the protocol look elsewhere.
TESTS = ("domain", "edges", "laws", "faults/test_around_it.py", "faults/test_every_write.py", "faults/test_posts.py")
#: They take long and say nothing about what the code does, or look at it from outside.
LEFT_OUT = (
    "edges/test_api_schema.py",
    "edges/test_connection_test.py",
    "edges/test_project_settings.py",
    "edges/test_translations.py",
    "edges/test_checks.py",
    "domain/test_whose_key.py",
    "domain/test_languages.py",
)
