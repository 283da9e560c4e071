"""Ctrl-C ends the sandbox wherever it finds it."""

from __future__ import annotations

import subprocess
import sys

from .readme import ROOT

#: The interrupt reaches Python inside a `__del__`, where the exception that a signal's handler raises is dropped.
INTERRUPTED_WHILE_AN_OBJECT_IS_FORGOTTEN = """
import os, signal, subprocess, sys, time
import sandbox.__main__ as sandbox

class Forgotten:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        print("not reached")

def heard(work):
    try:
        work()
    except KeyboardInterrupt:
        return True

sandbox.listen()
sandbox.heed()
with sandbox.contextlib.ExitStack() as stack:
    child = sandbox.Child("sleeper", "-c", "import time; time.sleep(60)")
    stack.callback(child.stop)
    forgotten = Forgotten()
    del forgotten
    print("the exception was dropped", flush=True)
    if heard(child.check) and heard(lambda: sandbox.Child("late", "-c", "")):
        print("stopped", flush=True)
    os.killpg(os.getpid(), signal.SIGINT)  # an impatient second one, which also reaches what stops the database
    subprocess.run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGINT)"], check=True)
print("child ended with", child.process.returncode)
"""


def test_an_interrupt_that_comes_while_an_object_is_forgotten_still_stops_the_sandbox(tmp_path, monkeypatch):
    monkeypatch.setenv("SANDBOX_STATE", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_AN_OBJECT_IS_FORGOTTEN],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.stdout.splitlines() == ["the exception was dropped", "stopped", "child ended with -15"], done.stderr
    assert "Exception ignored" in done.stderr
