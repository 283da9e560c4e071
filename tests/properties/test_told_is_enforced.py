"""What is told of a payment equals what is enforced: its buttons, limits and plans against what the operations do.

For each state of a payment: a button, an operation named as allowed, an amount named as left and a step of a plan are
there if and only if the operation is begun when it is asked, also while something is under way. What an operation does
is found out by asking it for real, in a transaction that is then rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from oscar.core.loading import get_model

from cybersource.dashboard import preview as desks
from cybersource.dashboard.order.money import positions
from cybersource.gateway import client as rest_client
from cybersource.models import PaymentOperation
from cybersource.operations import detail, money_back, requests, rules, service
from cybersource.operations.operation_request import OperationRequest
from cybersource.payments import balance
from cybersource.payments.errors import InvalidOperation
from cybersource.protocol.rest.calls import is_id
from cybersource.simulator import cards
from tests.dashboard.test_operation_pages import MOVE, as_user
from tests.support.calling import Caller, code
from tests.support.desk import Desk, source_of

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

D = Decimal
NOTHING = D("0.00")
Kind = PaymentOperation.Kind

DECIDE = "decide_review"

#: What can be asked of a Transaction. The desk's "give back" is a plan.
KINDS = [kind for kind in Kind if kind != Kind.AUTHORIZE]
GIVE_BACK = "give-back"


# -- what is enforced --------------------------------------------------------------------------------------------------


def begins(what: str, on: Any, **asked: Any) -> PaymentOperation | None:
    """The operation that would be begun, of a plan its first step; None where it is refused. Nothing stays of it."""
    try:
        with transaction.atomic():
            try:
                service.require_rest()
                if what == GIVE_BACK:
                    begun = money_back.begin(OperationRequest(kind=what, transaction=on.pk, **asked)).operation
                    rows = PaymentOperation.objects.filter(plan=begun.plan).order_by("position")
                    begun.steps = list(rows.values_list("kind", "transaction", "amount"))
                    return begun
                return requests.begin(OperationRequest(kind=what, transaction=on.pk, **asked)).operation
            finally:
                transaction.set_rollback(True)
    except InvalidOperation:
        return None


def enforced(payment: balance.PaymentBalance, *, quickly: bool = False) -> set[tuple[int, str]]:
    """Everything that can be asked of a payment now; ``quickly``: of the Transactions that come into question."""
    asked = [(one, what) for one in payment.transactions for what in KINDS + [GIVE_BACK]]
    if quickly:
        asked = [(one, what) for one, what in asked if comes_in_question(what, one)]
    return {(one.pk, str(what)) for one, what in asked if begins(what, one)}


def comes_in_question(what: str, on: Any) -> bool:
    return on.txn_type in (("Authorise", "Debit", "Refund") if what == GIVE_BACK else rules.RULES[Kind(what)].acts_on)


# -- what is told ------------------------------------------------------------------------------------------------------


def offered(shown: Any, may: Container[str]) -> set[tuple[int, str]]:
    """The buttons that the order's page draws of a payment's position for those with these permissions."""
    found = {(shown.hold, GIVE_BACK)} if shown.hold and MOVE in may else set()
    for one in shown.movements:
        acts = {*one.may, *([GIVE_BACK] if one.gives_back else ())}
        if MOVE not in may:
            acts -= {"capture", "refund", "void", "reverse", GIVE_BACK}
        if DECIDE not in may:
            acts -= {"accept-review", "reject-review", *(["reverse"] if one.ends_review else ())}
        found |= {(one.pk, str(act)) for act in acts}
    return found


def drawn(client: Any, order: Any) -> set[tuple[int, str]]:
    """The buttons of the order's page as HTML."""
    html = client.get(f"/dashboard/orders/{order.number}/").content.decode()
    return {(int(pk), act) for pk, act in re.findall(r'href="/api/cybersource/payments/(\d+)/([\w-]+)/"', html)}


def to_be_shown(
    can: set[tuple[int, str]], payment: balance.PaymentBalance, may: Container[str]
) -> set[tuple[int, str]]:
    """The buttons that there have to be for what can be asked.

    A refund is stopped by its "Void"; a payment that was never captured goes back by the button of its hold.
    """
    found = set()
    for on in payment.transactions:
        for what in (what for pk, what in can if pk == on.pk):
            if what == GIVE_BACK:
                needed = money_back.permissions(payment, on, money_back.plan(payment, on=on))
                if on.txn_type == "Refund" or (on.txn_type == "Authorise" and not payment.captures):
                    continue
            else:
                needed = rules.permissions(what, payment, on)
            if all(each in may for each in needed):
                found.add((on.pk, what))
    return found


# -- the law -----------------------------------------------------------------------------------------------------------


def the_law_holds(payment: balance.PaymentBalance, *, quickly: bool = False) -> set[tuple[int, str]]:
    """What the page draws, the API says, and of what the desk opens its forms."""
    can = enforced(payment, quickly=quickly)
    (position,) = positions([payment], balance.balance(payment.source.order))
    for may in ((), (MOVE,), (DECIDE,), (MOVE, DECIDE)):
        assert offered(position, may if rest_client.is_ready() else ()) == to_be_shown(can, payment, may), (
            f"the buttons of who may {may}"
        )
    told = detail.one(payment.source.pk)
    if told is not None:  # no hold of money in it: no payment
        the_api_tells_what_is_enforced(told, can)
    for one in payment.transactions:
        for act in desks.OperationButton:
            if act == GIVE_BACK and one.txn_type == "Refund":
                continue
            if not quickly or (act == GIVE_BACK and comes_in_question(act, one)):
                on = desks.read_preview(one.pk, act)
                assert (not on.problems()) is ((one.pk, str(act)) in can), (act, one.txn_type, on.problems())
    for one in filter(partial(comes_in_question, GIVE_BACK), payment.transactions):
        the_plan_is_what_is_begun(payment, one, (one.pk, GIVE_BACK) in can)
    return can


def the_api_tells_what_is_enforced(told: detail.PaymentDetails, can: set[tuple[int, str]]) -> None:
    allowed = {(step.transaction.pk, str(kind)) for step in told.steps for kind in step.allowed}
    assert allowed == {(pk, what) for pk, what in can if what != GIVE_BACK}
    assert {*told.allowed} == {what for _, what in allowed}
    payment = told.standing
    if rest_client.is_ready():
        for step in told.steps:
            if step.left is not None and is_id(step.transaction.reference):
                what = "capture" if step.transaction.pk == payment.authorization.pk else "refund"
                the_limit_is_the_limit(what, step.transaction, step.left, payment.currency, can)
        left = [step.left for step in told.steps if step.left is not None and step.type == "capture"]
        assert payment.left_to_refund <= sum(left, NOTHING) and bool(payment.left_to_refund) is any(left)
        assert payment.left_to_capture == told.steps[0].left
    for line in told.lines:
        assert not line.left_to_capture or payment.left_to_capture
        assert not line.left_to_refund or payment.left_to_refund


def the_limit_is_the_limit(what: str, on: Any, left: Decimal, currency: str, can: set[tuple[int, str]]) -> None:
    """What is told to be left can be asked, and not the least bit more; nothing is left of what cannot be asked."""
    cent = D(1).scaleb(-rules.decimals(currency))
    assert bool(left) is ((on.pk, what) in can), (what, left)
    if left:
        assert begins(what, on, amount=left).amount == begins(what, on).amount == left
    assert begins(what, on, amount=left + cent) is None, "more than is left"


def the_plan_is_what_is_begun(payment: balance.PaymentBalance, on: Any, is_begun: bool) -> None:
    try:
        steps = money_back.preview(payment.source.order, payment, on=on)
    except InvalidOperation:
        steps = ()
    assert bool(steps) is is_begun, ("a plan for", on.txn_type)
    if steps:
        told = [(step.kind, step.transaction.pk, step.amount) for step in steps]
        assert told == begins(GIVE_BACK, on).steps


# -- states of a payment -----------------------------------------------------------------------------------------------


def captured_in_part(desk: Desk, *, is_last: bool = False, **checkout: Any) -> Any:
    order = desk.order(**checkout)
    desk.do("capture", desk.authorization(order), amount=D("40.00"), is_last=is_last)
    return order


def captured_twice(desk: Desk) -> Any:
    order = captured_in_part(desk)
    desk.do("capture", desk.authorization(order), amount=D("20.00"), is_last=False)
    return order


def refunded(desk: Desk, amount: str | None) -> Any:
    order = desk.captured()
    desk.do("refund", desk.debit(order), amount=D(amount) if amount else None)
    return order


def refund_voided(desk: Desk) -> Any:
    order = refunded(desk, "9.00")
    desk.do("void", desk.payment(order).refunds[0])
    return order


def voided(desk: Desk) -> Any:
    order = desk.captured()
    desk.do("void", desk.debit(order))
    return order


def reversed_(desk: Desk) -> Any:
    order = desk.order()
    desk.do("reverse", desk.authorization(order))
    return order


def rest_lapses(desk: Desk) -> Any:
    order = captured_in_part(desk)
    service.reverse(desk.authorization(order), user=desk.staff)
    assert desk.payment(order).released
    return order


def decided(desk: Desk, how: str) -> Any:
    order = desk.order(card=cards.REVIEW)
    desk.do(how, desk.authorization(order))
    return order


def refunded_elsewhere(desk: Desk, amount: str) -> Any:
    """Somebody booked a refund of which the shop has no operation: it names no capture."""
    order = desk.captured()
    source = order.sources.get()
    source.refund(D(amount), reference="by hand")
    return order


def approved_in_no_part(desk: Desk) -> Any:
    """A partial approval that does not say of how much."""
    order = desk.order()
    Transaction.objects.filter(source__order=order).update(amount=0)
    Source.objects.filter(order=order).update(amount_allocated=0)
    return order


def without_an_id(desk: Desk) -> Any:
    order = desk.captured()
    Transaction.objects.filter(source__order=order).update(reference="by hand: 7")
    return order


def cancelled(desk: Desk) -> Any:
    order = desk.order()
    order.status = "Canceled"
    order.save()
    return order


STATES: dict[str, Callable[[Desk], Any]] = {
    "authorized": lambda desk: desk.order(),
    "captured in part": captured_in_part,
    "captured in part for good": lambda desk: captured_in_part(desk, is_last=True),
    "captured": lambda desk: desk.captured(),
    "captured twice": captured_twice,
    "refunded in part": lambda desk: refunded(desk, "9.00"),
    "refunded": lambda desk: refunded(desk, None),
    "refund voided": refund_voided,
    "voided": voided,
    "reversed": reversed_,
    "rest lapses": rest_lapses,
    "under review": lambda desk: desk.order(card=cards.REVIEW),
    "accepted": lambda desk: decided(desk, "accept_review"),
    "rejected": lambda desk: decided(desk, "reject_review"),
    "refunded elsewhere": lambda desk: refunded_elsewhere(desk, "9.00"),
    "all refunded elsewhere": lambda desk: refunded_elsewhere(desk, "69.50"),
    "approved in no part": approved_in_no_part,
    "without an id": without_an_id,
    "cancelled": cancelled,
    "partial approval": lambda desk: desk.order(card=cards.PARTIAL),
}


def under_way(payment: balance.PaymentBalance) -> list[tuple[Any, str, dict[str, Any]]]:
    """What may be under way on a payment: everything that can be asked of it, whole or in part."""
    found = []
    for on in payment.transactions:
        for what in (each for each in KINDS + [GIVE_BACK] if comes_in_question(each, on)):
            found += [(on, str(what), {})]
            if what == Kind.REFUND:
                found += [(on, str(what), {"amount": D("1.00")})]
            if what == Kind.CAPTURE:
                found += [(on, str(what), {"amount": D("1.00"), "is_last": False})]
    return found


def of_sale(make: Callable[..., Any], *args: Any) -> Callable[[Desk], Any]:
    def made(desk: Desk) -> Any:
        with override_settings(CYBERSOURCE_FLOW="sale"):
            desk.captured = desk.order  # type: ignore[method-assign]
            return make(desk, *args)

    return made


STATES |= {
    "sale": of_sale(Desk.order),
    "sale refunded in part": of_sale(refunded, "9.00"),
    "sale refunded": of_sale(refunded, None),
    "sale whose refund was voided": of_sale(refund_voided),
    "sale voided": of_sale(voided),
    "sale under review": of_sale(STATES["under review"]),
    "sale rejected": of_sale(STATES["rejected"]),
    "sale refunded elsewhere": of_sale(refunded_elsewhere, "9.00"),
}


@pytest.fixture(autouse=True)
def nothing_goes_back_automatically(settings):
    settings.CYBERSOURCE_AUTO_REVERSE = ()


@pytest.mark.parametrize("state", STATES)
def test_what_is_told_of_a_payment_is_what_its_operations_do(desk, state):
    """Also while each of the operations that can be asked of it is under way."""
    order = STATES[state](desk)
    can = the_law_holds(desk.payment(order))
    assert drawn(as_user(desk.staff), order) == to_be_shown(can, desk.payment(order), (MOVE, DECIDE))
    for on, what, asked in under_way(desk.payment(order)):
        with suppress(InvalidOperation):
            request = OperationRequest(kind=what, transaction=on.pk, **asked)
            begun = money_back.begin(request) if what == GIVE_BACK else requests.begin(request)
            the_law_holds(desk.payment(order), quickly=True)
            PaymentOperation.objects.filter(pk__gte=begun.operation.pk).delete()


@pytest.mark.parametrize(
    "changed",
    [
        {"CYBERSOURCE_REST_KEY_ID": ""},
        {"CYBERSOURCE_REST_SHARED_SECRET": ""},
        {"CYBERSOURCE_REST_SHARED_SECRET": "no base64"},
        {"CYBERSOURCE_SEVERAL_CAPTURES": False},
    ],
)
def test_what_is_told_is_what_can_be_done_with_these_settings(desk, settings, changed):
    order = captured_in_part(desk)
    for name, value in changed.items():
        setattr(settings, name, value)
    can = the_law_holds(desk.payment(order))
    assert drawn(as_user(desk.staff), order) == to_be_shown(can, desk.payment(order), (MOVE, DECIDE))
    assert bool(can) is rest_client.is_ready()


def test_the_law_holds_between_the_steps_of_a_plan(desk):
    order = captured_twice(desk)
    desk.rest.faults.next("no-answer", action="voids")
    money_back.cancel_or_refund(desk.authorization(order), user=desk.staff)
    assert [one.state for one in desk.payment(order).under_way] == ["unknown", "queued", "queued"]
    the_law_holds(desk.payment(order))


def test_all_of_a_payment_goes_back_once_it_is_known_what_was_taken_of_it(desk):
    """A capture whose end nobody knows would be in no step of the plan, and money would stay taken unnoticed."""
    order = captured_in_part(desk)
    hold, at = desk.authorization(order), f"payments/{order.sources.get().pk}/give-back/"
    desk.rest.faults.next("no-answer", action="captures")
    service.capture(hold, amount=D("20.00"), is_last=False)
    staff, before = Caller(desk.staff), len(desk.rest.calls)
    for path in (at, f"{at}plan/"):
        assert code(staff.post(path, {})) == (409, "under-way")
    assert len(desk.rest.calls) == before and not PaymentOperation.objects.exclude(kind="capture").exists()


def test_a_plan_of_lines_says_what_the_lines_cost_and_then_does_it(desk):
    order = desk.captured("10.00", "20.00")
    debit, at = desk.debit(order), f"payments/{order.sources.get().pk}/give-back/"
    asked = {"transaction": debit.pk, "lines": {str(order.lines.get(line_price_incl_tax=D("10.00")).pk): 1}}
    asked["lines"] = [{"line": int(line), "quantity": quantity} for line, quantity in asked["lines"].items()]
    staff = Caller(desk.staff)
    plan = staff.post(f"{at}plan/", asked)
    assert [(one["kind"], one["amount"]) for one in plan.json()["steps"]] == [("refund", "10.00")], plan.content
    done = staff.post(at, asked).json()["operations"]
    assert [(one["kind"], one["amount"]) for one in done] == [("refund", "10.00")]
    assert code(staff.post(f"{at}plan/", asked)) == code(staff.post(at, asked)) == (422, "line-quantity")


def test_nothing_goes_back_by_the_row_of_what_was_undone(desk):
    """The row of a void is no authorization: who names it has not asked for everything."""
    order = refund_voided(desk)
    row = Transaction.objects.get(source__order=order, txn_type="Refund void")
    told = Caller(desk.staff).post(f"payments/{order.sources.get().pk}/give-back/", {"transaction": row.pk})
    assert code(told) == (422, "not-possible"), told.content
    assert source_of(order) == (D("69.50"), D("69.50"), 0)
