"""Would a test notice? Deliberate faults in the money code, room by room. See docs/contributing/mutants.rst.

python -m tests.deliberate_faults                       all of them; hours
python -m tests.deliberate_faults --sample 40           forty of each room, of all kinds
python -m tests.deliberate_faults --room payments --only "settlement|expiry"
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from tests.deliberate_faults.rooms import LEFT_OUT, ROOMS, TESTS  # noqa: E402

EQUIVALENT = Path(__file__).parent / "equivalent.txt"
#: What of the faults that change something has to be noticed, in a hundred.
ENOUGH = 95


def main() -> int:
    options = arguments().parse_args()
    if sys.version_info < (3, 12):
        print("Deliberate faults need Python 3.12 or newer, which tells cheaply which lines a test executes.")
        return 2
    import django
    import pytest

    django.setup()
    from tests.deliberate_faults.running import Runner

    known = equivalents()
    rooms = options.room or list(ROOMS)
    chosen = {room: choose(room, options, known) for room in rooms}
    runner = Runner(chosen, budget=options.budget, anew=options.anew, tell=tell, record_only=options.record)
    left_out = [f"--ignore=tests/{one}" for one in LEFT_OUT]
    tests = options.tests or [f"tests/{one}" for one in TESTS]
    code = pytest.main(
        ["-q", "-s", "--tb=no", "-n0", "--reuse-db", "-p", "no:cacheprovider", "-p", "no:randomly", *left_out, *tests],
        [runner],
    )
    if options.record or not runner.outcomes:
        return int(code)
    return report(runner.outcomes, known)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.deliberate_faults", description=__doc__)
    parser.add_argument("--room", action="append", choices=ROOMS, help="all of them unless named")
    parser.add_argument("--sample", type=int, help="so many of a room, of each kind alike; all without it")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--only", default="", help="faults whose module or name has this regular expression")
    parser.add_argument("--budget", type=float, default=60, help="seconds of tests a fault is given")
    parser.add_argument("--anew", action="store_true", help="record anew which tests execute which lines")
    parser.add_argument("--record", action="store_true", help="only record")
    parser.add_argument("tests", nargs="*", help="other tests than all")
    return parser


def choose(room: str, options: Any, known: dict[str, str]) -> list[Any]:
    """The faults to be tried: known equivalents are not, and a sample takes of each kind in turn."""
    from tests.deliberate_faults.running import all_faults

    found = [one for one in all_faults(ROOMS[room]) if one.name not in known]
    if options.only:
        found = [one for one in found if re.search(options.only, f"{one.module} {one.name}")]
    if not options.sample:
        return found
    dice = random.Random(options.seed)
    dice.shuffle(found)
    kinds = defaultdict(list)
    for one in found:
        kinds[one.kind].append(one)
    sample: list[Any] = []
    while len(sample) < min(options.sample, len(found)):
        sample += [faults.pop() for _, faults in sorted(kinds.items()) if faults]
    return sample[: options.sample]


def equivalents() -> dict[str, str]:
    """Why a fault changes nothing, by the fault's name: two lines each in the file, the second indented."""
    reasons: dict[str, str] = {}
    name = ""
    for line in EQUIVALENT.read_text().splitlines():
        if line.startswith(" "):
            reasons[name] = line.strip()
        elif line and not line.startswith("#"):
            name = line
    return reasons


def tell(room: str, number: int, of: int, outcome: Any) -> None:
    fault = outcome.fault
    what = f"noticed by {outcome.noticed_by}" if outcome.noticed_by else f"NOT NOTICED by {outcome.tried} tests"
    print(
        f"{room} {number}/{of} {fault.module}:{fault.line} {fault.name}\n    {what}, {outcome.seconds:.1f} s",
        flush=True,
    )


def report(outcomes: dict[str, list[Any]], known: dict[str, str]) -> int:
    """Print the table and what is left; return the exit code."""
    from tests.deliberate_faults.running import all_faults

    print(f"\n{'room':<16}{'tried':>8}{'noticed':>9}{'left':>6}{'in 100':>8}   known to change nothing")
    enough = True
    for room, found in outcomes.items():
        noticed = sum(1 for one in found if one.noticed_by)
        share = 100 * noticed / len(found) if found else 100.0
        same = sum(1 for one in all_faults(ROOMS[room]) if one.name in known)
        enough = enough and share >= ENOUGH
        print(f"{room:<16}{len(found):>8}{noticed:>9}{len(found) - noticed:>6}{share:>8.1f}   {same}")
    left = [one for found in outcomes.values() for one in found if not one.noticed_by]
    if left:
        print("\nNot noticed:")
    for one in left:
        print(f"  {one.fault.module}:{one.fault.line} {one.fault.name}   ({one.tried} tests)")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
