"""Every order and repetition of up to four deliveries ends in the same rows.

What CyberSource may tell of an attempt: accepted, declined, under review, unknown; one attempt may end in several of
them, when a shopper goes back and posts the form again after the quarter of an hour in which that is a duplicate. The
deliveries come by both URLs in turn. Everything that is money, and whether the order is paid, depends only on *what*
was told. The order of arrival may make these differences and no other; ``Truth`` says for each sequence which:

* an order that is not paid is declined if a decline found its attempt without money, and not if it came after the money
  (a late decline undoes nothing), nor while reviewers may yet release enough for the order;
* a charge is put before staff if it came after the order was paid, after its attempt was declined or replaced, or after
  another charge of its attempt; the first to come is the one the order waited for;
* of several endings of one attempt it shows the first that holds money, else the first refusal, else the doubt;
* a doubt is noted where it is news, and staff are asked about its transaction once another has ended the attempt;
* the voucher is given back, and another attempt on the order replaced, only where the order was declined.

A delivery told again changes no row but the log. So a sequence with a repetition ends as the one without, and the walk
need not go on from it. ``CYBERSOURCE_TESTS=thorough`` walks through all sequences, else some fixed ones.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from oscarapicheckout.serializers import OrderTokenField

from cybersource.models import PaymentAttempt
from cybersource.simulator import cards
from tests.properties.rows import THOROUGH, Ending, Moment
from tests.support.shop import MERCHANT_POST, ONE_CARD, Shopper, post_reply, two_cards, voucher

LONGEST = 4
#: What a delivery says.
WORDS = {
    "A": {"decision": "ACCEPT", "reason_code": "100"},
    "D": {"decision": "DECLINE", "reason_code": "203", "auth_amount": ""},
    "R": {"decision": "REVIEW", "reason_code": "480"},
    "U": {"decision": "ERROR", "reason_code": "151", "auth_amount": ""},
}

Told = tuple[str, ...]  #: such as ("D1", "A2", "A1"): attempt 1 declined, attempt 2 accepted, attempt 1 accepted


@dataclass
class World:
    """An order with one or two attempts, and every reply that may come to them, signed by the simulator."""

    shopper: Shopper
    order: Any
    states: dict[str, str]  #: of each attempt, before anything is told
    replies: dict[str, Any] = field(default_factory=dict)
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        attempts = PaymentAttempt.objects.filter(order=self.order).order_by("pk")
        assert [attempt.state for attempt in attempts] == list(self.states.values())
        self.order.refresh_from_db()
        for number, attempt in zip(self.states, attempts, strict=True):
            self.amounts[number] = attempt.amount
            for letter, said in WORDS.items():
                name = letter + number
                self.replies[name] = self.shopper.reply(attempt, transaction_id=reference(name), **said)

    def tell(self, name: str, place: int) -> None:
        """One delivery, by the browser or by the server, in turn."""
        url, wanted = (MERCHANT_POST, 200) if place % 2 else ("/api/cybersource/cybersource-reply/", 303)
        assert post_reply(self.replies[name], url=url).status_code == wanted


def reference(name: str) -> str:
    return f"73000000000000000000{'ADRU'.index(name[0])}{name[1]}"


def with_a_voucher() -> Shopper:
    shopper = Shopper()
    shopper.fill_basket("100.00")
    posted = shopper.client.post("/api/basket/add-voucher/", {"vouchercode": voucher("SAVE")})
    assert posted.status_code == 200
    return shopper


def one_attempt() -> World:
    shopper = with_a_voucher()
    return World(shopper, shopper.check_out(), {"1": "open"})


def a_retry_after_a_decline() -> World:
    shopper = with_a_voucher()
    shopper.check_out()
    shopper.pay(cards.DECLINED)
    return World(shopper, shopper.check_out(), {"1": "declined", "2": "open"})


def a_replaced_attempt() -> World:
    """The shopper goes on with the order in another browser, with the link to an order that is not paid."""
    shopper = with_a_voucher()
    order = shopper.check_out()
    body = {"order": OrderTokenField.get_order_token(order), "payment": ONE_CARD}
    other = Shopper()
    posted = other.client.post("/api/checkout/complete-deferred-payment/", body, content_type="application/json")
    assert posted.status_code == 200, posted.content
    return World(shopper, order, {"1": "replaced", "2": "open"})


def an_order_paid_with_two_cards() -> World:
    shopper = with_a_voucher()
    return World(shopper, shopper.check_out(payment=two_cards("30.00")), {"1": "open", "2": "open"})


WORLDS = [one_attempt, a_retry_after_a_decline, a_replaced_attempt, an_order_paid_with_two_cards]


class Truth:
    """What must be in the rows after these deliveries, each of them new."""

    def __init__(self, world: World, told: Told) -> None:
        self.world, self.told = world, told
        self.money = [name for name in told if name[0] in "AR"]
        self.paid = self.is_paid(told)

    def is_paid(self, told: Iterable[str]) -> bool:
        held = sum((self.world.amounts[name[1]] for name in told if name[0] == "A"), Decimal(0))
        return held >= self.world.order.total_incl_tax

    def before(self, name: str) -> Told:
        return self.told[: self.told.index(name)]

    def declines(self, name: str) -> bool:
        """Whether this is a decline that found its attempt in play and the order waiting, but for no reviewer."""
        earlier, number = self.before(name), name[1]
        if name[0] != "D" or self.world.states[number] != "open" or self.is_paid(earlier):
            return False
        if self.may_be_released(earlier):
            return False
        return not any(holds + number in earlier for holds in "AR") and not self.was_declined(earlier)

    def may_be_released(self, told: Told) -> bool:
        """Whether the order is paid once its reviewers accept all that they have yet to decide about."""
        under_review = [name for name in told if name[0] == "R"]
        held = sum((self.world.amounts[name[1]] for name in told if name[0] in "AR"), Decimal(0))
        return bool(under_review) and held >= self.world.order.total_incl_tax

    def was_declined(self, told: Told) -> bool:
        return any(self.declines(name) for name in told)

    # -- the same in every order of arrival

    def money_is_recorded_once_whatever_the_order(self, found: Ending) -> None:
        amounts = {reference(name): self.world.amounts[name[1]] for name in self.money}
        status = {reference(name): "ACCEPT" if name[0] == "A" else "REVIEW" for name in self.money}
        attempt = {reference(name): int(name[1]) for name in self.money}
        assert {row[0]: row[1] for row in found.sources} == amounts
        assert all(row[2] == row[3] == 0 for row in found.sources)
        assert len(found.sources) == len(found.transactions) == len(found.events) == len(amounts)
        assert {(row[0], row[1], row[2], row[3], row[5]) for row in found.transactions} == {
            (ref, "Authorise", amounts[ref], status[ref], attempt[ref]) for ref in amounts
        }
        assert {row[:3] for row in found.events} == {("Authorise", amounts[ref], ref) for ref in amounts}
        assert all(row[3] == (1,) for row in found.events)

    def the_order_is_paid_whatever_the_order(self, found: Ending) -> None:
        assert (found.status == "Authorized") == (found.basket == "Submitted") == self.paid
        assert found.mails == found.confirmations == int(self.paid)
        assert found.open_log == 0

    # -- what the order of arrival decides

    def an_unpaid_order_is_declined_by_a_decline_that_came_before_money(self, found: Ending) -> None:
        declined = self.was_declined(self.told)
        if not self.paid:
            expected = ("Payment Declined", "Open") if declined else ("Pending", "Frozen")
            assert (found.status, found.basket) == expected, self.told
        assert found.voucher_uses == (0 if declined and not self.paid else 1)  # taken again by a late charge

    def each_charge_that_nothing_waited_for_is_flagged(self, found: Ending) -> None:
        for number, (_state, attention, _source, _settled) in zip(self.world.states, found.attempts, strict=True):
            assert attention == self.attention(number), (self.told, number)

    def attention(self, number: str) -> str:
        """Of several charges for one attempt the last is what staff are shown; each has its note."""
        flags = [self.flag(name) for name in self.money if name[1] == number]
        in_doubt = self.doubted(number) and f"D{number}" not in self.told
        return ([flag for flag in flags if flag] or ["no-answer" if in_doubt else ""])[-1]

    def doubted(self, number: str) -> bool:
        """Whether an attempt that was replaced had an answer that tells no outcome, and no decline before it."""
        name = f"U{number}"
        earlier = self.before(name) if name in self.told else ()
        return name in self.told and self.state(number, earlier) == "replaced" and f"D{number}" not in earlier

    def asked_by_its_id(self, number: str) -> bool:
        """Whether an attempt had an answer that tells no outcome, and another ended it, whichever came first."""
        ended = self.world.states[number] == "declined" or any(letter + number in self.told for letter in "ADR")
        return f"U{number}" in self.told and ended

    def flag(self, name: str) -> str:
        earlier, number = self.before(name), name[1]
        if self.is_paid(earlier) or any(holds + number in earlier for holds in "AR"):
            return "extra-charge"
        state = self.state(number, earlier)
        return {"replaced": "replaced-charge", "declined": "after-decline"}.get(state, "")

    def state(self, number: str, told: Told) -> str:
        state = self.world.states[number]
        for name in told:
            mine, letter = name[1] == number, name[0]
            waits = state in ("open", "unknown")
            if mine and letter in "AR" and state not in ("authorized", "review"):
                state = "authorized" if letter == "A" else "review"
            elif mine and letter == "D" and waits:
                state = "declined"
            elif mine and letter == "U" and state == "open":
                state = "unknown"
            elif not mine and state == "open" and self.declines(name):
                state = "replaced"
        return state

    def attempts_show_their_first_ending(self, found: Ending) -> None:
        for number, (state, _attention, source, _settled) in zip(self.world.states, found.attempts, strict=True):
            assert state == self.state(number, self.told), (self.told, number)
            first = [reference(name) for name in self.money if name[1] == number][:1]
            assert source == "".join(first)

    def staff_read_each_thing_once(self, found: Ending) -> None:
        doubts = [n for n in self.told if n[0] == "U" and self.state(n[1], self.before(n)) == "open"]
        reviews = [n for n in self.told if n[0] == "R"]
        flagged = [n for n in self.money if self.flag(n)]
        replaced = [number for number in self.world.states if self.doubted(number)]
        asked = [number for number in self.world.states if self.asked_by_its_id(number)]
        assert found.note_count == len(doubts) + len(replaced) + len(reviews) + len(flagged) + len(asked)
        for name in flagged:
            assert any(reference(name) in note and note[0] != "C" for note in found.notes)

    def holds(self, found: Ending) -> None:
        self.money_is_recorded_once_whatever_the_order(found)
        self.the_order_is_paid_whatever_the_order(found)
        self.an_unpaid_order_is_declined_by_a_decline_that_came_before_money(found)
        self.each_charge_that_nothing_waited_for_is_flagged(found)
        self.attempts_show_their_first_ending(found)
        self.staff_read_each_thing_once(found)


def chosen(world: World) -> set[Told]:
    """The sequences to walk, without repetitions: all of them, or some that are always the same."""
    every = list(permutations(world.replies, LONGEST))
    return set(every if THOROUGH else random.Random(len(every)).sample(every, 4))


def walk(world: World, sequences: Iterable[Told], told: Told = ()) -> Iterator[tuple[Told, Ending | None]]:
    """Tell each sequence; yield every beginning of one once, with what the rows say, and None for a repetition.

    From each point the last delivery, and when thorough every one before, is told again, and no row may change by it.
    """
    here = Moment()
    for name in told if THOROUGH and len(told) < LONGEST else told[-1:]:
        world.tell(name, len(told))
        assert here.changed() <= {"cybersource_cybersourcereply"}, f"{name} told again after {told}"
        yield (*told, name), None
        here.come_back()
    for name in sorted({sequence[len(told)] for sequence in sequences if len(sequence) > len(told)}):
        beginning = (*told, name)
        world.tell(name, len(told))
        yield beginning, Ending.of(world.order.pk)
        onward = [sequence for sequence in sequences if sequence[: len(beginning)] == beginning]
        if len(beginning) < LONGEST or not THOROUGH:
            yield from walk(world, onward, beginning)
        here.come_back()


@pytest.mark.parametrize("make", WORLDS, ids=lambda make: make.__name__)
def test_every_order_and_repetition_of_four_deliveries_ends_in_the_same_rows(committed_db, mailoutbox, make, capsys):
    world = make()
    told_of: Counter[str] = Counter()
    for told, found in walk(world, chosen(world)):
        told_of["new" if found else "repeated"] += 1
        if found:
            Truth(world, told).holds(found)
    if THOROUGH:
        with capsys.disabled():
            print(f"\n{make.__name__}: {dict(told_of)}")
    assert min(told_of["new"], told_of["repeated"]) > 10
