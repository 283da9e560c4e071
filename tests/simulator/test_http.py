"""Over HTTP: the endpoints, the deliveries to a real loopback socket, and the pages of the Business Center."""

import socket
import threading
from http.client import HTTPConnection, HTTPException
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from cybersource.simulator import Gateway, Profile, Settings, cards
from cybersource.simulator.app import MAX_BODY, create_app
from cybersource.simulator.delivery import Courier, send
from cybersource.simulator.server import PortInUse, Server
from cybersource.simulator.settings import MerchantPost, NotLoopback
from tests.simulator.forms import Clock, card, form, verified

ORIGIN = "http://localhost"


class Sent:
    """A transport that keeps what it is given, and answers or fails as told."""

    def __init__(self, answer=200):
        self.answer = answer
        self.bodies = []

    def __call__(self, url, body, timeout):
        self.bodies.append((url, body.decode()))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture
def gateway():
    profile = Profile.for_shop("http://localhost:8000")
    settings = Settings(profiles=(profile,), merchant_post=MerchantPost.BEFORE, late_seconds=0, slow_seconds=0)
    return Gateway(settings, clock=Clock())


@pytest.fixture
def client(gateway, sent):
    return create_app(gateway, courier=Courier(gateway=gateway, transport=sent)).test_client()


def paid(client, typed=None, **changes):
    return client.post("/silent/pay", data=form(typed, **changes) and dict(form(typed, **changes)))


# ------------------------------------------------------------------------------------------------------- endpoints


def test_a_posted_form_gets_the_reply_page(client, gateway, sent):
    response = paid(client)

    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert response.headers["Pragma"] == "no-cache"
    assert 'id="custom_redirect"' in response.text
    assert [urlsplit(url).path for url, _ in sent.bodies] == ["/api/cybersource/merchant-post/"]
    assert verified(parse_qsl(sent.bodies[0][1], keep_blank_values=True))["decision"] == "ACCEPT"
    assert gateway.payments[0].deliveries[0].succeeded


def test_the_endpoints_take_posts_only(client):
    assert client.get("/silent/pay").status_code == 405


def test_a_body_that_is_too_large_is_not_read(client):
    response = client.post(
        "/silent/pay", data=b"a=" + b"b" * MAX_BODY, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 413


def test_bytes_that_are_not_utf8_do_not_verify(client):
    pairs = urlencode(form(bill_to_surname="Lefèvre"))
    response = client.post(
        "/silent/pay",
        data=pairs.replace("%C3%A8", "%E8"),
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 403


def test_a_field_posted_twice_is_seen_as_twice(client):
    response = client.post(
        "/silent/pay",
        data=urlencode([*form(), ("amount", "64.50")]),
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 400


def test_another_host_name_is_not_answered(client):
    assert client.get("/health").json == {"simulator": True}
    assert client.get("/health", headers={"Host": "attacker.example"}).status_code == 403
    assert client.get("/health", headers={"Host": "[::1]:8001"}).status_code == 200


def test_a_dropped_connection_still_sends_the_merchant_post(client, gateway, sent):
    gateway.faults.next("drop-reply", merchant_post="before")
    assert paid(client).status_code == 502
    assert len(sent.bodies) == 1


@pytest.mark.parametrize(
    ("asset", "mimetype"),
    [
        ("clear.png", "image/png"),
        ("fp.swf", "application/x-shockwave-flash"),
        ("check.js", "text/javascript"),
        ("tags.js", "text/javascript"),
        ("tags", "text/html"),
    ],
)
def test_a_fingerprint_asset_is_served_and_recorded(client, gateway, asset, mimetype):
    response = client.get(f"/fp/{asset}?org_id=1snn5n9w&session_id=acme_shopc0ffee&m=1")

    assert (response.status_code, response.mimetype) == (200, mimetype)
    assert response.headers["Cache-Control"] == "no-store"
    (seen,) = gateway.profilings
    assert (seen.org_id, seen.session_id, seen.asset) == ("1snn5n9w", "acme_shopc0ffee", asset)


# ----------------------------------------------------------------------------------------------------- the courier


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (TimeoutError(), "did not answer in time"),
        (ConnectionRefusedError(), "is the shop running"),
        (ConnectionResetError(), "ConnectionResetError"),
        (HTTPException(), "HTTPException"),
    ],
)
def test_a_delivery_that_fails_says_why(gateway, answer, error):
    client = create_app(gateway, courier=Courier(gateway=gateway, transport=Sent(answer))).test_client()
    assert paid(client).status_code == 200
    (delivery,) = gateway.deliveries
    assert (delivery.status, delivery.succeeded) == (None, False)
    assert error in delivery.error


def test_a_form_that_points_the_merchant_post_elsewhere_is_not_obeyed(gateway):
    client = create_app(gateway).test_client()
    assert paid(client, override_backoffice_post_url="https://shop.example/notify/").status_code == 200
    (delivery,) = gateway.deliveries
    assert "this machine only" in delivery.error


def test_a_delivery_keeps_the_url_without_its_key(gateway, client, sent):
    paid(client, card(cards.REVIEW))
    client.post("/payments/1/review/", data={"action": "accept"})
    assert sent.bodies[-1][0].endswith("?key=sandbox-review-key")
    assert gateway.deliveries[-1].url.endswith("/decision-manager-review-notification/")
    assert "sandbox-review-key" not in repr(gateway.deliveries) + repr(gateway.settings)


def test_a_post_goes_out_as_a_form_and_follows_no_redirect(shop):
    shop.status, shop.location = 302, "https://shop.example/"
    assert send(f"{shop.url}/notify/?a=b", b"c=d", 5) == 302
    assert shop.received == [("/notify/?a=b", "c=d")]
    assert shop.headers[0]["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_post_asks_no_proxy(shop, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert send(shop.url, b"", 5) == 200


def test_a_post_to_another_machine_is_refused_before_it_is_sent():
    with pytest.raises(NotLoopback):
        send("http://shop.example/", b"", 1)


def test_a_shop_with_a_certificate_of_its_own_is_spoken_to():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def hang_up():
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(1)[0] == 0x16  # a TLS handshake

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(OSError, match="."):
            send(f"https://127.0.0.1:{port}/", b"", 5)
        thread.join(5)


# -------------------------------------------------------------------------------------------- over a real socket


def exchange(simulator, pairs, path="/silent/pay"):
    connection = HTTPConnection("127.0.0.1", urlsplit(simulator.url).port, timeout=10)
    connection.request("POST", path, urlencode(pairs), {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    return response.status, response.read().decode()


def now_form(simulator, typed=None, **changes):
    return form(typed, at=simulator.gateway.now(), **changes)


def test_shop_and_simulator_speak_over_loopback_sockets(cybersource_simulator, shop):
    cybersource_simulator.set_shop(shop.url)
    cybersource_simulator.configure(after_seconds=0.01)
    status, page = exchange(cybersource_simulator, now_form(cybersource_simulator))

    assert status == 200
    assert f'action="{shop.url}/api/cybersource/cybersource-reply/"' in page
    payment = cybersource_simulator.wait_for_payment(reference_number="100018", decision="ACCEPT")
    assert cybersource_simulator.wait_for_delivery(payment).status == 200
    ((path, body),) = shop.wait_for(1)
    assert path == "/api/cybersource/merchant-post/"
    assert verified(parse_qsl(body, keep_blank_values=True))["card_type_name"] == "Visa"


def test_the_merchant_post_comes_twice_or_first_when_switched(cybersource_simulator, shop):
    cybersource_simulator.set_shop(shop.url)
    cybersource_simulator.configure(after_seconds=0.01, late_seconds=0.01)
    cybersource_simulator.faults.next("twice")
    exchange(cybersource_simulator, now_form(cybersource_simulator))
    assert cybersource_simulator.wait_for_delivery(count=2).succeeded
    assert shop.received[0] == shop.received[1]

    cybersource_simulator.faults.next("late")
    exchange(cybersource_simulator, now_form(cybersource_simulator))
    assert len(shop.received) == 3


def test_a_dropped_reply_closes_the_connection(cybersource_simulator, shop):
    cybersource_simulator.set_shop(shop.url)
    cybersource_simulator.configure(after_seconds=0.01)
    cybersource_simulator.faults.next("drop-reply")
    with pytest.raises((HTTPException, OSError)):
        exchange(cybersource_simulator, now_form(cybersource_simulator))
    assert cybersource_simulator.wait_for_delivery().succeeded


def action(simulator, **changes):
    """A form as ``payment-states`` gives it: what is signed is fixed, the card is for the shopper to type."""
    pairs = now_form(simulator, {}, **changes)
    typed = ("card_type", "card_number", "card_expiry_date", "card_cvn")
    return {
        "url": simulator.pay_url,
        "fields": [{"key": name, "value": value, "editable": False} for name, value in pairs]
        + [{"key": name, "value": "", "editable": True} for name in typed],
    }


@pytest.mark.parametrize(
    ("fault", "status", "posts"),
    [
        (None, 200, 1),
        ("twice", 200, 2),
        ("tab-closed", 200, 0),
        ("truncated", 200, 0),
        ("drop-reply", None, 0),
        ("server-error-after", 500, 0),
        ("server-error", 500, 0),
        ("forbidden", 403, 0),
    ],
)
def test_a_test_without_a_browser_sees_what_the_browser_would_post(cybersource_simulator, shop, fault, status, posts):
    cybersource_simulator.set_shop(shop.url)
    if fault:
        cybersource_simulator.faults.next(fault)
    page = cybersource_simulator.submit(action(cybersource_simulator), card="amex")

    assert (page.status, page.posts) == (status, posts)
    if posts:
        assert page.action == f"{shop.url}/api/cybersource/cybersource-reply/"
        assert verified(page.fields)["req_card_number"] == "xxxxxxxxxxx0005"
        assert sorted(page.fields) == sorted(cybersource_simulator.payments[0].reply)
    else:
        assert (page.action, page.fields) == ("", [])


def test_a_card_is_typed_into_no_form_that_goes_elsewhere(cybersource_simulator):
    form = action(cybersource_simulator)
    with pytest.raises(ValueError, match="shop_settings"):
        cybersource_simulator.submit({**form, "url": "https://testsecureacceptance.cybersource.com/silent/pay"})
    with pytest.raises(ValueError, match="No test card is called 'gold'"):
        cybersource_simulator.submit(form, card="gold")
    assert cybersource_simulator.refusals == cybersource_simulator.payments == ()


def test_every_test_card_can_be_typed(cybersource_simulator):
    cybersource_simulator.set_shop("http://127.0.0.1:9")
    cybersource_simulator.configure(merchant_post=MerchantPost.NEVER, late_seconds=0)
    for card_ in cards.TEST_CARDS:
        page = cybersource_simulator.submit(action(cybersource_simulator), card=card_.tag)
        assert verified(page.fields)["reason_code"] == card_.reason_code, card_.tag


def test_a_reviewer_tells_the_shop(cybersource_simulator, shop):
    cybersource_simulator.set_shop(shop.url)
    exchange(cybersource_simulator, now_form(cybersource_simulator, card(cards.REVIEW)))
    payment = cybersource_simulator.wait_for_payment(decision="REVIEW")

    assert cybersource_simulator.take_ownership(payment).status == 200
    assert cybersource_simulator.add_note(payment, "Called").status == 200
    shop.status = 403
    refused = cybersource_simulator.decide(payment, "ACCEPT", comments="Fine")
    assert (refused.status, refused.succeeded) == (403, False)
    paths = [path for path, _ in shop.received]
    expected = "/api/cybersource/decision-manager-review-notification/?key=sandbox-review-key"
    assert paths.count(expected) == 3


def test_a_payment_can_be_resent(cybersource_simulator, shop):
    cybersource_simulator.set_shop(shop.url)
    cybersource_simulator.configure(merchant_post=MerchantPost.NEVER)
    exchange(cybersource_simulator, now_form(cybersource_simulator))
    payment = cybersource_simulator.wait_for_payment(transaction_type="authorization,create_payment_token")
    assert cybersource_simulator.deliveries == ()
    assert cybersource_simulator.resend(payment).succeeded


def test_waiting_for_what_does_not_come_ends(cybersource_simulator):
    for wait in (
        cybersource_simulator.wait_for_payment,
        cybersource_simulator.wait_for_delivery,
        cybersource_simulator.wait_for_refusal,
    ):
        with pytest.raises(TimeoutError, match="did not see it"):
            wait(timeout=0.01)


def test_a_refused_form_can_be_waited_for(cybersource_simulator):
    assert exchange(cybersource_simulator, [("access_key", "x")])[0] == 403
    assert cybersource_simulator.wait_for_refusal().reason == "access_key is missing or not known"
    assert cybersource_simulator.refusals[0].path == "/silent/pay"
    assert cybersource_simulator.payments == ()
    assert cybersource_simulator.pay_url == f"{cybersource_simulator.url}/silent/pay"


def test_stopping_forgets_what_was_still_to_be_sent(shop):
    gateway = Gateway(Settings(profiles=(Profile.for_shop(shop.url),), after_seconds=600))
    with Server(gateway=gateway) as server:
        exchange(server, form(at=gateway.now()))
    assert gateway.deliveries == ()
    assert shop.received == []


def test_the_server_listens_on_this_machine_only():
    with pytest.raises(NotLoopback, match="this machine only"):
        Server(gateway=Gateway(), host="0.0.0.0")


def test_a_taken_port_says_so():
    with Server(gateway=Gateway()) as first, pytest.raises(PortInUse, match="taken"):
        Server(gateway=Gateway(), port=first.port)


def test_an_ipv6_address_is_written_in_brackets():
    with Server(gateway=Gateway(), host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
