"""A copy of the sources to build from, so that a build leaves nothing behind in the checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

from .readme import ROOT

NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv*", ".tox", ".sandbox", ".*_cache", ".hypothesis", "__pycache__", "*.pyc", "*.egg-info",
    "build", "_build", "dist", "reports", ".coverage*",
)  # fmt: skip


def copied_to(folder: Path) -> Path:
    return Path(shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCES))
