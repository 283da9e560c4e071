"""Servers to be maltreated: a PostgreSQL of our own, and a PgBouncer before the tests' database."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres.signals import get_hstore_oids
from django.core.management import call_command
from django.db import connection, connections

from sandbox import postgres

PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"


@contextlib.contextmanager
def database(**settings: Any) -> Iterator[None]:
    """Django's default database is another one within this."""
    kept = {name: connection.settings_dict.get(name) for name in settings}
    move_to(settings)
    try:
        yield
    finally:
        move_to(kept)


def move_to(settings: dict[str, Any]) -> None:
    connections.close_all()
    connection.settings_dict.update(settings)
    get_hstore_oids.cache_clear()  # Django remembers them by the connection's name, and they are another server's


def url_of(settings: dict[str, Any]) -> str:
    secret = f":{settings['PASSWORD']}" if settings["PASSWORD"] else ""
    return f"postgres://{settings['USER']}{secret}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


class OwnPostgres:
    """A PostgreSQL server that nobody else uses, with the tests' tables in it, durable as a shop's is."""

    def __init__(self, base: Path) -> None:
        account = postgres._account()
        home = postgres._home(base, account, print)
        self.cluster = postgres._Cluster(home, postgres.find_binaries(print), account)

    def start(self) -> None:
        self.cluster.ensure_running(fsync=True)
        _pid, self.port = self.cluster._running()

    def crash(self) -> None:
        """Every backend dies where it stands; what is not committed is gone."""
        self.pg_ctl("-m", "immediate", "stop")

    def recover(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {self.port}"
        self.pg_ctl("-l", str(self.cluster.log), "-t", "60", "-o", options, "start")

    def pg_ctl(self, *words: str) -> None:
        done = self.cluster._run("pg_ctl", "-D", str(self.cluster.data), "-w", *words)
        assert done.returncode == 0, done.stdout

    def settings(self) -> dict[str, Any]:
        password = self.cluster.password_file.read_text().strip()
        return {
            "HOST": "127.0.0.1",
            "PORT": self.port,
            "USER": postgres.SUPERUSER,
            "PASSWORD": password,
            "NAME": "shop",
        }

    def fill(self, source: str) -> None:
        """Copy the tests' tables, which takes a tenth of the time of making them."""
        self.cluster.ensure_database("shop")
        dump = self.cluster.binaries.tool("pg_dump")
        if os.path.exists(dump) and (psql := shutil.which("psql") or self.cluster.binaries.tool("psql")):
            told = subprocess.run([dump, "--no-owner", source], capture_output=True, check=True)
            subprocess.run(
                [psql, "-q", "-X", "-v", "ON_ERROR_STOP=1", url_of(self.settings())],
                input=told.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        else:
            with database(**self.settings()):
                call_command("migrate", verbosity=0)


@contextlib.contextmanager
def own_postgres(base: Path) -> Iterator[OwnPostgres]:
    server = OwnPostgres(base)
    source = url_of(connection.settings_dict)
    server.start()
    try:
        server.fill(source)
        with database(**server.settings()):
            yield server
    finally:
        server.cluster.stop()


def find_pgbouncer() -> str:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=PLACES)
    if not found:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
    return found


@contextlib.contextmanager
def pgbouncer(base: Path, *, pool_size: int = 4) -> Iterator[None]:
    """PgBouncer in transaction mode between the shop and the tests' database."""
    program = find_pgbouncer()
    behind = connection.settings_dict
    port = postgres._free_port()
    account = postgres._account()
    config = base / "pgbouncer.ini"
    secret = f" password={behind['PASSWORD']}" if behind["PASSWORD"] else ""
    config.write_text(
        f"""[databases]
{behind["NAME"]} = host={behind["HOST"]} port={behind["PORT"]} user={behind["USER"]}{secret}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
server_idle_timeout = 1
"""
    )
    # As root it reads its file, and then goes on as somebody who may do nothing.
    as_nobody = [] if account is None else ["-u", account.pw_name]
    process = subprocess.Popen(
        [program, "-q", *as_nobody, str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        for _again in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None:
                raise RuntimeError(f"PgBouncer does not start: {process.stderr.read().decode()}")
            time.sleep(0.05)
        with database(HOST="127.0.0.1", PORT=port, DISABLE_SERVER_SIDE_CURSORS=True):
            yield
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stderr.close()
