"""A sandbox that starts: what it says where it cannot, and that it leaves another one alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .readme import ROOT


def start(state, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "SANDBOX_STATE": str(state), **environment}
    return subprocess.run(
        [python, "-m", "sandbox"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env=given,
        start_new_session=True,
    )


@pytest.mark.parametrize("name", ["SANDBOX_PORT", "SANDBOX_SIMULATOR_PORT"])
@pytest.mark.parametrize("text", ["abc", "80 00", "-1", "0", "65536", "８０００", "8000.5"])
def test_a_port_that_is_none_is_a_sentence(tmp_path, name, text):
    ended = start(tmp_path, **{name: text})
    assert ended.returncode == 1
    assert f"{name}={text} is no port: write a number from 1 to 65535" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("python", [sys.executable, os.path.relpath(sys.executable, ROOT)])
def test_a_second_start_leaves_the_first_alone(tmp_path, python):
    """The first is named by whatever path started it, as ``make`` does by a relative one."""
    package = tmp_path / "sandbox"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import time; print('up', flush=True); time.sleep(60)")
    named = python if os.path.isabs(python) else os.path.relpath(ROOT / python, tmp_path)
    first = subprocess.Popen([named, "-m", "sandbox"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "cybersource.simulator"])
    try:
        assert first.stdout.readline() == "up\n"
        (tmp_path / "sandbox.pid").write_text(f"{first.pid}\n{child.pid}")
        second = start(tmp_path)
        assert second.returncode == 1
        assert f"still runs here: kill {first.pid} ends it" in second.stderr
        assert (first.poll(), child.poll()) == (None, None)
        assert (tmp_path / "sandbox.pid").exists()
    finally:
        for each in (first, child):
            each.kill()
            each.wait()
