# SPDX-License-Identifier: Apache-2.0
"""`make demo`, `make demo` again, `make demo-down`: what a newcomer does, beside a platform that is already running."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.guard import processes_that_mention
from support.platform import BUS, CHECKOUT, NAMES, Engine, Stack, State, request

SECOND_DEMO_MAX_SECONDS = 15


@pytest.fixture(scope="module")
def demo(platform):
    folder = platform.folder / "demo"
    yield Demo(folder)
    if folder.exists():
        Demo(folder).run("down")


class Demo:
    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = os.environ | {"SLIPWAY_STATE": str(folder)}

    def command(self, verb: str) -> list[str]:
        return [sys.executable, str(CHECKOUT / "examples/demo/stack.py"), verb]

    def run(self, verb: str) -> tuple[str, float]:
        started = time.monotonic()
        result = subprocess.run(
            self.command(verb), env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
        assert result.returncode == 0, result.stdout
        return result.stdout, time.monotonic() - started


def pids(demo: Demo) -> dict:
    return {path.stem: path.read_text() for path in (demo.folder / "run").glob("*.started")}


def test_demo_ends_with_the_app_answering_and_says_what_to_try_next(demo):
    output, _ = demo.run("demo")
    url = re.search(r"The guestbook answers at\s+(\S+)", output)
    assert url and "Next:" in output and "writing a row and reading it back … ok" in output
    page = request(url[1] + "/")
    assert page.status == 200 and "Guestbook" in page.text and "Hello from make demo" in page.text
    assert len(pids(demo)) == len(NAMES)


def test_env_finds_the_executables_of_the_demo_in_a_shell_that_does_not_name_them(demo):
    elsewhere = {name: value for name, value in demo.environment.items() if name != "SLIPWAY_BIN"}
    printed = subprocess.run(
        demo.command("env"), env=elsewhere, capture_output=True, text=True, timeout=60, check=True).stdout
    result = subprocess.run(
        ["/bin/sh", "-c", f"{printed}\ncommand -v slipway && slipway whoami"], env=elsewhere, capture_output=True,
        text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{Path(os.environ['SLIPWAY_BIN']).absolute()}/slipway\n")


def test_second_demo_is_quick_and_restarts_nothing(demo):
    before = pids(demo)
    output, seconds = demo.run("demo")
    assert "nothing new to deploy" in output
    assert pids(demo) == before
    assert seconds < SECOND_DEMO_MAX_SECONDS, output


def test_demo_starts_again_what_has_died(demo):
    before = pids(demo)
    state = State(demo.folder)
    stack = Stack(state, state.data["engine"], "127.0.0.1")
    stack.kill("runner")
    demo.run("up")
    after = pids(demo)
    assert {name for name in NAMES if before[name] != after[name]} == {"runner"}


def test_demo_on_the_other_bus_is_refused_and_changes_nothing(demo):
    before = pids(demo)
    other = "kafka" if BUS == "postgres" else "postgres"
    result = subprocess.run(
        demo.command("demo"), env=demo.environment | {"SLIPWAY_DEMO_BUS": other}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and "make demo-down" in result.stderr and f"BUS={BUS}" in result.stderr, result.stderr
    assert pids(demo) == before


def test_demo_down_leaves_nothing(demo):
    state = State(demo.folder)
    label, engine = f"slipway.cloudspace={state.cloudspace}", Engine(state.data["engine"])
    assert engine.containers(label)
    demo.run("down")
    assert not demo.folder.exists()
    assert not engine.containers(label) and not engine.networks(label) and not engine.images(label)
    assert not processes_that_mention(demo.folder)
