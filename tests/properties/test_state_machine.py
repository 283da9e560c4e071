"""A shop, its shoppers and CyberSource in any order of events, and the laws that hold after each of them.

Shoppers check out, pay with good and bad cards, go back, use a second browser, retry with more goods or other cards;
CyberSource's answers come by either endpoint, late, again, or not at all; reviewers decide, also twice and before their
payment is known; hours go by and attempts end; staff cancel, clear what is listed and give orders up; the database
fails in the middle of a settlement. The simulator counts what it charged.

``CYBERSOURCE_TESTS=thorough`` runs several hundred examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.models import F
from django.test import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from oscar.core.loading import get_model
from oscarapicheckout.serializers import OrderTokenField

from cybersource.models import AttentionItem, CyberSourceReply, OrderConfirmation, PaymentAttempt
from cybersource.payments import attention_list
from cybersource.simulator import cards
from tests.properties.rows import THOROUGH, Moment, charges, mails_about
from tests.support.shop import (
    MERCHANT_POST,
    ONE_CARD,
    REPLY,
    Shopper,
    card,
    customer,
    cybersource,
    post_notification,
    post_reply,
    two_cards,
)

Basket = get_model("basket", "Basket")
Order = get_model("order", "Order")
OrderNote = get_model("order", "OrderNote")
PaymentEvent = get_model("order", "PaymentEvent")
Product = get_model("catalogue", "Product")
Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

JSON: dict[str, Any] = {"content_type": "application/json"}
CARDS = (cards.APPROVED, cards.DECLINED, cards.REVIEW, cards.UNKNOWN, cards.PARTIAL)
LIKELY_CARDS = st.sampled_from((cards.APPROVED, cards.APPROVED, *CARDS))
ENDPOINTS = st.sampled_from((REPLY, MERCHANT_POST))
#: Reason codes of answers that leave open whether the card was charged.
UNKNOWN = ("150", "151", "152", "207", "236", "250")
#: What an attempt is marked with until it is known how it ended; every other mark stays.
QUESTIONS = ("no-answer", "unpaid-rest")
#: Statements inside the transaction of a settlement after which the database fails.
FUSES = st.integers(0, 24)


PAYMENTS = st.sampled_from((ONE_CARD, ONE_CARD, two_cards("30.00"), two_cards("40.00")))


@dataclass
class Message:
    """One answer of CyberSource's: what it holds, and whether the shop has taken it."""

    browser: Any
    server: Any
    order_id: int
    uuid: str
    decision: str
    reference: str
    held: Decimal | None  #: None: it is about no money
    doubtful: bool  #: it leaves open whether there is money
    taken: bool = field(default=False)  #: the shop answered that it has it


@dataclass
class Told:
    """One message of a reviewer's."""

    body: bytes
    reference: str
    decision: str
    delivered: bool = False


@dataclass
class Before:
    """An order as it stood before the last event."""

    status: str = ""
    rejected: set[str] = field(default_factory=set)
    transactions: set[int] = field(default_factory=set)
    events: set[int] = field(default_factory=set)
    notes: set[int] = field(default_factory=set)
    flagged: set[int] = field(default_factory=set)
    under_way: set[str] = field(default_factory=set)  #: uuids of attempts that the shopper was still at

    def remember(self, order: Any, rows: Rows, rejected: set[str]) -> None:
        self.status = order.status
        self.rejected = rejected
        self.transactions = {each.pk for each in rows.of(order, rows.transactions)}
        self.events = {event.pk for event in rows.of(order, rows.events)}
        self.notes = {note.pk for note in rows.of(order, rows.notes)}
        attempts = rows.of(order, rows.attempts)
        self.flagged = {a.pk for a in attempts if a.attention and a.attention not in QUESTIONS}
        self.under_way = {a.transaction_uuid for a in attempts if a.state in ("open", "unknown")}


class Rows:
    """What the laws are about, read at one go."""

    def __init__(self) -> None:
        self.orders = list(Order.objects.select_related("basket"))
        self.attempts = list(PaymentAttempt.objects.all())
        self.sources = list(Source.objects.all())
        self.transactions = list(Transaction.objects.select_related("source", "log"))
        self.charges = [each for each in self.transactions if each.txn_type == Transaction.AUTHORISE]
        self.events = list(PaymentEvent.objects.all())
        self.notes = list(OrderNote.objects.all())
        self.items = list(AttentionItem.objects.order_by("pk"))
        self.waiting_log = set(CyberSourceReply.objects.filter(result="received").values_list("order", flat=True))

    @staticmethod
    def of(order: Any, rows: list[Any]) -> list[Any]:
        """Those of an order's; a Transaction is its Source's."""
        return [row for row in rows if (row.source if isinstance(row, Transaction) else row).order_id == order.pk]


@dataclass
class FirstOrder:
    """A shop with its first order placed, to which each example comes back."""

    moment: Moment
    cookies: Any
    order_id: int
    forms: dict[str, tuple[str, list[Any]]]

    @classmethod
    def place(cls, how: dict[str, Any]) -> FirstOrder:
        goods.first_day.come_back()
        shop = Shop()
        shop.check_out(shop.shoppers[0], how)
        return cls(Moment(everything=True), copy(shop.shoppers[0].client.cookies), *shop.orders, shop.forms)

    def put_on_the_table(self, shop: Shop) -> None:
        self.moment.come_back()
        shop.shoppers[0].client.cookies = copy(self.cookies)
        shop.orders[self.order_id] = Before()
        shop.replaced[self.order_id] = set()
        shop.forms.update(self.forms)


class Goods:
    """What is the same in every example."""

    def __init__(self) -> None:
        shopper = Shopper()
        for price in ("64.50", "8.25"):
            shopper.fill_basket(price)
        self.kettle, self.spoon = (f"http://testserver/api/products/{p.pk}/" for p in Product.objects.order_by("pk"))
        self.payload = shopper.payload()
        Basket.objects.all().delete()
        self.clerk = customer("clerk@shop.example")
        self.first_day = Moment(everything=True)
        self.first_orders: dict[tuple[str, str], FirstOrder] = {}

    def first_order(self, flow: str, how: dict[str, Any]) -> FirstOrder:
        """Placed when it is first asked for, in the flow that is switched on."""
        key = (flow, str(how))
        if key not in self.first_orders:
            self.first_orders[key] = FirstOrder.place(how)
        return self.first_orders[key]


goods: Goods


class Shop(RuleBasedStateMachine):
    """One example: a shop as on its first day."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = cybersource()
        # The first order of an example is placed once for all examples, so its form may be old when it is posted.
        self.gateway.configure(max_age=timedelta(days=1))
        self.shoppers = [Shopper(gateway=self.gateway)]
        self.forms: dict[str, tuple[str, list[Any]]] = {}
        self.messages: list[Message] = []
        self.told: list[Told] = []
        self.orders: dict[int, Before] = {}
        self.cancelled: set[int] = set()
        self.listed: list[int] = []  #: what is on staff's list, cleared or not
        self.replaced: dict[int, set[str]] = {}  #: uuids of attempts that are older than their order's last check-out
        self.fuse: int | None = None
        self.excused: set[int] = set()  #: orders whose mail was due when the database failed
        self.late = ""  #: uuid of the attempt that the last message was about
        self.switched = override_settings()

    def teardown(self) -> None:
        try:
            self.everything_arrives_in_the_end()
        finally:
            self.switched.disable()

    @initialize(
        flow=st.sampled_from(("one-step", "one-step", "two-step", "sale", "sale-with-token")),
        duplicates=st.booleans(),
        held=st.sampled_from((True, True, True, False)),
        how=PAYMENTS,
        number=LIKELY_CARDS,
    )
    def open_the_shop(self, flow: str, duplicates: bool, held: bool, how: dict[str, Any], number: str) -> None:
        """A first order is placed, and paid; what CyberSource says of it is under way."""
        self.switched = override_settings(CYBERSOURCE_FLOW=flow, CYBERSOURCE_REVIEW_HOLDS_ORDER=held)
        self.switched.enable()
        self.holds = held
        if not duplicates:  # as if a quarter of an hour went by before each form
            self.gateway.configure(duplicate_window=timedelta(0))
        goods.first_order(flow, how).put_on_the_table(self)
        self.post_form(list(self.forms)[-1], number)

    # -- shoppers

    def check_out(self, shopper: Shopper, how: dict[str, Any], *, more: bool = False) -> None:
        basket = shopper.client.get("/api/basket/").json()
        if more or basket["total_excl_tax"] == "0.00":
            product = goods.spoon if more else goods.kettle
            added = shopper.client.post("/api/basket/add-product/", {"url": product, "quantity": 1}, **JSON)
            assert added.status_code == 200
        older = self.uuids()
        posted = shopper.client.post(
            "/api/checkout/", {**goods.payload, "basket": basket["url"], "payment": how}, **JSON
        )
        assert posted.status_code in (200, 406), posted.content  # 406: an order waits for payment or is paid already
        if posted.status_code == 200:
            self.placed(Order.objects.get(number=posted.json()["number"]).pk, older)
            self.look(shopper)

    def placed(self, order_id: int, older: dict[int, set[str]]) -> None:
        self.orders.setdefault(order_id, Before())
        self.replaced[order_id] = older.get(order_id, set())

    def uuids(self) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for order_id, uuid in PaymentAttempt.objects.values_list("order_id", "transaction_uuid"):
            found.setdefault(order_id, set()).add(uuid)
        return found

    def look(self, shopper: Shopper) -> None:
        """The page shows the forms; whoever opened it may post them at any time."""
        shown = shopper.client.get("/api/checkout/payment-states/").json()
        for state in (shown.get("payment_method_states") or {}).values():
            if action := state["required_action"]:
                fields = {f["key"]: f["value"] for f in action["fields"]}
                self.forms[fields["transaction_uuid"]] = (action["url"], action["fields"])

    @rule(which=st.integers(0, 9), how=PAYMENTS, more=st.booleans())
    def check_out_again(self, which: int, how: dict[str, Any], more: bool) -> None:
        """A retry, perhaps with more goods, a second tab, or the next order."""
        self.late = ""
        self.check_out(self.shoppers[which % len(self.shoppers)], how, more=more)

    @precondition(lambda self: len(self.shoppers) < 3)
    @rule(which=st.integers(0, 9), how=PAYMENTS)
    def go_on_in_another_browser(self, which: int, how: dict[str, Any]) -> None:
        """With the link that a shop sends for an order that is not paid; it may be an old one."""
        self.late = ""
        order = Order.objects.get(pk=self.pick(list(self.orders), which))
        other = Shopper(gateway=self.gateway)
        older = self.uuids()
        body = {"order": OrderTokenField.get_order_token(order), "payment": how}
        posted = other.client.post("/api/checkout/complete-deferred-payment/", body, content_type="application/json")
        fixed = sum(Decimal(each["amount"]) for each in how.values() if "amount" in each)
        if order.status not in ("Pending", "Payment Declined") or fixed > order.total_incl_tax:
            assert posted.status_code == 406, posted.content
            return
        assert posted.status_code == 200, posted.content
        self.shoppers.append(other)
        self.placed(order.pk, older)
        self.look(other)

    @precondition(lambda self: self.forms)
    @rule(which=st.integers(0, 99), number=LIKELY_CARDS)
    def pay(self, which: int, number: str) -> None:
        """The latest form more often than an old one, which is what Back and a second tab post."""
        uuids = list(self.forms)
        self.post_form(uuids[-1] if which >= 30 else self.pick(uuids, which), number)

    def post_form(self, uuid: str, number: str) -> None:
        url, fields = self.forms[uuid]
        typed = card(number)
        pairs = [(f["key"], typed.get(f["key"], f["value"]) if f["editable"] else f["value"]) for f in fields]
        answer = self.gateway.submit("/silent/" + url.partition("/silent/")[2], pairs)
        assert not answer.refused, answer.page
        self.heard(answer)

    def heard(self, answer: Any) -> None:
        payment, said = answer.payment, dict(answer.reply)
        holds = said["decision"] in ("ACCEPT", "REVIEW") and payment.transaction_type != "create_payment_token"
        self.messages.append(
            Message(
                browser=answer.reply,
                server=answer.merchant_posts[0].pairs,
                order_id=PaymentAttempt.objects.get(transaction_uuid=payment.transaction_uuid).order_id,
                uuid=payment.transaction_uuid,
                decision=said["decision"],
                reference=said.get("transaction_id", ""),
                held=Decimal(said["auth_amount"]) if holds else None,
                doubtful=said["reason_code"] in UNKNOWN and payment.transaction_type != "create_payment_token",
            )
        )

    @precondition(lambda self: self.forms)
    @rule(number=LIKELY_CARDS, url=ENDPOINTS)
    def pay_and_hear_at_once(self, number: str, url: str) -> None:
        self.post_form(list(self.forms)[-1], number)
        self.deliver(self.messages[-1], url)

    @precondition(lambda self: self.messages)
    @rule(which=st.integers(0, 99), shopper=st.integers(0, 9))
    def come_back(self, which: int, shopper: int) -> None:
        """The browser follows the redirect; the session mirrors the rows, and the page may show the next form."""
        self.late = ""
        browser = self.shoppers[shopper % len(self.shoppers)]
        page = browser.client.get(f"/api/cybersource/return/{self.pick(self.messages, which).uuid}/")
        assert page.status_code in (200, 302)
        self.look(browser)

    # -- CyberSource

    @precondition(lambda self: any(not message.taken for message in self.messages))
    @rule(url=ENDPOINTS, which=st.integers(0, 9))
    def an_answer_arrives(self, url: str, which: int) -> None:
        self.deliver(self.pick([message for message in self.messages if not message.taken], which), url)

    @precondition(lambda self: self.messages)
    @rule(url=ENDPOINTS, which=st.integers(0, 99))
    def an_answer_arrives_again(self, url: str, which: int) -> None:
        self.deliver(self.pick(self.messages, which), url)

    def deliver(self, message: Message, url: str) -> None:
        with self.database_failing() as failed:
            code = post_reply(message.server if url == MERCHANT_POST else message.browser, url=url).status_code
        assert code in ((500,) if failed else (200, 303)) or (failed and code in (200, 303))
        self.late = message.uuid
        message.taken = message.taken or code != 500

    @contextmanager
    def database_failing(self) -> Iterator[list[str]]:
        """Break the n-th statement inside a transaction, once, if a fuse is lit. Yields what was broken."""
        broken: list[str] = []

        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if self.fuse is not None and connection.in_atomic_block:
                self.fuse -= 1
                if self.fuse < 0:
                    self.fuse = None
                    broken.append(sql)
                    raise OperationalError("the database went away")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(wrapper):
            yield broken
        self.fuse = None
        if broken:
            self.excused |= set(OrderConfirmation.objects.filter(date_sent=None).values_list("order_id", flat=True))

    @rule(fuse=FUSES)
    def the_database_is_about_to_fail(self, fuse: int) -> None:
        self.fuse = fuse

    @rule()
    def reprocess(self) -> None:
        self.late = ""
        logged = set(CyberSourceReply.objects.filter(result="received").values_list("transaction_id", flat=True))
        call_command("cybersource_reprocess", verbosity=0, stdout=Silent())
        for message in self.messages:
            message.taken = message.taken or (message.reference in logged)
        assert not CyberSourceReply.objects.filter(result="received").exists()
        unsent = OrderConfirmation.objects.filter(date_sent=None)
        assert not unsent.filter(date_claimed=None).exists(), "a mail is due, and is not sent"
        # What is left was claimed by whoever failed then, and is sent when the claim has run out.
        self.excused &= set(unsent.values_list("order_id", flat=True))

    # -- reviewers and staff

    @precondition(lambda self: self.gateway.cases)
    @rule(which=st.integers(0, 9), decision=st.sampled_from(("ACCEPT", "ACCEPT", "REJECT")), settle=st.booleans())
    def a_reviewer_decides(self, which: int, decision: str, settle: bool) -> None:
        case = self.pick(list(self.gateway.cases), which)
        body = self.gateway.decide(case.id, decision, reviewer="lena.review", settle=settle).body
        self.told.append(Told(body=body, reference=case.transaction_id, decision=decision))

    @precondition(lambda self: self.told)
    @rule(which=st.integers(0, 9))
    def the_decision_arrives(self, which: int) -> None:
        """Perhaps again, perhaps before the payment it is about."""
        self.late = ""
        told = self.pick(self.told, which)
        with self.database_failing() as failed:
            code = post_notification(told.body)
        assert code.status_code == 200 or failed
        told.delivered = told.delivered or code.status_code == 200

    @rule(which=st.integers(0, 9))
    def staff_cancel(self, which: int) -> None:
        self.late = ""
        order = Order.objects.get(pk=self.pick(list(self.orders), which))
        if "Canceled" in order.available_statuses():
            order.set_status("Canceled")
            self.cancelled.add(order.pk)

    @rule()
    def hours_go_by(self) -> None:
        """Attempts end. An order is given up only where no card can have been charged."""
        self.late = ""
        PaymentAttempt.objects.update(date_signed=F("date_signed") - timedelta(hours=2))
        call_command("cybersource_expire_attempts", stdout=Silent())
        rows = Rows()
        assert not [a for a in rows.attempts if a.state in ("open", "unknown") and a.order_id not in rows.waiting_log]
        listed = {item.transaction_id for item in rows.items}
        for order in rows.orders:
            self.given_up_without_a_charge(order)
            if order.status == "Payment Declined":
                held = [c.reference for c in rows.of(order, rows.charges) if c.status != "REJECT"]
                assert set(held) <= listed, "money is held for a declined order, and nobody is told"

    @precondition(lambda self: self.listed)
    @rule(which=st.integers(0, 9), no_charge=st.booleans())
    def staff_clear(self, which: int, no_charge: bool) -> None:
        """They say that there is no charge only where they find none at CyberSource."""
        self.late = ""
        item = AttentionItem.objects.get(pk=self.pick(self.listed, which))
        found = any(message.uuid == item.transaction_uuid and message.held is not None for message in self.messages)
        attention_list.clear(item.pk, user=goods.clerk, reason="Looked it up.", no_charge=no_charge and not found)
        if item.order_id:
            self.given_up_without_a_charge(item.order)

    def given_up_without_a_charge(self, order: Any) -> None:
        if order.status == "Payment Declined" and self.orders[order.pk].status != "Payment Declined":
            made = {m.reference for m in self.messages if m.order_id == order.pk and m.held is not None}
            known = Transaction.objects.filter(source__order=order).values_list("reference", flat=True)
            assert made <= set(known), "the basket is open, and a card was charged"

    @staticmethod
    def pick(choices: list[Any], which: int) -> Any:
        return choices[which % len(choices)]

    # -- the laws

    @invariant()
    def the_laws_hold(self) -> None:
        counted["events"] += 1
        rows = Rows()
        rejected = {charge.reference for charge in rows.charges if charge.status == "REJECT"}
        assert rejected <= {told.reference for told in self.told if told.decision == "REJECT"}
        for order in rows.orders:
            before = self.orders[order.pk]
            self.what_was_charged_is_recorded(order, rows)
            self.the_books_are_sound(order, rows)
            self.every_charge_is_counted_or_flagged(order, rows)
            self.every_doubt_is_asked_about(order, rows)
            self.no_order_waits_for_nothing(order, rows)
            self.what_is_held_for_a_cancelled_order_is_listed(order, rows)
            self.one_confirmation(order)
            self.a_paid_order_stays_paid(order, before, rejected)
            self.nothing_is_undone(order, before, rows)
            self.a_late_message_does_not_decline_a_retry(order, before)
            before.remember(order, rows, rejected)
        self.listed = [item.pk for item in rows.items]

    def what_was_charged_is_recorded(self, order: Any, rows: Rows) -> None:
        """Each charge that the shop has heard of, once, to the cent; none that CyberSource did not make."""
        mine = [message for message in self.messages if message.order_id == order.pk and message.held is not None]
        recorded = Counter((charge.reference, charge.amount) for charge in rows.of(order, rows.charges))
        made = Counter({(message.reference, message.held): 1 for message in mine})
        heard = Counter({(message.reference, message.held): 1 for message in mine if message.taken})
        assert not heard - recorded, "a charge is lost"
        assert not recorded - made, "a charge is recorded twice, or CyberSource never made it"

    def the_books_are_sound(self, order: Any, rows: Rows) -> None:
        """Allocated is what stands, debited is what was captured, and one of each a charge."""
        transactions = rows.of(order, rows.transactions)
        kinds = Counter((each.reference, each.txn_type) for each in transactions)
        assert max(kinds.values(), default=1) == 1
        for source in rows.of(order, rows.sources):
            own = [each for each in transactions if each.source_id == source.pk]
            standing = [each.amount for each in own if each.txn_type == "Authorise" and each.status != "REJECT"]
            debited = [each.amount for each in own if each.txn_type == "Debit"]
            assert source.amount_allocated == sum(standing)
            assert source.amount_debited == sum(debited)
            assert 0 <= source.amount_debited <= source.amount_allocated
        events = Counter((event.reference, event.event_type_id) for event in rows.of(order, rows.events))
        assert max(events.values(), default=1) == 1
        assert len(events) == len({source.pk for source in rows.of(order, rows.sources)}) + sum(
            1 for each in transactions if each.txn_type == "Debit" and each.log_id is None
        )

    def every_charge_is_counted_or_flagged(self, order: Any, rows: Rows) -> None:
        doubtful = ("REVIEW",) if self.holds else ()
        wanted = Decimal(0)
        for attempt in rows.of(order, rows.attempts):
            own = [c for c in rows.charges if c.log.attempt_id == attempt.pk and c.status != "REJECT"]
            if not attempt.attention:
                assert len(own) <= 1, "a second charge for one form, and nobody is told"
                assert all(charge.amount == attempt.amount for charge in own), "a part, and nobody is told"
                wanted += sum(charge.amount for charge in own if charge.status not in doubtful)
        assert wanted <= order.total_incl_tax, "more than the order costs, and nobody is told"
        if order.status in ("Pending", "Payment Declined"):
            assert wanted < order.total_incl_tax, "paid, and the order does not know"

    def every_doubt_is_asked_about(self, order: Any, rows: Rows) -> None:
        """As long as its attempt is open the shopper is told to wait; then staff look it up."""
        attempts = {attempt.transaction_uuid: attempt for attempt in rows.of(order, rows.attempts)}
        asked = {(i.transaction_uuid, i.transaction_id) for i in rows.items if i.kind == "no-answer"}
        for message in self.messages:
            acted_on = message.taken and order.pk not in rows.waiting_log
            if message.order_id == order.pk and message.doubtful and acted_on:
                waits = attempts[message.uuid].state == "unknown"
                assert waits or {(message.uuid, ""), (message.uuid, message.reference)} & asked, "nobody asks"

    def no_order_waits_for_nothing(self, order: Any, rows: Rows) -> None:
        """A form is out, an answer is stored, a reviewer is at it, or staff have it on their list or had a look."""
        if order.status == "Pending" and order.pk not in rows.waiting_log:
            under_way = [a for a in rows.of(order, rows.attempts) if a.state in ("open", "unknown", "review")]
            with_staff = [i for i in rows.of(order, rows.items) if i.date_cleared is None or i.cleared_by_id]
            assert under_way or with_staff, "the order waits, and nobody knows what for"

    def what_is_held_for_a_cancelled_order_is_listed(self, order: Any, rows: Rows) -> None:
        if order.status == "Canceled":
            listed = {item.transaction_id for item in rows.of(order, rows.items)}
            standing = {charge.reference for charge in rows.of(order, rows.charges) if charge.status != "REJECT"}
            assert standing <= listed, "money is held for a cancelled order, and nobody is told"

    def one_confirmation(self, order: Any) -> None:
        mails = mails_about(order)
        assert mails <= 1
        if order.status == "Authorized":
            due = OrderConfirmation.objects.filter(order=order, date_sent=None).exists()
            assert mails == 1 or (due and order.pk in self.excused), "paid, and nobody tells the shopper"
            assert order.basket.status == "Submitted", "the shopper could buy the paid basket again"

    def a_paid_order_stays_paid(self, order: Any, before: Before, rejected: set[str]) -> None:
        if before.status == "Authorized" and order.status != "Authorized":
            assert order.pk in self.cancelled or rejected - before.rejected
        if before.status == "Canceled":
            assert order.status == "Canceled"

    def nothing_is_undone(self, order: Any, before: Before, rows: Rows) -> None:
        assert before.transactions <= {each.pk for each in rows.of(order, rows.transactions)}
        assert before.events <= {event.pk for event in rows.of(order, rows.events)}
        assert before.notes <= {note.pk for note in rows.of(order, rows.notes)}
        assert before.flagged <= {attempt.pk for attempt in rows.of(order, rows.attempts) if attempt.attention}

    def a_late_message_does_not_decline_a_retry(self, order: Any, before: Before) -> None:
        retry = before.under_way - self.replaced[order.pk]
        if self.late in self.replaced[order.pk] and order.status == "Payment Declined" and retry:
            assert before.status == "Payment Declined"

    def everything_arrives_in_the_end(self) -> None:
        """All that CyberSource said comes, by the slower endpoint, and once more: then every book is closed."""
        self.fuse = None
        for again in range(2):
            for message in self.messages:
                if again or not message.taken:
                    self.deliver(message, MERCHANT_POST)
            for told in self.told:
                if again or not told.delivered:
                    assert post_notification(told.body).status_code == 200
                    told.delivered = True
        self.late = ""
        OrderConfirmation.objects.filter(date_sent=None).update(date_claimed=None)
        self.reprocess()
        self.the_laws_hold()
        self.hours_go_by()
        self.the_laws_hold()
        for order_id in self.orders:
            order = Order.objects.get(pk=order_id)
            made = {(m.reference, m.held): 1 for m in self.messages if m.order_id == order_id and m.held is not None}
            assert charges(order) == Counter(made)
            assert mails_about(order) == OrderConfirmation.objects.filter(order=order).count()
        assert not OrderConfirmation.objects.filter(date_sent=None).exists()
        counted["examples"] += 1
        counted["charges"] += sum(message.held is not None for message in self.messages)
        counted["answers"] += len(self.messages)
        counted["orders"] += len(self.orders)


class Silent:
    def write(self, text: str) -> None:
        pass


counted: Counter[str] = Counter()


def test_the_laws_of_a_settlement_hold_whatever_happens(committed_db, mailoutbox, capsys):
    global goods
    goods = Goods()
    counted.clear()
    run_state_machine_as_test(
        Shop,
        settings=settings(
            max_examples=500 if THOROUGH else 16,
            stateful_step_count=20 if THOROUGH else 14,
            deadline=None,
            derandomize=not THOROUGH,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    if THOROUGH:
        with capsys.disabled():
            print(f"\n{dict(counted)}")
    # The first examples of a short run are the plainest; which come after them hangs on every constant in the code.
    assert counted["charges"] > counted["examples"] / (2 if THOROUGH else 10), counted
