"""The wheel, installed by pip into an empty environment, with nothing of this checkout in sight.

Downloads what the package needs, so it runs only where ``CI`` is set (``conftest.py``).
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from .oscar_project import Project
from .sources import copied_to
from .steps import follow

pytestmark = pytest.mark.package

#: Beside the package: a PostgreSQL driver, the shop's choice, and the thumbnails that Oscar's templates want.
OF_THE_SHOP = ("psycopg[binary]>=3.1.18", "sorl-thumbnail")

IMPORT_WITHOUT_SETTINGS = """
import cybersource, cybersource.conf, cybersource.protocol, cybersource.signals
assert "site-packages" in cybersource.__file__, cybersource.__file__
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment that holds the package and what pip brought with it."""
    folder = tmp_path_factory.mktemp("installation")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = str(folder / "venv/bin/python")
    # From the sdist, so that one is complete too.
    subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, copied_to(folder)],
        check=True,
        capture_output=True,
    )
    (sdist,) = folder.glob("*.tar.gz")
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", str(sdist), *OF_THE_SHOP], capture_output=True, text=True
    )
    assert installed.returncode == 0, installed.stderr
    return python


def test_the_package_imports_without_settings(python, tmp_path):
    subprocess.run([python, "-c", IMPORT_WITHOUT_SETTINGS], check=True, cwd=tmp_path)


def test_a_project_made_by_the_readme_migrates_with_no_setting_of_ours(python, tmp_path, empty_database):
    shop = follow(Project(tmp_path, empty_database("installed_oscar_project"), python=python))
    assert "[ ]" not in shop.run("python manage.py showmigrations --list")
    assert "No changes detected" in shop.run("python manage.py makemigrations --check --dry-run")
