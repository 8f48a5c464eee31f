# SPDX-License-Identifier: Apache-2.0
"""Clears away after a run that was killed: its stacks, its processes, its folder.

A process of its own that outlives the run: `guard.py FOLDER`, with a pipe as its input that closes when the run ends.
A run that ended as it should has removed its folder, and there is nothing to do.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(CHECKOUT / "Tests" / "EndToEnd"), str(CHECKOUT / "examples" / "demo")]

# The programs of a stack are left to its teardown, which ends them gracefully.
LEFT_TO_TEARDOWN = ("postgres", "slipway-")


def start(folder: Path) -> subprocess.Popen:
    """In a session of its own: what interrupts the run does not reach it."""
    return subprocess.Popen(
        [sys.executable, "-B", __file__, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/",
        start_new_session=True)


def clear(folder: Path) -> None:
    from slipway_local import engine, teardown
    from slipway_local.state import MARKER, State
    from slipway_local.steps import StepLog
    from support.vms import leftovers

    fleets = leftovers.of(folder)
    for digest in fleets:
        leftovers.power_off(digest, folder)
    for pid, program in processes_that_mention(folder).items():
        if not program.startswith(LEFT_TO_TEARDOWN):
            end(pid)
    engine.unmount_below(folder)
    for marker in folder.glob(f"*/{MARKER}"):
        try:
            teardown.down(State(marker.parent), StepLog())
        except Exception as error:  # What is left of one stack must not keep the others.
            print(f"{marker.parent}: {error}", file=sys.stderr)
    for digest in fleets:
        leftovers.unplug(digest)
    for pid in processes_that_mention(folder):
        end(pid)
    shutil.rmtree(folder, ignore_errors=True)


def processes_that_mention(folder: Path) -> dict[int, str]:
    """Program names of the processes that have the folder's path in their arguments or environment."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in arguments + b"\0" + environment and entry.name != str(os.getpid()):
            found[int(entry.name)] = Path(arguments.split(b"\0")[0].decode(errors="replace")).name
    return found


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    sys.stdin.buffer.read()
    if Path(sys.argv[1]).exists():
        clear(Path(sys.argv[1]))
