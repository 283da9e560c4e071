"""Faults on demand: by rule, for one payment or for all, from Python as from the page."""

from decimal import Decimal

import pytest

from cybersource.simulator import Fault, MerchantPost, Profile, Step, cards
from cybersource.simulator.faults import Plan
from tests.simulator.forms import RECEIPT_PAGE, card, create_token, gateway, pay, pay_by_token, told, verified

NOTIFY = "http://localhost:8000/notify/"


def shop(**settings):
    settings.setdefault("profiles", (Profile(receipt_page=RECEIPT_PAGE, merchant_post_url=NOTIFY),))
    return gateway(**settings)


def faulty(*faults, **given):
    at = shop(**given.pop("settings", {}))
    at.faults.next(*faults, **given)
    return pay(at)


def when(answer):
    return [(post.before_page, post.after_seconds) for post in answer.merchant_posts]


def test_an_ordinary_payment_is_told_to_the_browser_and_then_to_the_server():
    answer = pay(shop())
    assert when(answer) == [(False, 0.5)]
    assert (answer.delay_seconds, answer.drop, answer.action) == (0, False, RECEIPT_PAGE)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("before", [(True, 0)]),
        ("after", [(False, 0.5)]),
        ("only", [(False, 0.5)]),
        ("twice", [(False, 0.5), (False, 1.0)]),
        ("never", []),
        ("slow", [(False, 8.0)]),
    ],
)
def test_the_merchant_post_comes_when_it_is_switched_to(order, expected):
    answer = faulty(merchant_post=order)
    assert when(answer) == expected
    assert (answer.reply is None) is (order == "only")
    assert when(pay(shop(merchant_post=MerchantPost(order)))) == expected


def test_without_a_url_there_is_no_merchant_post():
    assert pay(gateway()).merchant_posts == ()


@pytest.mark.parametrize("fault", ["tab-closed", "drop-reply", "truncated", "server-error-after"])
def test_a_lost_browser_leaves_the_merchant_post_alone(fault):
    answer = faulty(fault)

    assert answer.reply is None
    assert answer.payment.decision == "ACCEPT"
    assert verified(answer.merchant_posts[0].pairs)["decision"] == "ACCEPT"
    assert answer.drop is (fault == "drop-reply")


def test_a_closed_tab_gets_a_page_that_posts_nothing():
    answer = faulty("tab-closed")
    assert answer.status == 200
    assert "<form" not in answer.page.html


def test_a_truncated_page_breaks_off_in_the_form():
    html = faulty("truncated").page.html
    assert "custom_redirect" in html
    assert "</form>" not in html


@pytest.mark.parametrize(("fault", "status"), [("forbidden", 403), ("bad-request", 400), ("server-error", 500)])
def test_what_was_not_processed_is_told_to_nobody(fault, status):
    at = shop()
    at.faults.next(fault)
    answer = pay(at, transaction_uuid="one")

    assert (answer.status, answer.refused, answer.merchant_posts, at.payments) == (status, True, (), ())
    assert told(pay(at, transaction_uuid="one"))["reason_code"] == "100"


def test_a_late_page_waits_and_the_merchant_post_goes_ahead():
    answer = faulty("late")
    assert (answer.delay_seconds, when(answer)) == (5.0, [(True, 0)])
    assert when(faulty("late", merchant_post="never")) == []


def test_a_slow_page_waits_and_nothing_else_changes():
    answer = faulty("slow", settings={"slow_seconds": 3.0, "profiles": shop().settings.profiles})
    assert (answer.delay_seconds, when(answer)) == (3.0, [(False, 0.5)])


def test_swapped_copies_come_in_the_other_order():
    answer = faulty("swapped")
    assert (answer.delay_seconds, when(answer)) == (0, [(True, 0)])


def test_twice_is_twice_for_both_copies():
    answer = faulty("twice")
    assert len(answer.merchant_posts) == 2
    assert answer.page.html.count("fetch(form.action") == 1


def test_the_late_card_is_late_when_it_pays_and_not_when_its_token_is_made():
    at = shop()
    first = create_token(at, card(cards.LATE))
    second = pay_by_token(at, told(first)["payment_token"])

    assert (first.delay_seconds, second.delay_seconds) == (0, 5.0)
    assert when(second) == [(True, 0)]


def test_a_wrong_signature_is_on_both_copies():
    answer = faulty("wrong-signature")
    for pairs in (answer.reply, answer.merchant_posts[0].pairs):
        with pytest.raises(AssertionError):
            verified(pairs)


def test_a_tampered_reply_is_the_browsers_alone():
    answer = faulty("tampered")
    assert dict(answer.reply)["req_amount"] == "0.01"
    with pytest.raises(AssertionError):
        verified(answer.reply)
    assert verified(answer.merchant_posts[0].pairs)["req_amount"] == "64.50"


def test_an_extra_field_is_covered_by_no_signature():
    answer = faulty("extra-field")
    assert "extra_note" in dict(answer.reply)
    assert "extra_note" not in told(answer)


def test_an_unknown_code_or_decision_is_signed_all_the_same():
    fields = told(faulty("unknown-code", "unknown-decision"))
    assert (fields["decision"], fields["reason_code"]) == ("PENDING", "999")


def test_a_rotated_key_signs_and_is_named():
    second = Profile(receipt_page=RECEIPT_PAGE, other_keys={"b" * 32: "second-secret"})
    answer = faulty("rotated-key", settings={"profiles": (second,)})
    assert verified(answer.reply, "second-secret")["req_access_key"] == "b" * 32


def test_a_profile_with_one_key_has_none_to_rotate_to():
    answer = faulty("rotated-key")
    assert told(answer)["decision"] == "ACCEPT"
    assert answer.payment.remarks == ["The profile has no other key to sign with"]


def test_an_outcome_can_be_chosen_for_the_next_payment_only():
    at = shop()
    at.faults.next(outcome=203)
    assert [told(pay(at))["reason_code"] for _ in range(2)] == ["203", "100"]


def test_an_outcome_can_wait_for_the_step_that_pays():
    at = shop()
    at.faults.next(outcome="480", step="pay")
    first = told(create_token(at))
    assert first["reason_code"] == "100"
    assert told(pay_by_token(at, first["payment_token"]))["reason_code"] == "480"
    at.faults.next(outcome="231", step=Step.TOKEN)
    assert told(pay(at))["reason_code"] == "100"
    assert told(create_token(at))["reason_code"] == "231"


def test_a_cancel_has_neither_code_nor_id():
    at = shop()
    at.faults.next(outcome="cancel")
    answer = pay(at)
    fields = told(answer)
    assert (fields["decision"], fields["message"]) == ("CANCEL", "The consumer cancelled the transaction")
    assert not {"reason_code", "transaction_id", "payment_token"} & fields.keys()
    assert answer.payment.reason_code == ""


def test_a_rule_is_for_the_payments_that_it_describes():
    at = shop()
    at.faults.add(outcome=204, card="declined")
    at.faults.add(outcome=205, amount="10")
    at.faults.add(outcome=208, surname="ng")
    at.faults.add(outcome=210, reference="100099")
    at.faults.add(outcome=222, card=cards.NO_FUNDS)

    assert told(pay(at, card(cards.DECLINED)))["reason_code"] == "204"
    assert told(pay(at, amount="10.00"))["reason_code"] == "205"
    assert told(pay(at, bill_to_surname="Ng"))["reason_code"] == "208"
    assert told(pay(at, reference_number="100099"))["reason_code"] == "210"
    assert told(pay(at, card(cards.NO_FUNDS)))["reason_code"] == "222"
    assert told(pay(at))["reason_code"] == "100"
    assert [rule.card for rule in at.faults.rules] == ["0203", "", "", "", "0204"]


def test_a_rule_by_card_finds_the_card_behind_a_token():
    at = shop()
    token = told(create_token(at))["payment_token"]
    at.faults.add(outcome=208, card="1111")
    assert told(pay_by_token(at, token))["reason_code"] == "208"


def test_a_rule_may_count_and_the_default_comes_last():
    at = shop()
    at.faults.set_default(outcome=203)
    at.faults.add(outcome=100, times=2)
    assert [told(pay(at))["reason_code"] for _ in range(4)] == ["100", "100", "203", "203"]
    at.faults.set_default()
    assert told(pay(at))["reason_code"] == "100"


def test_a_rule_may_be_for_the_nth_payment_that_fits_and_only_that():
    at = shop()
    at.faults.add(outcome=203, nth=3, surname="Ng")
    codes = [told(pay(at, bill_to_surname=name))["reason_code"] for name in ("Ng", "Okafor", "Ng", "Ng", "Ng")]
    assert codes == ["100", "100", "100", "203", "100"]
    assert at.faults.rules == ()


def test_a_rule_that_begins_with_the_nth_may_go_on():
    at = shop()
    at.faults.add(outcome=203, nth=2, times=2)
    at.faults.add(outcome=204, nth=2)  # the first that the rule above leaves alone is its first
    assert [told(pay(at))["reason_code"] for _ in range(5)] == ["100", "203", "203", "204", "100"]


def test_rules_can_be_taken_away():
    at = shop()
    rule = at.faults.add("late", amount=Decimal("64.50"))
    at.faults.add("late")
    at.faults.remove(rule.number)
    at.faults.remove(rule.number)
    assert len(at.faults.rules) == 1
    at.faults.set_default("late")
    at.faults.clear()
    assert (at.faults.rules, at.faults.default) == ((), Plan())


@pytest.mark.parametrize(
    "given",
    [
        {"outcome": "no such"},
        {"merchant_post": "sometimes"},
        {"amount": "much"},
        {"step": "third"},
        {"nth": 0},
        {"times": 0},
    ],
)
def test_a_word_that_means_nothing_is_an_error(given):
    with pytest.raises(ValueError, match="."):
        shop().faults.add(**given)
    with pytest.raises(ValueError, match="no such fault"):
        shop().faults.add("no such fault")


def test_every_fault_says_what_it_does():
    assert all(fault.meaning.endswith(".") for fault in Fault)


def test_a_payment_without_a_receipt_page_ends_on_cybersources_own():
    answer = pay(gateway(profiles=(Profile(),)))
    assert (answer.status, answer.reply) == (200, None)
    assert "ACCEPT" in answer.page.html


def test_a_form_that_is_invalid_for_its_amount_still_meets_the_rules():
    at = shop()
    at.faults.next("tab-closed")
    assert pay(at, amount="much").reply is None


def test_the_same_signed_bytes_can_be_sent_again():
    at = shop()
    answer = pay(at)
    again = at.resend(answer.payment.id)
    assert again.body == answer.merchant_posts[0].body
    assert dict(answer.reply)["signature"] in at.replay(answer.payment.id).html.replace("&#x2F;", "/")


def test_a_test_may_sign_any_reply_it_likes():
    at = shop()
    fields = verified(at.sign_reply({"decision": "ACCEPT", "note": "odd"}))
    assert fields["signed_field_names"] == "decision,note,signed_field_names,signed_date_time"
    partly = at.sign_reply({"decision": "ACCEPT", "note": "odd"}, names=["note", "signed_field_names"])
    assert verified(partly) == {"note": "odd", "signed_field_names": "note,signed_field_names"}
    own = at.sign_reply({"decision": "ACCEPT", "signed_field_names": "decision", "signed_date_time": "never"})
    assert verified(own) == {"decision": "ACCEPT"}
    with pytest.raises(KeyError):
        at.sign_reply({}, "unknown")
