"""What gets a bare page: the shop hears nothing, so every cause has a reason on the simulator's own page."""

from datetime import UTC, datetime

import pytest

from cybersource.simulator import Profile, UnlistedFields
from cybersource.simulator.request import ALWAYS_SIGNED, MAX_FIELDS
from tests.simulator.forms import NOW, form, gateway, pay, signed, told


def refused(pairs, *, path="/silent/pay", **settings):
    """Return status and reason of a form that is refused."""
    at = gateway(**settings)
    answer = at.submit(path, pairs)
    assert (answer.payment, answer.reply, at.payments) == (None, None, ())
    (refusal,) = at.refusals
    assert refusal.status == answer.status
    return answer.status, refusal.reason


def test_an_unknown_access_key_is_refused():
    assert refused(form(access_key="0" * 32)) == (403, "access_key is missing or not known")
    assert refused([]) == (403, "access_key is missing or not known")


def test_a_profile_that_is_not_the_keys_own_is_refused():
    status, reason = refused(form(profile_id="ANOTHER"))
    assert (status, reason) == (403, "profile_id is missing or not the one of this access_key")


def test_an_inactive_profile_is_refused():
    assert refused(form(), profiles=(Profile(active=False),)) == (403, "The profile is not active")


def test_a_form_signed_with_another_secret_is_refused():
    assert refused(form(secret_key="another"))[0] == 403


def test_a_form_signed_with_a_second_live_key_is_answered_with_that_key():
    at = gateway(profiles=(Profile(receipt_page="http://localhost/", other_keys={"b" * 32: "second-secret"}),))
    answer = pay(at, access_key="b" * 32, secret_key="second-secret")

    from tests.simulator.forms import verified

    assert verified(answer.reply, "second-secret")["req_access_key"] == "b" * 32


@pytest.mark.parametrize("name", ["signed_field_names", "unsigned_field_names"])
def test_a_form_without_a_list_is_refused(name):
    status, reason = refused([pair for pair in form() if pair[0] != name])
    assert (status, reason) == (403, "signed_field_names and unsigned_field_names must both be posted")


@pytest.mark.parametrize("name", sorted(set(ALWAYS_SIGNED) - {"access_key", "profile_id"}))
def test_a_field_that_must_be_signed_and_is_not_is_refused(name):
    pairs = form()
    names = dict(pairs)["signed_field_names"].split(",")
    names.remove(name)
    unsigned = dict(pairs)["unsigned_field_names"]
    pairs = [(key, {"signed_field_names": ",".join(names)}.get(key, value)) for key, value in pairs]
    pairs = [(key, unsigned + "," + name if key == "unsigned_field_names" else value) for key, value in pairs]

    assert refused(pairs) == (403, f"Must be signed and is not: {name}")


@pytest.mark.parametrize("lists", ["amount", "card_number, card_cvn", "card_number,", "card-number"])
def test_lists_with_a_repeated_or_impossible_name_are_refused(lists):
    status, reason = refused(form(unsigned=(lists,)))
    assert status == 403
    assert reason in {"A name stands in the lists twice", "A list of names holds something that is no field name"}


@pytest.mark.parametrize("text", ["2026-03-04 09:15:02", "2026-03-04T09:15:02.000Z", "2026-02-30T09:15:02Z", "", "x"])
def test_a_malformed_date_is_refused(text):
    assert refused(form(signed_date_time=text))[1].startswith("signed_date_time is not of the form")


def test_a_field_posted_twice_gets_a_400_page():
    assert refused([*form(), ("amount", "64.50")]) == (400, "A field was posted twice")


def test_a_form_that_is_not_utf8_gets_a_400_page():
    assert refused([*form(), ("note", "\udcff")]) == (400, "The form is not UTF-8")


def test_a_form_of_thousands_of_fields_gets_a_400_page():
    assert refused([(f"a{number}", "") for number in range(MAX_FIELDS + 1)])[0] == 400


def test_another_path_gets_a_404_page():
    assert refused(form(), path="/pay") == (404, "There is no such page")


def test_a_transaction_type_that_its_path_does_not_take_is_refused_unless_switched():
    at_token_path = {"path": "/silent/token/create"}
    assert refused(form(), **at_token_path)[1] == "/silent/token/create does not take this transaction_type"
    token = form(transaction_type="create_payment_token")
    assert refused(token, token_on_pay_path=False)[1] == "/silent/pay does not take this transaction_type"
    assert gateway().submit("/silent/pay", token).status == 200
    assert gateway(strict_paths=False).submit("/silent/token/create", form()).status == 200


@pytest.mark.parametrize("path", ["/silent/embedded/pay", "/silent/pay"])
def test_the_embedded_endpoints_answer_as_their_twins(path):
    assert told(gateway().submit(path, form()))["decision"] == "ACCEPT"


def test_a_field_in_neither_list_is_ignored_and_noted():
    at = gateway()
    answer = at.submit("/silent/pay", [*form(), ("skip_decision_manager", "true"), ("utf8", "✓"), ("commit", "Pay")])

    assert "req_skip_decision_manager" not in told(answer)
    assert answer.payment.remarks == ["Posted but in neither list of names: skip_decision_manager"]


def test_a_field_in_neither_list_is_accepted_or_refused_when_switched():
    extra = [*form(), ("consumer_id", "7")]
    accepting = gateway(unlisted_fields=UnlistedFields.ACCEPT)

    assert told(accepting.submit("/silent/pay", extra))["req_consumer_id"] == "7"
    assert refused(extra, unlisted_fields=UnlistedFields.REFUSE) == (403, "In neither list of names: consumer_id")


@pytest.mark.parametrize("sign", '":^')
def test_signs_in_an_items_name_are_taken_or_refused_when_switched(sign):
    item = {"line_item_count": "1", "item_0_unit_price": "64.50", "item_0_name": f"Kettle {sign}"}

    assert told(gateway().submit("/silent/pay", form(**item)))["decision"] == "ACCEPT"
    assert refused(form(**item), refuse_item_signs=True) == (403, 'One of ", : and ^ stands in item_0_name')


def test_a_blank_field_in_neither_list_harms_nobody():
    at = gateway(unlisted_fields=UnlistedFields.REFUSE)
    assert at.submit("/silent/pay", [*form(), ("bill_to_phone", "")]).status == 200


def test_an_update_of_a_token_need_not_sign_an_amount():
    pairs = dict(form(transaction_type="update_payment_token", leave_out=("amount", "currency")))
    fields = {name: value for name, value in pairs.items() if name not in {"signature", "signed_field_names"}}
    typed = {name: fields.pop(name) for name in ("card_type", "card_number", "card_expiry_date", "card_cvn")}
    fields.pop("unsigned_field_names")
    at = gateway()
    answer = at.submit("/silent/token/update", signed(fields, unsigned=tuple(typed)) + list(typed.items()))

    assert told(answer)["required_fields"] == "allow_payment_token_update,payment_token"


def test_a_refusal_never_repeats_a_value():
    at = gateway()
    pairs = form(bill_to_surname="Unrepeatable", secret_key="another")
    answer = at.submit("/silent/pay", pairs)

    assert "Unrepeatable" not in answer.page.html + repr(at.refusals)
    assert dict(pairs)["card_number"] not in answer.page.html + repr(at.refusals)


def test_a_form_of_exactly_fifteen_minutes_is_still_taken():
    early = datetime(2026, 3, 4, 9, 0, 2, tzinfo=UTC)
    assert gateway(lambda: NOW).submit("/silent/pay", form(at=early)).status == 200
