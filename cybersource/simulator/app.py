"""The HTTP side: Flask around the gateway and the courier. Loopback callers only."""

import base64
import functools
from copy import copy
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, request

from cybersource.simulator.businesscenter import center
from cybersource.simulator.delivery import Courier
from cybersource.simulator.gateway import Gateway
from cybersource.simulator.page import Page
from cybersource.simulator.request import MAX_FIELDS, PATHS
from cybersource.simulator.settings import Settings, is_loopback_host

MAX_BODY = 1024 * 1024
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

#: A transparent image of one pixel.
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR4nGNgAAIAAAUAAXpeqz8AAAAASUVORK5CYII="
)
_BROKEN_OFF = (
    b"HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 9999\r\n\r\n<!DOCTYPE html>"
)
_FRAME = b"<!DOCTYPE html><html lang=en><title>Simulator</title>"

#: What fingerprint tags ask for: path -> (content type, body). Source: Decision Manager Device Fingerprinting guide.
ASSETS: dict[str, tuple[str, bytes]] = {
    "/fp/clear.png": ("image/png", _PIXEL),
    "/fp/fp.swf": ("application/x-shockwave-flash", b""),
    "/fp/check.js": ("text/javascript; charset=utf-8", b"/* simulator: nothing to profile */\n"),
    "/fp/tags.js": ("text/javascript; charset=utf-8", b"/* simulator: nothing to profile */\n"),
    "/fp/tags": ("text/html; charset=utf-8", _FRAME),
}


def create_app(settings: Settings | Gateway | None = None, *, courier: Courier | None = None) -> Flask:
    """Return the WSGI application of a simulator: for ``settings``, or for a gateway that exists already."""
    gateway = settings if isinstance(settings, Gateway) else Gateway(settings)
    app = copy(_addresses())
    app.extensions = {"gateway": gateway, "courier": courier or Courier(gateway=gateway)}
    return app


@functools.cache
def _addresses() -> Flask:
    """Return what all simulators of a process have in common: compiling it takes most of the time of a start."""
    app = Flask("cybersource.simulator", static_url_path="/static")
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=MAX_FIELDS + 1, JSON_SORT_KEYS=False
    )
    app.before_request(_loopback_only)
    for path in PATHS:
        app.add_url_rule(path, view_func=_pay, methods=["POST"], endpoint=path)
    app.add_url_rule("/health", view_func=_health)
    for path in ASSETS:
        app.add_url_rule(path, view_func=_fingerprint, endpoint=path)
    for root in ("/pts/", "/tss/", "/tms/", "/risk/", "/reporting/", "/kms/", "/notification-subscriptions/"):
        app.add_url_rule(f"{root}<path:service>", view_func=_rest, methods=METHODS, endpoint=root)
    app.register_blueprint(center)
    assert app.jinja_env  # its templates are compiled once too
    return app


def _loopback_only() -> None:
    """Refuse callers by another name: a page on the Internet must not reach in by way of DNS."""
    if not is_loopback_host(urlsplit(f"//{request.host}").hostname):
        abort(403)


def _health() -> dict[str, Any]:
    return {"simulator": True}


def _fingerprint() -> Response:
    """One asset of the fingerprint tags; that it was asked for is what counts."""
    gateway, _ = _parts()
    gateway.profile_device(
        org_id=request.args.get("org_id", ""),
        session_id=request.args.get("session_id", ""),
        asset=request.path.removeprefix("/fp/"),
    )
    content_type, body = ASSETS[request.path]
    return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def _pay() -> Response:
    """Secure Acceptance: a form in, the page that posts the reply out."""
    gateway, courier = _parts()
    answer = gateway.submit(request.path, list(request.form.items(multi=True)))
    courier.before_page(answer)
    if answer.drop and "werkzeug.socket" in request.environ:
        # Closed before the first byte, Chromium would post the form a second time automatically.
        request.environ["werkzeug.socket"].sendall(_BROKEN_OFF)
        request.environ["werkzeug.socket"].shutdown(SHUT_RDWR)
    response = as_response(answer.page)
    response.call_on_close(lambda: courier.after_page(answer))
    return response


def _rest(service: str) -> Response:
    """The REST services: an authenticated JSON request in, a JSON answer out."""
    gateway, courier = _parts()
    answer = gateway.rest.handle(
        request.method,
        request.environ.get("RAW_URI") or request.full_path.rstrip("?"),
        {name.lower(): value for name, value in request.headers.items()},
        request.get_data(),
    )
    courier.hold_back(answer.delay_seconds)
    if (answer.drop or answer.break_off) and "werkzeug.socket" in request.environ:
        connection = request.environ["werkzeug.socket"]
        if answer.break_off:
            head = f"HTTP/1.0 {answer.status} Created\r\nContent-Length: {len(answer.body)}\r\n\r\n"
            connection.sendall(head.encode() + answer.body[: len(answer.body) // 2])
        connection.shutdown(SHUT_RDWR)
    return Response(answer.body, status=answer.status or 502, headers=list(answer.headers))


def _parts() -> tuple[Gateway, Courier]:
    return current_app.extensions["gateway"], current_app.extensions["courier"]


def as_response(page: Page) -> Response:
    """Return a page as Flask answers it."""
    return Response(page.html, status=page.status, headers=list(page.headers))
