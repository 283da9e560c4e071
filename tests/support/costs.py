"""What a piece of work costs: CPU seconds and memory, by the process's own counters."""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cost:
    cpu_seconds: float
    megabytes: float  #: by which the process grew at its largest
    result: Any


def cost_of(work: Callable[[], Any]) -> Cost:
    """Do the work in a child of this process and return what it took there, with its result (small, picklable).

    A process's peak memory never goes down again, so each piece of work gets a process of its own; it inherits all
    that is imported. Close database connections before, the child must not share them.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)  # memory that is free but still ours would hide what the work takes
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = pickle.dumps(measured(work))
        except BaseException as problem:  # noqa: B036 - whatever it is, the parent has to hear of it
            answer = pickle.dumps(repr(problem))
        with os.fdopen(write, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    if isinstance(told, str):
        raise RuntimeError(f"The work failed in its process: {told}")
    return told


def measured(work: Callable[[], Any]) -> Cost:
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    sys.settrace(None)  # what a coverage run takes to follow the work is none of its cost
    before = resource.getrusage(resource.RUSAGE_SELF)
    result = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return Cost(
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        megabytes=(after.ru_maxrss - before.ru_maxrss) / unit,
        result=result,
    )
