# SPDX-License-Identifier: Apache-2.0
"""One platform for the whole run: own state folder, own cloudspace, own ports; removed at the end whatever happens."""

import time

import pytest

from support.platform import Platform

failures: list[str] = []


@pytest.fixture(scope="session")
def platform():
    platform = Platform()
    try:
        platform.up()
        yield platform
    finally:
        stack, label = platform.stack, platform.label if platform.state.exists else None
        engine = platform.engine if stack else None
        try:
            if failures:
                show_logs(platform)
        finally:
            platform.down()
        if engine and label and engine.answers():
            assert not engine.containers(label), "containers were left behind"
            assert not engine.networks(label), "networks were left behind"
        assert not platform.folder.exists()


@pytest.fixture(scope="session")
def tiny(platform):
    """An app that is up; tests that share it leave it up."""
    app = platform.new_app("tiny")
    app.push_ok("First version")
    return app


@pytest.fixture(autouse=True)
def processes_run_afterwards(request):
    """A test that failed half-way must not take the following ones with it."""
    yield
    if "platform" in request.fixturenames:
        request.getfixturevalue("platform").ensure_all_run()


def show_logs(platform) -> None:
    for name in ("panel", "controller", "builder", "services", "runner", "ingress"):
        path = platform.state.path(f"logs/{name}.log")
        if path.exists():
            lines = path.read_text(errors="replace").splitlines()
            marked = [line for line in lines if '"level":"info"' not in line][-25:]
            print(f"\n--- {name}: last messages above info of {len(lines)} ---")
            print("\n".join(line[:600] for line in marked))


def pytest_runtest_logstart(nodeid, location):
    print(f"\n→ {nodeid.rpartition('::')[2]} …", flush=True)
    pytest_runtest_logstart.started = time.monotonic()


def pytest_runtest_logreport(report):
    if report.failed:
        failures.append(report.nodeid)
    if report.when == "call" or report.failed:
        seconds = time.monotonic() - pytest_runtest_logstart.started
        print(f"  {'ok' if report.passed else report.outcome} ({seconds:.1f} s)", flush=True)
