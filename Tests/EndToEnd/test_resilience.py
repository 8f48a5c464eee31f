# SPDX-License-Identifier: Apache-2.0
"""Processes that die: what goes on without them, and how everything comes together again."""

import os
import threading

import pytest
from support.load import Load
from support.platform import FINAL, NAMES
from support.waiting import eventually

OTHERS = [name for name in NAMES if name != "ingress"]
STAGES = ["build", "release", "start"]
RECOVERY_MAX_SECONDS = 150


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
    try:
        platform.stack.kill("ingress")
        platform.stack.start("ingress")
        tiny.await_version("1", 20)
    finally:
        platform.stack.platform.ensure()
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
    answers = []
    thread = threading.Thread(target=lambda: answers.append(tiny.get("/drip")))
    thread.start()
    eventually("the request is under way", lambda: requests_in_flight(platform), 5)
    assert platform.stack.stop(["ingress"]) == {"ingress": 0}
    thread.join(10)
    platform.restart("ingress")
    assert answers and answers[0].status == 200 and answers[0].text.endswith("part 2\n")


def requests_in_flight(platform) -> bool:
    """A connection to the ingress is established: seen from the kernel, as the ingress need not tell."""
    port = f"{platform.stack.ingress_port:04X}"
    with open("/proc/net/tcp") as table:
        return any(line.split()[1].endswith(f":{port}") and line.split()[3] == "01" for line in table)


@pytest.fixture(scope="module")
def slow(platform):
    """Each stage of its deployment takes long enough to be met."""
    app = platform.new_app("slow")
    app.replace("slipway.yaml", "  runtime: python:3.11\n", "  runtime: python:3.11\n  hook: sleep 1\n")
    app.write("slipway.yaml", (app.folder / "slipway.yaml").read_text() + "release: sleep 1\n")
    app.set_constant("STARTS_AFTER_SECONDS", 1.0)
    app.push_ok("First version")
    return app


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_killed_during_a_deploy_it_completes_or_fails_with_its_reason(platform, slow, name, stage):
    old, new = slow.version(), f"{name}-{stage}"
    before = slow.latest()["id"]
    slow.set_version(new)
    push = slow.push_in_background(f"{name} killed in {stage}")

    def has_come_to_the_stage() -> bool:
        latest = slow.latest()
        return latest["id"] != before and (latest["stage"] == stage or latest["state"] in FINAL)

    eventually(f"the deployment is in {stage}", lambda: slow.latest()["id"] != before, 30)
    eventually(f"the deployment is in {stage}", has_come_to_the_stage, 60, poll=0.02)
    met = slow.latest()["stage"]
    platform.stack.kill(name)
    platform.restart(name)
    ended = slow.await_deployment(seconds=RECOVERY_MAX_SECONDS)
    push.join(60)
    print(f"  killed in {met}: {ended['state']} {ended['reason'] or ''}")
    if ended["state"] == "succeeded":
        slow.await_version(new)
    else:
        assert ended["state"] == "failed" and ended["reason"], ended
        slow.await_version(old)
    slow.await_containers(1)
    platform.await_no_backlog()
    assert_nothing_is_doubled(platform, slow)


def test_deploys_go_on_after_all_these_kills(platform, slow):
    slow.set_version("after")
    slow.push_ok("After the kills")
    slow.await_version("after")
    slow.await_containers(1)


def assert_nothing_is_doubled(platform, app) -> None:
    numbers = [deployment["number"] for deployment in app.deployments()]
    assert len(numbers) == len(set(numbers))
    assert all(deployment["state"] in ("succeeded", "failed", "cancelled") for deployment in app.deployments())


def test_engine_that_is_gone_is_named_and_comes_back(platform, tiny):
    """The stack reaches the engine through a link: without it, the engine is gone for this stack alone."""
    link = platform.state.path("engine.sock")
    if not link.is_symlink():
        pytest.skip("the path of the state folder is too long for a socket link")
    target = os.readlink(link)
    link.unlink()
    try:
        for name in ("runner", "builder"):
            platform.stack.stop([name])
            platform.stack.start(name)
        eventually("the agent names the engine", lambda: "engine" in platform.stack.probe("runner", "/readyz")[1], 30)
        assert tiny.version() == "1"
    finally:
        link.symlink_to(target)
    for name in ("runner", "builder"):
        platform.stack.await_ready(name)
    tiny.await_containers(1)
    assert tiny.deploy({"kind": "redeploy"})["state"] == "succeeded"
