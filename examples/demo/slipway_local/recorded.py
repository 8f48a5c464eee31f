# SPDX-License-Identifier: Apache-2.0
"""Processes that are written down when they are started, so that whoever comes later finds and ends exactly these."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from .process_identity import is_running, start_ticks
from .steps import Failure

# From the last sign of life until the exit code is there.
REAP_MAX_SECONDS = 5
KILL_MAX_SECONDS = 10


class Recorded:
    """One process and the file it is written down in."""

    def __init__(self, name: str, file: Path):
        self.name = name
        self.file = file
        self.child: subprocess.Popen | None = None

    def launch(self, command: list[str], log: Path, made=None, **options) -> subprocess.Popen:
        """`made` tells later whether it is still what would be started now."""
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options)
        record = {"pid": self.child.pid, "ticks": start_ticks(self.child.pid), "made": made}
        self.file.write_text(json.dumps(record))
        return self.child

    def record(self) -> dict | None:
        """What was written down when the process was started, if that process is still running."""
        try:
            record = json.loads(self.file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if self.child:
            self.child.poll()
        return record if is_running(record["pid"], record["ticks"]) else None

    def signal(self, number: int) -> None:
        record = self.record()
        if record:
            os.kill(record["pid"], number)

    def exit_code(self) -> int | None:
        """Known of processes that this one has started and that have ended."""
        return self.child.wait(REAP_MAX_SECONDS) if self.child else None


def stop(processes: list[Recorded], seconds: float) -> None:
    """Asks all to shut down at once and kills those that have not within `seconds`."""
    end(processes, ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_MAX_SECONDS)))


def kill(processes: list[Recorded]) -> None:
    """SIGKILL, and gone when this returns."""
    end(processes, ((signal.SIGKILL, KILL_MAX_SECONDS),))


def end(processes: list[Recorded], signals: tuple) -> None:
    for number, seconds in signals:
        for process in processes:
            process.signal(number)
        deadline = time.monotonic() + seconds
        while any(process.record() for process in processes) and time.monotonic() < deadline:
            time.sleep(0.02)
    stuck = [process.name for process in processes if process.record()]
    if stuck:
        raise Failure(f"{', '.join(stuck)} cannot be ended", "see `ps`, and restart the machine")
