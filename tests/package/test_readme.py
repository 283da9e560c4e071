"""README and documentation say what the code does: settings, signals, URLs, flows and files are compared."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class
from django.dispatch import Signal
from django.urls import reverse

from cybersource import conf as conf_module
from cybersource import signals
from cybersource.conf import FLOWS, HOSTS, conf
from cybersource.inbound import body
from cybersource.limits import rates
from cybersource.protocol import review

from .readme import DOCS, PAGES, README, ROOT, SETTINGS, blocks, code, parsed, table

TEXT = README.read_text(encoding="utf-8")

#: A page that only includes another file has no blocks of its own.
WRITTEN = [README, *PAGES]
BLOCKS = [
    pytest.param(page, name, language, id=f"{page.relative_to(ROOT)}: {name}")
    for page in WRITTEN
    for name, (language, _text) in blocks(page).items()
]


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def settings_read_by_conf() -> dict[str, str]:
    """Setting -> the attribute of ``conf`` that reads it, from the source of ``conf``."""
    found = {}
    tree = ast.parse(inspect.getsource(conf_module))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "_get":
                (name, *_) = call.args
                assert isinstance(name, ast.Constant)
                found[f"CYBERSOURCE_{name.value}"] = function.name
    return found


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in WRITTEN])
def test_a_page_is_clean_restructuredtext(page):
    assert parsed(page)[1] == ""


def test_the_readme_uses_nothing_that_the_package_index_does_not_know():
    assert not re.search(r":(doc|ref|term|class|func|mod|py:\w+):`", TEXT)
    assert not re.search(r"^\.\. (toctree|glossary|include|raw)::", TEXT, re.M)


def test_the_readme_is_short_enough_to_be_read():
    assert len(TEXT.splitlines()) <= 260


@pytest.mark.parametrize(("page", "name", "language"), BLOCKS)
def test_a_block_of_code_is_what_it_says(page, name, language):
    if language == "python":
        compile(code(name, page), f"{page.name}, {name}", "exec")
    elif language == "json":
        json.loads(code(name, page))


def test_the_table_of_settings_names_every_setting_and_no_other():
    assert sorted(row[0] for row in table("settings-table", SETTINGS)) == sorted(settings_read_by_conf())


def test_the_table_of_settings_gives_the_real_defaults(settings):
    read_by = settings_read_by_conf()
    for name in read_by:
        if hasattr(settings, name):
            delattr(settings, name)
    literal = re.compile(r"""^(".*"|None|True|False|\(\)|\{\}|\[\]|\d+)$""")
    compared = 0
    for name, _type, default, *_ in table("settings-table", SETTINGS):
        if literal.match(default):
            assert getattr(conf, read_by[name]) == ast.literal_eval(default), name
            compared += 1
    assert compared >= 15


def test_the_table_of_limits_gives_the_real_defaults():
    real = {}
    for key, value in rates.DEFAULTS.items():
        if isinstance(value, dict):
            real.update({f"{key}, {name}": text for name, text in value.items()})
        else:
            real[key] = str(value)
    assert {key: default for key, default, _why in table("limits-table", DOCS / "how-to/limits.rst")} == real


def test_the_example_of_limits_is_one():
    known: dict[str, dict[str, object]] = {}
    exec(code("limits-example", DOCS / "how-to/limits.rst"), known)
    assert rates.merged(known["CYBERSOURCE_LIMITS"])["attempts"]["shopper"] == rates.rate("10/h")


def test_the_bounds_of_what_is_posted_are_the_real_ones():
    told = re.search(
        r"a reply of at most (\d+) MB and (\d+) fields, a review notification of at most (\d+) MB "
        r"with (\d+) MB of XML and (\d+) updates",
        " ".join(text_of("explanation/failures.rst").split()),
    )
    megabyte = 1024 * 1024
    assert told
    assert [int(figure) for figure in told.groups()] == [
        body.MAX_BYTES // megabyte,
        body.MAX_FIELDS,
        review.MAX_BODY_BYTES // megabyte,
        review.MAX_XML_BYTES // megabyte,
        review.MAX_UPDATES,
    ]


def test_the_table_of_signals_names_every_signal_and_no_other():
    announced = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert {row[0] for row in table("signals-table", DOCS / "reference/signals.rst")} == announced


def test_the_table_of_flows_names_every_flow():
    assert [row[0] for row in table("flows-table", DOCS / "reference/flows.rst")] == list(FLOWS)


@pytest.mark.parametrize(
    ("row", "url_name"),
    [(0, "cybersource-reply"), (1, "cybersource-merchant-post"), (2, "cybersource-review-notification")],
)
def test_the_urls_for_the_business_center_are_the_apps_own(row, url_name):
    url = table("business-center-urls", DOCS / "how-to/business-center.rst")[row][1]
    assert url.removesuffix("?key=KEY") == f"https://shop.example{reverse(url_name)}"


def test_the_policy_and_the_notes_on_it_name_cybersources_own_hosts():
    assert HOSTS["test"] in code("csp", DOCS / "how-to/card-form.rst")
    assert HOSTS["production"] in text_of("how-to/card-form.rst")


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in WRITTEN])
def test_a_file_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"^\.\. (?:image|include):: (\S+)", text, re.M):
        assert (page.parent / target).is_file(), target
    for target in re.findall(r"<([\w./-]+\.(?:rst|py|png))>`__", text):
        assert (page.parent / target).is_file(), target
    for target in re.findall(r":doc:`(?:[^`<]*<)?([^`<>]+)>?`", text):
        start = DOCS if target.startswith("/") else page.parent
        assert (start / f"{target.lstrip('/')}.rst").is_file(), target
    for target in re.findall(r"``((?:docs|tests|sandbox|benchmarks)/[\w./-]+\.\w+)``", text):
        assert (ROOT / target).exists(), target


def test_targets_of_make_that_the_readme_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)\b(?=    |``)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_page_of_commands_names_every_command_with_every_option():
    ours = {name for name, app in get_commands().items() if app == "cybersource"}
    page = text_of("reference/commands.rst")
    assert ours == set(re.findall(r"manage\.py (\w*cybersource\w*)", page))
    usual = set(BaseCommand().create_parser("manage.py", "any")._option_string_actions)
    for name in ours:
        parsers = [load_command_class("cybersource", name).create_parser("manage.py", name)]
        for parser in parsers:
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction):
                    parsers += [*action.choices.values()]
                    assert set(action.choices) <= set(re.findall(rf"``{name} (\w[\w-]*)", page)), name
        told = {option for parser in parsers for option in parser._option_string_actions} - usual
        assert {option for option in told if f"``{option}" not in page} <= {"--no-input"}, name


def test_going_live_names_the_connection_test():
    assert "manage.py cybersource_check" in text_of("how-to/going-live.rst")


def test_the_worked_example_of_the_states_is_what_the_editable_fields_table_explains():
    page = DOCS / "how-to" / "front-end.rst"
    states = json.loads(code("payment-states", page))
    fields = states["payment_method_states"]["cybersource"]["required_action"]["fields"]
    assert {field["key"] for field in fields if field["editable"]} == {row[0] for row in table("editable-fields", page)}
