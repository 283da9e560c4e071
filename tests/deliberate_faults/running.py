"""Put one fault after another into the running code and see whether a test notices.

Django is started and the tests are collected once. A fault lives in a forked child: there the code of a function
is exchanged, and the tests run that execute its lines, the cheapest first, until one fails. Which tests these are was
recorded in a child too.
"""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import os
import pickle
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.deliberate_faults.making import Fault, faults
from tests.deliberate_faults.rooms import ROOMS, Room
from tests.support import database

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".sandbox" / "deliberate-faults"
MAP = STATE / "map.pickle"
LOG = STATE / "child.log"

#: Where a line stands: the module's file name, the outermost function, and how many lines below its first.
Place = tuple[str, str, int]


@dataclass
class Seen:
    """What a test did when nothing was wrong."""

    seconds: float
    passed: bool
    places: set[int]  #: numbers of places
    digest: str  #: of its file


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: who noticed, or how many tests did not."""

    fault: Fault
    noticed_by: str = ""
    tried: int = 0
    seconds: float = 0.0


class Runner:
    """A pytest plugin whose loop runs the tests against faults instead of once."""

    def __init__(
        self, chosen: dict[str, list[Fault]], *, budget: float, anew: bool, tell: Any, record_only: bool = False
    ) -> None:
        self.chosen = chosen
        self.budget = budget
        self.anew = anew
        self.tell = tell
        self.record_only = record_only
        self.outcomes: dict[str, list[Outcome]] = {}
        self.failed: list[str] = []
        self.is_unclean = True

    # -- in the parent -------------------------------------------------------------------------------------------------

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        STATE.mkdir(parents=True, exist_ok=True)
        self.items = {item.nodeid: item for item in session.items}
        self.make_database()
        self.functions = functions_by_place()
        self.places, self.seen = load_map(self.anew)
        self.record()
        if self.record_only:
            return True
        gc.collect()
        gc.freeze()  # a child would copy every page that its own collector touches
        for room, chosen in self.chosen.items():
            self.outcomes[room] = []
            for number, fault in enumerate(chosen, 1):
                outcome = self.try_out(ROOMS[room], fault)
                self.outcomes[room].append(outcome)
                self.tell(room, number, len(chosen), outcome)
        return True

    def make_database(self) -> None:
        from django.db import connections
        from pytest_django.plugin import blocking_manager_key

        blocker = session_blocker(self.items, blocking_manager_key)
        with blocker.unblock():
            database.made(0, keep=True)
            connections.close_all()

    def record(self) -> None:
        """Record which lines a test executes, of all tests that are new or have changed."""
        wanted = [
            item
            for name, item in self.items.items()
            if name not in self.seen or self.seen[name].digest != digest_of(item.path)
        ]
        if not wanted:
            return
        print(f"Recording what {len(wanted)} tests execute ...", flush=True)
        code = self.in_child(lambda: self.record_in_child(wanted))
        if code:
            raise SystemExit(f"Recording failed; see {LOG}")
        self.places, self.seen = load_map(False)

    def try_out(self, room: Room, fault: Fault) -> Outcome:
        tests = self.tests_of(room, fault)
        started = time.monotonic()
        result = STATE / "result"
        result.unlink(missing_ok=True)
        code = self.in_child(lambda: self.run_in_child(fault, tests, result)) if tests else 0
        noticed = ""
        self.is_unclean = os.WIFSIGNALED(code)  # stopped in the middle of a test
        if code:
            noticed = result.read_text() if result.exists() else "time"
        return Outcome(fault, noticed, len(tests), time.monotonic() - started)

    def tests_of(self, room: Room, fault: Fault) -> list[pytest.Item]:
        """The tests that execute a fault's lines: those about its room first, then the cheapest."""
        places = set(self.places_of(fault))
        found = []
        for name, seen in self.seen.items():
            if name in self.items and seen.passed and not places.isdisjoint(seen.places):
                found.append((not name.startswith(tuple(f"tests/{one}" for one in room.tests)), seen.seconds, name))
        spent, tests = 0.0, []
        for _, seconds, name in sorted(found):
            spent += seconds
            if tests and spent > self.budget:
                break
            tests.append(self.items[name])
        return tests

    def places_of(self, fault: Fault) -> Iterator[int]:
        module = fault.module.rpartition(".")[2]
        owner = find_owner(fault.whole, fault.owner)
        if isinstance(owner, ast.FunctionDef):
            first = first_line(owner)
            lines = range(fault.line - first, fault.last_line - first + 1)
            exact = [
                self.places[(module, fault.owner, one)] for one in lines if (module, fault.owner, one) in self.places
            ]
            yield from exact or [n for place, n in self.places.items() if place[:2] == (module, fault.owner)]
        else:  # a constant: the functions that name it
            for place, number in self.places.items():
                if fault.owner in self.names_at(place):
                    yield number

    def names_at(self, place: Place) -> frozenset[str]:
        return self.code_names.get(place[:2], frozenset())

    @functools.cached_property
    def code_names(self) -> dict[tuple[str, str], frozenset[str]]:
        return {place: frozenset(names_in(found[0].__code__)) for place, found in self.functions.items()}

    def in_child(self, what: Any) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1]
        code = 3
        try:
            with LOG.open("w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                database.made = lambda verbosity, keep: []  # it is there
                code = what()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    # -- in a child ----------------------------------------------------------------------------------------------------

    def run_in_child(self, fault: Fault, tests: list[pytest.Item], result: Path) -> int:
        put_in(fault, self.functions)
        if self.is_unclean:
            clean_up(self.items)
        for item, following in pairs(tests):
            self.failed.clear()
            result.write_text(f"time: {item.nodeid}")
            signal.alarm(int(40 + 12 * self.seen[item.nodeid].seconds))
            run_one(item, following)
            signal.alarm(0)
            if self.failed:
                result.write_text(self.failed[0])
                return 1
        return 0

    def record_in_child(self, tests: list[pytest.Item]) -> int:
        clean_up(self.items)
        recorder = Recorder(self.places)
        for number, (item, following) in enumerate(pairs(tests), 1):
            self.failed.clear()
            recorder.begin()
            started = time.monotonic()
            run_one(item, following)
            seconds = time.monotonic() - started
            self.seen[item.nodeid] = Seen(seconds, not self.failed, recorder.end(), digest_of(item.path))
            if number % 100 == 0:
                save_map(self.places, self.seen)
        save_map(self.places, self.seen)
        return 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


class Recorder:
    """Notes the lines of the money code that are executed, by ``sys.monitoring``."""

    def __init__(self, places: dict[Place, int]) -> None:
        self.places = places
        self.current: set[int] = set()
        self.owners = dict(codes_of_functions())
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.COVERAGE_ID, "deliberate faults")
        monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.LINE, self.note)
        for code in self.owners:
            monitoring.set_local_events(monitoring.COVERAGE_ID, code, monitoring.events.LINE)

    def begin(self) -> None:
        self.current = set()
        sys.monitoring.restart_events()

    def end(self) -> set[int]:
        return self.current

    def note(self, code: CodeType, line: int) -> Any:
        module, owner, first = self.owners[code]
        place = (module, owner, line - first)
        self.current.add(self.places.setdefault(place, len(self.places)))
        return sys.monitoring.DISABLE


# -- functions and their code ------------------------------------------------------------------------------------------


def modules() -> dict[str, ModuleType]:
    """The modules of the money code, by their last name."""
    return {name: import_module(f"cybersource.{name}") for room in ROOMS.values() for name in room.modules}


def source_of(module: ModuleType) -> str:
    return Path(module.__file__).read_text()  # type: ignore[arg-type]


def functions_by_place() -> dict[tuple[str, str], list[FunctionType]]:
    """All functions of the money code that stand in a module or a class, decorated or not."""
    files = {module.__file__: name for name, module in modules().items()}
    found = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in files and "<" not in each.__qualname__:
            name = each.__code__.co_qualname
            found[files[each.__code__.co_filename], name].append(each)
    return dict(found)


def codes_of_functions() -> Iterator[tuple[CodeType, tuple[str, str, int]]]:
    for (module, owner), found in functions_by_place().items():
        for function in found:
            for code in within(function.__code__):
                yield code, (module, owner, function.__code__.co_firstlineno)


def within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from within(one)


def names_in(code: CodeType) -> set[str]:
    return {name for one in within(code) for name in one.co_names}


def find_owner(tree: ast.Module, name: str) -> ast.AST | None:
    outer, _, inner = name.partition(".")
    for node in tree.body:
        if inner and isinstance(node, ast.ClassDef) and node.name == outer:
            return next((one for one in node.body if getattr(one, "name", "") == inner), None)
        if not inner and getattr(node, "name", "") == outer:
            return node
    return None


def first_line(function: ast.FunctionDef) -> int:
    return min([function.lineno, *(one.lineno for one in function.decorator_list)])


def put_in(fault: Fault, functions: dict[tuple[str, str], list[FunctionType]]) -> None:
    """Exchange the code of a fault's function, or the value of its constant, wherever it is known."""
    module = import_module(fault.module)
    tree = fault.tree
    code = compile(tree, module.__file__, "exec")  # type: ignore[arg-type]
    found = functions.get((fault.module.rpartition(".")[2], fault.owner), [])
    if not found:
        put_in_constant(fault, module, tree)
        return
    new = next(one for one in within(code) if one.co_qualname == fault.owner)
    for function in found:
        function.__code__ = new
    if fault.kind == "transaction gone" and fault.before.startswith("@"):
        for each in gc.get_objects():
            if type(each) is FunctionType and getattr(each, "__wrapped__", None) in found:
                leave_out(each)


def put_in_constant(fault: Fault, module: ModuleType, tree: ast.Module) -> None:
    statement = next(one for one in tree.body if isinstance(one, ast.Assign) and names(one) == fault.owner)
    scope = dict(vars(module))
    exec(compile(ast.Module([statement], []), module.__file__, "exec"), scope)  # type: ignore[arg-type]
    old, new = vars(module)[fault.owner], scope[fault.owner]
    for other in [one for name, one in sys.modules.items() if name.startswith("cybersource.")]:
        if vars(other).get(fault.owner) is old:
            setattr(other, fault.owner, new)


def names(statement: ast.Assign) -> str:
    return getattr(statement.targets[0], "id", "")


def leave_out(decorated: FunctionType) -> None:
    """Make what ``transaction.atomic`` put around a function call the function alone."""

    def outer(func: Any, self: Any) -> Any:
        def inner(*args: Any, **kwds: Any) -> Any:
            return func(*args, **kwds) if self else None

        return inner

    assert decorated.__code__.co_freevars == ("func", "self"), decorated.__code__.co_freevars
    decorated.__code__ = outer(None, None).__code__


# -- tests -------------------------------------------------------------------------------------------------------------


def pairs(tests: list[pytest.Item]) -> Iterable[tuple[pytest.Item, pytest.Item | None]]:
    return zip(tests, [*tests[1:], None], strict=True)


def run_one(item: pytest.Item, following: pytest.Item | None) -> None:
    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)


def session_blocker(items: dict[str, pytest.Item], key: Any) -> Any:
    return next(iter(items.values())).config.stash[key]


def clean_up(items: dict[str, pytest.Item]) -> None:
    """Empty the tables: the child before may have been stopped in the middle of a test."""
    from pytest_django.plugin import blocking_manager_key

    from tests.conftest import empty_tables, end_other_sessions

    with session_blocker(items, blocking_manager_key).unblock():
        end_other_sessions()
        empty_tables()


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_map(anew: bool) -> tuple[dict[Place, int], dict[str, Seen]]:
    if anew or not MAP.exists():
        return {}, {}
    return pickle.loads(MAP.read_bytes())  # type: ignore[no-any-return]


def save_map(places: dict[Place, int], seen: dict[str, Seen]) -> None:
    MAP.with_suffix(".new").write_bytes(pickle.dumps((places, seen)))
    MAP.with_suffix(".new").replace(MAP)


def all_faults(room: Room) -> list[Fault]:
    return [fault for name in room.modules for fault in faults(modules()[name], source_of(modules()[name]))]
