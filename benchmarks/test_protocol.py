"""Verifying a reply, against parsing, joining and one HMAC."""

from __future__ import annotations

from django.conf import settings

from benchmarks.conftest import statements
from benchmarks.floor import checked
from benchmarks.shop import order_to_pay, reply_to
from benchmarks.table import FIGURES
from cybersource import profiles
from cybersource.models import SecureAcceptanceProfile
from cybersource.protocol import Reply
from tests.support.shop import cybersource


def quickest(benchmark, work, name):
    """Work of microseconds: the shortest time is the one that nothing else disturbed."""
    benchmark.pedantic(work, rounds=200, iterations=200, warmup_rounds=20)
    if benchmark.stats is not None:
        FIGURES[name] = benchmark.stats.stats.min


def test_the_floor_of_verifying(benchmark, database):
    posted = reply_to(order_to_pay(1))
    quickest(benchmark, lambda: checked(dict(posted)), "verify floor")


def test_verifying(benchmark, database):
    posted = reply_to(order_to_pay(1))
    assert len(posted) == 60 or len(posted) == 61, len(posted)
    secret = settings.CYBERSOURCE_SECRET
    quickest(benchmark, lambda: Reply.from_post(posted, secret_for=lambda access_key: secret), "verify")


def test_the_statements_of_finding_the_key(database):
    attempt = order_to_pay(1)
    posted = reply_to(attempt)
    FIGURES["key settings"] = len(statements(lambda: Reply.from_post(posted, secret_for=profiles.secret_for)))
    row = SecureAcceptanceProfile.objects.create(
        profile_id="BENCH", access_key="benchmark-access-key", secret_key="benchmark-secret"
    )
    told = [*dict(posted).items()]
    gateway = cybersource(access_key=row.access_key, secret_key="benchmark-secret", profile_id="BENCH")
    fields = {name: value for name, value in told if name not in ("signature", "signed_field_names")}
    signed = gateway.sign_reply({**fields, "req_access_key": row.access_key}, row.access_key)
    FIGURES["key row"] = len(statements(lambda: Reply.from_post(list(signed), secret_for=profiles.secret_for)))
    row.delete()
