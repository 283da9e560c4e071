"""Make the virtual environment ``.venv`` and install into it, unless it is there and nothing has changed.

    python sandbox/environment.py sandbox     # what `make sandbox` needs
    python sandbox/environment.py test        # what `make test` needs

The argument is an extra of setup.py. Only the standard library is used: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
#: They spare pip some minutes of trial and error on Python 3.11.
CONSTRAINTS = ROOT / "sandbox" / "python311.txt"


def main(extra: str) -> int:
    if not _works(PYTHON):
        print(f"Making .venv with Python {sys.version.split()[0]} ...", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        venv.create(VENV, with_pip=True)
    stamp = VENV / f".installed-{extra}"
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return 0

    log = VENV / f"install-{extra}.log"
    print(f"Installing what {extra} needs into .venv; this takes a minute or two the first time ...", flush=True)
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--editable", f".[{extra}]"]
    if sys.version_info < (3, 12):
        command += ["--constraint", str(CONSTRAINTS)]
    with log.open("w") as output:
        done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(*log.read_text(errors="replace").splitlines()[-25:], sep="\n", file=sys.stderr)
        print(f"\nInstallation failed; all of what pip said is in {log.relative_to(ROOT)}.", file=sys.stderr)
        return 1
    stamp.write_text(wanted)
    return 0


def _works(python: Path) -> bool:
    """Tell whether the environment's Python still runs: the one it was made from may have gone."""
    try:
        return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def _fingerprint() -> str:
    """Return a digest of everything that decides what is installed, and where."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ("setup.py", "pyproject.toml", "sandbox/python311.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
