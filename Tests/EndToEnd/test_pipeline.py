# SPDX-License-Identifier: Apache-2.0
"""From a push to a running version: what replaces what, and what stays when something goes wrong."""

import json

import pytest
from support.load import Load
from support.platform import request
from support.waiting import eventually

BUILD_HOOK = "build:\n  runtime: python:3.11\n  hook: {}\n"


@pytest.fixture
def app(platform):
    app = platform.new_app()
    app.push_ok("First version")
    app.await_version("1")
    yield app
    app.delete()


def test_push_shows_the_log_and_ends_with_the_url(platform):
    app = platform.new_app()
    output = app.push_ok()
    lines = [line for line in output.splitlines() if line.startswith("remote:") and app.url in line]
    assert lines, output
    assert app.version() == "1"
    app.await_containers(1)


def test_push_under_load_fails_no_request_and_no_visitor_sees_the_old_version_again(app, note):
    with Load(app.url + "/version", per_second=100) as load:
        app.set_version("2")
        app.push_ok("Second version")
        app.await_version("2")
        app.set_version("3")
        app.push_ok("Third version")
        app.await_version("3")
    note(f"{load.count} requests")
    assert load.failures == []
    assert set(load.answers) == {"1", "2", "3"}
    assert load.steps_back(["1", "2", "3"]) == []
    app.await_containers(1)


def test_failed_build_leaves_the_old_version_and_says_why(app):
    app.set_version("2")
    app.replace("slipway.yaml", "build:\n  runtime: python:3.11\n",
                BUILD_HOOK.format("echo the-compiler-is-unhappy >&2; exit 3"))
    _, output = app.push("Broken build")
    assert_failed_but_serving(app, output, "1", "the-compiler-is-unhappy")
    assert "3" in app.latest()["reason"]


def test_failing_release_hook_leaves_the_old_version_and_says_why(app):
    app.set_version("2")
    app.write("slipway.yaml", (app.folder / "slipway.yaml").read_text() + "release: echo no-such-column; exit 7\n")
    _, output = app.push("Broken hook")
    assert_failed_but_serving(app, output, "1", "no-such-column")
    assert "7" in app.latest()["reason"]


def test_app_that_never_becomes_ready_leaves_the_old_version_and_says_why(app):
    app.set_version("2")
    app.set_constant("BECOMES_READY", False)
    app.replace("slipway.yaml", "deadline: 20s", "deadline: 3s")
    _, output = app.push("Never ready")
    assert_failed_but_serving(app, output, "1", "/healthz")


def test_app_that_ends_at_its_start_leaves_the_old_version_and_shows_its_last_words(app):
    app.write("app.py", "raise SystemExit('configuration-is-missing')\n")
    app.replace("slipway.yaml", "deadline: 20s", "deadline: 5s")
    _, output = app.push("Ends at once")
    assert_failed_but_serving(app, output, "1", "configuration-is-missing")


def assert_failed_but_serving(app, output: str, version: str, cause: str) -> None:
    latest = app.await_deployment()
    assert latest["state"] == "failed" and latest["reason"], latest
    assert cause in output, output
    assert latest["reason"].splitlines()[0] in output, output
    assert json.loads(app.status_json())["latestDeployment"]["reason"] == latest["reason"]
    assert app.environment()["currentDeployment"]["id"] != latest["id"]
    assert app.version() == version
    app.await_containers(1)


def test_redeploy_reuses_the_image_and_fails_no_request(app):
    before = app.latest()
    with Load(app.url + "/version", per_second=50) as load:
        after = app.deploy({"kind": "redeploy"})
    assert after["state"] == "succeeded" and after["imageWasReused"], after
    assert after["image"] == before["image"] and after["number"] > before["number"]
    assert load.failures == []
    app.await_containers(1)


def test_twenty_redeploys_under_load_fail_no_request(app, note):
    with Load(app.url + "/version", per_second=100) as load:
        for _ in range(20):
            after = app.deploy({"kind": "redeploy"})
            assert after["state"] == "succeeded", after
    note(f"{load.count} requests")
    assert load.failures == []
    assert load.count > 50 * load.seconds, "the load was not steady"
    app.await_containers(1)


def test_same_tree_pushed_again_reuses_the_image(app):
    before = app.latest()
    app.client.git(app.folder, "commit", "--quiet", "--allow-empty", "--message", "Nothing changed")
    code, output = app.client.push(app.folder)
    after = app.await_deployment()
    assert code == 0, output
    assert after["id"] != before["id"] and after["imageWasReused"] and after["image"] == before["image"]


def test_rollback_makes_the_old_release_current_without_a_build(app, platform):
    first = app.latest()
    app.set_version("2")
    app.push_ok("Second version")
    app.await_version("2")
    app.client.slipway("rollback", "--app", app.reference, seconds=180)
    app.await_version("1")
    after = app.latest()
    assert after["kind"] == "rollback" and after["state"] == "succeeded" and after["image"] == first["image"]
    assert after["imageWasReused"] is True
    builds = int(platform.stack.platform.psql("SELECT count(*) FROM builds", "builder"))
    app.deploy({"kind": "rollback", "to": 2})
    app.await_version("2")
    assert int(platform.stack.platform.psql("SELECT count(*) FROM builds", "builder")) == builds


def test_variables_reach_the_app_by_a_deployment_of_their_own(app):
    app.client.slipway("env", "set", "GREETING=hello", "--app", app.reference, seconds=180)
    app.await_deployment()
    assert app.get("/env/GREETING").text == "hello"
    assert app.latest()["imageWasReused"]


def test_several_instances_share_the_requests_and_are_replaced_together(app):
    app.write("slipway.yaml", (app.folder / "slipway.yaml").read_text() + "instances: 2\n")
    app.set_version("2")
    with Load(app.url + "/version", per_second=50) as load:
        app.push_ok("Two instances")
        app.await_containers(2)
        app.set_version("3")
        app.push_ok("Two new instances")
        app.await_version("3")
    assert load.failures == []
    app.await_containers(2)


def test_branch_with_an_environment_of_its_own_answers_beside_main(app, platform):
    status, environment = platform.api(
        "POST", f"/v1/apps/{app.reference}/environments", {"name": "staging", "branch": "staging"})
    assert status == 201, environment
    app.set_version("2")
    app.commit("For staging")
    code, output = app.client.push(app.folder, branch="staging")
    assert code == 0, output
    eventually("staging answers", lambda: request(environment["url"] + "/version").text == "2", 60)
    assert app.version() == "1"


def test_dockerfile_is_built_as_it_is(platform):
    app = platform.new_app()
    app.write("Dockerfile", "FROM python:3.11-slim\nWORKDIR /srv\nCOPY app.py .\nENV FROM_DOCKERFILE=yes\n")
    app.replace("slipway.yaml", "runtime: python:3.11", "dockerfile: Dockerfile")
    app.push_ok("With a Dockerfile")
    assert app.get("/env/FROM_DOCKERFILE").text == "yes"


def test_containers_are_hardened(app, platform):
    details = platform.engine.call("GET", f"/containers/{app.await_containers(1)[0]['Id']}/json")
    host, user = details["HostConfig"], details["Config"]["User"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
    assert any("no-new-privileges" in option for option in host["SecurityOpt"])
    assert host["Memory"] == 128_000_000 or host["Memory"] == 128 << 20
    assert host["PidsLimit"] == 200 and host["NanoCpus"] == 500_000_000
    assert user and user.split(":")[0] not in ("0", "root")
    assert host["NetworkMode"] == f"slipway-{app.id}"
    assert app.get("/write").text.startswith("refused as ")


def test_deleted_app_is_gone_with_all_it_had(platform):
    app = platform.new_app("tiny-gone")
    app.push_ok()
    app.delete()
    app.await_containers(0)
    eventually("the route is gone", lambda: app.get("/").status == 404, 30)
    eventually("the network is gone", lambda: not platform.engine.networks(f"slipway.environment={app.id}"), 30)
