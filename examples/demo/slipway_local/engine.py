# SPDX-License-Identifier: Apache-2.0
"""The container engine: one that answers is used; otherwise one is started, shared by all stacks of this machine.

Engines compete for the machine's one firewall and bridge, so there is never a second one beside the first. Each stack
holds a lease (a file that names its state folder); who gives back the last lease stops the engine and undoes what it
did to the machine.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from . import crashed_engine, firewall
from .engine_api import Engine
from .process_identity import is_running, start_ticks
from .state import State
from .steps import Failure, StepLog

DEFAULT_SOCKET = "/var/run/docker.sock"
RUN = Path("/run/slipway-engine")
DATA = Path("/var/lib/slipway-engine")
SOCKET = RUN / "engine.sock"
RECORD = RUN / "engine.json"
LEASES = RUN / "leases"
LOG = DATA / "engine.log"
START_MAX_SECONDS = 60
STOP_MAX_SECONDS = 60
# What an engine leaves behind outside the folders it was given.
TRACES = [Path("/run/containerd"), Path("/run/docker"), Path("/etc/docker/key.json")]


def candidates() -> list[str]:
    """Sockets in the order in which they are tried."""
    host = os.environ.get("DOCKER_HOST")
    if not host:
        return [DEFAULT_SOCKET, str(SOCKET)]
    if not host.startswith("unix://"):
        raise Failure(f"DOCKER_HOST is {host}: Slipway drives an engine on this machine",
                      "unset DOCKER_HOST, or set it to unix:///path/to/socket")
    return [host.removeprefix("unix://")]


def find() -> Engine | None:
    return next((engine for engine in map(Engine, candidates()) if engine.answers()), None)


def ensure(state: State, log: StepLog) -> Engine:
    with log.step("container engine") as step:
        engine = find()
        if engine is None and os.environ.get("DOCKER_HOST") not in (None, f"unix://{SOCKET}"):
            raise Failure(f"no engine answers at DOCKER_HOST ({os.environ['DOCKER_HOST']})",
                          "start that engine, or unset DOCKER_HOST so that one is started for you")
        with machine_lock(engine is None or engine.socket_path == str(SOCKET)):
            engine = find()
            if engine is None or engine.socket_path == str(SOCKET):
                # Before it starts: whoever is interrupted meanwhile has left word of whose engine it is.
                take_lease(state)
            engine = engine or start()
        state.data["engine"] = engine.socket_path
        state.save()
        step.note = f"{engine.version()} at {engine.socket_path}, ok"
    return engine


def take_lease(state: State) -> None:
    LEASES.mkdir(parents=True, exist_ok=True)
    (LEASES / state.digest).write_text(str(state.root))
    state.data["engine"] = str(SOCKET)
    state.save()


@contextmanager
def machine_lock(needed: bool = True):
    if not needed:
        yield
        return
    if os.geteuid() != 0:
        raise Failure(
            f"no container engine answers at {' or '.join(candidates())}, and starting one needs root",
            "start the engine (`sudo systemctl start docker`), add yourself to its group, or run this as root")
    # The folder itself is locked, so that no lock file is left behind.
    descriptor = os.open(RUN.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def start() -> Engine:
    if not shutil.which("dockerd"):
        raise Failure("no container engine answers and `dockerd` is not installed", "apt-get install docker.io")
    # An engine that crashed has left its traces: what was there before the first one counts.
    before = record().get("before")
    if before is None:
        traces = [str(path) for path in [*TRACES, *crashed_engine.control_groups()] if path.exists()]
        before = {"traces": traces, "firewall": firewall.snapshot()}
    for folder in (RUN, DATA, LEASES):
        folder.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps({"before": before}))
    process = launch()
    RECORD.write_text(json.dumps({"pid": process.pid, "startTicks": start_ticks(process.pid), "before": before}))
    engine = Engine(str(SOCKET))
    deadline = time.monotonic() + START_MAX_SECONDS
    while not engine.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            cause = explain(LOG.read_text(errors="replace") if LOG.exists() else "")
            stop_process()
            clean(before)
            raise cause
        time.sleep(0.1)
    return engine


def launch() -> subprocess.Popen:
    command = [
        "dockerd", "--data-root", str(DATA / "data"), "--exec-root", str(RUN / "exec"),
        "--pidfile", str(RUN / "engine.pid"), "--host", f"unix://{SOCKET}",
        "--storage-driver", os.environ.get("SLIPWAY_STORAGE_DRIVER", "overlay2"),
        "--log-level", "warn", "--log-opt", "max-size=10m",
        # Each environment has a network of its own; what an engine has by default lasts for thirty.
        "--default-address-pool", "base=172.16.0.0/12,size=24",
    ]
    with open(LOG, "wb") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/")


def explain(log: str) -> Failure:
    """The engine's last words, with what is known to help."""
    tail = "\n    ".join(log.strip().splitlines()[-6:]) or "it wrote nothing"
    fix = "read the lines above"
    if "iptables" in log or "nftables" in log:
        fix = "use the older firewall: `update-alternatives --set iptables /usr/sbin/iptables-legacy`, then try again"
    elif "overlay" in log or "storage-driver" in log or "graphdriver" in log:
        fix = "this file system cannot hold overlays: set SLIPWAY_STORAGE_DRIVER=vfs and run this again"
    elif "cgroup" in log.lower():
        fix = "control groups are not mounted: apt-get install cgroupfs-mount && cgroupfs-mount, then run this again"
    return Failure(f"the container engine did not start:\n    {tail}", fix)


def release(state: State) -> bool:
    """Gives the lease back; `True` when that stopped the engine."""
    if state.data.get("engine") != str(SOCKET) or not RUN.exists():
        return False
    with machine_lock():
        (LEASES / state.digest).unlink(missing_ok=True)
        if live_leases():
            return False
        before = record().get("before")
        stop_process()
        clean(before)
        return True


def is_shared_with_others(state: State) -> bool:
    return any(lease.name != state.digest for lease in live_leases())


def live_leases() -> list[Path]:
    live = []
    for lease in LEASES.iterdir() if LEASES.exists() else []:
        if Path(lease.read_text()).exists():
            live.append(lease)
        else:
            lease.unlink()
    return live


def record() -> dict:
    try:
        return json.loads(RECORD.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def stop_process() -> None:
    pid, ticks = record().get("pid"), record().get("startTicks")
    if pid is None:
        return
    for number, seconds in ((signal.SIGTERM, STOP_MAX_SECONDS), (signal.SIGKILL, 10)):
        if not is_running(pid, ticks):
            return
        os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while is_running(pid, ticks) and time.monotonic() < deadline:
            time.sleep(0.1)
    if is_running(pid, ticks):
        raise Failure(f"the container engine (process {pid}) does not stop", f"kill -9 {pid}, then run this again")


def clean(before: dict | None) -> None:
    """Undoes what the engine did: processes, mounts, folders, bridges, firewall rules."""
    crashed_engine.clear(RUN, DATA)
    unmount_below(RUN, DATA)
    for folder in (RUN, DATA):
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            raise Failure(f"{folder} could not be removed", "look for what still uses it (`lsof +D`), then remove it")
    if before is None:
        return
    firewall.restore(before["firewall"])
    crashed_engine.remove_groups(
        [group for group in crashed_engine.control_groups() if str(group) not in before["traces"]])
    for path in TRACES:
        if str(path) in before["traces"]:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def unmount_below(*folders: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted(points, key=len, reverse=True):
        if any(point == str(folder) or point.startswith(f"{folder}/") for folder in folders):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
