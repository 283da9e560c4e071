"""Staff at payments, a gateway that loses answers, processes that die, a clock that runs on: the laws of the ledger.

Several members of staff capture, refund, void, reverse, cancel-or-refund, decide reviews and charge stored cards, by
amount and by line, of one payment or of several on one or two orders, in currencies with two, three and no decimals.
Calls are lost, answered late, refused, not believed or answered by nonsense; a process is killed between any two
statements; the REST key is taken away, the shop goes over to another merchant or environment and comes back; orders
and Sources are deleted; time passes at both ends, batches run, and the shop's commands run when they run.

Whatever happens, the shop never takes or gives back more than there is, sends nothing twice, offers nothing that it
refuses, and in the end its books are CyberSource's; what nobody can find out is on the list of staff. The laws are in
:mod:`tests.properties.ledger`.

``CYBERSOURCE_TESTS=thorough``, as in ``make prove``, runs a thousand histories and counts what happened in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from oscar.core.loading import get_model

from cybersource.models import PaymentAttempt, PaymentOperation, PaymentToken
from cybersource.operations import money_back, service, stored_card
from cybersource.payments import balance
from cybersource.payments.errors import InvalidOperation
from cybersource.reconciliation import run as reconciliation
from cybersource.reconciliation.operations import SyncResult
from cybersource.simulator import Gateway, Settings, cards
from cybersource.simulator.pytest_plugin import RunningSimulator
from cybersource.simulator.rest import RestAccess
from cybersource.simulator.server import Server
from tests.faults.breaking import Killed, Points, Quiet, killed
from tests.properties import ledger
from tests.properties.rows import THOROUGH, Moment
from tests.support.shop import ONE_CARD, Shopper, card, post_notification, two_cards
from tests.support.threads import at_once

Order = get_model("order", "Order")
Transaction = get_model("payment", "Transaction")

#: Which calls of the gateway's an operation makes.
ACTIONS = {"capture": "captures", "refund": "refunds", "void": "voids", "reverse": "reversals"}
DECISIONS = ("accept_review", "reject_review")

#: What may happen to a call, each as likely as its place in here says. Empty: nothing.
FAULTS = st.sampled_from(
    ("",) * 8
    + (
        "no-answer",
        "no-answer",
        "no-answer",
        "lost",
        "lost",
        "server-timeout",
        "slow",
        "truncated",
        "html",
        "throttled",
    )
    + ("broken-off", "empty", "bad-gateway", "system-error", "unavailable", "unauthorized", "forbidden")
    + ("unknown-status",)
)
#: Of what is left.
PARTS = st.sampled_from((Decimal("0.25"), Decimal("0.5"), Decimal("0.4"), None, Decimal(1), Decimal(2)))
STAFF = st.integers(0, 2)
WHICH = st.integers(0, 11)
#: At which statement or commit of its work the process is killed; None for never.
DEATHS = st.sampled_from((None,) * 120 + tuple(range(60)))

#: What a run says of operations that it could not ask about: those made elsewhere.
NOTHING_NEW = {SyncResult.LISTED, SyncResult.ELSEWHERE}

#: Where the shop may go for a while. It may leave its merchant with the endpoint or alone, as by a mistake.
CHANGES = ("key", "wrong key", "merchant", "merchant alone", "environment")

#: Everything that has to have happened in a thousand histories.
KINDS = {
    *(f"{what} {how}" for what in ("capture", "refund", "void", "reverse") for how in ("done", "unknown", "not begun")),
    *(f"plan of {count}" for count in (1, 2, 3)),
    *(f"{what} done" for what in ("authorize", "sale", *DECISIONS)),
    *(f"{what} by notification" for what in ("ACCEPT", "REJECT")),
    *(f"without {what}" for what in CHANGES),
    *(f"in {currency}" for currency in ("USD", "KWD", "JPY")),
    *("partial approvals", "two cards", "two orders", "reviews", "sales", "captures by line", "refunds by line"),
    *("orders deleted", "sources deleted", "killed", "asked again", "at once", "reconcile", "expire", "reprocess"),
}

first_day: Moment
elsewhere: dict[str, Server]
counted: Counter[str] = Counter()


def the_shops_clock(now: Callable[[], datetime]) -> Any:
    """Have the shop's clock tell ``now``: by what Django's own function reads, since models' defaults hold that one."""

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return now().astimezone(tz)

    return patch.object(timezone, "datetime", Moved)


@contextmanager
def dying(at: int | None) -> Iterator[None]:
    """A process that is killed at that statement or commit, if it comes so far: what it had committed stays."""
    if at is None:
        yield
        return
    points = Points(at, killed)
    try:
        with points, suppress(Killed):
            yield
    finally:
        connection.close()
    counted["killed"] += points.struck


@dataclass(frozen=True, kw_only=True)
class Event:
    """What may happen: how often, when, and by what it differs."""

    weight: int
    may: Callable[[Any], Any]
    draws: dict[str, Any]


EVENTS: dict[str, Event] = {}


def event(weight: int, may: Callable[[Any], Any] = lambda self: True, **draws: Any) -> Callable[[Any], Any]:
    """Let a method be one of the events. Hypothesis leaves most of its own rules out of an example."""

    def register(method: Any) -> Any:
        EVENTS[method.__name__] = Event(weight=weight, may=may, draws=draws)
        return method

    return register


class Desk(RuleBasedStateMachine):
    """One history: one or two orders, at a CyberSource of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.server: Server | None = None
        self.open = ExitStack()
        self.away: ExitStack | None = None  #: while the settings are others
        self.deletes = False
        self.payments: list[balance.PaymentBalance] = []  #: as they are after the last event
        self.asked: list[tuple[Callable[[], Any], str]] = []
        self.something_was_deleted = False
        self.is_changed = True  #: whether the laws have to be looked at again

    @initialize(
        lag=st.sampled_from((0, 10)),
        flow=st.sampled_from(("one-step", "one-step", "one-step", "sale")),
        currency=st.sampled_from(("USD", "USD", "KWD", "JPY")),
        number=st.sampled_from((cards.APPROVED,) * 4 + (cards.PARTIAL, cards.REVIEW)),
        count=st.sampled_from((1, 1, 2)),
        stored=st.booleans(),
        deletes=st.sampled_from((False, False, False, True)),
        first=st.sampled_from((Decimal("0.5"), Decimal(1), None)),
    )
    def shoppers_pay(
        self,
        lag: int,
        flow: str,
        currency: str,
        number: str,
        count: int,
        stored: bool,
        deletes: bool,
        first: Decimal | None,
    ) -> None:
        """And staff may have captured of it before anything goes wrong."""
        first_day.come_back()
        self.deletes = deletes
        rest = RestAccess(index_lag=timedelta(minutes=lag), slow_seconds=0.05, decisions_notified=False)
        self.server = self.open.enter_context(Server(gateway=Gateway(Settings(rest=rest))))
        self.simulator = RunningSimulator(self.server)
        self.simulator.set_shop("http://localhost")
        self.open.enter_context(override_settings(**self.simulator.shop_settings, CYBERSOURCE_FLOW=flow))
        self.rest = self.simulator.gateway.rest
        # Else what the shop did a minute ago would be as old to it as time has passed there.
        self.open.enter_context(the_shops_clock(self.rest.now))
        self.staff = list(get_user_model().objects.order_by("pk"))
        shopper = Shopper(gateway=self.simulator.gateway)
        self.place(shopper, currency, payment=two_cards("20.00") if count == 2 else ONE_CARD)
        if count == 2:
            shopper.pay(key="a")
        shopper.pay(number, key="b" if count == 2 else "cybersource")
        happened = {"partial approvals": number == cards.PARTIAL, "reviews": number == cards.REVIEW}
        happened |= {f"in {currency}": True, "two cards": count == 2, "sales": flow == "sale", "two orders": stored}
        counted.update(what for what, did in happened.items() if did)
        if stored:
            with override_settings(CYBERSOURCE_FLOW="token-then-server"):
                self.second = Shopper(gateway=self.simulator.gateway)
                self.place(self.second, currency)
                self.second.deliver(self.second.submit(card()), follow=False)
        self.payments = ledger.read()
        if first and (on := self.choose("capture", 0)):
            self.ask("capture", on[1], amount=self.part(on[0].left_to_capture, first, currency), is_last=False)

    def place(self, shopper: Shopper, currency: str, **checkout: Any) -> Any:
        """Place an order, in another currency than the shop's where one is named."""
        shopper.fill_basket("10.00", quantity=2)
        shopper.fill_basket("5.45", quantity=3)
        order = shopper.check_out(**checkout)
        times = 100 if currency == "JPY" else 1
        for rows, names in (
            (order.lines.all(), ("line_price_incl_tax", "line_price_excl_tax")),
            (
                Order.objects.filter(pk=order.pk),
                ("total_incl_tax", "total_excl_tax", "shipping_incl_tax", "shipping_excl_tax"),
            ),
            (PaymentAttempt.objects.filter(order=order), ("amount",)),
        ):
            rows.update(**{name: F(name) * times for name in names})
        Order.objects.filter(pk=order.pk).update(currency=currency)
        PaymentAttempt.objects.filter(order=order).update(currency=currency)
        return order

    # -- staff

    def ask(
        self,
        operation: str,
        on: Any,
        *,
        fault: str = "",
        dies: int | None = None,
        staff: int = 0,
        **asked: Any,
    ) -> None:
        key = f"key-{PaymentOperation.objects.count()}-{len(self.asked)}"

        def do() -> Any:
            return getattr(service, operation)(on, user=self.staff[staff], key=key, **asked)

        ended = self.attempt(operation, do, key, fault, ACTIONS.get(operation, "actions"), dies)
        if ended is not None:
            counted[f"{operation} {ended.state}"] += 1
            counted[f"{operation}s by line"] += bool(asked.get("lines"))

    def attempt(self, what: str, do: Callable[[], Any], key: str, fault: str, action: str, dies: int | None) -> Any:
        """Do one thing while something goes wrong, and return how it ended; None where it did not, or was refused."""
        before, ended = self.moves(), None
        if fault:
            self.rest.faults.next(fault, action=action)
        with dying(dies):
            try:
                ended = do()
            except InvalidOperation as refused:
                counted[f"{what} not begun"] += 1
                assert refused.problems and self.moves() == before, "refused, and sent all the same"
        self.rest.faults.clear()
        if PaymentOperation.objects.filter(key=key).exists():
            self.asked.append((do, key))
        return ended

    def moves(self) -> int:
        return len(list(ledger.moves(self.rest.calls)))

    @staticmethod
    def part(whole: Decimal, part: Decimal | None, currency: str) -> Decimal | None:
        """So much of what there is; the least there can be where it is less. Twice as much is too much."""
        least = Decimal({"JPY": "1", "KWD": "0.001"}.get(currency, "0.01"))
        return None if part is None else max((whole * part).quantize(least), least)

    def choices(self, operation: str) -> list[tuple[balance.PaymentBalance, Any]]:
        """The payments and Transactions that an operation may be about, also where it cannot be done to them now."""
        found = []
        for one in self.payments:
            captures = [each.transaction for each in one.captures]
            match operation:
                case "capture" if one.left_to_capture:
                    found.append((one, one.authorization))
                case "refund" if one.left_to_refund:
                    found += [(one, each) for each in captures]
                case "void":
                    found += [(one, each) for each in (*captures, *one.refunds)]
                case "reverse" if one.left_to_reverse:
                    found.append((one, one.authorization))
                case "decide" if one.authorization.status == Transaction.REVIEW:
                    found.append((one, one.authorization))
                case "give back" if one.kept or one.left_to_reverse:
                    found += [(one, one.authorization), (one, one.authorization), *((one, each) for each in captures)]
        return found

    def choose(self, operation: str, which: int) -> tuple[balance.PaymentBalance, Any] | None:
        choices = self.choices(operation)
        return choices[which % len(choices)] if choices else None

    def lines(self, payment: balance.PaymentBalance, which: int) -> dict[int, int]:
        lines = list(payment.source.order.lines.order_by("pk"))
        return {lines[which % len(lines)].pk: 1 if which < 8 else which % 4}

    @event(
        5,
        lambda self: self.choices("capture"),
        which=WHICH,
        part=PARTS,
        is_last=st.sampled_from((False, False, True)),
        fault=FAULTS,
        dies=DEATHS,
        staff=STAFF,
    )
    def capture(self, which: int, part: Decimal | None, is_last: bool, **how: Any) -> None:
        payment, on = self.choose("capture", which)
        self.ask(
            "capture", on, amount=self.part(payment.left_to_capture, part, payment.currency), is_last=is_last, **how
        )

    @event(3, lambda self: self.choices("capture"), which=WHICH, fault=FAULTS, dies=DEATHS, staff=STAFF)
    def capture_lines(self, which: int, **how: Any) -> None:
        payment, on = self.choose("capture", which)
        self.ask("capture", on, lines=self.lines(payment, which), is_last=False, **how)

    @event(5, lambda self: self.choices("refund"), which=WHICH, part=PARTS, fault=FAULTS, dies=DEATHS, staff=STAFF)
    def refund(self, which: int, part: Decimal | None, **how: Any) -> None:
        payment, on = self.choose("refund", which)
        self.ask("refund", on, amount=self.part(payment.capture(on).left, part, payment.currency), **how)

    @event(2, lambda self: self.choices("refund"), which=WHICH, fault=FAULTS, dies=DEATHS, staff=STAFF)
    def refund_lines(self, which: int, **how: Any) -> None:
        payment, on = self.choose("refund", which)
        self.ask("refund", on, lines=self.lines(payment, which), **how)

    @event(3, lambda self: self.choices("void"), which=WHICH, fault=FAULTS, dies=DEATHS, staff=STAFF)
    def void(self, which: int, **how: Any) -> None:
        self.ask("void", self.choose("void", which)[1], **how)

    @event(1, lambda self: self.choices("reverse"), which=WHICH, fault=FAULTS, dies=DEATHS, staff=STAFF)
    def reverse(self, which: int, **how: Any) -> None:
        """Nothing but looking is left after it, so it is not done lightly."""
        self.ask("reverse", self.choose("reverse", which)[1], **how)

    @event(
        3,
        lambda self: self.choices("give back"),
        which=WHICH,
        fault=FAULTS,
        action=st.sampled_from(("", *ACTIONS.values())),
        dies=DEATHS,
        staff=STAFF,
    )
    def cancel_or_refund(self, which: int, fault: str, action: str, dies: int | None, staff: int) -> None:
        """A whole payment, or one capture of it, goes back by as many steps as that needs."""
        _payment, on = self.choose("give back", which)
        key = f"plan-{PaymentOperation.objects.count()}-{len(self.asked)}"

        def do() -> Any:
            return money_back.cancel_or_refund(on, key=key, user=self.staff[staff])

        steps = self.attempt("plan", do, key, fault, action, dies)
        if steps:
            counted[f"plan of {len(steps)}"] += 1
            counted[f"plan {steps[-1].state}"] += 1
            if on.txn_type == Transaction.AUTHORISE and all(one.state in ("done", "lapsing") for one in steps):
                (left,) = (one for one in ledger.read() if one.source.pk == on.source_id)
                assert left.under_way or not (left.net_paid or left.left_to_reverse), "the plan ended, and not all went"

    # -- stored cards

    @event(2, lambda self: hasattr(self, "second"), fault=FAULTS, dies=DEATHS)
    def the_browser_asks_for_its_second_step(self, fault: str, dies: int | None) -> None:
        attempt = PaymentAttempt.objects.filter(channel=PaymentAttempt.Channel.REST, previous__isnull=False).first()
        if attempt is not None:
            self.charged("authorize", lambda: stored_card.authorize_step(attempt), "", fault, dies)

    @event(
        3,
        lambda self: hasattr(self, "second"),
        is_sale=st.booleans(),
        part=PARTS,
        fault=FAULTS,
        dies=DEATHS,
        staff=STAFF,
    )
    def staff_charge_the_stored_card(
        self, is_sale: bool, part: Decimal | None, fault: str, dies: int | None, staff: int
    ) -> None:
        token, order = PaymentToken.objects.first(), Order.objects.order_by("pk").last()
        if token is None or order is None:
            return
        key = f"card-{PaymentOperation.objects.count()}-{len(self.asked)}"
        amount = self.part(order.total_incl_tax, part, "JPY" if order.currency == "JPY" else "USD")

        def do() -> Any:
            return stored_card.authorize(order, token, amount=amount, capture=is_sale, key=key, user=self.staff[staff])

        self.charged("sale" if is_sale else "authorize", do, key, fault, dies)

    def charged(self, what: str, do: Callable[[], Any], key: str, fault: str, dies: int | None) -> None:
        ended = self.attempt(what, do, key, fault, "payments", dies)
        if ended is not None:
            counted[f"{what} {ended.state}"] += 1

    # -- reviewers

    @event(
        3,
        lambda self: self.choices("decide"),
        which=WHICH,
        decision=st.sampled_from(DECISIONS),
        fault=FAULTS,
        dies=DEATHS,
        staff=STAFF,
    )
    def staff_decide(self, which: int, decision: str, **how: Any) -> None:
        self.ask(decision, self.choose("decide", which)[1], **how)

    @event(
        3,
        lambda self: self.choices("decide"),
        decision=st.sampled_from(("ACCEPT", "REJECT")),
        told=st.sampled_from((0, 1, 1, 2)),
        follows=st.booleans(),
        dies=DEATHS,
    )
    def a_reviewer_decides_at_cybersource(self, decision: str, told: int, follows: bool, dies: int | None) -> None:
        """With what is to follow on it, or without; the shop is told once, twice, or never."""
        case = next((one for one in self.simulator.gateway.cases if one.under_review), None)
        if case is None:
            return
        follows = follows and bool(told)  # the report of decisions tells of no money
        message = self.simulator.gateway.decide(
            case.id, decision, reviewer="lena.review", settle=follows, reverse=follows
        )
        counted[f"{decision} by notification"] += bool(told)
        for _time in range(told):
            with dying(dies):
                post_notification(message.body)
            dies = None  # CyberSource sends again what was not answered

    # -- what goes on around it

    @event(1, lambda self: self.away is None, what=st.sampled_from(CHANGES))
    def the_settings_change(self, what: str) -> None:
        at = {name: RunningSimulator(server).url for name, server in elsewhere.items()}
        changed = {
            "key": {"CYBERSOURCE_REST_KEY_ID": "", "CYBERSOURCE_REST_SHARED_SECRET": ""},
            "wrong key": {"CYBERSOURCE_REST_KEY_ID": "08c94330-f618-42a3-b09d-e1e43be5efda"},
            "merchant": {"CYBERSOURCE_MERCHANT_ID": "another_shop", "CYBERSOURCE_REST_ENDPOINT": at["merchant"]},
            "merchant alone": {"CYBERSOURCE_MERCHANT_ID": "another_shop"},
            "environment": {"CYBERSOURCE_ENVIRONMENT": "production", "CYBERSOURCE_REST_ENDPOINT": at["environment"]},
        }
        self.away = ExitStack()
        self.away.enter_context(override_settings(**changed[what]))
        counted[f"without {what}"] += 1

    @event(3, lambda self: self.away is not None)
    def the_settings_are_put_back(self) -> None:
        if self.away is not None:
            self.away.close()
            self.away = None

    @event(1, lambda self: self.deletes and self.payments, which=WHICH, what=st.sampled_from(("orders", "sources")))
    def somebody_deletes(self, which: int, what: str) -> None:
        source = self.payments[which % len(self.payments)].source
        (source.order if what == "orders" else source).delete()
        self.something_was_deleted = True
        counted[f"{what} deleted"] += 1

    @event(2, lambda self: self.asked, which=WHICH, fault=FAULTS, dies=DEATHS)
    def it_is_asked_again_under_its_key(self, which: int, fault: str, dies: int | None) -> None:
        do, key = self.asked[which % len(self.asked)]
        first, before = PaymentOperation.objects.filter(key=key).get(), self.moves()
        if fault:
            self.rest.faults.next(fault)
        with dying(dies), suppress(InvalidOperation):
            ended = do()
            assert (ended[0] if isinstance(ended, list) else ended).pk == first.pk, "another operation under its key"
        self.rest.faults.clear()
        assert first.plan or self.moves() == before, "sent again"
        counted["asked again"] += 1

    @event(1, lambda self: self.choices("capture") or self.choices("refund"), which=WHICH, same_key=st.booleans())
    def two_do_it_at_once(self, which: int, same_key: bool) -> None:
        """All that is left, which can be taken or given back once."""
        what = "capture" if self.choices("capture") else "refund"
        _payment, on = self.choose(what, which)
        before = self.moves()
        keys = [f"both-{before}", f"both-{before}" if same_key else ""]

        def do(key: str) -> Any:
            try:
                return getattr(service, what)(on, key=key).pk
            except InvalidOperation:
                return None

        ended = at_once(*(lambda key=key: do(key) for key in keys))
        assert self.moves() <= before + 1, "done by both"
        assert not same_key or len(set(ended)) == 1
        counted["at once"] += 1

    # -- time

    @event(4, minutes=st.sampled_from((1, 6, 20, 70, 400, 1500)))
    def time_passes(self, minutes: int) -> None:
        before = timezone.now()
        self.rest.advance(minutes=minutes)
        assert timezone.now() - before >= timedelta(minutes=minutes), "it passed at one end only"

    @event(
        5,
        command=st.sampled_from(("reconcile", "reconcile", "reconcile", "expire", "reprocess")),
        fault=FAULTS,
        action=st.sampled_from(("searches", "transactions", "voids", "reversals", "conversion-details", "")),
        dies=DEATHS,
    )
    def a_command_runs(self, command: str, fault: str, action: str, dies: int | None) -> None:
        if fault:
            self.rest.faults.next(fault, action=action)
        is_done = False
        with dying(dies):
            self.run(command)
            is_done = True
        self.rest.faults.clear()
        if is_done and command != "reprocess":
            ledger.what_has_no_end_is_listed(timezone.now())
        counted[command] += 1

    def run(self, command: str, days: int = 1) -> Any:
        if command == "reconcile":
            with suppress(ImproperlyConfigured):
                return reconciliation.reconcile(days=days)
            return None
        names = {"expire": "cybersource_expire_attempts", "reprocess": "cybersource_reprocess"}
        return call_command(names[command], verbosity=0, stdout=Quiet())

    @rule(data=st.data())
    def something_happens(self, data: Any) -> None:
        """Draw one of all events, whatever may happen now: what is drawn must not hang on rows, clocks or threads."""
        name = data.draw(WEIGHED, "event")
        drawn = {what: data.draw(strategy, what) for what, strategy in EVENTS[name].draws.items()}
        self.is_changed = bool(EVENTS[name].may(self))
        if self.is_changed:
            getattr(self, name)(**drawn)

    # -- the laws

    @invariant()
    def the_laws_hold(self) -> None:
        if self.server is None or not self.is_changed:
            return
        counted["events"] += 1
        self.payments = ledger.read()
        ledger.hold(self.payments)
        ledger.nothing_is_sent_twice(self.rest)
        ledger.refunds_there_are_covered(self.rest)

    def teardown(self) -> None:
        try:
            if self.server is not None:
                self.the_settings_are_put_back()
                self.in_the_end()
        finally:
            if self.away is not None:
                self.away.close()
            self.open.close()

    def in_the_end(self) -> None:
        """Look-ups and automatic work run out, and the books are the same."""
        for _again in range(3):
            self.rest.advance(hours=26)
            self.run("reprocess")
            self.run("expire")
            report = self.run("reconcile", days=3)
            assert report.is_complete, report.problems
        self.is_changed = True
        again = self.run("reconcile", days=3)
        done = {what for counts in again.counts.values() for what in +counts}
        if self.something_was_deleted:
            done.discard("still differing")  # its charges are in CyberSource's books, and on the list
        assert again.is_complete and done <= NOTHING_NEW, again.counts
        ledger.what_has_no_end_is_listed(timezone.now())
        self.the_laws_hold()
        merchant_id = self.simulator.shop_settings["CYBERSOURCE_MERCHANT_ID"]
        ledger.End(rest=self.rest, merchant_id=merchant_id, something_was_deleted=self.something_was_deleted).holds()
        everywhere = [self.rest, *(server.gateway.rest for server in elsewhere.values())]
        ledger.every_call_has_its_evidence(self.rest.calls)
        assert not any(rest.transactions for rest in everywhere[1:]), "money was moved elsewhere"
        counted["histories"] += 1
        if THOROUGH and counted["histories"] % 10 == 0:
            print(dict(sorted(counted.items())), flush=True)


#: Each event as often as its weight says.
WEIGHED = st.sampled_from([name for name, each in EVENTS.items() for _chance in range(each.weight)])


def test_the_laws_of_the_ledger_hold_whatever_happens(committed_db, capsys):
    global first_day, elsewhere
    Shopper().payload()  # the countries and the like that every checkout needs
    for name in ("ines", "omar", "lena"):
        get_user_model().objects.create_user(name, f"{name}@shop.example", "-", is_staff=True)
    first_day = Moment(everything=True)
    counted.clear()
    with ExitStack() as stack:
        others = {"merchant": RestAccess(merchant_id="another_shop"), "environment": RestAccess()}
        elsewhere = {
            name: stack.enter_context(Server(gateway=Gateway(Settings(rest=rest)))) for name, rest in others.items()
        }
        if THOROUGH:
            stack.enter_context(capsys.disabled())
        run_state_machine_as_test(
            Desk,
            settings=settings(
                max_examples=1000 if THOROUGH else 8,
                stateful_step_count=40 if THOROUGH else 15,
                deadline=None,
                derandomize=not THOROUGH,
                database=None,
                print_blob=True,
                report_multiple_bugs=False,
                # A history of thousands of statements shrinks for hours: it is told as it was found.
                phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
    missing = sorted(kind for kind in KINDS if not counted[kind])
    assert not (THOROUGH and missing), f"never happened: {missing}"
    assert counted["histories"] and counted["capture done"] and counted["killed"], counted
