# SPDX-License-Identifier: Apache-2.0
"""Who is connected with whom over TCP on this machine, as the kernel says."""

import os
from pathlib import Path

ESTABLISHED, LISTEN = "01", "0A"


def table() -> list[dict]:
    """Connections over IPv4; one that was ended stays for a minute at the side that ended it."""
    rows = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.partition(":")[2], 16) for address in fields[1:3])
        if fields[3] != LISTEN:
            rows.append({"local": local, "remote": remote, "state": fields[3], "inode": fields[9]})
    return rows


def clients_of(port: int) -> set[int]:
    """Ports of everybody who is connected with that port, or was in the last minute."""
    rows = table()
    return {row["local"] for row in rows if row["remote"] == port} | {
        row["remote"] for row in rows if row["local"] == port}


def peers_of(pid: int) -> set[int]:
    """The ports that a process is connected with."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            pass  # Closed meanwhile.
    return {row["remote"] for row in table() if row["state"] == ESTABLISHED and row["inode"] in inodes}
