# SPDX-License-Identifier: Apache-2.0
"""What a container engine does to the machine's network, noted before and undone after."""

import subprocess
from pathlib import Path

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
TABLES = ("filter", "nat")
TOOLS = ("iptables", "ip6tables")


def snapshot() -> dict:
    """Taken before the engine starts."""
    return {
        "forwarding": FORWARDING.read_text().strip(),
        "policy": {tool: policy(tool) for tool in TOOLS},
        "bridge": Path("/sys/class/net/docker0").exists(),
        "chains": {tool: any("DOCKER" in line for line in rules(tool, "filter")) for tool in TOOLS},
    }


def restore(before: dict) -> None:
    """Removes the engine's chains, rules and bridge, unless they were there before."""
    for tool in TOOLS:
        if not before["chains"][tool]:
            for table in TABLES:
                remove_engine_rules(tool, table)
            if before["policy"][tool]:
                run(tool, "-P", "FORWARD", before["policy"][tool])
    if not before["bridge"] and Path("/sys/class/net/docker0").exists():
        subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)
    if FORWARDING.read_text().strip() != before["forwarding"]:
        FORWARDING.write_text(before["forwarding"])


def rules(tool: str, table: str) -> list[str]:
    return run(tool, "-t", table, "-S").splitlines()


def policy(tool: str) -> str | None:
    return next((line.split()[2] for line in rules(tool, "filter") if line.startswith("-P FORWARD")), None)


def remove_engine_rules(tool: str, table: str) -> None:
    lines = rules(tool, table)
    for line in lines:
        parts = line.split()
        is_engines = "DOCKER" in line or "docker0" in parts or any(part.startswith("br-") for part in parts)
        if parts[0] == "-A" and not parts[1].startswith("DOCKER") and is_engines:
            run(tool, "-t", table, "-D", *parts[1:])
    chains = [line.split()[1] for line in lines if line.startswith("-N DOCKER")]
    for action in ("-F", "-X"):
        for chain in chains:
            run(tool, "-t", table, action, chain)


def run(tool: str, *arguments: str) -> str:
    try:
        return subprocess.run([tool, "-w", *arguments], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""
