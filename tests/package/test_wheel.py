"""What ``pip install`` puts into a shop: everything the app needs at run time, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from .readme import ROOT, commands
from .sources import copied_to

pytestmark = pytest.mark.package

LEFT_BEHIND = {"__pycache__"}


def app_files() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / "cybersource").rglob("*")
        if path.is_file() and not LEFT_BEHIND & set(path.parts) and path.suffix not in {".pyc", ".pot"}
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from the sources."""
    source = copied_to(tmp_path_factory.mktemp("wheel"))
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source],
        check=True,
        capture_output=True,
        text=True,
    )
    (path,) = Path(source, "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_holds_every_file_of_the_app_and_nothing_else(wheel):
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == app_files()


@pytest.mark.parametrize(
    "kind",
    [
        "cybersource/py.typed",
        "cybersource/migrations/0001_initial.py",
        "cybersource/templates/cybersource/",
        "cybersource/static/cybersource/js/checkout.js",
        "cybersource/static/cybersource/css/cybersource.css",
        "cybersource/locale/",
        "cybersource/management/commands/cybersource_reprocess.py",
        "cybersource/protocol/",
        "cybersource/simulator/",
        "cybersource/templatetags/cybersource_tags.py",
    ],
)
def test_the_wheel_holds(wheel, kind):
    assert [name for name in wheel.namelist() if name.startswith(kind)]


def test_translations_are_shipped_compiled(wheel):
    names = set(wheel.namelist())
    sources = {name for name in names if name.endswith(".po")}
    assert sources
    assert {name.removesuffix(".po") + ".mo" for name in sources} <= names


def test_the_metadata_names_license_python_and_ranges(metadata):
    assert metadata["Name"] == "django-oscar-cybersource"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"
    runtime = {line.replace(" ", "") for line in metadata.get_all("Requires-Dist") if "extra ==" not in line}
    assert "django-oscar-api-checkout<4,>=3.5" in runtime
    assert "django-oscar<5,>=3.2" in runtime
    assert not [line for line in runtime if "==" in line], "ranges, not pins"
    assert not [line for line in runtime if line.lower().startswith(("flask", "pytest", "psycopg"))]
    assert {"simulator", "sandbox", "test", "psycopg", "psycopg2"} <= set(metadata.get_all("Provides-Extra"))


@pytest.mark.parametrize(
    ("package", "with_holes", "taken"),
    [
        ("Django", ["4.1.13", "4.2.29", "5.0.14", "5.1.15", "5.2", "5.2.18", "6.0", "6.0.9", "6.1", "6.1.2"], "4.2.30"),
        ("Django", ["5.0.99"], "5.2.19"),
        ("Django", ["5.1.99"], "6.0.10"),
        ("Django", ["3.2.25"], "6.1.3"),
        ("djangorestframework", ["3.14.0", "3.15.1"], "3.15.2"),
        ("requests", ["2.31.0", "2.32.5"], "2.33.0"),
        ("cryptography", ["44.0.0", "46.0.7", "48.0.0"], "48.0.1"),
    ],
)
def test_no_version_with_known_holes_is_taken(metadata, package, with_holes, taken):
    """As of the day of the release; what is newer than the newest here is taken too."""
    found = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    (wanted,) = (
        one.specifier for one in found if one.name.lower() == package.lower() and "extra" not in str(one.marker)
    )
    assert [version for version in with_holes if version in wanted] == []
    assert taken in wanted


def test_the_readme_installs_this_package_with_an_extra_that_exists(metadata):
    (command,) = commands("install-package")
    wanted = Requirement(command.removeprefix("pip install ").strip('"'))
    assert wanted.name == metadata["Name"]
    assert wanted.extras <= set(metadata.get_all("Provides-Extra"))
