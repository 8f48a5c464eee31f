# SPDX-License-Identifier: Apache-2.0
"""Wrong input: a clear error where its sender looks, and nothing half-made."""

import base64
import json
import subprocess

import pytest
from slipway_local.cli import Client
from support.platform import request

DISK_BYTES = 4 << 20


@pytest.fixture(scope="module")
def app(platform):
    app = platform.new_app("judged")
    app.push_ok("First version")
    return app


@pytest.fixture
def clean(app):
    """Pushes of this module are refused: the next one starts again from what was accepted."""
    head = app.client.git(app.folder, "rev-parse", "HEAD").strip()
    yield app
    app.client.git(app.folder, "reset", "--quiet", "--hard", head)


def refused(app, *expected: str) -> str:
    before = [deployment["id"] for deployment in app.deployments()]
    code, output = app.push("Refused")
    assert code != 0, output
    for text in expected:
        assert text in output, output
    assert [deployment["id"] for deployment in app.deployments()] == before
    assert app.version() == "1"
    return output


def test_push_to_an_unknown_app_says_so(platform, app):
    url = f"{platform.stack.panel_url}/git/{app.client.organisation}/no-such-app.git"
    result = git_push(app.client, app.folder, url)
    assert result.returncode != 0 and ("not found" in result.stderr.lower() or "404" in result.stderr), result.stderr


def test_push_without_a_token_is_refused(platform, app):
    url = f"{platform.stack.panel_url}/git/{app.reference}.git"
    result = subprocess.run(
        ["git", "-c", "credential.helper=", "push", url, "HEAD:main"], cwd=app.folder, env=app.client.environment(),
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert result.returncode != 0


def test_push_of_someone_else_learns_nothing_of_the_app(platform, app):
    stranger = Client(platform.stack, organisation="strangers", email="stranger@example.org")
    stranger.ensure_login()
    folder = platform.folder / "stranger"
    folder.mkdir()
    (folder / "slipway.yaml").write_text("build: { runtime: python:3.11 }\nweb: { command: x }\n")
    url = f"{platform.stack.panel_url}/git/{app.reference}.git"
    stranger.prepare_repository(folder, url)
    stranger.commit(folder, "Not mine")
    code, output = stranger.push(folder)
    assert code != 0 and ("not found" in output.lower() or "404" in output), output
    status, document = platform.api("GET", f"/v1/apps/{app.reference}", token=stranger.token_file().read_text())
    assert status == 404, document


def test_every_mistake_of_a_manifest_is_named_with_line_and_field(clean):
    clean.write("slipway.yaml", "build:\n  runtime: cobol:85\nweb:\n  command: x\n  port: 99999\n  colour: red\n")
    refused(
        clean,
        'slipway.yaml:2: build.runtime: found "cobol:85", expected a language and its version',
        'slipway.yaml:5: web.port: found "99999", expected a port from 1 to 65535',
        "slipway.yaml:6: web.colour: unknown key: expected one of command, port")


def test_missing_manifest_is_named(clean):
    (clean.folder / "slipway.yaml").unlink()
    refused(clean, "slipway.yaml")


def test_huge_manifest_is_refused_with_its_limit(clean):
    text = "# " + "x" * (1 << 20) + "\n" + (clean.folder / "slipway.yaml").read_text()
    clean.write("slipway.yaml", text)
    refused(clean, f"slipway.yaml has {len(text)} bytes, at most 65536 are read")


def test_alias_bomb_is_refused(clean):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    clean.write("slipway.yaml", "\n".join(lines) + "\n")
    refused(clean, "slipway.yaml")


def test_binary_in_place_of_yaml_is_refused(clean):
    clean.write("slipway.yaml", bytes(range(256)) * 8)
    refused(clean, "slipway.yaml", "UTF-8")


@pytest.mark.parametrize("old, new, field", [
    ("runtime: python:3.11", "dockerfile: ../../etc/passwd", "build.dockerfile"),
    ("runtime: python:3.11", "dockerfile: /etc/passwd", "build.dockerfile"),
    ("resources:", "mounts: { /tmp/../etc: 1MB }\nresources:", "mounts"),
    ("resources:", "mounts: { relative: 1MB }\nresources:", "mounts"),
])
def test_path_that_leaves_its_place_is_refused(clean, old, new, field):
    clean.replace("slipway.yaml", old, new)
    refused(clean, field)


def test_link_that_leads_out_of_the_repository_is_not_followed(platform):
    app = platform.new_app("linked")
    (app.folder / "Dockerfile").symlink_to("/etc/hostname")
    app.replace("slipway.yaml", "runtime: python:3.11", "dockerfile: Dockerfile")
    code, output = app.push("A link out")
    if code == 0 or app.latest():
        assert app.await_deployment()["state"] == "failed", output
    assert app.environment()["currentDeployment"] is None
    app.await_containers(0)


def test_variable_that_is_not_utf8_is_refused(platform, app):
    path = f"{app.environment_path}/variables/BROKEN"
    answer = platform.raw("PUT", path, b'{"value":"\xff\xfe"}', {"Content-Type": "application/json"})
    problem = json.loads(answer.body)
    assert answer.status in (400, 422) and "UTF-8" in json.dumps(problem), problem
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert all(variable["name"] != "BROKEN" for variable in platform.api("GET", f"{app.environment_path}/variables")[1])


@pytest.mark.parametrize("name", ["lower-case", "1ST", "A B", "A" * 300])
def test_variable_with_an_impossible_name_is_refused(platform, app, name):
    path = f"{app.environment_path}/variables"
    status, problem = platform.api("PATCH", path, {"set": {name: {"value": "x"}, "FINE": {"value": "x"}}})
    assert status in (400, 422) and problem["errors"], problem
    assert all(variable["name"] != "FINE" for variable in platform.api("GET", path)[1])


def test_body_of_100_megabytes_is_refused_by_the_api(platform, app):
    def parts():
        for _ in range(100):
            yield b"x" * (1 << 20)

    headers = {"Content-Length": str(100 << 20), "Content-Type": "application/json",
               "Authorization": f"Bearer {app.client.token_file().read_text()}"}
    url = f"{platform.stack.panel_url}/v1/organisations/{app.client.organisation}/apps"
    try:
        answer = request(url, "POST", parts(), headers, timeout=60)
        assert answer.status == 413, answer.text
    except (BrokenPipeError, ConnectionResetError):
        pass  # The panel answered and closed while the body was still being sent.
    assert platform.stack.is_ready("panel")


@pytest.mark.parametrize("path, statuses", [
    ("/v1/../../etc/passwd", (400, 404)),
    ("/v1/apps/%2e%2e/%2e%2e", (400, 404)),
    # Not a request of Git: it is told so before anyone looks at the path.
    ("/git/demo/..%2f..%2fetc.git/info/refs", (400, 403, 404)),
    ("/git/demo/..%2f..%2fetc.git/info/refs?service=git-upload-pack", (400, 401, 404)),
    ("/git/demo/..%2fjudged.git/info/refs?service=git-upload-pack", (400, 401, 404)),
    ("/git/../demo/judged.git/../../../etc/passwd?service=git-upload-pack", (400, 401, 404)),
])
def test_path_that_climbs_finds_nothing(platform, app, path, statuses):
    token = base64.b64encode(f"slipway:{app.client.token_file().read_text()}".encode()).decode()
    for headers in (None, {"Authorization": f"Basic {token}"}):
        answer = platform.raw("GET", path, headers=headers)
        assert answer.status in statuses, answer
        assert b"root:" not in answer.body and b"refs/heads" not in answer.body


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"name":7}', b'{"name":"UPPER"}', b'{"name":""}', b'{"nam":"x"}'])
def test_broken_creation_names_its_field(platform, app, body):
    answer = platform.raw("POST", f"/v1/organisations/{app.client.organisation}/apps", body,
                          {"Content-Type": "application/json"})
    problem = json.loads(answer.body)
    assert answer.status in (400, 422), problem
    assert problem["title"] and problem["requestId"] and (problem.get("detail") or problem.get("errors"))


def test_wrong_token_is_refused_with_a_problem_document(platform, app):
    status, problem = platform.api("GET", "/v1/user", token="slp_" + "0" * 40)
    assert status == 401 and problem["title"]


def test_disk_that_fills_up_during_a_build_fails_the_build_with_that_reason(platform):
    """The builder's work folder becomes a small file system; the repository does not fit."""
    app = platform.new_app("bulky")
    app.push_ok("First version")
    work = platform.state.path("builder")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "slipway-test", str(work)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        app.write("large.bin", bytes(DISK_BYTES * 2))
        _, output = app.push("Too large")
        latest = app.await_deployment()
        assert latest["state"] == "failed" and "space" in latest["reason"].lower(), latest
        assert "space" in output.lower()
        assert app.version() == "1"
    finally:
        subprocess.run(["umount", "--lazy", str(work)], check=False)
    app.set_version("1")
    app.write("large.bin", b"small")
    app.push_ok("It fits again")


def git_push(client, folder, url: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["git", "push", url, "HEAD:main"], cwd=folder, env=client.environment(), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False)
