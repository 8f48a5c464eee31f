# SPDX-License-Identifier: Apache-2.0
"""Control groups of a machine: whatever runs on it, containers included, is found, frozen and killed as one."""

import errno
import os
import signal
import time
from pathlib import Path

from slipway_local.steps import Failure

ROOT = Path("/sys/fs/cgroup")
# Version 1 has a hierarchy for each controller: processes are found and frozen by this one. Version 2 has one for all.
FREEZER = ROOT / "freezer"
END_MAX_SECONDS = 10
POLL_SECONDS = 0.02


class Group:
    def __init__(self, fleet: str, machine: str):
        self.name = f"{fleet}/{machine}"
        self.is_unified = not FREEZER.exists()
        self.path = (ROOT if self.is_unified else FREEZER) / self.name
        # Processes lie in leaves only, as version 2 demands it.
        self.host = self.path / "host"

    @property
    def containers(self) -> str:
        """What the engine is told to put its containers in."""
        return f"/{self.name}/containers"

    def create(self) -> None:
        self.host.mkdir(parents=True, exist_ok=True)

    def joined(self, command: list[str]) -> list[str]:
        """A command that runs in the group, under the number of the process it is started as."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.host / "cgroup.procs"), *command]

    def freeze(self) -> None:
        """Nothing runs on when this returns."""
        self.set_frozen(True)

    def thaw(self) -> None:
        self.set_frozen(False)

    def set_frozen(self, frozen: bool) -> None:
        if self.is_unified:
            switch, values = "cgroup.freeze", ("0", "1")
        else:
            switch, values = "freezer.state", ("THAWED", "FROZEN")
        (self.path / switch).write_text(values[frozen])
        deadline = time.monotonic() + END_MAX_SECONDS
        while self.is_frozen() != frozen:
            if time.monotonic() > deadline:
                raise Failure(f"{self.path} cannot be {'frozen' if frozen else 'thawed'}", "see `ps` for state D")
            time.sleep(POLL_SECONDS)

    def is_frozen(self) -> bool:
        if self.is_unified:
            return "frozen 1" in (self.path / "cgroup.events").read_text()
        return (self.path / "freezer.state").read_text().strip() == "FROZEN"

    def kill(self) -> None:
        if self.path.exists():
            # What is frozen does not die.
            self.thaw()
            kill(self.path)


def pids(path: Path) -> list[int]:
    found = []
    for file in path.rglob("cgroup.procs"):
        try:
            found += [int(line) for line in file.read_text().split()]
        except OSError:
            pass  # The group has just been removed.
    return found


def kill(path: Path) -> None:
    """SIGKILL for everything in it and what that starts meanwhile; gone when this returns."""
    deadline = time.monotonic() + END_MAX_SECONDS
    while running := pids(path):
        if time.monotonic() > deadline:
            raise Failure(f"processes {running} in {path} cannot be ended", "see `ps`, and restart the machine")
        for pid in running:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(POLL_SECONDS)


def remove(fleet: str) -> None:
    """Kills what is left in the groups of a fleet and removes them in every hierarchy."""
    for top in [ROOT / fleet, *ROOT.glob(f"*/{fleet}")]:
        if not top.exists():
            continue
        for state in top.rglob("freezer.state"):
            state.write_text("THAWED")
        kill(top)
        for folder, _, _ in os.walk(top, topdown=False):
            remove_empty(Path(folder))


def remove_empty(group: Path) -> None:
    """A process that is not listed any more may still be on its way out."""
    deadline = time.monotonic() + END_MAX_SECONDS
    while True:
        try:
            group.rmdir()
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)
