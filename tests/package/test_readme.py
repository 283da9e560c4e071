"""The README says what the code does: settings, signals, URLs, flows and files are compared, code blocks compile."""

from __future__ import annotations

import ast
import inspect
import json
import re

import pytest
from django.core.management import get_commands
from django.dispatch import Signal
from django.urls import reverse

from cybersource import conf as conf_module
from cybersource import limits, posts, signals
from cybersource.conf import FLOWS, HOSTS, conf
from cybersource.protocol import review

from .readme import README, ROOT, blocks, code, parsed, table

TEXT = README.read_text(encoding="utf-8")


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


def test_the_readme_is_clean_restructuredtext():
    assert parsed()[1] == ""


@pytest.mark.parametrize("name", [name for name, (language, _) in blocks().items() if language == "python"])
def test_a_python_block_compiles(name):
    compile(code(name), f"README.rst, {name}", "exec")


@pytest.mark.parametrize("name", [name for name, (language, _) in blocks().items() if language == "json"])
def test_a_json_block_is_json(name):
    json.loads(code(name))


def test_the_table_of_settings_names_every_setting_and_no_other():
    assert sorted(row[0] for row in table("settings-table")) == sorted(settings_read_by_conf())


def test_the_table_of_settings_gives_the_real_defaults(settings):
    read_by = settings_read_by_conf()
    for name in read_by:
        if hasattr(settings, name):
            delattr(settings, name)
    literal = re.compile(r"""^(".*"|None|True|False|\(\)|\{\}|\[\]|\d+)$""")
    compared = 0
    for name, _type, default, _meaning in table("settings-table"):
        if literal.match(default):
            assert getattr(conf, read_by[name]) == ast.literal_eval(default), name
            compared += 1
    assert compared >= 15


def test_the_table_of_limits_gives_the_real_defaults():
    real = {}
    for key, value in limits.DEFAULTS.items():
        if isinstance(value, dict):
            real.update({f"{key}, {name}": text for name, text in value.items()})
        else:
            real[key] = str(value)
    assert {key: default for key, default, _why in table("limits-table")} == real


def test_the_example_of_limits_is_one():
    known: dict[str, dict[str, object]] = {}
    exec(code("limits-example"), known)
    assert limits.merged(known["CYBERSOURCE_LIMITS"])["attempts"]["shopper"] == limits.rate("10/h")


def test_the_bounds_of_what_is_posted_are_the_real_ones():
    told = re.search(
        r"a reply of at most (\d+) MB and (\d+) fields, a review notification of at most (\d+) MB "
        r"with (\d+) MB of XML and (\d+) updates",
        " ".join(TEXT.split()),
    )
    megabyte = 1024 * 1024
    assert told
    assert [int(figure) for figure in told.groups()] == [
        posts.MAX_BYTES // megabyte,
        posts.MAX_FIELDS,
        review.MAX_BODY_BYTES // megabyte,
        review.MAX_XML_BYTES // megabyte,
        review.MAX_UPDATES,
    ]


def test_the_table_of_signals_names_every_signal_and_no_other():
    announced = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert {row[0] for row in table("signals-table")} == announced


def test_the_table_of_flows_names_every_flow():
    assert [row[0] for row in table("flows-table")] == list(FLOWS)


@pytest.mark.parametrize(
    ("row", "url_name"),
    [(0, "cybersource-reply"), (1, "cybersource-merchant-post"), (2, "cybersource-review-notification")],
)
def test_the_urls_for_the_business_center_are_the_apps_own(row, url_name):
    url = table("business-center-urls")[row][1]
    assert url.removesuffix("?key=KEY") == f"https://shop.example{reverse(url_name)}"


def test_the_policy_and_the_notes_on_it_name_cybersources_own_hosts():
    assert HOSTS["test"] in code("csp")
    assert HOSTS["production"] in TEXT


def test_files_and_commands_that_the_readme_names_exist():
    for target in re.findall(r"^\.\. image:: (\S+)", TEXT, re.M):
        assert (ROOT / target).is_file(), target
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)    ", TEXT):
        assert re.search(rf"^{target}:", makefile, re.M), target
    ours = {name for name, app in get_commands().items() if app == "cybersource"}
    assert ours == set(re.findall(r"manage\.py (\w*cybersource\w*)", TEXT))


def test_going_live_names_the_connection_test():
    _before, _title, after = TEXT.partition("\nGoing live\n==========\n")
    steps, _title, _rest = after.partition("\n=====")
    assert "manage.py cybersource_check" in steps


def test_the_worked_example_of_the_states_is_what_the_editable_fields_table_explains():
    states = json.loads(code("payment-states"))
    fields = states["payment_method_states"]["cybersource"]["required_action"]["fields"]
    assert {field["key"] for field in fields if field["editable"]} == {row[0] for row in table("editable-fields")}
