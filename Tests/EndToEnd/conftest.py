# SPDX-License-Identifier: Apache-2.0
"""One platform and one fleet for the whole run, made when the first test asks for them: own state folders, own
cloudspaces, own ports; removed at the end whatever happens.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from support import guard
from support.platform import BUS, CHECKOUT, Platform
from support.vms.fleet import Fleet, obstacle

# Usage is recorded often enough to be waited for.
os.environ.setdefault("SLIPWAY_CONTROLLER_USAGE_INTERVAL", "2")
LOG_LINES_MAX = 12
LOG_COLUMNS_MAX = 400
# Lines of the services and of engines that say that all is well.
CHATTER = ('"level":"info"', "level=info")
# A fleet is the same on each bus: its tests run on this one.
FLEET_BUS = "postgres"
KEPT_LOGS = CHECKOUT / ".build" / "fleet-logs"


class Run:
    """What these hooks know of the run so far."""

    platforms: list[Platform] = []
    # Sizes of the logs when the test began.
    log_sizes: dict[str, int] = {}
    test_started = 0.0


@pytest.fixture(scope="session")
def platform():
    print()
    platform = Platform(is_relayed=True)
    Run.platforms.append(platform)
    try:
        platform.up()
        yield platform
    finally:
        stack, label = platform.stack, platform.label if platform.state.exists else None
        engine = platform.engine if stack else None
        platform.down()
    if engine.answers():
        assert not engine.containers(label), "containers were left behind"
        assert not engine.networks(label), "networks were left behind"
        assert not engine.images(label), "images were left behind"
    assert not platform.folder.exists()
    assert not guard.processes_that_mention(platform.folder), "processes were left behind"


@pytest.fixture(scope="session")
def fleet(request):
    """Three VMs with an engine and an agent each, two ingress nodes, and the rest of a platform."""
    print()
    fleet = Fleet()
    Run.platforms.append(fleet)
    is_up = False
    try:
        fleet.up()
        is_up = True
        yield fleet
    finally:
        if request.session.testsfailed or not is_up:
            keep_logs(fleet)
        fleet.down()
    assert not fleet.remains(), "parts of the fleet were left behind"
    assert not fleet.folder.exists()
    assert not guard.processes_that_mention(fleet.folder), "processes were left behind"


def keep_logs(fleet: Fleet) -> None:
    shutil.rmtree(KEPT_LOGS, ignore_errors=True)
    KEPT_LOGS.mkdir(parents=True)
    for name, file in fleet.logs().items():
        shutil.copy(file, KEPT_LOGS / f"{name}.log".replace(" ", "-"))
    print(f"The fleet's logs are kept in {KEPT_LOGS}", flush=True)


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
    for name in ("platform", "fleet"):
        if name in request.fixturenames:
            request.getfixturevalue(name).ensure_all_run()


@pytest.fixture
def note(request):
    """Says something beside the test's result."""
    return lambda text: request.node.user_properties.append(("note", text))


def pytest_configure(config):
    # Terminated, the run still removes everything; the guard is for what cannot be caught.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    reason = obstacle() if BUS == FLEET_BUS else f"runs with SLIPWAY_E2E_BUS={FLEET_BUS}"
    for item in items:
        if "fleet" in item.fixturenames:
            item.add_marker("fleet")
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_logstart(nodeid, location):
    file, _, name = nodeid.partition("::")
    print(f"{file.rpartition('/')[2].removeprefix('test_').removesuffix('.py')}: {name} … ", end="", flush=True)
    Run.test_started = time.monotonic()
    Run.log_sizes = {name: file.stat().st_size for name, file in logs().items()}


def pytest_runtest_logreport(report):
    if report.when != "call" and report.passed:
        return
    word = "ok" if report.passed else report.outcome
    if report.when != "call":
        word += f" in its {report.when}"
    notes = "".join(f", {text}" for key, text in report.user_properties if key == "note")
    print(f"{word} ({time.monotonic() - Run.test_started:.1f} s{notes})", flush=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_report_teststatus(report):
    """The lines above stand in place of the usual dots."""
    outcome = yield
    category, _, word = outcome.get_result()
    outcome.force_result((category, "", word))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure comes with what the services had to say meanwhile."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name, file in logs().items():
            lines = file.read_bytes()[Run.log_sizes.get(name, 0):].decode(errors="replace").splitlines()
            telling = [line[:LOG_COLUMNS_MAX] for line in lines if not any(mark in line for mark in CHATTER)]
            telling = telling[-LOG_LINES_MAX:]
            if telling:
                report.sections.append((f"{name} above info", "\n".join(telling)))


def logs() -> dict[str, Path]:
    return {f"{number}: {name}": file for number, platform in enumerate(Run.platforms)
            for name, file in platform.logs().items()}
