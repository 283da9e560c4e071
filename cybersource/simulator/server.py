"""A simulator that listens: on a loopback port, in a thread, until it is stopped."""

import socket
import threading
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from cybersource.simulator.app import create_app
from cybersource.simulator.delivery import Courier
from cybersource.simulator.gateway import Gateway
from cybersource.simulator.settings import NotLoopback, is_loopback_host


class PortInUse(OSError):
    """Somebody else listens on the port already."""


class _QuietHandler(WSGIRequestHandler):
    """Logs nothing: a simulator of card payments keeps no trail."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Drop the line."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header tells the clock by which the gateway judges forms and tokens."""
        app: Any = self.server.app
        return format_datetime(app.extensions["gateway"].now(), usegmt=True)


@dataclass(kw_only=True)
class Server:
    """The simulator on ``host``:``port``; port 0 takes a free one. Use as a context manager, or start and stop."""

    gateway: Gateway
    host: str = "127.0.0.1"
    port: int = 0
    courier: Courier = field(init=False)
    _server: BaseWSGIServer = field(init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not is_loopback_host(self.host):
            raise NotLoopback(f"The simulator listens on this machine only, not on {self.host}. Use 127.0.0.1")
        self.courier = Courier(gateway=self.gateway)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((self.host, self.port))
            except OSError as problem:
                raise PortInUse(problem.errno, f"Port {self.port} of {self.host} is taken") from problem
            listening.listen(64)
            self.port = listening.getsockname()[1]
            self._server = make_server(
                self.host,
                self.port,
                create_app(self.gateway, courier=self.courier),
                threaded=True,
                request_handler=_QuietHandler,
                fd=listening.fileno(),
            )

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def serve(self) -> None:
        """Serve in this thread until :meth:`stop` or an interrupt."""
        try:
            self._server.serve_forever(poll_interval=0.01)  # an interrupt ends it without an exception
        finally:
            self.courier.close()

    def start(self) -> "Server":
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self.serve, name="cybersource-simulator", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop a server that was started, and its deliveries."""
        self._server.shutdown()
        if self._thread:
            self._thread.join(5)

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()
