"""The Chromium of this machine, found and started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


#: Seconds that a test may take. Many a call of Playwright's has no time-out of its own (``evaluate``, ``content``,
#: ``count``, ``new_page``, ``close``).
LIMIT = 240


def found() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched() -> Iterator[Any]:
    """Start Chromium. Without one, tests are skipped, or fail where ``REQUIRE_BROWSER`` is set."""
    executable = found()
    if not executable:
        message = "no Chromium found: put one on the PATH or name it in CHROMIUM"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    mark = f"--started-by-test={uuid.uuid4()}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            headless=False,
            args=[
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                mark,
            ],
        )
        browser.mark = mark
        try:
            yield browser
        finally:
            with in_time(browser):
                browser.close()


@contextmanager
def in_time(browser: Any, seconds: float = LIMIT) -> Iterator[None]:
    """End a browser that is not done after so long: the call that waits for it raises and does not wait for ever."""
    timer = threading.Timer(seconds, kill, [browser.mark])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def kill(mark: str) -> None:
    """Kill the Chromium that was started with this argument; its own processes end with it."""
    processes = subprocess.run(["ps", "-A", "-o", "pid=,command="], capture_output=True, text=True, timeout=60).stdout
    for process in processes.splitlines():
        pid, _, command = process.strip().partition(" ")
        if mark in command.split() and "--type=" not in command:
            os.kill(int(pid), signal.SIGKILL)


def close_tab(page: Any) -> None:
    """Close a tab that may be on its way to another page.

    In the middle of that Chromium never answers to a close, and Playwright waits for ever: so the tab is led away.
    """
    page.goto("about:blank")
    page.close()
