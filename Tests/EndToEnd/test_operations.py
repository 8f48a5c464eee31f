# SPDX-License-Identifier: Apache-2.0
"""What whoever runs the platform needs: probes, metrics, logs, settings that explain themselves."""

import json
import re
import subprocess
import time

import pytest
from slipway_local.processes import executable
from support.platform import NAMES

# A line of Prometheus' text format, version 0.0.4: name, labels whose quoted values may hold anything but bare quotes,
# backslashes and line ends, value, and possibly milliseconds since 1970.
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
NUMBER = r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Inf)|NaN"
SAMPLE = re.compile(rf"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{{(?:{LABEL}(?:,{LABEL})*,?)?\}})? (?:{NUMBER})(?: -?\d+)?")

# Several times what it takes, and less than it takes until a node that is silent is given up.
REDEPLOY_MAX_SECONDS = 10


@pytest.mark.parametrize("name", NAMES)
def test_probes_and_metrics_answer(platform, tiny, name):
    assert platform.stack.probe(name, "/livez")[0] == 200
    assert platform.stack.probe(name, "/readyz")[0] == 200
    status, text = platform.stack.probe(name, "/metrics")
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert status == 200 and samples
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []


@pytest.mark.parametrize("name", NAMES)
def test_logs_are_json_lines(platform, tiny, name):
    for line in platform.stack.log_file(name).read_text().splitlines():
        record = json.loads(line)
        assert record["level"] and record["message"], line


@pytest.mark.parametrize("name", NAMES)
def test_wrong_settings_are_all_named_at_once(platform, name):
    environment = platform.stack.environment(name, {"SLIPWAY_ADMIN_LISTEN": "nowhere", "SLIPWAY_CLOUDSPACE": ""})
    del environment["SLIPWAY_BUS_URL_FILE"]
    environment.pop("SLIPWAY_RUN_FILE")
    result = subprocess.run(
        [str(executable(f"slipway-{name}"))], env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 78, result.stderr
    assert "SLIPWAY_ADMIN_LISTEN" in result.stderr and "SLIPWAY_BUS_URL" in result.stderr


@pytest.mark.parametrize("name", ["panel", "ingress"])
def test_port_that_is_taken_is_named_and_nobody_waits_for_the_process_that_ended(platform, tiny, name):
    port = platform.state.port(name)
    environment = platform.stack.environment(name, {
        f"SLIPWAY_{name.upper()}_LISTEN": f"127.0.0.1:{port}",
        f"SLIPWAY_{name.upper()}_STATE": str(platform.folder / f"second-{name}"),
    })
    environment.pop("SLIPWAY_RUN_FILE")
    (platform.folder / f"second-{name}").mkdir(exist_ok=True)
    result = subprocess.run(
        [str(executable(f"slipway-{name}"))], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode not in (0, 78)
    assert str(port) in result.stderr and "in use" in result.stderr.lower(), result.stderr
    assert platform.stack.is_ready(name)
    started = time.monotonic()
    assert tiny.deploy({"kind": "redeploy"})["state"] == "succeeded"
    assert time.monotonic() - started < REDEPLOY_MAX_SECONDS, "the deployment waited for the process that ended"


def test_openapi_document_is_served_and_names_what_the_tests_use(platform, tiny):
    status, document = platform.api("GET", "/openapi.json")
    assert status == 200 and document["openapi"].startswith("3.1")
    assert any(path.endswith("/deployments") for path in document["paths"])


def test_creation_that_is_sent_again_happens_once(platform, tiny):
    headers = {"Idempotency-Key": "end-to-end-once"}
    path = f"/v1/organisations/{platform.client.organisation}/apps"
    first = platform.api("POST", path, {"name": "once"}, headers)
    assert first[0] == 201
    assert platform.api("POST", path, {"name": "once"}, headers) == first
    assert platform.api("POST", path, {"name": "once"})[0] == 409


def test_command_line_tells_the_same_in_tables_and_json(platform, tiny):
    client = platform.client
    assert client.json("whoami")["email"] == client.email
    assert tiny.name in client.slipway("app", "list")
    assert any(app["name"] == tiny.name for app in client.json("app", "list"))
    assert tiny.url in client.slipway("status", "--app", tiny.reference)
    assert str(tiny.latest()["number"]) in client.slipway("deployments", "--app", tiny.reference)
    assert "tiny 1 listens" in client.slipway("logs", "--app", tiny.reference)
