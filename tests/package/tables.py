"""Tables of the documentation that are made from the code: ``make tables`` writes them, a test compares them."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from django.utils import translation

from cybersource.models import Attention
from cybersource.payments import attention, reason_codes
from cybersource.protocol import INVALID_REASONS, PARTIAL_REASON, UNKNOWN_REASONS

from .readme import DOCS, ROOT

PACKAGE = ROOT / "cybersource"
LEVELS = {"Error": "error", "Warning": "warning"}

#: What stands in the place of a value that only a running shop knows.
UNKNOWN = "…"


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the app, the simulator apart."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "simulator" not in path.parts:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def list_table(name: str, header: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        f"   :widths: {' '.join(map(str, widths))}",
        f"   :name: {name}",
        "",
    ]
    for row in (header, *rows):
        for at, cell in enumerate(row):
            lines += textwrap.wrap(
                cell,
                118,
                initial_indent="   * - " if at == 0 else "     - ",
                subsequent_indent="       ",
                break_long_words=False,
                break_on_hyphens=False,
            ) or ["   * -" if at == 0 else "     -"]
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- checks


def said(node: ast.expr, known: Mapping[str, Any]) -> str:
    """The text of a message, with what only a running shop knows left open."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return "The setting that the message names is missing, or cannot be read."
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
            continue
        assert isinstance(part, ast.FormattedValue)
        names = {each.id for each in ast.walk(part.value) if isinstance(each, ast.Name)}
        try:
            assert not names & {"conf", "settings"}
            parts.append(str(eval(ast.unparse(part.value), dict(known))))
        except Exception:
            parts.append(UNKNOWN)
    return "".join(parts)


def bindings(function: ast.AST, known: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the variables of a loop over one of the module's tables may be; once nothing if there is no such loop."""
    for loop in ast.walk(function):
        if isinstance(loop, ast.For) and isinstance(loop.target, ast.Tuple) and isinstance(loop.iter, ast.Name):
            names = [each.id for each in loop.target.elts if isinstance(each, ast.Name)]
            for values in known.get(loop.iter.id, ()):
                yield dict(zip(names, values, strict=True))
    yield {}


def system_checks() -> list[tuple[str, str, str, str]]:
    """Every message of ``manage.py check``: id, level, what it says, what to do."""
    found = set()
    for path, tree in modules():
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                if not (isinstance(call.func, ast.Name) and call.func.id in LEVELS and {"id", "hint"} <= given.keys()):
                    continue
                parts = list(path.relative_to(ROOT).with_suffix("").parts)
                known = vars(import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts)))
                for bound in bindings(function, known):
                    id = said(given["id"], bound)
                    if UNKNOWN not in id:
                        what, hint = (said(node, {**known, **bound}) for node in (call.args[0], given["hint"]))
                        found.add((id, LEVELS[call.func.id], what, hint))
    return sorted(found)


def checks_table() -> str:
    rows = [(f"``{id}``", level, plain(what), plain(hint)) for id, level, what, hint in system_checks()]
    return list_table("system-checks-table", ("Id", "Level", "What it says", "What to do"), (20, 10, 35, 35), rows)


def plain(text: str) -> str:
    """Text in which nothing is markup."""
    for sign in "\\*`|":
        text = text.replace(sign, f"\\{sign}")
    return re.sub(r"_(?!\w)", r"\\_", text)


# ------------------------------------------------------------------------------------------ reasons


def effect(code: int) -> str:
    """What a code changes about what the decision says."""
    if code in UNKNOWN_REASONS:
        return "unknown"
    if code == PARTIAL_REASON:
        return "part of the amount"
    return "as a decline, to be corrected" if code in INVALID_REASONS else "as decided"


def reason_codes_table() -> str:
    with translation.override("en"):
        rows = [
            (f"``{code}``", effect(code), str(words.means), str(words.advice))
            for code, words in sorted(reason_codes.CODES.items())
        ]
    return list_table("reason-codes-table", ("Code", "Effect", "What it means", "What to do"), (9, 15, 38, 38), rows)


def rest_reasons_table() -> str:
    with translation.override("en"):
        rows = [
            (f"``{reason}``", str(words.means), str(words.advice))
            for reason, words in sorted({**reason_codes.REST, **reason_codes.OURS}.items())
        ]
    return list_table("rest-reasons-table", ("Reason", "What it means", "What to do"), (30, 35, 35), rows)


# ---------------------------------------------------------------------------------------- attention


def attention_table() -> str:
    with translation.override("en"):
        rows = [(str(kind.label), str(attention.ADVICE[kind])) for kind in Attention if kind != Attention.NONE]
    return list_table("attention-table", ("What happened", "What to do"), (45, 55), rows)


# ------------------------------------------------------------------------------------------- rooms


def rooms() -> list[list[str]]:
    """The layers of the package's contract, from the top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == ["cybersource"])
    return [layer.split(" : ") for layer in layers]


def rooms_drawing() -> str:
    return "\n".join([".. code-block:: text", "", *(f"   {'   '.join(layer)}" for layer in rooms())])


def purpose(room: str) -> str:
    """The first sentence of what a room says of itself."""
    path = PACKAGE / room / "__init__.py"
    tree = ast.parse((path if path.is_file() else PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
    return plain(" ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split()))


def rooms_table() -> str:
    rows = [(f"``{room}``", purpose(room)) for layer in rooms() for room in layer if (PACKAGE / room).is_dir()]
    return list_table("rooms-table", ("Room", "What it is for"), (24, 76), [row for row in rows if row[1]])


#: Page -> the tables that are made on it.
MADE = {
    DOCS / "explanation" / "architecture.rst": {"rooms-drawing": rooms_drawing, "rooms": rooms_table},
    DOCS / "staff" / "attention.rst": {"attention": attention_table},
    DOCS / "reference" / "checks.rst": {"system-checks": checks_table},
    DOCS / "reference" / "reason-codes.rst": {"reason-codes": reason_codes_table, "rest-reasons": rest_reasons_table},
}


def with_tables(page: Path) -> str:
    """The text of a page with its tables as the code has them."""
    text = page.read_text(encoding="utf-8")
    for name, make in MADE[page].items():
        begin, end = f".. made from the code: {name}\n\n", f".. end of {name}\n"
        before, _begin, rest = text.partition(begin)
        _old, _end, after = rest.partition(end)
        assert _begin and _end, f"{page.name} has no place for {name}"
        text = f"{before}{begin}{make()}\n\n{end}{after}"
    return text
