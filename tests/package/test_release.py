"""What is published: addresses that only the owner has, versions that are tested, a README that the index can show."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from packaging.requirements import Requirement

from .readme import ROOT
from .sources import copied_to

pytestmark = pytest.mark.package

MARK = "placeholder.invalid"
CHECK = ROOT / ".ci" / "release-check"


@pytest.fixture(scope="module")
def metadata(tmp_path_factory) -> Message:
    """The metadata of a source distribution, as the index gets it."""
    folder = copied_to(tmp_path_factory.mktemp("metadata"))
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(folder / "build-info")]
    (folder / "build-info").mkdir()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    (path,) = (folder / "build-info").glob("*.egg-info/PKG-INFO")
    return Parser().parsestr(path.read_text(encoding="utf-8"))


def environments() -> list[tuple[str, str]]:
    """Python and Django of each pair that tox runs."""
    read = configparser.ConfigParser(interpolation=None)
    read.read(ROOT / "tox.ini")
    found = []
    for name in read["tox"]["env_list"].replace(" ", "").split(","):
        section = read[f"testenv:{name}"]
        if "deps" in section:
            (django,) = re.findall(r"Django>=(\d+\.\d+)", section["deps"])
            found.append((section["base_python"].removeprefix("python"), django))
    return found


def classified(metadata: Message, prefix: str) -> set[str]:
    """The versions that the classifiers name."""
    lines = metadata.get_all("Classifier") or []
    return {line.removeprefix(prefix) for line in lines if re.fullmatch(re.escape(prefix) + r"\d+\.\d+", line)}


def test_the_classifiers_name_the_pythons_that_tox_runs(metadata):
    assert classified(metadata, "Programming Language :: Python :: ") == {python for python, _django in environments()}


def test_the_classifiers_name_the_djangos_that_are_taken_and_tox_runs_both_ends(metadata):
    named = classified(metadata, "Framework :: Django :: ")
    wanted = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    (taken,) = (each.specifier for each in wanted if each.name == "Django")
    assert {each for each in named if f"{each}.99" not in taken} == set()
    tested = {django for _python, django in environments()}
    assert tested <= named
    assert {min(named, key=version), max(named, key=version)} <= tested


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def test_the_index_finds_sources_documentation_issues_and_security(metadata):
    urls = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL") or [])
    assert {"Documentation", "Changelog", "Issues", "Security"} <= urls.keys()
    assert all(url.startswith("https://") for url in urls.values())


def test_the_index_gets_no_picture_or_link_that_is_a_path(metadata):
    text = metadata.get_payload() or metadata["Description"]
    document = publish_doctree(text, settings_overrides={"report_level": 5, "_disable_config": True})
    pictures = [image["uri"] for image in document.findall(nodes.image)]
    links = [link["refuri"] for link in document.findall(nodes.reference) if "refuri" in link]
    assert pictures and links
    assert [each for each in (*pictures, *links) if not re.match(r"https?://", each)] == []


# ------------------------------------------------------------------------------------ the owner's addresses


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path) -> Path:
    """What the check reads, ready for a release."""
    for name in ("setup.py", "SECURITY.rst", "CHANGELOG.rst", "README.rst"):
        shutil.copy(ROOT / name, tmp_path)
    edit(tmp_path / "setup.py", rf"https://{re.escape(MARK)}", "https://shop.example")
    edit(tmp_path / "setup.py", r'version="[^"]+"', 'version="11.0.0"')
    edit(tmp_path / "SECURITY.rst", rf"@{re.escape(MARK)}", "@shop.example")
    edit(tmp_path / "CHANGELOG.rst", r"(?m)^\d[^\n]*\n-+$", "11.0.0 (2027-01-31)\n-------------------")
    return tmp_path


def edit(path: Path, pattern: str, text: str) -> None:
    before = path.read_text(encoding="utf-8")
    after = re.sub(pattern, text, before, count=1)
    path.write_text(after, encoding="utf-8")


def test_a_tree_without_placeholders_can_be_released(tree):
    done = checked(tree)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout


@pytest.mark.parametrize(
    ("name", "pattern", "text", "told"),
    [
        ("setup.py", "https://shop.example", f"https://{MARK}", "setup.py:11: a placeholder"),
        ("SECURITY.rst", "@shop.example", f"@{MARK}", "SECURITY.rst:8: a placeholder"),
        ("setup.py", 'version="11.0.0"', 'version="11.0.0.dev0"', "is no version of a release"),
        ("CHANGELOG.rst", r"11.0.0 \(2027-01-31\)", "11.0.0 (unreleased)", "does not name this version and the day"),
        ("CHANGELOG.rst", r"11.0.0 \(2027-01-31\)", "10.0.0 (2027-01-31)", "does not name this version and the day"),
    ],
)
def test_a_release_is_refused(tree, name, pattern, text, told):
    edit(tree / name, pattern, text)
    done = checked(tree)
    assert done.returncode == 1
    assert told in done.stdout


def test_each_address_that_only_the_owner_has_is_one_placeholder():
    told = [line for line in checked(ROOT).stdout.splitlines() if "a placeholder stands" in line]
    names = [line.partition(":")[0] for line in told]
    assert len(names) == len(set(names)), told
    assert set(names) <= {"setup.py", "SECURITY.rst"}


# ------------------------------------------------------------------------------------------- taking part


@pytest.mark.parametrize("name", ["fault.yml", "wish.yml"])
def test_an_issue_template_asks_for_no_card_data(name):
    text = (ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text(encoding="utf-8")
    assert "No card data" in text
    assert "CVN" in text


def test_the_workflow_runs_what_anybody_can_run_on_every_python():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "run: .ci/run" in text
    assert re.findall(r"^ +(3\.\d+)$", text, re.M) == sorted({python for python, _django in environments()})
