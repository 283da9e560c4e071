"""``make sandbox``: a database, the simulator and the shop, all on this machine, until Ctrl-C.

Everything that is started here is stopped here, by its own process id. What they say goes to ``.sandbox/*.log``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from sandbox import goods, postgres

ROOT = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("SANDBOX_STATE") or ROOT / ".sandbox")


def _port(variable: str, default: int) -> int:
    """Read a port from the environment; end with a sentence where it is none."""
    text = os.environ.get(variable, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise SystemExit(
            f"{variable}={text} is no port: write a number from 1 to 65535, say {variable}={default + 100}."
        )
    return int(text)


SHOP_PORT = _port("SANDBOX_PORT", 8000)
SIMULATOR_PORT = _port("SANDBOX_SIMULATOR_PORT", 8001)
#: Our own process id and those of what we started, one a line.
PIDS = STATE / "sandbox.pid"
SHOP = f"http://localhost:{SHOP_PORT}"
SIMULATOR = f"http://127.0.0.1:{SIMULATOR_PORT}"
STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: The signal that asked us to stop, once one did.
_asked_to_stop: list[int] = []


class Stop(Exception):
    """Nothing more can be done. The message says why, and what to do about it."""


class Child:
    """A program of ours that runs beside us, with a log."""

    def __init__(self, name: str, *arguments: str) -> None:
        heed()  # a program that starts after the signal would ignore our own
        self.name = name
        self.log = STATE / f"{name}.log"
        self._output = self.log.open("w")
        # A session of its own: Ctrl-C in the terminal is for us, and we stop the children in order.
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def check(self) -> None:
        """Raise `Stop` when the program has ended, and `KeyboardInterrupt` when we were asked to."""
        heed()
        if self.process.poll() is not None:
            raise Stop(
                f"The {self.name} has ended (code {self.process.returncode}). The end of {_shown(self.log)}:\n\n"
                f"{_tail(self.log)}"
            )

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._output.close()


def main() -> int:
    listen()
    os.chdir(ROOT)
    STATE.mkdir(parents=True, exist_ok=True)
    try:
        stop_leftovers()
        for port, variable in ((SHOP_PORT, "SANDBOX_PORT"), (SIMULATOR_PORT, "SANDBOX_SIMULATOR_PORT")):
            require_free(port, variable)
        with postgres.server(STATE / "postgres", say=print) as url, contextlib.ExitStack() as started:
            os.environ["DATABASE_URL"] = url
            os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"
            os.environ["PYTHONUNBUFFERED"] = "1"
            started.callback(PIDS.unlink, missing_ok=True)
            run(started)
    except KeyboardInterrupt:
        print("\nStopped. Orders and logs are kept in .sandbox; `make clean` forgets them.")
        return 0
    except PermissionError as problem:
        print(f"\n{problem}. Was this started as another user before? Then remove {_shown(STATE)}.", file=sys.stderr)
        return 1
    except (Stop, postgres.PostgresError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1


def run(started: contextlib.ExitStack) -> None:
    """Start everything, say so when everything answers, and return only by an exception."""

    def child(name: str, *arguments: str) -> Child:
        made = Child(name, *arguments)
        started.callback(made.stop)
        children.append(made)
        PIDS.write_text("\n".join(str(pid) for pid in [os.getpid(), *(each.process.pid for each in children)]))
        return made

    def start_shop() -> Child:
        return child("shop", "-m", "django", "runserver", "--noreload", "--skip-checks", f"localhost:{SHOP_PORT}")

    children: list[Child] = []
    simulator = child("simulator", "-m", "cybersource.simulator", "--port", str(SIMULATOR_PORT), "--shop", SHOP)
    # A shop that has its tables starts while they are looked over; a new one waits until they are made.
    shop = start_shop() if (STATE / "prepared").exists() else None
    prepare()
    shop = shop or start_shop()
    wait_for(simulator, f"{SIMULATOR}/")
    wait_for(shop, f"{SHOP}/catalogue/")
    place_first_orders()
    child("schedule", "-m", "sandbox.schedule")
    print(invitation(), flush=True)
    while True:
        time.sleep(0.5)
        for each in children:
            each.check()


def stop_leftovers() -> None:
    """Stop what a sandbox that was killed outright could not stop itself. Its own pids are all that is looked at."""
    with contextlib.suppress(OSError, ValueError):
        parent, *children = (int(line) for line in PIDS.read_text().split())
        if _is_sandbox(parent):
            raise Stop(
                f"A sandbox that was started earlier still runs here: kill {parent} ends it. For a second one beside "
                "it, give it a place and ports of its own: SANDBOX_STATE=/tmp/another SANDBOX_PORT=8100 "
                "SANDBOX_SIMULATOR_PORT=8101 make sandbox"
            )
        if parent != os.getpid():
            for pid in children:
                if any(_runs(pid, each) for each in ("cybersource.simulator", "runserver", "sandbox.schedule")):
                    os.kill(pid, signal.SIGTERM)
                    print(f"Stopped process {pid}, left over from a sandbox that was killed.")
            PIDS.unlink()
            time.sleep(1 if children else 0)


def _runs(pid: int, argument: str) -> bool:
    """Tell whether that process is one of ours: by now the pid may be anybody's."""
    said = _arguments(pid)
    return sys.executable in said and argument in said


def _is_sandbox(pid: int) -> bool:
    """Tell whether that process is a sandbox, by whatever path its Python was named: `make` names it from here."""
    said = _arguments(pid)
    return pid != os.getpid() and "-m" in said and said[said.index("-m") + 1 :][:1] == ["sandbox"]


def _arguments(pid: int) -> list[str]:
    return subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True).stdout.split()


def require_free(port: int, variable: str) -> None:
    """Raise `Stop` when somebody listens on the port already, before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise Stop(
                f"Port {port} is in use ({problem.strerror}). {_who()}"
                f"Stop what listens there, or choose another port: {variable}={port + 100} make sandbox"
            ) from None


def _who() -> str:
    """Name the sandbox that still runs, if one does."""
    try:
        pid = int(PIDS.read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return ""
    return f"A sandbox that was started earlier still runs: kill {pid} ends it. "


def prepare() -> None:
    """Bring the tables and the goods up to date. Both do nothing when there is nothing to do."""
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError, call_command

    try:
        django.setup()
        with (STATE / "check.log").open("w") as log:
            call_command("check", stdout=log)
    except (CommandError, ImproperlyConfigured) as problem:
        raise Stop(str(problem)) from None
    from django.contrib.auth import get_user_model
    from django.db import OperationalError, connection

    try:
        tables = connection.introspection.table_names()
    except OperationalError as problem:
        raise Stop(f"The database of DATABASE_URL cannot be used: {problem}") from None
    if "auth_user" not in tables:
        print("Making the tables ...", flush=True)
    with (STATE / "migrate.log").open("w") as log:
        call_command("migrate", verbosity=1, interactive=False, stdout=log)
    if not get_user_model().objects.filter(email=goods.STAFF[0]).exists():
        print("Drawing the goods and filling the shelves ...", flush=True)
    with (STATE / "data.log").open("w") as log:
        call_command("sandbox_data", stdout=log)
    connection.close()
    (STATE / "prepared").touch()


def place_first_orders() -> None:
    """In a shop without any, so that there is something to capture and something to decide."""
    from django.db import connection
    from oscar.core.loading import get_model

    from sandbox import first_orders

    try:
        if not get_model("order", "Order").objects.exists():
            goods_ = get_model("catalogue", "Product").objects.filter(
                structure="standalone", stockrecords__isnull=False
            )
            products = list(goods_.order_by("pk").values_list("pk", flat=True)[:3])
            for card, quantity in first_orders.ORDERS:
                first_orders.place(SHOP, products, card=card, quantity=quantity)
    except OSError as problem:  # requests' own among them: a sandbox without orders is a sandbox too
        print(f"The first orders could not be placed: {problem}", flush=True)
    finally:
        connection.close()


def wait_for(child: Child, url: str, seconds: float = 60) -> None:
    """Return when the URL answers; raise `Stop` when the child ends or takes too long."""
    # A proxy in the environment knows nothing of this machine's own servers.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + seconds
    problem: Exception | None = None
    while time.monotonic() < end:
        child.check()
        try:
            with opener.open(url, timeout=10):
                return
        except urllib.error.HTTPError as answer:
            raise Stop(
                f"The {child.name} answers {answer.code} at {url}. The end of {_shown(child.log)}:\n\n"
                f"{_tail(child.log)}"
            ) from None
        except OSError as waiting:
            problem = waiting
        time.sleep(0.1)
    raise Stop(f"The {child.name} did not answer at {url} within {seconds:.0f} seconds ({problem}).")


def invitation() -> str:
    from sandbox.cards import TEST_CARDS

    cards = "\n".join(f"    {number}   {outcome}" for number, outcome in TEST_CARDS)
    return f"""
  The shop             {SHOP}/
  Business Center      {SIMULATOR}/   payments, the review queue, and how the simulator misbehaves
  Dashboard            {SHOP}/dashboard/   {goods.STAFF[0]}  {goods.STAFF[1]}
  Django admin         {SHOP}/admin/   the same
  A shopper's account  {SHOP}/accounts/login/   {goods.SHOPPER[0]}  {goods.SHOPPER[1]}

  Put something into the cart, check out as a guest, and pay with any future expiry date, any security code and

{cards}

  Two orders are there already: capture, refund or decide them in the dashboard, on the order's tab "Card payments".
  The simulator forgets its payments when it stops, so orders of an earlier start can only be looked at.

  The scheduled commands run every minute, as cron runs them in a shop, and write {_shown(STATE / "schedule.log")}.
  Voucher {goods.VOUCHER} takes off ten dollars. Mails are in {_shown(STATE / "mail")}/, logs in {_shown(STATE)}/*.log.
  Ctrl-C stops everything.
"""


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def listen() -> None:
    """Be stopped by Ctrl-C, a closed terminal and ``kill`` alike."""
    # Also SIGINT, which a shell script gives to what it starts in the background as "ignored".
    for each in STOPPED_BY:
        signal.signal(each, _interrupt)


def heed() -> None:
    """Raise `KeyboardInterrupt` when we were asked to stop and the exception that said so was lost."""
    if _asked_to_stop:
        raise KeyboardInterrupt


def _interrupt(number: int, _frame: object) -> None:
    # Once is enough. Ignored and not only unheard: what we start to stop the database would die of a second one.
    for each in STOPPED_BY:
        signal.signal(each, signal.SIG_IGN)
    # The exception ends what we wait for at once. Python prints and drops it when the signal finds us in some object's
    # `__del__`, so it is remembered too.
    _asked_to_stop.append(number)
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
