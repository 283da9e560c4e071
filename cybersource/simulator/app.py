"""The HTTP side: Flask around the gateway and the courier. Loopback callers only."""

from socket import SHUT_RDWR
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, request

from cybersource.simulator.courier import Courier
from cybersource.simulator.gateway import Gateway
from cybersource.simulator.page import Page
from cybersource.simulator.request import MAX_FIELDS, PATHS
from cybersource.simulator.settings import Settings, is_loopback_host

MAX_BODY = 1024 * 1024


def create_app(settings: Settings | Gateway | None = None, *, courier: Courier | None = None) -> Flask:
    """Return the WSGI application of a simulator: for ``settings``, or for a gateway that exists already."""
    gateway = settings if isinstance(settings, Gateway) else Gateway(settings)
    app = Flask("cybersource.simulator", static_url_path="/static")
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=MAX_FIELDS + 1, JSON_SORT_KEYS=False
    )
    app.extensions["gateway"] = gateway
    app.extensions["courier"] = courier or Courier(gateway=gateway)
    app.before_request(_loopback_only)
    for path in PATHS:
        app.add_url_rule(path, view_func=_pay, methods=["POST"], endpoint=path)
    app.add_url_rule("/health", view_func=_health)
    return app


def _loopback_only() -> None:
    """Refuse callers by another name: a page on the Internet must not reach in by way of DNS."""
    if not is_loopback_host(urlsplit(f"//{request.host}").hostname):
        abort(403)


def _health() -> dict[str, Any]:
    return {"simulator": True}


def _pay() -> Response:
    """Secure Acceptance: a form in, the page that posts the reply out."""
    gateway, courier = _parts()
    answer = gateway.submit(request.path, list(request.form.items(multi=True)))
    courier.before_page(answer)
    if answer.drop and "werkzeug.socket" in request.environ:
        request.environ["werkzeug.socket"].shutdown(SHUT_RDWR)
    response = as_response(answer.page)
    response.call_on_close(lambda: courier.after_page(answer))
    return response


def _parts() -> tuple[Gateway, Courier]:
    return current_app.extensions["gateway"], current_app.extensions["courier"]


def as_response(page: Page) -> Response:
    """Return a page as Flask answers it."""
    return Response(page.html, status=page.status, headers=list(page.headers))
