"""The command line: options, each with an environment variable ``CYBERSOURCE_SIM_…`` behind it.

Secrets are better given by environment: a command line can be read by every process of the machine.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cybersource.simulator import settings as defaults
from cybersource.simulator.gateway import Gateway
from cybersource.simulator.server import PortInUse, Server
from cybersource.simulator.settings import (
    CardMask,
    MerchantPost,
    NotLoopback,
    Processor,
    Profile,
    Settings,
    TokenFormat,
)

ENVIRONMENT = "CYBERSOURCE_SIM_"


def parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser, its defaults taken from ``environ``."""
    options = argparse.ArgumentParser(
        prog="python -m cybersource.simulator",
        description="CyberSource on your own machine: Secure Acceptance, REST, webhooks, the review queue.",
        epilog=f"Every option is also read from the environment: --merchant-id from {ENVIRONMENT}MERCHANT_ID.",
    )

    def option(name: str, default: str, text: str, choices: Sequence[str] | None = None) -> None:
        variable = ENVIRONMENT + name.upper().replace("-", "_")
        shown = "" if "secret" in name or not default else f" (default: {default})"
        options.add_argument(
            f"--{name}", default=environ.get(variable, default), help=text + shown, choices=choices, metavar="…"
        )

    option("host", "127.0.0.1", "address to listen on; loopback only")
    option("port", "8001", "port to listen on")
    option("shop", "http://localhost:8000", "origin of the shop")
    option("mount", "/api/cybersource/", "path under which the shop includes cybersource.urls")
    option("profile-id", defaults.SANDBOX_PROFILE_ID, "Secure Acceptance profile")
    option("access-key", defaults.SANDBOX_ACCESS_KEY, "its access key")
    option("secret-key", defaults.SANDBOX_SECRET_KEY, "its secret key (default: the sandbox's throwaway key)")
    option("merchant-id", defaults.SANDBOX_MERCHANT_ID, "merchant (organization) id")
    option("receipt-page", "", "customer response page (default: the shop's cybersource-reply/)")
    option("merchant-post-url", "", "merchant POST URL (default: the shop's merchant-post/)")
    option("notification-url", "", "order-status URL (default: the shop's decision-manager-review-notification/)")
    option("notification-key", defaults.SANDBOX_NOTIFICATION_KEY, "key added to the order-status URL")
    option("webhook-url", "", "URL that hears of every event, under the sandbox's throwaway key (default: none)")
    option("merchant-post", "after", "when the merchant POST comes: " + ", ".join(MerchantPost), list(MerchantPost))
    option("late-seconds", "5", "how long a late reply page takes")
    option("slow-seconds", "8", "how long a slow merchant POST takes")
    option("processor", "paymentech", "whose test amounts apply: " + ", ".join(Processor), list(Processor))
    option("card-mask", "last-four", "how a card number is shown: " + ", ".join(CardMask), list(CardMask))
    option("token-format", "22-digits", "shape of a payment token: " + ", ".join(TokenFormat), list(TokenFormat))
    option("verbose-data", "no", "add score_* and decision_* to replies: yes or no", ["yes", "no"])
    return options


def settings_from(given: argparse.Namespace) -> Settings:
    """Return the settings that the options make."""
    shop = Profile.for_shop(given.shop, mount=given.mount)
    profile = replace(
        shop,
        profile_id=given.profile_id,
        access_key=given.access_key,
        secret_key=given.secret_key,
        merchant_id=given.merchant_id,
        receipt_page=given.receipt_page or shop.receipt_page,
        merchant_post_url=given.merchant_post_url or shop.merchant_post_url,
        notification_url=given.notification_url or shop.notification_url,
        notification_key=given.notification_key,
    )
    return Settings(
        profiles=(profile,),
        merchant_post=MerchantPost(given.merchant_post),
        late_seconds=float(given.late_seconds),
        slow_seconds=float(given.slow_seconds),
        processor=Processor(given.processor),
        card_mask=CardMask(given.card_mask),
        token_format=TokenFormat(given.token_format),
        verbose=given.verbose_data == "yes",
    )


def gateway_from(given: argparse.Namespace) -> Gateway:
    """Return the gateway that the options make."""
    gateway = Gateway(settings_from(given))
    if given.webhook_url:
        gateway.webhooks.subscribe(given.webhook_url)
    return gateway


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    environ = os.environ if environ is None else environ
    given = parser(environ).parse_args(arguments)
    if environ.get("CYBERSOURCE_ENVIRONMENT", "").strip().lower() == "production":
        return _complain("CYBERSOURCE_ENVIRONMENT is production: the simulator does not start beside real payments.")
    try:
        server = Server(gateway=gateway_from(given), host=given.host, port=int(given.port))
    except PortInUse as problem:
        return _complain(f"{problem.strerror}: is a simulator running already? Stop it, or choose another --port.")
    except NotLoopback as problem:
        return _complain(str(problem))
    except ValueError as problem:
        return _complain(f"An option is not understood: {problem}")
    print(f"CyberSource simulator: {server.url}/  (Ctrl-C stops it)", flush=True)
    # Also where the parent had interrupts ignored, as shells do for what they start in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.serve()
    print("Stopped.", flush=True)
    return 0


def _complain(text: str) -> int:
    print(text, file=sys.stderr)
    return 1
