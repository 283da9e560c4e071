"""No card number, no security code and no key is ever written down, and an address only where it belongs.

One day in one shop (``day.py``): every path of a payment and every failure, with canaries in all that is typed, posted
and stored. Then all that was written anywhere is searched: log records down to the SQL statements, error reports,
pages, mails, tables, sessions, the cache, what commands say, what the simulator remembers, and a dump of the database.
"""

from __future__ import annotations

import pytest

from tests.conftest import empty_tables
from tests.leaks.day import DEBUG, SCENES
from tests.leaks.world import World, opened


@pytest.fixture(scope="module")
def day(django_db_setup, django_db_blocker):
    """Every scenario, one after the other, in one shop; then everything that was written anywhere."""
    with django_db_blocker.unblock(), opened() as world:
        try:
            for name, scene in SCENES.items():
                for debug in DEBUG[name]:
                    world.play(name, scene, debug=debug)
            world.look_around()
            yield world
        finally:
            empty_tables()


@pytest.mark.parametrize("name", [*SCENES, "afterwards"])
def test_nothing_is_found_of_a_card_a_key_or_a_shopper(day: World, name: str):
    pieces = [piece for piece in day.pieces if piece.scenario.removesuffix(" (DEBUG)") == name]
    assert pieces
    assert [str(found) for found in day.found(pieces)] == []


def test_the_day_wrote_something_of_every_kind_to_search(day: World, record_property):
    sizes: dict[str, list[int]] = {}
    for piece in day.pieces:
        sizes.setdefault(piece.kind, []).append(len(piece.text))
    told = {kind: f"{len(found)} pieces, {sum(found)} characters" for kind, found in sorted(sizes.items())}
    record_property("searched", told)
    print(told, len(day.session_ids), "session ids")
    assert told.keys() >= {
        "log", "sql", "error report", "error page", "page", "mail", "table", "session", "command", "simulator", "dump"
    }  # fmt: skip
    assert len(day.errors) >= 30
    assert len(day.session_ids) >= 10
    assert {"cybersource_cybersourcereply", "cybersource_refusedpost", "cybersource_reviewnotification"} <= {
        piece.where for piece in day.pieces if piece.kind == "table"
    }


def test_every_crash_that_was_meant_to_happen_happened(day: World):
    crashed = {piece.scenario for piece in day.pieces if piece.kind in ("error page", "error report")}
    assert {name for name in SCENES if DEBUG[name] != (True,)} - {
        name.removesuffix(" (DEBUG)") for name in crashed
    } == set()
