"""What the module knows of cards, asked of the module itself in a browser."""

import pytest

from cybersource.protocol.regions import STATES, state_code

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ask(browser, servers):
    """Evaluate an expression with the module's exports at hand as `m`."""
    page = browser.new_page()
    page.goto(f"{servers[0].url}/empty/")

    def evaluate(expression, argument=None):
        return page.evaluate(
            "async (argument) => { const m = await import('/static/cybersource/js/checkout.js');"
            f" return ({expression}); }}",
            argument,
        )

    yield evaluate
    page.context.close()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4111111111111111", "001"),
        ("4622943127013705", "001"),
        ("5555555555554444", "002"),
        ("2222420000001113", "002"),
        ("2222630000001125", "002"),
        ("2720990000000007", "002"),
        ("378282246310005", "003"),
        ("341111111111111", "003"),
        ("6011111111111117", "004"),
        ("6445640000000000", "004"),
        ("38000000000006", "005"),
        ("30569309025904", "005"),
        ("36700102000000", "005"),
        ("3566111111111113", "007"),
        ("3528000000000007", "007"),
        ("6000340000009859", "042"),
        ("50339619890917", "042"),
        ("586824160825533338", "042"),
        ("6759180000005546", "024"),
        ("6759411100000008", "024"),
        ("6759560045005727054", "024"),
        ("5019717010103742", "034"),
        ("6062826786276634", "050"),
        ("6362970000457013", "054"),
        ("5066991111111118", "054"),
        ("6200000000000005", "062"),
        ("8171999927660000", "062"),
        ("4", "001"),
        ("37", "003"),
    ],
)
def test_the_first_digits_of_a_card_tell_its_cybersource_type(ask, number, code):
    assert ask("m.brandOf(argument).code", number) == code


@pytest.mark.parametrize("number", ["", "1", "2", "222", "9792030394440796", "2800000000000003", "0604000000000000"])
def test_a_type_that_the_number_does_not_tell_is_not_guessed(ask, number):
    assert ask("m.brandOf(argument)", number) is None


@pytest.mark.parametrize("edge", ["2220999999999999", "2721000000000000", "3500000000000000", "643000000000000"])
def test_a_number_just_outside_a_range_is_not_of_that_brand(ask, edge):
    assert ask("m.brandOf(argument)", edge) is None


def test_a_shop_that_takes_fewer_types_gets_the_wider_brand(ask):
    assert ask("m.brandOf('4011780000000000').code") == "054"
    assert ask("m.brandOf('4011780000000000', '001,002').code") == "001"
    assert ask("m.brandOf('6221260000000000', '001,004').code") == "004"
    assert ask("m.brandOf('6221260000000000', '004,062').code") == "062"
    assert ask("m.brandOf('6759180000005546', '042').code") == "042"
    assert ask("m.brandOf('4026000000000002', '001,033').code") == "033"


def test_a_card_of_two_brands_is_the_shoppers_choice_where_the_shop_takes_both(ask):
    assert ask("m.brandsOf('4111111111111111', '001,036').map((brand) => brand.code)") == ["001", "036"]
    assert ask("m.brandsOf('4111111111111111', '001,002').map((brand) => brand.code)") == ["001"]


@pytest.mark.parametrize(
    "number", ["4111111111111111", "378282246310005", "6759560045005727054", "50339619890917", "4111 1111-1111 1111"]
)
def test_a_right_check_digit_is_accepted(ask, number):
    assert ask("m.luhnValid(argument)", number) is True


@pytest.mark.parametrize("number", ["", "4111111111111112", "1411111111111111", "0000000000000000", "not a number"])
def test_a_wrong_check_digit_is_not(ask, number):
    assert ask("m.luhnValid(argument)", number) is False


def test_every_single_wrong_digit_is_noticed(ask):
    wrong = ask(
        "Array.from(argument).flatMap((digit, at) => Array.from('0123456789').filter((other) => other !== digit)"
        ".map((other) => argument.slice(0, at) + other + argument.slice(at + 1))).filter(m.luhnValid)",
        "4111111111111111",
    )
    assert wrong == []


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("4111111111111111", "4111 1111 1111 1111"),
        ("378282246310005", "3782 822463 10005"),
        ("38000000000006", "3800 000000 0006"),
        ("6759560045005727054", "6759 5600 4500 5727 054"),
        ("41111", "4111 1"),
        ("", ""),
    ],
)
def test_numbers_are_shown_in_the_groups_printed_on_the_card(ask, number, shown):
    assert ask("m.grouped(argument)", number) == shown


def test_digits_of_other_scripts_are_digits(ask):
    assert ask("m.digitsOf(argument)", "４１１１ ١٢٣٤ 𝟓𝟔") == "4111123456"


@pytest.mark.parametrize(
    ("typed", "wire"),
    [
        ("0927", "09-2027"),
        ("09/27", "09-2027"),
        ("09 / 27", "09-2027"),
        ("9/27", "09-2027"),
        ("9/2027", "09-2027"),
        ("09/2027", "09-2027"),
        ("092027", "09-2027"),
        ("2027-09", "09-2027"),
        ("2027/9", "09-2027"),
        ("202709", "09-2027"),
        ("927", "09-2027"),
        ("12-2031", "12-2031"),
        (" 01.30 ", "01-2030"),
        ("٠٩/٢٧", "09-2027"),
    ],
)
def test_an_expiry_date_is_understood_however_it_is_written(ask, typed, wire):
    assert ask("m.toExpiry(argument)", typed) == wire


@pytest.mark.parametrize("typed", ["", "9", "13/27", "00/27", "0/27", "soon", "09/2", "09/20277", "1/2/3"])
def test_what_is_no_month_is_not_taken_for_one(ask, typed):
    assert ask("m.toExpiry(argument)", typed) == ""


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "expiry-required"),
        ("13/27", "expiry-unreadable"),
        ("04/26", "expiry-past"),
        ("05/26", None),
        ("05/2025", "expiry-past"),
        ("05/46", None),
        ("06/46", "expiry-far"),
    ],
)
def test_a_card_is_good_until_the_last_day_of_its_month(ask, typed, problem):
    assert ask("m.expiryProblem(argument, new Date(2026, 4, 31, 23, 59))", typed) == problem


@pytest.mark.parametrize(
    ("number", "accepted", "problem"),
    [
        ("", "", "number-required"),
        ("4111 1111", "", "number-short"),
        ("411111111111", "", "number-short"),
        ("4111 1111 1111 1111 1111", "", "number-long"),
        ("55555555555544440", "", "number-long"),
        ("4111111111111112", "", "number-mistyped"),
        ("37828224631000", "", "number-short"),
        ("378282246310005", "001,002", "number-refused"),
        ("378282246310005", "001,003", None),
        ("4222222222222", "", None),
        ("9792030394440796", "", None),
    ],
)
def test_a_card_number_is_judged_by_its_brand(ask, number, accepted, problem):
    assert ask("m.numberProblem(argument.number, argument)", {"number": number, "accepted": accepted}) == problem


@pytest.mark.parametrize(
    ("cvn", "number", "problem"),
    [
        ("", "4111", "cvn-required"),
        ("123", "4111", None),
        ("1234", "4111", "cvn-three"),
        ("123", "3782", "cvn-four"),
        ("1234", "3782", None),
        ("12", "", "cvn-three"),
        ("1234", "", None),
    ],
)
def test_the_security_code_has_the_brands_length(ask, cvn, number, problem):
    assert ask("m.cvnProblem(argument.cvn, m.brandOf(argument.number))", {"cvn": cvn, "number": number}) == problem


@pytest.mark.parametrize(
    ("phone", "good"),
    [("", True), ("+1 (415) 555-0123", True), ("12345", False), ("1234567890123456", False), ("call me", False)],
)
def test_a_phone_number_may_be_left_out_but_not_be_nonsense(ask, phone, good):
    assert (ask("m.phoneProblem(argument)", phone) is None) is good


@pytest.mark.parametrize(
    ("country", "state", "code"),
    [
        ("US", "California", "CA"),
        ("US", "ny", "NY"),
        ("CA", "québec", "QC"),
        ("CA", "Ontario", "ON"),
        ("US", "Ontario", None),
        ("US", "", None),
        ("DE", "Bayern", None),
        ("constructor", "CA", None),
        ("US", "Washington, D.C.", "DC"),
        ("US", "State of Washington", "WA"),
        ("US", "N. Carolina", "NC"),
        ("US", "CA - California", "CA"),
        ("US", "US-TX", "TX"),
        ("US", "Armed Forces Europe", "AE"),
        ("CA", "P.E.I.", "PE"),
        ("CA", "Newfoundland & Labrador", "NL"),
        ("CA", "Que\u0301bec", "QC"),
        ("CA", "Ontario, Canada", "ON"),
        ("CA", "CA", None),
    ],
)
def test_states_are_sent_as_their_two_letters(ask, country, state, code):
    assert ask("m.stateCode(argument[0], argument[1])", [country, state]) == code
    assert (state_code(state, country) if country in STATES else "") == (code or "")


def test_the_shop_and_the_card_form_read_every_name_alike(ask):
    names = [
        (country, how.format(name, code))
        for country, states in STATES.items()
        for code, listed in states.items()
        for name in (code, *listed.split("|"))
        for how in ("{}", "{0}.", "{0} ({1})", "The State of {0}", "{0}, USA", "Canada {0}", "{0}xx")
    ]
    read = ask("argument.map(([country, name]) => m.stateCode(country, name) ?? '')", names)
    assert read == [state_code(name, country) for country, name in names]


@pytest.mark.parametrize(
    ("country", "typed", "sent"),
    [
        ("US", "10001", "10001"),
        ("US", "100011234", "10001-1234"),
        ("US", "1000", None),
        ("CA", "k1a0b1", "K1A 0B1"),
        ("CA", "10001", None),
        ("GB", "sw1a 1aa", "SW1A 1AA"),
    ],
)
def test_postal_codes_are_sent_as_cybersource_wants_them(ask, country, typed, sent):
    assert ask("m.postalCode(argument[0], argument[1])", [country, typed]) == sent


def test_the_billing_address_loses_what_cybersource_refuses(ask):
    assert ask("m.billingOf({bill_to_forename: ' Zoë  <b>\\u0007 🎉 '}).values") == {"bill_to_forename": "Zoë b"}


def test_the_shops_errors_are_read_however_deep_they_lie(ask):
    errors = {
        "shipping_address": {"postcode": ["Too long."], "lines": [{"sku": ["Gone."]}, {}]},
        "non_field_errors": ["No."],
        "detail": "Hm.",
        "basket": None,
    }
    assert ask("m.flattenErrors(argument)", errors) == [
        {"path": ["shipping_address", "postcode"], "text": "Too long."},
        {"path": ["shipping_address", "lines", "sku"], "text": "Gone."},
        {"path": [], "text": "No."},
        {"path": [], "text": "Hm."},
    ]


def test_every_brand_that_is_told_has_a_name_and_every_documented_type_is_known(ask):
    named = ask("m.CARD_TYPES")
    assert {
        "001",
        "002",
        "003",
        "004",
        "005",
        "006",
        "007",
        "014",
        "021",
        "024",
        "027",
        "031",
        "033",
        "034",
        "036",
        "037",
    } <= named.keys()
    assert {"042", "043", "050", "053", "054", "055", "062"} <= named.keys()
