"""Every way to cut the bytes of a signed message into fields, by brute force.

A reading is a list of fields whose join is the message and whose ``signed_field_names`` is the list of its own names:
all that a forger who has a message and its signature can post without the list being refused for its shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .far_side import Pairs

_FIELD = re.compile(r"(?:^|,)([a-z0-9_]+)=")
_LIST = "signed_field_names"


def readings(message: str) -> Iterator[Pairs]:
    starts = [(found.start(1), found[1]) for found in overlapping(message)]
    ends = sorted({start - 1 for start, _ in starts if start} | {len(message)})
    for start, name in starts:
        if name != _LIST:
            continue
        value_start = start + len(_LIST) + 1
        for end in ends:
            if end >= value_start:
                names = message[value_start:end].split(",")
                for fields in cuts(message, starts, names, 0):
                    if (_LIST, message[value_start:end]) in fields:
                        yield fields


def overlapping(message: str) -> Iterator[re.Match[str]]:
    at = 0
    while found := _FIELD.search(message, at):
        if found.start() or message[0] != ",":
            yield found
        at = found.end() - 1


def cuts(message: str, starts: list[tuple[int, str]], names: list[str], at: int) -> Iterator[Pairs]:
    """Every way to read ``message[at:]`` as fields of exactly these names, in order."""
    name, *later = names
    if not message.startswith(f"{name}=", at):
        return
    value_start = at + len(name) + 1
    if not later:
        yield [(name, message[value_start:])]
        return
    for start, following in starts:
        if following == later[0] and start > value_start:
            for rest in cuts(message, starts, later, start):
                yield [(name, message[value_start : start - 1]), *rest]
