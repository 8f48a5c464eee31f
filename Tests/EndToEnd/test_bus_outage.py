# SPDX-License-Identifier: Apache-2.0
"""The event bus goes away and comes back: apps notice nothing, and nothing is lost."""

import pytest
from support.bus import KafkaBus, PostgresBus
from support.deploys import assert_nothing_is_doubled, deployment_in
from support.load import Load
from support.platform import BUS
from support.waiting import eventually

OUTAGES = {"postgres": PostgresBus, "kafka": KafkaBus}[BUS].OUTAGES
STAGES = ["build", "release", "start"]
# Each stage once, and each outage at least once. The one that has to wait for the disk comes in the stage that lasts.
CASES = [(stage, OUTAGES[number % len(OUTAGES)]) for number, stage in enumerate(STAGES)]


@pytest.fixture(scope="module")
def steady(platform):
    """Its stages last long enough for an outage to be noticed in them."""
    app = platform.new_app("steady")
    app.replace("slipway.yaml", "  runtime: python:3.11\n", "  runtime: python:3.11\n  hook: sleep 3\n")
    app.write("slipway.yaml", (app.folder / "slipway.yaml").read_text() + "release: sleep 8\n")
    app.set_constant("STARTS_AFTER_SECONDS", 3.0)
    app.push_ok("First version")
    yield app
    app.delete()


@pytest.mark.parametrize("stage, outage", CASES)
def test_deploy_completes_or_fails_with_its_reason_and_apps_answer(platform, tiny, steady, note, stage, outage):
    with Load(tiny.url + "/version", per_second=50) as load:
        with deployment_in(steady, stage, f"{stage}-{outage}", note):
            with platform.bus.outage(outage):
                eventually("the controller names the bus", lambda: names_the_bus(platform, "controller"), 30)
                served = load.count
                eventually("a hundred requests meanwhile", lambda: load.count >= served + 100, 30)
        for name in platform.stack.processes:
            platform.stack.await_ready(name)
    assert load.failures == [] and set(load.answers) == {"1"}
    platform.await_no_backlog()
    assert_nothing_is_doubled(steady)


def test_what_is_asked_for_without_the_bus_happens_when_it_is_back(platform, tiny):
    with platform.bus.outage(OUTAGES[0]):
        eventually("the panel names the bus", lambda: names_the_bus(platform, "panel", ready=True), 30)
        status, document = platform.api("POST", f"{tiny.environment_path}/deployments", {"kind": "redeploy"})
        assert status == 202, document
        assert tiny.deployment(document["id"])["state"] not in ("succeeded", "failed")
    assert tiny.await_deployment(document["id"])["state"] == "succeeded"
    tiny.await_containers(1)


def names_the_bus(platform, name: str, ready: bool = False) -> bool:
    status, text = platform.stack.probe(name, "/readyz")
    assert status == (200 if ready else 503) and "bus" in text, f"{status}: {text}"
    return True


@pytest.fixture
def restarted(platform):
    """Runs a process with other settings; afterwards it has its own again."""
    name = "services"

    def restart(changes: dict[str, str]) -> int:
        platform.stack.stop([name])
        return platform.stack.start(name, changes).pid

    yield restart
    platform.stack.stop([name])
    platform.restart(name)


def test_bus_that_cannot_be_reached_at_the_start_is_named(platform, tiny, restarted):
    port = platform.state.port("nobody")
    pid = restarted(platform.bus.wrong_address(port))
    eventually("it names the bus and the reason", lambda: says(platform, "services", "bus", str(port)), 30)
    assert platform.stack.record("services")["pid"] == pid, "it ended"


def test_credentials_that_the_bus_does_not_take_are_named(platform, tiny, restarted):
    pid = restarted(platform.bus.wrong_credentials())
    eventually("it names the bus and the reason", lambda: says(platform, "services", "bus", "authentication"), 30)
    status, text = platform.stack.probe("services", "/readyz")
    assert platform.stack.record("services")["pid"] == pid, "it ended"
    for shown in (text, platform.stack.log_file("services").read_text()):
        assert ":wrong@" not in shown


def test_topic_with_fewer_partitions_than_configured_is_named(platform, tiny, restarted):
    cloudspace = f"{platform.state.cloudspace}-few"
    platform.bus.create_topic("deployments", 1, cloudspace)
    try:
        restarted({"SLIPWAY_CLOUDSPACE": cloudspace})
        eventually("it names the topic", lambda: says(platform, "services", "deployments", "partition"), 30)
    finally:
        platform.stack.stop(["services"])
        platform.bus.remove_topics(cloudspace)


def says(platform, name: str, *expected: str) -> bool:
    status, text = platform.stack.probe(name, "/readyz")
    assert status == 503 and all(part in text.lower() for part in expected), f"{status}: {text}"
    return True
