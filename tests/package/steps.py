"""The README's five steps, taken from its code blocks, in its order."""

from __future__ import annotations

from .oscar_project import Project
from .readme import code, commands


def follow(project: Project) -> Project:
    """Do in ``project`` what the README says after ``pip install``. No ``CYBERSOURCE_…`` setting has a value yet."""
    for command in commands("install-fork"):
        project.run(command)
    (project.folder / "apps/payment/models.py").write_text(code("install-models"), encoding="utf-8")
    project.append(project.settings, code("install-settings"))
    project.append(project.urls, code("install-urls"))
    for command in commands("install-migrate"):
        project.run(command)
    return project
