"""Fixtures: the simulator's own, and a shop's server that writes down what it is sent."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class ListeningShop:
    """A shop's server: answers with ``status`` and keeps (path, body) of every POST."""

    def __init__(self) -> None:
        self.status = 200
        self.location = ""
        self.received: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.looked: list[str] = []  #: paths of GET requests
        self._changed = threading.Condition()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.looked.append(self.path)
                self.send_response(shop.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                with shop._changed:
                    shop.received.append((self.path, body))
                    shop.headers.append(dict(self.headers))
                    shop._changed.notify_all()
                self.send_response(shop.status)
                if shop.location:
                    self.send_header("Location", shop.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, timeout=10)
            return list(self.received)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def shop() -> Iterator[ListeningShop]:
    listening = ListeningShop()
    yield listening
    listening.close()
