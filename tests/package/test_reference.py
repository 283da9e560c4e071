"""The reference lists what there is: tables are the code's, and what may be imported can be."""

from __future__ import annotations

import ast
import inspect
import os
import re
from importlib import import_module
from typing import Any

import pytest
from django.urls import get_resolver

from cybersource import urls as our_urls
from cybersource.gateway import credentials
from cybersource.models import AttemptState
from cybersource.templatetags import cybersource_tags

from .readme import DOCS, PAGES, README, ROOT, SETTINGS, blocks, code, table
from .tables import MADE, modules, system_checks, with_tables

PYTHON = DOCS / "reference" / "python.rst"
NAMES = [name for cell, _what in table("public-names-table", PYTHON) for name in cell.replace("\n", " ").split(", ")]


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in MADE])
def test_a_table_made_from_the_code_is_up_to_date(page):
    made = with_tables(page)
    if os.environ.get("WRITE_TABLES"):
        page.write_text(made, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made, "write it anew: make tables"


def test_every_id_of_a_system_check_that_the_code_names_is_in_the_table():
    spelled = {id for path, _tree in modules() for id in re.findall(r'id="(cybersource\.[EW]\d+)"', path.read_text())}
    assert spelled and spelled <= {id for id, *_ in system_checks()}


@pytest.mark.parametrize(
    "package", ["cybersource.gateway", "cybersource.limits", "cybersource.operations", "cybersource.reconciliation"]
)
def test_the_table_names_all_that_a_public_package_offers_and_no_more(package):
    offered = {f"{package}.{name}" for name in import_module(package).__all__}
    assert {name for name in NAMES if name.rpartition(".")[0] == package} == offered


def imported(name: str) -> Any:
    """What stands behind a dotted name: a module, or a name in one."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        module, _dot, attribute = name.rpartition(".")
        return getattr(import_module(module), attribute)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_can_be_imported(name):
    assert imported(name) is not None


#: Names with our app's label that are no Python: checks and findings, migrations, permissions.
LABELLED = re.compile(r"cybersource\.([EWD]\d+|\d{4}_\w+|(add|change|clear|decide|delete|move|view)_\w+)")


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in (README, *PAGES)])
def test_a_dotted_name_in_the_text_is_one_of_the_code(page):
    for name in re.findall(r"``(cybersource(?:\.\w+)+)(?:\([^`]*\))?``", page.read_text(encoding="utf-8")):
        if not LABELLED.fullmatch(name):
            assert imported(name) is not None, name


def names_of_an_example(text: str) -> set[str]:
    """What an example imports of this app."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cybersource":
            found |= {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name.split(".")[0] == "cybersource"}
    return found


def is_public(name: str) -> bool:
    module, _dot, attribute = name.rpartition(".")
    return name in NAMES or (module in NAMES and attribute in getattr(import_module(module), "__all__", ()))


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.name)) for page in (README, *PAGES)])
def test_examples_import_only_what_is_public(page):
    examples = [code(name, page) for name, (language, _text) in blocks(page).items() if language == "python"]
    assert {name for text in examples for name in names_of_an_example(text) if not is_public(name)} == set()


def test_the_table_of_template_tags_names_every_tag_and_no_other():
    assert {name for name, _what in table("template-tags-table", PYTHON)} == set(cybersource_tags.register.tags)


def test_the_table_of_url_names_names_every_url_and_no_other():
    told = {name for cell, _who in table("url-names-table", PYTHON) for name in re.findall(r"[a-z-]+", cell)}
    ours = {pattern.name for pattern in our_urls.urlpatterns if getattr(pattern, "name", None)}
    assert told == ours
    assert told <= {name for name in get_resolver().reverse_dict if isinstance(name, str)}


def test_the_table_of_attempt_states_is_the_codes_own():
    rows = table("attempt-states-table", DOCS / "reference" / "states.rst")
    assert [(value, label) for value, label, _what in rows] == AttemptState.choices


def functions_that_tell() -> dict[str, str]:
    """Id of a system check -> the source of what tells it."""
    found: dict[str, str] = {}
    for path, tree in modules():
        text = path.read_text(encoding="utf-8")
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        sources = {node.name: ast.get_source_segment(text, node) or "" for node in functions}
        for source in sources.values():
            for id in re.findall(r'id="(cybersource\.[EW]\d+)"', source):
                asked = (sources.get(name, "") for name in re.findall(r"\b(\w+)\(", source))
                found[id] = "".join([found.get(id, ""), source, *asked])
    # What is wrong with a REST key is found out where it is read.
    found["cybersource.E033"] += inspect.getsource(inspect.getmodule(credentials.access))  # type: ignore[arg-type]
    return found


def test_every_setting_has_a_check_that_reads_it_or_says_why_not():
    told_by = functions_that_tell()
    for name, *_, checks in table("settings-table", SETTINGS):
        ids = re.findall(r"[EW]\d{3}", checks)
        assert ids or re.fullmatch(r"none: .{10,}", " ".join(checks.split())), name
        short = name.removeprefix("CYBERSOURCE_")
        words = {short.lower(), short, short.removeprefix("REST_"), name}
        for id in ids:
            read = set(re.findall(r"\w+", told_by[f"cybersource.{id}"]))
            assert words & read, f"{id} does not look at {name}"
