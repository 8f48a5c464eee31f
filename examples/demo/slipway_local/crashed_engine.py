# SPDX-License-Identifier: Apache-2.0
"""What a container engine leaves behind, above all when it was killed: processes, bridges, control groups."""

import os
import signal
import subprocess
import time
from pathlib import Path

from .process_identity import is_running, start_ticks, stat_fields

PROGRAMS = ("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "docker-proxy", "runc")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
END_MAX_SECONDS = 10


def clear(run: Path, data: Path) -> None:
    """What is the engine's own, known by its folders: they must still be there."""
    end_processes([str(run), str(data)])
    remove_bridges(data / "data/network/files/local-kv.db")
    containers = data / "data/containers"
    for container in containers.iterdir() if containers.exists() else []:
        remove_groups([group / container.name for group in control_groups()])


def end_processes(folders: list[str]) -> None:
    """The engine's own programs, known by the folders in their arguments, and whatever descends from them."""
    parents = parent_of_each()
    doomed = {pid for pid in parents if is_engines(pid, folders)}
    while True:
        children = {pid for pid, parent in parents.items() if parent in doomed} - doomed
        if not children:
            break
        doomed |= children
    identities = {pid: start_ticks(pid) for pid in doomed}
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    deadline = time.monotonic() + END_MAX_SECONDS
    while any(is_running(pid, ticks) for pid, ticks in identities.items()) and time.monotonic() < deadline:
        time.sleep(0.05)


def parent_of_each() -> dict[int, int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(stat_fields(int(folder.name))[1])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return parents


def is_engines(pid: int, folders: list[str]) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return Path(arguments[0]).name in PROGRAMS and any(
        argument.startswith(f"{folder}/") for argument in arguments[1:] for folder in folders)


def remove_bridges(networks: Path) -> None:
    """Bridges are called after the first digits of their network's identity: those in this engine's records are its."""
    if not networks.exists():
        return
    records = networks.read_bytes()
    for link in Path("/sys/class/net").glob("br-*"):
        if link.name.removeprefix("br-").encode() in records:
            subprocess.run(["ip", "link", "delete", link.name], capture_output=True, check=False)


def control_groups() -> list[Path]:
    """In which every engine of this machine has its containers: one, or one of each controller."""
    return [group for pattern in ("docker", "*/docker") for group in CONTROL_GROUPS.glob(pattern)]


def remove_groups(groups: list[Path]) -> None:
    for group in groups:
        try:
            group.rmdir()
        except OSError:
            pass  # Not there, or something still runs in it.
