"""Device fingerprinting: what the tags told is joined to the payment that names the same id."""

from tests.simulator.forms import Clock, gateway, pay, told

ID = "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"
DEVICE = "score_device_fingerprint_hash"


def profiled(clock, **settings):
    at = gateway(clock, verbose=True, **settings)
    at.profile_device(org_id="1snn5n9w", session_id="acme_shop" + ID, asset="tags.js")
    return at


def test_a_device_profiled_within_thirty_minutes_is_told_to_verbose_profiles():
    clock = Clock()
    at = profiled(clock)
    clock.move(minutes=30)
    fields = told(pay(at, device_fingerprint_id=ID, customer_ip_address="203.0.113.24"))
    assert fields["score_device_fingerprint_true_ipaddress"] == "203.0.113.24"

    clock.move(seconds=1)
    assert DEVICE not in told(pay(at, device_fingerprint_id=ID))


def test_no_device_is_told_without_profiling_or_with_another_id():
    at = profiled(Clock())
    assert DEVICE not in told(pay(at, device_fingerprint_id="another"))
    assert DEVICE not in told(pay(at))
    assert DEVICE in told(pay(at, device_fingerprint_id=ID))


def test_the_tags_carry_the_merchant_id_before_the_session_id():
    at = gateway(verbose=True)
    at.profile_device(org_id="1snn5n9w", session_id=ID, asset="clear.png")
    assert DEVICE not in told(pay(at, device_fingerprint_id=ID))
    assert at.profilings[0].session_id == ID


def remarks(at, **changes):
    return pay(at, **changes).payment.remarks


def test_an_id_used_for_two_orders_is_noted_also_when_only_its_case_differs():
    at = gateway()
    assert remarks(at, device_fingerprint_id="abc") == []
    assert remarks(at, device_fingerprint_id="abc") == []
    assert remarks(at, device_fingerprint_id="ABC", reference_number="100019") == [
        "device_fingerprint_id was used for another order already"
    ]


def test_an_id_of_other_characters_is_noted_and_taken():
    at = gateway()
    answer = pay(at, device_fingerprint_id="a.b")
    assert told(answer)["decision"] == "ACCEPT"
    assert answer.payment.remarks == ["device_fingerprint_id holds characters other than A-Z a-z 0-9 - _"]


def test_an_id_too_long_together_with_the_merchant_id_is_noted():
    from cybersource.simulator import Profile

    at = gateway(profiles=(Profile(merchant_id="m" * 31, receipt_page="http://localhost/"),))
    assert remarks(at, device_fingerprint_id="x" * 88) == [
        "Merchant id and device_fingerprint_id are longer than 118 characters together"
    ]


def test_what_is_remembered_has_a_bound():
    at = gateway()
    for number in range(5001):
        at._memory.fingerprints.remarks("m", str(number), reference="1")
    assert len(at._memory.fingerprints._used) == 5000
