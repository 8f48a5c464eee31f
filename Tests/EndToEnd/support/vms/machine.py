# SPDX-License-Identifier: Apache-2.0
"""A machine of a fleet: its place in the network, what runs on it, and what can befall it as a whole."""

import http.client
import json
import time
from pathlib import Path

from slipway_local import recorded
from slipway_local.bus import KAFKA
from slipway_local.processes import STOP_MAX_SECONDS, Stack, executable
from slipway_local.recorded import Recorded

from .groups import Group
from .lan import Cable, Lan

READY_MAX_SECONDS = 60
PROBE_MAX_SECONDS = 5


class Machine:
    """Runs one of Slipway's executables, as the service of its subclass; `settings` are what it gets of its own."""

    service = ""

    def __init__(self, stack: Stack, lan: Lan, name: str, number: int):
        self.stack = stack
        self.name = name
        self.folder = stack.state.path(f"vms/{name}")
        self.cable = Cable(lan, name, number)
        self.group = Group(lan.prefix, name)
        self.process = Recorded(f"slipway-{self.service} on {name}", self.folder / f"{self.service}.started")

    @property
    def address(self) -> str:
        return self.cable.address

    def create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cable.create()
        self.group.create()

    def command(self, *command: str) -> list[str]:
        """Run in the machine's network and control groups. Not `ip netns exec`, which hides the control groups."""
        return self.group.joined(["nsenter", f"--net={self.cable.path}", *command])

    # Its service

    def settings(self) -> dict[str, str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        own = {"RUN_FILE": str(self.run_file), "ADMIN_LISTEN": f"{self.address}:0"} | self.settings()
        if self.stack.bus.kind == KAFKA:
            own["BUS_KAFKA_MEMBER"] = self.name
        return self.stack.environment(self.service, {f"SLIPWAY_{key}": value for key, value in own.items()})

    @property
    def run_file(self) -> Path:
        return self.folder / f"{self.service}.json"

    def log_files(self) -> list[Path]:
        return [self.folder / f"{self.service}.log"]

    def start(self) -> None:
        """Returns at once; `await_ready` waits."""
        self.run_file.unlink(missing_ok=True)
        self.process.launch(
            self.command(str(executable(f"slipway-{self.service}"))), self.log_files()[0], env=self.environment(),
            cwd=self.folder)

    def stop(self) -> None:
        recorded.stop([self.process], STOP_MAX_SECONDS)

    def kill(self) -> None:
        recorded.kill([self.process])

    def is_running(self) -> bool:
        return self.process.record() is not None

    def probe(self, path: str = "/readyz") -> tuple[int, str]:
        """Asks the admin port; status 0 when nothing answers."""
        try:
            port = json.loads(self.run_file.read_text())["admin"]
        except (FileNotFoundError, ValueError):
            return 0, "the process has not said where it listens"
        connection = http.client.HTTPConnection(self.address, port, timeout=PROBE_MAX_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def is_ready(self) -> bool:
        return self.is_running() and self.probe()[0] == 200

    def await_ready(self) -> None:
        deadline = time.monotonic() + READY_MAX_SECONDS
        while not self.is_ready():
            if not self.is_running() or time.monotonic() > deadline:
                log = self.log_files()[0].read_text(errors="replace").splitlines()[-8:]
                problem = "is not ready" if self.is_running() else "has ended"
                raise AssertionError("\n".join([f"{self.process.name} {problem}: {self.probe()[1]}", *log]))
            time.sleep(0.05)

    # All of it

    def freeze(self) -> None:
        """Nothing on it gets any processor time any more; its network still takes connections up, as a kernel does."""
        self.group.freeze()

    def thaw(self) -> None:
        self.group.thaw()

    def crash(self) -> None:
        """As if its power were cut: everything on it is gone at once, and nobody answers. What is on its disk stays."""
        self.cable.cut()
        self.group.kill()

    def repair(self) -> None:
        """Undoes what was done to it, so that all of it runs."""
        self.cable.heal()
        self.thaw()
        if not self.is_running():
            self.start()
