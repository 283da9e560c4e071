"""README.rst, or another page of the documentation, as data: its named code blocks and tables."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.rst"
SETTINGS = DOCS / "reference" / "settings.rst"
PAGES = sorted(path for path in DOCS.rglob("*.rst") if "_build" not in path.parts)

#: What Sphinx adds to the language that pages use; without Sphinx their text is read all the same.
for role in ("doc", "ref", "term"):
    roles.register_generic_role(role, nodes.inline)
    en.roles[role] = role


class Contents(Directive):
    """``toctree``: no text of the page."""

    has_content = True
    option_spec = {"maxdepth": directives.unchanged, "hidden": directives.flag}

    def run(self) -> list[nodes.Node]:
        return []


class Glossary(Directive):
    """``glossary``: a list of terms."""

    has_content = True
    option_spec = {"sorted": directives.flag}

    def run(self) -> list[nodes.Node]:
        terms = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, terms)
        return [terms]


for directive, reader in (("toctree", Contents), ("glossary", Glossary)):
    directives.register_directive(directive, reader)
    en.directives[directive] = directive


@cache
def parsed(page: Path = README) -> tuple[nodes.document, str]:
    """Return the document and whatever docutils had to say about it."""
    complaints = io.StringIO()
    overrides = {"warning_stream": complaints, "report_level": 1, "syntax_highlight": "none", "_disable_config": True}
    document = publish_doctree(page.read_text(encoding="utf-8"), str(page), settings_overrides=overrides)
    return document, complaints.getvalue()


def blocks(page: Path = README) -> dict[str, tuple[str, str]]:
    """Every named code block: name -> (language, text)."""
    found = {}
    for block in parsed(page)[0].findall(nodes.literal_block):
        for name in block["names"]:
            language = next((word for word in block["classes"] if word != "code"), "")
            found[name] = (language, block.astext())
    return found


def code(name: str, page: Path = README) -> str:
    return blocks(page)[name][1]


def commands(name: str) -> list[str]:
    """The commands of a console block, without their prompts."""
    return [line.removeprefix("$ ") for line in code(name).splitlines()]


def table(name: str, page: Path = README) -> list[list[str]]:
    """The rows of a named table below its header, as text."""
    (found,) = (t for t in parsed(page)[0].findall(nodes.table) if name in t["names"])
    (body,) = found.findall(nodes.tbody)
    return [[entry.astext() for entry in row.findall(nodes.entry)] for row in body.findall(nodes.row)]
