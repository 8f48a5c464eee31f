# SPDX-License-Identifier: Apache-2.0
"""Processes that die: what goes on without them, and how everything comes together again."""

import http.client
import time
from urllib.parse import urlsplit

import pytest
from slipway_local.steps import StepLog
from support.deploys import RECOVERY_MAX_SECONDS, assert_nothing_is_doubled, deployment_in, paused
from support.load import Load
from support.platform import NAMES
from support.waiting import eventually

OTHERS = [name for name in NAMES if name != "ingress"]
STAGES = ["build", "release", "start"]
# A stage that is over too soon to be met, and who has to do nothing for it to last.
HELD_STAGES = {"provision": "services", "switch": "ingress"}
# The rest of the response, and the while that a client gets to close its side.
INGRESS_STOP_MAX_SECONDS = 6


def test_agent_that_restarts_finds_its_containers_again(platform, tiny):
    before = {item["Id"] for item in tiny.await_containers(1)}
    platform.stack.kill("runner")
    assert tiny.version() == "1"
    platform.restart("runner")
    assert {item["Id"] for item in tiny.await_containers(1)} == before
    assert tiny.deploy({"kind": "redeploy"})["state"] == "succeeded"
    assert {item["Id"] for item in tiny.await_containers(1)} != before


def test_container_that_dies_is_replaced(platform, tiny):
    container = tiny.await_containers(1)[0]["Id"]
    platform.engine.call("POST", f"/containers/{container}/kill")

    def is_replaced() -> bool:
        running = [item for item in tiny.containers() if item["State"] == "running"]
        return len(running) == 1 and tiny.version() == "1"

    eventually("the instance is there again", is_replaced, 60)
    tiny.await_containers(1)


@pytest.mark.parametrize("name", OTHERS)
def test_app_answers_while_a_process_is_away(platform, tiny, name):
    with Load(tiny.url + "/version", per_second=50) as load:
        platform.stack.kill(name)
        eventually("a hundred requests without it", lambda: load.count >= 100, 30)
        platform.restart(name)
    assert load.failures == [] and load.answers["1"] >= 100


def test_ingress_that_restarts_without_bus_and_controller_serves_what_it_last_knew(platform, tiny):
    platform.stack.kill("controller")
    platform.stack.platform.stop()
    platform.stack.bus.broker.stop()
    try:
        platform.stack.kill("ingress")
        platform.stack.start("ingress")
        tiny.await_version("1", 20)
    finally:
        platform.stack.platform.ensure()
        platform.stack.bus.ensure(StepLog())
        platform.restart("controller")
        for process in NAMES:
            platform.stack.await_ready(process)


def test_platform_recovers_from_a_restart_of_its_postgres(platform, tiny):
    with Load(tiny.url + "/version", per_second=50) as load:
        platform.stack.platform.stop()
        platform.stack.platform.ensure()
        for name in NAMES:
            platform.stack.await_ready(name)
    assert load.failures == []
    assert tiny.deploy({"kind": "redeploy"})["state"] == "succeeded"


@pytest.mark.parametrize("name", NAMES)
def test_graceful_shutdown_ends_with_0(platform, tiny, name):
    assert platform.stack.stop([name]) == {name: 0}
    platform.restart(name)


def test_ingress_finishes_its_requests_before_it_ends(platform, tiny):
    parts = urlsplit(tiny.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    connection.request("GET", "/drip", headers={"Host": parts.netloc})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.readline() == b"part 0\n"
    started = time.monotonic()
    assert platform.stack.stop(["ingress"]) == {"ingress": 0}
    assert time.monotonic() - started < INGRESS_STOP_MAX_SECONDS, "the connection was kept open after its last response"
    assert answer.read() == b"part 1\npart 2\n"
    connection.close()
    platform.restart("ingress")


@pytest.fixture(scope="module")
def slow(platform):
    """Each stage of its deployment takes long enough to be met."""
    app = platform.new_app("slow")
    app.replace("slipway.yaml", "  runtime: python:3.11\n", "  runtime: python:3.11\n  hook: sleep 0.7\n")
    app.services = "services: {}"
    app.write("slipway.yaml", (app.folder / "slipway.yaml").read_text() + f"release: sleep 0.3\n{app.services}\n")
    app.set_constant("STARTS_AFTER_SECONDS", 0.3)
    app.push_ok("First version")
    yield app
    app.delete()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_killed_during_a_deploy_it_completes_or_fails_with_its_reason(platform, slow, note, name, stage):
    with deployment_in(slow, stage, f"{name}-{stage}", note):
        platform.stack.kill(name)
        platform.restart(name)
    platform.await_no_backlog()
    assert_nothing_is_doubled(slow)


@pytest.mark.parametrize("stage", STAGES)
def test_engine_gone_during_a_deploy_it_completes_or_fails_with_its_reason(platform, slow, note, stage):
    with deployment_in(slow, stage, f"engine-{stage}", note):
        platform.relay.cut()
        try:
            eventually("the agent names the engine", lambda: names_the_engine(platform, "runner"), 20)
        finally:
            platform.relay.restore()


@pytest.mark.parametrize("stage", HELD_STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_killed_during_a_stage_that_lasts_it_completes_or_fails_with_its_reason(platform, slow, note, name, stage):
    if stage == "provision":
        slow.replace("slipway.yaml", slow.services, f"services: {{ {name}: postgresql:15 }}")
        slow.services = f"services: {{ {name}: postgresql:15 }}"
    with deployment_in(slow, stage, f"{name}-{stage}", note, held=paused(platform, HELD_STAGES[stage])):
        platform.stack.kill(name)
        platform.stack.start(name)
    platform.stack.await_ready(name)
    platform.await_no_backlog()
    assert_nothing_is_doubled(slow)


def test_all_killed_one_after_another_while_a_deploy_waits_for_a_host(platform, slow, note):
    before = slow.latest()["id"]
    platform.relay.cut()
    try:
        eventually("the controller has heard that the host has no engine", lambda: "false" == platform.stack.platform
                   .psql("SELECT observed->>'engineIsUp' FROM hosts", "controller").strip(), 30)
        status, document = platform.api("POST", f"{slow.environment_path}/deployments", {"kind": "redeploy"})
        assert status == 202, document
        for name in NAMES:
            eventually("it waits for a host", lambda: waits_for_a_host(slow, before), 30)
            platform.stack.kill(name)
            platform.stack.start(name)
    finally:
        platform.relay.restore()
    for name in NAMES:
        platform.stack.await_ready(name)
    ended = slow.await_deployment(document["id"], RECOVERY_MAX_SECONDS)
    note(f"{ended['state']}{': ' if ended['reason'] else ''}{ended['reason'] or ''}")
    assert ended["state"] == "succeeded" or ended["reason"], ended
    slow.await_containers(1)
    platform.await_no_backlog()
    assert_nothing_is_doubled(slow)


def waits_for_a_host(app, before: str) -> bool:
    latest = app.latest()
    assert latest["id"] != before and latest["stage"] == "place" and latest["state"] == "running", latest
    return True


def test_deploys_go_on_after_all_of_this(slow):
    slow.set_version("after")
    slow.push_ok("After all of this")
    slow.await_version("after")
    slow.await_containers(1)


def test_engine_that_is_gone_is_named_and_comes_back(platform):
    app = platform.new_app()
    app.push_ok("First version")
    platform.relay.cut()
    try:
        for name in ("runner", "builder"):
            eventually(f"{name} names the engine", lambda: names_the_engine(platform, name), 20)
        assert app.version() == "1"
        # A version that no other app has had: its image has to be built.
        app.set_version("without-an-engine")
        push = app.push_in_background("Second version")
        eventually("the push says what it waits for", lambda: says(push, "engine cannot be reached"), 30)
        waiting = app.latest()
        assert waiting["state"] == "running" and waiting["number"] == 2, waiting
        app.cancel(waiting["id"])
        assert app.await_deployment(waiting["id"], 30)["state"] == "cancelled"
        push.join(30)
        assert not push.is_alive()
        assert app.version() == "1"
    finally:
        platform.relay.restore()
    for name in ("runner", "builder"):
        platform.stack.await_ready(name)
    app.set_version("with-an-engine")
    app.push_ok("Third version")
    app.await_version("with-an-engine")
    app.await_containers(1)


def names_the_engine(platform, name: str) -> bool:
    status, text = platform.stack.probe(name, "/readyz")
    assert status == 503 and "engine" in text, f"{status}: {text}"
    return True


def says(push, text: str) -> bool:
    assert text in push.output, push.output
    return True
