"""One web worker, in a process of its own: ``python -m benchmarks.worker with`` (or ``without``).

Prints as JSON what its start took and how much memory it has for itself. ``without`` is the same shop before the app
was installed: no app, no mixin, no URLs, no payment method. With ``BENCHMARK_REST`` (settings of the REST API, in
JSON) it makes one REST call as well, which imports all that the REST services ever need.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

OWN = ("Private_Clean:", "Private_Dirty:")


def own_megabytes() -> float:
    """Memory that this process shares with no other, by the kernel's own sum."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(OWN)) / 1024


def before_the_app() -> None:
    from django.conf import settings

    settings.INSTALLED_APPS = [
        "oscar.apps.payment.apps.PaymentConfig" if app.startswith("sandbox.payment") else app
        for app in settings.INSTALLED_APPS
        if app != "cybersource"
    ]
    settings.ROOT_URLCONF = "benchmarks.urls_without"
    settings.API_ENABLED_PAYMENT_METHODS = [
        method for method in settings.API_ENABLED_PAYMENT_METHODS if "cybersource" not in method["method"]
    ]
    settings.OSCAR_DASHBOARD_NAVIGATION = settings.OSCAR_DASHBOARD_NAVIGATION[:-1]


def start(*, installed: bool) -> dict[str, float]:
    """Do what a worker does before its first request: apps, middleware, URLs and their views. Seconds of CPU."""
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = os.environ["BENCHMARK_DATABASE"]
    if not installed:
        before_the_app()
    begun = time.process_time()
    django.setup()
    ready = time.process_time()
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import get_resolver

    WSGIHandler()
    assert get_resolver().url_patterns
    return {"setup": ready - begun, "start": time.process_time() - begun}


def call() -> None:
    from django.conf import settings

    from cybersource.gateway import client
    from cybersource.protocol.rest import Processed, search

    for name, value in json.loads(os.environ["BENCHMARK_REST"]).items():
        setattr(settings, name, value)
    exchange = client.send(search(["BENCHMARK"], limit=1))
    assert isinstance(exchange.outcome, Processed), exchange.outcome


def main(installed: str) -> None:
    told = start(installed=installed == "with")
    told["memory"] = own_megabytes()
    if "BENCHMARK_REST" in os.environ:
        call()
        told["memory after a REST call"] = own_megabytes()
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
