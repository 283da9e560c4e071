"""What the app costs a web worker that does nothing: time to start, and memory, with the REST API in use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from django.db import connection

from benchmarks.table import FIGURES
from cybersource.simulator.rest import RestAccess
from tests.protocol.rest import key_material

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="asks the Linux kernel")

ROUNDS = 5

IMPORT = "import time; begun = time.perf_counter(); import cybersource; print(time.perf_counter() - begun)"


@pytest.fixture
def python(tmp_path) -> Callable[..., str]:
    """Run Python and return what it prints. Modules are compiled once, as in a shop, whatever this process is told."""
    compiled = {"PYTHONPYCACHEPREFIX": str(tmp_path / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}

    def run(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **compiled, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    return run


@pytest.fixture
def rest_endpoint(database, cybersource_simulator, tmp_path) -> str:
    """The settings of a REST API that encrypts both ways, with the simulator at its other end; as JSON."""
    reply = key_material.certificate_pem("reply", common_name="acme_shop", serial="reply-key")
    cybersource_simulator.configure(
        rest=RestAccess(
            request_key=key_material.pem("gateway"),
            request_kid="9988776655",
            response_certificates={"reply-key": reply},
        )
    )
    certificate = key_material.certificate_pem("gateway", common_name="CyberSource_SJC_US", serial="9988776655")
    (tmp_path / "gateway.pem").write_bytes(certificate)
    (tmp_path / "reply.pem").write_bytes(key_material.pem("reply"))
    return json.dumps(
        {
            **cybersource_simulator.shop_settings,
            "CYBERSOURCE_REST_MLE": True,
            "CYBERSOURCE_REST_MLE_CERTIFICATE": str(tmp_path / "gateway.pem"),
            "CYBERSOURCE_REST_MLE_RESPONSE_KEY_ID": "reply-key",
            "CYBERSOURCE_REST_MLE_RESPONSE_KEY": str(tmp_path / "reply.pem"),
        }
    )


def test_the_package_is_imported(python):
    python("-c", IMPORT)
    FIGURES["import"] = median(float(python("-c", IMPORT)) for _ in range(ROUNDS))


def test_a_worker_starts_and_makes_a_rest_call(rest_endpoint, cybersource_simulator, python):
    environment = {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "BENCHMARK_DATABASE": connection.settings_dict["NAME"],
    }
    pairs = [  # the first compiles, and is left out
        (
            json.loads(python("-m", "benchmarks.worker", "with", BENCHMARK_REST=rest_endpoint, **environment)),
            json.loads(python("-m", "benchmarks.worker", "without", **environment)),
        )
        for _ in range(1 + ROUNDS)
    ][1:]
    calls = cybersource_simulator.gateway.rest.calls
    assert len(calls) == 1 + ROUNDS and all(call.encrypted for call in calls)
    # The least of each: what other processes did meanwhile only adds.
    for name in ("setup", "start"):
        FIGURES[f"worker {name}"] = min(one[name] for one, _ in pairs) - min(other[name] for _, other in pairs)
        FIGURES[f"worker {name} without"] = min(other[name] for _, other in pairs)
    FIGURES["worker memory without"] = median(other["memory"] for _, other in pairs)
    for name in ("memory", "memory after a REST call"):
        FIGURES[f"worker {name}"] = median(one[name] - other["memory"] for one, other in pairs)
