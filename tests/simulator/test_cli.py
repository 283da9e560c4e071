"""The command: options, environment, refusals, a clean end."""

import os
import signal
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection

import pytest

from cybersource.simulator.cli import gateway_from, main, parser, settings_from
from cybersource.simulator.settings import CardMask, MerchantPost, Processor, TokenFormat


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def given(arguments=(), **environ):
    return settings_from(parser(environ).parse_args(list(arguments)))


def test_the_defaults_are_the_sandboxs():
    (profile,) = given().profiles
    assert profile.profile_id == "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"
    assert profile.access_key == "9df3b01c60df20d13843841ff0d4482c"
    assert profile.merchant_id == "acme_shop"
    assert profile.receipt_page == "http://localhost:8000/api/cybersource/cybersource-reply/"
    assert profile.merchant_post_url == "http://localhost:8000/api/cybersource/merchant-post/"
    assert profile.notification_url.endswith("/api/cybersource/decision-manager-review-notification/")
    assert profile.notification_key == "sandbox-review-key"


def test_options_come_from_the_environment_and_the_command_line_wins():
    environ = {"CYBERSOURCE_SIM_MERCHANT_ID": "env_shop", "CYBERSOURCE_SIM_SECRET_KEY": "throwaway"}
    settings = given(["--merchant-id", "my_shop", "--shop", "http://127.0.0.1:9000/", "--mount", "pay"], **environ)
    (profile,) = settings.profiles
    assert (profile.merchant_id, profile.secret_key) == ("my_shop", "throwaway")
    assert profile.receipt_page == "http://127.0.0.1:9000/pay/cybersource-reply/"
    assert "throwaway" not in repr(settings)


def test_every_switch_of_the_command_line_is_heard():
    settings = given(
        "--receipt-page http://localhost/a/ --merchant-post-url http://localhost/b/ "
        "--notification-url http://localhost/c/ --merchant-post twice --late-seconds 1.5 --slow-seconds 2 "
        "--processor gpn --card-mask bin --token-format 32-hex --verbose-data yes".split()
    )
    (profile,) = settings.profiles
    assert [profile.receipt_page, profile.merchant_post_url, profile.notification_url] == [
        "http://localhost/a/",
        "http://localhost/b/",
        "http://localhost/c/",
    ]
    assert (settings.merchant_post, settings.processor) == (MerchantPost.TWICE, Processor.GPN)
    assert (settings.card_mask, settings.token_format) == (CardMask.BIN, TokenFormat.HEX_32)
    assert (settings.late_seconds, settings.slow_seconds, settings.verbose) == (1.5, 2, True)


def test_a_webhook_can_be_there_from_the_start_under_the_sandboxs_key():
    environ = {"CYBERSOURCE_SIM_WEBHOOK_URL": "http://localhost:8000/hook/"}
    webhooks = gateway_from(parser(environ).parse_args([])).webhooks
    (subscription,) = webhooks.subscriptions
    assert (subscription.url, subscription.status) == ("http://localhost:8000/hook/", "ACTIVE")
    assert webhooks.key.id == "0b7e5c52-3f0a-4c55-9f0e-6d1f5f0c7a11"
    assert gateway_from(parser({}).parse_args([])).webhooks.subscriptions == ()


def test_help_shows_no_secret(capsys):
    with pytest.raises(SystemExit):
        main(["--help"], {"CYBERSOURCE_SIM_SECRET_KEY": "throwaway-secret"})
    assert "throwaway-secret" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "environ", "complaint"),
    [
        ([], {"CYBERSOURCE_ENVIRONMENT": "production"}, "does not start beside real payments"),
        ([], {"CYBERSOURCE_ENVIRONMENT": " Production "}, "does not start beside real payments"),
        (["--host", "0.0.0.0", "--port", "0"], {}, "listens on this machine only"),
        (["--merchant-post-url", "https://shop.example/"], {}, "posts to this machine only"),
        (["--webhook-url", "https://shop.example/"], {}, "posts to this machine only"),
        (["--port", "many"], {}, "An option is not understood"),
        ([], {"CYBERSOURCE_SIM_MERCHANT_POST": "sometimes"}, "An option is not understood"),
    ],
)
def test_the_simulator_says_why_it_does_not_start(capsys, arguments, environ, complaint):
    assert main(arguments, environ) == 1
    assert complaint in capsys.readouterr().err


def test_a_busy_port_gets_a_clear_message(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert main(["--port", str(port)], {}) == 1
    assert f"Port {port} of 127.0.0.1 is taken: is a simulator running already?" in capsys.readouterr().err


def answers(port):
    """Tell whether something answers on the port, asked until it does."""
    waiting = threading.Event()
    for _ in range(500):
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            waiting.wait(0.02)
    return False


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly(capsys, ending):
    port = free_port()
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def interrupt():
        answers(port)
        os.kill(os.getpid(), ending)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        assert main(["--port", str(port)], {}) == 0
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    thread.join(10)

    out, err = capsys.readouterr()
    assert out.splitlines() == [f"CyberSource simulator: http://127.0.0.1:{port}/  (Ctrl-C stops it)", "Stopped."]
    assert err == ""


def test_the_module_is_a_command():
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CYBERSOURCE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cybersource.simulator", "--port", str(port)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert answers(port)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    assert out.endswith("Stopped.\n")


def test_the_gateway_needs_neither_flask_nor_django():
    code = (
        "import sys; import cybersource.simulator; "
        "found = {'flask', 'werkzeug', 'django', 'cybersource.protocol'} & set(sys.modules); "
        "sys.exit(str(found) if found else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
