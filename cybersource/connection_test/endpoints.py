"""Whether what CyberSource posts gets through to the app's views, past all that the shop has put before them.

Each URL is asked for by GET, in this process, through the shop's own middleware, as the shop's proxy would hand it on.
A view that takes posts only answers 405, touches no row, and so says that the way is free; the two that have a page as
well say so by being the view that answered. Nothing is sent anywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponseBase
from django.urls import get_urlconf, reverse, set_urlconf
from django.utils import translation
from django.utils.translation import gettext as _

from ..conf import conf
from .findings import Area, Finding, Reporter
from .hosts import in_use, scheme

report = Reporter(area=Area.ENDPOINTS)

#: Marks our own requests in ``META``; no header can.
ASKED_BY_US = "cybersource.connection_test"


def look(hosts: Iterable[str]) -> Iterator[Finding]:
    handler = WSGIHandler()
    with unlogged():
        yield from [finding for host in hosts for finding in look_at(handler, host)]


def look_at(handler: WSGIHandler, host: str) -> Iterator[Finding]:
    refused = False
    for called in in_use():
        path = reverse(called.name)
        asked = request(host, path)
        with apart():
            response = handler.get_response(asked)  # not closed: that would end the outer request
        answered_by = asked.resolver_match.view_name if asked.resolver_match else None
        if response.status_code != called.answers or answered_by != called.name:
            refused = True
            yield told(host, path, response)
    if not refused:
        yield report.good(_("A POST to %(host)s reaches the app: nothing in the shop blocks it.") % {"host": host})


def told(host: str, path: str, response: HttpResponseBase) -> Finding:
    what = {"url": f"{host}{path}", "status": response.status_code, "target": response.headers.get("Location", "")}
    if response.status_code in range(300, 400):
        to_https = what["target"] == f"https://{host}{path}"
        return report.error(
            "D020",
            _("A post to %(url)s is redirected (%(status)s) to %(target)s, and what was posted is lost.") % what,
            _(
                "Django does not see that the request came by HTTPS. Set SECURE_PROXY_SSL_HEADER to what your proxy "
                "sends."
            )
            if to_https
            else _("Exempt the app's URLs from whatever redirects there: a login, a language prefix, another host."),
        )
    return report.error(
        "D021",
        _("A post to %(url)s is answered with %(status)s before it reaches the app.") % what,
        _("Exempt the app's URLs from the middleware that answers so, or put the app's URLs before what hides them."),
    )


def request(host: str, path: str) -> WSGIRequest:
    """A request as the web server would hand it on: over HTTPS, which a proxy tells in a header if it ends there."""
    by_https = scheme(host) == "https"
    parts = urlsplit(f"//{host}")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "HTTP_HOST": host,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or (443 if by_https else 80)),
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "https" if by_https else "http",
    }
    if getattr(settings, "USE_X_FORWARDED_HOST", False):
        environ["HTTP_X_FORWARDED_HOST"] = host
    if by_https and is_behind_a_proxy():
        environ["wsgi.url_scheme"] = "http"
        if settings.SECURE_PROXY_SSL_HEADER:
            header, value = settings.SECURE_PROXY_SSL_HEADER
            environ[header] = value.split(",")[0].strip()
    environ[ASKED_BY_US] = "1"
    setup_testing_defaults(environ)
    return WSGIRequest(environ)


def is_behind_a_proxy() -> bool:
    """Whether a proxy is named, and so most likely takes the HTTPS off."""
    return bool(
        conf.trusted_proxies
        or getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
        or getattr(settings, "USE_X_FORWARDED_HOST", False)
    )


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep the 405 that is wanted out of the log, and nothing else."""

    def is_news(record: logging.LogRecord) -> bool:
        asked = ASKED_BY_US in getattr(getattr(record, "request", None), "META", {})
        return not (asked and getattr(record, "status_code", None) == HTTPStatus.METHOD_NOT_ALLOWED)

    logger = logging.getLogger("django.request")
    logger.addFilter(is_news)
    try:
        yield
    finally:
        logger.removeFilter(is_news)


@contextmanager
def apart() -> Iterator[None]:
    """Leave language and URLconf of a request that is under way as they were."""
    language, urlconf = translation.get_language(), get_urlconf()
    try:
        yield
    finally:
        set_urlconf(urlconf)
        if language:
            translation.activate(language)
        else:
            translation.deactivate_all()
