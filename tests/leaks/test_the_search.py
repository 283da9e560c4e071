"""The search of ``test_nothing_leaks.py`` finds what there is to find, in every place where it looks."""

from __future__ import annotations

import logging

import pytest
from django.core import mail
from django.core.cache import cache
from oscarapicheckout.signals import order_placed

from cybersource.models import RefusedPost
from tests.leaks.canaries import CARDS, CVN, CVN4, KEYS, SHOPPER, search, written
from tests.leaks.world import World, opened


@pytest.mark.parametrize("how", written(CARDS["Visa"]))
@pytest.mark.parametrize("brand", CARDS)
def test_the_search_finds_a_card_number_however_it_is_written(brand, how):
    text = written(CARDS[brand])[how]
    for around in ("{}", "x={}&y", "('{}')", '"note"=>"{}"', "<td>{}</td>"):
        assert search(around.format(text)), around
    assert search(repr({"a": text}))
    assert search(text.encode("unicode_escape").decode())


@pytest.mark.parametrize("number", CARDS.values())
def test_the_search_lets_a_masked_number_pass_and_no_half_masked_one(number):
    hidden = "x" * (len(number) - 10)
    assert not search(f"{number[:6]}{hidden}{number[-4:]} xxxxxxxxxxxx{number[-4:]}")
    assert search(f"{number[:7]}{hidden}{number[-4:]}")
    assert search(f"{number[:6]}{hidden}{number[-5:]}")


@pytest.mark.parametrize("code", [CVN, CVN4])
def test_the_search_finds_a_security_code_as_a_value_only(code):
    for text in (
        f"card_cvn={code}&x",
        f"'{code}'",
        f'"cvn": "{code}"',
        f"<td>{code}</td>",
        f"\t{code}\t",
        f"it is {code}.",
    ):
        assert search(text), text
    for text in (f"12:00:00.{code}", f"1{code}", f"ab{code}cd", f"7f-{code}-4e", f"/{code}/"):
        assert not search(text), text


@pytest.mark.parametrize("name", KEYS)
def test_the_search_finds_a_key_by_either_end_and_encoded(name):
    key = KEYS[name]
    for text in (key, key[:20], key[-20:], f"b{key.encode()!r}", key.encode().hex()):
        assert [found.canary for found in search(f"…{text}…")] == [name]


def careless(world: World) -> None:
    """A shop that does everything wrong."""
    everything = " | ".join([CARDS["JCB"], f"'{CVN}'", *KEYS.values(), *SHOPPER.values(), *world.session_ids])
    logging.getLogger("anything").debug("A shopper came: %s", everything)
    RefusedPost.objects.create(rule="planted", summary={"planted": everything})
    cache.set("planted", everything)
    mail.send_mail("planted", everything, None, ["boss@shop.example"])
    session = world.staff.session
    session["planted"] = everything
    session.save()
    world.command("dumpdata", "cybersource.RefusedPost")
    world.gateway._memory.payments.append(everything)
    world.staff.get("/admin/cybersource/refusedpost/")

    def receiver(sender, **kwargs):
        held = everything
        raise RuntimeError(len(held))

    order_placed.connect(receiver)
    try:
        shopper = world.shopper()
        shopper.fill_basket()
        shopper.client.post("/api/checkout/", shopper.payload(), content_type="application/json")
    finally:
        order_placed.disconnect(receiver)


def test_what_a_careless_shop_writes_down_is_found_in_every_place(committed_db):
    with opened() as world:
        world.play("careless", careless, debug=True)
        world.look_around()
        cache.clear()
        found = {(each.kind, each.canary) for each in world.found()}
    planted = {"card number (JCB)", "security code", *KEYS}
    for kind in (
        "log",
        "sql",
        "error report",
        "error page",
        "mail",
        "table",
        "session",
        "cache",
        "command",
        "simulator",
    ):
        assert {(kind, canary) for canary in planted} <= found, kind
    assert {("dump", canary) for canary in planted} <= found
    for kind in ("log", "sql", "table", "session", "cache", "command"):
        assert {(kind, f"shopper's {name}") for name in SHOPPER} <= found, kind
        assert (kind, "session id") in found, kind
