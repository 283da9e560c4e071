"""Which transaction at CyberSource is which of ours: tables of what is told and what was asked, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from oscar.core.loading import get_model

from cybersource.gateway.lookup import GatewayNoAnswer
from cybersource.models import PaymentAttempt, PaymentOperation, PaymentToken
from cybersource.operations import calls, idempotency, lost_calls, results
from cybersource.operations import found as operations_found
from cybersource.operations import service as operations
from cybersource.operations.operation_request import OperationRequest
from cybersource.payments import amounts, attention
from cybersource.protocol.rest import Answer, Processed, Refused, Unknown, UnknownReason
from cybersource.protocol.rest.answer import Application
from cybersource.reconciliation import attempts
from cybersource.reconciliation import operations as unknown_operations
from cybersource.reviews import followons
from tests.payments.test_payment_balance import CAPTURE, HOLD, SECOND, D, asked, move, paid

Source = get_model("payment", "Source")
Transaction = get_model("payment", "Transaction")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(params=[False, True], ids=["account of one shop", "shared account"])
def shared(request, settings):
    settings.CYBERSOURCE_ACCOUNT_IS_SHARED = request.param
    return request.param


def service(name):
    """``ics_auth`` went through, ``ics_auth:0`` was declined, and ``ics_auth:`` never came to its turn."""
    name, said, r_code = name.partition(":")
    r_code = r_code if said else "1"
    reason = {"1": "100", "0": "201"}.get(r_code, "")
    return Application(name=name, status="", reason_code=reason, r_code=r_code, r_flag="", reconciliation_id="")


def answer(*services, **told):
    facts = {"id": "9", "reference_number": "100-C1", "amount": D("30"), "total_amount": D("30"), "currency": "USD"}
    return Answer(applications=tuple(service(one) for one in services), **{**facts, **told})


# -- operations --------------------------------------------------------------------------------------------------------


def operation(kind="capture", **row):
    facts = {"amount": D("30"), "currency": "USD", "reference_number": "100-C1", "idempotency_id": "id-1"}
    source = row.pop("source", Source(pk=1, reference="root"))
    return PaymentOperation(kind=kind, source=source, payment_id="acts-on", **{**facts, **row})


@pytest.mark.parametrize(
    ("told", "is_it"),
    [
        ({"root_id": "root"}, True),
        ({"root_id": "acts-on"}, True),
        ({"root_id": "other"}, False),
        ({}, False),
        ({"root_id": "root", "amount": D("30.01")}, False),
        ({"root_id": "root", "currency": "EUR"}, False),
        ({"root_id": "root", "reference_number": "100-C2"}, False),
        ({"idempotency_id": "id-1", "reference_number": "", "amount": None}, True),
        ({"idempotency_id": "id-2", "root_id": "root"}, False),
    ],
)
def test_an_operation_is_recognised_by_its_id_or_else_by_its_money_and_payment(shared, told, is_it):
    """Two transactions under one number: only the one that is proved to be it."""
    assert unknown_operations.fits(operation(), answer("ics_bill", **told)) == is_it


@pytest.mark.parametrize("kind", ["capture", "refund", "void", "reverse"])
def test_what_acts_on_a_payment_that_was_deleted_is_recognised_where_it_can_be(shared, kind):
    gone = operation(kind, source=None)
    assert operations_found.acts_on_its_payment(gone, answer(root_id="acts-on"))
    assert operations_found.acts_on_its_payment(gone, answer(root_id="other")) == (
        kind in ("refund", "void") and not shared
    )
    assert not operations_found.acts_on_its_payment(operation(kind), answer(root_id=""))


@pytest.mark.parametrize(
    ("card", "told", "alone", "with_others"),
    [("T1", "T1", True, True), ("T1", "T2", False, False), ("T1", "", True, False), (None, "T2", False, False)],
)
def test_a_stored_cards_charge_is_recognised_by_its_token(shared, card, told, alone, with_others):
    token = PaymentToken(token=card) if card else None
    charge = operation("authorize", attempt=PaymentAttempt(token=token))
    found = answer("ics_auth", token=told)
    assert unknown_operations.has_its_token(charge, found) == (with_others if shared else alone)
    assert unknown_operations.fits(charge, found) == (with_others if shared else alone)
    assert unknown_operations.is_another_shops(charge, found) == (shared and not with_others)


def test_a_charge_whose_order_was_deleted_is_recognised_on_an_account_of_one_shop(shared):
    assert unknown_operations.has_its_token(operation("authorize"), answer("ics_auth", token="T1")) == (not shared)


@pytest.mark.parametrize(
    ("told", "is_it"), [({}, True), ({"total_amount": D("29")}, False), ({"currency": "EUR"}, False)]
)
def test_a_charge_that_ran_is_for_what_was_asked(told, is_it):
    charge = operation("authorize", attempt=PaymentAttempt(token=PaymentToken(token="T1")))
    assert unknown_operations.fits(charge, answer("ics_auth", token="T1", **told)) == is_it


def test_a_charge_that_no_bank_was_asked_about_tells_no_amount():
    charge = operation("authorize", attempt=PaymentAttempt(token=PaymentToken(token="T1")))
    never = Answer(reference_number="100-C1", token="T1", applications=(service("ics_auth:"),))
    assert unknown_operations.fits(charge, never)


def test_only_on_a_shared_account_is_anything_another_shops(shared):
    assert unknown_operations.is_another_shops(operation(), answer("ics_bill", root_id="other")) == shared
    assert not unknown_operations.is_another_shops(operation(), answer("ics_bill", root_id="root"))


@pytest.mark.parametrize(
    ("age", "looks"),
    [
        (timedelta(seconds=9), 0),
        (timedelta(seconds=10), 1),
        (MINUTE - timedelta(seconds=1), 1),
        (MINUTE, 2),
        (5 * MINUTE, 3),
        (15 * MINUTE, 4),
        (HOUR, 5),
        (DAY, 6),
        (2 * DAY, 7),
        (3 * DAY, 8),
        (7 * DAY, 9),
        (14 * DAY - MINUTE, 9),
        (14 * DAY, 10),
        (21 * DAY, 11),
    ],
)
def test_how_often_an_operation_is_looked_for_by_an_age(age, looks):
    assert unknown_operations.looks_by(age) == looks


@pytest.mark.parametrize(
    ("state", "age", "looked", "ago", "is_broken_off", "due"),
    [
        ("sent", 2 * MINUTE - timedelta(seconds=1), 0, None, False, False),  # its call may still be going on
        ("sent", 2 * MINUTE, 0, None, False, True),
        ("unknown", timedelta(seconds=10), 0, None, False, True),
        ("unknown", timedelta(seconds=10), 1, None, False, False),
        ("unknown", 5 * MINUTE, 3, 2 * MINUTE, True, True),  # a look that was broken off
        ("unknown", 5 * MINUTE, 3, 2 * MINUTE - timedelta(seconds=1), True, False),
        ("unknown", 5 * MINUTE, 3, 4 * MINUTE, False, False),
    ],
)
def test_when_an_operation_is_looked_for(state, age, looked, ago, is_broken_off, due):
    row = operation(state=state, look_ups=looked, is_being_looked_up=is_broken_off)
    row.date_looked_up = NOON - ago if ago is not None else None
    assert unknown_operations.is_due(row, NOON, age) == due


@pytest.mark.parametrize(
    ("outcome", "is_about"),
    [
        (Refused(http_status=400, answer=Answer(reason="MISSING_AUTH")), True),
        (Refused(http_status=404, answer=Answer(reason="NOT_FOUND")), True),
        (Refused(http_status=403, answer=Answer(reason="MISSING_AUTH")), False),
        (Refused(http_status=400, answer=Answer()), False),
        (Refused(http_status=400, answer=Answer(reason="NOT_SUPPORTED")), False),
        (Refused(http_status=400, answer=Answer(reason="PROCESSOR_UNAVAILABLE")), False),
        (Refused(http_status=400, answer=Answer(reason="INVALID_MERCHANT_CONFIGURATION")), False),
        (Unknown(why=UnknownReason.NO_ANSWER, http_status=400, answer=Answer(reason="MISSING_AUTH")), False),
    ],
)
def test_a_refusal_tells_of_what_was_asked_or_of_who_asks(outcome, is_about):
    assert lost_calls.is_about_it(outcome) == is_about


@pytest.mark.parametrize(
    ("outcome", "taking"),
    [
        (Processed(http_status=201, answer=Answer(status="VOIDED")), "TAKEN_BACK"),
        (Processed(http_status=201, answer=Answer(status="DECLINED")), None),
        (Refused(http_status=400, answer=Answer(reason="AUTH_ALREADY_REVERSED")), "ARRIVED"),
        (Refused(http_status=404, answer=Answer(reason="CAPTURE_ALREADY_VOIDED")), "ARRIVED"),
        (Refused(http_status=400, answer=Answer(reason="DUPLICATE_REQUEST")), "ARRIVED"),
        (Refused(http_status=400, answer=Answer(reason="INVALID_AMOUNT")), "ARRIVED"),
        (Refused(http_status=400, answer=Answer(reason="TRANSACTION_ALREADY_REVERSED_OR_SETTLED")), "ARRIVED"),
        (Refused(http_status=400, answer=Answer(reason="TRANSACTION_ALREADY_SETTLED")), "ARRIVED"),
        (Refused(http_status=400, answer=Answer(reason="MISSING_AUTH")), "NOTHING_THERE"),
        (Refused(http_status=400, answer=Answer(reason="NOT_FOUND")), "NOTHING_THERE"),
        (Refused(http_status=404, answer=Answer(reason="SOMETHING_ELSE")), "NOTHING_THERE"),
        (Refused(http_status=400, answer=Answer(reason="NOT_VOIDABLE")), "UNCLEAR"),
        (Refused(http_status=400, answer=Answer(reason="NOT_SUPPORTED")), None),
        (Unknown(why=UnknownReason.NO_ANSWER), None),
    ],
)
def test_what_taking_a_lost_call_back_proves(outcome, taking, monkeypatch):
    """Anything but a clear word leaves the call in doubt: a second refund would be real money."""
    exchange = SimpleNamespace(outcome=outcome, entry=SimpleNamespace(pk=1))
    monkeypatch.setattr(lost_calls.client, "send", lambda *args, **about: exchange)
    call = SimpleNamespace(operation="void")
    if taking is None:
        with pytest.raises(GatewayNoAnswer):
            lost_calls.undo(operation(), call)
    else:
        assert lost_calls.undo(operation(), call) == (lost_calls.UndoResult[taking], exchange)


# -- attempts ----------------------------------------------------------------------------------------------------------


def attempt(**row):
    facts = {
        "reference_number": "100",
        "transaction_uuid": "uuid-1",
        "transaction_type": "authorization",
        "amount": D("30"),
        "currency": "USD",
        "state": "open",
        "date_created": NOON,
        "date_shown": NOON,
        "date_signed": NOON + MINUTE,
    }
    return PaymentAttempt(**{**facts, **row})


def charge(*services, **told):
    return answer(*(services or ["ics_auth"]), **{"reference_number": "100", "submitted_at": NOON + MINUTE, **told})


LATEST = NOON + MINUTE + attempts.FORM_LIFE + attempts.CLOCKS_DIFFER
EARLIEST = NOON - attempts.CLOCKS_DIFFER
SECOND_ = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("row", "services", "told", "is_like"),
    [
        ({}, [], {}, True),
        ({}, [], {"reference_number": "101"}, False),
        ({}, [], {"total_amount": D("30.01")}, False),
        ({}, [], {"currency": "EUR"}, False),
        ({}, [], {"submitted_at": None}, False),
        ({}, [], {"submitted_at": EARLIEST}, True),
        ({}, [], {"submitted_at": EARLIEST - SECOND_}, False),
        ({}, [], {"submitted_at": LATEST}, True),
        ({}, [], {"submitted_at": LATEST + SECOND_}, False),
        ({"date_shown": None}, [], {}, False),  # a form that never left the shop cannot have been posted
        ({"date_shown": None, "state": "unknown"}, [], {}, True),
        ({}, ["ics_pay_subscription_create"], {}, False),
        ({"transaction_type": "create_payment_token"}, ["ics_pay_subscription_create"], {}, True),
        ({"transaction_type": "create_payment_token"}, ["ics_auth"], {}, False),
        ({}, ["ics_auth", "ics_bill"], {}, False),
        ({"transaction_type": "sale"}, ["ics_auth", "ics_bill"], {}, True),
        ({"transaction_type": "sale"}, ["ics_auth"], {}, False),
        ({"transaction_type": "sale"}, ["ics_auth:0"], {}, True),  # what was declined has taken nothing
        ({}, ["ics_auth:0"], {}, True),
        ({}, ["ics_auth:0"], {"total_amount": D("29")}, False),
        ({}, ["ics_auth:"], {"total_amount": None, "currency": ""}, True),  # no bank was asked, so none is told
        ({}, ["ics_auth:"], {"total_amount": D("29")}, False),
        ({}, ["ics_auth:"], {"total_amount": None}, False),
        ({}, ["ics_auth"], {"total_amount": None, "currency": ""}, False),
    ],
)
def test_a_payment_looks_like_what_an_attempt_asked_for(row, services, told, is_like):
    assert attempts.looks_like(attempt(**row), charge(*services, **told)) == is_like


@pytest.mark.parametrize(
    ("row", "told", "alone", "with_others"),
    [
        ({}, {"idempotency_id": "uuid-1", "reference_number": "x"}, True, True),
        ({}, {"idempotency_id": "uuid-2"}, True, False),
        ({}, {}, True, False),
        ({}, {"token": "T1"}, True, False),
        ({"token": "T1"}, {"token": "T1"}, True, True),
        ({"token": "T1"}, {"token": "T2"}, True, False),
        ({"token": "T1"}, {"token": ""}, True, False),
        ({"token": "T1"}, {"token": "T1", "currency": "EUR"}, False, False),
    ],
)
def test_on_a_shared_account_a_payment_has_to_be_proved_to_be_ours(shared, row, told, alone, with_others):
    row = {name: PaymentToken(token=value) for name, value in row.items()}
    assert attempts.fits(attempt(**row), charge(**told)) == (with_others if shared else alone)


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ([], None),
        (["open"], 0),
        (["declined"], 0),
        (["open", "open"], None),
        (["declined", "open"], 1),  # what was answered is asked last
        (["declined", "declined"], None),
        (["open", "declined", "open"], None),
    ],
)
def test_a_payment_is_adopted_only_where_one_attempt_fits(states, chosen, monkeypatch):
    rows = [attempt(state=state) for state in states]
    monkeypatch.setattr(attempts, "candidates", lambda order_id: [attempt(reference_number="7"), *rows])
    assert attempts.match(1, charge()) is (None if chosen is None else rows[chosen])


def test_a_payment_is_young_for_a_while():
    assert attempts.is_young(charge(submitted_at=NOON - attempts.QUIET + SECOND_), NOON)
    assert not attempts.is_young(charge(submitted_at=NOON - attempts.QUIET), NOON)
    assert not attempts.is_young(charge(submitted_at=None), NOON)


# -- the same key, and the numbers of calls ----------------------------------------------------------------------------


def wanted(**other):
    facts = {"amount": D("30.00"), "lines": {4: 1}, "reason": "why", "reference": "ref", "transaction": 5}
    return OperationRequest(**{"kind": "capture", **facts, **other}).as_json()


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"amount": D("30")}, True),  # the same money in other digits
        ({"amount": D("30.01")}, False),
        ({"amount": None}, False),
        ({"lines": {4: 2}}, False),
        ({"lines": {}}, False),
        ({"reason": "else"}, False),
        ({"reference": ""}, False),
        ({"transaction": 6}, False),
        ({"is_last": False}, False),
        ({"kind": "refund"}, False),  # whose rows say nothing of another one
    ],
)
def test_the_same_key_has_to_ask_the_same(other, same):
    before = asked("capture", "30", "done", on=5)
    before.asked = wanted()
    assert idempotency.is_same([before], wanted(**other)) == same


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("amount", D("30"), True),
        ("amount", D("12"), True),  # of another step of it
        ("amount", D("29"), False),
        ("currency", "USD", True),
        ("currency", "EUR", False),
        ("reason", "why", False),
    ],
)
def test_what_was_left_open_may_be_named_as_what_it_came_to(name, value, same):
    rows = [asked("refund", "30", "done", on=5), asked("reverse", "12", "done", on=5, pk=91)]
    rows[0].asked = wanted(amount=None, reason="", currency="")
    assert idempotency.is_same(rows, wanted(**{"amount": None, "reason": "", "currency": "", name: value})) == same


@pytest.mark.parametrize(
    ("captures", "states", "is_last", "expected"),
    [
        (0, [], True, None),
        (0, [], False, (1, 2)),
        (1, [], True, (2, 2)),
        (1, [], False, (2, 3)),
        (2, [], True, (3, 3)),
        (1, ["sent"], True, (3, 3)),
        (0, ["unknown"], False, (2, 3)),
        (0, ["undone"], True, (2, 2)),  # taken back since its answer was lost: it had its number
        (0, ["refused", "declined", "not-sent", "done"], True, None),
    ],
)
def test_captures_are_numbered_on_and_no_number_is_used_twice(captures, states, is_last, expected):
    rows = [move(HOLD, "70"), *[move(CAPTURE, "10", "VOIDED"), move(SECOND, "10")][:captures]]
    others = [asked("capture", "5", state, on=HOLD, pk=91 + number) for number, state in enumerate(states)]
    others.append(asked("refund", "5", "sent", on=CAPTURE, pk=80))
    payment = paid(*rows, operations=others)
    assert calls.sequence(operation(is_last=is_last), payment) == expected


@pytest.mark.parametrize(
    ("kind", "payment_id", "expected"),
    [("Refund", "root", "REFUND"), ("Debit", "root", "PAYMENT"), ("Debit", "other", "CAPTURE")],
)
def test_what_an_operation_acts_on_at_cybersource(kind, payment_id, expected):
    payment = SimpleNamespace(source=SimpleNamespace(reference="root"))
    row = SimpleNamespace(transaction=SimpleNamespace(txn_type=kind), payment_id=payment_id)
    assert calls.resource(row, payment).name == expected


@pytest.mark.parametrize(
    ("row", "ending", "again"),
    [
        ({"is_automatic": True}, {"state": "not-sent"}, True),
        ({"is_automatic": True}, {"state": "refused"}, False),
        ({"is_automatic": False}, {"state": "not-sent"}, False),
        ({"is_automatic": True, "resolved_by_name": "ines"}, {"state": "not-sent"}, False),
        ({"plan": "p", "position": 0}, {"state": "not-sent"}, False),
        ({"plan": "p", "position": 0}, {"state": "not-sent", "is_found_out": True}, True),
        ({"plan": "p", "position": 1}, {"state": "not-sent"}, True),
        ({"plan": "", "position": 1}, {"state": "not-sent"}, False),
    ],
)
def test_what_was_not_done_and_nobody_asks_again_waits(row, ending, again):
    assert results.asks_again(operation(**row), results.OperationResult(**ending)) == again


@pytest.mark.parametrize(("named", "part"), [({}, False), ({"amount": "5"}, True), ({"lines": {"4": 1}}, True)])
def test_a_step_is_for_a_part_where_somebody_named_one(named, part):
    assert operations.is_part(PaymentOperation(asked=named)) == part


def test_what_a_step_would_find_left():
    payment = paid(move(HOLD, "70"), move(CAPTURE, "30"), operations=[asked("refund", "5", on=CAPTURE)])
    hold, capture = payment.transactions
    assert operations.amount_left_for("reverse", payment, hold) == 40
    assert operations.amount_left_for("void", payment, capture) == 25
    assert operations.amount_left_for("refund", payment, capture) == 25
    assert operations.amount_left_for("void", payment, hold) == 70


# -- reviews, and charges of nobody ------------------------------------------------------------------------------------


def update(decision="REJECT", followon=None):
    return SimpleNamespace(new_decision=decision, followon=followon)


@pytest.mark.parametrize(
    ("application", "status", "is_reversed"),
    [
        ("Card Authorization Reversal", "Success", True),
        ("ics_auth_reversal", "SUCCESS", True),
        ("Card Settlement", "Success", False),
        ("Card Authorization Reversal", "Failure", False),
    ],
)
def test_a_rejection_that_reversed_is_not_reversed_again(settings, application, status, is_reversed):
    settings.CYBERSOURCE_REST_KEY_ID = settings.CYBERSOURCE_REST_SHARED_SECRET = "c2VjcmV0"
    settings.CYBERSOURCE_REST_ENDPOINT = "http://127.0.0.1:1"
    told = update(followon=SimpleNamespace(application=application, status=status))
    assert followons.reversed_with(told) == is_reversed and followons.is_reversed_by_itself(told) == (not is_reversed)
    assert followons.is_reversed_by_itself(update())
    settings.CYBERSOURCE_AUTO_REVERSE = ()
    assert not followons.is_reversed_by_itself(update())


@pytest.mark.parametrize(
    ("decision", "settled", "expected"), [("ACCEPT", True, True), ("ACCEPT", False, False), ("REJECT", True, False)]
)
def test_an_accept_settles_where_its_settlement_went_through(decision, settled, expected):
    assert bool(followons.settled_with(update(decision, SimpleNamespace(settled=settled)))) == expected
    assert not followons.settled_with(update(decision))


@pytest.mark.parametrize(
    ("decision", "kind", "moves"),
    [
        ("ACCEPT", "sale", True),
        ("REVIEW", "authorization", True),
        ("ACCEPT", None, True),
        ("DECLINE", "sale", False),
        ("ERROR", "sale", False),
        ("ACCEPT", "create_payment_token", False),
    ],
)
def test_a_reply_of_nobodys_is_about_money_or_is_not(decision, kind, moves):
    assert attention.moves_money(decision, kind) == moves


@pytest.mark.parametrize(
    ("amount", "currency", "held"),
    [("34.875", "KWD", "34.87"), ("34.879", "KWD", "34.87"), ("34.87", "USD", "34.87"), ("0.009", "KWD", "0.00")],
)
def test_a_column_never_holds_more_than_there_is(amount, currency, held):
    assert amounts.rounded(D(amount)) == D(held) and amounts.is_rounded(currency) == (currency == "KWD")


@pytest.mark.parametrize("currency", ["", "usd", "EURO"])
def test_what_is_no_currency_is_not_rounded(currency):
    assert not amounts.is_rounded(currency)
