"""Replies on two gunicorn workers, in units of a request that does nothing, and of the floor.

The unit depends on who asks, since clients share the machine with the workers: one that costs as much as the request
itself makes every reply look half as dear. These are bare sockets, and cost next to nothing. The floor is measured in
the same unit, so that it can be told from one of somebody else's measuring.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from urllib.parse import urlencode

import pytest
from django.db import connection

from benchmarks.shop import order_to_pay, reply_to
from benchmarks.table import FIGURES
from cybersource.models import AttemptState, PaymentAttempt
from tests.support.shop import REPLY

pytest.importorskip("gunicorn")

ROUNDS, REPLIES, EMPTY, CLIENTS = 5, 50, 1000, 4


@pytest.fixture
def port(database) -> Iterator[int]:
    """gunicorn with two synchronous workers on this very database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", "--log-level=warning"]
    server = subprocess.Popen(
        [*command, "benchmarks.wsgi"], env={**os.environ, "BENCHMARK_DATABASE": connection.settings_dict["NAME"]}
    )
    try:
        for _try in range(300):
            try:
                ask(port, request("GET", "/empty/"))
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def request(method: str, path: str, body: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n{body}".encode()


def ask(port: int, message: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(message)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    return answer.partition(b"\r\n")[0]


def rate(port: int, messages: Sequence[bytes], expected: bytes) -> float:
    """Requests per second, with as many clients as keep two workers busy."""
    todo, refused = iter(messages), []
    turn = threading.Lock()

    def client() -> None:
        while True:
            with turn:
                message = next(todo, None)
            if message is None:
                return
            status = ask(port, message)
            if expected not in status:
                refused.append(status)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    begun = time.perf_counter()
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert not refused, refused[0]
    return len(messages) / (time.perf_counter() - begun)


def rates_in_turn(port: int, works: dict[str, Callable[[], tuple[Sequence[bytes], bytes]]]) -> dict[str, float]:
    """The median rate of each work, all of them measured in turn, so that a busy machine is busy for all."""
    measured: dict[str, list[float]] = {name: [] for name in works}
    for _round in range(ROUNDS):
        for name, work in works.items():
            measured[name].append(rate(port, *work()))
    return {name: median(found) for name, found in measured.items()}


def test_replies_on_two_workers(port):
    empty = [request("GET", "/empty/")]
    attempts: list[PaymentAttempt] = []

    def posts(url: str, number: int = REPLIES) -> list[bytes]:
        ordered = [order_to_pay(1) for _ in range(number)]
        attempts.extend(ordered if url == REPLY else ())
        return [request("POST", url, urlencode(reply_to(attempt))) for attempt in ordered]

    rate(port, posts(REPLY, 20), b" 303 ")
    rate(port, posts("/floor/", 20), b" 200 ")
    rate(port, empty * 200, b" 200 ")
    rates = rates_in_turn(
        port,
        {
            "reply rate": lambda: (posts(REPLY), b" 303 "),
            "floor rate": lambda: (posts("/floor/"), b" 200 "),
            "empty rate": lambda: (empty * EMPTY, b" 200 "),
        },
    )
    FIGURES.update(rates)
    paid = PaymentAttempt.objects.filter(pk__in=[attempt.pk for attempt in attempts], state=AttemptState.AUTHORIZED)
    assert paid.count() == len(attempts)
