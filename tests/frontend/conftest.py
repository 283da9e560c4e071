"""A shop and a payment provider on two sites, small enough to read, and a real Chromium between them.

The shop is ``http://localhost:<port>`` and serves what a Django shop would: a page with the rendered card form, the
static files, an order endpoint and the payment states. The provider is ``http://127.0.0.1:<other port>``. Both write
down every request they get. No database, no Django server.
"""

from __future__ import annotations

import inspect
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import django
import pytest
from django.conf import settings
from django.template import Context, Engine
from django.test import override_settings
from django.utils import translation

from tests.support.chromium import in_time, launched

if not settings.configured and not os.environ.get("DJANGO_SETTINGS_MODULE"):
    settings.configure(SECRET_KEY="nothing is signed here", USE_I18N=True, STATIC_URL="/static/", INSTALLED_APPS=[])
    django.setup()

HERE = Path(__file__).parent
APP = HERE.parent.parent / "cybersource"

#: The card that the tests type. Its security code stands nowhere else on the wire.
VISA = "4111111111111111"
CVN = "737"

ENGINE = Engine(
    dirs=[str(APP / "templates"), str(HERE / "templates")],
    libraries={
        "i18n": "django.templatetags.i18n",
        "static": "django.templatetags.static",
        "currency_filters": "oscar.templatetags.currency_filters",
        "cybersource_tags": "cybersource.templatetags.cybersource_tags",
    },
)


def render(source: str, *, language: str = "en", **context: Any) -> str:
    names = override_settings(STATIC_URL="/static/", ROOT_URLCONF="tests.frontend.urls")
    with names, translation.override(language):
        return ENGINE.from_string(source).render(Context(context))


def card_page(options: str = "", *, payload: Any = None, before: str = "", layout: str = "bare_layout.html") -> str:
    """A checkout page of a shop: its layout, the order to place, the card form."""
    order = "" if payload is None else f'<script type="application/json" id="order">{json.dumps(payload)}</script>'
    payload_id = "" if payload is None else 'payload_id="order"'
    return render(
        f"{{% extends '{layout}' %}}{{% load cybersource_tags %}}{{% block headertext %}}Payment{{% endblock %}}"
        f"{{% block content %}}{before}{order}{{% cybersource_card_form {payload_id} {options} %}}{{% endblock %}}",
        csrf_token="csrf-from-the-page",
    )


# ------------------------------------------------------------------------------------------------ the two servers


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def posted(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body, keep_blank_values=True)

    def everything(self) -> str:
        """All that the server could have seen, decoded, without the port numbers of its own address."""
        headers = "\n".join(
            f"{name}: {value}"
            for name, value in self.headers.items()
            if name not in ("host", "origin", "referer", "content-length")
        )
        referer = self.headers.get("referer", "")
        return "\n".join(
            [
                unquote_plus(self.path),
                headers,
                unquote_plus(urlsplit(referer).path + urlsplit(referer).query),
                self.body,
            ]
        )


@dataclass
class Answer:
    body: str | bytes = ""
    status: int = 200
    type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0

    @classmethod
    def json(cls, data: Any, status: int = 200, **rest: Any) -> Answer:
        return cls(json.dumps(data), status, "application/json", **rest)


class Server:
    """Answers from a table of (method, path) -> Answer or function, and remembers every request."""

    def __init__(self, host: str) -> None:
        Server.reset(self)
        self.stopping = threading.Event()
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(
                    self.command,
                    self.path,
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length).decode(),
                )
                world.requests.append(request)
                found = world.route(request)
                if found.delay:
                    world.stopping.wait(found.delay)
                body = found.body.encode() if isinstance(found.body, str) else found.body
                self.send_response(found.status)
                for name, value in {
                    "Content-Type": found.type,
                    "Content-Length": str(len(body)),
                    **found.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *args: Any) -> None: ...

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: Any) -> None: ...  # a browser that navigates away hangs up

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reset(self) -> None:
        self.routes: dict[tuple[str, str], Answer | Callable[[Request], Answer]] = {}
        self.requests: list[Request] = []

    def route(self, request: Request) -> Answer:
        path = urlsplit(request.path).path
        found = self.routes.get((request.method, path))
        if callable(found):
            return found(request)
        return found or self.static(path) or Answer("not found", 404)

    def static(self, path: str) -> Answer | None:
        return None

    def got(self, method: str, path: str) -> list[Request]:
        return [
            request for request in self.requests if request.method == method and urlsplit(request.path).path == path
        ]

    def stop(self) -> None:
        self.stopping.set()
        self.http.shutdown()
        self.http.server_close()


TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


class Shop(Server):
    """The shop: pages under a strict Content-Security-Policy, static files, an order endpoint, payment states."""

    def __init__(self, gateway: Server) -> None:
        super().__init__("localhost")
        self.gateway = gateway
        self.reset()

    def reset(self) -> None:
        super().reset()
        self.csp = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            f"connect-src 'self'; form-action 'self' {self.gateway.url}; base-uri 'none'"
        )
        self.routes["POST", "/api/checkout/"] = Answer.json({"number": "100042"})
        self.routes["GET", "/empty/"] = Answer("<!DOCTYPE html><title>Empty</title>")
        self.routes["GET", "/favicon.ico"] = Answer("", 204)
        self.states(form=True)

    def static(self, path: str) -> Answer | None:
        if not path.startswith("/static/"):
            return None
        import oscar

        name = path.removeprefix("/static/")
        for root in (APP / "static", Path(oscar.__file__).parent / "static"):
            if (root / name).is_file():
                return Answer((root / name).read_bytes(), type=TYPES.get(Path(name).suffix, "application/octet-stream"))
        return None

    def page(self, path: str, html: str, **headers: str) -> None:
        self.routes["GET", path] = Answer(html, headers={"Content-Security-Policy": self.csp, **headers})

    def form_fields(self) -> list[dict[str, Any]]:
        """What the shop signed, then what it leaves to the shopper. One editable field is unknown to the module."""
        return [
            {"key": "access_key", "value": "9df3b01c60df20d13843841ff0d4482c", "editable": False},
            {"key": "transaction_uuid", "value": "6b3d1d52-0c6e-4b3c-9d0e-0d8c3c5a9f11", "editable": False},
            {"key": "signed_field_names", "value": "access_key,transaction_uuid,signed_field_names", "editable": False},
            {"key": "amount", "value": "12.00", "editable": False},
            {"key": "item_0_name", "value": 'Café "crème" & <cake>, naïve', "editable": False},
            {"key": "signature", "value": "WrXOhTzhBjYMZROwiCug2My3jiZHOqATimcz5EBA07M=", "editable": False},
            {"key": "card_type", "value": "", "editable": True},
            {"key": "card_number", "value": "", "editable": True},
            {"key": "card_expiry_date", "value": "", "editable": True},
            {"key": "card_cvn", "value": "", "editable": True},
            {"key": "bill_to_phone", "value": "", "editable": True},
            {"key": "gift_message", "value": "keep me", "editable": True},
        ]

    def action(self, fields: list[dict[str, Any]] | None = None, name: str = "get-token") -> dict[str, Any]:
        return {
            "type": "form",
            "name": name,
            "url": f"{self.gateway.url}/silent/token/create",
            "method": "POST",
            "fields": self.form_fields() if fields is None else fields,
        }

    def states(
        self, status: str = "Pending", *, form: bool = False, action: Any = None, key: str = "cybersource"
    ) -> None:
        """What the payment states say from now on."""
        action = action or (self.action() if form else None)
        state = {"status": status, "amount": "12.00", "required_action": action}
        self.routes["GET", "/api/checkout/payment-states/"] = Answer.json(
            {
                "order_status": "Pending",
                "payment_method_states": {
                    "cash": {"status": "Complete", "amount": "5.00", "required_action": None},
                    key: state,
                },
            }
        )


@pytest.fixture(scope="package")
def servers() -> Iterator[tuple[Shop, Server]]:
    gateway = Server("127.0.0.1")
    shop = Shop(gateway)
    yield shop, gateway
    shop.stop()
    gateway.stop()


@pytest.fixture
def gateway(servers: tuple[Shop, Server]) -> Server:
    gateway = servers[1]
    gateway.reset()
    gateway.routes["POST", "/silent/token/create"] = Answer("<title>Payment provider</title><h1>Payment provider</h1>")
    return gateway


@pytest.fixture
def shop(servers: tuple[Shop, Server], gateway: Server) -> Iterator[Shop]:
    shop = servers[0]
    shop.reset()
    yield shop
    for request in shop.requests:
        seen = request.everything().replace(" ", "").replace("-", "")
        told = f"{request.method} {request.path} told the shop"
        assert VISA not in seen, f"{told} the card number"
        assert "092031" not in seen and "09/31" not in seen, f"{told} the expiry date"


# ---------------------------------------------------------------------------------------------------- the browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """One Chromium for this folder, closed before other tests need their thread without its event loop."""
    with launched() as browser:
        yield browser


SIZE = {"width": 1000, "height": 900}


@dataclass
class Complaints:
    """What a page complained of during one test."""

    violations: list[str] = field(default_factory=list)  #: of the Content-Security-Policy
    errors: list[str] = field(default_factory=list)  #: of scripts
    console: list[str] = field(default_factory=list)
    expected: bool = False


def open_page(browser: Any) -> Any:
    """Open a page that remembers what it complains of."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.set_default_timeout(10_000)
    page.complaints = Complaints()
    page.expose_binding("tellViolation", lambda source, text: page.complaints.violations.append(text))
    page.add_init_script(
        "addEventListener('securitypolicyviolation',"
        " (event) => window.tellViolation(`${event.effectiveDirective} ${event.blockedURI}`))"
    )
    page.on("pageerror", lambda error: page.complaints.errors.append(str(error)))
    page.on("console", lambda message: page.complaints.console.append(message.text))
    return page


@pytest.fixture(scope="package")
def opened(browser: Any) -> Iterator[list[Any]]:
    """The page that the tests use in turn: a context of its own would cost each of them a third of a second."""
    opened: list[Any] = []
    yield opened
    with in_time(browser):
        for page in opened:
            page.context.close()


#: What a test cannot take back, so that the page goes with it.
FOR_GOOD = ("clock.install", "add_init_script", "set_offline")


@pytest.fixture(autouse=True)
def limited(request: pytest.FixtureRequest) -> Iterator[None]:
    with in_time(request.getfixturevalue("browser")) if "browser" in request.fixturenames else nullcontext():
        yield


@pytest.fixture
def page(browser: Any, opened: list[Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page as a new browser has it, without cookies or history that matter. It asserts that nothing complained."""
    if not opened or opened[0].is_closed():
        opened[:] = [open_page(browser)]
    page = opened[0]
    page.complaints = complaints = Complaints()
    yield page
    if any(f".{name}(" in inspect.getsource(request.function) for name in FOR_GOOD):
        page.context.close()
        opened.clear()
    else:
        page.goto("about:blank")
        page.unroute_all()
        page.set_viewport_size(SIZE)
        page.emulate_media(reduced_motion="null")
        page.context.clear_cookies()
    if not complaints.expected:
        assert complaints.violations == []
        assert complaints.errors == []
    assert [text for text in complaints.console if VISA in text.replace(" ", "") or CVN in text] == []


# ---------------------------------------------------------------------------------------------------- the shopper


def eventually(page: Any, expression: str, seconds: float = 10.0) -> None:
    """Wait until a page says so, also while a navigation that may never end holds up Playwright's own waiting."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never came true: {expression}"
        time.sleep(0.02)


class Checkout:
    """A shopper on a checkout page."""

    def __init__(self, page: Any, shop: Shop, gateway: Server) -> None:
        self.page, self.shop, self.gateway = page, shop, gateway

    def open(self, options: str = "", *, payload: Any = None, **rest: Any) -> Checkout:
        self.shop.page("/checkout/", card_page(options, payload=payload, **rest))
        self.page.goto(f"{self.shop.url}/checkout/")
        self.page.wait_for_selector("form[data-cybersource-ready]")
        return self

    def field(self, label: str) -> Any:
        return self.page.get_by_label(label, exact=True)

    @property
    def number(self) -> Any:
        return self.field("Card number")

    @property
    def expiry(self) -> Any:
        return self.field("Expiry date")

    @property
    def cvn(self) -> Any:
        return self.field("Security code")

    @property
    def button(self) -> Any:
        return self.page.get_by_role("button", name="Pay by card")

    @property
    def summary(self) -> Any:
        return self.page.locator("[data-cybersource-summary]")

    @property
    def status(self) -> Any:
        return self.page.locator("[data-cybersource-status]")

    def error(self, name: str) -> Any:
        return self.page.locator(f"[data-cybersource-error='{name}']")

    def fill(self, number: str = VISA, expiry: str = "09/2031", cvn: str = CVN) -> Checkout:
        self.number.fill(number)
        self.expiry.fill(expiry)
        self.cvn.fill(cvn)
        return self

    def pay(self) -> Checkout:
        self.button.click()
        return self

    def press(self) -> Checkout:
        """Press the button without waiting for the page that should follow."""
        self.page.evaluate("document.querySelector('[data-cybersource-submit]').click()")
        return self

    def posted(self) -> list[tuple[str, str]]:
        """What reached the payment provider, once it has."""
        self.page.wait_for_url(f"{self.gateway.url}/**")
        (request,) = self.gateway.got("POST", "/silent/token/create")
        return request.posted


@pytest.fixture
def checkout(page: Any, shop: Shop, gateway: Server) -> Checkout:
    return Checkout(page, shop, gateway)
