# SPDX-License-Identifier: Apache-2.0
"""What a fleet has outside its folder, and how it is cleared away, also for runs that could not do it themselves.

All of it is named after the fleet's digest: network namespaces, one link, control groups. A record of each fleet says
which folder it has and which process (the guard of its run) is to clear it away. Where that process is gone, too, the
next run does it.
"""

import json
import os
import sys
from pathlib import Path

from slipway_local.engine import unmount_below
from slipway_local.process_identity import is_running, start_ticks

from . import groups, lan

RUN = Path("/run")
NAME = "slipway-vms-{}.json"


def record(digest: str, folder: Path, keeper: int) -> None:
    """Before anything of the fleet is made."""
    fresh = file(digest).with_suffix(".new")
    fresh.write_text(json.dumps({
        "digest": digest, "folder": str(folder), "keeper": keeper, "ticks": start_ticks(keeper)}))
    os.replace(fresh, file(digest))


def file(digest: str) -> Path:
    return RUN / NAME.format(digest)


def records() -> list[dict]:
    return [json.loads(path.read_text()) for path in RUN.glob(NAME.format("*"))]


def power_off(digest: str, folder: Path) -> None:
    """Ends whatever runs on the machines and takes their disks away. Like `unplug` it may be called at any time."""
    remove_sockets(folder)
    groups.remove(f"slipway-{digest}")
    unmount_below(folder)


def unplug(digest: str) -> None:
    """Removes the network. By it the platform's services reach their bus: they should have ended before."""
    lan.remove(f"slipway-{digest}", f"sw-{digest}")
    file(digest).unlink(missing_ok=True)


def remove_sockets(folder: Path) -> None:
    """Shims that are killed leave their sockets behind in a folder that all engines of the machine share."""
    for address in folder.glob("state/vms/*/exec/containerd/**/address"):
        path = Path(address.read_text().removeprefix("unix://"))
        if path.parent == Path("/run/containerd/s"):
            path.unlink(missing_ok=True)


def of(folder: Path) -> list[str]:
    """The digests of a run's fleets."""
    return [found["digest"] for found in records() if Path(found["folder"]) == folder]


def clear_orphans() -> None:
    """Fleets whose run and its guard were killed, with everything else that is left of their runs."""
    from .. import guard

    for found in records():
        if not is_running(found["keeper"], found["ticks"]):
            print(f"clearing away what a killed run left in {found['folder']}", file=sys.stderr)
            guard.clear(Path(found["folder"]))


def remains(digest: str) -> list[str]:
    """Names of what is there of a fleet; none after its end."""
    prefix = f"slipway-{digest}"
    found = [*lan.NAMESPACES.glob(f"{prefix}-*"), *groups.ROOT.glob(f"*/{prefix}"), *groups.ROOT.glob(prefix),
             *Path("/sys/class/net").glob(f"sw-{digest}"), *RUN.glob(NAME.format(digest))]
    return [str(path) for path in found]
