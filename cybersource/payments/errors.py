"""Why an operation was not begun."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason why an operation was not begun. ``message`` is for people, ``code`` for programs."""

    code: str
    field: str  #: the argument it is about; empty for none
    message: str


class InvalidOperation(Exception):
    """The operation was not begun, nothing was written and nothing was sent. ``problems`` says why, all of it."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{problem.code}: {problem.message}" for problem in problems))
        self.problems = problems
