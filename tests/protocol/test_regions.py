"""States and provinces as people write them, in Python and in the card form alike."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cybersource
from cybersource.protocol.regions import STATES, state_code

NAMES = [
    (country, code, name)
    for country, states in STATES.items()
    for code, names in states.items()
    for name in (code, *names.split("|"))
]


def test_every_state_district_territory_and_province_has_its_code():
    assert (
        len(STATES["US"]) == 50 + 1 + 5 + 1 + 3 + 3
    )  # DC; territories; the outlying islands; associated; armed forces
    assert len(STATES["CA"]) == 13
    assert all(re.fullmatch("[A-Z]{2}", code) for states in STATES.values() for code in states)


@pytest.mark.parametrize("country", STATES)
def test_no_name_stands_for_two_states(country):
    told = {}
    for named_in, code, name in NAMES:
        if named_in == country:
            assert told.setdefault(name.upper().replace(" ", ""), code) == code, name


@given(st.sampled_from(NAMES), st.data())
def test_a_name_is_known_however_it_is_spelled(named, data):
    country, code, name = named
    spell = st.sampled_from(
        [str.upper, str.lower, str.swapcase, lambda text: text.replace("and", "&"), lambda text: f" {text} "]
    )
    for change in data.draw(st.lists(spell, max_size=3)):
        name = change(name)
    name = "".join(letter + data.draw(st.sampled_from(["", ".", "\u0301", "\u00ad"])) for letter in name)
    name = name.replace(" ", data.draw(st.sampled_from([" ", "-", ". ", ", ", "\u00a0", ""])))
    name = data.draw(st.sampled_from(["{}", "{0} ({1})", "{1} - {0}", "{2}-{0}", "State of {0}", "{0}, {2}"])).format(
        name, code, country
    )
    assert state_code(name, country) == code


@given(st.text(max_size=300), st.sampled_from(list(STATES)))
def test_whatever_is_typed_is_a_code_of_that_country_or_nothing(typed, country):
    assert state_code(typed, country) in {*STATES[country], ""}


@pytest.mark.parametrize(
    ("country", "typed", "code"),
    [
        ("US", "Washington, D.C.", "DC"),
        ("US", "Washington", "WA"),
        ("US", "Washington State", "WA"),
        ("US", "Calif.", "CA"),
        ("US", "N. Carolina", "NC"),
        ("US", "W.Va.", "WV"),
        ("US", "U.S. Virgin Islands", "VI"),
        ("US", "United States Virgin Islands", "VI"),
        ("US", "Commonwealth of Massachusetts", "MA"),
        ("US", "ＣＡ", "CA"),
        ("US", "NY 10001", "NY"),
        ("US", "AE", "AE"),
        ("US", "Armed Forces Europe", "AE"),
        ("US", "APO", ""),
        ("US", "APO AE", "AE"),
        ("US", "APO/FPO AP", "AP"),
        ("US", "Armed Forces (AA)", "AA"),
        ("US", "Military AE", "AE"),
        ("US", "Armed Forces Africa / Canada / Europe / Middle East", "AE"),
        ("US", "US Alabama", "AL"),
        ("US", "U.S. Armed Forces – Pacific", "AP"),
        ("US", "US - American Samoa", "AS"),
        ("US", "USA Louisiana", "LA"),
        ("US", "USA LA", "LA"),
        ("US", "So. Dak.", "SD"),
        ("US", "Porto Rico", "PR"),
        ("US", "Kalifornien", ""),
        ("US", "CA, OR", ""),
        ("US", "Ontario", ""),
        ("US", "-", ""),
        ("CA", "P.E.I.", "PE"),
        ("CA", "Ont.", "ON"),
        ("CA", "Newfoundland & Labrador", "NL"),
        ("CA", "Que\u0301bec", "QC"),
        ("CA", "Île-du-Prince-Édouard", "PE"),
        ("CA", "Province de Québec", "QC"),
        ("CA", "The Yukon", "YT"),
        ("CA", "Prov. of Ontario", "ON"),
        ("CA", "Manitoba, Can.", "MB"),
        ("CA", "Newfoundland & Lab.", "NL"),
        ("CA", "Northwest Terr.", "NT"),
        ("CA", "Prince Ed. Island", "PE"),
        ("CA", "Ontario, Canada", "ON"),
        ("CA", "CA-ON", "ON"),
        ("CA", "NWT", "NT"),
        ("CA", "NY", ""),
    ],
)
def test_names_as_people_write_them(country, typed, code):
    assert state_code(typed, country) == code


def test_the_country_may_stand_before_or_behind_any_name():
    homes = {"US": ("US", "U.S.", "USA", "United States"), "CA": ("CA", "Canada")}
    for country, code, name in NAMES:
        for home in homes[country]:
            spellings = [f"{name}, {home}"]
            if len(name) > 3:  # "USA LA" is Louisiana, and "US Ala" reads the same
                spellings += [f"{home} {name}", f"{home} - {name}"]
            for typed in spellings:
                assert state_code(typed, country) == code, typed


def test_accents_may_be_composed_or_not():
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert state_code(unicodedata.normalize(form, "Nouvelle-Écosse"), "CA") == "NS"


def test_the_card_form_knows_the_same_table():
    module = Path(cybersource.__file__).parent / "static/cybersource/js/checkout.js"
    table = re.search(r"^const STATES = (\{.*?^\});$", module.read_text(encoding="utf-8"), re.M | re.S)
    assert json.loads(table[1]) == STATES
